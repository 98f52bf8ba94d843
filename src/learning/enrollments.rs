//! `/api/enrollments/`: the courses that somebody is in, and how far she is in each; for those who run the site, who is in
//! which course.

use super::admission::{fill, hold_limited};
use super::progress::percent;
use super::shelf::{done_by, sizes};
use super::{enroll_by_staff, enrollment_facts, remove_by_staff, store};
use crate::db::Write;
use crate::entities::{course, enrollment, user};
use crate::error::{Error, Problems, Result};
use crate::web::audit::{Done, Facts, record};
use crate::web::identity::Person;
use crate::web::permissions::admin::{DELETE_ENROLLMENT, VIEW_ENROLLMENT};
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, IS_AUTHENTICATED, IS_OWNER, IS_STAFF,
    Kind, Listing, Object, Operation, PARAMETERS, Parameter, Resource, Rule, declared, orders_of,
};
use crate::web::scopes::Scope;
use crate::{holds, runs};
use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, Order, QueryFilter,
    QuerySelect, RelationTrait, Select,
};
use std::collections::{BTreeSet, HashMap};

const MAY_SEE: Rule = Rule::Any(&[IS_OWNER, IS_STAFF, holds!(admin::VIEW_ENROLLMENT)]);
const MAY_END: Rule = Rule::Any(&[IS_OWNER, IS_STAFF, holds!(admin::DELETE_ENROLLMENT)]);

