//! Writing an object: one request when it is small, several parts when it is not. It becomes visible when
//! it is whole.

use bytes::Bytes;
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;

use super::parts::{Sending, part_bytes};
use super::spool::{Gathered, Spool};
use super::{Begun, S3, told};
use crate::files::FilesError;

/// See [`crate::files::FileWriter`].
#[derive(Debug)]
pub struct S3Writer {
    store: S3,
    path: Path,
    spool: Spool,
    upload: Option<Upload>,
    size: u64,
}

/// An upload of several parts; ended at the store when it is dropped unfinished.
#[derive(Debug)]
pub struct Upload {
    store: S3,
    sending: Option<Sending>,
    /// Spared by sweeping for as long.
    _begun: Begun,
}

impl Upload {
    /// Begins one.
    pub async fn begin(store: &S3, path: &Path) -> Result<Self, FilesError> {
        let id = store.0.client.create_multipart(path).await.map_err(told)?;
        Ok(Self {
            store: store.clone(),
            _begun: store.begun(&id),
            sending: Some(Sending::new(store.clone(), path.clone(), id)),
        })
    }

    /// Sends the next part.
    pub async fn send(&mut self, bytes: Gathered) -> Result<(), FilesError> {
        let Some(sending) = &mut self.sending else {
            return Err(FilesError::NotFound);
        };
        let number = u32::try_from(sending.count() + 1).unwrap_or(u32::MAX);
        sending.send(number, bytes).await
    }

    /// Puts the parts together.
    pub async fn finish(mut self) -> Result<(), FilesError> {
        let Some(sending) = &mut self.sending else {
            return Err(FilesError::NotFound);
        };
        sending.settle().await?;
        let (path, id) = (sending.path().clone(), sending.id().to_owned());
        let done = self.store.complete(&path, &id, sending.done()).await;
        if done.is_ok() {
            self.sending = None;
        }
        done
    }

    fn count(&self) -> usize {
        self.sending.as_ref().map_or(0, Sending::count)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let (Some(sending), Ok(runtime)) =
            (self.sending.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let store = self.store.clone();
        runtime.spawn(async move {
            // What cannot be ended now is swept later.
            store.abort(sending.path(), sending.id()).await;
        });
    }
}

impl S3Writer {
    /// Begins an object; nothing is sent yet.
    pub fn new(store: S3, path: Path) -> Self {
        Self {
            spool: Spool::new(&store.0.work),
            store,
            path,
            upload: None,
            size: 0,
        }
    }

    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Gathers, and sends full parts.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), FilesError> {
        self.size += bytes.len() as u64;
        loop {
            let sent = self.upload.as_ref().map_or(0, Upload::count);
            let room = part_bytes(sent).saturating_sub(self.spool.size());
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            if bytes.len() <= room {
                return self.spool.write(bytes).await;
            }
            self.spool.write(bytes.split_to(room)).await?;
            self.send().await?;
        }
    }

    async fn send(&mut self) -> Result<(), FilesError> {
        let gathered = self.spool.take().await?;
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => self
                .upload
                .insert(Upload::begin(&self.store, &self.path).await?),
        };
        upload.send(gathered).await
    }

    /// Sends the rest, and makes the object visible.
    pub async fn finish(mut self) -> Result<u64, FilesError> {
        if self.upload.is_none() {
            let whole = self.spool.take().await?;
            self.store.put_whole(&self.path, whole).await?;
            return Ok(self.size);
        }
        if self.spool.size() > 0 {
            self.send().await?;
        }
        if let Some(upload) = self.upload.take() {
            upload.finish().await?;
        }
        Ok(self.size)
    }
}
