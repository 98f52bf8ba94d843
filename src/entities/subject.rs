//! A field of study, under which courses stand.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A field of study.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "subjects")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// 1-200 characters.
    pub title: String,
    /// 1-200 of `[A-Za-z0-9_-]`.
    #[sea_orm(unique)]
    pub slug: String,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
