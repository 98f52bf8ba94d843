//! The editor of a course: its modules as panels, the open one with its contents as cards, and what there is
//! to know about the course beside them.
//!
//! One module is open at a time; the others say in a line what they hold, so that the page stays small
//! however long the course is.

use super::card::color_of;
use super::{cards, get_owned_course, get_owned_module, list_modules};
use crate::app::App;
use crate::entities::upload::UploadState;
use crate::entities::{content, course, enrollment, item, module, subject, upload};
use crate::error::{Problems, Result};
use crate::media::{self, Accepts};
use crate::web::cover::cover_svg;
use crate::web::extract::{Path, Query};
use crate::web::form::{FaultLine, Field, Form, fault_lines};
use crate::web::identity::{Author, Person};
use crate::web::shell::{Place, Shell, page};
use crate::web::text;
use askama::Template;
use askama::filters::Safe;
use axum::extract::State;
use axum::response::Response;
use cards::Card;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, JoinType, PaginatorTrait as _,
    QueryFilter as _, QuerySelect as _, RelationTrait as _,
};
use serde::Deserialize;
use std::collections::HashMap;

/// The editor of a course.
#[derive(Template)]
#[template(path = "courses/outline.html")]
pub(super) struct OutlinePage {
    shell: Shell,
    course: course::Model,
    subject: String,
    cover: Safe<String>,
    students: u64,
    changed: Changed,
    modules: Vec<Panel>,
    open_id: Option<i64>,
    cards: Vec<Card>,
    on_their_way: usize,
    on_their_way_words: String,
    title: Field,
    faults: Vec<FaultLine>,
    room: String,
    /// `2 uploads are not finished`; empty without any for this course.
    unfinished: String,
    max_bytes: u64,
    image_max_bytes: u64,
}

/// A module as a panel.
struct Panel {
    module: module::Model,
    is_open: bool,
    caption: String,
}

/// When the course last changed.
struct Changed {
    words: String,
    exact: String,
    machine: String,
}

/// How many contents a module has, and how many of their files are not ready.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    contents: i64,
    on_their_way: i64,
    failed: i64,
    stopped: i64,
}

/// Which module is open: `none` folds them all.
#[derive(Deserialize)]
pub struct Opening {
    open: Option<String>,
}

/// GET `/course/module/<id>/`: the course with this module open.
pub async fn show_module(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
) -> Result<Response> {
    let (module, course) = get_owned_module(app.db.read(), &person, id).await?;
    let blank = (Form::default(), Problems::new());
    page(&outline(&app, &person, shell, course, Some(module.id), &blank).await?)
}

/// GET `/course/<id>/outline/`: the course with its first module open.
pub async fn show_course(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<i64>,
    Query(opening): Query<Opening>,
) -> Result<Response> {
    let course = get_owned_course(app.db.read(), &person, id).await?;
    let first = if opening.open.as_deref() == Some("none") {
        None
    } else {
        let modules = list_modules(app.db.read(), course.id).await?;
        modules.first().map(|module| module.id)
    };
    let blank = (Form::default(), Problems::new());
    page(&outline(&app, &person, shell, course, first, &blank).await?)
}

/// The page, in a constant number of queries. `adding` is the form of a new module as it was typed, and what
/// is wrong with it.
pub(super) async fn outline(
    app: &App,
    person: &Person,
    shell: Shell,
    course: course::Model,
    open_id: Option<i64>,
    adding: &(Form, Problems),
) -> Result<OutlinePage> {
    let db = app.db.read();
    let modules = list_modules(db, course.id).await?;
    let ids: Vec<i64> = modules.iter().map(|module| module.id).collect();
    let tallies = tally(db, &ids).await?;
    let cards = match open_id {
        Some(id) => cards::list(db, id, person).await?,
        None => Vec::new(),
    };
    let subject = subject::Entity::find_by_id(course.subject_id)
        .one(db)
        .await?;
    let students = enrollment::Entity::find().filter(enrollment::Column::CourseId.eq(course.id));
    let unfinished = count_unfinished(app, person, &ids, &cards).await?;
    let on_their_way = cards.iter().filter(|card| card.is_on_its_way()).count();
    let panels = modules.into_iter().map(|module| {
        let tally = tallies.get(&module.id).copied().unwrap_or_default();
        Panel::new(module, tally, open_id)
    });
    let (form, problems) = adding;
    Ok(OutlinePage {
        shell: shell.at(Place::Teach),
        subject: subject.map(|subject| subject.title).unwrap_or_default(),
        cover: Safe(cover_svg(&course.slug, color_of(course.subject_id), "")),
        students: students.count(db).await?,
        changed: Changed {
            words: text::ago(course.updated_at, app.clock.now(), person.time_zone),
            exact: text::exact(course.updated_at, person.time_zone),
            machine: text::machine(course.updated_at),
        },
        modules: panels.collect(),
        open_id,
        cards,
        on_their_way,
        on_their_way_words: text::count(
            i64::try_from(on_their_way).unwrap_or(i64::MAX),
            "file",
            "files",
        ),
        title: Field::new("title", form.get("title"), problems),
        faults: fault_lines(problems),
        unfinished: match unfinished {
            0 => String::new(),
            1 => "1 upload is not finished".into(),
            count => format!("{count} uploads are not finished"),
        },
        room: media::usage(app, db, person.id).await?.words(),
        max_bytes: Accepts::File.max_bytes(app),
        image_max_bytes: Accepts::Image.max_bytes(app),
        course,
    })
}

