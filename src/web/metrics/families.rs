//! What this process and the site tell to Prometheus, besides their caches. docs/OPERATIONS.md has the list.

use super::Exposition;
use super::store;
use super::timings::ENDS_MICROS;
use super::traffic::{Kind, STATUSES};
use crate::app::App;
use futures::future::BoxFuture;
use sea_orm::ActiveEnum as _;

/// What this process answers: requests by kind and status, how long they took, what stays open.
pub fn traffic<'a>(app: &'a App, exposition: &'a mut Exposition) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let counted = app.traffic.counted();
        for (kind, by_status) in Kind::ALL.into_iter().zip(counted.requests) {
            for (status, count) in STATUSES.into_iter().zip(by_status) {
                let labels = [("kind", kind.label()), ("status", status)];
                exposition
                    .counter("lyceum_requests_total", "Requests that were answered.")
                    .add(&labels, count);
            }
        }
        exposition
            .counter(
                "lyceum_kept_answers_total",
                "Requests whose whole answer was kept already.",
            )
            .add(&[], counted.kept);
        let timed = Kind::ALL
            .into_iter()
            .zip(counted.timings)
            .zip(counted.micros);
        for ((kind, timings), micros) in timed {
            let count = timings.count();
            if count == 0 {
                continue;
            }
            let ends = ENDS_MICROS.map(|end| end as f64 / 1e6);
            exposition
                .histogram(
                    "lyceum_answer_seconds",
                    "From the head of a request to that of its answer; without files on their way here, streams and sockets.",
                )
                .add_histogram(
                    &[("kind", kind.label())],
                    &ends,
                    timings.classes(),
                    micros as f64 / 1e6,
                );
        }
        exposition
            .gauge(
                "lyceum_open_sockets",
                "Streams of events and sockets that are open.",
            )
            .add(&[], app.traffic.open());
    })
}

/// The queue of the site, the same in every process.
pub fn jobs<'a>(app: &'a App, exposition: &'a mut Exposition) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let db = app.db.read();
        for (kind, state, count) in store::jobs(db).await.unwrap_or_default() {
            let state = state.to_value();
            exposition
                .gauge("lyceum_jobs", "Jobs of the site by kind and state.")
                .add(&[("kind", &kind), ("state", &state)], count);
        }
        let now = app.clock.now();
        let Ok((_, oldest)) = store::queue(db, now).await else {
            return;
        };
        let waited = oldest.map_or(0, |oldest| (now - oldest).num_seconds());
        exposition
            .gauge(
                "lyceum_oldest_job_seconds",
                "How long the oldest job has waited that is due; 0 when none is.",
            )
            .add(&[], u64::try_from(waited).unwrap_or(0));
    })
}

/// What files and the database take, the same in every process; some minutes old.
pub fn storage<'a>(app: &'a App, exposition: &'a mut Exposition) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let storage = app.recorder.storage(app).await;
        for (what, bytes) in [
            ("originals", storage.originals),
            ("renditions", storage.renditions),
            ("waiting", storage.waiting),
            ("database", storage.database),
        ] {
            exposition
                .gauge(
                    "lyceum_storage_bytes",
                    "What files and the database take; some minutes old.",
                )
                .add(&[("of", what)], bytes);
        }
    })
}

/// The connections of this process to the database.
pub fn pools<'a>(app: &'a App, exposition: &'a mut Exposition) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        for (pool, use_of) in app.db.pools() {
            let labels = [("pool", pool)];
            exposition
                .gauge(
                    "lyceum_database_connections",
                    "Connections to the database that are open.",
                )
                .add(&labels, use_of.open);
            exposition
                .gauge(
                    "lyceum_database_connections_idle",
                    "Those of them that nobody uses just now.",
                )
                .add(&labels, use_of.idle);
            exposition
                .gauge(
                    "lyceum_database_connections_limit",
                    "How many there may be.",
                )
                .add(&labels, use_of.limit);
        }
        exposition
            .counter(
                "lyceum_database_statements_total",
                "Statements that were sent to the database.",
            )
            .add(&[], app.db.statements());
    })
}
