//! Where a page stands, who looks at it, and what she may do there.

use super::answered::Answered;
use super::forms::Choice;
use crate::app::App;
use crate::error::Result;
use crate::web::headers::address_in;
use crate::web::identity::{Person, visitor_in};
use crate::web::response_cache::Keep;
use crate::web::rest::call::Call;
use crate::web::rest::fields::Kind;
use crate::web::rest::given::Given;
use crate::web::rest::negotiation::{Format, Wish};
use crate::web::rest::permissions::{Asked, Verdict};
use crate::web::rest::resource::{Endpoint, Operation};
use crate::web::rest::serve::{self, Incoming};
use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{Extensions, Method, Uri};
use serde_json::Value;
use std::sync::Arc;
use url::form_urlencoded;

/// So many things of another resource are offered to choose from.
const MOST_OFFERED: usize = 100;
/// What they are called by, the first that they have.
const NAMES: [&str; 4] = ["title", "name", "username", "slug"];

/// Every path of the API.
#[derive(Clone)]
pub struct Places(Arc<[Arc<Endpoint>]>);

impl Places {
    /// All of these.
    pub fn new(endpoints: &[Arc<Endpoint>]) -> Self {
        Self(endpoints.into())
    }

    /// The one that is declared so.
    pub fn declared(&self, path: &str) -> Option<&Endpoint> {
        let mut all = self.0.iter();
        all.find(|endpoint| endpoint.path == path).map(Arc::as_ref)
    }

    /// Those right below this one, but not single things.
    pub fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Endpoint> {
        let is_below = move |endpoint: &&Endpoint| {
            let rest = endpoint.path.strip_prefix(path).unwrap_or("");
            let rest = rest.trim_end_matches('/');
            !rest.is_empty() && !rest.contains(['/', '{'])
        };
        self.0.iter().map(Arc::as_ref).filter(is_below)
    }

    /// Whether one of a resource can be looked at.
    pub fn can_show(&self, resource: &str) -> bool {
        let endpoint = self.declared(&format!("/api/{resource}/{{id}}/"));
        endpoint.is_some_and(|endpoint| endpoint.operation(&Method::GET).is_some())
    }
}

/// A page that is being made.
pub struct Visit<'a> {
    /// All paths.
    pub places: &'a Places,
    /// This one, as it is declared.
    pub endpoint: &'a Endpoint,
    /// This one: `/api/courses/7/`.
    pub path: String,
    /// What was asked for, or what the form named.
    pub method: Method,
    /// The query.
    pub parameters: Vec<(String, String)>,
    app: App,
    id: i64,
    parts: Parts,
    person: Option<Arc<Person>>,
}

impl<'a> Visit<'a> {
    /// For a request; `parts` as they were before anything was sent.
    pub fn new(
        app: App,
        places: &'a Places,
        endpoint: &'a Endpoint,
        id: i64,
        method: Method,
        parts: Parts,
    ) -> Self {
        let query = parts.uri.query().unwrap_or("");
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned();
        Self {
            places,
            endpoint,
            path: endpoint.path.replace("{id}", &id.to_string()),
            method,
            parameters: parameters.take(100).collect(),
            app,
            id,
            person: visitor_in(&parts.extensions).0,
            parts,
        }
    }

