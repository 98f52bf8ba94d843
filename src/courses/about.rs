//! What the page of a course says to everybody: made once, and kept as a fragment.

use super::card::color_of;
use super::{figures, store, syllabus};
use crate::app::App;
use crate::entities::item::ItemKind;
use crate::entities::upload::UploadState;
use crate::entities::{content, course, item, module, subject, upload};
use crate::error::{Error, Result};
use crate::web::cover::{cover_svg, subject_class};
use crate::web::fragments::Fragment;
use crate::web::shell;
use crate::web::tags::Tag;
use crate::web::text;
use askama::Template;
use askama::filters::Safe;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, JoinType, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, RelationTrait,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// So many other courses of the teacher are named.
const ALSO: u64 = 3;

/// A course as its page shows it to everybody; the parts are HTML.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct About {
    pub id: i64,
    pub owner_id: i64,
    pub slug: String,
    pub title: String,
    pub is_draft: bool,
    pub places: Option<i32>,
    pub needs_approval: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Where one is, and what the course is called.
    pub head: String,
    /// The drawing, the facts, and what its teacher says of it.
    pub body: String,
    /// Its modules; empty when there are none.
    pub syllabus: String,
    /// Its teacher.
    pub teacher: String,
}

impl About {
    /// Whether one gets into the course only by a place or a decision.
    pub fn is_limited(&self) -> bool {
        self.places.is_some() || self.needs_approval
    }
}

/// The top of the page.
#[derive(Template)]
#[template(path = "courses/about_head.html")]
struct Head<'a> {
    course: &'a course::Model,
    subject: &'a subject::Model,
    subject_class: String,
    lead: String,
}

/// The middle of the page.
#[derive(Template)]
#[template(path = "courses/about_body.html")]
struct Body {
    cover: Safe<String>,
    facts: Vec<Fact>,
    learn: Vec<String>,
    about: Safe<String>,
}

/// The modules.
#[derive(Template)]
#[template(path = "courses/about_syllabus.html")]
struct Syllabus {
    summary: String,
    lines: Vec<ModuleLine>,
}

/// At the side.
#[derive(Template)]
#[template(path = "courses/about_teacher.html")]
struct Teacher {
    name: String,
    first_name: String,
    initials: String,
    class: String,
    courses: String,
    also: Vec<Also>,
}

struct ModuleLine {
    number: usize,
    title: String,
    description: String,
    contents: String,
    length: Option<String>,
}

struct Fact {
    icon: &'static str,
    strong: String,
    words: String,
}

struct Also {
    slug: String,
    title: String,
    modules: String,
    cover: Safe<String>,
}

/// How many contents of one kind a module has, and how long they play.
#[derive(FromQueryResult)]
struct Tally {
    module_id: i64,
    kind: ItemKind,
    contents: i64,
    seconds: Option<f64>,
}

/// What the page rests on: the course, how many are in it, its teacher and her other courses, and the name of its subject.
pub(super) fn tags(course_id: i64, owner_id: i64) -> [Tag; 5] {
    [
        Tag::course(course_id),
        Tag::students(course_id),
        Tag::taught(owner_id),
        Tag::person(owner_id),
        Tag::subjects(),
    ]
}

/// The course as everybody sees it, kept while none of the tags changes.
///
/// # Errors
/// [`Error::NotFound`] when it is gone.
pub(super) async fn get(app: &App, course_id: i64, tags: &[Tag]) -> Result<About> {
    Fragment::of("course", course_id)
        .get_or_make(app, tags, || make(app, course_id))
        .await
}

