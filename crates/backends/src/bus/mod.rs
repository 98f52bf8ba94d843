//! Publish and subscribe between the processes of one site: who writes something that others
//! should see at once records an event in the same transaction, and announces it after the commit.
//!
//! | URL | how others hear |
//! |---|---|
//! | `database:` | PostgreSQL: `NOTIFY` in the writer's transaction; SQLite: polling for changes of the file |
//! | `memory:` | not at all: one process, for tests |
//!
//! What holds: an event is heard if and only if its transaction is committed. Events of one other
//! process come in the order of their commits; those announced in this process come at once and,
//! on SQLite, in the order of their commits too. Between processes there is no common order. When
//! something may have been missed, every subscriber it may concern gets [`Delivery::Lost`] and
//! reads the database afresh. What an event means is the business of those who exchange it.
//!
//! Processes that serve [appear](Bus::appear) to the others. Whoever [announces](Bus::announce_and_wait) an event to
//! which processes [react](Bus::react) may wait, for at most 50 ms, until those have.

mod event;
mod hub;
mod outbox;
mod peers;
mod postgres;
mod promise;
mod sockets;
mod sqlite;
mod table;
mod tell;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, TransactionTrait};
use serde::Serialize;
use tokio::task::JoinHandle;

use self::event::prepare;
pub use self::event::{BusDatabase, BusError, Delivery, Event, MOST_TOLD_BYTES};
use self::hub::Hub;
pub use self::hub::Subscription;
use self::outbox::{Outbox, Ticket};
use self::peers::{Expected, Peers};
use self::postgres::{Pings, Presence};
use self::promise::{Promise, Promises};
use self::sockets::Sockets;
pub use self::table::{EVENTS_TABLE, events_table};
use self::tell::Telling;
use crate::clock::Clock;

/// How long [`Bus::check`] waits for its own voice.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// An event written in a transaction that is not yet committed. Announced after the commit; simply
/// dropped when the transaction is rolled back. Should it be dropped although it was committed, the
/// subscribers here hear it a little later, from the database.
#[derive(Debug)]
#[must_use = "announce it after the commit, or this process does not hear of it"]
pub struct Recorded {
    event: Arc<Event>,
    ticket: Option<Ticket>,
    promise: Option<Promise>,
    expected: Option<Expected>,
}

impl Recorded {
    /// The event as subscribers will get it.
    pub fn event(&self) -> &Event {
        &self.event
    }

    fn in_memory(last_id: &AtomicI64, group: String, payload: String) -> Self {
        let id = last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let event = Event {
            id,
            group,
            payload: payload.into(),
        };
        Self {
            event: Arc::new(event),
            ticket: None,
            promise: None,
            expected: None,
        }
    }
}

/// The bus; clones share it. Dropping the last one stops its tasks and ends its subscriptions.
#[derive(Clone, Debug)]
pub struct Bus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    station: Station,
    backend: Backend,
    listener: Mutex<Option<JoinHandle<()>>>,
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
        sockets: Option<Box<Sockets>>,
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
    /// Ends the subscriptions and stops the listening task, which is returned when it was still
    /// running.
    fn stop(&self) -> Option<JoinHandle<()>> {
        self.station.hub.close();
        let listener = self
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        listener.inspect(JoinHandle::abort)
    }
}

impl Bus {
    /// Opens the bus that `url` names (`memory:`, `database:`) and begins to listen: events
    /// committed after this returns are heard, earlier ones are not. `database:` needs a
    /// `database` that already has [`events_table`].
    pub async fn open(url: &str, database: Option<BusDatabase>) -> Result<Self, BusError> {
        let hub = Arc::new(Hub::default());
        let is_postgres = database
            .as_ref()
            .is_some_and(|database| database.write.get_database_backend() == DbBackend::Postgres);
        let station = Station {
            peers: Arc::new(Peers::new(is_postgres.then_some(postgres::LEASE))),
            // Never from a clock whose randomness is fixed: two instances must differ.
            instance: Clock::system().random_token().chars().take(16).collect(),
            promises: Arc::new(Promises::new(&hub)),
            hub,
        };
        let (backend, listener) = match (url, database) {
            ("memory:", _) => (
                Backend::Memory {
                    last_id: AtomicI64::new(0),
                },
                None,
            ),
            ("database:", Some(database)) => Self::listen(&station, database).await?,
            ("database:", None) => {
                return Err(BusError::Url(
                    "says database:, but no database is open".to_owned(),
                ));
            }
            _ => return Err(BusError::Url("is neither database: nor memory:".to_owned())),
        };
        Ok(Self(Arc::new(Inner {
            station,
            backend,
            listener: Mutex::new(listener),
        })))
    }

