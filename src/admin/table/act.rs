//! What is done to one thing or many: asked first, with how many and which, and done to all of them or to none.

use super::doing::{Refusal, act};
use super::form::{Input, inputs};
use super::list::{done_url, value_of};
use super::{Action, Asked, Control, Look, MOST_AT_ONCE, Routes, Table};
use crate::admin::site::{Side, grouped};
use crate::app::App;
use crate::error::{Error, Problems, Result};
use crate::web::form::{FaultLine, Form, fault_lines};
use crate::web::redirect::see_other;
use crate::web::shell::{Place, Shell, page_with};
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Names that the page tells; of more it tells how many.
const MOST_NAMED: usize = 20;

/// The page that asks.
#[derive(Template)]
#[template(path = "admin/act.html")]
struct AskPage {
    shell: Shell,
    side: Side,
    table: &'static Table,
    action: Action,
    names: Vec<String>,
    more: usize,
    ids: Vec<i64>,
    is_all: bool,
    refusals: Vec<Refusal>,
    note: &'static str,
    faults: Vec<FaultLine>,
    inputs: Vec<Input>,
    back: Asked,
}

impl AskPage {
    fn many(&self) -> String {
        let count = self.ids.len();
        if count == 1 {
            return format!("1 {}", self.table.one);
        }
        let count = u64::try_from(count).unwrap_or(0);
        format!("{} {}", grouped(count), self.table.many)
    }

    /// The numbers of all of them, in one field.
    fn numbers(&self) -> String {
        let ids: Vec<String> = self.ids.iter().map(i64::to_string).collect();
        ids.join(" ")
    }

    fn heading(&self) -> String {
        match self.names.as_slice() {
            [name] if self.more == 0 => format!("{}: {name}?", self.action.label),
            _ => format!("{}: {}?", self.action.label, self.many()),
        }
    }

    fn back_path(&self) -> String {
        self.back.path(self.table.path)
    }
}

/// What an action is about.
struct About {
    ids: Vec<i64>,
    /// All that the list shows by its search and filters, on every page.
    is_all: bool,
    /// Whether a page has asked about exactly these; none: it was not asked yet.
    is_confirmed: Option<bool>,
}

pub(super) fn routes(table: &'static LazyLock<Table>) -> Routes {
    if table.actions.is_empty() {
        return Vec::new();
    }
    let ask = move |app: State<App>, side: Side, shell: Shell, query: RawQuery| {
        ask(table, app, side, shell, query)
    };
    let send = move |app: State<App>, side: Side, shell: Shell, form: Form| {
        send(table, app, side, shell, form)
    };
    let path = format!("{}act/", table.path);
    vec![(path, get(ask).post(send))]
}

/// GET `?action=<name>&id=<number>`: asks about one thing.
async fn ask(
    table: &'static Table,
    app: State<App>,
    side: Side,
    shell: Shell,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let query = query.unwrap_or_default();
    let pairs = ["action", "id", "back"];
    let pairs = pairs.map(|name| (name.to_owned(), value_of(&query, name)));
    let form = Form::from_pairs(pairs.into());
    answer(table, app, side, shell, form).await
}

/// POST: asks about what was chosen in the list or, when that was confirmed, does it.
async fn send(
    table: &'static Table,
    app: State<App>,
    side: Side,
    shell: Shell,
    form: Form,
) -> Result<Response> {
    answer(table, app, side, shell, form).await
}

