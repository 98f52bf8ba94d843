//! The page of the overview.

use super::cold;
use super::pictures::{self, ChartCard, DiskCard};
use crate::admin::charts::{Unit, number, tell};
use crate::admin::jobs;
use crate::admin::jobs::rows::{self as job_rows, JobRow};
use crate::admin::services::{self, Service};
use crate::admin::site::{self, Side};
use crate::app::App;
use crate::error::Result;
use crate::web::extract::Query;
use crate::web::identity::Person;
use crate::web::metrics::machine;
use crate::web::metrics::series::{self, Range, Slot};
use crate::web::permissions::admin::STAFF;
use crate::web::shell::{Place, Shell, page};
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use chrono::TimeDelta;
use serde::Deserialize;

/// So many jobs that failed are shown.
const FAILED_SHOWN: u64 = 5;

/// The page.
#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    shell: Shell,
    side: Side,
    ranges: Vec<(Range, bool)>,
    services: Vec<Service>,
    charts: Vec<ChartCard>,
    disk: DiskCard,
    caches: Vec<CacheRow>,
    is_cold: bool,
    reasons: Vec<String>,
    failed: Vec<JobRow>,
    failed_words: String,
    told: Option<&'static str>,
    back: String,
}

/// A cache in a line.
struct CacheRow {
    name: String,
    kind: &'static str,
    entries: String,
    size: String,
    hits: String,
    ratio: String,
    percent: Option<u64>,
}

/// What stands in the address. What cannot be understood counts as not said.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    range: Option<String>,
    done: Option<String>,
    n: Option<usize>,
}

/// GET `/admin/?range=1h|24h|7d|30d`. Who may not see it is led to the first place that she may.
pub async fn show(
    State(app): State<App>,
    side: Side,
    shell: Shell,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    if !side.person.may(STAFF) {
        return site::enter(&side);
    }
    let range = asked.range.as_deref().and_then(Range::named);
    let range = range.unwrap_or(Range::Day);
    let slots = series::load(&app, range).await?;
    let (services, caches) = tokio::join!(Box::pin(services::ask(&app)), caches(&app));
    let person = &side.person;
    let (failed_words, failed) = failed(&app, person).await?;
    let folder = services::files_folder(&app);
    let room = folder.and_then(|folder| machine::disk(&folder).ok());
    page(&OverviewPage {
        shell: shell.at(Place::Admin),
        ranges: Range::ALL.map(|one| (one, one == range)).into(),
        services: services?,
        charts: pictures::draw(range, &slots, person),
        disk: pictures::disk(&slots, range, room),
        caches,
        is_cold: cold::is_cold(&slots),
        reasons: reasons(&app, person, range, &slots).await?,
        failed,
        failed_words,
        told: side.is_told.then(|| told(&asked)).flatten(),
        back: format!("/admin/?range={}", range.name()),
        side,
    })
}

async fn reasons(app: &App, person: &Person, range: Range, slots: &[Slot]) -> Result<Vec<String>> {
    cold::reasons(app, person, (range, slots)).await
}

fn told(asked: &Asked) -> Option<&'static str> {
    match (asked.done.as_deref()?, asked.n.unwrap_or(0)) {
        ("retry", 0) => Some("There was nothing to try again: it had changed meanwhile."),
        ("retry", _) => Some("It is in line again."),
        _ => None,
    }
}

/// The jobs that failed within a day.
async fn failed(app: &App, person: &Person) -> Result<(String, Vec<JobRow>)> {
    let since = app.clock.now() - TimeDelta::days(1);
    let (count, found) = jobs::list_failed(app.db.read(), since, FAILED_SHOWN).await?;
    let words = match count {
        0 => "none in 24 h".to_owned(),
        count => format!("{count} in 24 h"),
    };
    Ok((words, job_rows::rows(app, person, found).await?))
}

async fn caches(app: &App) -> Vec<CacheRow> {
    let mut rows = Vec::new();
    for (name, cache) in app.caches.iter() {
        let (report, servers) = tokio::join!(cache.report(), cache.servers());
        let sum = |count: fn(&backends::cache::SpaceReport) -> u64| {
            let counts = report.spaces.iter().map(count);
            counts.fold(0, u64::saturating_add)
        };
        let held = |figure: fn(&backends::cache::ServerReport) -> Option<u64>| {
            let known: Vec<u64> = servers.iter().filter_map(figure).collect();
            (!known.is_empty()).then(|| known.into_iter().fold(0, u64::saturating_add))
        };
        let (hits, reads) = (sum(|one| one.hits), sum(|one| one.hits + one.misses));
        let share = (reads > 0).then(|| hits as f64 / reads as f64);
        let size = |bytes: u64| text::size(i64::try_from(bytes).unwrap_or(i64::MAX));
        rows.push(CacheRow {
            name: name.to_owned(),
            kind: report.kind,
            entries: held(|one| one.entries).map_or_else(|| "-".into(), |n| number(n as f64)),
            size: match (held(|one| one.bytes_used), held(|one| one.bytes_limit)) {
                (Some(used), Some(limit)) => format!("{} of {}", size(used), size(limit)),
                (Some(used), None) => size(used),
                _ => "-".into(),
            },
            hits: number(hits as f64),
            ratio: share.map_or_else(|| "-".into(), |share| tell(Unit::Share, share)),
            percent: (reads > 0).then(|| hits * 100 / reads),
        });
    }
    rows
}
