//! The task that speaks with Redis: two connections, one to say what is to be said in one round trip after the other, and
//! one that waits for what others say. When either breaks, both are made anew.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{Pipeline, Value, cmd};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::wire::{self, Remark};
use super::{BEAT, DOUBT, LEASE, Shared, late};
use crate::cache::fault::Fault;
use crate::cache::redis::link::Line;
use crate::clock::Clock;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Waits between attempts to connect again: the first, doubling up to the longest.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(2);

/// A connection that broke before it was so old is not worth a line in the log.
const WORTH_TELLING: Duration = Duration::from_secs(10);

/// When the others have noticed that this process cannot reach Redis, and tell it everything over the database: they
/// look every beat whose lease is over.
const NOTICED: Duration = LEASE.saturating_add(BEAT).saturating_add(BEAT);

/// Speaks with Redis for one process.
pub struct Task {
    shared: Arc<Shared>,
    place: Place,
    session: Option<Session>,
    /// Since when Redis is away, until its readers were told that they may have missed something.
    away_since: Option<Instant>,
}

/// Where this process has read up to.
#[derive(Debug, Default)]
pub struct Place {
    /// Which run of which server with which memory; empty before the first.
    epoch: String,
    /// The last event.
    pub events: String,
    /// The last of what need not last.
    pub remarks: String,
}

struct Session {
    reader: Line,
    writer: Line,
    began: Instant,
}

impl Task {
    /// Connects for the first time; what others announce from then on is heard.
    pub async fn begin(shared: &Arc<Shared>) -> Self {
        late::hear(shared);
        let mut task = Self {
            shared: Arc::clone(shared),
            place: Place::default(),
            session: None,
            away_since: None,
        };
        match task.connect(true).await {
            Ok(session) => task.session = Some(session),
            Err(fault) => task.tell_away(&fault.to_string()),
        }
        task
    }

    /// Speaks with Redis for as long as the bus is open.
    pub async fn run(mut self) {
        let mut wait = FIRST_RETRY;
        loop {
            let session = self.session.take();
            let has_lasted = match session {
                Some(session) => self.live(session).await,
                None => false,
            };
            if has_lasted {
                wait = FIRST_RETRY;
            }
            self.rest(wait).await;
            wait = (wait * 2).min(LONGEST_RETRY);
            match self.connect(false).await {
                Ok(session) => self.session = Some(session),
                Err(fault) => tracing::debug!(%fault, "the bus cannot reach Redis yet"),
            }
        }
    }

    fn tell_away(&self, reason: &str) {
        tracing::warn!(
            redis = self.shared.target.place,
            reason,
            "the bus cannot use Redis; events go over the database until it answers"
        );
    }

    /// Says and hears until something breaks; says whether that was long.
    async fn live(&mut self, session: Session) -> bool {
        let Session {
            mut reader,
            mut writer,
            began,
        } = session;
        let epoch = self.place.epoch.clone();
        let reason = tokio::select! {
            reason = self.shared.hear(&mut reader, &mut self.place) => reason,
            reason = self.shared.speak(&mut writer, &epoch) => reason,
        };
        self.shared.set_away();
        self.away_since = Some(Instant::now());
        let has_lasted = began.elapsed() > WORTH_TELLING;
        if has_lasted {
            self.tell_away(&reason);
        } else {
            tracing::debug!(reason, "Redis is away again");
        }
        has_lasted
    }

    /// Waits before Redis is tried again, and says meanwhile over the database what is still to be said.
    async fn rest(&mut self, wait: Duration) {
        let until = Instant::now() + wait;
        if self
            .away_since
            .is_some_and(|since| since.elapsed() > NOTICED)
        {
            self.away_since = None;
            self.shared.station.hub.lost();
        }
        while self.shared.speak_late().await {
            tokio::select! {
                () = sleep_until(until) => return,
                () = self.shared.queue.is_filled() => {}
            }
        }
        // The database is away, too.
        sleep_until(until).await;
    }

    async fn connect(&mut self, is_first: bool) -> Result<Session, Fault> {
        let late = || Fault::Unavailable("it does not answer in time".to_owned());
        let connected = timeout(CONNECT_TIMEOUT, self.try_to_connect(is_first)).await;
        connected.unwrap_or_else(|_| Err(late()))
    }

    /// Connects, and finds out whether what was said meanwhile can still be heard; otherwise something may have been
    /// missed.
    async fn try_to_connect(&mut self, is_first: bool) -> Result<Session, Fault> {
        let shared = Arc::clone(&self.shared);
        let reader = Line::reach(&shared.target, |stream| stream).await?;
        let mut writer = Line::reach(&shared.target, |stream| stream).await?;
        let epoch = shared.epoch(&mut writer).await?;
        let goes_on = self.place.epoch == epoch && self.place.is_kept(&shared, &mut writer).await?;
        if !goes_on {
            self.place.events = shared.newest_event(&mut writer).await?;
        }
        self.place.remarks = shared.newest_remark(&mut writer).await?;
        self.place.epoch = epoch;
        let mut hello = Pipeline::with_capacity(2);
        for remark in [shared.here(), Remark::Who(shared.station.instance.clone())] {
            hello.add_command(shared.names.add_remark(&remark, shared.queue.last()));
        }
        writer.ask_all(&hello).await?;
        *shared.asked() = Some(Instant::now());
        if goes_on {
            shared.seen().excuse();
        } else {
            shared.seen().begin_again();
        }
        self.away_since = None;
        if !goes_on && !is_first {
            // After its place is known, so that what readers now fetch and what they hear next leave no hole.
            shared.station.hub.lost();
        }
        Ok(Session {
            reader,
            writer,
            began: Instant::now(),
        })
    }
}

