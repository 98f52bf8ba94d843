//! The end of an upload: told by its bytes what it is, moved to its place, and made its owner's own, with the
//! content that was asked for and its processing job, in one transaction.
//!
//! Every step bears being done twice: whoever asks for a whole upload that is not finished finishes it.

use super::headers::{self, Metadata};
use super::store;
use super::visit::length;
use crate::app::App;
use crate::db::Write;
use crate::entities::item::ItemKind;
use crate::entities::tus_upload::{ActiveModel, Model};
use crate::entities::upload::UploadKind;
use crate::error::{Error, Result};
use crate::media::receiver::{Accepts, ReceivedFile, kind_of, original_key};
use crate::media::{UploadState, adopt, batches, names};
use crate::web::identity::Person;
use backends::files::Partial;
use backends::media::{HEAD_BYTES, Kind, Sniffed, sniff};
use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _};
use sea_orm::ActiveValue::Set;

/// Where a file goes when it is whole, as its sender named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It becomes a new content of this module.
    Module(i64),
    /// It takes the place of the file that this content shows.
    Content(i64),
}

/// A finished file that goes to its place.
#[derive(Debug, Clone)]
pub struct Placing {
    /// What was named.
    pub place: Place,
    /// The file, the person's own by now.
    pub upload_id: i64,
    /// What its bytes say it is.
    pub kind: ItemKind,
    /// What the sender called it, if she did.
    pub title: Option<String>,
    /// Its name on her machine.
    pub name: String,
}

/// How files become contents: what the feature of courses does for uploads that name a module. The table
/// of routes brings the two together, so that this feature need not know that one.
#[derive(Clone, Copy)]
pub struct Placement {
    /// What kind of file goes there, where that is settled: [`Error::NotFound`] unless the place is hers.
    pub check: Check,
    /// Makes or changes the content, in the caller's transaction; answers its number. [`Error::NotFound`] when the
    /// place is not hers any more.
    pub place: Put,
}

/// See [`Placement::check`].
pub type Check = for<'a> fn(&'a App, &'a Person, Place) -> Checking<'a>;
/// The kind of file that goes to a place, on its way.
pub type Checking<'a> = BoxFuture<'a, Result<Option<ItemKind>>>;
/// See [`Placement::place`].
pub type Put =
    for<'a> fn(&'a App, &'a mut Write, &'a Person, Placing) -> BoxFuture<'a, Result<i64>>;

/// What a file is, from its first bytes, and whether it may be so large. What its sender takes it for (`filetype`)
/// counts only when the bytes say nothing: then it is refused, in words that tell what is taken.
///
/// A file that goes where one of a settled kind is shown must be of that kind: `wanted`, see [`wanted`].
///
/// # Errors
/// [`Error::UnsupportedType`]; [`Error::TooLarge`] for pictures.
pub fn admit(
    app: &App,
    metadata: &Metadata,
    wanted: Option<Kind>,
    head: &[u8],
    size_bytes: u64,
) -> Result<Sniffed> {
    let claimed = claimed(metadata.filetype.as_deref().unwrap_or(""));
    let found = sniff(head).kind;
    let admitted = match wanted.or(claimed) {
        Some(kind) if wanted.is_some() => kind.admit(head),
        Some(kind) => kind.admit(head).or_else(|refused| {
            if matches!(found, Kind::File) || found == kind {
                Err(refused)
            } else {
                found.admit(head)
            }
        }),
        None => found.admit(head).or_else(|_| Kind::File.admit(head)),
    };
    let admitted = admitted.map_err(|refused| Error::UnsupportedType(refused.0.to_owned()))?;
    if admitted.kind == Kind::Image && size_bytes > Accepts::Image.max_bytes(app) {
        return Err(Accepts::Image.too_large(app));
    }
    Ok(admitted)
}

/// The kind of file that is shown where this one goes. A place that is gone by now wants none: then the file waits
/// in its owner's library.
pub async fn wanted(
    app: &App,
    person: &Person,
    metadata: &Metadata,
    placement: Placement,
) -> Result<Option<Kind>> {
    let Some(place @ Place::Content(_)) = metadata.place else {
        return Ok(None);
    };
    let kind = match (placement.check)(app, person, place).await {
        Err(Error::NotFound) => return Ok(None),
        checked => checked?,
    };
    Ok(match kind {
        Some(ItemKind::Video) => Some(Kind::Video),
        Some(ItemKind::Audio) => Some(Kind::Audio),
        Some(ItemKind::Image) => Some(Kind::Image),
        Some(ItemKind::File) => Some(Kind::File),
        Some(ItemKind::Text) | None => None,
    })
}

/// Drawings in SVG are files to download here, whatever browsers say.
fn claimed(filetype: &str) -> Option<Kind> {
    match filetype.split('/').next() {
        Some("video") => Some(Kind::Video),
        Some("audio") => Some(Kind::Audio),
        Some("image") if !filetype.contains("svg") => Some(Kind::Image),
        _ => None,
    }
}

