//! Bytes on their way to the store, gathered to parts in a file on this machine, so that memory stays
//! flat however many uploads there are. The file has no name: nothing stays behind.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::clock::Clock;
use crate::files::FilesError;
use crate::files::appender::Appender;
use crate::files::disk::blocking;

/// Bytes gathered for the next part.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    /// Made with the first byte.
    appender: Option<Appender>,
}

/// Bytes in a file of this machine.
#[derive(Debug)]
pub struct Gathered {
    file: Option<File>,
    start: u64,
    /// How much it is.
    pub size: u64,
}

impl Spool {
    /// Gathers in a file of this folder.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            appender: None,
        }
    }

    /// Bytes gathered.
    pub fn size(&self) -> u64 {
        self.appender.as_ref().map_or(0, Appender::size)
    }

    /// Adds bytes.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), FilesError> {
        if self.appender.is_none() {
            let folder = self.folder.clone();
            let file = blocking(move || nameless(&folder)).await?;
            self.appender = Some(Appender::new(file, 0));
        }
        match &mut self.appender {
            Some(appender) => appender.write(bytes).await,
            None => Err(FilesError::Io(io::Error::other("no file to gather in"))),
        }
    }

    /// What was gathered; gathering begins anew.
    pub async fn take(&mut self) -> Result<Gathered, FilesError> {
        let size = self.size();
        let file = match self.appender.take() {
            Some(appender) => Some(appender.finish().await?),
            None => None,
        };
        Ok(Gathered {
            file,
            start: 0,
            size,
        })
    }

    /// Goes on gathering after this.
    pub fn put_back(&mut self, gathered: Gathered) {
        self.appender = gathered.file.map(|file| Appender::new(file, gathered.size));
    }

    /// Forgets what was gathered.
    pub fn clear(&mut self) {
        self.appender = None;
    }
}

impl Gathered {
    /// A piece of a file, of `size` bytes from `start` on.
    pub fn piece_of(file: &File, start: u64, size: u64) -> Result<Self, FilesError> {
        Ok(Self {
            file: Some(file.try_clone()?),
            start,
            size,
        })
    }

    /// The bytes from `offset` on, `most` of them at most.
    pub async fn bytes(self, offset: u64, most: usize) -> Result<(Self, Bytes), FilesError> {
        let Self { file, start, size } = self;
        let wanted = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = wanted.min(most);
        let Some(file) = file else {
            let file = None;
            return Ok((Self { file, start, size }, Bytes::new()));
        };
        blocking(move || {
            let mut bytes = vec![0; wanted];
            file.read_exact_at(&mut bytes, start + offset)?;
            let file = Some(file);
            Ok((Self { file, start, size }, Bytes::from(bytes)))
        })
        .await
    }

    /// All of them.
    pub async fn all(self) -> Result<(Self, Bytes), FilesError> {
        self.bytes(0, usize::MAX).await
    }
}

fn nameless(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!("part-{}", Clock::system().random_token()));
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
