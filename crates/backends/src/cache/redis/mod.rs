//! `redis://` and `rediss://` (TLS): entries on a Redis server, 4.0 or newer, or Valkey.
//!
//! Here stands which commands each call means; connections are [`link`]'s. Names stand in Redis as
//! they are, values as plain strings, lifetimes as Redis's own expiry in milliseconds, which does
//! not go by this machine's clock.

pub mod link;
pub mod target;

use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Pipeline, Value, cmd};

use self::link::Link;
use self::target::Target;
use super::CacheError;
use super::backend::ServerReport;
use super::fault::Fault;
use super::key;
use super::near::Lasting;
use super::options::Options;

/// Redis counts only what is there after this; its numbers go through Lua as text, since Lua's own
/// have 53 bits.
const COUNT: &str = "if redis.call('EXISTS',KEYS[1])==0 then return false end \
                     redis.call('INCRBY',KEYS[1],ARGV[1]) return redis.call('GET',KEYS[1])";

/// Redis deletes only what is still this.
const DELETE_IF: &str = "if redis.call('GET',KEYS[1])~=ARGV[1] then return 0 end \
                         return redis.call('DEL',KEYS[1])";

/// Longer lifetimes than a hundred years are a hundred years: Redis refuses what overflows.
const LONGEST_LIFETIME: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How many names Redis looks at in one step of clearing.
const SCAN_COUNT: usize = 1_000;

/// The largest value that Redis takes, in bytes (`proto-max-bulk-len`).
const MOST_BYTES: usize = 512 * 1024 * 1024;

/// Entries on a Redis server.
#[derive(Debug)]
pub struct Redis {
    link: Link,
}

impl Redis {
    /// The server that a URL names; connects to nothing yet.
    pub fn new(options: &Options) -> Result<Self, CacheError> {
        let target = Target::parse(options)?;
        Ok(Self {
            link: Link::new(target),
        })
    }

    /// Where the server is, without user and password.
    pub fn place(&self) -> &str {
        self.link.place()
    }

    /// How many bytes the connections have carried.
    pub fn bytes_moved(&self) -> u64 {
        self.link.bytes_moved()
    }

    /// Drops the connection; the next call makes another.
    pub fn reset(&self) {
        self.link.reset();
    }

