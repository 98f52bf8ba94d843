//! Every kind of job, and what comes back by itself.

use crate::jobs::{Registry, RegistryBuilder};
use crate::media::{DeleteFiles, ProcessUpload, SweepMedia};
use std::sync::Arc;
use std::time::Duration;

/// Everything that a worker of this site can run.
pub fn registry() -> Arc<Registry> {
    let registry = RegistryBuilder::default()
        .job::<ProcessUpload>()
        .job::<DeleteFiles>()
        .every(Duration::from_secs(3600), &SweepMedia {});
    Arc::new(registry.build())
}
