//! A list as CSV: all that its search and filters leave, in the order of the numbers, chunk by chunk, so that one of any
//! length takes the memory of one chunk.

use super::list::value_of;
use super::{Asked, Chunk, Look, Routes, Table};
use crate::admin::csv::{Written, headed};
use crate::admin::site::Side;
use crate::app::App;
use crate::error::{Error, Result};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::stream;
use std::sync::LazyLock;

/// Rows that are read at once.
const CHUNK: u64 = 500;

pub(super) fn routes(table: &'static LazyLock<Table>) -> Routes {
    if table.csv.is_empty() {
        return Vec::new();
    }
    let export =
        move |app: State<App>, side: Side, query: RawQuery| export(table, app, side, query);
    vec![(format!("{}export.csv", table.path), get(export))]
}

/// How far an export is.
struct Progress {
    table: &'static Table,
    look: Look,
    asked: Asked,
    /// The number after which it goes on; nothing when it is over.
    after: Option<i64>,
}

async fn export(
    table: &'static Table,
    State(app): State<App>,
    side: Side,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    side.require(table.view)?;
    let query = query.unwrap_or_default();
    let asked = match value_of(&query, "back").as_str() {
        "" => Asked::read(table, &query),
        back => Asked::read(table, back),
    };
    let mut progress = Progress {
        table,
        look: Look {
            app,
            person: side.person,
        },
        asked,
        after: Some(0),
    };
    // The first chunk before the head of the answer goes out, so that a database that is away is told as such.
    let first = progress.next().await?.unwrap_or_default();
    let mut head = headed(table.csv)?;
    head.extend_from_slice(&first);
    let rest = stream::try_unfold(progress, |mut progress| async move {
        let chunk = progress.next().await?;
        Ok::<_, Error>(chunk.map(|bytes| (Bytes::from(bytes), progress)))
    });
    let begun = stream::once(async move { Ok::<_, Error>(Bytes::from(head)) });
    let body = Body::from_stream(futures::StreamExt::chain(begun, rest));
    let name = table.many.replace(' ', "-");
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.csv\""),
        ),
        (CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    Ok((headers, body).into_response())
}

impl Progress {
    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(after) = self.after else {
            return Ok(None);
        };
        let list = &self.table.list;
        let Chunk { rows, next } = list.chunk(&self.look, &self.asked, after, CHUNK).await?;
        self.after = next;
        let mut written = Written::new();
        for row in rows {
            written.line(&row.csv)?;
        }
        written.bytes().map(Some)
    }
}
