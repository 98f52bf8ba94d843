//! From a kept answer to the one that goes out: validators, 304, HEAD, and what belongs to each answer by itself.

use super::heads::Ready;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;

/// What an answer from the cache needs to know of its request.
pub(super) struct Wish {
    is_head: bool,
    /// The values of `If-None-Match`.
    held: Vec<HeaderValue>,
}

impl Wish {
    pub fn of(request: &Request) -> Self {
        let held = request.headers().get_all(IF_NONE_MATCH);
        Self {
            is_head: request.method() == Method::HEAD,
            held: held.iter().cloned().collect(),
        }
    }

    pub fn is_head(&self) -> bool {
        self.is_head
    }

    /// The kept answer, or 304 for those who hold it already.
    pub fn answer(&self, ready: &Ready, body: Bytes) -> Response {
        let mut headers = ready.headers.clone();
        let is_held = self
            .held
            .iter()
            .any(|value| names(value.as_bytes(), &ready.head.tag));
        let mut response = if is_held {
            // Of the representation only what validates it (RFC 9110, section 15.4.5).
            headers.remove(CONTENT_TYPE);
            headers.remove(CONTENT_ENCODING);
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            Response::new(if self.is_head {
                Body::empty()
            } else {
                Body::from(body)
            })
        };
        *response.headers_mut() = headers;
        response
    }
}

/// Whether a list of entity tags names this one, by weak comparison (RFC 9110, sections 8.8.3.2 and 13.1.2).
fn names(list: &[u8], tag: &str) -> bool {
    let Ok(list) = std::str::from_utf8(list) else {
        return false;
    };
    list.split(',').map(str::trim).any(|held| {
        let opaque = held.strip_prefix("W/").unwrap_or(held);
        let inside = opaque
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        held == "*" || inside == Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_tag_is_found_in_any_list_and_only_whole() {
        for list in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*", " \"x\" ,W/\"a\""] {
            assert!(names(list.as_bytes(), "a"), "{list}");
        }
        for list in ["", "a", "\"ab\"", "\"a", "\"A\"", "w/\"a\"", "W/a", "\"\""] {
            assert!(!names(list.as_bytes(), "a"), "{list}");
        }
        assert!(!names(b"\"\xff\"", "a"));
    }
}
