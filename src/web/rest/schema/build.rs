//! Makes the document of the declarations.

use super::document::{
    Answer, Body, Components, Document, Entries, Header, Info, Link, Media, Operation, Path,
    Response, Schema, Server, Tag,
};
use super::shapes::Shapes;
use super::{access, examples, faults, naming, pages, query};
use crate::web::rest::PARSES;
use crate::web::rest::fields::Access;
use crate::web::rest::finish::has_version;
use crate::web::rest::negotiation::Format;
use crate::web::rest::parameters::Takes;
use crate::web::rest::resource::{Endpoint, Operation as Declared};
use crate::web::scopes::Scope;
use axum::http::{Method, StatusCode};

/// What holds for all of it. In Markdown, as the specification wants it.
const ABOUT: &str = "Addresses end with a slash. \
Answers are JSON unless `Accept`, `?format=` or a suffix (`/api/courses.csv`) asks for another format. HEAD is GET \
without the body; OPTIONS tells what a path is and takes. A list is a bare array unless a page of it is asked for, by \
`page`, by `limit` and `offset`, or by `cursor`: one of the three. Faults are `{\"detail\": \"...\"}`, wrong fields \
`{\"<field>\": [\"...\"]}`. They are looked for in this order: 401, 405, 406, 429, 404, 403, 415, 413, 400 for what cannot be read, 422, 400 for fields, 412, 409.";

/// The document of these endpoints.
pub fn document<'a>(endpoints: impl Iterator<Item = &'a Endpoint>) -> Document {
    let endpoints: Vec<&Endpoint> = endpoints.collect();
    let mut shapes = Shapes::default();
    let responses = faults::components(&mut shapes);
    name_things(&endpoints, &mut shapes);
    let mut paths = Entries::default();
    for endpoint in &endpoints {
        let path = path(endpoint, &endpoints, &mut shapes);
        paths.push(endpoint.path.clone(), path);
    }
    for (address, path) in pages::paths() {
        paths.push(address, path);
    }
    let parameters = query::share(&mut paths);
    let schemas = shapes.into_components();
    for (_, path) in &mut paths.0 {
        path.show_examples(&schemas);
    }
    Document {
        openapi: "3.1.1",
        info: Info {
            title: "Lyceum",
            version: env!("CARGO_PKG_VERSION"),
            description: ABOUT,
        },
        servers: [Server { url: "/" }],
        tags: tags(&paths),
        paths,
        components: Components {
            schemas,
            parameters,
            responses,
            security_schemes: access::schemes(),
        },
    }
}

/// Gives what is found at the path of a thing its own name, wherever else the same is answered.
fn name_things(endpoints: &[&Endpoint], shapes: &mut Shapes) {
    for endpoint in endpoints {
        if let Some(shown) = endpoint.operation(&Method::GET)
            && is_path_of_one(&endpoint.path)
            && !shown.answers.is_empty()
        {
            shapes.answer(&naming::thing(&endpoint.path, false), &shown.answers);
        }
    }
}

/// Whether this is the path of one thing: `/api/courses/{id}/`.
fn is_path_of_one(path: &str) -> bool {
    path.ends_with("/{id}/") && naming::parts(path).len() == 2
}

/// The resource to which a path belongs.
fn resource(path: &str) -> &str {
    naming::parts(path).first().copied().unwrap_or("api")
}

/// Every resource once, with what its first path says of itself.
fn tags(paths: &Entries<Path>) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    for (address, path) in &paths.0 {
        let name = resource(address);
        if !tags.iter().any(|tag| tag.name == name) {
            tags.push(Tag {
                name: name.to_owned(),
                description: path.description.clone(),
            });
        }
    }
    tags
}

fn path(endpoint: &Endpoint, all: &[&Endpoint], shapes: &mut Shapes) -> Path {
    let mut operations = Entries::default();
    for declared in &endpoint.operations {
        let operation = operation(endpoint, declared, all, shapes);
        operations.push(declared.method.as_str().to_ascii_lowercase(), operation);
    }
    let has_number = endpoint.path.contains("{id}");
    Path {
        summary: endpoint.name.clone(),
        description: endpoint.about.to_owned(),
        parameters: has_number.then(query::id).into_iter().collect(),
        operations,
    }
}

