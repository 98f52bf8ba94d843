//! Lines as a page shows them: under days and names, with the mark above what is new.

use crate::chat::frames::{Picture, Speaker, mentions, words_of};
use crate::chat::store::pages::Spoken;
use crate::web::identity::Person;
use crate::web::text;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

/// Lines of one speaker that follow each other within this time stand under one name.
const GROUP: TimeDelta = TimeDelta::minutes(5);

/// The largest size of a picture in a line, in pixels.
const THUMBNAIL: (f64, f64) = (320.0, 240.0);

/// The least side of one, in pixels: it is something to press.
const LEAST_SIDE: i32 = 44;

/// Of a line that was found so many characters are shown.
const FOUND_SHOWN: usize = 180;

/// For whom and when lines are drawn.
pub struct Drawn<'a> {
    /// Who reads.
    pub person: &'a Person,
    /// The present.
    pub now: DateTime<Utc>,
    /// The last line that she has read, and when it was said; where that is known, what comes after is marked as new.
    pub read: Option<(i64, DateTime<Utc>)>,
}

/// A line.
pub struct Line {
    /// Its number.
    pub id: i64,
    /// What was said.
    pub text: String,
    /// Who said it.
    pub speaker: Speaker,
    /// What it answers.
    pub quote: Option<Quote>,
    /// What it shows.
    pub pictures: Vec<Thumbnail>,
    /// User names of those whom it mentions, with spaces between.
    pub mentions: String,
    /// It is hers.
    pub is_hers: bool,
    /// It was changed.
    pub is_edited: bool,
    /// The day, where another one begins.
    pub day: Option<String>,
    /// Above the first that is new: since when.
    pub mark: Option<String>,
    /// It stands under the name of the one before.
    pub goes_on: bool,
    /// `13:48`.
    pub time: String,
    /// For hovering.
    pub exact: String,
    /// For programs.
    pub machine: String,
}

impl Line {
    /// The color of the picture beside it.
    pub fn color(&self) -> i64 {
        self.speaker.id.unwrap_or(0) % 6
    }

    /// As it stands among what was found.
    pub fn found_words(&self) -> String {
        text::shorten(&flat(words_of(&self.text)), FOUND_SHOWN)
    }
}

/// A picture as it stands in a line.
pub struct Thumbnail {
    /// The picture.
    pub picture: Picture,
    /// Pixels on the page, known before the picture is there, so that nothing jumps when it comes.
    pub width: i32,
    /// Pixels on the page.
    pub height: i32,
}

impl Thumbnail {
    fn new(picture: Picture) -> Self {
        let (width, height) = fit(picture.width, picture.height);
        Self {
            picture,
            width,
            height,
        }
    }

    /// What stands for it where it is not seen.
    pub fn alt(&self) -> &str {
        if self.picture.alt.is_empty() {
            "A picture without a description"
        } else {
            &self.picture.alt
        }
    }
}

/// The size in which a picture of this size stands in a line; `room-pictures.js` reckons alike.
fn fit(width: i32, height: i32) -> (i32, i32) {
    let (width, height) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let scale = (THUMBNAIL.0 / width).min(THUMBNAIL.1 / height).min(1.0);
    let side = |length: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is no longer than the longest side of a thumbnail"
        )]
        let pixels = (length * scale).round() as i32;
        pixels.max(LEAST_SIDE)
    };
    (side(width), side(height))
}

/// What a line answers.
pub struct Quote {
    /// Number of that line.
    pub id: i64,
    /// First name of who said it.
    pub name: String,
    /// How it begins.
    pub words: String,
}

