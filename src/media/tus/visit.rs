//! Going on with an upload: alone, and from what is truly there.

use super::store;
use crate::app::App;
use crate::entities::tus_upload::{ActiveModel, Model};
use crate::error::{Error, Result};
use crate::media::receiver::original_key;
use crate::media::{self, batches};
use crate::web::identity::Person;
use crate::web::turns::Turn;
use backends::files::{FilesError, Partial, Visit};
use sea_orm::ActiveValue::Set;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks whether another process has let go.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Another process sees within half a second that it shall let go, and then stores what it has. One that has
/// not let go by then is replaced, where the store can do that: it may be gone.
const GRACE: Duration = Duration::from_secs(3);
/// One that can neither be replaced nor has let go by then is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// An upload that somebody goes on with.
pub enum Entered {
    /// It has become a file already.
    Finished(Model),
    /// All of it is stored where it belongs, but the site stopped before it was written down.
    Stored(Model, Turn),
    /// There may be more to come.
    Open(Open),
}

/// An upload that this connection holds alone.
pub struct Open {
    pub row: Model,
    /// Dropped before the turn ends.
    pub partial: Partial,
    pub turn: Turn,
}

impl Open {
    /// Whether all bytes are there.
    pub fn is_whole(&self) -> bool {
        length(&self.row) == Some(self.partial.size())
    }
}

/// Whether it is a part of a concatenation, which never becomes a file by itself.
pub fn is_part(row: &Model) -> bool {
    row.concat.as_deref() == Some("partial")
}

/// The size that was announced.
pub fn length(row: &Model) -> Option<u64> {
    row.length_bytes.and_then(|bytes| u64::try_from(bytes).ok())
}

/// Takes over from whoever had the upload before, waits until they have let go, and looks how much there is:
/// durable, verified, and no more than was announced.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Gone`]; [`Error::Unavailable`] when another process does not let go.
pub async fn enter(app: &App, owner_id: i64, id: &str) -> Result<Entered> {
    let row = store::get_own(app, app.db.read(), owner_id, id).await?;
    if row.upload_id.is_some() {
        return Ok(Entered::Finished(row));
    }
    let turn = app.turns.take(id).await;
    let partial = hold(app, &row).await?;
    // Somebody may have finished or ended it while we waited.
    let row = match store::get_own(app, app.db.read(), owner_id, id).await {
        Ok(row) => row,
        Err(error) => {
            if matches!(error, Error::NotFound) {
                partial.delete().await?;
            }
            return Err(error);
        }
    };
    if row.upload_id.is_some() {
        partial.delete().await?;
        return Ok(Entered::Finished(row));
    }
    if partial.size() == 0 && is_stored(app, &row).await? {
        partial.delete().await?;
        return Ok(Entered::Stored(row, turn));
    }
    let partial = mend(app, &row, partial).await?.sync().await?;
    Ok(Entered::Open(Open { row, partial, turn }))
}

async fn hold(app: &App, row: &Model) -> Result<Partial> {
    let key = original_key(&row.prefix);
    let waiting = async {
        let mut told_at: Option<Instant> = None;
        loop {
            let visit = match told_at {
                Some(at) if at.elapsed() > GRACE => app.files.take_over(&row.id, &key).await?,
                _ => app.files.visit(&row.id, &key).await?,
            };
            if let Visit::Held(partial) = visit {
                return Ok(partial);
            }
            if told_at.is_none() {
                store::next_generation(app, &row.id).await?;
                told_at = Some(Instant::now());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| {
        Err(Error::Unavailable(
            "Another connection is still busy with this upload. Please go on with it in a moment."
                .into(),
        ))
    })
}

/// Whether the file was moved to its place before the site stopped.
async fn is_stored(app: &App, row: &Model) -> Result<bool> {
    match app.files.size(&original_key(&row.prefix)).await {
        Ok(size) => Ok(length(row) == Some(size)),
        Err(FilesError::NotFound) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Cuts off what a request that was cut off itself left without its checksum.
async fn mend(app: &App, row: &Model, partial: Partial) -> Result<Partial> {
    let verified = row
        .unverified_from_bytes
        .and_then(|bytes| u64::try_from(bytes).ok());
    let most = [verified, length(row)].into_iter().flatten().min();
    let partial = match most {
        Some(most) if partial.size() > most => partial.truncate(most).await?,
        _ => partial,
    };
    if verified.is_some() {
        let change = ActiveModel {
            unverified_from_bytes: Set(None),
            ..Default::default()
        };
        store::update(app.db.writer(), &row.id, change).await?;
    }
    Ok(partial)
}

/// Ends an upload: what has arrived goes. A file that it became goes too, unless a content shows it.
///
/// # Errors
/// As [`enter`].
pub async fn end(app: &App, person: &Person, id: &str) -> Result<()> {
    let row = match enter(app, person.id, id).await? {
        Entered::Open(open) => {
            store::delete(app.db.writer(), id).await?;
            batches::withdraw(app, person.id, open.row.batch.as_deref()).await?;
            open.partial.delete().await?;
            return Ok(());
        }
        Entered::Stored(row, _) | Entered::Finished(row) => row,
    };
    let mut write = app.write().await?;
    if let Some(upload_id) = row.upload_id {
        // The file before the row by which it came, as whoever deletes its content does.
        media::hold_files(&write, &[upload_id]).await?;
    }
    store::delete(&*write, id).await?;
    if let Some(upload_id) = row.upload_id {
        media::discard(app, &mut write, upload_id).await?;
    } else {
        let prefix = row.prefix;
        crate::jobs::enqueue(app, &mut write, &media::DeleteFiles { prefix }).await?;
    }
    write.commit().await
}
