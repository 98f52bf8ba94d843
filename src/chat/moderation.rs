//! What a moderator of a room may do: close it for all others, slow it down, mute somebody for a time, delete any line.
//! A moderator is the teacher of the course, or staff. What she does is logged.
//!
//! It holds from the commit on, for every line that is written after it, on whatever node and by whatever client: who
//! writes looks, in the same transaction, under the lock of the room ([`Gate`]).

use super::refusal::Refusal;
use super::store;
use super::store::acts::{self, About};
use super::writer::NewLine;
use crate::app::App;
use crate::db::Write;
use crate::entities::chat_act::ChatActKind;
use crate::entities::{chat_limit, chat_room, course, user};
use crate::error::{Error, Result};
use crate::learning;
use crate::web::identity::Person;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::EntityTrait as _;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

pub use super::store::acts::Act;

/// Longest time for which somebody is muted: a week.
pub const MOST_MINUTES: i64 = 10_080;

/// Slowest that a room becomes: a line an hour.
pub const MOST_SLOW_SECONDS: i64 = 3_600;

/// What is told to all nodes when something holds in a room that did not, on the bus group [`group_of`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Changed {
    /// Whom it concerns; everybody without.
    pub user_id: Option<i64>,
}

/// The bus group of what holds in a room.
pub fn group_of(course_id: i64) -> String {
    format!("rules:{course_id}")
}

/// Whether she moderates the room of this course.
pub fn is_moderator(person: &Person, course: &course::Model) -> bool {
    person.is_staff || course.owner_id == person.id
}

/// Closes the room for all but moderators, or opens it again. Twice is once.
///
/// # Errors
/// [`Error::Forbidden`] for who is no moderator.
pub async fn lock(
    app: &App,
    person: &Person,
    course: &course::Model,
    is_locked: bool,
) -> Result<()> {
    check(person, course)?;
    let mut write = app.write().await?;
    let who = (course.id, person.id);
    if set_locked(&mut write, who, is_locked, app.clock.now()).await? {
        write.commit().await
    } else {
        write.rollback().await
    }
}

/// Does what [`lock`] does within an open transaction, for a course and somebody of whom the caller has found that she may;
/// answers whether anything has changed.
///
/// # Errors
/// When the database does not answer.
pub async fn set_locked(
    write: &mut Write,
    (course_id, person_id): (i64, i64),
    is_locked: bool,
    now: DateTime<Utc>,
) -> Result<bool> {
    let room = store::lock(write, course_id).await?;
    if room.is_locked == is_locked {
        return Ok(false);
    }
    let slow_seconds = room.slow_seconds;
    acts::set_rules(write, room, is_locked, slow_seconds).await?;
    let kind = if is_locked {
        ChatActKind::Lock
    } else {
        ChatActKind::Unlock
    };
    let who = (course_id, person_id);
    acts::log(write, who, kind, About::default(), now).await?;
    tell(write, course_id, None).await?;
    Ok(true)
}

/// Lets everybody but moderators wait so many seconds between two lines; 0 lifts it.
///
/// # Errors
/// [`Error::Forbidden`] for who is no moderator, [`Error::Invalid`] outside of 0 to [`MOST_SLOW_SECONDS`].
pub async fn slow(app: &App, person: &Person, course: &course::Model, seconds: i64) -> Result<()> {
    check(person, course)?;
    if !(0..=MOST_SLOW_SECONDS).contains(&seconds) {
        let words = "A room can be slowed down to one line in 0 to 3,600 seconds.";
        return Err(Error::invalid("seconds", words));
    }
    let mut write = app.write().await?;
    let room = store::lock(&write, course.id).await?;
    if room.slow_seconds == seconds {
        return write.rollback().await;
    }
    let is_locked = room.is_locked;
    acts::set_rules(&write, room, is_locked, seconds).await?;
    let about = About {
        seconds: Some(seconds),
        ..About::default()
    };
    let now = app.clock.now();
    let who = (course.id, person.id);
    acts::log(&write, who, ChatActKind::Slow, about, now).await?;
    tell(&mut write, course.id, None).await?;
    write.commit().await
}

