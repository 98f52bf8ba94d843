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
        let (stored, ()) = tokio::join!(stored, self.unlock_all(&keys));
        stored
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
        let (count, ()) = tokio::join!(deleted, self.unlock_all(&all));
        Ok(count)
    }
}
