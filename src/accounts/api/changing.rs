//! Changing accounts: what somebody tells of herself, and for staff the rights of others.
//!
//! Rights are given by who has a session or her password, never by a key: what it gave would outlive its own end. So are the
//! mail addresses of others, since whoever has the mailbox gets the account. Whoever
//! takes or gives them is held with the account that she changes, and must be of the staff then; since nobody takes them
//! from herself, somebody of the staff is always left.

use super::users::{USER, UserRow, dressed};
use crate::accounts::by_staff;
use crate::accounts::confirmation::{hold_back, may_write_to};
use crate::accounts::facts::{hold_touchable, user_facts};
use crate::accounts::profile::{Profile, update_profile};
use crate::accounts::rights::{
    hold_caller, hold_with, list_groups, numbers_of, require_still, set_groups, set_rights,
};
use crate::accounts::store;
use crate::accounts::{NewUser, create_user};
use crate::db::Write;
use crate::error::{Error, Problems, Result};
use crate::web::audit::{Done, Facts, record};
use crate::web::identity::Person;
use crate::web::rest::{Answer, Call, Given};
use std::collections::BTreeMap;

/// Told when a key is used for the settings of its owner.
const NOT_BY_KEY: &str =
    "A token does not change the settings of its owner. Log in, or use your password.";
/// Told when a session or a key is used for the mail address.
const TAKES_PASSWORD: &str = "Your mail address is changed on your profile page, which asks for your password, or by a program that shows name and password.";
/// Told when a key is used for rights.
const NO_RIGHTS_BY_KEY: &str =
    "A token does not give or take rights. Log in, or use your password.";
/// Told when a key is used for the mail address of somebody else.
const NO_ADDRESS_BY_KEY: &str = "A token changes no mail addresses: whoever has the mailbox gets the account. Log in, or use your password.";
/// Told who runs a part of the site and gives rights.
const STAFF_ALONE: &str = "Only staff say who runs the site, and who is in which group.";

/// PATCH `/api/users/me/`
pub(super) async fn change_me(call: Call) -> Result<Answer> {
    let person = call.person()?;
    require_no_key(person)?;
    // Before the transaction, since what is counted may lie in the same database.
    let typed = call.given.text("email").unwrap_or_default().trim();
    if !typed.is_empty() && typed != person.email {
        may_write_to(&call.app, typed).await?;
    }
    let (mut write, before) = hold(&call).await?;
    let held = Profile::of(&before.account);
    let after = call
        .given
        .judge_change(&USER, &before, |given| profile(given, &held))?;
    call.unchanged(&USER, &before)?;
    if after.email != held.email {
        require_password_shown(person, &before)?;
    }
    let after = hold_back(&call.app, &mut write, &before.account, after).await?;
    if after != held {
        update_profile(&call.app, &mut write, before.account.id, after).await?;
    }
    done(&call, write, before.account.id).await
}

/// What is asked of a key with scopes, as on the page of the settings.
pub(super) fn require_no_key(person: &Person) -> Result<()> {
    match person.scopes {
        Some(_) => Err(Error::Forbidden(NOT_BY_KEY)),
        None => Ok(()),
    }
}

/// What is asked of who changes her own mail address: whoever has that gets the account. Her page asks for the password; a
/// program has shown it with its request.
fn require_password_shown(person: &Person, row: &UserRow) -> Result<()> {
    let is_shown = person.session_id.is_none() && !person.is_by_key;
    if is_shown || row.account.password_hash.is_empty() {
        Ok(())
    } else {
        Err(Error::Forbidden(TAKES_PASSWORD))
    }
}

/// What is asked of who changes the mail address of an account by its number, where the new one counts at once.
fn require_may_readdress(person: &Person, row: &UserRow, is_self: bool) -> Result<()> {
    if is_self {
        require_password_shown(person, row)
    } else if person.is_by_key {
        Err(Error::Forbidden(NO_ADDRESS_BY_KEY))
    } else {
        Ok(())
    }
}

