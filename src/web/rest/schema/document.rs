//! An OpenAPI 3.1 document as data (spec.openapis.org/oas/v3.1.1): only the parts that ours has.
//!
//! It is written as JSON by serde, and read by the reference page. Nothing here knows how it comes about.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// Named things in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Entries<T>(pub Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Entries<T> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By its name.
    pub fn get(&self, name: &str) -> Option<&T> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, thing)| thing)
    }

    /// Adds one.
    pub fn push(&mut self, name: impl Into<String>, thing: T) {
        self.0.push((name.into(), thing));
    }
}

impl<T: Serialize> Serialize for Entries<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, thing)| (name, thing)))
    }
}

/// The document.
#[derive(Debug, Serialize)]
pub struct Document {
    /// The version of the specification.
    pub openapi: &'static str,
    /// What it is about.
    pub info: Info,
    /// Where the site is: wherever the document was had from.
    pub servers: [Server; 1],
    /// The resources.
    pub tags: Vec<Tag>,
    /// What can be done at each path.
    pub paths: Entries<Path>,
    /// What several operations share.
    pub components: Components,
}

/// What the document is about.
#[derive(Debug, Serialize)]
pub struct Info {
    /// The name of the API.
    pub title: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// What holds for all of it, in Markdown.
    pub description: &'static str,
}

/// A place of the site.
#[derive(Debug, Serialize)]
pub struct Server {
    /// Its address.
    pub url: &'static str,
}

/// A resource.
#[derive(Debug, Serialize)]
pub struct Tag {
    /// Its name in paths.
    pub name: String,
    /// What it is.
    pub description: String,
}

/// What can be done at a path.
#[derive(Debug, Serialize)]
pub struct Path {
    /// What its page is called.
    pub summary: String,
    /// What it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What the path itself holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Shareable<Parameter>>,
    /// By the name of the method in lower case.
    #[serde(flatten)]
    pub operations: Entries<Operation>,
}

/// What one method does.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Its name for programs that are generated.
    pub operation_id: String,
    /// Its resource.
    pub tags: Vec<String>,
    /// What it does.
    pub summary: String,
    /// Who may.
    pub description: String,
    /// The rule, as tables of permissions have it.
    #[serde(rename = "x-permission")]
    pub permission: String,
    /// How callers say who they are: one of these, each with the scopes that it needs.
    pub security: Vec<Entries<Vec<&'static str>>>,
    /// What of the query and the headers it looks at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Shareable<Parameter>>,
    /// What it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<Body>,
    /// What it answers, by status.
    pub responses: Entries<Shareable<Response>>,
}

/// A parameter of path, query or headers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// `path`, `query` or `header`.
    pub r#in: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it is for.
    pub description: String,
    /// What it holds.
    pub schema: Schema,
    /// One value that fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Value>,
}

/// The body of a request.
#[derive(Debug, Serialize)]
pub struct Body {
    /// What holds for all of it, or empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub description: &'static str,
    /// Whether there must be one.
    pub required: bool,
    /// By media type.
    pub content: Entries<Media>,
}

/// A body of one type.
#[derive(Clone, Debug, Serialize)]
pub struct Media {
    /// What it holds.
    pub schema: Schema,
    /// One that fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Value>,
}

/// Something of an operation: its own, or one that many operations share.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Shareable<T> {
    /// A component.
    Shared {
        /// `#/components/<kind>/<name>`.
        #[serde(rename = "$ref")]
        reference: String,
    },
    /// Its own.
    Own(T),
}

impl<T> Shareable<T> {
    /// It itself, from among the components where it is one.
    pub fn among<'a>(&'a self, components: &'a Entries<T>) -> Option<&'a T> {
        match self {
            Self::Own(own) => Some(own),
            Self::Shared { reference } => components.get(reference.rsplit('/').next()?),
        }
    }
}

/// An answer.
pub type Answer = Shareable<Response>;

/// An answer in full.
#[derive(Debug, Serialize)]
pub struct Response {
    /// When it comes.
    pub description: String,
    /// What its headers say.
    #[serde(skip_serializing_if = "Entries::is_empty")]
    pub headers: Entries<Header>,
    /// By media type; nothing for an answer without a body.
    #[serde(skip_serializing_if = "Entries::is_empty")]
    pub content: Entries<Media>,
    /// What can be done next with what it answers.
    #[serde(skip_serializing_if = "Entries::is_empty")]
    pub links: Entries<Link>,
}

