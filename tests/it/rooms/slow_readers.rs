//! Readers who are too slow: they hear that they were, and then everything; or that they have to leave.
//!
//! What is sent to a reader who does not read fills the buffers of both ends of her connection, then those of the
//! process. Lines are as long as they may be, so that a few hundred are more than all of them hold.

use super::School;
use crate::kit::Socket;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

/// More than the buffers hold, and no more than is told again.
const LINES: i64 = 900;

/// 4,000 characters of four bytes each.
fn long_line() -> String {
    "\u{1f3bb}".repeat(4_000)
}

/// Says lines one after the other, so that each is told for itself.
async fn say(socket: &mut Socket, count: i64) {
    let line = long_line();
    for _ in 0..count {
        socket.say(&line).await;
        socket.expect("chat_message").await;
    }
}

#[tokio::test]
async fn a_reader_who_is_too_slow_is_told_so_and_then_everything_in_order() {
    let school = School::with(&[("chat_rate", "")]).await;
    let mut slow = school.maya.narrow_socket(&school.path("?v=2")).await;
    slow.expect("ready").await;
    let mut clara = school.enter(&school.clara).await;
    say(&mut clara, LINES).await;
    let (mut ids, mut lagged) = (Vec::new(), Vec::<Value>::new());
    while ids.last() != Some(&LINES) || lagged.is_empty() {
        let frame = slow.next_kept().await.unwrap();
        match frame["type"].as_str().unwrap() {
            "chat_message" => ids.push(frame["id"].as_i64().unwrap()),
            "lagged" => {
                // What she lacked came before it.
                assert_eq!(frame["last"].as_i64().as_ref(), ids.last());
                lagged.push(frame);
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(ids, (1..=LINES).collect::<Vec<i64>>());
    assert!(lagged.iter().all(|frame| frame["recovered"] == true));
    // From here on she hears as everybody does.
    clara.say("on we go").await;
    let next = loop {
        let frame = slow.next_kept().await.unwrap();
        // She may have been too slow a second time while she was told.
        if frame["type"] != "lagged" {
            break frame;
        }
    };
    assert_eq!(next["message"], "on we go");
}

#[tokio::test]
async fn who_is_removed_from_the_course_while_she_lags_hears_nothing_of_what_came_after() {
    let school = School::with(&[("chat_rate", "")]).await;
    let mut slow = school.maya.narrow_socket(&school.path("?v=2")).await;
    slow.expect("ready").await;
    let mut clara = school.enter(&school.clara).await;
    let before = LINES / 2;
    say(&mut clara, before).await;
    let leave = format!("/students/course/{}/leave/", school.course.id);
    school.maya.post(&leave, &[]).await.expect(303);
    // So many that the news of it is pushed out before she comes to it.
    say(&mut clara, LINES - before).await;
    let mut last = 0;
    let code = loop {
        match slow.message().await.expect("it is closed with a code") {
            Message::Text(text) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                last = frame["id"].as_i64().unwrap_or(last);
            }
            Message::Close(frame) => break u16::from(frame.unwrap().code),
            _ => {}
        }
    };
    assert_eq!(code, 4403);
    assert!((1..=before).contains(&last), "{last}");
}
