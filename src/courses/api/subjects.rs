//! `/api/subjects/`: the fields of study. Everybody reads them; staff write them.

use crate::courses::facts::subject_facts;
use crate::courses::listing;
use crate::courses::writing::{SubjectChange, delete_subject, hold_subject, save_subject};
use crate::db::Write;
use crate::entities::subject;
use crate::error::{Error, Problems, Result};
use crate::runs;
use crate::web::audit::{Done, Facts, record};
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, Given, Kind, Listing, Object, Operation,
    PARAMETERS, Parameter, Resource, containing, declared, orders_of,
};
use crate::web::scopes::Scope;
use crate::web::tags::Tag;
use axum::http::{Method, StatusCode};
use futures::future::BoxFuture;
use sea_orm::{EntityTrait, Order, QueryFilter};

/// What is answered of a subject.
const SUBJECT_FIELDS: [Field<subject::Model>; 3] = [
    Field::new("id", Kind::Integer, "Its number.", |row| {
        Cell::Integer(row.id)
    }),
    Field::<subject::Model>::new("title", Kind::ShortText(200), "What it is called.", |row| {
        Cell::text(&row.title)
    })
    .set_by_caller(Access::Required),
    Field::<subject::Model>::new(
        "slug",
        Kind::Slug(200),
        "Its address under /course/subject/; no two subjects share one.",
        |row| Cell::text(&row.slug),
    )
    .set_by_caller(Access::Required),
];

/// By what subjects can be ordered.
const ORDERS: [(&str, subject::Column); 2] = [
    ("title", subject::Column::Title),
    ("id", subject::Column::Id),
];

impl Object for subject::Model {
    fn owner_id(&self) -> Option<i64> {
        None
    }
}

/// `/api/subjects/`
pub fn subjects() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&SUBJECT_FIELDS);
    let change = |method, about| {
        Operation::new(method, about, change)
            .only(runs!(CHANGE_SUBJECT))
            .within(Scope::Admin)
            .about(find_subject)
            .takes(fields())
            .answers(fields())
    };
    Resource::new(
        "subjects",
        "Subject",
        "The fields of study, under which courses stand.",
    )
    .all(
        Operation::new(Method::GET, "Lists the subjects by title.", list_subjects)
            .list()
            .looks_at(&PARAMETERS)
            .looks_at(&[Parameter::ordering(&ORDERS)])
            .looks_at(&[("search", "Words in the title.")])
            .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One subject.", show_subject)
            .looks_at(&[FIELDS])
            .answers(fields()),
    )
    .all(
        Operation::new(Method::POST, "Makes a subject.", create)
            .only(runs!(ADD_SUBJECT))
            .within(Scope::Admin)
            .takes(fields())
            .answers(fields())
            .creates(),
    )
    .one(change(Method::PUT, "Changes a subject as a whole."))
    .one(change(Method::PATCH, "Changes some fields of a subject."))
    .one(
        Operation::new(
            Method::DELETE,
            "Deletes a subject under which no course stands.",
            destroy,
        )
        .only(runs!(DELETE_SUBJECT))
        .within(Scope::Admin)
        .about(find_subject)
        .may_answer(StatusCode::CONFLICT, "Courses stand under it.")
        .without_answer(),
    )
}

async fn list_subjects(call: Call) -> Result<Answer> {
    use subject::Column;
    let mut select = subject::Entity::find();
    if let Some(words) = call.parameter("search") {
        for word in listing::words_of(words) {
            select = select.filter(containing(Column::Title, &word));
        }
    }
    let usual = [(Column::Title, Order::Asc)];
    let orders = orders_of(&call, &ORDERS, &usual, Column::Id)?;
    let listing = Listing {
        select,
        orders,
        fields: &SUBJECT_FIELDS,
        dress: |_, rows| Box::pin(std::future::ready(Ok(rows))),
        kept: Some(("subjects", vec![Tag::subjects()])),
    };
    Box::pin(call.list(listing)).await
}

async fn show_subject(call: Call) -> Result<Answer> {
    call.rests_on(&[Tag::subjects()]).await?;
    let found = subject::Entity::find_by_id(call.id);
    let row = found.one(call.app.db.read()).await?;
    call.one(&SUBJECT_FIELDS, &row.ok_or(Error::NotFound)?)
}

fn find_subject(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let found = subject::Entity::find_by_id(call.id);
        let found = found.one(call.app.db.read()).await?;
        let object: Box<dyn Object> = Box::new(found.ok_or(Error::NotFound)?);
        Ok(object)
    })
}

async fn create(call: Call) -> Result<Answer> {
    let change = call.given.judge(|given| judged(given, None))?;
    let write = call.app.write().await?;
    let row = save_subject(&write, None, change).await?;
    log(&call, &write, "add", row.id, None).await?;
    let path = format!("/api/subjects/{}/", row.id);
    call.made(write, &SUBJECT_FIELDS, &row, &path).await
}

async fn change(call: Call) -> Result<Answer> {
    let (write, before) = hold(&call).await?;
    let judge = |given: &Given| judged(given, Some(&before));
    let change = call.given.judge_change(&SUBJECT_FIELDS, &before, judge)?;
    call.unchanged(&SUBJECT_FIELDS, &before)?;
    if (&change.title, &change.slug) == (&before.title, &before.slug) {
        return call.one(&SUBJECT_FIELDS, &before);
    }
    let told = subject_facts(&*write, before.id).await?;
    let row = save_subject(&write, Some(before.id), change).await?;
    log(&call, &write, "change", row.id, told).await?;
    write.commit().await?;
    call.one(&SUBJECT_FIELDS, &row)
}

async fn destroy(call: Call) -> Result<Answer> {
    let (write, subject) = hold(&call).await?;
    call.unchanged(&SUBJECT_FIELDS, &subject)?;
    let told = subject_facts(&*write, subject.id).await?;
    delete_subject(&write, subject.id).await?;
    log(&call, &write, "delete", subject.id, told).await?;
    write.commit().await?;
    Ok(Answer::nothing())
}

async fn log(call: &Call, write: &Write, act: &str, id: i64, before: Option<Facts>) -> Result<()> {
    let after = subject_facts(&**write, id).await?;
    let done = Done {
        act,
        kind: "subject",
        id,
        before: before.as_ref(),
        after: after.as_ref(),
    };
    record(write, &call.by()?, done).await
}

/// The subject, held for a change.
async fn hold(call: &Call) -> Result<(Write, subject::Model)> {
    let write = call.app.write().await?;
    let row = hold_subject(&write, call.id).await?;
    Ok((write, row))
}

fn judged(given: &Given, before: Option<&subject::Model>) -> Result<SubjectChange, Problems> {
    let title = before.map_or("", |before| &before.title);
    let slug = before.map_or("", |before| &before.slug);
    SubjectChange::read(
        given.text("title").unwrap_or(title),
        given.text("slug").unwrap_or(slug),
    )
}
