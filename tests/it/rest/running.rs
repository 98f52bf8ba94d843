//! Running the site by programs: who is in which course, announcements, the log of changes, kinds of jobs; for staff, and
//! for members of groups with that part of running it.

use super::{call, send, teacher};
use crate::kit::{Role, TestApp};
use lyceum::entities::{enrollment, group, group_permission, user_group};
use lyceum::web::permissions::admin;
use lyceum::web::scopes::Scope;
use reqwest::Method;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};

/// Somebody in a group that has these permissions alone.
pub async fn member(site: &TestApp, name: &str, permissions: &[&str]) -> i64 {
    let id = site.person(name, Role::Student).await;
    let writer = site.app.db.writer();
    let group = group::ActiveModel {
        name: Set(format!("of {name}")),
        ..Default::default()
    };
    let group = group.insert(writer).await.unwrap();
    for permission in permissions {
        let row = group_permission::ActiveModel {
            group_id: Set(group.id),
            permission: Set((*permission).to_owned()),
        };
        row.insert(writer).await.unwrap();
    }
    let row = user_group::ActiveModel {
        user_id: Set(id),
        group_id: Set(group.id),
    };
    row.insert(writer).await.unwrap();
    site.account_changed(id).await;
    id
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn whoever_runs_enrollments_puts_people_into_courses_and_takes_them_out() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await.id;
    let maya = site.person("maya", Role::Student).await;
    let all = [
        admin::VIEW_ENROLLMENT,
        admin::ADD_ENROLLMENT,
        admin::DELETE_ENROLLMENT,
    ];
    member(&site, "rosa", &all).await;
    let body = json!({"user": maya, "course": course});
    for name in ["maya", "ingrid"] {
        let page = send(&site, Method::POST, "/api/enrollments/", name, &body).await;
        page.expect(403);
    }
    let made = send(&site, Method::POST, "/api/enrollments/", "rosa", &body).await;
    let made = made.expect(201).json();
    assert_eq!(
        (&made["username"], &made["percent"]),
        (&json!("maya"), &json!(0))
    );
    send(&site, Method::POST, "/api/enrollments/", "rosa", &body)
        .await
        .expect(409);
    for (field, bad) in [
        ("user", json!(999_999)),
        ("course", json!(-1)),
        ("user", json!("maya")),
    ] {
        let mut body = body.clone();
        body[field] = bad;
        let page = send(&site, Method::POST, "/api/enrollments/", "rosa", &body).await;
        assert!(page.expect(400).json()[field][0].is_string());
    }
    // Only whoever may sees those of everybody.
    let list = format!("/api/enrollments/?everybody=true&user={maya}&course={course}");
    for (name, seen) in [("rosa", 1), ("ingrid", 0), ("maya", 1)] {
        let page = call(&site, Method::GET, &list, name).await;
        assert_eq!(
            page.expect(200).json().as_array().unwrap().len(),
            seen,
            "{name}"
        );
    }
    let hers = call(&site, Method::GET, "/api/enrollments/", "rosa").await;
    assert_eq!(hers.expect(200).json(), json!([]));
    let path = format!("/api/enrollments/{}/", made["id"]);
    for method in [Method::GET, Method::DELETE] {
        call(&site, method, &path, "ingrid").await.expect(404);
    }
    call(&site, Method::DELETE, &path, "rosa").await.expect(204);
    call(&site, Method::DELETE, &path, "rosa").await.expect(404);
    let left = enrollment::Entity::find()
        .all(site.app.db.read())
        .await
        .unwrap();
    assert!(left.is_empty());
    let lines = call(&site, Method::GET, "/api/log/?kind=enrollment", "rosa").await;
    lines.expect(403);
    site.person("sofia", Role::Staff).await;
    let lines = call(
        &site,
        Method::GET,
        "/api/log/?kind=enrollment&who=rosa",
        "sofia",
    )
    .await;
    let lines = lines.expect(200).json();
    let acts: Vec<&Value> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["act"])
        .collect();
    assert_eq!(acts, ["remove", "add"]);
    assert_eq!(lines[0]["via"], "api");
}

