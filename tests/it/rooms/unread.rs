//! How far everybody has read, and what her pages are told of what she has not.

use super::School;
use crate::kit::{EventReader, Role};
use lyceum::entities::chat_read;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

/// The next count of rooms on a stream of events.
async fn counted(stream: &mut EventReader) -> (Value, Value) {
    let told = stream.next_of("rooms").await.data;
    (told["unread"].clone(), told["mentions"].clone())
}

fn counts(unread: u64, mentions: u64) -> (Value, Value) {
    (json!(unread), json!(mentions))
}

#[tokio::test]
async fn a_room_is_unread_until_she_has_read_it_in_one_of_her_windows() {
    let school = School::new().await;
    let mut page = school.maya.events("/events/", None).await;
    assert_eq!(counted(&mut page).await, counts(0, 0));
    let mut of_clara = school.clara.events("/events/", None).await;
    assert_eq!(counted(&mut of_clara).await, counts(0, 0));
    let mut clara = school.enter(&school.clara).await;
    for line in ["one", "two", "three"] {
        clara.say(line).await;
        clara.expect("chat_message").await;
    }
    assert_eq!(counted(&mut page).await, counts(1, 0));
    let mut window = school.maya.socket(&school.path("?v=2")).await;
    window.expect("ready").await;
    let room = window.expect("room").await;
    assert_eq!((&room["read"], &room["unread"]), (&json!(0), &json!(3)));
    let mut maya = school.enter(&school.maya).await;
    // Not further than what was said.
    maya.send(&json!({ "type": "read", "id": 4_711 })).await;
    assert_eq!(window.expect("read").await["id"], 3);
    assert_eq!(counted(&mut page).await, counts(0, 0));
    // And never back.
    maya.send(&json!({ "type": "read", "id": 1 })).await;
    let path = format!("{}read/", school.page());
    let answer = school.maya.post_json(&path, r#"{"id": 2}"#).await;
    assert_eq!(answer.expect(200).json(), json!({ "read": 3, "unread": 0 }));
    let db = school.site.app.db.read();
    let position = (school.id_of("maya").await, school.course.id);
    let row = chat_read::Entity::find_by_id(position)
        .one(db)
        .await
        .unwrap();
    assert_eq!(row.unwrap().line_id, 3);
    // Her own lines are no news to the teacher: the next that she is told is what another says.
    maya.say("a question").await;
    maya.expect("chat_message").await;
    assert_eq!(counted(&mut of_clara).await, counts(1, 0));
}

#[tokio::test]
async fn a_mention_is_counted_until_the_line_is_read_or_gone() {
    let school = School::new().await;
    let mut page = school.maya.events("/events/", None).await;
    assert_eq!(counted(&mut page).await, counts(0, 0));
    let mut clara = school.enter(&school.clara).await;
    clara.say("@maya, look").await;
    assert_eq!(clara.expect("chat_message").await["id"], 1);
    assert_eq!(counted(&mut page).await, counts(1, 1));
    clara.say("@maya, here too").await;
    assert_eq!(counted(&mut page).await, counts(1, 2));
    clara.send(&json!({ "type": "delete", "id": 2 })).await;
    assert_eq!(counted(&mut page).await, counts(1, 1));
    let path = format!("{}read/", school.page());
    let answer = school.maya.post_json(&path, r#"{"id": 1}"#).await;
    assert_eq!(answer.expect(200).json(), json!({ "read": 1, "unread": 0 }));
    assert_eq!(counted(&mut page).await, counts(0, 0));
}

#[tokio::test]
async fn a_room_whose_only_unread_line_is_deleted_is_not_unread() {
    let school = School::new().await;
    let mut page = school.maya.events("/events/", None).await;
    assert_eq!(counted(&mut page).await, counts(0, 0));
    let mut clara = school.enter(&school.clara).await;
    clara.say("a slip").await;
    assert_eq!(counted(&mut page).await, counts(1, 0));
    clara.send(&json!({ "type": "delete", "id": 1 })).await;
    assert_eq!(counted(&mut page).await, counts(0, 0));
}

#[tokio::test]
async fn what_was_said_before_she_enrolled_is_not_unread_and_her_rooms_come_and_go_with_her_courses()
 {
    let school = School::new().await;
    school.said(5).await;
    school.site.wait_seconds(60);
    let zofia = school.site.login_as("zofia", Role::Student).await;
    let mut page = zofia.events("/events/", None).await;
    assert_eq!(counted(&mut page).await, counts(0, 0));
    let course = school.course.id.to_string();
    let enroll = [("course", course.as_str())];
    zofia
        .post("/students/enroll-course/", &enroll)
        .await
        .expect(303);
    let mut clara = school.enter(&school.clara).await;
    clara.say("welcome").await;
    assert_eq!(counted(&mut page).await, counts(1, 0));
    let leave = format!("/students/course/{course}/leave/");
    zofia.post(&leave, &[]).await.expect(303);
    assert_eq!(counted(&mut page).await, counts(0, 0));
}

#[tokio::test]
async fn counting_costs_the_same_whatever_was_said_and_however_many_courses_she_is_in() {
    let school = School::new().await;
    let path = "/events/";
    let of_one = {
        let before = school.site.app.db.statements();
        let mut page = school.maya.events(path, None).await;
        page.greeting().await;
        school.site.app.db.statements() - before
    };
    school.said(2_000).await;
    let maya = school.id_of("maya").await;
    for number in 0..30 {
        let slug = format!("course-{number}");
        let course = school.site.course(school.course.owner_id, &slug).await;
        school.site.enrollment(maya, course.id).await;
    }
    let again = school.site.login("maya").await;
    again.get("/students/courses/").await.expect(200);
    let before = school.site.app.db.statements();
    let mut page = again.events(path, None).await;
    page.greeting().await;
    let of_many = school.site.app.db.statements() - before;
    assert!(
        of_many <= of_one,
        "{of_many} statements, {of_one} for one course"
    );
}
