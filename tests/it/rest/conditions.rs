//! Versions: what `If-Match` holds a change to, in which order it is looked at, and who is too late.

use super::{call, get_with, send, set_draft, teacher};
use crate::kit::{PASSWORD, Page, Role, TestApp};
use lyceum::entities::upload::{self, UploadKind, UploadState};
use lyceum::entities::{enrollment, item};
use lyceum::web::changes;
use reqwest::Method;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait as _, DbBackend, EntityTrait,
    QuerySelect as _, Statement,
};
use serde_json::{Value, json};

/// A call of ingrid on a version.
async fn on(site: &TestApp, method: Method, path: &str, tag: &str, body: &Value) -> Page {
    let browser = site.visitor();
    let request = browser
        .request(method, path)
        .basic_auth("ingrid", Some(PASSWORD))
        .header("if-match", tag);
    browser.send(request.json(body)).await
}

/// The version of a thing as ingrid reads it.
async fn version(site: &TestApp, path: &str) -> String {
    let page = call(site, Method::GET, path, "ingrid").await;
    page.expect(200).header("etag").unwrap()
}

async fn change_upload(site: &TestApp, row: upload::ActiveModel) {
    let write = site.app.write().await.unwrap();
    let row = row.update(&*write).await.unwrap();
    changes::uploads(&write, &[row.id]).await.unwrap();
    write.commit().await.unwrap();
}

#[tokio::test]
async fn what_moves_by_itself_keeps_nobody_from_a_change_and_what_somebody_set_does() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let file = site
        .file(owner, UploadKind::Video, "film.mp4", |row| {
            row.state = Set(UploadState::Processing);
        })
        .await;
    let path = format!("/api/uploads/{}/", file.id);
    let first = version(&site, &path).await;
    let row = upload::ActiveModel {
        id: Set(file.id),
        progress_percent: Set(42.0),
        ..Default::default()
    };
    change_upload(&site, row).await;
    let second = version(&site, &path).await;
    assert_ne!(first, second, "who polls sees that it got on");
    let browser = site.visitor();
    let request = browser
        .request(Method::GET, &path)
        .basic_auth("ingrid", Some(PASSWORD));
    let known = browser.send(request.header("if-none-match", &second)).await;
    known.expect(304);
    let sent = json!({"name": "take two.mp4"});
    let page = on(&site, Method::PATCH, &path, &first, &sent).await;
    let after = page.expect(200).header("etag").unwrap();
    assert_eq!(after, version(&site, &path).await);
    for tag in [&first, &second] {
        let page = on(
            &site,
            Method::PATCH,
            &path,
            tag,
            &json!({"name": "three.mp4"}),
        )
        .await;
        page.expect(412);
        on(&site, Method::DELETE, &path, tag, &json!({}))
            .await
            .expect(412);
    }
    let row = upload::ActiveModel {
        id: Set(file.id),
        state: Set(UploadState::Ready),
        ..Default::default()
    };
    change_upload(&site, row).await;
    on(&site, Method::DELETE, &path, &after, &json!({}))
        .await
        .expect(412);
    let now = version(&site, &path).await;
    on(&site, Method::DELETE, &path, &now, &json!({}))
        .await
        .expect(204);
}

#[tokio::test]
async fn a_fault_of_the_body_comes_before_the_version_and_the_type_before_the_size() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let text = site.text(module.id, "Text", "words").await;
    let film = site.film(owner, 90.0).await;
    for (path, bad) in [
        (format!("/api/courses/{}/", course.id), json!({"title": ""})),
        (
            format!("/api/courses/{}/order/", course.id),
            json!({"modules": []}),
        ),
        (format!("/api/modules/{}/", module.id), json!({"title": ""})),
        (format!("/api/contents/{}/", text.id), json!({"title": ""})),
        (format!("/api/uploads/{}/", film.id), json!({"name": ""})),
        ("/api/users/me/".into(), json!({"timezone": "Mars"})),
    ] {
        let method = if path.ends_with("order/") {
            Method::POST
        } else {
            Method::PATCH
        };
        let page = on(&site, method.clone(), &path, "\"other\"", &bad).await;
        page.expect(400);
        let good = json!({});
        if method == Method::PATCH {
            on(&site, method, &path, "\"other\"", &good)
                .await
                .expect(412);
        }
    }
    let browser = site.visitor();
    let path = format!("/api/courses/{}/", course.id);
    for (kind, status) in [("text/plain", 415), ("application/json", 413)] {
        let request = browser
            .request(Method::PATCH, &path)
            .basic_auth("ingrid", Some(PASSWORD))
            .header("content-type", kind)
            .body(vec![b' '; 1_000_001]);
        browser.send(request).await.expect(status);
    }
}

