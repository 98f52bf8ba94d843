//! Times of cues: `00:01:02.500`, and what SubRip files make of them.

use std::fmt;

/// The latest time that a cue may have.
const LATEST_MS: u64 = 100 * 3_600_000;

/// Milliseconds as WebVTT writes them, with hours.
pub struct Timestamp(pub u64);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ms) = (self.0 / 1000, self.0 % 1000);
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        write!(f, "{hours:02}:{minutes:02}:{:02}.{ms:03}", seconds % 60)
    }
}

/// Milliseconds of `[h:]m:s[.fff]`, with a comma as well as a point; `None` for what is no time, or
/// beyond a hundred hours.
pub fn read(text: &str) -> Option<u64> {
    let (clock, fraction) = match text.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, thousandths(fraction)?),
        None => (text, 0),
    };
    let mut parts = clock.rsplit(':').map(number);
    let seconds = parts.next()??;
    let minutes = parts.next()??;
    let hours = match parts.next() {
        Some(hours) => hours?,
        None => 0,
    };
    if parts.next().is_some() || seconds > 59 || minutes > 59 {
        return None;
    }
    let ms = ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction;
    (ms < LATEST_MS).then_some(ms)
}

/// One to four digits.
fn number(text: &str) -> Option<u64> {
    let is_plain = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

/// `5` is half a second; more than three digits are cut off.
fn thousandths(text: &str) -> Option<u64> {
    if !(1..=9).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{text:0<3}").get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Timestamp, read};

    #[test]
    fn times_are_read_as_subrip_and_webvtt_write_them() {
        for (text, ms) in [
            ("00:01:02.500", Some(62_500)),
            ("00:01:02,500", Some(62_500)),
            ("01:02.500", Some(62_500)),
            ("1:02", Some(62_000)),
            ("0:00:01,5", Some(1_500)),
            ("12:00:00.000", Some(43_200_000)),
            ("00:60:00.000", None),
            ("00:00:60.000", None),
            ("100:00:00.000", None),
            ("1.5", None),
            ("", None),
            (":", None),
            ("00:00:00:00.000", None),
            ("-1:00.000", None),
            ("00:01:0x.000", None),
            ("00:01:02.", None),
            ("٠٠:٠١", None),
        ] {
            assert_eq!(read(text), ms, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(ms in 0..super::LATEST_MS) {
            assert_eq!(read(&Timestamp(ms).to_string()), Some(ms));
        }
    }
}
