//! Cues as a WebVTT file.

use super::Cue;
use super::time::Timestamp;
use std::fmt::Write as _;

/// The file, without header text, notes, styles or regions.
pub fn webvtt(cues: &[Cue]) -> String {
    let mut out = String::from("WEBVTT\n");
    for cue in cues {
        let (start, end) = (Timestamp(cue.start_ms), Timestamp(cue.end_ms));
        // Writing to a string cannot fail.
        let _ = write!(out, "\n{start} --> {end}");
        for setting in &cue.settings {
            out.push(' ');
            out.push_str(setting);
        }
        out.push('\n');
        out.push_str(&cue.markup);
        out.push('\n');
    }
    out
}
