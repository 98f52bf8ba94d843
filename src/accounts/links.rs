//! Links in letters that work once: made when their letter leaves, looked at as often as anybody likes (mail scanners
//! open them too), and used by a form that is sent.
//!
//! The row of a link is there from the moment in which it is asked for. Its secret is drawn by the job that sends the letter,
//! at each attempt anew, so that it lies nowhere but in the letter; kept is its hash.

use super::store;
use crate::app::App;
use crate::db::Write;
use crate::entities::account_link::{self, LinkPurpose};
use crate::entities::user;
use crate::error::Result;
use crate::jobs::{self, Job, JobContext, JobError, PRIORITY_SOON};
use crate::messages::deliver;
use crate::web::headers::set_cookie;
use crate::web::redirect;
use crate::web::sessions::hash;
use axum::http::header::{REFERRER_POLICY, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum_extra::extract::CookieJar;
use backends::mail::Letter;
use chrono::TimeDelta;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter,
};
use serde::{Deserialize, Serialize};

/// Characters of the secret part.
const TOKEN_LENGTH: usize = 43;
/// How long a letter may take at least before its link is given up: nobody waits for it any more.
const LETTER_TAKES: TimeDelta = TimeDelta::hours(1);
/// Links that are over are remembered this long, so that they can be told from what never was one.
const REMEMBERED: TimeDelta = TimeDelta::days(7);

/// What a purpose is called where its link leads.
struct Place {
    /// The page of the link, to which its secret is added; and the page without it.
    path: &'static str,
    /// The cookie that holds the secret for that page.
    cookie: &'static str,
    lifetime: TimeDelta,
}

fn place(purpose: LinkPurpose) -> Place {
    match purpose {
        LinkPurpose::Password => Place {
            path: "/accounts/password/reset/",
            cookie: "lyceum_reset",
            lifetime: TimeDelta::minutes(30),
        },
        LinkPurpose::Email => Place {
            path: "/accounts/email/confirm/",
            cookie: "lyceum_confirm",
            lifetime: TimeDelta::days(2),
        },
    }
}

/// How a link stands that somebody has opened.
#[derive(Debug)]
pub(super) enum LinkState {
    /// It can be used.
    Good(account_link::Model),
    /// It was used, or another one was since.
    Used,
    /// Its time is over.
    Late,
    /// There is none in this browser, or none like it.
    Unknown,
}

impl LinkState {
    /// What to tell of a link that cannot be used.
    pub fn words(&self, purpose: LinkPurpose) -> &'static str {
        match (self, purpose) {
            (Self::Good(_), _) => "",
            (Self::Used, LinkPurpose::Password) => {
                "This link has been used already, or a newer password has ended it: each works once. If it was not you, ask for a new one now."
            }
            (Self::Used, LinkPurpose::Email) => {
                "This link has done its work already, a newer one took its place, or the change was taken back. Your profile tells how your address stands."
            }
            (Self::Late, LinkPurpose::Password) => {
                "This link is too old: it works for half an hour. Ask for a new one."
            }
            (Self::Late, LinkPurpose::Email) => {
                "This link is too old: it works for two days. Ask for a new one on your profile."
            }
            (Self::Unknown, _) => {
                "This browser does not have the link. Open it once more from the letter, in this browser; where several letters came, take the newest."
            }
        }
    }
}

/// Sends the letter of a link.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendLink {
    link_id: i64,
}

impl Job for SendLink {
    const KIND: &'static str = "send_link";

