//! Keys of programs: made on a page and at the terminal, held to their scopes, ended for the next request.

use crate::kit::{Browser, Page, Role, TestApp};
use chrono::TimeDelta;
use lyceum::accounts::NewToken;
use lyceum::entities::token;
use lyceum::web::scopes::{Scope, Scopes};
use reqwest::Method;
use sea_orm::{ColumnTrait as _, EntityTrait, QueryFilter as _};
use serde_json::json;

const LIST: &str = "/accounts/tokens/";
const NAME: &[(&str, &str)] = &[("filename", "a.pdf")];

pub async fn key(site: &TestApp, user_id: i64, scopes: &[Scope]) -> String {
    let new = NewToken {
        user_id,
        name: format!("{scopes:?}"),
        scopes: Some(scopes.iter().copied().collect::<Scopes>()),
        expires_at: None,
    };
    site.key(new).await
}

async fn rows(site: &TestApp) -> Vec<token::Model> {
    token::Entity::find().all(site.app.db.read()).await.unwrap()
}

/// Sends a request with a key.
async fn with(site: &TestApp, method: Method, path: &str, key: &str) -> Page {
    let browser = site.visitor();
    let request = browser.request(method, path).bearer_auth(key);
    browser
        .send(request.header("Accept", "application/json"))
        .await
}

/// Makes a key on the page; answers it as it is shown there.
async fn made(browser: &Browser, name: &str, scopes: &[&str]) -> String {
    let mut fields = vec![("name", name), ("expires", "90")];
    fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
    let page = browser.post(LIST, &fields).await.expect(200).text();
    let shown = page.split_once("class=\"key\">").unwrap().1;
    shown.split_once('<').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_key_is_shown_once_and_stored_as_a_hash() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let key = made(&maya, "Laptop <script>", &["read"]).await;
    assert_eq!(key.len(), 43);
    let page = maya.get(LIST).await;
    page.expect(200).lacks(&key).has("Laptop &#60;script&#62;");
    page.has("never used").has("31 May 2026");
    let stored = format!("{:?}", rows(&site).await);
    assert!(!stored.contains(&key), "{stored}");
    with(&site, Method::GET, "/api/courses/", &key)
        .await
        .expect(200);
    maya.get(LIST).await.expect(200).has("last used");
}

#[tokio::test]
async fn a_form_that_asks_for_too_much_makes_nothing_and_keeps_what_was_typed() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    made(&maya, "Laptop", &["read"]).await;
    let long = "x".repeat(101);
    for (fields, words) in [
        (
            vec![("name", "Phone"), ("expires", "90")],
            "Choose at least one thing",
        ),
        (vec![("name", " "), ("scope", "read")], "Give it a name"),
        (
            vec![("name", &long), ("scope", "read")],
            "at most 100 characters",
        ),
        (
            vec![("name", "Laptop"), ("scope", "read")],
            "with this name already",
        ),
        (
            vec![("name", "Phone"), ("scope", "teach")],
            "uses that are offered",
        ),
        (
            vec![("name", "Phone"), ("scope", "admin")],
            "uses that are offered",
        ),
        (
            vec![("name", "Phone"), ("scope", "fly")],
            "uses that are offered",
        ),
        (
            vec![("name", "Phone"), ("scope", "read"), ("expires", "0")],
            "from 1 to 3650 days",
        ),
        (
            vec![("name", "Phone"), ("scope", "read"), ("expires", "9e9")],
            "from 1 to 3650 days",
        ),
    ] {
        let page = maya.post(LIST, &fields).await;
        page.expect(422).has(words).has("Your tokens");
        assert_eq!(rows(&site).await.len(), 1, "{fields:?}");
    }
    let page = maya.post(LIST, &[("name", "Phone & co"), ("scope", "learn")]);
    page.await.expect(200);
    let typed = [("name", "Tablet & co"), ("expires", "7")];
    maya.post(LIST, &typed).await.has("Tablet &#38; co");
}

