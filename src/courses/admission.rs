//! How full a course is and who is waiting for it: the questions that its page and the feature `learning` share. Letting
//! people in is the business of `learning`.

use crate::entities::enrollment_request::{self, RequestState};
use crate::entities::{course, enrollment};
use crate::error::Result;
use chrono::TimeDelta;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};

/// Whoever was declined may ask again after this long.
pub const ASK_AGAIN: TimeDelta = TimeDelta::days(1);

/// Whether one gets into the course only by a place or a decision.
pub fn is_limited(course: &course::Model) -> bool {
    course.places.is_some() || course.needs_approval
}

/// How many places are taken. Its owner takes none.
pub async fn count_taken(db: &impl ConnectionTrait, course: &course::Model) -> Result<i64> {
    let taken = enrollment::Entity::find()
        .filter(enrollment::Column::CourseId.eq(course.id))
        .filter(enrollment::Column::UserId.ne(course.owner_id))
        .count(db)
        .await?;
    Ok(i64::try_from(taken).unwrap_or(i64::MAX))
}

/// Her request for the course, if there is one.
pub async fn find_request(
    db: &impl ConnectionTrait,
    user_id: i64,
    course_id: i64,
) -> Result<Option<enrollment_request::Model>> {
    let found = enrollment_request::Entity::find()
        .filter(enrollment_request::Column::CourseId.eq(course_id))
        .filter(enrollment_request::Column::UserId.eq(user_id));
    Ok(found.one(db).await?)
}

/// The place in line of a request that waits, from 1.
pub async fn place_in_line(
    db: &impl ConnectionTrait,
    request: &enrollment_request::Model,
) -> Result<i64> {
    use enrollment_request::Column;
    let is_before = Condition::any()
        .add(Column::CreatedAt.lt(request.created_at))
        .add(
            Condition::all()
                .add(Column::CreatedAt.eq(request.created_at))
                .add(Column::Id.lt(request.id)),
        );
    let before = enrollment_request::Entity::find()
        .filter(Column::CourseId.eq(request.course_id))
        .filter(Column::State.eq(RequestState::Waiting))
        .filter(is_before)
        .count(db)
        .await?;
    Ok(i64::try_from(before).unwrap_or(i64::MAX).saturating_add(1))
}
