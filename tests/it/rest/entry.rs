//! How one gets into a course, for programs of its teacher: places, requests, invitations; and of who comes.

use super::{call, send, set_draft, teacher};
use crate::kit::{Page, Role, TestApp};
use lyceum::entities::kept_answer;
use reqwest::Method;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

/// A course of Ingrid's, with the number of its address.
async fn school() -> (TestApp, i64) {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await.id;
    site.person("maya", Role::Student).await;
    site.person("noor", Role::Student).await;
    (site, course)
}

async fn rules(site: &TestApp, course: i64, name: &str, body: Value) -> Page {
    let path = format!("/api/courses/{course}/entry/");
    send(site, Method::PATCH, &path, name, &body).await
}

async fn enroll(site: &TestApp, course: i64, name: &str) -> Page {
    let path = format!("/api/courses/{course}/enroll/");
    call(site, Method::POST, &path, name).await
}

async fn standing(site: &TestApp, course: i64, name: &str) -> Value {
    let path = format!("/api/courses/{course}/standing/");
    call(site, Method::GET, &path, name)
        .await
        .expect(200)
        .json()
}

#[tokio::test]
async fn the_teacher_sets_places_and_whether_she_decides() {
    let (site, course) = school().await;
    let page = rules(&site, course, "ingrid", json!({"places": 1})).await;
    let entry = page.expect(200).json();
    assert_eq!(
        entry,
        json!({"course": course, "places": 1, "needs_approval": false, "taken": 0, "asked": 0, "waiting": 0})
    );
    enroll(&site, course, "maya").await.expect(200);
    let line = enroll(&site, course, "noor").await.expect(202).json();
    assert_eq!(line["place"], 1);
    assert_eq!(standing(&site, course, "noor").await["state"], "waiting");
    assert_eq!(standing(&site, course, "noor").await["place"], 1);
    assert_eq!(standing(&site, course, "maya").await["state"], "enrolled");
    // What is not named stays as it is; who waits comes in.
    let page = rules(&site, course, "ingrid", json!({"needs_approval": true})).await;
    let entry = page.expect(200).json();
    assert_eq!(
        (&entry["places"], &entry["waiting"]),
        (&json!(1), &json!(1))
    );
    let page = rules(&site, course, "ingrid", json!({"places": null})).await;
    let entry = page.expect(200).json();
    assert_eq!(entry["needs_approval"], true);
    assert_eq!((&entry["taken"], &entry["waiting"]), (&json!(2), &json!(0)));
    assert_eq!(standing(&site, course, "noor").await["enrolled"], true);
}

#[tokio::test]
async fn rules_are_held_to_their_range_and_to_the_version_that_was_read() {
    let (site, course) = school().await;
    for bad in [
        json!({"places": 0}),
        json!({"places": 1_000_001}),
        json!({"places": "many"}),
        json!({"needs_approval": null}),
        json!({"course": 999_999}),
        json!({"seats": 7}),
    ] {
        rules(&site, course, "ingrid", bad).await.expect(400);
    }
    let path = format!("/api/courses/{course}/entry/");
    let tag = call(&site, Method::GET, &path, "ingrid")
        .await
        .expect(200)
        .header("etag")
        .unwrap();
    rules(&site, course, "ingrid", json!({"places": 5}))
        .await
        .expect(200);
    let browser = site.visitor();
    let late = browser
        .request(Method::PATCH, &path)
        .header("if-match", tag)
        .json(&json!({"places": 9}))
        .basic_auth("ingrid", Some(crate::kit::PASSWORD));
    browser.send(late).await.expect(412);
}

