//! The database: two ways in, [`Db::read`] and [`Db::write`], and nothing else.
//!
//! On SQLite these are two pools: several readers and one writer, so that a writer never
//! meets `SQLITE_BUSY` from this process. On PostgreSQL both are one pool.

mod options;
pub mod tag;

pub use backends::bounded::Bounded;
pub use tag::Tag;

use crate::error::{Error, Result};
use crate::migrations::Migrator;
use backends::bounded::Timeout;
use backends::bus::{Bus, Recorded};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sea_orm::{
    ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait as _, SqliteTransactionMode, Statement, TransactionOptions,
};
use sea_orm_migration::{MigratorTrait, SchemaManager, seaql_migrations};
use serde::Serialize;
use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a driver would not take as part of a path.
const NOT_IN_PATH: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');

/// How often the steps of the schema are tried when another process takes them at the same time, or holds a table that they
/// change: some ten minutes, since each try waits for a lock as long as everybody does, and no longer, lest all others stand
/// behind it.
const MIGRATE_TRIES: u32 = 30;

/// The table of the steps that were taken.
const TAKEN_STEPS: &str = "seaql_migrations";

/// What is to be done about tables that neither this release nor the one after it has made.
const OTHER_RELEASE: &str =
    "the tables are those of a newer release that this one cannot serve with; start that release";

/// The database of one site.
#[derive(Clone)]
pub struct Db {
    read: Bounded<DatabaseConnection>,
    write: Bounded<DatabaseConnection>,
    statements: Arc<AtomicU64>,
}

/// How a pool of connections is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// Connections that are open.
    pub open: u64,
    /// Those of them that nobody uses just now.
    pub idle: u64,
    /// How many there may be.
    pub limit: u64,
}

impl PoolUse {
    fn of<D: sqlx::Database>(pool: &sqlx::Pool<D>) -> Self {
        Self {
            open: pool.size().into(),
            idle: pool.num_idle() as u64,
            limit: pool.options().get_max_connections().into(),
        }
    }
}

/// A transaction that writes, and the events that others hear once it is committed.
///
/// Dropped without [`Write::commit`], it changes nothing and nobody hears anything.
pub struct Write {
    transaction: Bounded<DatabaseTransaction>,
    bus: Bus,
    recorded: Vec<Recorded>,
    changed: Mutex<BTreeSet<String>>,
    undo: Undo,
}

/// What lies outside the database and is undone when the transaction is not committed.
#[derive(Default)]
struct Undo(Vec<Box<dyn FnOnce() + Send + Sync>>);

impl Drop for Undo {
    fn drop(&mut self) {
        for step in self.0.drain(..) {
            step();
        }
    }
}

/// How the tables and this release stand to each other, in steps.
struct Steps {
    /// Those of this release that were not taken yet.
    pending: usize,
    /// Those that were taken by a release that knows more.
    newer: usize,
}

impl Db {
    /// Opens the database at `url`: `sqlite:` (a file in `data`), `sqlite:<path>` or `postgres://...`. An answer of
    /// PostgreSQL is waited for no longer than `timeout`.
    pub async fn open(url: &str, data: &Path, timeout: Duration) -> Result<Self, DbErr> {
        let url = Self::full_url(url, data);
        let statements = Arc::new(AtomicU64::new(0));
        let (mut read, mut write, timeout) = if url.starts_with("sqlite:") {
            let write = Database::connect(options::sqlite(&url, 1)).await?;
            (
                Database::connect(options::sqlite(&url, options::readers())).await?,
                write,
                Timeout::never(),
            )
        } else {
            let pool = Database::connect(options::postgres(&url, timeout)).await?;
            (pool.clone(), pool, Timeout::after(timeout))
        };
        for connection in [&mut read, &mut write] {
            let statements = Arc::clone(&statements);
            connection.set_metric_callback(move |_| {
                statements.fetch_add(1, Ordering::Relaxed);
            });
        }
        Ok(Self {
            read: Bounded::new(read, timeout),
            write: Bounded::new(write, timeout),
            statements,
        })
    }

    /// The URL as drivers read it: with the path of the default file filled in, and whatever stands
    /// after `sqlite:` taken as a path as it is, spaces and question marks included.
    pub fn full_url(url: &str, data: &Path) -> String {
        let Some(path) = url.strip_prefix("sqlite:") else {
            return url.to_owned();
        };
        let path = match path.strip_prefix("//").unwrap_or(path) {
            "" => data.join("lyceum.sqlite3"),
            path => PathBuf::from(path),
        };
        let path = path.to_string_lossy();
        format!("sqlite:{}", utf8_percent_encode(&path, NOT_IN_PATH))
    }

