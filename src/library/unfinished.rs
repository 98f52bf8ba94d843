//! Uploads that somebody began and has not finished, as lines of the library; and giving one up.

use super::listing::PATH;
use super::rows::Moment;
use crate::app::App;
use crate::error::{Error, Result};
use crate::media::{self, Place, Unfinished};
use crate::web::extract::Path;
use crate::web::identity::{Author, Person};
use crate::web::shell::{Place as InBar, Shell, page};
use crate::web::{redirect, text};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, stream};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// More are not listed.
const MOST: u64 = 50;
/// So many the file store is asked for at once.
const AT_ONCE: usize = 8;
/// How long a page waits for the file store to tell how much of its uploads has arrived.
const PATIENCE: Duration = Duration::from_secs(5);

/// An upload that is not finished.
pub struct UnfinishedRow {
    /// Its address is `/uploads/<id>`.
    pub id: String,
    /// The name of its file.
    pub name: String,
    /// How large the file is, once that is known.
    pub size_bytes: Option<u64>,
    /// How much of it has arrived, when the file store has told.
    pub arrived_bytes: Option<u64>,
    /// When it is forgotten, as a moment.
    pub expires_at: DateTime<Utc>,
    /// `120 MB of 2.1 GB arrived`.
    pub words: String,
    /// 0-100, once the size is known and the file store has told how much of it there is.
    pub percent: Option<u64>,
    /// The module that it goes to, for scripts.
    pub module_id: Option<i64>,
    /// The content whose file it replaces, for scripts.
    pub content_id: Option<i64>,
    /// When it is forgotten.
    pub expires: Moment,
}

/// What she began and has not finished, newest first.
pub async fn list(app: &App, person: &Person) -> Result<Vec<UnfinishedRow>> {
    let found = media::list_unfinished(app, app.db.read(), person.id, Some(MOST)).await?;
    let until = Instant::now() + PATIENCE;
    let rows = found
        .into_iter()
        .map(|upload| row(app, person, upload, until));
    Ok(stream::iter(rows).buffered(AT_ONCE).collect().await)
}

/// A store that is away, or slow, does not keep the page away.
async fn arrived(app: &App, upload: &Unfinished, until: Instant) -> Option<u64> {
    match timeout_at(until, upload.arrived_bytes(app)).await {
        Ok(Ok(bytes)) => Some(bytes),
        Ok(Err(error)) => {
            tracing::warn!(
                ?error,
                upload = upload.id,
                "what has arrived cannot be told"
            );
            None
        }
        Err(_late) => None,
    }
}

async fn row(app: &App, person: &Person, upload: Unfinished, until: Instant) -> UnfinishedRow {
    let arrived = arrived(app, &upload, until).await;
    let (module_id, content_id) = match upload.place {
        Some(Place::Module(id)) => (Some(id), None),
        Some(Place::Content(id)) => (None, Some(id)),
        None => (None, None),
    };
    let total = upload.length_bytes.filter(|total| *total > 0);
    let part = |total: u64| Some(arrived?.min(total).saturating_mul(100) / total);
    UnfinishedRow {
        words: words(arrived, upload.length_bytes),
        percent: total.and_then(part),
        size_bytes: upload.length_bytes,
        arrived_bytes: arrived,
        expires_at: upload.expires_at,
        expires: Moment::new(upload.expires_at, app.clock.now(), person.time_zone),
        id: upload.id,
        name: upload.name,
        module_id,
        content_id,
    }
}

fn words(arrived: Option<u64>, total: Option<u64>) -> String {
    let size = |bytes| text::size(i64::try_from(bytes).unwrap_or(i64::MAX));
    match (arrived, total) {
        (Some(arrived), Some(total)) => format!("{} of {} arrived", size(arrived), size(total)),
        (Some(arrived), None) => format!("{} arrived", size(arrived)),
        (None, _) => "How much has arrived cannot be told just now".to_owned(),
    }
}

/// The page that asks whether to give an upload up.
#[derive(Template)]
#[template(path = "library/discard.html")]
struct DiscardPage {
    shell: Shell,
    upload: UnfinishedRow,
}

/// GET `/library/unfinished/<id>/discard/`: asks.
pub async fn ask(
    State(app): State<App>,
    Author(person): Author,
    shell: Shell,
    Path(id): Path<String>,
) -> Result<Response> {
    let found = media::list_unfinished(&app, app.db.read(), person.id, None).await?;
    let upload = found.into_iter().find(|upload| upload.id == id);
    let until = Instant::now() + PATIENCE;
    let upload = row(&app, &person, upload.ok_or(Error::NotFound)?, until).await;
    page(&DiscardPage {
        shell: shell.at(InBar::Teach),
        upload,
    })
}

/// POST `/library/unfinished/<id>/discard/`: gives an upload up. What is gone already is no fault.
pub async fn discard(
    State(app): State<App>,
    Author(person): Author,
    Path(id): Path<String>,
) -> Result<Response> {
    match media::end_unfinished(&app, &person, &id).await {
        Ok(()) | Err(Error::NotFound | Error::Gone(_)) => {
            Ok(redirect::see_other(&format!("{PATH}#unfinished")))
        }
        Err(error) => Err(error),
    }
}
