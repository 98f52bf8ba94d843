//! `/admin/announcements/`: writing one, seeing how many get it, sending it, and what became of those before.

use super::store::{self, Choices};
use super::{NewAnnouncement, PATH, count, send, stop, with_readers};
use crate::admin::charts::number;
use crate::admin::jobs::rows::Time;
use crate::admin::site::Side;
use crate::app::App;
use crate::entities::announcement::{self, AnnouncementState, Audience};
use crate::error::{Error, Problems, Result};
use crate::web::extract::{Path, Query};
use crate::web::form::{FaultLine, Field, Form, fault_lines};
use crate::web::paging::Paging;
use crate::web::permissions::admin::STAFF;
use crate::web::shell::{Place, Shell, page, page_with};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

/// What stands in the field `audience` when the course is typed in another.
const TYPED: &str = "course";

/// Told of a course that was typed.
const NO_COURSE: &str = "No course has this address. Type it as it stands in the list of courses, for example first-steps.";

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
    /// The course, where it is typed.
    course: Field,
    choices: Choices,
    /// How many would be told: then only the word is missing.
    preview: Option<Preview>,
    rows: Vec<Row>,
    paging: Paging,
    told: Option<&'static str>,
}

/// What would be sent.
struct Preview {
    count: String,
    whom: String,
    /// As the field `audience` says it, with the number of the course or group.
    audience: String,
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
    page: Option<String>,
}

/// GET `/admin/announcements/?page=`.
pub async fn show(
    State(app): State<App>,
    side: Side,
    shell: Shell,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    side.require(STAFF)?;
    let told = match asked.done.as_deref().filter(|_| side.is_told) {
        Some("sent") => {
            Some("It is on its way: open pages show it at once, all others when they are opened.")
        }
        Some("stopped") => Some("It is stopped. Whoever was told stays told."),
        _ => None,
    };
    let number = asked.page.as_deref().and_then(|page| page.parse().ok());
    let (form, problems) = (Form::default(), Problems::new());
    let mut drawn = draw(&app, side, shell, (&form, &problems), number).await?;
    drawn.told = told;
    page(&drawn)
}

/// POST `/admin/announcements/`, fields `audience`, `text`, `link`: tells how many would get it; with `sure=yes`, sends
/// it. Where there are many courses `audience` is `course`, and the field `course` says which.
pub async fn write(
    State(app): State<App>,
    side: Side,
    shell: Shell,
    form: Form,
) -> Result<Response> {
    side.require(STAFF)?;
    let new = match read(&app, &form).await {
        Ok(new) => new,
        Err(Error::Invalid(problems)) => {
            let drawn = draw(&app, side, shell, (&form, &problems), None).await?;
            return page_with(StatusCode::UNPROCESSABLE_ENTITY, &drawn);
        }
        Err(error) => return Err(error),
    };
    if form.text("sure") == "yes" {
        let by = side.by(&app);
        let id = send(&app, &side.person, &by, &new).await?;
        tracing::info!(by = by.name, announcement = id, "an announcement was sent");
        return side.lead(&app, &format!("{PATH}?done=sent"));
    }
    let preview = Preview {
        count: match count(&app, &new).await? {
            1 => "1 person".into(),
            many => format!("{} people", number(many as f64)),
        },
        whom: whom(new.audience, new.audience_name.as_deref()),
        audience: new.audience_text(),
    };
    let mut drawn = draw(&app, side, shell, (&form, &Problems::new()), None).await?;
    drawn.preview = Some(preview);
    page(&drawn)
}

/// What was typed; all faults at once.
async fn read(app: &App, form: &Form) -> Result<NewAnnouncement> {
    let (text, link) = (form.get("text"), form.get("link"));
    let chosen = form.text("audience");
    if chosen != TYPED {
        return NewAnnouncement::read(app, chosen, text, link).await;
    }
    let found = store::find_course(app.db.read(), form.text("course")).await?;
    let audience = found.map_or_else(String::new, |id| format!("{TYPED}:{id}"));
    let read = NewAnnouncement::read(app, &audience, text, link).await;
    read.map_err(|error| match error {
        Error::Invalid(mut problems) if !problems.at("audience").is_empty() => {
            problems.retain(|field| field != "audience");
            problems.add("course", NO_COURSE);
            Error::Invalid(problems)
        }
        other => other,
    })
}

/// POST `/admin/announcements/<id>/stop/`.
pub async fn halt(State(app): State<App>, side: Side, Path(id): Path<i64>) -> Result<Response> {
    side.require(STAFF)?;
    let by = side.by(&app);
    stop(&app, &by, id).await?;
    tracing::info!(
        by = by.name,
        announcement = id,
        "an announcement was stopped"
    );
    side.lead(&app, &format!("{PATH}?done=stopped"))
}

async fn draw(
    app: &App,
    side: Side,
    shell: Shell,
    (form, problems): (&Form, &Problems),
    number: Option<u64>,
) -> Result<AnnouncementsPage> {
    let choices = store::choices(app.db.read()).await?;
    let now = app.clock.now();
    let (paging, rows) = store::list(app.db.read(), number).await?;
    let rows = with_readers(app, rows).await?.into_iter();
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
        course: field("course"),
        choices,
        preview: None,
        rows: rows.collect(),
        paging,
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
