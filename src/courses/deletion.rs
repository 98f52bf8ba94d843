//! The pages that delete a content or a module, with the files that nothing else shows. They ask first.

use super::facts::{facts_for_others, log_for_others};
use super::store::{delete_contents, delete_modules, touch};
use super::{get_owned_content, get_owned_module, hold_course};
use crate::app::App;
use crate::entities::item::ItemKind;
use crate::entities::{content, course, item, module};
use crate::error::Result;
use crate::media;
use crate::web::audit::ByPage;
use crate::web::extract::Path;
use crate::web::identity::Author;
use crate::web::permissions::{self, require};
use crate::web::shell::{Place, Shell, page};
use crate::web::{redirect, text};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _,
};

/// The page that asks whether to delete.
#[derive(Template)]
#[template(path = "courses/content_delete.html")]
struct DeletePage {
    shell: Shell,
    course: course::Model,
    module: module::Model,
    name: String,
    words: String,
    action: String,
    submit: &'static str,
}

/// GET: asks whether to delete a content.
pub async fn ask_content(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
) -> Result<Response> {
    require(&person, permissions::DELETE_CONTENT)?;
    let (content, item, module, course) = get_owned_content(app.db.read(), &person, id).await?;
    let words = match (item.kind, item.upload_id) {
        (ItemKind::Text, _) => "Its text goes with it. This cannot be undone.".into(),
        (_, Some(upload_id)) => of_file(count_others(app.db.read(), item.id, upload_id).await?),
        _ => "The video itself stays where it is. This cannot be undone.".into(),
    };
    page(&DeletePage {
        shell: shell.at(Place::Teach),
        name: item.title,
        words,
        action: format!("/course/content/{}/delete/", content.id),
        submit: "Delete it",
        course,
        module,
    })
}

/// What becomes of the file of a content that so many others show, too.
fn of_file(others: u64) -> String {
    match i64::try_from(others).unwrap_or(i64::MAX) {
        0 => "Its file goes with it, in every form made of it, and leaves the library. This cannot be undone."
            .into(),
        count => format!(
            "Its file stays: {} it, too.",
            if count == 1 {
                "1 other lesson shows".into()
            } else {
                format!("{count} other lessons show")
            }
        ),
    }
}

/// How many other items show a file, or are about to.
async fn count_others(db: &impl ConnectionTrait, item_id: i64, upload_id: i64) -> Result<u64> {
    let shows = Condition::any()
        .add(item::Column::UploadId.eq(upload_id))
        .add(item::Column::NextUploadId.eq(upload_id));
    let others = item::Entity::find()
        .filter(item::Column::Id.ne(item_id))
        .filter(shows);
    Ok(others.count(db).await?)
}

/// POST: deletes a content with its item and its files.
pub async fn delete_content(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    Path(id): Path<i64>,
) -> Result<Response> {
    require(&person, permissions::DELETE_CONTENT)?;
    let mut write = app.write().await?;
    let (content, _, module, course) = get_owned_content(&*write, &person, id).await?;
    hold_course(&write, &person, course.id).await?;
    touch(&app, &write, course.id).await?;
    for upload_id in delete_contents(&mut write, &by, &[content.id]).await? {
        media::discard(&app, &mut write, upload_id).await?;
    }
    write.commit().await?;
    Ok(redirect::see_other(&format!(
        "/course/module/{}/",
        module.id
    )))
}

/// GET: asks whether to delete a module.
pub async fn ask_module(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
) -> Result<Response> {
    require(&person, permissions::DELETE_MODULE)?;
    let (module, course) = get_owned_module(app.db.read(), &person, id).await?;
    let contents = content::Entity::find().filter(content::Column::ModuleId.eq(module.id));
    let count = contents.count(app.db.read()).await?;
    let words = match i64::try_from(count).unwrap_or(i64::MAX) {
        0 => "It has no contents yet. This cannot be undone.".into(),
        1 => "Its 1 content goes with it, with its file unless another lesson shows that, too. This cannot be undone."
            .into(),
        count => format!(
            "Its {} go with it, with all files that no other lesson shows. This cannot be undone.",
            text::count(count, "content", "contents")
        ),
    };
    page(&DeletePage {
        shell: shell.at(Place::Teach),
        name: module.title.clone(),
        words,
        action: format!("/course/module/{}/delete/", module.id),
        submit: "Delete the module",
        course,
        module,
    })
}

/// POST: deletes a module with its contents and their files.
pub async fn delete_module(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    Path(id): Path<i64>,
) -> Result<Response> {
    require(&person, permissions::DELETE_MODULE)?;
    let mut write = app.write().await?;
    let (module, course) = get_owned_module(&*write, &person, id).await?;
    let course = hold_course(&write, &person, course.id).await?;
    let told = facts_for_others(&write, &by, &course).await?;
    touch(&app, &write, course.id).await?;
    delete_modules(&app, &mut write, &by, &[module.id]).await?;
    log_for_others(&write, &by, "change", course.id, told.as_ref()).await?;
    write.commit().await?;
    Ok(redirect::see_other(&format!(
        "/course/{}/outline/",
        course.id
    )))
}
