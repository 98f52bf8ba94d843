//! The endpoints of files: how far an upload is, how a file stands, trying again, and the files themselves.

use super::{delivery, get_sent_file, progress};
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::audit::ByPage;
use crate::web::extract::Path;
use crate::web::form::Form;
use crate::web::identity::{Student, Visitor};
use crate::web::redirect;
use axum::Json;
use axum::extract::State;
use axum::http::header::{ALLOW, CACHE_CONTROL};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// GET `/media/<upload>/<rendition>`.
pub async fn media(
    State(app): State<App>,
    Visitor(person): Visitor,
    Path((upload_id, name)): Path<(i64, String)>,
    parts: Parts,
) -> Result<Response> {
    // That a file exists is nobody's business who may not see it, logged in or not.
    let person = person.ok_or(Error::NotFound)?;
    delivery::deliver(&app, &person, (upload_id, &name), &parts).await
}

/// GET `/uploads/status/?key=<UUID>`: how much of an upload by form has arrived.
pub async fn status(
    State(app): State<App>,
    Visitor(person): Visitor,
    parts: Parts,
) -> Result<Response> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        let mut response = fault(StatusCode::METHOD_NOT_ALLOWED, "No GET request");
        let allow = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allow);
        return Ok(response);
    }
    let query = parts.uri.query().unwrap_or("");
    let key = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| name == "key" && !value.is_empty());
    let Some((_, key)) = key else {
        return Ok(fault(
            StatusCode::BAD_REQUEST,
            "No parameter key in GET request",
        ));
    };
    let found = match person {
        Some(person) => progress::get_status(&app, person.id, &key).await,
        None => Err(Error::NotFound),
    };
    match found {
        Ok(status) => Ok(fresh(
            StatusCode::OK,
            json!({"uploaded": status.uploaded, "totalsize": status.total}),
        )),
        Err(Error::NotFound) => Ok(fault(StatusCode::NOT_FOUND, "No upload has this key")),
        Err(Error::Gone(reason)) => Ok(fault(StatusCode::GONE, &reason)),
        Err(error) => Err(error),
    }
}

/// GET `/uploads/<id>/state/`: how a file stands, for pages that cannot hear events.
pub async fn state(
    State(app): State<App>,
    Student(person): Student,
    Path(upload_id): Path<i64>,
) -> Result<Response> {
    let view = get_sent_file(app.db.read(), &person, upload_id).await?;
    Ok(fresh(StatusCode::OK, json!(view.event())))
}

/// POST `/uploads/<id>/retry/`: processes a file again that failed. A form goes back to `next`.
pub async fn retry(
    State(app): State<App>,
    Student(person): Student,
    ByPage(by): ByPage,
    Path(upload_id): Path<i64>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response> {
    get_sent_file(app.db.read(), &person, upload_id).await?;
    let view = super::retry(&app, &by, upload_id).await?;
    Ok(super::standing(&headers, &view, next_of(&form)))
}

/// POST `/uploads/<id>/cancel/`: stops the processing of a file. A form goes back to `next`.
pub async fn cancel(
    State(app): State<App>,
    Student(person): Student,
    ByPage(by): ByPage,
    Path(upload_id): Path<i64>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response> {
    get_sent_file(app.db.read(), &person, upload_id).await?;
    let view = super::cancel(&app, &by, upload_id).await?;
    Ok(super::standing(&headers, &view, next_of(&form)))
}

fn next_of(form: &Form) -> &str {
    redirect::local(form.get("next")).unwrap_or("/course/mine/")
}

/// So many files may a page say it shows.
const MOST_WATCHED: usize = 200;

/// POST `/uploads/watched/`, `ids=7,8`: a page that somebody looks at shows these files while they wait. Hers go
/// forward in line.
pub async fn watched(
    State(app): State<App>,
    Student(person): Student,
    form: Form,
) -> Result<StatusCode> {
    let ids = form.text("ids").split(',').take(MOST_WATCHED);
    let ids: Vec<i64> = ids.filter_map(|id| id.trim().parse().ok()).collect();
    if !ids.is_empty() {
        super::watch(&app, &person, &ids).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn fault(status: StatusCode, words: &str) -> Response {
    fresh(status, json!({"error": words}))
}

fn fresh(status: StatusCode, body: Value) -> Response {
    let never_kept = [(CACHE_CONTROL, "private, no-store")];
    (status, never_kept, Json(body)).into_response()
}
