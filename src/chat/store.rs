//! Rooms and lines in the database.

use super::frames::{Frame, Speaker};
use super::writer::NewLine;
use crate::db::Write;
use crate::entities::{chat_line, chat_room, course, user};
use crate::error::{Error, Result};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait,
    EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use std::collections::HashMap;

/// Number of what happened in a room last; 0 when nothing did.
pub async fn last(db: &impl ConnectionTrait, course_id: i64) -> Result<i64> {
    let room = chat_room::Entity::find_by_id(course_id).one(db).await?;
    Ok(room.map_or(0, |room| room.last))
}

/// Holds the room until the end of the transaction: who has it takes the next numbers.
///
/// # Errors
/// [`Error::NotFound`] when the course is gone.
pub async fn lock(write: &Write, course_id: i64) -> Result<chat_room::Model> {
    let find = || chat_room::Entity::find_by_id(course_id).lock_exclusive();
    if let Some(room) = find().one(&**write).await? {
        return Ok(room);
    }
    let course = course::Entity::find_by_id(course_id).lock_shared();
    course.one(&**write).await?.ok_or(Error::NotFound)?;
    let room = chat_room::ActiveModel {
        course_id: Set(course_id),
        last: Set(0),
    };
    chat_room::Entity::insert(room)
        .on_conflict(
            OnConflict::column(chat_room::Column::CourseId)
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(&**write)
        .await?;
    find().one(&**write).await?.ok_or(Error::NotFound)
}

/// Says what happened last in a room that is held.
pub async fn set_last(write: &Write, room: chat_room::Model, last: i64) -> Result<()> {
    let mut room = room.into_active_model();
    room.last = Set(last);
    room.update(&**write).await?;
    Ok(())
}

/// Those of the lines that are there already, by who sent them and what she called them.
pub async fn known(
    write: &Write,
    course_id: i64,
    lines: &[NewLine],
) -> Result<HashMap<(i64, String), i64>> {
    let mut sent_before = Condition::any();
    for line in lines {
        if let (Some(user_id), Some(client_id)) = (line.speaker.id, &line.client_id) {
            let this = Condition::all()
                .add(chat_line::Column::UserId.eq(user_id))
                .add(chat_line::Column::ClientId.eq(client_id));
            sent_before = sent_before.add(this);
        }
    }
    if sent_before.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Option<i64>, Option<String>, i64)> = chat_line::Entity::find()
        .select_only()
        .column(chat_line::Column::UserId)
        .column(chat_line::Column::ClientId)
        .column(chat_line::Column::Id)
        .filter(chat_line::Column::CourseId.eq(course_id))
        .filter(sent_before)
        .into_tuple()
        .all(&**write)
        .await?;
    let rows = rows.into_iter();
    let known = rows.filter_map(|(user, client, id)| Some(((user?, client?), id)));
    Ok(known.collect())
}

/// Writes lines.
pub async fn insert(write: &Write, lines: &[chat_line::Model]) -> Result<()> {
    let rows = lines.iter().map(|line| line.clone().into_active_model());
    chat_line::Entity::insert_many(rows)
        .exec_without_returning(&**write)
        .await?;
    Ok(())
}

/// One line, if it is there and not deleted.
pub async fn find(
    db: &impl ConnectionTrait,
    course_id: i64,
    id: i64,
) -> Result<Option<chat_line::Model>> {
    let line = chat_line::Entity::find_by_id((course_id, id))
        .one(db)
        .await?;
    Ok(line.filter(|line| line.deleted_at.is_none()))
}

/// Lets a line read otherwise, or takes its words away.
pub async fn change(
    write: &Write,
    line: chat_line::Model,
    number: i64,
    text: Option<String>,
    now: DateTime<Utc>,
) -> Result<chat_line::Model> {
    let mut row = line.into_active_model();
    row.changed = Set(number);
    if let Some(text) = text {
        row.text = Set(text);
        row.edited_at = Set(Some(now));
    } else {
        row.text = Set(String::new());
        row.deleted_at = Set(Some(now));
    }
    Ok(row.update(&**write).await?)
}

/// What happened in a room after a number.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// By growing number; of a line that changed more than once the last alone.
    pub frames: Vec<Frame>,
    /// The number up to which this goes.
    pub last: i64,
    /// Whether these are all of them.
    pub is_whole: bool,
}

/// What happened after a number: up to `most` lines, the newest if there are more.
pub async fn missed(
    db: &impl ConnectionTrait,
    course: &course::Model,
    after: i64,
    most: u64,
) -> Result<Missed> {
    // What comes while this is read is told to the caller's subscription, so that the first number is the safe one.
    let last = last(db, course.id).await?;
    if last <= after {
        return Ok(Missed {
            frames: Vec::new(),
            last,
            is_whole: true,
        });
    }
    let rows = chat_line::Entity::find()
        .filter(chat_line::Column::CourseId.eq(course.id))
        .filter(chat_line::Column::Changed.gt(after))
        .filter(chat_line::Column::Id.lte(last))
        .find_also_related(user::Entity)
        .order_by_desc(chat_line::Column::Changed)
        .limit(most + 1)
        .all(db)
        .await?;
    let is_whole = u64::try_from(rows.len()).is_ok_and(|count| count <= most);
    let mut frames = Vec::with_capacity(rows.len());
    for (line, author) in &rows {
        if line.id > after && line.deleted_at.is_none() {
            frames.push(Frame::of_line(line, &speaker(author.as_ref(), course)));
        } else if line.id <= after {
            frames.push(Frame::of_change(line));
        }
    }
    frames.sort_by_key(|frame| frame.number);
    Ok(Missed {
        frames,
        last,
        is_whole,
    })
}

/// A page of lines, oldest first, that are older than `before`, and whether there are still older ones.
pub async fn page(
    db: &impl ConnectionTrait,
    course_id: i64,
    before: Option<i64>,
    most: u64,
) -> Result<(Vec<(chat_line::Model, Option<user::Model>)>, bool)> {
    let mut find = chat_line::Entity::find()
        .filter(chat_line::Column::CourseId.eq(course_id))
        .filter(chat_line::Column::DeletedAt.is_null());
    if let Some(before) = before {
        find = find.filter(chat_line::Column::Id.lt(before));
    }
    let mut rows = find
        .find_also_related(user::Entity)
        .order_by_desc(chat_line::Column::Id)
        .limit(most + 1)
        .all(db)
        .await?;
    let has_more = u64::try_from(rows.len()).is_ok_and(|count| count > most);
    rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    rows.reverse();
    Ok((rows, has_more))
}

/// Who said it, as others see her.
pub fn speaker(author: Option<&user::Model>, course: &course::Model) -> Speaker {
    match author {
        Some(author) => Speaker::new(
            author.id,
            &author.username,
            &author.name,
            course.owner_id == author.id,
        ),
        None => Speaker {
            id: None,
            username: "gone".into(),
            name: "Somebody who has left".into(),
            initials: "?".into(),
            is_teacher: false,
        },
    }
}
