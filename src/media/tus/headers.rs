//! What tus 1.0 says in headers, read and judged. Pure: it knows no upload.

use super::finish::Place;
use crate::error::{Error, Result};
use crate::media::Batch;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

/// Longest title, in characters; as the forms of contents take it.
const TITLE_MAX: usize = 250;

fn bad(words: impl Into<String>) -> Error {
    Error::BadRequest(words.into())
}

/// The one value of a header.
///
/// # Errors
/// [`Error::BadRequest`] when it is there twice or is no text.
pub fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(bad(format!("The header {name} may be sent once.")));
    }
    let value = value
        .to_str()
        .map_err(|_| bad(format!("The header {name} takes ASCII characters only.")))?;
    Ok(Some(value.trim()))
}

/// A number of bytes: a non-negative integer (tus 1.0, "Upload-Offset", "Upload-Length").
///
/// # Errors
/// [`Error::BadRequest`] for anything else, or what no file can have.
pub fn bytes(headers: &HeaderMap, name: &str) -> Result<Option<u64>> {
    let Some(value) = text(headers, name)? else {
        return Ok(None);
    };
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse::<u64>().ok().filter(|_| is_number);
    match number.filter(|number| i64::try_from(*number).is_ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(bad(format!(
            "{name} is a whole number of bytes, 0 or more."
        ))),
    }
}

/// What is announced of a file's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many bytes.
    Known(u64),
    /// To be told by a later request (creation-defer-length).
    Deferred,
}

/// `Upload-Length` or `Upload-Defer-Length: 1`; `None` when neither is there.
pub fn length(headers: &HeaderMap) -> Result<Option<Length>> {
    let known = bytes(headers, "Upload-Length")?;
    match (known, text(headers, "Upload-Defer-Length")?) {
        (None, None) => Ok(None),
        (Some(known), None) => Ok(Some(Length::Known(known))),
        (None, Some("1")) => Ok(Some(Length::Deferred)),
        (None, Some(_)) => Err(bad("Upload-Defer-Length is 1, or left out.")),
        (Some(_), Some(_)) => Err(bad(
            "Send either Upload-Length or Upload-Defer-Length, not both.",
        )),
    }
}

/// What an upload is in a concatenation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concat {
    /// A part.
    Partial,
    /// The whole, put together from these uploads.
    Final(Vec<String>),
}

/// `Upload-Concat`: `partial`, or `final;` and the addresses of the parts, absolute or relative.
pub fn concat(headers: &HeaderMap) -> Result<Option<Concat>> {
    match text(headers, "Upload-Concat")? {
        None => Ok(None),
        Some("partial") => Ok(Some(Concat::Partial)),
        Some(value) => {
            let parts = parts(value);
            if parts.is_empty() || parts.iter().any(String::is_empty) {
                return Err(bad(
                    "Upload-Concat is partial, or final; and the addresses of the parts, parted by blanks.",
                ));
            }
            Ok(Some(Concat::Final(parts)))
        }
    }
}

/// The uploads that `final;` and their addresses name, by the last part of each; none for other values. An
/// address that is none of ours becomes empty.
pub fn parts(concat: &str) -> Vec<String> {
    let list = concat.strip_prefix("final;").unwrap_or_default();
    let name = |address: &str| match address.rsplit_once('/') {
        Some((folder, name)) if folder.ends_with("/uploads") => name.to_owned(),
        _ => String::new(),
    };
    list.split_ascii_whitespace().map(name).collect()
}

/// `Upload-Metadata`, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// As it was sent; told again by HEAD.
    pub raw: String,
    /// The file's name on the sender's machine.
    pub filename: Option<String>,
    /// The type that the sender takes it for.
    pub filetype: Option<String>,
    /// What the content shall be called.
    pub title: Option<String>,
    /// What it becomes when it is whole; nothing: it waits in its owner's library.
    pub place: Option<Place>,
    /// The files that are sent together with it.
    pub batch: Option<Batch>,
}

