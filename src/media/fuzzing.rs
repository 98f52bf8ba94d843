//! What must hold of the parsers here whatever they are given: for the fuzz targets in `fuzz/`, and for
//! the tests, which try it with random bytes and with what the fuzzers have found.

use super::captions::Captions;
use super::cloud::Notice;
use super::ranges::{self, Part};
use super::tus::headers::{self, Checksum, Concat, Metadata};
use super::{disposition, names};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use backends::sns::Message;

/// The headers of a resumable upload (tus 1.0). The first byte chooses one.
pub fn tus_headers(bytes: &[u8]) {
    const NAMES: [&str; 5] = [
        "upload-concat",
        "upload-checksum",
        "upload-length",
        "upload-defer-length",
        "upload-metadata",
    ];
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    let name = NAMES.get(usize::from(*choice) % NAMES.len());
    let (Some(name), Ok(value)) = (name, HeaderValue::from_bytes(rest)) else {
        return;
    };
    let mut sent = HeaderMap::new();
    sent.insert(HeaderName::from_static(name), value);
    let _ = headers::length(&sent);
    if let Ok(Some(Concat::Final(parts))) = headers::concat(&sent) {
        let are_names = parts
            .iter()
            .all(|part| !part.is_empty() && !part.contains('/'));
        assert!(!parts.is_empty() && are_names, "{parts:?}");
    }
    if let Ok(Some(mut checksum)) = Checksum::parse(&sent) {
        checksum.update(rest);
        checksum.holds();
    }
    if let Ok(Some(text)) = headers::text(&sent, "upload-metadata") {
        metadata(text);
    }
}

fn metadata(text: &str) {
    let Ok(read) = Metadata::parse(text) else {
        return;
    };
    assert_eq!(Metadata::parse(&read.raw).ok().as_ref(), Some(&read));
    for told in [&read.filename, &read.filetype, &read.title] {
        let told = told.as_deref();
        assert!(told.is_none_or(|told| !told.is_empty() && !told.contains('\0')));
    }
}

/// `Range`, `If-Range` and `If-None-Match` (RFC 9110): a part lies in its file. The first eight bytes are the
/// size of that.
pub fn range(bytes: &[u8]) {
    let Some((size, header)) = bytes.split_first_chunk::<8>() else {
        return;
    };
    let (size, header) = (u64::from_le_bytes(*size), String::from_utf8_lossy(header));
    if let Part::Bytes(range) = ranges::read(&header, size) {
        assert!(
            range.start < range.end && range.end <= size,
            "{range:?} of {size}"
        );
    }
    ranges::has_tag(&header, "\"0123\"");
}

/// The name of a file as it was sent, as it is kept, and as a download is called.
pub fn file_name(bytes: &[u8]) {
    let sent = String::from_utf8_lossy(bytes);
    let name = names::clean(&sent);
    let is_plain = |c: char| !c.is_control() && c != '/' && c != '\\';
    assert!(!name.is_empty() && name.chars().all(is_plain), "{name:?}");
    assert_eq!(names::clean(&name), name);
    for name in [&*name, &*sent] {
        let header = disposition::value("attachment", &disposition::name_of(name, "video.mp4"));
        assert!(HeaderValue::from_str(&header).is_ok(), "{header:?}");
        // Nothing of the name ends the quotes that it stands in.
        assert_eq!(header.matches('"').count(), 2, "{header}");
    }
}

/// A file of captions: read or refused with sentences; what is written of it is read as the same.
pub fn captions(bytes: &[u8]) {
    let captions = match Captions::read(bytes) {
        Ok(captions) => captions,
        Err(faults) => return assert!(!faults.is_empty()),
    };
    assert!(captions.cues().iter().all(|cue| cue.start_ms < cue.end_ms));
    let written = captions.to_webvtt();
    assert_eq!(
        Captions::read(written.as_bytes()).ok(),
        Some(captions),
        "{written}"
    );
}

/// What is posted to the hook of transcoders, before anybody believes it, and what it says of a job.
pub fn transcoder_notice(bytes: &[u8]) {
    let text = match Message::read(bytes) {
        Ok(message) => {
            let signed = message.signed_text();
            assert!(
                signed.contains(&message.text)
                    && signed.ends_with(&format!("{}\n", message.kind.name()))
            );
            // It ends in the log.
            assert!(
                message
                    .topic_arn
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic())
            );
            message.text
        }
        Err(words) => {
            assert!(!words.is_empty());
            String::from_utf8_lossy(bytes).into_owned()
        }
    };
    if let Ok(Some(notice)) = Notice::read(&text) {
        assert!((1..=100).contains(&notice.job_id.len()), "{notice:?}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Every parser with what the fuzzers have found for it.
    #[test]
    fn what_was_found_once_is_not_found_again() {
        for (name, check) in [
            ("tus_headers", super::tus_headers as fn(&[u8])),
            ("range", super::range),
            ("file_name", super::file_name),
            ("captions", super::captions),
            ("transcoder_notice", super::transcoder_notice),
        ] {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/kept/").to_owned() + name;
            for kept in std::fs::read_dir(&folder).expect("each target keeps something") {
                check(&std::fs::read(kept.unwrap().path()).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            json in "(\\{|\\}|:|,|\"(Type|Notification|MessageId|TopicArn|Message|state|jobId|detail|status)\"|[0-9]{1,3}){0,30}",
            text in "(bytes|final;/uploads/a|sha1 |partial|[-=, \"*W/0-9]{1,6}|\\PC){0,20}",
        ) {
            for bytes in [&bytes, text.as_bytes()] {
                super::tus_headers(bytes);
                super::range(bytes);
                super::file_name(bytes);
                super::captions(bytes);
                super::transcoder_notice(bytes);
            }
            super::transcoder_notice(json.as_bytes());
        }
    }
}
