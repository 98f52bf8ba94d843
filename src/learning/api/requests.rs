//! `/api/requests/`: who asks to be let into a course, for its teacher, who decides.

use super::MANAGES;
use crate::courses::hold_course;
use crate::entities::enrollment_request::{self, RequestState};
use crate::entities::{course, user};
use crate::error::{Error, Problems, Result};
use crate::holds;
use crate::learning::deciding;
use crate::learning::entry::LONGEST_REASON;
use crate::learning::store::is_enrolled;
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, Given, Kind, Listing, Object, Operation,
    PARAMETERS, Parameter, Resource, Takes, declared, orders_of,
};
use axum::http::{Method, StatusCode};
use futures::future::BoxFuture;
use sea_orm::{
    ActiveEnum as _, ColumnTrait, ConnectionTrait, EntityTrait, JoinType, Order, QueryFilter,
    QuerySelect, RelationTrait, Select,
};
use std::collections::HashMap;

/// How requests stand.
const STATES: [&str; 3] = ["asked", "waiting", "declined"];
/// What a request came to.
const OUTCOMES: [&str; 3] = ["enrolled", "waiting", "declined"];

/// A request with who asks.
struct RequestRow {
    row: enrollment_request::Model,
    username: String,
    name: String,
}

const REQUEST: [Field<RequestRow>; 9] = [
    Field::new("id", Kind::Integer, "Its number.", |view| {
        Cell::Integer(view.row.id)
    }),
    Field::new(
        "course",
        Kind::Reference("courses"),
        "The course into which she asks to be let.",
        |view| Cell::Integer(view.row.course_id),
    ),
    Field::new("user", Kind::Integer, "The number of who asks.", |view| {
        Cell::Integer(view.row.user_id)
    }),
    Field::new(
        "username",
        Kind::ShortText(150),
        "What she logs in with.",
        |view| Cell::text(&view.username),
    ),
    Field::new("name", Kind::ShortText(150), "As others see her.", |view| {
        Cell::text(&view.name)
    }),
    Field::new(
        "state",
        Kind::Choice(&STATES),
        "asked: it is for you to decide; waiting: she comes in as soon as there is a place.",
        |view| Cell::Text(view.row.state.to_value().into()),
    ),
    Field::new(
        "reason",
        Kind::Text,
        "Why it was declined; may be empty.",
        |view| Cell::text(&view.row.reason),
    ),
    Field::new("since", Kind::Time, "When she asked.", |view| {
        Cell::Time(view.row.created_at)
    }),
    Field::<RequestRow>::new("decided", Kind::Time, "When it was decided.", |view| {
        view.row.decided_at.map_or(Cell::Null, Cell::Time)
    })
    .or_null(),
];

/// What became of a request.
struct Decided {
    course_id: i64,
    user_id: i64,
    state: &'static str,
}

const DECIDED: [Field<Decided>; 3] = [
    Field::new(
        "course",
        Kind::Reference("courses"),
        "The number of the course.",
        |done| Cell::Integer(done.course_id),
    ),
    Field::new("user", Kind::Integer, "The number of who asked.", |done| {
        Cell::Integer(done.user_id)
    }),
    Field::new(
        "state",
        Kind::Choice(&OUTCOMES),
        "enrolled: she is in the course; waiting: she comes in as soon as there is a place.",
        |done| Cell::text(done.state),
    ),
];

const REASON: [Declared; 1] = [Declared::taken(
    "reason",
    Kind::ShortText(LONGEST_REASON),
    Access::Optional,
    "What she is told in her letter; may be empty.",
)];

const ORDERS: [(&str, enrollment_request::Column); 3] = [
    ("since", enrollment_request::Column::CreatedAt),
    ("course", enrollment_request::Column::CourseId),
    ("id", enrollment_request::Column::Id),
];

/// A request, and whose course it is about.
struct Found {
    row: enrollment_request::Model,
    owner_id: i64,
}

impl Object for Found {
    fn owner_id(&self) -> Option<i64> {
        Some(self.owner_id)
    }
}

/// `/api/requests/`
pub fn requests() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&REQUEST);
    let requests = Resource::new(
        "requests",
        "Request",
        "Who asks to be let into your courses. Accepted, a request ends as soon as there is a place.",
    )
    .all(
        Operation::new(
            Method::GET,
            "Lists the requests for your courses, for staff all, in the order in which they came.",
            list,
        )
        .only(holds!(CHANGE_COURSE))
        .list()
        .looks_at(&PARAMETERS)
        .looks_at(&[
            Parameter::ordering(&ORDERS),
            Parameter::id("course", "The number of a course."),
            Parameter::new("state", "How they stand.", Takes::OneOf(&STATES)),
        ])
        .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One request.", show)
            .only(MANAGES)
            .about(find)
            .looks_at(&[FIELDS])
            .answers(fields()),
    );
    with_decisions(requests)
}

fn with_decisions(requests: Resource) -> Resource {
    requests
        .action(
            "accept",
            "Accept",
            "Lets her come in, at once or as soon as there is a place; she is told. Twice is once.",
            Operation::new(Method::POST, "Accepts it; the body is ignored.", accept)
                .only(MANAGES)
                .about(find)
                .may_answer(StatusCode::CONFLICT, "It was declined already.")
                .answers(declared(&DECIDED)),
        )
        .action(
            "decline",
            "Decline",
            "Declines it; she is told, and may ask again a day later. Twice is once.",
            Operation::new(Method::POST, "Declines it.", decline)
                .only(MANAGES)
                .about(find)
                .takes(REASON.to_vec())
                .answers(declared(&DECIDED)),
        )
}