/// A header of an answer.
#[derive(Clone, Debug, Serialize)]
pub struct Header {
    /// What it says.
    pub description: &'static str,
    /// What it holds.
    pub schema: Schema,
}

/// An operation that goes on with what was answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Which.
    pub operation_id: String,
    /// Where its parameters come from.
    pub parameters: Entries<&'static str>,
}

/// What several operations share.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Components {
    /// Representations.
    pub schemas: Entries<Schema>,
    /// Parameters that many operations look at.
    pub parameters: Entries<Parameter>,
    /// Faults.
    pub responses: Entries<Response>,
    /// How callers say who they are.
    pub security_schemes: Entries<SecurityScheme>,
}

/// A way to say who asks.
#[derive(Debug, Serialize)]
pub struct SecurityScheme {
    /// `http` or `apiKey`.
    pub r#type: &'static str,
    /// Of `http`: `basic` or `bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<&'static str>,
    /// Of `apiKey`: `header` or `cookie`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#in: Option<&'static str>,
    /// Of `apiKey`: the name of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'static str>,
    /// How it is used.
    pub description: &'static str,
}

/// What a value is (JSON Schema 2020-12).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    /// That of a component.
    #[serde(rename = "$ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Its types; none where another keyword says it.
    #[serde(skip_serializing_if = "Types::is_any")]
    pub r#type: Types,
    /// What kind of text or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'static str>,
    /// What it is.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub description: &'static str,
    /// What text looks like (ECMA-262).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// One of these, of which `None` is null.
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub one_of_words: Vec<Option<&'static str>>,
    /// The least number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    /// The greatest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
    /// The fewest characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<usize>,
    /// The most characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Each entry once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unique_items: bool,
    /// What text is written in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_media_type: Option<&'static str>,
    /// What a list holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Box<Schema>>,
    /// What an object holds.
    #[serde(skip_serializing_if = "Entries::is_empty")]
    pub properties: Entries<Schema>,
    /// Which of those are always there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<&'static str>,
    /// What other members of an object hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_properties: Option<Others>,
    /// One of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<Schema>,
    /// The resource of which it names one, or several.
    #[serde(rename = "x-resource", skip_serializing_if = "Option::is_none")]
    pub resource: Option<&'static str>,
    /// The site sets it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Some values that fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Value>,
}

/// Other members of an object than those that have a name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Others {
    /// None may be there.
    None(False),
    /// They hold this.
    Hold(Box<Schema>),
}

/// `false`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct False;

impl Serialize for False {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bool(false)
    }
}

/// The types that a value may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Types {
    /// Any.
    #[default]
    Any,
    /// This one.
    One(&'static str),
    /// This one, or null.
    OrNull(&'static str),
}

impl Types {
    /// Whether nothing is said.
    pub fn is_any(&self) -> bool {
        *self == Self::Any
    }
}

impl Serialize for Types {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => to.serialize_none(),
            Self::One(name) => to.serialize_str(name),
            Self::OrNull(name) => [*name, "null"].serialize(to),
        }
    }
}

impl Schema {
    /// A value of this type.
    pub fn of(kind: &'static str) -> Self {
        Self {
            r#type: Types::One(kind),
            ..Self::default()
        }
    }

    /// A list of those.
    pub fn list(items: Self) -> Self {
        Self {
            items: Some(Box::new(items)),
            ..Self::of("array")
        }
    }

    /// What a component holds.
    pub fn component(name: &str) -> Self {
        Self {
            reference: Some(format!("#/components/schemas/{name}")),
            ..Self::default()
        }
    }

    /// One of several.
    pub fn any(of: Vec<Self>) -> Self {
        Self {
            any_of: of,
            ..Self::default()
        }
    }

    /// The name of the component that it is, if it is one.
    pub fn component_name(&self) -> Option<&str> {
        self.reference
            .as_deref()
            .and_then(|reference| reference.rsplit('/').next())
    }
}
