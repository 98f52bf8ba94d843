//! What accounts, groups and keys consist of, as the log of changes tells it: never a password, its hash, or a key.

use crate::accounts::rights::{groups_of, hold_with, require_still};
use crate::db::Write;
use crate::entities::{group, group_permission, session, token, user, user_group};
use crate::error::{Error, Result};
use crate::web::audit::{Facts, yes_no};
use crate::web::identity::Person;
use crate::web::permissions::admin;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, RelationTrait,
};

/// An account; `None` when there is none.
pub async fn user_facts(db: &impl ConnectionTrait, id: i64) -> Result<Option<Facts>> {
    let Some(row) = user::Entity::find_by_id(id).one(db).await? else {
        return Ok(None);
    };
    let groups = groups_of(db, &[id]).await?.remove(&id).unwrap_or_default();
    let sessions = session::Entity::find().filter(session::Column::UserId.eq(id));
    let sessions = sessions.count(db).await?;
    Ok(Some(Facts {
        name: row.username.clone(),
        fields: vec![
            ("user name", row.username),
            ("name", row.name),
            ("mail", row.email),
            ("staff", yes_no(row.is_staff)),
            ("open", yes_no(row.is_active)),
            ("groups", groups.join(", ")),
            ("sessions", sessions.to_string()),
        ],
    }))
}

/// A group with what it lets its members do; `None` when there is none.
pub async fn group_facts(db: &impl ConnectionTrait, id: i64) -> Result<Option<Facts>> {
    let Some(row) = group::Entity::find_by_id(id).one(db).await? else {
        return Ok(None);
    };
    let held = group_permission::Entity::find()
        .filter(group_permission::Column::GroupId.eq(id))
        .order_by_asc(group_permission::Column::Permission);
    let held = held.all(db).await?.into_iter().map(|row| row.permission);
    Ok(Some(Facts {
        name: row.name.clone(),
        fields: vec![
            ("name", row.name),
            ("permissions", held.collect::<Vec<_>>().join(", ")),
        ],
    }))
}

/// A key, without what opens anything; `None` when there is none.
pub async fn token_facts(db: &impl ConnectionTrait, id: i64) -> Result<Option<Facts>> {
    let found = token::Entity::find_by_id(id)
        .find_also_related(user::Entity)
        .one(db)
        .await?;
    Ok(found.map(|(row, owner)| {
        let owner = owner.map_or_else(String::new, |owner| owner.username);
        Facts {
            name: format!("{} of {owner}", row.name),
            fields: vec![
                ("name", row.name),
                ("owner", owner),
                ("scopes", row.scopes.unwrap_or_else(|| "everything".into())),
            ],
        }
    }))
}

/// Told where somebody who is not of the staff would change such an account.
pub const NOT_TOUCHABLE: &str =
    "Only staff change the accounts of people who run the site or a part of it.";

/// Holds the account of somebody whom this person may change, together with her own, until the end of the transaction.
/// Staff may change everybody's; others only those of people who have no part in running the site, so that nobody takes a
/// right over by somebody else's account.
///
/// # Errors
/// [`Error::NotFound`] when there is no such account, [`Error::Forbidden`] when she may not.
pub async fn hold_touchable(write: &Write, person: &Person, id: i64) -> Result<user::Model> {
    let (caller, account) = hold_with(write, person.id, id).await?;
    require_still(&caller, person)?;
    if is_touchable(&**write, person, &account).await? {
        Ok(account)
    } else {
        Err(Error::Forbidden(NOT_TOUCHABLE))
    }
}

/// Whether [`hold_touchable`] would let her change this account now.
///
/// # Errors
/// [`Error::NotFound`] when there is no such account.
pub async fn may_touch(db: &impl ConnectionTrait, person: &Person, id: i64) -> Result<bool> {
    let account = user::Entity::find_by_id(id).one(db).await?;
    is_touchable(db, person, &account.ok_or(Error::NotFound)?).await
}

async fn is_touchable(
    db: &impl ConnectionTrait,
    person: &Person,
    account: &user::Model,
) -> Result<bool> {
    Ok(person.is_staff || !(account.is_staff || runs_something(db, account.id).await?))
}

/// Whether a group gives this account a part of the admin site.
async fn runs_something(db: &impl ConnectionTrait, id: i64) -> Result<bool> {
    let held = group_permission::Entity::find()
        .join(JoinType::InnerJoin, group_permission::Relation::Group.def())
        .join_rev(JoinType::InnerJoin, user_group::Relation::Group.def())
        .filter(user_group::Column::UserId.eq(id))
        .filter(group_permission::Column::Permission.starts_with(admin::PREFIX));
    Ok(held.count(db).await? > 0)
}
