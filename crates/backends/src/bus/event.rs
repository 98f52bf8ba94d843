//! Events as they are told and received, the database over which they go, and what can go wrong with it.

use crate::bounded::Bounded;
use std::sync::Arc;

use bytes::Bytes;
use sea_orm::{DatabaseConnection, DbErr};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Clock;

/// Longest name of a group, in bytes.
const MAX_GROUP_BYTES: usize = 200;

/// Longest payload of what is only [told](super::Bus::tell), in bytes of JSON: with its group it fits into one
/// notification of PostgreSQL, and is the same on every kind of bus, so that what works on one works on all.
pub const MOST_TOLD_BYTES: usize = 7_500;

/// What can go wrong with the bus.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The URL is not one of a bus; says why, without repeating it, for it may hold a password.
    #[error("the bus URL {0}")]
    Url(String),
    /// A group name that is empty, over 200 bytes, or has spaces or control characters.
    #[error("names of groups have 1 to 200 bytes without spaces or control characters")]
    BadGroup,
    /// A payload that serde cannot write or read as JSON.
    #[error("the event's payload: {0}")]
    Payload(#[from] serde_json::Error),
    /// What is only told is longer than [`MOST_TOLD_BYTES`].
    #[error("{0} bytes are too many to be told without a record; at most {MOST_TOLD_BYTES} are")]
    TooLarge(usize),
    /// The database refused or is not there.
    #[error("the bus cannot use the database: {0}")]
    Database(#[from] DbErr),
    /// The connection on which the bus listens could not be opened or broke.
    #[error("the bus cannot listen to the database: {0}")]
    Listening(String),
    /// [`super::Bus::check`] did not hear itself within five seconds.
    #[error("the bus does not hear what it says")]
    Deaf,
    /// Redis does not answer; says where it is, without user and password. Events go over the database meanwhile.
    #[error("{0} does not answer; events go over the database until it does")]
    Away(String),
    /// The bus was closed.
    #[error("the bus is closed")]
    Closed,
}

/// The database of a bus that has one.
#[derive(Clone, Debug)]
pub struct BusDatabase {
    /// For reading events.
    pub read: Bounded<DatabaseConnection>,
    /// For writing events; on SQLite the one writer.
    pub write: Bounded<DatabaseConnection>,
    /// Where that database is: the bus listens on a connection of its own.
    pub url: String,
    /// Gives events their time.
    pub clock: Clock,
    /// Tells this site from others that use the same Redis server; the same in all its processes.
    pub site: String,
}

/// Something that happened, as told to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number in the table of events, growing, with gaps, and not in the order of commits on
    /// PostgreSQL; over Redis, or on a `memory:` bus, a count of its writer; 0 when it was only [told](super::Bus::tell).
    pub id: i64,
    /// To whom it was told.
    pub group: String,
    /// JSON text.
    pub payload: Bytes,
}

impl Event {
    /// Of which there is no record.
    pub(super) fn told(group: &str, payload: impl Into<Bytes>) -> Arc<Self> {
        Arc::new(Self {
            id: 0,
            group: group.to_owned(),
            payload: payload.into(),
        })
    }

    /// The payload as a value.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, BusError> {
        Ok(serde_json::from_slice(&self.payload)?)
    }
}

/// What a [`super::Subscription`] receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// An event, shared by all its readers.
    Event(Arc<Event>),
    /// Events may have been missed: the reader was too slow, or the connection was away. What the
    /// reader shows must be read again from the database.
    Lost,
}

/// The group, checked, and the payload, encoded.
pub(super) fn prepare(
    group: &str,
    payload: &(impl Serialize + ?Sized),
) -> Result<(String, String), BusError> {
    let is_bad = group.is_empty()
        || group.len() > MAX_GROUP_BYTES
        || group.chars().any(|c| c.is_whitespace() || c.is_control());
    if is_bad {
        return Err(BusError::BadGroup);
    }
    Ok((group.to_owned(), serde_json::to_string(payload)?))
}
