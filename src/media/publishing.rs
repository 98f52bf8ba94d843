//! What was made of an upload, put into the store and written down: then it counts.

use super::jobs::Broken;
use super::leftovers::{remove_leftovers, remove_leftovers_up_to};
use super::making::{Made, Results};
use super::replacing::{self, Carried};
use super::store::{self, Change, Measures};
use super::{batches, cloud, hold_account, notices, tell};
use crate::db::Write;
use crate::entities::rendition;
use crate::entities::upload::{self, UploadState};
use crate::jobs::{JobContext, JobError};
use backends::files::FilesError;
use std::time::Duration;

/// How often it is tried to store a result, and to write all of them down.
const END_TRIES: u32 = 5;

/// Waited after the first of these tries; longer after each.
const END_WAIT: Duration = Duration::from_secs(1);

/// Puts the results into the store and, in one transaction, into the tables: then they count.
pub async fn publish(
    context: &JobContext,
    upload: &upload::Model,
    results: Results,
) -> Result<(), Broken> {
    // The number of the job, too: a file processed again by another job has other bytes, hence other keys.
    let folder = format!("{}/{}-{}", upload.prefix, context.id, context.fence);
    let files = results.files.iter();
    let rows = files.map(|file| file.row(upload.id, format!("{folder}/{}", file.name)));
    let rows: Vec<_> = rows.collect();
    let outcome = match store_files(context, &folder, &results.files).await {
        Ok(()) => write_down(context, upload, &rows, results.measures)
            .await
            .map_err(Broken::Job),
        Err(error) => Err(error.into()),
    };
    match &outcome {
        Ok(()) => remove_leftovers(&context.app, upload).await,
        // Another holds the lease, and what was put there meanwhile belongs to nobody; unless an earlier try did
        // commit and only its answer was lost, so that the rows decide.
        Err(Broken::Job(JobError::CutOff)) => {
            let last = (context.id, context.fence);
            if let Err(error) = remove_leftovers_up_to(&context.app, upload, last).await {
                tracing::warn!(%error, folder, "files of an attempt that was cut off stay behind");
            }
        }
        // Whether a transaction that broke off was committed is not known; the next attempt cleans up.
        Err(_) => {}
    }
    outcome
}

async fn store_files(context: &JobContext, folder: &str, files: &[Made]) -> Result<(), FilesError> {
    for file in files {
        let key = format!("{folder}/{}", file.name);
        let mut tries = 0;
        let got_on = || context.got_on();
        while let Err(error) = context.app.files.put_with(&key, &file.path, got_on).await {
            tries += 1;
            if matches!(error, FilesError::Full) || !may_try_again(context, tries).await {
                return Err(error);
            }
            tracing::warn!(%error, key, "a result could not be stored; it is tried again");
        }
        context.got_on();
    }
    Ok(())
}

/// Waits before another try: a store or a database that is away for some seconds shall not cost an hour of
/// encoding. `false` when there were enough, or the attempt is over.
async fn may_try_again(context: &JobContext, tries: u32) -> bool {
    tokio::select! {
        () = tokio::time::sleep(END_WAIT * tries) => tries < END_TRIES,
        () = context.canceled.cancelled() => false,
    }
}

/// Makes the upload ready with these renditions and ends the job, until the captions that were copied are those
/// that there are.
pub async fn write_down(
    context: &JobContext,
    upload: &upload::Model,
    rows: &[rendition::ActiveModel],
    measures: Measures,
) -> Result<(), JobError> {
    let mut tries = 0;
    loop {
        match carry_and_commit(context, upload, rows, measures).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(JobError::Retry(reason)) => {
                tries += 1;
                if !may_try_again(context, tries).await {
                    return Err(JobError::Retry(reason));
                }
                tracing::warn!(
                    reason,
                    upload = upload.id,
                    "results could not be written down; it is tried again"
                );
            }
            Err(error) => return Err(error),
        }
    }
}

/// `false`, and nothing is written, when captions came or went since they were carried.
async fn carry_and_commit(
    context: &JobContext,
    upload: &upload::Model,
    rows: &[rendition::ActiveModel],
    measures: Measures,
) -> Result<bool, JobError> {
    let carried = replacing::carry_captions(&context.app, upload).await?;
    let is_written = commit(context, upload, rows, measures, &carried).await?;
    if !is_written {
        replacing::drop_copies(&context.app, carried).await?;
    }
    Ok(is_written)
}

/// As [`carry_and_commit`], with the captions that were copied.
async fn commit(
    context: &JobContext,
    upload: &upload::Model,
    rows: &[rendition::ActiveModel],
    measures: Measures,
    carried: &Carried,
) -> Result<bool, JobError> {
    let app = &context.app;
    let mut write = write_as_owner(context, upload.owner_id).await?;
    store::replace_renditions(&write, upload.id, rows.to_vec(), measures).await?;
    cloud::complete(app, &write, upload.id).await?;
    let change = Change {
        percent: 100.0,
        ..Change::default()
    };
    store::set_state(app, &write, upload.id, UploadState::Ready, change).await?;
    if !replacing::take_places(app, &mut write, upload.id, carried).await? {
        return Ok(false);
    }
    if !batches::settle(app, &mut write, upload).await? {
        notices::ready(app, &mut write, upload).await?;
    }
    tell(&mut write, upload.id).await?;
    context.complete(write).await?;
    Ok(true)
}

/// Begins a transaction in which the owner is told of something. Her account is held before the job, as everywhere,
/// so that of two files of one drop that end at the same moment one sees the other.
pub async fn write_as_owner(context: &JobContext, owner_id: i64) -> Result<Write, JobError> {
    let write = context.app.write().await?;
    hold_account(&write, owner_id).await?;
    context.hold(&write).await?;
    Ok(write)
}
