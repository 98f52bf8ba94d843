//! The queries of messages.

use super::{MessageEvent, NewMessage};
use crate::db::Write;
use crate::entities::{message, user};
use crate::error::Result;
use crate::web::paging::Paging;
use crate::web::tags::Tag;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, LockType, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, TryInsertResult,
};

/// So many numbers of unread messages are told at once.
const IDS: u64 = 200;

/// Most messages that a page gets which was away; the others are on the list of all.
const MISSED: u64 = 100;

/// Messages on a page of the list.
const PAGE: u64 = 25;

/// Inserts a message and answers its number; `None` when there is no such person, or the same was
/// sent to her before.
pub async fn insert(write: &Write, new: &NewMessage, now: DateTime<Utc>) -> Result<Option<i64>> {
    if !lock(write, new.recipient_id).await? {
        return Ok(None);
    }
    let row = message::ActiveModel {
        recipient_id: Set(new.recipient_id),
        text: Set(new.text.clone()),
        level: Set(new.level),
        link: Set(new.link.clone()),
        is_read: Set(false),
        dedupe_key: Set(new.dedupe_key.clone()),
        created_at: Set(now),
        ..Default::default()
    };
    let once = OnConflict::columns([message::Column::RecipientId, message::Column::DedupeKey])
        .do_nothing()
        .to_owned();
    let inserted = message::Entity::insert(row)
        .on_conflict(once)
        .try_insert()
        .exec(&**write)
        .await?;
    write.changes(Tag::messages(new.recipient_id));
    Ok(match inserted {
        TryInsertResult::Inserted(row) => Some(row.last_insert_id),
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
        .filter(unread_of(user_id))
        .count(db)
        .await?;
    Ok(count)
}

/// Marks one read; `false` when there is no such unread message of hers.
pub async fn mark_read(write: &Write, user_id: i64, id: i64) -> Result<bool> {
    let these = unread_of(user_id).add(message::Column::Id.eq(id));
    mark(write, user_id, these).await
}

/// Marks all up to a number read; whether there were any.
pub async fn mark_all_read(write: &Write, user_id: i64, up_to: i64) -> Result<bool> {
    let these = unread_of(user_id).add(message::Column::Id.lte(up_to));
    mark(write, user_id, these).await
}

/// Marks read what is older than the message `than` and about something whose key begins so; whether there was any.
pub async fn mark_outdated(write: &Write, user_id: i64, keys: &str, than: i64) -> Result<bool> {
    let these = unread_of(user_id)
        .add(message::Column::DedupeKey.starts_with(keys))
        .add(message::Column::Id.lt(than));
    mark(write, user_id, these).await
}

/// Marks these of hers read; whether there were any.
async fn mark(write: &Write, user_id: i64, these: Condition) -> Result<bool> {
    let marked = message::Entity::update_many()
        .col_expr(message::Column::IsRead, Expr::value(true))
        .filter(these)
        .exec(&**write)
        .await?;
    if marked.rows_affected > 0 {
        write.changes(Tag::messages(user_id));
    }
    Ok(marked.rows_affected > 0)
}

/// Whether there is such a message of hers.
pub async fn exists(write: &Write, user_id: i64, id: i64) -> Result<bool> {
    let found = message::Entity::find_by_id(id)
        .filter(message::Column::RecipientId.eq(user_id))
        .count(&**write)
        .await?;
    Ok(found > 0)
}

/// One page of all messages of a person, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    user_id: i64,
    page: Option<u64>,
) -> Result<(Paging, Vec<message::Model>)> {
    let hers = message::Entity::find().filter(message::Column::RecipientId.eq(user_id));
    let total = hers.clone().count(db).await?;
    let paging = Paging::new(page, PAGE, total);
    let rows = hers
        .order_by_desc(message::Column::Id)
        .offset(paging.offset())
        .limit(paging.size)
        .all(db)
        .await?;
    Ok((paging, rows))
}

/// Which messages are unread: a [`MessageEvent::Unread`].
pub async fn load_unread(db: &impl ConnectionTrait, user_id: i64) -> Result<MessageEvent> {
    // First, so that one that comes between the queries is not taken for a read one.
    let to = newest_id(db, user_id).await?;
    let ids: Vec<i64> = message::Entity::find()
        .select_only()
        .column(message::Column::Id)
        .filter(unread_of(user_id))
        .order_by_desc(message::Column::Id)
        .limit(IDS)
        .into_tuple()
        .all(db)
        .await?;
    let told = ids.len() as u64;
    let is_whole = told < IDS;
    let unread = if is_whole {
        told
    } else {
        count_unread(db, user_id).await?
    };
    let from = ids.last().copied().filter(|_| !is_whole).unwrap_or(0);
    Ok(MessageEvent::Unread {
        unread,
        ids,
        from,
        to,
    })
}

/// The number of a person's newest message, read or not; 0 when she has none.
pub async fn newest_id(db: &impl ConnectionTrait, user_id: i64) -> Result<i64> {
    let newest: Option<i64> = message::Entity::find()
        .select_only()
        .column(message::Column::Id)
        .filter(message::Column::RecipientId.eq(user_id))
        .order_by_desc(message::Column::Id)
        .into_tuple()
        .one(db)
        .await?;
    Ok(newest.unwrap_or(0))
}

/// The unread messages of a person with a number above `after`, oldest first, at most the 100
/// newest of them.
pub async fn list_missed(
    db: &impl ConnectionTrait,
    user_id: i64,
    after: i64,
) -> Result<Vec<message::Model>> {
    let mut rows = message::Entity::find()
        .filter(unread_of(user_id))
        .filter(message::Column::Id.gt(after))
        .order_by_desc(message::Column::Id)
        .limit(MISSED)
        .all(db)
        .await?;
    rows.reverse();
    Ok(rows)
}

fn unread_of(user_id: i64) -> Condition {
    Condition::all()
        .add(message::Column::RecipientId.eq(user_id))
        .add(message::Column::IsRead.eq(false))
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
