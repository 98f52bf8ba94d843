//! What staff do with single jobs and with whole kinds: try again, stop, pause, resume.
//!
//! What a job works on may have a state of its own, an upload for example: then the feature's verb is asked, which calls
//! those of `queue` by what it works on.

use super::queue::JobEvent;
use super::{GROUP, line};
use crate::app::App;
use crate::db::Write;
use crate::entities::job::{self, JobState};
use crate::entities::paused_kind;
use crate::error::{Error, Result};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, OnConflict, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder,
};

/// Stands for every kind.
pub const EVERY_KIND: &str = "*";

/// The job of this number.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(db: &impl ConnectionTrait, id: i64) -> Result<job::Model> {
    let found = job::Entity::find_by_id(id).one(db).await?;
    found.ok_or(Error::NotFound)
}

/// Puts a job in line again that was given up or stopped; one that waits for the time to be tried again, at once.
///
/// # Errors
/// [`Error::NotFound`] when there is none; [`Error::Conflict`] when there is nothing to try again: it runs, is in line or
/// done, maybe because somebody else was quicker.
pub async fn retry_one(app: &App, write: &mut Write, id: i64) -> Result<()> {
    let found = get(&**write, id).await?;
    let now = app.clock.now();
    let none: Option<String> = None;
    let standing = line::join(write, found.priority, found.owner_id).await?;
    let ended = job::Column::State.is_in([JobState::Failed, JobState::Canceled]);
    let put_off = Condition::all()
        .add(job::Column::State.eq(JobState::Waiting))
        .add(job::Column::Fault.is_not_null())
        .add(job::Column::RunAt.gt(now));
    let again = job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value(JobState::Waiting))
        .col_expr(job::Column::Round, Expr::value(standing.round))
        .col_expr(job::Column::Turn, Expr::value(standing.turn))
        .col_expr(job::Column::Attempts, Expr::value(0))
        .col_expr(job::Column::Fault, Expr::value(none))
        .col_expr(job::Column::RunAt, Expr::value(now))
        .col_expr(job::Column::UpdatedAt, Expr::value(now))
        .filter(job::Column::Id.eq(id))
        .filter(Condition::any().add(ended).add(put_off))
        .exec(&**write)
        .await?;
    if again.rows_affected == 0 {
        return Err(Error::Conflict(
            "This job has neither failed nor been stopped: there is nothing to try again.".into(),
        ));
    }
    write.publish(GROUP, &JobEvent::Enqueued).await
}

/// Stops a job that waits or runs, wherever it runs; answers whether it was not stopped already. Stopped twice is stopped
/// once.
///
/// # Errors
/// [`Error::NotFound`] when there is none; [`Error::Conflict`] when it has ended by itself.
pub async fn cancel_one(app: &App, write: &mut Write, id: i64) -> Result<bool> {
    let open = [JobState::Waiting, JobState::Running];
    let stopped = job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value(JobState::Canceled))
        .col_expr(job::Column::UpdatedAt, Expr::value(app.clock.now()))
        .filter(job::Column::Id.eq(id))
        .filter(job::Column::State.is_in(open))
        .exec(&**write)
        .await?;
    if stopped.rows_affected > 0 {
        write.publish(GROUP, &JobEvent::Canceled { id }).await?;
        return Ok(true);
    }
    match get(&**write, id).await?.state {
        JobState::Canceled => Ok(false),
        _ => Err(Error::Conflict(
            "This job has ended already: there is nothing to stop.".into(),
        )),
    }
}

/// A kind of which no job is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// Its name; [`EVERY_KIND`] for all.
    pub kind: String,
    /// User name of who paused it.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Begins no job of this kind any more, on any node, until it is [resumed](resume); what runs goes on to its end. Answers
/// whether that is new.
pub async fn pause(app: &App, write: &Write, kind: &str, by: &str) -> Result<bool> {
    let row = paused_kind::ActiveModel {
        kind: Set(kind.to_owned()),
        by_name: Set(by.to_owned()),
        paused_at: Set(app.clock.now()),
    };
    let once = OnConflict::column(paused_kind::Column::Kind)
        .do_nothing()
        .to_owned();
    let insert = paused_kind::Entity::insert(row).on_conflict(once);
    Ok(insert.exec_without_returning(&**write).await? > 0)
}

/// Begins jobs of this kind again, once the transaction is committed. Answers whether it was paused.
pub async fn resume(write: &mut Write, kind: &str) -> Result<bool> {
    let deleted = paused_kind::Entity::delete_by_id(kind)
        .exec(&**write)
        .await?;
    write.publish(GROUP, &JobEvent::Enqueued).await?;
    Ok(deleted.rows_affected > 0)
}

/// What is paused, by kind.
pub async fn list_paused(db: &impl ConnectionTrait) -> Result<Vec<Paused>> {
    let rows = paused_kind::Entity::find().order_by_asc(paused_kind::Column::Kind);
    let paused = rows.all(db).await?.into_iter().map(|row| Paused {
        kind: row.kind,
        by: row.by_name,
        at: row.paused_at,
    });
    Ok(paused.collect())
}

/// Whether jobs of this kind are begun by nobody just now.
pub async fn is_paused(db: &impl ConnectionTrait, kind: &str) -> Result<bool> {
    let paused = paused_kind::Entity::find()
        .filter(paused_kind::Column::Kind.is_in([kind, EVERY_KIND]))
        .count(db)
        .await?;
    Ok(paused > 0)
}

/// Of a job: that its kind is not paused. It is asked in the statement that takes the job, so that no node has to hear
/// of it before.
pub(super) fn is_not_paused() -> Condition {
    let paused = Query::select()
        .expr(Expr::value(1))
        .from(paused_kind::Entity)
        .cond_where(
            Condition::any()
                .add(paused_kind::Column::Kind.eq(EVERY_KIND))
                .add(
                    Expr::col((paused_kind::Entity, paused_kind::Column::Kind))
                        .equals((job::Entity, job::Column::Kind)),
                ),
        )
        .to_owned();
    Condition::all().add(Expr::exists(paused).not())
}
