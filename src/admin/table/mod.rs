//! The toolkit of the admin site's tables. A table is declared once ([`Table`]): what it lists, by what it is searched,
//! filtered and sorted, its form, what can be done to many at once, and who may each of these. The pages are made of
//! that: list and export (`list`), form (`form`), actions and their question (`act`).
//!
//! Whatever is saved or done goes through one place (`doing`), which checks the permission, opens the transaction, reads
//! what the thing was and is, and writes the line of the log. Decision 0032.

mod act;
mod asked;
mod doing;
mod export;
mod form;
mod list;
mod parts;
mod query;
mod seen;

pub use asked::Asked;
pub use doing::Doing;
pub use parts::{Cell, Control, Entry, Line, Row};
pub use query::{Chunk, List, Listed, containing};

use crate::app::App;
use crate::db::Write;
use crate::error::Result;
use crate::web::audit::Facts;
use crate::web::form::Form;
use crate::web::identity::Person;
use axum::routing::MethodRouter;
use futures::future::BoxFuture;
use std::sync::{Arc, LazyLock};

/// Rows of a page.
pub const PAGE: u64 = 50;

/// More are not counted: "10,000+". Counting a large table is slow, and nobody turns to its thousandth page.
pub const MOST_COUNTED: u64 = 10_000;

/// So many things are changed by one action.
pub const MOST_AT_ONCE: usize = 1_000;

/// Who looks, at what.
///
/// It also says where she can go from there: what is closed to her is no link.
pub struct Look {
    /// The site.
    pub app: App,
    /// Who.
    pub person: Arc<Person>,
}

impl Look {
    /// This path for who holds the permission for it; for others none.
    pub fn path_for(&self, permission: &str, path: String) -> String {
        if self.person.may(permission) {
            path
        } else {
            String::new()
        }
    }
}

/// A column of a list. Its cells come in the same order.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its head.
    pub label: &'static str,
    /// By what it sorts, in the address; empty: it does not.
    pub sort: &'static str,
    /// Whether it holds numbers, which stand at the right.
    pub is_number: bool,
}

impl Column {
    /// A column by which the list cannot be sorted.
    pub const fn new(label: &'static str) -> Self {
        Self {
            label,
            sort: "",
            is_number: false,
        }
    }

    /// One by which it can.
    #[must_use]
    pub const fn sorts(mut self, sort: &'static str) -> Self {
        self.sort = sort;
        self
    }

    /// One of numbers.
    #[must_use]
    pub const fn number(mut self) -> Self {
        self.is_number = true;
        self
    }
}

/// What may be chosen in a filter: value and words.
pub type Choices = Vec<(String, String)>;

/// How a filter is set.
#[derive(Clone, Copy)]
pub enum Filtered {
    /// One of these.
    By(&'static [(&'static str, &'static str)]),
    /// One of what there is: for short lists only.
    Of(for<'a> fn(&'a App) -> BoxFuture<'a, Result<Choices>>),
    /// Typed: for what there may be thousands of.
    Typed(&'static str),
}

/// A filter of a list.
#[derive(Clone, Copy)]
pub struct Filter {
    /// Its name in the address.
    pub name: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// How it is set.
    pub by: Filtered,
}

/// What can be done to things besides changing them in the form.
#[derive(Clone, Copy)]
pub struct Action {
    /// Its name in the address and in the log.
    pub name: &'static str,
    /// What it is called: `Deactivate`.
    pub label: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// Who may.
    pub permission: &'static str,
    /// Whether it takes something away.
    pub is_danger: bool,
    /// Whether it can be done to many at once.
    pub is_for_many: bool,
    /// What happens then, in a sentence or two; asked before it is done.
    pub words: &'static str,
    /// What is typed with it.
    pub entries: fn() -> Vec<Entry>,
    /// Looks at what was typed before anything is changed, and answers what takes long to make of it, such as the hash
    /// of a password.
    pub prepare: Option<Prepare>,
    /// Does it to one thing.
    pub act: Act,
}

/// See [`Action::prepare`].
pub type Prepare = for<'a> fn(&'a Look, Option<i64>, &'a Form) -> BoxFuture<'a, Result<String>>;

/// See [`Action::act`].
pub type Act = for<'a> fn(Doing<'a>, i64) -> BoxFuture<'a, Result<()>>;

/// What is to be typed of a thing, with its choices; the thing's number, when there is one already.
pub type Entries = for<'a> fn(&'a Look, Option<i64>) -> BoxFuture<'a, Result<Vec<Entry>>>;

