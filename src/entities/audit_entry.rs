//! What was changed by those who run the site: written once, never changed (decision 0032).

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A line of the log. It names people and things as they were called then, so that it can be read when they are gone;
/// nothing points at them, so that nothing keeps them or takes the line with it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "audit_entries")]
pub struct Model {
    /// Its number; it grows.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// When.
    pub created_at: DateTimeUtc,
    /// The number of her account; none: the terminal of the machine.
    pub actor_id: Option<i64>,
    /// Her user name then; of the terminal, the account of the machine.
    pub actor_name: String,
    /// By which way: `admin`, `page`, `api`, `upload` or `terminal`.
    pub via: String,
    /// The address from which she came; empty for the terminal, and for files that came in parts.
    pub address: String,
    /// What was done: `add`, `change`, `delete`, or the name of an action.
    pub act: String,
    /// What sort of thing it was done to, for example `user`.
    pub object_kind: String,
    /// The number of the thing.
    pub object_id: i64,
    /// What it was called then.
    pub object_name: String,
    /// Field by field what stood there before and after, in JSON: [`Change`].
    pub changes: String,
}

/// What became of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which.
    pub field: String,
    /// What stood there; empty where there was nothing.
    pub before: String,
    /// What stands there; empty where there is nothing.
    pub after: String,
}

/// What a row points at: nothing.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
