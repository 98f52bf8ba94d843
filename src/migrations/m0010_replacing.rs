//! The file that takes the place of an item's present one as soon as it can be seen.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        // The builder knows no foreign key of a column that is added on SQLite; both engines know this sentence.
        m.get_connection()
            .execute_unprepared(
                "ALTER TABLE items ADD COLUMN next_upload_id bigint NULL \
                 REFERENCES uploads (id) ON DELETE RESTRICT",
            )
            .await?;
        m.create_index(
            Index::create()
                .name("items_next_upload")
                .table(Alias::new("items"))
                .col(Alias::new("next_upload_id"))
                .to_owned(),
        )
        .await
    }
}
