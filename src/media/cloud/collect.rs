//! The job that makes results of the service the renditions of an upload.

use super::results::{Made, check_playlist, results};
use super::start::{formats, is_wanted};
use super::watch::hand_over;
use super::{folder, follow, store};
use crate::app::App;
use crate::entities::rendition;
use crate::entities::transcoding::{self, TranscodingState};
use crate::entities::upload::{self, UploadKind, UploadState};
use crate::jobs::{Fault, Job, JobContext, JobError, PRIORITY_SOON};
use crate::media::leftovers::remove_leftovers;
use crate::media::store::{self as uploads, Measures};
use crate::media::{ProcessUpload, hold_files, publishing};
use backends::media;
use backends::mediaconvert::{self, JobStatus, MediaConvert, Wanted};
use futures::StreamExt as _;
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest playlist that is read: ten hours in pieces of six seconds take half of a megabyte.
const MOST_PLAYLIST_BYTES: u64 = 4_000_000;

const LOST: &str = "The results of converting this recording were lost on their way. Try again.";
const NOT_WHOLE: &str = "The results of converting this recording are not complete. Try again.";

/// Makes what the service has put into the store the renditions of its upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CollectTranscoding {
    /// Which transcoding.
    pub transcoding_id: i64,
    /// Its upload.
    pub upload_id: i64,
}

impl Job for CollectTranscoding {
    const KIND: &'static str = "media.collect_transcoding";

    fn priority(&self) -> i32 {
        PRIORITY_SOON
    }

    fn subject(&self) -> Option<String> {
        Some(ProcessUpload::subject_of(self.upload_id))
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let app = &context.app;
        let db = app.db.read();
        let row = store::find(db, self.transcoding_id).await?;
        let upload = uploads::find_upload(db, self.upload_id).await?;
        let is_collecting = |row: &transcoding::Model| row.state == TranscodingState::Collecting;
        let Some(service) = app.transcoder.service() else {
            // Its results cannot be asked for any more; the site makes its own.
            return match row.filter(is_collecting) {
                Some(row) => Ok(hand_over(app, &row).await?),
                None => self.begin_anew(&context).await,
            };
        };
        let Some((row, upload)) = row
            .zip(upload)
            .filter(|(row, upload)| is_collecting(row) && is_wanted(app, upload))
        else {
            return self.begin_anew(&context).await;
        };
        let made = tokio::select! {
            made = collect(app, service, &row, &upload) => made?,
            () = context.canceled.cancelled() => return Err(JobError::CutOff),
        };
        match made {
            Ok(made) => publish(&context, &upload, made).await,
            Err(fault) => fail(&context, &row, &upload, &fault).await,
        }
    }

    async fn give_up(self, context: JobContext, fault: Fault) -> Result<(), JobError> {
        let db = context.app.db.read();
        let row = store::find(db, self.transcoding_id).await?;
        let upload = uploads::find_upload(db, self.upload_id).await?;
        let found = row.zip(upload).filter(|(row, upload)| {
            row.state == TranscodingState::Collecting && is_wanted(&context.app, upload)
        });
        let Some((row, upload)) = found else {
            return Ok(());
        };
        let fault = media::Fault::permanent(LOST, fault.detail);
        let mut write = publishing::write_as_owner(&context, upload.owner_id).await?;
        follow::fail(&context.app, &mut write, &row, &upload, &fault).await?;
        write.commit().await?;
        Ok(())
    }
}

impl CollectTranscoding {
    /// This job was put in line again after its transcoding had ended: somebody pressed "Try again", and the
    /// upload waits for a worker that begins anew.
    async fn begin_anew(self, context: &JobContext) -> Result<(), JobError> {
        let app = &context.app;
        let mut write = context.write().await?;
        hold_files(&write, &[self.upload_id]).await?;
        let upload = uploads::find_upload(&*write, self.upload_id).await?;
        let Some(upload) = upload.filter(|upload| upload.state == UploadState::Waiting) else {
            return Ok(());
        };
        let is_open = !store::list_open_of(&*write, upload.id).await?.is_empty();
        if !is_open {
            crate::jobs::enqueue(app, &mut write, &ProcessUpload::of(&upload)).await?;
        }
        context.complete(write).await
    }
}

