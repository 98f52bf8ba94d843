//! Who may ask a backend, and what it still has to forget.
//!
//! The first call that fails by fault of the backend opens the breaker; from then on nobody waits for it, and
//! only who has seen it answer closes it again. What was written or deleted in vain is owed: it stands here, by
//! name, and until the backend has forgotten it, nobody takes what is found under these names for good. So
//! older values never come back, and a backend that refuses to forget something is used for all the rest.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many names are kept apart; more, and the backend has to forget everything of ours.
const MOST_NAMES: usize = 10_000;

/// While everything is owed: how many names are known to be newer, and good therefore.
const MOST_NEWER: usize = 100_000;

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
    /// Whether anything is owed, so that who finds something need not look for its name in vain.
    is_in_debt: AtomicBool,
    debts: Mutex<Debts>,
}

#[derive(Debug, Default)]
struct Debts {
    owed: Owed,
    /// What the backend is being told to forget just now.
    paying: Owed,
    /// Whether somebody sees to it that all is paid and the breaker closes.
    is_seen_to: bool,
}

/// What the backend still has to forget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// These names.
    pub names: HashSet<String>,
    /// Everything of ours.
    pub is_all: bool,
    /// Of everything, these are good: they were stored anew.
    newer: HashSet<String>,
}

impl Owed {
    fn all() -> Self {
        Self {
            is_all: true,
            ..Self::default()
        }
    }

    fn is_nothing(&self) -> bool {
        self.names.is_empty() && !self.is_all
    }

    fn holds(&self, name: &str) -> bool {
        self.names.contains(name) || self.is_all && !self.newer.contains(name)
    }

    fn add(&mut self, name: &str) {
        if self.is_all {
            self.newer.remove(name);
        } else if self.names.len() < MOST_NAMES {
            self.names.insert(name.to_owned());
        } else {
            *self = Self::all();
        }
    }

    fn was_stored(&mut self, name: &str) {
        self.names.remove(name);
        if self.is_all && self.newer.len() < MOST_NEWER {
            self.newer.insert(name.to_owned());
        }
    }
}

impl Debts {
    fn holds(&self, name: &str) -> bool {
        self.owed.holds(name) || self.paying.holds(name)
    }

    fn is_nothing(&self) -> bool {
        self.owed.is_nothing() && self.paying.is_nothing()
    }
}

