//! How long answers took: counted in classes of time, from which any share of them can be told within a class.

use serde::{Deserialize, Serialize};

/// The upper ends of the classes but the last, in microseconds: 1, 2 and 5 of each power of ten.
pub const ENDS_MICROS: [u64; CLASSES - 1] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// How many classes there are; the last has no end.
pub const CLASSES: usize = 17;

/// The class of a time.
pub fn class_of(micros: u64) -> usize {
    ENDS_MICROS.partition_point(|end| *end < micros)
}

/// How many answers fell into each class of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timings([u64; CLASSES]);

impl Timings {
    /// From the counts of the classes; what lacks is none.
    pub fn of(counts: impl IntoIterator<Item = u64>) -> Self {
        let mut timings = Self::default();
        for (class, count) in timings.0.iter_mut().zip(counts) {
            *class = count;
        }
        timings
    }

    /// The counts of the classes.
    pub fn classes(&self) -> &[u64; CLASSES] {
        &self.0
    }

    /// Adds others.
    pub fn add(&mut self, others: &Self) {
        for (class, more) in self.0.iter_mut().zip(others.0) {
            *class = class.saturating_add(more);
        }
    }

    /// What came since an earlier count.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let pairs = self.0.iter().zip(earlier.0);
        Self::of(pairs.map(|(now, then)| now.saturating_sub(then)))
    }

    /// All answers.
    pub fn count(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, class| sum.saturating_add(*class))
    }

    /// The time within which this share of the answers (0 to 1) was ready, in seconds; `None` when there were none.
    ///
    /// Within a class they are taken to be spread evenly, as Prometheus's `histogram_quantile` has it; of what took longer than
    /// the last end only that is told.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let all = self.count();
        if all == 0 {
            return None;
        }
        let wanted = share.clamp(0.0, 1.0) * all as f64;
        let mut below = 0.0;
        let mut from = 0;
        for (class, end) in self.0.iter().zip(ENDS_MICROS) {
            let within = *class as f64;
            if within > 0.0 && below + within >= wanted {
                let micros = from as f64 + (end - from) as f64 * ((wanted - below) / within);
                return Some(micros / 1e6);
            }
            below += within;
            from = end;
        }
        Some(from as f64 / 1e6)
    }

    /// As text for the database.
    pub fn encode(&self) -> String {
        let counts = self.0.map(|count| count.to_string());
        format!("[{}]", counts.join(","))
    }

    /// From what another release may have written: what cannot be read is none.
    pub fn decode(text: &str) -> Self {
        let counts: Vec<u64> = serde_json::from_str(text).unwrap_or_default();
        Self::of(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(micros: &[u64]) -> Timings {
        let mut timings = Timings::default();
        for time in micros {
            timings.0[class_of(*time)] += 1;
        }
        timings
    }

    #[test]
    fn a_time_on_the_border_belongs_to_the_lower_class() {
        assert_eq!(
            [0, 100, 101, 10_000_000, 10_000_001].map(class_of),
            [0, 0, 1, 15, 16]
        );
    }

    #[test]
    fn of_a_hundred_answers_five_were_slower_than_the_95th() {
        let mut times = vec![1_500; 95];
        times.extend([700_000; 5]);
        let p95 = of(&times).quantile(0.95).unwrap();
        assert!((0.001..=0.002).contains(&p95), "{p95}");
        let p99 = of(&times).quantile(0.99).unwrap();
        assert!((0.5..=1.0).contains(&p99), "{p99}");
        assert_eq!(of(&[]).quantile(0.95), None);
        assert_eq!(of(&[60_000_000]).quantile(0.95), Some(10.0));
    }

    #[test]
    fn what_another_release_wrote_does_no_harm() {
        let timings = of(&[50, 5_000, 99_000_000]);
        assert_eq!(Timings::decode(&timings.encode()), timings);
        for odd in ["", "null", "{}", "[1,2", "[-1]", "\"x\""] {
            assert_eq!(Timings::decode(odd), Timings::default(), "{odd}");
        }
        assert_eq!(Timings::decode("[1,2]").count(), 3);
        assert_eq!(
            Timings::decode(&format!("[{}1]", "1,".repeat(40))).count(),
            CLASSES as u64
        );
    }

    proptest! {
        #[test]
        fn a_share_is_told_within_the_class_it_lies_in(mut times in proptest::collection::vec(1_u64..9_000_000, 1..60), share in 0.01_f64..1.0) {
            let told = of(&times).quantile(share).unwrap() * 1e6;
            times.sort_unstable();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a short list")]
            let place = ((share * times.len() as f64).ceil() as usize).clamp(1, times.len()) - 1;
            let class = class_of(times[place]);
            let from = if class == 0 { 0 } else { ENDS_MICROS[class - 1] };
            prop_assert!(told >= from as f64 - 1.0 && told <= ENDS_MICROS[class] as f64 + 1.0, "{} not in {}..{}", told, from, ENDS_MICROS[class]);
        }
    }
}
