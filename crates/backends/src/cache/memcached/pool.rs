//! Several servers as one: which of them a name lives on, who is left out, and how it comes back.
//!
//! A server that does not answer, or not what the protocol allows, is left out at once: its names go
//! to the next, as rendezvous hashing has it, and no later call waits for it. A task looks after it
//! until it answers again. Before it is taken back it forgets what this process changed meanwhile,
//! and so do those that stood in for it: otherwise its older values would come back with it, and
//! theirs the next time it fails.

use std::collections::{BTreeMap, BTreeSet};
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

/// How long a server that was left out may take to answer, and be told what it missed.
const PATIENCE_WITH_THE_LOST: Duration = Duration::from_secs(1);

/// How many names are told to a server in one request.
const BATCH: usize = 1_000;

/// How often names that arrive meanwhile are told to a server before it is taken back anyhow.
pub(super) const ROUNDS: usize = 10;

/// The servers of one cache.
pub struct Pool {
    servers: Vec<Server>,
    /// What all names of this cache begin with.
    prefix: String,
    /// For the tasks that look after servers, which must not keep the pool alive.
    me: Weak<Self>,
}

/// A change of a name, where it lived, and whether it was carried out there.
#[derive(Debug)]
pub struct Change {
    /// The name.
    pub name: String,
    /// Where it lived.
    pub spot: Spot,
    /// Whether it was carried out.
    pub is_done: bool,
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

    /// What follows from changes: those servers that should have heard of them and did not remember them for their
    /// return.
    pub async fn changed(&self, changes: Vec<Change>) {
        // Those that came back between the choice and now, with what they have to be told.
        let mut back = BTreeMap::<usize, BTreeSet<String>>::new();
        for Change {
            name,
            spot,
            is_done,
        } in changes
        {
            let failed = spot.server.filter(|_| !is_done);
            for index in spot.passed.iter().copied().chain(failed) {
                let server = self.servers.get(index);
                let is_back = server.is_some_and(|server| !server.miss(&name));
                let here = [Some(index), spot.server].into_iter().flatten();
                here.filter(|_| is_back)
                    .for_each(|at| note(&mut back, at, &name));
            }
        }
        let told = back.into_iter().map(async |(index, names)| {
            let names: Vec<String> = names.into_iter().collect();
            let told = self.forget_at(index, &names, None).await;
            if let (Err(fault), Some(server)) = (told, self.servers.get(index)) {
                self.leave_out(index, &fault);
                server.miss_many(&names);
            }
        });
        join_all(told).await;
    }

    /// Deletes these where they live now.
    pub async fn forget(&self, names: Vec<String>) {
        let mut changes = Vec::new();
        let mut homes = BTreeMap::<Option<usize>, Vec<(String, Spot)>>::new();
        for name in names {
            let spot = self.spot(&name);
            homes.entry(spot.server).or_default().push((name, spot));
        }
        for (index, lot) in homes {
            let names: Vec<String> = lot.iter().map(|(name, _)| name.clone()).collect();
            let told = match index {
                // Nobody waits for this.
                Some(index) => {
                    self.forget_at(index, &names, Some(PATIENCE_WITH_THE_LOST))
                        .await
                }
                None => Err(nobody()),
            };
            if let (Some(index), Err(fault)) = (index, &told) {
                self.leave_out(index, fault);
            }
            let is_done = told.is_ok();
            changes.extend(lot.into_iter().map(|(name, spot)| Change {
                name,
                spot,
                is_done,
            }));
        }
        self.changed(changes).await;
    }

    /// Deletes these at one server; with another patience than for calls if one is given.
    async fn forget_at(
        &self,
        index: usize,
        names: &[String],
        patience: Option<Duration>,
    ) -> Result<(), Fault> {
        let server = self.server(index)?;
        for names in names.chunks(BATCH) {
            let mut request = Request::default();
            for name in names {
                request.push(&format!("delete {name}\r\n"));
            }
            let told = match patience {
                Some(patience) => server.lines_within(patience, &request, names.len()).await,
                None => server.lines(&request, names.len()).await,
            };
            self.ask(index, async { told }).await?;
        }
        Ok(())
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
        for _ in 0..ROUNDS {
            if server.greet(PATIENCE_WITH_THE_LOST).await.is_err() {
                return false;
            }
            let Some(missed) = server.take_back_or_missed() else {
                break;
            };
            if self.tell(index, &missed).await.is_err() {
                server.still_missing(missed);
                return false;
            }
        }
        if server.is_out() {
            // There is no end to what it misses: from now on it is told itself.
            let late = server.take_back();
            if let Err(fault) = self.tell(index, &late).await {
                // It serves already: it is left out once more, and another task looks after it.
                server.still_missing(late);
                self.leave_out(index, &fault);
                return true;
            }
        }
        tracing::info!(server = server.label(), "a Memcached server is back");
        true
    }

    /// Has a server forget what it missed, and the others what they held for it.
    async fn tell(&self, index: usize, missed: &Missed) -> Result<(), Fault> {
        let others = self.servers.iter().enumerate();
        let others = others.filter(|(at, other)| *at != index && !other.is_out());
        let all: Vec<usize> = others.map(|(at, _)| at).chain([index]).collect();
        let names: Vec<String> = missed.names.iter().cloned().collect();
        let told = all.iter().map(async |at| {
            if missed.is_overfull {
                scan::clear(self.server(*at)?, &self.prefix).await
            } else {
                self.forget_at(*at, &names, Some(PATIENCE_WITH_THE_LOST))
                    .await
            }
        });
        // Another that fails is left out in its turn, and remembers nothing of this: what it holds
        // for the one that returns is looked at only if that one fails again.
        join_all(told).await.pop().unwrap_or(Ok(()))
    }
}

fn note(told: &mut BTreeMap<usize, BTreeSet<String>>, at: usize, name: &str) {
    told.entry(at).or_default().insert(name.to_owned());
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
