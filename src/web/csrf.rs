//! Cross-site request forgery: a signed token in a cookie and again in the form or header
//! (OWASP, "signed double-submit cookie"), and the `Origin` header where there is one.
//!
//! The token is `<nonce>.<signature>`; the signature covers the nonce and the session, so that
//! a cookie planted by somebody else does not fit. Pages do not hold it: what stands in their forms
//! is made anew for each answer, a signature over the cookie's value, so that nothing secret can be
//! guessed from the sizes of compressed pages (BREACH, breachattack.com, "masking secrets"). The
//! cookie's value itself is taken too, from older clients and from scripts. Pages of anonymous visitors without a form
//! carry no token at all and can be cached.

use crate::app::App;
use crate::error::{Error, Result};
use crate::web::headers::set_cookie;
use crate::web::identity::{ByHeader, session_hash_in};
use crate::web::response_cache::Marks;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use axum_extra::extract::CookieJar;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use subtle::ConstantTimeEq as _;

/// The cookie that older clients know.
pub const COOKIE: &str = "csrftoken";
/// The form field that older clients know.
pub const FIELD: &str = "csrfmiddlewaretoken";
/// The header that older clients know.
pub const HEADER: &str = "x-csrftoken";

/// Ordinary forms take 1 MB.
pub const FORM_LIMIT_BYTES: usize = 1_000_000;

const REFUSED: &str = "This page is older than your log-in, or the form came from another site. \
                       Go back, reload the page, and send it again.";
/// Forms by which somebody gets into an account who has no session yet.
const WAYS_IN: [&str; 7] = [
    "/accounts/login/",
    "/accounts/login/code/",
    "/accounts/password/forgot/",
    "/accounts/password/reset/",
    "/accounts/email/confirm/",
    "/accounts/email/needed/",
    "/students/register/",
];
const LIFETIME: TimeDelta = TimeDelta::days(365);

/// The token of this request's pages. Asking for its value marks it as used, and only then
/// does the answer set the cookie.
#[derive(Debug, Clone)]
pub struct CsrfToken {
    cookie: Arc<str>,
    field: Arc<str>,
    is_used: Arc<AtomicBool>,
    marks: Option<Marks>,
}

impl CsrfToken {
    /// For a form's hidden field: another one in each answer, which is therefore nobody else's.
    pub fn value(&self) -> &str {
        self.is_used.store(true, Ordering::Relaxed);
        if let Some(marks) = &self.marks {
            marks.is_personal();
        }
        &self.field
    }
}

impl<S: Sync> FromRequestParts<S> for CsrfToken {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Error::internal("the CSRF layer is missing"))
    }
}

/// What a streaming handler still has to check: the form's first field. See [`guard_streams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// The header was right, or no cookie authenticates this request.
    Yes,
    /// The field [`FIELD`] must come before any file and be right.
    ByField,
}

/// Gives every request its token and sets the cookie when a page used it.
pub async fn issue(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let session = session_of(&request);
    let held =
        cookie_of(request.headers()).filter(|value| fits(&app, Use::Cookie, value, &session));
    let is_new = held.is_none();
    let held = held.unwrap_or_else(|| make(&app, Use::Cookie, &session));
    let is_signed_in = !session.is_empty();
    let token = CsrfToken {
        field: make(&app, Use::Field, &held).into(),
        cookie: held.into(),
        is_used: Arc::new(AtomicBool::new(is_signed_in)),
        marks: request.extensions().get::<Marks>().cloned(),
    };
    request.extensions_mut().insert(token.clone());
    let mut response = next.run(request).await;
    // Fault pages are made further out and carry the log-out form too.
    response.extensions_mut().insert(token.clone());
    let is_due = is_new && token.is_used.load(Ordering::Relaxed);
    if is_due && !sets_token(&response) && !is_shared(&response) {
        response
            .headers_mut()
            .append(SET_COOKIE, cookie(&app, &token.cookie));
    }
    response
}

/// Refuses unsafe requests without the token. Reads the body of ordinary forms (1 MB) and hands it on.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Result<Response> {
    if !is_safe(request.method()) {
        check_origin(&app, request.headers())?;
    }
    if !needs_token(&request) {
        return Ok(next.run(request).await);
    }
    if header_fits(&app, &request)? {
        return Ok(next.run(request).await);
    }
    let (mut parts, body) = request.into_parts();
    let content_type = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("")
        .to_owned();
    let bytes = axum::body::to_bytes(body, FORM_LIMIT_BYTES)
        .await
        .map_err(|_| {
            Error::TooLarge("This form takes up to 1 MB. Please shorten what you typed.".into())
        })?;
    let field = field_of(&content_type, &bytes).await;
    accept(
        &app,
        &parts.headers,
        &session_hash_in(&parts.extensions),
        field.as_deref(),
    )?;
    parts.extensions.insert(Checked::Yes);
    Ok(next
        .run(Request::from_parts(parts, Body::from(bytes)))
        .await)
}

/// The same for handlers that stream a large form: what the header did not settle, the handler must,
/// by [`accept_field`], before it takes a file.
pub async fn guard_streams(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    let mut checked = Checked::Yes;
    if !is_safe(request.method()) {
        check_origin(&app, request.headers())?;
    }
    if needs_token(&request) && !header_fits(&app, &request)? {
        checked = Checked::ByField;
    }
    request.extensions_mut().insert(checked);
    Ok(next.run(request).await)
}

