//! The clock: leases of jobs, sessions, links and the codes of second factors rest on it. It is compared with the
//! database's where that runs elsewhere, with the times that the site has noted, and the system is asked whether a time
//! server keeps it right.

use super::Finding;
use crate::db::Db;
use crate::entities::figure;
use backends::clock::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ConnectionTrait as _, DbBackend, EntityTrait as _, QueryOrder as _, QuerySelect as _, Statement,
};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// How far clocks may be apart: leases of jobs rest on all of them.
const APART: TimeDelta = TimeDelta::seconds(5);

/// How long the system may take to say whether a time server keeps its clock.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What keeps a clock right.
const MEND: &str = "sudo timedatectl set-ntp true";

/// What other times there are to compare with.
struct Times {
    here: DateTime<Utc>,
    /// The database's, where it has a clock of its own.
    database: Option<DateTime<Utc>>,
    /// The newest that a process of the site has noted.
    noted: Option<DateTime<Utc>>,
}

/// Looks at it.
///
/// # Errors
/// What the database says.
pub async fn look(db: &Db) -> Result<Finding, String> {
    let times = Times {
        database: database_time(db).await?,
        noted: newest_noted(db).await?,
        here: Clock::system().now(),
    };
    Ok(told(&times, is_kept().await))
}

async fn database_time(db: &Db) -> Result<Option<DateTime<Utc>>, String> {
    if db.backend() != DbBackend::Postgres {
        // SQLite asks the clock of this machine.
        return Ok(None);
    }
    let sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint) AS now";
    let row = db.read();
    let row = row.query_one_raw(Statement::from_string(DbBackend::Postgres, sql));
    let row = row.await.map_err(|error| error.to_string())?;
    let now: Option<i64> = row.and_then(|row| row.try_get("", "now").ok());
    let now = now.and_then(DateTime::from_timestamp_millis);
    now.map(Some)
        .ok_or_else(|| "it does not tell the time".to_owned())
}

/// Every process notes figures all ten seconds while it runs.
async fn newest_noted(db: &Db) -> Result<Option<DateTime<Utc>>, String> {
    let newest: Option<i64> = figure::Entity::find()
        .select_only()
        .column(figure::Column::Slot)
        .order_by_desc(figure::Column::Slot)
        .limit(1)
        .into_tuple()
        .one(db.read())
        .await
        .map_err(|error| error.to_string())?;
    Ok(newest.and_then(|seconds| DateTime::from_timestamp(seconds, 0)))
}

/// Whether a time server keeps the clock, as the kernel knows it, whoever tells it; nothing where it cannot be asked, in
/// a container for example.
async fn is_kept() -> Option<bool> {
    let asked = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let said = tokio::time::timeout(TIMEOUT, asked).await.ok()?.ok()?;
    match String::from_utf8_lossy(&said.stdout).trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn told(times: &Times, is_kept: Option<bool>) -> Finding {
    let apart = |there: DateTime<Utc>| (times.here - there).abs();
    if let Some(apart) = times.database.map(apart).filter(|apart| *apart > APART) {
        return Finding::fault(
            "clock",
            format!(
                "This machine's clock and the database's are {} seconds apart: jobs are taken from workers that live.",
                apart.num_seconds()
            ),
            format!("{MEND}    (on both machines)"),
        );
    }
    let ahead = times.noted.map(|noted| noted - times.here);
    if let Some(ahead) = ahead.filter(|ahead| *ahead > APART) {
        return Finding::fault(
            "clock",
            format!(
                "A process of the site has noted a time that is {} seconds from now: this machine's clock is late, or \
                 another's is ahead. Sessions and links end at the wrong time, and codes of second factors do not fit.",
                ahead.num_seconds()
            ),
            format!("{MEND}    (on every machine)"),
        );
    }
    let compared = match times.database {
        Some(_) => "It goes as the database's",
        None => "It is not behind what the site has noted",
    };
    match is_kept {
        Some(true) => Finding::ok("clock", format!("{compared}, and a time server keeps it.")),
        Some(false) => Finding::warning(
            "clock",
            format!("{compared}, but no time server keeps it: it will go wrong."),
            MEND,
        ),
        None => Finding::ok(
            "clock",
            format!("{compared}; whether a time server keeps it cannot be asked here."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn at(seconds: i64) -> Times {
        Times {
            here: DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap(),
            database: None,
            noted: None,
        }
    }

    #[test]
    fn clocks_that_are_apart_are_a_fault_whichever_is_late() {
        for (seconds, level) in [
            (0, Level::Ok),
            (4, Level::Ok),
            (-4, Level::Ok),
            (90, Level::Fault),
            (-90, Level::Fault),
        ] {
            let times = Times {
                database: Some(at(0).here),
                ..at(seconds)
            };
            assert_eq!(told(&times, Some(true)).level, level, "{seconds}");
        }
        let times = Times {
            database: Some(at(0).here),
            ..at(90)
        };
        let found = told(&times, None);
        assert!(found.words.contains("90 seconds") && found.mend.contains("timedatectl"));
    }

    #[test]
    fn a_clock_that_is_behind_what_was_noted_is_a_fault_and_an_old_note_is_none() {
        let noted = |seconds: i64| Times {
            noted: Some(at(seconds).here),
            ..at(0)
        };
        assert_eq!(told(&noted(4), Some(true)).level, Level::Ok);
        assert_eq!(told(&noted(-40_000_000), Some(true)).level, Level::Ok);
        let found = told(&noted(3_600), Some(true));
        assert_eq!(found.level, Level::Fault);
        assert!(
            found.words.contains("3600 seconds from now"),
            "{}",
            found.words
        );
    }

    #[test]
    fn what_could_not_be_asked_is_not_said() {
        assert_eq!(told(&at(0), Some(false)).level, Level::Warning);
        for (is_kept, has) in [(Some(true), "keeps it."), (None, "cannot be asked")] {
            let found = told(&at(0), is_kept);
            assert_eq!(found.level, Level::Ok);
            assert!(found.words.contains(has), "{}", found.words);
            // There is no other clock on one machine.
            assert!(!found.words.contains("database"), "{}", found.words);
        }
    }
}
