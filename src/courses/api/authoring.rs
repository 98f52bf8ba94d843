//! Writing courses: making, changing, publishing, ordering and deleting them, as the pages of `courses::authoring` do.

use super::courses::{CourseHead, find_course};
use super::views::{COURSE, CourseView, with_modules};
use crate::accounts::{may_teach, no_teacher};
use crate::courses::by_staff::{hold_any_course, insert_course_of, set_owner};
use crate::courses::facts::{course_facts, facts_for_others, log_for_others};
use crate::courses::fields::{CourseChange, form_of};
use crate::courses::order::set_module_places;
use crate::courses::store::{self, is_owned};
use crate::courses::writing::{
    ModuleChange, delete_course, insert_first_modules, list_subjects, update_course,
};
use crate::db::Write;
use crate::entities::{course, user};
use crate::error::{Error, Problems, Result};
use crate::web::audit::{Done, Facts, record};
use crate::web::form::Form;
use crate::web::identity::Person;
use crate::web::permissions::{self, admin};
use crate::web::rest::{
    Access, Answer, Call, Declared, Fields, Given, Got, IS_OWNER, IS_STAFF, Kind, Operation,
    Resource, Rule, declared,
};
use crate::web::scopes::Scope;
use crate::{holds, runs};
use axum::http::Method;
use sea_orm::EntityTrait as _;
use std::collections::BTreeSet;

/// Told of an account that is none.
const NO_ACCOUNT: &str = "There is no account of this number.";

/// Modules that come with a new course.
const MOST_MODULES: usize = 1_000;

/// Whose a course is, with everything in it, and staff. Which permission is asked besides depends on what is done.
pub const HERS: Rule = Rule::Any(&[IS_OWNER, IS_STAFF]);

// Besides, whoever runs everybody's courses on the admin site.
const MAY_ADD: Rule = Rule::Any(&[holds!(ADD_COURSE), holds!(admin::ADD_COURSE)]);
const MAY_CHANGE: Rule = Rule::Any(&[
    Rule::All(&[holds!(CHANGE_COURSE), HERS]),
    holds!(admin::CHANGE_COURSE),
]);
const MAY_DELETE: Rule = Rule::Any(&[
    Rule::All(&[holds!(DELETE_COURSE), HERS]),
    holds!(admin::DELETE_COURSE),
]);
const MAY_ORDER: Rule = Rule::Any(&[
    Rule::All(&[holds!(CHANGE_MODULE), HERS]),
    holds!(admin::CHANGE_COURSE),
]);

const TO_WHOM: [Declared; 1] = [Declared::taken(
    "owner",
    Kind::Reference("users"),
    Access::Required,
    "The number of the account whose course it is to be.",
)];

/// A module that comes with a new course.
const NEW_MODULE: [Declared; 3] = [
    Declared::taken(
        "title",
        Kind::ShortText(200),
        Access::Required,
        "What it is called.",
    ),
    Declared::taken(
        "description",
        Kind::Text,
        Access::Optional,
        "A sentence or none.",
    ),
    Declared::taken(
        "order",
        Kind::Integer,
        Access::ReadOnly,
        "Modules stand in the order in which they are sent.",
    ),
];

const PLACES: [Declared; 1] = [Declared::taken(
    "modules",
    Kind::References("modules"),
    Access::Required,
    "The numbers of all modules of the course, in their new order.",
)];

/// Adds to the courses what their authors do with them.
pub fn with_authoring(courses: Resource) -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&COURSE);
    let change = |method, about| {
        Operation::new(method, about, change)
            .only(MAY_CHANGE)
            .about(find_course)
            .takes(fields())
            .answers(fields())
    };
    let courses = courses
        .all(
            Operation::new(
                Method::POST,
                "Makes a course, with its modules if you like.",
                create,
            )
            .only(MAY_ADD)
            .takes(new_course())
            .answers(fields())
            .creates(),
        )
        .one(change(Method::PUT, "Changes a course as a whole."))
        .one(change(Method::PATCH, "Changes some fields of a course."))
        .one(
            Operation::new(
                Method::DELETE,
                "Deletes a course with everything in it.",
                destroy,
            )
            .only(MAY_DELETE)
            .about(find_course)
            .without_answer(),
        );
    with_acts(courses)
}

