//! What was said in the rooms of the demo school: read from `demo/rooms.toml`, and written as if it had been said when
//! the file says so.

use super::school::SchoolError;
use crate::app::App;
use crate::chat::{self, PastLine};
use crate::db::Write;
use crate::entities::course;
use crate::error::Error;
use chrono::TimeDelta;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde::Deserialize;
use std::collections::HashMap;

const PATH: &str = "demo/rooms.toml";
const ROOMS: &str = include_str!("../../demo/rooms.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rooms {
    rooms: Vec<Room>,
}

/// A room in which something was said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Room {
    /// The slug of its course.
    course: String,
    /// By user name: the place of the last line that she has read, from 1.
    read: HashMap<String, i64>,
    lines: Vec<Line>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The user name of who said it.
    who: String,
    /// So many minutes before the school was filled.
    ago: i64,
    /// The place of the line that it answers, from 1.
    answers: Option<i64>,
    text: String,
}

fn rooms() -> Result<Vec<Room>, SchoolError> {
    let read: Result<Rooms, _> = toml::from_str(ROOMS);
    match read {
        Ok(rooms) => Ok(rooms.rooms),
        Err(source) => Err(SchoolError { path: PATH, source }),
    }
}

/// Writes what was said. `people` are the numbers of the accounts, by user name.
///
/// # Errors
/// [`super::DemoError`]; a course or a person that is not there is a fault of the file.
pub async fn write_rooms(
    app: &App,
    write: &mut Write,
    people: &HashMap<String, i64>,
) -> Result<(), super::DemoError> {
    let now = app.clock.now();
    let person = |name: &String| people.get(name).copied().ok_or(Error::NotFound);
    for room in rooms()? {
        let found = course::Entity::find().filter(course::Column::Slug.eq(&room.course));
        let found = found.one(&**write).await.map_err(Error::from)?;
        let course = found.ok_or(Error::NotFound)?;
        let mut lines = Vec::with_capacity(room.lines.len());
        for line in room.lines {
            lines.push(PastLine {
                user_id: person(&line.who)?,
                text: line.text.trim().to_owned(),
                reply_to: line.answers,
                said_at: now - TimeDelta::minutes(line.ago),
            });
        }
        let mut read = Vec::with_capacity(room.read.len());
        for (name, place) in &room.read {
            read.push((person(name)?, *place));
        }
        chat::write_past(app, write, &course, lines, &read).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::school::School;

    #[test]
    fn who_speaks_in_a_room_is_in_its_course_and_lines_follow_each_other() {
        let school = School::embedded().unwrap();
        for room in rooms().unwrap() {
            let course = school
                .courses
                .iter()
                .find(|course| course.slug == room.course && !course.draft)
                .unwrap();
            let is_in = |name: &str| {
                course.owner == name
                    || school
                        .enrollments
                        .iter()
                        .any(|one| one.course == room.course && one.student == name)
            };
            for (place, line) in (1_i64..).zip(&room.lines) {
                assert!(is_in(&line.who), "{} in {}", line.who, room.course);
                assert!(line.answers.is_none_or(|answered| answered < place));
                assert!((1..=4_000).contains(&line.text.trim().chars().count()));
            }
            assert!(
                room.lines.is_sorted_by(|a, b| a.ago > b.ago),
                "{}",
                room.course
            );
            for (name, place) in &room.read {
                assert!(is_in(name), "{name} in {}", room.course);
                assert!((0..=i64::try_from(room.lines.len()).unwrap()).contains(place));
            }
        }
    }
}
