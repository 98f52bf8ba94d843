//! How often it was said of a file how it stands: by this number a page knows which of two words is the newer.

use super::m0002_media::Uploads;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let column = Table::alter()
            .table(Uploads::Table)
            .add_column(big_integer("revision").default(0))
            .to_owned();
        m.alter_table(column).await
    }
}
