//! `/api/modules/`: the parts of courses. Who sees a course sees its modules; who may change the course changes them.

use super::authoring::{HERS, hold_managed, same_numbers, sees};
use crate::courses::facts::{facts_for_others, log_for_others};
use crate::courses::logged::Contents;
use crate::courses::order::set_content_places;
use crate::courses::store;
use crate::courses::writing::{ModuleChange, insert_module, update_module};
use crate::db::Write;
use crate::entities::{course, module};
use crate::error::{Error, Problems, Result};
use crate::holds;
use crate::web::audit::Facts;
use crate::web::identity::Person;
use crate::web::permissions::{self, admin};
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, Given, Kind, Listing, Object, Operation,
    PARAMETERS, Parameter, Resource, Rule, declared, orders_of,
};
use crate::web::tags::Tag;
use axum::http::Method;
use futures::future::BoxFuture;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, JoinType, Order, QueryFilter, QuerySelect, RelationTrait,
};

// Besides, whoever runs everybody's courses: the admin site has their modules in the form of the course, and no contents.
const MAY_ADD: Rule = Rule::Any(&[holds!(ADD_MODULE), holds!(admin::CHANGE_COURSE)]);
const MAY_CHANGE: Rule = Rule::Any(&[
    Rule::All(&[holds!(CHANGE_MODULE), HERS]),
    holds!(admin::CHANGE_COURSE),
]);
const MAY_DELETE: Rule = Rule::Any(&[
    Rule::All(&[holds!(DELETE_MODULE), HERS]),
    holds!(admin::CHANGE_COURSE),
]);
const MAY_ORDER: Rule = Rule::All(&[holds!(CHANGE_CONTENT), HERS]);

/// Told of a course that is none, or another's.
const NOT_YOURS: &str = "This is not the number of a course of yours.";

/// What is answered of a module.
const MODULE: [Field<module::Model>; 5] = [
    Field::new("id", Kind::Integer, "Its number.", |row| {
        Cell::Integer(row.id)
    }),
    Field::new(
        "course",
        Kind::Reference("courses"),
        "The number of its course, where it stays.",
        |row| Cell::Integer(row.course_id),
    ),
    Field::new(
        "order",
        Kind::Integer,
        "Its place in the course, from 0.",
        |row| Cell::Integer(row.order),
    ),
    Field::<module::Model>::new("title", Kind::ShortText(200), "What it is called.", |row| {
        Cell::text(&row.title)
    })
    .set_by_caller(Access::Required),
    Field::<module::Model>::new("description", Kind::Text, "A sentence or none.", |row| {
        Cell::text(&row.description)
    })
    .set_by_caller(Access::Optional),
];

const PLACES: [Declared; 1] = [Declared::taken(
    "contents",
    Kind::References("contents"),
    Access::Required,
    "The numbers of all contents of the module, in their new order.",
)];

/// By what modules can be ordered.
const ORDERS: [(&str, module::Column); 4] = [
    ("course", module::Column::CourseId),
    ("order", module::Column::Order),
    ("title", module::Column::Title),
    ("id", module::Column::Id),
];

/// A module with whose its course is.
struct ModuleHead {
    module: module::Model,
    owner_id: i64,
}

impl Object for ModuleHead {
    fn owner_id(&self) -> Option<i64> {
        Some(self.owner_id)
    }
}

/// `/api/modules/`
pub fn modules() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&MODULE);
    let modules = Resource::new(
        "modules",
        "Module",
        "The parts of courses. Those of drafts are seen by who sees the course.",
    )
    .all(
        Operation::new(
            Method::GET,
            "Lists modules, course by course, in their order.",
            list,
        )
        .list()
        .looks_at(&PARAMETERS)
        .looks_at(&[
            Parameter::ordering(&ORDERS),
            Parameter::id("course", "The number of a course."),
        ])
        .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One module.", show)
            .about(find_module)
            .looks_at(&[FIELDS])
            .answers(fields()),
    );
    with_changes(modules)
}

/// What authors do with them.
fn with_changes(modules: Resource) -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&MODULE);
    let change = |method, about| {
        Operation::new(method, about, change)
            .only(MAY_CHANGE)
            .about(find_module)
            .takes(fields())
            .answers(fields())
    };
    modules
        .all(
            Operation::new(
                Method::POST,
                "Makes a module in the last place of a course.",
                create,
            )
            .only(MAY_ADD)
            .takes(new_module())
            .answers(fields())
            .creates(),
        )
        .one(change(Method::PUT, "Changes a module as a whole."))
        .one(change(Method::PATCH, "Changes some fields of a module."))
        .one(
            Operation::new(
                Method::DELETE,
                "Deletes a module with its contents, and the files that nothing else shows.",
                destroy,
            )
            .only(MAY_DELETE)
            .about(find_module)
            .without_answer(),
        )
        .action(
            "order",
            "Order of contents",
            "Puts the contents of a module into another order.",
            Operation::new(Method::POST, "Orders the contents.", order)
                .only(MAY_ORDER)
                .about(find_module)
                .takes(PLACES.to_vec())
                .answers(fields()),
        )
}

/// The fields of a new module, which names its course.
fn new_module() -> Vec<Declared> {
    let mut fields = declared(&MODULE);
    for field in &mut fields {
        if field.name == "course" {
            field.access = Access::Required;
        }
    }
    fields
}

