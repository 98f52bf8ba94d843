//! Accounts: registering, logging in and out, passwords, profiles, sessions, keys for programs.
//!
//! The verbs here are used by the pages and by `lyceum user` alike. Who asks in a request,
//! and what sessions and credentials are, stands in `web`; what a teacher or student may do
//! with a course is for those features to say.

pub mod api;
mod by_staff;
pub mod confirmation;
mod devices;
mod entering;
mod facts;
mod links;
pub mod pages;
mod profile;
pub mod recovery;
mod rights;
mod rules;
pub mod security;
pub mod settings;
mod store;
pub mod token_pages;
mod tokens;
mod two_factor;

pub use by_staff::{end_sessions_of, give_password, hash_for, set_profile, take_two_factor};
pub use facts::{NOT_TOUCHABLE, group_facts, hold_touchable, may_touch, token_facts, user_facts};
pub use links::{SendLink, SweepLinks};
pub use profile::{Profile, set_theme, update_profile};
pub use recovery::FindForgetful;
pub use rights::{
    delete_group, groups_of, hold_caller, hold_group, list_groups, may_teach, no_teacher,
    save_group, set_active, set_groups, set_rights, set_staff,
};
pub use rules::{check_email, check_password, check_username};
pub use store::{find_user, list_members, list_users};
pub use tokens::{NewToken, create_token, end_after, free_name, list_tokens, revoke_token};
pub use two_factor::reset_two_factor;

use crate::app::App;
use crate::db::Write;
use crate::entities::{group, user, user_group};
use crate::error::{Error, Problems, Result};
use crate::web::sessions;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, SqlErr};

/// The group whose members may write courses.
pub const INSTRUCTORS: &str = "Instructors";

/// Told when a user name cannot be had.
const TAKEN: &str = "Somebody has this user name already, perhaps in other letters of the same \
                     name (maya, Maya). Please choose another.";

/// An account to make.
#[derive(Debug, Clone, Default)]
pub struct NewUser {
    /// 1-150 of `[\w.@+-]`.
    pub username: String,
    /// As others see it; may be empty.
    pub name: String,
    /// Mail address; may be empty.
    pub email: String,
    /// Runs the site.
    pub is_staff: bool,
}

impl NewUser {
    /// What is wrong with it and its password, all at once, in the fields `username`, `email`
    /// and `password_field`.
    pub async fn problems(
        &self,
        app: &App,
        password: &str,
        password_field: &str,
    ) -> Result<Problems> {
        let mut problems = Problems::new();
        check_username(&self.username, "username", &mut problems);
        check_email(&self.email, "email", &mut problems);
        check_password(password, &self.username, password_field, &mut problems);
        if problems.at("username").is_empty()
            && store::is_taken(app.db.read(), &self.username).await?
        {
            problems.add("username", TAKEN);
        }
        Ok(problems)
    }
}

/// Makes an account. `password_hash` comes from `app.passwords.hash`, made before the
/// transaction began; empty: nobody can log in with a password.
///
/// # Errors
/// [`Error::Invalid`] at `username` when somebody else has just taken the name.
pub async fn create_user(
    app: &App,
    write: &mut Write,
    new: NewUser,
    password_hash: String,
) -> Result<user::Model> {
    if store::is_taken(&**write, &new.username).await? {
        return Err(Error::invalid("username", TAKEN));
    }
    let row = user::ActiveModel {
        username: Set(new.username),
        name: Set(new.name),
        email: Set(new.email),
        password_hash: Set(password_hash),
        is_staff: Set(new.is_staff),
        is_active: Set(true),
        time_zone: Set("UTC".into()),
        theme: Set("system".into()),
        credential_version: Set(1),
        created_at: Set(app.clock.now()),
        last_login_at: Set(None),
        ..Default::default()
    };
    row.insert(&**write)
        .await
        .map_err(|error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Error::invalid("username", TAKEN),
            _ => error.into(),
        })
}

/// Puts a person into a group; twice is once.
///
/// # Errors
/// [`Error::NotFound`] when there is no such group.
pub async fn add_to_group(write: &mut Write, user_id: i64, name: &str) -> Result<()> {
    let found = group::Entity::find().filter(group::Column::Name.eq(name));
    let group = found.one(&**write).await?.ok_or(Error::NotFound)?;
    let row = user_group::ActiveModel {
        user_id: Set(user_id),
        group_id: Set(group.id),
    };
    let once = OnConflict::columns([user_group::Column::UserId, user_group::Column::GroupId])
        .do_nothing()
        .to_owned();
    user_group::Entity::insert(row)
        .on_conflict(once)
        .exec_without_returning(&**write)
        .await?;
    sessions::changed(write, user_id).await
}

/// Who has changed a password: what the letter about it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangedBy {
    /// She herself, who knew the one before.
    Herself,
    /// Whoever had the link of a letter.
    Link,
    /// The staff of the site.
    Staff,
}

/// Gives a person another password and tells her so by a letter. All her sessions end, and every link to her account that
/// lies in a mailbox: what somebody began who had one of them goes no further.
pub async fn set_password(
    app: &App,
    write: &mut Write,
    user_id: i64,
    password_hash: String,
    by: ChangedBy,
) -> Result<()> {
    let version = Expr::col(user::Column::CredentialVersion).add(1);
    user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::value(password_hash))
        .col_expr(user::Column::CredentialVersion, version)
        .filter(user::Column::Id.eq(user_id))
        .exec(&**write)
        .await?;
    links::end_all(app, write, user_id).await?;
    recovery::tell_changed(app, write, user_id, by).await?;
    sessions::end_all(write, user_id, None).await
}
