//! Requests that are sent twice and meant once.

use super::{send, teacher};
use crate::kit::{PASSWORD, Page, Role, TestApp};
use lyceum::entities::{content, course, kept_answer, module};
use reqwest::Method;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

/// POST by the name of the request.
async fn named(site: &TestApp, name: &str, path: &str, key: &str, body: &Value) -> Page {
    let browser = site.visitor();
    let request = browser
        .request(Method::POST, path)
        .basic_auth(name, Some(PASSWORD))
        .header("idempotency-key", key);
    browser.send(request.json(body)).await
}

async fn modules(site: &TestApp) -> u64 {
    module::Entity::find()
        .count(site.app.db.read())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_answered_as_before_and_makes_nothing_twice() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let sent = json!({"course": course.id, "title": "First", "description": "A"});
    let first = named(&site, "ingrid", "/api/modules/", "\"k-1\"", &sent).await;
    first.expect(201);
    // In another order, and with the name as many programs write it.
    let again = json!({"description": "A", "title": "First", "course": course.id});
    for body in [&sent, &again] {
        let page = named(&site, "ingrid", "/api/modules/", "k-1", body).await;
        assert_eq!(page.expect(201).bytes, first.bytes);
        for header in ["location", "etag", "content-type"] {
            assert_eq!(page.header(header), first.header(header), "{header}");
        }
    }
    assert_eq!(modules(&site).await, 1);
    let other = json!({"course": course.id, "title": "Second"});
    let page = named(&site, "ingrid", "/api/modules/", "k-1", &other).await;
    page.expect(422).has("Idempotency-Key");
    assert_eq!(modules(&site).await, 1);
    for key in ["", "a b", "\"", &"x".repeat(256)] {
        let page = named(&site, "ingrid", "/api/modules/", key, &other).await;
        page.expect(400).has("Idempotency-Key");
    }
    // The name is hers, and of this path.
    let text = json!({"module": first.json()["id"], "kind": "text", "title": "T", "content": "a"});
    named(&site, "ingrid", "/api/contents/", "k-1", &text)
        .await
        .expect(201);
    site.person("sofia", Role::Staff).await;
    let hers = named(&site, "sofia", "/api/modules/", "k-1", &sent).await;
    assert_ne!(hers.expect(201).json()["id"], first.json()["id"]);
    send(&site, Method::POST, "/api/modules/", "ingrid", &sent)
        .await
        .expect(201);
    assert_eq!(modules(&site).await, 3);
}

#[tokio::test]
async fn what_was_refused_may_be_mended_under_the_same_name() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let wrong = json!({"course": course.id, "title": ""});
    let right = json!({"course": course.id, "title": "First"});
    named(&site, "ingrid", "/api/modules/", "k", &wrong)
        .await
        .expect(400);
    named(&site, "ingrid", "/api/modules/", "k", &right)
        .await
        .expect(201);
    named(&site, "ingrid", "/api/modules/", "k", &right)
        .await
        .expect(201);
    assert_eq!(modules(&site).await, 1);
}

#[tokio::test]
async fn of_many_at_once_one_makes_it_and_all_hear_the_same() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let there = site.course(owner, "bow-hold").await;
    let module = site.module(there.id, "First").await;
    let film = site.film(owner, 90.0).await;
    let of_course = json!({
        "subject": site.subject("music").await, "title": "T", "slug": "new", "overview": "O", "modules": [{"title": "A"}],
    });
    let of_content = json!({"module": module.id, "kind": "video", "upload": film.id});
    for (path, sent) in [
        ("/api/courses/", &of_course),
        ("/api/contents/", &of_content),
    ] {
        let all = (0..8).map(|_| named(&site, "ingrid", path, "once", sent));
        let pages = futures::future::join_all(all).await;
        for page in &pages {
            assert_eq!(page.expect(201).bytes, pages[0].bytes);
            assert_eq!(page.header("location"), pages[0].header("location"));
        }
    }
    let db = site.app.db.read();
    assert_eq!(course::Entity::find().count(db).await.unwrap(), 2);
    assert_eq!(content::Entity::find().count(db).await.unwrap(), 1);
    assert_eq!(modules(&site).await, 2);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day_and_no_secret_of_the_body_with_it() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let sent = json!({"course": course.id, "title": "First"});
    let make = || named(&site, "ingrid", "/api/modules/", "k", &sent);
    let first = make().await.expect(201).json();
    site.wait_seconds(86_399);
    assert_eq!(make().await.expect(201).json(), first);
    site.wait_seconds(1);
    let second = make().await.expect(201).json();
    assert_ne!(second["id"], first["id"]);
    assert_eq!(make().await.expect(201).json(), second);
    let rows = kept_answer::Entity::find().all(site.app.db.read()).await;
    assert_eq!(rows.unwrap().len(), 1);
    // Who lost the right does not hear it again.
    let browser = site.visitor();
    let request = browser
        .request(Method::POST, "/api/modules/")
        .header("idempotency-key", "k");
    browser.send(request.json(&sent)).await.expect(401);
    site.person("maya", Role::Student).await;
    named(&site, "maya", "/api/modules/", "k", &sent)
        .await
        .expect(403);
    site.wait_seconds(2 * 86_400);
    site.drain().await;
}
