//! Coming into a course that has a number of places, or whose teacher decides who comes in.
//!
//! Whatever changes who is in such a course holds its row first, so that of two at the same instant one comes after the
//! other: never more are let in than there are places, and each once, in the order in which they asked. An invitation
//! stands for the teacher's decision, but not for a place.

use super::{by_staff, store};
use crate::app::App;
use crate::config::ConfirmedEmail;
use crate::courses::{ASK_AGAIN, count_taken, find_request, is_limited, place_in_line};
use crate::db::Write;
use crate::entities::enrollment_request::{self, RequestState};
use crate::entities::{course, user};
use crate::error::{Error, Result};
use crate::jobs::{self, Job, JobContext, JobError, PRIORITY_NORMAL};
use crate::messages::{self, MessageLevel, NewMessage, write_letter};
use crate::web::identity::Person;
use crate::web::text;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};

/// Characters of a title in a message.
const TITLE: usize = 120;
/// So many are let in by one transaction, so that nobody else's change waits long for it; a job lets in those after them.
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
    person: &Person,
    course_id: i64,
    invitation_id: Option<i64>,
) -> Result<Standing> {
    let user_id = person.id;
    let found = course::Entity::find_by_id(course_id).one(&**write).await?;
    let found = found.ok_or(Error::NotFound)?;
    // What she may here and now: her account may run the site, while her key, or the lack of a second factor, does not.
    let manages = store::manages(person, &found);
    if found.is_draft && !manages {
        return Err(Error::NotFound);
    }
    if store::is_enrolled(&**write, user_id, course_id).await? {
        return Ok(Standing::Enrolled);
    }
    if app.config.confirmed_email == ConfirmedEmail::Enroll && found.owner_id != user_id {
        require_confirmed(write, user_id).await?;
    }
    if !is_limited(&found) || manages {
        let course = store::enroll(app, write, user_id, course_id).await?;
        // What is refused here is dropped with the transaction, of which nothing is committed.
        if course.is_draft && !manages {
            return Err(Error::NotFound);
        }
        if is_limited(&course) && !is_limited(&found) {
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
    let is_news = stand_in_line(app, write, &course, user_id, invitation_id).await?;
    let let_in = move_up(app, write, &course).await?;
    // She sees it herself.
    let others = let_in.into_iter().filter(|id| *id != user_id);
    announce(app, write, &course, others.map(let_in_told).collect()).await?;
    let standing = standing(write, user_id, course_id).await?;
    if is_news && standing == Standing::Asked {
        tell_teacher(app, write, &course, user_id).await?;
    }
    Ok(standing)
}

/// The course, held until the end of the transaction.
async fn hold(write: &Write, course_id: i64) -> Result<course::Model> {
    let held = course::Entity::find_by_id(course_id).lock_exclusive();
    held.one(&**write).await?.ok_or(Error::NotFound)
}

/// The course into which somebody comes, held as coming in holds it: from others who come where places are counted or somebody
/// decides, else only from being changed. To be asked before anything else is held.
pub(super) async fn hold_to_enter(write: &Write, course_id: i64) -> Result<course::Model> {
    let found = course::Entity::find_by_id(course_id).one(&**write).await?;
    if is_limited(&found.ok_or(Error::NotFound)?) {
        return hold(write, course_id).await;
    }
    let held = course::Entity::find_by_id(course_id).lock_shared();
    let course = held.one(&**write).await?.ok_or(Error::NotFound)?;
    if is_limited(&course) {
        // Two who share it would wait for each other.
        return Err(Error::Conflict(CHANGED.into()));
    }
    Ok(course)
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

/// Her place in the line of a course that is held: the one that she has, or one at its end. Answers whether she did not
/// stand so before.
async fn stand_in_line(
    app: &App,
    write: &Write,
    course: &course::Model,
    user_id: i64,
    invitation_id: Option<i64>,
) -> Result<bool> {
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
        Some(request) if request.state == state || !is_free => return Ok(false),
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
    Ok(true)
}

/// Tells the teacher that somebody asks, unless others have asked before her and are not decided upon; once a day of each, so
/// that taking a request back and asking anew is no noise.
async fn tell_teacher(
    app: &App,
    write: &mut Write,
    course: &course::Model,
    user_id: i64,
) -> Result<()> {
    let others = enrollment_request::Entity::find()
        .filter(enrollment_request::Column::CourseId.eq(course.id))
        .filter(enrollment_request::Column::State.eq(RequestState::Asked));
    if others.count(&**write).await? > 1 {
        return Ok(());
    }
    let title = text::shorten(&course.title, TITLE);
    let day = app.clock.now().date_naive();
    let message = NewMessage {
        recipient_id: course.owner_id,
        text: format!("Somebody asks to be let into “{title}”."),
        level: MessageLevel::Info,
        link: entry_path(course.id),
        dedupe_key: Some(format!("asks:{}:{user_id}:{day}", course.id)),
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

/// Forgets a request of hers, whatever became of it: she is in the course.
async fn forget_request(write: &Write, user_id: i64, course_id: i64) -> Result<()> {
    enrollment_request::Entity::delete_many()
        .filter(enrollment_request::Column::CourseId.eq(course_id))
        .filter(enrollment_request::Column::UserId.eq(user_id))
        .exec(&**write)
        .await?;
    Ok(())
}

/// Lets in the first of those who wait for a course that is held; answers who they are. Should there be more than are let in
/// at once, a job goes on.
pub(super) async fn move_up(
    app: &App,
    write: &mut Write,
    course: &course::Model,
) -> Result<Vec<i64>> {
    let let_in = let_in(app, write, course).await?;
    if u64::try_from(let_in.len()).unwrap_or(0) >= AT_ONCE {
        jobs::enqueue(app, write, &FillPlaces {}).await?;
    }
    Ok(let_in)
}

/// Lets in those who wait for a course that is held, in their order, while there are places, but so many at most; answers who
/// they are.
async fn let_in(app: &App, write: &Write, course: &course::Model) -> Result<Vec<i64>> {
    let mut let_in = Vec::new();
    if course.is_draft {
        return Ok(let_in);
    }
    loop {
        let free = match course.places {
            Some(places) => i64::from(places) - count_taken(&**write, course).await?,
            None => i64::MAX,
        };
        let left = AT_ONCE.saturating_sub(u64::try_from(let_in.len()).unwrap_or(AT_ONCE));
        let most = u64::try_from(free).unwrap_or(0).min(left);
        let next = if most == 0 {
            Vec::new()
        } else {
            list_next(write, course.id, most).await?
        };
        if next.is_empty() {
            return Ok(let_in);
        }
        let_in.extend(admit(app, write, course.id, &next).await?);
    }
}

/// Turns requests for a course that is held into enrollments; answers whose are new. Staff may have put somebody in
/// meanwhile: then her request goes, and the place to the next.
async fn admit(
    app: &App,
    write: &Write,
    course_id: i64,
    requests: &[enrollment_request::Model],
) -> Result<Vec<i64>> {
    let pairs: Vec<(i64, i64)> = requests
        .iter()
        .map(|request| (request.user_id, course_id))
        .collect();
    let inside = by_staff::list_enrolled(&**write, &pairs).await?;
    let new = pairs.iter().filter(|pair| !inside.contains(pair));
    let new: Vec<i64> = new.map(|(user_id, _)| *user_id).collect();
    store::insert(app, write, &new, course_id).await?;
    enrollment_request::Entity::delete_many()
        .filter(enrollment_request::Column::Id.is_in(requests.iter().map(|request| request.id)))
        .exec(&**write)
        .await?;
    Ok(new)
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
    person: &Person,
    course_id: i64,
) -> Result<()> {
    let course = hold_limited(write, course_id).await?;
    store::leave(write, person, course_id).await?;
    withdraw(write, person.id, course_id).await?;
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
            fill_up(&context, id).await?;
        }
        Ok(())
    }
}

/// Lets in all who may come into a course, some at a time.
async fn fill_up(context: &JobContext, course_id: i64) -> Result<(), JobError> {
    let app = &context.app;
    loop {
        let mut write = app.write().await?;
        let course = match hold(&write, course_id).await {
            Ok(course) => course,
            // It was deleted meanwhile.
            Err(Error::NotFound) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let let_in = let_in(app, &write, &course).await?;
        let news = let_in.iter().copied().map(let_in_told).collect();
        announce(app, &mut write, &course, news).await?;
        write.commit().await?;
        context.got_on();
        if u64::try_from(let_in.len()).unwrap_or(0) < AT_ONCE {
            return Ok(());
        }
    }
}
