//! The backends as one: each variant offers the same methods, which take composed names.
//!
//! A lifetime of `None` is for ever; one of zero never gets here. Nothing here measures, waits or
//! gives up: that is [`super::guard`]'s. Calls that leave the process are boxed, so that the future
//! of a call is no larger than memory needs.

use crate::bounded::Bounded;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use sea_orm::DatabaseConnection;
use serde::Serialize;

use super::CacheError;
use super::database::Database;
use super::fault::Fault;
use super::file::Files;
use super::memcached::Memcached;
use super::memory::Memory;
use super::near::Lasting;
use super::options::{Options, fault};
use super::redis::Redis;
use crate::bus::Bus;
use crate::clock::Clock;

/// What some backends need besides their URL.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// When entries end.
    pub clock: Clock,
    /// Where `file:` keeps entries when its URL names no folder.
    pub folder: Option<PathBuf>,
    /// Where `database:` keeps them.
    pub database: Option<CacheDatabase>,
    /// How near caches hear of what other processes changed; without one there are none.
    pub bus: Option<Bus>,
    /// Joined to the prefix (or to `lyceum`, where the URL names none) of caches that others may share, so
    /// that nothing of another site, another database or another release is ever taken for ours, and clearing
    /// leaves theirs alone.
    pub space: Option<String>,
}

/// The connections of `database:`, of which there is one writer on SQLite.
#[derive(Clone, Debug)]
pub struct CacheDatabase {
    /// Reads.
    pub read: Bounded<DatabaseConnection>,
    /// Writes; on PostgreSQL the same as `read`.
    pub write: Bounded<DatabaseConnection>,
}

impl Surroundings {
    /// Only a clock: enough for all but `file:` without a folder, `database:` and near caches.
    pub fn only(clock: Clock) -> Self {
        Self {
            clock,
            folder: None,
            database: None,
            bus: None,
            space: None,
        }
    }
}

/// What one server of a backend says of itself; `None` where it does not say.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ServerReport {
    /// Its address, without user and password; the kind of backend where there is no server.
    pub address: String,
    /// What is wrong, when it does not answer.
    pub fault: Option<String>,
    /// How many entries it holds.
    pub entries: Option<u64>,
    /// Bytes in use.
    pub bytes_used: Option<u64>,
    /// Bytes it may use.
    pub bytes_limit: Option<u64>,
    /// Entries pushed out for want of room.
    pub evictions: Option<u64>,
    /// Clients connected now.
    pub connections: Option<u64>,
    /// Since when it runs, in seconds.
    pub uptime_seconds: Option<u64>,
    /// Its version.
    pub version: Option<String>,
    /// Reads that found something, by whomever.
    pub hits: Option<u64>,
    /// Reads that did not.
    pub misses: Option<u64>,
}

/// One of the backends.
#[derive(Debug)]
pub enum Backend {
    /// This process.
    Memory(Memory),
    /// A table of the site's database.
    Database(Database),
    /// A folder.
    File(Files),
    /// Memcached servers.
    Memcached(Memcached),
    /// A Redis server.
    Redis(Redis),
    /// Keeps nothing.
    Off,
}

impl Backend {
    /// The backend that the options name; connects to nothing yet.
    pub fn open(options: &Options, surroundings: &Surroundings) -> Result<Self, CacheError> {
        Ok(match options.scheme.as_str() {
            "memory" => Self::Memory(Memory::new(
                options.max_bytes_or_default(),
                surroundings.clock.clone(),
            )),
            "database" => {
                let database = surroundings
                    .database
                    .clone()
                    .ok_or_else(|| fault("names the site's database, and there is none here"))?;
                let clock = surroundings.clock.clone();
                Self::Database(Database::new(
                    database,
                    options.max_bytes_or_default(),
                    clock,
                ))
            }
            "file" => {
                let max_bytes = options.max_bytes_or_default();
                Self::File(open_folder(&options.place, max_bytes, surroundings)?)
            }
            "memcached" => {
                let place = &options.place;
                Self::Memcached(Memcached::new(place, &options.prefix, options.patience)?)
            }
            "redis" | "rediss" => Self::Redis(Redis::new(options)?),
            _ => Self::Off,
        })
    }

