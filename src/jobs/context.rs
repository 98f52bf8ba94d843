//! What a running job has at hand.

use super::{JobError, queue};
use crate::app::App;
use crate::db::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

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
}

impl JobContext {
    /// Begins a transaction in which this attempt may write results.
    ///
    /// # Errors
    /// [`JobError::CutOff`] when another worker holds the job now.
    pub async fn write(&self) -> Result<Write, JobError> {
        let write = self.app.write().await?;
        if queue::holds(&write, self.id, self.fence).await? {
            Ok(write)
        } else {
            Err(JobError::CutOff)
        }
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
