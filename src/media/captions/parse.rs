//! Text as cues: WebVTT and SubRip by the same reader, since files of either kind stray into the other.

use super::time::{Timestamp, read as read_time};
use super::{CaptionFault, Cue, MAX_CUE_CHARS, MAX_CUES, MAX_FAULTS, fault, markup};

const ARROW: &str = "-->";

/// The cues of a file, sorted by when they begin.
///
/// # Errors
/// All that is wrong, in the order of the lines.
pub fn cues(text: &str) -> Result<Vec<Cue>, Vec<CaptionFault>> {
    if text.trim().is_empty() {
        return Err(vec![fault(
            None,
            "This file is empty. Choose one with captions.",
        )]);
    }
    if !text.contains(ARROW) {
        return Err(vec![fault(
            None,
            "This file has no times in it. Captions are WebVTT (.vtt) or SubRip (.srt), with lines like \
             00:00:01.000 --> 00:00:04.000 before the words.",
        )]);
    }
    let mut reader = Reader::new(text);
    reader.run();
    reader.finish()
}

/// A cue whose text is still coming.
struct Open {
    /// `None` after a line of times that cannot be read: its words belong to it all the same.
    times: Option<(u64, u64, Vec<String>)>,
    line: usize,
    text: Vec<String>,
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    is_webvtt: bool,
    open: Option<Open>,
    cues: Vec<Cue>,
    faults: Vec<CaptionFault>,
    left_out: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let is_webvtt = text
            .strip_prefix("WEBVTT")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n']));
        Self {
            lines: text.split('\n').collect(),
            is_webvtt,
            open: None,
            cues: Vec::new(),
            faults: Vec::new(),
            left_out: 0,
        }
    }

    fn line(&self, at: usize) -> Option<&'a str> {
        self.lines.get(at).copied()
    }

    fn run(&mut self) {
        let mut at = if self.is_webvtt {
            self.after_block(0)
        } else {
            0
        };
        while let Some(line) = self.line(at) {
            let is_empty = line.trim().is_empty();
            if line.contains(ARROW) {
                self.begin(at, line);
            } else if is_empty && !self.is_webvtt {
                // In SubRip an empty line may stand within the words; a new time ends them.
            } else if is_empty || self.is_number_of_next(at, line) {
                self.end();
            } else if self.open.is_some() {
                self.add(line);
            } else if self.is_webvtt && is_block(line) {
                at = self.after_block(at);
                continue;
            } else if !self.is_identifier(at) {
                self.tell(
                    at,
                    "a time is expected here, like 00:00:01.000 --> 00:00:04.000, before the words.",
                );
                at = self.after_block(at);
                continue;
            }
            at += 1;
        }
        self.end();
    }

    /// The line after the next empty one, but not beyond a line of times.
    fn after_block(&self, from: usize) -> usize {
        let rest = self.lines.get(from..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|line| line.trim().is_empty() || line.contains(ARROW))
            .unwrap_or(rest.len());
        from + length.max(1)
    }

    /// SubRip numbers its cues, and WebVTT names them, on the line before the times.
    fn is_number_of_next(&self, at: usize, line: &str) -> bool {
        let is_number = line.trim().bytes().all(|byte| byte.is_ascii_digit());
        is_number && self.is_identifier(at)
    }

    fn is_identifier(&self, at: usize) -> bool {
        let has_times = self.line(at + 1).is_some_and(|next| next.contains(ARROW));
        let begins = at
            .checked_sub(1)
            .and_then(|before| self.line(before))
            .is_none_or(|before| before.trim().is_empty());
        has_times && (begins || self.open.is_some())
    }

    fn begin(&mut self, at: usize, line: &str) {
        self.end();
        let times = self.times(at, line);
        self.open = Some(Open {
            times,
            line: at,
            text: Vec::new(),
        });
    }

    /// Start, end and settings of a line with an arrow.
    fn times(&mut self, at: usize, line: &str) -> Option<(u64, u64, Vec<String>)> {
        let (start, rest) = line.split_once(ARROW)?;
        let start: String = start.split_whitespace().collect();
        let mut rest = rest.split_whitespace();
        let end = rest.next().unwrap_or("");
        let start_ms = self.time(at, "start", &start);
        let end_ms = self.time(at, "end", end);
        let (start_ms, end_ms) = (start_ms?, end_ms?);
        if end_ms <= start_ms {
            let (start, end) = (Timestamp(start_ms), Timestamp(end_ms));
            let words = if end_ms < start_ms {
                format!("the end {end} is before the start {start}.")
            } else {
                format!("the end {end} is the same as the start.")
            };
            self.tell(at, words);
            return None;
        }
        let settings = rest.filter(|setting| is_setting(setting));
        Some((start_ms, end_ms, settings.map(str::to_owned).collect()))
    }

    fn time(&mut self, at: usize, which: &str, text: &str) -> Option<u64> {
        let found = read_time(text);
        if found.is_none() {
            let shown: String = text.chars().take(20).collect();
            self.tell(
                at,
                if shown.is_empty() {
                    format!("the {which} is missing. Times look like 00:01:02.500.")
                } else {
                    format!("the {which} “{shown}” is no time. Times look like 00:01:02.500.")
                },
            );
        }
        found
    }

    fn add(&mut self, line: &str) {
        if let Some(open) = &mut self.open {
            open.text.push(line.to_owned());
        }
    }

    /// The cue is whole.
    fn end(&mut self) {
        let Some(open) = self.open.take() else { return };
        let text = open.text.join("\n");
        let text = if self.is_webvtt {
            text
        } else {
            markup::without_braces(&text)
        };
        let markup = markup::clean(&text);
        let length = markup.chars().count();
        if length > MAX_CUE_CHARS {
            self.tell(
                open.line,
                format!(
                    "this caption has {length} characters; {MAX_CUE_CHARS} is the most. Is a time missing in it?"
                ),
            );
            return;
        }
        // A cue without words shows nothing.
        if let Some((start_ms, end_ms, settings)) = open.times
            && !markup.is_empty()
        {
            self.cues.push(Cue {
                start_ms,
                end_ms,
                settings,
                markup,
            });
        }
    }

    fn tell(&mut self, at: usize, words: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault(Some(at + 1), words));
        } else {
            self.left_out += 1;
        }
    }

    fn finish(mut self) -> Result<Vec<Cue>, Vec<CaptionFault>> {
        if self.left_out > 0 {
            let words = format!("And {} more like these.", self.left_out);
            self.faults.push(fault(None, words));
        }
        if self.cues.len() > MAX_CUES {
            let words = format!(
                "This file has {} captions; {MAX_CUES} is the most.",
                self.cues.len()
            );
            self.faults.push(fault(None, words));
        }
        if self.faults.is_empty() && self.cues.is_empty() {
            self.faults
                .push(fault(None, "This file has times but no words in it."));
        }
        if self.faults.is_empty() {
            self.cues.sort_by_key(|cue| cue.start_ms);
            Ok(self.cues)
        } else {
            Err(self.faults)
        }
    }
}

