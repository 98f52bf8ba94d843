//! What is never looked for in a cache of answers, and what is never put there.

use super::marks::Marks;
use crate::web::sessions;
use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, COOKIE, HeaderName, IF_MATCH,
    IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, SET_COOKIE, TRANSFER_ENCODING, UPGRADE, VARY,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;

/// Larger answers are sent and not kept.
pub(super) const LARGEST_BYTES: u64 = 1 << 20;

/// Headers that ask for something else than the whole answer, or bring something along that a handler might look at.
const ODD: [HeaderName; 7] = [
    RANGE,
    IF_RANGE,
    IF_MATCH,
    IF_UNMODIFIED_SINCE,
    UPGRADE,
    TRANSFER_ENCODING,
    CONTENT_LENGTH,
];

/// Whether the answer to such a request may be kept at all.
pub(super) fn may_be_kept(request: &Request) -> bool {
    let headers = request.headers();
    matches!(*request.method(), Method::GET | Method::HEAD)
        && !ODD.iter().any(|name| headers.contains_key(name))
}

/// Whether nothing in a request tells who asks.
pub(super) fn is_anonymous(headers: &HeaderMap) -> bool {
    !headers.contains_key(AUTHORIZATION)
        && !headers
            .get_all(COOKIE)
            .iter()
            .any(|value| names_session(value.as_bytes()))
}

/// Whether the name of the session's cookie stands anywhere in it: rather once too often than once too seldom.
fn names_session(cookies: &[u8]) -> bool {
    let name = sessions::COOKIE.as_bytes();
    cookies
        .windows(name.len())
        .any(|part| part.eq_ignore_ascii_case(name))
}

/// Why an answer is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("its status is not 200")]
    Status,
    #[error("it sets a cookie")]
    Cookie,
    #[error("something of one person or browser went into it")]
    Personal,
    #[error("it says that caches keep it not, or not for others")]
    Control,
    #[error("it depends on more than the request tells")]
    VariesByAll,
    #[error("it is encoded already")]
    Encoded,
    #[error("it is large, or its size is not known")]
    Size,
}

/// Looks for a reason not to keep an answer for others.
pub(super) fn refusal(marks: &Marks, response: &Response) -> Option<Refusal> {
    let headers = response.headers();
    let size = response.body().size_hint().exact();
    if response.status() != StatusCode::OK {
        Some(Refusal::Status)
    } else if headers.contains_key(SET_COOKIE) {
        Some(Refusal::Cookie)
    } else if !marks.is_for_all() {
        Some(Refusal::Personal)
    } else if is_closed(headers) {
        Some(Refusal::Control)
    } else if varies_by(headers).any(|name| name == "*") {
        Some(Refusal::VariesByAll)
    } else if headers.contains_key(CONTENT_ENCODING) {
        Some(Refusal::Encoded)
    } else if size.is_none_or(|bytes| bytes > LARGEST_BYTES) {
        Some(Refusal::Size)
    } else {
        None
    }
}

/// `private` or `no-store`, with or without fields (RFC 9111, section 5.2.2).
fn is_closed(headers: &HeaderMap) -> bool {
    let directives = headers
        .get_all(CACHE_CONTROL)
        .iter()
        // What cannot be read may say anything.
        .flat_map(|value| value.to_str().unwrap_or("no-store").split(','));
    directives
        .filter_map(|directive| directive.split('=').next())
        .map(str::trim)
        .any(|name| name.eq_ignore_ascii_case("private") || name.eq_ignore_ascii_case("no-store"))
}

