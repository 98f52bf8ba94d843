//! Values kept for a while, so that they need not be made again.
//!
//! One [`Cache`], opened by URL, whose inside is an enum of backends; the rules for keys, times
//! and absent values are the same on each. What is cached, and for whom, is the program's business.
//!
//! | URL | backend |
//! |---|---|
//! | `memory:` | this process, at most `?max_bytes=` (64 MiB) |
//! | `redis://user:password@host:port/db`, `rediss://` | a Redis server, without or with TLS (`&ca=` a PEM file of roots) |
//! | `memcached://a:11211,b:11211` | Memcached servers, spread as pymemcache spreads them |
//! | `database:` | a table of the program's database, at most `?max_bytes=` |
//! | `file:/folder` | files in a folder of this machine, at most `?max_bytes=` |
//! | `off:` | keeps nothing; everything works, slower |
//!
//! Every URL takes `?timeout=` (seconds that [`Timeout::Default`] means: 300; `none` for ever, `0`
//! not at all), `?prefix=` and `?version=` (a number; 1). Those of servers take `?wait=` (how many
//! milliseconds a call waits: 50) and `?near_bytes=` (memory in front, told by the bus what others
//! change; none).
//!
//! A value is stored as its plain bytes (JSON; a whole number is its digits) under
//! `prefix:version:key`, so that other programs can read it ([`key`]).
//!
//! **A backend that does not answer** looks empty: reads miss, what is stored is not kept, what is
//! deleted counts as absent. Only [`Cache::add`], [`Cache::incr`] and [`Cache::decr`], whose answer
//! the caller builds on, are [`CacheError::Unavailable`]. Nobody waits for it twice: it is tried
//! again in the background, and before anybody reads it, it forgets what was to be written or
//! deleted meanwhile.

mod backend;
mod breaker;
mod caches;
mod compute;
mod culling;
mod database;
mod ending;
pub(crate) mod fault;
mod file;
mod flight;
mod guard;
pub mod key;
mod layers;
mod many;
mod memcached;
mod memory;
mod near;
mod options;
pub(crate) mod redis;
mod report;
#[cfg(test)]
mod testing;
mod value;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::backend::Backend;
pub use self::backend::{CacheDatabase, ServerReport, Surroundings};
pub use self::caches::{Caches, CachesError, is_name};
use self::compute::Locks;
pub use self::database::{ENTRIES_TABLE, entries_indexes, entries_table};
use self::flight::Flights;
use self::guard::Guard;
use self::key::Kind;
use self::layers::Layers;
pub use self::near::Lasting;
use self::near::Near;
use self::options::Options;
pub use self::report::{CacheReport, NearReport, SpaceReport};
use self::report::{Space, Statistics};
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

/// How often a counter that goes away again and again is begun anew.
const MOST_TRIES: usize = 10;

/// Makes the name under which a backend stores a key, of prefix, version and key. A name that does
/// not begin with `prefix:version` is not found by [`Cache::clear`].
pub type KeyFunction = Arc<dyn Fn(&str, u32, &str) -> String + Send + Sync>;

/// A cache; clones share one store. See the [module](self) for its URLs.
#[derive(Clone)]
pub struct Cache {
    layers: Arc<Layers>,
    flights: Flights,
    locks: Locks,
    prefix: Arc<str>,
    version: u32,
    /// `prefix:version`.
    head: Arc<str>,
    key_function: Option<KeyFunction>,
    default_lifetime: Lifetime,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("kind", &self.kind())
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

/// A [`Timeout`] once the default is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
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
    /// Opens the cache that `url` names; see the [module](self). Connects to nothing yet.
    pub fn open(url: &str) -> Result<Self, CacheError> {
        Self::open_with(url, Clock::system())
    }

    /// As [`Cache::open`], with entries ending by `clock` where they are in this process.
    pub fn open_with(url: &str, clock: Clock) -> Result<Self, CacheError> {
        Self::open_in(url, &Surroundings::only(clock))
    }

    /// As [`Cache::open`], with what some backends need besides.
    pub fn open_in(url: &str, surroundings: &Surroundings) -> Result<Self, CacheError> {
        let mut options = Options::parse(url)?;
        if let Some(space) = &surroundings.space {
            options.enter(space);
        }
        let backend = Backend::open(&options, surroundings)?;
        let near = open_near(&options, &backend, surroundings)?;
        let layers = Layers {
            guard: Guard::new(backend, &options.prefix, options.patience),
            near,
            statistics: Statistics::default(),
        };
        Ok(Self {
            layers: Arc::new(layers),
            flights: Flights::default(),
            locks: Locks::new(),
            head: key::head(&options.prefix, options.version).into(),
            prefix: options.prefix.into(),
            version: options.version,
            key_function: None,
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
            head: key::head(&self.prefix, version).into(),
            ..self.clone()
        }
    }

    /// The same store with names made by another function, for example those of another program.
    #[must_use]
    pub fn with_key_function(&self, make: KeyFunction) -> Self {
        Self {
            key_function: Some(make),
            ..self.clone()
        }
    }

    /// The kind of its backend, as the scheme of its URL.
    pub fn kind(&self) -> &'static str {
        self.layers.guard.backend().kind()
    }

    /// Whether other processes see the same entries.
    pub fn is_shared(&self) -> bool {
        self.layers.guard.backend().is_shared()
    }

    /// Whether the backend answered when it was last asked.
    pub fn is_available(&self) -> bool {
        self.layers.guard.is_available()
    }

    /// What was counted since the cache was opened, by key space.
    pub async fn report(&self) -> CacheReport {
        self.layers.report().await
    }

