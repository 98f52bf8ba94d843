//! What members of groups with a part of the admin site do there, they do by programs too; and nothing that its pages do not
//! let them do.

use super::running::member;
use super::{call, send, set_draft, teacher};
use crate::kit::{Role, TestApp};
use crate::tokens::key;
use lyceum::web::permissions::admin;
use lyceum::web::scopes::Scope;
use reqwest::Method;
use serde_json::{Value, json};

/// Ingrid's draft with a module that holds a text.
struct School {
    site: TestApp,
    course: i64,
    module: i64,
    text: i64,
}

async fn school() -> School {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await.id;
    let module = site.module(course, "First").await.id;
    let text = site.text(module, "Text", "words").await.id;
    set_draft(&site, course, true).await;
    School {
        site,
        course,
        module,
        text,
    }
}

/// What the log tells of things of this kind: acts, the oldest first.
async fn acts(site: &TestApp, kind: &str, who: &str) -> Vec<Value> {
    let path = format!("/api/log/?kind={kind}&who={who}&via=api&ordering=id");
    let lines = call(site, Method::GET, &path, "sofia").await;
    let lines = lines.expect(200).json();
    let lines = lines.as_array().unwrap().iter();
    lines.map(|line| line["act"].clone()).collect()
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn whoever_changes_everybodys_courses_changes_their_modules_and_no_contents() {
    let School {
        site,
        course,
        module,
        text,
    } = school().await;
    site.person("sofia", Role::Staff).await;
    site.person("maya", Role::Student).await;
    member(&site, "rosa", &[admin::VIEW_COURSE, admin::CHANGE_COURSE]).await;
    member(&site, "tom", &[admin::VIEW_COURSE]).await;
    member(&site, "vera", &[admin::CHANGE_COURSE]).await;
    // Drafts are there for who looks at everybody's courses, as on the admin site.
    for (name, seen) in [("rosa", 1), ("tom", 1), ("vera", 0), ("maya", 0)] {
        for list in [
            format!("/api/modules/?course={course}"),
            "/api/courses/?draft=true".to_owned(),
        ] {
            let rows = call(&site, Method::GET, &list, name).await;
            let rows = rows.expect(200).json();
            assert_eq!(rows.as_array().unwrap().len(), seen, "{list} for {name}");
        }
    }
    let one = format!("/api/modules/{module}/");
    let title = json!({"title": "Renamed"});
    for (name, status) in [("vera", 404), ("tom", 403), ("maya", 404)] {
        for (method, path) in [(Method::PATCH, one.clone()), (Method::DELETE, one.clone())] {
            let page = send(&site, method, &path, name, &title).await;
            page.expect(status);
        }
    }
    let new = json!({"course": course, "title": "Second"});
    let made = send(&site, Method::POST, "/api/modules/", "vera", &new).await;
    assert!(made.expect(400).json()["course"][0].is_string());
    for name in ["tom", "maya"] {
        let page = send(&site, Method::POST, "/api/modules/", name, &new).await;
        page.expect(403);
    }
    let made = send(&site, Method::POST, "/api/modules/", "rosa", &new).await;
    let second = made.expect(201).json()["id"].as_i64().unwrap();
    let page = send(&site, Method::PATCH, &one, "rosa", &title).await;
    assert_eq!(page.expect(200).json()["title"], "Renamed");
    let order = json!({"modules": [second, module]});
    let path = format!("/api/courses/{course}/order/");
    let page = send(&site, Method::POST, &path, "rosa", &order).await;
    assert_eq!(page.expect(200).json()["modules"][0]["id"], second);
    let second = format!("/api/modules/{second}/");
    let page = call(&site, Method::DELETE, &second, "rosa").await;
    page.expect(204);
    assert_eq!(acts(&site, "course", "rosa").await, ["change"; 4]);
    // The admin site has no editor of contents for her, and so the API has none.
    let rosa = site.login("rosa").await;
    rosa.get(&format!("/admin/courses/{course}/"))
        .await
        .expect(200)
        .has("Renamed");
    rosa.get(&format!("/course/module/{module}/"))
        .await
        .expect(403);
    let content = format!("/api/contents/{text}/");
    for (method, path, body) in [
        (Method::GET, "/api/contents/".to_owned(), json!({})),
        (Method::GET, content.clone(), json!({})),
        (Method::PATCH, content.clone(), title.clone()),
        (Method::DELETE, content, json!({})),
        (
            Method::POST,
            format!("{one}order/"),
            json!({"contents": [text]}),
        ),
        (
            Method::POST,
            "/api/contents/".to_owned(),
            json!({"module": module, "kind": "text", "title": "Hers", "content": "words"}),
        ),
    ] {
        let page = send(&site, method.clone(), &path, "rosa", &body).await;
        assert!(
            [403, 404].contains(&page.status),
            "{method} {path}: {}",
            page.text()
        );
    }
}

#[tokio::test]
async fn a_key_changes_modules_of_others_with_both_scopes_alone() {
    let School { site, module, .. } = school().await;
    let rosa = member(&site, "rosa", &[admin::VIEW_COURSE, admin::CHANGE_COURSE]).await;
    let browser = site.visitor();
    for (scopes, status) in [
        // Without the scope her part of the admin site is shut: the course is a draft of somebody else.
        (&[Scope::Teach][..], 404),
        (&[Scope::Admin], 403),
        (&[Scope::Teach, Scope::Admin], 200),
    ] {
        let key = key(&site, rosa, scopes).await;
        let request = browser
            .request(Method::PATCH, &format!("/api/modules/{module}/"))
            .header("authorization", format!("Token {key}"))
            .json(&json!({"title": "Renamed"}));
        browser.send(request).await.expect(status);
    }
}

#[tokio::test]
async fn whoever_makes_courses_for_others_names_their_teacher() {
    let site = TestApp::start().await;
    let ingrid = teacher(&site).await;
    site.person("sofia", Role::Staff).await;
    site.person("maya", Role::Student).await;
    let rosa = member(&site, "rosa", &[admin::VIEW_COURSE, admin::ADD_COURSE]).await;
    let new = |slug: &str, owner: Value| json!({"subject": 1, "title": "Rests", "slug": slug, "overview": "Silence.", "owner": owner});
    let post = async |name: &str, body: &Value| {
        send(&site, Method::POST, "/api/courses/", name, body).await
    };
    post("maya", &new("rests", json!(ingrid))).await.expect(403);
    // Nobody makes courses of others without that permission, and nobody without a teacher.
    for (name, owner) in [
        ("ingrid", json!(rosa)),
        ("rosa", json!(999_999)),
        ("rosa", json!("ingrid")),
    ] {
        let page = post(name, &new("rests", owner.clone())).await;
        assert!(page.expect(400).json()["owner"][0].is_string(), "{owner}");
    }
    let mut unnamed = new("rests", Value::Null);
    unnamed.as_object_mut().unwrap().remove("owner");
    let page = post("rosa", &unnamed).await;
    assert!(page.expect(400).json()["owner"][0].is_string());
    let made = post("rosa", &new("rests", json!(ingrid))).await;
    let made = made.expect(201).json();
    assert_eq!(made["owner"], ingrid);
    let path = format!("/api/courses/{}/", made["id"]);
    let title = json!({"title": "Pauses"});
    send(&site, Method::PATCH, &path, "ingrid", &title)
        .await
        .expect(200);
    send(&site, Method::PATCH, &path, "rosa", &title)
        .await
        .expect(403);
    // Whoever teaches may say that it is hers.
    let made = post("ingrid", &new("bow-hold", json!(ingrid))).await;
    assert_eq!(made.expect(201).json()["owner"], ingrid);
    assert_eq!(acts(&site, "course", "rosa").await, ["add"]);
    assert!(acts(&site, "course", "ingrid").await.is_empty());
}

#[tokio::test]
async fn whoever_runs_rooms_sees_all_and_locks_them_and_moderates_none() {
    let School { site, course, .. } = school().await;
    site.person("sofia", Role::Staff).await;
    let maya = site.person("maya", Role::Student).await;
    site.enrollment(maya, course).await;
    member(&site, "rosa", &[admin::VIEW_ROOM, admin::CHANGE_ROOM]).await;
    member(&site, "tom", &[admin::VIEW_ROOM]).await;
    member(&site, "vera", &[admin::CHANGE_ROOM]).await;
    let room = format!("/api/rooms/{course}/");
    let lock = format!("{room}lock/");
    let locked = json!({"is_locked": true});
    for (name, status) in [("maya", 404), ("vera", 404), ("tom", 403), ("rosa", 200)] {
        let page = send(&site, Method::POST, &lock, name, &locked).await;
        page.expect(status);
    }
    // Twice is once, in the log too.
    let page = send(&site, Method::POST, &lock, "rosa", &locked).await;
    assert_eq!(page.expect(200).json()["is_moderator"], false);
    assert_eq!(acts(&site, "room", "rosa").await, ["lock"]);
    let seen = call(&site, Method::GET, &room, "tom").await;
    assert_eq!(seen.expect(200).json()["is_locked"], true);
    for (query, expected) in [("", 1), ("?locked=true", 1), ("?locked=false", 0)] {
        let path = format!("/api/rooms/all/{query}");
        let rows = call(&site, Method::GET, &path, "tom")
            .await
            .expect(200)
            .json();
        assert_eq!(rows.as_array().unwrap().len(), expected, "{query}");
    }
    for name in ["maya", "vera", "ingrid"] {
        call(&site, Method::GET, "/api/rooms/all/", name)
            .await
            .expect(403);
    }
    for (path, body) in [
        ("slow", json!({"seconds": 30})),
        ("mute", json!({"user": maya, "minutes": 10})),
    ] {
        let path = format!("{room}{path}/");
        let page = send(&site, Method::POST, &path, "rosa", &body).await;
        page.expect(403);
    }
    for list in ["muted", "log"] {
        let path = format!("{room}{list}/");
        call(&site, Method::GET, &path, "rosa").await.expect(403);
    }
    // What its teacher does is no matter of the log; what staff do is.
    let open = json!({"is_locked": false});
    for (name, state) in [("ingrid", &open), ("sofia", &locked)] {
        let page = send(&site, Method::POST, &lock, name, state).await;
        page.expect(200);
    }
    assert!(acts(&site, "room", "ingrid").await.is_empty());
    assert_eq!(acts(&site, "room", "sofia").await, ["lock"]);
}
