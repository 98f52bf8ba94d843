//! A stored file made from an upload, or the upload itself.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One stored file of an upload.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "renditions")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The upload.
    pub upload_id: i64,
    /// Its name within the upload, for example `video.mp4` or `poster.jpg`; `original` is the file as sent.
    pub name: String,
    /// Where it is in the store.
    pub key: String,
    /// Its media type.
    pub mime: String,
    /// Its size.
    pub size_bytes: i64,
    /// Width in pixels, of pictures and films.
    pub width: Option<i32>,
    /// Height in pixels, of pictures and films.
    pub height: Option<i32>,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The upload it belongs to.
    #[sea_orm(
        belongs_to = "super::upload::Entity",
        from = "Column::UploadId",
        to = "super::upload::Column::Id"
    )]
    Upload,
}

impl Related<super::upload::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Upload.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
