//! Who is in a room, told between nodes: each says who came and went on it, and all of them when it is asked.
//!
//! Nothing of it is stored and any of it may be lost: changes are numbered, a node that misses one asks, and what a node
//! told is over when the node is.

use super::frames::{Answer, Speaker};
use super::presence::{Presence, Round};
use super::rooms::News;
use crate::app::App;
use backends::bus::Event;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// About what one publication carries, in bytes; the bus takes 7,500.
const MOST_BYTES: usize = 5_000;

/// Numbers of people in one publication.
const MOST_IDS: usize = 250;

/// Between two signs of life there are so many beats of a room.
const BEATS: u8 = 3;

/// What nodes tell each other of a room, on the bus group [`group_of`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
enum Word {
    /// Who came and who went on a node; the changes are numbered.
    Changed {
        node: String,
        number: u64,
        came: Vec<Speaker>,
        went: Vec<i64>,
    },
    /// Everybody who is on a node, after this change; in parts.
    All {
        node: String,
        number: u64,
        people: Vec<Speaker>,
        is_first: bool,
    },
    /// A node is there, and this was its last change.
    Alive { node: String, number: u64 },
    /// A node has nobody in the room any more.
    Over { node: String },
    /// Who is there?
    Asked { node: String },
    /// Somebody is writing.
    Typing { user_id: i64, name: String },
}

/// The bus group of what happens in a room and is not stored.
pub fn group_of(course_id: i64) -> String {
    format!("live:{course_id}")
}

/// Distinguishes the rooms that one process opened for a course, one after the other.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// The people in a room, as this node knows them.
pub struct People {
    app: App,
    course_id: i64,
    /// This room on this node.
    name: String,
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Default)]
struct State {
    presence: Presence,
    /// Number of the last change that was told.
    number: u64,
    /// Another node wants to know everybody.
    owes_all: bool,
    /// Something of another node was missed.
    is_lacking: bool,
}

