//! What those who run the site do with everybody's courses. Who may is for the caller to have asked.

use super::fields::CourseChange;
use super::store;
use super::writing::insert_for;
use crate::app::App;
use crate::db::Write;
use crate::entities::{course, module};
use crate::error::{Error, Result};
use crate::web::changes;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

/// A course, whoever's it is, held until the end of the transaction.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn hold_any_course(write: &Write, id: i64) -> Result<course::Model> {
    let held = course::Entity::find_by_id(id).lock_exclusive();
    held.one(&**write).await?.ok_or(Error::NotFound)
}

/// Makes a course of somebody's.
///
/// # Errors
/// [`Error::Invalid`] when its address is taken or its subject is gone.
pub async fn insert_course_of(
    app: &App,
    write: &Write,
    owner_id: i64,
    change: CourseChange,
) -> Result<course::Model> {
    insert_for(app, write, owner_id, change).await
}

/// Gives a course that is held to another teacher. Its contents stay files of who has sent them.
///
/// # Errors
/// When the database does not answer.
pub async fn set_owner(write: &Write, before: &course::Model, owner_id: i64) -> Result<()> {
    course::Entity::update_many()
        .col_expr(course::Column::OwnerId, Expr::value(owner_id))
        .filter(course::Column::Id.eq(before.id))
        .exec(&**write)
        .await?;
    // Who may no longer see its files is known anew.
    store::close_files(write, module::Column::CourseId.eq(before.id).into()).await?;
    changes::course(write, before.id, before.owner_id);
    changes::course(write, before.id, owner_id);
    changes::students(write, before.id, before.owner_id);
    changes::students(write, before.id, owner_id);
    Ok(())
}

/// Puts the modules of a course that is held into this order; those that are not named come after them, as they are.
///
/// # Errors
/// When the database does not answer.
pub async fn place_modules(app: &App, write: &Write, course_id: i64, order: &[i64]) -> Result<()> {
    let now = store::list_modules(&**write, course_id).await?;
    let named = order
        .iter()
        .filter_map(|id| now.iter().find(|row| row.id == *id));
    let rest = now.iter().filter(|row| !order.contains(&row.id));
    let mut is_changed = false;
    for (place, row) in (0_i64..).zip(named.chain(rest)) {
        if row.order == place {
            continue;
        }
        is_changed = true;
        module::Entity::update_many()
            .col_expr(module::Column::Order, Expr::value(place))
            .filter(module::Column::Id.eq(row.id))
            .exec(&**write)
            .await?;
    }
    if is_changed {
        store::touch(app, write, course_id).await?;
    }
    Ok(())
}
