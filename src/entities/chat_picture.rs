//! Pictures that were sent to the room of a course.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One picture, in one line or in none yet. The file itself is an upload of who sent it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "chat_pictures")]
pub struct Model {
    /// The file.
    #[sea_orm(primary_key, auto_increment = false)]
    pub upload_id: i64,
    /// For the room of which course it was sent.
    pub course_id: i64,
    /// The line that shows it; none until one does.
    pub line_id: Option<i64>,
    /// Its place among the pictures of that line, from 0.
    pub position: i32,
    /// What it shows, in words, for who does not see it; may be empty.
    #[sea_orm(column_type = "Text")]
    pub alt: String,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The file.
    #[sea_orm(
        belongs_to = "super::upload::Entity",
        from = "Column::UploadId",
        to = "super::upload::Column::Id"
    )]
    Upload,
    /// What was made of the file.
    #[sea_orm(
        belongs_to = "super::rendition::Entity",
        from = "Column::UploadId",
        to = "super::rendition::Column::UploadId"
    )]
    Rendition,
}

impl Related<super::upload::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Upload.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
