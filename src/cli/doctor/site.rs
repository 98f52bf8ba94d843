//! What the services of the site say: the database and its clock, its tables, every other service, and stored files.

use super::{Finding, Level, files};
use crate::app::App;
use crate::config::Config;
use crate::db::Db;
use crate::jobs;
use crate::web::health::{self, Health};
use crate::web::metrics::nodes;
use backends::clock::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use std::time::Duration;

/// How far the clocks of this machine and of the database may be apart: leases of jobs rest on both.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(5);

/// How long the database may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Looks at all of it; ends with the first thing without which nothing else can be looked at.
pub async fn look(config: Config, is_deep: bool) -> Vec<Finding> {
    let mut findings = match database(&config).await {
        Ok(findings) => findings,
        Err(finding) => {
            let rest = Finding::warning(
                "site",
                "Services and files were not looked at: they need the database.",
                "",
            );
            return vec![finding, rest];
        }
    };
    if findings.iter().any(|one| one.level == Level::Fault) {
        return findings;
    }
    let app = match Box::pin(App::open(config, Clock::system(), false)).await {
        Ok(app) => app,
        Err(error) => {
            findings.push(Finding::fault(
                "services",
                error.to_string(),
                "lyceum check",
            ));
            return findings;
        }
    };
    findings.extend(services(&app).await);
    findings.extend(processes(&app).await);
    findings.extend(files::look(&app, is_deep).await);
    app.bus.close().await;
    findings
}

/// The database answers, has its tables, and its clock goes as ours.
async fn database(config: &Config) -> Result<Vec<Finding>, Finding> {
    let failed = |reason: String| {
        let is_sqlite = config.database.starts_with("sqlite:");
        let mend = if is_sqlite {
            format!("ls -l {}", config.data.display())
        } else {
            "pg_isready -h HOST -p PORT    (then compare LYCEUM_DATABASE)".to_owned()
        };
        Finding::fault(
            "database",
            format!("The database does not answer: {reason}."),
            mend,
        )
    };
    let opening = Db::open(&config.database, &config.data);
    let db = match tokio::time::timeout(TIMEOUT, opening).await {
        Ok(Ok(db)) => db,
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Err(_) => {
            return Err(failed(format!(
                "nothing within {} seconds",
                TIMEOUT.as_secs()
            )));
        }
    };
    let mut findings = vec![Finding::ok("database", "It answers.")];
    findings.push(match db.pending_migrations().await {
        Ok(0) => Finding::ok("tables", "The tables are up to date."),
        Ok(steps) => Finding::fault(
            "tables",
            format!("The tables are {steps} steps behind this release."),
            "lyceum migrate",
        ),
        Err(error) => return Err(failed(error.to_string())),
    });
    match database_time(&db).await {
        Ok(there) => findings.push(clock(Clock::system().now(), there)),
        Err(reason) => return Err(failed(reason)),
    }
    if let Err(error) = db.close().await {
        tracing::debug!(%error, "the database did not close");
    }
    Ok(findings)
}

async fn database_time(db: &Db) -> Result<DateTime<Utc>, String> {
    // Milliseconds since 1970 UTC on either engine.
    let sql = match db.backend() {
        DbBackend::Postgres => {
            "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint) AS now"
        }
        _ => "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS now",
    };
    let row = db
        .read()
        .query_one_raw(Statement::from_string(db.backend(), sql))
        .await
        .map_err(|error| error.to_string())?;
    let now: Option<i64> = row.and_then(|row| row.try_get("", "now").ok());
    now.and_then(DateTime::from_timestamp_millis)
        .ok_or_else(|| "it does not tell the time".to_owned())
}

fn clock(here: DateTime<Utc>, there: DateTime<Utc>) -> Finding {
    let apart = (here - there).abs();
    if apart <= CLOCKS_APART {
        return Finding::ok("clock", "It goes as that of the database.");
    }
    Finding::fault(
        "clock",
        format!(
            "This machine's clock and the database's are {} seconds apart: jobs are taken from workers that live.",
            apart.num_seconds()
        ),
        "sudo timedatectl set-ntp true    (on both machines)",
    )
}

/// Every service answers.
async fn services(app: &App) -> Vec<Finding> {
    let checked = Box::pin(health::check(app)).await;
    checked
        .into_iter()
        // These two were looked at more closely before.
        .filter(|health| !(health.is_well && health.service == "database"))
        .map(|health| service(app, &health))
        .collect()
}

fn service(app: &App, health: &Health) -> Finding {
    if health.is_well {
        return Finding::ok("service", format!("{} answers.", health.service));
    }
    let words = format!("{} does not answer: {}", health.service, health.reason);
    let mend = match health.service.as_str() {
        "transcoder" if app.transcoder.service().is_none() => {
            "sudo apt-get install ffmpeg util-linux".to_owned()
        }
        "files" => format!(
            "ls -ld {}    (or compare LYCEUM_FILES)",
            app.config.data.display()
        ),
        name => format!(
            "lyceum check    (shows where LYCEUM_{} leads; start it there or set another)",
            name.to_uppercase()
        ),
    };
    if health.is_needed {
        Finding::fault("service", words, mend)
    } else {
        Finding::warning("service", words, mend)
    }
}

/// Processes that were lost, several releases, jobs that nobody works on.
async fn processes(app: &App) -> Vec<Finding> {
    let mut findings = Vec::new();
    let now = app.clock.now();
    let Ok(found) = nodes::list(app).await else {
        return findings;
    };
    for lost in found.iter().filter(|node| !nodes::is_alive(node, now)) {
        findings.push(Finding::warning(
            "processes",
            format!(
                "{} was not heard of for {} seconds and did not end as it should.",
                lost.name,
                (now - lost.heard_at).num_seconds()
            ),
            format!("systemctl restart lyceum    (on {})", lost.host),
        ));
    }
    let alive: Vec<_> = found
        .iter()
        .filter(|node| nodes::is_alive(node, now))
        .collect();
    if !alive.is_empty() && alive.iter().all(|node| node.role == "serve") {
        findings.push(Finding::fault(
            "processes",
            "The site serves, and no process works: files are not processed and mail is not sent.",
            "lyceum work",
        ));
    }
    if let Ok(paused) = jobs::list_paused(app.db.read()).await {
        for one in paused {
            findings.push(Finding::warning(
                "queue",
                format!(
                    "Jobs of the kind {} were paused by {}, since {}.",
                    one.kind, one.by, one.at
                ),
                format!("{}/admin/jobs/    (Resume)", app.config.site_url()),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_apart_are_a_fault_whichever_is_late() {
        let here = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        for (seconds, level) in [
            (0, Level::Ok),
            (4, Level::Ok),
            (-4, Level::Ok),
            (90, Level::Fault),
            (-90, Level::Fault),
        ] {
            let found = clock(here, here + TimeDelta::seconds(seconds));
            assert_eq!(found.level, level, "{seconds}");
        }
        let found = clock(here, here + TimeDelta::seconds(90));
        assert!(found.words.contains("90 seconds") && found.mend.contains("timedatectl"));
    }
}
