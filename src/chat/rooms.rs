//! The rooms in which somebody is, in this process: each hears the bus once for all who are in it (`listener`).

use super::frames::{Answer, Speaker, datetime};
use super::listener::Listener;
use super::people::People;
use super::places::Places;
use super::presence::Round;
use super::reads::Reads;
use super::store::acts::Rules;
use super::store::reads::Position;
use super::unread::Unread;
use super::writer::{Told, Writer};
use crate::app::App;
use crate::entities::course;
use crate::error::Result;
use axum::extract::ws::Utf8Bytes;
use chrono::{DateTime, Utc};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;

/// What waits for a slow reader, before she is told that she was too slow and reads the rest from the database.
const DEPTH: usize = 256;

/// What everybody in a room hears.
#[derive(Clone, Debug)]
pub enum News {
    /// Something was said, changed or deleted.
    Told(Arc<Told>),
    /// Something may have been missed that is too much to be told again: let each see what she lacks.
    Lost,
    /// These people, or everybody, may no longer be in the course.
    Rights(Arc<Whose>),
    /// Sessions of these people may have ended, or what they may do has changed.
    Accounts(Arc<Whose>),
    /// Who is in the room.
    Round(Arc<Round>),
    /// Somebody is writing: who, and the frame.
    Typing(i64, Utf8Bytes),
    /// How far people have read.
    Reads(Arc<HashMap<i64, i64>>),
    /// Something holds in the room that did not, for these people.
    Rules(Arc<Holding>, Whose),
    /// Time to see whether those are there whose turn it is.
    Beat(u8),
    /// The room is closed.
    Over,
}

/// What holds in a room, with the frame for all whom it concerns alike.
#[derive(Debug)]
pub struct Holding {
    rules: Rules,
    frame: Utf8Bytes,
}

impl Holding {
    /// These rules, encoded once.
    pub fn new(rules: Rules) -> Self {
        let frame = Answer::Room {
            is_locked: rules.is_locked,
            slow_seconds: rules.slow_seconds,
            muted_until: None,
            reading: None,
        };
        Self {
            frame: frame.text(),
            rules,
        }
    }

    /// The rules themselves.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Until when she may not write.
    pub fn muted_until(&self, user_id: i64, now: DateTime<Utc>) -> Option<String> {
        let until = self.rules.muted.get(&user_id).filter(|until| **until > now);
        until.copied().map(datetime)
    }

    /// The frame that tells her.
    pub fn frame_for(&self, user_id: i64, now: DateTime<Utc>) -> Utf8Bytes {
        match self.muted_until(user_id, now) {
            None => self.frame.clone(),
            muted_until => Answer::Room {
                is_locked: self.rules.is_locked,
                slow_seconds: self.rules.slow_seconds,
                muted_until,
                reading: None,
            }
            .text(),
        }
    }
}

/// Whose rights are to be looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of everybody in the room.
    Everybody,
    /// Of these accounts.
    These(BTreeSet<i64>),
}

impl Whose {
    /// Whether she is meant.
    pub fn is(&self, user_id: i64) -> bool {
        match self {
            Self::Everybody => true,
            Self::These(ids) => ids.contains(&user_id),
        }
    }
}

/// All rooms; clones share them.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

struct Inner {
    app: App,
    writer: OnceLock<Writer>,
    reads: Reads,
    unread: Unread,
    places: Places,
    open: Mutex<HashMap<i64, Weak<Room>>>,
}

/// A room with somebody in it. When the last one leaves, it stops listening.
pub struct Room {
    news: broadcast::Sender<News>,
    has_begun: watch::Receiver<bool>,
    listener: AbortHandle,
    course: Arc<course::Model>,
    rooms: Weak<Inner>,
    people: Arc<People>,
    holding: Arc<RwLock<Arc<Holding>>>,
}

/// Somebody's stay in a room, with one socket; it ends when this is dropped.
pub struct Stay {
    room: Arc<Room>,
    user_id: i64,
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.room.people.leave(self.user_id);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.listener.abort();
        self.people.end();
        let Some(rooms) = self.rooms.upgrade() else {
            return;
        };
        let mut open = rooms.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have opened it again meanwhile.
        let is_gone = open
            .get(&self.course.id)
            .is_some_and(|room| room.strong_count() == 0);
        if is_gone {
            open.remove(&self.course.id);
        }
    }
}

impl Room {
    /// Hears what happens from now on, without a hole: from when the room knows what happened last.
    pub async fn listen(&self) -> broadcast::Receiver<News> {
        // Whoever should have said so has ended: then the receiver says it.
        let _ = self
            .has_begun
            .clone()
            .wait_for(|has_begun| *has_begun)
            .await;
        self.news.subscribe()
    }

    /// The course, as it was when the room was opened.
    pub fn course(&self) -> &Arc<course::Model> {
        &self.course
    }

    /// Who is in it.
    pub fn people(&self) -> &People {
        &self.people
    }

    /// What holds in it now.
    pub fn holding(&self) -> Arc<Holding> {
        let holding = self.holding.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&holding)
    }

    /// Somebody comes in.
    pub fn enter(self: Arc<Self>, face: &Arc<Speaker>) -> Stay {
        self.people.enter(face);
        Stay {
            user_id: face.id.unwrap_or_default(),
            room: self,
        }
    }
}

impl Stay {
    /// Where she is.
    pub fn room(&self) -> &Room {
        &self.room
    }
}

impl Rooms {
    /// Of one site.
    pub fn new(app: &App) -> Self {
        Self(Arc::new(Inner {
            app: app.clone(),
            writer: OnceLock::new(),
            reads: Reads::new(app),
            unread: Unread::new(app),
            places: Places::default(),
            open: Mutex::default(),
        }))
    }

    /// Who writes what is said.
    pub fn writer(&self) -> &Writer {
        let app = &self.0.app;
        self.0.writer.get_or_init(|| Writer::start(app))
    }

    /// How many sockets are open.
    pub fn places(&self) -> &Places {
        &self.0.places
    }

    /// What people have not read, for their open pages.
    pub fn unread(&self) -> &Unread {
        &self.0.unread
    }

    /// Notes that somebody has read the room of a course up to a line. It is stored with what others have read, within
    /// about a second.
    pub fn note_read(&self, user_id: i64, course_id: i64, line_id: i64) {
        self.0.reads.note(Position {
            user_id,
            course_id,
            line_id,
        });
    }

    /// Stores at once that somebody has read the room of a course up to a line.
    pub async fn set_read(&self, user_id: i64, course_id: i64, line_id: i64) -> Result<()> {
        let position = Position {
            user_id,
            course_id,
            line_id,
        };
        self.0.reads.set(position).await
    }

    /// The room of this course, for as long as it is held.
    pub fn open(&self, course: &Arc<course::Model>) -> Arc<Room> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = open.get(&course.id).and_then(Weak::upgrade) {
            return room;
        }
        let (news, _) = broadcast::channel(DEPTH);
        let app = &self.0.app;
        let people = Arc::new(People::new(app, course.id));
        let holding = Arc::new(RwLock::new(Arc::new(Holding::new(Rules::default()))));
        let listener = Listener::new(app, course, (news.clone(), &people, &holding));
        let (begin, has_begun) = watch::channel(false);
        let room = Arc::new(Room {
            news,
            has_begun,
            listener: tokio::spawn(listener.run(begin)).abort_handle(),
            course: Arc::clone(course),
            rooms: Arc::downgrade(&self.0),
            people,
            holding,
        });
        open.insert(course.id, Arc::downgrade(&room));
        room
    }
}
