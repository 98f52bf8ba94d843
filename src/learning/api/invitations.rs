//! `/api/invitations/`: the links by which a teacher lets people into her courses; and coming in by one.

use super::{IN_LINE, MANAGES};
use crate::courses::hold_course;
use crate::entities::{course, invitation};
use crate::error::{Error, Problems, Result};
use crate::holds;
use crate::learning::admission::Standing;
use crate::learning::invitations::{
    self as links, InvitationState, LONGEST_DAYS, LONGEST_NOTE, MOST_USES, NewInvitation, OVER,
};
use crate::web::form::Form;
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, IS_AUTHENTICATED, Kind, Listing, Object,
    Operation, PARAMETERS, Parameter, Resource, declared, orders_of,
};
use crate::web::scopes::Scope;
use axum::http::Method;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sea_orm::{
    ColumnTrait, EntityTrait, JoinType, QueryFilter, QuerySelect, RelationTrait, Select,
};

/// An invitation with the names of who came by it.
#[derive(Clone)]
struct InvitationRow {
    row: invitation::Model,
    came: Vec<String>,
    state: InvitationState,
    /// Its secret part, where it was made just now.
    key: Option<String>,
    /// The whole link, likewise.
    link: Option<String>,
}

fn time(value: Option<DateTime<Utc>>) -> Cell<'static> {
    value.map_or(Cell::Null, Cell::Time)
}

const ID: Field<InvitationRow> = Field::new("id", Kind::Integer, "Its number.", |view| {
    Cell::Integer(view.row.id)
});
const COURSE: Field<InvitationRow> = Field::<InvitationRow>::new(
    "course",
    Kind::Reference("courses"),
    "The course into which it leads.",
    |view| Cell::Integer(view.row.course_id),
)
.set_by_caller(Access::Required);
const NOTE: Field<InvitationRow> = Field::<InvitationRow>::new(
    "note",
    Kind::ShortText(LONGEST_NOTE),
    "What you note for yourself; may be empty.",
    |view| Cell::text(&view.row.note),
)
.set_by_caller(Access::Optional);
const USES: Field<InvitationRow> = Field::<InvitationRow>::new(
    "uses",
    Kind::Range(1, MOST_USES as i64),
    "How many people may come by it; one where nothing is said. Null only for those of an older site.",
    |view| {
        let most = view.row.most_uses;
        most.map_or(Cell::Null, |most| Cell::Integer(most.into()))
    },
)
.or_null();
const STATE: Field<InvitationRow> = Field::new(
    "state",
    Kind::Choice(&["open", "revoked", "expired", "used_up"]),
    "Whether it lets anybody in, or why not.",
    |view| {
        Cell::text(match view.state {
            InvitationState::Open => "open",
            InvitationState::Revoked => "revoked",
            InvitationState::Expired => "expired",
            InvitationState::UsedUp => "used_up",
        })
    },
);
const CAME: Field<InvitationRow> = Field::new(
    "came",
    Kind::Texts,
    "The names of the last twenty who came by it, in their order.",
    |view| Cell::Texts((&view.came).into()),
);
const CREATED: Field<InvitationRow> =
    Field::new("created", Kind::Time, "When it was made.", |view| {
        Cell::Time(view.row.created_at)
    });
const EXPIRES: Field<InvitationRow> = Field::<InvitationRow>::new(
    "expires",
    Kind::Time,
    "From when on it lets nobody in. Null only for those of an older site.",
    |view| time(view.row.expires_at),
)
.or_null();
const REVOKED: Field<InvitationRow> =
    Field::<InvitationRow>::new("revoked", Kind::Time, "When it was taken back.", |view| {
        time(view.row.revoked_at)
    })
    .or_null();

const INVITATION: [Field<InvitationRow>; 9] = [
    ID, COURSE, NOTE, USES, STATE, CAME, CREATED, EXPIRES, REVOKED,
];

