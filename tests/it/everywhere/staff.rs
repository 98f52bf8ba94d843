//! What those who run the site change in the admin site.

use super::{School, all};
use crate::kit::Page;
use lyceum::entities::{course, enrollment, module, subject, upload, user};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

/// Kinds of changes by staff.
pub(super) const KINDS: usize = 6;

impl School {
    /// Changes something in the admin site.
    pub(super) async fn change_by_staff(&self, kind: usize) -> Page {
        match kind {
            0 => self.staff_changes_course().await,
            1 => {
                self.staff_acts(
                    "courses",
                    &["publish", "withdraw"],
                    self.some::<course::Entity>().await.map(|row| row.id),
                )
                .await
            }
            2 => self.staff_changes_subject().await,
            3 => self.staff_enrolls().await,
            4 => {
                let row = self.some::<enrollment::Entity>().await.map(|row| row.id);
                self.staff_acts("enrollments", &["remove"], row).await
            }
            _ => self.staff_changes_person().await,
        }
    }

    async fn staff_acts(&self, table: &str, names: &[&str], id: Option<i64>) -> Page {
        let staff = self.staff.at(self.any_url());
        let name = names[self.dice.below(names.len())];
        let id = id.unwrap_or(0).to_string();
        let fields = [("action", name), ("id", id.as_str()), ("confirmed", "1")];
        staff.post(&format!("/admin/{table}/act/"), &fields).await
    }

    /// Another title, teacher and order of modules, all at once.
    async fn staff_changes_course(&self) -> Page {
        let staff = self.staff.at(self.any_url());
        let Some(course) = self.some::<course::Entity>().await else {
            return staff.get("/").await;
        };
        let modules = module::Entity::find().filter(module::Column::CourseId.eq(course.id));
        let modules = modules.all(self.one.app.db.read()).await.unwrap();
        let (title, subject) = (self.name(), course.subject_id.to_string());
        let count = (modules.len() + 1).to_string();
        let mut fields: Vec<(String, String)> = [
            ("title", title.as_str()),
            ("slug", &course.slug),
            ("subject", &subject),
            ("overview", &title),
            ("teacher", ["clara", "ingrid"][self.dice.below(2)]),
            ("modules-count", &count),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        for (at, row) in modules.iter().enumerate() {
            let place = self.dice.below(9) + 1;
            fields.push((format!("modules-{at}-id"), row.id.to_string()));
            fields.push((format!("modules-{at}-title"), format!("{} {title}", row.id)));
            fields.push((format!("modules-{at}-place"), place.to_string()));
            if self.dice.below(12) == 0 {
                fields.push((format!("modules-{at}-delete"), "1".into()));
            }
        }
        if self.dice.below(4) == 0 {
            fields.push((format!("modules-{}-title", modules.len()), title.clone()));
        }
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let path = format!("/admin/courses/{}/", course.id);
        staff.post(&path, &fields).await
    }

    async fn staff_changes_subject(&self) -> Page {
        let staff = self.staff.at(self.any_url());
        let Some(subject) = self.some::<subject::Entity>().await else {
            return staff.get("/").await;
        };
        let title = self.name();
        let fields = [("title", title.as_str()), ("slug", subject.slug.as_str())];
        let path = format!("/admin/subjects/{}/", subject.id);
        staff.post(&path, &fields).await
    }

    async fn staff_enrolls(&self) -> Page {
        let staff = self.staff.at(self.any_url());
        let slug = self
            .some::<course::Entity>()
            .await
            .map_or_else(String::new, |row| row.slug);
        let student = ["anna", "robert"][self.dice.below(2)];
        let fields = [("student", student), ("course", slug.as_str())];
        staff.post("/admin/enrollments/add/", &fields).await
    }

    /// Another name; or a file less.
    async fn staff_changes_person(&self) -> Page {
        if self.dice.below(8) == 0 {
            let files = all::<upload::Entity>(&self.one).await;
            let file = self.dice.pick(&files).map(|row| row.id);
            return self.staff_acts("uploads", &["delete"], file).await;
        }
        let staff = self.staff.at(self.any_url());
        let people = user::Entity::find().filter(user::Column::Username.eq("clara"));
        let clara = people.one(self.one.app.db.read()).await.unwrap().unwrap();
        let groups = lyceum::entities::user_group::Entity::find()
            .filter(lyceum::entities::user_group::Column::UserId.eq(clara.id));
        let groups = groups.all(self.one.app.db.read()).await.unwrap();
        let groups: Vec<String> = groups.iter().map(|row| row.group_id.to_string()).collect();
        let name = self.name();
        let mut fields = vec![("name", name.as_str())];
        fields.extend(groups.iter().map(|id| ("groups", id.as_str())));
        staff
            .post(&format!("/admin/users/{}/", clara.id), &fields)
            .await
    }
}
