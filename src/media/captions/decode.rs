//! Bytes as text: UTF-8, and UTF-16 where a byte order mark says so.

use super::{CaptionFault, fault};

/// The text without its byte order mark, with line feeds alone and no NUL characters.
///
/// # Errors
/// The first line that is no text, and what to do.
pub fn text(bytes: &[u8]) -> Result<String, CaptionFault> {
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest)?,
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        other => utf8(other)?,
    };
    // WebVTT, section 6.1: NUL becomes U+FFFD.
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    Ok(lines.replace('\0', "\u{FFFD}"))
}

fn utf8(bytes: &[u8]) -> Result<String, CaptionFault> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let text = String::from_utf8_lossy(before)
                .replace("\r\n", "\n")
                .replace('\r', "\n");
            let line = text.matches('\n').count() + 1;
            fault(
                Some(line),
                "a character here is not stored as UTF-8. Open the file in a text editor, choose \
                 Save as with the encoding UTF-8, and send it again.",
            )
        })
}

fn utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> Result<String, CaptionFault> {
    let pairs = bytes.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty();
    let units = pairs.filter_map(|pair| <[u8; 2]>::try_from(pair).ok().map(read));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if is_whole => Ok(text),
        _ => Err(fault(
            None,
            "This file begins like UTF-16 and is none. Save it with the encoding UTF-8 and send it again.",
        )),
    }
}
