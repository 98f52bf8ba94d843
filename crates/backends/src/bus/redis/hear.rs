//! What others say over Redis.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use super::task::Place;
use super::wire::{self, AT_ONCE, Entry, Remark, Said};
use super::{BEAT, DOUBT, Shared};
use crate::bus::Event;
use crate::cache::redis::link::Line;

/// How long Redis may take to send what happened meanwhile.
const CATCH_UP: Duration = Duration::from_secs(2);

/// The marks of events that were reacted to, by who is to be told of it.
type Owed = BTreeMap<String, Vec<i64>>;

impl Shared {
    /// Delivers what others say until the connection breaks; answers why.
    pub(super) async fn hear(&self, line: &mut Line, place: &mut Place) -> String {
        let mut is_caught_up = false;
        let beat = usize::try_from(BEAT.as_millis()).unwrap_or(1_000);
        loop {
            let (wait, bound) = if is_caught_up {
                (Some(beat), BEAT + DOUBT)
            } else {
                (None, CATCH_UP)
            };
            let read = self.names.read(&place.events, &place.remarks, wait);
            let answer = match timeout(bound, line.ask(&read)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(fault)) => return fault.to_string(),
                Err(_) => return "it does not answer in time".to_owned(),
            };
            let Some(mut streams) = wire::streams(answer) else {
                return "it answers something else than streams".to_owned();
            };
            let events = streams.remove(&self.names.events).unwrap_or_default();
            let remarks = streams.remove(&self.names.remarks).unwrap_or_default();
            // Remarks may be about events that did not fit: then they are read again, after these.
            let is_whole = events.len() < AT_ONCE;
            let mut owed = Owed::new();
            self.take_events(events, place, &mut owed);
            if is_whole {
                self.take_remarks(remarks, place);
            }
            self.answer(owed);
            if is_whole && !is_caught_up {
                is_caught_up = true;
                self.look_for_all();
                self.hears.store(true, Ordering::SeqCst);
                tracing::info!(redis = self.target.place, "the bus uses Redis");
            }
        }
    }

    fn take_events(&self, entries: Vec<Entry>, place: &mut Place, owed: &mut Owed) {
        for Entry { id, head, payload } in entries {
            place.events = id;
            let Some(Said::Event {
                name,
                number,
                mark,
                group,
            }) = Said::parse(&head)
            else {
                continue;
            };
            if name == self.station.instance {
                continue;
            }
            let event = Event {
                id: mark,
                group: group.to_owned(),
                payload,
            };
            self.take_event(name, number, &Arc::new(event));
            if self.serves.load(Ordering::SeqCst) && self.station.hub.reacts_to(group) {
                owed.entry(name.to_owned()).or_default().push(mark);
            }
        }
    }

    fn answer(&self, owed: Owed) {
        for (whose, marks) in owed {
            self.queue.remark(Remark::Heard {
                name: self.station.instance.clone(),
                whose,
                marks,
            });
        }
    }

    fn take_remarks(&self, entries: Vec<Entry>, place: &mut Place) {
        let mut has_changed = false;
        for Entry { id, head, payload } in entries {
            place.remarks = id;
            let Some(said) = Said::parse(&head) else {
                continue;
            };
            has_changed |= matches!(said, Said::Here(..) | Said::Gone(..));
            self.take_remark(said, payload);
        }
        if has_changed {
            self.look_for_all();
        }
    }

    fn take_remark(&self, said: Said<'_>, payload: bytes::Bytes) {
        let own = self.station.instance.as_str();
        let is_missing = match said {
            Said::Here(name, last, serves) if name != own => {
                if serves {
                    self.peers.here(name);
                }
                self.seen().here(name, last)
            }
            Said::Gone(name, last) if name != own => {
                self.peers.gone(name);
                self.seen().gone(name, last)
            }
            Said::Who(name) if name != own => {
                let here = self.here();
                self.queue.remark(here);
                false
            }
            Said::Heard(name, whose, marks) if whose == own => {
                for mark in marks {
                    self.peers.heard(name, mark);
                }
                false
            }
            Said::Ping(nonce) => {
                self.pings.heard(nonce);
                false
            }
            Said::Told(name, group) if name != own => {
                self.station.hub.deliver(&Event::told(group, payload));
                false
            }
            _ => false,
        };
        if is_missing {
            tracing::warn!(
                "another process has said more than was heard; what it is about is read again"
            );
            self.station.hub.lost();
        }
    }
}
