//! `Authorization: Basic`, `Token` and `Bearer` (RFC 7617, RFC 6750).
//!
//! A credential that was checked is remembered for a minute under a keyed hash, so that a
//! program with Basic credentials does not cost a password hash a call. A changed password,
//! changed rights and a revoked key drop it: at once in the process that changed them, and on
//! every other as soon as the bus tells.

use crate::app::App;
use crate::config::{ConfirmedEmail, Secret};
use crate::entities::{token, user};
use crate::error::{Error, Result};
use crate::web::identity::Person;
use crate::web::remembered::Remembered;
use crate::web::scopes::Scopes;
use crate::web::second_factor::{self, load_person_within};
use crate::web::{sessions, throttle};
use axum::http::HeaderValue;
use base64::Engine as _;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use moka::future::Cache;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use sha2::Sha256;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// What a program with a wrong name, password or key is told.
const WRONG: &str = "Invalid username/password.";
const MALFORMED: &str = "Invalid basic header. Credentials not correctly base64 encoded.";
const WRONG_TOKEN: &str = "Invalid token.";
const TAKES_A_CODE: &str = "This account logs in with two factors: name and password alone are not enough. Use a token, made under Settings, Tokens.";
const UNCONFIRMED: &str =
    "The mail address of this account is not confirmed. Log in with a browser to have a link sent.";
const NOBODY: &str = "Nobody here is called as the proxy says.";

/// Credentials that were found good lately, by a keyed hash of their header.
pub struct Credentials {
    key: Vec<u8>,
    known: Remembered<[u8; 32]>,
    /// One check at a time of one header: a program that opens fifty connections at once costs
    /// one password hash, not fifty.
    checks: Cache<[u8; 32], Arc<Mutex<()>>>,
}

impl Credentials {
    /// Remembers up to 10,000 for a minute.
    pub fn new(secret: &Secret) -> Self {
        Self {
            key: secret.0.as_bytes().to_vec(),
            known: Remembered::new(10_000, Duration::from_secs(60)),
            checks: Cache::builder()
                .max_capacity(10_000)
                .time_to_idle(Duration::from_secs(60))
                .build(),
        }
    }

    /// Forgets what is remembered of a person.
    pub fn forget(&self, user_id: i64) {
        self.known.forget(user_id);
    }

    /// Forgets everything, when events may have been lost.
    pub fn forget_all(&self) {
        self.known.forget_all();
    }

    fn name(&self, header: &HeaderValue) -> [u8; 32] {
        self.name_of(b"credential:", header)
    }

