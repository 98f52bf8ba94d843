//! Giving stored files to those who may see them: `/media/<upload>/<rendition>`.

use super::permission::{self, Grant, Wanted};
use super::ranges::{self, Part};
use super::{ORIGINAL, disposition, signed};
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::identity::Person;
use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Nothing in a stored file runs, whatever it is, and it has no origin of ours.
const POLICY: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");

/// The file, or the part of it that was asked for.
///
/// # Errors
/// [`Error::NotFound`] for everybody who may not see what it belongs to.
pub async fn deliver(
    app: &App,
    person: &Person,
    (upload_id, name): (i64, &str),
    parts: &Parts,
) -> Result<Response> {
    let wanted = Wanted {
        upload_id,
        name,
        is_download: wants_download(parts),
    };
    let grant = permission::get(app, person, wanted).await?;
    match send(app, &grant, name, parts).await {
        // Perhaps it was processed again a moment ago, by a process that was not heard yet.
        Err(Error::NotFound) => {
            let grant = permission::get_again(app, person, wanted).await?;
            send(app, &grant, name, parts).await
        }
        sent => sent,
    }
}

async fn send(app: &App, file: &Grant, name: &str, parts: &Parts) -> Result<Response> {
    let tag = tag_of(file);
    let mut response = match sent(file, &tag, parts) {
        Sent::NotModified => StatusCode::NOT_MODIFIED.into_response(),
        Sent::Part(part) => {
            let shown = name_for(file, name, parts);
            if let Some(elsewhere) = signed::redirect(app, file, name, &shown, parts).await? {
                return Ok(elsewhere);
            }
            answer(app, file, part, parts.method == Method::HEAD).await?
        }
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, text(&tag));
    // A browser keeps what it has seen, and asks each time whether it may still show it: that costs no
    // query and no bytes, and what somebody may no longer see is not shown from her browser's cache.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if response.status() != StatusCode::NOT_MODIFIED {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, text(harmless(&file.mime)));
        headers.insert(CONTENT_DISPOSITION, text(&name_for(file, name, parts)));
    }
    Ok(response)
}

enum Sent {
    NotModified,
    Part(Part),
}

/// What the headers of the request ask for (RFC 9110, section 13.2.2).
fn sent(file: &Grant, tag: &str, parts: &Parts) -> Sent {
    let headers = &parts.headers;
    if let Some(list) = joined(headers, &IF_NONE_MATCH)
        && ranges::has_tag(&list, tag)
    {
        return Sent::NotModified;
    }
    let is_same = joined(headers, &IF_RANGE).is_none_or(|wanted| wanted.trim() == tag);
    let size = file.size_bytes;
    let part = match joined(headers, &RANGE) {
        // A range means something for GET only.
        Some(range) if parts.method == Method::GET && is_same => ranges::read(&range, size),
        _ => Part::Whole,
    };
    Sent::Part(part)
}

async fn answer(app: &App, file: &Grant, part: Part, is_head: bool) -> Result<Response> {
    let size = file.size_bytes;
    let (status, range) = match part {
        Part::Whole => (StatusCode::OK, 0..size),
        Part::Bytes(range) => (StatusCode::PARTIAL_CONTENT, range),
        Part::Unsatisfiable => {
            let header = [(CONTENT_RANGE, text(&format!("bytes */{size}")))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, header).into_response());
        }
    };
    let length = range.end - range.start;
    let body = if is_head {
        Body::empty()
    } else {
        let (_, bytes) = app.files.read(&file.key, Some(range.clone())).await?;
        Body::from_stream(bytes)
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if status == StatusCode::PARTIAL_CONTENT {
        let last = range.end.saturating_sub(1);
        let place = format!("bytes {}-{last}/{size}", range.start);
        headers.insert(CONTENT_RANGE, text(&place));
    }
    Ok(response)
}

/// Renditions never change: a new one has a new key.
fn tag_of(file: &Grant) -> String {
    let mut tag = String::from("\"");
    for byte in Sha256::digest(file.key.as_bytes()).iter().take(12) {
        // Writing to a string cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// A second fence: whatever a row says, nothing goes out as a page or a program.
pub(super) fn harmless(mime: &str) -> &str {
    let lower = mime.to_ascii_lowercase();
    let is_active = ["html", "xml", "svg", "script", "multipart"]
        .iter()
        .any(|part| lower.contains(part));
    let is_document = lower.contains("openxmlformats");
    if is_active && !is_document {
        "application/octet-stream"
    } else {
        mime
    }
}

/// What was sent to be downloaded is an attachment; what is shown is inline, unless `?download` asks otherwise.
fn name_for(file: &Grant, name: &str, parts: &Parts) -> String {
    let kind = if name == ORIGINAL || wants_download(parts) {
        "attachment"
    } else {
        "inline"
    };
    disposition::value(kind, &disposition::name_of(&file.upload_name, name))
}

/// Whether `?download` asks for the file to keep.
fn wants_download(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or("");
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "download")
}

/// All values of a header as one list; `None` without any. What is not ASCII is no range and no tag.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().unwrap_or(""))
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Values are made of ASCII here; another would be left empty.
fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}