/// Keeps somebody from writing for so many minutes from now on; 0 lets her write again.
///
/// # Errors
/// [`Error::Forbidden`] for who is no moderator, [`Error::Invalid`] outside of 0 to [`MOST_MINUTES`] and when she is a
/// moderator herself, [`Error::NotFound`] when she is not in the course.
pub async fn mute(
    app: &App,
    person: &Person,
    course: &course::Model,
    user_id: i64,
    minutes: i64,
) -> Result<()> {
    check(person, course)?;
    if !(0..=MOST_MINUTES).contains(&minutes) {
        let words = "Somebody can be muted for 1 to 10,080 minutes, which is a week; 0 lifts it.";
        return Err(Error::invalid("minutes", words));
    }
    let mut write = app.write().await?;
    store::lock(&write, course.id).await?;
    let account = user::Entity::find_by_id(user_id).one(&*write).await?;
    let account = account.ok_or(Error::NotFound)?;
    if account.is_staff || course.owner_id == user_id {
        let words = "Moderators cannot be muted.";
        return Err(Error::invalid("user_id", words));
    }
    let now = app.clock.now();
    let ids = BTreeSet::from([user_id]);
    let limit = acts::limits(&write, course.id, &ids)
        .await?
        .remove(&user_id);
    let is_muted = limit.is_some_and(|limit| limit.muted_until.is_some_and(|until| until > now));
    let (until, kind) = if minutes == 0 {
        if !is_muted {
            return write.rollback().await;
        }
        (None, ChatActKind::Unmute)
    } else {
        if !learning::is_enrolled(&*write, user_id, course.id).await? {
            return Err(Error::NotFound);
        }
        (Some(now + TimeDelta::minutes(minutes)), ChatActKind::Mute)
    };
    acts::set_muted(&write, course.id, user_id, until).await?;
    let about = About {
        user_id: Some(user_id),
        until,
        ..About::default()
    };
    acts::log(&write, (course.id, person.id), kind, about, now).await?;
    tell(&mut write, course.id, Some(user_id)).await?;
    write.commit().await
}

/// A page of what moderators did in this room, newest first, and whether there is more before that.
///
/// # Errors
/// [`Error::Forbidden`] for who is no moderator.
pub async fn list_acts(
    app: &App,
    person: &Person,
    course: &course::Model,
    before: Option<i64>,
    most: u64,
) -> Result<(Vec<Act>, bool)> {
    check(person, course)?;
    acts::list(app.db.read(), course, before, most).await
}

fn check(person: &Person, course: &course::Model) -> Result<()> {
    if is_moderator(person, course) {
        Ok(())
    } else {
        Err(Error::Forbidden(
            "Only the teacher of this course and staff may do that in its room.",
        ))
    }
}

async fn tell(write: &mut Write, course_id: i64, user_id: Option<i64>) -> Result<()> {
    let changed = Changed { user_id };
    write.publish(&group_of(course_id), &changed).await
}

/// Says of each line whether it may be written, while its room is held.
#[derive(Debug)]
pub struct Gate {
    is_locked: bool,
    slow: TimeDelta,
    limits: HashMap<i64, chat_limit::Model>,
    said: BTreeSet<i64>,
    now: DateTime<Utc>,
}

impl Gate {
    /// Of a room that is held, for those who say these lines.
    pub async fn of(
        write: &Write,
        room: &chat_room::Model,
        lines: &[NewLine],
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let speakers = lines.iter().filter(|line| !line.is_moderator);
        let ids = speakers.filter_map(|line| line.speaker.id).collect();
        Self::for_people(write, room, &ids, now).await
    }

    /// Of a room that is held, for these people, of whom none is a moderator.
    pub async fn for_people(
        write: &Write,
        room: &chat_room::Model,
        user_ids: &BTreeSet<i64>,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        Ok(Self {
            is_locked: room.is_locked,
            slow: TimeDelta::seconds(room.slow_seconds),
            limits: acts::limits(write, room.course_id, user_ids).await?,
            said: BTreeSet::new(),
            now,
        })
    }

