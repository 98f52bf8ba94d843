//! Queries of the library.

use super::listing::Entry;
use crate::db::Write;
use crate::entities::{chat_picture, content, course, item, module, upload};
use crate::error::{Error, Result};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, FromQueryResult, JoinType,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, RelationTrait as _,
};
use std::collections::{BTreeSet, HashMap};

/// Told who would delete a picture of a room as a file.
const IN_A_ROOM: &str =
    "This picture was sent to the room of a course. It goes with its line: delete that there.";

/// That a file is no picture of a room: those belong to their lines.
fn is_of_library() -> Expr {
    let of_room = Query::select()
        .expr(Expr::val(1))
        .from(chat_picture::Entity)
        .and_where(
            Expr::col((chat_picture::Entity, chat_picture::Column::UploadId))
                .equals((upload::Entity, upload::Column::Id)),
        )
        .to_owned();
    Expr::exists(of_room).not()
}

/// All files of this person, but for her pictures in rooms.
pub async fn list_entries(db: &impl ConnectionTrait, owner_id: i64) -> Result<Vec<Entry>> {
    let find = upload::Entity::find()
        .select_only()
        .columns([
            upload::Column::Id,
            upload::Column::Name,
            upload::Column::Kind,
            upload::Column::State,
            upload::Column::SizeBytes,
            upload::Column::DurationSeconds,
            upload::Column::CreatedAt,
        ])
        .filter(upload::Column::OwnerId.eq(owner_id))
        .filter(is_of_library());
    Ok(find.into_model::<Entry>().all(db).await?)
}

/// A content that shows a file, or will as soon as it is ready.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Use {
    /// The file it shows.
    pub upload_id: Option<i64>,
    /// The one that is to take its place.
    pub next_upload_id: Option<i64>,
    /// The content.
    pub content_id: i64,
    /// What it is called.
    pub title: String,
    /// Its module.
    pub module_id: i64,
    /// What that is called.
    pub module: String,
    /// Its course.
    pub course_id: i64,
    /// What that is called.
    pub course: String,
    /// Whose it is: a course may have been given to another teacher since.
    pub teacher_id: i64,
}

/// Where these files are used: by file, in the order of courses and of their modules and contents.
pub async fn list_uses(
    db: &impl ConnectionTrait,
    upload_ids: &[i64],
) -> Result<HashMap<i64, Vec<Use>>> {
    let mut by_file: HashMap<i64, Vec<Use>> = HashMap::new();
    if upload_ids.is_empty() {
        return Ok(by_file);
    }
    let of = |column: item::Column| column.is_in(upload_ids.iter().copied());
    let find = content::Entity::find()
        .select_only()
        .column_as(content::Column::Id, "content_id")
        .column(content::Column::ModuleId)
        .column(item::Column::UploadId)
        .column(item::Column::NextUploadId)
        .column(item::Column::Title)
        .column_as(module::Column::Title, "module")
        .column(module::Column::CourseId)
        .column_as(course::Column::Title, "course")
        .column_as(course::Column::OwnerId, "teacher_id")
        .join(JoinType::InnerJoin, content::Relation::Item.def())
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .join(JoinType::InnerJoin, module::Relation::Course.def())
        .filter(
            Condition::any()
                .add(of(item::Column::UploadId))
                .add(of(item::Column::NextUploadId)),
        )
        .order_by_asc(module::Column::CourseId)
        .order_by_asc(module::Column::Order)
        .order_by_asc(content::Column::Order)
        .order_by_asc(content::Column::Id);
    for found in find.into_model::<Use>().all(db).await? {
        let files = found.upload_id.into_iter().chain(found.next_upload_id);
        for id in files.filter(|id| upload_ids.contains(id)) {
            by_file.entry(id).or_default().push(found.clone());
        }
    }
    Ok(by_file)
}

