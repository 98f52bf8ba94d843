//! Tar archives, part by part, each counted and summed on its way. It blocks.

use super::BackupError;
use super::manifest::{Manifest, Part, part};
use backends::clock::Clock;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

const BUFFER_BYTES: usize = 1 << 20;

/// More is no manifest of ours.
const LARGEST_MANIFEST: u64 = 1 << 30;

/// Reads through, and counts and sums what was read.
pub(super) struct Summed<R> {
    inner: R,
    size: u64,
    sum: Sha256,
}

impl<R: Read> Summed<R> {
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            size: 0,
            sum: Sha256::new(),
        }
    }

    pub fn part(self) -> Part {
        Part {
            size: self.size,
            sha256: hex(&self.sum.finalize()),
            is_wanted: true,
        }
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.size += count as u64;
        self.sum.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Reads until the process is asked to stop.
struct Stoppable<'a, R> {
    inner: R,
    stopping: &'a CancellationToken,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stopping.is_cancelled() {
            return Err(io::Error::other("the program was stopped"));
        }
        self.inner.read(buffer)
    }
}

/// An archive that is being made, beside the name that it gets when it is whole.
pub(super) struct Writer {
    stopping: CancellationToken,
    tar: tar::Builder<BufWriter<File>>,
    path: PathBuf,
    beside: Beside,
    pub parts: BTreeMap<String, Part>,
}

/// A half-made archive, removed unless it became whole.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        // Once it is whole it has another name.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Writer {
    /// Begins one; only its owner may read it, since it holds the site's secret. Once it is to stop it takes nothing more.
    pub fn create(path: &Path, stopping: &CancellationToken) -> Result<Self, BackupError> {
        if path.exists() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        // One that a killed process left is in nobody's way.
        name.push(format!(".{}.part", Clock::system().random_token()));
        let beside = Beside(path.with_file_name(name));
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600);
        let file = file.open(&beside.0).map_err(at(path))?;
        Ok(Self {
            stopping: stopping.clone(),
            tar: tar::Builder::new(BufWriter::with_capacity(BUFFER_BYTES, file)),
            path: path.to_owned(),
            beside,
            parts: BTreeMap::new(),
        })
    }

    /// Adds a part that is read from a file.
    pub fn add_file(&mut self, name: String, file: File) -> Result<(), BackupError> {
        let size = file.metadata().map_err(at(&self.path))?.len();
        self.add(name, BufReader::with_capacity(BUFFER_BYTES, file), size)
    }

    /// Adds a part of so many bytes.
    pub fn add(&mut self, name: String, bytes: impl Read, size: u64) -> Result<(), BackupError> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_entry_type(tar::EntryType::Regular);
        let mut bytes = Summed::new(Stoppable {
            inner: bytes.take(size),
            stopping: &self.stopping,
        });
        let added = self.tar.append_data(&mut header, &name, &mut bytes);
        if self.stopping.is_cancelled() {
            return Err(BackupError::Stopped);
        }
        added.map_err(at(&self.path))?;
        let part = bytes.part();
        if part.size != size {
            let error = io::Error::other(format!("{name} became shorter while it was read"));
            return Err(at(&self.path)(error));
        }
        self.parts.insert(name, part);
        Ok(())
    }

    /// Adds the manifest, and gives the archive its name once it is on the disk.
    pub fn finish(mut self, manifest: &Manifest) -> Result<u64, BackupError> {
        let text = serde_json::to_vec(manifest)
            .map_err(|error| at(&self.path)(io::Error::other(error)))?;
        self.add(
            part::MANIFEST.to_owned(),
            text.as_slice(),
            text.len() as u64,
        )?;
        let path = self.path;
        let file = self.tar.into_inner().map_err(at(&path))?;
        let file = file
            .into_inner()
            .map_err(|error| at(&path)(error.into_error()))?;
        file.sync_all().map_err(at(&path))?;
        let size = file.metadata().map_err(at(&path))?.len();
        take_name(&self.beside.0, &path)?;
        Ok(size)
    }
}

/// Gives an archive its name, and takes nobody's: an empty file claims the name first, and the archive takes the place of
/// that. A hard link would do so in one step, but USB sticks and shares of a network have none.
fn take_name(beside: &Path, path: &Path) -> Result<(), BackupError> {
    match File::create_new(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BackupError::Exists(path.to_owned()));
        }
        Err(error) => return Err(at(path)(error)),
    }
    if let Err(error) = std::fs::rename(beside, path) {
        // The claim is ours, and nothing stands in it.
        let _ = std::fs::remove_file(path);
        return Err(at(path)(error));
    }
    // The name lasts through a loss of power, too, where folders can be synced; the bytes do so already.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new(".")));
    let _ = folder.and_then(|folder| folder.sync_all());
    Ok(())
}

