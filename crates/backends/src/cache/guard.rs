//! The one place through which every call to a backend goes: it measures, waits no longer than is
//! bearable, and asks nobody who did not answer before ([`super::breaker`]).
//!
//! What a caller sees of a backend that does not answer is decided here. It looks empty, and takes
//! what it is told without keeping it: reads miss, `set`, `touch` and `delete` do nothing. What was
//! to be written or deleted is deleted when it answers again, before anybody reads it. Only `add`
//! and `count`, whose answer the caller builds on, are errors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout;

use super::CacheError;
use super::backend::{Backend, ServerReport};
use super::breaker::{Breaker, Owed, waits};
use super::fault::Fault;
use super::near::Lasting;
use super::report::Space;

/// How much longer a call may take that nobody waits for: a try whether a backend answers again.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// So often in a row a backend has to answer as quickly as calls expect before it is taken up again.
const QUICK_PROBES: usize = 3;

/// How long it may take to forget everything, which means to look at every name.
const CLEAR_PATIENCE: Duration = Duration::from_secs(60);

/// As many bytes have to move within the patience for a call to go on beyond it: a large value on
/// its way is no dead server.
const LEAST_PROGRESS: u64 = 64 * 1024;

/// How often the patience is extended so.
const MOST_EXTENSIONS: u32 = 200;

/// How many names are forgotten in one call.
const BATCH: usize = 1_000;

/// A backend, guarded.
#[derive(Debug)]
pub struct Guard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    backend: Backend,
    prefix: String,
    patience: Duration,
    breaker: Breaker,
}

impl Guard {
    /// Guards a backend, on which the names of `prefix` are ours. A call may take `patience`.
    pub fn new(backend: Backend, prefix: &str, patience: Duration) -> Self {
        Self(Arc::new(Inner {
            backend,
            prefix: prefix.to_owned(),
            patience,
            breaker: Breaker::default(),
        }))
    }

    /// The backend, for what is no call to it.
    pub fn backend(&self) -> &Backend {
        &self.0.backend
    }

    /// Whether the backend is asked just now.
    pub fn is_available(&self) -> bool {
        !self.0.breaker.is_open()
    }

    /// What is known of the times when the backend was away.
    pub fn breaker(&self) -> &Breaker {
        &self.0.breaker
    }

    /// Every call to the backend passes here.
    async fn call<T>(
        &self,
        space: &Space,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let inner = &*self.0;
        if !inner.backend.is_shared() {
            return call.await;
        }
        if inner.breaker.is_open() {
            space.failed();
            return Err(Fault::away());
        }
        let (era, began) = (inner.breaker.era(), Instant::now());
        let done = if inner.backend.guards_itself() {
            call.await
        } else {
            inner.within(inner.patience, call).await
        };
        space.took(began.elapsed());
        if let Err(fault) = &done {
            space.failed();
            self.consider(fault, era);
        }
        done
    }

    /// Opens the breaker when the backend is at fault.
    fn consider(&self, fault: &Fault, era: u64) {
        let inner = &self.0;
        if let Fault::Refused(_) = fault {
            tracing::debug!(cache = inner.backend.place(), %fault, "the cache refuses");
        }
        if inner.backend.guards_itself() || !fault.is_of_the_backend() {
            return;
        }
        if !inner.breaker.open(era) {
            return;
        }
        inner.backend.reset();
        tracing::warn!(
            cache = inner.backend.place(),
            kind = inner.backend.kind(),
            %fault,
            "the cache does not answer; the site goes on without it"
        );
        tokio::spawn(recover(Arc::downgrade(inner)));
    }

    /// The value under a name; none where the backend does not answer.
    pub async fn get(&self, space: &Space, name: &str) -> Option<Bytes> {
        let found = self.call(space, self.0.backend.get(name)).await;
        found.ok().flatten()
    }

    /// As [`Guard::get`], with how long the value still lasts.
    pub async fn get_aging(&self, space: &Space, name: &str) -> Option<(Bytes, Lasting)> {
        let found = self.call(space, self.0.backend.get_aging(name)).await;
        found.ok().flatten()
    }

    /// The values under several names, in their order; as [`Guard::get`].
    pub async fn get_many(&self, space: &Space, names: &[String]) -> Vec<Option<Bytes>> {
        let found = self.call(space, self.0.backend.get_many(names)).await;
        match found {
            Ok(found) if found.len() == names.len() => found,
            _ => vec![None; names.len()],
        }
    }

