//! Objects that grow over several visits, in a store that knows no such thing: full parts go to one upload
//! of several parts, what is left of a visit is an object of its own until the next one.
//!
//! - What the manifest names has arrived. Nothing else counts.
//! - A part's number is used once, whoever sends it: numbers are reserved in the manifest before. A part
//!   that arrives late, from somebody who was replaced, is in nobody's way.
//! - Whoever writes without being the one who read the newest manifest is told so by the store.

mod adding;
mod ending;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use futures::StreamExt as _;
use object_store::{GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _};

use super::manifest::{self, Before, Manifest, Stored, Tail, parts_bytes, tail_bytes};
use super::parts::{Part, Sending};
use super::spool::Spool;
use super::{S3, away, lock, told};
use crate::clock::Clock;
use crate::files::FilesError;
use crate::media::HEAD_BYTES;

/// Whoever holds a growing object and has added nothing for so long is not there any more.
const STALE: TimeDelta = TimeDelta::hours(1);

/// A growing object that this process visits.
#[derive(Debug)]
pub struct S3Partial {
    store: S3,
    name: String,
    /// As it is stored, under this tag; without one it is not stored yet.
    manifest: Manifest,
    tag: Option<String>,
    seat: Option<Seat>,
    /// Bytes after the last part.
    spool: Spool,
    /// Whether the spool begins with the end that the manifest names.
    is_loaded: bool,
    /// Whether this visit has added anything since the last time that all was durable.
    is_adding: bool,
    /// Parts that this visit sends.
    sending: Option<Sending>,
    /// The number of the next part.
    next_number: u32,
    head: Vec<u8>,
    size: u64,
}

/// A growing object is visited once at a time in one process.
#[derive(Debug)]
struct Seat {
    store: S3,
    name: String,
}

impl Seat {
    fn take(store: &S3, name: &str) -> Option<Self> {
        lock(&store.0.visited)
            .insert(name.to_owned())
            .then(|| Self {
                store: store.clone(),
                name: name.to_owned(),
            })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.store.0.visited).remove(&self.name);
    }
}

impl S3 {
    /// Visits a growing object; `None` while somebody else adds to it, unless it is urgent.
    pub async fn visit(
        &self,
        name: &str,
        key: &str,
        is_urgent: bool,
    ) -> Result<Option<S3Partial>, FilesError> {
        let Some(seat) = Seat::take(self, name) else {
            return Ok(None);
        };
        let Some(stored) = self.load(name).await? else {
            return Ok(Some(S3Partial::new(seat, Manifest::new(key), None)));
        };
        if stored.manifest.is_ended {
            self.remove(name, &stored.manifest).await?;
            return Ok(Some(S3Partial::new(seat, Manifest::new(key), None)));
        }
        let is_held = stored.manifest.holder.is_some();
        let is_stale = Clock::system().now() - stored.changed_at > STALE;
        if is_held && !is_urgent && !is_stale {
            return Ok(None);
        }
        let mut partial = S3Partial::of(seat, stored);
        if is_held {
            // From here on whoever held it is told so.
            let change = Manifest {
                holder: None,
                ..partial.manifest.clone()
            };
            partial.commit(change).await?;
        }
        Ok(Some(partial))
    }

    /// How much there is of a growing object.
    pub async fn partial_size(&self, name: &str) -> Result<Option<u64>, FilesError> {
        let stored = self.load(name).await?;
        let there = stored.filter(|stored| !stored.manifest.is_ended);
        Ok(there.map(|stored| stored.manifest.size()))
    }

    /// The names of all growing objects.
    pub async fn list_partial(&self) -> Result<Vec<String>, FilesError> {
        let folder = self.path(manifest::FOLDER);
        let mut listing = self.0.client.list(Some(&folder));
        let mut names = Vec::new();
        while let Some(found) = listing.next().await {
            let found = found.map_err(told)?;
            names.extend(found.location.filename().map(str::to_owned));
        }
        Ok(names)
    }

    /// Adds all of a whole growing object to the end of another. Its parts are put together for that, since
    /// nobody can read them before.
    pub async fn append(&self, whole: &mut S3Partial, source: &str) -> Result<(), FilesError> {
        let seat = Seat::take(self, source).ok_or(FilesError::TakenOver)?;
        let stored = self.load(source).await?.ok_or(FilesError::NotFound)?;
        let mut source = S3Partial::of(seat, stored);
        source.seal().await?;
        let mut pieces = if source.manifest.is_sealed {
            self.read(&source.manifest.key, None).await?.1
        } else {
            match &source.manifest.tail {
                Some(tail) => self.read_tail(&source.name, tail).await?,
                None => return Ok(()),
            }
        };
        while let Some(piece) = pieces.next().await {
            whole.write(piece?).await?;
        }
        Ok(())
    }

    async fn read_tail(&self, name: &str, tail: &Tail) -> Result<crate::files::Pieces, FilesError> {
        let path = self.tail_path(name, &tail.name);
        let got = self.0.client.get_opts(&path, GetOptions::default()).await;
        let got = got.map_err(told)?;
        let range = got.range.clone();
        Ok(super::reader::stream(self.clone(), path, range, got))
    }
}

impl S3Partial {
    fn of(seat: Seat, stored: Stored) -> Self {
        Self::new(seat, stored.manifest, Some(stored.tag))
    }

