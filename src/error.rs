//! Everything that can go wrong in a request, and the words for it.
//!
//! A fault is made where it is known, in the user's words; `web::errors` turns it into a page
//! or JSON and logs it once. The text of an [`Error::Internal`] never leaves the log.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sea_orm::{DbErr, RuntimeErr};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Fields that a line of the log names.
const TOLD_FIELDS: usize = 20;

/// What a handler or verb answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What keeps a request from being answered as asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or not for this visitor (404).
    #[error("not found")]
    NotFound,
    /// A list has no such page (404).
    #[error("no such page")]
    NoSuchPage,
    /// Only somebody who is logged in gets there: pages lead to the log-in form, programs get 401.
    #[error("log-in required")]
    LoginRequired,
    /// Credentials were sent and are wrong (401), with the sentence for programs.
    #[error("wrong credentials: {0}")]
    WrongCredentials(&'static str),
    /// The visitor is known and may not (403).
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// The request cannot be understood at all (400).
    #[error("bad request: {0}")]
    BadRequest(String),
    /// The path exists, the method does not (405).
    #[error("method not allowed")]
    MethodNotAllowed,
    /// None of the offered types is one that the client accepts (406).
    #[error("not acceptable")]
    NotAcceptable,
    /// It has changed since the caller looked at it (412).
    #[error("precondition failed")]
    PreconditionFailed,
    /// Fields are wrong: 422 on forms, 400 in the API.
    #[error("invalid: {0}")]
    Invalid(Problems),
    /// Somebody was quicker, or the state does not allow it (409).
    #[error("conflict: {0}")]
    Conflict(String),
    /// Another request went by the same `Idempotency-Key` (422).
    #[error("another request under one key")]
    OtherRequest,
    /// It was there and is no more (410).
    #[error("gone: {0}")]
    Gone(String),
    /// Larger than allowed (413).
    #[error("too large: {0}")]
    TooLarge(String),
    /// A type that is not taken here (415).
    #[error("unsupported type: {0}")]
    UnsupportedType(String),
    /// Too often (429).
    #[error("too many: {message}")]
    TooMany {
        /// What to tell.
        message: String,
        /// When it may be tried again.
        retry_after_seconds: u64,
    },
    /// The site is too busy, or lacks what it needs (503).
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A service that is needed does not answer (503); the source goes to the log only.
    #[error("unavailable: {cause}")]
    Down {
        /// What to tell.
        words: &'static str,
        /// What it said, for the log.
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// A fault of ours (500); the source goes to the log only.
    #[error("internal: {0}")]
    Internal(Arc<dyn std::error::Error + Send + Sync>),
}

/// Field -> what is wrong with it, in sentences that say how to mend it.
///
/// The key `""` (see [`Problems::WHOLE`]) holds what concerns the form as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(BTreeMap<String, Vec<String>>);

impl Problems {
    /// The key of what concerns the form as a whole.
    pub const WHOLE: &'static str = "";

    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One fault of one field.
    pub fn of(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut problems = Self::new();
        problems.add(field, message);
        problems
    }

    /// Adds a fault.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.entry(field.into()).or_default().push(message.into());
    }

    /// Adds the fault unless the condition holds.
    pub fn check(&mut self, holds: bool, field: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.add(field, message);
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with one field.
    pub fn at(&self, field: &str) -> &[String] {
        self.0.get(field).map_or(&[], Vec::as_slice)
    }

    /// All faults, field by field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0
            .iter()
            .map(|(field, messages)| (field.as_str(), messages.as_slice()))
    }

    /// Leaves the faults of those fields alone of which this holds.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|field, _| keep(field));
    }

    /// Leaves the faults of so many fields.
    pub fn truncate(&mut self, fields: usize) {
        if let Some(first) = self.0.keys().nth(fields).cloned() {
            drop(self.0.split_off(&first));
        }
    }

    /// How many faults there are.
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Takes over the faults of another.
    pub fn extend(&mut self, other: Self) {
        for (field, messages) in other.0 {
            self.0.entry(field).or_default().extend(messages);
        }
    }

    /// `Ok` when nothing is wrong.
    pub fn into_result(self) -> Result<()> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self))
        }
    }
}

