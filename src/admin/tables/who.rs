//! What several tables say and ask of accounts and courses.

use crate::entities::{course, user};
use crate::error::{Error, Result};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use std::collections::HashMap;

/// Told when what was typed is the user name of one account and the mail address of another.
const TWO_MEANT: &str = "One account is called so, and another one has this mail address. If that one is meant, type its user name; else look at both under Users.";

/// The user names of these accounts.
pub async fn usernames(
    db: &impl ConnectionTrait,
    ids: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, String>> {
    let rows: Vec<(i64, String)> = user::Entity::find()
        .select_only()
        .columns([user::Column::Id, user::Column::Username])
        .filter(user::Column::Id.is_in(ids))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// Those of the person whom somebody typed: a user name.
pub fn of_user(column: impl ColumnTrait, typed: &str) -> Condition {
    let ids = Query::select()
        .column(user::Column::Id)
        .from(user::Entity)
        .and_where(user::Column::Username.eq(typed))
        .to_owned();
    Condition::all().add(column.in_subquery(ids))
}

/// Those of the person whom somebody typed: a user name, or the number of an account.
pub fn of_person(column: impl ColumnTrait, typed: &str) -> Condition {
    let named = of_user(column, typed);
    match typed.parse::<i64>() {
        Ok(id) => Condition::any().add(named).add(column.eq(id)),
        Err(_) => named,
    }
}

/// Those of the course whom somebody typed: its number or its address.
pub fn of_course(column: impl ColumnTrait, typed: &str) -> Condition {
    let ids = Query::select()
        .column(course::Column::Id)
        .from(course::Entity)
        .and_where(course::Column::Slug.eq(typed))
        .to_owned();
    let named = Condition::any().add(column.in_subquery(ids));
    match typed.parse::<i64>() {
        Ok(id) => named.add(column.eq(id)),
        Err(_) => named,
    }
}

/// Of a yes or no.
pub fn yes_or_no(column: impl ColumnTrait, value: &str) -> Option<Condition> {
    let wanted = match value {
        "yes" => true,
        "no" => false,
        _ => return None,
    };
    Some(Condition::all().add(column.eq(wanted)))
}

/// An address as the index of addresses has it.
pub fn folded_email() -> Expr {
    Expr::expr(Func::lower(user::Column::Email.into_expr()))
}

/// How an address may stand there: PostgreSQL makes all letters small, SQLite those of ASCII alone.
pub fn folded(email: &str) -> [String; 2] {
    [email.to_lowercase(), email.to_ascii_lowercase()]
}

/// The account whom somebody typed: a user name, or a mail address that only one account has. Of those that write it in
/// other letters it is none while one writes it exactly so. Anybody may choose for a user name what is the address of
/// another: then it names neither.
///
/// # Errors
/// [`Error::Invalid`] at `field`, with what to do.
pub async fn find_person(
    db: &impl ConnectionTrait,
    field: &str,
    typed: &str,
) -> Result<user::Model> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Err(Error::invalid(field, "Type a user name or a mail address."));
    }
    let named = user::Entity::find().filter(user::Column::Username.eq(typed));
    if let Some(account) = named.one(db).await? {
        let others = find_addressed(db, typed).await?;
        let is_one = others.iter().all(|other| other.id == account.id);
        return if is_one {
            Ok(account)
        } else {
            Err(Error::invalid(field, TWO_MEANT))
        };
    }
    let mut found = find_addressed(db, typed).await?.into_iter();
    match (found.next(), found.next()) {
        (Some(account), None) => Ok(account),
        (Some(_), Some(_)) => Err(Error::invalid(
            field,
            "Several accounts have this mail address. Type the user name instead.",
        )),
        (None, _) => Err(Error::invalid(
            field,
            "Nobody has this user name or mail address. Look for it under Users.",
        )),
    }
}

/// The first two accounts with a mail address: written exactly so or, when there is none, in other letters.
async fn find_addressed(db: &impl ConnectionTrait, typed: &str) -> Result<Vec<user::Model>> {
    if !typed.contains('@') {
        return Ok(Vec::new());
    }
    let exactly = find_two(db, user::Column::Email.eq(typed)).await?;
    if exactly.is_empty() {
        find_two(db, folded_email().is_in(folded(typed))).await
    } else {
        Ok(exactly)
    }
}

/// The first two accounts of which this holds: enough to know whether it is one.
async fn find_two(db: &impl ConnectionTrait, holds: Expr) -> Result<Vec<user::Model>> {
    let found = user::Entity::find().filter(holds).limit(2);
    Ok(found.all(db).await?)
}
