//! Who is in which course, as those who run the site set it: for others, one or many at once. Who may is for the caller to
//! have asked.

use super::admission::FillPlaces;
use super::store;
use crate::app::App;
use crate::db::Write;
use crate::entities::{course, enrollment, enrollment_request, user};
use crate::error::{Error, Result};
use crate::jobs;
use crate::web::audit::Facts;
use crate::web::changes;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use std::collections::{BTreeMap, BTreeSet};

/// Enrollments in one statement.
const AT_ONCE: usize = 500;

/// Puts people into courses, pairs of an account and a course; answers the enrollments that are new, in the order of
/// their numbers. Drafts too, and whatever places are left: staff has decided. What they had asked for is granted by it.
///
/// # Errors
/// [`Error::NotFound`] when an account or a course is gone; then nothing lasts.
pub async fn enroll_by_staff(
    app: &App,
    write: &Write,
    pairs: &[(i64, i64)],
) -> Result<Vec<enrollment::Model>> {
    let db = &**write;
    // Held in the order of their numbers, so that no course goes in the meantime and nobody waits for another in a ring.
    let courses: BTreeSet<i64> = pairs.iter().map(|(_, course_id)| *course_id).collect();
    for ids in courses.iter().copied().collect::<Vec<_>>().chunks(AT_ONCE) {
        let held = course::Entity::find()
            .filter(course::Column::Id.is_in(ids.iter().copied()))
            .order_by_asc(course::Column::Id)
            .lock_shared();
        if held.all(db).await?.len() != ids.len() {
            return Err(Error::NotFound);
        }
    }
    let mut made = Vec::new();
    for pairs in pairs.chunks(AT_ONCE) {
        made.extend(insert(app, write, pairs).await?);
    }
    for row in &made {
        changes::students(write, row.course_id, row.user_id);
    }
    Ok(made)
}

/// Those of these pairs that are in their course already.
///
/// # Errors
/// When the database does not answer.
pub async fn list_enrolled(
    db: &impl ConnectionTrait,
    pairs: &[(i64, i64)],
) -> Result<BTreeSet<(i64, i64)>> {
    let mut found = BTreeSet::new();
    let mut by_course: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (user_id, course_id) in pairs {
        by_course.entry(*course_id).or_default().push(*user_id);
    }
    for (course_id, people) in by_course {
        for ids in people.chunks(AT_ONCE) {
            let held: Vec<i64> = enrollment::Entity::find()
                .select_only()
                .column(enrollment::Column::UserId)
                .filter(enrollment::Column::CourseId.eq(course_id))
                .filter(enrollment::Column::UserId.is_in(ids.iter().copied()))
                .into_tuple()
                .all(db)
                .await?;
            found.extend(held.into_iter().map(|user_id| (user_id, course_id)));
        }
    }
    Ok(found)
}

async fn insert(app: &App, write: &Write, pairs: &[(i64, i64)]) -> Result<Vec<enrollment::Model>> {
    let db = &**write;
    let present = list_enrolled(db, pairs).await?;
    let wanted: BTreeSet<(i64, i64)> = pairs.iter().copied().collect();
    let wanted: Vec<(i64, i64)> = wanted.difference(&present).copied().collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let now = app.clock.now();
    let rows = wanted
        .iter()
        .map(|(user_id, course_id)| enrollment::ActiveModel {
            course_id: Set(*course_id),
            user_id: Set(*user_id),
            created_at: Set(now),
            ..Default::default()
        });
    let once = OnConflict::columns([enrollment::Column::CourseId, enrollment::Column::UserId])
        .do_nothing()
        .to_owned();
    let inserted = enrollment::Entity::insert_many(rows)
        .on_conflict(once)
        .exec_without_returning(db)
        .await;
    inserted.map_err(|error| match error.sql_err() {
        Some(sea_orm::SqlErr::ForeignKeyConstraintViolation(_)) => Error::NotFound,
        _ => error.into(),
    })?;
    let are_these = of_pairs(&wanted);
    enrollment_request::Entity::delete_many()
        .filter(of_requests(&wanted))
        .exec(db)
        .await?;
    let made = enrollment::Entity::find()
        .filter(are_these)
        .order_by_asc(enrollment::Column::Id);
    Ok(made.all(db).await?)
}

/// Course by course, since a condition a pair would be too deep for SQLite.
fn of_pairs(pairs: &[(i64, i64)]) -> Condition {
    let of = |course_id: i64, people: Vec<i64>| {
        Condition::all()
            .add(enrollment::Column::CourseId.eq(course_id))
            .add(enrollment::Column::UserId.is_in(people))
    };
    any_course(pairs, of)
}

fn of_requests(pairs: &[(i64, i64)]) -> Condition {
    let of = |course_id: i64, people: Vec<i64>| {
        Condition::all()
            .add(enrollment_request::Column::CourseId.eq(course_id))
            .add(enrollment_request::Column::UserId.is_in(people))
    };
    any_course(pairs, of)
}

fn any_course(pairs: &[(i64, i64)], of: impl Fn(i64, Vec<i64>) -> Condition) -> Condition {
    let mut by_course: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (user_id, course_id) in pairs {
        by_course.entry(*course_id).or_default().push(*user_id);
    }
    let mut any = Condition::any();
    for (course_id, people) in by_course {
        any = any.add(of(course_id, people));
    }
    any
}

/// Takes somebody out of a course, by the number of the enrollment. What she has done is kept. Who waits for her place is let
/// in by a job: one that holds a single course, while here there may be many.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn remove_by_staff(app: &App, write: &mut Write, id: i64) -> Result<()> {
    let held = enrollment::Entity::find_by_id(id).lock_exclusive();
    let row = held.one(&**write).await?.ok_or(Error::NotFound)?;
    let course = course::Entity::find_by_id(row.course_id)
        .one(&**write)
        .await?;
    store::end_enrollment(write, row).await?;
    if course.is_some_and(|course| course.places.is_some()) {
        jobs::enqueue(app, write, &FillPlaces {}).await?;
    }
    Ok(())
}

/// What an enrollment consists of, for the log; `None` when there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn enrollment_facts(db: &impl ConnectionTrait, id: i64) -> Result<Option<Facts>> {
    let found = enrollment::Entity::find_by_id(id)
        .find_also_related(user::Entity)
        .one(db)
        .await?;
    let Some((row, person)) = found else {
        return Ok(None);
    };
    let course = course::Entity::find_by_id(row.course_id).one(db).await?;
    let student = person.map_or_else(String::new, |person| person.username);
    let title = course.map_or_else(String::new, |course| course.title);
    Ok(Some(facts_of(&student, &title)))
}

/// The same of one whose student and course are known.
pub fn facts_of(student: &str, title: &str) -> Facts {
    Facts {
        name: format!("{student} in {title}"),
        fields: vec![
            ("student", student.to_owned()),
            ("course", title.to_owned()),
        ],
    }
}
