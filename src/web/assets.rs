//! The site's own styles, scripts, fonts and icons, embedded at build.
//!
//! They stand under `/static/<hash over all of them>/`, so that browsers may keep them for
//! ever; another hash is a 404, never an old file under a new name.

use crate::error::{Error, Result};
use crate::web::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rust_embed::{Embed, EmbeddedFile};
use std::borrow::Cow;
use std::sync::LazyLock;

#[derive(Embed)]
#[folder = "web/dist/"]
struct Dist;

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let file =
        Dist::get("VERSION").map(|file| String::from_utf8_lossy(&file.data).trim().to_owned());
    file.unwrap_or_default()
});

/// The address of an asset, for example `css/site.css`.
pub fn url(path: &str) -> String {
    format!("/static/{}/{path}", *VERSION)
}

/// Answers an asset, compressed where the browser takes it.
pub async fn serve(
    Path((version, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    if version != *VERSION {
        return Err(Error::NotFound);
    }
    let content_type = content_type(&path).ok_or(Error::NotFound)?;
    let accepted = headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let (file, encoding) = find(&path, accepted).ok_or(Error::NotFound)?;
    // In a release the bytes are part of the program: nothing is copied.
    let data = match file.data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    };
    let mut response = data.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    // None of them is a page: the shortest policy there is, since every part of a page brings it along.
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'"),
    );
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Ok(response)
}

/// Browsers ask for it at a fixed address.
pub async fn favicon() -> Response {
    crate::web::redirect::found(&url("favicon.svg"))
}

fn find(path: &str, accepted: &str) -> Option<(EmbeddedFile, Option<&'static str>)> {
    for (encoding, ending) in [("br", "br"), ("gzip", "gz")] {
        if !accepts(accepted, encoding) {
            continue;
        }
        if let Some(file) = Dist::get(&format!("{path}.{ending}")) {
            return Some((file, Some(encoding)));
        }
    }
    Dist::get(path).map(|file| (file, None))
}

/// Whether `Accept-Encoding` names the encoding, and not with the weight 0 (RFC 9110, section 12.5.3).
fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|part| {
        let mut parts = part.split(';').map(str::trim);
        let is_named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        is_named && weight.is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0))
    })
}

fn content_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "png" => "image/png",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::accepts;

    #[test]
    fn an_encoding_is_used_only_where_it_is_taken() {
        for taken in ["br", "gzip, br", "gzip;q=1.0, BR;q=0.5", " br "] {
            assert!(accepts(taken, "br"), "{taken}");
        }
        for not in ["", "gzip", "br;q=0", "br; q=0.000", "*", "brotli", "br;q=x"] {
            assert!(!accepts(not, "br"), "{not}");
        }
    }
}
