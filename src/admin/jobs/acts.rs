//! Trying jobs again and stopping them. What works on a file goes by the verbs of `media`, so that its card and the
//! messages about it stay true.

use super::words::called;
use crate::admin::announcements::{self, SendAnnouncement};
use crate::app::App;
use crate::entities::job;
use crate::error::{Error, Result};
use crate::jobs::{self, Job as _};
use crate::media;
use crate::web::audit::{self, By, Facts};

/// What is done with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Try it again.
    Retry,
    /// Stop it.
    Cancel,
}

impl Act {
    /// The one of this name.
    ///
    /// # Errors
    /// [`Error::BadRequest`] when there is none.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "retry" => Ok(Self::Retry),
            "cancel" => Ok(Self::Cancel),
            _ => Err(Error::BadRequest(
                "Jobs can be tried again or stopped: act is retry or cancel.".into(),
            )),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
        }
    }
}

/// Does it with one job; answers the job as it is then.
///
/// # Errors
/// [`Error::NotFound`] when there is none; [`Error::Conflict`] when there is nothing to try again or to stop, maybe
/// because somebody else was quicker.
pub async fn act(app: &App, by: &By, act: Act, id: i64) -> Result<job::Model> {
    let found = jobs::get(app.db.read(), id).await?;
    let is_put_off = found.state == job::JobState::Waiting;
    match (act, media::upload_of(&found)) {
        (Act::Retry, Some(upload_id)) if !is_put_off => {
            retry_file(app, &found, upload_id).await?;
        }
        (Act::Cancel, Some(upload_id)) => {
            require_newest(app, &found).await?;
            media::cancel(app, upload_id).await?;
        }
        (Act::Retry, _) => {
            let mut write = app.write().await?;
            jobs::retry_one(app, &mut write, id).await?;
            write.commit().await?;
        }
        (Act::Cancel, None) if found.kind == SendAnnouncement::KIND => {
            stop_announcement(app, by, &found).await?;
        }
        (Act::Cancel, None) => {
            let mut write = app.write().await?;
            jobs::cancel_one(app, &mut write, id).await?;
            write.commit().await?;
        }
    }
    note(app, by, act, &found).await?;
    jobs::get(app.db.read(), id).await
}

/// A line of the log. The change was committed by the verb of a feature, which knows of no log of jobs.
async fn note(app: &App, by: &By, act: Act, found: &job::Model) -> Result<()> {
    let facts = Facts {
        name: called(&found.kind).to_owned(),
        fields: Vec::new(),
    };
    let done = audit::Done {
        act: act.name(),
        kind: "job",
        id: found.id,
        before: None,
        after: Some(&facts),
    };
    let write = app.write().await?;
    audit::record(&write, by, done).await?;
    write.commit().await
}

async fn retry_file(app: &App, found: &job::Model, upload_id: i64) -> Result<()> {
    require_newest(app, found).await?;
    media::retry(app, upload_id).await?;
    Ok(())
}

/// What was announced says on its page that it was stopped.
async fn stop_announcement(app: &App, by: &By, found: &job::Model) -> Result<()> {
    let subject = found.subject.as_deref().unwrap_or("");
    match SendAnnouncement::of_subject(subject) {
        Some(id) => announcements::stop(app, by, id).await,
        None => Err(Error::NotFound),
    }
}

/// An older job of a file has been followed by another, which is what counts.
async fn require_newest(app: &App, found: &job::Model) -> Result<()> {
    let subject = found.subject.as_deref().unwrap_or("");
    let newest = jobs::find_latest(app.db.read(), subject).await?;
    if newest.is_some_and(|newest| newest.id == found.id) {
        Ok(())
    } else {
        Err(Error::Conflict(
            "A newer job works on the same file: look at that one.".into(),
        ))
    }
}

/// How an act on several jobs went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// With how many it was done.
    pub done: usize,
    /// With how many there was nothing to do any more.
    pub passed: usize,
}

/// Does it with several jobs, one after the other; those that have changed meanwhile are passed over.
///
/// # Errors
/// When the database does not answer; what was done until then stays.
pub async fn act_on_all(app: &App, by: &By, wanted: Act, ids: &[i64]) -> Result<Done> {
    let mut done = Done::default();
    for id in ids {
        match Box::pin(act(app, by, wanted, *id)).await {
            Ok(_) => done.done += 1,
            Err(Error::NotFound | Error::Conflict(_)) => done.passed += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