#[tokio::test]
async fn acts_heed_a_version_or_refuse_it_and_never_pass_it_over() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let path = format!("/api/courses/{}/", course.id);
    let nothing = json!({});
    let tag = version(&site, &path).await;
    for act in ["publish/", "withdraw/"] {
        let page = on(
            &site,
            Method::POST,
            &format!("{path}{act}"),
            "\"other\"",
            &nothing,
        )
        .await;
        page.expect(412);
    }
    let withdraw = format!("{path}withdraw/");
    let page = on(&site, Method::POST, &withdraw, &tag, &nothing).await;
    assert_eq!(page.expect(200).json()["draft"], true);
    assert_eq!(page.header("etag"), None, "the act is not the course");
    on(
        &site,
        Method::POST,
        &format!("{path}publish/"),
        &tag,
        &nothing,
    )
    .await
    .expect(412);
    set_draft(&site, course.id, false).await;
    let enroll = format!("{path}enroll/");
    let page = on(&site, Method::POST, &enroll, &tag, &nothing).await;
    page.expect(400).has("If-Match");
    assert!(site.enrollments(course.id).await.is_empty());
    let sent = json!({"course": course.id, "title": "First"});
    on(&site, Method::POST, "/api/modules/", &tag, &sent)
        .await
        .expect(400);
    on(&site, Method::POST, &enroll, "*", &nothing)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_version_stands_on_what_was_read_made_or_changed_in_part() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let sent = json!({"course": course.id, "title": "First"});
    let made = send(&site, Method::POST, "/api/modules/", "ingrid", &sent).await;
    let path = format!("/api/modules/{}/", made.expect(201).json()["id"]);
    assert_eq!(made.header("etag").unwrap(), version(&site, &path).await);
    let changed = send(
        &site,
        Method::PATCH,
        &path,
        "ingrid",
        &json!({"title": "A"}),
    )
    .await;
    let tag = version(&site, &path).await;
    assert_eq!(changed.expect(200).header("etag").unwrap(), tag);
    // What is stored is not what was sent: titles are trimmed.
    let page = send(
        &site,
        Method::PUT,
        &path,
        "ingrid",
        &json!({"title": " A "}),
    )
    .await;
    assert_eq!(page.expect(200).header("etag"), None);
    let page = get_with(&site.visitor(), &path, "if-none-match", &tag).await;
    page.expect(304);
}

#[tokio::test]
async fn whoever_enrolled_again_keeps_that_enrollment() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let maya = site.person("maya", Role::Student).await;
    let old = site.enrollment(maya, course.id).await;
    let path = format!("/api/enrollments/{}/", old.id);
    let page = call(&site, Method::GET, &path, "maya").await;
    let tag = page.expect(200).header("etag").unwrap();
    let end = || async {
        let browser = site.visitor();
        let request = browser
            .request(Method::DELETE, &path)
            .basic_auth("maya", Some(PASSWORD));
        browser.send(request.header("if-match", &tag)).await
    };
    let row = enrollment::ActiveModel {
        id: Set(old.id),
        last_seen_at: Set(Some(site.clock.now())),
        ..Default::default()
    };
    row.update(site.app.db.writer()).await.unwrap();
    let (one, two) = tokio::join!(end(), end());
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404]);
    let new = site.enrollment(maya, course.id).await;
    assert_ne!(new.id, old.id);
    end().await.expect(404);
    assert_eq!(site.enrollments(course.id).await, [new]);
}

