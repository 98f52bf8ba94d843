//! The border: every [`Error`] becomes a page or JSON here, and is logged here, once.

use crate::app::App;
use crate::error::{Error, Problems};
use crate::web::headers::REQUEST_ID;
use crate::web::shell::{Shell, page_with};
use crate::web::{headers, redirect};
use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, HeaderName, REFERER, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use tracing::Instrument as _;
use url::Url;

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
    let id = request_id(&app, &request);
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
pub fn request_id(app: &App, request: &Request) -> String {
    let brought = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let is_id = |id: &&str| {
        (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    match brought.filter(is_id) {
        Some(id) if headers::is_by_proxy(&app.config, request) => id.into(),
        _ => app
            .clock
            .random_token()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(12)
            .collect(),
    }
}

/// What a fault needs to know of its request.
struct Asked {
    method: Method,
    uri: Uri,
    /// The page from which it was asked, as its browser says.
    from: Option<Url>,
    wants_json: bool,
    /// By a program that speaks tus, not by a page's script.
    is_tus_program: bool,
    request_id: Option<HeaderValue>,
}

impl Asked {
    /// Where to go on after logging in. A form that was sent is not sent again: it is filled in on the page where it
    /// stands.
    fn page<'a>(&self, path: &'a str) -> Cow<'a, str> {
        if matches!(self.method, Method::GET | Method::HEAD) {
            return path.into();
        }
        let Some(from) = &self.from else {
            return "/".into();
        };
        let query = from.query().map(|query| format!("?{query}"));
        let page = format!("{}{}", from.path(), query.unwrap_or_default());
        redirect::local(&page).unwrap_or("/").to_owned().into()
    }
}

/// Gives the answer of an [`Error`] its body. Answers without one pass as they are.
pub async fn present(State(app): State<App>, request: Request, next: Next) -> Response {
    let asked = Asked {
        method: request.method().clone(),
        uri: request.uri().clone(),
        from: request
            .headers()
            .get(REFERER)
            .and_then(|page| page.to_str().ok()?.parse().ok()),
        wants_json: wants_json(request.uri(), request.headers()),
        is_tus_program: is_resumable(request.headers()) && !prefers_json(request.headers()),
        request_id: request.headers().get(REQUEST_ID).cloned(),
    };
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<Error>() else {
        return response;
    };
    log(&error);
    if response.extensions().get::<Told>().is_some() {
        return response;
    }
    let mut presented = if asked.wants_json {
        as_json(&asked, &error)
    } else {
        as_page(&app, &asked, &response, &error)
    };
    keep_headers(&mut presented, &response);
    let headers = presented.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Error::TooMany {
        retry_after_seconds,
        ..
    } = &error
    {
        headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
    }
    presented
}

/// Stands on an answer that tells its [`Error`] already, which is only logged then.
#[derive(Clone, Copy, Debug)]
pub struct Told;

/// Takes over what the bare answer carried, such as `Allow` and every `Set-Cookie`.
fn keep_headers(presented: &mut Response, bare: &Response) {
    let own: Vec<HeaderName> = presented.headers().keys().cloned().collect();
    for (name, value) in bare.headers() {
        if name != CONTENT_LENGTH && !own.contains(name) {
            presented.headers_mut().append(name.clone(), value.clone());
        }
    }
}

fn log(error: &Error) {
    match error {
        // The hook for panics has told it, with its place ([`log_panic`]).
        Error::Internal(source) if source.is::<Panicked>() => {}
        Error::Internal(source) => {
            tracing::error!(error = %source, source = ?source.source(), "a request failed");
        }
        Error::Unavailable(words) => tracing::warn!(words, "a request could not be served"),
        Error::Down { cause, .. } => {
            tracing::warn!(error = %cause, "a service that a request needs does not answer");
        }
        other => {
            tracing::info!(status = other.status().as_u16(), reason = %other, "a request was refused");
        }
    }
}

/// Programs get JSON: everything under `/api/` but for browsers that ask for a page, resumable uploads, whoever sends credentials and does not
/// ask for a page, and whoever prefers it.
pub fn wants_json(uri: &Uri, headers: &HeaderMap) -> bool {
    (is_api(uri) && weight(headers, &PAGES) <= weight(headers, &SCRIPTS))
        || is_resumable(headers)
        || (headers.contains_key(AUTHORIZATION) && weight(headers, &PAGES) <= 0.0)
        || prefers_json(headers)
}

/// Whether a client of tus asks.
fn is_resumable(headers: &HeaderMap) -> bool {
    headers.contains_key("tus-resumable")
}

