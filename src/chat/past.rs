//! Lines that were said before this room was here: of a school that is filled with what it had.

use super::mentions::{self, Notices, People};
use super::store::{self, reads};
use crate::app::App;
use crate::db::Write;
use crate::entities::{chat_line, course, user};
use crate::error::{Error, Result};
use crate::web::tags::Tag;
use chrono::{DateTime, Utc};
use sea_orm::EntityTrait as _;

/// A line that was said a while ago.
#[derive(Clone, Debug)]
pub struct PastLine {
    /// Who said it.
    pub user_id: i64,
    /// 1-4,000 characters.
    pub text: String,
    /// The place of the line that it answers among those that come with it, from 1.
    pub reply_to: Option<i64>,
    /// When.
    pub said_at: DateTime<Utc>,
}

/// Writes lines into a room in which nothing was said yet, oldest first, and up to which place each person has read. Who
/// is mentioned in what she has not read gets a message, as ever.
///
/// # Errors
/// [`Error::Conflict`] when something was said there, [`Error::NotFound`] when the course or a speaker is gone.
pub async fn write_past(
    app: &App,
    write: &mut Write,
    course: &course::Model,
    lines: Vec<PastLine>,
    read: &[(i64, i64)],
) -> Result<()> {
    let room = store::lock(write, course.id).await?;
    if room.last > 0 {
        let words = "Something was said in this room already.";
        return Err(Error::Conflict(words.into()));
    }
    let people = mentions::find(write, course, lines.iter().map(|line| line.text.as_str())).await?;
    let rows = rows(course.id, lines, &people);
    let Some((last, said_at)) = rows.last().map(|row| (row.id, row.created_at)) else {
        return Ok(());
    };
    store::insert(write, &rows).await?;
    store::set_last(write, room, last, Some((last, Some(said_at)))).await?;
    tell_mentioned(app, write, course, (&rows, &people, read)).await?;
    let positions: Vec<reads::Position> = read
        .iter()
        .map(|(user_id, line_id)| reads::Position {
            user_id: *user_id,
            course_id: course.id,
            line_id: *line_id,
        })
        .collect();
    reads::set(write, &positions).await?;
    for (user_id, _) in read {
        write.changes(Tag::rooms_read(*user_id));
    }
    Ok(())
}

fn rows(course_id: i64, lines: Vec<PastLine>, people: &People) -> Vec<chat_line::Model> {
    let numbered = (1_i64..).zip(lines);
    let rows = numbered.map(|(id, line)| chat_line::Model {
        course_id,
        id,
        user_id: Some(line.user_id),
        mentions: mentions::of(&line.text, people).0,
        text: line.text,
        client_id: None,
        changed: id,
        created_at: line.said_at,
        edited_at: None,
        deleted_at: None,
        reply_to: line.reply_to,
    });
    rows.collect()
}

/// Sends a message to those who are mentioned in a line that they have not read.
async fn tell_mentioned(
    app: &App,
    write: &mut Write,
    course: &course::Model,
    (rows, people, read): (&[chat_line::Model], &People, &[(i64, i64)]),
) -> Result<()> {
    let mut notices = Notices::default();
    for row in rows.iter().filter(|row| row.mentions.is_some()) {
        let (_, mut whom) = mentions::of(&row.text, people);
        let has_read = |person: &i64| {
            let mut hers = read.iter().filter(|(reader, _)| reader == person);
            hers.any(|(_, place)| *place >= row.id)
        };
        whom.retain(|person| !has_read(person));
        let account = user::Entity::find_by_id(row.user_id.unwrap_or_default());
        let account = account.one(&**write).await?.ok_or(Error::NotFound)?;
        let speaker = store::speaker(Some(&account), course);
        notices
            .add(write, course, &speaker, (row.id, &whom))
            .await?;
    }
    notices.send(app, write).await
}
