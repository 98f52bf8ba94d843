//! `database:`: entries in a table of the site's own database, for several processes that have
//! nothing else in common.
//!
//! On SQLite there is one writer for the whole site. So that the cache never holds it up, at most
//! one call of the cache stands in that line at a time, and each writes a little in one statement:
//! at most [`ROWS`] rows or [`BATCH_BYTES`], in a transaction of its own. A call waits for a
//! transaction that its own task holds open, and fails: finish it first.
//!
//! Entries end by the wall clock, which is all that processes share. One from the future, left
//! by a clock that was wrong, counts as absent. The statements stand in [`table`]; what is
//! over or too much is removed by [`culling`].

mod culling;
mod table;
#[cfg(test)]
mod tests;

use crate::bounded::Bounded;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, QueryResult, StatementBuilder,
};
use tokio::sync::{Mutex, Semaphore};

use self::table::{CacheEntries, Row};
pub use self::table::{ENTRIES_TABLE, entries_indexes, entries_table};
use super::backend::{CacheDatabase, ServerReport};
use super::culling::Culling;
use super::ending::to_the_end;
use super::fault::{Fault, excerpt};
use super::key::is_under;
use super::near::Lasting;
use super::value;
use crate::clock::Clock;

/// The largest value, in bytes: more would hold SQLite's writer for too long.
const LARGEST_VALUE: usize = 4 * 1_024 * 1_024;

/// How much one statement writes at most.
const ROWS: usize = 100;
const BATCH_BYTES: usize = 256 * 1_024;

/// How many names one statement asks for at most.
const NAMES: usize = 1_000;

/// How many calls write at once to PostgreSQL, whose connections the site needs as well.
const WRITERS: usize = 4;

/// How often a number is read again because somebody else changed it, before giving up.
const MOST_TRIES: usize = 1_000;

/// Entries in a table.
#[derive(Clone, Debug)]
pub struct Database(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    read: Bounded<DatabaseConnection>,
    write: Bounded<DatabaseConnection>,
    clock: Clock,
    max_bytes: u64,
    /// Those that write, or wait for the site's writer.
    turns: Semaphore,
    /// Those of this process that count wait for each other here, and do not try in vain.
    counting: Mutex<()>,
    culling: Culling,
}

impl Database {
    /// The entries of a database that was migrated, at most `max_bytes` of all caches in it.
    pub fn new(database: CacheDatabase, max_bytes: u64, clock: Clock) -> Self {
        let writers = match database.write.get_database_backend() {
            DbBackend::Sqlite => 1,
            _ => WRITERS,
        };
        Self(Arc::new(Inner {
            read: database.read,
            write: database.write,
            clock,
            max_bytes,
            turns: Semaphore::new(writers),
            counting: Mutex::default(),
            culling: Culling::default(),
        }))
    }

