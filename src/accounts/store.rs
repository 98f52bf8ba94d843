//! The queries of accounts.

use crate::app::App;
use crate::db::Write;
use crate::entities::{course, group, session, user, user_group};
use crate::error::{Error, Result};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, LikeExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

/// Whether somebody has this name, or one that differs from it only in case.
pub async fn is_taken(db: &impl ConnectionTrait, username: &str) -> Result<bool> {
    let folded = username.to_lowercase();
    let stored = Expr::expr(Func::lower(Expr::col(user::Column::Username)));
    // SQLite folds ASCII only: other letters stand for any text here and are compared below.
    let alike = if folded.is_ascii() {
        stored.eq(&folded)
    } else {
        stored.like(LikeExpr::new(pattern(&folded)).escape('\\'))
    };
    let names: Vec<String> = user::Entity::find()
        .select_only()
        .column(user::Column::Username)
        .filter(user::Column::Username.eq(username).or(alike))
        .into_tuple()
        .all(db)
        .await?;
    Ok(names.iter().any(|name| name.to_lowercase() == folded))
}

fn pattern(folded: &str) -> String {
    let mut pattern = String::with_capacity(folded.len() + 2);
    for c in folded.chars() {
        match c {
            '_' => pattern.push_str("\\_"),
            c if c.is_ascii() => pattern.push(c),
            _ => pattern.push('%'),
        }
    }
    pattern
}

/// The account of this name, as stored.
pub async fn find_user(db: &impl ConnectionTrait, username: &str) -> Result<Option<user::Model>> {
    let found = user::Entity::find().filter(user::Column::Username.eq(username));
    Ok(found.one(db).await?)
}

/// Everybody with an account, by name.
pub async fn list_users(db: &impl ConnectionTrait) -> Result<Vec<user::Model>> {
    let users = user::Entity::find().order_by_asc(user::Column::Username);
    Ok(users.all(db).await?)
}

/// The account of this number.
pub async fn get_user(db: &impl ConnectionTrait, user_id: i64) -> Result<user::Model> {
    let found = user::Entity::find_by_id(user_id).one(db).await?;
    found.ok_or(Error::NotFound)
}

/// Notes that letters reach somebody at this address, while it is hers.
pub async fn confirm_address(app: &App, write: &Write, user_id: i64, address: &str) -> Result<()> {
    user::Entity::update_many()
        .col_expr(user::Column::EmailConfirmedAt, Expr::value(app.clock.now()))
        .filter(user::Column::Id.eq(user_id))
        .filter(user::Column::Email.eq(address))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Numbers of those who are in a group.
pub async fn list_members(db: &impl ConnectionTrait, group_name: &str) -> Result<Vec<i64>> {
    let members = user_group::Entity::find()
        .select_only()
        .column(user_group::Column::UserId)
        .inner_join(group::Entity)
        .filter(group::Column::Name.eq(group_name))
        .into_tuple();
    Ok(members.all(db).await?)
}

/// The sessions of a person that have not ended, the one used last first.
pub async fn list_sessions(
    db: &impl ConnectionTrait,
    user_id: i64,
    now: DateTime<Utc>,
) -> Result<Vec<session::Model>> {
    let sessions = session::Entity::find()
        .filter(session::Column::UserId.eq(user_id))
        .filter(session::Column::ExpiresAt.gt(now))
        .order_by_desc(session::Column::LastSeenAt)
        .order_by_desc(session::Column::Id);
    Ok(sessions.all(db).await?)
}

/// The title of the published course with this slug.
pub async fn find_course_title(db: &impl ConnectionTrait, slug: &str) -> Result<Option<String>> {
    let title = course::Entity::find()
        .select_only()
        .column(course::Column::Title)
        .filter(course::Column::Slug.eq(slug))
        .filter(course::Column::IsDraft.eq(false))
        .into_tuple();
    Ok(title.one(db).await?)
}