    /// The value under a name.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, Fault> {
        bytes(self.link.ask(cmd("GET").arg(name)).await?)
    }

    /// The value under a name, and how long it still lasts.
    pub async fn get_aging(&self, name: &str) -> Result<Option<(Bytes, Lasting)>, Fault> {
        let mut pipeline = Pipeline::with_capacity(2);
        // Should the value be replaced between the two, whoever did it says so on the bus.
        pipeline.cmd("PTTL").arg(name).cmd("GET").arg(name);
        let mut answers = self.link.ask_all(&pipeline).await?.into_iter();
        let lasting = match number(answers.next().unwrap_or(Value::Nil))? {
            -1 => Lasting::Forever,
            left => Lasting::Left(Duration::from_millis(u64::try_from(left).unwrap_or(0))),
        };
        let value = bytes(answers.next().unwrap_or(Value::Nil))?;
        Ok(value.map(|value| (value, lasting)))
    }

    /// The values under several names, in their order.
    pub async fn get_many(&self, names: &[String]) -> Result<Vec<Option<Bytes>>, Fault> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        match self.link.ask(cmd("MGET").arg(names)).await? {
            Value::Array(found) if found.len() == names.len() => {
                found.into_iter().map(bytes).collect()
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Stores a value. Of one that is too large, or that Redis refuses for want of room, what stood
    /// there before is deleted.
    pub async fn set(
        &self,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<(), Fault> {
        let stored = match store(name, &value, lifetime) {
            Ok(set) => self.link.ask(&set).await,
            Err(fault) => Err(fault),
        };
        if let Err(Fault::Refused(_) | Fault::TooLarge { .. }) = stored {
            self.delete_many(&[name.to_owned()]).await?;
        }
        stored.map(drop)
    }

    /// Stores several values for the same time, in one round trip.
    pub async fn set_many(
        &self,
        entries: &[(String, Bytes)],
        lifetime: Option<Duration>,
    ) -> Result<(), Fault> {
        let mut pipeline = Pipeline::with_capacity(entries.len());
        let mut is_fitting = Ok(());
        for (name, value) in entries {
            match store(name, value, lifetime) {
                Ok(set) => drop(pipeline.add_command(set)),
                Err(fault) => is_fitting = Err(fault),
            }
        }
        let stored = match is_fitting {
            Ok(()) => self.link.ask_all(&pipeline).await,
            Err(fault) => Err(fault),
        };
        if let Err(Fault::Refused(_) | Fault::TooLarge { .. }) = stored {
            let names: Vec<String> = entries.iter().map(|(name, _)| name.clone()).collect();
            self.delete_many(&names).await?;
        }
        stored.map(drop)
    }

    /// Stores a value only where none is; says whether it did.
    pub async fn add(
        &self,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<bool, Fault> {
        match self
            .link
            .ask_once(store(name, &value, lifetime)?.arg("NX"))
            .await?
        {
            Value::Okay => Ok(true),
            Value::Nil => Ok(false),
            other => Err(unexpected(&other)),
        }
    }

    /// Gives a stored value a new lifetime; says whether there was one.
    pub async fn touch(&self, name: &str, lifetime: Option<Duration>) -> Result<bool, Fault> {
        let Some(lifetime) = lifetime else {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("PERSIST").arg(name).cmd("EXISTS").arg(name);
            let found = self.link.ask_all(&pipeline).await?;
            return number(found.into_iter().next_back().unwrap_or(Value::Nil))
                .map(|count| count > 0);
        };
        let touched = cmd("PEXPIRE").arg(name).arg(millis(lifetime)).take();
        number(self.link.ask(&touched).await?).map(|count| count > 0)
    }

    /// Adds to a stored whole number in one step and returns the sum, `None` where nothing is.
    pub async fn count(&self, name: &str, by: i64) -> Result<Option<i64>, Fault> {
        let counted = cmd("EVAL").arg(COUNT).arg(1).arg(name).arg(by).take();
        let sum = bytes(self.link.ask_once(&counted).await?)?;
        sum.map(|digits| serde_json::from_slice(&digits).map_err(|_| Fault::NotANumber))
            .transpose()
    }

    /// Forgets several values; says how many there were.
    pub async fn delete_many(&self, names: &[String]) -> Result<usize, Fault> {
        if names.is_empty() {
            return Ok(0);
        }
        let count = number(self.link.ask(cmd("UNLINK").arg(names)).await?)?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Forgets a value if it is this one, in one step; says whether it was.
    pub async fn delete_if(&self, name: &str, value: &[u8]) -> Result<bool, Fault> {
        let delete = cmd("EVAL")
            .arg(DELETE_IF)
            .arg(1)
            .arg(name)
            .arg(value)
            .take();
        Ok(number(self.link.ask_once(&delete).await?)? > 0)
    }

    /// Forgets every name under this prefix, step by step, so that others are answered meanwhile.
    pub async fn clear(&self, prefix: &str) -> Result<(), Fault> {
        let pattern = format!("{}:[0-9]*", escape_glob(prefix));
        let mut cursor = b"0".to_vec();
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(&pattern);
            scan.arg("COUNT").arg(SCAN_COUNT);
            let (next, found) = page(self.link.ask(&scan).await?)?;
            let ours = found
                .into_iter()
                .filter_map(|name| String::from_utf8(name).ok());
            let ours: Vec<String> = ours.filter(|name| key::is_under(prefix, name)).collect();
            self.delete_many(&ours).await?;
            if next == b"0" {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// What the server says of itself. Entries and bytes are those of all who use it.
    pub async fn report(&self) -> ServerReport {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("INFO").cmd("DBSIZE");
        let mut report = ServerReport {
            address: self.place().to_owned(),
            ..ServerReport::default()
        };
        match self.link.ask_all(&pipeline).await {
            Ok(said) => {
                let mut said = said.into_iter();
                if let Some(Value::BulkString(info)) = said.next() {
                    take_info(&mut report, &String::from_utf8_lossy(&info));
                }
                let entries = said.next().and_then(|size| number(size).ok());
                report.entries = entries.and_then(|count| u64::try_from(count).ok());
            }
            Err(fault) => report.fault = Some(fault.to_string()),
        }
        report
    }
}

fn store(name: &str, value: &[u8], lifetime: Option<Duration>) -> Result<Cmd, Fault> {
    if value.len() > MOST_BYTES {
        return Err(Fault::TooLarge {
            bytes: value.len(),
            most: MOST_BYTES,
        });
    }
    let mut set = Cmd::with_capacity(6, name.len() + value.len() + 40);
    set.arg("SET").arg(name).arg(value);
    if let Some(lifetime) = lifetime {
        set.arg("PX").arg(millis(lifetime));
    }
    Ok(set)
}

fn millis(lifetime: Duration) -> u64 {
    let millis = lifetime.min(LONGEST_LIFETIME).as_millis();
    u64::try_from(millis).unwrap_or(u64::MAX).max(1)
}

fn bytes(value: Value) -> Result<Option<Bytes>, Fault> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(Bytes::from(bytes))),
        other => Err(unexpected(&other)),
    }
}

fn number(value: Value) -> Result<i64, Fault> {
    match value {
        Value::Int(number) => Ok(number),
        other => Err(unexpected(&other)),
    }
}

/// The cursor and the names of one step of `SCAN`.
fn page(value: Value) -> Result<(Vec<u8>, Vec<Vec<u8>>), Fault> {
    let Value::Array(parts) = value else {
        return Err(unexpected(&value));
    };
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some(Value::BulkString(cursor)), Some(Value::Array(names))) => {
            let names = names.into_iter().filter_map(|name| match name {
                Value::BulkString(name) => Some(name),
                _ => None,
            });
            Ok((cursor, names.collect()))
        }
        _ => Err(Fault::Garbled("a page of names without names".to_owned())),
    }
}

/// An answer of another kind than the command has; its contents stay out of the log.
fn unexpected(value: &Value) -> Fault {
    let kind = match value {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) | Value::VerbatimString { .. } => "a string",
        Value::Array(_) | Value::Set(_) => "a list of another length or kind",
        Value::Okay => "OK",
        _ => "something",
    };
    Fault::Garbled(format!("{kind} where something else has to be"))
}

