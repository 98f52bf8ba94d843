//! Links in mail that work once: each for one purpose.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One link that was sent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "account_links")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Whose account it concerns.
    pub user_id: i64,
    /// What it does.
    pub purpose: LinkPurpose,
    /// SHA-256 of its secret part, in hex.
    #[sea_orm(unique)]
    pub token_hash: String,
    /// The mail address to which it was sent; with [`LinkPurpose::Email`] the one that it confirms.
    pub email: String,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// From when on it does nothing.
    pub expires_at: DateTimeUtc,
    /// When it did what it is for, or was overtaken by another.
    pub used_at: Option<DateTimeUtc>,
}

/// For what a link is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(20))")]
pub enum LinkPurpose {
    /// Choosing a new password.
    #[sea_orm(string_value = "password")]
    Password,
    /// Confirming a mail address.
    #[sea_orm(string_value = "email")]
    Email,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Whose account it concerns.
    #[sea_orm(
        belongs_to = "super::user::Entity",
        from = "Column::UserId",
        to = "super::user::Column::Id"
    )]
    User,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