/// Uploads of hers that are not finished and go to these modules, or to these contents.
async fn count_unfinished(
    app: &App,
    person: &Person,
    module_ids: &[i64],
    cards: &[Card],
) -> Result<usize> {
    let unfinished = media::list_unfinished(app, app.db.read(), person.id, None).await?;
    let is_here = |place: &media::Place| match place {
        media::Place::Module(id) => module_ids.contains(id),
        media::Place::Content(id) => cards.iter().any(|card| card.id == *id),
    };
    let places = unfinished.iter().filter_map(|upload| upload.place.as_ref());
    Ok(places.filter(|place| is_here(place)).count())
}

impl Panel {
    fn new(module: module::Model, tally: Tally, open_id: Option<i64>) -> Self {
        let is_open = open_id == Some(module.id);
        let caption = if is_open && !module.description.is_empty() {
            module.description.clone()
        } else {
            tally.words()
        };
        Self {
            module,
            is_open,
            caption,
        }
    }
}

impl Tally {
    /// `3 contents, all ready`, `3 contents, 1 on its way, 1 failed`, `No contents yet`.
    fn words(self) -> String {
        if self.contents == 0 {
            return "No contents yet".into();
        }
        let mut words = vec![text::count(self.contents, "content", "contents")];
        match self.on_their_way {
            0 => {}
            1 => words.push("1 on its way".into()),
            more => words.push(format!("{more} on their way")),
        }
        if self.failed > 0 {
            words.push(format!("{} failed", self.failed));
        }
        if self.stopped > 0 {
            words.push(format!("{} stopped", self.stopped));
        }
        match (words.len(), self.contents) {
            (1, 1) => words.push("ready".into()),
            (1, _) => words.push("all ready".into()),
            _ => {}
        }
        words.join(", ")
    }
}

/// What each module holds, in one query without the texts.
async fn tally(db: &impl ConnectionTrait, module_ids: &[i64]) -> Result<HashMap<i64, Tally>> {
    let mut tallies: HashMap<i64, Tally> = HashMap::new();
    if module_ids.is_empty() {
        return Ok(tallies);
    }
    let rows: Vec<(i64, Option<UploadState>, i64)> = content::Entity::find()
        .select_only()
        .column(content::Column::ModuleId)
        .column(upload::Column::State)
        .column_as(content::Column::Id.count(), "contents")
        .join(JoinType::InnerJoin, content::Relation::Item.def())
        .join(JoinType::LeftJoin, item::Relation::Upload.def())
        .filter(content::Column::ModuleId.is_in(module_ids.iter().copied()))
        .group_by(content::Column::ModuleId)
        .group_by(upload::Column::State)
        .into_tuple()
        .all(db)
        .await?;
    for (module_id, state, count) in rows {
        let tally = tallies.entry(module_id).or_default();
        tally.contents += count;
        match state {
            Some(UploadState::Waiting | UploadState::Processing) => tally.on_their_way += count,
            Some(UploadState::Failed) => tally.failed += count,
            Some(UploadState::Canceled) => tally.stopped += count,
            Some(UploadState::Ready) | None => {}
        }
    }
    Ok(tallies)
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn a_folded_module_says_what_it_holds() {
        let words = |contents, on_their_way, failed, stopped| {
            Tally {
                contents,
                on_their_way,
                failed,
                stopped,
            }
            .words()
        };
        assert_eq!(words(0, 0, 0, 0), "No contents yet");
        assert_eq!(words(1, 0, 0, 0), "1 content, ready");
        assert_eq!(words(3, 0, 0, 0), "3 contents, all ready");
        assert_eq!(words(3, 1, 0, 0), "3 contents, 1 on its way");
        assert_eq!(words(5, 2, 1, 0), "5 contents, 2 on their way, 1 failed");
        assert_eq!(words(2, 0, 0, 1), "2 contents, 1 stopped");
    }
}
