//! What a course holds and whose it is: the queries that several pages and features share.

use super::logged::Contents;
use crate::app::App;
use crate::db::Write;
use crate::entities::{content, course, item, module};
use crate::error::{Error, Result};
use crate::media;
use crate::web::audit::By;
use crate::web::changes;
use crate::web::identity::Person;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, QueryFilter,
    QueryOrder, QuerySelect, RelationTrait as _,
};
use std::collections::BTreeSet;

/// The course, for its owner and for staff.
///
/// # Errors
/// [`Error::NotFound`] for everybody else, and when there is none.
pub async fn get_owned_course(
    db: &impl ConnectionTrait,
    person: &Person,
    id: i64,
) -> Result<course::Model> {
    let found = course::Entity::find_by_id(id).one(db).await?;
    found
        .filter(|course| is_owned(course, person))
        .ok_or(Error::NotFound)
}

/// The same, held until the end of the transaction: nobody else changes it or anything in it.
///
/// # Errors
/// [`Error::NotFound`] as above.
pub async fn hold_course(write: &Write, person: &Person, id: i64) -> Result<course::Model> {
    let found = course::Entity::find_by_id(id).lock_exclusive();
    let found = found.one(&**write).await?;
    found
        .filter(|course| is_owned(course, person))
        .ok_or(Error::NotFound)
}

/// The module and its course, for the course's owner and for staff.
///
/// # Errors
/// [`Error::NotFound`] for everybody else, and when there is none.
pub async fn get_owned_module(
    db: &impl ConnectionTrait,
    person: &Person,
    id: i64,
) -> Result<(module::Model, course::Model)> {
    let found = module::Entity::find_by_id(id)
        .find_also_related(course::Entity)
        .one(db)
        .await?;
    match found {
        Some((module, Some(course))) if is_owned(&course, person) => Ok((module, course)),
        _ => Err(Error::NotFound),
    }
}

/// The content with its item, module and course, for the course's owner and for staff.
///
/// # Errors
/// [`Error::NotFound`] for everybody else, and when there is none.
pub async fn get_owned_content(
    db: &impl ConnectionTrait,
    person: &Person,
    id: i64,
) -> Result<(content::Model, item::Model, module::Model, course::Model)> {
    let found = content::Entity::find_by_id(id)
        .find_also_related(item::Entity)
        .one(db)
        .await?;
    let Some((content, Some(item))) = found else {
        return Err(Error::NotFound);
    };
    let (module, course) = get_owned_module(db, person, content.module_id).await?;
    Ok((content, item, module, course))
}

/// Whether she manages the course: its owner, and staff.
pub fn is_owned(course: &course::Model, person: &Person) -> bool {
    course.owner_id == person.id || person.is_staff
}

/// The modules of a course in their order; ties are broken by id, newest first.
pub async fn list_modules(db: &impl ConnectionTrait, course_id: i64) -> Result<Vec<module::Model>> {
    let modules = module::Entity::find()
        .filter(module::Column::CourseId.eq(course_id))
        .order_by_asc(module::Column::Order)
        .order_by_desc(module::Column::Id);
    Ok(modules.all(db).await?)
}

/// The contents of the modules with their items, module by module, each in its order; ties are
/// broken by id, newest first. The modules themselves come in the order of their ids.
pub async fn list_contents(
    db: &impl ConnectionTrait,
    module_ids: &[i64],
) -> Result<Vec<(content::Model, item::Model)>> {
    if module_ids.is_empty() {
        return Ok(Vec::new());
    }
    let contents = content::Entity::find()
        .find_also_related(item::Entity)
        .filter(content::Column::ModuleId.is_in(module_ids.iter().copied()))
        .order_by_asc(content::Column::ModuleId)
        .order_by_asc(content::Column::Order)
        .order_by_desc(content::Column::Id);
    let rows = contents.all(db).await?;
    Ok(rows
        .into_iter()
        .filter_map(|(content, item)| item.map(|item| (content, item)))
        .collect())
}

