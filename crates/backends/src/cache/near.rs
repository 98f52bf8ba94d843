//! Memory in front of a backend that others share, kept honest through the bus.
//!
//! A process that changes a name tells the others, who then ask the backend for it again; within
//! the time that the bus takes, which is not the next request. (What must be right at the next
//! request carries versions of its own: tags.) A process that cannot hear goes round its memory. A
//! value stays no longer than in the backend, and no longer than a minute.
//!
//! Nothing is deleted from the memory when a name changes: every name belongs to one of some
//! thousand counters, which a change moves on, and a value is good only while its counter stands
//! where it stood *before* the backend was asked. So a value that was on its way here while it
//! changed is not taken for good either.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use moka::future::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::guard::Guard;
use super::report::{NearReport, Space};
use crate::bus::{Bus, Delivery};
use crate::clock::Clock;

/// How many counters the names share; a power of two.
const COUNTERS: usize = 4_096;

/// How long a value stays at most.
const LONGEST: Duration = Duration::from_secs(60);

/// How long it stays where the backend does not say when it ends.
const UNKNOWN: Duration = Duration::from_secs(1);

/// What one value costs besides its name and bytes, roughly.
const OVERHEAD_BYTES: usize = 160;

/// How many names go into one event.
const NAMES_IN_EVENT: usize = 200;

/// More names than this wait to be told, and everything is dropped instead.
const MOST_WAITING: usize = 10_000;

/// Memory in front of a backend.
#[derive(Debug)]
pub struct Near {
    values: Cache<String, Value>,
    clock: Clock,
    bus: Bus,
    counters: Arc<Counters>,
    tell: mpsc::Sender<Change>,
    /// More changed than could be told: the others have to drop everything.
    is_too_much: Arc<AtomicBool>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone, Debug)]
struct Value {
    bytes: Bytes,
    stamp: Stamp,
    /// On the clock's monotonic scale.
    ends: Duration,
}

/// Where the counters of a name stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(u64, u64);

#[derive(Debug)]
struct Counters {
    all: AtomicU64,
    each: Box<[AtomicU64]>,
    drops: AtomicU64,
}

/// What other processes are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Names(Vec<String>),
    All,
}

impl Counters {
    fn new() -> Self {
        Self {
            all: AtomicU64::new(0),
            each: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
            drops: AtomicU64::new(0),
        }
    }

    fn of(&self, name: &str) -> Option<&AtomicU64> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % COUNTERS as u64).unwrap_or(0);
        self.each.get(index)
    }

    fn stamp(&self, name: &str) -> Stamp {
        let own = self.of(name).map_or(0, |own| own.load(Ordering::Acquire));
        Stamp(self.all.load(Ordering::Acquire), own)
    }

    fn drop_name(&self, name: &str) {
        if let Some(own) = self.of(name) {
            own.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn drop_all(&self) {
        self.all.fetch_add(1, Ordering::AcqRel);
    }

    fn hear(&self, delivery: &Delivery) {
        let change = match delivery {
            Delivery::Event(event) => event.decode().unwrap_or(Change::All),
            Delivery::Lost => Change::All,
        };
        self.drops.fetch_add(1, Ordering::Relaxed);
        match change {
            Change::Names(names) => names.iter().for_each(|name| self.drop_name(name)),
            Change::All => self.drop_all(),
        }
    }
}

impl Near {
    /// Memory of at most `max_bytes` in front of the backend at `place`, for names that begin with
    /// `prefix`: processes that have both in common tell each other.
    pub fn new(max_bytes: u64, place: &str, prefix: &str, clock: Clock, bus: Bus) -> Self {
        let values = Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|name: &String, value: &Value| {
                let bytes = name.len() + value.bytes.len() + OVERHEAD_BYTES;
                u32::try_from(bytes).unwrap_or(u32::MAX)
            })
            .time_to_live(LONGEST)
            .build();
        let counters = Arc::new(Counters::new());
        let heard = Arc::clone(&counters);
        let hash = Sha256::digest(format!("{place} {prefix}").as_bytes());
        let group = format!("cache:{}", URL_SAFE_NO_PAD.encode(hash));
        bus.react(&group, move |delivery| heard.hear(delivery));
        let (tell, told) = mpsc::channel(MOST_WAITING);
        let is_too_much = Arc::new(AtomicBool::new(false));
        let overflow = Arc::clone(&is_too_much);
        tokio::spawn(tell_others(bus.clone(), group, told, overflow));
        Self {
            values,
            clock,
            bus,
            counters,
            tell,
            is_too_much,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The value under a name: from here, or else from the backend.
    pub async fn get(&self, guard: &Guard, space: &Space, name: &str) -> Option<Bytes> {
        if !self.bus.is_hearing() {
            return guard.get(space, name).await;
        }
        // Before anything is looked at.
        let stamp = self.counters.stamp(name);
        if let Some(bytes) = self.find(name, stamp).await {
            return Some(bytes);
        }
        let (bytes, lasting) = guard.get_aging(space, name).await?;
        self.keep(name.to_owned(), bytes.clone(), stamp, lasting)
            .await;
        Some(bytes)
    }

    /// The values under several names, in their order: those that are not here in one round trip.
    pub async fn get_many(
        &self,
        guard: &Guard,
        space: &Space,
        names: &[String],
    ) -> Vec<Option<Bytes>> {
        if !self.bus.is_hearing() {
            return guard.get_many(space, names).await;
        }
        let mut found = Vec::with_capacity(names.len());
        let mut missing = Vec::new();
        for name in names {
            let here = self.find(name, self.counters.stamp(name)).await;
            if here.is_none() {
                missing.push(name.clone());
            }
            found.push(here);
        }
        if missing.is_empty() {
            return found;
        }
        let mut rest = guard.get_many(space, &missing).await.into_iter();
        for place in &mut found {
            if place.is_none() {
                *place = rest.next().flatten();
            }
        }
        found
    }

    async fn find(&self, name: &str, stamp: Stamp) -> Option<Bytes> {
        let value = self.values.get(name).await;
        let value =
            value.filter(|value| value.stamp == stamp && self.clock.monotonic() < value.ends);
        let counter = if value.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        counter.fetch_add(1, Ordering::Relaxed);
        value.map(|value| value.bytes)
    }

    async fn keep(&self, name: String, bytes: Bytes, stamp: Stamp, lasting: Lasting) {
        if self.counters.stamp(&name) != stamp || !self.bus.is_hearing() {
            return;
        }
        let lifetime = match lasting {
            Lasting::Forever => LONGEST,
            Lasting::Left(left) => left.min(LONGEST),
            Lasting::Unknown => UNKNOWN,
        };
        let value = Value {
            bytes,
            stamp,
            ends: self.clock.monotonic().saturating_add(lifetime),
        };
        self.values.insert(name, value).await;
    }

    /// Drops names here, and tells nobody.
    pub fn drop_here<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            self.counters.drop_name(name);
        }
    }

    /// Drops names here, and has a task tell the others: telling writes to the database, which the
    /// caller may hold.
    pub fn changed<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        self.drop_here(names.iter().map(String::as_str));
        if !names.is_empty() {
            self.pass_on(Change::Names(names));
        }
    }

    /// Drops everything here and at the others.
    pub fn cleared(&self) {
        self.counters.drop_all();
        self.pass_on(Change::All);
    }

    fn pass_on(&self, change: Change) {
        if self.tell.try_send(change).is_err() {
            self.is_too_much.store(true, Ordering::Release);
        }
    }

    /// What is known of it.
    pub async fn report(&self) -> NearReport {
        self.values.run_pending_tasks().await;
        NearReport {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            drops: self.counters.drops.load(Ordering::Relaxed),
            is_bypassed: !self.bus.is_hearing(),
            entries: self.values.entry_count(),
            bytes_used: self.values.weighted_size(),
        }
    }

    /// Gives its memory back.
    pub async fn close(&self) {
        self.counters.drop_all();
        self.values.invalidate_all();
        self.values.run_pending_tasks().await;
    }
}

