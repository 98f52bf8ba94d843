//! Hearing other processes on PostgreSQL: `NOTIFY` inside the writer's transaction, which the
//! server delivers at the commit, in the order of commits
//! (postgresql.org/docs/current/sql-notify.html). Ids are given out before the commit and may
//! become visible out of order, so nothing here asks for "ids greater than the last": each
//! notification names its event, and carries it when it is small.
//!
//! Presence and answers are notifications too, without a row: each process that serves says every second that it
//! is [here](Presence), and tells whoever has announced an event that it has reacted to it, on a channel of that
//! process's own. Both leave on the connection that listens, so that its silence is noticed within the second.

use crate::bounded::Bounded;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPool, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::notice::Notice;
use super::pings::Pings;
use super::table::Row;
use super::tell::Told;
use super::{BusDatabase, BusError, Event, Station, hub, peers};

const CHANNEL: &str = "lyceum_bus";

/// Where processes say that they are there. Releases that know nothing of it do not listen to it.
const PRESENCE: &str = "lyceum_peers";

/// Where is said what need not last. Releases that know nothing of it do not listen to it.
const TOLD: &str = "lyceum_told";

/// Most that is told in one statement.
const MOST_TOLD: usize = 128;

/// How often a process that serves says that it is there, and tries its connection by it.
const BEAT: Duration = Duration::from_secs(1);

/// A process that has not been heard of for so long is not there any more: it missed three beats.
pub const LEASE: Duration = Duration::from_millis(3_500);

/// A connection that has not answered a beat within this time may have lost something: until it answers, what is
/// remembered does not count.
const DOUBT: Duration = Duration::from_millis(250);

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

/// Notifies and waits until the listener has heard it.
pub async fn round_trip(
    pings: &Pings,
    write: &Bounded<DatabaseConnection>,
) -> Result<(), BusError> {
    let (nonce, hearing) = pings.expect();
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT pg_notify($1, $2)::text",
        [CHANNEL.into(), format!("ping {nonce}").into()],
    );
    write.query_one_raw(statement).await?;
    hearing.await.map_err(|_| BusError::Deaf)
}

/// What this process shows of itself to the others.
#[derive(Debug)]
pub struct Presence {
    instance: String,
    serves: AtomicBool,
    /// When it was asked who is there.
    asked: OnceLock<Instant>,
}

impl Presence {
    /// Of a process that does not serve (yet).
    pub fn new(instance: &str) -> Self {
        Self {
            instance: instance.to_owned(),
            serves: AtomicBool::new(false),
            asked: OnceLock::new(),
        }
    }

    fn serves(&self) -> bool {
        self.serves.load(Ordering::SeqCst)
    }

    /// How long the connection may be silent before it is tried.
    fn rest(&self) -> Duration {
        if self.serves() { BEAT } else { SILENCE }
    }

    /// Says that this process serves, now and from now on.
    pub async fn appear(&self, write: &Bounded<DatabaseConnection>) -> Result<(), BusError> {
        self.serves.store(true, Ordering::SeqCst);
        Ok(say(write, &format!("here {}", self.instance)).await?)
    }

    /// Says that it does no more, if it can.
    pub async fn leave(&self, write: &Bounded<DatabaseConnection>) {
        if self.serves.swap(false, Ordering::SeqCst) {
            let said = timeout(PATIENCE, say(write, &format!("gone {}", self.instance))).await;
            if !matches!(said, Ok(Ok(()))) {
                tracing::debug!("the others learn by its silence that this process has ended");
            }
        }
    }

    /// Returns once those who were asked at the start have had time to say that they are there.
    pub async fn is_known(&self) {
        if let Some(asked) = self.asked.get() {
            tokio::time::sleep_until(*asked + peers::PATIENCE).await;
        }
    }
}

/// Says something to all processes.
async fn say(write: &Bounded<DatabaseConnection>, text: &str) -> Result<(), DbErr> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT pg_notify($1, $2)::text",
        [PRESENCE.into(), text.into()],
    );
    write.query_one_raw(statement).await.map(drop)
}