/// Finishes a whole upload; `partial` is `None` when it lies in its place already. What is refused is ended.
///
/// # Errors
/// As [`admit`] and [`adopt`]. [`Error::NotFound`] when it was ended meanwhile.
pub async fn finish(
    app: &App,
    person: &Person,
    row: Model,
    partial: Option<Partial>,
    placement: Placement,
) -> Result<Model> {
    let metadata = Metadata::parse(&row.metadata)?;
    let size_bytes = length(&row).ok_or(Error::NotFound)?;
    let (partial, head) = match partial {
        Some(partial) => {
            let (partial, head) = partial.head(HEAD_BYTES).await?;
            (Some(partial), head)
        }
        None => (None, stored_head(app, &row).await?),
    };
    let wanted = wanted(app, person, &metadata, placement).await?;
    let found = match admit(app, &metadata, wanted, &head, size_bytes) {
        Ok(found) => found,
        Err(error) => {
            store::delete(app.db.writer(), &row.id).await?;
            batches::withdraw(app, row.owner_id, row.batch.as_deref()).await?;
            if let Some(partial) = partial {
                partial.delete().await?;
            }
            return Err(error);
        }
    };
    if let Some(partial) = partial {
        app.files.promote(partial).await?;
    }
    let name = names::clean(metadata.filename.as_deref().unwrap_or(""));
    let mut file = ReceivedFile::stored(name, &found, size_bytes, row.prefix.clone());
    file.batch.clone_from(&metadata.batch);
    write_down(app, person, &row.id, file, &metadata, placement).await
}

/// Rows and job in one transaction; nothing when somebody else was quicker.
async fn write_down(
    app: &App,
    person: &Person,
    id: &str,
    file: ReceivedFile,
    metadata: &Metadata,
    placement: Placement,
) -> Result<Model> {
    let mut write = app.write().await?;
    let row = store::lock(&write, id).await?.ok_or(Error::NotFound)?;
    if row.upload_id.is_some() {
        return Ok(row);
    }
    // From here on the file counts, and its reservation does not.
    let settled = ActiveModel {
        reserved_bytes: Set(0),
        ..Default::default()
    };
    store::update(&*write, id, settled).await?;
    let parts = headers::parts(row.concat.as_deref().unwrap_or(""));
    store::release_parts(&write, person.id, &parts).await?;
    let name = file.name.clone();
    let upload = adopt(app, &mut write, person.id, file).await?;
    let content_id = match metadata.place {
        Some(to) => {
            let placing = Placing {
                place: to,
                upload_id: upload.id,
                kind: item_kind(upload.kind),
                title: metadata.title.clone(),
                name,
            };
            place(app, &mut write, person, placing, placement).await?
        }
        None => None,
    };
    let finished = ActiveModel {
        upload_id: Set(Some(upload.id)),
        content_id: Set(content_id),
        expires_at: Set(store::expiry(app)),
        ..Default::default()
    };
    store::update(&*write, id, finished).await?;
    if upload.state == UploadState::Ready {
        // Until here this upload itself was one still to come.
        batches::settle(app, &mut write, &upload).await?;
    }
    let row = store::lock(&write, id).await?.ok_or(Error::NotFound)?;
    write.commit().await?;
    Ok(row)
}

/// A module or content that is gone by now loses nothing: the file waits in its owner's library.
async fn place(
    app: &App,
    write: &mut Write,
    person: &Person,
    placing: Placing,
    placement: Placement,
) -> Result<Option<i64>> {
    match (placement.place)(app, write, person, placing).await {
        Ok(content_id) => Ok(Some(content_id)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn stored_head(app: &App, row: &Model) -> Result<Vec<u8>> {
    let range = Some(0..HEAD_BYTES as u64);
    let (_, pieces) = app.files.read(&original_key(&row.prefix), range).await?;
    let head = pieces
        .boxed()
        .try_fold(Vec::new(), |mut head, piece| async move {
            head.extend_from_slice(&piece);
            Ok(head)
        });
    Ok(head.await?)
}

/// The kind of item that shows such a file.
pub fn item_kind(kind: UploadKind) -> ItemKind {
    match kind {
        UploadKind::File => ItemKind::File,
        UploadKind::Image => ItemKind::Image,
        UploadKind::Video => ItemKind::Video,
        UploadKind::Audio => ItemKind::Audio,
    }
}

impl ReceivedFile {
    /// One that lies in its place, and stays there when it is not adopted: the upload can be finished again.
    fn stored(name: String, found: &Sniffed, size_bytes: u64, prefix: String) -> Self {
        Self {
            name,
            kind: kind_of(found),
            mime: found.mime,
            size_bytes,
            batch: None,
            prefix,
            files: None,
        }
    }
}
