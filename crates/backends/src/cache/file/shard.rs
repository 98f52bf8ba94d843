//! The folder and its shards on the disk: opening, locking, reading and writing, nothing that waits
//! for another. All of it blocks, and runs on threads for that.
//!
//! Every path is opened from the folder it lies in, and no link is followed, so that nothing outside
//! of the folder is ever read or written whatever lies in it.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::entry::{self, Entry, HEADER_BYTES, Header, Times};

/// How many shards there are: one for each first byte of a hash.
pub const SHARDS: usize = 256;

const FOLDER_MODE: Mode = Mode::RWXU;
const OTHERS_MAY_WRITE: u32 = 0o022;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const FOLDER_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// What a shard is locked by. It stays for ever, because a lock on a deleted file locks nobody out.
const LOCK: &str = ".lock";

/// Where an entry is written before it takes its name; whoever holds the lock owns it.
const NEW: &str = ".new";

/// How much of a file is read to see its header and name.
const HEAD_BYTES: usize = HEADER_BYTES + 256;

/// What file systems give a file in units of.
const BLOCK: u64 = 4_096;

/// The folder of a cache.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    open: Mutex<Arc<OwnedFd>>,
}

/// One shard, locked against all other processes until it is dropped.
#[derive(Debug)]
pub struct Shard {
    folder: OwnedFd,
    _lock: OwnedFd,
}

/// Where the entry of a name lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Which shard.
    pub shard: usize,
    /// Its file there: the SHA-256 of the name in hexadecimal digits.
    pub file: String,
}

/// What lies in a file.
#[derive(Debug)]
pub enum Found<T> {
    /// There is no such file.
    Nothing,
    /// Something that is no entry of this name.
    Bad,
    /// This.
    Good(T),
}

/// One file of a shard, as far as its beginning tells.
#[derive(Debug)]
pub struct Listed {
    pub file: String,
    /// What it takes on the disk.
    pub bytes: u64,
    /// Name and times; none when it is no entry.
    pub head: Option<(String, Times)>,
}

/// Where the entry of a name lies.
pub fn spot(name: &str) -> Spot {
    let hash = Sha256::digest(name.as_bytes());
    let mut file = String::with_capacity(64);
    for byte in hash {
        for half in [byte >> 4, byte & 15] {
            file.extend(char::from_digit(half.into(), 16));
        }
    }
    Spot {
        shard: hash.first().copied().map_or(0, usize::from),
        file,
    }
}

