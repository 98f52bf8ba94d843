//! The job that processes an upload.
//!
//! Each attempt works in a folder of its own and puts its results under its fencing number, so that
//! two attempts never write the same file. Only the holder of the lease writes rows; the files of all
//! others are removed.

use super::leftovers::{WorkFolder, remove_leftovers_up_to};
use super::making::{self, Results};
use super::publishing::{publish, write_as_owner};
use super::store::{self, Change};
use super::{ORIGINAL, batches, cloud, notices, tell, tell_all};
use crate::entities::upload::{self, UploadKind, UploadState};
use crate::jobs::{
    self, Fault, Job, JobContext, JobError, PRIORITY_LATER, PRIORITY_NORMAL, PRIORITY_SOON,
};
use backends::files::FilesError;
use backends::media::{self, FaultKind, Progress};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

/// Progress is written at most so often.
const TELL_EVERY: Duration = Duration::from_secs(1);

const HALT: &str = "Processing this file came to a halt. It will be tried again.";

const LATER: &str = "This file could not be processed just now. It will be tried again.";

/// So many of those in line hear that the line has moved.
const LINE_TOLD: u64 = 20;

/// Processes an upload: makes its renditions, or says why that cannot be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessUpload {
    /// Which upload.
    pub upload_id: i64,
    /// How many rounds of the line it stands back.
    pub priority: i32,
    /// Who sent it.
    #[serde(default)]
    pub owner_id: Option<i64>,
}

impl ProcessUpload {
    /// The job for an upload: pictures first, then small files before large ones.
    pub fn of(upload: &upload::Model) -> Self {
        Self {
            upload_id: upload.id,
            priority: stands_back(upload.kind, upload.size_bytes),
            owner_id: Some(upload.owner_id),
        }
    }

    /// What the queue knows it by.
    pub fn subject_of(upload_id: i64) -> String {
        format!("upload:{upload_id}")
    }

    /// The upload of a subject.
    pub(super) fn upload_of(subject: &str) -> Option<i64> {
        subject.strip_prefix("upload:")?.parse().ok()
    }
}

impl Job for ProcessUpload {
    const KIND: &'static str = "media.process_upload";
    // The engine has a shorter patience with ffmpeg; this is for everything else that may hang, and leaves time for one
    // large result on its way to a slow store.
    const STALL: Duration = Duration::from_secs(3600);

    fn priority(&self) -> i32 {
        self.priority
    }

    fn owner_id(&self) -> Option<i64> {
        self.owner_id
    }

    fn subject(&self) -> Option<String> {
        Some(Self::subject_of(self.upload_id))
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let Some(upload) = begin(&context, self.upload_id).await? else {
            return Ok(());
        };
        let outcome = match attempt(&context, &upload).await {
            Ok(()) => Ok(()),
            Err(_) if context.canceled.is_cancelled() => Err(JobError::CutOff),
            Err(Broken::Fault(fault)) => Err(self.fault(&context, fault).await),
            Err(Broken::Job(JobError::Retry(reason))) => Err(self
                .fault(&context, media::Fault::temporary(LATER, reason))
                .await),
            Err(Broken::Job(error)) => Err(error),
        };
        if context.app.stopping.is_cancelled() && outcome.is_err() {
            self.hand_back(&context).await;
        }
        outcome
    }

    async fn put_off(self, context: JobContext) -> Result<(), JobError> {
        let change = Change {
            fault: Some(HALT.to_owned()),
            fault_detail: Some("no headway for an hour".to_owned()),
            ..Change::default()
        };
        self.wait_again(&context, change).await
    }

