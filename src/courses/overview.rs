//! The page of one course, `/course/<slug>/`: what it teaches, its modules, its teacher, and one button.

use super::card::color_of;
use super::{figures, store, syllabus};
use crate::app::App;
use crate::entities::item::ItemKind;
use crate::entities::upload::UploadState;
use crate::entities::{content, course, enrollment, item, module, subject, upload};
use crate::error::{Error, Result};
use crate::web::cover::{cover_svg, subject_class};
use crate::web::extract::Path;
use crate::web::identity::{Person, Visitor};
use crate::web::shell::{Place, Shell, page};
use crate::web::text;
use askama::Template;
use askama::filters::Safe;
use axum::extract::State;
use axum::response::Response;
use chrono_tz::Tz;
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, JoinType, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, RelationTrait,
};
use std::collections::HashMap;

/// So many other courses of the teacher are named.
const ALSO: u64 = 3;

/// The page's data.
#[derive(Template)]
#[template(path = "courses/overview.html")]
struct OverviewPage {
    shell: Shell,
    course: course::Model,
    subject: subject::Model,
    subject_class: String,
    cover: Safe<String>,
    lead: String,
    learn: Vec<String>,
    about: Safe<String>,
    syllabus: Vec<ModuleLine>,
    facts: Vec<Fact>,
    summary: String,
    teacher: Teacher,
    way_in: WayIn,
    begun: Moment,
    changed: Moment,
}

/// The one button.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WayIn {
    /// Anonymous: register, and come back here.
    Register,
    /// Logged in: enroll.
    Enroll,
    /// Enrolled: go on studying.
    GoOn,
    /// It is her course (or she runs the site and is not in it): edit it.
    Edit,
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

struct Teacher {
    name: String,
    first_name: String,
    initials: String,
    class: String,
    courses: String,
    also: Vec<Also>,
}

struct Also {
    slug: String,
    title: String,
    modules: String,
    cover: Safe<String>,
}

struct Moment {
    machine: String,
    exact: String,
    words: String,
}

/// How many contents of one kind a module has, and how long they play.
#[derive(FromQueryResult)]
struct Tally {
    module_id: i64,
    kind: ItemKind,
    contents: i64,
    seconds: Option<f64>,
}

impl OverviewPage {
    fn register_path(&self) -> String {
        format!("/students/register/?next=/course/{}/", self.course.slug)
    }
}

/// `/course/<slug>/`
pub async fn show(
    State(app): State<App>,
    visitor: Visitor,
    shell: Shell,
    Path(slug): Path<String>,
) -> Result<Response> {
    let db = app.db.read();
    let person = visitor.0.as_deref();
    let (course, subject) = find(db, person, &slug).await?;
    let modules = store::list_modules(db, course.id).await?;
    let tallies = tallies(db, course.id).await?;
    let students = figures::count_students(db, &[course.id]).await?;
    let students = students.get(&course.id).copied().unwrap_or(0);
    let way_in = way_in(db, person, &course).await?;
    let teacher = teacher(db, &course).await?;
    let parts = syllabus::parts(&course.overview);
    let now = app.clock.now();
    let zone = person.map_or(Tz::UTC, |person| person.time_zone);
    let color = color_of(course.subject_id);
    page(&OverviewPage {
        shell: shell.at(Place::Courses),
        subject_class: subject_class(color),
        cover: Safe(cover_svg(&course.slug, color, "raised")),
        lead: parts.lead,
        learn: parts.learn,
        about: Safe(text::markdown(&parts.about)),
        facts: facts(modules.len(), &tallies, students),
        summary: summary(modules.len(), &tallies),
        syllabus: syllabus_of(modules, &tallies),
        teacher,
        way_in,
        begun: Moment {
            machine: text::machine(course.created_at),
            exact: text::exact(course.created_at, zone),
            words: text::date(course.created_at, zone),
        },
        changed: Moment {
            machine: text::machine(course.updated_at),
            exact: text::exact(course.updated_at, zone),
            words: text::ago(course.updated_at, now, zone),
        },
        course,
        subject,
    })
}

/// The course with its subject; a draft only for its owner and staff.
async fn find(
    db: &impl ConnectionTrait,
    person: Option<&Person>,
    slug: &str,
) -> Result<(course::Model, subject::Model)> {
    let found = course::Entity::find()
        .filter(course::Column::Slug.eq(slug))
        .find_also_related(subject::Entity)
        .one(db)
        .await?;
    match found {
        Some((course, Some(subject)))
            if !course.is_draft
                || person.is_some_and(|person| store::is_owned(&course, person)) =>
        {
            Ok((course, subject))
        }
        _ => Err(Error::NotFound),
    }
}

async fn way_in(
    db: &impl ConnectionTrait,
    person: Option<&Person>,
    course: &course::Model,
) -> Result<WayIn> {
    let Some(person) = person else {
        return Ok(WayIn::Register);
    };
    if course.owner_id == person.id {
        return Ok(WayIn::Edit);
    }
    let enrolled = enrollment::Entity::find()
        .filter(enrollment::Column::CourseId.eq(course.id))
        .filter(enrollment::Column::UserId.eq(person.id))
        .count(db)
        .await?;
    Ok(match enrolled {
        1.. => WayIn::GoOn,
        0 if course.is_draft => WayIn::Edit,
        0 => WayIn::Enroll,
    })
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

fn facts(modules: usize, tallies: &[Tally], students: i64) -> Vec<Fact> {
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
