//! One socket in a room, from when it is open to its close: what is heard goes out, what is said goes in.

use super::end::{End, code};
use super::frames::{Answer, Asked, Refused};
use super::pace::Pace;
use super::rooms::{News, Room};
use super::store;
use super::visit::{Underway, Visit};
use super::writer::Told;
use crate::error::{Error, Result};
use crate::web::scopes::Scope;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures::SinkExt as _;
use futures::stream::{FuturesOrdered, StreamExt as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, timeout};

/// A reader who takes nothing for so long has gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// So often a quiet client is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(30);

/// A client of which nothing was heard for so long has gone.
const SILENCE: Duration = Duration::from_secs(75);

/// Most lines of one client that are on their way into the database.
const MOST_UNDERWAY: usize = 32;

/// Most of what was missed that is told again; who missed more reads the history.
const MOST_MISSED: u64 = 1_000;

/// When clients of a site that restarts come back, at the earliest, and over how long they spread.
const RESTART_MS: (u64, u64) = (500, 4_500);

/// A socket in a room.
pub struct Talk {
    visit: Visit,
    _room: Arc<Room>,
    news: Receiver<News>,
    socket: WebSocket,
    /// Everything up to this number was sent.
    seen: i64,
    knows_types: bool,
    pace: Pace,
    /// What she sent and is not yet kept, with what she calls it.
    underway: FuturesOrdered<Underway>,
    last_heard: Instant,
}

/// What happens next.
enum Next {
    News(Result<News, RecvError>),
    Heard(Option<Result<Message, axum::Error>>),
    Kept(Option<String>, Result<Option<i64>>),
    Quiet,
    Stopping,
}

impl Talk {
    /// Holds it until its end.
    pub async fn hold(visit: Visit, socket: WebSocket) {
        let room = visit.rooms.open(&visit.course);
        let mut talk = Self {
            // Before the database is read: what happens between is then told twice, and heard once.
            news: room.listen().await,
            _room: room,
            socket,
            seen: 0,
            knows_types: visit.wanted.knows_types(),
            pace: Pace::new(visit.app.config.chat_rate),
            underway: FuturesOrdered::new(),
            last_heard: Instant::now(),
            visit,
        };
        let end = match talk.greet().await {
            Ok(()) => talk.run().await,
            Err(end) => end,
        };
        talk.close(end).await;
    }

    /// What she missed since she was here last, and that she hears from now on.
    async fn greet(&mut self) -> Result<(), End> {
        // Between the handshake and now nobody would have told her that she has to leave.
        self.visit.look_at_rights().await?;
        let asked = self.visit.wanted.after.filter(|_| self.knows_types);
        let recovered = if let Some(after) = asked {
            self.seen = after.max(0);
            self.catch_up().await?
        } else {
            let last = store::last(self.visit.app.db.read(), self.visit.course.id).await;
            self.seen = last.map_err(|error| End::from(&error))?;
            true
        };
        let ready = Answer::Ready {
            recovered,
            last: self.seen,
        };
        self.answer(&ready).await?;
        self.flush().await
    }

