//! Files that people send: receiving them, making of them what every browser plays, and giving
//! them to those who may see them.
//!
//! ```text
//! receive -> adopt -> ProcessUpload -> renditions -> /media/<upload>/<rendition>
//! ```
//!
//! The conversion itself is `backends::media`; which item shows a file is for `courses` and `learning`.

pub mod api;
mod batches;
mod captions;
pub mod cloud;
mod control;
mod delivery;
mod disposition;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod incoming;
mod jobs;
mod leftovers;
mod local;
mod making;
mod names;
mod notices;
pub mod pages;
mod permission;
mod pictures;
mod progress;
mod publishing;
mod quota;
mod ranges;
mod reach;
mod receiver;
mod replacing;
mod signed;
mod store;
mod sweep;
pub mod tus;
mod view;

pub use crate::entities::upload::{UploadKind, UploadState};
pub use api::{UPLOAD, UploadRow, find_upload};
pub use batches::{Batch, SettleBatches};
pub use captions::{
    Caption, CaptionFault, Captions, Cue, Language, Line, MAX_BYTES as CAPTIONS_MAX_BYTES,
    StoredCaptions, attach as attach_captions, known_languages, lines as transcript_lines,
    put as put_captions, put_beside as put_captions_beside, read as read_captions,
    remove as remove_captions,
};
pub use control::{TidyUpload, cancel, cancel_in, retry, retry_in, watch};
pub use jobs::ProcessUpload;
pub use local::receive_local;
pub use pictures::{
    close_of_course as close_room_pictures, discard_of_course as discard_room_pictures,
    discard_unsaid as discard_unsaid_picture, take_out as take_out_of_room,
};
pub use quota::check as check_room;
pub use quota::hold as hold_account;
pub use quota::require as require_room;
pub use quota::{Usage, usage};
pub use reach::reaches_files;
pub use receiver::{
    Accepts, Received, ReceivedFile, Refused, new_prefix, receive, receive_or_refuse,
};
pub use replacing::{DiscardUpload, discard_dropped, files_of, keep_present, replace};
pub use sweep::{DeleteFiles, SweepMedia, keep_tidy};
pub use tus::{Place, Placement, Placing, Unfinished, end_unfinished, item_kind, list_unfinished};
pub use view::{FileView, UploadEvent};

use crate::app::App;
use crate::db::Write;
use crate::entities::{job, upload};
use crate::error::{Error, Result};
use crate::jobs::Job as _;
use crate::messages::group_of;
use crate::web::errors::prefers_json;
use crate::web::identity::Person;
use crate::web::{changes, redirect};
use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};
use sea_orm::ConnectionTrait;
use serde_json::json;
use std::collections::HashMap;

/// The rendition that is the file as it was sent.
pub const ORIGINAL: &str = "original";

/// How the names of captions begin: people add them, so that they stay when a file is processed again.
pub const CAPTIONS: &str = "captions-";

/// Makes a received file the person's own: its row, its rendition `original`, and the job that
/// processes it, all in the caller's transaction. When that is not committed, the file goes too.
///
/// # Errors
/// [`Error::TooLarge`] when her files would take more than the site's quota.
pub async fn adopt(
    app: &App,
    write: &mut Write,
    owner_id: i64,
    file: ReceivedFile,
) -> Result<upload::Model> {
    quota::require(app, write, owner_id, file.size_bytes).await?;
    if let Some(batch) = &file.batch {
        batches::arrive(app, write, owner_id, batch).await?;
    }
    let adopted = store::insert_upload(app, write, owner_id, &file).await?;
    let (files, prefix) = file.keep();
    write.on_rollback(move || sweep::delete_later(files, prefix));
    if adopted.state == UploadState::Waiting {
        crate::jobs::enqueue(app, write, &ProcessUpload::of(&adopted)).await?;
    } else {
        batches::settle(app, write, &adopted).await?;
    }
    tell(write, adopted.id).await?;
    Ok(adopted)
}

