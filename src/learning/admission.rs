//! Coming into a course that has a number of places, or whose teacher decides who comes in.
//!
//! Whatever changes who is in such a course holds its row first, so that of two at the same instant one comes after the
//! other: never more are let in than there are places, and each once, in the order in which they asked. An invitation
//! stands for the teacher's decision, but not for a place.

use super::store;
use crate::app::App;
use crate::config::ConfirmedEmail;
use crate::courses::{count_taken, find_request, is_limited, place_in_line};
use crate::db::Write;
use crate::entities::enrollment_request::{self, RequestState};
use crate::entities::{course, user};
use crate::error::{Error, Result};
use crate::jobs::{Job, JobContext, JobError, PRIORITY_NORMAL};
use crate::messages::{self, MessageLevel, NewMessage, write_letter};
use crate::web::text;
use chrono::TimeDelta;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, ModelTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};

/// Whoever was declined may ask again after this long.
pub(super) const ASK_AGAIN: TimeDelta = TimeDelta::days(1);
/// Characters of a title in a message.
const TITLE: usize = 120;
/// So many are let in by one statement.
const AT_ONCE: u64 = 200;

const UNCONFIRMED: &str =
    "Enrolling takes a confirmed mail address. Have a link sent to yours on your profile.";
const CHANGED: &str = "How one gets into this course has just been changed. Please try once more.";

/// How somebody stands with a course.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// She is in it.
    Enrolled,
    /// The teacher has not decided yet.
    Asked,
    /// She gets the next place but so many; 1 is the next.
    Waiting(i64),
}

/// Lets somebody into a course who asks for it herself, or puts her in line. Twice is once. `invitation_id`: she was invited,
/// so that nobody has to decide.
///
/// # Errors
/// [`Error::NotFound`] when there is no such course, or it is somebody else's draft; [`Error::Conflict`] when she was
/// declined a moment ago; [`Error::Forbidden`] when she needs a confirmed address.
pub async fn ask_to_enroll(
    app: &App,
    write: &mut Write,
    user_id: i64,
    course_id: i64,
    invitation_id: Option<i64>,
) -> Result<Standing> {
    let found = course::Entity::find_by_id(course_id).one(&**write).await?;
    let found = found.ok_or(Error::NotFound)?;
    let manages =
        (is_limited(&found) || found.is_draft) && store::manages(&**write, user_id, &found).await?;
    if found.is_draft && !manages {
        return Err(Error::NotFound);
    }
    if app.config.confirmed_email == ConfirmedEmail::Enroll && found.owner_id != user_id {
        require_confirmed(write, user_id).await?;
    }
    if !is_limited(&found) || manages {
        let course = store::enroll(app, write, user_id, course_id).await?;
        if is_limited(&course) && !is_limited(&found) {
            // Dropped with the transaction, of which nothing is committed.
            return Err(Error::Conflict(CHANGED.into()));
        }
        forget_request(write, user_id, course_id).await?;
        return Ok(Standing::Enrolled);
    }
    let course = hold(write, course_id).await?;
    if course.is_draft {
        return Err(Error::NotFound);
    }
    if store::is_enrolled(&**write, user_id, course_id).await? {
        forget_request(write, user_id, course_id).await?;
        return Ok(Standing::Enrolled);
    }
    stand_in_line(app, write, &course, user_id, invitation_id).await?;
    let let_in = move_up(app, write, &course).await?;
    // She sees it herself.
    let others = let_in.into_iter().filter(|id| *id != user_id);
    announce(app, write, &course, others.map(let_in_told).collect()).await?;
    let standing = standing(write, user_id, course_id).await?;
    if standing == Standing::Asked {
        tell_teacher(app, write, &course).await?;
    }
    Ok(standing)
}

/// The course, held until the end of the transaction.
async fn hold(write: &Write, course_id: i64) -> Result<course::Model> {
    let held = course::Entity::find_by_id(course_id).lock_exclusive();
    held.one(&**write).await?.ok_or(Error::NotFound)
}

async fn require_confirmed(write: &Write, user_id: i64) -> Result<()> {
    let account = user::Entity::find_by_id(user_id).one(&**write).await?;
    let may =
        account.is_some_and(|account| account.email_confirmed_at.is_some() || account.is_staff);
    if may {
        Ok(())
    } else {
        Err(Error::Forbidden(UNCONFIRMED))
    }
}

async fn standing(write: &Write, user_id: i64, course_id: i64) -> Result<Standing> {
    let Some(request) = find_request(&**write, user_id, course_id).await? else {
        return Ok(Standing::Enrolled);
    };
    match request.state {
        RequestState::Waiting => Ok(Standing::Waiting(place_in_line(&**write, &request).await?)),
        RequestState::Asked | RequestState::Declined => Ok(Standing::Asked),
    }
}