impl Folder {
    /// Opens the folder, which is made when it is missing, for its owner alone.
    ///
    /// # Errors
    /// Where it cannot be, and where others may write to it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let open = Mutex::new(Arc::new(make(path)?));
        let path = path.to_owned();
        Ok(Self { path, open })
    }

    fn handle(&self) -> Arc<OwnedFd> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&open)
    }

    /// Makes it again when somebody deleted it.
    fn reopen(&self) -> io::Result<Arc<OwnedFd>> {
        let made = Arc::new(make(&self.path)?);
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&made);
        Ok(made)
    }

    /// Locks a shard, which is made when it is missing; none while another process holds it.
    pub fn lock(&self, shard: usize) -> io::Result<Option<Shard>> {
        let folder = self.shard_or_new(shard)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let lock = rustix::fs::openat(&folder, LOCK, flags | OFlags::CLOEXEC, FILE_MODE)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Shard {
                folder,
                _lock: lock,
            })),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn shard_or_new(&self, shard: usize) -> io::Result<OwnedFd> {
        let name = format!("{shard:02x}");
        let mut folder = self.handle();
        // A few times, for others may take away what was just made.
        for _ in 0..3 {
            match open_shard(&folder, &name) {
                Ok(opened) => return Ok(opened),
                Err(Errno::NOENT) => {}
                // A link or a file in the place of a shard is nobody's.
                Err(Errno::LOOP | Errno::NOTDIR) => {
                    rustix::fs::unlinkat(&*folder, &name, AtFlags::empty())?;
                }
                Err(error) => return Err(error.into()),
            }
            match rustix::fs::mkdirat(&*folder, &name, FOLDER_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(Errno::NOENT) => folder = self.reopen()?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// Reads the entry of a name without a lock: what is there is whole, for entries take their
    /// place by being renamed.
    pub fn read(&self, name: &str, most: u64) -> io::Result<Found<Entry>> {
        let spot = spot(name);
        let shard = format!("{:02x}", spot.shard);
        let folder = self.handle();
        match open_shard(&folder, &shard) {
            Ok(opened) => read(&opened, &spot.file, name, most),
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => Ok(Found::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    /// How many entries there are, and what they take on the disk in bytes, without a lock.
    pub fn measure(&self) -> io::Result<(u64, u64)> {
        let folder = self.handle();
        let (mut entries, mut bytes) = (0, 0);
        for shard in 0..SHARDS {
            let name = format!("{shard:02x}");
            let Ok(opened) = open_shard(&folder, &name) else {
                continue;
            };
            let files = files(&opened)?.into_iter();
            let sizes = files.filter_map(|file| size(&opened, &file));
            let sizes: Vec<u64> = sizes.collect();
            entries += u64::try_from(sizes.len()).unwrap_or(u64::MAX);
            bytes += sizes.iter().sum::<u64>();
        }
        Ok((entries, bytes))
    }
}

impl Shard {
    /// Reads the entry of a name.
    pub fn read(&self, file: &str, name: &str, most: u64) -> io::Result<Found<Entry>> {
        read(&self.folder, file, name, most)
    }

    /// Writes an entry, in the place of the one before.
    pub fn write(&self, file: &str, entry: &Entry) -> io::Result<()> {
        // Left by one that was killed, whatever it is.
        remove(&self.folder, NEW)?;
        let written = self.write_new(entry).and_then(|()| {
            let rename = || rustix::fs::renameat(&self.folder, NEW, &self.folder, file);
            match rename() {
                Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => {
                    remove(&self.folder, file)?;
                    Ok(rename()?)
                }
                renamed => Ok(renamed?),
            }
        });
        if written.is_err() {
            // What cannot be removed either is removed by the next one that writes.
            let _ = remove(&self.folder, NEW);
        }
        written
    }

    fn write_new(&self, entry: &Entry) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let new = rustix::fs::openat(&self.folder, NEW, flags | OFlags::CLOEXEC, FILE_MODE)?;
        let mut new = File::from(new);
        new.write_all(&entry::head(entry.times, &entry.name, &entry.value))?;
        new.write_all(&entry.value)
    }

    /// Deletes a file; says whether there was one.
    pub fn delete(&self, file: &str) -> io::Result<bool> {
        remove(&self.folder, file)
    }

    /// Every file that has the name of an entry, and takes away what one that was killed left.
    pub fn list(&self) -> io::Result<Vec<Listed>> {
        remove(&self.folder, NEW)?;
        let files = files(&self.folder)?.into_iter();
        let listed = files.filter_map(|file| match look(&self.folder, &file) {
            Ok(Found::Nothing) => None,
            Ok(Found::Good((bytes, head))) => Some(Ok(Listed { file, bytes, head })),
            Ok(Found::Bad) => Some(Ok(Listed {
                file,
                bytes: 0,
                head: None,
            })),
            Err(error) => Some(Err(error)),
        });
        listed.collect()
    }

    /// When the entry in a file was stored and ends, if it is one.
    pub fn times(&self, file: &str) -> io::Result<Option<Times>> {
        Ok(match look(&self.folder, file)? {
            Found::Good((_, Some((_, times)))) => Some(times),
            _ => None,
        })
    }
}

/// Opens the folder, which is made when it is missing. One that others may write to is refused: who plants an
/// entry there would have it taken for one of ours.
fn make(path: &Path) -> io::Result<OwnedFd> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let opened = match rustix::fs::open(path, FOLDER_FLAGS, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::LOOP | Errno::NOTDIR) => {
            return Err(refused("it is a link; name the folder to which it leads"));
        }
        Err(error) => return Err(error.into()),
    };
    let about = rustix::fs::fstat(&opened)?;
    if !is_ours(&about) {
        return Err(refused(
            "it belongs to another account than the one that this program runs as",
        ));
    }
    if about.st_mode & OTHERS_MAY_WRITE != 0 {
        return Err(refused(
            "other accounts may write to it; `chmod 700` keeps them out",
        ));
    }
    Ok(opened)
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

/// Whether it belongs to the account that this process runs as.
fn is_ours(about: &Stat) -> bool {
    about.st_uid == rustix::process::geteuid().as_raw()
}

/// Opens a shard; none that another account made.
fn open_shard(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let opened = rustix::fs::openat(folder, name, FOLDER_FLAGS, Mode::empty())?;
    if is_ours(&rustix::fs::fstat(&opened)?) {
        Ok(opened)
    } else {
        Err(Errno::PERM)
    }
}

/// The files of a shard that have the name of an entry.
fn files(shard: &OwnedFd) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    for item in Dir::read_from(shard)? {
        let Ok(name) = item?.file_name().to_owned().into_string() else {
            continue;
        };
        if name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            files.push(name);
        }
    }
    Ok(files)
}

/// Opens a plain file of a shard and tells its size; anything else is bad.
fn open(shard: &OwnedFd, file: &str) -> io::Result<Found<(File, u64)>> {
    // Without waiting, as opening a pipe would.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(shard, file, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Ok(Found::Nothing),
        Err(Errno::LOOP | Errno::NXIO | Errno::ACCESS | Errno::ISDIR) => return Ok(Found::Bad),
        Err(error) => return Err(error.into()),
    };
    let about = rustix::fs::fstat(&opened)?;
    let is_file = FileType::from_raw_mode(about.st_mode) == FileType::RegularFile;
    if !is_file || !is_ours(&about) {
        return Ok(Found::Bad);
    }
    let bytes = u64::try_from(about.st_size).unwrap_or(u64::MAX);
    Ok(Found::Good((File::from(opened), bytes)))
}

