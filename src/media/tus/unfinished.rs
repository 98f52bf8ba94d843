//! Uploads that somebody began and has not finished: to be gone on with, or given up.

use super::finish::Place;
use super::headers::Metadata;
use super::store;
use super::visit::{Entered, enter, length};
use crate::app::App;
use crate::error::Result;
use crate::media::{DeleteFiles, batches, names};
use crate::web::identity::Person;
use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;

/// An upload that is not whole yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its address is `/uploads/<id>`.
    pub id: String,
    /// The name of the file.
    pub name: String,
    /// Where it goes when it is whole.
    pub place: Option<Place>,
    /// How large it is when it is whole, once that is known.
    pub length_bytes: Option<u64>,
    /// When it is forgotten unless somebody goes on with it.
    pub expires_at: DateTime<Utc>,
}

impl Unfinished {
    /// How much has arrived: from the store, which alone knows it.
    pub async fn arrived_bytes(&self, app: &App) -> Result<u64> {
        Ok(app.files.partial_size(&self.id).await?.unwrap_or(0))
    }
}

/// What this person began and has not finished, newest first, `most` of it at most. Parts of a concatenation are not
/// told: alone they become nothing.
pub async fn list_unfinished(
    app: &App,
    db: &impl ConnectionTrait,
    owner_id: i64,
    most: Option<u64>,
) -> Result<Vec<Unfinished>> {
    let rows = store::list_unfinished(db, owner_id, app.clock.now(), most).await?;
    let read = rows.into_iter().filter_map(|row| {
        let metadata = Metadata::parse(&row.metadata).ok()?;
        Some(Unfinished {
            name: names::clean(metadata.filename.as_deref().unwrap_or("")),
            place: metadata.place,
            length_bytes: length(&row),
            expires_at: row.expires_at,
            id: row.id,
        })
    });
    Ok(read.collect())
}

/// Gives up an upload that is not finished. One that has become a file meanwhile, or is gone, stays as it is.
///
/// # Errors
/// [`crate::error::Error::NotFound`] when it is not hers, or gone; [`crate::error::Error::Gone`] when its time is over.
pub async fn end_unfinished(app: &App, person: &Person, id: &str) -> Result<()> {
    match enter(app, person.id, id).await? {
        Entered::Finished(_) => Ok(()),
        Entered::Open(open) => {
            store::delete(app.db.writer(), id).await?;
            batches::withdraw(app, person.id, open.row.batch.as_deref()).await?;
            open.partial.delete().await?;
            Ok(())
        }
        Entered::Stored(row, _turn) => {
            let mut write = app.write().await?;
            store::delete(&*write, id).await?;
            let prefix = row.prefix;
            crate::jobs::enqueue(app, &mut write, &DeleteFiles { prefix }).await?;
            write.commit().await
        }
    }
}
