//! Events that were recorded here and not yet announced.
//!
//! A request may be dropped in the very moment of its commit: then the event is written, others
//! hear it, and nobody is left to announce it here. Whoever records therefore leaves a promise; the
//! listener, which sees our own committed events too, delivers those whose promise was broken. A
//! promise broken by a rollback is simply never heard of again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hub::Hub;
use super::out::Out;

/// Broken promises kept; the oldest are rollbacks.
const MOST: usize = 1_000;

/// The promises of one bus, by the ids of their events.
#[derive(Debug)]
pub struct Promises {
    hub: Arc<Hub>,
    open: Mutex<BTreeMap<i64, Promised>>,
}

#[derive(Debug)]
struct Promised {
    out: Out,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Committed, as the listener saw, and still to be announced.
    Committed,
    Broken,
}

/// The promise to announce an event after its commit.
#[derive(Debug)]
pub struct Promise {
    promises: Arc<Promises>,
    out: Out,
}

impl Promises {
    /// No promises; broken ones are delivered to `hub`.
    pub fn new(hub: &Arc<Hub>) -> Self {
        Self {
            hub: Arc::clone(hub),
            open: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Promised>> {
        // No panic can leave the map half changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Promises to announce an event. On SQLite its id may be that of an event rolled back before.
    pub fn make(self: &Arc<Self>, out: &Out) -> Promise {
        let promised = Promised {
            out: out.clone(),
            state: State::Open,
        };
        self.lock().insert(out.event.id, promised);
        Promise {
            promises: Arc::clone(self),
            out: out.clone(),
        }
    }

    /// Takes note that an event of this bus is committed.
    pub fn committed(&self, id: i64) {
        let mut open = self.lock();
        let Some(promised) = open.get_mut(&id) else {
            return;
        };
        if promised.state == State::Broken {
            promised.out.deliver(&self.hub);
            open.remove(&id);
        } else {
            promised.state = State::Committed;
        }
    }
}

impl Promise {
    /// The event is being announced.
    pub fn keep(self) {
        let mut open = self.promises.lock();
        if self.is_in(&open) {
            open.remove(&self.out.event.id);
        }
    }

    fn is_in(&self, open: &BTreeMap<i64, Promised>) -> bool {
        open.get(&self.out.event.id)
            .is_some_and(|promised| Arc::ptr_eq(&promised.out.event, &self.out.event))
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let mut open = self.promises.lock();
        // Kept, or its id went to another event after a rollback.
        if !self.is_in(&open) {
            return;
        }
        let Some(promised) = open.get_mut(&self.out.event.id) else {
            return;
        };
        if promised.state == State::Committed {
            self.out.deliver(&self.promises.hub);
            open.remove(&self.out.event.id);
            return;
        }
        promised.state = State::Broken;
        if open.len() > MOST {
            let oldest = open
                .iter()
                .find(|(_, promised)| promised.state == State::Broken);
            let oldest = oldest.map(|(id, _)| *id);
            oldest.and_then(|id| open.remove(&id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Event;

    fn event(id: i64, payload: &'static str) -> Out {
        Out::from(Arc::new(Event {
            id,
            group: "g".to_owned(),
            payload: payload.into(),
        }))
    }

    #[test]
    fn a_broken_promise_is_delivered_once_whether_the_commit_was_seen_before_or_after() {
        let hub = Arc::new(Hub::default());
        let promises = Arc::new(Promises::new(&hub));
        let mut heard = hub.subscribe("g", 8);
        let (before, after, kept) = (
            promises.make(&event(1, "1")),
            promises.make(&event(2, "2")),
            promises.make(&event(3, "3")),
        );
        promises.committed(1);
        drop(before);
        assert!(heard.try_recv().is_some());
        drop(after);
        assert!(heard.try_recv().is_none(), "perhaps it was rolled back");
        promises.committed(2);
        assert!(heard.try_recv().is_some());
        kept.keep();
        for id in 1..4 {
            promises.committed(id);
        }
        assert!(heard.try_recv().is_none());
        assert!(promises.lock().is_empty());
    }

    #[test]
    fn an_event_rolled_back_is_not_taken_for_the_next_with_its_id() {
        let hub = Arc::new(Hub::default());
        let promises = Arc::new(Promises::new(&hub));
        let mut heard = hub.subscribe("g", 8);
        let undone = promises.make(&event(1, "\"undone\""));
        let done = promises.make(&event(1, "\"done\""));
        drop(undone);
        promises.committed(1);
        assert!(heard.try_recv().is_none());
        done.keep();
        assert!(promises.lock().is_empty());
    }

    #[test]
    fn rollbacks_do_not_pile_up() {
        let hub = Arc::new(Hub::default());
        let promises = Arc::new(Promises::new(&hub));
        let open = promises.make(&event(0, "0"));
        for id in 1..5_000 {
            drop(promises.make(&event(id, "1")));
        }
        assert_eq!(promises.lock().len(), MOST);
        assert!(
            open.is_in(&promises.lock()),
            "an open promise is not forgotten"
        );
    }
}