    /// For queries.
    pub fn read(&self) -> &Bounded<DatabaseConnection> {
        &self.read
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database does not answer, or another writer holds it for seconds.
    pub async fn write(&self, bus: &Bus) -> Result<Write> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.write.begin(options).await?;
        Ok(Write {
            transaction,
            bus: bus.clone(),
            recorded: Vec::new(),
            changed: Mutex::default(),
            undo: Undo::default(),
        })
    }

    /// For single statements that write.
    pub fn writer(&self) -> &Bounded<DatabaseConnection> {
        &self.write
    }

    /// Brings the tables up to date. Processes that start at once may all ask for it: each step is a
    /// transaction, so that one of them takes it and the others find it taken. Tables of a newer release are left as they
    /// are: what the next release adds does not disturb this one, so that nodes are replaced one by one.
    ///
    /// # Errors
    /// When a step fails, and when the tables are those of a newer release but lack a step of this one.
    pub async fn migrate(&self) -> Result<(), DbErr> {
        let mut tries = 1;
        loop {
            let taken = match self.steps().await {
                Ok(Steps { newer: 0, .. }) => Migrator::up(self.write.unbounded(), None).await,
                Ok(Steps { pending: 0, .. }) => {
                    tracing::warn!(
                        "the tables are those of a newer release; this process goes on with them"
                    );
                    Ok(())
                }
                Ok(_) => return Err(DbErr::Migration(OTHER_RELEASE.to_owned())),
                Err(error) => Err(error),
            };
            match taken {
                Err(error) if tries < MIGRATE_TRIES => {
                    tracing::info!(%error, "the tables are not up to date yet; trying again");
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// How many steps have not been taken yet.
    pub async fn pending_migrations(&self) -> Result<usize, DbErr> {
        self.steps().await.map(|steps| steps.pending)
    }

    /// How the tables and this release stand to each other.
    async fn steps(&self) -> Result<Steps, DbErr> {
        // A database that is new has no list of steps either.
        let manager = SchemaManager::new(self.read.unbounded());
        let taken = if manager.has_table(TAKEN_STEPS).await? {
            seaql_migrations::Entity::find().all(&self.read).await?
        } else {
            Vec::new()
        };
        let known: Vec<String> = Migrator::migrations()
            .iter()
            .map(|step| step.name().to_owned())
            .collect();
        let is_taken = |name: &String| taken.iter().any(|step| step.version == *name);
        Ok(Steps {
            pending: known.iter().filter(|name| !is_taken(name)).count(),
            newer: taken
                .iter()
                .filter(|step| !known.contains(&step.version))
                .count(),
        })
    }

    /// Statements sent since the start; tests hold pages to a constant number of them.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// The pools of connections by their names, and how they are used: on SQLite one that reads and one that writes.
    pub fn pools(&self) -> Vec<(&'static str, PoolUse)> {
        if self.backend() == DbBackend::Postgres {
            let pool = self.write.unbounded().get_postgres_connection_pool();
            return vec![("all", PoolUse::of(pool))];
        }
        let read = self.read.unbounded().get_sqlite_connection_pool();
        let write = self.write.unbounded().get_sqlite_connection_pool();
        vec![("read", PoolUse::of(read)), ("write", PoolUse::of(write))]
    }

    /// Whether it answers.
    pub async fn check(&self) -> Result<(), DbErr> {
        self.read.execute_unprepared("SELECT 1").await.map(|_| ())
    }

    /// Which engine it is.
    pub fn backend(&self) -> DbBackend {
        self.read.get_database_backend()
    }

    /// Closes all connections.
    pub async fn close(self) -> Result<(), DbErr> {
        self.read.unbounded().clone().close().await?;
        self.write.unbounded().clone().close().await
    }
}

impl Write {
    /// Waits until no other transaction is open that asked for the same name: for what is looked up
    /// first and written then. On SQLite there is one writer at a time anyhow.
    pub async fn alone(&self, name: &str) -> Result<()> {
        if self.transaction.get_database_backend() == DbBackend::Postgres {
            let lock = Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
                [name.into()],
            );
            self.transaction.execute_raw(lock).await?;
        }
        Ok(())
    }

    /// Tells the group, once this transaction is committed.
    pub async fn publish<T: Serialize + Sync>(&mut self, group: &str, payload: &T) -> Result<()> {
        let recorded = self.bus.record(&self.transaction, group, payload).await?;
        self.recorded.push(recorded);
        Ok(())
    }

    /// Does this when the transaction ends without [`Write::commit`]: for what was made outside the
    /// database and would be nobody's, such as a stored file. It may not block.
    pub fn on_rollback(&mut self, step: impl FnOnce() + Send + Sync + 'static) {
        self.undo.0.push(Box::new(step));
    }

    /// Says that this transaction changes what the tag stands for: what is remembered of it is gone for every
    /// request that begins after [`Write::commit`] has returned, on every node. Twice is once.
    pub fn changes(&self, tag: Tag) {
        // No panic can leave the set half changed.
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.insert(tag.to_string());
    }

    /// Makes the versions of the changed tags grow. The last thing before the commit, and in the order of
    /// their names: the rows are locked from here on.
    async fn grow(&mut self) -> Result<()> {
        let changed = std::mem::take(
            self.changed
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let mut grown = tag::grow(&self.transaction, &changed).await?;
        while !grown.is_empty() {
            let rest = grown.keys().nth(tag::AT_ONCE).cloned();
            let rest = rest.map(|key| grown.split_off(&key)).unwrap_or_default();
            let tags = std::mem::replace(&mut grown, rest);
            self.publish(tag::GROUP, &tag::Grown { tags }).await?;
        }
        Ok(())
    }

    /// Makes it last, tells those who listen, and waits a moment until the other nodes know what has changed: whoever is
    /// answered after this sees it, wherever she asks next.
    pub async fn commit(mut self) -> Result<()> {
        self.grow().await?;
        // When no answer comes it may have been committed all the same; then nothing may be undone.
        self.undo.0.clear();
        self.transaction.commit().await?;
        self.bus.announce_and_wait(self.recorded).await;
        Ok(())
    }

    /// Undoes it.
    pub async fn rollback(self) -> Result<()> {
        self.transaction.rollback().await.map_err(Error::from)
    }
}

impl Deref for Write {
    type Target = Bounded<DatabaseTransaction>;

    fn deref(&self) -> &Self::Target {
        &self.transaction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_path_of_the_database_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "plain.db",
            "a b.db",
            "what?.db",
            "100%41.db",
            "#1.db",
            "é.db",
        ] {
            let path = folder.path().join(name);
            let url = format!("sqlite:{}", path.display());
            Db::open(&url, folder.path(), PATIENCE)
                .await
                .unwrap()
                .close()
                .await
                .unwrap();
            assert!(path.is_file(), "{name}");
        }
        let data = folder.path().join("data? of 100%");
        std::fs::create_dir(&data).unwrap();
        Db::open("sqlite:", &data, PATIENCE)
            .await
            .unwrap()
            .close()
            .await
            .unwrap();
        assert!(data.join("lyceum.sqlite3").is_file());
    }

    #[tokio::test]
    async fn on_sqlite_a_commit_waits_until_it_lasts_through_a_loss_of_power() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open("sqlite:", folder.path(), PATIENCE).await.unwrap();
        let asked = Statement::from_string(DbBackend::Sqlite, "PRAGMA synchronous");
        let row = db.writer().query_one_raw(asked).await.unwrap().unwrap();
        let level: i64 = row.try_get_by_index(0).unwrap();
        assert_eq!(level, 2, "FULL: sqlite.org/pragma.html#pragma_synchronous");
    }

    #[tokio::test]
    async fn a_process_of_the_release_before_starts_with_the_tables_of_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open("sqlite:", folder.path(), PATIENCE).await.unwrap();
        db.migrate().await.unwrap();
        let next = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_next', 1)";
        db.write.execute_unprepared(next).await.unwrap();
        db.migrate().await.unwrap();
        assert_eq!(db.pending_migrations().await.unwrap(), 0);
        let older = "DELETE FROM seaql_migrations WHERE version LIKE 'm0001%'";
        db.write.execute_unprepared(older).await.unwrap();
        let error = db.migrate().await.unwrap_err().to_string();
        assert!(error.contains("start that release"), "{error}");
    }

    #[tokio::test]
    async fn two_processes_that_start_at_once_build_one_schema() {
        let folder = tempfile::tempdir().unwrap();
        let one = Db::open("sqlite:", folder.path(), PATIENCE).await.unwrap();
        let two = Db::open("sqlite:", folder.path(), PATIENCE).await.unwrap();
        let (first, second) = tokio::join!(one.migrate(), two.migrate());
        first.unwrap();
        second.unwrap();
        assert_eq!(two.pending_migrations().await.unwrap(), 0);
    }
}
