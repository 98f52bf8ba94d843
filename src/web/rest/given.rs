//! What was sent, held against the declaration: each value of its type, within its limits, nothing unknown, nothing
//! missing. Every fault is told by its field, those within lists and objects by their path (`modules.1.title`).
//!
//! What depends on what there is, and the sentences of forms, stay with the features: [`Given::judge`] brings both
//! together, so that everything that is wrong is told at once.

use super::body::{self, Value};
use super::call::shortened;
use super::fields::{Access, Declared, Field, Kind};
use super::sent_back::is_present;
use crate::error::{Error, Problems, Result};
use crate::web::form::Form;
use std::collections::{BTreeMap, BTreeSet};

/// So many unknown names are told.
const MOST_UNKNOWN: usize = 20;
/// Fields whose faults are told; who mends so many asks again.
const MOST_FAULTY: usize = 100;
/// Entries of a list in a body.
const MOST_ENTRIES: usize = 10_000;

const SET_BY_SITE: &str = "The site sets this: leave it out.";
const NOT_CHANGED: &str = "The site sets this, and not as it was sent: leave it out.";
const REQUIRED: &str = "This field is required.";
const NOT_NULL: &str = "This field may not be null.";

/// The fields of a body that are as they were declared.
#[derive(Clone, Default)]
pub struct Given {
    values: BTreeMap<&'static str, Got>,
    /// What came back of that which the site sets.
    sent_back: Vec<(&'static str, Value)>,
    /// Whether something may come back: only of a thing that there is.
    has_present: bool,
    /// What no feature looks at again: a wrong type, an unknown name.
    faults: Problems,
    /// Lengths and forms, for which features may have better words.
    limits: Problems,
}

/// A value of the type that its field has.
#[derive(Clone, PartialEq)]
pub enum Got {
    /// None.
    Null,
    /// Yes or no.
    Boolean(bool),
    /// A whole number, or the number of another thing.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Text, a word of a choice, an address.
    Text(String),
    /// Numbers of other things, each once.
    Integers(Vec<i64>),
    /// Short texts.
    Texts(Vec<String>),
    /// An object in a field, or each of a list.
    Objects(Vec<Fields>),
}

/// The fields of an object within a body.
pub type Fields = BTreeMap<&'static str, Got>;

impl Given {
    /// Holds a body against the fields that it may have. `has_present`: it changes a thing that there is, so that what
    /// the site sets may be sent back as it was read ([`Given::judge_change`]).
    pub fn new(value: Value, declared: &[Declared], has_present: bool) -> Self {
        let mut given = Self {
            has_present,
            ..Self::default()
        };
        given.values = given.object("", value, declared).unwrap_or_default();
        given
    }

    /// The fields, when nothing is wrong with any.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn checked(&self) -> Result<&Self> {
        let mut problems = self.faults.clone();
        problems.extend(self.limits.clone());
        problems.into_result().map(|()| self)
    }

