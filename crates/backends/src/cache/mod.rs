//! Values kept for a while, so that they need not be made again.
//!
//! One [`Cache`], opened by URL, whose inside is an enum of backends; the rules for keys, times
//! and absent values are the same on each. What is cached, and for whom, is the site's business.
//!
//! | URL | backend |
//! |---|---|
//! | `memory:` | this process, at most `?max_bytes=` (64 MiB) |
//! | `off:` | keeps nothing; everything works, slower |
//!
//! Every URL takes `?timeout=` (seconds that [`Timeout::Default`] means: 300; `none` for ever, `0`
//! not at all), `?prefix=` and `?version=` (a number; 1).

mod backend;
mod caches;
mod culling;
mod database;
mod ending;
mod fault;
mod file;
mod flight;
mod guard;
pub mod key;
mod memcached;
mod memory;
mod options;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::backend::Backend;
pub use self::backend::{CacheDatabase, ServerReport, Surroundings};
pub use self::caches::{Caches, CachesError, is_name};
pub use self::database::{ENTRIES_TABLE, entries_indexes, entries_table};
use self::flight::Flights;
use self::guard::Guard;
use self::options::Options;
use crate::clock::Clock;

/// What can go wrong with a cache. A value that is not there is no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The URL is not one of a cache; says why, without repeating it, for it may hold a password.
    #[error("the cache URL {0}")]
    Url(String),
    /// A key that Memcached would refuse; holds its beginning, escaped.
    #[error(
        "cache keys have no spaces or control characters and are not empty, but this has: \"{0}\""
    )]
    BadKey(String),
    /// A value that serde cannot write or read as JSON.
    #[error("the value cannot be cached: {0}")]
    Value(#[from] serde_json::Error),
    /// `incr`, `decr` or `incr_version` of a key that holds nothing.
    #[error("there is no value to change under this key")]
    NoValue,
    /// `incr` or `decr` of something else than a whole number that stays within 64 bits.
    #[error("the value under this key is not a whole number that can be counted on")]
    NotANumber,
    /// The backend does not answer, and this call cannot do without: `add`, `incr`, `decr`.
    #[error("the cache does not answer")]
    Unavailable,
    /// A value larger than the backend takes; both in bytes.
    #[error("a value of {bytes} bytes cannot be cached, at most {most} are taken")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        most: usize,
    },
}

/// How long a value is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timeout {
    /// As long as the cache's URL says; 300 seconds when it says nothing.
    #[default]
    Default,
    /// Until it is deleted or pushed out.
    Forever,
    /// This long from now; nothing at all when it is zero.
    After(Duration),
}

/// A cache; clones share one store. See the [module](self) for its URLs.
#[derive(Clone, Debug)]
pub struct Cache {
    store: Arc<Guard>,
    flights: Flights,
    prefix: Arc<str>,
    version: u32,
    default_lifetime: Lifetime,
}

/// A [`Timeout`] once the default is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifetime {
    Forever,
    For(Duration),
}

impl Lifetime {
    fn is_nothing(self) -> bool {
        self == Self::For(Duration::ZERO)
    }

    /// What a backend takes: `None` for ever.
    fn duration(self) -> Option<Duration> {
        match self {
            Self::Forever => None,
            Self::For(duration) => Some(duration),
        }
    }
}

impl Cache {
    /// Opens the cache that `url` names; see the [module](self).
    pub fn open(url: &str) -> Result<Self, CacheError> {
        Self::open_with(url, Clock::system())
    }

    /// As [`Cache::open`], with entries ending by `clock`.
    pub fn open_with(url: &str, clock: Clock) -> Result<Self, CacheError> {
        Self::open_in(url, &Surroundings::only(clock))
    }

    /// As [`Cache::open`], with what some backends need besides.
    pub fn open_in(url: &str, surroundings: &Surroundings) -> Result<Self, CacheError> {
        let options = Options::parse(url)?;
        let backend = Backend::open(&options, surroundings)?;
        Ok(Self {
            store: Arc::new(Guard::new(backend)),
            flights: Flights::default(),
            prefix: options.prefix.into(),
            version: options.version,
            default_lifetime: options.default_lifetime,
        })
    }

    /// Whether `url` is one of a cache; opens nothing.
    pub fn check_url(url: &str) -> Result<(), CacheError> {
        Options::parse(url).map(drop)
    }

    /// The same store seen under another version: what one version holds, the others do not see.
    #[must_use]
    pub fn with_version(&self, version: u32) -> Self {
        Self {
            version,
            ..self.clone()
        }
    }

