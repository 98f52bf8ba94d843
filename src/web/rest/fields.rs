//! The fields of a representation: each declared once, with its name, what it holds, and how it is read.
//!
//! What is sent (JSON and CSV) and what is said of it (`OPTIONS`, the schema) both come from the declaration,
//! so that they cannot drift apart. Values go straight into the bytes of the answer.

use crate::web::cells::defused;
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// What a field holds.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// Text of any length.
    Text,
    /// Text with at most so many characters.
    ShortText(usize),
    /// Letters, digits, `-` and `_`, at most so many.
    Slug(usize),
    /// HTML that is safe to show.
    Html,
    /// An absolute address.
    Url,
    /// Yes or no.
    Boolean,
    /// A moment, `2026-03-02T09:30:00.123456Z`.
    Time,
    /// The number of one of another resource, which is named.
    Reference(&'static str),
    /// A list of objects with fields of their own.
    List(fn() -> Vec<Declared>),
    /// One object with fields of its own.
    Object(fn() -> Vec<Declared>),
    /// A whole number from the first to the second, both included.
    Range(i64, i64),
    /// A number that need not be whole.
    Number,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An address of e-mail.
    Email,
    /// Something that is sent in and never answered, such as a password.
    Secret,
    /// The path of one of another resource, which is named: `/api/courses/7/`. In bodies the absolute address will do,
    /// too.
    Link(&'static str),
    /// Numbers of another resource, which is named, each once; their order counts.
    References(&'static str),
    /// A list of short texts.
    Texts,
}

impl Kind {
    /// What is told of a value that is none of these.
    pub(super) fn expected(self) -> String {
        match self {
            Kind::Integer => "A whole number is expected here.".into(),
            Kind::Range(least, most) => {
                format!("A whole number from {least} to {most} is expected here.")
            }
            Kind::Number => "A number is expected here.".into(),
            Kind::Boolean => "true or false is expected here.".into(),
            Kind::Choice(words) => format!("One of these is expected here: {}.", words.join(", ")),
            Kind::Reference(resource) => {
                format!("The number of one of /api/{resource}/ is expected here.")
            }
            Kind::Link(resource) => {
                format!("An address such as /api/{resource}/7/ is expected here.")
            }
            Kind::References(_) => "A list of whole numbers is expected here.".into(),
            Kind::Texts => "A list of texts is expected here.".into(),
            Kind::List(_) => "A list of objects is expected here.".into(),
            Kind::Object(_) => "An object with fields is expected here.".into(),
            Kind::Time => "A moment such as 2026-03-02T09:30:00Z is expected here.".into(),
            Kind::Text
            | Kind::ShortText(_)
            | Kind::Slug(_)
            | Kind::Html
            | Kind::Url
            | Kind::Email
            | Kind::Secret => "A text is expected here.".into(),
        }
    }
}

/// Who sets a field. In the body of PATCH no field is `Required`; one that is left out stays as it is, also with PUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The site. In a change it may be sent back as it was read; anything else is refused, so that nobody believes that
    /// she has set it. Moments and what [moves by itself](Declared::is_passing) are passed over there.
    ReadOnly,
    /// The caller, always.
    Required,
    /// The caller, if she likes.
    Optional,
}

/// A field as it is declared, whatever it is read from: of an answer, or of a body.
///
/// What a body may hold is checked against this before any handler sees it (`body`, `given`): its type, its length or
/// range, and that nothing else is sent. What depends on what there is (whether a subject exists, whether an address is
/// taken) is checked by the feature.
#[derive(Clone, Copy)]
pub struct Declared {
    /// Its name in JSON and CSV.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Who sets it.
    pub access: Access,
    /// Whether it may be null, in answers and in bodies.
    pub is_nullable: bool,
    /// Whether it moves by itself, as a place in line does: it is no part of the version that `If-Match` names.
    pub is_passing: bool,
    /// What it is, in a sentence.
    pub about: &'static str,
}

impl Declared {
    /// A field that only bodies have.
    pub const fn taken(
        name: &'static str,
        kind: Kind,
        access: Access,
        about: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            access,
            is_nullable: false,
            is_passing: false,
            about,
        }
    }

    /// The same, where null stands for none.
    #[must_use]
    pub const fn or_null(mut self) -> Self {
        self.is_nullable = true;
        self
    }

    /// The same, where nobody has to send it.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        if matches!(self.access, Access::Required) {
            self.access = Access::Optional;
        }
        self
    }
}

