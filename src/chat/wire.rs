//! Writing to a socket, with patience but not without end; and its last words.

use super::end::{End, code};
use super::frames::Answer;
use super::visit::Visit;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures::SinkExt as _;
use std::time::Duration;
use tokio::time::timeout;

/// A reader who takes nothing for so long has gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// When clients of a site that restarts come back, at the earliest, and over how long they spread.
const RESTART_MS: (u64, u64) = (500, 4_500);

/// Says good-bye, where there is somebody to say it to.
pub async fn close(socket: &mut WebSocket, visit: &Visit, end: End) {
    let (code, reason) = match end {
        End::Gone => return,
        End::Close(code, reason) => (code, reason),
        End::Fault => (
            code::RESTART,
            "The site has a moment of weakness. Come back.",
        ),
        End::Restart => {
            let [spread] = visit.app.clock.random_bytes::<1>();
            let retry_ms = RESTART_MS.0 + RESTART_MS.1 * u64::from(spread) / 256;
            if visit.knows_types {
                // Who does not hear it comes back by herself.
                let _ = feed(socket, Answer::Restart { retry_ms }.text()).await;
            }
            (code::RESTART, "The site restarts. Come back.")
        }
    };
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    if within(socket.send(Message::Close(Some(frame))))
        .await
        .is_ok()
    {
        // Her own close, after which the connection may go without a reset that would swallow ours.
        let _ = timeout(WRITE_PATIENCE, drain(socket)).await;
    }
}

/// Reads on until nothing more comes.
async fn drain(socket: &mut WebSocket) {
    while let Some(Ok(_)) = socket.recv().await {}
}

/// Puts a frame into the socket's buffer.
pub async fn feed(socket: &mut WebSocket, text: Utf8Bytes) -> Result<(), End> {
    within(socket.feed(Message::Text(text))).await
}

/// Waits for what is sent, unless nobody takes it.
pub async fn within(sending: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match timeout(WRITE_PATIENCE, sending).await {
        Ok(sent) => sent.map_err(|_| End::Gone),
        Err(_) => Err(End::Gone),
    }
}
