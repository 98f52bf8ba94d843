//! `/api/jobs/`: the work that the site does outside of requests, for staff. What a job holds is not shown: it may name
//! what concerns one person alone.

use super::acts::{self, Act};
use super::kinds::{KindNow, list_kinds};
use super::steering;
use crate::entities::job::{self, JobState};
use crate::error::{Error, Result};
use crate::jobs::EVERY_KIND;
use crate::runs;
use crate::web::rest::{
    Access, Answer, Call, Cell, Declared, FIELDS, Field, Kind, Listing, Object, Operation,
    PARAMETERS, Parameter, Resource, Takes, declared, orders_of,
};
use crate::web::scopes::Scope;
use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sea_orm::{ActiveEnum as _, ColumnTrait, EntityTrait, QueryFilter};

/// How jobs stand.
const STATES: [&str; 5] = ["waiting", "running", "done", "failed", "canceled"];

fn time(value: Option<DateTime<Utc>>) -> Cell<'static> {
    value.map_or(Cell::Null, Cell::Time)
}

/// What is answered of a job.
const JOB: [Field<job::Model>; 13] = [
    Field::new("id", Kind::Integer, "Its number.", |row| {
        Cell::Integer(row.id)
    }),
    Field::new("kind", Kind::Text, "What it does.", |row| {
        Cell::text(&row.kind)
    }),
    Field::new("state", Kind::Choice(&STATES), "How it stands.", |row| {
        Cell::Text(row.state.to_value().into())
    }),
    Field::<job::Model>::new("subject", Kind::Text, "What it works on.", |row| {
        row.subject.as_deref().map_or(Cell::Null, Cell::text)
    })
    .or_null(),
    Field::<job::Model>::new(
        "owner",
        Kind::Reference("users"),
        "For whom it is done.",
        |row| row.owner_id.map_or(Cell::Null, Cell::Integer),
    )
    .or_null(),
    Field::new(
        "priority",
        Kind::Integer,
        "How many rounds of the line it stands back.",
        |row| Cell::Integer(row.priority.into()),
    ),
    Field::new(
        "attempts",
        Kind::Integer,
        "How often it was begun.",
        |row| Cell::Integer(row.attempts.into()),
    ),
    Field::new(
        "max_attempts",
        Kind::Integer,
        "After so many it is given up.",
        |row| Cell::Integer(row.max_attempts.into()),
    ),
    Field::<job::Model>::new("worker", Kind::Text, "Who has it.", |row| {
        row.worker.as_deref().map_or(Cell::Null, Cell::text)
    })
    .or_null(),
    Field::<job::Model>::new("fault", Kind::Text, "Why it last failed.", |row| {
        row.fault.as_deref().map_or(Cell::Null, Cell::text)
    })
    .or_null(),
    Field::new("run_at", Kind::Time, "Not before this time.", |row| {
        Cell::Time(row.run_at)
    }),
    Field::<job::Model>::new(
        "leased_until",
        Kind::Time,
        "Until when its worker holds it.",
        |row| time(row.leased_until),
    )
    .or_null(),
    Field::new("created", Kind::Time, "When it was put in line.", |row| {
        Cell::Time(row.created_at)
    }),
];

const ORDERS: [(&str, job::Column); 3] = [
    ("created", job::Column::CreatedAt),
    ("run_at", job::Column::RunAt),
    ("id", job::Column::Id),
];

impl Object for job::Model {
    fn owner_id(&self) -> Option<i64> {
        self.owner_id
    }
}

/// `/api/jobs/`
pub fn jobs() -> Resource {
    let fields: fn() -> Vec<Declared> = || declared(&JOB);
    let jobs = Resource::new(
        "jobs",
        "Job",
        "What the site does outside of requests, for those who run it.",
    )
    .all(
        Operation::new(Method::GET, "Lists the jobs, newest first.", list)
            .only(runs!(VIEW_JOB))
            .list()
            .looks_at(&PARAMETERS)
            .looks_at(&[
                Parameter::ordering(&ORDERS),
                Parameter::new("state", "How they stand.", Takes::OneOf(&STATES)),
                Parameter::id("owner", "The number of an account."),
            ])
            .looks_at(&[("kind", "What they do."), ("subject", "What they work on.")])
            .answers(fields()),
    )
    .one(
        Operation::new(Method::GET, "One job.", show)
            .only(runs!(VIEW_JOB))
            .about(find)
            .looks_at(&[FIELDS])
            .answers(fields()),
    )
    .action(
        "retry",
        "Retry",
        "Puts a job in line again that has failed or was stopped; one that waits to be tried again is tried at once.",
        Operation::new(Method::POST, "Tries it again.", retry)
            .only(runs!(CHANGE_JOB))
            .within(Scope::Admin)
            .about(find)
            .may_answer(
                StatusCode::CONFLICT,
                "It has neither failed nor been stopped.",
            )
            .answers(fields()),
    )
    .action(
        "cancel",
        "Cancel",
        "Stops a job that waits or runs; twice is once.",
        Operation::new(Method::POST, "Stops it.", cancel)
            .only(runs!(CHANGE_JOB))
            .within(Scope::Admin)
            .about(find)
            .may_answer(StatusCode::CONFLICT, "It has ended by itself.")
            .answers(fields()),
    );
    with_kinds(jobs)
}

/// A kind of jobs, or all of them.
const WHICH: [Declared; 1] = [Declared::taken(
    "kind",
    Kind::ShortText(100),
    Access::Required,
    "The name of a kind, or * for all of them.",
)];