#[tokio::test]
async fn the_same_form_sent_twice_at_once_makes_one_key() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let fields = [("name", "Laptop"), ("scope", "read"), ("expires", "90")];
    let pages = futures::future::join_all((0..6).map(|_| maya.post(LIST, &fields))).await;
    let mut statuses: Vec<u16> = pages.iter().map(|page| page.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 422, 422, 422, 422, 422]);
    assert_eq!(rows(&site).await.len(), 1);
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_no_more_than_its_owner_may() {
    let site = TestApp::start().await;
    let clara = site.person("clara", Role::Instructor).await;
    let course = site.course(clara, "strings").await;
    let maya = site.person("maya", Role::Student).await;
    let read = key(&site, maya, &[Scope::Read]).await;
    let learn = key(&site, maya, &[Scope::Learn]).await;
    let teach = key(&site, maya, &[Scope::Read, Scope::Teach]).await;
    let path = format!("/api/courses/{}/enroll/", course.id);
    for key in [&read, &teach] {
        with(&site, Method::GET, "/api/courses/", key)
            .await
            .expect(200);
        let refused = with(&site, Method::POST, &path, key).await;
        let words = "This token may not be used for that: it lacks the scope learn.";
        assert_eq!(refused.expect(403).json(), json!({ "detail": words }));
    }
    // What is not there is not there for it, either.
    with(&site, Method::POST, "/api/courses/999/enroll/", &read)
        .await
        .expect(404);
    assert!(site.enrollments(course.id).await.is_empty());
    with(&site, Method::POST, &path, &learn).await.expect(200);
    let everything = site.key(NewToken::unbounded(maya, "old")).await;
    with(&site, Method::POST, &path, &everything)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_key_of_staff_without_admin_sees_what_anybody_sees() {
    let site = TestApp::start().await;
    let clara = site.person("clara", Role::Instructor).await;
    let draft = site.draft(clara, "strings").await;
    let sofia = site.person("sofia", Role::Staff).await;
    let path = format!("/api/courses/{}/", draft.id);
    let small = key(&site, sofia, &[Scope::Read, Scope::Learn, Scope::Teach]).await;
    with(&site, Method::GET, &path, &small).await.expect(404);
    with(&site, Method::GET, "/admin/cache/", &small)
        .await
        .expect(403);
    let admin = key(&site, sofia, &[Scope::Admin]).await;
    with(&site, Method::GET, &path, &admin).await.expect(200);
    with(&site, Method::GET, "/admin/cache/", &admin)
        .await
        .expect(200);
}

#[tokio::test]
async fn outside_of_the_api_a_scoped_key_looks_and_sends_files_and_opens_no_account() {
    let site = TestApp::start().await;
    let clara = site.person("clara", Role::Instructor).await;
    let read = key(&site, clara, &[Scope::Read]).await;
    let all = key(&site, clara, &Scope::ALL).await;
    with(&site, Method::GET, "/course/mine/", &read)
        .await
        .expect(200);
    for path in [LIST, "/accounts/profile/", "/accounts/sessions/"] {
        with(&site, Method::GET, path, &all).await.expect(403);
    }
    for path in ["/course/create/", "/messages/read/all/", LIST] {
        with(&site, Method::POST, path, &all).await.expect(403);
    }
    let program = site.visitor();
    let begin = |key: &str| {
        let creation = program.creation(NAME).header("Upload-Length", 4);
        program.send(creation.bearer_auth(key))
    };
    begin(&read).await.expect(403);
    let address = begin(&all).await.expect(201).location();
    let more = |key: &str| program.send(program.addition(&address, 0, b"ab").bearer_auth(key));
    more(&read).await.expect(403);
    more(&all).await.expect(204);
}

#[tokio::test]
async fn a_key_makes_and_revokes_no_keys() {
    let site = TestApp::start().await;
    let maya = site.person("maya", Role::Student).await;
    let old = site.key(NewToken::unbounded(maya, "old")).await;
    let id = rows(&site).await[0].id;
    let program = site.visitor();
    let fields = [("name", "Another"), ("scope", "read")];
    let creation = program.request(Method::POST, LIST).form(&fields);
    program.send(creation.bearer_auth(&old)).await.expect(403);
    let path = format!("{LIST}{id}/revoke/");
    with(&site, Method::POST, &path, &old).await.expect(403);
    assert_eq!(rows(&site).await.len(), 1);
}

#[tokio::test]
async fn a_revoked_key_is_refused_by_the_next_request_to_every_process() {
    let site = TestApp::start().await;
    let second = site.second().await;
    let maya = site.login_as("maya", Role::Student).await;
    let key = made(&maya, "Laptop", &["read"]).await;
    for node in [&site, &second] {
        with(node, Method::GET, "/students/courses/", &key)
            .await
            .expect(200);
    }
    let id = rows(&site).await[0].id;
    let path = format!("{LIST}{id}/revoke/");
    maya.get(&path).await.expect(200).has("Revoke the token");
    assert_eq!(rows(&site).await.len(), 1, "looking revokes nothing");
    let gone = maya.post(&path, &[]).await.expect(303).location();
    maya.get(&gone)
        .await
        .expect(200)
        .has("The token is revoked");
    for node in [&site, &second] {
        let refused = with(node, Method::GET, "/students/courses/", &key).await;
        assert_eq!(
            refused.expect(401).json(),
            json!({"detail": "Invalid token."})
        );
    }
    maya.post(&path, &[]).await.expect(404);
}

#[tokio::test]
async fn nobody_revokes_the_key_of_another() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    made(&maya, "Laptop", &["read"]).await;
    let id = rows(&site).await[0].id;
    let sofia = site.login_as("sofia", Role::Staff).await;
    let path = format!("{LIST}{id}/revoke/");
    sofia.get(&path).await.expect(404);
    sofia.post(&path, &[]).await.expect(404);
    sofia.get(LIST).await.expect(200).lacks("Laptop");
    assert_eq!(rows(&site).await.len(), 1);
}

