//! From declared fields to JSON Schema: what answers hold, and what bodies may hold.
//!
//! Every object becomes a component, once: one that is the same as another goes by the other's name.

use super::document::{Entries, False, Others, Schema, Types};
use super::examples;
use super::naming::{joined, singular};
use crate::web::rest::fields::{Access, Declared, Kind};

/// As `given` takes them.
const LONGEST_URL: usize = 2_000;
const LONGEST_EMAIL: usize = 254;
const LONGEST_OF_SEVERAL: usize = 200;

/// The components that were made so far.
#[derive(Default)]
pub struct Shapes {
    made: Entries<Schema>,
}

/// Which way an object goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From the site, with all of its fields.
    Out,
    /// From the site, with those of its fields that were asked for.
    OutInPart,
    /// To the site.
    In,
}

impl Shapes {
    /// What an answer with these fields holds.
    pub fn answer(&mut self, name: &str, fields: &[Declared]) -> Schema {
        self.object(name, fields, Way::Out)
    }

    /// A name for what these fields are: this one, unless it is that of a thing with other fields; then the other one.
    pub fn name_of(&self, name: &str, fields: &[Declared], other: &str) -> String {
        let is_free = self.made.get(name).is_none_or(|made| {
            let names = made.properties.0.iter().map(|(name, _)| name.as_str());
            names.eq(fields.iter().map(|field| field.name))
        });
        if is_free { name } else { other }.to_owned()
    }

    /// The same, when `?fields=` may leave some of them out.
    pub fn answer_in_part(&mut self, name: &str, fields: &[Declared]) -> Schema {
        let whole = self.answer(name, fields);
        // By the name of the whole, should that go by another one.
        let name = whole.component_name().unwrap_or(name).to_owned();
        let part = self.object(&format!("{name}Part"), fields, Way::OutInPart);
        Schema::any(vec![whole, part])
    }

    /// A page of a list of those.
    pub fn page(&mut self, name: &str, items: Schema) -> Schema {
        let address = |description| Schema {
            r#type: Types::OrNull("string"),
            format: Some("uri"),
            description,
            ..Schema::default()
        };
        let mut properties = Entries::default();
        let count = Schema {
            minimum: Some(0),
            description: "How many there are in all; not with cursors.",
            ..Schema::of("integer")
        };
        properties.push("count", count);
        properties.push("next", address("The address of the next page."));
        properties.push("previous", address("The address of the page before."));
        properties.push("results", Schema::list(items));
        let page = Schema {
            properties,
            required: vec!["next", "previous", "results"],
            ..Schema::of("object")
        };
        self.keep(&format!("{name}Page"), page)
    }

    /// What a body with these fields may hold.
    pub fn body(&mut self, name: &str, fields: &[Declared]) -> Schema {
        self.object(name, fields, Way::In)
    }

    /// Keeps a component that is not made of fields.
    pub fn keep(&mut self, name: &str, schema: Schema) -> Schema {
        let known = self.made.0.iter().find(|(_, known)| *known == schema);
        if let Some((known, _)) = known {
            return Schema::component(known);
        }
        // Two things of one name are told apart by a number.
        let mut free = name.to_owned();
        let mut number = 2;
        while self.made.get(&free).is_some() {
            free = format!("{name}{number}");
            number += 1;
        }
        self.made.push(free.clone(), schema);
        Schema::component(&free)
    }

    /// All of them, by name.
    pub fn into_components(mut self) -> Entries<Schema> {
        self.made.0.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.made
    }

    fn object(&mut self, name: &str, fields: &[Declared], way: Way) -> Schema {
        let is_sent = |field: &&Declared| match way {
            Way::In => field.access != Access::ReadOnly,
            Way::Out | Way::OutInPart => true,
        };
        let mut object = Schema::of("object");
        for field in fields.iter().filter(is_sent) {
            let is_required = match way {
                Way::Out => true,
                Way::OutInPart => false,
                Way::In => field.access == Access::Required,
            };
            if is_required {
                object.required.push(field.name);
            }
            let value = self.value(name, field, way);
            object.properties.push(field.name, value);
        }
        if way == Way::In {
            object.additional_properties = Some(Others::None(False));
        }
        self.keep(name, object)
    }