    fn priority(&self) -> i32 {
        PRIORITY_SOON
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let app = &context.app;
        let found = account_link::Entity::find_by_id(self.link_id)
            .find_also_related(user::Entity)
            .one(app.db.read())
            .await?;
        let Some((link, Some(account))) = found else {
            return Ok(());
        };
        let place = place(link.purpose);
        let too_late = link.created_at + LETTER_TAKES.max(place.lifetime);
        if link.used_at.is_some() || !account.is_active || too_late <= app.clock.now() {
            return Ok(());
        }
        let token = app.clock.random_token();
        let write = context.write().await?;
        let expires_at = app.clock.now() + place.lifetime;
        let renewed = account_link::Entity::update_many()
            .col_expr(account_link::Column::TokenHash, Expr::value(hash(&token)))
            .col_expr(account_link::Column::ExpiresAt, Expr::value(expires_at))
            .filter(account_link::Column::Id.eq(link.id))
            .filter(account_link::Column::UsedAt.is_null())
            .exec(&*write)
            .await?;
        write.commit().await?;
        if renewed.rows_affected == 0 {
            return Ok(());
        }
        let address = format!("{}{}?key={token}", app.config.site_url(), place.path);
        deliver(app, letter_of(app, &link, &account, &address)).await
    }
}

fn letter_of(
    app: &App,
    link: &account_link::Model,
    account: &user::Model,
    address: &str,
) -> Letter {
    let (site, username) = (&app.config.site_name, &account.username);
    let (subject, text) = match link.purpose {
        LinkPurpose::Password => (
            format!("A new password at {site}"),
            format!(
                "Hello {username},\n\n\
                 somebody asked for a new password for your account at {site}.\n\
                 If it was you, choose one here:\n\n{address}\n\n\
                 The link works once, for half an hour.\n\n\
                 If it was not you, do nothing: your password stays as it is.\n"
            ),
        ),
        LinkPurpose::Email => (
            format!("Your mail address at {site}"),
            format!(
                "Hello {username},\n\n\
                 confirm that letters from {site} reach you at this address:\n\n{address}\n\n\
                 The link works once, for two days.\n\n\
                 If you have no account there, somebody mistyped an address: do nothing.\n"
            ),
        ),
    };
    Letter {
        to: link.email.clone(),
        subject,
        text,
    }
}

/// Asks for a link to be sent to an address, in the caller's transaction.
pub(super) async fn ask(
    app: &App,
    write: &mut Write,
    user_id: i64,
    purpose: LinkPurpose,
    email: &str,
) -> Result<()> {
    let now = app.clock.now();
    let row = account_link::ActiveModel {
        user_id: Set(user_id),
        purpose: Set(purpose),
        // Of nothing that anybody knows: the letter brings its own.
        token_hash: Set(hash(&app.clock.random_token())),
        email: Set(email.to_owned()),
        created_at: Set(now),
        expires_at: Set(now + LETTER_TAKES.max(place(purpose).lifetime)),
        used_at: Set(None),
        ..Default::default()
    };
    let link_id = account_link::Entity::insert(row)
        .exec(&**write)
        .await?
        .last_insert_id;
    jobs::enqueue(app, write, &SendLink { link_id }).await?;
    Ok(())
}

/// Ends all links of somebody for one purpose.
pub(super) async fn end_those(
    app: &App,
    write: &Write,
    user_id: i64,
    purpose: LinkPurpose,
) -> Result<()> {
    let are_these = account_link::Column::Purpose.eq(purpose);
    end_where(app, write, user_id, Condition::all().add(are_these)).await
}

/// Ends all links of somebody, whatever they are for.
pub(super) async fn end_all(app: &App, write: &Write, user_id: i64) -> Result<()> {
    end_where(app, write, user_id, Condition::all()).await
}

async fn end_where(app: &App, write: &Write, user_id: i64, these: Condition) -> Result<()> {
    account_link::Entity::update_many()
        .col_expr(account_link::Column::UsedAt, Expr::value(app.clock.now()))
        .filter(account_link::Column::UserId.eq(user_id))
        .filter(these)
        .filter(account_link::Column::UsedAt.is_null())
        .exec(&**write)
        .await?;
    Ok(())
}

