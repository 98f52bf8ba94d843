//! Files for programs: listing, renaming and deleting them.

use super::{call, send, teacher};
use crate::kit::{Role, TestApp};
use lyceum::entities::item;
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
    for (name, status) in [("clara", 404), ("sofia", 403)] {
        let page = send(&site, Method::PATCH, &path, name, &json!({"name": "x.mp4"})).await;
        page.expect(status);
        call(&site, Method::DELETE, &path, name)
            .await
            .expect(status);
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
