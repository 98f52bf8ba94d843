//! Who may ask a backend, and what it must forget before it is asked again.
//!
//! The first call that fails by fault of the backend opens the breaker; from then on nobody waits
//! for it. What was written or deleted meanwhile stands here, by name: before the breaker closes
//! the backend forgets it, so that older values do not come back with it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many names are kept apart; more, and the backend forgets everything of ours.
const MOST_NAMES: usize = 10_000;

/// How long after its fault a backend is tried again, and how long at most between two tries.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Open: nobody asks the backend. Closed: everybody may.
#[derive(Debug, Default)]
pub struct Breaker {
    is_open: AtomicBool,
    /// Counts how often it closed, so that a call from before says nothing of what came after.
    era: AtomicU64,
    times_opened: AtomicU64,
    owed: Mutex<Owed>,
}

/// What the backend still has to forget.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// These names.
    pub names: HashSet<String>,
    /// Everything of ours.
    pub is_all: bool,
}

impl Owed {
    fn is_nothing(&self) -> bool {
        self.names.is_empty() && !self.is_all
    }
}

impl Breaker {
    fn owed(&self) -> MutexGuard<'_, Owed> {
        // Names are added and taken whole, whatever panicked.
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody may ask.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// When a call begins; to be handed to [`Breaker::open`] should it fail.
    pub fn era(&self) -> u64 {
        self.era.load(Ordering::Acquire)
    }

    /// How often it has opened.
    pub fn times_opened(&self) -> u64 {
        self.times_opened.load(Ordering::Relaxed)
    }

    /// Opens it for a call that began in `era`; says whether this did it.
    pub fn open(&self, era: u64) -> bool {
        let _owed = self.owed();
        let is_first = era == self.era() && !self.is_open.swap(true, Ordering::AcqRel);
        if is_first {
            self.times_opened.fetch_add(1, Ordering::Relaxed);
        }
        is_first
    }

    /// Notes what the backend has to forget; says whether it is left to who closes the breaker.
    pub fn owe<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> bool {
        let mut owed = self.owed();
        if !owed.is_all {
            owed.names.extend(names.into_iter().map(str::to_owned));
        }
        if owed.names.len() > MOST_NAMES {
            *owed = Owed {
                names: HashSet::new(),
                is_all: true,
            };
        }
        self.is_open()
    }

    /// As [`Breaker::owe`], for everything.
    pub fn owe_all(&self) -> bool {
        let mut owed = self.owed();
        *owed = Owed {
            names: HashSet::new(),
            is_all: true,
        };
        self.is_open()
    }

    /// How many names the backend has to forget; `None` for all.
    pub fn count_owed(&self) -> Option<usize> {
        let owed = self.owed();
        (!owed.is_all).then_some(owed.names.len())
    }

    /// What is to be forgotten now; when that is nothing, the breaker is closed.
    pub fn take_or_close(&self) -> Option<Owed> {
        let mut owed = self.owed();
        if !owed.is_nothing() {
            return Some(std::mem::take(&mut owed));
        }
        if self.is_open.swap(false, Ordering::AcqRel) {
            self.era.fetch_add(1, Ordering::AcqRel);
        }
        None
    }

    /// What could not be forgotten after all.
    pub fn put_back(&self, failed: &Owed) {
        if failed.is_all {
            self.owe_all();
        } else {
            self.owe(failed.names.iter().map(String::as_str));
        }
    }
}

/// The growing waits between two tries.
pub fn waits() -> impl Iterator<Item = Duration> {
    std::iter::successors(Some(FIRST_WAIT), |wait| Some((*wait * 2).min(LONGEST_WAIT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_once_and_closes_only_when_nothing_is_owed() {
        let breaker = Breaker::default();
        assert!(breaker.open(breaker.era()));
        assert!(!breaker.open(breaker.era()), "it was open already");
        assert!(breaker.owe(["a", "b", "a"]));
        let owed = breaker.take_or_close().expect("two names");
        assert_eq!(owed.names.len(), 2);
        assert!(breaker.is_open(), "they are not forgotten yet");
        breaker.put_back(&owed);
        assert_eq!(breaker.count_owed(), Some(2));
        assert!(breaker.take_or_close().is_some());
        assert_eq!(breaker.take_or_close(), None);
        assert!(!breaker.is_open());
        assert!(!breaker.owe(["c"]), "nobody else will see to it");
    }

    #[test]
    fn a_call_from_before_it_closed_does_not_open_it_again() {
        let breaker = Breaker::default();
        let before = breaker.era();
        assert!(breaker.open(before));
        assert_eq!(breaker.take_or_close(), None);
        assert!(!breaker.open(before));
        assert!(!breaker.is_open());
        assert!(breaker.open(breaker.era()));
        assert_eq!(breaker.times_opened(), 2);
    }

    #[test]
    fn too_many_names_become_everything() {
        let breaker = Breaker::default();
        breaker.open(breaker.era());
        for number in 0..=MOST_NAMES {
            breaker.owe([number.to_string().as_str()]);
        }
        assert_eq!(breaker.count_owed(), None);
        let owed = breaker.take_or_close().expect("everything");
        assert!(owed.is_all && owed.names.is_empty());
    }
}