/// For the log: how many faults, and of which fields, but not what was typed into them.
impl fmt::Display for Problems {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self
            .0
            .keys()
            .take(TOLD_FIELDS)
            .map(String::as_str)
            .collect();
        let more = if self.0.len() > TOLD_FIELDS {
            ", ..."
        } else {
            ""
        };
        write!(to, "{} faults at {}{more}", self.len(), names.join(", "))
    }
}

impl Error {
    /// A fault of ours, from whatever caused it.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Arc::from(source.into()))
    }

    /// One wrong field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(Problems::of(field, message))
    }

    /// The ordinary refusal.
    pub fn forbidden() -> Self {
        Self::Forbidden("You do not have permission to perform this action.")
    }

    /// Whether the database cannot be reached: then nothing else will be answered by it just now either.
    pub fn is_database_away(&self) -> bool {
        matches!(self, Self::Down { words, .. } if *words == NOT_REACHED)
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::NoSuchPage => StatusCode::NOT_FOUND,
            Self::LoginRequired | Self::WrongCredentials(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::Invalid(_) | Self::OtherRequest => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Gone(_) => StatusCode::GONE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) | Self::Down { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What people and programs are told. Never holds internals.
    pub fn words(&self) -> String {
        match self {
            Self::NotFound => "Not found.".into(),
            Self::NoSuchPage => "Invalid page.".into(),
            Self::LoginRequired => "Authentication credentials were not provided.".into(),
            Self::WrongCredentials(words) | Self::Forbidden(words) | Self::Down { words, .. } => {
                (*words).into()
            }
            Self::BadRequest(words)
            | Self::Conflict(words)
            | Self::Gone(words)
            | Self::TooLarge(words)
            | Self::UnsupportedType(words)
            | Self::Unavailable(words) => words.clone(),
            Self::TooMany { message, .. } => message.clone(),
            Self::OtherRequest => {
                "Another request was sent with this Idempotency-Key. Give each request a key of its own, and the same to one that you send again."
                    .into()
            }
            Self::MethodNotAllowed => "Method not allowed.".into(),
            Self::PreconditionFailed => {
                "It has been changed since you looked at it. Please look again, and send your change on top of that."
                    .into()
            }
            Self::NotAcceptable => "Could not satisfy the request Accept header.".into(),
            Self::Invalid(_) => "Some fields need mending.".into(),
            Self::Internal(_) => "Something broke on our side. It has been noted.".into(),
        }
    }
}

const NOT_REACHED: &str =
    "The site cannot reach its database right now. Please try again in a moment.";
const BUSY: &str = "The site is busy with other changes right now. Please try again in a moment.";
const NO_ROOM: &str = "The site has no room left to keep this. Nothing was changed; please tell its staff and try again later.";

/// A database that is away, busy or full will do later: 503. What it refuses for other reasons is a
/// fault of ours; verbs that expect a unique constraint to refuse ask `DbErr::sql_err` before.
impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match later(&error) {
            Some(words) => Self::Down {
                words,
                cause: Arc::new(error),
            },
            None if holds_nul(&error) => {
                Self::BadRequest("The text holds a NUL character, which cannot be kept.".into())
            }
            None => Self::internal(error),
        }
    }
}

/// What to tell when the database may do later what it did not do now.
fn later(error: &DbErr) -> Option<&'static str> {
    use sqlx::Error as Sqlx;
    if matches!(error, DbErr::ConnectionAcquire(_)) {
        return Some(NOT_REACHED);
    }
    match driver_error(error)? {
        Sqlx::Io(_)
        | Sqlx::Tls(_)
        | Sqlx::Protocol(_)
        | Sqlx::PoolTimedOut
        | Sqlx::PoolClosed
        | Sqlx::WorkerCrashed
        | Sqlx::BeginFailed => Some(NOT_REACHED),
        Sqlx::Database(told) => later_by_code(told.code().as_deref()?),
        _ if matches!(error, DbErr::Conn(_)) => Some(NOT_REACHED),
        _ => None,
    }
}

