//! Moving a module or a content up or down by one, without a script; with one, the page sends the whole
//! order instead. And trying a file again, or keeping the one that another was to take the place of.

use super::facts::{facts_for_others, log_for_others};
use super::logged::Contents;
use super::store::touch;
use super::{get_owned_content, get_owned_module, hold_course, list_contents, list_modules};
use crate::app::App;
use crate::db::Write;
use crate::entities::{content, module};
use crate::error::{Error, Result};
use crate::media;
use crate::web::audit::ByPage;
use crate::web::extract::Path;
use crate::web::form::Form;
use crate::web::identity::{Author, Person};
use crate::web::permissions::{self, require};
use crate::web::redirect;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, sea_query::Expr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Direction {
    fn of(form: &Form) -> Result<Self> {
        match form.text("direction") {
            "up" => Ok(Self::Up),
            "down" => Ok(Self::Down),
            _ => Err(Error::BadRequest(
                "The field direction is up or down.".into(),
            )),
        }
    }
}

/// POST: moves a module.
pub async fn module(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    require(&person, permissions::CHANGE_MODULE)?;
    let direction = Direction::of(&form)?;
    let write = app.write().await?;
    let (module, course) = get_owned_module(&*write, &person, id).await?;
    let course = hold_course(&write, &person, course.id).await?;
    let told = facts_for_others(&write, &by, &course).await?;
    touch(&app, &write, course.id).await?;
    let modules = list_modules(&*write, course.id).await?;
    let places: Vec<_> = modules.iter().map(|row| (row.id, row.order)).collect();
    for (id, order) in changes(&places, module.id, direction) {
        set_module_order(&write, id, order).await?;
    }
    log_for_others(&write, &by, "change", course.id, told.as_ref()).await?;
    write.commit().await?;
    let open = format!("/course/module/{}/", module.id);
    Ok(back(&form, &open, &format!("module-{}", module.id)))
}

/// POST: moves a content within its module.
pub async fn content(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    require(&person, permissions::CHANGE_CONTENT)?;
    let direction = Direction::of(&form)?;
    let write = app.write().await?;
    let (content, _, module, course) = get_owned_content(&*write, &person, id).await?;
    hold_course(&write, &person, course.id).await?;
    touch(&app, &write, course.id).await?;
    let logged = Contents::places(&write, &by, &[module.id]).await?;
    let contents = list_contents(&*write, &[module.id]).await?;
    let places: Vec<_> = contents
        .iter()
        .map(|(row, _)| (row.id, row.order))
        .collect();
    for (id, order) in changes(&places, content.id, direction) {
        set_content_order(&write, id, order).await?;
    }
    logged.log(&write, &by, "change").await?;
    write.commit().await?;
    let open = format!("/course/module/{}/", module.id);
    Ok(back(&form, &open, &format!("content-{}", content.id)))
}

/// POST: processes the file of a content again that could not be processed.
pub async fn retry(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response> {
    require(&person, permissions::CHANGE_CONTENT)?;
    let (upload_id, next) = processed(&app, &person, id).await?;
    let view = media::retry(&app, &by, upload_id).await?;
    Ok(media::standing(&headers, &view, &next))
}

/// POST: stops the processing of the file of a content.
pub async fn cancel(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response> {
    require(&person, permissions::CHANGE_CONTENT)?;
    let (upload_id, next) = processed(&app, &person, id).await?;
    let view = media::cancel(&app, &by, upload_id).await?;
    Ok(media::standing(&headers, &view, &next))
}

/// The newest file of a content, and the page that shows it.
pub(super) async fn processed(
    app: &App,
    person: &Person,
    content_id: i64,
) -> Result<(i64, String)> {
    let (content, item, module, _) = get_owned_content(app.db.read(), person, content_id).await?;
    let upload_id = item.next_upload_id.or(item.upload_id);
    let page = format!("/course/module/{}/#content-{}", module.id, content.id);
    Ok((upload_id.ok_or(Error::NotFound)?, page))
}

/// POST: a content keeps the file that it shows; the one that was to take its place goes.
pub async fn keep(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    Path(id): Path<i64>,
) -> Result<Response> {
    require(&person, permissions::CHANGE_CONTENT)?;
    let mut write = app.write().await?;
    let (content, item, module, course) = get_owned_content(&*write, &person, id).await?;
    hold_course(&write, &person, course.id).await?;
    touch(&app, &write, course.id).await?;
    media::hold_files(&write, &media::files_of(&item).collect::<Vec<_>>()).await?;
    let of = content::Column::Id.eq(content.id);
    let logged = Contents::before(&write, &by, of).await?;
    media::keep_present(&app, &mut write, item.id).await?;
    logged.log(&write, &by, "change").await?;
    write.commit().await?;
    Ok(redirect::see_other(&format!(
        "/course/module/{}/#content-{}",
        module.id, content.id
    )))
}

/// To the page where the button was, at the row that moved.
fn back(form: &Form, otherwise: &str, row: &str) -> Response {
    let next = redirect::local(form.text("next")).unwrap_or(otherwise);
    let next = next.split('#').next().unwrap_or(otherwise);
    redirect::see_other(&format!("{next}#{row}"))
}

/// The rows whose place changes, with the new one: places are 0, 1, 2, ... afterwards, so that ties end.
fn changes(rows: &[(i64, i64)], moved: i64, direction: Direction) -> Vec<(i64, i64)> {
    let mut ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
    let Some(at) = ids.iter().position(|id| *id == moved) else {
        return Vec::new();
    };
    let neighbor = match direction {
        Direction::Up => at.checked_sub(1),
        Direction::Down => Some(at + 1).filter(|next| *next < ids.len()),
    };
    let Some(neighbor) = neighbor else {
        return Vec::new();
    };
    ids.swap(at, neighbor);
    let placed = ids.into_iter().zip(0_i64..);
    placed.filter(|place| !rows.contains(place)).collect()
}

async fn set_module_order(write: &Write, id: i64, order: i64) -> Result<()> {
    module::Entity::update_many()
        .col_expr(module::Column::Order, Expr::value(order))
        .filter(module::Column::Id.eq(id))
        .exec(&**write)
        .await?;
    Ok(())
}

async fn set_content_order(write: &Write, id: i64, order: i64) -> Result<()> {
    content::Entity::update_many()
        .col_expr(content::Column::Order, Expr::value(order))
        .filter(content::Column::Id.eq(id))
        .exec(&**write)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Direction, changes};

    #[test]
    fn neighbors_change_places() {
        let rows = vec![(7, 0), (8, 1), (9, 2)];
        assert_eq!(changes(&rows, 8, Direction::Up), [(8, 0), (7, 1)]);
        assert_eq!(changes(&rows, 8, Direction::Down), [(9, 1), (8, 2)]);
        assert_eq!(changes(&rows, 7, Direction::Up), []);
        assert_eq!(changes(&rows, 9, Direction::Down), []);
    }

    #[test]
    fn ties_and_gaps_end_with_the_first_move() {
        // As listed: equal places newest first.
        let rows = vec![(9, 3), (8, 3), (7, 10)];
        assert_eq!(changes(&rows, 7, Direction::Up), [(9, 0), (7, 1), (8, 2)]);
    }
}
