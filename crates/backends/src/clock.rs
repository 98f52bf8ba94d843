//! Time and randomness of the whole program, so that a test can fix both.
//!
//! Everything that stores, compares or shows a time asks a [`Clock`]; everything that needs a
//! secret or a random name asks it too. Formatting and time zones do not live here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Where the time and random bytes come from; clones share one state.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    System { started: Instant },
    Fixed(Box<Mutex<Fixed>>),
}

#[derive(Debug)]
struct Fixed {
    now: DateTime<Utc>,
    elapsed: Duration,
    random: Option<StdRng>,
}

impl Clock {
    /// The computer's own clock and a cryptographic generator.
    pub fn system() -> Self {
        Self(Arc::new(Source::System {
            started: Instant::now(),
        }))
    }

    /// A clock that stands at `at` until it is moved; its random bytes stay random.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self::standing(at, None)
    }

    /// A clock that stands at `at` and whose random bytes follow from `seed`. For tests only:
    /// whoever knows the seed knows every token.
    pub fn fixed_with_seed(at: DateTime<Utc>, seed: u64) -> Self {
        Self::standing(at, Some(StdRng::seed_from_u64(seed)))
    }

    fn standing(at: DateTime<Utc>, random: Option<StdRng>) -> Self {
        Self(Arc::new(Source::Fixed(Box::new(Mutex::new(Fixed {
            now: at.trunc_subsecs(6),
            elapsed: Duration::ZERO,
            random,
        })))))
    }

    /// The time in UTC, cut to microseconds: the precision that PostgreSQL keeps, so that a stored
    /// time equals the one in memory.
    pub fn now(&self) -> DateTime<Utc> {
        match &*self.0 {
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place that reads the wall clock"
            )]
            Source::System { .. } => Utc::now().trunc_subsecs(6),
            Source::Fixed(fixed) => lock(fixed).now,
        }
    }

    /// Time since some moment of this process; never goes back, even when the wall clock is set.
    /// A fixed clock counts only what it was advanced.
    pub fn monotonic(&self) -> Duration {
        match &*self.0 {
            Source::System { started } => started.elapsed(),
            Source::Fixed(fixed) => lock(fixed).elapsed,
        }
    }

    /// Moves a fixed clock by `by`; a negative step moves only the wall time. A system clock
    /// cannot be moved and stays as it is.
    pub fn advance(&self, by: TimeDelta) {
        if let Source::Fixed(fixed) = &*self.0 {
            let mut fixed = lock(fixed);
            if let Some(now) = fixed.now.checked_add_signed(by) {
                fixed.now = now.trunc_subsecs(6);
            }
            fixed.elapsed += by.to_std().unwrap_or_default();
        }
    }

    /// Sets a fixed clock's wall time, as an administrator would; [`Clock::monotonic`] does not
    /// move. A system clock stays as it is.
    pub fn set(&self, at: DateTime<Utc>) {
        if let Source::Fixed(fixed) = &*self.0 {
            lock(fixed).now = at.trunc_subsecs(6);
        }
    }

    /// `N` unpredictable bytes (predictable only for a seeded clock).
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        if let Source::Fixed(fixed) = &*self.0
            && let Some(random) = &mut lock(fixed).random
        {
            random.fill_bytes(&mut bytes);
            return bytes;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that draws random bytes"
        )]
        rand::rng().fill_bytes(&mut bytes);
        bytes
    }

    /// 256 random bits as 43 characters that are safe in URLs and cookies (RFC 4648 section 5,
    /// without padding).
    pub fn random_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.random_bytes::<32>())
    }
}

fn lock(fixed: &Mutex<Fixed>) -> MutexGuard<'_, Fixed> {
    // A panic elsewhere cannot leave these fields half written.
    fixed.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 123_456_789).expect("a time")
    }

    #[test]
    fn times_carry_no_more_than_microseconds() {
        assert_eq!(
            Clock::fixed(noon()).now().timestamp_subsec_nanos(),
            123_456_000
        );
        assert_eq!(Clock::system().now().timestamp_subsec_nanos() % 1_000, 0);
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told_and_its_clones_move_along() {
        let clock = Clock::fixed(noon());
        let other = clock.clone();
        let before = clock.now();
        clock.advance(TimeDelta::seconds(90));
        assert_eq!(other.now() - before, TimeDelta::seconds(90));
        assert_eq!(other.monotonic(), Duration::from_secs(90));
        clock.set(before);
        assert_eq!(other.now(), before);
        assert_eq!(
            other.monotonic(),
            Duration::from_secs(90),
            "setting the wall clock is not time passing"
        );
    }

    #[test]
    fn tokens_are_43_url_safe_characters_and_differ() {
        let clock = Clock::system();
        let (one, two) = (clock.random_token(), clock.random_token());
        assert_ne!(one, two);
        assert_eq!(one.len(), 43);
        assert!(
            one.chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        );
    }

    #[test]
    fn a_seed_repeats_the_same_randomness_and_its_absence_does_not() {
        let seeded = |seed| Clock::fixed_with_seed(noon(), seed).random_token();
        assert_eq!(seeded(7), seeded(7));
        assert_ne!(seeded(7), seeded(8));
        assert_ne!(
            Clock::fixed(noon()).random_token(),
            Clock::fixed(noon()).random_token()
        );
    }
}
