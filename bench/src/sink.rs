//! The peer of uploads: an axum server that writes the body of a request to a file and makes it durable,
//! and does nothing else.

use crate::Outcome;
use crate::server::{Server, free_port};
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Router, extract::DefaultBodyLimit};
use futures::TryStreamExt as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// Starts it as a process of its own.
pub fn start(folder: &Path) -> Outcome<Server> {
    let port = free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("sink").arg(folder);
    Server::start(command.env("PORT", port.to_string()), port)
}

/// Serves until it is ended.
pub fn run(folder: PathBuf) -> Outcome {
    let port: u16 = std::env::var("PORT")?.parse()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let routes = Router::new()
            .route("/", post(take))
            .layer(DefaultBodyLimit::disable())
            .with_state(folder);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        Ok(axum::serve(listener, routes).await?)
    })
}

async fn take(State(folder): State<PathBuf>, body: Body) -> StatusCode {
    match store(&folder.join("sink.bin"), body).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(error) => {
            eprintln!("sink: {error}");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

async fn store(path: &Path, body: Body) -> io::Result<()> {
    let mut file = File::create(path).await?;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.try_next().await.map_err(io::Error::other)? {
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    file.sync_all().await?;
    drop(file);
    tokio::fs::remove_file(path).await
}
