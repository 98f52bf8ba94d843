//! The quick way between nodes: events that are committed are announced over streams of a Redis server, 6.2 or newer, or
//! Valkey. The database stays beside it as the sure way, with everything that `postgres` and `sqlite` do.
//!
//! **Which way an event goes** is decided when it is recorded. Over Redis, when Redis answers and every process that
//! serves is there; else over the database, in the writer's transaction, as without Redis. So nobody misses anything
//! because some can reach Redis and some cannot, and nobody waits for a Redis that is gone. What was to go over Redis and
//! cannot any more, because that broke between the commit and the announcement, is sent after it over the database
//! ([`late`]). A process that cannot reach Redis says that it is [not hearing](super::Bus::is_hearing), and its readers
//! are told [`Delivery::Lost`](super::Delivery::Lost) once the others have noticed, and again when it is back and what
//! happened meanwhile is not in the streams any more.
//!
//! **What is missing is noticed**: each process numbers what it says without holes, and says every second how far it has
//! come ([`seen`]). Redis's memory is not relied on: the epoch of the streams is the run of the server and a word that
//! stands beside them; where another one is found, everything counts as lost. A process that goes silent without a word may
//! have committed something that it could not announce: then everybody reads again.
//!
//! Whether an event whose writer went away was committed, the database says: on SQLite a row of its own, which the
//! listener there finds, on PostgreSQL the number of the transaction ([`doubt`]).

mod address;
mod doubt;
mod hear;
mod late;
mod queue;
mod seen;
mod task;
mod wire;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

pub use self::address::Address;
pub use self::doubt::{Doubt, transaction};
use self::queue::Queue;
use self::seen::{Seen, Verdict};
use self::task::Task;
use self::wire::{Names, Remark};
use super::peers::{self, Expected, Peers};
use super::pings::Pings;
use super::sockets::Sockets;
use super::{BusDatabase, BusError, Event, Station, hub};
use crate::cache::redis::target::Target;

/// How often a process says that it is there, and tries its connection by it.
const BEAT: Duration = Duration::from_secs(1);

/// A process that has not been heard of for so long is not there any more: it missed three beats.
const LEASE: Duration = Duration::from_millis(3_500);

/// Redis has to answer within this time, or counts as away.
const DOUBT: Duration = Duration::from_millis(250);

/// How long the end waits until everything is said.
const FAREWELL: Duration = Duration::from_secs(1);

/// Larger events go over the database: Redis keeps a thousand of them in memory.
const MOST_BYTES: usize = 256 * 1024;

/// This process's end of the quick way.
#[derive(Clone, Debug)]
pub struct Redis(Arc<Shared>);

/// Shared with the task that speaks with Redis.
struct Shared {
    station: Station,
    roster: Roster,
    database: BusDatabase,
    target: Target,
    names: Names,
    queue: Arc<Queue>,
    seen: Mutex<Seen>,
    /// Those that serve and are heard of over Redis, and what they have heard.
    peers: Arc<Peers>,
    marks: AtomicI64,
    serves: AtomicBool,
    /// Redis answers, and what others said was heard up to now.
    hears: AtomicBool,
    /// Every process that serves is heard of over Redis.
    is_complete: AtomicBool,
    /// When it was asked who is there.
    asked: Mutex<Option<Instant>>,
    pings: Pings,
    runtime: Handle,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.target.place)
    }
}

/// Where stands which processes serve, whichever way they are reached.
#[derive(Clone, Debug)]
pub enum Roster {
    /// In the folder beside the database; `None` for one in memory.
    Folder(Option<Arc<Sockets>>),
    /// With those who were heard of over PostgreSQL.
    Heard(Arc<Peers>),
}

impl Roster {
    fn names(&self) -> Vec<String> {
        match self {
            Self::Folder(sockets) => sockets
                .as_ref()
                .map(|sockets| sockets.peers())
                .unwrap_or_default(),
            Self::Heard(peers) => peers.names(),
        }
    }
}

/// The way that an event is to take over Redis.
#[derive(Clone, Debug)]
pub struct Way {
    queue: Arc<Queue>,
    /// What those who have heard the event call it; grows with each.
    pub mark: i64,
}

impl Way {
    /// The event is committed: the others are to hear it.
    pub fn post(&self, event: &Arc<Event>) {
        self.queue.post(event, self.mark);
    }
}

