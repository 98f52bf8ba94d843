//! What is done with accounts besides changing their fields, by programs: passwords, sessions, two-factor log-in; and what
//! those may do there who run only a part of the site.

use super::running::member;
use super::{call, send};
use crate::kit::{PASSWORD, Role, TestApp, WITH_MAIL};
use lyceum::web::permissions::admin;
use lyceum::web::scopes::Scope;
use reqwest::Method;
use serde_json::{Value, json};

const OTHER: &str = "violet harbor nine";

/// Whether this password opens her account.
async fn opens(site: &TestApp, name: &str, password: &str) -> bool {
    let browser = site.visitor();
    let request = browser.request(Method::GET, "/api/users/me/");
    browser
        .send(request.basic_auth(name, Some(password)))
        .await
        .status
        == 200
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_the_present_one() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let path = "/api/users/me/password/";
    for (body, field) in [
        (
            json!({"old_password": "wrong", "new_password": OTHER}),
            "old_password",
        ),
        (
            json!({"old_password": "", "new_password": OTHER}),
            "old_password",
        ),
        (
            json!({"old_password": PASSWORD, "new_password": "short"}),
            "new_password",
        ),
        (json!({"new_password": OTHER}), "old_password"),
        (json!({"old_password": PASSWORD}), "new_password"),
    ] {
        let page = send(&site, Method::POST, path, "maya", &body).await;
        assert!(page.expect(400).json()[field][0].is_string(), "{body}");
    }
    let body = json!({"old_password": PASSWORD, "new_password": OTHER});
    site.visitor()
        .post_json(path, &body.to_string())
        .await
        .expect(401);
    let user = call(&site, Method::GET, "/api/users/me/", "maya")
        .await
        .json()["id"]
        .clone();
    let key = crate::tokens::key(&site, user.as_i64().unwrap(), &Scope::ALL).await;
    let browser = site.visitor();
    let by_key = browser
        .request(Method::POST, path)
        .header("authorization", format!("Token {key}"))
        .json(&body);
    browser.send(by_key).await.expect(403);
    send(&site, Method::POST, path, "maya", &body)
        .await
        .expect(204);
    assert!(opens(&site, "maya", OTHER).await);
    assert!(!opens(&site, "maya", PASSWORD).await);
    // Her sessions have ended.
    maya.get("/accounts/profile/").await.expect(302);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner_alone() {
    let site = TestApp::start().await;
    let first = site.login_as("maya", Role::Student).await;
    let second = site.login("maya").await;
    let other = site.login_as("noor", Role::Student).await;
    let list = call(&site, Method::GET, "/api/users/me/sessions/", "maya").await;
    let list = list.expect(200).json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    let mine = second
        .get("/api/users/me/sessions/")
        .await
        .expect(200)
        .json();
    let this: Vec<&Value> = mine.as_array().unwrap().iter().collect();
    assert_eq!(this.iter().filter(|row| row["is_this"] == true).count(), 1);
    let theirs = call(&site, Method::GET, "/api/users/me/sessions/", "noor").await;
    let theirs = theirs.expect(200).json()[0]["id"].clone();
    let end = "/api/users/me/sessions/end/";
    for bad in [
        json!({}),
        json!({"session": 1, "all": true}),
        json!({"session": "x"}),
    ] {
        send(&site, Method::POST, end, "maya", &bad)
            .await
            .expect(400);
    }
    // Somebody else's is nothing of hers.
    for number in [theirs, json!(999_999)] {
        let none = json!({"session": number});
        let page = send(&site, Method::POST, end, "maya", &none).await;
        assert!(page.expect(400).json()["session"][0].is_string());
    }
    other.get("/accounts/profile/").await.expect(200);
    send(&site, Method::POST, end, "maya", &json!({"all": true}))
        .await
        .expect(204);
    for browser in [first, second] {
        browser.get("/accounts/profile/").await.expect(302);
    }
}

#[tokio::test]
async fn the_letter_that_confirms_an_address_is_sent_again_or_given_up() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let maya = site.person("maya", Role::Student).await;
    site.address(maya, "maya@example.org").await;
    let body = json!({"email": "new@example.org"});
    send(&site, Method::PATCH, "/api/users/me/", "maya", &body)
        .await
        .expect(200);
    let path = "/api/users/me/confirm/";
    for _ in 0..4 {
        call(&site, Method::POST, path, "maya").await.expect(204);
    }
    let page = call(&site, Method::POST, path, "maya").await;
    assert!(page.expect(429).header("retry-after").is_some());
    call(&site, Method::DELETE, path, "maya").await.expect(204);
    call(&site, Method::DELETE, path, "maya").await.expect(204);
}

