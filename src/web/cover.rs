//! Course covers: a pattern drawn from a course's slug, as inline SVG, in its subject's color.
//!
//! A drawing names steps (classes `k0` to `k4`), never colors, so that one drawing serves both themes:
//! `web/css/cards.css` mixes the steps from the hue of the subject's class. Uploaded pictures do not live here.

use std::f64::consts::TAU;
use std::fmt::{self, Write};

/// How many subjects have a color of their own; further ones begin again with the first.
const SUBJECT_COLORS: usize = 6;

/// The side of a tile, in units of the 320 by 180 drawing.
const TILE: i32 = 60;

/// The class that brings a subject's color, by the subject's place in the order of ids, from 0.
///
/// Mathematics, Music, Physics and Programming come first, as the migrations create them; then slate, rose, and round again.
pub fn subject_class(subject: usize) -> String {
    format!("subject-{}", subject % SUBJECT_COLORS)
}

/// Draws the cover of the course with this slug: the same slug always gets the same drawing.
///
/// `subject` is as in [`subject_class`]; `class` may add classes such as `thumb` or `raised`. The drawing is
/// decoration (hidden from screen readers), since the course's title always stands beside it. Under 3 kB.
pub fn cover_svg(slug: &str, subject: usize, class: &str) -> String {
    let mut random = Mulberry32::new(fnv1a(slug.as_bytes()));
    random.next();
    random.next();
    let layers = match random.below(6) {
        0 => quarter_circles(&mut random),
        1 => springs(&mut random),
        2 => hills(&mut random),
        3 => triangles(&mut random),
        4 => halftone(&mut random),
        _ => weave(&mut random),
    };
    let gap = if class.is_empty() { "" } else { " " };
    format!(
        "<svg class=\"cover {}{gap}{class}\" viewBox=\"0 0 320 180\" preserveAspectRatio=\"xMidYMid slice\" aria-hidden=\"true\">{layers}</svg>",
        subject_class(subject)
    )
}

/// FNV-1a, 32 bits.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// Mulberry32 (Tommy Ettinger, public domain): small, quick, and the same everywhere.
struct Mulberry32 {
    state: u32,
}

impl Mulberry32 {
    fn new(seed: u32) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u32 {
        self.state = self.state.wrapping_add(0x6d2b_79f5);
        let mut value = self.state;
        value = (value ^ (value >> 15)).wrapping_mul(value | 1);
        value ^= value.wrapping_add((value ^ (value >> 7)).wrapping_mul(value | 0x3d));
        value ^ (value >> 14)
    }

    /// A number from 0 up to, without, `limit`.
    fn below(&mut self, limit: i32) -> i32 {
        let scaled = (i64::from(self.next()) * i64::from(limit)) >> 32;
        i32::try_from(scaled).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.below(high - low + 1)
    }

    /// True `percent` times out of a hundred.
    fn chance(&mut self, percent: i32) -> bool {
        self.below(100) < percent
    }
}

/// Shapes gathered by step, so that a drawing needs one `<path>` a step and stays small.
#[derive(Default)]
struct Steps([String; 5]);

impl Steps {
    fn add(&mut self, step: i32, shape: fmt::Arguments<'_>) {
        let index = usize::try_from(step).unwrap_or(0);
        if let Some(path) = self.0.get_mut(index) {
            // Writing into a String cannot fail.
            let _ = path.write_fmt(shape);
        }
    }

    /// The filled paths, palest first; `attributes` makes them lines instead.
    fn paths(&self, attributes: &str) -> String {
        let mut out = String::new();
        for (step, path) in self
            .0
            .iter()
            .enumerate()
            .filter(|(_, path)| !path.is_empty())
        {
            let _ = write!(out, "<path class=\"k{step}\"{attributes} d=\"{path}\"/>");
        }
        out
    }
}

/// A full circle as a path: middle and radius.
fn circle(steps: &mut Steps, step: i32, x: i32, y: i32, radius: i32) {
    let left = x - radius;
    let width = 2 * radius;
    steps.add(
        step,
        format_args!(
            "M{left} {y}a{radius} {radius} 0 1 0 {width} 0a{radius} {radius} 0 1 0-{width} 0"
        ),
    );
}

