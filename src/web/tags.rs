//! Remembered values that rest on data, and are gone once it changes.
//!
//! Whoever changes data names its tags in the same transaction ([`Write::changes`](crate::db::Write::changes));
//! whoever remembers a value [notes](Tags::note) the versions of its tags *before* it asks the database, and
//! the value is good only while they are the current ones. A value that was read before a change is therefore
//! never found after it, however late it was stored, and in a store that many nodes share no less than here.
//!
//! Each process keeps the versions that it has asked for, hears of new ones, and forgets them all when it
//! may have missed one; while it knows that it does not hear, it asks the database each time.
//!
//! Which tags there are, and their table: [`crate::db::tag`].

pub use crate::db::Tag;

use crate::db::Db;
use crate::db::tag::{self, Grown};
use crate::error::{Error, Result};
use backends::bus::{Bus, Delivery};
use backends::cache::{Cache, Timeout};
use bytes::Bytes;
use sea_orm::DatabaseConnection;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::OnceCell;

/// Versions that a process keeps: some 5 MB. With more in use, all are asked for again now and then.
const MOST: usize = 100_000;

/// The versions of tags, as this process knows them. Clones share them.
#[derive(Clone, Debug)]
pub struct Tags {
    known: Arc<RwLock<Known>>,
    read: DatabaseConnection,
    bus: Bus,
}

/// How many eras there are, so that a change of one tag seldom disturbs the asking for another.
const ERAS: usize = 256;

#[derive(Debug)]
struct Known {
    versions: HashMap<Tag, i64>,
    /// By the hash of the tag: grows whenever a version is told that is not kept, or forgotten: what was asked
    /// for before that is not kept either, since it may be older.
    eras: [u64; ERAS],
}

impl Default for Known {
    fn default() -> Self {
        Self {
            versions: HashMap::new(),
            eras: [0; ERAS],
        }
    }
}

impl Known {
    /// Takes note of a version that was told. Of a tag that is not known here only that it changed: the version may
    /// be an old one that comes late, and be newer only than what is being asked for just now.
    fn hear(&mut self, tag: Tag, version: i64) {
        match self.versions.get_mut(&tag) {
            Some(known) => *known = version.max(*known),
            None => {
                if let Some(era) = self.eras.get_mut(shard(tag)) {
                    *era += 1;
                }
            }
        }
    }

    /// What has to be the same still when what was asked for is kept.
    fn era(&self, tag: Tag) -> u64 {
        self.eras.get(shard(tag)).copied().unwrap_or(0)
    }

    /// Takes note of a version that was asked for; an older one never replaces a newer one.
    fn learn(&mut self, tag: Tag, version: i64) -> i64 {
        if self.versions.len() >= MOST && !self.versions.contains_key(&tag) {
            self.forget_all();
        }
        let known = self.versions.entry(tag).or_insert(version);
        *known = version.max(*known);
        *known
    }

    fn forget_all(&mut self) {
        self.versions.clear();
        for era in &mut self.eras {
            *era += 1;
        }
    }
}

fn shard(tag: Tag) -> usize {
    let mut hasher = DefaultHasher::new();
    tag.hash(&mut hasher);
    usize::try_from(hasher.finish() % ERAS as u64).unwrap_or(0)
}

/// The versions of some tags at one moment: what a value carries that is made from then on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen(Vec<(Tag, i64)>);

impl Seen {
    /// The tags with their versions.
    pub fn tags(&self) -> &[(Tag, i64)] {
        &self.0
    }

