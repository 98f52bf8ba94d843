//! How many rooms hold something that somebody has not read, for the bar of her open pages.
//!
//! One task of the process hears of lines and of readers, and counts anew for those of whom a count may have changed and
//! who have a page open here: when a line is said, only those who had read the whole room; a room with something unread
//! stays so, however much is said there. Many are counted in one query, at most once a second.

use super::reads;
use super::store::reads::{Tally, tallies};
use crate::app::App;
use crate::db::{Write, tag};
use crate::error::Result;
use backends::bus::{Delivery, Subscription};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

/// Counts are made anew at most so often.
const PAUSE: Duration = Duration::from_secs(1);

/// After so long those who have no page open any more are forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// What the names of the groups begin with on which is told what was said.
const ROOMS: &str = "room:";

/// The bus group on which is told whose counts may be others now.
const GROUP: &str = "unread";

/// What is told on [`GROUP`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Changed {
    /// Of these people.
    People(Vec<i64>),
    /// Of everybody who may be in this room.
    Room(i64),
}

/// Tells that the counts of these people change with this transaction.
pub async fn tell(write: &mut Write, user_ids: Vec<i64>) -> Result<()> {
    if user_ids.is_empty() {
        return Ok(());
    }
    write.publish(GROUP, &Changed::People(user_ids)).await
}

/// Tells that what is unread in a room changes for many with this transaction.
pub async fn tell_room(write: &mut Write, course_id: i64) -> Result<()> {
    write.publish(GROUP, &Changed::Room(course_id)).await
}

/// Counts for those who have a page open; clones share it.
#[derive(Clone)]
pub struct Unread(Arc<Inner>);

struct Inner {
    app: App,
    state: Mutex<State>,
    bell: Arc<Notify>,
    has_begun: OnceLock<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Who counts sees that nobody waits for it any more.
        self.bell.notify_one();
    }
}

/// The newest count of one person, as the JSON of an event; none before the first.
pub type Newest = watch::Receiver<Option<Arc<str>>>;

#[derive(Default)]
struct State {
    people: HashMap<i64, Watched>,
    /// Who has read all of a room, by course: those whom the next line there concerns.
    readers: HashMap<i64, HashSet<i64>>,
    /// Who is to be counted for anew.
    stale: HashSet<i64>,
}

struct Watched {
    newest: watch::Sender<Option<Arc<str>>>,
    tally: Tally,
}

impl State {
    /// A line was said.
    fn said(&mut self, course_id: i64) {
        if let Some(readers) = self.readers.remove(&course_id) {
            self.stale.extend(readers);
        }
    }

    /// Something happened that concerns her, if she has a page open.
    fn concerns(&mut self, user_id: i64) {
        if self.people.contains_key(&user_id) {
            self.stale.insert(user_id);
        }
    }

    /// What is unread in a room may be less now.
    fn concerns_room(&mut self, course_id: i64) {
        let of_room = self
            .people
            .iter()
            .filter(|(_, watched)| watched.tally.rooms.contains_key(&course_id));
        self.stale.extend(of_room.map(|(user_id, _)| *user_id));
    }

    /// Something may have been missed.
    fn concerns_all(&mut self) {
        self.stale.extend(self.people.keys());
    }

    /// Those who are to be counted for now.
    fn take_stale(&mut self) -> Vec<i64> {
        let stale = std::mem::take(&mut self.stale).into_iter();
        stale
            .filter(|user_id| self.people.contains_key(user_id))
            .collect()
    }

    /// Notes a count, and tells it where it is another.
    fn counted(&mut self, user_id: i64, tally: Tally) {
        let Some(watched) = self.people.get_mut(&user_id) else {
            return;
        };
        for (course_id, is_unread) in &tally.rooms {
            if !is_unread {
                let readers = self.readers.entry(*course_id).or_default();
                readers.insert(user_id);
            }
        }
        let text: Arc<str> = event(&tally).into();
        watched.tally = tally;
        watched.newest.send_if_modified(|newest| {
            let is_other = newest.as_ref() != Some(&text);
            if is_other {
                *newest = Some(text);
            }
            is_other
        });
    }

