//! The catalogue: `/` and `/course/subject/<slug>/`, with search, order and pages in the address.

use super::card::{Card, color_of, list_cards};
use super::figures::{SubjectView, list_subjects};
use super::listing::{self, Sort, Wanted};
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::cover::subject_class;
use crate::web::extract::{Path, Query};
use crate::web::identity::Visitor;
use crate::web::paging::Paging;
use crate::web::shell::{Place, Shell, page};
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

/// Courses a page.
const PAGE_SIZE: u64 = 24;
/// Longer searches are cut.
const LONGEST_QUERY: usize = 200;

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    sort: String,
    page: String,
}

/// A subject at the top of the page.
struct Chip {
    title: String,
    slug: String,
    class: String,
    courses: u64,
    is_chosen: bool,
}

/// The page's data.
#[derive(Template)]
#[template(path = "courses/catalogue.html")]
struct CataloguePage {
    shell: Shell,
    /// `/` or the subject's page.
    path: String,
    subject: Option<String>,
    query: String,
    sort: Sort,
    all_courses: u64,
    chips: Vec<Chip>,
    cards: Vec<Card>,
    paging: Paging,
    is_author: bool,
}

impl CataloguePage {
    fn is_search(&self) -> bool {
        !self.query.is_empty()
    }

    fn heading(&self) -> &str {
        self.subject.as_deref().unwrap_or("Courses")
    }

    fn lead(&self) -> String {
        let total = i64::try_from(self.paging.total).unwrap_or(i64::MAX);
        let courses = text::count(total, "course", "courses");
        let query = &self.query;
        match (self.is_search(), total) {
            (true, 0) => format!("Nothing found for “{query}”."),
            (true, _) => format!("{courses} found for “{query}”."),
            (false, 0) => "Nothing here yet.".into(),
            (false, _) => {
                format!("{courses}. Read any of them first; enroll when you like one.")
            }
        }
    }

    /// The address of another page of the same list.
    fn page_url(&self, number: u64) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if self.is_search() {
            query.append_pair("q", &self.query);
        }
        let default = Sort::named("", self.is_search());
        if self.sort != default {
            query.append_pair("sort", self.sort.name());
        }
        query.append_pair("page", &number.to_string());
        format!("{}?{}", self.path, query.finish())
    }
}

/// `/`
pub async fn all(
    State(app): State<App>,
    visitor: Visitor,
    shell: Shell,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    show(&app, &visitor, shell, &asked, None).await
}

/// `/course/subject/<slug>/`
pub async fn of_subject(
    State(app): State<App>,
    visitor: Visitor,
    shell: Shell,
    Path(slug): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    show(&app, &visitor, shell, &asked, Some(&slug)).await
}

async fn show(
    app: &App,
    visitor: &Visitor,
    shell: Shell,
    asked: &Asked,
    slug: Option<&str>,
) -> Result<Response> {
    let db = app.db.read();
    let subjects = list_subjects(db).await?;
    let chosen = match slug {
        Some(slug) => Some(
            subjects
                .iter()
                .find(|view| view.subject.slug == slug)
                .ok_or(Error::NotFound)?,
        ),
        None => None,
    };
    let query = query_of(&asked.q);
    let is_search = !query.is_empty();
    let wanted = Wanted {
        words: is_search.then(|| listing::words_of(&query)),
        subject_id: chosen.map(|view| view.subject.id),
        sort: Sort::named(&asked.sort, is_search),
    };
    let all_courses = subjects.iter().map(|view| view.courses).sum();
    let total = match chosen {
        _ if is_search => listing::count(db, &wanted).await?,
        Some(view) => view.courses,
        None => all_courses,
    };
    let paging = Paging::new(asked.page.parse().ok(), PAGE_SIZE, total);
    let ids = listing::list_ids(db, &wanted, paging.size, paging.offset()).await?;
    let cards = list_cards(db, &ids, visitor.id()).await?;
    let mut shell = shell.at(Place::Courses);
    shell.query.clone_from(&query);
    page(&CataloguePage {
        shell,
        path: chosen.map_or_else(
            || "/".to_owned(),
            |view| format!("/course/subject/{}/", view.subject.slug),
        ),
        subject: chosen.map(|view| view.subject.title.clone()),
        query,
        sort: wanted.sort,
        all_courses,
        chips: subjects.iter().map(|view| chip(view, chosen)).collect(),
        cards,
        paging,
        is_author: visitor
            .0
            .as_ref()
            .is_some_and(|person| person.is_instructor()),
    })
}

/// What was typed, without control characters and spaces around it.
fn query_of(typed: &str) -> String {
    let query: String = typed
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_QUERY)
        .collect();
    query.trim().to_owned()
}

fn chip(view: &SubjectView, chosen: Option<&SubjectView>) -> Chip {
    Chip {
        title: view.subject.title.clone(),
        slug: view.subject.slug.clone(),
        class: subject_class(color_of(view.subject.id)),
        courses: view.courses,
        is_chosen: chosen.is_some_and(|chosen| chosen.subject.id == view.subject.id),
    }
}