    /// The kind of its backend, as the scheme of its URL.
    pub fn kind(&self) -> &'static str {
        self.store.kind()
    }

    /// Whether other processes see the same entries.
    pub fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// What the servers of its backend say of themselves, each within the time that a call may take.
    pub async fn servers(&self) -> Vec<ServerReport> {
        self.store.servers().await
    }

    /// The version under which this handle stores.
    pub fn version(&self) -> u32 {
        self.version
    }

    fn name(&self, key: &str) -> Result<String, CacheError> {
        key::compose(&self.prefix, self.version, key)
    }

    fn lifetime(&self, timeout: Timeout) -> Lifetime {
        match timeout {
            Timeout::Default => self.default_lifetime,
            Timeout::Forever => Lifetime::Forever,
            Timeout::After(lifetime) => Lifetime::For(lifetime),
        }
    }

    /// The value, or `None` when there is none (a stored `None` comes back as `Some(None)`). A
    /// value that cannot be read as `T`, left by another release, counts as absent.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, CacheError> {
        let bytes = self.get_bytes(key).await?;
        Ok(bytes.and_then(|bytes| decode(key, &bytes)))
    }

    /// The stored bytes, not copied, or `None` when there are none.
    pub async fn get_bytes(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let name = self.name(key)?;
        Ok(self.fetch(&name).await)
    }

    async fn fetch(&self, name: &str) -> Option<Bytes> {
        self.store.get(name).await
    }

    /// Stores a value.
    pub async fn set<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        timeout: Timeout,
    ) -> Result<(), CacheError> {
        let bytes = encode(value);
        self.set_bytes(key, bytes?, timeout).await
    }

    /// Stores bytes as they are.
    pub async fn set_bytes(
        &self,
        key: &str,
        value: Bytes,
        timeout: Timeout,
    ) -> Result<(), CacheError> {
        let name = self.name(key)?;
        self.flights.forget(&name).await;
        self.put(&name, value, self.lifetime(timeout)).await
    }

    async fn put(&self, name: &str, value: Bytes, lifetime: Lifetime) -> Result<(), CacheError> {
        if lifetime.is_nothing() {
            self.store.delete_many(&[name.to_owned()]).await;
            return Ok(());
        }
        self.store.set(name, value, lifetime.duration()).await
    }

    /// Stores a value only where none is; says whether the key was free.
    pub async fn add<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        timeout: Timeout,
    ) -> Result<bool, CacheError> {
        let bytes = encode(value);
        let (name, value) = (self.name(key)?, bytes?);
        let lifetime = self.lifetime(timeout);
        if lifetime.is_nothing() {
            return Ok(self.store.get(&name).await.is_none());
        }
        self.store.add(&name, value, lifetime.duration()).await
    }

    /// The value, or, when there is none, what `compute` makes of it, stored on the way.
    ///
    /// Many that ask at once in this process share one computation; when it fails, its error goes
    /// to the one that computed and the next one tries. A value deleted or set while it is being
    /// computed is given to those who already wait, but not stored, so that a change is never
    /// overwritten by what was read before it. `compute` must not ask for the same key.
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
        let bytes = self.get_or_set_checked(key, timeout, make, |bytes| {
            decode::<T>(key, bytes).is_some()
        });
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
        self.get_or_set_checked(key, timeout, compute, |_| true)
            .await
    }

    async fn get_or_set_checked<E, Fut>(
        &self,
        key: &str,
        timeout: Timeout,
        compute: impl FnOnce() -> Fut,
        is_usable: impl Fn(&[u8]) -> bool,
    ) -> Result<Bytes, E>
    where
        E: From<CacheError>,
        Fut: Future<Output = Result<Bytes, E>>,
    {
        let name = self.name(key)?;
        let stored = async || self.fetch(&name).await.filter(|bytes| is_usable(bytes));
        if let Some(bytes) = stored().await {
            return Ok(bytes);
        }
        let flight = self.flights.join(&name);
        flight
            .land(async |gate| {
                // Another flight may have landed between the look above and boarding this one.
                if let Some(bytes) = stored().await {
                    return Ok(bytes);
                }
                let bytes = compute().await?;
                let is_current = gate.lock().await;
                if *is_current {
                    self.put(&name, bytes.clone(), self.lifetime(timeout))
                        .await?;
                }
                Ok(bytes)
            })
            .await
    }

    /// Those of the keys that have a value, with it.
    pub async fn get_many<T, K>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<HashMap<String, T>, CacheError>
    where
        T: DeserializeOwned,
        K: AsRef<str>,
    {
        let mut asked = Vec::new();
        let mut names = Vec::new();
        for key in keys {
            names.push(self.name(key.as_ref())?);
            asked.push(key.as_ref().to_owned());
        }
        let found = self.store.get_many(&names).await;
        Ok(asked
            .into_iter()
            .zip(found)
            .filter_map(|(key, bytes)| decode(&key, &bytes?).map(|value| (key, value)))
            .collect())
    }

    /// Stores several values; nothing is stored when one key or value is bad.
    pub async fn set_many<T, K>(
        &self,
        values: impl IntoIterator<Item = (K, T)>,
        timeout: Timeout,
    ) -> Result<(), CacheError>
    where
        T: Serialize,
        K: AsRef<str>,
    {
        let mut encoded = Vec::new();
        for (key, value) in values {
            encoded.push((self.name(key.as_ref())?, encode(&value)?));
        }
        for (name, _) in &encoded {
            self.flights.forget(name).await;
        }
        let lifetime = self.lifetime(timeout);
        if lifetime.is_nothing() {
            let names: Vec<_> = encoded.into_iter().map(|(name, _)| name).collect();
            self.store.delete_many(&names).await;
            return Ok(());
        }
        self.store.set_many(&encoded, lifetime.duration()).await
    }

    /// Gives a stored value a new timeout from now; says whether there was one.
    pub async fn touch(&self, key: &str, timeout: Timeout) -> Result<bool, CacheError> {
        let name = self.name(key)?;
        let lifetime = self.lifetime(timeout);
        if lifetime.is_nothing() {
            return Ok(self.store.delete_many(&[name]).await > 0);
        }
        Ok(self.store.touch(&name, lifetime.duration()).await)
    }

    /// Adds `by` to a stored whole number in one step and returns the sum; its timeout stays.
    /// [`CacheError::NoValue`] where nothing is stored, [`CacheError::NotANumber`] on anything else.
    pub async fn incr(&self, key: &str, by: i64) -> Result<i64, CacheError> {
        let sum = self.store.count(&self.name(key)?, by).await?;
        sum.ok_or(CacheError::NoValue)
    }

    /// Subtracts `by` from a stored whole number; otherwise as [`Cache::incr`].
    pub async fn decr(&self, key: &str, by: i64) -> Result<i64, CacheError> {
        let by = by.checked_neg().ok_or(CacheError::NotANumber)?;
        self.incr(key, by).await
    }

    /// Moves a value to the next version and returns that version's number; handles of the old
    /// version then miss it. The value gets the default timeout. [`CacheError::NoValue`] where
    /// nothing is stored.
    pub async fn incr_version(&self, key: &str) -> Result<u32, CacheError> {
        let value = self.get_bytes(key).await?.ok_or(CacheError::NoValue)?;
        let next = self.with_version(self.version.saturating_add(1));
        next.set_bytes(key, value, Timeout::Default).await?;
        self.delete(key).await?;
        Ok(next.version)
    }

    /// Forgets a value; says whether there was one.
    pub async fn delete(&self, key: &str) -> Result<bool, CacheError> {
        let name = self.name(key)?;
        self.flights.forget(&name).await;
        Ok(self.store.delete_many(&[name]).await > 0)
    }

    /// Forgets several values; says how many there were.
    pub async fn delete_many<K: AsRef<str>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<usize, CacheError> {
        let mut names = Vec::new();
        for key in keys {
            names.push(self.name(key.as_ref())?);
        }
        for name in &names {
            self.flights.forget(name).await;
        }
        Ok(self.store.delete_many(&names).await)
    }

    /// Forgets everything in the store, of every version.
    pub async fn clear(&self) -> Result<(), CacheError> {
        self.flights.forget_all().await;
        self.store.clear(&self.prefix).await;
        Ok(())
    }

    /// Whether the key has a value.
    pub async fn has(&self, key: &str) -> Result<bool, CacheError> {
        Ok(self.get_bytes(key).await?.is_some())
    }

    /// Lets go of connections and memory. A closed cache is empty, and still answers.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Asks the backend for something, past everything that hides from callers that it is away.
    ///
    /// # Errors
    /// What is wrong with it, in words that hold no secret.
    pub async fn check(&self) -> Result<(), String> {
        self.store
            .check(&self.name("check").map_err(|error| error.to_string())?)
            .await
    }
}

fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, CacheError> {
    Ok(Bytes::from(serde_json::to_vec(value)?))
}

fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Option<T> {
    match serde_json::from_slice(bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::debug!(key, %error, "a cached value has another shape and counts as absent");
            None
        }
    }
}
