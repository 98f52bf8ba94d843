//! The border: every [`Error`] becomes a page or JSON here, and is logged here, once.

use crate::app::App;
use crate::config::Config;
use crate::error::{Error, Problems};
use crate::web::headers::REQUEST_ID;
use crate::web::shell::{Shell, page_with};
use crate::web::{headers, redirect};
use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, ALLOW, AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tracing::Instrument as _;

/// The page of a fault: plain words, a way on, and the request id.
#[derive(Template)]
#[template(path = "web/fault.html")]
struct FaultPage {
    shell: Shell,
    status: u16,
    title: &'static str,
    words: String,
    request_id: String,
}

/// Gives the request its id and its line in the log.
pub async fn trace(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = request_id(&app.config, &app, &request);
    let span = tracing::info_span!("request", id = %id, method = %request.method(), path = %request.uri().path());
    if let Ok(value) = HeaderValue::from_str(&id) {
        request.headers_mut().insert(REQUEST_ID, value);
    }
    async move {
        let mut response = next.run(request).await;
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        tracing::debug!(status = response.status().as_u16(), "answered");
        response
    }
    .instrument(span)
    .await
}

/// A proxy that is trusted may bring an id; everybody else gets a new one.
fn request_id(config: &Config, app: &App, request: &Request) -> String {
    let brought = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let is_trusted = config
        .trusted_proxies
        .contains(&headers::client_address(request));
    match brought {
        Some(id)
            if is_trusted
                && id.len() <= 64
                && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') =>
        {
            id.into()
        }
        _ => app
            .clock
            .random_token()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(12)
            .collect(),
    }
}

/// Gives the answer of an [`Error`] its body. Answers without one pass as they are.
pub async fn present(State(app): State<App>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let kept = parts.clone();
    let response = next.run(Request::from_parts(parts, body)).await;
    let Some(error) = response.extensions().get::<Error>().cloned() else {
        return response;
    };
    log(&error);
    let mut presented = if wants_json(&kept) {
        as_json(&kept, &error)
    } else {
        as_page(&app, &kept, &response, &error)
    };
    let own = presented.headers().clone();
    for (name, value) in response.headers() {
        if !own.contains_key(name) && name != "content-length" {
            presented.headers_mut().append(name.clone(), value.clone());
        }
    }
    presented
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Error::TooMany {
        retry_after_seconds,
        ..
    } = &error
    {
        presented
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
    }
    presented
}

fn log(error: &Error) {
    match error {
        Error::Internal(source) => {
            tracing::error!(error = %source, source = ?source.source(), "a request failed");
        }
        Error::Unavailable(words) => tracing::warn!(words, "a request could not be served"),
        other => {
            tracing::info!(status = other.status().as_u16(), reason = %other, "a request was refused");
        }
    }
}

/// Programs get JSON: everything under `/api/`, whoever sends credentials and does not ask for
/// a page, and whoever prefers it.
pub fn wants_json(parts: &Parts) -> bool {
    let accept = parts.headers.get(ACCEPT).map(HeaderValue::as_bytes);
    let asks_for_page = String::from_utf8_lossy(accept.unwrap_or_default()).contains("text/html");
    parts.uri.path().starts_with("/api/")
        || (parts.headers.contains_key(AUTHORIZATION) && !asks_for_page)
        || prefers_json(&parts.headers)
}

/// Whether a script asks: `X-Requested-With`, or an `Accept` that names JSON or an event stream and
/// no page.
pub fn prefers_json(headers: &HeaderMap) -> bool {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    };
    let accept = header(ACCEPT.as_str());
    header("x-requested-with").eq_ignore_ascii_case("XMLHttpRequest")
        || (["application/json", "text/event-stream"]
            .iter()
            .any(|mime| accept.contains(mime))
            && !accept.contains("text/html"))
}

fn as_json(parts: &Parts, error: &Error) -> Response {
    let is_api = parts.uri.path().starts_with("/api/");
    let body = match error {
        Error::Invalid(problems) => problems_as_json(problems),
        Error::MethodNotAllowed => {
            json!({"detail": format!("Method \"{}\" not allowed.", parts.method)})
        }
        other => json!({"detail": other.words()}),
    };
    let status = match error {
        Error::Invalid(_) if is_api => StatusCode::BAD_REQUEST,
        Error::LoginRequired if !is_api => StatusCode::FORBIDDEN,
        other => other.status(),
    };
    let mut response = (status, axum::Json(body)).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"api\""),
        );
    }
    response
}

fn problems_as_json(problems: &Problems) -> Value {
    let fields = problems.iter().map(|(field, messages)| {
        let name = if field.is_empty() {
            "non_field_errors"
        } else {
            field
        };
        (name.to_owned(), json!(messages))
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

fn as_page(app: &App, parts: &Parts, response: &Response, error: &Error) -> Response {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if matches!(error, Error::LoginRequired) {
        let next = if parts.method == Method::GET {
            path
        } else {
            "/"
        };
        return redirect::found(&redirect::login_path(next));
    }
    let shell = Shell::bare(app, path, response.extensions());
    let request_id = parts
        .headers
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .unwrap_or("")
        .to_owned();
    let page = FaultPage {
        shell,
        status: error.status().as_u16(),
        title: title(error),
        words: page_words(error),
        request_id,
    };
    let mut presented = page_with(error.status(), &page).unwrap_or_else(|_| plain(error));
    if let Some(allow) = response.headers().get(ALLOW) {
        presented.headers_mut().insert(ALLOW, allow.clone());
    }
    if error.status() == StatusCode::UNAUTHORIZED {
        presented.headers_mut().insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"api\""),
        );
    }
    presented
}

fn plain(error: &Error) -> Response {
    (error.status(), error.words()).into_response()
}

fn title(error: &Error) -> &'static str {
    match error {
        Error::NotFound => "This page is not here",
        Error::LoginRequired | Error::WrongCredentials(_) => "Please log in",
        Error::Forbidden(_) => "This is not open to you",
        Error::BadRequest(_) | Error::Invalid(_) | Error::NotAcceptable => {
            "That did not make sense to us"
        }
        Error::MethodNotAllowed => "That cannot be done here",
        Error::Conflict(_) => "Somebody was quicker",
        Error::Gone(_) => "It is no longer here",
        Error::TooLarge(_) => "That is too large",
        Error::UnsupportedType(_) => "That kind of file is not taken here",
        Error::TooMany { .. } => "A short break, please",
        Error::Unavailable(_) => "Please come back in a moment",
        Error::Internal(_) => "Something broke on our side",
    }
}

fn page_words(error: &Error) -> String {
    match error {
        Error::NotFound => {
            "The link may be old, or the page may be for somebody else. Nothing of yours is lost."
                .into()
        }
        Error::MethodNotAllowed => {
            "The page exists, but it does not take this kind of request.".into()
        }
        Error::Internal(_) => {
            "It has been noted. Please try again; if it stays, tell the staff the number below."
                .into()
        }
        other => other.words(),
    }
}

/// What no route answers.
pub async fn not_found() -> Error {
    Error::NotFound
}

/// What a route does not answer for this method. axum adds `Allow`.
pub async fn method_not_allowed() -> Error {
    Error::MethodNotAllowed
}

/// A panic is a fault of ours; the visitor gets a page and the log the text.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer that calls it gives the panic away"
)]
pub fn caught(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "unknown panic".into());
    Error::internal(format!("panic: {text}")).into_response()
}