/// What is asked of whoever gives or takes rights.
///
/// # Errors
/// [`Error::Forbidden`] for a key, whatever it may be used for.
pub(super) fn require_no_key_for_rights(person: &Person) -> Result<()> {
    if person.is_by_key {
        Err(Error::Forbidden(NO_RIGHTS_BY_KEY))
    } else {
        Ok(())
    }
}

/// What is asked of whoever gives or takes what the admin site lets staff alone give and take; whoever changes accounts
/// there opens and shuts them.
///
/// # Errors
/// [`Error::Forbidden`].
fn require_may_give(person: &Person, after: &Rights, before: &Rights) -> Result<()> {
    let gives = after.is_staff != before.is_staff || after.groups != before.groups;
    if gives && !person.is_staff {
        Err(Error::Forbidden(STAFF_ALONE))
    } else {
        Ok(())
    }
}

/// What an account may do.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rights {
    is_staff: bool,
    is_active: bool,
    /// By name.
    groups: Vec<String>,
}

impl Rights {
    fn of(row: &UserRow) -> Self {
        Self {
            is_staff: row.account.is_staff,
            is_active: row.account.is_active,
            groups: row.groups.clone(),
        }
    }

    /// Those of an account of which nothing is said.
    fn of_new() -> Self {
        Self {
            is_staff: false,
            is_active: true,
            groups: Vec::new(),
        }
    }

