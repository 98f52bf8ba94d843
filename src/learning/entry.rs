//! `/course/<id>/entry/`: how one gets into a course, for its teacher: places, requests, invitations.

use super::admission::entry_path;
use super::deciding::{self, Rules};
use super::invitations::{self, InvitationState, NewInvitation};
use crate::app::App;
use crate::courses::{count_taken, get_owned_course, hold_course};
use crate::entities::enrollment_request::{self, RequestState};
use crate::entities::{course, invitation, user};
use crate::error::{Error, Problems, Result};
use crate::web::extract::{Path, Query};
use crate::web::form::{FaultLine, Field, Form, fault_lines_in};
use crate::web::identity::{Author, Person};
use crate::web::permissions::{self, require};
use crate::web::redirect;
use crate::web::shell::{Place, Shell, page, page_with};
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Deserialize;
use std::collections::HashMap;

/// Places that a course may have.
pub(super) const MOST_PLACES: i64 = 1_000_000;
/// Requests on the page; those after them come when these are decided.
const SHOWN: u64 = 200;
/// Characters of a reason.
pub(super) const LONGEST_REASON: usize = 500;

/// The page.
#[derive(Template)]
#[template(path = "learning/entry.html")]
struct EntryPage {
    shell: Shell,
    course: course::Model,
    /// What was done just now.
    done: String,
    faults: Vec<FaultLine>,
    places: Field,
    needs_approval: bool,
    taken: i64,
    asked: Vec<RequestView>,
    waiting: Vec<RequestView>,
    reason: Field,
    invitations: Vec<InvitationView>,
    note: Field,
    uses: Field,
    days: Field,
    /// The link that was made just now: shown this once.
    made: Option<String>,
}

struct RequestView {
    id: i64,
    name: String,
    username: String,
    since: Moment,
}

struct InvitationView {
    id: i64,
    note: String,
    is_open: bool,
    state: &'static str,
    uses: String,
    made: Moment,
    ends: Option<Moment>,
    came: String,
}

struct Moment {
    words: String,
    exact: String,
    machine: String,
}

impl Moment {
    fn of(at: DateTime<Utc>, now: DateTime<Utc>, person: &Person) -> Self {
        let zone = person.time_zone;
        Self {
            words: text::when(at, now, zone),
            exact: text::exact(at, zone),
            machine: text::machine(at),
        }
    }
}

/// What may stand after the question mark.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Done {
    done: String,
}

/// GET `/course/<id>/entry/`.
pub async fn show(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
    Query(done): Query<Done>,
) -> Result<Response> {
    require(&person, permissions::CHANGE_COURSE)?;
    let course = get_owned_course(app.db.read(), &person, id).await?;
    let mut shown = EntryPage::load(&app, &person, shell, course, None).await?;
    match done.done.as_str() {
        "rules" => "Saved. Whoever may come in now is in.",
        "accepted" => "Accepted. Everybody was told.",
        "declined" => "Declined. Everybody was told.",
        "revoked" => "The invitation is revoked. Whoever came by it stays.",
        _ => "",
    }
    .clone_into(&mut shown.done);
    page(&shown)
}

/// POST `/course/<id>/entry/`: places and approval.
pub async fn set_rules(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    require(&person, permissions::CHANGE_COURSE)?;
    let course = get_owned_course(app.db.read(), &person, id).await?;
    let rules = match read_rules(&form) {
        Ok(rules) => rules,
        Err(problems) => return shown_again(&app, &person, shell, course, &form, &problems).await,
    };
    let mut write = app.write().await?;
    let before = hold_course(&write, &person, id).await?;
    deciding::set_rules(&app, &mut write, &before, rules).await?;
    write.commit().await?;
    Ok(done(id, "rules"))
}

/// Reads the form of places and approval.
pub(super) fn read_rules(form: &Form) -> Result<Rules, Problems> {
    let typed = form.text("places");
    let places = typed
        .parse::<i64>()
        .ok()
        .filter(|places| (1..=MOST_PLACES).contains(places))
        .and_then(|places| i32::try_from(places).ok());
    if places.is_none() && !typed.is_empty() {
        let words = "A course has from 1 to 1,000,000 places. Leave it empty for as many as like.";
        return Err(Problems::of("places", words));
    }
    Ok(Rules {
        places,
        needs_approval: form.is_set("approval"),
    })
}

