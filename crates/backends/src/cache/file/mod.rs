//! `file:`: entries as files in a folder, for several processes on one machine.
//!
//! The folder holds 256 shards, a file for each entry ([`entry`]), named for the hash of its
//! name. Reading takes no lock; whoever writes holds the shard's lock (`flock`), which ends with
//! its process however that ends. A file that is no whole entry of its name is a miss, and removed.
//! Nothing is made durable: after a crash of the machine entries may be gone.
//!
//! Folders and files are their owner's alone (0700, 0600); a folder that others may write to, or that is
//! another's, is refused. Entries end by the wall clock, as in
//! `database:`. How the disk is touched stands in [`shard`].

mod culling;
mod entry;
mod shard;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;

use self::entry::{Entry, HEADER_BYTES, Times};
use self::shard::{Folder, Found, Listed, SHARDS, Shard, Spot, spot};
use super::backend::ServerReport;
use super::culling::Culling;
use super::ending::to_the_end;
use super::fault::Fault;
use super::key::{MAX_BYTES, is_under};
use super::near::Lasting;
use super::value;
use crate::clock::Clock;

/// How long to wait for a shard that another process holds, and how long at first.
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_WAIT: Duration = Duration::from_micros(200);
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Entries in files.
#[derive(Clone, Debug)]
pub struct Files(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: Folder,
    clock: Clock,
    max_bytes: u64,
    /// Those of this process that want a shard wait for each other here.
    turns: Vec<Mutex<()>>,
    culling: Culling,
}

impl Files {
    /// The entries in a folder, which is made when it is missing, taking at most `max_bytes` on
    /// the disk.
    pub fn open(path: &Path, max_bytes: u64, clock: Clock) -> io::Result<Self> {
        Ok(Self(Arc::new(Inner {
            folder: Folder::open(path)?,
            clock,
            max_bytes,
            turns: (0..SHARDS).map(|_| Mutex::default()).collect(),
            culling: Culling::default(),
        })))
    }

    /// The value under a name.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, Fault> {
        let found = self.get_many(&[name.to_owned()]).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// The values under several names, in their order.
    pub async fn get_many(&self, names: &[String]) -> Result<Vec<Option<Bytes>>, Fault> {
        self.cull_if_due(0);
        let (names, inner) = (names.to_vec(), Arc::clone(&self.0));
        let most = self.largest_file();
        let read = move || inner.read_many(names, most);
        let (values, dead) = blocking(read).await?;
        for name in dead {
            self.discard(name).await?;
        }
        Ok(values)
    }

    /// The value under a name, and how long it still lasts.
    pub async fn look(&self, name: &str) -> Result<Option<(Bytes, Lasting)>, Fault> {
        let (name, inner) = (name.to_owned(), Arc::clone(&self.0));
        let most = self.largest_file();
        let (found, now_us) =
            blocking(move || Ok((inner.folder.read(&name, most)?, inner.now_us()))).await?;
        let Found::Good(entry) = found else {
            return Ok(None);
        };
        let lasting = match entry.times.ends_us {
            i64::MAX => Lasting::Forever,
            ends_us => Lasting::until(ends_us, now_us),
        };
        Ok(entry
            .times
            .is_live(now_us)
            .then_some((entry.value, lasting)))
    }

