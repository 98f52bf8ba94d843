//! What moderators do without a script, and the log of what they did.

use crate::app::App;
use crate::chat::moderation::{self, Act, is_moderator};
use crate::chat::store::{self, acts::Rules, pages::Place as At};
use crate::chat::{find_course, frames::Speaker};
use crate::entities::chat_act::ChatActKind;
use crate::entities::{course, user};
use crate::error::{Error, Problems, Result};
use crate::web::extract::{Path, Query};
use crate::web::form::{FaultLine, Form, fault_lines};
use crate::web::identity::{Person, Student};
use crate::web::redirect;
use crate::web::shell::{Place, Shell, page, page_with};
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde::Deserialize;
use std::collections::HashMap;

/// For how many minutes somebody is muted, in words.
pub const MUTES: [(i64, &str); 4] = [
    (10, "10 minutes"),
    (60, "An hour"),
    (1_440, "A day"),
    (10_080, "A week"),
];

/// How many seconds everybody waits between two lines, in words.
const SLOWS: [(i64, &str); 6] = [
    (0, "Not slowed down"),
    (10, "10 seconds"),
    (30, "30 seconds"),
    (60, "A minute"),
    (300, "5 minutes"),
    (3_600, "An hour"),
];

/// Acts on a page of the log.
const ACTS: u64 = 50;

/// Who can be muted is chosen among those who said something in so many of the newest lines.
const LATELY: u64 = 200;

/// How slow a room can be made.
pub struct SlowChoice {
    /// Seconds between two lines of the same person.
    pub seconds: i64,
    /// The same in words.
    pub words: String,
    /// It is so slow now.
    pub is_chosen: bool,
}

/// How slow a room can be made; what holds now is among them, whatever it is.
pub fn slow_choices(now: i64) -> Vec<SlowChoice> {
    let mut choices: Vec<SlowChoice> = SLOWS
        .into_iter()
        .map(|(seconds, words)| SlowChoice {
            seconds,
            words: words.into(),
            is_chosen: seconds == now,
        })
        .collect();
    if !choices.iter().any(|choice| choice.is_chosen) {
        choices.push(SlowChoice {
            seconds: now,
            words: text::count(now, "second", "seconds"),
            is_chosen: true,
        });
        choices.sort_by_key(|choice| choice.seconds);
    }
    choices
}

#[derive(Template)]
#[template(path = "chat/log.html")]
struct LogPage {
    shell: Shell,
    course: course::Model,
    is_locked: bool,
    slow_choices: Vec<SlowChoice>,
    muted: Vec<Muted>,
    /// Who can be muted.
    speakers: Vec<Speaker>,
    acts: Vec<ActLine>,
    /// Before which act the log goes on.
    older: Option<i64>,
    faults: Vec<FaultLine>,
}

/// Somebody who may not write.
struct Muted {
    id: i64,
    name: String,
    until: String,
    exact: String,
}

/// A line of the log.
struct ActLine {
    icon: &'static str,
    words: String,
    when: String,
    exact: String,
    machine: String,
}

/// Which page of the log.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// Acts older than this one.
    before: Option<i64>,
}

/// `GET /chat/room/<course id>/log/`: for moderators.
pub async fn log(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
    shell: Shell,
) -> Result<Response> {
    let course = find_course(&app, &person, id).await?;
    let shown = log_page(&app, &person, course, shell, asked.before, Vec::new()).await?;
    page(&shown)
}

/// `POST /chat/room/<course id>/lock/`: `is_locked` is `yes` or `no`.
pub async fn lock(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    shell: Shell,
    form: Form,
) -> Result<Response> {
    let course = find_course(&app, &person, id).await?;
    let is_locked = match form.text("is_locked") {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(Error::invalid("is_locked", "Say yes or no.")),
    };
    let done = match is_locked {
        Ok(is_locked) => moderation::lock(&app, &person, &course, is_locked).await,
        Err(error) => Err(error),
    };
    answer(&app, &person, course, shell, (&form, done)).await
}

