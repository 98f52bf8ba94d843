//! Who comes into a room over a socket: the handshake (RFC 6455, section 4), and what she may do while she is there.

use super::end::{End, code};
use super::find_course;
use super::frames::{Asked, Speaker};
use super::rooms::Rooms;
use super::socket::Talk;
use super::writer::{self, NewLine};
use crate::app::App;
use crate::entities::{course, user};
use crate::error::{Error, Result};
use crate::web::csrf::check_origin;
use crate::web::extract::Query;
use crate::web::identity::{Person, Visitor};
use crate::web::sessions;
use crate::web::streams::OpenStream;
use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sea_orm::EntityTrait as _;
use serde::Deserialize;
use std::sync::Arc;

/// Largest frame and message. 4,000 characters and what JSON puts around them fit.
const MESSAGE_LIMIT_BYTES: usize = 64 * 1024;

/// The default of 128 kB would be most of what ten thousand quiet sockets need.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// What is sent at once, before it is flushed.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// How much may wait in one socket's buffer: a page of what was missed.
const WRITE_LIMIT_BYTES: usize = 32 * 1024 * 1024;

/// Something that she asked for: what she calls it, and the number of her line when it is one.
pub type Underway = BoxFuture<'static, (Option<String>, Result<Option<i64>>)>;

/// What a client asks for at the handshake.
#[derive(Clone, Debug, Deserialize)]
pub struct Wanted {
    /// `2` for clients that know types of frames.
    v: Option<String>,
    /// The last number that it has seen.
    pub after: Option<i64>,
}

impl Wanted {
    /// Whether the client knows types of frames.
    pub fn knows_types(&self) -> bool {
        self.v.as_deref() == Some("2")
    }
}

/// `/ws/chat/room/<course id>/`.
pub async fn enter(
    State(app): State<App>,
    Extension(rooms): Extension<Rooms>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response> {
    check_origin(&app, &headers)?;
    let person = visitor.0.ok_or_else(Error::forbidden)?;
    let id = id.parse().map_err(|_| Error::forbidden())?;
    let course = find_course(&app, &person, id).await?;
    let upgrade = upgrade.map_err(|_| {
        Error::BadRequest("This address is for WebSockets (RFC 6455), version 13.".into())
    })?;
    let place = app.streams.open(person.id)?;
    let visit = Visit {
        app,
        rooms,
        course,
        person,
        wanted,
        _place: place,
    };
    Ok(upgrade
        .max_message_size(MESSAGE_LIMIT_BYTES)
        .max_frame_size(MESSAGE_LIMIT_BYTES)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_LIMIT_BYTES)
        .on_upgrade(|socket| Box::pin(Talk::hold(visit, socket))))
}

/// Somebody who comes into a room.
pub struct Visit {
    pub app: App,
    pub rooms: Rooms,
    pub course: course::Model,
    pub person: Arc<Person>,
    pub wanted: Wanted,
    _place: OpenStream,
}

impl Visit {
    /// Does what she asks for; answers the number of her line.
    pub fn act(&self, asked: Asked) -> Underway {
        let (app, course) = (self.app.clone(), self.course.clone());
        let person = (self.person.id, self.is_moderator());
        match asked {
            Asked::Say { text, client_id } => {
                let writer = self.rooms.writer().clone();
                let line = NewLine {
                    course_id: course.id,
                    speaker: self.speaker(),
                    text,
                    client_id: client_id.clone(),
                };
                async move { (client_id, writer.say(line).await.map(Some)) }.boxed()
            }
            Asked::Edit { id, text } => async move {
                let done = writer::change(&app, &course, person, id, Some(text)).await;
                (None, done.map(|()| None))
            }
            .boxed(),
            Asked::Delete { id } => async move {
                let done = writer::change(&app, &course, person, id, None).await;
                (None, done.map(|()| None))
            }
            .boxed(),
        }
    }

    /// Whether she may still be here, when news of her may have been missed.
    pub async fn look_again(&self) -> Result<(), End> {
        self.look_at_account().await?;
        self.look_at_rights().await
    }

    /// Whether she is still who she was at the handshake. Who may do other things now comes in anew.
    pub async fn look_at_account(&self) -> Result<(), End> {
        if self.person.session_id.is_none() {
            let words = "Come back, and say again who you are.";
            return Err(End::Close(code::RESTART, words));
        }
        let is_open = sessions::is_open(&self.app, &self.person).await;
        if !is_open.map_err(|error| End::from(&error))? {
            return Err(End::Close(code::FORBIDDEN, "You have been logged out."));
        }
        let account = user::Entity::find_by_id(self.person.id);
        let account = account.one(self.app.db.read()).await;
        let account = account.map_err(|error| End::from(&Error::from(error)))?;
        if account.is_some_and(|now| now.credential_version == self.person.credential_version) {
            Ok(())
        } else {
            let words = "What you may do has changed. Come back.";
            Err(End::Close(code::RESTART, words))
        }
    }

    /// Whether she may still be here.
    pub async fn look_at_rights(&self) -> Result<(), End> {
        match find_course(&self.app, &self.person, self.course.id).await {
            Ok(_) => Ok(()),
            Err(Error::Forbidden(_)) => Err(End::Close(
                code::FORBIDDEN,
                "You are no longer in this course.",
            )),
            Err(error) => Err(End::from(&error)),
        }
    }

    fn is_moderator(&self) -> bool {
        self.person.is_staff || self.course.owner_id == self.person.id
    }

    fn speaker(&self) -> Speaker {
        let is_teacher = self.course.owner_id == self.person.id;
        let person = &self.person;
        Speaker::new(person.id, &person.username, &person.name, is_teacher)
    }
}
