//! What programs do as students: enrolling in a course and leaving it, its contents, and how far she is.
//!
//! The list of her courses stands in `enrollments`; what her teachers do in `entry`, `requests` and `invitations`.

mod entry;
mod invitations;
mod requests;
mod standing;

pub use invitations::invitations;
pub use requests::requests;

use super::admission::{self, Standing, ask_to_enroll};
pub use super::enrollments::enrollments;
use super::marks::{mark, note_position};
use super::progress::{Progress, done_contents, list_steps};
use super::{render_item, store};
use crate::courses::{
    ContentView, CourseHead, CourseView, FULL_COURSE, find_course, list_contents, with_modules,
};
use crate::entities::upload::UploadState;
use crate::entities::{content, course};
use crate::error::{Error, Result};
use crate::holds;
use crate::media::{FileView, list_files};
use crate::web::rest::{
    Access, Answer, Asked, Call, Cell, Declared, FIELDS, Field, Got, IS_AUTHENTICATED, IS_OWNER,
    IS_STAFF, Kind, Object, Operation, Resource, Rule, Verdict, declared,
};
use crate::web::scopes::Scope;
use crate::web::tags::{Noting, Tag};
use axum::http::{Method, StatusCode};
use backends::cache::Timeout;
use futures::future::BoxFuture;
use sea_orm::EntityTrait;
use std::collections::HashMap;

/// Who is in the course.
pub const IS_ENROLLED: Rule = Rule::Is("IsEnrolled", is_enrolled);

/// Who may read what a course holds.
const MAY_STUDY: Rule = Rule::Any(&[IS_STAFF, IS_OWNER, IS_ENROLLED]);

/// Who manages a course, by the permission that its page asks for.
const MANAGES: Rule = Rule::All(&[holds!(CHANGE_COURSE), Rule::Any(&[IS_OWNER, IS_STAFF])]);

/// Whether she is in the course now.
struct Enrolled(bool);

const ENROLLED: [Field<Enrolled>; 1] = [Field::new(
    "enrolled",
    Kind::Boolean,
    "Whether you are in the course now.",
    |now| Cell::Boolean(now.0),
)];

/// How somebody stands who is not in the course yet.
const IN_LINE: [Field<Standing>; 3] = [
    Field::new(
        "enrolled",
        Kind::Boolean,
        "Whether you are in the course now.",
        |now| Cell::Boolean(*now == Standing::Enrolled),
    ),
    Field::new(
        "state",
        Kind::Choice(&["asked", "waiting"]),
        "asked: the teacher decides; waiting: you come in as soon as there is a place.",
        |now| {
            Cell::text(match now {
                Standing::Waiting(_) => "waiting",
                Standing::Asked | Standing::Enrolled => "asked",
            })
        },
    ),
    Field::<Standing>::new(
        "place",
        Kind::Integer,
        "Your place in line, from 1, while you wait for a place.",
        |now| match now {
            Standing::Waiting(place) => Cell::Integer(*place),
            Standing::Asked | Standing::Enrolled => Cell::Null,
        },
    )
    .or_null(),
];

/// How far somebody is in a course.
struct Progressed {
    course_id: i64,
    progress: Progress,
    done: Vec<i64>,
}

const COURSE_FIELD: Field<Progressed> = Field::new(
    "course",
    Kind::Reference("courses"),
    "The number of the course.",
    |row| Cell::Integer(row.course_id),
);
const PERCENT: Field<Progressed> = Field::new(
    "percent",
    Kind::Range(0, 100),
    "Done of all, in percent.",
    |row| Cell::Integer(row.progress.percent()),
);
const WORDS: Field<Progressed> = Field::new(
    "words",
    Kind::Text,
    "The same in words, with the time that is left.",
    |row| Cell::Text(row.progress.words().into()),
);
const DONE: Field<Progressed> = Field::new(
    "done",
    Kind::References("contents"),
    "The numbers of the contents that you have done.",
    |row| Cell::Integers((&row.done).into()),
);
const STANDING: [Field<Progressed>; 4] = [COURSE_FIELD, PERCENT, WORDS, DONE];

const MARK: [Declared; 1] = [Declared::taken(
    "done",
    Kind::Boolean,
    Access::Required,
    "true for done, false to take the mark back.",
)];

