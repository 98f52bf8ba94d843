//! What a room consists of, as the log of changes tells it.

use crate::entities::{chat_room, course};
use crate::error::Result;
use crate::web::audit::{Facts, yes_no};
use sea_orm::{ConnectionTrait, EntityTrait as _};

/// The room of a course, which is open and not slowed as long as nothing was said or done in it; `None` when there is no
/// such course.
///
/// # Errors
/// When the database does not answer.
pub async fn room_facts(db: &impl ConnectionTrait, course_id: i64) -> Result<Option<Facts>> {
    let Some(course) = course::Entity::find_by_id(course_id).one(db).await? else {
        return Ok(None);
    };
    let room = chat_room::Entity::find_by_id(course_id).one(db).await?;
    let (is_locked, slow_seconds) =
        room.map_or((false, 0), |room| (room.is_locked, room.slow_seconds));
    Ok(Some(Facts {
        name: course.title,
        fields: vec![
            ("locked", yes_no(is_locked)),
            ("slow seconds", slow_seconds.to_string()),
        ],
    }))
}
