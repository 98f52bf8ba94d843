//! The endpoints of resumable uploads.

use super::append::{self, Patch, Refused};
use super::create::{self, NewUpload};
use super::finish::{self, Placement};
use super::headers::{self, ALGORITHMS, Checksum};
use super::store;
use super::visit::{Entered, Open, end, enter, is_part, length};
use super::{EXTENSIONS, VERSION};
use crate::app::App;
use crate::entities::tus_upload::Model;
use crate::error::{Error, Result};
use crate::media::incoming::Incoming;
use crate::media::receiver::Accepts;
use crate::web::csrf::{self, Checked};
use crate::web::extract::Path;
use crate::web::identity::{Author, Person, Student};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::sync::Arc;
use tracing::Instrument as _;

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const BODY_TYPE: &str = "application/offset+octet-stream";
/// tus 1.0, "Checksum": the bytes are not what their sum says.
const CHECKSUM_MISMATCH: u16 = 460;

/// Every answer says which version it speaks; what is sent in another one is not looked at.
pub async fn speak(request: Request, next: Next) -> Response {
    let sent = request.headers().get(RESUMABLE);
    let is_bound = matches!(
        *request.method(),
        Method::HEAD | Method::POST | Method::PATCH | Method::DELETE
    );
    let mut response = if is_bound && sent.is_none_or(|version| version != VERSION) {
        let words = "Tus-Resumable: 1.0.0 is the version that is spoken here.";
        let mut refused = told(StatusCode::PRECONDITION_FAILED, words);
        set(&mut refused, "tus-version", VERSION);
        refused
    } else {
        next.run(request).await
    };
    set(&mut response, "tus-resumable", VERSION);
    response
}

/// OPTIONS: what is spoken here, for anybody.
pub async fn options(State(app): State<App>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let most = Accepts::File.max_bytes(&app).to_string();
    for (name, value) in [
        ("tus-version", VERSION),
        ("tus-extension", EXTENSIONS),
        ("tus-max-size", &most),
        ("tus-checksum-algorithm", ALGORITHMS),
    ] {
        set(&mut response, name, value);
    }
    response
}

/// POST `/uploads/`: announces an upload, and may bring its beginning.
pub async fn create(
    State(app): State<App>,
    Author(person): Author,
    Extension(placement): Extension<Placement>,
    request: Request,
) -> Result<Response> {
    let (parts, body) = request.into_parts();
    require_token(&app, &parts)?;
    let body = Incoming::new(body);
    let outcome = begin(&app, &person, &parts.headers, body.clone(), placement).await;
    if outcome.is_err() {
        linger(&parts.headers, &body).await;
    }
    let (row, offset) = match outcome {
        Ok(begun) => begun,
        Err(refused) => return refusal(refused),
    };
    let mut response = StatusCode::CREATED.into_response();
    set(&mut response, "location", &format!("/uploads/{}", row.id));
    tell(&mut response, &row, offset);
    Ok(response)
}

async fn begin(
    app: &App,
    person: &Arc<Person>,
    sent: &HeaderMap,
    body: Incoming,
    placement: Placement,
) -> Result<(Model, Option<u64>), Refused> {
    let new = NewUpload::parse(sent)?;
    if !new.parts.is_empty() {
        let (app, person) = (app.clone(), Arc::clone(person));
        let work = async move { Ok(create::concatenate(&app, &person, new, placement).await?) };
        let row = apart(work).await?;
        let offset = length(&row);
        return Ok((row, offset));
    }
    let brings_body = is_body(sent);
    let checksum = Checksum::parse(sent)?;
    let announced = headers::bytes(sent, CONTENT_LENGTH.as_str())?;
    let row = create::create(app, person, &new, placement).await?;
    if !brings_body && length(&row) != Some(0) {
        return Ok((row, None));
    }
    let patch = Patch {
        offset: 0,
        length: None,
        checksum: checksum.filter(|_| brings_body),
        announced: announced.filter(|_| brings_body),
    };
    let body = if brings_body {
        body
    } else {
        Incoming::new(Body::empty())
    };
    let id = row.id.clone();
    let begun = add(app, person, id.clone(), patch, body, placement).await;
    if begun.is_err() {
        // The sender is not told its address. What was refused for its bytes is ended already.
        match end(app, person, &id).await {
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => tracing::warn!(%error, "an upload that nobody knows is left to expire"),
        }
    }
    begun.map(|(row, offset)| (row, Some(offset)))
}

