//! How often something has changed on which remembered values rest.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// How often something has changed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "tag_versions")]
pub struct Model {
    /// What, as `db::Tag` writes it: `course:7`. Without a row it never changed.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tag: String,
    /// Grows with each transaction that changes it. Rows are never deleted, so that no version comes back.
    pub version: i64,
}

/// It points at nothing: what is named may be gone.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
