//! The answer of a request that made something, kept a day under the key that its sender gave it.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// An answer that was given.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "kept_answers")]
pub struct Model {
    /// Who asked.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i64,
    /// Where: `/api/modules/`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub path: String,
    /// What she called the request.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// A keyed digest of what was sent.
    pub fingerprint: String,
    /// The path of what was made.
    pub location: String,
    /// The validator of the answer.
    pub version: String,
    /// The answer, in JSON.
    pub body: String,
    /// When it was given.
    pub created_at: DateTimeUtc,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Who asked.
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
