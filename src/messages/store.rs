//! The queries of messages.

use super::{MessageEvent, NewMessage};
use crate::db::Write;
use crate::entities::{message, user};
use crate::error::Result;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
    QuerySelect, TryInsertResult,
};

/// Inserts a message; `None` when there is no such person, or the same was sent to her before.
pub async fn insert(
    write: &Write,
    new: NewMessage,
    now: DateTime<Utc>,
) -> Result<Option<message::Model>> {
    if !lock(write, new.recipient_id).await? {
        return Ok(None);
    }
    let row = message::ActiveModel {
        recipient_id: Set(new.recipient_id),
        text: Set(new.text),
        level: Set(new.level),
        link: Set(new.link),
        is_read: Set(false),
        dedupe_key: Set(new.dedupe_key),
        created_at: Set(now),
        ..Default::default()
    };
    let once = OnConflict::columns([message::Column::RecipientId, message::Column::DedupeKey])
        .do_nothing()
        .to_owned();
    let inserted = message::Entity::insert(row)
        .on_conflict(once)
        .try_insert()
        .exec_with_returning(&**write)
        .await?;
    Ok(match inserted {
        TryInsertResult::Inserted(row) => Some(row),
        TryInsertResult::Empty | TryInsertResult::Conflicted => None,
    })
}

/// Makes changes to one person's messages wait for each other until the end of the transaction,
/// so that their numbers grow in the order of commits and counts are exact. Without it a reader
/// who has seen number 6 could miss a 5 that is committed later. `false` when there is no such
/// person. (On SQLite the transaction has the one writer anyway.)
pub async fn lock(write: &Write, user_id: i64) -> Result<bool> {
    let found: Option<i64> = user::Entity::find_by_id(user_id)
        .select_only()
        .column(user::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .one(&**write)
        .await?;
    Ok(found.is_some())
}

/// How many unread messages a person has.
pub async fn count_unread(db: &impl ConnectionTrait, user_id: i64) -> Result<u64> {
    let count = message::Entity::find()
        .filter(message::Column::RecipientId.eq(user_id))
        .filter(message::Column::IsRead.eq(false))
        .count(db)
        .await?;
    Ok(count)
}

/// What the recipient's pages are told of a message.
pub fn event_of(row: message::Model, unread: u64) -> MessageEvent {
    MessageEvent::Message {
        id: row.id,
        text: row.text,
        level: row.level,
        link: row.link,
        unread,
    }
}
