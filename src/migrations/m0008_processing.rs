//! Taking turns in the line of jobs, files that came together, and uploads that were stopped.

use super::m0001_accounts::{Users, belongs_to};
use super::m0002_media::Uploads;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, integer, string_len, string_len_null,
    timestamp_with_time_zone,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Jobs {
    Table,
    Id,
    State,
    Priority,
    OwnerId,
    Round,
    Turn,
    IsAwaited,
}

#[derive(DeriveIden)]
enum JobLine {
    Table,
    Id,
    Round,
}

#[derive(DeriveIden)]
enum TusUploads {
    Table,
    OwnerId,
    Batch,
}

#[derive(DeriveIden)]
enum UploadBatches {
    Table,
    OwnerId,
    Id,
    Files,
    Arrived,
    IsTold,
    CreatedAt,
    UpdatedAt,
}

/// The column that uploads get here.
#[derive(DeriveIden)]
enum Added {
    Batch,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        line(m).await?;
        batches(m).await?;
        let mut by_state = Index::create();
        by_state.name("uploads_state").table(Uploads::Table);
        m.create_index(by_state.col(Uploads::State).take()).await
    }
}

async fn line(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    // SQLite adds one column at a time.
    for mut column in [
        big_integer_null(Jobs::OwnerId),
        big_integer(Jobs::Round).default(0).take(),
        big_integer(Jobs::Turn).default(0).take(),
        boolean(Jobs::IsAwaited).default(false).take(),
    ] {
        let mut alter = Table::alter();
        alter.table(Jobs::Table).add_column(&mut column);
        m.alter_table(alter).await?;
    }
    // What is in line by now stays in its order, before whatever comes.
    let mut turn = Query::update();
    turn.table(Jobs::Table)
        .value(Jobs::Turn, Expr::col(Jobs::Priority));
    m.execute(turn).await?;
    let table = Table::create()
        .table(JobLine::Table)
        .col(integer(JobLine::Id).primary_key())
        .col(big_integer(JobLine::Round))
        .to_owned();
    m.create_table(table).await?;
    let mut first = Query::insert();
    first
        .into_table(JobLine::Table)
        .columns([JobLine::Id, JobLine::Round])
        .values_panic([1.into(), 0_i64.into()]);
    m.execute(first).await?;
    let mut turns = Index::create();
    turns.name("jobs_turn").table(Jobs::Table);
    turns.col(Jobs::State).col(Jobs::Turn).col(Jobs::Id);
    m.create_index(turns).await?;
    let mut owners = Index::create();
    owners.name("jobs_owner").table(Jobs::Table);
    m.create_index(owners.col(Jobs::OwnerId).col(Jobs::State).take())
        .await?;
    let mut old = Index::drop();
    old.name("jobs_line").table(Jobs::Table);
    m.drop_index(old).await
}

async fn batches(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = Table::create()
        .table(UploadBatches::Table)
        .col(big_integer(UploadBatches::OwnerId))
        .col(string_len(UploadBatches::Id, 36))
        .col(integer(UploadBatches::Files))
        .col(integer(UploadBatches::Arrived).default(0))
        .col(boolean(UploadBatches::IsTold).default(false))
        .col(timestamp_with_time_zone(UploadBatches::CreatedAt))
        .col(timestamp_with_time_zone(UploadBatches::UpdatedAt))
        .primary_key(
            Index::create()
                .col(UploadBatches::OwnerId)
                .col(UploadBatches::Id),
        )
        .to_owned();
    table.foreign_key(&mut belongs_to(
        UploadBatches::Table,
        UploadBatches::OwnerId,
        Users::Table,
        Users::Id,
    ));
    m.create_table(table).await?;
    let mut open = Index::create();
    open.name("upload_batches_open").table(UploadBatches::Table);
    open.col(UploadBatches::IsTold)
        .col(UploadBatches::UpdatedAt);
    m.create_index(open).await?;
    let mut uploads = Table::alter();
    uploads
        .table(Uploads::Table)
        .add_column(string_len_null(Added::Batch, 36));
    m.alter_table(uploads).await?;
    let mut unfinished = Table::alter();
    unfinished
        .table(TusUploads::Table)
        .add_column(string_len_null(TusUploads::Batch, 36));
    m.alter_table(unfinished).await?;
    let mut members = Index::create();
    members.name("uploads_batch").table(Uploads::Table);
    m.create_index(members.col(Uploads::OwnerId).col(Added::Batch).take())
        .await?;
    let mut coming = Index::create();
    coming.name("tus_uploads_batch").table(TusUploads::Table);
    coming.col(TusUploads::OwnerId).col(TusUploads::Batch);
    m.create_index(coming).await
}
