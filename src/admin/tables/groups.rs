//! Groups, and what their members may do. For staff alone.

use crate::accounts::{self, INSTRUCTORS};
use crate::admin::table::{
    Action, Cell, Choices, Column, Control, Doing, Editing, Entry, List, Look, Row, Table,
    containing,
};
use crate::db::Write;
use crate::entities::{group, group_permission, user_group};
use crate::error::{Error, Problems, Result};
use crate::web::audit::Facts;
use crate::web::form::Form;
use crate::web::identity::Person;
use crate::web::permissions::{self, admin};
use futures::future::BoxFuture;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Characters of a name.
const LONGEST_NAME: usize = 150;

const KEPT: &str = "The site knows its teachers by this group: it keeps its name, and is not deleted. Change its permissions or its members instead.";

/// `/admin/groups/`
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    kind: "group",
    one: "group",
    many: "groups",
    title: "Groups",
    path: "/admin/groups/",
    lead: "Sets of people who may do something together. Who is in them is set at each user.",
    searched: "Name",
    view: admin::STAFF,
    columns: vec![
        Column::new("Name").sorts("name"),
        Column::new("Permissions").number(),
        Column::new("Members").number(),
    ],
    filters: vec![],
    usual: "name",
    list: Box::new(List::<group::Entity> {
        select: group::Entity::find,
        id: group::Column::Id,
        search: |word| Condition::all().add(containing(group::Column::Name, word)),
        filter: |_, _| None,
        sort: |name| (name == "name").then(|| group::Column::Name.into_expr()),
        dress: |look, rows| Box::pin(dress(look, rows)),
    }),
    csv: &[],
    editing: Some(Editing {
        entries: |_, _| Box::pin(std::future::ready(Ok(entries()))),
        values: |look, id| Box::pin(values(look, id)),
        prepare: None,
        hold: Some(|write, person, id| Box::pin(hold(write, person, id))),
        save: |doing, id| Box::pin(save(doing, id)),
        add: Some(admin::STAFF),
        change: admin::STAFF,
        closed: None,
    }),
    actions: vec![Action {
        name: "delete",
        label: "Delete",
        icon: "trash-2",
        permission: admin::STAFF,
        is_danger: true,
        is_for_many: true,
        words: "Its members lose what it let them do; their accounts stay. This cannot be undone.",
        entries: Vec::new,
        prepare: None,
        act: |doing, id| Box::pin(delete(doing, id)),
    }],
    facts: |write, id| facts(write, id),
    ways: &[(
        "Its members",
        "users",
        "/admin/users/?group={id}",
        admin::VIEW_USER,
    )],
    heads: &[],
    none: "Add one to let several people do the same.",
});

/// A permission in words: `Teaching: change courses`.
pub fn words_of(permission: &str) -> String {
    let (place, what) = permission.split_once('.').unwrap_or(("", permission));
    let place = match place {
        "courses" => "Teaching",
        "admin" => "Admin site",
        other => other,
    };
    let (verb, noun) = what.split_once('_').unwrap_or((what, ""));
    let noun = match noun {
        "log" => "the log".to_owned(),
        noun => format!("{noun}s"),
    };
    format!("{place}: {verb} {noun}")
}

fn choices() -> Choices {
    let all = permissions::ALL.iter().chain(admin::ALL.iter());
    all.map(|name| ((*name).to_owned(), words_of(name)))
        .collect()
}

fn entries() -> Vec<Entry> {
    vec![
        Entry::new("name", "Name", Control::Line(150)),
        Entry::new("permissions", "Its members may", Control::Any(choices())).hint(
            "Teaching: their own courses. Admin site: a part of it, for everybody's. Staff may everything without a group.",
        ),
    ]
}

