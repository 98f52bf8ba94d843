//! Sessions: a random 256-bit cookie of which only the hash is stored, with the cache in front.

use crate::app::App;
use crate::db::Write;
use crate::entities::{group_permission, session, user, user_group};
use crate::error::{Error, Result};
use crate::web::credentials::Credentials;
use crate::web::headers::{address_in, set_cookie};
use crate::web::identity::Person;
use crate::web::remembered::Remembered;
use crate::web::response_cache::Marks;
use crate::web::second_factor::load_person_within;
use crate::web::tags::Tag;
use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use backends::bus::{Bus, Delivery};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    QuerySelect,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The cookie that older clients know.
pub const COOKIE: &str = "sessionid";

/// How long a session lasts.
pub const LIFETIME: TimeDelta = TimeDelta::days(14);

/// Who hears of changed accounts and ended sessions.
pub const GROUP: &str = "accounts";

/// What is told on [`GROUP`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountEvent {
    /// This person's rights, password or profile changed, or a session of hers ended.
    Changed {
        /// Whose.
        user_id: i64,
    },
}

/// Sessions that were used lately, by the hash of their cookie.
pub type Sessions = Remembered<String>;

/// Remembers up to 20,000 sessions for up to ten minutes each.
pub fn remember() -> Sessions {
    Remembered::new(20_000, Duration::from_secs(600))
}

/// The browser that asks, as far as a session is concerned. Not `Debug`: it holds a secret.
#[derive(Clone)]
pub struct Device {
    /// The browser's own description, at most 300 characters.
    pub user_agent: String,
    /// Where it is.
    pub address: IpAddr,
    /// The value of the session cookie that it holds, whether that is good or not.
    held: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Device {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        if let Some(marks) = parts.extensions.get::<Marks>() {
            marks.is_personal();
        }
        let user_agent = parts.headers.get(USER_AGENT).map(HeaderValue::as_bytes);
        let user_agent = String::from_utf8_lossy(user_agent.unwrap_or_default());
        Ok(Self {
            user_agent: user_agent
                .chars()
                .filter(|c| !c.is_control())
                .take(300)
                .collect(),
            address: address_in(&parts.extensions),
            held: CookieJar::from_headers(&parts.headers)
                .get(COOKIE)
                .map(|cookie| cookie.value().to_owned()),
        })
    }
}

/// Begins a session, and clears away those of hers that are over; the answer is the cookie's value.
pub async fn begin(app: &App, write: &Write, user_id: i64, device: &Device) -> Result<String> {
    let token = app.clock.random_token();
    let now = app.clock.now();
    session::Entity::delete_many()
        .filter(session::Column::UserId.eq(user_id))
        .filter(session::Column::ExpiresAt.lte(now))
        .exec(&**write)
        .await?;
    let row = session::ActiveModel {
        user_id: Set(user_id),
        token_hash: Set(hash(&token)),
        user_agent: Set(device.user_agent.clone()),
        address: Set(device.address.to_string()),
        created_at: Set(now),
        last_seen_at: Set(now),
        expires_at: Set(now + LIFETIME),
        ..Default::default()
    };
    session::Entity::insert(row)
        .exec_without_returning(&**write)
        .await?;
    Ok(token)
}

/// Whose session the cookie's value names, when there is one that has not ended.
pub async fn find(app: &App, token: &str) -> Result<Option<Arc<Person>>> {
    if token.len() != 43 {
        return Ok(None);
    }
    let hash = hash(token);
    let now = app.clock.now();
    // What others have changed is not known while they are not heard.
    let is_hearing = app.bus.is_hearing();
    if is_hearing && let Some(known) = app.sessions.get(&hash).await {
        let lasts = known.expires_at.is_none_or(|end| end > now);
        return Ok(lasts.then(|| Arc::clone(&known.person)));
    }
    let began = app.sessions.moment();
    let found = session::Entity::find()
        .filter(session::Column::TokenHash.eq(&hash))
        .filter(session::Column::ExpiresAt.gt(now))
        .find_also_related(user::Entity)
        .one(app.db.read())
        .await?;
    let Some((row, Some(account))) = found else {
        return Ok(None);
    };
    if !account.is_active {
        return Ok(None);
    }
    touch(app, &row, now).await;
    let mut person = load_person_within(app, account).await?;
    person.session_id = Some(row.id);
    person.session_hash = hash.clone();
    let person = Arc::new(person);
    app.sessions
        .keep(hash, began, Arc::clone(&person), Some(row.expires_at))
        .await;
    Ok(Some(person))
}

/// Whether a session still holds, asked of the database: for what stays open longer than a
/// request and has heard that something about the account changed.
///
/// `false` for somebody whom a header, not a session, told apart: she has to show it again.
pub async fn is_open(app: &App, person: &Person) -> Result<bool> {
    let Some(id) = person.session_id else {
        return Ok(false);
    };
    let found = session::Entity::find_by_id(id)
        .filter(session::Column::UserId.eq(person.id))
        .filter(session::Column::ExpiresAt.gt(app.clock.now()))
        .find_also_related(user::Entity)
        .one(app.db.read())
        .await?;
    Ok(found
        .and_then(|(_, account)| account)
        .is_some_and(|account| account.is_active))
}