/// Holds files until the end of the transaction, so that nobody else discards, processes or begins to use them:
/// first what is to be done for them, then the files themselves, each by number. Whoever changes or deletes items
/// that show them takes these holds before; two who took them in turn would wait for each other.
pub async fn hold_files(write: &Write, upload_ids: &[i64]) -> Result<()> {
    let subjects: Vec<String> = upload_ids
        .iter()
        .map(|id| ProcessUpload::subject_of(*id))
        .collect();
    crate::jobs::hold(write, &subjects).await?;
    store::lock_uploads(write, upload_ids).await
}

/// Deletes an upload, what was made of it, and the files; nothing while an item or the line of a room uses it.
///
/// The caller has changed or deleted its item before, or taken it out of its line, in the same transaction.
pub async fn discard(app: &App, write: &mut Write, upload_id: i64) -> Result<()> {
    hold_files(write, &[upload_id]).await?;
    let Some(found) = store::find_upload(&**write, upload_id).await? else {
        return Ok(());
    };
    if store::is_used(&**write, upload_id).await? {
        return Ok(());
    }
    crate::jobs::cancel(app, write, &ProcessUpload::subject_of(upload_id)).await?;
    cloud::cancel(app, write, &found).await?;
    // Or who sends the same file again would be told that it is here already.
    tus::forget(write, upload_id).await?;
    store::delete_upload(write, upload_id).await?;
    changes::uploads(write, &[upload_id]).await?;
    let deletion = DeleteFiles {
        prefix: found.prefix,
    };
    crate::jobs::enqueue(app, write, &deletion).await?;
    Ok(())
}

/// The files of a page, by the number of their upload, in a constant number of queries.
pub async fn list_files(
    db: &impl ConnectionTrait,
    upload_ids: &[i64],
) -> Result<HashMap<i64, FileView>> {
    if upload_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let uploads = store::list_uploads(db, upload_ids).await?;
    let mut renditions = store::list_renditions(db, upload_ids).await?;
    let waiting: Vec<String> = uploads
        .iter()
        .filter(|upload| upload.state == UploadState::Waiting)
        .map(|upload| ProcessUpload::subject_of(upload.id))
        .collect();
    let (places, ends, is_paused) = if waiting.is_empty() {
        (HashMap::new(), Vec::new(), false)
    } else {
        let places = crate::jobs::places_in_line::<ProcessUpload>(db, &waiting).await?;
        let is_paused = crate::jobs::is_paused(db, ProcessUpload::KIND).await?;
        (places, store::list_ends(db).await?, is_paused)
    };
    let views = uploads.into_iter().map(|upload| {
        let place = places.get(&ProcessUpload::subject_of(upload.id)).copied();
        let is_waiting = upload.state == UploadState::Waiting;
        let view = FileView {
            renditions: renditions.remove(&upload.id).unwrap_or_default(),
            place_in_line: place,
            begins_in_seconds: place
                .filter(|_| !is_paused)
                .and_then(|place| view::begins_in(place, &ends)),
            is_paused: is_paused && is_waiting,
            upload,
        };
        (view.upload.id, view)
    });
    Ok(views.collect())
}

/// One file, for its owner: of those that she may use, which pictures of rooms are not.
///
/// # Errors
/// [`Error::NotFound`] for anybody else, for a picture of a room, and when there is no such upload.
pub async fn get_own_file(
    db: &impl ConnectionTrait,
    person: &Person,
    upload_id: i64,
) -> Result<FileView> {
    let view = get_sent_file(db, person, upload_id).await?;
    let may_be_of_room = view.upload.kind == UploadKind::Image;
    if may_be_of_room && pictures::is_of_room(db, upload_id).await? {
        Err(Error::NotFound)
    } else {
        Ok(view)
    }
}

/// One file, for who sent it, wherever to.
///
/// # Errors
/// [`Error::NotFound`] for anybody else, and when there is no such upload.
pub async fn get_sent_file(
    db: &impl ConnectionTrait,
    person: &Person,
    upload_id: i64,
) -> Result<FileView> {
    let view = get_file(db, upload_id).await?;
    if view.upload.owner_id == person.id {
        Ok(view)
    } else {
        Err(Error::NotFound)
    }
}