    /// The value under a name.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, Fault> {
        let mut found = self.find(&[name]).await?;
        Ok(found.remove(name))
    }

    /// The values under several names, in their order.
    pub async fn get_many(&self, names: &[String]) -> Result<Vec<Option<Bytes>>, Fault> {
        let mut found = HashMap::new();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for names in names.chunks(NAMES) {
            found.extend(self.find(names).await?);
        }
        Ok(names.iter().map(|name| found.get(*name).cloned()).collect())
    }

    /// The value under a name, and how long it still lasts.
    pub async fn look(&self, name: &str) -> Result<Option<(Bytes, Lasting)>, Fault> {
        let select = self.live(&[name]).column(CacheEntries::EndsUs).take();
        let rows = self.0.rows(&select).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let value: Vec<u8> = row.try_get("", "value").map_err(fault)?;
        let ends_us: Option<i64> = row.try_get("", "ends_us").map_err(fault)?;
        let lasting = ends_us.map_or(Lasting::Forever, |ends_us| {
            Lasting::until(ends_us, self.now_us())
        });
        Ok(Some((Bytes::from(value), lasting)))
    }

    async fn find(&self, names: &[&str]) -> Result<HashMap<String, Bytes>, Fault> {
        self.cull_if_due(0);
        let rows = self.0.rows(&self.live(names)).await?;
        let read = |row: &QueryResult| {
            let value: Vec<u8> = row.try_get("", "value")?;
            Ok((row.try_get("", "name")?, Bytes::from(value)))
        };
        rows.iter()
            .map(read)
            .collect::<Result<_, DbErr>>()
            .map_err(fault)
    }

    fn live(&self, names: &[&str]) -> SelectStatement {
        Query::select()
            .columns([CacheEntries::Name, CacheEntries::Value])
            .from(CacheEntries::Table)
            .and_where(Expr::col(CacheEntries::Name).is_in(names.iter().copied()))
            .and_where(table::is_live(self.now_us()))
            .take()
    }

    /// Stores a value.
    pub async fn set(
        &self,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<(), Fault> {
        self.set_many(&[(name.to_owned(), value)], lifetime).await
    }

    /// Stores several values, a few in each transaction. One that is too large is told once the
    /// others are stored, and what stood under its name is deleted.
    pub async fn set_many(
        &self,
        entries: &[(String, Bytes)],
        lifetime: Option<Duration>,
    ) -> Result<(), Fault> {
        let (this, entries) = (self.clone(), entries.to_vec());
        let names: Vec<_> = entries.iter().map(|(name, _)| name.clone()).collect();
        let set = async move { this.set_all(&entries, lifetime).await };
        let this = self.clone();
        let forget = |_| async move {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            // If this fails, the caller's guard has them forgotten when the database is back.
            let _ = this.forget(&names).await;
        };
        to_the_end(set, forget).await
    }

    async fn set_all(
        &self,
        entries: &[(String, Bytes)],
        lifetime: Option<Duration>,
    ) -> Result<(), Fault> {
        // In order of their names, each once, the last of them.
        let (good, bad): (BTreeMap<_, _>, BTreeMap<_, _>) = entries
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .partition(|(name, value)| self.fitting(name, value).is_ok());
        let rows: Vec<_> = good
            .into_iter()
            .map(|(name, value)| self.row(name, value, lifetime))
            .collect();
        for rows in batches(&rows) {
            self.run(table::storing(rows)).await?;
            self.cull_if_due(rows.iter().map(Row::bytes).sum());
        }
        let Some((name, value)) = bad.first_key_value() else {
            return Ok(());
        };
        let names: Vec<&str> = bad.keys().copied().collect();
        self.forget(&names).await?;
        self.fitting(name, value)
    }

    /// Stores a value only where none is; says whether it did.
    pub async fn add(
        &self,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<bool, Fault> {
        self.fitting(name, &value)?;
        let (this, add) = (self.clone(), self.clone());
        let (name, added) = (name.to_owned(), value.clone());
        let work = {
            let name = name.clone();
            async move { add.add_row(&name, &value, lifetime).await }
        };
        let take_back = |outcome| async move {
            if matches!(outcome, Ok(true)) {
                // If this fails, it ends by itself.
                let _ = this.delete_if(&name, &added).await;
            }
        };
        to_the_end(work, take_back).await
    }

    async fn add_row(
        &self,
        name: &str,
        value: &Bytes,
        lifetime: Option<Duration>,
    ) -> Result<bool, Fault> {
        let row = self.row(name, value, lifetime);
        let is_added = self.run(table::adding(row, self.now_us())).await? > 0;
        if is_added {
            self.cull_if_due(row.bytes());
        }
        Ok(is_added)
    }

    /// Gives a stored value a new lifetime; says whether there was one.
    pub async fn touch(&self, name: &str, lifetime: Option<Duration>) -> Result<bool, Fault> {
        let now_us = self.now_us();
        let update = Query::update()
            .table(CacheEntries::Table)
            .value(CacheEntries::StoredUs, now_us)
            .value(CacheEntries::EndsUs, ends_us(now_us, lifetime))
            .and_where(Expr::col(CacheEntries::Name).eq(name))
            .and_where(table::is_live(now_us))
            .take();
        Ok(self.run(Ok(update)).await? > 0)
    }

    /// Adds to a stored whole number in one step and returns the sum; none where nothing is. Its
    /// lifetime stays.
    pub async fn count(&self, name: &str, by: i64) -> Result<Option<i64>, Fault> {
        let _turn = self.0.counting.lock().await;
        for _ in 0..MOST_TRIES {
            let rows = self.0.rows(&self.live(&[name])).await?;
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            let old: Vec<u8> = row.try_get("", "value").map_err(fault)?;
            let number = value::sum(&old, by)?;
            let new = number.to_string().into_bytes();
            let update = Query::update()
                .table(CacheEntries::Table)
                .value(CacheEntries::Bytes, table::cost(name, new.len()))
                .value(CacheEntries::Value, new)
                .and_where(Expr::col(CacheEntries::Name).eq(name))
                .and_where(Expr::col(CacheEntries::Value).eq(old))
                .and_where(table::is_live(self.now_us()))
                .take();
            if self.run(Ok(update)).await? > 0 {
                return Ok(Some(number));
            }
        }
        Err(Fault::Refused(
            "too many count on the same number".to_owned(),
        ))
    }

    /// Forgets a value if it is this one, in one step; says whether it was.
    pub async fn delete_if(&self, name: &str, value: &[u8]) -> Result<bool, Fault> {
        let delete = Query::delete()
            .from_table(CacheEntries::Table)
            .and_where(Expr::col(CacheEntries::Name).eq(name))
            .and_where(Expr::col(CacheEntries::Value).eq(value.to_vec()))
            .and_where(table::is_live(self.now_us()))
            .take();
        Ok(self.run(Ok(delete)).await? > 0)
    }

    /// Forgets several values; says how many there were.
    pub async fn delete_many(&self, names: &[String]) -> Result<usize, Fault> {
        let (this, names) = (self.clone(), names.to_vec());
        let delete = async move {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            this.forget(&names).await
        };
        to_the_end(delete, async |_| {}).await
    }

    async fn forget(&self, names: &[&str]) -> Result<usize, Fault> {
        let mut count = 0;
        for names in names.chunks(ROWS) {
            let now_us = self.now_us();
            let _turn = self.0.turns.acquire().await.map_err(closed)?;
            let deleting = table::deleting(self.0.engine(), names);
            let deleted = self.0.write.query_all(&deleting).await;
            for row in deleted.map_err(fault)? {
                let stored_us = row.try_get("", "stored_us").map_err(fault)?;
                let ends_us = row.try_get("", "ends_us").map_err(fault)?;
                count += usize::from(table::was_live(stored_us, ends_us, now_us));
            }
        }
        Ok(count)
    }

    /// Forgets every name under this prefix, a few in each transaction.
    pub async fn clear(&self, prefix: &str) -> Result<(), Fault> {
        let start = format!("{prefix}:");
        let mut after = String::new();
        loop {
            let most = u64::try_from(NAMES).unwrap_or(u64::MAX);
            let rows = self.0.rows(&table::beginning(&start, &after, most)).await?;
            let names = rows.iter().map(|row| row.try_get("", "name"));
            let names: Vec<String> = names.collect::<Result<_, _>>().map_err(fault)?;
            let Some(last) = names.last() else {
                return Ok(());
            };
            last.clone_into(&mut after);
            let ours = names.iter().filter(|name| is_under(prefix, name));
            let ours: Vec<&str> = ours.map(String::as_str).collect();
            self.forget(&ours).await?;
        }
    }

    /// What the table holds.
    pub async fn servers(&self) -> Vec<ServerReport> {
        let held = self.0.measure().await;
        vec![self.0.culling.report("database", self.0.max_bytes, held)]
    }

    fn row<'a>(&self, name: &'a str, value: &'a Bytes, lifetime: Option<Duration>) -> Row<'a> {
        let stored_us = self.now_us();
        Row {
            name,
            value,
            stored_us,
            ends_us: ends_us(stored_us, lifetime),
        }
    }

    fn fitting(&self, name: &str, value: &Bytes) -> Result<(), Fault> {
        // A value that pushes half of the others out is worth less than they are.
        let half = usize::try_from(self.0.max_bytes / 2).unwrap_or(usize::MAX);
        let most = LARGEST_VALUE.min(half.saturating_sub(name.len()));
        value::fitting(value.len(), most)
    }

    fn now_us(&self) -> i64 {
        self.0.clock.now().timestamp_micros()
    }

    fn cull_if_due(&self, written: i64) {
        culling::start_if_due(&self.0, written.unsigned_abs());
    }

    async fn run<S: StatementBuilder>(&self, statement: Result<S, DbErr>) -> Result<u64, Fault> {
        self.0.run(&statement.map_err(fault)?).await
    }
}

impl Inner {
    fn engine(&self) -> DbBackend {
        self.write.get_database_backend()
    }

    /// Runs a statement that writes, in its turn; says how many rows it affected.
    async fn run<S: StatementBuilder>(&self, statement: &S) -> Result<u64, Fault> {
        let _turn = self.turns.acquire().await.map_err(closed)?;
        let done = self.write.execute(statement).await.map_err(fault)?;
        Ok(done.rows_affected())
    }

    async fn rows(&self, select: &SelectStatement) -> Result<Vec<QueryResult>, Fault> {
        self.read.query_all(select).await.map_err(fault)
    }

    /// How many entries there are, and what they count for in bytes.
    async fn measure(&self) -> Result<(u64, u64), Fault> {
        let rows = self.rows(&table::measuring()).await?;
        let Some(row) = rows.first() else {
            return Ok((0, 0));
        };
        let entries: i64 = row.try_get("", "entries").map_err(fault)?;
        let bytes: i64 = row.try_get("", "bytes").map_err(fault)?;
        Ok((entries.unsigned_abs(), bytes.unsigned_abs()))
    }
}

/// Rows in as many lots as statements are needed.
fn batches<'a, 'b>(mut rows: &'a [Row<'b>]) -> impl Iterator<Item = &'a [Row<'b>]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fit = rows.iter().take(ROWS).take_while(|row| {
            // The first, however large it is.
            let is_first = bytes == 0;
            bytes += row.value.len().max(1);
            is_first || bytes <= BATCH_BYTES
        });
        let (batch, rest) = rows.split_at_checked(fit.count())?;
        rows = rest;
        (!batch.is_empty()).then_some(batch)
    })
}

fn ends_us(now_us: i64, lifetime: Option<Duration>) -> Option<i64> {
    let micros = lifetime.map(|lifetime| i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX));
    micros.map(|micros| now_us.saturating_add(micros))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn fault(error: DbErr) -> Fault {
    Fault::Unavailable(format!(
        "the database: {}",
        excerpt(error.to_string().as_bytes())
    ))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn closed(error: tokio::sync::AcquireError) -> Fault {
    Fault::Unavailable(error.to_string())
}
