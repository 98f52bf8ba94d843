//! Extractors whose refusals are our own [`Error`]s.

use crate::error::{Error, Result};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// Parts of the path. Whatever does not fit the type is no such page: 404. So is a NUL, which no
/// text of ours holds and PostgreSQL does not even take in a question.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

/// The query. Whatever cannot be read is told as such: 400.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

/// A JSON body up to 1 MB.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        if parts.uri.path().contains("%00") {
            return Err(Error::NotFound);
        }
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|found| Self(found.0)).map_err(|_| Error::NotFound)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|found| Self(found.0)).map_err(|_| {
            Error::BadRequest(
                "The address has a part after the question mark that cannot be read.".into(),
            )
        })
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        let mime = content_type.split(';').next().unwrap_or("").trim();
        if !mime.is_empty()
            && !mime.eq_ignore_ascii_case("application/json")
            && !mime.ends_with("+json")
        {
            return Err(Error::UnsupportedType(format!(
                "Unsupported media type \"{}\" in request.",
                printable(mime)
            )));
        }
        let bytes = axum::body::to_bytes(request.into_body(), super::csrf::FORM_LIMIT_BYTES)
            .await
            .map_err(|_| Error::TooLarge("This request takes up to 1 MB.".into()))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|e| Error::BadRequest(format!("JSON parse error - {e}")))
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