/// What is answered of one that was made just now.
const MADE: [Field<InvitationRow>; 11] = [
    ID,
    COURSE,
    NOTE,
    USES,
    STATE,
    CAME,
    CREATED,
    EXPIRES,
    REVOKED,
    Field::<InvitationRow>::new(
        "key",
        Kind::Text,
        "What lets people in, for /api/invitations/join/. It is shown this once: null when the same request is sent again.",
        |view| view.key.as_deref().map_or(Cell::Null, Cell::text),
    )
    .or_null(),
    Field::<InvitationRow>::new(
        "link",
        Kind::Text,
        "The same as a link for people with a browser, shown this once likewise.",
        |view| view.link.as_deref().map_or(Cell::Null, Cell::text),
    )
    .or_null(),
];

/// The fields of a new invitation.
fn new_invitation() -> Vec<Declared> {
    let days = Declared::taken(
        "days",
        Kind::Range(1, LONGEST_DAYS),
        Access::Optional,
        "For how many days it works; 30 where nothing is said.",
    );
    let uses = Declared::taken(
        "uses",
        Kind::Range(1, MOST_USES.into()),
        Access::Optional,
        "How many people may come by it; one where nothing is said.",
    );
    vec![COURSE.declared, NOTE.declared, uses, days]
}

const KEY: [Declared; 1] = [Declared::taken(
    "key",
    Kind::Secret,
    Access::Required,
    "What you were sent: the part of the link behind ?key=.",
)];

/// How somebody stands who came by an invitation.
struct Joined {
    course_id: i64,
    standing: Standing,
}

const JOINED: [Field<Joined>; 2] = [
    Field::new(
        "course",
        Kind::Reference("courses"),
        "The course into which it leads.",
        |joined| Cell::Integer(joined.course_id),
    ),
    Field::new(
        "enrolled",
        Kind::Boolean,
        "Whether you are in the course now.",
        |joined| Cell::Boolean(joined.standing == Standing::Enrolled),
    ),
];

const ORDERS: [(&str, invitation::Column); 3] = [
    ("created", invitation::Column::CreatedAt),
    ("course", invitation::Column::CourseId),
    ("id", invitation::Column::Id),
];

/// An invitation, and whose course it leads into.
struct Found {
    row: invitation::Model,
    owner_id: i64,
}

impl Object for Found {
    fn owner_id(&self) -> Option<i64> {
        Some(self.owner_id)
    }
}

/// `/api/invitations/`
pub fn invitations() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&INVITATION);
    let invitations = Resource::new(
        "invitations",
        "Invitation",
        "Links by which people come into your courses without asking; a place they need all the same.",
    )
    .all(
        Operation::new(
            Method::GET,
            "Lists the invitations to your courses, for staff all, the newest first.",
            list,
        )
        .only(holds!(CHANGE_COURSE))
        .list()
        .looks_at(&PARAMETERS)
        .looks_at(&[
            Parameter::ordering(&ORDERS),
            Parameter::id("course", "The number of a course."),
        ])
        .answers(fields()),
    )
    .all(
        Operation::new(
            Method::POST,
            "Makes an invitation. Its key is in the answer, this once.",
            create,
        )
        .only(holds!(CHANGE_COURSE))
        .takes(new_invitation())
        .answers(declared(&MADE))
        .creates(),
    )
    .one(
        Operation::new(Method::GET, "One invitation, without its key.", show)
            .only(MANAGES)
            .about(find)
            .looks_at(&[FIELDS])
            .answers(fields()),
    );
    invitations
        .action(
            "revoke",
            "Revoke",
            "Takes an invitation back: nobody else comes by it. Twice is once.",
            Operation::new(Method::POST, "Revokes it; the body is ignored.", revoke)
                .only(MANAGES)
                .about(find)
                .answers(fields()),
        )
        .action_on_all(
            "join",
            "Join",
            "Brings you into the course of an invitation. Twice is once. Where all places are taken you stand in line: 202.",
            Operation::new(Method::POST, "Comes into a course by the key of an invitation.", join)
                .only(IS_AUTHENTICATED)
                .within(Scope::Learn)
                .takes(KEY.to_vec())
                .answers(declared(&JOINED))
                .or_accepts(declared(&IN_LINE)),
        )
}

/// Those that the caller sees: of her own courses, for staff all.
fn hers(call: &Call) -> Result<Select<invitation::Entity>> {
    let person = call.person()?;
    let select = invitation::Entity::find();
    if person.is_staff {
        return Ok(select);
    }
    Ok(select
        .join(JoinType::InnerJoin, invitation::Relation::Course.def())
        .filter(course::Column::OwnerId.eq(person.id)))
}

