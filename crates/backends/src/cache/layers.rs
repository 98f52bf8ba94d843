//! What stands between a [`super::Cache`] and its backend: counting, and the memory in front.

use std::time::Duration;

use bytes::Bytes;

use super::CacheError;
use super::guard::Guard;
use super::near::Near;
use super::report::{CacheReport, Space, Statistics};

/// A guarded backend, counted, with or without memory in front of it.
#[derive(Debug)]
pub struct Layers {
    /// The backend.
    pub guard: Guard,
    /// The memory in front of it.
    pub near: Option<Near>,
    /// What is counted.
    pub statistics: Statistics,
}

impl Layers {
    /// The value under a name.
    pub async fn get(&self, space: &Space, name: &str) -> Option<Bytes> {
        let found = match &self.near {
            None => self.guard.get(space, name).await,
            Some(near) => near.get(&self.guard, space, name).await,
        };
        space.read(found.as_ref().map(Bytes::len));
        found
    }

    /// As [`Layers::get`], past the memory in front and without counting: a second look.
    pub async fn look_again(&self, space: &Space, name: &str) -> Option<Bytes> {
        self.guard.get(space, name).await
    }

    /// The values under several names of one key space or several, in their order.
    pub async fn get_many(&self, spaces: &[&Space], names: &[String]) -> Vec<Option<Bytes>> {
        let Some(first) = spaces.first() else {
            return Vec::new();
        };
        let found = match &self.near {
            None => self.guard.get_many(first, names).await,
            Some(near) => near.get_many(&self.guard, first, names).await,
        };
        for (space, found) in spaces.iter().zip(&found) {
            space.read(found.as_ref().map(Bytes::len));
        }
        found
    }

    /// Stores what was computed where nothing was: no other process can hold an older value in its
    /// memory that had not ended by itself, and none has to be told.
    pub async fn fill(
        &self,
        space: &Space,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<(), CacheError> {
        space.wrote(value.len());
        let stored = self.guard.set(space, name, value, lifetime).await;
        // Afterwards: what was read before it was there is no longer to be taken from memory.
        if let Some(near) = &self.near {
            near.drop_here([name]);
        }
        stored
    }

    /// Stores a value.
    pub async fn set(
        &self,
        space: &Space,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<(), CacheError> {
        space.wrote(value.len());
        let stored = self.guard.set(space, name, value, lifetime).await;
        self.changed([name]);
        stored
    }

    /// Stores several values for the same time.
    pub async fn set_many(
        &self,
        spaces: &[&Space],
        entries: &[(String, Bytes)],
        lifetime: Option<Duration>,
    ) -> Result<(), CacheError> {
        let Some(first) = spaces.first() else {
            return Ok(());
        };
        for (space, (_, value)) in spaces.iter().zip(entries) {
            space.wrote(value.len());
        }
        let stored = self.guard.set_many(first, entries, lifetime).await;
        self.changed(entries.iter().map(|(name, _)| name.as_str()));
        stored
    }

    /// Stores a value only where none is; says whether it did.
    pub async fn add(
        &self,
        space: &Space,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<bool, CacheError> {
        space.wrote(value.len());
        let added = self.guard.add(space, name, value, lifetime).await;
        if !matches!(added, Ok(false)) {
            self.changed([name]);
        }
        added
    }

    /// Gives a stored value a new lifetime; says whether there was one.
    pub async fn touch(&self, space: &Space, name: &str, lifetime: Option<Duration>) -> bool {
        space.wrote(0);
        let touched = self.guard.touch(space, name, lifetime).await;
        self.changed([name]);
        touched
    }

    /// Adds to a stored whole number and returns the sum; `None` where nothing is.
    pub async fn count(
        &self,
        space: &Space,
        name: &str,
        by: i64,
    ) -> Result<Option<i64>, CacheError> {
        space.wrote(0);
        let sum = self.guard.count(space, name, by).await;
        self.changed([name]);
        sum
    }

    /// Forgets several values; says how many there were.
    pub async fn delete_many(&self, spaces: &[&Space], names: &[String]) -> usize {
        let Some(first) = spaces.first() else {
            return 0;
        };
        for space in spaces {
            space.deleted();
        }
        let count = self.guard.delete_many(first, names).await;
        self.changed(names.iter().map(String::as_str));
        count
    }

    /// Forgets everything of ours.
    pub async fn clear(&self) {
        self.guard.clear().await;
        if let Some(near) = &self.near {
            near.cleared();
        }
    }

    /// What is known of it.
    pub async fn report(&self) -> CacheReport {
        let backend = self.guard.backend();
        CacheReport {
            kind: backend.kind(),
            place: backend.place(),
            is_available: self.guard.is_available(),
            times_away: self.guard.breaker().times_opened(),
            owed: self.guard.breaker().count_owed(),
            spaces: self.statistics.report(),
            near: match &self.near {
                Some(near) => Some(near.report().await),
                None => None,
            },
        }
    }

    fn changed<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        if let Some(near) = &self.near {
            near.changed(names);
        }
    }
}
