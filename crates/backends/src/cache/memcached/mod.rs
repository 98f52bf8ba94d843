//! `memcached://`: entries on one or more Memcached servers, 1.6 or newer.
//!
//! Here stands what each call means to the servers; how names are spread and who is left out is
//! [`pool`]'s, connections are [`server`]'s, the protocol [`wire`]'s. Why this is no other crate's
//! work stands in decision 0015. Every call makes one round trip to each server that it concerns.
//!
//! - Names stand in Memcached as they are, values as plain bytes with flags 0.
//! - Lifetimes are whole seconds to Memcached; a part of one counts as one. Beyond 30 days they are
//!   sent as a time of day, which the server compares with its own clock.
//! - A server takes values of up to its `item_size_max` (`-I`, 1 MiB) less some 512 bytes. A larger one
//!   is [`Fault::TooLarge`], and what stood under its name before is deleted.
//! - `clear` lists the names of each server and deletes those of this cache's prefix.

mod address;
mod count;
mod outcome;
mod pool;
mod rendezvous;
mod scan;
mod server;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;

use self::outcome::{changes, changes_of, kept, nowhere, some_of, yes_or_no};
use self::pool::{Pool, Spot, nobody};
use self::server::Server;
use self::wire::{Request, refusal};
use super::CacheError;
use super::backend::ServerReport;
use super::ending::to_the_end;
use super::fault::Fault;
use super::near::Lasting;
use super::value;
use crate::clock::Clock;

/// Up to here Memcached takes a number for seconds from now, beyond for seconds since 1970
/// (protocol.txt, "Expiration times").
const LONGEST_RELATIVE: u64 = 30 * 24 * 60 * 60;

/// Entries on Memcached servers.
#[derive(Clone)]
pub struct Memcached {
    pool: Arc<Pool>,
    /// The servers' time is the real one, whatever time the program has.
    clock: Clock,
    /// Calls of this process that replace a number wait for each other here, and not at the server.
    counting: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Memcached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let servers = self.pool.servers().iter().map(Server::label);
        f.debug_list().entries(servers).finish()
    }
}

/// The names of one call that live on one server, by their places in the call.
type Shares = BTreeMap<usize, Vec<(usize, Spot)>>;

impl Memcached {
    /// The servers that a URL names between `memcached:` and `?`, the prefix of all names that will
    /// be asked for, and how long a server may say nothing before it counts as dead; connects to
    /// nothing yet.
    pub fn new(place: &str, prefix: &str, patience: Duration) -> Result<Self, CacheError> {
        Ok(Self {
            pool: Pool::new(address::parse(place)?, prefix, patience),
            clock: Clock::system(),
            counting: Arc::default(),
        })
    }

    /// The value under a name.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, Fault> {
        let index = self.pool.spot(name).server.ok_or_else(nobody)?;
        let server = self.pool.server(index)?;
        let found = self.pool.ask(index, server.values(&[name])).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// The value under a name, and how long it still lasts, to the second.
    pub async fn look(&self, name: &str) -> Result<Option<(Bytes, Lasting)>, Fault> {
        let index = self.pool.spot(name).server.ok_or_else(nobody)?;
        let server = self.pool.server(index)?;
        let found = self.pool.ask(index, server.item(name)).await?;
        Ok(found.map(|item| {
            let lasting = u64::try_from(item.seconds).map_or(Lasting::Forever, |seconds| {
                Lasting::Left(Duration::from_secs(seconds))
            });
            (item.value, lasting)
        }))
    }

    /// The values under several names, in their order. What a server holds that fails meanwhile
    /// counts as absent, unless all fail.
    pub async fn get_many(&self, names: &[String]) -> Result<Vec<Option<Bytes>>, Fault> {
        let (shares, _) = self.share(names.iter().map(String::as_str));
        let asked = shares.into_iter().map(async |(index, share)| {
            let places: Vec<usize> = share.iter().map(|(place, _)| *place).collect();
            let theirs = places.iter().filter_map(|place| names.get(*place));
            let theirs: Vec<&str> = theirs.map(String::as_str).collect();
            let server = self.pool.server(index)?;
            let found = self.pool.ask(index, server.values(&theirs)).await?;
            Ok(places.into_iter().zip(found).collect::<Vec<_>>())
        });
        let answers = some_of(join_all(asked).await, names.len())?;
        let mut values = vec![None; names.len()];
        for (place, value) in answers.into_iter().flatten() {
            if let Some(slot) = values.get_mut(place) {
                *slot = value;
            }
        }
        Ok(values)
    }

