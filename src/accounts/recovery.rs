//! A forgotten password: asked for by name or mail address, chosen anew by a link in a letter.
//!
//! The answer to who asks is the same, and takes as long, whether there is such an account or not: who it is looks a job up.
//! Advice followed: OWASP, Forgot Password Cheat Sheet.

use super::links::{self, Held, LinkState};
use super::rights::hold_user;
use super::{ChangedBy, check_password, set_password, store};
use crate::app::App;
use crate::db::Write;
use crate::entities::account_link::LinkPurpose;
use crate::entities::user;
use crate::error::{Error, Problems, Result};
use crate::jobs::{self, Job, JobContext, JobError, PRIORITY_SOON};
use crate::messages::write_letter_to;
use crate::web::extract::Query;
use crate::web::form::{FaultLine, Field, Form, fault_lines_in};
use crate::web::redirect;
use crate::web::sessions::{Device, hash};
use crate::web::shell::{Shell, page, page_with};
use crate::web::throttle::{self, Limit, address_key};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::TimeDelta;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const LINK: LinkPurpose = LinkPurpose::Password;
/// Characters of a user name or a mail address at most.
const LONGEST: usize = super::rules::EMAIL_MAX;
/// Accounts behind one mail address that are sent a link at once.
const MOST_ACCOUNTS: u64 = 5;
/// So many links are sent to one account in an hour, whoever asks for them.
const MOST_LINKS: u64 = 3;

/// How often links are asked for from one address of the network; the one with which the pause begins is refused.
const ASKED_FROM: Limit = Limit {
    name: "forgot-from",
    most: 21,
    window: Duration::from_secs(15 * 60),
    wait: Duration::from_secs(15 * 60),
    words: "Too many new passwords were asked for from here. Please wait a quarter of an hour, then try again.",
};
/// How often for one name, whether somebody is called so or not.
const ASKED_FOR: Limit = Limit {
    name: "forgot-for",
    most: 6,
    words: "A new password was asked for this name several times. Look for the letters, or try again in a quarter of an hour.",
    ..ASKED_FROM
};

/// The form that asks who has forgotten her password.
#[derive(Template)]
#[template(path = "accounts/forgot.html")]
struct ForgotPage {
    shell: Shell,
    /// Whether the site can send a letter at all.
    sends_mail: bool,
    is_sent: bool,
    who: Field,
    faults: Vec<FaultLine>,
}

/// The form that takes a new password, or says why the link is not good.
#[derive(Template)]
#[template(path = "accounts/reset.html")]
struct ResetPage {
    shell: Shell,
    /// Why there is no form.
    refusal: &'static str,
    username: String,
    new_password1: Field,
    new_password2: Field,
    faults: Vec<FaultLine>,
}

/// What may stand after the question mark.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Opened {
    /// The secret of a link.
    key: Option<String>,
    /// Whether a link was asked for.
    sent: Option<String>,
}

/// GET `/accounts/password/forgot/`.
pub async fn forgot_form(
    State(app): State<App>,
    shell: Shell,
    Query(opened): Query<Opened>,
) -> Result<Response> {
    let is_sent = opened.sent.is_some();
    page(&ForgotPage::new(&app, shell, "", &Problems::new(), is_sent))
}

/// POST `/accounts/password/forgot/`: lets a job look for the account `who`.
pub async fn forgot(
    State(app): State<App>,
    shell: Shell,
    device: Device,
    form: Form,
) -> Result<Response> {
    let who = form.text("who");
    if !app.config.sends_mail() {
        return page(&ForgotPage::new(&app, shell, who, &Problems::new(), false));
    }
    let problems = who_problems(who);
    if !problems.is_empty() {
        let shown = ForgotPage::new(&app, shell, who, &problems, false);
        return page_with(StatusCode::UNPROCESSABLE_ENTITY, &shown);
    }
    match may_ask(&app, &device, who).await {
        Ok(()) => {}
        Err(Error::TooMany {
            message,
            retry_after_seconds,
        }) => {
            let problems = Problems::of(Problems::WHOLE, message);
            let shown = ForgotPage::new(&app, shell, who, &problems, false);
            let shown = page_with(StatusCode::TOO_MANY_REQUESTS, &shown)?;
            return Ok(super::pages::with_wait(shown, Some(retry_after_seconds)));
        }
        Err(other) => return Err(other),
    }
    let mut write = app.write().await?;
    let job = FindForgetful {
        who: who.to_owned(),
    };
    jobs::enqueue(&app, &mut write, &job).await?;
    write.commit().await?;
    Ok(redirect::see_other("/accounts/password/forgot/?sent=yes"))
}

