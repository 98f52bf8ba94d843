//! What of the query an operation looks at: each parameter declared once, with what it takes and a sentence.
//!
//! How values are read is said where they are used ([`Call::number`](super::call::Call::number) and its like);
//! what has to be kept apart by caches, and the schema, come from here.

/// A parameter of the query.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name in the address.
    pub name: &'static str,
    /// What it is for, in a sentence.
    pub about: &'static str,
    /// What it takes.
    pub takes: Takes,
}

/// What a parameter takes. An empty value counts as absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Any text.
    Text,
    /// A whole number from this one on.
    Integer(i64),
    /// A whole number from this one on, or this word.
    IntegerOr(i64, &'static str),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Names out of these, comma-separated, each with `-` in front for the other way round.
    Ordering(Vec<&'static str>),
    /// Names of the fields of the answer, comma-separated.
    Fields,
    /// A place in a list, as `next` and `previous` have it.
    Cursor,
    /// The name of a format of the answer.
    Format,
}

impl Parameter {
    /// One that takes this.
    pub const fn new(name: &'static str, about: &'static str, takes: Takes) -> Self {
        Self { name, about, takes }
    }

    /// One that takes the number of something.
    pub const fn id(name: &'static str, about: &'static str) -> Self {
        Self::new(name, about, Takes::Integer(i64::MIN))
    }

    /// One that takes `true` or `false`.
    pub const fn flag(name: &'static str, about: &'static str) -> Self {
        Self::new(name, about, Takes::Flag)
    }

    /// `ordering`, by these names.
    pub fn ordering<C>(known: &[(&'static str, C)]) -> Self {
        Self::new(
            "ordering",
            "Names of fields, comma-separated, each with - in front for the other way round.",
            Takes::Ordering(known.iter().map(|(name, _)| *name).collect()),
        )
    }
}

/// A name with a sentence takes any text.
impl From<(&'static str, &'static str)> for Parameter {
    fn from((name, about): (&'static str, &'static str)) -> Self {
        Self::new(name, about, Takes::Text)
    }
}

/// `fields`, which everything that answers one thing or a list looks at.
pub const FIELDS: Parameter = Parameter::new(
    "fields",
    "Names of the fields to answer, comma-separated; all when nothing is said.",
    Takes::Fields,
);

/// `format`, which every operation looks at.
pub(super) const FORMAT: Parameter = Parameter::new(
    "format",
    "The format of the answer, whatever Accept says.",
    Takes::Format,
);

/// What every list looks at.
pub const PARAMETERS: [Parameter; 6] = [
    Parameter::new(
        "page",
        "The number of a page, from 1, or last; then the answer is {count, next, previous, results}.",
        Takes::IntegerOr(1, "last"),
    ),
    Parameter::new(
        "page_size",
        "Entries a page, up to 500; 20 when nothing is said.",
        Takes::Integer(1),
    ),
    Parameter::new(
        "limit",
        "Entries at most, up to 500; then the answer is {count, next, previous, results}.",
        Takes::Integer(1),
    ),
    Parameter::new(
        "offset",
        "How many entries to leave out before them.",
        Takes::Integer(0),
    ),
    Parameter::new(
        "cursor",
        "A place in the list, taken from next or previous; empty for the first page, and then the answer is {next, previous, results}. The surest way through a list that changes.",
        Takes::Cursor,
    ),
    FIELDS,
];
