//! The forms of a page to explore: made from what an operation says that it takes.

use super::sent::Sent;
use crate::error::Problems;
use crate::web::form::FaultLine;
use crate::web::rest::fields::{Access, Declared, Kind};
use crate::web::rest::metadata::label;
use crate::web::rest::parameters::{Parameter, Takes};
use crate::web::rest::resource::Operation;
use crate::web::text::escape;
use axum::http::Method;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// A form.
pub struct FormView {
    /// The id of its section.
    pub id: &'static str,
    /// What it does.
    pub title: String,
    /// Where it is sent.
    pub action: String,
    /// By which methods; each has a button.
    pub methods: Vec<MethodView>,
    /// The validator of what it was filled with, or empty.
    pub version: String,
    /// Its fields.
    pub inputs: Vec<Input>,
    /// The same in one field, as JSON.
    pub raw: Option<Input>,
    /// Whether that is unfolded.
    pub is_raw_open: bool,
    /// Whether it asks first, as what deletes does, and what.
    pub asks: bool,
    /// The question.
    pub question: String,
}

impl FormView {
    /// Its methods, for the link that leads to it: `PATCH or PUT`.
    pub fn method_words(&self) -> String {
        let names: Vec<&str> = self
            .methods
            .iter()
            .map(|method| method.name.as_str())
            .collect();
        names.join(" or ")
    }
}

/// A method on its button.
pub struct MethodView {
    /// `PATCH`.
    pub name: String,
    /// Its class.
    pub tone: &'static str,
}

/// One field of a form.
pub struct Input {
    /// The id of its element.
    pub id: String,
    /// Its name in the body.
    pub name: &'static str,
    /// What stands in it.
    pub value: String,
    /// What it is, in a sentence.
    pub hint: String,
    /// Where what may be chosen is listed, when it is not offered here.
    pub list_address: Option<String>,
    /// Whether it has to be sent.
    pub is_required: bool,
    /// How it is typed or chosen.
    pub control: Control,
    /// What is wrong with it.
    pub faults: Vec<String>,
}

/// How a value is typed or chosen.
pub enum Control {
    /// A line of text.
    Line {
        /// The type of the element.
        kind: &'static str,
        /// The keyboard of a phone, or empty.
        mode: &'static str,
    },
    /// Several lines.
    Area {
        /// How many are shown.
        rows: usize,
    },
    /// One of these.
    Choice {
        /// What is offered.
        options: Vec<Choice>,
    },
}

/// What can be chosen.
#[derive(Clone)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is shown.
    pub words: String,
}

impl Choice {
    fn new(value: impl Into<String>, words: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            words: words.into(),
        }
    }

    /// Its value is its name.
    fn word(word: &str) -> Self {
        Self::new(word, word)
    }
}

impl Input {
    /// The attributes that tie the control to its hint and its faults.
    pub fn aria(&self) -> String {
        let id = escape(&self.id);
        let mut ids = Vec::new();
        if !self.faults.is_empty() {
            ids.push(format!("{id}-fault"));
        }
        if !self.hint.is_empty() {
            ids.push(format!("{id}-hint"));
        }
        let mut text = String::new();
        if !ids.is_empty() {
            let _ = write!(text, " aria-describedby=\"{}\"", ids.join(" "));
        }
        if !self.faults.is_empty() {
            text.push_str(" aria-invalid=\"true\"");
        }
        text
    }

    /// What is wrong, as one text.
    pub fn fault_words(&self) -> String {
        self.faults.join(" ")
    }
}

/// What a form is filled with.
pub struct Filling<'a> {
    /// What was sent by this very form, when it is shown again.
    pub sent: Option<&'a Sent>,
    /// What stands there now.
    pub current: Option<&'a Map<String, Value>>,
    /// The validator of that.
    pub version: String,
    /// What is wrong with what was sent.
    pub problems: &'a Problems,
    /// What can be chosen from another resource, by its name.
    pub offers: &'a [(&'static str, Vec<Choice>)],
}

/// The form for these operations, which take the same fields: one, or PATCH and PUT.
pub fn form(operations: &[&Operation], action: &str, filling: &Filling<'_>) -> Option<FormView> {
    let (first, strictest) = (operations.first()?, operations.last()?);
    let id = match first.method {
        Method::DELETE => "delete",
        Method::POST => "post",
        _ => "change",
    };
    let takes = strictest.takes.iter();
    let takes: Vec<&Declared> = takes
        .filter(|field| field.access != Access::ReadOnly)
        .collect();
    let inputs = takes.iter().map(|field| input(id, field, filling));
    Some(FormView {
        id,
        title: first.about.trim_end_matches('.').to_owned(),
        action: action.to_owned(),
        methods: operations
            .iter()
            .map(|operation| method(operation))
            .collect(),
        version: if first.is_conditional() {
            filling.version.clone()
        } else {
            String::new()
        },
        inputs: inputs.collect(),
        raw: (!takes.is_empty()).then(|| raw(id, &takes, filling)),
        is_raw_open: filling.sent.is_some_and(|sent| sent.raw.is_some()),
        asks: first.method == Method::DELETE,
        question: format!("{} Do you want that?", first.about),
    })
}