    /// Stores a value.
    pub async fn set(
        &self,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<(), Fault> {
        self.set_many(&[(name.to_owned(), value)], lifetime).await
    }

    /// Stores several values. Those of a server that fails meanwhile are not stored, which is no
    /// error unless all fail; one that is well and refuses some is told.
    pub async fn set_many(
        &self,
        entries: &[(String, Bytes)],
        lifetime: Option<Duration>,
    ) -> Result<(), Fault> {
        let (this, entries) = (self.clone(), entries.to_vec());
        let names: Vec<_> = entries.iter().map(|(name, _)| name.clone()).collect();
        let set = async move { this.set_all(&entries, lifetime).await };
        self.to_the_end(set, |_| names).await
    }

    /// As [`ending::to_the_end`](super::ending::to_the_end); a caller that went away does not know
    /// what became of the names that are `unsure`: they are forgotten.
    async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'static,
        unsure: impl FnOnce(&Result<T, Fault>) -> Vec<String> + Send + 'static,
    ) -> Result<T, Fault> {
        let pool = Arc::clone(&self.pool);
        let forget = move |outcome| {
            let unsure = unsure(&outcome);
            async move { pool.forget(unsure).await }
        };
        to_the_end(work, forget).await
    }

    async fn set_all(
        &self,
        entries: &[(String, Bytes)],
        lifetime: Option<Duration>,
    ) -> Result<(), Fault> {
        let names = entries.iter().map(|(name, _)| name.as_str());
        let (shares, homeless) = self.share(names);
        let time = self.time(lifetime);
        let stored = shares.into_iter().map(async |(index, share)| {
            let theirs = share.iter().filter_map(|(place, _)| entries.get(*place));
            let theirs: Vec<_> = theirs.collect();
            let outcome = self.pool.ask(index, self.store(index, &theirs, time)).await;
            let names = theirs.iter().map(|(name, _)| name.clone()).collect();
            self.pool.changed(changes(names, share, &outcome)).await;
            outcome
        });
        let stored = join_all(stored).await;
        let names = entries.iter().map(|(name, _)| name.as_str());
        self.pool.changed(nowhere(names, homeless)).await;
        let mut faults = changes_of(stored, entries.len())?.into_iter().flatten();
        let first = faults.next();
        // One that was refused has to be forgotten, of which only its fault tells.
        let refused = faults.find(|fault| matches!(fault, Fault::Refused(_)));
        refused.or(first).map_or(Ok(()), Err)
    }

    /// Stores these at one server; a fault of one entry is told once the others are stored.
    async fn store(
        &self,
        index: usize,
        entries: &[&(String, Bytes)],
        time: i64,
    ) -> Result<Option<Fault>, Fault> {
        let server = self.pool.server(index)?;
        let mut request = Request::default();
        let mut fault = None;
        for (name, value) in entries {
            match fitting(server, name, value).await {
                Ok(()) => storing(&mut request, "set", name, value, time),
                Err(too_large @ Fault::TooLarge { .. }) => {
                    // What is there now is older.
                    request.push(&format!("delete {name}\r\n"));
                    fault = Some(too_large);
                }
                Err(other) => return Err(other),
            }
        }
        for line in server.lines(&request, entries.len()).await? {
            if !matches!(&*line, b"STORED" | b"DELETED" | b"NOT_FOUND") {
                fault = Some(kept(refusal(&line))?);
            }
        }
        Ok(fault)
    }

