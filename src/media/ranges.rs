//! Parts of a file (RFC 9110, section 14) and when they apply.

use std::ops::Range;

/// What of a file is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it: no range was asked for, or one that is not understood (RFC 9110, section 14.2).
    Whole,
    /// These bytes, never empty.
    Bytes(Range<u64>),
    /// Nothing of what was asked for is in the file: 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `size` bytes. Several ranges at once are answered with the whole
/// file, which every client understands.
pub fn read(header: &str, size: u64) -> Part {
    let Some((unit, set)) = header.split_once('=') else {
        return Part::Whole;
    };
    let Some((first, last)) = set.trim().split_once('-') else {
        return Part::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Part::Whole;
    }
    match (first.trim(), last.trim()) {
        ("", "") => Part::Whole,
        ("", suffix) => number(suffix).map_or(Part::Whole, |length| from_end(length, size)),
        (first, "") => number(first).map_or(Part::Whole, |first| between(first, u64::MAX, size)),
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => between(first, last, size),
            _ => Part::Whole,
        },
    }
}

/// Digits only; what is larger than any file counts as the largest number.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

fn between(first: u64, last: u64, size: u64) -> Part {
    if first < size {
        Part::Bytes(first..last.saturating_add(1).min(size))
    } else {
        Part::Unsatisfiable
    }
}

fn from_end(length: u64, size: u64) -> Part {
    match (length, size) {
        (0, _) => Part::Unsatisfiable,
        (_, 0) => Part::Whole,
        _ => Part::Bytes(size.saturating_sub(length)..size),
    }
}

/// Whether a list of entity tags, as in `If-None-Match`, holds this strong one or its weak form
/// (RFC 9110, section 13.1.2).
pub fn has_tag(list: &str, tag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|listed| listed == "*" || listed.strip_prefix("W/").unwrap_or(listed) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (header, expected) in [
            ("bytes=0-0", Part::Bytes(0..1)),
            ("bytes=0-499", Part::Bytes(0..100)),
            ("Bytes = 10-19", Part::Bytes(10..20)),
            ("bytes=90-", Part::Bytes(90..100)),
            ("bytes=-10", Part::Bytes(90..100)),
            ("bytes=-1000", Part::Bytes(0..100)),
            ("bytes=0-99999999999999999999999", Part::Bytes(0..100)),
            ("bytes=100-", Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=20-10", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=1", Part::Whole),
            ("lines=1-2", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(read(header, 100), expected, "{header}");
        }
        assert_eq!(read("bytes=-5", 0), Part::Whole);
        assert_eq!(read("bytes=0-", 0), Part::Unsatisfiable);
    }

    #[test]
    fn tags_are_compared_weakly_where_nothing_is_put_together() {
        assert!(has_tag("\"a\", W/\"b\"", "\"b\""));
        assert!(has_tag("*", "\"b\""));
        assert!(!has_tag("\"a\"", "\"b\""));
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_lies_in_the_file(header in "(bytes)?=? ?[0-9,-]{0,24}", size in 0_u64..1000) {
            if let Part::Bytes(range) = read(&header, size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
