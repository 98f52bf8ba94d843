//! Stored objects: what teachers upload and what is made of it. Each has a key; what the object
//! is called by people, who may see it and of what type it is stands in the site's tables.
//!
//! | URL | where they are |
//! |---|---|
//! | `disk:` | `<data>/files` |
//! | `disk:/path` | that folder |
//! | `s3://bucket/prefix?endpoint=&region=&path_style=` | a bucket of S3, or of a store that speaks its protocol |
//!
//! Work folders and half-written files are kept apart from the objects, in hidden or separate
//! folders that [`Files::sweep_temporary`] cleans.

mod appender;
mod copy;
mod disk;
mod key;
mod local;
mod partial;
mod place;
mod s3;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use futures::stream::BoxStream;

pub use self::local::LocalFile;
pub use self::partial::{Partial, Visit};
pub use self::place::Standing;
pub use self::s3::{S3Keys, ShownAs};

use self::disk::Disk;
use self::partial::Kept;
use self::place::Place;
use self::s3::S3;
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
    /// Somebody else goes on with a growing object: nothing of this visit counts any more.
    #[error("somebody else goes on with this file")]
    TakenOver,
    /// The object store does not answer, or refuses, after several attempts; says what it told.
    /// Nothing half-written can be seen.
    #[error("the object store: {0}")]
    Away(String),
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

/// The bytes of an object, in pieces as they come (of up to 256 kB from the disk).
pub type Pieces = BoxStream<'static, Result<Bytes, FilesError>>;

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
    S3(S3),
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
}

/// An object being written; becomes visible, whole, when it is finished. Dropped unfinished, it
/// leaves nothing behind.
#[derive(Debug)]
pub struct FileWriter(Writing);

#[derive(Debug)]
enum Writing {
    Disk(disk::DiskWriter),
    S3(Box<s3::S3Writer>),
}

impl FileWriter {
    /// Appends bytes. They are gathered and written behind; an error may therefore come from an
    /// earlier call's bytes. After an error the writer is of no more use.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), FilesError> {
        match &mut self.0 {
            Writing::Disk(writer) => writer.write(bytes).await,
            Writing::S3(writer) => writer.write(bytes).await,
        }
    }

    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        match &self.0 {
            Writing::Disk(writer) => writer.size(),
            Writing::S3(writer) => writer.size(),
        }
    }

    /// Makes the object durable and visible under its key, in place of an older one; returns its
    /// size in bytes.
    pub async fn finish(self) -> Result<u64, FilesError> {
        match self.0 {
            Writing::Disk(writer) => writer.finish().await,
            Writing::S3(writer) => writer.finish().await,
        }
    }
}

impl Files {
    /// Opens the file store that `url` names; see the [module](self). Makes its folders. Keys of an
    /// object store come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`).
    pub fn open(url: &str, data_dir: &Path) -> Result<Self, FilesError> {
        Self::open_with(url, data_dir, &S3Keys::default())
    }

    /// The same with keys for an object store; those that are empty come from the environment.
    pub fn open_with(url: &str, data_dir: &Path, keys: &S3Keys) -> Result<Self, FilesError> {
        let work = data_dir.join("tmp");
        let backend = match url.split_once(':') {
            Some(("disk", "")) => Backend::Disk(Disk::open(data_dir.join("files"))?),
            Some(("disk", path)) if path.starts_with('/') => {
                Backend::Disk(Disk::open(PathBuf::from(path))?)
            }
            Some(("disk", _)) => {
                return Err(FilesError::Url(
                    "needs a whole path after disk:, or none".to_owned(),
                ));
            }
            Some(("s3", _)) => Backend::S3(S3::open(url, keys, &work)?),
            _ => {
                return Err(FilesError::Url(
                    "begins with neither disk: nor s3:".to_owned(),
                ));
            }
        };
        std::fs::create_dir_all(&work)?;
        Ok(Self(Arc::new(Inner { backend, work })))
    }

    /// Begins to write an object.
    pub async fn create(&self, key: &str) -> Result<FileWriter, FilesError> {
        key::check(key)?;
        Ok(FileWriter(match &self.0.backend {
            Backend::Disk(disk) => Writing::Disk(disk.create(key).await?),
            Backend::S3(s3) => Writing::S3(Box::new(s3.create(key))),
        }))
    }

    /// Moves a finished local file in under `key`, in place of an older object; returns its size.
    pub async fn put(&self, key: &str, local: &Path) -> Result<u64, FilesError> {
        self.put_with(key, local, || ()).await
    }

