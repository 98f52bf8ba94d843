//! The faults that operations answer, as `web::errors` tells them; most are shared by all.

use super::document::{Answer, Entries, Header, Media, Others, Response, Schema};
use super::shapes::Shapes;
use crate::web::rest::negotiation::Format;
use crate::web::rest::permissions::Rule;
use crate::web::rest::resource::Operation;
use crate::web::scopes::Scope;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

/// A fault that many operations share.
struct Shared {
    status: StatusCode,
    name: &'static str,
    when: &'static str,
    detail: &'static str,
}

const SHARED: [Shared; 12] = [
    Shared {
        status: StatusCode::BAD_REQUEST,
        name: "BadRequest",
        when: "Something cannot be read, or a value will not do: by field what is wrong with it, or one sentence.",
        detail: "",
    },
    Shared {
        status: StatusCode::UNAUTHORIZED,
        name: "Unauthorized",
        when: "Nobody has said who asks where that is needed, or what was said is wrong.",
        detail: "Authentication credentials were not provided.",
    },
    Shared {
        status: StatusCode::FORBIDDEN,
        name: "Forbidden",
        when: "Who asks may not; or the token lacks the scope; or a session changes something without its X-CSRFToken.",
        detail: "You do not have permission to perform this action.",
    },
    Shared {
        status: StatusCode::NOT_FOUND,
        name: "NotFound",
        when: "There is no such thing, or not for who asks; or a list has no such page.",
        detail: "Not found.",
    },
    Shared {
        status: StatusCode::NOT_ACCEPTABLE,
        name: "NotAcceptable",
        when: "It is not to be had in the format that format or Accept asks for.",
        detail: "Could not satisfy the request Accept header.",
    },
    Shared {
        status: StatusCode::CONFLICT,
        name: "Conflict",
        when: "Somebody was quicker, or its state does not allow it.",
        detail: "Somebody else has changed this at the same time. Please look again.",
    },
    Shared {
        status: StatusCode::PRECONDITION_FAILED,
        name: "PreconditionFailed",
        when: "If-Match names another version than there is: it has been changed since.",
        detail: "It has been changed since you looked at it. Please look again, and send your change on top of that.",
    },
    Shared {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        name: "TooLarge",
        when: "The body is larger than is taken.",
        detail: "This takes up to 1 MB.",
    },
    Shared {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        name: "UnsupportedType",
        when: "The body is of a type that is not taken.",
        detail: "Unsupported media type \"text/plain\" in request.",
    },
    Shared {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        name: "OtherRequest",
        when: "Another request was sent with this Idempotency-Key.",
        detail: "Another request was sent with this Idempotency-Key. Give each request a key of its own, and the same to one that you send again.",
    },
    Shared {
        status: StatusCode::TOO_MANY_REQUESTS,
        name: "TooMany",
        when: "Too often. Retry-After says after how many seconds it is heard again.",
        detail: "Request was throttled. Expected available in 20 seconds.",
    },
    Shared {
        status: StatusCode::SERVICE_UNAVAILABLE,
        name: "Unavailable",
        when: "The site is busy, or lacks what it needs just now. Please try again.",
        detail: "The site is busy with other changes right now. Please try again in a moment.",
    },
];

/// The shared faults as components.
pub fn components(shapes: &mut Shapes) -> Entries<Response> {
    let detail = shapes.keep("Fault", fault());
    let by_field = shapes.keep("FieldFaults", by_field());
    let mut all = Entries::default();
    for shared in &SHARED {
        let (schema, example) = if shared.status == StatusCode::BAD_REQUEST {
            let either = Schema::any(vec![detail.clone(), by_field.clone()]);
            (either, json!({"title": ["This field is required."]}))
        } else {
            (detail.clone(), json!({"detail": shared.detail}))
        };
        all.push(
            shared.name,
            response(shared.when, headers(shared.status), schema, example),
        );
    }
    all
}

/// The status of a shared fault: `404` of `NotFound`.
pub fn status_of(name: &str) -> String {
    let shared = SHARED.iter().find(|shared| shared.name == name);
    shared.map_or_else(String::new, |shared| shared.status.as_str().to_owned())
}

