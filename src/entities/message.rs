//! A sentence to one person about something that concerns her.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// How a message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "lowercase"
)]
#[serde(rename_all = "lowercase")]
pub enum MessageLevel {
    /// Good to know.
    Info,
    /// Something went well.
    Success,
    /// Something wants attention.
    Warning,
    /// Something failed.
    Error,
}

impl MessageLevel {
    /// In a word, for those who see neither color nor icon.
    pub fn words(self) -> &'static str {
        match self {
            Self::Info => "Note",
            Self::Success => "Done",
            Self::Warning => "Attention",
            Self::Error => "Problem",
        }
    }
}

/// A sentence to one person.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// To whom.
    pub recipient_id: i64,
    /// 1-250 characters.
    pub text: String,
    /// How it is meant.
    pub level: MessageLevel,
    /// Where it leads; a path of this site, or empty.
    pub link: String,
    /// She has dismissed it.
    pub is_read: bool,
    /// What it is about; a second message to the same person with the same value is not made.
    pub dedupe_key: Option<String>,
    /// When it was sent.
    pub created_at: DateTimeUtc,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    /// The recipient it belongs to.
    #[sea_orm(
        belongs_to = "super::user::Entity",
        from = "Column::RecipientId",
        to = "super::user::Column::Id"
    )]
    Recipient,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Recipient.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
