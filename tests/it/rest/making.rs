//! What staff make for others (accounts, groups), and captions of recordings.

use super::{call, send, teacher};
use crate::kit::{PASSWORD, Role, TestApp};
use lyceum::accounts::NewToken;
use lyceum::entities::user;
use lyceum::web::scopes::Scope;
use reqwest::Method;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

const VTT: &str = "WEBVTT\n\n00:01.000 --> 00:02.000\nBend the thumb.\n";

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn captions_of_a_recording_are_added_replaced_and_deleted_by_who_writes_the_course() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let film = site.film_content(module.id, "Film", 90.0).await;
    let text = site.text(module.id, "Text", "words").await;
    let path = format!("/api/contents/{}/captions/", film.id);
    let page = call(&site, Method::GET, &path, "ingrid").await;
    assert_eq!(page.expect(200).json(), json!([]));
    let sent = json!({"language": "English", "captions": VTT});
    let made = send(&site, Method::POST, &path, "ingrid", &sent).await;
    let made = made.expect(200).json();
    assert_eq!(
        (&made[0]["language"], &made[0]["name"]),
        (&json!("en"), &json!("English"))
    );
    let url = made[0]["url"].as_str().unwrap();
    let captions = call(&site, Method::GET, url, "ingrid").await;
    captions.expect(200).has("Bend the thumb.");
    let other = json!({"language": "en", "captions": VTT.replace("Bend", "Turn")});
    let page = send(&site, Method::POST, &path, "ingrid", &other).await;
    let url = page.expect(200).json()[0]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    call(&site, Method::GET, &url, "ingrid")
        .await
        .has("Turn the thumb.");
    for (bad, field) in [
        (json!({"language": "??", "captions": VTT}), "language"),
        (
            json!({"language": "de", "captions": "no captions"}),
            "captions",
        ),
        (json!({"language": "de", "captions": ""}), "captions"),
        (json!({"captions": VTT}), "language"),
        (json!({"language": "de", "captions": 7}), "captions"),
    ] {
        let page = send(&site, Method::POST, &path, "ingrid", &bad).await;
        assert!(page.expect(400).json()[field][0].is_string(), "{bad}");
    }
    let of_text = format!("/api/contents/{}/captions/", text.id);
    send(&site, Method::POST, &of_text, "ingrid", &sent)
        .await
        .expect(404);
    site.person("clara", Role::Instructor).await;
    site.person("maya", Role::Student).await;
    for (name, status) in [("clara", 404), ("maya", 404)] {
        let page = send(&site, Method::POST, &path, name, &sent).await;
        assert!(
            [403, status].contains(&page.status),
            "{name} {}",
            page.status
        );
        let named = format!("{path}?language=en");
        let page = call(&site, Method::DELETE, &named, name).await;
        assert!(
            [403, status].contains(&page.status),
            "{name} {}",
            page.status
        );
    }
    call(&site, Method::DELETE, &path, "ingrid")
        .await
        .expect(400);
    let german = format!("{path}?language=de");
    call(&site, Method::DELETE, &german, "ingrid")
        .await
        .expect(404);
    let english = format!("{path}?language=en");
    call(&site, Method::DELETE, &english, "ingrid")
        .await
        .expect(204);
    call(&site, Method::DELETE, &english, "ingrid")
        .await
        .expect(404);
    let page = call(&site, Method::GET, &path, "ingrid").await;
    assert_eq!(page.expect(200).json(), json!([]));
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn staff_make_accounts_that_can_log_in_and_do_what_their_groups_may() {
    let site = TestApp::start().await;
    site.person("sofia", Role::Staff).await;
    teacher(&site).await;
    let sent = json!({
        "username": "nora", "password": PASSWORD, "name": "Nora K.", "email": "nora@example.org",
        "timezone": "Europe/Oslo", "groups": ["Instructors"],
    });
    send(&site, Method::POST, "/api/users/", "ingrid", &sent)
        .await
        .expect(403);
    let page = send(&site, Method::POST, "/api/users/", "sofia", &sent).await;
    let made = page.expect(201).json();
    assert!(!page.text().contains(PASSWORD));
    assert_eq!(
        page.header("location").unwrap(),
        format!("{}/api/users/{}/", site.url, made["id"])
    );
    assert_eq!(
        (
            &made["timezone"],
            &made["groups"],
            &made["is_staff"],
            &made["is_active"]
        ),
        (
            &json!("Europe/Oslo"),
            &json!(["Instructors"]),
            &json!(false),
            &json!(true)
        )
    );
    let own = call(&site, Method::GET, "/api/users/me/", "nora").await;
    assert_eq!(own.expect(200).json()["name"], "Nora K.");
    call(&site, Method::GET, "/api/contents/", "nora")
        .await
        .expect(200);
    for (change, field) in [
        (json!({"username": "Nora"}), "username"),
        (json!({"username": "a b"}), "username"),
        (json!({"password": "12345678"}), "password"),
        (json!({"email": "x"}), "email"),
        (json!({"timezone": "Mars"}), "timezone"),
        (json!({"groups": ["Nobody"]}), "groups"),
        (json!({"id": 7}), "id"),
    ] {
        let mut bad = json!({"username": "olga", "password": PASSWORD});
        for (name, value) in change.as_object().unwrap() {
            bad[name] = value.clone();
        }
        let page = send(&site, Method::POST, "/api/users/", "sofia", &bad).await;
        let faults = page.expect(400).json();
        assert!(faults[field][0].is_string(), "{change}: {faults}");
    }
    let before = user::Entity::find()
        .count(site.app.db.read())
        .await
        .unwrap();
    let twin = json!({"username": "olga", "password": PASSWORD, "is_active": false});
    let adding = || send(&site, Method::POST, "/api/users/", "sofia", &twin);
    let (one, two) = tokio::join!(adding(), adding());
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400]);
    let now = user::Entity::find()
        .count(site.app.db.read())
        .await
        .unwrap();
    assert_eq!(now, before + 1);
    call(&site, Method::GET, "/api/users/me/", "olga")
        .await
        .expect(401);
}

