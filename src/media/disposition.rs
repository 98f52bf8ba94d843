//! The name under which a browser keeps a file.

use super::names;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but `attr-char` (RFC 8187, section 3.2.1).
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// A `Content-Disposition` value (RFC 6266): `inline` or `attachment`, with the name for old and new clients.
pub fn value(kind: &str, name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '%' | '/' => '_',
            ' '..='~' => c,
            _ => '_',
        })
        .collect();
    let encoded = utf8_percent_encode(name, NOT_ATTR_CHAR);
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

/// The name of a rendition: that of the upload, with the ending of what it is.
pub fn name_of(upload: &str, rendition: &str) -> String {
    match names::ending(rendition) {
        Some(ending) => format!("{}.{ending}", names::stem(upload)),
        None => upload.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_to_old_and_new_browsers() {
        assert_eq!(
            value("attachment", "Übung 1 \"neu\".mp3"),
            "attachment; filename=\"_bung 1 _neu_.mp3\"; filename*=UTF-8''%C3%9Cbung%201%20%22neu%22.mp3"
        );
    }

    #[test]
    fn a_rendition_is_named_for_its_upload() {
        assert_eq!(name_of("bow hold.mov", "video.mp4"), "bow hold.mp4");
        assert_eq!(
            name_of("bow hold.mov", super::super::ORIGINAL),
            "bow hold.mov"
        );
    }
}
