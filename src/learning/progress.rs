//! What a student has done and where she stopped: marks, positions, percentages, time left.

use super::store::find_enrollment;
use crate::app::App;
use crate::db::Write;
use crate::entities::{content, done_mark, enrollment, item, module, playback_position, upload};
use crate::error::{Error, Result};
use crate::web::tags::Tag;
use crate::web::text;
use chrono::TimeDelta;
use sea_orm::sea_query::{Expr, Func, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter,
    QuerySelect, RelationTrait,
};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// People read 200 words a minute (Brysbaert 2019 measures 238 for fiction; course text is slower), at six
/// characters a word with its space.
const CHARACTERS_A_SECOND: f64 = 20.0;

/// A visit to the same module is noted again after so long, for the order of "my courses".
const VISIT: TimeDelta = TimeDelta::hours(1);

/// How far one student is in one course.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    steps: Vec<Step>,
}

/// One content of a course, as far as progress is concerned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    content_id: i64,
    module_id: i64,
    /// How long it takes.
    seconds: f64,
    #[serde(skip)]
    is_done: bool,
}

impl Progress {
    /// Her progress in the course; two statements, however many modules there are.
    pub async fn load(db: &impl ConnectionTrait, user_id: i64, course_id: i64) -> Result<Self> {
        let steps = list_steps(db, course_id).await?;
        Ok(Self::of(
            steps,
            &done_contents(db, user_id, course_id).await?,
        ))
    }

    /// The progress of somebody who has done these of the course's contents.
    pub fn of(mut steps: Vec<Step>, done: &[i64]) -> Self {
        let done: HashSet<i64> = done.iter().copied().collect();
        for step in &mut steps {
            step.is_done = done.contains(&step.content_id);
        }
        Self { steps }
    }

    /// Whether she has done this content.
    pub fn is_done(&self, content_id: i64) -> bool {
        self.steps
            .iter()
            .any(|step| step.content_id == content_id && step.is_done)
    }

    /// Whether the module has contents, and she has done them all.
    pub fn is_module_done(&self, module_id: i64) -> bool {
        let mut steps = self
            .steps
            .iter()
            .filter(|step| step.module_id == module_id)
            .peekable();
        steps.peek().is_some() && steps.all(|step| step.is_done)
    }

    /// Done of all, 0-100.
    pub fn percent(&self) -> i64 {
        percent(self.done(), self.all())
    }

    /// `9 of 22 done, 1 h 50 min left`.
    pub fn words(&self) -> String {
        let (done, all) = (self.done(), self.all());
        if all == 0 {
            return "Nothing to do yet".into();
        }
        if done == all {
            return format!("All {all} done");
        }
        let left = self
            .steps
            .iter()
            .filter(|step| !step.is_done)
            .map(|step| step.seconds)
            .sum::<f64>();
        if left < 1.0 {
            return format!("{done} of {all} done");
        }
        // Seconds would pretend to know; the least that is left is a minute.
        format!("{done} of {all} done, {} left", text::span(left.max(60.0)))
    }

    fn all(&self) -> i64 {
        i64::try_from(self.steps.len()).unwrap_or(i64::MAX)
    }

    fn done(&self) -> i64 {
        let done = self.steps.iter().filter(|step| step.is_done).count();
        i64::try_from(done).unwrap_or(i64::MAX)
    }
}

/// Done of all in percent, rounded; 0 and 100 only for none and all.
pub fn percent(done: i64, all: i64) -> i64 {
    match (done, all) {
        (..=0, _) | (_, ..=0) => 0,
        (done, all) if done >= all => 100,
        (done, all) => ((done * 200 + all) / (all * 2)).clamp(1, 99),
    }
}

/// How long a text of so many characters takes to read.
pub fn reading_seconds(characters: i64) -> f64 {
    characters.max(0) as f64 / CHARACTERS_A_SECOND
}

