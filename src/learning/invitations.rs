//! Links by which a teacher lets people into a course: made on its page, shown once, kept as hashes.
//!
//! Opening one changes nothing; joining is a form. A link that is over says so without a word about the course.

use super::admission::{self, Standing};
use super::store::manages;
use super::{lesson_path, store};
use crate::app::App;
use crate::db::Write;
use crate::entities::{course, invitation, invitation_use, user};
use crate::error::{Error, Problems, Result};
use crate::web::extract::Query;
use crate::web::form::Form;
use crate::web::headers::set_cookie;
use crate::web::identity::{Student, Visitor};
use crate::web::redirect;
use crate::web::sessions::hash;
use crate::web::shell::{Place, Shell, page, page_with};
use askama::Template;
use axum::extract::State;
use axum::http::header::{REFERRER_POLICY, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum_extra::extract::CookieJar;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, TryInsertResult,
};
use serde::Deserialize;
use std::collections::HashMap;

/// Characters of a note.
pub(super) const LONGEST_NOTE: usize = 200;
/// People who may come by one invitation, at most.
pub(super) const MOST_USES: i32 = 100_000;
/// Days that one may last.
pub(super) const LONGEST_DAYS: i64 = 3_650;
/// Invitations of one course that are open at once.
const MOST: u64 = 100;
/// Characters of the secret part.
const TOKEN_LENGTH: usize = 43;

const COOKIE: &str = "lyceum_invitation";
/// Time to make an account in between.
const COOKIE_LIFETIME: TimeDelta = TimeDelta::days(1);
pub(super) const OVER: &str =
    "This invitation does not work, or not any more. Ask whoever sent it to you for another one.";

/// What a form says of an invitation to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewInvitation {
    note: String,
    most_uses: Option<i32>,
    days: Option<i64>,
}

impl NewInvitation {
    /// Reads the form. All faults at once, in `note`, `uses` and `days`.
    pub fn read(form: &Form) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let note = form.text("note");
        let is_note = note.chars().count() <= LONGEST_NOTE && !note.chars().any(char::is_control);
        problems.check(
            is_note,
            "note",
            "A note is one line of up to 200 characters.",
        );
        let number = |name: &str, most: i64, words: &str, problems: &mut Problems| {
            let typed = form.text(name);
            let number = typed.parse().ok().filter(|n: &i64| (1..=most).contains(n));
            problems.check(typed.is_empty() || number.is_some(), name, words);
            number
        };
        let uses = number(
            "uses",
            i64::from(MOST_USES),
            "From 1 to 100,000 people may come by it. Leave it empty for as many as like.",
            &mut problems,
        );
        let days = number(
            "days",
            LONGEST_DAYS,
            "It may work for 1 to 3,650 days. Leave it empty for ever.",
            &mut problems,
        );
        if problems.is_empty() {
            Ok(Self {
                note: note.to_owned(),
                most_uses: uses.and_then(|uses| i32::try_from(uses).ok()),
                days,
            })
        } else {
            Err(problems)
        }
    }
}

/// An invitation that was made just now.
pub(super) struct Made {
    /// Its number.
    pub id: i64,
    /// Its secret part, which is stored nowhere.
    pub token: String,
}

impl Made {
    /// The path of its link.
    pub fn path(&self) -> String {
        format!("/join/?key={}", self.token)
    }
}

/// Makes an invitation to a course that is held.
///
/// # Errors
/// [`Error::Invalid`] when there are too many.
pub(super) async fn create(
    app: &App,
    write: &Write,
    course: &course::Model,
    owner_id: i64,
    new: NewInvitation,
) -> Result<Made> {
    let now = app.clock.now();
    let open = invitation::Entity::find()
        .filter(invitation::Column::CourseId.eq(course.id))
        .filter(is_open(now));
    if open.count(&**write).await? >= MOST {
        let words = "There are 100 open invitations already. Revoke one that is no longer needed.";
        return Err(Error::invalid(Problems::WHOLE, words));
    }
    let token = app.clock.random_token();
    let row = invitation::ActiveModel {
        course_id: Set(course.id),
        owner_id: Set(owner_id),
        token_hash: Set(hash(&token)),
        note: Set(new.note),
        most_uses: Set(new.most_uses),
        uses: Set(0),
        created_at: Set(now),
        expires_at: Set(new.days.map(|days| now + TimeDelta::days(days))),
        revoked_at: Set(None),
        ..Default::default()
    };
    let inserted = invitation::Entity::insert(row).exec(&**write).await?;
    Ok(Made {
        id: inserted.last_insert_id,
        token,
    })
}

/// Takes an invitation of a course back; twice is once.
///
/// # Errors
/// [`Error::NotFound`] when the course has no such one.
pub(super) async fn revoke(app: &App, write: &Write, course_id: i64, id: i64) -> Result<()> {
    let found = invitation::Entity::find_by_id(id)
        .filter(invitation::Column::CourseId.eq(course_id))
        .one(&**write)
        .await?;
    found.ok_or(Error::NotFound)?;
    invitation::Entity::update_many()
        .col_expr(invitation::Column::RevokedAt, Expr::value(app.clock.now()))
        .filter(invitation::Column::Id.eq(id))
        .filter(invitation::Column::RevokedAt.is_null())
        .exec(&**write)
        .await?;
    Ok(())
}

