//! An upload that arrives in several requests (tus 1.0), until it is whole and for a while after that.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// An upload that arrives in several requests.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "tus_uploads")]
pub struct Model {
    /// Its name in addresses, which cannot be guessed: 32 hexadecimal digits.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Who sends it.
    pub owner_id: i64,
    /// Its size when it is whole; unknown while it is deferred.
    pub length_bytes: Option<i64>,
    /// What it takes of its owner's quota until it is a file of its own.
    pub reserved_bytes: i64,
    /// From here on what is stored was not verified: the checksum of its request is still out.
    pub unverified_from_bytes: Option<i64>,
    /// `Upload-Metadata` as it was sent.
    pub metadata: String,
    /// `Upload-Concat` as it was sent: `partial`, or `final;` and its parts.
    pub concat: Option<String>,
    /// The files that were dropped together with it, in `upload_batches`.
    pub batch: Option<String>,
    /// Key prefix that its files have when it is whole.
    pub prefix: String,
    /// Grows with every connection that goes on with it; only the newest may write.
    pub generation: i64,
    /// The file that it became.
    pub upload_id: Option<i64>,
    /// The content that shows the file, when one was asked for.
    pub content_id: Option<i64>,
    /// When it is forgotten unless somebody goes on with it.
    pub expires_at: DateTimeUtc,
    /// When it was announced.
    pub created_at: DateTimeUtc,
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
