//! What lets somebody into a room once, within a minute.

use sea_orm::entity::prelude::*;

/// One ticket that was not used yet.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chat_tickets")]
pub struct Model {
    /// Hash of the ticket, which itself is stored nowhere.
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: String,
    /// Whom it lets in.
    pub user_id: i64,
    /// Into the room of which course.
    pub course_id: i64,
    /// The session in which it was asked for, with which it ends.
    pub session_id: Option<i64>,
    /// What the key was good for with which it was asked for, with spaces between; everything without.
    pub scopes: Option<String>,
    /// The account's then; a ticket from before a change of password or rights is good for nothing.
    pub credential_version: i64,
    /// When it is over.
    pub expires_at: DateTimeUtc,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Whom it lets in.
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
