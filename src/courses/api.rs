//! Subjects and courses for programs: `/api/subjects/` and `/api/courses/`.
//!
//! What belongs to studying a course (enrolling, its contents) is added by the feature `learning`.

use super::listing;
use crate::app::App;
use crate::entities::{course, module, subject};
use crate::error::{Error, Result};
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, Kind, Listing, Object, Operation,
    PARAMETERS, Parameter, Resource, Takes, declared, orders_of,
};
use crate::web::tags::Tag;
use axum::http::Method;
use backends::cache::Timeout;
use futures::future::BoxFuture;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, Select,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A course as programs see it.
#[derive(Debug, Clone)]
pub struct CourseView {
    /// The course itself.
    pub course: course::Model,
    /// Its modules in their order.
    pub modules: Vec<ModuleView>,
}

/// A module as programs see it.
#[derive(Debug, Clone)]
pub struct ModuleView {
    /// Its number.
    pub id: i64,
    /// Its place, from 0.
    pub order: i64,
    /// What it is called.
    pub title: String,
    /// A sentence or none.
    pub description: String,
    /// What it holds, where that is shown.
    pub contents: Vec<ContentView>,
}

/// A content as programs see it.
#[derive(Debug, Clone)]
pub struct ContentView {
    /// Its place, from 0.
    pub order: i64,
    /// What a lesson shows of it.
    pub html: String,
}

const CONTENT: [Field<ContentView>; 2] = [
    Field::new(
        "order",
        Kind::Integer,
        "Its place in the module, from 0.",
        |content| Cell::Integer(content.order),
    ),
    Field::new(
        "item",
        Kind::Html,
        "What a lesson shows of it.",
        |content| Cell::text(&content.html),
    ),
];

const MODULE_ORDER: Field<ModuleView> = Field::new(
    "order",
    Kind::Integer,
    "Its place in the course, from 0.",
    |module| Cell::Integer(module.order),
);
const MODULE_TITLE: Field<ModuleView> = Field::new(
    "title",
    Kind::ShortText(200),
    "What it is called.",
    |module| Cell::text(&module.title),
);
const MODULE_DESCRIPTION: Field<ModuleView> =
    Field::new("description", Kind::Text, "A sentence or none.", |module| {
        Cell::text(&module.description)
    });
const MODULE: [Field<ModuleView>; 3] = [MODULE_ORDER, MODULE_TITLE, MODULE_DESCRIPTION];
const FULL_MODULE: [Field<ModuleView>; 4] = [
    MODULE_ORDER,
    MODULE_TITLE,
    MODULE_DESCRIPTION,
    Field::new(
        "contents",
        Kind::List(|| declared(&CONTENT)),
        "What it holds, in its order.",
        |module| Cell::list(&CONTENT, &module.contents),
    ),
];

const ID: Field<CourseView> = Field::new("id", Kind::Integer, "Its number.", |view| {
    Cell::Integer(view.course.id)
});
const SUBJECT: Field<CourseView> = Field::<CourseView>::new(
    "subject",
    Kind::Reference("subjects"),
    "The number of its subject.",
    |view| Cell::Integer(view.course.subject_id),
)
.set_by_caller(Access::Required);
const TITLE: Field<CourseView> = Field::<CourseView>::new(
    "title",
    Kind::ShortText(200),
    "What it is called.",
    |view| Cell::text(&view.course.title),
)
.set_by_caller(Access::Required);
const SLUG: Field<CourseView> = Field::<CourseView>::new(
    "slug",
    Kind::Slug(200),
    "Its address under /course/; no two courses share one.",
    |view| Cell::text(&view.course.slug),
)
.set_by_caller(Access::Required);
const OVERVIEW: Field<CourseView> = Field::<CourseView>::new(
    "overview",
    Kind::Text,
    "What it is about, in Markdown.",
    |view| Cell::text(&view.course.overview),
)
.set_by_caller(Access::Required);
const CREATED: Field<CourseView> = Field::new("created", Kind::Time, "When it was made.", |view| {
    Cell::Time(view.course.created_at)
});
const OWNER: Field<CourseView> = Field::new(
    "owner",
    Kind::Integer,
    "The number of the instructor who made it.",
    |view| Cell::Integer(view.course.owner_id),
);

/// What is answered of a course.
pub const COURSE: [Field<CourseView>; 8] = [
    ID,
    SUBJECT,
    TITLE,
    SLUG,
    OVERVIEW,
    CREATED,
    OWNER,
    Field::new(
        "modules",
        Kind::List(|| declared(&MODULE)),
        "Its modules, in their order.",
        |view| Cell::list(&MODULE, &view.modules),
    ),
];