#[tokio::test]
async fn groups_are_made_and_changed_by_staff_and_count_at_once() {
    let site = TestApp::start().await;
    site.person("sofia", Role::Staff).await;
    let maya = site.person("maya", Role::Student).await;
    let sent = json!({"name": "Editors", "permissions": ["courses.view_content"]});
    send(&site, Method::POST, "/api/groups/", "maya", &sent)
        .await
        .expect(403);
    let page = send(&site, Method::POST, "/api/groups/", "sofia", &sent).await;
    let made = page.expect(201).json();
    let path = format!("/api/groups/{}/", made["id"]);
    let contents = "/api/contents/";
    call(&site, Method::GET, contents, "maya").await.expect(403);
    let account = format!("/api/users/{maya}/");
    let joins = json!({"groups": ["Editors"]});
    send(&site, Method::PATCH, &account, "sofia", &joins)
        .await
        .expect(200);
    call(&site, Method::GET, contents, "maya").await.expect(200);
    let none = json!({"permissions": []});
    let page = send(&site, Method::PATCH, &path, "sofia", &none).await;
    assert_eq!(page.expect(200).json()["permissions"], json!([]));
    call(&site, Method::GET, contents, "maya").await.expect(403);
    send(&site, Method::PUT, &path, "sofia", &sent)
        .await
        .expect(200);
    call(&site, Method::GET, contents, "maya").await.expect(200);
    for (bad, field) in [
        (json!({"name": "Instructors"}), "name"),
        (json!({"name": " "}), "name"),
        (json!({"permissions": ["courses.fly"]}), "permissions"),
        (json!({"permissions": "all"}), "permissions"),
    ] {
        let page = send(&site, Method::PATCH, &path, "sofia", &bad).await;
        assert!(page.expect(400).json()[field][0].is_string(), "{bad}");
    }
    call(&site, Method::DELETE, &path, "sofia")
        .await
        .expect(204);
    call(&site, Method::GET, contents, "maya").await.expect(403);
    let page = call(&site, Method::GET, &account, "sofia").await;
    assert_eq!(page.expect(200).json()["groups"], json!([]));
    let all = call(&site, Method::GET, "/api/groups/", "sofia")
        .await
        .json();
    let instructors = format!("/api/groups/{}/", all[0]["id"]);
    let renamed = json!({"name": "Teachers"});
    send(&site, Method::PATCH, &instructors, "sofia", &renamed)
        .await
        .expect(409);
    call(&site, Method::DELETE, &instructors, "sofia")
        .await
        .expect(409);
}

#[tokio::test]
async fn no_key_makes_accounts_or_changes_groups() {
    let site = TestApp::start().await;
    let sofia = site.person("sofia", Role::Staff).await;
    let all = call(&site, Method::GET, "/api/groups/", "sofia")
        .await
        .json();
    let group = format!("/api/groups/{}/", all[0]["id"]);
    let account = json!({"username": "nora", "password": PASSWORD});
    for scopes in [Some(Scope::ALL.into_iter().collect()), None] {
        let new = NewToken {
            user_id: sofia,
            name: format!("{scopes:?}"),
            scopes,
            expires_at: None,
        };
        let key = site.key(new).await;
        let calls: [(Method, &str, Value); 4] = [
            (Method::POST, "/api/users/", account.clone()),
            (Method::POST, "/api/groups/", json!({"name": "Editors"})),
            (Method::PATCH, &group, json!({"permissions": []})),
            (Method::DELETE, &group, json!({})),
        ];
        for (method, path, body) in calls {
            let browser = site.visitor();
            let request = browser.request(method, path).bearer_auth(&key);
            let page = browser.send(request.json(&body)).await;
            page.expect(403).has("A token does not give or take rights");
        }
    }
}