    /// A parameter of the query, or empty.
    pub fn parameter(&self, name: &str) -> &str {
        let found = self
            .parameters
            .iter()
            .rev()
            .find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Whether a parameter of the query is there, if only empty.
    pub fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|(known, _)| known == name)
    }

    /// This address with some parameters set, or left out.
    pub fn with(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.parameters {
            if name != super::sent::METHOD && !changes.iter().any(|(changed, _)| changed == name) {
                query.append_pair(name, value);
            }
        }
        for (name, value) in changes {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{mark}{query}", self.path)
    }

    /// The address of the site, as the visitor sees it.
    pub fn site(&self) -> String {
        self.call(&Method::GET).site()
    }

    /// Whether she can send forms: their token is bound to a session.
    pub fn can_send(&self) -> bool {
        let person = self.person.as_deref();
        person.is_some_and(|person| person.session_id.is_some())
    }

    /// A call as the operation would get it, to ask whether it may be made.
    fn call(&self, method: &Method) -> Call {
        Call {
            app: self.app.clone(),
            person: self.person.clone(),
            method: method.clone(),
            id: self.id,
            wish: Wish {
                format: Format::Json,
                indent: 0,
            },
            given: Given::default(),
            address: address_in(&self.parts.extensions),
            uri: self.parts.uri.clone(),
            headers: self.parts.headers.clone(),
            parameters: Vec::new(),
            known: Vec::new(),
            object: None,
            keep: Keep::of(&Extensions::new()),
            once: None,
        }
    }

    /// Whether she may call this operation here, now.
    ///
    /// # Errors
    /// When what decides it cannot be looked up.
    pub async fn may(&self, operation: &Operation) -> Result<bool> {
        let mut call = self.call(&operation.method);
        if let Some(find) = operation.find {
            match find(&call).await {
                Ok(object) => call.object = Some(object),
                // It is not there, or not for her.
                Err(_) => return Ok(false),
            }
        }
        let asked = Asked {
            app: &self.app,
            person: self.person.as_deref(),
            method: &operation.method,
            object: call.object.as_deref(),
        };
        Ok(operation.verdict(asked).await? == Verdict::Yes)
    }

    /// What stands at this path, without parameters.
    pub async fn current(&self) -> Option<Answered> {
        self.endpoint.operation(&Method::GET)?;
        self.look(self.endpoint, self.id, &self.path).await
    }

    /// What can be chosen for a field that refers to one of another resource; none when there are too many.
    pub async fn offers(&self, operation: &Operation) -> Vec<(&'static str, Vec<Choice>)> {
        let mut offers: Vec<(&'static str, Vec<Choice>)> = Vec::new();
        for field in &operation.takes {
            let Kind::Reference(resource) = field.kind else {
                continue;
            };
            if offers.iter().any(|(known, _)| *known == resource) {
                continue;
            }
            if let Some(choices) = self.choices(resource).await {
                offers.push((resource, choices));
            }
        }
        offers
    }

    async fn choices(&self, resource: &str) -> Option<Vec<Choice>> {
        let path = format!("/api/{resource}/");
        let endpoint = self.places.declared(&path)?;
        endpoint
            .operation(&Method::GET)
            .filter(|list| list.is_list)?;
        let address = format!("{path}?limit={}", MOST_OFFERED + 1);
        let answered = self.look(endpoint, 0, &address).await?;
        let page = answered.object()?;
        let rows = page.get("results")?.as_array()?;
        if rows.len() > MOST_OFFERED {
            return None;
        }
        rows.iter().map(choice).collect()
    }

    /// Asks for something else of the API, as she would.
    async fn look(&self, endpoint: &Endpoint, id: i64, address: &str) -> Option<Answered> {
        let mut parts = self.parts.clone();
        parts.method = Method::GET;
        parts.uri = address.parse::<Uri>().ok()?;
        for name in [CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH] {
            parts.headers.remove(name);
        }
        let asked = Incoming {
            id,
            named: Some(Format::Json),
            parts,
            body: Body::empty(),
        };
        let outcome = Box::pin(serve::answer(self.app.clone(), endpoint, asked));
        let answered = Answered::read(outcome.await.ok()?).await.ok()?;
        answered.status.is_success().then_some(answered)
    }
}

/// A thing as it is offered: by its number, under its name.
fn choice(row: &Value) -> Option<Choice> {
    let id = row.get("id")?.as_i64()?.to_string();
    let mut names = NAMES.iter().filter_map(|name| row.get(name)?.as_str());
    let words = names
        .next()
        .map_or_else(|| id.clone(), |name| format!("{name} ({id})"));
    Some(Choice { value: id, words })
}
