//! A part of a course.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A part of a course.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "modules")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The course.
    pub course_id: i64,
    /// 1-200 characters.
    pub title: String,
    /// A sentence or none.
    pub description: String,
    /// Place within the course, from 0; ties are broken by id, newest first.
    pub order: i64,
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
