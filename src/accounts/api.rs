//! `/api/users/`: who somebody is herself (`me`), and for staff all accounts with their rights; `/api/groups/`.
//!
//! Passwords and keys are not here: they are changed on their pages and at the terminal.

use super::profile::{Profile, update_profile};
use super::rights::{groups_of, hold_user, list_groups, numbers_of, set_groups, set_rights};
use super::store;
use crate::app::App;
use crate::db::Write;
use crate::entities::{group, group_permission, user};
use crate::error::{Error, Problems, Result};
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, Given, IS_AUTHENTICATED, IS_STAFF, Kind,
    Listing, Object, Operation, PARAMETERS, Parameter, Resource, declared, orders_of,
};
use crate::web::scopes::Scope;
use axum::http::Method;
use futures::future::BoxFuture;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, Order, QueryFilter};
use std::collections::HashMap;

/// The path of whoever asks.
const ME: &str = "/api/users/me/";

/// An account as programs see it.
struct UserRow {
    account: user::Model,
    groups: Vec<String>,
}

impl Object for UserRow {
    fn owner_id(&self) -> Option<i64> {
        Some(self.account.id)
    }
}

/// What is answered of an account.
const USER: [Field<UserRow>; 11] = [
    Field::new("id", Kind::Integer, "Its number.", |row| {
        Cell::Integer(row.account.id)
    }),
    Field::new(
        "username",
        Kind::ShortText(150),
        "What she logs in with.",
        |row| Cell::text(&row.account.username),
    ),
    Field::<UserRow>::new(
        "name",
        Kind::ShortText(150),
        "As others see it; empty: the user name is shown.",
        |row| Cell::text(&row.account.name),
    )
    .set_by_caller(Access::Optional),
    Field::<UserRow>::new("email", Kind::Email, "Mail address, or empty.", |row| {
        Cell::text(&row.account.email)
    })
    .set_by_caller(Access::Optional),
    Field::<UserRow>::new(
        "timezone",
        Kind::ShortText(64),
        "In which times are shown, for example Europe/Lisbon.",
        |row| Cell::text(&row.account.time_zone),
    )
    .set_by_caller(Access::Optional),
    Field::<UserRow>::new(
        "theme",
        Kind::Choice(&["system", "light", "dark"]),
        "How pages look.",
        |row| Cell::text(&row.account.theme),
    )
    .set_by_caller(Access::Optional),
    Field::<UserRow>::new(
        "is_staff",
        Kind::Boolean,
        "Whether she runs the site.",
        |row| Cell::Boolean(row.account.is_staff),
    )
    .set_by_caller(Access::Optional),
    Field::<UserRow>::new(
        "is_active",
        Kind::Boolean,
        "Whether she may log in at all.",
        |row| Cell::Boolean(row.account.is_active),
    )
    .set_by_caller(Access::Optional),
    Field::<UserRow>::new(
        "groups",
        Kind::Texts,
        "The names of her groups; Instructors write courses.",
        |row| Cell::Texts((&row.groups).into()),
    )
    .set_by_caller(Access::Optional),
    Field::new("created", Kind::Time, "When she registered.", |row| {
        Cell::Time(row.account.created_at)
    }),
    Field::<UserRow>::new(
        "last_login",
        Kind::Time,
        "When she last logged in.",
        |row| row.account.last_login_at.map_or(Cell::Null, Cell::Time),
    )
    .or_null(),
];

/// What nobody sets for herself.
const RIGHTS: [&str; 3] = ["is_staff", "is_active", "groups"];

/// By what accounts can be ordered.
const ORDERS: [(&str, user::Column); 3] = [
    ("username", user::Column::Username),
    ("created", user::Column::CreatedAt),
    ("id", user::Column::Id),
];

/// The fields that somebody sets of herself.
fn own_fields() -> Vec<Declared> {
    let mut fields = declared(&USER);
    for field in &mut fields {
        if RIGHTS.contains(&field.name) {
            field.access = Access::ReadOnly;
        }
    }
    fields
}

