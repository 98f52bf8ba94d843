//! What moderators did, and what keeps people from writing because of it.

use crate::chat::frames::Speaker;
use crate::db::Write;
use crate::entities::chat_act::{self, ChatActKind};
use crate::entities::{chat_limit, chat_room, course, user};
use crate::error::Result;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use std::collections::{BTreeSet, HashMap};

/// What holds in a room for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Only moderators write.
    pub is_locked: bool,
    /// Seconds between two lines of the same person; 0: none.
    pub slow_seconds: i64,
    /// Who may not write, and until when.
    pub muted: HashMap<i64, DateTime<Utc>>,
}

/// What holds in a room now.
pub async fn rules(db: &impl ConnectionTrait, course_id: i64, now: DateTime<Utc>) -> Result<Rules> {
    let room = chat_room::Entity::find_by_id(course_id).one(db).await?;
    let muted: Vec<(i64, Option<DateTime<Utc>>)> = chat_limit::Entity::find()
        .select_only()
        .column(chat_limit::Column::UserId)
        .column(chat_limit::Column::MutedUntil)
        .filter(chat_limit::Column::CourseId.eq(course_id))
        .filter(chat_limit::Column::MutedUntil.gt(now))
        .into_tuple()
        .all(db)
        .await?;
    Ok(Rules {
        is_locked: room.as_ref().is_some_and(|room| room.is_locked),
        slow_seconds: room.as_ref().map_or(0, |room| room.slow_seconds),
        muted: muted
            .into_iter()
            .filter_map(|(user_id, until)| Some((user_id, until?)))
            .collect(),
    })
}

/// What limits these people in a room that is held.
pub async fn limits(
    write: &Write,
    course_id: i64,
    user_ids: &BTreeSet<i64>,
) -> Result<HashMap<i64, chat_limit::Model>> {
    if user_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = chat_limit::Entity::find()
        .filter(chat_limit::Column::CourseId.eq(course_id))
        .filter(chat_limit::Column::UserId.is_in(user_ids.iter().copied()))
        .all(&**write)
        .await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row)).collect())
}

/// Notes that people said something while the room is slow.
pub async fn set_said(
    write: &Write,
    course_id: i64,
    user_ids: &BTreeSet<i64>,
    now: DateTime<Utc>,
) -> Result<()> {
    if user_ids.is_empty() {
        return Ok(());
    }
    let rows = user_ids.iter().map(|user_id| chat_limit::ActiveModel {
        course_id: Set(course_id),
        user_id: Set(*user_id),
        said_at: Set(Some(now)),
        ..Default::default()
    });
    chat_limit::Entity::insert_many(rows)
        .on_conflict(of_one_person(chat_limit::Column::SaidAt))
        .exec_without_returning(&**write)
        .await?;
    Ok(())
}

/// Mutes somebody until a time, or lets her write again.
pub async fn set_muted(
    write: &Write,
    course_id: i64,
    user_id: i64,
    until: Option<DateTime<Utc>>,
) -> Result<()> {
    let row = chat_limit::ActiveModel {
        course_id: Set(course_id),
        user_id: Set(user_id),
        muted_until: Set(until),
        ..Default::default()
    };
    chat_limit::Entity::insert(row)
        .on_conflict(of_one_person(chat_limit::Column::MutedUntil))
        .exec_without_returning(&**write)
        .await?;
    Ok(())
}

fn of_one_person(changed: chat_limit::Column) -> OnConflict {
    OnConflict::columns([chat_limit::Column::CourseId, chat_limit::Column::UserId])
        .update_column(changed)
        .to_owned()
}

/// What is to be logged of an act besides who did it, and when.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    /// To whom.
    pub user_id: Option<i64>,
    /// Which line.
    pub line_id: Option<i64>,
    /// How slow.
    pub seconds: Option<i64>,
    /// Until when.
    pub until: Option<DateTime<Utc>>,
}

/// Logs an act.
pub async fn log(
    write: &Write,
    (course_id, moderator_id): (i64, i64),
    kind: ChatActKind,
    about: About,
    now: DateTime<Utc>,
) -> Result<()> {
    let row = chat_act::ActiveModel {
        course_id: Set(course_id),
        moderator_id: Set(Some(moderator_id)),
        kind: Set(kind),
        user_id: Set(about.user_id),
        line_id: Set(about.line_id),
        seconds: Set(about.seconds),
        until: Set(about.until),
        created_at: Set(now),
        ..Default::default()
    };
    chat_act::Entity::insert(row)
        .exec_without_returning(&**write)
        .await?;
    Ok(())
}

/// An act as the log shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// What was done, and when.
    pub row: chat_act::Model,
    /// Who did it.
    pub moderator: Speaker,
    /// To whom; nobody where it concerned the room.
    pub whom: Option<Speaker>,
}

/// A page of what moderators did in a room, newest first: what was before an act when one is named. The second tells
/// whether there is more.
pub async fn list(
    db: &impl ConnectionTrait,
    course: &course::Model,
    before: Option<i64>,
    most: u64,
) -> Result<(Vec<Act>, bool)> {
    let mut rows = chat_act::Entity::find()
        .filter(chat_act::Column::CourseId.eq(course.id))
        .filter(chat_act::Column::Id.lt(before.unwrap_or(i64::MAX)))
        .order_by_desc(chat_act::Column::Id)
        .limit(most + 1)
        .all(db)
        .await?;
    let has_more = u64::try_from(rows.len()).is_ok_and(|count| count > most);
    rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let ids: BTreeSet<i64> = rows
        .iter()
        .flat_map(|row| [row.moderator_id, row.user_id])
        .flatten()
        .collect();
    let people = user::Entity::find().filter(user::Column::Id.is_in(ids));
    let people = people.all(db).await?;
    let people: HashMap<i64, user::Model> = people.into_iter().map(|row| (row.id, row)).collect();
    let speaker = |id: Option<i64>| super::speaker(id.and_then(|id| people.get(&id)), course);
    let acts = rows.into_iter().map(|row| {
        let is_about_somebody = matches!(
            row.kind,
            ChatActKind::Mute | ChatActKind::Unmute | ChatActKind::Delete
        );
        Act {
            moderator: speaker(row.moderator_id),
            whom: is_about_somebody.then(|| speaker(row.user_id)),
            row,
        }
    });
    Ok((acts.collect(), has_more))
}

/// Sets what holds in a room that is held.
pub async fn set_rules(
    write: &Write,
    room: chat_room::Model,
    is_locked: bool,
    slow_seconds: i64,
) -> Result<()> {
    use sea_orm::{ActiveModelTrait as _, IntoActiveModel as _};
    let mut row = room.into_active_model();
    row.is_locked = Set(is_locked);
    row.slow_seconds = Set(slow_seconds);
    row.update(&**write).await?;
    Ok(())
}
