//! The table `jobs`: in line, leased, done, failed.

use super::control::is_not_paused;
use super::{Fault, GROUP, Job, backoff, line};
use crate::app::App;
use crate::db::Write;
use crate::entities::job::{self, JobState};
use crate::error::{Error, Result};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, LockBehavior, LockType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};

/// What is told on [`GROUP`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum JobEvent {
    /// There is work.
    Enqueued,
    /// Whoever runs this job stops.
    Canceled {
        /// Which.
        id: i64,
    },
}

/// Puts a job in line, in the caller's transaction; answers its number.
pub async fn enqueue<J: Job>(app: &App, write: &mut Write, job: &J) -> Result<i64> {
    enqueue_at(app, write, job, app.clock.now()).await
}

/// Puts a job in line that does not run before a time.
pub async fn enqueue_at<J: Job>(
    app: &App,
    write: &mut Write,
    job: &J,
    run_at: DateTime<Utc>,
) -> Result<i64> {
    let now = app.clock.now();
    let standing = line::join(write, job.priority(), job.owner_id()).await?;
    let row = job::ActiveModel {
        kind: Set(J::KIND.to_owned()),
        payload: Set(serde_json::to_string(job).map_err(Error::internal)?),
        state: Set(JobState::Waiting),
        priority: Set(job.priority()),
        owner_id: Set(job.owner_id()),
        round: Set(standing.round),
        turn: Set(standing.turn),
        is_awaited: Set(false),
        subject: Set(job.subject()),
        run_at: Set(run_at),
        attempts: Set(0),
        max_attempts: Set(J::MAX_ATTEMPTS),
        fence: Set(0),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let inserted = job::Entity::insert(row).exec(&**write).await?;
    write.publish(GROUP, &JobEvent::Enqueued).await?;
    Ok(inserted.last_insert_id)
}

/// Holds what waits or runs for these subjects until the end of the transaction, in the order of their numbers.
pub async fn hold(write: &Write, subjects: &[String]) -> Result<()> {
    let open = job::Entity::find()
        .filter(job::Column::Subject.is_in(subjects.iter().map(String::as_str)))
        .filter(job::Column::State.is_in([JobState::Waiting, JobState::Running]))
        .order_by_asc(job::Column::Id)
        .lock_exclusive();
    open.all(&**write).await?;
    Ok(())
}

/// Ends what waits or runs for a subject; answers whether there was anything.
pub async fn cancel(app: &App, write: &mut Write, subject: &str) -> Result<bool> {
    let open = [JobState::Waiting, JobState::Running];
    let ids: Vec<i64> = job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .filter(job::Column::Subject.eq(subject))
        .filter(job::Column::State.is_in(open))
        .into_tuple()
        .all(&**write)
        .await?;
    if ids.is_empty() {
        return Ok(false);
    }
    job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value(JobState::Canceled))
        .col_expr(job::Column::UpdatedAt, Expr::value(app.clock.now()))
        .filter(job::Column::Id.is_in(ids.clone()))
        // One that ended a moment ago stays as it ended.
        .filter(job::Column::State.is_in(open))
        .exec(&**write)
        .await?;
    for id in ids {
        write.publish(GROUP, &JobEvent::Canceled { id }).await?;
    }
    Ok(true)
}

/// Puts the newest failed job of a subject in line again; answers whether there was one.
pub async fn retry(app: &App, write: &mut Write, subject: &str) -> Result<bool> {
    let Some(found) = find_latest(&**write, subject).await? else {
        return Ok(false);
    };
    let now = app.clock.now();
    let none: Option<String> = None;
    let standing = line::join(write, found.priority, found.owner_id).await?;
    let again = job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value(JobState::Waiting))
        .col_expr(job::Column::Round, Expr::value(standing.round))
        .col_expr(job::Column::Turn, Expr::value(standing.turn))
        .col_expr(job::Column::Attempts, Expr::value(0))
        .col_expr(job::Column::Fault, Expr::value(none))
        .col_expr(job::Column::RunAt, Expr::value(now))
        .col_expr(job::Column::UpdatedAt, Expr::value(now))
        .filter(job::Column::Id.eq(found.id))
        .filter(job::Column::State.is_in([JobState::Failed, JobState::Canceled]))
        .exec(&**write)
        .await?;
    if again.rows_affected == 0 {
        return Ok(false);
    }
    write.publish(GROUP, &JobEvent::Enqueued).await?;
    Ok(true)
}

