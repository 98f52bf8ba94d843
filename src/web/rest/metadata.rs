//! What `OPTIONS` says of a path: its name, what it is, and its formats; and of what the caller may change there,
//! the fields.

use super::body::PARSES;
use super::call::Answer;
use super::fields::{Access, Declared, Kind};
use super::negotiation::Format;
use super::permissions::{Asked, Verdict};
use super::resource::{Endpoint, Operation};
use crate::app::App;
use crate::error::Result;
use crate::web::identity::Person;
use axum::http::Method;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    description: &'a str,
    renders: Vec<&'static str>,
    parses: [&'static str; 3],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    actions: BTreeMap<&'a str, Fields>,
}

/// The fields of a body, in their order.
struct Fields(Vec<Declared>);

impl Serialize for Fields {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|field| (field.name, About::of(field))))
    }
}

#[derive(Serialize)]
struct About {
    r#type: &'static str,
    required: bool,
    read_only: bool,
    label: String,
    help_text: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_null: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_value: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_value: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choices: Vec<Choice>,
    /// The fields of an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<Fields>,
    /// What a list is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<Child>,
}

#[derive(Serialize)]
struct Choice {
    value: &'static str,
    display_name: &'static str,
}

#[derive(Serialize)]
struct Child {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<Fields>,
}

impl Child {
    fn of(kind: &Kind) -> Option<Self> {
        let (kind, children) = match kind {
            Kind::List(fields) => ("nested object", Some(Fields(fields()))),
            Kind::References(_) => ("field", None),
            Kind::Texts => ("string", None),
            _ => return None,
        };
        Some(Self {
            r#type: kind,
            children,
        })
    }
}

impl About {
    fn of(field: &Declared) -> Self {
        let max_length = match field.kind {
            Kind::ShortText(longest) | Kind::Slug(longest) => Some(longest),
            _ => None,
        };
        let (min_value, max_value) = match field.kind {
            Kind::Range(least, most) => (Some(least), Some(most)),
            _ => (None, None),
        };
        let choices: &[&'static str] = match field.kind {
            Kind::Choice(words) => words,
            _ => &[],
        };
        let choice = |&value| Choice {
            value,
            display_name: value,
        };
        Self {
            r#type: type_name(&field.kind),
            required: field.access == Access::Required,
            read_only: field.access == Access::ReadOnly,
            label: label(field.name),
            help_text: field.about,
            allow_null: field.is_nullable,
            max_length,
            min_value,
            max_value,
            choices: choices.iter().map(choice).collect(),
            children: match field.kind {
                Kind::Object(fields) => Some(Fields(fields())),
                _ => None,
            },
            child: Child::of(&field.kind),
        }
    }
}

/// The name by which clients of the older system know a kind.
fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Integer | Kind::Range(..) => "integer",
        Kind::Number => "float",
        Kind::Text | Kind::Html | Kind::ShortText(_) | Kind::Secret => "string",
        Kind::Slug(_) => "slug",
        Kind::Url => "url",
        Kind::Email => "email",
        Kind::Boolean => "boolean",
        Kind::Time => "datetime",
        Kind::Choice(_) => "choice",
        Kind::Reference(_) | Kind::Link(_) => "field",
        Kind::Object(_) => "nested object",
        Kind::List(_) | Kind::References(_) | Kind::Texts => "list",
    }
}

/// `updated_at` as `Updated at`.
pub(super) fn label(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    let rest = chars.map(|c| if c == '_' { ' ' } else { c });
    first.into_iter().chain(rest).collect()
}

/// The description of a path for whoever asks.
pub async fn describe(app: &App, endpoint: &Endpoint, person: Option<&Person>) -> Result<Answer> {
    let mut actions = BTreeMap::new();
    for operation in &endpoint.operations {
        if operation.method == Method::GET || operation.takes.is_empty() {
            continue;
        }
        if may(app, operation, person).await? {
            actions.insert(operation.method.as_str(), Fields(operation.takes.clone()));
        }
    }
    let mut renders: Vec<&'static str> = Vec::new();
    for format in Format::ALL {
        let is_offered = |operation: &Operation| operation.formats.contains(&format);
        if endpoint.operations.iter().any(is_offered) {
            renders.push(format.mime());
        }
    }
    Answer::value(&Told {
        name: &endpoint.name,
        description: endpoint.about,
        renders,
        parses: PARSES,
        actions,
    })
}

async fn may(app: &App, operation: &Operation, person: Option<&Person>) -> Result<bool> {
    let asked = Asked {
        app,
        person,
        method: &operation.method,
        object: None,
    };
    Ok(operation.verdict(asked).await? != Verdict::No)
}