/// How long a value that was read still lasts in the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// It does not end.
    Forever,
    /// So long from when it was asked for.
    Left(Duration),
    /// The backend does not say.
    Unknown,
}

impl Lasting {
    /// Until a time; both in microseconds since 1970 UTC.
    pub(super) fn until(ends_us: i64, now_us: i64) -> Self {
        let left = u64::try_from(ends_us.saturating_sub(now_us)).unwrap_or(0);
        Self::Left(Duration::from_micros(left))
    }
}

/// Tells changes in as few events as there can be, for as long as the cache is open.
async fn tell_others(
    bus: Bus,
    group: String,
    mut told: mpsc::Receiver<Change>,
    is_too_much: Arc<AtomicBool>,
) {
    let mut waiting = Vec::new();
    while told.recv_many(&mut waiting, MOST_WAITING).await > 0 {
        if is_too_much.swap(false, Ordering::AcqRel) {
            waiting.push(Change::All);
        }
        for change in merge(waiting.drain(..)) {
            if let Err(error) = bus.publish(&group, &change).await {
                tracing::warn!(%error, "other processes were not told of a change in the cache; they see it within a minute");
            }
        }
    }
}

/// The same in fewer events: each name once, and nothing beside everything.
fn merge(changes: impl Iterator<Item = Change>) -> Vec<Change> {
    let mut all = HashSet::new();
    for change in changes {
        match change {
            Change::Names(names) => all.extend(names),
            Change::All => return vec![Change::All],
        }
    }
    if all.len() > MOST_WAITING {
        return vec![Change::All];
    }
    let all: Vec<String> = all.into_iter().collect();
    all.chunks(NAMES_IN_EVENT)
        .map(|names| Change::Names(names.to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Change {
        Change::Names(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn what_is_told_is_told_once() {
        let merged = merge([names(&["a"]), names(&["a", "a"])].into_iter());
        assert_eq!(merged, [names(&["a"])]);
        let merged = merge([names(&["a"]), Change::All, names(&["b"])].into_iter());
        assert_eq!(merged, [Change::All]);
        let many: Vec<String> = (0..450).map(|number| number.to_string()).collect();
        assert_eq!(merge([Change::Names(many)].into_iter()).len(), 3);
    }

    #[test]
    fn a_change_moves_the_counter_of_its_name_and_a_loss_those_of_all() {
        let counters = Counters::new();
        let (one, other) = (counters.stamp("one"), counters.stamp("other"));
        counters.drop_name("one");
        assert_ne!(counters.stamp("one"), one);
        assert_eq!(counters.stamp("other"), other);
        counters.hear(&Delivery::Lost);
        assert_ne!(counters.stamp("other"), other);
    }
}
