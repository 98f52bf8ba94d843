//! Recordings that are converted by a cloud service, and the messages of Amazon SNS that were heeded.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_pk_auto, double, string_len, string_len_null, text_null,
    timestamp_with_time_zone, timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Transcodings {
    Table,
    Id,
    UploadId,
    Token,
    ExternalId,
    State,
    Percent,
    FaultDetail,
    HeardAt,
    CreatedAt,
    EndedAt,
}

#[derive(DeriveIden)]
enum SnsMessages {
    Table,
    Topic,
    MessageId,
    ReceivedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        // The upload may be deleted before the service has ended its job: then the row is what tells of it.
        let table = Table::create()
            .table(Transcodings::Table)
            .col(big_pk_auto(Transcodings::Id))
            .col(big_integer(Transcodings::UploadId))
            .col(string_len(Transcodings::Token, 64))
            .col(string_len_null(Transcodings::ExternalId, 100))
            .col(string_len(Transcodings::State, 16))
            .col(double(Transcodings::Percent))
            .col(text_null(Transcodings::FaultDetail))
            .col(timestamp_with_time_zone(Transcodings::HeardAt))
            .col(timestamp_with_time_zone(Transcodings::CreatedAt))
            .col(timestamp_with_time_zone_null(Transcodings::EndedAt))
            .to_owned();
        m.create_table(table).await?;
        for (name, column, is_unique) in [
            ("transcodings_upload", Transcodings::UploadId, false),
            ("transcodings_state", Transcodings::State, false),
            ("transcodings_token", Transcodings::Token, true),
            ("transcodings_external", Transcodings::ExternalId, true),
        ] {
            let mut index = Index::create();
            index.name(name).table(Transcodings::Table).col(column);
            if is_unique {
                index.unique();
            }
            m.create_index(index).await?;
        }
        let table = Table::create()
            .table(SnsMessages::Table)
            .col(string_len(SnsMessages::Topic, 300))
            .col(string_len(SnsMessages::MessageId, 100))
            .col(timestamp_with_time_zone(SnsMessages::ReceivedAt))
            .primary_key(
                Index::create()
                    .col(SnsMessages::Topic)
                    .col(SnsMessages::MessageId),
            )
            .to_owned();
        m.create_table(table).await?;
        let mut index = Index::create();
        index
            .name("sns_messages_received")
            .table(SnsMessages::Table)
            .col(SnsMessages::ReceivedAt);
        m.create_index(index).await
    }
}
