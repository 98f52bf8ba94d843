//! What every site sweeps by itself: jobs that ended, events that all have heard, sessions that are over, figures that
//! are no longer shown.

use super::queue;
use super::{Job, JobContext, JobError, PRIORITY_LATER};
use crate::entities::job::JobState;
use crate::entities::{figure, kept_answer, node, session};
use crate::error::{Error, Result};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

/// Jobs that ended well are of no use to anybody after this.
const DONE_KEPT: TimeDelta = TimeDelta::days(1);

/// A job that was given up can be tried again for this long.
const FAILED_KEPT: TimeDelta = TimeDelta::days(30);

/// So long the API answers a request that is sent again as it did the first time.
const ANSWERS_KEPT: TimeDelta = TimeDelta::days(1);

/// Every process reads events within moments; one that slept longer reads the database afresh.
const EVENTS_KEPT: TimeDelta = TimeDelta::hours(1);

/// So many slots of each length are kept of figures over time: some more than are shown.
const SLOTS_KEPT: i64 = 400;

/// A process that was not heard of for so long is forgotten.
const NODES_KEPT: TimeDelta = TimeDelta::days(1);

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
        // What has come together takes as long as it takes.
        let writer = app.db.writer().unbounded();
        let ended = [JobState::Done, JobState::Canceled];
        let done = queue::trim(writer, &ended, now - DONE_KEPT).await?;
        let failed = queue::trim(writer, &[JobState::Failed], now - FAILED_KEPT).await?;
        let over = session::Entity::delete_many().filter(session::Column::ExpiresAt.lt(now));
        let sessions = over.exec(writer).await?.rows_affected;
        let answers = kept_answer::Entity::delete_many()
            .filter(kept_answer::Column::CreatedAt.lt(now - ANSWERS_KEPT));
        let answers = answers.exec(writer).await?.rows_affected;
        let events = app.bus.trim(now - EVENTS_KEPT).await.map_err(Error::from)?;
        let figures = trim_figures(writer, now).await?;
        tracing::debug!(
            jobs = done + failed,
            sessions,
            answers,
            events,
            figures,
            "swept"
        );
        Ok(())
    }
}

/// Deletes figures that are older than what is shown, and processes that were lost; answers how many rows.
async fn trim_figures(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<u64> {
    let kept = Expr::col(figure::Column::StepSeconds).mul(SLOTS_KEPT);
    let end = Expr::col(figure::Column::Slot).add(kept);
    let old = figure::Entity::delete_many().filter(end.lt(now.timestamp()));
    let lost = node::Entity::delete_many().filter(node::Column::HeardAt.lt(now - NODES_KEPT));
    let old = old.exec(db).await?.rows_affected;
    Ok(old + lost.exec(db).await?.rows_affected)
}
