//! One Memcached server: its connections, whether it is well, and what it missed while it was not.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::address::Address;
use super::wire::{Connection, Item, Request, words};
use crate::cache::fault::Fault;

/// How many calls one process makes to one server at once; Memcached takes 1,024 connections unless
/// it is told otherwise, and a site may have several processes.
pub(super) const MOST_CONNECTIONS: u32 = 64;

/// The largest item of a server that does not say: Memcached's own default.
const DEFAULT_LARGEST: usize = 1_024 * 1_024;

/// What Memcached keeps beside the value of an item, besides its name, at most.
const ITEM_OVERHEAD: usize = 512;

/// How many names that a server missed are remembered. Beyond that all that is ours is cleared.
const MOST_MISSED: usize = 100_000;

/// One server.
pub struct Server {
    address: Address,
    /// How long it may say nothing before it counts as dead.
    patience: Duration,
    idle: Mutex<Vec<Connection>>,
    pub(super) turns: Semaphore,
    is_out: AtomicBool,
    health: Mutex<Health>,
    /// `item_size_max` of the server; zero until it was asked.
    largest: AtomicUsize,
}

#[derive(Debug, Default)]
struct Health {
    /// Why it was left out last.
    fault: Option<Fault>,
    missed: Missed,
}

/// What was changed elsewhere while a server was left out, so that it holds older values.
#[derive(Debug, Default)]
pub struct Missed {
    /// The names.
    pub names: HashSet<String>,
    /// Whether there were more than are remembered.
    pub is_overfull: bool,
}

/// A connection for one call; it goes back only when the call ends well.
struct Lease<'a> {
    connection: Connection,
    _turn: SemaphorePermit<'a>,
}

impl Server {
    /// The server at an address, which counts as dead when it says nothing for `patience`; connects
    /// to nothing yet.
    pub fn new(address: Address, patience: Duration) -> Self {
        Self {
            address,
            patience,
            idle: Mutex::default(),
            turns: Semaphore::new(MOST_CONNECTIONS as usize),
            is_out: AtomicBool::new(false),
            health: Mutex::default(),
            largest: AtomicUsize::new(0),
        }
    }

    /// What it is known by.
    pub fn label(&self) -> &str {
        &self.address.label
    }

    /// Whether it is left out.
    pub fn is_out(&self) -> bool {
        self.is_out.load(Ordering::Acquire)
    }

    /// Why it is left out.
    pub fn fault(&self) -> Option<Fault> {
        let fault = || self.health().fault.clone();
        self.is_out().then(fault).flatten()
    }

    /// Leaves it out, for this reason; says whether it was not before.
    pub fn leave_out(&self, fault: &Fault) -> bool {
        let mut health = self.health();
        health.fault = Some(fault.clone());
        let is_news = !self.is_out.swap(true, Ordering::AcqRel);
        drop(health);
        self.drop_connections();
        is_news
    }

    /// Takes it back; answers what it missed last, which the caller tells it.
    pub fn take_back(&self) -> Missed {
        // Under the lock, so that a name is either missed before this or told to the server.
        let mut health = self.health();
        self.is_out.store(false, Ordering::Release);
        std::mem::take(&mut health.missed)
    }

    /// Takes it back if it missed nothing; else what it missed, which the caller tells it, or gives back with
    /// [`Server::still_missing`].
    pub fn take_back_or_missed(&self) -> Option<Missed> {
        let mut health = self.health();
        if health.missed.names.is_empty() && !health.missed.is_overfull {
            self.is_out.store(false, Ordering::Release);
            return None;
        }
        Some(std::mem::take(&mut health.missed))
    }

    /// Remembers that this name was changed elsewhere; `false` when the server is back and can be
    /// told itself.
    pub fn miss(&self, name: &str) -> bool {
        let mut health = self.health();
        if !self.is_out() {
            return false;
        }
        let missed = &mut health.missed;
        if missed.names.len() < MOST_MISSED {
            missed.names.insert(name.to_owned());
        } else {
            missed.is_overfull = true;
        }
        true
    }

    /// As [`Server::miss`], of several names.
    pub fn miss_many(&self, names: &[String]) {
        for name in names {
            self.miss(name);
        }
    }

    /// Remembers that everything of ours was forgotten elsewhere; otherwise as [`Server::miss`].
    pub fn miss_all(&self) -> bool {
        let mut health = self.health();
        health.missed.is_overfull |= self.is_out();
        self.is_out()
    }

    /// Gives back what it could not be told.
    pub fn still_missing(&self, missed: Missed) {
        let mut health = self.health();
        health.missed.names.extend(missed.names);
        health.missed.is_overfull |= missed.is_overfull;
    }

    /// Closes the connections that rest.
    pub fn drop_connections(&self) {
        self.idle().clear();
        // It may come back as another.
        self.largest.store(0, Ordering::Relaxed);
    }

