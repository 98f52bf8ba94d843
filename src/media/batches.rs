//! Files that were dropped together: their sender hears of all of them once, when the last has settled.
//!
//! A page gives the files of one drop the same UUID, and says how many there are, for it sends one after the other.
//! The last of them to settle sends the message. Whoever settles a file holds its owner's account, so that of two
//! workers that end at the same moment the second sees the first. Files that were announced and never came are
//! waited for until nothing has happened for a while ([`SettleBatches`]).

use super::{UploadKind, UploadState, notices, progress};
use crate::app::App;
use crate::db::Write;
use crate::entities::{tus_upload, upload, upload_batch};
use crate::error::{Error, Result};
use crate::jobs::{Job, JobContext, JobError};
use crate::web::form::Form;
use chrono::TimeDelta;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _,
};
use serde::{Deserialize, Serialize};

/// Most files that a page may say it sends together.
const MOST_FILES: i32 = 10_000;

/// Files that were announced are waited for as long as something happens; and for this long after that.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// What was told is kept so long: a file that is processed again by then is told of by itself.
const KEPT: TimeDelta = TimeDelta::days(30);

/// What a page says of the files that it sends together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// A UUID that the page made.
    pub id: String,
    /// How many there are; 0 when the sender does not say.
    pub files: i32,
}

impl Batch {
    /// From the fields `batch` and `batch_files`; `None` without the first.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for what is no UUID, or no number of files.
    pub fn parse(id: &str, files: &str) -> Result<Option<Self>> {
        if id.is_empty() {
            return Ok(None);
        }
        let id = progress::read_key(id).ok_or_else(|| {
            Error::BadRequest(
                "batch is a UUID, the same for all files that are sent together.".into(),
            )
        })?;
        let files = match files {
            "" => Some(0),
            files => files.parse().ok().filter(|n| (1..=MOST_FILES).contains(n)),
        };
        let files = files.ok_or_else(|| {
            Error::BadRequest(format!(
                "batch_files is how many files are sent together, 1 to {MOST_FILES}."
            ))
        })?;
        Ok(Some(Self { id, files }))
    }

    /// From a form.
    ///
    /// # Errors
    /// As [`Batch::parse`].
    pub fn of_form(form: &Form) -> Result<Option<Self>> {
        Self::parse(form.text("batch"), form.text("batch_files"))
    }
}

