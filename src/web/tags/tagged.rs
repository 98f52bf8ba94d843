//! Values in a cache, with the tags on which they rest.

use super::{Seen, Tags};
use crate::db::Tag;
use crate::error::{Error, Result};
use backends::cache::{Cache, Timeout};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// Values in a cache, each gone for the next request once one of its tags has changed.
///
/// A value is stored as one line of JSON with the versions that it carries, and then its own JSON or bytes.
#[derive(Clone, Debug)]
pub struct Tagged {
    cache: Cache,
    tags: Tags,
    flights: Arc<Mutex<Flights>>,
}

type Flights = HashMap<String, Arc<Making>>;

/// A value that is being made, or is on its way to the cache.
#[derive(Debug, Default)]
struct Making {
    made: OnceCell<Made>,
    /// Whether a task stores it: until that is done it is found here.
    is_being_stored: AtomicBool,
}

/// What is to be stored.
struct Parcel {
    bytes: Bytes,
    timeout: Timeout,
}

/// A value with what it rests on.
#[derive(Clone, Debug)]
struct Made {
    seen: Seen,
    json: Bytes,
}

/// What a value rests on, while it is being made. Clones share it.
#[derive(Clone, Debug)]
pub struct Noting {
    tags: Tags,
    seen: Arc<Mutex<Seen>>,
    is_fleeting: Arc<AtomicBool>,
}

impl Noting {
    /// Notes more tags, before what they stand for is read.
    pub async fn note(&self, tags: &[Tag]) -> Result<()> {
        let seen = self.tags.note(tags).await?;
        self.lock().join(seen);
        Ok(())
    }

