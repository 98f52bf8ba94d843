//! Trying jobs again and stopping them. What works on a file goes by the verbs of `media`, so that its card and the
//! messages about it stay true.

use super::words::called;
use crate::admin::announcements::{self, SendAnnouncement};
use crate::app::App;
use crate::db::Write;
use crate::entities::job::{self, JobState};
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

/// Does it with one job, together with its line in the log; answers the job as it is then.
///
/// # Errors
/// [`Error::NotFound`] when there is none; [`Error::Conflict`] when there is nothing to try again or to stop, maybe
/// because somebody else was quicker.
pub async fn act(app: &App, by: &By, act: Act, id: i64) -> Result<job::Model> {
    let mut write = app.write().await?;
    let found = jobs::get(&*write, id).await?;
    match act {
        Act::Retry => retry(app, &mut write, by, &found).await?,
        Act::Cancel => cancel(app, &mut write, by, &found).await?,
    }
    let after = jobs::get(&*write, id).await?;
    write.commit().await?;
    Ok(after)
}

async fn retry(app: &App, write: &mut Write, by: &By, found: &job::Model) -> Result<()> {
    // One that waits for its next try goes on by itself: only its time is brought forward.
    let is_put_off = found.state == JobState::Waiting;
    if let Some(upload_id) = media::upload_of(found).filter(|_| !is_put_off) {
        require_newest(write, found).await?;
        media::retry_in(app, write, upload_id).await?;
    } else if let Some(id) = announcement_of(found)? {
        announcements::go_on_in(app, write, id, found).await?;
    } else {
        jobs::retry_one(app, write, found.id).await?;
    }
    note(write, by, Act::Retry, found).await
}

async fn cancel(app: &App, write: &mut Write, by: &By, found: &job::Model) -> Result<()> {
    let is_new = if let Some(upload_id) = media::upload_of(found) {
        require_newest(write, found).await?;
        media::cancel_in(app, write, upload_id).await?
    } else if let Some(id) = announcement_of(found)? {
        // What was announced says on its page that it was stopped; that is its line in the log, too.
        return announcements::stop_in(app, write, by, id).await;
    } else {
        jobs::cancel_one(app, write, found.id).await?
    };
    if is_new {
        note(write, by, Act::Cancel, found).await?;
    }
    Ok(())
}

/// Which announcement a job sends.
fn announcement_of(found: &job::Model) -> Result<Option<i64>> {
    if found.kind != SendAnnouncement::KIND {
        return Ok(None);
    }
    let subject = found.subject.as_deref().unwrap_or("");
    let id = SendAnnouncement::of_subject(subject).ok_or(Error::NotFound)?;
    Ok(Some(id))
}

/// A line of the log, in the transaction of the act.
async fn note(write: &Write, by: &By, act: Act, found: &job::Model) -> Result<()> {
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
    audit::record(write, by, done).await
}

/// An older job of a file has been followed by another, which is what counts.
async fn require_newest(write: &Write, found: &job::Model) -> Result<()> {
    let subject = found.subject.as_deref().unwrap_or("");
    let newest = jobs::find_latest(&**write, subject).await?;
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