/// Goes through the parts of an archive; `take` reads each to its end, or does not.
pub(super) fn walk(
    path: &Path,
    mut take: impl FnMut(&str, &mut Summed<&mut dyn Read>) -> Result<(), BackupError>,
) -> Result<BTreeMap<String, Part>, BackupError> {
    let file = File::open(path).map_err(at(path))?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(BUFFER_BYTES, file));
    let mut parts = BTreeMap::new();
    let mut last = None;
    for entry in archive.entries().map_err(at(path))? {
        let mut entry = entry.map_err(|error| cut_short(last.as_deref(), &error))?;
        let name = name_of(&entry)?;
        let expected = entry.size();
        let mut summed: Summed<&mut dyn Read> = Summed::new(&mut entry);
        take(&name, &mut summed)?;
        // What nobody wanted is summed all the same.
        io::copy(&mut summed, &mut io::sink()).map_err(|error| cut_short(Some(&name), &error))?;
        let part = summed.part();
        if part.size != expected {
            return Err(BackupError::Damaged(format!("it ends within {name}")));
        }
        if parts.insert(name.clone(), part).is_some() {
            return Err(BackupError::Damaged(format!("{name} is in it twice")));
        }
        last = Some(name);
    }
    Ok(parts)
}

/// The manifest, after every other part was compared with it.
pub(super) fn verify(path: &Path) -> Result<Manifest, BackupError> {
    verify_and(path, |_, _| Ok(()))
}

/// The same, with a look at the other parts on the way: `take` reads each to its end, or does not. Nothing of what it reads
/// counts before all was compared.
pub(super) fn verify_and(
    path: &Path,
    mut take: impl FnMut(&str, &mut Summed<&mut dyn Read>) -> Result<(), BackupError>,
) -> Result<Manifest, BackupError> {
    let mut text = Vec::new();
    let mut last = String::new();
    let mut found = walk(path, |name, bytes| {
        name.clone_into(&mut last);
        if name == part::MANIFEST {
            let mut bytes = bytes.take(LARGEST_MANIFEST);
            bytes.read_to_end(&mut text).map_err(at(path))?;
            return Ok(());
        }
        take(name, bytes)
    })?;
    if found.remove(part::MANIFEST).is_none() {
        let words = if last.is_empty() {
            "it is not a backup of Lyceum".to_owned()
        } else {
            format!("it was cut short after {last}: its manifest is missing")
        };
        return Err(BackupError::Damaged(words));
    }
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| BackupError::Damaged(format!("its manifest cannot be read: {error}")))?;
    for (name, expected) in &manifest.parts {
        match found.remove(name) {
            None => return Err(BackupError::Damaged(format!("{name} is missing"))),
            Some(part) if part.size != expected.size || part.sha256 != expected.sha256 => {
                return Err(BackupError::Damaged(format!(
                    "{name} holds other bytes than were written"
                )));
            }
            Some(_) => {}
        }
    }
    match found.into_keys().next() {
        Some(name) => Err(BackupError::Damaged(format!(
            "{name} does not belong to it"
        ))),
        None => Ok(manifest),
    }
}

/// The name of a part: of a plain file, and written as we write names. What a name leads to is for who takes the part.
fn name_of<R: Read>(entry: &tar::Entry<'_, R>) -> Result<String, BackupError> {
    let name = entry.path_bytes();
    let name = String::from_utf8_lossy(&name).into_owned();
    let is_plain = entry.header().entry_type().is_file()
        && !name.starts_with('/')
        && name
            .split('/')
            .all(|piece| !piece.is_empty() && piece != "." && piece != "..");
    if is_plain {
        Ok(name)
    } else {
        Err(BackupError::Damaged(format!(
            "{name:?} is no part of a backup"
        )))
    }
}

fn cut_short(last: Option<&str>, error: &io::Error) -> BackupError {
    let words = match last {
        Some(last) => format!("it was cut short or damaged at {last} ({error})"),
        None => format!("it is not a backup of Lyceum ({error})"),
    };
    BackupError::Damaged(words)
}

/// A fault of the archive's own file.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |error| BackupError::Archive {
        path: path.clone(),
        error,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_takes_a_free_name_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let [beside, path] = ["whole.part", "whole.tar"].map(|name| folder.path().join(name));
        std::fs::write(&beside, "whole").unwrap();
        take_name(&beside, &path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole");
        assert!(!beside.exists());
        // Somebody else made a file of this name while the archive was written.
        std::fs::write(&beside, "another").unwrap();
        let refused = take_name(&beside, &path);
        assert!(matches!(refused, Err(BackupError::Exists(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole");
    }

    #[test]
    fn an_archive_that_cannot_have_its_name_leaves_none() {
        let folder = tempfile::tempdir().unwrap();
        let [gone, path] = ["gone.part", "whole.tar"].map(|name| folder.path().join(name));
        assert!(take_name(&gone, &path).is_err());
        assert!(!path.exists());
    }
}
