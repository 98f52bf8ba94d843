//! The log of changes, as tests read it.

use super::TestApp;
use lyceum::entities::audit_entry::{self, Change};
use sea_orm::{EntityTrait, QueryOrder};

impl TestApp {
    /// All its lines, oldest first.
    pub async fn log(&self) -> Vec<audit_entry::Model> {
        let lines = audit_entry::Entity::find().order_by_asc(audit_entry::Column::Id);
        lines.all(self.app.db.read()).await.unwrap()
    }
}

/// What a line says: each field with its value before and after.
pub fn changes_of(line: &audit_entry::Model) -> Vec<(String, String, String)> {
    let changes: Vec<Change> = serde_json::from_str(&line.changes).unwrap();
    let changes = changes.into_iter();
    changes
        .map(|change| (change.field, change.before, change.after))
        .collect()
}