    /// Says that the value holds for this once only: something in it changes without a word, or is amiss.
    pub fn keep_nothing(&self) {
        self.is_fleeting.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tagged {
    /// Keeps values in this cache.
    pub fn new(cache: Cache, tags: Tags) -> Self {
        Self {
            cache,
            tags,
            flights: Arc::default(),
        }
    }

    /// The value under this key while none of its tags has changed, or else what `compute` makes, stored on
    /// the way for at most `timeout`.
    ///
    /// Many that ask at once in this process share one computation; what they get was read after they asked,
    /// or still holds when they get it. An error goes to the one who computed, and the next one tries. What
    /// changes while it is being made is given out and not stored. `compute` must not ask for the same key.
    pub async fn get_or_set<T, F, Fut>(
        &self,
        key: &str,
        tags: &[Tag],
        timeout: Timeout,
        compute: F,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        self.get_or_set_noting(key, tags, timeout, |_| compute())
            .await
    }

    /// As [`Tagged::get_or_set`], for values of which some tags are known only once other data was read:
    /// `compute` [notes](Noting::note) them then.
    pub async fn get_or_set_noting<T, F, Fut>(
        &self,
        key: &str,
        tags: &[Tag],
        timeout: Timeout,
        compute: F,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce(Noting) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        if let Some(value) = self.get(key).await? {
            return Ok(value);
        }
        let make = |noting| async move {
            let value = compute(noting).await?;
            let json = serde_json::to_vec(&value).map_err(Error::internal)?;
            Ok(Bytes::from(json))
        };
        let is_readable = |json: &Bytes| serde_json::from_slice::<T>(json).is_ok();
        let json = self.join(key, tags, timeout, make, is_readable).await?;
        serde_json::from_slice(&json).map_err(Error::internal)
    }

    /// As [`Tagged::get_or_set_noting`], for bytes: a hit neither reads nor copies them.
    pub async fn get_or_make_bytes<F, Fut>(
        &self,
        key: &str,
        tags: &[Tag],
        timeout: Timeout,
        compute: F,
    ) -> Result<Bytes>
    where
        F: FnOnce(Noting) -> Fut,
        Fut: Future<Output = Result<Bytes>>,
    {
        if let Some(made) = self.find(key).await? {
            return Ok(made.json);
        }
        self.join(key, tags, timeout, compute, |_| true).await
    }

    /// Makes the value, or waits for who is making it.
    async fn join<F, Fut>(
        &self,
        key: &str,
        tags: &[Tag],
        timeout: Timeout,
        compute: F,
        is_usable: fn(&Bytes) -> bool,
    ) -> Result<Bytes>
    where
        F: FnOnce(Noting) -> Fut,
        Fut: Future<Output = Result<Bytes>>,
    {
        let mut compute = Some(compute);
        let mut has_waited = false;
        loop {
            let flight = self.board(key);
            let mut parcel = None;
            let making = &flight.making;
            let made = making
                .made
                .get_or_try_init(async || {
                    let made = self.make(key, tags, timeout, compute.take(), is_usable);
                    let (made, to_store) = made.await?;
                    parcel = to_store;
                    Ok::<_, Error>(made)
                })
                .await?
                .clone();
            if let Some(parcel) = parcel {
                self.store(flight, parcel).await;
                return Ok(made.json);
            }
            // Begun by another one before this one asked, it may lack what this one has seen change.
            if compute.is_none() || has_waited || self.tags.is_current(&made.seen).await? {
                return Ok(made.json);
            }
            flight.retire();
            has_waited = true;
        }
    }

    /// The value under this key, while none of its tags has changed.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let found = self.find(key).await?;
        // Of another shape: left by another release.
        Ok(found.and_then(|made| serde_json::from_slice(&made.json).ok()))
    }

    /// Forgets one value.
    pub async fn delete(&self, key: &str) -> Result<()> {
        self.cache.delete(key).await?;
        Ok(())
    }

    async fn find(&self, key: &str) -> Result<Option<Made>> {
        let found = self.cache.get_bytes(key).await?;
        let Some(made) = found.as_ref().and_then(Made::unpack) else {
            return Ok(None);
        };
        let is_current = self.tags.is_current(&made.seen).await?;
        Ok(is_current.then_some(made))
    }

    async fn make<F, Fut>(
        &self,
        key: &str,
        tags: &[Tag],
        timeout: Timeout,
        compute: Option<F>,
        is_usable: fn(&Bytes) -> bool,
    ) -> Result<(Made, Option<Parcel>)>
    where
        F: FnOnce(Noting) -> Fut,
        Fut: Future<Output = Result<Bytes>>,
    {
        // Another flight may have landed between the look at the cache and boarding this one.
        if let Some(made) = self.find(key).await?
            && is_usable(&made.json)
        {
            return Ok((made, None));
        }
        let Some(compute) = compute else {
            return Err(Error::internal("nothing is left to make this value with"));
        };
        let noting = Noting {
            seen: Arc::new(Mutex::new(self.tags.note(tags).await?)),
            tags: self.tags.clone(),
            is_fleeting: Arc::default(),
        };
        let json = compute(noting.clone()).await?;
        let made = Made {
            seen: std::mem::take(&mut *noting.lock()),
            json,
        };
        let is_kept = !noting.is_fleeting.load(Ordering::Relaxed);
        let parcel = if is_kept && self.tags.is_current(&made.seen).await? {
            let bytes = made.pack()?;
            Some(Parcel { bytes, timeout })
        } else {
            None
        };
        Ok((made, parcel))
    }

    /// Stores what was made: behind the answer, where others share the cache, and at once in memory.
    async fn store(&self, flight: Flight, Parcel { bytes, timeout }: Parcel) {
        let cache = self.cache.clone();
        let entry = [(flight.key.clone(), bytes)];
        flight.making.is_being_stored.store(true, Ordering::Release);
        let work = async move {
            if let Err(error) = cache.put_many_bytes(&entry, timeout).await {
                // Larger than the store takes, for example: it is made for each who asks.
                let key = flight.key.as_str();
                tracing::debug!(%error, key, "a value is not kept");
            }
            flight
                .making
                .is_being_stored
                .store(false, Ordering::Release);
        };
        if self.cache.is_shared() {
            tokio::spawn(work);
        } else {
            work.await;
        }
    }

    fn board(&self, key: &str) -> Flight {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let making = Arc::clone(flights.entry(key.to_owned()).or_default());
        Flight {
            flights: Arc::clone(&self.flights),
            key: key.to_owned(),
            making,
        }
    }
}

impl Made {
    fn pack(&self) -> Result<Bytes> {
        let mut bytes = serde_json::to_vec(&self.seen).map_err(Error::internal)?;
        bytes.reserve(self.json.len() + 1);
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.json);
        Ok(bytes.into())
    }

    /// `None` for what is no such value.
    fn unpack(bytes: &Bytes) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        Some(Self {
            seen: serde_json::from_slice(bytes.get(..end)?).ok()?,
            json: bytes.slice(end + 1..),
        })
    }
}

/// One asker's place in a computation, which is over once its result is stored or its last asker has left.
struct Flight {
    flights: Arc<Mutex<Flights>>,
    key: String,
    making: Arc<Making>,
}

impl Flight {
    /// Nobody boards it any more.
    fn retire(&self) {
        self.leave_map(|_| true);
    }

    fn leave_map(&self, is_over: impl FnOnce(&Arc<Making>) -> bool) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours = flights
            .get(&self.key)
            .is_some_and(|making| Arc::ptr_eq(making, &self.making));
        if is_ours && is_over(&self.making) {
            flights.remove(&self.key);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.leave_map(|making| {
            let is_stored = !making.is_being_stored.load(Ordering::Acquire);
            // The map holds one, this holds the other.
            making.made.initialized() && is_stored || Arc::strong_count(making) <= 2
        });
    }
}
