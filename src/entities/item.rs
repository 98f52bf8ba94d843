//! Something to read, look at, hear or download.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// The five kinds of item.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "lowercase"
)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// Plain text or Markdown.
    Text,
    /// A file to download.
    File,
    /// A picture.
    Image,
    /// An uploaded film or a page at a video site.
    Video,
    /// A recording.
    Audio,
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "lowercase"
)]
#[serde(rename_all = "lowercase")]
pub enum TextFormat {
    /// Shown as typed.
    Plain,
    /// CommonMark.
    Markdown,
}

/// Something to read, look at, hear or download.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "items")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Who made it.
    pub owner_id: i64,
    /// Which of the five kinds.
    pub kind: ItemKind,
    /// 1-250 characters.
    pub title: String,
    /// The text, for a text.
    pub body: Option<String>,
    /// How the text is written.
    pub format: TextFormat,
    /// A page at YouTube or Vimeo, for a video that lives there.
    pub url: Option<String>,
    /// The file, for a file, image, audio or own video.
    pub upload_id: Option<i64>,
    /// The file that takes the place of what it shows now, as soon as it is ready.
    pub next_upload_id: Option<i64>,
    /// Whether students may download the film.
    pub allow_download: bool,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it last changed.
    pub updated_at: DateTimeUtc,
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
    /// The upload it belongs to.
    #[sea_orm(
        belongs_to = "super::upload::Entity",
        from = "Column::UploadId",
        to = "super::upload::Column::Id"
    )]
    Upload,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Owner.def()
    }
}

impl Related<super::upload::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Upload.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