/// Whether the field's value is the token of this browser and session.
///
/// # Errors
/// [`Error::Forbidden`].
pub fn accept_field(app: &App, parts: &Parts, value: &str) -> Result<()> {
    accept(
        app,
        &parts.headers,
        &session_hash_in(&parts.extensions),
        Some(value),
    )
}

/// A token for a session that has just begun, as a `Set-Cookie` value.
pub fn rotate(app: &App, session_token: &str) -> axum::http::HeaderValue {
    cookie(
        app,
        &make(app, Use::Cookie, &crate::web::sessions::hash(session_token)),
    )
}

fn cookie(app: &App, value: &str) -> axum::http::HeaderValue {
    set_cookie(COOKIE, value, LIFETIME, false, app.config.is_https())
}

/// What caches may hand to anybody must not carry a cookie of somebody.
fn is_shared(response: &Response) -> bool {
    let control = response.headers().get(CACHE_CONTROL);
    control.is_some_and(|value| value.as_bytes().starts_with(b"public"))
}

fn sets_token(response: &Response) -> bool {
    response
        .headers()
        .get_all(SET_COOKIE)
        .iter()
        .any(|value| value.as_bytes().starts_with(b"csrftoken="))
}

/// Methods that change nothing (RFC 9110, section 9.2.1).
fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

/// Unsafe methods need the token, unless credentials in a header told who asks. A browser adds
/// Basic credentials that it knows by itself, but then also an `Origin`, which is looked at always. Anonymous visitors need it too where a form logs them in; elsewhere
/// there is nothing of theirs that could be forged, and handlers ask them to log in.
fn needs_token(request: &Request) -> bool {
    if is_safe(request.method()) {
        return false;
    }
    if request.extensions().get::<ByHeader>().is_some() {
        return false;
    }
    let path = request.uri().path();
    !session_of(request).is_empty() || WAYS_IN.contains(&path)
}

fn header_fits(app: &App, request: &Request) -> Result<bool> {
    let Some(value) = request.headers().get(HEADER) else {
        return Ok(false);
    };
    accept(
        app,
        request.headers(),
        &session_of(request),
        value.to_str().ok(),
    )
    .map(|()| true)
}

fn accept(app: &App, headers: &HeaderMap, session: &str, sent: Option<&str>) -> Result<()> {
    let (Some(sent), Some(held)) = (sent, cookie_of(headers)) else {
        return Err(Error::Forbidden(REFUSED));
    };
    let is_held = bool::from(sent.as_bytes().ct_eq(held.as_bytes()));
    let is_of_held = is_held || fits(app, Use::Field, sent, &held);
    if is_of_held && fits(app, Use::Cookie, &held, session) {
        Ok(())
    } else {
        Err(Error::Forbidden(REFUSED))
    }
}

fn session_of(request: &Request) -> String {
    session_hash_in(request.extensions())
}

fn cookie_of(headers: &HeaderMap) -> Option<String> {
    CookieJar::from_headers(headers)
        .get(COOKIE)
        .map(|cookie| cookie.value().to_owned())
}

/// What a token is good for; one for the one use does not fit the other.
#[derive(Debug, Clone, Copy)]
enum Use {
    /// Bound to a session; empty for visitors.
    Cookie,
    /// Bound to the cookie's value.
    Field,
}

fn make(app: &App, usage: Use, bound_to: &str) -> String {
    let nonce = URL_SAFE_NO_PAD.encode(app.clock.random_bytes::<16>());
    let signature = sign(app, usage, &nonce, bound_to);
    format!("{nonce}.{signature}")
}

fn fits(app: &App, usage: Use, token: &str, bound_to: &str) -> bool {
    token.split_once('.').is_some_and(|(nonce, signature)| {
        let expected = sign(app, usage, nonce, bound_to);
        !expected.is_empty() && bool::from(expected.as_bytes().ct_eq(signature.as_bytes()))
    })
}

fn sign(app: &App, usage: Use, nonce: &str, bound_to: &str) -> String {
    // HMAC takes keys of any length, so that this cannot fail; an empty signature fits nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(app.config.secret.0.as_bytes()) else {
        return String::new();
    };
    mac.update(match usage {
        Use::Cookie => b"csrf:",
        Use::Field => b"csrf-field:",
    });
    mac.update(nonce.as_bytes());
    mac.update(b":");
    mac.update(bound_to.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// An origin is ours if it is the public URL's, or the `Host` header's where none is configured.
pub fn check_origin(app: &App, headers: &HeaderMap) -> Result<()> {
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or("");
    let is_ours = if let Some(url) = &app.config.public_url {
        url.origin().ascii_serialization() == origin
    } else {
        let host = headers
            .get(HOST)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        origin
            .split_once("://")
            .is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
    };
    if is_ours {
        Ok(())
    } else {
        Err(Error::Forbidden(REFUSED))
    }
}

async fn field_of(content_type: &str, bytes: &Bytes) -> Option<String> {
    let mime = content_type.split(';').next().unwrap_or("").trim();
    if mime.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let found = url::form_urlencoded::parse(bytes).find(|(name, _)| name == FIELD);
        return found.map(|(_, value)| value.into_owned());
    }
    if !mime.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = multer::parse_boundary(content_type).ok()?;
    let body = bytes.clone();
    let stream = futures::stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
    let mut form = multer::Multipart::new(stream, boundary);
    while let Ok(Some(field)) = form.next_field().await {
        if field.name() == Some(FIELD) {
            return field.text().await.ok();
        }
    }
    None
}
