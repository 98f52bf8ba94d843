//! What of a stored value is shown, and how.
//!
//! Only key spaces that are known to hold nothing secret are shown ([`READABLE`]); what other parts of the site keep is
//! there or not there, and no more is said of it. Counts of wrong passwords, for example, would tell how many tries are
//! left.

use std::fmt::Write as _;

/// Key spaces whose values are shown: pages and parts of pages that everybody gets, and lines of captions.
pub const READABLE: [&str; 4] = ["fragment", "page", "transcript", "transcript-start"];

/// So many characters are shown of a text's beginning, and of its end.
const HEAD_CHARS: usize = 4_000;
const TAIL_CHARS: usize = 400;
/// So many bytes are shown of other values' beginnings, and of their ends.
const HEAD_BYTES: usize = 512;
const TAIL_BYTES: usize = 64;
/// Longer JSON is shown as it is stored.
const MOST_JSON_BYTES: usize = 256 * 1024;
/// Bytes a line of hexadecimal digits.
const LINE_BYTES: usize = 16;

/// A value as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// In which form.
    pub form: Form,
    /// Its beginning, or all of it.
    pub head: String,
    /// How much is left out, in words; empty when nothing is.
    pub left_out: String,
    /// Its end, where something is left out.
    pub tail: String,
}

/// Forms in which values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, set out.
    Json,
    /// Other text.
    Text,
    /// Bytes in hexadecimal digits.
    Hex,
}

impl Form {
    /// Its name.
    pub fn words(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Text => "Text",
            Self::Hex => "Hexadecimal",
        }
    }
}

/// The key space of a key: what stands in front of its first `:`.
pub fn space_of(key: &str) -> &str {
    key.split_once(':').map_or("", |(space, _)| space)
}

/// Whether the value under this key may be shown.
pub fn is_readable(key: &str) -> bool {
    READABLE.contains(&space_of(key))
}

/// A value, shortened.
pub fn show(value: &[u8]) -> Shown {
    let text = std::str::from_utf8(value)
        .ok()
        .filter(|text| is_plain(text));
    let Some(text) = text else {
        return show_hex(value);
    };
    match set_out(text) {
        Some(json) => show_text(Form::Json, &json),
        None => show_text(Form::Text, text),
    }
}

/// JSON, each value in lines of its own: some are stored behind what they rest on.
fn set_out(text: &str) -> Option<String> {
    if text.len() > MOST_JSON_BYTES {
        return None;
    }
    let values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    let lines = values.map(|value| serde_json::to_string_pretty(&value?));
    let lines: Vec<String> = lines.collect::<Result<_, _>>().ok()?;
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn is_plain(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

fn show_text(form: Form, text: &str) -> Shown {
    let all = text.chars().count();
    let left_out = all.saturating_sub(HEAD_CHARS + TAIL_CHARS);
    if left_out == 0 {
        return Shown {
            form,
            head: text.to_owned(),
            left_out: String::new(),
            tail: String::new(),
        };
    }
    Shown {
        form,
        head: text.chars().take(HEAD_CHARS).collect(),
        left_out: format!("{left_out} characters"),
        tail: text.chars().skip(all - TAIL_CHARS).collect(),
    }
}

fn show_hex(value: &[u8]) -> Shown {
    let left_out = value.len().saturating_sub(HEAD_BYTES + TAIL_BYTES);
    let (head, tail) = match left_out {
        0 => (value, None),
        _ => (
            value.get(..HEAD_BYTES).unwrap_or(value),
            value.get(value.len() - TAIL_BYTES..),
        ),
    };
    Shown {
        form: Form::Hex,
        head: hex(head, 0),
        left_out: match left_out {
            0 => String::new(),
            bytes => format!("{bytes} bytes"),
        },
        tail: tail.map_or_else(String::new, |tail| hex(tail, value.len() - TAIL_BYTES)),
    }
}

/// Lines of place, digits, and what of it is letters.
fn hex(bytes: &[u8], first: usize) -> String {
    let mut out = String::new();
    for (number, line) in bytes.chunks(LINE_BYTES).enumerate() {
        // Writing into a text does not fail.
        let _ = write!(out, "{:08x} ", first + number * LINE_BYTES);
        for byte in line {
            let _ = write!(out, " {byte:02x}");
        }
        out.push_str(&"   ".repeat(LINE_BYTES - line.len()));
        out.push_str("  ");
        for byte in line {
            let is_letter = byte.is_ascii_graphic() || *byte == b' ';
            out.push(if is_letter { char::from(*byte) } else { '.' });
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_is_set_out_and_bytes_are_digits() {
        let shown = show(br#"{"a":[1,2]}"#);
        assert_eq!(shown.form, Form::Json);
        assert!(shown.head.contains("\n  \"a\": [\n"), "{}", shown.head);
        let shown = show(b"LyA1\0\xff");
        assert_eq!(shown.form, Form::Hex);
        assert!(shown.head.starts_with("00000000  4c 79 41 31 00 ff "));
        assert!(shown.head.ends_with("LyA1..\n"));
        assert_eq!(show(b"[[1]]\n{}").form, Form::Json);
        assert_eq!(show(b"[[1]]\nand so on").form, Form::Text);
        assert_eq!(show(b"").form, Form::Text);
    }

    #[test]
    fn a_long_value_is_shortened_and_shown_with_its_end() {
        let text = format!("{}the end", "a".repeat(10_000));
        let shown = show(text.as_bytes());
        assert_eq!(shown.head.len(), HEAD_CHARS);
        assert_eq!(shown.left_out, "5607 characters");
        assert!(shown.tail.ends_with("the end"));
        let shown = show(&[0; 1_000]);
        assert_eq!(shown.left_out, "424 bytes");
        assert!(shown.tail.starts_with("000003a8 "));
    }

    #[test]
    fn what_limits_rest_on_is_not_readable() {
        for key in [
            "login-failures:x",
            "login-wait:x",
            "session:x",
            "media:1",
            "page",
            "",
            "pages:x",
        ] {
            assert!(!is_readable(key), "{key}");
        }
        assert!(is_readable("page:x") && is_readable("fragment:e:course:1::en"));
    }

    proptest! {
        #[test]
        fn any_value_is_shown_and_not_without_end(value in proptest::collection::vec(any::<u8>(), 0..6_000)) {
            let shown = show(&value);
            prop_assert!(shown.head.chars().count() + shown.tail.chars().count() < 10_000);
        }
    }
}
