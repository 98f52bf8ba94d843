//! The room of a course.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One room; there is a row once something was said.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "chat_rooms")]
pub struct Model {
    /// The course, whose number the room has.
    #[sea_orm(primary_key, auto_increment = false)]
    pub course_id: i64,
    /// Number of the last thing that happened there: a line, a change of one, or its deletion.
    pub last: i64,
    /// Number of the newest line that is not deleted; 0 without any.
    pub last_line: i64,
    /// When that was said.
    pub said_at: Option<DateTimeUtc>,
    /// Only moderators write.
    pub is_locked: bool,
    /// Seconds that everybody but moderators waits between two lines of hers; 0: none.
    pub slow_seconds: i64,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The course it belongs to.
    #[sea_orm(
        belongs_to = "super::course::Entity",
        from = "Column::CourseId",
        to = "super::course::Column::Id"
    )]
    Course,
}

impl Related<super::course::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Course.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
