//! Figures over time as pictures need them: slots of a stretch of the past, with what all processes noted in each.

use super::recorder::Storage;
use super::store;
use super::timings::Timings;
use crate::app::App;
use crate::entities::figure;
use crate::error::Result;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// How often a process notes its figures, in seconds.
const NOTE_SECONDS: i64 = 10;

/// Which stretch of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// The last hour, minute by minute.
    Hour,
    /// The last day, by quarters of an hour.
    Day,
    /// The last week, by two hours.
    Week,
    /// The last thirty days, by six hours.
    Month,
}

impl Range {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// Its name in an address.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// Its name for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Hour => "1 h",
            Self::Day => "24 h",
            Self::Week => "7 d",
            Self::Month => "30 d",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.name() == name)
    }

    /// Length of the slots that are read, how many of them make one that is shown, and how many are shown.
    fn shape(self) -> (i64, i64, i64) {
        match self {
            Self::Hour => (60, 1, 60),
            Self::Day => (15 * 60, 1, 96),
            Self::Week => (2 * 3600, 1, 84),
            Self::Month => (2 * 3600, 3, 120),
        }
    }

    /// Length of a slot that is shown, in seconds.
    pub fn step_seconds(self) -> i64 {
        let (step, group, _) = self.shape();
        step * group
    }
}

/// What all processes noted in one slot of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// When it began.
    pub began: DateTime<Utc>,
    /// How much of it has passed, in seconds.
    pub seconds: f64,
    /// What was noted; none where no process ran.
    pub seen: Option<Seen>,
}

/// What was noted in a slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Requests a second.
    pub requests: f64,
    /// Those of them whose answer was not kept already.
    pub worked_out: f64,
    /// Faults of the site a second.
    pub errors: f64,
    /// The time within which 95 of 100 answers were ready, in seconds; none where nothing was asked.
    pub p95: Option<f64>,
    /// The share of reads that the caches answered; none where nothing was read.
    pub hit_ratio: Option<f64>,
    /// Entries that the caches pushed out for want of room.
    pub evictions: u64,
    /// Most jobs that were due and waited.
    pub queue: u64,
    /// How long the oldest of them had waited at most, in seconds.
    pub oldest_seconds: u64,
    /// Memory of all processes, in bytes.
    pub memory_bytes: f64,
    /// Streams and sockets that were open in all processes.
    pub sockets: f64,
    /// What files and the database took.
    pub storage: Storage,
}

/// The slots of a range up to now, the oldest first.
pub async fn load(app: &App, range: Range) -> Result<Vec<Slot>> {
    let (step, group, count) = range.shape();
    let now = app.clock.now();
    let shown = step * group;
    let last = now.timestamp().div_euclid(shown) * shown;
    let first = last - shown * (count - 1);
    let rows = store::load(app.db.read(), step, first).await?;
    let mut gathered: BTreeMap<i64, Vec<figure::Model>> = BTreeMap::new();
    for row in rows {
        let slot = row.slot.div_euclid(shown) * shown;
        gathered.entry(slot).or_default().push(row);
    }
    let slots = (0..count).map(|number| {
        let slot = first + shown * number;
        let passed = (now.timestamp() - slot).clamp(NOTE_SECONDS, shown);
        let seconds = passed as f64;
        Slot {
            began: DateTime::from_timestamp(slot, 0).unwrap_or_default(),
            seconds,
            seen: gathered.get(&slot).map(|rows| gather(rows, passed)),
        }
    });
    Ok(slots.collect())
}

fn positive(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Joins what several processes noted, in `passed` seconds.
fn gather(rows: &[figure::Model], passed: i64) -> Seen {
    let sum = |count: fn(&figure::Model) -> i64| {
        let counts = rows.iter().map(count);
        positive(counts.fold(0, i64::saturating_add))
    };
    let most =
        |figure: fn(&figure::Model) -> i64| positive(rows.iter().map(figure).max().unwrap_or(0));
    let a_second = |count: u64| count as f64 / passed.max(1) as f64;
    let mut timings = Timings::default();
    for row in rows {
        timings.add(&Timings::decode(&row.timings));
    }
    let (hits, misses) = (sum(|row| row.hits), sum(|row| row.misses));
    let reads = hits.saturating_add(misses);
    let requests = sum(|row| row.requests);
    let kept = sum(|row| row.kept);
    let samples = samples(rows, passed);
    Seen {
        requests: a_second(requests),
        worked_out: a_second(requests.saturating_sub(kept)),
        errors: a_second(sum(|row| row.errors)),
        p95: timings.quantile(0.95),
        hit_ratio: (reads > 0).then(|| hits as f64 / reads as f64),
        evictions: sum(|row| row.evictions),
        queue: most(|row| row.queue),
        oldest_seconds: most(|row| row.oldest_seconds),
        memory_bytes: sum(|row| row.memory_bytes) as f64 / samples,
        sockets: sum(|row| row.sockets) as f64 / samples,
        storage: Storage {
            originals: most(|row| row.originals_bytes),
            renditions: most(|row| row.renditions_bytes),
            waiting: most(|row| row.waiting_bytes),
            database: most(|row| row.database_bytes),
        },
    }
}

/// How often one process alone would have measured: what runs beside another adds to it, what follows another after a
/// restart does not.
fn samples(rows: &[figure::Model], passed: i64) -> f64 {
    let mut by_node: BTreeMap<&str, i64> = BTreeMap::new();
    for row in rows {
        *by_node.entry(&row.node).or_default() += row.samples;
    }
    let all: i64 = by_node.values().sum();
    let most = by_node.values().copied().max().unwrap_or(1);
    most.max(all.min(passed / NOTE_SECONDS)).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(node: &str, samples: i64, memory: i64) -> figure::Model {
        figure::Model {
            node: node.into(),
            samples,
            memory_bytes: samples * memory,
            requests: 60,
            kept: 30,
            hits: 9,
            misses: 1,
            queue: samples,
            originals_bytes: 7,
            timings: Timings::of([0, 0, 0, 10]).encode(),
            ..figure::Model::default()
        }
    }

    #[test]
    fn processes_beside_each_other_add_up_and_one_after_the_other_do_not() {
        let beside = gather(&[row("a", 90, 100), row("b", 90, 50)], 900);
        assert!((beside.memory_bytes - 150.0).abs() < 0.5);
        let after = gather(&[row("a", 45, 100), row("b", 45, 100)], 900);
        assert!((after.memory_bytes - 100.0).abs() < 0.5);
        let young = gather(&[row("a", 1, 100)], 60);
        assert!((young.memory_bytes - 100.0).abs() < 0.5);
    }

    #[test]
    fn what_all_noted_is_told_by_the_second_or_as_the_most() {
        let seen = gather(&[row("a", 3, 1), row("b", 5, 1)], 60);
        assert!((seen.requests - 2.0).abs() < 1e-9 && (seen.worked_out - 1.0).abs() < 1e-9);
        assert_eq!((seen.hit_ratio, seen.queue), (Some(0.9), 5));
        assert_eq!(seen.storage.originals, 7);
        let p95 = seen.p95.unwrap();
        assert!((0.0005..=0.001).contains(&p95), "{p95}");
        let quiet = gather(&[figure::Model::default()], 60);
        assert_eq!((quiet.p95, quiet.hit_ratio), (None, None));
    }

    #[test]
    fn a_range_is_named_as_it_is_in_addresses() {
        for range in Range::ALL {
            assert_eq!(Range::named(range.name()), Some(range));
        }
        assert_eq!(Range::named("1 h"), None);
    }
}
