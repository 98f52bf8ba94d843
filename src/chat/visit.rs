//! Who comes into a room over a socket: the handshake (RFC 6455, section 4), and what she may do while she is there.

use super::asked::Asked;
use super::editing::{self, Editor};
use super::end::{End, code};
use super::frames::Speaker;
use super::places::Taken;
use super::refusal::Refusal;
use super::rooms::Rooms;
use super::socket::Talk;
use super::writer::NewLine;
use super::{find_course, moderation, tickets};
use crate::app::App;
use crate::entities::{course, user};
use crate::error::{Error, Result};
use crate::web::csrf::check_origin;
use crate::web::extract::Query;
use crate::web::headers::address_in;
use crate::web::identity::{Person, Visitor};
use crate::web::metrics::Open;
use crate::web::second_factor::load_person_within;
use crate::web::sessions;
use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, State};
use axum::http::{Extensions, HeaderMap};
use axum::response::Response;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sea_orm::EntityTrait as _;
use serde::Deserialize;
use std::sync::Arc;

/// A few lines. The default of 128 kB would be most of what ten thousand quiet sockets need; a longer frame makes its own room.
const READ_BUFFER_BYTES: usize = 2 * 1024;

/// What is sent at once, before it is flushed.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// How much may wait in one socket's buffer: a page of what was missed.
const WRITE_LIMIT_BYTES: usize = 32 * 1024 * 1024;

/// What became of something that she asked for: what she calls it, and the number of her line when it is one.
pub type Done = (Option<String>, Result<Option<i64>, Refusal>);

/// Something that she asked for and that is on its way.
pub type Underway = BoxFuture<'static, Done>;

/// What a client asks for at the handshake. Not `Debug`: a ticket is a secret.
#[derive(Clone, Deserialize)]
pub struct Wanted {
    /// `2` for clients that know types of frames.
    v: Option<String>,
    /// The last number that it has seen.
    after: Option<i64>,
    /// What lets in who cannot show a cookie or a token.
    ticket: Option<String>,
}

impl Wanted {
    /// Whether the client knows types of frames.
    pub fn knows_types(&self) -> bool {
        self.v.as_deref() == Some("2")
    }
}

/// `/ws/chat/room/<course id>/`.
#[expect(
    clippy::too_many_arguments,
    reason = "a handshake is made of many parts"
)]
pub async fn enter(
    State(app): State<App>,
    Extension(rooms): Extension<Rooms>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    known: Extensions,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response> {
    check_origin(&app, &headers)?;
    let id = id.parse().map_err(|_| Error::forbidden())?;
    if visitor.0.is_none() && wanted.ticket.is_none() {
        return Err(Error::forbidden());
    }
    // Before a ticket is used up.
    let Ok(upgrade) = upgrade else {
        return Err(no_handshake(&app, visitor, id).await);
    };
    let person = match &wanted.ticket {
        Some(ticket) => tickets::redeem(&app, ticket, id).await?,
        None => visitor.0.ok_or_else(Error::forbidden)?,
    };
    let course = find_course(&app, &person, id).await?;
    let place = rooms
        .places()
        .take(&app.config, person.id, address_in(&known))?;
    let limit = usize::try_from(app.config.chat_frame_max_bytes).unwrap_or(usize::MAX);
    let visit = Visit {
        speaker: Arc::new(speaker(&person, &course)),
        course: Arc::new(course),
        knows_types: wanted.knows_types(),
        after: wanted.after,
        _place: (place, app.traffic.opened()),
        app,
        rooms,
        person,
    };
    Ok(upgrade
        .max_message_size(limit)
        .max_frame_size(limit)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_LIMIT_BYTES)
        .on_upgrade(|socket| Box::pin(Talk::hold(visit, socket))))
}

/// What somebody is told who asks for a socket as for a page: who may not come in learns nothing more.
async fn no_handshake(app: &App, visitor: Visitor, id: i64) -> Error {
    let Some(person) = visitor.0 else {
        return Error::forbidden();
    };
    match find_course(app, &person, id).await {
        Ok(_) => Error::BadRequest("This address is for WebSockets (RFC 6455), version 13.".into()),
        Err(error) => error,
    }
}