/// POST `/course/<id>/entry/requests/`: accepts or declines those that are chosen.
pub async fn decide(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    require(&person, permissions::CHANGE_COURSE)?;
    let course = get_owned_course(app.db.read(), &person, id).await?;
    let (ids, reason, problems) = read_decision(&form);
    if !problems.is_empty() {
        return shown_again(&app, &person, shell, course, &form, &problems).await;
    }
    let mut write = app.write().await?;
    let course = hold_course(&write, &person, id).await?;
    let what = if form.get("act") == "accept" {
        deciding::accept(&app, &mut write, &course, &ids).await?;
        "accepted"
    } else {
        deciding::decline(&app, &mut write, &course, &ids, &reason).await?;
        "declined"
    };
    write.commit().await?;
    Ok(done(id, what))
}

fn read_decision(form: &Form) -> (Vec<i64>, String, Problems) {
    let ids: Vec<i64> = form
        .all("request")
        .filter_map(|id| id.parse().ok())
        .collect();
    let reason = form.long_text("reason").trim().to_owned();
    let mut problems = Problems::new();
    problems.check(!ids.is_empty(), "requests", "Choose at least one request.");
    problems.check(
        reason.chars().count() <= LONGEST_REASON,
        "reason",
        "A reason has up to 500 characters. Please shorten it.",
    );
    problems.check(
        matches!(form.get("act"), "accept" | "decline"),
        "requests",
        "Choose whether to accept or to decline.",
    );
    (ids, reason, problems)
}

/// POST `/course/<id>/invitations/`: makes one, and shows its link this once.
pub async fn invite(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    require(&person, permissions::CHANGE_COURSE)?;
    let course = get_owned_course(app.db.read(), &person, id).await?;
    let made = match NewInvitation::read(&form) {
        Ok(new) => make(&app, &person, id, new).await,
        Err(problems) => Err(Error::Invalid(problems)),
    };
    match made {
        Ok(path) => {
            let mut shown = EntryPage::load(&app, &person, shell, course, None).await?;
            shown.made = Some(format!("{}{path}", app.config.site_url()));
            page(&shown)
        }
        Err(Error::Invalid(problems)) => {
            shown_again(&app, &person, shell, course, &form, &problems).await
        }
        Err(other) => Err(other),
    }
}

async fn make(app: &App, person: &Person, id: i64, new: NewInvitation) -> Result<String> {
    let write = app.write().await?;
    let course = hold_course(&write, person, id).await?;
    let made = invitations::create(app, &write, &course, person.id, new).await?;
    write.commit().await?;
    Ok(made.path())
}

/// POST `/course/<id>/invitations/<invitation>/revoke/`.
pub async fn revoke(
    State(app): State<App>,
    Author(person): Author,
    Path((id, invitation_id)): Path<(i64, i64)>,
) -> Result<Response> {
    require(&person, permissions::CHANGE_COURSE)?;
    let write = app.write().await?;
    hold_course(&write, &person, id).await?;
    invitations::revoke(&app, &write, id, invitation_id).await?;
    write.commit().await?;
    Ok(done(id, "revoked"))
}

fn done(course_id: i64, what: &str) -> Response {
    redirect::see_other(&format!("{}?done={what}", entry_path(course_id)))
}

async fn shown_again(
    app: &App,
    person: &Person,
    shell: Shell,
    course: course::Model,
    form: &Form,
    problems: &Problems,
) -> Result<Response> {
    let shown = EntryPage::load(app, person, shell, course, Some((form, problems))).await?;
    page_with(StatusCode::UNPROCESSABLE_ENTITY, &shown)
}

