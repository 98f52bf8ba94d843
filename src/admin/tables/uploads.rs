//! Everybody's uploads.

use super::who;
use crate::admin::table::{
    Action, Cell, Column, Doing, Filter, Filtered, List, Look, Row, Table, containing,
};
use crate::db::Write;
use crate::entities::upload::{UploadKind, UploadState};
use crate::entities::{upload, user};
use crate::error::Result;
use crate::library;
use crate::web::audit::Facts;
use crate::web::permissions::admin;
use crate::web::text;
use futures::future::BoxFuture;
use sea_orm::{
    ActiveEnum as _, ColumnTrait, Condition, EntityTrait, JoinType, QuerySelect, RelationTrait,
};
use std::sync::LazyLock;

/// `/admin/uploads/`
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    kind: "upload",
    one: "upload",
    many: "uploads",
    title: "Uploads",
    path: "/admin/uploads/",
    lead: "Every file that somebody has sent, and how far it is.",
    searched: "File name",
    view: admin::VIEW_UPLOAD,
    columns: vec![
        Column::new("Name").sorts("name"),
        Column::new("Kind"),
        Column::new("Owner").sorts("owner"),
        Column::new("State"),
        Column::new("Size").sorts("size").number(),
        Column::new("Sent").sorts("sent"),
    ],
    filters: vec![
        Filter {
            name: "kind",
            label: "Kind",
            by: Filtered::By(&[
                ("video", "Video"),
                ("audio", "Audio"),
                ("image", "Image"),
                ("file", "File"),
            ]),
        },
        Filter {
            name: "state",
            label: "State",
            by: Filtered::By(&[
                ("waiting", "In line"),
                ("processing", "Processing"),
                ("ready", "Ready"),
                ("failed", "Failed"),
                ("canceled", "Canceled"),
            ]),
        },
        Filter {
            name: "owner",
            label: "Owner",
            by: Filtered::Typed("User name"),
        },
    ],
    usual: "-sent",
    list: Box::new(list()),
    csv: &[
        "id", "name", "kind", "owner", "state", "bytes", "sent", "fault",
    ],
    editing: None,
    actions: vec![Action {
        name: "delete",
        label: "Delete",
        icon: "trash-2",
        permission: admin::DELETE_UPLOAD,
        is_danger: true,
        is_for_many: true,
        words: "Lessons that show one of them lose it too. This cannot be undone.",
        entries: Vec::new,
        prepare: None,
        act: |doing, id| Box::pin(delete(doing, id)),
    }],
    facts: |write, id| facts(write, id),
    ways: &[],
    heads: &[],
    none: "Nobody has sent a file yet.",
});

fn list() -> List<upload::Entity> {
    List {
        select: || upload::Entity::find().join(JoinType::InnerJoin, upload::Relation::Owner.def()),
        id: upload::Column::Id,
        search: |word| Condition::all().add(containing(upload::Column::Name, word)),
        filter: |name, value| match name {
            "kind" => {
                let kind = UploadKind::try_from_value(&value.to_owned()).ok()?;
                Some(Condition::all().add(upload::Column::Kind.eq(kind)))
            }
            "state" => {
                let state = UploadState::try_from_value(&value.to_owned()).ok()?;
                Some(Condition::all().add(upload::Column::State.eq(state)))
            }
            "owner" => Some(who::of_user(upload::Column::OwnerId, value)),
            _ => None,
        },
        sort: |name| match name {
            "name" => Some(upload::Column::Name.into_expr()),
            "owner" => Some(user::Column::Username.into_expr()),
            "size" => Some(upload::Column::SizeBytes.into_expr()),
            "sent" => Some(upload::Column::CreatedAt.into_expr()),
            _ => None,
        },
        dress: |look, rows| Box::pin(dress(look, rows)),
    }
}

/// How far a file is.
pub fn state(row: &upload::Model) -> Cell {
    let (tone, icon, words) = match row.state {
        UploadState::Waiting => ("", "hourglass", "In line"),
        UploadState::Processing => ("", "loader-circle", "Processing"),
        UploadState::Ready => ("ok", "check", "Ready"),
        UploadState::Failed => ("fault", "circle-alert", "Failed"),
        UploadState::Canceled => ("warn", "circle-stop", "Canceled"),
    };
    Cell::State(tone, icon, words.into())
}

async fn dress(look: &Look, rows: Vec<upload::Model>) -> Result<Vec<Row>> {
    let owners = rows.iter().map(|row| row.owner_id);
    let owners = who::usernames(look.app.db.read(), owners).await?;
    let rows = rows.into_iter().map(|row| {
        let owner = owners.get(&row.owner_id).cloned().unwrap_or_default();
        let name = match &row.fault {
            Some(fault) => Cell::Two(row.name.clone(), fault.clone()),
            None => Cell::text(&row.name),
        };
        Row {
            id: row.id,
            path: String::new(),
            cells: vec![
                name,
                Cell::text(row.kind.to_value()),
                Cell::text(&owner),
                state(&row),
                Cell::text(text::size(row.size_bytes)),
                Cell::time(Some(row.created_at), look),
            ],
            csv: vec![
                row.id.to_string(),
                row.name.clone(),
                row.kind.to_value(),
                owner,
                row.state.to_value(),
                row.size_bytes.to_string(),
                row.created_at.to_rfc3339(),
                row.fault.unwrap_or_default(),
            ],
            name: row.name,
        }
    });
    Ok(rows.collect())
}

async fn delete(doing: Doing<'_>, id: i64) -> Result<()> {
    library::delete_upload(doing.app, doing.write, doing.by, id).await
}

fn facts(write: &Write, id: i64) -> BoxFuture<'_, Result<Option<Facts>>> {
    Box::pin(async move { library::upload_facts(&**write, id).await })
}
