//! What a teacher decides about who comes into her course: requests, the number of places, and whether she is asked at all.

use super::admission::{Told, announce, fill, let_in_told, move_up};
use crate::app::App;
use crate::db::Write;
use crate::entities::course;
use crate::entities::enrollment_request::{self, RequestState};
use crate::error::Result;
use crate::web::changes;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder,
};

/// Lets those of these who ask for the course, which is held, come in as soon as there is a place; answers how many.
pub(super) async fn accept(
    app: &App,
    write: &mut Write,
    course: &course::Model,
    request_ids: &[i64],
) -> Result<usize> {
    let asked = list_of(write, course.id, request_ids, &[RequestState::Asked]).await?;
    let now = app.clock.now();
    for request in &asked {
        let row = enrollment_request::ActiveModel {
            id: Set(request.id),
            state: Set(RequestState::Waiting),
            decided_at: Set(Some(now)),
            ..Default::default()
        };
        row.update(&**write).await?;
    }
    let let_in = move_up(app, write, course).await?;
    let still_out = asked
        .iter()
        .map(|request| request.user_id)
        .filter(|id| !let_in.contains(id))
        .map(|id| (id, Told::Accepted));
    let news = let_in.iter().copied().map(let_in_told).chain(still_out);
    announce(app, write, course, news.collect()).await?;
    Ok(asked.len())
}

/// Declines these of a course that is held, with a reason that may be empty; answers how many.
pub(super) async fn decline(
    app: &App,
    write: &mut Write,
    course: &course::Model,
    request_ids: &[i64],
    reason: &str,
) -> Result<usize> {
    let open = [RequestState::Asked, RequestState::Waiting];
    let declined = list_of(write, course.id, request_ids, &open).await?;
    let now = app.clock.now();
    for request in &declined {
        let row = enrollment_request::ActiveModel {
            id: Set(request.id),
            state: Set(RequestState::Declined),
            reason: Set(reason.to_owned()),
            decided_at: Set(Some(now)),
            ..Default::default()
        };
        row.update(&**write).await?;
    }
    let news = declined
        .iter()
        .map(|request| (request.user_id, Told::Declined(reason.to_owned())));
    announce(app, write, course, news.collect()).await?;
    Ok(declined.len())
}

/// These requests of a course in these states, by growing number of the person.
async fn list_of(
    write: &Write,
    course_id: i64,
    ids: &[i64],
    states: &[RequestState],
) -> Result<Vec<enrollment_request::Model>> {
    let rows = enrollment_request::Entity::find()
        .filter(enrollment_request::Column::CourseId.eq(course_id))
        .filter(enrollment_request::Column::Id.is_in(ids.iter().copied()))
        .filter(enrollment_request::Column::State.is_in(states.iter().copied()))
        .order_by_asc(enrollment_request::Column::UserId);
    Ok(rows.all(&**write).await?)
}

/// How many students there may be, and whether the teacher decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    pub places: Option<i32>,
    pub needs_approval: bool,
}

/// Changes how one gets into a course that is held, and lets in who may come now: where nobody decides any more, all who
/// have asked.
pub(super) async fn set_rules(
    app: &App,
    write: &mut Write,
    before: &course::Model,
    rules: Rules,
) -> Result<course::Model> {
    let row = course::ActiveModel {
        id: Set(before.id),
        places: Set(rules.places),
        needs_approval: Set(rules.needs_approval),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let course = row.update(&**write).await?;
    changes::course(write, course.id, course.owner_id);
    if before.needs_approval && !course.needs_approval {
        enrollment_request::Entity::update_many()
            .col_expr(
                enrollment_request::Column::State,
                Expr::value(RequestState::Waiting),
            )
            .filter(enrollment_request::Column::CourseId.eq(course.id))
            .filter(enrollment_request::Column::State.eq(RequestState::Asked))
            .exec(&**write)
            .await?;
    }
    fill(app, write, &course).await?;
    Ok(course)
}
