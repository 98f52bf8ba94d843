//! A recording that a cloud service converts: one row a job there.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Where a job of the service stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "lowercase"
)]
pub enum TranscodingState {
    /// It is about to be asked for; the service may know it already.
    Starting,
    /// The service has it.
    Running,
    /// The service is done; its results are being looked at.
    Collecting,
    /// Its results are the renditions of the upload.
    Complete,
    /// It went wrong; `fault_detail` says why.
    Failed,
    /// Nobody waits for it any more.
    Canceled,
}

/// A recording that a cloud service converts.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "transcodings")]
pub struct Model {
    /// Its number; names the folder of its results within the upload.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The upload, which may have been deleted.
    pub upload_id: i64,
    /// What the service is told so that it makes one job of it, however often it is asked.
    pub token: String,
    /// What the service calls the job.
    pub external_id: Option<String>,
    /// Where it stands.
    pub state: TranscodingState,
    /// Done so far, 0-100, as the service says.
    pub percent: f64,
    /// Why it failed, in the service's words.
    pub fault_detail: Option<String>,
    /// When the service last spoke of it, or was last asked for it.
    pub heard_at: DateTimeUtc,
    /// When it was asked for.
    pub created_at: DateTimeUtc,
    /// When it was complete, failed or canceled.
    pub ended_at: Option<DateTimeUtc>,
}

/// What a row points at: nothing, for it outlives its upload.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
