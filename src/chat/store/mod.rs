//! Rooms and lines in the database.
//!
//! Here is what is said and changed, and what was missed; its pages (`pages`), its pictures (`pictures`), the search
//! (`search`), what was read (`reads`), and what moderators did (`acts`) stand in files of their own.

pub mod acts;
pub mod pages;
pub mod pictures;
pub mod reads;
pub mod search;

use super::frames::{Frame, Quote, Speaker};
use super::writer::NewLine;
use crate::db::Write;
use crate::entities::{chat_line, chat_room, course, enrollment, user};
use crate::error::{Error, Result};
use crate::web::tags::Tag;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait,
    EntityTrait as _, IntoActiveModel as _, JoinType, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, RelationTrait as _,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A line and its sender's account, if that is still there.
pub type Row = (chat_line::Model, Option<user::Model>);

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
        ..Default::default()
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

/// Says what happened last in a room that is held, and which line is its newest when that is another one now.
pub async fn set_last(
    write: &Write,
    room: chat_room::Model,
    last: i64,
    newest: Option<(i64, Option<DateTime<Utc>>)>,
) -> Result<()> {
    let course_id = room.course_id;
    let mut room = room.into_active_model();
    room.last = Set(last);
    if let Some((line_id, said_at)) = newest {
        room.last_line = Set(line_id);
        room.said_at = Set(said_at);
        write.changes(Tag::room(course_id));
    }
    room.update(&**write).await?;
    Ok(())
}

/// The newest line that is not deleted, and when it was said.
pub async fn newest(write: &Write, course_id: i64) -> Result<(i64, Option<DateTime<Utc>>)> {
    let found: Option<(i64, DateTime<Utc>)> = chat_line::Entity::find()
        .select_only()
        .column(chat_line::Column::Id)
        .column(chat_line::Column::CreatedAt)
        .filter(chat_line::Column::CourseId.eq(course_id))
        .filter(chat_line::Column::DeletedAt.is_null())
        .order_by_desc(chat_line::Column::Id)
        .into_tuple()
        .one(&**write)
        .await?;
    Ok(found.map_or((0, None), |(id, at)| (id, Some(at))))
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
            // With the room in each, each is found by the index; beside them, SQLite would look at the whole room.
            let this = Condition::all()
                .add(chat_line::Column::CourseId.eq(course_id))
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
        .filter(sent_before)
        .into_tuple()
        .all(&**write)
        .await?;
    let rows = rows.into_iter();
    let known = rows.filter_map(|(user, client, id)| Some(((user?, client?), id)));
    Ok(known.collect())
}

/// Of these courses and people, those that study them now: not drafts, which are their owner's alone.
pub async fn studying(
    write: &Write,
    speakers: &BTreeSet<(i64, i64)>,
) -> Result<BTreeSet<(i64, i64)>> {
    let mut rooms: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (course_id, user_id) in speakers {
        rooms.entry(*course_id).or_default().push(*user_id);
    }
    if rooms.is_empty() {
        return Ok(BTreeSet::new());
    }
    let of_rooms = rooms.into_iter().map(|(course_id, user_ids)| {
        Condition::all()
            .add(enrollment::Column::CourseId.eq(course_id))
            .add(enrollment::Column::UserId.is_in(user_ids))
    });
    let found: Vec<(i64, i64)> = enrollment::Entity::find()
        .select_only()
        .column(enrollment::Column::CourseId)
        .column(enrollment::Column::UserId)
        .join(JoinType::InnerJoin, enrollment::Relation::Course.def())
        .filter(of_rooms.fold(Condition::any(), Condition::add))
        .filter(course::Column::IsDraft.eq(false))
        .into_tuple()
        .all(&**write)
        .await?;
    Ok(found.into_iter().collect())
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

/// Lets a line read otherwise, or takes its words away. `text`: how it reads, and the user names that it mentions.
pub async fn change(
    write: &Write,
    line: chat_line::Model,
    number: i64,
    text: Option<(String, Option<String>)>,
    now: DateTime<Utc>,
) -> Result<chat_line::Model> {
    let mut row = line.into_active_model();
    row.changed = Set(number);
    if let Some((text, mentions)) = text {
        row.text = Set(text);
        row.mentions = Set(mentions);
        row.edited_at = Set(Some(now));
    } else {
        row.text = Set(String::new());
        row.mentions = Set(None);
        row.deleted_at = Set(Some(now));
    }
    Ok(row.update(&**write).await?)
}

/// What lines are shown as that are answered by others, by number; of those that are not there nothing.
pub async fn quotes(
    db: &impl ConnectionTrait,
    course: &course::Model,
    ids: impl IntoIterator<Item = i64>,
) -> Result<HashMap<i64, Quote>> {
    let ids: BTreeSet<i64> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = chat_line::Entity::find()
        .filter(chat_line::Column::CourseId.eq(course.id))
        .filter(chat_line::Column::Id.is_in(ids))
        .find_also_related(user::Entity)
        .all(db)
        .await?;
    let quotes = rows.into_iter().map(|(line, author)| {
        let speaker = speaker(author.as_ref(), course);
        (line.id, Quote::of(&line, &speaker))
    });
    Ok(quotes.collect())
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
    let (new, old): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|(line, _)| line.id > after);
    let new = new
        .into_iter()
        .filter(|(line, _)| line.deleted_at.is_none());
    let spoken = pages::spoken(db, course, new.collect()).await?;
    let mut frames: Vec<Frame> = spoken.iter().map(pages::Spoken::frame).collect();
    frames.extend(old.iter().map(|(line, _)| Frame::of_change(line)));
    frames.sort_by_key(|frame| frame.number);
    Ok(Missed {
        frames,
        last,
        is_whole,
    })
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
