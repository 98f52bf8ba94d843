//! The least of HTTP/1.1 that measuring takes: one connection, kept alive, that blocks. What a client
//! costs weighs on both sides alike, so that it should cost as little as can be.

use crate::Outcome;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// A connection to a server.
pub struct Connection {
    stream: TcpStream,
    address: String,
    buffer: Vec<u8>,
    filled: usize,
}

/// The head of an answer; its body has been read.
pub struct Answer {
    pub status: u16,
    head: String,
    /// The beginning of the body, at most [`BUFFER_BYTES`].
    pub body: Vec<u8>,
    /// The size of the whole body.
    pub size: u64,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// An error unless it has this status.
    pub fn expect(self, status: u16) -> Outcome<Self> {
        if self.status == status {
            return Ok(self);
        }
        let words = String::from_utf8_lossy(&self.body).into_owned();
        Err(format!("{} instead of {status}:\n{}{words}", self.status, self.head).into())
    }
}

impl Connection {
    /// Connects.
    pub fn open(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Self {
            stream,
            address: address.to_owned(),
            buffer: vec![0; BUFFER_BYTES],
            filled: 0,
        })
    }

    /// Sends a request without a body and reads the answer. `headers`: lines, each ended by CRLF.
    pub fn ask(&mut self, method: &str, path: &str, headers: &str) -> Outcome<Answer> {
        self.begin(method, path, headers)?;
        self.answer(method == "HEAD")
    }

    /// Sends a form.
    pub fn post(&mut self, path: &str, headers: &str, fields: &str) -> Outcome<Answer> {
        let headers = format!("{headers}Content-Type: application/x-www-form-urlencoded\r\n");
        self.post_body(path, &headers, fields)
    }

    /// Sends a body that `headers` tells the kind of.
    pub fn post_body(&mut self, path: &str, headers: &str, body: &str) -> Outcome<Answer> {
        let headers = format!("{headers}Content-Length: {}\r\n", body.len());
        self.begin("POST", path, &headers)?;
        self.stream.write_all(body.as_bytes())?;
        self.answer(false)
    }

    /// Reads until these bytes have come; what was read is forgotten.
    pub fn wait_for(&mut self, bytes: &[u8]) -> Outcome {
        while find(self.filled(), bytes).is_none() {
            self.fill()?;
        }
        self.filled = 0;
        Ok(())
    }

    /// Sends the head of a request.
    pub fn begin(&mut self, method: &str, path: &str, headers: &str) -> Outcome {
        let host = &self.address;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        Ok(self.stream.write_all(head.as_bytes())?)
    }

    /// Sends a part of a body.
    pub fn send(&mut self, bytes: &[u8]) -> Outcome {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Reads an answer with its body, of which only the beginning is kept.
    pub fn answer(&mut self, is_head: bool) -> Outcome<Answer> {
        let end = loop {
            if let Some(at) = find(self.filled(), b"\r\n\r\n") {
                break at + 4;
            }
            self.fill()?;
        };
        let (head, rest) = self.filled().split_at(end);
        let head = String::from_utf8_lossy(head).into_owned();
        let mut answer = Answer {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|word| word.parse().ok())
                .ok_or("not an answer in HTTP")?,
            head,
            body: rest.to_vec(),
            size: 0,
        };
        self.filled = 0;
        if answer.header("transfer-encoding").is_some() {
            return Err("an answer without a length".into());
        }
        let size = answer.header("content-length").map_or(Ok(0), str::parse)?;
        answer.size = if is_head { 0 } else { size };
        let mut left = answer.size.saturating_sub(answer.body.len() as u64);
        while left > 0 {
            let count = self.stream.read(&mut self.buffer)?;
            if count == 0 {
                return Err("an answer was cut off".into());
            }
            if answer.size <= BUFFER_BYTES as u64 {
                answer.body.extend(self.buffer.iter().take(count));
            }
            left = left.saturating_sub(count as u64);
        }
        Ok(answer)
    }

    fn filled(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    fn fill(&mut self) -> Outcome {
        let space = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let count = self.stream.read(space)?;
        if count == 0 {
            return Err("the connection was closed, or its headers are too long".into());
        }
        self.filled += count;
        Ok(())
    }
}

/// One question, asked again and again at the least cost: its text is made once, and nothing of the answers is
/// kept.
pub struct Exchange {
    connection: Connection,
    question: Vec<u8>,
}

impl Connection {
    /// This connection for one question.
    pub fn exchange(self, path: &str, headers: &str) -> Exchange {
        let host = &self.address;
        let question = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").into_bytes();
        Exchange {
            connection: self,
            question,
        }
    }
}

impl Exchange {
    /// Asks once and reads the answer, which must be 200.
    pub fn once(&mut self) -> Outcome {
        let connection = &mut self.connection;
        connection.stream.write_all(&self.question)?;
        let end = loop {
            if let Some(at) = find(connection.filled(), b"\r\n\r\n") {
                break at + 4;
            }
            connection.fill()?;
        };
        let head = connection.filled().get(..end).unwrap_or_default();
        if !head.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(head).into_owned().into());
        }
        let whole = end + length_in(head).ok_or("an answer without a length")?;
        let mut left = whole.saturating_sub(connection.filled);
        while left > 0 {
            // Nothing of the body is looked at.
            let count = connection.stream.read(&mut connection.buffer)?;
            if count == 0 {
                return Err("an answer was cut off".into());
            }
            left = left.saturating_sub(count);
        }
        connection.filled = 0;
        Ok(())
    }
}

/// The value of `content-length` in a head.
fn length_in(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length: ";
    let at = head
        .windows(NAME.len())
        .position(|window| window.eq_ignore_ascii_case(NAME))?;
    let digits = head.get(at + NAME.len()..)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