#[tokio::test]
async fn nobody_else_sees_or_changes_how_one_gets_into_a_course() {
    let (site, course) = school().await;
    site.person("clara", Role::Instructor).await;
    site.person("sofia", Role::Staff).await;
    rules(&site, course, "ingrid", json!({"needs_approval": true}))
        .await
        .expect(200);
    enroll(&site, course, "maya").await.expect(202);
    let invitation = json!({"course": course});
    let made = send(
        &site,
        Method::POST,
        "/api/invitations/",
        "ingrid",
        &invitation,
    )
    .await;
    let invited = made.expect(201).json()["id"].clone();
    let list = call(&site, Method::GET, "/api/requests/", "ingrid").await;
    let asked = list.expect(200).json()[0]["id"].clone();
    for (name, entry, one, all) in [
        ("maya", 403, 404, 403),
        ("clara", 403, 404, 200),
        ("sofia", 200, 200, 200),
    ] {
        rules(&site, course, name, json!({"places": 3}))
            .await
            .expect(entry);
        for path in ["requests", "invitations"] {
            let list = call(&site, Method::GET, &format!("/api/{path}/"), name).await;
            let list = list.expect(all).json();
            let seen = list.as_array().map(Vec::len);
            assert_eq!(
                seen,
                (all == 200).then_some(usize::from(one == 200)),
                "{name} {path}"
            );
        }
        for path in [
            format!("requests/{asked}"),
            format!("invitations/{invited}"),
        ] {
            let page = call(&site, Method::GET, &format!("/api/{path}/"), name).await;
            page.expect(one);
        }
    }
    let acts = [
        format!("/api/requests/{asked}/accept/"),
        format!("/api/requests/{asked}/decline/"),
        format!("/api/invitations/{invited}/revoke/"),
    ];
    for (name, makes) in [("maya", 403), ("clara", 400)] {
        for act in &acts {
            let page = call(&site, Method::POST, act, name).await;
            page.expect(404);
        }
        let page = send(&site, Method::POST, "/api/invitations/", name, &invitation).await;
        page.expect(makes);
    }
}

