//! When a backend whose room is ours to keep removes what is over and what is too much. How it
//! does, each backend knows itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::backend::ServerReport;
use super::fault::Fault;
use crate::clock::Clock;

/// How long after the last time it is done again, when anything is asked at all.
const EVERY: Duration = Duration::from_mins(1);

/// When this process culls next, and what it pushed out.
#[derive(Debug, Default)]
pub struct Culling {
    is_running: AtomicBool,
    /// In milliseconds on the clock's monotonic scale.
    next_millis: AtomicU64,
    /// Bytes written since.
    written: AtomicU64,
    evictions: AtomicU64,
}

impl Culling {
    /// Notes what was written, in bytes, and says whether it is time: a minute after the last one,
    /// or when a sixteenth of the room was written since. Whoever is told so culls, and says when
    /// it is [done](Self::is_done).
    pub fn is_due(&self, written: u64, max_bytes: u64, clock: &Clock) -> bool {
        let written = self.written.fetch_add(written, Ordering::Relaxed) + written;
        let now = millis(clock.monotonic());
        let is_time = now >= self.next_millis.load(Ordering::Relaxed);
        let is_due = is_time || written > max_bytes / 16;
        if !is_due || self.is_running.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.written.store(0, Ordering::Relaxed);
        let next = now.saturating_add(millis(EVERY));
        self.next_millis.store(next, Ordering::Relaxed);
        true
    }

    /// It was done.
    pub fn is_done(&self) {
        self.is_running.store(false, Ordering::Release);
    }

    /// Counts entries pushed out for want of room.
    pub fn evicted(&self, entries: u64) {
        self.evictions.fetch_add(entries, Ordering::Relaxed);
    }

    /// What there is to say of a backend that holds so many entries, of so many bytes.
    pub fn report(
        &self,
        address: &str,
        max_bytes: u64,
        held: Result<(u64, u64), Fault>,
    ) -> ServerReport {
        let fault = held.as_ref().err().map(ToString::to_string);
        let (entries, bytes_used) = held.ok().unzip();
        ServerReport {
            address: address.to_owned(),
            fault,
            entries,
            bytes_used,
            bytes_limit: Some(max_bytes),
            evictions: Some(self.evictions.load(Ordering::Relaxed)),
            ..ServerReport::default()
        }
    }
}

/// How many bytes are kept once there is too much: nine tenths, so that it is not too much again at
/// once.
pub fn kept(max_bytes: u64) -> u64 {
    max_bytes / 10 * 9
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    #[test]
    fn it_is_done_at_the_start_after_a_minute_and_after_much_was_written_but_once_at_a_time() {
        let clock = Clock::fixed(DateTime::from_timestamp(0, 0).expect("a time"));
        let culling = Culling::default();
        assert!(culling.is_due(0, 160, &clock));
        assert!(!culling.is_due(1_000, 160, &clock), "it runs");
        culling.is_done();
        assert!(culling.is_due(0, 160, &clock), "much was written meanwhile");
        culling.is_done();
        assert!(!culling.is_due(10, 160, &clock));
        assert!(culling.is_due(1, 160, &clock));
        culling.is_done();
        clock.advance(TimeDelta::seconds(59));
        assert!(!culling.is_due(0, 160, &clock));
        clock.advance(TimeDelta::seconds(1));
        assert!(culling.is_due(0, 160, &clock));
    }
}
