//! Jobs as pages show them.

use super::words::called;
use crate::admin::announcements::SendAnnouncement;
use crate::app::App;
use crate::entities::job::{self, JobState};
use crate::error::Result;
use crate::jobs::{self, EVERY_KIND, Job as _, Paused};
use crate::media::{self, FileView};
use crate::web::identity::Person;
use crate::web::text;
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// Characters of a reason that a row shows; all of it on hovering.
const REASON: usize = 160;

/// One job.
pub struct JobRow {
    /// Its number.
    pub id: i64,
    /// Its kind by name.
    pub kind: String,
    /// What it does.
    pub called: String,
    /// The file that it works on.
    pub about: Option<String>,
    /// Whose file that is.
    pub owner: Option<String>,
    /// `waiting`, `running`, `failed`, `done`, `canceled`.
    pub state: &'static str,
    /// Its class: `ok`, `fault`, `warn`, or none.
    pub tone: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// How it stands, in words.
    pub words: String,
    /// All of the reason, where the words have only its beginning.
    pub reason: String,
    /// 0-100 while a file is processed.
    pub percent: Option<f64>,
    /// The process that runs it.
    pub worker: String,
    /// When it last changed.
    pub when: Time,
    /// Whether it can be tried again.
    pub may_retry: bool,
    /// Whether it can be stopped.
    pub may_cancel: bool,
}

/// A time for a page.
pub struct Time {
    /// In the reader's words.
    pub words: String,
    /// To the second, for hovering.
    pub exact: String,
    /// For programs.
    pub machine: String,
}

impl Time {
    /// For somebody, at a moment.
    pub fn of(time: DateTime<Utc>, now: DateTime<Utc>, person: &Person) -> Self {
        Self {
            words: text::when(time, now, person.time_zone),
            exact: text::exact(time, person.time_zone),
            machine: text::machine(time),
        }
    }
}

/// What belongs to some jobs: their files, whose they are, and what is paused.
struct Beside {
    files: HashMap<i64, FileView>,
    names: HashMap<i64, String>,
    paused: Vec<Paused>,
}

impl Beside {
    async fn load(app: &App, found: &[job::Model]) -> Result<Self> {
        let db = app.db.read();
        let ids: Vec<i64> = found.iter().filter_map(media::upload_of).collect();
        let files = media::list_files(db, &ids).await?;
        let owners: Vec<i64> = files.values().map(|file| file.upload.owner_id).collect();
        Ok(Self {
            names: super::store::names(db, &owners).await?,
            paused: jobs::list_paused(db).await?,
            files,
        })
    }

    fn is_paused(&self, kind: &str) -> bool {
        let mut kinds = self.paused.iter().map(|paused| paused.kind.as_str());
        kinds.any(|paused| paused == kind || paused == EVERY_KIND)
    }
}

/// Rows of these jobs, in a constant number of queries.
pub async fn rows(app: &App, person: &Person, found: Vec<job::Model>) -> Result<Vec<JobRow>> {
    let beside = Beside::load(app, &found).await?;
    let now = app.clock.now();
    let rows = found.into_iter().map(|job| row(&beside, now, person, job));
    Ok(rows.collect())
}

fn row(beside: &Beside, now: DateTime<Utc>, person: &Person, job: job::Model) -> JobRow {
    let file = media::upload_of(&job).and_then(|id| beside.files.get(&id));
    let fault = job.fault.as_deref().unwrap_or("");
    let (state, tone, icon) = look(&job);
    let is_put_off = job.state == JobState::Waiting && !fault.is_empty();
    JobRow {
        id: job.id,
        called: called(&job.kind).to_owned(),
        about: file.map(|file| file.upload.name.clone()),
        owner: file.and_then(|file| beside.names.get(&file.upload.owner_id).cloned()),
        state,
        tone,
        icon,
        words: words(beside, now, &job, file),
        reason: fault.to_owned(),
        percent: file
            .filter(|_| job.state == JobState::Running)
            .and_then(FileView::percent),
        worker: match job.state {
            JobState::Running => job.worker.clone().unwrap_or_default(),
            _ => String::new(),
        },
        when: Time::of(job.updated_at, now, person),
        may_retry: may_retry(&job) || (is_put_off && job.run_at > now),
        may_cancel: matches!(job.state, JobState::Waiting | JobState::Running),
        kind: job.kind,
    }
}

/// Whether what has ended can be tried again. An announcement that somebody has stopped stays stopped.
fn may_retry(job: &job::Model) -> bool {
    match job.state {
        JobState::Canceled => job.kind != SendAnnouncement::KIND,
        JobState::Failed => true,
        _ => false,
    }
}

/// State, class and icon.
fn look(job: &job::Model) -> (&'static str, &'static str, &'static str) {
    match job.state {
        JobState::Waiting if job.fault.is_some() => ("waiting", "warn", "triangle-alert"),
        JobState::Waiting => ("waiting", "", "hourglass"),
        JobState::Running => ("running", "", "loader-circle"),
        JobState::Done => ("done", "ok", "circle-check"),
        JobState::Failed => ("failed", "fault", "circle-alert"),
        JobState::Canceled => ("canceled", "", "circle-stop"),
    }
}

fn words(beside: &Beside, now: DateTime<Utc>, job: &job::Model, file: Option<&FileView>) -> String {
    let reason = || text::shorten(job.fault.as_deref().unwrap_or("").trim(), REASON);
    match job.state {
        JobState::Waiting if beside.is_paused(&job.kind) => "Paused: begun by nobody".into(),
        JobState::Waiting if job.fault.is_some() => {
            let wait = (job.run_at - now).num_seconds();
            if wait > 0 {
                format!("{}; next try in {}", reason(), text::span(wait as f64))
            } else {
                format!("{}; in line again", reason())
            }
        }
        JobState::Waiting if job.run_at > now => {
            let wait = (job.run_at - now).num_seconds();
            format!("Planned, in {}", text::span(wait as f64))
        }
        JobState::Waiting => match file.and_then(|file| file.place_in_line) {
            Some(place) => format!("In line, {}", text::ordinal(place)),
            None => "In line".into(),
        },
        JobState::Running if job.leased_until.is_some_and(|end| end < now) => {
            "Its worker is not heard of; another takes it".into()
        }
        JobState::Running => match file.filter(|file| file.percent().is_some()) {
            Some(file) => file.state_words(),
            None => format!(
                "Running for {}",
                text::span((now - job.updated_at).num_seconds() as f64)
            ),
        },
        JobState::Done => "Done".into(),
        JobState::Failed => reason(),
        JobState::Canceled => "Stopped".into(),
    }
}
