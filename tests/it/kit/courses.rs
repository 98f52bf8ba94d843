//! Courses as they stand in the database, without the pages that make them.

use super::TestApp;
use chrono::TimeDelta;
use lyceum::entities::item::{ItemKind, TextFormat};
use lyceum::entities::upload::{UploadKind, UploadState};
use lyceum::entities::{content, course, enrollment, item, module, subject, upload};
use lyceum::web::changes;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter,
};

impl TestApp {
    /// A published course in Music; its title is its slug with spaces. Courses are a second apart, so that the
    /// last made is the newest.
    pub async fn course(&self, owner_id: i64, slug: &str) -> course::Model {
        self.course_with(owner_id, slug, |_| ()).await
    }

    /// A course that is still a draft.
    pub async fn draft(&self, owner_id: i64, slug: &str) -> course::Model {
        self.course_with(owner_id, slug, |row| row.is_draft = Set(true))
            .await
    }

    /// A course with something changed before it is stored.
    pub async fn course_with(
        &self,
        owner_id: i64,
        slug: &str,
        change: impl FnOnce(&mut course::ActiveModel),
    ) -> course::Model {
        let made = course::Entity::find()
            .count(self.app.db.read())
            .await
            .unwrap();
        let created_at = self.clock.now() + TimeDelta::seconds(i64::try_from(made).unwrap());
        let mut row = course::ActiveModel {
            owner_id: Set(owner_id),
            subject_id: Set(self.subject("music").await),
            title: Set(slug.replace('-', " ")),
            slug: Set(slug.to_owned()),
            overview: Set(format!("About {}.", slug.replace('-', " "))),
            is_draft: Set(false),
            created_at: Set(created_at),
            updated_at: Set(created_at),
            ..Default::default()
        };
        change(&mut row);
        let course = row.insert(self.app.db.writer()).await.unwrap();
        self.changed_course(course.id).await;
        course
    }

    /// Says that a course has changed, for what was written past the site.
    pub async fn changed_course(&self, id: i64) {
        let course = course::Entity::find_by_id(id);
        let course = course.one(self.app.db.read()).await.unwrap().unwrap();
        let write = self.app.write().await.unwrap();
        changes::course(&write, id, course.owner_id);
        write.commit().await.unwrap();
    }

    /// Number of a subject.
    pub async fn subject(&self, slug: &str) -> i64 {
        let found = subject::Entity::find().filter(subject::Column::Slug.eq(slug));
        found.one(self.app.db.read()).await.unwrap().unwrap().id
    }

    /// A module after the last one of the course.
    pub async fn module(&self, course_id: i64, title: &str) -> module::Model {
        let modules = module::Entity::find().filter(module::Column::CourseId.eq(course_id));
        let order = modules.count(self.app.db.read()).await.unwrap();
        let row = module::ActiveModel {
            course_id: Set(course_id),
            title: Set(title.to_owned()),
            description: Set(String::new()),
            order: Set(i64::try_from(order).unwrap()),
            ..Default::default()
        };
        let module = row.insert(self.app.db.writer()).await.unwrap();
        self.changed_course(course_id).await;
        module
    }

    /// A plain text after the last content of the module.
    pub async fn text(&self, module_id: i64, title: &str, body: &str) -> content::Model {
        self.content(module_id, title, |row| {
            row.kind = Set(ItemKind::Text);
            row.body = Set(Some(body.to_owned()));
        })
        .await
    }

    /// An item of any kind (a text unless changed), after the last content of the module. It belongs to the
    /// course's owner.
    pub async fn content(
        &self,
        module_id: i64,
        title: &str,
        change: impl FnOnce(&mut item::ActiveModel),
    ) -> content::Model {
        let (_, course) = module::Entity::find_by_id(module_id)
            .find_also_related(course::Entity)
            .one(self.app.db.read())
            .await
            .unwrap()
            .unwrap();
        let course = course.unwrap();
        let mut row = item::ActiveModel {
            owner_id: Set(course.owner_id),
            kind: Set(ItemKind::Text),
            title: Set(title.to_owned()),
            format: Set(TextFormat::Plain),
            created_at: Set(self.clock.now()),
            updated_at: Set(self.clock.now()),
            ..Default::default()
        };
        change(&mut row);
        let item = row.insert(self.app.db.writer()).await.unwrap();
        let contents = content::Entity::find().filter(content::Column::ModuleId.eq(module_id));
        let order = contents.count(self.app.db.read()).await.unwrap();
        let row = content::ActiveModel {
            module_id: Set(module_id),
            item_id: Set(item.id),
            order: Set(i64::try_from(order).unwrap()),
            ..Default::default()
        };
        let content = row.insert(self.app.db.writer()).await.unwrap();
        self.changed_course(course.id).await;
        content
    }

    /// The row of a film that is ready and plays so long; it has no stored file.
    pub async fn film(&self, owner_id: i64, seconds: f64) -> upload::Model {
        let row = upload::ActiveModel {
            owner_id: Set(owner_id),
            name: Set("film.mp4".into()),
            kind: Set(UploadKind::Video),
            mime: Set("video/mp4".into()),
            size_bytes: Set(1_000),
            prefix: Set(format!(
                "uploads/{:032x}",
                u128::from_be_bytes(self.clock.random_bytes())
            )),
            state: Set(UploadState::Ready),
            progress_percent: Set(100.0),
            duration_seconds: Set(Some(seconds)),
            created_at: Set(self.clock.now()),
            updated_at: Set(self.clock.now()),
            ..Default::default()
        };
        self.store(row).await
    }

    /// Puts somebody into a course.
    pub async fn enrollment(&self, user_id: i64, course_id: i64) -> enrollment::Model {
        let row = enrollment::ActiveModel {
            user_id: Set(user_id),
            course_id: Set(course_id),
            created_at: Set(self.clock.now()),
            ..Default::default()
        };
        let enrollment = row.insert(self.app.db.writer()).await.unwrap();
        let write = self.app.write().await.unwrap();
        changes::students(&write, course_id, user_id);
        write.commit().await.unwrap();
        enrollment
    }
}
