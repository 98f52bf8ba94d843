//! Who asks to be let into a course, or waits for a place in it.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// The request of one person for one course. It goes when she is let in.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "enrollment_requests")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// For which course.
    pub course_id: i64,
    /// Who asks.
    pub user_id: i64,
    /// How far it is.
    pub state: RequestState,
    /// Why it was declined, up to 500 characters; may be empty.
    pub reason: String,
    /// The invitation by which she came to ask.
    pub invitation_id: Option<i64>,
    /// When she asked: her place in line.
    pub created_at: DateTimeUtc,
    /// When the teacher decided.
    pub decided_at: Option<DateTimeUtc>,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(20))")]
pub enum RequestState {
    /// The teacher has not decided yet.
    #[sea_orm(string_value = "asked")]
    Asked,
    /// She may come in as soon as there is a place.
    #[sea_orm(string_value = "waiting")]
    Waiting,
    /// The teacher has declined.
    #[sea_orm(string_value = "declined")]
    Declined,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The course.
    #[sea_orm(
        belongs_to = "super::course::Entity",
        from = "Column::CourseId",
        to = "super::course::Column::Id"
    )]
    Course,
    /// Who asks.
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