    /// Removes the file of a name if it is still no live entry.
    async fn discard(&self, name: String) -> Result<(), Fault> {
        let most = self.largest_file();
        let Spot { shard, file } = spot(&name);
        self.locked(shard, move |inner, shard| {
            if !matches!(inner.live(shard, &file, &name, most)?, Found::Good(_)) {
                shard.delete(&file)?;
            }
            Ok(())
        })
        .await
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

    /// Stores several values. One that is too large is told once the others are stored, and what
    /// stood under its name is deleted.
    pub async fn set_many(
        &self,
        entries: &[(String, Bytes)],
        lifetime: Option<Duration>,
    ) -> Result<(), Fault> {
        let times = self.0.times(lifetime);
        let mut outcome = Ok(());
        let mut shards = BTreeMap::<usize, Vec<(String, Option<Entry>)>>::new();
        for (name, value) in entries {
            let fits = self.fitting(value);
            let entry = fits.is_ok().then(|| Entry {
                times,
                name: name.clone(),
                value: value.clone(),
            });
            outcome = outcome.and(fits);
            let Spot { shard, file } = spot(name);
            shards.entry(shard).or_default().push((file, entry));
        }
        for (shard, entries) in shards {
            let written = entries.iter().filter_map(|(_, entry)| entry.as_ref());
            let written = written.map(|entry| entry.value.len()).sum();
            let write = move |_: &Inner, shard: &Shard| {
                entries.iter().try_for_each(|(file, entry)| match entry {
                    Some(entry) => shard.write(file, entry),
                    None => shard.delete(file).map(drop),
                })
            };
            self.locked(shard, write).await?;
            self.cull_if_due(written);
        }
        outcome
    }

    /// Stores a value only where none is; says whether it did.
    pub async fn add(
        &self,
        name: &str,
        value: Bytes,
        lifetime: Option<Duration>,
    ) -> Result<bool, Fault> {
        self.fitting(&value)?;
        let written = value.len();
        let entry = Entry {
            times: self.0.times(lifetime),
            name: name.to_owned(),
            value,
        };
        let most = self.largest_file();
        let Spot { shard, file } = spot(name);
        let (this, name) = (self.clone(), name.to_owned());
        let added = entry.value.clone();
        let add = move |inner: &Inner, shard: &Shard| {
            let is_free = !matches!(inner.live(shard, &file, &entry.name, most)?, Found::Good(_));
            if is_free {
                shard.write(&file, &entry)?;
            }
            Ok(is_free)
        };
        let work = {
            let this = self.clone();
            async move { this.locked(shard, add).await }
        };
        let take_back = |outcome| async move {
            if matches!(outcome, Ok(true)) {
                // If this fails, it ends by itself.
                let _ = this.delete_if(&name, &added).await;
            }
        };
        let is_added = to_the_end(work, take_back).await?;
        self.cull_if_due(if is_added { written } else { 0 });
        Ok(is_added)
    }

    /// Gives a stored value a new lifetime; says whether there was one.
    pub async fn touch(&self, name: &str, lifetime: Option<Duration>) -> Result<bool, Fault> {
        let times = self.0.times(lifetime);
        let change = move |entry: &mut Entry| {
            entry.times = times;
            Ok(())
        };
        Ok(self.change(name, change).await?.is_some())
    }

    /// Adds to a stored whole number in one step and returns the sum; none where nothing is. Its
    /// lifetime stays.
    pub async fn count(&self, name: &str, by: i64) -> Result<Option<i64>, Fault> {
        let change = move |entry: &mut Entry| {
            let number = value::sum(&entry.value, by)?;
            entry.value = Bytes::from(number.to_string());
            Ok(number)
        };
        self.change(name, change).await
    }

    /// Changes a live entry while nobody else can; none where there is none.
    async fn change<T: Send + 'static>(
        &self,
        name: &str,
        change: impl Fn(&mut Entry) -> Result<T, Fault> + Send + Sync + 'static,
    ) -> Result<Option<T>, Fault> {
        let most = self.largest_file();
        let Spot { shard, file } = spot(name);
        let name = name.to_owned();
        self.locked(shard, move |inner, shard| {
            let Found::Good(mut entry) = inner.live(shard, &file, &name, most)? else {
                return Ok(Ok(None));
            };
            Ok(match change(&mut entry) {
                Ok(changed) => {
                    shard.write(&file, &entry)?;
                    Ok(Some(changed))
                }
                Err(fault) => Err(fault),
            })
        })
        .await?
    }

    /// Forgets a value if it is this one, in one step; says whether it was.
    pub async fn delete_if(&self, name: &str, value: &Bytes) -> Result<bool, Fault> {
        let most = self.largest_file();
        let Spot { shard, file } = spot(name);
        let (name, value) = (name.to_owned(), value.clone());
        self.locked(shard, move |inner, shard| {
            let found = inner.live(shard, &file, &name, most)?;
            let is_it = matches!(found, Found::Good(entry) if entry.value == value);
            Ok(is_it && shard.delete(&file)?)
        })
        .await
    }

    /// Forgets several values; says how many there were.
    pub async fn delete_many(&self, names: &[String]) -> Result<usize, Fault> {
        let mut shards = BTreeMap::<usize, Vec<(String, String)>>::new();
        for name in names {
            let Spot { shard, file } = spot(name);
            shards.entry(shard).or_default().push((file, name.clone()));
        }
        let most = self.largest_file();
        let mut count = 0;
        for (shard, names) in shards {
            let delete = move |inner: &Inner, shard: &Shard| inner.delete(shard, &names, most);
            count += self.locked(shard, delete).await?;
        }
        Ok(count)
    }