/// Notes that something in the course has changed just now. Holds the course's row until the end of the
/// transaction, so that writers of one course come one after another.
pub async fn touch(app: &App, write: &Write, course_id: i64) -> Result<()> {
    let change = course::ActiveModel {
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let touched = course::Entity::update_many()
        .set(change)
        .filter(course::Column::Id.eq(course_id))
        .exec_with_returning(&**write)
        .await?;
    for course in touched {
        changes::course(write, course.id, course.owner_id);
    }
    Ok(())
}

/// The place after the last module of the course. Holds the course's row, so that two who ask at once get
/// two places.
///
/// # Errors
/// [`Error::NotFound`] when there is no such course.
pub async fn next_module_order(write: &Write, course_id: i64) -> Result<i64> {
    let db = &**write;
    let course = course::Entity::find_by_id(course_id).lock_exclusive();
    course.one(db).await?.ok_or(Error::NotFound)?;
    let last: Option<Option<i64>> = module::Entity::find()
        .select_only()
        .column_as(module::Column::Order.max(), "last")
        .filter(module::Column::CourseId.eq(course_id))
        .into_tuple()
        .one(db)
        .await?;
    Ok(after(last.flatten()))
}

/// The place after the last content of the module. Holds the module's row, so that two who ask at once get
/// two places.
///
/// # Errors
/// [`Error::NotFound`] when there is no such module.
pub async fn next_content_order(write: &Write, module_id: i64) -> Result<i64> {
    let db = &**write;
    let module = module::Entity::find_by_id(module_id).lock_exclusive();
    module.one(db).await?.ok_or(Error::NotFound)?;
    let last: Option<Option<i64>> = content::Entity::find()
        .select_only()
        .column_as(content::Column::Order.max(), "last")
        .filter(content::Column::ModuleId.eq(module_id))
        .into_tuple()
        .one(db)
        .await?;
    Ok(after(last.flatten()))
}

fn after(last: Option<i64>) -> i64 {
    last.map_or(0, |last| last.saturating_add(1))
}

/// Deletes these modules with their contents, the items that nothing else shows, and the files of those. The
/// files themselves go by a job, once the transaction is committed.
pub async fn delete_modules(
    app: &App,
    write: &mut Write,
    by: &By,
    module_ids: &[i64],
) -> Result<()> {
    let content_ids: Vec<i64> = content::Entity::find()
        .select_only()
        .column(content::Column::Id)
        .filter(content::Column::ModuleId.is_in(module_ids.iter().copied()))
        .into_tuple()
        .all(&**write)
        .await?;
    for upload_id in delete_contents(write, by, &content_ids).await? {
        media::discard(app, write, upload_id).await?;
    }
    module::Entity::delete_many()
        .filter(module::Column::Id.is_in(module_ids.iter().copied()))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Deletes these contents with the items that nothing else shows; answers the uploads that those items held, in the
/// order of their numbers, for the caller to discard. What goes from a course of another is logged.
pub async fn delete_contents(write: &mut Write, by: &By, content_ids: &[i64]) -> Result<Vec<i64>> {
    if content_ids.is_empty() {
        return Ok(Vec::new());
    }
    let are_these = content::Column::Id.is_in(content_ids.iter().copied());
    close_files(write, are_these.into()).await?;
    let db = &**write;
    let gone = content::Column::Id.is_in(content_ids.iter().copied());
    let items: Vec<i64> = content::Entity::find()
        .select_only()
        .column(content::Column::ItemId)
        .filter(gone.clone())
        .into_tuple()
        .all(db)
        .await?;
    // Before the items themselves: a file that becomes ready takes its place in them, in this order.
    media::hold_files(write, &files_of(db, &items).await?).await?;
    let logged = Contents::before(write, by, gone.clone()).await?;
    content::Entity::delete_many().filter(gone).exec(db).await?;
    logged.log(write, by, "delete").await?;
    let still_shown: Vec<i64> = content::Entity::find()
        .select_only()
        .column(content::Column::ItemId)
        .filter(content::Column::ItemId.is_in(items.iter().copied()))
        .into_tuple()
        .all(db)
        .await?;
    let orphans: Vec<i64> = items
        .into_iter()
        .filter(|id| !still_shown.contains(id))
        .collect();
    let uploads = files_of(db, &orphans).await?;
    item::Entity::delete_many()
        .filter(item::Column::Id.is_in(orphans))
        .exec(db)
        .await?;
    Ok(uploads)
}

/// The files that these items show or wait for, each once, by number.
async fn files_of(db: &impl ConnectionTrait, item_ids: &[i64]) -> Result<Vec<i64>> {
    let items: Vec<item::Model> = item::Entity::find()
        .filter(item::Column::Id.is_in(item_ids.iter().copied()))
        .all(db)
        .await?;
    let uploads: BTreeSet<i64> = items.iter().flat_map(media::files_of).collect();
    Ok(uploads.into_iter().collect())
}

/// Says that the files of these contents, a condition on [`content`] or [`module`], may be closed to
/// some who could have them.
pub async fn close_files(write: &Write, of: Condition) -> Result<()> {
    let upload_ids: Vec<i64> = item::Entity::find()
        .select_only()
        .column(item::Column::UploadId)
        .distinct()
        .join_rev(JoinType::InnerJoin, content::Relation::Item.def())
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .filter(item::Column::UploadId.is_not_null())
        .filter(of)
        .into_tuple()
        .all(&**write)
        .await?;
    changes::uploads(write, &upload_ids).await
}