fn speaker(person: &Person, course: &course::Model) -> Speaker {
    let is_teacher = course.owner_id == person.id;
    Speaker::new(person.id, &person.username, &person.name, is_teacher)
}

/// Somebody who comes into a room.
pub struct Visit {
    pub app: App,
    pub rooms: Rooms,
    pub course: Arc<course::Model>,
    pub person: Arc<Person>,
    /// As others see her.
    pub speaker: Arc<Speaker>,
    /// Whether her client knows types of frames.
    pub knows_types: bool,
    /// The last number that it has seen.
    pub after: Option<i64>,
    _place: (Taken, Open),
}

impl Visit {
    /// Does what she asks for; answers the number of her line.
    pub fn act(&self, asked: Asked) -> Underway {
        let (app, course) = (self.app.clone(), Arc::clone(&self.course));
        let person = Arc::clone(&self.person);
        let editor = Editor {
            speaker: Arc::clone(&self.speaker),
            is_moderator: self.is_moderator(),
        };
        match asked {
            Asked::Say {
                text,
                client_id,
                reply_to,
                pictures,
            } => {
                let writer = self.rooms.writer().clone();
                let line = NewLine {
                    course_id: course.id,
                    is_moderator: editor.is_moderator,
                    speaker: editor.speaker,
                    text,
                    client_id: client_id.clone(),
                    reply_to,
                    pictures,
                };
                async move { (client_id, writer.say(line).await.map(Some)) }.boxed()
            }
            asked => async move {
                let done = change(&app, &course, &person, &editor, asked).await;
                (None, done.map(|()| None))
            }
            .boxed(),
        }
    }

    /// Whether she may still be here, when news of her may have been missed.
    pub async fn look_again(&mut self) -> Result<(), End> {
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
        let now = match account {
            Some(account) => load_person_within(&self.app, account).await.map(Some),
            None => Ok(None),
        };
        let now = now.map_err(|error| End::from(&error))?;
        if now.is_some_and(|now| self.is_still(&now)) {
            Ok(())
        } else {
            let words = "What you may do has changed. Come back.";
            Err(End::Close(code::RESTART, words))
        }
    }

    /// Whether she has the password and the rights of the handshake.
    fn is_still(&self, now: &Person) -> bool {
        now.credential_version == self.person.credential_version
            && now.is_staff == self.person.is_staff
    }

    /// Whether she may still be here, and whether she still teaches what she taught.
    pub async fn look_at_rights(&mut self) -> Result<(), End> {
        match find_course(&self.app, &self.person, self.course.id).await {
            Ok(course) => {
                if course.owner_id != self.course.owner_id {
                    self.speaker = Arc::new(speaker(&self.person, &course));
                    self.course = Arc::new(course);
                }
                Ok(())
            }
            Err(Error::Forbidden(_)) => Err(End::Close(
                code::FORBIDDEN,
                "You are no longer in this course.",
            )),
            Err(error) => Err(End::from(&error)),
        }
    }

    /// Whether what holds in the room does not hold for her.
    pub fn is_moderator(&self) -> bool {
        moderation::is_moderator(&self.person, &self.course)
    }
}

/// Whatever else than a line can be asked for.
async fn change(
    app: &App,
    course: &course::Model,
    person: &Person,
    editor: &Editor,
    asked: Asked,
) -> Result<(), Refusal> {
    match asked {
        Asked::Edit { id, text } => editing::edit(app, course, editor, id, text).await,
        Asked::Delete { id } => editing::delete(app, course, editor, id).await,
        Asked::Mute { user_id, minutes } => {
            Ok(moderation::mute(app, person, course, user_id, minutes).await?)
        }
        Asked::Lock { is_locked } => Ok(moderation::lock(app, person, course, is_locked).await?),
        Asked::Slow { seconds } => Ok(moderation::slow(app, person, course, seconds).await?),
        // They are done without a wait, where they are heard.
        Asked::Say { .. } | Asked::Typing | Asked::Read { .. } => Ok(()),
    }
}