    /// What the servers of its backend say of themselves, within a second.
    pub async fn servers(&self) -> Vec<ServerReport> {
        self.layers.guard.servers().await
    }

    /// The stored bytes and how long they still last, as the backend has them: past the memory in
    /// front of it, and counted nowhere. For somebody who looks at the cache; programs use
    /// [`Cache::get_bytes`].
    ///
    /// # Errors
    /// [`CacheError::BadKey`], and [`CacheError::Unavailable`] where nobody can tell.
    pub async fn peek(&self, key: &str) -> Result<Option<(Bytes, Lasting)>, CacheError> {
        let name = self.name(key)?;
        Ok(self.layers.guard.look(&name).await?)
    }

    /// The version under which this handle stores.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The name under which the backend stores this key, as other programs see it.
    ///
    /// # Errors
    /// [`CacheError::BadKey`].
    pub fn name(&self, key: &str) -> Result<String, CacheError> {
        key::check(key)?;
        match &self.key_function {
            None => Ok(key::join(&self.head, Kind::Value, key)),
            Some(make) => key::accept(&self.head, make(&self.prefix, self.version, key)),
        }
    }

    fn space(&self, key: &str) -> &Space {
        self.layers.statistics.space(key)
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
        Ok(self.layers.get(self.space(key), &name).await)
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
        let (name, space) = (self.name(key)?, self.space(key));
        self.flights.forget(&name).await;
        let lifetime = self.lifetime(timeout);
        if lifetime.is_nothing() {
            self.delete(key).await?;
            return Ok(());
        }
        let stored = self.layers.set(space, &name, value, lifetime.duration());
        self.unlocking(&[key], stored).await
    }

    /// Stores a value only where none is; says whether the key was free.
    /// [`CacheError::Unavailable`] when the backend does not answer.
    pub async fn add<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        timeout: Timeout,
    ) -> Result<bool, CacheError> {
        let bytes = encode(value);
        let (name, value) = (self.name(key)?, bytes?);
        let (space, lifetime) = (self.space(key), self.lifetime(timeout));
        if lifetime.is_nothing() {
            return Ok(self.layers.get(space, &name).await.is_none());
        }
        self.layers
            .add(space, &name, value, lifetime.duration())
            .await
    }

    /// Gives a stored value a new timeout from now; says whether there was one.
    pub async fn touch(&self, key: &str, timeout: Timeout) -> Result<bool, CacheError> {
        let name = self.name(key)?;
        let lifetime = self.lifetime(timeout);
        if lifetime.is_nothing() {
            return self.delete(key).await;
        }
        let touched = self
            .layers
            .touch(self.space(key), &name, lifetime.duration());
        Ok(touched.await)
    }

    /// Adds `by` to a stored whole number in one step and returns the sum; its timeout stays.
    /// [`CacheError::NoValue`] where nothing is stored, [`CacheError::NotANumber`] on anything
    /// else, [`CacheError::Unavailable`] when the backend does not answer.
    pub async fn incr(&self, key: &str, by: i64) -> Result<i64, CacheError> {
        let name = self.name(key)?;
        let sum = self.layers.count(self.space(key), &name, by).await?;
        sum.ok_or(CacheError::NoValue)
    }

    /// As [`Cache::incr`], where a missing number begins at zero, and lasts for this timeout from then on. For
    /// counters that may be pushed out or deleted at any moment: nothing is lost of what is counted afterwards.
    pub async fn count(&self, key: &str, by: i64, timeout: Timeout) -> Result<i64, CacheError> {
        for _ in 0..MOST_TRIES {
            if self.add(key, &by, timeout).await? {
                return Ok(by);
            }
            match self.incr(key, by).await {
                Err(CacheError::NoValue) => {}
                counted => return counted,
            }
        }
        Err(CacheError::Unavailable)
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
        Ok(self.delete_many([key]).await? > 0)
    }

    /// Forgets everything in the store that has this prefix, of every version, and nothing of
    /// other programs.
    pub async fn clear(&self) -> Result<(), CacheError> {
        self.flights.forget_all().await;
        self.layers.clear().await;
        Ok(())
    }

    /// Whether the key has a value.
    pub async fn has(&self, key: &str) -> Result<bool, CacheError> {
        Ok(self.get_bytes(key).await?.is_some())
    }

    /// Lets go of connections and memory. A closed cache still answers: that in memory is empty,
    /// another connects again.
    pub async fn close(&self) {
        if let Some(near) = &self.layers.near {
            near.close().await;
        }
        self.layers.guard.close().await;
    }

    /// Asks the backend for something, past everything that hides from callers that it is away.
    ///
    /// # Errors
    /// What is wrong with it, in words that hold no secret.
    pub async fn check(&self) -> Result<(), String> {
        let name = key::join(&self.head, Kind::Value, "check");
        self.layers.guard.check(&name).await
    }
}

fn open_near(
    options: &Options,
    backend: &Backend,
    surroundings: &Surroundings,
) -> Result<Option<Near>, CacheError> {
    let Some(max_bytes) = options.near_bytes else {
        return Ok(None);
    };
    if !backend.is_shared() {
        return Err(options::fault(
            "has near_bytes, which only a cache on servers needs",
        ));
    }
    let Some(bus) = surroundings.bus.clone() else {
        return Err(options::fault("has near_bytes, but there is no bus here"));
    };
    let clock = surroundings.clock.clone();
    let place = backend.place();
    Ok(Some(Near::new(
        max_bytes,
        &place,
        &options.prefix,
        clock,
        bus,
    )))
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
