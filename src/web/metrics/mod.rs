//! Figures about this process, as text for Prometheus, and how they went over the last day.
//!
//! What there is to tell stands in the table `registry::metrics`: each source writes its families into an
//! [`Exposition`] when somebody asks, so that nothing is counted twice and nothing runs while nobody asks. They are
//! offered at an address of their own (`LYCEUM_METRICS`), never at the site's.

mod caches;
mod exposition;
mod history;

pub use caches::{caches, table};
pub use exposition::{Exposition, Family};
pub use history::{History, Slot, Span};

use crate::app::App;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use std::time::Duration;

/// Something that can be asked for figures.
pub type Source = for<'a> fn(&'a App, &'a mut Exposition) -> BoxFuture<'a, ()>;

/// How often the counts are noted down for the pictures of the last hour and day.
const NOTE_EVERY: Duration = Duration::from_secs(10);

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
    })
}

/// Notes down what the caches have counted until now.
pub async fn note(app: &App) {
    for (name, cache) in app.caches.iter() {
        let report = cache.report().await;
        app.history.note(app.clock.now(), name, &report.spaces);
    }
}

/// Notes down what the caches count, until the process is asked to stop.
pub async fn watch(app: App) {
    let mut ticks = tokio::time::interval(NOTE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => note(&app).await,
            () = app.stopping.cancelled() => return,
        }
    }
}