    /// The same; `on_headway` is called again and again while an object store takes the bytes.
    pub async fn put_with(
        &self,
        key: &str,
        local: &Path,
        on_headway: impl FnMut() + Send,
    ) -> Result<u64, FilesError> {
        key::check(key)?;
        match &self.0.backend {
            Backend::Disk(disk) => disk.put(key, local.to_owned()).await,
            Backend::S3(s3) => s3.put(key, local, on_headway).await,
        }
    }

    /// The object's whole size, and its bytes within `range` (all without one; what lies beyond
    /// the end is cut off). An object replaced or deleted meanwhile is read to its end from the
    /// disk; from an object store it may end in an error, never in other bytes.
    pub async fn read(
        &self,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<(u64, Pieces), FilesError> {
        key::check(key)?;
        match &self.0.backend {
            Backend::Disk(disk) => {
                let (size, pieces) = disk.read(key, range).await?;
                Ok((size, pieces.boxed()))
            }
            Backend::S3(s3) => s3.read(key, range).await,
        }
    }

    /// The object's size in bytes.
    pub async fn size(&self, key: &str) -> Result<u64, FilesError> {
        key::check(key)?;
        match &self.0.backend {
            Backend::Disk(disk) => disk.size(key).await,
            Backend::S3(s3) => s3.size(key).await,
        }
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
        match &self.0.backend {
            Backend::Disk(disk) => disk.delete(key).await,
            Backend::S3(s3) => s3.delete(key).await,
        }
    }

    /// Deletes every object under the folder `prefix`; it may be missing, but not empty.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<(), FilesError> {
        let prefix = prefix.trim_end_matches('/');
        key::check(prefix)?;
        match &self.0.backend {
            Backend::Disk(disk) => disk.delete_prefix(prefix).await,
            Backend::S3(s3) => s3.delete_prefix(prefix).await,
        }
    }