fn quarter_circles(random: &mut Mulberry32) -> String {
    let mut grounds = Steps::default();
    let mut shapes = Steps::default();
    for (column, row) in (0..6).flat_map(|column| (0..3).map(move |row| (column, row))) {
        let (x, y) = (column * TILE, row * TILE);
        let (right, below) = (x + TILE, y + TILE);
        let ground = match random.below(10) {
            0..6 => 0,
            6..9 => 1,
            _ => 2,
        };
        if ground > 0 {
            grounds.add(ground, format_args!("M{x} {y}h60v60h-60z"));
        }
        let step = (ground + random.between(1, 3)).min(4);
        if random.chance(17) {
            circle(&mut shapes, step.max(3), x + TILE / 2, y + TILE / 2, 17);
            continue;
        }
        match random.below(4) {
            0 => shapes.add(step, format_args!("M{x} {y}h60a60 60 0 0 1-60 60z")),
            1 => shapes.add(step, format_args!("M{right} {y}v60a60 60 0 0 1-60-60z")),
            2 => shapes.add(
                step,
                format_args!("M{right} {below}h-60a60 60 0 0 1 60-60z"),
            ),
            _ => shapes.add(step, format_args!("M{x} {below}v-60a60 60 0 0 1 60 60z")),
        }
    }
    grounds.paths("") + &shapes.paths("")
}

fn springs(random: &mut Mulberry32) -> String {
    let (x, y) = (random.between(80, 130), random.between(95, 150));
    let (far_x, far_y) = (random.between(225, 305), random.between(5, 50));
    let mut far = Steps::default();
    for ring in 1..11 {
        circle(&mut far, 1, far_x, far_y, 14 + ring * 13);
    }
    let mut out = far.paths(" stroke-width=\"5\"");
    for (width, rings) in [("6", 1..3), ("4.5", 3..6), ("3", 6..9), ("1.8", 9..11)] {
        let mut near = Steps::default();
        for ring in rings {
            circle(&mut near, 3, x, y, 8 + ring * 12);
        }
        out += &near.paths(&format!(" stroke-width=\"{width}\""));
    }
    let mut middles = Steps::default();
    circle(&mut middles, 2, far_x, far_y, 8);
    circle(&mut middles, 4, x, y, 8);
    out + &middles.paths("")
}

fn hills(random: &mut Mulberry32) -> String {
    let mut sun = Steps::default();
    circle(
        &mut sun,
        3,
        random.between(70, 250),
        random.between(30, 44),
        random.between(14, 19),
    );
    let mut out = sun.paths("");
    let mut base = random.between(48, 62);
    for step in [1, 0, 2, 3, 4] {
        let half = random.between(45, 75);
        let rise = random.between(14, 34) * if random.chance(50) { 1 } else { -1 };
        let start = -random.below(half);
        let mut hill = Steps::default();
        hill.add(
            step,
            format_args!("M{start} {base}q{} {rise} {half} 0", half / 2),
        );
        for _ in 0..(400 / half) {
            hill.add(step, format_args!("t{half} 0"));
        }
        hill.add(step, format_args!("V180H{start}z"));
        out += &hill.paths("");
        base += random.between(22, 30);
    }
    out
}

fn triangles(random: &mut Mulberry32) -> String {
    let mut shapes = Steps::default();
    let shift = random.below(TILE);
    for (row, column) in (0..3).flat_map(|row| (0..13).map(move |column| (row, column))) {
        let step = match random.below(20) {
            0..5 => 0,
            5..11 => 1,
            11..15 => 2,
            15..18 => 3,
            _ => 4,
        };
        if step == 0 {
            continue;
        }
        let (x, y) = (column * TILE / 2 - shift, row * TILE);
        if (row + column) % 2 == 0 {
            shapes.add(step, format_args!("M{x} {}h60l-30-60z", y + TILE));
        } else {
            shapes.add(step, format_args!("M{x} {y}h60l-30 60z"));
        }
    }
    shapes.paths("")
}

