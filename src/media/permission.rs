//! Who may have a stored file: one query, whose "yes" is remembered until something changes on which it
//! rests. The rule itself stands in [`store::find_visible`].
//!
//! It rests on the person, the courses that she is in, and the upload: whoever takes a file out of a lesson,
//! or closes a course, says so of its uploads. A "no" is never remembered, so that a right that is gained needs
//! no word.

use super::store;
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::identity::Person;
use crate::web::tags::Tag;
use backends::cache::Timeout;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a "yes" is remembered at most.
const LIFETIME: Timeout = Timeout::After(Duration::from_secs(600));

/// A stored file that somebody may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Where it is in the file store.
    pub key: String,
    /// Its type.
    pub mime: String,
    /// Its size.
    pub size_bytes: u64,
    /// What the upload was called by who sent it.
    pub upload_name: String,
}

/// A file that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Number of the upload.
    pub upload_id: i64,
    /// Name of the rendition.
    pub name: &'a str,
    /// Whether it is to be kept, which a film's item may not allow.
    pub is_download: bool,
}

/// The file of this name of an upload, for who may have it. Costs no query when it was asked lately.
///
/// # Errors
/// [`Error::NotFound`] for everybody else, and when there is none.
pub async fn get(app: &App, person: &Person, wanted: Wanted<'_>) -> Result<Grant> {
    let Some(key) = key(person, wanted) else {
        return ask(app, person, wanted).await;
    };
    let tags = [
        Tag::person(person.id),
        Tag::studies(person.id),
        Tag::upload(wanted.upload_id),
    ];
    app.tagged
        .get_or_set(&key, &tags, LIFETIME, || ask(app, person, wanted))
        .await
}

/// As [`get`], without what is remembered: for a file that is no longer where it was.
pub async fn get_again(app: &App, person: &Person, wanted: Wanted<'_>) -> Result<Grant> {
    if let Some(key) = key(person, wanted) {
        app.tagged.delete(&key).await?;
    }
    ask(app, person, wanted).await
}

async fn ask(app: &App, person: &Person, wanted: Wanted<'_>) -> Result<Grant> {
    let found = store::find_visible(
        app.db.read(),
        person,
        (wanted.upload_id, wanted.name),
        wanted.is_download,
    )
    .await?;
    let (file, upload) = found.ok_or(Error::NotFound)?;
    Ok(Grant {
        key: file.key,
        mime: file.mime,
        size_bytes: u64::try_from(file.size_bytes).unwrap_or(0),
        upload_name: upload.name,
    })
}

/// Under which the answer is remembered; none for names that no stored file has.
fn key(person: &Person, wanted: Wanted<'_>) -> Option<String> {
    let Wanted {
        upload_id, name, ..
    } = wanted;
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain {
        return None;
    }
    let (user_id, role) = (person.id, if person.is_staff { "staff" } else { "user" });
    let way = if wanted.is_download { "keep" } else { "see" };
    Some(format!("media:{role}:{user_id}:{way}:{upload_id}:{name}"))
}
