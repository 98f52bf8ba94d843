//! What staff tell everybody, the students of a course, or the members of a group: a message to each, sent once by a
//! durable job, a few people at a time.

pub mod pages;
mod sending;
mod store;

pub use sending::SendAnnouncement;
pub use store::count_readers;

use crate::app::App;
use crate::db::Write;
use crate::entities::announcement::{self, AnnouncementState, Audience};
use crate::entities::job::{self, JobState};
use crate::error::{Error, Problems, Result};
use crate::jobs::{self, Job as _};
use crate::messages::TEXT_LIMIT;
use crate::web::audit::{self, By, Facts};
use crate::web::identity::Person;
use crate::web::redirect;
use crate::web::sessions::hash;
use backends::cache::Timeout;
use chrono::TimeDelta;
use sea_orm::ActiveEnum as _;
use std::time::Duration;

/// The page of the announcements.
pub const PATH: &str = "/admin/announcements/";

/// The same words to the same people within this time are the same announcement, sent by a second press of the button.
const SAME: TimeDelta = TimeDelta::minutes(10);

/// How many have read what went to more people than this is not counted each time that somebody looks.
const MANY: i64 = 1_000;

/// How long such a count is remembered.
const COUNTS_KEPT: Timeout = Timeout::After(Duration::from_secs(60));

/// What is to be told, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAnnouncement {
    /// Who is told.
    pub audience: Audience,
    /// Number of the course or group.
    pub audience_id: Option<i64>,
    /// Its title or name.
    pub audience_name: Option<String>,
    /// Plain text, 1-250 characters.
    pub text: String,
    /// A path of this site, or empty.
    pub link: String,
}

impl NewAnnouncement {
    /// Of what was typed: `audience` is `everybody`, `course:7` or `group:2`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault.
    pub async fn read(app: &App, audience: &str, text: &str, link: &str) -> Result<Self> {
        let mut problems = Problems::new();
        let (text, link) = (text.trim(), link.trim());
        problems.check(
            (1..=TEXT_LIMIT).contains(&text.chars().count()),
            "text",
            "Write 1 to 250 characters.",
        );
        problems.check(
            link.is_empty() || redirect::local(link).is_some(),
            "link",
            "Leave it empty, or give a path of this site, such as /course/winds/.",
        );
        let found = store::find_audience(app.db.read(), audience).await?;
        problems.check(found.is_some(), "audience", "Choose who is told.");
        problems.into_result()?;
        let (audience, named) = found.ok_or(Error::NotFound)?;
        let (audience_id, audience_name) = named.unzip();
        Ok(Self {
            audience,
            audience_id,
            audience_name,
            text: text.to_owned(),
            link: link.to_owned(),
        })
    }

    /// Who is told, as it is typed: see [`NewAnnouncement::read`].
    pub fn audience_text(&self) -> String {
        let kind = self.audience.to_value();
        match self.audience_id {
            Some(id) => format!("{kind}:{id}"),
            None => kind,
        }
    }
}

/// How many would be told now.
///
/// # Errors
/// When the database does not answer.
pub async fn count(app: &App, new: &NewAnnouncement) -> Result<u64> {
    store::count_recipients(app.db.read(), new.audience, new.audience_id).await
}

/// Sends an announcement; answers its number. The same within ten minutes is the same, and sent once.
///
/// # Errors
/// When the database does not answer.
pub async fn send(app: &App, person: &Person, by: &By, new: &NewAnnouncement) -> Result<i64> {
    let mut write = app.write().await?;
    let id = write_down(app, &mut write, person, by, new).await?;
    write.commit().await?;
    Ok(id)
}

/// The same within a transaction, with which it begins.
///
/// # Errors
/// When the database does not answer.
pub async fn write_down(
    app: &App,
    write: &mut Write,
    person: &Person,
    by: &By,
    new: &NewAnnouncement,
) -> Result<i64> {
    write.alone("announcements").await?;
    let since = app.clock.now() - SAME;
    if let Some(same) = store::find_same(write, person.id, new, since).await? {
        return Ok(same);
    }
    let expected = store::count_recipients(&**write, new.audience, new.audience_id).await?;
    let id = store::insert(app, write, person, new, expected).await?;
    jobs::enqueue(app, write, &SendAnnouncement { id }).await?;
    note(write, by, "add", (id, &new.text)).await?;
    Ok(id)
}

