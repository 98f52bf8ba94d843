//! Which courses the catalogue lists, in which order: browsing by index, searching by the engine's own
//! full-text index.
//!
//! A page's ids are found first, from an index alone; only then are its two dozen rows read. That keeps the
//! last page of 20,000 courses as quick as the first.

use crate::entities::course;
use crate::error::Result;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, FromQueryResult, Statement, Value,
};

/// More words than this are not looked for.
const MOST_WORDS: usize = 16;
/// A word is looked for by so many of its first characters.
const LONGEST_WORD: usize = 64;

/// The orders of the catalogue; ties are broken by id, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Newest first.
    Newest,
    /// By title.
    Title,
    /// Best match first; a word in the title counts for more than one in the overview.
    Relevance,
}

/// Which courses are asked for. Drafts never are.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Words that a course must have, or `None` for all courses. A search without any word finds nothing.
    pub words: Option<Vec<String>>,
    /// Only of this subject.
    pub subject_id: Option<i64>,
    /// In which order.
    pub sort: Sort,
}

#[derive(FromQueryResult)]
struct Id {
    id: i64,
}

#[derive(FromQueryResult)]
struct Number {
    number: i64,
}

impl Sort {
    /// By its name in the address. Relevance is the order of a search that names none, and only of a search.
    pub fn named(name: &str, is_search: bool) -> Self {
        match name {
            "title" => Self::Title,
            "newest" => Self::Newest,
            _ if is_search => Self::Relevance,
            _ => Self::Newest,
        }
    }

    /// Its name in the address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Title => "title",
            Self::Relevance => "relevance",
        }
    }
}

/// The words of a search: letters and digits, whatever else was typed between them.
pub fn words_of(query: &str) -> Vec<String> {
    query
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(MOST_WORDS)
        .map(|word| word.chars().take(LONGEST_WORD).collect())
        .collect()
}

/// How many courses there are.
pub async fn count(db: &impl ConnectionTrait, wanted: &Wanted) -> Result<u64> {
    if wanted.finds_nothing() {
        return Ok(0);
    }
    let (source, values) = wanted.source(db.get_database_backend());
    let sql = format!("SELECT COUNT(*) AS number {source}");
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let found = Number::find_by_statement(statement).one(db).await?;
    Ok(found.map_or(0, |row| u64::try_from(row.number).unwrap_or(0)))
}

/// The ids of one page of them.
pub async fn list_ids(
    db: &impl ConnectionTrait,
    wanted: &Wanted,
    limit: u64,
    offset: u64,
) -> Result<Vec<i64>> {
    if wanted.finds_nothing() {
        return Ok(Vec::new());
    }
    let backend = db.get_database_backend();
    let (source, values) = wanted.source(backend);
    let order = wanted.order(backend);
    let sql = format!(
        "SELECT c.id AS id {source} ORDER BY {order}, c.id DESC LIMIT {limit} OFFSET {offset}"
    );
    let statement = Statement::from_sql_and_values(backend, sql, values);
    let rows = Id::find_by_statement(statement).all(db).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

impl Wanted {
    fn finds_nothing(&self) -> bool {
        self.words.as_ref().is_some_and(Vec::is_empty)
    }

    /// `FROM ... WHERE ...` with its values. What was typed only ever travels as a value.
    fn source(&self, backend: DbBackend) -> (String, Vec<Value>) {
        let mut values: Vec<Value> = Vec::new();
        let mut sql = match (&self.words, backend) {
            (None, _) => "FROM courses c WHERE c.is_draft = FALSE".to_owned(),
            (Some(words), DbBackend::Sqlite) => {
                values.push(fts5_query(words).into());
                // CROSS JOIN makes SQLite begin with the words (its optimizer overview): looked up course by course,
                // the words of a search over 20,000 courses took half a minute.
                "FROM courses_search CROSS JOIN courses c ON c.id = courses_search.rowid \
                 WHERE courses_search MATCH $1 AND c.is_draft = FALSE"
                    .to_owned()
            }
            (Some(words), _) => {
                values.push(tsquery(words).into());
                "FROM courses c, to_tsquery('english', $1) asked \
                 WHERE c.search @@ asked AND c.is_draft = FALSE"
                    .to_owned()
            }
        };
        if let Some(subject_id) = self.subject_id {
            values.push(subject_id.into());
            sql = format!("{sql} AND c.subject_id = ${}", values.len());
        }
        (sql, values)
    }

    fn order(&self, backend: DbBackend) -> &'static str {
        match (self.sort, &self.words, backend) {
            (Sort::Title, ..) => "c.title",
            (Sort::Relevance, Some(_), DbBackend::Sqlite) => "bm25(courses_search, 10.0, 1.0)",
            (Sort::Relevance, Some(_), _) => "ts_rank(c.search, asked) DESC",
            _ => "c.created_at DESC",
        }
    }
}

/// Courses that have all these words, as a condition on [`course`]; none when there is no word.
pub fn holding(backend: DbBackend, words: &[String]) -> Condition {
    if words.is_empty() {
        return Condition::all().add(course::Column::Id.is_in(Vec::<i64>::new()));
    }
    let matching = match backend {
        DbBackend::Sqlite => Expr::cust_with_values(
            "\"courses\".\"id\" IN (SELECT rowid FROM courses_search WHERE courses_search MATCH ?)",
            [fts5_query(words)],
        ),
        _ => Expr::cust_with_values(
            "\"courses\".\"search\" @@ to_tsquery('english', $1)",
            [tsquery(words)],
        ),
    };
    Condition::all().add(matching)
}

/// Each word as a quoted prefix (FTS5 documentation, section 3.2 and 3.3): all of them must be there.
fn fts5_query(words: &[String]) -> String {
    let terms: Vec<String> = words.iter().map(|word| format!("\"{word}\"*")).collect();
    terms.join(" ")
}

/// Each word as a quoted prefix (PostgreSQL manual, section 8.11.2): all of them must be there.
fn tsquery(words: &[String]) -> String {
    let terms: Vec<String> = words.iter().map(|word| format!("'{word}':*")).collect();
    terms.join(" & ")
}

#[cfg(test)]
mod tests {
    use super::{fts5_query, tsquery, words_of};
    use proptest::prelude::*;

    #[test]
    fn words_are_letters_and_digits_alone() {
        assert_eq!(
            words_of("  Bow, \"weight\" AND* air! "),
            ["Bow", "weight", "AND", "air"]
        );
        assert_eq!(words_of("-- ' ) OR 1=1"), ["OR", "1", "1"]);
        assert!(words_of("?!* ").is_empty());
    }

    proptest! {
        #[test]
        fn a_query_holds_only_quoted_words(typed in "\\PC{0,200}") {
            let words = words_of(&typed);
            prop_assert!(words.len() <= super::MOST_WORDS);
            let query = fts5_query(&words);
            prop_assert_eq!(query.matches('"').count(), words.len() * 2);
            prop_assert_eq!(tsquery(&words).matches('\'').count(), words.len() * 2);
        }
    }
}
