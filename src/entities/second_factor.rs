//! The second step of logging in: a secret that only the site and somebody's authenticator know (RFC 6238).

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// The second factor of one account.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "second_factors")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i64,
    /// Encrypted under the site's secret, in base64.
    pub secret: String,
    /// The newest step of time whose code was taken: no code is good twice.
    pub last_step: i64,
    /// When the secret was made.
    pub created_at: DateTimeUtc,
    /// Since when it is asked for; nothing while no code of it was shown yet.
    pub confirmed_at: Option<DateTimeUtc>,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