impl Breaker {
    fn debts(&self) -> MutexGuard<'_, Debts> {
        // Names are added and taken whole, whatever panicked.
        self.debts.lock().unwrap_or_else(PoisonError::into_inner)
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
        let _debts = self.debts();
        let is_first = era == self.era() && !self.is_open.swap(true, Ordering::AcqRel);
        if is_first {
            self.times_opened.fetch_add(1, Ordering::Relaxed);
        }
        is_first
    }

    /// Closes it, which is for who has just seen the backend answer; says whether it was open.
    pub fn close(&self) -> bool {
        let _debts = self.debts();
        let was_open = self.is_open.swap(false, Ordering::AcqRel);
        if was_open {
            self.era.fetch_add(1, Ordering::AcqRel);
        }
        was_open
    }

    /// Notes what the backend has to forget.
    pub fn owe<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let mut debts = self.debts();
        for name in names {
            debts.owed.add(name);
        }
        self.update(&debts);
    }

    /// As [`Breaker::owe`], for everything.
    pub fn owe_all(&self) {
        let mut debts = self.debts();
        debts.owed = Owed::all();
        self.update(&debts);
    }

    /// Notes that the backend has taken a value for a name, so that nothing older is there any more.
    pub fn stored<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        if !self.is_in_debt.load(Ordering::Acquire) {
            return;
        }
        let mut debts = self.debts();
        for name in names {
            debts.owed.was_stored(name);
            debts.paying.was_stored(name);
        }
        self.update(&debts);
    }

    /// Whether what is found under this name may be something that was to be forgotten.
    pub fn owes(&self, name: &str) -> bool {
        self.is_in_debt.load(Ordering::Acquire) && self.debts().holds(name)
    }

    /// How many names the backend has to forget; `None` for all.
    pub fn count_owed(&self) -> Option<usize> {
        let debts = self.debts();
        let is_all = debts.owed.is_all || debts.paying.is_all;
        (!is_all).then_some(debts.owed.names.len() + debts.paying.names.len())
    }

    /// What is to be forgotten now. Ends with [`Breaker::paid`] or [`Breaker::put_back`].
    pub fn take(&self) -> Option<Owed> {
        let mut debts = self.debts();
        if debts.owed.is_nothing() {
            return None;
        }
        debts.paying = std::mem::take(&mut debts.owed);
        Some(debts.paying.clone())
    }

    /// What was taken is forgotten.
    pub fn paid(&self) {
        let mut debts = self.debts();
        debts.paying = Owed::default();
        self.update(&debts);
    }

    /// What was taken could not be forgotten after all.
    pub fn put_back(&self) {
        let mut debts = self.debts();
        let since = std::mem::take(&mut debts.owed);
        let failed = std::mem::take(&mut debts.paying);
        if since.is_all {
            debts.owed = since;
        } else {
            debts.owed = failed;
            for name in &since.names {
                debts.owed.add(name);
            }
        }
        self.update(&debts);
    }

    /// Whether the caller has to see to it that the breaker closes and all is paid; otherwise somebody does already.
    pub fn hire(&self) -> bool {
        !std::mem::replace(&mut self.debts().is_seen_to, true)
    }

    /// Whether nothing is left to see to, which is the end of who was [hired](Breaker::hire).
    pub fn dismiss(&self) -> bool {
        let mut debts = self.debts();
        let is_done = debts.is_nothing() && !self.is_open();
        debts.is_seen_to = !is_done;
        is_done
    }

    fn update(&self, debts: &Debts) {
        self.is_in_debt
            .store(!debts.is_nothing(), Ordering::Release);
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
    fn it_opens_once_and_only_who_saw_the_backend_answer_closes_it() {
        let breaker = Breaker::default();
        assert!(breaker.hire(), "nobody sees to it");
        assert!(breaker.open(breaker.era()));
        assert!(!breaker.open(breaker.era()), "it was open already");
        breaker.owe(["a", "b", "a"]);
        assert!(!breaker.hire(), "it is seen to");
        assert_eq!(breaker.take().expect("two names").names.len(), 2);
        breaker.paid();
        assert_eq!(breaker.take(), None);
        assert!(breaker.is_open(), "paying is not answering");
        assert!(!breaker.dismiss());
        assert!(breaker.close());
        assert!(!breaker.close());
        assert!(breaker.dismiss());
        assert!(breaker.hire());
    }

    #[test]
    fn a_call_from_before_it_closed_does_not_open_it_again() {
        let breaker = Breaker::default();
        let before = breaker.era();
        assert!(breaker.open(before));
        assert!(breaker.close());
        assert!(!breaker.open(before));
        assert!(!breaker.is_open());
        assert!(breaker.open(breaker.era()));
        assert_eq!(breaker.times_opened(), 2);
    }

    #[test]
    fn what_is_owed_is_not_believed_until_it_is_forgotten_or_stored_anew() {
        let breaker = Breaker::default();
        breaker.owe(["a", "b", "c"]);
        breaker.stored(["c", "d"]);
        assert!(breaker.owes("a") && !breaker.owes("c") && !breaker.owes("d"));
        breaker.take().expect("two names");
        assert!(breaker.owes("a"), "it is not forgotten yet");
        breaker.stored(["a"]);
        breaker.owe(["d"]);
        breaker.put_back();
        assert_eq!(breaker.count_owed(), Some(2));
        assert!(!breaker.owes("a") && breaker.owes("b") && breaker.owes("d"));
        assert!(!breaker.dismiss(), "two are left");
        breaker.take().expect("two names");
        breaker.owe(["b"]);
        breaker.paid();
        assert!(breaker.owes("b"), "it was deleted once more meanwhile");
        assert!(!breaker.owes("d"));
    }

    #[test]
    fn too_many_names_become_everything_but_what_was_stored_since() {
        let breaker = Breaker::default();
        for number in 0..=MOST_NAMES {
            breaker.owe([number.to_string().as_str()]);
        }
        assert_eq!(breaker.count_owed(), None);
        assert!(breaker.owes("another"));
        breaker.stored(["another", "third"]);
        assert!(!breaker.owes("another"));
        breaker.owe(["third"]);
        assert!(breaker.owes("third"), "deleted after it was stored");
        assert!(breaker.take().expect("everything").is_all);
        breaker.owe(["another"]);
        breaker.put_back();
        assert!(breaker.owes("another") && breaker.owes("third"));
        breaker.stored(["third"]);
        breaker.owe_all();
        assert!(breaker.owes("third"), "it was stored before");
        breaker.take().expect("everything");
        breaker.paid();
        assert!(!breaker.owes("third") && breaker.count_owed() == Some(0));
    }
}
