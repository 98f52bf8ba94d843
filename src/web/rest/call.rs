//! A call as handlers see it, and what they answer.

use super::fields::{Field, write_heading, write_line, write_object, write_objects};
use super::finish::condition;
use super::given::Given;
use super::negotiation::{Format, Wish};
use super::once::Once;
use super::parameters::FIELDS;
use super::permissions::Object;
use crate::app::App;
use crate::config::Config;
use crate::db::Write;
use crate::error::{Error, Result};
use crate::web::audit::{By, Via};
use crate::web::fragments;
use crate::web::identity::Person;
use crate::web::response_cache::Keep;
use crate::web::tags::{Noting, Tag};
use axum::http::header::{HOST, IF_MATCH, IF_NONE_MATCH};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use backends::cache::Timeout;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::stream::BoxStream;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;
use url::form_urlencoded;

const AT_ONCE: &str = "The same request is being answered just now. Please send it again.";
/// Characters of a validator.
const VALIDATOR: usize = 22;
/// The same before it is written in base64.
const VALIDATOR_BYTES: usize = 16;
/// Characters that tell two answers of one version apart.
const MOMENT: usize = 8;

/// A call that is allowed.
pub struct Call {
    /// The site.
    pub app: App,
    /// Who asks.
    pub person: Option<Arc<Person>>,
    /// How.
    pub method: Method,
    /// The number in the path; 0 where there is none.
    pub id: i64,
    /// In which format she wants it.
    pub wish: Wish,
    /// What she sent, held against what the operation takes.
    pub given: Given,
    /// From where she asks.
    pub(super) address: IpAddr,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) known: Vec<&'static str>,
    pub(super) object: Option<Box<dyn Object>>,
    pub(super) keep: Keep,
    /// The name of the request, where its sender gave it one and it makes something.
    pub(super) once: Option<Arc<Once>>,
}

impl Call {
    /// What the call is about.
    ///
    /// # Errors
    /// When the operation declares something else.
    pub fn object<T: Object>(&self) -> Result<&T> {
        let object = self.object.as_deref().map(|object| object as &dyn Any);
        object
            .and_then(|object| object.downcast_ref())
            .ok_or_else(|| Error::internal("an operation is about something else than it declares"))
    }

    /// Who asks, where the rule lets in nobody else than those who are logged in.
    ///
    /// # Errors
    /// [`Error::LoginRequired`].
    pub fn person(&self) -> Result<&Person> {
        self.person.as_deref().ok_or(Error::LoginRequired)
    }

    /// Who asks, for the log of changes.
    ///
    /// # Errors
    /// As [`Call::person`].
    pub fn by(&self) -> Result<By> {
        let now = self.app.clock.now();
        Ok(By::person(self.person()?, Via::Api, self.address, now))
    }

