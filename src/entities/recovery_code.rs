//! What stands in for a lost authenticator, each once.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One recovery code.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "recovery_codes")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// A keyed hash of it, in hex.
    pub code_hash: String,
    /// When it was used up.
    pub used_at: Option<DateTimeUtc>,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
