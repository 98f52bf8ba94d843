//! Hearing other processes on PostgreSQL: `NOTIFY` inside the writer's transaction, which the
//! server delivers at the commit, in the order of commits
//! (postgresql.org/docs/current/sql-notify.html). Ids are given out before the commit and may
//! become visible out of order, so nothing here asks for "ids greater than the last": each
//! notification names its event, and carries it when it is small.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::table::Row;
use super::{BusDatabase, BusError, Event, Station};
use crate::clock::Clock;

const CHANNEL: &str = "lyceum_bus";

/// The server takes less than 8,000 bytes; the rest is left for the id, which the statement adds.
const MAX_NOTIFICATION_BYTES: usize = 7_900;

/// Silence after which the connection is tried: a network can lose it without a word.
const SILENCE: Duration = Duration::from_secs(15);

/// Wait for an answer on the listening connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits between attempts to connect again: the first, doubling up to the longest.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// Inserts an event and notifies the other processes, both in the caller's transaction and in one
/// round trip; returns the event's id.
pub async fn insert(
    conn: &impl ConnectionTrait,
    row: &Row<'_>,
    now: DateTime<Utc>,
) -> Result<i64, DbErr> {
    let mut head = format!("{} {}", row.instance, row.group);
    if head.len() + row.payload.len() < MAX_NOTIFICATION_BYTES {
        head.push('\n');
        head.push_str(row.payload);
    }
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "WITH event AS (INSERT INTO bus_events (instance, group_name, payload, created_at) \
         VALUES ($1, $2, $3, $4) RETURNING id) \
         SELECT id, pg_notify($5, 'event ' || id::text || ' ' || $6)::text FROM event",
        [
            row.instance.into(),
            row.group.into(),
            row.payload.into(),
            now.into(),
            CHANNEL.into(),
            head.into(),
        ],
    );
    let row = conn.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotInserted)?
        .try_get("", "id")
}

/// What a notification says.
#[derive(Debug, PartialEq, Eq)]
enum Notice<'a> {
    Event {
        id: i64,
        instance: &'a str,
        group: &'a str,
        payload: Option<&'a str>,
    },
    Ping(&'a str),
}

impl<'a> Notice<'a> {
    /// `event <id> <instance> <group>[\n<payload>]` or `ping <nonce>`.
    fn parse(text: &'a str) -> Option<Self> {
        let (head, payload) = match text.split_once('\n') {
            Some((head, payload)) => (head, Some(payload)),
            None => (text, None),
        };
        let mut words = head.splitn(4, ' ');
        match (words.next()?, words.next()?) {
            ("ping", nonce) => Some(Self::Ping(nonce)),
            ("event", id) => Some(Self::Event {
                id: id.parse().ok()?,
                instance: words.next()?,
                group: words.next()?,
                payload,
            }),
            _ => None,
        }
    }
}

/// Round trips that wait for their notification.
#[derive(Debug, Default)]
pub struct Pings(Mutex<HashMap<String, oneshot::Sender<()>>>);

impl Pings {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<()>>> {
        // No panic can leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notifies and waits until the listener has heard it.
    pub async fn round_trip(&self, write: &DatabaseConnection) -> Result<(), BusError> {
        let nonce = Clock::system().random_token();
        let (heard, hearing) = oneshot::channel();
        {
            let mut waiting = self.lock();
            // Those who stopped waiting are forgotten here.
            waiting.retain(|_, heard| !heard.is_closed());
            waiting.insert(nonce.clone(), heard);
        }
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_notify($1, $2)::text",
            [CHANNEL.into(), format!("ping {nonce}").into()],
        );
        write.query_one_raw(statement).await?;
        hearing.await.map_err(|_| BusError::Deaf)
    }

    fn heard(&self, nonce: &str) {
        if let Some(heard) = self.lock().remove(nonce) {
            // Whoever asked may have stopped waiting.
            let _ = heard.send(());
        }
    }
}

/// Connects, listens, and starts the task that delivers.
pub async fn start(
    station: &Station,
    pings: &Arc<Pings>,
    database: &BusDatabase,
) -> Result<JoinHandle<()>, BusError> {
    let listener = Listener {
        options: PgConnectOptions::from_str(&database.url)
            .map_err(|_| BusError::Listening("the database's URL cannot be read".to_owned()))?
            .application_name("lyceum bus"),
        read: database.read.clone(),
        station: station.clone(),
        pings: Arc::clone(pings),
    };
    let connection = listener
        .connect()
        .await
        .map_err(|error| BusError::Listening(error.to_string()))?;
    Ok(tokio::spawn(listener.run(connection)))
}

