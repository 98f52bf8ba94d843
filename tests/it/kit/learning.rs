//! Stored files as rows, without bytes, and what the tables hold of a student.

use super::TestApp;
use lyceum::entities::item::ItemKind;
use lyceum::entities::upload::{UploadKind, UploadState};
use lyceum::entities::{content, done_mark, enrollment, playback_position, rendition, upload};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

impl TestApp {
    /// The row of a file of some kind that is ready, with something changed before it is stored; no bytes.
    pub async fn file(
        &self,
        owner_id: i64,
        kind: UploadKind,
        name: &str,
        change: impl FnOnce(&mut upload::ActiveModel),
    ) -> upload::Model {
        let mut row = upload::ActiveModel {
            owner_id: Set(owner_id),
            name: Set(name.to_owned()),
            kind: Set(kind),
            mime: Set("application/octet-stream".into()),
            size_bytes: Set(310_000),
            prefix: Set(format!(
                "uploads/{:032x}",
                u128::from_be_bytes(self.clock.random_bytes())
            )),
            state: Set(UploadState::Ready),
            progress_percent: Set(100.0),
            created_at: Set(self.clock.now()),
            updated_at: Set(self.clock.now()),
            ..Default::default()
        };
        change(&mut row);
        self.store(row).await
    }

    /// The row of a stored file of an upload; no bytes.
    pub async fn rendition(
        &self,
        upload: &upload::Model,
        name: &str,
        mime: &str,
        size: Option<(i32, i32)>,
    ) -> rendition::Model {
        let row = rendition::ActiveModel {
            upload_id: Set(upload.id),
            name: Set(name.to_owned()),
            key: Set(format!("{}/{name}", upload.prefix)),
            mime: Set(mime.to_owned()),
            size_bytes: Set(1_000),
            width: Set(size.map(|(width, _)| width)),
            height: Set(size.map(|(_, height)| height)),
            ..Default::default()
        };
        self.store(row).await
    }

    /// A content that shows a stored file.
    pub async fn media(
        &self,
        module_id: i64,
        title: &str,
        kind: ItemKind,
        upload: &upload::Model,
    ) -> content::Model {
        let id = upload.id;
        self.content(module_id, title, |row| {
            row.kind = Set(kind);
            row.upload_id = Set(Some(id));
        })
        .await
    }

    /// A film of so many seconds that is ready, with its poster, as a content of the module.
    pub async fn film_content(&self, module_id: i64, title: &str, seconds: f64) -> content::Model {
        let owner = self.owner_of(module_id).await;
        let film = self.film(owner, seconds).await;
        self.rendition(&film, "original", "video/mp4", None).await;
        self.rendition(&film, "video.mp4", "video/mp4", Some((1280, 720)))
            .await;
        self.rendition(&film, "poster.jpg", "image/jpeg", Some((1280, 720)))
            .await;
        self.media(module_id, title, ItemKind::Video, &film).await
    }

    /// The owner of the module's course.
    pub async fn owner_of(&self, module_id: i64) -> i64 {
        use lyceum::entities::{course, module};
        let found = module::Entity::find_by_id(module_id).find_also_related(course::Entity);
        let (_, course) = found.one(self.app.db.read()).await.unwrap().unwrap();
        course.unwrap().owner_id
    }

    /// The enrollments of a course.
    pub async fn enrollments(&self, course_id: i64) -> Vec<enrollment::Model> {
        let found = enrollment::Entity::find().filter(enrollment::Column::CourseId.eq(course_id));
        found.all(self.app.db.read()).await.unwrap()
    }

    /// The contents that somebody has marked as done.
    pub async fn done(&self, user_id: i64) -> Vec<i64> {
        let found = done_mark::Entity::find().filter(done_mark::Column::UserId.eq(user_id));
        let marks = found.all(self.app.db.read()).await.unwrap();
        marks.into_iter().map(|mark| mark.content_id).collect()
    }

    /// Where somebody stopped in a content, in seconds.
    pub async fn stopped_at(&self, user_id: i64, content_id: i64) -> Option<f64> {
        let found = playback_position::Entity::find_by_id((user_id, content_id));
        let position = found.one(self.app.db.read()).await.unwrap();
        position.map(|position| position.position_seconds)
    }
}