const POSITION: [Declared; 1] = [Declared::taken(
    "position",
    Kind::Number,
    Access::Required,
    "Seconds from its beginning.",
)];

/// Adds to the courses what students do with them.
pub fn with_studies(courses: Resource) -> Resource {
    let courses = entry::with_entry(courses)
        .action(
            "enroll",
            "Enroll",
            "Enrolls you in the course. Twice is once. Where its teacher decides who comes in, or all places are taken, your request stands in line: 202. Ask again, or at standing/, to see how it stands. Where the site lets in confirmed addresses alone, others are told so: 403.",
            Operation::new(Method::POST, "Enrolls the caller; the body is ignored.", enroll)
                .only(IS_AUTHENTICATED)
                .within(Scope::Learn)
                .about(find_course)
                .may_answer(StatusCode::CONFLICT, "Your request was declined less than a day ago.")
                .answers(declared(&ENROLLED))
                .or_accepts(declared(&IN_LINE)),
        )
        .action(
            "leave",
            "Leave",
            "Takes you out of the course. Twice is once; what you have done is kept.",
            Operation::new(Method::POST, "Takes the caller out; the body is ignored.", leave)
                .only(IS_AUTHENTICATED)
                .within(Scope::Learn)
                .may_answer(StatusCode::NOT_FOUND, "There is no such course, or it is a draft that you are not in.")
                .answers(declared(&ENROLLED)),
        )
        .action(
            "progress",
            "Progress",
            "How far you are in the course.",
            Operation::new(Method::GET, "How far the caller is.", progress)
                .only(MAY_STUDY)
                .about(find_course)
                .answers(declared(&STANDING)),
        )
        .action(
            "contents",
            "Contents",
            "The course with everything that it holds, for those who are in it, its owner and staff.",
            Operation::new(Method::GET, "The course with its contents.", contents)
                .only(MAY_STUDY)
                .about(find_course)
                .looks_at(&[FIELDS])
                .answers(declared(&FULL_COURSE)),
        );
    standing::with_standing(courses)
}

/// Adds to the contents what students do with them.
pub fn with_marks(contents: Resource) -> Resource {
    let contents = contents
        .action(
            "done",
            "Done",
            "Marks a content of a course that you are in as done, or takes the mark back.",
            Operation::new(
                Method::POST,
                "Marks it; answers how far the caller is now.",
                done,
            )
            .only(IS_AUTHENTICATED)
            .within(Scope::Learn)
            .about(find_studied)
            .takes(MARK.to_vec())
            .answers(declared(&STANDING)),
        )
        .action(
            "position",
            "Position",
            "Notes where a film or recording stands, so that you can go on from there.",
            Operation::new(Method::POST, "Notes the position.", position)
                .only(IS_AUTHENTICATED)
                .within(Scope::Learn)
                .about(find_studied)
                .takes(POSITION.to_vec())
                .without_answer(),
        );
    standing::with_position(contents)
}

/// A content with its course, for those who study it.
struct Studied {
    content: content::Model,
    course_id: i64,
    owner_id: i64,
}

impl Object for Studied {
    fn owner_id(&self) -> Option<i64> {
        Some(self.owner_id)
    }
}

fn find_studied(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let (content, _, course) =
            store::get_studied_content(call.app.db.read(), call.person()?, call.id).await?;
        let object: Box<dyn Object> = Box::new(Studied {
            content,
            course_id: course.id,
            owner_id: course.owner_id,
        });
        Ok(object)
    })
}

async fn done(call: Call) -> Result<Answer> {
    let is_done = call.given.checked()?.flag("done").unwrap_or(true);
    let studied = call.object::<Studied>()?;
    mark(
        &call.app,
        call.person()?,
        &studied.content,
        studied.course_id,
        is_done,
    )
    .await?;
    call.one(&STANDING, &standing(&call, studied.course_id).await?)
}

async fn position(call: Call) -> Result<Answer> {
    let seconds = match call.given.checked()?.get("position") {
        Some(Got::Number(seconds)) => seconds.to_string(),
        _ => String::new(),
    };
    note_position(&call.app, call.person()?, call.id, &seconds).await?;
    Ok(Answer::nothing())
}

