//! A file somebody sent, and how far its processing is.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// What an uploaded file is, told from its bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "lowercase"
)]
#[serde(rename_all = "lowercase")]
pub enum UploadKind {
    /// Offered as it is.
    File,
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A recording.
    Audio,
}

/// Where an uploaded file stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "lowercase"
)]
#[serde(rename_all = "lowercase")]
pub enum UploadState {
    /// In line for processing.
    Waiting,
    /// A worker has it.
    Processing,
    /// All its renditions exist.
    Ready,
    /// It cannot be processed; `fault` says why.
    Failed,
    /// Its processing was stopped on request.
    Canceled,
}

/// A file somebody sent, and how far its processing is.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "uploads")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Who sent it.
    pub owner_id: i64,
    /// Its name on the sender's machine, for people; never a path.
    pub name: String,
    /// What its first bytes say it is.
    pub kind: UploadKind,
    /// Its media type, from its bytes.
    pub mime: String,
    /// Its size.
    pub size_bytes: i64,
    /// Key prefix of all its files in the store.
    pub prefix: String,
    /// Where it stands.
    pub state: UploadState,
    /// Done so far over all steps, 0-100.
    pub progress_percent: f64,
    /// Estimated time left.
    pub eta_seconds: Option<i64>,
    /// Why it failed, in the teacher's words.
    pub fault: Option<String>,
    /// Why it failed, for staff.
    pub fault_detail: Option<String>,
    /// Playing time.
    pub duration_seconds: Option<f64>,
    /// Width as shown, in pixels.
    pub width: Option<i32>,
    /// Height as shown, in pixels.
    pub height: Option<i32>,
    /// The files that were dropped together with it, in `upload_batches`; a UUID of the page.
    pub batch: Option<String>,
    /// When its last byte arrived.
    pub created_at: DateTimeUtc,
    /// When its state last changed.
    pub updated_at: DateTimeUtc,
    /// How often its state or percentage was set: of two words about it, the one with the lower number is the older.
    pub revision: i64,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The owner it belongs to.
    #[sea_orm(
        belongs_to = "super::user::Entity",
        from = "Column::OwnerId",
        to = "super::user::Column::Id"
    )]
    Owner,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Owner.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
