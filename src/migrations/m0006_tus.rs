//! Uploads that arrive in several requests (tus 1.0).

use super::m0001_accounts::{Users, belongs_to};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, string_len, text, text_null, timestamp_with_time_zone,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum TusUploads {
    Table,
    Id,
    OwnerId,
    LengthBytes,
    ReservedBytes,
    UnverifiedFromBytes,
    Metadata,
    Concat,
    Prefix,
    Generation,
    UploadId,
    ContentId,
    ExpiresAt,
    CreatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        // What became of an upload is a note for its sender: it may be deleted before the row is.
        let mut table = Table::create()
            .table(TusUploads::Table)
            .col(string_len(TusUploads::Id, 32).primary_key())
            .col(big_integer(TusUploads::OwnerId))
            .col(big_integer_null(TusUploads::LengthBytes))
            .col(big_integer(TusUploads::ReservedBytes))
            .col(big_integer_null(TusUploads::UnverifiedFromBytes))
            .col(text(TusUploads::Metadata))
            .col(text_null(TusUploads::Concat))
            .col(string_len(TusUploads::Prefix, 100))
            .col(big_integer(TusUploads::Generation))
            .col(big_integer_null(TusUploads::UploadId))
            .col(big_integer_null(TusUploads::ContentId))
            .col(timestamp_with_time_zone(TusUploads::ExpiresAt))
            .col(timestamp_with_time_zone(TusUploads::CreatedAt))
            .to_owned();
        table.foreign_key(&mut belongs_to(
            TusUploads::Table,
            TusUploads::OwnerId,
            Users::Table,
            Users::Id,
        ));
        m.create_table(table).await?;
        for (name, column) in [
            ("tus_uploads_owner", TusUploads::OwnerId),
            ("tus_uploads_expiry", TusUploads::ExpiresAt),
        ] {
            let mut index = Index::create();
            index.name(name).table(TusUploads::Table).col(column);
            m.create_index(index).await?;
        }
        Ok(())
    }
}