/// HEAD `/uploads/<id>`: how much there is. Whoever sent before is told to let go, so that it stays true.
pub async fn offset(
    State(app): State<App>,
    Student(person): Student,
    Extension(placement): Extension<Placement>,
    Path(id): Path<String>,
) -> Result<Response> {
    let work = {
        let app = app.clone();
        async move { Ok(look(&app, &person, &id, placement).await?) }
    };
    let (row, offset) = match apart(work).await {
        Ok(found) => found,
        Err(refused) => return refusal(refused),
    };
    let mut response = StatusCode::OK.into_response();
    let is_joining = row.concat.is_some() && !is_part(&row) && length(&row) != Some(offset);
    tell(&mut response, &row, Some(offset).filter(|_| !is_joining));
    match row.length_bytes {
        Some(bytes) => set(&mut response, "upload-length", &bytes.to_string()),
        None => set(&mut response, "upload-defer-length", "1"),
    }
    if !row.metadata.is_empty() {
        set(&mut response, "upload-metadata", &row.metadata);
    }
    if let Some(concat) = &row.concat {
        set(&mut response, "upload-concat", concat);
    }
    set(&mut response, "cache-control", "no-store");
    Ok(response)
}

/// What is there; a whole upload that was not finished, because the site stopped, is finished now.
async fn look(app: &App, person: &Person, id: &str, placement: Placement) -> Result<(Model, u64)> {
    let row = match enter(app, person.id, id).await? {
        Entered::Finished(row) => row,
        Entered::Stored(row, _turn) => finish::finish(app, person, row, None, placement).await?,
        Entered::Open(open) if open.is_whole() && !is_part(&open.row) => {
            let Open { row, partial, turn } = open;
            let row = finish::finish(app, person, row, Some(partial), placement).await?;
            drop(turn);
            row
        }
        Entered::Open(open) => {
            let offset = open.partial.size();
            return Ok((open.row, offset));
        }
    };
    let size = length(&row).ok_or(Error::NotFound)?;
    Ok((row, size))
}

/// PATCH `/uploads/<id>`: adds to an upload.
pub async fn patch(
    State(app): State<App>,
    Student(person): Student,
    Extension(placement): Extension<Placement>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response> {
    let (parts, body) = request.into_parts();
    require_token(&app, &parts)?;
    let body = Incoming::new(body);
    let outcome = match judge(&app, &person, &id, &parts.headers).await {
        Ok(patch) => add(&app, &person, id, patch, body.clone(), placement).await,
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok((row, offset)) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            tell(&mut response, &row, Some(offset));
            Ok(response)
        }
        Err(refused) => {
            if !matches!(refused, Refused::Superseded) {
                linger(&parts.headers, &body).await;
            }
            refusal(refused)
        }
    }
}

/// What can be judged without looking at what has arrived.
async fn judge(app: &App, person: &Person, id: &str, sent: &HeaderMap) -> Result<Patch> {
    let row = store::get_own(app, app.db.read(), person.id, id).await?;
    if row.concat.is_some() && !is_part(&row) {
        return Err(Error::Forbidden(
            "A final upload is put together from its parts: nothing can be added to it.",
        ));
    }
    if !is_body(sent) {
        return Err(Error::UnsupportedType(format!(
            "PATCH takes Content-Type: {BODY_TYPE}."
        )));
    }
    let offset = headers::bytes(sent, "Upload-Offset")?.ok_or_else(|| {
        Error::BadRequest("PATCH needs Upload-Offset: how much has arrived before.".into())
    })?;
    Ok(Patch {
        offset,
        length: headers::bytes(sent, "Upload-Length")?,
        checksum: Checksum::parse(sent)?,
        announced: headers::bytes(sent, CONTENT_LENGTH.as_str())?,
    })
}

