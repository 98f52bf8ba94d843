//! The lesson page: the modules of a course at the side, the contents of one of them in the middle.

use super::lesson_path;
use super::progress::{Progress, list_positions, reading_seconds, visit};
use super::render::{Playback, ending, render_item};
use super::store::get_studied_course;
use super::transcript::{self, Transcript};
use crate::app::App;
use crate::courses::{list_contents, list_modules, video_page};
use crate::entities::item::{self, ItemKind};
use crate::entities::upload::UploadState;
use crate::entities::{content, course, enrollment, module, user};
use crate::error::{Error, Result};
use crate::media::{FileView, list_files};
use crate::web::extract::Path;
use crate::web::headers;
use crate::web::identity::{Person, Student};
use crate::web::shell::{Place, Shell, page};
use crate::web::text;
use askama::Template;
use askama::filters::Safe;
use axum::extract::State;
use axum::response::Response;
use sea_orm::EntityTrait;
use std::collections::HashMap;

/// A course with its open module.
#[derive(Template)]
#[template(path = "learning/lesson.html")]
struct LessonPage {
    shell: Shell,
    course: course::Model,
    viewer: Viewer,
    percent: i64,
    progress_words: String,
    modules: Vec<ModuleLine>,
    module: module::Model,
    contents: Vec<ContentView>,
    number: usize,
    previous: Option<ModuleLine>,
    next: Option<ModuleLine>,
}

/// A course without modules.
#[derive(Template)]
#[template(path = "learning/lesson_empty.html")]
struct EmptyLessonPage {
    shell: Shell,
    course: course::Model,
    viewer: Viewer,
}

/// As what somebody looks at a lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Viewer {
    is_owner: bool,
    is_enrolled: bool,
}

/// A module at the side.
#[derive(Debug, Clone)]
struct ModuleLine {
    number: usize,
    title: String,
    path: String,
    is_open: bool,
    is_done: bool,
}

/// A content of the open module.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a statement that the page shows for itself"
)]
struct ContentView {
    id: i64,
    title: String,
    kind: ItemKind,
    icon: &'static str,
    /// For the list at the side: `Reading, 6 min`.
    about: String,
    /// Under the title of a film: whose it is, and how long.
    below: String,
    html: Safe<String>,
    /// Where the film may be had.
    download: Option<String>,
    transcript: Option<Transcript>,
    /// It comes in pieces, to a player.
    plays: bool,
    is_ready: bool,
    is_done: bool,
    /// She stopped here.
    is_stopped: bool,
}

impl ContentView {
    /// Films come before their titles; and so does what says that there is nothing to see yet.
    fn leads(&self) -> bool {
        self.kind == ItemKind::Video || !self.is_ready
    }

    /// For styles: films show their transcript at once, recordings when asked.
    fn kind_word(&self) -> &'static str {
        if self.kind == ItemKind::Video {
            "video"
        } else {
            "audio"
        }
    }

    /// A file is a button beside its title.
    fn is_download(&self) -> bool {
        self.kind == ItemKind::File && self.is_ready
    }

    /// Classes of its link at the side.
    fn classes(&self) -> &'static str {
        match (self.is_done, self.is_stopped) {
            (true, true) => "done stopped",
            (true, false) => "done",
            (false, true) => "stopped",
            (false, false) => "",
        }
    }
}

/// `GET /students/course/<id>/`: the module where she stopped, or the first.
pub async fn course(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    shell: Shell,
) -> Result<Response> {
    show(&app, &person, id, None, shell).await
}

/// `GET /students/course/<id>/<module id>/`: this module.
pub async fn module(
    State(app): State<App>,
    Student(person): Student,
    Path((id, module_id)): Path<(i64, i64)>,
    shell: Shell,
) -> Result<Response> {
    show(&app, &person, id, Some(module_id), shell).await
}

