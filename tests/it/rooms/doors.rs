//! Coming in with a ticket, and how many sockets may be open.

use super::School;
use crate::kit::{Browser, Role, until};
use lyceum::accounts::{self, NewToken};
use lyceum::entities::chat_ticket;
use lyceum::web::scopes::{Scope, Scopes};
use reqwest::Method;
use sea_orm::EntityTrait as _;
use serde_json::json;
use std::sync::{Arc, Mutex};

async fn ticket(school: &School, browser: &Browser) -> String {
    let path = format!("{}ticket/", school.page());
    let answer = browser.post(&path, &[]).await;
    let answer = answer.expect(200).json();
    assert_eq!(answer["expires_in"], 60);
    answer["ticket"].as_str().unwrap().to_owned()
}

/// The status with which somebody without a cookie is refused who shows this ticket.
async fn refused(school: &School, path: &str, ticket: &str) -> Option<u16> {
    let path = format!("{path}?v=2&ticket={ticket}");
    let visitor = school.site.visitor();
    visitor.socket_with(&path, &[]).await.err()
}

#[tokio::test]
async fn a_ticket_lets_in_once_within_a_minute_and_into_its_room_alone() {
    let school = School::new().await;
    let path = school.path("");
    let kept = ticket(&school, &school.maya).await;
    let rows = chat_ticket::Entity::find();
    let rows = rows.all(school.site.app.db.read()).await.unwrap();
    assert!(rows.len() == 1 && rows.iter().all(|row| row.token_hash != kept));
    let with = format!("{path}?v=2&ticket={kept}");
    let mut maya = school.site.visitor().socket(&with).await;
    maya.expect("ready").await;
    maya.say("it is me").await;
    assert_eq!(maya.expect("chat_message").await["user"], "maya");
    assert_eq!(refused(&school, &path, &kept).await, Some(403), "used");
    let neighbor = school.site.course(school.course.owner_id, "winds").await;
    school
        .site
        .enrollment(school.id_of("maya").await, neighbor.id)
        .await;
    let kept = ticket(&school, &school.maya).await;
    let other = format!("/ws/chat/room/{}/", neighbor.id);
    assert_eq!(
        refused(&school, &other, &kept).await,
        Some(403),
        "another room"
    );
    let kept = ticket(&school, &school.maya).await;
    school.site.wait_seconds(60);
    assert_eq!(refused(&school, &path, &kept).await, Some(403), "over");
    for nothing in ["", "x", "%00", &"y".repeat(5_000)] {
        assert_eq!(refused(&school, &path, nothing).await, Some(403));
    }
    // Who asks for it must be in the course, and say so with the token of a form.
    let stranger = school.site.login_as("zofia", Role::Student).await;
    let path = format!("{}ticket/", school.page());
    stranger.post(&path, &[]).await.expect(403);
    let forged = school.maya.request(Method::POST, &path);
    school.maya.send(forged).await.expect(403);
}

#[tokio::test]
async fn who_came_in_with_a_ticket_goes_with_the_session_in_which_it_was_asked_for() {
    let school = School::new().await;
    let kept = ticket(&school, &school.maya).await;
    let unused = ticket(&school, &school.maya).await;
    let with = school.path(&format!("?v=2&ticket={kept}"));
    let mut maya = school.site.visitor().socket(&with).await;
    maya.expect("ready").await;
    school.maya.post("/accounts/logout/", &[]).await.expect(303);
    assert_eq!(maya.closed().await, 4403);
    assert_eq!(refused(&school, &school.path(""), &unused).await, Some(403));
}

#[tokio::test]
async fn a_ticket_of_a_key_is_good_for_what_the_key_is() {
    let school = School::new().await;
    let new = NewToken {
        user_id: school.id_of("maya").await,
        name: "reader".into(),
        scopes: Some([Scope::Read].into_iter().collect::<Scopes>()),
        expires_at: None,
    };
    let write = school.site.app.write().await.unwrap();
    let key = accounts::create_token(&school.site.app, &write, new);
    let key = key.await.unwrap();
    write.commit().await.unwrap();
    let visitor = school.site.visitor();
    let path = format!("{}ticket/", school.page());
    let request = visitor.request(Method::POST, &path).bearer_auth(key);
    let answer = visitor.send(request).await.expect(200).json();
    let kept = answer["ticket"].as_str().unwrap();
    let with = school.path(&format!("?v=2&ticket={kept}"));
    let mut maya = visitor.socket(&with).await;
    maya.expect("ready").await;
    maya.say("may I?").await;
    assert_eq!(maya.expect("error").await["code"], "forbidden");
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_ticket_is_never_logged() {
    let school = School::new().await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let kept = ticket(&school, &school.maya).await;
    let with = school.path(&format!("?v=2&ticket={kept}"));
    let mut maya = school.site.visitor().socket(&with).await;
    maya.expect("ready").await;
    assert_eq!(refused(&school, &school.path(""), &kept).await, Some(403));
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("/ws/chat/room/"), "{logged}");
    assert!(!logged.contains(&kept), "{logged}");
}

#[tokio::test]
async fn a_person_and_an_address_have_so_many_sockets_and_room_again_when_one_ends() {
    let settings = [
        ("chat_sockets_per_user", "2"),
        ("chat_sockets_per_address", "3"),
    ];
    let school = School::with(&settings).await;
    let path = school.path("?v=2");
    let first = school.enter(&school.maya).await;
    let _second = school.enter(&school.maya).await;
    assert_eq!(school.maya.socket_with(&path, &[]).await.err(), Some(429));
    let _third = school.enter(&school.kwame).await;
    assert_eq!(school.clara.socket_with(&path, &[]).await.err(), Some(429));
    drop(first);
    let mut clara = until("there is room again", async || {
        school.clara.socket_with(&path, &[]).await.ok()
    })
    .await;
    clara.expect("ready").await;
}

#[tokio::test]
async fn a_frame_is_as_large_as_the_settings_say() {
    let school = School::with(&[("chat_frame_max", "16KiB")]).await;
    let mut maya = school.enter(&school.maya).await;
    maya.send(&json!({ "message": "x".repeat(4_000) })).await;
    maya.expect("chat_message").await;
    maya.send(&json!({ "message": "x".repeat(17_000) })).await;
    assert_eq!(maya.closed().await, 1009);
}

#[tokio::test]
async fn a_client_that_gives_no_sign_of_life_is_let_go() {
    let school = School::with(&[("chat_idle", "5")]).await;
    let mut clara = school.enter(&school.clara).await;
    // It is never read, so that no ping is answered.
    let _silent = school.enter(&school.maya).await;
    let maya = school.id_of("maya").await;
    loop {
        let told = clara.next().await.unwrap();
        if told["went"] == json!([maya]) {
            return;
        }
    }
}
