//! Finding lines of a room by their words: FTS5 on SQLite, tsvector on PostgreSQL.

use super::pages::{Page, spoken};
use crate::entities::{chat_line, course, user};
use crate::error::Result;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _, FromQueryResult,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Statement,
};

/// More words than this say no more.
const MOST_WORDS: usize = 10;

/// Longest word that is looked for, in characters.
const LONGEST_WORD: usize = 64;

/// A place of the SQLite index holds the number of a line below that of its room (see the migration).
const ROOM_SHIFT: u32 = 32;

#[derive(FromQueryResult)]
struct Place {
    place: i64,
}

/// The words of a search: letters and digits, whatever else was typed between them.
fn words_of(query: &str) -> Vec<String> {
    let words = query.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .take(MOST_WORDS)
        .map(|word| word.chars().take(LONGEST_WORD).collect())
        .collect()
}

/// The newest lines that hold all these words or words that begin so, oldest first, up to `most`; those before a line
/// when one is named. What holds no word finds nothing.
pub async fn search(
    db: &impl ConnectionTrait,
    course: &course::Model,
    query: &str,
    before: Option<i64>,
    most: u64,
) -> Result<Page> {
    let words = words_of(query);
    let mut page = Page {
        lines: Vec::new(),
        has_older: false,
        has_newer: before.is_some(),
    };
    if words.is_empty() {
        return Ok(page);
    }
    let found = match db.get_database_backend() {
        DbBackend::Sqlite => in_sqlite(db, course.id, &words, before, most + 1).await?,
        _ => in_postgres(db, course.id, &words, before, most + 1).await?,
    };
    page.has_older = u64::try_from(found.len()).is_ok_and(|count| count > most);
    let shown = usize::try_from(most).unwrap_or(usize::MAX);
    let rows = chat_line::Entity::find()
        .filter(chat_line::Column::CourseId.eq(course.id))
        .filter(chat_line::Column::Id.is_in(found.into_iter().take(shown)))
        .filter(chat_line::Column::DeletedAt.is_null())
        .find_also_related(user::Entity)
        .order_by_asc(chat_line::Column::Id)
        .all(db)
        .await?;
    page.lines = spoken(db, course, rows).await?;
    Ok(page)
}

/// A room is one range of the index, which is walked from its end.
async fn in_sqlite(
    db: &impl ConnectionTrait,
    course_id: i64,
    words: &[String],
    before: Option<i64>,
    most: u64,
) -> Result<Vec<i64>> {
    let first = course_id << ROOM_SHIFT;
    let end = (course_id + 1) << ROOM_SHIFT;
    let before = before.map_or(end, |id| first.saturating_add(id.max(0)).min(end));
    // Each word as a quoted prefix (FTS5 documentation, sections 3.2 and 3.3): all of them must be there.
    let terms: Vec<String> = words.iter().map(|word| format!("\"{word}\"*")).collect();
    let sql = format!(
        "SELECT rowid AS place FROM chat_search WHERE chat_search MATCH $1 AND rowid > $2 AND rowid < $3 \
         ORDER BY rowid DESC LIMIT {most}"
    );
    let values = [terms.join(" ").into(), first.into(), before.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
    let places = Place::find_by_statement(statement).all(db).await?;
    Ok(places.into_iter().map(|row| row.place - first).collect())
}

async fn in_postgres(
    db: &impl ConnectionTrait,
    course_id: i64,
    words: &[String],
    before: Option<i64>,
    most: u64,
) -> Result<Vec<i64>> {
    // Each word as a quoted prefix (PostgreSQL manual, section 8.11.2): all of them must be there.
    let terms: Vec<String> = words.iter().map(|word| format!("'{word}':*")).collect();
    let ids: Vec<i64> = chat_line::Entity::find()
        .select_only()
        .column(chat_line::Column::Id)
        .filter(chat_line::Column::CourseId.eq(course_id))
        .filter(Expr::cust_with_values(
            "\"chat_lines\".\"search\" @@ to_tsquery('simple', $1)",
            [terms.join(" & ")],
        ))
        .filter(chat_line::Column::Id.lt(before.unwrap_or(i64::MAX)))
        .order_by_desc(chat_line::Column::Id)
        .limit(most)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::words_of;

    #[test]
    fn words_are_letters_and_digits_alone() {
        assert_eq!(words_of("100 %_ fn main()"), ["100", "fn", "main"]);
        assert_eq!(words_of("\" OR NEAR(a) ') --"), ["OR", "NEAR", "a"]);
        assert!(words_of("%_\"'\\").is_empty());
    }
}