/// The newest job of a subject.
pub async fn find_latest(db: &impl ConnectionTrait, subject: &str) -> Result<Option<job::Model>> {
    let find = job::Entity::find()
        .filter(job::Column::Subject.eq(subject))
        .order_by_desc(job::Column::Id);
    Ok(find.one(db).await?)
}

/// Takes the next job of these kinds: one whose worker no longer renews its lease, else the next
/// that is due. Each is one step in the index `jobs_turn`, however long the line is.
pub(super) async fn claim(app: &App, worker: &str, kinds: &[&str]) -> Result<Option<job::Model>> {
    let write = app.write().await?;
    let now = app.clock.now();
    let found = match lock_first(&write, is_abandoned(now), kinds).await? {
        Some(found) => Some(found),
        None => lock_first(&write, is_waiting(now), kinds).await?,
    };
    let Some(mut found) = found else {
        return Ok(None);
    };
    found.fence += 1;
    found.attempts += 1;
    found.state = JobState::Running;
    job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value(JobState::Running))
        .col_expr(job::Column::Worker, Expr::value(worker))
        .col_expr(job::Column::Fence, Expr::value(found.fence))
        .col_expr(job::Column::Attempts, Expr::value(found.attempts))
        .col_expr(job::Column::LeasedUntil, Expr::value(lease_end(app, now)))
        .col_expr(job::Column::UpdatedAt, Expr::value(now))
        .filter(job::Column::Id.eq(found.id))
        .exec(&*write)
        .await?;
    line::advance(&write, &found).await?;
    write.commit().await?;
    Ok(Some(found))
}

/// Locks the first row that no other worker is about to take.
async fn lock_first(
    write: &Write,
    condition: Condition,
    kinds: &[&str],
) -> Result<Option<job::Model>> {
    let first = job::Entity::find()
        .filter(condition)
        .filter(job::Column::Kind.is_in(kinds.iter().copied()))
        .filter(is_not_paused())
        .order_by_asc(job::Column::Turn)
        .order_by_asc(job::Column::Id)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    Ok(first.one(&**write).await?)
}

fn is_waiting(now: DateTime<Utc>) -> Condition {
    Condition::all()
        .add(job::Column::State.eq(JobState::Waiting))
        .add(job::Column::RunAt.lte(now))
}

fn is_abandoned(now: DateTime<Utc>) -> Condition {
    Condition::all()
        .add(job::Column::State.eq(JobState::Running))
        .add(job::Column::LeasedUntil.lt(now))
}

/// Whether anything is due, without taking it: workers look with this before they lock.
pub(super) async fn is_due(app: &App, kinds: &[&str]) -> Result<bool> {
    let now = app.clock.now();
    let due = Condition::any().add(is_waiting(now)).add(is_abandoned(now));
    let found: Option<i64> = job::Entity::find()
        .select_only()
        .column(job::Column::Id)
        .filter(due)
        .filter(job::Column::Kind.is_in(kinds.iter().copied()))
        .filter(is_not_paused())
        .into_tuple()
        .one(app.db.read())
        .await?;
    Ok(found.is_some())
}

/// When the lease that is given or renewed now ends.
fn lease_end(app: &App, now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::seconds(i64::try_from(app.config.lease_seconds).unwrap_or(30))
}

/// Renews the lease; `false` when somebody else holds the job now, or it was canceled.
pub(super) async fn renew(app: &App, id: i64, fence: i64) -> Result<bool> {
    let renewed = held(id, fence)
        .col_expr(
            job::Column::LeasedUntil,
            Expr::value(lease_end(app, app.clock.now())),
        )
        .exec(app.db.writer())
        .await?;
    Ok(renewed.rows_affected == 1)
}

/// The row, while this lease holds it.
fn held(id: i64, fence: i64) -> sea_orm::UpdateMany<job::Entity> {
    job::Entity::update_many()
        .filter(job::Column::Id.eq(id))
        .filter(job::Column::Fence.eq(fence))
        .filter(job::Column::State.eq(JobState::Running))
}

