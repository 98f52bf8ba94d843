//! Links by which a teacher lets people into a course.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One invitation.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "invitations")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Into which course.
    pub course_id: i64,
    /// Who made it.
    pub owner_id: i64,
    /// SHA-256 of its secret part, in hex.
    #[sea_orm(unique)]
    pub token_hash: String,
    /// What its maker notes for herself, up to 200 characters; may be empty.
    pub note: String,
    /// How many people may come by it; nothing: as many as like.
    pub most_uses: Option<i32>,
    /// How many have come.
    pub uses: i32,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// From when on it lets nobody in; nothing: never.
    pub expires_at: Option<DateTimeUtc>,
    /// When it was taken back.
    pub revoked_at: Option<DateTimeUtc>,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The course into which it leads.
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
