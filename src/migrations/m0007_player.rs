//! Whether students may download a film.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::boolean;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Items {
    Table,
    AllowDownload,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        // A default, so that nodes of the version before go on making items.
        let mut table = Table::alter();
        table
            .table(Items::Table)
            .add_column(boolean(Items::AllowDownload).default(false));
        m.alter_table(table).await
    }
}
