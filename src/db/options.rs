//! How connections to the database are made and kept.

use backends::bounded::silent;
use sea_orm::ConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
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
                Ok(within(connection.ping()).await.is_ok())
            })
        })
        .map_sqlx_postgres_pool_opts(move |pool| {
            let session = session.clone();
            pool.after_release(|connection, _| Box::pin(is_free(connection)))
                .after_connect(move |connection, _| {
                    let session = session.clone();
                    Box::pin(within(async move {
                        connection.execute(AssertSqlSafe(session)).await.map(drop)
                    }))
                })
        });
    options
}

/// The answer, or that there is none.
async fn within<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let answer = tokio::time::timeout(TRIED, answer).await;
    answer.unwrap_or_else(|_| Err(silent()))
}

/// Whether a connection that was given back can be used by the next. The pool tries it, too, but waits for ever, and would
/// take one on which somebody went away while a transaction began: what is written there next would never be committed.
async fn is_free(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // Both are one time only where the statement is a transaction of its own.
    let asked = sqlx::raw_sql("SELECT now() = statement_timestamp()");
    within(async { asked.fetch_one(connection).await?.try_get(0) }).await
}

/// What the server does about a process of the site that is frozen, or gone without a word: it ends what nobody waits for,
/// gives back what is held, and lets others wait for a lock less long than for an answer. Settings of the session, since
/// poolers refuse them at its start, and only those that the server knows (postgresql.org/docs/current/view-pg-settings.html).
fn session(timeout: Duration) -> String {
    let for_locks = timeout.as_millis() / 3;
    format!(
        "SELECT set_config(name, wanted.value, false) FROM pg_settings JOIN (VALUES \
         ('lock_timeout', '{for_locks}ms'), \
         ('idle_in_transaction_session_timeout', '5min'), \
         ('client_connection_check_interval', '10s'), \
         ('tcp_keepalives_idle', '60s'), ('tcp_keepalives_interval', '10s'), ('tcp_keepalives_count', '6'), \
         ('tcp_user_timeout', '120s')) AS wanted (name, value) USING (name)"
    )
}
