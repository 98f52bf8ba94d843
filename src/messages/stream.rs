//! `/events/`: what concerns a person, at once, as server-sent events (HTML Standard, 9.2).
//!
//! The bus tells that something happened; a message itself is read from the database, by
//! growing number, and its number is the `id:` of its event. So none is missed, doubled or out
//! of order, whichever process sent it and however often the connection broke: a client that
//! comes back names the last it saw, in `Last-Event-ID` or `?after=`. Events of other kinds are
//! passed on as they are, without an `id:`; `refresh` tells that some may have been missed. What
//! another feature counts for her ([`Beside`]) is told as it is now, and again when it changes.

use super::{Beside, MessageEvent, group_of, store};
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::extract::Query;
use crate::web::identity::{Person, Visitor};
use crate::web::metrics::Open;
use crate::web::sessions::{self, AccountEvent};
use crate::web::streams::OpenStream;
use axum::Extension;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use backends::bus::{self, Delivery, Subscription};
use futures::Stream;
use futures::stream::unfold;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// A line without meaning goes out this often, so that nothing between takes the silence for death.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// After this long a stream ends and the browser opens another: what a session may is then
/// looked at again even if no change was heard.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// A browser waits at least this long, and up to twice as long, before it connects again.
const RETRY_MS: u64 = 1_000;

/// A stream begins without what is counted beside it when that takes longer.
const COUNTING: Duration = Duration::from_secs(1);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// nginx collects answers unless told otherwise.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a page asks for.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Asked {
    /// The newest message that it knows of.
    pub after: Option<i64>,
    /// For whom it was drawn: somebody else may have logged in since, in the same browser.
    person: Option<i64>,
}

impl Asked {
    /// Who asks, when it is still the person for whom the page was drawn.
    ///
    /// # Errors
    /// [`Error::Forbidden`], never a way to the log-in form, which no script could use.
    pub fn person_of(self, visitor: Visitor) -> Result<Arc<Person>> {
        let person = visitor.0.ok_or(Error::Forbidden(
            "Authentication credentials were not provided.",
        ))?;
        if self.person.is_some_and(|id| id != person.id) {
            return Err(Error::Forbidden(
                "Somebody else has logged in since this page was opened. Reload the page.",
            ));
        }
        Ok(person)
    }
}

