//! How far a growing object is: a small object beside the others that names its parts and its end.
//!
//! It is the one truth, and the fence: each version is put only in place of the very one that was read
//! before (`If-Match`), so that of two who write at once one is told, and nothing of hers counts.

use std::time::Duration;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore as _, PutMode, PutOptions, UpdateVersion};
use serde::{Deserialize, Serialize};

use super::parts::Part;
use super::{S3, away, told};
use crate::clock::Clock;
use crate::files::FilesError;

/// The folder of these objects.
pub const FOLDER: &str = ".partial";
/// The folder of the ends.
pub const TAILS: &str = ".tails";

/// Attempts to put a version when it is not known whether the one before arrived.
const ATTEMPTS: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How far a growing object is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Another one each time, so that no two versions have the same tag.
    pub version: String,
    /// What it will be.
    pub key: String,
    /// The upload of several parts, when one was begun.
    pub upload: Option<String>,
    /// What has arrived, in order.
    pub parts: Vec<Part>,
    /// What has arrived after the parts.
    pub tail: Option<Tail>,
    /// What there was when the visit under way began, or one that was cut off: what came after is not
    /// confirmed.
    pub before: Option<Before>,
    /// No part with this number or a larger one was ever sent.
    pub next_number: u32,
    /// Who adds to it now.
    pub holder: Option<String>,
    /// Its first bytes in Base64, as soon as they are in a part, where nobody can read them.
    pub head: String,
    /// Its parts are put together, so that they can be read; nothing is added any more.
    pub is_sealed: bool,
    /// It is being deleted.
    pub is_ended: bool,
}

/// Bytes too few to be a part, as an object of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// Another one each time.
    pub name: String,
    /// In bytes.
    pub size: u64,
}

/// A state to which a growing object can be cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// How many of the parts there were.
    pub parts: usize,
    /// What there was after them.
    pub tail: Option<Tail>,
}

/// A manifest as it is stored.
#[derive(Debug)]
pub struct Stored {
    pub manifest: Manifest,
    /// What the store calls this version.
    pub tag: String,
    pub changed_at: DateTime<Utc>,
}

impl Manifest {
    /// That of an object of which nothing is there.
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            next_number: 1,
            ..Self::default()
        }
    }

    /// Bytes that are there.
    pub fn size(&self) -> u64 {
        parts_bytes(&self.parts) + tail_bytes(self.tail.as_ref())
    }

    /// To where it can be cut without reading anything.
    pub fn cut(&self) -> Before {
        self.before.clone().unwrap_or_else(|| Before {
            parts: self.parts.len(),
            tail: self.tail.clone(),
        })
    }

    /// The ends that it names.
    pub fn tails(&self) -> impl Iterator<Item = &Tail> {
        let before = self.before.as_ref().and_then(|before| before.tail.as_ref());
        self.tail.iter().chain(before)
    }
}

/// Bytes of these parts.
pub fn parts_bytes(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.size).sum()
}

/// Bytes of an end.
pub fn tail_bytes(tail: Option<&Tail>) -> u64 {
    tail.map_or(0, |tail| tail.size)
}

impl S3 {
    fn manifest_path(&self, name: &str) -> Path {
        self.path(&format!("{FOLDER}/{name}"))
    }

    /// Where an end of a growing object is.
    pub fn tail_path(&self, name: &str, tail: &str) -> Path {
        self.path(&format!("{TAILS}/{name}/{tail}"))
    }

    /// How far a growing object is; `None` when there is none.
    pub async fn load(&self, name: &str) -> Result<Option<Stored>, FilesError> {
        let path = self.manifest_path(name);
        let got = self.0.client.get_opts(&path, GetOptions::default()).await;
        let got = match got.map_err(told) {
            Ok(got) => got,
            Err(FilesError::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let tag = got.meta.e_tag.clone().ok_or_else(no_tag)?;
        let changed_at = got.meta.last_modified;
        let bytes = got.bytes().await.map_err(told)?;
        let manifest = serde_json::from_slice(&bytes)
            .map_err(|error| away(&format!("{path} cannot be read: {error}")))?;
        Ok(Some(Stored {
            manifest,
            tag,
            changed_at,
        }))
    }

    /// Puts a version in place of the one with `tag`, or the first one; answers its tag.
    ///
    /// # Errors
    /// [`FilesError::TakenOver`] when another is there by now.
    pub async fn commit(
        &self,
        name: &str,
        manifest: &mut Manifest,
        tag: Option<&str>,
    ) -> Result<String, FilesError> {
        manifest.version = Clock::system().random_token();
        let path = self.manifest_path(name);
        let body = serde_json::to_vec(manifest).map_err(|error| away(&error.to_string()))?;
        let body = bytes::Bytes::from(body);
        let mode = match tag {
            Some(tag) => PutMode::Update(UpdateVersion {
                e_tag: Some(tag.to_owned()),
                version: None,
            }),
            None => PutMode::Create,
        };
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            let options = PutOptions::from(mode.clone());
            let put = self.0.client.put_opts(&path, body.clone().into(), options);
            let error = match put.await {
                Ok(put) => return put.e_tag.ok_or_else(no_tag),
                Err(error) => told(error),
            };
            // It may have arrived though the answer was lost, or an attempt before it.
            match self.load(name).await? {
                Some(found) if found.manifest.version == manifest.version => return Ok(found.tag),
                Some(found) if Some(found.tag.as_str()) == tag => {}
                None if tag.is_none() => {}
                _ => return Err(FilesError::TakenOver),
            }
            if attempt == ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(away("no answer"))
    }

    /// Deletes a growing object as far as it is in the store: its end, its parts, and last its manifest.
    pub async fn remove(&self, name: &str, manifest: &Manifest) -> Result<(), FilesError> {
        use object_store::ObjectStoreExt as _;
        if manifest.is_sealed {
            self.delete(&manifest.key).await?;
        } else if let Some(id) = &manifest.upload {
            self.abort(&self.path(&manifest.key), id).await;
        }
        for tail in manifest.tails() {
            self.delete_tail(name, tail).await;
        }
        match self
            .0
            .client
            .delete(&self.manifest_path(name))
            .await
            .map_err(told)
        {
            Err(FilesError::NotFound) => Ok(()),
            done => done,
        }
    }

    /// Deletes an end that is named no more; what cannot be deleted now is swept.
    pub async fn delete_tail(&self, name: &str, tail: &Tail) {
        use object_store::ObjectStoreExt as _;
        let path = self.tail_path(name, &tail.name);
        match self.0.client.delete(&path).await.map_err(told) {
            Ok(()) | Err(FilesError::NotFound) => {}
            Err(error) => tracing::warn!(%error, key = %path, "the end of an upload stays behind"),
        }
    }
}

fn no_tag() -> FilesError {
    away("it tells no ETag")
}