fn who_problems(who: &str) -> Problems {
    let mut problems = Problems::new();
    problems.check(
        !who.is_empty(),
        "who",
        "Type your user name or your mail address.",
    );
    let is_short = who.chars().count() <= LONGEST && !who.chars().any(char::is_control);
    problems.check(
        is_short,
        "who",
        "This is neither a user name nor a mail address. Type one of them, on one line.",
    );
    problems
}

/// Counts before it looks, so that of many at once no more are heard than of one after the other.
async fn may_ask(app: &App, device: &Device, who: &str) -> Result<()> {
    throttle::pace(app, &ASKED_FROM, &address_key(device.address)).await?;
    throttle::pace(app, &ASKED_FOR, &hash(&who.to_lowercase())).await
}

impl ForgotPage {
    fn new(app: &App, shell: Shell, who: &str, problems: &Problems, is_sent: bool) -> Self {
        Self {
            shell,
            sends_mail: app.config.sends_mail(),
            is_sent,
            who: Field::new("who", who, problems),
            faults: fault_lines_in(problems, &["who"]),
        }
    }
}

/// Looks for the accounts of somebody who has forgotten her password, and asks for a link to each.
#[derive(Debug, Serialize, Deserialize)]
pub struct FindForgetful {
    who: String,
}

impl Job for FindForgetful {
    const KIND: &'static str = "find_forgetful";

    fn priority(&self) -> i32 {
        PRIORITY_SOON
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let app = &context.app;
        let mut accounts = find_forgetful(app.db.read(), &self.who).await?;
        accounts.sort_unstable_by_key(|account| account.id);
        let mut write = context.write().await?;
        for account in accounts {
            // Of two letters that are asked for in the same instant one job waits for the other.
            hold_user(&write, account.id).await?;
            let hour = TimeDelta::hours(1);
            let sent = links::count_since(app, &*write, account.id, LINK, hour).await?;
            if sent < MOST_LINKS {
                links::ask(app, &mut write, account.id, LINK, &account.email).await?;
            }
        }
        context.complete(write).await
    }
}

/// Who may be sent a link: open accounts with a password and an address. Who logs in elsewhere has no password here. Of many
/// that gave the same address first those who have confirmed it, then those who were here last: others cannot crowd them out.
async fn find_forgetful(db: &impl ConnectionTrait, who: &str) -> Result<Vec<user::Model>> {
    let lowered = |expression| Expr::expr(Func::lower(expression));
    let has_address = lowered(Expr::col(user::Column::Email)).eq(lowered(Expr::value(who)));
    let found = user::Entity::find()
        .filter(
            Condition::any()
                .add(user::Column::Username.eq(who))
                .add(has_address),
        )
        .filter(user::Column::IsActive.eq(true))
        .filter(user::Column::PasswordHash.ne(""))
        .filter(user::Column::Email.ne(""))
        .order_by_asc(user::Column::EmailConfirmedAt.is_null())
        .order_by_desc(user::Column::LastLoginAt.is_not_null())
        .order_by_desc(user::Column::LastLoginAt)
        .order_by_asc(user::Column::Id)
        .limit(MOST_ACCOUNTS);
    Ok(found.all(db).await?)
}

