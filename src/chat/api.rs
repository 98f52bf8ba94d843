//! `/api/rooms/`: the rooms of the courses that somebody is in, with what is new there; and what their moderators see and
//! do. What is said there goes by sockets (docs/LIVE.md). What those do who run the rooms of all courses stands in `all`.

mod all;

use super::moderation::{self, is_moderator};
use super::pages::{RoomEntry, list_rooms};
use super::store::acts;
use crate::entities::chat_act::{self, ChatActKind};
use crate::entities::{course, user};
use crate::error::{Error, Problems, Result};
use crate::holds;
use crate::web::permissions::admin;
use crate::web::rest::{
    Access, Answer, Asked, Call, Cell, Declared, FIELDS, Field, IS_AUTHENTICATED, Kind, Listing,
    Object, Operation, PARAMETERS, Parameter, Resource, Rule, Takes, Verdict, declared, orders_of,
};
use crate::web::scopes::Scope;
use axum::http::Method;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sea_orm::{ActiveEnum as _, ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use std::collections::HashMap;

/// What moderators do.
const ACTS: [&str; 6] = ["lock", "unlock", "slow", "mute", "unmute", "delete"];

/// Who moderates the room.
const IS_MODERATOR: Rule = Rule::Is("IsModerator", |asked| {
    Box::pin(std::future::ready(Ok(verdict(asked))))
});

/// Who closes a room: besides, whoever does so on the admin site.
const MAY_LOCK: Rule = Rule::Any(&[IS_MODERATOR, holds!(admin::CHANGE_ROOM)]);

fn verdict(asked: Asked<'_>) -> Verdict {
    match (asked.person, asked.object::<course::Model>()) {
        (None, _) => Verdict::No,
        (Some(_), None) => Verdict::Unknown,
        (Some(person), Some(course)) => is_moderator(person, course).into(),
    }
}

impl Object for course::Model {
    fn owner_id(&self) -> Option<i64> {
        Some(self.owner_id)
    }
}

const ID: Field<RoomEntry> = Field::new(
    "id",
    Kind::Integer,
    "Its number, which is that of its course.",
    |room| Cell::Integer(room.course_id),
);
const TITLE: Field<RoomEntry> = Field::new(
    "title",
    Kind::ShortText(200),
    "What its course is called.",
    |room| Cell::text(&room.title),
);
const UNREAD: Field<RoomEntry> = Field::<RoomEntry>::new(
    "unread",
    Kind::Range(0, 100),
    "How many lines are new to you; 100 stands for all that is more than 99.",
    |room| Cell::Integer(room.unread),
)
.passing();
const LAST: Field<RoomEntry> = Field::<RoomEntry>::new(
    "last",
    Kind::Text,
    "Who said what last, in short; empty where nobody has said anything.",
    |room| Cell::text(&room.last_words),
)
.passing();
const LAST_SAID: Field<RoomEntry> =
    Field::<RoomEntry>::new("last_said", Kind::Time, "When that was.", |room| {
        room.said_at.map_or(Cell::Null, Cell::Time)
    })
    .or_null()
    .passing();

const ROOM: [Field<RoomEntry>; 5] = [ID, TITLE, UNREAD, LAST, LAST_SAID];

/// What holds in a room.
struct Held {
    course_id: i64,
    rules: acts::Rules,
    is_moderator: bool,
}

const HELD: [Field<Held>; 4] = [
    Field::new(
        "id",
        Kind::Integer,
        "Its number, which is that of its course.",
        |held| Cell::Integer(held.course_id),
    ),
    Field::new(
        "is_locked",
        Kind::Boolean,
        "Whether only moderators write.",
        |held| Cell::Boolean(held.rules.is_locked),
    ),
    Field::new(
        "slow_seconds",
        Kind::Integer,
        "How long everybody waits between two lines; 0: not at all.",
        |held| Cell::Integer(held.rules.slow_seconds),
    ),
    Field::new(
        "is_moderator",
        Kind::Boolean,
        "Whether you moderate it.",
        |held| Cell::Boolean(held.is_moderator),
    ),
];

/// Somebody who may not write.
struct Muted {
    account: user::Model,
    until: DateTime<Utc>,
}

const MUTED: [Field<Muted>; 4] = [
    Field::new("user", Kind::Integer, "The number of who it is.", |muted| {
        Cell::Integer(muted.account.id)
    }),
    Field::new(
        "username",
        Kind::ShortText(150),
        "What she logs in with.",
        |muted| Cell::text(&muted.account.username),
    ),
    Field::new(
        "name",
        Kind::ShortText(150),
        "As others see her.",
        |muted| Cell::text(shown(&muted.account)),
    ),
    Field::new("until", Kind::Time, "Until when.", |muted| {
        Cell::Time(muted.until)
    }),
];

/// An act with the names of who did it, and to whom.
struct ActRow {
    row: chat_act::Model,
    moderator: Option<user::Model>,
    whom: Option<user::Model>,
}

const ACT: [Field<ActRow>; 10] = [
    Field::new("id", Kind::Integer, "Its number.", |act| {
        Cell::Integer(act.row.id)
    }),
    Field::new("act", Kind::Choice(&ACTS), "What was done.", |act| {
        Cell::Text(act.row.kind.to_value().into())
    }),
    Field::<ActRow>::new(
        "moderator",
        Kind::Integer,
        "The number of who did it; null when the account is gone.",
        |act| number(act.row.moderator_id),
    )
    .or_null(),
    Field::<ActRow>::new("moderator_name", Kind::Text, "As others see her.", |act| {
        name(act.moderator.as_ref())
    })
    .or_null(),
    Field::<ActRow>::new(
        "user",
        Kind::Integer,
        "Who was muted, or whose line was deleted.",
        |act| number(act.row.user_id),
    )
    .or_null(),
    Field::<ActRow>::new("user_name", Kind::Text, "As others see her.", |act| {
        name(act.whom.as_ref())
    })
    .or_null(),
    Field::<ActRow>::new("line", Kind::Integer, "The line that was deleted.", |act| {
        number(act.row.line_id)
    })
    .or_null(),
    Field::<ActRow>::new(
        "seconds",
        Kind::Integer,
        "How slow the room became.",
        |act| number(act.row.seconds),
    )
    .or_null(),
    Field::<ActRow>::new("until", Kind::Time, "Until when she was muted.", |act| {
        act.row.until.map_or(Cell::Null, Cell::Time)
    })
    .or_null(),
    Field::new("created", Kind::Time, "When it was done.", |act| {
        Cell::Time(act.row.created_at)
    }),
];

const ORDERS: [(&str, chat_act::Column); 1] = [("id", chat_act::Column::Id)];

const LOCK: [Declared; 1] = [Declared::taken(
    "is_locked",
    Kind::Boolean,
    Access::Required,
    "true: only moderators write.",
)];

const SLOW: [Declared; 1] = [Declared::taken(
    "seconds",
    Kind::Range(0, moderation::MOST_SLOW_SECONDS),
    Access::Required,
    "How long everybody else waits between two lines; 0 lifts it.",
)];

const MUTE: [Declared; 2] = [
    Declared::taken(
        "user",
        Kind::Integer,
        Access::Required,
        "The number of somebody in the course who does not moderate.",
    ),
    Declared::taken(
        "minutes",
        Kind::Range(0, moderation::MOST_MINUTES),
        Access::Required,
        "For how long, from now on; 0 lifts it.",
    ),
];

fn number(value: Option<i64>) -> Cell<'static> {
    value.map_or(Cell::Null, Cell::Integer)
}

