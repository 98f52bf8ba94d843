//! From declarations to routes: every method on every declared path has its answer.
//!
//! Checks come in this order (contract, section 4): who are you (401), does the method exist (405), in which format
//! (406), how often (429), does the thing exist for you (404), may you (403), what did you send (415, 413, 400), is it
//! still as you saw it (412).

use super::body;
use super::browse::{self, Places};
use super::call::{Answer, Call};
use super::fields::{Access, Declared, Kind};
use super::finish;
use super::given::Given;
use super::metadata;
use super::negotiation::{Format, choose};
use super::once::Once;
use super::permissions::{Asked, Verdict};
use super::resource::{Endpoint, Operation, Resource};
use super::schema::{Pending, Schema, pages};
use super::throttle;
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::headers::address_in;
use crate::web::identity::{Person, visitor_in};
use crate::web::redirect;
use crate::web::response_cache::Keep;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::header::{ALLOW, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use serde::Serializer as _;
use serde::ser::SerializeMap as _;
use std::collections::HashMap;
use std::sync::Arc;
use url::form_urlencoded;

/// More parameters than this are none of ours.
const MOST_PARAMETERS: usize = 100;
/// What begins the path of everything here.
const ROOT: &str = "/api/";

/// All resources, ready to be served.
#[derive(Clone)]
pub struct Api {
    endpoints: Vec<Arc<Endpoint>>,
    schema: Pending,
}

impl Api {
    /// With these resources, and the list of them at `/api/`.
    pub fn new(resources: Vec<Resource>) -> Self {
        let names: Vec<&'static str> = resources.iter().map(|resource| resource.name).collect();
        let fields = names
            .iter()
            .map(|name| Declared::taken(name, Kind::Url, Access::ReadOnly, "Where it is."))
            .collect();
        let list = Operation::new(Method::GET, "Lists the resources.", move |call| {
            std::future::ready(root(&call, &names))
        })
        .answers(fields);
        let root = Endpoint {
            path: ROOT.to_owned(),
            name: "Api Root".to_owned(),
            about: "What programs find here.",
            operations: vec![list],
        };
        let schema = Pending::default();
        let others = resources.into_iter().flat_map(Resource::endpoints);
        let endpoints = std::iter::once(root).chain(others);
        let endpoints = endpoints.chain([schema.endpoint()]).map(Arc::new);
        let api = Self {
            endpoints: endpoints.collect(),
            schema,
        };
        api.schema.settle(api.endpoints());
        api
    }

    /// The schema of all of it, made when the declarations were taken.
    ///
    /// # Errors
    /// When it could not be made.
    pub fn schema(&self) -> Result<&Schema> {
        self.schema.get()
    }

    /// Every path with what can be done there: what a schema is made from.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().map(Arc::as_ref)
    }

    /// The routes, each with its suffixes and without its closing slash.
    pub fn routes(&self) -> Router<App> {
        let mut routes = Router::new();
        let places = Places::new(&self.endpoints);
        let route = |endpoint: &Arc<Endpoint>, suffix| route(&places, endpoint, suffix);
        for endpoint in &self.endpoints {
            let bare = endpoint.path.trim_end_matches('/').to_owned();
            routes = routes.route(&endpoint.path, route(endpoint, Suffix::None));
            routes = routes.route(&bare, route(endpoint, Suffix::Missing));
            // The number itself carries the suffix: `/api/courses/7.json`.
            if bare.ends_with('}') || endpoint.path == ROOT {
                continue;
            }
            for format in Format::ALL {
                let path = format!("{bare}.{}", format.name());
                routes = routes.route(&path, route(endpoint, Suffix::Is(format)));
            }
        }
        for (path, page) in pages::routes(&self.schema) {
            let bare = path.trim_end_matches('/');
            let slash = any(async |request: Request| add_slash(&request));
            routes = routes.route(path, page).route(bare, slash);
        }
        routes
    }

    /// What `Allow` says, by path.
    pub fn allowed(&self) -> Allowed {
        let mut allowed = HashMap::new();
        for endpoint in &self.endpoints {
            let Ok(value) = HeaderValue::from_str(&endpoint.allow()) else {
                continue;
            };
            let bare = endpoint.path.trim_end_matches('/').to_owned();
            for format in Format::ALL {
                allowed.insert(format!("{bare}.{}", format.name()), value.clone());
            }
            allowed.insert(endpoint.path.clone(), value.clone());
            allowed.insert(bare, value);
        }
        for path in [pages::PATH, pages::RESOURCE_PATH] {
            let value = HeaderValue::from_static("GET, HEAD");
            allowed.insert(path.to_owned(), value);
        }
        Allowed(Arc::new(allowed))
    }
}

/// The methods of every path.
#[derive(Clone)]
pub struct Allowed(Arc<HashMap<String, HeaderValue>>);

