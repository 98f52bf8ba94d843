//! The end of a growing object: its parts are put together.

use super::super::manifest::Manifest;
use super::S3Partial;
use crate::files::FilesError;

impl S3Partial {
    /// Makes it the object that it was to be.
    pub async fn promote(mut self: Box<Self>) -> Result<u64, FilesError> {
        let size = self.size;
        if self.manifest.upload.is_none() && self.sending.is_none() {
            self.load_tail().await?;
            // Nobody else may make something else of it from here on.
            self.commit(self.manifest.clone()).await?;
            let whole = self.spool.take().await?;
            let path = self.store.path(&self.manifest.key);
            self.store.put_whole(&path, whole).await?;
        } else {
            self.put_together().await?;
        }
        let done = Manifest {
            upload: None,
            is_sealed: false,
            holder: None,
            ..self.manifest.clone()
        };
        self.manifest.holder = None;
        self.store.remove(&self.name, &done).await?;
        Ok(size)
    }

    /// Puts the parts together, so that they can be read.
    pub(super) async fn seal(&mut self) -> Result<(), FilesError> {
        if self.manifest.is_sealed || self.manifest.upload.is_none() {
            return Ok(());
        }
        self.put_together().await?;
        let change = Manifest {
            is_sealed: true,
            before: None,
            holder: None,
            ..self.manifest.clone()
        };
        self.commit_and_tidy(change).await
    }

    /// Sends the rest as the last part, writes that down, and makes an object of all.
    async fn put_together(&mut self) -> Result<(), FilesError> {
        if self.manifest.is_sealed {
            return Ok(());
        }
        self.load_tail().await?;
        if self.spool.size() > 0 {
            self.send().await?;
        }
        self.settle().await?;
        let parts = self.arrived();
        let change = Manifest {
            head: self.head_of(&parts),
            parts,
            tail: None,
            before: None,
            next_number: self.next_number,
            ..self.manifest.clone()
        };
        self.commit_and_tidy(change).await?;
        self.sending = None;
        let Some(id) = self.manifest.upload.clone() else {
            return Err(FilesError::NotFound);
        };
        let path = self.store.path(&self.manifest.key);
        let done = self.store.complete(&path, &id, &self.manifest.parts).await;
        self.unless_lost(done).await
    }
}
