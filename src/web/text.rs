//! Text as people read it: Markdown made safe, plain text, sizes, durations, times.

use ammonia::Builder;
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use chrono_tz::Tz;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};
use std::sync::LazyLock;

/// Elements that course text may hold. No images: they would ask other hosts.
static SAFE: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    builder
        .rm_tags(["img", "map", "area", "details", "summary", "center", "font"])
        .link_rel(Some("noopener noreferrer nofollow"))
        .url_schemes(["http", "https", "mailto"].into_iter().collect())
        .add_allowed_classes(
            "code",
            [
                "language-rust",
                "language-python",
                "language-sh",
                "language-sql",
                "language-js",
            ],
        );
    builder
});

/// Quotes and lists deeper than this stand at this depth: nobody reads them, and sanitizing costs
/// the square of the depth.
const DEEPEST: usize = 32;

/// CommonMark with tables and strikethrough, as HTML in which nothing runs.
/// Headings begin at level three, below the title of the content, and leave none out on the way down:
/// whoever hears a page finds her way by them (WCAG 2.2, 1.3.1).
pub fn markdown(text: &str) -> String {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_SMART_PUNCTUATION;
    let mut depth = 0_usize;
    let mut headings = Headings::default();
    let parser = Parser::new_ext(text, options).filter(|event| match event {
        Event::Start(_) => {
            depth += 1;
            depth <= DEEPEST
        }
        Event::End(_) => {
            depth = depth.saturating_sub(1);
            depth < DEEPEST
        }
        _ => true,
    });
    let events = parser.map(|event| match event {
        Event::Start(Tag::Heading {
            level,
            id,
            classes,
            attrs,
        }) => Event::Start(Tag::Heading {
            level: headings.begin(level),
            id,
            classes,
            attrs,
        }),
        Event::End(TagEnd::Heading(_)) => Event::End(TagEnd::Heading(headings.level())),
        // Raw HTML is shown as it was typed.
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        other => other,
    });
    let mut out = String::with_capacity(text.len() * 3 / 2);
    html::push_html(&mut out, events);
    SAFE.clean(&out).to_string()
}

/// The headings above the place that is being read, as they were typed.
#[derive(Default)]
struct Headings(Vec<HeadingLevel>);

impl Headings {
    /// A heading was typed; gives the level that it gets.
    fn begin(&mut self, typed: HeadingLevel) -> HeadingLevel {
        self.0.retain(|above| *above < typed);
        self.0.push(typed);
        self.level()
    }

    /// The level of the present heading.
    fn level(&self) -> HeadingLevel {
        match self.0.len() {
            0 | 1 => HeadingLevel::H3,
            2 => HeadingLevel::H4,
            3 => HeadingLevel::H5,
            _ => HeadingLevel::H6,
        }
    }
}

/// Plain text: escaped, blank lines part paragraphs, single line breaks become `<br>`.
pub fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let paragraphs = text
        .split("\n\n")
        .map(|part| part.trim_matches('\n'))
        .filter(|part| !part.trim().is_empty());
    paragraphs
        .map(|part| format!("<p>{}</p>", escape(part).replace('\n', "<br>")))
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// HTML's five characters.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            other => out.push(other),
        }
    }
    out
}

/// Markdown as plain words, for summaries: at most `most` characters, cut between words.
pub fn summary(text: &str, most: usize) -> String {
    let mut words = String::new();
    let mut is_heading = false;
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => is_heading = true,
            Event::End(TagEnd::Heading(_)) => is_heading = false,
            _ if is_heading => {}
            Event::Text(text) | Event::Code(text) => words.push_str(&text),
            Event::SoftBreak | Event::HardBreak => words.push(' '),
            Event::End(TagEnd::Paragraph) => break,
            _ => {}
        }
    }
    shorten(&words, most)
}

/// At most `most` characters, cut between words where possible, with an ellipsis.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let head: String = text.chars().take(most.saturating_sub(1)).collect();
    let cut = head
        .rfind(' ')
        .filter(|at| *at > head.len() / 2)
        .map_or(head.as_str(), |at| head.get(..at).unwrap_or(&head));
    format!("{}…", cut.trim_end())
}

