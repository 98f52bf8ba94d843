//! What a running job has at hand.

use super::{JobError, queue};
use crate::app::App;
use crate::db::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether a job gets on.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a running job has at hand.
#[derive(Clone)]
pub struct JobContext {
    /// The site.
    pub app: App,
    /// Number of the job.
    pub id: i64,
    /// Its fencing number; names the folder that this attempt writes to.
    pub fence: i64,
    /// Which attempt this is, from 1.
    pub attempt: i32,
    /// Canceled when the lease is lost, the job is canceled or the process stops.
    pub canceled: CancellationToken,
    pub(super) is_complete: Arc<AtomicBool>,
    /// When it last got on, in milliseconds of the clock's steady time.
    pub(super) got_on_at: Arc<AtomicU64>,
}

impl JobContext {
    /// Begins a transaction in which this attempt may write results.
    ///
    /// # Errors
    /// [`JobError::CutOff`] when another worker holds the job now.
    pub async fn write(&self) -> Result<Write, JobError> {
        let write = self.app.write().await?;
        self.hold(&write).await?;
        Ok(write)
    }

    /// Lets this attempt write results in a transaction that has begun: for what is to be held before the job.
    ///
    /// # Errors
    /// [`JobError::CutOff`] when another worker holds the job now; then nothing may be committed.
    pub async fn hold(&self, write: &Write) -> Result<(), JobError> {
        if queue::holds(write, self.id, self.fence).await? {
            Ok(())
        } else {
            Err(JobError::CutOff)
        }
    }

    /// The job has got on: the watchdog counts anew (see [`super::Job::STALL`]).
    pub fn got_on(&self) {
        self.got_on_at.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Waits until the job has not got on for so long.
    pub(super) async fn stalled(&self, limit: Duration) {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        while self
            .now_ms()
            .saturating_sub(self.got_on_at.load(Ordering::Relaxed))
            < limit
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.app.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }

    /// Ends the job together with its last results: both are committed, or neither.
    pub async fn complete(&self, write: Write) -> Result<(), JobError> {
        if !queue::finish(&self.app, &write, self.id, self.fence).await? {
            return Err(JobError::CutOff);
        }
        write.commit().await?;
        self.is_complete.store(true, Ordering::Release);
        Ok(())
    }
}
