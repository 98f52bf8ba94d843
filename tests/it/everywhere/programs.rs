//! What programs change by the REST API, as browsers with a session do.

use super::{School, all};
use crate::kit::{Browser, Page};
use lyceum::entities::{content, course, enrollment, message, module, subject, upload, user};
use reqwest::Method;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

/// Kinds of changes by programs.
pub(super) const KINDS: usize = 8;

/// What programs read.
pub(super) const PATHS: [&str; 8] = [
    "/api/subjects/",
    "/api/courses/",
    "/api/courses/?draft=true",
    "/api/modules/",
    "/api/contents/",
    "/api/enrollments/",
    "/api/messages/",
    "/api/users/me/",
];

async fn call(browser: &Browser, method: Method, path: &str, body: &Value) -> Page {
    let token = browser.cookie("csrftoken").unwrap_or_default();
    let request = browser.request(method, path).header("x-csrftoken", token);
    browser.send(request.json(body)).await
}

impl School {
    /// Changes something by the API.
    pub(super) async fn change_by_program(&self, kind: usize) -> Page {
        match kind {
            0 | 1 => self.program_changes_course(kind).await,
            2 => self.program_changes_module().await,
            3 => self.program_changes_content().await,
            4 => self.program_studies().await,
            5 => self.program_changes_subject().await,
            6 => self.program_changes_file().await,
            _ => self.program_changes_person().await,
        }
    }

    async fn course_id(&self) -> i64 {
        self.some::<course::Entity>().await.map_or(0, |row| row.id)
    }

    async fn program_changes_course(&self, kind: usize) -> Page {
        let (teacher, title) = (self.teacher(), self.name());
        let path = format!("/api/courses/{}/", self.course_id().await);
        if kind == 0 {
            let change = json!({"title": title, "draft": self.dice.coin()});
            return call(&teacher, Method::PATCH, &path, &change).await;
        }
        let subject = self.some::<subject::Entity>().await.map_or(0, |row| row.id);
        match self.dice.below(8) {
            0 | 1 => {
                let slug = format!("program-{}", self.changes);
                let modules = json!([{"title": "One"}, {"title": "Two"}]);
                let sent = json!({"title": title, "slug": slug, "subject": subject, "overview": "x", "modules": modules});
                call(&teacher, Method::POST, "/api/courses/", &sent).await
            }
            2 if self.dice.coin() => call(&teacher, Method::DELETE, &path, &json!({})).await,
            2 | 3 => {
                let course = self.course_id().await;
                let modules = all::<module::Entity>(&self.one).await;
                let modules = modules.iter().filter(|row| row.course_id == course);
                let mut ids: Vec<i64> = modules.map(|row| row.id).collect();
                let first = ids.len().min(1);
                ids.rotate_left(first);
                let path = format!("/api/courses/{course}/order/");
                call(&teacher, Method::POST, &path, &json!({"modules": ids})).await
            }
            4 | 5 => {
                call(
                    &teacher,
                    Method::POST,
                    &format!("{path}withdraw/"),
                    &json!({}),
                )
                .await
            }
            _ => {
                call(
                    &teacher,
                    Method::POST,
                    &format!("{path}publish/"),
                    &json!({}),
                )
                .await
            }
        }
    }

    async fn program_changes_module(&self) -> Page {
        let (teacher, title) = (self.teacher(), self.name());
        let module = self.module_id().await;
        let path = format!("/api/modules/{module}/");
        match self.dice.below(5) {
            0 | 1 => {
                let sent = json!({"course": self.course_id().await, "title": title});
                call(&teacher, Method::POST, "/api/modules/", &sent).await
            }
            2 => call(&teacher, Method::PATCH, &path, &json!({"title": title})).await,
            3 => {
                let contents = all::<content::Entity>(&self.one).await;
                let contents = contents.iter().filter(|row| row.module_id == module);
                let mut ids: Vec<i64> = contents.map(|row| row.id).collect();
                ids.reverse();
                let path = format!("{path}order/");
                call(&teacher, Method::POST, &path, &json!({"contents": ids})).await
            }
            _ => call(&teacher, Method::DELETE, &path, &json!({})).await,
        }
    }

    async fn program_changes_content(&self) -> Page {
        let (teacher, title) = (self.teacher(), self.name());
        let content = self.some::<content::Entity>().await.map_or(0, |row| row.id);
        let path = format!("/api/contents/{content}/");
        match self.dice.below(6) {
            5 => {
                let sent = json!({"language": "en", "captions": "WEBVTT\n\n00:01.000 --> 00:02.000\nBend it.\n"});
                call(&teacher, Method::POST, &format!("{path}captions/"), &sent).await
            }
            0 | 1 => {
                let sent = json!({"module": self.module_id().await, "kind": "text", "title": title, "content": title});
                call(&teacher, Method::POST, "/api/contents/", &sent).await
            }
            2 | 3 => {
                let sent = json!({"title": title, "allow_download": self.dice.coin()});
                call(&teacher, Method::PATCH, &path, &sent).await
            }
            _ => call(&teacher, Method::DELETE, &path, &json!({})).await,
        }
    }