async fn dress(look: &Look, rows: Vec<group::Model>) -> Result<Vec<Row>> {
    let db = look.app.db.read();
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let held: Vec<(i64, i64)> = group_permission::Entity::find()
        .select_only()
        .column(group_permission::Column::GroupId)
        .column_as(group_permission::Column::Permission.count(), "number")
        .filter(group_permission::Column::GroupId.is_in(ids.clone()))
        .group_by(group_permission::Column::GroupId)
        .into_tuple()
        .all(db)
        .await?;
    let members: Vec<(i64, i64)> = user_group::Entity::find()
        .select_only()
        .column(user_group::Column::GroupId)
        .column_as(user_group::Column::UserId.count(), "number")
        .filter(user_group::Column::GroupId.is_in(ids))
        .group_by(user_group::Column::GroupId)
        .into_tuple()
        .all(db)
        .await?;
    let held: HashMap<i64, i64> = held.into_iter().collect();
    let members: HashMap<i64, i64> = members.into_iter().collect();
    let number = |of: &HashMap<i64, i64>, id: i64| Cell::number(of.get(&id).copied().unwrap_or(0));
    let rows = rows.into_iter().map(|row| Row {
        id: row.id,
        path: String::new(),
        cells: vec![
            Cell::text(&row.name),
            number(&held, row.id),
            number(&members, row.id),
        ],
        csv: Vec::new(),
        name: row.name,
    });
    Ok(rows.collect())
}

async fn values(look: &Look, id: i64) -> Result<Form> {
    let db = look.app.db.read();
    let row = group::Entity::find_by_id(id).one(db).await?;
    let row = row.ok_or(Error::NotFound)?;
    let held = group_permission::Entity::find()
        .filter(group_permission::Column::GroupId.eq(id))
        .all(db)
        .await?;
    let mut pairs = vec![("name".to_owned(), row.name)];
    let held = held.into_iter().map(|row| row.permission);
    pairs.extend(held.map(|name| ("permissions".to_owned(), name)));
    Ok(Form::from_pairs(pairs))
}

/// A group that is to be changed, after the account of who changes it, as everywhere.
async fn hold(write: &Write, person: &Person, id: i64) -> Result<()> {
    accounts::hold_caller(write, person).await?;
    accounts::hold_group(write, id).await
}

async fn save(doing: Doing<'_>, id: Option<i64>) -> Result<i64> {
    let before = match id {
        Some(id) => group::Entity::find_by_id(id).one(&**doing.write).await?,
        None => None,
    };
    if id.is_none() {
        accounts::hold_caller(doing.write, doing.person).await?;
    }
    let name = doing.form.text("name");
    let chosen = doing.form.all("permissions");
    let mut wanted: Vec<String> = chosen.map(str::to_owned).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut problems = Problems::new();
    problems.check(!name.is_empty(), "name", "A group needs a name.");
    let length = name.chars().count();
    let words = format!("The name has {length} characters; up to {LONGEST_NAME} fit.");
    problems.check(length <= LONGEST_NAME, "name", words);
    problems.check(
        !name.contains(char::is_control),
        "name",
        "A name is one line without control characters.",
    );
    let is_kept = before.is_some_and(|row| row.name == INSTRUCTORS && name != INSTRUCTORS);
    problems.check(!is_kept, "name", KEPT);
    problems.check(
        wanted.iter().all(|name| permissions::is_known(name)),
        "permissions",
        "Choose permissions from the list.",
    );
    problems.into_result()?;
    accounts::save_group(doing.write, id, name, &wanted).await
}

async fn delete(doing: Doing<'_>, id: i64) -> Result<()> {
    accounts::hold_caller(doing.write, doing.person).await?;
    accounts::hold_group(doing.write, id).await?;
    let row = group::Entity::find_by_id(id).one(&**doing.write).await?;
    if row.is_some_and(|row| row.name == INSTRUCTORS) {
        return Err(Error::Conflict(KEPT.into()));
    }
    accounts::delete_group(doing.write, id).await
}

fn facts(write: &Write, id: i64) -> BoxFuture<'_, Result<Option<Facts>>> {
    Box::pin(async move { accounts::group_facts(&**write, id).await })
}

#[cfg(test)]
mod tests {
    use super::words_of;

    #[test]
    fn a_permission_is_told_in_words() {
        assert_eq!(
            words_of("courses.change_module"),
            "Teaching: change modules"
        );
        assert_eq!(words_of("admin.view_log"), "Admin site: view the log");
    }
}
