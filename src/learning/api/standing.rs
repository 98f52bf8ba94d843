//! How somebody stands with a course, for herself: in it, in line for it, declined, or neither; and where a film of it
//! stands.

use super::Studied;
use crate::courses::{CourseHead, find_course, find_request, place_in_line};
use crate::entities::enrollment_request::RequestState;
use crate::error::Result;
use crate::learning::progress::list_positions;
use crate::learning::store::is_enrolled;
use crate::web::rest::{
    Answer, Call, Cell, Field, IS_AUTHENTICATED, Kind, Operation, Resource, declared,
};
use axum::http::Method;

/// How she stands with a course.
struct Now {
    state: &'static str,
    place: Option<i64>,
}

const NOW: [Field<Now>; 3] = [
    Field::new(
        "enrolled",
        Kind::Boolean,
        "Whether you are in the course now.",
        |now| Cell::Boolean(now.state == "enrolled"),
    ),
    Field::new(
        "state",
        Kind::Choice(&["enrolled", "asked", "waiting", "declined", "none"]),
        "asked: the teacher decides; waiting: you come in as soon as there is a place; none: you have not asked.",
        |now| Cell::text(now.state),
    ),
    Field::<Now>::new(
        "place",
        Kind::Integer,
        "Your place in line, from 1, while you wait for a place.",
        |now| now.place.map_or(Cell::Null, Cell::Integer),
    )
    .or_null()
    .passing(),
];

/// Where a film stands.
struct Stands(f64);

const STANDS: [Field<Stands>; 1] = [Field::new(
    "position",
    Kind::Number,
    "Seconds from its beginning; 0 when you have not begun.",
    |stands| Cell::Number(stands.0),
)];

/// Adds to the courses how the caller stands with one.
pub(super) fn with_standing(courses: Resource) -> Resource {
    courses.action(
        "standing",
        "Standing",
        "How you stand with the course: in it, in line for it, declined, or neither.",
        Operation::new(Method::GET, "How you stand with the course.", show)
            .only(IS_AUTHENTICATED)
            .about(find_course)
            .answers(declared(&NOW)),
    )
}

/// Adds to the contents where one stands.
pub(super) fn with_position(contents: Resource) -> Resource {
    contents.at(
        "/api/contents/{id}/position/",
        Operation::new(Method::GET, "Where the film or recording stands.", position)
            .only(IS_AUTHENTICATED)
            .about(super::find_studied)
            .answers(declared(&STANDS)),
    )
}

async fn show(call: Call) -> Result<Answer> {
    let (db, person) = (call.app.db.read(), call.person()?);
    let id = call.object::<CourseHead>()?.id;
    let bare = |state| Now { state, place: None };
    let now = if is_enrolled(db, person.id, id).await? {
        bare("enrolled")
    } else {
        match find_request(db, person.id, id).await? {
            None => bare("none"),
            Some(request) => match request.state {
                RequestState::Asked => bare("asked"),
                RequestState::Declined => bare("declined"),
                RequestState::Waiting => Now {
                    place: Some(place_in_line(db, &request).await?),
                    ..bare("waiting")
                },
            },
        }
    };
    call.one(&NOW, &now)
}

async fn position(call: Call) -> Result<Answer> {
    let db = call.app.db.read();
    let id = call.object::<Studied>()?.content.id;
    let found = list_positions(db, call.person()?.id, &[id]).await?;
    call.one(&STANDS, &Stands(found.get(&id).copied().unwrap_or(0.0)))
}
