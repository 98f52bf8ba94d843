//! What belongs to the life of a room: answers, mentions, what was read, what moderators did, tickets, and the search.
//!
//! The index of the search is kept by the engines themselves (triggers, a generated column), so that no writer can
//! forget to. On SQLite a line's place in it is made of the numbers of its room and its own, so that one room is one
//! range of it (FTS5 documentation, 4.4.2: contentless-delete tables).

use super::m0001_accounts::{Users, belongs_to};
use super::m0016_rooms::{ChatLines, ChatRooms};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, big_pk_auto, boolean, string_len, string_len_null, text_null,
    timestamp_with_time_zone, timestamp_with_time_zone_null,
};
use sea_orm_migration::sea_orm::DatabaseBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Added {
    LastLine,
    SaidAt,
    IsLocked,
    SlowSeconds,
    ReplyTo,
    Mentions,
}

#[derive(DeriveIden)]
enum ChatReads {
    Table,
    UserId,
    CourseId,
    LineId,
}

#[derive(DeriveIden)]
enum ChatMentions {
    Table,
    UserId,
    CourseId,
    LineId,
}

#[derive(DeriveIden)]
enum ChatLimits {
    Table,
    CourseId,
    UserId,
    MutedUntil,
    SaidAt,
}

#[derive(DeriveIden)]
enum ChatActs {
    Table,
    Id,
    CourseId,
    ModeratorId,
    Kind,
    UserId,
    LineId,
    Seconds,
    Until,
    CreatedAt,
}

#[derive(DeriveIden)]
enum ChatTickets {
    Table,
    TokenHash,
    UserId,
    CourseId,
    SessionId,
    Scopes,
    CredentialVersion,
    ExpiresAt,
}

const BACKFILL: &str = "
UPDATE chat_rooms SET
    last_line = COALESCE((SELECT MAX(id) FROM chat_lines l
        WHERE l.course_id = chat_rooms.course_id AND l.deleted_at IS NULL), 0),
    said_at = (SELECT MAX(created_at) FROM chat_lines l
        WHERE l.course_id = chat_rooms.course_id AND l.deleted_at IS NULL);
";

const SQLITE: &str = "
CREATE VIRTUAL TABLE chat_search USING fts5(
    text, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2');
CREATE TRIGGER chat_search_insert AFTER INSERT ON chat_lines BEGIN
    INSERT INTO chat_search(rowid, text) VALUES ((new.course_id << 32) | new.id, new.text);
END;
CREATE TRIGGER chat_search_delete AFTER DELETE ON chat_lines BEGIN
    DELETE FROM chat_search WHERE rowid = (old.course_id << 32) | old.id;
END;
CREATE TRIGGER chat_search_update AFTER UPDATE OF text ON chat_lines BEGIN
    DELETE FROM chat_search WHERE rowid = (old.course_id << 32) | old.id;
    INSERT INTO chat_search(rowid, text) VALUES ((new.course_id << 32) | new.id, new.text);
END;
INSERT INTO chat_search(rowid, text) SELECT (course_id << 32) | id, text FROM chat_lines;
";

const POSTGRES: &str = "
ALTER TABLE chat_lines ADD COLUMN search tsvector GENERATED ALWAYS AS (to_tsvector('simple', text)) STORED;
CREATE INDEX chat_lines_search ON chat_lines USING gin (search);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        columns(m).await?;
        m.get_connection().execute_unprepared(BACKFILL).await?;
        reading(m).await?;
        moderating(m).await?;
        tickets(m).await?;
        let search = match m.get_database_backend() {
            DatabaseBackend::Sqlite => SQLITE,
            _ => POSTGRES,
        };
        m.get_connection()
            .execute_unprepared(search)
            .await
            .map(|_| ())
    }
}

/// SQLite adds one column at a time.
async fn columns(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let of_rooms = [
        big_integer(Added::LastLine).default(0).to_owned(),
        timestamp_with_time_zone_null(Added::SaidAt),
        boolean(Added::IsLocked).default(false).to_owned(),
        big_integer(Added::SlowSeconds).default(0).to_owned(),
    ];
    for column in of_rooms {
        let mut table = Table::alter();
        m.alter_table(table.table(ChatRooms::Table).add_column(column).to_owned())
            .await?;
    }
    let of_lines = [big_integer_null(Added::ReplyTo), text_null(Added::Mentions)];
    for column in of_lines {
        let mut table = Table::alter();
        m.alter_table(table.table(ChatLines::Table).add_column(column).to_owned())
            .await?;
    }
    Ok(())
}

fn of_course(table: impl IntoIden, column: impl IntoIden) -> ForeignKeyCreateStatement {
    belongs_to(table, column, Alias::new("courses"), Alias::new("id"))
}