impl Redis {
    /// Opens the quick way. A Redis that does not answer is tried again and again; until it does, all goes over the
    /// database.
    pub async fn open(
        address: Address,
        station: &Station,
        roster: Roster,
        database: &BusDatabase,
    ) -> (Self, JoinHandle<()>) {
        let shared = Arc::new(Shared {
            station: station.clone(),
            roster,
            database: database.clone(),
            names: Names::new(&format!("{}-{}", address.prefix, database.site)),
            target: address.target,
            queue: Arc::default(),
            seen: Mutex::default(),
            peers: Arc::new(Peers::new(Some(LEASE))),
            marks: AtomicI64::new(0),
            serves: AtomicBool::new(false),
            hears: AtomicBool::new(false),
            is_complete: AtomicBool::new(false),
            asked: Mutex::default(),
            pings: Pings::default(),
            runtime: Handle::current(),
        });
        let listener = Task::begin(&shared).await;
        (Self(shared), hub::listen(&station.hub, listener.run()))
    }

    /// Whether what others announce over Redis is heard.
    pub fn is_hearing(&self) -> bool {
        self.0.hears.load(Ordering::SeqCst)
    }

    /// Whether Redis answers, and every process that serves is there.
    pub fn is_open(&self) -> bool {
        let shared = &self.0;
        // Without its listeners nothing would be sent.
        shared.station.hub.is_hearing()
            && self.is_hearing()
            && shared.is_complete.load(Ordering::SeqCst)
    }

    /// The way for an event of so many bytes; `None` when it has to go over the database.
    pub fn way(&self, bytes: usize) -> Option<Way> {
        let shared = &self.0;
        (self.is_open() && bytes <= MOST_BYTES).then(|| Way {
            queue: Arc::clone(&shared.queue),
            mark: shared.marks.fetch_add(1, Ordering::SeqCst) + 1,
        })
    }

    /// The others are to hear what goes this way.
    pub fn expect(&self, way: &Way) -> Expected {
        self.0.peers.expect(way.mark)
    }

    /// Returns when all that are there have reacted, or after 50 ms.
    pub async fn wait(&self, expected: &[Expected]) {
        let asked = *self.0.asked();
        if let Some(asked) = asked {
            tokio::time::sleep_until(asked + peers::PATIENCE).await;
        }
        self.0.peers.wait(expected).await;
    }

    /// Notes what has to be found out should this event's writer go away.
    pub fn doubt(&self, transaction: String) -> Doubt {
        Doubt::new(&self.0, transaction)
    }

    /// Tells the others what need not last; says whether that is possible this way.
    pub fn tell(&self, event: &Arc<Event>) -> bool {
        let shared = &self.0;
        let told = || Remark::Told {
            name: shared.station.instance.clone(),
            event: Arc::clone(event),
        };
        self.is_open() && shared.queue.remark(told())
    }

    /// Says that this process serves, now and from now on.
    pub fn appear(&self) {
        self.0.serves.store(true, Ordering::SeqCst);
        let here = self.0.here();
        self.0.queue.remark(here);
    }

    /// Hears itself.
    pub async fn check(&self) -> Result<(), BusError> {
        let away = || BusError::Away(self.0.target.place.clone());
        if !self.is_hearing() {
            return Err(away());
        }
        let (nonce, hearing) = self.0.pings.expect();
        self.0.queue.remark(Remark::Ping(nonce));
        hearing.await.map_err(|_| away())
    }

    /// Says all that is still to be said and that this process ends, if that is possible within a second.
    pub async fn leave(&self) {
        let gone = Remark::Gone(self.0.station.instance.clone());
        if !self.0.queue.remark(gone) || timeout(FAREWELL, self.0.queue.is_emptied()).await.is_err()
        {
            tracing::debug!("the others learn by its silence that this process has ended");
        }
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        // No panic can leave it half changed.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, Option<Instant>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn here(&self) -> Remark {
        let serves = self.serves.load(Ordering::SeqCst);
        Remark::Here {
            name: self.station.instance.clone(),
            serves,
        }
    }

    /// Delivers an event of another process, unless it was heard before. Under the lock, since what comes over the
    /// database and what comes over Redis must not pass each other.
    fn take_event(&self, name: &str, number: u64, event: &Arc<Event>) {
        let mut seen = self.seen();
        match seen.event(name, number) {
            Verdict::Old => return,
            Verdict::AfterHole => {
                tracing::warn!(
                    "events of another process are missing; what they are about is read again"
                );
                self.station.hub.lost();
            }
            Verdict::Next => {}
        }
        self.station.hub.deliver(event);
    }

    /// Looks who is there: whether all can be reached, and who has gone without a word.
    fn look_round(&self) {
        let expired = self.seen().expired(LEASE);
        if !expired.is_empty() {
            tracing::info!(
                processes = expired.join(" "),
                "processes went silent; what they may have changed last is read again"
            );
            self.station.hub.lost();
        }
        self.look_for_all();
    }

    /// Looks whether every process that serves is there.
    fn look_for_all(&self) {
        let names = self.roster.names();
        let is_complete = self.seen().are_there(&names);
        self.is_complete.store(is_complete, Ordering::SeqCst);
    }
}
