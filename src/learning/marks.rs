//! What a lesson's buttons and players tell the site: a content is done, a recording stands here.

use super::lesson_path;
use super::progress::{Progress, set_done, set_position, stop_at};
use super::store::get_studied_content;
use crate::app::App;
use crate::entities::item::{self, ItemKind};
use crate::entities::{content, upload};
use crate::error::{Error, Result};
use crate::web::errors::prefers_json;
use crate::web::extract::Path;
use crate::web::form::Form;
use crate::web::identity::{Person, Student};
use crate::web::redirect;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::json;

/// A player may stand a little behind the length that was measured.
const SLACK_SECONDS: f64 = 5.0;
/// No recording is longer than a week.
const LONGEST_SECONDS: f64 = 7.0 * 24.0 * 3600.0;

/// `POST /students/content/<id>/done/`: marks a content as done (`done=1` or `yes`) or takes the mark back
/// (`0` or `no`). A script gets the new progress of the course, a form the lesson again.
pub async fn done(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response> {
    let (content, _, course) = get_studied_content(app.db.read(), &person, id).await?;
    let is_done = match form.text("done") {
        "1" | "yes" | "true" | "on" => true,
        "0" | "no" | "false" | "off" => false,
        _ => {
            return Err(Error::invalid(
                "done",
                "Send 1 for done, or 0 for not done.",
            ));
        }
    };
    mark(&app, &person, &content, course.id, is_done).await?;
    if !prefers_json(&headers) {
        let lesson = lesson_path(course.id, Some(content.module_id), Some(content.id));
        return Ok(redirect::see_other(&lesson));
    }
    let progress = Progress::load(app.db.read(), person.id, course.id).await?;
    let (percent, words) = (progress.percent(), progress.words());
    let answer = json!({"done": is_done, "percent": percent, "words": words});
    Ok(axum::Json(answer).into_response())
}

/// Marks a content that she studies as done, or takes the mark back.
pub(super) async fn mark(
    app: &App,
    person: &Person,
    content: &content::Model,
    course_id: i64,
    is_done: bool,
) -> Result<()> {
    let write = app.write().await?;
    set_done(app, &write, person.id, content, is_done).await?;
    stop_at(app, &write, person.id, course_id, content).await?;
    write.commit().await
}

/// `POST /students/content/<id>/position/`: notes where a recording stands, in seconds.
pub async fn position(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    form: Form,
) -> Result<StatusCode> {
    note_position(&app, &person, id, form.text("position")).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Notes where a recording that she studies stands, in seconds as typed.
///
/// # Errors
/// [`Error::NotFound`] for what is not open to her or does not play, [`Error::Invalid`] at `position`.
pub(super) async fn note_position(
    app: &App,
    person: &Person,
    content_id: i64,
    typed: &str,
) -> Result<()> {
    let (content, item, course) = get_studied_content(app.db.read(), person, content_id).await?;
    let length = length_seconds(app.db.read(), &item).await?;
    let seconds = parse_position(typed, length)?;
    let write = app.write().await?;
    set_position(app, &write, person.id, &content, seconds).await?;
    stop_at(app, &write, person.id, course.id, &content).await?;
    write.commit().await
}

/// How long the item plays; `None` where it has not been measured yet.
///
/// # Errors
/// [`Error::NotFound`] for what does not play from a file of ours.
async fn length_seconds(db: &impl ConnectionTrait, item: &item::Model) -> Result<Option<f64>> {
    let plays = matches!(item.kind, ItemKind::Video | ItemKind::Audio);
    let upload_id = item.upload_id.filter(|_| plays).ok_or(Error::NotFound)?;
    let upload = upload::Entity::find_by_id(upload_id).one(db).await?;
    Ok(upload.ok_or(Error::NotFound)?.duration_seconds)
}

fn parse_position(typed: &str, length_seconds: Option<f64>) -> Result<f64> {
    let longest = length_seconds.map_or(LONGEST_SECONDS, |length| length + SLACK_SECONDS);
    let seconds = typed.parse::<f64>().ok();
    seconds
        .filter(|seconds| seconds.is_finite() && (0.0..=longest).contains(seconds))
        .map(|seconds| {
            length_seconds
                .map_or(seconds, |length| seconds.min(length))
                .abs()
        })
        .ok_or_else(|| Error::invalid("position", "Send a number of seconds within the recording."))
}

#[cfg(test)]
mod tests {
    use super::parse_position;

    #[test]
    fn a_position_is_a_number_of_seconds_within_the_recording() {
        for (typed, length, kept) in [
            ("0", Some(60.0), 0.0),
            ("42.5", Some(60.0), 42.5),
            ("61", Some(60.0), 60.0),
            ("100000", None, 100_000.0),
        ] {
            let seconds: f64 = parse_position(typed, length).unwrap();
            assert!((seconds - kept).abs() < f64::EPSILON, "{typed}: {seconds}");
        }
        for typed in ["", "x", "NaN", "inf", "-inf", "-1", "66", "1e300"] {
            assert!(parse_position(typed, Some(60.0)).is_err(), "{typed}");
        }
        assert!(parse_position("1e9", None).is_err());
    }
}
