//! The reference, for people: `/api/docs/` has all operations by resource, `/api/docs/<resource>/` each of them in full.
//!
//! Drawn from the same document that programs get; nothing about any operation is written here.

use super::Pending;
use super::document::{
    Answer, Document, Entries, Media, Operation, Path as DocumentPath, Response as Described,
    Schema, Tag,
};
use super::words::{self, Row};
use super::{access, examples, faults, query};
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::extract::Path;
use crate::web::response_cache::Keep;
use crate::web::rest::call::site_at;
use crate::web::rest::permissions::ALLOW_ANY;
use crate::web::scopes::Scope;
use crate::web::shell::Shell;
use askama::Template;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde_json::Value;

/// The path of the reference.
pub const PATH: &str = "/api/docs/";
/// The path of a resource in it.
pub const RESOURCE_PATH: &str = "/api/docs/{resource}/";

#[derive(Template)]
#[template(path = "web/reference.html")]
struct ReferencePage<'a> {
    shell: Shell,
    about: &'a str,
    site: String,
    resources: Vec<Resource<'a>>,
    ways: Vec<(&'a str, &'a str)>,
    faults: Vec<Fault<'a>>,
}

#[derive(Template)]
#[template(path = "web/reference_resource.html")]
struct ResourcePage<'a> {
    shell: Shell,
    name: &'a str,
    about: &'a str,
    operations: Vec<Shown<'a>>,
    others: Vec<&'a str>,
}

/// A resource in the list.
struct Resource<'a> {
    name: &'a str,
    about: &'a str,
    operations: Vec<Line<'a>>,
}

/// An operation in the list.
struct Line<'a> {
    method: String,
    path: &'a str,
    summary: &'a str,
    anchor: &'a str,
}

/// A fault that many operations share.
struct Fault<'a> {
    status: String,
    when: &'a str,
}

/// An operation in full.
struct Shown<'a> {
    method: String,
    path: &'a str,
    anchor: &'a str,
    summary: &'a str,
    who: &'a str,
    rule: &'a str,
    scope: &'a str,
    parameters: Vec<Row>,
    takes: Vec<Row>,
    types: Vec<&'a str>,
    status: &'a str,
    formats: Vec<&'a str>,
    answers: Vec<Row>,
    is_list: bool,
    headers: Vec<(&'a str, &'a str)>,
    faults: Vec<(&'a str, &'a str)>,
    request: String,
    example: String,
}

/// The pages with their addresses.
pub(in crate::web::rest) fn routes(pending: &Pending) -> [(&'static str, MethodRouter<App>); 2] {
    let (all, one) = (pending.clone(), pending.clone());
    let index = move |State(app): State<App>, shell: Shell, keep: Keep, asked: Request| {
        let schema = all.clone();
        let site = site_at(&app.config, asked.uri(), asked.headers());
        async move { reference(&schema.get()?.document, &app, shell, keep, site).await }
    };
    let resource = move |State(app): State<App>,
                         shell: Shell,
                         keep: Keep,
                         Path(name): Path<String>,
                         asked: Request| {
        let schema = one.clone();
        let site = site_at(&app.config, asked.uri(), asked.headers());
        async move { resource(&schema.get()?.document, &app, shell, keep, (&name, &site)).await }
    };
    [(PATH, get(index)), (RESOURCE_PATH, get(resource))]
}

/// What the document says of these pages themselves.
pub fn paths() -> Vec<(String, DocumentPath)> {
    vec![
        page(PATH, "get_docs", "All operations, by resource."),
        page(
            RESOURCE_PATH,
            "get_resource_docs",
            "The operations of one resource, in full.",
        ),
    ]
}

fn page(address: &str, id: &str, summary: &str) -> (String, DocumentPath) {
    let html = Media {
        schema: Schema::of("string"),
        example: None,
    };
    let shown = Described {
        description: summary.to_owned(),
        headers: Entries::default(),
        content: Entries(vec![("text/html".to_owned(), html)]),
        links: Entries::default(),
    };
    let mut responses = Entries(vec![("200".to_owned(), Answer::Own(shown))]);
    for (status, name) in [
        ("401", "Unauthorized"),
        ("404", "NotFound"),
        ("503", "Unavailable"),
    ] {
        let reference = format!("#/components/responses/{name}");
        responses.push(status, Answer::Shared { reference });
    }
    let operation = Operation {
        operation_id: id.to_owned(),
        tags: vec!["docs".to_owned()],
        summary: summary.to_owned(),
        description: format!("Who may: {}", access::words(&ALLOW_ANY)),
        permission: ALLOW_ANY.to_string(),
        security: access::ways(&Method::GET, true, Scope::Read),
        parameters: Vec::new(),
        request_body: None,
        responses,
    };
    let is_one = address == RESOURCE_PATH;
    let path = DocumentPath {
        summary: "Reference".to_owned(),
        description: "The reference, for people: this schema as pages.".to_owned(),
        parameters: is_one.then(query::resource).into_iter().collect(),
        operations: Entries(vec![("get".to_owned(), operation)]),
    };
    (address.to_owned(), path)
}

/// `/api/docs/`
async fn reference(
    document: &Document,
    app: &App,
    shell: Shell,
    keep: Keep,
    site: String,
) -> Result<Response> {
    keep.rests_on(app, &[], &[]).await?;
    let resources = document.tags.iter().map(|tag| resource_line(document, tag));
    let schemes = document.components.security_schemes.0.iter();
    let faults = document.components.responses.0.iter();
    keep.page(&ReferencePage {
        shell,
        about: document.info.description,
        site,
        resources: resources.collect(),
        ways: schemes
            .map(|(name, scheme)| (name.as_str(), scheme.description))
            .collect(),
        faults: faults
            .map(|(name, fault)| Fault {
                status: faults::status_of(name),
                when: &fault.description,
            })
            .collect(),
    })
}

/// The operations of a resource with their paths.
fn operations<'a>(
    document: &'a Document,
    name: &'a str,
) -> impl Iterator<Item = (&'a str, &'a DocumentPath, &'a str, &'a Operation)> {
    let paths = document.paths.0.iter();
    paths.flat_map(move |(address, path)| {
        let of_it = path.operations.0.iter();
        let of_it =
            of_it.filter(move |(_, operation)| operation.tags.iter().any(|tag| tag == name));
        of_it.map(move |(method, operation)| (address.as_str(), path, method.as_str(), operation))
    })
}

