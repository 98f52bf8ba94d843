//! `/healthz`: the process lives. `/readyz`: every service answers.

use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use backends::bus::{Bus, BusError};
use backends::cache::{Cache, CacheError, Timeout};
use serde::Serialize;
use std::time::{Duration, Instant};

/// How long one service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The same for the transcoder, whose check starts several programs on a machine that may be busy encoding.
const TRANSCODER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the transcoder's answer is kept.
const TRANSCODER_KEPT: Duration = Duration::from_secs(15);

/// How long an older answer of the transcoder is told while it is asked anew: nobody who asks for the health waits.
const TRANSCODER_STALE: Duration = Duration::from_secs(45);

/// What one service says.
#[derive(Debug, Serialize)]
pub struct Health {
    /// Its name in the configuration.
    pub service: String,
    /// Whether it answers.
    pub is_well: bool,
    /// Whether the site is of no use without it: without a cache it is only slower, and without a transcoder
    /// recordings wait in line.
    #[serde(skip)]
    pub is_needed: bool,
    /// What is wrong, for the log and for `lyceum check`; never sent to visitors.
    #[serde(skip)]
    pub reason: String,
    /// How long it took to answer, or not to.
    #[serde(skip)]
    pub took: Duration,
}

/// 200 as long as the process answers at all.
pub async fn alive() -> &'static str {
    "ok"
}

/// 200 when every service that the site needs answers, else 503; either way with a line for each.
/// A cache or a transcoder that is away takes no node out of service: all would go at once.
pub async fn ready(State(app): State<App>) -> (StatusCode, Json<Vec<Health>>) {
    let health = Box::pin(check(&app)).await;
    for sick in health.iter().filter(|service| !service.is_well) {
        tracing::warn!(
            service = sick.service,
            reason = sick.reason,
            "a service does not answer"
        );
    }
    let is_well = health
        .iter()
        .all(|service| service.is_well || !service.is_needed);
    (
        if is_well {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        },
        Json(health),
    )
}

/// Tries every service, all at once.
pub async fn check(app: &App) -> Vec<Health> {
    let (database, caches, bus, files, mail, transcoder) = tokio::join!(
        answer("database", app.db.check()),
        futures::future::join_all(
            app.caches
                .iter()
                .map(|(name, cache)| check_cache(name, cache))
        ),
        check_bus(&app.bus),
        answer("files", app.files.check()),
        answer("mail", app.mail.check()),
        answer_within(TRANSCODER_TIMEOUT, "transcoder", Box::pin(transcoder(app))),
    );
    let transcoder = Health {
        is_needed: false,
        ..transcoder
    };
    let mut all = vec![database];
    all.extend(caches);
    all.extend([bus, files, mail, transcoder]);
    all
}

/// Whether the processes hear each other. Without Redis they do so over the database, none of them as quickly: no node
/// leaves for that, since all would.
async fn check_bus(bus: &Bus) -> Health {
    let mut is_needed = true;
    let checked = async {
        let checked = bus.check().await;
        is_needed = !matches!(checked, Err(BusError::Away(_)));
        checked
    };
    let health = answer("bus", checked).await;
    Health {
        is_needed,
        ..health
    }
}

async fn check_cache(name: &str, cache: &Cache) -> Health {
    let service = match name {
        "default" => "cache".to_owned(),
        name => format!("cache_{name}"),
    };
    Health {
        is_needed: false,
        ..answer(&service, cache.check()).await
    }
}

/// Asking ffmpeg starts several programs, and a service is in the net, so that the answer is kept for a while.
async fn transcoder(app: &App) -> Result<(), String> {
    let asked = app.clone();
    let ask = || async move {
        Ok::<_, CacheError>(match asked.transcoder.service() {
            Some(service) => service.check().await.err().unwrap_or_default(),
            None => asked
                .tools
                .check()
                .await
                .err()
                .unwrap_or_default()
                .join(" "),
        })
    };
    let kept = Timeout::After(TRANSCODER_KEPT);
    let faults: String = app
        .counts
        .here
        .get_or_refresh("health:transcoder", kept, TRANSCODER_STALE, ask)
        .await
        .map_err(|error| error.to_string())?;
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

async fn answer<E: ToString>(service: &str, check: impl Future<Output = Result<(), E>>) -> Health {
    answer_within(TIMEOUT, service, check).await
}

async fn answer_within<E: ToString>(
    timeout: Duration,
    service: &str,
    check: impl Future<Output = Result<(), E>>,
) -> Health {
    let began = Instant::now();
    let reason = match tokio::time::timeout(timeout, check).await {
        Ok(Ok(())) => String::new(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} seconds", timeout.as_secs()),
    };
    Health {
        service: service.to_owned(),
        is_well: reason.is_empty(),
        is_needed: true,
        reason,
        took: began.elapsed(),
    }
}
