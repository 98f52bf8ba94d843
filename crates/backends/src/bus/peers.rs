//! The other processes that serve, and whether they have heard what was told.
//!
//! A process that serves [appears](super::Bus::appear), and lets the others know that it is still there until
//! it ends. Whoever writes waits, for a moment, until those have heard what they react to: then the next
//! request sees the change, whichever process answers it. A process alone waits for nobody.
//!
//! This is the list and the waiting; how processes find each other is told in `postgres` and `sockets`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long a writer waits for the others. Its own visitor waits as long: no more than a blink, and many times what a
/// process takes that is well (about a millisecond). One that is not heard in time is not waited for again before it
/// gives a sign of life.
pub const PATIENCE: Duration = Duration::from_millis(50);

/// The other processes, and the events of ours that some of them have not heard yet.
#[derive(Debug)]
pub struct Peers {
    /// How long a process counts as there after its last sign of life; `None` where its end is seen at once.
    lease: Option<Duration>,
    state: Mutex<State>,
    /// Rung whenever somebody has heard something, or has gone.
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    others: BTreeMap<String, Peer>,
    /// By the id of an event that is waited for: who has heard it.
    heard: HashMap<i64, BTreeSet<String>>,
}

#[derive(Debug)]
struct Peer {
    seen: Instant,
    /// It has let somebody wait in vain since.
    is_late: bool,
}

/// An event that others are to hear; forgotten when this is dropped.
#[derive(Debug)]
pub struct Expected {
    peers: Arc<Peers>,
    id: i64,
}

impl Peers {
    /// Nobody yet.
    pub fn new(lease: Option<Duration>) -> Self {
        Self {
            lease,
            state: Mutex::default(),
            bell: Notify::new(),
        }
    }

    /// How long a process counts as there after its last sign of life; `None` where its end is seen at once.
    pub fn lease(&self) -> Option<Duration> {
        self.lease
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No panic can leave the maps half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a sign of life.
    pub fn here(&self, name: &str) {
        let peer = Peer {
            seen: Instant::now(),
            is_late: false,
        };
        self.lock().others.insert(name.to_owned(), peer);
    }

    /// Takes note that somebody has ended.
    pub fn gone(&self, name: &str) {
        self.lock().others.remove(name);
        self.bell.notify_waiters();
    }

    /// Takes note of who there is, where all can be seen at once.
    pub fn set(&self, names: &[String]) {
        let mut state = self.lock();
        state.others.retain(|name, _| names.contains(name));
        for name in names {
            state.others.entry(name.clone()).or_insert_with(|| Peer {
                seen: Instant::now(),
                is_late: false,
            });
        }
    }

    /// The names of those that are there.
    pub fn names(&self) -> Vec<String> {
        let mut state = self.lock();
        self.forget_ended(&mut state);
        state.others.keys().cloned().collect()
    }

    fn forget_ended(&self, state: &mut State) {
        if let Some(lease) = self.lease {
            state.others.retain(|_, peer| peer.seen.elapsed() < lease);
        }
    }

    /// Others are to hear the event with this id. To be called before they can.
    pub fn expect(self: &Arc<Self>, id: i64) -> Expected {
        self.lock().heard.insert(id, BTreeSet::new());
        Expected {
            peers: Arc::clone(self),
            id,
        }
    }

    /// Somebody has heard an event.
    pub fn heard(&self, name: &str, id: i64) {
        self.here(name);
        if let Some(names) = self.lock().heard.get_mut(&id) {
            names.insert(name.to_owned());
        }
        self.bell.notify_waiters();
    }

    /// Somebody has heard all events up to this one.
    pub fn heard_up_to(&self, name: &str, last: i64) {
        self.here(name);
        for (id, names) in &mut self.lock().heard {
            if *id <= last {
                names.insert(name.to_owned());
            }
        }
        self.bell.notify_waiters();
    }

    /// Returns when all that are there have heard these events, or after [`PATIENCE`].
    pub async fn wait(&self, expected: &[Expected]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let bell = self.bell.notified();
            let mut bell = std::pin::pin!(bell);
            // Before the look: what is heard between the two must ring.
            bell.as_mut().enable();
            if self.missing(expected).is_empty() {
                return;
            }
            if timeout_at(deadline, bell).await.is_err() {
                return self.set_late(&self.missing(expected));
            }
        }
    }

    /// Who is there and has not heard all of these.
    fn missing(&self, expected: &[Expected]) -> Vec<String> {
        let mut state = self.lock();
        self.forget_ended(&mut state);
        let has_heard = |name: &String| {
            expected.iter().all(|event| {
                let heard = state.heard.get(&event.id);
                heard.is_some_and(|names| names.contains(name))
            })
        };
        let waited = state.others.iter().filter(|(_, peer)| !peer.is_late);
        waited
            .map(|(name, _)| name)
            .filter(|name| !has_heard(name))
            .cloned()
            .collect()
    }

    fn set_late(&self, names: &[String]) {
        let mut state = self.lock();
        for name in names {
            if let Some(peer) = state.others.get_mut(name) {
                peer.is_late = true;
                tracing::info!(
                    process = name,
                    "a process does not say that it has heard a change; it is not waited for until it is heard of"
                );
            }
        }
    }
}

impl Expected {
    /// Which event.
    pub fn id(&self) -> i64 {
        self.id
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.peers.lock().heard.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    /// Whether a writer would have to wait.
    fn waits(peers: &Peers, expected: &[Expected]) -> bool {
        peers.wait(expected).now_or_never().is_none()
    }

    fn with(names: &[&str]) -> Arc<Peers> {
        let peers = Peers::new(None);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        peers.set(&names);
        Arc::new(peers)
    }

    #[tokio::test]
    async fn alone_nobody_is_waited_for() {
        let peers = with(&[]);
        assert!(!waits(&peers, &[peers.expect(1)]));
    }

    #[tokio::test]
    async fn what_was_heard_before_the_writer_waits_counts() {
        let peers = with(&["a", "b"]);
        let events = [peers.expect(1), peers.expect(2)];
        peers.heard("a", 1);
        peers.heard("a", 2);
        assert!(waits(&peers, &events));
        peers.heard_up_to("b", 2);
        assert!(!waits(&peers, &events));
    }

    #[tokio::test]
    async fn who_is_silent_is_waited_for_once_until_it_is_heard_of() {
        let peers = with(&["a"]);
        let event = [peers.expect(1)];
        assert!(waits(&peers, &event));
        peers.wait(&event).await;
        assert!(!waits(&peers, &event));
        peers.here("a");
        assert!(waits(&peers, &event));
    }

    #[tokio::test]
    async fn who_goes_while_it_is_waited_for_keeps_nobody() {
        let peers = with(&["a"]);
        let event = [peers.expect(1)];
        let mut waiting = std::pin::pin!(peers.wait(&event));
        assert!(waiting.as_mut().now_or_never().is_none());
        peers.gone("a");
        assert!(waiting.now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_process_without_a_sign_of_life_ends_with_its_lease() {
        let lasting = Peers::new(Some(Duration::from_secs(3_600)));
        lasting.here("a");
        assert_eq!(lasting.names(), ["a"]);
        let over = Peers::new(Some(Duration::ZERO));
        over.here("a");
        assert!(over.names().is_empty());
    }

    #[test]
    fn events_that_nobody_waits_for_any_more_are_forgotten() {
        let peers = Arc::new(Peers::new(None));
        for id in 0..100 {
            drop(peers.expect(id));
        }
        peers.heard("a", 7);
        assert!(peers.lock().heard.is_empty());
    }
}
