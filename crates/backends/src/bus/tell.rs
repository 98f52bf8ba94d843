//! What is told without a record: who is typing, who is here.
//!
//! Nothing of it is in the database, and it may be lost: who tells such things tells them again, or what is lost does
//! not matter a few seconds later.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::mpsc;

use super::event::{Event, MOST_TOLD_BYTES, prepare};
use super::{Backend, Bus, BusError};

/// What waits to be told to other processes; what comes to a full queue is lost.
const WAITING: usize = 1_024;

/// The queue of what this process tells the others.
pub type Telling = mpsc::Sender<Arc<Event>>;

/// What is taken out of it.
pub type Told = mpsc::Receiver<Arc<Event>>;

/// A queue with nothing in it.
pub fn queue() -> (Telling, Told) {
    mpsc::channel(WAITING)
}

impl Bus {
    /// Tells a group something that need not last: whoever subscribes to it hears it here at once, and in every other
    /// process that [serves](Bus::appear) within milliseconds; or not at all, when a connection is away, a process is
    /// slow, or too much is told at once. Nothing is written into the database, nobody is waited for, and no
    /// [`Delivery::Lost`](super::Delivery::Lost) says that something is missing. What one process tells comes in its
    /// order. The [`Event`] has the id 0.
    ///
    /// What a process has told of itself, such as who is in a room with it, is over when the process is: put its
    /// [instance](Bus::instance) into the payload, tell it again every few seconds, and forget it once the instance is
    /// not among the [peers](Bus::peers) any more.
    ///
    /// # Errors
    /// [`BusError::BadGroup`], [`BusError::Payload`], or [`BusError::TooLarge`] for more than [`MOST_TOLD_BYTES`]; then
    /// nobody hears it.
    pub fn tell(&self, group: &str, payload: &(impl Serialize + ?Sized)) -> Result<(), BusError> {
        let (group, payload) = prepare(group, payload)?;
        if payload.len() > MOST_TOLD_BYTES {
            return Err(BusError::TooLarge(payload.len()));
        }
        let event = Event::told(&group, payload);
        self.0.station.hub.deliver(&event);
        let redis = self.0.redis.as_ref();
        if redis.is_some_and(|redis| redis.tell(&event)) {
            return Ok(());
        }
        let telling = match &self.0.backend {
            Backend::Memory { .. } => None,
            Backend::Sqlite { sockets, .. } => sockets.as_ref().map(|sockets| sockets.telling()),
            Backend::Postgres { telling, .. } => Some(telling),
        };
        if telling.is_some_and(|telling| telling.try_send(event).is_err()) {
            tracing::debug!(
                group,
                "something that need not last is not told to other processes"
            );
        }
        Ok(())
    }
}