/// A file of this batch is announced: from now on there are as many as its sender says.
pub async fn announce(app: &App, write: &Write, owner_id: i64, batch: &Batch) -> Result<()> {
    let now = app.clock.now();
    let row = upload_batch::ActiveModel {
        owner_id: Set(owner_id),
        id: Set(batch.id.clone()),
        files: Set(batch.files),
        arrived: Set(0),
        is_told: Set(false),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let keys = [upload_batch::Column::OwnerId, upload_batch::Column::Id];
    let newest = [upload_batch::Column::Files, upload_batch::Column::UpdatedAt];
    let once = OnConflict::columns(keys).update_columns(newest).to_owned();
    upload_batch::Entity::insert(row)
        .on_conflict(once)
        .exec_without_returning(&**write)
        .await?;
    Ok(())
}

/// A file of this batch has arrived. The caller holds its owner's account.
pub async fn arrive(app: &App, write: &Write, owner_id: i64, batch: &Batch) -> Result<()> {
    if find(write, owner_id, &batch.id).await?.is_none() {
        announce(app, write, owner_id, batch).await?;
    }
    upload_batch::Entity::update_many()
        .col_expr(
            upload_batch::Column::Arrived,
            Expr::col(upload_batch::Column::Arrived).add(1),
        )
        .col_expr(
            upload_batch::Column::UpdatedAt,
            Expr::value(app.clock.now()),
        )
        .filter(upload_batch::Column::OwnerId.eq(owner_id))
        .filter(upload_batch::Column::Id.eq(&batch.id))
        .exec(&**write)
        .await?;
    Ok(())
}

async fn find(write: &Write, owner_id: i64, id: &str) -> Result<Option<upload_batch::Model>> {
    let find = upload_batch::Entity::find_by_id((owner_id, id.to_owned()));
    Ok(find.one(&**write).await?)
}

/// A file has become ready, has failed or was stopped, and its row says so. Answers whether its sender hears of it
/// with the others that came with it: now, if it was the last of them, or later. The caller holds her account.
pub async fn settle(app: &App, write: &mut Write, settled: &upload::Model) -> Result<bool> {
    let Some(id) = &settled.batch else {
        return Ok(false);
    };
    let found = find(write, settled.owner_id, id).await?;
    let Some(batch) = found.filter(|batch| !batch.is_told) else {
        return Ok(false);
    };
    let is_awaited = batch.arrived < batch.files;
    if is_awaited || is_open(app, write, &batch).await? {
        touch(app, write, &batch, false).await?;
    } else {
        tell(app, write, &batch).await?;
    }
    Ok(true)
}

/// Whether one of them is still on its way or in line.
async fn is_open(app: &App, write: &Write, batch: &upload_batch::Model) -> Result<bool> {
    // Whoever did not hear that her upload was begun has begun it anew: what is left of the first comes no more.
    let has_all = batch.files > 0 && batch.arrived >= batch.files;
    if !has_all && is_coming(app, write, batch).await? {
        return Ok(true);
    }
    let in_line = members(batch)
        .filter(upload::Column::State.is_in([UploadState::Waiting, UploadState::Processing]));
    Ok(in_line.count(&**write).await? > 0)
}

async fn is_coming(app: &App, write: &Write, batch: &upload_batch::Model) -> Result<bool> {
    let coming = tus_upload::Entity::find()
        .filter(tus_upload::Column::OwnerId.eq(batch.owner_id))
        .filter(tus_upload::Column::Batch.eq(&batch.id))
        .filter(tus_upload::Column::UploadId.is_null())
        .filter(tus_upload::Column::ExpiresAt.gte(app.clock.now()));
    Ok(coming.count(&**write).await? > 0)
}

fn members(batch: &upload_batch::Model) -> sea_orm::Select<upload::Entity> {
    upload::Entity::find()
        .filter(upload::Column::OwnerId.eq(batch.owner_id))
        .filter(upload::Column::Batch.eq(&batch.id))
}

async fn touch(app: &App, write: &Write, batch: &upload_batch::Model, is_told: bool) -> Result<()> {
    let now = app.clock.now();
    upload_batch::Entity::update_many()
        .col_expr(upload_batch::Column::IsTold, Expr::value(is_told))
        .col_expr(upload_batch::Column::UpdatedAt, Expr::value(now))
        .filter(upload_batch::Column::OwnerId.eq(batch.owner_id))
        .filter(upload_batch::Column::Id.eq(&batch.id))
        .exec(&**write)
        .await?;
    Ok(())
}

/// One message for all of them; what she stopped herself needs none.
async fn tell(app: &App, write: &mut Write, batch: &upload_batch::Model) -> Result<()> {
    touch(app, write, batch, true).await?;
    let all = members(batch).order_by_asc(upload::Column::Id);
    let mut all = all.all(&**write).await?;
    all.retain(|upload| upload.state != UploadState::Canceled);
    match all.as_slice() {
        [] => Ok(()),
        // Nothing was to be done for it: that it has arrived, its sender has seen.
        [one] if one.kind == UploadKind::File => Ok(()),
        [one] if one.state == UploadState::Failed => {
            let words = one.fault.clone().unwrap_or_default();
            notices::failed(app, write, one, &words, &batch.id).await
        }
        [one] => notices::ready(app, write, one).await,
        all => notices::together(app, write, &batch.id, all).await,
    }
}

/// A file that was announced with others will not come: it was refused, or given up.
pub async fn withdraw(app: &App, owner_id: i64, id: Option<&str>) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    let mut write = app.write().await?;
    super::hold_account(&write, owner_id).await?;
    let found = find(&write, owner_id, id).await?;
    let Some(mut batch) = found.filter(|batch| !batch.is_told) else {
        return Ok(());
    };
    batch.files = batch.files.saturating_sub(1).clamp(0, MOST_FILES);
    upload_batch::Entity::update_many()
        .col_expr(upload_batch::Column::Files, Expr::value(batch.files))
        .filter(upload_batch::Column::OwnerId.eq(owner_id))
        .filter(upload_batch::Column::Id.eq(id))
        .exec(&*write)
        .await?;
    let is_awaited = batch.arrived == 0 || batch.arrived < batch.files;
    if !is_awaited && !is_open(app, &write, &batch).await? {
        tell(app, &mut write, &batch).await?;
    }
    write.commit().await
}

/// Tells of the batches of which files were announced that never came, and forgets those that were told long ago.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SettleBatches {}

impl Job for SettleBatches {
    const KIND: &'static str = "media.settle_batches";

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let app = &context.app;
        let now = app.clock.now();
        let quiet = upload_batch::Entity::find()
            .filter(upload_batch::Column::IsTold.eq(false))
            .filter(upload_batch::Column::UpdatedAt.lt(now - PATIENCE));
        for row in quiet.all(app.db.read()).await? {
            let mut write = app.write().await?;
            super::hold_account(&write, row.owner_id).await?;
            let found = find(&write, row.owner_id, &row.id).await?;
            let Some(batch) = found.filter(|batch| !batch.is_told) else {
                continue;
            };
            if is_open(app, &write, &batch).await? {
                continue;
            }
            tell(app, &mut write, &batch).await?;
            write.commit().await?;
        }
        upload_batch::Entity::delete_many()
            .filter(upload_batch::Column::IsTold.eq(true))
            .filter(upload_batch::Column::UpdatedAt.lt(now - KEPT))
            .exec(app.db.writer())
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_a_uuid_and_a_number_of_files() {
        let id = "b5a1c0de-0000-4000-8000-000000000012";
        let read = |id, files| Batch::parse(id, files).map_err(|_| ());
        assert_eq!(read("", ""), Ok(None));
        assert_eq!(read("", "12"), Ok(None));
        let twelve = Batch {
            id: id.into(),
            files: 12,
        };
        assert_eq!(read(id, "12"), Ok(Some(twelve.clone())));
        let plain = id.replace('-', "");
        assert_eq!(read(&plain, "12"), Ok(Some(twelve)));
        for (id, files) in [
            ("12", "1"),
            (id, "0"),
            (id, "-1"),
            (id, "many"),
            (id, "10001"),
        ] {
            assert_eq!(read(id, files), Err(()), "{id} {files}");
        }
    }
}
