//! What an account may do: whether it is open, runs the site, and in which groups it is.

use super::INSTRUCTORS;
use crate::db::Write;
use crate::entities::{group, group_permission, user, user_group};
use crate::error::{Error, Problems, Result};
use crate::web::identity::Person;
use crate::web::{permissions, sessions};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, JoinType,
    QueryFilter, QueryOrder, QuerySelect, RelationTrait, SqlErr,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The account of this number, held until the end of the transaction.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn hold_user(write: &Write, user_id: i64) -> Result<user::Model> {
    let found = user::Entity::find_by_id(user_id).lock_exclusive();
    found.one(&**write).await?.ok_or(Error::NotFound)
}

/// Two accounts, held in the order of their numbers until the end of the transaction, so that two people who change each
/// other's do not wait for each other. They may be the same.
///
/// # Errors
/// [`Error::NotFound`] when one is gone.
pub async fn hold_with(
    write: &Write,
    caller_id: i64,
    user_id: i64,
) -> Result<(user::Model, user::Model)> {
    let found = user::Entity::find()
        .filter(user::Column::Id.is_in([caller_id, user_id]))
        .order_by_asc(user::Column::Id)
        .lock_exclusive();
    let rows = found.all(&**write).await?;
    let of = |id: i64| rows.iter().find(|row| row.id == id).cloned();
    of(caller_id).zip(of(user_id)).ok_or(Error::NotFound)
}

/// Holds the account of somebody who gives rights, when she is of the staff still.
///
/// # Errors
/// [`Error::Forbidden`] when she is not.
pub async fn hold_caller(write: &Write, person: &Person) -> Result<()> {
    let account = hold_user(write, person.id).await?;
    require_still(&account, person)
}

/// Lets her go on who is whom she was taken for when she came in.
///
/// # Errors
/// [`Error::Forbidden`].
pub fn require_still(account: &user::Model, person: &Person) -> Result<()> {
    if account.is_active && (account.is_staff || !person.is_staff) {
        Ok(())
    } else {
        Err(Error::forbidden())
    }
}

/// Holds a group until the end of the transaction.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn hold_group(write: &Write, id: i64) -> Result<()> {
    let found = group::Entity::find_by_id(id).lock_exclusive();
    found.one(&**write).await?.ok_or(Error::NotFound)?;
    Ok(())
}

/// Makes a group, or changes the one of this number, which is held. Counts at once for all of its members.
///
/// # Errors
/// [`Error::Invalid`] when another one is called so.
pub async fn save_group(
    write: &mut Write,
    id: Option<i64>,
    name: &str,
    permissions: &[String],
) -> Result<i64> {
    let mut row = group::ActiveModel {
        name: Set(name.to_owned()),
        ..Default::default()
    };
    let saved = if let Some(id) = id {
        row.id = Set(id);
        row.update(&**write).await
    } else {
        row.insert(&**write).await
    };
    let saved = saved.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Error::invalid("name", "Another group is called so. Choose another name.")
        }
        _ => error.into(),
    })?;
    group_permission::Entity::delete_many()
        .filter(group_permission::Column::GroupId.eq(saved.id))
        .exec(&**write)
        .await?;
    let rows = permissions
        .iter()
        .map(|name| group_permission::ActiveModel {
            group_id: Set(saved.id),
            permission: Set(name.clone()),
        });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        group_permission::Entity::insert_many(rows)
            .exec_without_returning(&**write)
            .await?;
    }
    members_changed(write, saved.id).await?;
    Ok(saved.id)
}

/// Deletes a group that is held.
pub async fn delete_group(write: &mut Write, id: i64) -> Result<()> {
    members_changed(write, id).await?;
    group::Entity::delete_by_id(id).exec(&**write).await?;
    Ok(())
}

/// What the members of a group may do is to be looked up anew.
async fn members_changed(write: &mut Write, group_id: i64) -> Result<()> {
    let members: Vec<i64> = user_group::Entity::find()
        .select_only()
        .column(user_group::Column::UserId)
        .filter(user_group::Column::GroupId.eq(group_id))
        .order_by_asc(user_group::Column::UserId)
        .into_tuple()
        .all(&**write)
        .await?;
    for user_id in members {
        sessions::changed(write, user_id).await?;
    }
    Ok(())
}

/// Shuts an account, or opens it again: `set_rights`.
///
/// # Errors
/// [`Error::NotFound`] when there is no such account.
pub async fn set_active(write: &mut Write, user_id: i64, is_active: bool) -> Result<()> {
    let account = hold_user(write, user_id).await?;
    set_rights(write, user_id, account.is_staff, is_active).await
}

