//! The processes of the site.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A process of the site that runs, or was not heard of any more. One that ends as it should takes its row along.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "nodes")]
pub struct Model {
    /// Its name; jobs that it runs carry it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The machine.
    pub host: String,
    /// `serve`, `work`, or `both`.
    pub role: String,
    /// The release.
    pub version: String,
    /// How many jobs it runs at once.
    pub slots: i32,
    /// When it began.
    pub started_at: DateTimeUtc,
    /// When it last gave a sign of life.
    pub heard_at: DateTimeUtc,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
