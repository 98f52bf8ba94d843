//! What values are, in words, for the reference page: the same that JSON Schema says to programs.

use super::document::{Entries, Schema, Types};

/// A row of the reference page: one field, or one parameter.
pub struct Row {
    /// Its name; those within others by their path: `modules[].title`.
    pub name: String,
    /// What it holds.
    pub kind: String,
    /// What it is, in a sentence.
    pub about: String,
    /// Whether it must be sent, or is always there.
    pub is_required: bool,
}

/// Deeper than this no representation goes.
const DEEPEST: usize = 6;

/// The fields of what is sent or answered, those within others after them.
pub fn rows(schema: &Schema, components: &Entries<Schema>) -> Vec<Row> {
    let mut rows = Vec::new();
    add_rows(schema, components, "", DEEPEST, &mut rows);
    rows
}

fn add_rows(
    schema: &Schema,
    components: &Entries<Schema>,
    prefix: &str,
    depth: usize,
    rows: &mut Vec<Row>,
) {
    let Some(object) = object_in(schema, components) else {
        return;
    };
    if depth == 0 {
        return;
    }
    for (name, held) in &object.properties.0 {
        let name = format!("{prefix}{name}");
        let is_list = held.items.is_some();
        let within = format!("{name}{}.", if is_list { "[]" } else { "" });
        rows.push(Row {
            kind: kind(held, components),
            about: held.description.to_owned(),
            is_required: object
                .required
                .iter()
                .any(|required| name.ends_with(required)),
            name,
        });
        add_rows(held, components, &within, depth - 1, rows);
    }
}

/// The object that a value is, or that its entries are: of several the first.
fn object_in<'a>(schema: &'a Schema, components: &'a Entries<Schema>) -> Option<&'a Schema> {
    if let Some(name) = schema.component_name() {
        return components
            .get(name)
            .and_then(|held| object_in(held, components));
    }
    if let Some(items) = &schema.items {
        return object_in(items, components);
    }
    if let Some(first) = schema.any_of.first() {
        return object_in(first, components);
    }
    (!schema.properties.is_empty()).then_some(schema)
}

/// What a value is: `text, up to 200 characters`.
pub fn kind(schema: &Schema, components: &Entries<Schema>) -> String {
    if let Some(component) = schema
        .component_name()
        .and_then(|name| components.get(name))
    {
        return kind(component, components);
    }
    if !schema.any_of.is_empty() {
        let all: Vec<String> = schema
            .any_of
            .iter()
            .map(|one| kind(one, components))
            .collect();
        return all.join(" or ");
    }
    let (name, or_null) = match schema.r#type {
        Types::Any => return "anything".to_owned(),
        Types::One(name) => (name, ""),
        Types::OrNull(name) => (name, " or null"),
    };
    let words = match name {
        "string" => text(schema),
        "integer" => match schema.resource {
            Some(resource) => format!("number of one of the {resource}"),
            None => number(schema),
        },
        "number" => "number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => {
            if let Some(resource) = schema.resource {
                return format!("numbers of {resource}, each once{or_null}");
            }
            let held = schema.items.as_deref().map(|items| kind(items, components));
            format!("list of {}", plural(&held.unwrap_or_default()))
        }
        "object" => "object".to_owned(),
        other => other.to_owned(),
    };
    format!("{words}{or_null}")
}

fn plural(kind: &str) -> String {
    match kind {
        "object" => "objects".to_owned(),
        "whole number" => "whole numbers".to_owned(),
        "text" => "texts".to_owned(),
        other => other.to_owned(),
    }
}

fn text(schema: &Schema) -> String {
    let words: Vec<&str> = schema.one_of_words.iter().copied().flatten().collect();
    match words.as_slice() {
        [""] => return "empty".to_owned(),
        [word] => return format!("the word {word}"),
        _ => {}
    }
    if !words.is_empty() {
        return format!("one of {}", words.join(", "));
    }
    let what = match schema.format {
        Some("uri") => "address",
        Some("uri-reference") => "path",
        Some("email") => "e-mail address",
        Some("date-time") => "moment",
        Some("password") => "secret text",
        _ if schema.content_media_type.is_some() => "HTML",
        _ => "text",
    };
    match (&schema.pattern, schema.max_length) {
        (Some(_), Some(longest)) => {
            format!("up to {longest} letters, digits, - and _")
        }
        (None, Some(longest)) => format!("{what}, up to {longest} characters"),
        _ => what.to_owned(),
    }
}

fn number(schema: &Schema) -> String {
    let least = schema.minimum.filter(|least| *least > i64::MIN);
    let most = schema.maximum.filter(|most| *most < i64::MAX);
    match (least, most) {
        (Some(least), Some(most)) => format!("whole number, {least} to {most}"),
        (Some(least), None) => format!("whole number from {least}"),
        _ => "whole number".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_in_words() {
        let none = Entries::default();
        let title = Schema {
            max_length: Some(200),
            ..Schema::of("string")
        };
        assert_eq!(kind(&title, &none), "text, up to 200 characters");
        let state = Schema {
            r#type: Types::OrNull("string"),
            one_of_words: vec![Some("ready"), Some("failed"), None],
            ..Schema::default()
        };
        assert_eq!(kind(&state, &none), "one of ready, failed or null");
        let either = Schema::any(vec![Schema::of("integer"), Schema::of("null")]);
        assert_eq!(kind(&either, &none), "whole number or null");
        assert_eq!(
            kind(&Schema::list(Schema::of("integer")), &none),
            "list of whole numbers"
        );
    }
}
