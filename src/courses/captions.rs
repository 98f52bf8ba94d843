//! Captions on the page of a recording: adding, replacing and deleting them, with and without a script.
//!
//! Reading the files is `media`; the page around them is `contents`.

use super::content_store::Target;
use super::contents::{FormState, as_typed, form_page};
use super::logged::Contents;
use super::store::{get_owned_content, hold_course, touch};
use crate::app::App;
use crate::db::Write;
use crate::entities::item::{self, ItemKind};
use crate::error::{Error, Problems, Result};
use crate::media::{self, Captions, FileView, Language};
use crate::web::audit::{By, ByPage};
use crate::web::csrf::{self, Checked};
use crate::web::errors::prefers_json;
use crate::web::extract::Path;
use crate::web::form::{Field, Form};
use crate::web::identity::{Author, Person};
use crate::web::permissions::{self, require};
use crate::web::redirect;
use crate::web::shell::{Shell, page_with};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use sea_orm::ColumnTrait as _;

/// What a form of captions has besides its file.
const FIELDS_BYTES: usize = 64_000;

/// The captions of a recording, and a form for more.
pub(super) struct CaptionsPanel {
    pub action: String,
    pub rows: Vec<CaptionsRow>,
    pub language: Field,
    pub file: Field,
    pub known: &'static [(&'static str, &'static str, &'static str)],
}

/// Captions that are there.
pub(super) struct CaptionsRow {
    pub tag: String,
    pub name: String,
    pub url: String,
    pub delete: String,
}

impl CaptionsPanel {
    /// The captions of the file that an item shows; `None` for what has no sound.
    pub fn of(target: &Target, file: &FileView, form: &Form, problems: &Problems) -> Option<Self> {
        if !has_captions(target.kind) {
            return None;
        }
        let action = format!("{}captions/", target.action());
        let rows = file.captions().into_iter().map(|found| CaptionsRow {
            delete: format!("{action}{}/delete/", found.language),
            name: found.language.name(),
            tag: found.language.to_string(),
            url: found.url,
        });
        Some(Self {
            rows: rows.collect(),
            language: Field::new("language", form.get("language"), problems),
            file: Field::new("captions", "", problems),
            known: media::known_languages(),
            action,
        })
    }
}

pub(super) fn has_captions(kind: ItemKind) -> bool {
    matches!(kind, ItemKind::Video | ItemKind::Audio)
}

/// A recording that a content shows, by the numbers of its course, of the content and of its file.
pub(super) struct Recording {
    pub course: i64,
    pub content: i64,
    pub upload: i64,
}

impl Recording {
    /// Stores captions, in place of those there are in the language.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is gone or no longer hers, [`Error::Conflict`] when there are too many languages.
    pub async fn put_captions(
        &self,
        app: &App,
        person: &Person,
        by: &By,
        language: Language,
        captions: &Captions,
    ) -> Result<()> {
        let stored = media::put_captions(app, self.upload, language, captions).await?;
        let mut write = app.write().await?;
        let logged = self.hold(app, &write, person, by).await?;
        media::attach_captions(app, &mut write, self.upload, stored).await?;
        logged.log(&write, by, "caption").await?;
        write.commit().await
    }

    /// Deletes the captions in a language.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there are none, or as above.
    pub async fn remove_captions(
        &self,
        app: &App,
        person: &Person,
        by: &By,
        language: &Language,
    ) -> Result<()> {
        let mut write = app.write().await?;
        let logged = self.hold(app, &write, person, by).await?;
        media::remove_captions(app, &mut write, self.upload, language).await?;
        logged.log(&write, by, "change").await?;
        write.commit().await
    }

    /// Holds it; for the log, every content that shows it, in whosever course.
    async fn hold(&self, app: &App, write: &Write, person: &Person, by: &By) -> Result<Contents> {
        hold_course(write, person, self.course).await?;
        touch(app, write, self.course).await?;
        media::hold_files(write, &[self.upload]).await?;
        let (_, item, _, _) = get_owned_content(&**write, person, self.content).await?;
        if item.upload_id != Some(self.upload) {
            return Err(Error::NotFound);
        }
        Contents::before(write, by, item::Column::UploadId.eq(self.upload)).await
    }
}

