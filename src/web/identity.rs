//! Who is asking: the middleware that finds out, and the extractors that ask for it.
//!
//! A handler that takes a [`Student`] cannot run for an anonymous visitor; one that takes an
//! [`Author`] or [`Staff`] cannot run for somebody who may not. That a course is *hers* is
//! for the feature to check.

use crate::app::App;
use crate::entities::user;
use crate::error::{Error, Result};
use crate::web::headers::{client_address, is_by_proxy};
use crate::web::permissions;
use crate::web::response_cache::Marks;
use crate::web::scopes::{Scope, Scopes};
use crate::web::{credentials, sessions};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use axum_extra::extract::CookieJar;
use chrono_tz::Tz;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Told whoever runs the site and has not set up what that takes here.
const SET_UP_FIRST: &str =
    "Running this site takes two-factor log-in. Set it up under Settings, Security.";

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Person {
    /// Number of the account.
    pub id: i64,
    /// What she logs in with.
    pub username: String,
    /// Her name as shown; the user name where she gave none.
    pub name: String,
    /// Mail address, or empty.
    pub email: String,
    /// Runs the site.
    pub is_staff: bool,
    /// The zone in which times are shown to her.
    pub time_zone: Tz,
    /// `system`, `light` or `dark`.
    pub theme: String,
    /// Grows with every change of the password.
    pub credential_version: i64,
    /// The session, when a cookie told who she is.
    pub session_id: Option<i64>,
    /// Hash of the session's cookie, to which CSRF tokens are bound; else empty.
    pub session_hash: String,
    /// For what she may use the key that told who she is; none when it was no key, or one for everything.
    pub scopes: Option<Scopes>,
    /// Whether a key told who she is, whatever it may be used for.
    pub is_by_key: bool,
    /// Whether she runs the site, but may not until she has set up two-factor log-in.
    pub lacks_second_factor: bool,
    permissions: BTreeSet<String>,
}

impl Person {
    /// From her account and what her groups may do.
    pub fn new(account: user::Model, permissions: BTreeSet<String>) -> Self {
        let name = if account.name.is_empty() {
            account.username.clone()
        } else {
            account.name
        };
        Self {
            id: account.id,
            username: account.username,
            name,
            email: account.email,
            is_staff: account.is_staff,
            time_zone: account.time_zone.parse().unwrap_or(Tz::UTC),
            theme: account.theme,
            credential_version: account.credential_version,
            session_id: None,
            session_hash: String::new(),
            scopes: None,
            is_by_key: false,
            lacks_second_factor: false,
            permissions,
        }
    }

    /// The same person behind a key.
    #[must_use]
    pub fn by_key(mut self) -> Self {
        self.is_by_key = true;
        self
    }

    /// The same person behind a key with these scopes. What staff may, she may with `admin` alone.
    #[must_use]
    pub fn within(mut self, scopes: Scopes) -> Self {
        self.is_staff &= scopes.allow(Scope::Admin);
        self.scopes = Some(scopes);
        self
    }

    /// Whether she may, for example `courses.add_course`. Staff may everything. What is of the admin site a key opens with
    /// the scope `admin` alone, whoever owns it.
    pub fn may(&self, permission: &str) -> bool {
        self.is_staff || (self.permissions.contains(permission) && self.is_within(permission))
    }

    /// The same person without what runs the site: she has not set up the second factor that this takes here.
    #[must_use]
    pub fn without_second_factor(mut self) -> Self {
        self.is_staff = false;
        self.permissions.retain(|name| !is_of_admin(name));
        self.lacks_second_factor = true;
        self
    }

    /// What she is told who does not come into the admin site.
    pub fn refusal(&self) -> Error {
        if self.lacks_second_factor {
            Error::Forbidden(SET_UP_FIRST)
        } else {
            Error::forbidden()
        }
    }

    /// Whether any part of the admin site is open to her.
    pub fn enters_admin(&self) -> bool {
        let mut held = self.permissions.iter();
        self.is_staff || held.any(|name| is_of_admin(name) && self.is_within(name))
    }

    fn is_within(&self, permission: &str) -> bool {
        let allows = |scopes: Scopes| scopes.allow(Scope::Admin);
        !is_of_admin(permission) || self.scopes.is_none_or(allows)
    }

    /// Whether the places of a teacher are shown to her.
    pub fn is_instructor(&self) -> bool {
        self.may(permissions::VIEW_COURSE)
    }

    /// One or two letters for her picture.
    pub fn initials(&self) -> String {
        initials(&self.name)
    }
}

fn is_of_admin(permission: &str) -> bool {
    permission.starts_with(permissions::admin::PREFIX)
}

