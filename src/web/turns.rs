//! Whose turn it is in this process: the newest to ask gets it, and whoever had it is told to let go.
//!
//! A connection may be dead without anybody having noticed; whoever comes after it must not wait until
//! it times out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// Turns by the name of what is taken in turns; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<String, Seat>>>);

#[derive(Debug, Default, Clone)]
struct Seat {
    taken: Arc<tokio::sync::Mutex<()>>,
    /// Of the newest who asked.
    asked_to_leave: CancellationToken,
}

/// A turn; dropping it ends it.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    name: String,
    guard: Option<OwnedMutexGuard<()>>,
    /// Canceled when somebody else wants to go on.
    pub asked_to_leave: CancellationToken,
}

impl Turns {
    /// Waits until whoever has the turn has let go, having told them to.
    pub async fn take(&self, name: &str) -> Turn {
        let asked_to_leave = CancellationToken::new();
        let taken = {
            let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let seat = seats.entry(name.to_owned()).or_default();
            let before = std::mem::replace(&mut seat.asked_to_leave, asked_to_leave.clone());
            before.cancel();
            Arc::clone(&seat.taken)
        };
        // Made before the wait, so that the seat is cleared too when the wait is given up.
        let mut turn = Turn {
            turns: self.clone(),
            name: name.to_owned(),
            guard: None,
            asked_to_leave,
        };
        turn.guard = Some(taken.lock_owned().await);
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut seats = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.guard.take());
        // Those who wait hold the seat's lock too.
        let is_last = seats
            .get(&self.name)
            .is_some_and(|seat| Arc::strong_count(&seat.taken) == 1);
        if is_last {
            seats.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Turn, Turns};

    async fn take(turns: Turns, name: &str) -> Turn {
        turns.take(name).await
    }

    #[tokio::test]
    async fn the_newest_gets_the_turn_and_the_one_before_is_told() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        let other = turns.take("b").await;
        let second = tokio::spawn(take(turns.clone(), "a"));
        first.asked_to_leave.cancelled().await;
        assert!(!other.asked_to_leave.is_cancelled());
        assert!(!second.is_finished());
        drop(first);
        let second = second.await.unwrap();
        assert!(!second.asked_to_leave.is_cancelled());
        drop((second, other));
        assert!(turns.0.lock().unwrap().is_empty(), "nothing is remembered");
    }
}
