//! One socket in a room, from when it is open to its close: what is heard goes out, what is said goes in.

use super::asked::{Asked, Refused};
use super::end::{End, code};
use super::frames::{Answer, Reading};
use super::listener::{BEATS, ping_every};
use super::pace::Pace;
use super::presence::Round;
use super::refusal::Refusal;
use super::rooms::{News, Stay};
use super::store::{self, reads};
use super::visit::{Done, Underway, Visit};
use super::wire::{close, feed, within};
use super::writer::Told;
use crate::error::Result;
use crate::web::scopes::Scope;
use axum::extract::ws::{Message, WebSocket};
use futures::SinkExt as _;
use futures::stream::{FuturesOrdered, StreamExt as _};
use sea_orm::ConnectionTrait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;

/// Most lines of one client that are on their way into the database.
const MOST_UNDERWAY: usize = 32;

/// Most of what was missed that is told again; who missed more reads the history.
const MOST_MISSED: u64 = 1_000;

/// A socket in a room. Ten thousand of them are held, most of them quiet: it is small, has no timer of its own, and what
/// it seldom needs it makes when it does; what it seldom waits for is boxed, so that there is no room kept for it.
pub struct Talk {
    visit: Visit,
    stay: Stay,
    news: Receiver<News>,
    socket: WebSocket,
    /// Everything up to this number was sent.
    seen: i64,
    /// The last line that she has read, as far as this socket was told.
    read: i64,
    /// She knows who is here, and is told of changes.
    knows_people: bool,
    pace: Pace,
    /// What she sent and is not yet kept, with what she calls it.
    underway: Option<Box<FuturesOrdered<Underway>>>,
    /// One of these is no line: what she asks for next may rest on it, and is heard when it is done.
    is_changing: bool,
    last_heard: Instant,
    /// At which beat of the room it is seen whether she is there.
    beat: u8,
}

/// What happens next.
enum Next {
    News(Result<News, RecvError>),
    Heard(Option<Result<Message, axum::Error>>),
    Kept(Option<Done>),
    Stopping,
}

impl Talk {
    /// Holds it until its end.
    pub async fn hold(mut visit: Visit, mut socket: WebSocket) {
        let room = visit.rooms.open(&visit.course);
        // Before the database is read: what happens between is then told twice, and heard once.
        let news = room.listen().await;
        // Between the handshake and now nobody would have told her that she has to leave.
        if let Err(end) = Box::pin(visit.look_at_rights()).await {
            return Box::pin(close(&mut socket, &visit, end)).await;
        }
        if room.course().owner_id == visit.course.owner_id {
            visit.course = Arc::clone(room.course());
        }
        let [beat] = visit.app.clock.random_bytes::<1>();
        let mut talk = Self {
            news,
            stay: room.enter(&visit.speaker),
            socket,
            seen: 0,
            read: 0,
            knows_people: false,
            pace: Pace::new(),
            underway: None,
            is_changing: false,
            last_heard: Instant::now(),
            beat: beat % BEATS,
            visit,
        };
        let end = match Box::pin(talk.greet()).await {
            Ok(()) => talk.run().await,
            Err(end) => end,
        };
        let Self {
            mut socket,
            visit,
            stay,
            ..
        } = talk;
        // Others see at once that she has gone, whatever her connection takes.
        drop(stay);
        Box::pin(close(&mut socket, &visit, end)).await;
    }

    /// What she missed since she was here last, and that she hears from now on.
    async fn greet(&mut self) -> Result<(), End> {
        let asked = self.visit.after.filter(|_| self.visit.knows_types);
        let recovered = if let Some(after) = asked {
            self.seen = after.max(0);
            self.catch_up().await?
        } else {
            let last = store::last(self.visit.app.db.read(), self.visit.course.id).await;
            self.seen = last.map_err(|error| End::from(&error))?;
            true
        };
        if self.visit.knows_types {
            let ready = Answer::Ready {
                recovered,
                last: self.seen,
            };
            self.answer(&ready).await?;
            self.show_room().await?;
        }
        self.flush().await
    }