#[tokio::test]
async fn an_expired_key_is_refused_from_that_moment_on_however_lately_it_was_used() {
    let site = TestApp::start().await;
    let second = site.second().await;
    let maya = site.login_as("maya", Role::Student).await;
    let key = made(&maya, "Laptop", &["read"]).await;
    site.clock
        .advance(TimeDelta::days(90) - TimeDelta::seconds(1));
    for node in [&site, &second] {
        with(node, Method::GET, "/api/courses/", &key)
            .await
            .expect(200);
    }
    site.clock.advance(TimeDelta::seconds(1));
    for node in [&site, &second] {
        with(node, Method::GET, "/api/courses/", &key)
            .await
            .expect(401);
    }
    let maya = site.login("maya").await;
    maya.get(LIST).await.expect(200).has("Expired");
}

#[tokio::test]
async fn the_last_use_is_noted_once_an_hour() {
    let site = TestApp::start().await;
    let maya = site.person("maya", Role::Student).await;
    let key = key(&site, maya, &[Scope::Read]).await;
    let used = async || {
        // Another process has nothing in memory.
        let node = site.second().await;
        with(&node, Method::GET, "/api/courses/", &key)
            .await
            .expect(200);
        let found = token::Entity::find().filter(token::Column::UserId.eq(maya));
        let row = found.one(site.app.db.read()).await.unwrap().unwrap();
        row.last_used_at.unwrap()
    };
    let first = used().await;
    assert_eq!(first, site.clock.now());
    site.clock.advance(TimeDelta::minutes(59));
    assert_eq!(used().await, first);
    site.clock.advance(TimeDelta::minutes(1));
    assert_eq!(used().await, site.clock.now());
}

#[tokio::test]
async fn nobody_has_more_keys_than_she_can_look_through() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let id = site.app.db.read();
    let found = lyceum::entities::user::Entity::find()
        .one(id)
        .await
        .unwrap();
    let owner = found.unwrap().id;
    for number in 0..50 {
        site.key(NewToken::unbounded(owner, format!("Key {number}")))
            .await;
    }
    let fields = [("name", "One more"), ("scope", "read"), ("expires", "")];
    maya.post(LIST, &fields).await.expect(422).has("50 tokens");
}