async fn show(
    app: &App,
    person: &Person,
    course_id: i64,
    module_id: Option<i64>,
    shell: Shell,
) -> Result<Response> {
    let db = app.db.read();
    let (course, enrollment) = get_studied_course(db, person, course_id).await?;
    let viewer = Viewer {
        is_owner: course.owner_id == person.id,
        is_enrolled: enrollment.is_some(),
    };
    let shell = shell.at(if viewer.is_enrolled || !viewer.is_owner {
        Place::MyCourses
    } else {
        Place::Teach
    });
    let modules = list_modules(db, course.id).await?;
    let Some(at) = open_module(&modules, module_id, enrollment.as_ref())? else {
        return page(&EmptyLessonPage {
            shell,
            course,
            viewer,
        });
    };
    let progress = Progress::load(db, person.id, course.id).await?;
    let lines = lines(&modules, at, &progress);
    let module = modules.into_iter().nth(at).ok_or(Error::NotFound)?;
    let contents = contents(
        app,
        person,
        &course,
        &module,
        enrollment.as_ref(),
        &progress,
    )
    .await?;
    if let Some(enrollment) = &enrollment {
        note_visit(app, enrollment, module.id).await;
    }
    let plays = contents.iter().any(|content| content.plays);
    let lesson = page(&LessonPage {
        shell,
        course,
        viewer,
        percent: progress.percent(),
        progress_words: progress.words(),
        previous: at
            .checked_sub(1)
            .and_then(|before| lines.get(before).cloned()),
        next: lines.get(at + 1).cloned(),
        modules: lines,
        module,
        contents,
        number: at + 1,
    })?;
    Ok(with_policy(lesson, plays))
}

/// What comes in pieces needs a policy that lets them in.
fn with_policy(lesson: Response, plays: bool) -> Response {
    if plays {
        headers::with_player(lesson)
    } else {
        lesson
    }
}

/// A place that cannot be noted is no reason to keep the lesson from her.
async fn note_visit(app: &App, enrollment: &enrollment::Model, module_id: i64) {
    if let Err(error) = visit(app, enrollment, module_id).await {
        tracing::warn!(%error, "the place where a student stopped could not be noted");
    }
}

/// Which module to open: the given one; else the one where she stopped, if it is still there; else the first.
/// `None` when the course has no modules.
///
/// # Errors
/// [`Error::NotFound`] when the given one is not of this course.
fn open_module(
    modules: &[module::Model],
    given: Option<i64>,
    enrollment: Option<&enrollment::Model>,
) -> Result<Option<usize>> {
    let place = |id: i64| modules.iter().position(|module| module.id == id);
    if let Some(id) = given {
        return place(id).map(Some).ok_or(Error::NotFound);
    }
    if modules.is_empty() {
        return Ok(None);
    }
    let stopped = enrollment.and_then(|enrollment| enrollment.last_module_id);
    Ok(Some(stopped.and_then(place).unwrap_or(0)))
}

fn lines(modules: &[module::Model], open: usize, progress: &Progress) -> Vec<ModuleLine> {
    let line = |(at, module): (usize, &module::Model)| ModuleLine {
        number: at + 1,
        title: module.title.clone(),
        path: lesson_path(module.course_id, Some(module.id), None),
        is_open: at == open,
        is_done: progress.is_module_done(module.id),
    };
    modules.iter().enumerate().map(line).collect()
}

async fn contents(
    app: &App,
    person: &Person,
    course: &course::Model,
    module: &module::Model,
    enrollment: Option<&enrollment::Model>,
    progress: &Progress,
) -> Result<Vec<ContentView>> {
    let db = app.db.read();
    let rows = list_contents(db, &[module.id]).await?;
    let uploads: Vec<i64> = rows.iter().filter_map(|(_, item)| item.upload_id).collect();
    let files = list_files(db, &uploads).await?;
    let ids: Vec<i64> = rows.iter().map(|(content, _)| content.id).collect();
    let positions = list_positions(db, person.id, &ids).await?;
    let owner = user::Entity::find_by_id(course.owner_id).one(db).await?;
    let room = Room {
        teacher: owner.map(name_of).unwrap_or_default(),
        stopped: enrollment.and_then(|enrollment| enrollment.last_content_id),
        positions,
        files,
    };
    let mut views = Vec::with_capacity(rows.len());
    for (content, item) in &rows {
        let mut view = room.view(content, item, progress);
        let file = item.upload_id.and_then(|id| room.files.get(&id));
        if let Some(file) = file.filter(|file| file.is_ready()) {
            view.transcript = transcript(app, content, file).await;
        }
        views.push(view);
    }
    Ok(views)
}

/// A transcript that cannot be read is no reason to keep the lesson from her.
async fn transcript(app: &App, content: &content::Model, file: &FileView) -> Option<Transcript> {
    match transcript::of_content(app, content.id, file).await {
        Ok(transcript) => transcript,
        Err(error) => {
            tracing::warn!(%error, content = content.id, "a transcript could not be read");
            None
        }
    }
}