/// Her place in the line of a course that is held: the one that she has, or one at its end.
async fn stand_in_line(
    app: &App,
    write: &Write,
    course: &course::Model,
    user_id: i64,
    invitation_id: Option<i64>,
) -> Result<()> {
    let now = app.clock.now();
    let is_free = !course.needs_approval || invitation_id.is_some();
    let state = if is_free {
        RequestState::Waiting
    } else {
        RequestState::Asked
    };
    let held = find_request(&**write, user_id, course.id).await?;
    let keeps_place = match &held {
        Some(request) if request.state == RequestState::Declined => {
            let again = request.decided_at.unwrap_or(now) + ASK_AGAIN;
            if again > now && invitation_id.is_none() {
                return Err(Error::Conflict(
                    "Your request was declined. You may ask again a day later.".into(),
                ));
            }
            false
        }
        Some(request) if request.state == state || !is_free => return Ok(()),
        Some(_) => true,
        None => false,
    };
    let mut row = enrollment_request::ActiveModel {
        course_id: Set(course.id),
        user_id: Set(user_id),
        state: Set(state),
        reason: Set(String::new()),
        invitation_id: Set(invitation_id),
        decided_at: Set(None),
        ..Default::default()
    };
    if !keeps_place {
        row.created_at = Set(now);
    }
    match held {
        Some(request) => {
            row.id = Set(request.id);
            row.update(&**write).await?;
        }
        None => {
            row.insert(&**write).await?;
        }
    }
    Ok(())
}

/// Tells the teacher that somebody asks, unless others have asked before her and are not decided upon.
async fn tell_teacher(app: &App, write: &mut Write, course: &course::Model) -> Result<()> {
    let others = enrollment_request::Entity::find()
        .filter(enrollment_request::Column::CourseId.eq(course.id))
        .filter(enrollment_request::Column::State.eq(RequestState::Asked));
    if others.count(&**write).await? > 1 {
        return Ok(());
    }
    let title = text::shorten(&course.title, TITLE);
    let message = NewMessage {
        recipient_id: course.owner_id,
        text: format!("Somebody asks to be let into “{title}”."),
        level: MessageLevel::Info,
        link: entry_path(course.id),
        // Asking twice is asking once, and nobody is told again of one whom she has seen.
        dedupe_key: None,
    };
    messages::send(app, write, message).await
}

/// The page on which a teacher decides who comes in.
pub(super) fn entry_path(course_id: i64) -> String {
    format!("/course/{course_id}/entry/")
}

