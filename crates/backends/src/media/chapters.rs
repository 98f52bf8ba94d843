//! The chapters that a recording names, as a track for players: `chapters.vtt`. Reading them is in `probe`.

use super::vtt::{Cues, escape};

/// More are no help to anybody, and no chapters.
pub(super) const MOST_CHAPTERS: usize = 500;
/// Of a title, in characters.
const LONGEST_TITLE: usize = 200;

/// A chapter as the file names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chapter {
    /// Where it begins.
    pub start_seconds: f64,
    /// Where it ends.
    pub end_seconds: f64,
    /// May be empty.
    pub title: String,
}

/// The chapters as WebVTT, one after another to the end of the recording; none where there are fewer than two,
/// since there is nothing to choose then.
pub(super) fn track(chapters: &[Chapter], duration_seconds: f64) -> Option<String> {
    let mut starts: Vec<(f64, &str)> = chapters
        .iter()
        .map(|chapter| (chapter.start_seconds.max(0.0), chapter.title.as_str()))
        .filter(|(start, _)| *start < duration_seconds)
        .take(MOST_CHAPTERS)
        .collect();
    starts.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    // Of two at the same place the later one would never be seen.
    starts.dedup_by(|(later, _), (earlier, _)| *later - *earlier < 0.001);
    if starts.len() < 2 {
        return None;
    }
    let ends = starts.iter().skip(1).map(|(start, _)| *start);
    let ends: Vec<f64> = ends.chain([duration_seconds]).collect();
    let mut cues = Cues::new();
    for (number, ((start, title), end)) in starts.iter().zip(ends).enumerate() {
        let title: String = title.chars().take(LONGEST_TITLE).collect();
        let mut words = escape(&title);
        if words.is_empty() {
            words = format!("Chapter {}", number + 1);
        }
        cues.add(*start, end, &words);
    }
    Some(cues.into_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chapter(start_seconds: f64, end_seconds: f64, title: &str) -> Chapter {
        Chapter {
            start_seconds,
            end_seconds,
            title: title.to_owned(),
        }
    }

    #[test]
    fn chapters_follow_each_other_to_the_end() {
        let found = [
            chapter(5.0, 5.0, "Two <2>"),
            chapter(-0.02, 5.0, "One"),
            chapter(9.0, 70.0, ""),
            chapter(80.0, 90.0, "Beyond"),
        ];
        assert_eq!(
            track(&found, 10.5).as_deref(),
            Some(
                "WEBVTT\n\n00:00:00.000 --> 00:00:05.000\nOne\n\n00:00:05.000 --> 00:00:09.000\nTwo &lt;2&gt;\n\n\
                 00:00:09.000 --> 00:00:10.500\nChapter 3\n"
            )
        );
    }

    #[test]
    fn one_chapter_is_none_and_thousands_are_bounded() {
        assert_eq!(track(&[chapter(0.0, 9.0, "All")], 9.0), None);
        assert_eq!(
            track(&[chapter(1.0, 9.0, "A"), chapter(1.0, 9.0, "B")], 9.0),
            None
        );
        let many: Vec<_> = (0..9000)
            .map(|place| chapter(f64::from(place), 0.0, &"x".repeat(9000)))
            .collect();
        let text = track(&many, 9000.0).unwrap();
        assert_eq!(text.matches("-->").count(), MOST_CHAPTERS);
        assert!(text.len() < 200_000);
    }
}