/// `POST /chat/room/<course id>/slow/`: `seconds` between two lines of the same person; 0 lifts it.
pub async fn slow(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    shell: Shell,
    form: Form,
) -> Result<Response> {
    let course = find_course(&app, &person, id).await?;
    // What is no number is refused with the sentence that names the bounds.
    let seconds = form.number("seconds").unwrap_or(-1);
    let done = moderation::slow(&app, &person, &course, seconds).await;
    answer(&app, &person, course, shell, (&form, done)).await
}

/// `POST /chat/room/<course id>/mute/`: `user_id` for `minutes`; 0 lifts it.
pub async fn mute(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    shell: Shell,
    form: Form,
) -> Result<Response> {
    let course = find_course(&app, &person, id).await?;
    let minutes = form.number("minutes").unwrap_or(-1);
    let done = match form.number("user_id") {
        Some(user_id) => moderation::mute(&app, &person, &course, user_id, minutes).await,
        None if is_moderator(&person, &course) => {
            Err(Error::invalid("user_id", "Choose who is to be muted."))
        }
        None => Err(Error::forbidden()),
    };
    answer(&app, &person, course, shell, (&form, done)).await
}

/// Back to where the form stood; with what is wrong above it, where something is.
async fn answer(
    app: &App,
    person: &Person,
    course: course::Model,
    shell: Shell,
    (form, done): (&Form, Result<()>),
) -> Result<Response> {
    match done {
        Ok(()) => {
            let log = format!("/chat/room/{}/log/", course.id);
            let next = redirect::local(form.get("next")).unwrap_or(&log);
            Ok(redirect::see_other(next))
        }
        Err(Error::Invalid(problems)) => {
            let again = log_page(app, person, course, shell, None, faults(&problems)).await?;
            page_with(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
        Err(error) => Err(error),
    }
}

/// The faults lead to the fields of the page, which have names of their own.
fn faults(problems: &Problems) -> Vec<FaultLine> {
    let mut lines = fault_lines(problems);
    for line in &mut lines {
        line.target = match line.target.as_str() {
            "seconds" => "room-seconds".into(),
            "user_id" => "mute-who".into(),
            "minutes" => "mute-minutes".into(),
            _ => String::new(),
        };
    }
    lines
}

async fn log_page(
    app: &App,
    person: &Person,
    course: course::Model,
    shell: Shell,
    before: Option<i64>,
    faults: Vec<FaultLine>,
) -> Result<LogPage> {
    // Asks whether she may, too.
    let (acts, has_more) = moderation::list_acts(app, person, &course, before, ACTS).await?;
    let rules = store::acts::rules(app.db.read(), course.id, app.clock.now()).await?;
    let older = acts.last().filter(|_| has_more).map(|act| act.row.id);
    Ok(LogPage {
        is_locked: rules.is_locked,
        slow_choices: slow_choices(rules.slow_seconds),
        muted: list_muted(app, person, &course, &rules).await?,
        speakers: list_speakers(app, &course, &rules).await?,
        acts: acts
            .iter()
            .map(|act| act_line(act, app, person.time_zone))
            .collect(),
        older,
        faults,
        shell: shell.at(Place::MyCourses),
        course,
    })
}

async fn list_muted(
    app: &App,
    person: &Person,
    course: &course::Model,
    rules: &Rules,
) -> Result<Vec<Muted>> {
    let ids = rules.muted.keys().copied();
    let people = user::Entity::find().filter(user::Column::Id.is_in(ids));
    let (now, zone) = (app.clock.now(), person.time_zone);
    let mut muted: Vec<Muted> = people
        .all(app.db.read())
        .await?
        .into_iter()
        .filter_map(|account| {
            let until = *rules.muted.get(&account.id)?;
            Some(Muted {
                id: account.id,
                name: store::speaker(Some(&account), course).name,
                until: text::when(until, now, zone),
                exact: text::exact(until, zone),
            })
        })
        .collect();
    muted.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(muted)
}

/// Who spoke lately and can be muted.
async fn list_speakers(app: &App, course: &course::Model, rules: &Rules) -> Result<Vec<Speaker>> {
    let newest = store::pages::page(app.db.read(), course, At::Newest, LATELY).await?;
    let lately: HashMap<i64, Speaker> = newest
        .lines
        .into_iter()
        .filter_map(|spoken| Some((spoken.speaker.id?, spoken.speaker)))
        .filter(|(id, speaker)| !speaker.is_teacher && !rules.muted.contains_key(id))
        .collect();
    let mut speakers: Vec<Speaker> = lately.into_values().collect();
    speakers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(speakers)
}

fn act_line(act: &Act, app: &App, zone: Tz) -> ActLine {
    let (now, time) = (app.clock.now(), act.row.created_at);
    let who = &act.moderator.name;
    let whom = act.whom.as_ref().map_or("", |whom| whom.name.as_str());
    let until = act.row.until.map(|until| until_words(until, time, zone));
    let (icon, words) = match act.row.kind {
        ChatActKind::Lock => ("lock", format!("{who} locked the room")),
        ChatActKind::Unlock => ("rotate-ccw", format!("{who} opened the room again")),
        ChatActKind::Slow => match act.row.seconds {
            None | Some(0) => ("rotate-ccw", format!("{who} let the room be quick again")),
            Some(seconds) => {
                let words = format!("{who} slowed the room down to a line {}", every(seconds));
                ("hourglass", words)
            }
        },
        ChatActKind::Mute => {
            let until = until.unwrap_or_default();
            ("volume-x", format!("{who} muted {whom} {until}"))
        }
        ChatActKind::Unmute => {
            let name = who;
            ("volume-2", format!("{name} let {whom} write again"))
        }
        ChatActKind::Delete => ("trash-2", format!("{who} deleted a line of {whom}")),
    };
    ActLine {
        icon,
        words,
        when: text::when(time, now, zone),
        exact: text::exact(time, zone),
        machine: text::machine(time),
    }
}

/// How often somebody may say something in a slow room.
fn every(seconds: i64) -> String {
    match seconds {
        60 => "every minute".into(),
        3_600 => "every hour".into(),
        _ if seconds % 60 == 0 => format!("every {} minutes", seconds / 60),
        _ => format!("every {}", text::count(seconds, "second", "seconds")),
    }
}

/// `until 14:20`, with the day where that is another one than that of the act.
fn until_words(until: DateTime<Utc>, time: DateTime<Utc>, zone: Tz) -> String {
    let clock = until.with_timezone(&zone).format("%H:%M");
    let day_of = |time: DateTime<Utc>| time.with_timezone(&zone).date_naive();
    if day_of(until) == day_of(time) {
        format!("until {clock}")
    } else {
        format!("until {}, {clock}", text::date(until, zone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_slow_a_room_is_stands_among_the_choices_whatever_it_is() {
        for seconds in [0, 7, 60, 3_600] {
            let choices = slow_choices(seconds);
            let chosen: Vec<i64> = choices
                .iter()
                .filter(|choice| choice.is_chosen)
                .map(|choice| choice.seconds)
                .collect();
            assert_eq!(chosen, [seconds]);
            assert!(choices.is_sorted_by_key(|choice| choice.seconds));
        }
    }

    #[test]
    fn the_log_tells_times_as_people_do() {
        assert_eq!(
            [7, 60, 300, 3_600].map(every),
            [
                "every 7 seconds",
                "every minute",
                "every 5 minutes",
                "every hour"
            ]
        );
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let words = |until| until_words(at(until), at("2026-07-03T21:30:00Z"), Tz::UTC);
        assert_eq!(words("2026-07-03T22:30:00Z"), "until 22:30");
        assert_eq!(words("2026-07-04T21:30:00Z"), "until 4 July 2026, 21:30");
    }
}