impl Metadata {
    /// Reads `key base64,key base64`; a value may be left out. Keys that are not known are kept in `raw`.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for what cannot be read, keys that come twice, and values that do not fit.
    pub fn parse(raw: &str) -> Result<Self> {
        let mut metadata = Self {
            raw: raw.trim().to_owned(),
            ..Self::default()
        };
        let mut seen: Vec<&str> = Vec::new();
        let mut batch = (String::new(), String::new());
        for pair in raw.split(',').map(str::trim) {
            if pair.is_empty() && raw.trim().is_empty() {
                break;
            }
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            if key.is_empty() || seen.contains(&key) {
                return Err(bad(
                    "Upload-Metadata has keys, each once, with values in Base64, parted by commas.",
                ));
            }
            seen.push(key);
            match metadata.take(key, value.trim())? {
                Some(text) if key == "batch" => batch.0 = text,
                Some(text) => batch.1 = text,
                None => {}
            }
        }
        metadata.batch = Batch::parse(&batch.0, &batch.1)?;
        let names_both = seen.contains(&"module") && seen.contains(&"content");
        if names_both {
            return Err(bad(
                "Upload-Metadata names a module or a content, not both.",
            ));
        }
        Ok(metadata)
    }

    /// Takes one pair; answers its value where that is not judged alone.
    fn take(&mut self, key: &str, value: &str) -> Result<Option<String>> {
        let decoded = STANDARD.decode(value).map_err(|_| {
            bad(format!(
                "The value of {key} in Upload-Metadata is no Base64."
            ))
        })?;
        if !matches!(
            key,
            "filename" | "filetype" | "title" | "module" | "content" | "batch" | "batch_files"
        ) {
            return Ok(None);
        }
        let text = String::from_utf8(decoded)
            .ok()
            .filter(|text| !text.contains('\0'))
            .ok_or_else(|| {
                bad(format!(
                    "The value of {key} in Upload-Metadata is no UTF-8 text."
                ))
            })?;
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        match key {
            "batch" | "batch_files" => return Ok(Some(text.to_owned())),
            "filename" => self.filename = Some(text.to_owned()),
            "filetype" => self.filetype = Some(text.to_ascii_lowercase()),
            "title" => self.title = Some(judged_title(text)?),
            "content" => self.place = Some(Place::Content(number(key, text)?)),
            _ => self.place = Some(Place::Module(number(key, text)?)),
        }
        Ok(None)
    }
}

/// The number of a module or content.
fn number(key: &str, text: &str) -> Result<i64> {
    let id = text.parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| {
        bad(format!(
            "{key} in Upload-Metadata is the number of one of your {key}s."
        ))
    })
}

fn judged_title(title: &str) -> Result<String> {
    if title.chars().count() > TITLE_MAX || title.contains(char::is_control) {
        return Err(bad(format!(
            "A title is one line of at most {TITLE_MAX} characters."
        )));
    }
    Ok(title.to_owned())
}

/// What the bytes of one request must sum up to (tus 1.0, "Checksum").
pub struct Checksum {
    hasher: Hasher,
    expected: Vec<u8>,
}

