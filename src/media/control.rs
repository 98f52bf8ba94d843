//! What people do with the processing of a file: stop it, try it again, wait for it.
//!
//! Whether a file becomes ready or is stopped is decided by who first has its job: both take the job's row, then the
//! file's, and the second finds that the job has ended.

use super::{
    FileView, ProcessUpload, UploadState, batches, cloud, get_file, hold_account, hold_files,
    leftovers, store, tell,
};
use crate::app::App;
use crate::db::Write;
use crate::entities::upload;
use crate::error::{Error, Result};
use crate::jobs::{Job, JobContext, JobError, PRIORITY_LATER};
use crate::web::audit::{By, Done, Facts, record};
use crate::web::identity::Person;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// Processes a file again that could not be processed, or was stopped.
///
/// # Errors
/// [`Error::NotFound`] when there is none; [`Error::Conflict`] when it has neither failed nor been stopped. Who may
/// ask is for the caller to know: the owner of the file, or who manages the course that shows it. Of the latter the log
/// tells.
pub async fn retry(app: &App, by: &By, upload_id: i64) -> Result<FileView> {
    let mut write = app.write().await?;
    retry_in(app, &mut write, upload_id).await?;
    let view = get_file(&*write, upload_id).await?;
    log_for_others(&write, by, "retry", &view.upload).await?;
    write.commit().await?;
    Ok(view)
}

/// The same within an open transaction.
///
/// # Errors
/// As [`retry`].
pub async fn retry_in(app: &App, write: &mut Write, upload_id: i64) -> Result<()> {
    // Two who ask at once would otherwise put it in line twice.
    hold_files(write, &[upload_id]).await?;
    let view = get_file(&**write, upload_id).await?;
    if !matches!(
        view.upload.state,
        UploadState::Failed | UploadState::Canceled
    ) {
        return Err(Error::Conflict(
            "This file has neither failed nor been stopped: there is nothing to try again.".into(),
        ));
    }
    store::put_in_line(app, write, upload_id).await?;
    let subject = ProcessUpload::subject_of(upload_id);
    if !crate::jobs::retry(app, write, &subject).await? {
        crate::jobs::enqueue(app, write, &ProcessUpload::of(&view.upload)).await?;
    }
    tell(write, upload_id).await
}

/// Stops the processing of a file, wherever it runs; the file as it was sent is kept. Stopped twice is stopped once.
///
/// # Errors
/// [`Error::NotFound`] when there is none; [`Error::Conflict`] when it is ready or has failed. Who may ask is for the
/// caller to know, and the log tells of it, as for [`retry`].
pub async fn cancel(app: &App, by: &By, upload_id: i64) -> Result<FileView> {
    let mut write = app.write().await?;
    let is_new = cancel_in(app, &mut write, upload_id).await?;
    let view = get_file(&*write, upload_id).await?;
    if is_new {
        log_for_others(&write, by, "cancel", &view.upload).await?;
    }
    write.commit().await?;
    Ok(view)
}

/// The same within an open transaction; answers whether it was not stopped already.
///
/// # Errors
/// As [`cancel`].
pub async fn cancel_in(app: &App, write: &mut Write, upload_id: i64) -> Result<bool> {
    // Account before files, as everywhere: she may hear now of the files that came with it.
    let owner_id = get_file(&**write, upload_id).await?.upload.owner_id;
    hold_account(write, owner_id).await?;
    hold_files(write, &[upload_id]).await?;
    let view = get_file(&**write, upload_id).await?;
    match view.upload.state {
        UploadState::Waiting | UploadState::Processing => {}
        UploadState::Canceled => return Ok(false),
        UploadState::Ready => {
            return Err(Error::Conflict(
                "This file is ready already: there is nothing to stop.".into(),
            ));
        }
        UploadState::Failed => {
            return Err(Error::Conflict(
                "This file has failed already: there is nothing to stop.".into(),
            ));
        }
    }
    crate::jobs::cancel(app, write, &ProcessUpload::subject_of(upload_id)).await?;
    cloud::cancel(app, write, &view.upload).await?;
    let change = store::Change::default();
    store::set_state(app, write, upload_id, UploadState::Canceled, change).await?;
    batches::settle(app, write, &view.upload).await?;
    // Whoever runs it removes what it has made. This is for one that was killed.
    let lease = i64::try_from(app.config.lease_seconds).unwrap_or(30);
    let later = app.clock.now() + TimeDelta::seconds(lease.saturating_mul(2));
    crate::jobs::enqueue_at(app, write, &TidyUpload { upload_id }, later).await?;
    tell(write, upload_id).await?;
    Ok(true)
}

/// Logs what somebody does to the processing of a file that is another's.
async fn log_for_others(write: &Write, by: &By, act: &str, file: &upload::Model) -> Result<()> {
    if by.id == Some(file.owner_id) {
        return Ok(());
    }
    let facts = Facts {
        name: file.name.clone(),
        fields: Vec::new(),
    };
    let done = Done {
        act,
        kind: "upload",
        id: file.id,
        before: Some(&facts),
        after: Some(&facts),
    };
    record(write, by, done).await
}

/// Lets those of her files go forward in line that she watches a page of. Files that are not hers, or do not wait,
/// stay as they are.
pub async fn watch(app: &App, person: &Person, upload_ids: &[i64]) -> Result<()> {
    let subjects: Vec<String> = upload_ids
        .iter()
        .map(|id| ProcessUpload::subject_of(*id))
        .collect();
    let write = app.write().await?;
    if crate::jobs::bring_forward(&write, person.id, &subjects).await? > 0 {
        write.commit().await?;
    }
    Ok(())
}

/// Removes what the attempts have left of an upload that nobody processes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TidyUpload {
    /// Which.
    pub upload_id: i64,
}

impl Job for TidyUpload {
    const KIND: &'static str = "media.tidy_upload";

    fn priority(&self) -> i32 {
        PRIORITY_LATER
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let app = &context.app;
        let db = app.db.read();
        // The job first: an attempt that begins after this look has a greater number, and is left alone.
        let subject = ProcessUpload::subject_of(self.upload_id);
        let last = crate::jobs::find_latest(db, &subject).await?;
        let Some(upload) = store::find_upload(db, self.upload_id).await? else {
            return Ok(());
        };
        let is_open = matches!(upload.state, UploadState::Waiting | UploadState::Processing);
        if let Some(last) = last.filter(|_| !is_open) {
            leftovers::remove_leftovers_up_to(app, &upload, (last.id, last.fence)).await?;
        }
        Ok(())
    }
}