/// Stops an announcement that is on its way; whoever was told stays told. Twice is once.
///
/// # Errors
/// [`Error::NotFound`] when there is none; [`Error::Conflict`] when everybody was told.
pub async fn stop(app: &App, by: &By, id: i64) -> Result<()> {
    let mut write = app.write().await?;
    stop_in(app, &mut write, by, id).await?;
    write.commit().await
}

/// The same within an open transaction. The announcement is held before its job, as by who sends it.
///
/// # Errors
/// As [`stop`].
pub async fn stop_in(app: &App, write: &mut Write, by: &By, id: i64) -> Result<()> {
    let found = store::hold(write, id).await?.ok_or(Error::NotFound)?;
    if found.state == AnnouncementState::Sent {
        return Err(Error::Conflict(
            "Everybody was told already: there is nothing to stop.".into(),
        ));
    }
    if let Some(subject) = (SendAnnouncement { id }).subject() {
        jobs::cancel(app, write, &subject).await?;
    }
    if found.state != AnnouncementState::Stopped {
        store::set_state(app, write, id, AnnouncementState::Stopped).await?;
        note(write, by, "stop", (id, &found.text)).await?;
    }
    Ok(())
}

/// Lets an announcement go on whose job was given up, after the last whom it told. What somebody has stopped stays stopped:
/// who did that is to know that it does. The announcement is held before its job, as by who sends it.
///
/// # Errors
/// [`Error::NotFound`] when there is none; [`Error::Conflict`] when it was stopped, or everybody was told.
pub async fn go_on_in(app: &App, write: &mut Write, id: i64, job: &job::Model) -> Result<()> {
    let found = store::hold(write, id).await?.ok_or(Error::NotFound)?;
    if found.state == AnnouncementState::Sent {
        return Err(Error::Conflict("Everybody was told already.".into()));
    }
    if job.state == JobState::Canceled {
        return Err(Error::Conflict(
            "Somebody has stopped this announcement, and it stays stopped. Staff write another one under Announcements.".into(),
        ));
    }
    store::set_sending(write, id).await?;
    jobs::retry_one(app, write, job.id).await
}

/// A line of the log, in the transaction of the change.
async fn note(write: &Write, by: &By, act: &str, (id, text): (i64, &str)) -> Result<()> {
    let facts = Facts {
        name: text.to_owned(),
        fields: Vec::new(),
    };
    let done = audit::Done {
        act,
        kind: "announcement",
        id,
        before: None,
        after: Some(&facts),
    };
    audit::record(write, by, done).await
}

/// These announcements, each with how many have read it, in the same order. What went to many is counted once a minute and
/// remembered, since the page asks again every few seconds.
///
/// # Errors
/// When the database does not answer.
pub async fn with_readers(
    app: &App,
    rows: Vec<announcement::Model>,
) -> Result<Vec<(announcement::Model, u64)>> {
    let (many, few): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.told > MANY);
    let ids = |rows: &[&announcement::Model]| rows.iter().map(|row| row.id).collect::<Vec<i64>>();
    let (many, few) = (ids(&many), ids(&few));
    let db = app.db.read();
    let mut read = count_readers(db, &few).await?;
    if !many.is_empty() {
        let numbers: Vec<String> = many.iter().map(i64::to_string).collect();
        let key = format!("announced:{}", hash(&numbers.join(" ")));
        let count = || count_readers(db, &many);
        read.extend(app.cache.get_or_set(&key, COUNTS_KEPT, count).await?);
    }
    let counted = rows.into_iter().map(|row| {
        let count = read.get(&row.id).copied().unwrap_or(0);
        (row, count)
    });
    Ok(counted.collect())
}

/// What its messages are known by, so that each person gets one.
fn dedupe_key(id: i64) -> String {
    format!("announcement:{id}")
}
