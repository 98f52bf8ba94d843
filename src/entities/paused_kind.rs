//! Kinds of jobs of which none is begun.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A kind of jobs of which none is begun, on any node, until it is resumed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "paused_kinds")]
pub struct Model {
    /// The kind; `*` for all of them.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    /// User name of who paused it.
    pub by_name: String,
    /// When.
    pub paused_at: DateTimeUtc,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