fn shown(account: &user::Model) -> &str {
    if account.name.is_empty() {
        &account.username
    } else {
        &account.name
    }
}

fn name(account: Option<&user::Model>) -> Cell<'_> {
    account.map_or(Cell::Null, |account| Cell::text(shown(account)))
}

/// `/api/rooms/`
pub fn rooms() -> Resource {
    let rooms = Resource::new(
        "rooms",
        "Room",
        "The rooms of the courses that you study or teach; each has the number of its course. Lines come and go by the socket /ws/chat/room/<id>/.",
    )
    .all(
        Operation::new(
            Method::GET,
            "Lists your rooms, the one with the newest line first.",
            list,
        )
        .only(IS_AUTHENTICATED)
        .list()
        .looks_at(&[FIELDS])
        .answers(declared(&ROOM)),
    )
    .one(
        Operation::new(Method::GET, "What holds in a room.", show)
            .only(IS_AUTHENTICATED)
            .about(find)
            .looks_at(&[FIELDS])
            .answers(declared(&HELD)),
    );
    all::with_all(with_moderation(rooms))
}

/// What moderators see and do.
fn with_moderation(rooms: Resource) -> Resource {
    let act = |about, fields: &[Declared], handle: fn(Call) -> BoxFuture<'static, _>| {
        Operation::new(Method::POST, about, handle)
            .only(IS_MODERATOR)
            .within(Scope::Learn)
            .about(find)
            .takes(fields.to_vec())
            .answers(declared(&HELD))
    };
    rooms
        .action(
            "muted",
            "Muted",
            "Who may not write in the room, for its moderators.",
            Operation::new(Method::GET, "Lists who may not write, by name.", list_muted)
                .only(IS_MODERATOR)
                .about(find)
                .list()
                .looks_at(&[FIELDS])
                .answers(declared(&MUTED)),
        )
        .action(
            "log",
            "Moderators' log",
            "What moderators did in the room, for its moderators.",
            Operation::new(Method::GET, "Lists what was done, newest first.", list_acts)
                .only(IS_MODERATOR)
                .about(find)
                .list()
                .looks_at(&PARAMETERS)
                .looks_at(&[
                    Parameter::ordering(&ORDERS),
                    Parameter::new("act", "What was done.", Takes::OneOf(&ACTS)),
                ])
                .answers(declared(&ACT)),
        )
        .action(
            "lock",
            "Lock",
            "Closes the room for all but moderators, or opens it again. Twice is once.",
            act("Locks or unlocks it.", &LOCK, |call| Box::pin(lock(call))).only(MAY_LOCK),
        )
        .action(
            "slow",
            "Slow",
            "Lets everybody but moderators wait between two lines.",
            act("Slows it down.", &SLOW, |call| Box::pin(slow(call))),
        )
        .action(
            "mute",
            "Mute",
            "Keeps somebody from writing for a time, or lets her write again.",
            act("Mutes somebody.", &MUTE, |call| Box::pin(mute(call))),
        )
}

