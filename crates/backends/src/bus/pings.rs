//! Round trips: a process says a random word and waits until it hears it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::clock::Clock;

/// Round trips that wait for their word.
#[derive(Debug, Default)]
pub struct Pings(Mutex<HashMap<String, oneshot::Sender<()>>>);

impl Pings {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<()>>> {
        // No panic can leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A word to be said, and what waits for it; that ends with an error when it is [given up](Pings::give_up).
    pub fn expect(&self) -> (String, oneshot::Receiver<()>) {
        let nonce = Clock::system().random_token();
        let (heard, hearing) = oneshot::channel();
        let mut waiting = self.lock();
        // Those who stopped waiting are forgotten here.
        waiting.retain(|_, heard| !heard.is_closed());
        waiting.insert(nonce.clone(), heard);
        (nonce, hearing)
    }

    /// A word was heard.
    pub fn heard(&self, nonce: &str) {
        if let Some(heard) = self.lock().remove(nonce) {
            // Whoever asked may have stopped waiting.
            let _ = heard.send(());
        }
    }

    /// No word that was said is heard any more.
    pub fn give_up(&self) {
        self.lock().clear();
    }
}
