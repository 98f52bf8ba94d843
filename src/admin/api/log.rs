//! `/api/log/`: who changed what, and what stood there before. It is read, and never written to.

use crate::entities::audit_entry::{self, Change};
use crate::error::{Error, Result};
use crate::runs;
use crate::web::rest::{
    Answer, Call, Cell, Declared, FIELDS, Field, Kind, Listing, Object, Operation, PARAMETERS,
    Parameter, Resource, Takes, containing, declared, orders_of,
};
use axum::http::Method;
use futures::future::BoxFuture;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

/// By which ways things are changed.
const WAYS: [&str; 5] = ["admin", "page", "api", "upload", "terminal"];

/// A line with its changes.
struct LogRow {
    row: audit_entry::Model,
    changes: Vec<Change>,
}

impl LogRow {
    fn of(row: audit_entry::Model) -> Self {
        let changes = serde_json::from_str(&row.changes).unwrap_or_default();
        Self { row, changes }
    }
}

impl Object for audit_entry::Model {
    fn owner_id(&self) -> Option<i64> {
        None
    }
}

const CHANGE: [Field<Change>; 3] = [
    Field::new("field", Kind::Text, "What was changed.", |change| {
        Cell::text(&change.field)
    }),
    Field::new("before", Kind::Text, "What stood there.", |change| {
        Cell::text(&change.before)
    }),
    Field::new("after", Kind::Text, "What stands there.", |change| {
        Cell::text(&change.after)
    }),
];

const LINE: [Field<LogRow>; 11] = [
    Field::new("id", Kind::Integer, "Its number; it grows.", |line| {
        Cell::Integer(line.row.id)
    }),
    Field::new("created", Kind::Time, "When.", |line| {
        Cell::Time(line.row.created_at)
    }),
    Field::<LogRow>::new(
        "actor",
        Kind::Integer,
        "The number of who did it; null at the terminal.",
        |line| line.row.actor_id.map_or(Cell::Null, Cell::Integer),
    )
    .or_null(),
    Field::new("who", Kind::ShortText(150), "Her user name then.", |line| {
        Cell::text(&line.row.actor_name)
    }),
    Field::new("via", Kind::Choice(&WAYS), "By which way.", |line| {
        Cell::text(&line.row.via)
    }),
    Field::new(
        "address",
        Kind::Text,
        "From where; empty for the terminal, and for files that came in parts.",
        |line| Cell::text(&line.row.address),
    ),
    Field::new(
        "act",
        Kind::Text,
        "What was done: add, change, delete, or the name of an act.",
        |line| Cell::text(&line.row.act),
    ),
    Field::new(
        "kind",
        Kind::Text,
        "What sort of thing it was done to, such as user.",
        |line| Cell::text(&line.row.object_kind),
    ),
    Field::new("object", Kind::Integer, "Its number.", |line| {
        Cell::Integer(line.row.object_id)
    }),
    Field::new("name", Kind::Text, "What it was called then.", |line| {
        Cell::text(&line.row.object_name)
    }),
    Field::new(
        "changes",
        Kind::List(|| declared(&CHANGE)),
        "Field by field what stood there before and after.",
        |line| Cell::list(&CHANGE, &line.changes),
    ),
];

const ORDERS: [(&str, audit_entry::Column); 2] = [
    ("id", audit_entry::Column::Id),
    ("who", audit_entry::Column::ActorName),
];

/// `/api/log/`
pub fn log() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&LINE);
    Resource::new(
        "log",
        "Log",
        "Who changed what on behalf of the site, and what stood there before. Nobody edits it.",
    )
    .all(
        Operation::new(Method::GET, "Lists what was changed, newest first.", list)
            .only(runs!(VIEW_LOG))
            .list()
            .looks_at(&PARAMETERS)
            .looks_at(&[
                Parameter::ordering(&ORDERS),
                Parameter::id("object", "The number of what was changed."),
                Parameter::new("via", "By which way.", Takes::OneOf(&WAYS)),
            ])
            .looks_at(&[
                ("kind", "What sort of thing, such as user."),
                ("who", "The user name of who did it."),
                ("search", "A part of what the thing was called."),
            ])
            .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One line.", show)
            .only(runs!(VIEW_LOG))
            .about(find)
            .looks_at(&[FIELDS])
            .answers(fields()),
    )
}

async fn list(call: Call) -> Result<Answer> {
    use audit_entry::Column;
    let orders = orders_of(&call, &ORDERS, &[], Column::Id)?;
    let mut select = audit_entry::Entity::find();
    if let Some(id) = call.number("object")? {
        select = select.filter(Column::ObjectId.eq(id));
    }
    if let Some(via) = call.parameter("via") {
        if !WAYS.contains(&via) {
            return Err(Error::invalid(
                "via",
                format!("There are {}.", WAYS.join(", ")),
            ));
        }
        select = select.filter(Column::Via.eq(via));
    }
    if let Some(kind) = call.parameter("kind") {
        select = select.filter(Column::ObjectKind.eq(kind));
    }
    if let Some(who) = call.parameter("who") {
        select = select.filter(Column::ActorName.eq(who));
    }
    if let Some(part) = call.parameter("search") {
        select = select.filter(containing(Column::ObjectName, part));
    }
    let listing = Listing {
        select,
        orders,
        fields: &LINE,
        dress: |_, rows| {
            let rows = rows.into_iter().map(LogRow::of).collect();
            Box::pin(std::future::ready(Ok(rows)))
        },
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

fn find(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let found = audit_entry::Entity::find_by_id(call.id);
        let found = found.one(call.app.db.read()).await?;
        let object: Box<dyn Object> = Box::new(found.ok_or(Error::NotFound)?);
        Ok(object)
    })
}

async fn show(call: Call) -> Result<Answer> {
    let row = call.object::<audit_entry::Model>()?.clone();
    call.one(&LINE, &LogRow::of(row))
}