#[tokio::test]
async fn a_key_without_the_scope_admin_runs_nothing_whoever_owns_it() {
    let site = TestApp::start().await;
    let rosa = member(&site, "rosa", &[admin::VIEW_ENROLLMENT, admin::VIEW_JOB]).await;
    let browser = site.visitor();
    for (scope, status) in [(Scope::Teach, 403), (Scope::Admin, 200)] {
        let key = crate::tokens::key(&site, rosa, &[scope]).await;
        let request = browser
            .request(Method::GET, "/api/jobs/")
            .header("authorization", format!("Token {key}"));
        browser.send(request).await.expect(status);
    }
}

#[tokio::test]
async fn staff_send_an_announcement_once_and_stop_it() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await.id;
    site.person("sofia", Role::Staff).await;
    let body = json!({"audience": format!("course:{course}"), "text": "No lesson today."});
    send(&site, Method::POST, "/api/announcements/", "ingrid", &body)
        .await
        .expect(403);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = send(&site, Method::POST, "/api/announcements/", "sofia", &body).await;
        let made = made.expect(201).json();
        assert_eq!(
            (&made["state"], &made["expected"]),
            (&json!("sending"), &json!(1))
        );
        ids.push(made["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    for (field, bad) in [
        ("audience", json!("course:999999")),
        ("audience", json!("all")),
        ("text", json!(" ")),
        ("text", json!("x".repeat(251))),
        ("link", json!("https://elsewhere.example/")),
        ("state", json!("sent")),
    ] {
        let mut body = body.clone();
        body[field] = bad.clone();
        let page = send(&site, Method::POST, "/api/announcements/", "sofia", &body).await;
        assert!(
            page.expect(400).json()[field][0].is_string(),
            "{field} {bad}"
        );
    }
    let path = format!("/api/announcements/{}/", ids[0]);
    for _ in 0..2 {
        let page = call(&site, Method::POST, &format!("{path}stop/"), "sofia").await;
        assert_eq!(page.expect(200).json()["state"], "stopped");
    }
    site.drain().await;
    let list = call(
        &site,
        Method::GET,
        "/api/announcements/?state=stopped",
        "sofia",
    )
    .await;
    assert_eq!(list.expect(200).json()[0]["told"], 0);
    let body = json!({"audience": "everybody", "text": "Welcome.", "link": "/course/bow-hold/"});
    let made = send(&site, Method::POST, "/api/announcements/", "sofia", &body).await;
    let path = format!("/api/announcements/{}/", made.expect(201).json()["id"]);
    site.drain().await;
    let page = call(&site, Method::GET, &path, "sofia").await;
    assert_eq!(page.expect(200).json()["state"], "sent");
    call(&site, Method::POST, &format!("{path}stop/"), "sofia")
        .await
        .expect(409);
}

#[tokio::test]
async fn a_kind_of_jobs_is_paused_and_resumed() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    member(&site, "rosa", &[admin::VIEW_JOB]).await;
    member(&site, "tom", &[admin::CHANGE_JOB]).await;
    let kind = json!({"kind": "media.process_upload"});
    for (name, status) in [("maya", 403), ("rosa", 403), ("tom", 200)] {
        let page = send(&site, Method::POST, "/api/jobs/pause/", name, &kind).await;
        page.expect(status);
    }
    call(&site, Method::GET, "/api/jobs/kinds/", "tom")
        .await
        .expect(403);
    let find = |kinds: &Value| {
        let mut kinds = kinds.as_array().unwrap().iter();
        kinds
            .find(|row| row["kind"] == kind["kind"])
            .unwrap()
            .clone()
    };
    let kinds = call(&site, Method::GET, "/api/jobs/kinds/", "rosa").await;
    let kinds = kinds.expect(200).json();
    assert_eq!(kinds[0]["kind"], "*");
    let row = find(&kinds);
    assert_eq!(
        (&row["is_paused"], &row["paused_by"]),
        (&json!(true), &json!("tom"))
    );
    for _ in 0..2 {
        let page = send(&site, Method::POST, "/api/jobs/resume/", "tom", &kind).await;
        assert_eq!(page.expect(200).json()["is_paused"], false);
    }
    for bad in [json!({}), json!({"kind": "fly"}), json!({"kind": 7})] {
        let page = send(&site, Method::POST, "/api/jobs/pause/", "tom", &bad).await;
        assert!(page.expect(400).json()["kind"][0].is_string());
    }
}