    async fn listen(
        station: &Station,
        database: BusDatabase,
    ) -> Result<(Backend, Option<JoinHandle<()>>), BusError> {
        match database.write.get_database_backend() {
            DbBackend::Sqlite => {
                let (poller, task) = sqlite::Poller::start(station, &database).await?;
                let outbox = Outbox::default();
                let file = sqlite::file_of(&database.url);
                let sockets = file.map(|file| Box::new(Sockets::new(&file, station, &poller)));
                Ok((
                    Backend::Sqlite {
                        database,
                        outbox,
                        poller,
                        sockets,
                    },
                    Some(task),
                ))
            }
            DbBackend::Postgres => {
                let pings = Arc::new(Pings::default());
                let presence = Arc::new(Presence::new(&station.instance));
                let (telling, told) = tell::queue();
                let task = postgres::start(station, &pings, &presence, told, &database).await?;
                let backend = Backend::Postgres {
                    database,
                    pings,
                    presence,
                    telling,
                };
                Ok((backend, Some(task)))
            }
            _ => Err(BusError::Url(
                "says database:, which must be SQLite or PostgreSQL".to_owned(),
            )),
        }
    }

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

    /// Writes an event in the caller's open transaction, for other processes to hear once it is
    /// committed (a `memory:` bus only makes the event). Hand the result to [`Bus::announce`] after
    /// the commit. On SQLite `conn` must hold the write lock already.
    pub fn record<C: ConnectionTrait>(
        &self,
        conn: &C,
        group: &str,
        payload: &(impl Serialize + ?Sized),
    ) -> impl Future<Output = Result<Recorded, BusError>> + Send {
        // Before the first await, so that the payload need not be Sync.
        let parts = prepare(group, payload);
        async move {
            let (group, payload) = parts?;
            self.record_text(conn, group, payload).await
        }
    }

    async fn record_text<C: ConnectionTrait>(
        &self,
        conn: &C,
        group: String,
        payload: String,
    ) -> Result<Recorded, BusError> {
        let station = &self.0.station;
        let row = table::Row {
            instance: &station.instance,
            group: &group,
            payload: &payload,
        };
        let (id, ticket) = match &self.0.backend {
            Backend::Memory { last_id } => return Ok(Recorded::in_memory(last_id, group, payload)),
            Backend::Sqlite {
                database, outbox, ..
            } => {
                let id = row.insert(conn, database.clock.now()).await?;
                (id, Some(outbox.ticket(&station.hub)))
            }
            Backend::Postgres { database, .. } => (
                postgres::insert(conn, &row, database.clock.now()).await?,
                None,
            ),
        };
        let event = Arc::new(Event {
            id,
            group,
            payload: payload.into(),
        });
        let promise = Some(station.promises.make(&event));
        // Before anybody can have heard it.
        let is_awaited = station.hub.reacts_to(&event.group);
        let expected = is_awaited.then(|| station.peers.expect(id));
        Ok(Recorded {
            event,
            ticket,
            promise,
            expected,
        })
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
        self.0.station.hub.is_hearing()
    }

    /// Delivers events whose transaction is now committed to the subscribers in this process.
    pub fn announce(&self, recorded: Vec<Recorded>) {
        // First of all: an event may have to wait for its turn to be sent, but not for its reactions.
        for Recorded { event, .. } in &recorded {
            self.0.station.hub.do_reactions(event);
        }
        for Recorded {
            event,
            ticket,
            promise,
            ..
        } in recorded
        {
            match ticket {
                Some(ticket) => ticket.release(event),
                None => self.0.station.hub.send(&event),
            }
            if let Some(promise) = promise {
                promise.keep();
            }
        }
    }

    /// As [`Bus::announce`], and then waits until the other processes that serve have reacted, or 50 ms: what they
    /// answer from then on knows of the events. Events to which nobody reacts are not waited for, and a process alone
    /// waits for nobody. One that is slower than that hears of them a little later, as it would without the wait.
    pub async fn announce_and_wait(&self, mut recorded: Vec<Recorded>) {
        let expected: Vec<Expected> = recorded
            .iter_mut()
            .filter_map(|recorded| recorded.expected.take())
            .collect();
        self.announce(recorded);
        if expected.is_empty() {
            return;
        }
        match &self.0.backend {
            Backend::Memory { .. } => {}
            Backend::Sqlite { sockets, .. } => {
                if let Some(sockets) = sockets {
                    sockets.wait(&expected).await;
                }
            }
            Backend::Postgres { presence, .. } => {
                presence.is_known().await;
                self.0.station.peers.wait(&expected).await;
            }
        }
    }

