//! Announcing an upload (tus 1.0, "Creation"), and putting one together from its parts ("Concatenation").

use super::finish::{self, Placement};
use super::headers::{self, Concat, Length, Metadata};
use super::store;
use super::visit::{end, is_part, length};
use crate::app::App;
use crate::entities::tus_upload::{ActiveModel, Model};
use crate::error::{Error, Result};
use crate::media::receiver::{Accepts, new_prefix, original_key};
use crate::media::{batches, quota};
use crate::web::identity::Person;
use axum::http::HeaderMap;
use backends::files::{Partial, Visit};
use sea_orm::ActiveValue::Set;

/// Uploads that one person may have begun and not finished.
const MOST_UNFINISHED: u64 = 1_000;

/// An upload as it is announced.
#[derive(Debug)]
pub struct NewUpload {
    length: Length,
    metadata: Metadata,
    /// `Upload-Concat` as it was sent.
    concat: Option<String>,
    /// The uploads from which it is put together.
    pub parts: Vec<String>,
}

impl NewUpload {
    /// Reads the headers of a creation.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for what is missing or cannot be read.
    pub fn parse(sent: &HeaderMap) -> Result<Self> {
        let length = headers::length(sent)?;
        let metadata = headers::text(sent, "Upload-Metadata")?.unwrap_or("");
        let metadata = Metadata::parse(metadata)?;
        let concat = headers::concat(sent)?;
        if metadata.filename.is_none() && concat != Some(Concat::Partial) {
            return Err(Error::BadRequest(
                "Upload-Metadata needs filename, the name of the file, in Base64.".into(),
            ));
        }
        let raw = headers::text(sent, "Upload-Concat")?.map(str::to_owned);
        let (length, parts) = match (concat, length) {
            (Some(Concat::Final(parts)), None) => (Length::Known(0), parts),
            (Some(Concat::Final(_)), Some(_)) => {
                return Err(Error::BadRequest(
                    "The length of a final upload is that of its parts: leave Upload-Length out."
                        .into(),
                ));
            }
            (_, Some(length)) => (length, Vec::new()),
            (_, None) => {
                return Err(Error::BadRequest(
                    "Send Upload-Length, or Upload-Defer-Length: 1 while it is not known.".into(),
                ));
            }
        };
        Ok(Self {
            length,
            metadata,
            concat: raw,
            parts,
        })
    }
}

/// Makes the row of an upload; its file is made when the first byte arrives.
///
/// # Errors
/// [`Error::TooLarge`] for more than the site, or the person's quota, takes; [`Error::NotFound`] for a module
/// or content that is not hers; [`Error::TooMany`].
pub async fn create(
    app: &App,
    person: &Person,
    new: &NewUpload,
    placement: Placement,
) -> Result<Model> {
    if let Length::Known(bytes) = new.length
        && bytes > Accepts::File.max_bytes(app)
    {
        return Err(Accepts::File.too_large(app));
    }
    let is_part = new.concat.as_deref() == Some("partial");
    if let Some(place) = new.metadata.place.filter(|_| !is_part) {
        (placement.check)(app, person, place).await?;
    }
    let (length_bytes, reserved) = match new.length {
        // The parts count already; the file will when they no longer do.
        Length::Known(bytes) if !new.parts.is_empty() => (i64::try_from(bytes).ok(), 0),
        Length::Known(bytes) => (i64::try_from(bytes).ok(), bytes),
        Length::Deferred => (None, 0),
    };
    let write = app.write().await?;
    quota::require(app, &write, person.id, reserved).await?;
    if store::count_unfinished(&*write, person.id).await? >= MOST_UNFINISHED {
        return Err(Error::TooMany {
            message: format!(
                "You have {MOST_UNFINISHED} unfinished uploads already. Finish or end some of them first."
            ),
            retry_after_seconds: 3_600,
        });
    }
    let random = u128::from_le_bytes(app.clock.random_bytes::<16>());
    let row = ActiveModel {
        id: Set(format!("{random:032x}")),
        owner_id: Set(person.id),
        length_bytes: Set(length_bytes),
        reserved_bytes: Set(i64::try_from(reserved).unwrap_or(i64::MAX)),
        unverified_from_bytes: Set(None),
        metadata: Set(new.metadata.raw.clone()),
        concat: Set(new.concat.clone()),
        batch: Set(new.metadata.batch.as_ref().map(|batch| batch.id.clone())),
        prefix: Set(new_prefix(app)),
        generation: Set(0),
        upload_id: Set(None),
        content_id: Set(None),
        expires_at: Set(store::expiry(app)),
        created_at: Set(app.clock.now()),
    };
    let row = store::insert(&write, row).await?;
    if let Some(batch) = &new.metadata.batch {
        batches::announce(app, &write, person.id, batch).await?;
    }
    write.commit().await?;
    Ok(row)
}

