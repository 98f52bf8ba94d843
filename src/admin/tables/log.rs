//! The log of changes. It is read and exported, and never edited.

use crate::admin::table::{Cell, Column, Filter, Filtered, List, Look, Row, Table, containing};
use crate::entities::audit_entry::{self, Change};
use crate::web::permissions::admin;
use sea_orm::{ColumnTrait, Condition, EntityTrait};
use std::sync::LazyLock;

/// Characters of a value that is shown whole.
const SHORT: usize = 160;

/// Characters that are shown on both sides of what is different in a longer one.
const AROUND: usize = 40;

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
                    Cell::Changes(changes.into_iter().map(narrowed).collect())
                },
                from,
            ],
        }
    });
    rows.collect()
}

/// Of long values the part that is different, with a little around it. All that is kept stands in the export.
fn narrowed(change: Change) -> Change {
    let before: Vec<char> = change.before.chars().collect();
    let after: Vec<char> = change.after.chars().collect();
    let shortest = before.len().min(after.len());
    if before.len().max(after.len()) <= SHORT || shortest == 0 {
        return change;
    }
    let pairs = before.iter().zip(&after);
    let head = pairs.take_while(|(one, other)| one == other).count();
    let pairs = before.iter().rev().zip(after.iter().rev());
    let tail = pairs
        .take(shortest - head)
        .take_while(|(one, other)| one == other)
        .count();
    let (head, tail) = (head.saturating_sub(AROUND), tail.saturating_sub(AROUND));
    let part = |value: &[char]| {
        let middle = value.get(head..value.len() - tail).unwrap_or_default();
        let dots = |is_cut: bool| if is_cut { "…" } else { "" };
        let middle: String = middle.iter().collect();
        format!("{}{middle}{}", dots(head > 0), dots(tail > 0))
    };
    Change {
        before: part(&before),
        after: part(&after),
        field: change.field,
    }
}

/// What was done to what, as people say it. Not everything has a number.
fn what(row: &audit_entry::Model) -> String {
    let (act, kind) = (row.act.replace('-', " "), &row.object_kind);
    match row.object_id {
        0 => format!("{act} {kind}"),
        id => format!("{act} {kind} {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrow(before: &str, after: &str) -> (String, String) {
        let change = Change {
            field: "text".into(),
            before: before.into(),
            after: after.into(),
        };
        let narrowed = narrowed(change);
        (narrowed.before, narrowed.after)
    }

    #[test]
    fn long_values_are_shown_by_the_part_that_is_different_with_a_little_around_it() {
        let (head, tail) = ("a".repeat(300), "b".repeat(300));
        let (before, after) = narrow(&format!("{head}ö{tail}"), &format!("{head}two{tail}"));
        let around = ("a".repeat(AROUND), "b".repeat(AROUND));
        assert_eq!(before, format!("…{}ö{}…", around.0, around.1));
        assert_eq!(after, format!("…{}two{}…", around.0, around.1));
        // What is only longer, at its end or within, is told by where it grew.
        let (before, after) = narrow(&head, &format!("{head}{tail}"));
        assert_eq!(before, format!("…{}", around.0));
        assert_eq!(after, format!("…{}{tail}", around.0));
        let (before, after) = narrow(&head, &format!("{head}a"));
        assert!(before.chars().count() < after.chars().count());
        // Short values, and those that were nothing, stay whole.
        assert_eq!(narrow("one", "two"), ("one".into(), "two".into()));
        assert_eq!(narrow("", &head), (String::new(), head));
    }
}