fn method(operation: &Operation) -> MethodView {
    let tone = match operation.method {
        Method::DELETE => "fault",
        Method::POST => "ok",
        _ => "warn",
    };
    MethodView {
        name: operation.method.to_string(),
        tone,
    }
}

fn input(form: &str, field: &Declared, filling: &Filling<'_>) -> Input {
    let value = match (filling.sent, filling.current) {
        // What nobody else should read is typed again.
        _ if matches!(field.kind, Kind::Secret) => String::new(),
        (Some(sent), _) if sent.has_fields() => sent.get(field.name).to_owned(),
        (_, Some(current)) => current.get(field.name).map(typed).unwrap_or_default(),
        _ => String::new(),
    };
    let is_required = field.access == Access::Required;
    let offered = offered(field, filling.offers);
    let list_address = match field.kind {
        Kind::Reference(resource) | Kind::References(resource) if offered.is_none() => {
            Some(format!("/api/{resource}/"))
        }
        _ => None,
    };
    Input {
        id: format!("{form}-{}", field.name),
        name: field.name,
        hint: hint(field),
        list_address,
        is_required,
        control: control(field, offered, is_required, &value),
        faults: match filling.sent {
            Some(sent) if sent.has_fields() => faults_of(field.name, filling.problems),
            _ => Vec::new(),
        },
        value,
    }
}

/// What can be chosen for a field that refers to something else.
fn offered(field: &Declared, offers: &[(&'static str, Vec<Choice>)]) -> Option<Vec<Choice>> {
    let Kind::Reference(resource) = field.kind else {
        return None;
    };
    let found = offers.iter().find(|(name, _)| *name == resource)?;
    Some(found.1.clone())
}

fn hint(field: &Declared) -> String {
    let how = match field.kind {
        Kind::References(_) => " Numbers with commas between.",
        Kind::Texts => " One a line.",
        Kind::List(_) | Kind::Object(_) => " As JSON.",
        Kind::Time => " As in 2026-03-02T09:30:00Z.",
        _ => "",
    };
    format!("{}{how}", field.about)
}

fn control(
    field: &Declared,
    offered: Option<Vec<Choice>>,
    is_required: bool,
    value: &str,
) -> Control {
    let line = |kind, mode| Control::Line { kind, mode };
    let options = match field.kind {
        Kind::Boolean => vec![Choice::word("true"), Choice::word("false")],
        Kind::Choice(words) => words.iter().map(|word| Choice::word(word)).collect(),
        Kind::Reference(_) => match offered {
            Some(options) => options,
            None => return line("text", "numeric"),
        },
        Kind::Integer | Kind::Range(..) => return line("text", "numeric"),
        Kind::Number => return line("text", "decimal"),
        Kind::Email => return line("text", "email"),
        Kind::Url => return line("text", "url"),
        Kind::Secret => return line("password", ""),
        Kind::Text | Kind::Html => return Control::Area { rows: 5 },
        Kind::Texts | Kind::List(_) | Kind::Object(_) => return Control::Area { rows: 3 },
        Kind::ShortText(_) | Kind::Slug(_) | Kind::Time | Kind::Link(_) | Kind::References(_) => {
            return line("text", "");
        }
    };
    choice(options, is_required, value)
}

/// One of these, with an empty one in front where nothing has to be chosen, and what is there even if it is not offered.
fn choice(mut options: Vec<Choice>, is_required: bool, value: &str) -> Control {
    if !value.is_empty() && !options.iter().any(|option| option.value == value) {
        options.push(Choice::word(value));
    }
    let words = if is_required { "Choose…" } else { "-" };
    options.insert(0, Choice::new("", words));
    Control::Choice { options }
}

/// A value as it is typed into a form.
fn typed(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.iter().all(Value::is_number) => {
            let numbers: Vec<String> = values.iter().map(Value::to_string).collect();
            numbers.join(", ")
        }
        Value::Array(values) if values.iter().all(Value::is_string) => {
            let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            texts.join("\n")
        }
        Value::Array(_) | Value::Object(_) => {
            serde_json::to_string_pretty(value).unwrap_or_default()
        }
        other => other.to_string(),
    }
}

/// What is wrong with a field or within it.
fn faults_of(name: &str, problems: &Problems) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, messages) in problems.iter() {
        if path == name {
            faults.extend(messages.iter().cloned());
        } else if path
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
        {
            faults.extend(messages.iter().map(|words| format!("{path}: {words}")));
        }
    }
    faults
}

/// The body in one field: what was typed, else what stands there, else something to begin with.
fn raw(form: &str, takes: &[&Declared], filling: &Filling<'_>) -> Input {
    let typed = filling.sent.and_then(|sent| sent.raw.clone());
    let faults = match &typed {
        Some(_) => all_faults(filling.problems),
        None => Vec::new(),
    };
    Input {
        id: format!("{form}-content"),
        name: super::sent::CONTENT,
        value: typed.unwrap_or_else(|| body(takes, filling.current)),
        hint: String::new(),
        list_address: None,
        is_required: false,
        control: Control::Area {
            rows: takes.len().min(14) + 3,
        },
        faults,
    }
}

