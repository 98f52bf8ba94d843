//! `/api/announcements/`: what staff tell everybody, the students of a course, or the members of a group.

use crate::admin::announcements::{self as sent, NewAnnouncement};
use crate::entities::announcement::{self, AnnouncementState};
use crate::error::{Error, Problems, Result};
use crate::messages::TEXT_LIMIT;
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, IS_STAFF, Kind, Listing, Object,
    Operation, PARAMETERS, Parameter, Resource, Takes, declared, orders_of,
};
use crate::web::scopes::Scope;
use axum::http::{Method, StatusCode};
use futures::future::BoxFuture;
use sea_orm::{ActiveEnum as _, ColumnTrait, EntityTrait, QueryFilter};

/// How far announcements are.
const STATES: [&str; 3] = ["sending", "sent", "stopped"];
/// Characters of a link.
const LONGEST_LINK: usize = 2_000;

/// An announcement with how many have read it.
type Announced = (announcement::Model, u64);

fn integer(number: u64) -> Cell<'static> {
    Cell::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// To whom it goes, as it is sent in.
fn audience(row: &announcement::Model) -> String {
    let word = row.audience.to_value();
    match row.audience_id {
        Some(id) => format!("{word}:{id}"),
        None => word,
    }
}

const ANNOUNCEMENT: [Field<Announced>; 12] = [
    Field::new("id", Kind::Integer, "Its number.", |(row, _)| {
        Cell::Integer(row.id)
    }),
    Field::<Announced>::new(
        "audience",
        Kind::ShortText(64),
        "Who is told: everybody, course:7 (its students and owner) or group:2.",
        |(row, _)| Cell::Text(audience(row).into()),
    )
    .set_by_caller(Access::Required),
    Field::<Announced>::new(
        "audience_name",
        Kind::Text,
        "The title of the course or the name of the group then.",
        |(row, _)| row.audience_name.as_deref().map_or(Cell::Null, Cell::text),
    )
    .or_null(),
    Field::<Announced>::new(
        "text",
        Kind::ShortText(TEXT_LIMIT),
        "What they are told, as plain text.",
        |(row, _)| Cell::text(&row.text),
    )
    .set_by_caller(Access::Required),
    Field::<Announced>::new(
        "link",
        Kind::ShortText(LONGEST_LINK),
        "A path of this site to which it leads, or empty.",
        |(row, _)| Cell::text(&row.link),
    )
    .set_by_caller(Access::Optional),
    Field::new(
        "state",
        Kind::Choice(&STATES),
        "How far it is.",
        |(row, _)| Cell::Text(row.state.to_value().into()),
    ),
    Field::new(
        "expected",
        Kind::Integer,
        "How many were to be told when it was sent.",
        |(row, _)| Cell::Integer(row.expected),
    ),
    Field::new(
        "told",
        Kind::Integer,
        "How many have been told.",
        |(row, _)| Cell::Integer(row.told),
    ),
    Field::new(
        "read",
        Kind::Integer,
        "How many have read it.",
        |(_, read)| integer(*read),
    ),
    Field::new(
        "author",
        Kind::ShortText(150),
        "The user name of who sent it.",
        |(row, _)| Cell::text(&row.author_name),
    ),
    Field::new("created", Kind::Time, "When it was sent.", |(row, _)| {
        Cell::Time(row.created_at)
    }),
    Field::<Announced>::new(
        "ended",
        Kind::Time,
        "When the last was told, or it was stopped.",
        |(row, _)| row.ended_at.map_or(Cell::Null, Cell::Time),
    )
    .or_null(),
];

const ORDERS: [(&str, announcement::Column); 2] = [
    ("created", announcement::Column::CreatedAt),
    ("id", announcement::Column::Id),
];

impl Object for announcement::Model {
    fn owner_id(&self) -> Option<i64> {
        self.author_id
    }
}