/// Blocks of WebVTT that are no cues (section 4.1); they are left out.
fn is_block(line: &str) -> bool {
    let name = line.split([' ', '\t', ':']).next().unwrap_or("");
    matches!(
        name,
        "NOTE" | "STYLE" | "REGION" | "X-TIMESTAMP-MAP=LOCAL" | "X-TIMESTAMP-MAP=MPEGTS"
    )
}

/// A setting that is well formed (WebVTT, section 4.4): where the words stand. Regions are left out.
fn is_setting(setting: &str) -> bool {
    let Some((name, value)) = setting.split_once(':') else {
        return false;
    };
    let (first, second) = value
        .split_once(',')
        .map_or((value, None), |(first, second)| (first, Some(second)));
    match (name, second) {
        ("vertical", None) => matches!(first, "rl" | "lr"),
        ("align", None) => matches!(first, "start" | "center" | "end" | "left" | "right"),
        ("size" | "position", None) => is_percentage(first),
        ("position", Some(align)) => {
            is_percentage(first) && matches!(align, "line-left" | "center" | "line-right")
        }
        ("line", None) => is_percentage(first) || is_line_number(first),
        ("line", Some(align)) => {
            (is_percentage(first) || is_line_number(first))
                && matches!(align, "start" | "center" | "end")
        }
        _ => false,
    }
}

fn is_percentage(text: &str) -> bool {
    let Some(number) = text.strip_suffix('%') else {
        return false;
    };
    let is_plain = number.len() <= 8 && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_plain
        && number
            .parse::<f64>()
            .is_ok_and(|share| (0.0..=100.0).contains(&share))
}

fn is_line_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}