/// Everything that was made.
struct Collected {
    files: Vec<Made>,
    measures: Measures,
}

/// Looks at what was made. The outer error may go away; the inner one says what is wrong with the results.
async fn collect(
    app: &App,
    service: &MediaConvert,
    row: &transcoding::Model,
    upload: &upload::Model,
) -> Result<Result<Collected, media::Fault>, JobError> {
    let not_whole = |detail: String| Ok(Err(media::Fault::permanent(NOT_WHOLE, detail)));
    let Some(job_id) = &row.external_id else {
        return not_whole("the job at the cloud service has no name".into());
    };
    let job = service.job(job_id).await;
    let job = job.map_err(|error| JobError::Retry(error.to_string()))?;
    if job.status != JobStatus::Complete {
        return Err(JobError::Retry(format!(
            "the cloud service said that {job_id} is complete, and now {:?}",
            job.status
        )));
    }
    let folder = folder(&upload.prefix, row.id);
    let entries = app.files.list(&folder).await?;
    let files = match results(&folder, &entries, &needed(app, upload)) {
        Ok(files) => files,
        Err(detail) => return not_whole(detail),
    };
    let names: BTreeSet<&str> = files.iter().map(|one| one.name.as_str()).collect();
    for playlist in files.iter().filter(|one| one.is_playlist()) {
        let text = read(app, playlist).await?;
        if let Err(detail) = check_playlist(&playlist.name, &text, &names) {
            return not_whole(detail);
        }
    }
    let (width, height) = job.size().unzip();
    let measures = Measures {
        duration_seconds: job.seconds(),
        width,
        height,
    };
    Ok(Ok(Collected { files, measures }))
}

fn needed(app: &App, upload: &upload::Model) -> Vec<String> {
    let wanted = match upload.kind {
        UploadKind::Audio => Wanted::Sound(formats(app)),
        _ => Wanted::Film(mediaconvert::Picture::UNKNOWN),
    };
    mediaconvert::needed(&wanted)
}

/// A playlist's text; of one that is too long, its beginning, which is then no good.
async fn read(app: &App, playlist: &Made) -> Result<String, JobError> {
    let range = 0..MOST_PLAYLIST_BYTES;
    let (_, pieces) = app.files.read(&playlist.key, Some(range)).await?;
    let mut pieces = Box::pin(pieces);
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// In one transaction: from then on they count.
async fn publish(
    context: &JobContext,
    upload: &upload::Model,
    made: Collected,
) -> Result<(), JobError> {
    let rows = made.files.iter().map(|one| {
        let is_film = one.name == "video.mp4";
        rendition::ActiveModel {
            upload_id: Set(upload.id),
            name: Set(one.name.clone()),
            key: Set(one.key.clone()),
            mime: Set(one.mime.to_owned()),
            size_bytes: Set(i64::try_from(one.size_bytes).unwrap_or(i64::MAX)),
            width: Set(made.measures.width.filter(|_| is_film)),
            height: Set(made.measures.height.filter(|_| is_film)),
            ..Default::default()
        }
    });
    let rows: Vec<_> = rows.collect();
    publishing::write_down(context, upload, &rows, made.measures).await?;
    remove_leftovers(&context.app, upload).await;
    Ok(())
}

async fn fail(
    context: &JobContext,
    row: &transcoding::Model,
    upload: &upload::Model,
    fault: &media::Fault,
) -> Result<(), JobError> {
    let app = &context.app;
    let mut write = publishing::write_as_owner(context, upload.owner_id).await?;
    follow::fail(app, &mut write, row, upload, fault).await?;
    context.complete(write).await
}
