//! A named set of people who hold permissions together.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A named set of people.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "groups")]
pub struct Model {
    /// Its number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// For example `Instructors`.
    #[sea_orm(unique)]
    pub name: String,
}

/// What a row points at.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