/// The codes of SQLite (decimal, sqlite.org/rescode.html) and of PostgreSQL (five characters,
/// postgresql.org/docs/current/errcodes-appendix.html) never look alike.
fn later_by_code(code: &str) -> Option<&'static str> {
    if let (true, Ok(extended)) = (code.len() < 5, code.parse::<u32>()) {
        // The low byte is the primary code: BUSY, LOCKED; FULL; READONLY, IOERR, CANTOPEN.
        return match extended & 0xff {
            5 | 6 => Some(BUSY),
            13 => Some(NO_ROOM),
            8 | 10 | 14 => Some(NOT_REACHED),
            _ => None,
        };
    }
    match code {
        // Serialization failure, deadlock, lock not available, statement canceled.
        "40001" | "40P01" | "55P03" | "57014" => Some(BUSY),
        "53100" => Some(NO_ROOM),
        // A server in recovery or a standby takes no writes; a transaction that rested too long was ended by it.
        "25006" | "25P03" => Some(NOT_REACHED),
        // Connection exceptions, insufficient resources, operator intervention.
        _ if ["08", "53", "57"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            Some(NOT_REACHED)
        }
        _ => None,
    }
}

/// PostgreSQL keeps no NUL in text: `character_not_in_repertoire`, `untranslatable_character`.
fn holds_nul(error: &DbErr) -> bool {
    let told = driver_error(error).and_then(|driver| driver.as_database_error());
    told.and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| matches!(&*code, "22021" | "22P05"))
}

fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(driver))
        | DbErr::Exec(RuntimeErr::SqlxError(driver))
        | DbErr::Query(RuntimeErr::SqlxError(driver)) => Some(driver),
        _ => None,
    }
}

impl From<backends::files::FilesError> for Error {
    fn from(error: backends::files::FilesError) -> Self {
        match error {
            backends::files::FilesError::NotFound => Self::NotFound,
            backends::files::FilesError::Full => {
                tracing::error!("the disk is full");
                Self::Unavailable("The site has no room left for files. Nothing was kept; please tell its staff and try again later.".into())
            }
            backends::files::FilesError::TakenOver => {
                Self::Conflict("Another connection goes on with this upload.".into())
            }
            backends::files::FilesError::Away(told) => {
                tracing::error!(told, "the object store does not do what it is asked");
                Self::Unavailable("The files of this site cannot be reached just now. Please try again in a few minutes.".into())
            }
            other => Self::internal(other),
        }
    }
}

impl From<backends::bus::BusError> for Error {
    fn from(error: backends::bus::BusError) -> Self {
        match error {
            backends::bus::BusError::Database(error) => Self::from(error),
            other => Self::internal(other),
        }
    }
}

impl From<backends::cache::CacheError> for Error {
    fn from(error: backends::cache::CacheError) -> Self {
        Self::internal(error)
    }
}

impl From<askama::Error> for Error {
    fn from(error: askama::Error) -> Self {
        Self::internal(error)
    }
}

/// The answer carries the error itself; `web::errors` gives it its body.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_pass_by_themselves_are_told_from_faults_of_ours() {
        // SQLITE_BUSY_SNAPSHOT is 5 | (2 << 8); 23505 and 2067 are unique violations.
        for code in ["5", "517", "6", "40001", "40P01", "55P03"] {
            assert_eq!(later_by_code(code), Some(BUSY), "{code}");
        }
        for code in ["13", "53100"] {
            assert_eq!(later_by_code(code), Some(NO_ROOM), "{code}");
        }
        for code in ["14", "266", "08006", "57P01", "57P03", "53300"] {
            assert_eq!(later_by_code(code), Some(NOT_REACHED), "{code}");
        }
        for code in ["1", "2067", "1555", "23505", "42P01", "22021"] {
            assert_eq!(later_by_code(code), None, "{code}");
        }
    }
}
