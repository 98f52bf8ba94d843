//! A new file in the place of what an item shows. Students see the present one until the new one can be seen; the
//! place in the module, the title, what is done and where people stopped all stay, and captions go with it.

use super::store;
use super::{CAPTIONS, UploadState, discard, hold_files};
use crate::app::App;
use crate::db::Write;
use crate::entities::{content, item, playback_position, rendition, upload};
use crate::error::{Error, Result};
use crate::jobs::{Job, JobContext, JobError, PRIORITY_LATER};
use crate::web::changes;
use crate::web::tags::Tag;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _,
    IntoActiveModel as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde::{Deserialize, Serialize};

/// How the folders of copied captions are called, with something random behind.
const COPIES: &str = "carried-";

/// Lets an item show another file: at once where there is nothing yet to be missed, else as soon as the new one is
/// ready. What it no longer shows, or waited for, is discarded unless something else uses it.
///
/// # Errors
/// [`Error::NotFound`] when the item or the file is gone.
pub async fn replace(app: &App, write: &mut Write, item_id: i64, upload_id: i64) -> Result<()> {
    let found = item::Entity::find_by_id(item_id).one(&**write).await?;
    let before = found.ok_or(Error::NotFound)?;
    let mut held: Vec<i64> = files_of(&before).collect();
    held.push(upload_id);
    hold_files(write, &held).await?;
    let new = store::find_upload(&**write, upload_id).await?;
    let new = new.ok_or(Error::NotFound)?;
    let found = item::Entity::find_by_id(item_id).lock_exclusive();
    let before = found.one(&**write).await?.ok_or(Error::NotFound)?;
    let waits = new.state != UploadState::Ready && is_missed(&**write, before.upload_id).await?;
    let mut row = before.clone().into_active_model();
    row.updated_at = Set(app.clock.now());
    if waits {
        row.next_upload_id = Set(Some(upload_id));
    } else {
        row.upload_id = Set(Some(upload_id));
        row.next_upload_id = Set(None);
        row.url = Set(None);
    }
    let after = row.update(&**write).await?;
    discard_dropped(app, write, &before, &after).await
}

/// Lets an item keep what it shows: the file that was to take its place is discarded. Without one, nothing changes.
///
/// # Errors
/// [`Error::NotFound`] when the item is gone.
pub async fn keep_present(app: &App, write: &mut Write, item_id: i64) -> Result<()> {
    let found = item::Entity::find_by_id(item_id).one(&**write).await?;
    let found = found.ok_or(Error::NotFound)?;
    hold_files(write, &files_of(&found).collect::<Vec<_>>()).await?;
    let found = item::Entity::find_by_id(item_id).lock_exclusive();
    let before = found.one(&**write).await?.ok_or(Error::NotFound)?;
    let mut row = before.clone().into_active_model();
    row.next_upload_id = Set(None);
    let after = row.update(&**write).await?;
    discard_dropped(app, write, &before, &after).await
}

/// The files of an item: the one that it shows and the one that is to take its place.
pub fn files_of(item: &item::Model) -> impl Iterator<Item = i64> + use<> {
    item.upload_id.into_iter().chain(item.next_upload_id)
}

/// Discards what an item has no longer. The caller holds these files.
pub async fn discard_dropped(
    app: &App,
    write: &mut Write,
    before: &item::Model,
    after: &item::Model,
) -> Result<()> {
    changes::uploads(write, &files_of(before).collect::<Vec<_>>()).await?;
    let mut dropped: Vec<i64> = files_of(before)
        .filter(|id| files_of(after).all(|kept| kept != *id))
        .collect();
    dropped.sort_unstable();
    for upload_id in dropped {
        discard(app, write, upload_id).await?;
    }
    Ok(())
}

/// Whether somebody would miss the file: it can be seen, or somebody wrote captions for it.
async fn is_missed(db: &impl ConnectionTrait, upload_id: Option<i64>) -> Result<bool> {
    let Some(id) = upload_id else {
        return Ok(false);
    };
    let shown = store::find_upload(db, id).await?;
    let is_ready = shown.is_some_and(|upload| upload.state == UploadState::Ready);
    Ok(is_ready || !list_captions(db, &[id]).await?.is_empty())
}

async fn list_captions(
    db: &impl ConnectionTrait,
    upload_ids: &[i64],
) -> Result<Vec<rendition::Model>> {
    let find = rendition::Entity::find()
        .filter(rendition::Column::UploadId.is_in(upload_ids.iter().copied()))
        .filter(rendition::Column::Name.starts_with(CAPTIONS))
        .order_by_asc(rendition::Column::Id);
    Ok(find.all(db).await?)
}

/// Captions of the files whose place a new one takes, copied to it. They count once [`take_places`] has
/// written them down.
#[derive(Debug, Default)]
pub struct Carried(Vec<(rendition::Model, String)>);

