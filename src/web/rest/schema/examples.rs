//! An example of everything: a value for each field and parameter, put together to bodies and answers.
//!
//! Names that many things share have words of their own; the rest follows from what a field holds.

use super::document::{Entries, Media, Operation, Others, Schema, Types};
use crate::web::rest::fields::{Access, Declared, Kind};
use serde_json::{Map, Value, json};

/// More steps than this no representation goes down, references and lists counted.
const DEEPEST: usize = 24;

/// A value that the field may have; none for objects, which have those of their fields.
pub fn of(field: &Declared) -> Option<Value> {
    let known = match field.name {
        "title" => Some("Harmonics on one string"),
        "slug" => Some("harmonics-on-one-string"),
        "overview" => Some("Where the nodes are, and how to find them with a *fingertip*."),
        "description" => Some("What moves when a string sounds."),
        "username" => Some("maya"),
        "name" => Some("Maya Lind"),
        "email" => Some("maya@example.org"),
        "timezone" => Some("Europe/Madrid"),
        _ => None,
    };
    let is_text = matches!(
        field.kind,
        Kind::Text | Kind::ShortText(_) | Kind::Slug(_) | Kind::Email
    );
    let value = match (known.filter(|_| is_text), field.kind) {
        (Some(words), _) => json!(words),
        (None, Kind::Object(_) | Kind::List(_)) => return None,
        (None, kind) => by_kind(&kind),
    };
    Some(value)
}

fn by_kind(kind: &Kind) -> Value {
    match *kind {
        Kind::Integer | Kind::Reference(_) => json!(7),
        Kind::Range(least, _) => json!(least),
        Kind::Number => json!(12.5),
        Kind::Text | Kind::ShortText(_) => json!("A few words."),
        Kind::Slug(_) => json!("a-few-words"),
        Kind::Html => json!("<p>A string that is plucked moves in many ways at once.</p>"),
        Kind::Url => json!("https://lyceum.example/api/courses/"),
        Kind::Email => json!("maya@example.org"),
        Kind::Secret => json!("violet harbor 9"),
        Kind::Boolean => json!(true),
        Kind::Time => json!("2026-03-02T09:30:00.123456Z"),
        Kind::Choice(words) => json!(words.first()),
        Kind::Link(resource) => json!(format!("/api/{resource}/7/")),
        Kind::References(_) => json!([7, 9]),
        Kind::Texts => json!(["A few words."]),
        Kind::Object(_) | Kind::List(_) => Value::Null,
    }
}

/// A value that fits a schema, made of the examples in it.
pub fn of_schema(schema: &Schema, components: &Entries<Schema>) -> Value {
    made(schema, components, DEEPEST)
}

fn made(schema: &Schema, components: &Entries<Schema>, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    if let Some(example) = schema.examples.first() {
        return example.clone();
    }
    if let Some(name) = schema.component_name() {
        let component = components.get(name);
        return component.map_or(Value::Null, |found| made(found, components, depth - 1));
    }
    if let Some(first) = schema.any_of.first() {
        return made(first, components, depth - 1);
    }
    match schema.r#type {
        Types::One("array") | Types::OrNull("array") => {
            let item = schema.items.as_ref();
            json!(
                item.map(|item| made(item, components, depth - 1))
                    .into_iter()
                    .collect::<Vec<_>>()
            )
        }
        Types::One("object") | Types::OrNull("object") => object(schema, components, depth),
        Types::OrNull(_) => Value::Null,
        Types::One("integer") => json!(1),
        Types::One("boolean") => json!(true),
        _ => json!(""),
    }
}

fn object(schema: &Schema, components: &Entries<Schema>, depth: usize) -> Value {
    let named = schema.properties.0.iter();
    let mut members: Map<String, Value> = named
        .map(|(name, held)| (name.clone(), made(held, components, depth - 1)))
        .collect();
    if let Some(Others::Hold(held)) = &schema.additional_properties {
        members.insert("title".to_owned(), made(held, components, depth - 1));
    }
    Value::Object(members)
}

/// The part of a command that sends, as JSON, what has to be sent; empty where that is nothing.
pub fn sending(fields: &[Declared]) -> String {
    let required = fields
        .iter()
        .filter(|field| field.access == Access::Required);
    let members: Map<String, Value> = required
        .filter_map(|field| Some((field.name.to_owned(), of(field)?)))
        .collect();
    if members.is_empty() {
        String::new()
    } else {
        quoted(&Value::Object(members))
    }
}

/// Within single quotes, a shell takes everything but those as it is.
fn quoted(body: &Value) -> String {
    let json = body.to_string().replace('\'', "'\\''");
    format!(" \\\n  -H 'Content-Type: application/json' \\\n  -d '{json}'")
}

/// The operation, called with curl.
pub fn curl(
    site: &str,
    method: &str,
    path: &str,
    operation: &Operation,
    body: Option<&Media>,
) -> String {
    let mut words = vec!["curl".to_owned()];
    let admits_visitors = operation.security.iter().any(Entries::is_empty);
    if !admits_visitors {
        words.push("-u NAME".to_owned());
    }
    if method != "GET" {
        words.push(format!("-X {method}"));
    }
    let path = path.replace("{id}", "7").replace("{resource}", "courses");
    words.push(format!("{site}{path}"));
    let body = body.and_then(|media| media.example.as_ref());
    words.join(" ") + &body.map(quoted).unwrap_or_default()
}
