//! `/api/groups/`: sets of people with what they may do. Staff make and change them, though never with a key.

use super::changing::require_no_key_for_rights;
use crate::accounts::INSTRUCTORS;
use crate::accounts::facts::group_facts;
use crate::accounts::rights::{delete_group, hold_caller, hold_group, save_group};
use crate::db::Write;
use crate::entities::{group, group_permission};
use crate::error::{Error, Problems, Result};
use crate::web::audit::{Done, Facts, record};
use crate::web::permissions;
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, Given, IS_STAFF, Kind, Listing, Object,
    Operation, PARAMETERS, Parameter, Resource, declared, orders_of,
};
use crate::web::scopes::Scope;
use axum::http::{Method, StatusCode};
use futures::future::BoxFuture;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, Order, QueryFilter};
use std::collections::HashMap;

/// A group as programs see it.
struct GroupRow {
    group: group::Model,
    permissions: Vec<String>,
}

impl Object for GroupRow {
    fn owner_id(&self) -> Option<i64> {
        None
    }
}

const GROUP: [Field<GroupRow>; 3] = [
    Field::new("id", Kind::Integer, "Its number.", |row| {
        Cell::Integer(row.group.id)
    }),
    Field::<GroupRow>::new("name", Kind::ShortText(150), "What it is called.", |row| {
        Cell::text(&row.group.name)
    })
    .set_by_caller(Access::Required),
    Field::<GroupRow>::new(
        "permissions",
        Kind::Texts,
        "What its members may do: courses.view_course, courses.add_course, courses.change_course, courses.delete_course, and the same of module and content; and for parts of the admin site admin.view_user, admin.change_user and others.",
        |row| Cell::Texts((&row.permissions).into()),
    )
    .set_by_caller(Access::Optional),
];

const GROUP_ORDERS: [(&str, group::Column); 2] =
    [("name", group::Column::Name), ("id", group::Column::Id)];

/// Told when the group by which the site knows its teachers would be gone.
const KEPT_NAME: &str = "The site knows its teachers by this group: it keeps its name, and is not deleted. Change its permissions or its members instead.";

/// `/api/groups/`
pub fn groups() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&GROUP);
    let change = |method, about| {
        Operation::new(method, about, change)
            .only(IS_STAFF)
            .within(Scope::Admin)
            .about(find_group)
            .takes(fields())
            .may_answer(StatusCode::CONFLICT, KEPT_NAME)
            .answers(fields())
    };
    let groups = Resource::new(
        "groups",
        "Group",
        "Sets of people who hold permissions together. Who is in them is set at /api/users/<id>/. For staff.",
    )
    .all(
        Operation::new(Method::GET, "Lists the groups by name.", list_all_groups)
            .only(IS_STAFF)
            .list()
            .looks_at(&PARAMETERS)
            .looks_at(&[Parameter::ordering(&GROUP_ORDERS)])
            .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One group.", show_group)
            .only(IS_STAFF)
            .about(find_group)
            .looks_at(&[FIELDS])
            .answers(fields()),
    );
    groups
        .all(
            Operation::new(Method::POST, "Makes a group.", create)
                .only(IS_STAFF)
                .within(Scope::Admin)
                .takes(fields())
                .answers(fields())
                .creates(),
        )
        .one(change(Method::PUT, "Changes a group as a whole."))
        .one(change(Method::PATCH, "Changes some fields of a group."))
        .one(
            Operation::new(
                Method::DELETE,
                "Deletes a group; its members lose what it let them do.",
                destroy,
            )
            .only(IS_STAFF)
            .within(Scope::Admin)
            .about(find_group)
            .may_answer(StatusCode::CONFLICT, KEPT_NAME)
            .without_answer(),
        )
}

async fn list_all_groups(call: Call) -> Result<Answer> {
    let usual = [(group::Column::Name, Order::Asc)];
    let orders = orders_of(&call, &GROUP_ORDERS, &usual, group::Column::Id)?;
    let listing = Listing {
        select: group::Entity::find(),
        orders,
        fields: &GROUP,
        dress: |app, rows| Box::pin(async move { dress_groups(app.db.read(), rows).await }),
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

/// These groups with what their members may do, in the same order; one query.
async fn dress_groups(db: &impl ConnectionTrait, rows: Vec<group::Model>) -> Result<Vec<GroupRow>> {
    let ids = rows.iter().map(|row| row.id);
    let held = group_permission::Entity::find()
        .filter(group_permission::Column::GroupId.is_in(ids))
        .all(db)
        .await?;
    let mut permissions: HashMap<i64, Vec<String>> = HashMap::new();
    for row in held {
        permissions
            .entry(row.group_id)
            .or_default()
            .push(row.permission);
    }
    let dressed = rows.into_iter().map(|group| {
        let mut permissions = permissions.remove(&group.id).unwrap_or_default();
        permissions.sort_unstable();
        GroupRow { group, permissions }
    });
    Ok(dressed.collect())
}

fn find_group(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let found = group::Entity::find_by_id(call.id)
            .one(call.app.db.read())
            .await?;
        let rows = dress_groups(call.app.db.read(), found.into_iter().collect()).await?;
        let object: Box<dyn Object> = Box::new(rows.into_iter().next().ok_or(Error::NotFound)?);
        Ok(object)
    })
}