/// Every answer of the API says which methods its path takes and on what it depends: those, too, that are refused
/// before any handler is asked.
pub async fn declare(State(allowed): State<Allowed>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with(ROOT) {
        return next.run(request).await;
    }
    let path = request.extensions().get::<MatchedPath>();
    let allow = path.and_then(|path| allowed.0.get(path.as_str()).cloned());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Some(allow) = allow {
        headers.insert(ALLOW, allow);
    }
    // One line for all, whatever was said on the way.
    let is_packed = headers
        .get_all(VARY)
        .iter()
        .any(|names| names.as_bytes().eq_ignore_ascii_case(b"accept-encoding"));
    let vary = if is_packed {
        "Accept, Cookie, Accept-Encoding"
    } else {
        "Accept, Cookie"
    };
    headers.insert(VARY, HeaderValue::from_static(vary));
    response
}

/// How the path ends.
#[derive(Clone, Copy)]
enum Suffix {
    /// With a slash.
    None,
    /// Without: another address, unless the number carries a suffix.
    Missing,
    /// With the name of a format.
    Is(Format),
}

fn route(
    places: &Places,
    endpoint: &Arc<Endpoint>,
    suffix: Suffix,
) -> axum::routing::MethodRouter<App> {
    let (places, endpoint) = (places.clone(), Arc::clone(endpoint));
    any(
        move |State(app): State<App>,
              path: Result<Path<HashMap<String, String>>, PathRejection>,
              request: Request| {
            let (places, endpoint) = (places.clone(), Arc::clone(&endpoint));
            async move {
                // What is no UTF-8 is the number of nothing.
                let nothing = || Path(HashMap::from([("id".to_owned(), String::new())]));
                let Path(path) = path.unwrap_or_else(|_| nothing());
                let id = path.get("id");
                Box::pin(serve(app, &places, &endpoint, suffix, id, request)).await
            }
        },
    )
}

async fn serve(
    app: App,
    places: &Places,
    endpoint: &Endpoint,
    suffix: Suffix,
    id: Option<&String>,
    request: Request,
) -> Result<Response> {
    let (id, named) = match (suffix, id) {
        (Suffix::Is(format), id) => (id.map(String::as_str), Some(format)),
        (Suffix::None, id) => (id.map(String::as_str), None),
        (Suffix::Missing, Some(id)) if id.contains('.') && endpoint.path.ends_with("{id}/") => {
            let (id, name) = id.rsplit_once('.').ok_or(Error::NotFound)?;
            (Some(id), Some(Format::named(name).ok_or(Error::NotFound)?))
        }
        (Suffix::Missing, _) => return add_slash(&request),
    };
    // What is no number is the number of nothing.
    let id = id.map(|id| number_of(id).unwrap_or(0));
    let (parts, body) = request.into_parts();
    let asked = Incoming {
        id: id.unwrap_or(0),
        named,
        parts,
        body,
    };
    if browse::is_asked(named, &asked.parts) {
        return Box::pin(browse::show(app, places, endpoint, asked)).await;
    }
    Box::pin(answer(app, endpoint, asked)).await
}

/// A number as it is written, so that each thing has one address: no sign, no zeros in front.
fn number_of(text: &str) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if is_plain { text.parse().ok() } else { None }
}

/// A request, with what its path says.
pub(super) struct Incoming {
    pub(super) id: i64,
    /// The format that its suffix names.
    pub(super) named: Option<Format>,
    pub(super) parts: Parts,
    pub(super) body: Body,
}

/// Answers a call.
pub(super) async fn answer(app: App, endpoint: &Endpoint, asked: Incoming) -> Result<Response> {
    let Incoming {
        id,
        named,
        parts,
        body,
    } = asked;
    let person = visitor_in(&parts.extensions).0;
    let Some(operation) = endpoint.operation(&parts.method) else {
        return otherwise(&app, endpoint, person.as_deref(), &parts).await;
    };
    let first = said(&app, operation, &parts.method, person.as_deref()).await?;
    if person.is_none() && first == Verdict::No {
        return Err(Error::LoginRequired);
    }
    let parameters = parameters_of(&parts)?;
    let format = parameters.iter().rev().find(|(name, _)| name == "format");
    let format = named
        .map(Format::name)
        .or(format.map(|(_, value)| value.as_str()));
    let wish = choose(operation.formats, format, &parts.headers)?;
    let address = address_in(&parts.extensions);
    let person_id = person.as_ref().map(|person| person.id);
    throttle::count(&app, operation.scope, person_id, address).await?;
    let mut call = Call {
        person,
        method: parts.method,
        id,
        wish,
        given: Given::default(),
        address,
        uri: parts.uri,
        headers: parts.headers,
        parameters,
        known: operation
            .parameters
            .iter()
            .map(|known| known.name)
            .collect(),
        object: None,
        keep: Keep::of(&parts.extensions),
        once: None,
        app,
    };
    if let Some(find) = operation.find {
        let object = find(&call).await?;
        call.object = Some(object);
    }
    if first != Verdict::Yes && !may(operation, &call).await? {
        return Err(operation.refusal(call.person.as_deref()));
    }
    receive(operation, &endpoint.path, &mut call, body).await?;
    perform(operation, call).await
}

