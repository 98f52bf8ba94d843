//! The peer of kept pages: an axum handler that answers the same bytes, and does nothing else.

use crate::Outcome;
use crate::server::{Server, free_port};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Starts it as a process of its own; it answers the files of this folder, each at its name. Those that end with
/// `.br` are said to be encoded.
pub fn start(folder: &Path) -> Outcome<Server> {
    let port = free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bare").arg(folder);
    Server::start(command.env("PORT", port.to_string()), port)
}

/// Serves until it is ended.
pub fn run(folder: PathBuf) -> Outcome {
    let port: u16 = std::env::var("PORT")?.parse()?;
    let mut routes = Router::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().ok_or("an odd name")?.to_string_lossy();
        let bytes = Bytes::from(fs::read(&path)?);
        let route = if name.ends_with(".br") {
            get(encoded).with_state(bytes)
        } else {
            get(plain).with_state(bytes)
        };
        routes = routes.route(&format!("/{name}"), route);
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        let listener = listener.tap_io(|connection| {
            let _ = connection.set_nodelay(true);
        });
        Ok(axum::serve(listener, routes).await?)
    })
}

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

async fn plain(State(bytes): State<Bytes>) -> Response {
    ([(CONTENT_TYPE, HTML)], bytes).into_response()
}

async fn encoded(State(bytes): State<Bytes>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HTML);
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    (headers, bytes).into_response()
}
