//! What staff watch and steer: figures over time, the processes of the site, kinds of jobs that are paused, and
//! announcements.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, big_pk_auto, integer, string_len, string_len_null, text,
    timestamp_with_time_zone, timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Figures {
    Table,
    StepSeconds,
    Slot,
    Node,
    Requests,
    Errors,
    Kept,
    Samples,
    Timings,
    Hits,
    Misses,
    Evictions,
    Queue,
    OldestSeconds,
    MemoryBytes,
    Sockets,
    OriginalsBytes,
    RenditionsBytes,
    WaitingBytes,
    DatabaseBytes,
}

#[derive(DeriveIden)]
enum Nodes {
    Table,
    Name,
    Host,
    Role,
    Version,
    Slots,
    StartedAt,
    HeardAt,
}

#[derive(DeriveIden)]
enum PausedKinds {
    Table,
    Kind,
    ByName,
    PausedAt,
}

#[derive(DeriveIden)]
enum Announcements {
    Table,
    Id,
    AuthorId,
    AuthorName,
    Audience,
    AudienceId,
    AudienceName,
    Text,
    Link,
    State,
    Expected,
    Told,
    LastUserId,
    CreatedAt,
    EndedAt,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Messages {
    Table,
    DedupeKey,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        figures(m).await?;
        nodes(m).await?;
        paused_kinds(m).await?;
        announcements(m).await
    }
}

async fn figures(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let counts = [
        Figures::Samples,
        Figures::Requests,
        Figures::Errors,
        Figures::Kept,
        Figures::Hits,
        Figures::Misses,
        Figures::Evictions,
        Figures::Queue,
        Figures::OldestSeconds,
        Figures::MemoryBytes,
        Figures::Sockets,
        Figures::OriginalsBytes,
        Figures::RenditionsBytes,
        Figures::WaitingBytes,
        Figures::DatabaseBytes,
    ];
    let mut table = Table::create();
    table
        .table(Figures::Table)
        .col(integer(Figures::StepSeconds))
        .col(big_integer(Figures::Slot))
        .col(string_len(Figures::Node, 100))
        .col(text(Figures::Timings))
        .primary_key(
            Index::create()
                .col(Figures::StepSeconds)
                .col(Figures::Slot)
                .col(Figures::Node),
        );
    for column in counts {
        table.col(big_integer(column).default(0));
    }
    m.create_table(table).await
}

async fn nodes(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(Nodes::Table)
        .col(string_len(Nodes::Name, 100).primary_key())
        .col(string_len(Nodes::Host, 64))
        .col(string_len(Nodes::Role, 16))
        .col(string_len(Nodes::Version, 32))
        .col(integer(Nodes::Slots))
        .col(timestamp_with_time_zone(Nodes::StartedAt))
        .col(timestamp_with_time_zone(Nodes::HeardAt))
        .to_owned();
    m.create_table(table).await
}

async fn paused_kinds(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(PausedKinds::Table)
        .col(string_len(PausedKinds::Kind, 64).primary_key())
        .col(string_len(PausedKinds::ByName, 150))
        .col(timestamp_with_time_zone(PausedKinds::PausedAt))
        .to_owned();
    m.create_table(table).await
}

async fn announcements(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(Announcements::Table)
        .col(big_pk_auto(Announcements::Id))
        .col(big_integer_null(Announcements::AuthorId))
        .col(string_len(Announcements::AuthorName, 150))
        .col(string_len(Announcements::Audience, 16))
        .col(big_integer_null(Announcements::AudienceId))
        .col(string_len_null(Announcements::AudienceName, 200))
        .col(string_len(Announcements::Text, 250))
        .col(text(Announcements::Link).default(""))
        .col(string_len(Announcements::State, 16))
        .col(big_integer(Announcements::Expected))
        .col(big_integer(Announcements::Told).default(0))
        .col(big_integer(Announcements::LastUserId).default(0))
        .col(timestamp_with_time_zone(Announcements::CreatedAt))
        .col(timestamp_with_time_zone_null(Announcements::EndedAt))
        .foreign_key(
            ForeignKey::create()
                .from(Announcements::Table, Announcements::AuthorId)
                .to(Users::Table, Users::Id)
                .on_delete(ForeignKeyAction::SetNull),
        )
        .to_owned();
    m.create_table(table).await?;
    // How many have read an announcement is counted by the key of its messages.
    let index = Index::create()
        .name("messages_dedupe")
        .table(Messages::Table)
        .col(Messages::DedupeKey)
        .to_owned();
    m.create_index(index).await
}
