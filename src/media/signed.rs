//! Sending visitors to the object store for recordings, by addresses that are good for five minutes.
//!
//! Who may have a file is decided before, at the site. What is small, and what a page reads as text, always
//! comes from the site itself.

use super::{delivery, permission::Grant};
use crate::app::App;
use crate::config::MediaDelivery;
use crate::error::Result;
use axum::http::header::{CACHE_CONTROL, HeaderName, LOCATION, REFERRER_POLICY};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use backends::files::ShownAs;
use std::time::Duration;

/// How long an address is good.
const GOOD_FOR: Duration = Duration::from_secs(300);
/// What is smaller is not worth the way.
const LEAST_BYTES: u64 = 64 << 10;
/// Says what a browser wants a file for (Fetch Metadata, W3C).
const DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Sends the visitor to the store; `None` when the site gives the file itself.
pub async fn redirect(
    app: &App,
    file: &Grant,
    name: &str,
    disposition: &str,
    parts: &Parts,
) -> Result<Option<Response>> {
    let is_meant = app.config.media_delivery == MediaDelivery::Signed
        && parts.method == Method::GET
        && file.size_bytes >= LEAST_BYTES
        && is_for_the_store(&file.mime, disposition)
        && !is_played_by_itself(name, parts);
    if !is_meant {
        return Ok(None);
    }
    let shown = ShownAs {
        mime: delivery::harmless(&file.mime).to_owned(),
        disposition: disposition.to_owned(),
    };
    let Some(url) = app.files.signed_url(&file.key, &shown, GOOD_FOR).await? else {
        return Ok(None);
    };
    let Ok(location) = HeaderValue::from_str(url.as_str()) else {
        return Ok(None);
    };
    let headers = [
        (LOCATION, location),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok(Some((StatusCode::FOUND, headers).into_response()))
}

/// Sound and moving pictures, and what is saved and not shown.
fn is_for_the_store(mime: &str, disposition: &str) -> bool {
    mime.starts_with("video/")
        || mime.starts_with("audio/")
        || disposition.starts_with("attachment")
}

/// A browser that plays one file asks again and again for pieces of it at the address to which it was sent,
/// also long after that has expired: whoever pauses would not get on. Segments are asked for here each time.
fn is_played_by_itself(name: &str, parts: &Parts) -> bool {
    let destination = parts.headers.get(DESTINATION).map(HeaderValue::as_bytes);
    let is_player = matches!(destination, Some(b"video" | b"audio"));
    is_player && (name == "video.mp4" || name.starts_with("audio."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_pictures_come_from_the_site() {
        for (mime, disposition, is_sent_on) in [
            ("video/mp4", "inline", true),
            ("audio/mp4", "inline", true),
            ("application/pdf", "attachment; filename=\"a.pdf\"", true),
            ("application/vnd.apple.mpegurl", "inline", false),
            ("text/vtt", "inline", false),
            ("image/jpeg", "inline", false),
        ] {
            assert_eq!(is_for_the_store(mime, disposition), is_sent_on, "{mime}");
        }
    }
}
