//! The last steps of an answer: indentation, validators, conditions, headers.

use super::call::{Answer, Content, validator};
use super::negotiation::{Format, Wish};
use crate::error::{Error, Result};
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;

/// Makes the answer that goes out. The conditions of a change were looked at before it was made.
///
/// A validator stands on what was read, made, or changed in part (RFC 9110, section 8.8.3): not on the answer of an act,
/// whose path is not that of the thing, and not on that of PUT, since what is stored is not always what was sent
/// (section 9.3.4).
///
/// # Errors
/// [`Error::PreconditionFailed`] when `If-Match` names another version.
pub fn finish(
    method: &Method,
    asked: &HeaderMap,
    wish: Wish,
    is_personal: bool,
    answer: Answer,
) -> Result<Response> {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let has_version = has_version(method, answer.status);
    let mut response = match answer.body {
        Content::Stream(stream) => Response::new(Body::from_stream(stream)),
        Content::Whole(bytes, _) if bytes.is_empty() => Response::new(Body::empty()),
        Content::Whole(bytes, tag) => whole(asked, is_read, wish, bytes, tag)?,
    };
    if response.status() == StatusCode::OK {
        *response.status_mut() = answer.status;
        let mime = match wish.format {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Json | Format::Page => Format::Json.mime(),
        };
        if answer.status != StatusCode::NO_CONTENT {
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(mime));
        }
    }
    let headers = response.headers_mut();
    if !has_version {
        headers.remove(ETAG);
    }
    headers.insert(VARY, HeaderValue::from_static("Accept, Cookie"));
    // Whoever holds it asks each time whether it is still the same.
    let control = match (is_read, is_personal) {
        (false, _) => "private, no-store",
        (true, true) => "private, no-cache",
        (true, false) => "no-cache",
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(control));
    for (name, value) in [(LINK, &answer.links), (LOCATION, &answer.location)] {
        if let Some(value) = some_header(value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// Whether an answer tells the version of what stands in it.
pub(in crate::web::rest) fn has_version(method: &Method, status: StatusCode) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::PATCH) || status == StatusCode::CREATED
}

fn whole(
    asked: &HeaderMap,
    is_read: bool,
    wish: Wish,
    bytes: Bytes,
    tag: Option<String>,
) -> Result<Response> {
    let (bytes, tag) = match wish {
        Wish { indent: 0, .. }
        | Wish {
            format: Format::Csv,
            ..
        } => (bytes, tag),
        _ => {
            let tag = tag.unwrap_or_else(|| validator(&bytes));
            let tag = format!("{tag}-i{}", wish.indent);
            (indented(&bytes, wish.indent).into(), Some(tag))
        }
    };
    let tag = tag.unwrap_or_else(|| validator(&bytes));
    if is_read && asked.contains_key(IF_MATCH) && !names(asked, &IF_MATCH, &tag) {
        return Err(Error::PreconditionFailed);
    }
    let mut response = if is_read && names(asked, &IF_NONE_MATCH, &tag) {
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

/// Whether a thing of this version may be changed.
///
/// # Errors
/// [`Error::PreconditionFailed`].
pub(super) fn condition(asked: &HeaderMap, tag: &str) -> Result<()> {
    let is_other = asked.contains_key(IF_MATCH) && !names(asked, &IF_MATCH, tag);
    if is_other || names(asked, &IF_NONE_MATCH, tag) {
        return Err(Error::PreconditionFailed);
    }
    Ok(())
}

/// Whether a call may be done that does not look at versions: one that names none.
///
/// # Errors
/// [`Error::BadRequest`]: to do it all the same would be to pass over the condition (RFC 9110, section 13.1.1).
pub(super) fn unconditional(asked: &HeaderMap) -> Result<()> {
    let is_any = |value: &HeaderValue| value.as_bytes().trim_ascii() == b"*";
    let names_one = !asked.get_all(IF_MATCH).iter().all(is_any);
    if names_one || asked.contains_key(IF_NONE_MATCH) {
        return Err(Error::BadRequest(
            "If-Match and If-None-Match are not looked at here: nothing was done. Send the request without them."
                .into(),
        ));
    }
    Ok(())
}

fn some_header(text: &str) -> Option<HeaderValue> {
    let value = HeaderValue::from_str(text).ok();
    value.filter(|value| !value.is_empty())
}

/// Whether a condition names this version (RFC 9110, sections 8.8.3.2, 13.1.1 and 13.1.2): `If-Match` in its strong
/// form. What the cache of answers appends for a compressed form is left out, since it is the same version, and so is
/// for changes what an indented form has. Behind a dot stands what tells answers of one version apart of which something
/// moves by itself.
fn names(asked: &HeaderMap, header: &HeaderName, tag: &str) -> bool {
    let may_be_weak = *header == IF_NONE_MATCH;
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
        let rest = inside.and_then(|inside| inside.strip_prefix(tag));
        held == "*"
            || rest.is_some_and(|rest| {
                matches!(rest, "" | "-gz" | "-br")
                    || rest.starts_with('.')
                    || (!may_be_weak && rest.starts_with("-i"))
            })
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
        names(&headers, header, "tag")
    }

    #[test]
    fn only_strong_tags_allow_a_change() {
        assert!(is_named(&IF_MATCH, "\"a\", \"tag\""));
        assert!(is_named(&IF_MATCH, "*"));
        assert!(is_named(&IF_MATCH, "\"tag-gz\""));
        assert!(is_named(&IF_MATCH, "\"tag.moment\""));
        assert!(is_named(&IF_MATCH, "\"tag.moment-i4\""));
        assert!(!is_named(&IF_MATCH, "\"tag-xy\""));
        assert!(!is_named(&IF_MATCH, "W/\"tag\""));
        assert!(is_named(&IF_NONE_MATCH, "W/\"tag\""));
        assert!(!is_named(&IF_NONE_MATCH, "tag"));
    }
}
