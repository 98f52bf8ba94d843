//! The teacher's side of courses: her list, and making, changing and deleting one.

use super::card::color_of;
use super::facts::{facts_for_others, log_for_others};
use super::fields::{CourseChange, form_of};
use super::writing::{delete_course, insert_course, list_subjects, update_course};
use super::{figures, store};
use crate::app::App;
use crate::entities::{content, course, module, subject};
use crate::error::{Error, Problems, Result};
use crate::web::audit::{By, ByPage};
use crate::web::cover::cover_svg;
use crate::web::extract::Path;
use crate::web::form::{FaultLine, Field, Form, fault_lines_in};
use crate::web::identity::{Author, Person};
use crate::web::permissions::{self, require};
use crate::web::redirect::see_other;
use crate::web::shell::{Place, Shell, page, page_with};
use crate::web::text;
use askama::Template;
use askama::filters::Safe;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, RelationTrait,
};
use std::collections::HashMap;

/// Her courses.
#[derive(Template)]
#[template(path = "courses/mine.html")]
struct MinePage {
    shell: Shell,
    rows: Vec<Row>,
}

struct Row {
    id: i64,
    slug: String,
    title: String,
    cover: Safe<String>,
    is_draft: bool,
    /// Where its contents are edited: its first module, or the form that adds one.
    path: String,
    modules: usize,
    students: i64,
    changed: String,
    changed_exact: String,
    changed_machine: String,
}

/// The form of one course.
#[derive(Template)]
#[template(path = "courses/form.html")]
struct FormPage {
    shell: Shell,
    faults: Vec<FaultLine>,
    /// The course that is changed; none when one is made.
    course: Option<course::Model>,
    subjects: Vec<subject::Model>,
    subject: Field,
    title: Field,
    slug: Field,
    overview: Field,
    is_draft: bool,
}

/// Asks before a course is deleted.
#[derive(Template)]
#[template(path = "courses/delete.html")]
struct DeletePage {
    shell: Shell,
    course: course::Model,
    words: String,
}

impl FormPage {
    fn action(&self) -> String {
        self.course.as_ref().map_or_else(
            || "/course/create/".to_owned(),
            |course| format!("/course/{}/edit/", course.id),
        )
    }
}

/// `/course/mine/`
pub async fn mine(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
) -> Result<Response> {
    let db = app.db.read();
    let courses = course::Entity::find()
        .filter(course::Column::OwnerId.eq(person.id))
        .order_by_desc(course::Column::CreatedAt)
        .order_by_desc(course::Column::Id)
        .all(db)
        .await?;
    let ids: Vec<i64> = courses.iter().map(|course| course.id).collect();
    let students = figures::count_students(db, &ids).await?;
    let modules = modules_of(db, person.id).await?;
    let now = app.clock.now();
    let zone = person.time_zone;
    let row = |course: course::Model| {
        let of_course: &[i64] = modules.get(&course.id).map_or(&[], Vec::as_slice);
        Row {
            cover: Safe(cover_svg(
                &course.slug,
                color_of(course.subject_id),
                "thumb",
            )),
            path: of_course.first().map_or_else(
                || format!("/course/{}/outline/", course.id),
                |first| format!("/course/module/{first}/"),
            ),
            modules: of_course.len(),
            students: students.get(&course.id).copied().unwrap_or(0),
            changed: text::ago(course.updated_at, now, zone),
            changed_exact: text::exact(course.updated_at, zone),
            changed_machine: text::machine(course.updated_at),
            id: course.id,
            slug: course.slug,
            title: course.title,
            is_draft: course.is_draft,
        }
    };
    page(&MinePage {
        rows: courses.into_iter().map(row).collect(),
        shell: shell.at(Place::Teach),
    })
}