enum Hasher {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

/// What `Tus-Checksum-Algorithm` names.
pub const ALGORITHMS: &str = "sha1,sha256";

impl Checksum {
    /// `Upload-Checksum: <algorithm> <base64>`.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for an algorithm that is not known and what is no checksum of its length.
    pub fn parse(headers: &HeaderMap) -> Result<Option<Self>> {
        let Some(value) = text(headers, "Upload-Checksum")? else {
            return Ok(None);
        };
        let (algorithm, sum) = value.split_once(' ').unwrap_or((value, ""));
        let (hasher, length) = match algorithm {
            "sha1" => (Hasher::Sha1(sha1::Sha1::new()), 20),
            "sha256" => (Hasher::Sha256(sha2::Sha256::new()), 32),
            _ => {
                return Err(bad(format!(
                    "This checksum is not known here; these are: {ALGORITHMS}."
                )));
            }
        };
        let expected = STANDARD.decode(sum.trim()).unwrap_or_default();
        if expected.len() != length {
            return Err(bad(
                "Upload-Checksum is an algorithm, a blank, and its sum in Base64.",
            ));
        }
        Ok(Some(Self { hasher, expected }))
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// Whether they are what the sender meant.
    pub fn holds(self) -> bool {
        let found = match self.hasher {
            Hasher::Sha1(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha256(hasher) => hasher.finalize().to_vec(),
        };
        found == self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_number_of_bytes_is_digits_and_no_more_than_a_file_can_have() {
        let read = |value| bytes(&headers(&[("upload-offset", value)]), "Upload-Offset");
        assert_eq!(read("0").unwrap(), Some(0));
        assert_eq!(read("9223372036854775807").unwrap(), Some(i64::MAX as u64));
        for wrong in ["", "-1", "+1", "1.0", "0x1", "9223372036854775808", "1 2"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let twice = headers(&[("upload-offset", "1"), ("upload-offset", "2")]);
        assert!(bytes(&twice, "Upload-Offset").is_err());
    }

    #[test]
    fn a_length_is_known_or_deferred_but_not_both() {
        let read = |pairs: &[_]| length(&headers(pairs));
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(
            read(&[("upload-length", "5")]).unwrap(),
            Some(Length::Known(5))
        );
        assert_eq!(
            read(&[("upload-defer-length", "1")]).unwrap(),
            Some(Length::Deferred)
        );
        assert!(read(&[("upload-defer-length", "2")]).is_err());
        assert!(read(&[("upload-length", "5"), ("upload-defer-length", "1")]).is_err());
    }

    #[test]
    fn metadata_is_read_and_what_is_not_known_is_let_be() {
        let read = Metadata::parse("filename YS5tcDQ=,other w7w=,is_new,module Nw==").unwrap();
        assert_eq!(read.filename.as_deref(), Some("a.mp4"));
        assert_eq!(read.place, Some(Place::Module(7)));
        let read = Metadata::parse("content Nw==").unwrap();
        assert_eq!(read.place, Some(Place::Content(7)));
        assert_eq!(Metadata::parse("").unwrap(), Metadata::default());
        for wrong in [
            "filename YS5tcDQ=,filename YS5tcDQ=",
            "filename !",
            "filename /w==",
            "module YQ==",
            "module LTE=",
            "content LTE=",
            "module Nw==,content Nw==",
            ",",
            "filename YQ==,",
        ] {
            assert!(Metadata::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parts_are_named_by_whole_or_relative_addresses_of_ours() {
        let read = |value: &str| concat(&headers(&[("upload-concat", value)]));
        let of = |names: &[&str]| {
            Some(Concat::Final(
                names.iter().map(|name| (*name).to_owned()).collect(),
            ))
        };
        assert_eq!(read("partial").unwrap(), Some(Concat::Partial));
        assert_eq!(
            read("final;/uploads/a https://x/uploads/b").unwrap(),
            of(&["a", "b"])
        );
        for wrong in ["", "final", "final;", "final;/files/a", "whole", "final;a"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_checksum_holds_for_its_bytes_only() {
        let of = |value: &str| Checksum::parse(&headers(&[("upload-checksum", value)]));
        // The example of tus 1.0, "Checksum".
        let mut sum = of("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").unwrap().unwrap();
        sum.update(b"hello ");
        sum.update(b"world");
        assert!(sum.holds());
        let mut sum = of("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").unwrap().unwrap();
        sum.update(b"hello");
        assert!(!sum.holds());
        for wrong in [
            "md5 AAAA",
            "sha1",
            "sha1 AAAA",
            "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_or_refused(text in "[ -~]{0,80}") {
            let _ = Metadata::parse(&text);
            for name in ["upload-concat", "upload-checksum", "upload-length", "upload-defer-length"] {
                let headers = headers(&[(name, &text)]);
                let _ = (concat(&headers), Checksum::parse(&headers), length(&headers));
            }
        }

        #[test]
        fn a_name_comes_back_as_it_was_given(name in "[^\\x00-\\x20]{1,40}") {
            let raw = format!("filename {}", STANDARD.encode(&name));
            let read = Metadata::parse(&raw).unwrap();
            prop_assert_eq!(read.filename.as_deref(), Some(name.trim()).filter(|name| !name.is_empty()));
        }
    }
}
