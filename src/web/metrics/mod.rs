//! Figures about this process, as text for Prometheus, and how those of all processes went over the last thirty days.
//!
//! What there is to tell stands in the table `registry::metrics`: each source writes its families into an
//! [`Exposition`] when somebody asks, so that nothing is counted twice and nothing runs while nobody asks. They are
//! offered at an address of their own (`LYCEUM_METRICS`), never at the site's.

mod caches;
mod exposition;
mod families;
mod history;
pub mod machine;
pub mod nodes;
mod recorder;
pub mod series;
pub(crate) mod store;
mod timings;
mod traffic;

pub use caches::{caches, table};
pub use exposition::{Exposition, Family};
pub use families::{jobs, pools, storage, traffic};
pub use history::{Emptied, History, Slot, Span};
pub use recorder::{Recorder, Storage};
pub use timings::Timings;
pub use traffic::{Counted, Kind, Open, Traffic, Watched, count};

use crate::app::App;
use crate::error::Result;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use nodes::Role;
use recorder::Sample;
use std::time::Duration;

/// Something that can be asked for figures.
pub type Source = for<'a> fn(&'a App, &'a mut Exposition) -> BoxFuture<'a, ()>;

/// How often the counts are noted down for the pictures.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// How long a process that ends waits for its last notes.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// The routes of the address for metrics: `/metrics` in Prometheus's text format 0.0.4, and `/caches` for
/// `lyceum cache stats`.
pub fn router(app: &App, sources: Vec<Source>) -> Router {
    Router::new()
        .route("/metrics", get(tell))
        .route("/caches", get(tell_caches))
        .with_state((app.clone(), sources))
}

async fn tell(State((app, sources)): State<(App, Vec<Source>)>) -> Response {
    let mut exposition = Exposition::default();
    for source in sources {
        source(&app, &mut exposition).await;
    }
    let kind = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, exposition.to_string()).into_response()
}

async fn tell_caches(State((app, _)): State<(App, Vec<Source>)>) -> String {
    table(&app, true).await
}

/// The program itself: its version, and since when this process runs.
pub fn process<'a>(app: &'a App, exposition: &'a mut Exposition) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        exposition
            .gauge("lyceum_build_info", "The release; always 1.")
            .add(&version, 1);
        let began = app.history.began().timestamp().unsigned_abs();
        exposition
            .gauge(
                "process_start_time_seconds",
                "When this process began, in seconds since 1970 UTC.",
            )
            .add(&[], began);
        exposition
            .gauge(
                "process_resident_memory_bytes",
                "Memory that this process holds.",
            )
            .add_some(&[], machine::resident_bytes());
    })
}

/// Notes down what was counted until now: of the caches for their own pages, and everything else in the table of
/// figures.
///
/// # Errors
/// When the database does not answer; what was counted is written with the next notes.
pub async fn note(app: &App) -> Result<()> {
    let mut sample = Sample::default();
    for (name, cache) in app.caches.iter() {
        let report = cache.report().await;
        app.history.note(app.clock.now(), name, &report.spaces);
        for space in &report.spaces {
            sample.hits = sample.hits.saturating_add(space.hits);
            sample.misses = sample.misses.saturating_add(space.misses);
        }
        if report.kind == "memory" {
            let servers = cache.servers().await;
            let evicted = servers.iter().filter_map(|server| server.evictions);
            sample.evictions = evicted.fold(sample.evictions, u64::saturating_add);
        }
    }
    let counted = app.traffic.counted();
    sample.requests = counted.all();
    sample.errors = counted.errors();
    sample.kept = counted.kept;
    sample.timings = counted.all_timings();
    sample.sockets = app.traffic.open();
    sample.memory_bytes = machine::resident_bytes().unwrap_or(0);
    let now = app.clock.now();
    if let Ok((due, oldest)) = store::queue(app.db.read(), now).await {
        sample.queue = due;
        let waited = oldest.map_or(0, |oldest| (now - oldest).num_seconds());
        sample.oldest_seconds = u64::try_from(waited).unwrap_or(0);
    }
    sample.storage = app.recorder.storage(app).await;
    let rows = app.recorder.note(now, sample);
    store::write(app.db.writer(), &rows).await?;
    app.recorder.written(&rows);
    Ok(())
}

/// Notes down what is counted, and that this process lives, until it is asked to stop.
pub async fn watch(app: App, role: Role) {
    let mut ticks = tokio::time::interval(NOTE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_down = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let noted = tell_life(&app, role).await;
                if let (Err(error), false) = (&noted, is_down) {
                    tracing::warn!(%error, "figures cannot be noted; they will be later");
                }
                is_down = noted.is_err();
            }
            () = app.stopping.cancelled() => break,
        }
    }
    // The last seconds; the database may be away, and nobody waits for it then.
    let ending = async {
        note(&app).await?;
        store::leave(app.db.writer(), &app.node).await
    };
    if tokio::time::timeout(END_TIMEOUT, ending).await.is_err() {
        tracing::debug!("the last figures were not noted");
    }
}

async fn tell_life(app: &App, role: Role) -> Result<()> {
    note(app).await?;
    nodes::hear(app, role).await
}