/// Takes a request of hers back. One that was declined stays, so that it cannot be asked again at once.
pub(super) async fn withdraw(write: &Write, user_id: i64, course_id: i64) -> Result<()> {
    enrollment_request::Entity::delete_many()
        .filter(enrollment_request::Column::CourseId.eq(course_id))
        .filter(enrollment_request::Column::UserId.eq(user_id))
        .filter(enrollment_request::Column::State.ne(RequestState::Declined))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Forgets a request of hers: she is in the course, or leaves it.
async fn forget_request(write: &Write, user_id: i64, course_id: i64) -> Result<()> {
    enrollment_request::Entity::delete_many()
        .filter(enrollment_request::Column::CourseId.eq(course_id))
        .filter(enrollment_request::Column::UserId.eq(user_id))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Lets in those who wait for a course that is held, in their order, while there are places; answers who they are.
pub(super) async fn move_up(app: &App, write: &Write, course: &course::Model) -> Result<Vec<i64>> {
    if course.is_draft {
        return Ok(Vec::new());
    }
    let mut let_in = Vec::new();
    loop {
        let free = match course.places {
            Some(places) => i64::from(places) - count_taken(&**write, course).await?,
            None => i64::MAX,
        };
        let most = u64::try_from(free).unwrap_or(0).min(AT_ONCE);
        let next = if most == 0 {
            Vec::new()
        } else {
            list_next(write, course.id, most).await?
        };
        if next.is_empty() {
            break;
        }
        for request in next {
            let user_id = request.user_id;
            // Staff may have put her in meanwhile: then her request goes, and the place to the next.
            if !store::is_enrolled(&**write, user_id, course.id).await? {
                store::insert(app, write, user_id, course.id).await?;
                let_in.push(user_id);
            }
            request.delete(&**write).await?;
        }
    }
    Ok(let_in)
}

pub(super) fn let_in_told(user_id: i64) -> (i64, Told) {
    (user_id, Told::LetIn)
}

/// Tells each what became of her request. Each is locked until the end: by growing number, as everybody does.
pub(super) async fn announce(
    app: &App,
    write: &mut Write,
    course: &course::Model,
    mut news: Vec<(i64, Told)>,
) -> Result<()> {
    news.sort_by_key(|(user_id, _)| *user_id);
    for (user_id, told) in &news {
        tell(app, write, course, *user_id, told).await?;
    }
    Ok(())
}

/// Lets in who waits, and tells them.
pub(super) async fn fill(app: &App, write: &mut Write, course: &course::Model) -> Result<()> {
    let let_in = move_up(app, write, course).await?;
    announce(
        app,
        write,
        course,
        let_in.into_iter().map(let_in_told).collect(),
    )
    .await
}

/// The first of those who wait and may log in.
async fn list_next(
    write: &Write,
    course_id: i64,
    most: u64,
) -> Result<Vec<enrollment_request::Model>> {
    let next = enrollment_request::Entity::find()
        .inner_join(user::Entity)
        .filter(enrollment_request::Column::CourseId.eq(course_id))
        .filter(enrollment_request::Column::State.eq(RequestState::Waiting))
        .filter(user::Column::IsActive.eq(true))
        .order_by_asc(enrollment_request::Column::CreatedAt)
        .order_by_asc(enrollment_request::Column::Id)
        .limit(most);
    Ok(next.all(&**write).await?)
}

/// What becomes of a request.
pub(super) enum Told {
    LetIn,
    Accepted,
    Declined(String),
}

/// A message to a student, and a letter where the site sends mail.
async fn tell(
    app: &App,
    write: &mut Write,
    course: &course::Model,
    user_id: i64,
    told: &Told,
) -> Result<()> {
    let title = text::shorten(&course.title, TITLE);
    let (words, level, link) = match told {
        Told::LetIn => (
            format!("You are in the course “{title}” now."),
            MessageLevel::Success,
            super::lesson_path(course.id, None, None),
        ),
        Told::Accepted => (
            format!("You may come into “{title}” as soon as there is a place."),
            MessageLevel::Info,
            format!("/course/{}/", course.slug),
        ),
        Told::Declined(_) => (
            format!("Your request for “{title}” was declined."),
            MessageLevel::Warning,
            format!("/course/{}/", course.slug),
        ),
    };
    let reason = match told {
        Told::Declined(reason) if !reason.is_empty() => format!("\n\n{reason}"),
        _ => String::new(),
    };
    let letter = format!(
        "Hello,\n\n{words}{reason}\n\n{}{link}\n",
        app.config.site_url()
    );
    let message = NewMessage {
        recipient_id: user_id,
        text: words,
        level,
        link,
        dedupe_key: None,
    };
    messages::send(app, write, message).await?;
    let subject = format!("{title} ({})", app.config.site_name);
    write_letter(app, write, user_id, &subject, &letter).await
}

/// Takes her out of a course, and gives the place to the next.
///
/// # Errors
/// [`Error::NotFound`] when there is no such course, or only others see it.
pub(super) async fn leave(
    app: &App,
    write: &mut Write,
    person: &crate::web::identity::Person,
    course_id: i64,
) -> Result<()> {
    let course = hold_limited(write, course_id).await?;
    store::leave(write, person, course_id).await?;
    forget_request(write, person.id, course_id).await?;
    match course {
        Some(course) => fill(app, write, &course).await,
        None => Ok(()),
    }
}

/// The course, held when it has a number of places; to be asked before anything in it is changed.
pub(super) async fn hold_limited(write: &Write, course_id: i64) -> Result<Option<course::Model>> {
    let found = course::Entity::find_by_id(course_id).one(&**write).await?;
    if found.is_some_and(|course| course.places.is_some()) {
        hold(write, course_id).await.map(Some)
    } else {
        Ok(None)
    }
}

/// Lets in who waits for a place that became free in another way: by staff, with an account, or by publishing a course.
#[derive(Debug, Serialize, Deserialize)]
pub struct FillPlaces {}

impl Job for FillPlaces {
    const KIND: &'static str = "fill_places";

    fn priority(&self) -> i32 {
        PRIORITY_NORMAL
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        let app = &context.app;
        let ids: Vec<i64> = enrollment_request::Entity::find()
            .select_only()
            .column(enrollment_request::Column::CourseId)
            .distinct()
            .filter(enrollment_request::Column::State.eq(RequestState::Waiting))
            .order_by_asc(enrollment_request::Column::CourseId)
            .into_tuple()
            .all(app.db.read())
            .await?;
        for id in ids {
            let mut write = app.write().await?;
            match hold(&write, id).await {
                Ok(course) => fill(app, &mut write, &course).await?,
                // It was deleted meanwhile.
                Err(Error::NotFound) => continue,
                Err(error) => return Err(error.into()),
            }
            write.commit().await?;
            context.got_on();
        }
        Ok(())
    }
}
