//! What staff decide about the ways into the courses of others stands in the log of changes; what a teacher decides about
//! her own does not.

use crate::kit::{Browser, Page, Role, TestApp, changes_of};
use lyceum::entities::{course, enrollment_request, invitation};
use reqwest::Method;
use sea_orm::{ColumnTrait as _, EntityTrait, QueryFilter as _, QueryOrder as _};
use serde_json::json;

/// A course into which a teacher lets people, and what is asked of it.
struct School {
    site: TestApp,
    course: course::Model,
}

impl School {
    async fn open() -> Self {
        let site = TestApp::start().await;
        let owner = site.person("ines", Role::Instructor).await;
        let course = site.course(owner, "strings").await;
        Self { site, course }
    }

    fn entry(&self) -> String {
        format!("/course/{}/entry/", self.course.id)
    }

    /// Somebody who asks to be let in; the number of her request.
    async fn asks(&self, name: &str) -> i64 {
        let browser = self.site.login_as(name, Role::Student).await;
        self.site.wait_seconds(1);
        let number = self.course.id.to_string();
        browser
            .post("/students/enroll-course/", &[("course", number.as_str())])
            .await
            .expect(303);
        let found = enrollment_request::Entity::find()
            .order_by_desc(enrollment_request::Column::Id)
            .one(self.site.app.db.read())
            .await;
        found.unwrap().unwrap().id
    }

    async fn invitations(&self) -> Vec<i64> {
        let rows = invitation::Entity::find()
            .filter(invitation::Column::RevokedAt.is_null())
            .order_by_asc(invitation::Column::Id);
        let rows = rows.all(self.site.app.db.read()).await.unwrap();
        rows.into_iter().map(|row| row.id).collect()
    }

    /// Changes all ways into the course by the pages.
    async fn by_pages(&self, browser: &Browser) {
        let rules = [("places", "2"), ("approval", "on")];
        browser.post(&self.entry(), &rules).await.expect(303);
        let let_in = self.asks("anna").await.to_string();
        let declined = self.asks("ben").await.to_string();
        let decide = format!("{}requests/", self.entry());
        let accept = [("act", "accept"), ("request", let_in.as_str())];
        browser.post(&decide, &accept).await.expect(303);
        let decline = [
            ("act", "decline"),
            ("request", declined.as_str()),
            ("reason", "It is for beginners."),
        ];
        browser.post(&decide, &decline).await.expect(303);
        let path = format!("/course/{}/invitations/", self.course.id);
        let note = [("note", "spring class"), ("uses", "30")];
        browser.post(&path, &note).await.expect(303);
        let made = *self.invitations().await.last().unwrap();
        let revoke = format!("{path}{made}/revoke/");
        // Twice is once.
        browser.post(&revoke, &[]).await.expect(303);
        browser.post(&revoke, &[]).await.expect(303);
        let open = [("places", ""), ("approval", "")];
        browser.post(&self.entry(), &open).await.expect(303);
        // What is so already is no change.
        browser.post(&self.entry(), &open).await.expect(303);
    }

    /// The same by the API; the answer with the key of the invitation.
    async fn by_programs(&self, browser: &Browser) -> Page {
        let call = async |method: Method, path: String, body: serde_json::Value| {
            let request = browser
                .request(method, &path)
                .header("X-CSRFToken", browser.cookie("csrftoken").unwrap())
                .json(&body);
            browser.send(request).await
        };
        let course = self.course.id;
        let rules = format!("/api/courses/{course}/entry/");
        let change = json!({"places": 3, "needs_approval": true});
        call(Method::PATCH, rules.clone(), change).await.expect(200);
        let let_in = self.asks("cleo").await;
        let declined = self.asks("dora").await;
        let path = |id: i64, act: &str| format!("/api/requests/{id}/{act}/");
        call(Method::POST, path(let_in, "accept"), json!({}))
            .await
            .expect(200);
        for _ in 0..2 {
            call(Method::POST, path(declined, "decline"), json!({}))
                .await
                .expect(200);
        }
        let new = json!({"course": course});
        let made = call(Method::POST, "/api/invitations/".into(), new).await;
        let id = made.expect(201).json()["id"].as_i64().unwrap();
        let path = format!("/api/invitations/{id}/revoke/");
        call(Method::POST, path, json!({})).await.expect(200);
        let open = json!({"places": null, "needs_approval": false});
        call(Method::PATCH, rules, open).await.expect(200);
        made
    }
}

fn changed(expected: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    let expected = expected.iter();
    expected
        .map(|(field, before, after)| {
            (
                (*field).to_owned(),
                (*before).to_owned(),
                (*after).to_owned(),
            )
        })
        .collect()
}

/// What is logged of a round.
const ROUND: [(&str, &str); 6] = [
    ("change", "course"),
    ("accept", "request"),
    ("decline", "request"),
    ("add", "invitation"),
    ("revoke", "invitation"),
    ("change", "course"),
];

#[tokio::test]
async fn what_staff_decide_about_the_ways_into_a_course_of_another_stands_in_the_log() {
    let school = School::open().await;
    let staff = school.site.login_as("sofia", Role::Staff).await;
    school.by_pages(&staff).await;
    let lines = school.site.log().await;
    let told: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line.act.as_str(), line.object_kind.as_str()))
        .collect();
    assert_eq!(told, ROUND);
    assert!(
        lines
            .iter()
            .all(|line| line.via == "page" && line.actor_name == "sofia")
    );
    assert_eq!(
        changes_of(&lines[0]),
        changed(&[("places", "", "2"), ("approval", "no", "yes")])
    );
    assert_eq!(lines[1].object_name, "anna in strings");
    assert_eq!(
        changes_of(&lines[1]),
        changed(&[("state", "asked", "enrolled")])
    );
    assert_eq!(
        changes_of(&lines[2]),
        changed(&[
            ("state", "asked", "declined"),
            ("reason", "", "It is for beginners.")
        ])
    );
    assert_eq!(changes_of(&lines[4]), changed(&[("revoked", "no", "yes")]));
    let made = school.by_programs(&staff).await;
    let lines = school.site.log().await;
    let told: Vec<(&str, &str)> = lines[ROUND.len()..]
        .iter()
        .map(|line| (line.act.as_str(), line.object_kind.as_str()))
        .collect();
    assert_eq!(told, ROUND);
    assert!(lines[ROUND.len()..].iter().all(|line| line.via == "api"));
    let key = made.json()["key"].as_str().unwrap().to_owned();
    assert!(lines.iter().all(|line| !line.changes.contains(&key)));
    for kind in ["request", "invitation"] {
        staff
            .get(&format!("/admin/log/?kind={kind}"))
            .await
            .expect(200)
            .has("1 to 4 of 4");
    }
}

#[tokio::test]
async fn what_a_teacher_decides_about_the_ways_into_her_own_course_is_no_matter_of_the_log() {
    let school = School::open().await;
    let teacher = school.site.login("ines").await;
    school.by_pages(&teacher).await;
    school.by_programs(&teacher).await;
    assert_eq!(school.site.log().await, []);
}