    /// The fields as a feature judges them, when neither it nor the declaration finds a fault; else all faults, those
    /// of the feature in its own words.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn judge<T>(&self, judge: impl FnOnce(&Self) -> Result<T, Problems>) -> Result<T> {
        self.settle(self.faults.clone(), judge(self))
    }

    /// The same for a change of something that there is: what the site sets may have come back as it stands there.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn judge_change<R, T>(
        &self,
        fields: &[Field<R>],
        present: &R,
        judge: impl FnOnce(&Self) -> Result<T, Problems>,
    ) -> Result<T> {
        let mut faults = self.faults.clone();
        for (name, sent) in &self.sent_back {
            let mut known = fields.iter();
            let field = known.find(|field| field.declared.name == *name);
            let is_same = field.is_none_or(|field| is_present(field, present, sent));
            faults.check(is_same, *name, NOT_CHANGED);
        }
        self.settle(faults, judge(self))
    }

    /// The outcome, when nothing is wrong; else all faults of the declaration and of the feature.
    fn settle<T>(&self, mut problems: Problems, judged: Result<T, Problems>) -> Result<T> {
        if let Err(more) = &judged {
            add_where_none(&mut problems, more);
        }
        add_where_none(&mut problems, &self.limits);
        problems.truncate(MOST_FAULTY);
        problems.into_result()?;
        judged.map_err(Error::Invalid)
    }

    /// A field, when it was sent.
    pub fn get(&self, name: &str) -> Option<&Got> {
        self.values.get(name)
    }

    /// Whether the field was sent and is something.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|got| *got != Got::Null)
    }

    /// A text that was sent.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Got::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A whole number that was sent.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Got::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// A yes or no that was sent.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some(Got::Boolean(is_so)) => Some(*is_so),
            _ => None,
        }
    }

    /// Numbers that were sent.
    pub fn integers(&self, name: &str) -> Option<&[i64]> {
        match self.get(name) {
            Some(Got::Integers(numbers)) => Some(numbers),
            _ => None,
        }
    }

    /// Texts that were sent.
    pub fn texts(&self, name: &str) -> Option<&[String]> {
        match self.get(name) {
            Some(Got::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    /// Objects that were sent.
    pub fn objects(&self, name: &str) -> &[Fields] {
        match self.get(name) {
            Some(Got::Objects(objects)) => objects,
            _ => &[],
        }
    }

    /// What a page's form would send when these values were typed over those of `before`: the rules of pages read it.
    pub fn typed_over(&self, before: &Form) -> Form {
        let mut pairs: Vec<(String, String)> = before
            .pairs()
            .filter(|(name, _)| !self.values.contains_key(*name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for (name, got) in &self.values {
            let typed = match got {
                Got::Null | Got::Boolean(false) => String::new(),
                Got::Boolean(true) => "on".to_owned(),
                Got::Integer(number) => number.to_string(),
                Got::Text(text) => text.clone(),
                Got::Number(_) | Got::Integers(_) | Got::Texts(_) | Got::Objects(_) => continue,
            };
            pairs.push(((*name).to_owned(), typed));
        }
        Form::from_pairs(pairs)
    }

    /// The fields of an object at a path, which is empty for the body itself.
    fn object(&mut self, path: &str, value: Value, declared: &[Declared]) -> Option<Fields> {
        let Value::Object(sent) = value else {
            self.faults
                .add(path, "An object with fields is expected here.");
            return None;
        };
        let mut fields = Fields::new();
        if self.faults.len() >= MOST_FAULTY {
            return Some(fields);
        }
        let mut seen = BTreeSet::new();
        let mut unknown = Vec::new();
        for (name, value) in sent {
            let Some(field) = declared.iter().find(|field| field.name == name) else {
                unknown.push(name);
                continue;
            };
            seen.insert(field.name);
            let place = within(path, field.name);
            if field.access == Access::ReadOnly {
                let may_come_back = self.has_present && path.is_empty();
                self.faults.check(may_come_back, place, SET_BY_SITE);
                self.sent_back.push((field.name, value));
                continue;
            }
            match self.value(&place, value, field) {
                Some(Got::Null) if !field.is_nullable => {
                    seen.remove(field.name);
                }
                Some(got) => {
                    fields.insert(field.name, got);
                }
                None => {}
            }
        }
        for name in unknown.iter().take(MOST_UNKNOWN) {
            self.unknown(path, name, declared);
        }
        let is_missing =
            |field: &&Declared| field.access == Access::Required && !seen.contains(field.name);
        for field in declared.iter().filter(is_missing) {
            let place = within(path, field.name);
            let is_told = !self.faults.at(&place).is_empty();
            self.faults.check(is_told, place, REQUIRED);
        }
        Some(fields)
    }

    fn unknown(&mut self, path: &str, name: &str, declared: &[Declared]) {
        let known = declared.iter();
        let known = known.filter(|field| field.access != Access::ReadOnly);
        let known: Vec<&str> = known.map(|field| field.name).collect();
        let name = shortened(name);
        let message = format!(
            "There is no field “{name}” here; there are {}.",
            known.join(", ")
        );
        // An empty name would read as the whole.
        let name = if name.is_empty() { "?" } else { &name };
        self.faults.add(within(path, name), message);
    }

    /// A value of its field's type. [`Got::Null`] for one that may not be null says that a form left it empty.
    fn value(&mut self, path: &str, value: Value, field: &Declared) -> Option<Got> {
        match value {
            Value::Null if field.is_nullable => Some(Got::Null),
            Value::Null => {
                self.faults.add(path, NOT_NULL);
                None
            }
            Value::Typed(values) => self.typed(path, values, field),
            value => self.of_kind(path, value, field.kind),
        }
    }

    /// What was typed into a form, by what the field holds.
    fn typed(&mut self, path: &str, values: Vec<String>, field: &Declared) -> Option<Got> {
        if matches!(field.kind, Kind::References(_) | Kind::Texts) {
            let values = values.into_iter().filter(|value| !value.is_empty());
            let values = values.map(|value| match (field.kind, value.trim().parse()) {
                (Kind::References(_), Ok(number)) => Value::Integer(number),
                _ => Value::Text(value),
            });
            return self.of_kind(path, Value::List(values.collect()), field.kind);
        }
        let [value] = values.as_slice() else {
            self.faults.add(path, "This field came twice.");
            return None;
        };
        let is_text = matches!(
            field.kind,
            Kind::Text
                | Kind::ShortText(_)
                | Kind::Slug(_)
                | Kind::Html
                | Kind::Email
                | Kind::Secret
                | Kind::Url
        );
        if value.is_empty() && (!is_text || field.is_nullable) {
            return Some(Got::Null);
        }
        let trimmed = value.trim();
        let read = match field.kind {
            Kind::Integer | Kind::Range(..) | Kind::Reference(_) => {
                trimmed.parse().ok().map(Value::Integer)
            }
            Kind::Number => trimmed
                .parse()
                .ok()
                .filter(|n: &f64| n.is_finite())
                .map(Value::Number),
            Kind::Boolean => match trimmed {
                "true" | "on" | "1" => Some(Value::Boolean(true)),
                "false" | "off" | "0" => Some(Value::Boolean(false)),
                _ => None,
            },
            // Forms have no lists of objects: these are written as JSON.
            Kind::List(_) | Kind::Object(_) => match body::json(trimmed.as_bytes()) {
                Ok(value) => Some(value),
                Err(error) => {
                    self.faults.add(path, error.words());
                    return None;
                }
            },
            _ => None,
        };
        self.of_kind(
            path,
            read.unwrap_or_else(|| Value::Text(value.clone())),
            field.kind,
        )
    }

    fn of_kind(&mut self, path: &str, value: Value, kind: Kind) -> Option<Got> {
        let expected = match (kind, value) {
            (Kind::Text | Kind::Html | Kind::Secret, Value::Text(text)) => {
                return self.a_text(path, text, None);
            }
            (Kind::ShortText(longest), Value::Text(text)) => {
                return self.a_text(path, text, Some(longest));
            }
            (Kind::Slug(longest), Value::Text(text)) => return self.a_slug(path, text, longest),
            (Kind::Email, Value::Text(text)) => return self.a_text(path, text, Some(254)),
            (Kind::Url, Value::Text(text)) => return self.a_text(path, text, Some(2_000)),
            (Kind::Boolean, Value::Boolean(is_so)) => return Some(Got::Boolean(is_so)),
            (Kind::Integer | Kind::Reference(_), Value::Integer(number)) => {
                return Some(Got::Integer(number));
            }
            (Kind::Range(least, most), Value::Integer(number))
                if (least..=most).contains(&number) =>
            {
                return Some(Got::Integer(number));
            }
            (Kind::Number, Value::Integer(number)) => return Some(Got::Number(number as f64)),
            (Kind::Number, Value::Number(number)) => return Some(Got::Number(number)),
            (Kind::Choice(words), Value::Text(text)) if words.contains(&text.as_str()) => {
                return Some(Got::Text(text));
            }
            (Kind::Link(resource), Value::Text(text)) if linked(resource, &text).is_some() => {
                return linked(resource, &text).map(Got::Integer);
            }
            (Kind::References(_), Value::List(values)) => return self.references(path, values),
            (Kind::Texts, Value::List(values)) => return self.texts_of(path, values),
            (Kind::List(fields), Value::List(values)) => {
                return self.objects_of(path, values, &fields());
            }
            (Kind::Object(fields), value @ Value::Object(_)) => {
                let fields = self.object(path, value, &fields())?;
                return Some(Got::Objects(vec![fields]));
            }
            (kind, _) => kind.expected(),
        };
        self.faults.add(path, expected);
        None
    }

    fn a_text(&mut self, path: &str, text: String, longest: Option<usize>) -> Option<Got> {
        if text.contains('\0') {
            self.faults.add(
                path,
                "The text holds a NUL character, which no text may have.",
            );
            return None;
        }
        let length = text.chars().count();
        if let Some(longest) = longest.filter(|longest| length > *longest) {
            let message = format!("This has {length} characters; up to {longest} fit.");
            self.limits.add(path, message);
        }
        Some(Got::Text(text))
    }

    fn a_slug(&mut self, path: &str, text: String, longest: usize) -> Option<Got> {
        let is_plain = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !is_plain || text.is_empty() {
            let message =
                "An address holds only the letters a to z, digits, - and _, without spaces.";
            self.limits.add(path, message);
        }
        self.a_text(path, text, Some(longest))
    }

    fn references(&mut self, path: &str, values: Vec<Value>) -> Option<Got> {
        let mut numbers = Vec::with_capacity(values.len());
        let mut seen = BTreeSet::new();
        for value in values {
            match value {
                Value::Integer(number) if seen.insert(number) => numbers.push(number),
                Value::Integer(number) => {
                    self.faults
                        .add(path, format!("{number} comes twice; each is named once."));
                    return None;
                }
                _ => {
                    self.faults
                        .add(path, "A list of whole numbers is expected here.");
                    return None;
                }
            }
        }
        self.is_short(path, numbers.len())
            .then_some(Got::Integers(numbers))
    }

    fn texts_of(&mut self, path: &str, values: Vec<Value>) -> Option<Got> {
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            let Value::Text(text) = value else {
                self.faults.add(path, "A list of texts is expected here.");
                return None;
            };
            let Some(Got::Text(text)) = self.a_text(path, text, Some(200)) else {
                return None;
            };
            texts.push(text);
        }
        self.is_short(path, texts.len())
            .then_some(Got::Texts(texts))
    }

    fn objects_of(&mut self, path: &str, values: Vec<Value>, declared: &[Declared]) -> Option<Got> {
        if !self.is_short(path, values.len()) {
            return None;
        }
        let mut objects = Vec::with_capacity(values.len());
        for (at, value) in values.into_iter().enumerate() {
            let place = within(path, &at.to_string());
            objects.push(self.object(&place, value, declared)?);
        }
        Some(Got::Objects(objects))
    }

    fn is_short(&mut self, path: &str, length: usize) -> bool {
        let is_short = length <= MOST_ENTRIES;
        let message = format!("This has {length} entries; up to {MOST_ENTRIES} fit.");
        self.faults.check(is_short, path, message);
        is_short
    }
}

/// Adds the faults of fields of which none is told yet; to what is no object, which has no fields, nothing.
fn add_where_none(problems: &mut Problems, more: &Problems) {
    let known: BTreeSet<String> = problems.iter().map(|(name, _)| name.to_owned()).collect();
    let is_new = |name: &str| !known.contains(name) && !known.contains("");
    for (name, sentences) in more.iter().filter(|(name, _)| is_new(name)) {
        for sentence in sentences {
            problems.add(name, sentence);
        }
    }
}

/// `modules.1` and `title` make `modules.1.title`.
fn within(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The number in an address such as `/api/courses/7/`, of this site or absolute.
fn linked(resource: &str, address: &str) -> Option<i64> {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.get(rest.find('/')?..)?,
        None => address,
    };
    let rest = path.strip_prefix("/api/")?.strip_prefix(resource)?;
    let id = rest.strip_prefix('/')?;
    id.strip_suffix('/').unwrap_or(id).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: [Declared; 2] = [
        Declared::taken("title", Kind::ShortText(5), Access::Required, ""),
        Declared::taken("order", Kind::Integer, Access::ReadOnly, ""),
    ];

    fn fields() -> Vec<Declared> {
        use Access::{Optional, ReadOnly, Required};
        vec![
            Declared::taken("id", Kind::Integer, ReadOnly, ""),
            Declared::taken("title", Kind::ShortText(5), Required, ""),
            Declared::taken("slug", Kind::Slug(9), Optional, ""),
            Declared::taken("subject", Kind::Reference("subjects"), Optional, "").or_null(),
            Declared::taken("draft", Kind::Boolean, Optional, ""),
            Declared::taken("level", Kind::Range(1, 3), Optional, ""),
            Declared::taken("kind", Kind::Choice(&["a", "b"]), Optional, ""),
            Declared::taken("course", Kind::Link("courses"), Optional, ""),
            Declared::taken("parts", Kind::List(|| PART.to_vec()), Optional, ""),
            Declared::taken("order", Kind::References("modules"), Optional, ""),
        ]
    }

    fn given(json: &str) -> Given {
        Given::new(body::json(json.as_bytes()).unwrap(), &fields(), true)
    }

    fn form(pairs: &[(&str, &[&str])]) -> Given {
        let fields_sent = pairs.iter().map(|(name, values)| {
            let values = values.iter().map(|&value| value.to_owned()).collect();
            ((*name).to_owned(), Value::Typed(values))
        });
        Given::new(Value::Object(fields_sent.collect()), &fields(), true)
    }

    #[track_caller]
    fn faults(given: &Given, expected: &[(&str, &str)]) {
        let Err(Error::Invalid(problems)) = given.checked() else {
            panic!("nothing is wrong");
        };
        let names: Vec<&str> = problems.iter().map(|(name, _)| name).collect();
        let expected_names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected_names);
        for (name, words) in expected {
            assert!(problems.at(name).concat().contains(words), "{problems:?}");
        }
    }

    #[test]
    fn every_fault_is_told_by_its_field_and_nested_ones_by_their_path() {
        let given = given(
            r#"{"slug": "a b", "subject": "7", "draft": 1, "level": 4, "kind": "c", "course": "/api/modules/7/",
                "titel": "x", "parts": [{"title": "ok"}, {"title": "too long", "x": 1}, {}], "order": [1, 2, 1]}"#,
        );
        faults(
            &given,
            &[
                ("course", "/api/courses/7/"),
                ("draft", "true or false"),
                ("kind", "a, b"),
                ("level", "from 1 to 3"),
                ("order", "1 comes twice"),
                ("parts.1.title", "up to 5 fit"),
                ("parts.1.x", "no field “x”"),
                ("parts.2.title", "required"),
                ("slug", "without spaces"),
                ("subject", "/api/subjects/"),
                ("titel", "there are title, slug"),
                ("title", "required"),
            ],
        );
    }

    #[test]
    fn what_was_read_can_be_sent_back_and_null_is_none_where_it_may_be() {
        let given = given(
            r#"{"id": 7, "title": "T", "subject": null, "course": "http://x:1/api/courses/7/"}"#,
        );
        assert!(given.checked().is_ok());
        assert!(given.get("id").is_none());
        assert!(given.get("subject") == Some(&Got::Null));
        assert_eq!(given.integer("course"), Some(7));
        faults(&self::given(r#"{"title": null}"#), &[("title", "null")]);
        faults(&self::given("[]"), &[("", "object")]);
        faults(&self::given(r#"{"title": "a\u0000"}"#), &[("title", "NUL")]);
        faults(
            &self::given(r#"{"title": "T", "level": 9223372036854775808}"#),
            &[("level", "from 1 to 3")],
        );
    }

    #[test]
    fn what_the_site_sets_comes_back_as_it_stands_or_is_refused() {
        use super::super::fields::Cell;
        const THING: [Field<i64>; 2] = [
            Field::new("id", Kind::Integer, "", |id| Cell::Integer(*id)),
            Field::new("title", Kind::Text, "", |_| Cell::text("T")),
        ];
        let told = |sent: &str| {
            let outcome = given(sent).judge_change(&THING, &7, |_| Ok(()));
            match outcome {
                Err(Error::Invalid(problems)) => problems.at("id").concat(),
                _ => String::new(),
            }
        };
        assert_eq!(told(r#"{"title": "T", "id": 7}"#), "");
        assert_eq!(told(r#"{"title": "T", "id": 7.0}"#), "");
        assert_eq!(told(r#"{"title": "T", "id": 8}"#), NOT_CHANGED);
        assert_eq!(told(r#"{"title": "T", "id": null}"#), NOT_CHANGED);
        let value =
            body::json(br#"{"title": "T", "id": 7, "parts": [{"title": "a", "order": 0}]}"#);
        let new = Given::new(value.unwrap(), &fields(), false);
        faults(
            &new,
            &[("id", "leave it out"), ("parts.0.order", "leave it out")],
        );
    }

    #[test]
    fn a_form_is_read_by_what_its_fields_hold() {
        let given = form(&[
            ("title", &["T"]),
            ("subject", &["7"]),
            ("draft", &["on"]),
            ("level", &[""]),
            ("order", &["3", "1"]),
            ("parts", &[r#"[{"title": "x"}]"#]),
        ]);
        assert!(given.checked().is_ok());
        assert_eq!(given.integer("subject"), Some(7));
        assert_eq!(given.flag("draft"), Some(true));
        assert!(given.get("level").is_none());
        assert_eq!(given.integers("order"), Some(&[3, 1][..]));
        assert_eq!(given.objects("parts").len(), 1);
        let twice = form(&[
            ("title", &["a", "b"]),
            ("draft", &["maybe"]),
            ("parts", &["["]),
        ]);
        faults(
            &twice,
            &[
                ("draft", "true or false"),
                ("parts", "JSON parse error"),
                ("title", "twice"),
            ],
        );
    }

    #[test]
    fn a_feature_has_the_better_words_for_limits_but_not_for_types() {
        let given = given(r#"{"title": "too long", "slug": 7}"#);
        let judged: Result<()> = given.judge(|_| {
            let mut problems = Problems::of("title", "ours");
            problems.add("slug", "ours");
            Err(problems)
        });
        let Err(Error::Invalid(problems)) = judged else {
            panic!("nothing is wrong");
        };
        assert_eq!(problems.at("title"), ["ours"]);
        assert_eq!(problems.at("slug"), ["A text is expected here."]);
        assert!(given.judge(|_| Ok(())).is_err());
    }

    #[test]
    fn values_are_typed_over_a_form_as_its_page_would_send_them() {
        let before = Form::from_pairs(vec![
            ("title".into(), "old".into()),
            ("draft".into(), "on".into()),
            ("overview".into(), "stays".into()),
        ]);
        let after = given(r#"{"title": "new", "draft": false, "subject": 3}"#).typed_over(&before);
        assert_eq!(after.get("title"), "new");
        assert!(!after.is_set("draft"));
        assert_eq!(after.number("subject"), Some(3));
        assert_eq!(after.get("overview"), "stays");
    }
}
