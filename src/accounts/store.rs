//! The queries of accounts.

use crate::entities::{course, user};
use crate::error::Result;
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
