//! A file as pages show it: its state in words, and where its renditions are.

use super::ORIGINAL;
use crate::entities::upload::{UploadKind, UploadState};
use crate::entities::{rendition, upload};
use crate::web::identity::Person;
use crate::web::text;
use serde::Serialize;

/// A file, what was made of it, and its place in line.
#[derive(Debug, Clone, PartialEq)]
pub struct FileView {
    /// The file as it was sent.
    pub upload: upload::Model,
    /// Its stored files, by number.
    pub renditions: Vec<rendition::Model>,
    /// Its place in line, from 1, while it waits.
    pub place_in_line: Option<i64>,
    /// About when its processing begins, while it waits and that can be told.
    pub begins_in_seconds: Option<i64>,
    /// Whether it waits and nothing of its kind is begun, since staff have paused the queue.
    pub is_paused: bool,
}

/// What the owner's open pages hear, and what `/uploads/<id>/state/` answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UploadEvent {
    /// Always `upload`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Number of the upload.
    pub id: i64,
    /// Grows with every change of how it stands. What comes over several ways, or as a page that was longer on its
    /// way, is told by it to be older than what is shown.
    pub revision: i64,
    /// `waiting`, `processing`, `ready`, `failed` or `canceled`.
    pub state: UploadState,
    /// The line of truth.
    pub words: String,
    /// 0-100 while it is processed, else null.
    pub percent: Option<f64>,
    /// Whether all its renditions exist.
    pub ready: bool,
}

impl FileView {
    /// The one line of truth: `In line, 3rd`, `Processing 61 % - about 2 min left`, `Ready`, `Failed: ...`.
    pub fn state_words(&self) -> String {
        let upload = &self.upload;
        match upload.state {
            UploadState::Ready => "Ready".into(),
            UploadState::Failed => {
                let reason = upload.fault.as_deref().unwrap_or("it cannot be processed");
                format!("Failed: {}", in_sentence(reason))
            }
            UploadState::Canceled => "Stopped. Try again when you like.".into(),
            UploadState::Processing => {
                let percent = upload.progress_percent.clamp(0.0, 100.0).floor();
                let left = upload.eta_seconds.filter(|_| percent < 100.0);
                match left {
                    Some(seconds) => {
                        format!("Processing {percent:.0} % - about {} left", span(seconds))
                    }
                    None => format!("Processing {percent:.0} %"),
                }
            }
            UploadState::Waiting if self.is_paused => match self.place_in_line {
                Some(place) => format!("In line, {} - the queue is paused", text::ordinal(place)),
                None => "In line - the queue is paused".into(),
            },
            UploadState::Waiting => match (&upload.fault, self.place_in_line) {
                (Some(fault), _) => format!("In line again: {}", in_sentence(fault)),
                (None, Some(place)) => match self.begins_in_seconds {
                    Some(seconds) => format!(
                        "In line, {} - begins in about {}",
                        text::ordinal(place),
                        span(seconds)
                    ),
                    None => format!("In line, {}", text::ordinal(place)),
                },
                (None, None) => "In line".into(),
            },
        }
    }

    /// Whether everything that was made of it exists.
    pub fn is_ready(&self) -> bool {
        self.upload.state == UploadState::Ready
    }

    /// 0-100 while it is processed.
    pub fn percent(&self) -> Option<f64> {
        (self.upload.state == UploadState::Processing).then_some(self.upload.progress_percent)
    }

    /// Where a rendition is; it may not exist (yet).
    pub fn url(&self, name: &str) -> String {
        format!("/media/{}/{name}", self.upload.id)
    }

    /// The rendition of this name, when there is one.
    pub fn find(&self, name: &str) -> Option<&rendition::Model> {
        self.renditions.iter().find(|found| found.name == name)
    }

    /// Where the file as it was sent is.
    pub fn original_url(&self) -> String {
        self.url(ORIGINAL)
    }

    /// What a video shows before it plays.
    pub fn poster_url(&self) -> Option<String> {
        self.made("poster.").map(|found| self.url(&found.name))
    }

    /// The picture that a recording carries.
    pub fn cover_url(&self) -> Option<String> {
        self.made("cover.").map(|found| self.url(&found.name))
    }

    /// A small picture for lists: of videos, images, and recordings with a cover.
    pub fn thumbnail_url(&self) -> Option<String> {
        match self.upload.kind {
            UploadKind::Video => self.made("thumbnail.").map(|found| self.url(&found.name)),
            UploadKind::Image => self.pictures().first().map(|found| self.url(&found.name)),
            UploadKind::Audio => self.made("thumbnail.").map(|found| self.url(&found.name)),
            UploadKind::File => None,
        }
    }