impl People {
    /// Nobody yet, of a room that opens; asks other nodes who is there.
    pub fn new(app: &App, course_id: i64) -> Self {
        let opened = OPENED.fetch_add(1, Ordering::Relaxed);
        let state = State {
            is_lacking: true,
            ..State::default()
        };
        Self {
            app: app.clone(),
            course_id,
            name: format!("{}/{opened}", app.bus.instance()),
            state: Mutex::new(state),
            bell: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No panic can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody opens a socket here.
    pub fn enter(&self, face: &Arc<Speaker>) {
        self.lock().presence.enter(face);
        self.bell.notify_one();
    }

    /// One of her sockets here has ended.
    pub fn leave(&self, user_id: i64) {
        self.lock().presence.leave(user_id);
        self.bell.notify_one();
    }

    /// How many sockets she has here.
    pub fn windows(&self, user_id: i64) -> u32 {
        self.lock().presence.sockets(user_id)
    }

    /// Somebody here does not know who is there.
    pub fn ask(&self) {
        self.lock().presence.ask();
        self.bell.notify_one();
    }

    /// She is writing: told to all nodes, unless that was told a moment ago.
    pub fn is_typing(&self, face: &Speaker) {
        let user_id = face.id.unwrap_or_default();
        let is_due = self
            .lock()
            .presence
            .may_show_typing(user_id, Instant::now());
        if is_due {
            let name = face.name.clone();
            self.tell(&Word::Typing { user_id, name });
        }
    }

    /// Returns when something has changed since the last round.
    pub async fn changed(&self) {
        self.bell.notified().await;
    }

    /// Tells other nodes what has changed, and answers what the clients of this one are to be told.
    pub fn round(&self) -> Option<Round> {
        let mut state = self.lock();
        let round = state.presence.is_due().then(|| state.presence.round());
        let changes = state.presence.changes();
        let mut words = Vec::new();
        for people in parts(&changes.came) {
            state.number += 1;
            words.push(self.changed_word(state.number, people, &[]));
        }
        for went in changes.went.chunks(MOST_IDS) {
            state.number += 1;
            words.push(self.changed_word(state.number, Vec::new(), went));
        }
        if std::mem::take(&mut state.owes_all) {
            let mut is_first = true;
            for people in parts(&state.presence.all()) {
                words.push(Word::All {
                    node: self.name.clone(),
                    number: state.number,
                    people,
                    is_first: std::mem::take(&mut is_first),
                });
            }
        }
        if std::mem::take(&mut state.is_lacking) {
            words.push(Word::Asked {
                node: self.name.clone(),
            });
        }
        drop(state);
        for word in words {
            self.tell(&word);
        }
        round.filter(|round| !round.presence.is_empty() || !round.here.is_empty())
    }

    fn changed_word(&self, number: u64, came: Vec<Speaker>, went: &[i64]) -> Word {
        Word::Changed {
            node: self.name.clone(),
            number,
            came,
            went: went.to_vec(),
        }
    }

    /// Tells other nodes now and then that this one is there, and forgets those that are not.
    pub fn beat(&self, beat: u8) {
        let mut state = self.lock();
        if state.presence.knows_nodes() {
            let peers = self.app.bus.peers();
            let is_there = |name: &str| {
                let instance = name.split_once('/').map_or(name, |(instance, _)| instance);
                peers.iter().any(|peer| peer.contains(instance))
            };
            state.presence.forget_ended(Instant::now(), is_there);
        }
        let is_due = beat.is_multiple_of(BEATS) && !state.presence.is_empty_here();
        let number = state.number;
        let has_changed = state.presence.is_due();
        drop(state);
        if has_changed {
            self.bell.notify_one();
        }
        if is_due {
            let node = self.name.clone();
            self.tell(&Word::Alive { node, number });
        }
    }

    /// Something that a node told; answers what the clients of this one are to be told at once.
    pub fn hear(&self, event: &Event) -> Option<News> {
        let word = event.decode::<Word>().ok()?;
        let now = Instant::now();
        let mut state = self.lock();
        let is_whole = match word {
            Word::Typing { user_id, name } => {
                let name = name.as_str();
                let frame = Answer::Typing { user_id, name }.text();
                return Some(News::Typing(user_id, frame));
            }
            Word::Changed { node, .. }
            | Word::All { node, .. }
            | Word::Alive { node, .. }
            | Word::Over { node }
            | Word::Asked { node }
                if node == self.name =>
            {
                return None;
            }
            Word::Changed {
                node,
                number,
                came,
                went,
            } => {
                let presence = &mut state.presence;
                presence.heard_changes(&node, number, came, &went, now)
            }
            Word::All {
                node,
                number,
                people,
                is_first,
            } => {
                let presence = &mut state.presence;
                presence.heard_all(&node, number, (people, is_first), now);
                true
            }
            Word::Alive { node, number } => state.presence.heard_of(&node, number, now),
            Word::Over { node } => {
                state.presence.forget(&node);
                true
            }
            Word::Asked { .. } => {
                state.owes_all = !state.presence.is_empty_here();
                true
            }
        };
        state.is_lacking |= !is_whole;
        drop(state);
        self.bell.notify_one();
        None
    }

    /// Something that other nodes told was missed.
    pub fn miss(&self) {
        self.lock().is_lacking = true;
        self.bell.notify_one();
    }

    /// Says that nobody is here any more.
    pub fn end(&self) {
        let node = self.name.clone();
        self.tell(&Word::Over { node });
    }

    fn tell(&self, word: &Word) {
        super::tell(&self.app, &group_of(self.course_id), word);
    }
}

/// People in parts that one publication carries.
fn parts(people: &[Arc<Speaker>]) -> Vec<Vec<Speaker>> {
    let (mut parts, mut bytes) = (Vec::new(), MOST_BYTES);
    for person in people {
        // Quotation marks in names are escaped, and the keys are told with them.
        let size = 2 * (person.username.len() + person.name.len()) + 100;
        if bytes + size > MOST_BYTES {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(part) = parts.last_mut() {
            part.push((**person).clone());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_publication_carries_stays_small_whatever_people_are_called() {
        let name = "\"".repeat(150);
        let people: Vec<Arc<Speaker>> = (1..=2_000)
            .map(|id| Arc::new(Speaker::new(id, &"w".repeat(150), &name, false)))
            .collect();
        let parts = parts(&people);
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 2_000);
        for part in parts {
            let word = Word::All {
                node: "n".repeat(60),
                number: u64::MAX,
                people: part,
                is_first: false,
            };
            assert!(serde_json::to_string(&word).unwrap().len() <= 7_500);
        }
    }
}
