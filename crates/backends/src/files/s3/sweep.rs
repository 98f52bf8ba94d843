//! Removing what visits that were cut off have left in the store.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

use super::{S3, lock, manifest, told};
use crate::files::FilesError;

/// The folder of what is written to see whether it can be.
const CHECKS: &str = ".check";

impl S3 {
    /// Removes uploads of several parts that were begun before `older_than` and that no growing object
    /// needs, and ends that are named no more; answers how many.
    pub async fn sweep(&self, older_than: DateTime<Utc>) -> Result<usize, FilesError> {
        let mut count = self
            .sweep_objects(CHECKS, older_than, &BTreeSet::new())
            .await?;
        let unfinished = match self.list_unfinished().await {
            Ok(unfinished) => unfinished,
            Err(error) => {
                // Not every store can tell; the manual says what to set there.
                tracing::debug!(%error, "unfinished uploads cannot be listed");
                Vec::new()
            }
        };
        // Listed before they are looked up: what is begun meanwhile is not in this list.
        let tails = self.list_old(manifest::TAILS, older_than).await?;
        if unfinished.is_empty() && tails.is_empty() {
            return Ok(count);
        }
        let mut ids = BTreeSet::new();
        let mut named = BTreeSet::new();
        for name in self.list_partial().await? {
            let Some(stored) = self.load(&name).await? else {
                continue;
            };
            let tails = stored.manifest.tails();
            named.extend(tails.map(|tail| self.tail_path(&name, &tail.name)));
            ids.extend(stored.manifest.upload);
        }
        for upload in unfinished {
            let is_needed = ids.contains(&upload.id) || lock(&self.0.begun).contains(&upload.id);
            if let (Ok(path), false, true) = (
                Path::parse(&upload.key),
                is_needed,
                upload.initiated < older_than,
            ) {
                self.abort(&path, &upload.id).await;
                count += 1;
            }
        }
        count += self
            .sweep_objects(manifest::TAILS, older_than, &named)
            .await?;
        Ok(count)
    }

    async fn list_old(
        &self,
        folder: &str,
        older_than: DateTime<Utc>,
    ) -> Result<Vec<ObjectMeta>, FilesError> {
        let found = self.0.client.list(Some(&self.path(folder)));
        let old = found.try_filter(|object| {
            let is_old = object.last_modified < older_than;
            async move { is_old }
        });
        old.try_collect().await.map_err(told)
    }

    async fn sweep_objects(
        &self,
        folder: &str,
        older_than: DateTime<Utc>,
        spared: &BTreeSet<Path>,
    ) -> Result<usize, FilesError> {
        let mut count = 0;
        for object in self.list_old(folder, older_than).await? {
            if spared.contains(&object.location) {
                continue;
            }
            match self.0.client.delete(&object.location).await.map_err(told) {
                Ok(()) => count += 1,
                Err(FilesError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}