/// What they do besides changing fields.
fn with_acts(courses: Resource) -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&COURSE);
    let act = |about, is_draft| {
        Operation::new(Method::POST, about, move |call| set_draft(call, is_draft))
            .only(MAY_CHANGE)
            .about(find_course)
            .heeds_version()
            .answers(fields())
    };
    courses
        .action(
            "publish",
            "Publish",
            "Shows a draft to everybody.",
            act("Publishes the course; twice is once.", false),
        )
        .action(
            "withdraw",
            "Withdraw",
            "Makes a course a draft again, which only its owner and staff see.",
            act("Makes the course a draft; twice is once.", true),
        )
        .action(
            "order",
            "Order of modules",
            "Puts the modules of a course into another order.",
            Operation::new(Method::POST, "Orders the modules.", order)
                .only(MAY_ORDER)
                .about(find_course)
                .heeds_version()
                .takes(PLACES.to_vec())
                .answers(fields()),
        )
        .action(
            "give",
            "Give",
            "Makes it the course of another teacher. The files in it stay those of who has sent them.",
            Operation::new(Method::POST, "Gives the course to another teacher; twice is once.", give)
                .only(runs!(CHANGE_COURSE))
                .within(Scope::Admin)
                .about(find_course)
                .takes(TO_WHOM.to_vec())
                .answers(fields()),
        )
}

/// The fields of a new course: those that it will have, and its modules.
fn new_course() -> Vec<Declared> {
    let taken = [
        Declared::taken(
            "modules",
            Kind::List(|| NEW_MODULE.to_vec()),
            Access::Optional,
            "Modules to begin with, in their order.",
        ),
        Declared::taken(
            "owner",
            Kind::Reference("users"),
            Access::Optional,
            "The number of the teacher whose course it is to be; you, when nothing is said. Somebody else only whoever runs everybody's courses names.",
        ),
    ];
    let fields = declared(&COURSE).into_iter();
    fields
        .map(|field| {
            let found = taken.iter().find(|taken| taken.name == field.name);
            found.copied().unwrap_or(field)
        })
        .collect()
}

async fn create(call: Call) -> Result<Answer> {
    let subjects = list_subjects(call.app.db.read()).await?;
    let owner = new_owner(&call).await?;
    let blank = Form::from_pairs(Vec::new());
    let (change, modules, owner_id) = call.given.judge(|given| {
        let change = CourseChange::read(&given.typed_over(&blank), &subjects);
        match (change, new_modules(given), owner) {
            (Ok(change), Ok(modules), Ok(owner_id)) => Ok((change, modules, owner_id)),
            (change, modules, owner) => {
                let mut problems = change.err().unwrap_or_default();
                problems.extend(modules.err().unwrap_or_default());
                problems.extend(owner.err().unwrap_or_default());
                Err(problems)
            }
        }
    })?;
    let write = call.app.write().await?;
    let course = insert_course_of(&call.app, &write, owner_id, change).await?;
    insert_first_modules(&write, course.id, modules).await?;
    if owner_id != call.person()?.id {
        let after = course_facts(&*write, course.id).await?;
        let line = Done {
            act: "add",
            kind: "course",
            id: course.id,
            before: None,
            after: after.as_ref(),
        };
        record(&write, &call.by()?, line).await?;
    }
    let view = view(&write, course).await?;
    let path = format!("/api/courses/{}/", view.course.id);
    call.made(write, &COURSE, &view, &path).await
}

