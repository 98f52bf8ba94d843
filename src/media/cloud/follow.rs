//! What a notice changes: progress, the end, or nothing when it is late.

use super::notice::{Notice, Said};
use super::start::is_wanted;
use super::{CollectTranscoding, end_there, hold, store};
use crate::app::App;
use crate::db::Write;
use crate::entities::transcoding::{self, TranscodingState};
use crate::entities::upload::{self, UploadState};
use crate::error::Result;
use crate::media::store::{self as uploads, Change};
use crate::media::{batches, notices, tell};
use backends::media::Fault;
use backends::mediaconvert::{of_code, stopped};
use sha2::{Digest as _, Sha256};

/// While results are not looked at yet nothing is whole.
const MOST_PERCENT: f64 = 99.0;

/// Below this an estimate of the time left would be feigned.
const TELLING_PERCENT: f64 = 3.0;

/// Heeds a notice, in the caller's transaction.
pub async fn follow(app: &App, write: &mut Write, notice: &Notice) -> Result<()> {
    let token = notice.token.as_deref();
    match store::find_spoken_of(&**write, &notice.job_id, token).await? {
        Some(row) => of_ours(app, write, &row, notice).await,
        None => of_others(app, write, notice).await,
    }
}

/// A job that this site has started. Its upload is locked before its row, as everywhere.
async fn of_ours(
    app: &App,
    write: &mut Write,
    row: &transcoding::Model,
    notice: &Notice,
) -> Result<()> {
    let upload = hold(write, row.upload_id).await?;
    let Some(row) = store::lock(write, row.id).await? else {
        return Ok(());
    };
    if row.external_id.is_none() {
        store::set_external_id(write, row.id, &notice.job_id).await?;
        if row.state == TranscodingState::Canceled {
            // Canceled while it was asked for: now it is known what to end.
            end_there(app, write, row.id, "").await?;
        }
    }
    let is_open = store::OPEN.contains(&row.state);
    let Some(upload) = upload.filter(|upload| is_open && is_wanted(app, upload)) else {
        tracing::debug!(
            job = notice.job_id,
            "a notice came late and changes nothing"
        );
        return Ok(());
    };
    match &notice.said {
        Said::Progress(percent) => advance(app, write, &row, &upload, *percent).await,
        Said::Warning(message) => {
            tracing::warn!(
                upload = upload.id,
                job = notice.job_id,
                message,
                "the cloud service warns"
            );
            advance(app, write, &row, &upload, None).await
        }
        Said::Complete if row.state == TranscodingState::Collecting => Ok(()),
        Said::Complete => {
            advance(app, write, &row, &upload, Some(MOST_PERCENT)).await?;
            let state = TranscodingState::Collecting;
            store::go_on(app, write, row.id, state, MOST_PERCENT).await?;
            let collecting = CollectTranscoding {
                transcoding_id: row.id,
                upload_id: upload.id,
            };
            crate::jobs::enqueue(app, write, &collecting).await?;
            Ok(())
        }
        Said::Failed { code, message } => {
            fail(app, write, &row, &upload, &of_code(code, message)).await
        }
        Said::Canceled => fail(app, write, &row, &upload, &stopped()).await,
    }
}

/// Tells how far the service is; never less than before, for notices overtake each other.
async fn advance(
    app: &App,
    write: &mut Write,
    row: &transcoding::Model,
    upload: &upload::Model,
    percent: Option<f64>,
) -> Result<()> {
    let state = match row.state {
        TranscodingState::Starting => TranscodingState::Running,
        state => state,
    };
    let percent = percent
        .filter(|percent| percent.is_finite())
        .map_or(row.percent, |percent| {
            percent.clamp(row.percent, MOST_PERCENT.max(row.percent))
        });
    store::go_on(app, write, row.id, state, percent).await?;
    let is_told = upload.state == UploadState::Processing && percent <= upload.progress_percent;
    if is_told {
        return Ok(());
    }
    let change = Change {
        percent,
        eta_seconds: seconds_left(app, row, percent),
        ..Change::default()
    };
    uploads::set_state(app, write, upload.id, UploadState::Processing, change).await?;
    tell(write, upload.id).await
}

