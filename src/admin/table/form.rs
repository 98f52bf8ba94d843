//! The form of a thing: adding it, changing it. What is wrong is shown all at once at its fields, and what was typed stays.

use super::doing::{Saved, save};
use super::list::{back_from, back_to, done_url};
use super::seen::{SEEN, differences, stamp};
use super::{Action, Asked, Control, Editing, Entry, Line, Look, Routes, Table};
use crate::admin::site::Side;
use crate::admin::slug;
use crate::app::App;
use crate::error::{Error, Problems, Result};
use crate::web::extract::Path;
use crate::web::form::{FaultLine, Field, Form, fault_lines_in};
use crate::web::permissions;
use crate::web::shell::{Place, Shell, page_with};
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use std::sync::LazyLock;

/// The page.
#[derive(Template)]
#[template(path = "admin/form.html")]
struct FormPage {
    shell: Shell,
    side: Side,
    table: &'static Table,
    /// Of a thing that exists.
    id: Option<i64>,
    name: String,
    faults: Vec<FaultLine>,
    inputs: Vec<Input>,
    actions: Vec<Action>,
    can_save: bool,
    /// Why it cannot be changed by her; may be empty.
    closed: &'static str,
    back: Asked,
    /// What stood there when what is shown was read; empty of a thing that is to be added.
    seen: String,
}

/// Something that is typed, with what stands in it.
pub struct Input {
    pub entry: Entry,
    pub field: Field,
    chosen: Vec<String>,
}

impl Input {
    /// Whether this is one of those that are chosen.
    pub fn is_chosen(&self, value: &str) -> bool {
        self.chosen.iter().any(|chosen| chosen == value)
    }

    /// The longest line.
    pub fn longest(&self) -> u16 {
        match self.entry.control {
            Control::Line(most) => most,
            Control::Mail => 254,
            _ => 200,
        }
    }

    fn new(entry: Entry, form: &Form, problems: &Problems) -> Self {
        let field = Field::new(entry.name, form.get(entry.name), problems);
        Self {
            chosen: form.all(entry.name).map(str::to_owned).collect(),
            entry,
            field,
        }
    }
}

/// What was typed, entry by entry, with what is wrong.
pub fn inputs(entries: Vec<Entry>, form: &Form, problems: &Problems) -> Vec<Input> {
    let fill = |entry: Entry| match entry.control {
        Control::Lines(lines) if form.has(&format!("{}-count", entry.name)) => Entry {
            control: Control::Lines(typed_lines(form, entry.name, &lines)),
            ..entry
        },
        _ => entry,
    };
    let entries = entries.into_iter().map(fill);
    entries
        .map(|entry| Input::new(entry, form, problems))
        .collect()
}

/// The lines of an entry as they were typed; what a line is and where its page is stands in `known`.
fn typed_lines(form: &Form, name: &str, known: &[Line]) -> Vec<Line> {
    let lines = known.iter().enumerate().map(|(index, line)| {
        let part = |part: &str| format!("{name}-{index}-{part}");
        Line {
            title: form.get(&part("title")).to_owned(),
            place: form.get(&part("place")).to_owned(),
            is_deleted: form.is_set(&part("delete")),
            ..line.clone()
        }
    });
    lines.collect()
}

impl FormPage {
    fn heading(&self) -> String {
        match self.id {
            Some(_) => self.name.clone(),
            None => format!("Add {} {}", article(self.table.one), self.table.one),
        }
    }

    fn action_path(&self) -> String {
        match self.id {
            Some(id) => self.table.path_of(id),
            None => format!("{}add/", self.table.path),
        }
    }

    fn back_path(&self) -> String {
        self.back.path(self.table.path)
    }

    fn ask_path(&self, action: &Action) -> String {
        let path = format!("{}act/", self.table.path);
        let id = self.id.unwrap_or(0);
        let begun = format!("{path}?action={}&id={id}", action.name);
        let back = back_to("", &self.back.text()).replace('?', "&");
        format!("{begun}{back}")
    }

    fn ways(&self) -> Vec<(&'static str, &'static str, String)> {
        let id = self.id.unwrap_or(0).to_string();
        let ways = self.table.ways.iter();
        let open = ways.filter(|(_, _, _, permission)| self.side.person.may(permission));
        open.map(|(words, icon, path, _)| (*words, *icon, path.replace("{id}", &id)))
            .collect()
    }

    fn can_see_history(&self) -> bool {
        self.id.is_some() && self.side.person.may(permissions::admin::VIEW_LOG)
    }
}

fn article(word: &str) -> &'static str {
    // "a user", "an enrollment": by sound, which for our few words is the first letter and one exception.
    match word.chars().next() {
        Some('a' | 'e' | 'i' | 'o') => "an",
        Some('u') if word.starts_with("up") => "an",
        _ => "a",
    }
}

pub(super) fn routes(table: &'static LazyLock<Table>) -> Routes {
    let add = move |app: State<App>, side: Side, shell: Shell, query: RawQuery| {
        show(table, app, side, shell, query, None)
    };
    let create = move |app: State<App>, side: Side, shell: Shell, query: RawQuery, form: Form| {
        send(table, app, (side, shell), query, None, form)
    };
    let open = move |app: State<App>, side: Side, shell: Shell, query: RawQuery, id: Path<i64>| {
        show(table, app, side, shell, query, Some(id.0))
    };
    let change =
        move |app: State<App>,
              side: Side,
              shell: Shell,
              query: RawQuery,
              id: Path<i64>,
              form: Form| { send(table, app, (side, shell), query, Some(id.0), form) };
    let path = table.path;
    let mut routes = vec![(format!("{path}{{id}}/"), get(open).post(change))];
    if table.editing.is_some_and(|editing| editing.add.is_some()) {
        routes.push((format!("{path}add/"), get(add).post(create)));
    }
    routes
}

