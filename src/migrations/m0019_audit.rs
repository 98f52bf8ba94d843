//! The log of what those who run the site have changed, which the database itself keeps from being edited; and files of
//! enrollments that wait for a yes.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, big_pk_auto, string_len, text, timestamp_with_time_zone,
};
use sea_orm_migration::sea_orm::DatabaseBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum AuditEntries {
    Table,
    Id,
    CreatedAt,
    ActorId,
    ActorName,
    Via,
    Address,
    Act,
    ObjectKind,
    ObjectId,
    ObjectName,
    Changes,
}

#[derive(DeriveIden)]
enum CsvImports {
    Table,
    Id,
    UserId,
    Body,
    Faults,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}

/// A row is written once. Whoever may take the triggers away may edit it; nobody does by accident, and no page can.
const SQLITE: &str = "
CREATE TRIGGER audit_entries_stay BEFORE UPDATE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'the log of changes is never edited'); END;
CREATE TRIGGER audit_entries_last BEFORE DELETE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'the log of changes is never edited'); END;
";

const POSTGRES: &str = "
CREATE FUNCTION audit_entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the log of changes is never edited'; END $$;
CREATE TRIGGER audit_entries_stay BEFORE UPDATE OR DELETE ON audit_entries
FOR EACH ROW EXECUTE FUNCTION audit_entries_stay();
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        entries(m).await?;
        imports(m).await?;
        let sql = match m.get_database_backend() {
            DatabaseBackend::Sqlite => SQLITE,
            _ => POSTGRES,
        };
        m.get_connection().execute_unprepared(sql).await.map(|_| ())
    }
}

async fn entries(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(AuditEntries::Table)
        .col(big_pk_auto(AuditEntries::Id))
        .col(timestamp_with_time_zone(AuditEntries::CreatedAt))
        .col(big_integer_null(AuditEntries::ActorId))
        .col(string_len(AuditEntries::ActorName, 150))
        .col(string_len(AuditEntries::Via, 16))
        .col(string_len(AuditEntries::Address, 64))
        .col(string_len(AuditEntries::Act, 40))
        .col(string_len(AuditEntries::ObjectKind, 40))
        .col(big_integer(AuditEntries::ObjectId))
        .col(text(AuditEntries::ObjectName))
        .col(text(AuditEntries::Changes))
        .to_owned();
    m.create_table(table).await?;
    let of_object = Index::create()
        .name("audit_entries_object")
        .table(AuditEntries::Table)
        .col(AuditEntries::ObjectKind)
        .col(AuditEntries::ObjectId)
        .to_owned();
    m.create_index(of_object).await?;
    let of_actor = Index::create()
        .name("audit_entries_actor")
        .table(AuditEntries::Table)
        .col(AuditEntries::ActorName)
        .to_owned();
    m.create_index(of_actor).await
}

async fn imports(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(CsvImports::Table)
        .col(big_pk_auto(CsvImports::Id))
        .col(big_integer(CsvImports::UserId))
        .col(text(CsvImports::Body))
        .col(big_integer(CsvImports::Faults))
        .col(timestamp_with_time_zone(CsvImports::CreatedAt))
        .foreign_key(
            ForeignKey::create()
                .from(CsvImports::Table, CsvImports::UserId)
                .to(Users::Table, Users::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned();
    m.create_table(table).await
}
