//! What stands on a page to explore.

use super::answered::Answered;
use super::forms::{self, Control, Filling, FormView, Input};
use super::json::{self, Known};
use super::sent::Sent;
use super::visit::Visit;
use crate::error::{Error, Problems, Result};
use crate::web::form::FaultLine;
use crate::web::rest::fields::Declared;
use crate::web::rest::negotiation::Format;
use crate::web::rest::parameters::{Parameter, Takes};
use crate::web::rest::resource::Operation;
use crate::web::rest::schema::sending;
use crate::web::shell::Shell;
use crate::web::{redirect, text};
use askama::Template;
use axum::http::header::{
    CONTENT_TYPE, ETAG, HeaderName, LINK, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{Method, StatusCode};
use serde_json::{Map, Value};

/// Headers that are shown, besides `Allow` and `Vary`, as programs of all ages write them.
const SHOWN: [(HeaderName, &str); 6] = [
    (CONTENT_TYPE, "Content-Type"),
    (ETAG, "ETag"),
    (LINK, "Link"),
    (LOCATION, "Location"),
    (RETRY_AFTER, "Retry-After"),
    (WWW_AUTHENTICATE, "WWW-Authenticate"),
];
/// The parameters of the ways through a list.
const PAGING: [&str; 5] = ["page", "page_size", "limit", "offset", "cursor"];

/// The page.
#[derive(Template)]
#[template(path = "web/api.html")]
pub struct ApiPage {
    shell: Shell,
    name: String,
    about: String,
    crumbs: Vec<Link>,
    path: String,
    /// This address again.
    here: String,
    options_address: String,
    json_address: String,
    csv_address: Option<String>,
    paged_address: Option<String>,
    /// This address without what was asked for, when something was.
    bare_address: Option<String>,
    login_address: String,
    register_address: String,
    can_read: bool,
    format: Option<String>,
    /// What became of it, in words: their tone, their icon, and they themselves.
    outcome: Option<(&'static str, &'static str, String)>,
    /// Whether that is that she has to log in.
    is_refused: bool,
    faults: Vec<FaultLine>,
    method: String,
    /// What was asked for, as it stands in the request line.
    target: String,
    status: String,
    status_tone: &'static str,
    size: String,
    headers: Vec<Header>,
    /// The body in colors, or empty.
    html: String,
    is_cut: bool,
    pages: Vec<Link>,
    forms: Vec<FormView>,
    actions: Vec<Action>,
    queries: Vec<Input>,
    ways: Vec<Link>,
    command: String,
}

/// A link with its words.
struct Link {
    address: String,
    words: String,
    /// What it is to this page, or empty.
    rel: String,
}

/// A header of the answer.
struct Header {
    name: String,
    value: String,
    address: Option<String>,
}

/// Another address below this one.
struct Action {
    address: String,
    words: String,
    methods: String,
    about: &'static str,
}

impl ApiPage {
    /// Around an answer, or the fault that came instead.
    pub async fn new(
        visit: &Visit<'_>,
        shell: Shell,
        answered: &Answered,
        sent: Option<&Sent>,
        problems: &Problems,
        error: Option<&Error>,
    ) -> Result<Self> {
        let forms = Box::pin(forms_of(visit, answered, sent, problems)).await?;
        let shown = shown(visit, answered);
        let reads = visit.endpoint.operation(&Method::GET);
        let path = visit.path.clone();
        Ok(Self {
            name: visit.endpoint.name.clone(),
            about: visit.endpoint.about.to_owned(),
            crumbs: crumbs(visit),
            here: visit.with(&[]),
            options_address: visit.with(&[(super::sent::METHOD, Some("OPTIONS"))]),
            json_address: visit.with(&[("format", Some("json"))]),
            csv_address: reads
                .filter(|operation| operation.formats.contains(&Format::Csv))
                .map(|_| visit.with(&[("format", Some("csv"))])),
            paged_address: reads
                .filter(|operation| operation.is_list)
                .map(|_| visit.with(&[("page", Some("1"))])),
            bare_address: Some(path.clone())
                .filter(|_| visit.parameters.iter().any(|(name, _)| name != "format")),
            login_address: redirect::login_path(&path),
            register_address: redirect::with_next("/students/register/", &path),
            can_read: reads.is_some(),
            format: Some(visit.parameter("format").to_owned()).filter(|name| !name.is_empty()),
            outcome: outcome(visit, answered, error, !forms.is_empty()),
            is_refused: matches!(error, Some(Error::LoginRequired)),
            faults: forms::fault_lines(&forms, problems),
            method: visit.method.to_string(),
            target: visit.with(&[("format", None)]),
            status: answered.status.to_string(),
            status_tone: tone(answered.status),
            size: size(answered),
            headers: headers(visit, answered),
            html: shown.html,
            is_cut: shown.is_cut || answered.is_cut,
            pages: pages(answered.header(LINK)),
            actions: actions(visit),
            queries: reads
                .map(|operation| queries(visit, operation))
                .unwrap_or_default(),
            ways: reads
                .map(|operation| ways(visit, operation))
                .unwrap_or_default(),
            command: command(visit, &shell),
            path,
            shell,
            forms,
        })
    }
}

/// The places above this one, and this one.
fn crumbs(visit: &Visit<'_>) -> Vec<Link> {
    let mut crumbs = Vec::new();
    let (mut declared, mut path) = (String::from("/"), String::from("/"));
    let pieces = visit.endpoint.path.split('/').zip(visit.path.split('/'));
    for (pattern, piece) in pieces.filter(|(pattern, _)| !pattern.is_empty()) {
        declared = format!("{declared}{pattern}/");
        path = format!("{path}{piece}/");
        let Some(endpoint) = visit.places.declared(&declared) else {
            continue;
        };
        crumbs.push(Link {
            address: path.clone(),
            words: match pattern {
                "api" => "API".to_owned(),
                "{id}" => endpoint.name.replace(" Instance", &format!(" {piece}")),
                _ => endpoint.name.clone(),
            },
            rel: String::new(),
        });
    }
    crumbs
}

/// The body in colors.
fn shown(visit: &Visit<'_>, answered: &Answered) -> json::Shown {
    let operation = visit.endpoint.operation(&visit.method);
    let operation = operation.filter(|_| answered.status.is_success());
    let mut pieces = visit.endpoint.path.split('/').skip(2);
    let known = Known {
        fields: operation.map_or(&[], |operation| operation.answers.as_slice()),
        is_list: operation.is_some_and(|operation| operation.is_list),
        resource: pieces.next().unwrap_or_default(),
        can_show: &|resource| visit.places.can_show(resource),
    };
    json::shown(&answered.body, &known, json::LIMIT)
}

fn size(answered: &Answered) -> String {
    let bytes = i64::try_from(answered.body.len()).unwrap_or(i64::MAX);
    match (bytes, answered.is_cut) {
        (0, _) => String::new(),
        (_, true) => format!("more than {}", text::size(bytes)),
        (_, false) => text::size(bytes),
    }
}

fn tone(status: StatusCode) -> &'static str {
    if status.is_success() { "ok" } else { "fault" }
}

