//! Hearing other processes on one SQLite file: `PRAGMA data_version` tells a connection whether
//! another one has changed the file since it last looked (sqlite.org/pragma.html#pragma_data_version).
//! It costs microseconds, so it is asked 20 times a second on a connection that never writes, and
//! only after a change are new events read.
//!
//! SQLite has one writer and its ids are given out inside the writer's transaction, so ids are
//! committed in order and without gaps: a gap means that events were trimmed before they were read.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::hub;
use super::{BusDatabase, BusError, Event, Station};

const INTERVAL: Duration = Duration::from_millis(50);

/// Wait before a broken connection is opened again.
const RETRY: Duration = Duration::from_secs(1);

/// Events read at a time.
const BATCH: i64 = 500;

type Done = oneshot::Sender<()>;

/// The way to ask the polling task to look now.
#[derive(Clone, Debug)]
pub struct Poller {
    ask: mpsc::Sender<Done>,
}

impl Poller {
    /// Opens the connection, notes the newest event, and starts the task.
    pub async fn start(
        station: &Station,
        database: &BusDatabase,
    ) -> Result<(Self, JoinHandle<()>), BusError> {
        let options = SqliteConnectOptions::from_str(&database.url)
            .map_err(listening)?
            .create_if_missing(false)
            .busy_timeout(Duration::from_secs(5))
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(listening)?;
        let last_id = newest(&mut connection).await.map_err(listening)?;
        let (ask, asked) = mpsc::channel(16);
        let listener = Listener {
            options,
            station: station.clone(),
            last_id,
            last_version: None,
            is_down: false,
        };
        let task = hub::listen(&station.hub, listener.run(connection, asked));
        Ok((Self { ask }, task))
    }

    /// Returns when the task has read everything that was committed before this was called.
    pub async fn catch_up(&self) -> Result<(), BusError> {
        let (done, heard) = oneshot::channel();
        self.ask.send(done).await.map_err(|_| BusError::Closed)?;
        heard.await.map_err(|_| BusError::Deaf)
    }
}

struct Listener {
    options: SqliteConnectOptions,
    station: Station,
    last_id: i64,
    /// `data_version` at the last look; it means nothing on another connection.
    last_version: Option<i64>,
    is_down: bool,
}

impl Listener {
    async fn run(mut self, connection: SqliteConnection, mut asked: mpsc::Receiver<Done>) {
        let mut connection = Some(connection);
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                _ = ticks.tick() => None,
                Some(done) = asked.recv() => Some(done),
            };
            let looked = self.look(&mut connection).await;
            self.station.hub.set_hearing(looked.is_ok());
            self.note(looked.as_ref().err());
            if looked.is_err() {
                // Nothing is lost: the events stay in the table, and reading goes on after the
                // last one. Whoever asked learns of it as `done` is dropped.
                connection = None;
                ticks.reset_after(RETRY);
            } else if let Some(done) = done {
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
        }
    }

    /// Logs the beginning and the end of a fault, once each.
    fn note(&mut self, error: Option<&sqlx::Error>) {
        let was_down = std::mem::replace(&mut self.is_down, error.is_some());
        match error {
            Some(error) if !was_down => {
                tracing::warn!(%error, "the bus cannot read the database; trying again");
            }
            None if was_down => tracing::info!("the bus reads the database again"),
            _ => {}
        }
    }

    /// Delivers what is new.
    async fn look(&mut self, connection: &mut Option<SqliteConnection>) -> Result<(), sqlx::Error> {
        let connection = if let Some(connection) = connection {
            connection
        } else {
            self.last_version = None;
            connection.insert(self.options.connect().await?)
        };
        let version = sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut *connection)
            .await?;
        if self.last_version == Some(version) {
            return Ok(());
        }
        while self.read(connection).await? == BATCH {}
        // Only now: a failed read is repeated at the next look. What is committed while reading
        // changes the version again.
        self.last_version = Some(version);
        Ok(())
    }

    /// Delivers up to one batch of events; returns how many rows there were.
    async fn read(&mut self, connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
        // Our own events are counted, to see gaps, but their payloads are not fetched: they were
        // announced here already.
        let rows: Vec<(i64, Option<String>, Option<String>)> = sqlx::query_as(
            "SELECT id, CASE WHEN instance <> ?1 THEN group_name END, CASE WHEN instance <> ?1 THEN payload END \
             FROM bus_events WHERE id > ?2 ORDER BY id LIMIT ?3",
        )
        .bind(&self.station.instance)
        .bind(self.last_id)
        .bind(BATCH)
        .fetch_all(connection)
        .await?;
        let mut count = 0;
        for (id, group, payload) in rows {
            count += 1;
            if id != self.last_id + 1 {
                tracing::warn!("events were trimmed before this process read them");
                self.station.hub.lost();
            }
            self.last_id = id;
            match (group, payload) {
                (Some(group), Some(payload)) => {
                    let event = Event {
                        id,
                        group,
                        payload: payload.into(),
                    };
                    self.station.hub.deliver(&Arc::new(event));
                }
                _ => self.station.promises.committed(id),
            }
        }
        Ok(count)
    }
}

/// The file of a database; none when it is in memory only.
pub fn file_of(url: &str) -> Option<PathBuf> {
    let options = SqliteConnectOptions::from_str(url).ok()?;
    let file = options.get_filename();
    let is_file = !file.as_os_str().is_empty() && !file.starts_with(":memory:");
    is_file.then(|| file.to_owned())
}

/// The highest id ever given out: kept in `sqlite_sequence` even when the table was emptied. An
/// error when the table was never made.
async fn newest(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query("SELECT id FROM bus_events LIMIT 0")
        .execute(&mut *connection)
        .await?;
    sqlx::query_scalar(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'bus_events'",
    )
    .fetch_one(connection)
    .await
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn listening(error: sqlx::Error) -> BusError {
    BusError::Listening(error.to_string())
}
