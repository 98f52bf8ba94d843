//! Pictures of rooms as files: who may see them, and when they go.
//!
//! Which line shows which is for `chat`; here is only what makes a file one of a room, and ends it. Such a file is in no
//! library, and nothing else shows it. Whoever deletes the row of `chat_pictures` discards the file.

use super::replacing::DiscardUpload;
use super::{discard, store};
use crate::app::App;
use crate::db::Write;
use crate::entities::{chat_picture, course, upload};
use crate::error::Result;
use crate::web::changes;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, JoinType, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, RelationTrait as _,
};

/// A picture that no line took is kept so long.
const KEEP: TimeDelta = TimeDelta::days(1);

/// Those that are swept in one go.
const SWEPT: u64 = 1_000;

/// Whether a file was sent to a room.
pub async fn is_of_room(db: &impl ConnectionTrait, upload_id: i64) -> Result<bool> {
    let find = chat_picture::Entity::find_by_id(upload_id);
    Ok(find.count(db).await? > 0)
}

/// The rooms in which a line shows this file and that are open to this person: of courses that she owns or studies.
pub fn rooms_that_show(user_id: i64, upload_id: i64) -> SelectStatement {
    use chat_picture::Column;
    let of = |column: Column| Expr::col((chat_picture::Entity, column));
    Query::select()
        .expr(Expr::val(1))
        .from(chat_picture::Entity)
        .inner_join(
            course::Entity,
            Expr::col((course::Entity, course::Column::Id))
                .equals((chat_picture::Entity, Column::CourseId)),
        )
        .and_where(of(Column::UploadId).eq(upload_id))
        .and_where(of(Column::LineId).is_not_null())
        .cond_where(
            Condition::any()
                .add(Expr::col((course::Entity, course::Column::OwnerId)).eq(user_id))
                .add(store::studies(user_id)),
        )
        .to_owned()
}

/// The pictures of a room, by number.
async fn list(write: &Write, course_id: i64) -> Result<Vec<i64>> {
    let ids = chat_picture::Entity::find()
        .select_only()
        .column(chat_picture::Column::UploadId)
        .filter(chat_picture::Column::CourseId.eq(course_id))
        .order_by_asc(chat_picture::Column::UploadId)
        .into_tuple();
    Ok(ids.all(&**write).await?)
}

/// Discards the pictures of the room of a course that is about to be deleted: nobody else sees them from the commit on.
/// Each goes by a job of its own, for a room may have thousands.
pub async fn discard_of_course(app: &App, write: &mut Write, course_id: i64) -> Result<()> {
    // Whoever sends one just now has come before, and is found, or comes too late.
    let course = course::Entity::find_by_id(course_id).lock_exclusive();
    course.one(&**write).await?;
    let ids = list(write, course_id).await?;
    if ids.is_empty() {
        return Ok(());
    }
    chat_picture::Entity::delete_many()
        .filter(chat_picture::Column::CourseId.eq(course_id))
        .exec(&**write)
        .await?;
    changes::uploads(write, &ids).await?;
    for upload_id in ids {
        crate::jobs::enqueue(app, write, &DiscardUpload { upload_id }).await?;
    }
    Ok(())
}

/// Says that the pictures of a room may be closed to some who could have them.
pub async fn close_of_course(write: &Write, course_id: i64) -> Result<()> {
    let ids = list(write, course_id).await?;
    changes::uploads(write, &ids).await
}

/// Takes a picture out of the line that shows it, if one does. Who does so discards the file.
pub async fn take_out(write: &Write, upload_id: i64) -> Result<()> {
    chat_picture::Entity::delete_by_id(upload_id)
        .exec(&**write)
        .await?;
    Ok(())
}

/// Discards a picture unless a line shows it; answers whether it did.
pub async fn discard_unsaid(app: &App, write: &mut Write, upload_id: i64) -> Result<bool> {
    // Of a line that takes it and this, who comes second finds what the first has done.
    let deleted = chat_picture::Entity::delete_many()
        .filter(chat_picture::Column::UploadId.eq(upload_id))
        .filter(chat_picture::Column::LineId.is_null())
        .exec(&**write)
        .await?;
    if deleted.rows_affected == 0 {
        return Ok(false);
    }
    discard(app, write, upload_id).await?;
    Ok(true)
}

/// Discards pictures that no line took within a day; answers how many.
pub async fn sweep(app: &App) -> Result<usize> {
    let mut swept = 0;
    for upload_id in list_unsaid(app, app.clock.now() - KEEP).await? {
        let mut write = app.write().await?;
        if discard_unsaid(app, &mut write, upload_id).await? {
            write.commit().await?;
            swept += 1;
        }
    }
    Ok(swept)
}

async fn list_unsaid(app: &App, sent_before: DateTime<Utc>) -> Result<Vec<i64>> {
    let ids = chat_picture::Entity::find()
        .select_only()
        .column(chat_picture::Column::UploadId)
        .join(JoinType::InnerJoin, chat_picture::Relation::Upload.def())
        .filter(chat_picture::Column::LineId.is_null())
        .filter(upload::Column::CreatedAt.lt(sent_before))
        .order_by_asc(chat_picture::Column::UploadId)
        .limit(SWEPT)
        .into_tuple();
    Ok(ids.all(app.db.read()).await?)
}