    /// Takes in what was noted by another part of the same value.
    pub fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl Tags {
    /// Hears of changes from now on, for as long as the bus is open.
    pub fn hearing(db: &Db, bus: &Bus) -> Self {
        let tags = Self {
            known: Arc::default(),
            read: db.read().clone(),
            bus: bus.clone(),
        };
        // Only the map: a reaction that held the bus would keep it open for ever.
        let known = Arc::clone(&tags.known);
        bus.react(tag::GROUP, move |delivery| hear(&known, delivery));
        tags
    }

    /// The present versions. To be called *before* the data is read; costs a query only for tags that this
    /// process does not know yet, or while it does not hear the others.
    pub async fn note(&self, tags: &[Tag]) -> Result<Seen> {
        if let Some(seen) = self.note_known(tags) {
            return Ok(seen);
        }
        let (missing, eras) = self.missing(tags);
        let mut versions = tag::load(&self.read, &missing).await?;
        self.learn(&mut versions, &eras);
        if let Some(seen) = self.gather(tags, &versions) {
            return Ok(seen);
        }
        // Forgotten while the rest was loaded.
        let versions = tag::load(&self.read, tags).await?;
        let seen = tags
            .iter()
            .map(|tag| (*tag, versions.get(tag).copied().unwrap_or(0)));
        Ok(Seen(seen.collect()))
    }

    /// The versions of all these, of which some were just loaded.
    fn gather(&self, tags: &[Tag], loaded: &HashMap<Tag, i64>) -> Option<Seen> {
        let known = read(&self.known);
        let version = |tag| loaded.get(tag).or_else(|| known.versions.get(tag));
        let seen = tags.iter().map(|tag| Some((*tag, *version(tag)?)));
        seen.collect::<Option<_>>().map(Seen)
    }

    /// As [`Tags::note`] when that costs no query; otherwise `None`.
    pub fn note_known(&self, tags: &[Tag]) -> Option<Seen> {
        if !self.bus.is_hearing() {
            return None;
        }
        let known = read(&self.known);
        let seen = tags
            .iter()
            .map(|tag| Some((*tag, *known.versions.get(tag)?)));
        seen.collect::<Option<_>>().map(Seen)
    }

    /// Notes more tags for the same value, before what they stand for is read: for tags that are only known
    /// once other data was read.
    pub async fn note_more(&self, seen: &mut Seen, tags: &[Tag]) -> Result<()> {
        seen.join(self.note(tags).await?);
        Ok(())
    }

    /// Whether nothing has changed since these versions were noted.
    pub async fn is_current(&self, seen: &Seen) -> Result<bool> {
        if let Some(is_current) = self.is_current_if_known(seen) {
            return Ok(is_current);
        }
        let tags: Vec<Tag> = seen.0.iter().map(|(tag, _)| *tag).collect();
        let now = self.note(&tags).await?;
        Ok(now.0 == seen.0)
    }

    /// As [`Tags::is_current`] when that costs no query; otherwise `None`.
    pub fn is_current_if_known(&self, seen: &Seen) -> Option<bool> {
        if !self.bus.is_hearing() {
            return None;
        }
        let known = read(&self.known);
        let mut is_known = true;
        for (tag, version) in &seen.0 {
            match known.versions.get(tag) {
                Some(now) if now != version => return Some(false),
                Some(_) => {}
                None => is_known = false,
            }
        }
        is_known.then_some(true)
    }

    /// The tags of which nothing is known here, and the eras in which that was so.
    fn missing(&self, tags: &[Tag]) -> (Vec<Tag>, HashMap<Tag, u64>) {
        let is_hearing = self.bus.is_hearing();
        let known = read(&self.known);
        let missing = tags
            .iter()
            .copied()
            .filter(|tag| !is_hearing || !known.versions.contains_key(tag));
        let missing: Vec<Tag> = missing.collect();
        let eras = missing.iter().map(|tag| (*tag, known.era(*tag))).collect();
        (missing, eras)
    }

    /// Keeps what was loaded, unless something was forgotten meanwhile. A version told meanwhile wins.
    fn learn(&self, versions: &mut HashMap<Tag, i64>, eras: &HashMap<Tag, u64>) {
        if !self.bus.is_hearing() {
            return;
        }
        let mut known = write(&self.known);
        for (tag, version) in versions {
            if eras.get(tag) == Some(&known.era(*tag)) {
                *version = known.learn(*tag, *version);
            }
        }
    }
}

/// Values in a cache, each gone for the next request once one of its tags has changed.
///
/// A value is stored as one line of JSON with the versions that it carries, and then its own JSON or bytes.
#[derive(Clone, Debug)]
pub struct Tagged {
    cache: Cache,
    tags: Tags,
    flights: Arc<Mutex<Flights>>,
}

type Flights = HashMap<String, Arc<OnceCell<Made>>>;

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
            let made = flight
                .cell
                .get_or_try_init(|| self.make(key, tags, timeout, compute.take(), is_usable))
                .await?
                .clone();
            drop(flight);
            // Begun by another one before this one asked, it may lack what this one has seen change.
            if compute.is_none() || has_waited || self.tags.is_current(&made.seen).await? {
                return Ok(made.json);
            }
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
    ) -> Result<Made>
    where
        F: FnOnce(Noting) -> Fut,
        Fut: Future<Output = Result<Bytes>>,
    {
        // Another flight may have landed between the look at the cache and boarding this one.
        if let Some(made) = self.find(key).await?
            && is_usable(&made.json)
        {
            return Ok(made);
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
        if is_kept && self.tags.is_current(&made.seen).await? {
            let stored = self.cache.set_bytes(key, made.pack()?, timeout).await;
            if let Err(error) = stored {
                // Larger than the store takes, for example: it is made for each who asks.
                tracing::debug!(%error, key, "a value is not kept");
            }
        }
        Ok(made)
    }

    fn board(&self, key: &str) -> Flight {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = Arc::clone(flights.entry(key.to_owned()).or_default());
        Flight {
            flights: Arc::clone(&self.flights),
            key: key.to_owned(),
            cell,
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

/// One asker's place in a computation, which is over once it has landed or its last asker has left.
struct Flight {
    flights: Arc<Mutex<Flights>>,
    key: String,
    cell: Arc<OnceCell<Made>>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours = flights
            .get(&self.key)
            .is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // The map holds one, this holds the other.
        if is_ours && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            flights.remove(&self.key);
        }
    }
}

fn read(known: &RwLock<Known>) -> RwLockReadGuard<'_, Known> {
    // No panic can leave the map half changed.
    known.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(known: &RwLock<Known>) -> RwLockWriteGuard<'_, Known> {
    known.write().unwrap_or_else(PoisonError::into_inner)
}

