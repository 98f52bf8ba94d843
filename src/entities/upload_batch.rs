//! Files that were dropped together: their sender hears of them once.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Files that were dropped together.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "upload_batches")]
pub struct Model {
    /// Who sends them.
    #[sea_orm(primary_key, auto_increment = false)]
    pub owner_id: i64,
    /// The UUID that the page gave them.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// How many there are, as the page last said.
    pub files: i32,
    /// How many have arrived.
    pub arrived: i32,
    /// Whether she has heard of them.
    pub is_told: bool,
    /// When the first was announced.
    pub created_at: DateTimeUtc,
    /// When one last came, or its processing ended.
    pub updated_at: DateTimeUtc,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The owner it belongs to.
    #[sea_orm(
        belongs_to = "super::user::Entity",
        from = "Column::OwnerId",
        to = "super::user::Column::Id"
    )]
    Owner,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Owner.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
