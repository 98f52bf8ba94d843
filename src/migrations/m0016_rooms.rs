//! The rooms of courses and what is said in them.

use super::m0001_accounts::{Users, belongs_to};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, string_len_null, text, timestamp_with_time_zone,
    timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
pub enum ChatRooms {
    Table,
    CourseId,
    Last,
}

#[derive(DeriveIden)]
pub enum ChatLines {
    Table,
    CourseId,
    Id,
    UserId,
    Text,
    ClientId,
    Changed,
    CreatedAt,
    EditedAt,
    DeletedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let rooms = Table::create()
            .table(ChatRooms::Table)
            .col(big_integer(ChatRooms::CourseId).primary_key())
            .col(big_integer(ChatRooms::Last))
            .foreign_key(&mut belongs_to(
                ChatRooms::Table,
                ChatRooms::CourseId,
                Alias::new("courses"),
                Alias::new("id"),
            ))
            .to_owned();
        m.create_table(rooms).await?;
        let mut speaker = belongs_to(ChatLines::Table, ChatLines::UserId, Users::Table, Users::Id);
        speaker.on_delete(ForeignKeyAction::SetNull);
        let lines = Table::create()
            .table(ChatLines::Table)
            .col(big_integer(ChatLines::CourseId))
            .col(big_integer(ChatLines::Id))
            .col(big_integer_null(ChatLines::UserId))
            .col(text(ChatLines::Text))
            .col(string_len_null(ChatLines::ClientId, 64))
            .col(big_integer(ChatLines::Changed))
            .col(timestamp_with_time_zone(ChatLines::CreatedAt))
            .col(timestamp_with_time_zone_null(ChatLines::EditedAt))
            .col(timestamp_with_time_zone_null(ChatLines::DeletedAt))
            .primary_key(Index::create().col(ChatLines::CourseId).col(ChatLines::Id))
            .foreign_key(&mut belongs_to(
                ChatLines::Table,
                ChatLines::CourseId,
                ChatRooms::Table,
                ChatRooms::CourseId,
            ))
            .foreign_key(&mut speaker)
            .to_owned();
        m.create_table(lines).await?;
        let mut changed = Index::create();
        changed.name("chat_lines_changed").table(ChatLines::Table);
        changed.col(ChatLines::CourseId).col(ChatLines::Changed);
        m.create_index(changed).await?;
        let mut once = Index::create();
        once.name("chat_lines_once")
            .table(ChatLines::Table)
            .unique();
        once.col(ChatLines::CourseId)
            .col(ChatLines::UserId)
            .col(ChatLines::ClientId);
        m.create_index(once).await
    }
}