/// A limit in bytes as people say it, rounded down, so that what it names is really taken.
pub fn size_limit(bytes: u64) -> String {
    let mut step: u64 = 1;
    while bytes / step >= 100 {
        step *= 10;
    }
    size(i64::try_from(bytes / step * step).unwrap_or(i64::MAX))
}

/// A number of bytes as people say it: `310 kB`, `1.9 GB`.
pub fn size(bytes: i64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = bytes.max(0) as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if bytes == 1 {
        return "1 byte".into();
    }
    let name = units.get(unit).copied().unwrap_or("TB");
    if unit > 1 && value < 9.95 {
        format!("{value:.1} {name}")
    } else {
        format!("{value:.0} {name}")
    }
}

/// A span as people say it: `40 s`, `14 min`, `3 h 10 min`.
pub fn span(seconds: f64) -> String {
    let seconds = whole(seconds);
    if seconds < 60 {
        return format!("{seconds} s");
    }
    let minutes = (seconds + 30) / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// A place on a time line: `6:42`, `1:02:03`.
pub fn timecode(seconds: f64) -> String {
    let seconds = whole(seconds);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to what fits before it is cast"
)]
fn whole(seconds: f64) -> i64 {
    if seconds.is_finite() {
        seconds.clamp(0.0, 1e12).round() as i64
    } else {
        0
    }
}

/// `1 module`, `2 modules`.
pub fn count(number: impl Into<i64>, one: &str, many: &str) -> String {
    let number = number.into();
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {many}")
    }
}

