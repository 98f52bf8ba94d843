//! One computation for many askers: those who ask for a key that is being computed wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

/// The computations under way, by the name of what they compute.
#[derive(Clone, Debug, Default)]
pub struct Flights(Arc<Mutex<HashMap<String, Arc<State>>>>);

#[derive(Debug)]
struct State {
    result: OnceCell<Bytes>,
    /// Whether the result may still be stored. Held while it is being stored, so that whoever
    /// forgets the key either comes before and prevents it, or after and deletes it.
    gate: AsyncMutex<bool>,
}

/// One asker's place in a computation.
#[derive(Debug)]
pub struct Flight {
    flights: Flights,
    name: String,
    state: Arc<State>,
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<State>>> {
        // The map is never left half changed, whatever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place in the computation of `name`, begun now unless it is already under way.
    pub fn join(&self, name: &str) -> Flight {
        let state = self
            .lock()
            .entry(name.to_owned())
            .or_insert_with(|| {
                Arc::new(State {
                    result: OnceCell::new(),
                    gate: AsyncMutex::new(true),
                })
            })
            .clone();
        Flight {
            flights: self.clone(),
            name: name.to_owned(),
            state,
        }
    }

    /// Keeps the computation of `name` from being stored and new askers from joining it.
    pub async fn forget(&self, name: &str) {
        let state = self.lock().remove(name);
        if let Some(state) = state {
            *state.gate.lock().await = false;
        }
    }

    /// As [`Flights::forget`], for everything under way.
    pub async fn forget_all(&self) {
        let states: Vec<_> = self.lock().drain().map(|(_, state)| state).collect();
        for state in states {
            *state.gate.lock().await = false;
        }
    }
}

impl Flight {
    /// The result: computed by `compute`, or by another asker that was first. `compute` is given
    /// the gate, which it locks to store its result and which says whether it may.
    pub async fn land<E>(
        &self,
        compute: impl AsyncFnOnce(&AsyncMutex<bool>) -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        let bytes = self
            .state
            .result
            .get_or_try_init(|| compute(&self.state.gate))
            .await?;
        Ok(bytes.clone())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        let is_ours = flights
            .get(&self.name)
            .is_some_and(|state| Arc::ptr_eq(state, &self.state));
        // Landed, or left by its last asker (the map holds one, this holds the other).
        let is_over = self.state.result.initialized() || Arc::strong_count(&self.state) <= 2;
        if is_ours && is_over {
            flights.remove(&self.name);
        }
    }
}
