//! Every kind of job, and what comes back by itself.

use crate::jobs::{Registry, RegistryBuilder};
use std::sync::Arc;

/// Everything that a worker of this site can run.
pub fn registry() -> Arc<Registry> {
    Arc::new(RegistryBuilder::default().build())
}