fn editing(table: &'static Table) -> Result<&'static Editing> {
    table.editing.as_ref().ok_or(Error::NotFound)
}

/// Lets her go on who may add or, when there is something already, change.
fn require(side: &Side, editing: &Editing, id: Option<i64>) -> Result<()> {
    match (id, editing.add) {
        (Some(_), _) => side.require(editing.change),
        (None, Some(add)) => side.require(add),
        (None, None) => Err(Error::NotFound),
    }
}

async fn show(
    table: &'static Table,
    State(app): State<App>,
    side: Side,
    shell: Shell,
    RawQuery(query): RawQuery,
    id: Option<i64>,
) -> Result<Response> {
    let editing = editing(table)?;
    // Who may look but not change sees the form without its button.
    side.require(table.view)?;
    if id.is_none() {
        require(&side, editing, None)?;
    }
    let back = back_from(table, &query.unwrap_or_default());
    let look = look(&app, &side);
    let form = match id {
        Some(id) => (editing.values)(&look, id).await?,
        None => Form::default(),
    };
    let shown = Shown {
        form: &form,
        problems: &Problems::new(),
        stands: Some(&form),
    };
    let page = form_page(table, &look, (side, shell), (id, back), shown);
    page_with(StatusCode::OK, &page.await?)
}

async fn send(
    table: &'static Table,
    State(app): State<App>,
    (side, shell): (Side, Shell),
    RawQuery(query): RawQuery,
    id: Option<i64>,
    form: Form,
) -> Result<Response> {
    let editing = editing(table)?;
    side.require(table.view)?;
    require(&side, editing, id)?;
    let back = match form.get("back") {
        "" => back_from(table, &query.unwrap_or_default()),
        sent => Asked::read(table, sent),
    };
    let look = look(&app, &side);
    let entries = (editing.entries)(&look, id).await?;
    let form = with_slugs(&form, &entries);
    let (status, problems, stands) = match save(table, editing, &look, &side, id, &form).await {
        Ok(Saved::Done(done)) => {
            return side.lead(&look.app, &done_url(table, &back, done, 1));
        }
        Ok(Saved::Stale(stands)) => {
            let problems = differences(&entries, &stands, &form);
            (StatusCode::CONFLICT, problems, Some(stands))
        }
        Err(Error::Invalid(problems)) => (StatusCode::UNPROCESSABLE_ENTITY, problems, None),
        Err(Error::Conflict(words)) => {
            let problems = Problems::of(Problems::WHOLE, words);
            (StatusCode::CONFLICT, problems, None)
        }
        Err(other) => return Err(other),
    };
    let shown = Shown {
        form: &form,
        problems: &problems,
        stands: stands.as_ref(),
    };
    let page = form_page(table, &look, (side, shell), (id, back), shown);
    page_with(status, &page.await?)
}

fn look(app: &App, side: &Side) -> Look {
    Look {
        app: app.clone(),
        person: side.person.clone(),
    }
}

/// Addresses that were left empty are made from what they stand for.
fn with_slugs(form: &Form, entries: &[Entry]) -> Form {
    let mut pairs: Vec<(String, String)> = form
        .pairs()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for entry in entries {
        if let Control::Slug(from) = entry.control
            && form.text(entry.name).is_empty()
        {
            pairs.push((entry.name.to_owned(), slug::of(form.text(from))));
        }
    }
    Form::from_pairs(pairs)
}

/// What a form shows.
struct Shown<'a> {
    form: &'a Form,
    problems: &'a Problems,
    /// What stands there now; without it the form goes on from what it was drawn of at first.
    stands: Option<&'a Form>,
}

async fn form_page(
    table: &'static Table,
    look: &Look,
    (side, shell): (Side, Shell),
    (id, back): (Option<i64>, Asked),
    shown: Shown<'_>,
) -> Result<FormPage> {
    let editing = editing(table)?;
    let Shown {
        form,
        problems,
        stands,
    } = shown;
    let entries = (editing.entries)(look, id).await?;
    let order: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
    let name = match id {
        Some(id) => {
            let rows = table.list.rows(look, &[id]).await?;
            rows.into_iter().next().ok_or(Error::NotFound)?.name
        }
        None => String::new(),
    };
    let seen = match stands {
        Some(stands) if id.is_some() => stamp(stands, &entries),
        _ => form.get(SEEN).to_owned(),
    };
    let may = require(&side, editing, id).is_ok();
    let closed = match (editing.closed, id) {
        (Some(closed), Some(id)) if may => closed(look, id).await?,
        _ => None,
    };
    let is_open = closed.is_none();
    let actions = table.actions.iter();
    let hers =
        actions.filter(|action| id.is_some() && is_open && side.person.may(action.permission));
    Ok(FormPage {
        faults: fault_lines_in(problems, &order),
        actions: hers.copied().collect(),
        inputs: inputs(entries, form, problems),
        shell: shell.at(Place::Admin),
        side,
        table,
        id,
        name,
        can_save: may && is_open,
        closed: closed.unwrap_or_default(),
        back,
        seen,
    })
}
