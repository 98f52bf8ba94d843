//! Adding a module to the outline, and the form in which one is renamed and described.
//!
//! The form of all modules at once is a page of its own.

use super::facts::{facts_for_others, log_for_others};
use super::outline::outline;
use super::writing::{ModuleChange, insert_module, update_module};
use super::{get_owned_course, get_owned_module, hold_course};
use crate::app::App;
use crate::entities::{course, module};
use crate::error::{Problems, Result};
use crate::web::audit::ByPage;
use crate::web::extract::Path;
use crate::web::form::{FaultLine, Field, Form, fault_lines};
use crate::web::identity::Author;
use crate::web::permissions::{self, require};
use crate::web::redirect;
use crate::web::shell::{Place, Shell, page, page_with};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

/// The form of one module.
#[derive(Template)]
#[template(path = "courses/module_form.html")]
struct ModuleFormPage {
    shell: Shell,
    course: course::Model,
    module: module::Model,
    heading: &'static str,
    title: Field,
    description: Field,
    faults: Vec<FaultLine>,
}

impl ModuleFormPage {
    fn new(
        shell: Shell,
        (module, course): (module::Model, course::Model),
        (title, description): (&str, &str),
        problems: &Problems,
    ) -> Self {
        Self {
            shell: shell.at(Place::Teach),
            heading: "Rename and describe",
            title: Field::new("title", title, problems),
            description: Field::new("description", description, problems),
            faults: fault_lines(problems),
            course,
            module,
        }
    }
}

/// POST `/course/<id>/module/add/`: a module in the last place.
pub async fn add(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    mut shell: Shell,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    require(&person, permissions::ADD_MODULE)?;
    let course = get_owned_course(app.db.read(), &person, id).await?;
    // Buttons of the page lead back to it; the address of this form takes POST only.
    shell.path = format!("/course/{}/outline/", course.id);
    let change = match ModuleChange::read(form.get("title"), "") {
        Ok(change) => change,
        Err(problems) => {
            let again = outline(&app, &person, shell, course, None, &(form, problems)).await?;
            return page_with(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let write = app.write().await?;
    let course = hold_course(&write, &person, course.id).await?;
    let told = facts_for_others(&write, &by, &course).await?;
    let module = insert_module(&app, &write, course.id, change).await?;
    log_for_others(&write, &by, "change", course.id, told.as_ref()).await?;
    write.commit().await?;
    Ok(redirect::see_other(&format!(
        "/course/module/{}/",
        module.id
    )))
}

/// GET `/course/module/<id>/edit/`.
pub async fn edit(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
) -> Result<Response> {
    require(&person, permissions::CHANGE_MODULE)?;
    let (module, course) = get_owned_module(app.db.read(), &person, id).await?;
    let (title, description) = (module.title.clone(), module.description.clone());
    let typed = (title.as_str(), description.as_str());
    page(&ModuleFormPage::new(
        shell,
        (module, course),
        typed,
        &Problems::new(),
    ))
}

/// POST `/course/module/<id>/edit/`.
pub async fn change(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    shell: Shell,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    require(&person, permissions::CHANGE_MODULE)?;
    let (module, course) = get_owned_module(app.db.read(), &person, id).await?;
    let description = form.long_text("description");
    let change = match ModuleChange::read(form.get("title"), &description) {
        Ok(change) => change,
        Err(problems) => {
            let typed = (form.get("title"), description.as_str());
            let again = ModuleFormPage::new(shell, (module, course), typed, &problems);
            return page_with(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let write = app.write().await?;
    let course = hold_course(&write, &person, course.id).await?;
    let told = facts_for_others(&write, &by, &course).await?;
    let (module, _) = get_owned_module(&*write, &person, id).await?;
    let module = update_module(&app, &write, module, change).await?;
    log_for_others(&write, &by, "change", course.id, told.as_ref()).await?;
    write.commit().await?;
    Ok(redirect::see_other(&format!(
        "/course/module/{}/",
        module.id
    )))
}
