//! What lists and forms are made of: cells, rows, and what can be typed.

use super::{Choices, Look};
use crate::entities::audit_entry::Change;
use crate::web::text;
use chrono::{DateTime, Utc};

/// What stands in a cell.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Words.
    Text(String),
    /// Words and a second line, smaller.
    Two(String, String),
    /// A way to somewhere.
    Link(String, String),
    /// A state: tone (`ok`, `warn`, `fault` or nothing), icon, word.
    State(&'static str, &'static str, String),
    /// Short names beside each other.
    Names(Vec<String>),
    /// How long ago, exactly, and for machines.
    Time(String, String, String),
    /// What was changed.
    Changes(Vec<Change>),
}

/// A word of so many characters keeps its line; a longer one, such as a key, is broken.
const LONGEST_WORD: usize = 24;

impl Cell {
    /// Whether one of the words is longer than a column should be wide.
    pub fn is_unwieldy(words: &str) -> bool {
        let mut parts = words.split(|c: char| c.is_whitespace() || c == '-');
        parts.any(|part| part.chars().count() > LONGEST_WORD)
    }

    /// Words, or nothing.
    pub fn text(words: impl Into<String>) -> Self {
        let words = words.into();
        if words.is_empty() {
            Self::Empty
        } else {
            Self::Text(words)
        }
    }

    /// A way to somewhere, for who holds the permission for it; for others the words alone.
    pub fn link(look: &Look, permission: &str, words: impl Into<String>, path: String) -> Self {
        if look.person.may(permission) {
            Self::Link(words.into(), path)
        } else {
            Self::text(words)
        }
    }

    /// A number.
    pub fn number(number: i64) -> Self {
        Self::Text(crate::admin::site::grouped(
            u64::try_from(number).unwrap_or(0),
        ))
    }

    /// A day that may be still to come.
    pub fn day(at: Option<DateTime<Utc>>, look: &Look) -> Self {
        let zone = look.person.time_zone;
        at.map_or(Self::Empty, |at| {
            Self::Time(
                text::date(at, zone),
                text::exact(at, zone),
                text::machine(at),
            )
        })
    }

    /// A time as who looks reads it.
    pub fn time(at: Option<DateTime<Utc>>, look: &Look) -> Self {
        let zone = look.person.time_zone;
        at.map_or(Self::Empty, |at| {
            Self::Time(
                text::ago(at, look.app.clock.now(), zone),
                text::exact(at, zone),
                text::machine(at),
            )
        })
    }
}

/// A row of a list.
#[derive(Clone, Debug)]
pub struct Row {
    /// The number of the thing.
    pub id: i64,
    /// What it is called: for its check box, and where it is asked whether to do something to it.
    pub name: String,
    /// Where its name leads; empty: to its own page, when the table has a form that changes it.
    pub path: String,
    /// The cells, in the order of the columns.
    pub cells: Vec<Cell>,
    /// The same for an export.
    pub csv: Vec<String>,
}

/// How something is typed.
#[derive(Clone, Debug)]
pub enum Control {
    /// A line of so many characters.
    Line(u16),
    /// An address that is made from another field where nothing is typed.
    Slug(&'static str),
    /// A mail address.
    Mail,
    /// Long text.
    Text,
    /// A password: never shown again.
    Password,
    /// Yes or no, with what yes means.
    Check,
    /// One of these.
    One(Choices),
    /// Any of these.
    Any(Choices),
    /// What cannot be changed here.
    Fixed(String),
    /// The parts of a thing, a line each; [`Line`].
    Lines(Vec<Line>),
}

/// A part of a thing that is edited within it: fields `<entry>-<index>-title`, `-place` and `-delete`.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Its number; none: it is to be made.
    pub id: Option<i64>,
    /// What it is called.
    pub title: String,
    /// Its place, from 1; empty: the last.
    pub place: String,
    /// Whether it goes.
    pub is_deleted: bool,
    /// Where its own page is.
    pub path: String,
}

/// Something that is typed.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name in the form.
    pub name: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// A sentence about it, or nothing.
    pub hint: &'static str,
    /// How it is typed.
    pub control: Control,
    /// Whether it may be left empty.
    pub is_optional: bool,
}

impl Entry {
    /// Something that has to be typed.
    pub const fn new(name: &'static str, label: &'static str, control: Control) -> Self {
        Self {
            name,
            label,
            hint: "",
            control,
            is_optional: false,
        }
    }

    /// With a sentence about it.
    #[must_use]
    pub const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// It may be left empty.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }
}