fn headers(visit: &Visit<'_>, answered: &Answered) -> Vec<Header> {
    let header = |name: &str, value: String| Header {
        name: name.to_owned(),
        value,
        address: None,
    };
    let mut headers = vec![header("Allow", visit.endpoint.allow())];
    for (name, words) in SHOWN {
        let value = answered.header(&name).to_owned();
        if !value.is_empty() {
            headers.push(Header {
                address: (name == LOCATION).then(|| value.clone()),
                ..header(words, value)
            });
        }
    }
    headers.push(header("Vary", "Accept, Cookie".to_owned()));
    headers
}

/// What became of a change, and what to do about a fault.
fn outcome(
    visit: &Visit<'_>,
    answered: &Answered,
    error: Option<&Error>,
    has_forms: bool,
) -> Option<(&'static str, &'static str, String)> {
    let fault = |words: String| Some(("fault", "circle-alert", words));
    match error {
        None if visit.method.is_safe() => None,
        None => {
            let words = match (&visit.method, answered.status) {
                (_, StatusCode::CREATED) => "It is made. Its address stands under Location.",
                (&Method::DELETE, _) => "It is deleted.",
                (&Method::PUT | &Method::PATCH, _) => "It is changed.",
                _ => "It is done.",
            };
            Some(("ok", "circle-check", words.to_owned()))
        }
        Some(Error::Invalid(_)) => None,
        Some(Error::LoginRequired) => Some((
            "info",
            "lock",
            "This is for those who are logged in. You come back here afterwards."
                .to_owned(),
        )),
        Some(Error::MethodNotAllowed) if has_forms => Some((
            "info",
            "info",
            "There is nothing to look at here, but something to send: see the form below.".to_owned(),
        )),
        Some(Error::MethodNotAllowed) => fault(format!(
            "That cannot be done here. What can be done stands under Allow: {}.",
            visit.endpoint.allow()
        )),
        Some(Error::NotFound) => fault(
            "There is nothing here for you: the address may be wrong, or it may be somebody else's."
                .to_owned(),
        ),
        Some(other) => fault(other.words()),
    }
}