impl EntryPage {
    /// As things stand; with what was typed and what is wrong with it, where something is.
    async fn load(
        app: &App,
        person: &Person,
        shell: Shell,
        course: course::Model,
        refused: Option<(&Form, &Problems)>,
    ) -> Result<Self> {
        let (db, now) = (app.db.read(), app.clock.now());
        let (form, problems) = match refused {
            Some((form, problems)) => (form.clone(), problems.clone()),
            None => (Form::default(), Problems::new()),
        };
        let is_typed = form.has("places");
        let places = if is_typed {
            form.text("places").to_owned()
        } else {
            course
                .places
                .map(|places| places.to_string())
                .unwrap_or_default()
        };
        let order = ["places", "requests", "reason", "note", "uses", "days"];
        let field = |name: &str| Field::new(name, form.get(name), &problems);
        let rows = invitations::list(db, course.id).await?.into_iter();
        Ok(Self {
            done: String::new(),
            faults: fault_lines_in(&problems, &order),
            places: Field::new("places", places, &problems),
            needs_approval: if is_typed {
                form.is_set("approval")
            } else {
                course.needs_approval
            },
            taken: count_taken(db, &course).await?,
            asked: requests(db, person, course.id, RequestState::Asked, now).await?,
            waiting: requests(db, person, course.id, RequestState::Waiting, now).await?,
            reason: field("reason"),
            invitations: rows
                .map(|(row, came)| invitation_view(row, &came, now, person))
                .collect(),
            note: field("note"),
            uses: field("uses"),
            days: field("days"),
            made: None,
            shell: shell.at(Place::Teach),
            course,
        })
    }

    fn taken_words(&self) -> String {
        let students = text::count(self.taken, "student", "students");
        match self.course.places {
            Some(places) => format!("{} of {places} places are taken.", self.taken),
            None => format!("{students} in it now."),
        }
    }
}

/// The first requests of a course in one state.
async fn requests(
    db: &impl ConnectionTrait,
    person: &Person,
    course_id: i64,
    state: RequestState,
    now: DateTime<Utc>,
) -> Result<Vec<RequestView>> {
    let rows = enrollment_request::Entity::find()
        .filter(enrollment_request::Column::CourseId.eq(course_id))
        .filter(enrollment_request::Column::State.eq(state))
        .order_by_asc(enrollment_request::Column::CreatedAt)
        .order_by_asc(enrollment_request::Column::Id)
        .limit(SHOWN)
        .find_also_related(user::Entity)
        .all(db)
        .await?;
    let views = rows.into_iter().filter_map(|(request, account)| {
        let account = account?;
        Some(RequestView {
            id: request.id,
            username: account.username.clone(),
            name: name_of(account),
            since: Moment::of(request.created_at, now, person),
        })
    });
    Ok(views.collect())
}

fn invitation_view(
    row: invitation::Model,
    came: &[String],
    now: DateTime<Utc>,
    person: &Person,
) -> InvitationView {
    let state = invitations::state_of(&row, now);
    InvitationView {
        id: row.id,
        is_open: state == InvitationState::Open,
        state: match state {
            InvitationState::Open => "Open",
            InvitationState::Revoked => "Revoked",
            InvitationState::Expired => "Expired",
            InvitationState::UsedUp => "Used up",
        },
        uses: match row.most_uses {
            Some(most) => format!("{} of {most} came", row.uses),
            None => format!("{} came", row.uses),
        },
        made: Moment::of(row.created_at, now, person),
        ends: row.expires_at.map(|at| Moment::of(at, now, person)),
        came: came.join(", "),
        note: row.note,
    }
}

/// As others see her.
pub(super) fn name_of(account: user::Model) -> String {
    if account.name.is_empty() {
        account.username
    } else {
        account.name
    }
}

/// The names of these people by their numbers.
pub(super) async fn names_of(
    db: &impl ConnectionTrait,
    ids: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, String>> {
    let ids: Vec<i64> = ids.collect();
    let mut names = HashMap::with_capacity(ids.len());
    for some in ids.chunks(500) {
        let rows = user::Entity::find().filter(user::Column::Id.is_in(some.iter().copied()));
        let rows = rows.all(db).await?.into_iter();
        names.extend(rows.map(|account| (account.id, name_of(account))));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_a_number_or_none() {
        let read = |typed: &str| {
            let form = Form::from_pairs(vec![("places".into(), typed.into())]);
            read_rules(&form).map(|rules| rules.places)
        };
        assert_eq!(read(""), Ok(None));
        assert_eq!(read(" 25 "), Ok(Some(25)));
        for bad in ["0", "-3", "1000001", "2.5", "many", "1e9"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
