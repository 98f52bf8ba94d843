//! From declared parameters to those of the schema.

use super::document::{Parameter, Schema};
use crate::web::rest::parameters::{Parameter as Declared, Takes};
use crate::web::rest::resource::Operation;
use axum::http::Method;
use serde_json::{Value, json};

/// What an operation looks at: of the query, and of the headers.
pub fn parameters(operation: &Operation) -> Vec<Parameter> {
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
    of_query.chain(condition(operation)).collect()
}

/// The number in the path.
pub fn id() -> Parameter {
    Parameter {
        name: "id".to_owned(),
        r#in: "path",
        required: true,
        description: "Its number.".to_owned(),
        schema: integer(1),
        example: Some(json!(7)),
    }
}

/// The name of a resource in the path of its reference.
pub fn resource() -> Parameter {
    Parameter {
        name: "resource".to_owned(),
        r#in: "path",
        required: true,
        description: "The name of a resource.".to_owned(),
        schema: Schema::of("string"),
        example: Some(json!("courses")),
    }
}

/// The header by which a call says on which version it rests.
fn condition(operation: &Operation) -> Option<Parameter> {
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
    } else {
        return None;
    };
    Some(Parameter {
        name: name.to_owned(),
        r#in: "header",
        required: false,
        description: about.to_owned(),
        schema: Schema::of("string"),
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
