//! The queries of figures and of the processes of the site.

use super::recorder::Storage;
use crate::app::App;
use crate::entities::job::JobState;
use crate::entities::{figure, job, node, rendition, tus_upload};
use crate::error::{Error, Result};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait,
    IntoActiveModel as _, Iterable as _, QueryFilter, QueryOrder, QuerySelect, Statement,
};

/// Rows in one statement: SQLite takes 32,766 values (sqlite.org/limits.html).
const AT_ONCE: usize = 200;

/// The name of a rendition that is the file as it was sent.
const ORIGINAL: &str = "original";

/// Writes rows in place of those that were written before.
pub async fn write(db: &impl ConnectionTrait, rows: &[figure::Model]) -> Result<()> {
    for some in rows.chunks(AT_ONCE) {
        let key = [
            figure::Column::StepSeconds,
            figure::Column::Slot,
            figure::Column::Node,
        ];
        let others = figure::Column::iter().filter(|column| {
            !matches!(
                column,
                figure::Column::StepSeconds | figure::Column::Slot | figure::Column::Node
            )
        });
        let again = OnConflict::columns(key).update_columns(others).to_owned();
        let rows = some
            .iter()
            .map(|row| row.clone().into_active_model().reset_all());
        let insert = figure::Entity::insert_many(rows).on_conflict(again);
        insert.exec_without_returning(db).await?;
    }
    Ok(())
}

/// What all processes noted in slots of this length that began at a time or later, the oldest first.
pub async fn load(
    db: &impl ConnectionTrait,
    step_seconds: i64,
    from: i64,
) -> Result<Vec<figure::Model>> {
    let rows = figure::Entity::find()
        .filter(figure::Column::StepSeconds.eq(step_seconds))
        .filter(figure::Column::Slot.gte(from))
        .order_by_asc(figure::Column::Slot)
        .all(db)
        .await?;
    Ok(rows)
}

/// How many jobs are due and wait, and since when the oldest of them is due.
pub async fn queue(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<(u64, Option<DateTime<Utc>>)> {
    let due: Option<(i64, Option<DateTime<Utc>>)> = job::Entity::find()
        .select_only()
        .column_as(job::Column::Id.count(), "due")
        .column_as(job::Column::RunAt.min(), "oldest")
        .filter(job::Column::State.eq(JobState::Waiting))
        .filter(job::Column::RunAt.lte(now))
        .into_tuple()
        .one(db)
        .await?;
    let (due, oldest) = due.unwrap_or_default();
    Ok((u64::try_from(due).unwrap_or(0), oldest))
}

/// How many jobs there are of each kind and state.
pub async fn jobs(db: &impl ConnectionTrait) -> Result<Vec<(String, JobState, u64)>> {
    let rows: Vec<(String, JobState, i64)> = job::Entity::find()
        .select_only()
        .column(job::Column::Kind)
        .column(job::Column::State)
        .column_as(job::Column::Id.count(), "jobs")
        .group_by(job::Column::Kind)
        .group_by(job::Column::State)
        .order_by_asc(job::Column::Kind)
        .order_by_asc(job::Column::State)
        .into_tuple()
        .all(db)
        .await?;
    let counted = rows
        .into_iter()
        .map(|(kind, state, count)| (kind, state, u64::try_from(count).unwrap_or(0)));
    Ok(counted.collect())
}

/// What files and the database take.
pub async fn storage(app: &App) -> Result<Storage> {
    let db = app.db.read();
    let size = || Expr::col(rendition::Column::SizeBytes).sum();
    let of = async |is_original: bool| {
        let named = if is_original {
            rendition::Column::Name.eq(ORIGINAL)
        } else {
            rendition::Column::Name.ne(ORIGINAL)
        };
        let sum = rendition::Entity::find().select_only();
        let sum = sum.expr_as(size().cast_as("bigint"), "bytes").filter(named);
        let found: Option<Option<i64>> = sum.into_tuple().one(db).await?;
        Ok::<_, Error>(positive(found.flatten()))
    };
    let waiting = Expr::col(tus_upload::Column::ReservedBytes).sum();
    let waiting: Option<Option<i64>> = tus_upload::Entity::find()
        .select_only()
        .expr_as(waiting.cast_as("bigint"), "bytes")
        .filter(tus_upload::Column::UploadId.is_null())
        .into_tuple()
        .one(db)
        .await?;
    Ok(Storage {
        originals: of(true).await?,
        renditions: of(false).await?,
        waiting: positive(waiting.flatten()),
        database: database_bytes(app).await?,
    })
}

fn positive(number: Option<i64>) -> u64 {
    u64::try_from(number.unwrap_or(0)).unwrap_or(0)
}

/// What the database takes: on SQLite its file without the log beside it, on PostgreSQL what the server says.
async fn database_bytes(app: &App) -> Result<u64> {
    let db = app.db.read();
    let sql = match app.db.backend() {
        DbBackend::Postgres => "SELECT pg_database_size(current_database()) AS bytes",
        _ => "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()",
    };
    let row = db.query_one_raw(Statement::from_string(app.db.backend(), sql));
    let bytes: Option<i64> = match row.await? {
        Some(row) => row.try_get("", "bytes")?,
        None => None,
    };
    Ok(positive(bytes))
}

/// A process gives a sign of life.
pub async fn hear(db: &impl ConnectionTrait, row: node::Model) -> Result<()> {
    let again = OnConflict::column(node::Column::Name)
        .update_columns([node::Column::HeardAt, node::Column::Role])
        .to_owned();
    node::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(again)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// A process ends.
pub async fn leave(db: &impl ConnectionTrait, name: &str) -> Result<()> {
    node::Entity::delete_by_id(name).exec(db).await?;
    Ok(())
}

/// Every process that was heard of within a day, the oldest first.
pub async fn nodes(db: &impl ConnectionTrait) -> Result<Vec<node::Model>> {
    let nodes = node::Entity::find()
        .order_by_asc(node::Column::StartedAt)
        .order_by_asc(node::Column::Name);
    Ok(nodes.all(db).await?)
}
