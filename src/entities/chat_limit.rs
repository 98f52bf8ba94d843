//! What keeps somebody from writing in the room of a course for a while.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One person in one room.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "chat_limits")]
pub struct Model {
    /// In the room of which course.
    #[sea_orm(primary_key, auto_increment = false)]
    pub course_id: i64,
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i64,
    /// Until when a moderator has muted her; past or nothing when she is not.
    pub muted_until: Option<DateTimeUtc>,
    /// When she last said something while the room was slowed down.
    pub said_at: Option<DateTimeUtc>,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
