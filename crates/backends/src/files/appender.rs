//! Writing behind: bytes are gathered to larger pieces, which one blocking task at a time writes
//! while the next piece is gathered. Memory is bounded by two pieces.
//!
//! What comes is copied, although it need not be: a few kilobytes that were kept would hold the whole
//! buffer of the connection that they came in, and each connection would need a new one for every read.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::FilesError;

/// Bytes gathered before they are written.
pub const PIECE_BYTES: usize = 64 * 1024;

/// Pieces that are written at once in this process, in turn: a disk is not faster with more, and each costs a
/// thread and its memory.
static WRITING: Semaphore = Semaphore::const_new(8);

/// Writes to the place where the file stands.
#[derive(Debug)]
pub struct Appender {
    state: State,
    /// Taken and not yet gathered: left of a call that was dropped while it waited.
    taken: VecDeque<Bytes>,
    gathered: Vec<u8>,
    /// A piece that was written, to be filled again.
    spare: Vec<u8>,
    size: u64,
}

#[derive(Debug)]
enum State {
    Idle(File),
    Writing(JoinHandle<(File, Vec<u8>, io::Result<()>)>),
    Failed,
}

impl Appender {
    /// Writes into `file`, which holds `size` bytes already.
    pub fn new(file: File, size: u64) -> Self {
        Self {
            state: State::Idle(file),
            taken: VecDeque::new(),
            gathered: Vec::new(),
            spare: Vec::new(),
            size,
        }
    }

    /// Bytes in the file, those included that are still to be written.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Gathers, and hands full pieces on. Nothing is lost when the future is dropped.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), FilesError> {
        self.size += bytes.len() as u64;
        self.taken.push_back(bytes);
        self.gather().await
    }

    async fn gather(&mut self) -> Result<(), FilesError> {
        while let Some(bytes) = self.taken.front_mut() {
            if self.gathered.capacity() == 0 {
                self.gathered = std::mem::take(&mut self.spare);
                self.gathered.reserve_exact(PIECE_BYTES);
            }
            let room = PIECE_BYTES - self.gathered.len();
            let fitting = bytes.split_to(room.min(bytes.len()));
            self.gathered.extend_from_slice(&fitting);
            if bytes.is_empty() {
                self.taken.pop_front();
            }
            if self.gathered.len() == PIECE_BYTES {
                self.hand_on().await?;
            }
        }
        Ok(())
    }

    /// The file, when all that was taken is written.
    pub async fn finish(mut self) -> Result<File, FilesError> {
        self.gather().await?;
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
            let (file, mut piece, written) = done.map_err(io::Error::other)?;
            written?;
            piece.clear();
            self.spare = piece;
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
        let piece = std::mem::take(&mut self.gathered);
        self.state = State::Writing(tokio::task::spawn_blocking(move || {
            let written = file.write_all(&piece);
            drop(turn);
            (file, piece, written)
        }));
        Ok(())
    }
}
