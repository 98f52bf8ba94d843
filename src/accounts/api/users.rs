//! `/api/users/`: who somebody is herself (`me`), and for staff all accounts with their rights.

use super::acts::{with_acts, with_own_acts};
use super::changing::{change_me, change_other, create};
use crate::accounts::rights::groups_of;
use crate::accounts::store;
use crate::app::App;
use crate::entities::user;
use crate::error::{Error, Result};
use crate::runs;
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, IS_AUTHENTICATED, Kind, Listing, Object,
    Operation, PARAMETERS, Parameter, Resource, containing, declared, orders_of,
};
use crate::web::scopes::Scope;
use axum::http::Method;
use futures::future::BoxFuture;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, Order, QueryFilter};

/// The path of whoever asks.
const ME: &str = "/api/users/me/";

/// An account as programs see it.
pub(super) struct UserRow {
    pub(super) account: user::Model,
    pub(super) groups: Vec<String>,
}

impl Object for UserRow {
    fn owner_id(&self) -> Option<i64> {
        Some(self.account.id)
    }
}

/// What is answered of an account.
pub(super) const USER: [Field<UserRow>; 11] = [
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
    Field::<UserRow>::new("email", Kind::Email, "Mail address, or empty. Where the site sends mail, a new one that you give yourself counts once the link is used that is sent there.", |row| {
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
    .or_null()
    .passing(),
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
        "Accounts. You see your own, at /api/users/me/; whoever runs the site sees all. Rights are given by staff alone.",
    )
    .all(
        Operation::new(Method::GET, "Lists the accounts by user name.", list)
            .only(runs!(VIEW_USER))
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
            .only(runs!(VIEW_USER))
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
        .only(runs!(CHANGE_USER))
        .within(Scope::Admin)
        .about(find_user)
        .takes(fields())
        .answers(fields()),
    );
    let users = with_me(
        users.all(
            Operation::new(Method::POST, "Makes an account for somebody.", create)
                .only(runs!(ADD_USER))
                .within(Scope::Admin)
                .takes(new_account())
                .answers(fields())
                .creates(),
        ),
    );
    with_acts(with_own_acts(users))
}

/// The fields of a new account, which has a password.
fn new_account() -> Vec<Declared> {
    let mut fields = declared(&USER);
    for field in &mut fields {
        if field.name == "username" {
            field.access = Access::Required;
        }
    }
    let password = Declared::taken(
        "password",
        Kind::Secret,
        Access::Required,
        "With which she logs in first; she changes it on her page.",
    );
    fields.insert(2, password);
    fields
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
            .add(containing(Column::Username, part))
            .add(containing(Column::Name, part))
            .add(containing(Column::Email, part));
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

pub(super) async fn dressed(db: &impl ConnectionTrait, account: user::Model) -> Result<UserRow> {
    let rows = dress(db, vec![account]).await?;
    rows.into_iter().next().ok_or(Error::NotFound)
}

pub(super) fn find_user(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(found(&call.app, call.id))
}

pub(super) fn find_me(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move { found(&call.app, call.person()?.id).await })
}

async fn found(app: &App, id: i64) -> Result<Box<dyn Object>> {
    let account = store::get_user(app.db.read(), id).await?;
    Ok(Box::new(dressed(app.db.read(), account).await?))
}

async fn show(call: Call) -> Result<Answer> {
    call.one(&USER, call.object::<UserRow>()?)
}