    /// Forgets those who have no page open any more.
    fn sweep(&mut self) {
        self.people
            .retain(|_, watched| watched.newest.receiver_count() > 0);
        let people = &self.people;
        for readers in self.readers.values_mut() {
            readers.retain(|user_id| people.contains_key(user_id));
        }
        self.readers.retain(|_, readers| !readers.is_empty());
    }
}

/// What her pages are told.
fn event(tally: &Tally) -> String {
    json!({ "type": "rooms", "unread": tally.unread(), "mentions": tally.mentions }).to_string()
}

impl Unread {
    /// Of one site.
    pub fn new(app: &App) -> Self {
        Self(Arc::new(Inner {
            app: app.clone(),
            state: Mutex::default(),
            bell: Arc::default(),
            has_begun: OnceLock::new(),
        }))
    }

    /// The counts of somebody from now on, for as long as this is held.
    pub fn watch(&self, user_id: i64) -> Newest {
        self.0.has_begun.get_or_init(|| self.begin());
        let mut state = self.0.lock();
        let watched = state.people.entry(user_id).or_insert_with(|| Watched {
            newest: watch::channel(None).0,
            tally: Tally::default(),
        });
        let newest = watched.newest.subscribe();
        state.stale.insert(user_id);
        drop(state);
        self.0.bell.notify_one();
        newest
    }

    fn begin(&self) {
        let bus = &self.0.app.bus;
        let ears = Ears {
            lines: bus.subscribe_prefix(ROOMS),
            reads: bus.subscribe_prefix(reads::GROUPS),
            changes: bus.subscribe(GROUP),
            tags: bus.subscribe_with_depth(tag::GROUP, 1_024),
            bell: Arc::clone(&self.0.bell),
        };
        tokio::spawn(run(Arc::downgrade(&self.0), ears));
    }
}

/// What is listened to.
struct Ears {
    lines: Subscription,
    reads: Subscription,
    changes: Subscription,
    tags: Subscription,
    bell: Arc<Notify>,
}

