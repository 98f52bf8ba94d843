//! Statements whose answers are not waited for beyond all patience.
//!
//! A server of PostgreSQL that loses its power or its network while it works on a statement closes no connection: nothing
//! ever arrives, and nothing is left to be sent that could find nobody there. Whoever waits for such an answer waits
//! for ever, with a connection of the pool, and a loop that writes for many keeps all of them waiting.

use sea_orm::entity::prelude::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, RuntimeErr, Statement, TransactionOptions, TransactionTrait,
};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A connection or a transaction on which no statement waits for ever. SQLite, which is in this process, is waited for as
/// long as it takes.
#[derive(Clone, Debug)]
pub struct Bounded<C> {
    inner: C,
    timeout: Timeout,
}

impl<C: ConnectionTrait> Bounded<C> {
    /// A connection on which answers are waited for so long.
    pub fn new(inner: C, timeout: Timeout) -> Self {
        Self { inner, timeout }
    }

    /// The connection itself: for maintenance, whose statements take as long as there are rows.
    pub fn unbounded(&self) -> &C {
        &self.inner
    }
}

impl Bounded<DatabaseConnection> {
    /// As [`TransactionTrait::begin_with_options`].
    pub async fn begin(
        &self,
        options: TransactionOptions,
    ) -> Result<Bounded<DatabaseTransaction>, DbErr> {
        let begun = self.inner.begin_with_options(options);
        let inner = self.timeout.bound(begun).await?;
        Ok(Bounded::new(inner, self.timeout))
    }
}

impl Bounded<DatabaseTransaction> {
    /// As [`DatabaseTransaction::commit`]. When no answer comes it may have been committed all the same.
    pub async fn commit(self) -> Result<(), DbErr> {
        self.timeout.bound(self.inner.commit()).await
    }

    /// As [`DatabaseTransaction::rollback`].
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.timeout.bound(self.inner.rollback()).await
    }
}

#[async_trait::async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Bounded<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.timeout.bound(self.inner.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.timeout.bound(self.inner.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.timeout
            .bound(self.inner.query_one_raw(statement))
            .await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.timeout
            .bound(self.inner.query_all_raw(statement))
            .await
    }
}

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Timeout(Option<Duration>);

impl Timeout {
    /// For connections to a server.
    pub fn after(timeout: Duration) -> Self {
        Self(Some(timeout))
    }

    /// For a database in this process.
    pub fn never() -> Self {
        Self(None)
    }

    /// The answer, or that the connection is silent, as if it were broken.
    async fn bound<T>(self, answer: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let Some(timeout) = self.0 else {
            return answer.await;
        };
        match tokio::time::timeout(timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(silent())))),
        }
    }
}

/// What is said of a connection on which no answer comes.
pub fn silent() -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the database does not answer").into()
}
