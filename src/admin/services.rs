//! Every service of the site as staff read it: what it is, whether it answers, and what stands out. The same facts as
//! `/readyz` (`web::health`).

use super::charts;
use crate::app::App;
use crate::entities::job::{self, JobState};
use crate::error::Result;
use crate::web::health::{self, Health};
use crate::web::metrics::machine;
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter};
use std::path::PathBuf;

/// From so full on a disk is worth a warning, in percent.
pub const FULL: u64 = 90;

/// Jobs that send mail.
const MAIL: [&str; 2] = ["send_letter", "send_link"];

/// One service.
pub struct Service {
    /// What people call it.
    pub name: String,
    /// Its name in the configuration.
    pub key: String,
    /// `ok`, `warn` (the site works on without it, or it needs a look) or `fault`.
    pub tone: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// The state in a word, for those who see no colors.
    pub state: &'static str,
    /// What it is, and what stands out.
    pub words: String,
    /// Why it does not answer; empty when it does.
    pub reason: String,
    /// How long it took to answer.
    pub took: String,
}

/// Asks every service.
///
/// # Errors
/// When the database cannot tell of what waits; then nothing can be shown.
pub async fn ask(app: &App) -> Result<Vec<Service>> {
    let (health, beside) = tokio::join!(Box::pin(health::check(app)), Beside::load(app));
    let beside = beside?;
    Ok(health
        .into_iter()
        .map(|health| service(app, &beside, health))
        .collect())
}

/// What stands out besides the answers.
struct Beside {
    /// How full the disk of the files is, where they are on one.
    disk_percent: Option<u64>,
    /// Files that are processed.
    busy: u64,
    /// Mails that could not be sent at once.
    late: u64,
}

impl Beside {
    async fn load(app: &App) -> Result<Self> {
        let db = app.db.read();
        let busy = job::Entity::find()
            .filter(job::Column::State.eq(JobState::Running))
            .filter(job::Column::Kind.starts_with("media.process"))
            .count(db)
            .await?;
        let late = job::Entity::find()
            .filter(job::Column::State.eq(JobState::Waiting))
            .filter(job::Column::Kind.is_in(MAIL))
            .filter(job::Column::Fault.is_not_null())
            .count(db)
            .await?;
        Ok(Self {
            disk_percent: disk_percent(app),
            busy,
            late,
        })
    }
}

fn disk_percent(app: &App) -> Option<u64> {
    let path = files_folder(app)?;
    machine::disk(&path).ok().map(|disk| disk.fill())
}

/// The folder of the files, where they are on a disk.
pub fn files_folder(app: &App) -> Option<PathBuf> {
    app.config.files_folder()
}

fn service(app: &App, beside: &Beside, health: Health) -> Service {
    let (name, what, mut is_odd) = described(app, beside, &health);
    let took = charts::seconds(health.took.as_secs_f64());
    let (tone, icon, state) = match (health.is_well, health.is_needed) {
        (true, _) if is_odd => ("warn", "triangle-alert", "needs a look"),
        (true, _) => ("ok", "circle-check", "answers"),
        (false, false) => (
            "warn",
            "triangle-alert",
            "away, the site goes on without it",
        ),
        (false, true) => ("fault", "circle-alert", "does not answer"),
    };
    is_odd |= !health.is_well;
    let words = match (health.is_well, health.service.as_str()) {
        (false, _) => format!("{what}: does not answer"),
        (true, "database") => format!("{what}, {took}"),
        (true, "files" | "transcoder" | "mail") if is_odd || what.contains(',') => what,
        (true, _) => format!("{what}, ready"),
    };
    Service {
        name,
        key: health.service,
        tone,
        icon,
        state,
        words,
        reason: health.reason,
        took,
    }
}

/// Its name, what it is, and whether that needs a look.
fn described(app: &App, beside: &Beside, health: &Health) -> (String, String, bool) {
    let scheme = |url: &str| url.split(':').next().unwrap_or("").to_owned();
    match health.service.as_str() {
        "database" => {
            let engine = match app.db.backend() {
                DbBackend::Postgres => "PostgreSQL",
                _ => "SQLite",
            };
            ("Database".into(), engine.into(), false)
        }
        "bus" => ("Bus".into(), scheme(&app.config.bus), false),
        "files" => match beside.disk_percent {
            Some(percent) => {
                let words = format!("disk, {percent} % full");
                ("Files".into(), words, percent >= FULL)
            }
            None => ("Files".into(), scheme(&app.config.files), false),
        },
        "mail" => {
            let what = scheme(&app.config.mail);
            match beside.late {
                0 => ("Mail".into(), what, false),
                late => ("Mail".into(), format!("{what}, {late} late"), true),
            }
        }
        "transcoder" => {
            let what = scheme(&app.config.transcoder);
            let words = match beside.busy {
                0 => what,
                busy => format!("{what}, {busy} busy"),
            };
            ("Transcoder".into(), words, false)
        }
        key => {
            let cache = key.strip_prefix("cache_");
            let url = match cache {
                Some(name) => app.caches.named(name),
                None => &app.cache,
            };
            let kind = match url.kind() {
                "memory" => "in memory".to_owned(),
                other => other.to_owned(),
            };
            let name = cache.map_or_else(|| "Cache".to_owned(), |name| format!("Cache “{name}”"));
            (name, kind, false)
        }
    }
}
