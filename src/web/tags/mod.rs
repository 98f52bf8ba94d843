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

mod tagged;

pub use crate::db::Tag;
pub use tagged::{Noting, Tagged};

use crate::db::tag::{self, Grown};
use crate::db::{Bounded, Db};
use crate::error::Result;
use backends::bus::{Bus, Delivery};
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Versions that a process keeps: some 5 MB. With more in use, all are asked for again now and then.
const MOST: usize = 100_000;

/// The versions of tags, as this process knows them. Clones share them.
#[derive(Clone, Debug)]
pub struct Tags {
    known: Arc<RwLock<Known>>,
    read: Bounded<DatabaseConnection>,
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
