//! Pausing kinds of jobs, and resuming them. Files that wait say on their cards that the queue is paused.

use super::words;
use crate::app::App;
use crate::db::Write;
use crate::error::{Error, Result};
use crate::jobs::{self, EVERY_KIND};
use crate::media;
use crate::web::audit::{self, By, Facts};

/// Begins no job of this kind any more, on any node; what runs goes on to its end. Twice is once.
///
/// # Errors
/// [`Error::NotFound`] for a kind that there is not.
pub async fn pause(app: &App, kind: &str, by: &By) -> Result<()> {
    require_known(kind)?;
    let mut write = app.write().await?;
    if jobs::pause(app, &write, kind, &by.name).await? {
        note(&write, by, "pause", kind).await?;
    }
    media::tell_of_line(&mut write).await?;
    write.commit().await
}

/// Begins jobs of this kind again. Twice is once.
///
/// # Errors
/// [`Error::NotFound`] for a kind that there is not.
pub async fn resume(app: &App, kind: &str, by: &By) -> Result<()> {
    require_known(kind)?;
    let mut write = app.write().await?;
    if jobs::resume(&mut write, kind).await? {
        note(&write, by, "resume", kind).await?;
    }
    media::tell_of_line(&mut write).await?;
    write.commit().await
}

/// A line of the log, in the transaction of the change.
async fn note(write: &Write, by: &By, act: &str, kind: &str) -> Result<()> {
    let facts = Facts {
        name: match kind {
            EVERY_KIND => "Every kind".to_owned(),
            kind => words::called(kind).to_owned(),
        },
        fields: Vec::new(),
    };
    let done = audit::Done {
        act,
        kind: "job",
        id: 0,
        before: None,
        after: Some(&facts),
    };
    audit::record(write, by, done).await
}

fn require_known(kind: &str) -> Result<()> {
    if kind == EVERY_KIND || words::known().any(|known| known == kind) {
        Ok(())
    } else {
        Err(Error::NotFound)
    }
}
