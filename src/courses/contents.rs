//! The pages on which a content is made and changed, in its five kinds.
//!
//! A form with a file is streamed to the store while it comes in (`media::receive`), then judged
//! (`content_form`), then written (`content_store`).

use super::captions::CaptionsPanel;
use super::cards;
use super::content_form::{self, Asks, Given};
use super::content_store::{Saved, Target, Writer, store};
use crate::app::App;
use crate::entities::item::{ItemKind, TextFormat};
use crate::entities::{course, item, module};
use crate::error::{Error, Problems, Result};
use crate::media::{self, Accepts, FileView, Received, Refused};
use crate::web::audit::ByPage;
use crate::web::csrf::{self, Checked};
use crate::web::errors::prefers_json;
use crate::web::extract::{Path, Query};
use crate::web::form::{FaultLine, Field, Form, fault_lines_in};
use crate::web::identity::{Author, Person};
use crate::web::permissions::{self, require};
use crate::web::shell::{Place, Shell, page, page_with};
use crate::web::{redirect, text};
use askama::Template;
use askama::filters::Safe;
use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

/// The form of a content.
#[derive(Template)]
#[template(path = "courses/content_form.html")]
pub(super) struct ContentFormPage {
    shell: Shell,
    course: course::Model,
    module: module::Model,
    heading: &'static str,
    action: String,
    submit: &'static str,
    asks: Asks,
    held: Option<HeldFile>,
    /// The content whose file another may take the place of.
    replaces: Option<i64>,
    title: Field,
    content: Field,
    format: Field,
    preview: Safe<String>,
    file: Field,
    url: Field,
    allow_download: bool,
    captions: Option<CaptionsPanel>,
    upload: String,
    faults: Vec<FaultLine>,
}

/// The file that an item has already, beside the field for another.
struct HeldFile {
    upload_id: i64,
    /// Grows with every change of how it stands.
    revision: i64,
    name: String,
    size: String,
    /// How it stands, by the name that scripts know too.
    state: &'static str,
    icon: &'static str,
    words: String,
    /// For staff: what lies behind its fault.
    detail: Option<String>,
}

/// What a script is told when a content is stored.
#[derive(Serialize)]
struct Answer {
    message: &'static str,
    content: i64,
    item: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<media::UploadState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
    title: String,
    next: String,
}

/// How the form of a video was come to.
#[derive(Deserialize)]
pub struct Origin {
    from: Option<String>,
}

impl Origin {
    fn is_web(&self) -> bool {
        self.from.as_deref() == Some("web")
    }
}

/// GET: the form of a new content.
pub async fn new(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path((module_id, kind)): Path<(i64, ItemKind)>,
    Query(origin): Query<Origin>,
) -> Result<Response> {
    require(&person, permissions::ADD_CONTENT)?;
    let target = Target::find(&app, &person, module_id, kind, None).await?;
    let blank = Form::from_pairs(vec![("format".into(), "markdown".into())]);
    let form = FormState {
        form: &blank,
        problems: &Problems::new(),
        is_web: origin.is_web(),
    };
    page(&form_page(&app, shell, target, &form).await?)
}

/// POST: makes a content.
pub async fn create(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    shell: Shell,
    Path((module_id, kind)): Path<(i64, ItemKind)>,
    request: Request,
) -> Result<Response> {
    require(&person, permissions::ADD_CONTENT)?;
    let target = Target::find(&app, &person, module_id, kind, None).await?;
    let writer = Writer {
        person: &person,
        by: &by,
    };
    save(&app, writer, shell, target, request).await
}

/// GET: the form of a content that is there.
pub async fn edit(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path((module_id, kind, item_id)): Path<(i64, ItemKind, i64)>,
) -> Result<Response> {
    require(&person, permissions::CHANGE_CONTENT)?;
    let target = Target::find(&app, &person, module_id, kind, Some(item_id)).await?;
    let stored = Form::from_pairs(target.item().map(as_typed).unwrap_or_default());
    let form = FormState {
        form: &stored,
        problems: &Problems::new(),
        is_web: false,
    };
    page(&form_page(&app, shell, target, &form).await?)
}

