//! The job queue, messages, and the events that processes of one site tell each other.

use super::m0001_accounts::{Users, belongs_to};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_pk_auto, boolean, integer, string_len, string_len_null, text, text_null,
    timestamp_with_time_zone, timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Jobs {
    Table,
    Id,
    Kind,
    Payload,
    State,
    Priority,
    Subject,
    RunAt,
    Attempts,
    MaxAttempts,
    Worker,
    Fence,
    LeasedUntil,
    Fault,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum Messages {
    Table,
    Id,
    RecipientId,
    Text,
    Level,
    Link,
    IsRead,
    DedupeKey,
    CreatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        jobs(m).await?;
        messages(m).await?;
        m.create_table(backends::bus::events_table()).await
    }
}

async fn jobs(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Jobs::Table)
            .col(big_pk_auto(Jobs::Id))
            .col(string_len(Jobs::Kind, 64))
            .col(text(Jobs::Payload))
            .col(string_len(Jobs::State, 16))
            .col(integer(Jobs::Priority))
            .col(string_len_null(Jobs::Subject, 100))
            .col(timestamp_with_time_zone(Jobs::RunAt))
            .col(integer(Jobs::Attempts).default(0))
            .col(integer(Jobs::MaxAttempts))
            .col(string_len_null(Jobs::Worker, 100))
            .col(big_integer(Jobs::Fence).default(0))
            .col(timestamp_with_time_zone_null(Jobs::LeasedUntil))
            .col(text_null(Jobs::Fault))
            .col(timestamp_with_time_zone(Jobs::CreatedAt))
            .col(timestamp_with_time_zone(Jobs::UpdatedAt))
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("jobs_line")
            .table(Jobs::Table)
            .col(Jobs::State)
            .col(Jobs::Priority)
            .col(Jobs::RunAt)
            .col(Jobs::Id)
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("jobs_subject")
            .table(Jobs::Table)
            .col(Jobs::Subject)
            .to_owned(),
    )
    .await
}

async fn messages(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Messages::Table)
            .col(big_pk_auto(Messages::Id))
            .col(big_integer(Messages::RecipientId))
            .col(string_len(Messages::Text, 250))
            .col(string_len(Messages::Level, 16))
            .col(text(Messages::Link).default(""))
            .col(boolean(Messages::IsRead).default(false))
            .col(string_len_null(Messages::DedupeKey, 150))
            .col(timestamp_with_time_zone(Messages::CreatedAt))
            .foreign_key(&mut belongs_to(
                Messages::Table,
                Messages::RecipientId,
                Users::Table,
                Users::Id,
            ))
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("messages_recipient")
            .table(Messages::Table)
            .col(Messages::RecipientId)
            .col(Messages::IsRead)
            .col((Messages::Id, IndexOrder::Desc))
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("messages_once")
            .table(Messages::Table)
            .col(Messages::RecipientId)
            .col(Messages::DedupeKey)
            .unique()
            .to_owned(),
    )
    .await
}
