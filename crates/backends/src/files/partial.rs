//! Objects that grow over several visits, wherever they are kept.

use bytes::Bytes;

use super::FilesError;
use super::disk::DiskPartial;
use super::s3::S3Partial;

/// An object that grows over several visits. Each visit adds to its end, and makes durable what it added.
#[derive(Debug)]
pub struct Partial(pub(super) Kept);

#[derive(Debug)]
pub(super) enum Kept {
    Disk(DiskPartial),
    S3(Box<S3Partial>),
}

/// Whose turn it is.
#[derive(Debug)]
pub enum Visit {
    /// Ours, until the value is dropped or somebody takes over.
    Held(Partial),
    /// Somebody else's, in this process or another.
    Busy,
}

impl Partial {
    /// Bytes in it, those included that are not durable yet.
    pub fn size(&self) -> u64 {
        match &self.0 {
            Kept::Disk(partial) => partial.size(),
            Kept::S3(partial) => partial.size(),
        }
    }

    /// Adds to its end; written behind, so that an error may come from an earlier call's bytes.
    /// After an error the value is of no more use.
    ///
    /// # Errors
    /// [`FilesError::TakenOver`] when somebody else goes on with it; so from every method.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), FilesError> {
        match &mut self.0 {
            Kept::Disk(partial) => partial.write(bytes).await,
            Kept::S3(partial) => partial.write(bytes).await,
        }
    }

    /// Makes durable what it holds, and goes on.
    pub async fn sync(self) -> Result<Self, FilesError> {
        Ok(Self(match self.0 {
            Kept::Disk(partial) => Kept::Disk(partial.sync().await?),
            Kept::S3(mut partial) => {
                partial.sync().await?;
                Kept::S3(partial)
            }
        }))
    }

    /// Cuts it to `size` bytes, durably; where the store cannot cut in the middle of what was durable
    /// before, to fewer. [`Partial::size`] tells what is left.
    pub async fn truncate(self, size: u64) -> Result<Self, FilesError> {
        Ok(Self(match self.0 {
            Kept::Disk(partial) => Kept::Disk(partial.truncate(size).await?),
            Kept::S3(mut partial) => {
                partial.truncate(size).await?;
                Kept::S3(partial)
            }
        }))
    }

    /// Its first bytes, `most` of them at most (8 kB are kept at hand); only what was written before
    /// counts.
    pub async fn head(self, most: usize) -> Result<(Self, Vec<u8>), FilesError> {
        Ok(match self.0 {
            Kept::Disk(partial) => {
                let (partial, head) = partial.head(most).await?;
                (Self(Kept::Disk(partial)), head)
            }
            Kept::S3(mut partial) => {
                let head = partial.head(most).await?;
                (Self(Kept::S3(partial)), head)
            }
        })
    }

    /// Removes it.
    pub async fn delete(self) -> Result<(), FilesError> {
        match self.0 {
            Kept::Disk(partial) => partial.delete().await,
            Kept::S3(partial) => partial.delete().await,
        }
    }
}