async fn reading(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let reads = Table::create()
        .table(ChatReads::Table)
        .col(big_integer(ChatReads::UserId))
        .col(big_integer(ChatReads::CourseId))
        .col(big_integer(ChatReads::LineId))
        .primary_key(
            Index::create()
                .col(ChatReads::UserId)
                .col(ChatReads::CourseId),
        )
        .foreign_key(&mut belongs_to(
            ChatReads::Table,
            ChatReads::UserId,
            Users::Table,
            Users::Id,
        ))
        .foreign_key(&mut of_course(ChatReads::Table, ChatReads::CourseId))
        .to_owned();
    m.create_table(reads).await?;
    let mut of_line = ForeignKey::create();
    of_line
        .from_tbl(ChatMentions::Table)
        .from_col(ChatMentions::CourseId)
        .from_col(ChatMentions::LineId)
        .to_tbl(ChatLines::Table)
        .to_col(ChatLines::CourseId)
        .to_col(ChatLines::Id)
        .on_delete(ForeignKeyAction::Cascade);
    let mentions = Table::create()
        .table(ChatMentions::Table)
        .col(big_integer(ChatMentions::UserId))
        .col(big_integer(ChatMentions::CourseId))
        .col(big_integer(ChatMentions::LineId))
        .primary_key(
            Index::create()
                .col(ChatMentions::UserId)
                .col(ChatMentions::CourseId)
                .col(ChatMentions::LineId),
        )
        .foreign_key(&mut belongs_to(
            ChatMentions::Table,
            ChatMentions::UserId,
            Users::Table,
            Users::Id,
        ))
        .foreign_key(&mut of_line)
        .to_owned();
    m.create_table(mentions).await?;
    indexes(m).await
}

async fn indexes(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    // For the deletion of a line, and of a course.
    let mut of_lines = Index::create();
    of_lines
        .name("chat_mentions_line")
        .table(ChatMentions::Table);
    of_lines
        .col(ChatMentions::CourseId)
        .col(ChatMentions::LineId);
    m.create_index(of_lines).await?;
    let mut of_course = Index::create();
    of_course.name("chat_reads_course").table(ChatReads::Table);
    of_course.col(ChatReads::CourseId);
    m.create_index(of_course).await
}

async fn moderating(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let limits = Table::create()
        .table(ChatLimits::Table)
        .col(big_integer(ChatLimits::CourseId))
        .col(big_integer(ChatLimits::UserId))
        .col(timestamp_with_time_zone_null(ChatLimits::MutedUntil))
        .col(timestamp_with_time_zone_null(ChatLimits::SaidAt))
        .primary_key(
            Index::create()
                .col(ChatLimits::CourseId)
                .col(ChatLimits::UserId),
        )
        .foreign_key(&mut of_course(ChatLimits::Table, ChatLimits::CourseId))
        .foreign_key(&mut belongs_to(
            ChatLimits::Table,
            ChatLimits::UserId,
            Users::Table,
            Users::Id,
        ))
        .to_owned();
    m.create_table(limits).await?;
    let person = |column| {
        let mut key = belongs_to(ChatActs::Table, column, Users::Table, Users::Id);
        key.on_delete(ForeignKeyAction::SetNull).to_owned()
    };
    let acts = Table::create()
        .table(ChatActs::Table)
        .col(big_pk_auto(ChatActs::Id))
        .col(big_integer(ChatActs::CourseId))
        .col(big_integer_null(ChatActs::ModeratorId))
        .col(string_len(ChatActs::Kind, 16))
        .col(big_integer_null(ChatActs::UserId))
        .col(big_integer_null(ChatActs::LineId))
        .col(big_integer_null(ChatActs::Seconds))
        .col(timestamp_with_time_zone_null(ChatActs::Until))
        .col(timestamp_with_time_zone(ChatActs::CreatedAt))
        .foreign_key(&mut of_course(ChatActs::Table, ChatActs::CourseId))
        .foreign_key(&mut person(ChatActs::ModeratorId))
        .foreign_key(&mut person(ChatActs::UserId))
        .to_owned();
    m.create_table(acts).await?;
    let mut newest = Index::create();
    newest.name("chat_acts_newest").table(ChatActs::Table);
    newest.col(ChatActs::CourseId).col(ChatActs::Id);
    m.create_index(newest).await
}

async fn tickets(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let tickets = Table::create()
        .table(ChatTickets::Table)
        .col(string_len(ChatTickets::TokenHash, 64).primary_key())
        .col(big_integer(ChatTickets::UserId))
        .col(big_integer(ChatTickets::CourseId))
        .col(big_integer_null(ChatTickets::SessionId))
        .col(string_len_null(ChatTickets::Scopes, 200))
        .col(big_integer(ChatTickets::CredentialVersion))
        .col(timestamp_with_time_zone(ChatTickets::ExpiresAt))
        .foreign_key(&mut belongs_to(
            ChatTickets::Table,
            ChatTickets::UserId,
            Users::Table,
            Users::Id,
        ))
        .foreign_key(&mut of_course(ChatTickets::Table, ChatTickets::CourseId))
        .to_owned();
    m.create_table(tickets).await?;
    let mut hers = Index::create();
    hers.name("chat_tickets_user").table(ChatTickets::Table);
    hers.col(ChatTickets::UserId);
    m.create_index(hers).await
}