fn all_faults(problems: &Problems) -> Vec<String> {
    let each = problems
        .iter()
        .flat_map(|(path, messages)| messages.iter().map(move |words| told(path, words)));
    each.collect()
}

fn told(path: &str, words: &str) -> String {
    if path.is_empty() {
        words.to_owned()
    } else {
        format!("{path}: {words}")
    }
}

/// A body to begin with, its fields in their order.
fn body(takes: &[&Declared], current: Option<&Map<String, Value>>) -> String {
    let mut text = String::from("{");
    for (at, field) in takes.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let value = current.and_then(|current| current.get(field.name));
        let value = value.map_or_else(|| empty(field).to_owned(), Value::to_string);
        let _ = write!(text, "{comma}\n  \"{}\": {value}", field.name);
    }
    text.push_str("\n}");
    text
}

/// A value to begin with, in JSON.
fn empty(field: &Declared) -> &'static str {
    match field.kind {
        _ if field.is_nullable => "null",
        Kind::Integer | Kind::Range(..) | Kind::Number | Kind::Reference(_) => "0",
        Kind::Boolean => "false",
        Kind::List(_) | Kind::References(_) | Kind::Texts => "[]",
        Kind::Object(_) => "{}",
        _ => "\"\"",
    }
}

/// The lines above forms that failed, each leading to its field.
pub fn fault_lines(forms: &[FormView], problems: &Problems) -> Vec<FaultLine> {
    let mut lines = Vec::new();
    for (path, messages) in problems.iter() {
        let name = path.split('.').next().unwrap_or_default();
        let target = forms.iter().find_map(|form| {
            let raw = form.raw.iter().filter(|_| form.is_raw_open);
            let mut inputs = form
                .inputs
                .iter()
                .filter(|input| input.name == name)
                .chain(raw);
            let found = inputs.find(|input| !input.faults.is_empty());
            found.map(|input| input.id.clone())
        });
        lines.extend(messages.iter().map(|words| FaultLine {
            target: target.clone().unwrap_or_default(),
            words: told(path, words),
        }));
    }
    lines
}

/// A parameter of the query as a field.
pub fn query(parameter: &Parameter, value: &str, fields: &[Declared]) -> Input {
    let control = match &parameter.takes {
        Takes::Flag => choice(
            vec![Choice::word("true"), Choice::word("false")],
            false,
            value,
        ),
        Takes::OneOf(words) => {
            let options = words.iter().map(|word| Choice::word(word));
            choice(options.collect(), false, value)
        }
        Takes::Ordering(names) => choice(orders(names), false, value),
        Takes::Integer(_) => Control::Line {
            kind: "text",
            mode: "numeric",
        },
        _ => Control::Line {
            kind: "text",
            mode: "",
        },
    };
    let hint = match &parameter.takes {
        Takes::Ordering(_) => String::new(),
        Takes::Fields => {
            let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
            format!("Of {}; all when nothing is said.", names.join(", "))
        }
        _ => parameter.about.to_owned(),
    };
    Input {
        id: format!("query-{}", parameter.name),
        name: parameter.name,
        value: value.to_owned(),
        hint,
        list_address: None,
        is_required: false,
        control,
        faults: Vec::new(),
    }
}

/// Each name, and the other way round.
fn orders(names: &[&'static str]) -> Vec<Choice> {
    let both = names.iter().flat_map(|name| {
        let words = label(name);
        [
            Choice::new(*name, words.clone()),
            Choice::new(format!("-{name}"), format!("{words}, the other way round")),
        ]
    });
    both.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_within_a_field_is_told_at_the_field() {
        let mut problems = Problems::of("modules.1.title", "Too long.");
        problems.add("modules", "Too many.");
        problems.add("modulesque", "Unknown.");
        assert_eq!(
            faults_of("modules", &problems),
            ["Too many.", "modules.1.title: Too long."]
        );
    }

    #[test]
    fn values_are_typed_as_the_toolkit_reads_them() {
        for (value, text) in [
            (json!(null), ""),
            (json!("a\nb"), "a\nb"),
            (json!(true), "true"),
            (json!([3, 1]), "3, 1"),
            (json!(["a b", "c"]), "a b\nc"),
            (json!(-2.5), "-2.5"),
        ] {
            assert_eq!(typed(&value), text);
        }
    }

    #[test]
    fn a_body_to_begin_with_is_json_with_every_field() {
        let takes = [
            Declared::taken("title", Kind::ShortText(9), Access::Required, ""),
            Declared::taken("modules", Kind::Texts, Access::Optional, ""),
            Declared::taken("end", Kind::Time, Access::Optional, "").or_null(),
        ];
        let takes: Vec<&Declared> = takes.iter().collect();
        let read: Value = serde_json::from_str(&body(&takes, None)).unwrap();
        assert_eq!(read, json!({"title": "", "modules": [], "end": null}));
        let current = json!({"title": "a \"b\"", "id": 7});
        let read: Value = serde_json::from_str(&body(&takes, current.as_object())).unwrap();
        assert_eq!(read["title"], "a \"b\"");
    }
}