/// DELETE `/uploads/<id>`: ends an upload. A finished one is deleted unless a content shows it.
pub async fn terminate(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<String>,
    parts: Parts,
) -> Result<StatusCode> {
    require_token(&app, &parts)?;
    end(&app, &person, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// POST `/uploads/<id>` with `X-HTTP-Method-Override`, from where other methods do not get through.
pub async fn overridden(
    state: State<App>,
    person: Student,
    placement: Extension<Placement>,
    id: Path<String>,
    request: Request,
) -> Result<Response> {
    let method = headers::text(request.headers(), "X-HTTP-Method-Override")?;
    match method.map(str::to_ascii_uppercase).as_deref() {
        Some("PATCH") => patch(state, person, placement, id, request).await,
        Some("HEAD") => offset(state, person, placement, id).await,
        Some("DELETE") => {
            let (parts, _) = request.into_parts();
            Ok(terminate(state, person, id, parts).await?.into_response())
        }
        _ => Err(Error::MethodNotAllowed),
    }
}

/// Adds in a task of its own: what has arrived is kept when the connection breaks.
async fn add(
    app: &App,
    person: &Arc<Person>,
    id: String,
    patch: Patch,
    body: Incoming,
    placement: Placement,
) -> Result<(Model, u64), Refused> {
    let (app, person) = (app.clone(), Arc::clone(person));
    apart(async move { append::append(&app, &person, &id, patch, body, placement).await }).await
}

/// Does the work to its end, whether somebody waits for it or not.
async fn apart<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refused>> + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::spawn(Box::pin(work.in_current_span())).await;
    done.map_err(Error::internal)?
}

/// A session has to show the token in its header: there is no form that could carry it.
fn require_token(app: &App, parts: &Parts) -> Result<()> {
    if parts.extensions.get::<Checked>() == Some(&Checked::Yes) {
        Ok(())
    } else {
        csrf::accept_field(app, parts, "")
    }
}

fn is_body(sent: &HeaderMap) -> bool {
    let mime = sent.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    mime.is_some_and(|mime| mime.eq_ignore_ascii_case(BODY_TYPE.as_bytes()))
}

/// Who asked before sending has sent nothing yet; others get to read the answer only when they are heard out.
async fn linger(sent: &HeaderMap, body: &Incoming) {
    if !sent.contains_key(EXPECT) {
        body.linger().await;
    }
}

fn refusal(refused: Refused) -> Result<Response> {
    match refused {
        Refused::Error(error) => Err(error),
        Refused::Superseded => Err(Error::Conflict(
            "Another connection goes on with this upload.".into(),
        )),
        Refused::Mismatch => {
            let words = "The bytes that arrived are not those of Upload-Checksum. Send them again.";
            tracing::info!(words, "a request was refused");
            let status = StatusCode::from_u16(CHECKSUM_MISMATCH).map_err(Error::internal)?;
            Ok(told(status, words))
        }
    }
}

/// How much there is, when it expires, and what it became.
fn tell(response: &mut Response, row: &Model, offset: Option<u64>) {
    if let Some(offset) = offset {
        set(response, "upload-offset", &offset.to_string());
    }
    match row.upload_id {
        Some(upload_id) => set(response, "lyceum-upload", &upload_id.to_string()),
        None => set(response, "upload-expires", &http_date(row.expires_at)),
    }
    if let Some(content_id) = row.content_id {
        set(response, "lyceum-content", &content_id.to_string());
    }
}

fn told(status: StatusCode, words: &str) -> Response {
    (status, Json(json!({"detail": words}))).into_response()
}

/// Names are ours; values are numbers, or headers that were read as text before.
fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, value);
    }
}

/// RFC 9110, section 5.6.7.
fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
