//! Ways into an account and into a course: links that work once, second factors, invitations, requests to be let in.

use super::m0001_accounts::{Users, belongs_to};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, big_pk_auto, integer, integer_null, string_len, string_len_uniq,
    timestamp_with_time_zone, timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum AccountLinks {
    Table,
    Id,
    UserId,
    Purpose,
    TokenHash,
    Email,
    CreatedAt,
    ExpiresAt,
    UsedAt,
}

#[derive(DeriveIden)]
enum SecondFactors {
    Table,
    UserId,
    Secret,
    LastStep,
    CreatedAt,
    ConfirmedAt,
}

#[derive(DeriveIden)]
enum RecoveryCodes {
    Table,
    Id,
    UserId,
    CodeHash,
    UsedAt,
}

#[derive(DeriveIden)]
enum Invitations {
    Table,
    Id,
    CourseId,
    OwnerId,
    TokenHash,
    Note,
    MostUses,
    Uses,
    CreatedAt,
    ExpiresAt,
    RevokedAt,
}

#[derive(DeriveIden)]
enum InvitationUses {
    Table,
    InvitationId,
    UserId,
    CreatedAt,
}

#[derive(DeriveIden)]
enum EnrollmentRequests {
    Table,
    Id,
    CourseId,
    UserId,
    State,
    Reason,
    InvitationId,
    CreatedAt,
    DecidedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        columns(m).await?;
        links(m).await?;
        second_factors(m).await?;
        invitations(m).await?;
        requests(m).await
    }
}

/// What accounts and courses have besides. SQLite adds one column at a time.
async fn columns(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let confirmed = ColumnDef::new(Alias::new("email_confirmed_at"))
        .timestamp_with_time_zone()
        .null()
        .to_owned();
    let places = ColumnDef::new(Alias::new("places"))
        .integer()
        .null()
        .to_owned();
    // Nodes of the version before make courses without naming it.
    let approval = ColumnDef::new(Alias::new("needs_approval"))
        .boolean()
        .not_null()
        .default(false)
        .to_owned();
    for (table, column) in [
        ("users", confirmed),
        ("courses", places),
        ("courses", approval),
    ] {
        let alter = Table::alter()
            .table(Alias::new(table))
            .add_column(column)
            .to_owned();
        m.alter_table(alter).await?;
    }
    Ok(())
}

async fn links(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(AccountLinks::Table)
        .col(big_pk_auto(AccountLinks::Id))
        .col(big_integer(AccountLinks::UserId))
        .col(string_len(AccountLinks::Purpose, 20))
        .col(string_len_uniq(AccountLinks::TokenHash, 64))
        .col(string_len(AccountLinks::Email, 254))
        .col(timestamp_with_time_zone(AccountLinks::CreatedAt))
        .col(timestamp_with_time_zone(AccountLinks::ExpiresAt))
        .col(timestamp_with_time_zone_null(AccountLinks::UsedAt))
        .foreign_key(&mut of_user(AccountLinks::Table, AccountLinks::UserId))
        .to_owned();
    m.create_table(table).await?;
    let index = Index::create()
        .name("account_links_of_user")
        .table(AccountLinks::Table)
        .col(AccountLinks::UserId)
        .col(AccountLinks::Purpose)
        .to_owned();
    m.create_index(index).await
}

async fn second_factors(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let factors = Table::create()
        .table(SecondFactors::Table)
        .col(big_integer(SecondFactors::UserId).primary_key())
        .col(string_len(SecondFactors::Secret, 200))
        .col(big_integer(SecondFactors::LastStep))
        .col(timestamp_with_time_zone(SecondFactors::CreatedAt))
        .col(timestamp_with_time_zone_null(SecondFactors::ConfirmedAt))
        .foreign_key(&mut of_user(SecondFactors::Table, SecondFactors::UserId))
        .to_owned();
    m.create_table(factors).await?;
    let codes = Table::create()
        .table(RecoveryCodes::Table)
        .col(big_pk_auto(RecoveryCodes::Id))
        .col(big_integer(RecoveryCodes::UserId))
        .col(string_len(RecoveryCodes::CodeHash, 64))
        .col(timestamp_with_time_zone_null(RecoveryCodes::UsedAt))
        .foreign_key(&mut of_user(RecoveryCodes::Table, RecoveryCodes::UserId))
        .to_owned();
    m.create_table(codes).await?;
    let index = Index::create()
        .name("recovery_codes_of_user")
        .table(RecoveryCodes::Table)
        .col(RecoveryCodes::UserId)
        .to_owned();
    m.create_index(index).await
}

