//! Jobs of the service of which nothing was heard, and those that nobody waits for any more.

use super::notice::Notice;
use super::start::is_wanted;
use super::{CollectTranscoding, end_there, folder, follow, hold, store};
use crate::app::App;
use crate::entities::job::JobState;
use crate::entities::transcoding::{self, TranscodingState};
use crate::entities::upload::UploadState;
use crate::error::Result;
use crate::jobs::{self, Job, JobContext, JobError, PRIORITY_SOON};
use crate::media::store as uploads;
use crate::media::{ORIGINAL, ProcessUpload, tell};
use backends::media::Fault;
use backends::mediaconvert::{MediaConvert, MediaConvertError};
use chrono::TimeDelta;
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};

/// How long nothing is heard of a job before the service is asked: where SNS tells of jobs, and where not.
const PATIENCE_WITH_SNS: TimeDelta = TimeDelta::minutes(5);
const PATIENCE: TimeDelta = TimeDelta::seconds(50);
/// Asked for in one round, so that the service does not refuse us.
const MOST_ASKED: u64 = 50;
/// A job that has not ended by then never will.
const LONGEST: TimeDelta = TimeDelta::hours(48);

const TOO_LONG: &str = "The service that converts recordings has not finished within two days. Try again, or with a shorter recording.";
const FORGOTTEN: &str =
    "The service that converts recordings does not know this one any more. Try again.";

/// Asks the service for jobs of which nothing was heard: messages may get lost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WatchTranscodings {}

impl Job for WatchTranscodings {
    const KIND: &'static str = "media.watch_transcodings";

    fn priority(&self) -> i32 {
        PRIORITY_SOON
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let app = &context.app;
        let patience = if app.config.sns_topics.is_empty() {
            PATIENCE
        } else {
            PATIENCE_WITH_SNS
        };
        let since = app.clock.now() - patience;
        for row in store::list_unheard(app.db.read(), since, MOST_ASKED).await? {
            // Whatever comes of it, the others have their turn before this one is looked at again.
            store::note_look(app, row.id).await?;
            let looked = tokio::select! {
                looked = look(app, &row) => looked,
                () = context.canceled.cancelled() => return Err(JobError::CutOff),
            };
            if let Err(error) = looked {
                tracing::warn!(%error, upload = row.upload_id, "a transcoding could not be looked at");
            }
        }
        Ok(())
    }
}

/// Asks for one.
async fn look(app: &App, row: &transcoding::Model) -> Result<()> {
    let is_collecting = row.state == TranscodingState::Collecting;
    if is_collecting && has_job(app.db.read(), row.upload_id).await? {
        return Ok(());
    }
    let Some(service) = app.transcoder.service() else {
        return hand_over(app, row).await;
    };
    let upload = uploads::find_upload(app.db.read(), row.upload_id).await?;
    if !upload.is_some_and(|upload| is_wanted(app, &upload)) {
        return let_go(app, row).await;
    }
    if app.clock.now() - row.created_at > LONGEST {
        return fail(app, row, TOO_LONG, "not ended within 48 hours").await;
    }
    if is_collecting {
        return collect_again(app, row).await;
    }
    // One that is about to be asked for is its worker's business.
    let Some(job_id) = row.external_id.as_deref() else {
        return Ok(());
    };
    match service.job(job_id).await {
        Ok(job) => {
            let mut write = app.write().await?;
            follow::follow(app, &mut write, &Notice::of(&job)).await?;
            write.commit().await
        }
        Err(error) if error.is_unknown() => fail(app, row, FORGOTTEN, &error.to_string()).await,
        Err(error) => {
            tracing::warn!(%error, upload = row.upload_id, "the cloud service could not be asked");
            Ok(())
        }
    }
}

/// Whether anything is in line for an upload, or runs.
async fn has_job(db: &impl ConnectionTrait, upload_id: i64) -> Result<bool> {
    let latest = jobs::find_latest(db, &ProcessUpload::subject_of(upload_id)).await?;
    Ok(latest.is_some_and(|job| matches!(job.state, JobState::Waiting | JobState::Running)))
}