async fn progress(call: Call) -> Result<Answer> {
    let id = call.object::<CourseHead>()?.id;
    call.one(&STANDING, &standing(&call, id).await?)
}

async fn standing(call: &Call, course_id: i64) -> Result<Progressed> {
    let db = call.app.db.read();
    let done = done_contents(db, call.person()?.id, course_id).await?;
    Ok(Progressed {
        course_id,
        progress: Progress::of(list_steps(db, course_id).await?, &done),
        done,
    })
}

async fn leave(call: Call) -> Result<Answer> {
    let mut write = call.app.write().await?;
    admission::leave(&call.app, &mut write, call.person()?, call.id).await?;
    write.commit().await?;
    call.one(&ENROLLED, &Enrolled(false))
}

async fn enroll(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let mut write = call.app.write().await?;
    let standing = ask_to_enroll(&call.app, &mut write, person, call.id, None).await?;
    write.commit().await?;
    match standing {
        Standing::Enrolled => call.one(&ENROLLED, &Enrolled(true)),
        standing => Ok(call.one(&IN_LINE, &standing)?.accepted()),
    }
}

async fn contents(call: Call) -> Result<Answer> {
    let id = call.object::<CourseHead>()?.id;
    if !call.is_plain() {
        return call.one(&FULL_COURSE, &load(&call, id, None).await?);
    }
    let key = format!("contents:{id}");
    call.kept(&key, &[Tag::course(id)], async |noting| {
        Call::bytes(&FULL_COURSE, &load(&call, id, Some(noting)).await?)
    })
    .await
}

/// The course with the HTML of its contents; a constant number of queries.
async fn load(call: &Call, id: i64, noting: Option<Noting>) -> Result<CourseView> {
    let db = call.app.db.read();
    let found = course::Entity::find_by_id(id).one(db).await?;
    let views = with_modules(db, found.into_iter().collect()).await?;
    let mut view = views.into_iter().next().ok_or(Error::NotFound)?;
    let module_ids: Vec<i64> = view.modules.iter().map(|module| module.id).collect();
    let rows = list_contents(db, &module_ids).await?;
    let uploads: Vec<i64> = rows.iter().filter_map(|(_, item)| item.upload_id).collect();
    if let Some(noting) = &noting {
        // How far a file is belongs to the file, not to the course.
        let tags: Vec<Tag> = uploads.iter().map(|id| Tag::upload(*id)).collect();
        noting.note(&tags).await?;
    }
    let files: HashMap<i64, FileView> = list_files(db, &uploads).await?;
    let is_waiting = |file: &FileView| file.upload.state == UploadState::Waiting;
    if let Some(noting) = noting.filter(|_| files.values().any(is_waiting)) {
        // The place of a file in line moves with the files of others.
        noting.keep_nothing();
    }
    let mut by_module: HashMap<i64, Vec<ContentView>> = HashMap::new();
    for (content, item) in rows {
        let file = item.upload_id.and_then(|id| files.get(&id));
        by_module
            .entry(content.module_id)
            .or_default()
            .push(ContentView {
                id: content.id,
                order: content.order,
                html: render_item(&item, file, None),
            });
    }
    for module in &mut view.modules {
        module.contents = by_module.remove(&module.id).unwrap_or_default();
    }
    Ok(view)
}

/// Whether she is in the course; remembered until she enrolls or leaves, or the course changes or is deleted.
fn is_enrolled(asked: Asked<'_>) -> BoxFuture<'_, Result<Verdict>> {
    Box::pin(async move {
        let Some(person) = asked.person else {
            return Ok(Verdict::No);
        };
        let Some(course) = asked.object::<CourseHead>() else {
            return Ok(Verdict::Unknown);
        };
        let (course_id, user_id) = (course.id, person.id);
        let key = format!("enrolled:{course_id}:{user_id}");
        let tags = [Tag::studies(user_id), Tag::course(course_id)];
        let db = asked.app.db.read();
        let is_enrolled: bool = asked
            .app
            .tagged
            .get_or_set(&key, &tags, Timeout::Default, || {
                store::is_enrolled(db, user_id, course_id)
            })
            .await?;
        Ok(is_enrolled.into())
    })
}