async fn invitations(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(Invitations::Table)
        .col(big_pk_auto(Invitations::Id))
        .col(big_integer(Invitations::CourseId))
        .col(big_integer(Invitations::OwnerId))
        .col(string_len_uniq(Invitations::TokenHash, 64))
        .col(string_len(Invitations::Note, 200))
        .col(integer_null(Invitations::MostUses))
        .col(integer(Invitations::Uses))
        .col(timestamp_with_time_zone(Invitations::CreatedAt))
        .col(timestamp_with_time_zone_null(Invitations::ExpiresAt))
        .col(timestamp_with_time_zone_null(Invitations::RevokedAt))
        .foreign_key(&mut of_course(Invitations::Table, Invitations::CourseId))
        .foreign_key(&mut of_user(Invitations::Table, Invitations::OwnerId))
        .to_owned();
    m.create_table(table).await?;
    let index = Index::create()
        .name("invitations_of_course")
        .table(Invitations::Table)
        .col(Invitations::CourseId)
        .to_owned();
    m.create_index(index).await?;
    let uses = Table::create()
        .table(InvitationUses::Table)
        .col(big_integer(InvitationUses::InvitationId))
        .col(big_integer(InvitationUses::UserId))
        .col(timestamp_with_time_zone(InvitationUses::CreatedAt))
        .primary_key(
            Index::create()
                .col(InvitationUses::InvitationId)
                .col(InvitationUses::UserId),
        )
        .foreign_key(&mut belongs_to(
            InvitationUses::Table,
            InvitationUses::InvitationId,
            Invitations::Table,
            Invitations::Id,
        ))
        .foreign_key(&mut of_user(InvitationUses::Table, InvitationUses::UserId))
        .to_owned();
    m.create_table(uses).await
}

async fn requests(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut by = belongs_to(
        EnrollmentRequests::Table,
        EnrollmentRequests::InvitationId,
        Invitations::Table,
        Invitations::Id,
    );
    by.on_delete(ForeignKeyAction::SetNull);
    let table = Table::create()
        .table(EnrollmentRequests::Table)
        .col(big_pk_auto(EnrollmentRequests::Id))
        .col(big_integer(EnrollmentRequests::CourseId))
        .col(big_integer(EnrollmentRequests::UserId))
        .col(string_len(EnrollmentRequests::State, 20))
        .col(string_len(EnrollmentRequests::Reason, 500))
        .col(big_integer_null(EnrollmentRequests::InvitationId))
        .col(timestamp_with_time_zone(EnrollmentRequests::CreatedAt))
        .col(timestamp_with_time_zone_null(EnrollmentRequests::DecidedAt))
        .foreign_key(&mut of_course(
            EnrollmentRequests::Table,
            EnrollmentRequests::CourseId,
        ))
        .foreign_key(&mut of_user(
            EnrollmentRequests::Table,
            EnrollmentRequests::UserId,
        ))
        .foreign_key(&mut by)
        .to_owned();
    m.create_table(table).await?;
    let once = Index::create()
        .name("enrollment_requests_once")
        .table(EnrollmentRequests::Table)
        .col(EnrollmentRequests::CourseId)
        .col(EnrollmentRequests::UserId)
        .unique()
        .to_owned();
    m.create_index(once).await?;
    let line = Index::create()
        .name("enrollment_requests_line")
        .table(EnrollmentRequests::Table)
        .col(EnrollmentRequests::CourseId)
        .col(EnrollmentRequests::State)
        .col(EnrollmentRequests::CreatedAt)
        .to_owned();
    m.create_index(line).await
}

fn of_user(table: impl IntoIden, column: impl IntoIden) -> ForeignKeyCreateStatement {
    belongs_to(table, column, Users::Table, Users::Id)
}

fn of_course(table: impl IntoIden, column: impl IntoIden) -> ForeignKeyCreateStatement {
    belongs_to(table, column, Alias::new("courses"), Alias::new("id"))
}