/// The service is done, and nobody looks at what it has made.
async fn collect_again(app: &App, row: &transcoding::Model) -> Result<()> {
    let mut write = app.write().await?;
    hold(&write, row.upload_id).await?;
    let found = store::lock(&write, row.id).await?;
    let is_collecting = found.is_some_and(|row| row.state == TranscodingState::Collecting);
    if !is_collecting || has_job(&*write, row.upload_id).await? {
        return Ok(());
    }
    let collecting = CollectTranscoding {
        transcoding_id: row.id,
        upload_id: row.upload_id,
    };
    jobs::enqueue(app, &mut write, &collecting).await?;
    write.commit().await
}

/// The site converts by itself now: the upload goes in line like any other.
pub(super) async fn hand_over(app: &App, row: &transcoding::Model) -> Result<()> {
    let mut write = app.write().await?;
    let upload = hold(&write, row.upload_id).await?;
    let found = store::lock(&write, row.id).await?;
    let Some(row) = found.filter(|row| store::OPEN.contains(&row.state)) else {
        return Ok(());
    };
    let why = "the site converts by itself now";
    store::end(app, &write, row.id, TranscodingState::Canceled, Some(why)).await?;
    if let Some(upload) = upload.filter(|upload| upload.state == UploadState::Processing) {
        uploads::put_in_line(app, &write, upload.id).await?;
        jobs::enqueue(app, &mut write, &ProcessUpload::of(&upload)).await?;
        tell(&mut write, upload.id).await?;
    }
    write.commit().await
}

/// Nobody waits for it: its upload was deleted, stopped, or has failed otherwise.
async fn let_go(app: &App, row: &transcoding::Model) -> Result<()> {
    let mut write = app.write().await?;
    let upload = hold(&write, row.upload_id).await?;
    let Some(row) = store::lock(&write, row.id).await? else {
        return Ok(());
    };
    let is_wanted = upload.as_ref().is_some_and(|upload| is_wanted(app, upload));
    if is_wanted || !store::OPEN.contains(&row.state) {
        return Ok(());
    }
    store::end(app, &write, row.id, TranscodingState::Canceled, None).await?;
    let prefix = upload.map(|upload| upload.prefix).unwrap_or_default();
    end_there(app, &mut write, row.id, &prefix).await?;
    write.commit().await
}

/// Gives up waiting, and tells the owner.
async fn fail(app: &App, row: &transcoding::Model, words: &str, detail: &str) -> Result<()> {
    let mut write = app.write().await?;
    let upload = hold(&write, row.upload_id).await?;
    let row = store::lock(&write, row.id).await?;
    let Some((row, upload)) = row
        .zip(upload)
        .filter(|(row, upload)| store::OPEN.contains(&row.state) && is_wanted(app, upload))
    else {
        return Ok(());
    };
    let fault = Fault::permanent(words, format!("the cloud service: {detail}"));
    follow::fail(app, &mut write, &row, &upload, &fault).await?;
    end_there(app, &mut write, row.id, &upload.prefix).await?;
    write.commit().await
}

/// Ends a job at the service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EndTranscoding {
    /// Which transcoding.
    pub transcoding_id: i64,
    /// Prefix of its upload, by which a job is found whose name at the service is not known; or empty.
    pub prefix: String,
}

impl Job for EndTranscoding {
    const KIND: &'static str = "media.end_transcoding";
    const MAX_ATTEMPTS: i32 = 8;

    fn priority(&self) -> i32 {
        PRIORITY_SOON
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let app = &context.app;
        let Some(service) = app.transcoder.service() else {
            return Ok(());
        };
        let found = store::find(app.db.read(), self.transcoding_id).await?;
        let Some(row) = found.filter(|row| row.state != TranscodingState::Complete) else {
            return Ok(());
        };
        let ended = self.end(service, &row).await;
        ended.map_err(|error| JobError::Retry(error.to_string()))?;
        if !self.prefix.is_empty() {
            // What it has made so far belongs to nobody.
            app.files
                .delete_prefix(&folder(&self.prefix, row.id))
                .await?;
        }
        Ok(())
    }
}

impl EndTranscoding {
    async fn end(
        &self,
        service: &MediaConvert,
        row: &transcoding::Model,
    ) -> Result<(), MediaConvertError> {
        let id = match &row.external_id {
            Some(id) => Some(id.clone()),
            None if self.prefix.is_empty() => None,
            None => {
                let original = format!("{}/{ORIGINAL}", self.prefix);
                service.find(&original, &row.token).await?.map(|job| job.id)
            }
        };
        match id {
            Some(id) => service.cancel(&id).await,
            None => Ok(()),
        }
    }
}
