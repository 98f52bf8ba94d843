//! Asking the service: one job for each attempt, whatever is cut off in between.

use super::{end_there, folder, service_for, store};
use crate::app::App;
use crate::entities::transcoding::{self, TranscodingState};
use crate::entities::upload::{self, UploadKind};
use crate::jobs::{JobContext, JobError};
use crate::media::ORIGINAL;
use crate::media::jobs::Broken;
use backends::media::Fault;
use backends::mediaconvert::{Found, MediaConvert, MediaConvertError, Order, Picture, Wanted};

impl From<MediaConvertError> for Broken {
    fn from(error: MediaConvertError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<crate::error::Error> for Broken {
    fn from(error: crate::error::Error) -> Self {
        Self::Job(error.into())
    }
}

/// Starts a job for an upload that is being processed, and ends ours: the service goes on.
pub async fn start(
    context: &JobContext,
    upload: &upload::Model,
    service: &MediaConvert,
) -> Result<(), Broken> {
    let (row, is_new) = claim(context, upload).await?;
    if row.state == TranscodingState::Starting {
        let original = format!("{}/{ORIGINAL}", upload.prefix);
        // An attempt before this one may have been cut off after the service had heard of it.
        let known = if is_new {
            None
        } else {
            service.find(&original, &row.token).await?
        };
        let job_id = match known {
            Some(job) => job.id,
            None => order(context, upload, service, &row).await?,
        };
        note(&context.app, upload, row.id, &job_id).await?;
    }
    let write = context.write().await?;
    context.complete(write).await?;
    Ok(())
}

/// The row of this upload's transcoding, made unless there is one, and whether it is new.
async fn claim(
    context: &JobContext,
    upload: &upload::Model,
) -> Result<(transcoding::Model, bool), Broken> {
    let write = context.write().await?;
    let open = store::list_open_of(&*write, upload.id).await?;
    if let Some(row) = open.into_iter().next_back() {
        return Ok((row, false));
    }
    let token = context.app.clock.random_token();
    let row = store::insert(&context.app, &write, upload.id, token).await?;
    write.commit().await?;
    Ok((row, true))
}

async fn order(
    context: &JobContext,
    upload: &upload::Model,
    service: &MediaConvert,
    row: &transcoding::Model,
) -> Result<String, Broken> {
    let order = Order {
        token: row.token.clone(),
        input: format!("{}/{ORIGINAL}", upload.prefix),
        folder: folder(&upload.prefix, row.id),
        wanted: wanted(&context.app, upload, service).await?,
    };
    Ok(service.create(&order).await?)
}

async fn wanted(
    app: &App,
    upload: &upload::Model,
    service: &MediaConvert,
) -> Result<Wanted, Broken> {
    if upload.kind == UploadKind::Audio {
        return Ok(Wanted::Sound(formats(app)));
    }
    match service
        .probe(&format!("{}/{ORIGINAL}", upload.prefix))
        .await?
    {
        Some(Found::Film(picture)) => Ok(Wanted::Film(picture)),
        Some(Found::NoPicture) => Err(Broken::Fault(Fault::permanent(
            "This file holds sound only. Add it as audio instead.",
            "the cloud service found no video track",
        ))),
        None => Ok(Wanted::Film(Picture::UNKNOWN)),
    }
}

/// What recordings are offered as: M4A always.
pub(super) fn formats(app: &App) -> Vec<String> {
    let others = app
        .config
        .audio_formats
        .iter()
        .filter(|name| *name != "m4a");
    std::iter::once("m4a".to_owned())
        .chain(others.cloned())
        .collect()
}

/// Notes what the service calls the job, whoever holds the lease now: the job exists. Is nobody waiting for
/// it any more, the service ends it.
async fn note(app: &App, upload: &upload::Model, id: i64, job_id: &str) -> Result<(), Broken> {
    let mut write = app.write().await?;
    let Some(row) = store::lock(&write, id).await? else {
        return Err(JobError::CutOff.into());
    };
    if row.external_id.is_none() {
        store::set_external_id(&write, id, job_id).await?;
    }
    if row.state == TranscodingState::Starting {
        store::go_on(app, &write, id, TranscodingState::Running, row.percent).await?;
    } else if !store::OPEN.contains(&row.state) {
        end_there(app, &mut write, row.id, &upload.prefix).await?;
    }
    write.commit().await?;
    tracing::info!(
        upload = upload.id,
        job = job_id,
        "the cloud service has the recording"
    );
    Ok(())
}

/// Whether an upload is still to be converted by the service.
pub(super) fn is_wanted(app: &App, upload: &upload::Model) -> bool {
    use crate::entities::upload::UploadState;
    let is_open = matches!(upload.state, UploadState::Waiting | UploadState::Processing);
    is_open && service_for(app, upload).is_some()
}
