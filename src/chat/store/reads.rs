//! How far everybody has read, and what she has not.

use crate::db::Write;
use crate::entities::{chat_limit, chat_line, chat_mention, chat_read, chat_room};
use crate::error::Result;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait as _, OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult,
    QueryFilter as _, QuerySelect as _, QueryTrait as _, Statement, Value,
};
use std::collections::HashMap;

/// Unread lines are counted up to here.
pub const MOST_COUNTED: u64 = 1_000;

/// Rows in one statement.
const AT_ONCE: usize = 500;

/// Somebody has read a room up to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_field_names,
    reason = "they are called as their columns"
)]
pub struct Position {
    /// Who.
    pub user_id: i64,
    /// The room of which course.
    pub course_id: i64,
    /// Up to which line.
    pub line_id: i64,
}

/// A room as one person finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Only moderators write.
    pub is_locked: bool,
    /// Seconds between two lines of the same person; 0: none.
    pub slow_seconds: i64,
    /// Until when she may not write.
    pub muted_until: Option<DateTime<Utc>>,
    /// Number of the last line that she has read.
    pub read: i64,
    /// Lines after that one, up to `MOST_COUNTED`.
    pub unread: u64,
}

/// A room as somebody finds it.
pub async fn view(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    course_id: i64,
    user_id: i64,
) -> Result<View> {
    let room = chat_room::Entity::find_by_id(course_id).one(db).await?;
    let limit = chat_limit::Entity::find_by_id((course_id, user_id));
    let muted_until = limit.one(db).await?.and_then(|limit| limit.muted_until);
    let read = read(db, course_id, user_id).await?;
    let is_behind = room.as_ref().is_some_and(|room| room.last_line > read);
    Ok(View {
        is_locked: room.as_ref().is_some_and(|room| room.is_locked),
        slow_seconds: room.as_ref().map_or(0, |room| room.slow_seconds),
        muted_until: muted_until.filter(|until| *until > now),
        read,
        unread: if is_behind {
            count_unread(db, course_id, read).await?
        } else {
            0
        },
    })
}

/// The last line of a room that somebody has read; 0 when she was never there.
pub async fn read(db: &impl ConnectionTrait, course_id: i64, user_id: i64) -> Result<i64> {
    let found = chat_read::Entity::find_by_id((user_id, course_id));
    Ok(found.one(db).await?.map_or(0, |row| row.line_id))
}

/// Lines after one, up to [`MOST_COUNTED`]: however long the room is, no more are looked at.
pub async fn count_unread(db: &impl ConnectionTrait, course_id: i64, read: i64) -> Result<u64> {
    let lines = chat_line::Entity::find()
        .select_only()
        .column(chat_line::Column::Id)
        .filter(chat_line::Column::CourseId.eq(course_id))
        .filter(chat_line::Column::Id.gt(read))
        .filter(chat_line::Column::DeletedAt.is_null())
        .limit(MOST_COUNTED)
        .into_query();
    let count = Query::select()
        .expr_as(Expr::col(Asterisk).count(), "number")
        .from_subquery(lines, "lines")
        .to_owned();
    let found = db.query_one(&count).await?;
    let number: i64 = match found {
        Some(row) => row.try_get("", "number")?,
        None => 0,
    };
    Ok(u64::try_from(number).unwrap_or(0))
}

/// Notes how far people have read, where that is further than before; what they are mentioned in up to there is no
/// news to them any more.
pub async fn set(write: &Write, positions: &[Position]) -> Result<()> {
    for some in positions.chunks(AT_ONCE) {
        let rows = some.iter().map(|position| chat_read::ActiveModel {
            user_id: Set(position.user_id),
            course_id: Set(position.course_id),
            line_id: Set(position.line_id),
        });
        let new = Expr::col(("excluded", chat_read::Column::LineId));
        let further = OnConflict::columns([chat_read::Column::UserId, chat_read::Column::CourseId])
            .update_column(chat_read::Column::LineId)
            .action_and_where(new.gt(Expr::col((chat_read::Entity, chat_read::Column::LineId))))
            .to_owned();
        chat_read::Entity::insert_many(rows)
            .on_conflict(further)
            .exec_without_returning(&**write)
            .await?;
        forget_mentions(write, some).await?;
    }
    Ok(())
}

