//! Hears the bus for a room, once for all who are in it, and tells them.

use super::moderation;
use super::people::{self, People};
use super::reads;
use super::rooms::{Holding, News, Whose};
use super::store::{self, Missed, acts};
use super::writer::{Told, group_of};
use crate::app::App;
use crate::db::tag;
use crate::entities::course;
use crate::error::Result;
use crate::web::sessions::{self, AccountEvent};
use backends::bus::{Delivery, Subscription};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

/// Events of the bus that wait for a room.
const BUS_DEPTH: usize = 1_024;

/// Most of what was missed that is read for everybody at once.
const MOST_MISSED: u64 = 1_000;

/// Clients are told at most so often who is there.
const ROUND: Duration = Duration::from_secs(1);

/// Each client is asked whether it is there at one of so many beats, so that not all are asked at once.
pub const BEATS: u8 = 8;

/// What a room and its listener share.
pub type Shared<'a> = (
    broadcast::Sender<News>,
    &'a Arc<People>,
    &'a Arc<RwLock<Arc<Holding>>>,
);

/// Hears the bus for a room.
pub struct Listener {
    app: App,
    course: Arc<course::Model>,
    hers: Subscription,
    live: Subscription,
    reads: Subscription,
    rules: Subscription,
    accounts: Subscription,
    tags: Subscription,
    news: broadcast::Sender<News>,
    people: Arc<People>,
    holding: Arc<RwLock<Arc<Holding>>>,
    beats: Interval,
    beat: u8,
    /// When clients may be told again who is there.
    round_at: Instant,
    /// Somebody came or went.
    has_changed: bool,
    /// Everything up to this number was told; `None` while that is not known.
    last: Option<i64>,
}

impl Listener {
    /// Of a room that opens. It hears from now on.
    pub fn new(app: &App, course: &Arc<course::Model>, shared: Shared<'_>) -> Self {
        let (news, people, holding) = shared;
        let deep = |group: &str| app.bus.subscribe_with_depth(group, BUS_DEPTH);
        let id = course.id;
        let every = ping_every(app) / u32::from(BEATS);
        let mut beats = interval(every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            hers: deep(&group_of(id)),
            live: deep(&people::group_of(id)),
            reads: deep(&reads::group_of(id)),
            rules: app.bus.subscribe(&moderation::group_of(id)),
            accounts: app.bus.subscribe(sessions::GROUP),
            tags: deep(tag::GROUP),
            news,
            people: Arc::clone(people),
            holding: Arc::clone(holding),
            beats,
            beat: 0,
            round_at: Instant::now(),
            has_changed: false,
            course: Arc::clone(course),
            last: None,
            app: app.clone(),
        }
    }

    /// Hears until the room is closed.
    pub async fn run(mut self, begin: watch::Sender<bool>) {
        // After the bus is listened to, and before anybody comes in.
        match store::last(self.app.db.read(), self.course.id).await {
            Ok(last) => self.last = Some(last),
            Err(error) => {
                tracing::warn!(%error, course = self.course.id, "what happened last in a room could not be read");
            }
        }
        self.read_rules().await;
        begin.send_replace(true);
        loop {
            let news = self.next().await;
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

    /// Waits for something to happen, and answers what is to be told of it.
    async fn next(&mut self) -> Option<News> {
        tokio::select! {
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
            change = self.rules.recv() => match change {
                Some(change) => self.look_at_rules(&change).await,
                None => Some(News::Over),
            },
            told = self.reads.recv() => told.and_then(|told| self.read_by(&told)),
            told = self.live.recv() => match told {
                Some(Delivery::Event(event)) => self.people.hear(&event),
                Some(Delivery::Lost) => {
                    self.people.miss();
                    None
                }
                None => Some(News::Over),
            },
            () = self.people.changed() => {
                self.has_changed = true;
                None
            }
            () = sleep_until(self.round_at), if self.has_changed => {
                self.has_changed = false;
                self.round_at = Instant::now() + ROUND;
                self.people.round().map(|round| News::Round(Arc::new(round)))
            }
            _ = self.beats.tick() => {
                self.beat = self.beat.wrapping_add(1) % BEATS;
                self.people.beat(self.beat);
                Some(News::Beat(self.beat))
            }
        }
    }

    /// How far people have read, of those who have a window here that does not know.
    fn read_by(&self, told: &Delivery) -> Option<News> {
        let Delivery::Event(event) = told else {
            // They hear it with the next.
            return None;
        };
        let told = event.decode::<reads::Told>().ok()?;
        let is_ours = told.node.as_deref() == Some(self.app.bus.instance());
        let reads = told.reads.into_iter();
        let reads = reads.filter(|(user_id, _)| self.people.windows(*user_id) > u32::from(is_ours));
        let reads: HashMap<i64, i64> = reads.collect();
        (!reads.is_empty()).then(|| News::Reads(Arc::new(reads)))
    }

    /// What holds in the room, from the database.
    async fn read_rules(&self) {
        let now = self.app.clock.now();
        match acts::rules(self.app.db.read(), self.course.id, now).await {
            Ok(rules) => {
                let mut holding = self.holding.write().unwrap_or_else(PoisonError::into_inner);
                *holding = Arc::new(Holding::new(rules));
            }
            Err(error) => {
                // What is told may be old; who writes looks by herself.
                tracing::warn!(%error, course = self.course.id, "what holds in a room could not be read");
            }
        }
    }

    async fn look_at_rules(&self, change: &Delivery) -> Option<News> {
        self.read_rules().await;
        let changed = match change {
            Delivery::Event(event) => event.decode::<moderation::Changed>().ok(),
            Delivery::Lost => None,
        };
        let whose = match changed.and_then(|changed| changed.user_id) {
            Some(user_id) => Whose::These(BTreeSet::from([user_id])),
            None => Whose::Everybody,
        };
        let holding = self.holding.read().unwrap_or_else(PoisonError::into_inner);
        Some(News::Rules(Arc::clone(&holding), whose))
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
        self.course = Arc::new(course);
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

/// How often a quiet client is asked whether it is there.
pub fn ping_every(app: &App) -> Duration {
    Duration::from_secs(app.config.chat_idle_seconds) * 2 / 5
}
