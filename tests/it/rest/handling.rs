//! Files for programs: listing, renaming and deleting them.

use super::running::member;
use super::{call, send, teacher};
use crate::kit::{PASSWORD, Role, TestApp};
use lyceum::entities::{course, item};
use lyceum::web::permissions::admin;
use reqwest::Method;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde_json::json;

#[tokio::test]
async fn files_are_listed_for_their_owner_and_for_staff() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let film = site.film(owner, 90.0).await;
    for (name, role, seen) in [
        ("clara", Role::Instructor, 0),
        ("maya", Role::Student, 0),
        ("sofia", Role::Staff, 1),
    ] {
        site.person(name, role).await;
        let list = call(&site, Method::GET, "/api/uploads/", name).await;
        assert_eq!(
            list.expect(200).json().as_array().unwrap().len(),
            seen,
            "{name}"
        );
    }
    let list = call(
        &site,
        Method::GET,
        "/api/uploads/?kind=video&search=film",
        "ingrid",
    )
    .await;
    assert_eq!(list.expect(200).json()[0]["id"], film.id);
    let none = call(&site, Method::GET, "/api/uploads/?state=failed", "ingrid").await;
    assert_eq!(none.expect(200).json(), json!([]));
    let mine = call(&site, Method::GET, "/api/uploads/?owner=me", "sofia").await;
    assert_eq!(mine.expect(200).json(), json!([]));
    call(&site, Method::GET, "/api/uploads/?kind=film", "ingrid")
        .await
        .expect(400);
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn a_file_is_renamed_by_its_owner_and_deleted_with_the_contents_that_are_named() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let content = site.film_content(module.id, "Film", 90.0).await;
    let list = call(&site, Method::GET, "/api/uploads/", "ingrid")
        .await
        .expect(200)
        .json();
    let path = format!("/api/uploads/{}/", list[0]["id"]);
    site.person("clara", Role::Instructor).await;
    site.person("sofia", Role::Staff).await;
    for (name, renames, deletes) in [("clara", 404, 404), ("sofia", 403, 409)] {
        let page = send(&site, Method::PATCH, &path, name, &json!({"name": "x.mp4"})).await;
        page.expect(renames);
        call(&site, Method::DELETE, &path, name)
            .await
            .expect(deletes);
    }
    let page = send(
        &site,
        Method::PATCH,
        &path,
        "ingrid",
        &json!({"name": "Take two"}),
    )
    .await;
    assert_eq!(page.expect(200).json()["name"], "Take two.mp4");
    for bad in [
        json!({"name": " "}),
        json!({"name": "x".repeat(251)}),
        json!({"name": 7}),
    ] {
        let page = send(&site, Method::PUT, &path, "ingrid", &bad).await;
        assert!(page.expect(400).json()["name"][0].is_string());
    }
    // What only waits for it keeps what it shows, and is not told as lost.
    let waiting = site.film_content(module.id, "Other", 80.0).await;
    let row = item::ActiveModel {
        id: Set(waiting.item_id),
        next_upload_id: Set(list[0]["id"].as_i64()),
        ..Default::default()
    };
    row.update(site.app.db.writer()).await.unwrap();
    site.changed_course(course.id).await;
    let page = call(&site, Method::DELETE, &path, "ingrid").await;
    let told = page.expect(409).json();
    let end = format!("?contents={}", content.id);
    assert!(told["detail"].as_str().unwrap().ends_with(&end), "{told}");
    let named = format!("{path}?contents={}", content.id);
    call(
        &site,
        Method::DELETE,
        &format!("{path}?contents=x"),
        "ingrid",
    )
    .await
    .expect(400);
    call(&site, Method::DELETE, &named, "ingrid")
        .await
        .expect(204);
    call(&site, Method::GET, &path, "ingrid").await.expect(404);
    let gone = format!("/api/contents/{}/", content.id);
    call(&site, Method::GET, &gone, "ingrid").await.expect(404);
    let kept = format!("/api/contents/{}/", waiting.id);
    let kept = call(&site, Method::GET, &kept, "ingrid").await;
    assert_eq!(kept.expect(200).json()["next_upload"], json!(null));
}

/// Gives a course to somebody else.
async fn give(site: &TestApp, course_id: i64, owner_id: i64) {
    let row = course::ActiveModel {
        id: Set(course_id),
        owner_id: Set(owner_id),
        ..Default::default()
    };
    row.update(site.app.db.writer()).await.unwrap();
    site.changed_course(course_id).await;
}

