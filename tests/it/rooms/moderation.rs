//! What moderators do holds for everybody else, on every node and for every client, and is logged.

use super::School;
use crate::kit::{Role, Socket};
use lyceum::entities::chat_act::{self, ChatActKind};
use lyceum::entities::chat_room;
use sea_orm::{ActiveValue::Set, EntityTrait as _, QueryOrder as _};
use serde_json::{Value, json};

async fn refused(socket: &mut Socket, frame: &Value) -> Value {
    socket.send(frame).await;
    socket.expect("error").await
}

/// The next time that she is told how the room is, after the first.
async fn told(socket: &mut Socket) -> Value {
    loop {
        let room = socket.expect("room").await;
        if room.get("read").is_none() {
            return room;
        }
    }
}

/// The next frame of this type, after whatever comes before.
async fn next_of(socket: &mut Socket, kind: &str) -> Value {
    loop {
        let frame = socket.next().await.unwrap();
        if frame["type"] == kind {
            return frame;
        }
    }
}

#[tokio::test]
async fn a_locked_room_takes_lines_of_moderators_alone_on_every_node_and_of_every_client() {
    let school = School::new().await;
    let other = school.site.second().await;
    let mut clara = school.enter(&school.clara).await;
    let mut maya = school.enter(&school.maya).await;
    // An older client, on another node.
    let mut kwame = school.kwame.at(&other.url).socket(&school.path("")).await;
    kwame.say("I am here").await;
    let hers = kwame.expect("chat_message").await["id"].clone();
    for socket in [&mut clara, &mut maya] {
        socket.expect("chat_message").await;
    }
    let lock = json!({ "type": "lock", "is_locked": true });
    assert_eq!(refused(&mut maya, &lock).await["code"], "forbidden");
    clara.send(&lock).await;
    for socket in [&mut clara, &mut maya] {
        assert_eq!(told(socket).await["is_locked"], true);
    }
    let line = json!({ "message": "and I?", "client_id": "k" });
    let error = refused(&mut kwame, &line).await;
    assert_eq!(
        (&error["code"], &error["client_id"]),
        (&json!("locked"), &json!("k"))
    );
    assert_eq!(refused(&mut maya, &line).await["code"], "locked");
    let edit = json!({ "type": "edit", "id": hers, "message": "otherwise" });
    assert_eq!(refused(&mut kwame, &edit).await["code"], "locked");
    clara.say("Read this first.").await;
    for socket in [&mut clara, &mut maya, &mut kwame] {
        assert_eq!(
            socket.expect("chat_message").await["message"],
            "Read this first."
        );
    }
    // Who comes in finds it so; taking back one's own is always open.
    let mut late = school.maya.socket(&school.path("?v=2")).await;
    late.expect("ready").await;
    assert_eq!(late.expect("room").await["is_locked"], true);
    kwame.send(&json!({ "type": "delete", "id": hers })).await;
    assert_eq!(maya.expect("chat_delete").await["id"], hers);
    clara
        .send(&json!({ "type": "lock", "is_locked": false }))
        .await;
    assert_eq!(told(&mut maya).await["is_locked"], false);
    kwame.say("at last").await;
    assert_eq!(maya.expect("chat_message").await["message"], "at last");
}

#[tokio::test]
async fn what_is_already_under_way_when_a_room_is_locked_is_not_kept() {
    let school = School::new().await;
    school.said(1).await;
    let mut maya = school.enter(&school.maya).await;
    let write = school.site.app.write().await.unwrap();
    let locked = chat_room::ActiveModel {
        course_id: Set(school.course.id),
        is_locked: Set(true),
        ..Default::default()
    };
    chat_room::Entity::update(locked)
        .exec(&*write)
        .await
        .unwrap();
    // It cannot be written before the lock is there.
    maya.send(&json!({ "message": "in between", "client_id": "m" }))
        .await;
    write.commit().await.unwrap();
    let error = maya.expect("error").await;
    assert_eq!(
        (&error["code"], &error["client_id"]),
        (&json!("locked"), &json!("m"))
    );
}