/// `/events/`.
pub async fn events(
    State(app): State<App>,
    Extension(beside): Extension<Beside>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response> {
    let person = asked.person_of(visitor)?;
    let place = app.streams.open(person.id)?;
    let last_seen = last_event_id(&headers).max(asked.after);
    let beside = (beside.0)(person.id);
    let stream = Listening::open(app, person, (place, beside), last_seen).await?;
    let body = Sse::new(stream.into_events()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    let headers = [(CACHE_CONTROL, "no-cache"), (ACCEL_BUFFERING, "no")];
    Ok((headers, body).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Option<i64> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

/// One open stream.
struct Listening {
    app: App,
    person: Arc<Person>,
    hers: Subscription,
    accounts: Subscription,
    /// Number of the newest message that was sent, or that the page already had.
    sent: i64,
    /// What is to be sent before anything else is heard.
    waiting: VecDeque<Event>,
    ends_at: Instant,
    /// What is counted beside the messages.
    beside: watch::Receiver<Option<Arc<str>>>,
    _place: OpenStream,
    _open: Open,
}

/// What every event says of itself.
#[derive(Deserialize)]
struct Told {
    #[serde(rename = "type")]
    kind: String,
    id: Option<i64>,
}

impl Listening {
    async fn open(
        app: App,
        person: Arc<Person>,
        (place, beside): (OpenStream, watch::Receiver<Option<Arc<str>>>),
        last_seen: Option<i64>,
    ) -> Result<Self> {
        // Before the database is read: what happens between is then heard twice, not never.
        let hers = app.bus.subscribe(&group_of(person.id));
        let accounts = app.bus.subscribe(sessions::GROUP);
        let open = app.traffic.opened();
        let mut listening = Self {
            sent: 0,
            waiting: VecDeque::new(),
            ends_at: Instant::now() + LONGEST,
            app,
            person,
            hers,
            accounts,
            beside,
            _place: place,
            _open: open,
        };
        listening.greet(last_seen).await?;
        Ok(listening)
    }

    /// The state of things, and what was missed.
    async fn greet(&mut self, last_seen: Option<i64>) -> Result<()> {
        let [spread] = self.app.clock.random_bytes::<1>();
        let retry_ms = RETRY_MS + RETRY_MS * u64::from(spread) / 256;
        let retry = Event::default().retry(Duration::from_millis(retry_ms));
        let state = store::load_unread(self.app.db.read(), self.person.id).await?;
        if let MessageEvent::Unread { to, .. } = &state {
            self.sent = last_seen.unwrap_or(*to);
        }
        self.waiting.push_back(with_data(retry, &state)?);
        self.catch_up().await?;
        let counted = timeout(COUNTING, self.beside.wait_for(Option::is_some)).await;
        if counted.is_ok_and(|counted| counted.is_ok()) {
            self.tell_beside();
        }
        self.push(&MessageEvent::Refresh)
    }

    fn tell_beside(&mut self) {
        if let Some(state) = self.beside.borrow_and_update().clone() {
            self.waiting.push_back(Event::default().data(state));
        }
    }

    fn into_events(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        unfold(self, |mut listening| async move {
            let event = listening.next().await?;
            Some((Ok(event), listening))
        })
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.app.stopping.is_cancelled() {
                return None;
            }
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            match self.listen().await {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return None,
                Err(error) => {
                    // The browser comes back, and gets what it missed.
                    tracing::warn!(%error, "an event stream ends early");
                    return None;
                }
            }
        }
    }

    /// Waits for something to happen, and puts what is to be told of it in line.
    async fn listen(&mut self) -> Result<ControlFlow<()>> {
        tokio::select! {
            biased;
            () = self.app.stopping.cancelled() => Ok(ControlFlow::Break(())),
            () = sleep_until(self.ends_at) => Ok(ControlFlow::Break(())),
            change = self.accounts.recv() => self.look_at_account(change).await,
            // It is kept for as long as somebody looks at it.
            Ok(()) = self.beside.changed() => {
                self.tell_beside();
                Ok(ControlFlow::Continue(()))
            }
            delivery = self.hers.recv() => match delivery {
                Some(Delivery::Event(event)) => self.tell(&event).await.map(ControlFlow::Continue),
                Some(Delivery::Lost) => self.start_over().await.map(ControlFlow::Continue),
                None => Ok(ControlFlow::Break(())),
            },
        }
    }

    /// Whether she is still logged in, when something about her account has changed.
    async fn look_at_account(&self, change: Option<Delivery>) -> Result<ControlFlow<()>> {
        let concerns_her = match change {
            Some(Delivery::Event(event)) => match event.decode::<AccountEvent>() {
                Ok(AccountEvent::Changed { user_id }) => user_id == self.person.id,
                Err(_) => true,
            },
            Some(Delivery::Lost) => true,
            None => return Ok(ControlFlow::Break(())),
        };
        if concerns_her && !sessions::is_open(&self.app, &self.person).await? {
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn tell(&mut self, event: &bus::Event) -> Result<()> {
        let Ok(told) = event.decode::<Told>() else {
            tracing::warn!(
                group = event.group,
                "an event without a type is not passed on"
            );
            return Ok(());
        };
        if told.kind == "message" {
            let id = told.id.unwrap_or(i64::MAX);
            if id > self.sent {
                self.catch_up().await?;
            }
            return Ok(());
        }
        let text = String::from_utf8_lossy(&event.payload);
        self.waiting.push_back(Event::default().data(text));
        Ok(())
    }

    /// Reads afresh what may have been missed.
    async fn start_over(&mut self) -> Result<()> {
        let state = store::load_unread(self.app.db.read(), self.person.id).await?;
        self.push(&state)?;
        self.catch_up().await?;
        self.push(&MessageEvent::Refresh)
    }

    /// Puts the unread messages in line that have not been sent.
    async fn catch_up(&mut self) -> Result<()> {
        let db = self.app.db.read();
        let rows = store::list_missed(db, self.person.id, self.sent).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let unread = store::count_unread(db, self.person.id).await?;
        for row in rows {
            let id = row.id;
            let event = Event::default().id(id.to_string());
            let told = with_data(event, &store::event_of(row, unread))?;
            self.waiting.push_back(told);
            self.sent = id;
        }
        Ok(())
    }

    fn push(&mut self, event: &MessageEvent) -> Result<()> {
        let event = with_data(Event::default(), event)?;
        self.waiting.push_back(event);
        Ok(())
    }
}

fn with_data(event: Event, data: &impl Serialize) -> Result<Event> {
    event.json_data(data).map_err(Error::internal)
}
