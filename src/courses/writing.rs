//! Writing courses, their modules and subjects: the verbs that pages and the API share. Each works within an open
//! transaction, in which its caller has found that she may.

use super::fields::CourseChange;
use super::store;
use crate::app::App;
use crate::db::{Tag, Write};
use crate::entities::{course, module, subject};
use crate::error::{Error, Problems, Result};
use crate::media;
use crate::web::audit::By;
use crate::web::changes;
use crate::web::identity::Person;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait,
    IntoActiveModel as _, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, SqlErr,
};

/// Modules in one statement.
const AT_ONCE: usize = 500;

const SLUG_TAKEN: &str = "Another course has this address already. Please choose another one.";
const SUBJECT_GONE: &str = "Choose a subject from the list.";

/// The subjects by title.
pub async fn list_subjects(db: &impl ConnectionTrait) -> Result<Vec<subject::Model>> {
    let subjects = subject::Entity::find()
        .order_by_asc(subject::Column::Title)
        .order_by_desc(subject::Column::Id);
    Ok(subjects.all(db).await?)
}

/// Makes a course of hers.
///
/// # Errors
/// [`Error::Invalid`] when its address is taken or its subject is gone.
pub async fn insert_course(
    app: &App,
    write: &Write,
    person: &Person,
    change: CourseChange,
) -> Result<course::Model> {
    insert_for(app, write, person.id, change).await
}

/// Makes a course of this person's.
///
/// # Errors
/// As [`insert_course`].
pub async fn insert_for(
    app: &App,
    write: &Write,
    owner_id: i64,
    change: CourseChange,
) -> Result<course::Model> {
    let now = app.clock.now();
    let row = course::ActiveModel {
        owner_id: Set(owner_id),
        subject_id: Set(change.subject_id),
        title: Set(change.title),
        slug: Set(change.slug),
        overview: Set(change.overview),
        is_draft: Set(change.is_draft),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let course = row.insert(&**write).await.map_err(refused)?;
    changes::course(write, course.id, course.owner_id);
    Ok(course)
}

/// Changes a course that is held.
///
/// # Errors
/// As [`insert_course`].
pub async fn update_course(
    app: &App,
    write: &Write,
    before: &course::Model,
    change: CourseChange,
) -> Result<course::Model> {
    let is_withdrawn = change.is_draft && !before.is_draft;
    let row = course::ActiveModel {
        id: Set(before.id),
        subject_id: Set(change.subject_id),
        title: Set(change.title),
        slug: Set(change.slug),
        overview: Set(change.overview),
        is_draft: Set(change.is_draft),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let after = row.update(&**write).await.map_err(refused)?;
    changes::course(write, before.id, before.owner_id);
    if is_withdrawn {
        store::close_files(write, module::Column::CourseId.eq(before.id).into()).await?;
        media::close_room_pictures(write, before.id).await?;
    }
    Ok(after)
}

/// Deletes a course and everything in it.
pub async fn delete_course(app: &App, write: &mut Write, by: &By, id: i64) -> Result<()> {
    store::touch(app, write, id).await?;
    media::discard_room_pictures(app, write, id).await?;
    let modules = store::list_modules(&**write, id).await?;
    let module_ids: Vec<i64> = modules.iter().map(|module| module.id).collect();
    store::delete_modules(app, write, by, &module_ids).await?;
    course::Entity::delete_by_id(id).exec(&**write).await?;
    Ok(())
}

/// The database decides whose an address is, so that of two at once one hears that it is taken.
fn refused(error: sea_orm::DbErr) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => Error::invalid("slug", SLUG_TAKEN),
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => Error::invalid("subject", SUBJECT_GONE),
        _ => gone(error),
    }
}

/// A row that was to be changed and is deleted.
fn gone(error: sea_orm::DbErr) -> Error {
    match error {
        sea_orm::DbErr::RecordNotUpdated => Error::NotFound,
        other => other.into(),
    }
}

/// What a module is called, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleChange {
    /// 1-200 characters.
    pub title: String,
    /// A sentence or none.
    pub description: String,
}

impl ModuleChange {
    /// Reads what was typed.
    ///
    /// # Errors
    /// What is wrong with each field.
    pub fn read(title: &str, description: &str) -> Result<Self, Problems> {
        let title = title.trim();
        if let Some(fault) = super::fields::title_fault(title, "A module needs a title.") {
            return Err(Problems::of("title", fault));
        }
        Ok(Self {
            title: title.to_owned(),
            description: description.replace("\r\n", "\n").trim().to_owned(),
        })
    }
}

