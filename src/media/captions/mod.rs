//! Captions of recordings: WebVTT or SubRip (SRT) files that a teacher brings, one a language.
//!
//! ```text
//! bytes -> decode -> parse -> Captions -> write (WebVTT) -> rendition captions-<tag>.vtt
//! ```
//!
//! What is stored is always WebVTT that we wrote ourselves, whatever was sent. Who may add captions is for
//! `courses`; how they are shown is for `learning` and the player.

mod decode;
mod language;
mod markup;
mod parse;
mod shelf;
mod time;
mod transcript;
mod write;

pub use language::{Language, known as known_languages};
pub use shelf::{Caption, StoredCaptions, attach, is_key, put, put_beside, read, remove};
pub use transcript::{Line, lines};

use super::CAPTIONS;
use std::fmt;

/// The largest file of captions. An hour of speech is about 100 kB.
pub const MAX_BYTES: usize = 2_000_000;
/// Most cues of one file.
const MAX_CUES: usize = 20_000;
/// Most characters of one cue.
const MAX_CUE_CHARS: usize = 2_000;
/// So many faults are told; the rest is counted.
const MAX_FAULTS: usize = 20;

/// Words and when they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// When they appear, from the beginning of the recording.
    pub start_ms: u64,
    /// When they go; always after the start.
    pub end_ms: u64,
    /// Where they stand: settings of a WebVTT cue (section 4.4), only such as are well formed.
    settings: Vec<String>,
    /// WebVTT cue text (section 4.2.2) with no markup but `i`, `b`, `u` and `v`; never empty.
    markup: String,
}

/// A file of captions that has been read: cues in the order in which they begin, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captions {
    cues: Vec<Cue>,
}

/// What is wrong with a file of captions, in the teacher's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptionFault {
    /// Where, from 1; `None` when it concerns the whole file.
    pub line: Option<usize>,
    /// What is wrong, and how to mend it.
    pub words: String,
}

impl fmt::Display for CaptionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "Line {line}: {}", self.words),
            None => f.write_str(&self.words),
        }
    }
}

impl Captions {
    /// Reads WebVTT or SubRip as it was sent: any line ends, with or without a byte order mark.
    ///
    /// # Errors
    /// All that is wrong, in the order of the lines; at most some twenty.
    pub fn read(bytes: &[u8]) -> Result<Self, Vec<CaptionFault>> {
        if bytes.len() > MAX_BYTES {
            return Err(vec![fault(
                None,
                "This file is too large for captions: 2 MB is the most. Is it the right file?",
            )]);
        }
        let text = decode::text(bytes).map_err(|fault| vec![fault])?;
        let cues = parse::cues(&text)?;
        Ok(Self { cues })
    }

    /// The cues, in the order in which they begin.
    pub fn cues(&self) -> &[Cue] {
        &self.cues
    }

    /// As WebVTT (W3C WebVTT, section 4.1), in which nothing but text and four plain tags is left.
    pub fn to_webvtt(&self) -> String {
        write::webvtt(&self.cues)
    }
}

impl Cue {
    /// The words without markup, lines joined by a space.
    pub fn words(&self) -> String {
        markup::words(&self.markup)
    }
}

fn fault(line: Option<usize>, words: impl Into<String>) -> CaptionFault {
    CaptionFault {
        line,
        words: words.into(),
    }
}

#[cfg(test)]
mod tests;