/// What is answered of a course with its contents.
pub const FULL_COURSE: [Field<CourseView>; 8] = [
    ID,
    SUBJECT,
    TITLE,
    SLUG,
    OVERVIEW,
    CREATED,
    OWNER,
    Field::new(
        "modules",
        Kind::List(|| declared(&FULL_MODULE)),
        "Its modules with what they hold, in their order.",
        |view| Cell::list(&FULL_MODULE, &view.modules),
    ),
];

/// What is answered of a subject.
const SUBJECT_FIELDS: [Field<subject::Model>; 3] = [
    Field::new("id", Kind::Integer, "Its number.", |row| {
        Cell::Integer(row.id)
    }),
    Field::new("title", Kind::ShortText(200), "What it is called.", |row| {
        Cell::text(&row.title)
    }),
    Field::new(
        "slug",
        Kind::Slug(200),
        "Its address under /course/subject/.",
        |row| Cell::text(&row.slug),
    ),
];

/// By what subjects can be ordered.
const SUBJECT_ORDERS: [(&str, subject::Column); 2] = [
    ("title", subject::Column::Title),
    ("id", subject::Column::Id),
];

/// By what courses can be ordered.
const COURSE_ORDERS: [(&str, course::Column); 3] = [
    ("created", course::Column::CreatedAt),
    ("title", course::Column::Title),
    ("id", course::Column::Id),
];

/// What decides who sees a course.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CourseHead {
    /// Its number.
    pub id: i64,
    /// The instructor who made it.
    pub owner_id: i64,
    /// Only its owner and staff see it.
    pub is_draft: bool,
}

impl Object for CourseHead {
    fn owner_id(&self) -> Option<i64> {
        Some(self.owner_id)
    }
}

/// `/api/subjects/`
pub fn subjects() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&SUBJECT_FIELDS);
    Resource::new(
        "subjects",
        "Subject",
        "The fields of study, under which courses stand.",
    )
    .all(
        Operation::new(Method::GET, "Lists the subjects by title.", list_subjects)
            .list()
            .looks_at(&PARAMETERS)
            .looks_at(&[Parameter::ordering(&SUBJECT_ORDERS)])
            .looks_at(&[("search", "Words in the title.")])
            .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One subject.", show_subject)
            .looks_at(&[FIELDS])
            .answers(fields()),
    )
}

/// `/api/courses/`
pub fn courses() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&COURSE);
    Resource::new(
        "courses",
        "Course",
        "Courses with their modules. Drafts are seen by their owners and by staff.",
    )
    .all(
        Operation::new(
            Method::GET,
            "Lists the courses, newest first.",
            list_courses,
        )
        .list()
        .looks_at(&PARAMETERS)
        .looks_at(&[
            Parameter::ordering(&COURSE_ORDERS),
            Parameter::id("subject", "The number of a subject."),
            Parameter::new(
                "owner",
                "The number of an instructor, or me.",
                Takes::IntegerOr(i64::MIN, "me"),
            ),
            Parameter::flag(
                "draft",
                "true: your drafts (staff: all drafts) instead of published courses.",
            ),
        ])
        .looks_at(&[
            ("search", "Words in title or overview."),
            ("slug", "The address of a course."),
        ])
        .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One course.", show_course)
            .about(find_course)
            .looks_at(&[FIELDS])
            .answers(fields()),
    )
}

