//! Figures over time, drawn on the server: paths for an SVG that is stretched to its place, so that lines keep their
//! width and labels, which stand beside it as text, their size. Colors are classes, for both themes.

use std::fmt::Write as _;

/// The drawing's own size; a page stretches it.
pub const WIDTH: f64 = 600.0;
/// Its height.
pub const HEIGHT: f64 = 120.0;
/// The part of a slot that its bar takes.
const BAR: f64 = 0.7;

/// How values are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests a second.
    Rate,
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// A share, 0 to 1.
    Share,
}

/// One line, or row of bars, over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Its name in the legend and in words; empty where there is only one.
    pub name: &'static str,
    /// The path of the line; interrupted where nothing is known.
    pub path: String,
    /// What lies under it.
    pub area: String,
    /// The present value.
    pub dot: String,
}

/// A picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// What is drawn, the first behind the others.
    pub lines: Vec<Line>,
    /// The path of bars, in place of lines.
    pub bars: String,
    /// Labels of the axis, the largest first.
    pub labels: Vec<String>,
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

    /// Whether there is anything to see.
    pub fn is_empty(&self) -> bool {
        self.bars.is_empty() && self.lines.iter().all(|line| line.path.is_empty())
    }
}

/// Values over time, the oldest first, one for each slot; none where nothing is known.
pub type Values = Vec<Option<f64>>;

/// Draws lines on one axis, with what lies under them where it begins at nothing.
pub fn lines(unit: Unit, series: &[(&'static str, Values)]) -> Chart {
    let all = series.iter().flat_map(|(_, values)| values).flatten();
    let axis = Axis::of(unit, all.copied());
    let drawn = series.iter().map(|(name, values)| {
        let mut line = line(&axis, values);
        line.name = name;
        line
    });
    Chart {
        lines: drawn.collect(),
        bars: String::new(),
        labels: axis.labels(unit),
        words: words(unit, series),
    }
}

/// Draws a bar for each slot.
pub fn bars(unit: Unit, values: &Values) -> Chart {
    let axis = Axis::of(unit, values.iter().flatten().copied());
    let slot = WIDTH / values.len().max(1) as f64;
    let mut path = String::new();
    for (number, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|value| *value > 0.0) else {
            continue;
        };
        let x = slot * (number as f64 + (1.0 - BAR) / 2.0);
        let y = axis.y(value);
        // Writing into a text does not fail.
        let _ = write!(path, "M{x:.1} {HEIGHT}V{y:.1}h{:.1}V{HEIGHT}z", slot * BAR);
    }
    Chart {
        lines: Vec::new(),
        bars: path,
        labels: axis.labels(unit),
        words: words(unit, &[("", values.clone())]),
    }
}

/// From where to where values are drawn, and in how many steps.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    from: f64,
    to: f64,
    steps: u32,
}

impl Axis {
    fn of(unit: Unit, values: impl Iterator<Item = f64> + Clone) -> Self {
        if unit == Unit::Share {
            let lowest = values.fold(1.0, f64::min);
            // As near as the line has room.
            let (from, steps) = match lowest {
                low if low >= 0.9 => (0.9, 2),
                low if low >= 0.7 => (0.7, 3),
                low if low >= 0.5 => (0.5, 2),
                _ => (0.0, 2),
            };
            return Self {
                from,
                to: 1.0,
                steps,
            };
        }
        let highest = values.fold(0.0, f64::max);
        let (to, steps) = round_up(unit, highest);
        Self {
            from: 0.0,
            to,
            steps,
        }
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.from) / (self.to - self.from);
        HEIGHT * (1.0 - share.clamp(0.0, 1.0))
    }

    fn labels(&self, unit: Unit) -> Vec<String> {
        let gap = (self.to - self.from) / f64::from(self.steps);
        let values = (0..=self.steps).map(|step| self.to - gap * f64::from(step));
        values.map(|value| label(unit, value)).collect()
    }
}