/// GET `/accounts/password/reset/`: with a key the link of a letter, which may be opened as often as anybody likes; without
/// one the form.
pub async fn reset_form(
    State(app): State<App>,
    shell: Shell,
    Query(opened): Query<Opened>,
    headers: HeaderMap,
) -> Result<Response> {
    if let Some(key) = opened.key {
        return Ok(links::hold(&app, LINK, &key));
    }
    let held = Held::of(&headers, LINK);
    match links::look(&app, app.db.read(), LINK, &held).await? {
        LinkState::Good(link) => {
            let account = store::get_user(app.db.read(), link.user_id).await?;
            page(&ResetPage::new(shell, &account.username, &Problems::new()))
        }
        other => refused(shell, &other),
    }
}

/// POST `/accounts/password/reset/`: uses the link. Every session of the account ends.
pub async fn reset(
    State(app): State<App>,
    shell: Shell,
    headers: HeaderMap,
    form: Form,
) -> Result<Response> {
    let held = Held::of(&headers, LINK);
    let link = match links::look(&app, app.db.read(), LINK, &held).await? {
        LinkState::Good(link) => link,
        other => return refused(shell, &other),
    };
    let account = store::get_user(app.db.read(), link.user_id).await?;
    let problems = password_problems(&form, &account.username);
    if !problems.is_empty() {
        let shown = ResetPage::new(shell, &account.username, &problems);
        return page_with(StatusCode::UNPROCESSABLE_ENTITY, &shown);
    }
    let password_hash = app.passwords.hash(form.get("new_password1")).await?;
    let mut write = app.write().await?;
    let link = match links::take(&app, &write, LINK, &held).await? {
        LinkState::Good(link) => link,
        other => return refused(shell, &other),
    };
    let by = ChangedBy::Link;
    set_password(&app, &mut write, link.user_id, password_hash, by).await?;
    // The letter has reached her.
    store::confirm_address(&app, &write, link.user_id, &link.email).await?;
    write.commit().await?;
    tracing::info!(user = link.user_id, "a password was chosen anew by a link");
    let mut response = redirect::see_other("/accounts/login/?reset=yes");
    links::let_go(&app, LINK, &mut response);
    Ok(response)
}

fn password_problems(form: &Form, username: &str) -> Problems {
    let new = form.get("new_password1");
    let mut problems = Problems::new();
    check_password(new, username, "new_password1", &mut problems);
    problems.check(
        new == form.get("new_password2"),
        "new_password2",
        "The two passwords differ. Type the same one twice.",
    );
    problems
}

/// Writes to her that her password was changed. Whoever has none here is not written to.
pub(super) async fn tell_changed(
    app: &App,
    write: &mut Write,
    user_id: i64,
    by: ChangedBy,
) -> Result<()> {
    let account = store::get_user(&**write, user_id).await?;
    if account.password_hash.is_empty() {
        return Ok(());
    }
    let site = &app.config.site_name;
    let how = match by {
        ChangedBy::Herself => "on the page of its settings",
        ChangedBy::Link => "by a link that was sent to this address",
        ChangedBy::Staff => "by the staff of the site",
    };
    let text = format!(
        "Hello {},\n\n\
         the password of your account at {site} was changed {how}.\n\
         Wherever else you were logged in, you are not any more, and a change of your mail address that was begun is taken back. \
         Tokens of programs go on working.\n\n\
         If you know nothing of it, ask for a new password at once:\n\n{}/accounts/password/forgot/\n\n\
         and tell the staff of the site.\n",
        account.username,
        app.config.site_url()
    );
    let subject = format!("Your password at {site} was changed");
    write_letter_to(app, write, &account.email, &subject, &text).await
}

fn refused(shell: Shell, state: &LinkState) -> Result<Response> {
    let status = match state {
        LinkState::Unknown => StatusCode::NOT_FOUND,
        _ => StatusCode::GONE,
    };
    let mut shown = ResetPage::new(shell, "", &Problems::new());
    shown.refusal = state.words(LINK);
    page_with(status, &shown)
}

impl ResetPage {
    fn new(shell: Shell, username: &str, problems: &Problems) -> Self {
        Self {
            shell,
            refusal: "",
            username: username.to_owned(),
            new_password1: Field::new("new_password1", "", problems),
            new_password2: Field::new("new_password2", "", problems),
            faults: fault_lines_in(problems, &["new_password1", "new_password2"]),
        }
    }
}