/// The other pages of a list, from `Link` as the toolkit writes it.
fn pages(links: &str) -> Vec<Link> {
    let link = |part: &str| {
        let (address, rest) = part.trim().strip_prefix('<')?.split_once(">; rel=\"")?;
        let rel = rest.strip_suffix('"')?.to_owned();
        let words = match rel.as_str() {
            "first" => "First",
            "prev" => "Previous",
            "next" => "Next",
            "last" => "Last",
            _ => return None,
        };
        Some(Link {
            address: address.to_owned(),
            words: words.to_owned(),
            rel,
        })
    };
    links.split(", ").filter_map(link).collect()
}

/// What else can be done with the thing at this path.
fn actions(visit: &Visit<'_>) -> Vec<Action> {
    if visit.path == "/api/" {
        return Vec::new();
    }
    let action = |endpoint: &crate::web::rest::resource::Endpoint| {
        let piece = endpoint.path.strip_prefix(&visit.endpoint.path);
        let methods = endpoint
            .operations
            .iter()
            .map(|operation| operation.method.as_str());
        Action {
            address: format!("{}{}", visit.path, piece.unwrap_or_default()),
            words: endpoint.name.clone(),
            methods: methods.collect::<Vec<_>>().join(", "),
            about: endpoint.about,
        }
    };
    visit
        .places
        .below(&visit.endpoint.path)
        .map(action)
        .collect()
}

/// The parameters that a GET here looks at; of the ways through a list those of the present one.
fn queries(visit: &Visit<'_>, operation: &Operation) -> Vec<Input> {
    let way: &[&str] = match way(visit) {
        Way::Cursor => &["limit"],
        Way::Slice => &["limit", "offset"],
        Way::Page => &["page", "page_size"],
    };
    let is_offered = |parameter: &&Parameter| {
        let is_of_way = !PAGING.contains(&parameter.name) || way.contains(&parameter.name);
        is_of_way && !matches!(parameter.takes, Takes::Format | Takes::Cursor)
    };
    let mut offered: Vec<&Parameter> = operation.parameters.iter().filter(is_offered).collect();
    // What to look for, in which order, how much of it.
    offered.sort_by_key(|parameter| match parameter.takes {
        Takes::Ordering(_) => 1,
        _ if PAGING.contains(&parameter.name) => 2,
        Takes::Fields => 3,
        _ => 0,
    });
    let fields: &[Declared] = &operation.answers;
    let inputs = offered
        .into_iter()
        .map(|parameter| forms::query(parameter, visit.parameter(parameter.name), fields));
    inputs.collect()
}

/// A way through a list.
#[derive(PartialEq)]
enum Way {
    Page,
    Slice,
    Cursor,
}

fn way(visit: &Visit<'_>) -> Way {
    if visit.has("cursor") {
        Way::Cursor
    } else if !visit.parameter("limit").is_empty() || !visit.parameter("offset").is_empty() {
        Way::Slice
    } else {
        Way::Page
    }
}