    fn new(seat: Seat, manifest: Manifest, tag: Option<String>) -> Self {
        Self {
            spool: Spool::new(&seat.store.0.work),
            store: seat.store.clone(),
            name: seat.name.clone(),
            seat: Some(seat),
            is_loaded: false,
            is_adding: false,
            sending: None,
            next_number: manifest.next_number,
            // What does not decode is read anew.
            head: STANDARD.decode(&manifest.head).unwrap_or_default(),
            size: manifest.size(),
            manifest,
            tag,
        }
    }

    /// Bytes in it, those included that are not durable yet.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Cuts it to `size` bytes, or to fewer.
    pub async fn truncate(&mut self, size: u64) -> Result<(), FilesError> {
        self.sending = None;
        self.spool.clear();
        self.is_loaded = false;
        self.is_adding = false;
        let Before { parts, mut tail } = self.manifest.cut();
        let mut kept: Vec<Part> = self.manifest.parts.iter().take(parts).cloned().collect();
        if parts_bytes(&kept) + tail_bytes(tail.as_ref()) > size {
            let old = tail.take();
            while parts_bytes(&kept) > size {
                kept.pop();
            }
            let rest = size - parts_bytes(&kept);
            // In the middle of a part nothing can be read.
            if kept.len() == parts && rest > 0 {
                tail = self.cut_tail(old, rest).await?;
            }
        }
        let left = parts_bytes(&kept) + tail_bytes(tail.as_ref());
        self.head
            .truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let change = Manifest {
            head: self.head_of(&kept),
            parts: kept,
            tail,
            before: None,
            holder: None,
            ..self.manifest.clone()
        };
        if change != self.manifest {
            self.commit_and_tidy(change).await?;
        }
        self.next_number = self.manifest.next_number;
        self.size = self.manifest.size();
        Ok(())
    }

    /// The first bytes of an end, as another one.
    async fn cut_tail(&self, old: Option<Tail>, size: u64) -> Result<Option<Tail>, FilesError> {
        let Some(old) = old else { return Ok(None) };
        let path = self.store.tail_path(&self.name, &old.name);
        let _room = self.store.room(size).await?;
        let bytes = self.store.0.client.get_range(&path, 0..size).await;
        let name = Clock::system().random_token();
        let path = self.store.tail_path(&self.name, &name);
        let put = self
            .store
            .0
            .client
            .put(&path, bytes.map_err(told)?.into())
            .await;
        put.map_err(told)?;
        Ok(Some(Tail { name, size }))
    }

    /// Its first bytes.
    pub async fn head(&mut self, most: usize) -> Result<Vec<u8>, FilesError> {
        let has_parts = !self.manifest.parts.is_empty() || self.sending.is_some();
        if self.head.is_empty()
            && !has_parts
            && let Some(tail) = self.manifest.tail.clone()
        {
            let path = self.store.tail_path(&self.name, &tail.name);
            let options = GetOptions {
                range: Some(GetRange::Bounded(0..tail.size.min(HEAD_BYTES as u64))),
                ..GetOptions::default()
            };
            let got = self.store.0.client.get_opts(&path, options).await;
            let bytes = got.map_err(told)?.bytes().await.map_err(told)?;
            self.head = bytes.to_vec();
        }
        Ok(self.head.iter().take(most).copied().collect())
    }

    /// Removes it.
    pub async fn delete(mut self: Box<Self>) -> Result<(), FilesError> {
        self.sending = None;
        if self.tag.is_none() {
            return Ok(());
        }
        // Whoever adds to it is told before its parts go.
        let change = Manifest {
            is_ended: true,
            holder: None,
            ..self.manifest.clone()
        };
        self.commit(change).await?;
        self.store.remove(&self.name, &self.manifest).await
    }

    async fn commit(&mut self, mut change: Manifest) -> Result<(), FilesError> {
        let tag = self.tag.as_deref();
        let tag = self.store.commit(&self.name, &mut change, tag).await?;
        self.tag = Some(tag);
        self.manifest = change;
        Ok(())
    }

    /// The same, and removes the ends that are named no more.
    async fn commit_and_tidy(&mut self, change: Manifest) -> Result<(), FilesError> {
        let old: Vec<Tail> = self.manifest.tails().cloned().collect();
        self.commit(change).await?;
        for tail in old {
            if self.manifest.tails().all(|kept| *kept != tail) {
                self.store.delete_tail(&self.name, &tail).await;
            }
        }
        Ok(())
    }

    /// When the store has lost the upload, by a rule of its own for example, what was in its parts has to be
    /// sent again: from here on there is nothing.
    async fn unless_lost(&mut self, done: Result<(), FilesError>) -> Result<(), FilesError> {
        let Err(FilesError::NotFound) = done else {
            return done;
        };
        let nothing = Manifest::new(&self.manifest.key);
        self.commit_and_tidy(nothing).await?;
        Err(away("it has removed the parts of an unfinished upload"))
    }
}

impl Drop for S3Partial {
    fn drop(&mut self) {
        let is_held = self.manifest.holder.is_some() && !self.manifest.is_ended;
        let (true, Some(tag), Ok(runtime)) = (
            is_held,
            self.tag.take(),
            tokio::runtime::Handle::try_current(),
        ) else {
            return;
        };
        // Whoever comes next need not wait; what arrived and was not confirmed is still not.
        let (store, name, seat) = (self.store.clone(), self.name.clone(), self.seat.take());
        let mut released = Manifest {
            holder: None,
            ..self.manifest.clone()
        };
        runtime.spawn(async move {
            let done = store.commit(&name, &mut released, Some(&tag)).await;
            if let Err(error) = done
                && !matches!(error, FilesError::TakenOver)
            {
                tracing::warn!(%error, name, "an unfinished upload is let go of later");
            }
            drop(seat);
        });
    }
}
