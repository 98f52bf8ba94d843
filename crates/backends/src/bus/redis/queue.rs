//! What this process has to say over Redis, until Redis has taken it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::wire::Remark;
use crate::bus::Event;

/// Events that wait; of more, the oldest are given up, which the others notice by the hole in their numbers.
const MOST_EVENTS: usize = 10_000;

/// Remarks that wait; what comes to a full queue is lost.
const MOST_REMARKS: usize = 4_096;

/// What is said in one round trip.
const BATCH: usize = 512;

/// An event that the others are to hear.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Its place among all that this process says, without holes.
    pub number: u64,
    /// What those who have heard it call it.
    pub mark: i64,
    /// The event.
    pub event: Arc<Event>,
}

/// What is said at once.
#[derive(Debug)]
pub struct Batch {
    /// Events, in order.
    pub parcels: Vec<Parcel>,
    /// What need not last.
    pub remarks: Vec<Remark>,
    /// The number of the last event that the others have, once these are said.
    pub last: u64,
}

impl Batch {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.parcels.is_empty() && self.remarks.is_empty()
    }
}

/// The queue of one process.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    /// Rung when there is something to say.
    filled: Notify,
    /// Rung when there is nothing any more.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The number that was given last.
    last: u64,
    parcels: VecDeque<Parcel>,
    remarks: VecDeque<Remark>,
    /// Something was taken out and is on its way.
    is_saying: bool,
}

impl State {
    fn is_empty(&self) -> bool {
        self.parcels.is_empty() && self.remarks.is_empty()
    }

    fn before(&self) -> u64 {
        let first = self.parcels.front();
        first.map_or(self.last, |first| first.number.saturating_sub(1))
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No panic can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has an event said, after all that were posted before it.
    pub fn post(&self, event: &Arc<Event>, mark: i64) {
        let mut state = self.lock();
        state.last += 1;
        let parcel = Parcel {
            number: state.last,
            mark,
            event: Arc::clone(event),
        };
        state.parcels.push_back(parcel);
        if state.parcels.len() > MOST_EVENTS {
            state.parcels.pop_front();
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Has something said that need not last; says whether there is room for it.
    pub fn remark(&self, remark: Remark) -> bool {
        let mut state = self.lock();
        let has_room = state.remarks.len() < MOST_REMARKS;
        if has_room {
            state.remarks.push_back(remark);
        }
        drop(state);
        self.filled.notify_one();
        has_room
    }

    /// Returns when there is something to say.
    pub async fn is_filled(&self) {
        while self.lock().is_empty() {
            self.filled.notified().await;
        }
    }

    fn is_idle(&self) -> bool {
        let state = self.lock();
        state.is_empty() && !state.is_saying
    }

    /// Returns when everything was said.
    pub async fn is_emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            let mut emptied = std::pin::pin!(emptied);
            // Before the look: what happens between the two must ring.
            emptied.as_mut().enable();
            if self.is_idle() {
                return;
            }
            emptied.await;
        }
    }

    /// The number of the last event before those that wait.
    pub fn last(&self) -> u64 {
        self.lock().before()
    }

    /// What is to be said next; the events stay in the queue until they were [said](Queue::said). Remarks come after
    /// all events that were posted before them.
    pub fn batch(&self) -> Batch {
        let mut state = self.lock();
        let parcels: Vec<Parcel> = state.parcels.iter().take(BATCH).cloned().collect();
        let remarks = if parcels.len() == state.parcels.len() {
            let count = state.remarks.len().min(BATCH);
            state.remarks.drain(..count).collect()
        } else {
            Vec::new()
        };
        let last = parcels.last().map(|last| last.number);
        let batch = Batch {
            last: last.unwrap_or_else(|| state.before()),
            parcels,
            remarks,
        };
        state.is_saying = !batch.is_empty();
        if batch.is_empty() {
            drop(state);
            self.emptied.notify_waiters();
        }
        batch
    }

    /// What was taken out last was said: the others have, or will be told of, everything up to this number.
    pub fn said(&self, last: u64) {
        let mut state = self.lock();
        state.is_saying = false;
        while state
            .parcels
            .front()
            .is_some_and(|first| first.number <= last)
        {
            state.parcels.pop_front();
        }
        if state.is_empty() {
            drop(state);
            self.emptied.notify_waiters();
        }
    }

    /// Forgets what need not last.
    pub fn forget_remarks(&self) {
        self.lock().remarks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(queue: &Queue, count: i64) {
        for mark in 0..count {
            queue.post(&Event::told("g", "null"), mark);
        }
    }

    #[test]
    fn events_stay_until_they_were_said_and_remarks_come_after_them() {
        let queue = Queue::default();
        post(&queue, 600);
        assert!(queue.remark(Remark::Who("me".to_owned())));
        let first = queue.batch();
        assert_eq!(
            (first.parcels.len(), first.remarks.len(), first.last),
            (512, 0, 512)
        );
        let again = queue.batch();
        assert_eq!(again.parcels[0].number, 1, "not said yet");
        queue.said(512);
        let rest = queue.batch();
        assert_eq!(
            (rest.parcels.len(), rest.remarks.len(), rest.last),
            (88, 1, 600)
        );
        queue.said(600);
        assert!(queue.batch().is_empty());
        assert_eq!(queue.batch().last, 600);
    }

    #[test]
    fn what_is_too_much_leaves_a_hole_before_what_is_newer() {
        let queue = Queue::default();
        post(&queue, 10_003);
        let batch = queue.batch();
        assert_eq!(batch.parcels[0].number, 4);
        for _ in 0..5_000 {
            queue.remark(Remark::Who("me".to_owned()));
        }
        assert!(!queue.remark(Remark::Who("me".to_owned())));
        queue.said(10_003);
        queue.forget_remarks();
        assert!(queue.batch().is_empty());
    }
}
