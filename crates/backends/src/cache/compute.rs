//! Values that are computed when they are missing: once for all who ask, here and in other
//! processes, and while the older one is still served, if that is wanted.
//!
//! In this process those who ask for the same key share one computation ([`super::flight`]). Where
//! others share the backend, who computes holds a lock there, a value under a name of its own, for
//! ten seconds at most; the others look for the result for a second and then compute as well, so
//! that nobody depends on a process that died: they take the lock over. Whoever sets or deletes a key
//! takes its lock away *first*: what was computed from older data is then given to those who wait for
//! it, but not stored. That is looked at before storing and once more after it, so that of two who do
//! this at once one sees the other.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::key::Kind;
use super::{Cache, CacheError, Lifetime, Timeout, decode, encode, key};
use crate::clock::Clock;

/// How long one process may compute before others do not count on it any more.
const LOCK_LIFETIME: Duration = Duration::from_secs(10);

/// After how many looks for another's result one computes oneself, and how long between them:
/// 5, 10, 20, 40, then 80 ms; a second altogether.
const LOOKS: u32 = 15;
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(80);

/// Lifetimes of computed values are shortened by up to a tenth, each key by its own part, so that
/// what was computed together does not end together.
const SPREAD: u32 = 10;

/// Makes what no other lock holds; clones share the count.
#[derive(Clone, Debug)]
pub struct Locks {
    process: Arc<str>,
    count: Arc<AtomicU64>,
}

impl Locks {
    /// For one opened cache.
    pub fn new() -> Self {
        Self {
            // Never from a clock whose randomness is fixed: two processes must differ.
            process: Clock::system().random_token().into(),
            count: Arc::default(),
        }
    }

    fn token(&self) -> Bytes {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        Bytes::from(format!("\"{}.{count}\"", self.process))
    }
}

/// What a computed value is stored with.
#[derive(Clone, Copy)]
struct Term {
    lifetime: Lifetime,
    /// How much longer it is kept, as an older one that is served while it is computed anew.
    stale: Option<Duration>,
}

/// How a lock was got.
enum Turn<'a> {
    /// It is ours.
    Ours(Held<'a>),
    /// Another's result has come.
    Done(Bytes),
    /// It is not known who has it: what is computed is not stored.
    Unknown,
    /// None is needed: nobody else can store the value, or nobody may.
    Needless,
}

impl Cache {
    /// The value, or, when there is none, what `compute` makes of it, stored on the way.
    ///
    /// Many that ask at once share one computation; when it fails, its error goes to the one that
    /// computed and the next one tries. A value deleted or set while it is being computed is given
    /// to those who already wait, but not stored, so that a change is never overwritten by what was
    /// read before it. (In another process it may be found for the moment of storing, and a process
    /// that dies in that moment leaves it; where it has to hold strictly, the value carries the
    /// versions of its data.) `compute` must not ask for the same key. The timeout is shortened by up
    /// to a tenth, so that not all keys end at once. The cache is never a reason to fail: without its
    /// backend, `compute` is asked each time.
    pub async fn get_or_set<T, E, F, Fut>(
        &self,
        key: &str,
        timeout: Timeout,
        compute: F,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<CacheError>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let make = async || encode(&compute().await?).map_err(E::from);
        let term = self.term(timeout);
        let bytes = self.get_or_make(key, term, make, |bytes| decode::<T>(key, bytes).is_some());
        Ok(serde_json::from_slice(&bytes.await?).map_err(CacheError::from)?)
    }

    /// As [`Cache::get_or_set`], for bytes as they are.
    pub async fn get_or_set_bytes<E, F, Fut>(
        &self,
        key: &str,
        timeout: Timeout,
        compute: F,
    ) -> Result<Bytes, E>
    where
        E: From<CacheError>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Bytes, E>>,
    {
        self.get_or_make(key, self.term(timeout), compute, |_| true)
            .await
    }