fn resource_line<'a>(document: &'a Document, tag: &'a Tag) -> Resource<'a> {
    let lines = operations(document, &tag.name).map(|(path, _, method, operation)| Line {
        method: method.to_ascii_uppercase(),
        path,
        summary: &operation.summary,
        anchor: &operation.operation_id,
    });
    Resource {
        name: &tag.name,
        about: &tag.description,
        operations: lines.collect(),
    }
}

/// `/api/docs/<resource>/`
async fn resource(
    document: &Document,
    app: &App,
    shell: Shell,
    keep: Keep,
    (name, site): (&str, &str),
) -> Result<Response> {
    let tag = document.tags.iter().find(|tag| tag.name == name);
    let tag = tag.ok_or(Error::NotFound)?;
    keep.rests_on(app, &[], &[]).await?;
    let shown = operations(document, &tag.name).map(|(address, path, method, operation)| {
        show(document, site, (address, path), method, operation)
    });
    let others = document.tags.iter().map(|tag| tag.name.as_str());
    keep.page(&ResourcePage {
        shell,
        name: &tag.name,
        about: &tag.description,
        operations: shown.collect(),
        others: others.collect(),
    })
}

fn show<'a>(
    document: &'a Document,
    site: &str,
    (address, path): (&'a str, &'a DocumentPath),
    method: &str,
    operation: &'a Operation,
) -> Shown<'a> {
    let components = &document.components.schemas;
    let parameters = path.parameters.iter().chain(&operation.parameters);
    let body = operation.request_body.as_ref();
    let media = body
        .and_then(|body| body.content.0.first())
        .map(|(_, media)| media);
    let (status, answer) = success(operation);
    let held = answer.and_then(|answer| answer.content.0.first());
    let is_list =
        held.is_some_and(|(_, media)| media.schema.items.is_some() || is_paged(&media.schema));
    let method = method.to_ascii_uppercase();
    Shown {
        request: examples::curl(site, &method, address, operation, media),
        method,
        path: address,
        anchor: &operation.operation_id,
        summary: &operation.summary,
        who: &operation.description,
        rule: &operation.permission,
        scope: scope(operation),
        parameters: parameters
            .filter_map(|parameter| parameter.among(&document.components.parameters))
            .map(|parameter| Row {
                name: parameter.name.clone(),
                kind: format!(
                    "{}, {}",
                    parameter.r#in,
                    words::kind(&parameter.schema, components)
                ),
                about: parameter.description.clone(),
                is_required: parameter.required,
            })
            .collect(),
        takes: media.map_or_else(Vec::new, |media| words::rows(&media.schema, components)),
        types: body.map_or_else(Vec::new, |body| names(&body.content)),
        status,
        formats: answer.map_or_else(Vec::new, |answer| names(&answer.content)),
        answers: held.map_or_else(Vec::new, |(_, media)| {
            words::rows(&media.schema, components)
        }),
        is_list,
        headers: answer.map_or_else(Vec::new, |answer| {
            let headers = answer.headers.0.iter();
            headers
                .map(|(name, header)| (name.as_str(), header.description))
                .collect()
        }),
        faults: faults_of(document, operation),
        example: held
            .and_then(|(_, media)| media.example.as_ref())
            .map(pretty)
            .unwrap_or_default(),
    }
}

/// The scope that a token needs for it.
fn scope(operation: &Operation) -> &str {
    let needed = operation.security.iter().find_map(|way| way.get("token"));
    let scope = needed.and_then(|scopes| scopes.first().copied());
    scope.unwrap_or_default()
}

/// The answer when all is well.
fn success(operation: &Operation) -> (&str, Option<&Described>) {
    let answers = operation.responses.0.iter();
    let mut own = answers.filter_map(|(status, answer)| match answer {
        Answer::Own(response) if status.starts_with('2') => Some((status.as_str(), Some(response))),
        _ => None,
    });
    own.next().unwrap_or(("", None))
}

/// Whether it is a list, or a page of one.
fn is_paged(schema: &Schema) -> bool {
    schema
        .any_of
        .first()
        .is_some_and(|first| first.items.is_some())
}

fn names<T>(entries: &Entries<T>) -> Vec<&str> {
    entries.0.iter().map(|(name, _)| name.as_str()).collect()
}

/// The faults of an operation, by status.
fn faults_of<'a>(document: &'a Document, operation: &'a Operation) -> Vec<(&'a str, &'a str)> {
    let answers = operation.responses.0.iter();
    let faults = answers.filter(|(status, _)| !status.starts_with('2'));
    let told = faults.filter_map(|(status, answer)| {
        let response = answer.among(&document.components.responses)?;
        Some((status.as_str(), response.description.as_str()))
    });
    told.collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Words and code by turns, as backquotes part them.
pub fn spoken(text: &str) -> impl Iterator<Item = (bool, &str)> {
    text.split('`')
        .enumerate()
        .map(|(at, words)| (at % 2 == 1, words))
}