async fn show_group(call: Call) -> Result<Answer> {
    call.one(&GROUP, call.object::<GroupRow>()?)
}

/// What a group is to be.
struct GroupChange {
    name: String,
    permissions: Vec<String>,
}

/// Held against the names that there are.
fn judged(given: &Given, before: Option<&GroupRow>) -> Result<GroupChange, Problems> {
    let name = before.map_or("", |row| row.group.name.as_str());
    let name = given.text("name").unwrap_or(name).trim().to_owned();
    let held = before.map(|row| row.permissions.as_slice());
    let mut wanted = given
        .texts("permissions")
        .or(held)
        .unwrap_or_default()
        .to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let mut problems = Problems::new();
    problems.check(!name.is_empty(), "name", "A group needs a name.");
    problems.check(
        !name.contains(char::is_control),
        "name",
        "A name is one line without control characters.",
    );
    // What it has may stay, whatever it is.
    let is_known =
        |name: &String| permissions::is_known(name) || held.unwrap_or_default().contains(name);
    problems.check(
        wanted.iter().all(is_known),
        "permissions",
        format!(
            "There are {}, {}.",
            permissions::ALL.join(", "),
            permissions::admin::ALL.join(", ")
        ),
    );
    if problems.is_empty() {
        Ok(GroupChange {
            name,
            permissions: wanted,
        })
    } else {
        Err(problems)
    }
}

async fn create(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let change = call.given.judge(|given| judged(given, None))?;
    require_no_key_for_rights(person)?;
    let mut write = call.app.write().await?;
    hold_caller(&write, person).await?;
    let id = save_group(&mut write, None, &change.name, &change.permissions).await?;
    log(&call, &write, "add", id, None).await?;
    let row = reload(&write, id).await?;
    tracing::info!(
        by = person.id,
        group = id,
        name = change.name,
        "a group was made"
    );
    call.made(write, &GROUP, &row, &format!("/api/groups/{id}/"))
        .await
}

async fn change(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let (mut write, before) = hold(&call).await?;
    let judge = |given: &Given| judged(given, Some(&before));
    let change = call.given.judge_change(&GROUP, &before, judge)?;
    call.unchanged(&GROUP, &before)?;
    if (&change.name, &change.permissions) == (&before.group.name, &before.permissions) {
        return call.one(&GROUP, &before);
    }
    require_no_key_for_rights(person)?;
    if before.group.name == INSTRUCTORS && change.name != INSTRUCTORS {
        return Err(Error::Conflict(KEPT_NAME.into()));
    }
    let id = before.group.id;
    let told = group_facts(&*write, id).await?;
    save_group(&mut write, Some(id), &change.name, &change.permissions).await?;
    log(&call, &write, "change", id, told).await?;
    let row = reload(&write, id).await?;
    write.commit().await?;
    tracing::info!(
        by = person.id,
        group = id,
        before = ?before.permissions,
        after = ?change.permissions,
        "a group was changed"
    );
    call.one(&GROUP, &row)
}

async fn destroy(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let (mut write, before) = hold(&call).await?;
    call.unchanged(&GROUP, &before)?;
    require_no_key_for_rights(person)?;
    if before.group.name == INSTRUCTORS {
        return Err(Error::Conflict(KEPT_NAME.into()));
    }
    let told = group_facts(&*write, before.group.id).await?;
    delete_group(&mut write, before.group.id).await?;
    log(&call, &write, "delete", before.group.id, told).await?;
    write.commit().await?;
    tracing::info!(
        by = person.id,
        group = before.group.id,
        "a group was deleted"
    );
    Ok(Answer::nothing())
}

async fn log(call: &Call, write: &Write, act: &str, id: i64, before: Option<Facts>) -> Result<()> {
    let after = group_facts(&**write, id).await?;
    let done = Done {
        act,
        kind: "group",
        id,
        before: before.as_ref(),
        after: after.as_ref(),
    };
    record(write, &call.by()?, done).await
}

/// The group, held for a change by somebody who is of the staff still.
async fn hold(call: &Call) -> Result<(Write, GroupRow)> {
    let write = call.app.write().await?;
    hold_caller(&write, call.person()?).await?;
    hold_group(&write, call.id).await?;
    let row = reload(&write, call.id).await?;
    Ok((write, row))
}

async fn reload(write: &Write, id: i64) -> Result<GroupRow> {
    let found = group::Entity::find_by_id(id).one(&**write).await?;
    let rows = dress_groups(&**write, found.into_iter().collect()).await?;
    rows.into_iter().next().ok_or(Error::NotFound)
}