struct Listener {
    options: PgConnectOptions,
    read: DatabaseConnection,
    station: Station,
    pings: Arc<Pings>,
}

impl Listener {
    /// A connection of its own, because a listening one is never given back to a pool.
    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let pool: PgPool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(self.options.clone())
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        // Reconnecting is done here, so that subscribers learn of it.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }

    async fn run(self, mut connection: PgListener) {
        loop {
            let reason = self.hear(&mut connection).await;
            self.station.hub.set_hearing(false);
            tracing::warn!(reason, "the bus lost its connection to the database");
            connection = self.reconnect().await;
            // After listening again, so that what readers now fetch and what they hear next leave
            // no hole.
            self.station.hub.lost();
            self.station.hub.set_hearing(true);
            tracing::info!("the bus listens to the database again");
        }
    }

    async fn reconnect(&self) -> PgListener {
        let mut wait = FIRST_RETRY;
        loop {
            match self.connect().await {
                Ok(connection) => return connection,
                Err(error) => tracing::debug!(%error, "the bus cannot connect yet"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_RETRY);
        }
    }

    /// Delivers until the connection is gone; returns why.
    async fn hear(&self, connection: &mut PgListener) -> String {
        loop {
            let heard = match timeout(SILENCE, connection.try_recv()).await {
                Ok(Ok(Some(notification))) => {
                    self.take(notification.payload()).await;
                    Ok(())
                }
                Ok(Ok(None)) => Err("closed by the server".to_owned()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => probe(connection).await,
            };
            if let Err(reason) = heard {
                return reason;
            }
        }
    }

    async fn take(&self, text: &str) {
        match Notice::parse(text) {
            Some(Notice::Ping(nonce)) => self.pings.heard(nonce),
            Some(Notice::Event { id, instance, .. }) if instance == self.station.instance => {
                self.station.promises.committed(id);
            }
            Some(Notice::Event {
                id, group, payload, ..
            }) => {
                let payload = match payload {
                    Some(payload) => Ok(Some(payload.to_owned())),
                    None => self.fetch(id).await,
                };
                match payload {
                    Ok(Some(payload)) => {
                        let event = Event {
                            id,
                            group: group.to_owned(),
                            payload: payload.into(),
                        };
                        self.station.hub.deliver(&Arc::new(event));
                    }
                    Ok(None) => self.station.hub.lost(),
                    Err(error) => {
                        tracing::warn!(%error, id, "the bus cannot read an event");
                        self.station.hub.lost();
                    }
                }
            }
            None => tracing::warn!("a notification on the bus's channel is not one of its own"),
        }
    }

    /// The payload of an event too big for its notification; `None` when it was trimmed.
    async fn fetch(&self, id: i64) -> Result<Option<String>, DbErr> {
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT payload FROM bus_events WHERE id = $1",
            [id.into()],
        );
        let row = self.read.query_one_raw(statement).await?;
        row.map(|row| row.try_get("", "payload")).transpose()
    }
}

/// Whether a silent connection still answers.
async fn probe(connection: &mut PgListener) -> Result<(), String> {
    let answer = sqlx::query("SELECT 1").execute(connection);
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map(|_| ()).map_err(|error| error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_read_back_and_strange_ones_are_refused() {
        assert_eq!(
            Notice::parse("event 7 me room:1\n{\"a\":\"b c\"}"),
            Some(Notice::Event {
                id: 7,
                instance: "me",
                group: "room:1",
                payload: Some("{\"a\":\"b c\"}")
            })
        );
        assert_eq!(
            Notice::parse("event 7 me room:1"),
            Some(Notice::Event {
                id: 7,
                instance: "me",
                group: "room:1",
                payload: None
            })
        );
        assert_eq!(Notice::parse("ping x"), Some(Notice::Ping("x")));
        for strange in [
            "",
            "ping",
            "event",
            "event x me g",
            "event 7 me",
            "hello there",
        ] {
            assert_eq!(Notice::parse(strange), None, "{strange:?}");
        }
    }
}
