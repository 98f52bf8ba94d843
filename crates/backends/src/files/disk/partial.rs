//! Objects that grow over several visits: each visit holds the file alone, adds to its end, and makes
//! durable what it added. How much there is is the file's own size, never a number kept elsewhere.
//!
//! They lie in `.partial` beside the objects, in the same file system, so that finishing is a rename.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{blocking, place};
use crate::files::FilesError;
use crate::files::appender::Appender;

/// A growing object, held by this visit alone (flock(2), so that a process that dies lets go).
#[derive(Debug)]
pub struct DiskPartial {
    path: PathBuf,
    /// Where it will be when it is whole.
    target: PathBuf,
    appender: Appender,
}

impl DiskPartial {
    /// Opens the file, or makes it; `None` while somebody else has it, in this process or another.
    pub(super) async fn open(path: PathBuf, target: PathBuf) -> Result<Option<Self>, FilesError> {
        blocking(move || {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if !is_still(&file, &path) {
                // Finished or deleted between the two steps; the next attempt sees the new state.
                return Ok(None);
            }
            let size = file.seek(SeekFrom::End(0))?;
            let appender = Appender::new(file, size);
            Ok(Some(Self {
                path,
                target,
                appender,
            }))
        })
        .await
    }

    /// Bytes in it, those included that are not durable yet.
    pub fn size(&self) -> u64 {
        self.appender.size()
    }

    /// Adds to its end; written behind, so that an error may come from an earlier call's bytes.
    /// After an error the value is of no more use.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), FilesError> {
        self.appender.write(bytes).await
    }

    /// Makes durable what it holds (fsync), and goes on.
    pub async fn sync(self) -> Result<Self, FilesError> {
        let size = self.appender.size();
        let file = self.appender.finish().await?;
        let (path, target) = (self.path, self.target);
        blocking(move || {
            file.sync_all()?;
            if let Some(folder) = path.parent() {
                File::open(folder)?.sync_all()?;
            }
            Ok(Self {
                appender: Appender::new(file, size),
                path,
                target,
            })
        })
        .await
    }

    /// Cuts it to `size` bytes.
    pub async fn truncate(self, size: u64) -> Result<Self, FilesError> {
        let file = self.appender.finish().await?;
        let (path, target) = (self.path, self.target);
        blocking(move || {
            let mut file = file;
            file.set_len(size)?;
            file.sync_all()?;
            let size = file.seek(SeekFrom::End(0))?;
            Ok(Self {
                appender: Appender::new(file, size),
                path,
                target,
            })
        })
        .await
    }

    /// Its first bytes, `most` of them at most; only what was written before counts.
    pub async fn head(self, most: usize) -> Result<(Self, Vec<u8>), FilesError> {
        let size = self.appender.size();
        let file = self.appender.finish().await?;
        let (path, target) = (self.path, self.target);
        blocking(move || {
            let mut file = file;
            let mut head = Vec::new();
            file.seek(SeekFrom::Start(0))?;
            (&mut file).take(most as u64).read_to_end(&mut head)?;
            file.seek(SeekFrom::End(0))?;
            let partial = Self {
                appender: Appender::new(file, size),
                path,
                target,
            };
            Ok((partial, head))
        })
        .await
    }

    /// Adds all of another growing object, which must not be visited by anybody.
    pub(super) async fn append(self, source: PathBuf) -> Result<Self, FilesError> {
        let file = self.appender.finish().await?;
        let (path, target) = (self.path, self.target);
        blocking(move || {
            let mut file = file;
            io::copy(&mut File::open(source)?, &mut file)?;
            let size = file.seek(SeekFrom::End(0))?;
            Ok(Self {
                appender: Appender::new(file, size),
                path,
                target,
            })
        })
        .await
    }

    /// Makes it an object: durable, then moved to its place.
    pub async fn promote(self) -> Result<u64, FilesError> {
        let size = self.appender.size();
        let file = self.appender.finish().await?;
        let (path, target) = (self.path, self.target);
        blocking(move || {
            file.sync_all()?;
            place(&path, &target)?;
            Ok(size)
        })
        .await
    }

    /// Removes it.
    pub async fn delete(self) -> Result<(), FilesError> {
        let path = self.path;
        blocking(move || fs::remove_file(path)).await
    }
}

/// Whether the path still leads to the open file.
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let same = |one: fs::Metadata, other: fs::Metadata| {
        one.ino() == other.ino() && one.dev() == other.dev()
    };
    match (file.metadata(), fs::metadata(path)) {
        (Ok(one), Ok(other)) => same(one, other),
        _ => false,
    }
}

/// The names of all growing objects.
pub fn list(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for found in fs::read_dir(folder)? {
        if let Ok(name) = found?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}
