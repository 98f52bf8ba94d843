//! `/admin/announcements/`: writing one, seeing how many get it, sending it, and what became of those before.

use super::{NewAnnouncement, PATH, count, list, send, stop, store};
use crate::admin::charts::number;
use crate::admin::jobs::rows::Time;
use crate::admin::site::Side;
use crate::app::App;
use crate::entities::announcement::{self, AnnouncementState, Audience};
use crate::error::{Error, Problems, Result};
use crate::web::audit::{By, Via};
use crate::web::extract::{Path, Query};
use crate::web::form::{FaultLine, Field, Form, fault_lines};
use crate::web::permissions::admin::STAFF;
use crate::web::redirect;
use crate::web::shell::{Place, Shell, page, page_with};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

/// So many are shown, the newest first.
const SHOWN: u64 = 100;

/// So many courses stand in the list to choose from.
const COURSES: u64 = 500;

/// The page.
#[derive(Template)]
#[template(path = "admin/announcements.html")]
struct AnnouncementsPage {
    shell: Shell,
    side: Side,
    faults: Vec<FaultLine>,
    text: Field,
    link: Field,
    audience: Field,
    courses: Vec<(String, String)>,
    groups: Vec<(String, String)>,
    /// How many would be told: then only the word is missing.
    preview: Option<Preview>,
    rows: Vec<Row>,
    told: Option<&'static str>,
}

/// What would be sent.
struct Preview {
    count: String,
    whom: String,
}

/// An announcement.
struct Row {
    id: i64,
    text: String,
    link: String,
    whom: String,
    by: String,
    when: Time,
    tone: &'static str,
    icon: &'static str,
    words: String,
    read: String,
    may_stop: bool,
}

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    done: Option<String>,
}

/// GET `/admin/announcements/`.
pub async fn show(
    State(app): State<App>,
    side: Side,
    shell: Shell,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    side.require(STAFF)?;
    let told = match asked.done.as_deref() {
        Some("sent") => {
            Some("It is on its way: open pages show it at once, all others when they are opened.")
        }
        Some("stopped") => Some("It is stopped. Whoever was told stays told."),
        _ => None,
    };
    let problems = Problems::new();
    let mut drawn = draw(&app, side, shell, &Form::from_pairs(Vec::new()), &problems).await?;
    drawn.told = told;
    page(&drawn)
}

/// POST `/admin/announcements/`, fields `audience`, `text`, `link`: tells how many would get it; with `sure=yes`, sends
/// it.
pub async fn write(
    State(app): State<App>,
    side: Side,
    shell: Shell,
    form: Form,
) -> Result<Response> {
    side.require(STAFF)?;
    let read = NewAnnouncement::read(
        &app,
        form.text("audience"),
        form.get("text"),
        form.get("link"),
    );
    let new = match read.await {
        Ok(new) => new,
        Err(Error::Invalid(problems)) => {
            let drawn = draw(&app, side, shell, &form, &problems).await?;
            return page_with(StatusCode::UNPROCESSABLE_ENTITY, &drawn);
        }
        Err(error) => return Err(error),
    };
    if form.text("sure") == "yes" {
        let by = by(&app, &side);
        let id = send(&app, &side.person, &by, &new).await?;
        tracing::info!(by = by.name, announcement = id, "an announcement was sent");
        return Ok(redirect::see_other(&format!("{PATH}?done=sent")));
    }
    let preview = Preview {
        count: match count(&app, &new).await? {
            1 => "1 person".into(),
            many => format!("{} people", number(many as f64)),
        },
        whom: whom(new.audience, new.audience_name.as_deref()),
    };
    let mut drawn = draw(&app, side, shell, &form, &Problems::new()).await?;
    drawn.preview = Some(preview);
    page(&drawn)
}

/// POST `/admin/announcements/<id>/stop/`.
pub async fn halt(State(app): State<App>, side: Side, Path(id): Path<i64>) -> Result<Response> {
    side.require(STAFF)?;
    let by = by(&app, &side);
    stop(&app, &by, id).await?;
    tracing::info!(
        by = by.name,
        announcement = id,
        "an announcement was stopped"
    );
    Ok(redirect::see_other(&format!("{PATH}?done=stopped")))
}

/// Who does it, for the log.
fn by(app: &App, side: &Side) -> By {
    By::person(&side.person, Via::Admin, side.address, app.clock.now())
}

async fn draw(
    app: &App,
    side: Side,
    shell: Shell,
    form: &Form,
    problems: &Problems,
) -> Result<AnnouncementsPage> {
    let (courses, groups) = store::choices(app.db.read(), COURSES).await?;
    let now = app.clock.now();
    let rows = list(app, SHOWN).await?.into_iter();
    let rows = rows.map(|(found, read)| {
        let when = Time::of(found.created_at, now, &side.person);
        row(found, read, when)
    });
    let field = |name: &str| Field::new(name, form.get(name), problems);
    Ok(AnnouncementsPage {
        shell: shell.at(Place::Admin),
        faults: fault_lines(problems),
        text: field("text"),
        link: field("link"),
        audience: field("audience"),
        courses,
        groups,
        preview: None,
        rows: rows.collect(),
        told: None,
        side,
    })
}

fn whom(audience: Audience, name: Option<&str>) -> String {
    match (audience, name) {
        (Audience::Everybody, _) => "everybody".into(),
        (Audience::Course, name) => format!("the course {}", name.unwrap_or("")),
        (Audience::Group, name) => format!("the group {}", name.unwrap_or("")),
    }
}

fn row(found: announcement::Model, read: u64, when: Time) -> Row {
    let (tone, icon, words) = match found.state {
        AnnouncementState::Sending => (
            "",
            "loader-circle",
            format!("{} of {} told", found.told, found.expected),
        ),
        AnnouncementState::Sent => ("ok", "circle-check", format!("{} told", found.told)),
        AnnouncementState::Stopped => (
            "warn",
            "circle-stop",
            format!("stopped, {} of {} told", found.told, found.expected),
        ),
    };
    Row {
        id: found.id,
        whom: whom(found.audience, found.audience_name.as_deref()),
        text: found.text,
        link: found.link,
        by: found.author_name,
        when,
        tone,
        icon,
        words,
        read: format!("{} have read it", number(read as f64)),
        may_stop: found.state == AnnouncementState::Sending,
    }
}