    /// Forgets every name under this prefix, shard after shard.
    pub async fn clear(&self, prefix: &str) -> Result<(), Fault> {
        for shard in 0..SHARDS {
            let prefix = prefix.to_owned();
            let clear = move |_: &Inner, shard: &Shard| {
                let is_ours = |listed: &Listed| match &listed.head {
                    Some((name, _)) => is_under(&prefix, name),
                    None => true,
                };
                let ours = shard.list()?.into_iter().filter(is_ours);
                let deleted = ours.map(|listed| shard.delete(&listed.file).map(drop));
                deleted.collect::<io::Result<()>>()
            };
            self.locked(shard, clear).await?;
        }
        Ok(())
    }

    /// What the folder holds.
    pub async fn servers(&self) -> Vec<ServerReport> {
        let inner = Arc::clone(&self.0);
        let held = blocking(move || inner.folder.measure()).await;
        vec![self.0.culling.report("file", self.0.max_bytes, held)]
    }

    /// Does something with a shard while nobody else can, on a thread that may block.
    async fn locked<T: Send + 'static>(
        &self,
        shard: usize,
        work: impl Fn(&Inner, &Shard) -> io::Result<T> + Send + Sync + 'static,
    ) -> Result<T, Fault> {
        let turn = match self.0.turns.get(shard) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let work = Arc::new(work);
        let (mut waited, mut wait) = (Duration::ZERO, FIRST_WAIT);
        loop {
            let (inner, work) = (Arc::clone(&self.0), Arc::clone(&work));
            let done = blocking(move || match inner.folder.lock(shard)? {
                Some(shard) => work(&inner, &shard).map(Some),
                None => Ok(None),
            });
            if let Some(done) = done.await? {
                drop(turn);
                return Ok(done);
            }
            if waited >= PATIENCE {
                return Err(Fault::Refused("another process holds its lock".to_owned()));
            }
            tokio::time::sleep(wait).await;
            waited += wait;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// The largest file that can be an entry.
    fn largest_file(&self) -> u64 {
        let head = u64::try_from(HEADER_BYTES + MAX_BYTES).unwrap_or(u64::MAX);
        (self.0.max_bytes / 2).saturating_add(head)
    }

    fn fitting(&self, value: &Bytes) -> Result<(), Fault> {
        // A value that pushes half of the others out is worth less than they are.
        let most = usize::try_from(self.0.max_bytes / 2).unwrap_or(usize::MAX);
        value::fitting(value.len(), most)
    }

    fn cull_if_due(&self, written: usize) {
        culling::start_if_due(self, u64::try_from(written).unwrap_or(u64::MAX));
    }
}

impl Inner {
    /// The values under these names, and the names of files that are no live entries.
    fn read_many(
        &self,
        names: Vec<String>,
        most: u64,
    ) -> io::Result<(Vec<Option<Bytes>>, Vec<String>)> {
        let now_us = self.now_us();
        let mut dead = Vec::new();
        let mut values = Vec::with_capacity(names.len());
        for name in names {
            let found = self.folder.read(&name, most)?;
            values.push(match found {
                Found::Good(entry) if entry.times.is_live(now_us) => Some(entry.value),
                Found::Nothing => None,
                Found::Good(_) | Found::Bad => {
                    dead.push(name);
                    None
                }
            });
        }
        Ok((values, dead))
    }

    fn now_us(&self) -> i64 {
        self.clock.now().timestamp_micros()
    }

    fn times(&self, lifetime: Option<Duration>) -> Times {
        let stored_us = self.now_us();
        let micros = lifetime.map(|lifetime| i64::try_from(lifetime.as_micros()));
        let ends_us = match micros {
            Some(Ok(micros)) => stored_us.saturating_add(micros),
            Some(Err(_)) | None => i64::MAX,
        };
        Times { stored_us, ends_us }
    }

    /// Deletes these files of these names; says how many were live entries.
    fn delete(&self, shard: &Shard, names: &[(String, String)], most: u64) -> io::Result<usize> {
        let mut count = 0;
        for (file, name) in names {
            let is_live = matches!(self.live(shard, file, name, most)?, Found::Good(_));
            shard.delete(file)?;
            count += usize::from(is_live);
        }
        Ok(count)
    }

    /// The entry of a name, if it is to be believed now; a dead one is bad.
    fn live(&self, shard: &Shard, file: &str, name: &str, most: u64) -> io::Result<Found<Entry>> {
        Ok(match shard.read(file, name, most)? {
            Found::Good(entry) if !entry.times.is_live(self.now_us()) => Found::Bad,
            found => found,
        })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(fault),
        Err(error) => Err(Fault::Unavailable(format!("it broke off: {error}"))),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn fault(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::ReadOnlyFilesystem => Fault::Refused(error.to_string()),
        _ => Fault::Unavailable(error.to_string()),
    }
}
