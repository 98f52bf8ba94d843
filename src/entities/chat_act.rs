//! What moderators did in the rooms of courses.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "lowercase"
)]
#[serde(rename_all = "lowercase")]
pub enum ChatActKind {
    /// The room was closed for all but moderators.
    Lock,
    /// It was opened again.
    Unlock,
    /// Everybody waits so many seconds between two lines; with 0 nobody does any more.
    Slow,
    /// Somebody may not write until a time.
    Mute,
    /// She may again.
    Unmute,
    /// A line of somebody else was deleted.
    Delete,
}

/// One act.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "chat_acts")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// In the room of which course.
    pub course_id: i64,
    /// Who did it; nobody when the account is gone.
    pub moderator_id: Option<i64>,
    /// What.
    pub kind: ChatActKind,
    /// To whom: who was muted, or whose line was deleted.
    pub user_id: Option<i64>,
    /// Which line was deleted.
    pub line_id: Option<i64>,
    /// How slow the room became.
    pub seconds: Option<i64>,
    /// Until when she was muted.
    pub until: Option<DateTimeUtc>,
    /// When it was done.
    pub created_at: DateTimeUtc,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
