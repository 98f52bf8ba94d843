//! Sending a file to the library by a plain form, for browsers without scripts; with them the library sends files
//! resumably.

use super::listing::PATH;
use crate::app::App;
use crate::entities::item::ItemKind;
use crate::error::{Error, Problems, Result};
use crate::media::{self, Accepts};
use crate::web::errors::prefers_json;
use crate::web::extract::{Path, Query};
use crate::web::form::{FaultLine, Field, fault_lines};
use crate::web::identity::Author;
use crate::web::shell::{Place, Shell, page, page_with};
use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use serde::Deserialize;

/// The form of a file.
#[derive(Template)]
#[template(path = "library/upload.html")]
struct UploadPage {
    shell: Shell,
    kinds: Vec<KindChip>,
    action: String,
    hint: String,
    accept: &'static str,
    max_bytes: u64,
    file: Field,
    faults: Vec<FaultLine>,
}

/// What kind of file is sent: its form knows what it takes.
struct KindChip {
    words: &'static str,
    path: String,
    is_chosen: bool,
}

/// Which kind is sent; a film when it is not said.
#[derive(Deserialize)]
pub struct Chosen {
    kind: Option<String>,
}

/// The kinds with their names in the address and on the page.
const KINDS: [(ItemKind, &str, &str); 4] = [
    (ItemKind::Video, "video", "Video"),
    (ItemKind::Audio, "audio", "Audio"),
    (ItemKind::Image, "image", "Image"),
    (ItemKind::File, "file", "Other"),
];

/// GET `/library/upload/`.
pub async fn form(
    State(app): State<App>,
    Author(_): Author,
    shell: Shell,
    Query(chosen): Query<Chosen>,
) -> Result<Response> {
    let asked = chosen.kind.unwrap_or_default();
    let known = KINDS.iter().find(|(_, name, _)| *name == asked);
    let kind = known.map_or(ItemKind::Video, |(kind, ..)| *kind);
    page(&upload_page(&app, shell, kind, &Problems::new())?)
}

/// POST `/library/upload/<kind>/`: takes one file.
pub async fn send(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(kind): Path<ItemKind>,
    request: Request,
) -> Result<Response> {
    let accepts = Accepts::of(kind).ok_or(Error::NotFound)?;
    let (parts, body) = request.into_parts();
    let received = match media::receive(&app, &person, accepts, &parts, body).await {
        Ok(received) => received,
        Err(error) => return told(&app, shell, kind, error, prefers_json(&parts.headers)),
    };
    let Some(file) = received.file else {
        let problems = Problems::of("file", "Choose a file.");
        return told(
            &app,
            shell,
            kind,
            Error::Invalid(problems),
            prefers_json(&parts.headers),
        );
    };
    let mut write = app.write().await?;
    let upload = media::adopt(&app, &mut write, person.id, file).await?;
    write.commit().await?;
    let view = media::get_own_file(app.db.read(), &person, upload.id).await?;
    let details = serde_json::Map::new();
    Ok(media::complete(&parts.headers, PATH, Some(&view), details))
}

/// What is wrong with the file is told beside its field.
fn told(
    app: &App,
    shell: Shell,
    kind: ItemKind,
    error: Error,
    is_script: bool,
) -> Result<Response> {
    let problems = match &error {
        _ if is_script => return Err(error),
        Error::Invalid(problems) => problems.clone(),
        Error::TooLarge(words) | Error::UnsupportedType(words) => {
            Problems::of("file", words.clone())
        }
        _ => return Err(error),
    };
    page_with(error.status(), &upload_page(app, shell, kind, &problems)?)
}

fn upload_page(app: &App, shell: Shell, kind: ItemKind, problems: &Problems) -> Result<UploadPage> {
    let accepts = Accepts::of(kind).ok_or(Error::NotFound)?;
    let chip = |(each, name, words): (ItemKind, &str, &'static str)| KindChip {
        words,
        path: format!("{PATH}upload/?kind={name}"),
        is_chosen: each == kind,
    };
    let name = KINDS.iter().find(|(each, ..)| *each == kind);
    let name = name.map_or("file", |(_, name, _)| *name);
    Ok(UploadPage {
        shell: shell.at(Place::Teach),
        kinds: KINDS.map(chip).into(),
        action: format!("{PATH}upload/{name}/"),
        hint: accepts.sentence(app),
        accept: accepts.attribute(),
        max_bytes: accepts.max_bytes(app),
        file: Field::new("file", "", problems),
        faults: fault_lines(problems),
    })
}
