//! WebVTT, the text format of chapters and thumbnails (W3C, "WebVTT: The Web Video Text Tracks Format"): writing it.
//! What stands in the cues is for `chapters` and `sprites` to say.

use std::fmt::Write as _;

/// A file of cues.
pub(super) struct Cues(String);

impl Cues {
    /// Without any cue yet.
    pub fn new() -> Self {
        Self("WEBVTT\n".to_owned())
    }

    /// Adds a cue. The text is taken as it is: [`escape`] what comes from others.
    pub fn add(&mut self, start_seconds: f64, end_seconds: f64, text: &str) {
        let (start, end) = (timestamp(start_seconds), timestamp(end_seconds));
        // Writing to a string cannot fail.
        let _ = write!(self.0, "\n{start} --> {end}\n{text}\n");
    }

    /// The whole file.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// A text for a cue (WebVTT, section 4.1): one line, in which nothing is markup.
pub(super) fn escape(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for letter in word.chars() {
            match letter {
                '&' => line.push_str("&amp;"),
                '<' => line.push_str("&lt;"),
                '>' => line.push_str("&gt;"),
                _ => line.push(letter),
            }
        }
    }
    line
}

/// `00:01:02.345`
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes the nearest number there is; times are hours at most"
)]
fn timestamp(seconds: f64) -> String {
    let millis = (seconds.max(0.0) * 1000.0).round() as u64;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!(
        "{:02}:{:02}:{seconds:02}.{millis:03}",
        minutes / 60,
        minutes % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_hours_and_thousandths() {
        assert_eq!(timestamp(0.0), "00:00:00.000");
        assert_eq!(timestamp(3723.4567), "01:02:03.457");
        assert_eq!(timestamp(59.9996), "00:01:00.000");
        assert_eq!(timestamp(-1.0), "00:00:00.000");
        assert_eq!(timestamp(360_000.0), "100:00:00.000");
    }

    #[test]
    fn a_text_can_neither_end_its_cue_nor_begin_another() {
        assert_eq!(
            escape(" A <b>bow</b> &\r\n\n00:01 --> 00:02\0 "),
            "A &lt;b&gt;bow&lt;/b&gt; &amp; 00:01 --&gt; 00:02"
        );
        assert_eq!(escape("\n"), "");
    }
}
