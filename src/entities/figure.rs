//! What one process counted and measured in one slot of time.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// What one process counted and measured in one slot of time. Counts are those of the slot alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "figures")]
pub struct Model {
    /// How long the slot is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub step_seconds: i32,
    /// When it began, in seconds since 1970 UTC.
    #[sea_orm(primary_key, auto_increment = false)]
    pub slot: i64,
    /// Which process.
    #[sea_orm(primary_key, auto_increment = false)]
    pub node: String,
    /// How long answers took: how many fell into each class of time, as a JSON array.
    #[sea_orm(column_type = "Text")]
    pub timings: String,
    /// How often it was measured.
    pub samples: i64,
    /// Requests that were answered.
    pub requests: i64,
    /// Those of them that were answered by a fault of the site (5xx).
    pub errors: i64,
    /// Those of them whose answer was kept already.
    pub kept: i64,
    /// Reads of the caches that found something.
    pub hits: i64,
    /// Reads that did not.
    pub misses: i64,
    /// Entries that the caches pushed out for want of room.
    pub evictions: i64,
    /// Most jobs that were due and waited.
    pub queue: i64,
    /// How long the oldest of them had waited at most.
    pub oldest_seconds: i64,
    /// Memory that the process held, summed over the samples.
    pub memory_bytes: i64,
    /// Streams and sockets that were open, summed over the samples.
    pub sockets: i64,
    /// Files as they were sent, at the end.
    pub originals_bytes: i64,
    /// What was made of them, at the end.
    pub renditions_bytes: i64,
    /// Uploads that are not finished, at the end.
    pub waiting_bytes: i64,
    /// The database, at the end.
    pub database_bytes: i64,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
