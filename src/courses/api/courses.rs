//! `/api/courses/`: reading courses. Writing them stands in `authoring`.

use super::authoring::with_authoring;
use super::views::{COURSE, with_modules};
use crate::app::App;
use crate::courses::listing;
use crate::entities::course;
use crate::error::{Error, Result};
use crate::web::permissions::admin;
use crate::web::rest::{
    Answer, Call, Declared, FIELDS, Listing, Object, Operation, PARAMETERS, Parameter, Resource,
    Takes, declared, orders_of,
};
use crate::web::tags::Tag;
use axum::http::Method;
use backends::cache::Timeout;
use futures::future::BoxFuture;
use sea_orm::{ColumnTrait, EntityTrait, Order, QueryFilter, Select};
use serde::{Deserialize, Serialize};

/// By what courses can be ordered.
const ORDERS: [(&str, course::Column); 3] = [
    ("created", course::Column::CreatedAt),
    ("title", course::Column::Title),
    ("id", course::Column::Id),
];

/// What decides who sees a course.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CourseHead {
    /// Its number.
    pub id: i64,
    /// The instructor who made it.
    pub owner_id: i64,
    /// Only its owner and staff see it.
    pub is_draft: bool,
}

impl Object for CourseHead {
    fn owner_id(&self) -> Option<i64> {
        Some(self.owner_id)
    }
}

/// `/api/courses/`
pub fn courses() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&COURSE);
    let courses = Resource::new(
        "courses",
        "Course",
        "Courses with their modules. Drafts are seen by their owners and by staff.",
    )
    .all(
        Operation::new(
            Method::GET,
            "Lists the courses, newest first.",
            list_courses,
        )
        .list()
        .looks_at(&PARAMETERS)
        .looks_at(&[
            Parameter::ordering(&ORDERS),
            Parameter::id("subject", "The number of a subject."),
            Parameter::new(
                "owner",
                "The number of an instructor, or me.",
                Takes::IntegerOr(i64::MIN, "me"),
            ),
            Parameter::flag(
                "draft",
                "true: your drafts instead of published courses; all drafts for whoever looks at everybody's courses.",
            ),
        ])
        .looks_at(&[
            ("search", "Words in title or overview."),
            ("slug", "The address of a course."),
        ])
        .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One course.", show_course)
            .about(find_course)
            .looks_at(&[FIELDS])
            .answers(fields()),
    );
    with_authoring(courses)
}

async fn list_courses(call: Call) -> Result<Answer> {
    use course::Column;
    let usual = [(Column::CreatedAt, Order::Desc)];
    let orders = orders_of(&call, &ORDERS, &usual, Column::Id)?;
    let select = wanted(&call)?;
    let listing = Listing {
        select,
        orders,
        fields: &COURSE,
        dress: |app, rows| Box::pin(async move { with_modules(app.db.read(), rows).await }),
        kept: Some(("courses", vec![Tag::catalogue()])),
    };
    Box::pin(call.list(listing)).await
}

/// The courses that the query asks for, of those that the caller sees.
fn wanted(call: &Call) -> Result<Select<course::Entity>> {
    use course::Column;
    let mut select = course::Entity::find();
    if call.flag("draft")?.unwrap_or(false) {
        select = select.filter(Column::IsDraft.eq(true));
        // Somebody without an account has no drafts.
        let person = call.person.as_deref();
        if !person.is_some_and(|person| person.may(admin::VIEW_COURSE)) {
            select = select.filter(Column::OwnerId.eq(person.map_or(0, |person| person.id)));
        }
    } else {
        select = select.filter(Column::IsDraft.eq(false));
    }
    if let Some(id) = call.number("subject")? {
        select = select.filter(Column::SubjectId.eq(id));
    }
    let owner = match call.parameter("owner") {
        Some("me") => Some(call.person()?.id),
        _ => call.number("owner")?,
    };
    if let Some(id) = owner {
        select = select.filter(Column::OwnerId.eq(id));
    }
    if let Some(slug) = call.parameter("slug") {
        select = select.filter(Column::Slug.eq(slug));
    }
    if let Some(typed) = call.parameter("search") {
        let words = listing::words_of(typed);
        select = select.filter(listing::holding(call.app.db.backend(), &words));
    }
    Ok(select)
}

async fn show_course(call: Call) -> Result<Answer> {
    let id = call.object::<CourseHead>()?.id;
    let tags = [Tag::course(id)];
    let make = async || {
        let found = course::Entity::find_by_id(id)
            .one(call.app.db.read())
            .await?;
        let rows = found.into_iter().collect();
        let views = with_modules(call.app.db.read(), rows).await?;
        views.into_iter().next().ok_or(Error::NotFound)
    };
    if call.is_plain() {
        call.rests_on(&tags).await?;
        let key = format!("course:{id}");
        return call
            .kept(&key, &tags, async |_| Call::bytes(&COURSE, &make().await?))
            .await;
    }
    call.one(&COURSE, &make().await?)
}

/// The course with the number in the path.
///
/// # Errors
/// [`Error::NotFound`] when there is none, or it is another's draft.
pub fn find_course(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let head = head(&call.app, call.id).await?.ok_or(Error::NotFound)?;
        let person = call.person.as_deref();
        let is_hers = person
            .is_some_and(|person| person.may(admin::VIEW_COURSE) || person.id == head.owner_id);
        if head.is_draft && !is_hers {
            return Err(Error::NotFound);
        }
        let object: Box<dyn Object> = Box::new(head);
        Ok(object)
    })
}

/// What decides who sees the course; remembered until the course changes.
async fn head(app: &App, id: i64) -> Result<Option<CourseHead>> {
    let key = format!("course-head:{id}");
    let tags = [Tag::course(id)];
    app.tagged
        .get_or_set(&key, &tags, Timeout::Default, async || {
            let found = course::Entity::find_by_id(id).one(app.db.read()).await?;
            Ok(found.map(|course| CourseHead {
                id: course.id,
                owner_id: course.owner_id,
                is_draft: course.is_draft,
            }))
        })
        .await
}