async fn make(app: &App, course_id: i64) -> Result<About> {
    let db = app.db.read();
    let found = course::Entity::find_by_id(course_id)
        .find_also_related(subject::Entity)
        .one(db)
        .await?;
    let Some((course, Some(subject))) = found else {
        return Err(Error::NotFound);
    };
    let modules = store::list_modules(db, course.id).await?;
    let tallies = tallies(db, course.id).await?;
    let students = figures::count_students(db, &[course.id]).await?;
    let students = students.get(&course.id).copied().unwrap_or(0);
    let teacher = teacher(db, &course).await?.render()?;
    let parts = syllabus::parts(&course.overview);
    let color = color_of(course.subject_id);
    let body = Body {
        cover: Safe(cover_svg(&course.slug, color, "raised")),
        facts: facts(modules.len(), &tallies, students, course.places),
        learn: parts.learn,
        about: Safe(text::markdown(&parts.about)),
    };
    let head = Head {
        course: &course,
        subject: &subject,
        subject_class: subject_class(color),
        lead: parts.lead,
    };
    Ok(About {
        head: head.render()?,
        body: body.render()?,
        syllabus: syllabus_html(modules, &tallies)?,
        teacher,
        id: course.id,
        owner_id: course.owner_id,
        slug: course.slug,
        title: course.title,
        is_draft: course.is_draft,
        places: course.places,
        needs_approval: course.needs_approval,
        created_at: course.created_at,
        updated_at: course.updated_at,
    })
}

fn syllabus_html(modules: Vec<module::Model>, tallies: &[Tally]) -> Result<String> {
    if modules.is_empty() {
        return Ok(String::new());
    }
    let syllabus = Syllabus {
        summary: summary(modules.len(), tallies),
        lines: syllabus_of(modules, tallies),
    };
    Ok(syllabus.render()?)
}

/// Contents by module and kind; only recordings that are ready have a length.
async fn tallies(db: &impl ConnectionTrait, course_id: i64) -> Result<Vec<Tally>> {
    let is_ready = Expr::col((upload::Entity, upload::Column::State)).eq(UploadState::Ready);
    let ready_seconds = CaseStatement::new().case(
        is_ready,
        Expr::col((upload::Entity, upload::Column::DurationSeconds)),
    );
    let rows = content::Entity::find()
        .select_only()
        .column(content::Column::ModuleId)
        .column(item::Column::Kind)
        .column_as(content::Column::Id.count(), "contents")
        .column_as(Expr::expr(ready_seconds).sum(), "seconds")
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .join(JoinType::InnerJoin, content::Relation::Item.def())
        .join(JoinType::LeftJoin, item::Relation::Upload.def())
        .filter(module::Column::CourseId.eq(course_id))
        .group_by(content::Column::ModuleId)
        .group_by(item::Column::Kind)
        .into_model::<Tally>();
    Ok(rows.all(db).await?)
}

fn syllabus_of(modules: Vec<module::Model>, tallies: &[Tally]) -> Vec<ModuleLine> {
    let mut sums: HashMap<i64, (i64, f64)> = HashMap::new();
    for tally in tallies {
        let sum = sums.entry(tally.module_id).or_default();
        sum.0 += tally.contents;
        sum.1 += tally.seconds.unwrap_or(0.0);
    }
    let line = |(index, module): (usize, module::Model)| {
        let (contents, seconds) = sums.get(&module.id).copied().unwrap_or_default();
        ModuleLine {
            number: index + 1,
            title: module.title,
            description: module.description,
            contents: text::count(contents, "content", "contents"),
            length: (seconds > 0.0).then(|| text::span(seconds)),
        }
    };
    modules.into_iter().enumerate().map(line).collect()
}

fn total_of(tallies: &[Tally], kind: ItemKind) -> i64 {
    let of_kind = tallies.iter().filter(|tally| tally.kind == kind);
    of_kind.map(|tally| tally.contents).sum()
}

fn seconds_of(tallies: &[Tally]) -> f64 {
    tallies.iter().filter_map(|tally| tally.seconds).sum()
}

/// `6 modules, 3 h 10 min`.
fn summary(modules: usize, tallies: &[Tally]) -> String {
    let words = words_of(modules, "module", "modules");
    let seconds = seconds_of(tallies);
    if seconds > 0.0 {
        format!("{words}, {}", text::span(seconds))
    } else {
        words
    }
}

