//! The table of events, and the statements on it that both engines share.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{
    ColumnDef, Expr, ExprTrait, InsertStatement, Query, Table, TableCreateStatement,
};
use sea_orm::{ConnectionTrait, DbErr, DeriveIden, SqliteTransactionMode, TransactionOptions};

/// Name of the table of events: `id` (grows; never used twice), `instance` (which [`Bus`] recorded
/// it), `group_name`, `payload` (JSON text), `created_at`. Made by a migration from
/// [`events_table`].
///
/// [`Bus`]: super::Bus
pub const EVENTS_TABLE: &str = "bus_events";

#[derive(DeriveIden)]
pub enum BusEvents {
    Table,
    Id,
    Instance,
    GroupName,
    Payload,
    CreatedAt,
}

/// The statement that makes the table of events, for a migration.
pub fn events_table() -> TableCreateStatement {
    let mut table = Table::create();
    table
        .table(BusEvents::Table)
        // AUTOINCREMENT on SQLite, so that ids go on growing after the newest row is trimmed.
        .col(
            ColumnDef::new(BusEvents::Id)
                .big_integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        )
        .col(
            ColumnDef::new(BusEvents::Instance)
                .string_len(64)
                .not_null(),
        )
        .col(
            ColumnDef::new(BusEvents::GroupName)
                .string_len(200)
                .not_null(),
        )
        .col(ColumnDef::new(BusEvents::Payload).text().not_null())
        .col(
            ColumnDef::new(BusEvents::CreatedAt)
                .timestamp_with_time_zone()
                .not_null(),
        );
    table
}

/// What is written for one event.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub instance: &'a str,
    pub group: &'a str,
    pub payload: &'a str,
}

impl Row<'_> {
    fn statement(&self, now: DateTime<Utc>) -> Result<InsertStatement, DbErr> {
        let mut insert = Query::insert();
        insert
            .into_table(BusEvents::Table)
            .columns([
                BusEvents::Instance,
                BusEvents::GroupName,
                BusEvents::Payload,
                BusEvents::CreatedAt,
            ])
            .values([
                self.instance.into(),
                self.group.into(),
                self.payload.into(),
                now.into(),
            ])
            .map_err(|error| DbErr::Custom(error.to_string()))?
            .returning_col(BusEvents::Id);
        Ok(insert)
    }

    /// Inserts the event and returns its id.
    pub async fn insert(
        &self,
        conn: &impl ConnectionTrait,
        now: DateTime<Utc>,
    ) -> Result<i64, DbErr> {
        let row = conn.query_one(&self.statement(now)?).await?;
        row.ok_or_else(|| DbErr::RecordNotInserted)?
            .try_get("", "id")
    }
}

/// Deletes what was recorded before `older_than`.
pub async fn trim(conn: &impl ConnectionTrait, older_than: DateTime<Utc>) -> Result<u64, DbErr> {
    let mut delete = Query::delete();
    delete
        .from_table(BusEvents::Table)
        .and_where(Expr::col(BusEvents::CreatedAt).lt(older_than));
    Ok(conn.execute(&delete).await?.rows_affected())
}

/// Options of a transaction that writes: on SQLite it takes the write lock at its beginning, where
/// waiting for it works.
pub fn writing() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}
