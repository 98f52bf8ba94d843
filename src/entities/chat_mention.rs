//! Who is mentioned in which line and has not read it yet.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One person in one line. Gone once she has read it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "chat_mentions")]
pub struct Model {
    /// Who is mentioned.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i64,
    /// In the room of which course.
    #[sea_orm(primary_key, auto_increment = false)]
    pub course_id: i64,
    /// In which line.
    #[sea_orm(primary_key, auto_increment = false)]
    pub line_id: i64,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
