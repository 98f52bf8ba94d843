//! What a program is answered, taken apart to be shown.

use crate::error::{Error, Result};
use crate::web::errors;
use axum::body::{Body, HttpBody as _};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Map, Value};

/// Bytes of a body that are read: far more than is shown, and one thing in whole.
const MOST_READ: usize = 2_000_000;

/// An answer.
pub struct Answered {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, or the beginning.
    pub body: Bytes,
    /// Whether there is more.
    pub is_cut: bool,
}

impl Answered {
    /// Reads an answer as far as it is needed.
    ///
    /// # Errors
    /// When it breaks off.
    pub async fn read(response: Response) -> Result<Self> {
        let (parts, body) = response.into_parts();
        let (body, is_cut) = beginning(body).await?;
        Ok(Self {
            status: parts.status,
            headers: parts.headers,
            body,
            is_cut,
        })
    }

    /// As a program is told of a fault.
    ///
    /// # Errors
    /// Never, as long as texts are JSON.
    pub fn fault(error: &Error, method: &Method) -> Result<Self> {
        let (status, body) = errors::told(error, method);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Basic realm=\"api\"");
            headers.insert(WWW_AUTHENTICATE, scheme);
        }
        if let Error::TooMany {
            retry_after_seconds,
            ..
        } = error
        {
            headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
        }
        let body = serde_json::to_vec(&body).map_err(Error::internal)?;
        Ok(Self {
            status,
            headers,
            body: body.into(),
            is_cut: false,
        })
    }

    /// The value of a header, or empty.
    pub fn header(&self, name: impl axum::http::header::AsHeaderName) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The one thing that is answered.
    pub fn object(&self) -> Option<Map<String, Value>> {
        if self.is_cut || !self.status.is_success() {
            return None;
        }
        serde_json::from_slice(&self.body).ok()
    }
}

/// The beginning of a body, and whether there is more.
async fn beginning(body: Body) -> Result<(Bytes, bool)> {
    let size = body.size_hint().exact();
    let size = size.and_then(|size| usize::try_from(size).ok());
    if size.is_some_and(|size| size <= MOST_READ) {
        let bytes = axum::body::to_bytes(body, MOST_READ).await;
        return Ok((bytes.map_err(Error::internal)?, false));
    }
    let mut read = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        read.extend_from_slice(&chunk.map_err(Error::internal)?);
        if read.len() >= MOST_READ {
            return Ok((read.into(), true));
        }
    }
    Ok((read.into(), false))
}
