//! What the media engine makes of an upload, as renditions: which engine runs for which kind, and
//! how its results are called.

use super::store::Measures;
use crate::app::App;
use crate::entities::rendition;
use crate::entities::upload::{self, UploadKind};
use backends::files::FilesError;
use backends::media::{
    Audio, AudioFormat, Fault, ImageFile, ImageLimits, MediaFile, Progress, Video, audio,
    make_sizes, probe, video,
};
use sea_orm::ActiveValue::Set;
use std::path::{Path, PathBuf};

/// One file that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its name within the upload.
    pub name: String,
    /// Where it is, in the work folder.
    pub path: PathBuf,
    mime: &'static str,
    size_bytes: u64,
    width: Option<i32>,
    height: Option<i32>,
}

impl Made {
    fn new(path: PathBuf, mime: &'static str, size_bytes: u64) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self {
            name: name.into_owned(),
            path,
            mime,
            size_bytes,
            width: None,
            height: None,
        }
    }

    fn file(file: MediaFile) -> Self {
        let (width, height) = file.size.unzip();
        Self {
            width: width.and_then(pixels),
            height: height.and_then(pixels),
            ..Self::new(file.path, file.mime, file.size_bytes)
        }
    }

    fn picture(file: ImageFile) -> Self {
        Self::file(file.into())
    }

    /// Its row, once it is in the store under `key`.
    pub fn row(&self, upload_id: i64, key: String) -> rendition::ActiveModel {
        rendition::ActiveModel {
            upload_id: Set(upload_id),
            name: Set(self.name.clone()),
            key: Set(key),
            mime: Set(self.mime.to_owned()),
            size_bytes: Set(i64::try_from(self.size_bytes).unwrap_or(i64::MAX)),
            width: Set(self.width),
            height: Set(self.height),
            ..Default::default()
        }
    }
}

/// Everything that was made of one upload.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Results {
    pub files: Vec<Made>,
    pub measures: Measures,
}

/// Makes what browsers show of an upload in `folder`; `on_headway` is called while the original is fetched. Dropping
/// the future stops the programs it started.
pub async fn make(
    app: &App,
    upload: &upload::Model,
    original: &str,
    folder: &Path,
    on_headway: impl FnMut() + Send,
    on_progress: impl FnMut(Progress) + Send,
) -> Result<Results, Fault> {
    let source = app.files.local_with(original, on_headway).await;
    let source = source.map_err(|error| unreadable(original, error))?;
    let source = source.path();
    match upload.kind {
        UploadKind::File => Ok(Results::default()),
        UploadKind::Image => pictures(source, folder).await,
        UploadKind::Video => {
            let found = probe(&app.tools, source).await?;
            let film = video(&app.tools, source, &found, folder, on_progress);
            Ok(of_film(Box::pin(film).await?))
        }
        UploadKind::Audio => {
            let found = probe(&app.tools, source).await?;
            let formats = formats(&app.config.audio_formats);
            let sound = audio(&app.tools, source, &found, folder, &formats, on_progress);
            Ok(of_sound(Box::pin(sound).await?))
        }
    }
}

/// The file as it was sent cannot be had.
fn unreadable(original: &str, error: FilesError) -> Fault {
    let detail = format!("{original}: {error}");
    match error {
        // Another worker may reach the store that this one does not.
        FilesError::NotFound => Fault::temporary(
            "The file cannot be found in the store. It will be looked for again.",
            format!("{detail}. Does LYCEUM_FILES name the same store on every machine?"),
        ),
        FilesError::Full => Fault::from_io(original, &std::io::ErrorKind::StorageFull.into()),
        FilesError::Io(error) => Fault::from_io(original, &error),
        _ => Fault::temporary(
            "The files of this site cannot be reached just now. It will be tried again.",
            detail,
        ),
    }
}

async fn pictures(source: &Path, folder: &Path) -> Result<Results, Fault> {
    let (source, folder) = (source.to_owned(), folder.to_owned());
    let making =
        tokio::task::spawn_blocking(move || make_sizes(&source, &folder, &ImageLimits::default()));
    let sizes = making.await.map_err(|error| {
        Fault::permanent(
            "This picture is damaged in a way that makes it unreadable. Save it anew and upload that.",
            error.to_string(),
        )
    })??;
    let files: Vec<Made> = sizes.into_iter().map(Made::picture).collect();
    let measures = Measures {
        duration_seconds: None,
        width: files.last().and_then(|largest| largest.width),
        height: files.last().and_then(|largest| largest.height),
    };
    Ok(Results { files, measures })
}

fn of_film(film: Video) -> Results {
    let measures = Measures {
        duration_seconds: Some(film.duration_seconds),
        width: pixels(film.width),
        height: pixels(film.height),
    };
    let main = Made {
        width: measures.width,
        height: measures.height,
        ..Made::new(film.path, film.mime, film.size_bytes)
    };
    let mut files = vec![
        main,
        Made::picture(film.poster),
        Made::picture(film.thumbnail),
    ];
    let others = film.ladder.into_iter().chain(film.sprites);
    files.extend(others.chain(film.chapters).map(Made::file));
    Results { files, measures }
}

fn of_sound(sound: Audio) -> Results {
    let files = sound.files.into_iter();
    let files = files.map(|file| Made::new(file.path, file.format.mime(), file.size_bytes));
    let pictures = sound.cover.into_iter().map(Made::picture);
    let others = sound.pieces.into_iter().chain([sound.peaks]);
    let others = others.chain(sound.chapters).map(Made::file);
    Results {
        files: files.chain(pictures).chain(others).collect(),
        measures: Measures {
            duration_seconds: Some(sound.duration_seconds),
            ..Measures::default()
        },
    }
}

/// What recordings are offered as, besides M4A.
fn formats(names: &[String]) -> Vec<AudioFormat> {
    [AudioFormat::Flac, AudioFormat::Wav]
        .into_iter()
        .filter(|format| names.iter().any(|name| name == format.ending()))
        .collect()
}

fn pixels(count: u32) -> Option<i32> {
    i32::try_from(count).ok()
}
