//! What is counted of a cache: by key space, in atomics, at the cost of a few additions a call.
//!
//! A key space is what stands in front of the first `:` of a key, which a program chooses: 60 of
//! them are kept apart, what comes later is counted together, so that keys made of what visitors
//! send take no memory here.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::Serialize;

/// Places for key spaces; a power of two.
const PLACES: usize = 128;

/// How many places are looked at for one name.
const TRIES: usize = 8;

/// How many key spaces are kept apart.
const MOST_SPACES: u64 = 60;

/// Longest name of a key space that is kept apart, in bytes.
const MAX_NAME_BYTES: usize = 40;

/// A call that takes as long is slow.
pub const SLOW: Duration = Duration::from_millis(10);

/// The counters of one key space.
#[derive(Debug, Default)]
pub struct Space {
    name: String,
    hits: AtomicU64,
    misses: AtomicU64,
    writes: AtomicU64,
    deletes: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    slow: AtomicU64,
    faults: AtomicU64,
}

/// What was counted in one key space since the cache was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpaceReport {
    /// What stands in front of the first `:` of its keys; empty for keys without one; `...` for
    /// all that are not kept apart.
    pub space: String,
    /// Reads that found something.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Values stored, counts and new lifetimes included.
    pub writes: u64,
    /// Names that were to be forgotten.
    pub deletes: u64,
    /// Bytes of the values found.
    pub bytes_read: u64,
    /// Bytes of the values stored.
    pub bytes_written: u64,
    /// Calls of 10 ms and more to the backend.
    pub slow_calls: u64,
    /// Calls that the backend did not answer, or that were not even made because it does not.
    pub faults: u64,
}

/// What is known of a cache.
#[derive(Clone, Debug, Serialize)]
pub struct CacheReport {
    /// The kind of its backend: the scheme of its URL.
    pub kind: &'static str,
    /// Where the backend is, without user and password; empty where that is nowhere.
    pub place: String,
    /// Whether the backend is asked; otherwise the cache looks empty until it answers again.
    pub is_available: bool,
    /// How often the backend went away.
    pub times_away: u64,
    /// How many names the backend still has to forget, under which nothing is read until then; `None` for all.
    pub owed: Option<usize>,
    /// Every key space.
    pub spaces: Vec<SpaceReport>,
    /// The memory in front of the backend, if it has one.
    pub near: Option<NearReport>,
}

/// What is known of the memory in front of a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NearReport {
    /// Reads that it answered.
    pub hits: u64,
    /// Reads that went on to the backend.
    pub misses: u64,
    /// Names dropped because another process changed them.
    pub drops: u64,
    /// Whether it is gone round, since other processes are not heard.
    pub is_bypassed: bool,
    /// How many values it holds.
    pub entries: u64,
    /// How many bytes they take.
    pub bytes_used: u64,
}

impl Space {
    /// A read, and how many bytes it found.
    pub fn read(&self, found: Option<usize>) {
        match found {
            Some(bytes) => {
                self.hits.fetch_add(1, Relaxed);
                self.bytes_read.fetch_add(bytes as u64, Relaxed);
            }
            None => drop(self.misses.fetch_add(1, Relaxed)),
        }
    }

    /// A value stored, of so many bytes.
    pub fn wrote(&self, bytes: usize) {
        self.writes.fetch_add(1, Relaxed);
        self.bytes_written.fetch_add(bytes as u64, Relaxed);
    }

    /// A name to be forgotten.
    pub fn deleted(&self) {
        self.deletes.fetch_add(1, Relaxed);
    }

    /// How long a call took.
    pub fn took(&self, time: Duration) {
        if time >= SLOW {
            self.slow.fetch_add(1, Relaxed);
        }
    }

    /// A call that was not answered.
    pub fn failed(&self) {
        self.faults.fetch_add(1, Relaxed);
    }

    fn report(&self, name: &str) -> SpaceReport {
        SpaceReport {
            space: name.to_owned(),
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            writes: self.writes.load(Relaxed),
            deletes: self.deletes.load(Relaxed),
            bytes_read: self.bytes_read.load(Relaxed),
            bytes_written: self.bytes_written.load(Relaxed),
            slow_calls: self.slow.load(Relaxed),
            faults: self.faults.load(Relaxed),
        }
    }
}

/// The counters of every key space.
#[derive(Debug)]
pub struct Statistics {
    spaces: Box<[OnceLock<Space>]>,
    count: AtomicU64,
    rest: Space,
}

impl Default for Statistics {
    fn default() -> Self {
        Self {
            spaces: (0..PLACES).map(|_| OnceLock::new()).collect(),
            count: AtomicU64::new(0),
            rest: Space::default(),
        }
    }
}

impl Statistics {
    /// The counters of the key space of `key`. Waits for nobody.
    pub fn space(&self, key: &str) -> &Space {
        let name = key.split_once(':').map_or("", |(name, _)| name);
        if name.len() > MAX_NAME_BYTES {
            return &self.rest;
        }
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let hash = usize::try_from(hasher.finish() % PLACES as u64).unwrap_or(0);
        for place in hash..hash + TRIES {
            let Some(place) = self.spaces.get(place % PLACES) else {
                break;
            };
            let space = match place.get() {
                Some(space) => space,
                None if self.count.load(Relaxed) >= MOST_SPACES => return &self.rest,
                None => place.get_or_init(|| {
                    self.count.fetch_add(1, Relaxed);
                    Space {
                        name: name.to_owned(),
                        ..Space::default()
                    }
                }),
            };
            if space.name == name {
                return space;
            }
        }
        &self.rest
    }

    /// Every key space that was used, by name; what is not kept apart comes last, as `...`.
    pub fn report(&self) -> Vec<SpaceReport> {
        let mut all: Vec<_> = self
            .spaces
            .iter()
            .filter_map(OnceLock::get)
            .map(|space| space.report(&space.name))
            .collect();
        all.sort_by(|one, other| one.space.cmp(&other.space));
        let rest = self.rest.report("...");
        let is_used = rest
            != SpaceReport {
                space: "...".to_owned(),
                ..SpaceReport::default()
            };
        if is_used {
            all.push(rest);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_spaces_are_counted_apart() {
        let statistics = Statistics::default();
        statistics.space("page:/a").read(Some(10));
        statistics.space("page:/b").read(None);
        statistics.space("right:1:2").wrote(3);
        statistics.space("plain").deleted();
        let report = statistics.report();
        let names: Vec<_> = report.iter().map(|space| space.space.as_str()).collect();
        assert_eq!(names, ["", "page", "right"]);
        let page = report.get(1).expect("pages");
        assert_eq!((page.hits, page.misses, page.bytes_read), (1, 1, 10));
    }

    #[test]
    fn key_spaces_made_of_what_visitors_send_take_no_memory() {
        let statistics = Statistics::default();
        for number in 0..10_000 {
            statistics.space(&format!("visitor{number}:x")).read(None);
        }
        let report = statistics.report();
        assert!(report.len() <= 61, "{} key spaces", report.len());
        assert_eq!(report.iter().map(|space| space.misses).sum::<u64>(), 10_000);
        statistics
            .space(&format!("{}:x", "n".repeat(500)))
            .read(None);
        assert_eq!(statistics.report().len(), report.len());
    }
}
