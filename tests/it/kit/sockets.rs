//! A client of WebSockets, as a browser is one.

use super::Browser;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// What never comes is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Frames that come at any time.
const LIVE: [&str; 5] = ["room", "here", "presence", "typing", "read"];

/// One open socket.
pub struct Socket {
    pub stream: WebSocketStream<TcpStream>,
}

impl Browser {
    /// Opens a socket with the browser's cookies; the status when that is refused.
    pub async fn socket_with(&self, path: &str, headers: &[(&str, &str)]) -> Result<Socket, u16> {
        let address = self.url().strip_prefix("http://").unwrap();
        let connection = TcpStream::connect(address).await.unwrap();
        self.socket_over(connection, path, headers).await
    }

    /// Opens a socket whose end of the connection takes a few kilobytes before they are read.
    pub async fn narrow_socket(&self, path: &str) -> Socket {
        let address = self.url().strip_prefix("http://").unwrap();
        let connection = TcpSocket::new_v4().unwrap();
        connection.set_recv_buffer_size(4_096).unwrap();
        let connection = connection.connect(address.parse().unwrap()).await.unwrap();
        self.socket_over(connection, path, &[]).await.ok().unwrap()
    }

    async fn socket_over(
        &self,
        connection: TcpStream,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Socket, u16> {
        let url = self.url().replacen("http", "ws", 1);
        let mut request = format!("{url}{path}").into_client_request().unwrap();
        let cookies = self.cookie_header();
        for (name, value) in headers
            .iter()
            .copied()
            .chain([("cookie", cookies.as_str())])
        {
            if !value.is_empty() {
                let name = HeaderName::try_from(name).unwrap();
                request
                    .headers_mut()
                    .insert(name, HeaderValue::try_from(value).unwrap());
            }
        }
        match client_async(request, connection).await {
            Ok((stream, answer)) => {
                let offered = answer.headers().get("sec-websocket-extensions");
                assert!(offered.is_none(), "no compression is offered");
                Ok(Socket { stream })
            }
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens a socket.
    pub async fn socket(&self, path: &str) -> Socket {
        self.socket_with(path, &[]).await.ok().unwrap()
    }
}

impl Socket {
    /// Sends a frame of JSON.
    pub async fn send(&mut self, frame: &Value) {
        self.send_raw(Message::text(frame.to_string())).await;
    }

    /// Says something.
    pub async fn say(&mut self, words: &str) {
        self.send(&json!({ "message": words })).await;
    }

    /// Sends anything.
    pub async fn send_raw(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// The next frame; `None` with the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.message().await {
                Some(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                Some(Message::Close(_)) | None => return None,
                Some(other) => panic!("{other:?}"),
            }
        }
    }

    /// The next frame of what is kept: not of who is there, who writes, and what holds just now.
    pub async fn next_kept(&mut self) -> Option<Value> {
        loop {
            let frame = self.next().await?;
            if !LIVE.iter().any(|kind| frame["type"] == *kind) {
                return Some(frame);
            }
        }
    }

    /// The next frame of this type. Of what is kept nothing comes before it.
    pub async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await.unwrap();
            if frame["type"] == kind {
                return frame;
            }
            assert!(LIVE.iter().any(|live| frame["type"] == *live), "{frame}");
        }
    }

    /// The code with which the other side closes, after whatever comes before.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match self.message().await {
                Some(Message::Close(Some(frame))) => return frame.code.into(),
                Some(_) => {}
                None => panic!("it ended without a close frame"),
            }
        }
    }

    /// Whatever comes next; `None` with the end.
    pub async fn message(&mut self) -> Option<Message> {
        let next = timeout(PATIENCE, self.stream.next()).await;
        next.expect("nothing comes")?.ok()
    }
}
