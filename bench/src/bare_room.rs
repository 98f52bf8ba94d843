//! The peer of rooms: a broadcast over tokio-tungstenite that puts around a line what Lyceum does and gives it to
//! everybody, all that waits at once. Nobody is asked who he is, and nothing is kept.

use crate::Outcome;
use crate::server::{Server, free_port};
use futures::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Deep enough that nobody misses anything in a turn.
const DEPTH: usize = 1 << 17;

/// Starts it as a process of its own.
pub fn start() -> Outcome<Server> {
    let port = free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bare-room");
    Server::start(command.env("PORT", port.to_string()), port)
}

/// Serves until it is ended.
pub fn run() -> Outcome {
    let port: u16 = std::env::var("PORT")?.parse()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let (lines, _) = broadcast::channel(DEPTH);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // Whoever breaks off is none of the others' business.
            tokio::spawn(serve(stream, lines.clone()));
        }
    })
}

#[derive(Deserialize)]
struct Said {
    message: String,
    client_id: String,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Said {
    /// The same keys as Lyceum's, with values of the same length.
    fn line(&self) -> Utf8Bytes {
        let id = NUMBER.fetch_add(1, Ordering::Relaxed);
        let Self { message, client_id } = self;
        format!(
            "{{\"type\":\"chat_message\",\"message\":\"{message}\",\"user\":\"student\",\
             \"datetime\":\"2026-01-02T03:04:05.678901+00:00\",\"id\":{id},\"user_id\":12,\"name\":\"student\",\
             \"initials\":\"S\",\"is_teacher\":false,\"is_edited\":false,\"client_id\":\"{client_id}\",\
             \"reply_to\":null,\"mentions\":[]}}"
        )
        .into()
    }
}

async fn serve(stream: TcpStream, lines: broadcast::Sender<Utf8Bytes>) -> Outcome {
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    let mut told = lines.subscribe();
    loop {
        tokio::select! {
            line = told.recv() => {
                socket.feed(Message::Text(line?)).await?;
                while let Ok(line) = told.try_recv() {
                    socket.feed(Message::Text(line)).await?;
                }
                socket.flush().await?;
            }
            heard = socket.next() => match heard {
                Some(Ok(Message::Text(text))) => {
                    let said: Said = serde_json::from_str(&text)?;
                    // Whoever says something hears it, too.
                    let _ = lines.send(said.line());
                    let ack = format!("{{\"type\":\"ack\",\"client_id\":\"{}\"}}", said.client_id);
                    socket.send(Message::Text(ack.into())).await?;
                }
                Some(Ok(_)) => {}
                _ => return Ok(()),
            },
        }
    }
}