/// As long again for each part as for those before.
fn seconds_left(app: &App, row: &transcoding::Model, percent: f64) -> Option<i64> {
    if percent < TELLING_PERCENT {
        return None;
    }
    let passed = (app.clock.now() - row.created_at).num_seconds().max(0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seconds of a conversion, which ends within days"
    )]
    let left = (passed as f64 * (100.0 - percent) / percent) as i64;
    Some(left)
}

/// Ends a transcoding that went wrong, and tells the owner why.
pub async fn fail(
    app: &App,
    write: &mut Write,
    row: &transcoding::Model,
    upload: &upload::Model,
    fault: &Fault,
) -> Result<()> {
    let state = TranscodingState::Failed;
    store::end(app, write, row.id, state, Some(&fault.detail)).await?;
    let change = Change {
        fault: Some(fault.words.clone()),
        fault_detail: Some(fault.detail.clone()),
        ..Change::default()
    };
    uploads::set_state(app, write, upload.id, UploadState::Failed, change).await?;
    // Jobs of ours count upwards, so that no attempt of theirs is called the same.
    if !batches::settle(app, write, upload).await? {
        let occasion = format!("{}:0", -row.id);
        notices::failed(app, write, upload, &fault.words, &occasion).await?;
    }
    tell(write, upload.id).await?;
    tracing::warn!(
        upload = upload.id,
        detail = fault.detail,
        "a conversion in the cloud failed"
    );
    Ok(())
}

/// A job that another program has started for a file that is here: its owner is told, and nothing else is
/// changed, for nobody knows here what was made, and where.
async fn of_others(app: &App, write: &mut Write, notice: &Notice) -> Result<()> {
    let key = notice.input_key.as_deref().and_then(own_key);
    let upload = match key {
        Some(key) => store::find_by_original(&**write, key).await?,
        None => None,
    };
    let Some(upload) = upload else {
        tracing::info!(
            job = notice.job_id,
            "a notice speaks of a job that this site does not know"
        );
        return Ok(());
    };
    match &notice.said {
        Said::Complete => notices::converted_elsewhere(app, write, &upload, &notice.job_id).await,
        Said::Failed { code, message } => {
            let fault = of_code(code, message);
            tracing::warn!(
                upload = upload.id,
                detail = fault.detail,
                "another program's conversion failed"
            );
            let occasion = format!("{}:0", number_of(&notice.job_id));
            notices::failed(app, write, &upload, &fault.words, &occasion).await
        }
        Said::Progress(_) | Said::Warning(_) | Said::Canceled => Ok(()),
    }
}

/// The key of a stored file within a bucket, where this site's files may have a prefix.
fn own_key(key: &str) -> Option<&str> {
    let start = key
        .match_indices("uploads/")
        .map(|(start, _)| start)
        .find(|start| {
            *start == 0
                || key
                    .get(..*start)
                    .is_some_and(|before| before.ends_with('/'))
        })?;
    key.get(start..)
}

/// A number for a foreign name of a job, negative as those of [`fail`] but far from them.
fn number_of(job_id: &str) -> i64 {
    let digest = Sha256::digest(job_id.as_bytes());
    let bytes = digest.iter().take(7);
    let number = bytes.fold(0_i64, |number, byte| number * 256 + i64::from(*byte));
    -number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_behind_the_prefix_of_the_bucket() {
        assert_eq!(own_key("uploads/x/original"), Some("uploads/x/original"));
        assert_eq!(
            own_key("school/a/uploads/x/original"),
            Some("uploads/x/original")
        );
        assert_eq!(own_key("myuploads/x/original"), None);
        assert_eq!(own_key("x/original"), None);
    }

    #[test]
    fn each_foreign_job_has_a_number_of_its_own() {
        assert_eq!(number_of("a"), number_of("a"));
        assert_ne!(number_of("a"), number_of("b"));
        assert!(number_of("a") < 0);
    }
}
