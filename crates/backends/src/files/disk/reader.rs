//! Reading an object from disk as a stream. What the system has in memory is taken at once, without
//! the detour over another thread; of the rest, while one piece is on its way to the reader, the next
//! is read. Buffers are used again, since fresh memory of this size costs as much as the copy.

use std::fs::File;
use std::io::IoSliceMut;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::Stream;
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::task::JoinHandle;

use crate::files::FilesError;

/// Largest piece, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// Buffers kept for the next readers: 4 MB.
const KEPT_BUFFERS: usize = 16;

static BUFFERS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer that goes back to the others when the last reader of its bytes is done.
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    fn take() -> Self {
        let kept = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self {
            bytes: kept.unwrap_or_else(|| vec![0; PIECE_BYTES]),
            filled: 0,
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut kept = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_BUFFERS {
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

type Piece = JoinHandle<std::io::Result<Bytes>>;

/// What is left to be given.
struct Reading {
    file: Arc<File>,
    range: Range<u64>,
    /// The next piece, which is being read from the disk.
    ahead: Option<Piece>,
}

/// The bytes of `range`, which must lie within the file.
pub fn stream(
    file: File,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, FilesError>> + Send + use<> {
    let reading = Reading {
        file: Arc::new(file),
        range,
        ahead: None,
    };
    futures::stream::try_unfold(reading, |mut reading| async move {
        let bytes = reading.next().await?;
        Ok(bytes.map(|bytes| (bytes, reading)))
    })
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, FilesError> {
        if self.range.is_empty() {
            return Ok(None);
        }
        if self.ahead.is_none()
            && let Some(bytes) = at_hand(&self.file, &self.range)
        {
            self.range.start += bytes.len() as u64;
            return Ok(Some(bytes));
        }
        // One piece that is not at hand, and the others will not be either.
        let piece = self.ahead.take();
        let piece = piece.unwrap_or_else(|| start(&self.file, &self.range));
        let bytes = piece.await.map_err(std::io::Error::other)??;
        self.range.start += bytes.len() as u64;
        if !self.range.is_empty() {
            self.ahead = Some(start(&self.file, &self.range));
        }
        Ok(Some(bytes))
    }
}

fn piece_bytes(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start)
        .unwrap_or(usize::MAX)
        .min(PIECE_BYTES)
}

/// The beginning of `range` as far as the system has it in memory (`RWF_NOWAIT`, preadv2(2)); `None` when it
/// would have to wait for the disk, and on file systems that cannot tell.
fn at_hand(file: &File, range: &Range<u64>) -> Option<Bytes> {
    let mut buffer = Buffer::take();
    let space = buffer.bytes.get_mut(..piece_bytes(range))?;
    let mut spaces = [IoSliceMut::new(space)];
    let count = preadv2(file, &mut spaces, range.start, ReadWriteFlags::NOWAIT).ok()?;
    buffer.filled = count;
    (count > 0).then(|| Bytes::from_owner(buffer))
}

/// Begins to read the first piece of `range`.
fn start(file: &Arc<File>, range: &Range<u64>) -> Piece {
    let file = Arc::clone(file);
    let wanted = piece_bytes(range);
    let offset = range.start;
    tokio::task::spawn_blocking(move || {
        let mut buffer = Buffer::take();
        if let Some(space) = buffer.bytes.get_mut(..wanted) {
            // A file cut short meanwhile is an error: the reader was promised these bytes.
            file.read_exact_at(space, offset)?;
            buffer.filled = wanted;
        }
        Ok(Bytes::from_owner(buffer))
    })
}
