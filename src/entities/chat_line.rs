//! What was said in the room of a course.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "chat_lines")]
pub struct Model {
    /// The course in whose room it was said.
    #[sea_orm(primary_key, auto_increment = false)]
    pub course_id: i64,
    /// Its number: of what happened in the room, this was so manieth.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Who said it; nobody when the account is gone.
    pub user_id: Option<i64>,
    /// 1-4,000 characters; empty when it was deleted.
    #[sea_orm(column_type = "Text")]
    pub text: String,
    /// What its sender calls it, up to 64 characters: the same from the same sender is the same line.
    pub client_id: Option<String>,
    /// Number of what happened to it last; its own when nothing did.
    pub changed: i64,
    /// When it was said.
    pub created_at: DateTimeUtc,
    /// When its sender last changed it.
    pub edited_at: Option<DateTimeUtc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTimeUtc>,
    /// Number of the line of this room that it answers; that may be deleted since.
    pub reply_to: Option<i64>,
    /// User names of those whom it mentions, with spaces between; none when it mentions nobody.
    #[sea_orm(column_type = "Text", nullable)]
    pub mentions: Option<String>,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The room it belongs to.
    #[sea_orm(
        belongs_to = "super::chat_room::Entity",
        from = "Column::CourseId",
        to = "super::chat_room::Column::CourseId"
    )]
    Room,
    /// Who said it.
    #[sea_orm(
        belongs_to = "super::user::Entity",
        from = "Column::UserId",
        to = "super::user::Column::Id"
    )]
    User,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
