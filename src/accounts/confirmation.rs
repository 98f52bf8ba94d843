//! Confirmed mail addresses: of a new account, of a change, and where the site lets nobody in without one.
//!
//! A new address stands in its link until that is used; the one before counts until then, and is told.

use super::entering::{self, LOGIN, Pending};
use super::links::{self, Held, LinkState};
use super::{Profile, check_email, store};
use crate::app::App;
use crate::db::Write;
use crate::entities::account_link::{self, LinkPurpose};
use crate::entities::user;
use crate::error::{Error, Problems, Result};
use crate::messages::write_letter_to;
use crate::web::extract::Query;
use crate::web::form::{FaultLine, Field, Form, fault_lines_in};
use crate::web::identity::Student;
use crate::web::redirect;
use crate::web::sessions::{self, Device, hash};
use crate::web::shell::{Shell, page, page_with};
use crate::web::throttle::{self, Limit, address_key};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::TimeDelta;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::Deserialize;
use std::time::Duration;

const LINK: LinkPurpose = LinkPurpose::Email;
/// So many letters to confirm addresses are sent for one account in an hour.
const MOST_LINKS: u64 = 5;
const TOO_MANY: &str = "Several letters were sent already. Look for them, or try again in an hour.";

/// What may stand after the question mark.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Opened {
    /// The secret of a link.
    key: Option<String>,
    /// Whether it is done.
    done: Option<String>,
}

/// The page of a link that confirms an address.
#[derive(Template)]
#[template(path = "accounts/confirm.html")]
struct ConfirmPage {
    shell: Shell,
    is_done: bool,
    refusal: &'static str,
    username: String,
    email: String,
    /// Where she logs in, and goes from there.
    login_path: String,
}

/// The page for whoever needs a confirmed address to get in.
#[derive(Template)]
#[template(path = "accounts/address_needed.html")]
struct NeededPage {
    shell: Shell,
    /// To where a letter was sent just now.
    sent_to: String,
    /// Where she logs in once it is confirmed, and goes from there.
    login_path: String,
    email: Field,
    faults: Vec<FaultLine>,
}

/// How the mail address of an account stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Whether the present one is confirmed.
    pub is_confirmed: bool,
    /// The one that is to be confirmed; empty when there is none.
    pub awaited: String,
}

/// How the mail address of somebody stands; nothing where the site sends no mail.
pub(super) async fn address_of(
    app: &App,
    db: &impl ConnectionTrait,
    account: &user::Model,
) -> Result<Option<Address>> {
    if !app.config.sends_mail() {
        return Ok(None);
    }
    let newest = account_link::Entity::find()
        .filter(account_link::Column::UserId.eq(account.id))
        .filter(account_link::Column::Purpose.eq(LINK))
        .filter(account_link::Column::UsedAt.is_null())
        .filter(account_link::Column::ExpiresAt.gt(app.clock.now()))
        .order_by_desc(account_link::Column::Id)
        .one(db)
        .await?;
    Ok(Some(Address {
        is_confirmed: account.email_confirmed_at.is_some(),
        awaited: newest.map(|link| link.email).unwrap_or_default(),
    }))
}

/// How often letters go to an address that nobody has confirmed, whoever types it wherever: it may be a stranger's.
const WRITTEN_TO: Limit = Limit {
    name: "letters-to",
    most: 6,
    window: Duration::from_secs(60 * 60),
    wait: Duration::from_secs(60 * 60),
    words: TOO_MANY,
};
/// How often from one address of the network: a class that registers together has one.
const WRITTEN_FROM: Limit = Limit {
    name: "letters-from",
    most: 201,
    ..WRITTEN_TO
};

/// Counts a letter to an address that somebody has typed and nobody has confirmed. To be asked before a transaction begins.
///
/// # Errors
/// [`Error::Invalid`] at `email` after too many of them.
pub(super) async fn may_write_to(app: &App, address: &str) -> Result<()> {
    if !app.config.sends_mail() {
        return Ok(());
    }
    match throttle::pace(app, &WRITTEN_TO, &hash(&address.to_lowercase())).await {
        Err(Error::TooMany { .. }) => Err(Error::invalid("email", TOO_MANY)),
        other => other,
    }
}

/// The same for somebody who registers: whether a letter may go out.
pub(super) async fn may_write_first(app: &App, device: &Device, address: &str) -> Result<bool> {
    let from_here = throttle::pace(app, &WRITTEN_FROM, &address_key(device.address)).await;
    let asked = match from_here {
        Ok(()) => may_write_to(app, address).await,
        refused => refused,
    };
    match asked {
        Ok(()) => Ok(true),
        Err(Error::TooMany { .. } | Error::Invalid(_)) => Ok(false),
        Err(other) => Err(other),
    }
}

