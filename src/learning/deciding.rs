//! What a teacher decides about who comes into her course: requests, the number of places, and whether she is asked at all.

use super::admission::{Told, announce, fill, let_in_told, move_up};
use super::entry::{LONGEST_REASON, SHOWN};
use super::logged::{self, Outcome};
use crate::app::App;
use crate::courses::{facts_for_others, log_for_others};
use crate::db::Write;
use crate::entities::course;
use crate::entities::enrollment_request::{self, RequestState};
use crate::error::{Problems, Result};
use crate::web::audit::By;
use crate::web::changes;
use crate::web::form::Form;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder,
};
use std::collections::BTreeSet;

/// Lets those of these who ask for the course, which is held, come in as soon as there is a place; answers how many.
pub(super) async fn accept(
    app: &App,
    write: &mut Write,
    by: &By,
    course: &course::Model,
    request_ids: &[i64],
) -> Result<usize> {
    let asked = list_of(write, course.id, request_ids, &[RequestState::Asked]).await?;
    settle(app, write, &asked, RequestState::Waiting, "").await?;
    let let_in = move_up(app, write, course).await?;
    let outcome = Outcome {
        act: "accept",
        let_in: &let_in,
        reason: "",
    };
    logged::requests(write, by, course, &asked, &outcome).await?;
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
    by: &By,
    course: &course::Model,
    request_ids: &[i64],
    reason: &str,
) -> Result<usize> {
    let open = [RequestState::Asked, RequestState::Waiting];
    let declined = list_of(write, course.id, request_ids, &open).await?;
    settle(app, write, &declined, RequestState::Declined, reason).await?;
    let outcome = Outcome {
        act: "decline",
        let_in: &[],
        reason,
    };
    logged::requests(write, by, course, &declined, &outcome).await?;
    let news = declined
        .iter()
        .map(|request| (request.user_id, Told::Declined(reason.to_owned())));
    announce(app, write, course, news.collect()).await?;
    Ok(declined.len())
}

/// Notes what was decided about these.
async fn settle(
    app: &App,
    write: &Write,
    requests: &[enrollment_request::Model],
    state: RequestState,
    reason: &str,
) -> Result<()> {
    enrollment_request::Entity::update_many()
        .col_expr(enrollment_request::Column::State, Expr::value(state))
        .col_expr(enrollment_request::Column::Reason, Expr::value(reason))
        .col_expr(
            enrollment_request::Column::DecidedAt,
            Expr::value(app.clock.now()),
        )
        .filter(enrollment_request::Column::Id.is_in(requests.iter().map(|request| request.id)))
        .exec(&**write)
        .await?;
    Ok(())
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

/// What a teacher decided about the chosen.
pub(super) struct Decision {
    pub ids: Vec<i64>,
    pub reason: String,
    pub accepts: bool,
}

/// Reads either form: of those who ask, or of those who wait, whose faults stand at names of their own.
pub(super) fn read_decision(form: &Form) -> Result<Decision, Problems> {
    let act = form.get("act");
    let (list, field) = if act == "remove" {
        ("line", "line_reason")
    } else {
        ("requests", "reason")
    };
    let ids: BTreeSet<i64> = form
        .all("request")
        .filter_map(|id| id.parse().ok())
        .collect();
    let reason = form.long_text(field).trim().to_owned();
    let mut problems = Problems::new();
    problems.check(!ids.is_empty(), list, "Choose at least one request.");
    problems.check(
        u64::try_from(ids.len()).unwrap_or(u64::MAX) <= SHOWN,
        list,
        "Decide about up to 200 at once, as many as the page shows.",
    );
    problems.check(
        reason.chars().count() <= LONGEST_REASON,
        field,
        "A reason has up to 500 characters. Please shorten it.",
    );
    problems.check(
        matches!(act, "accept" | "decline" | "remove"),
        list,
        "Choose whether to accept or to decline.",
    );
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Decision {
        ids: ids.into_iter().collect(),
        reason,
        accepts: act == "accept",
    })
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
    by: &By,
    before: &course::Model,
    rules: Rules,
) -> Result<course::Model> {
    let told = facts_for_others(write, by, before).await?;
    let row = course::ActiveModel {
        id: Set(before.id),
        places: Set(rules.places),
        needs_approval: Set(rules.needs_approval),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let course = row.update(&**write).await?;
    log_for_others(write, by, "change", course.id, told.as_ref()).await?;
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
