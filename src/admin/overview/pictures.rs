//! The pictures of the overview: which figures are drawn, and how each is told.

use crate::admin::charts::{self, Chart, Unit, Values};
use crate::web::identity::Person;
use crate::web::metrics::Storage;
use crate::web::metrics::machine::{self, Disk};
use crate::web::metrics::series::{Range, Seen, Slot};
use chrono::{DateTime, Utc};

/// One picture.
pub struct ChartCard {
    /// Its place on the page.
    pub id: &'static str,
    /// `large` or nothing.
    pub size: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// The present value.
    pub value: String,
    /// Its unit.
    pub unit: &'static str,
    /// What stands out.
    pub note: String,
    /// Over which time.
    pub range: &'static str,
    /// The drawing.
    pub chart: Chart,
    /// Labels below it.
    pub times: Vec<String>,
    /// What stands in the columns of its table.
    pub columns: Vec<&'static str>,
    /// Its figures, the newest first.
    pub rows: Vec<Row>,
}

/// What was noted in a slot of time.
pub struct Row {
    /// When it began, in the reader's zone.
    pub time: String,
    /// A value for each column.
    pub values: Vec<String>,
}

/// A figure by its name, and how it is read off a slot.
type Column = (&'static str, fn(&Seen) -> Option<f64>);

/// How a picture is made.
struct Sketch {
    id: &'static str,
    size: &'static str,
    title: &'static str,
    unit: Unit,
    unit_words: &'static str,
    is_bars: bool,
    columns: &'static [Column],
    note: fn(&Seen, &[&Seen]) -> String,
}

/// Every picture, in the order of the page.
const SKETCHES: [Sketch; 7] = [
    Sketch {
        id: "requests",
        size: "large",
        title: "Requests",
        unit: Unit::Rate,
        unit_words: "a second",
        is_bars: false,
        columns: &[
            ("all", |seen| Some(seen.requests)),
            ("worked out afresh", |seen| Some(seen.worked_out)),
        ],
        note: |_, _| String::new(),
    },
    Sketch {
        id: "hits",
        size: "large",
        title: "Cache hit ratio",
        unit: Unit::Share,
        unit_words: "",
        is_bars: false,
        columns: &[("ratio", |seen| seen.hit_ratio)],
        note: |_, all| match all.iter().map(|seen| seen.evictions).sum() {
            0_u64 => String::new(),
            evicted => format!("{} pushed out", charts::number(evicted as f64)),
        },
    },
    Sketch {
        id: "times",
        size: "",
        title: "Answer time, 95 of 100",
        unit: Unit::Seconds,
        unit_words: "",
        is_bars: false,
        columns: &[("within", |seen| seen.p95)],
        note: |_, _| String::new(),
    },
    Sketch {
        id: "errors",
        size: "",
        title: "Faults of the site",
        unit: Unit::Rate,
        unit_words: "a second",
        is_bars: true,
        columns: &[("faults", |seen| Some(seen.errors))],
        note: |_, _| String::new(),
    },
    Sketch {
        id: "sockets",
        size: "",
        title: "Open connections",
        unit: Unit::Count,
        unit_words: "",
        is_bars: false,
        columns: &[("streams and sockets", |seen| Some(seen.sockets.round()))],
        note: |_, _| String::new(),
    },
    Sketch {
        id: "queue",
        size: "",
        title: "Queue",
        unit: Unit::Count,
        unit_words: "jobs",
        is_bars: true,
        columns: &[("jobs that waited", |seen| Some(seen.queue as f64))],
        note: |last, _| match (last.queue, last.oldest_seconds) {
            (0, _) => "nothing waits".into(),
            (_, oldest) => format!("oldest {}", charts::seconds(oldest as f64)),
        },
    },
    Sketch {
        id: "memory",
        size: "",
        title: "Memory",
        unit: Unit::Bytes,
        unit_words: "",
        is_bars: false,
        columns: &[("all processes", |seen| Some(seen.memory_bytes))],
        note: |_, _| {
            let limit = machine::memory_limit_bytes();
            limit.map_or_else(String::new, |bytes| {
                format!("this machine has {}", charts::bytes(bytes as f64))
            })
        },
    },
];

/// Draws them all.
pub fn draw(range: Range, slots: &[Slot], person: &Person) -> Vec<ChartCard> {
    SKETCHES
        .iter()
        .map(|sketch| card(sketch, range, slots, person))
        .collect()
}

fn card(sketch: &Sketch, range: Range, slots: &[Slot], person: &Person) -> ChartCard {
    let series: Vec<(&'static str, Values)> = sketch
        .columns
        .iter()
        .map(|(name, value)| {
            let values = slots.iter().map(|slot| value(slot.seen.as_ref()?));
            (*name, values.collect())
        })
        .collect();
    let chart = match (sketch.is_bars, series.as_slice()) {
        (true, [(_, values)]) => charts::bars(sketch.unit, values),
        (_, [(_, values)]) => charts::lines(sketch.unit, &[("", values.clone())]),
        _ => charts::lines(sketch.unit, &series),
    };
    let seen: Vec<&Seen> = slots.iter().filter_map(|slot| slot.seen.as_ref()).collect();
    let last = series
        .first()
        .and_then(|(_, values)| values.iter().rev().flatten().next());
    ChartCard {
        id: sketch.id,
        size: sketch.size,
        title: sketch.title,
        value: last.map_or_else(|| "-".into(), |value| present(sketch.unit, *value)),
        unit: if last.is_some() {
            sketch.unit_words
        } else {
            ""
        },
        note: seen
            .last()
            .map_or_else(String::new, |last| (sketch.note)(last, &seen)),
        range: range.words(),
        times: times(range, slots, person),
        columns: sketch.columns.iter().map(|(name, _)| *name).collect(),
        rows: rows(sketch, range, slots, person),
        chart,
    }
}

/// The present value without its unit, where that stands behind it.
fn present(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Rate | Unit::Count => charts::number(value),
        _ => charts::tell(unit, value),
    }
}

/// A time as the range needs it: of a day the hour, of a month the day.
fn clock(range: Range, time: DateTime<Utc>, person: &Person) -> String {
    let form = match range {
        Range::Hour | Range::Day => "%H:%M",
        Range::Week => "%a %H:%M",
        Range::Month => "%-d %b",
    };
    time.with_timezone(&person.time_zone)
        .format(form)
        .to_string()
}

/// Labels at the beginning, after each quarter, and `now`.
fn times(range: Range, slots: &[Slot], person: &Person) -> Vec<String> {
    let step = (slots.len() / 4).max(1);
    let quarters = slots.iter().step_by(step).take(4);
    let mut times: Vec<String> = quarters
        .map(|slot| clock(range, slot.began, person))
        .collect();
    times.push("now".into());
    times
}

fn rows(sketch: &Sketch, range: Range, slots: &[Slot], person: &Person) -> Vec<Row> {
    let row = |slot: &Slot| {
        let seen = slot.seen.as_ref()?;
        let values = sketch.columns.iter().map(|(_, value)| {
            value(seen).map_or_else(|| "-".into(), |value| charts::tell(sketch.unit, value))
        });
        Some(Row {
            time: match range {
                Range::Month => slot
                    .began
                    .with_timezone(&person.time_zone)
                    .format("%-d %b %H:%M")
                    .to_string(),
                _ => clock(range, slot.began, person),
            },
            values: values.collect(),
        })
    };
    slots.iter().rev().filter_map(row).collect()
}

/// What is stored, by kind, and what room there is.
pub struct DiskCard {
    /// What is stored in all.
    pub value: String,
    /// `of 500 GB`, where there is a disk.
    pub unit: String,
    /// When it will be full, going on like this.
    pub note: String,
    /// Each kind: its class, name, size, and where its bar begins and how wide it is, of 600.
    pub parts: Vec<DiskPart>,
    /// The same in words.
    pub words: String,
}

/// One kind of what is stored.
pub struct DiskPart {
    /// Its class.
    pub class: &'static str,
    /// What it is.
    pub name: &'static str,
    /// What it takes.
    pub size: String,
    /// Where its bar begins.
    pub x: String,
    /// How wide that is.
    pub width: String,
}

/// Tells what is stored; `disk`: the room on the disk of the files, where they are on one.
pub fn disk(slots: &[Slot], range: Range, disk: Option<Disk>) -> DiskCard {
    let mut known = slots.iter().filter_map(|slot| slot.seen.as_ref());
    let first = known.clone().next().map(|seen| seen.storage);
    let now = known
        .next_back()
        .map_or_else(Storage::default, |seen| seen.storage);
    let all = disk.map_or(now.all(), |disk| disk.all_bytes).max(1);
    let mut x = 0.0;
    let parts = [
        ("of-renditions", "Renditions", now.renditions),
        ("of-originals", "Originals", now.originals),
        ("of-waiting", "Waiting uploads", now.waiting),
        ("of-database", "Database", now.database),
    ]
    .map(|(class, name, bytes)| {
        let width = charts::WIDTH * (bytes as f64 / all as f64).clamp(0.0, 1.0);
        let part = DiskPart {
            class,
            name,
            size: charts::bytes(bytes as f64),
            x: format!("{x:.1}"),
            width: format!("{width:.1}"),
        };
        x += width;
        part
    });
    let told: Vec<String> = parts
        .iter()
        .map(|part| format!("{} {}", part.name, part.size))
        .collect();
    DiskCard {
        value: charts::bytes(now.all() as f64),
        unit: disk.map_or_else(String::new, |disk| {
            format!("of {}", charts::bytes(disk.all_bytes as f64))
        }),
        note: disk.map_or_else(String::new, |disk| {
            let grown = first.map_or(0, |first| now.all().saturating_sub(first.all()));
            let seconds = range.step_seconds() * i64::try_from(slots.len()).unwrap_or(1);
            room(disk, grown, seconds as f64)
        }),
        words: told.join(", "),
        parts: parts.into(),
    }
}

/// How long the disk lasts when as much comes again in the same time; else how full it is.
fn room(disk: Disk, grown: u64, seconds: f64) -> String {
    let days = disk.free_bytes as f64 / grown.max(1) as f64 * seconds / 86_400.0;
    if grown > 0 && days < 1_000.0 {
        return format!("full in {} days", charts::number(days.floor()));
    }
    format!("disk {} % full", disk.fill())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_when_as_much_comes_again() {
        let disk = |all_bytes, free_bytes| Disk {
            all_bytes,
            free_bytes,
        };
        assert_eq!(room(disk(500, 100), 10, 86_400.0), "full in 10 days");
        assert_eq!(room(disk(500, 100), 0, 86_400.0), "disk 80 % full");
        assert_eq!(room(disk(500_000, 499_999), 1, 86_400.0), "disk 0 % full");
    }

    #[test]
    fn what_is_stored_is_drawn_by_its_share() {
        let seen = |originals| {
            let storage = Storage {
                originals,
                renditions: 300,
                ..Storage::default()
            };
            Some(Seen {
                storage,
                ..Seen::default()
            })
        };
        let slot = |seen| Slot {
            began: DateTime::UNIX_EPOCH,
            seconds: 60.0,
            seen,
        };
        let card = disk(&[slot(seen(100)), slot(None)], Range::Hour, None);
        let [renditions, originals, ..] = card.parts.as_slice() else {
            panic!("four kinds")
        };
        assert_eq!(
            (renditions.x.as_str(), renditions.width.as_str()),
            ("0.0", "450.0")
        );
        assert_eq!(
            (originals.x.as_str(), originals.width.as_str()),
            ("450.0", "150.0")
        );
        assert!(card.words.contains("Originals 100 bytes"));
    }
}