/// The channel on which one process is answered.
fn channel_of(instance: &str) -> String {
    format!("lyceum_to_{instance}")
}

/// Connects, listens, and starts the task that delivers.
pub async fn start(
    station: &Station,
    pings: &Arc<Pings>,
    presence: &Arc<Presence>,
    told: Told,
    database: &BusDatabase,
) -> Result<JoinHandle<()>, BusError> {
    let listener = Listener {
        options: PgConnectOptions::from_str(&database.url)
            .map_err(|_| BusError::Listening("the database's URL cannot be read".to_owned()))?
            .application_name("lyceum bus"),
        read: database.read.clone(),
        station: station.clone(),
        pings: Arc::clone(pings),
        presence: Arc::clone(presence),
    };
    let connection = listener
        .connect()
        .await
        .map_err(|error| BusError::Listening(error.to_string()))?;
    presence.asked.get_or_init(Instant::now);
    Ok(hub::listen(&station.hub, listener.run(connection, told)))
}

struct Listener {
    options: PgConnectOptions,
    read: Bounded<DatabaseConnection>,
    station: Station,
    pings: Arc<Pings>,
    presence: Arc<Presence>,
}

/// Events that were reacted to, by who is to be told of it.
type Owed = BTreeMap<String, Vec<i64>>;

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
        let own = channel_of(&self.station.instance);
        listener.listen_all([CHANNEL, PRESENCE, TOLD, &own]).await?;
        let who = format!("who {}", self.station.instance);
        notify(&mut listener, &[PRESENCE.to_owned()], &[who]).await?;
        Ok(listener)
    }

    async fn run(self, mut connection: PgListener, mut told: Told) {
        loop {
            let reason = self.hear(&mut connection, &mut told).await;
            self.station.hub.set_hearing(false);
            tracing::warn!(reason, "the bus lost its connection to the database");
            connection = self.reconnect().await;
            // What was told meanwhile is old.
            while told.try_recv().is_ok() {}
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
            // Who answered when it connected may be gone before it listens.
            match timeout(2 * PATIENCE, self.connect()).await {
                Ok(Ok(connection)) => return connection,
                Ok(Err(error)) => tracing::debug!(%error, "the bus cannot connect yet"),
                Err(_) => tracing::debug!("the bus gets no answer yet"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_RETRY);
        }
    }

    /// Delivers until the connection is gone; returns why.
    async fn hear(&self, connection: &mut PgListener, told: &mut Told) -> String {
        // At once: others may have forgotten this process while it had no connection.
        let mut next_beat = Instant::now();
        loop {
            let heard = tokio::select! {
                heard = timeout_at(next_beat, connection.try_recv()) => match heard {
                    Ok(Ok(Some(notification))) => self.take_all(connection, notification).await,
                    Ok(Ok(None)) => Err("closed by the server".to_owned()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => {
                        next_beat = Instant::now() + self.presence.rest();
                        self.beat(connection).await
                    }
                },
                Some(first) = told.recv() => self.tell(connection, first, told).await,
            };
            if let Err(reason) = heard {
                return reason;
            }
        }
    }

    /// Takes a notification and those that came with it, and answers them together.
    async fn take_all(
        &self,
        connection: &mut PgListener,
        notification: PgNotification,
    ) -> Result<(), String> {
        let mut owed = Owed::new();
        let mut next = Some(notification);
        while let Some(notification) = next {
            self.take(notification.payload(), &mut owed).await;
            next = connection.next_buffered();
        }
        let answer = |(instance, ids): (String, Vec<i64>)| {
            let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
            let own = &self.station.instance;
            if instance.is_empty() {
                (PRESENCE.to_owned(), format!("here {own}"))
            } else {
                (
                    channel_of(&instance),
                    format!("heard {own} {}", ids.join(" ")),
                )
            }
        };
        let (channels, texts): (Vec<_>, Vec<_>) = owed.into_iter().map(answer).unzip();
        if channels.is_empty() {
            return Ok(());
        }
        let told = notify(connection, &channels, &texts);
        match timeout(PATIENCE, told).await {
            Ok(told) => told.map_err(|error| error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    /// Tells the others what need not last, as much at once as there is.
    async fn tell(
        &self,
        connection: &mut PgListener,
        first: Arc<Event>,
        told: &mut Told,
    ) -> Result<(), String> {
        let rest = std::iter::from_fn(|| told.try_recv().ok());
        let text = |event: Arc<Event>| {
            let payload = str::from_utf8(&event.payload).unwrap_or("null");
            format!("told {} {}\n{payload}", self.station.instance, event.group)
        };
        let texts: Vec<String> = std::iter::once(first)
            .chain(rest)
            .take(MOST_TOLD)
            .map(text)
            .collect();
        let channels = vec![TOLD.to_owned(); texts.len()];
        match timeout(PATIENCE, notify(connection, &channels, &texts)).await {
            Ok(told) => told.map_err(|error| error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    /// Says that this process is there, and sees whether the connection answers.
    async fn beat(&self, connection: &mut PgListener) -> Result<(), String> {
        let (channels, texts) = if self.presence.serves() {
            let here = format!("here {}", self.station.instance);
            (vec![PRESENCE.to_owned()], vec![here])
        } else {
            (Vec::new(), Vec::new())
        };
        if let Some(answer) = self.answer(connection, &channels, &texts).await {
            return answer;
        }
        // It was slow and has lost nothing; what came meanwhile comes first.
        while let Some(notification) = connection.next_buffered() {
            self.take_all(connection, notification).await?;
        }
        self.station.hub.set_hearing(true);
        Ok(())
    }

    /// What the connection answers; `None` when it did, but so late that there was doubt whether it would.
    async fn answer(
        &self,
        connection: &mut PgListener,
        channels: &[String],
        texts: &[String],
    ) -> Option<Result<(), String>> {
        let mut answer = std::pin::pin!(notify(connection, channels, texts));
        if let Ok(answer) = timeout(DOUBT, answer.as_mut()).await {
            return Some(answer.map_err(|error| error.to_string()));
        }
        self.station.hub.set_hearing(false);
        match timeout(PATIENCE, answer).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Err(error.to_string())),
            Err(_) => Some(Err("no answer".to_owned())),
        }
    }

    async fn take(&self, text: &str, owed: &mut Owed) {
        match Notice::parse(text) {
            Some(Notice::Ping(nonce)) => self.pings.heard(nonce),
            Some(Notice::Here(name)) if name != self.station.instance => {
                self.station.peers.here(name);
            }
            Some(Notice::Gone(name)) => self.station.peers.gone(name),
            Some(Notice::Who(name)) if name != self.station.instance => {
                if self.presence.serves() {
                    // To all: whoever asked is one of them.
                    owed.insert(String::new(), Vec::new());
                }
            }
            Some(Notice::Heard { name, ids }) => {
                for id in ids {
                    self.station.peers.heard(name, id);
                }
            }
            Some(Notice::Here(_) | Notice::Who(_)) => {}
            Some(Notice::Told {
                instance,
                group,
                payload,
            }) => {
                if instance != self.station.instance {
                    let event = Event::told(group, payload.to_owned());
                    self.station.hub.deliver(&event);
                }
            }
            Some(Notice::Event { id, instance, .. }) if instance == self.station.instance => {
                self.station.promises.committed(id);
            }
            Some(Notice::Event {
                id,
                group,
                payload,
                instance,
            }) => {
                self.deliver(id, group, payload).await;
                if self.presence.serves() && self.station.hub.reacts_to(group) {
                    owed.entry(instance.to_owned()).or_default().push(id);
                }
            }
            None => tracing::warn!("a notification on the bus's channel is not one of its own"),
        }
    }

    async fn deliver(&self, id: i64, group: &str, payload: Option<&str>) {
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

/// Says something on each of these channels, over the connection that listens; with none, only sees whether it answers.
async fn notify(
    connection: &mut PgListener,
    channels: &[String],
    texts: &[String],
) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_notify(channel, words) FROM unnest($1::text[], $2::text[]) AS said (channel, words)")
        .bind(channels)
        .bind(texts)
        .execute(connection)
        .await
        .map(drop)
}
