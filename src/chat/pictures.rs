//! Pictures in lines: which a line may show. They are sent before it ([`sending`](super::sending)), each once.

use super::frames::Picture;
use super::refusal::Refusal;
use super::store::pictures::{self as store, Sent};
use super::writer::NewLine;
use crate::app::App;
use crate::db::Write;
use crate::entities::upload::{UploadKind, UploadState};
use crate::error::Result;
use crate::media;
use std::collections::{BTreeSet, HashMap};

/// Pictures in one line.
pub const MOST_PICTURES: usize = 4;

/// Longest description of a picture, in characters.
pub const ALT_LIMIT: usize = 500;

/// A picture that somebody puts into a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPicture {
    /// Number of its upload.
    pub upload_id: i64,
    /// What it shows, in words; may be empty.
    pub alt: String,
}

/// The description of a picture as it is kept: without what stands around it, and without NUL, which PostgreSQL does
/// not take.
///
/// # Errors
/// A sentence for who sent it, when it has more than [`ALT_LIMIT`].
pub fn clean_alt(alt: &str) -> Result<String, &'static str> {
    let alt = alt.replace('\0', "");
    let alt = alt.trim();
    if alt.chars().count() > ALT_LIMIT {
        return Err("The description of a picture has up to 500 characters. Say it in fewer.");
    }
    Ok(alt.to_owned())
}

/// The pictures that lines of a room name, while the room is held.
#[derive(Debug, Default)]
pub struct Pictures {
    sent: HashMap<i64, Sent>,
}

impl Pictures {
    /// Holds those that these lines name.
    pub async fn of(write: &Write, course_id: i64, lines: &[NewLine]) -> Result<Self> {
        let named = lines.iter().flat_map(|line| &line.pictures);
        let ids: BTreeSet<i64> = named.map(|picture| picture.upload_id).collect();
        Ok(Self {
            sent: store::hold(write, course_id, &ids).await?,
        })
    }

    /// Whether a line may show what it names: pictures of its sender, sent to this room, ready, and in no line yet.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, line: &NewLine) -> Result<(), Refusal> {
        for picture in &line.pictures {
            let sent = self.sent.get(&picture.upload_id);
            // That somebody else has sent such a one is nobody's business.
            let sent = sent.filter(|sent| line.speaker.id == Some(sent.owner_id));
            let sent = sent.filter(|sent| sent.kind == UploadKind::Image);
            let sent = sent.ok_or(Refusal::PictureGone)?;
            let fault = match sent.state {
                _ if sent.is_said => Some("This picture stands in a line already. Send it anew."),
                UploadState::Ready => None,
                UploadState::Waiting | UploadState::Processing => Some(
                    "A picture of this line is not ready yet. Wait a moment and send it again.",
                ),
                UploadState::Failed | UploadState::Canceled => Some(
                    "A picture of this line could not be read. Send it without, or with another one.",
                ),
            };
            if let Some(words) = fault {
                return Err(Refusal::Invalid(words.into()));
            }
        }
        Ok(())
    }

    /// The pictures of a line that was [checked](Self::check) and is about to be kept: no other line shows them.
    pub fn take(&mut self, line: &NewLine) -> Vec<Picture> {
        let mut taken = Vec::with_capacity(line.pictures.len());
        for named in &line.pictures {
            if let Some(sent) = self.sent.get_mut(&named.upload_id) {
                sent.is_said = true;
                let alt = named.alt.clone();
                let picture = sent.picture.clone();
                taken.push(Picture { alt, ..picture });
            }
        }
        taken
    }
}

/// Discards the pictures of a line that is deleted: nobody sees them from the commit on.
pub async fn discard(app: &App, write: &mut Write, course_id: i64, line_id: i64) -> Result<()> {
    let ids = store::forget(write, course_id, line_id).await?;
    if ids.is_empty() {
        return Ok(());
    }
    media::hold_files(write, &ids).await?;
    for upload_id in ids {
        media::discard(app, write, upload_id).await?;
    }
    Ok(())
}
