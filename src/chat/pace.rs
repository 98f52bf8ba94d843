//! How much one connection may say.

use crate::config::Rate;
use std::time::Duration;
use tokio::time::Instant;

/// So many frames in so long, and no more.
#[derive(Debug)]
pub struct Pace {
    since: Instant,
    count: u32,
}

impl Pace {
    /// Counts from now on.
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            count: 0,
        }
    }

    /// Counts one more; without a rate everything is let through.
    ///
    /// # Errors
    /// The seconds to wait, when it is one too many.
    pub fn count(&mut self, rate: Option<Rate>, now: Instant) -> Result<(), u64> {
        let Some(rate) = rate else {
            return Ok(());
        };
        let span = Duration::from_secs(rate.seconds);
        if now.duration_since(self.since) >= span {
            (self.since, self.count) = (now, 0);
        }
        if self.count >= rate.requests {
            let rest = span.saturating_sub(now.duration_since(self.since));
            return Err(rest.as_secs() + 1);
        }
        self.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_says_how_long_to_wait() {
        let (mut pace, rate) = (Pace::new(), "2/minute".parse().ok());
        let start = pace.since;
        assert_eq!(pace.count(rate, start), Ok(()));
        assert_eq!(pace.count(rate, start), Ok(()));
        assert_eq!(pace.count(rate, start + Duration::from_secs(50)), Err(11));
        assert_eq!(pace.count(rate, start + Duration::from_secs(60)), Ok(()));
        assert!((0..1_000).all(|_| pace.count(None, start).is_ok()));
    }
}