fn read(shard: &OwnedFd, file: &str, name: &str, most: u64) -> io::Result<Found<Entry>> {
    let (opened, bytes) = match open(shard, file)? {
        Found::Good(opened) => opened,
        Found::Nothing => return Ok(Found::Nothing),
        Found::Bad => return Ok(Found::Bad),
    };
    if bytes > most {
        return Ok(Found::Bad);
    }
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    opened.take(bytes).read_to_end(&mut content)?;
    Ok(match entry::entry(content) {
        Some(entry) if entry.name == name => Found::Good(entry),
        _ => Found::Bad,
    })
}

/// What a file takes on the disk, and its name and times if it is an entry.
type Look = (u64, Option<(String, Times)>);

fn look(shard: &OwnedFd, file: &str) -> io::Result<Found<Look>> {
    let (opened, bytes) = match open(shard, file)? {
        Found::Good(opened) => opened,
        Found::Nothing => return Ok(Found::Nothing),
        Found::Bad => return Ok(Found::Bad),
    };
    let mut head = Vec::with_capacity(HEAD_BYTES);
    let most = u64::try_from(HEAD_BYTES).unwrap_or(u64::MAX);
    opened.take(most).read_to_end(&mut head)?;
    let named = |header: Header| {
        let name = entry::name(header, &head).filter(|name| spot(name).file == file);
        name.map(|name| (name.to_owned(), header.times))
    };
    let head = entry::header(&head, bytes).and_then(named);
    Ok(Found::Good((on_disk(bytes), head)))
}

/// What a file takes on the disk, if it is there.
fn size(shard: &OwnedFd, file: &str) -> Option<u64> {
    let about = rustix::fs::statat(shard, file, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(on_disk(u64::try_from(about.st_size).unwrap_or(0)))
}

fn on_disk(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK).max(1).saturating_mul(BLOCK)
}

/// Removes a file, a link (not what it points to) or an empty folder; says whether there was one.
fn remove(shard: &OwnedFd, file: &str) -> io::Result<bool> {
    match rustix::fs::unlinkat(shard, file, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(Errno::ISDIR | Errno::PERM) => {
            rustix::fs::unlinkat(shard, file, AtFlags::REMOVEDIR)?;
            Ok(true)
        }
        Err(error) => Err(error.into()),
    }
}
