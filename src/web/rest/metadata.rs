//! What `OPTIONS` says of a path: its name, what it is, and its formats; and of what the caller may change there,
//! the fields.

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

/// The types that bodies may have.
pub const PARSES: [&str; 3] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
];

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
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<usize>,
}

impl About {
    fn of(field: &Declared) -> Self {
        let (kind, max_length) = match field.kind {
            Kind::Integer => ("integer", None),
            Kind::Text | Kind::Html => ("string", None),
            Kind::ShortText(longest) => ("string", Some(longest)),
            Kind::Slug(longest) => ("slug", Some(longest)),
            Kind::Url => ("url", None),
            Kind::Boolean => ("boolean", None),
            Kind::Time => ("datetime", None),
            Kind::Reference(_) => ("field", None),
            Kind::List(_) => ("list", None),
        };
        Self {
            r#type: kind,
            required: field.access == Access::Required,
            read_only: field.access == Access::ReadOnly,
            label: label(field.name),
            help_text: field.about,
            max_length,
        }
    }
}

/// `updated_at` as `Updated at`.
fn label(name: &str) -> String {
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
    Ok(operation.rule.verdict(asked).await? != Verdict::No)
}