/// `/api/users/`
pub fn users() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&USER);
    let users = Resource::new(
        "users",
        "User",
        "Accounts. You see your own, at /api/users/me/; staff see all.",
    )
    .all(
        Operation::new(Method::GET, "Lists the accounts by user name.", list)
            .only(IS_STAFF)
            .list()
            .looks_at(&PARAMETERS)
            .looks_at(&[
                Parameter::ordering(&ORDERS),
                Parameter::flag("is_staff", "Whether they run the site."),
                Parameter::flag("is_active", "Whether they may log in."),
            ])
            .looks_at(&[("search", "A part of the user name, name or mail address.")])
            .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One account.", show)
            .only(IS_STAFF)
            .about(find_user)
            .looks_at(&[FIELDS])
            .answers(fields()),
    )
    .one(
        Operation::new(
            Method::PATCH,
            "Changes an account or its rights.",
            change_other,
        )
        .only(IS_STAFF)
        .within(Scope::Admin)
        .about(find_user)
        .takes(fields())
        .answers(fields()),
    );
    with_me(users)
}

/// What everybody sees and changes of herself.
fn with_me(users: Resource) -> Resource {
    users
        .action_on_all(
            "me",
            "Me",
            "Your own account.",
            Operation::new(Method::GET, "Your own account.", show)
                .only(IS_AUTHENTICATED)
                .about(find_me)
                .looks_at(&[FIELDS])
                .answers(declared(&USER)),
        )
        .at(
            ME,
            Operation::new(
                Method::PATCH,
                "Changes what you tell of yourself.",
                change_me,
            )
            .only(IS_AUTHENTICATED)
            .within(Scope::Admin)
            .about(find_me)
            .takes(own_fields())
            .answers(declared(&USER)),
        )
}

async fn list(call: Call) -> Result<Answer> {
    use user::Column;
    let usual = [(Column::Username, Order::Asc)];
    let orders = orders_of(&call, &ORDERS, &usual, Column::Id)?;
    let mut select = user::Entity::find();
    if let Some(is_staff) = call.flag("is_staff")? {
        select = select.filter(Column::IsStaff.eq(is_staff));
    }
    if let Some(is_active) = call.flag("is_active")? {
        select = select.filter(Column::IsActive.eq(is_active));
    }
    if let Some(part) = call.parameter("search") {
        let any = Condition::any()
            .add(Column::Username.contains(part))
            .add(Column::Name.contains(part))
            .add(Column::Email.contains(part));
        select = select.filter(any);
    }
    let listing = Listing {
        select,
        orders,
        fields: &USER,
        dress: |app, rows| Box::pin(async move { dress(app.db.read(), rows).await }),
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

/// These accounts with their groups, in the same order; one query.
async fn dress(db: &impl ConnectionTrait, rows: Vec<user::Model>) -> Result<Vec<UserRow>> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut groups = groups_of(db, &ids).await?;
    let dressed = rows.into_iter().map(|account| UserRow {
        groups: groups.remove(&account.id).unwrap_or_default(),
        account,
    });
    Ok(dressed.collect())
}

async fn dressed(db: &impl ConnectionTrait, account: user::Model) -> Result<UserRow> {
    let rows = dress(db, vec![account]).await?;
    rows.into_iter().next().ok_or(Error::NotFound)
}

fn find_user(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(found(&call.app, call.id))
}

fn find_me(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move { found(&call.app, call.person()?.id).await })
}

async fn found(app: &App, id: i64) -> Result<Box<dyn Object>> {
    let account = store::get_user(app.db.read(), id).await?;
    Ok(Box::new(dressed(app.db.read(), account).await?))
}

async fn show(call: Call) -> Result<Answer> {
    call.one(&USER, call.object::<UserRow>()?)
}

async fn change_me(call: Call) -> Result<Answer> {
    let (mut write, before) = hold(&call).await?;
    let profile = call.given.judge(|given| profile(given, &before.account))?;
    update_profile(&mut write, before.account.id, profile).await?;
    done(&call, write, before.account.id).await
}

