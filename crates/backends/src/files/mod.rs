//! Stored objects: what teachers upload and what is made of it. Each has a key; what the object
//! is called by people, who may see it and of what type it is stands in the site's tables.
//!
//! | URL | where they are |
//! |---|---|
//! | `disk:` | `<data>/files` |
//! | `disk:/path` | that folder |
//!
//! Work folders and half-written files are kept apart from the objects, in hidden or separate
//! folders that [`Files::sweep_temporary`] cleans.

mod appender;
mod copy;
mod disk;
mod key;
mod partial;
mod reader;
mod writer;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::Stream;

pub use self::partial::{Partial, Visit};

use self::disk::Disk;
use crate::clock::Clock;

/// What can go wrong with stored objects.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// No object has this key.
    #[error("there is no such file")]
    NotFound,
    /// The disk, or the quota on it, is full.
    #[error("the disk is full")]
    Full,
    /// A key that is not made of `a-z0-9._-` in parts joined by `/`, or has a part that is empty
    /// or begins with a dot.
    #[error(
        "a file's key has parts of a-z, 0-9, '.', '_' and '-', joined by '/', none beginning with a dot"
    )]
    BadKey,
    /// The URL is not one of a file store; says why.
    #[error("the files URL {0}")]
    Url(String),
    /// Anything else that the disk says.
    #[error("the file store: {0}")]
    Io(io::Error),
}

impl From<io::Error> for FilesError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // NotADirectory: a part of the key's path is an object itself.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

/// The file store; clones share it. See the [module](self) for its URLs.
#[derive(Clone, Debug)]
pub struct Files(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    backend: Backend,
    /// Parent of the work folders.
    work: PathBuf,
}

#[derive(Debug)]
enum Backend {
    Disk(Disk),
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
}

/// An object as a file on this machine, for programs that need a path. It must only be read, and
/// exists at least as long as this value unless the object is deleted.
#[derive(Debug)]
pub struct LocalFile {
    path: PathBuf,
}

impl LocalFile {
    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// An object being written; becomes visible, whole, when it is finished. Dropped unfinished, it
/// leaves nothing behind.
#[derive(Debug)]
pub struct FileWriter(writer::DiskWriter);

impl FileWriter {
    /// Appends bytes. They are gathered and written behind; an error may therefore come from an
    /// earlier call's bytes. After an error the writer is of no more use.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), FilesError> {
        self.0.write(bytes).await
    }

    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// Makes the object durable and visible under its key, in place of an older one; returns its
    /// size in bytes.
    pub async fn finish(self) -> Result<u64, FilesError> {
        self.0.finish().await
    }
}

impl Files {
    /// Opens the file store that `url` names; see the [module](self). Makes its folders.
    pub fn open(url: &str, data_dir: &Path) -> Result<Self, FilesError> {
        let root = match url.strip_prefix("disk:") {
            Some("") => data_dir.join("files"),
            Some(path) if path.starts_with('/') => PathBuf::from(path),
            Some(_) => {
                return Err(FilesError::Url(
                    "needs a whole path after disk:, or none".to_owned(),
                ));
            }
            None => return Err(FilesError::Url("does not begin with disk:".to_owned())),
        };
        let work = data_dir.join("tmp");
        std::fs::create_dir_all(&work)?;
        let backend = Backend::Disk(Disk::open(root)?);
        Ok(Self(Arc::new(Inner { backend, work })))
    }

    fn disk(&self) -> &Disk {
        let Backend::Disk(disk) = &self.0.backend;
        disk
    }

    /// Begins to write an object.
    pub async fn create(&self, key: &str) -> Result<FileWriter, FilesError> {
        key::check(key)?;
        Ok(FileWriter(self.disk().create(key).await?))
    }

    /// Moves a finished local file in under `key`, in place of an older object; returns its size.
    pub async fn put(&self, key: &str, local: &Path) -> Result<u64, FilesError> {
        key::check(key)?;
        self.disk().put(key, local.to_owned()).await
    }

