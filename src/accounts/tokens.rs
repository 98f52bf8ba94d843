//! Keys by which programs act for a person: made, listed and revoked. What they are good for is held to in
//! `web::scopes`; how one is recognized stands in `web::credentials`.

use crate::app::App;
use crate::db::Write;
use crate::entities::{token, user};
use crate::error::{Error, Problems, Result};
use crate::web::scopes::Scopes;
use crate::web::sessions;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

/// Characters of a name at most.
pub const LONGEST_NAME: usize = 100;
/// Keys of one person at most.
pub const MOST: u64 = 50;
/// A key lasts so many days at most, unless it lasts for ever.
pub const LONGEST_DAYS: i64 = 3_650;

/// A key to make.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// For whom it acts.
    pub user_id: i64,
    /// What its owner calls it: no two of hers are called alike.
    pub name: String,
    /// For what it may be used; none: for everything that she may.
    pub scopes: Option<Scopes>,
    /// From when on it opens nothing; none: never.
    pub expires_at: Option<DateTime<Utc>>,
}

impl NewToken {
    /// A key for everything that its owner may, for ever.
    pub fn unbounded(user_id: i64, name: impl Into<String>) -> Self {
        Self {
            user_id,
            name: name.into(),
            scopes: None,
            expires_at: None,
        }
    }

    /// What is wrong with it in itself, in the fields `name` and `scopes`.
    fn problems(&self) -> Problems {
        let mut problems = Problems::new();
        let length = self.name.chars().count();
        let words =
            "Give it a name by which you will know it again, such as the program that uses it.";
        problems.check(length > 0, "name", words);
        let words = format!("A name has at most {LONGEST_NAME} characters; this one has {length}.");
        problems.check(length <= LONGEST_NAME, "name", words);
        let has_control = self.name.chars().any(char::is_control);
        problems.check(!has_control, "name", "A name is one line of text.");
        let is_for_something = self.scopes.is_none_or(|scopes| !scopes.is_empty());
        let words = "Choose at least one thing that it may be used for.";
        problems.check(is_for_something, "scopes", words);
        problems
    }
}

/// When a key that is made now and lasts so many days ends.
///
/// # Errors
/// [`Error::Invalid`] at `expires`.
pub fn end_after(now: DateTime<Utc>, days: i64) -> Result<DateTime<Utc>> {
    if (1..=LONGEST_DAYS).contains(&days) {
        Ok(now + TimeDelta::days(days))
    } else {
        let words = format!("A token lasts from 1 to {LONGEST_DAYS} days.");
        Err(Error::invalid("expires", words))
    }
}

/// Makes a key by which a program acts for a person, and answers it: 43 characters that are
/// stored nowhere and cannot be shown again.
///
/// # Errors
/// [`Error::Invalid`] at `name` or `scopes`; [`Error::NotFound`] when there is no such person.
pub async fn create_token(app: &App, write: &Write, new: NewToken) -> Result<String> {
    let mut problems = new.problems();
    // Two forms at once are looked at one after the other.
    let owner = user::Entity::find_by_id(new.user_id).lock_exclusive();
    owner.one(&**write).await?.ok_or(Error::NotFound)?;
    let hers = token::Entity::find().filter(token::Column::UserId.eq(new.user_id));
    let count = hers.clone().count(&**write).await?;
    let words =
        format!("You have {MOST} tokens already. Please revoke one that is no longer used.");
    problems.check(count < MOST, "name", words);
    let alike = hers.filter(token::Column::Name.eq(&new.name));
    let words = "There is a token with this name already. Give this one another name, so that you can tell them apart.";
    problems.check(alike.count(&**write).await? == 0, "name", words);
    problems.into_result()?;
    let key = app.clock.random_token();
    let row = token::ActiveModel {
        user_id: Set(new.user_id),
        name: Set(new.name),
        token_hash: Set(sessions::hash(&key)),
        created_at: Set(app.clock.now()),
        last_used_at: Set(None),
        scopes: Set(new.scopes.map(|scopes| scopes.to_string())),
        expires_at: Set(new.expires_at),
        ..Default::default()
    };
    token::Entity::insert(row)
        .exec_without_returning(&**write)
        .await?;
    Ok(key)
}

/// A name like this one that none of her keys has: `command line`, `command line 2`.
///
/// # Errors
/// When the database does not answer.
pub async fn free_name(db: &impl ConnectionTrait, user_id: i64, base: &str) -> Result<String> {
    let taken: Vec<String> = list_tokens(db, user_id)
        .await?
        .into_iter()
        .map(|row| row.name)
        .collect();
    let mut name = base.to_owned();
    let mut number = 1;
    while taken.contains(&name) {
        number += 1;
        name = format!("{base} {number}");
    }
    Ok(name)
}

/// The keys of a person, those that have expired included, the newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list_tokens(db: &impl ConnectionTrait, user_id: i64) -> Result<Vec<token::Model>> {
    let rows = token::Entity::find()
        .filter(token::Column::UserId.eq(user_id))
        .order_by_desc(token::Column::CreatedAt)
        .order_by_desc(token::Column::Id);
    Ok(rows.all(db).await?)
}

/// One key of a person; others' are not found.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get_token(db: &impl ConnectionTrait, user_id: i64, id: i64) -> Result<token::Model> {
    let found = token::Entity::find_by_id(id).filter(token::Column::UserId.eq(user_id));
    found.one(db).await?.ok_or(Error::NotFound)
}

/// Ends a key of a person, for the next request on every node; others' are not found.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn revoke_token(write: &mut Write, user_id: i64, id: i64) -> Result<()> {
    let ended = token::Entity::delete_many()
        .filter(token::Column::Id.eq(id))
        .filter(token::Column::UserId.eq(user_id))
        .exec(&**write)
        .await?;
    if ended.rows_affected == 0 {
        return Err(Error::NotFound);
    }
    sessions::changed(write, user_id).await
}
