//! The page of a room, and its history page by page.

use super::frames::Speaker;
use super::history::LINES;
use super::store::pages::{Page, Place as Lines, Spoken, page as lines_at};
use super::{TEXT_LIMIT, find_course, moderation, store};
use crate::app::App;
use crate::entities::course;
use crate::error::Result;
use crate::learning;
use crate::web::extract::Path;
use crate::web::identity::{Person, Student};
use crate::web::shell::{Place, Shell, page};
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

/// Lines of one speaker that follow each other within this time stand under one name.
const GROUP: TimeDelta = TimeDelta::minutes(5);

#[derive(Template)]
#[template(path = "chat/room.html")]
struct RoomPage {
    shell: Shell,
    course: course::Model,
    lesson_path: String,
    person_id: i64,
    is_moderator: bool,
    lines: Vec<Line>,
    has_more: bool,
    /// Number of what happened last when the page was drawn.
    last: i64,
    limit: usize,
}

/// A line as the page shows it.
struct Line {
    id: i64,
    text: String,
    speaker: Speaker,
    is_hers: bool,
    is_edited: bool,
    /// The day, where another one begins.
    day: Option<String>,
    /// Whether it stands under the name of the one before.
    goes_on: bool,
    time: String,
    exact: String,
    machine: String,
}

impl Line {
    /// The color of the picture beside it.
    fn color(&self) -> i64 {
        self.speaker.id.unwrap_or(0) % 6
    }
}

/// `GET /chat/room/<course id>/`.
pub async fn show(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    shell: Shell,
) -> Result<Response> {
    let course = find_course(&app, &person, id).await?;
    let db = app.db.read();
    // First: what is said while the lines are read comes again over the socket, and stands there only once.
    let last = store::last(db, course.id).await?;
    let Page {
        lines: spoken,
        has_older,
        ..
    } = lines_at(db, &course, Lines::Newest, LINES).await?;
    let lines = lines(&person, spoken, app.clock.now());
    let lesson_path = learning::lesson_path(course.id, None, None);
    page(&RoomPage {
        shell: shell.at(Place::MyCourses),
        person_id: person.id,
        is_moderator: moderation::is_moderator(&person, &course),
        course,
        lesson_path,
        lines,
        has_more: has_older,
        last,
        limit: TEXT_LIMIT,
    })
}

fn lines(person: &Person, spoken: Vec<Spoken>, now: DateTime<Utc>) -> Vec<Line> {
    let zone = person.time_zone;
    let day_of = |time: DateTime<Utc>| time.with_timezone(&zone).date_naive();
    let mut before: Option<(Option<i64>, DateTime<Utc>)> = None;
    let mut lines = Vec::with_capacity(spoken.len());
    for Spoken {
        line: row, speaker, ..
    } in spoken
    {
        let is_other_day = before.is_none_or(|(_, time)| day_of(time) != day_of(row.created_at));
        let goes_on = !is_other_day
            && before.is_some_and(|(id, time)| {
                id == speaker.id && row.created_at.signed_duration_since(time) < GROUP
            });
        before = Some((speaker.id, row.created_at));
        lines.push(Line {
            id: row.id,
            is_hers: speaker.id == Some(person.id),
            is_edited: row.edited_at.is_some(),
            day: is_other_day
                .then(|| day_words(day_of(row.created_at), day_of(now), row.created_at, zone)),
            goes_on,
            time: row
                .created_at
                .with_timezone(&zone)
                .format("%H:%M")
                .to_string(),
            exact: text::exact(row.created_at, zone),
            machine: text::machine(row.created_at),
            text: row.text,
            speaker,
        });
    }
    lines
}

fn day_words(day: NaiveDate, today: NaiveDate, time: DateTime<Utc>, zone: Tz) -> String {
    match today.signed_duration_since(day).num_days() {
        0 => "Today".into(),
        1 => "Yesterday".into(),
        _ => text::date(time, zone),
    }
}
