//! From declared parameters to those of the schema.

use super::document::{Entries, Parameter, Path, Schema, Shareable};
use crate::web::rest::parameters::{Parameter as Declared, Takes};
use crate::web::rest::resource::Operation;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

/// So many operations share a parameter that becomes a component.
const MANY: usize = 4;

/// Makes components of the parameters that are the same for many, and leaves references in their places.
pub fn share(paths: &mut Entries<Path>) -> Entries<Parameter> {
    let mut counted: Vec<(Parameter, usize)> = Vec::new();
    for list in lists(paths) {
        for parameter in list {
            let Shareable::Own(parameter) = parameter else {
                continue;
            };
            match counted.iter_mut().find(|(known, _)| known == parameter) {
                Some((_, times)) => *times += 1,
                None => counted.push((parameter.clone(), 1)),
            }
        }
    }
    let mut shared: Entries<Parameter> = Entries::default();
    for (parameter, times) in counted {
        // Of those with one name only the first can have it.
        if times >= MANY && shared.get(&parameter.name).is_none() {
            shared.push(parameter.name.clone(), parameter);
        }
    }
    for parameter in lists(paths).flatten() {
        let Shareable::Own(own) = &*parameter else {
            continue;
        };
        if shared.get(&own.name) == Some(own) {
            let reference = format!("#/components/parameters/{}", own.name);
            *parameter = Shareable::Shared { reference };
        }
    }
    shared
}

/// Every list of parameters, those of paths and those of operations.
fn lists(paths: &mut Entries<Path>) -> impl Iterator<Item = &mut Vec<Shareable<Parameter>>> {
    paths.0.iter_mut().flat_map(|(_, path)| {
        let of_operations = path.operations.0.iter_mut();
        let of_operations = of_operations.map(|(_, operation)| &mut operation.parameters);
        std::iter::once(&mut path.parameters).chain(of_operations)
    })
}

/// What an operation looks at: of the query, and of the headers.
pub fn parameters(operation: &Operation) -> Vec<Shareable<Parameter>> {
    let of_query = operation.parameters.iter().map(|declared| {
        let (schema, example) = taken(declared, operation);
        Parameter {
            name: declared.name.to_owned(),
            r#in: "query",
            required: false,
            description: declared.about.to_owned(),
            schema,
            example,
        }
    });
    let all = of_query.chain(condition(operation));
    all.map(Shareable::Own).collect()
}

/// The number in the path.
pub fn id() -> Shareable<Parameter> {
    Shareable::Own(Parameter {
        name: "id".to_owned(),
        r#in: "path",
        required: true,
        description: "Its number.".to_owned(),
        schema: integer(1),
        example: Some(json!(7)),
    })
}

/// The name of a resource in the path of its reference.
pub fn resource() -> Shareable<Parameter> {
    Shareable::Own(Parameter {
        name: "resource".to_owned(),
        r#in: "path",
        required: true,
        description: "The name of a resource.".to_owned(),
        schema: Schema::of("string"),
        example: Some(json!("courses")),
    })
}

/// The header by which a call says on which version it rests, or which request it is.
fn condition(operation: &Operation) -> Option<Parameter> {
    let mut schema = Schema::of("string");
    let (name, about) = if operation.is_conditional() {
        (
            "If-Match",
            "The ETag of the version that you have seen: a change of somebody else in between is then not overwritten.",
        )
    } else if operation.method == Method::GET {
        (
            "If-None-Match",
            "The ETag of the version that you have: an answer that is still the same is then 304 and costs no bytes.",
        )
    } else if operation.status == StatusCode::CREATED {
        schema.pattern = Some("^(\"[!#-\\[\\]-~]{1,255}\"|[!#-\\[\\]-~]{1,255})$".to_owned());
        (
            "Idempotency-Key",
            "A name for this request, such as a UUID: sent again within a day, it is answered as before and makes nothing twice.",
        )
    } else {
        return None;
    };
    Some(Parameter {
        name: name.to_owned(),
        r#in: "header",
        required: false,
        description: about.to_owned(),
        schema,
        example: None,
    })
}

fn integer(least: i64) -> Schema {
    Schema {
        format: Some("int64"),
        minimum: Some(least),
        maximum: Some(i64::MAX),
        ..Schema::of("integer")
    }
}

fn words(words: Vec<&'static str>) -> Schema {
    Schema {
        one_of_words: words.into_iter().map(Some).collect(),
        ..Schema::of("string")
    }
}

/// Names out of these, comma-separated, each after what the pattern of a mark allows.
fn names(mark: &str, names: &[&'static str]) -> Schema {
    let name = format!("{mark}({})", names.join("|"));
    Schema {
        // An empty value counts as absent.
        pattern: Some(format!("^({name}(,{name})*)?$")),
        ..Schema::of("string")
    }
}

/// What a parameter takes, with a value that fits.
fn taken(declared: &Declared, operation: &Operation) -> (Schema, Option<Value>) {
    match &declared.takes {
        Takes::Text => (Schema::of("string"), None),
        Takes::Cursor => (Schema::of("string"), Some(json!(""))),
        Takes::Integer(least) => (integer(*least), Some(json!((*least).max(1)))),
        Takes::IntegerOr(least, word) => {
            let either = Schema::any(vec![integer(*least), words(vec![*word])]);
            (either, Some(json!(word)))
        }
        Takes::Flag => (Schema::of("boolean"), Some(json!(true))),
        Takes::OneOf(known) => (words(known.to_vec()), known.first().map(|word| json!(word))),
        Takes::Ordering(known) => {
            let example = known.first().map(|name| json!(format!("-{name}")));
            (names("-?", known), example)
        }
        Takes::Fields => {
            let known: Vec<&str> = operation.answers.iter().map(|field| field.name).collect();
            let example: Vec<&str> = known.iter().take(2).copied().collect();
            (names("", &known), Some(json!(example.join(","))))
        }
        Takes::Format => {
            let known: Vec<&str> = operation
                .formats
                .iter()
                .map(|format| format.name())
                .collect();
            let example = known.first().map(|name| json!(name));
            (words(known), example)
        }
    }
}