    /// As [`Cache::get_or_set`], but a value whose timeout is over is still served for `stale`,
    /// while one task computes it anew: nobody waits for what was there lately. An error of that
    /// task is logged, and the older value served on.
    pub async fn get_or_refresh<T, E, F, Fut>(
        &self,
        key: &str,
        timeout: Timeout,
        stale: Duration,
        compute: F,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: From<CacheError> + std::fmt::Display + Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let (name, mark) = (self.name(key)?, key::join(&self.head, Kind::Mark, key));
        let space = self.space(key);
        let term = Term {
            stale: Some(stale),
            ..self.term(timeout)
        };
        let names = [name, mark];
        let mut found = self.layers.get_many(&[space], &names).await.into_iter();
        let (value, is_fresh) = (found.next().flatten(), found.next().flatten().is_some());
        let value = value.and_then(|bytes| decode::<T>(key, &bytes));
        let Some(value) = value else {
            let make = async || encode(&compute().await?).map_err(E::from);
            let bytes =
                self.get_or_make(key, term, make, |bytes| decode::<T>(key, bytes).is_some());
            return Ok(serde_json::from_slice(&bytes.await?).map_err(CacheError::from)?);
        };
        if !is_fresh {
            self.refresh(key, term, compute).await;
        }
        Ok(value)
    }

