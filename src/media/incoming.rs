//! The body of a request with a form, on its way to the reader of forms.

use crate::error::Error;
use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// What is still read, and thrown away, of a form that was refused: a browser that is cut off while
/// it sends never shows the answer.
const LINGER_BYTES: u64 = 256 << 20;
const LINGER_TIMEOUT: Duration = Duration::from_secs(10);

/// The body of a request: counted, and handed on piece by piece.
///
/// multer reads as long as there is anything, and keeps it all in memory until it is asked for a
/// field's bytes; so after each piece this says that there is nothing for the moment. It also
/// keeps multer from gathering headers without end.
#[derive(Clone)]
pub struct Incoming(Arc<Source>);

struct Source {
    stream: Mutex<Turn>,
    bytes: AtomicU64,
    /// Bytes that may still come before the reader has to ask again.
    allowance: AtomicU64,
}

struct Turn {
    body: BodyDataStream,
    has_given: bool,
}

impl Incoming {
    /// Before anything is read.
    pub fn new(body: Body) -> Self {
        Self(Arc::new(Source {
            stream: Mutex::new(Turn {
                body: body.into_data_stream(),
                has_given: false,
            }),
            bytes: AtomicU64::new(0),
            allowance: AtomicU64::new(u64::MAX),
        }))
    }

    /// Bytes that came in so far.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// How many bytes may come before this is called again.
    pub fn allow(&self, bytes: u64) {
        self.0.allowance.store(bytes, Ordering::Relaxed);
    }

    fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
        let mut turn = self.0.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut turn.has_given) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = turn.body.poll_next_unpin(cx);
        turn.has_given = matches!(polled, Poll::Ready(Some(Ok(_))));
        polled
    }

    /// Reads on for a moment, so that the sender gets to read the answer.
    pub async fn linger(&self) {
        self.allow(u64::MAX);
        let end = self.bytes().saturating_add(LINGER_BYTES);
        let rest = self
            .clone()
            .take_while(|read| std::future::ready(read.is_ok() && self.bytes() <= end));
        let reading = rest.for_each(|_| std::future::ready(()));
        // Whoever still sends after that sees the connection closed.
        let _ = tokio::time::timeout(LINGER_TIMEOUT, reading).await;
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = futures::ready!(self.poll_body(cx));
        let Some(piece) = polled.transpose().map_err(std::io::Error::other)? else {
            return Poll::Ready(None);
        };
        let length = piece.len() as u64;
        self.0.bytes.fetch_add(length, Ordering::Relaxed);
        let allowed = self.0.allowance.load(Ordering::Relaxed);
        match allowed {
            u64::MAX => {}
            0 => {
                return Poll::Ready(Some(Err(std::io::Error::other(
                    "the head of a field has no end",
                ))));
            }
            // The piece that begins with the head may hold much of the field too.
            _ => self.allow(allowed.saturating_sub(length)),
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

/// What its sender is told when a form cannot be read to its end.
pub fn unreadable(error: &multer::Error) -> Error {
    tracing::debug!(%error, "a form could not be read to its end");
    let is_cut_off = matches!(
        error,
        multer::Error::IncompleteFieldData { .. }
            | multer::Error::IncompleteStream
            | multer::Error::IncompleteHeaders
            | multer::Error::StreamReadFailed(_)
    );
    Error::BadRequest(
        if is_cut_off {
            "The upload was cut off before its end. Nothing was kept; please send it again."
        } else {
            "The form cannot be read. Please reload the page and send it again."
        }
        .into(),
    )
}