#[tokio::test]
async fn a_site_without_mail_sends_no_letter() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let page = call(&site, Method::POST, "/api/users/me/confirm/", "maya").await;
    page.expect(409);
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn staff_set_passwords_and_end_sessions_of_others() {
    let site = TestApp::start().await;
    site.person("sofia", Role::Staff).await;
    let maya = site.login_as("maya", Role::Student).await;
    let id = call(&site, Method::GET, "/api/users/me/", "maya")
        .await
        .json()["id"]
        .clone();
    let path = format!("/api/users/{id}/");
    for act in ["password", "end-sessions", "reset-two-factor"] {
        let body = json!({"password": OTHER});
        let act = format!("{path}{act}/");
        send(&site, Method::POST, &act, "maya", &body)
            .await
            .expect(403);
    }
    call(
        &site,
        Method::POST,
        &format!("{path}end-sessions/"),
        "sofia",
    )
    .await
    .expect(204);
    maya.get("/accounts/profile/").await.expect(302);
    call(
        &site,
        Method::POST,
        &format!("{path}reset-two-factor/"),
        "sofia",
    )
    .await
    .expect(204);
    let password = format!("{path}password/");
    for bad in ["short", "", "maya"] {
        let page = send(
            &site,
            Method::POST,
            &password,
            "sofia",
            &json!({"password": bad}),
        )
        .await;
        assert!(page.expect(400).json()["password"][0].is_string());
    }
    let body = json!({"password": OTHER});
    send(&site, Method::POST, &password, "sofia", &body)
        .await
        .expect(204);
    assert!(opens(&site, "maya", OTHER).await);
    let gone = "/api/users/999999/password/";
    send(&site, Method::POST, gone, "sofia", &body)
        .await
        .expect(404);
    let log = call(&site, Method::GET, "/api/log/?kind=user&via=api", "sofia").await;
    let log = log.expect(200).json();
    let acts: Vec<&Value> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["act"])
        .collect();
    assert_eq!(acts, ["password", "two-factor", "end-sessions"]);
    assert!(!log.to_string().contains(OTHER));
    // Her own second factor takes a code.
    let own = call(&site, Method::GET, "/api/users/me/", "sofia")
        .await
        .json()["id"]
        .clone();
    let own = format!("/api/users/{own}/reset-two-factor/");
    call(&site, Method::POST, &own, "sofia").await.expect(409);
}

#[tokio::test]
async fn whoever_may_change_accounts_touches_nobody_who_runs_the_site_and_gives_no_rights() {
    let site = TestApp::start().await;
    let sofia = site.person("sofia", Role::Staff).await;
    let maya = site.person("maya", Role::Student).await;
    let all = [admin::VIEW_USER, admin::ADD_USER, admin::CHANGE_USER];
    member(&site, "rosa", &all).await;
    let tom = member(&site, "tom", &[admin::VIEW_LOG]).await;
    let path = |id: i64| format!("/api/users/{id}/");
    call(&site, Method::GET, "/api/users/", "rosa")
        .await
        .expect(200);
    call(&site, Method::GET, "/api/users/", "tom")
        .await
        .expect(403);
    let name = json!({"name": "Maya Lind"});
    send(&site, Method::PATCH, &path(maya), "rosa", &name)
        .await
        .expect(200);
    send(&site, Method::PATCH, &path(maya), "tom", &name)
        .await
        .expect(403);
    let password = json!({"password": OTHER});
    for id in [sofia, tom] {
        send(&site, Method::PATCH, &path(id), "rosa", &name)
            .await
            .expect(403);
        for act in ["password", "end-sessions", "reset-two-factor"] {
            let act = format!("{}{act}/", path(id));
            send(&site, Method::POST, &act, "rosa", &password)
                .await
                .expect(403);
        }
    }
    for rights in [
        json!({"is_staff": true}),
        json!({"groups": ["Instructors"]}),
    ] {
        send(&site, Method::PATCH, &path(maya), "rosa", &rights)
            .await
            .expect(403);
        let mut new = json!({"username": "newcomer", "password": OTHER});
        new.as_object_mut()
            .unwrap()
            .extend(rights.as_object().unwrap().clone());
        send(&site, Method::POST, "/api/users/", "rosa", &new)
            .await
            .expect(403);
    }
    let shut = send(
        &site,
        Method::PATCH,
        &path(maya),
        "rosa",
        &json!({"is_active": false}),
    )
    .await;
    assert_eq!(shut.expect(200).json()["is_active"], false);
    let new = json!({"username": "newcomer", "password": OTHER});
    send(&site, Method::POST, "/api/users/", "rosa", &new)
        .await
        .expect(201);
}
