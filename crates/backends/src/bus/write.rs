//! Writing events: in the caller's transaction, and to everybody after its commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use serde::Serialize;

use super::event::prepare;
use super::out::Out;
use super::outbox::Ticket;
use super::peers::Expected;
use super::promise::Promise;
use super::redis::{self, Doubt, Redis, Way};
use super::{Backend, Bus, BusError, Event, postgres, table};

/// Where the rows stand, on SQLite, by which is known that an event was committed that goes over Redis: nobody listens.
const MARKS: &str = "bus:mark";

/// An event written in a transaction that is not yet committed. Announced after the commit; simply
/// dropped when the transaction is rolled back. Should it be dropped although it was committed, the
/// subscribers hear it a little later, once the database has said so.
#[derive(Debug)]
#[must_use = "announce it after the commit, or it is heard late"]
pub struct Recorded {
    out: Out,
    ticket: Option<Ticket>,
    promise: Option<Promise>,
    doubt: Option<Doubt>,
    expected: Option<Expected>,
}

impl Drop for Recorded {
    fn drop(&mut self) {
        // It was not announced.
        if let Some(doubt) = self.doubt.take() {
            doubt.resolve(self.out.clone());
        }
    }
}

impl Recorded {
    /// The event as subscribers will get it.
    pub fn event(&self) -> &Event {
        &self.out.event
    }

    fn in_memory(last_id: &AtomicI64, group: String, payload: String) -> Self {
        let id = last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let event = Event {
            id,
            group,
            payload: payload.into(),
        };
        Self {
            out: Arc::new(event).into(),
            ticket: None,
            promise: None,
            doubt: None,
            expected: None,
        }
    }
}

impl Bus {
    /// Writes an event in the caller's open transaction, for other processes to hear once it is
    /// committed (a `memory:` bus only makes the event; on Redis only what shows whether it was committed is written).
    /// Hand the result to [`Bus::announce`] after the commit. On SQLite `conn` must hold the write lock already.
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
            self.record_parts(conn, group, payload).await
        }
    }

    async fn record_parts<C: ConnectionTrait>(
        &self,
        conn: &C,
        group: String,
        payload: String,
    ) -> Result<Recorded, BusError> {
        let redis = self.0.redis.as_ref();
        match redis.and_then(|redis| Some((redis, redis.way(payload.len())?))) {
            Some((redis, way)) => self.record_way(conn, group, payload, redis, way).await,
            None => self.record_text(conn, group, payload).await,
        }
    }

    /// For an event that others hear by way of the database.
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
        let event = Event {
            id,
            group,
            payload: payload.into(),
        };
        let out = Out::from(Arc::new(event));
        let promise = Some(station.promises.make(&out));
        // Before anybody can have heard it.
        let is_awaited = station.hub.reacts_to(&out.event.group);
        let expected = is_awaited.then(|| station.peers.expect(id));
        Ok(Recorded {
            out,
            ticket,
            promise,
            doubt: None,
            expected,
        })
    }

    /// For an event that others hear by way of Redis: in the database stands only by what is known whether it was
    /// committed, should its writer go away.
    async fn record_way<C: ConnectionTrait>(
        &self,
        conn: &C,
        group: String,
        payload: String,
        redis: &Redis,
        way: Way,
    ) -> Result<Recorded, BusError> {
        let station = &self.0.station;
        let row = table::Row {
            instance: &station.instance,
            group: MARKS,
            payload: "null",
        };
        let (id, ticket, doubt) = match &self.0.backend {
            Backend::Memory { last_id } => return Ok(Recorded::in_memory(last_id, group, payload)),
            Backend::Sqlite {
                database, outbox, ..
            } => {
                let id = row.insert(conn, database.clock.now()).await?;
                (id, Some(outbox.ticket(&station.hub)), None)
            }
            Backend::Postgres { .. } => {
                let transaction = redis::transaction(conn).await?;
                (way.mark, None, Some(redis.doubt(transaction)))
            }
        };
        let event = Event {
            id,
            group,
            payload: payload.into(),
        };
        let expected = station
            .hub
            .reacts_to(&event.group)
            .then(|| redis.expect(&way));
        let out = Out {
            event: Arc::new(event),
            way: Some(way),
        };
        let promise = doubt.is_none().then(|| station.promises.make(&out));
        Ok(Recorded {
            out,
            ticket,
            promise,
            doubt,
            expected,
        })
    }

    /// Delivers events whose transaction is now committed to the subscribers in this process, and has other processes
    /// hear those that go over Redis.
    pub fn announce(&self, recorded: Vec<Recorded>) {
        // First of all: an event may have to wait for its turn to be sent, but not for its reactions.
        for recorded in &recorded {
            self.0.station.hub.do_reactions(&recorded.out.event);
        }
        for mut recorded in recorded {
            drop(recorded.doubt.take());
            match recorded.ticket.take() {
                Some(ticket) => ticket.release(recorded.out.clone()),
                None => recorded.out.send(&self.0.station.hub),
            }
            if let Some(promise) = recorded.promise.take() {
                promise.keep();
            }
        }
    }

    /// As [`Bus::announce`], and then waits until the other processes that serve have reacted, or 50 ms: what they
    /// answer from then on knows of the events. Events to which nobody reacts are not waited for, and a process alone
    /// waits for nobody. One that is slower than that hears of them a little later, as it would without the wait.
    pub async fn announce_and_wait(&self, mut recorded: Vec<Recorded>) {
        let (mut of_redis, mut of_database) = (Vec::new(), Vec::new());
        for recorded in &mut recorded {
            let whose = match &recorded.out.way {
                Some(_) => &mut of_redis,
                None => &mut of_database,
            };
            whose.extend(recorded.expected.take());
        }
        self.announce(recorded);
        if let (Some(redis), false) = (&self.0.redis, of_redis.is_empty()) {
            redis.wait(&of_redis).await;
        }
        if of_database.is_empty() {
            return;
        }
        match &self.0.backend {
            Backend::Memory { .. } => {}
            Backend::Sqlite { sockets, .. } => {
                if let Some(sockets) = sockets {
                    sockets.wait(&of_database).await;
                }
            }
            Backend::Postgres { presence, .. } => {
                presence.is_known().await;
                self.0.station.peers.wait(&of_database).await;
            }
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
                    let transaction = database.write.begin(table::writing()).await?;
                    let recorded = self.record_parts(&transaction, group, payload).await?;
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
    /// [`Delivery::Lost`](super::Delivery::Lost).
    pub async fn trim(&self, older_than: DateTime<Utc>) -> Result<u64, BusError> {
        match &self.0.backend {
            Backend::Memory { .. } => Ok(0),
            Backend::Sqlite { database, .. } | Backend::Postgres { database, .. } => {
                Ok(table::trim(database.write.unbounded(), older_than).await?)
            }
        }
    }
}
