//! Lists of the admin site as CSV, of any length, while the site goes on.

use crate::kit::{Role, TestApp, account_row};
use lyceum::entities::{course, enrollment, user};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _,
    QueryFilter as _,
};
use std::collections::BTreeSet;

/// More than are read at once.
const STUDENTS: i64 = 1_200;

/// Lets a course go between two statements of an export: its enrollments are found, and it is not.
async fn lose(site: &TestApp, course_id: i64) {
    let db = site.app.db.writer();
    let is_postgres = db.get_database_backend() == DbBackend::Postgres;
    let [without, with] = if is_postgres {
        [
            "ALTER TABLE enrollments DISABLE TRIGGER ALL; ALTER TABLE courses DISABLE TRIGGER ALL",
            "ALTER TABLE enrollments ENABLE TRIGGER ALL; ALTER TABLE courses ENABLE TRIGGER ALL",
        ]
    } else {
        ["PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"]
    };
    db.execute_unprepared(without).await.unwrap();
    let gone = course::Entity::delete_by_id(course_id).exec(db);
    gone.await.unwrap();
    db.execute_unprepared(with).await.unwrap();
}

#[tokio::test]
async fn an_export_goes_on_to_the_last_row_when_what_a_row_is_of_is_deleted_meanwhile() {
    let site = TestApp::start().await;
    let clara = site.person("clara", Role::Instructor).await;
    let stays = site.course(clara, "stays").await.id;
    let goes = site.course(clara, "goes").await.id;
    let now = site.clock.now();
    let students = (0..STUDENTS).map(|number| account_row(&format!("student-{number}"), now));
    let db = site.app.db.writer();
    let made = user::Entity::insert_many(students);
    made.exec_without_returning(db).await.unwrap();
    let people = user::Entity::find().filter(user::Column::Username.starts_with("student-"));
    let people = people.all(db).await.unwrap();
    // One in the first piece is of the course that goes, and a whole piece after it.
    let course_of = |number: usize| match number {
        3 | 500..=999 => goes,
        _ => stays,
    };
    let rows = people
        .iter()
        .enumerate()
        .map(|(number, person)| enrollment::ActiveModel {
            course_id: Set(course_of(number)),
            user_id: Set(person.id),
            created_at: Set(now),
            ..Default::default()
        });
    let made = enrollment::Entity::insert_many(rows);
    made.exec_without_returning(db).await.unwrap();
    lose(&site, goes).await;
    let staff = site.login_as("sofia", Role::Staff).await;
    let text = staff.get("/admin/enrollments/export.csv").await;
    let text = text.expect(200).text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + people.len() - 501, "{:?}", lines.first());
    let cells = lines.iter().flat_map(|line| line.split(','));
    let cells: BTreeSet<&str> = cells.map(|cell| cell.trim_matches('"')).collect();
    for (number, person) in people.iter().enumerate() {
        let is_there = cells.contains(person.username.as_str());
        assert_eq!(is_there, course_of(number) == stays, "{}", person.username);
    }
}