/// A round number that is no less, and in how many round steps it parts.
fn round_up(unit: Unit, value: f64) -> (f64, u32) {
    let least = match unit {
        Unit::Count => 2.0,
        Unit::Bytes => 1e6,
        Unit::Seconds => 0.001,
        Unit::Rate | Unit::Share => 0.1,
    };
    let value = value.max(least);
    let ten = 10_f64.powf(value.log10().floor());
    for (times, steps) in [
        (1.0, 2),
        (2.0, 2),
        (3.0, 3),
        (4.0, 2),
        (6.0, 2),
        (8.0, 2),
        (10.0, 2),
    ] {
        let top = ten * times;
        // Bars of things want whole labels.
        let is_whole = unit != Unit::Count || (top / f64::from(steps)).fract() < 1e-9;
        if value <= top * (1.0 + 1e-9) && is_whole {
            return (top, steps);
        }
    }
    (ten * 10.0, 2)
}

/// A value on an axis.
fn label(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Share => format!("{:.0} %", value * 100.0),
        Unit::Seconds => seconds(value),
        Unit::Bytes => bytes(value),
        Unit::Rate | Unit::Count => number(value),
    }
}

/// A value in words: `239 a second`, `98.0 %`, `221 MB`.
pub fn tell(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Rate => format!("{} a second", number(value)),
        Unit::Share => percent(value),
        _ => label(unit, value),
    }
}

/// `0`, `0.25`, `3.4`, `239`, `1,204`: as many places as one reads.
pub fn number(value: f64) -> String {
    let value = if value.is_finite() {
        value.max(0.0)
    } else {
        0.0
    };
    if value >= 999.5 {
        return super::site::grouped(whole(value));
    }
    let places = match value {
        low if low >= 99.95 => 0,
        low if low >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `0.4 ms`, `12 ms`, `1.2 s`, `40 min`.
pub fn seconds(value: f64) -> String {
    if value >= 60.0 {
        return crate::web::text::span(value);
    }
    if value >= 0.9995 {
        return format!("{} s", number((value * 10.0).round() / 10.0));
    }
    let milliseconds = value * 1000.0;
    let rounded = if milliseconds >= 9.95 {
        milliseconds.round()
    } else {
        (milliseconds * 10.0).round() / 10.0
    };
    format!("{} ms", number(rounded))
}

/// `221 MB`.
pub fn bytes(value: f64) -> String {
    crate::web::text::size(i64::try_from(whole(value)).unwrap_or(i64::MAX))
}

/// `98.0 %`; never rounded up to all.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let shown = if percent < 100.0 {
        percent.min(99.9)
    } else {
        100.0
    };
    format!("{shown:.1} %")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what fits before it is cast"
)]
fn whole(value: f64) -> u64 {
    if value.is_finite() {
        value.clamp(0.0, 9e15).round() as u64
    } else {
        0
    }
}

fn line(axis: &Axis, values: &Values) -> Line {
    let last = values.len().saturating_sub(1).max(1);
    let points = values.iter().enumerate().map(|(number, value)| {
        let value = (*value)?;
        Some((WIDTH * number as f64 / last as f64, axis.y(value)))
    });
    let points: Vec<Option<(f64, f64)>> = points.collect();
    let mut drawn = Line::default();
    for run in points.split(Option::is_none) {
        let run: Vec<(f64, f64)> = run.iter().flatten().copied().collect();
        add_run(&mut drawn, &run, axis.from <= 0.0);
    }
    if let Some((x, y)) = points.iter().rev().flatten().next() {
        drawn.dot = format!("M{x:.1} {y:.1}h0");
    }
    drawn
}

fn add_run(drawn: &mut Line, run: &[(f64, f64)], has_area: bool) {
    let (Some((first, y)), Some((last, _))) = (run.first(), run.last()) else {
        return;
    };
    // Writing into a text does not fail.
    let _ = write!(drawn.path, "M{first:.1} {y:.1}");
    for (x, y) in run.iter().skip(1) {
        let _ = write!(drawn.path, "L{x:.1} {y:.1}");
    }
    if run.len() == 1 {
        // A line of no length has round ends: a dot.
        drawn.path.push_str("h0");
    } else if has_area {
        let _ = write!(drawn.area, "M{first:.1} {HEIGHT}");
        for (x, y) in run {
            let _ = write!(drawn.area, "L{x:.1} {y:.1}");
        }
        let _ = write!(drawn.area, "L{last:.1} {HEIGHT}z");
    }
}