/// Counts at most once a second. It ends with the last [`Unread`], or with the bus.
async fn run(unread: Weak<Inner>, mut ears: Ears) {
    let (mut due, mut swept_at) = (Instant::now(), Instant::now());
    let mut is_stale = false;
    loop {
        tokio::select! {
            heard = ears.lines.recv() => {
                let Some(heard) = heard else { return };
                let Some(unread) = unread.upgrade() else { return };
                is_stale |= unread.hear_line(&heard);
            }
            heard = ears.reads.recv() => {
                let Some(heard) = heard else { return };
                let Some(unread) = unread.upgrade() else { return };
                is_stale |= unread.hear_reads(&heard);
            }
            heard = ears.changes.recv() => {
                let Some(heard) = heard else { return };
                let Some(unread) = unread.upgrade() else { return };
                is_stale |= unread.hear_change(&heard);
            }
            heard = ears.tags.recv() => {
                let Some(heard) = heard else { return };
                let Some(unread) = unread.upgrade() else { return };
                is_stale |= unread.hear_tags(&heard);
            }
            () = ears.bell.notified() => is_stale = true,
            () = sleep_until(due), if is_stale => {
                let Some(unread) = unread.upgrade() else { return };
                is_stale = unread.count().await.is_err();
                due = Instant::now() + PAUSE;
                if swept_at.elapsed() > SWEEP {
                    unread.lock().sweep();
                    swept_at = Instant::now();
                }
            }
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No panic can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear_line(&self, heard: &Delivery) -> bool {
        let mut state = self.lock();
        match heard {
            Delivery::Event(event) => {
                let course_id = event.group.strip_prefix(ROOMS);
                if let Some(course_id) = course_id.and_then(|id| id.parse().ok()) {
                    state.said(course_id);
                }
            }
            Delivery::Lost => state.concerns_all(),
        }
        !state.stale.is_empty()
    }

    fn hear_reads(&self, heard: &Delivery) -> bool {
        let mut state = self.lock();
        match heard {
            Delivery::Event(event) => {
                let told = event.decode::<reads::Told>();
                for (user_id, _) in told.map(|told| told.reads).unwrap_or_default() {
                    state.concerns(user_id);
                }
            }
            Delivery::Lost => state.concerns_all(),
        }
        !state.stale.is_empty()
    }

    fn hear_change(&self, heard: &Delivery) -> bool {
        let mut state = self.lock();
        let change = match heard {
            Delivery::Event(event) => event.decode::<Changed>().ok(),
            Delivery::Lost => None,
        };
        match change {
            Some(Changed::People(ids)) => ids.into_iter().for_each(|id| state.concerns(id)),
            Some(Changed::Room(course_id)) => state.concerns_room(course_id),
            None => state.concerns_all(),
        }
        !state.stale.is_empty()
    }

    /// Who enrolled somewhere or left has other rooms now.
    fn hear_tags(&self, heard: &Delivery) -> bool {
        let mut state = self.lock();
        let grown = match heard {
            Delivery::Event(event) => event.decode::<tag::Grown>().ok(),
            Delivery::Lost => None,
        };
        match grown {
            Some(grown) => {
                let students = grown
                    .tags
                    .keys()
                    .filter_map(|tag| tag.strip_prefix("studies:")?.parse().ok());
                students.for_each(|user_id| state.concerns(user_id));
            }
            None => state.concerns_all(),
        }
        !state.stale.is_empty()
    }

    /// Counts for all whose counts may have changed.
    async fn count(&self) -> Result<()> {
        let user_ids = self.lock().take_stale();
        if user_ids.is_empty() {
            return Ok(());
        }
        let mut counted = match tallies(self.app.db.read(), &user_ids).await {
            Ok(counted) => counted,
            Err(error) => {
                tracing::warn!(%error, "unread lines could not be counted; it is tried again");
                self.lock().stale.extend(user_ids);
                return Err(error);
            }
        };
        let mut state = self.lock();
        for user_id in user_ids {
            state.counted(user_id, counted.remove(&user_id).unwrap_or_default());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(rooms: &[(i64, bool)], mentions: u64) -> Tally {
        Tally {
            rooms: rooms.iter().copied().collect(),
            mentions,
        }
    }

    fn watched(state: &mut State, user_id: i64) -> Newest {
        let (newest, receiver) = watch::channel(None);
        let tally = Tally::default();
        state.people.insert(user_id, Watched { newest, tally });
        receiver
    }

    #[test]
    fn a_line_concerns_those_who_had_read_all_and_only_once() {
        let mut state = State::default();
        let _pages = [watched(&mut state, 1), watched(&mut state, 2)];
        state.counted(1, tally(&[(7, false)], 0));
        state.counted(2, tally(&[(7, true)], 0));
        state.said(7);
        assert_eq!(state.take_stale(), [1]);
        state.counted(1, tally(&[(7, true)], 0));
        state.said(7);
        assert!(state.take_stale().is_empty());
    }

    #[test]
    fn what_is_counted_is_told_when_it_is_another_count() {
        let mut state = State::default();
        let mut page = watched(&mut state, 1);
        state.counted(1, tally(&[(7, true), (8, false)], 2));
        let told = page.borrow_and_update().clone().unwrap();
        assert_eq!(&*told, r#"{"mentions":2,"type":"rooms","unread":1}"#);
        state.counted(1, tally(&[(7, true), (9, false)], 2));
        assert!(!page.has_changed().unwrap());
    }

    #[test]
    fn nothing_is_remembered_of_who_has_no_page_open() {
        let mut state = State::default();
        let page = watched(&mut state, 1);
        state.counted(1, tally(&[(7, false)], 0));
        state.sweep();
        assert_eq!(state.people.len(), 1);
        drop(page);
        state.sweep();
        assert!(state.people.is_empty() && state.readers.is_empty());
        state.concerns(1);
        assert!(state.stale.is_empty());
    }
}
