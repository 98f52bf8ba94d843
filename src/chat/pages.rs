//! The pages of rooms: one room, the list of hers, and what its moderators do.
//!
//! Lines as a page shows them stand in `drawn`, her rooms in `rooms`, forms and log of moderators in `moderate`. All of
//! it can be read, and moderated, without a script; what comes live is the business of `socket` and of the browser.

mod drawn;
pub mod moderate;
mod rooms;

use super::frames::Speaker;
use super::moderation::is_moderator;
use super::store::pages::{Page as Lines, Place as At, Spoken};
use super::store::{self, reads::View};
use super::{TEXT_LIMIT, find_course};
use crate::app::App;
use crate::entities::{chat_line, course, user};
use crate::error::Result;
use crate::learning;
use crate::media::Accepts;
use crate::web::extract::{Path, Query};
use crate::web::identity::{Person, Student};
use crate::web::shell::{Place, Shell, page};
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use drawn::{Drawn, Line, draw};
use moderate::{MUTES, SlowChoice, slow_choices};
pub(super) use rooms::{RoomEntry, list_rooms};
use sea_orm::EntityTrait as _;
use serde::Deserialize;

/// Lines on a page.
const LINES: u64 = 50;

/// Lines that a search shows.
const FOUND: u64 = 30;

/// Longest search, in characters; what comes after that is not looked for.
const QUERY_LIMIT: usize = 200;

#[derive(Template)]
#[template(path = "chat/room.html")]
struct RoomPage {
    shell: Shell,
    course: course::Model,
    /// Who teaches it.
    teacher: String,
    lesson_path: String,
    room_path: String,
    me: Me,
    is_moderator: bool,
    rooms: Vec<RoomEntry>,
    lines: Vec<Line>,
    has_older: bool,
    has_newer: bool,
    /// Number of what happened last when the page was drawn.
    last: i64,
    /// How far she has read, and how many lines came after that; none to who was never here.
    read: i64,
    unread: u64,
    /// When the last line was said that she has read.
    since: String,
    is_locked: bool,
    slow_choices: Vec<SlowChoice>,
    /// What is searched for, and what was found.
    query: String,
    found: Option<Found>,
    limit: usize,
    /// The largest picture, and what is taken for one.
    picture_max_bytes: u64,
    picture_types: &'static str,
    picture_hint: String,
}

impl RoomPage {
    fn first_id(&self) -> i64 {
        self.lines.first().map_or(0, |line| line.id)
    }

    fn last_id(&self) -> i64 {
        self.lines.last().map_or(0, |line| line.id)
    }

    /// On the way to what is new.
    fn unread_words(&self) -> String {
        let number = i64::try_from(self.unread).unwrap_or(i64::MAX);
        text::count(number, "new line", "new lines")
    }
}

/// Whose page it is, as her own lines show her.
struct Me {
    id: i64,
    username: String,
    name: String,
    initials: String,
    is_teacher: bool,
    /// In which zone she reads times.
    zone: &'static str,
}

/// Lines that hold what was searched for, newest first.
struct Found {
    lines: Vec<Line>,
    has_more: bool,
}

impl Found {
    fn words(&self) -> String {
        let number = i64::try_from(self.lines.len()).unwrap_or(i64::MAX);
        let lines = text::count(number, "line", "lines");
        match (number, self.has_more) {
            (0, _) => "No line has these words.".into(),
            (_, true) => format!("The newest {lines}. Add a word to find fewer."),
            (_, false) => lines,
        }
    }
}

/// What stands in the address of a room.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// Lines older than this one.
    before: Option<i64>,
    /// Lines newer than this one.
    after: Option<i64>,
    /// This line, with those around it.
    line: Option<i64>,
    /// Words to search for.
    q: Option<String>,
}

impl Asked {
    fn place(&self) -> At {
        match (self.line, self.before, self.after) {
            (Some(id), ..) => At::Around(id),
            (_, Some(id), _) => At::Before(id),
            (_, _, Some(id)) => At::After(id),
            _ => At::Newest,
        }
    }

    /// What is searched for, if anything is.
    fn query(&self) -> Option<String> {
        let query = self.q.as_deref()?;
        Some(query.trim().chars().take(QUERY_LIMIT).collect())
    }
}