fn words(unit: Unit, series: &[(&'static str, Values)]) -> String {
    let told = series.iter().filter_map(|(name, values)| {
        let known = || values.iter().flatten().copied();
        let last = known().last()?;
        let lowest = known().fold(f64::INFINITY, f64::min);
        let highest = known().fold(0.0, f64::max);
        let [lowest, highest, last] = [lowest, highest, last].map(|value| tell(unit, value));
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("{name} ")
        };
        Some(format!("{name}between {lowest} and {highest}, last {last}"))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        "nothing is known of this time".into()
    } else {
        told.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_interrupted_where_nothing_is_known() {
        let values = vec![Some(0.0), Some(4.0), None, Some(2.0)];
        let chart = lines(Unit::Rate, &[("all", values)]);
        let [line] = chart.lines.as_slice() else {
            panic!("one line")
        };
        assert_eq!(line.path, "M0.0 120.0L200.0 0.0M600.0 60.0h0");
        assert_eq!(line.area, "M0.0 120L0.0 120.0L200.0 0.0L200.0 120z");
        assert_eq!(line.dot, "M600.0 60.0h0");
        assert_eq!(chart.labels, ["4", "2", "0"]);
        assert_eq!(
            chart.words,
            "all between 0 a second and 4 a second, last 2 a second"
        );
    }

    #[test]
    fn bars_stand_where_something_was_and_have_whole_labels() {
        let chart = bars(Unit::Count, &vec![Some(3.0), None, Some(0.0), Some(1.0)]);
        assert_eq!(chart.bars.matches('M').count(), 2);
        assert_eq!(chart.labels, ["3", "2", "1", "0"]);
        assert_eq!(bars(Unit::Count, &vec![Some(0.0)]).labels, ["2", "1", "0"]);
        assert!(bars(Unit::Count, &vec![Some(0.0)]).is_empty());
    }

    #[test]
    fn the_axis_of_a_share_begins_where_the_line_has_room() {
        let labels = |share| lines(Unit::Share, &[("", vec![Some(share)])]).labels;
        assert_eq!(labels(0.98), ["100 %", "95 %", "90 %"]);
        assert_eq!(labels(0.72), ["100 %", "90 %", "80 %", "70 %"]);
        assert_eq!(labels(0.1), ["100 %", "50 %", "0 %"]);
        let low = lines(Unit::Share, &[("", vec![Some(0.98), Some(0.99)])]);
        assert!(low.lines.iter().all(|line| line.area.is_empty()));
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, top) in [
            (0.0, 0.1),
            (0.13, 0.2),
            (7.0, 8.0),
            (239.0, 300.0),
            (950.0, 1_000.0),
        ] {
            let (found, _) = round_up(Unit::Rate, value);
            assert!((found - top).abs() < 1e-9, "{value}: {found}");
        }
        let labels = |unit, value| lines(unit, &[("", vec![Some(value)])]).labels;
        assert_eq!(labels(Unit::Count, 7.0), ["8", "4", "0"]);
        assert_eq!(labels(Unit::Bytes, 0.0), ["1.0 MB", "500 kB", "0 bytes"]);
    }

    #[test]
    fn values_are_told_as_people_say_them() {
        assert_eq!(number(0.254), "0.25");
        assert_eq!(number(3.0), "3");
        assert_eq!(number(239.4), "239");
        assert_eq!(number(1_204.0), "1,204");
        assert_eq!(number(f64::NAN), "0");
        assert_eq!(seconds(0.000_42), "0.4 ms");
        assert_eq!(seconds(0.012_4), "12 ms");
        assert_eq!(seconds(1.24), "1.2 s");
        assert_eq!(seconds(2_400.0), "40 min");
        assert_eq!(tell(Unit::Share, 0.999_99), "99.9 %");
        assert_eq!(tell(Unit::Bytes, 221e6), "221 MB");
    }

    #[test]
    fn nothing_known_is_said_so() {
        let chart = lines(Unit::Bytes, &[("", vec![None, None])]);
        assert!(chart.is_empty());
        assert_eq!(chart.words, "nothing is known of this time");
        assert!(lines(Unit::Bytes, &[]).is_empty());
    }
}
