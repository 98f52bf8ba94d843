//! Reading an object from disk as a stream: while one piece is on its way to the reader, the next
//! is read. Buffers are used again, since fresh memory of this size costs as much as the copy.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::Stream;
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

/// The bytes of `range`, which must lie within the file.
pub fn stream(
    file: File,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, FilesError>> + Send + use<> {
    let file = Arc::new(file);
    let first = (!range.is_empty()).then(|| start(&file, &range));
    futures::stream::try_unfold((first, range), move |(piece, mut range)| {
        let file = Arc::clone(&file);
        async move {
            let Some(piece) = piece else { return Ok(None) };
            let bytes = piece.await.map_err(std::io::Error::other)??;
            range.start += bytes.len() as u64;
            let next = (!range.is_empty()).then(|| start(&file, &range));
            Ok(Some((bytes, (next, range))))
        }
    })
}

/// Begins to read the first piece of `range`.
fn start(file: &Arc<File>, range: &Range<u64>) -> Piece {
    let file = Arc::clone(file);
    let wanted = usize::try_from(range.end - range.start)
        .unwrap_or(usize::MAX)
        .min(PIECE_BYTES);
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
