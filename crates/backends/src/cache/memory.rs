//! The cache inside this process: moka, bounded in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::Expiry;
use moka::future::Cache;
use moka::notification::RemovalCause;
use moka::ops::compute::{CompResult, Op};

use super::backend::ServerReport;
use super::fault::Fault;
use super::near::Lasting;
use super::value;
use crate::clock::Clock;

/// What one entry costs besides its key and value, in bytes: moka's nodes, measured roughly.
const OVERHEAD_BYTES: usize = 128;

/// Entries in memory, the least used leaving first when `max_bytes` is reached.
#[derive(Debug)]
pub struct Memory {
    entries: Cache<String, Entry>,
    /// How many were pushed out for want of room.
    evictions: Arc<AtomicU64>,
    clock: Clock,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Bytes,
    /// On the clock's monotonic scale; `None` for ever. Reads go by this; moka's own expiry only
    /// frees the memory.
    ends: Option<Duration>,
    /// How long from its writing moka should keep it.
    lifetime: Option<Duration>,
}

impl Memory {
    /// An empty cache of at most `max_bytes`, values and keys together.
    pub fn new(max_bytes: u64, clock: Clock) -> Self {
        let evictions = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&evictions);
        let entries = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &String, entry: &Entry| {
                let bytes = key.len() + entry.value.len() + OVERHEAD_BYTES;
                u32::try_from(bytes).unwrap_or(u32::MAX)
            })
            .expire_after(ByEntry)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    counted.fetch_add(1, Relaxed);
                }
            })
            .build();
        Self {
            entries,
            evictions,
            clock,
        }
    }

    fn entry(&self, value: Bytes, lifetime: Option<Duration>) -> Entry {
        let ends = lifetime.map(|lifetime| self.clock.monotonic().saturating_add(lifetime));
        Entry {
            value,
            ends,
            lifetime,
        }
    }

    fn is_live(&self, entry: &Entry) -> bool {
        entry.ends.is_none_or(|ends| self.clock.monotonic() < ends)
    }

    /// The value, unless it is missing or over.
    pub async fn get(&self, key: &str) -> Option<Bytes> {
        let entry = self.entries.get(key).await?;
        self.is_live(&entry).then_some(entry.value)
    }

    /// The value, unless it is missing or over, and how long it still lasts.
    pub async fn look(&self, key: &str) -> Option<(Bytes, Lasting)> {
        let entry = self.entries.get(key).await?;
        let left = |ends: Duration| Lasting::Left(ends.saturating_sub(self.clock.monotonic()));
        let lasting = entry.ends.map_or(Lasting::Forever, left);
        self.is_live(&entry).then_some((entry.value, lasting))
    }

    /// Several values, in the order of their keys.
    pub async fn get_many(&self, keys: &[String]) -> Vec<Option<Bytes>> {
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            values.push(self.get(key).await);
        }
        values
    }

    /// Stores a value for `lifetime`, or for ever.
    pub async fn set(&self, key: String, value: Bytes, lifetime: Option<Duration>) {
        let entry = self.entry(value, lifetime);
        self.entries.insert(key, entry).await;
    }

    /// Stores a value only where none is; says whether it did.
    pub async fn add(&self, key: String, value: Bytes, lifetime: Option<Duration>) -> bool {
        let done = self
            .entries
            .entry(key)
            .and_compute_with(async |old| match old {
                Some(old) if self.is_live(old.value()) => Op::Nop,
                _ => Op::Put(self.entry(value, lifetime)),
            });
        matches!(
            done.await,
            CompResult::Inserted(_) | CompResult::ReplacedWith(_)
        )
    }

    /// Gives a stored value a new lifetime; says whether there was one.
    pub async fn touch(&self, key: String, lifetime: Option<Duration>) -> bool {
        let done = self.entries.entry(key).and_compute_with(async |old| {
            match old.map(moka::Entry::into_value) {
                Some(old) if self.is_live(&old) => Op::Put(self.entry(old.value, lifetime)),
                _ => Op::Nop,
            }
        });
        matches!(done.await, CompResult::ReplacedWith(_))
    }

    /// Adds to a stored whole number in one step; its end stays as it was. `None` when nothing is
    /// stored.
    pub async fn count(&self, key: String, by: i64) -> Result<Option<i64>, Fault> {
        let mut sum = None;
        let done = self.entries.entry(key).and_try_compute_with(async |old| {
            let Some(old) = old
                .map(moka::Entry::into_value)
                .filter(|old| self.is_live(old))
            else {
                return Ok(Op::Nop);
            };
            let number = value::sum(&old.value, by)?;
            sum = Some(number);
            let left = old
                .ends
                .map(|ends| ends.saturating_sub(self.clock.monotonic()));
            Ok::<_, Fault>(Op::Put(Entry {
                value: Bytes::from(number.to_string()),
                ends: old.ends,
                lifetime: left,
            }))
        });
        done.await?;
        Ok(sum)
    }

    /// Forgets a value; says whether there was one.
    pub async fn delete(&self, key: &str) -> bool {
        let old = self.entries.remove(key).await;
        old.is_some_and(|old| self.is_live(&old))
    }

    /// Forgets a value if it is this one; says whether it was.
    pub async fn delete_if(&self, key: String, value: &Bytes) -> bool {
        let done = self.entries.entry(key).and_compute_with(async |old| {
            match old.map(moka::Entry::into_value) {
                Some(old) if self.is_live(&old) && old.value == *value => Op::Remove,
                _ => Op::Nop,
            }
        });
        matches!(done.await, CompResult::Removed(_))
    }

    /// Forgets several values; says how many there were.
    pub async fn delete_many(&self, keys: &[String]) -> usize {
        let mut count = 0;
        for key in keys {
            count += usize::from(self.delete(key).await);
        }
        count
    }

    /// Forgets everything; nobody else stores here, so that it is all under one prefix.
    pub fn clear(&self, _prefix: &str) {
        self.entries.invalidate_all();
    }

    /// How full it is.
    pub async fn report(&self) -> ServerReport {
        self.entries.run_pending_tasks().await;
        ServerReport {
            address: "memory".to_owned(),
            entries: Some(self.entries.entry_count()),
            bytes_used: Some(self.entries.weighted_size()),
            bytes_limit: self.entries.policy().max_capacity(),
            evictions: Some(self.evictions.load(Relaxed)),
            ..ServerReport::default()
        }
    }

    /// Forgets everything and gives its memory back now.
    pub async fn close(&self) {
        self.entries.invalidate_all();
        self.entries.run_pending_tasks().await;
    }
}

/// Frees each entry's memory when its own lifetime is over.
struct ByEntry;

impl Expiry<String, Entry> for ByEntry {
    fn expire_after_create(&self, _: &String, entry: &Entry, _: Instant) -> Option<Duration> {
        entry.lifetime
    }

    fn expire_after_update(
        &self,
        _: &String,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        entry.lifetime
    }
}
