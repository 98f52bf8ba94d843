//! Keys by which programs act for people. They can be revoked; what opens something is nowhere shown, since it is nowhere
//! stored.

use super::who;
use crate::accounts;
use crate::admin::table::{
    Action, Cell, Column, Doing, Filter, Filtered, List, Look, Row, Table, containing,
};
use crate::db::Write;
use crate::entities::{token, user};
use crate::error::{Error, Result};
use crate::web::audit::Facts;
use crate::web::permissions::admin;
use futures::future::BoxFuture;
use sea_orm::{ColumnTrait, Condition, EntityTrait, JoinType, QuerySelect, RelationTrait};
use std::sync::LazyLock;

/// `/admin/tokens/`
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    kind: "token",
    one: "token",
    many: "tokens",
    title: "Tokens",
    path: "/admin/tokens/",
    lead: "Keys by which programs act for people. Each makes its own in the settings.",
    searched: "Name or owner",
    view: admin::VIEW_TOKEN,
    columns: vec![
        Column::new("Name").sorts("name"),
        Column::new("Owner").sorts("owner"),
        Column::new("For"),
        Column::new("Made").sorts("made"),
        Column::new("Last used").sorts("used"),
        Column::new("Ends"),
    ],
    filters: vec![Filter {
        name: "user",
        label: "Owner",
        by: Filtered::Typed("User name or number"),
    }],
    usual: "-made",
    list: Box::new(List::<token::Entity> {
        select: || token::Entity::find().join(JoinType::InnerJoin, token::Relation::User.def()),
        id: token::Column::Id,
        search: |word| {
            Condition::any()
                .add(containing(token::Column::Name, word))
                .add(containing(user::Column::Username, word))
        },
        filter: |name, value| {
            (name == "user").then(|| who::of_person(token::Column::UserId, value))
        },
        sort: |name| match name {
            "name" => Some(token::Column::Name.into_expr()),
            "owner" => Some(user::Column::Username.into_expr()),
            "made" => Some(token::Column::CreatedAt.into_expr()),
            "used" => Some(token::Column::LastUsedAt.into_expr()),
            _ => None,
        },
        dress: |look, rows| Box::pin(dress(look, rows)),
    }),
    csv: &[],
    editing: None,
    actions: vec![Action {
        name: "revoke",
        label: "Revoke",
        icon: "trash-2",
        permission: admin::DELETE_TOKEN,
        is_danger: true,
        is_for_many: true,
        words: "Programs that use it are shut out at once. This cannot be undone; its owner can make another.",
        entries: Vec::new,
        prepare: None,
        act: |doing, id| Box::pin(revoke(doing, id)),
    }],
    facts: |write, id| facts(write, id),
    ways: &[],
    heads: &[],
    none: "Nobody has made one yet.",
});

async fn dress(look: &Look, rows: Vec<token::Model>) -> Result<Vec<Row>> {
    let owners = rows.iter().map(|row| row.user_id);
    let owners = who::usernames(look.app.db.read(), owners).await?;
    let rows = rows.into_iter().map(|row| {
        let owner = owners.get(&row.user_id).cloned().unwrap_or_default();
        let scopes = row.scopes.unwrap_or_else(|| "everything".into());
        Row {
            id: row.id,
            name: format!("{} of {owner}", row.name),
            path: String::new(),
            cells: vec![
                Cell::text(row.name),
                Cell::link(
                    look,
                    admin::VIEW_USER,
                    owner,
                    format!("/admin/users/{}/", row.user_id),
                ),
                Cell::Names(scopes.split_whitespace().map(str::to_owned).collect()),
                Cell::time(Some(row.created_at), look),
                Cell::time(row.last_used_at, look),
                Cell::day(row.expires_at, look),
            ],
            csv: Vec::new(),
        }
    });
    Ok(rows.collect())
}

async fn revoke(doing: Doing<'_>, id: i64) -> Result<()> {
    let row = token::Entity::find_by_id(id).one(&**doing.write).await?;
    let row = row.ok_or(Error::NotFound)?;
    accounts::hold_touchable(doing.write, doing.person, row.user_id).await?;
    accounts::revoke_token(doing.write, row.user_id, id).await
}

fn facts(write: &Write, id: i64) -> BoxFuture<'_, Result<Option<Facts>>> {
    Box::pin(async move { accounts::token_facts(&**write, id).await })
}
