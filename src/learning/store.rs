//! Who is in which course: the queries and changes that pages, the API and other features share.

use crate::app::App;
use crate::db::Write;
use crate::entities::{content, course, enrollment, item, module};
use crate::error::{Error, Result};
use crate::web::changes;
use crate::web::identity::Person;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ModelTrait, QueryFilter,
    QuerySelect,
};

/// Whether she has enrolled in the course.
pub async fn is_enrolled(db: &impl ConnectionTrait, user_id: i64, course_id: i64) -> Result<bool> {
    let enrollment = find_enrollment(db, user_id, course_id).await?;
    Ok(enrollment.is_some())
}

/// Whether she may read the contents of the course: its owner, staff, and who is enrolled. A draft is
/// closed to students, those who enrolled before it was one included.
pub async fn may_study(
    db: &impl ConnectionTrait,
    person: &Person,
    course: &course::Model,
) -> Result<bool> {
    if manages(person, course) {
        return Ok(true);
    }
    if course.is_draft {
        return Ok(false);
    }
    is_enrolled(db, person.id, course.id).await
}

/// Puts somebody into the course, however full it is, whoever decides, and while it is a draft. Twice is once, also when both
/// arrive at the same time. Whoever comes by herself asks [`ask_to_enroll`](super::admission::ask_to_enroll).
///
/// # Errors
/// [`Error::NotFound`] when there is no such course.
pub async fn enroll(
    app: &App,
    write: &Write,
    user_id: i64,
    course_id: i64,
) -> Result<course::Model> {
    let db = &**write;
    // The lock keeps the course from being deleted between this look and the insertion.
    let course = course::Entity::find_by_id(course_id).lock_shared();
    let course = course.one(db).await?.ok_or(Error::NotFound)?;
    insert(app, write, &[user_id], course_id).await?;
    Ok(course)
}

/// Adds enrollments of these people to a course that is held, unless they are there.
pub async fn insert(app: &App, write: &Write, user_ids: &[i64], course_id: i64) -> Result<()> {
    if user_ids.is_empty() {
        return Ok(());
    }
    let now = app.clock.now();
    let rows = user_ids.iter().map(|user_id| enrollment::ActiveModel {
        course_id: Set(course_id),
        user_id: Set(*user_id),
        created_at: Set(now),
        ..Default::default()
    });
    let once = OnConflict::columns([enrollment::Column::CourseId, enrollment::Column::UserId])
        .do_nothing()
        .to_owned();
    enrollment::Entity::insert_many(rows)
        .on_conflict(once)
        .exec_without_returning(&**write)
        .await?;
    for user_id in user_ids {
        changes::students(write, course_id, *user_id);
    }
    Ok(())
}

/// Whether she manages the course, and so comes in as she likes: its owner, and staff, as far as what told who she is
/// lets her be staff.
pub fn manages(person: &Person, course: &course::Model) -> bool {
    course.owner_id == person.id || person.is_staff
}

/// Her enrollment in the course, with the place where she stopped.
pub async fn find_enrollment(
    db: &impl ConnectionTrait,
    user_id: i64,
    course_id: i64,
) -> Result<Option<enrollment::Model>> {
    let found = enrollment::Entity::find()
        .filter(enrollment::Column::CourseId.eq(course_id))
        .filter(enrollment::Column::UserId.eq(user_id));
    Ok(found.one(db).await?)
}

/// A course that she may study, and her enrollment where she has one.
///
/// # Errors
/// [`Error::NotFound`] when there is no such course, or it is not open to her: see [`may_study`].
pub async fn get_studied_course(
    db: &impl ConnectionTrait,
    person: &Person,
    course_id: i64,
) -> Result<(course::Model, Option<enrollment::Model>)> {
    let course = course::Entity::find_by_id(course_id).one(db).await?;
    let course = course.ok_or(Error::NotFound)?;
    let enrollment = find_enrollment(db, person.id, course_id).await?;
    if manages(person, &course) || (enrollment.is_some() && !course.is_draft) {
        Ok((course, enrollment))
    } else {
        Err(Error::NotFound)
    }
}

/// A content of a course that she may study.
///
/// # Errors
/// [`Error::NotFound`] when there is no such content, or its course is not open to her.
pub async fn get_studied_content(
    db: &impl ConnectionTrait,
    person: &Person,
    content_id: i64,
) -> Result<(content::Model, item::Model, course::Model)> {
    let found = content::Entity::find_by_id(content_id)
        .find_also_related(item::Entity)
        .one(db)
        .await?;
    let Some((content, Some(item))) = found else {
        return Err(Error::NotFound);
    };
    let found = module::Entity::find_by_id(content.module_id)
        .find_also_related(course::Entity)
        .one(db)
        .await?;
    let Some((_, Some(course))) = found else {
        return Err(Error::NotFound);
    };
    if may_study(db, person, &course).await? {
        Ok((content, item, course))
    } else {
        Err(Error::NotFound)
    }
}

/// Her enrollment of this number, held until the end of the transaction.
///
/// # Errors
/// [`Error::NotFound`] when there is none, or it is another's.
pub async fn hold_enrollment(write: &Write, person: &Person, id: i64) -> Result<enrollment::Model> {
    let found = enrollment::Entity::find_by_id(id)
        .filter(enrollment::Column::UserId.eq(person.id))
        .lock_exclusive();
    found.one(&**write).await?.ok_or(Error::NotFound)
}

/// Ends an enrollment that is held: as [`leave`], for this one alone.
pub async fn end_enrollment(write: &Write, row: enrollment::Model) -> Result<()> {
    let (course_id, user_id) = (row.course_id, row.user_id);
    row.delete(&**write).await?;
    changes::students(write, course_id, user_id);
    Ok(())
}

/// Takes her out of the course. Leaving twice is leaving once.
///
/// What she marked as done stays, so that a slip costs nothing: after enrolling again she goes on where she
/// was. Only the note of the module that she had open goes with the enrollment.
///
/// # Errors
/// [`Error::NotFound`] when there is no such course, or only others see it.
pub async fn leave(write: &Write, person: &Person, course_id: i64) -> Result<()> {
    let left = enrollment::Entity::delete_many()
        .filter(enrollment::Column::CourseId.eq(course_id))
        .filter(enrollment::Column::UserId.eq(person.id))
        .exec(&**write)
        .await?;
    if left.rows_affected > 0 {
        changes::students(write, course_id, person.id);
        return Ok(());
    }
    let course = course::Entity::find_by_id(course_id).one(&**write).await?;
    let is_seen = course.is_some_and(|course| !course.is_draft || manages(person, &course));
    if is_seen {
        Ok(())
    } else {
        Err(Error::NotFound)
    }
}
