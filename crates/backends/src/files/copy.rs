//! One object copied to another key: the original stays.

use std::pin::pin;

use futures::TryStreamExt as _;

use super::{Files, FilesError};

impl Files {
    /// Copies the object `from` to the key `to`, in place of an older one; returns its size in bytes.
    pub async fn copy(&self, from: &str, to: &str) -> Result<u64, FilesError> {
        let (_, pieces) = self.read(from, None).await?;
        let mut pieces = pin!(pieces);
        let mut copy = self.create(to).await?;
        while let Some(piece) = pieces.try_next().await? {
            copy.write(piece).await?;
        }
        copy.finish().await
    }
}
