//! Cues as lines to read: sentences are put together that were parted for the screen.

use super::Captions;

/// A line is ended at a sentence once it has so many characters.
const ENOUGH: usize = 70;
/// And wherever it is once it has so many.
const MOST: usize = 260;
/// A silence of so many milliseconds begins a new line.
const SILENCE_MS: u64 = 2_500;

/// Some sentences, and when they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When they begin.
    pub start_ms: u64,
    /// Words without markup.
    pub words: String,
}

/// The transcript of captions. The player's script puts lines together by the same rules
/// (`web/js/transcript.js`).
pub fn lines(captions: &Captions) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut last_end = 0;
    for cue in captions.cues() {
        let words = cue.words();
        let is_silent = cue.start_ms.saturating_sub(last_end) >= SILENCE_MS;
        last_end = cue.end_ms;
        match lines.last_mut() {
            Some(line) if !is_silent && !is_whole(&line.words) => {
                line.words.push(' ');
                line.words.push_str(&words);
            }
            _ => lines.push(Line {
                start_ms: cue.start_ms,
                words,
            }),
        }
    }
    lines
}

fn is_whole(words: &str) -> bool {
    let length = words.chars().count();
    let words = words.trim_end_matches(['"', '\'', '”', '’', ')', '»']);
    let is_ended = words.ends_with(['.', '!', '?', '…', '。', '！', '？', '؟', '।']);
    length >= MOST || (length >= ENOUGH && is_ended)
}
