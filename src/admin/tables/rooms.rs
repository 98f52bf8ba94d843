//! The rooms of courses: how lively each is, and closing one.

use super::who;
use crate::admin::table::{
    Action, Cell, Column, Doing, Filter, Filtered, List, Look, Row, Table, containing,
};
use crate::chat;
use crate::entities::{chat_room, course};
use crate::error::{Error, Result};
use crate::web::permissions::admin;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait,
};
use std::collections::HashMap;
use std::sync::LazyLock;

/// `/admin/rooms/`
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    kind: "room",
    one: "room",
    many: "rooms",
    title: "Rooms",
    path: "/admin/rooms/",
    lead: "The rooms in which something was said.",
    searched: "Course",
    view: admin::VIEW_ROOM,
    columns: vec![
        Column::new("Course").sorts("course"),
        Column::new("Lines").sorts("lines").number(),
        Column::new("Last said").sorts("said"),
        Column::new("State"),
        Column::new("Slowed to"),
    ],
    filters: vec![Filter {
        name: "locked",
        label: "State",
        by: Filtered::By(&[("no", "Open"), ("yes", "Locked")]),
    }],
    usual: "-said",
    list: Box::new(List::<chat_room::Entity> {
        select: || {
            chat_room::Entity::find().join(JoinType::InnerJoin, chat_room::Relation::Course.def())
        },
        id: chat_room::Column::CourseId,
        search: |word| Condition::all().add(containing(course::Column::Title, word)),
        filter: |name, value| match name {
            "locked" => who::yes_or_no(chat_room::Column::IsLocked, value),
            _ => None,
        },
        sort: |name| match name {
            "course" => Some(course::Column::Title.into_expr()),
            "lines" => Some(chat_room::Column::LastLine.into_expr()),
            "said" => Some(chat_room::Column::SaidAt.into_expr()),
            _ => None,
        },
        dress: |look, rows| Box::pin(dress(look, rows)),
    }),
    csv: &[],
    editing: None,
    actions: actions(),
    facts: |write, id| Box::pin(chat::room_facts(&**write, id)),
    ways: &[],
    heads: &[],
    none: "A room is listed once somebody has said something in it.",
});

fn actions() -> Vec<Action> {
    let lock = Action {
        name: "lock",
        label: "Lock",
        icon: "lock",
        permission: admin::CHANGE_ROOM,
        is_danger: false,
        is_for_many: true,
        words: "Only its teacher and the staff can write in it; everybody in it can go on reading.",
        entries: Vec::new,
        prepare: None,
        act: |doing, id| Box::pin(set_locked(doing, id, true)),
    };
    vec![
        lock,
        Action {
            name: "unlock",
            label: "Unlock",
            icon: "message-circle",
            words: "Everybody in it can write again.",
            act: |doing, id| Box::pin(set_locked(doing, id, false)),
            ..lock
        },
    ]
}

async fn dress(look: &Look, rows: Vec<chat_room::Model>) -> Result<Vec<Row>> {
    let titles: Vec<(i64, String)> = course::Entity::find()
        .select_only()
        .columns([course::Column::Id, course::Column::Title])
        .filter(course::Column::Id.is_in(rows.iter().map(|row| row.course_id)))
        .into_tuple()
        .all(look.app.db.read())
        .await?;
    let mut titles: HashMap<i64, String> = titles.into_iter().collect();
    let rows = rows.into_iter().map(|row| {
        let title = titles.remove(&row.course_id).unwrap_or_default();
        let state = if row.is_locked {
            Cell::State("warn", "lock", "Locked".into())
        } else {
            Cell::State("ok", "check", "Open".into())
        };
        let slow = match row.slow_seconds {
            0 => Cell::Empty,
            seconds => Cell::Text(format!("a line in {seconds} s")),
        };
        Row {
            id: row.course_id,
            path: look.path_for(admin::STAFF, format!("/chat/room/{}/", row.course_id)),
            cells: vec![
                Cell::text(&title),
                Cell::number(row.last_line),
                Cell::time(row.said_at, look),
                state,
                slow,
            ],
            name: title,
            csv: Vec::new(),
        }
    });
    Ok(rows.collect())
}

async fn set_locked(doing: Doing<'_>, id: i64, is_locked: bool) -> Result<()> {
    let found = course::Entity::find_by_id(id).one(&**doing.write).await?;
    found.ok_or(Error::NotFound)?;
    let now = doing.app.clock.now();
    chat::set_locked(doing.write, (id, doing.person.id), is_locked, now).await?;
    Ok(())
}
