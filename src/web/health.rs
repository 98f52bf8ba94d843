//! `/healthz`: the process lives. `/readyz`: every service answers.

use crate::app::App;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use backends::bus::{Bus, BusError};
use backends::cache::{Cache, CacheError, Timeout};
use backends::files::{Files, FilesError};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an answer is told to others who ask.
const KEPT: Duration = Duration::from_secs(1);

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
    /// Whether the node is of no use without it: without a cache it is only slower, without a transcoder recordings wait in
    /// line, and without a mail server letters do.
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

/// What the services said last. Anybody may ask for the health, and a balancer does so every few seconds: they are asked by
/// one at a time and at most once a second, and the log tells of a change only.
#[derive(Clone, Debug, Default)]
pub struct Probe(Arc<tokio::sync::Mutex<Probed>>);

#[derive(Debug, Default)]
struct Probed {
    health: Arc<[Health]>,
    /// When, by the monotonic clock; nothing: they were never asked.
    at: Option<Duration>,
    /// Who did not answer.
    sick: BTreeSet<String>,
}

impl Probe {
    /// What the services say, or said a moment ago. Whoever asks meanwhile waits for the same answer.
    async fn ask(&self, app: &App) -> Arc<[Health]> {
        let mut last = self.0.lock().await;
        let age = |at| app.clock.monotonic().saturating_sub(at);
        if last.at.is_some_and(|at| age(at) < KEPT) {
            return Arc::clone(&last.health);
        }
        let health: Arc<[Health]> = Box::pin(check(app)).await.into();
        for one in changed(&mut last.sick, &health) {
            let (service, reason) = (&one.service, &one.reason);
            if one.is_well {
                tracing::info!(service, "a service answers again");
            } else {
                tracing::warn!(service, reason, "a service does not answer");
            }
        }
        last.health = Arc::clone(&health);
        last.at = Some(app.clock.monotonic());
        health
    }
}

/// Those who became sick, or well again; the names of the sick are kept.
fn changed<'h>(sick: &mut BTreeSet<String>, health: &'h [Health]) -> Vec<&'h Health> {
    let changed = health.iter().filter(|one| {
        if one.is_well {
            sick.remove(&one.service)
        } else {
            sick.insert(one.service.clone())
        }
    });
    changed.collect()
}

/// 200 when every service that the site needs answers, else 503; either way with a line for each.
/// A cache, a mail server, an object store or a transcoder that is away takes no node out of service: all would go at once,
/// and with them what works.
pub async fn ready(State(app): State<App>, Extension(probe): Extension<Probe>) -> Response {
    let health = probe.ask(&app).await;
    let is_ready = health.iter().all(|one| one.is_well || !one.is_needed);
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(&*health)).into_response()
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
        check_files(&app.files),
        answer("mail", app.mail.check()),
        answer_within(TRANSCODER_TIMEOUT, "transcoder", Box::pin(transcoder(app))),
    );
    let transcoder = Health {
        is_needed: false,
        ..transcoder
    };
    let mail = Health {
        is_needed: false,
        ..mail
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

/// An object store that is away is so for every node, and pages without media do without it. A disk is this node's own.
async fn check_files(files: &Files) -> Health {
    let mut is_needed = files.origin().is_none();
    let checked = async {
        let checked = files.check().await;
        is_needed |= matches!(checked, Err(FilesError::Io(_) | FilesError::Full));
        checked
    };
    let health = answer("files", checked).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn health(service: &str, is_well: bool) -> Health {
        Health {
            service: service.into(),
            is_well,
            is_needed: false,
            reason: String::new(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn who_asks_again_and_again_is_no_reason_to_tell_the_same_again() {
        let mut sick = BTreeSet::new();
        let mut told = |mail: bool, cache: bool| -> Vec<(String, bool)> {
            let all = [health("mail", mail), health("cache", cache)];
            let changed = changed(&mut sick, &all).into_iter();
            changed
                .map(|health| (health.service.clone(), health.is_well))
                .collect()
        };
        assert!(told(true, true).is_empty(), "who is well is not told of");
        assert_eq!(told(false, true), [("mail".into(), false)]);
        assert!(told(false, true).is_empty());
        assert_eq!(told(false, false), [("cache".into(), false)]);
        assert_eq!(told(true, false), [("mail".into(), true)]);
        assert_eq!(told(false, true).len(), 2);
    }
}
