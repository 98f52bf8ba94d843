//! Which tags a change touches, for changes that several places make. All of it counts once the transaction is
//! committed.

use crate::db::{Tag, Write};
use crate::entities::{content, course, item, module};
use crate::error::Result;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait,
};

/// Uploads in one question; SQLite takes 32,766 values.
const AT_ONCE: usize = 500;

/// Something of a course changed: its own words, its modules, what they hold.
pub fn course(write: &Write, course_id: i64, owner_id: i64) {
    write.changes(Tag::course(course_id));
    write.changes(Tag::taught(owner_id));
    write.changes(Tag::catalogue());
}

/// Somebody came into a course, or left it.
pub fn students(write: &Write, course_id: i64, user_id: i64) {
    write.changes(Tag::students(course_id));
    write.changes(Tag::studies(user_id));
}

/// Somebody's name or rights changed.
pub async fn person(write: &Write, user_id: i64) -> Result<()> {
    write.changes(Tag::person(user_id));
    // Courses, and lists of them, name their teachers.
    let courses: Vec<i64> = course::Entity::find()
        .select_only()
        .column(course::Column::Id)
        .filter(course::Column::OwnerId.eq(user_id))
        .into_tuple()
        .all(&**write)
        .await?;
    for id in courses {
        course(write, id, user_id);
    }
    Ok(())
}

/// An item is no longer what it was, and so are the courses that show it, of which there may be several.
pub async fn item(write: &Write, item_id: i64) -> Result<()> {
    let is_shown = Condition::all().add(content::Column::ItemId.eq(item_id));
    for (id, owner_id) in courses_showing(write, is_shown).await? {
        course(write, id, owner_id);
    }
    Ok(())
}

/// The courses that show what is asked for, and whose they are.
async fn courses_showing(write: &Write, condition: Condition) -> Result<Vec<(i64, i64)>> {
    let courses = course::Entity::find()
        .select_only()
        .column(course::Column::Id)
        .column(course::Column::OwnerId)
        .distinct()
        .join(JoinType::InnerJoin, module::Relation::Course.def().rev())
        .join(JoinType::InnerJoin, content::Relation::Module.def().rev())
        .join(JoinType::InnerJoin, content::Relation::Item.def())
        .filter(condition)
        .into_tuple();
    Ok(courses.all(&**write).await?)
}

/// These uploads are no longer what they were, and so are the courses that show them.
pub async fn uploads(write: &Write, upload_ids: &[i64]) -> Result<()> {
    for ids in upload_ids.chunks(AT_ONCE) {
        for id in ids {
            write.changes(Tag::upload(*id));
        }
        let is_theirs = Condition::any()
            .add(item::Column::UploadId.is_in(ids.iter().copied()))
            .add(item::Column::NextUploadId.is_in(ids.iter().copied()));
        for (id, owner_id) in courses_showing(write, is_theirs).await? {
            course(write, id, owner_id);
        }
    }
    Ok(())
}
