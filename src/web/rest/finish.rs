//! The last steps of an answer: indentation, validators, conditions, headers.

use super::call::{Answer, Content, validator};
use super::negotiation::{Format, Wish};
use crate::error::{Error, Result};
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, LINK, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

/// Makes the answer that goes out.
///
/// # Errors
/// [`Error::PreconditionFailed`] when `If-Match` names another version.
pub fn finish(
    asked: &HeaderMap,
    wish: Wish,
    is_personal: bool,
    answer: Answer,
) -> Result<Response> {
    let mut response = match answer.body {
        Content::Stream(stream) => Response::new(Body::from_stream(stream)),
        Content::Whole(bytes, tag) => whole(asked, wish, bytes, tag)?,
    };
    if response.status() == StatusCode::OK {
        *response.status_mut() = answer.status;
        let mime = match wish.format {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Json | Format::Page => Format::Json.mime(),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(mime));
    }
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept, Cookie"));
    // Whoever holds it asks each time whether it is still the same.
    let control = if is_personal {
        "private, no-cache"
    } else {
        "no-cache"
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(control));
    if let Some(links) = some_header(&answer.links) {
        headers.insert(LINK, links);
    }
    Ok(response)
}

fn whole(asked: &HeaderMap, wish: Wish, bytes: Bytes, tag: Option<String>) -> Result<Response> {
    let (bytes, tag) = match wish {
        Wish { indent: 0, .. }
        | Wish {
            format: Format::Csv,
            ..
        } => (bytes, tag),
        _ => (indented(&bytes, wish.indent).into(), None),
    };
    let tag = tag.unwrap_or_else(|| validator(&bytes));
    if asked.contains_key(IF_MATCH) && !names(asked, &IF_MATCH, &tag, false) {
        return Err(Error::PreconditionFailed);
    }
    let mut response = if names(asked, &IF_NONE_MATCH, &tag, true) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::from(bytes))
    };
    if let Some(tag) = some_header(&format!("\"{tag}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

fn some_header(text: &str) -> Option<HeaderValue> {
    let value = HeaderValue::from_str(text).ok();
    value.filter(|value| !value.is_empty())
}

/// Whether a condition names this version (RFC 9110, sections 8.8.3.2, 13.1.1 and 13.1.2). What the cache of
/// answers appends for a compressed form is left out, since it is the same version.
fn names(asked: &HeaderMap, header: &HeaderName, tag: &str, may_be_weak: bool) -> bool {
    let lists = asked.get_all(header).iter();
    let held = lists
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim);
    held.map(|held| match held.strip_prefix("W/") {
        Some(weak) if may_be_weak => weak,
        _ => held,
    })
    .any(|held| {
        let inside = held
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        held == "*" || inside == Some(tag)
    })
}

/// Compact JSON with line breaks, and so many spaces a level.
fn indented(json: &[u8], spaces: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + depth * spaces, b' ');
    };
    let mut bytes = json.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if is_text {
            out.push(byte);
            is_text = is_escaped || byte != b'"';
            is_escaped = byte == b'\\' && !is_escaped;
            continue;
        }
        match byte {
            b'{' | b'[' if matches!(bytes.peek(), Some(b'}' | b']')) => {
                out.push(byte);
                out.extend(bytes.next());
            }
            b'{' | b'[' => {
                depth += 1;
                out.push(byte);
                line(&mut out, depth);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                is_text = byte == b'"';
                out.push(byte);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn indented_json_is_what_serde_writes() {
        let value =
            json!({"a": [], "b": {}, "c": [1, {"d": "x\"y\\,:{}[]"}], "e": null, "f": "\\"});
        let compact = serde_json::to_vec(&value).unwrap();
        let pretty = indented(&compact, 2);
        assert_eq!(
            String::from_utf8(pretty.clone()).unwrap(),
            serde_json::to_string_pretty(&value).unwrap()
        );
        assert_eq!(serde_json::from_slice::<Value>(&pretty).unwrap(), value);
    }

    fn is_named(header: &HeaderName, value: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header.clone(), HeaderValue::from_static(value));
        names(&headers, header, "tag", *header == IF_NONE_MATCH)
    }

    #[test]
    fn only_strong_tags_allow_a_change() {
        assert!(is_named(&IF_MATCH, "\"a\", \"tag\""));
        assert!(is_named(&IF_MATCH, "*"));
        assert!(!is_named(&IF_MATCH, "W/\"tag\""));
        assert!(is_named(&IF_NONE_MATCH, "W/\"tag\""));
        assert!(!is_named(&IF_NONE_MATCH, "tag"));
    }
}
