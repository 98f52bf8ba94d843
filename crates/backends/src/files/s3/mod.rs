//! Objects in a bucket of S3, or of a store that speaks its protocol, under a folder of their own.
//!
//! Hidden folders beside them: `.partial/<name>` says how far a growing object is ([`manifest`]),
//! `.tails/` holds the ends of growing objects that are too short to be parts, `.check/` what is
//! written to see whether it can be. Keys of objects never begin with a dot.

mod location;
mod manifest;
mod partial;
mod parts;
mod reader;
mod requests;
mod spool;
mod sweep;
mod told;
mod writer;

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3;
use object_store::client::HttpClient;
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer as _};
use object_store::{GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

pub use self::location::S3Keys;
pub use self::partial::S3Partial;
pub use self::writer::S3Writer;

use self::location::{Connection, Location};
use self::parts::part_bytes;
use self::spool::Gathered;
use self::told::{away, told};
use self::writer::Upload;
use super::disk::blocking;
use super::{Entry, FilesError, LocalFile, Pieces, Place, key};
use crate::clock::Clock;

/// A store that could be written is not written again for so long, only asked: every write costs money.
const CHECK_KEPT: Duration = Duration::from_secs(30);
/// Left free on the disk when an object is copied to it.
const SPARE_BYTES: u64 = 64 << 20;

/// A bucket; clones share it.
#[derive(Clone, Debug)]
pub struct S3(Arc<Store>);

#[derive(Debug)]
struct Store {
    client: AmazonS3,
    /// For requests that the client has no call for; their addresses are signed.
    http: HttpClient,
    prefix: String,
    place: Place,
    /// Scheme, host and port of signed addresses.
    origin: String,
    /// Folder for parts and copies on this machine.
    work: PathBuf,
    /// Bounds what is on its way to the store, in MiB.
    memory: Semaphore,
    /// Growing objects that are visited in this process.
    visited: Mutex<BTreeSet<String>>,
    /// Uploads of several parts under way in this process.
    begun: Mutex<BTreeSet<String>>,
    checked: Mutex<Option<Instant>>,
}

/// What a signed address says to a browser about its object, whatever the store knows of it.
#[derive(Clone, Debug)]
pub struct ShownAs {
    /// `Content-Type`.
    pub mime: String,
    /// `Content-Disposition`.
    pub disposition: String,
}

/// An upload of several parts that is under way as long as this value lives.
#[derive(Debug)]
struct Begun {
    store: S3,
    id: String,
}

impl Drop for Begun {
    fn drop(&mut self) {
        lock(&self.store.0.begun).remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl S3 {
    /// Reads the URL; no request is made.
    pub fn open(url: &str, keys: &S3Keys, work: &LocalPath) -> Result<Self, FilesError> {
        let location = Location::parse(url)?;
        let Connection {
            client,
            http,
            origin,
            place,
        } = location.connect(keys)?;
        Ok(Self(Arc::new(Store {
            client,
            http,
            origin,
            place,
            prefix: location.prefix,
            work: work.to_owned(),
            memory: Semaphore::new(parts::MEMORY_MIB as usize),
            visited: Mutex::default(),
            begun: Mutex::default(),
            checked: Mutex::default(),
        })))
    }

    /// Where an object is in the bucket.
    fn path(&self, key: &str) -> Path {
        match (self.0.prefix.as_str(), key) {
            ("", key) => Path::from(key),
            (prefix, "") => Path::from(prefix),
            (prefix, key) => Path::from(format!("{prefix}/{key}")),
        }
    }

    /// The key of what is at this place in the bucket; hidden ones begin with a dot.
    fn key<'a>(&self, path: &'a Path) -> Option<&'a str> {
        let path: &str = path.as_ref();
        if self.0.prefix.is_empty() {
            return Some(path);
        }
        path.strip_prefix(self.0.prefix.as_str())?.strip_prefix('/')
    }

    /// Its place, whatever the URL is that names it.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// Marks an upload of several parts as under way.
    fn begun(&self, id: &str) -> Begun {
        lock(&self.0.begun).insert(id.to_owned());
        Begun {
            store: self.clone(),
            id: id.to_owned(),
        }
    }

    /// Begins an object.
    pub fn create(&self, key: &str) -> S3Writer {
        S3Writer::new(self.clone(), self.path(key))
    }

    /// Sends a file, and removes it here; tells of each part that is on its way.
    pub async fn put(
        &self,
        key: &str,
        local: &LocalPath,
        mut on_headway: impl FnMut() + Send,
    ) -> Result<u64, FilesError> {
        let from = local.to_owned();
        let (file, size) = blocking(move || {
            let file = File::open(from)?;
            let size = file.metadata()?.len();
            Ok((file, size))
        })
        .await?;
        let path = self.path(key);
        if size <= part_bytes(0) {
            let whole = Gathered::piece_of(&file, 0, size)?;
            self.put_whole(&path, whole).await?;
        } else {
            let mut upload = Upload::begin(self, &path).await?;
            let mut start = 0;
            let mut count = 0;
            while start < size {
                let most = part_bytes(count).min(size - start);
                let part = Gathered::piece_of(&file, start, most)?;
                upload.send(part).await?;
                on_headway();
                start += most;
                count += 1;
            }
            upload.finish().await?;
        }
        tokio::fs::remove_file(local).await?;
        Ok(size)
    }

    /// The object's size, and its bytes.
    pub async fn read(
        &self,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<(u64, Pieces), FilesError> {
        let path = self.path(key);
        // The protocol knows no empty ranges.
        if range.as_ref().is_some_and(Range::is_empty) {
            let size = self.size(key).await?;
            return Ok((size, futures::stream::empty().boxed()));
        }
        let start = range.as_ref().map(|range| range.start);
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let got = match self.0.client.get_opts(&path, options).await {
            Ok(got) => got,
            // The words alone prove nothing: the store's answer can hold any.
            Err(error) if is_out_of_range(&error) => {
                let size = self.size(key).await?;
                if start.is_none_or(|start| start < size) {
                    return Err(told(error));
                }
                return Ok((size, futures::stream::empty().boxed()));
            }
            Err(error) => return Err(told(error)),
        };
        let (size, range) = (got.meta.size, got.range.clone());
        Ok((size, reader::stream(self.clone(), path, range, got)))
    }

    /// The object's size.
    pub async fn size(&self, key: &str) -> Result<u64, FilesError> {
        let found = self.0.client.head(&self.path(key)).await;
        Ok(found.map_err(told)?.size)
    }

    /// Deletes an object.
    pub async fn delete(&self, key: &str) -> Result<(), FilesError> {
        match self.0.client.delete(&self.path(key)).await.map_err(told) {
            Err(FilesError::NotFound) => Ok(()),
            done => done,
        }
    }

    /// Deletes all objects of a folder, up to a thousand in one request.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<(), FilesError> {
        let found = self.0.client.list(Some(&self.path(prefix)));
        let paths: Vec<Path> = found
            .map_ok(|object| object.location)
            .try_collect()
            .await
            .map_err(told)?;
        let paths = futures::stream::iter(paths.into_iter().map(Ok)).boxed();
        let mut deleted = self.0.client.delete_stream(paths);
        while let Some(done) = deleted.next().await {
            match done.map_err(told) {
                Ok(_) | Err(FilesError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The objects of a folder, by key.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, FilesError> {
        let found = self.0.client.list(Some(&self.path(prefix)));
        let mut entries: Vec<Entry> = found
            .try_filter_map(async |object| {
                let key = self.key(&object.location);
                // What is no key was not put here by us, or is hidden.
                let key = key.filter(|key| key::check(key).is_ok());
                Ok(key.map(|key| Entry {
                    key: key.to_owned(),
                    size: object.size,
                }))
            })
            .try_collect()
            .await
            .map_err(told)?;
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }

    /// The folders in a folder: the store itself leaves out what is in them.
    pub async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, FilesError> {
        let path = self.path(prefix);
        let found = self.0.client.list_with_delimiter(Some(&path)).await;
        let found = found.map_err(told)?.common_prefixes;
        let keys = found.iter().filter_map(|path| self.key(path));
        let mut folders: Vec<String> = keys
            .filter(|key| key::check(key).is_ok())
            .map(str::to_owned)
            .collect();
        folders.sort_unstable();
        Ok(folders)
    }

    /// A copy of the object on this machine; tells of each piece that is there.
    pub async fn local(
        &self,
        key: &str,
        mut on_headway: impl FnMut() + Send,
    ) -> Result<LocalFile, FilesError> {
        let (size, mut pieces) = self.read(key, None).await?;
        let work = self.0.work.clone();
        let free = blocking(move || {
            std::fs::create_dir_all(&work)?;
            let disk = rustix::fs::statvfs(&work)?;
            Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
        });
        if free.await? < size.saturating_add(SPARE_BYTES) {
            return Err(FilesError::Full);
        }
        let path = self
            .0
            .work
            .join(format!("copy-{}", Clock::system().random_token()));
        let mut file = tokio::fs::File::create_new(&path).await?;
        // From here on it goes when this is dropped.
        let copy = LocalFile::copy(path);
        while let Some(piece) = pieces.next().await {
            file.write_all(&piece?).await?;
            on_headway();
        }
        file.flush().await?;
        Ok(copy)
    }

    /// An address at the store itself.
    pub async fn signed_url(
        &self,
        key: &str,
        shown: &ShownAs,
        good_for: Duration,
    ) -> Result<url::Url, FilesError> {
        let options = SignedUrlOptions::default().with_query([
            ("response-content-type", shown.mime.as_str()),
            ("response-content-disposition", shown.disposition.as_str()),
            ("response-cache-control", "private, no-store"),
        ]);
        let path = self.path(key);
        let signed = self
            .0
            .client
            .signed_url_opts(Method::GET, &path, good_for, &options);
        signed.await.map_err(told)
    }

    /// Scheme, host and port of signed addresses.
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    /// Whether objects can be written and deleted, and whether the store heeds conditions, without which
    /// two writers of one growing object could not be told apart.
    pub async fn check(&self) -> Result<(), FilesError> {
        let is_fresh = |at: Instant| at.elapsed() < CHECK_KEPT;
        let key = format!(".check/{}", Clock::system().random_token());
        if lock(&self.0.checked).is_some_and(is_fresh) {
            // There is no such object; but that it says so shows that it is there.
            return match self.size(&key).await {
                Ok(_) | Err(FilesError::NotFound) => Ok(()),
                Err(error) => Err(error),
            };
        }
        let path = self.path(&key);
        let once = || {
            let options = object_store::PutMode::Create.into();
            self.0.client.put_opts(&path, "lyceum".into(), options)
        };
        once().await.map_err(told)?;
        let again = once().await;
        self.delete(&key).await?;
        if again.is_ok() {
            return Err(away(
                "it does not heed If-None-Match and If-Match, which growing uploads need",
            ));
        }
        *lock(&self.0.checked) = Some(Instant::now());
        Ok(())
    }
}

/// Whether the status can be 416 (RFC 9110, section 15.5.17: a range that begins behind the last byte), which the
/// client tells in words only. Keys hold no blanks.
fn is_out_of_range(error: &object_store::Error) -> bool {
    let words = error.to_string();
    words.contains("status code: 416 ") || words.contains("<Code>InvalidRange</Code>")
}
