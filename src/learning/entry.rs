//! `/course/<id>/entry/`: how one gets into a course, for its teacher: places, requests, invitations.

use super::admission::entry_path;
use super::deciding::{self, Rules, read_decision};
use super::handed::Handed;
use super::invitations::{self, InvitationState, NewInvitation};
use crate::app::App;
use crate::courses::{count_taken, get_owned_course, hold_course};
use crate::entities::enrollment_request::{self, RequestState};
use crate::entities::{course, invitation, user};
use crate::error::{Error, Problems, Result};
use crate::web::audit::{By, ByPage};
use crate::web::extract::{Path, Query};
use crate::web::form::{FaultLine, Field, Form, fault_lines_in};
use crate::web::identity::{Author, Person};
use crate::web::permissions::{self, require};
use crate::web::shell::{Place, Shell, page, page_with};
use crate::web::{redirect, text};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::Deserialize;
use std::collections::HashMap;

/// Places that a course may have.
pub(super) const MOST_PLACES: i64 = 1_000_000;
/// Requests on the page; those after them come when these are decided.
pub(super) const SHOWN: u64 = 200;
/// The fields of its forms, from above.
const FIELDS: [&str; 8] = [
    "requests",
    "reason",
    "line",
    "line_reason",
    "places",
    "note",
    "uses",
    "days",
];
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
    asked: Requests,
    waiting: Requests,
    invitations: Vec<InvitationView>,
    /// Whether there are older ones that are over.
    has_older: bool,
    note: Field,
    uses: Field,
    days: Field,
    /// The link that was made just now: shown this once.
    made: Option<String>,
}

/// The first requests in one state.
struct Requests {
    /// How many there are.
    count: u64,
    shown: Vec<RequestView>,
    /// What is wrong with the choice.
    chosen: Field,
    reason: Field,
}

impl Requests {
    fn new(found: (u64, Vec<RequestView>), chosen: Field, reason: Field) -> Self {
        let (count, shown) = found;
        Self {
            count,
            shown,
            chosen,
            reason,
        }
    }

    /// How many there are besides those that are shown.
    fn left(&self) -> u64 {
        let shown = u64::try_from(self.shown.len()).unwrap_or(u64::MAX);
        self.count.saturating_sub(shown)
    }
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
    fn past(at: DateTime<Utc>, now: DateTime<Utc>, person: &Person) -> Self {
        Self::of(at, text::ago(at, now, person.time_zone), person)
    }

    fn to_come(at: DateTime<Utc>, person: &Person) -> Self {
        Self::of(at, text::date(at, person.time_zone), person)
    }

