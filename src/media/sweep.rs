//! Removing files that nobody owns: of deleted uploads at once, of accidents after a day.

use super::{cloud, store, tus};
use crate::app::App;
use crate::jobs::{Job, JobContext, JobError, PRIORITY_LATER};
use backends::files::Files;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The folder of all uploads in the store.
const FOLDER: &str = "uploads";

/// Half-written files, forgotten work folders, and progress rows are kept so long.
const KEEP: TimeDelta = TimeDelta::days(1);

/// Where the files of one upload are: `uploads/<day>-<random>`.
pub fn prefix(now: DateTime<Utc>, random: u128) -> String {
    format!("{FOLDER}/{}-{random:032x}", now.format("%Y%m%d"))
}

/// The day on which the upload of a key came in.
fn day_of(prefix: &str) -> Option<NaiveDate> {
    let (day, _) = prefix
        .strip_prefix(FOLDER)?
        .strip_prefix('/')?
        .split_once('-')?;
    NaiveDate::parse_from_str(day, "%Y%m%d").ok()
}

/// Deletes what was received and not kept. What cannot be deleted now is swept.
pub fn delete_later(files: Option<Files>, prefix: String) {
    let (Some(files), Ok(runtime)) = (files, tokio::runtime::Handle::try_current()) else {
        return;
    };
    runtime.spawn(async move {
        if let Err(error) = files.delete_prefix(&prefix).await {
            tracing::warn!(%error, prefix, "files that nobody owns could not be deleted");
        }
    });
}

/// Deletes the files of an upload that is no more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeleteFiles {
    /// Key prefix of its files.
    pub prefix: String,
}

impl Job for DeleteFiles {
    const KIND: &'static str = "media.delete_files";
    const MAX_ATTEMPTS: i32 = 10;

    fn priority(&self) -> i32 {
        PRIORITY_LATER
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let app = &context.app;
        if store::is_prefix_used(app.db.read(), &self.prefix).await? {
            return Ok(());
        }
        app.files.delete_prefix(&self.prefix).await?;
        Ok(())
    }
}

/// Removes what accidents left: half-written files, forgotten work folders, old progress rows, uploads
/// that nobody went on with, and stored files without an upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SweepMedia {}

impl Job for SweepMedia {
    const KIND: &'static str = "media.sweep";

    fn priority(&self) -> i32 {
        PRIORITY_LATER
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let app = &context.app;
        let older_than = app.clock.now() - KEEP;
        let temporary = app.files.sweep_temporary(older_than).await?;
        let rows = store::delete_progress(app, older_than).await? + cloud::sweep(app).await?;
        let unfinished = tus::sweep(app).await?;
        let orphans = delete_orphans(app, older_than.date_naive()).await?;
        if temporary > 0 || unfinished > 0 || orphans > 0 {
            tracing::info!(temporary, rows, unfinished, orphans, "swept");
        }
        Ok(())
    }
}

/// Deletes the files of prefixes without an upload that came in before a day; answers of how many prefixes.
async fn delete_orphans(app: &App, before: NaiveDate) -> Result<usize, JobError> {
    let entries = app.files.list(FOLDER).await?;
    let prefixes: BTreeSet<String> = entries
        .iter()
        .filter_map(|entry| {
            let (folder, rest) = entry.key.split_once('/')?;
            let (name, _) = rest.split_once('/')?;
            Some(format!("{folder}/{name}"))
        })
        .filter(|prefix| day_of(prefix).is_some_and(|day| day < before))
        .collect();
    let mut deleted = 0;
    for prefix in prefixes {
        let is_used = store::is_prefix_used(app.db.read(), &prefix).await?
            || tus::is_prefix_awaited(app.db.read(), &prefix).await?;
        if !is_used {
            app.files.delete_prefix(&prefix).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_tells_its_day_and_nothing_else() {
        let now = "2026-03-02T23:59:59Z".parse().unwrap();
        let made = prefix(now, 255);
        assert_eq!(made, "uploads/20260302-000000000000000000000000000000ff");
        assert_eq!(day_of(&made), NaiveDate::from_ymd_opt(2026, 3, 2));
        for other in [
            "uploads/x",
            "uploads/",
            "",
            "else/20260302-ff",
            "uploads/2026-ff",
        ] {
            assert_eq!(day_of(other), None, "{other}");
        }
    }
}