impl Place {
    /// Whether the last event that was read is still there, and with it all that came after it.
    async fn is_kept(&self, shared: &Shared, line: &mut Line) -> Result<bool, Fault> {
        let mut range = cmd("XRANGE");
        range.arg(&[&shared.names.events, &self.events, &self.events]);
        let found = line.ask(&range).await?;
        Ok(!entries(found)?.is_empty())
    }
}

fn entries(answer: Value) -> Result<Vec<wire::Entry>, Fault> {
    wire::entries(answer)
        .ok_or_else(|| Fault::Garbled("something else than entries of a stream".to_owned()))
}

impl Shared {
    /// Redis cannot be used any more.
    fn set_away(&self) {
        self.hears.store(false, Ordering::SeqCst);
        self.is_complete.store(false, Ordering::SeqCst);
        // Who wants to hear himself does not.
        self.pings.give_up();
    }

    /// The run of the server, and a word beside the streams that is gone when they are.
    async fn epoch(&self, line: &mut Line) -> Result<String, Fault> {
        let mut ask = Pipeline::with_capacity(3);
        ask.cmd("SETNX")
            .arg(&self.names.epoch)
            .arg(Clock::system().random_token());
        ask.cmd("GET").arg(&self.names.epoch);
        ask.cmd("INFO").arg("server");
        let answers = line.ask_all(&ask).await?;
        let [_, word, info] = <[Value; 3]>::try_from(answers)
            .map_err(|_| Fault::Garbled("another number of answers".to_owned()))?;
        let garbled = || Fault::Garbled("not what Redis says of itself".to_owned());
        let info = wire::text(info).ok_or_else(garbled)?;
        let run = info.lines().find_map(|line| line.strip_prefix("run_id:"));
        let word = wire::text(word).ok_or_else(garbled)?;
        Ok(format!("{} {word}", run.ok_or_else(garbled)?.trim()))
    }

    async fn newest_event(&self, line: &mut Line) -> Result<String, Fault> {
        if let Some(id) = self.newest(line, &self.names.events).await? {
            return Ok(id);
        }
        // So that there is one whose presence says that none after it is missing.
        let begun = line.ask(&self.names.begin()).await?;
        wire::text(begun)
            .ok_or_else(|| Fault::Garbled("something else than the place of an entry".to_owned()))
    }

    async fn newest_remark(&self, line: &mut Line) -> Result<String, Fault> {
        let newest = self.newest(line, &self.names.remarks).await?;
        Ok(newest.unwrap_or_else(|| "0-0".to_owned()))
    }

    async fn newest(&self, line: &mut Line, stream: &str) -> Result<Option<String>, Fault> {
        let mut range = cmd("XREVRANGE");
        range.arg(&[stream, "+", "-", "COUNT", "1"]);
        let found = entries(line.ask(&range).await?)?;
        Ok(found.into_iter().next().map(|entry| entry.id))
    }

    /// Says what is to be said, as much at once as there is, until Redis does not take it; answers why.
    async fn speak(&self, line: &mut Line, epoch: &str) -> String {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_beat = tokio::select! {
                _ = beat.tick() => true,
                () = self.queue.is_filled() => false,
            };
            if is_beat {
                self.look_round();
                let here = self.here();
                self.queue.remark(here);
            }
            let said = timeout(DOUBT, self.say(line, is_beat.then_some(epoch))).await;
            match said {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => return fault.to_string(),
                Err(_) => return "it does not answer in time".to_owned(),
            }
        }
    }

    /// Says what is there to be said now; with a beat, sees whether Redis has kept its memory.
    async fn say(&self, line: &mut Line, epoch: Option<&str>) -> Result<(), Fault> {
        let batch = self.queue.batch();
        let mut pipeline = Pipeline::with_capacity(batch.parcels.len() + batch.remarks.len() + 1);
        let own = &self.station.instance;
        for parcel in &batch.parcels {
            pipeline.add_command(self.names.add_parcel(own, parcel));
        }
        for remark in &batch.remarks {
            pipeline.add_command(self.names.add_remark(remark, batch.last));
        }
        if epoch.is_some() {
            pipeline.cmd("GET").arg(&self.names.epoch);
        }
        let mut answers = line.ask_all(&pipeline).await?;
        self.queue.said(batch.last);
        let Some(epoch) = epoch else { return Ok(()) };
        let word = answers.pop().and_then(wire::text).unwrap_or_default();
        if epoch.ends_with(&format!(" {word}")) {
            Ok(())
        } else {
            Err(Fault::Unavailable("its memory was emptied".to_owned()))
        }
    }

    /// Says over the database what Redis cannot take any more; says whether all was said.
    async fn speak_late(&self) -> bool {
        self.queue.forget_remarks();
        loop {
            let batch = self.queue.batch();
            if batch.parcels.is_empty() {
                return true;
            }
            let written = late::write(&self.database, &self.station.instance, &batch.parcels).await;
            if let Err(error) = written {
                tracing::debug!(%error, "what was to go over Redis cannot go over the database either yet");
                return false;
            }
            self.queue.said(batch.last);
        }
    }
}