/// Waits until a transaction waits for a row of another one. With SQLite's one writer nobody gets that far.
async fn until_somebody_waits(site: &TestApp) {
    let db = site.app.db.read();
    if db.get_database_backend() != DbBackend::Postgres {
        return;
    }
    crate::kit::until("somebody waits", async || {
        let waiting = Statement::from_string(
            DbBackend::Postgres,
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        db.query_one_raw(waiting).await.unwrap().map(|_| ())
    })
    .await;
}

#[tokio::test]
async fn a_change_of_a_content_sees_the_file_that_a_worker_has_just_put_there() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let content = site.film_content(module.id, "Film", 90.0).await;
    let next = site.film(owner, 80.0).await;
    let path = format!("/api/contents/{}/", content.id);
    let tag = version(&site, &path).await;
    // As the worker does it: file, then item.
    let write = site.app.write().await.unwrap();
    let held = item::Entity::find_by_id(content.item_id);
    let held = held.one(&*write).await.unwrap().unwrap();
    let files = [held.upload_id.unwrap(), next.id];
    for id in files {
        let file = upload::Entity::find_by_id(id).lock_exclusive();
        file.one(&*write).await.unwrap();
    }
    let sent = json!({"title": "Mine"});
    let changing = on(&site, Method::PATCH, &path, &tag, &sent);
    let putting = async {
        until_somebody_waits(&site).await;
        let row = item::ActiveModel {
            id: Set(held.id),
            upload_id: Set(Some(next.id)),
            updated_at: Set(site.clock.now()),
            ..Default::default()
        };
        row.update(&*write).await.unwrap();
        changes::item(&write, held.id).await.unwrap();
        write.commit().await.unwrap();
    };
    let (page, ()) = tokio::join!(changing, putting);
    page.expect(412);
    let now = call(&site, Method::GET, &path, "ingrid").await;
    assert_eq!(now.expect(200).json()["upload"], next.id);
    assert_eq!(now.json()["title"], "Film");
}

#[tokio::test]
async fn the_deletion_of_a_file_sees_the_name_that_somebody_has_just_given_it() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let film = site.film(owner, 90.0).await;
    let path = format!("/api/uploads/{}/", film.id);
    let tag = version(&site, &path).await;
    let write = site.app.write().await.unwrap();
    let row = upload::ActiveModel {
        id: Set(film.id),
        name: Set("kept.mp4".into()),
        ..Default::default()
    };
    row.update(&*write).await.unwrap();
    let nothing = json!({});
    let deleting = on(&site, Method::DELETE, &path, &tag, &nothing);
    let renaming = async {
        until_somebody_waits(&site).await;
        write.commit().await.unwrap();
    };
    let (page, ()) = tokio::join!(deleting, renaming);
    page.expect(412);
    let now = call(&site, Method::GET, &path, "ingrid").await;
    assert_eq!(now.expect(200).json()["name"], "kept.mp4");
}

#[tokio::test]
async fn contents_that_swap_their_files_at_once_do_not_wait_for_each_other() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let mut contents = Vec::new();
    for slug in ["one", "two"] {
        let course = site.course(owner, slug).await;
        let module = site.module(course.id, "First").await;
        let content = site.film_content(module.id, "Film", 90.0).await;
        let path = format!("/api/contents/{}/", content.id);
        let shown = call(&site, Method::GET, &path, "ingrid").await.json()["upload"].clone();
        // Used twice, so that neither goes when it is replaced.
        let kept = json!({"module": module.id, "kind": "video", "title": "Again", "upload": shown});
        send(&site, Method::POST, "/api/contents/", "ingrid", &kept)
            .await
            .expect(201);
        contents.push((path, shown));
    }
    for round in 0..6 {
        let at = |which: usize| json!({"upload": contents[(which + round + 1) % 2].1});
        let (here, there) = (at(0), at(1));
        let (one, two) = tokio::join!(
            send(&site, Method::PATCH, &contents[0].0, "ingrid", &here),
            send(&site, Method::PATCH, &contents[1].0, "ingrid", &there)
        );
        assert_eq!(one.expect(200).json()["upload"], here["upload"]);
        assert_eq!(two.expect(200).json()["upload"], there["upload"]);
    }
}
