//! What somebody has of her own (enrollments, progress, messages, her account), and what staff see of all.

use super::{call, send, set_draft, teacher};
use crate::kit::{Page, Role, TestApp};
use lyceum::accounts::NewToken;
use lyceum::entities::upload::UploadKind;
use lyceum::entities::user;
use lyceum::messages::{self, MessageLevel, NewMessage};
use lyceum::web::scopes::Scope;
use reqwest::Method;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter,
};
use serde_json::{Value, json};

/// A change of an account with a key for everything that a key can be for; no scopes: one from before there were any.
async fn with_key(
    site: &TestApp,
    user_id: i64,
    has_scopes: bool,
    path: &str,
    body: &Value,
) -> Page {
    let new = NewToken {
        user_id,
        name: format!("{has_scopes} {body}"),
        scopes: has_scopes.then(|| Scope::ALL.into_iter().collect()),
        expires_at: None,
    };
    let key = site.key(new).await;
    let browser = site.visitor();
    let request = browser.request(Method::PATCH, path).bearer_auth(key);
    browser.send(request.json(body)).await
}

#[tokio::test]
async fn no_token_changes_rights_and_only_one_for_staff_the_settings_of_an_account() {
    let site = TestApp::start().await;
    let sofia = site.person("sofia", Role::Staff).await;
    let maya = site.person("maya", Role::Student).await;
    let path = format!("/api/users/{maya}/");
    for has_scopes in [true, false] {
        for rights in [
            json!({"is_staff": true}),
            json!({"is_active": false}),
            json!({"groups": ["Instructors"]}),
            json!({"name": "M", "groups": ["Instructors"]}),
        ] {
            let page = with_key(&site, sofia, has_scopes, &path, &rights).await;
            page.expect(403).has("A token");
        }
    }
    let other = with_key(&site, sofia, true, &path, &json!({"name": "Maya L."})).await;
    assert_eq!(other.expect(200).json()["name"], "Maya L.");
    let me = "/api/users/me/";
    let own = with_key(&site, sofia, true, me, &json!({"name": "S"})).await;
    own.expect(403).has("does not change the settings");
    let by_number = format!("/api/users/{sofia}/");
    let own = with_key(&site, sofia, true, &by_number, &json!({"name": "Sofia"})).await;
    own.expect(403).has("does not change the settings");
    let account = call(&site, Method::GET, &path, "sofia")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (
            &account["is_staff"],
            &account["is_active"],
            &account["groups"]
        ),
        (&json!(false), &json!(true), &json!([]))
    );
    let new = NewToken {
        user_id: maya,
        name: "Phone".into(),
        scopes: Some([Scope::Learn, Scope::Read].into_iter().collect()),
        expires_at: None,
    };
    let key = site.key(new).await;
    let browser = site.visitor();
    let request = browser.request(Method::PATCH, me).bearer_auth(key);
    let page = browser
        .send(request.json(&json!({"email": "other@example.org"})))
        .await;
    page.expect(403).has("admin");
    let own = call(&site, Method::GET, me, "maya")
        .await
        .expect(200)
        .json();
    assert_eq!(own["name"], "Maya L.");
    assert_ne!(own["email"], "other@example.org");
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn her_courses_tell_how_far_she_is_and_leaving_keeps_what_she_has_done() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let one = site.text(module.id, "One", "a").await.id;
    let film = site.film_content(module.id, "Film", 90.0).await.id;
    for name in ["maya", "robert"] {
        site.person(name, Role::Student).await;
    }
    let enroll = format!("/api/courses/{}/enroll/", course.id);
    call(&site, Method::POST, &enroll, "maya").await.expect(200);
    let done = format!("/api/contents/{one}/done/");
    let page = send(&site, Method::POST, &done, "maya", &json!({"done": true})).await;
    let told = page.expect(200).json();
    assert_eq!(
        (&told["percent"], &told["done"]),
        (&json!(50), &json!([one]))
    );
    let position = format!("/api/contents/{film}/position/");
    let page = send(
        &site,
        Method::POST,
        &position,
        "maya",
        &json!({"position": 42.5}),
    )
    .await;
    page.expect(204);
    for (path, body, field) in [
        (&position, json!({"position": -1}), "position"),
        (&position, json!({"position": "x"}), "position"),
        (&position, json!({}), "position"),
        (&done, json!({"done": 1}), "done"),
        (&done, json!({"done": null}), "done"),
    ] {
        let page = send(&site, Method::POST, path, "maya", &body).await;
        assert!(page.expect(400).json()[field][0].is_string());
    }
    let list = call(&site, Method::GET, "/api/enrollments/", "maya")
        .await
        .expect(200)
        .json();
    let hers = &list[0];
    assert_eq!(
        (
            &hers["course"],
            &hers["done"],
            &hers["contents"],
            &hers["percent"],
            &hers["last_content"]
        ),
        (
            &json!(course.id),
            &json!(1),
            &json!(2),
            &json!(50),
            &json!(film)
        )
    );
    assert_eq!(
        call(&site, Method::GET, "/api/enrollments/", "robert")
            .await
            .json(),
        json!([])
    );
    let path = format!("/api/enrollments/{}/", hers["id"]);
    for method in [Method::GET, Method::DELETE] {
        call(&site, method, &path, "robert").await.expect(404);
    }
    let progress = format!("/api/courses/{}/progress/", course.id);
    let page = call(&site, Method::GET, &progress, "maya").await;
    assert_eq!(page.expect(200).json(), {
        let mut now = told.clone();
        now["words"] = page.json()["words"].clone();
        now
    });
    call(&site, Method::GET, &progress, "robert")
        .await
        .expect(403);
    call(&site, Method::DELETE, &path, "maya").await.expect(204);
    call(&site, Method::GET, &path, "maya").await.expect(404);
    call(&site, Method::POST, &enroll, "maya").await.expect(200);
    let list = call(&site, Method::GET, "/api/enrollments/", "maya")
        .await
        .expect(200)
        .json();
    assert_eq!(list[0]["done"], 1);
    let leave = format!("/api/courses/{}/leave/", course.id);
    for _ in 0..2 {
        let page = call(&site, Method::POST, &leave, "maya").await;
        assert_eq!(page.expect(200).json(), json!({"enrolled": false}));
    }
    set_draft(&site, course.id, true).await;
    call(&site, Method::POST, &leave, "maya").await.expect(404);
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn messages_are_read_and_dismissed_by_their_recipient_alone() {
    let site = TestApp::start().await;
    let maya = site.person("maya", Role::Student).await;
    site.person("robert", Role::Student).await;
    for text in ["One", "Two", "Three"] {
        let mut write = site.app.write().await.unwrap();
        let message = NewMessage {
            recipient_id: maya,
            text: text.to_owned(),
            level: MessageLevel::Info,
            link: "/library/".into(),
            dedupe_key: None,
        };
        messages::send(&site.app, &mut write, message)
            .await
            .unwrap();
        write.commit().await.unwrap();
    }
    let list = call(&site, Method::GET, "/api/messages/", "maya")
        .await
        .expect(200)
        .json();
    let texts: Vec<&Value> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["text"])
        .collect();
    assert_eq!(texts, ["Three", "Two", "One"]);
    assert_eq!(
        (&list[0]["level"], &list[0]["link"], &list[0]["read"]),
        (&json!("info"), &json!("/library/"), &json!(false))
    );
    let path = format!("/api/messages/{}/", list[1]["id"]);
    let dismiss = format!("{path}dismiss/");
    call(&site, Method::GET, &path, "robert").await.expect(404);
    call(&site, Method::POST, &dismiss, "robert")
        .await
        .expect(404);
    for _ in 0..2 {
        let page = call(&site, Method::POST, &dismiss, "maya").await;
        assert_eq!(page.expect(200).json()["read"], true);
    }
    let unread = call(&site, Method::GET, "/api/messages/?unread=true", "maya").await;
    assert_eq!(unread.expect(200).json().as_array().unwrap().len(), 2);
    let up_to = json!({"up_to": list[1]["id"]});
    let page = send(
        &site,
        Method::POST,
        "/api/messages/dismiss/",
        "maya",
        &up_to,
    )
    .await;
    assert_eq!(page.expect(200).json(), json!({"unread": 1}));
    let page = send(
        &site,
        Method::POST,
        "/api/messages/dismiss/",
        "maya",
        &json!({}),
    )
    .await;
    page.expect(400);
}