const KIND: [Field<KindNow>; 8] = [
    Field::new("kind", Kind::Text, "Its name.", |row| Cell::text(&row.kind)),
    Field::new("about", Kind::Text, "What it does.", |row| {
        Cell::text(&row.called)
    }),
    Field::new("waiting", Kind::Integer, "How many wait.", |row| {
        Cell::Integer(row.waiting)
    }),
    Field::new("running", Kind::Integer, "How many run.", |row| {
        Cell::Integer(row.running)
    }),
    Field::new("failed", Kind::Integer, "How many have failed.", |row| {
        Cell::Integer(row.failed)
    }),
    Field::new(
        "is_paused",
        Kind::Boolean,
        "Whether none of it is begun just now.",
        |row| Cell::Boolean(row.paused.is_some()),
    ),
    Field::<KindNow>::new("paused_by", Kind::Text, "Who paused it.", |row| {
        let paused = row.paused.as_ref();
        paused.map_or(Cell::Null, |paused| Cell::text(&paused.by))
    })
    .or_null(),
    Field::<KindNow>::new("paused", Kind::Time, "When it was paused.", |row| {
        time(row.paused.as_ref().map(|paused| paused.at))
    })
    .or_null(),
];

/// What can be done with all jobs of a kind.
fn with_kinds(jobs: Resource) -> Resource {
    let steer = |about, does_pause| {
        Operation::new(Method::POST, about, move |call| {
            set_paused(call, does_pause)
        })
        .only(runs!(CHANGE_JOB))
        .within(Scope::Admin)
        .takes(WHICH.to_vec())
        .answers(declared(&KIND))
    };
    jobs.action_on_all(
        "kinds",
        "Kinds of jobs",
        "Every kind of jobs, how many of it stand how, and who paused it; * stands for all of them.",
        Operation::new(Method::GET, "Lists the kinds, all of them together first.", kinds)
            .only(runs!(VIEW_JOB))
            .list()
            .looks_at(&[FIELDS])
            .answers(declared(&KIND)),
    )
    .action_on_all(
        "pause",
        "Pause",
        "Begins no job of a kind any more, on any node; what runs goes on to its end. Twice is once.",
        steer("Pauses a kind of jobs.", true),
    )
    .action_on_all(
        "resume",
        "Resume",
        "Begins jobs of a kind again. Twice is once.",
        steer("Resumes a kind of jobs.", false),
    )
}

/// All kinds, in front what holds for all of them together.
async fn all_kinds(call: &Call) -> Result<Vec<KindNow>> {
    let (kinds, everything) = list_kinds(call.app.db.read()).await?;
    let sum = |of: fn(&KindNow) -> i64| kinds.iter().map(of).sum();
    let all = KindNow {
        kind: EVERY_KIND.to_owned(),
        called: "Every kind".to_owned(),
        waiting: sum(|kind| kind.waiting),
        running: sum(|kind| kind.running),
        failed: sum(|kind| kind.failed),
        paused: everything,
    };
    Ok(std::iter::once(all).chain(kinds).collect())
}

async fn kinds(call: Call) -> Result<Answer> {
    let rows = all_kinds(&call).await?;
    call.many(&KIND, &rows)
}

async fn set_paused(call: Call, does_pause: bool) -> Result<Answer> {
    let kind = call.given.checked()?.text("kind").unwrap_or_default();
    let by = call.by()?;
    let steered = if does_pause {
        steering::pause(&call.app, kind, &by).await
    } else {
        steering::resume(&call.app, kind, &by).await
    };
    match steered {
        Err(Error::NotFound) => {
            let words = "There is no such kind: look at /api/jobs/kinds/.";
            return Err(Error::invalid("kind", words));
        }
        other => other?,
    }
    tracing::info!(by = by.name, kind, does_pause, "jobs were steered");
    let rows = all_kinds(&call).await?;
    let row = rows.iter().find(|row| row.kind == kind);
    call.one(&KIND, row.ok_or(Error::NotFound)?)
}

async fn list(call: Call) -> Result<Answer> {
    use job::Column;
    let orders = orders_of(&call, &ORDERS, &[], Column::Id)?;
    let mut select = job::Entity::find();
    if let Some(name) = call.parameter("state") {
        let state = JobState::try_from_value(&name.to_owned());
        let told = || Error::invalid("state", format!("There are {}.", STATES.join(", ")));
        select = select.filter(Column::State.eq(state.map_err(|_| told())?));
    }
    if let Some(id) = call.number("owner")? {
        select = select.filter(Column::OwnerId.eq(id));
    }
    if let Some(kind) = call.parameter("kind") {
        select = select.filter(Column::Kind.eq(kind));
    }
    if let Some(subject) = call.parameter("subject") {
        select = select.filter(Column::Subject.eq(subject));
    }
    let listing = Listing {
        select,
        orders,
        fields: &JOB,
        dress: |_, rows| Box::pin(std::future::ready(Ok(rows))),
        kept: None,
    };
    Box::pin(call.list(listing)).await
}

fn find(call: &Call) -> BoxFuture<'_, Result<Box<dyn Object>>> {
    Box::pin(async move {
        let found = job::Entity::find_by_id(call.id);
        let found = found.one(call.app.db.read()).await?;
        let object: Box<dyn Object> = Box::new(found.ok_or(Error::NotFound)?);
        Ok(object)
    })
}

async fn show(call: Call) -> Result<Answer> {
    call.one(&JOB, call.object::<job::Model>()?)
}

async fn retry(call: Call) -> Result<Answer> {
    steer(call, Act::Retry).await
}

async fn cancel(call: Call) -> Result<Answer> {
    steer(call, Act::Cancel).await
}

async fn steer(call: Call, act: Act) -> Result<Answer> {
    let by = call.by()?;
    let row = Box::pin(acts::act(&call.app, &by, act, call.id)).await?;
    tracing::info!(
        by = by.name,
        act = act.name(),
        job = call.id,
        "a job was steered"
    );
    call.one(&JOB, &row)
}