/// A field of what is represented by `T`.
pub struct Field<T: 'static> {
    /// What is said of it.
    pub declared: Declared,
    /// How it is read.
    pub get: for<'a> fn(&'a T) -> Cell<'a>,
}

// Not derived: that would ask for `T: Copy`.
impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

impl<T> Field<T> {
    /// A field that the site sets.
    pub const fn new(
        name: &'static str,
        kind: Kind,
        about: &'static str,
        get: for<'a> fn(&'a T) -> Cell<'a>,
    ) -> Self {
        let declared = Declared {
            name,
            kind,
            access: Access::ReadOnly,
            is_nullable: false,
            is_passing: false,
            about,
        };
        Self { declared, get }
    }

    /// The same, where it moves by itself.
    #[must_use]
    pub const fn passing(mut self) -> Self {
        self.declared.is_passing = true;
        self
    }

    /// The same, where null stands for none.
    #[must_use]
    pub const fn or_null(mut self) -> Self {
        self.declared.is_nullable = true;
        self
    }

    /// The same, set by the caller as this says.
    #[must_use]
    pub const fn set_by_caller(mut self, access: Access) -> Self {
        self.declared.access = access;
        self
    }
}

/// What is said of these fields.
pub fn declared<T>(fields: &[Field<T>]) -> Vec<Declared> {
    fields.iter().map(|field| field.declared).collect()
}

/// One value on its way out.
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// Yes or no.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number; what is none is sent as nothing.
    Number(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Another thing by its path: the resource, and its number.
    Link(&'static str, i64),
    /// Numbers of other things.
    Integers(Cow<'a, [i64]>),
    /// Short texts.
    Texts(Cow<'a, [String]>),
    /// A moment.
    Time(DateTime<Utc>),
    /// Objects.
    List(Box<dyn Objects + 'a>),
}

impl<'a> Cell<'a> {
    /// Text that is kept elsewhere.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// Objects with fields of their own.
    pub fn list<T>(fields: &'a [Field<T>], rows: &'a [T]) -> Self {
        Self::List(Box::new(Rows { fields, rows }))
    }

    /// Appends it as JSON.
    pub(super) fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(true) => out.extend_from_slice(b"true"),
            Self::Boolean(false) => out.extend_from_slice(b"false"),
            Self::Integer(number) => write_serialized(number, out),
            Self::Number(number) => write_serialized(number, out),
            Self::Text(text) => write_serialized(text, out),
            Self::Link(resource, id) => {
                write_serialized(&format!("/api/{resource}/{id}/"), out);
            }
            Self::Integers(numbers) => write_serialized(numbers.as_ref(), out),
            Self::Texts(texts) => write_serialized(texts.as_ref(), out),
            Self::Time(at) => {
                out.push(b'"');
                out.extend_from_slice(time(*at).as_bytes());
                out.push(b'"');
            }
            Self::List(objects) => objects.write_json(out),
        }
    }

    fn json(&self) -> String {
        let mut out = Vec::new();
        self.write_json(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// What stands in a cell of a table.
    fn plain(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => defused(text),
            Self::Link(resource, id) => format!("/api/{resource}/{id}/"),
            Self::Time(at) => time(*at),
            Self::Texts(_) | Self::List(_) => defused(&self.json()),
            // Numbers and booleans: what begins with a sign is one.
            _ => self.json(),
        }
    }
}

/// Objects in a field.
pub trait Objects {
    /// Appends them as a JSON array.
    fn write_json(&self, out: &mut Vec<u8>);
}

struct Rows<'a, T: 'static> {
    fields: &'a [Field<T>],
    rows: &'a [T],
}

impl<T> Objects for Rows<'_, T> {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, row) in self.rows.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_object(self.fields.iter(), row, out);
        }
        out.push(b']');
    }
}

/// Appends the object as compact JSON.
pub fn write_object<'a, T: 'static>(
    fields: impl Iterator<Item = &'a Field<T>>,
    row: &T,
    out: &mut Vec<u8>,
) {
    let mut before = b'{';
    for field in fields {
        out.push(before);
        // Names are ours, and plain ASCII.
        out.push(b'"');
        out.extend_from_slice(field.declared.name.as_bytes());
        out.extend_from_slice(b"\":");
        (field.get)(row).write_json(out);
        before = b',';
    }
    if before == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}

