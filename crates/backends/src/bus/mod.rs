//! Publish and subscribe between the processes of one site: who writes something that others
//! should see at once records an event in the same transaction, and announces it after the commit.
//!
//! | URL | how others hear |
//! |---|---|
//! | `database:` | PostgreSQL: `NOTIFY` in the writer's transaction; SQLite: polling for changes of the file |
//! | `redis://`, `rediss://` | streams of a Redis server, after the commit; the database when Redis is away |
//! | `memory:` | not at all: one process, for tests |
//!
//! What holds: an event is heard if and only if its transaction is committed. Events of one other
//! process come in the order of their commits; those announced in this process come at once and,
//! on SQLite, in the order of their commits too. Between processes there is no common order, nor over
//! Redis between writers of one process on PostgreSQL: there events come as they are announced; nor
//! around the moment in which Redis goes or comes back.
//! When something may have been missed, every subscriber it may concern gets [`Delivery::Lost`] and
//! reads the database afresh. What an event means is the business of those who exchange it.
//!
//! Processes that serve [appear](Bus::appear) to the others. Whoever [announces](Bus::announce_and_wait) an event to
//! which processes [react](Bus::react) may wait, for at most 50 ms, until those have. What need not last is only
//! [told](Bus::tell).
//!
//! Here stands what a bus is and how it is listened to; `open` chooses and opens its kind, `write` records and
//! announces, `serve` is about the processes and whether they hear each other.

mod event;
mod hub;
mod notice;
mod open;
mod out;
mod outbox;
mod peers;
mod pings;
mod postgres;
mod promise;
mod redis;
mod serve;
mod sockets;
mod sqlite;
mod table;
mod tell;
mod write;

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

pub use self::event::{BusDatabase, BusError, Delivery, Event, MOST_TOLD_BYTES};
use self::hub::Hub;
pub use self::hub::Subscription;
use self::outbox::Outbox;
use self::peers::Peers;
use self::pings::Pings;
use self::postgres::Presence;
use self::promise::Promises;
use self::redis::Redis;
use self::sockets::Sockets;
pub use self::table::{EVENTS_TABLE, events_table};
use self::tell::Telling;
pub use self::write::Recorded;

/// The bus; clones share it. Dropping the last one stops its tasks and ends its subscriptions.
#[derive(Clone, Debug)]
pub struct Bus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    station: Station,
    backend: Backend,
    /// The quick way beside the database, when there is one.
    redis: Option<Redis>,
    listeners: Mutex<Vec<JoinHandle<()>>>,
}

/// What this process's end of the bus consists of, shared with the task that listens.
#[derive(Clone, Debug)]
struct Station {
    /// Told apart from other processes by it, since our own events are announced without a detour.
    instance: String,
    hub: Arc<Hub>,
    promises: Arc<Promises>,
    /// The other processes that serve.
    peers: Arc<Peers>,
}

#[derive(Debug)]
enum Backend {
    Memory {
        last_id: AtomicI64,
    },
    Sqlite {
        database: BusDatabase,
        outbox: Outbox,
        poller: sqlite::Poller,
        /// None where the database is in no file.
        sockets: Option<Arc<Sockets>>,
    },
    Postgres {
        database: BusDatabase,
        pings: Arc<Pings>,
        presence: Arc<Presence>,
        telling: Telling,
    },
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Inner {
    /// Ends the subscriptions and stops the listening tasks; those that were still running are returned.
    fn stop(&self) -> Vec<JoinHandle<()>> {
        self.station.hub.close();
        let listeners = std::mem::take(
            &mut *self
                .listeners
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for listener in &listeners {
            listener.abort();
        }
        listeners
    }
}

impl Bus {
    /// Hears what is told to one group from now on. Up to 64 events wait for a slow reader before
    /// the oldest are given up and it gets [`Delivery::Lost`].
    pub fn subscribe(&self, group: &str) -> Subscription {
        self.0.station.hub.subscribe(group, hub::DEPTH)
    }

    /// As [`Bus::subscribe`], with room for `depth` waiting events. The first subscriber of a group
    /// decides for those who join it.
    pub fn subscribe_with_depth(&self, group: &str, depth: usize) -> Subscription {
        self.0.station.hub.subscribe(group, depth)
    }

    /// Hears what is told to any group whose name begins with `prefix`, from now on. Up to 1,024
    /// events wait for a slow reader.
    pub fn subscribe_prefix(&self, prefix: &str) -> Subscription {
        self.0.station.hub.subscribe_prefix(prefix)
    }

    /// Does `reaction` at every event of one group, and when events may have been lost, for as long
    /// as the bus is open: for what must have happened before anybody can ask again. Events committed
    /// here have been reacted to when [`Bus::announce`] returns; subscribers may hear of them later.
    /// An event may be reacted to twice, and not in the order of the commits. `reaction` is quick,
    /// does not block, and does not call the bus.
    pub fn react(&self, group: &str, reaction: impl Fn(&Delivery) + Send + Sync + 'static) {
        self.0.station.hub.react(group, reaction);
    }

    /// Whether other processes are heard, as far as is known: `false` from when the connection is
    /// seen to be broken (a network may lose it unseen for 20 seconds) until all that happened
    /// meanwhile was delivered or [`Delivery::Lost`]. What is remembered and could have been changed
    /// by others holds only while this is `true`.
    pub fn is_hearing(&self) -> bool {
        let hears_redis = self.0.redis.as_ref().is_none_or(Redis::is_hearing);
        hears_redis && self.0.station.hub.is_hearing()
    }
}
