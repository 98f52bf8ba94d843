//! A message of Amazon SNS that was heeded; SNS may deliver it again.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A message that was heeded.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "sns_messages")]
pub struct Model {
    /// ARN of its topic.
    #[sea_orm(primary_key, auto_increment = false)]
    pub topic: String,
    /// Its name, unique within the topic.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: String,
    /// When it came first.
    pub received_at: DateTimeUtc,
}

/// What a row points at: nothing.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
