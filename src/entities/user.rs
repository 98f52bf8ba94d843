//! A person with an account.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A person with an account.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// What she logs in with: 1-150 of `[\w.@+-]`.
    #[sea_orm(unique)]
    pub username: String,
    /// As shown to others; empty: the user name is shown.
    pub name: String,
    /// Mail address; may be empty.
    pub email: String,
    /// When a link that was sent to this address was used; nothing while it may be anybody's.
    pub email_confirmed_at: Option<DateTimeUtc>,
    /// argon2id in PHC form; empty: nobody can log in with a password.
    pub password_hash: String,
    /// Runs the site.
    pub is_staff: bool,
    /// May log in at all.
    pub is_active: bool,
    /// IANA name, for example `Europe/Lisbon`.
    pub time_zone: String,
    /// `system`, `light` or `dark`.
    pub theme: String,
    /// Counts changes of password and rights; remembered credentials name it.
    pub credential_version: i64,
    /// When she registered.
    pub created_at: DateTimeUtc,
    /// When she last logged in.
    pub last_login_at: Option<DateTimeUtc>,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
