//! Taking a file of this machine into the store, as the demo school does.

use super::receiver::{Accepts, ReceivedFile, new_prefix, original_key};
use crate::app::App;
use crate::error::{Error, Result};
use backends::media::HEAD_BYTES;
use bytes::Bytes;
use futures::StreamExt as _;
use std::path::Path;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

/// What is read at once.
const PIECE_BYTES: usize = 256 << 10;

/// Takes a file of this machine into the store, as if somebody had sent it.
///
/// # Errors
/// As [`super::receive`]: the form that `accepts` names would not take it, or the disk is full.
pub async fn receive_local(app: &App, accepts: Accepts, path: &Path) -> Result<ReceivedFile> {
    let mut source = tokio::fs::File::open(path).await.map_err(Error::internal)?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    let mut start = (&mut source).take(HEAD_BYTES as u64);
    start
        .read_to_end(&mut head)
        .await
        .map_err(Error::internal)?;
    let found = accepts
        .kind()
        .admit(&head)
        .map_err(|refused| Error::UnsupportedType(refused.0.to_owned()))?;
    let prefix = new_prefix(app);
    let mut writer = app.files.create(&original_key(&prefix)).await?;
    writer.write(Bytes::from(head)).await?;
    let mut pieces = ReaderStream::with_capacity(source, PIECE_BYTES);
    while let Some(piece) = pieces.next().await {
        writer.write(piece.map_err(Error::internal)?).await?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut received = ReceivedFile::begun(app, &name, &found, prefix);
    received.size_bytes = writer.finish().await?;
    Ok(received)
}