async fn list(call: Call) -> Result<Answer> {
    let rows = list_rooms(&call.app, call.person()?, None).await?;
    call.many(&ROOM, &rows)
}

/// The room with the number in the path, for those who may come in, and for whoever looks at all rooms on the admin site.
fn find(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let person = call.person()?;
        let found = if person.may(admin::VIEW_ROOM) {
            let found = course::Entity::find_by_id(call.id);
            found.one(call.app.db.read()).await?
        } else {
            match super::find_course(&call.app, person, call.id).await {
                // Who is not in it learns nothing of it.
                Err(Error::Forbidden(_)) => None,
                found => Some(found?),
            }
        };
        let object: Box<dyn Object> = Box::new(found.ok_or(Error::NotFound)?);
        Ok(object)
    })
}

async fn show(call: Call) -> Result<Answer> {
    let (person, course) = (call.person()?, call.object::<course::Model>()?);
    let now = call.app.clock.now();
    let held = Held {
        course_id: course.id,
        rules: acts::rules(call.app.db.read(), course.id, now).await?,
        is_moderator: is_moderator(person, course),
    };
    call.one(&HELD, &held)
}

async fn list_muted(call: Call) -> Result<Answer> {
    let (db, now) = (call.app.db.read(), call.app.clock.now());
    let rules = acts::rules(db, call.id, now).await?;
    let ids = rules.muted.keys().copied();
    let people = user::Entity::find().filter(user::Column::Id.is_in(ids));
    let people = people.all(db).await?.into_iter();
    let mut rows: Vec<Muted> = people
        .filter_map(|account| {
            let until = *rules.muted.get(&account.id)?;
            Some(Muted { account, until })
        })
        .collect();
    rows.sort_by(|a, b| shown(&a.account).cmp(shown(&b.account)));
    call.many(&MUTED, &rows)
}

async fn list_acts(call: Call) -> Result<Answer> {
    use chat_act::Column;
    let orders = orders_of(&call, &ORDERS, &[], Column::Id)?;
    let mut select = chat_act::Entity::find().filter(Column::CourseId.eq(call.id));
    if let Some(name) = call.parameter("act") {
        let kind = ChatActKind::try_from_value(&name.to_owned());
        let told = || Error::invalid("act", format!("There are {}.", ACTS.join(", ")));
        select = select.filter(Column::Kind.eq(kind.map_err(|_| told())?));
    }
    let listing = Listing {
        select,
        orders,
        fields: &ACT,
        dress: |app, rows| {
            Box::pin(async move {
                let ids = rows
                    .iter()
                    .flat_map(|row: &chat_act::Model| [row.moderator_id, row.user_id])
                    .flatten();
                let people = user::Entity::find().filter(user::Column::Id.is_in(ids));
                let people = people.all(app.db.read()).await?.into_iter();
                let people: HashMap<i64, user::Model> =
                    people.map(|account| (account.id, account)).collect();
                let of = |id: Option<i64>| people.get(&id?).cloned();
                let rows = rows.into_iter().map(|row| ActRow {
                    moderator: of(row.moderator_id),
                    whom: of(row.user_id),
                    row,
                });
                Ok(rows.collect())
            })
        },
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

async fn lock(call: Call) -> Result<Answer> {
    let is_locked = call.given.checked()?.flag("is_locked").unwrap_or(true);
    all::lock(&call, call.object::<course::Model>()?, is_locked).await?;
    show(call).await
}

async fn slow(call: Call) -> Result<Answer> {
    let seconds = call.given.checked()?.integer("seconds").unwrap_or(-1);
    let course = call.object::<course::Model>()?;
    moderation::slow(&call.app, call.person()?, course, seconds).await?;
    show(call).await
}

async fn mute(call: Call) -> Result<Answer> {
    let given = call.given.checked()?;
    let user_id = given.integer("user").unwrap_or_default();
    let minutes = given.integer("minutes").unwrap_or(-1);
    let course = call.object::<course::Model>()?;
    match moderation::mute(&call.app, call.person()?, course, user_id, minutes).await {
        Err(Error::NotFound) => {
            let words = "Nobody of this number is in the course.";
            return Err(Error::invalid("user", words));
        }
        // The page calls its field otherwise.
        Err(Error::Invalid(problems)) => return Err(renamed(&problems)),
        other => other?,
    }
    show(call).await
}

fn renamed(problems: &Problems) -> Error {
    let mut told = Problems::new();
    for (field, sentences) in problems.iter() {
        let field = if field == "user_id" { "user" } else { field };
        for sentence in sentences {
            told.add(field, sentence.clone());
        }
    }
    Error::Invalid(told)
}
