//! People, groups, permissions, sessions, tokens; and the group Instructors.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_pk_auto, boolean, string_len, string_len_uniq, timestamp_with_time_zone,
    timestamp_with_time_zone_null,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
pub enum Users {
    Table,
    Id,
    Username,
    Name,
    Email,
    PasswordHash,
    IsStaff,
    IsActive,
    TimeZone,
    Theme,
    CredentialVersion,
    CreatedAt,
    LastLoginAt,
}

#[derive(DeriveIden)]
enum Groups {
    Table,
    Id,
    Name,
}

#[derive(DeriveIden)]
enum GroupPermissions {
    Table,
    GroupId,
    Permission,
}

#[derive(DeriveIden)]
enum UserGroups {
    Table,
    UserId,
    GroupId,
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
    UserId,
    TokenHash,
    UserAgent,
    Address,
    CreatedAt,
    LastSeenAt,
    ExpiresAt,
}

#[derive(DeriveIden)]
enum Tokens {
    Table,
    Id,
    UserId,
    Name,
    TokenHash,
    CreatedAt,
    LastUsedAt,
}

/// The permissions that the group Instructors starts with.
const INSTRUCTOR_ACTIONS: [&str; 4] = ["view", "add", "change", "delete"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, m: &SchemaManager) -> Result<(), DbErr> {
        people(m).await?;
        groups(m).await?;
        credentials(m).await?;
        instructors(m).await
    }
}

/// A foreign key column whose rows go when the row that they point at goes.
pub fn belongs_to(
    child: impl IntoIden,
    column: impl IntoIden,
    parent: impl IntoIden,
    id: impl IntoIden,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from_tbl(child.into_iden())
        .from_col(column.into_iden())
        .to_tbl(parent.into_iden())
        .to_col(id.into_iden())
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

async fn people(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Users::Table)
            .col(big_pk_auto(Users::Id))
            .col(string_len_uniq(Users::Username, 150))
            .col(string_len(Users::Name, 150).default(""))
            .col(string_len(Users::Email, 254).default(""))
            .col(string_len(Users::PasswordHash, 255).default(""))
            .col(boolean(Users::IsStaff).default(false))
            .col(boolean(Users::IsActive).default(true))
            .col(string_len(Users::TimeZone, 64).default("UTC"))
            .col(string_len(Users::Theme, 8).default("system"))
            .col(big_integer(Users::CredentialVersion).default(1))
            .col(timestamp_with_time_zone(Users::CreatedAt))
            .col(timestamp_with_time_zone_null(Users::LastLoginAt))
            .to_owned(),
    )
    .await?;
    // Whether a name is taken in other letters is asked at every registration.
    m.get_connection()
        .execute_unprepared("CREATE INDEX users_username_folded ON users (lower(username))")
        .await
        .map(|_| ())
}

async fn groups(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Groups::Table)
            .col(big_pk_auto(Groups::Id))
            .col(string_len_uniq(Groups::Name, 150))
            .to_owned(),
    )
    .await?;
    m.create_table(
        Table::create()
            .table(GroupPermissions::Table)
            .col(big_integer(GroupPermissions::GroupId))
            .col(string_len(GroupPermissions::Permission, 100))
            .primary_key(
                Index::create()
                    .col(GroupPermissions::GroupId)
                    .col(GroupPermissions::Permission),
            )
            .foreign_key(&mut belongs_to(
                GroupPermissions::Table,
                GroupPermissions::GroupId,
                Groups::Table,
                Groups::Id,
            ))
            .to_owned(),
    )
    .await?;
    m.create_table(
        Table::create()
            .table(UserGroups::Table)
            .col(big_integer(UserGroups::UserId))
            .col(big_integer(UserGroups::GroupId))
            .primary_key(
                Index::create()
                    .col(UserGroups::UserId)
                    .col(UserGroups::GroupId),
            )
            .foreign_key(&mut belongs_to(
                UserGroups::Table,
                UserGroups::UserId,
                Users::Table,
                Users::Id,
            ))
            .foreign_key(&mut belongs_to(
                UserGroups::Table,
                UserGroups::GroupId,
                Groups::Table,
                Groups::Id,
            ))
            .to_owned(),
    )
    .await
}

async fn credentials(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.create_table(
        Table::create()
            .table(Sessions::Table)
            .col(big_pk_auto(Sessions::Id))
            .col(big_integer(Sessions::UserId))
            .col(string_len_uniq(Sessions::TokenHash, 64))
            .col(string_len(Sessions::UserAgent, 300))
            .col(string_len(Sessions::Address, 64))
            .col(timestamp_with_time_zone(Sessions::CreatedAt))
            .col(timestamp_with_time_zone(Sessions::LastSeenAt))
            .col(timestamp_with_time_zone(Sessions::ExpiresAt))
            .foreign_key(&mut belongs_to(
                Sessions::Table,
                Sessions::UserId,
                Users::Table,
                Users::Id,
            ))
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("sessions_user")
            .table(Sessions::Table)
            .col(Sessions::UserId)
            .to_owned(),
    )
    .await?;
    m.create_table(
        Table::create()
            .table(Tokens::Table)
            .col(big_pk_auto(Tokens::Id))
            .col(big_integer(Tokens::UserId))
            .col(string_len(Tokens::Name, 150))
            .col(string_len_uniq(Tokens::TokenHash, 64))
            .col(timestamp_with_time_zone(Tokens::CreatedAt))
            .col(timestamp_with_time_zone_null(Tokens::LastUsedAt))
            .foreign_key(&mut belongs_to(
                Tokens::Table,
                Tokens::UserId,
                Users::Table,
                Users::Id,
            ))
            .to_owned(),
    )
    .await?;
    m.create_index(
        Index::create()
            .name("tokens_user")
            .table(Tokens::Table)
            .col(Tokens::UserId)
            .to_owned(),
    )
    .await
}

async fn instructors(m: &SchemaManager<'_>) -> Result<(), DbErr> {
    m.exec_stmt(
        Query::insert()
            .into_table(Groups::Table)
            .columns([Groups::Name])
            .values_panic(["Instructors".into()])
            .to_owned(),
    )
    .await?;
    for noun in ["course", "module", "content"] {
        for action in INSTRUCTOR_ACTIONS {
            let group = Query::select()
                .column(Groups::Id)
                .expr(Expr::val(format!("courses.{action}_{noun}")))
                .from(Groups::Table)
                .and_where(Expr::col(Groups::Name).eq("Instructors"))
                .to_owned();
            let mut insert = Query::insert();
            insert
                .into_table(GroupPermissions::Table)
                .columns([GroupPermissions::GroupId, GroupPermissions::Permission]);
            insert
                .select_from(group)
                .map_err(|e| DbErr::Custom(e.to_string()))?;
            m.exec_stmt(insert).await?;
        }
    }
    Ok(())
}
