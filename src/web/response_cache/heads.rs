//! Heads of kept answers as they were read, so that a hit reads and builds nothing that the last one built already.
//!
//! A head is found by where its bytes lie, which memory tells for nothing, and is taken only if the bytes are the
//! same: another cache than memory hands out new ones each time, and then the head is read each time. What is held
//! here are heads alone, never a body, and so many of them at most.

use super::entry::{self, Head, Kind, Stored};
use super::key::Selects;
use crate::web::headers::Security;
use axum::http::header::{CONTENT_ENCODING, ETAG, HeaderName, VARY};
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use std::sync::{Arc, PoisonError, RwLock};

/// A power of two: a head with its headers is some 3 kB, so that all of them are 3 MB.
const PLACES: usize = 1 << 10;

/// What is found under a name.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// An answer.
    Answer(Arc<Ready>),
    /// The word that there are several, and what tells them apart.
    Several(Arc<Selects>),
}

/// The head of an answer with all headers that do not belong to one request.
#[derive(Debug)]
pub(super) struct Ready {
    pub head: Head,
    pub headers: HeaderMap,
}

/// Heads that were read lately.
pub(super) struct Heads {
    places: Box<[RwLock<Option<Known>>]>,
    security: Security,
}

struct Known {
    /// A copy, so that the body beside the original goes when the cache lets go of it.
    stored: Box<[u8]>,
    found: Found,
}

impl Ready {
    pub fn new(head: Head, security: &Security) -> Self {
        let mut headers = head.headers();
        let put = |headers: &mut HeaderMap, name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        put(&mut headers, ETAG, &format!("\"{}\"", head.tag));
        put(&mut headers, VARY, &head.vary);
        if let Some(name) = head.encoding.name() {
            put(&mut headers, CONTENT_ENCODING, name);
        }
        security.put(&mut headers, head.has_player);
        Self { head, headers }
    }
}

impl Heads {
    /// `security`: what is put on answers that do not bring their own.
    pub fn new(security: Security) -> Self {
        Self {
            places: (0..PLACES).map(|_| RwLock::default()).collect(),
            security,
        }
    }

    /// The headers that every answer has.
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// Reads what was stored, and hands on the body, which is a part of it. `None` when it is of another release, or
    /// was cut off.
    pub fn read(&self, stored: &Bytes) -> Option<(Found, Bytes)> {
        let Stored { head, body } = Stored::split(stored)?;
        let place = self.places.get(place_of(&head))?;
        {
            let known = place.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = known.as_ref().filter(|known| *known.stored == *head) {
                return Some((known.found.clone(), body));
            }
        }
        let found = match entry::decode(&head)? {
            Kind::Answer(head) => Found::Answer(Arc::new(Ready::new(head, &self.security))),
            Kind::Several(selects) => Found::Several(Arc::new(selects)),
        };
        *place.write().unwrap_or_else(PoisonError::into_inner) = Some(Known {
            stored: head.to_vec().into(),
            found: found.clone(),
        });
        Some((found, body))
    }
}

/// What lies at the same address is asked for again; whether it is the same is seen by its bytes.
fn place_of(head: &Bytes) -> usize {
    let address = head.as_ptr().addr();
    // Allocations begin at multiples of 16, and those of one size at multiples of that (Fibonacci hashing; Knuth, volume 3, 6.4).
    let mixed = (address >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) & (PLACES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::response_cache::entry::Entry;
    use crate::web::response_cache::variants::Encoding;
    use crate::web::tags::Seen;

    fn stored(title: &'static str, body: &'static [u8]) -> Bytes {
        let mut headers = HeaderMap::new();
        headers.insert("x-title", HeaderValue::from_static(title));
        let head = Head::new(&headers, Seen::default(), None).in_form(Encoding::Gzip, title);
        let body = Bytes::from_static(body);
        Entry { head, body }.encode().unwrap()
    }

    fn read(heads: &Heads, stored: &Bytes) -> (Arc<Ready>, Bytes) {
        match heads.read(stored) {
            Some((Found::Answer(ready), body)) => (ready, body),
            found => panic!("{found:?}"),
        }
    }

    #[test]
    fn a_head_is_built_once_and_never_taken_for_another() {
        let heads = Heads::new(Security::of(None, false));
        let one = stored("one", b"body");
        let (first, body) = read(&heads, &one);
        assert_eq!(first.headers["x-title"], "one");
        assert_eq!(first.headers["etag"], "\"one-gz\"");
        assert_eq!(first.headers["content-encoding"], "gzip");
        assert_eq!(body, "body");
        drop(body);
        assert!(Arc::ptr_eq(&first, &read(&heads, &one).0));
        // The bytes of another answer may come to lie where those of the first lay.
        let mut bytes = one.try_into_mut().unwrap();
        let other = stored("two", b"body");
        assert_eq!(bytes.len(), other.len());
        bytes.copy_from_slice(&other);
        let (second, _) = read(&heads, &bytes.freeze());
        assert_eq!(second.headers["x-title"], "two");
    }
}
