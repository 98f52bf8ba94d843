//! The least of a WebSocket client (RFC 6455) that measuring takes: it walks over frames and keeps nothing of them. What
//! a client costs weighs on both sides alike, so that it should cost as little as can be.

use crate::Outcome;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Any 16 bytes in base64 will do for a client that does not look at the answer to them.
const KEY: &str = "bHljZXVtIG1lYXN1cmVzIQ==";

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// A socket that has been opened.
pub struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    out: Vec<u8>,
}

/// A frame at the beginning of some bytes.
struct Frame<'a> {
    kind: u8,
    payload: &'a [u8],
    /// Its length with its head.
    length: usize,
}

impl Socket {
    /// Opens one. `headers`: lines, each ended by CRLF; `buffer`: what is read at once, and the longest frame.
    pub async fn open(address: &str, path: &str, headers: &str, buffer: usize) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut socket = Self {
            stream,
            buffer: vec![0; buffer],
            filled: 0,
            out: Vec::new(),
        };
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        socket.stream.write_all(head.as_bytes()).await?;
        let end = loop {
            socket.fill().await?;
            let heads = socket.filled().windows(4);
            if let Some(at) = heads.into_iter().position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        if !socket.filled().starts_with(b"HTTP/1.1 101") {
            return Err(String::from_utf8_lossy(socket.filled()).into_owned().into());
        }
        socket.forget(end);
        Ok(socket)
    }

    /// Says texts of up to 65,535 bytes each, in one write.
    pub async fn say(&mut self, texts: impl IntoIterator<Item = String>) -> Outcome {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        for text in texts {
            put_frame(&mut out, TEXT, text.as_bytes())?;
        }
        self.stream.write_all(&out).await?;
        self.out = out;
        Ok(())
    }

    /// Waits for more, and hands over every text that is there whole. Answers what asks whether it is there.
    pub async fn hear(&mut self, mut text: impl FnMut(&[u8])) -> Outcome {
        let mut used = 0;
        let mut is_asked = false;
        // What came together with the end of the handshake needs no waiting.
        if frame_in(self.filled()).is_none() {
            self.fill().await?;
        }
        while let Some(frame) = frame_in(self.filled().get(used..).unwrap_or_default()) {
            match frame.kind {
                TEXT => text(frame.payload),
                PING => is_asked = true,
                CLOSE => {
                    let reason = frame.payload.get(2..).unwrap_or_default();
                    let reason = String::from_utf8_lossy(reason).into_owned();
                    return Err(format!("the server closed a socket: {reason}").into());
                }
                _ => {}
            }
            used += frame.length;
        }
        self.forget(used);
        if is_asked {
            let mut pong = Vec::new();
            put_frame(&mut pong, PONG, b"")?;
            self.stream.write_all(&pong).await?;
        }
        Ok(())
    }

    fn filled(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    async fn fill(&mut self) -> Outcome {
        let space = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let count = self.stream.read(space).await?;
        if count == 0 {
            return Err("a socket was cut off, or a frame is longer than expected".into());
        }
        self.filled += count;
        Ok(())
    }

    fn forget(&mut self, used: usize) {
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
    }
}

/// The first frame in some bytes, when it is whole; a server's are not masked (section 5.2).
fn frame_in(bytes: &[u8]) -> Option<Frame<'_>> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (head, size) = match length {
        126 => (4, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*rest.first_chunk()?)),
        size => (2, u64::from(*size)),
    };
    let length = head + usize::try_from(size).ok()?;
    Some(Frame {
        kind: first & 0x0F,
        payload: bytes.get(head..length)?,
        length,
    })
}

/// Puts a frame of a client: whole, and masked with nothing but zeros.
fn put_frame(out: &mut Vec<u8>, kind: u8, payload: &[u8]) -> Outcome {
    out.push(0x80 | kind);
    match u8::try_from(payload.len()) {
        Ok(size) if size < 126 => out.push(0x80 | size),
        _ => {
            out.push(0x80 | 0x7E);
            out.extend(u16::try_from(payload.len())?.to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out.extend(payload);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_one_after_the_other_and_halves_wait() {
        let long = [b'x'; 300];
        let mut bytes = vec![0x81, 2, b'h', b'i', 0x81, 126, 1, 44];
        bytes.extend(long);
        let first = frame_in(&bytes).unwrap();
        assert_eq!((first.kind, first.payload), (TEXT, b"hi".as_slice()));
        let rest = &bytes[first.length..];
        assert_eq!(frame_in(rest).unwrap().payload, long);
        assert!(frame_in(&rest[..rest.len() - 1]).is_none());
        assert!(frame_in(&[0x81]).is_none());
    }

    #[test]
    fn what_is_said_is_masked_with_zeros() {
        let mut out = Vec::new();
        put_frame(&mut out, TEXT, b"hi").unwrap();
        assert_eq!(out, [0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    }
}
