//! Work to be done outside a request: a durable queue in the site's own database.
//!
//! A job is a serde struct with a name and `run`. It is enqueued in the transaction that needs
//! it, so that neither exists without the other. A worker holds a job by a lease that it renews;
//! when the worker dies the lease ends and another takes the job. Each lease has a new fencing
//! number (Kleppmann, "How to do distributed locking", 2016), and results are written only by
//! the holder of the newest one, so that a job that was run twice is done once.
//!
//! This folder knows no feature; what can be run is listed in `crate::registry`.

mod context;
mod control;
mod line;
mod queue;
mod registry;
mod sweep;
mod worker;

pub use context::JobContext;
pub use control::{
    EVERY_KIND, Paused, cancel_one, get, is_paused, list_paused, pause, resume, retry_one,
};
pub use line::{bring_forward, list_next, places_in_line};
pub use queue::{cancel, enqueue, enqueue_at, find_latest, hold, retry};
pub use registry::{Registry, RegistryBuilder};
pub use sweep::Sweep;
pub use worker::{drain, drain_one, work};

use crate::error::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Who hears that there is work, or that some was canceled.
pub const GROUP: &str = "jobs";

/// Short work, for which it is not worth to let anybody wait.
pub const PRIORITY_SOON: i32 = 1;
/// Ordinary work.
pub const PRIORITY_NORMAL: i32 = 2;
/// Cleaning up. Nothing stands back further, and even this has its turn (see `jobs::line`).
pub const PRIORITY_LATER: i32 = 16;

/// Work to be done outside a request.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name in the table; never changed once it has landed.
    const KIND: &'static str;
    /// After so many attempts it is given up.
    const MAX_ATTEMPTS: i32 = 5;
    /// An attempt that has not got on for so long ([`JobContext::got_on`]) is ended, although its worker still renews
    /// the lease, and counts as one to be tried again.
    const STALL: Duration = Duration::from_secs(3600);

    /// How many rounds of the line it stands back, from [`PRIORITY_SOON`] to [`PRIORITY_LATER`]: smaller
    /// runs sooner.
    fn priority(&self) -> i32 {
        PRIORITY_NORMAL
    }

    /// For whom it is done. The jobs of different people take turns; those of nobody stand back for nobody.
    fn owner_id(&self) -> Option<i64> {
        None
    }

    /// What it works on, for example `upload:7`.
    fn subject(&self) -> Option<String> {
        None
    }

    /// Does the work. May be begun again after it was cut off at any point, so that every step
    /// must bear being done twice; what must happen once is written through [`JobContext::write`].
    fn run(self, context: JobContext) -> impl Future<Output = Result<(), JobError>> + Send;

    /// Called when an attempt was ended because it did not get on, and another follows.
    fn put_off(self, context: JobContext) -> impl Future<Output = Result<(), JobError>> + Send {
        let _ = context;
        async { Ok(()) }
    }

    /// Called once when it is given up, to tell those whom it concerns.
    fn give_up(
        self,
        context: JobContext,
        fault: Fault,
    ) -> impl Future<Output = Result<(), JobError>> + Send {
        let _ = (context, fault);
        async { Ok(()) }
    }
}

/// Why a job was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// For the person whose job it is.
    pub words: String,
    /// For staff.
    pub detail: String,
}

/// How an attempt ended that did not end well.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// It may go better later.
    #[error("to be tried again: {0}")]
    Retry(String),
    /// It will never go well.
    #[error("given up: {}", .0.detail)]
    GiveUp(Fault),
    /// It did not get on, and was ended.
    #[error("ended because it did not get on")]
    Stalled,
    /// Its lease or the whole process ended; nothing it did counts.
    #[error("cut off")]
    CutOff,
}

impl From<Error> for JobError {
    fn from(error: Error) -> Self {
        Self::Retry(error.to_string())
    }
}

impl From<sea_orm::DbErr> for JobError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Retry(error.to_string())
    }
}

impl From<backends::files::FilesError> for JobError {
    fn from(error: backends::files::FilesError) -> Self {
        Self::Retry(error.to_string())
    }
}

/// How long to wait before the next attempt: 5 s, 20 s, 80 s, ... at most an hour.
fn backoff(attempts: i32) -> Duration {
    let exponent = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(0)
        .min(6);
    Duration::from_secs(5 * 4_u64.pow(exponent)).min(Duration::from_secs(3600))
}

#[cfg(test)]
mod tests {
    use super::backoff;

    #[test]
    fn waits_grow_and_have_an_end() {
        let waits: Vec<u64> = (1..=8)
            .map(|attempts| backoff(attempts).as_secs())
            .collect();
        assert_eq!(waits, [5, 20, 80, 320, 1280, 3600, 3600, 3600]);
    }
}
