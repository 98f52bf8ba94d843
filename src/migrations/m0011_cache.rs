//! The entries of the cache `database:`.

use backends::cache::{ENTRIES_TABLE, entries_indexes, entries_table};
use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        m.create_table(entries_table()).await?;
        for index in entries_indexes() {
            m.create_index(index).await?;
        }
        if m.get_database_backend() == DbBackend::Postgres {
            // Without a log of its writes: after a crash of the server it is empty, as a cache may be.
            let unlogged = format!("ALTER TABLE {ENTRIES_TABLE} SET UNLOGGED");
            m.get_connection().execute_unprepared(&unlogged).await?;
        }
        Ok(())
    }
}