fn operation(
    endpoint: &Endpoint,
    declared: &Declared,
    all: &[&Endpoint],
    shapes: &mut Shapes,
) -> Operation {
    let admits_visitors = access::admits_visitors(&declared.rule, &declared.method);
    let are_several = declared.is_list || declared.status == StatusCode::CREATED;
    let thing = naming::thing(&endpoint.path, are_several);
    let needs = if access::is_for_staff(&declared.rule) {
        Scope::Admin
    } else {
        declared.needs
    };
    let mut responses = Entries::default();
    let answer = success(endpoint, declared, all, &thing, shapes);
    responses.push(declared.status.as_str(), Answer::Own(answer));
    if !declared.accepts.is_empty() {
        responses.push("202", Answer::Own(accepted(declared, &thing, shapes)));
    }
    if declared.method == Method::GET {
        responses.push("304", Answer::Own(unchanged()));
    }
    for (status, fault) in faults::of(&endpoint.path, declared, admits_visitors) {
        responses.push(status.as_str(), fault);
    }
    Operation {
        operation_id: naming::operation(&declared.method, &endpoint.path, declared.is_list),
        tags: vec![resource(&endpoint.path).to_owned()],
        summary: declared.about.to_owned(),
        description: format!("Who may: {}", access::words(&declared.rule)),
        permission: declared.rule.to_string(),
        security: access::ways(&declared.method, admits_visitors, needs),
        parameters: query::parameters(declared),
        request_body: body(declared, &thing, shapes),
        responses,
    }
}

/// What it takes, in each of the types in which bodies come.
fn body(declared: &Declared, thing: &str, shapes: &mut Shapes) -> Option<Body> {
    if declared.takes.is_empty() {
        return None;
    }
    let name = match declared.method {
        Method::POST if declared.status == StatusCode::CREATED => format!("New{thing}"),
        Method::POST => format!("{thing}Request"),
        Method::PUT => format!("Whole{thing}"),
        _ => format!("{thing}Change"),
    };
    let schema = shapes.body(&name, &declared.takes);
    let media = |name: &&str| {
        let media = Media {
            schema: schema.clone(),
            example: None,
        };
        ((*name).to_owned(), media)
    };
    let description = if declared.changes_present() {
        "Fields that the site sets may be sent back as they were read; they are refused with any other value."
    } else {
        ""
    };
    Some(Body {
        description,
        required: declared
            .takes
            .iter()
            .any(|field| field.access == Access::Required),
        content: Entries(PARSES.iter().map(media).collect()),
    })
}

/// The answer when all is well.
fn success(
    endpoint: &Endpoint,
    declared: &Declared,
    all: &[&Endpoint],
    thing: &str,
    shapes: &mut Shapes,
) -> Response {
    let mut content = Entries::default();
    if declared.status != StatusCode::NO_CONTENT {
        for format in declared.formats {
            let schema = match format {
                Format::Json => held(declared, thing, shapes),
                Format::Csv | Format::Page => Schema::of("string"),
            };
            let media = Media {
                schema,
                example: None,
            };
            content.push(format.mime(), media);
        }
    }
    Response {
        description: declared.about.to_owned(),
        headers: headers(declared),
        content,
        links: links(endpoint, declared, all),
    }
}

/// The answer to what is taken, and not done yet.
fn accepted(declared: &Declared, thing: &str, shapes: &mut Shapes) -> Response {
    let schema = shapes.answer(&format!("{thing}Accepted"), &declared.accepts);
    let mut content = Entries::default();
    for format in declared.formats {
        let schema = match format {
            Format::Json => schema.clone(),
            Format::Csv | Format::Page => Schema::of("string"),
        };
        let media = Media {
            schema,
            example: None,
        };
        content.push(format.mime(), media);
    }
    Response {
        description: "It is taken, and not done yet.".to_owned(),
        headers: headers(declared),
        content,
        links: Entries::default(),
    }
}