async fn answer(
    table: &'static Table,
    State(app): State<App>,
    side: Side,
    shell: Shell,
    form: Form,
) -> Result<Response> {
    side.require(table.view)?;
    let action = table
        .action(form.get("action"))
        .ok_or_else(|| Error::BadRequest("Choose what to do with what you have chosen.".into()))?;
    side.require(action.permission)?;
    let back = Asked::read(table, form.get("back"));
    let look = Look {
        app,
        person: side.person.clone(),
    };
    let about = about(table, &look, &back, &form).await?;
    if about.ids.is_empty() {
        return Ok(see_other(&back.path(table.path)));
    }
    if about.ids.len() > 1 && !action.is_for_many {
        let words = format!("“{}” is done to one at a time.", action.label);
        return Err(Error::BadRequest(words));
    }
    let ask = Asking {
        table,
        action: *action,
        about: &about,
        back: &back,
        form: &form,
    };
    match about.is_confirmed {
        None => ask.page(&look, side, shell, Told::default()).await,
        Some(false) => {
            let note = "Meanwhile there are others. Please look again.";
            let told = Told {
                note,
                ..Told::default()
            };
            ask.page(&look, side, shell, told).await
        }
        Some(true) => match act(table, action, &look, &side, &about.ids, &form).await {
            Ok(Ok(done)) => side.lead(&look.app, &done_url(table, &back, action.name, done)),
            Ok(Err(refusals)) => {
                let told = Told {
                    refusals,
                    ..Told::default()
                };
                ask.page(&look, side, shell, told).await
            }
            Err(Error::Invalid(problems)) => {
                let told = Told {
                    problems,
                    ..Told::default()
                };
                ask.page(&look, side, shell, told).await
            }
            Err(other) => Err(other),
        },
    }
}

/// What it is about: the numbers that were sent, each once, or all that the list shows.
async fn about(table: &Table, look: &Look, back: &Asked, form: &Form) -> Result<About> {
    let is_all = form.is_set("all");
    let most = u64::try_from(MOST_AT_ONCE).unwrap_or(0) + 1;
    let sent = form.all("id").flat_map(str::split_ascii_whitespace);
    let sent: BTreeSet<i64> = sent.filter_map(|id| id.parse().ok()).collect();
    let ids: Vec<i64> = if is_all {
        table.list.ids(look, back, most).await?
    } else {
        sent.iter().copied().collect()
    };
    if ids.len() > MOST_AT_ONCE {
        return Err(Error::BadRequest(format!(
            "Up to {MOST_AT_ONCE} are changed at once. Narrow the list by a search or a filter, and do it in parts."
        )));
    }
    // Which, and not only how many: one may have gone and another come.
    let is_confirmed = form
        .has("confirmed")
        .then(|| ids.iter().copied().collect::<BTreeSet<i64>>() == sent);
    Ok(About {
        ids,
        is_all,
        is_confirmed,
    })
}

/// What has to be said besides the question.
#[derive(Default)]
struct Told {
    note: &'static str,
    refusals: Vec<Refusal>,
    problems: Problems,
}

struct Asking<'a> {
    table: &'static Table,
    action: Action,
    about: &'a About,
    back: &'a Asked,
    form: &'a Form,
}

impl Asking<'_> {
    async fn page(self, look: &Look, side: Side, shell: Shell, told: Told) -> Result<Response> {
        let first = self.about.ids.get(..MOST_NAMED).unwrap_or(&self.about.ids);
        let rows = self.table.list.rows(look, first).await?;
        if rows.is_empty() {
            return Err(Error::NotFound);
        }
        let names: Vec<String> = rows.into_iter().map(|row| row.name).collect();
        let status = if !told.problems.is_empty() {
            StatusCode::UNPROCESSABLE_ENTITY
        } else if !told.refusals.is_empty() {
            StatusCode::CONFLICT
        } else {
            StatusCode::OK
        };
        let page = AskPage {
            shell: shell.at(Place::Admin),
            side,
            table: self.table,
            action: self.action,
            more: self.about.ids.len().saturating_sub(MOST_NAMED),
            names,
            ids: self.about.ids.clone(),
            is_all: self.about.is_all,
            refusals: told.refusals,
            note: told.note,
            faults: fault_lines(&told.problems),
            inputs: inputs((self.action.entries)(), self.form, &told.problems),
            back: self.back.clone(),
        };
        page_with(status, &page)
    }
}