/// `/api/announcements/`
pub fn announcements() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&ANNOUNCEMENT);
    Resource::new(
        "announcements",
        "Announcement",
        "What staff tell everybody, the students of a course, or the members of a group. For staff.",
    )
    .all(
        Operation::new(Method::GET, "Lists the announcements, newest first.", list)
            .only(IS_STAFF)
            .list()
            .looks_at(&PARAMETERS)
            .looks_at(&[
                Parameter::ordering(&ORDERS),
                Parameter::new("state", "How far they are.", Takes::OneOf(&STATES)),
            ])
            .answers(fields()),
    )
    .all(
        Operation::new(
            Method::POST,
            "Sends an announcement. The same words to the same people within ten minutes are the same, and sent once.",
            create,
        )
        .only(IS_STAFF)
        .within(Scope::Admin)
        .takes(fields())
        .answers(fields())
        .creates(),
    )
    .one(
        Operation::new(Method::GET, "One announcement.", show)
            .only(IS_STAFF)
            .about(find)
            .looks_at(&[FIELDS])
            .answers(fields()),
    )
    .action(
        "stop",
        "Stop",
        "Stops an announcement that is on its way; whoever was told stays told. Twice is once.",
        Operation::new(Method::POST, "Stops it; the body is ignored.", stop)
            .only(IS_STAFF)
            .within(Scope::Admin)
            .about(find)
            .may_answer(StatusCode::CONFLICT, "Everybody was told already.")
            .answers(fields()),
    )
}

async fn list(call: Call) -> Result<Answer> {
    use announcement::Column;
    let orders = orders_of(&call, &ORDERS, &[], Column::Id)?;
    let mut select = announcement::Entity::find();
    if let Some(name) = call.parameter("state") {
        let state = AnnouncementState::try_from_value(&name.to_owned());
        let told = || Error::invalid("state", format!("There are {}.", STATES.join(", ")));
        select = select.filter(Column::State.eq(state.map_err(|_| told())?));
    }
    let listing = Listing {
        select,
        orders,
        fields: &ANNOUNCEMENT,
        dress: |app, rows| Box::pin(async move { sent::with_readers(&app, rows).await }),
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

fn find(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let found = announcement::Entity::find_by_id(call.id);
        let found = found.one(call.app.db.read()).await?;
        let object: Box<dyn Object> = Box::new(found.ok_or(Error::NotFound)?);
        Ok(object)
    })
}

async fn show(call: Call) -> Result<Answer> {
    let found = announcement::Entity::find_by_id(call.id);
    let found = found.one(call.app.db.read()).await?;
    let rows = found.into_iter().collect();
    let rows = sent::with_readers(&call.app, rows).await?;
    call.one(&ANNOUNCEMENT, rows.first().ok_or(Error::NotFound)?)
}

async fn create(call: Call) -> Result<Answer> {
    let given = &call.given;
    let typed = |name: &str| given.text(name).unwrap_or_default();
    let read = NewAnnouncement::read(&call.app, typed("audience"), typed("text"), typed("link"));
    let (new, problems) = match read.await {
        Ok(new) => (Some(new), Problems::new()),
        Err(Error::Invalid(problems)) => (None, problems),
        Err(other) => return Err(other),
    };
    let new = given.judge(|_| new.ok_or(problems))?;
    let (person, by) = (call.person()?, call.by()?);
    let mut write = call.app.write().await?;
    let id = sent::write_down(&call.app, &mut write, person, &by, &new).await?;
    let found = announcement::Entity::find_by_id(id).one(&*write).await?;
    // The same words a moment ago may have been read by now.
    let read = sent::count_readers(&*write, &[id]).await?;
    let read = read.get(&id).copied().unwrap_or(0);
    let row = (found.ok_or(Error::NotFound)?, read);
    tracing::info!(by = by.name, announcement = id, "an announcement was sent");
    let path = format!("/api/announcements/{id}/");
    call.made(write, &ANNOUNCEMENT, &row, &path).await
}

async fn stop(call: Call) -> Result<Answer> {
    let by = call.by()?;
    sent::stop(&call.app, &by, call.id).await?;
    tracing::info!(
        by = by.name,
        announcement = call.id,
        "an announcement was stopped"
    );
    show(call).await
}
