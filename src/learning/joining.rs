//! `/join/`: the page of an invitation, for whoever has its link.
//!
//! Opening it changes nothing; joining is a form. A link that is over says so without a word about the course.

use super::admission::Standing;
use super::invitations::{OVER, TOKEN_LENGTH, find_by, has_come_by, join_by, lets_in};
use super::store::manages;
use super::{lesson_path, store};
use crate::app::App;
use crate::entities::{course, invitation, user};
use crate::error::Result;
use crate::web::extract::Query;
use crate::web::headers::set_cookie;
use crate::web::identity::{Student, Visitor};
use crate::web::redirect;
use crate::web::shell::{Place, Shell, page, page_with};
use askama::Template;
use axum::extract::State;
use axum::http::header::{REFERRER_POLICY, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum_extra::extract::CookieJar;
use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, EntityTrait};
use serde::Deserialize;

const COOKIE: &str = "lyceum_invitation";
/// Time to make an account in between.
const COOKIE_LIFETIME: TimeDelta = TimeDelta::days(1);

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
    let db = app.db.read();
    let Some((row, course)) = find(db, &headers).await? else {
        return over(shell);
    };
    let mut has_come = false;
    if let Some(person) = person {
        if store::is_enrolled(db, person.id, course.id).await? || manages(&person, &course) {
            return Ok(redirect::see_other(&lesson_path(course.id, None, None)));
        }
        has_come = has_come_by(db, row.id, person.id).await?;
    }
    if !lets_in(&row, app.clock.now(), has_come) {
        return over(shell);
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
    let Some((course, standing)) = join_by(&app, &mut write, &token, &person).await? else {
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

/// The secret that this browser holds.
fn token_in(headers: &HeaderMap) -> Option<String> {
    let jar = CookieJar::from_headers(headers);
    jar.get(COOKIE).map(|cookie| cookie.value().to_owned())
}

/// The invitation whose secret this browser holds, as [`find_by`] finds it.
async fn find(
    db: &impl ConnectionTrait,
    headers: &HeaderMap,
) -> Result<Option<(invitation::Model, course::Model)>> {
    match token_in(headers) {
        Some(token) => find_by(db, &token).await,
        None => Ok(None),
    }
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