#[tokio::test]
async fn who_is_muted_hears_of_it_and_may_write_again_when_the_time_is_over() {
    let school = School::new().await;
    let (maya_id, kwame_id) = (school.id_of("maya").await, school.id_of("kwame").await);
    let mut clara = school.enter(&school.clara).await;
    let mut maya = school.enter(&school.maya).await;
    let mut kwame = school.enter(&school.kwame).await;
    let mute = |user_id: i64, minutes: i64| json!({ "type": "mute", "user_id": user_id, "minutes": minutes });
    assert_eq!(
        refused(&mut maya, &mute(kwame_id, 10)).await["code"],
        "forbidden"
    );
    let stranger = school.site.person("zofia", Role::Student).await;
    for (frame, code) in [
        (mute(kwame_id, -1), "invalid"),
        (mute(kwame_id, 10_081), "invalid"),
        (mute(school.course.owner_id, 10), "invalid"),
        (mute(stranger, 10), "gone"),
        (mute(4_711, 10), "gone"),
    ] {
        assert_eq!(refused(&mut clara, &frame).await["code"], code, "{frame}");
    }
    clara.send(&mute(kwame_id, 10)).await;
    let room = told(&mut kwame).await;
    assert_eq!(room["muted_until"], "2026-03-02T09:40:00.123456+00:00");
    let error = refused(&mut kwame, &json!({ "message": "but" })).await;
    assert_eq!(
        (&error["code"], &error["retry_after_seconds"]),
        (&json!("muted"), &json!(600))
    );
    // Nobody is shown that she tries to.
    kwame.send(&json!({ "type": "typing" })).await;
    maya.send(&json!({ "type": "typing" })).await;
    assert_eq!(clara.expect("typing").await["user_id"], maya_id);
    maya.say("I am not").await;
    for socket in [&mut clara, &mut kwame] {
        assert_eq!(socket.expect("chat_message").await["message"], "I am not");
    }
    school.site.wait_seconds(600);
    kwame.say("again").await;
    for socket in [&mut clara, &mut kwame] {
        assert_eq!(socket.expect("chat_message").await["message"], "again");
    }
    // It can be lifted before.
    clara.send(&mute(kwame_id, 60)).await;
    told(&mut kwame).await;
    clara.send(&mute(kwame_id, 0)).await;
    assert_eq!(told(&mut kwame).await["muted_until"], Value::Null);
    kwame.say("thank you").await;
    assert_eq!(clara.expect("chat_message").await["message"], "thank you");
}

#[tokio::test]
async fn a_slow_room_takes_one_line_of_each_student_at_a_time() {
    let school = School::new().await;
    let mut clara = school.enter(&school.clara).await;
    let mut maya = school.enter(&school.maya).await;
    assert_eq!(
        refused(&mut clara, &json!({ "type": "slow", "seconds": 3_601 })).await["code"],
        "invalid"
    );
    clara.send(&json!({ "type": "slow", "seconds": 10 })).await;
    assert_eq!(told(&mut maya).await["slow_seconds"], 10);
    maya.say("one").await;
    assert_eq!(maya.expect("chat_message").await["message"], "one");
    let error = refused(&mut maya, &json!({ "message": "two" })).await;
    assert_eq!(
        (&error["code"], &error["retry_after_seconds"]),
        (&json!("slow"), &json!(10))
    );
    for line in ["I", "may"] {
        clara.say(line).await;
        assert_eq!(maya.expect("chat_message").await["message"], line);
    }
    school.site.wait_seconds(10);
    maya.say("two").await;
    assert_eq!(maya.expect("chat_message").await["message"], "two");
    clara.send(&json!({ "type": "slow", "seconds": 0 })).await;
    assert_eq!(told(&mut maya).await["slow_seconds"], 0);
    maya.say("three").await;
    assert_eq!(maya.expect("chat_message").await["message"], "three");
}

#[tokio::test]
async fn what_moderators_did_is_logged_once_with_whom_it_concerned() {
    let school = School::new().await;
    let kwame_id = school.id_of("kwame").await;
    let mut clara = school.enter(&school.clara).await;
    let mut kwame = school.enter(&school.kwame).await;
    let mut ids = Vec::new();
    for (socket, words) in [(&mut kwame, "something rude"), (&mut clara, "my own")] {
        let line = json!({ "message": words, "client_id": "a" });
        socket.send(&line).await;
        ids.push(next_of(socket, "ack").await["id"].clone());
    }
    let asked = [
        json!({ "type": "lock", "is_locked": true }),
        json!({ "type": "lock", "is_locked": true }),
        json!({ "type": "lock", "is_locked": false }),
        json!({ "type": "slow", "seconds": 5 }),
        json!({ "type": "mute", "user_id": kwame_id, "minutes": 1 }),
        json!({ "type": "mute", "user_id": kwame_id, "minutes": 0 }),
        json!({ "type": "mute", "user_id": kwame_id, "minutes": 0 }),
        json!({ "type": "delete", "id": ids[0] }),
        json!({ "type": "delete", "id": ids[1] }),
    ];
    for frame in &asked {
        clara.send(frame).await;
    }
    for id in &ids {
        let gone = next_of(&mut clara, "chat_delete").await;
        assert_eq!(&gone["id"], id);
    }
    let acts = chat_act::Entity::find().order_by_asc(chat_act::Column::Id);
    let acts = acts.all(school.site.app.db.read()).await.unwrap();
    let kinds: Vec<ChatActKind> = acts.iter().map(|act| act.kind).collect();
    assert_eq!(
        kinds,
        [
            ChatActKind::Lock,
            ChatActKind::Unlock,
            ChatActKind::Slow,
            ChatActKind::Mute,
            ChatActKind::Unmute,
            ChatActKind::Delete,
        ]
    );
    assert!(
        acts.iter()
            .all(|act| act.moderator_id == Some(school.course.owner_id))
    );
    let whom: Vec<Option<i64>> = acts.iter().map(|act| act.user_id).collect();
    let kwame = Some(kwame_id);
    assert_eq!(whom, [None, None, None, kwame, kwame, kwame]);
    assert_eq!(
        (acts[2].seconds, acts[5].line_id),
        (Some(5), ids[0].as_i64())
    );
    let end = school.site.clock.now() + chrono::TimeDelta::minutes(1);
    assert_eq!(acts[3].until, Some(end));
}
