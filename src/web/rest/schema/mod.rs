//! The schema of the API: an OpenAPI 3.1 document made from the declarations, and from nothing else.
//!
//! [`document`] has the document as data, `build` makes it, `pages` shows it to people at `/api/docs/`. What is declared
//! of fields, parameters, rules and faults lives with them (`fields`, `parameters`, `permissions`, `resource`);
//! `web::errors` makes the faults themselves. Decision 0023.

mod access;
mod build;
pub mod document;
mod examples;
mod faults;
mod naming;
pub mod pages;
mod query;
mod shapes;
mod words;

use super::call::{Answer, Call, validator};
use super::resource::{Endpoint, Operation};
use crate::error::{Error, Result};
use axum::http::Method;
use bytes::Bytes;
use document::Document;
pub use examples::sending;
use std::sync::{Arc, OnceLock};

/// Where the document is served.
pub const PATH: &str = "/api/schema/";

/// The document, and its bytes with their validator.
pub struct Schema {
    /// The document as data.
    pub document: Document,
    json: Bytes,
    tag: String,
}

impl Schema {
    fn of(document: Document) -> serde_json::Result<Self> {
        let json = Bytes::from(serde_json::to_vec(&document)?);
        Ok(Self {
            tag: validator(&json),
            document,
            json,
        })
    }

    /// As JSON with line breaks, for people and their tools.
    pub fn pretty(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&self.document)
    }
}

/// A schema that is told of endpoints once all of them are known, its own among them.
#[derive(Clone, Default)]
pub(super) struct Pending(Arc<OnceLock<Schema>>);

impl Pending {
    /// The endpoint that serves it.
    pub(super) fn endpoint(&self) -> Endpoint {
        let pending = self.clone();
        let show = Operation::new(
            Method::GET,
            "This schema, OpenAPI 3.1.",
            move |call: Call| show(call, pending.clone()),
        );
        Endpoint {
            path: PATH.to_owned(),
            name: "Schema".to_owned(),
            about: "All of this, for programs: OpenAPI 3.1, made from the code that answers.",
            operations: vec![show],
        }
    }

    /// Makes it of these endpoints.
    pub(super) fn settle<'a>(&self, endpoints: impl Iterator<Item = &'a Endpoint>) {
        let made = Schema::of(build::document(endpoints));
        if let Ok(schema) = made {
            // Only the first counts; there is no second.
            let _ = self.0.set(schema);
        }
    }

    /// The schema.
    ///
    /// # Errors
    /// When it could not be made.
    pub(super) fn get(&self) -> Result<&Schema> {
        self.0
            .get()
            .ok_or_else(|| Error::internal("the schema could not be made"))
    }
}

async fn show(call: Call, pending: Pending) -> Result<Answer> {
    call.rests_on(&[]).await?;
    let schema = pending.get()?;
    Ok(Answer::sealed(schema.json.clone(), schema.tag.clone()))
}