/// Those that the caller sees: of her own courses, for staff all.
fn hers(call: &Call) -> Result<Select<enrollment_request::Entity>> {
    let person = call.person()?;
    let select = enrollment_request::Entity::find();
    if person.is_staff {
        return Ok(select);
    }
    Ok(select
        .join(
            JoinType::InnerJoin,
            enrollment_request::Relation::Course.def(),
        )
        .filter(course::Column::OwnerId.eq(person.id)))
}

async fn list(call: Call) -> Result<Answer> {
    use enrollment_request::Column;
    let usual = [(Column::CreatedAt, Order::Asc)];
    let orders = orders_of(&call, &ORDERS, &usual, Column::Id)?;
    let mut select = hers(&call)?;
    if let Some(id) = call.number("course")? {
        select = select.filter(Column::CourseId.eq(id));
    }
    if let Some(name) = call.parameter("state") {
        let state = RequestState::try_from_value(&name.to_owned());
        let told = || Error::invalid("state", format!("There are {}.", STATES.join(", ")));
        select = select.filter(Column::State.eq(state.map_err(|_| told())?));
    }
    let listing = Listing {
        select,
        orders,
        fields: &REQUEST,
        dress: |app, rows| Box::pin(async move { dress(app.db.read(), rows).await }),
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

/// These requests with who asks, in the same order; one query.
async fn dress(
    db: &impl ConnectionTrait,
    rows: Vec<enrollment_request::Model>,
) -> Result<Vec<RequestRow>> {
    let ids = rows.iter().map(|row| row.user_id);
    let people = user::Entity::find().filter(user::Column::Id.is_in(ids));
    let people = people.all(db).await?.into_iter();
    let people: HashMap<i64, user::Model> = people.map(|person| (person.id, person)).collect();
    let dressed = rows.into_iter().map(|row| {
        let person = people.get(&row.user_id).cloned();
        RequestRow {
            username: person
                .as_ref()
                .map_or_else(String::new, |person| person.username.clone()),
            name: person
                .map(crate::learning::entry::name_of)
                .unwrap_or_default(),
            row,
        }
    });
    Ok(dressed.collect())
}

fn find(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let found = enrollment_request::Entity::find_by_id(call.id)
            .find_also_related(course::Entity)
            .one(call.app.db.read())
            .await?;
        let person = call.person()?;
        let is_hers = |course: &course::Model| course.owner_id == person.id || person.is_staff;
        match found {
            Some((row, Some(course))) if is_hers(&course) => {
                let object: Box<dyn Object> = Box::new(Found {
                    row,
                    owner_id: course.owner_id,
                });
                Ok(object)
            }
            _ => Err(Error::NotFound),
        }
    })
}

async fn show(call: Call) -> Result<Answer> {
    let row = call.object::<Found>()?.row.clone();
    let rows = dress(call.app.db.read(), vec![row]).await?;
    call.one(&REQUEST, rows.first().ok_or(Error::NotFound)?)
}

async fn accept(call: Call) -> Result<Answer> {
    let (app, request) = (&call.app, &call.object::<Found>()?.row);
    let mut write = app.write().await?;
    let course = hold_course(&write, call.person()?, request.course_id).await?;
    let accepted = deciding::accept(app, &mut write, &call.by()?, &course, &[request.id]).await?;
    let state = if is_enrolled(&*write, request.user_id, course.id).await? {
        "enrolled"
    } else {
        let left = enrollment_request::Entity::find_by_id(request.id);
        match left.one(&*write).await?.map(|row| row.state) {
            Some(RequestState::Waiting) => "waiting",
            Some(RequestState::Declined) => {
                return Err(Error::Conflict("This request was declined already.".into()));
            }
            // She has taken it back meanwhile.
            Some(RequestState::Asked) | None => return Err(Error::NotFound),
        }
    };
    let decided = Decided {
        course_id: course.id,
        user_id: request.user_id,
        state,
    };
    if accepted > 0 {
        write.commit().await?;
    }
    call.one(&DECIDED, &decided)
}

async fn decline(call: Call) -> Result<Answer> {
    let reason = call.given.judge(|given: &Given| {
        let reason = given.text("reason").unwrap_or_default().trim().to_owned();
        if reason
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\r')
        {
            let words = "A reason has no control characters.";
            return Err(Problems::of("reason", words));
        }
        Ok(reason)
    })?;
    let (app, request) = (&call.app, &call.object::<Found>()?.row);
    let mut write = app.write().await?;
    let course = hold_course(&write, call.person()?, request.course_id).await?;
    let declined = deciding::decline(
        app,
        &mut write,
        &call.by()?,
        &course,
        &[request.id],
        &reason,
    )
    .await?;
    let left = enrollment_request::Entity::find_by_id(request.id);
    // She has come in or taken it back meanwhile.
    left.one(&*write).await?.ok_or(Error::NotFound)?;
    if declined > 0 {
        write.commit().await?;
    }
    let decided = Decided {
        course_id: course.id,
        user_id: request.user_id,
        state: "declined",
    };
    call.one(&DECIDED, &decided)
}
