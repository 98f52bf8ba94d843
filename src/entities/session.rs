//! A browser that is logged in.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A browser that is logged in.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// SHA-256 of the cookie's value, in hex; the value itself is stored nowhere.
    #[sea_orm(unique)]
    pub token_hash: String,
    /// The browser's own description, for the page that lists sessions.
    pub user_agent: String,
    /// Address it logged in from.
    pub address: String,
    /// When it logged in.
    pub created_at: DateTimeUtc,
    /// When it was last used, to the hour.
    pub last_seen_at: DateTimeUtc,
    /// When it ends by itself.
    pub expires_at: DateTimeUtc,
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