    /// From where she asks.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// A parameter of the query; the last wins when it comes twice, and an empty one counts as absent.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.sent(name);
        found.filter(|value| !value.is_empty())
    }

    /// As [`Call::parameter`], empty ones included.
    pub fn sent(&self, name: &str) -> Option<&str> {
        let found = self
            .parameters
            .iter()
            .rev()
            .find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter that is a whole number.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is none.
    pub fn number(&self, name: &str) -> Result<Option<i64>> {
        let Some(text) = self.parameter(name) else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_| {
            let message = format!(
                "A whole number is expected here, not “{}”.",
                shortened(text)
            );
            Error::invalid(name, message)
        })?;
        Ok(Some(number))
    }

    /// A parameter that is `true` or `false`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is neither.
    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.parameter(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Error::invalid(
                name,
                format!(
                    "true or false is expected here, not “{}”.",
                    shortened(other)
                ),
            )),
        }
    }

    /// Whether nothing in the address changes what is answered, but the format.
    pub fn is_plain(&self) -> bool {
        !self
            .parameters
            .iter()
            .any(|(name, _)| name != "format" && self.known.contains(&name.as_str()))
    }

    /// Those of the fields that `?fields=` names, or all, as with operations that do not look at it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that there is not.
    pub fn selected<T>(&self, fields: &'static [Field<T>]) -> Result<Vec<&'static Field<T>>> {
        let wanted = self.parameter("fields");
        let Some(wanted) = wanted.filter(|_| self.known.contains(&FIELDS.name)) else {
            return Ok(fields.iter().collect());
        };
        let wanted: Vec<&str> = wanted.split(',').map(str::trim).collect();
        let is_there = |name: &&str| fields.iter().any(|field| field.declared.name == *name);
        if let Some(unknown) = wanted.iter().find(|name| !is_there(name)) {
            let names: Vec<&str> = fields.iter().map(|field| field.declared.name).collect();
            let message = format!(
                "There is no field “{}”; there are {}.",
                shortened(unknown),
                names.join(", ")
            );
            return Err(Error::invalid("fields", message));
        }
        let is_wanted = |field: &&Field<T>| wanted.contains(&field.declared.name);
        Ok(fields.iter().filter(is_wanted).collect())
    }

    /// The answer with one thing.
    pub fn one<T>(&self, fields: &'static [Field<T>], row: &T) -> Result<Answer> {
        let fields = self.selected(fields)?;
        let mut out = Vec::new();
        write_object(fields.iter().copied(), row, &mut out);
        if !fields.iter().any(|field| field.declared.is_passing) {
            return Ok(Answer::json(out.into()));
        }
        // The version of what lasts, and behind the dot that of this very answer.
        let whole = validator(&out);
        let moment = whole.get(..MOMENT).unwrap_or_default();
        let tag = format!("{}.{moment}", version(fields.into_iter(), row));
        Ok(Answer::sealed(out.into(), tag))
    }

    /// Makes what was made last, and answers it: it stands at this path of the site. Where the request has a name, its
    /// answer is kept under it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the same request was quicker: `serve` answers as that did.
    pub async fn made<T>(
        &self,
        write: Write,
        fields: &'static [Field<T>],
        row: &T,
        path: &str,
    ) -> Result<Answer> {
        self.made_showing_once(write, fields, (row, row), path)
            .await
    }

    /// As [`Call::made`], for what is shown this once: `shown` is answered, and `kept`, which lacks the secret, is what the
    /// same request hears when it is sent again.
    ///
    /// # Errors
    /// As [`Call::made`].
    pub async fn made_showing_once<T>(
        &self,
        write: Write,
        fields: &'static [Field<T>],
        (shown, kept): (&T, &T),
        path: &str,
    ) -> Result<Answer> {
        let answer = self.one(fields, shown)?;
        if let Some(once) = &self.once
            && let Content::Whole(bytes, tag) = self.one(fields, kept)?.body
        {
            let version = tag.unwrap_or_else(|| validator(&bytes));
            if !once
                .keep(&self.app, &write, (path, version), &bytes)
                .await?
            {
                write.rollback().await?;
                return Err(Error::Conflict(AT_ONCE.into()));
            }
        }
        write.commit().await?;
        Ok(answer.made_at(&self.site(), path))
    }

    /// The answer with a few things that stand in no table of the database.
    pub fn many<T>(&self, fields: &'static [Field<T>], rows: &[T]) -> Result<Answer> {
        let fields = self.selected(fields)?;
        let mut out = Vec::new();
        if self.wish.format == Format::Csv {
            write_heading(fields.iter().copied(), &mut out);
            for row in rows {
                write_line(fields.iter().copied(), row, &mut out);
            }
        } else {
            out.push(b'[');
            write_objects(&fields, rows, &mut out);
            out.push(b']');
        }
        Ok(Answer::json(out.into()))
    }

    /// One thing as finished bytes.
    pub fn bytes<T>(fields: &'static [Field<T>], row: &T) -> Result<Bytes> {
        let mut out = Vec::new();
        write_object(fields.iter(), row, &mut out);
        Ok(out.into())
    }

    /// Whether the caller names a version, so that [`Call::unchanged`] will look at the thing.
    pub fn has_condition(&self) -> bool {
        self.headers.contains_key(IF_MATCH) || self.headers.contains_key(IF_NONE_MATCH)
    }

    /// Lets a change go on only while the thing is as `If-Match` says, and not as `If-None-Match` does (RFC 9110,
    /// section 13.2.2), by the version that a GET without parameters answers; what moves by itself is no part of it. To
    /// be asked within the transaction that changes the thing, when it is held and the body was judged, so that of two
    /// who change the same version one is refused.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`].
    pub fn unchanged<T>(&self, fields: &[Field<T>], row: &T) -> Result<()> {
        if self.has_condition() {
            condition(&self.headers, &version(fields.iter(), row))
        } else {
            Ok(())
        }
    }

    /// The answer that `make` makes, kept for all callers to whom this key leads, while none of the tags has changed.
    /// For visitors it may be kept as a whole, too.
    pub async fn kept<F, Fut>(&self, key: &str, tags: &[Tag], make: F) -> Result<Answer>
    where
        F: FnOnce(Noting) -> Fut,
        Fut: Future<Output = Result<Bytes>>,
    {
        let key = format!("rest:{}:{key}", fragments::edition(&self.app.config));
        let sealed = self
            .app
            .tagged
            .get_or_make_bytes(&key, tags, Timeout::Default, async |noting| {
                Ok(seal(&make(noting).await?))
            })
            .await?;
        unseal(&sealed).ok_or_else(|| Error::internal("a kept answer of another shape"))
    }

    /// Says that the answer is the same for all visitors while none of the tags changes: to be called before
    /// anything is read. Only for calls whose address is [plain](Call::is_plain).
    pub async fn rests_on(&self, tags: &[Tag]) -> Result<()> {
        if self.person.is_some() || !self.is_plain() {
            return Ok(());
        }
        self.keep.rests_on(&self.app, tags, &self.known).await
    }

    /// The address of the site, as the caller sees it, without a slash at the end.
    pub fn site(&self) -> String {
        site_at(&self.app.config, &self.uri, &self.headers)
    }

    /// The address of this call with some parameters of the query set or, by `None`, left out.
    pub fn address_with(&self, changes: &[(&str, Option<String>)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.parameters {
            if !changes.iter().any(|(changed, _)| changed == name) {
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
        format!("{}{}{mark}{query}", self.site(), self.uri.path())
    }
}

/// The address of the site, as whoever sent this sees it, without a slash at the end.
pub(super) fn site_at(config: &Config, uri: &Uri, headers: &HeaderMap) -> String {
    if let Some(url) = &config.public_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    let host = uri.authority().map(Authority::as_str).or(host);
    let is_host = |host: &&str| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
    };
    host.filter(is_host).map_or_else(
        || config.site_url().trim_end_matches('/').to_owned(),
        |host| format!("http://{host}"),
    )
}

/// What was typed, in a sentence.
pub fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// What a handler answers.
pub struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Content,
    /// The value of `Link`, or empty.
    pub(super) links: String,
    /// The address of what was made, or empty.
    pub(super) location: String,
}

/// What an answer holds.
pub(super) enum Content {
    /// Everything, with its validator where that is known.
    Whole(Bytes, Option<String>),
    /// More than is held in memory at once.
    Stream(BoxStream<'static, Result<Bytes>>),
}

impl Answer {
    /// Finished bytes in the format that was wished for, or compact JSON.
    pub fn json(bytes: Bytes) -> Self {
        Self::of(Content::Whole(bytes, None))
    }

    /// Finished bytes of which the validator is known.
    pub(super) fn sealed(bytes: Bytes, validator: String) -> Self {
        Self::of(Content::Whole(bytes, Some(validator)))
    }

    /// What can be serialized.
    pub fn value(value: &impl Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec(value).map_err(Error::internal)?;
        Ok(Self::json(bytes.into()))
    }

    pub(super) fn stream(stream: BoxStream<'static, Result<Bytes>>) -> Self {
        Self::of(Content::Stream(stream))
    }

    fn of(body: Content) -> Self {
        Self {
            status: StatusCode::OK,
            body,
            links: String::new(),
            location: String::new(),
        }
    }

    /// That it is done, and nothing else.
    pub fn nothing() -> Self {
        Self::of(Content::Whole(Bytes::new(), None))
    }

    /// The same answer to what was taken, but is not done yet: 202. The operation says what it holds then
    /// ([`or_accepts`](super::Operation::or_accepts)).
    #[must_use]
    pub fn accepted(mut self) -> Self {
        self.status = StatusCode::ACCEPTED;
        self
    }

    /// The same, for what was made and is found at this path of this site.
    #[must_use]
    pub(super) fn made_at(mut self, site: &str, path: &str) -> Self {
        self.location = format!("{site}{path}");
        self
    }

    /// Whether there is anything in it.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.body, Content::Whole(bytes, _) if bytes.is_empty())
    }
}

/// The version of a thing: the validator of what does not move by itself.
fn version<'f, T: 'static>(fields: impl Iterator<Item = &'f Field<T>>, row: &T) -> String {
    let mut out = Vec::new();
    write_object(
        fields.filter(|field| !field.declared.is_passing),
        row,
        &mut out,
    );
    validator(&out)
}

/// The validator of these bytes, without quotes; that of `web::response_cache`, so that either will do.
pub(super) fn validator(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    URL_SAFE_NO_PAD.encode(digest.get(..VALIDATOR_BYTES).unwrap_or_default())
}

/// Bytes with their validator in front, so that it is computed once.
fn seal(bytes: &Bytes) -> Bytes {
    let mut sealed = Vec::with_capacity(VALIDATOR + bytes.len());
    sealed.extend_from_slice(validator(bytes).as_bytes());
    sealed.extend_from_slice(bytes);
    sealed.into()
}

fn unseal(sealed: &Bytes) -> Option<Answer> {
    let validator = std::str::from_utf8(sealed.get(..VALIDATOR)?).ok()?;
    let content = Content::Whole(sealed.slice(VALIDATOR..), Some(validator.to_owned()));
    Some(Answer::of(content))
}
