//! Objects that reach the store in several parts (S3, "Multipart upload"): how large parts are, and
//! how they are sent, some at once.

use std::collections::VecDeque;
use std::io;

use object_store::ObjectStoreExt as _;
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tokio::sync::SemaphorePermit;
use tokio::task::JoinHandle;

use super::spool::Gathered;
use super::{S3, told};
use crate::files::FilesError;

/// Parts of one object that are on their way at once.
const AT_ONCE: usize = 3;

const MIB: u64 = 1 << 20;
/// The smallest part that S3 takes, the last one of an object excepted.
const SMALLEST_MIB: u64 = 5;
/// Beyond this parts do not grow: each is held in memory whole.
const LARGEST_MIB: u64 = MEMORY_MIB as u64;
/// So many parts are of the smallest size: 10 GB, and some stores want all to be of one.
const EQUAL_PARTS: usize = 2_000;
/// After those the size doubles with each further so many.
const GROW_EVERY: usize = 1_000;

/// What everything on its way to a store may take of memory, in MiB.
pub const MEMORY_MIB: u32 = 32;

/// A part as the store has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// 1 to 10,000; parts are put together in this order, and numbers may be missing.
    pub number: u32,
    /// In bytes.
    pub size: u64,
    /// What the store calls these bytes.
    pub tag: String,
}

/// How large the part after `before` others is: so that 200 GB fit into the 10,000 that S3 takes, with numbers to
/// spare for those that are never used.
pub fn part_bytes(before: usize) -> u64 {
    let doublings = before.saturating_sub(EQUAL_PARTS).div_ceil(GROW_EVERY);
    let doublings = u32::try_from(doublings).unwrap_or(u32::MAX).min(7);
    (SMALLEST_MIB << doublings).min(LARGEST_MIB) * MIB
}

/// Parts of one object on their way; dropped, those that have not arrived are given up.
#[derive(Debug)]
pub struct Sending {
    store: S3,
    path: Path,
    id: String,
    under_way: VecDeque<JoinHandle<Result<Part, FilesError>>>,
    done: Vec<Part>,
}

impl Sending {
    /// Sends parts of the upload `id` of an object.
    pub fn new(store: S3, path: Path, id: String) -> Self {
        Self {
            store,
            path,
            id,
            under_way: VecDeque::new(),
            done: Vec::new(),
        }
    }

    /// What the store calls the upload.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the object will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Parts sent, those on their way included.
    pub fn count(&self) -> usize {
        self.done.len() + self.under_way.len()
    }

    /// Waits until there is room for one more among those on their way.
    pub async fn make_room(&mut self) -> Result<(), FilesError> {
        while self.under_way.len() >= AT_ONCE || self.is_first_there() {
            self.settle_one().await?;
        }
        Ok(())
    }

    /// Sends one more, when there is room.
    pub async fn send(&mut self, number: u32, bytes: Gathered) -> Result<(), FilesError> {
        self.make_room().await?;
        let work = send(
            self.store.clone(),
            self.path.clone(),
            self.id.clone(),
            number,
            bytes,
        );
        self.under_way.push_back(tokio::spawn(work));
        Ok(())
    }

    /// Waits until all have arrived.
    pub async fn settle(&mut self) -> Result<(), FilesError> {
        while !self.under_way.is_empty() {
            self.settle_one().await?;
        }
        Ok(())
    }

    /// Those that have arrived, as far as none before them is missing.
    pub fn done(&self) -> &[Part] {
        &self.done
    }

    fn is_first_there(&self) -> bool {
        self.under_way.front().is_some_and(JoinHandle::is_finished)
    }

    async fn settle_one(&mut self) -> Result<(), FilesError> {
        // The handle stays in place while it is awaited, so that nothing is lost when this future
        // is dropped.
        let Some(first) = self.under_way.front_mut() else {
            return Ok(());
        };
        let arrived = first.await;
        self.under_way.pop_front();
        self.done.push(arrived.map_err(io::Error::other)??);
        Ok(())
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        for part in &self.under_way {
            part.abort();
        }
    }
}

impl S3 {
    /// Waits until so many bytes may be held in memory: before they are read, until they have arrived. Whoever has
    /// room must not wait for more.
    pub(super) async fn room(&self, bytes: u64) -> Result<SemaphorePermit<'_>, FilesError> {
        let needed = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX);
        let room = self.0.memory.acquire_many(needed.clamp(1, MEMORY_MIB));
        Ok(room.await.map_err(io::Error::other)?)
    }

    /// Makes an object of what was gathered, by one request; gives back what was gathered.
    pub(super) async fn put_whole(
        &self,
        path: &Path,
        gathered: Gathered,
    ) -> Result<Gathered, FilesError> {
        let _room = self.room(gathered.size).await?;
        let (gathered, bytes) = gathered.all().await?;
        let put = self.0.client.put(path, bytes.into()).await;
        put.map_err(told)?;
        Ok(gathered)
    }
}

async fn send(
    store: S3,
    path: Path,
    id: String,
    number: u32,
    bytes: Gathered,
) -> Result<Part, FilesError> {
    let size = bytes.size;
    let _room = store.room(size).await?;
    let (_, bytes) = bytes.all().await?;
    let index = usize::try_from(number.saturating_sub(1)).unwrap_or(0);
    let put = store.0.client.put_part(&path, &id, index, bytes.into());
    let part = put.await.map_err(told)?;
    Ok(Part {
        number,
        size,
        tag: part.content_id,
    })
}

#[cfg(test)]
mod tests {
    use super::{MEMORY_MIB, part_bytes};

    #[test]
    fn two_hundred_gigabytes_fit_into_ten_thousand_parts_that_each_fit_into_memory() {
        assert_eq!(part_bytes(0), 5 << 20);
        assert_eq!(part_bytes(1_999), 5 << 20, "equal while they can be");
        let mut parts = 0;
        let mut bytes: u64 = 0;
        while bytes < 200_000_000_000 {
            assert!(part_bytes(parts) <= part_bytes(parts + 1));
            assert!(part_bytes(parts) <= u64::from(MEMORY_MIB) << 20);
            bytes += part_bytes(parts);
            parts += 1;
        }
        assert!(parts < 9_500, "{parts}");
    }
}