/// Whose a new course is to be: who teaches makes her own, who runs everybody's courses somebody's.
async fn new_owner(call: &Call) -> Result<Result<i64, Problems>> {
    let person = call.person()?;
    let named = call.given.integer("owner");
    let Some(owner_id) = named.filter(|id| *id != person.id) else {
        let teaches = person.may(permissions::ADD_COURSE) || named.is_some();
        let words = "Name the teacher whose course it is to be.";
        let told = || Problems::of("owner", words);
        return Ok(teaches.then_some(person.id).ok_or_else(told));
    };
    if !person.may(admin::ADD_COURSE) {
        let words = "The courses that you make are yours: leave it out.";
        return Ok(Err(Problems::of("owner", words)));
    }
    let db = call.app.db.read();
    let Some(owner) = user::Entity::find_by_id(owner_id).one(db).await? else {
        return Ok(Err(Problems::of("owner", NO_ACCOUNT)));
    };
    if !may_teach(db, &owner).await? {
        return Ok(Err(Problems::of("owner", no_teacher(&owner))));
    }
    Ok(Ok(owner.id))
}

/// The modules that come with a new course, judged by the rules of their own form.
fn new_modules(given: &Given) -> Result<Vec<ModuleChange>, Problems> {
    let mut problems = Problems::new();
    let mut modules = Vec::new();
    let sent = given.objects("modules");
    if sent.len() > MOST_MODULES {
        let message = format!("A course begins with up to {MOST_MODULES} modules.");
        return Err(Problems::of("modules", message));
    }
    for (at, fields) in sent.iter().enumerate() {
        match ModuleChange::read(typed(fields, "title"), typed(fields, "description")) {
            Ok(module) => modules.push(module),
            Err(faults) => add_within(&mut problems, &format!("modules.{at}"), &faults),
        }
    }
    if problems.is_empty() {
        Ok(modules)
    } else {
        Err(problems)
    }
}

/// Adds faults of something within a body, by its path.
fn add_within(problems: &mut Problems, path: &str, faults: &Problems) {
    for (name, sentences) in faults.iter() {
        for sentence in sentences {
            problems.add(format!("{path}.{name}"), sentence);
        }
    }
}

fn typed<'f>(fields: &'f Fields, name: &str) -> &'f str {
    match fields.get(name) {
        Some(Got::Text(text)) => text,
        _ => "",
    }
}

async fn change(call: Call) -> Result<Answer> {
    let (write, before, told) = hold(&call, admin::CHANGE_COURSE).await?;
    let subjects = list_subjects(&*write).await?;
    let form = form_of(&before.course);
    let change = call.given.judge_change(&COURSE, &before, |given| {
        CourseChange::read(&given.typed_over(&form), &subjects)
    })?;
    call.unchanged(&COURSE, &before)?;
    if change == CourseChange::of(&before.course) {
        return call.one(&COURSE, &before);
    }
    let after = update_course(&call.app, &write, &before.course, change).await?;
    done(&call, write, after, told.as_ref()).await
}

async fn set_draft(call: Call, is_draft: bool) -> Result<Answer> {
    let (write, before, told) = hold(&call, admin::CHANGE_COURSE).await?;
    call.unchanged(&COURSE, &before)?;
    if before.course.is_draft == is_draft {
        return call.one(&COURSE, &before);
    }
    let change = CourseChange {
        is_draft,
        ..CourseChange::of(&before.course)
    };
    let after = update_course(&call.app, &write, &before.course, change).await?;
    done(&call, write, after, told.as_ref()).await
}

async fn order(call: Call) -> Result<Answer> {
    let wanted = call
        .given
        .checked()?
        .integers("modules")
        .unwrap_or_default();
    let (write, before, told) = hold(&call, admin::CHANGE_COURSE).await?;
    same_numbers(
        "modules",
        wanted,
        before.modules.iter().map(|module| module.id),
    )?;
    call.unchanged(&COURSE, &before)?;
    if wanted
        .iter()
        .copied()
        .eq(before.modules.iter().map(|module| module.id))
    {
        return call.one(&COURSE, &before);
    }
    let course = before.course;
    store::touch(&call.app, &write, course.id).await?;
    let places = wanted.iter().copied().zip(0_i64..).collect();
    set_module_places(&write, places).await?;
    done(&call, write, course, told.as_ref()).await
}