    /// What one field holds, in an object of this name.
    fn value(&mut self, name: &str, field: &Declared, way: Way) -> Schema {
        // A part of a thing has whole things in its fields.
        let (name, way) = match way {
            Way::OutInPart => (name.strip_suffix("Part").unwrap_or(name), Way::Out),
            other => (name, other),
        };
        let mut schema = match field.kind {
            Kind::Object(fields) => self.object(&joined(name, field.name), &fields(), way),
            Kind::List(fields) => {
                let name = joined(name, &singular(field.name));
                Schema::list(self.object(&name, &fields(), way))
            }
            ref kind => simple(kind, way == Way::In),
        };
        if way == Way::In && field.access == Access::Required {
            schema.min_length = schema.min_length.or(least_length(&field.kind));
        } else if matches!(field.kind, Kind::Email | Kind::Url) {
            schema = or_empty(schema);
        }
        schema.read_only = way == Way::Out && field.access == Access::ReadOnly;
        if field.is_nullable {
            schema = or_null(schema);
        }
        schema.description = field.about;
        schema.examples.extend(examples::of(field));
        schema
    }
}

/// Texts that must be there hold something.
fn least_length(kind: &Kind) -> Option<usize> {
    let is_text = matches!(
        kind,
        Kind::Text | Kind::ShortText(_) | Kind::Secret | Kind::Email | Kind::Url
    );
    is_text.then_some(1)
}

/// What a value that is no object holds. Bodies are read within the numbers that can be kept.
fn simple(kind: &Kind, is_sent_in: bool) -> Schema {
    match *kind {
        Kind::Integer => number(is_sent_in),
        Kind::Reference(resource) => Schema {
            resource: Some(resource),
            ..number(is_sent_in)
        },
        Kind::References(resource) => Schema {
            resource: Some(resource),
            unique_items: true,
            ..Schema::list(number(is_sent_in))
        },
        Kind::Range(least, most) => Schema {
            minimum: Some(least),
            maximum: Some(most),
            ..number(is_sent_in)
        },
        Kind::Number => Schema::of("number"),
        Kind::Boolean => Schema::of("boolean"),
        Kind::Texts => Schema::list(Schema {
            max_length: is_sent_in.then_some(LONGEST_OF_SEVERAL),
            ..Schema::of("string")
        }),
        // Objects are told apart above.
        _ => text(kind, is_sent_in),
    }
}

fn number(is_sent_in: bool) -> Schema {
    Schema {
        format: Some("int64"),
        minimum: is_sent_in.then_some(i64::MIN),
        maximum: is_sent_in.then_some(i64::MAX),
        ..Schema::of("integer")
    }
}

/// What a text holds.
fn text(kind: &Kind, is_sent_in: bool) -> Schema {
    let mut text = Schema::of("string");
    match *kind {
        Kind::Html => text.content_media_type = Some("text/html"),
        Kind::ShortText(longest) => text.max_length = Some(longest),
        Kind::Slug(longest) => {
            text.pattern = Some("^[A-Za-z0-9_-]+$".to_owned());
            text.max_length = Some(longest);
        }
        Kind::Url => {
            text.format = Some("uri");
            text.max_length = is_sent_in.then_some(LONGEST_URL);
        }
        Kind::Email => {
            text.format = Some("email");
            text.max_length = is_sent_in.then_some(LONGEST_EMAIL);
        }
        Kind::Secret => text.format = Some("password"),
        Kind::Time => text.format = Some("date-time"),
        Kind::Link(resource) => {
            text.format = Some("uri-reference");
            text.resource = Some(resource);
        }
        Kind::Choice(words) => text.one_of_words = words.iter().copied().map(Some).collect(),
        _ => {}
    }
    text
}

/// The same, or the empty text, by which people say that they have none.
fn or_empty(schema: Schema) -> Schema {
    let empty = Schema {
        one_of_words: vec![Some("")],
        ..Schema::of("string")
    };
    Schema::any(vec![schema, empty])
}

/// The same, or null.
fn or_null(mut schema: Schema) -> Schema {
    match schema.r#type {
        Types::One(name) => {
            schema.r#type = Types::OrNull(name);
            if !schema.one_of_words.is_empty() {
                schema.one_of_words.push(None);
            }
            schema
        }
        _ => Schema::any(vec![schema, Schema::of("null")]),
    }
}