/// What is in the answer: a thing, or a list of them, bare or as a page.
fn held(declared: &Declared, thing: &str, shapes: &mut Shapes) -> Schema {
    if declared.answers.is_empty() {
        return Schema::default();
    }
    let looks_at = |takes: &Takes| {
        declared
            .parameters
            .iter()
            .any(|known| known.takes == *takes)
    };
    let other = if declared.is_list {
        format!("{thing}Entry")
    } else {
        format!("Made{thing}")
    };
    let thing = &shapes.name_of(thing, &declared.answers, &other);
    let item = if looks_at(&Takes::Fields) {
        shapes.answer_in_part(thing, &declared.answers)
    } else {
        shapes.answer(thing, &declared.answers)
    };
    if !declared.is_list {
        return item;
    }
    let bare = Schema::list(item.clone());
    if !looks_at(&Takes::Cursor) {
        return bare;
    }
    let page = shapes.page(thing, item);
    Schema::any(vec![bare, page])
}

fn headers(declared: &Declared) -> Entries<Header> {
    let mut headers = Entries::default();
    let mut push = |name: &str, description| {
        let schema = Schema::of("string");
        headers.push(
            name,
            Header {
                description,
                schema,
            },
        );
    };
    if declared.status == StatusCode::CREATED {
        push("Location", "Where it is now.");
    }
    if declared.status != StatusCode::NO_CONTENT && has_version(&declared.method, declared.status) {
        push(
            "ETag",
            "The version of the answer, for If-None-Match and If-Match; lists that are sent while they are read have none.",
        );
    }
    if declared.is_list {
        push(
            "Link",
            "Of a page: the addresses of others, first, prev, next and last (RFC 8288).",
        );
    }
    headers
}

fn unchanged() -> Response {
    Response {
        description: "It is still the version that If-None-Match names.".to_owned(),
        headers: Entries::default(),
        content: Entries::default(),
        links: Entries::default(),
    }
}

/// What can be done with a thing that was made: the operations of its own path, and of those below it.
fn links(endpoint: &Endpoint, declared: &Declared, all: &[&Endpoint]) -> Entries<Link> {
    let mut links = Entries::default();
    let has_number = declared.answers.iter().any(|field| field.name == "id");
    if declared.status != StatusCode::CREATED || !has_number {
        return links;
    }
    // Things that are made below another one have a path of their own: `/api/modules/{id}/`.
    let name = naming::parts(&endpoint.path).last().copied().unwrap_or("");
    let own = format!("/api/{name}/{{id}}/");
    for target in all.iter().filter(|target| target.path.starts_with(&own)) {
        for operation in &target.operations {
            let name = naming::operation(&operation.method, &target.path, operation.is_list);
            let link = Link {
                operation_id: name.clone(),
                parameters: Entries(vec![("id".to_owned(), "$response.body#/id")]),
            };
            links.push(name, link);
        }
    }
    links
}

impl Path {
    /// Puts an example beside every body and answer.
    fn show_examples(&mut self, components: &Entries<Schema>) {
        for (_, operation) in &mut self.operations.0 {
            if let Some(body) = &mut operation.request_body {
                // One type will do.
                let first = body.content.0.iter_mut().take(1);
                first.for_each(|media| show_example(media, components));
            }
            let answers = operation.responses.0.iter_mut();
            let own = answers.filter_map(|(_, answer)| match answer {
                Answer::Own(response) => Some(response),
                Answer::Shared { .. } => None,
            });
            let media = own.flat_map(|response| response.content.0.iter_mut());
            media.for_each(|media| show_example(media, components));
        }
    }
}

/// Text in other formats than JSON has none.
fn show_example((mime, media): &mut (String, Media), components: &Entries<Schema>) {
    let is_data = !mime.starts_with("text/") && media.schema != Schema::default();
    if is_data && media.example.is_none() {
        media.example = Some(examples::of_schema(&media.schema, components));
    }
}
