//! The one place through which every call to a backend goes.
//!
//! What a caller sees of a backend that does not answer is decided here: it looks empty, and takes
//! what it is told without keeping it. Only `add` and `count`, whose answer the caller builds on,
//! are errors.

use std::time::Duration;

use bytes::Bytes;

use super::CacheError;
use super::backend::{Backend, ServerReport};
use super::fault::Fault;

/// A backend, guarded.
#[derive(Debug)]
pub struct Guard {
    backend: Backend,
}

impl Guard {
    /// Guards a backend.
    pub fn new(backend: Backend) -> Self {
        Self { backend }
    }

    /// The kind of the backend, as the scheme of its URL.
    pub fn kind(&self) -> &'static str {
        self.backend.kind()
    }

    /// Whether other processes see the same entries.
    pub fn is_shared(&self) -> bool {
        self.backend.is_shared()
    }

    /// Every call to the backend passes here.
    async fn call<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        call.await
    }

    /// The value under a name; none where the backend does not answer.
    pub async fn get(&self, name: &str) -> Option<Bytes> {
        self.call(self.backend.get(name)).await.ok().flatten()
    }

    /// The values under several names, in their order; as [`Guard::get`].
    pub async fn get_many(&self, names: &[String]) -> Vec<Option<Bytes>> {
        let found = self.call(self.backend.get_many(names)).await;
        found.unwrap_or_else(|_| vec![None; names.len()])
    }

    /// Stores a value; not at all where the backend does not answer.
    pub async fn set(
        &self,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<(), CacheError> {
        forgive(self.call(self.backend.set(name, value, lifetime)).await)
    }

    /// Stores several values; as [`Guard::set`].
    pub async fn set_many(
        &self,
        entries: &[(String, Bytes)],
        lifetime: Option<Duration>,
    ) -> Result<(), CacheError> {
        forgive(self.call(self.backend.set_many(entries, lifetime)).await)
    }

    /// Stores a value only where none is; [`CacheError::Unavailable`] where nobody can tell.
    pub async fn add(
        &self,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<bool, CacheError> {
        Ok(self.call(self.backend.add(name, value, lifetime)).await?)
    }

    /// Gives a stored value a new lifetime; says whether there was one.
    pub async fn touch(&self, name: &str, lifetime: Option<Duration>) -> bool {
        let touched = self.call(self.backend.touch(name, lifetime)).await;
        touched.unwrap_or(false)
    }

    /// Adds to a stored whole number; [`CacheError::Unavailable`] where nobody can tell.
    pub async fn count(&self, name: &str, by: i64) -> Result<Option<i64>, CacheError> {
        Ok(self.call(self.backend.count(name, by)).await?)
    }

    /// Forgets several values; says how many there were.
    pub async fn delete_many(&self, names: &[String]) -> usize {
        let deleted = self.call(self.backend.delete_many(names)).await;
        deleted.unwrap_or(0)
    }

    /// Forgets everything under the prefix.
    pub async fn clear(&self, prefix: &str) {
        let _ = self.call(self.backend.clear(prefix)).await;
    }

    /// Asks the backend for something; what is wrong with it, in words that hold no secret.
    pub async fn check(&self, name: &str) -> Result<(), String> {
        let found = self.call(self.backend.get(name)).await;
        found.map(drop).map_err(|fault| fault.to_string())
    }

    /// What the servers say of themselves.
    pub async fn servers(&self) -> Vec<ServerReport> {
        self.backend.servers().await
    }

    /// Lets go of connections and memory.
    pub async fn close(&self) {
        self.backend.close().await;
    }
}

/// A value that could not be stored because the backend does not answer is no error.
fn forgive(stored: Result<(), Fault>) -> Result<(), CacheError> {
    match stored {
        Err(fault @ Fault::TooLarge { .. }) => Err(fault.into()),
        _ => Ok(()),
    }
}
