//! What staff tell many people at once.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "lowercase"
)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Everybody with an account.
    Everybody,
    /// The students and the owner of a course.
    Course,
    /// The members of a group.
    Group,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "lowercase"
)]
#[serde(rename_all = "lowercase")]
pub enum AnnouncementState {
    /// On its way.
    Sending,
    /// Everybody was told.
    Sent,
    /// It was stopped, or given up; some may have been told.
    Stopped,
}

/// What staff tell many people at once.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "announcements")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Who wrote it; nobody when the account is gone.
    pub author_id: Option<i64>,
    /// Her user name, which stays.
    pub author_name: String,
    /// Who is told.
    pub audience: Audience,
    /// Number of the course or group; none for everybody.
    pub audience_id: Option<i64>,
    /// Its title or name when it was sent.
    pub audience_name: Option<String>,
    /// What they are told: plain text, 1-250 characters.
    pub text: String,
    /// Where it leads: a path of this site, or empty.
    #[sea_orm(column_type = "Text")]
    pub link: String,
    /// How far it is.
    pub state: AnnouncementState,
    /// How many were to be told when it was sent.
    pub expected: i64,
    /// How many have been told.
    pub told: i64,
    /// The highest number of an account up to which everybody was told.
    pub last_user_id: i64,
    /// When it was sent.
    pub created_at: DateTimeUtc,
    /// When the last was told, or it was stopped.
    pub ended_at: Option<DateTimeUtc>,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