/// Of these files, those that there are: hers.
///
/// # Errors
/// [`Error::NotFound`] when one of them is somebody else's, [`Error::Conflict`] when one is a picture in a room.
pub async fn list_own(
    db: &impl ConnectionTrait,
    owner_id: i64,
    upload_ids: &[i64],
) -> Result<Vec<upload::Model>> {
    let found: Vec<upload::Model> = upload::Entity::find()
        .filter(upload::Column::Id.is_in(upload_ids.iter().copied()))
        .order_by_asc(upload::Column::Id)
        .all(db)
        .await?;
    if found.iter().any(|file| file.owner_id != owner_id) {
        return Err(Error::NotFound);
    }
    let of_rooms = chat_picture::Entity::find()
        .filter(chat_picture::Column::UploadId.is_in(found.iter().map(|file| file.id)));
    if of_rooms.count(db).await? > 0 {
        return Err(Error::Conflict(IN_A_ROOM.into()));
    }
    Ok(found)
}

/// The contents that show these files and nothing else: they lose all they have. And those that only wait for one of
/// them, which keep what they show.
pub async fn list_contents(
    write: &Write,
    upload_ids: &[i64],
) -> Result<(Vec<content::Model>, Vec<item::Model>)> {
    let shows = item::Column::UploadId.is_in(upload_ids.iter().copied());
    let rows = content::Entity::find()
        .join(JoinType::InnerJoin, content::Relation::Item.def())
        .filter(shows)
        .order_by_asc(content::Column::Id)
        .all(&**write)
        .await?;
    let waiting = item::Entity::find()
        .filter(item::Column::NextUploadId.is_in(upload_ids.iter().copied()))
        .order_by_asc(item::Column::Id)
        .all(&**write)
        .await?;
    let keeps = |item: &item::Model| item.upload_id.is_none_or(|id| !upload_ids.contains(&id));
    Ok((rows, waiting.into_iter().filter(keeps).collect()))
}

/// Whether one of these contents stands in a course of somebody else.
pub async fn are_in_courses_of_others(
    db: &impl ConnectionTrait,
    owner_id: i64,
    content_ids: &BTreeSet<i64>,
) -> Result<bool> {
    let others = content::Entity::find()
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .join(JoinType::InnerJoin, module::Relation::Course.def())
        .filter(content::Column::Id.is_in(content_ids.iter().copied()))
        .filter(course::Column::OwnerId.ne(owner_id));
    Ok(others.count(db).await? > 0)
}

/// The courses of these modules, in the order of their numbers.
pub async fn list_courses(db: &impl ConnectionTrait, module_ids: &[i64]) -> Result<Vec<i64>> {
    let find = module::Entity::find()
        .select_only()
        .column(module::Column::CourseId)
        .distinct()
        .filter(module::Column::Id.is_in(module_ids.iter().copied()))
        .order_by_asc(module::Column::CourseId);
    Ok(find.into_tuple().all(db).await?)
}

/// A module that a file may be added to.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Goal {
    /// The module.
    pub id: i64,
    /// What it is called.
    pub title: String,
    /// Its course.
    pub course_id: i64,
    /// What that is called.
    pub course: String,
}

/// The modules of this person's own courses: by course, the one that changed last first, then in their order.
pub async fn list_goals(db: &impl ConnectionTrait, owner_id: i64) -> Result<Vec<Goal>> {
    let find = module::Entity::find()
        .select_only()
        .columns([
            module::Column::Id,
            module::Column::Title,
            module::Column::CourseId,
        ])
        .column_as(course::Column::Title, "course")
        .join(JoinType::InnerJoin, module::Relation::Course.def())
        .filter(course::Column::OwnerId.eq(owner_id))
        .order_by_desc(course::Column::UpdatedAt)
        .order_by_asc(module::Column::CourseId)
        .order_by_asc(module::Column::Order)
        .order_by_desc(module::Column::Id);
    Ok(find.into_model::<Goal>().all(db).await?)
}
