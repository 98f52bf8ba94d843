//! All modules of a course in one form, `/course/<id>/module/`: add, rename, describe, delete.
//!
//! The fields are those of the older site's formset, so that programs written for it go on working:
//! `modules-TOTAL_FORMS`, `modules-INITIAL_FORMS`, and per module `modules-<i>-id`, `-title`, `-description`,
//! `-DELETE`. All of it is saved or nothing.

use super::facts::{facts_for_others, log_for_others};
use super::fields::title_fault;
use super::store;
use crate::app::App;
use crate::db::Write;
use crate::entities::{course, module};
use crate::error::{Error, Problems, Result};
use crate::web::audit::{By, ByPage};
use crate::web::extract::Path;
use crate::web::form::{FaultLine, Field, Form, fault_lines};
use crate::web::identity::{Author, Person};
use crate::web::permissions::{self, require};
use crate::web::redirect::see_other;
use crate::web::shell::{Place, Shell, page, page_with};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use std::collections::BTreeSet;

/// Empty places for new modules under those that exist.
const NEW_PLACES: usize = 2;
/// One form takes so many modules.
const MOST_FORMS: usize = 1_000;

/// The page's data.
#[derive(Template)]
#[template(path = "courses/modules.html")]
struct ModulesPage {
    shell: Shell,
    faults: Vec<FaultLine>,
    course: course::Model,
    total: usize,
    initial: usize,
    forms: Vec<ModuleForm>,
}

struct ModuleForm {
    index: usize,
    /// Of a module that exists.
    id: Option<i64>,
    title: Field,
    description: Field,
    is_deleted: bool,
}

impl ModuleForm {
    fn number(&self) -> usize {
        self.index + 1
    }

    fn label(&self) -> String {
        if self.id.is_some() {
            format!("Title of module {}", self.number())
        } else {
            "Title of a new module".into()
        }
    }
}

/// One module of the form, as sent.
struct Entry {
    index: usize,
    id: Option<i64>,
    title: String,
    description: String,
    is_deleted: bool,
}

impl Entry {
    fn read(form: &Form, index: usize) -> Result<Self> {
        let name = |part: &str| format!("modules-{index}-{part}");
        let id = match form.text(&name("id")) {
            "" => None,
            id => Some(id.parse().map_err(|_| Error::NotFound)?),
        };
        Ok(Self {
            index,
            id,
            title: form.text(&name("title")).to_owned(),
            description: form.long_text(&name("description")).trim().to_owned(),
            is_deleted: form.is_set(&name("DELETE")),
        })
    }

    /// A place for a new module that was left empty, or a new module taken away again.
    fn is_blank(&self) -> bool {
        self.id.is_none()
            && (self.is_deleted || (self.title.is_empty() && self.description.is_empty()))
    }

    fn fault(&self) -> Option<String> {
        if self.is_deleted || self.is_blank() {
            return None;
        }
        let when_empty = if self.id.is_some() {
            "A module needs a title. To take it away, tick Delete."
        } else {
            "A module needs a title."
        };
        title_fault(&self.title, when_empty)
    }
}

/// GET
pub async fn form(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
) -> Result<Response> {
    require(&person, permissions::CHANGE_MODULE)?;
    let db = app.db.read();
    let course = store::get_owned_course(db, &person, id).await?;
    let modules = store::list_modules(db, id).await?;
    let initial = modules.len();
    let mut entries: Vec<Entry> = modules
        .into_iter()
        .enumerate()
        .map(|(index, module)| Entry {
            index,
            id: Some(module.id),
            title: module.title,
            description: module.description,
            is_deleted: false,
        })
        .collect();
    let new = if person.may(permissions::ADD_MODULE) {
        NEW_PLACES
    } else {
        0
    };
    entries.extend((initial..initial + new).map(|index| Entry {
        index,
        id: None,
        title: String::new(),
        description: String::new(),
        is_deleted: false,
    }));
    page(&modules_page(
        shell,
        course,
        initial,
        entries,
        &Problems::new(),
    ))
}

