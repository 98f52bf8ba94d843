//! Sending pictures to a room, before the line that shows them: they are received, counted and processed as every other
//! file, but whoever may say something in the room may send them, and they are for its lines alone.

use super::refusal::Refusal;
use super::store::{self, pictures};
use super::{find_course, moderation};
use crate::app::App;
use crate::db::Write;
use crate::entities::{chat_picture, course, upload};
use crate::error::{Error, Result};
use crate::media::{self, Accepts};
use crate::web::extract::Path;
use crate::web::identity::{Person, Student};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, EntityTrait as _, QuerySelect as _};
use serde_json::json;

/// Pictures that somebody may send to rooms within [`SPAN`].
const MOST: u64 = 60;

/// The time in which they are counted.
const SPAN: TimeDelta = TimeDelta::hours(1);

/// When somebody who has sent that many may try again.
const RETRY_AFTER_SECONDS: u64 = 600;

/// `POST /chat/room/<course id>/pictures/`, a form with one file: 201 with `{"upload": 7, "state": "waiting", "words": "In
/// line, 1st"}`. How it goes on is told on `/events/`, and at `/uploads/<upload>/state/`. A picture that no line shows
/// within a day is deleted.
pub async fn send(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    request: Request,
) -> Result<Response> {
    let (parts, body) = request.into_parts();
    // Before it is on its way, so that nobody sends for nothing; what holds is asked again when it has come.
    may_send(&app, &person, id).await?;
    check_count(&app, app.db.read(), &person).await?;
    let received = media::receive(&app, &person, Accepts::Image, &parts, body).await?;
    let file = received.file;
    let file = file.ok_or_else(|| Error::invalid("file", "Choose a picture."))?;
    may_send(&app, &person, id).await?;
    let mut write = app.write().await?;
    // The lock keeps the course from being deleted between this look and the insertion.
    let course = course::Entity::find_by_id(id).lock_shared();
    course.one(&*write).await?.ok_or_else(Error::forbidden)?;
    // Of two that she sends at once the second counts the first.
    media::hold_account(&write, person.id).await?;
    check_count(&app, &*write, &person).await?;
    let sent = media::adopt(&app, &mut write, person.id, file).await?;
    pictures::insert(&write, id, sent.id).await?;
    write.commit().await?;
    let view = media::get_sent_file(app.db.read(), &person, sent.id).await?;
    let body = json!({
        "upload": sent.id,
        "state": view.upload.state,
        "words": view.state_words(),
    });
    let headers = [(CACHE_CONTROL, "private, no-store")];
    Ok((StatusCode::CREATED, headers, axum::Json(body)).into_response())
}

/// `DELETE /chat/room/<course id>/pictures/<upload>/`: she does not want it any more. 204; a picture that a line shows goes
/// with its line.
pub async fn remove(
    State(app): State<App>,
    Student(person): Student,
    Path((id, upload_id)): Path<(i64, i64)>,
) -> Result<StatusCode> {
    let mut write = app.write().await?;
    find_own(&write, &person, id, upload_id).await?;
    if !media::discard_unsaid_picture(&app, &mut write, upload_id).await? {
        let words = "This picture stands in a line. Delete the line, and it is gone.";
        return Err(Error::Conflict(words.into()));
    }
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A picture of hers that was sent to this room.
async fn find_own(write: &Write, person: &Person, course_id: i64, upload_id: i64) -> Result<()> {
    let found = chat_picture::Entity::find_by_id(upload_id)
        .find_also_related(upload::Entity)
        .one(&**write)
        .await?;
    match found {
        Some((picture, Some(file)))
            if picture.course_id == course_id && file.owner_id == person.id =>
        {
            Ok(())
        }
        _ => Err(Error::NotFound),
    }
}

/// Whether she may say something there.
///
/// # Errors
/// [`Error::Forbidden`], also when there is no such room.
async fn may_send(app: &App, person: &Person, course_id: i64) -> Result<()> {
    let course = find_course(app, person, course_id).await?;
    if moderation::is_moderator(person, &course) {
        return Ok(());
    }
    let view = store::reads::view(app.db.read(), app.clock.now(), course_id, person.id).await?;
    if view.is_locked {
        return Err(Error::Forbidden(Refusal::LOCKED));
    }
    if view.muted_until.is_some() {
        return Err(Error::Forbidden(Refusal::MUTED));
    }
    Ok(())
}

/// Whether she has not sent too many.
///
/// # Errors
/// [`Error::TooMany`].
async fn check_count(app: &App, db: &impl ConnectionTrait, person: &Person) -> Result<()> {
    let since = app.clock.now() - SPAN;
    if pictures::count_sent(db, person.id, since).await? < MOST {
        return Ok(());
    }
    Err(Error::TooMany {
        message: format!(
            "You have sent {MOST} pictures within an hour. Wait a while before the next one."
        ),
        retry_after_seconds: RETRY_AFTER_SECONDS,
    })
}
