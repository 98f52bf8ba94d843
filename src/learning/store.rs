//! Who is in which course: the queries and changes that pages, the API and other features share.

use crate::app::App;
use crate::db::Write;
use crate::entities::{course, enrollment, user};
use crate::error::{Error, Result};
use crate::web::identity::Person;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
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
    if course.owner_id == person.id || person.is_staff {
        return Ok(true);
    }
    if course.is_draft {
        return Ok(false);
    }
    is_enrolled(db, person.id, course.id).await
}

/// Enrolls her in the course. Twice is once, also when both arrive at the same time.
///
/// # Errors
/// [`Error::NotFound`] when there is no such course, or it is somebody else's draft.
pub async fn enroll(app: &App, write: &Write, user_id: i64, course_id: i64) -> Result<()> {
    let db = &**write;
    // The lock keeps the course from being deleted between this look and the insertion.
    let course = course::Entity::find_by_id(course_id).lock_shared();
    let course = course.one(db).await?.ok_or(Error::NotFound)?;
    if course.is_draft && course.owner_id != user_id && !is_staff(db, user_id).await? {
        return Err(Error::NotFound);
    }
    let row = enrollment::ActiveModel {
        course_id: Set(course_id),
        user_id: Set(user_id),
        created_at: Set(app.clock.now()),
        ..Default::default()
    };
    let once = OnConflict::columns([enrollment::Column::CourseId, enrollment::Column::UserId])
        .do_nothing()
        .to_owned();
    enrollment::Entity::insert(row)
        .on_conflict(once)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

async fn is_staff(db: &impl ConnectionTrait, user_id: i64) -> Result<bool> {
    let account = user::Entity::find_by_id(user_id).one(db).await?;
    Ok(account.is_some_and(|account| account.is_staff))
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