/// `1st`, `2nd`, `3rd`, `11th`.
pub fn ordinal(number: i64) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// How long ago, up to a week; then the date.
pub fn ago(time: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> String {
    let minutes = (now - time).num_minutes();
    match minutes {
        ..=0 => "just now".into(),
        1..60 => format!("{} ago", count(minutes, "minute", "minutes")),
        60..1440 => format!("{} ago", count(minutes / 60, "hour", "hours")),
        1440..10_080 => format!("{} ago", count(minutes / 1440, "day", "days")),
        _ => date(time, zone),
    }
}

/// When [`ago`] says something else of the same time; `None` when it never will.
pub fn ago_until(time: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let minutes = (now - time).num_minutes();
    let step = match minutes {
        ..=0 => 1,
        1..60 => minutes + 1,
        60..1440 => (minutes / 60 + 1) * 60,
        1440..10_080 => (minutes / 1440 + 1) * 1440,
        _ => return None,
    };
    time.checked_add_signed(TimeDelta::minutes(step))
}

/// `3 September 2026`, in the reader's zone.
pub fn date(time: DateTime<Utc>, zone: Tz) -> String {
    time.with_timezone(&zone).format("%-d %B %Y").to_string()
}

/// A day near the present one with the time, another without: `Today, 10:33`, `Tomorrow, 09:00`, `9 Nov`,
/// `9 Nov 2025`; in the reader's zone.
pub fn when(time: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> String {
    let (time, now) = (time.with_timezone(&zone), now.with_timezone(&zone));
    let days = (time.date_naive() - now.date_naive()).num_days();
    let day = match days {
        -1 => "Yesterday",
        0 => "Today",
        1 => "Tomorrow",
        _ if time.year() == now.year() => return time.format("%-d %b").to_string(),
        _ => return time.format("%-d %b %Y").to_string(),
    };
    format!("{day}, {}", time.format("%H:%M"))
}

/// `3 September 2026, 14:02:07 (Europe/Lisbon)`: the exact time, for hovering.
pub fn exact(time: DateTime<Utc>, zone: Tz) -> String {
    format!(
        "{} ({})",
        time.with_timezone(&zone).format("%-d %B %Y, %H:%M:%S"),
        zone.name()
    )
}

/// For the `datetime` attribute of `<time>`.
pub fn machine(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markdown_runs_nothing() {
        let html = markdown(
            "<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror=alert(1)>\n\n**b**",
        );
        assert!(
            !html.contains("<script")
                && !html.contains("<img")
                && !html.contains("href=\"javascript"),
            "{html}"
        );
        assert!(html.contains("<strong>b</strong>"));
    }

    #[test]
    fn nothing_is_nested_deeper_than_sanitizing_bears() {
        let deep = [
            ">".repeat(200_000),
            "- ".repeat(100_000),
            "* a\n".repeat(50_000),
            "[".repeat(200_000),
            "*a **b ".repeat(30_000),
            "`".repeat(200_000),
            "![".repeat(100_000),
            "|a".repeat(1000) + "\n" + &"|-".repeat(1000) + "\n" + &"|b\n".repeat(2000),
            "<".repeat(200_000),
            "&#1;".repeat(50_000),
            "_ ".repeat(100_000),
            "> [a]: b\n".repeat(20_000),
        ];
        for text in deep {
            let mut depth = 0_usize;
            let html = markdown(&text);
            let nesting = tags(&html).into_iter();
            for tag in nesting.filter(|tag| tag != "br" && tag != "hr") {
                let is_end = tag.starts_with('/');
                depth = depth + usize::from(!is_end) - usize::from(is_end);
                assert!(depth <= DEEPEST, "{:?}", text.get(..8));
            }
        }
    }

    #[test]
    fn quotes_deeper_than_anybody_reads_stay_whole() {
        let html = markdown(&format!("{} deep\n\nafter", ">".repeat(100)));
        assert_eq!(html.matches("<blockquote>").count(), DEEPEST);
        assert_eq!(html.matches("</blockquote>").count(), DEEPEST);
        assert!(
            html.contains("deep") && html.ends_with("<p>after</p>\n"),
            "{html}"
        );
    }

    #[test]
    fn links_lead_out_without_telling_or_recommending() {
        let html = markdown("[a](https://a.example) <b@c.example>\n\n|x|y|\n|-|-|\n|1|2|");
        assert!(
            html.contains(r#"<a href="https://a.example" rel="noopener noreferrer nofollow">"#),
            "{html}"
        );
        assert!(
            html.contains("mailto:b@c.example") && html.contains("<td>2</td>"),
            "{html}"
        );
    }

    /// Pieces that meet in attacks, so that random text is not merely random.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("<script>".to_owned()),
            Just("</p><img src=x onerror=alert(1)>".to_owned()),
            Just("javascript:alert(1)".to_owned()),
            Just("[x](javascript:alert(1))".to_owned()),
            Just("[x]: data:text/html,<script>\n\n[x]".to_owned()),
            Just("<java&#115;cript:x>".to_owned()),
            Just("<svg/onload=x>".to_owned()),
            Just("```rust onload=\"x\"\n".to_owned()),
            Just("\" onclick=\"x".to_owned()),
            Just("![a](x \"\\\" onerror=y\")".to_owned()),
            Just("\n\n".to_owned()),
            "[\\[\\]()<>*_`|#&;:/\"'=! a-z\n-]{0,12}",
            any::<String>(),
        ];
        proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
    }

    /// What stands inside of tags; text between them cannot run.
    fn tags(html: &str) -> Vec<String> {
        let pieces = html.split('<').skip(1);
        pieces
            .map(|piece| piece.split('>').next().unwrap_or("").to_ascii_lowercase())
            .collect()
    }

    #[test]
    fn a_day_near_the_present_one_is_called_by_its_name_in_the_readers_zone() {
        let now = "2026-11-20T23:30:00Z".parse().unwrap();
        let told = |time: &str, zone| when(time.parse().unwrap(), now, zone);
        assert_eq!(told("2026-11-20T10:33:00Z", Tz::UTC), "Today, 10:33");
        // It is the 21st there already.
        assert_eq!(
            told("2026-11-20T10:33:00Z", Tz::Europe__Berlin),
            "Yesterday, 11:33"
        );
        assert_eq!(told("2026-11-21T09:00:00Z", Tz::UTC), "Tomorrow, 09:00");
        assert_eq!(told("2026-11-09T10:33:00Z", Tz::UTC), "9 Nov");
        assert_eq!(told("2025-11-09T10:33:00Z", Tz::UTC), "9 Nov 2025");
    }

    proptest! {
        #[test]
        fn how_long_ago_is_said_alike_until_it_is_said_otherwise(minutes in -90_i64..12_000, seconds in 0_i64..60) {
            let time = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
            let now = time + TimeDelta::minutes(minutes) + TimeDelta::seconds(seconds);
            let words = ago(time, now, Tz::UTC);
            let Some(until) = ago_until(time, now) else {
                prop_assert_eq!(date(time, Tz::UTC), words);
                return Ok(());
            };
            prop_assert!(until > now);
            let before = until - TimeDelta::milliseconds(1);
            prop_assert_eq!(&ago(time, before, Tz::UTC), &words);
            prop_assert_ne!(&ago(time, until, Tz::UTC), &words);
        }

        #[test]
        fn nothing_that_anybody_writes_runs(text in hostile()) {
            for html in [markdown(&text), plain(&text)] {
                for tag in tags(&html) {
                    let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or("").to_owned();
                    prop_assert!(!["script", "img", "svg", "iframe", "object", "style", "form", "input"].contains(&name.as_str()), "{}", html);
                    prop_assert!(!tag.contains("href=\"javascript") && !tag.contains("href=\"data"), "{}", html);
                    // Attributes stand after a space outside of quotes.
                    let bare: String = tag.split('"').step_by(2).collect();
                    prop_assert!(!bare.contains(" on"), "{}", html);
                }
            }
        }

        #[test]
        fn words_are_shortened_to_what_fits(text in any::<String>(), most in 1_usize..60) {
            prop_assert!(shorten(&text, most).chars().count() <= most);
        }
    }

    #[test]
    fn times_are_told_as_people_say_them() {
        let now: DateTime<Utc> = "2026-03-02T09:30:00Z".parse().unwrap();
        let told = |seconds| {
            ago(
                now - TimeDelta::seconds(seconds),
                now,
                chrono_tz::Europe::Lisbon,
            )
        };
        assert_eq!(told(-5), "just now");
        assert_eq!(told(59), "just now");
        assert_eq!(told(60), "1 minute ago");
        assert_eq!(told(3_599), "59 minutes ago");
        assert_eq!(told(3_600), "1 hour ago");
        assert_eq!(told(86_399), "23 hours ago");
        assert_eq!(told(86_400), "1 day ago");
        assert_eq!(told(604_799), "6 days ago");
        assert_eq!(told(604_800), "23 February 2026");
    }

    #[test]
    fn headings_begin_at_level_three_and_leave_none_out() {
        let levels = |text: &str| {
            let html = markdown(text);
            let starts = html.split("<h").skip(1);
            starts.map(|rest| rest[..1].to_owned()).collect::<String>()
        };
        assert_eq!(levels("## A\n\n## B\n\n### C\n\n# D"), "3343");
        assert_eq!(levels("# A\n\n#### B\n\n### C\n\n## D"), "3444");
        assert_eq!(levels("# A\n## B\n### C\n#### D\n##### E"), "34566");
    }

    #[test]
    fn plain_text_keeps_paragraphs_and_line_breaks_and_escapes() {
        assert_eq!(plain("a\nb\n\n<c>"), "<p>a<br>b</p>\n\n<p>&lt;c&gt;</p>");
    }

    #[test]
    fn sizes_and_spans_read_as_people_say_them() {
        assert_eq!(size_limit(10 << 30), "10 GB");
        assert_eq!(size_limit(50 << 20), "52 MB");
        assert_eq!(size_limit(1_950_000), "1.9 MB");
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(1), "1 byte");
        assert_eq!(size(-1), "0 bytes");
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(999_499), "999 kB");
        assert_eq!(size(999_500), "1.0 MB");
        assert_eq!(size(9_960_000), "10 MB");
        assert_eq!(size(310_000), "310 kB");
        assert_eq!(size(1_900_000_000), "1.9 GB");
        assert_eq!(span(39.6), "40 s");
        assert_eq!(span(11_400.0), "3 h 10 min");
        assert_eq!(timecode(402.0), "6:42");
        assert_eq!(timecode(f64::NAN), "0:00");
    }

    #[test]
    fn places_in_line_have_their_endings() {
        let words: Vec<String> = [1, 2, 3, 4, 11, 12, 13, 21, 112].map(ordinal).to_vec();
        assert_eq!(
            words,
            [
                "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"
            ]
        );
    }

    #[test]
    fn a_summary_is_the_first_paragraph_cut_between_words() {
        assert_eq!(
            summary("# T\n\nOne *two* three four five\n\nsix", 12),
            "One two…"
        );
        assert_eq!(summary("One *two* three four five\n\nsix", 12), "One two…");
    }
}
