//! Turns, and what they come to.

/// What one side reached, a number a round.
pub struct Side {
    name: String,
    unit: &'static str,
    results: Vec<f64>,
}

impl Side {
    /// A side that has not had a turn yet.
    pub fn new(name: impl Into<String>, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            unit,
            results: Vec::new(),
        }
    }

    /// Notes a turn.
    pub fn push(&mut self, result: f64) {
        self.results.push(result);
    }

    /// The one in the middle: a turn that something disturbed does not count.
    pub fn median(&self) -> f64 {
        median(self.results.clone())
    }

    /// The ratio to another side, round by round, in the middle.
    pub fn ratio(&self, to: &Self) -> f64 {
        let ratios = self.results.iter().zip(&to.results);
        median(ratios.map(|(own, other)| own / other).collect())
    }

    /// Prints all rounds and the one in the middle.
    pub fn print(&self) {
        let rounds: Vec<String> = self.results.iter().map(|x| format!("{x:.1}")).collect();
        println!(
            "{:<28} {:>9.1} {:<8} ({})",
            self.name,
            self.median(),
            self.unit,
            rounds.join(" ")
        );
    }

    /// Prints how it stands to another side; `goal` is the least ratio.
    pub fn print_ratio(&self, to: &Self, goal: f64) {
        let ratio = self.ratio(to);
        let verdict = if ratio >= goal { "reached" } else { "MISSED" };
        println!(
            "{:<28} {:>8.0} % of {} (at least {:.0} %: {verdict})",
            self.name,
            ratio * 100.0,
            to.name,
            goal * 100.0
        );
    }

    /// Prints whether it reached a number by itself.
    pub fn print_at_least(&self, goal: f64) {
        let verdict = if self.median() >= goal {
            "reached"
        } else {
            "MISSED"
        };
        println!(
            "{:<28} at least {goal:.0} {}: {verdict}",
            self.name, self.unit
        );
    }

    /// Prints whether it kept within a number by itself.
    pub fn print_at_most(&self, goal: f64) {
        let verdict = if self.median() <= goal {
            "reached"
        } else {
            "MISSED"
        };
        println!(
            "{:<28} at most {goal:.0} {}: {verdict}",
            self.name, self.unit
        );
    }

    /// Prints how it stands to another side; `goal` is the greatest ratio.
    pub fn print_ratio_at_most(&self, to: &Self, goal: f64) {
        let ratio = self.ratio(to);
        let verdict = if ratio <= goal { "reached" } else { "MISSED" };
        println!(
            "{:<28} {:>8.2} times {} (at most {goal:.1}: {verdict})",
            self.name, ratio, to.name,
        );
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        let (mut one, mut two) = (Side::new("one", ""), Side::new("two", ""));
        for (a, b) in [(1.0, 2.0), (30.0, 40.0), (9.0, 10.0)] {
            one.push(a);
            two.push(b);
        }
        assert!((one.ratio(&two) - 0.75).abs() < 1e-9);
        assert!((one.median() - 9.0).abs() < 1e-9);
    }
}
