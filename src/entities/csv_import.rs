//! A file of enrollments that was looked through and waits for a yes.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// What the good lines of a file say. It waits a day at most, for the one who sent it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "csv_imports")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Who sent it.
    pub user_id: i64,
    /// Who is to be enrolled where: pairs of the numbers of an account and a course, in JSON.
    pub body: String,
    /// How many lines were faulty.
    pub faults: i64,
    /// When it was sent.
    pub created_at: DateTimeUtc,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Who sent it.
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