/// Reads what was sent with a call that is allowed.
async fn receive(operation: &Operation, path: &str, call: &mut Call, body: Body) -> Result<()> {
    if operation.method != Method::GET && !operation.is_conditional() {
        finish::unconditional(&call.headers)?;
    }
    if operation.takes.is_empty() {
        return Ok(());
    }
    let sent = body::read(&call.headers, body).await?;
    if operation.status == StatusCode::CREATED {
        let whose = (call.person()?.id, path);
        call.once = Once::of(&call.app, &call.headers, whose, &sent)?.map(Arc::new);
    }
    call.given = Given::new(sent, &operation.takes, operation.changes_present());
    Ok(())
}

/// Does what the call is allowed to.
async fn perform(operation: &Operation, call: Call) -> Result<Response> {
    let (wish, method) = (call.wish, call.method.clone());
    let (headers, keep) = (call.headers.clone(), call.keep.clone());
    let is_personal = call.person.is_some();
    let mut answer = match call.once.clone() {
        Some(name) => Box::pin(once(operation, call, &name)).await?,
        None => (operation.handle)(call).await?,
    };
    if answer.status == StatusCode::OK {
        answer.status = operation.status;
    }
    let mut response = finish::finish(&method, &headers, wish, is_personal, answer)?;
    keep.offer(&mut response);
    Ok(response)
}

/// Does it unless it was done before. Of two that arrive at once the second is refused where there can be only one, or
/// finds the answer of the first when it is done: then that was meant.
async fn once(operation: &Operation, call: Call, name: &Once) -> Result<Answer> {
    let (app, site) = (call.app.clone(), call.site());
    if let Some(before) = name.answered(&app).await? {
        return Ok(before.again(&site));
    }
    match (operation.handle)(call).await {
        Ok(answer) => Ok(answer),
        Err(refusal) => match name.answered(&app).await? {
            Some(before) => Ok(before.again(&site)),
            None => Err(refusal),
        },
    }
}

/// Answers a method that is not declared: OPTIONS, or none that there is.
async fn otherwise(
    app: &App,
    endpoint: &Endpoint,
    person: Option<&Person>,
    parts: &Parts,
) -> Result<Response> {
    // Where nobody gets anything without saying who she is, that is asked first.
    if person.is_none() && !admits(app, endpoint, &parts.method).await? {
        return Err(Error::LoginRequired);
    }
    if parts.method != Method::OPTIONS {
        return Err(Error::MethodNotAllowed);
    }
    let answer = metadata::describe(app, endpoint, person).await?;
    let wish = choose(&[Format::Json, Format::Page], None, &parts.headers)?;
    finish::finish(&Method::GET, &parts.headers, wish, person.is_some(), answer)
}

/// What the rule says before anything was looked up.
async fn said(
    app: &App,
    operation: &Operation,
    method: &Method,
    person: Option<&Person>,
) -> Result<Verdict> {
    let asked = Asked {
        app,
        person,
        method,
        object: None,
    };
    operation.verdict(asked).await
}

/// What the rule says with the thing that was found.
async fn may(operation: &Operation, call: &Call) -> Result<bool> {
    let asked = Asked {
        app: &call.app,
        person: call.person.as_deref(),
        method: &call.method,
        object: call.object.as_deref(),
    };
    Ok(operation.verdict(asked).await? == Verdict::Yes)
}

/// Whether a path has anything for those who are not logged in.
async fn admits(app: &App, endpoint: &Endpoint, method: &Method) -> Result<bool> {
    for operation in &endpoint.operations {
        if said(app, operation, method, None).await? != Verdict::No {
            return Ok(true);
        }
    }
    Ok(false)
}

fn parameters_of(parts: &Parts) -> Result<Vec<(String, String)>> {
    let query = parts.uri.query().unwrap_or("");
    let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .take(MOST_PARAMETERS + 1)
        .collect();
    if parameters.len() > MOST_PARAMETERS {
        return Err(Error::BadRequest(format!(
            "The address has more than {MOST_PARAMETERS} parameters."
        )));
    }
    if parameters
        .iter()
        .any(|(name, value)| name.contains('\0') || value.contains('\0'))
    {
        return Err(Error::BadRequest(
            "The address holds a NUL character, which nothing here has.".into(),
        ));
    }
    Ok(parameters)
}

/// 301 to the address with the closing slash; other methods have no such path.
fn add_slash(request: &Request) -> Result<Response> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Error::NotFound);
    }
    let query = request.uri().query();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let path = request.uri().path();
    Ok(redirect::moved(&format!("{path}/{query}")).into_response())
}

/// The names of all resources with their addresses.
fn root(call: &Call, names: &[&'static str]) -> Result<Answer> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut out);
    let mut map = serializer
        .serialize_map(Some(names.len()))
        .map_err(Error::internal)?;
    for name in names {
        let address = format!("{}{ROOT}{name}/", call.site());
        map.serialize_entry(name, &address)
            .map_err(Error::internal)?;
    }
    map.end().map_err(Error::internal)?;
    Ok(Answer::json(out.into()))
}