    /// Stores a value; not at all where the backend does not answer.
    pub async fn set(
        &self,
        space: &Space,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<(), CacheError> {
        let debt = self.debt([name]);
        let stored = self.call(space, self.0.backend.set(name, value, lifetime));
        debt.settle(stored.await)
    }

    /// Stores several values; as [`Guard::set`].
    pub async fn set_many(
        &self,
        space: &Space,
        entries: &[(String, Bytes)],
        lifetime: Option<Duration>,
    ) -> Result<(), CacheError> {
        let debt = self.debt(entries.iter().map(|(name, _)| name.as_str()));
        let stored = self.call(space, self.0.backend.set_many(entries, lifetime));
        debt.settle(stored.await)
    }

    /// Stores a value only where none is; [`CacheError::Unavailable`] where nobody can tell.
    pub async fn add(
        &self,
        space: &Space,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<bool, CacheError> {
        let added = self.call(space, self.0.backend.add(name, value, lifetime));
        Ok(added.await?)
    }

    /// Gives a stored value a new lifetime; says whether there was one.
    pub async fn touch(&self, space: &Space, name: &str, lifetime: Option<Duration>) -> bool {
        let touched = self.call(space, self.0.backend.touch(name, lifetime));
        touched.await.unwrap_or(false)
    }

    /// Adds to a stored whole number; [`CacheError::Unavailable`] where nobody can tell.
    pub async fn count(
        &self,
        space: &Space,
        name: &str,
        by: i64,
    ) -> Result<Option<i64>, CacheError> {
        Ok(self.call(space, self.0.backend.count(name, by)).await?)
    }

    /// Forgets several values; says how many there were.
    pub async fn delete_many(&self, space: &Space, names: &[String]) -> usize {
        let debt = self.debt(names.iter().map(String::as_str));
        let deleted = self.call(space, self.0.backend.delete_many(names)).await;
        let count = deleted.as_ref().copied().unwrap_or(0);
        // Only a set may be refused for what it is.
        let _ = debt.settle(deleted.map(drop));
        count
    }

    /// Forgets everything of ours.
    pub async fn clear(&self) {
        let inner = &self.0;
        let era = inner.breaker.era();
        let cleared = if inner.breaker.is_open() {
            Err(Fault::away())
        } else {
            inner.clear().await
        };
        let Err(fault) = cleared else { return };
        self.consider(&fault, era);
        if !inner.backend.guards_itself() && !inner.breaker.owe_all() {
            tokio::spawn(pay(Arc::clone(inner)));
        }
    }

    /// Asks the backend for something; what is wrong with it, in words that hold no secret.
    pub async fn check(&self, name: &str) -> Result<(), String> {
        let inner = &self.0;
        let found = inner.within(PROBE_PATIENCE, inner.backend.get(name)).await;
        found.map(drop).map_err(|fault| fault.to_string())
    }

    /// The value under a name, and how long it still lasts, for somebody who looks at it.
    ///
    /// # Errors
    /// Why the backend cannot tell.
    pub async fn look(&self, name: &str) -> Result<Option<(Bytes, Lasting)>, Fault> {
        let inner = &self.0;
        if inner.breaker.is_open() {
            return Err(Fault::away());
        }
        inner.within(PROBE_PATIENCE, inner.backend.look(name)).await
    }

    /// What the servers say of themselves.
    pub async fn servers(&self) -> Vec<ServerReport> {
        let asked = timeout(PROBE_PATIENCE, self.0.backend.servers()).await;
        asked.unwrap_or_else(|_| {
            vec![ServerReport {
                address: self.0.backend.place(),
                fault: Some("no answer within a second".to_owned()),
                ..ServerReport::default()
            }]
        })
    }

    /// Lets go of connections and memory.
    pub async fn close(&self) {
        self.0.backend.close().await;
    }

    fn debt<'a>(&'a self, names: impl IntoIterator<Item = &'a str>) -> Debt<'a> {
        let is_guarded = self.0.backend.is_shared() && !self.0.backend.guards_itself();
        Debt {
            guard: self,
            names: is_guarded.then(|| names.into_iter().collect()),
        }
    }
}

impl Inner {
    /// Waits for a call as long as is bearable, and longer while a large value is on its way.
    async fn within<T>(
        &self,
        patience: Duration,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let mut call = std::pin::pin!(call);
        let mut moved = self.backend.bytes_moved();
        for _ in 0..MOST_EXTENSIONS {
            if let Ok(done) = timeout(patience, &mut call).await {
                return done;
            }
            let now = self.backend.bytes_moved();
            if now.saturating_sub(moved) < LEAST_PROGRESS {
                break;
            }
            moved = now;
        }
        Err(Fault::Unavailable(format!(
            "no answer within {} ms",
            patience.as_millis()
        )))
    }

    async fn clear(&self) -> Result<(), Fault> {
        let clear = self.backend.clear(&self.prefix);
        self.within(CLEAR_PATIENCE, clear).await
    }

    /// Has the backend forget what it owes, and closes the breaker; says how many names that were.
    async fn pay(&self) -> Result<usize, Fault> {
        let mut count = 0;
        while let Some(owed) = self.breaker.take_or_close() {
            let paid = self.forget(&owed).await;
            if let Err(fault) = paid {
                self.breaker.put_back(&owed);
                return Err(fault);
            }
            count += owed.names.len();
        }
        Ok(count)
    }

    async fn forget(&self, owed: &Owed) -> Result<(), Fault> {
        if owed.is_all {
            return self.clear().await;
        }
        let names: Vec<String> = owed.names.iter().cloned().collect();
        for batch in names.chunks(BATCH) {
            let forget = self.backend.delete_many(batch);
            self.within(PROBE_PATIENCE, forget).await?;
        }
        Ok(())
    }

    /// Whether the backend answers again: at all, which may take a new connection, and then within what calls have
    /// the patience for, a few times, so that a slow one is not taken up and given up by turns.
    async fn probe(&self) -> bool {
        let name = format!("{}:0:probe", self.prefix);
        let mut probe = self.within(PROBE_PATIENCE, self.backend.get(&name)).await;
        for _ in 0..QUICK_PROBES {
            if probe.is_ok() {
                probe = self.within(self.patience, self.backend.get(&name)).await;
            }
        }
        if probe.is_err() {
            self.backend.reset();
        }
        // Refusing is answering.
        !probe.is_err_and(|fault| fault.is_of_the_backend())
    }
}

/// Tries a backend that is away until it answers again, for as long as somebody uses it.
async fn recover(inner: std::sync::Weak<Inner>) {
    let began = Instant::now();
    for wait in waits() {
        tokio::time::sleep(wait).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        if !inner.probe().await {
            continue;
        }
        if let Ok(forgotten) = inner.pay().await {
            tracing::info!(
                cache = inner.backend.place(),
                kind = inner.backend.kind(),
                away_seconds = began.elapsed().as_secs(),
                forgotten,
                "the cache answers again"
            );
            return;
        }
    }
}

/// Has the backend forget what a call left undone that was given up while the backend was well.
async fn pay(inner: Arc<Inner>) {
    let Err(fault) = inner.pay().await else {
        return;
    };
    if inner.breaker.open(inner.breaker.era()) {
        tracing::warn!(
            cache = inner.backend.place(),
            kind = inner.backend.kind(),
            %fault,
            "the cache does not forget what it has to; going on without it"
        );
        inner.backend.reset();
        recover(Arc::downgrade(&inner)).await;
    }
}

/// Names whose older values must not be found again, whatever becomes of the call that replaces or
/// deletes them: dropped without being settled (the caller went away), they are deleted.
struct Debt<'a> {
    guard: &'a Guard,
    names: Option<Vec<&'a str>>,
}

impl Debt<'_> {
    /// After the call. That the backend does not answer is no error to who stores.
    fn settle(mut self, done: Result<(), Fault>) -> Result<(), CacheError> {
        match done {
            Ok(()) => {
                self.names = None;
                Ok(())
            }
            Err(fault @ Fault::TooLarge { .. }) => Err(fault.into()),
            Err(_) => Ok(()),
        }
    }
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        let Some(names) = self.names.take() else {
            return;
        };
        let inner = &self.guard.0;
        let is_seen_to = inner.breaker.owe(names);
        if !is_seen_to && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(pay(Arc::clone(inner)));
        }
    }
}
