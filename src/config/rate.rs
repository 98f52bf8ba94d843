//! How often something may happen.

use std::fmt;
use std::str::FromStr;

/// So many in so long: `100/minute`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, 1 or more.
    pub requests: u32,
    /// In how many seconds.
    pub seconds: u64,
}

/// The names of the times that a rate may be over, with their length in seconds.
const SPANS: [(&str, u64); 4] = [
    ("second", 1),
    ("minute", 60),
    ("hour", 3_600),
    ("day", 86_400),
];

/// A text that is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a number and a time are expected, for example 100/second, 1000/minute, 10000/hour or 100000/day"
)]
pub struct NoRate;

impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let (requests, span) = text.split_once('/').ok_or(NoRate)?;
        let requests = requests.trim().parse().map_err(|_| NoRate)?;
        let span = span.trim();
        let known = SPANS.iter().find(|(name, _)| *name == span);
        match known {
            Some((_, seconds)) if requests > 0 => Ok(Self {
                requests,
                seconds: *seconds,
            }),
            _ => Err(NoRate),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = SPANS.iter().find(|(_, seconds)| *seconds == self.seconds);
        let span = known.map_or("second", |(name, _)| name);
        write!(formatter, "{}/{span}", self.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::{NoRate, Rate};

    #[test]
    fn a_rate_is_a_number_and_a_time() {
        for text in ["1/second", "100/minute", "4294967295/day"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "100",
            "0/minute",
            "-1/minute",
            "100/fortnight",
            "1e3/hour",
            "4294967296/day",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(NoRate), "{text}");
        }
    }
}
