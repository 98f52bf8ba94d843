//! What lessons are made of, remembered until something changes on which it rests, so that a lesson that was
//! seen lately costs no query.
//!
//! What all students of a course share ([`Outline`], [`Shown`]) is kept apart from what is one student's own
//! ([`Study`]).

use super::lesson;
use super::progress::{Step, done_contents, list_course_positions, list_steps};
use super::render::{Playback, render_item};
use super::store::find_enrollment;
use super::transcript::{self, Transcript};
use crate::app::App;
use crate::courses::{list_contents, list_modules};
use crate::entities::item::ItemKind;
use crate::entities::upload::UploadState;
use crate::entities::{content, course, enrollment, item, module, user};
use crate::error::{Error, Result};
use crate::media::{FileView, list_files};
use crate::web::assets;
use crate::web::identity::Person;
use crate::web::tags::{Noting, Tag};
use backends::cache::Timeout;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

/// How long material is kept at most.
const KEPT: Timeout = Timeout::After(Duration::from_secs(600));

/// A course as its lessons show it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CourseHead {
    pub id: i64,
    pub owner_id: i64,
    pub slug: String,
    pub title: String,
    pub is_draft: bool,
}

/// A module as its lesson shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModuleHead {
    pub id: i64,
    pub title: String,
    pub description: String,
}

/// A course with its modules in their order, and what there is to do in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outline {
    pub course: CourseHead,
    pub modules: Vec<ModuleHead>,
    pub steps: Vec<Step>,
}

/// What one student has in one course.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Study {
    pub enrollment: Option<enrollment::Model>,
    /// The contents that she has done.
    pub done: Vec<i64>,
    /// Where she stopped in contents, in seconds.
    pub positions: HashMap<i64, f64>,
}

/// A content of a module, as everybody sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shown {
    pub id: i64,
    pub title: String,
    pub kind: ItemKind,
    pub about: String,
    pub below: String,
    /// With a player that begins at the beginning: see [`super::render::resumed`].
    pub html: String,
    pub download: Option<String>,
    pub transcript: Option<Transcript>,
    pub plays: bool,
    pub is_ready: bool,
}

/// A course that she may study, and what she has in it.
///
/// # Errors
/// [`Error::NotFound`] when there is no such course, or it is not open to her: see [`super::may_study`].
pub async fn open(app: &App, person: &Person, course_id: i64) -> Result<(Outline, Study)> {
    let outline = outline(app, course_id).await?;
    let study = study(app, person.id, course_id).await?;
    let manages = outline.course.owner_id == person.id || person.is_staff;
    if manages || (study.enrollment.is_some() && !outline.course.is_draft) {
        Ok((outline, study))
    } else {
        Err(Error::NotFound)
    }
}

async fn outline(app: &App, course_id: i64) -> Result<Outline> {
    let key = format!("lesson-outline:{course_id}");
    let db = app.db.read();
    let load = || async {
        let found = course::Entity::find_by_id(course_id).one(db).await?;
        let course = found.ok_or(Error::NotFound)?;
        let head = |module: module::Model| ModuleHead {
            id: module.id,
            title: module.title,
            description: module.description,
        };
        let modules = list_modules(db, course_id).await?;
        Ok(Outline {
            course: CourseHead {
                id: course.id,
                owner_id: course.owner_id,
                slug: course.slug,
                title: course.title,
                is_draft: course.is_draft,
            },
            modules: modules.into_iter().map(head).collect(),
            steps: list_steps(db, course_id).await?,
        })
    };
    app.tagged
        .get_or_set(&key, &[Tag::course(course_id)], KEPT, load)
        .await
}

async fn study(app: &App, user_id: i64, course_id: i64) -> Result<Study> {
    let key = format!("study:{user_id}:{course_id}");
    // What is deleted with a content, or with the course, is told by the course alone.
    let tags = [
        Tag::studies(user_id),
        Tag::progress(user_id),
        Tag::course(course_id),
    ];
    let db = app.db.read();
    let load = || async {
        Ok(Study {
            enrollment: find_enrollment(db, user_id, course_id).await?,
            done: done_contents(db, user_id, course_id).await?,
            positions: list_course_positions(db, user_id, course_id).await?,
        })
    };
    app.tagged.get_or_set(&key, &tags, KEPT, load).await
}

/// The contents of one of the course's modules, in their order.
pub async fn contents(app: &App, course: &CourseHead, module_id: i64) -> Result<Vec<Shown>> {
    // What is rendered names icons by their address, which is another one in another release.
    let key = format!("lesson:{module_id}:{}", assets::url(""));
    // On the heap: reading captions from the store makes it large.
    let load = |noting| Box::pin(load_contents(app, course.owner_id, module_id, noting));
    app.tagged
        .get_or_set_noting(&key, &[Tag::course(course.id)], KEPT, load)
        .await
}

async fn load_contents(
    app: &App,
    owner_id: i64,
    module_id: i64,
    noting: Noting,
) -> Result<Vec<Shown>> {
    let db = app.db.read();
    let rows = list_contents(db, &[module_id]).await?;
    let uploads: Vec<i64> = rows.iter().filter_map(|(_, item)| item.upload_id).collect();
    let tags: Vec<Tag> = uploads.iter().map(|id| Tag::upload(*id)).collect();
    noting.note(&tags).await?;
    let files = list_files(db, &uploads).await?;
    // The place of a file in line moves with the files of others.
    if files
        .values()
        .any(|file| file.upload.state == UploadState::Waiting)
    {
        noting.keep_nothing();
    }
    let owner = user::Entity::find_by_id(owner_id).one(db).await?;
    let teacher = owner.map(name_of).unwrap_or_default();
    let mut contents = Vec::with_capacity(rows.len());
    for (content, item) in &rows {
        let file = item.upload_id.and_then(|id| files.get(&id));
        let mut shown = show(content, item, file, &teacher);
        if let Some(file) = file.filter(|file| file.is_ready()) {
            shown.transcript = transcript(app, content, file, &noting).await;
        }
        contents.push(shown);
    }
    Ok(contents)
}

fn show(
    content: &content::Model,
    item: &item::Model,
    file: Option<&FileView>,
    teacher: &str,
) -> Shown {
    let playback = Playback {
        content_id: content.id,
        position_seconds: 0.0,
    };
    let is_ready =
        item.kind == ItemKind::Text || item.url.is_some() || file.is_some_and(FileView::is_ready);
    Shown {
        id: content.id,
        title: item.title.clone(),
        kind: item.kind,
        about: lesson::about(item, file),
        below: lesson::below(item, file, teacher),
        html: render_item(item, file, Some(playback)),
        download: lesson::download(item, file),
        transcript: None,
        plays: is_ready && file.is_some_and(|file| file.hls_url().is_some()),
        is_ready,
    }
}

/// A transcript that cannot be read is no reason to keep the lesson from her; it is looked for again next time.
async fn transcript(
    app: &App,
    content: &content::Model,
    file: &FileView,
    noting: &Noting,
) -> Option<Transcript> {
    match transcript::of_content(app, content.id, file).await {
        Ok(transcript) => transcript,
        Err(error) => {
            tracing::warn!(%error, content = content.id, "a transcript could not be read");
            noting.keep_nothing();
            None
        }
    }
}

/// The name by which others know somebody.
fn name_of(account: user::Model) -> String {
    if account.name.is_empty() {
        account.username
    } else {
        account.name
    }
}
