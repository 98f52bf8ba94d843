//! What programs do as students: `/api/courses/<id>/enroll/` and `/api/courses/<id>/contents/`.

use super::{enroll as enroll_in, render_item, store};
use crate::courses::{
    ContentView, CourseHead, CourseView, FULL_COURSE, find_course, list_contents, with_modules,
};
use crate::entities::course;
use crate::entities::upload::UploadState;
use crate::error::{Error, Result};
use crate::media::{FileView, list_files};
use crate::web::rest::{
    Answer, Asked, Call, Cell, FIELDS, Field, IS_AUTHENTICATED, IS_OWNER, IS_STAFF, Kind,
    Operation, Resource, Rule, Verdict, declared,
};
use crate::web::scopes::Scope;
use crate::web::tags::{Noting, Tag};
use axum::http::Method;
use backends::cache::Timeout;
use futures::future::BoxFuture;
use sea_orm::EntityTrait;
use std::collections::HashMap;

/// Who is in the course.
pub const IS_ENROLLED: Rule = Rule::Is("IsEnrolled", is_enrolled);

/// Who may read what a course holds.
const MAY_STUDY: Rule = Rule::Any(&[IS_STAFF, IS_OWNER, IS_ENROLLED]);

/// Who asked is in the course now.
struct Enrolled;

const ENROLLED: [Field<Enrolled>; 1] = [Field::new(
    "enrolled",
    Kind::Boolean,
    "Always true: you are in the course.",
    |_| Cell::Boolean(true),
)];

/// Adds to the courses what students do with them.
pub fn with_studies(courses: Resource) -> Resource {
    courses
        .action(
            "enroll",
            "Enroll",
            "Enrolls you in the course. Twice is once.",
            Operation::new(Method::POST, "Enrolls the caller; the body is ignored.", enroll)
                .only(IS_AUTHENTICATED)
                .within(Scope::Learn)
                .about(find_course)
                .answers(declared(&ENROLLED)),
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
        )
}

async fn enroll(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let write = call.app.write().await?;
    enroll_in(&call.app, &write, person.id, call.id).await?;
    write.commit().await?;
    Ok(Answer::json(Call::bytes(&ENROLLED, &Enrolled)?))
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
