//! Every kind of job, what comes back by itself, and everything that tells figures.

use crate::accounts::{FindForgetful, SendLink, SweepLinks};
use crate::admin::announcements::SendAnnouncement;
use crate::jobs::{Registry, RegistryBuilder, Sweep};
use crate::learning::FillPlaces;
use crate::media::cloud::{CollectTranscoding, EndTranscoding, WatchTranscodings};
use crate::media::{
    DeleteFiles, DiscardUpload, ProcessUpload, SettleBatches, SweepMedia, TidyUpload,
};
use crate::messages::SendLetter;
use crate::web::metrics::{self, Source};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// How often it is looked for files that were announced with others and never came.
const BATCHES: Duration = Duration::from_secs(5 * 60);

/// Everything that a worker of this site can run.
pub fn registry() -> Arc<Registry> {
    let registry = RegistryBuilder::default()
        .job::<ProcessUpload>()
        .job::<DeleteFiles>()
        .job::<SendLetter>()
        .job::<FindForgetful>()
        .job::<SendLink>()
        .job::<DiscardUpload>()
        .job::<CollectTranscoding>()
        .job::<EndTranscoding>()
        .every(MINUTE, &WatchTranscodings {})
        .job::<TidyUpload>()
        .every(BATCHES, &SettleBatches {})
        .every(HOUR, &SweepMedia {})
        .job::<SendAnnouncement>()
        .every(MINUTE, &FillPlaces {})
        .every(HOUR, &SweepLinks {})
        .every(HOUR, &Sweep {});
    Arc::new(registry.build())
}

/// Everything that tells figures to Prometheus.
pub fn metrics() -> Vec<Source> {
    vec![
        metrics::process,
        metrics::traffic,
        metrics::jobs,
        metrics::storage,
        metrics::pools,
        metrics::caches,
    ]
}
