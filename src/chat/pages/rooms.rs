//! Her rooms: of the courses that she studies or teaches, with what was said last and how much of it is new.

use super::drawn::{first_name, flat};
use crate::app::App;
use crate::chat::frames::words_of;
use crate::chat::store::{self, reads};
use crate::entities::{chat_line, chat_room, course, subject, user};
use crate::error::Result;
use crate::web::cover::cover_svg;
use crate::web::identity::Person;
use crate::web::text;
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, FromQueryResult, JoinType,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Statement, Value,
};
use std::cmp::Reverse;
use std::collections::HashMap;

/// More new lines than this are shown as "99+", and not counted.
const MOST_COUNTED: i64 = 99;

/// Of the last line so many characters are shown.
const LAST_SHOWN: usize = 60;

/// A room in the list.
pub struct RoomEntry {
    /// Its course.
    pub course_id: i64,
    /// The title of that.
    pub title: String,
    /// Its cover.
    pub cover: String,
    /// `Priya: now the sort is free`; empty where nobody has said anything.
    pub last_words: String,
    /// New lines, up to one more than are counted.
    pub unread: i64,
    /// It is the one that is open.
    pub is_here: bool,
    /// When that was said.
    pub said_at: Option<DateTime<Utc>>,
}

impl RoomEntry {
    /// At the edge of the entry.
    pub fn unread_words(&self) -> String {
        if self.unread > MOST_COUNTED {
            format!("{MOST_COUNTED}+")
        } else {
            self.unread.to_string()
        }
    }
}

/// Her rooms, the one with the newest line first; also the one that is open, where that is not hers. A constant number
/// of statements.
pub async fn list_rooms(
    app: &App,
    person: &Person,
    here: Option<&course::Model>,
) -> Result<Vec<RoomEntry>> {
    let db = app.db.read();
    let tally = reads::tallies(db, &[person.id]).await?.remove(&person.id);
    let mut unread = tally.map(|tally| tally.rooms).unwrap_or_default();
    if let Some(course) = here {
        unread.entry(course.id).or_default();
    }
    let ids: Vec<i64> = unread.keys().copied().collect();
    let new: Vec<i64> = ids
        .iter()
        .copied()
        .filter(|id| unread.get(id) == Some(&true))
        .collect();
    let counts = count_new(db, person.id, &new).await?;
    let last = last_lines(db, &ids).await?;
    let places = subject_places(db).await?;
    let courses = course::Entity::find().filter(course::Column::Id.is_in(ids));
    let mut rooms: Vec<RoomEntry> = courses
        .all(db)
        .await?
        .into_iter()
        .map(|course| {
            let said = last.get(&course.id);
            let place = places.get(&course.subject_id).copied().unwrap_or(0);
            RoomEntry {
                course_id: course.id,
                cover: cover_svg(&course.slug, place, ""),
                last_words: said.map_or_else(String::new, |said| last_words(said, &course, person)),
                // One that is unread has something new, even when that is deleted just now.
                unread: counts.get(&course.id).copied().unwrap_or(0),
                is_here: here.is_some_and(|here| here.id == course.id),
                said_at: said.map(|(line, _)| line.created_at),
                title: course.title,
            }
        })
        .collect();
    rooms.sort_by_cached_key(|room| (Reverse(room.said_at), room.title.clone()));
    Ok(rooms)
}

type Said = (chat_line::Model, Option<user::Model>);

/// `Priya: now the sort is free`.
fn last_words((line, author): &Said, course: &course::Model, person: &Person) -> String {
    let speaker = store::speaker(author.as_ref(), course);
    let name = if speaker.id == Some(person.id) {
        "You"
    } else {
        first_name(&speaker.name)
    };
    format!(
        "{name}: {}",
        text::shorten(&flat(words_of(&line.text)), LAST_SHOWN)
    )
}

/// The newest line of each of these rooms.
async fn last_lines(db: &impl ConnectionTrait, ids: &[i64]) -> Result<HashMap<i64, Said>> {
    let columns = (chat_line::Column::CourseId, chat_line::Column::Id);
    let newest = chat_line::Entity::belongs_to(chat_room::Entity)
        .from(columns)
        .to((chat_room::Column::CourseId, chat_room::Column::LastLine));
    // By a join: a condition for each of a thousand rooms is more than SQLite takes in one expression.
    let rows = chat_line::Entity::find()
        .join(JoinType::InnerJoin, newest.into())
        .filter(chat_line::Column::CourseId.is_in(ids.iter().copied()))
        .filter(chat_line::Column::DeletedAt.is_null())
        .find_also_related(user::Entity)
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(line, author)| (line.course_id, (line, author)))
        .collect())
}

/// Which of the subjects each is, in the order of their numbers: what their colors go by.
async fn subject_places(db: &impl ConnectionTrait) -> Result<HashMap<i64, usize>> {
    let ids: Vec<i64> = subject::Entity::find()
        .select_only()
        .column(subject::Column::Id)
        .order_by_asc(subject::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().zip(0..).collect())
}

#[derive(FromQueryResult)]
struct Count {
    course_id: i64,
    number: i64,
}

/// New lines in each of these rooms, counted back from the newest as far as is shown. To a student who was never there
/// only what was said since she enrolled is new.
async fn count_new(
    db: &impl ConnectionTrait,
    user_id: i64,
    ids: &[i64],
) -> Result<HashMap<i64, i64>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let places: Vec<String> = (2..ids.len() + 2).map(|at| format!("${at}")).collect();
    let sql = format!(
        "SELECT l.course_id AS course_id, COUNT(*) AS number FROM chat_rooms r \
         JOIN chat_lines l ON l.course_id = r.course_id AND l.id > r.last_line - {} \
         LEFT JOIN chat_reads d ON d.course_id = r.course_id AND d.user_id = $1 \
         LEFT JOIN enrollments e ON e.course_id = r.course_id AND e.user_id = $1 \
         WHERE r.course_id IN ({}) AND l.deleted_at IS NULL AND l.id > COALESCE(d.line_id, 0) \
             AND (d.line_id IS NOT NULL OR e.created_at IS NULL OR l.created_at > e.created_at) \
         GROUP BY l.course_id",
        MOST_COUNTED + 1,
        places.join(", ")
    );
    let values: Vec<Value> = std::iter::once(user_id)
        .chain(ids.iter().copied())
        .map(Value::from)
        .collect();
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = Count::find_by_statement(statement).all(db).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.course_id, row.number))
        .collect())
}
