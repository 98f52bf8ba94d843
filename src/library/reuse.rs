//! Using a file in another module: it is stored once, however many contents show it.

use super::store::{self, Goal};
use crate::app::App;
use crate::courses;
use crate::error::{Error, Problems, Result};
use crate::media::{self, FileView};
use crate::web::audit::ByPage;
use crate::web::extract::Path;
use crate::web::form::{FaultLine, Field, Form, fault_lines_in};
use crate::web::identity::{Author, Person};
use crate::web::permissions::{self, require};
use crate::web::redirect;
use crate::web::shell::{Place, Shell, page, page_with};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

/// The form that adds a file to a module.
#[derive(Template)]
#[template(path = "library/use.html")]
struct UsePage {
    shell: Shell,
    id: i64,
    name: String,
    courses: Vec<CourseGroup>,
    module: Field,
    title: Field,
    faults: Vec<FaultLine>,
}

/// The modules of one course.
struct CourseGroup {
    id: i64,
    title: String,
    modules: Vec<Goal>,
}

/// GET `/library/<upload>/use/`.
pub async fn form(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
) -> Result<Response> {
    require(&person, permissions::ADD_CONTENT)?;
    let view = media::get_own_file(app.db.read(), &person, id).await?;
    let title = courses::title_of(&view.upload.name);
    let typed = Form::from_pairs(vec![("title".into(), title)]);
    page(&use_page(&app, &person, shell, view, (&typed, &Problems::new())).await?)
}

/// POST `/library/<upload>/use/`: makes a content of the chosen module.
pub async fn add(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    shell: Shell,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    let view = media::get_own_file(app.db.read(), &person, id).await?;
    let problems = match form.number("module") {
        None => Problems::of("module", "Choose the module that it is added to."),
        Some(module_id) => {
            match courses::add_file(&app, (&person, &by), module_id, &view, &form).await {
                Ok(content_id) => {
                    let next = format!("/course/module/{module_id}/#content-{content_id}");
                    return Ok(redirect::see_other(&next));
                }
                Err(Error::Invalid(problems)) => problems,
                Err(Error::NotFound) => Problems::of(
                    "module",
                    "This module is not one of yours, or no longer there. Choose another.",
                ),
                Err(other) => return Err(other),
            }
        }
    };
    let again = use_page(&app, &person, shell, view, (&form, &problems)).await?;
    page_with(StatusCode::UNPROCESSABLE_ENTITY, &again)
}

async fn use_page(
    app: &App,
    person: &Person,
    shell: Shell,
    view: FileView,
    (form, problems): (&Form, &Problems),
) -> Result<UsePage> {
    let mut courses: Vec<CourseGroup> = Vec::new();
    for goal in store::list_goals(app.db.read(), person.id).await? {
        match courses.last_mut().filter(|last| last.id == goal.course_id) {
            Some(course) => course.modules.push(goal),
            None => courses.push(CourseGroup {
                id: goal.course_id,
                title: goal.course.clone(),
                modules: vec![goal],
            }),
        }
    }
    Ok(UsePage {
        shell: shell.at(Place::Teach),
        id: view.upload.id,
        name: view.upload.name,
        courses,
        module: Field::new("module", form.text("module"), problems),
        title: Field::new("title", form.get("title"), problems),
        faults: fault_lines_in(problems, &["module", "title"]),
    })
}

impl UsePage {
    fn is_chosen(&self, goal: &Goal) -> bool {
        self.module.value == goal.id.to_string()
    }
}
