//! Two questions that looked at whole tables are answered by an index: how many have read an announcement, and whose an
//! address is, however it is written.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Messages {
    Table,
    DedupeKey,
    IsRead,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::create()
            .name("messages_read")
            .table(Messages::Table)
            .col(Messages::DedupeKey)
            .col(Messages::IsRead)
            .to_owned();
        m.create_index(index).await?;
        // Whoever looks for a key alone finds it in the new one.
        let before = Index::drop()
            .name("messages_dedupe")
            .table(Messages::Table)
            .to_owned();
        m.drop_index(before).await?;
        m.get_connection()
            .execute_unprepared("CREATE INDEX users_email_folded ON users (lower(email))")
            .await?;
        Ok(())
    }
}
