//! The one place through which every call to a backend goes: it measures, waits no longer than is
//! bearable, and asks nobody who did not answer before ([`super::breaker`]).
//!
//! What a caller sees of a backend that does not answer is decided here. It looks empty, and takes
//! what it is told without keeping it: reads miss, `set`, `touch` and `delete` do nothing. What was
//! to be written or deleted is deleted when it answers again, before anybody reads it. Only `add`
//! and `count`, whose answer the caller builds on, are errors. A backend that answers, but refuses to
//! delete something, looks so under those names alone.

use std::sync::{Arc, Weak};
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
        inner.open(fault, era);
        inner.see_to_it();
    }

    /// The value under a name; none where the backend does not answer.
    pub async fn get(&self, space: &Space, name: &str) -> Option<Bytes> {
        let found = self.call(space, self.0.backend.get(name)).await;
        found.ok().flatten().filter(|_| !self.0.breaker.owes(name))
    }

    /// As [`Guard::get`], with how long the value still lasts.
    pub async fn get_aging(&self, space: &Space, name: &str) -> Option<(Bytes, Lasting)> {
        let found = self.call(space, self.0.backend.get_aging(name)).await;
        found.ok().flatten().filter(|_| !self.0.breaker.owes(name))
    }

    /// The values under several names, in their order; as [`Guard::get`].
    pub async fn get_many(&self, space: &Space, names: &[String]) -> Vec<Option<Bytes>> {
        let found = self.call(space, self.0.backend.get_many(names)).await;
        let mut found = match found {
            Ok(found) if found.len() == names.len() => found,
            _ => return vec![None; names.len()],
        };
        for (found, name) in found.iter_mut().zip(names) {
            if found.is_some() && self.0.breaker.owes(name) {
                *found = None;
            }
        }
        found
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
        debt.settle_stored(stored.await)
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
        debt.settle_stored(stored.await)
    }

    /// Stores a value only where none is; [`CacheError::Unavailable`] where nobody can tell.
    pub async fn add(
        &self,
        space: &Space,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<bool, CacheError> {
        self.refuse_if_owed(name)?;
        let added = self.call(space, self.0.backend.add(name, value, lifetime));
        Ok(added.await?)
    }

    /// Gives a stored value a new lifetime; says whether there was one.
    pub async fn touch(&self, space: &Space, name: &str, lifetime: Option<Duration>) -> bool {
        let touched = self.call(space, self.0.backend.touch(name, lifetime));
        touched.await.unwrap_or(false) && !self.0.breaker.owes(name)
    }

    /// Adds to a stored whole number; [`CacheError::Unavailable`] where nobody can tell.
    pub async fn count(
        &self,
        space: &Space,
        name: &str,
        by: i64,
    ) -> Result<Option<i64>, CacheError> {
        self.refuse_if_owed(name)?;
        Ok(self.call(space, self.0.backend.count(name, by)).await?)
    }

    /// What is there was to be forgotten: nobody can tell what would be without it.
    fn refuse_if_owed(&self, name: &str) -> Result<(), CacheError> {
        if self.0.breaker.owes(name) {
            return Err(CacheError::Unavailable);
        }
        Ok(())
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

    /// Forgets a value if it is this one, in one step; says whether it was, as far as can be told.
    pub async fn delete_if(&self, space: &Space, name: &str, value: &Bytes) -> bool {
        let deleted = self.call(space, self.0.backend.delete_if(name, value));
        deleted.await.unwrap_or(false)
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
        if !inner.backend.guards_itself() || matches!(fault, Fault::Refused(_)) {
            inner.breaker.owe_all();
            inner.see_to_it();
        }
        self.consider(&fault, era);
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
        let found = inner.within(PROBE_PATIENCE, inner.backend.look(name)).await;
        Ok(found?.filter(|_| !inner.breaker.owes(name)))
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
        let is_shared = self.0.backend.is_shared();
        Debt {
            guard: self,
            names: is_shared.then(|| names.into_iter().collect()),
            is_settled: false,
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

    /// Opens the breaker, for a call that began in `era`.
    fn open(&self, fault: &Fault, era: u64) {
        if !self.breaker.open(era) {
            return;
        }
        self.backend.reset();
        tracing::warn!(
            cache = self.backend.place(),
            kind = self.backend.kind(),
            %fault,
            "the cache does not answer; the site goes on without it"
        );
    }

    /// Has a task see to it that the breaker closes and what is owed is forgotten.
    fn see_to_it(self: &Arc<Self>) {
        // Outside of a runtime, as while the program ends, nobody comes to need it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && self.breaker.hire()
        {
            runtime.spawn(see_to(Arc::downgrade(self)));
        }
    }

    /// Has the backend forget what it has to; says how many names that were.
    async fn pay(&self) -> Result<usize, Fault> {
        let mut count = 0;
        while let Some(owed) = self.breaker.take() {
            let paid = self.forget(&owed).await;
            if let Err(fault) = paid {
                self.breaker.put_back();
                return Err(fault);
            }
            self.breaker.paid();
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
            if !self.backend.guards_itself() {
                self.within(PROBE_PATIENCE, forget).await?;
            } else if let Err(fault @ Fault::Refused(_)) = forget.await {
                // A server that does not answer it sees to itself.
                return Err(fault);
            }
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

/// Tries a backend that is away until it answers again, and has it forget what it has to, for as long as somebody
/// uses it.
async fn see_to(inner: Weak<Inner>) {
    let (mut away_since, mut is_told) = (None, false);
    for wait in std::iter::once(Duration::ZERO).chain(waits()) {
        tokio::time::sleep(wait).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let is_open = inner.breaker.is_open();
        if is_open {
            away_since.get_or_insert_with(Instant::now);
        }
        if is_open && (wait.is_zero() || !inner.probe().await) {
            continue;
        }
        let era = inner.breaker.era();
        let forgotten = match inner.pay().await {
            Ok(forgotten) => forgotten,
            Err(fault) if fault.is_of_the_backend() && !inner.backend.guards_itself() => {
                inner.open(&fault, era);
                continue;
            }
            Err(fault) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(
                        cache = inner.backend.place(),
                        kind = inner.backend.kind(),
                        %fault,
                        "the cache refuses to forget what it has to, of which nothing is read until it does"
                    );
                }
                0
            }
        };
        if is_open && inner.breaker.close() {
            let away = away_since.take().map(|since| since.elapsed());
            tracing::info!(
                cache = inner.backend.place(),
                kind = inner.backend.kind(),
                away_seconds = away.unwrap_or_default().as_secs(),
                forgotten,
                "the cache answers again"
            );
        }
        if inner.breaker.dismiss() {
            return;
        }
    }
}

/// Names whose older values must not be found again, whatever becomes of the call that replaces or
/// deletes them: dropped without being settled (the caller went away), they are deleted. A backend that
/// guards itself sees to all but what it refuses.
struct Debt<'a> {
    guard: &'a Guard,
    names: Option<Vec<&'a str>>,
    is_settled: bool,
}

impl Debt<'_> {
    /// After the call. That the backend does not answer is no error to who stores.
    fn settle(mut self, done: Result<(), Fault>) -> Result<(), CacheError> {
        self.is_settled = true;
        let is_seen_to = match &done {
            Ok(()) => true,
            Err(fault) => {
                self.guard.0.backend.guards_itself() && !matches!(fault, Fault::Refused(_))
            }
        };
        if is_seen_to {
            self.names = None;
        }
        match done {
            Err(fault @ Fault::TooLarge { .. }) => Err(fault.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// As [`Debt::settle`], of values that took the place of what was there.
    fn settle_stored(self, done: Result<(), Fault>) -> Result<(), CacheError> {
        if let (Ok(()), Some(names)) = (&done, &self.names) {
            self.guard.0.breaker.stored(names.iter().copied());
        }
        self.settle(done)
    }
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        let Some(names) = self.names.take() else {
            return;
        };
        let inner = &self.guard.0;
        if inner.backend.guards_itself() && !self.is_settled {
            return;
        }
        inner.breaker.owe(names);
        inner.see_to_it();
    }
}
