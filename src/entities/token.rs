//! A key by which a program acts for a person.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A key by which a program acts for a person.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "tokens")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// What its owner calls it.
    pub name: String,
    /// SHA-256 of the key, in hex.
    #[sea_orm(unique)]
    pub token_hash: String,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it was last used, to the hour.
    pub last_used_at: Option<DateTimeUtc>,
    /// For what it may be used, `read learn`; none: for everything that its owner may, as keys were before there
    /// were scopes.
    pub scopes: Option<String>,
    /// From when on it opens nothing.
    pub expires_at: Option<DateTimeUtc>,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The user it belongs to.
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