/// The names in `Vary`, in lower case; one that cannot be read counts as `*`.
pub(super) fn varies_by(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let values = headers.get_all(VARY).iter();
    values
        .flat_map(|value| value.to_str().unwrap_or("*").split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn asks(lines: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().uri("/");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_session_or_credentials_tell_who_asks() {
        for lines in [
            &[("cookie", "sessionid=abc")][..],
            &[("cookie", "theme=dark; sessionid=abc")],
            &[("cookie", "theme=dark"), ("cookie", "sessionid=abc")],
            &[("cookie", "theme=dark;\u{1F36A}=1;sessionid=abc")],
            &[("cookie", "SessionID=abc")],
            &[("authorization", "Token abc")],
        ] {
            assert!(!is_anonymous(asks(lines).headers()), "{lines:?}");
        }
        for lines in [&[][..], &[("cookie", "csrftoken=abc; theme=dark")]] {
            assert!(is_anonymous(asks(lines).headers()), "{lines:?}");
        }
    }

    #[test]
    fn only_plain_questions_for_the_whole_are_looked_for() {
        assert!(may_be_kept(&asks(&[("accept", "text/html")])));
        for line in [
            ("range", "bytes=0-1"),
            ("if-range", "\"a\""),
            ("if-match", "\"a\""),
            ("upgrade", "websocket"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
        ] {
            assert!(!may_be_kept(&asks(&[line])), "{line:?}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PURGE"] {
            let mut request = asks(&[]);
            *request.method_mut() = method.parse().unwrap();
            assert!(!may_be_kept(&request), "{method}");
        }
    }

    fn refused(marks: &Marks, change: impl FnOnce(&mut Response)) -> Option<Refusal> {
        let mut response = Response::new(Body::from("a page"));
        change(&mut response);
        refusal(marks, &response)
    }

    #[test]
    fn an_answer_with_anything_of_somebody_is_refused() {
        let header = |name: &'static str, value: &'static str| {
            refused(&Marks::new(true), |response| {
                response.headers_mut().append(name, value.parse().unwrap());
            })
        };
        assert_eq!(header("cache-control", "no-cache"), None);
        assert_eq!(header("vary", "Accept-Language, Cookie"), None);
        assert_eq!(header("set-cookie", "a=b"), Some(Refusal::Cookie));
        for value in [
            "private",
            "no-cache, No-Store",
            "max-age=5, private=\"x\"",
            "\u{e9}",
        ] {
            assert_eq!(
                header("cache-control", value),
                Some(Refusal::Control),
                "{value}"
            );
        }
        for value in ["*", "accept, *", "\u{e9}"] {
            assert_eq!(header("vary", value), Some(Refusal::VariesByAll), "{value}");
        }
        assert_eq!(header("content-encoding", "br"), Some(Refusal::Encoded));
        let status = |code: u16| {
            refused(&Marks::new(true), |response| {
                *response.status_mut() = StatusCode::from_u16(code).unwrap();
            })
        };
        for code in [201, 204, 206, 301, 304, 404, 410, 500] {
            assert_eq!(status(code), Some(Refusal::Status), "{code}");
        }
    }

    #[test]
    fn what_was_read_of_a_person_closes_an_answer() {
        let marks = |is_anonymous, read: bool, personal: bool| {
            let marks = Marks::new(is_anonymous);
            if read {
                marks.read_session();
            }
            if personal {
                marks.is_personal();
            }
            refused(&marks, |_| ())
        };
        assert_eq!(marks(true, false, false), None);
        assert_eq!(
            marks(true, true, false),
            None,
            "there was no session to read"
        );
        assert_eq!(marks(false, false, false), None, "the same for everybody");
        assert_eq!(marks(false, true, false), Some(Refusal::Personal));
        assert_eq!(marks(true, false, true), Some(Refusal::Personal));
    }

    #[test]
    fn what_is_large_or_streamed_is_refused() {
        let sized = |bytes: usize| {
            refused(&Marks::new(true), |response| {
                *response.body_mut() = Body::from(vec![b'a'; bytes]);
            })
        };
        assert_eq!(sized(1 << 20), None);
        assert_eq!(sized((1 << 20) + 1), Some(Refusal::Size));
        let streamed = refused(&Marks::new(true), |response| {
            let parts = futures::stream::iter([Ok::<_, std::io::Error>("a")]);
            *response.body_mut() = Body::from_stream(parts);
        });
        assert_eq!(streamed, Some(Refusal::Size));
    }
}
