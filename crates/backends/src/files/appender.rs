//! Writing behind: bytes are gathered to larger pieces, which one blocking task at a time writes
//! while the next piece is gathered. Memory is bounded by two pieces, and, since few write at once,
//! by little more than one for each of many.

use std::fs::File;
use std::io::{self, Write};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::FilesError;

/// Bytes gathered before they are written.
pub const PIECE_BYTES: usize = 128 * 1024;

/// Pieces that are written at once in this process, in turn: a disk is not faster with more, and each costs a
/// thread and its memory.
static WRITING: Semaphore = Semaphore::const_new(8);

/// Writes to the place where the file stands.
#[derive(Debug)]
pub struct Appender {
    state: State,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    size: u64,
}

#[derive(Debug)]
enum State {
    Idle(File),
    Writing(JoinHandle<(File, io::Result<()>)>),
    Failed,
}

impl Appender {
    /// Writes into `file`, which holds `size` bytes already.
    pub fn new(file: File, size: u64) -> Self {
        Self {
            state: State::Idle(file),
            gathered: Vec::new(),
            gathered_bytes: 0,
            size,
        }
    }

    /// Bytes in the file, those included that are still to be written.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Gathers, and hands a full piece on.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), FilesError> {
        self.size += bytes.len() as u64;
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_bytes >= PIECE_BYTES {
            self.hand_on().await?;
        }
        Ok(())
    }

    /// The file, when all that was taken is written.
    pub async fn finish(mut self) -> Result<File, FilesError> {
        self.hand_on().await?;
        self.settle().await
    }

    /// The file, when the piece under way is written.
    async fn settle(&mut self) -> Result<File, FilesError> {
        // The handle stays in place while it is awaited, so that nothing is lost when this future
        // is dropped.
        if let State::Writing(handle) = &mut self.state {
            let done = handle.await;
            self.state = State::Failed;
            let (file, written) = done.map_err(io::Error::other)?;
            written?;
            self.state = State::Idle(file);
        }
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Idle(file) => Ok(file),
            _ => Err(FilesError::Io(io::Error::other("an earlier write failed"))),
        }
    }

    async fn hand_on(&mut self) -> Result<(), FilesError> {
        // First, so that nothing is lost when this future is dropped while it waits.
        let turn = WRITING.acquire().await.map_err(io::Error::other)?;
        let mut file = self.settle().await?;
        let pieces = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        self.state = State::Writing(tokio::task::spawn_blocking(move || {
            let written = pieces.iter().try_for_each(|piece| file.write_all(piece));
            drop(turn);
            (file, written)
        }));
        Ok(())
    }
}
