//! The card of a content in the outline: what it is called, what it is, and how its file stands.

use super::{content_form, list_contents};
use crate::entities::content;
use crate::entities::item::{self, ItemKind};
use crate::entities::upload::UploadState;
use crate::error::Result;
use crate::media::{self, FileView};
use crate::web::identity::Person;
use crate::web::text;
use sea_orm::ConnectionTrait;
use std::collections::HashMap;

/// Words that people read in a minute (Brysbaert 2019: 238 for English, silently).
const WORDS_A_MINUTE: usize = 230;

/// One content.
pub(super) struct Card {
    pub id: i64,
    pub title: String,
    /// Where it is changed.
    pub path: String,
    /// `Video, 11 min, 640 MB`.
    pub meta: String,
    /// A small picture, when there is one.
    pub thumbnail: Option<String>,
    /// What is shown where there is none.
    pub icon: &'static str,
    /// How its file stands, when it has one; the one that is to take its place, while there is such a file.
    pub file: Option<CardFile>,
    /// What students see meanwhile.
    pub note: Option<&'static str>,
}

/// How a file stands, in the words and names that scripts know too.
pub(super) struct CardFile {
    pub upload_id: i64,
    /// Grows with every change of how it stands.
    pub revision: i64,
    pub state: &'static str,
    pub icon: &'static str,
    pub words: String,
    pub percent: Option<i64>,
    /// For staff: what lies behind its fault.
    pub detail: Option<String>,
}

impl Card {
    /// Whether its file is still waiting or being processed.
    pub fn is_on_its_way(&self) -> bool {
        self.file
            .as_ref()
            .is_some_and(|file| matches!(file.state, "waiting" | "processing"))
    }

    fn new(
        content: &content::Model,
        item: item::Model,
        files: &HashMap<i64, FileView>,
        reader: &Person,
    ) -> Self {
        let shown = item.upload_id.and_then(|id| files.get(&id));
        let coming = item.next_upload_id.and_then(|id| files.get(&id));
        let file = coming.or(shown);
        let failed = file.is_some_and(|file| file.upload.state == UploadState::Failed);
        Self {
            id: content.id,
            path: format!(
                "/course/module/{}/content/{}/{}/",
                content.module_id,
                content_form::segment(item.kind),
                item.id
            ),
            meta: meta(&item, shown),
            thumbnail: shown.and_then(FileView::thumbnail_url),
            icon: if failed { "file-x" } else { icon(item.kind) },
            file: file.map(|file| CardFile::new(file, reader)),
            note: coming.map(|_| "Until the new file is ready, students see the one before."),
            title: item.title,
        }
    }
}

impl CardFile {
    fn new(view: &FileView, reader: &Person) -> Self {
        let (state, icon) = standing(view.upload.state);
        Self {
            upload_id: view.upload.id,
            revision: view.upload.revision,
            state,
            icon,
            words: view.state_words(),
            percent: whole_percent(view),
            detail: view.detail(reader).map(str::to_owned),
        }
    }
}

/// The name by which scripts know a state, and its icon.
pub(super) fn standing(state: UploadState) -> (&'static str, &'static str) {
    match state {
        UploadState::Waiting => ("waiting", "hourglass"),
        UploadState::Processing => ("processing", "loader-circle"),
        UploadState::Ready => ("ready", "circle-check"),
        UploadState::Failed => ("failed", "circle-alert"),
        UploadState::Canceled => ("canceled", "circle-stop"),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to 0-100 before it is cast"
)]
fn whole_percent(view: &FileView) -> Option<i64> {
    let percent = view.percent().filter(|percent| percent.is_finite())?;
    Some(percent.clamp(0.0, 100.0) as i64)
}

/// The contents of a module in their order, for whoever reads them.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    module_id: i64,
    reader: &Person,
) -> Result<Vec<Card>> {
    let contents = list_contents(db, &[module_id]).await?;
    let uploads: Vec<i64> = contents
        .iter()
        .flat_map(|(_, item)| media::files_of(item))
        .collect();
    let files: HashMap<i64, FileView> = media::list_files(db, &uploads).await?;
    let cards = contents
        .into_iter()
        .map(|(content, item)| Card::new(&content, item, &files, reader));
    Ok(cards.collect())
}

fn icon(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Video => "video",
        ItemKind::Audio => "audio-lines",
        ItemKind::Image => "image",
        ItemKind::File | ItemKind::Text => "file-text",
    }
}

/// What kind of thing it is, how long, how large.
fn meta(item: &item::Model, file: Option<&FileView>) -> String {
    let Some(file) = file else {
        return match item.kind {
            ItemKind::Text => reading(item.body.as_deref().unwrap_or("")),
            ItemKind::Video => "Web video".into(),
            _ => String::new(),
        };
    };
    let kind = match item.kind {
        ItemKind::Video => "Video".into(),
        ItemKind::Audio => "Recording".into(),
        ItemKind::Image => "Picture".into(),
        ItemKind::File | ItemKind::Text => ending(&file.upload.name),
    };
    let length = file.upload.duration_seconds.map(text::span);
    let words = [Some(kind), length, Some(text::size(file.upload.size_bytes))];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `PDF` for `score.pdf`, `File` where the name says nothing.
fn ending(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending))
            if !stem.is_empty()
                && (1..=5).contains(&ending.len())
                && ending.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            ending.to_ascii_uppercase()
        }
        _ => "File".into(),
    }
}

/// `Reading, 4 min`.
fn reading(body: &str) -> String {
    let minutes = body
        .split_whitespace()
        .count()
        .div_ceil(WORDS_A_MINUTE)
        .max(1);
    format!("Reading, {minutes} min")
}

#[cfg(test)]
mod tests {
    use super::{ending, reading};

    #[test]
    fn a_text_says_how_long_it_takes_to_read() {
        assert_eq!(reading(""), "Reading, 1 min");
        assert_eq!(reading(&"word ".repeat(231)), "Reading, 2 min");
    }

    #[test]
    fn a_file_is_called_by_its_ending() {
        assert_eq!(ending("score.pdf"), "PDF");
        assert_eq!(ending("README"), "File");
        assert_eq!(ending(".profile"), "File");
    }
}