    /// Whether she may change what stands there.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, user_id: i64) -> Result<(), Refusal> {
        if self.is_locked {
            return Err(Refusal::Locked);
        }
        let limit = self.limits.get(&user_id);
        match limit.and_then(|limit| limit.muted_until) {
            Some(until) if until > self.now => Err(Refusal::Muted {
                seconds: seconds_until(until, self.now),
            }),
            _ => Ok(()),
        }
    }

    /// Whether a line may be written; from then on its sender waits, where the room is slow.
    ///
    /// # Errors
    /// Why not.
    pub fn pass(&mut self, line: &NewLine) -> Result<(), Refusal> {
        let Some(user_id) = line.speaker.id.filter(|_| !line.is_moderator) else {
            return Ok(());
        };
        self.check(user_id)?;
        if self.slow <= TimeDelta::zero() {
            return Ok(());
        }
        let said_at = if self.said.contains(&user_id) {
            Some(self.now)
        } else {
            self.limits.get(&user_id).and_then(|limit| limit.said_at)
        };
        match said_at.map(|said_at| said_at + self.slow) {
            Some(free_at) if free_at > self.now => Err(Refusal::Slow {
                seconds: seconds_until(free_at, self.now),
            }),
            _ => {
                self.said.insert(user_id);
                Ok(())
            }
        }
    }

    /// Who is to wait from now on.
    pub fn said(&self) -> &BTreeSet<i64> {
        &self.said
    }
}

/// Whole seconds from now until then, at least one.
fn seconds_until(then: DateTime<Utc>, now: DateTime<Utc>) -> u64 {
    let milliseconds = (then - now).num_milliseconds();
    u64::try_from(milliseconds)
        .unwrap_or(0)
        .div_ceil(1_000)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::frames::Speaker;
    use std::sync::Arc;

    fn line(user_id: i64, is_moderator: bool) -> NewLine {
        NewLine {
            course_id: 1,
            speaker: Arc::new(Speaker::new(user_id, "maya", "", false)),
            is_moderator,
            text: "a line".into(),
            client_id: None,
            reply_to: None,
            pictures: Vec::new(),
        }
    }

    fn gate(is_locked: bool, slow: i64, limits: Vec<chat_limit::Model>) -> Gate {
        Gate {
            is_locked,
            slow: TimeDelta::seconds(slow),
            limits: limits.into_iter().map(|row| (row.user_id, row)).collect(),
            said: BTreeSet::new(),
            now: DateTime::UNIX_EPOCH,
        }
    }

    fn limit(muted: Option<i64>, said: Option<i64>) -> chat_limit::Model {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::milliseconds(seconds);
        chat_limit::Model {
            course_id: 1,
            user_id: 5,
            muted_until: muted.map(at),
            said_at: said.map(at),
        }
    }

    #[test]
    fn a_locked_room_takes_lines_of_moderators_alone() {
        let mut gate = gate(true, 10, Vec::new());
        assert_eq!(gate.pass(&line(5, false)), Err(Refusal::Locked));
        for _ in 0..2 {
            assert_eq!(gate.pass(&line(6, true)), Ok(()));
        }
    }

    #[test]
    fn who_is_muted_hears_for_how_long_and_may_write_when_that_is_over() {
        let muted = Refusal::Muted { seconds: 2 };
        let mut still = gate(false, 0, vec![limit(Some(1_001), None)]);
        assert_eq!(still.pass(&line(5, false)), Err(muted));
        assert_eq!(still.pass(&line(6, false)), Ok(()));
        let mut over = gate(false, 0, vec![limit(Some(0), None)]);
        assert_eq!(over.pass(&line(5, false)), Ok(()));
    }

    #[test]
    fn a_slow_room_takes_one_line_of_each_and_another_when_the_time_is_over() {
        let mut first = gate(false, 10, Vec::new());
        assert_eq!(first.pass(&line(5, false)), Ok(()));
        let slow = Refusal::Slow { seconds: 10 };
        assert_eq!(first.pass(&line(5, false)), Err(slow));
        assert_eq!(first.pass(&line(7, false)), Ok(()));
        assert_eq!(first.said(), &BTreeSet::from([5, 7]));
        let mut later = gate(false, 10, vec![limit(None, Some(-9_000))]);
        let slow = Refusal::Slow { seconds: 1 };
        assert_eq!(later.pass(&line(5, false)), Err(slow));
        let mut over = gate(false, 10, vec![limit(None, Some(-10_000))]);
        assert_eq!(over.pass(&line(5, false)), Ok(()));
    }
}