    /// The largest value under this name that it takes, in bytes.
    pub async fn largest(&self, name: &str) -> Result<usize, Fault> {
        if self.largest.load(Ordering::Relaxed) == 0 {
            let lease = self.lease(self.patience).await?;
            self.give_back(lease);
        }
        let largest = self.most();
        Ok(largest.saturating_sub(ITEM_OVERHEAD + name.len()))
    }

    /// Connects, within this time, and waits until the server has said something.
    pub async fn greet(&self, patience: Duration) -> Result<(), Fault> {
        let mut lease = self.lease(patience).await?;
        let hello = Request::default().text("version\r\n");
        let said = lease.connection.lines(&hello, 1).await?;
        match said.first() {
            Some(line) if line.starts_with(b"VERSION") => self.give_back(lease),
            line => return Err(Fault::garbled(line.map_or(b"", |line| &**line))),
        }
        Ok(())
    }

    /// The values under these names, in their order.
    pub async fn values(&self, names: &[&str]) -> Result<Vec<Option<Bytes>>, Fault> {
        let mut lease = self.lease(self.patience).await?;
        let values = lease.connection.values(names, self.most()).await?;
        self.give_back(lease);
        Ok(values)
    }

    /// The value under a name with what is needed to replace it.
    pub async fn item(&self, name: &str) -> Result<Option<Item>, Fault> {
        let mut lease = self.lease(self.patience).await?;
        let item = lease.connection.item(name, self.most()).await?;
        self.give_back(lease);
        Ok(item)
    }

    /// Sends requests that are answered with one line each, and reads these.
    pub async fn lines(&self, request: &Request, count: usize) -> Result<Vec<Bytes>, Fault> {
        self.lines_within(self.patience, request, count).await
    }

    /// As [`Server::lines`], with another patience for a turn among the calls.
    pub async fn lines_within(
        &self,
        patience: Duration,
        request: &Request,
        count: usize,
    ) -> Result<Vec<Bytes>, Fault> {
        let mut lease = self.lease(patience).await?;
        let lines = lease.connection.lines(request, count).await?;
        self.give_back(lease);
        Ok(lines)
    }

    /// As [`Server::lines`], for the one line of one request.
    pub async fn line(&self, request: &Request) -> Result<Bytes, Fault> {
        let lines = self.lines(request, 1).await?;
        Ok(lines.into_iter().next().unwrap_or_default())
    }

    /// Sends a request that is answered with a list, and gives each line of it to `take`.
    pub async fn listing(&self, request: &str, take: impl FnMut(&[u8])) -> Result<(), Fault> {
        let mut lease = self.lease(self.patience).await?;
        let request = Request::default().text(request);
        lease.connection.listing(&request, take).await?;
        self.give_back(lease);
        Ok(())
    }

    /// A connection of one's own, with another patience, for what takes longer than a call.
    pub async fn connect(&self, patience: Duration) -> Result<Connection, Fault> {
        match timeout(patience, self.address.connect(patience)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Fault::Unavailable(format!("cannot connect: {error}"))),
            Err(_) => Err(Fault::Unavailable("cannot connect in time".to_owned())),
        }
    }

    async fn lease(&self, patience: Duration) -> Result<Lease<'_>, Fault> {
        let turn = timeout(patience, self.turns.acquire()).await;
        let Ok(Ok(turn)) = turn else {
            // That many calls wait is not the server's fault.
            return Err(Fault::Refused("too many calls at once".to_owned()));
        };
        loop {
            let rested = self.idle().pop();
            let Some(mut connection) = rested else { break };
            if connection.is_resting() {
                return Ok(Lease {
                    connection,
                    _turn: turn,
                });
            }
        }
        let mut connection = self.connect(patience).await?;
        if self.largest.load(Ordering::Relaxed) == 0 {
            let largest = ask_largest(&mut connection).await?;
            self.largest.store(largest, Ordering::Relaxed);
        }
        Ok(Lease {
            connection,
            _turn: turn,
        })
    }

    fn give_back(&self, lease: Lease<'_>) {
        if !self.is_out() {
            self.idle().push(lease.connection);
        }
    }

    /// The largest item that it can have, by its own words.
    fn most(&self) -> usize {
        match self.largest.load(Ordering::Relaxed) {
            0 => DEFAULT_LARGEST,
            largest => largest,
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // A list is never left half changed, whatever panicked.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `item_size_max`, which an administrator may have set (`-I`).
async fn ask_largest(connection: &mut Connection) -> Result<usize, Fault> {
    let mut largest = None;
    let request = Request::default().text("stats settings\r\n");
    let listed = connection.listing(&request, |line| {
        let mut words = words(line).skip(1);
        if words.next() == Some("item_size_max") {
            largest = words.next().and_then(|number| number.parse().ok());
        }
    });
    match listed.await {
        Ok(()) => {}
        // A proxy, which does not know this.
        Err(Fault::Garbled(said)) if said == "ERROR" => {}
        Err(fault) => return Err(fault),
    }
    Ok(largest.filter(|most| *most > 0).unwrap_or(DEFAULT_LARGEST))
}
