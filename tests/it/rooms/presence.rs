//! Who is in a room, and who is writing there.

use super::School;
use crate::kit::Socket;
use serde_json::{Value, json};

fn names(people: &Value) -> Vec<&str> {
    let people = people.as_array().unwrap().iter();
    people
        .map(|person| person["user"].as_str().unwrap())
        .collect()
}

/// Waits until so many are there.
async fn until_count(socket: &mut Socket, count: usize) -> Value {
    loop {
        let told = socket.expect("presence").await;
        if told["count"] == count {
            return told;
        }
    }
}

#[tokio::test]
async fn who_comes_and_goes_is_told_once_however_many_windows_she_has() {
    let school = School::new().await;
    let mut clara = school.enter(&school.clara).await;
    let here = clara.expect("here").await;
    assert_eq!(
        (&here["count"], names(&here["people"])),
        (&json!(1), vec!["clara"])
    );
    assert_eq!(here["people"][0]["is_teacher"], true);
    let mut maya = school.enter(&school.maya).await;
    let came = clara.expect("presence").await;
    assert_eq!(
        (&came["count"], names(&came["came"])),
        (&json!(2), vec!["maya"])
    );
    let here = maya.expect("here").await;
    assert_eq!(names(&here["people"]), ["clara", "maya"]);
    // Another window of hers is nobody else.
    let mut window = school.enter(&school.maya).await;
    assert_eq!(window.expect("here").await["count"], 2);
    drop(maya);
    let _kwame = school.enter(&school.kwame).await;
    let came = clara.expect("presence").await;
    assert_eq!(
        (&came["count"], names(&came["came"]), &came["went"]),
        (&json!(3), vec!["kwame"], &json!([]))
    );
    drop(window);
    let went = clara.expect("presence").await;
    assert_eq!(
        (&went["count"], &went["went"]),
        (&json!(2), &json!([school.id_of("maya").await]))
    );
}

#[tokio::test]
async fn people_on_another_node_are_here_and_go_with_it() {
    let school = School::new().await;
    let other = school.site.second().await;
    let mut maya = school.enter(&school.maya).await;
    assert_eq!(maya.expect("here").await["count"], 1);
    let mut kwame = school
        .kwame
        .at(&other.url)
        .socket(&school.path("?v=2"))
        .await;
    kwame.expect("ready").await;
    assert_eq!(names(&until_count(&mut maya, 2).await["came"]), ["kwame"]);
    // She learns who was there before her, whatever node they are on.
    if kwame.expect("here").await["count"] == 1 {
        until_count(&mut kwame, 2).await;
    }
    kwame.send(&json!({ "type": "typing" })).await;
    assert_eq!(maya.expect("typing").await["name"], "kwame");
    other.app.bus.close().await;
    until_count(&mut maya, 1).await;
}

#[tokio::test]
async fn who_writes_is_shown_to_the_others_and_not_to_herself() {
    let school = School::new().await;
    let mut maya = school.enter(&school.maya).await;
    let mut kwame = school.enter(&school.kwame).await;
    for socket in [&mut maya, &mut kwame] {
        socket.send(&json!({ "type": "typing" })).await;
    }
    let (of_maya, of_kwame) = (maya.expect("typing").await, kwame.expect("typing").await);
    assert_eq!(
        (&of_maya["name"], &of_kwame["name"]),
        (&json!("kwame"), &json!("maya"))
    );
    assert_eq!(of_maya["user_id"], school.id_of("kwame").await);
    // It is no line, takes no number, and counts as none.
    maya.say("first").await;
    assert_eq!(kwame.expect("chat_message").await["id"], 1);
}