    async fn run(&mut self) -> End {
        loop {
            let done = match self.next().await {
                Next::News(news) => self.tell(news).await,
                Next::Heard(message) => self.hear(message).await,
                Next::Kept(client_id, outcome) => self.confirm(client_id, outcome).await,
                Next::Quiet => self.ping().await,
                Next::Stopping => Err(End::Restart),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn next(&mut self) -> Next {
        let may_hear = self.underway.len() < MOST_UNDERWAY;
        tokio::select! {
            () = self.visit.app.stopping.cancelled() => Next::Stopping,
            news = self.news.recv() => Next::News(news),
            Some((client_id, outcome)) = self.underway.next() => Next::Kept(client_id, outcome),
            message = self.socket.recv(), if may_hear => Next::Heard(message),
            () = tokio::time::sleep(PING_EVERY) => Next::Quiet,
        }
    }

    /// Sends all that waits, and flushes once.
    async fn tell(&mut self, first: Result<News, RecvError>) -> Result<(), End> {
        let mut next = first;
        loop {
            match next {
                Ok(News::Told(told)) => self.tell_frames(&told).await?,
                Ok(News::Rights(whose)) if whose.is(self.visit.person.id) => {
                    self.visit.look_at_rights().await?;
                }
                Ok(News::Accounts(whose)) if whose.is(self.visit.person.id) => {
                    self.visit.look_at_account().await?;
                }
                Ok(News::Rights(_) | News::Accounts(_)) => {}
                Ok(News::Over) | Err(RecvError::Closed) => {
                    return Err(End::Close(code::FORBIDDEN, "This room is closed."));
                }
                Ok(News::Lost) => self.fall_behind().await?,
                // Among what she did not hear may be that she has to leave.
                Err(RecvError::Lagged(_)) => {
                    self.visit.look_again().await?;
                    self.fall_behind().await?;
                }
            }
            next = match self.news.try_recv() {
                Ok(news) => Ok(news),
                Err(TryRecvError::Lagged(count)) => Err(RecvError::Lagged(count)),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return self.flush().await,
            };
        }
    }

    async fn tell_frames(&mut self, told: &Told) -> Result<(), End> {
        if told.last <= self.seen {
            return Ok(());
        }
        if told.after > self.seen {
            return self.fall_behind().await;
        }
        for frame in told.frames.iter().filter(|frame| frame.number > self.seen) {
            if frame.is_for_all || self.knows_types {
                feed(&mut self.socket, frame.text.0.clone()).await?;
            }
        }
        self.seen = told.last;
        Ok(())
    }

    /// Sends what she lacks, and says that something is missing where that is too much.
    async fn fall_behind(&mut self) -> Result<(), End> {
        let recovered = self.catch_up().await?;
        let lagged = Answer::Lagged {
            recovered,
            last: self.seen,
        };
        self.answer(&lagged).await
    }

    /// Sends everything after what she has seen, from the database; `false` when that is too much: then she reads the
    /// history. Clients that know no types get the newest of it.
    async fn catch_up(&mut self) -> Result<bool, End> {
        let visit = &self.visit;
        let missed = store::missed(visit.app.db.read(), &visit.course, self.seen, MOST_MISSED);
        let missed = missed.await.map_err(|error| End::from(&error))?;
        if missed.is_whole || !self.knows_types {
            let frames = missed.frames.into_iter();
            for frame in frames.filter(|frame| frame.is_for_all || self.knows_types) {
                feed(&mut self.socket, frame.text.0).await?;
            }
        }
        self.seen = self.seen.max(missed.last);
        Ok(missed.is_whole)
    }

    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.last_heard = Instant::now();
        match message {
            None | Some(Ok(Message::Close(_))) => Err(End::Gone),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(Message::Text(text))) => self.take(text.as_bytes()).await,
            Some(Ok(Message::Binary(bytes))) => self.take(&bytes).await,
            // The library answers pings by itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
        }
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), End> {
        let asked = match Asked::read(bytes) {
            Ok(asked) => asked,
            Err(refused) => return self.refuse(&refused, None).await,
        };
        let client_id = match &asked {
            Asked::Say { client_id, .. } => client_id.clone(),
            _ => None,
        };
        let refused = |code, words| Refused {
            code,
            words,
            client_id: client_id.clone(),
        };
        let scopes = self.visit.person.scopes;
        if scopes.is_some_and(|scopes| !scopes.allow(Scope::Learn)) {
            let refused = refused("forbidden", "This token lacks the scope learn.");
            return self.refuse(&refused, None).await;
        }
        if let Err(seconds) = self.pace.count(Instant::now()) {
            let refused = refused(
                "too_fast",
                "That was a little fast. Wait a moment and send it again.",
            );
            return self.refuse(&refused, Some(seconds)).await;
        }
        self.underway.push_back(self.visit.act(asked));
        Ok(())
    }

    async fn confirm(
        &mut self,
        client_id: Option<String>,
        outcome: Result<Option<i64>>,
    ) -> Result<(), End> {
        match (outcome, &client_id) {
            (Ok(Some(id)), Some(client_id)) => self.answer(&Answer::Ack { client_id, id }).await?,
            (Ok(_), _) => return Ok(()),
            (Err(error), _) => {
                let (code, words) = match &error {
                    Error::NotFound => ("gone", "This line is not here any more."),
                    Error::Forbidden(_) => ("forbidden", "You may not change this line."),
                    error => {
                        tracing::warn!(%error, course = self.visit.course.id, "a line could not be kept");
                        (
                            "not_kept",
                            "This could not be kept just now. Send it again.",
                        )
                    }
                };
                let refused = Refused {
                    code,
                    words,
                    client_id: client_id.clone(),
                };
                return self.refuse(&refused, None).await;
            }
        }
        self.flush().await
    }

    async fn refuse(
        &mut self,
        refused: &Refused,
        retry_after_seconds: Option<u64>,
    ) -> Result<(), End> {
        let error = Answer::Error {
            code: refused.code,
            message: refused.words,
            client_id: refused.client_id.as_deref(),
            retry_after_seconds,
        };
        self.answer(&error).await?;
        self.flush().await
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.last_heard.elapsed() > SILENCE {
            return Err(End::Gone);
        }
        let ping = self.socket.send(Message::Ping(bytes::Bytes::new()));
        within(ping).await
    }

    /// Tells this client alone, if it is one that understands.
    async fn answer(&mut self, answer: &Answer<'_>) -> Result<(), End> {
        if answer.is_for_all() || self.knows_types {
            feed(&mut self.socket, answer.text()).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        within(self.socket.flush()).await
    }

    /// Says good-bye, where there is somebody to say it to.
    async fn close(mut self, end: End) {
        let (code, reason) = match end {
            End::Gone => return,
            End::Close(code, reason) => (code, reason),
            End::Fault => (
                code::RESTART,
                "The site has a moment of weakness. Come back.",
            ),
            End::Restart => {
                let [spread] = self.visit.app.clock.random_bytes::<1>();
                let retry_ms = RESTART_MS.0 + RESTART_MS.1 * u64::from(spread) / 256;
                // Who does not hear it comes back by herself.
                let _ = self.answer(&Answer::Restart { retry_ms }).await;
                (code::RESTART, "The site restarts. Come back.")
            }
        };
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        if within(self.socket.send(Message::Close(Some(frame))))
            .await
            .is_ok()
        {
            // Her own close, after which the connection may go without a reset that would swallow ours.
            let _ = timeout(WRITE_PATIENCE, drain(self.socket)).await;
        }
    }
}

/// Reads on until nothing more comes.
async fn drain(mut socket: WebSocket) {
    while let Some(Ok(_)) = socket.recv().await {}
}

/// Puts a frame into the socket's buffer.
async fn feed(socket: &mut WebSocket, text: Utf8Bytes) -> Result<(), End> {
    within(socket.feed(Message::Text(text))).await
}

async fn within(sending: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match timeout(WRITE_PATIENCE, sending).await {
        Ok(sent) => sent.map_err(|_| End::Gone),
        Err(_) => Err(End::Gone),
    }
}