/// POST
pub async fn save(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    shell: Shell,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    require(&person, permissions::CHANGE_MODULE)?;
    let mut write = app.write().await?;
    // Held until the commit: two who save at once do so one after the other.
    let course = store::hold_course(&write, &person, id).await?;
    store::touch(&app, &write, id).await?;
    let (total, initial) = management(&form)?;
    let entries = (0..total)
        .map(|index| Entry::read(&form, index))
        .collect::<Result<Vec<_>>>()?;
    let existing = store::list_modules(&*write, id).await?;
    check_ids(&entries, &existing)?;
    let problems = check(&entries);
    if !problems.is_empty() {
        write.rollback().await?;
        return page_with(
            StatusCode::UNPROCESSABLE_ENTITY,
            &modules_page(shell, course, initial, entries, &problems),
        );
    }
    may_apply(&person, &entries)?;
    let told = facts_for_others(&write, &by, &course).await?;
    apply(&app, &mut write, &by, id, entries).await?;
    log_for_others(&write, &by, "change", id, told.as_ref()).await?;
    let first = store::list_modules(&*write, id).await?.into_iter().next();
    write.commit().await?;
    Ok(see_other(&first.map_or_else(
        || "/course/mine/".to_owned(),
        |module| format!("/course/module/{}/", module.id),
    )))
}

/// Whether she may do what the form says besides changing modules.
fn may_apply(person: &Person, entries: &[Entry]) -> Result<()> {
    if entries
        .iter()
        .any(|entry| entry.id.is_none() && !entry.is_deleted && !entry.is_blank())
    {
        require(person, permissions::ADD_MODULE)?;
    }
    if entries
        .iter()
        .any(|entry| entry.id.is_some() && entry.is_deleted)
    {
        require(person, permissions::DELETE_MODULE)?;
    }
    Ok(())
}

/// How many modules the form holds, and how many of them exist already.
fn management(form: &Form) -> Result<(usize, usize)> {
    let number = |name: &str| form.text(name).parse::<usize>().ok();
    let total = number("modules-TOTAL_FORMS");
    let initial = number("modules-INITIAL_FORMS");
    match (total, initial) {
        (Some(total), Some(initial)) if initial <= total && total <= MOST_FORMS => {
            Ok((total, initial))
        }
        (Some(total), Some(_)) if total > MOST_FORMS => Err(Error::BadRequest(format!(
            "One form takes up to {MOST_FORMS} modules."
        ))),
        _ => Err(Error::BadRequest(
            "The form does not say how many modules it holds (modules-TOTAL_FORMS and modules-INITIAL_FORMS). \
             Go back, reload the page, and send it again."
                .into(),
        )),
    }
}

/// Every id is one of this course's modules, and comes once.
fn check_ids(entries: &[Entry], existing: &[module::Model]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for id in entries.iter().filter_map(|entry| entry.id) {
        if !existing.iter().any(|module| module.id == id) {
            return Err(Error::NotFound);
        }
        if !seen.insert(id) {
            return Err(Error::BadRequest(
                "The form names the same module twice. Go back, reload the page, and send it again."
                    .into(),
            ));
        }
    }
    Ok(())
}

fn check(entries: &[Entry]) -> Problems {
    let mut problems = Problems::new();
    for entry in entries {
        if let Some(fault) = entry.fault() {
            problems.add(format!("modules-{}-title", entry.index), fault);
        }
    }
    problems
}

/// Deletes, changes and adds; new modules go last, in the order of the form.
async fn apply(
    app: &App,
    write: &mut Write,
    by: &By,
    course_id: i64,
    entries: Vec<Entry>,
) -> Result<()> {
    let deleted = entries.iter().filter(|entry| entry.is_deleted);
    let deleted: Vec<i64> = deleted.filter_map(|entry| entry.id).collect();
    store::delete_modules(app, write, by, &deleted).await?;
    let mut order = store::next_module_order(write, course_id).await?;
    for entry in entries {
        if entry.is_deleted || entry.is_blank() {
            continue;
        }
        let mut row = module::ActiveModel {
            title: Set(entry.title),
            description: Set(entry.description),
            ..Default::default()
        };
        if let Some(id) = entry.id {
            row.id = Set(id);
            row.update(&**write).await?;
        } else {
            row.course_id = Set(course_id);
            row.order = Set(order);
            row.insert(&**write).await?;
            order = order.saturating_add(1);
        }
    }
    Ok(())
}

fn modules_page(
    shell: Shell,
    course: course::Model,
    initial: usize,
    entries: Vec<Entry>,
    problems: &Problems,
) -> ModulesPage {
    let form = |entry: Entry| ModuleForm {
        index: entry.index,
        id: entry.id,
        title: Field::new(
            format!("modules-{}-title", entry.index),
            entry.title,
            problems,
        ),
        description: Field::new(
            format!("modules-{}-description", entry.index),
            entry.description,
            problems,
        ),
        is_deleted: entry.is_deleted,
    };
    ModulesPage {
        shell: shell.at(Place::Teach),
        faults: fault_lines(problems),
        course,
        total: entries.len(),
        initial,
        forms: entries.into_iter().map(form).collect(),
    }
}
