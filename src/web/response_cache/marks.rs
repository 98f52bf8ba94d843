//! What happens while an answer is made: what its handler says of it, and what was read for it.
//!
//! A layer puts [`Marks`] into each request that it may keep the answer of. Whatever reads something personal
//! leaves a mark there by itself: asking who is logged in (`identity::visitor_in`), asking for the value of a
//! CSRF token, looking at the browser. So nobody has to remember it.

use crate::app::App;
use crate::error::{Error, Result};
use crate::web::shell;
use crate::web::tags::{Seen, Tag};
use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderValue};
use axum::response::Response;
use chrono::{DateTime, Utc};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The marks of one request; clones share them.
#[derive(Clone, Debug)]
pub struct Marks(Arc<State>);

#[derive(Debug)]
struct State {
    /// The request carries neither a session nor credentials.
    is_anonymous: bool,
    has_read_session: AtomicBool,
    is_personal: AtomicBool,
    declared: Mutex<Option<Declared>>,
}

/// What a handler said of its answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    /// The versions of its tags, from before its data was read.
    pub seen: Seen,
    /// The parameters of the query that count.
    pub parameters: Vec<String>,
    /// From when on it would be another answer.
    pub until: Option<DateTime<Utc>>,
}

/// Stands on an answer that is to be kept: it is compressed once, by who keeps it, and not on its way there.
#[derive(Clone, Copy, Debug)]
pub struct ToBeKept;

impl Marks {
    /// For one request.
    pub(super) fn new(is_anonymous: bool) -> Self {
        Self(Arc::new(State {
            is_anonymous,
            has_read_session: AtomicBool::new(false),
            is_personal: AtomicBool::new(false),
            declared: Mutex::default(),
        }))
    }

    /// Somebody asked who is logged in.
    pub fn read_session(&self) {
        self.0.has_read_session.store(true, Ordering::Relaxed);
    }

    /// Something went into the answer that is this browser's alone.
    pub fn is_personal(&self) {
        self.0.is_personal.store(true, Ordering::Relaxed);
    }

    /// Whether the answer may be the same for everybody who asks like this.
    pub(super) fn is_for_all(&self) -> bool {
        let has_read_session = self.0.has_read_session.load(Ordering::Relaxed);
        (self.0.is_anonymous || !has_read_session) && !self.0.is_personal.load(Ordering::Relaxed)
    }

    /// What the handler said, if it said anything.
    pub(super) fn declared(&self) -> Option<Declared> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Declared>> {
        // What is written there is never left half done.
        self.0
            .declared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a handler say that its answer may be kept for others. It says on what the answer rests *before* it asks
/// the database, and hands the page over by [`Keep::page`]; without both, nothing is kept.
#[derive(Clone, Debug)]
pub struct Keep(Option<Marks>);

impl<S: Sync> FromRequestParts<S> for Keep {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self::of(&parts.extensions))
    }
}

impl Keep {
    /// The answer rests on these tags and, of the query, on these parameters alone; may be called again for tags
    /// that are only known once other data was read. Costs nothing where nothing is kept.
    ///
    /// # Errors
    /// When the versions cannot be read.
    pub async fn rests_on(
        &self,
        app: &App,
        tags: &[Tag],
        parameters: &[&'static str],
    ) -> Result<()> {
        let Some(marks) = &self.0 else {
            return Ok(());
        };
        let seen = app.tags.note(tags).await?;
        let mut declared = marks.lock();
        let declared = declared.get_or_insert_default();
        declared.seen.join(seen);
        for name in parameters {
            if !declared.parameters.iter().any(|known| known == name) {
                declared.parameters.push((*name).to_owned());
            }
        }
        Ok(())
    }

    /// From this moment on the answer would be another one, whatever changes: it says how long ago something
    /// was, for example. The earliest of several counts.
    pub fn until(&self, moment: DateTime<Utc>) {
        if let Some(marks) = &self.0
            && let Some(declared) = marks.lock().as_mut()
        {
            let earliest = declared.until.map_or(moment, |known| known.min(moment));
            declared.until = Some(earliest);
        }
    }

    /// The page, as an answer: one that caches may keep where it is nobody's, else as every page.
    pub fn page(&self, template: &impl Template) -> Result<Response> {
        let mut response = shell::page(template)?;
        self.offer(&mut response);
        Ok(response)
    }

    /// Lets caches keep this answer where it is nobody's; else it stays as it is.
    pub fn offer(&self, response: &mut Response) {
        // Only now, since making the answer may have left marks.
        let is_kept = self
            .0
            .as_ref()
            .is_some_and(|marks| marks.is_for_all() && marks.lock().is_some());
        if is_kept {
            // Browsers ask each time whether it is still the same, which costs no bytes.
            let ask_again = HeaderValue::from_static("no-cache");
            response.headers_mut().insert(CACHE_CONTROL, ask_again);
            response.extensions_mut().insert(ToBeKept);
        }
    }

    /// What is known of a request whose answer may be kept.
    pub fn of(known: &Extensions) -> Self {
        Self(known.get::<Marks>().cloned())
    }
}
