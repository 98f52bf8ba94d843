//! Writing an object on disk: bytes are gathered to larger pieces, which one blocking task at a
//! time writes while the next piece is gathered. Memory per writer is bounded by two pieces.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::FilesError;
use super::disk::{blocking, place};

/// Bytes gathered before they are written.
const PIECE_BYTES: usize = 256 * 1024;

/// See [`super::FileWriter`].
#[derive(Debug)]
pub struct DiskWriter {
    state: State,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    size: u64,
    temporary: Temporary,
    target: PathBuf,
}

#[derive(Debug)]
enum State {
    Idle(File),
    Writing(JoinHandle<(File, io::Result<()>)>),
    Failed,
}

/// A file that is removed unless it was put in its place.
#[derive(Debug)]
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // What cannot be removed now is swept later.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl DiskWriter {
    /// Writes into `file`, whose path is `temporary` and will be `target`.
    pub fn new(file: File, temporary: PathBuf, target: PathBuf) -> Self {
        Self {
            state: State::Idle(file),
            gathered: Vec::new(),
            gathered_bytes: 0,
            size: 0,
            temporary: Temporary(Some(temporary)),
            target,
        }
    }

    /// Bytes taken so far.
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
        let mut file = self.settle().await?;
        let pieces = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        self.state = State::Writing(tokio::task::spawn_blocking(move || {
            let written = pieces.iter().try_for_each(|piece| file.write_all(piece));
            (file, written)
        }));
        Ok(())
    }

    /// Writes the rest, makes it durable and visible.
    pub async fn finish(mut self) -> Result<u64, FilesError> {
        self.hand_on().await?;
        let file = self.settle().await?;
        let (mut temporary, target) = (self.temporary, self.target);
        blocking(move || {
            file.sync_all()?;
            if let Some(path) = &temporary.0 {
                place(path, &target)?;
            }
            temporary.0.take();
            Ok(())
        })
        .await?;
        Ok(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device on which every write fails for want of space.
    async fn writer_on_a_full_disk(temporary: PathBuf, target: PathBuf) -> DiskWriter {
        let file = blocking(|| File::options().write(true).open("/dev/full"));
        DiskWriter::new(file.await.expect("a Linux device"), temporary, target)
    }

    #[tokio::test]
    async fn a_full_disk_is_told_apart_and_nothing_half_written_is_put_in_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let (temporary, target) = (folder.path().join("part"), folder.path().join("whole"));
        std::fs::write(&temporary, "").expect("a file");
        let mut writer = writer_on_a_full_disk(temporary.clone(), target.clone()).await;
        // Gathered, and not yet written.
        writer.write(Bytes::from_static(b"x")).await.expect("taken");
        assert!(matches!(writer.finish().await, Err(FilesError::Full)));
        assert!(!target.exists() && !temporary.exists());
    }

    #[tokio::test]
    async fn a_full_disk_stops_a_long_upload_in_the_middle() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer =
            writer_on_a_full_disk(folder.path().join("part"), folder.path().join("whole")).await;
        let piece = Bytes::from(vec![0; PIECE_BYTES]);
        writer.write(piece.clone()).await.expect("handed on");
        assert!(matches!(
            writer.write(piece.clone()).await,
            Err(FilesError::Full)
        ));
        assert!(
            writer.write(piece).await.is_err(),
            "bytes are missing: it must never succeed again"
        );
        assert!(writer.finish().await.is_err());
    }
}