/// How the link stands whose secret this browser holds.
pub(super) async fn look(
    app: &App,
    db: &impl ConnectionTrait,
    purpose: LinkPurpose,
    held: &Held,
) -> Result<LinkState> {
    let Some(token) = &held.0 else {
        return Ok(LinkState::Unknown);
    };
    let found = account_link::Entity::find()
        .filter(account_link::Column::TokenHash.eq(hash(token)))
        .filter(account_link::Column::Purpose.eq(purpose))
        .one(db)
        .await?;
    Ok(match found {
        None => LinkState::Unknown,
        Some(link) if link.used_at.is_some() => LinkState::Used,
        Some(link) if link.expires_at <= app.clock.now() => LinkState::Late,
        Some(link) => match store::get_user(db, link.user_id).await {
            Ok(account) if account.is_active => LinkState::Good(link),
            _ => LinkState::Unknown,
        },
    })
}

/// Uses a link: of two who do so at once one finds it used.
pub(super) async fn take(
    app: &App,
    write: &Write,
    purpose: LinkPurpose,
    held: &Held,
) -> Result<LinkState> {
    let link = match look(app, &**write, purpose, held).await? {
        LinkState::Good(link) => link,
        other => return Ok(other),
    };
    let taken = account_link::Entity::update_many()
        .col_expr(account_link::Column::UsedAt, Expr::value(app.clock.now()))
        .filter(account_link::Column::Id.eq(link.id))
        .filter(account_link::Column::UsedAt.is_null())
        .exec(&**write)
        .await?;
    if taken.rows_affected == 0 {
        return Ok(LinkState::Used);
    }
    end_those(app, write, link.user_id, purpose).await?;
    Ok(LinkState::Good(link))
}

/// How many links of this purpose somebody was sent within this time.
pub(super) async fn count_since(
    app: &App,
    db: &impl ConnectionTrait,
    user_id: i64,
    purpose: LinkPurpose,
    within: TimeDelta,
) -> Result<u64> {
    use sea_orm::PaginatorTrait as _;
    let since = app.clock.now() - within;
    let sent = account_link::Entity::find()
        .filter(account_link::Column::UserId.eq(user_id))
        .filter(account_link::Column::Purpose.eq(purpose))
        .filter(account_link::Column::CreatedAt.gt(since));
    Ok(sent.count(db).await?)
}

/// The secret of a link that this browser holds in a cookie, so that it stands in no address. Not `Debug`.
pub(super) struct Held(Option<String>);

impl Held {
    /// From the cookies of a request.
    pub fn of(headers: &HeaderMap, purpose: LinkPurpose) -> Self {
        let jar = CookieJar::from_headers(headers);
        let token = jar.get(place(purpose).cookie);
        let token = token.map(|cookie| cookie.value().to_owned());
        Self(token.filter(|token| token.len() == TOKEN_LENGTH))
    }
}

/// The answer to a link: its secret moves into a cookie, and the browser to the page without it. Nothing is looked up,
/// and no page that it loads is told where it came from.
pub(super) fn hold(app: &App, purpose: LinkPurpose, token: &str) -> Response {
    let place = place(purpose);
    let mut response = redirect::see_other(place.path);
    let is_token = token.len() == TOKEN_LENGTH
        && token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let value = if is_token { token } else { "none" };
    let is_https = app.config.is_https();
    let cookie = set_cookie(place.cookie, value, TimeDelta::minutes(30), true, is_https);
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, cookie);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Takes the secret out of the browser again.
pub(super) fn let_go(app: &App, purpose: LinkPurpose, response: &mut Response) {
    let is_https = app.config.is_https();
    let cookie = set_cookie(place(purpose).cookie, "", TimeDelta::zero(), true, is_https);
    response.headers_mut().append(SET_COOKIE, cookie);
}

/// Sweeps links that nobody will ask about any more.
#[derive(Debug, Serialize, Deserialize)]
pub struct SweepLinks {}

impl Job for SweepLinks {
    const KIND: &'static str = "sweep_links";

    fn priority(&self) -> i32 {
        jobs::PRIORITY_LATER
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let app = &context.app;
        let before = app.clock.now() - REMEMBERED;
        let swept = account_link::Entity::delete_many()
            .filter(account_link::Column::ExpiresAt.lt(before))
            .exec(app.db.writer())
            .await?;
        tracing::debug!(links = swept.rows_affected, "swept");
        Ok(())
    }
}