fn is_api(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

/// Whether a script asks: `X-Requested-With`, or an `Accept` that names JSON or an event stream and
/// no page, or with the greater weight (RFC 9110, section 12.5.1).
pub fn prefers_json(headers: &HeaderMap) -> bool {
    let is_script = headers
        .get("x-requested-with")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"XMLHttpRequest"));
    is_script || weight(headers, &SCRIPTS) > weight(headers, &PAGES)
}

/// The types that scripts read.
const SCRIPTS: [&str; 2] = ["application/json", "text/event-stream"];

/// The types of a page.
const PAGES: [&str; 2] = ["text/html", "application/xhtml+xml"];

/// The greatest weight with which `Accept` names one of the types; 0 when it names none. Wildcards
/// name nothing: whoever takes anything gets a page.
fn weight(headers: &HeaderMap, types: &[&str]) -> f32 {
    let ranges = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    ranges
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next()?;
            let is_named = types.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
            let quality =
                parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            let quality = quality.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            is_named.then_some(quality)
        })
        .fold(0.0, f32::max)
}

fn as_json(asked: &Asked, error: &Error) -> Response {
    let (as_api, body) = told(error, &asked.method);
    let status = match error {
        _ if is_api(&asked.uri) => as_api,
        // A browser would ask for a password itself, over the page whose script gets a 401.
        Error::LoginRequired if !asked.is_tus_program => StatusCode::FORBIDDEN,
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

/// What a program is told of a fault at the API: the status and the body.
pub fn told(error: &Error, method: &Method) -> (StatusCode, Value) {
    match error {
        Error::Invalid(problems) => (StatusCode::BAD_REQUEST, problems_as_json(problems)),
        Error::MethodNotAllowed => {
            let words = format!("Method \"{method}\" not allowed.");
            (error.status(), json!({ "detail": words }))
        }
        other => (other.status(), json!({"detail": other.words()})),
    }
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

fn as_page(app: &App, asked: &Asked, response: &Response, error: &Error) -> Response {
    let path = asked.uri.path_and_query().map_or("/", |path| path.as_str());
    if matches!(error, Error::LoginRequired) {
        return redirect::found(&redirect::login_path(&asked.page(path)));
    }
    let shell = Shell::bare(app, path, response.extensions());
    let request_id = asked
        .request_id
        .as_ref()
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
        Error::NotFound | Error::NoSuchPage => "This page is not here",
        Error::LoginRequired | Error::WrongCredentials(_) => "Please log in",
        Error::Forbidden(_) => "This is not open to you",
        Error::BadRequest(_) | Error::Invalid(_) | Error::OtherRequest | Error::NotAcceptable => {
            "That did not make sense to us"
        }
        Error::MethodNotAllowed => "That cannot be done here",
        Error::Conflict(_) | Error::PreconditionFailed => "Somebody was quicker",
        Error::Gone(_) => "It is no longer here",
        Error::TooLarge(_) => "That is too large",
        Error::UnsupportedType(_) => "That kind of file is not taken here",
        Error::TooMany { .. } => "A short break, please",
        Error::Unavailable(_) | Error::Down { .. } => "Please come back in a moment",
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

/// The hook for panics: each is logged here, once, with its place and the request in which it happened; whoever catches
/// it does not log it again.
pub fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let text = panic.payload_as_str().unwrap_or("without words");
    let place = panic.location().map(ToString::to_string);
    tracing::error!(place, "a panic: {text}");
}

/// A request panicked.
#[derive(Debug, thiserror::Error)]
#[error("a panic")]
struct Panicked;

/// A panic is a fault of ours; the visitor gets a page, and the log has its text already.
pub fn caught(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    Error::internal(Panicked).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefers(accept: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        prefers_json(&headers)
    }

    #[test]
    fn json_goes_to_those_who_weigh_it_more_than_a_page() {
        for json in [
            "application/json",
            "text/event-stream",
            "application/json, text/plain, */*",
            "text/html;q=0.5, application/json",
            "application/json;q=0.9,text/html;q=0.8",
        ] {
            assert!(prefers(json), "{json}");
        }
        for page in [
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/json;q=0.1, text/html",
            "application/json, text/html",
            "application/json;q=0",
            "application/json;q=many",
            "application/jsonp",
        ] {
            assert!(!prefers(page), "{page}");
        }
    }

    #[test]
    fn every_cookie_of_a_fault_is_kept() {
        let mut bare = Error::NotFound.into_response();
        for cookie in ["a=1", "b=2"] {
            let value = HeaderValue::from_static(cookie);
            bare.headers_mut().append("set-cookie", value);
        }
        let mut presented = StatusCode::NOT_FOUND.into_response();
        keep_headers(&mut presented, &bare);
        assert_eq!(presented.headers().get_all("set-cookie").iter().count(), 2);
    }
}
