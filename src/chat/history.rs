//! What was said in a room, for scripts and programs: page by page, and by its words; and how far somebody has read it.

use super::find_course;
use super::rooms::Rooms;
use super::store::pages::{Page, Place, Spoken};
use super::store::{self, pages, search};
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::extract::{Json, Path, Query};
use crate::web::identity::Student;
use axum::Extension;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;

/// Lines on a page.
pub const LINES: u64 = 50;

/// Which page of the history: the newest where none is named.
#[derive(Debug, Deserialize)]
pub struct PageAsked {
    /// Lines older than this one.
    before: Option<i64>,
    /// Lines newer than this one.
    after: Option<i64>,
    /// This line, and those around it.
    around: Option<i64>,
}

impl PageAsked {
    fn place(&self) -> Result<Place> {
        match (self.before, self.after, self.around) {
            (None, None, None) => Ok(Place::Newest),
            (Some(id), None, None) => Ok(Place::Before(id)),
            (None, Some(id), None) => Ok(Place::After(id)),
            (None, None, Some(id)) => Ok(Place::Around(id)),
            _ => Err(Error::BadRequest(
                "Name one of before, after and around, not several.".into(),
            )),
        }
    }
}

/// `GET /chat/room/<course id>/history/`: `{"lines": [...], "has_more": true, "has_older": true, "has_newer": false}`,
/// the lines as they come over the socket, oldest first. `has_more` speaks of the direction that was asked for.
pub async fn history(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    Query(asked): Query<PageAsked>,
) -> Result<Response> {
    let course = find_course(&app, &person, id).await?;
    let place = asked.place()?;
    let page = pages::page(app.db.read(), &course, place, LINES).await?;
    let has_more = match place {
        Place::After(_) => page.has_newer,
        _ => page.has_older,
    };
    Ok(answer(&page, has_more))
}

/// What is looked for.
#[derive(Debug, Deserialize)]
pub struct SearchAsked {
    /// Words, or how they begin.
    q: String,
    /// Lines older than this one.
    before: Option<i64>,
}

/// `GET /chat/room/<course id>/search/?q=`: the newest lines that hold all the words, as [`history`] answers them.
pub async fn find(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    Query(asked): Query<SearchAsked>,
) -> Result<Response> {
    let course = find_course(&app, &person, id).await?;
    let db = app.db.read();
    let page = search::search(db, &course, &asked.q, asked.before, LINES).await?;
    Ok(answer(&page, page.has_older))
}

fn answer(page: &Page, has_more: bool) -> Response {
    let lines: Vec<String> = page
        .lines
        .iter()
        .map(Spoken::frame)
        .map(|frame| frame.text.0.as_str().to_owned())
        .collect();
    let body = format!(
        "{{\"lines\":[{}],\"has_more\":{has_more},\"has_older\":{},\"has_newer\":{}}}",
        lines.join(","),
        page.has_older,
        page.has_newer
    );
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "private, no-store"),
    ];
    (headers, body).into_response()
}

/// How far she has read.
#[derive(Debug, Deserialize)]
pub struct ReadUpTo {
    /// The last line.
    id: i64,
}

/// `POST /chat/room/<course id>/read/` with `{"id": 41}`: `{"read": 41, "unread": 0}`, as it is after that. Her position
/// only grows, and not past what was said.
pub async fn read(
    State(app): State<App>,
    Extension(rooms): Extension<Rooms>,
    Student(person): Student,
    Path(id): Path<i64>,
    Json(asked): Json<ReadUpTo>,
) -> Result<Response> {
    let course = find_course(&app, &person, id).await?;
    let db = app.db.read();
    let up_to = asked.id.min(store::last(db, course.id).await?);
    if up_to > 0 {
        rooms.set_read(person.id, course.id, up_to).await?;
    }
    let read = store::reads::read(db, course.id, person.id).await?;
    let unread = store::reads::count_unread(db, course.id, read).await?;
    let body = json!({ "read": read, "unread": unread });
    let headers = [(CACHE_CONTROL, "private, no-store")];
    Ok((headers, axum::Json(body)).into_response())
}