    async fn give_up(self, context: JobContext, fault: Fault) -> Result<(), JobError> {
        let app = &context.app;
        let Some(upload) = store::find_upload(app.db.read(), self.upload_id).await? else {
            return Ok(());
        };
        let mut write = write_as_owner(&context, upload.owner_id).await?;
        let Some(upload) = store::find_upload(&*write, self.upload_id).await? else {
            return Ok(());
        };
        // Told once, even when this process ends before the job is put aside.
        if upload.state == UploadState::Failed {
            return Ok(());
        }
        let words = fault.words.clone();
        let change = Change {
            fault: Some(fault.words),
            fault_detail: Some(fault.detail),
            ..Change::default()
        };
        store::set_state(app, &write, upload.id, UploadState::Failed, change).await?;
        if !batches::settle(app, &mut write, &upload).await? {
            let attempt = format!("{}:{}", context.id, context.fence);
            notices::failed(app, &mut write, &upload, &words, &attempt).await?;
        }
        tell(&mut write, upload.id).await?;
        write.commit().await?;
        // Only its own: whoever tries again at once may be storing results already.
        let last = (context.id, context.fence);
        if let Err(error) = remove_leftovers_up_to(app, &upload, last).await {
            tracing::warn!(%error, upload = upload.id, "what earlier attempts left could not be removed");
        }
        Ok(())
    }
}

impl ProcessUpload {
    /// What a fault means for the job. While it is tried again, the teacher can read why.
    async fn fault(&self, context: &JobContext, fault: media::Fault) -> JobError {
        if fault.kind == FaultKind::Permanent {
            return JobError::GiveUp(Fault {
                words: fault.words,
                detail: fault.detail,
            });
        }
        if context.attempt >= Self::MAX_ATTEMPTS {
            return JobError::GiveUp(Fault {
                words: format!(
                    "It was tried several times. {}",
                    without_promise(&fault.words)
                ),
                detail: fault.detail,
            });
        }
        let change = Change {
            fault: Some(fault.words.clone()),
            fault_detail: Some(fault.detail.clone()),
            ..Change::default()
        };
        if let Err(error) = self.wait_again(context, change).await {
            tracing::warn!(%error, upload = self.upload_id, "that a file waits again could not be noted");
        }
        JobError::Retry(format!("{} {}", fault.words, fault.detail))
    }

    /// The process stops and another goes on: until then the file is in line.
    async fn hand_back(&self, context: &JobContext) {
        if let Err(error) = self.wait_again(context, Change::default()).await {
            tracing::warn!(%error, upload = self.upload_id, "that a file is back in line could not be noted");
        }
    }

    async fn wait_again(&self, context: &JobContext, change: Change) -> Result<(), JobError> {
        let mut write = context.write().await?;
        let state = UploadState::Waiting;
        store::set_state(&context.app, &write, self.upload_id, state, change).await?;
        tell(&mut write, self.upload_id).await?;
        write.commit().await?;
        Ok(())
    }
}

/// How far a file stands back in line: by how long it takes, as far as its size tells. The length of a film is
/// known only when it is processed; a recording is compressed more, but is done many times faster.
fn stands_back(kind: UploadKind, size_bytes: i64) -> i32 {
    let film_bytes = match kind {
        UploadKind::Image | UploadKind::File => return PRIORITY_SOON,
        UploadKind::Video => size_bytes,
        UploadKind::Audio => size_bytes / 5,
    };
    if film_bytes < 50_000_000 {
        PRIORITY_NORMAL
    } else if film_bytes < 500_000_000 {
        2 * PRIORITY_NORMAL
    } else if film_bytes < 5_000_000_000 {
        4 * PRIORITY_NORMAL
    } else {
        PRIORITY_LATER
    }
}

/// How an attempt ended that did not end well.
pub(super) enum Broken {
    /// The engine says why.
    Fault(media::Fault),
    /// Something else of ours.
    Job(JobError),
}

