//! Who converts recordings: this site's own workers, or a service.

use crate::mediaconvert::MediaConvert;

/// Who converts recordings.
#[derive(Debug, Clone)]
pub enum Transcoder {
    /// ffmpeg, started by this site's workers; see [`crate::media`].
    Local,
    /// AWS Elemental MediaConvert.
    MediaConvert(MediaConvert),
}

impl Transcoder {
    /// Opens the transcoder that `url` names: `local:`, or one of [`crate::mediaconvert`]. `files` is the URL
    /// of the file store.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn open(url: &str, files: &str) -> Result<Self, String> {
        if url == "local:" {
            return Ok(Self::Local);
        }
        MediaConvert::open(url, files).map(Self::MediaConvert)
    }

    /// The service, when it is one.
    pub fn service(&self) -> Option<&MediaConvert> {
        match self {
            Self::Local => None,
            Self::MediaConvert(service) => Some(service),
        }
    }
}