/// Ends the job in the caller's transaction; `false` when the lease was lost, then nothing may be committed.
pub(super) async fn finish(app: &App, write: &Write, id: i64, fence: i64) -> Result<bool> {
    let none: Option<DateTime<Utc>> = None;
    let finished = held(id, fence)
        .col_expr(job::Column::State, Expr::value(JobState::Done))
        .col_expr(job::Column::LeasedUntil, Expr::value(none))
        .col_expr(job::Column::UpdatedAt, Expr::value(app.clock.now()))
        .exec(&**write)
        .await?;
    Ok(finished.rows_affected == 1)
}

/// Whether the lease still holds, locking the row for the rest of the transaction.
pub(super) async fn holds(write: &Write, id: i64, fence: i64) -> Result<bool> {
    let touched = held(id, fence)
        .col_expr(job::Column::Fence, Expr::value(fence))
        .exec(&**write)
        .await?;
    Ok(touched.rows_affected == 1)
}

/// Gives the job back, to be taken at once by another; the attempt does not count.
pub(super) async fn hand_back(app: &App, job: &job::Model) -> Result<()> {
    let mut write = app.write().await?;
    put_in_line(app, &write, job, job.attempts - 1, app.clock.now(), None).await?;
    write.publish(GROUP, &JobEvent::Enqueued).await?;
    write.commit().await
}

/// Puts the job in line again after a growing wait.
pub(super) async fn retry_later(app: &App, job: &job::Model, reason: &str) -> Result<()> {
    let wait = TimeDelta::from_std(backoff(job.attempts)).unwrap_or(TimeDelta::hours(1));
    let write = app.write().await?;
    put_in_line(
        app,
        &write,
        job,
        job.attempts,
        app.clock.now() + wait,
        Some(reason),
    )
    .await?;
    write.commit().await
}

async fn put_in_line(
    app: &App,
    write: &Write,
    job: &job::Model,
    attempts: i32,
    run_at: DateTime<Utc>,
    fault: Option<&str>,
) -> Result<()> {
    let none: Option<DateTime<Utc>> = None;
    held(job.id, job.fence)
        .col_expr(job::Column::State, Expr::value(JobState::Waiting))
        .col_expr(job::Column::Attempts, Expr::value(attempts))
        .col_expr(job::Column::RunAt, Expr::value(run_at))
        .col_expr(job::Column::LeasedUntil, Expr::value(none))
        .col_expr(job::Column::Fault, Expr::value(fault))
        .col_expr(job::Column::UpdatedAt, Expr::value(app.clock.now()))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Marks the job as given up; `false` when the lease was lost.
pub(super) async fn fail(app: &App, job: &job::Model, fault: &Fault) -> Result<bool> {
    let none: Option<DateTime<Utc>> = None;
    let failed = held(job.id, job.fence)
        .col_expr(job::Column::State, Expr::value(JobState::Failed))
        .col_expr(job::Column::LeasedUntil, Expr::value(none))
        .col_expr(job::Column::Fault, Expr::value(fault.detail.as_str()))
        .col_expr(job::Column::UpdatedAt, Expr::value(app.clock.now()))
        .exec(app.db.writer())
        .await?;
    Ok(failed.rows_affected == 1)
}

/// Deletes what ended before a time; answers how many.
pub(super) async fn trim(
    db: &impl ConnectionTrait,
    ended: &[JobState],
    before: DateTime<Utc>,
) -> Result<u64> {
    let delete = job::Entity::delete_many()
        .filter(job::Column::State.is_in(ended.iter().copied()))
        .filter(job::Column::UpdatedAt.lt(before));
    Ok(delete.exec(db).await?.rows_affected)
}

/// Whether a job of this kind waits or runs.
pub(super) async fn is_open(db: &impl ConnectionTrait, kind: &str) -> Result<bool> {
    let open = [JobState::Waiting, JobState::Running];
    let find = job::Entity::find()
        .filter(job::Column::Kind.eq(kind))
        .filter(job::Column::State.is_in(open));
    Ok(find.count(db).await? > 0)
}