impl From<JobError> for Broken {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

impl From<FilesError> for Broken {
    fn from(error: FilesError) -> Self {
        let error = match error {
            FilesError::Full => io::ErrorKind::StorageFull.into(),
            FilesError::Io(error) => error,
            other => io::Error::other(other),
        };
        Self::Fault(media::Fault::from_io("the file store", &error))
    }
}

/// One attempt, in a work folder of its own.
async fn attempt(context: &JobContext, upload: &upload::Model) -> Result<(), Broken> {
    if let Some(service) = cloud::service_for(&context.app, upload) {
        return tokio::select! {
            started = Box::pin(cloud::start(context, upload, service)) => started,
            () = context.canceled.cancelled() => Err(JobError::CutOff.into()),
        };
    }
    let name = format!("job-{}-{}", context.id, context.fence);
    let folder = WorkFolder(context.app.files.temporary_dir(&name).await?);
    let made = tokio::select! {
        made = work(context, upload, &folder.0) => made,
        () = context.canceled.cancelled() => return Err(JobError::CutOff.into()),
    };
    let outcome = match made {
        Ok(results) => publish(context, upload, results).await,
        Err(fault) => Err(Broken::Fault(fault)),
    };
    folder.remove().await;
    outcome
}

/// The first sentence: those after it promise another attempt, and there is none.
fn without_promise(words: &str) -> String {
    let first = words.split_once(". ").map_or(words, |(first, _)| first);
    format!("{}.", first.trim_end_matches('.'))
}

/// Says that a worker has the file; `None` when there is nothing to do any more.
async fn begin(context: &JobContext, upload_id: i64) -> Result<Option<upload::Model>, JobError> {
    let mut write = context.write().await?;
    let found = store::find_upload(&*write, upload_id).await?;
    let Some(upload) = found.filter(|upload| upload.state != UploadState::Ready) else {
        return Ok(None);
    };
    let state = UploadState::Processing;
    store::set_state(&context.app, &write, upload_id, state, Change::default()).await?;
    tell(&mut write, upload_id).await?;
    let next = jobs::list_next::<ProcessUpload>(&*write, LINE_TOLD).await?;
    let next: Vec<i64> = next
        .iter()
        .filter_map(|subject| ProcessUpload::upload_of(subject))
        .collect();
    tell_all(&mut write, &next).await?;
    write.commit().await?;
    Ok(Some(upload))
}

/// Runs the engine, and tells meanwhile how far it is.
async fn work(
    context: &JobContext,
    upload: &upload::Model,
    folder: &Path,
) -> Result<Results, media::Fault> {
    let (now_at, steps) = watch::channel(None);
    let original = format!("{}/{ORIGINAL}", upload.prefix);
    let making = making::make(
        &context.app,
        upload,
        &original,
        folder,
        || context.got_on(),
        move |progress: Progress| {
            now_at.send_replace(Some(progress));
        },
    );
    tokio::select! {
        made = Box::pin(making) => made,
        () = follow(context, upload.id, steps) => {
            Err(media::Fault::temporary("Processing was stopped. It will be tried again.", "the lease was lost"))
        }
    }
}

/// Writes progress until the lease is lost; the engine is dropped then.
async fn follow(
    context: &JobContext,
    upload_id: i64,
    mut steps: watch::Receiver<Option<Progress>>,
) {
    while steps.changed().await.is_ok() {
        let step = *steps.borrow_and_update();
        let Some(progress) = step else { continue };
        context.got_on();
        match write_progress(context, upload_id, progress).await {
            Ok(()) => {}
            Err(JobError::CutOff) => return context.canceled.cancel(),
            Err(error) => {
                tracing::warn!(%error, upload = upload_id, "progress could not be written");
            }
        }
        tokio::time::sleep(TELL_EVERY).await;
    }
    // The engine has told its last; its result follows.
    std::future::pending::<()>().await;
}

async fn write_progress(
    context: &JobContext,
    upload_id: i64,
    progress: Progress,
) -> Result<(), JobError> {
    let mut write = context.write().await?;
    let change = Change {
        percent: progress.percent,
        eta_seconds: progress
            .seconds_left
            .and_then(|seconds| i64::try_from(seconds).ok()),
        ..Change::default()
    };
    let state = UploadState::Processing;
    store::set_state(&context.app, &write, upload_id, state, change).await?;
    tell(&mut write, upload_id).await?;
    write.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::without_promise;

    #[test]
    fn the_last_attempt_promises_no_other() {
        let words = "This file could not be processed just now. It will be tried again.";
        assert_eq!(
            without_promise(words),
            "This file could not be processed just now."
        );
        assert_eq!(without_promise("It came to a halt"), "It came to a halt.");
    }
}