    fn name_of(&self, kind: &[u8], header: &HeaderValue) -> [u8; 32] {
        // HMAC takes keys of any length, so that this cannot fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else {
            return [0; 32];
        };
        mac.update(kind);
        mac.update(header.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Whose credentials the header holds; `None` when its scheme is none of ours.
///
/// # Errors
/// [`Error::WrongCredentials`], and [`Error::TooMany`] after too many wrong ones.
pub async fn check(
    app: &App,
    header: &HeaderValue,
    address: IpAddr,
) -> Result<Option<Arc<Person>>> {
    let Some(shown) = shown(header) else {
        return Ok(None);
    };
    let memory = &app.credentials;
    let name = memory.name(header);
    if let Some(person) = remembered(app, &name).await {
        return Ok(Some(person));
    }
    let turn = memory.checks.get_with(name, async { Arc::default() }).await;
    let _turn = turn.lock().await;
    if let Some(person) = remembered(app, &name).await {
        return Ok(Some(person));
    }
    let began = memory.known.moment();
    let (person, expires_at) = match shown {
        Shown::Basic(value) => (basic(app, &value, address).await?, None),
        Shown::Token(key) => by_token(app, &key, address).await?,
    };
    let person = Arc::new(person);
    memory
        .known
        .keep(name, began, Arc::clone(&person), expires_at)
        .await;
    Ok(Some(person))
}

/// Who was found behind a header lately. Nobody while changes that others make are not heard.
async fn remembered(app: &App, name: &[u8; 32]) -> Option<Arc<Person>> {
    if !app.bus.is_hearing() {
        return None;
    }
    let known = app.credentials.known.get(name).await?;
    let lasts = known.expires_at.is_none_or(|end| end > app.clock.now());
    lasts.then(|| Arc::clone(&known.person))
}

/// Whom a trusted proxy names. She is remembered like a credential that was checked.
///
/// # Errors
/// [`Error::WrongCredentials`] when nobody who may come in is called so.
pub async fn named_by_proxy(app: &App, header: &HeaderValue) -> Result<Arc<Person>> {
    let memory = &app.credentials;
    // No header of a client begins like this.
    let name = memory.name_of(b"proxy:", header);
    if let Some(person) = remembered(app, &name).await {
        return Ok(person);
    }
    let began = memory.known.moment();
    let username = std::str::from_utf8(header.as_bytes()).unwrap_or("");
    let account = if may_be_stored(username) {
        user::Entity::find()
            .filter(user::Column::Username.eq(username))
            .filter(user::Column::IsActive.eq(true))
            .one(app.db.read())
            .await?
    } else {
        None
    };
    let account = account.ok_or(Error::WrongCredentials(NOBODY))?;
    let person = Arc::new(sessions::load_person(app.db.read(), account).await?);
    memory
        .known
        .keep(name, began, Arc::clone(&person), None)
        .await;
    Ok(person)
}

/// What a header shows. Not `Debug`: it holds a secret.
pub(super) enum Shown {
    /// Name and password, in Base64.
    Basic(String),
    /// A key.
    Token(String),
}

/// What is shown, told by its scheme; `None` when that is none of ours.
pub(super) fn shown(header: &HeaderValue) -> Option<Shown> {
    let text = String::from_utf8_lossy(header.as_bytes());
    let (scheme, value) = text.split_once(' ').unwrap_or((&text, ""));
    let value = value.trim().to_owned();
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => Some(Shown::Basic(value)),
        "token" | "bearer" => Some(Shown::Token(value)),
        _ => None,
    }
}

/// Name and password of Basic credentials.
///
/// # Errors
/// [`Error::WrongCredentials`] for what cannot be read.
pub(super) fn name_and_password(value: &str) -> Result<(String, String)> {
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(value)
        .map_err(|_| Error::WrongCredentials(MALFORMED))?;
    // Programs that are not told a charset send UTF-8 or Latin-1 (RFC 7617, section 2.1, B.3).
    let decoded = String::from_utf8(decoded)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    let (username, password) = decoded
        .split_once(':')
        .ok_or(Error::WrongCredentials(MALFORMED))?;
    Ok((username.to_owned(), password.to_owned()))
}

async fn basic(app: &App, value: &str, address: IpAddr) -> Result<Person> {
    let (username, password) = name_and_password(value)?;
    let person = authenticate(app, &username, &password, address)
        .await?
        .ok_or(Error::WrongCredentials(WRONG))?;
    if second_factor::is_on(app.db.read(), person.id).await? {
        return Err(Error::WrongCredentials(TAKES_A_CODE));
    }
    if app.config.confirmed_email == ConfirmedEmail::Login && !person.is_staff {
        let account = user::Entity::find_by_id(person.id)
            .one(app.db.read())
            .await?;
        if account.is_none_or(|account| account.email_confirmed_at.is_none()) {
            return Err(Error::WrongCredentials(UNCONFIRMED));
        }
    }
    Ok(person)
}

/// The person behind name and password; `None` when they do not fit.
///
/// Pages and Basic credentials share the count of failures.
///
/// # Errors
/// [`Error::TooMany`] after too many failures, [`Error::Unavailable`] when too many log in at once.
pub async fn authenticate(
    app: &App,
    username: &str,
    password: &str,
    address: IpAddr,
) -> Result<Option<Person>> {
    throttle::check(app, username, address).await?;
    let account = if may_be_stored(username) {
        user::Entity::find()
            .filter(user::Column::Username.eq(username))
            .one(app.db.read())
            .await?
    } else {
        None
    };
    let hash = account
        .as_ref()
        .filter(|a| a.is_active)
        .map_or("", |a| a.password_hash.as_str());
    let is_right = app.passwords.verify(password, hash).await?;
    // Of many tries at once, those that were waiting for a core when the limit was reached are
    // not answered either.
    throttle::check(app, username, address).await?;
    match account {
        Some(account) if is_right => Ok(Some(load_person_within(app, account).await?)),
        _ => {
            throttle::failed(app, username, address).await?;
            Ok(None)
        }
    }
}

/// PostgreSQL refuses a query that holds a NUL character, and nobody's name has more than 150.
fn may_be_stored(username: &str) -> bool {
    !username.contains('\0') && username.chars().count() <= 150
}

/// The person behind a key, and until when.
async fn by_token(
    app: &App,
    key: &str,
    address: IpAddr,
) -> Result<(Person, Option<DateTime<Utc>>)> {
    throttle::check_address(app, address).await?;
    let now = app.clock.now();
    let is_good = |row: &token::Model, account: Option<&user::Model>| {
        row.expires_at.is_none_or(|end| end > now) && account.is_some_and(|a| a.is_active)
    };
    let found = token::Entity::find()
        .filter(token::Column::TokenHash.eq(sessions::hash(key)))
        .find_also_related(user::Entity)
        .one(app.db.read())
        .await?;
    let found = found.filter(|(row, account)| is_good(row, account.as_ref()));
    let Some((row, Some(account))) = found else {
        throttle::failed_address(app, address).await?;
        return Err(Error::WrongCredentials(WRONG_TOKEN));
    };
    touch(app, &row, now).await;
    // A key may be older than what is asked of staff now, or made with the password alone.
    let person = load_person_within(app, account).await?.by_key();
    let person = match &row.scopes {
        Some(names) => person.within(Scopes::stored(names)),
        None => person,
    };
    Ok((person, row.expires_at))
}

/// Notes the hour of use; a failure must not keep anybody out.
async fn touch(app: &App, row: &token::Model, now: DateTime<Utc>) {
    let is_noted = |last: DateTime<Utc>| now - last < TimeDelta::hours(1);
    if row.last_used_at.is_some_and(is_noted) {
        return;
    }
    // Of several nodes that see it at once, one writes; one that was revoked meanwhile is not there any more.
    let before = match row.last_used_at {
        Some(last) => token::Column::LastUsedAt.eq(last),
        None => token::Column::LastUsedAt.is_null(),
    };
    let noted = token::Entity::update_many()
        .col_expr(token::Column::LastUsedAt, Expr::value(now))
        .filter(token::Column::Id.eq(row.id))
        .filter(before)
        .exec(app.db.writer())
        .await;
    if let Err(error) = noted {
        tracing::warn!(%error, "the last use of a token could not be noted");
    }
}