/// Whether an order names each of these once.
///
/// # Errors
/// [`Error::Invalid`], with the numbers that it should name.
pub fn same_numbers(field: &str, wanted: &[i64], all: impl Iterator<Item = i64>) -> Result<()> {
    let all: BTreeSet<i64> = all.collect();
    if wanted.iter().copied().collect::<BTreeSet<i64>>() == all {
        return Ok(());
    }
    let names: Vec<String> = all.iter().take(50).map(i64::to_string).collect();
    Err(Error::invalid(
        field,
        format!("Name each of these once: {}.", names.join(", ")),
    ))
}

async fn destroy(call: Call) -> Result<Answer> {
    let (mut write, before, told) = hold(&call, admin::DELETE_COURSE).await?;
    call.unchanged(&COURSE, &before)?;
    let id = before.course.id;
    let by = call.by()?;
    delete_course(&call.app, &mut write, &by, id).await?;
    log_for_others(&write, &by, "delete", id, told.as_ref()).await?;
    write.commit().await?;
    Ok(Answer::nothing())
}

async fn give(call: Call) -> Result<Answer> {
    let owner_id = call.given.checked()?.integer("owner").unwrap_or_default();
    let write = call.app.write().await?;
    let before = hold_any_course(&write, call.object::<CourseHead>()?.id).await?;
    let owner = user::Entity::find_by_id(owner_id).one(&*write).await?;
    let Some(owner) = owner else {
        return Err(Error::invalid("owner", NO_ACCOUNT));
    };
    if before.owner_id != owner_id && !may_teach(&*write, &owner).await? {
        return Err(Error::invalid("owner", no_teacher(&owner)));
    }
    let told = course_facts(&*write, before.id).await?;
    if before.owner_id != owner_id {
        set_owner(&write, &before, owner_id).await?;
    }
    let after = course_facts(&*write, before.id).await?;
    let line = Done {
        act: "change",
        kind: "course",
        id: before.id,
        before: told.as_ref(),
        after: after.as_ref(),
    };
    record(&write, &call.by()?, line).await?;
    let given = course::Model { owner_id, ..before };
    let view = view(&write, given).await?;
    write.commit().await?;
    call.one(&COURSE, &view)
}

/// Whether she sees this course: whoever it is, one that is published; a draft its teacher, and whoever looks at everybody's
/// courses on the admin site.
pub fn sees(person: Option<&Person>, course: &course::Model) -> bool {
    let is_hers = |person: &Person| is_owned(course, person) || person.may(admin::VIEW_COURSE);
    !course.is_draft || person.is_some_and(is_hers)
}

/// A course, held for a change of what it is made up of by its teacher or whoever runs everybody's courses.
///
/// # Errors
/// [`Error::NotFound`] for everybody else, and when there is none.
pub async fn hold_managed(write: &Write, person: &Person, id: i64) -> Result<course::Model> {
    let course = hold_any_course(write, id).await?;
    let runs_all = person.may(admin::CHANGE_COURSE) && sees(Some(person), &course);
    if runs_all || is_owned(&course, person) {
        Ok(course)
    } else {
        Err(Error::NotFound)
    }
}

/// The course with its modules, held for a change, and what the log is to tell of it where it is another's. `of_all`: the
/// permission by which somebody does it with everybody's courses.
async fn hold(call: &Call, of_all: &str) -> Result<(Write, CourseView, Option<Facts>)> {
    let id = call.object::<CourseHead>()?.id;
    let person = call.person()?;
    let write = call.app.write().await?;
    let course = if person.may(of_all) {
        hold_any_course(&write, id).await?
    } else {
        store::hold_course(&write, person, id).await?
    };
    let told = facts_for_others(&write, &call.by()?, &course).await?;
    let view = view(&write, course).await?;
    Ok((write, view, told))
}

async fn view(write: &Write, course: course::Model) -> Result<CourseView> {
    let views = with_modules(&**write, vec![course]).await?;
    views.into_iter().next().ok_or(Error::NotFound)
}

/// Makes it last, and answers the course.
async fn done(
    call: &Call,
    write: Write,
    course: course::Model,
    told: Option<&Facts>,
) -> Result<Answer> {
    log_for_others(&write, &call.by()?, "change", course.id, told).await?;
    let view = view(&write, course).await?;
    write.commit().await?;
    call.one(&COURSE, &view)
}
