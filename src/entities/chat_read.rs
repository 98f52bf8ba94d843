//! How far somebody has read in the room of a course.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One person in one room.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "chat_reads")]
pub struct Model {
    /// Who reads.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i64,
    /// In the room of which course.
    #[sea_orm(primary_key, auto_increment = false)]
    pub course_id: i64,
    /// Number of the last line that she has read; only grows.
    pub line_id: i64,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