/// One or two letters of a name.
pub fn initials(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    let first = words.first().and_then(|word| word.chars().next());
    let last = if words.len() > 1 {
        words.last().and_then(|word| word.chars().next())
    } else {
        None
    };
    first
        .into_iter()
        .chain(last)
        .flat_map(char::to_uppercase)
        .collect()
}

/// Whoever asks, logged in or not.
#[derive(Debug, Clone, Default)]
pub struct Visitor(pub Option<Arc<Person>>);

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Student(pub Arc<Person>);

/// Somebody to whom the places of a teacher are open. What she may do there, each handler asks ([`permissions`]).
#[derive(Debug, Clone)]
pub struct Author(pub Arc<Person>);

/// Somebody who runs the site.
#[derive(Debug, Clone)]
pub struct Staff(pub Arc<Person>);

/// Set when an `Authorization` header, not a cookie, told who asks: then no CSRF rule holds.
#[derive(Debug, Clone, Copy)]
pub struct ByHeader;

impl Visitor {
    /// Her number.
    pub fn id(&self) -> Option<i64> {
        self.0.as_ref().map(|person| person.id)
    }
}

/// What [`identify`] found out. Nobody but this module sees it, so that nobody looks without leaving a mark.
#[derive(Clone)]
struct Found(Visitor);

/// Who asks, from what is known of a request or an answer. Leaves a mark where the answer might be kept for
/// others.
pub fn visitor_in(known: &Extensions) -> Visitor {
    if let Some(marks) = known.get::<Marks>() {
        marks.read_session();
    }
    found_in(known)
}

/// The hash of the session's cookie, to which CSRF tokens are bound; empty for visitors. Leaves no mark: a token
/// does so when its value is asked for.
pub(super) fn session_hash_in(known: &Extensions) -> String {
    let person = found_in(known).0;
    person.map_or_else(String::new, |person| person.session_hash.clone())
}

fn found_in(known: &Extensions) -> Visitor {
    known
        .get::<Found>()
        .map_or_else(Visitor::default, |found| found.0.clone())
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let visitor = visitor_in(&parts.extensions);
        // What is declared in the toolkit of the API looks there by itself, and does not come here.
        let scopes = visitor.0.as_ref().and_then(|person| person.scopes);
        if let Some(scopes) = scopes {
            scopes.check_page(&parts.method, parts.uri.path())?;
        }
        Ok(visitor)
    }
}

impl<S: Sync> FromRequestParts<S> for Student {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Visitor(person) = Visitor::from_request_parts(parts, state).await?;
        person.map(Self).ok_or(Error::LoginRequired)
    }
}

impl<S: Sync> FromRequestParts<S> for Author {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Student(person) = Student::from_request_parts(parts, state).await?;
        if person.is_instructor() {
            Ok(Self(person))
        } else {
            Err(Error::forbidden())
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Staff {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Student(person) = Student::from_request_parts(parts, state).await?;
        if person.is_staff {
            Ok(Self(person))
        } else {
            Err(person.refusal())
        }
    }
}

/// The name that a trusted proxy gives to the API, where the site is set so. A header that comes twice names nobody.
fn named_by_proxy(app: &App, request: &Request) -> Option<HeaderValue> {
    let name = app.config.remote_user_header.as_ref()?;
    let mut values = request.headers().get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let is_api = request.uri().path().starts_with("/api/");
    let is_given = is_api && !value.is_empty() && is_by_proxy(&app.config, request);
    is_given.then(|| value.clone())
}

/// Finds out who asks, before anything else looks at the request.
///
/// An `Authorization` header wins over the cookie: a program that sends one means it.
pub async fn identify(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    let header = request.headers().get(AUTHORIZATION).cloned();
    let named = named_by_proxy(&app, &request);
    let by_header = match (header, named) {
        (Some(value), _) => {
            let address = client_address(&request);
            Box::pin(credentials::check(&app, &value, address)).await?
        }
        (None, Some(name)) => Some(Box::pin(credentials::named_by_proxy(&app, &name)).await?),
        (None, None) => None,
    };
    let visitor = if let Some(person) = by_header {
        request.extensions_mut().insert(ByHeader);
        Visitor(Some(person))
    } else {
        let jar = CookieJar::from_headers(request.headers());
        match jar.get(sessions::COOKIE) {
            Some(cookie) => Visitor(sessions::find(&app, cookie.value()).await?),
            None => Visitor(None),
        }
    };
    request.extensions_mut().insert(Found(visitor.clone()));
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Found(visitor));
    Ok(response)
}
