//! `/api/enrollments/`: the courses that somebody is in, and how far she is in each.

use super::admission::{fill, hold_limited};
use super::progress::percent;
use super::shelf::{done, sizes};
use super::store;
use crate::entities::{course, enrollment};
use crate::error::{Error, Result};
use crate::web::rest::{
    Answer, Call, Cell, Declared, FIELDS, Field, IS_AUTHENTICATED, IS_OWNER, Kind, Listing, Object,
    Operation, PARAMETERS, Parameter, Resource, declared, orders_of,
};
use crate::web::scopes::Scope;
use axum::http::Method;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, Order, QueryFilter,
    QuerySelect, RelationTrait, Select,
};
use std::collections::HashMap;

/// An enrollment as its student sees it.
struct Studied {
    row: enrollment::Model,
    title: String,
    all: i64,
    done: i64,
}

fn number(value: Option<i64>) -> Cell<'static> {
    value.map_or(Cell::Null, Cell::Integer)
}

fn time(value: Option<DateTime<Utc>>) -> Cell<'static> {
    value.map_or(Cell::Null, Cell::Time)
}

const ENROLLMENT: [Field<Studied>; 10] = [
    Field::new("id", Kind::Integer, "Its number.", |view| {
        Cell::Integer(view.row.id)
    }),
    Field::new(
        "course",
        Kind::Reference("courses"),
        "The number of the course.",
        |view| Cell::Integer(view.row.course_id),
    ),
    Field::new(
        "title",
        Kind::ShortText(200),
        "What the course is called.",
        |view| Cell::text(&view.title),
    ),
    Field::new("since", Kind::Time, "When you enrolled.", |view| {
        Cell::Time(view.row.created_at)
    }),
    Field::<Studied>::new(
        "last_seen",
        Kind::Time,
        "When you were last there.",
        |view| time(view.row.last_seen_at),
    )
    .or_null()
    .passing(),
    Field::<Studied>::new(
        "last_module",
        Kind::Reference("modules"),
        "The module that you had open last.",
        |view| number(view.row.last_module_id),
    )
    .or_null(),
    Field::<Studied>::new(
        "last_content",
        Kind::Reference("contents"),
        "The content that you played or marked last.",
        |view| number(view.row.last_content_id),
    )
    .or_null(),
    Field::new(
        "contents",
        Kind::Integer,
        "How many contents the course has.",
        |view| Cell::Integer(view.all),
    ),
    Field::new(
        "done",
        Kind::Integer,
        "How many of them you have done.",
        |view| Cell::Integer(view.done),
    ),
    Field::new(
        "percent",
        Kind::Range(0, 100),
        "The same in percent.",
        |view| Cell::Integer(percent(view.done, view.all)),
    ),
];

/// By what enrollments can be ordered.
const ORDERS: [(&str, enrollment::Column); 3] = [
    ("since", enrollment::Column::CreatedAt),
    ("course", enrollment::Column::CourseId),
    ("id", enrollment::Column::Id),
];

impl Object for enrollment::Model {
    fn owner_id(&self) -> Option<i64> {
        Some(self.user_id)
    }
}

/// `/api/enrollments/`
pub fn enrollments() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&ENROLLMENT);
    Resource::new(
        "enrollments",
        "Enrollment",
        "The courses that you are in, and how far you are. You enroll at /api/courses/<id>/enroll/.",
    )
    .all(
        Operation::new(Method::GET, "Lists your courses, the newest enrollment first.", list)
            .only(IS_AUTHENTICATED)
            .list()
            .looks_at(&PARAMETERS)
            .looks_at(&[
                Parameter::ordering(&ORDERS),
                Parameter::id("course", "The number of a course."),
            ])
            .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One of your enrollments.", show)
            .only(IS_OWNER)
            .about(find)
            .looks_at(&[FIELDS])
            .answers(fields()),
    )
    .one(
        Operation::new(
            Method::DELETE,
            "Takes you out of the course; what you have done is kept.",
            destroy,
        )
        .only(IS_OWNER)
        .within(Scope::Learn)
        .about(find)
        .without_answer(),
    )
}

/// Hers, those left out whose course she cannot open.
fn hers(call: &Call) -> Result<Select<enrollment::Entity>> {
    let person = call.person()?;
    let mut select = enrollment::Entity::find()
        .join(JoinType::InnerJoin, enrollment::Relation::Course.def())
        .filter(enrollment::Column::UserId.eq(person.id));
    if !person.is_staff {
        let open = Condition::any()
            .add(course::Column::IsDraft.eq(false))
            .add(course::Column::OwnerId.eq(person.id));
        select = select.filter(open);
    }
    Ok(select)
}

async fn list(call: Call) -> Result<Answer> {
    use enrollment::Column;
    let orders = orders_of(
        &call,
        &ORDERS,
        &[(Column::CreatedAt, Order::Desc)],
        Column::Id,
    )?;
    let mut select = hers(&call)?;
    if let Some(id) = call.number("course")? {
        select = select.filter(Column::CourseId.eq(id));
    }
    let listing = Listing {
        select,
        orders,
        fields: &ENROLLMENT,
        dress: |app, rows| Box::pin(async move { dress(app.db.read(), rows).await }),
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

fn find(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let found = hers(call)?.filter(enrollment::Column::Id.eq(call.id));
        let found = found.one(call.app.db.read()).await?;
        let object: Box<dyn Object> = Box::new(found.ok_or(Error::NotFound)?);
        Ok(object)
    })
}

async fn show(call: Call) -> Result<Answer> {
    let row = call.object::<enrollment::Model>()?.clone();
    let view = dressed(call.app.db.read(), row).await?;
    call.one(&ENROLLMENT, &view)
}

async fn destroy(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let mut write = call.app.write().await?;
    let course = hold_limited(&write, call.object::<enrollment::Model>()?.course_id).await?;
    // She may have left since it was found, and enrolled again: that is another one.
    let row = store::hold_enrollment(&write, person, call.id).await?;
    if call.has_condition() {
        call.unchanged(&ENROLLMENT, &dressed(&*write, row.clone()).await?)?;
    }
    store::end_enrollment(&write, row).await?;
    if let Some(course) = course {
        fill(&call.app, &mut write, &course).await?;
    }
    write.commit().await?;
    Ok(Answer::nothing())
}

async fn dressed(db: &impl ConnectionTrait, row: enrollment::Model) -> Result<Studied> {
    let views = dress(db, vec![row]).await?;
    views.into_iter().next().ok_or(Error::NotFound)
}

/// These enrollments of one student with their courses, in the same order; a constant number of queries.
async fn dress(db: &impl ConnectionTrait, rows: Vec<enrollment::Model>) -> Result<Vec<Studied>> {
    let Some(user_id) = rows.first().map(|row| row.user_id) else {
        return Ok(Vec::new());
    };
    let ids: Vec<i64> = rows.iter().map(|row| row.course_id).collect();
    let titles: Vec<(i64, String)> = course::Entity::find()
        .select_only()
        .columns([course::Column::Id, course::Column::Title])
        .filter(course::Column::Id.is_in(ids.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    let mut titles: HashMap<i64, String> = titles.into_iter().collect();
    let all = sizes(db, &ids).await?;
    let done = done(db, user_id, &ids).await?;
    let views = rows.into_iter().map(|row| Studied {
        title: titles.remove(&row.course_id).unwrap_or_default(),
        all: all.get(&row.course_id).map_or(0, |(count, _)| *count),
        done: done.get(&row.course_id).copied().unwrap_or(0),
        row,
    });
    Ok(views.collect())
}