    /// Makes this process known to the others as one that serves, until the bus is closed or the process ends: they
    /// wait for it when they [announce](Bus::announce_and_wait) something. To be called once it reacts, and before it
    /// answers anybody.
    pub async fn appear(&self) -> Result<(), BusError> {
        match &self.0.backend {
            Backend::Memory { .. } => Ok(()),
            Backend::Sqlite { sockets, .. } => {
                if let Some(Err(error)) = sockets.as_ref().map(|sockets| sockets.appear()) {
                    tracing::warn!(
                        %error,
                        "other processes cannot ask this one to look for changes at once; it looks 20 times a second"
                    );
                }
                Ok(())
            }
            Backend::Postgres {
                database, presence, ..
            } => presence.appear(&database.write).await,
        }
    }

    /// Which of its kind this bus is; another one each time that one is opened. Letters, digits, `-` and `_`.
    pub fn instance(&self) -> &str {
        &self.0.station.instance
    }

    /// The [instances](Bus::instance) of the other processes that serve, as far as is known. What a process keeps for
    /// others, such as who is in a room with it, ends when it is no longer among them: at once when it closes, and when
    /// it is killed or its connection is gone, on SQLite at once, on PostgreSQL within 3.5 seconds. One that lost its
    /// connection for so long comes back under the same name.
    pub fn peers(&self) -> Vec<String> {
        match &self.0.backend {
            Backend::Sqlite {
                sockets: Some(sockets),
                ..
            } => sockets.peers(),
            _ => self.0.station.peers.names(),
        }
    }

    /// Records and announces an event in a short transaction of its own. Do not call it while
    /// holding SQLite's write lock: use [`Bus::record`] there.
    pub fn publish(
        &self,
        group: &str,
        payload: &(impl Serialize + ?Sized),
    ) -> impl Future<Output = Result<(), BusError>> + Send {
        let parts = prepare(group, payload);
        async move {
            let (group, payload) = parts?;
            let recorded = match &self.0.backend {
                Backend::Memory { last_id } => Recorded::in_memory(last_id, group, payload),
                Backend::Sqlite { database, .. } | Backend::Postgres { database, .. } => {
                    let transaction = database.write.begin_with_options(table::writing()).await?;
                    let recorded = self.record_text(&transaction, group, payload).await?;
                    transaction.commit().await?;
                    recorded
                }
            };
            self.announce_and_wait(vec![recorded]).await;
            Ok(())
        }
    }

    /// Deletes events recorded before `older_than`; returns how many. Leave them for minutes: a
    /// process that has not read an event when it is deleted tells its subscribers
    /// [`Delivery::Lost`].
    pub async fn trim(&self, older_than: DateTime<Utc>) -> Result<u64, BusError> {
        match &self.0.backend {
            Backend::Memory { .. } => Ok(0),
            Backend::Sqlite { database, .. } | Backend::Postgres { database, .. } => {
                Ok(table::trim(&database.write, older_than).await?)
            }
        }
    }

    /// Whether the bus hears: a round trip through the database. Returns within about five
    /// seconds.
    pub async fn check(&self) -> Result<(), BusError> {
        if self.0.station.hub.is_closed() {
            return Err(BusError::Closed);
        }
        let heard = async {
            match &self.0.backend {
                Backend::Memory { .. } => Ok(()),
                Backend::Sqlite { poller, .. } => poller.catch_up().await,
                Backend::Postgres {
                    database, pings, ..
                } => pings.round_trip(&database.write).await,
            }
        };
        tokio::time::timeout(CHECK_TIMEOUT, heard)
            .await
            .unwrap_or(Err(BusError::Deaf))
    }

    /// Ends every subscription and stops listening; returns when that is done. Events can still be recorded, for others.
    pub async fn close(&self) {
        match &self.0.backend {
            Backend::Memory { .. } => {}
            Backend::Sqlite { sockets, .. } => {
                if let Some(sockets) = sockets {
                    sockets.leave();
                }
            }
            Backend::Postgres {
                database, presence, ..
            } => presence.leave(&database.write).await,
        }
        if let Some(listener) = self.0.stop() {
            // It was aborted, which is what this says.
            let _ = listener.await;
        }
    }
}
