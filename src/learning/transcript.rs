//! Transcripts of recordings: below a film and, whole, on a page of their own. They are made of the captions.
//!
//! The player's script puts its own in their place, which follows what is spoken (`web/js/transcript.js`).

use super::store::get_studied_content;
use crate::app::App;
use crate::entities::{course, item};
use crate::error::{Error, Result};
use crate::media::{self, Caption, FileView, Language, list_files};
use crate::web::extract::{Path, Query};
use crate::web::identity::Student;
use crate::web::shell::{Place, Shell, page};
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use backends::cache::Timeout;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// So many characters of a transcript stand in a lesson; the rest is one link away, so that pages stay light.
const IN_LESSON_CHARS: usize = 6_000;
/// What was read of stored captions is kept so long. They never change: new ones have another key.
const KEPT: Timeout = Timeout::After(Duration::from_secs(3_600));

/// Some sentences, and when they are spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptLine {
    /// `6:42`.
    pub at: String,
    /// The words.
    pub words: String,
}

/// A language that a recording has captions in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Its tag.
    pub tag: String,
    /// As its readers call it.
    pub name: String,
    /// The page of the transcript in it.
    pub path: String,
}

/// The transcript of a recording in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// The languages to choose from.
    pub choices: Vec<Choice>,
    /// The language of the lines.
    pub tag: String,
    /// What is said.
    pub lines: Vec<TranscriptLine>,
    /// Whether there is more than that.
    pub is_cut: bool,
}

impl Transcript {
    /// Where the whole of it is.
    pub fn path(&self) -> &str {
        let own = self.choices.iter().find(|choice| choice.tag == self.tag);
        own.map_or("", |choice| &choice.path)
    }
}

/// The beginning of the transcript for the lesson, in the first language; `None` without captions.
pub async fn of_content(app: &App, content_id: i64, file: &FileView) -> Result<Option<Transcript>> {
    let captions = file.captions();
    let Some(first) = captions.first() else {
        return Ok(None);
    };
    let Beginning { lines, is_cut } = read_beginning(app, first).await?;
    Ok(Some(Transcript {
        choices: choices(content_id, &captions),
        tag: first.language.to_string(),
        is_cut,
        lines,
    }))
}

/// As much of a transcript as stands in a lesson.
#[derive(Default, Serialize, Deserialize)]
struct Beginning {
    lines: Vec<TranscriptLine>,
    is_cut: bool,
}

impl Beginning {
    fn of(mut lines: Vec<TranscriptLine>) -> Self {
        let all = lines.len();
        let mut chars = 0;
        lines.retain(|line| {
            chars += line.words.chars().count();
            chars <= IN_LESSON_CHARS
        });
        Self {
            is_cut: lines.len() < all,
            lines,
        }
    }
}

/// The beginning is remembered by itself: a lesson is seen often, and the whole may be a hundred times as long.
async fn read_beginning(app: &App, caption: &Caption) -> Result<Beginning> {
    let key = format!("transcript-start:{}", caption.key);
    let found = app.cache.get_or_set(&key, KEPT, || async {
        let lines = read_lines(app, caption).await?;
        Ok::<_, Error>(Beginning::of(lines))
    });
    match found.await {
        Err(Error::NotFound) => Ok(Beginning::default()),
        other => other,
    }
}

fn choices(content_id: i64, captions: &[Caption]) -> Vec<Choice> {
    let choice = |caption: &Caption| Choice {
        tag: caption.language.to_string(),
        name: caption.language.name(),
        path: format!(
            "/students/content/{content_id}/transcript/?language={}",
            caption.language
        ),
    };
    captions.iter().map(choice).collect()
}

/// All lines of stored captions. Captions that were deleted a moment ago have none.
async fn read(app: &App, caption: &Caption) -> Result<Vec<TranscriptLine>> {
    let key = format!("transcript:{}", caption.key);
    let lines = app
        .cache
        .get_or_set(&key, KEPT, || read_lines(app, caption));
    match lines.await {
        Err(Error::NotFound) => Ok(Vec::new()),
        other => other,
    }
}

async fn read_lines(app: &App, caption: &Caption) -> Result<Vec<TranscriptLine>> {
    let captions = media::read_captions(app, caption).await?;
    let lines = media::transcript_lines(&captions).into_iter();
    Ok(lines.map(line).collect())
}

fn line(line: media::Line) -> TranscriptLine {
    TranscriptLine {
        // Down to the second, as the player's script does.
        at: text::timecode((line.start_ms / 1000) as f64),
        words: line.words,
    }
}

/// A transcript on a page of its own.
#[derive(Template)]
#[template(path = "learning/transcript.html")]
struct TranscriptPage {
    shell: Shell,
    course: course::Model,
    item: item::Model,
    transcript: Transcript,
    lesson: String,
}

/// Which language.
#[derive(Deserialize)]
pub struct Wanted {
    language: Option<String>,
}

/// `GET /students/content/<id>/transcript/?language=<tag>`: the whole transcript; the first language without one.
pub async fn show(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    Query(wanted): Query<Wanted>,
    shell: Shell,
) -> Result<Response> {
    let db = app.db.read();
    let (content, item, course) = get_studied_content(db, &person, id).await?;
    let upload_id = item.upload_id.ok_or(Error::NotFound)?;
    let file = list_files(db, &[upload_id]).await?.remove(&upload_id);
    let captions = file.as_ref().map(FileView::captions).unwrap_or_default();
    let language = wanted.language.as_deref().map(Language::read);
    let caption = match language {
        None => captions.first(),
        Some(language) => captions
            .iter()
            .find(|caption| Some(&caption.language) == language.as_ref()),
    };
    let caption = caption.ok_or(Error::NotFound)?;
    let transcript = Transcript {
        choices: choices(content.id, &captions),
        tag: caption.language.to_string(),
        lines: read(&app, caption).await?,
        is_cut: false,
    };
    page(&TranscriptPage {
        shell: shell.at(Place::MyCourses),
        lesson: super::lesson_path(course.id, Some(content.module_id), Some(content.id)),
        course,
        item,
        transcript,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(chars: usize) -> TranscriptLine {
        TranscriptLine {
            at: "0:00".into(),
            words: "ä".repeat(chars),
        }
    }

    #[test]
    fn the_beginning_is_what_fits_and_says_whether_there_is_more() {
        let whole = Beginning::of(vec![line_of(5_999), line_of(1)]);
        assert_eq!((whole.lines.len(), whole.is_cut), (2, false));
        let cut = Beginning::of(vec![line_of(5_999), line_of(2), line_of(1)]);
        assert_eq!((cut.lines.len(), cut.is_cut), (1, true));
    }
}
