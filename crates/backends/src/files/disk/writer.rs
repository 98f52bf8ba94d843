//! Writing an object on disk: it becomes visible under its key when it is whole and durable.

use std::fs::File;
use std::path::PathBuf;

use bytes::Bytes;

use super::{blocking, place};
use crate::files::FilesError;
use crate::files::appender::Appender;

/// See [`crate::files::FileWriter`].
#[derive(Debug)]
pub struct DiskWriter {
    appender: Appender,
    temporary: Temporary,
    target: PathBuf,
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
            appender: Appender::new(file, 0),
            temporary: Temporary(Some(temporary)),
            target,
        }
    }

    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.appender.size()
    }

    /// Gathers, and hands a full piece on.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), FilesError> {
        self.appender.write(bytes).await
    }

    /// Writes the rest, makes it durable and visible.
    pub async fn finish(self) -> Result<u64, FilesError> {
        let size = self.appender.size();
        let file = self.appender.finish().await?;
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
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::appender::PIECE_BYTES;

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
