//! How far the line of jobs has come.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// The one row that says how far the line of jobs has come.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "job_line")]
pub struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// The round that jobs join now; grows as jobs are begun.
    pub round: i64,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
