//! Queries of uploads that arrive in several requests.

use crate::app::App;
use crate::db::Write;
use crate::entities::tus_upload::{ActiveModel, Column, Entity, Model};
use crate::entities::user;
use crate::error::{Error, Result};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait,
    EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

/// Told who sends to an account that was shut meanwhile.
const SHUT: &str = "This account was shut. Nothing more is taken from it.";

/// When an upload expires that somebody goes on with now.
pub fn expiry(app: &App) -> DateTime<Utc> {
    let hours = i64::try_from(app.config.upload_expiry_hours).unwrap_or(24);
    app.clock.now() + TimeDelta::hours(hours)
}

/// The upload, for its owner.
///
/// # Errors
/// [`Error::NotFound`] for anybody else; [`Error::Gone`] when nobody went on with it for too long.
pub async fn get_own(
    app: &App,
    db: &impl ConnectionTrait,
    owner_id: i64,
    id: &str,
) -> Result<Model> {
    // PostgreSQL refuses a query that holds a NUL character.
    let is_name = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_name {
        return Err(Error::NotFound);
    }
    let found = Entity::find_by_id(id).one(db).await?;
    let row = found
        .filter(|row| row.owner_id == owner_id)
        .ok_or(Error::NotFound)?;
    if row.expires_at < app.clock.now() {
        return Err(Error::Gone(
            "Nobody went on with this upload for too long, and it was ended. Please begin it again."
                .into(),
        ));
    }
    Ok(row)
}

pub async fn insert(write: &Write, row: ActiveModel) -> Result<Model> {
    Ok(row.insert(&**write).await?)
}

/// Changes some columns of an upload; answers whether it is still there.
pub async fn update(db: &impl ConnectionTrait, id: &str, change: ActiveModel) -> Result<bool> {
    let updated = Entity::update_many()
        .set(change)
        .filter(Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(updated.rows_affected == 1)
}

/// The row, held until the end of the transaction.
pub async fn lock(write: &Write, id: &str) -> Result<Option<Model>> {
    Ok(Entity::find_by_id(id)
        .lock_exclusive()
        .one(&**write)
        .await?)
}

/// Takes the next generation, which tells whoever goes on with it in another process to let go.
pub async fn next_generation(app: &App, id: &str) -> Result<i64> {
    let rows = Entity::update_many()
        .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
        .filter(Column::Id.eq(id))
        .exec_with_returning(app.db.writer())
        .await?;
    let row = rows.first().ok_or(Error::NotFound)?;
    Ok(row.generation)
}

/// Whether this generation is still the newest.
///
/// # Errors
/// [`Error::Forbidden`] when the account of its owner was shut meanwhile.
pub async fn is_newest(app: &App, id: &str, generation: i64) -> Result<bool> {
    let db = app.db.read();
    let Some(row) = Entity::find_by_id(id).one(db).await? else {
        return Ok(false);
    };
    let owner = user::Entity::find_by_id(row.owner_id).one(db).await?;
    if owner.is_some_and(|owner| !owner.is_active) {
        return Err(Error::Forbidden(SHUT));
    }
    Ok(row.generation == generation)
}

pub async fn delete(db: &impl ConnectionTrait, id: &str) -> Result<()> {
    Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

/// The file that was put together of these parts, as `concat` names them, and has not been forgotten.
pub async fn find_joined(
    app: &App,
    owner_id: i64,
    concat: &str,
    metadata: &str,
) -> Result<Option<Model>> {
    let find = Entity::find()
        .filter(Column::OwnerId.eq(owner_id))
        .filter(Column::Concat.eq(concat))
        .filter(Column::Metadata.eq(metadata))
        .filter(Column::UploadId.is_not_null())
        .filter(Column::ExpiresAt.gte(app.clock.now()));
    Ok(find.one(app.db.read()).await?)
}

/// From now on these parts take nothing of their owner's quota: the file does that was made of them.
pub async fn release_parts(write: &Write, owner_id: i64, ids: &[String]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let released = ActiveModel {
        reserved_bytes: Set(0),
        ..Default::default()
    };
    Entity::update_many()
        .set(released)
        .filter(Column::OwnerId.eq(owner_id))
        .filter(Column::Id.is_in(ids))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Forgets the uploads that became a file which is discarded now.
pub async fn forget(write: &Write, upload_id: i64) -> Result<()> {
    let became = Entity::delete_many().filter(Column::UploadId.eq(upload_id));
    became.exec(&**write).await?;
    Ok(())
}

/// How many uploads of this person have not become files yet.
pub async fn count_unfinished(db: &impl ConnectionTrait, owner_id: i64) -> Result<u64> {
    let find = Entity::find()
        .filter(Column::OwnerId.eq(owner_id))
        .filter(Column::UploadId.is_null());
    Ok(find.count(db).await?)
}

/// The uploads of this person that have not become files yet and may be gone on with, newest first, `most` of them
/// at most. Parts of a concatenation are left out.
pub async fn list_unfinished(
    db: &impl ConnectionTrait,
    owner_id: i64,
    now: DateTime<Utc>,
    most: Option<u64>,
) -> Result<Vec<Model>> {
    let is_whole = Condition::any()
        .add(Column::Concat.is_null())
        .add(Column::Concat.ne("partial"));
    let find = Entity::find()
        .filter(Column::OwnerId.eq(owner_id))
        .filter(Column::UploadId.is_null())
        .filter(Column::ExpiresAt.gte(now))
        .filter(is_whole)
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(most);
    Ok(find.all(db).await?)
}

/// What this person's unfinished uploads take of her quota.
pub async fn reserved_bytes(db: &impl ConnectionTrait, owner_id: i64) -> Result<i64> {
    // PostgreSQL sums big integers to a number without bounds.
    let sum = Expr::col(Column::ReservedBytes)
        .sum()
        .cast_as(Alias::new("bigint"));
    let found: Option<Option<i64>> = Entity::find()
        .select_only()
        .expr(sum)
        .filter(Column::OwnerId.eq(owner_id))
        .into_tuple()
        .one(db)
        .await?;
    Ok(found.flatten().unwrap_or(0))
}

/// Of these prefixes, those that uploads will have their files under.
pub async fn list_awaited_prefixes(
    db: &impl ConnectionTrait,
    prefixes: &[String],
) -> Result<Vec<String>> {
    let find = Entity::find()
        .select_only()
        .column(Column::Prefix)
        .filter(Column::Prefix.is_in(prefixes.iter().map(String::as_str)));
    Ok(find.into_tuple().all(db).await?)
}

/// Names and prefixes of the uploads that have expired.
pub async fn list_expired(app: &App) -> Result<Vec<(String, String)>> {
    let find = Entity::find()
        .select_only()
        .columns([Column::Id, Column::Prefix])
        .filter(Column::ExpiresAt.lt(app.clock.now()));
    Ok(find.into_tuple().all(app.db.read()).await?)
}

/// Deletes an upload if its time is still over; `false` when somebody has gone on with it.
pub async fn delete_expired(app: &App, id: &str) -> Result<bool> {
    let expired = Entity::delete_many()
        .filter(Column::Id.eq(id))
        .filter(Column::ExpiresAt.lt(app.clock.now()));
    Ok(expired.exec(app.db.writer()).await?.rows_affected > 0)
}

pub async fn exists(db: &impl ConnectionTrait, id: &str) -> Result<bool> {
    Ok(Entity::find_by_id(id).count(db).await? > 0)
}
