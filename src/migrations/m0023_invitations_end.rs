//! Invitations end: those that were made to work for ever, or for anybody, are given an end and a number of people.

use chrono::{TimeDelta, Utc};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Invitations {
    Table,
    MostUses,
    ExpiresAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a step of the tables has no site whose clock it could ask"
    )]
    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        let end = Utc::now() + TimeDelta::days(30);
        let endless = Query::update()
            .table(Invitations::Table)
            .value(Invitations::ExpiresAt, end)
            .and_where(Expr::col(Invitations::ExpiresAt).is_null())
            .to_owned();
        m.exec_stmt(endless).await?;
        let boundless = Query::update()
            .table(Invitations::Table)
            .value(Invitations::MostUses, 1_000)
            .and_where(Expr::col(Invitations::MostUses).is_null())
            .to_owned();
        m.exec_stmt(boundless).await
    }
}
