//! A file that was made, and what is to be known of it to serve it.

use std::path::PathBuf;

use super::fault::Fault;
use super::images::ImageFile;

/// A file that was made in the folder given; its name is the one it is served under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its media type.
    pub mime: &'static str,
    /// Bytes.
    pub size_bytes: u64,
    /// Width and height in pixels, of pictures and films.
    pub size: Option<(u32, u32)>,
}

impl MediaFile {
    /// A file that a program has written. Blocks.
    pub(super) fn found(path: PathBuf, mime: &'static str) -> Result<Self, Fault> {
        let meta = std::fs::metadata(&path)
            .map_err(|error| Fault::from_io(&path.display().to_string(), &error))?;
        Ok(Self {
            path,
            mime,
            size_bytes: meta.len(),
            size: None,
        })
    }

    /// Writes a text of our own. Blocks.
    pub(super) fn written(path: PathBuf, mime: &'static str, text: &str) -> Result<Self, Fault> {
        std::fs::write(&path, text)
            .map_err(|error| Fault::from_io(&path.display().to_string(), &error))?;
        Ok(Self {
            path,
            mime,
            size_bytes: text.len() as u64,
            size: None,
        })
    }

    /// The same of a picture or film, with its size in pixels.
    pub(super) fn sized(self, width: u32, height: u32) -> Self {
        Self {
            size: Some((width, height)),
            ..self
        }
    }
}

impl From<ImageFile> for MediaFile {
    fn from(file: ImageFile) -> Self {
        Self {
            path: file.path,
            mime: file.mime,
            size_bytes: file.size_bytes,
            size: Some((file.width, file.height)),
        }
    }
}
