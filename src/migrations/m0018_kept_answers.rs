//! Answers of requests that made something, kept a day for those who send them again.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string_len, text, timestamp_with_time_zone};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum KeptAnswers {
    Table,
    UserId,
    Path,
    Key,
    Fingerprint,
    Location,
    Version,
    Body,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(KeptAnswers::Table)
            .col(big_integer(KeptAnswers::UserId))
            .col(string_len(KeptAnswers::Path, 200))
            .col(string_len(KeptAnswers::Key, 255))
            .col(string_len(KeptAnswers::Fingerprint, 43))
            .col(string_len(KeptAnswers::Location, 200))
            .col(string_len(KeptAnswers::Version, 64))
            .col(text(KeptAnswers::Body))
            .col(timestamp_with_time_zone(KeptAnswers::CreatedAt))
            .primary_key(
                Index::create()
                    .col(KeptAnswers::UserId)
                    .col(KeptAnswers::Path)
                    .col(KeptAnswers::Key),
            )
            .foreign_key(
                ForeignKey::create()
                    .from(KeptAnswers::Table, KeptAnswers::UserId)
                    .to(Users::Table, Users::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        m.create_table(table).await?;
        let index = Index::create()
            .name("kept_answers_created")
            .table(KeptAnswers::Table)
            .col(KeptAnswers::CreatedAt)
            .to_owned();
        m.create_index(index).await
    }
}
