//! Several servers as one: which of them a name lives on, who is left out, and how it comes back.
//!
//! A server that does not answer, or not what the protocol allows, is left out at once: its names go
//! to the next, as rendezvous hashing has it, and no later call waits for it. A task looks after it
//! until it answers again. Before it is taken back it forgets what this process changed meanwhile,
//! and so do those that stood in for it: otherwise its older values would come back with it, and
//! theirs the next time it fails.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::join_all;

use super::address::Address;
use super::scan;
use super::server::{Missed, Server};
use super::wire::Request;
use crate::cache::fault::Fault;

/// How long after its fault a server is looked at again, and how long at most between two looks.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long a server that was left out may take to answer, and how long to wait for a turn for
/// what must be deleted.
const PATIENCE_WITH_THE_LOST: Duration = Duration::from_secs(1);

/// How many names are told to a server in one request.
const BATCH: usize = 1_000;

/// How often names that arrive meanwhile are told to a server before it is taken back anyhow.
const ROUNDS: usize = 10;

/// The servers of one cache.
pub struct Pool {
    servers: Vec<Server>,
    /// What all names of this cache begin with.
    prefix: String,
    /// For the tasks that look after servers, which must not keep the pool alive.
    me: Weak<Self>,
}

/// Where a name lives just now.
#[derive(Debug)]
pub struct Spot {
    /// The server, by its place in the URL; none when all are left out.
    pub server: Option<usize>,
    /// Those that it would live on if they were not left out.
    passed: Vec<usize>,
}

impl Pool {
    /// The servers at these addresses, each of which counts as dead when it says nothing for
    /// `patience`; connects to nothing yet.
    pub fn new(addresses: Vec<Address>, prefix: &str, patience: Duration) -> Arc<Self> {
        let servers = addresses.into_iter();
        let servers = servers
            .map(|address| Server::new(address, patience))
            .collect();
        Arc::new_cyclic(|me| Self {
            servers,
            prefix: prefix.to_owned(),
            me: me.clone(),
        })
    }

    /// All servers, in the order of the URL.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The server at a place in the URL.
    pub fn server(&self, index: usize) -> Result<&Server, Fault> {
        self.servers.get(index).ok_or_else(nobody)
    }

    /// Where this name lives just now.
    pub fn spot(&self, name: &str) -> Spot {
        if let [only] = &*self.servers {
            let is_out = only.is_out();
            return Spot {
                server: (!is_out).then_some(0),
                passed: if is_out { vec![0] } else { Vec::new() },
            };
        }
        let mut best = None;
        let mut out = Vec::new();
        for (index, server) in self.servers.iter().enumerate() {
            // Of equal scores the greater name wins, as in pymemcache.
            let rank = (
                super::rendezvous::score(server.label(), name),
                server.label(),
            );
            if server.is_out() {
                out.push((rank, index));
            } else if best.is_none_or(|(highest, _)| rank > highest) {
                best = Some((rank, index));
            }
        }
        let is_passed = |(rank, _): &(_, usize)| best.is_none_or(|(highest, _)| *rank > highest);
        Spot {
            server: best.map(|(_, index)| index),
            passed: out
                .into_iter()
                .filter(is_passed)
                .map(|(_, index)| index)
                .collect(),
        }
    }

    /// Asks one server, and leaves it out when it is at fault.
    pub async fn ask<T>(
        &self,
        index: usize,
        question: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let answer = question.await;
        if let Err(fault) = &answer
            && fault.is_of_the_backend()
        {
            self.leave_out(index, fault);
        }
        answer
    }