/// Lines that follow each other, oldest first.
pub fn draw(drawn: &Drawn<'_>, lines: Vec<Spoken>) -> Vec<Line> {
    let zone = drawn.person.time_zone;
    let day_of = |time: DateTime<Utc>| time.with_timezone(&zone).date_naive();
    let mut before: Option<(Option<i64>, DateTime<Utc>)> = None;
    let mut is_marked = false;
    let mut drawn_lines = Vec::with_capacity(lines.len());
    for Spoken {
        line,
        speaker,
        quote,
        pictures,
    } in lines
    {
        let time = line.created_at;
        let is_other_day = before.is_none_or(|(_, earlier)| day_of(earlier) != day_of(time));
        let is_hers = speaker.id == Some(drawn.person.id);
        let since = drawn.read.filter(|(read, _)| line.id > *read && !is_hers);
        let mark = since
            .filter(|_| !is_marked)
            .map(|(_, since)| since_words(since, drawn.now, zone));
        is_marked |= mark.is_some();
        let goes_on = !is_other_day
            && mark.is_none()
            && before.is_some_and(|(id, earlier)| {
                id == speaker.id && time.signed_duration_since(earlier) < GROUP
            });
        before = Some((speaker.id, time));
        drawn_lines.push(Line {
            id: line.id,
            mentions: mentions(&line).join(" "),
            is_hers,
            is_edited: line.edited_at.is_some(),
            day: is_other_day.then(|| day_words(day_of(time), day_of(drawn.now), time, zone)),
            mark,
            goes_on,
            time: clock(time, zone),
            exact: text::exact(time, zone),
            machine: text::machine(time),
            quote: quote.map(|quote| Quote {
                id: quote.id,
                name: first_name(&quote.name).to_owned(),
                words: quote
                    .message
                    .map_or_else(|| "This line was deleted.".into(), |message| flat(&message)),
            }),
            text: line.text,
            pictures: pictures.into_iter().map(Thumbnail::new).collect(),
            speaker,
        });
    }
    drawn_lines
}

/// What somebody is called among friends.
pub fn first_name(name: &str) -> &str {
    name.split_whitespace().next().unwrap_or(name)
}

/// Words in one line, without the marks of code and emphasis.
pub fn flat(words: &str) -> String {
    let plain: String = words
        .chars()
        .filter(|letter| !matches!(letter, '`' | '*'))
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn clock(time: DateTime<Utc>, zone: Tz) -> String {
    time.with_timezone(&zone).format("%H:%M").to_string()
}

fn day_words(day: NaiveDate, today: NaiveDate, time: DateTime<Utc>, zone: Tz) -> String {
    match today.signed_duration_since(day).num_days() {
        0 => "Today".into(),
        1 => "Yesterday".into(),
        _ => text::date(time, zone),
    }
}

fn since_words(since: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> String {
    let day_of = |time: DateTime<Utc>| time.with_timezone(&zone).date_naive();
    let clock = clock(since, zone);
    match day_of(now).signed_duration_since(day_of(since)).num_days() {
        0 => format!("New since {clock}"),
        1 => format!("New since yesterday, {clock}"),
        _ => format!("New since {}, {clock}", text::date(since, zone)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_told_with_the_day_where_that_is_another_one() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let words = |since, now| since_words(at(since), at(now), Tz::Europe__Lisbon);
        let now = "2026-07-03T09:00:00Z";
        assert_eq!(words("2026-07-03T08:52:00Z", now), "New since 09:52");
        // In her own zone it was past midnight already.
        assert_eq!(words("2026-07-02T23:10:00Z", now), "New since 00:10");
        assert_eq!(
            words("2026-07-02T12:00:00Z", now),
            "New since yesterday, 13:00"
        );
        assert_eq!(
            words("2026-06-01T12:00:00Z", now),
            "New since 1 June 2026, 13:00"
        );
    }

    #[test]
    fn a_picture_keeps_its_shape_in_a_line_and_is_never_too_small_to_press() {
        assert_eq!(fit(1_920, 1_080), (320, 180));
        assert_eq!(fit(1_080, 1_920), (135, 240));
        assert_eq!(fit(100, 80), (100, 80));
        assert_eq!(fit(4_000, 10), (320, 44));
        assert_eq!(fit(0, 0), (44, 44));
    }

    #[test]
    fn a_quote_is_one_line_of_plain_words() {
        assert_eq!(flat("```sql\nSELECT  1\n```\n**so**"), "sql SELECT 1 so");
        assert_eq!(first_name("Priya Raman"), "Priya");
        assert_eq!(first_name(""), "");
    }
}