    /// Stores a value only where none is; says whether it did.
    pub async fn add(
        &self,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<bool, Fault> {
        let (this, name) = (self.clone(), name.to_owned());
        let names = vec![name.clone()];
        // What another added is not ours to forget.
        let unsure = |added: &Result<bool, Fault>| match added {
            Ok(false) | Err(Fault::TooLarge { .. }) => Vec::new(),
            _ => names,
        };
        let add = async move { this.add_one(&name, &value, lifetime).await };
        self.to_the_end(add, unsure).await
    }

    async fn add_one(
        &self,
        name: &str,
        value: &Bytes,
        lifetime: Option<Duration>,
    ) -> Result<bool, Fault> {
        let spot = self.pool.spot(name);
        let index = spot.server.ok_or_else(nobody)?;
        let server = self.pool.server(index)?;
        let asked = async {
            fitting(server, name, value).await?;
            let mut request = Request::default();
            storing(&mut request, "add", name, value, self.time(lifetime));
            let line = server.line(&request).await?;
            yes_or_no(&line, b"STORED", b"NOT_STORED")
        };
        let added = self.pool.ask(index, asked).await;
        if !matches!(added, Ok(false) | Err(Fault::TooLarge { .. })) {
            let names = vec![name.to_owned()];
            self.pool
                .changed(changes(names, vec![(0, spot)], &added))
                .await;
        }
        added
    }

    /// Gives a stored value a new lifetime; says whether there was one.
    pub async fn touch(&self, name: &str, lifetime: Option<Duration>) -> Result<bool, Fault> {
        let index = self.pool.spot(name).server.ok_or_else(nobody)?;
        let server = self.pool.server(index)?;
        let time = self.time(lifetime);
        let request = Request::default().text(&format!("touch {name} {time}\r\n"));
        let line = self.pool.ask(index, server.line(&request)).await?;
        yes_or_no(&line, b"TOUCHED", b"NOT_FOUND")
    }

    /// Adds to a stored whole number in one step and returns the sum; none where nothing is. Its
    /// lifetime stays.
    pub async fn count(&self, name: &str, by: i64) -> Result<Option<i64>, Fault> {
        let (this, name) = (self.clone(), name.to_owned());
        let count = async move { this.count_one(&name, by).await };
        self.to_the_end(count, |_| Vec::new()).await
    }

    async fn count_one(&self, name: &str, by: i64) -> Result<Option<i64>, Fault> {
        let spot = self.pool.spot(name);
        let index = spot.server.ok_or_else(nobody)?;
        let server = self.pool.server(index)?;
        let turn = if by < 0 {
            Some(self.counting.lock().await)
        } else {
            None
        };
        let counted = self.pool.ask(index, count::count(server, name, by)).await;
        drop(turn);
        if !matches!(counted, Ok(None)) {
            let names = vec![name.to_owned()];
            self.pool
                .changed(changes(names, vec![(0, spot)], &counted))
                .await;
        }
        counted
    }

    /// Forgets several values; says how many there were. A server that fails meanwhile forgets
    /// them before it is taken back, which is no error unless all fail; one that is well and refuses is told.
    pub async fn delete_many(&self, names: &[String]) -> Result<usize, Fault> {
        let (this, names) = (self.clone(), names.to_vec());
        let delete = async move { this.delete_all(&names).await };
        self.to_the_end(delete, |_| Vec::new()).await
    }

    async fn delete_all(&self, names: &[String]) -> Result<usize, Fault> {
        let (shares, homeless) = self.share(names.iter().map(String::as_str));
        let deleted = shares.into_iter().map(async |(index, share)| {
            let theirs = share.iter().filter_map(|(place, _)| names.get(*place));
            let theirs: Vec<_> = theirs.collect();
            let mut request = Request::default();
            for name in &theirs {
                request.push(&format!("delete {name}\r\n"));
            }
            let server = self.pool.server(index)?;
            let asked = async {
                let lines = server.lines(&request, theirs.len()).await?;
                let deleted = lines
                    .iter()
                    .map(|line| yes_or_no(line, b"DELETED", b"NOT_FOUND"));
                let deleted: Vec<bool> = deleted.collect::<Result<_, _>>()?;
                Ok(deleted.into_iter().filter(|deleted| *deleted).count())
            };
            let outcome = self.pool.ask(index, asked).await;
            let names = theirs.into_iter().cloned().collect();
            self.pool.changed(changes(names, share, &outcome)).await;
            outcome
        });
        let deleted = join_all(deleted).await;
        let names_of_all = names.iter().map(String::as_str);
        self.pool.changed(nowhere(names_of_all, homeless)).await;
        Ok(changes_of(deleted, names.len())?.into_iter().sum())
    }

    /// Forgets a value if it is this one, in one step; says whether it was.
    pub async fn delete_if(&self, name: &str, value: &Bytes) -> Result<bool, Fault> {
        let (this, name, value) = (self.clone(), name.to_owned(), value.clone());
        let delete = async move {
            let spot = this.pool.spot(&name);
            let index = spot.server.ok_or_else(nobody)?;
            let server = this.pool.server(index)?;
            let deleted = count::delete_if(server, &name, &value);
            let deleted = this.pool.ask(index, deleted).await;
            let changed = changes(vec![name], vec![(0, spot)], &deleted);
            this.pool.changed(changed).await;
            deleted
        };
        self.to_the_end(delete, |_| Vec::new()).await
    }

    /// Forgets every name of this prefix on every server. One that is left out forgets them before
    /// it is taken back.
    pub async fn clear(&self, prefix: &str) -> Result<(), Fault> {
        let (this, prefix) = (self.clone(), prefix.to_owned());
        let clear = async move {
            let servers = this.pool.servers().iter().enumerate();
            let cleared = servers.map(|(index, server)| this.clear_at(index, server, &prefix));
            join_all(cleared).await.into_iter().collect()
        };
        to_the_end(clear, async |_| {}).await
    }

    async fn clear_at(&self, index: usize, server: &Server, prefix: &str) -> Result<(), Fault> {
        if server.miss_all() {
            return Ok(());
        }
        match self.pool.ask(index, scan::clear(server, prefix)).await {
            Err(fault) if fault.is_of_the_backend() && server.miss_all() => Ok(()),
            cleared => cleared,
        }
    }

    /// What each server says of itself.
    pub async fn servers(&self) -> Vec<ServerReport> {
        let servers = self.pool.servers().iter().enumerate();
        let reports = servers.map(async |(index, server)| {
            let asked = match server.fault() {
                Some(fault) => Err(fault),
                None => self.pool.ask(index, scan::report(server)).await,
            };
            asked.unwrap_or_else(|fault| ServerReport {
                address: server.label().to_owned(),
                fault: Some(fault.to_string()),
                ..ServerReport::default()
            })
        });
        join_all(reports).await
    }

    /// Closes the connections; a later call opens others.
    pub fn close(&self) {
        for server in self.pool.servers() {
            server.drop_connections();
        }
    }

    /// Which names live on which server, and those that live nowhere.
    fn share<'a>(&self, names: impl Iterator<Item = &'a str>) -> (Shares, Vec<(usize, Spot)>) {
        let mut shares = Shares::new();
        let mut homeless = Vec::new();
        for (place, name) in names.enumerate() {
            let spot = self.pool.spot(name);
            match spot.server {
                Some(index) => shares.entry(index).or_default().push((place, spot)),
                None => homeless.push((place, spot)),
            }
        }
        (shares, homeless)
    }

