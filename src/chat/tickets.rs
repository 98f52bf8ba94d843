//! Tickets: what lets somebody in who cannot show a cookie or a token at the handshake, once and within a minute.
//!
//! A program on another site, or a browser in which a token is kept by a script, asks for one over HTTP and opens the
//! socket with `?ticket=`. Only its hash is stored; the log of requests holds paths, never what stands after the
//! question mark.

use super::find_course;
use crate::app::App;
use crate::db::Write;
use crate::entities::{chat_ticket, user};
use crate::error::{Error, Result};
use crate::web::extract::Path;
use crate::web::identity::{Person, Student};
use crate::web::scopes::Scopes;
use crate::web::second_factor::load_person_within;
use crate::web::sessions;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
};
use serde_json::json;
use std::sync::Arc;

/// How long a ticket lasts.
const LIFETIME: TimeDelta = TimeDelta::seconds(60);

/// Most tickets of one person that were not used yet.
const MOST: u64 = 100;

/// `POST /chat/room/<course id>/ticket/`: `{"ticket": "...", "expires_in": 60}`.
pub async fn create(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
) -> Result<Response> {
    let course = find_course(&app, &person, id).await?;
    let ticket = app.clock.random_token();
    let write = app.write().await?;
    make_room(&app, &write, person.id).await?;
    let row = chat_ticket::ActiveModel {
        token_hash: Set(sessions::hash(&ticket)),
        user_id: Set(person.id),
        course_id: Set(course.id),
        session_id: Set(person.session_id),
        scopes: Set(person.scopes.map(|scopes| scopes.to_string())),
        credential_version: Set(person.credential_version),
        expires_at: Set(app.clock.now() + LIFETIME),
    };
    chat_ticket::Entity::insert(row)
        .exec_without_returning(&*write)
        .await?;
    write.commit().await?;
    let body = json!({ "ticket": ticket, "expires_in": LIFETIME.num_seconds() });
    let headers = [(CACHE_CONTROL, "private, no-store")];
    Ok((headers, axum::Json(body)).into_response())
}

/// Clears away tickets that are over, whosever they are.
///
/// # Errors
/// [`Error::TooMany`] when she has too many that are not.
async fn make_room(app: &App, write: &Write, user_id: i64) -> Result<()> {
    chat_ticket::Entity::delete_many()
        .filter(chat_ticket::Column::ExpiresAt.lte(app.clock.now()))
        .exec(&**write)
        .await?;
    let hers = chat_ticket::Entity::find().filter(chat_ticket::Column::UserId.eq(user_id));
    if hers.count(&**write).await? < MOST {
        return Ok(());
    }
    Err(Error::TooMany {
        message: "You have many tickets that were not used. Use one, or wait a minute.".into(),
        retry_after_seconds: LIFETIME.num_seconds().unsigned_abs(),
    })
}

/// Whom a ticket lets into a room. It is used up, also when she may not come in any more.
///
/// # Errors
/// [`Error::Forbidden`] for one that was used, is over, is for another room, or was asked for by somebody whose session
/// has ended or whose password has changed since. What she may is what she may now.
pub async fn redeem(app: &App, ticket: &str, course_id: i64) -> Result<Arc<Person>> {
    let refused = || Error::Forbidden("This ticket is not good any more. Ask for another one.");
    let hash = sessions::hash(ticket);
    let found = chat_ticket::Entity::find_by_id(&hash)
        .find_also_related(user::Entity)
        .one(app.db.read())
        .await?;
    let Some((row, Some(account))) = found else {
        return Err(refused());
    };
    let used = chat_ticket::Entity::delete_by_id(&hash);
    let used = used.exec(app.db.writer()).await?;
    let is_good = used.rows_affected == 1
        && row.course_id == course_id
        && row.expires_at > app.clock.now()
        && account.is_active
        && account.credential_version == row.credential_version;
    if !is_good {
        return Err(refused());
    }
    let mut person = load_person_within(app, account).await?;
    person.session_id = row.session_id;
    let person = match &row.scopes {
        Some(names) => person.by_key().within(Scopes::stored(names)),
        None => person,
    };
    if person.session_id.is_some() && !sessions::is_open(app, &person).await? {
        return Err(refused());
    }
    Ok(Arc::new(person))
}
