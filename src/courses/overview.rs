//! The page of one course, `/course/<slug>/`: what it teaches, its modules, its teacher, and one button.

use super::about::{self, About};
use super::admission::{ASK_AGAIN, count_taken, find_request, place_in_line};
use crate::app::App;
use crate::config::ConfirmedEmail;
use crate::entities::enrollment_request::RequestState;
use crate::entities::{course, enrollment, user};
use crate::error::{Error, Result};
use crate::web::extract::Path;
use crate::web::identity::{Person, Visitor};
use crate::web::response_cache::Keep;
use crate::web::shell::{Place, Shell};
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use chrono_tz::Tz;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

/// The page's data.
#[derive(Template)]
#[template(path = "courses/overview.html")]
struct OverviewPage {
    shell: Shell,
    about: About,
    way_in: WayIn,
    begun: Moment,
    changed: Moment,
}

/// The one button.
#[derive(Clone, PartialEq, Eq)]
enum WayIn {
    /// Anonymous: register, and come back here.
    Register,
    /// Logged in: enroll.
    Enroll,
    /// Logged in, and the teacher decides: ask.
    Ask,
    /// Logged in, and all places are taken: wait for one.
    Wait,
    /// She has asked.
    Asked,
    /// She waits for a place; how many get one before her, herself included.
    Waiting(i64),
    /// She would enroll, ask or wait, but has to confirm her mail address first.
    Confirm,
    /// The teacher has declined.
    Declined(Declined),
    /// Enrolled: go on studying.
    GoOn,
    /// It is her course (or she runs the site and is not in it): edit it.
    Edit,
}

/// What is told of a request that was declined.
#[derive(Clone, PartialEq, Eq)]
struct Declined {
    /// May be empty.
    reason: String,
    /// From when on she may ask again; empty: now.
    again: String,
}

struct Moment {
    machine: String,
    exact: String,
    words: String,
}

/// `/course/<slug>/`
pub async fn show(
    State(app): State<App>,
    visitor: Visitor,
    shell: Shell,
    keep: Keep,
    Path(slug): Path<String>,
) -> Result<Response> {
    let person = visitor.0.as_deref();
    let about = find(&app, person, &keep, &slug).await?;
    let way_in = way_in(&app, person, &about).await?;
    let now = app.clock.now();
    let zone = person.map_or(Tz::UTC, |person| person.time_zone);
    if let Some(moment) = text::ago_until(about.updated_at, now) {
        keep.until(moment);
    }
    keep.page(&OverviewPage {
        shell: shell.at(Place::Courses),
        begun: Moment {
            machine: text::machine(about.created_at),
            exact: text::exact(about.created_at, zone),
            words: text::date(about.created_at, zone),
        },
        changed: Moment {
            machine: text::machine(about.updated_at),
            exact: text::exact(about.updated_at, zone),
            words: text::ago(about.updated_at, now, zone),
        },
        way_in,
        about,
    })
}

/// What the page says of the course; a draft only for its owner and staff.
async fn find(app: &App, person: Option<&Person>, keep: &Keep, slug: &str) -> Result<About> {
    let found = course::Entity::find()
        .filter(course::Column::Slug.eq(slug))
        .one(app.db.read())
        .await?
        .ok_or(Error::NotFound)?;
    // Only which course it is may be taken from what was read before its versions were noted.
    let tags = about::tags(found.id, found.owner_id);
    keep.rests_on(app, &tags, &[]).await?;
    let about = about::get(app, found.id, &tags).await?;
    let is_hers = person.is_some_and(|person| person.id == about.owner_id || person.is_staff);
    if about.slug == slug && (is_hers || !about.is_draft) {
        Ok(about)
    } else {
        Err(Error::NotFound)
    }
}

async fn way_in(app: &App, person: Option<&Person>, course: &About) -> Result<WayIn> {
    let db = app.db.read();
    let Some(person) = person else {
        return Ok(WayIn::Register);
    };
    if course.owner_id == person.id {
        return Ok(WayIn::Edit);
    }
    let enrolled = enrollment::Entity::find()
        .filter(enrollment::Column::CourseId.eq(course.id))
        .filter(enrollment::Column::UserId.eq(person.id))
        .count(db)
        .await?;
    let way = match enrolled {
        1.. => WayIn::GoOn,
        0 if course.is_draft => WayIn::Edit,
        0 if course.is_limited() && !person.is_staff => limited(app, person, course.id).await?,
        0 => WayIn::Enroll,
    };
    Ok(match way {
        WayIn::Enroll | WayIn::Ask | WayIn::Wait if lacks_address(app, person).await? => {
            WayIn::Confirm
        }
        way => way,
    })
}

/// Whether enrolling takes a confirmed mail address here, and she has none.
async fn lacks_address(app: &App, person: &Person) -> Result<bool> {
    if app.config.confirmed_email != ConfirmedEmail::Enroll {
        return Ok(false);
    }
    let found = user::Entity::find_by_id(person.id)
        .one(app.db.read())
        .await?;
    let may = |account: user::Model| account.is_staff || account.email_confirmed_at.is_some();
    Ok(!found.is_some_and(may))
}

/// How somebody stands with a course that has a number of places, or whose teacher decides.
async fn limited(app: &App, person: &Person, course_id: i64) -> Result<WayIn> {
    let db = app.db.read();
    let found = course::Entity::find_by_id(course_id).one(db).await?;
    let course = found.ok_or(Error::NotFound)?;
    if let Some(request) = find_request(db, person.id, course_id).await? {
        return Ok(match request.state {
            RequestState::Asked => WayIn::Asked,
            RequestState::Waiting => WayIn::Waiting(place_in_line(db, &request).await?),
            RequestState::Declined => {
                let again = request.decided_at.map(|at| at + ASK_AGAIN);
                let again = again.filter(|at| *at > app.clock.now());
                WayIn::Declined(Declined {
                    reason: request.reason,
                    again: again.map_or_else(String::new, |at| text::exact(at, person.time_zone)),
                })
            }
        });
    }
    if course.needs_approval {
        return Ok(WayIn::Ask);
    }
    let is_full = match course.places {
        Some(places) => count_taken(db, &course).await? >= i64::from(places),
        None => false,
    };
    Ok(if is_full { WayIn::Wait } else { WayIn::Enroll })
}