/// Lets somebody run the site, or takes that away: `set_rights`.
///
/// # Errors
/// [`Error::NotFound`] when there is no such account.
pub async fn set_staff(write: &mut Write, user_id: i64, is_staff: bool) -> Result<()> {
    let account = hold_user(write, user_id).await?;
    set_rights(write, user_id, is_staff, account.is_active).await
}

/// Opens or shuts an account, and says whether it runs the site. Counts at once, in open sessions too; those of an
/// account that is shut end, while its tokens hold again once it is opened.
pub async fn set_rights(
    write: &mut Write,
    user_id: i64,
    is_staff: bool,
    is_active: bool,
) -> Result<()> {
    user::Entity::update_many()
        .col_expr(user::Column::IsStaff, Expr::value(is_staff))
        .col_expr(user::Column::IsActive, Expr::value(is_active))
        .filter(user::Column::Id.eq(user_id))
        .exec(&**write)
        .await?;
    if is_active {
        sessions::changed(write, user_id).await
    } else {
        sessions::end_all(write, user_id, None).await
    }
}

/// Whether the places of a teacher are open to an account, so that she can do something with a course of hers.
pub async fn may_teach(db: &impl ConnectionTrait, account: &user::Model) -> Result<bool> {
    if account.is_staff {
        return Ok(true);
    }
    let needed = [permissions::VIEW_COURSE, permissions::CHANGE_COURSE];
    let held: Vec<String> = group_permission::Entity::find()
        .select_only()
        .column(group_permission::Column::Permission)
        .distinct()
        .join(JoinType::InnerJoin, group_permission::Relation::Group.def())
        .join_rev(JoinType::InnerJoin, user_group::Relation::Group.def())
        .filter(user_group::Column::UserId.eq(account.id))
        .filter(group_permission::Column::Permission.is_in(needed))
        .into_tuple()
        .all(db)
        .await?;
    Ok(held.len() == needed.len())
}

/// What is told where somebody is to be a teacher who [may not teach](may_teach).
pub fn no_teacher(account: &user::Model) -> String {
    format!(
        "{} may not write courses, and could not open this one. Put the account into the group {INSTRUCTORS} first.",
        account.username
    )
}

/// The names of all groups with their numbers, by name.
pub async fn list_groups(db: &impl ConnectionTrait) -> Result<BTreeMap<String, i64>> {
    let groups = group::Entity::find().order_by_asc(group::Column::Name);
    let groups = groups.all(db).await?.into_iter();
    Ok(groups.map(|group| (group.name, group.id)).collect())
}

/// The names of the groups in which each of these accounts is, by name.
pub async fn groups_of(
    db: &impl ConnectionTrait,
    user_ids: &[i64],
) -> Result<HashMap<i64, Vec<String>>> {
    let rows: Vec<(i64, String)> = user_group::Entity::find()
        .select_only()
        .column(user_group::Column::UserId)
        .column(group::Column::Name)
        .inner_join(group::Entity)
        .filter(user_group::Column::UserId.is_in(user_ids.iter().copied()))
        .order_by_asc(group::Column::Name)
        .into_tuple()
        .all(db)
        .await?;
    let mut groups: HashMap<i64, Vec<String>> = HashMap::new();
    for (user_id, name) in rows {
        groups.entry(user_id).or_default().push(name);
    }
    Ok(groups)
}

/// The numbers of the groups of these names.
///
/// # Errors
/// What is wrong, at `groups`.
pub fn numbers_of(names: &[String], known: &BTreeMap<String, i64>) -> Result<Vec<i64>, Problems> {
    let numbers: Option<BTreeSet<i64>> =
        names.iter().map(|name| known.get(name).copied()).collect();
    numbers.map(|ids| ids.into_iter().collect()).ok_or_else(|| {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        Problems::of(
            "groups",
            format!(
                "Name groups that there are, such as {INSTRUCTORS}: {}.",
                names.join(", ")
            ),
        )
    })
}

/// Puts an account into these groups and no others.
pub async fn set_groups(write: &mut Write, user_id: i64, group_ids: &[i64]) -> Result<()> {
    user_group::Entity::delete_many()
        .filter(user_group::Column::UserId.eq(user_id))
        .exec(&**write)
        .await?;
    let rows = group_ids.iter().map(|group_id| user_group::ActiveModel {
        user_id: Set(user_id),
        group_id: Set(*group_id),
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        user_group::Entity::insert_many(rows)
            .exec_without_returning(&**write)
            .await?;
    }
    sessions::changed(write, user_id).await
}
