//! What a form of a page to explore sends: browsers know GET and POST alone, so that the form names the method.
//!
//! That is heeded for forms whose token against forged requests was found right in a field, and for nothing else: a
//! program's `_method` is a field like any other (decision 0024).

use crate::error::{Error, Result};
use crate::web::csrf::{self, Checked, FORM_LIMIT_BYTES};
use crate::web::form::Form;
use crate::web::rest::fields::{Declared, Kind};
use crate::web::rest::resource::Endpoint;
use axum::body::Body;
use axum::extract::{FromRequest as _, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method};
use url::form_urlencoded;

/// The field that names the method.
pub const METHOD: &str = "_method";
/// The field with the validator of what the form was filled with.
pub const VERSION: &str = "_version";
/// The field with a body as it is to be sent, in JSON.
pub const CONTENT: &str = "_content";
/// What such a form may ask for.
const METHODS: [Method; 5] = [
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// A form that was sent, to be shown again when something is wrong with it.
#[derive(Clone, Default)]
pub struct Sent {
    pairs: Form,
    /// The body as it was typed, when it was.
    pub raw: Option<String>,
    /// What the form was filled with.
    pub version: String,
}

impl Sent {
    /// What was typed into a field.
    pub fn get(&self, name: &str) -> &str {
        self.pairs.get(name)
    }

    /// Whether the fields themselves were sent, rather than a raw body.
    pub fn has_fields(&self) -> bool {
        self.raw.is_none()
    }
}

/// Makes the request that a form of a page stands for; any other stays as it is.
///
/// # Errors
/// [`Error::BadRequest`] for a method that no form offers, or what is no form.
pub async fn open(
    parts: &mut Parts,
    body: Body,
    endpoint: &Endpoint,
) -> Result<(Body, Option<Sent>)> {
    if parts.method != Method::POST || !is_checked(parts) {
        return Ok((body, None));
    }
    // It was read once already, to look at its token.
    let bytes = axum::body::to_bytes(body, FORM_LIMIT_BYTES)
        .await
        .map_err(Error::internal)?;
    let request = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
    let form = Form::from_request(request, &()).await?;
    if !form.has(METHOD) {
        return Ok((Body::from(bytes), None));
    }
    let wanted = METHODS
        .iter()
        .find(|method| method.as_str() == form.get(METHOD));
    parts.method = wanted
        .ok_or_else(|| Error::BadRequest("The form asks for a method that there is not.".into()))?
        .clone();
    let sent = Sent {
        raw: form.has(CONTENT).then(|| form.long_text(CONTENT)),
        version: form.get(VERSION).to_owned(),
        pairs: form,
    };
    let (kind, body) = if let Some(raw) = &sent.raw {
        ("application/json", raw.clone())
    } else {
        let operation = endpoint.operation(&parts.method);
        let takes = operation.map_or(&[][..], |operation| operation.takes.as_slice());
        (
            "application/x-www-form-urlencoded",
            encoded(&sent.pairs, takes),
        )
    };
    for name in [CONTENT_LENGTH, IF_MATCH, IF_NONE_MATCH] {
        parts.headers.remove(name);
    }
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // One that is no header was never ours, and matches nothing.
    put(parts, IF_MATCH, &sent.version);
    Ok((Body::from(body), Some(sent)))
}

fn put(parts: &mut Parts, name: HeaderName, value: &str) {
    if !value.is_empty() {
        let value = HeaderValue::from_str(value);
        let value = value.unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        parts.headers.insert(name, value);
    }
}

/// Whether a form came whose token was in a field and right.
fn is_checked(parts: &Parts) -> bool {
    let content_type = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_form =
        content_type.is_some_and(|kind| kind.starts_with(b"application/x-www-form-urlencoded"));
    is_form && parts.extensions.get::<Checked>() == Some(&Checked::Yes)
}

/// The fields as the toolkit reads forms: lists that were typed as one text are taken apart, and lines end as ours do.
fn encoded(form: &Form, takes: &[Declared]) -> String {
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form.pairs() {
        if [METHOD, VERSION, csrf::FIELD].contains(&name) {
            continue;
        }
        match takes
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.kind)
        {
            Some(Kind::References(_)) => {
                let parts = value.split(|c: char| c == ',' || c.is_whitespace());
                append(&mut body, name, parts);
            }
            Some(Kind::Texts) => append(&mut body, name, value.lines().map(str::trim)),
            _ => {
                body.append_pair(name, &value.replace("\r\n", "\n"));
            }
        }
    }
    body.finish()
}

/// One pair for each value; an empty one where there is none, which says that the list is empty.
fn append<'v>(
    body: &mut form_urlencoded::Serializer<'_, String>,
    name: &str,
    values: impl Iterator<Item = &'v str>,
) {
    let mut is_empty = true;
    for value in values.filter(|value| !value.is_empty()) {
        body.append_pair(name, value);
        is_empty = false;
    }
    if is_empty {
        body.append_pair(name, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::rest::fields::Access;

    #[test]
    fn lists_that_were_typed_as_one_text_are_taken_apart() {
        let takes = [
            Declared::taken("modules", Kind::References("modules"), Access::Optional, ""),
            Declared::taken("tags", Kind::Texts, Access::Optional, ""),
            Declared::taken("title", Kind::Text, Access::Optional, ""),
        ];
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let form = Form::from_pairs(vec![
            pair(METHOD, "PUT"),
            pair(csrf::FIELD, "secret"),
            pair("modules", "3, 1\r\n2"),
            pair("tags", "a b\r\n\r\nc"),
            pair("title", "one, two\r\nthree"),
        ]);
        assert_eq!(
            encoded(&form, &takes),
            "modules=3&modules=1&modules=2&tags=a+b&tags=c&title=one%2C+two%0Athree"
        );
        let empty = Form::from_pairs(vec![pair("modules", " "), pair("other", "1")]);
        assert_eq!(encoded(&empty, &takes), "modules=&other=1");
    }
}