    /// Tells her how she finds the room.
    async fn show_room(&mut self) -> Result<(), End> {
        let (app, person_id) = (&self.visit.app, self.visit.person.id);
        let reading = reading(app.db.read(), self.visit.course.id, person_id).await;
        let reading = reading.map_err(|error| End::from(&error))?;
        let holding = self.stay.room().holding();
        let room = Answer::Room {
            is_locked: holding.rules().is_locked,
            slow_seconds: holding.rules().slow_seconds,
            muted_until: holding.muted_until(person_id, app.clock.now()),
            reading: Some(reading),
        };
        self.read = reading.read;
        self.answer(&room).await
    }

    async fn run(&mut self) -> End {
        loop {
            let done = match self.next().await {
                Next::News(news) => self.tell(news).await,
                Next::Heard(message) => self.hear(message).await,
                Next::Kept(Some((client_id, outcome))) => self.confirm(client_id, outcome).await,
                Next::Kept(None) => {
                    self.underway = None;
                    self.is_changing = false;
                    Ok(())
                }
                Next::Stopping => Err(End::Restart),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn next(&mut self) -> Next {
        let count = self.underway.as_ref().map_or(0, |underway| underway.len());
        let may_hear = count < MOST_UNDERWAY && !self.is_changing;
        let kept = async {
            match &mut self.underway {
                Some(underway) => underway.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.visit.app.stopping.cancelled() => Next::Stopping,
            news = self.news.recv() => Next::News(news),
            kept = kept => Next::Kept(kept),
            message = self.socket.recv(), if may_hear => Next::Heard(message),
        }
    }

    /// Sends all that waits, and flushes once.
    async fn tell(&mut self, first: Result<News, RecvError>) -> Result<(), End> {
        let mut next = first;
        loop {
            match next {
                Ok(News::Told(told)) => self.tell_frames(&told).await?,
                Ok(News::Over) | Err(RecvError::Closed) => {
                    return Err(End::Close(code::FORBIDDEN, "This room is closed."));
                }
                Ok(News::Lost) => self.fall_behind().await?,
                // Among what she did not hear may be that she has to leave.
                Err(RecvError::Lagged(_)) => {
                    Box::pin(self.visit.look_again()).await?;
                    Box::pin(self.look_again_at_room()).await?;
                    self.fall_behind().await?;
                }
                Ok(News::Rights(whose)) if whose.is(self.visit.person.id) => {
                    Box::pin(self.visit.look_at_rights()).await?;
                }
                Ok(News::Accounts(whose)) if whose.is(self.visit.person.id) => {
                    Box::pin(self.visit.look_at_account()).await?;
                }
                Ok(News::Beat(beat)) if beat == self.beat => self.ping().await?,
                Ok(News::Beat(_) | News::Rights(_) | News::Accounts(_)) => {}
                Ok(news) => self.tell_live(news).await?,
            }
            next = match self.news.try_recv() {
                Ok(news) => Ok(news),
                Err(TryRecvError::Lagged(count)) => Err(RecvError::Lagged(count)),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return self.flush().await,
            };
        }
    }

    /// What is not stored goes to those who know what it is.
    async fn tell_live(&mut self, news: News) -> Result<(), End> {
        if !self.visit.knows_types {
            return Ok(());
        }
        let person_id = self.visit.person.id;
        match news {
            News::Round(round) => self.tell_round(&round).await,
            News::Typing(user_id, frame) if user_id != person_id => {
                feed(&mut self.socket, frame).await
            }
            News::Reads(reads) => match reads.get(&person_id) {
                Some(id) if *id > self.read => {
                    self.read = *id;
                    self.answer(&Answer::Read { id: *id }).await
                }
                _ => Ok(()),
            },
            News::Rules(holding, whose) if whose.is(person_id) => {
                let frame = holding.frame_for(person_id, self.visit.app.clock.now());
                feed(&mut self.socket, frame).await
            }
            _ => Ok(()),
        }
    }

    async fn tell_round(&mut self, round: &Round) -> Result<(), End> {
        let frames = if self.knows_people {
            &round.presence
        } else {
            self.knows_people = !round.here.is_empty();
            &round.here
        };
        for frame in frames {
            feed(&mut self.socket, frame.clone()).await?;
            // Each by itself, so that the buffer need not hold all of them.
            self.flush().await?;
        }
        Ok(())
    }

    /// What is not stored and may have been missed is told afresh.
    async fn look_again_at_room(&mut self) -> Result<(), End> {
        if !self.visit.knows_types {
            return Ok(());
        }
        self.knows_people = false;
        self.stay.room().people().ask();
        self.show_room().await
    }

    async fn tell_frames(&mut self, told: &Told) -> Result<(), End> {
        if told.last <= self.seen {
            return Ok(());
        }
        if told.after > self.seen {
            return self.fall_behind().await;
        }
        for frame in told.frames.iter().filter(|frame| frame.number > self.seen) {
            if let Some(text) = frame.text_for(self.visit.knows_types) {
                feed(&mut self.socket, text.clone()).await?;
            }
        }
        self.seen = told.last;
        Ok(())
    }

    /// Sends what she lacks, and says that something is missing where that is too much.
    async fn fall_behind(&mut self) -> Result<(), End> {
        let recovered = Box::pin(self.catch_up()).await?;
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
        if missed.is_whole || !self.visit.knows_types {
            let frames = missed.frames.iter();
            for text in frames.filter_map(|frame| frame.text_for(self.visit.knows_types)) {
                feed(&mut self.socket, text.clone()).await?;
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
        match asked {
            Asked::Typing => {
                self.type_on();
                return Ok(());
            }
            Asked::Read { id } => {
                self.read_up_to(id);
                return Ok(());
            }
            _ => {}
        }
        let rate = self.visit.app.config.chat_rate;
        if let Err(seconds) = self.pace.count(rate, Instant::now()) {
            let refused = refused(
                "too_fast",
                "That was a little fast. Wait a moment and send it again.",
            );
            return self.refuse(&refused, Some(seconds)).await;
        }
        self.is_changing |= !matches!(asked, Asked::Say { .. });
        let act = self.visit.act(asked);
        self.underway.get_or_insert_default().push_back(act);
        Ok(())
    }

    /// Tells the others that she is writing, where she may.
    fn type_on(&self) {
        let (visit, room) = (&self.visit, self.stay.room());
        let holding = room.holding();
        let is_muted = holding
            .muted_until(visit.person.id, visit.app.clock.now())
            .is_some();
        let is_kept_out = is_muted || holding.rules().is_locked;
        if visit.is_moderator() || !is_kept_out {
            room.people().is_typing(&visit.speaker);
        }
    }

    /// Notes how far she has read: never further than what she was sent.
    fn read_up_to(&mut self, id: i64) {
        let id = id.min(self.seen);
        if id > self.read {
            self.read = id;
            let visit = &self.visit;
            visit.rooms.note_read(visit.person.id, visit.course.id, id);
        }
    }

    async fn confirm(
        &mut self,
        client_id: Option<String>,
        outcome: Result<Option<i64>, Refusal>,
    ) -> Result<(), End> {
        match (outcome, client_id) {
            (Ok(Some(id)), client_id) => {
                // She has read what stands above her own line.
                self.read = self.read.max(id);
                if let Some(client_id) = &client_id {
                    self.answer(&Answer::Ack { client_id, id }).await?;
                }
                self.flush().await
            }
            (Ok(None), _) => Ok(()),
            (Err(refusal), client_id) => {
                if let Refusal::Fault(error) = &refusal {
                    tracing::warn!(%error, course = self.visit.course.id, "a line could not be kept");
                }
                let error = Answer::Error {
                    code: refusal.code(),
                    message: refusal.words(),
                    client_id: client_id.as_deref(),
                    retry_after_seconds: refusal.retry_after_seconds(),
                };
                self.answer(&error).await?;
                self.flush().await
            }
        }
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
        let quiet = self.last_heard.elapsed();
        let app = &self.visit.app;
        if quiet > Duration::from_secs(app.config.chat_idle_seconds) {
            return Err(End::Gone);
        }
        if quiet < ping_every(app) / 2 {
            return Ok(());
        }
        let ping = self.socket.feed(Message::Ping(bytes::Bytes::new()));
        within(ping).await
    }

    /// Tells this client alone, if it is one that understands.
    async fn answer(&mut self, answer: &Answer<'_>) -> Result<(), End> {
        if answer.is_for_all() || self.visit.knows_types {
            feed(&mut self.socket, answer.text()).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        within(self.socket.flush()).await
    }
}

/// What of a room somebody has read.
async fn reading(db: &impl ConnectionTrait, course_id: i64, user_id: i64) -> Result<Reading> {
    let read = reads::read(db, course_id, user_id).await?;
    Ok(Reading {
        read,
        unread: reads::count_unread(db, course_id, read).await?,
    })
}