/// Puts an upload together from its parts, which end with it, and finishes it. Asked again, because the answer
/// was lost, it answers what was put together before.
///
/// # Errors
/// [`Error::BadRequest`] unless each part is a partial upload that is whole; [`Error::NotFound`] when it is not hers.
pub async fn concatenate(
    app: &App,
    person: &Person,
    mut new: NewUpload,
    placement: Placement,
) -> Result<Model> {
    if let Some(joined) = find_joined(app, person, &new).await? {
        return Ok(joined);
    }
    // What the file takes more than its parts: those named twice.
    let (mut total, mut more): (u64, u64) = (0, 0);
    for (index, part) in new.parts.iter().enumerate() {
        let size = part_bytes(app, person, part).await?;
        total = total.saturating_add(size);
        if new.parts.iter().take(index).any(|before| before == part) {
            more = more.saturating_add(size);
        }
    }
    quota::check(app, app.db.read(), person.id, more).await?;
    new.length = Length::Known(total);
    let row = create(app, person, &new, placement).await?;
    let id = row.id.clone();
    let joined = match join(app, &new.parts, &row, total).await {
        Ok(partial) => finish::finish(app, person, row, Some(partial), placement).await,
        Err(error) => Err(error),
    };
    if joined.is_err() {
        // Nobody knows its address.
        store::delete(app.db.writer(), &id).await?;
        return joined;
    }
    for part in &new.parts {
        match end(app, person, part).await {
            // Named twice, or expired just now.
            Ok(()) | Err(Error::NotFound | Error::Gone(_)) => {}
            Err(error) => tracing::warn!(%error, "a part of a whole upload is left to expire"),
        }
    }
    joined
}

/// The whole that was put together of the same parts, under the same name.
async fn find_joined(app: &App, person: &Person, new: &NewUpload) -> Result<Option<Model>> {
    let Some(concat) = &new.concat else {
        return Ok(None);
    };
    let metadata = &new.metadata.raw;
    store::find_joined(app, person.id, concat, metadata).await
}

async fn part_bytes(app: &App, person: &Person, id: &str) -> Result<u64> {
    let row = store::get_own(app, app.db.read(), person.id, id).await?;
    let size = app.files.partial_size(id).await?.unwrap_or(0);
    let is_whole = length(&row) == Some(size) && row.unverified_from_bytes.is_none();
    if is_part(&row) && is_whole {
        Ok(size)
    } else {
        Err(Error::BadRequest(
            "Only partial uploads that are whole can be put together.".into(),
        ))
    }
}

async fn join(app: &App, parts: &[String], row: &Model, total: u64) -> Result<Partial> {
    let key = original_key(&row.prefix);
    let Visit::Held(mut partial) = app.files.visit(&row.id, &key).await? else {
        return Err(Error::internal("a new upload is busy"));
    };
    for part in parts {
        if app.files.partial_size(part).await?.unwrap_or(0) > 0 {
            partial = app.files.append(partial, part).await?;
        }
    }
    let partial = partial.sync().await?;
    if partial.size() == total {
        return Ok(partial);
    }
    partial.delete().await?;
    Err(Error::Conflict(
        "A part was ended while it was put together. Please send it again.".into(),
    ))
}
