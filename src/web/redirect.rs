//! Ways to somewhere else on this site, never off it.

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What a query value may not hold bare (WHATWG URL, query percent-encode set, and `&`, `+`, `%`).
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'&')
    .add(b'+')
    .add(b'%');

/// 303: the answer to a form is at `path`.
pub fn see_other(path: &str) -> Response {
    to(StatusCode::SEE_OTHER, path)
}

/// 302, as older clients expect of a log-in that is required.
pub fn found(path: &str) -> Response {
    to(StatusCode::FOUND, path)
}

/// 301: the page has moved for good.
pub fn moved(path: &str) -> Response {
    to(StatusCode::MOVED_PERMANENTLY, path)
}

fn to(status: StatusCode, path: &str) -> Response {
    // Controls and letters beyond ASCII are encoded, so that every path fits into the header.
    let path = utf8_percent_encode(path, CONTROLS).to_string();
    let location = HeaderValue::from_str(&path).unwrap_or(HeaderValue::from_static("/"));
    (status, [(LOCATION, location)]).into_response()
}

/// The path of the log-in form that leads back to `next`.
pub fn login_path(next: &str) -> String {
    with_next("/accounts/login/", next)
}

/// `path` with `next` after it, unless that is empty.
pub fn with_next(path: &str, next: &str) -> String {
    if next.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?next={}", utf8_percent_encode(next, QUERY))
    }
}

/// The path, when it stays on this site: it begins with one slash and holds nothing that a
/// browser could read as another host.
pub fn local(next: &str) -> Option<&str> {
    let is_path = next.starts_with('/') && !next.starts_with("//");
    let is_plain = !next.contains('\\') && next.chars().all(|c| !c.is_control());
    (is_path && is_plain && next.len() <= 2_000).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_fits_into_the_header_and_breaks_no_line() {
        let leads = |path| see_other(path).headers().get(LOCATION).cloned().unwrap();
        assert_eq!(leads("/course/é/?q=ü"), "/course/%C3%A9/?q=%C3%BC");
        assert_eq!(leads("/a\r\nSet-Cookie: x"), "/a%0D%0ASet-Cookie: x");
        assert_eq!(leads("/a%20b/"), "/a%20b/");
    }

    #[test]
    fn next_is_followed_only_on_this_site() {
        for good in ["/", "/course/x/?a=b", "/students/courses/"] {
            assert_eq!(local(good), Some(good));
        }
        for bad in [
            "//evil.example",
            "https://evil.example",
            "/\\evil",
            "javascript:alert(1)",
            "",
            "/\t/evil",
            "evil",
        ] {
            assert_eq!(local(bad), None, "{bad:?}");
        }
    }
}
