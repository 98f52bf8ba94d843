//! Lines that answer others, and lines that mention somebody.

use super::School;
use crate::kit::{Role, Socket};
use lyceum::entities::{chat_mention, message, user};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

async fn say(socket: &mut Socket, frame: Value) -> Value {
    socket.send(&frame).await;
    socket.expect("chat_message").await
}

/// The messages of somebody, oldest first.
async fn messages_of(school: &School, username: &str) -> Vec<message::Model> {
    let db = school.site.app.db.read();
    let account = user::Entity::find().filter(user::Column::Username.eq(username));
    let account = account.one(db).await.unwrap().unwrap();
    let hers = message::Entity::find().filter(message::Column::RecipientId.eq(account.id));
    hers.all(db).await.unwrap()
}

#[tokio::test]
async fn an_answer_shows_what_it_answers_until_that_is_deleted() {
    let school = School::new().await;
    let mut maya = school.enter(&school.maya).await;
    let long = format!("Why? {}", "é".repeat(200));
    let asked = say(&mut maya, json!({ "message": long })).await;
    assert_eq!(
        (&asked["reply_to"], &asked["mentions"]),
        (&Value::Null, &json!([]))
    );
    let mut kwame = school.enter(&school.kwame).await;
    let answer = json!({ "message": "Because.", "reply_to": asked["id"] });
    let answer = say(&mut kwame, answer).await;
    let quote: String = long.chars().take(140).collect();
    assert_eq!(
        answer["reply_to"],
        json!({ "id": asked["id"], "name": "maya", "message": quote })
    );
    assert_eq!(
        maya.expect("chat_message").await["reply_to"],
        answer["reply_to"]
    );
    maya.send(&json!({ "type": "delete", "id": asked["id"] }))
        .await;
    maya.expect("chat_delete").await;
    kwame.expect("chat_delete").await;
    for nothing in [json!(4711), asked["id"].clone(), json!(-1)] {
        let late = json!({ "message": "Too late", "client_id": "a", "reply_to": nothing });
        kwame.send(&late).await;
        let error = kwame.expect("error").await;
        assert_eq!(
            (&error["code"], &error["client_id"]),
            (&json!("gone"), &json!("a"))
        );
    }
    let history = format!("{}history/", school.page());
    let lines = school.maya.get(&history).await.json();
    assert_eq!(
        lines["lines"][0]["reply_to"],
        json!({ "id": asked["id"], "name": "maya", "message": null })
    );
}

#[tokio::test]
async fn who_is_mentioned_gets_one_message_and_nobody_else_does() {
    let school = School::new().await;
    let stranger = school.site.login_as("zofia", Role::Student).await;
    school.site.person("leila", Role::Staff).await;
    let mut maya = school.enter(&school.maya).await;
    let line = json!({ "message": "@kwame, @kwame and @clara. Not @zofia, a@leila or @maya" });
    let said = say(&mut maya, line).await;
    assert_eq!(said["mentions"], json!(["kwame", "clara", "maya"]));
    for (name, count) in [
        ("kwame", 1),
        ("clara", 1),
        ("zofia", 0),
        ("leila", 0),
        ("maya", 0),
    ] {
        assert_eq!(messages_of(&school, name).await.len(), count, "{name}");
    }
    let message = messages_of(&school, "kwame").await.remove(0);
    assert!(
        message
            .text
            .starts_with("maya mentioned you in the room of"),
        "{}",
        message.text
    );
    // Where it leads she may go, and the words of the line are in no message.
    school.kwame.get(&message.link).await.expect(200);
    stranger.get(&message.link).await.expect(403);
    assert!(!message.text.contains("Not @zofia"));
    // Changed, it tells those whom it did not tell before.
    let edit = json!({ "type": "edit", "id": said["id"], "message": "@kwame and @leila" });
    maya.send(&edit).await;
    let changed = maya.expect("chat_edit").await;
    assert_eq!(changed["mentions"], json!(["kwame", "leila"]));
    for (name, count) in [("kwame", 1), ("clara", 1), ("leila", 1)] {
        assert_eq!(messages_of(&school, name).await.len(), count, "{name}");
    }
    maya.send(&json!({ "type": "delete", "id": said["id"] }))
        .await;
    maya.expect("chat_delete").await;
    let db = school.site.app.db.read();
    assert_eq!(chat_mention::Entity::find().all(db).await.unwrap(), []);
}

#[tokio::test]
async fn a_line_sent_again_mentions_nobody_again() {
    let school = School::new().await;
    let mut maya = school.enter(&school.maya).await;
    let line = json!({ "message": "@kwame", "client_id": "a-1" });
    for _ in 0..2 {
        maya.send(&line).await;
    }
    let mut acks = 0;
    while acks < 2 {
        acks += usize::from(maya.next().await.unwrap()["type"] == "ack");
    }
    assert_eq!(messages_of(&school, "kwame").await.len(), 1);
}
