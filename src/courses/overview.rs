//! The page of one course, `/course/<slug>/`: what it teaches, its modules, its teacher, and one button.

use super::about::{self, About};
use super::admission::{count_taken, find_request, place_in_line};
use crate::app::App;
use crate::entities::enrollment_request::RequestState;
use crate::entities::{course, enrollment};
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
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};

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
    /// The teacher has declined, with a reason that may be empty.
    Declined(String),
    /// Enrolled: go on studying.
    GoOn,
    /// It is her course (or she runs the site and is not in it): edit it.
    Edit,
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
    let way_in = way_in(app.db.read(), person, &about).await?;
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

async fn way_in(
    db: &impl ConnectionTrait,
    person: Option<&Person>,
    course: &About,
) -> Result<WayIn> {
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
    Ok(match enrolled {
        1.. => WayIn::GoOn,
        0 if course.is_draft => WayIn::Edit,
        0 if course.is_limited() && !person.is_staff => limited(db, person, course.id).await?,
        0 => WayIn::Enroll,
    })
}

/// How somebody stands with a course that has a number of places, or whose teacher decides.
async fn limited(db: &impl ConnectionTrait, person: &Person, course_id: i64) -> Result<WayIn> {
    let found = course::Entity::find_by_id(course_id).one(db).await?;
    let course = found.ok_or(Error::NotFound)?;
    if let Some(request) = find_request(db, person.id, course_id).await? {
        return Ok(match request.state {
            RequestState::Asked => WayIn::Asked,
            RequestState::Waiting => WayIn::Waiting(place_in_line(db, &request).await?),
            RequestState::Declined => WayIn::Declined(request.reason),
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