/// A profile that she has changed herself, as it counts at once: a new address waits for its link, which is sent here.
///
/// # Errors
/// [`Error::Invalid`] at `email` after too many letters.
pub(super) async fn hold_back(
    app: &App,
    write: &mut Write,
    account: &user::Model,
    mut profile: Profile,
) -> Result<Profile> {
    if !app.config.sends_mail() || profile.email == account.email {
        return Ok(profile);
    }
    if profile.email.is_empty() {
        links::end_those(app, write, account.id, LINK).await?;
    } else {
        let wanted = std::mem::replace(&mut profile.email, account.email.clone());
        ask(app, write, account, &wanted).await?;
    }
    tell_old(app, write, account, "is to be changed").await?;
    Ok(profile)
}

/// Sends a link to an address in place of all others.
///
/// # Errors
/// [`Error::Invalid`] at `email` after too many letters.
pub(super) async fn ask(
    app: &App,
    write: &mut Write,
    account: &user::Model,
    email: &str,
) -> Result<()> {
    let hour = TimeDelta::hours(1);
    if links::count_since(app, &**write, account.id, LINK, hour).await? >= MOST_LINKS {
        return Err(Error::invalid("email", TOO_MANY));
    }
    links::end_those(app, write, account.id, LINK).await?;
    links::ask(app, write, account.id, LINK, email).await
}

/// Tells the present address that it will not be that for long.
pub(super) async fn tell_old(
    app: &App,
    write: &mut Write,
    account: &user::Model,
    what: &str,
) -> Result<()> {
    let site = &app.config.site_name;
    let text = format!(
        "Hello {},\n\nthe mail address of your account at {site} {what}.\n\n\
         If it was not you, change your password at once: that takes back what is not done yet, and ends every session. \
         Then tell the staff of the site.\n\n{}{}\n",
        account.username,
        app.config.site_url(),
        entering::SECURITY
    );
    let subject = format!("The mail address of your account at {site}");
    write_letter_to(app, write, &account.email, &subject, &text).await
}

/// GET `/accounts/email/confirm/`: with a key the link of a letter, without one its page.
pub async fn confirm_form(
    State(app): State<App>,
    shell: Shell,
    Query(opened): Query<Opened>,
    headers: HeaderMap,
) -> Result<Response> {
    if let Some(key) = opened.key {
        return Ok(links::hold(&app, LINK, &key));
    }
    let mut shown = ConfirmPage {
        shell,
        is_done: opened.done.is_some(),
        refusal: "",
        username: String::new(),
        email: String::new(),
        login_path: LOGIN.into(),
    };
    if shown.is_done {
        // In the browser in which she began to log in it is known where she wanted to go.
        if let Some((pending, _)) = Pending::of(&app, &headers, entering::ADDRESS).await? {
            shown.login_path = redirect::with_next(LOGIN, pending.next());
        }
        return page(&shown);
    }
    let held = Held::of(&headers, LINK);
    match links::look(&app, app.db.read(), LINK, &held).await? {
        LinkState::Good(link) => {
            let account = store::get_user(app.db.read(), link.user_id).await?;
            (shown.username, shown.email) = (account.username, link.email);
            page(&shown)
        }
        other => refused(shown, &other),
    }
}

/// POST `/accounts/email/confirm/`: uses the link; its address is that of the account from now on.
pub async fn confirm(State(app): State<App>, shell: Shell, headers: HeaderMap) -> Result<Response> {
    let held = Held::of(&headers, LINK);
    let mut write = app.write().await?;
    let link = match links::take(&app, &write, LINK, &held).await? {
        LinkState::Good(link) => link,
        other => {
            drop(write);
            let shown = ConfirmPage {
                shell,
                is_done: false,
                refusal: "",
                username: String::new(),
                email: String::new(),
                login_path: LOGIN.into(),
            };
            return refused(shown, &other);
        }
    };
    take_over(&app, &mut write, &link).await?;
    write.commit().await?;
    let mut response = redirect::see_other("/accounts/email/confirm/?done=yes");
    links::let_go(&app, LINK, &mut response);
    Ok(response)
}

async fn take_over(app: &App, write: &mut Write, link: &account_link::Model) -> Result<()> {
    let before = store::get_user(&**write, link.user_id).await?;
    user::Entity::update_many()
        .col_expr(user::Column::Email, Expr::value(link.email.as_str()))
        .col_expr(user::Column::EmailConfirmedAt, Expr::value(app.clock.now()))
        .filter(user::Column::Id.eq(link.user_id))
        .exec(&**write)
        .await?;
    // Those that lie in the mailbox before it, too.
    links::end_all(app, write, link.user_id).await?;
    if before.email != link.email {
        tell_old(app, write, &before, "was changed").await?;
        tracing::info!(user = link.user_id, "a mail address was changed");
    }
    sessions::changed(write, link.user_id).await
}

fn refused(mut shown: ConfirmPage, state: &LinkState) -> Result<Response> {
    shown.refusal = state.words(LINK);
    let status = match state {
        LinkState::Unknown => StatusCode::NOT_FOUND,
        _ => StatusCode::GONE,
    };
    page_with(status, &shown)
}

