//! Full-text search over courses: FTS5 on SQLite, tsvector on PostgreSQL.
//!
//! Both engines keep their index up to date by themselves (triggers, a generated column),
//! so that no writer can forget to.

use sea_orm_migration::{prelude::*, sea_orm::DatabaseBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// An external-content table: it stores the index alone and reads the words from `courses`.
/// The triggers are those that the FTS5 documentation gives for such tables (section 4.4.3).
const SQLITE: &str = "
CREATE VIRTUAL TABLE courses_search USING fts5(
    title, overview, content='courses', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2');
CREATE TRIGGER courses_search_insert AFTER INSERT ON courses BEGIN
    INSERT INTO courses_search(rowid, title, overview) VALUES (new.id, new.title, new.overview);
END;
CREATE TRIGGER courses_search_delete AFTER DELETE ON courses BEGIN
    INSERT INTO courses_search(courses_search, rowid, title, overview)
    VALUES ('delete', old.id, old.title, old.overview);
END;
CREATE TRIGGER courses_search_update AFTER UPDATE OF title, overview ON courses BEGIN
    INSERT INTO courses_search(courses_search, rowid, title, overview)
    VALUES ('delete', old.id, old.title, old.overview);
    INSERT INTO courses_search(rowid, title, overview) VALUES (new.id, new.title, new.overview);
END;
INSERT INTO courses_search(courses_search) VALUES ('rebuild');
";

const POSTGRES: &str = "
ALTER TABLE courses ADD COLUMN search tsvector GENERATED ALWAYS AS (
    setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', overview), 'B')) STORED;
CREATE INDEX courses_search ON courses USING gin (search);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let sql = match m.get_database_backend() {
            DatabaseBackend::Sqlite => SQLITE,
            _ => POSTGRES,
        };
        m.get_connection().execute_unprepared(sql).await.map(|_| ())
    }
}