/// Those of which this holds let people in.
fn is_open(now: DateTime<Utc>) -> Condition {
    use invitation::Column;
    Condition::all()
        .add(Column::RevokedAt.is_null())
        .add(
            Condition::any()
                .add(Column::ExpiresAt.is_null())
                .add(Column::ExpiresAt.gt(now)),
        )
        .add(
            Condition::any()
                .add(Column::MostUses.is_null())
                .add(Expr::col(Column::Uses).lt(Expr::col(Column::MostUses))),
        )
}

/// How an invitation stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InvitationState {
    Open,
    Revoked,
    Expired,
    UsedUp,
}

pub(super) fn state_of(row: &invitation::Model, now: DateTime<Utc>) -> InvitationState {
    if row.revoked_at.is_some() {
        InvitationState::Revoked
    } else if row.expires_at.is_some_and(|end| end <= now) {
        InvitationState::Expired
    } else if row.most_uses.is_some_and(|most| row.uses >= most) {
        InvitationState::UsedUp
    } else {
        InvitationState::Open
    }
}

/// The invitations of a course, the newest first, each with the names of who came by it.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    course_id: i64,
) -> Result<Vec<(invitation::Model, Vec<String>)>> {
    let rows = invitation::Entity::find()
        .filter(invitation::Column::CourseId.eq(course_id))
        .order_by_desc(invitation::Column::Id)
        .all(db)
        .await?;
    with_names(db, rows).await
}

/// These invitations, each with the names of who came by it.
pub(super) async fn with_names(
    db: &impl ConnectionTrait,
    rows: Vec<invitation::Model>,
) -> Result<Vec<(invitation::Model, Vec<String>)>> {
    let ids = rows.iter().map(|row| row.id);
    let uses = invitation_use::Entity::find()
        .filter(invitation_use::Column::InvitationId.is_in(ids))
        .order_by_asc(invitation_use::Column::CreatedAt)
        .all(db)
        .await?;
    let names = super::entry::names_of(db, uses.iter().map(|used| used.user_id)).await?;
    let mut came: HashMap<i64, Vec<String>> = HashMap::new();
    for used in uses {
        let name = names.get(&used.user_id).cloned().unwrap_or_default();
        came.entry(used.invitation_id).or_default().push(name);
    }
    let listed = rows.into_iter().map(|row| {
        let names = came.remove(&row.id).unwrap_or_default();
        (row, names)
    });
    Ok(listed.collect())
}

/// The page of an invitation.
#[derive(Template)]
#[template(path = "learning/join.html")]
struct JoinPage {
    shell: Shell,
    /// The course into which it leads; nothing when it does not work.
    course: Option<Invited>,
    words: &'static str,
}

struct Invited {
    title: String,
    teacher: String,
}

/// What may stand after the question mark.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Opened {
    /// The secret of a link.
    key: Option<String>,
}

/// GET `/join/`: with a key the link, without one its page.
pub async fn show(
    State(app): State<App>,
    Visitor(person): Visitor,
    shell: Shell,
    Query(opened): Query<Opened>,
    headers: HeaderMap,
) -> Result<Response> {
    if let Some(key) = opened.key {
        return Ok(hold(&app, &key));
    }
    let Some((_, course)) = find(&app, app.db.read(), &headers).await? else {
        return over(shell);
    };
    if let Some(person) = person
        && (store::is_enrolled(app.db.read(), person.id, course.id).await?
            || manages(app.db.read(), person.id, &course).await?)
    {
        return Ok(redirect::see_other(&lesson_path(course.id, None, None)));
    }
    let teacher = user::Entity::find_by_id(course.owner_id)
        .one(app.db.read())
        .await?;
    let teacher = teacher.map(super::entry::name_of).unwrap_or_default();
    page(&JoinPage {
        shell: shell.at(Place::Courses),
        course: Some(Invited {
            title: course.title,
            teacher,
        }),
        words: "",
    })
}

