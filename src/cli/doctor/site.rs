//! What the services of the site say: the database and its tables, every other service, and stored files.

use super::{Finding, Level, clock, files};
use crate::app::App;
use crate::config::Config;
use crate::db::Db;
use crate::jobs;
use crate::web::health::{self, Health};
use crate::web::metrics::nodes;
use backends::clock::Clock;
use std::time::Duration;

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

/// The database answers, has its tables, and the clock can be relied on.
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
    let opening = Db::open(&config.database, &config.data, config.database_timeout);
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
    findings.push(clock::look(&db).await.map_err(failed)?);
    if let Err(error) = db.close().await {
        tracing::debug!(%error, "the database did not close");
    }
    Ok(findings)
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
