//! How the counts of the caches went over the last hour and the last day, in this process.
//!
//! What is kept are sums at the end of each slot of time; what happened in one is the difference to the slot before.
//! Bounded: as many key spaces as a cache keeps apart, some 160 slots each.

use backends::cache::SpaceReport;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which stretch of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// The last hour, minute by minute.
    Hour,
    /// The last day, by quarters of an hour.
    Day,
}

/// What happened in one slot of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When it began.
    pub began: DateTime<Utc>,
    /// Reads that found something.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
}

impl Slot {
    /// The share of reads that found something; `None` where nothing was read.
    pub fn ratio(&self) -> Option<f64> {
        let all = self.hits.checked_add(self.misses).filter(|all| *all > 0)?;
        Some(self.hits as f64 / all as f64)
    }
}

/// The counts of every cache over time.
#[derive(Debug)]
pub struct History {
    began: DateTime<Utc>,
    tracks: Mutex<BTreeMap<String, Tracks>>,
    emptied: Mutex<BTreeMap<String, Emptied>>,
}

/// That a cache was emptied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emptied {
    /// When.
    pub at: DateTime<Utc>,
    /// User name of who ordered it; empty where that is not known.
    pub by: String,
}

/// One cache: all of it, and each key space.
#[derive(Debug)]
struct Tracks {
    whole: Track,
    spaces: BTreeMap<String, Track>,
}

#[derive(Debug)]
struct Track {
    hour: Ring,
    day: Ring,
}

#[derive(Debug)]
struct Ring {
    step_seconds: i64,
    most: usize,
    /// The sums before the oldest point.
    before: Sums,
    points: VecDeque<(i64, Sums)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    hits: u64,
    misses: u64,
}

impl History {
    /// Nothing yet; the process begins at this time.
    pub fn new(began: DateTime<Utc>) -> Self {
        Self {
            began,
            tracks: Mutex::default(),
            emptied: Mutex::default(),
        }
    }

    /// Takes note that a cache was emptied.
    pub fn emptied(&self, at: DateTime<Utc>, cache: &str, by: &str) {
        let mut emptied = self.emptied.lock().unwrap_or_else(PoisonError::into_inner);
        let by = by.to_owned();
        emptied.insert(cache.to_owned(), Emptied { at, by });
    }

    /// When a cache was last emptied, as far as this process has heard.
    pub fn last_emptied(&self, cache: &str) -> Option<Emptied> {
        let emptied = self.emptied.lock().unwrap_or_else(PoisonError::into_inner);
        emptied.get(cache).cloned()
    }

    /// Since when is counted.
    pub fn began(&self) -> DateTime<Utc> {
        self.began
    }

    /// Notes down what a cache has counted since the process began.
    pub fn note(&self, now: DateTime<Utc>, cache: &str, spaces: &[SpaceReport]) {
        let mut tracks = self.lock();
        let tracks = tracks.entry(cache.to_owned()).or_insert_with(Tracks::new);
        let mut whole = Sums::default();
        for space in spaces {
            let sums = Sums {
                hits: space.hits,
                misses: space.misses,
            };
            whole.hits = whole.hits.saturating_add(sums.hits);
            whole.misses = whole.misses.saturating_add(sums.misses);
            let track = tracks.spaces.entry(space.space.clone());
            track.or_insert_with(Track::new).note(now, sums);
        }
        tracks.whole.note(now, whole);
    }