/// POST `/accounts/email/send/`: sends the link once more.
pub async fn send(State(app): State<App>, Student(person): Student) -> Result<Response> {
    send_again(&app, person.id).await?;
    Ok(redirect::see_other("/accounts/profile/?sent=yes"))
}

/// Sends somebody the link once more that confirms her address, or the one that she wants to have; none where there is
/// nothing to confirm.
///
/// # Errors
/// [`Error::Conflict`] where the site sends no mail, [`Error::TooMany`].
pub(super) async fn send_again(app: &App, user_id: i64) -> Result<()> {
    let account = store::get_user(app.db.read(), user_id).await?;
    let Some(address) = address_of(app, app.db.read(), &account).await? else {
        return Err(Error::Conflict("This site sends no mail.".into()));
    };
    let wanted = match (address.awaited.as_str(), address.is_confirmed) {
        ("", true) => "",
        ("", false) => account.email.as_str(),
        (awaited, _) => awaited,
    };
    if !wanted.is_empty() {
        match ask_anew(app, account.id, wanted, true).await {
            Err(Error::Invalid(_)) => {
                return Err(Error::TooMany {
                    message: TOO_MANY.into(),
                    retry_after_seconds: 3600,
                });
            }
            asked => asked?,
        }
    }
    Ok(())
}

/// POST `/accounts/email/keep/`: the address stays as it is.
pub async fn keep(State(app): State<App>, Student(person): Student) -> Result<Response> {
    keep_address(&app, person.id).await?;
    Ok(redirect::see_other("/accounts/profile/"))
}

/// Keeps somebody's address as it is: the links that would change it do nothing any more.
pub(super) async fn keep_address(app: &App, user_id: i64) -> Result<()> {
    let write = app.write().await?;
    links::end_those(app, &write, user_id, LINK).await?;
    write.commit().await
}

/// GET `/accounts/email/needed/`.
pub async fn needed_form(
    State(app): State<App>,
    shell: Shell,
    headers: HeaderMap,
) -> Result<Response> {
    match Pending::of(&app, &headers, entering::ADDRESS).await? {
        Some((pending, account)) if entering::lacks_address(&app, &account) => {
            let awaited = address_of(&app, app.db.read(), &account).await?;
            let sent_to = awaited.map(|address| address.awaited).unwrap_or_default();
            let email = match sent_to.as_str() {
                "" => account.email,
                sent_to => sent_to.to_owned(),
            };
            let mut shown = NeededPage::new(shell, &email, &pending, &Problems::new());
            shown.sent_to = sent_to;
            page(&shown)
        }
        _ => Ok(redirect::see_other("/accounts/login/")),
    }
}

/// POST `/accounts/email/needed/`: sends a link to the address that she types.
pub async fn needed(
    State(app): State<App>,
    shell: Shell,
    headers: HeaderMap,
    form: Form,
) -> Result<Response> {
    let Some((pending, account)) = Pending::of(&app, &headers, entering::ADDRESS).await? else {
        return Ok(redirect::see_other("/accounts/login/"));
    };
    if !entering::lacks_address(&app, &account) {
        return Ok(redirect::see_other("/accounts/login/"));
    }
    let email = form.text("email");
    let mut problems = Problems::new();
    problems.check(!email.is_empty(), "email", "Type your mail address.");
    check_email(email, "email", &mut problems);
    let asked = match problems.into_result() {
        Ok(()) => ask_anew(&app, account.id, email, false).await,
        faulty => faulty,
    };
    match asked {
        Ok(()) => Ok(redirect::see_other(entering::ADDRESS)),
        Err(Error::Invalid(problems)) => {
            let shown = NeededPage::new(shell, email, &pending, &problems);
            page_with(StatusCode::UNPROCESSABLE_ENTITY, &shown)
        }
        Err(other) => Err(other),
    }
}

/// `is_known`: it is her address, or the one that she waits for; should it not be that any more, nothing is sent.
async fn ask_anew(app: &App, user_id: i64, email: &str, is_known: bool) -> Result<()> {
    may_write_to(app, email).await?;
    let mut write = app.write().await?;
    let account = super::rights::hold_user(&write, user_id).await?;
    let awaited = address_of(app, &*write, &account).await?;
    let awaits = awaited.is_some_and(|address| address.awaited == email);
    if is_known && account.email != email && !awaits {
        return Ok(());
    }
    ask(app, &mut write, &account, email).await?;
    write.commit().await
}

impl NeededPage {
    fn new(shell: Shell, email: &str, pending: &Pending, problems: &Problems) -> Self {
        Self {
            shell,
            sent_to: String::new(),
            login_path: redirect::with_next(LOGIN, pending.next()),
            email: Field::new("email", email, problems),
            faults: fault_lines_in(problems, &["email"]),
        }
    }
}