/// Notes the hour of use; a failure must not keep anybody out.
async fn touch(app: &App, row: &session::Model, now: DateTime<Utc>) {
    if now - row.last_seen_at < TimeDelta::hours(1) {
        return;
    }
    let update = session::ActiveModel {
        id: Set(row.id),
        last_seen_at: Set(now),
        ..Default::default()
    };
    if let Err(error) = update.update(app.db.writer()).await {
        tracing::warn!(%error, "the last use of a session could not be noted");
    }
}

/// The person behind an account, with what she may do.
pub async fn load_person(db: &impl ConnectionTrait, account: user::Model) -> Result<Person> {
    let permissions: Vec<String> = group_permission::Entity::find()
        .select_only()
        .column(group_permission::Column::Permission)
        .inner_join_user_groups(account.id)
        .into_tuple()
        .all(db)
        .await?;
    Ok(Person::new(
        account,
        permissions.into_iter().collect::<BTreeSet<_>>(),
    ))
}

/// Ends the session that a browser holds, whoever's it is.
pub async fn end_held(write: &mut Write, device: &Device) -> Result<()> {
    let Some(held) = &device.held else {
        return Ok(());
    };
    let found = session::Entity::find().filter(session::Column::TokenHash.eq(hash(held)));
    let Some(row) = found.one(&**write).await? else {
        return Ok(());
    };
    session::Entity::delete_by_id(row.id).exec(&**write).await?;
    changed(write, row.user_id).await
}

/// Ends one session of a person; others' are not found.
pub async fn end(write: &mut Write, user_id: i64, session_id: i64) -> Result<()> {
    let ended = session::Entity::delete_many()
        .filter(session::Column::Id.eq(session_id))
        .filter(session::Column::UserId.eq(user_id))
        .exec(&**write)
        .await?;
    if ended.rows_affected == 0 {
        return Err(Error::NotFound);
    }
    changed(write, user_id).await
}

/// Ends all sessions of a person, but one when it is named.
pub async fn end_all(write: &mut Write, user_id: i64, except: Option<i64>) -> Result<()> {
    let mut delete = session::Entity::delete_many().filter(session::Column::UserId.eq(user_id));
    if let Some(id) = except {
        delete = delete.filter(session::Column::Id.ne(id));
    }
    delete.exec(&**write).await?;
    changed(write, user_id).await
}

/// Tells every process that what it remembers of this person no longer holds. For the next request after the
/// commit it does not, on this node and on every other that hears.
pub async fn changed(write: &mut Write, user_id: i64) -> Result<()> {
    write.changes(Tag::person(user_id));
    write
        .publish(GROUP, &AccountEvent::Changed { user_id })
        .await
}

/// Hears of changes from now on, for as long as the bus is open: before the commit that makes one has returned.
pub fn hear(bus: &Bus, sessions: &Arc<Sessions>, credentials: &Arc<Credentials>) {
    let (sessions, credentials) = (Arc::clone(sessions), Arc::clone(credentials));
    bus.react(GROUP, move |delivery| {
        let changed = match delivery {
            Delivery::Event(event) => event.decode::<AccountEvent>().map(Some),
            Delivery::Lost => Ok(None),
        };
        match changed {
            Ok(Some(AccountEvent::Changed { user_id })) => {
                sessions.forget(user_id);
                credentials.forget(user_id);
            }
            other => {
                if let Err(error) = other {
                    tracing::warn!(%error, "an account event could not be read");
                }
                sessions.forget_all();
                credentials.forget_all();
            }
        }
    });
}

/// The `Set-Cookie` for a session that has begun.
pub fn cookie(app: &App, token: &str) -> HeaderValue {
    set_cookie(COOKIE, token, LIFETIME, true, app.config.is_https())
}

/// The `Set-Cookie` that takes the session's cookie away.
pub fn ended_cookie(app: &App) -> HeaderValue {
    set_cookie(COOKIE, "", TimeDelta::zero(), true, app.config.is_https())
}

/// SHA-256 in hex: enough for values of 256 random bits.
pub fn hash(token: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(token.as_bytes())
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Joins the groups a person is in.
trait OfMember {
    fn inner_join_user_groups(self, user_id: i64) -> Self;
}

impl OfMember for sea_orm::Select<group_permission::Entity> {
    fn inner_join_user_groups(self, user_id: i64) -> Self {
        let groups = sea_orm::sea_query::Query::select()
            .column(user_group::Column::GroupId)
            .from(user_group::Entity)
            .and_where(user_group::Column::UserId.eq(user_id))
            .to_owned();
        self.filter(group_permission::Column::GroupId.in_subquery(groups))
    }
}