fn hear(known: &RwLock<Known>, delivery: &Delivery) {
    let Delivery::Event(event) = delivery else {
        return write(known).forget_all();
    };
    match event.decode::<Grown>() {
        Ok(grown) => {
            let mut known = write(known);
            for (name, version) in grown.tags {
                // A tag of another release is nothing that this one remembers values by.
                if let Ok(tag) = name.parse() {
                    known.hear(tag, version);
                }
            }
        }
        Err(error) => {
            tracing::warn!(%error, "a change of tags could not be read");
            write(known).forget_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, MOST, Tag};

    const COURSE: Tag = Tag::course(7);

    /// Keeps what was asked for in `era`, as [`super::Tags`] does.
    fn keep(known: &mut Known, era: u64, version: i64) {
        if known.era(COURSE) == era {
            known.learn(COURSE, version);
        }
    }

    #[test]
    fn a_version_told_while_another_is_asked_for_wins() {
        let mut known = Known::default();
        let began = known.era(COURSE);
        known.hear(COURSE, 6);
        keep(&mut known, began, 5);
        assert_eq!(known.versions.get(&COURSE), None, "asked for again");
        let began = known.era(COURSE);
        keep(&mut known, began, 6);
        known.hear(COURSE, 5);
        assert_eq!(known.versions.get(&COURSE), Some(&6), "it came late");
        known.hear(COURSE, 7);
        assert_eq!(known.versions.get(&COURSE), Some(&7));
    }

    #[test]
    fn an_old_version_that_comes_after_everything_was_forgotten_is_not_taken_for_the_present_one() {
        let mut known = Known::default();
        keep(&mut known, 0, 6);
        known.forget_all();
        known.hear(COURSE, 5);
        assert_eq!(known.versions.get(&COURSE), None);
    }

    #[test]
    fn a_change_of_one_tag_leaves_the_asking_for_most_others_alone() {
        let mut known = Known::default();
        known.hear(COURSE, 6);
        let disturbed = (0..1_000).filter(|id| known.era(Tag::upload(*id)) > 0);
        assert!(disturbed.count() < 50);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut known = Known::default();
        for id in 0..=i64::try_from(MOST).unwrap() {
            known.learn(Tag::upload(id), 1);
        }
        assert_eq!(known.versions.len(), 1);
        assert_eq!(known.era(COURSE), 1);
    }
}
