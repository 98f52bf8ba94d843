//! Objects that grow over several visits: each visit holds the file alone, adds to its end, and makes
//! durable what it added. How much there is is the file's own size, never a number kept elsewhere.
//!
//! They lie in `.partial` beside the objects, in the same file system, so that finishing is a rename.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::FilesError;
use super::appender::Appender;
use super::disk::{blocking, place};

/// A growing object, held by this visit alone (flock(2), so that a process that dies lets go).
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    appender: Appender,
}

/// Whose turn it is.
#[derive(Debug)]
pub enum Visit {
    /// Ours, until the value is dropped.
    Held(Partial),
    /// Somebody else's, in this process or another.
    Busy,
}

impl Partial {
    /// Opens the file, or makes it.
    pub(super) async fn open(path: PathBuf) -> Result<Visit, FilesError> {
        blocking(move || {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Visit::Busy),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if !is_still(&file, &path) {
                // Finished or deleted between the two steps; the next attempt sees the new state.
                return Ok(Visit::Busy);
            }
            let size = file.seek(SeekFrom::End(0))?;
            let appender = Appender::new(file, size);
            Ok(Visit::Held(Self { path, appender }))
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
        let path = self.path;
        blocking(move || {
            file.sync_all()?;
            if let Some(folder) = path.parent() {
                File::open(folder)?.sync_all()?;
            }
            let appender = Appender::new(file, size);
            Ok(Self { path, appender })
        })
        .await
    }

    /// Cuts it to `size` bytes.
    pub async fn truncate(self, size: u64) -> Result<Self, FilesError> {
        let file = self.appender.finish().await?;
        let path = self.path;
        blocking(move || {
            let mut file = file;
            file.set_len(size)?;
            file.sync_all()?;
            let size = file.seek(SeekFrom::End(0))?;
            let appender = Appender::new(file, size);
            Ok(Self { path, appender })
        })
        .await
    }

    /// Its first bytes, `most` of them at most; only what was written before counts.
    pub async fn head(self, most: usize) -> Result<(Self, Vec<u8>), FilesError> {
        let size = self.appender.size();
        let file = self.appender.finish().await?;
        let path = self.path;
        blocking(move || {
            let mut file = file;
            let mut head = Vec::new();
            file.seek(SeekFrom::Start(0))?;
            (&mut file).take(most as u64).read_to_end(&mut head)?;
            file.seek(SeekFrom::End(0))?;
            let appender = Appender::new(file, size);
            Ok((Self { path, appender }, head))
        })
        .await
    }

    /// Adds all of another growing object, which must not be visited by anybody.
    pub(super) async fn append(self, source: PathBuf) -> Result<Self, FilesError> {
        let file = self.appender.finish().await?;
        let path = self.path;
        blocking(move || {
            let mut file = file;
            io::copy(&mut File::open(source)?, &mut file)?;
            let size = file.seek(SeekFrom::End(0))?;
            let appender = Appender::new(file, size);
            Ok(Self { path, appender })
        })
        .await
    }

    /// Makes it an object: durable, then moved to `target`.
    pub(super) async fn place(self, target: PathBuf) -> Result<u64, FilesError> {
        let size = self.appender.size();
        let file = self.appender.finish().await?;
        let path = self.path;
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