    /// The object's whole size, and its bytes within `range` (all without one; what lies beyond
    /// the end is cut off) in pieces of up to 256 kB. An object replaced or deleted meanwhile is
    /// read to its end.
    pub async fn read(
        &self,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<
        (
            u64,
            impl Stream<Item = Result<Bytes, FilesError>> + Send + use<>,
        ),
        FilesError,
    > {
        key::check(key)?;
        self.disk().read(key, range).await
    }

    /// The object's size in bytes.
    pub async fn size(&self, key: &str) -> Result<u64, FilesError> {
        key::check(key)?;
        self.disk().size(key).await
    }

    /// Whether there is such an object.
    pub async fn exists(&self, key: &str) -> Result<bool, FilesError> {
        match self.size(key).await {
            Ok(_) => Ok(true),
            Err(FilesError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object; it may be missing.
    pub async fn delete(&self, key: &str) -> Result<(), FilesError> {
        key::check(key)?;
        self.disk().delete(key).await
    }

    /// Deletes every object under the folder `prefix`; it may be missing, but not empty.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<(), FilesError> {
        let prefix = prefix.trim_end_matches('/');
        key::check(prefix)?;
        self.disk().delete_prefix(prefix).await
    }

    /// The objects under the folder `prefix`, by key; all of them when it is empty.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, FilesError> {
        let prefix = prefix.trim_end_matches('/');
        if !prefix.is_empty() {
            key::check(prefix)?;
        }
        self.disk().list(prefix).await
    }

    /// Visits a growing object, making it if it is not there. `name` is one part of a key.
    pub async fn visit(&self, name: &str) -> Result<Visit, FilesError> {
        Partial::open(self.partial_path(name)?).await
    }

    /// How much there is of a growing object; `None` when there is none.
    pub async fn partial_size(&self, name: &str) -> Result<Option<u64>, FilesError> {
        let path = self.partial_path(name)?;
        match disk::blocking(move || std::fs::metadata(path)).await {
            Ok(data) => Ok(Some(data.len())),
            Err(FilesError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds all of the growing object `source` to the end of another.
    pub async fn append(&self, partial: Partial, source: &str) -> Result<Partial, FilesError> {
        partial.append(self.partial_path(source)?).await
    }

    /// Makes a growing object an object, durable and visible under `key`; returns its size.
    pub async fn promote(&self, partial: Partial, key: &str) -> Result<u64, FilesError> {
        key::check(key)?;
        partial.place(self.disk().path(key)).await
    }

    /// The names of all growing objects.
    pub async fn list_partial(&self) -> Result<Vec<String>, FilesError> {
        let folder = self.disk().partial();
        disk::blocking(move || partial::list(&folder)).await
    }

    fn partial_path(&self, name: &str) -> Result<PathBuf, FilesError> {
        key::check(name)?;
        if name.contains('/') {
            return Err(FilesError::BadKey);
        }
        Ok(self.disk().partial().join(name))
    }

    /// The object as a file that other programs can read.
    pub async fn local(&self, key: &str) -> Result<LocalFile, FilesError> {
        key::check(key)?;
        self.disk().size(key).await?;
        Ok(LocalFile {
            path: self.disk().path(key),
        })
    }

    /// A new, empty folder for work, in the data folder, its name beginning with `name` (as a part
    /// of a key). Whoever asks removes it; what is forgotten is swept.
    pub async fn temporary_dir(&self, name: &str) -> Result<PathBuf, FilesError> {
        key::check(name)?;
        if name.contains('/') {
            return Err(FilesError::BadKey);
        }
        let path = self
            .0
            .work
            .join(format!("{name}-{}", Clock::system().random_token()));
        tokio::fs::create_dir_all(&path).await?;
        Ok(path)
    }

    /// Removes half-written files and work folders in which nothing was changed since
    /// `older_than`; returns how many.
    pub async fn sweep_temporary(&self, older_than: DateTime<Utc>) -> Result<usize, FilesError> {
        let folders = [self.0.work.clone(), self.disk().unfinished()];
        disk::blocking(move || disk::sweep(&folders, older_than.into())).await
    }

    /// Whether objects and work files can be written.
    pub async fn check(&self) -> Result<(), FilesError> {
        let folders = [self.0.work.clone(), self.disk().unfinished()];
        disk::blocking(move || disk::probe(&folders)).await
    }
}