/// POST: changes a content.
pub async fn change(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    shell: Shell,
    Path((module_id, kind, item_id)): Path<(i64, ItemKind, i64)>,
    request: Request,
) -> Result<Response> {
    require(&person, permissions::CHANGE_CONTENT)?;
    let target = Target::find(&app, &person, module_id, kind, Some(item_id)).await?;
    let writer = Writer {
        person: &person,
        by: &by,
    };
    save(&app, writer, shell, target, request).await
}

fn shown_text(body: &str, format: &str) -> String {
    if format == "markdown" {
        text::markdown(body)
    } else {
        text::plain(body)
    }
}

/// The fields of an item as its form would send them.
pub(super) fn as_typed(item: &item::Model) -> Vec<(String, String)> {
    let format = match item.format {
        TextFormat::Plain => "plain",
        TextFormat::Markdown => "markdown",
    };
    vec![
        ("title".into(), item.title.clone()),
        ("content".into(), item.body.clone().unwrap_or_default()),
        ("format".into(), format.into()),
        ("url".into(), item.url.clone().unwrap_or_default()),
        (
            "allow_download".into(),
            if item.allow_download { "on" } else { "" }.into(),
        ),
    ]
}

/// What a form shows: its fields as typed, and what is wrong with them.
pub(super) struct FormState<'a> {
    pub form: &'a Form,
    pub problems: &'a Problems,
    pub is_web: bool,
}

pub(super) async fn form_page(
    app: &App,
    shell: Shell,
    target: Target,
    state: &FormState<'_>,
) -> Result<ContentFormPage> {
    let FormState { form, problems, .. } = *state;
    let held = match target.item().and_then(|item| item.upload_id) {
        Some(id) => media::list_files(app.db.read(), &[id]).await?.remove(&id),
        None => None,
    };
    let is_new = target.held.is_none();
    let captions = held
        .as_ref()
        .and_then(|file| CaptionsPanel::of(&target, file, form, problems));
    let body = form.long_text("content");
    let preview = if body.is_empty() {
        "<p class=\"preview-words\">What you write shows here.</p>".into()
    } else {
        shown_text(&body, form.text("format"))
    };
    let upload = form
        .number("upload")
        .filter(|_| problems.at("file").is_empty());
    Ok(ContentFormPage {
        heading: content_form::heading(target.kind, is_new),
        action: target.action(),
        submit: if is_new { "Add it" } else { "Save" },
        asks: Asks::of(app, target.kind, state.is_web && is_new),
        replaces: held
            .as_ref()
            .and(target.held.as_ref())
            .map(|(place, _)| place.id),
        held: held.map(|view| held_file(view, shell.person.as_deref())),
        title: Field::new("title", form.get("title"), problems),
        content: Field::new("content", body, problems),
        format: Field::new("format", form.text("format"), problems),
        preview: Safe(preview),
        file: Field::new("file", "", problems),
        url: Field::new("url", form.get("url"), problems),
        allow_download: form.is_set("allow_download"),
        captions,
        upload: upload.map(|id| id.to_string()).unwrap_or_default(),
        faults: fault_summary(problems),
        shell: shell.at(Place::Teach),
        course: target.course,
        module: target.module,
    })
}

/// Faults of captions stand below their field, a line each; above the page one line leads there.
fn fault_summary(problems: &Problems) -> Vec<FaultLine> {
    let fields = [
        "title", "content", "format", "file", "url", "language", "captions",
    ];
    let mut lines = fault_lines_in(problems, &fields);
    let count = problems.at("captions").len();
    if count > 1 {
        lines.retain(|line| line.target != "captions");
        lines.push(FaultLine {
            target: "captions".into(),
            words: format!("The captions have {count} faults; each is told with its line."),
        });
    }
    lines
}

fn held_file(view: FileView, reader: Option<&Person>) -> HeldFile {
    let (state, icon) = cards::standing(view.upload.state);
    HeldFile {
        upload_id: view.upload.id,
        revision: view.upload.revision,
        size: text::size(view.upload.size_bytes),
        state,
        icon,
        words: view.state_words(),
        detail: reader
            .and_then(|reader| view.detail(reader))
            .map(str::to_owned),
        name: view.upload.name,
    }
}