fn ways(visit: &Visit<'_>, operation: &Operation) -> Vec<Link> {
    let mut parameters = operation.parameters.iter();
    if !parameters.any(|parameter| parameter.takes == Takes::Cursor) {
        return Vec::new();
    }
    let present = way(visit);
    let ways = [
        (Way::Page, "page", "1", "by page"),
        (Way::Slice, "limit", "20", "by limit and offset"),
        (Way::Cursor, "cursor", "", "by cursor"),
    ];
    let others = ways.into_iter().filter(|(way, ..)| *way != present);
    let link = |(_, name, value, words): (Way, &str, &str, &str)| {
        let mut changes: Vec<(&str, Option<&str>)> = PAGING.map(|other| (other, None)).to_vec();
        changes.retain(|(other, _)| *other != name);
        changes.push((name, Some(value)));
        Link {
            address: visit.with(&changes),
            words: words.to_owned(),
            rel: String::new(),
        }
    };
    others.map(link).collect()
}

/// The same request for a terminal.
fn command(visit: &Visit<'_>, shell: &Shell) -> String {
    let address = format!("{}{}", visit.site(), visit.with(&[("format", None)]));
    let reads = visit.endpoint.operation(&Method::GET).is_some();
    let first = visit.endpoint.operations.first();
    let (method, body) = match first {
        Some(first) if !reads => (format!(" -X {}", first.method), sending(&first.takes)),
        _ => (String::new(), String::new()),
    };
    let who = if shell.person.is_some() {
        " \\\n  -H \"Authorization: Token $TOKEN\""
    } else {
        ""
    };
    let address = address.replace('\'', "%27");
    format!("curl{method}{who} \\\n  '{address}'{body}")
}

/// The forms that the visitor may send here, filled with what is there or was typed.
async fn forms_of(
    visit: &Visit<'_>,
    answered: &Answered,
    sent: Option<&Sent>,
    problems: &Problems,
) -> Result<Vec<FormView>> {
    if !visit.can_send() {
        return Ok(Vec::new());
    }
    let has_failed = !answered.status.is_success();
    let sent = sent.filter(|_| has_failed);
    let mut forms = Vec::new();
    for methods in [
        &[Method::POST][..],
        &[Method::PATCH, Method::PUT],
        &[Method::DELETE],
    ] {
        let mut operations = Vec::new();
        for operation in methods
            .iter()
            .filter_map(|method| visit.endpoint.operation(method))
        {
            if visit.may(operation).await? {
                operations.push(operation);
            }
        }
        let Some(last) = operations.last() else {
            continue;
        };
        let state = if methods == [Method::POST] {
            State::default()
        } else {
            Box::pin(state(visit, answered)).await
        };
        let sent = sent.filter(|_| methods.contains(&visit.method));
        let filling = Filling {
            // Whoever was told that it changed sends the next try on top of that.
            version: match sent {
                Some(sent) if answered.status != StatusCode::PRECONDITION_FAILED => {
                    sent.version.clone()
                }
                _ => state.version,
            },
            sent,
            current: state.object.as_ref(),
            problems,
            offers: &Box::pin(visit.offers(last)).await,
        };
        forms.extend(forms::form(&operations, &visit.path, &filling));
    }
    Ok(forms)
}

/// What stands at a path now.
#[derive(Default)]
struct State {
    object: Option<Map<String, Value>>,
    version: String,
}

async fn state(visit: &Visit<'_>, answered: &Answered) -> State {
    let is_whole = visit.parameters.iter().all(|(name, _)| name == "format");
    // The answer of PUT names no version.
    let tells = matches!(visit.method, Method::GET | Method::PATCH);
    let of = |answered: &Answered| State {
        object: answered.object(),
        version: answered.header(ETAG).to_owned(),
    };
    if tells && is_whole && answered.status == StatusCode::OK {
        return of(answered);
    }
    visit.current().await.as_ref().map(of).unwrap_or_default()
}
