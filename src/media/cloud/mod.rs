//! Recordings that a service in the cloud converts, and what Amazon SNS tells of it.
//!
//! ```text
//! ProcessUpload -> start: a job at the service, a row in `transcodings`
//! SNS -> hook -> follow: percentage, fault, or CollectTranscoding -> renditions
//! WatchTranscodings asks for jobs of which nothing was heard; EndTranscoding ends those that nobody waits for
//! ```
//!
//! Messages may be late, lost or repeated: a row that has ended stays as it is, a message is heeded once, and
//! what counts in the end is what the service itself answers and what lies in the store. The service's own
//! language is `backends::mediaconvert`; whom to believe is `backends::sns`.

mod collect;
mod follow;
pub mod hook;
mod notice;
mod results;
mod start;
mod store;
mod watch;

pub use collect::CollectTranscoding;
pub use watch::{EndTranscoding, WatchTranscodings};

#[cfg(any(test, feature = "fuzzing"))]
pub(super) use notice::Notice;
pub(super) use start::start;

use crate::app::App;
use crate::db::Write;
use crate::entities::transcoding::TranscodingState;
use crate::entities::upload::{self, UploadKind};
use crate::error::Result;
use crate::media::store as uploads;
use crate::media::{hold_account, hold_files};
use backends::mediaconvert::MediaConvert;
use chrono::TimeDelta;

/// Heeded messages and ended transcodings are kept so long: longer than SNS goes on delivering.
const KEEP: TimeDelta = TimeDelta::days(30);

/// The service that converts an upload; `None` when this site's workers do.
pub(super) fn service_for<'a>(app: &'a App, upload: &upload::Model) -> Option<&'a MediaConvert> {
    match upload.kind {
        UploadKind::Video | UploadKind::Audio => app.transcoder.service(),
        UploadKind::File | UploadKind::Image => None,
    }
}

/// Ends what a service does for an upload, in the caller's transaction.
pub(super) async fn cancel(app: &App, write: &mut Write, upload: &upload::Model) -> Result<()> {
    for row in store::list_open_of(&**write, upload.id).await? {
        let state = TranscodingState::Canceled;
        store::end(app, write, row.id, state, None).await?;
        end_there(app, write, row.id, &upload.prefix).await?;
    }
    Ok(())
}

/// Sees to it that the service ends its job. `prefix`: of the upload, by which a job is found whose name there
/// is not known.
async fn end_there(app: &App, write: &mut Write, transcoding_id: i64, prefix: &str) -> Result<()> {
    let ending = EndTranscoding {
        transcoding_id,
        prefix: prefix.to_owned(),
    };
    crate::jobs::enqueue(app, write, &ending).await?;
    Ok(())
}

/// An upload has become ready: what a service was asked to make of it is done.
pub(super) async fn complete(app: &App, write: &Write, upload_id: i64) -> Result<()> {
    store::complete(app, write, upload_id).await
}

/// Forgets what is long past; answers how many rows.
pub(super) async fn sweep(app: &App) -> Result<u64> {
    store::trim(app, app.clock.now() - KEEP).await
}

/// The upload, which nobody else changes, processes or discards until the end of the transaction. Its owner's
/// account is held before it, as everywhere: she may be told.
async fn hold(write: &Write, upload_id: i64) -> Result<Option<upload::Model>> {
    let Some(found) = uploads::find_upload(&**write, upload_id).await? else {
        return Ok(None);
    };
    hold_account(write, found.owner_id).await?;
    hold_files(write, &[upload_id]).await?;
    uploads::find_upload(&**write, upload_id).await
}

/// Where the results of a transcoding are: a folder of its own, so that no two write the same file.
fn folder(prefix: &str, transcoding_id: i64) -> String {
    format!("{prefix}/cloud-{transcoding_id}")
}