    /// A lifetime as Memcached takes it.
    fn time(&self, lifetime: Option<Duration>) -> i64 {
        exptime(lifetime, self.clock.now().timestamp())
    }
}

/// A lifetime as Memcached takes it: seconds from now up to 30 days, else seconds since 1970, and
/// 0 for ever. Servers read 32 bits with a sign; a time beyond that is for ever.
fn exptime(lifetime: Option<Duration>, now: i64) -> i64 {
    let Some(lifetime) = lifetime else { return 0 };
    let part = u64::from(lifetime.subsec_nanos() > 0);
    let seconds = lifetime.as_secs().saturating_add(part);
    let relative = i64::try_from(seconds).unwrap_or(i64::MAX);
    if seconds <= LONGEST_RELATIVE {
        // Zero would be for ever; a negative number is over at once.
        return if relative == 0 { -1 } else { relative };
    }
    let ends = now.saturating_add(relative);
    if ends > i64::from(i32::MAX) { 0 } else { ends }
}

fn storing(request: &mut Request, verb: &str, name: &str, value: &Bytes, time: i64) {
    request.push(&format!("{verb} {name} 0 {time} {}\r\n", value.len()));
    request.push_block(value);
}

/// Whether the server takes a value of this size.
async fn fitting(server: &Server, name: &str, value: &Bytes) -> Result<(), Fault> {
    value::fitting(value.len(), server.largest(name).await?)
}
