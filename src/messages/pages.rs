//! The list of a person's messages, and dismissing them.

use super::stream::Asked;
use super::{MessageEvent, dismiss, dismiss_all, store};
use crate::app::App;
use crate::entities::message;
use crate::error::{Error, Result};
use crate::web::errors::prefers_json;
use crate::web::extract::Query;
use crate::web::form::Form;
use crate::web::identity::{Student, Visitor};
use crate::web::paging::Paging;
use crate::web::shell::{Banner, Shell, page};
use crate::web::{redirect, text};
use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

#[derive(Template)]
#[template(path = "messages/list.html")]
struct ListPage {
    shell: Shell,
    lines: Vec<Line>,
    paging: Paging,
    /// Number of the newest message on the page: "all" means up to it.
    newest_id: i64,
}

/// A message as a line of the list.
struct Line {
    message: message::Model,
    tone: &'static str,
    icon: &'static str,
    level_words: &'static str,
    ago: String,
    exact: String,
    machine: String,
}

impl Line {
    fn new(message: message::Model, now: DateTime<Utc>, zone: Tz) -> Self {
        let Banner { tone, icon, .. } = Banner::new(&message);
        Self {
            tone,
            icon,
            level_words: message.level.words(),
            ago: text::ago(message.created_at, now, zone),
            exact: text::exact(message.created_at, zone),
            machine: text::machine(message.created_at),
            message,
        }
    }
}

/// Which page of the list.
#[derive(Debug, Deserialize)]
pub struct PageAsked {
    page: Option<String>,
}

/// `/messages/`: all of them, newest first.
pub async fn list(
    State(app): State<App>,
    Student(person): Student,
    Query(asked): Query<PageAsked>,
    shell: Shell,
) -> Result<Response> {
    let number = asked.page.and_then(|page| page.parse().ok());
    let (paging, rows) = store::list(app.db.read(), person.id, number).await?;
    let newest_id = shell
        .unread
        .first()
        .into_iter()
        .chain(rows.first())
        .map(|row| row.id)
        .max()
        .unwrap_or(0);
    let now = app.clock.now();
    let lines = rows
        .into_iter()
        .map(|row| Line::new(row, now, person.time_zone))
        .collect();
    page(&ListPage {
        shell: shell.without_banners(),
        lines,
        paging,
        newest_id,
    })
}

/// `/messages/read/`: dismisses one. A script gets `OK`; a form that says where it stood (`next`)
/// leads back there.
pub async fn read(
    State(app): State<App>,
    Student(person): Student,
    headers: HeaderMap,
    form: Form,
) -> Result<Response> {
    let id = form.number("message_id").ok_or(Error::NotFound)?;
    let mut write = app.write().await?;
    dismiss(&mut write, person.id, id).await?;
    write.commit().await?;
    Ok(done(&headers, &form))
}

/// `/messages/read/all/`: dismisses everything up to the message `up_to`, the newest that the page
/// showed.
pub async fn read_all(
    State(app): State<App>,
    Student(person): Student,
    headers: HeaderMap,
    form: Form,
) -> Result<Response> {
    let up_to = form.number("up_to").ok_or_else(|| {
        Error::BadRequest("Which messages? Please reload the page and try again.".into())
    })?;
    let mut write = app.write().await?;
    dismiss_all(&mut write, person.id, up_to).await?;
    write.commit().await?;
    Ok(done(&headers, &form))
}

fn done(headers: &HeaderMap, form: &Form) -> Response {
    match redirect::local(form.get("next")) {
        Some(next) if !prefers_json(headers) => redirect::see_other(next),
        _ => "OK".into_response(),
    }
}

/// What a page that listens to another tab's stream asks for once: the state of her messages.
#[derive(Serialize)]
struct Unread {
    #[serde(flatten)]
    state: MessageEvent,
    messages: Vec<MessageEvent>,
}

/// `/messages/unread/?after=<id>`: which messages are unread, and those newer than `after`, in
/// the form of events.
pub async fn unread(
    State(app): State<App>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let person = asked.person_of(visitor)?;
    let db = app.db.read();
    let state = store::load_unread(db, person.id).await?;
    let MessageEvent::Unread { unread, to, .. } = state else {
        return Err(Error::internal("the state of messages is of another type"));
    };
    let rows = store::list_missed(db, person.id, asked.after.unwrap_or(to)).await?;
    let messages = rows
        .into_iter()
        .map(|row| store::event_of(row, unread))
        .collect();
    let headers = [(CACHE_CONTROL, "private, no-store")];
    Ok((headers, Json(Unread { state, messages })).into_response())
}