/// An enrollment with its student and course.
struct Studied {
    row: enrollment::Model,
    username: String,
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

const ENROLLMENT: [Field<Studied>; 12] = [
    Field::new("id", Kind::Integer, "Its number.", |view| {
        Cell::Integer(view.row.id)
    }),
    Field::<Studied>::new(
        "course",
        Kind::Reference("courses"),
        "The number of the course.",
        |view| Cell::Integer(view.row.course_id),
    )
    .set_by_caller(Access::Required),
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
    Field::<Studied>::new(
        "user",
        Kind::Integer,
        "The number of who is in the course.",
        |view| Cell::Integer(view.row.user_id),
    )
    .set_by_caller(Access::Required),
    Field::new(
        "username",
        Kind::ShortText(150),
        "What she logs in with.",
        |view| Cell::text(&view.username),
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
    let enrollments = Resource::new(
        "enrollments",
        "Enrollment",
        "The courses that you are in, and how far you are. You enroll at /api/courses/<id>/enroll/. Whoever runs the site sees who is in which course, by ?everybody=true, puts people in and takes them out.",
    )
    .all(
        Operation::new(Method::GET, "Lists your courses, the newest enrollment first.", list)
            .only(IS_AUTHENTICATED)
            .list()
            .looks_at(&PARAMETERS)
            .looks_at(&[
                Parameter::ordering(&ORDERS),
                Parameter::id("course", "The number of a course."),
                Parameter::flag("everybody", "Those of everybody, for whoever runs the site; nothing changes for others."),
                Parameter::id("user", "The number of an account, together with everybody."),
            ])
            .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One enrollment.", show)
            .only(MAY_SEE)
            .about(find)
            .looks_at(&[FIELDS])
            .answers(fields()),
    );
    enrollments
        .all(
            Operation::new(
                Method::POST,
                "Puts somebody into a course, whatever places are left; drafts too.",
                create,
            )
            .only(runs!(ADD_ENROLLMENT))
            .within(Scope::Admin)
            .takes(fields())
            .may_answer(StatusCode::CONFLICT, "She is in this course already.")
            .answers(fields())
            .creates(),
        )
        .one(
            Operation::new(
                Method::DELETE,
                "Takes you, or somebody else, out of the course; what was done is kept.",
                destroy,
            )
            .only(MAY_END)
            .within(Scope::Learn)
            .about(find)
            .without_answer(),
        )
}

/// Hers, those left out whose course she cannot open.
fn hers(person: &Person) -> Select<enrollment::Entity> {
    let mut select = enrollment::Entity::find()
        .join(JoinType::InnerJoin, enrollment::Relation::Course.def())
        .filter(enrollment::Column::UserId.eq(person.id));
    if !person.is_staff {
        let open = Condition::any()
            .add(course::Column::IsDraft.eq(false))
            .add(course::Column::OwnerId.eq(person.id));
        select = select.filter(open);
    }
    select
}

async fn list(call: Call) -> Result<Answer> {
    use enrollment::Column;
    let orders = orders_of(
        &call,
        &ORDERS,
        &[(Column::CreatedAt, Order::Desc)],
        Column::Id,
    )?;
    let person = call.person()?;
    let mut select = if call.flag("everybody")?.unwrap_or(false) && person.may(VIEW_ENROLLMENT) {
        enrollment::Entity::find()
    } else {
        hers(person)
    };
    if let Some(id) = call.number("user")? {
        select = select.filter(Column::UserId.eq(id));
    }
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
        let person = call.person()?;
        let select = if person.may(VIEW_ENROLLMENT) || person.may(DELETE_ENROLLMENT) {
            enrollment::Entity::find()
        } else {
            hers(person)
        };
        let found = select.filter(enrollment::Column::Id.eq(call.id));
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

/// Puts somebody into a course.
async fn create(call: Call) -> Result<Answer> {
    let given = call.given.checked()?;
    let (user_id, course_id) = (
        given.integer("user").unwrap_or_default(),
        given.integer("course").unwrap_or_default(),
    );
    let write = call.app.write().await?;
    let mut problems = Problems::new();
    let person = user::Entity::find_by_id(user_id).one(&*write).await?;
    problems.check(
        person.is_some(),
        "user",
        "There is no account of this number.",
    );
    let course = course::Entity::find_by_id(course_id).one(&*write).await?;
    problems.check(
        course.is_some(),
        "course",
        "There is no course of this number.",
    );
    problems.into_result()?;
    let made = enroll_by_staff(&call.app, &write, &[(user_id, course_id)]).await?;
    let Some(row) = made.into_iter().next() else {
        return Err(Error::Conflict("She is in this course already.".into()));
    };
    log(&call, &write, "add", row.id, None).await?;
    let path = format!("/api/enrollments/{}/", row.id);
    let view = dressed(&*write, row).await?;
    call.made(write, &ENROLLMENT, &view, &path).await
}

/// Logs what was done for somebody else.
async fn log(call: &Call, write: &Write, act: &str, id: i64, before: Option<Facts>) -> Result<()> {
    let after = enrollment_facts(&**write, id).await?;
    let done = Done {
        act,
        kind: "enrollment",
        id,
        before: before.as_ref(),
        after: after.as_ref(),
    };
    record(write, &call.by()?, done).await
}

async fn destroy(call: Call) -> Result<Answer> {
    let person = call.person()?;
    if call.object::<enrollment::Model>()?.user_id != person.id {
        return remove(&call).await;
    }
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

/// Takes somebody else out of a course.
async fn remove(call: &Call) -> Result<Answer> {
    let mut write = call.app.write().await?;
    if call.has_condition() {
        let found = enrollment::Entity::find_by_id(call.id).one(&*write).await?;
        let row = found.ok_or(Error::NotFound)?;
        call.unchanged(&ENROLLMENT, &dressed(&*write, row).await?)?;
    }
    let told = enrollment_facts(&*write, call.id).await?;
    remove_by_staff(&call.app, &mut write, call.id).await?;
    log(call, &write, "remove", call.id, told).await?;
    write.commit().await?;
    Ok(Answer::nothing())
}

async fn dressed(db: &impl ConnectionTrait, row: enrollment::Model) -> Result<Studied> {
    let views = dress(db, vec![row]).await?;
    views.into_iter().next().ok_or(Error::NotFound)
}

/// These enrollments with their students and courses, in the same order; a constant number of queries.
async fn dress(db: &impl ConnectionTrait, rows: Vec<enrollment::Model>) -> Result<Vec<Studied>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let distinct = |of: fn(&enrollment::Model) -> i64| -> Vec<i64> {
        let numbers: BTreeSet<i64> = rows.iter().map(of).collect();
        numbers.into_iter().collect()
    };
    let (people, ids) = (distinct(|row| row.user_id), distinct(|row| row.course_id));
    let titles: Vec<(i64, String)> = course::Entity::find()
        .select_only()
        .columns([course::Column::Id, course::Column::Title])
        .filter(course::Column::Id.is_in(ids.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    let titles: HashMap<i64, String> = titles.into_iter().collect();
    let names: Vec<(i64, String)> = user::Entity::find()
        .select_only()
        .columns([user::Column::Id, user::Column::Username])
        .filter(user::Column::Id.is_in(people.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    let names: HashMap<i64, String> = names.into_iter().collect();
    let all = sizes(db, &ids).await?;
    let done = done_by(db, &people, &ids).await?;
    let views = rows.into_iter().map(|row| Studied {
        username: names.get(&row.user_id).cloned().unwrap_or_default(),
        title: titles.get(&row.course_id).cloned().unwrap_or_default(),
        all: all.get(&row.course_id).map_or(0, |(count, _)| *count),
        done: done
            .get(&(row.user_id, row.course_id))
            .copied()
            .unwrap_or(0),
        row,
    });
    Ok(views.collect())
}
