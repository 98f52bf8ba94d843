//! What a person tells of herself: name, mail address, time zone, theme.

use super::{check_email, links};
use crate::app::App;
use crate::db::Write;
use crate::entities::user;
use crate::error::{Error, Problems, Result};
use crate::web::{changes, sessions};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

/// Characters that a name may have.
const NAME_MAX: usize = 150;

const UNKNOWN_THEME: &str = "Choose a theme: as the system, light or dark.";

/// What a person tells of herself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// As others see it; empty: the user name is shown.
    pub name: String,
    /// Mail address; may be empty.
    pub email: String,
    /// IANA name, for example `Europe/Lisbon`.
    pub time_zone: String,
    /// `system`, `light` or `dark`.
    pub theme: String,
}

impl Profile {
    /// That of an account of which nothing is said yet.
    pub fn new_account() -> Self {
        Self {
            name: String::new(),
            email: String::new(),
            time_zone: "UTC".into(),
            theme: "system".into(),
        }
    }

    /// As stored.
    pub fn of(account: &user::Model) -> Self {
        Self {
            name: account.name.clone(),
            email: account.email.clone(),
            time_zone: account.time_zone.clone(),
            theme: account.theme.clone(),
        }
    }

    /// All that is wrong with it, in the fields `name`, `email`, `timezone` and `theme`.
    pub fn problems(&self) -> Problems {
        let mut problems = Problems::new();
        problems.check(
            self.name.chars().count() <= NAME_MAX,
            "name",
            "A name has at most 150 characters here. Please shorten it.",
        );
        problems.check(
            !self.name.chars().any(char::is_control),
            "name",
            "The name has a character that cannot be shown. Please type it anew.",
        );
        check_email(&self.email, "email", &mut problems);
        problems.check(
            self.time_zone.parse::<Tz>().is_ok(),
            "timezone",
            "Choose a time zone from the list.",
        );
        problems.check(is_theme(&self.theme), "theme", UNKNOWN_THEME);
        problems
    }
}

impl Profile {
    /// All that is wrong with what has changed since: what was stored before there was a rule for it may stay.
    pub fn problems_since(&self, before: &Self) -> Problems {
        let mut problems = self.problems();
        problems.retain(|field| match field {
            "name" => self.name != before.name,
            "email" => self.email != before.email,
            "timezone" => self.time_zone != before.time_zone,
            "theme" => self.theme != before.theme,
            _ => true,
        });
        problems
    }
}

fn is_theme(theme: &str) -> bool {
    matches!(theme, "system" | "light" | "dark")
}

/// Stores a profile that was found good. With another address the links end that were sent to the one before, or wait to take
/// its place.
pub async fn update_profile(
    app: &App,
    write: &mut Write,
    user_id: i64,
    profile: Profile,
) -> Result<()> {
    let is_named_so = user::Entity::find_by_id(user_id)
        .filter(user::Column::Name.eq(profile.name.as_str()))
        .one(&**write)
        .await?;
    // Nobody knows yet whether letters reach her at another one.
    let unconfirmed: Option<DateTime<Utc>> = None;
    let readdressed = user::Entity::update_many()
        .col_expr(user::Column::EmailConfirmedAt, Expr::value(unconfirmed))
        .filter(user::Column::Id.eq(user_id))
        .filter(user::Column::Email.ne(profile.email.as_str()))
        .exec(&**write)
        .await?;
    if readdressed.rows_affected > 0 {
        links::end_all(app, write, user_id).await?;
    }
    user::Entity::update_many()
        .col_expr(user::Column::Name, Expr::value(profile.name))
        .col_expr(user::Column::Email, Expr::value(profile.email))
        .col_expr(user::Column::TimeZone, Expr::value(profile.time_zone))
        .col_expr(user::Column::Theme, Expr::value(profile.theme))
        .filter(user::Column::Id.eq(user_id))
        .exec(&**write)
        .await?;
    // Her courses, and lists of them, name her.
    if is_named_so.is_none() {
        changes::person(write, user_id).await?;
    }
    sessions::changed(write, user_id).await
}

/// Stores the theme alone.
///
/// # Errors
/// [`Error::Invalid`] at `theme`.
pub async fn set_theme(write: &mut Write, user_id: i64, theme: &str) -> Result<()> {
    if !is_theme(theme) {
        return Err(Error::invalid("theme", UNKNOWN_THEME));
    }
    user::Entity::update_many()
        .col_expr(user::Column::Theme, Expr::value(theme))
        .filter(user::Column::Id.eq(user_id))
        .exec(&**write)
        .await?;
    sessions::changed(write, user_id).await
}