    /// What follows from a change of a name: those who should have heard of it and did not
    /// remember it for their return.
    pub async fn changed(&self, name: &str, spot: &Spot, is_done: bool) {
        let failed = spot.server.filter(|_| !is_done);
        for index in spot.passed.iter().copied().chain(failed) {
            let Some(server) = self.servers.get(index) else {
                continue;
            };
            if server.miss(name) {
                continue;
            }
            // It is well: it only refused, or came back between the choice and now.
            let everywhere = 0..self.servers.len();
            let here = everywhere.filter(|at| *at == index || Some(*at) == spot.server);
            let told = join_all(here.map(|at| self.forget_at(at, [name]))).await;
            if told.contains(&false) {
                let fault = Fault::Unavailable("it did not delete what it must".to_owned());
                self.leave_out(index, &fault);
                server.miss(name);
            }
        }
    }

    /// Deletes these where they live now.
    pub async fn forget(&self, names: Vec<String>) {
        for name in names {
            let spot = self.spot(&name);
            let is_done = match spot.server {
                Some(index) => self.forget_at(index, [name.as_str()]).await,
                None => false,
            };
            self.changed(&name, &spot, is_done).await;
        }
    }

    async fn forget_at<'a>(&self, index: usize, names: impl IntoIterator<Item = &'a str>) -> bool {
        let mut names = names.into_iter().peekable();
        while names.peek().is_some() {
            let mut request = Request::default();
            let mut count = 0;
            for name in names.by_ref().take(BATCH) {
                request.push(&format!("delete {name}\r\n"));
                count += 1;
            }
            let Ok(server) = self.server(index) else {
                return false;
            };
            let told = server.lines_within(PATIENCE_WITH_THE_LOST, &request, count);
            if self.ask(index, told).await.is_err() {
                return false;
            }
        }
        true
    }

    fn leave_out(&self, index: usize, fault: &Fault) {
        let Some(server) = self.servers.get(index) else {
            return;
        };
        if !server.leave_out(fault) {
            return;
        }
        let server = server.label();
        tracing::warn!(server, %fault, "a Memcached server is left out until it answers again");
        tokio::spawn(look_after(self.me.clone(), index));
    }

    /// Takes a server back that answers again; says whether it does.
    async fn take_back(&self, index: usize) -> bool {
        let Some(server) = self.servers.get(index) else {
            return true;
        };
        for round in 1.. {
            if server.greet(PATIENCE_WITH_THE_LOST).await.is_err() {
                return false;
            }
            let missed = server.take_missed();
            let is_last = round > ROUNDS || (missed.names.is_empty() && !missed.is_overfull);
            if is_last {
                server.take_back();
            }
            if !self.tell(index, &missed).await {
                // If it is back already, this is the next time that it is left out.
                server.still_missing(missed);
                return is_last;
            }
            if is_last {
                break;
            }
        }
        // What was missed between the last look and its return.
        let late = server.take_missed();
        if !self.tell(index, &late).await {
            server.still_missing(late);
        }
        tracing::info!(server = server.label(), "a Memcached server is back");
        true
    }

    /// Has a server forget what it missed, and the others what they held for it.
    async fn tell(&self, index: usize, missed: &Missed) -> bool {
        let others = self.servers.iter().enumerate();
        let others = others.filter(|(at, other)| *at != index && !other.is_out());
        let all: Vec<usize> = others.map(|(at, _)| at).chain([index]).collect();
        let told = all.iter().map(async |at| {
            if missed.is_overfull {
                match self.server(*at) {
                    Ok(server) => scan::clear(server, &self.prefix).await.is_ok(),
                    Err(_) => false,
                }
            } else {
                self.forget_at(*at, missed.names.iter().map(String::as_str))
                    .await
            }
        });
        // Another that fails is left out in its turn, and remembers nothing of this: what it holds
        // for the one that returns is looked at only if that one fails again.
        join_all(told).await.last().copied().unwrap_or(true)
    }
}

/// What a call is told when there is nobody to ask.
pub fn nobody() -> Fault {
    Fault::Unavailable("none of its servers answers".to_owned())
}

async fn look_after(pool: Weak<Pool>, index: usize) {
    let mut wait = FIRST_LOOK;
    loop {
        tokio::time::sleep(wait).await;
        let Some(pool) = pool.upgrade() else { return };
        if pool.take_back(index).await {
            return;
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
