//! The page of a list.

use super::asked::with_query;
use super::{
    Action, Asked, Cell, Choices, Column, Filtered, Look, MOST_COUNTED, PAGE, Routes, Row, Table,
};
use crate::admin::site::{Side, grouped};
use crate::app::App;
use crate::error::Result;
use crate::web::paging::Paging;
use crate::web::shell::{Place, Shell, page};
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use std::sync::LazyLock;
use url::form_urlencoded;

/// The page.
#[derive(Template)]
#[template(path = "admin/list.html")]
struct ListPage {
    shell: Shell,
    side: Side,
    table: &'static Table,
    asked: Asked,
    told: Option<String>,
    filters: Vec<FilterView>,
    rows: Vec<Row>,
    total: u64,
    paging: Paging,
    actions: Vec<Action>,
    can_add: bool,
    heads: Vec<(&'static str, &'static str, &'static str)>,
}

struct FilterView {
    name: &'static str,
    label: &'static str,
    value: String,
    /// What can be chosen; none: it is typed.
    choices: Option<Choices>,
    example: &'static str,
}

impl ListPage {
    /// The column of a cell by its place in the row.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "templates hand on references"
    )]
    fn column(&self, at: &usize) -> Column {
        let column = self.table.columns.get(*at).copied();
        column.unwrap_or(Column::new(""))
    }

    fn url(&self, page: u64) -> String {
        with_query(self.table.path, &self.asked.at_page(page))
    }

    fn sort_url(&self, column: &Column) -> String {
        with_query(self.table.path, &self.asked.sorted(column.sort))
    }

    fn sort_state(&self, column: &Column) -> &'static str {
        match (self.asked.sort == column.sort, self.asked.is_descending) {
            (true, true) => "descending",
            (true, false) => "ascending",
            _ => "none",
        }
    }

    /// The path of a row's page, which leads back here.
    fn row_url(&self, row: &Row) -> String {
        if !row.path.is_empty() {
            return row.path.clone();
        }
        if self.table.editing.is_none() {
            return String::new();
        }
        back_to(&self.table.path_of(row.id), &self.asked.text())
    }

    fn add_url(&self) -> String {
        back_to(&format!("{}add/", self.table.path), &self.asked.text())
    }

    fn export_url(&self) -> String {
        with_query(
            &format!("{}export.csv", self.table.path),
            &self.asked.at_page(1),
        )
    }

    fn total_words(&self) -> String {
        if self.total > MOST_COUNTED {
            format!("{}+", grouped(MOST_COUNTED))
        } else {
            grouped(self.total)
        }
    }

    /// Whether there are more than stand on this page.
    fn has_more(&self) -> bool {
        u64::try_from(self.rows.len()).unwrap_or(0) < self.total
    }

    fn is_chosen(filter: &FilterView, value: &str) -> bool {
        filter.value == value
    }
}

/// A path with the address of a list that it leads back to.
pub fn back_to(path: &str, asked: &str) -> String {
    if asked.is_empty() {
        return path.to_owned();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("back", asked);
    with_query(path, &query.finish())
}

/// One value of a query.
pub fn value_of(query: &str, name: &str) -> String {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(key, _)| key == name);
    found.map_or_else(String::new, |(_, value)| value.replace('\0', ""))
}

/// The list from which somebody came, and to which she goes back; nothing but what the table knows.
pub fn back_from(table: &Table, query: &str) -> Asked {
    Asked::read(table, &value_of(query, "back"))
}

/// The list again, with a word about what was done.
pub fn done_url(table: &Table, asked: &Asked, done: &str, count: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("done", done);
    if count != 1 {
        query.append_pair("count", &count.to_string());
    }
    let path = asked.path(table.path);
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{}", query.finish())
}

/// What is told after something was done; the address names it, and says nothing of its own.
fn told(table: &Table, query: &str) -> Option<String> {
    let count = value_of(query, "count").parse::<u64>().unwrap_or(1);
    let what = if count == 1 {
        format!("1 {}", table.one)
    } else {
        format!("{} {}", grouped(count), table.many)
    };
    match value_of(query, "done").as_str() {
        "add" => Some("Added. It is in the log.".into()),
        "change" => Some("Saved. It is in the log.".into()),
        "same" => Some("Nothing was changed: it stood there so already.".into()),
        "import" => Some(format!("Imported: {what}. Each is in the log.")),
        name => table
            .action(name)
            .map(|action| format!("{}: {what}. It is in the log.", action.label)),
    }
}

pub(super) fn routes(table: &'static LazyLock<Table>) -> Routes {
    let show = move |app: State<App>, side: Side, shell: Shell, query: RawQuery| {
        show(table, app, side, shell, query)
    };
    vec![(table.path.to_owned(), get(show))]
}

async fn show(
    table: &'static Table,
    State(app): State<App>,
    side: Side,
    shell: Shell,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    side.require(table.view)?;
    let query = query.unwrap_or_default();
    let asked = Asked::read(table, &query);
    let look = Look {
        app: app.clone(),
        person: side.person.clone(),
    };
    let total = table.list.count(&look, &asked).await?;
    let paging = Paging::new(Some(asked.page), PAGE, total.min(MOST_COUNTED));
    let asked = asked.turned_to(paging.page);
    let rows = table.list.page(&look, &asked).await?;
    let filters = filters(table, &app, &asked).await?;
    let may = |permission: &str| side.person.may(permission);
    let editing = table.editing.as_ref();
    page(&ListPage {
        can_add: editing.is_some_and(|editing| editing.add.is_some_and(may)),
        actions: many(table, &side),
        heads: heads(table, &side),
        told: side.is_told.then(|| told(table, &query)).flatten(),
        shell: shell.at(Place::Admin),
        side,
        table,
        asked,
        filters,
        rows,
        total,
        paging,
    })
}

fn many(table: &Table, side: &Side) -> Vec<Action> {
    let actions = table.actions.iter();
    let hers = actions.filter(|action| action.is_for_many && side.person.may(action.permission));
    hers.copied().collect()
}

fn heads(table: &Table, side: &Side) -> Vec<(&'static str, &'static str, &'static str)> {
    let heads = table.heads.iter();
    let hers = heads.filter(|(_, _, _, permission)| side.person.may(permission));
    hers.map(|(words, icon, path, _)| (*words, *icon, *path))
        .collect()
}

async fn filters(table: &'static Table, app: &App, asked: &Asked) -> Result<Vec<FilterView>> {
    let mut views = Vec::with_capacity(table.filters.len());
    for filter in &table.filters {
        let (choices, example) = match filter.by {
            Filtered::By(known) => {
                let known = known.iter();
                let choices = known.map(|(value, words)| ((*value).into(), (*words).into()));
                (Some(choices.collect()), "")
            }
            Filtered::Of(load) => (Some(load(app).await?), ""),
            Filtered::Typed(example) => (None, example),
        };
        views.push(FilterView {
            name: filter.name,
            label: filter.label,
            value: asked.filter(filter.name).to_owned(),
            choices,
            example,
        });
    }
    Ok(views)
}
