//! An event on its way out: to the subscribers here, and, when it goes over Redis, to the other processes.

use std::sync::Arc;

use super::Event;
use super::hub::Hub;
use super::redis::Way;

/// An event, and the way to the others that it takes once it is committed; none when the database tells them.
#[derive(Clone, Debug)]
pub struct Out {
    /// The event.
    pub event: Arc<Event>,
    /// Its way over Redis.
    pub way: Option<Way>,
}

impl Out {
    /// Sends it to the subscribers here and to the others. It was reacted to already.
    pub fn send(&self, hub: &Hub) {
        hub.send(&self.event);
        if let Some(way) = &self.way {
            way.post(&self.event);
        }
    }

    /// As [`Out::send`], for one that was nearly forgotten.
    pub fn deliver(&self, hub: &Hub) {
        hub.do_reactions(&self.event);
        self.send(hub);
    }
}

impl From<Arc<Event>> for Out {
    fn from(event: Arc<Event>) -> Self {
        Self { event, way: None }
    }
}
