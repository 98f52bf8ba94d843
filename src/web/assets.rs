//! The site's own styles, scripts, fonts and icons, embedded at build.
//!
//! They stand under `/static/<hash over all of them>/`, so that browsers may keep them for
//! ever; another hash is a 404, never an old file under a new name.

use crate::error::{Error, Result};
use axum::extract::Path;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use rust_embed::{Embed, EmbeddedFile};
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
    let mut response = file.data.into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
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
        let is_accepted = accepted
            .split(',')
            .any(|part| part.split(';').next().is_some_and(|e| e.trim() == encoding));
        if !is_accepted {
            continue;
        }
        if let Some(file) = Dist::get(&format!("{path}.{ending}")) {
            return Some((file, Some(encoding)));
        }
    }
    Dist::get(path).map(|file| (file, None))
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