    /// The objects under the folder `prefix`, by key; all of them when it is empty.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, FilesError> {
        let prefix = prefix.trim_end_matches('/');
        if !prefix.is_empty() {
            key::check(prefix)?;
        }
        match &self.0.backend {
            Backend::Disk(disk) => disk.list(prefix).await,
            Backend::S3(s3) => s3.list(prefix).await,
        }
    }

    /// The folders right in the folder `prefix`, by name, without a look at what is in them: few and short, where
    /// objects are many.
    pub async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, FilesError> {
        key::check(prefix)?;
        match &self.0.backend {
            Backend::Disk(disk) => disk.list_folders(prefix).await,
            Backend::S3(s3) => s3.list_folders(prefix).await,
        }
    }

    /// Visits a growing object, making it if it is not there. `name` is one part of a key; `key` is
    /// what it will be when it is whole, the same at every visit.
    pub async fn visit(&self, name: &str, key: &str) -> Result<Visit, FilesError> {
        self.enter(name, key, false).await
    }

    /// Visits a growing object that somebody else holds who does not let go: nothing that they add
    /// from now on counts. On a disk, where nobody can be kept from writing, it is a
    /// [`visit`](Files::visit): the dead have let go there.
    pub async fn take_over(&self, name: &str, key: &str) -> Result<Visit, FilesError> {
        self.enter(name, key, true).await
    }

    async fn enter(&self, name: &str, key: &str, is_urgent: bool) -> Result<Visit, FilesError> {
        check_name(name)?;
        key::check(key)?;
        let kept = match &self.0.backend {
            Backend::Disk(disk) => disk.visit(name, key).await?.map(Kept::Disk),
            Backend::S3(s3) => {
                let visit = s3.visit(name, key, is_urgent).await?;
                visit.map(|partial| Kept::S3(Box::new(partial)))
            }
        };
        Ok(kept.map_or(Visit::Busy, |kept| Visit::Held(Partial(kept))))
    }

    /// How much there is, durably, of a growing object; `None` when there is none.
    pub async fn partial_size(&self, name: &str) -> Result<Option<u64>, FilesError> {
        check_name(name)?;
        match &self.0.backend {
            Backend::Disk(disk) => disk.partial_size(name).await,
            Backend::S3(s3) => s3.partial_size(name).await,
        }
    }

    /// Adds all of the growing object `source`, which is whole and visited by nobody, to the end of
    /// another.
    pub async fn append(&self, partial: Partial, source: &str) -> Result<Partial, FilesError> {
        check_name(source)?;
        match (&self.0.backend, partial.0) {
            (Backend::Disk(disk), Kept::Disk(partial)) => {
                Ok(Partial(Kept::Disk(disk.append(partial, source).await?)))
            }
            (Backend::S3(s3), Kept::S3(mut partial)) => {
                s3.append(&mut partial, source).await?;
                Ok(Partial(Kept::S3(partial)))
            }
            _ => Err(FilesError::NotFound),
        }
    }

    /// Makes a growing object the object that it was to be, durable and visible; returns its size.
    pub async fn promote(&self, partial: Partial) -> Result<u64, FilesError> {
        match partial.0 {
            Kept::Disk(partial) => partial.promote().await,
            Kept::S3(partial) => partial.promote().await,
        }
    }

    /// The names of all growing objects.
    pub async fn list_partial(&self) -> Result<Vec<String>, FilesError> {
        match &self.0.backend {
            Backend::Disk(disk) => disk.list_partial().await,
            Backend::S3(s3) => s3.list_partial().await,
        }
    }

    /// The object as a file that other programs can read: itself, or a copy of it that goes when the
    /// value is dropped.
    ///
    /// # Errors
    /// [`FilesError::Full`] when there is no room for a copy.
    pub async fn local(&self, key: &str) -> Result<LocalFile, FilesError> {
        self.local_with(key, || ()).await
    }

    /// The same; `on_headway` is called again and again while an object store gives the bytes.
    pub async fn local_with(
        &self,
        key: &str,
        on_headway: impl FnMut() + Send,
    ) -> Result<LocalFile, FilesError> {
        key::check(key)?;
        match &self.0.backend {
            Backend::Disk(disk) => {
                disk.size(key).await?;
                Ok(LocalFile::itself(disk.path(key)))
            }
            Backend::S3(s3) => s3.local(key, on_headway).await,
        }
    }

    /// An address under which anybody can read the object for a while, at the store itself; `None`
    /// where the store has none. It is a secret for as long as it is good.
    pub async fn signed_url(
        &self,
        key: &str,
        shown: &ShownAs,
        good_for: Duration,
    ) -> Result<Option<url::Url>, FilesError> {
        key::check(key)?;
        match &self.0.backend {
            Backend::Disk(_) => Ok(None),
            Backend::S3(s3) => s3.signed_url(key, shown, good_for).await.map(Some),
        }
    }

    /// Scheme, host and port of [signed addresses](Files::signed_url), for example
    /// `https://school.s3.eu-central-1.amazonaws.com`; `None` where there are none.
    pub fn origin(&self) -> Option<&str> {
        match &self.0.backend {
            Backend::Disk(_) => None,
            Backend::S3(s3) => Some(s3.origin()),
        }
    }

    /// How the place of these objects stands to that of others, whatever the URLs are that name them.
    pub async fn standing(&self, other: &Self) -> Result<Standing, FilesError> {
        Ok(self.place().await?.standing(&other.place().await?))
    }

    async fn place(&self) -> Result<Place, FilesError> {
        match &self.0.backend {
            Backend::Disk(disk) => disk.place().await,
            Backend::S3(s3) => Ok(s3.place().clone()),
        }
    }

    /// A new, empty folder for work, in the data folder, its name beginning with `name` (as a part
    /// of a key). Whoever asks removes it; what is forgotten is swept.
    pub async fn temporary_dir(&self, name: &str) -> Result<PathBuf, FilesError> {
        check_name(name)?;
        let path = self
            .0
            .work
            .join(format!("{name}-{}", Clock::system().random_token()));
        tokio::fs::create_dir_all(&path).await?;
        Ok(path)
    }

    /// Removes half-written files and work folders in which nothing was changed since
    /// `older_than`, and in an object store the uploads of several parts that were begun before and
    /// that no growing object needs; returns how many.
    pub async fn sweep_temporary(&self, older_than: DateTime<Utc>) -> Result<usize, FilesError> {
        let count = match &self.0.backend {
            Backend::Disk(disk) => {
                let folders = [disk.unfinished()];
                disk::blocking(move || disk::sweep(&folders, older_than.into())).await?
            }
            Backend::S3(s3) => s3.sweep(older_than).await?,
        };
        Ok(count + self.sweep_work(older_than).await?)
    }

    /// The same of the work folders alone, which each machine has for itself.
    pub async fn sweep_work(&self, older_than: DateTime<Utc>) -> Result<usize, FilesError> {
        let folders = [self.0.work.clone()];
        disk::blocking(move || disk::sweep(&folders, older_than.into())).await
    }

    /// Whether objects and work files can be written.
    pub async fn check(&self) -> Result<(), FilesError> {
        let mut folders = vec![self.0.work.clone()];
        match &self.0.backend {
            Backend::Disk(disk) => folders.push(disk.unfinished()),
            Backend::S3(s3) => s3.check().await?,
        }
        disk::blocking(move || disk::probe(&folders)).await
    }
}

/// The name of a growing object or a work folder: one part of a key.
fn check_name(name: &str) -> Result<(), FilesError> {
    key::check(name)?;
    if name.contains('/') {
        return Err(FilesError::BadKey);
    }
    Ok(())
}