    /// As they are to be, with the numbers of the groups.
    fn read(
        given: &Given,
        before: &Self,
        is_self: bool,
        known: &BTreeMap<String, i64>,
    ) -> Result<(Self, Vec<i64>), Problems> {
        let mut problems = Problems::new();
        let is_staff = given.flag("is_staff").unwrap_or(before.is_staff);
        let is_active = given.flag("is_active").unwrap_or(before.is_active);
        let keeps = "You cannot take this from yourself: ask somebody else of the staff.";
        problems.check(is_staff || !is_self, "is_staff", keeps);
        problems.check(is_active || !is_self, "is_active", keeps);
        let mut groups = given.texts("groups").unwrap_or(&before.groups).to_vec();
        groups.sort_unstable();
        groups.dedup();
        let numbers = numbers_of(&groups, known).unwrap_or_else(|more| {
            problems.extend(more);
            Vec::new()
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let rights = Self {
            is_staff,
            is_active,
            groups,
        };
        Ok((rights, numbers))
    }
}

/// PATCH `/api/users/<id>/`
pub(super) async fn change_other(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let (mut write, row) = hold_other(&call).await?;
    let told = user_facts(&*write, row.account.id).await?;
    let (id, held, before) = (row.account.id, Profile::of(&row.account), Rights::of(&row));
    let known = list_groups(&*write).await?;
    let is_self = person.id == id;
    let (after, (rights, groups)) = call.given.judge_change(&USER, &row, |given| {
        let rights = Rights::read(given, &before, is_self, &known);
        match (profile(given, &held), rights) {
            (Ok(profile), Ok(rights)) => Ok((profile, rights)),
            (profile, rights) => {
                let mut problems = profile.err().unwrap_or_default();
                problems.extend(rights.err().unwrap_or_default());
                Err(problems)
            }
        }
    })?;
    if is_self {
        require_no_key(person)?;
    }
    if after.email != held.email {
        require_may_readdress(person, &row, is_self)?;
    }
    let changes_rights = rights != before;
    if changes_rights {
        require_no_key_for_rights(person)?;
        require_may_give(person, &rights, &before)?;
    }
    call.unchanged(&USER, &row)?;
    if after != held {
        by_staff::set_profile(&call.app, &mut write, &row.account, after).await?;
    }
    if (rights.is_staff, rights.is_active) != (before.is_staff, before.is_active) {
        set_rights(&mut write, id, rights.is_staff, rights.is_active).await?;
    }
    if rights.groups != before.groups {
        set_groups(&mut write, id, &groups).await?;
    }
    if !is_self {
        log(&call, &write, "change", id, told).await?;
    }
    let answer = done(&call, write, id).await?;
    if changes_rights {
        tracing::info!(by = person.id, user = id, ?before, after = ?rights, "rights were changed");
    }
    Ok(answer)
}

/// POST `/api/users/`: an account that staff make for somebody.
pub(super) async fn create(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let given = &call.given;
    let new = NewUser {
        username: given.text("username").unwrap_or_default().to_owned(),
        name: String::new(),
        email: String::new(),
        is_staff: false,
    };
    let password = given.text("password").unwrap_or_default().to_owned();
    let found = new.problems(&call.app, &password, "password").await?;
    let known = list_groups(call.app.db.read()).await?;
    let blank = Profile::new_account();
    let (about, (rights, groups)) = given.judge(|given| {
        let rights = Rights::read(given, &Rights::of_new(), false, &known);
        let mut problems = found;
        match (profile(given, &blank), rights) {
            (Ok(profile), Ok(rights)) if problems.is_empty() => Ok((profile, rights)),
            (profile, rights) => {
                problems.extend(profile.err().unwrap_or_default());
                problems.extend(rights.err().unwrap_or_default());
                Err(problems)
            }
        }
    })?;
    require_no_key_for_rights(person)?;
    require_may_give(person, &rights, &Rights::of_new())?;
    let hash = call.app.passwords.hash(&password).await?;
    let mut write = call.app.write().await?;
    hold_caller(&write, person).await?;
    let id = create_user(&call.app, &mut write, new, hash).await?.id;
    if about != blank {
        update_profile(&call.app, &mut write, id, about).await?;
    }
    if rights.is_staff || !rights.is_active {
        set_rights(&mut write, id, rights.is_staff, rights.is_active).await?;
    }
    if !groups.is_empty() {
        set_groups(&mut write, id, &groups).await?;
    }
    log(&call, &write, "add", id, None).await?;
    let row = dressed(&*write, store::get_user(&*write, id).await?).await?;
    tracing::info!(by = person.id, user = id, ?rights, "an account was made");
    call.made(write, &USER, &row, &format!("/api/users/{id}/"))
        .await
}

/// Logs what staff did to somebody's account.
async fn log(call: &Call, write: &Write, act: &str, id: i64, before: Option<Facts>) -> Result<()> {
    let after = user_facts(&**write, id).await?;
    let done = Done {
        act,
        kind: "user",
        id,
        before: before.as_ref(),
        after: after.as_ref(),
    };
    record(write, &call.by()?, done).await
}

/// What she tells of herself, by the rules of its page; what stays as it is stays, whatever it is.
fn profile(given: &Given, before: &Profile) -> Result<Profile, Problems> {
    let typed = |name: &str, before: &str| match given.text(name) {
        Some(typed) => typed.trim().to_owned(),
        None => before.to_owned(),
    };
    let profile = Profile {
        name: typed("name", &before.name),
        email: typed("email", &before.email),
        time_zone: typed("timezone", &before.time_zone),
        theme: typed("theme", &before.theme),
    };
    let problems = profile.problems_since(before);
    if problems.is_empty() {
        Ok(profile)
    } else {
        Err(problems)
    }
}

/// The account, held for a change together with that of the caller, who is still whom she was taken for.
async fn hold(call: &Call) -> Result<(Write, UserRow)> {
    let id = call.object::<UserRow>()?.account.id;
    let person = call.person()?;
    let write = call.app.write().await?;
    let (caller, account) = hold_with(&write, person.id, id).await?;
    require_still(&caller, person)?;
    let row = dressed(&*write, account).await?;
    Ok((write, row))
}

/// The account of somebody else, held as [`hold_touchable`] says; or one's own.
async fn hold_other(call: &Call) -> Result<(Write, UserRow)> {
    let id = call.object::<UserRow>()?.account.id;
    let write = call.app.write().await?;
    let account = hold_touchable(&write, call.person()?, id).await?;
    let row = dressed(&*write, account).await?;
    Ok((write, row))
}

async fn done(call: &Call, write: Write, id: i64) -> Result<Answer> {
    let account = store::get_user(&*write, id).await?;
    let row = dressed(&*write, account).await?;
    write.commit().await?;
    call.one(&USER, &row)
}
