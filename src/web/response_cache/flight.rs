//! One computation for many askers: those who ask for an answer that is being made wait for it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What became of it: whether the answer was kept; nothing while it is being made.
type Landed = Option<bool>;

/// The answers that are being made, by the name under which they will be kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<String, watch::Receiver<Landed>>>>);

/// An asker's part.
pub(super) enum Part {
    /// She makes it.
    Leads(Lead),
    /// Somebody else makes it already.
    Follows(Follow),
}

/// Making an answer for all who ask for it. Dropped without [`Lead::land`], the next one tries.
pub(super) struct Lead {
    flights: Flights,
    name: String,
    landed: watch::Sender<Landed>,
}

/// Waiting for an answer.
pub(super) struct Follow(watch::Receiver<Landed>);

impl Flights {
    /// Takes part in making what will have this name.
    pub fn join(&self, name: &str) -> Part {
        match self.lock().entry(name.to_owned()) {
            Entry::Occupied(known) => Part::Follows(Follow(known.get().clone())),
            Entry::Vacant(place) => {
                let (landed, follow) = watch::channel(None);
                place.insert(follow);
                Part::Leads(Lead {
                    flights: self.clone(),
                    name: name.to_owned(),
                    landed,
                })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Landed>>> {
        // The map is never left half changed, whatever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead {
    /// It is made, and is kept or not.
    pub fn land(self, is_kept: bool) {
        self.landed.send_replace(Some(is_kept));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.name);
    }
}

impl Follow {
    /// Whether it was kept; `None` when nobody makes it any more.
    pub async fn landed(mut self) -> Option<bool> {
        let landed = self.0.wait_for(Option::is_some).await;
        landed.ok().and_then(|landed| *landed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Flights, Follow, Lead, Part};

    fn lead(flights: &Flights) -> Lead {
        match flights.join("a") {
            Part::Leads(lead) => lead,
            Part::Follows(_) => panic!("somebody makes it already"),
        }
    }

    fn follow(flights: &Flights) -> Follow {
        match flights.join("a") {
            Part::Follows(follow) => follow,
            Part::Leads(_) => panic!("nobody makes it"),
        }
    }

    #[tokio::test]
    async fn those_who_come_meanwhile_hear_what_became_of_it() {
        let flights = Flights::default();
        for is_kept in [true, false] {
            let lead = lead(&flights);
            let waiting = follow(&flights);
            lead.land(is_kept);
            assert_eq!(waiting.landed().await, Some(is_kept));
        }
    }

    #[tokio::test]
    async fn when_the_first_goes_away_another_may_make_it() {
        let flights = Flights::default();
        let lead = flights.join("a");
        let waiting = follow(&flights);
        drop(lead);
        assert_eq!(waiting.landed().await, None);
        assert!(matches!(flights.join("a"), Part::Leads(_)));
    }
}
