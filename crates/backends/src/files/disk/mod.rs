//! Objects as files in a folder, their keys as paths. Half-written ones are in `.unfinished` in the
//! same folder, hence in the same file system, so that finishing is a rename.

mod partial;
mod reader;
mod writer;

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use futures::Stream;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

pub use self::partial::DiskPartial;
pub use self::writer::DiskWriter;

use super::{Entry, FilesError, Place};
use crate::clock::Clock;

const UNFINISHED: &str = ".unfinished";
const PARTIAL: &str = ".partial";

/// Attempts to put a file into a folder that others may remove for being empty.
const ATTEMPTS: usize = 64;

/// A folder of objects.
#[derive(Clone, Debug)]
pub struct Disk {
    root: PathBuf,
}

/// Runs file work off the async threads.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, FilesError> {
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?;
    Ok(done?)
}

impl Disk {
    /// Makes the folders.
    pub fn open(root: PathBuf) -> Result<Self, FilesError> {
        fs::create_dir_all(root.join(UNFINISHED))?;
        fs::create_dir_all(root.join(PARTIAL))?;
        Ok(Self { root })
    }

    /// Where an object is.
    pub fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// Its place, links followed.
    pub async fn place(&self) -> Result<Place, FilesError> {
        let root = self.root.clone();
        let folder = blocking(move || fs::canonicalize(root)).await?;
        let store = String::new();
        Ok(Place { store, folder })
    }

    /// Where half-written objects are.
    pub fn unfinished(&self) -> PathBuf {
        self.root.join(UNFINISHED)
    }

    /// Where growing objects are.
    fn partial(&self) -> PathBuf {
        self.root.join(PARTIAL)
    }

    /// Holds a growing object, which will be the object `key`; `None` while somebody else has it.
    pub async fn visit(&self, name: &str, key: &str) -> Result<Option<DiskPartial>, FilesError> {
        DiskPartial::open(self.partial().join(name), self.path(key)).await
    }

    /// How much there is of a growing object.
    pub async fn partial_size(&self, name: &str) -> Result<Option<u64>, FilesError> {
        let path = self.partial().join(name);
        match blocking(move || fs::metadata(path)).await {
            Ok(data) => Ok(Some(data.len())),
            Err(FilesError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds all of the growing object `source` to the end of another.
    pub async fn append(
        &self,
        partial: DiskPartial,
        source: &str,
    ) -> Result<DiskPartial, FilesError> {
        partial.append(self.partial().join(source)).await
    }

    /// The names of all growing objects.
    pub async fn list_partial(&self) -> Result<Vec<String>, FilesError> {
        let folder = self.partial();
        blocking(move || partial::list(&folder)).await
    }

    fn temporary(&self) -> PathBuf {
        self.unfinished().join(Clock::system().random_token())
    }

    /// Begins an object.
    pub async fn create(&self, key: &str) -> Result<DiskWriter, FilesError> {
        let (temporary, target) = (self.temporary(), self.path(key));
        blocking(move || {
            let file = File::options()
                .write(true)
                .create_new(true)
                .open(&temporary)?;
            Ok(DiskWriter::new(file, temporary, target))
        })
        .await
    }

    /// Moves a file in; from another file system by a copy.
    pub async fn put(&self, key: &str, local: PathBuf) -> Result<u64, FilesError> {
        let (temporary, target) = (self.temporary(), self.path(key));
        blocking(move || {
            let source = File::open(&local)?;
            let size = source.metadata()?.len();
            source.sync_all()?;
            match place(&local, &target) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
                done => return done.map(|()| size),
            }
            let copied = copy(&source, &temporary).and_then(|()| place(&temporary, &target));
            if copied.is_err() {
                remove_file(&temporary)?;
            }
            copied?;
            remove_file(&local)?;
            Ok(size)
        })
        .await
    }

    /// The object's size, and a stream of its bytes.
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
        let path = self.path(key);
        let (file, size) = match open_at_hand(&path) {
            Some(opened) => opened,
            None => blocking(move || open(&path)).await?,
        };
        let range = range.unwrap_or(0..size);
        let range = range.start.min(size)..range.end.min(size);
        Ok((size, reader::stream(file, range)))
    }

    /// The object's size.
    pub async fn size(&self, key: &str) -> Result<u64, FilesError> {
        let path = self.path(key);
        blocking(move || object_size(&fs::metadata(&path)?)).await
    }

    /// Deletes an object and the folders that become empty.
    pub async fn delete(&self, key: &str) -> Result<(), FilesError> {
        let (path, root) = (self.path(key), self.root.clone());
        let done = blocking(move || {
            remove_file(&path)?;
            remove_empty_parents(&path, &root);
            Ok(())
        });
        found_or_not(done.await)
    }

    /// Deletes a folder of objects.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<(), FilesError> {
        let (path, root) = (self.path(prefix), self.root.clone());
        let done = blocking(move || {
            match fs::remove_dir_all(&path) {
                // The prefix is an object's key, not a folder: nothing is under it.
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(()),
                done => done?,
            }
            remove_empty_parents(&path, &root);
            Ok(())
        });
        found_or_not(done.await)
    }