/// The recording whose captions a path is about.
async fn find(
    app: &App,
    person: &Person,
    (module_id, kind, item_id): (i64, ItemKind, i64),
) -> Result<(Target, Recording)> {
    let target = Target::find(app, person, module_id, kind, Some(item_id)).await?;
    let held = target.held.as_ref().filter(|_| has_captions(kind));
    let held = held.and_then(|(content, item)| Some((content.id, item.upload_id?)));
    let (content, upload) = held.ok_or(Error::NotFound)?;
    let recording = Recording {
        course: target.course.id,
        content,
        upload,
    };
    Ok((target, recording))
}

/// POST: adds captions in a language, in place of those there are.
pub async fn add(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    shell: Shell,
    Path(path): Path<(i64, ItemKind, i64)>,
    request: Request,
) -> Result<Response> {
    require(&person, permissions::CHANGE_CONTENT)?;
    let (target, recording) = find(&app, &person, path).await?;
    let (parts, body) = request.into_parts();
    let (form, file) = read(&app, &parts, body).await?;
    match judge(form.get("language"), file.as_deref()) {
        Ok((language, captions)) => {
            recording
                .put_captions(&app, &person, &by, language, &captions)
                .await?;
            Ok(redirect::see_other(&back(&target)))
        }
        Err(problems) if prefers_json(&parts.headers) => Err(Error::Invalid(problems)),
        Err(problems) => {
            let mut fields = target.item().map(as_typed).unwrap_or_default();
            fields.push(("language".into(), form.get("language").to_owned()));
            let state = FormState {
                form: &Form::from_pairs(fields),
                problems: &problems,
                is_web: false,
            };
            let again = form_page(&app, shell, target, &state).await?;
            page_with(StatusCode::UNPROCESSABLE_ENTITY, &again)
        }
    }
}

/// POST: deletes the captions in a language.
pub async fn delete(
    State(app): State<App>,
    Author(person): Author,
    ByPage(by): ByPage,
    Path((module_id, kind, item_id, language)): Path<(i64, ItemKind, i64, String)>,
) -> Result<Response> {
    require(&person, permissions::CHANGE_CONTENT)?;
    let (target, recording) = find(&app, &person, (module_id, kind, item_id)).await?;
    let language = Language::read(&language).ok_or(Error::NotFound)?;
    recording
        .remove_captions(&app, &person, &by, &language)
        .await?;
    Ok(redirect::see_other(&back(&target)))
}

/// The page of the recording, at its captions.
fn back(target: &Target) -> String {
    format!("{}#captions-panel", target.action())
}

/// The fields and the file of the form; it is small enough to be held at once.
async fn read(app: &App, parts: &Parts, body: Body) -> Result<(Form, Option<Bytes>)> {
    let bytes = axum::body::to_bytes(body, media::CAPTIONS_MAX_BYTES + FIELDS_BYTES).await;
    let bytes = bytes.map_err(|_| {
        Error::TooLarge(
            "This file is too large for captions: 2 MB is the most. Is it the right file?".into(),
        )
    })?;
    let content_type = parts.headers.get(CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let (form, file) = Form::read_with_file(content_type, bytes, "captions").await?;
    if parts.extensions.get::<Checked>() != Some(&Checked::Yes) {
        csrf::accept_field(app, parts, form.get(csrf::FIELD))?;
    }
    Ok((form, file))
}

/// Language and captions, or all that is wrong with both.
pub(super) fn judge(language: &str, file: Option<&[u8]>) -> Result<(Language, Captions), Problems> {
    let mut problems = Problems::new();
    let language = Language::read(language);
    if language.is_none() {
        problems.add(
            "language",
            "Choose a language from the list, or type its tag, for example en or pt-BR.",
        );
    }
    let captions = match file.filter(|bytes| !bytes.is_empty()) {
        None => {
            problems.add("captions", "Choose a file with captions.");
            None
        }
        Some(bytes) => match Captions::read(bytes) {
            Ok(captions) => Some(captions),
            Err(faults) => {
                for fault in faults {
                    problems.add("captions", fault.to_string());
                }
                None
            }
        },
    };
    match (language, captions) {
        (Some(language), Some(captions)) => Ok((language, captions)),
        (None, Some(_)) => {
            problems.add(
                "captions",
                "The file could not be kept while the language needs mending: please choose it again.",
            );
            Err(problems)
        }
        _ => Err(problems),
    }
}