/// What there is to do in a course, nothing of it done yet.
pub async fn list_steps(db: &impl ConnectionTrait, course_id: i64) -> Result<Vec<Step>> {
    let length = Func::char_length(Expr::col((item::Entity, item::Column::Body)));
    let rows: Vec<(i64, i64, Option<f64>, Option<i32>)> = content::Entity::find()
        .select_only()
        .column(content::Column::Id)
        .column(content::Column::ModuleId)
        .column(upload::Column::DurationSeconds)
        .column_as(Expr::expr(length), "body_length")
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .join(JoinType::InnerJoin, content::Relation::Item.def())
        .join(JoinType::LeftJoin, item::Relation::Upload.def())
        .filter(module::Column::CourseId.eq(course_id))
        .into_tuple()
        .all(db)
        .await?;
    let step = |(content_id, module_id, duration, length): (_, _, Option<f64>, Option<i32>)| Step {
        content_id,
        module_id,
        seconds: duration.unwrap_or(0.0) + reading_seconds(length.map_or(0, i64::from)),
        is_done: false,
    };
    Ok(rows.into_iter().map(step).collect())
}

/// The contents of a course that she has done.
pub async fn done_contents(
    db: &impl ConnectionTrait,
    user_id: i64,
    course_id: i64,
) -> Result<Vec<i64>> {
    let done = done_mark::Entity::find()
        .select_only()
        .column(done_mark::Column::ContentId)
        .join(JoinType::InnerJoin, done_mark::Relation::Content.def())
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .filter(done_mark::Column::UserId.eq(user_id))
        .filter(module::Column::CourseId.eq(course_id));
    Ok(done.into_tuple().all(db).await?)
}

/// Where she stopped in each content of a course, in seconds.
pub async fn list_course_positions(
    db: &impl ConnectionTrait,
    user_id: i64,
    course_id: i64,
) -> Result<HashMap<i64, f64>> {
    let positions: Vec<(i64, f64)> = playback_position::Entity::find()
        .select_only()
        .column(playback_position::Column::ContentId)
        .column(playback_position::Column::PositionSeconds)
        .join(
            JoinType::InnerJoin,
            playback_position::Relation::Content.def(),
        )
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .filter(playback_position::Column::UserId.eq(user_id))
        .filter(module::Column::CourseId.eq(course_id))
        .into_tuple()
        .all(db)
        .await?;
    Ok(positions.into_iter().collect())
}

/// Where she stopped in each of these contents, in seconds.
pub async fn list_positions(
    db: &impl ConnectionTrait,
    user_id: i64,
    content_ids: &[i64],
) -> Result<HashMap<i64, f64>> {
    if content_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let positions = playback_position::Entity::find()
        .filter(playback_position::Column::UserId.eq(user_id))
        .filter(playback_position::Column::ContentId.is_in(content_ids.iter().copied()))
        .all(db)
        .await?;
    let seconds = |row: playback_position::Model| (row.content_id, row.position_seconds);
    Ok(positions.into_iter().map(seconds).collect())
}

/// Marks a content as done, or takes the mark back. Twice is once.
///
/// # Errors
/// [`Error::NotFound`] when the content has just been deleted.
pub async fn set_done(
    app: &App,
    write: &Write,
    user_id: i64,
    content: &content::Model,
    is_done: bool,
) -> Result<()> {
    let db = &**write;
    hold(db, content.id).await?;
    if is_done {
        let row = done_mark::ActiveModel {
            user_id: Set(user_id),
            content_id: Set(content.id),
            created_at: Set(app.clock.now()),
        };
        let once = OnConflict::columns([done_mark::Column::UserId, done_mark::Column::ContentId])
            .do_nothing()
            .to_owned();
        done_mark::Entity::insert(row)
            .on_conflict(once)
            .exec_without_returning(db)
            .await?;
    } else {
        done_mark::Entity::delete_by_id((user_id, content.id))
            .exec(db)
            .await?;
    }
    write.changes(Tag::progress(user_id));
    Ok(())
}

/// Notes where she stopped in a recording.
///
/// # Errors
/// [`Error::NotFound`] when the content has just been deleted.
pub async fn set_position(
    app: &App,
    write: &Write,
    user_id: i64,
    content: &content::Model,
    seconds: f64,
) -> Result<()> {
    let db = &**write;
    hold(db, content.id).await?;
    let row = playback_position::ActiveModel {
        user_id: Set(user_id),
        content_id: Set(content.id),
        position_seconds: Set(seconds),
        updated_at: Set(app.clock.now()),
    };
    let key = [
        playback_position::Column::UserId,
        playback_position::Column::ContentId,
    ];
    let latest = OnConflict::columns(key)
        .update_columns([
            playback_position::Column::PositionSeconds,
            playback_position::Column::UpdatedAt,
        ])
        .to_owned();
    playback_position::Entity::insert(row)
        .on_conflict(latest)
        .exec_without_returning(db)
        .await?;
    write.changes(Tag::progress(user_id));
    Ok(())
}

