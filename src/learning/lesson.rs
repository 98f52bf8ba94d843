//! The lesson page: the modules of a course at the side, the contents of one of them in the middle.

use super::lesson_path;
use super::material::{self, CourseHead, ModuleHead, Outline, Shown, Study};
use super::progress::{Progress, reading_seconds, visit};
use super::render::{Playback, ending, resumed};
use super::transcript::Transcript;
use crate::app::App;
use crate::courses::video_page;
use crate::entities::enrollment;
use crate::entities::item::{self, ItemKind};
use crate::entities::upload::UploadState;
use crate::error::{Error, Result};
use crate::media::FileView;
use crate::web::extract::Path;
use crate::web::headers;
use crate::web::identity::{Person, Student};
use crate::web::shell::{Place, Shell, page};
use crate::web::text;
use askama::Template;
use askama::filters::Safe;
use axum::extract::State;
use axum::response::Response;

/// A course with its open module.
#[derive(Template)]
#[template(path = "learning/lesson.html")]
struct LessonPage {
    shell: Shell,
    course: CourseHead,
    viewer: Viewer,
    percent: i64,
    progress_words: String,
    modules: Vec<ModuleLine>,
    module: ModuleHead,
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
    course: CourseHead,
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
    /// What everybody sees, with what is hers.
    fn new(shown: Shown, study: &Study, progress: &Progress) -> Self {
        let position = study.positions.get(&shown.id).copied().unwrap_or(0.0);
        let stopped = study.enrollment.as_ref();
        let is_stopped = stopped.and_then(|place| place.last_content_id) == Some(shown.id);
        let playback = Playback {
            content_id: shown.id,
            position_seconds: position,
        };
        Self {
            about: if is_stopped && position >= 1.0 {
                format!("You stopped at {}", text::timecode(position))
            } else {
                shown.about
            },
            html: Safe(resumed(shown.html, shown.kind, playback)),
            icon: icon(shown.kind),
            is_done: progress.is_done(shown.id),
            is_stopped,
            id: shown.id,
            title: shown.title,
            kind: shown.kind,
            below: shown.below,
            download: shown.download,
            transcript: shown.transcript,
            plays: shown.plays,
            is_ready: shown.is_ready,
        }
    }

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
    Box::pin(show(&app, &person, id, None, shell)).await
}

/// `GET /students/course/<id>/<module id>/`: this module.
pub async fn module(
    State(app): State<App>,
    Student(person): Student,
    Path((id, module_id)): Path<(i64, i64)>,
    shell: Shell,
) -> Result<Response> {
    Box::pin(show(&app, &person, id, Some(module_id), shell)).await
}

async fn show(
    app: &App,
    person: &Person,
    course_id: i64,
    module_id: Option<i64>,
    shell: Shell,
) -> Result<Response> {
    let (outline, study) = material::open(app, person, course_id).await?;
    let Outline {
        course,
        modules,
        steps,
    } = outline;
    let viewer = Viewer {
        is_owner: course.owner_id == person.id,
        is_enrolled: study.enrollment.is_some(),
    };
    let shell = shell.at(if viewer.is_enrolled || !viewer.is_owner {
        Place::MyCourses
    } else {
        Place::Teach
    });
    let Some(at) = open_module(&modules, module_id, study.enrollment.as_ref())? else {
        return page(&EmptyLessonPage {
            shell,
            course,
            viewer,
        });
    };
    let progress = Progress::of(steps, &study.done);
    let lines = lines(course.id, &modules, at, &progress);
    let module = modules.into_iter().nth(at).ok_or(Error::NotFound)?;
    let contents = material::contents(app, &course, module.id).await?;
    let contents: Vec<ContentView> = contents
        .into_iter()
        .map(|shown| ContentView::new(shown, &study, &progress))
        .collect();
    if let Some(enrollment) = &study.enrollment {
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
    modules: &[ModuleHead],
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

fn lines(
    course_id: i64,
    modules: &[ModuleHead],
    open: usize,
    progress: &Progress,
) -> Vec<ModuleLine> {
    let line = |(at, module): (usize, &ModuleHead)| ModuleLine {
        number: at + 1,
        title: module.title.clone(),
        path: lesson_path(course_id, Some(module.id), None),
        is_open: at == open,
        is_done: progress.is_module_done(module.id),
    };
    modules.iter().enumerate().map(line).collect()
}

/// Where students may have a film, when its teacher allows it.
pub(super) fn download(item: &item::Model, file: Option<&FileView>) -> Option<String> {
    let file = file.filter(|file| file.is_ready() && item.allow_download)?;
    Some(format!("{}?download", file.video_url()?))
}

/// `Ingrid Halvorsen, 14 min`; `From YouTube`.
pub(super) fn below(item: &item::Model, file: Option<&FileView>, teacher: &str) -> String {
    if item.kind != ItemKind::Video {
        return String::new();
    }
    match &item.url {
        Some(url) => site_of(url)
            .map(|site| format!("From {site}"))
            .unwrap_or_default(),
        None => with_length(teacher, file),
    }
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
pub(super) fn about(item: &item::Model, file: Option<&FileView>) -> String {
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