async fn list(call: Call) -> Result<Answer> {
    use invitation::Column;
    let orders = orders_of(&call, &ORDERS, &[], Column::Id)?;
    let mut select = hers(&call)?;
    if let Some(id) = call.number("course")? {
        select = select.filter(Column::CourseId.eq(id));
    }
    let listing = Listing {
        select,
        orders,
        fields: &INVITATION,
        dress: |app, rows| {
            Box::pin(async move {
                let named = links::with_names(app.db.read(), rows).await?;
                Ok(dress(named, app.clock.now()))
            })
        },
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

fn dress(rows: Vec<(invitation::Model, Vec<String>)>, now: DateTime<Utc>) -> Vec<InvitationRow> {
    let dressed = rows.into_iter().map(|(row, came)| InvitationRow {
        state: links::state_of(&row, now),
        row,
        came,
        key: None,
        link: None,
    });
    dressed.collect()
}

fn find(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let found = invitation::Entity::find_by_id(call.id)
            .find_also_related(course::Entity)
            .one(call.app.db.read())
            .await?;
        let person = call.person()?;
        match found {
            Some((row, Some(course))) if course.owner_id == person.id || person.is_staff => {
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
    let named = links::with_names(call.app.db.read(), vec![row]).await?;
    let rows = dress(named, call.app.clock.now());
    call.one(&INVITATION, rows.first().ok_or(Error::NotFound)?)
}

async fn create(call: Call) -> Result<Answer> {
    let person = call.person()?;
    let blank = Form::from_pairs(Vec::new());
    let course_id = call.given.integer("course").unwrap_or_default();
    // Held before it is judged, so that all faults are told at once.
    let write = call.app.write().await?;
    let held = match hold_course(&write, person, course_id).await {
        Err(Error::NotFound) => None,
        held => Some(held?),
    };
    let no_course = || Problems::of("course", "You have no course of this number.");
    let (new, course) = call.given.judge(|given| {
        let read = NewInvitation::read(&given.typed_over(&blank));
        match (read, held) {
            (Ok(new), Some(course)) => Ok((new, course)),
            (read, held) => {
                let mut problems = read.err().unwrap_or_default();
                problems.extend(held.map_or_else(no_course, |_| Problems::new()));
                Err(problems)
            }
        }
    })?;
    let made = links::create(&call.app, &write, &call.by()?, &course, new).await?;
    let found = invitation::Entity::find_by_id(made.id).one(&*write).await?;
    let rows = dress(
        vec![(found.ok_or(Error::NotFound)?, Vec::new())],
        call.app.clock.now(),
    );
    let kept = rows.into_iter().next().ok_or(Error::NotFound)?;
    let shown = InvitationRow {
        link: Some(format!("{}{}", call.app.config.site_url(), made.path())),
        key: Some(made.token),
        ..kept.clone()
    };
    let path = format!("/api/invitations/{}/", kept.row.id);
    call.made_showing_once(write, &MADE, (&shown, &kept), &path)
        .await
}

async fn revoke(call: Call) -> Result<Answer> {
    let found = &call.object::<Found>()?.row;
    let write = call.app.write().await?;
    let course = hold_course(&write, call.person()?, found.course_id).await?;
    links::revoke(&call.app, &write, &call.by()?, &course, found.id).await?;
    let row = invitation::Entity::find_by_id(found.id)
        .one(&*write)
        .await?;
    let named = links::with_names(&*write, row.into_iter().collect()).await?;
    write.commit().await?;
    let rows = dress(named, call.app.clock.now());
    call.one(&INVITATION, rows.first().ok_or(Error::NotFound)?)
}

async fn join(call: Call) -> Result<Answer> {
    let key = call.given.checked()?.text("key").unwrap_or_default();
    let person = call.person()?;
    let mut write = call.app.write().await?;
    let Some((course, standing)) =
        links::join_by(&call.app, &mut write, key.trim(), person).await?
    else {
        return Err(Error::invalid("key", OVER));
    };
    write.commit().await?;
    if standing != Standing::Enrolled {
        return Ok(call.one(&IN_LINE, &standing)?.accepted());
    }
    let joined = Joined {
        course_id: course.id,
        standing,
    };
    call.one(&JOINED, &joined)
}