async fn change_other(call: Call) -> Result<Answer> {
    let (mut write, before) = hold(&call).await?;
    let account = &before.account;
    let known = list_groups(&*write).await?;
    let is_self = call.person()?.id == account.id;
    let (profile, rights, groups) = call.given.judge(|given| {
        let is_staff = given.flag("is_staff").unwrap_or(account.is_staff);
        let is_active = given.flag("is_active").unwrap_or(account.is_active);
        let mut problems = Problems::new();
        let keeps = "You cannot take this from yourself: ask somebody else of the staff.";
        problems.check(is_staff || !is_self, "is_staff", keeps);
        problems.check(is_active || !is_self, "is_active", keeps);
        let groups = given.texts("groups").map(|names| numbers_of(names, &known));
        let groups = groups.transpose().map_err(|more| problems.extend(more));
        match (profile(given, account), groups) {
            (Ok(profile), Ok(groups)) if problems.is_empty() => {
                Ok((profile, (is_staff, is_active), groups))
            }
            (Err(more), _) => {
                problems.extend(more);
                Err(problems)
            }
            _ => Err(problems),
        }
    })?;
    let id = account.id;
    let person = call.person()?;
    let changes_rights = rights != (account.is_staff, account.is_active) || groups.is_some();
    if changes_rights && person.scopes.is_some() {
        // Such a key would outlive its own end in the rights that it gave.
        return Err(Error::Forbidden(
            "A token with scopes does not give or take rights. Log in, or use your password.",
        ));
    }
    if profile != Profile::of(account) {
        update_profile(&mut write, id, profile).await?;
    }
    if rights != (account.is_staff, account.is_active) {
        set_rights(&mut write, id, rights.0, rights.1).await?;
    }
    if let Some(groups) = &groups {
        set_groups(&mut write, id, groups).await?;
    }
    let answer = done(&call, write, id).await?;
    if changes_rights {
        let (is_staff, is_active) = rights;
        tracing::info!(
            by = person.id,
            user = id,
            is_staff,
            is_active,
            ?groups,
            "rights were changed"
        );
    }
    Ok(answer)
}

/// What she tells of herself, by the rules of its page.
fn profile(given: &Given, before: &user::Model) -> Result<Profile, Problems> {
    let typed = |name: &str, before: &str| given.text(name).unwrap_or(before).trim().to_owned();
    let profile = Profile {
        name: typed("name", &before.name),
        email: typed("email", &before.email),
        time_zone: typed("timezone", &before.time_zone),
        theme: typed("theme", &before.theme),
    };
    let problems = profile.problems();
    if problems.is_empty() {
        Ok(profile)
    } else {
        Err(problems)
    }
}

/// The account, held for a change, when it is still as the caller saw it.
async fn hold(call: &Call) -> Result<(Write, UserRow)> {
    let id = call.object::<UserRow>()?.account.id;
    let write = call.app.write().await?;
    let account = hold_user(&write, id).await?;
    let row = dressed(&*write, account).await?;
    call.unchanged(|| std::future::ready(Call::bytes(&USER, &row)))
        .await?;
    Ok((write, row))
}

async fn done(call: &Call, write: Write, id: i64) -> Result<Answer> {
    let account = store::get_user(&*write, id).await?;
    let row = dressed(&*write, account).await?;
    write.commit().await?;
    call.one(&USER, &row)
}

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
    Field::new("name", Kind::ShortText(150), "What it is called.", |row| {
        Cell::text(&row.group.name)
    }),
    Field::new(
        "permissions",
        Kind::Texts,
        "What its members may do.",
        |row| Cell::Texts((&row.permissions).into()),
    ),
];

const GROUP_ORDERS: [(&str, group::Column); 2] =
    [("name", group::Column::Name), ("id", group::Column::Id)];

/// `/api/groups/`
pub fn groups() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&GROUP);
    Resource::new(
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
