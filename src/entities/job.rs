//! Work to be done outside a request.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "lowercase"
)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// In line.
    Waiting,
    /// A worker holds its lease.
    Running,
    /// Finished well.
    Done,
    /// Given up.
    Failed,
    /// Ended on request.
    Canceled,
}

/// Work to be done outside a request.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Which job type runs it.
    pub kind: String,
    /// The job itself, as JSON.
    pub payload: String,
    /// Where it stands.
    pub state: JobState,
    /// How many rounds of the line it stands back: smaller runs sooner.
    pub priority: i32,
    /// For whom it is done; the jobs of different people take turns.
    pub owner_id: Option<i64>,
    /// The round in which it would begin if it stood back for nobody.
    pub round: i64,
    /// Its place among those that wait: smaller runs first.
    pub turn: i64,
    /// Somebody watches a page that shows it; that brings it forward, once.
    pub is_awaited: bool,
    /// What it works on, for example `upload:7`; for cancelling and for its place in line.
    pub subject: Option<String>,
    /// Not before this time.
    pub run_at: DateTimeUtc,
    /// How often it was begun.
    pub attempts: i32,
    /// After so many attempts it is given up.
    pub max_attempts: i32,
    /// Who has it.
    pub worker: Option<String>,
    /// Grows with every lease; only its holder may write results.
    pub fence: i64,
    /// Until when its worker holds it; past that another may take it.
    pub leased_until: Option<DateTimeUtc>,
    /// Why it last failed.
    pub fault: Option<String>,
    /// When it was enqueued.
    pub created_at: DateTimeUtc,
    /// When it last changed.
    pub updated_at: DateTimeUtc,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
