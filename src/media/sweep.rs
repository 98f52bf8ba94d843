//! Removing files that nobody owns: of deleted uploads at once, of accidents after a day.

use super::{cloud, pictures, store, tus};
use crate::app::App;
use crate::jobs::{Job, JobContext, JobError, PRIORITY_LATER};
use backends::files::Files;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// The folder of all uploads in the store.
const FOLDER: &str = "uploads";

/// Half-written files, forgotten work folders, and progress rows are kept so long.
const KEEP: TimeDelta = TimeDelta::days(1);

/// How often a process looks after its own work folders.
const TIDY_EVERY: Duration = Duration::from_hours(1);

/// Prefixes that are looked for in one query.
const ASKED_AT_ONCE: usize = 500;

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
/// that nobody went on with, pictures of rooms that no line took, and stored files without an upload.
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
        let unsaid = pictures::sweep(app).await?;
        let orphans = delete_orphans(app, older_than.date_naive()).await?;
        if temporary > 0 || unfinished > 0 || unsaid > 0 || orphans > 0 {
            tracing::info!(temporary, rows, unfinished, unsaid, orphans, "swept");
        }
        Ok(())
    }
}

/// Removes now and then, until the process is asked to stop, what accidents left in its own data folder: [`SweepMedia`] runs
/// on one machine, and each has such a folder for itself.
pub async fn keep_tidy(app: App) {
    let mut ticks = tokio::time::interval(TIDY_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.stopping.cancelled() => return,
        }
        match app.files.sweep_work(app.clock.now() - KEEP).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "forgotten work folders were removed"),
            Err(error) => tracing::warn!(%error, "forgotten work folders could not be removed"),
        }
    }
}

/// Deletes the files of prefixes without an upload that came in before a day; answers of how many prefixes.
async fn delete_orphans(app: &App, before: NaiveDate) -> Result<usize, JobError> {
    let mut prefixes = app.files.list_folders(FOLDER).await?;
    prefixes.retain(|prefix| day_of(prefix).is_some_and(|day| day < before));
    let mut deleted = 0;
    for some in prefixes.chunks(ASKED_AT_ONCE) {
        let db = app.db.read();
        let mut used = store::list_used_prefixes(db, some).await?;
        used.extend(tus::list_awaited_prefixes(db, some).await?);
        let used: HashSet<String> = used.into_iter().collect();
        for prefix in some.iter().filter(|prefix| !used.contains(*prefix)) {
            app.files.delete_prefix(prefix).await?;
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