    /// Its kind, as the scheme of its URL.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Database(_) => "database",
            Self::File(_) => "file",
            Self::Memcached(_) => "memcached",
            Self::Redis(_) => "redis",
            Self::Off => "off",
        }
    }

    /// Whether other processes see the same entries.
    pub fn is_shared(&self) -> bool {
        !matches!(self, Self::Memory(_) | Self::Off)
    }

    /// Where it is, without user and password; for the log and the panel.
    pub fn place(&self) -> String {
        match self {
            Self::Redis(redis) => redis.place().to_owned(),
            Self::Memcached(memcached) => format!("{memcached:?}").replace('"', ""),
            Self::Database(_) => "database:".to_owned(),
            Self::File(_) => "file:".to_owned(),
            Self::Memory(_) | Self::Off => String::new(),
        }
    }

    /// Whether it sees itself to servers that are away, since it has several of them.
    pub fn guards_itself(&self) -> bool {
        matches!(self, Self::Memcached(_))
    }

    /// Whether what is asked first is done first, also while the answer is still awaited.
    pub fn keeps_order(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// How many bytes its connections have carried: while they do, it is not dead. Always zero for
    /// those that do not count.
    pub fn bytes_moved(&self) -> u64 {
        match self {
            Self::Redis(redis) => redis.bytes_moved(),
            _ => 0,
        }
    }

    /// Drops its connections, because they are not to be trusted any more.
    pub fn reset(&self) {
        if let Self::Redis(redis) = self {
            redis.reset();
        }
    }

    /// The value under a name.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, Fault> {
        match self {
            Self::Memory(memory) => Ok(memory.get(name).await),
            Self::Database(database) => Box::pin(database.get(name)).await,
            Self::File(files) => Box::pin(files.get(name)).await,
            Self::Memcached(memcached) => Box::pin(memcached.get(name)).await,
            Self::Redis(redis) => Box::pin(redis.get(name)).await,
            Self::Off => Ok(None),
        }
    }

    /// The value under a name, and how long it still lasts, in one round trip.
    pub async fn get_aging(&self, name: &str) -> Result<Option<(Bytes, Lasting)>, Fault> {
        match self {
            Self::Redis(redis) => Box::pin(redis.get_aging(name)).await,
            _ => Ok(self.get(name).await?.map(|value| (value, Lasting::Unknown))),
        }
    }

    /// The value under a name, and how long it still lasts, for somebody who looks at it; may cost
    /// more than [`Backend::get_aging`].
    pub async fn look(&self, name: &str) -> Result<Option<(Bytes, Lasting)>, Fault> {
        match self {
            Self::Memory(memory) => Ok(memory.look(name).await),
            Self::Database(database) => database.look(name).await,
            Self::File(files) => files.look(name).await,
            Self::Memcached(memcached) => memcached.look(name).await,
            Self::Redis(redis) => redis.get_aging(name).await,
            Self::Off => Ok(None),
        }
    }

    /// The values under several names, in their order, in one round trip to each server.
    pub async fn get_many(&self, names: &[String]) -> Result<Vec<Option<Bytes>>, Fault> {
        match self {
            Self::Memory(memory) => Ok(memory.get_many(names).await),
            Self::Database(database) => Box::pin(database.get_many(names)).await,
            Self::File(files) => Box::pin(files.get_many(names)).await,
            Self::Memcached(memcached) => Box::pin(memcached.get_many(names)).await,
            Self::Redis(redis) => Box::pin(redis.get_many(names)).await,
            Self::Off => Ok(vec![None; names.len()]),
        }
    }

    /// Stores a value.
    pub async fn set(
        &self,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<(), Fault> {
        match self {
            Self::Memory(memory) => memory.set(name.to_owned(), value, lifetime).await,
            Self::Database(database) => Box::pin(database.set(name, value, lifetime)).await?,
            Self::File(files) => Box::pin(files.set(name, value, lifetime)).await?,
            Self::Memcached(memcached) => Box::pin(memcached.set(name, value, lifetime)).await?,
            Self::Redis(redis) => Box::pin(redis.set(name, value, lifetime)).await?,
            Self::Off => {}
        }
        Ok(())
    }

    /// Stores several values for the same time, in one round trip to each server.
    pub async fn set_many(
        &self,
        entries: &[(String, Bytes)],
        lifetime: Option<Duration>,
    ) -> Result<(), Fault> {
        match self {
            Self::Memory(memory) => {
                for (name, value) in entries {
                    memory.set(name.clone(), value.clone(), lifetime).await;
                }
            }
            Self::Database(database) => Box::pin(database.set_many(entries, lifetime)).await?,
            Self::File(files) => Box::pin(files.set_many(entries, lifetime)).await?,
            Self::Memcached(memcached) => Box::pin(memcached.set_many(entries, lifetime)).await?,
            Self::Redis(redis) => Box::pin(redis.set_many(entries, lifetime)).await?,
            Self::Off => {}
        }
        Ok(())
    }

    /// Stores a value only where none is; says whether it did.
    pub async fn add(
        &self,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<bool, Fault> {
        match self {
            Self::Memory(memory) => Ok(memory.add(name.to_owned(), value, lifetime).await),
            Self::Database(database) => Box::pin(database.add(name, value, lifetime)).await,
            Self::File(files) => Box::pin(files.add(name, value, lifetime)).await,
            Self::Memcached(memcached) => Box::pin(memcached.add(name, value, lifetime)).await,
            Self::Redis(redis) => Box::pin(redis.add(name, value, lifetime)).await,
            Self::Off => Ok(true),
        }
    }

    /// Gives a stored value a new lifetime; says whether there was one.
    pub async fn touch(&self, name: &str, lifetime: Option<Duration>) -> Result<bool, Fault> {
        match self {
            Self::Memory(memory) => Ok(memory.touch(name.to_owned(), lifetime).await),
            Self::Database(database) => Box::pin(database.touch(name, lifetime)).await,
            Self::File(files) => Box::pin(files.touch(name, lifetime)).await,
            Self::Memcached(memcached) => Box::pin(memcached.touch(name, lifetime)).await,
            Self::Redis(redis) => Box::pin(redis.touch(name, lifetime)).await,
            Self::Off => Ok(false),
        }
    }

    /// Adds to a stored whole number in one step and returns the sum, `None` where nothing is;
    /// its lifetime stays.
    pub async fn count(&self, name: &str, by: i64) -> Result<Option<i64>, Fault> {
        match self {
            Self::Memory(memory) => memory.count(name.to_owned(), by).await,
            Self::Database(database) => Box::pin(database.count(name, by)).await,
            Self::File(files) => Box::pin(files.count(name, by)).await,
            Self::Memcached(memcached) => Box::pin(memcached.count(name, by)).await,
            Self::Redis(redis) => Box::pin(redis.count(name, by)).await,
            Self::Off => Ok(None),
        }
    }

    /// Forgets several values; says how many there were.
    pub async fn delete_many(&self, names: &[String]) -> Result<usize, Fault> {
        match self {
            Self::Memory(memory) => Ok(memory.delete_many(names).await),
            Self::Database(database) => Box::pin(database.delete_many(names)).await,
            Self::File(files) => Box::pin(files.delete_many(names)).await,
            Self::Memcached(memcached) => Box::pin(memcached.delete_many(names)).await,
            Self::Redis(redis) => Box::pin(redis.delete_many(names)).await,
            Self::Off => Ok(0),
        }
    }

    /// Forgets a value if it is this one, in one step; says whether it was.
    pub async fn delete_if(&self, name: &str, value: &Bytes) -> Result<bool, Fault> {
        match self {
            Self::Memory(memory) => Ok(memory.delete_if(name.to_owned(), value).await),
            Self::Database(database) => Box::pin(database.delete_if(name, value)).await,
            Self::File(files) => Box::pin(files.delete_if(name, value)).await,
            Self::Memcached(memcached) => Box::pin(memcached.delete_if(name, value)).await,
            Self::Redis(redis) => Box::pin(redis.delete_if(name, value)).await,
            Self::Off => Ok(false),
        }
    }

    /// Forgets every name under this prefix ([`super::key::is_under`]), and no other program's.
    pub async fn clear(&self, prefix: &str) -> Result<(), Fault> {
        match self {
            Self::Memory(memory) => memory.clear(prefix),
            Self::Database(database) => Box::pin(database.clear(prefix)).await?,
            Self::File(files) => Box::pin(files.clear(prefix)).await?,
            Self::Memcached(memcached) => Box::pin(memcached.clear(prefix)).await?,
            Self::Redis(redis) => Box::pin(redis.clear(prefix)).await?,
            Self::Off => {}
        }
        Ok(())
    }

    /// What its servers say of themselves.
    pub async fn servers(&self) -> Vec<ServerReport> {
        match self {
            Self::Memory(memory) => vec![memory.report().await],
            Self::Database(database) => Box::pin(database.servers()).await,
            Self::File(files) => Box::pin(files.servers()).await,
            Self::Memcached(memcached) => Box::pin(memcached.servers()).await,
            Self::Redis(redis) => vec![Box::pin(redis.report()).await],
            Self::Off => Vec::new(),
        }
    }

    /// Lets go of connections and memory.
    pub async fn close(&self) {
        match self {
            Self::Memory(memory) => memory.close().await,
            Self::Memcached(memcached) => memcached.close(),
            Self::Redis(redis) => redis.reset(),
            Self::Database(_) | Self::File(_) | Self::Off => {}
        }
    }
}

/// The folder that a `file:` URL names, or else the one of the surroundings.
fn open_folder(
    place: &str,
    max_bytes: u64,
    surroundings: &Surroundings,
) -> Result<Files, CacheError> {
    let named = place.strip_prefix("//").unwrap_or(place);
    let named = (!named.is_empty()).then(|| PathBuf::from(named));
    let folder = named.or_else(|| surroundings.folder.clone());
    let folder = folder.ok_or_else(|| fault("names no folder, as in file:/var/cache/lyceum"))?;
    Files::open(&folder, max_bytes, surroundings.clock.clone())
        .map_err(|error| fault(&format!("names a folder that cannot be used: {error}")))
}
