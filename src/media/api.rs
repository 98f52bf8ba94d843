//! `/api/uploads/<id>/`: how a file stands, for programs; stopping it and trying it again.
//!
//! For its owner and for staff; nobody else learns that it exists. The toolkit of the REST API is not here.

use super::{FileView, UploadKind, UploadState, cancel, get_file, retry};
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::extract::Path;
use crate::web::identity::{Person, Visitor};
use axum::Json;
use axum::extract::State;
use axum::http::header::{ALLOW, CACHE_CONTROL, VARY};
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::json;

/// A file as programs see it. What does not apply is null.
#[derive(Debug, Serialize)]
struct UploadView {
    id: i64,
    name: String,
    kind: UploadKind,
    mime: String,
    size_bytes: i64,
    state: UploadState,
    /// The line of truth, as pages show it.
    words: String,
    percent: Option<f64>,
    seconds_left: Option<i64>,
    place_in_line: Option<i64>,
    begins_in_seconds: Option<i64>,
    fault: Option<String>,
    /// For staff only.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    ready: bool,
    #[serde(serialize_with = "to_microseconds")]
    created: DateTime<Utc>,
    duration_seconds: Option<f64>,
    width: Option<i32>,
    height: Option<i32>,
    files: Vec<StoredFile>,
}

/// One stored file of it.
#[derive(Debug, Serialize)]
struct StoredFile {
    name: String,
    /// A path of this site.
    url: String,
    mime: String,
    size_bytes: i64,
    width: Option<i32>,
    height: Option<i32>,
}

impl UploadView {
    fn new(view: &FileView, person: &Person) -> Self {
        let upload = &view.upload;
        let files = view.renditions.iter().map(|row| StoredFile {
            name: row.name.clone(),
            url: view.url(&row.name),
            mime: row.mime.clone(),
            size_bytes: row.size_bytes,
            width: row.width,
            height: row.height,
        });
        Self {
            id: upload.id,
            name: upload.name.clone(),
            kind: upload.kind,
            mime: upload.mime.clone(),
            size_bytes: upload.size_bytes,
            state: upload.state,
            words: view.state_words(),
            percent: view.percent(),
            seconds_left: view.seconds_left(),
            place_in_line: view.place_in_line,
            begins_in_seconds: view.begins_in_seconds,
            fault: upload.fault.clone(),
            detail: view.detail(person).map(str::to_owned),
            ready: view.is_ready(),
            created: upload.created_at,
            duration_seconds: upload.duration_seconds,
            width: upload.width,
            height: upload.height,
            files: files.collect(),
        }
    }
}

/// `2026-03-02T09:30:00.123456Z` (contract, section 4).
fn to_microseconds<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&at.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
}

/// What is done to a file by POST.
#[derive(Clone, Copy)]
enum Action {
    Cancel,
    Retry,
}

/// `/api/uploads/<id>/`: how it stands.
pub async fn upload(
    State(app): State<App>,
    Visitor(person): Visitor,
    Path(id): Path<String>,
    method: Method,
) -> Response {
    let answer = async {
        let person = person.ok_or(Error::LoginRequired)?;
        match method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return Ok(described("Upload", "How a file stands.")),
            _ => return Err(Error::MethodNotAllowed),
        }
        let view = get(&app, &person, &id).await?;
        Ok(Json(UploadView::new(&view, &person)).into_response())
    };
    complete(answer.await, "GET, HEAD, OPTIONS")
}

/// POST `/api/uploads/<id>/cancel/`: stops its processing; answers how it stands then.
pub async fn stop(
    State(app): State<App>,
    Visitor(person): Visitor,
    Path(id): Path<String>,
    method: Method,
) -> Response {
    let answer = act(&app, person.as_deref(), &id, &method, Action::Cancel);
    complete(answer.await, "POST, OPTIONS")
}

/// POST `/api/uploads/<id>/retry/`: processes it again; answers how it stands then.
pub async fn again(
    State(app): State<App>,
    Visitor(person): Visitor,
    Path(id): Path<String>,
    method: Method,
) -> Response {
    let answer = act(&app, person.as_deref(), &id, &method, Action::Retry);
    complete(answer.await, "POST, OPTIONS")
}

async fn act(
    app: &App,
    person: Option<&Person>,
    id: &str,
    method: &Method,
    action: Action,
) -> Result<Response> {
    let person = person.ok_or(Error::LoginRequired)?;
    match *method {
        Method::POST => {}
        Method::OPTIONS => {
            return Ok(match action {
                Action::Cancel => described("Stop", "Stops the processing of a file."),
                Action::Retry => described("Try again", "Processes a file again."),
            });
        }
        _ => return Err(Error::MethodNotAllowed),
    }
    let id = get(app, person, id).await?.upload.id;
    let view = match action {
        Action::Cancel => cancel(app, id).await?,
        Action::Retry => retry(app, id).await?,
    };
    Ok(Json(UploadView::new(&view, person)).into_response())
}

async fn get(app: &App, person: &Person, id: &str) -> Result<FileView> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    let view = get_file(app.db.read(), id).await?;
    if person.is_staff || view.upload.owner_id == person.id {
        Ok(view)
    } else {
        Err(Error::NotFound)
    }
}

fn described(name: &str, description: &str) -> Response {
    let kinds = ["application/json"];
    let body = json!({"name": name, "description": description, "renders": kinds, "parses": kinds});
    Json(body).into_response()
}

fn complete(answer: Result<Response>, allow: &'static str) -> Response {
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allow));
    headers.insert(VARY, HeaderValue::from_static("Accept, Cookie"));
    let fresh = HeaderValue::from_static("private, no-store");
    headers.insert(CACHE_CONTROL, fresh);
    response
}