fn facts(modules: usize, tallies: &[Tally], students: i64, places: Option<i32>) -> Vec<Fact> {
    let contents: i64 = tallies.iter().map(|tally| tally.contents).sum();
    let mut facts = vec![Fact {
        icon: "layers",
        strong: words_of(modules, "module", "modules"),
        words: format!("{} in all", text::count(contents, "content", "contents")),
    }];
    facts.extend(recordings_fact(tallies));
    facts.extend(readings_fact(tallies));
    if students > 0 {
        let words = if students == 1 {
            "is in it now"
        } else {
            "are in it now"
        };
        facts.push(Fact {
            icon: "users",
            strong: text::count(students, "student", "students"),
            words: words.into(),
        });
    }
    if let Some(places) = places {
        facts.push(Fact {
            icon: "log-in",
            strong: text::count(places, "place", "places"),
            words: "in all".into(),
        });
    }
    facts
}

fn recordings_fact(tallies: &[Tally]) -> Option<Fact> {
    let videos = total_of(tallies, ItemKind::Video);
    let recordings = total_of(tallies, ItemKind::Audio);
    let mut kinds = Vec::new();
    if videos > 0 {
        kinds.push(text::count(videos, "video", "videos"));
    }
    if recordings > 0 {
        kinds.push(text::count(recordings, "recording", "recordings"));
    }
    if kinds.is_empty() {
        return None;
    }
    let seconds = seconds_of(tallies);
    let (strong, words) = if seconds > 0.0 {
        (text::span(seconds), kinds.join(", "))
    } else {
        (kinds.join(", "), "to watch and hear".into())
    };
    Some(Fact {
        icon: "play",
        strong,
        words,
    })
}

fn readings_fact(tallies: &[Tally]) -> Option<Fact> {
    let readings = total_of(tallies, ItemKind::Text);
    let files = total_of(tallies, ItemKind::File);
    let files_words = text::count(files, "file", "files");
    let (strong, words) = match (readings, files) {
        (0, 0) => return None,
        (0, _) => (files_words, "to download".into()),
        (_, 0) => (
            text::count(readings, "reading", "readings"),
            "to take your time with".into(),
        ),
        _ => (
            text::count(readings, "reading", "readings"),
            format!("and {files_words} to download"),
        ),
    };
    Some(Fact {
        icon: "file-text",
        strong,
        words,
    })
}

async fn teacher(db: &impl ConnectionTrait, course: &course::Model) -> Result<Teacher> {
    let names = figures::list_names(db, &[course.owner_id]).await?;
    let name = names.get(&course.owner_id).cloned().unwrap_or_default();
    let published = course::Entity::find()
        .filter(course::Column::OwnerId.eq(course.owner_id))
        .filter(course::Column::IsDraft.eq(false));
    let total = published.clone().count(db).await?;
    let others = published
        .filter(course::Column::Id.ne(course.id))
        .order_by_desc(course::Column::CreatedAt)
        .order_by_desc(course::Column::Id)
        .limit(ALSO)
        .all(db)
        .await?;
    let ids: Vec<i64> = others.iter().map(|other| other.id).collect();
    let modules = figures::count_modules(db, &ids).await?;
    let also = |other: course::Model| {
        let count = modules.get(&other.id).copied().unwrap_or(0);
        Also {
            cover: Safe(cover_svg(&other.slug, color_of(other.subject_id), "thumb")),
            modules: text::count(count, "module", "modules"),
            slug: other.slug,
            title: other.title,
        }
    };
    let total = i64::try_from(total).unwrap_or(i64::MAX);
    Ok(Teacher {
        first_name: name.split_whitespace().next().unwrap_or(&name).to_owned(),
        initials: initials(&name),
        class: subject_class(usize::try_from(course.owner_id).unwrap_or(0)),
        courses: format!("{} here", text::count(total, "course", "courses")),
        also: others.into_iter().map(also).collect(),
        name,
    })
}

/// One or two letters for a picture.
fn initials(name: &str) -> String {
    let mut words = name.split_whitespace();
    let first = words.next().and_then(|word| word.chars().next());
    let last = words.next_back().and_then(|word| word.chars().next());
    let letters = first.into_iter().chain(last);
    letters.flat_map(char::to_uppercase).collect()
}

fn words_of(number: usize, one: &str, many: &str) -> String {
    text::count(i64::try_from(number).unwrap_or(i64::MAX), one, many)
}