/// What of a thing stands in the form.
pub type Values = for<'a> fn(&'a Look, i64) -> BoxFuture<'a, Result<Form>>;

/// Why a thing can be looked at and not changed by her who looks; `None`: she may.
pub type Closed = for<'a> fn(&'a Look, i64) -> BoxFuture<'a, Result<Option<&'static str>>>;

/// See [`Editing::hold`].
pub type Hold = for<'a> fn(&'a Write, &'a Person, i64) -> BoxFuture<'a, Result<()>>;

/// Saves what was typed; answers the number of the thing.
pub type Save = for<'a> fn(Doing<'a>, Option<i64>) -> BoxFuture<'a, Result<i64>>;

/// What a thing is called and consists of, for the log; `None` when there is no such thing.
pub type FactsOf = for<'a> fn(&'a Write, i64) -> BoxFuture<'a, Result<Option<Facts>>>;

/// The form of a table.
#[derive(Clone, Copy)]
pub struct Editing {
    /// What can be typed.
    pub entries: Entries,
    /// What stands there.
    pub values: Values,
    /// As [`Action::prepare`].
    pub prepare: Option<Prepare>,
    /// Holds a thing until the end of the transaction before anybody looks whether it is still what the form was drawn of;
    /// none where nothing is changed.
    pub hold: Option<Hold>,
    /// Saves it.
    pub save: Save,
    /// Who may add; nobody can without.
    pub add: Option<&'static str>,
    /// Who may change.
    pub change: &'static str,
    /// What she may not change who holds that permission; then the form has no buttons and says why. It is asked again
    /// where it is done.
    pub closed: Option<Closed>,
}

/// A way from a thing to another page: words, icon, path with `{id}` in the place of its number, and who may go there.
pub type Way = (&'static str, &'static str, &'static str, &'static str);

/// A table of the admin site.
pub struct Table {
    /// What sort of thing it holds, in the log: `user`.
    pub kind: &'static str,
    /// One of them: `user`.
    pub one: &'static str,
    /// Several: `users`.
    pub many: &'static str,
    /// What the page is called: `Users`.
    pub title: &'static str,
    /// Where it is: `/admin/users/`.
    pub path: &'static str,
    /// What it is, in a sentence.
    pub lead: &'static str,
    /// In what the search looks: `Name, user name, mail`. Empty: there is no search.
    pub searched: &'static str,
    /// Who may look.
    pub view: &'static str,
    /// The columns.
    pub columns: Vec<Column>,
    /// The filters.
    pub filters: Vec<Filter>,
    /// How it is sorted when nobody says: the name of a column's sort, with `-` before it for the other way round.
    pub usual: &'static str,
    /// What it lists.
    pub list: Box<dyn Listed>,
    /// The heads of its export; empty: it has none.
    pub csv: &'static [&'static str],
    /// Its form, when it has one.
    pub editing: Option<Editing>,
    /// What else can be done.
    pub actions: Vec<Action>,
    /// What a thing consists of, for the log.
    pub facts: FactsOf,
    /// Ways from a thing to elsewhere.
    pub ways: &'static [Way],
    /// Further buttons above the list: words, icon, path, permission.
    pub heads: &'static [(&'static str, &'static str, &'static str, &'static str)],
    /// What stands where nothing is listed and nothing was searched.
    pub none: &'static str,
}

impl Table {
    /// The action of this name.
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// The path of a thing's page.
    pub fn path_of(&self, id: i64) -> String {
        format!("{}{id}/", self.path)
    }
}

/// Paths and what answers there.
pub type Routes = Vec<(String, MethodRouter<App>)>;

/// The routes of a table.
pub fn routes(table: &'static LazyLock<Table>) -> Routes {
    let mut routes = list::routes(table);
    routes.extend(act::routes(table));
    routes.extend(export::routes(table));
    if table.editing.is_some() {
        routes.extend(form::routes(table));
    }
    routes
}
