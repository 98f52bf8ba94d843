//! The catalogue: `/` and `/course/subject/<slug>/`, with search, order and pages in the address.

use super::card::{Card, color_of, list_cards};
use super::figures::{self, SubjectView, list_subjects};
use super::listing::{self, Sort, Wanted};
use crate::app::App;
use crate::error::{Error, Result};
use crate::web::cover::subject_class;
use crate::web::extract::{Path, Query};
use crate::web::fragments::Fragment;
use crate::web::identity::Visitor;
use crate::web::paging::Paging;
use crate::web::permissions::ADD_COURSE;
use crate::web::response_cache::Keep;
use crate::web::shell::{Place, Shell, page};
use crate::web::tags::Tag;
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use std::collections::HashMap;

/// Courses a page.
const PAGE_SIZE: u64 = 24;
/// Longer searches are cut.
const LONGEST_QUERY: usize = 200;

/// What the lists rest on.
const TAGS: [Tag; 2] = [Tag::catalogue(), Tag::subjects()];
/// What counts in the address.
const PARAMETERS: [&str; 3] = ["q", "sort", "page"];

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    sort: String,
    page: String,
}

/// The page's data.
#[derive(Template)]
#[template(path = "courses/catalogue.html")]
struct CataloguePage {
    shell: Shell,
    /// `/` or the subject's page.
    path: String,
    chosen: Option<SubjectView>,
    query: String,
    sort: Sort,
    all_courses: u64,
    subjects: Vec<SubjectView>,
    cards: Vec<Card>,
    /// How far she is, by the number of the course.
    percents: HashMap<i64, i64>,
    paging: Paging,
    is_author: bool,
}

impl CataloguePage {
    fn is_search(&self) -> bool {
        !self.query.is_empty()
    }

    fn heading(&self) -> &str {
        let chosen = self.chosen.as_ref();
        chosen.map_or("Courses", |chosen| &chosen.title)
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

    /// The class that brings a subject's color.
    fn class(subject: &SubjectView) -> String {
        subject_class(color_of(subject.id))
    }

    fn is_chosen(&self, subject: &SubjectView) -> bool {
        let chosen = self.chosen.as_ref();
        chosen.is_some_and(|chosen| chosen.id == subject.id)
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
    keep: Keep,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    show(&app, &visitor, shell, &keep, &asked, None).await
}

/// `/course/subject/<slug>/`
pub async fn of_subject(
    State(app): State<App>,
    visitor: Visitor,
    shell: Shell,
    keep: Keep,
    Path(slug): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    show(&app, &visitor, shell, &keep, &asked, Some(&slug)).await
}

async fn show(
    app: &App,
    visitor: &Visitor,
    shell: Shell,
    keep: &Keep,
    asked: &Asked,
    slug: Option<&str>,
) -> Result<Response> {
    keep.rests_on(app, &TAGS, &PARAMETERS).await?;
    let subjects = subjects(app).await?;
    let chosen = match slug {
        Some(slug) => {
            let found = subjects.iter().find(|view| view.slug == slug);
            Some(found.cloned().ok_or(Error::NotFound)?)
        }
        None => None,
    };
    let query = query_of(&asked.q);
    let is_search = !query.is_empty();
    let wanted = Wanted {
        words: is_search.then(|| listing::words_of(&query)),
        subject_id: chosen.as_ref().map(|chosen| chosen.id),
        sort: Sort::named(&asked.sort, is_search),
    };
    let all_courses = subjects.iter().map(|view| view.courses).sum();
    let browsed = chosen.as_ref().map_or(all_courses, |chosen| chosen.courses);
    let (paging, cards) = if is_search {
        search(app, &wanted, asked).await?
    } else {
        browse(app, &wanted, asked, browsed).await?
    };
    let mut shell = shell.at(Place::Courses);
    shell.query.clone_from(&query);
    let is_plain = !is_search && asked.is_plain(wanted.sort, &paging);
    let catalogue = CataloguePage {
        shell,
        path: chosen.as_ref().map_or_else(
            || "/".to_owned(),
            |chosen| format!("/course/subject/{}/", chosen.slug),
        ),
        chosen,
        query,
        sort: wanted.sort,
        all_courses,
        subjects,
        percents: percents(app, visitor, &cards).await?,
        cards,
        paging,
        is_author: visitor
            .0
            .as_ref()
            .is_some_and(|person| person.is_instructor() && person.may(ADD_COURSE)),
    };
    if is_plain {
        keep.page(&catalogue)
    } else {
        page(&catalogue)
    }
}

impl Asked {
    /// Whether the address is one that a link of ours could have: only those are kept, of which there are as many
    /// as there are pages. Searches are without end, and so are numbers of pages that there are not.
    fn is_plain(&self, sort: Sort, paging: &Paging) -> bool {
        let is_page = self.page.is_empty() || self.page == paging.page.to_string();
        let is_sort = self.sort.is_empty() || self.sort == sort.name();
        self.q.is_empty() && is_page && is_sort
    }
}

/// All subjects, kept.
async fn subjects(app: &App) -> Result<Vec<SubjectView>> {
    Fragment::of("subjects", 0)
        .get_or_make(app, &TAGS, || async { list_subjects(app.db.read()).await })
        .await
}

/// A page of all courses, or of those of a subject, kept. `total`: how many there are.
async fn browse(
    app: &App,
    wanted: &Wanted,
    asked: &Asked,
    total: u64,
) -> Result<(Paging, Vec<Card>)> {
    let paging = Paging::new(asked.page.parse().ok(), PAGE_SIZE, total);
    let variant = format!("{}-{}", wanted.sort.name(), paging.page);
    let id = wanted.subject_id.unwrap_or(0);
    let make = || async {
        let ids = listing::list_ids(app.db.read(), wanted, paging.size, paging.offset()).await?;
        list_cards(app.db.read(), &ids).await
    };
    let cards = Fragment::of("cards", id)
        .variant(&variant)
        .get_or_make(app, &TAGS, make)
        .await?;
    Ok((paging, cards))
}

/// What a search finds, looked for each time.
async fn search(app: &App, wanted: &Wanted, asked: &Asked) -> Result<(Paging, Vec<Card>)> {
    let db = app.db.read();
    let total = listing::count(db, wanted).await?;
    let paging = Paging::new(asked.page.parse().ok(), PAGE_SIZE, total);
    let ids = listing::list_ids(db, wanted, paging.size, paging.offset()).await?;
    Ok((paging, list_cards(db, &ids).await?))
}

/// How far she is in those of the courses in which she is.
async fn percents(app: &App, visitor: &Visitor, cards: &[Card]) -> Result<HashMap<i64, i64>> {
    let Some(id) = visitor.id() else {
        return Ok(HashMap::new());
    };
    let ids: Vec<i64> = cards.iter().map(|card| card.id).collect();
    figures::progress_percent(app.db.read(), id, &ids).await
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