/// Where students may have a film, when its teacher allows it.
fn download(item: &item::Model, file: Option<&FileView>) -> Option<String> {
    let file = file.filter(|file| file.is_ready() && item.allow_download)?;
    Some(format!("{}?download", file.video_url()?))
}

/// The name by which others know somebody.
fn name_of(account: user::Model) -> String {
    if account.name.is_empty() {
        account.username
    } else {
        account.name
    }
}

/// What the contents of one module have in common.
struct Room {
    teacher: String,
    stopped: Option<i64>,
    positions: HashMap<i64, f64>,
    files: HashMap<i64, FileView>,
}

impl Room {
    fn view(
        &self,
        content: &content::Model,
        item: &item::Model,
        progress: &Progress,
    ) -> ContentView {
        let file = item.upload_id.and_then(|id| self.files.get(&id));
        let position = self.positions.get(&content.id).copied().unwrap_or(0.0);
        let playback = Playback {
            content_id: content.id,
            position_seconds: position,
        };
        let is_ready = is_ready(item, file);
        let is_stopped = self.stopped == Some(content.id);
        let about = if is_stopped && position >= 1.0 {
            format!("You stopped at {}", text::timecode(position))
        } else {
            about(item, file)
        };
        ContentView {
            id: content.id,
            title: item.title.clone(),
            kind: item.kind,
            icon: icon(item.kind),
            about,
            below: self.below(item, file),
            html: Safe(render_item(item, file, Some(playback))),
            download: download(item, file),
            transcript: None,
            plays: is_ready && file.is_some_and(|file| file.hls_url().is_some()),
            is_ready,
            is_done: progress.is_done(content.id),
            is_stopped,
        }
    }

    /// `Ingrid Halvorsen, 14 min`; `From YouTube`.
    fn below(&self, item: &item::Model, file: Option<&FileView>) -> String {
        if item.kind != ItemKind::Video {
            return String::new();
        }
        match &item.url {
            Some(url) => site_of(url)
                .map(|site| format!("From {site}"))
                .unwrap_or_default(),
            None => with_length(&self.teacher, file),
        }
    }
}

fn is_ready(item: &item::Model, file: Option<&FileView>) -> bool {
    item.kind == ItemKind::Text || item.url.is_some() || file.is_some_and(FileView::is_ready)
}

fn icon(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Text => "file-text",
        ItemKind::File => "download",
        ItemKind::Image => "image",
        ItemKind::Video => "play",
        ItemKind::Audio => "audio-lines",
    }
}

/// What it is and how long it takes, in few words.
fn about(item: &item::Model, file: Option<&FileView>) -> String {
    match (item.kind, file) {
        (ItemKind::Text, _) => {
            let length = item.body.as_deref().unwrap_or("").chars().count();
            let seconds = reading_seconds(i64::try_from(length).unwrap_or(i64::MAX));
            format!("Reading, {}", text::span(seconds.max(60.0)))
        }
        (ItemKind::Video, _) if item.url.is_some() => "Web video".into(),
        (_, Some(file)) if file.upload.state == UploadState::Failed => "Failed".into(),
        (_, Some(file)) if file.upload.state == UploadState::Canceled => "Stopped".into(),
        (_, Some(file)) if file.upload.state != UploadState::Ready => "Processing".into(),
        (ItemKind::File, Some(file)) => {
            let (name, bytes) = (&file.upload.name, file.upload.size_bytes);
            format!("{}, {}", ending(name), text::size(bytes))
        }
        (ItemKind::File, None) => "File".into(),
        (ItemKind::Image, _) => "Picture".into(),
        (ItemKind::Video, file) => with_length("Video", file),
        (ItemKind::Audio, file) => with_length("Recording", file),
    }
}

fn with_length(words: &str, file: Option<&FileView>) -> String {
    let length = file.and_then(|file| file.upload.duration_seconds);
    match length {
        Some(seconds) => format!("{words}, {}", text::span(seconds)),
        None => words.to_owned(),
    }
}

fn site_of(url: &str) -> Option<&'static str> {
    let player = video_page(url)?;
    Some(if player.contains("vimeo") {
        "Vimeo"
    } else {
        "YouTube"
    })
}