/// The prefix as a part of a pattern that stands for itself alone.
fn escape_glob(prefix: &str) -> String {
    let mut escaped = String::with_capacity(prefix.len());
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn take_info(report: &mut ServerReport, info: &str) {
    for line in info.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let number = || value.trim().parse::<u64>().ok();
        match name {
            "redis_version" => report.version = Some(value.trim().to_owned()),
            "used_memory" => report.bytes_used = number(),
            // Zero is no limit.
            "maxmemory" => report.bytes_limit = number().filter(|bytes| *bytes > 0),
            "evicted_keys" => report.evictions = number(),
            "connected_clients" => report.connections = number(),
            "uptime_in_seconds" => report.uptime_seconds = number(),
            "keyspace_hits" => report.hits = number(),
            "keyspace_misses" => report.misses = number(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_for_itself_in_a_pattern() {
        assert_eq!(escape_glob("a*[b]?\\-c"), "a\\*\\[b\\]\\?\\\\\\-c");
        assert_eq!(escape_glob("plain:1"), "plain:1");
    }

    #[test]
    fn lifetimes_are_at_least_a_millisecond_and_at_most_a_hundred_years() {
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_secs(2)), 2_000);
        assert_eq!(millis(Duration::MAX), 3_153_600_000_000);
    }
}
