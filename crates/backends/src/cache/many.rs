//! Several keys in one round trip.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::report::Space;
use super::{Cache, CacheError, Timeout, decode, encode};

impl Cache {
    /// Those of the keys that have a value, with it. Asks each server once.
    pub async fn get_many<T, K>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<HashMap<String, T>, CacheError>
    where
        T: DeserializeOwned,
        K: AsRef<str>,
    {
        let keys: Vec<String> = keys
            .into_iter()
            .map(|key| key.as_ref().to_owned())
            .collect();
        let found = self.get_many_bytes(&keys).await?;
        Ok(keys
            .into_iter()
            .zip(found)
            .filter_map(|(key, bytes)| decode(&key, &bytes?).map(|value| (key, value)))
            .collect())
    }

    /// The stored bytes under each of the keys, in their order.
    pub async fn get_many_bytes(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, CacheError> {
        let mut names = Vec::with_capacity(keys.len());
        for key in keys {
            names.push(self.name(key)?);
        }
        let spaces: Vec<&Space> = keys.iter().map(|key| self.space(key)).collect();
        Ok(self.layers.get_many(&spaces, &names).await)
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
        let mut keys = Vec::new();
        let mut entries = Vec::new();
        for (key, value) in values {
            entries.push((self.name(key.as_ref())?, encode(&value)?));
            keys.push(key.as_ref().to_owned());
        }
        let lifetime = self.lifetime(timeout);
        if lifetime.is_nothing() {
            self.delete_many(&keys).await?;
            return Ok(());
        }
        for (name, _) in &entries {
            self.flights.forget(name).await;
        }
        let spaces: Vec<&Space> = keys.iter().map(|key| self.space(key)).collect();
        let stored = self.layers.set_many(&spaces, &entries, lifetime.duration());
        self.unlocking(&keys, stored).await
    }

    /// As [`Cache::set_many`], for bytes under keys that nobody computes by [`Cache::get_or_set`] or
    /// [`Cache::get_or_refresh`]: with no lock to take away, it is one round trip to each server.
    pub async fn put_many_bytes(
        &self,
        values: &[(String, Bytes)],
        timeout: Timeout,
    ) -> Result<(), CacheError> {
        let mut entries = Vec::with_capacity(values.len());
        for (key, value) in values {
            entries.push((self.name(key)?, value.clone()));
        }
        let spaces: Vec<&Space> = values.iter().map(|(key, _)| self.space(key)).collect();
        let lifetime = self.lifetime(timeout);
        if lifetime.is_nothing() {
            let names: Vec<String> = entries.into_iter().map(|(name, _)| name).collect();
            self.layers.delete_many(&spaces, &names).await;
            return Ok(());
        }
        self.layers
            .set_many(&spaces, &entries, lifetime.duration())
            .await
    }

    /// Forgets several values; says how many there were.
    pub async fn delete_many<K: AsRef<str>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<usize, CacheError> {
        let mut all = Vec::new();
        let mut names = Vec::new();
        for key in keys {
            names.push(self.name(key.as_ref())?);
            all.push(key.as_ref().to_owned());
        }
        for name in &names {
            self.flights.forget(name).await;
        }
        let spaces: Vec<&Space> = all.iter().map(|key| self.space(key)).collect();
        let deleted = self.layers.delete_many(&spaces, &names);
        Ok(self.unlocking(&all, deleted).await)
    }
}