    async fn program_studies(&self) -> Page {
        let student = self.student();
        let course = self.course_id().await;
        let content = self.some::<content::Entity>().await.map_or(0, |row| row.id);
        match self.dice.below(6) {
            0 | 1 => {
                let path = format!("/api/courses/{course}/enroll/");
                call(&student, Method::POST, &path, &json!({})).await
            }
            2 => {
                let path = format!("/api/courses/{course}/leave/");
                call(&student, Method::POST, &path, &json!({})).await
            }
            3 => {
                let path = format!("/api/contents/{content}/done/");
                let sent = json!({"done": self.dice.coin()});
                call(&student, Method::POST, &path, &sent).await
            }
            4 => {
                let path = format!("/api/contents/{content}/position/");
                let sent = json!({"position": self.dice.below(90)});
                call(&student, Method::POST, &path, &sent).await
            }
            _ => {
                let enrollment = self.some::<enrollment::Entity>().await;
                let path = format!("/api/enrollments/{}/", enrollment.map_or(0, |row| row.id));
                call(&student, Method::DELETE, &path, &json!({})).await
            }
        }
    }

    async fn program_changes_subject(&self) -> Page {
        let staff = self.staff.at(self.any_url());
        let subject = self.some::<subject::Entity>().await.map_or(0, |row| row.id);
        let path = format!("/api/subjects/{subject}/");
        match self.dice.below(4) {
            0 => {
                let sent =
                    json!({"title": self.name(), "slug": format!("subject-{}", self.changes)});
                call(&staff, Method::POST, "/api/subjects/", &sent).await
            }
            // The school looks for music and physics by their addresses.
            1 | 2 => call(&staff, Method::PATCH, &path, &json!({"title": self.name()})).await,
            _ => {
                let made = all::<subject::Entity>(&self.one).await;
                let made = made.iter().find(|row| row.slug.starts_with("subject-"));
                let path = format!("/api/subjects/{}/", made.map_or(0, |row| row.id));
                call(&staff, Method::DELETE, &path, &json!({})).await
            }
        }
    }

    async fn program_changes_file(&self) -> Page {
        let teacher = self.teacher();
        let file = self.some::<upload::Entity>().await.map_or(0, |row| row.id);
        let path = format!("/api/uploads/{file}/");
        if self.dice.below(4) > 0 {
            let sent = json!({"name": self.name()});
            return call(&teacher, Method::PATCH, &path, &sent).await;
        }
        let contents = all::<content::Entity>(&self.one).await;
        let contents: Vec<String> = contents.iter().map(|row| row.id.to_string()).collect();
        let path = format!("{path}?contents={}", contents.join(","));
        call(&teacher, Method::DELETE, &path, &json!({})).await
    }

    async fn program_changes_person(&self) -> Page {
        let staff = self.staff.at(self.any_url());
        match self.dice.below(7) {
            5 => {
                let sent = json!({"name": format!("group-{}", self.changes), "permissions": ["courses.view_content"]});
                call(&staff, Method::POST, "/api/groups/", &sent).await
            }
            6 => {
                let sent = json!({"username": format!("program-{}", self.changes), "password": "lyre-and-bow-7", "groups": ["Instructors"]});
                call(&staff, Method::POST, "/api/users/", &sent).await
            }
            0 => {
                let sent = json!({"name": self.name()});
                call(&self.teacher(), Method::PATCH, "/api/users/me/", &sent).await
            }
            1 => {
                let message = self.some::<message::Entity>().await.map_or(0, |row| row.id);
                let path = format!("/api/messages/{message}/dismiss/");
                call(&self.student(), Method::POST, &path, &json!({})).await
            }
            2 => {
                let sent = json!({"up_to": i64::MAX});
                call(
                    &self.student(),
                    Method::POST,
                    "/api/messages/dismiss/",
                    &sent,
                )
                .await
            }
            _ => {
                let robert = user::Entity::find().filter(user::Column::Username.eq("robert"));
                let robert = robert.one(self.one.app.db.read()).await.unwrap().unwrap();
                let groups: &[&str] = if self.dice.coin() {
                    &["Instructors"]
                } else {
                    &[]
                };
                let sent = json!({"groups": groups, "is_active": self.dice.below(3) > 0, "name": self.name()});
                let path = format!("/api/users/{}/", robert.id);
                call(&staff, Method::PATCH, &path, &sent).await
            }
        }
    }
}
