//! `/api/courses/<id>/entry/`: how one gets into a course, for its teacher: places, and whether she decides.

use super::MANAGES;
use crate::courses::{CourseHead, count_taken, find_course, hold_course};
use crate::entities::course;
use crate::entities::enrollment_request::{self, RequestState};
use crate::error::{Error, Result};
use crate::learning::deciding::{self, Rules};
use crate::learning::entry::{MOST_PLACES, read_rules};
use crate::web::form::Form;
use crate::web::rest::{
    Access, Answer, Call, Cell, FIELDS, Field, Kind, Operation, Resource, declared,
};
use axum::http::Method;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};

/// How one gets into a course, and how full it is.
struct Entry {
    course: course::Model,
    taken: i64,
    asked: i64,
    waiting: i64,
}

const ENTRY: [Field<Entry>; 6] = [
    Field::new(
        "course",
        Kind::Reference("courses"),
        "The number of the course.",
        |entry| Cell::Integer(entry.course.id),
    ),
    Field::<Entry>::new(
        "places",
        Kind::Range(1, MOST_PLACES),
        "How many students there may be; null: as many as like.",
        |entry| {
            let places = entry.course.places;
            places.map_or(Cell::Null, |places| Cell::Integer(places.into()))
        },
    )
    .or_null()
    .set_by_caller(Access::Optional),
    Field::<Entry>::new(
        "needs_approval",
        Kind::Boolean,
        "Whether the teacher decides who comes in.",
        |entry| Cell::Boolean(entry.course.needs_approval),
    )
    .set_by_caller(Access::Optional),
    Field::<Entry>::new(
        "taken",
        Kind::Integer,
        "How many places are taken.",
        |entry| Cell::Integer(entry.taken),
    )
    .passing(),
    Field::<Entry>::new(
        "asked",
        Kind::Integer,
        "How many requests wait for a decision.",
        |entry| Cell::Integer(entry.asked),
    )
    .passing(),
    Field::<Entry>::new(
        "waiting",
        Kind::Integer,
        "How many wait for a place.",
        |entry| Cell::Integer(entry.waiting),
    )
    .passing(),
];

/// Adds to the courses how one gets into them.
pub(super) fn with_entry(courses: Resource) -> Resource {
    courses
        .action(
            "entry",
            "Entry",
            "How one gets into the course: how many places there are, and whether its teacher decides. Who asks stands at /api/requests/.",
            Operation::new(Method::GET, "How one gets into the course, and how full it is.", show)
                .only(MANAGES)
                .about(find_course)
                .looks_at(&[FIELDS])
                .answers(declared(&ENTRY)),
        )
        .at(
            "/api/courses/{id}/entry/",
            Operation::new(
                Method::PATCH,
                "Changes how one gets into the course; whoever may come in then is let in and told.",
                change,
            )
            .only(MANAGES)
            .about(find_course)
            .takes(declared(&ENTRY))
            .answers(declared(&ENTRY)),
        )
}

async fn count(db: &impl ConnectionTrait, course_id: i64, state: RequestState) -> Result<i64> {
    use enrollment_request::Column;
    let count = enrollment_request::Entity::find()
        .filter(Column::CourseId.eq(course_id))
        .filter(Column::State.eq(state))
        .count(db)
        .await?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

async fn of(db: &impl ConnectionTrait, course: course::Model) -> Result<Entry> {
    Ok(Entry {
        taken: count_taken(db, &course).await?,
        asked: count(db, course.id, RequestState::Asked).await?,
        waiting: count(db, course.id, RequestState::Waiting).await?,
        course,
    })
}

async fn show(call: Call) -> Result<Answer> {
    let db = call.app.db.read();
    let id = call.object::<CourseHead>()?.id;
    let course = course::Entity::find_by_id(id).one(db).await?;
    call.one(&ENTRY, &of(db, course.ok_or(Error::NotFound)?).await?)
}

async fn change(call: Call) -> Result<Answer> {
    let id = call.object::<CourseHead>()?.id;
    let mut write = call.app.write().await?;
    let course = hold_course(&write, call.person()?, id).await?;
    let before = of(&*write, course).await?;
    let form = form_of(&before.course);
    let rules = call.given.judge_change(&ENTRY, &before, |given| {
        let mut rules = read_rules(&given.typed_over(&form))?;
        let wanted = given.flag("needs_approval");
        rules.needs_approval = wanted.unwrap_or(before.course.needs_approval);
        Ok(rules)
    })?;
    call.unchanged(&ENTRY, &before)?;
    let held = Rules {
        places: before.course.places,
        needs_approval: before.course.needs_approval,
    };
    if rules == held {
        return call.one(&ENTRY, &before);
    }
    let course =
        deciding::set_rules(&call.app, &mut write, &call.by()?, &before.course, rules).await?;
    let after = of(&*write, course).await?;
    write.commit().await?;
    call.one(&ENTRY, &after)
}

/// The page's form as it stands.
fn form_of(course: &course::Model) -> Form {
    let places = course.places.map(|places| places.to_string());
    Form::from_pairs(vec![("places".into(), places.unwrap_or_default())])
}