#[tokio::test]
async fn the_log_is_read_and_never_written_to() {
    let site = TestApp::start().await;
    site.person("sofia", Role::Staff).await;
    member(&site, "rosa", &[admin::VIEW_LOG]).await;
    site.person("maya", Role::Student).await;
    let subject = json!({"title": "Winds", "slug": "winds"});
    send(&site, Method::POST, "/api/subjects/", "sofia", &subject)
        .await
        .expect(201);
    let lines = call(&site, Method::GET, "/api/log/?search=Win&via=api", "rosa").await;
    let lines = lines.expect(200).json();
    assert_eq!(
        (&lines[0]["who"], &lines[0]["act"]),
        (&json!("sofia"), &json!("add"))
    );
    let path = format!("/api/log/{}/", lines[0]["id"]);
    let line = call(&site, Method::GET, &path, "rosa")
        .await
        .expect(200)
        .json();
    assert_eq!(line["changes"][0]["before"], "");
    for path in ["/api/log/", &path] {
        call(&site, Method::GET, path, "maya").await.expect(403);
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            call(&site, method, path, "sofia").await.expect(405);
        }
    }
    call(&site, Method::GET, "/api/log/?via=fly", "rosa")
        .await
        .expect(400);
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn whoever_runs_subjects_and_courses_does_so_by_programs_too() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let other = site.person("clara", Role::Instructor).await;
    let course = site.course(owner, "bow-hold").await.id;
    site.person("maya", Role::Student).await;
    let all = [
        admin::ADD_SUBJECT,
        admin::CHANGE_SUBJECT,
        admin::DELETE_SUBJECT,
        admin::VIEW_COURSE,
        admin::CHANGE_COURSE,
        admin::DELETE_COURSE,
    ];
    member(&site, "rosa", &all).await;
    member(&site, "tom", &[admin::VIEW_COURSE]).await;
    let subject = json!({"title": "Winds", "slug": "winds"});
    send(&site, Method::POST, "/api/subjects/", "tom", &subject)
        .await
        .expect(403);
    let made = send(&site, Method::POST, "/api/subjects/", "rosa", &subject).await;
    let path = format!("/api/subjects/{}/", made.expect(201).json()["id"]);
    let title = json!({"title": "Woodwinds"});
    send(&site, Method::PATCH, &path, "tom", &title)
        .await
        .expect(403);
    send(&site, Method::PATCH, &path, "rosa", &title)
        .await
        .expect(200);
    call(&site, Method::DELETE, &path, "tom").await.expect(403);
    call(&site, Method::DELETE, &path, "rosa").await.expect(204);

    let path = format!("/api/courses/{course}/");
    let give = format!("{path}give/");
    call(&site, Method::POST, &format!("{path}withdraw/"), "rosa")
        .await
        .expect(200);
    call(&site, Method::GET, &path, "tom").await.expect(200);
    call(&site, Method::GET, &path, "maya").await.expect(404);
    let to = json!({"owner": other});
    for name in ["tom", "ingrid"] {
        send(&site, Method::POST, &give, name, &to)
            .await
            .expect(403);
        if name == "tom" {
            send(&site, Method::PATCH, &path, name, &title)
                .await
                .expect(403);
            call(&site, Method::DELETE, &path, name).await.expect(403);
        }
    }
    for bad in [
        json!({}),
        json!({"owner": 999_999}),
        json!({"owner": "clara"}),
    ] {
        let page = send(&site, Method::POST, &give, "rosa", &bad).await;
        assert!(page.expect(400).json()["owner"][0].is_string());
    }
    for _ in 0..2 {
        let page = send(&site, Method::POST, &give, "rosa", &to).await;
        assert_eq!(page.expect(200).json()["owner"], other);
    }
    send(&site, Method::PATCH, &path, "ingrid", &title)
        .await
        .expect(404);
    send(&site, Method::PATCH, &path, "clara", &title)
        .await
        .expect(200);
    site.person("sofia", Role::Staff).await;
    let log = call(
        &site,
        Method::GET,
        "/api/log/?kind=course&who=rosa",
        "sofia",
    )
    .await;
    assert_eq!(log.expect(200).json().as_array().unwrap().len(), 2);
    call(&site, Method::DELETE, &path, "rosa").await.expect(204);
}
