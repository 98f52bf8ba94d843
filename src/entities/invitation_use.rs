//! Who came into a course by which invitation.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One person who came by one invitation.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "invitation_uses")]
pub struct Model {
    /// By which invitation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub invitation_id: i64,
    /// Who.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i64,
    /// When.
    pub created_at: DateTimeUtc,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