async fn forget_mentions(write: &Write, positions: &[Position]) -> Result<()> {
    let mention = |column| Expr::col((chat_mention::Entity, column));
    let read_up_to = Query::select()
        .column(chat_read::Column::LineId)
        .from(chat_read::Entity)
        .and_where(
            Expr::col((chat_read::Entity, chat_read::Column::UserId))
                .eq(mention(chat_mention::Column::UserId)),
        )
        .and_where(
            Expr::col((chat_read::Entity, chat_read::Column::CourseId))
                .eq(mention(chat_mention::Column::CourseId)),
        )
        .to_owned();
    let ids = positions.iter().map(|position| position.user_id);
    chat_mention::Entity::delete_many()
        .filter(chat_mention::Column::UserId.is_in(ids))
        .filter(mention(chat_mention::Column::LineId).lte(Expr::from(read_up_to)))
        .exec(&**write)
        .await?;
    Ok(())
}

/// What the rooms of one person hold that she has not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The rooms of the courses that she studies or teaches, and whether something in them is unread.
    pub rooms: HashMap<i64, bool>,
    /// Unread lines there that mention her.
    pub mentions: u64,
}

impl Tally {
    /// Rooms with something unread.
    pub fn unread(&self) -> usize {
        self.rooms.values().filter(|is_unread| **is_unread).count()
    }
}

#[derive(FromQueryResult)]
struct RoomRow {
    user_id: i64,
    course_id: i64,
    is_unread: bool,
}

#[derive(FromQueryResult)]
struct MentionRow {
    user_id: i64,
    course_id: i64,
    number: i64,
}

/// The tallies of these people, in two queries for 500 of them: each room costs a look at its row and at her position,
/// whatever was said there. To a student who was never there only what was said since she enrolled is unread.
pub async fn tallies(db: &impl ConnectionTrait, user_ids: &[i64]) -> Result<HashMap<i64, Tally>> {
    let mut tallies: HashMap<i64, Tally> = HashMap::new();
    for ids in user_ids.chunks(AT_ONCE) {
        for row in rooms_of(db, ids).await? {
            let rooms = &mut tallies.entry(row.user_id).or_default().rooms;
            *rooms.entry(row.course_id).or_default() |= row.is_unread;
        }
        for row in mentions_of(db, ids).await? {
            let Some(tally) = tallies.get_mut(&row.user_id) else {
                continue;
            };
            if tally.rooms.contains_key(&row.course_id) {
                tally.mentions += u64::try_from(row.number).unwrap_or(0);
            }
        }
    }
    Ok(tallies)
}

/// `$1, $2, ...` for these numbers, from `first` on.
fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count)
        .map(|place| format!("${place}"))
        .collect();
    places.join(", ")
}

async fn rooms_of(db: &impl ConnectionTrait, ids: &[i64]) -> Result<Vec<RoomRow>> {
    let students = places(1, ids.len());
    let teachers = places(1 + ids.len(), ids.len());
    let sql = format!(
        "SELECT e.user_id AS user_id, e.course_id AS course_id, \
             COALESCE(r.last_line > COALESCE(d.line_id, 0) \
                 AND (d.line_id IS NOT NULL OR r.said_at >= e.created_at), FALSE) AS is_unread \
         FROM enrollments e JOIN courses c ON c.id = e.course_id \
         LEFT JOIN chat_rooms r ON r.course_id = e.course_id \
         LEFT JOIN chat_reads d ON d.user_id = e.user_id AND d.course_id = e.course_id \
         WHERE c.is_draft = FALSE AND e.user_id IN ({students}) \
         UNION ALL \
         SELECT c.owner_id, c.id, COALESCE(r.last_line > COALESCE(d.line_id, 0), FALSE) \
         FROM courses c \
         LEFT JOIN chat_rooms r ON r.course_id = c.id \
         LEFT JOIN chat_reads d ON d.user_id = c.owner_id AND d.course_id = c.id \
         WHERE c.owner_id IN ({teachers})"
    );
    let values: Vec<Value> = ids.iter().chain(ids).map(|id| (*id).into()).collect();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    Ok(RoomRow::find_by_statement(statement).all(db).await?)
}

async fn mentions_of(db: &impl ConnectionTrait, ids: &[i64]) -> Result<Vec<MentionRow>> {
    let sql = format!(
        "SELECT m.user_id AS user_id, m.course_id AS course_id, COUNT(*) AS number \
         FROM chat_mentions m \
         LEFT JOIN chat_reads d ON d.user_id = m.user_id AND d.course_id = m.course_id \
         WHERE m.user_id IN ({}) AND m.line_id > COALESCE(d.line_id, 0) \
         GROUP BY m.user_id, m.course_id",
        places(1, ids.len())
    );
    let values: Vec<Value> = ids.iter().map(|id| (*id).into()).collect();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    Ok(MentionRow::find_by_statement(statement).all(db).await?)
}
