//! Hit ratios over time, drawn: paths for an SVG that is stretched to its place, so that lines keep their width and
//! labels, which stand beside it as text, their size.

use crate::web::metrics::Slot;
use std::fmt::Write as _;

/// The drawing's own size; a page stretches it.
pub const WIDTH: f64 = 600.0;
/// Its height.
pub const HEIGHT: f64 = 120.0;

/// Where the axis may begin, with the labels from there to 100 %.
const AXES: [(f64, &[u32]); 4] = [
    (0.9, &[90, 95, 100]),
    (0.7, &[70, 80, 90, 100]),
    (0.5, &[50, 75, 100]),
    (0.0, &[0, 50, 100]),
];

/// A ratio over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// The path of the line; where nothing was read it is interrupted.
    pub line: String,
    /// What lies under it, only where the axis begins at nothing.
    pub area: String,
    /// The present value.
    pub dot: String,
    /// Labels of the axis, the largest first.
    pub labels: Vec<u32>,
    /// The same in words.
    pub words: String,
}

impl Chart {
    /// Where the hairlines are, from the top.
    pub fn hairlines(&self) -> Vec<String> {
        let gaps = self.labels.len().saturating_sub(1).max(1);
        let y = |number| HEIGHT * number as f64 / gaps as f64;
        (0..self.labels.len())
            .map(|number| format!("{:.1}", y(number)))
            .collect()
    }
}

/// Draws the ratios of these slots, of which the last is now. `is_from_zero`: for small drawings without labels.
pub fn draw(slots: &[Slot], is_from_zero: bool) -> Chart {
    let ratios: Vec<Option<f64>> = slots.iter().map(Slot::ratio).collect();
    let lowest = ratios.iter().flatten().copied().fold(1.0, f64::min);
    let fits = |(from, _): &&(f64, &[u32])| {
        if is_from_zero {
            *from <= 0.0
        } else {
            *from <= lowest
        }
    };
    let (from, labels) = AXES
        .iter()
        .find(fits)
        .copied()
        .unwrap_or((0.0, &[0, 50, 100]));
    let last = ratios.len().saturating_sub(1).max(1);
    let place = |number: usize, ratio: f64| {
        let x = WIDTH * number as f64 / last as f64;
        let y = HEIGHT * (1.0 - (ratio - from) / (1.0 - from));
        (x, y)
    };
    let mut chart = Chart {
        labels: labels.iter().rev().copied().collect(),
        words: words(&ratios),
        ..Chart::default()
    };
    let points = ratios
        .iter()
        .enumerate()
        .map(|(number, ratio)| ratio.map(|ratio| place(number, ratio)));
    let points: Vec<Option<(f64, f64)>> = points.collect();
    for run in points.split(Option::is_none) {
        let run: Vec<(f64, f64)> = run.iter().flatten().copied().collect();
        add_run(&mut chart, &run, from <= 0.0);
    }
    if let Some((x, y)) = points.iter().rev().flatten().next() {
        chart.dot = format!("M{x:.1} {y:.1}h0");
    }
    chart
}

fn add_run(chart: &mut Chart, run: &[(f64, f64)], has_area: bool) {
    let (Some((first, y)), Some((last, _))) = (run.first(), run.last()) else {
        return;
    };
    // Writing into a text does not fail.
    let _ = write!(chart.line, "M{first:.1} {y:.1}");
    for (x, y) in run.iter().skip(1) {
        let _ = write!(chart.line, "L{x:.1} {y:.1}");
    }
    if run.len() == 1 {
        // A line of no length has round ends: a dot.
        chart.line.push_str("h0");
    } else if has_area {
        let _ = write!(chart.area, "M{first:.1} {HEIGHT:.1}");
        for (x, y) in run {
            let _ = write!(chart.area, "L{x:.1} {y:.1}");
        }
        let _ = write!(chart.area, "L{last:.1} {HEIGHT:.1}z");
    }
}

fn words(ratios: &[Option<f64>]) -> String {
    let known: Vec<f64> = ratios.iter().flatten().copied().collect();
    let Some(last) = known.last() else {
        return "nothing was read".into();
    };
    let lowest = known.iter().copied().fold(1.0, f64::min);
    let highest = known.iter().copied().fold(0.0, f64::max);
    format!(
        "between {} and {}, last {}",
        percent(lowest),
        percent(highest),
        percent(*last)
    )
}

/// `98.0 %`. Never rounded up to all, nor down to nothing.
pub fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    let shown = if percent < 100.0 {
        percent.min(99.9)
    } else {
        100.0
    };
    format!("{shown:.1} %")
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn slots(counts: &[(u64, u64)]) -> Vec<Slot> {
        let slot = |(hits, misses): &(u64, u64)| Slot {
            began: DateTime::UNIX_EPOCH,
            hits: *hits,
            misses: *misses,
        };
        counts.iter().map(slot).collect()
    }

    #[test]
    fn a_line_is_interrupted_where_nothing_was_read() {
        let chart = draw(&slots(&[(1, 1), (1, 0), (0, 0), (0, 1)]), false);
        assert_eq!(chart.line, "M0.0 60.0L200.0 0.0M600.0 120.0h0");
        assert_eq!(chart.area, "M0.0 120.0L0.0 60.0L200.0 0.0L200.0 120.0z");
        assert_eq!(chart.dot, "M600.0 120.0h0");
        assert_eq!(chart.words, "between 0.0 % and 100.0 %, last 0.0 %");
    }

    #[test]
    fn the_axis_begins_where_the_line_has_room_and_only_one_from_zero_is_filled() {
        let labels = |counts| draw(&slots(&[counts]), false).labels;
        assert_eq!(labels((99, 1)), [100, 95, 90]);
        assert_eq!(labels((80, 20)), [100, 90, 80, 70]);
        assert_eq!(labels((60, 40)), [100, 75, 50]);
        assert_eq!(labels((1, 40)), [100, 50, 0]);
        assert!(draw(&slots(&[(9, 1), (9, 1)]), false).area.is_empty());
        assert!(!draw(&slots(&[(9, 1), (9, 1)]), true).area.is_empty());
        assert_eq!(
            draw(&slots(&[(1, 0)]), false).hairlines(),
            ["0.0", "60.0", "120.0"]
        );
    }

    #[test]
    fn nothing_is_rounded_up_to_all_of_it() {
        assert_eq!(percent(0.999_99), "99.9 %");
        assert_eq!(percent(1.0), "100.0 %");
        assert_eq!(draw(&[], false).words, "nothing was read");
    }
}
