//! Pages to explore the API with: what a program is answered, as a page, with links to follow and forms to send.
//!
//! A page is made around the answer that a program gets for the same request, so that both cannot differ: `serve` is
//! asked for JSON, and what comes back, a fault too, is shown. Forms are made from the declarations, for those who may
//! send them, and name their method in a field (`sent`, decision 0024). Pages are never kept for others.

mod answered;
mod forms;
mod json;
mod page;
mod sent;
mod visit;

pub use visit::Places;

use super::negotiation::{Format, choose};
use super::resource::Endpoint;
use super::serve::{self, Incoming};
use crate::app::App;
use crate::error::{Error, Problems, Result};
use crate::web::errors::Told;
use crate::web::shell::{Shell, page_with};
use answered::Answered;
use axum::body::Body;
use axum::extract::FromRequestParts as _;
use axum::http::header::{
    ALLOW, HeaderName, IF_MATCH, IF_NONE_MATCH, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use page::ApiPage;
use sent::Sent;
use url::form_urlencoded;
use visit::Visit;

/// What of an answer's headers stands on the page's own, too.
const KEPT: [HeaderName; 3] = [ALLOW, LOCATION, RETRY_AFTER];

/// Whether a request is for a page: by the suffix, by `?format=`, else by `Accept`.
pub fn is_asked(named: Option<Format>, parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or("");
    let mut formats = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, value)| name == "format" && !value.is_empty());
    let last = formats.by_ref().last().map(|(_, value)| value);
    match (named, last) {
        (Some(named), _) => named == Format::Page,
        (None, Some(name)) => name == Format::Page.name(),
        (None, None) => {
            choose(&Format::ALL, None, &parts.headers).is_ok_and(|wish| wish.format == Format::Page)
        }
    }
}

/// Answers a request with a page.
///
/// # Errors
/// When not even a page can be made around a fault.
pub async fn show(
    app: App,
    places: &Places,
    endpoint: &Endpoint,
    asked: Incoming,
) -> Result<Response> {
    let Incoming {
        id,
        mut parts,
        body,
        ..
    } = asked;
    let shell = Shell::from_request_parts(&mut parts, &app).await?;
    prepare(&mut parts);
    let before = parts.clone();
    let (outcome, sent) = Box::pin(answer(&app, endpoint, id, &mut parts, body)).await;
    // The method that the form named.
    let method = parts.method;
    let error = outcome.as_ref().err().cloned();
    let problems = match &error {
        Some(Error::Invalid(problems)) => problems.clone(),
        _ => Problems::new(),
    };
    let answered = match outcome {
        Ok(response) => Answered::read(response).await?,
        Err(error) => Answered::fault(&error, &method)?,
    };
    if answered.status == StatusCode::NO_CONTENT && before.method == method {
        // Not from a form: a program that deletes is told so, whatever format it names.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let visit = Visit::new(app, places, endpoint, id, method, before);
    let page = Box::pin(ApiPage::new(
        &visit,
        shell,
        &answered,
        sent.as_ref(),
        &problems,
        error.as_ref(),
    ))
    .await?;
    // With 204 a browser would stay on the page before.
    let status = match answered.status {
        StatusCode::NO_CONTENT => StatusCode::OK,
        status => status,
    };
    let mut response = page_with(status, &page)?;
    for name in KEPT {
        if let Some(value) = answered.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    if let Some(error) = error {
        if matches!(error, Error::LoginRequired) {
            // Not Basic: a browser would ask for a password itself, over the page that says what to do.
            let scheme = HeaderValue::from_static("Token realm=\"api\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response.extensions_mut().insert(error);
        response.extensions_mut().insert(Told);
    }
    Ok(response)
}

/// A page is made for each request that looks at something, whatever the browser has of it; and a link can ask for
/// OPTIONS, which changes nothing.
fn prepare(parts: &mut Parts) {
    if !parts.method.is_safe() {
        return;
    }
    for name in [IF_MATCH, IF_NONE_MATCH] {
        parts.headers.remove(name);
    }
    let query = parts.uri.query().unwrap_or("");
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    if parts.method == Method::GET
        && pairs.any(|(name, value)| name == sent::METHOD && value == Method::OPTIONS.as_str())
    {
        parts.method = Method::OPTIONS;
    }
}

/// What a program would be answered, and the form that asked for it.
async fn answer(
    app: &App,
    endpoint: &Endpoint,
    id: i64,
    parts: &mut Parts,
    body: Body,
) -> (Result<Response>, Option<Sent>) {
    match sent::open(parts, body, endpoint).await {
        Ok((body, sent)) => {
            let asked = Incoming {
                id,
                named: Some(Format::Json),
                parts: parts.clone(),
                body,
            };
            let outcome = serve::answer(app.clone(), endpoint, asked);
            (Box::pin(outcome).await, sent)
        }
        Err(error) => (Err(error), None),
    }
}
