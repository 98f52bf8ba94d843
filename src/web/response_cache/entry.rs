//! What lies in the cache: an answer in one form, or the word that there are several at its address.
//!
//! A head in JSON, and after it the body as it goes out; a hit hands on a part of the stored bytes and copies
//! nothing. What is left out of the head belongs to each answer by itself: date, request id, security headers.

use super::key::Selects;
use super::variants::Encoding;
use crate::web::tags::Seen;
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, ETAG, HeaderName, TRANSFER_ENCODING, VARY,
};
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut as _, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// At the beginning of an answer. Another form of entries gets other letters.
const PAGE: [u8; 4] = *b"LyA1";
/// At the beginning of the word that there are several.
const SEVERAL: [u8; 4] = *b"LyS1";
/// Letters, and the length of the head.
const PREAMBLE_BYTES: usize = 8;

/// Headers that belong to each answer by itself, or are made anew from the head.
const OWN: [HeaderName; 6] = [
    CONNECTION,
    CONTENT_LENGTH,
    DATE,
    ETAG,
    TRANSFER_ENCODING,
    VARY,
];

/// A kept answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub head: Head,
    pub body: Bytes,
}

/// What is known of a kept answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    /// In which form the body is.
    pub encoding: Encoding,
    /// The strong validator, without quotation marks; another one for each form (RFC 9110, section 8.8.3.3).
    pub tag: String,
    /// The versions of what it rests on.
    pub seen: Seen,
    /// From when on it is no longer right, in milliseconds since 1970.
    pub until: Option<i64>,
    /// Whether its page plays films in pieces.
    pub has_player: bool,
    /// The whole value of `Vary`.
    pub vary: String,
    headers: Vec<(String, String)>,
}

/// What was stored under a name, in its two parts.
pub(super) struct Stored {
    /// With the letters and the length before it.
    pub head: Bytes,
    /// As it goes out; nothing where the head says that there are several answers.
    pub body: Bytes,
}

/// What a head says.
#[derive(Debug)]
pub(super) enum Kind {
    Answer(Head),
    Several(Selects),
}

impl Head {
    /// Of an answer with these headers; `encoding` and `tag` are for one form of it.
    pub fn new(headers: &HeaderMap, seen: Seen, until: Option<i64>) -> Self {
        let kept = headers.iter().filter(|(name, _)| !OWN.contains(name));
        Self {
            encoding: Encoding::Identity,
            tag: String::new(),
            seen,
            until,
            has_player: false,
            vary: String::new(),
            headers: kept
                .filter_map(|(name, value)| {
                    Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
                })
                .collect(),
        }
    }

    /// The same answer in one of its forms.
    pub fn in_form(&self, encoding: Encoding, body_tag: &str) -> Self {
        let tag = match encoding {
            Encoding::Identity => body_tag.to_owned(),
            other => format!("{body_tag}-{}", other.short()),
        };
        Self {
            encoding,
            tag,
            ..self.clone()
        }
    }

    /// Its headers, ready to be sent.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(16);
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value),
            ) {
                headers.append(name, value);
            }
        }
        headers
    }
}

/// A validator for a body.
pub(super) fn tag_of(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    URL_SAFE_NO_PAD.encode(digest.get(..16).unwrap_or_default())
}

impl Entry {
    /// As it is stored.
    pub fn encode(&self) -> Option<Bytes> {
        write(PAGE, &self.head, &self.body)
    }
}

impl Stored {
    /// The parts of what was stored; `None` when it was cut off.
    pub fn split(stored: &Bytes) -> Option<Self> {
        let (_, rest) = stored.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        if length > rest.len() {
            return None;
        }
        let end = PREAMBLE_BYTES + length;
        Some(Self {
            head: stored.slice(..end),
            body: stored.slice(end..),
        })
    }
}

/// Reads the head of what was stored; `None` when it is of another release.
pub(super) fn decode(head: &[u8]) -> Option<Kind> {
    let (letters, rest) = head.split_first_chunk::<4>()?;
    let text = rest.get(PREAMBLE_BYTES - 4..)?;
    match *letters {
        PAGE => read(text).map(Kind::Answer),
        SEVERAL => read(text).map(Kind::Several),
        _ => None,
    }
}

/// The word that there are several answers at an address, as it is stored.
pub(super) fn encode_several(selects: &Selects) -> Option<Bytes> {
    write(SEVERAL, selects, &[])
}

fn write(letters: [u8; 4], head: &impl Serialize, body: &[u8]) -> Option<Bytes> {
    let head = serde_json::to_vec(head).ok()?;
    let length = u32::try_from(head.len()).ok()?;
    let mut stored = BytesMut::with_capacity(PREAMBLE_BYTES + head.len() + body.len());
    stored.put_slice(&letters);
    stored.put_u32(length);
    stored.put_slice(&head);
    stored.put_slice(body);
    Some(stored.freeze())
}

fn read<T: DeserializeOwned>(head: &[u8]) -> Option<T> {
    serde_json::from_slice(head).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(body: Vec<u8>) -> Entry {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/html"));
        headers.insert("date", HeaderValue::from_static("today"));
        headers.append("link", HeaderValue::from_static("<\"a\">; b"));
        headers.append("link", HeaderValue::from_static("<c>"));
        Entry {
            head: Head::new(&headers, Seen::default(), Some(7)).in_form(Encoding::Gzip, "x"),
            body: body.into(),
        }
    }

    fn found(stored: &Bytes) -> Option<(Head, Bytes)> {
        let Stored { head, body } = Stored::split(stored)?;
        match decode(&head)? {
            Kind::Answer(head) => Some((head, body)),
            Kind::Several(_) => None,
        }
    }

    #[test]
    fn an_answer_keeps_its_headers_but_not_those_of_one_request() {
        let stored = entry(b"body".to_vec()).encode().unwrap();
        let (head, body) = found(&stored).unwrap();
        let headers = head.headers();
        assert_eq!(headers.get_all("link").iter().count(), 2);
        assert_eq!(headers["content-type"], "text/html");
        assert!(!headers.contains_key("date"));
        assert_eq!(head.tag, "x-gz");
        // The body is a part of what was stored, not a copy of it.
        let range = stored.as_ptr_range();
        assert!(range.contains(&body.as_ptr()));
    }

    proptest! {
        #[test]
        fn what_was_stored_is_read_back(body: Vec<u8>) {
            let entry = entry(body);
            let found = found(&entry.encode().unwrap());
            prop_assert_eq!(found, Some((entry.head, entry.body)));
        }

        #[test]
        fn nothing_that_others_put_there_breaks_the_reading(stored: Vec<u8>, cut in 0_usize..200) {
            let _ = found(&Bytes::from(stored));
            let whole = entry(b"body".to_vec()).encode().unwrap();
            if cut < whole.len() - 4 {
                prop_assert_eq!(found(&whole.slice(..cut)), None);
            }
        }
    }
}