#[tokio::test]
async fn requests_are_accepted_and_declined_and_twice_is_once() {
    let (site, course) = school().await;
    let wanted = json!({"needs_approval": true, "places": 1});
    rules(&site, course, "ingrid", wanted).await.expect(200);
    for name in ["maya", "noor"] {
        enroll(&site, course, name).await.expect(202);
        site.wait_seconds(1);
    }
    assert_eq!(standing(&site, course, "maya").await["state"], "asked");
    let path = format!("/api/requests/?course={course}&state=asked");
    let list = call(&site, Method::GET, &path, "ingrid")
        .await
        .expect(200)
        .json();
    assert_eq!(list[0]["username"], "maya");
    let act = |at: usize, act: &str| format!("/api/requests/{}/{act}/", list[at]["id"]);
    let page = call(&site, Method::POST, &act(0, "accept"), "ingrid").await;
    assert_eq!(page.expect(200).json()["state"], "enrolled");
    // Its request has ended.
    call(&site, Method::POST, &act(0, "accept"), "ingrid")
        .await
        .expect(404);
    for _ in 0..2 {
        let page = call(&site, Method::POST, &act(1, "accept"), "ingrid").await;
        assert_eq!(page.expect(200).json()["state"], "waiting");
    }
    let long = json!({"reason": "x".repeat(501)});
    send(&site, Method::POST, &act(1, "decline"), "ingrid", &long)
        .await
        .expect(400);
    for reason in ["Another time.", "Never."] {
        let body = json!({"reason": reason});
        let page = send(&site, Method::POST, &act(1, "decline"), "ingrid", &body).await;
        assert_eq!(page.expect(200).json()["state"], "declined");
    }
    let shown = call(
        &site,
        Method::GET,
        &format!("/api/requests/{}/", list[1]["id"]),
        "ingrid",
    )
    .await;
    assert_eq!(shown.expect(200).json()["reason"], "Another time.");
    call(&site, Method::POST, &act(1, "accept"), "ingrid")
        .await
        .expect(409);
    assert_eq!(standing(&site, course, "noor").await["state"], "declined");
    enroll(&site, course, "noor").await.expect(409);
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn an_invitation_is_made_used_and_revoked_and_its_key_is_shown_once() {
    let (site, course) = school().await;
    rules(&site, course, "ingrid", json!({"needs_approval": true}))
        .await
        .expect(200);
    for (field, bad) in [
        ("uses", json!(0)),
        ("days", json!(3651)),
        ("note", json!("a\u{7}b")),
        ("course", json!(999_999)),
        ("state", json!("open")),
    ] {
        let mut body = json!({"course": course});
        body[field] = bad;
        let page = send(&site, Method::POST, "/api/invitations/", "ingrid", &body).await;
        assert!(page.expect(400).json()[field][0].is_string(), "{field}");
    }
    // Everything that is wrong is told at once.
    let body = json!({"course": 999_999, "uses": 0, "note": "a\u{7}b"});
    let page = send(&site, Method::POST, "/api/invitations/", "ingrid", &body).await;
    let faults = page.expect(400).json();
    for field in ["course", "uses", "note"] {
        assert!(faults[field][0].is_string(), "{field}: {faults}");
    }
    let body = json!({"course": course, "note": "spring class", "uses": 1, "days": 7});
    let named = |body: &Value| {
        let browser = site.visitor();
        let request = browser
            .request(Method::POST, "/api/invitations/")
            .header("idempotency-key", "spring")
            .json(body)
            .basic_auth("ingrid", Some(crate::kit::PASSWORD));
        async move { browser.send(request).await }
    };
    let made = named(&body).await.expect(201).json();
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(made["link"].as_str().unwrap().ends_with(&key));
    // The same request again makes nothing, and the key is nowhere.
    let again = named(&body).await.expect(201).json();
    assert_eq!((&again["id"], &again["key"]), (&made["id"], &Value::Null));
    let kept = kept_answer::Entity::find().one(site.app.db.read()).await;
    assert!(!kept.unwrap().unwrap().body.contains(&key));
    let path = format!("/api/invitations/{}/", made["id"]);
    let shown = call(&site, Method::GET, &path, "ingrid").await;
    assert!(!shown.expect(200).text().contains(&key));

    let join = |name: &'static str, key: &str| {
        let body = json!({"key": key});
        let site = &site;
        async move { send(site, Method::POST, "/api/invitations/join/", name, &body).await }
    };
    for wrong in ["", "x", &"x".repeat(43), &"ö".repeat(43)] {
        let page = join("maya", wrong).await;
        assert!(page.expect(400).json()["key"][0].is_string());
    }
    let page = join("maya", &key).await;
    assert_eq!(
        page.expect(200).json(),
        json!({"course": course, "enrolled": true})
    );
    join("noor", &key).await.expect(400);
    let shown = call(&site, Method::GET, &path, "ingrid")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&shown["state"], shown["came"].as_array().unwrap().len()),
        (&json!("used_up"), 1)
    );
    for _ in 0..2 {
        let page = call(&site, Method::POST, &format!("{path}revoke/"), "ingrid").await;
        assert_eq!(page.expect(200).json()["state"], "revoked");
    }
}

#[tokio::test]
async fn an_invitation_stands_for_no_place_and_opens_no_draft() {
    let (site, course) = school().await;
    rules(&site, course, "ingrid", json!({"places": 1}))
        .await
        .expect(200);
    enroll(&site, course, "noor").await.expect(200);
    let body = json!({"course": course});
    let made = send(&site, Method::POST, "/api/invitations/", "ingrid", &body).await;
    let key = json!({"key": made.expect(201).json()["key"]});
    let page = send(&site, Method::POST, "/api/invitations/join/", "maya", &key).await;
    assert_eq!(page.expect(202).json()["state"], "waiting");
    // Twice is once.
    let page = send(&site, Method::POST, "/api/invitations/join/", "maya", &key).await;
    assert_eq!(page.expect(202).json()["place"], 1);
    set_draft(&site, course, true).await;
    let page = send(&site, Method::POST, "/api/invitations/join/", "maya", &key).await;
    page.expect(400);
}
