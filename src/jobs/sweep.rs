//! What every site sweeps by itself: jobs that ended, events that all have heard, sessions that are over.

use super::queue;
use super::{Job, JobContext, JobError, PRIORITY_LATER};
use crate::entities::job::JobState;
use crate::entities::{kept_answer, session};
use crate::error::Error;
use chrono::TimeDelta;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

/// Jobs that ended well are of no use to anybody after this.
const DONE_KEPT: TimeDelta = TimeDelta::days(1);

/// A job that was given up can be tried again for this long.
const FAILED_KEPT: TimeDelta = TimeDelta::days(30);

/// So long the API answers a request that is sent again as it did the first time.
const ANSWERS_KEPT: TimeDelta = TimeDelta::days(1);

/// Every process reads events within moments; one that slept longer reads the database afresh.
const EVENTS_KEPT: TimeDelta = TimeDelta::hours(1);

/// Sweeps what nobody needs any more, so that the database does not grow with the years.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sweep {}

impl Job for Sweep {
    const KIND: &'static str = "sweep";

    fn priority(&self) -> i32 {
        PRIORITY_LATER
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let app = &context.app;
        let now = app.clock.now();
        let writer = app.db.writer();
        let ended = [JobState::Done, JobState::Canceled];
        let done = queue::trim(writer, &ended, now - DONE_KEPT).await?;
        let failed = queue::trim(writer, &[JobState::Failed], now - FAILED_KEPT).await?;
        let over = session::Entity::delete_many().filter(session::Column::ExpiresAt.lt(now));
        let sessions = over.exec(writer).await?.rows_affected;
        let answers = kept_answer::Entity::delete_many()
            .filter(kept_answer::Column::CreatedAt.lt(now - ANSWERS_KEPT));
        let answers = answers.exec(writer).await?.rows_affected;
        let events = app.bus.trim(now - EVENTS_KEPT).await.map_err(Error::from)?;
        tracing::debug!(jobs = done + failed, sessions, answers, events, "swept");
        Ok(())
    }
}