async fn list(call: Call) -> Result<Answer> {
    use module::Column;
    let usual = [(Column::CourseId, Order::Asc), (Column::Order, Order::Asc)];
    let orders = orders_of(&call, &ORDERS, &usual, Column::Id)?;
    let mut select = module::Entity::find()
        .join(JoinType::InnerJoin, module::Relation::Course.def())
        .filter(seen_by(call.person.as_deref()));
    if let Some(id) = call.number("course")? {
        select = select.filter(Column::CourseId.eq(id));
    }
    // For persons it holds their drafts, too.
    let is_common = call.person.is_none();
    let listing = Listing {
        select,
        orders,
        fields: &MODULE,
        dress: |_, rows| Box::pin(std::future::ready(Ok(rows))),
        kept: is_common.then(|| ("modules", vec![Tag::catalogue()])),
    };
    Box::pin(call.list(listing)).await
}

/// The courses that somebody sees.
fn seen_by(person: Option<&Person>) -> Condition {
    let seen = Condition::any().add(course::Column::IsDraft.eq(false));
    match person {
        Some(person) if person.may(admin::VIEW_COURSE) => Condition::all(),
        Some(person) => seen.add(course::Column::OwnerId.eq(person.id)),
        None => seen,
    }
}

/// The module with the number in the path, when she sees its course.
fn find_module(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let found = module::Entity::find_by_id(call.id)
            .find_also_related(course::Entity)
            .one(call.app.db.read())
            .await?;
        let Some((module, Some(course))) = found else {
            return Err(Error::NotFound);
        };
        if !sees(call.person.as_deref(), &course) {
            return Err(Error::NotFound);
        }
        let owner_id = course.owner_id;
        let object: Box<dyn Object> = Box::new(ModuleHead { module, owner_id });
        Ok(object)
    })
}

async fn show(call: Call) -> Result<Answer> {
    call.one(&MODULE, &call.object::<ModuleHead>()?.module)
}

fn judged(given: &Given, before: Option<&module::Model>) -> Result<ModuleChange, Problems> {
    let title = before.map_or("", |before| &before.title);
    let description = before.map_or("", |before| &before.description);
    ModuleChange::read(
        given.text("title").unwrap_or(title),
        given.text("description").unwrap_or(description),
    )
}

async fn create(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let course_id = call.given.integer("course").unwrap_or(0);
    let found = course::Entity::find_by_id(course_id)
        .one(call.app.db.read())
        .await?;
    let is_managed = found.is_some_and(|course| adds_to(person, &course));
    let change = call.given.judge(|given| {
        let mut problems = Problems::new();
        problems.check(is_managed, "course", NOT_YOURS);
        match judged(given, None) {
            Ok(change) if problems.is_empty() => Ok(change),
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    })?;
    let write = call.app.write().await?;
    let course = hold_managed(&write, person, course_id).await?;
    let told = facts_for_others(&write, &call.by()?, &course).await?;
    let row = insert_module(&call.app, &write, course_id, change).await?;
    log_for_others(&write, &call.by()?, "change", course_id, told.as_ref()).await?;
    let path = format!("/api/modules/{}/", row.id);
    call.made(write, &MODULE, &row, &path).await
}

/// Whether she adds modules to this course: as its teacher, or because she runs everybody's courses.
fn adds_to(person: &Person, course: &course::Model) -> bool {
    let is_hers = course.owner_id == person.id && person.may(permissions::ADD_MODULE);
    is_hers || (person.may(admin::CHANGE_COURSE) && sees(Some(person), course))
}

async fn change(call: Call) -> Result<Answer> {
    let (write, before, told) = hold(&call).await?;
    let judge = |given: &Given| judged(given, Some(&before));
    let change = call.given.judge_change(&MODULE, &before, judge)?;
    call.unchanged(&MODULE, &before)?;
    if (&change.title, &change.description) == (&before.title, &before.description) {
        return call.one(&MODULE, &before);
    }
    let row = update_module(&call.app, &write, before, change).await?;
    let by = call.by()?;
    log_for_others(&write, &by, "change", row.course_id, told.as_ref()).await?;
    write.commit().await?;
    call.one(&MODULE, &row)
}

async fn destroy(call: Call) -> Result<Answer> {
    let (mut write, module, told) = hold(&call).await?;
    call.unchanged(&MODULE, &module)?;
    store::touch(&call.app, &write, module.course_id).await?;
    let by = call.by()?;
    store::delete_modules(&call.app, &mut write, &by, &[module.id]).await?;
    log_for_others(&write, &by, "change", module.course_id, told.as_ref()).await?;
    write.commit().await?;
    Ok(Answer::nothing())
}

async fn order(call: Call) -> Result<Answer> {
    let wanted = call
        .given
        .checked()?
        .integers("contents")
        .unwrap_or_default();
    let (write, module, _) = hold(&call).await?;
    let contents = store::list_contents(&*write, &[module.id]).await?;
    same_numbers(
        "contents",
        wanted,
        contents.iter().map(|(content, _)| content.id),
    )?;
    let now = contents.iter().map(|(content, _)| content.id);
    if wanted.iter().copied().eq(now) {
        return call.one(&MODULE, &module);
    }
    store::touch(&call.app, &write, module.course_id).await?;
    let by = call.by()?;
    let logged = Contents::places(&write, &by, &[module.id]).await?;
    let places = wanted.iter().copied().zip(0_i64..).collect();
    set_content_places(&write, places).await?;
    logged.log(&write, &by, "change").await?;
    write.commit().await?;
    call.one(&MODULE, &module)
}

/// The module, its course held for a change, and what the log is to tell of the course where it is another's.
async fn hold(call: &Call) -> Result<(Write, module::Model, Option<Facts>)> {
    let person = call.person()?;
    let course_id = call.object::<ModuleHead>()?.module.course_id;
    let write = call.app.write().await?;
    let course = hold_managed(&write, person, course_id).await?;
    let module = module::Entity::find_by_id(call.id).one(&*write).await?;
    let module = module.filter(|module| module.course_id == course_id);
    let told = facts_for_others(&write, &call.by()?, &course).await?;
    Ok((write, module.ok_or(Error::NotFound)?, told))
}
