//! Rooms for programs: which there are, what is new, and what moderators see and do.

use super::{call, send, set_draft, teacher};
use crate::kit::{Role, TestApp};
use reqwest::Method;
use serde_json::{Value, json};

/// A course of Ingrid's that Maya is in.
async fn school() -> (TestApp, i64, i64) {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await.id;
    let maya = site.person("maya", Role::Student).await;
    let enroll = format!("/api/courses/{course}/enroll/");
    call(&site, Method::POST, &enroll, "maya").await.expect(200);
    site.person("noor", Role::Student).await;
    (site, course, maya)
}

#[tokio::test]
async fn rooms_are_listed_for_those_who_study_or_teach_there() {
    let (site, course, _) = school().await;
    for (name, seen) in [("maya", 1), ("ingrid", 1), ("noor", 0)] {
        let list = call(&site, Method::GET, "/api/rooms/", name).await;
        let list = list.expect(200).json();
        assert_eq!(list.as_array().unwrap().len(), seen, "{name}");
        let one = call(&site, Method::GET, &format!("/api/rooms/{course}/"), name).await;
        let one = one.expect(if seen == 1 { 200 } else { 404 }).json();
        if seen == 1 {
            assert_eq!(list[0]["id"], course);
            assert_eq!(one["is_moderator"], name == "ingrid");
        }
    }
    call(&site, Method::GET, "/api/rooms/999999/", "maya")
        .await
        .expect(404);
    set_draft(&site, course, true).await;
    call(&site, Method::GET, &format!("/api/rooms/{course}/"), "maya")
        .await
        .expect(404);
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn moderators_lock_slow_and_mute_and_see_what_was_done() {
    let (site, course, maya) = school().await;
    let path = format!("/api/rooms/{course}/");
    let acts = [
        ("lock", json!({"is_locked": true})),
        ("slow", json!({"seconds": 30})),
        ("mute", json!({"user": maya, "minutes": 10})),
    ];
    for (act, body) in &acts {
        let act = format!("{path}{act}/");
        send(&site, Method::POST, &act, "maya", body)
            .await
            .expect(403);
        send(&site, Method::POST, &act, "noor", body)
            .await
            .expect(404);
        send(&site, Method::POST, &act, "ingrid", body)
            .await
            .expect(200);
        // Twice is once, but for a mute, which begins anew.
        send(&site, Method::POST, &act, "ingrid", body)
            .await
            .expect(200);
    }
    let held = call(&site, Method::GET, &path, "maya")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&held["is_locked"], &held["slow_seconds"]),
        (&json!(true), &json!(30))
    );
    for (list, first) in [("muted", "username"), ("log", "user_name")] {
        let list = format!("{path}{list}/");
        call(&site, Method::GET, &list, "maya").await.expect(403);
        let rows = call(&site, Method::GET, &list, "ingrid")
            .await
            .expect(200)
            .json();
        assert_eq!(rows[0][first], "maya");
    }
    let log = call(
        &site,
        Method::GET,
        &format!("{path}log/?act=lock"),
        "ingrid",
    )
    .await;
    let log = log.expect(200).json();
    assert_eq!(log.as_array().map(Vec::len), Some(1));
    assert_eq!(log[0]["moderator_name"], "ingrid");
    for (act, field, bad) in [
        ("lock", "is_locked", json!("perhaps")),
        ("slow", "seconds", json!(3601)),
        ("mute", "minutes", json!(-1)),
        ("mute", "user", json!(999_999)),
    ] {
        let mut body: Value = acts
            .iter()
            .find(|(name, _)| *name == act)
            .unwrap()
            .1
            .clone();
        body[field] = bad;
        let page = send(
            &site,
            Method::POST,
            &format!("{path}{act}/"),
            "ingrid",
            &body,
        )
        .await;
        assert!(
            page.expect(400).json()[field][0].is_string(),
            "{act} {field}"
        );
    }
    let lifted = json!({"user": maya, "minutes": 0});
    send(
        &site,
        Method::POST,
        &format!("{path}mute/"),
        "ingrid",
        &lifted,
    )
    .await
    .expect(200);
    let muted = call(&site, Method::GET, &format!("{path}muted/"), "ingrid").await;
    assert_eq!(muted.expect(200).json(), json!([]));
}
