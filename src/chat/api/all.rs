//! `/api/rooms/all/`: the rooms of all courses, as the admin site lists them; and closing one, for who runs the rooms.

use crate::app::App;
use crate::chat::facts::room_facts;
use crate::chat::moderation::set_locked;
use crate::chat::store;
use crate::entities::{chat_room, course};
use crate::error::Result;
use crate::runs;
use crate::web::audit::{Done, record};
use crate::web::rest::{
    Answer, Call, Cell, Declared, Field, Kind, Listing, Operation, PARAMETERS, Parameter, Resource,
    declared, orders_of,
};
use axum::http::Method;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use std::collections::HashMap;

/// A room with what its course is called.
struct AnyRoom {
    row: chat_room::Model,
    title: String,
}

const ANY_ROOM: [Field<AnyRoom>; 6] = [
    Field::new(
        "id",
        Kind::Integer,
        "Its number, which is that of its course.",
        |room| Cell::Integer(room.row.course_id),
    ),
    Field::new(
        "title",
        Kind::ShortText(200),
        "What its course is called.",
        |room| Cell::text(&room.title),
    ),
    Field::new(
        "last_line",
        Kind::Integer,
        "The number of its newest line; 0 without any.",
        |room| Cell::Integer(room.row.last_line),
    ),
    Field::<AnyRoom>::new("last_said", Kind::Time, "When that was said.", |room| {
        room.row.said_at.map_or(Cell::Null, Cell::Time)
    })
    .or_null(),
    Field::new(
        "is_locked",
        Kind::Boolean,
        "Whether only moderators write.",
        |room| Cell::Boolean(room.row.is_locked),
    ),
    Field::new(
        "slow_seconds",
        Kind::Integer,
        "How long everybody waits between two lines; 0: not at all.",
        |room| Cell::Integer(room.row.slow_seconds),
    ),
];

const ORDERS: [(&str, chat_room::Column); 2] = [
    ("last_line", chat_room::Column::LastLine),
    ("id", chat_room::Column::CourseId),
];

/// Adds the list of all rooms to the rooms.
pub fn with_all(rooms: Resource) -> Resource {
    let fields: Vec<Declared> = declared(&ANY_ROOM);
    rooms.action_on_all(
        "all",
        "All rooms",
        "The rooms of all courses in which something was said or done, for those who run them.",
        Operation::new(
            Method::GET,
            "Lists them, that of the newest course first.",
            list,
        )
        .only(runs!(VIEW_ROOM))
        .list()
        .looks_at(&PARAMETERS)
        .looks_at(&[
            Parameter::ordering(&ORDERS),
            Parameter::flag("locked", "true: those that are locked; false: the others."),
        ])
        .answers(fields),
    )
}

async fn list(call: Call) -> Result<Answer> {
    use chat_room::Column;
    let orders = orders_of(&call, &ORDERS, &[], Column::CourseId)?;
    let mut select = chat_room::Entity::find();
    if let Some(is_locked) = call.flag("locked")? {
        select = select.filter(Column::IsLocked.eq(is_locked));
    }
    let listing = Listing {
        select,
        orders,
        fields: &ANY_ROOM,
        dress: |app, rows| Box::pin(dress(app, rows)),
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

/// These rooms with the titles of their courses, in the same order; one query.
async fn dress(app: App, rows: Vec<chat_room::Model>) -> Result<Vec<AnyRoom>> {
    let titles: Vec<(i64, String)> = course::Entity::find()
        .select_only()
        .columns([course::Column::Id, course::Column::Title])
        .filter(course::Column::Id.is_in(rows.iter().map(|row| row.course_id)))
        .into_tuple()
        .all(app.db.read())
        .await?;
    let mut titles: HashMap<i64, String> = titles.into_iter().collect();
    let rows = rows.into_iter().map(|row| AnyRoom {
        title: titles.remove(&row.course_id).unwrap_or_default(),
        row,
    });
    Ok(rows.collect())
}

/// Closes the room or opens it again, for whoever may by the rule of the operation. Somebody other than its teacher is told
/// of in the log of changes.
pub async fn lock(call: &Call, course: &course::Model, is_locked: bool) -> Result<()> {
    let person = call.person()?;
    let mut write = call.app.write().await?;
    // Held, so that the log tells what this call has changed and nothing else.
    store::lock(&write, course.id).await?;
    let before = room_facts(&*write, course.id).await?;
    let who = (course.id, person.id);
    if !set_locked(&mut write, who, is_locked, call.app.clock.now()).await? {
        return write.rollback().await;
    }
    if course.owner_id != person.id {
        let after = room_facts(&*write, course.id).await?;
        let done = Done {
            act: if is_locked { "lock" } else { "unlock" },
            kind: "room",
            id: course.id,
            before: before.as_ref(),
            after: after.as_ref(),
        };
        record(&write, &call.by()?, done).await?;
    }
    write.commit().await
}
