//! The log of changes. It is read and exported, and never edited.

use crate::admin::table::{Cell, Column, Filter, Filtered, List, Look, Row, Table, containing};
use crate::entities::audit_entry::{self, Change};
use crate::web::permissions::admin;
use sea_orm::{ColumnTrait, Condition, EntityTrait};
use std::sync::LazyLock;

/// `/admin/log/`
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    kind: "log",
    one: "line",
    many: "log lines",
    title: "Log",
    path: "/admin/log/",
    lead: "Who changed what, and what stood there before. Nobody can edit it.",
    searched: "Name of what was changed",
    view: admin::VIEW_LOG,
    columns: vec![
        Column::new("When").sorts("when"),
        Column::new("Who").sorts("who"),
        Column::new("What"),
        Column::new("Changes"),
        Column::new("From"),
    ],
    filters: vec![
        Filter {
            name: "kind",
            label: "Of",
            by: Filtered::By(&[
                ("user", "Users"),
                ("group", "Groups"),
                ("subject", "Subjects"),
                ("course", "Courses"),
                ("content", "Contents"),
                ("enrollment", "Enrollments"),
                ("upload", "Uploads"),
                ("room", "Rooms"),
                ("token", "Tokens"),
                ("job", "Jobs"),
                ("announcement", "Announcements"),
                ("request", "Requests to enroll"),
                ("invitation", "Invitations"),
                ("cache", "Caches"),
            ]),
        },
        Filter {
            name: "who",
            label: "Who",
            by: Filtered::Typed("User name"),
        },
        Filter {
            name: "via",
            label: "By way of",
            by: Filtered::By(&[
                ("admin", "Admin site"),
                ("page", "Other pages"),
                ("api", "API"),
                ("upload", "Resumable uploads"),
                ("terminal", "Terminal"),
            ]),
        },
        Filter {
            name: "object",
            label: "Number",
            by: Filtered::Typed("7"),
        },
    ],
    usual: "-when",
    list: Box::new(List::<audit_entry::Entity> {
        select: audit_entry::Entity::find,
        id: audit_entry::Column::Id,
        search: |word| Condition::all().add(containing(audit_entry::Column::ObjectName, word)),
        filter,
        sort: |name| match name {
            // Lines are written in the order of their numbers.
            "when" => Some(audit_entry::Column::Id.into_expr()),
            "who" => Some(audit_entry::Column::ActorName.into_expr()),
            _ => None,
        },
        dress: |look, rows| Box::pin(std::future::ready(Ok(dress(look, rows)))),
    }),
    csv: &[
        "id", "when", "who", "via", "address", "act", "kind", "object", "name", "changes",
    ],
    editing: None,
    actions: Vec::new(),
    facts: |_, _| Box::pin(std::future::ready(Ok(None))),
    ways: &[],
    heads: &[],
    none: "Whatever is changed here, by staff in the courses of others or through the API, or at the terminal, will stand here.",
});

fn filter(name: &str, value: &str) -> Option<Condition> {
    use audit_entry::Column;
    let condition = match name {
        "kind" => Column::ObjectKind.eq(value),
        "who" => Column::ActorName.eq(value),
        "via" => Column::Via.eq(value),
        "object" => Column::ObjectId.eq(value.parse::<i64>().ok()?),
        _ => return None,
    };
    Some(Condition::all().add(condition))
}

fn dress(look: &Look, rows: Vec<audit_entry::Model>) -> Vec<Row> {
    let rows = rows.into_iter().map(|row| {
        let changes: Vec<Change> = serde_json::from_str(&row.changes).unwrap_or_default();
        let from = match (row.via.as_str(), row.address.as_str()) {
            (via, "") => Cell::text(via),
            (via, address) => Cell::Two(address.to_owned(), via.to_owned()),
        };
        let what = what(&row);
        Row {
            id: row.id,
            name: row.id.to_string(),
            path: String::new(),
            csv: vec![
                row.id.to_string(),
                row.created_at.to_rfc3339(),
                row.actor_name.clone(),
                row.via.clone(),
                row.address.clone(),
                row.act.clone(),
                row.object_kind.clone(),
                row.object_id.to_string(),
                row.object_name.clone(),
                row.changes.clone(),
            ],
            cells: vec![
                Cell::time(Some(row.created_at), look),
                Cell::text(row.actor_name),
                Cell::Two(row.object_name, what),
                if changes.is_empty() {
                    Cell::Empty
                } else {
                    Cell::Changes(changes)
                },
                from,
            ],
        }
    });
    rows.collect()
}

/// What was done to what, as people say it. Not everything has a number.
fn what(row: &audit_entry::Model) -> String {
    let (act, kind) = (row.act.replace('-', " "), &row.object_kind);
    match row.object_id {
        0 => format!("{act} {kind}"),
        id => format!("{act} {kind} {id}"),
    }
}