/// Keeps the content from being deleted until the end of the transaction.
async fn hold(db: &impl ConnectionTrait, content_id: i64) -> Result<()> {
    let content = content::Entity::find_by_id(content_id).lock_shared();
    content.one(db).await?.map(|_| ()).ok_or(Error::NotFound)
}

/// Notes the content that she played or marked last, and its module. Changes nothing for somebody who is not
/// enrolled: owners and staff look at a course without a place of their own in it.
pub async fn stop_at(
    app: &App,
    write: &Write,
    user_id: i64,
    course_id: i64,
    content: &content::Model,
) -> Result<()> {
    let db = &**write;
    if let Some(enrollment) = find_enrollment(db, user_id, course_id).await? {
        let place = enrollment::ActiveModel {
            last_module_id: Set(Some(content.module_id)),
            last_content_id: Set(Some(content.id)),
            last_seen_at: Set(Some(app.clock.now())),
            ..Default::default()
        };
        change(write, &enrollment, place).await?;
    }
    Ok(())
}

/// Notes the module that she has open. Writes only when it is another one than before, or after an hour.
pub async fn visit(app: &App, enrollment: &enrollment::Model, module_id: i64) -> Result<()> {
    let now = app.clock.now();
    let was_just_here = enrollment
        .last_seen_at
        .is_some_and(|seen| now - seen < VISIT);
    if was_just_here && enrollment.last_module_id == Some(module_id) {
        return Ok(());
    }
    let place = enrollment::ActiveModel {
        last_module_id: Set(Some(module_id)),
        last_seen_at: Set(Some(now)),
        ..Default::default()
    };
    let write = app.write().await?;
    change(&write, enrollment, place).await?;
    write.commit().await
}

async fn change(
    write: &Write,
    enrollment: &enrollment::Model,
    place: enrollment::ActiveModel,
) -> Result<()> {
    enrollment::Entity::update_many()
        .set(place)
        .filter(enrollment::Column::Id.eq(enrollment.id))
        .exec(&**write)
        .await?;
    write.changes(Tag::progress(enrollment.user_id));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Progress, Step, percent};

    fn steps(done: &[(i64, f64, bool)]) -> Progress {
        let step = |(at, (module_id, seconds, is_done)): (usize, &(i64, f64, bool))| Step {
            content_id: i64::try_from(at).unwrap(),
            module_id: *module_id,
            seconds: *seconds,
            is_done: *is_done,
        };
        Progress {
            steps: done.iter().enumerate().map(step).collect(),
        }
    }

    #[test]
    fn a_course_is_at_a_hundred_percent_only_when_all_is_done() {
        assert_eq!(percent(0, 0), 0);
        assert_eq!(percent(0, 22), 0);
        assert_eq!(percent(9, 22), 41);
        assert_eq!(percent(1, 1000), 1);
        assert_eq!(percent(999, 1000), 99);
        assert_eq!(percent(1000, 1000), 100);
    }

    #[test]
    fn a_module_without_contents_is_not_done() {
        let progress = steps(&[
            (1, 0.0, true),
            (1, 0.0, true),
            (2, 0.0, true),
            (2, 0.0, false),
        ]);
        assert!(progress.is_module_done(1));
        assert!(!progress.is_module_done(2));
        assert!(!progress.is_module_done(3));
    }

    #[test]
    fn the_time_left_counts_only_what_is_not_done() {
        assert_eq!(steps(&[]).words(), "Nothing to do yet");
        assert_eq!(steps(&[(1, 600.0, true)]).words(), "All 1 done");
        assert_eq!(
            steps(&[(1, 600.0, true), (1, 0.0, false)]).words(),
            "1 of 2 done"
        );
        assert_eq!(
            steps(&[(1, 600.0, true), (1, 6600.0, false)]).words(),
            "1 of 2 done, 1 h 50 min left"
        );
        assert_eq!(
            steps(&[(1, 600.0, true), (1, 20.0, false)]).words(),
            "1 of 2 done, 1 min left"
        );
    }
}