/// Appends the objects as compact JSON, with commas between.
pub fn write_objects<T: 'static>(fields: &[&Field<T>], rows: &[T], out: &mut Vec<u8>) {
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_object(fields.iter().copied(), row, out);
    }
}

/// Appends a line of a table (RFC 4180).
pub fn write_line<'a, T: 'static>(
    fields: impl Iterator<Item = &'a Field<T>>,
    row: &T,
    out: &mut Vec<u8>,
) {
    write_cells(fields.map(|field| (field.get)(row).plain()), out);
}

/// Appends the first line of a table: the names.
pub fn write_heading<'a, T: 'static>(
    fields: impl Iterator<Item = &'a Field<T>>,
    out: &mut Vec<u8>,
) {
    write_cells(fields.map(|field| field.declared.name.to_owned()), out);
}

fn write_cells(cells: impl Iterator<Item = String>, out: &mut Vec<u8>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if cell.contains(['"', ',', '\r', '\n']) {
            out.push(b'"');
            out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a number or text as JSON, which cannot fail for these.
fn write_serialized<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}

/// `2026-03-02T09:30:00.123456Z` (contract, section 4).
pub fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// The same for `#[serde(serialize_with)]`.
pub fn serialize_time<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&at.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Part(&'static str);

    struct Whole {
        id: i64,
        title: String,
        parts: Vec<Part>,
    }

    const PARTS: [Field<Part>; 1] = [Field::new("name", Kind::Text, "", |part| {
        Cell::text(part.0)
    })];

    const FIELDS: [Field<Whole>; 4] = [
        Field::new("id", Kind::Integer, "", |whole| Cell::Integer(whole.id)),
        Field::new("title", Kind::Text, "", |whole| Cell::text(&whole.title)),
        Field::new("none", Kind::Text, "", |_| Cell::Null),
        Field::new("parts", Kind::List(|| declared(&PARTS)), "", |whole| {
            Cell::list(&PARTS, &whole.parts)
        }),
    ];

    fn whole(title: &str) -> Whole {
        Whole {
            id: 7,
            title: title.to_owned(),
            parts: vec![Part("a"), Part("b")],
        }
    }

    #[test]
    fn an_object_is_compact_json_in_the_order_of_its_fields() {
        let mut out = Vec::new();
        write_object(FIELDS.iter(), &whole("Bow \"hair\""), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"id":7,"title":"Bow \"hair\"","none":null,"parts":[{"name":"a"},{"name":"b"}]}"#
        );
    }

    #[test]
    fn a_table_quotes_what_it_must_and_runs_nothing() {
        let mut out = Vec::new();
        write_heading(FIELDS.iter().take(3), &mut out);
        write_line(FIELDS.iter().take(3), &whole("a, \"b\"\nc"), &mut out);
        write_line(FIELDS.iter().take(3), &whole("=1+1"), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "id,title,none\r\n7,\"a, \"\"b\"\"\nc\",\r\n7,'=1+1,\r\n"
        );
    }

    #[test]
    fn a_relation_is_a_number_or_a_path_as_it_was_declared() {
        const RELATED: [Field<i64>; 2] = [
            Field::new("course", Kind::Reference("courses"), "", |id| {
                Cell::Integer(*id)
            }),
            Field::new("module", Kind::Link("modules"), "", |id| {
                Cell::Link("modules", *id)
            }),
        ];
        let mut out = Vec::new();
        write_object(RELATED.iter(), &7, &mut out);
        write_line(RELATED.iter(), &7, &mut out);
        let written = String::from_utf8(out).unwrap();
        assert_eq!(
            written,
            "{\"course\":7,\"module\":\"/api/modules/7/\"}7,/api/modules/7/\r\n"
        );
    }

    #[test]
    fn times_have_microseconds_even_when_they_are_none() {
        let at = "2026-03-02T09:30:00Z".parse().unwrap();
        assert_eq!(time(at), "2026-03-02T09:30:00.000000Z");
    }

    proptest! {
        #[test]
        fn whatever_a_text_holds_it_is_read_back_as_it_was(title in "\\PC{0,60}|[\\x00-\\x7f]{0,20}") {
            let mut out = Vec::new();
            write_object(FIELDS.iter(), &whole(&title), &mut out);
            let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(read["title"].as_str(), Some(title.as_str()));
        }
    }
}
