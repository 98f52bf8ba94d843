//! How much of an upload by form has arrived, by the key that its page made: kept in the
//! database, so that every process of the site can tell.
//!
//! A task of its own writes the rows, a few times a second at most, so that an upload never waits
//! for the database. It lives longer than the request: when the request is dropped because the sender
//! went away, the row says so, and nobody asks for ever.

use super::store;
use crate::app::App;
use crate::error::{Error, Result};
use chrono::TimeDelta;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Between two writes of the same row.
const WRITE_EVERY: Duration = Duration::from_millis(250);
/// A row that has not moved for this long belongs to a process that is no more; uploads that
/// stand still are ended before.
const STALE_AFTER: TimeDelta = TimeDelta::minutes(5);

const LOST: &str =
    "The connection was lost before the whole file had arrived. Please send it again.";

/// State of a row: bytes are coming in.
pub(super) const RECEIVING: &str = "receiving";
/// State of a row: all is here.
pub(super) const COMPLETE: &str = "complete";
/// State of a row: it will not arrive any more.
pub(super) const FAILED: &str = "failed";

/// The key that a page made: a UUID (RFC 9562), in either spelling, with hyphens or without.
pub fn read_key(text: &str) -> Option<String> {
    let is_plain = matches!(text.len(), 32 | 36);
    let key = Uuid::try_parse(text).ok().filter(|_| is_plain)?;
    Some(key.hyphenated().to_string())
}

/// How far an upload is; answers to polling.
#[derive(Debug, PartialEq, Eq)]
pub struct Status {
    /// Bytes received.
    pub uploaded: i64,
    /// Bytes announced.
    pub total: i64,
}

/// How far the person's upload of this key is.
///
/// # Errors
/// [`Error::NotFound`] for a key that is nobody's or somebody else's; [`Error::Gone`] when the upload failed.
pub async fn get_status(app: &App, user_id: i64, key: &str) -> Result<Status> {
    let key = read_key(key).ok_or(Error::NotFound)?;
    let row = store::find_progress(app.db.read(), user_id, &key)
        .await?
        .ok_or(Error::NotFound)?;
    let is_stale = row.state == RECEIVING && row.updated_at < app.clock.now() - STALE_AFTER;
    if row.state == FAILED || is_stale {
        return Err(Error::Gone(row.fault.unwrap_or_else(|| LOST.into())));
    }
    Ok(Status {
        uploaded: row.uploaded_bytes,
        total: row.total_bytes,
    })
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Receiving(u64),
    Complete(u64),
    Failed(u64, String),
}

impl Step {
    fn is_end(&self) -> bool {
        !matches!(self, Self::Receiving(_))
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Receiving(bytes) | Self::Complete(bytes) | Self::Failed(bytes, _) => *bytes,
        }
    }
}

/// The row of one upload while it comes in. Dropped before its end, it says that the upload was cut off.
#[derive(Debug)]
pub struct Tracker {
    steps: watch::Sender<Step>,
    task: JoinHandle<()>,
}

impl Tracker {
    /// Makes the row.
    ///
    /// # Errors
    /// [`Error::Conflict`] when this person has used the key before.
    pub async fn begin(app: &App, user_id: i64, key: String, total: u64) -> Result<Self> {
        if !store::insert_progress(app, user_id, &key, count(total)).await? {
            return Err(Error::Conflict(
                "This upload key is in use or was used before. Reload the page and send the file again."
                    .into(),
            ));
        }
        let (steps, heard) = watch::channel(Step::Receiving(0));
        let row = Row {
            app: app.clone(),
            user_id,
            key,
            total,
        };
        let task = tokio::spawn(row.follow(heard));
        Ok(Self { steps, task })
    }

    /// So many bytes have come in.
    pub fn at(&self, bytes: u64) {
        self.steps.send_replace(Step::Receiving(bytes));
    }

    /// All is here; returns when every process can tell.
    pub async fn complete(self) {
        let bytes = self.steps.borrow().bytes();
        self.end(Step::Complete(bytes)).await;
    }

    /// It will not be taken; returns when every process can tell.
    pub async fn fail(self, reason: String) {
        let bytes = self.steps.borrow().bytes();
        self.end(Step::Failed(bytes, reason)).await;
    }

    async fn end(self, step: Step) {
        self.steps.send_replace(step);
        // The task only ends; that it panicked would have been logged.
        let _ = self.task.await;
    }
}

struct Row {
    app: App,
    user_id: i64,
    key: String,
    total: u64,
}

impl Row {
    async fn follow(self, mut steps: watch::Receiver<Step>) {
        let mut written = Step::Receiving(0);
        loop {
            let step = match steps.wait_for(|step| *step != written).await {
                Ok(step) => step.clone(),
                Err(_) => Step::Failed(written.bytes(), LOST.into()),
            };
            if let Err(error) = self.write(&step).await {
                tracing::warn!(%error, "the progress of an upload could not be written");
            }
            if step.is_end() {
                return;
            }
            written = step;
            // The end is told at once; that the sender went away is seen in the next round.
            let ended = steps.wait_for(Step::is_end);
            let _ = tokio::time::timeout(WRITE_EVERY, ended).await;
        }
    }

    async fn write(&self, step: &Step) -> Result<()> {
        let (bytes, state, fault) = match step {
            Step::Receiving(bytes) => (*bytes, RECEIVING, None),
            Step::Complete(bytes) => (*bytes, COMPLETE, None),
            Step::Failed(bytes, reason) => (*bytes, FAILED, Some(reason.as_str())),
        };
        let total = match step {
            Step::Complete(bytes) => *bytes,
            _ => self.total.max(bytes),
        };
        let row = (self.user_id, self.key.as_str());
        store::update_progress(&self.app, row, (count(bytes), count(total)), state, fault).await
    }
}

fn count(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::read_key;

    #[test]
    fn only_a_uuid_is_a_key() {
        let key = "0f5a3c9e-1b2d-4e6f-8a7b-9c0d1e2f3a4b";
        assert_eq!(read_key(key).as_deref(), Some(key));
        assert_eq!(read_key(&key.to_uppercase()).as_deref(), Some(key));
        assert_eq!(read_key(&key.replace('-', "")).as_deref(), Some(key));
        for token in [
            "",
            "abc",
            "ZgSCkkL3hXv0bXqJ1gkKPA.6bX0uQmBMzv0Vt9",
            "{0f5a3c9e-1b2d-4e6f-8a7b-9c0d1e2f3a4b}",
            "0f5a3c9e-1b2d-4e6f-8a7b-9c0d1e2f3a4",
            "äöüß-1b2d-4e6f-8a7b-9c0d1e2f3a4b",
        ] {
            assert_eq!(read_key(token), None, "{token}");
        }
    }
}