/// `GET /chat/room/<course id>/`.
pub async fn show(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
    shell: Shell,
) -> Result<Response> {
    let course = find_course(&app, &person, id).await?;
    let (db, now) = (app.db.read(), app.clock.now());
    // First: what is said while the lines are read comes again over the socket, and stands there only once.
    let last = store::last(db, course.id).await?;
    let view = store::reads::view(db, now, course.id, person.id).await?;
    let spoken = store::pages::page(db, &course, asked.place(), LINES).await?;
    let since = last_read(&app, &course, &view).await?;
    let teacher = user::Entity::find_by_id(course.owner_id).one(db).await?;
    let drawn = Drawn {
        person: &person,
        now,
        // Who was never here finds nothing old, so nothing is new; and what is new may begin on an older page.
        read: since
            .as_ref()
            .filter(|_| !spoken.has_older || begins_by(&spoken, view.read))
            .map(|line| (view.read, line.created_at)),
    };
    page(&RoomPage {
        teacher: store::speaker(teacher.as_ref(), &course).name,
        lesson_path: learning::lesson_path(course.id, None, None),
        room_path: format!("/chat/room/{}/", course.id),
        me: me(&person, &course),
        is_moderator: is_moderator(&person, &course),
        rooms: list_rooms(&app, &person, Some(&course)).await?,
        lines: draw(&drawn, spoken.lines),
        has_older: spoken.has_older,
        has_newer: spoken.has_newer,
        last,
        read: view.read,
        unread: if view.read > 0 { view.unread } else { 0 },
        since: since.map_or_else(String::new, |line| text::machine(line.created_at)),
        is_locked: view.is_locked,
        slow_choices: slow_choices(view.slow_seconds),
        found: find(&app, &course, &asked, &drawn).await?,
        query: asked.query().unwrap_or_default(),
        limit: TEXT_LIMIT,
        picture_max_bytes: Accepts::Image.max_bytes(&app),
        picture_types: Accepts::Image.attribute(),
        picture_hint: Accepts::Image.sentence(&app),
        shell: shell.at(Place::MyCourses),
        course,
    })
}

/// Whether a page begins with this line or an older one.
fn begins_by(page: &Lines, id: i64) -> bool {
    page.lines
        .first()
        .is_some_and(|spoken| spoken.line.id <= id)
}

/// The last line that she has read, if it is still there.
async fn last_read(
    app: &App,
    course: &course::Model,
    view: &View,
) -> Result<Option<chat_line::Model>> {
    if view.read == 0 || view.unread == 0 {
        return Ok(None);
    }
    let before = At::Before(view.read.saturating_add(1));
    let page = store::pages::page(app.db.read(), course, before, 1).await?;
    Ok(page.lines.into_iter().next().map(|spoken| spoken.line))
}

/// What was searched for, newest first.
async fn find(
    app: &App,
    course: &course::Model,
    asked: &Asked,
    drawn: &Drawn<'_>,
) -> Result<Option<Found>> {
    let Some(query) = asked.query() else {
        return Ok(None);
    };
    let found = store::search::search(app.db.read(), course, &query, None, FOUND).await?;
    let lines: Vec<Spoken> = found.lines.into_iter().rev().collect();
    Ok(Some(Found {
        lines: draw(drawn, lines),
        has_more: found.has_older,
    }))
}

fn me(person: &Person, course: &course::Model) -> Me {
    let speaker = Speaker::new(
        person.id,
        &person.username,
        &person.name,
        course.owner_id == person.id,
    );
    Me {
        id: person.id,
        username: speaker.username,
        name: speaker.name,
        initials: speaker.initials,
        is_teacher: speaker.is_teacher,
        zone: person.time_zone.name(),
    }
}

#[derive(Template)]
#[template(path = "chat/list.html")]
struct RoomsPage {
    shell: Shell,
    rooms: Vec<RoomEntry>,
}

/// `GET /chat/`: her rooms.
pub async fn list(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
) -> Result<Response> {
    let rooms = list_rooms(&app, &person, None).await?;
    let shell = shell.at(Place::MyCourses);
    page(&RoomsPage { shell, rooms })
}
