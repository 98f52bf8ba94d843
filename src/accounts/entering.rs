//! From a password that was right to a session: the steps that may stand between, and the session itself.
//!
//! Between the steps the browser carries, sealed, who has shown which password when; nothing of it is stored.

use super::rights::hold_user;
use super::store;
use crate::app::App;
use crate::config::ConfirmedEmail;
use crate::db::Write;
use crate::entities::user;
use crate::error::Result;
use crate::web::headers::set_cookie;
use crate::web::identity::Person;
use crate::web::sessions::Device;
use crate::web::{csrf, redirect, sealed, second_factor, sessions};
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::Response;
use axum_extra::extract::CookieJar;
use chrono::TimeDelta;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde::{Deserialize, Serialize};

/// Where one goes who is logged in and asked for nothing else.
pub(super) const HOME: &str = "/students/courses/";
/// Where one logs in.
pub(super) const LOGIN: &str = "/accounts/login/";
/// Where a code is asked for.
pub(super) const CODE: &str = "/accounts/login/code/";
/// Where a confirmed mail address is asked for.
pub(super) const ADDRESS: &str = "/accounts/email/needed/";
/// Where two-factor log-in is set up.
pub(super) const SECURITY: &str = "/accounts/security/";

const COOKIE: &str = "lyceum_step";
const PURPOSE: &str = "log-in between two steps";
/// How long the steps may take together.
const LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// Who has shown her password and is not logged in yet.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    user_id: i64,
    /// Of her credentials: a password that was changed meanwhile counts no more.
    version: i64,
    /// Seconds since 1970.
    until: i64,
    /// Before which step she stands: its page.
    path: String,
    /// Where she wanted to go.
    next: String,
}

impl Pending {
    /// Of whoever stands before the step of this page in this browser; her account is open, and her password the same.
    pub async fn of(
        app: &App,
        headers: &HeaderMap,
        path: &str,
    ) -> Result<Option<(Self, user::Model)>> {
        let jar = CookieJar::from_headers(headers);
        let opened = jar
            .get(COOKIE)
            .and_then(|cookie| sealed::open(app, PURPOSE, "", cookie.value()))
            .and_then(|plain| serde_json::from_slice::<Self>(&plain).ok())
            .filter(|pending| pending.path == path && pending.until > app.clock.now().timestamp());
        let Some(pending) = opened else {
            return Ok(None);
        };
        let account = user::Entity::find_by_id(pending.user_id)
            .one(app.db.read())
            .await?;
        let account = account
            .filter(|account| account.is_active && account.credential_version == pending.version);
        Ok(account.map(|account| (pending, account)))
    }

    /// What she has shown.
    pub fn shown(&self) -> Shown {
        Shown {
            user_id: self.user_id,
            version: self.version,
            code: false,
        }
    }

    /// Where she wanted to go.
    pub fn next(&self) -> &str {
        &self.next
    }
}

/// What somebody has shown who logs in. Between that and her session others may change her password, her second factor or
/// whether she comes in at all: it is looked at once more when the session begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// Whose account it is.
    pub user_id: i64,
    /// Of the credentials that were found right.
    pub version: i64,
    /// Whether a code was shown, too.
    pub code: bool,
}

/// The right password was shown: begins a session, or leads to the step that is still to be taken.
pub(super) async fn after_password(
    app: &App,
    person: &Person,
    device: &Device,
    next: &str,
) -> Result<Response> {
    let shown = Shown {
        user_id: person.id,
        version: person.credential_version,
        code: false,
    };
    if second_factor::is_on(app.db.read(), person.id).await? {
        return step(app, shown, next, CODE);
    }
    begin(app, shown, device, next).await
}

/// The right code was shown too.
pub(super) async fn after_code(app: &App, pending: &Pending, device: &Device) -> Result<Response> {
    let shown = Shown {
        code: true,
        ..pending.shown()
    };
    begin(app, shown, device, pending.next()).await
}

/// Begins a session, unless an address is still to be confirmed.
async fn begin(app: &App, shown: Shown, device: &Device, next: &str) -> Result<Response> {
    let account = store::get_user(app.db.read(), shown.user_id).await?;
    if lacks_address(app, &account) {
        return step(app, shown, next, ADDRESS);
    }
    let must_set_up = app.config.requires_staff_two_factor
        && second_factor::load_person_within(app, account)
            .await?
            .lacks_second_factor;
    let next = if must_set_up { SECURITY } else { next };
    let mut write = app.write().await?;
    let Some(entry) = Entry::begin(app, &mut write, shown, device).await? else {
        return Ok(redirect::see_other(LOGIN));
    };
    write.commit().await?;
    let mut response = entry.lead_to(app, next);
    if shown.code {
        let is_https = app.config.is_https();
        let over = set_cookie(COOKIE, "", TimeDelta::zero(), true, is_https);
        response.headers_mut().append(SET_COOKIE, over);
    }
    Ok(response)
}

/// Whether she has to confirm a mail address before she gets in.
pub(super) fn lacks_address(app: &App, account: &user::Model) -> bool {
    app.config.confirmed_email == ConfirmedEmail::Login
        && !account.is_staff
        && account.email_confirmed_at.is_none()
}

/// The answer that leads to another step.
///
/// # Errors
/// Should it not be sealed.
pub(super) fn step(app: &App, shown: Shown, next: &str, path: &str) -> Result<Response> {
    let pending = Pending {
        user_id: shown.user_id,
        version: shown.version,
        until: (app.clock.now() + LIFETIME).timestamp(),
        path: path.to_owned(),
        next: redirect::local(next).unwrap_or_default().to_owned(),
    };
    let plain = serde_json::to_vec(&pending).map_err(crate::error::Error::internal)?;
    let value = sealed::seal(app, PURPOSE, "", &plain)?;
    let is_https = app.config.is_https();
    let mut response = redirect::see_other(path);
    let cookie = set_cookie(COOKIE, &value, LIFETIME, true, is_https);
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

/// A session that begins in this browser, in place of the one that it held.
pub(super) struct Entry {
    token: String,
}

impl Entry {
    /// Ends the session that the browser holds, begins another, and notes the log-in. Nothing when what was shown does not
    /// suffice any more: she has to log in anew.
    pub async fn begin(
        app: &App,
        write: &mut Write,
        shown: Shown,
        device: &Device,
    ) -> Result<Option<Self>> {
        let user_id = shown.user_id;
        let account = hold_user(write, user_id).await?;
        let is_same = account.is_active && account.credential_version == shown.version;
        if !is_same || (!shown.code && second_factor::is_on(&**write, user_id).await?) {
            return Ok(None);
        }
        sessions::end_held(write, device).await?;
        let token = sessions::begin(app, write, user_id, device).await?;
        user::Entity::update_many()
            .col_expr(user::Column::LastLoginAt, Expr::value(app.clock.now()))
            .filter(user::Column::Id.eq(user_id))
            .exec(&**write)
            .await?;
        Ok(Some(Self { token }))
    }

    /// After the commit: the answer that leads to `next` on this site, or to one's courses.
    pub fn lead_to(self, app: &App, next: &str) -> Response {
        enter(app, &self.token, redirect::local(next).unwrap_or(HOME))
    }
}

/// The answer that leads to `path` with the cookies of a session that has just begun.
pub(super) fn enter(app: &App, token: &str, path: &str) -> Response {
    let mut response = redirect::see_other(path);
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, sessions::cookie(app, token));
    headers.append(SET_COOKIE, csrf::rotate(app, token));
    response
}
