//! The rooms in which somebody is, in this process: each hears the bus once for all who are in it.

use super::store::{self, Missed};
use super::writer::{Told, Writer, group_of};
use crate::app::App;
use crate::db::tag;
use crate::entities::course;
use crate::error::Result;
use crate::web::sessions::{self, AccountEvent};
use backends::bus::{Delivery, Subscription};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;

/// What waits for a slow reader, before she is told that she was too slow and reads the rest from the database.
const DEPTH: usize = 256;

/// Events of the bus that wait for a room.
const BUS_DEPTH: usize = 1_024;

/// Most of what was missed that is read for everybody at once.
const MOST_MISSED: u64 = 1_000;

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
    /// The room is closed.
    Over,
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
    open: Mutex<HashMap<i64, Weak<Room>>>,
}

/// A room with somebody in it. When the last one leaves, it stops listening.
pub struct Room {
    news: broadcast::Sender<News>,
    has_begun: watch::Receiver<bool>,
    listener: AbortHandle,
    course_id: i64,
    rooms: Weak<Inner>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.listener.abort();
        let Some(rooms) = self.rooms.upgrade() else {
            return;
        };
        let mut open = rooms.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have opened it again meanwhile.
        let is_gone = open
            .get(&self.course_id)
            .is_some_and(|room| room.strong_count() == 0);
        if is_gone {
            open.remove(&self.course_id);
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
}

impl Rooms {
    /// Of one site.
    pub fn new(app: &App) -> Self {
        Self(Arc::new(Inner {
            app: app.clone(),
            writer: OnceLock::new(),
            open: Mutex::default(),
        }))
    }

    /// Who writes what is said.
    pub fn writer(&self) -> &Writer {
        let app = &self.0.app;
        self.0.writer.get_or_init(|| Writer::start(app))
    }

    /// The room of this course, for as long as it is held.
    pub fn open(&self, course: &course::Model) -> Arc<Room> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = open.get(&course.id).and_then(Weak::upgrade) {
            return room;
        }
        let (news, _) = broadcast::channel(DEPTH);
        let app = &self.0.app;
        let listener = Listener {
            hers: app
                .bus
                .subscribe_with_depth(&group_of(course.id), BUS_DEPTH),
            accounts: app.bus.subscribe(sessions::GROUP),
            tags: app.bus.subscribe_with_depth(tag::GROUP, BUS_DEPTH),
            news: news.clone(),
            course: course.clone(),
            last: None,
            app: app.clone(),
        };
        let (begin, has_begun) = watch::channel(false);
        let room = Arc::new(Room {
            news,
            has_begun,
            listener: tokio::spawn(listener.run(begin)).abort_handle(),
            course_id: course.id,
            rooms: Arc::downgrade(&self.0),
        });
        open.insert(course.id, Arc::downgrade(&room));
        room
    }
}

/// Hears the bus for a room.
struct Listener {
    app: App,
    course: course::Model,
    hers: Subscription,
    accounts: Subscription,
    tags: Subscription,
    news: broadcast::Sender<News>,
    /// Everything up to this number was told; `None` while that is not known.
    last: Option<i64>,
}

impl Listener {
    async fn run(mut self, begin: watch::Sender<bool>) {
        // After the bus is listened to, and before anybody comes in.
        match store::last(self.app.db.read(), self.course.id).await {
            Ok(last) => self.last = Some(last),
            Err(error) => {
                tracing::warn!(%error, course = self.course.id, "what happened last in a room could not be read");
            }
        }
        begin.send_replace(true);
        loop {
            let news = tokio::select! {
                told = self.hers.recv() => match told {
                    Some(told) => self.tell(told).await,
                    None => Some(News::Over),
                },
                change = self.accounts.recv() => match change {
                    Some(change) => Some(News::Accounts(Arc::new(whose_account(&change)))),
                    None => Some(News::Over),
                },
                change = self.tags.recv() => match change {
                    Some(change) => self.look_at_tags(&change).await,
                    None => Some(News::Over),
                },
            };
            let is_over = matches!(news, Some(News::Over));
            if let Some(news) = news {
                // Nobody may be listening just now.
                let _ = self.news.send(news);
            }
            if is_over {
                return;
            }
        }
    }

    async fn tell(&mut self, delivery: Delivery) -> Option<News> {
        let told = match delivery {
            Delivery::Event(event) => event.decode::<Told>().ok(),
            Delivery::Lost => None,
        };
        let Some(told) = told else {
            return Some(self.read_missed().await);
        };
        match self.last {
            // It was read with what was missed.
            Some(last) if told.last <= last => None,
            // Another node was quicker, and is heard later.
            Some(last) if told.after != last => Some(self.read_missed().await),
            _ => {
                self.last = Some(told.last);
                Some(News::Told(Arc::new(told)))
            }
        }
    }

    /// What happened since the last that was told, from the database.
    async fn read_missed(&mut self) -> News {
        let Some(after) = self.last else {
            return News::Lost;
        };
        match store::missed(self.app.db.read(), &self.course, after, MOST_MISSED).await {
            Ok(Missed {
                frames,
                last,
                is_whole: true,
            }) => {
                self.last = Some(last);
                News::Told(Arc::new(Told {
                    after,
                    frames,
                    last,
                }))
            }
            Ok(Missed { last, .. }) => {
                self.last = Some(last);
                News::Lost
            }
            Err(error) => {
                tracing::warn!(%error, course = self.course.id, "what was missed in a room could not be read");
                self.last = None;
                News::Lost
            }
        }
    }

    /// Who came into the course or left it is told under her own tag; of the course, what matters is whose it is and
    /// whether it is a draft.
    async fn look_at_tags(&mut self, change: &Delivery) -> Option<News> {
        let Delivery::Event(event) = change else {
            return Some(rights(Whose::Everybody));
        };
        let Ok(grown) = event.decode::<tag::Grown>() else {
            return Some(rights(Whose::Everybody));
        };
        let this = tag::Tag::course(self.course.id).to_string();
        if grown.tags.contains_key(&this) {
            match self.look_at_course().await {
                Ok(Some(news)) => return Some(news),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, course = self.course.id, "the course of a room could not be read");
                    return Some(rights(Whose::Everybody));
                }
            }
        }
        let ids: BTreeSet<i64> = grown
            .tags
            .keys()
            .filter_map(|tag| tag.strip_prefix("studies:")?.parse().ok())
            .collect();
        (!ids.is_empty()).then(|| rights(Whose::These(ids)))
    }

    async fn look_at_course(&mut self) -> Result<Option<News>> {
        let Some(course) = super::writer::course_of(&self.app, self.course.id).await? else {
            return Ok(Some(News::Over));
        };
        let is_same =
            course.owner_id == self.course.owner_id && course.is_draft == self.course.is_draft;
        self.course = course;
        Ok((!is_same).then(|| rights(Whose::Everybody)))
    }
}

fn rights(whose: Whose) -> News {
    News::Rights(Arc::new(whose))
}

fn whose_account(change: &Delivery) -> Whose {
    match change {
        Delivery::Event(event) => match event.decode::<AccountEvent>() {
            Ok(AccountEvent::Changed { user_id }) => Whose::These(BTreeSet::from([user_id])),
            Err(_) => Whose::Everybody,
        },
        Delivery::Lost => Whose::Everybody,
    }
}