/// Gives a file of hers another name, for people; it keeps the ending by which their machines know what it is.
///
/// # Errors
/// [`Error::NotFound`] unless it is hers.
pub async fn rename(app: &App, person: &Person, upload_id: i64, name: &str) -> Result<()> {
    let write = app.write().await?;
    rename_in(&write, person, upload_id, name).await?;
    write.commit().await
}

/// The same within an open transaction.
///
/// # Errors
/// [`Error::NotFound`] unless it is hers.
pub async fn rename_in(write: &Write, person: &Person, upload_id: i64, name: &str) -> Result<()> {
    let held = get_own_file(&**write, person, upload_id).await?;
    let name = names::renamed(&held.upload.name, name);
    store::set_name(write, upload_id, name).await
}

/// A file with everything that is stored of it, whoever's it is.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get_file(db: &impl ConnectionTrait, upload_id: i64) -> Result<FileView> {
    let mut found = list_files(db, &[upload_id]).await?;
    found.remove(&upload_id).ok_or(Error::NotFound)
}

/// The file that a job works on, where the verbs of this feature try it again and stop it.
pub fn upload_of(job: &job::Model) -> Option<i64> {
    let is_ours = [ProcessUpload::KIND, cloud::CollectTranscoding::KIND].contains(&&*job.kind);
    let subject = job.subject.as_deref().filter(|_| is_ours)?;
    ProcessUpload::upload_of(subject)
}

/// So many files in line hear that it was paused or goes on; pages of the others say so when they are drawn.
const PAUSE_TOLD: u64 = 200;

/// Tells those whose files wait that the line was paused or goes on, once the transaction is committed.
pub async fn tell_of_line(write: &mut Write) -> Result<()> {
    let next = crate::jobs::list_next::<ProcessUpload>(&**write, PAUSE_TOLD).await?;
    let ids = next
        .iter()
        .filter_map(|subject| ProcessUpload::upload_of(subject));
    let ids: Vec<i64> = ids.collect();
    tell_all(write, &ids).await
}

/// Tells the owner's open pages how the file stands, once the transaction is committed.
async fn tell(write: &mut Write, upload_id: i64) -> Result<()> {
    tell_all(write, &[upload_id]).await
}

/// As [`tell`], for several files of whomever.
async fn tell_all(write: &mut Write, upload_ids: &[i64]) -> Result<()> {
    let mut views = list_files(&**write, upload_ids).await?;
    for view in upload_ids.iter().filter_map(|id| views.remove(id)) {
        write
            .publish(&group_of(view.upload.owner_id), &view.event())
            .await?;
    }
    Ok(())
}

/// The answer to a form that changed how a file stands: that as JSON for a script (see [`prefers_json`]), a redirect
/// to `next` for a plain form.
pub fn standing(headers: &HeaderMap, view: &FileView, next: &str) -> Response {
    if !prefers_json(headers) {
        return redirect::see_other(next);
    }
    let never_kept = [(CACHE_CONTROL, "private, no-store")];
    (never_kept, axum::Json(view.event())).into_response()
}

/// The answer to a form whose file was taken: JSON with `message`, `next` and, where there is a file, its
/// state for a script (see [`prefers_json`]); a redirect to `next` for a plain form.
///
/// `details`: more members of the JSON, for example `content`, the number of what was made.
pub fn complete(
    headers: &HeaderMap,
    next: &str,
    file: Option<&FileView>,
    details: serde_json::Map<String, serde_json::Value>,
) -> Response {
    if !prefers_json(headers) {
        return redirect::see_other(next);
    }
    let mut answer = details;
    answer.insert("message".into(), "Upload complete!".into());
    answer.insert("next".into(), next.into());
    if let Some(view) = file {
        answer.insert("upload".into(), view.upload.id.into());
        answer.insert("state".into(), json!(view.upload.state));
        answer.insert("words".into(), view.state_words().into());
    }
    axum::Json(serde_json::Value::Object(answer)).into_response()
}