    /// Has a task compute the value anew, unless somebody does already.
    async fn refresh<T, E, F, Fut>(&self, key: &str, term: Term, compute: F)
    where
        T: Serialize + Send + 'static,
        E: From<CacheError> + std::fmt::Display + Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        // The mark is the lock: while it stands, the older value passes for a fresh one.
        let mark = key::join(&self.head, Kind::Mark, key);
        let token = self.locks.token();
        let lasting = Some(LOCK_LIFETIME);
        let added = self
            .layers
            .guard
            .add(self.space(key), &mark, token.clone(), lasting);
        if !matches!(added.await, Ok(true)) {
            return;
        }
        let (cache, key) = (self.clone(), key.to_owned());
        tokio::spawn(async move {
            let make = async || encode(&compute().await?).map_err(E::from);
            if let Err(error) = cache.make_anew(&key, term, (&mark, token), make).await {
                tracing::warn!(%error, "a cached value could not be computed anew; the older one is served");
            }
        });
    }

    /// Computes a value and stores it, if the mark is still ours then.
    async fn make_anew<E: From<CacheError>>(
        &self,
        key: &str,
        term: Term,
        (mark, token): (&str, Bytes),
        make: impl AsyncFnOnce() -> Result<Bytes, E>,
    ) -> Result<(), E> {
        let name = self.name(key)?;
        let flight = self.flights.join(&name);
        let landed = flight.land(async |gate| {
            let bytes = make().await?;
            let may_store = gate.lock().await;
            if *may_store && self.holds(key, mark, &token).await {
                let value = Fresh {
                    bytes: bytes.clone(),
                    is_replacing: true,
                };
                self.renew(key, &name, value, term, (mark, &token)).await;
            }
            Ok(bytes)
        });
        landed.await.map(drop)
    }

    /// Stores what was computed anew under a mark, unless that is taken away meanwhile.
    async fn renew(
        &self,
        key: &str,
        name: &str,
        value: Fresh,
        term: Term,
        (mark, token): (&str, &Bytes),
    ) {
        if !self.keep(key, name, value, term).await {
            return;
        }
        let space = self.space(key);
        // It lasts for as long as the value is fresh.
        let fresh = spread(name, term.lifetime).duration();
        self.layers.guard.touch(space, mark, fresh).await;
        if !self.holds(key, mark, token).await {
            self.layers.delete_many(&[space], &[name.to_owned()]).await;
        }
    }

    /// Whether a lock or mark is still this one, which is to say that nobody changed the key.
    async fn holds(&self, key: &str, lock: &str, token: &Bytes) -> bool {
        let held = self.layers.look_again(self.space(key), lock).await;
        held.as_ref() == Some(token)
    }

    fn term(&self, timeout: Timeout) -> Term {
        Term {
            lifetime: self.lifetime(timeout),
            stale: None,
        }
    }

    async fn get_or_make<E, Fut>(
        &self,
        key: &str,
        term: Term,
        compute: impl FnOnce() -> Fut,
        is_usable: impl Fn(&[u8]) -> bool,
    ) -> Result<Bytes, E>
    where
        E: From<CacheError>,
        Fut: Future<Output = Result<Bytes, E>>,
    {
        let name = self.name(key)?;
        let space = self.space(key);
        let found = self.layers.get(space, &name).await;
        if let Some(bytes) = found.filter(|bytes| is_usable(bytes)) {
            return Ok(bytes);
        }
        let flight = self.flights.join(&name);
        flight
            .land(async |gate| {
                let turn = if self.is_shared() && !term.lifetime.is_nothing() {
                    self.take_turn(key, &name, &is_usable).await
                } else {
                    Turn::Needless
                };
                if let Turn::Done(bytes) = turn {
                    return Ok(bytes);
                }
                // Another may have stored it between the look above and now.
                let found = self.layers.look_again(space, &name).await;
                let is_replacing = found.is_some();
                if let Some(bytes) = found.filter(|bytes| is_usable(bytes)) {
                    return Ok(bytes);
                }
                let bytes = compute().await?;
                let may_store = gate.lock().await;
                if *may_store {
                    let value = Fresh {
                        bytes: bytes.clone(),
                        is_replacing,
                    };
                    self.keep_in_turn(key, &name, value, term, turn).await;
                }
                Ok(bytes)
            })
            .await
    }

    /// Stores what was computed, as far as whose turn it was allows.
    async fn keep_in_turn(&self, key: &str, name: &str, value: Fresh, term: Term, turn: Turn<'_>) {
        match turn {
            Turn::Needless => self.keep_marked(key, name, value, term).await,
            Turn::Ours(held) => self.keep_held(key, name, value, term, held).await,
            Turn::Done(_) | Turn::Unknown => {}
        }
    }

    /// Stores what was computed under a lock, unless that is taken away meanwhile: the data changed.
    async fn keep_held(&self, key: &str, name: &str, value: Fresh, term: Term, held: Held<'_>) {
        if !self.holds(key, &held.lock, &held.token).await {
            return;
        }
        self.keep_marked(key, name, value, term).await;
        if !held.release().await {
            let space = self.space(key);
            self.layers.delete_many(&[space], &[name.to_owned()]).await;
        }
    }

    /// Waits until it is our turn to compute, or another's result has come.
    async fn take_turn<'a>(
        &'a self,
        key: &'a str,
        name: &str,
        is_usable: &impl Fn(&[u8]) -> bool,
    ) -> Turn<'a> {
        let (space, guard) = (self.space(key), &self.layers.guard);
        let lasting = Some(LOCK_LIFETIME);
        let mut pause = FIRST_PAUSE;
        for _ in 0..LOOKS {
            // Before it is asked for: who goes away while it is on its way gives it back, too.
            let mut held = Held::new(self, key);
            let added = guard.add(space, &held.lock, held.token(), lasting).await;
            match added {
                Ok(true) => return Turn::Ours(held),
                Ok(false) => held.is_given_back = true,
                Err(_) => return Turn::Unknown,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let found = self.layers.look_again(space, name).await;
            if let Some(bytes) = found.filter(|bytes| is_usable(bytes)) {
                return Turn::Done(bytes);
            }
        }
        // Who has it takes too long, or is dead: when she stores after all, she sees that she lost it.
        let held = Held::new(self, key);
        let taken = guard.set(space, &held.lock, held.token(), lasting).await;
        match taken {
            Ok(()) => Turn::Ours(held),
            Err(_) => Turn::Unknown,
        }
    }

    /// Stores what was computed; says whether it did. That it cannot is no reason to fail.
    async fn keep(&self, key: &str, name: &str, value: Fresh, term: Term) -> bool {
        let space = self.space(key);
        if term.lifetime.is_nothing() {
            self.layers.delete_many(&[space], &[name.to_owned()]).await;
            return false;
        }
        let fresh = spread(name, term.lifetime).duration();
        let kept = fresh.map(|fresh| fresh.saturating_add(term.stale.unwrap_or_default()));
        let size = value.bytes.len();
        let stored = if value.is_replacing {
            self.layers.set(space, name, value.bytes, kept).await
        } else {
            self.layers.fill(space, name, value.bytes, kept).await
        };
        if let Err(error) = stored {
            tracing::debug!(%error, size, "a computed value is not stored");
            return false;
        }
        true
    }

    /// As [`Cache::keep`], with the mark that the value is fresh, where it needs one.
    async fn keep_marked(&self, key: &str, name: &str, value: Fresh, term: Term) {
        if self.keep(key, name, value, term).await && term.stale.is_some() {
            let mark = key::join(&self.head, Kind::Mark, key);
            let (token, fresh) = (self.locks.token(), spread(name, term.lifetime).duration());
            // Without its mark the value is an older one, which is then computed anew.
            let set = self.layers.guard.set(self.space(key), &mark, token, fresh);
            let _ = set.await;
        }
    }

    /// Does `change` to these keys, whose locks are taken away before from whoever computes them.
    pub(super) async fn unlocking<T>(
        &self,
        keys: &[impl AsRef<str>],
        change: impl Future<Output = T>,
    ) -> T {
        if !self.is_shared() {
            return change.await;
        }
        // Such calls leave the process; the future of one in memory stays small.
        let change = Box::pin(change);
        let unlock = Box::pin(self.unlock_all(keys));
        if self.layers.guard.backend().keeps_order() {
            // On one way, on which nothing overtakes.
            return futures::join!(unlock, change).1;
        }
        unlock.await;
        change.await
    }

    /// Takes the locks of these keys away from whoever computes them, in this process or another.
    async fn unlock_all<K: AsRef<str>>(&self, keys: &[K]) {
        let (true, Some(first)) = (self.is_shared(), keys.first()) else {
            return;
        };
        let mut names = Vec::with_capacity(2 * keys.len());
        for key in keys {
            names.push(key::join(&self.head, Kind::Lock, key.as_ref()));
            names.push(key::join(&self.head, Kind::Mark, key.as_ref()));
        }
        let space = self.space(first.as_ref());
        self.layers.guard.delete_many(space, &names).await;
    }
}

