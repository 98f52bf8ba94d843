//! A course.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A course.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "courses")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The instructor who made it.
    pub owner_id: i64,
    /// Where it stands.
    pub subject_id: i64,
    /// 1-200 characters.
    pub title: String,
    /// 1-200 of `[A-Za-z0-9_-]`.
    #[sea_orm(unique)]
    pub slug: String,
    /// Markdown.
    pub overview: String,
    /// Only its owner and staff see it.
    pub is_draft: bool,
    /// How many students may be in it; nothing: as many as like.
    pub places: Option<i32>,
    /// Whether its teacher decides who comes in.
    #[serde(default)]
    pub needs_approval: bool,
    /// When it was made; catalogues list newest first.
    pub created_at: DateTimeUtc,
    /// When anything in it last changed.
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
    /// The subject it belongs to.
    #[sea_orm(
        belongs_to = "super::subject::Entity",
        from = "Column::SubjectId",
        to = "super::subject::Column::Id"
    )]
    Subject,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Owner.def()
    }
}

impl Related<super::subject::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Subject.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
