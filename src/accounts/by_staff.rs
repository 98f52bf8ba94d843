//! What those who run the site do with the accounts of others: another password, sessions ended, two-factor log-in reset.
//! Who may at all is for the caller to have asked; that nobody takes a right over by somebody else's account is seen to
//! here.

use super::confirmation::tell_old;
use super::{
    ChangedBy, Profile, check_password, hold_touchable, reset_two_factor, set_password,
    update_profile,
};
use crate::app::App;
use crate::db::Write;
use crate::entities::user;
use crate::error::{Error, Problems, Result};
use crate::web::identity::Person;
use crate::web::sessions;
use sea_orm::EntityTrait as _;

const NOT_ONES_OWN: &str =
    "Turn your own two-factor log-in off under Settings, Security: that takes a code.";
const OWN_PASSWORD: &str =
    "Change your own password under Settings, Password: that takes the present one.";

/// Looks at a password that somebody is to get, and hashes it: to be called before the transaction, since it takes long.
///
/// # Errors
/// [`Error::Invalid`] at `password`, [`Error::NotFound`] when there is no such account.
pub async fn hash_for(app: &App, id: i64, password: &str) -> Result<String> {
    let found = user::Entity::find_by_id(id).one(app.db.read()).await?;
    let account = found.ok_or(Error::NotFound)?;
    let mut problems = Problems::new();
    check_password(password, &account.username, "password", &mut problems);
    problems.into_result()?;
    app.passwords.hash(password).await
}

/// Gives somebody another password, by its hash. Her sessions end, and she is told.
///
/// # Errors
/// As [`hold_touchable`]; [`Error::Conflict`] for one's own, which takes the present one.
pub async fn give_password(
    app: &App,
    write: &mut Write,
    person: &Person,
    id: i64,
    hash: String,
) -> Result<()> {
    hold_touchable(write, person, id).await?;
    if person.id == id {
        return Err(Error::Conflict(OWN_PASSWORD.into()));
    }
    set_password(app, write, id, hash, ChangedBy::Staff).await
}

/// Stores what was set of the profile of an account that is held. Another mail address counts at once, and the one before is
/// told.
///
/// # Errors
/// When the database does not answer.
pub async fn set_profile(
    app: &App,
    write: &mut Write,
    before: &user::Model,
    after: Profile,
) -> Result<()> {
    if after.email != before.email {
        tell_old(app, write, before, "was changed by the staff of the site").await?;
    }
    update_profile(app, write, before.id, after).await
}

/// Ends the sessions of somebody; of herself all but the one by which she asks.
///
/// # Errors
/// As [`hold_touchable`].
pub async fn end_sessions_of(write: &mut Write, person: &Person, id: i64) -> Result<()> {
    hold_touchable(write, person, id).await?;
    let kept = (person.id == id).then_some(person.session_id);
    sessions::end_all(write, id, kept.flatten()).await
}

/// Takes the second factor from somebody who has lost it. Her sessions end, and she is told.
///
/// # Errors
/// As [`hold_touchable`]; [`Error::Conflict`] for one's own, which takes a code.
pub async fn take_two_factor(app: &App, write: &mut Write, person: &Person, id: i64) -> Result<()> {
    hold_touchable(write, person, id).await?;
    if person.id == id {
        return Err(Error::Conflict(NOT_ONES_OWN.into()));
    }
    reset_two_factor(app, write, id).await?;
    Ok(())
}