#[tokio::test]
async fn a_file_takes_no_lesson_along_from_a_course_that_was_given_to_somebody_else() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let other = site.person("clara", Role::Instructor).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let content = site.film_content(module.id, "Film", 90.0).await;
    let list = call(&site, Method::GET, "/api/uploads/", "ingrid").await;
    let file = list.expect(200).json()[0]["id"].clone();
    give(&site, course.id, other).await;
    let named = format!("/api/uploads/{file}/?contents={}", content.id);
    let page = call(&site, Method::DELETE, &named, "ingrid").await;
    let told = page.expect(409).json();
    assert!(
        !told["detail"]
            .as_str()
            .unwrap()
            .contains(&content.id.to_string())
    );
    let ingrid = site.login("ingrid").await;
    let (file, doomed) = (file.to_string(), content.id.to_string());
    let form = [("file", file.as_str()), ("content", doomed.as_str())];
    ingrid.post("/library/delete/", &form).await.expect(409);
    let kept = format!("/api/contents/{}/", content.id);
    let kept = call(&site, Method::GET, &kept, "clara").await;
    assert_eq!(kept.expect(200).json()["upload"].to_string(), file);
    // When it is hers again, it goes.
    give(&site, course.id, owner).await;
    call(&site, Method::DELETE, &named, "ingrid")
        .await
        .expect(204);
}

#[tokio::test]
async fn whoever_manages_a_course_steers_the_files_in_it_whoever_sent_them() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let other = site.person("clara", Role::Instructor).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let content = site.film_content(module.id, "Film", 90.0).await;
    give(&site, course.id, other).await;
    for act in ["retry", "cancel"] {
        let path = format!("/api/contents/{}/{act}/", content.id);
        // It is processed already; but she is let so far.
        call(&site, Method::POST, &path, "clara").await.expect(409);
        call(&site, Method::POST, &path, "ingrid").await.expect(404);
    }
}

#[tokio::test]
async fn files_of_others_are_deleted_by_those_who_run_uploads_and_the_log_tells() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let content = site.film_content(module.id, "Film", 90.0).await;
    let all = [admin::VIEW_UPLOAD, admin::DELETE_UPLOAD];
    member(&site, "rosa", &all).await;
    member(&site, "tom", &[admin::VIEW_UPLOAD]).await;
    let list = call(&site, Method::GET, "/api/uploads/", "rosa").await;
    let path = format!("/api/uploads/{}/", list.expect(200).json()[0]["id"]);
    let named = format!("{path}?contents={}", content.id);
    call(&site, Method::GET, &path, "tom").await.expect(200);
    call(&site, Method::DELETE, &named, "tom").await.expect(403);
    call(&site, Method::DELETE, &path, "rosa").await.expect(409);
    call(&site, Method::DELETE, &named, "rosa")
        .await
        .expect(204);
    call(&site, Method::GET, &path, "ingrid").await.expect(404);
    site.person("sofia", Role::Staff).await;
    let log = call(&site, Method::GET, "/api/log/?kind=upload", "sofia").await;
    assert_eq!(log.expect(200).json()[0]["who"], "rosa");
}

#[tokio::test]
async fn what_one_takes_and_has_not_finished_is_told_to_whoever_sends_files() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    site.film(owner, 90.0).await;
    site.person("maya", Role::Student).await;
    for path in ["/api/uploads/quota/", "/api/uploads/unfinished/"] {
        call(&site, Method::GET, path, "maya").await.expect(403);
    }
    let quota = call(&site, Method::GET, "/api/uploads/quota/", "ingrid").await;
    let quota = quota.expect(200).json();
    let of = |name: &str| quota[name].as_i64().unwrap();
    assert_eq!(of("used_bytes") + of("left_bytes"), of("quota_bytes"));
    let browser = site.visitor();
    let begin = browser
        .request(Method::POST, "/uploads/")
        .header("tus-resumable", "1.0.0")
        .header("upload-length", "1000")
        .header("upload-metadata", "filename ZmlsbS5tcDQ=")
        .basic_auth("ingrid", Some(PASSWORD));
    browser.send(begin).await.expect(201);
    let list = call(&site, Method::GET, "/api/uploads/unfinished/", "ingrid").await;
    let list = list.expect(200).json();
    assert_eq!(list[0]["name"], "film.mp4");
    assert_eq!(
        (&list[0]["size_bytes"], &list[0]["arrived_bytes"]),
        (&json!(1000), &json!(0))
    );
    let give_up = browser
        .request(Method::DELETE, list[0]["url"].as_str().unwrap())
        .header("tus-resumable", "1.0.0")
        .basic_auth("ingrid", Some(PASSWORD));
    browser.send(give_up).await.expect(204);
    let list = call(&site, Method::GET, "/api/uploads/unfinished/", "ingrid").await;
    assert_eq!(list.expect(200).json(), json!([]));
}