/// The ids of the modules of each of her courses, in their order.
async fn modules_of(db: &impl ConnectionTrait, owner_id: i64) -> Result<HashMap<i64, Vec<i64>>> {
    let rows: Vec<(i64, i64)> = module::Entity::find()
        .select_only()
        .column(module::Column::CourseId)
        .column(module::Column::Id)
        .join(JoinType::InnerJoin, module::Relation::Course.def())
        .filter(course::Column::OwnerId.eq(owner_id))
        .order_by_asc(module::Column::Order)
        .order_by_desc(module::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    let mut modules: HashMap<i64, Vec<i64>> = HashMap::new();
    for (course_id, module_id) in rows {
        modules.entry(course_id).or_default().push(module_id);
    }
    Ok(modules)
}

/// GET `/course/create/`: a new course begins as a draft, unless she says otherwise.
pub async fn create_form(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
) -> Result<Response> {
    require(&person, permissions::ADD_COURSE)?;
    let subjects = list_subjects(app.db.read()).await?;
    let first = subjects.first().map(|subject| subject.id.to_string());
    let form = Form::from_pairs(vec![
        ("subject".into(), first.unwrap_or_default()),
        ("draft".into(), "on".into()),
    ]);
    page(&form_page(shell, None, subjects, &form, &Problems::new()))
}

/// POST `/course/create/`
pub async fn create(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    form: Form,
) -> Result<Response> {
    require(&person, permissions::ADD_COURSE)?;
    let subjects = list_subjects(app.db.read()).await?;
    let made = match CourseChange::read(&form, &subjects) {
        Ok(change) => insert(&app, &person, change).await,
        Err(problems) => Err(Error::Invalid(problems)),
    };
    match made {
        Ok(course) => Ok(see_other(&format!("/course/{}/outline/", course.id))),
        Err(Error::Invalid(problems)) => page_with(
            StatusCode::UNPROCESSABLE_ENTITY,
            &form_page(shell, None, subjects, &form, &problems),
        ),
        Err(other) => Err(other),
    }
}

/// GET `/course/<id>/edit/`
pub async fn edit_form(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
) -> Result<Response> {
    require(&person, permissions::CHANGE_COURSE)?;
    let db = app.db.read();
    let course = store::get_owned_course(db, &person, id).await?;
    let subjects = list_subjects(db).await?;
    let form = form_of(&course);
    page(&form_page(
        shell,
        Some(course),
        subjects,
        &form,
        &Problems::new(),
    ))
}

/// POST `/course/<id>/edit/`
pub async fn edit(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    shell: Shell,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    require(&person, permissions::CHANGE_COURSE)?;
    let db = app.db.read();
    let course = store::get_owned_course(db, &person, id).await?;
    let subjects = list_subjects(db).await?;
    let changed = match CourseChange::read(&form, &subjects) {
        Ok(change) => update(&app, &person, &by, id, change).await,
        Err(problems) => Err(Error::Invalid(problems)),
    };
    match changed {
        Ok(()) => Ok(see_other("/course/mine/")),
        Err(Error::Invalid(problems)) => page_with(
            StatusCode::UNPROCESSABLE_ENTITY,
            &form_page(shell, Some(course), subjects, &form, &problems),
        ),
        Err(other) => Err(other),
    }
}

/// GET `/course/<id>/delete/`: asks first.
pub async fn delete_form(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
) -> Result<Response> {
    require(&person, permissions::DELETE_COURSE)?;
    let db = app.db.read();
    let course = store::get_owned_course(db, &person, id).await?;
    let modules = figures::count_modules(db, &[id]).await?;
    let students = figures::count_students(db, &[id]).await?;
    let contents = content::Entity::find()
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .filter(module::Column::CourseId.eq(id))
        .count(db)
        .await?;
    let number = |counts: &HashMap<i64, i64>| counts.get(&id).copied().unwrap_or(0);
    let contents = i64::try_from(contents).unwrap_or(i64::MAX);
    page(&DeletePage {
        words: loss(number(&modules), contents, number(&students)),
        shell: shell.at(Place::Teach),
        course,
    })
}

/// POST `/course/<id>/delete/`: the course and everything in it, in one transaction.
pub async fn delete(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    Path(id): Path<i64>,
) -> Result<Response> {
    require(&person, permissions::DELETE_COURSE)?;
    let mut write = app.write().await?;
    let before = store::hold_course(&write, &person, id).await?;
    let told = facts_for_others(&write, &by, &before).await?;
    delete_course(&app, &mut write, &by, id).await?;
    log_for_others(&write, &by, "delete", id, told.as_ref()).await?;
    write.commit().await?;
    Ok(see_other("/course/mine/"))
}

/// What goes with a course.
fn loss(modules: i64, contents: i64, students: i64) -> String {
    let what = match (modules, contents) {
        (0, _) => "It has no modules yet.".to_owned(),
        (_, 0) => format!(
            "With it {}.",
            verb(modules, &text::count(modules, "module", "modules"))
        ),
        _ => format!(
            "Its {}, {} and their files go with it.",
            text::count(modules, "module", "modules"),
            text::count(contents, "content", "contents")
        ),
    };
    let whom = match students {
        0 => String::new(),
        1 => " One student is in it and loses it too.".into(),
        _ => format!(" {students} students are in it and lose it too."),
    };
    format!("{what}{whom} This cannot be undone.")
}

fn verb(number: i64, words: &str) -> String {
    if number == 1 {
        format!("goes {words}")
    } else {
        format!("go {words}")
    }
}

async fn insert(app: &App, person: &Person, change: CourseChange) -> Result<course::Model> {
    let write = app.write().await?;
    let course = insert_course(app, &write, person, change).await?;
    write.commit().await?;
    Ok(course)
}

async fn update(app: &App, person: &Person, by: &By, id: i64, change: CourseChange) -> Result<()> {
    let write = app.write().await?;
    let before = store::hold_course(&write, person, id).await?;
    let told = facts_for_others(&write, by, &before).await?;
    update_course(app, &write, &before, change).await?;
    log_for_others(&write, by, "change", id, told.as_ref()).await?;
    write.commit().await
}

fn form_page(
    shell: Shell,
    course: Option<course::Model>,
    subjects: Vec<subject::Model>,
    form: &Form,
    problems: &Problems,
) -> FormPage {
    let field = |name: &str| Field::new(name, form.get(name), problems);
    FormPage {
        shell: shell.at(Place::Teach),
        faults: fault_lines_in(problems, &["subject", "title", "slug", "overview"]),
        course,
        subjects,
        subject: field("subject"),
        title: field("title"),
        slug: field("slug"),
        overview: field("overview"),
        is_draft: form.is_set("draft"),
    }
}
