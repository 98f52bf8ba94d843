//! How much of an upload by form has arrived, by the key its page made.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// How much of one upload has arrived.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "upload_progress")]
pub struct Model {
    /// The sender.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i64,
    /// The UUID that the page made.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// Bytes received.
    pub uploaded_bytes: i64,
    /// Bytes announced.
    pub total_bytes: i64,
    /// `receiving`, `complete` or `failed`.
    pub state: String,
    /// Why it failed.
    pub fault: Option<String>,
    /// When it last moved.
    pub updated_at: DateTimeUtc,
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
