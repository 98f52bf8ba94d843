//! What was said, page by page and by its words.

use super::School;
use crate::kit::Role;
use lyceum::entities::course;
use sea_orm::{ConnectionTrait as _, DbBackend, EntityTrait as _, Statement};
use serde_json::{Value, json};

fn ids(page: &Value) -> Vec<i64> {
    let lines = page["lines"].as_array().unwrap().iter();
    lines.map(|line| line["id"].as_i64().unwrap()).collect()
}

fn words(page: &Value) -> Vec<String> {
    let lines = page["lines"].as_array().unwrap().iter();
    lines
        .map(|line| line["message"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_history_is_read_from_any_line_in_either_direction() {
    let school = School::new().await;
    school.said(200).await;
    let page = async |query: &str| {
        let path = format!("{}history/{query}", school.page());
        school.maya.get(&path).await.expect(200).json()
    };
    for (query, expected, has_older, has_newer, has_more) in [
        ("", 151..=200, true, false, true),
        ("?before=151", 101..=150, true, true, true),
        ("?before=31", 1..=30, false, true, false),
        ("?after=20", 21..=70, true, true, true),
        ("?after=180", 181..=200, true, false, false),
        ("?around=100", 75..=125, true, true, true),
        ("?around=3", 1..=28, false, true, false),
        ("?around=199", 174..=200, true, false, true),
    ] {
        let found = page(query).await;
        assert_eq!(ids(&found), expected.collect::<Vec<i64>>(), "{query}");
        let more = [&found["has_older"], &found["has_newer"], &found["has_more"]];
        assert_eq!(more, [has_older, has_newer, has_more], "{query}");
    }
    for query in [
        "?before=9&after=3",
        "?before=x",
        "?around=99999999999999999999",
    ] {
        let path = format!("{}history/{query}", school.page());
        school.maya.get(&path).await.expect(400);
    }
}

#[tokio::test]
async fn a_search_finds_words_of_this_room_and_takes_nothing_that_is_typed_for_a_wildcard() {
    let school = School::new().await;
    let neighbor = school.site.course(school.course.owner_id, "winds").await;
    let mut clara = school.enter(&school.clara).await;
    for line in [
        "Strings ring at 100 % of their length",
        "A bow, with weight",
        "fn main() { string_theory() }",
        "nothing of that",
        "it was deleted: strings",
    ] {
        clara.say(line).await;
        clara.expect("chat_message").await;
    }
    clara.send(&json!({ "type": "delete", "id": 5 })).await;
    clara.expect("chat_delete").await;
    clara
        .send(&json!({ "type": "edit", "id": 4, "message": "reads Otherwise now" }))
        .await;
    clara.expect("chat_edit").await;
    let path = format!("/ws/chat/room/{}/?v=2", neighbor.id);
    let mut elsewhere = school.clara.socket(&path).await;
    elsewhere.expect("ready").await;
    elsewhere.say("strings of another room").await;
    elsewhere.expect("chat_message").await;
    let find = async |query: &str| {
        let path = format!("{}search/?q={query}", school.page());
        let found = school.maya.get(&path).await.expect(200).json();
        words(&found).join(" | ")
    };
    assert_eq!(
        find("strings").await,
        "Strings ring at 100 % of their length"
    );
    assert_eq!(
        find("string").await,
        "Strings ring at 100 % of their length | fn main() { string_theory() }"
    );
    assert_eq!(find("weight+bow").await, "A bow, with weight");
    assert_eq!(find("otherwise").await, "reads Otherwise now");
    for nothing in [
        "nothing",
        "%25",
        "_",
        "%25tring",
        "",
        "\"",
        "deleted",
        "%00",
        "a%20OR%20b%20)",
    ] {
        assert_eq!(find(nothing).await, "", "{nothing}");
    }
    let stranger = school.site.login_as("zofia", Role::Student).await;
    let path = format!("{}search/?q=strings", school.page());
    stranger.get(&path).await.expect(403);
    let without = format!("{}search/", school.page());
    school.maya.get(&without).await.expect(400);
}

#[tokio::test]
async fn what_a_search_finds_is_read_page_by_page_newest_first() {
    let school = School::new().await;
    school.said(120).await;
    let mut before = String::new();
    let mut found = Vec::new();
    loop {
        let path = format!("{}search/?q=line{before}", school.page());
        let page = school.maya.get(&path).await.expect(200).json();
        let some = ids(&page);
        before = format!("&before={}", some[0]);
        found.splice(0..0, some);
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(found, (1..=120).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_course_takes_what_was_said_there_with_it_out_of_the_index_too() {
    let school = School::new().await;
    school.said(3).await;
    let db = school.site.app.db.read();
    if db.get_database_backend() != DbBackend::Sqlite {
        // There the index is a column of the lines.
        return;
    }
    let words = "SELECT rowid FROM chat_search WHERE chat_search MATCH 'line'";
    let words = Statement::from_string(DbBackend::Sqlite, words);
    assert_eq!(db.query_all_raw(words.clone()).await.unwrap().len(), 3);
    let course = course::Entity::delete_by_id(school.course.id);
    course.exec(school.site.app.db.writer()).await.unwrap();
    assert!(db.query_all_raw(words).await.unwrap().is_empty());
}
