//! Versions of what remembered values rest on; see `db::tag`.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum TagVersions {
    Table,
    Tag,
    Version,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let versions = Table::create()
            .table(TagVersions::Table)
            .col(
                ColumnDef::new(TagVersions::Tag)
                    .string_len(64)
                    .not_null()
                    .primary_key(),
            )
            .col(
                ColumnDef::new(TagVersions::Version)
                    .big_integer()
                    .not_null(),
            )
            .to_owned();
        m.create_table(versions).await
    }
}