#[tokio::test]
async fn everybody_changes_what_she_tells_of_herself_and_nobody_her_own_rights() {
    let site = TestApp::start().await;
    let maya = site.person("maya", Role::Student).await;
    site.visitor().get("/api/users/me/").await.expect(401);
    let me = call(&site, Method::GET, "/api/users/me/", "maya")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&me["id"], &me["username"], &me["is_staff"]),
        (&json!(maya), &json!("maya"), &json!(false))
    );
    assert!(me.get("password_hash").is_none());
    let taken =
        json!({"name": "Maya L.", "is_staff": true, "groups": ["Instructors"], "id": 1_000_000});
    let page = send(&site, Method::PATCH, "/api/users/me/", "maya", &taken).await;
    let faults = page.expect(400).json();
    let names: Vec<&String> = faults.as_object().unwrap().keys().collect();
    assert_eq!(names, ["groups", "id", "is_staff"]);
    let sent =
        json!({"name": "Maya L.", "timezone": "Europe/Lisbon", "is_staff": false, "groups": []});
    let page = send(&site, Method::PATCH, "/api/users/me/", "maya", &sent).await;
    let after = page.expect(200).json();
    assert_eq!(
        (&after["name"], &after["timezone"]),
        (&json!("Maya L."), &json!("Europe/Lisbon"))
    );
    assert_eq!(
        (&after["is_staff"], &after["groups"]),
        (&json!(false), &json!([]))
    );
    let bad = json!({"timezone": "Mars", "theme": "pink", "email": "x", "password": "y"});
    let faults = send(&site, Method::PATCH, "/api/users/me/", "maya", &bad)
        .await
        .expect(400)
        .json();
    let names: Vec<&String> = faults.as_object().unwrap().keys().collect();
    assert_eq!(names, ["email", "password", "theme", "timezone"]);
    for path in [
        "/api/users/".to_owned(),
        format!("/api/users/{maya}/"),
        "/api/groups/".into(),
        "/api/jobs/".into(),
        "/api/caches/".into(),
    ] {
        call(&site, Method::GET, &path, "maya").await.expect(403);
        site.visitor().get(&path).await.expect(401);
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn staff_give_and_take_rights_which_count_at_once_but_not_their_own() {
    let site = TestApp::start().await;
    let sofia = site.person("sofia", Role::Staff).await;
    let browser = site.login_as("maya", Role::Student).await;
    let list = call(&site, Method::GET, "/api/users/?search=may", "sofia")
        .await
        .expect(200)
        .json();
    let path = format!("/api/users/{}/", list[0]["id"]);
    browser.get("/course/mine/").await.expect(403);
    let sent = json!({"groups": ["Instructors"], "name": "Maya"});
    let page = send(&site, Method::PATCH, &path, "sofia", &sent).await;
    assert_eq!(page.expect(200).json()["groups"], json!(["Instructors"]));
    browser.get("/course/mine/").await.expect(200);
    let groups = call(&site, Method::GET, "/api/groups/", "sofia")
        .await
        .expect(200)
        .json();
    assert_eq!(groups[0]["name"], "Instructors");
    assert!(
        groups[0]["permissions"]
            .as_array()
            .unwrap()
            .contains(&json!("courses.add_course"))
    );
    let wrong = json!({"groups": ["Nobody"], "is_active": "no"});
    let faults = send(&site, Method::PATCH, &path, "sofia", &wrong)
        .await
        .expect(400)
        .json();
    assert!(
        faults["groups"][0]
            .as_str()
            .unwrap()
            .contains("Instructors"),
        "{faults}"
    );
    assert!(faults["is_active"].is_array());
    let twice = json!({"groups": ["Instructors", "Instructors"]});
    send(&site, Method::PATCH, &path, "sofia", &twice)
        .await
        .expect(200);
    send(
        &site,
        Method::PATCH,
        &path,
        "sofia",
        &json!({"is_active": false}),
    )
    .await
    .expect(200);
    browser.get("/course/mine/").await.expect(302);
    call(&site, Method::GET, "/api/users/me/", "maya")
        .await
        .expect(401);
    let own = format!("/api/users/{sofia}/");
    let faults = send(
        &site,
        Method::PATCH,
        &own,
        "sofia",
        &json!({"is_staff": false}),
    )
    .await;
    assert!(faults.expect(400).json()["is_staff"][0].is_string());
    call(&site, Method::GET, "/api/users/0/", "sofia")
        .await
        .expect(404);
}

#[tokio::test]
async fn of_two_of_the_staff_who_take_it_from_each_other_one_stays() {
    let site = TestApp::start().await;
    let sofia = site.person("sofia", Role::Staff).await;
    let sam = site.person("sam", Role::Staff).await;
    let paths = [sofia, sam].map(|id| format!("/api/users/{id}/"));
    let taken = json!({"is_staff": false});
    // Remembered, so that both come in as staff.
    for name in ["sofia", "sam"] {
        call(&site, Method::GET, "/api/users/", name)
            .await
            .expect(200);
    }
    let (one, two) = tokio::join!(
        send(&site, Method::PATCH, &paths[1], "sofia", &taken),
        send(&site, Method::PATCH, &paths[0], "sam", &taken)
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
    let staff = user::Entity::find().filter(user::Column::IsStaff.eq(true));
    assert_eq!(staff.count(site.app.db.read()).await.unwrap(), 1);
}

#[tokio::test]
async fn an_account_is_shut_whatever_was_stored_in_it_before_there_was_a_rule_for_it() {
    let site = TestApp::start().await;
    site.person("sofia", Role::Staff).await;
    let maya = site.person("maya", Role::Student).await;
    let row = user::ActiveModel {
        id: Set(maya),
        email: Set("no address".into()),
        time_zone: Set("Mars/Olympus".into()),
        ..Default::default()
    };
    row.update(site.app.db.writer()).await.unwrap();
    site.account_changed(maya).await;
    let page = send(
        &site,
        Method::PATCH,
        "/api/users/me/",
        "maya",
        &json!({"theme": "dark"}),
    )
    .await;
    assert_eq!(page.expect(200).json()["timezone"], "Mars/Olympus");
    let path = format!("/api/users/{maya}/");
    let before = call(&site, Method::GET, &path, "sofia").await.json();
    let page = send(&site, Method::PATCH, &path, "sofia", &before).await;
    page.expect(200);
    let bad = json!({"email": "worse", "is_active": false});
    let page = send(&site, Method::PATCH, &path, "sofia", &bad).await;
    let faults = page.expect(400).json();
    assert_eq!(
        faults.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["email"]
    );
    let page = send(
        &site,
        Method::PATCH,
        &path,
        "sofia",
        &json!({"is_active": false}),
    )
    .await;
    assert_eq!(page.expect(200).json()["is_active"], false);
}

#[tokio::test]
async fn groups_that_are_sent_back_as_they_are_change_nothing() {
    let site = TestApp::start().await;
    site.person("sofia", Role::Staff).await;
    let owner = teacher(&site).await;
    site.course(owner, "bow-hold").await;
    let path = format!("/api/users/{owner}/");
    let browser = site.visitor();
    browser.get("/api/courses/").await.expect(200);
    browser.get("/api/courses/").await.expect(200);
    for sent in [
        json!({"groups": ["Instructors"]}),
        json!({"groups": ["Instructors"], "is_active": true, "theme": "dark"}),
        json!({}),
    ] {
        send(&site, Method::PATCH, &path, "sofia", &sent)
            .await
            .expect(200);
        // Nobody has to make the catalogue anew.
        let list = browser.get("/api/courses/");
        assert_eq!(site.statements_of(list).await, 0, "{sent}");
    }
    let named = json!({"name": "Ingrid Sand"});
    send(&site, Method::PATCH, &path, "sofia", &named)
        .await
        .expect(200);
    let list = browser.get("/api/courses/");
    assert!(site.statements_of(list).await > 0);
}

#[tokio::test]
async fn a_search_looks_for_what_was_typed_letter_for_letter() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    site.person("sofia", Role::Staff).await;
    for name in [
        "a_b.pdf",
        "axb.pdf",
        "100%.pdf",
        "100 x.pdf",
        "back\\slash.pdf",
    ] {
        site.file(owner, UploadKind::File, name, |_| {}).await;
    }
    for (typed, found) in [
        ("_", 1),
        ("a_b", 1),
        ("100%25", 1),
        ("%25", 1),
        ("%5C", 1),
        (".pdf", 5),
    ] {
        let list = call(
            &site,
            Method::GET,
            &format!("/api/uploads/?search={typed}"),
            "ingrid",
        )
        .await;
        assert_eq!(
            list.expect(200).json().as_array().unwrap().len(),
            found,
            "{typed}"
        );
    }
    let list = call(&site, Method::GET, "/api/users/?search=_", "sofia").await;
    assert_eq!(list.expect(200).json(), json!([]));
}

#[tokio::test]
async fn staff_see_jobs_and_caches_and_let_entries_be_forgotten() {
    let site = TestApp::start().await;
    site.person("sofia", Role::Staff).await;
    let jobs = call(
        &site,
        Method::GET,
        "/api/jobs/?limit=5&state=waiting",
        "sofia",
    )
    .await;
    assert!(jobs.expect(200).json()["count"].is_number());
    call(&site, Method::GET, "/api/jobs/?state=lost", "sofia")
        .await
        .expect(400);
    call(&site, Method::GET, "/api/jobs/0/", "sofia")
        .await
        .expect(404);
    let caches = call(&site, Method::GET, "/api/caches/", "sofia")
        .await
        .expect(200)
        .json();
    assert!(
        caches
            .as_array()
            .unwrap()
            .iter()
            .any(|cache| cache["name"] == "default"),
        "{caches}"
    );
    for good in [
        json!({"cache": "default"}),
        json!({"cache": "default", "key": "course:7"}),
        json!({"cache": "*"}),
        json!({"tag": "course:7"}),
    ] {
        let page = send(&site, Method::POST, "/api/caches/forget/", "sofia", &good).await;
        assert_eq!(page.status, 204, "{good}: {}", page.text());
    }
    for bad in [
        json!({}),
        json!({"cache": "nowhere"}),
        json!({"cache": "default", "tag": "course:7"}),
        json!({"tag": "moon"}),
        json!({"cache": "default", "key": "a b"}),
        json!({"key": "a"}),
    ] {
        let page = send(&site, Method::POST, "/api/caches/forget/", "sofia", &bad).await;
        assert_eq!(page.status, 400, "{bad}: {}", page.text());
    }
}
