//! Captions in the file store and the tables: a rendition `captions-<tag>.vtt` of the upload.

use super::{CAPTIONS, Captions, Language};
use crate::app::App;
use crate::db::Write;
use crate::entities::rendition;
use crate::error::{Error, Result};
use crate::jobs;
use crate::media::{DeleteFiles, FileView, ReceivedFile, hold_files, store, sweep};
use crate::web::tags::Tag;
use backends::files::Files;
use futures::TryStreamExt as _;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set};

/// Most languages of one recording.
const MAX_LANGUAGES: u64 = 60;

/// The captions of a recording in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caption {
    /// Which.
    pub language: Language,
    /// Where they are.
    pub url: String,
    /// Where they are in the store. New captions have a new key.
    pub key: String,
}

impl FileView {
    /// The captions, by the name of their language.
    pub fn captions(&self) -> Vec<Caption> {
        let mut captions: Vec<_> = self
            .renditions
            .iter()
            .filter_map(|found| {
                Some(Caption {
                    language: language_of(&found.name)?,
                    url: self.url(&found.name),
                    key: found.key.clone(),
                })
            })
            .collect();
        captions.sort_by_key(|caption| caption.language.name().to_lowercase());
        captions
    }
}

/// Whether a key of the store is one of captions.
pub fn is_key(key: &str) -> bool {
    key.split('/').any(|part| part.starts_with(CAPTIONS))
}

/// The name of the rendition: `captions-pt-br.vtt`.
fn name_of(language: &Language) -> String {
    format!("{CAPTIONS}{}.vtt", language.tag().to_ascii_lowercase())
}

fn language_of(name: &str) -> Option<Language> {
    Language::read(name.strip_prefix(CAPTIONS)?.strip_suffix(".vtt")?)
}

/// The captions as they are stored.
///
/// # Errors
/// [`Error::NotFound`] when they were deleted meanwhile.
pub async fn read(app: &App, caption: &Caption) -> Result<Captions> {
    let (_, bytes) = app.files.read(&caption.key, None).await?;
    let bytes: Vec<u8> = bytes
        .try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await?;
    Captions::read(&bytes).map_err(|faults| {
        let first = faults.first().map(ToString::to_string).unwrap_or_default();
        Error::internal(format!("stored captions cannot be read: {first}"))
    })
}

/// Captions in the store that no row names yet. Dropped without [`attach`], they are deleted.
#[derive(Debug)]
pub struct StoredCaptions {
    language: Language,
    folder: String,
    key: String,
    size_bytes: u64,
    files: Option<Files>,
}

impl Drop for StoredCaptions {
    fn drop(&mut self) {
        if self.files.is_some() {
            sweep::delete_later(self.files.take(), std::mem::take(&mut self.folder));
        }
    }
}

/// Stores captions beside the files of an upload; nobody sees them before [`attach`].
///
/// # Errors
/// [`Error::NotFound`] when the upload is gone; [`Error::Unavailable`] when the store is full.
pub async fn put(
    app: &App,
    upload_id: i64,
    language: Language,
    captions: &Captions,
) -> Result<StoredCaptions> {
    let upload = store::find_upload(app.db.read(), upload_id).await?;
    let upload = upload.ok_or(Error::NotFound)?;
    put_under(app, &upload.prefix, language, captions).await
}

/// The same for a file that is nobody's yet.
///
/// # Errors
/// [`Error::Unavailable`] when the store is full.
pub async fn put_beside(
    app: &App,
    file: &ReceivedFile,
    language: Language,
    captions: &Captions,
) -> Result<StoredCaptions> {
    put_under(app, &file.prefix, language, captions).await
}

async fn put_under(
    app: &App,
    prefix: &str,
    language: Language,
    captions: &Captions,
) -> Result<StoredCaptions> {
    let tag = language.tag().to_ascii_lowercase();
    let random = u128::from_be_bytes(app.clock.random_bytes());
    // A folder for each, so that a job can delete the one without the others.
    let folder = format!("{prefix}/{CAPTIONS}{tag}-{random:032x}");
    let key = format!("{folder}/{}", name_of(&language));
    let mut writer = app.files.create(&key).await?;
    writer.write(captions.to_webvtt().into()).await?;
    let size_bytes = writer.finish().await?;
    Ok(StoredCaptions {
        language,
        folder,
        key,
        size_bytes,
        files: Some(app.files.clone()),
    })
}

/// Gives the upload these captions, in place of those it has in the language. The caller knows who may, and
/// holds the course before.
///
/// # Errors
/// [`Error::NotFound`] when the upload is gone; [`Error::Conflict`] when it has captions in too many languages.
pub async fn attach(
    app: &App,
    write: &mut Write,
    upload_id: i64,
    mut stored: StoredCaptions,
) -> Result<()> {
    hold_files(write, &[upload_id]).await?;
    if store::find_upload(&**write, upload_id).await?.is_none() {
        return Err(Error::NotFound);
    }
    if !take_out(app, write, upload_id, &stored.language).await?
        && store::count_named(write, upload_id, CAPTIONS).await? >= MAX_LANGUAGES
    {
        return Err(Error::Conflict(format!(
            "A recording has captions in at most {MAX_LANGUAGES} languages. Delete some that nobody needs."
        )));
    }
    let row = rendition::ActiveModel {
        upload_id: Set(upload_id),
        name: Set(name_of(&stored.language)),
        key: Set(std::mem::take(&mut stored.key)),
        mime: Set("text/vtt".into()),
        size_bytes: Set(i64::try_from(stored.size_bytes).unwrap_or(i64::MAX)),
        ..Default::default()
    };
    row.insert(&**write).await?;
    write.changes(Tag::upload(upload_id));
    let (files, folder) = (stored.files.take(), std::mem::take(&mut stored.folder));
    write.on_rollback(move || sweep::delete_later(files, folder));
    Ok(())
}

/// Takes the captions in a language away.
///
/// # Errors
/// [`Error::NotFound`] when there are none.
pub async fn remove(
    app: &App,
    write: &mut Write,
    upload_id: i64,
    language: &Language,
) -> Result<()> {
    hold_files(write, &[upload_id]).await?;
    if take_out(app, write, upload_id, language).await? {
        Ok(())
    } else {
        Err(Error::NotFound)
    }
}

/// Deletes the row, and the file by a job; `false` when there is none.
async fn take_out(
    app: &App,
    write: &mut Write,
    upload_id: i64,
    language: &Language,
) -> Result<bool> {
    let name = name_of(language);
    let Some(found) = store::take_rendition(write, upload_id, &name).await? else {
        return Ok(false);
    };
    write.changes(Tag::upload(upload_id));
    let folder = found.key.rsplit_once('/').map(|(folder, _)| folder);
    // In the folder of the upload itself are others' files.
    if let Some(folder) = folder.filter(|folder| folder.matches('/').count() >= 2) {
        let deletion = DeleteFiles {
            prefix: folder.to_owned(),
        };
        jobs::enqueue(app, write, &deletion).await?;
    }
    Ok(true)
}
