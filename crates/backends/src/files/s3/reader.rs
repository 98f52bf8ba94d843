//! Reading an object over a connection that may break: what is missing is asked for again, of the
//! same version of the object.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectStore as _};

use super::{S3, told};
use crate::files::{FilesError, Pieces};

/// So often in a row a stream may break without a byte in between.
const MOST_BREAKS: u32 = 5;
/// The first wait after a break; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);

struct Reading {
    store: S3,
    path: Path,
    tag: Option<String>,
    range: Range<u64>,
    pieces: BoxStream<'static, object_store::Result<Bytes>>,
    breaks: u32,
}

/// The bytes of `range`, of which `got` is the beginning.
pub fn stream(store: S3, path: Path, range: Range<u64>, got: GetResult) -> Pieces {
    let reading = Reading {
        store,
        path,
        tag: got.meta.e_tag.clone(),
        range,
        pieces: got.into_stream(),
        breaks: 0,
    };
    futures::stream::try_unfold(reading, |mut reading| async move {
        let piece = reading.next().await?;
        Ok(piece.map(|piece| (piece, reading)))
    })
    .boxed()
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, FilesError> {
        loop {
            if self.range.is_empty() {
                return Ok(None);
            }
            let broken = match self.pieces.next().await {
                Some(Ok(piece)) if piece.is_empty() => continue,
                Some(Ok(piece)) => {
                    self.breaks = 0;
                    self.range.start += piece.len() as u64;
                    return Ok(Some(piece));
                }
                Some(Err(error)) => told(error),
                None => super::away("an object ended before its end"),
            };
            self.resume(broken).await?;
        }
    }

    /// Asks for the rest.
    async fn resume(&mut self, broken: FilesError) -> Result<(), FilesError> {
        self.breaks += 1;
        if self.breaks > MOST_BREAKS {
            return Err(broken);
        }
        tracing::debug!(error = %broken, key = %self.path, "reading goes on after a break");
        tokio::time::sleep(FIRST_WAIT * 2_u32.pow(self.breaks - 1)).await;
        let options = GetOptions {
            range: Some(GetRange::Bounded(self.range.clone())),
            if_match: self.tag.clone(),
            ..GetOptions::default()
        };
        let got = self.store.0.client.get_opts(&self.path, options).await;
        let got = got.map_err(|error| match told(error) {
            // The reader was promised the bytes of another version.
            FilesError::NotFound | FilesError::TakenOver => {
                super::away("an object was replaced or deleted while it was read")
            }
            other => other,
        })?;
        self.pieces = got.into_stream();
        Ok(())
    }
}
