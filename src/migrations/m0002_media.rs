//! Uploads, what was made from them, and how much of an upload by form has arrived.

use super::m0001_accounts::{Users, belongs_to};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, big_pk_auto, double, double_null, integer_null, string_len,
    string_len_uniq, text, text_null, timestamp_with_time_zone,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
pub enum Uploads {
    Table,
    Id,
    OwnerId,
    Name,
    Kind,
    Mime,
    SizeBytes,
    Prefix,
    State,
    ProgressPercent,
    EtaSeconds,
    Fault,
    FaultDetail,
    DurationSeconds,
    Width,
    Height,
    CreatedAt,
    UpdatedAt,
}

#[derive(DeriveIden)]
enum Renditions {
    Table,
    Id,
    UploadId,
    Name,
    Key,
    Mime,
    SizeBytes,
    Width,
    Height,
}

#[derive(DeriveIden)]
enum UploadProgress {
    Table,
    UserId,
    Key,
    UploadedBytes,
    TotalBytes,
    State,
    Fault,
    UpdatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        uploads(m).await?;
        renditions(m).await?;
        upload_progress(m).await
    }
}

async fn uploads(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Uploads::Table)
            .col(big_pk_auto(Uploads::Id))
            .col(big_integer(Uploads::OwnerId))
            .col(text(Uploads::Name))
            .col(string_len(Uploads::Kind, 16))
            .col(string_len(Uploads::Mime, 100))
            .col(big_integer(Uploads::SizeBytes))
            .col(string_len_uniq(Uploads::Prefix, 100))
            .col(string_len(Uploads::State, 16))
            .col(double(Uploads::ProgressPercent).default(0.0))
            .col(big_integer_null(Uploads::EtaSeconds))
            .col(text_null(Uploads::Fault))
            .col(text_null(Uploads::FaultDetail))
            .col(double_null(Uploads::DurationSeconds))
            .col(integer_null(Uploads::Width))
            .col(integer_null(Uploads::Height))
            .col(timestamp_with_time_zone(Uploads::CreatedAt))
            .col(timestamp_with_time_zone(Uploads::UpdatedAt))
            .foreign_key(&mut belongs_to(
                Uploads::Table,
                Uploads::OwnerId,
                Users::Table,
                Users::Id,
            ))
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("uploads_owner")
            .table(Uploads::Table)
            .col(Uploads::OwnerId)
            .to_owned(),
    )
    .await
}

async fn renditions(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Renditions::Table)
            .col(big_pk_auto(Renditions::Id))
            .col(big_integer(Renditions::UploadId))
            .col(string_len(Renditions::Name, 100))
            .col(string_len(Renditions::Key, 200))
            .col(string_len(Renditions::Mime, 100))
            .col(big_integer(Renditions::SizeBytes))
            .col(integer_null(Renditions::Width))
            .col(integer_null(Renditions::Height))
            .foreign_key(&mut belongs_to(
                Renditions::Table,
                Renditions::UploadId,
                Uploads::Table,
                Uploads::Id,
            ))
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("renditions_name")
            .table(Renditions::Table)
            .col(Renditions::UploadId)
            .col(Renditions::Name)
            .unique()
            .to_owned(),
    )
    .await
}

async fn upload_progress(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(UploadProgress::Table)
            .col(big_integer(UploadProgress::UserId))
            .col(string_len(UploadProgress::Key, 64))
            .col(big_integer(UploadProgress::UploadedBytes))
            .col(big_integer(UploadProgress::TotalBytes))
            .col(string_len(UploadProgress::State, 16))
            .col(text_null(UploadProgress::Fault))
            .col(timestamp_with_time_zone(UploadProgress::UpdatedAt))
            .primary_key(
                Index::create()
                    .col(UploadProgress::UserId)
                    .col(UploadProgress::Key),
            )
            .foreign_key(&mut belongs_to(
                UploadProgress::Table,
                UploadProgress::UserId,
                Users::Table,
                Users::Id,
            ))
            .to_owned(),
    )
    .await
}