/// Makes a module in the last place of a course, which is held from here on.
///
/// # Errors
/// [`Error::NotFound`] when the course is gone.
pub async fn insert_module(
    app: &App,
    write: &Write,
    course_id: i64,
    change: ModuleChange,
) -> Result<module::Model> {
    store::touch(app, write, course_id).await?;
    let row = module::ActiveModel {
        course_id: Set(course_id),
        title: Set(change.title),
        description: Set(change.description),
        order: Set(store::next_module_order(write, course_id).await?),
        ..Default::default()
    };
    Ok(row.insert(&**write).await?)
}

/// Makes the modules of a course that was made in this transaction, in their order: nobody else sees it yet.
pub async fn insert_first_modules(
    write: &Write,
    course_id: i64,
    modules: Vec<ModuleChange>,
) -> Result<()> {
    let mut places = 0_i64..;
    let mut rows = modules
        .into_iter()
        .zip(places.by_ref())
        .map(|(change, order)| module::ActiveModel {
            course_id: Set(course_id),
            title: Set(change.title),
            description: Set(change.description),
            order: Set(order),
            ..Default::default()
        })
        .peekable();
    while rows.peek().is_some() {
        module::Entity::insert_many(rows.by_ref().take(AT_ONCE))
            .exec_without_returning(&**write)
            .await?;
    }
    Ok(())
}

/// Calls a module otherwise; its course is held from here on.
///
/// # Errors
/// [`Error::NotFound`] when it is gone.
pub async fn update_module(
    app: &App,
    write: &Write,
    before: module::Model,
    change: ModuleChange,
) -> Result<module::Model> {
    store::touch(app, write, before.course_id).await?;
    let mut row = before.into_active_model();
    row.title = Set(change.title);
    row.description = Set(change.description);
    row.update(&**write).await.map_err(gone)
}

/// What a subject is called, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectChange {
    /// 1-200 characters.
    pub title: String,
    /// 1-200 of `[A-Za-z0-9_-]`.
    pub slug: String,
}

impl SubjectChange {
    /// Reads what was sent.
    ///
    /// # Errors
    /// What is wrong with each field.
    pub fn read(title: &str, slug: &str) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let (title, slug) = (title.trim(), slug.trim());
        if let Some(fault) = super::fields::title_fault(title, "A subject needs a title.") {
            problems.add("title", fault);
        }
        if let Some(fault) =
            super::fields::letters_fault(slug, "A subject needs an address, such as music.")
        {
            problems.add("slug", fault);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            title: title.to_owned(),
            slug: slug.to_owned(),
        })
    }
}

/// Makes a subject; `id` is that of one that is changed instead.
///
/// # Errors
/// [`Error::Invalid`] when its address is taken, [`Error::NotFound`] when it is gone.
pub async fn save_subject(
    write: &Write,
    id: Option<i64>,
    change: SubjectChange,
) -> Result<subject::Model> {
    let mut row = subject::ActiveModel {
        title: Set(change.title),
        slug: Set(change.slug),
        ..Default::default()
    };
    let saved = if let Some(id) = id {
        row.id = Set(id);
        row.update(&**write).await
    } else {
        row.insert(&**write).await
    };
    write.changes(Tag::subjects());
    saved.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => Error::invalid(
            "slug",
            "Another subject has this address already. Please choose another one.",
        ),
        _ => gone(error),
    })
}

/// A subject, held until the end of the transaction.
///
/// # Errors
/// [`Error::NotFound`] when it is gone.
pub async fn hold_subject(write: &Write, id: i64) -> Result<subject::Model> {
    let held = subject::Entity::find_by_id(id).lock_exclusive();
    held.one(&**write).await?.ok_or(Error::NotFound)
}

/// Deletes a subject that is held and under which no course stands: courses that are being made under it wait, and then
/// find it gone.
///
/// # Errors
/// [`Error::Conflict`] when there are courses.
pub async fn delete_subject(write: &Write, id: i64) -> Result<()> {
    let db = &**write;
    let courses = course::Entity::find().filter(course::Column::SubjectId.eq(id));
    if courses.count(db).await? > 0 {
        return Err(Error::Conflict(
            "Courses stand under this subject. Move them to another one first, then delete it."
                .into(),
        ));
    }
    subject::Entity::delete_by_id(id).exec(db).await?;
    write.changes(Tag::subjects());
    Ok(())
}
