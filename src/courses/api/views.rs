//! Courses, modules and contents as programs see them: their fields, and the queries that fill these.

use crate::entities::{course, module};
use crate::error::Result;
use crate::web::rest::{Access, Cell, Field, Kind, declared};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
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
    /// Its number.
    pub id: i64,
    /// Its place, from 0.
    pub order: i64,
    /// What a lesson shows of it.
    pub html: String,
}

const CONTENT: [Field<ContentView>; 3] = [
    Field::new("id", Kind::Integer, "Its number.", |content| {
        Cell::Integer(content.id)
    }),
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

const MODULE_ID: Field<ModuleView> = Field::new("id", Kind::Integer, "Its number.", |module| {
    Cell::Integer(module.id)
});
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
const MODULE: [Field<ModuleView>; 4] = [MODULE_ID, MODULE_ORDER, MODULE_TITLE, MODULE_DESCRIPTION];
const FULL_MODULE: [Field<ModuleView>; 5] = [
    MODULE_ID,
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

const DRAFT: Field<CourseView> = Field::<CourseView>::new(
    "draft",
    Kind::Boolean,
    "Whether only its owner and staff see it. A new course of which nothing is said is seen by everybody.",
    |view| Cell::Boolean(view.course.is_draft),
)
.set_by_caller(Access::Optional);

/// What is answered of a course.
pub const COURSE: [Field<CourseView>; 9] = [
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
    DRAFT,
];

/// What is answered of a course with its contents.
pub const FULL_COURSE: [Field<CourseView>; 9] = [
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
    DRAFT,
];

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
