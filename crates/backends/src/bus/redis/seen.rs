//! What was heard of the other processes over Redis: whether they are there, and how far what they say was heard.
//!
//! Each numbers what it says without holes, and says every second how far it has come. So whoever misses something knows
//! that it does, whatever became of Redis's memory; and a process that ends without a word may have committed something
//! that it could tell nobody.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// What is known of the others.
#[derive(Debug, Default)]
pub struct Seen(HashMap<String, Other>);

#[derive(Debug)]
struct Other {
    seen: Instant,
    /// Everything up to this number was heard, or is known to be lost. `None` while nobody has said.
    last: Option<u64>,
}

/// What an event is to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next one.
    Next,
    /// Heard before.
    Old,
    /// Some before it are missing.
    AfterHole,
}

impl Seen {
    fn of(&mut self, name: &str) -> &mut Other {
        let now = Instant::now();
        let other = self.0.entry(name.to_owned()).or_insert(Other {
            seen: now,
            last: None,
        });
        other.seen = now;
        other
    }

    /// A process says something under this number.
    pub fn event(&mut self, name: &str, number: u64) -> Verdict {
        let other = self.of(name);
        match other.last {
            Some(last) if number <= last => return Verdict::Old,
            Some(last) if number > last + 1 => {
                other.last = Some(number);
                return Verdict::AfterHole;
            }
            _ => other.last = Some(number),
        }
        Verdict::Next
    }

    /// A process is there and has said everything up to this number; says whether some of that is missing.
    pub fn here(&mut self, name: &str, number: u64) -> bool {
        let other = self.of(name);
        let is_missing = other.last.is_some_and(|last| last < number);
        other.last = other.last.max(Some(number));
        is_missing
    }

    /// A process has ended, having said everything up to this number; says whether some of that is missing.
    pub fn gone(&mut self, name: &str, number: u64) -> bool {
        let last = self.0.remove(name).and_then(|other| other.last);
        last.is_some_and(|last| last < number)
    }

    /// Those that were not heard of for so long; they are forgotten.
    pub fn expired(&mut self, lease: Duration) -> Vec<String> {
        let mut names = Vec::new();
        self.0.retain(|name, other| {
            let is_there = other.seen.elapsed() < lease;
            if !is_there {
                names.push(name.clone());
            }
            is_there
        });
        names
    }

    /// Whether all of these are there.
    pub fn are_there(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.0.contains_key(name))
    }

    /// Nobody could be heard until now, and all is read again that may have been missed.
    pub fn begin_again(&mut self) {
        for other in self.0.values_mut() {
            other.seen = Instant::now();
            other.last = None;
        }
    }

    /// Nobody could be heard until now.
    pub fn excuse(&mut self) {
        for other in self.0.values_mut() {
            other.seen = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_before_is_old_and_what_is_missing_is_noticed() {
        let mut seen = Seen::default();
        assert_eq!(seen.event("a", 41), Verdict::Next, "nothing is known of it");
        assert_eq!(seen.event("a", 41), Verdict::Old);
        assert_eq!(seen.event("a", 42), Verdict::Next);
        assert_eq!(seen.event("b", 7), Verdict::Next);
        assert_eq!(seen.event("a", 44), Verdict::AfterHole);
        assert_eq!(
            seen.event("a", 43),
            Verdict::Old,
            "it was read with what was missing"
        );
        assert_eq!(seen.event("a", 45), Verdict::Next);
    }

    #[test]
    fn a_process_that_says_how_far_it_has_come_shows_what_is_missing_once() {
        let mut seen = Seen::default();
        assert!(!seen.here("a", 5));
        assert_eq!(seen.event("a", 6), Verdict::Next);
        assert!(!seen.here("a", 6));
        assert!(seen.here("a", 8));
        assert!(!seen.here("a", 8));
        assert!(!seen.gone("a", 8));
        assert!(!seen.here("b", 1));
        assert!(seen.gone("b", 2));
        assert!(!seen.gone("unknown", 2));
    }

    #[test]
    fn who_is_silent_expires_once() {
        let mut seen = Seen::default();
        seen.here("a", 0);
        assert!(seen.expired(Duration::from_secs(3_600)).is_empty());
        assert!(seen.are_there(&["a".to_owned()]));
        assert_eq!(seen.expired(Duration::ZERO), ["a"]);
        assert!(seen.expired(Duration::ZERO).is_empty());
        assert!(!seen.are_there(&["a".to_owned()]));
    }

    #[test]
    fn after_a_new_beginning_holes_are_not_told_twice() {
        let mut seen = Seen::default();
        seen.here("a", 5);
        seen.begin_again();
        assert_eq!(seen.event("a", 9), Verdict::Next);
    }
}
