//! Who is in which course, and where she stopped.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One student in one course.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "enrollments")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The course.
    pub course_id: i64,
    /// The student.
    pub user_id: i64,
    /// Since when.
    pub created_at: DateTimeUtc,
    /// The module she last opened.
    pub last_module_id: Option<i64>,
    /// The content she last played or marked.
    pub last_content_id: Option<i64>,
    /// When she was last there.
    pub last_seen_at: Option<DateTimeUtc>,
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
    /// The user it belongs to.
    #[sea_orm(
        belongs_to = "super::user::Entity",
        from = "Column::UserId",
        to = "super::user::Column::Id"
    )]
    User,
}

impl Related<super::course::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Course.def()
    }
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