    /// The sizes of an image, smallest first.
    pub fn pictures(&self) -> Vec<&rendition::Model> {
        let mut pictures: Vec<_> = self
            .renditions
            .iter()
            .filter(|found| found.name.starts_with("image-"))
            .collect();
        pictures.sort_by_key(|found| found.width);
        pictures
    }

    /// The `srcset` of an image (HTML, "srcset").
    pub fn srcset(&self) -> String {
        let sizes = self.pictures().into_iter().filter_map(|found| {
            let width = found.width?;
            Some(format!("{} {width}w", self.url(&found.name)))
        });
        sizes.collect::<Vec<_>>().join(", ")
    }

    /// The largest size of an image.
    pub fn image_url(&self) -> Option<String> {
        self.pictures().last().map(|found| self.url(&found.name))
    }

    /// The film, once it can be played.
    pub fn video_url(&self) -> Option<String> {
        self.find("video.mp4").map(|found| self.url(&found.name))
    }

    /// The multivariant playlist (RFC 8216, section 4.3.4) of a film, or of sound that is long: the same
    /// recording in several sizes or in pieces, to be chosen from while it plays.
    pub fn hls_url(&self) -> Option<String> {
        self.find("master.m3u8").map(|found| self.url(&found.name))
    }

    /// Small pictures along the time line: WebVTT whose cues name a part of a sheet, `sprite-0.jpg#xywh=0,0,160,90`
    /// (Media Fragments URI 1.0, section 4.2.2), relative to it.
    pub fn thumbnails_url(&self) -> Option<String> {
        self.find("thumbnails.vtt")
            .map(|found| self.url(&found.name))
    }

    /// How loud a recording is along its time, to be drawn as a waveform:
    /// `{"version":1,"duration":<seconds>,"peaks":[<0 to 255>, ...]}`, at most 1,000 peaks, each for an equal part.
    pub fn peaks_url(&self) -> Option<String> {
        self.find("peaks.json").map(|found| self.url(&found.name))
    }

    /// The chapters that the file names: WebVTT, a cue a chapter, for `<track kind="chapters">`.
    pub fn chapters_url(&self) -> Option<String> {
        self.find("chapters.vtt").map(|found| self.url(&found.name))
    }

    /// The forms of a recording that are ready, M4A first: name on the button, and address.
    pub fn sounds(&self) -> Vec<(String, String)> {
        let named = |ending: &str| {
            let found = self.find(&format!("audio.{ending}"))?;
            Some((ending.to_uppercase(), self.url(&found.name)))
        };
        ["m4a", "flac", "wav"]
            .into_iter()
            .filter_map(named)
            .collect()
    }

    /// Why it failed or waits again, for staff: paths and what programs wrote, which teachers need not read.
    pub fn detail(&self, person: &Person) -> Option<&str> {
        let detail = self.upload.fault_detail.as_deref();
        detail.filter(|detail| person.is_staff && !detail.is_empty())
    }

    /// Time left while it is processed.
    pub fn seconds_left(&self) -> Option<i64> {
        let left = self.upload.eta_seconds;
        left.filter(|_| self.upload.state == UploadState::Processing)
    }

    /// What open pages are told.
    pub fn event(&self) -> UploadEvent {
        UploadEvent {
            kind: "upload",
            id: self.upload.id,
            revision: self.upload.revision,
            state: self.upload.state,
            words: self.state_words(),
            percent: self.percent(),
            ready: self.is_ready(),
        }
    }

    fn made(&self, start: &str) -> Option<&rendition::Model> {
        self.renditions
            .iter()
            .find(|found| found.name.starts_with(start))
    }
}

/// When the file at this place begins, if those that are processed now end in so many seconds: each worker that
/// becomes free takes the next. Nothing is said of places behind that, nor while one of them cannot tell its end.
pub fn begins_in(place: i64, ends: &[Option<i64>]) -> Option<i64> {
    let mut ends: Vec<i64> = ends.iter().copied().collect::<Option<_>>()?;
    ends.sort_unstable();
    let before = usize::try_from(place).ok()?.checked_sub(1)?;
    ends.get(before).copied()
}

/// Under a minute in steps of 5 seconds: more would be feigned.
fn span(seconds: i64) -> String {
    let seconds = seconds.clamp(1, 48 * 3600);
    let shown = if seconds < 55 {
        (seconds + 4) / 5 * 5
    } else {
        seconds.max(60)
    };
    text::span(shown as f64)
}