/// POST `/join/`: lets her in, or puts her in line where the course is full.
pub async fn join(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
    headers: HeaderMap,
) -> Result<Response> {
    let mut write = app.write().await?;
    let token = token_in(&headers).unwrap_or_default();
    let Some((course, standing)) = join_by(&app, &mut write, &token, person.id).await? else {
        drop(write);
        return over(shell);
    };
    write.commit().await?;
    let path = match standing {
        Standing::Enrolled => lesson_path(course.id, None, None),
        Standing::Asked | Standing::Waiting(_) => format!("/course/{}/", course.slug),
    };
    let mut response = redirect::see_other(&path);
    let is_https = app.config.is_https();
    let cookie = set_cookie(COOKIE, "", TimeDelta::zero(), true, is_https);
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

/// Lets somebody in by the secret of an invitation, or puts her in line where the course is full; none when it does not work,
/// and then nothing may last.
///
/// # Errors
/// As [`admission::ask_to_enroll`].
pub(super) async fn join_by(
    app: &App,
    write: &mut Write,
    token: &str,
    user_id: i64,
) -> Result<Option<(course::Model, Standing)>> {
    let Some((row, course)) = find_by(app, &**write, token).await? else {
        return Ok(None);
    };
    if !use_once(app, write, &row, user_id).await? {
        return Ok(None);
    }
    let invitation = Some(row.id);
    let standing = admission::ask_to_enroll(app, write, user_id, course.id, invitation).await?;
    Ok(Some((course, standing)))
}

/// Notes that she comes by an invitation, unless she is in the course or has come by it before; whether it lets her in. The
/// course is held first, as everywhere where somebody comes in.
async fn use_once(app: &App, write: &Write, row: &invitation::Model, user_id: i64) -> Result<bool> {
    admission::hold_limited(write, row.course_id).await?;
    if store::is_enrolled(&**write, user_id, row.course_id).await? {
        return Ok(true);
    }
    let now = app.clock.now();
    let used = invitation_use::ActiveModel {
        invitation_id: Set(row.id),
        user_id: Set(user_id),
        created_at: Set(now),
    };
    let noted = invitation_use::Entity::insert(used)
        .on_conflict_do_nothing_on([
            invitation_use::Column::InvitationId,
            invitation_use::Column::UserId,
        ])
        .exec_without_returning(&**write)
        .await?;
    if !matches!(noted, TryInsertResult::Inserted(1..)) {
        return Ok(true);
    }
    let counted = invitation::Entity::update_many()
        .col_expr(
            invitation::Column::Uses,
            Expr::col(invitation::Column::Uses).add(1),
        )
        .filter(invitation::Column::Id.eq(row.id))
        .filter(is_open(now))
        .exec(&**write)
        .await?;
    Ok(counted.rows_affected > 0)
}

/// The secret that this browser holds.
fn token_in(headers: &HeaderMap) -> Option<String> {
    let jar = CookieJar::from_headers(headers);
    jar.get(COOKIE).map(|cookie| cookie.value().to_owned())
}

/// The invitation whose secret this browser holds, as [`find_by`] finds it.
async fn find(
    app: &App,
    db: &impl ConnectionTrait,
    headers: &HeaderMap,
) -> Result<Option<(invitation::Model, course::Model)>> {
    match token_in(headers) {
        Some(token) => find_by(app, db, &token).await,
        None => Ok(None),
    }
}

/// The invitation with this secret and its course: while it is open, and the course no draft.
async fn find_by(
    app: &App,
    db: &impl ConnectionTrait,
    token: &str,
) -> Result<Option<(invitation::Model, course::Model)>> {
    if token.len() != TOKEN_LENGTH {
        return Ok(None);
    }
    let found = invitation::Entity::find()
        .filter(invitation::Column::TokenHash.eq(hash(token)))
        .filter(is_open(app.clock.now()))
        .find_also_related(course::Entity)
        .one(db)
        .await?;
    Ok(match found {
        Some((row, Some(course))) if !course.is_draft => Some((row, course)),
        _ => None,
    })
}

/// The answer to a link: its secret moves into a cookie, so that it stands in no address while somebody makes an account.
fn hold(app: &App, token: &str) -> Response {
    let mut response = redirect::see_other("/join/");
    let is_token = token.len() == TOKEN_LENGTH
        && token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let value = if is_token { token } else { "none" };
    let is_https = app.config.is_https();
    let cookie = set_cookie(COOKIE, value, COOKIE_LIFETIME, true, is_https);
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, cookie);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn over(shell: Shell) -> Result<Response> {
    let shown = JoinPage {
        shell,
        course: None,
        words: OVER,
    };
    page_with(StatusCode::GONE, &shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<NewInvitation, Problems> {
        let pairs = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        NewInvitation::read(&Form::from_pairs(pairs.collect()))
    }

    #[test]
    fn an_invitation_is_bounded_in_people_and_days() {
        let new = read(&[("uses", "30"), ("days", " 7 "), ("note", "spring class")]).unwrap();
        assert_eq!((new.most_uses, new.days), (Some(30), Some(7)));
        assert_eq!(read(&[]).unwrap().most_uses, None);
        for (name, bad) in [
            ("uses", "0"),
            ("uses", "-1"),
            ("uses", "100001"),
            ("uses", "many"),
            ("uses", "99999999999999999999"),
            ("days", "0"),
            ("days", "3651"),
            ("note", "a\u{7}b"),
        ] {
            let problems = read(&[(name, bad)]).unwrap_err();
            assert_eq!(problems.at(name).len(), 1, "{name} {bad:?}");
        }
        let long = "x".repeat(201);
        assert!(read(&[("note", long.as_str())]).is_err());
    }
}
