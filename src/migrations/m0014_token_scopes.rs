//! What a key may be used for, and until when. Keys from before have neither.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Tokens {
    Table,
    Scopes,
    ExpiresAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        let scopes = Table::alter()
            .table(Tokens::Table)
            .add_column(ColumnDef::new(Tokens::Scopes).string_len(200).null())
            .to_owned();
        m.alter_table(scopes).await?;
        let expires_at = Table::alter()
            .table(Tokens::Table)
            .add_column(
                ColumnDef::new(Tokens::ExpiresAt)
                    .timestamp_with_time_zone()
                    .null(),
            )
            .to_owned();
        m.alter_table(expires_at).await
    }
}