/// A sentence put after a colon: without its capital, unless that belongs to a name, and without its full stop.
fn in_sentence(sentence: &str) -> String {
    let sentence = sentence.trim();
    let sentence = sentence.strip_suffix('.').unwrap_or(sentence);
    let mut letters = sentence.chars();
    let is_word = letters
        .clone()
        .nth(1)
        .is_some_and(|second| second.is_lowercase() || second == ' ');
    match letters.next() {
        Some(first) if is_word => first.to_lowercase().chain(letters).collect(),
        _ => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(change: impl FnOnce(&mut upload::Model)) -> FileView {
        let now = chrono::DateTime::default();
        let mut upload = upload::Model {
            id: 7,
            owner_id: 1,
            name: "bow.mov".into(),
            kind: UploadKind::Video,
            mime: "video/quicktime".into(),
            size_bytes: 1,
            prefix: "uploads/x".into(),
            state: UploadState::Waiting,
            progress_percent: 0.0,
            eta_seconds: None,
            fault: None,
            fault_detail: None,
            duration_seconds: None,
            width: None,
            height: None,
            batch: None,
            created_at: now,
            updated_at: now,
            revision: 0,
        };
        change(&mut upload);
        FileView {
            upload,
            renditions: Vec::new(),
            place_in_line: None,
            begins_in_seconds: None,
            is_paused: false,
        }
    }

    #[test]
    fn when_a_file_begins_is_told_only_where_it_is_known() {
        assert_eq!(begins_in(1, &[]), None, "nobody works");
        assert_eq!(begins_in(1, &[Some(90), Some(30)]), Some(30));
        assert_eq!(begins_in(2, &[Some(90), Some(30)]), Some(90));
        assert_eq!(
            begins_in(3, &[Some(90), Some(30)]),
            None,
            "others run before it"
        );
        assert_eq!(begins_in(1, &[Some(90), None]), None, "one cannot tell yet");
    }

    #[test]
    fn each_state_is_one_line_of_truth() {
        let mut waiting = view(|_| {});
        assert_eq!(waiting.state_words(), "In line");
        waiting.place_in_line = Some(3);
        assert_eq!(waiting.state_words(), "In line, 3rd");
        waiting.begins_in_seconds = Some(180);
        let words = "In line, 3rd - begins in about 3 min";
        assert_eq!(waiting.state_words(), words);
        waiting.is_paused = true;
        assert_eq!(waiting.state_words(), "In line, 3rd - the queue is paused");
        waiting.place_in_line = None;
        assert_eq!(waiting.state_words(), "In line - the queue is paused");
        let processing = |percent, left| {
            view(|upload| {
                upload.state = UploadState::Processing;
                upload.progress_percent = percent;
                upload.eta_seconds = left;
            })
            .state_words()
        };
        assert_eq!(
            processing(61.7, Some(120)),
            "Processing 61 % - about 2 min left"
        );
        assert_eq!(
            processing(61.7, Some(12)),
            "Processing 61 % - about 15 s left"
        );
        assert_eq!(
            processing(61.7, Some(58)),
            "Processing 61 % - about 1 min left"
        );
        assert_eq!(processing(0.0, None), "Processing 0 %");
        let failed = view(|upload| {
            upload.state = UploadState::Failed;
            upload.fault = Some("The file has no audio or video track.".into());
        });
        assert_eq!(
            failed.state_words(),
            "Failed: the file has no audio or video track"
        );
        let ready = view(|upload| upload.state = UploadState::Ready);
        assert_eq!(ready.state_words(), "Ready");
    }

    #[test]
    fn names_keep_their_capitals_in_a_sentence() {
        assert_eq!(in_sentence("MP4 only."), "MP4 only");
        assert_eq!(in_sentence("A file"), "a file");
        assert_eq!(in_sentence(""), "");
    }

    #[test]
    fn percent_is_told_only_while_it_is_processed() {
        assert_eq!(view(|_| {}).event().percent, None);
        let event = view(|upload| {
            upload.state = UploadState::Processing;
            upload.progress_percent = 61.0;
        })
        .event();
        let json = serde_json::to_value(&event).unwrap();
        let expected = serde_json::json!({
            "type": "upload", "id": 7, "state": "processing", "words": "Processing 61 %",
            "percent": 61.0, "ready": false, "revision": 0,
        });
        assert_eq!(json, expected);
    }
}