    fn of(at: DateTime<Utc>, words: String, person: &Person) -> Self {
        let zone = person.time_zone;
        Self {
            words,
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
    /// To how many it was done.
    count: u64,
}

impl Done {
    fn words(&self) -> String {
        match (self.done.as_str(), self.count) {
            ("accepted" | "declined", 0) => {
                "Nothing was changed: none of the chosen asks any more.".into()
            }
            ("accepted", 1) => "One is accepted, and was told.".into(),
            ("accepted", count) => format!("{count} are accepted, and were told."),
            ("declined", 1) => "One is declined, and was told.".into(),
            ("declined", count) => format!("{count} are declined, and were told."),
            ("rules", _) => "Saved. Whoever may come in now is in, or will be in a moment.".into(),
            ("revoked", _) => "The invitation is revoked. Whoever came by it stays.".into(),
            _ => String::new(),
        }
    }
}

/// GET `/course/<id>/entry/`.
pub async fn show(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
    Query(done): Query<Done>,
    headers: HeaderMap,
) -> Result<Response> {
    require(&person, permissions::CHANGE_COURSE)?;
    let course = get_owned_course(app.db.read(), &person, id).await?;
    let mut shown = EntryPage::load(&app, &person, shell, course, None).await?;
    shown.done = done.words();
    let made = Handed::of(&app, &person, id).find(&headers);
    shown.made = made.map(|path| format!("{}{path}", app.config.site_url()));
    let is_handed = shown.made.is_some();
    let mut response = page(&shown)?;
    if is_handed {
        Handed::let_go(&app, &mut response);
    }
    Ok(response)
}

/// POST `/course/<id>/entry/`: places and approval.
pub async fn set_rules(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
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
    deciding::set_rules(&app, &mut write, &by, &before, rules).await?;
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
    ByPage(by): ByPage,
    shell: Shell,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    require(&person, permissions::CHANGE_COURSE)?;
    let course = get_owned_course(app.db.read(), &person, id).await?;
    let decision = match read_decision(&form) {
        Ok(decision) => decision,
        Err(problems) => return shown_again(&app, &person, shell, course, &form, &problems).await,
    };
    let mut write = app.write().await?;
    let course = hold_course(&write, &person, id).await?;
    let (ids, reason) = (&decision.ids, &decision.reason);
    let (what, count) = if decision.accepts {
        let count = deciding::accept(&app, &mut write, &by, &course, ids).await?;
        ("accepted", count)
    } else {
        let count = deciding::decline(&app, &mut write, &by, &course, ids, reason).await?;
        ("declined", count)
    };
    write.commit().await?;
    Ok(done(id, &format!("{what}&count={count}")))
}

/// POST `/course/<id>/invitations/`: makes one, and leads to the page that shows its link this once.
pub async fn invite(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    shell: Shell,
    Path(id): Path<i64>,
    form: Form,
) -> Result<Response> {
    require(&person, permissions::CHANGE_COURSE)?;
    let course = get_owned_course(app.db.read(), &person, id).await?;
    let made = match NewInvitation::read(&form) {
        Ok(new) => make(&app, &person, &by, id, new).await,
        Err(problems) => Err(Error::Invalid(problems)),
    };
    match made {
        Ok(path) => {
            let mut response = redirect::see_other(&entry_path(id));
            Handed::of(&app, &person, id).hand(&path, &mut response)?;
            Ok(response)
        }
        Err(Error::Invalid(problems)) => {
            shown_again(&app, &person, shell, course, &form, &problems).await
        }
        Err(other) => Err(other),
    }
}

async fn make(app: &App, person: &Person, by: &By, id: i64, new: NewInvitation) -> Result<String> {
    let write = app.write().await?;
    let course = hold_course(&write, person, id).await?;
    let made = invitations::create(app, &write, by, &course, new).await?;
    write.commit().await?;
    Ok(made.path())
}

/// POST `/course/<id>/invitations/<invitation>/revoke/`.
pub async fn revoke(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    Path((id, invitation_id)): Path<(i64, i64)>,
) -> Result<Response> {
    require(&person, permissions::CHANGE_COURSE)?;
    let write = app.write().await?;
    let course = hold_course(&write, &person, id).await?;
    invitations::revoke(&app, &write, &by, &course, invitation_id).await?;
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
        let field = |name: &str, usual: &str| {
            let value = if form.has(name) {
                form.get(name)
            } else {
                usual
            };
            Field::new(name, value, &problems)
        };
        let (rows, has_older) = invitations::list(db, course.id, now).await?;
        let asked = requests(db, person, course.id, RequestState::Asked, now).await?;
        let waiting = requests(db, person, course.id, RequestState::Waiting, now).await?;
        Ok(Self {
            done: String::new(),
            faults: fault_lines_in(&problems, &FIELDS),
            places: Field::new("places", places, &problems),
            needs_approval: if is_typed {
                form.is_set("approval")
            } else {
                course.needs_approval
            },
            taken: count_taken(db, &course).await?,
            asked: Requests::new(asked, field("requests", ""), field("reason", "")),
            waiting: Requests::new(waiting, field("line", ""), field("line_reason", "")),
            invitations: rows
                .into_iter()
                .map(|(row, came)| invitation_view(row, &came, now, person))
                .collect(),
            has_older,
            note: field("note", ""),
            uses: field("uses", &invitations::USUAL_USES.to_string()),
            days: field("days", &invitations::USUAL_DAYS.to_string()),
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

/// How many requests of a course are in one state, and the first of them.
async fn requests(
    db: &impl ConnectionTrait,
    person: &Person,
    course_id: i64,
    state: RequestState,
    now: DateTime<Utc>,
) -> Result<(u64, Vec<RequestView>)> {
    let all = enrollment_request::Entity::find()
        .filter(enrollment_request::Column::CourseId.eq(course_id))
        .filter(enrollment_request::Column::State.eq(state));
    let count = all.clone().count(db).await?;
    let rows = all
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
            since: Moment::past(request.created_at, now, person),
        })
    });
    Ok((count, views.collect()))
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
        made: Moment::past(row.created_at, now, person),
        ends: row.expires_at.map(|at| Moment::to_come(at, person)),
        came: match usize::try_from(row.uses) {
            Ok(uses) if uses > came.len() && !came.is_empty() => {
                format!("The last: {}", came.join(", "))
            }
            _ => came.join(", "),
        },
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
