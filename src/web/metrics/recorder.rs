//! Figures over time: what this process counts and measures, noted every ten seconds, and gathered in slots of a minute,
//! a quarter of an hour and two hours, which go into the table `figures`. Decision 0033.
//!
//! Each process writes rows of its own, so that none waits for another and a restart loses seconds. What could not be
//! written is written with the next notes.

use super::store;
use super::timings::Timings;
use crate::app::App;
use crate::entities::figure;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The lengths of slots, in seconds.
pub const STEPS: [i64; 3] = [60, 15 * 60, 2 * 3600];

/// So many rows wait at most while the database is away: half a day of them.
const MOST_WAITING: usize = 1_000;

/// What is counted and measured at one moment. Counts are those since the process began.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Requests that were answered.
    pub requests: u64,
    /// Those of them that ended in a fault of the site.
    pub errors: u64,
    /// Those of them whose answer was kept already.
    pub kept: u64,
    /// How long they took.
    pub timings: Timings,
    /// Reads of the caches that found something.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Entries that the caches pushed out for want of room.
    pub evictions: u64,
    /// Memory of this process, in bytes.
    pub memory_bytes: u64,
    /// Streams and sockets that are open.
    pub sockets: u64,
    /// Jobs that are due and wait.
    pub queue: u64,
    /// How long the oldest of them has waited, in seconds.
    pub oldest_seconds: u64,
    /// What files and the database take.
    pub storage: Storage,
}

/// What files and the database take, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// Files as they were sent.
    pub originals: u64,
    /// What was made of them.
    pub renditions: u64,
    /// Uploads that are not finished.
    pub waiting: u64,
    /// The database.
    pub database: u64,
}

impl Storage {
    /// All of it.
    pub fn all(&self) -> u64 {
        [self.originals, self.renditions, self.waiting, self.database]
            .iter()
            .fold(0, |sum, part| sum.saturating_add(*part))
    }
}

/// How often it is added up what files and the database take: that is a walk over a table.
const ADD_UP_EVERY: Duration = Duration::from_secs(5 * 60);

/// Gathers samples into rows.
#[derive(Debug)]
pub struct Recorder {
    node: String,
    state: Mutex<State>,
    /// What files and the database took, and when that was added up, by the clock's steady time.
    storage: Mutex<Option<(Duration, Storage)>>,
}

#[derive(Debug, Default)]
struct State {
    /// What was counted when it was last noted.
    last: Sample,
    /// The present slot of each step.
    present: BTreeMap<i64, figure::Model>,
    /// Rows that are not in the table as they are here, by step and slot.
    unwritten: BTreeMap<(i32, i64), figure::Model>,
}

impl Recorder {
    /// Nothing yet.
    pub fn new(node: &str) -> Self {
        Self {
            node: node.to_owned(),
            state: Mutex::default(),
            storage: Mutex::default(),
        }
    }