/// A row of equal dots is one dashed line with round ends: dashes of no length, one pitch apart.
fn halftone(random: &mut Mulberry32) -> String {
    /// Dot sizes, largest first: the least value that gets it, its diameter, its step.
    const SIZES: [(f64, &str, i32); 5] = [
        (0.78, "10.5", 4),
        (0.58, "8", 3),
        (0.4, "5.6", 2),
        (0.24, "3.8", 2),
        (0.07, "2.2", 1),
    ];
    let (middle_x, middle_y) = (
        f64::from(random.between(110, 230)),
        f64::from(random.between(60, 120)),
    );
    let reach = f64::from(random.between(135, 185));
    let mut runs = [const { String::new() }; SIZES.len()];
    for row in 0..18 {
        let y = row * 11;
        let start = if row % 2 == 0 { 0 } else { 6 };
        let size_at = |column: i32| {
            let (x, y) = (f64::from(column * 12 + start), f64::from(y));
            let distance = (x - middle_x).hypot((y - middle_y) * 1.25);
            let value = 0.5 + 0.5 * (distance / reach * TAU).cos();
            SIZES.iter().position(|(least, _, _)| value >= *least)
        };
        let mut column = 0;
        while column < 28 {
            let size = size_at(column);
            let first = column;
            while column < 28 && size_at(column) == size {
                column += 1;
            }
            if let Some(run) = size.and_then(|index| runs.get_mut(index)) {
                let _ = write!(
                    run,
                    "M{} {y}h{}",
                    first * 12 + start,
                    (column - first) * 12 - 10
                );
            }
        }
    }
    let mut out = String::new();
    for ((_, width, step), run) in SIZES.iter().zip(&runs).filter(|(_, run)| !run.is_empty()) {
        let _ = write!(
            out,
            "<path class=\"k{step}\" stroke-width=\"{width}\" stroke-dasharray=\"0 12\" d=\"{run}\"/>"
        );
    }
    out
}

fn weave(random: &mut Mulberry32) -> String {
    let mut threads = Steps::default();
    for column in 0..16 {
        let x = 10 + column * 20;
        let mut y = -random.below(40);
        while y < 188 {
            let length = if random.chance(15) {
                1
            } else {
                random.between(6, 44)
            };
            let step = match random.below(20) {
                0..4 => 0,
                4..10 => 1,
                10..14 => 2,
                14..17 => 3,
                _ => 4,
            };
            if step > 0 {
                threads.add(step, format_args!("M{x} {y}v{length}"));
            }
            y += length + 20;
        }
    }
    threads.paths(" stroke-width=\"17\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many() -> impl Iterator<Item = String> {
        (0..400).map(|number| format!("course-{number}"))
    }

    #[test]
    fn the_same_slug_always_gets_the_same_drawing() {
        for slug in many() {
            assert_eq!(cover_svg(&slug, 2, ""), cover_svg(&slug, 2, ""));
        }
    }

    #[test]
    fn different_slugs_get_different_drawings() {
        let drawings: std::collections::HashSet<String> =
            many().map(|slug| cover_svg(&slug, 0, "")).collect();
        assert_eq!(drawings.len(), 400);
    }

    #[test]
    fn every_family_is_drawn_for_some_slug() {
        let marks = [
            "a60 60",
            "stroke-width=\"4.5\"",
            "V180H",
            "l-30 60z",
            "stroke-dasharray",
            "stroke-width=\"17\"",
        ];
        for mark in marks {
            assert!(
                many().any(|slug| cover_svg(&slug, 0, "").contains(mark)),
                "nothing has {mark}"
            );
        }
    }

    #[test]
    fn a_cover_obeys_the_policy_and_stays_small() {
        for slug in many() {
            let svg = cover_svg(&slug, 1, "thumb");
            assert!(!svg.contains("style="), "{slug} carries an inline style");
            assert!(
                !svg.contains("id="),
                "{slug} carries an id, which two covers on a page would share"
            );
            assert!(svg.len() < 3_000, "{slug} takes {} bytes", svg.len());
        }
    }

    #[test]
    fn a_slug_never_reaches_the_markup() {
        let svg = cover_svg("<script>\"'&", 0, "");
        assert!(!svg.contains("script"));
    }

    #[test]
    fn the_seventh_subject_takes_the_first_color_again() {
        assert_eq!(subject_class(6), "subject-0");
        assert!(
            cover_svg("waves", 7, "raised").starts_with("<svg class=\"cover subject-1 raised\" ")
        );
    }
}