    /// The objects under a folder.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, FilesError> {
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        blocking(move || {
            let mut entries = Vec::new();
            let mut folders = vec![prefix];
            while let Some(folder) = folders.pop() {
                list_folder(&root, &folder, &mut entries, &mut folders)?;
            }
            entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            Ok(entries)
        })
        .await
    }

    /// The folders in a folder.
    pub async fn list_folders(&self, prefix: &str) -> Result<Vec<String>, FilesError> {
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        blocking(move || {
            let mut folders = Vec::new();
            list_folder(&root, &prefix, &mut Vec::new(), &mut folders)?;
            folders.sort_unstable();
            Ok(folders)
        })
        .await
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let size = object_size(&file.metadata()?)?;
    Ok((file, size))
}

/// As [`open`], if the system need not ask the disk for it (`RESOLVE_CACHED`, openat2(2)): then no other thread
/// has to be asked either. `None` for everything else, faults included.
fn open_at_hand(path: &Path) -> Option<(File, u64)> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED);
    let file = File::from(opened.ok()?);
    let size = object_size(&file.metadata().ok()?).ok()?;
    Some((file, size))
}

fn list_folder(
    root: &Path,
    folder: &str,
    entries: &mut Vec<Entry>,
    folders: &mut Vec<String>,
) -> io::Result<()> {
    let listing = match fs::read_dir(root.join(folder)) {
        Ok(listing) => listing,
        // Never there, deleted meanwhile, or an object itself.
        Err(error) if is_absent(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    for found in listing {
        let found = found?;
        // What is not a key was not put here by us.
        let Ok(name) = found.file_name().into_string() else {
            continue;
        };
        let key = if folder.is_empty() {
            name
        } else {
            format!("{folder}/{name}")
        };
        if super::key::check(&key).is_err() {
            continue;
        }
        match found.metadata() {
            Ok(data) if data.is_dir() => folders.push(key),
            Ok(data) if data.is_file() => entries.push(Entry {
                key,
                size: data.len(),
            }),
            Ok(_) => {}
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn found_or_not(done: Result<(), FilesError>) -> Result<(), FilesError> {
    match done {
        Err(FilesError::NotFound) => Ok(()),
        done => done,
    }
}

/// A folder is not an object, though it has a path.
fn object_size(data: &fs::Metadata) -> io::Result<u64> {
    if data.is_file() {
        Ok(data.len())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if is_absent(&error) => Ok(()),
        // A folder is not an object.
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(()),
        done => done,
    }
}

fn remove_empty_parents(path: &Path, root: &Path) {
    for parent in path.ancestors().skip(1) {
        // The system refuses folders that are not empty, which ends this.
        if parent == root || !parent.starts_with(root) || fs::remove_dir(parent).is_err() {
            return;
        }
    }
}

fn copy(mut source: &File, to: &Path) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(to)?;
    io::copy(&mut source, &mut file)?;
    file.sync_all()
}

/// Renames a durable file to its place and makes the name durable.
pub fn place(from: &Path, target: &Path) -> io::Result<()> {
    let folder = target.parent().unwrap_or(target);
    let new_folders = folder
        .ancestors()
        .take_while(|folder| !folder.exists())
        .count();
    let mut attempts = 0;
    loop {
        attempts += 1;
        match fs::create_dir_all(folder).and_then(|()| fs::rename(from, target)) {
            Ok(()) => break,
            Err(error) if attempts < ATTEMPTS && is_removed_meanwhile(&error, from, folder) => {}
            Err(error) => return Err(error),
        }
    }
    // The file's name stands in its folder, the name of a new folder in the one above.
    for folder in folder.ancestors().take(new_folders + 1) {
        match File::open(folder).and_then(|folder| folder.sync_all()) {
            // Deleted again by someone else, which is as durable as it gets.
            Err(error) if is_absent(&error) => {}
            done => done?,
        }
    }
    Ok(())
}

/// Whether a folder was removed as empty between the steps of a placing: before the file came into it, or after it
/// was found there and before that was seen to be a folder.
fn is_removed_meanwhile(error: &io::Error, from: &Path, folder: &Path) -> bool {
    let is_race = match error.kind() {
        io::ErrorKind::NotFound => true,
        io::ErrorKind::AlreadyExists => folder
            .ancestors()
            .all(|part| !part.exists() || part.is_dir()),
        _ => false,
    };
    is_race && from.exists()
}

/// Removes what lies in the folders and was not changed since `older_than`.
pub fn sweep(folders: &[PathBuf], older_than: SystemTime) -> io::Result<usize> {
    let mut count = 0;
    for folder in folders {
        for found in fs::read_dir(folder)? {
            let path = found?.path();
            if last_change(&path).is_none_or(|changed| changed >= older_than) {
                continue;
            }
            let done = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            match done {
                Ok(()) => count += 1,
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(count)
}

/// When anything in a file or folder was last changed; `None` when it is gone.
fn last_change(path: &Path) -> Option<SystemTime> {
    let mut newest = fs::symlink_metadata(path).ok()?.modified().ok()?;
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(listing) = fs::read_dir(&folder) else {
            continue;
        };
        for found in listing.flatten() {
            let Ok(data) = found.metadata() else { continue };
            newest = newest.max(data.modified().ok()?);
            if data.is_dir() {
                folders.push(found.path());
            }
        }
    }
    Some(newest)
}

/// Writes and removes a small file in each folder.
pub fn probe(folders: &[PathBuf]) -> io::Result<()> {
    for folder in folders {
        let path = folder.join(format!("check-{}", Clock::system().random_token()));
        let written = fs::write(&path, b"lyceum");
        let removed = remove_file(&path);
        written.and(removed)?;
    }
    Ok(())
}
