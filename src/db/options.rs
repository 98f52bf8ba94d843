//! How connections to the database are made and kept.

use super::bounded::silent;
use sea_orm::ConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use std::sync::Arc;
use std::time::Duration;

/// How long a request waits for a connection before the site says that it is busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection of PostgreSQL that has rested this long is tried before it is used again.
const RESTED: Duration = Duration::from_secs(1);

/// Within which a connection of PostgreSQL has to answer that is tried: less than a request waits for one, so that it
/// may be given another.
const TRIED: Duration = Duration::from_secs(2);

/// Connections that read at the same time.
pub(super) fn readers() -> u32 {
    std::thread::available_parallelism()
        .map_or(4, |cores| u32::try_from(cores.get() * 2).unwrap_or(4))
        .max(4)
}

pub(super) fn sqlite(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(format!("{url}?mode=rwc"));
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                // What is acknowledged lasts through a loss of power (decision 0043).
                .synchronous(sqlx::sqlite::SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(ACQUIRE_TIMEOUT)
                .pragma("cache_size", "-16000")
                .pragma("temp_store", "memory")
        });
    options
}

pub(super) fn postgres(url: &str, timeout: Duration) -> ConnectOptions {
    let session = session(timeout);
    let mut options = ConnectOptions::new(url.to_owned());
    options
        .max_connections(readers() * 4)
        .min_connections(1)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .sqlx_logging(false)
        // A busy site pays no round trip for this, and one whose server was away finds back at once.
        .map_sqlx_postgres_before_acquire(|connection, about| {
            Box::pin(async move {
                if about.idle_for < RESTED {
                    return Ok(true);
                }
                answers(connection).await.map(|()| true)
            })
        })
        .map_sqlx_postgres_pool_opts(move |pool| {
            let session = Arc::clone(&session);
            // The pool tries what is given back, too, without a bound: silent ones would keep their places for ever.
            pool.after_release(|connection, _| {
                Box::pin(async { answers(connection).await.map(|()| true) })
            })
            .after_connect(move |connection, _| {
                let session = Arc::clone(&session);
                Box::pin(async move { connection.execute(AssertSqlSafe(session)).await.map(drop) })
            })
        });
    options
}

async fn answers(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let answer = tokio::time::timeout(TRIED, connection.ping()).await;
    answer.unwrap_or_else(|_| Err(silent()))
}

/// What the server does about a process of the site that is frozen, or gone without a word: what that one holds others wait
/// for, and they say so before nobody waits for them any more. Settings of the session, since poolers refuse them at its
/// start (postgresql.org/docs/current/runtime-config-client.html; milliseconds, and seconds for keepalives).
fn session(timeout: Duration) -> Arc<str> {
    let for_locks = timeout.as_millis() / 3;
    format!(
        "SET lock_timeout = {for_locks}; SET idle_in_transaction_session_timeout = 300000; \
         SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6"
    )
    .into()
}
