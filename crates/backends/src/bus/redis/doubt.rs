//! Events of a transaction on PostgreSQL of whose end nobody has told: a request may be dropped in the very moment of its
//! commit. The server knows (postgresql.org/docs/current/functions-info.html, `pg_xact_status`).

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Shared;
use crate::bus::out::Out;

/// How soon the server is asked again about a transaction that is still under way, doubling up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The transaction that an event belongs to; to be dropped when the event is announced.
#[derive(Debug)]
pub struct Doubt {
    shared: Arc<Shared>,
    transaction: String,
}

/// What became of a transaction.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Committed,
    Undone,
    /// It is under way.
    None,
    /// The server does not remember.
    Forgotten,
}

/// The number of the transaction that is open on this connection.
pub async fn transaction(conn: &impl ConnectionTrait) -> Result<String, DbErr> {
    let statement = Statement::from_string(
        DbBackend::Postgres,
        "SELECT pg_current_xact_id()::text AS number",
    );
    let row = conn.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::Custom("a transaction has no number".to_owned()))?
        .try_get("", "number")
}

impl Doubt {
    pub(super) fn new(shared: &Arc<Shared>, transaction: String) -> Self {
        Self {
            shared: Arc::clone(shared),
            transaction,
        }
    }

    /// Finds out whether the transaction was committed, and has the event heard if so.
    pub fn resolve(self, out: Out) {
        let runtime = self.shared.runtime.clone();
        runtime.spawn(async move {
            match self.end().await {
                End::Committed => out.deliver(&self.shared.station.hub),
                End::Forgotten => self.shared.station.hub.lost(),
                End::Undone | End::None => {}
            }
        });
    }

    async fn end(&self) -> End {
        let mut wait = FIRST_WAIT;
        loop {
            match self.look().await {
                Ok(End::None) => {}
                Ok(end) => return end,
                Err(error) => {
                    tracing::debug!(%error, "whether something was committed is not known yet");
                }
            }
            if self.shared.station.hub.is_closed() {
                return End::None;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn look(&self) -> Result<End, DbErr> {
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_xact_status($1::text::xid8) AS status",
            [self.transaction.clone().into()],
        );
        let row = self.shared.database.read.query_one_raw(statement).await?;
        let status = match row {
            Some(row) => row.try_get::<Option<String>>("", "status")?,
            None => None,
        };
        Ok(match status.as_deref() {
            Some("committed") => End::Committed,
            Some("aborted") => End::Undone,
            Some(_) => End::None,
            None => End::Forgotten,
        })
    }
}