/// Reads the form, judges it, stores it, answers.
async fn save(
    app: &App,
    writer: Writer<'_>,
    shell: Shell,
    target: Target,
    request: Request,
) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let is_script = prefers_json(&parts.headers);
    let Received { form, file } = match read(app, writer.person, target.kind, &parts, body).await {
        Ok(received) => received,
        Err(refused) => return refuse(app, shell, target, refused, is_script).await,
    };
    let chosen = find_chosen(app, writer.person, &form).await?;
    let given = Given {
        form: &form,
        file_name: file.as_ref().map(|file| file.name.as_str()),
        chosen: chosen.as_ref(),
        held: target.item(),
    };
    match content_form::parse(target.kind, &given) {
        Ok(draft) => {
            let saved = store(app, writer, &target, draft, file).await?;
            answer(app, &target, saved, is_script).await
        }
        Err(problems) if is_script => Err(Error::Invalid(problems)),
        Err(problems) => {
            let state = FormState {
                form: &form,
                problems: &problems,
                is_web: false,
            };
            let again = form_page(app, shell, target, &state).await?;
            page_with(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
    }
}

/// What is wrong with the file is told beside its field, in the form as it was typed.
async fn refuse(
    app: &App,
    shell: Shell,
    target: Target,
    Refused { error, form }: Refused,
    is_script: bool,
) -> Result<Response> {
    let (Error::TooLarge(words) | Error::UnsupportedType(words)) = &error else {
        return Err(error);
    };
    if is_script || !form.has(csrf::FIELD) {
        return Err(error);
    }
    let state = FormState {
        form: &form,
        problems: &Problems::of("file", words.clone()),
        is_web: false,
    };
    let again = form_page(app, shell, target, &state).await?;
    page_with(error.status(), &again)
}

/// A text is an ordinary form; a form with a file is streamed to the store.
async fn read(
    app: &App,
    person: &Person,
    kind: ItemKind,
    parts: &Parts,
    body: Body,
) -> Result<Received, Refused> {
    if let Some(accepts) = Accepts::of(kind) {
        return media::receive_or_refuse(app, person, accepts, parts, body).await;
    }
    let received = read_text(app, parts, body).await;
    received.map_err(|error| Refused {
        error,
        form: Form::default(),
    })
}

async fn read_text(app: &App, parts: &Parts, body: Body) -> Result<Received> {
    let request = Request::from_parts(parts.clone(), body);
    let form = Form::from_request(request, &()).await?;
    if parts.extensions.get::<Checked>() != Some(&Checked::Yes) {
        csrf::accept_field(app, parts, form.get(csrf::FIELD))?;
    }
    Ok(Received { form, file: None })
}

/// The upload that the form names, when it is one of hers.
async fn find_chosen(app: &App, person: &Person, form: &Form) -> Result<Option<FileView>> {
    let Some(id) = form.number("upload") else {
        return Ok(None);
    };
    match media::get_own_file(app.db.read(), person, id).await {
        Ok(view) => Ok(Some(view)),
        Err(Error::NotFound) => Ok(None),
        Err(other) => Err(other),
    }
}

async fn answer(app: &App, target: &Target, saved: Saved, is_script: bool) -> Result<Response> {
    let next = format!("/course/module/{}/", target.module.id);
    if !is_script {
        return Ok(redirect::see_other(&next));
    }
    let file = match saved.item.upload_id {
        Some(id) => media::list_files(app.db.read(), &[id]).await?.remove(&id),
        None => None,
    };
    let answer = Answer {
        message: if file.is_some() {
            "Upload complete!"
        } else {
            "Saved."
        },
        content: saved.content_id,
        item: saved.item.id,
        upload: saved.item.upload_id,
        state: file.as_ref().map(|view| view.upload.state),
        words: file.as_ref().map(FileView::state_words),
        title: saved.item.title,
        next,
    };
    Ok(Json(answer).into_response())
}