/// `{"detail": "..."}`
fn fault() -> Schema {
    let mut schema = Schema::of("object");
    let detail = Schema {
        description: "What is the matter, in a sentence.",
        ..Schema::of("string")
    };
    schema.properties.push("detail", detail);
    schema.required = vec!["detail"];
    schema
}

/// `{"<field>": ["..."]}`, nested ones by path.
fn by_field() -> Schema {
    let sentence = Schema {
        description: "What is wrong with the field, and how to mend it.",
        ..Schema::of("string")
    };
    Schema {
        additional_properties: Some(Others::Hold(Box::new(Schema::list(sentence)))),
        ..Schema::of("object")
    }
}

fn headers(status: StatusCode) -> Entries<Header> {
    let mut headers = Entries::default();
    match status {
        StatusCode::UNAUTHORIZED => headers.push(
            "WWW-Authenticate",
            Header {
                description: "How to say who asks.",
                schema: Schema::of("string"),
            },
        ),
        StatusCode::TOO_MANY_REQUESTS => headers.push(
            "Retry-After",
            Header {
                description: "Seconds until it is heard again.",
                schema: Schema::of("integer"),
            },
        ),
        _ => {}
    }
    headers
}

fn response(when: &str, headers: Entries<Header>, schema: Schema, example: Value) -> Response {
    let mut content = Entries::default();
    content.push(
        "application/json",
        Media {
            schema,
            example: Some(example),
        },
    );
    // Whoever asks for a page gets one around the fault.
    content.push(
        Format::Page.mime(),
        Media {
            schema: Schema::of("string"),
            example: None,
        },
    );
    Response {
        description: when.to_owned(),
        headers,
        content,
        links: Entries::default(),
    }
}

/// The faults that this operation may answer, by status.
pub fn of(path: &str, operation: &Operation, admits_visitors: bool) -> Vec<(StatusCode, Answer)> {
    let mut statuses = vec![
        StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED,
        StatusCode::NOT_ACCEPTABLE,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    let is_safe = operation.method == Method::GET;
    let is_open = admits_visitors && matches!(operation.rule, Rule::Is(..));
    if !is_safe || !is_open || operation.needs != Scope::Read {
        statuses.push(StatusCode::FORBIDDEN);
    }
    if operation.find.is_some() || path.contains('{') || operation.is_list {
        statuses.push(StatusCode::NOT_FOUND);
    }
    if operation.status == StatusCode::CREATED {
        statuses.extend([StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY]);
    }
    if operation.is_conditional() {
        statuses.push(StatusCode::PRECONDITION_FAILED);
    }
    if !is_safe {
        // A session's form is read for its token even where the body is not looked at.
        statuses.push(StatusCode::PAYLOAD_TOO_LARGE);
    }
    if !operation.takes.is_empty() {
        statuses.push(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let of_its_own = |status: &StatusCode| operation.faults.iter().find(|(own, _)| own == status);
    for (status, _) in &operation.faults {
        if !statuses.contains(status) {
            statuses.push(*status);
        }
    }
    statuses.sort();
    let answers = statuses.into_iter().filter_map(|status| {
        let shared = SHARED.iter().find(|shared| shared.status == status);
        let answer = match (of_its_own(&status), shared) {
            (Some((_, why)), _) => own(status, why),
            (None, Some(shared)) => Answer::Shared {
                reference: format!("#/components/responses/{}", shared.name),
            },
            (None, None) => return None,
        };
        Some((status, answer))
    });
    answers.collect()
}

/// One with a reason of its own.
fn own(status: StatusCode, why: &str) -> Answer {
    let fault = Schema::component("Fault");
    let schema = if status == StatusCode::BAD_REQUEST {
        Schema::any(vec![fault, Schema::component("FieldFaults")])
    } else {
        fault
    };
    Answer::Own(response(
        why,
        headers(status),
        schema,
        json!({"detail": why}),
    ))
}