    /// What files and the database take, as it was added up within the last five minutes; what it was before, or
    /// nothing, while it cannot be.
    pub async fn storage(&self, app: &App) -> Storage {
        let now = app.clock.monotonic();
        let known = *self.storage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, storage)) = known
            && now.saturating_sub(at) < ADD_UP_EVERY
        {
            return storage;
        }
        match store::storage(app).await {
            Ok(storage) => {
                let mut known = self.storage.lock().unwrap_or_else(PoisonError::into_inner);
                *known = Some((now, storage));
                storage
            }
            Err(error) => {
                tracing::debug!(%error, "what is stored cannot be added up");
                known.map_or_else(Storage::default, |(_, storage)| storage)
            }
        }
    }

    /// Takes note of a sample; answers the rows to be written now, each whole: one that was written before is replaced.
    pub fn note(&self, now: DateTime<Utc>, sample: Sample) -> Vec<figure::Model> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State {
            last,
            present,
            unwritten,
        } = &mut *state;
        let before = std::mem::replace(last, sample);
        for step in STEPS {
            let slot = now.timestamp().div_euclid(step) * step;
            let mut row = match present.remove(&step) {
                Some(row) if row.slot == slot => row,
                _ => figure::Model {
                    step_seconds: i32::try_from(step).unwrap_or(i32::MAX),
                    slot,
                    node: self.node.clone(),
                    ..figure::Model::default()
                },
            };
            add(&mut row, &before, last);
            unwritten.insert((row.step_seconds, row.slot), row.clone());
            present.insert(step, row);
        }
        while unwritten.len() > MOST_WAITING {
            unwritten.pop_first();
        }
        unwritten.values().cloned().collect()
    }

    /// These rows are written.
    pub fn written(&self, rows: &[figure::Model]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let key = (row.step_seconds, row.slot);
            if state.unwritten.get(&key) == Some(row) {
                state.unwritten.remove(&key);
            }
        }
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Adds what happened between two samples.
fn add(row: &mut figure::Model, last: &Sample, sample: &Sample) {
    let count = |sum: &mut i64, now: u64, then: u64| {
        *sum = sum.saturating_add(whole(now.saturating_sub(then)));
    };
    count(&mut row.requests, sample.requests, last.requests);
    count(&mut row.errors, sample.errors, last.errors);
    count(&mut row.kept, sample.kept, last.kept);
    count(&mut row.hits, sample.hits, last.hits);
    count(&mut row.misses, sample.misses, last.misses);
    count(&mut row.evictions, sample.evictions, last.evictions);
    let mut timings = Timings::decode(&row.timings);
    timings.add(&sample.timings.since(&last.timings));
    row.timings = timings.encode();
    row.samples += 1;
    count(&mut row.memory_bytes, sample.memory_bytes, 0);
    count(&mut row.sockets, sample.sockets, 0);
    row.queue = row.queue.max(whole(sample.queue));
    row.oldest_seconds = row.oldest_seconds.max(whole(sample.oldest_seconds));
    row.originals_bytes = whole(sample.storage.originals);
    row.renditions_bytes = whole(sample.storage.renditions);
    row.waiting_bytes = whole(sample.storage.waiting);
    row.database_bytes = whole(sample.storage.database);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn sample(requests: u64, queue: u64) -> Sample {
        Sample {
            requests,
            queue,
            memory_bytes: 100,
            timings: Timings::of([requests]),
            ..Sample::default()
        }
    }

    fn minutes(rows: &[figure::Model]) -> Vec<(i64, i64, i64)> {
        let minutes = rows.iter().filter(|row| row.step_seconds == 60);
        minutes
            .map(|row| (row.slot, row.requests, row.queue))
            .collect()
    }

    #[test]
    fn a_slot_has_what_happened_in_it_and_the_most_that_was_seen() {
        let recorder = Recorder::new("a");
        recorder.note(at(3_600), sample(5, 9));
        let rows = recorder.note(at(3_610), sample(12, 2));
        assert_eq!(minutes(&rows), [(3_600, 12, 9)]);
        recorder.written(&rows);
        let rows = recorder.note(at(3_660), sample(20, 1));
        assert_eq!(minutes(&rows), [(3_660, 8, 1)]);
        let quarter = rows.iter().find(|row| row.step_seconds == 900).unwrap();
        assert_eq!(
            (
                quarter.slot,
                quarter.requests,
                quarter.samples,
                quarter.memory_bytes
            ),
            (3_600, 20, 3, 300)
        );
        assert_eq!(Timings::decode(&quarter.timings).count(), 20);
    }

    #[test]
    fn what_could_not_be_written_comes_with_the_next_notes_and_only_so_much_of_it() {
        let recorder = Recorder::new("a");
        recorder.note(at(0), sample(1, 0));
        let rows = recorder.note(at(60), sample(3, 0));
        assert_eq!(minutes(&rows), [(0, 1, 0), (60, 2, 0)]);
        for minute in 2..5_000 {
            recorder.note(at(minute * 60), sample(3, 0));
        }
        let rows = recorder.note(at(5_000 * 60), sample(4, 0));
        assert!(rows.len() <= MOST_WAITING);
        assert_eq!(minutes(&rows).last(), Some(&(300_000, 1, 0)));
    }

    #[test]
    fn what_was_noted_while_a_row_was_being_written_is_written_later() {
        let recorder = Recorder::new("a");
        let rows = recorder.note(at(0), sample(1, 0));
        recorder.note(at(10), sample(2, 0));
        recorder.written(&rows);
        let rows = recorder.note(at(60), sample(2, 0));
        assert_eq!(minutes(&rows), [(0, 2, 0), (60, 0, 0)]);
    }
}
