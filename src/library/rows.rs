//! A file as a line of the library.

use super::store::Use;
use crate::entities::upload::{UploadKind, UploadState};
use crate::media::FileView;
use crate::web::identity::Person;
use crate::web::text;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// Places that are named; of more, their number is told.
const USES_NAMED: usize = 3;

/// One file.
pub struct Row {
    /// Number of the upload.
    pub id: i64,
    /// Grows with every change of how it stands.
    pub revision: i64,
    /// Its name.
    pub name: String,
    /// `Video`.
    pub kind: &'static str,
    /// A small picture, when there is one.
    pub thumbnail: Option<String>,
    /// What is shown where there is none.
    pub icon: &'static str,
    /// Whether a waveform stands for it where it has no picture.
    pub is_sound: bool,
    /// How it stands, as scripts know it.
    pub state: &'static str,
    /// The same, drawn.
    pub state_icon: &'static str,
    /// The line of truth.
    pub words: String,
    /// 0-100 while it is processed.
    pub percent: Option<i64>,
    /// Where it is used.
    pub uses: Vec<Place>,
    /// How many places more.
    pub more_uses: usize,
    /// `3:38`.
    pub length: Option<String>,
    /// `212 MB`.
    pub size: String,
    /// When it came in.
    pub added: Moment,
}

/// A module where a file is used.
pub struct Place {
    /// Where she edits it; there is none in a course that is another teacher's now.
    pub path: Option<String>,
    /// Its course.
    pub words: String,
    /// Its module and content, on hover; empty where she has no part in them.
    pub exact: String,
}

/// A time, in the reader's zone.
pub struct Moment {
    /// `Today, 10:33`.
    pub words: String,
    /// With the zone.
    pub exact: String,
    /// For machines.
    pub machine: String,
}

impl Moment {
    /// The time as this reader says it.
    pub fn new(time: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> Self {
        Self {
            words: text::when(time, now, zone),
            exact: text::exact(time, zone),
            machine: text::machine(time),
        }
    }
}

impl Place {
    /// The place of a content, as this person is shown it.
    pub fn new(found: &Use, person: &Person) -> Self {
        let (module, content) = (found.module_id, found.content_id);
        let is_hers = found.teacher_id == person.id || person.is_staff;
        Self {
            path: is_hers.then(|| format!("/course/module/{module}/#content-{content}")),
            words: found.course.clone(),
            exact: if is_hers {
                format!("{}: {}", found.module, found.title)
            } else {
                String::new()
            },
        }
    }
}

impl Row {
    /// A file and where it is used.
    pub fn new(view: &FileView, uses: &[Use], now: DateTime<Utc>, person: &Person) -> Self {
        let upload = &view.upload;
        let (state, state_icon) = match upload.state {
            UploadState::Waiting => ("waiting", "hourglass"),
            UploadState::Processing => ("processing", "loader-circle"),
            UploadState::Ready => ("ready", "circle-check"),
            UploadState::Failed => ("failed", "circle-alert"),
            UploadState::Canceled => ("canceled", "circle-stop"),
        };
        let (kind, icon) = match upload.kind {
            UploadKind::Video => ("Video", "video"),
            UploadKind::Audio => ("Audio", "audio-lines"),
            UploadKind::Image => ("Image", "image"),
            UploadKind::File => ("File", "file-text"),
        };
        let is_failed = upload.state == UploadState::Failed;
        Self {
            id: upload.id,
            revision: upload.revision,
            name: upload.name.clone(),
            kind,
            thumbnail: view.thumbnail_url(),
            icon: if is_failed { "file-x" } else { icon },
            is_sound: upload.kind == UploadKind::Audio && !is_failed,
            state,
            state_icon,
            words: view.state_words(),
            percent: whole_percent(view),
            uses: uses
                .iter()
                .take(USES_NAMED)
                .map(|found| Place::new(found, person))
                .collect(),
            more_uses: uses.len().saturating_sub(USES_NAMED),
            length: upload.duration_seconds.map(text::timecode),
            size: text::size(upload.size_bytes),
            added: Moment::new(upload.created_at, now, person.time_zone),
        }
    }

    /// Whether a content may show it: it may still be on its way.
    pub fn can_be_used(&self) -> bool {
        self.state != "failed"
    }

    /// Whether its processing may be stopped.
    pub fn can_be_stopped(&self) -> bool {
        matches!(self.state, "waiting" | "processing")
    }

    /// Whether it may be tried again.
    pub fn can_be_retried(&self) -> bool {
        matches!(self.state, "failed" | "canceled")
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