/// Copies the captions of every file whose place this one is to take. Repeated, it copies them again.
pub async fn carry_captions(app: &App, upload: &upload::Model) -> Result<Carried> {
    let db = app.db.read();
    let waiting = list_waiting(db, upload.id).await?;
    let shown: Vec<i64> = waiting.iter().filter_map(|item| item.upload_id).collect();
    if shown.is_empty() {
        return Ok(Carried::default());
    }
    let mut copies = Vec::new();
    for captions in list_captions(db, &shown).await? {
        let copy = u64::from_le_bytes(app.clock.random_bytes::<8>());
        let key = format!("{}/{COPIES}{copy:016x}/{}", upload.prefix, captions.name);
        app.files.copy(&captions.key, &key).await?;
        copies.push((captions, key));
    }
    Ok(Carried(copies))
}

/// Whether a key of the store is one of a copy of captions. One that no row names was made by an attempt that broke off.
pub fn is_copy(key: &str) -> bool {
    key.split('/').any(|part| part.starts_with(COPIES))
}

/// Removes copies that are of no use: what there is was copied too early.
pub async fn drop_copies(app: &App, carried: Carried) -> Result<()> {
    for (_, key) in carried.0 {
        app.files.delete(&key).await?;
    }
    Ok(())
}

async fn list_waiting(db: &impl ConnectionTrait, upload_id: i64) -> Result<Vec<item::Model>> {
    let find = item::Entity::find()
        .filter(item::Column::NextUploadId.eq(upload_id))
        .order_by_asc(item::Column::Id);
    Ok(find.all(db).await?)
}

/// Lets a file that has become ready take the place of what the items show that waited for it, in the
/// transaction that makes it ready. Answers `false`, and then nothing may be committed, when captions came or went
/// since they were copied: they are to be carried once more.
pub async fn take_places(
    app: &App,
    write: &mut Write,
    upload_id: i64,
    carried: &Carried,
) -> Result<bool> {
    let find = item::Entity::find()
        .filter(item::Column::NextUploadId.eq(upload_id))
        .order_by_asc(item::Column::Id)
        .lock_exclusive();
    let waiting = find.all(&**write).await?;
    if waiting.is_empty() {
        return Ok(true);
    }
    let shown: Vec<i64> = waiting.iter().filter_map(|item| item.upload_id).collect();
    for captions in list_captions(&**write, &shown).await? {
        let copy = carried.0.iter().find(|(copied, _)| *copied == captions);
        let Some((_, key)) = copy else {
            return Ok(false);
        };
        add_captions(write, upload_id, captions, key).await?;
    }
    changes::uploads(write, &shown).await?;
    for item in waiting {
        forget_places_beyond(write, item.id, upload_id).await?;
        let replaced = item.upload_id;
        let mut row = item.into_active_model();
        row.upload_id = Set(Some(upload_id));
        row.next_upload_id = Set(None);
        row.url = Set(None);
        row.updated_at = Set(app.clock.now());
        row.update(&**write).await?;
        // By a job of its own, which holds nothing while it waits for the file and its jobs: see `hold_files`.
        if let Some(upload_id) = replaced {
            crate::jobs::enqueue(app, write, &DiscardUpload { upload_id }).await?;
        }
    }
    Ok(true)
}

/// A language that the new file has captions in already keeps them.
async fn add_captions(
    write: &Write,
    upload_id: i64,
    captions: rendition::Model,
    key: &str,
) -> Result<()> {
    let there = rendition::Entity::find()
        .filter(rendition::Column::UploadId.eq(upload_id))
        .filter(rendition::Column::Name.eq(&captions.name));
    if there.one(&**write).await?.is_some() {
        return Ok(());
    }
    let row = rendition::ActiveModel {
        upload_id: Set(upload_id),
        name: Set(captions.name),
        key: Set(key.to_owned()),
        mime: Set(captions.mime),
        size_bytes: Set(captions.size_bytes),
        ..Default::default()
    };
    rendition::Entity::insert(row).exec(&**write).await?;
    write.changes(Tag::upload(upload_id));
    Ok(())
}

/// Who stopped where the new file has ended already begins it anew; everybody else goes on where she was.
async fn forget_places_beyond(write: &Write, item_id: i64, upload_id: i64) -> Result<()> {
    let upload = store::find_upload(&**write, upload_id).await?;
    let Some(seconds) = upload.and_then(|upload| upload.duration_seconds) else {
        return Ok(());
    };
    let contents: Vec<i64> = content::Entity::find()
        .select_only()
        .column(content::Column::Id)
        .filter(content::Column::ItemId.eq(item_id))
        .into_tuple()
        .all(&**write)
        .await?;
    playback_position::Entity::delete_many()
        .filter(playback_position::Column::ContentId.is_in(contents))
        .filter(playback_position::Column::PositionSeconds.gte(seconds))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Discards a file that another has taken the place of, unless something else uses it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DiscardUpload {
    /// Which.
    pub upload_id: i64,
}

impl Job for DiscardUpload {
    const KIND: &'static str = "media.discard_upload";
    const MAX_ATTEMPTS: i32 = 10;

    fn priority(&self) -> i32 {
        PRIORITY_LATER
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let mut write = context.write().await?;
        discard(&context.app, &mut write, self.upload_id).await?;
        context.complete(write).await
    }
}
