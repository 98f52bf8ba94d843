//! What can be done to accounts: shut and opened, another password, sessions ended.

use crate::accounts;
use crate::admin::table::{Action, Control, Doing, Entry, Look};
use crate::error::{Error, Result};
use crate::web::form::Form;
use crate::web::permissions::admin;

const NOT_ONESELF: &str = "Nobody shuts her own account here. Ask another member of the staff.";

/// All of them.
pub fn actions() -> Vec<Action> {
    let action = Action {
        name: "",
        label: "",
        icon: "",
        permission: admin::CHANGE_USER,
        is_danger: false,
        is_for_many: true,
        words: "",
        entries: Vec::new,
        prepare: None,
        act: |_, _| Box::pin(std::future::ready(Ok(()))),
    };
    vec![
        Action {
            name: "password",
            label: "Set password",
            icon: "key-round",
            is_for_many: false,
            words: "Gives them another password. Their sessions end everywhere.",
            entries: new_password,
            prepare: Some(|look, id, form| Box::pin(hash(look, id, form))),
            act: |doing, id| Box::pin(set_password(doing, id)),
            ..action
        },
        Action {
            name: "end-sessions",
            label: "End sessions",
            icon: "log-out",
            words: "They are logged out in every browser and can log in again at once.",
            act: |doing, id| Box::pin(end_sessions(doing, id)),
            ..action
        },
        Action {
            name: "two-factor",
            label: "Reset two-factor log-in",
            icon: "shield",
            is_for_many: false,
            is_danger: true,
            words: "For whoever has lost phone and recovery codes: the password alone logs them in then, and their sessions end. Make sure who asks.",
            act: |doing, id| Box::pin(reset_two_factor(doing, id)),
            ..action
        },
        Action {
            name: "deactivate",
            label: "Deactivate",
            icon: "lock",
            is_danger: true,
            words: "They are logged out at once and cannot log in any more; their keys open nothing. What they have made stays, and the account can be opened again.",
            act: |doing, id| Box::pin(set_active(doing, id, false)),
            ..action
        },
        Action {
            name: "activate",
            label: "Activate",
            icon: "check",
            words: "They can log in again, with the password that they had.",
            act: |doing, id| Box::pin(set_active(doing, id, true)),
            ..action
        },
    ]
}

fn new_password() -> Vec<Entry> {
    let hint =
        "At least 8 characters. Tell it to them by a way that you trust; they can change it.";
    vec![Entry::new("password", "New password", Control::Password).hint(hint)]
}

async fn set_active(doing: Doing<'_>, id: i64, is_active: bool) -> Result<()> {
    let account = accounts::hold_touchable(doing.write, doing.person, id).await?;
    if doing.person.id == id && !is_active {
        return Err(Error::Conflict(NOT_ONESELF.into()));
    }
    if account.is_active == is_active {
        return Ok(());
    }
    accounts::set_rights(doing.write, id, account.is_staff, is_active).await
}

async fn end_sessions(doing: Doing<'_>, id: i64) -> Result<()> {
    accounts::end_sessions_of(doing.write, doing.person, id).await
}

/// Looks at the password that was typed, and hashes it.
async fn hash(look: &Look, id: Option<i64>, form: &Form) -> Result<String> {
    let id = id.ok_or(Error::NotFound)?;
    accounts::hash_for(&look.app, id, form.get("password")).await
}

async fn reset_two_factor(doing: Doing<'_>, id: i64) -> Result<()> {
    accounts::take_two_factor(doing.app, doing.write, doing.person, id).await
}

async fn set_password(doing: Doing<'_>, id: i64) -> Result<()> {
    let hash = doing.prepared.to_owned();
    accounts::give_password(doing.app, doing.write, doing.person, id, hash).await
}
