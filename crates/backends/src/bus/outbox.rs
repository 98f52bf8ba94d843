//! Keeps the announcements of this process in the order of their commits, on SQLite.
//!
//! SQLite has one writer at a time, so events are recorded in the order in which they will be
//! committed. Between a commit and its announcement the next writer may overtake, though. So each
//! recorded event takes a ticket, and an announced one waits for the tickets before it, which are
//! either about to be announced or dropped. On PostgreSQL this would make quick transactions wait
//! for slow ones, and is not used.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hub::Hub;
use super::out::Out;

/// Recorded events that are not delivered yet, in the order of their records.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    events: BTreeMap<u64, Option<Out>>,
}

/// A recorded event's place in the order; dropped when it is not to be announced.
#[derive(Debug)]
pub struct Ticket {
    outbox: Outbox,
    hub: Arc<Hub>,
    number: u64,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No panic can leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next place.
    pub fn ticket(&self, hub: &Arc<Hub>) -> Ticket {
        let mut waiting = self.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.events.insert(number, None);
        Ticket {
            outbox: self.clone(),
            hub: Arc::clone(hub),
            number,
        }
    }

    /// Delivers from the front what waits for nobody any more, under the lock: two who announce at
    /// once must not deliver in turns.
    fn advance(waiting: &mut Waiting, hub: &Hub) {
        while let Some(first) = waiting.events.first_entry() {
            let Some(out) = first.get() else { return };
            out.send(hub);
            first.remove();
        }
    }
}

impl Ticket {
    /// Delivers the event as soon as all before it are.
    pub fn release(self, out: Out) {
        let mut waiting = self.outbox.lock();
        waiting.events.insert(self.number, Some(out));
        Outbox::advance(&mut waiting, &self.hub);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut waiting = self.outbox.lock();
        // Present without an event: never announced, so nobody need wait for it.
        if waiting
            .events
            .get(&self.number)
            .is_some_and(Option::is_none)
        {
            waiting.events.remove(&self.number);
        }
        Outbox::advance(&mut waiting, &self.hub);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Delivery, Event};

    fn event(id: i64) -> Out {
        Out::from(Arc::new(Event {
            id,
            group: "g".to_owned(),
            payload: "null".into(),
        }))
    }

    fn ids(subscription: &mut crate::bus::Subscription) -> Vec<i64> {
        std::iter::from_fn(|| subscription.try_recv())
            .map(|delivery| match delivery {
                Delivery::Event(event) => event.id,
                Delivery::Lost => -1,
            })
            .collect()
    }

    #[test]
    fn an_event_waits_for_those_recorded_before_it_and_not_for_dropped_ones() {
        let (outbox, hub) = (Outbox::default(), Arc::new(Hub::default()));
        let mut heard = hub.subscribe("g", 8);
        let (one, two, three, four) = (
            outbox.ticket(&hub),
            outbox.ticket(&hub),
            outbox.ticket(&hub),
            outbox.ticket(&hub),
        );
        two.release(event(2));
        four.release(event(4));
        assert_eq!(ids(&mut heard), [0; 0]);
        one.release(event(1));
        assert_eq!(ids(&mut heard), [1, 2]);
        drop(three);
        assert_eq!(ids(&mut heard), [4]);
    }
}
