//! `/admin/health/`: every service, every process of the site, the disk, and the steps of the schema.

use super::charts;
use super::jobs::rows::Time;
use super::services::{self, Service};
use super::site::Side;
use crate::app::App;
use crate::entities::node;
use crate::error::Result;
use crate::web::metrics::{machine, nodes};
use crate::web::permissions::admin::STAFF;
use crate::web::shell::{Place, Shell, page};
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};

/// The page.
#[derive(Template)]
#[template(path = "admin/health.html")]
struct HealthPage {
    shell: Shell,
    side: Side,
    services: Vec<Service>,
    processes: Vec<Process>,
    is_mixed: bool,
    disks: Vec<DiskRow>,
    pending: usize,
    url: String,
    is_https: bool,
}

/// A process of the site.
struct Process {
    name: String,
    is_this: bool,
    does: String,
    version: String,
    since: Time,
    heard: String,
    is_alive: bool,
}

/// A folder and the room on its disk.
struct DiskRow {
    what: &'static str,
    path: String,
    room: String,
    percent: Option<u64>,
    is_full: bool,
}

/// GET `/admin/health/`.
pub async fn show(State(app): State<App>, side: Side, shell: Shell) -> Result<Response> {
    side.require(STAFF)?;
    let found = nodes::list(&app).await?;
    let is_mixed = found
        .iter()
        .any(|node| node.version != env!("CARGO_PKG_VERSION"));
    let now = app.clock.now();
    let processes = found
        .into_iter()
        .map(|node| process(&app, &side, now, node))
        .collect();
    page(&HealthPage {
        shell: shell.at(Place::Admin),
        services: Box::pin(services::ask(&app)).await?,
        processes,
        is_mixed,
        disks: disks(&app),
        pending: app.db.pending_migrations().await?,
        url: app.config.site_url(),
        is_https: app.config.is_https(),
        side,
    })
}

fn process(app: &App, side: &Side, now: DateTime<Utc>, node: node::Model) -> Process {
    let jobs = || text::count(i64::from(node.slots), "job at once", "jobs at once");
    let does = match node.role.as_str() {
        "serve" => "serves pages".to_owned(),
        "work" => format!("works, {}", jobs()),
        _ => format!("serves pages and works, {}", jobs()),
    };
    let heard = (now - node.heard_at).num_seconds().max(0);
    Process {
        is_this: node.name == app.node,
        does,
        since: Time::of(node.started_at, now, &side.person),
        heard: format!("{} ago", text::span(heard as f64)),
        is_alive: nodes::is_alive(&node, now),
        version: node.version,
        name: node.name,
    }
}

fn disks(app: &App) -> Vec<DiskRow> {
    let data = ("Data folder", Some(app.config.data.clone()));
    let files = ("Files", services::files_folder(app));
    let folders = [data, files].into_iter();
    let folders = folders.filter_map(|(what, path)| Some((what, path?)));
    let rows = folders.map(|(what, path)| {
        let (room, percent) = match machine::disk(&path) {
            Ok(disk) => {
                let free = charts::bytes(disk.free_bytes as f64);
                let all = charts::bytes(disk.all_bytes as f64);
                (format!("{free} free of {all}"), Some(disk.fill()))
            }
            Err(error) => (error.to_string(), None),
        };
        DiskRow {
            what,
            path: path.display().to_string(),
            room,
            is_full: percent.is_none_or(|percent| percent >= services::FULL),
            percent,
        }
    });
    rows.collect()
}