    /// Every slot of a span up to now, the oldest first: of one key space, or of the whole cache.
    pub fn slots(
        &self,
        span: Span,
        now: DateTime<Utc>,
        cache: &str,
        space: Option<&str>,
    ) -> Vec<Slot> {
        let tracks = self.lock();
        let track = tracks.get(cache).and_then(|tracks| match space {
            Some(space) => tracks.spaces.get(space),
            None => Some(&tracks.whole),
        });
        match (track, span) {
            (Some(track), Span::Hour) => track.hour.slots(now),
            (Some(track), Span::Day) => track.day.slots(now),
            (None, Span::Hour) => Ring::of_an_hour().slots(now),
            (None, Span::Day) => Ring::of_a_day().slots(now),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Tracks>> {
        // No panic can leave a track half written in a way that matters.
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tracks {
    fn new() -> Self {
        Self {
            whole: Track::new(),
            spaces: BTreeMap::new(),
        }
    }
}

impl Track {
    fn new() -> Self {
        Self {
            hour: Ring::of_an_hour(),
            day: Ring::of_a_day(),
        }
    }

    fn note(&mut self, now: DateTime<Utc>, sums: Sums) {
        self.hour.note(now, sums);
        self.day.note(now, sums);
    }
}

impl Ring {
    fn of_an_hour() -> Self {
        Self::new(60, 60)
    }

    fn of_a_day() -> Self {
        Self::new(15 * 60, 96)
    }

    fn new(step_seconds: i64, most: usize) -> Self {
        Self {
            step_seconds,
            most,
            before: Sums::default(),
            points: VecDeque::new(),
        }
    }

    fn slot(&self, now: DateTime<Utc>) -> i64 {
        now.timestamp().div_euclid(self.step_seconds)
    }

    fn note(&mut self, now: DateTime<Utc>, sums: Sums) {
        let slot = self.slot(now);
        // Also those of the future, should the clock have been put back.
        while self.points.back().is_some_and(|(last, _)| *last >= slot) {
            self.points.pop_back();
        }
        self.points.push_back((slot, sums));
        if self.points.len() > self.most
            && let Some((_, oldest)) = self.points.pop_front()
        {
            self.before = oldest;
        }
    }

    fn slots(&self, now: DateTime<Utc>) -> Vec<Slot> {
        let last = self.slot(now);
        let most = i64::try_from(self.most).unwrap_or(0);
        let first = last - most + 1;
        let mut slots: Vec<Slot> = (first..=last)
            .map(|slot| Slot {
                began: DateTime::from_timestamp(slot * self.step_seconds, 0).unwrap_or_default(),
                hits: 0,
                misses: 0,
            })
            .collect();
        let mut before = self.before;
        for (slot, sums) in &self.points {
            let place = usize::try_from(slot - first).ok();
            if let Some(slot) = place.and_then(|place| slots.get_mut(place)) {
                slot.hits = sums.hits.saturating_sub(before.hits);
                slot.misses = sums.misses.saturating_sub(before.misses);
            }
            before = *sums;
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn space(name: &str, hits: u64, misses: u64) -> SpaceReport {
        SpaceReport {
            space: name.to_owned(),
            hits,
            misses,
            ..SpaceReport::default()
        }
    }

    fn seen(history: &History, now: i64, space: Option<&str>) -> Vec<(i64, u64, u64)> {
        let slots = history.slots(Span::Hour, at(now), "default", space);
        assert_eq!(slots.len(), 60);
        let used = slots.iter().filter(|slot| slot.ratio().is_some());
        used.map(|slot| (slot.began.timestamp(), slot.hits, slot.misses))
            .collect()
    }

    #[test]
    fn each_slot_has_what_happened_in_it() {
        let history = History::new(at(0));
        history.note(at(10), "default", &[space("page", 1, 1)]);
        history.note(at(59), "default", &[space("page", 2, 1)]);
        history.note(at(60), "default", &[space("page", 5, 1), space("x", 0, 2)]);
        assert_eq!(seen(&history, 61, None), [(0, 2, 1), (60, 3, 2)]);
        assert_eq!(seen(&history, 61, Some("page")), [(0, 2, 1), (60, 3, 0)]);
        assert_eq!(seen(&history, 61, Some("other")), []);
    }

    #[test]
    fn what_is_over_an_hour_old_is_neither_shown_nor_counted_again() {
        let history = History::new(at(0));
        for minute in 0..100 {
            history.note(at(minute * 60), "default", &[space("page", 10, 0)]);
        }
        assert_eq!(seen(&history, 99 * 60, None), []);
        history.note(at(100 * 60), "default", &[space("page", 14, 1)]);
        assert_eq!(seen(&history, 100 * 60, None), [(6_000, 4, 1)]);
    }

    #[test]
    fn a_clock_that_is_put_back_loses_slots_and_counts_nothing_twice() {
        let history = History::new(at(0));
        history.note(at(600), "default", &[space("page", 4, 0)]);
        history.note(at(1_200), "default", &[space("page", 6, 0)]);
        history.note(at(600), "default", &[space("page", 7, 0)]);
        let all: u64 = seen(&history, 1_300, None).iter().map(|slot| slot.1).sum();
        assert_eq!(all, 7);
    }
}