async fn list_subjects(call: Call) -> Result<Answer> {
    use subject::Column;
    let mut select = subject::Entity::find();
    if let Some(words) = call.parameter("search") {
        for word in listing::words_of(words) {
            select = select.filter(Column::Title.contains(&word));
        }
    }
    let usual = [(Column::Title, Order::Asc)];
    let orders = orders_of(&call, &SUBJECT_ORDERS, &usual, Column::Id)?;
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

async fn list_courses(call: Call) -> Result<Answer> {
    use course::Column;
    let usual = [(Column::CreatedAt, Order::Desc)];
    let orders = orders_of(&call, &COURSE_ORDERS, &usual, Column::Id)?;
    let select = wanted(&call)?;
    let listing = Listing {
        select,
        orders,
        fields: &COURSE,
        dress: |app, rows| Box::pin(async move { with_modules(app.db.read(), rows).await }),
        kept: Some(("courses", vec![Tag::catalogue()])),
    };
    Box::pin(call.list(listing)).await
}

/// The courses that the query asks for, of those that the caller sees.
fn wanted(call: &Call) -> Result<Select<course::Entity>> {
    use course::Column;
    let mut select = course::Entity::find();
    if call.flag("draft")?.unwrap_or(false) {
        select = select.filter(Column::IsDraft.eq(true));
        // Somebody without an account has no drafts.
        let person = call.person.as_deref();
        if !person.is_some_and(|person| person.is_staff) {
            select = select.filter(Column::OwnerId.eq(person.map_or(0, |person| person.id)));
        }
    } else {
        select = select.filter(Column::IsDraft.eq(false));
    }
    if let Some(id) = call.number("subject")? {
        select = select.filter(Column::SubjectId.eq(id));
    }
    let owner = match call.parameter("owner") {
        Some("me") => Some(call.person()?.id),
        _ => call.number("owner")?,
    };
    if let Some(id) = owner {
        select = select.filter(Column::OwnerId.eq(id));
    }
    if let Some(slug) = call.parameter("slug") {
        select = select.filter(Column::Slug.eq(slug));
    }
    if let Some(typed) = call.parameter("search") {
        let words = listing::words_of(typed);
        select = select.filter(listing::holding(call.app.db.backend(), &words));
    }
    Ok(select)
}

async fn show_course(call: Call) -> Result<Answer> {
    let id = call.object::<CourseHead>()?.id;
    let tags = [Tag::course(id)];
    let make = async || {
        let found = course::Entity::find_by_id(id)
            .one(call.app.db.read())
            .await?;
        let rows = found.into_iter().collect();
        let views = with_modules(call.app.db.read(), rows).await?;
        views.into_iter().next().ok_or(Error::NotFound)
    };
    if call.is_plain() {
        call.rests_on(&tags).await?;
        let key = format!("course:{id}");
        return call
            .kept(&key, &tags, async |_| Call::bytes(&COURSE, &make().await?))
            .await;
    }
    call.one(&COURSE, &make().await?)
}

/// The course with the number in the path.
///
/// # Errors
/// [`Error::NotFound`] when there is none, or it is another's draft.
pub fn find_course(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let head = head(&call.app, call.id).await?.ok_or(Error::NotFound)?;
        let person = call.person.as_deref();
        let is_hers = person.is_some_and(|person| person.is_staff || person.id == head.owner_id);
        if head.is_draft && !is_hers {
            return Err(Error::NotFound);
        }
        let object: Box<dyn Object> = Box::new(head);
        Ok(object)
    })
}

/// What decides who sees the course; remembered until the course changes.
async fn head(app: &App, id: i64) -> Result<Option<CourseHead>> {
    let key = format!("course-head:{id}");
    let tags = [Tag::course(id)];
    app.tagged
        .get_or_set(&key, &tags, Timeout::Default, async || {
            let found = course::Entity::find_by_id(id).one(app.db.read()).await?;
            Ok(found.map(|course| CourseHead {
                id: course.id,
                owner_id: course.owner_id,
                is_draft: course.is_draft,
            }))
        })
        .await
}

/// These courses with their modules, in the same order; one query.
///
/// # Errors
/// When the database does not answer.
pub async fn with_modules(
    db: &impl ConnectionTrait,
    courses: Vec<course::Model>,
) -> Result<Vec<CourseView>> {
    let ids: Vec<i64> = courses.iter().map(|course| course.id).collect();
    let mut modules: HashMap<i64, Vec<ModuleView>> = HashMap::with_capacity(ids.len());
    if !ids.is_empty() {
        use module::Column;
        let rows: Vec<(i64, i64, i64, String, String)> = module::Entity::find()
            .select_only()
            .columns([
                Column::CourseId,
                Column::Id,
                Column::Order,
                Column::Title,
                Column::Description,
            ])
            .filter(Column::CourseId.is_in(ids))
            .order_by_asc(Column::CourseId)
            .order_by_asc(Column::Order)
            .order_by_desc(Column::Id)
            .into_tuple()
            .all(db)
            .await?;
        for (course_id, id, order, title, description) in rows {
            modules.entry(course_id).or_default().push(ModuleView {
                id,
                order,
                title,
                description,
                contents: Vec::new(),
            });
        }
    }
    let views = courses.into_iter().map(|course| CourseView {
        modules: modules.remove(&course.id).unwrap_or_default(),
        course,
    });
    Ok(views.collect())
}