/// What was computed.
struct Fresh {
    bytes: Bytes,
    /// Whether something older stands in its place, which other processes may hold in their memory.
    is_replacing: bool,
}

/// A lock, while its holder asks for it and computes; given back also when the holder goes away.
struct Held<'a> {
    cache: &'a Cache,
    key: &'a str,
    lock: String,
    token: Bytes,
    is_given_back: bool,
}

impl<'a> Held<'a> {
    fn new(cache: &'a Cache, key: &'a str) -> Self {
        Self {
            cache,
            key,
            lock: key::join(&cache.head, Kind::Lock, key),
            token: cache.locks.token(),
            is_given_back: false,
        }
    }

    fn token(&self) -> Bytes {
        self.token.clone()
    }

    /// Gives it back; says whether it was still ours.
    async fn release(mut self) -> bool {
        let space = self.cache.space(self.key);
        let guard = &self.cache.layers.guard;
        let was_ours = guard.delete_if(space, &self.lock, &self.token).await;
        self.is_given_back = true;
        was_ours
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.is_given_back {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let layers = Arc::clone(&self.cache.layers);
        let (key, lock) = (self.key.to_owned(), std::mem::take(&mut self.lock));
        let token = std::mem::take(&mut self.token);
        runtime.spawn(async move {
            let space = layers.statistics.space(&key);
            layers.guard.delete_if(space, &lock, &token).await;
        });
    }
}

/// A lifetime shortened by this name's own part of a tenth.
fn spread(name: &str, lifetime: Lifetime) -> Lifetime {
    let Lifetime::For(duration) = lifetime else {
        return lifetime;
    };
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % 1_000).unwrap_or(0);
    let cut = duration / SPREAD / 1_000 * part;
    Lifetime::For(duration.saturating_sub(cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_computed_together_does_not_end_together() {
        let full = Duration::from_secs(300);
        let mut seconds = std::collections::HashSet::new();
        for number in 0..1_000 {
            let Lifetime::For(spread) = spread(&format!("k{number}"), Lifetime::For(full)) else {
                panic!("it ends");
            };
            assert!(spread <= full && spread >= full * 9 / 10, "{spread:?}");
            seconds.insert(spread.as_secs());
        }
        assert!(seconds.len() >= 25, "{} different seconds", seconds.len());
        assert_eq!(spread("k", Lifetime::Forever), Lifetime::Forever);
    }
}
