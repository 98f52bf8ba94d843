//! One connection to one Memcached server: the text protocol (protocol.txt) as far as the cache
//! needs it. What is asked and what the answers mean stands in [`super::server`].
//!
//! Whatever a server says, this reads no more of it than the protocol allows, and never panics. A
//! connection on which something went wrong, or on which a call was cancelled, is of no more use:
//! what is still to come on it would pass for the answer to the next question.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::cache::fault::{Fault, excerpt};

/// The longest line that a server may send. Its longest are those of `metadump`: a name, which may
/// be escaped to three times its 250 bytes, and some numbers.
const LONGEST_LINE: usize = 2_048;

/// From this size on a value is sent from where it lies instead of being copied into the request.
const LARGE: usize = 16 * 1_024;

/// How much is read at once where it is not known how much will come; each connection keeps as much.
const READ: usize = 16 * 1_024;

/// What is sent, ready to be sent.
#[derive(Debug, Default)]
pub struct Request {
    parts: Vec<Bytes>,
    tail: BytesMut,
}

impl Request {
    /// Text, with the line ends that it has.
    pub fn text(mut self, text: &str) -> Self {
        self.push(text);
        self
    }

    /// Adds text, with the line ends that it has.
    pub fn push(&mut self, text: &str) {
        self.tail.extend_from_slice(text.as_bytes());
    }

    /// Adds a block of data with its line end.
    pub fn push_block(&mut self, value: &Bytes) {
        if value.len() < LARGE {
            self.tail.extend_from_slice(value);
        } else {
            self.parts.push(self.tail.split().freeze());
            self.parts.push(value.clone());
        }
        self.push("\r\n");
    }
}

/// A connection, between two answers.
pub struct Connection {
    writer: Writer,
    reader: Reader,
}

/// The end of a connection that is written to.
struct Writer {
    sink: Box<dyn AsyncWrite + Send + Unpin>,
    patience: Duration,
}

/// The end of a connection that is read.
struct Reader {
    source: Box<dyn AsyncRead + Send + Unpin>,
    buffer: BytesMut,
    patience: Duration,
}

/// A value as `mg` tells it.
#[derive(Debug)]
pub struct Item {
    /// The value.
    pub value: Bytes,
    /// Changes whenever the value does.
    pub cas: u64,
    /// How long it still lives in seconds; -1 for ever.
    pub seconds: i64,
}

impl Connection {
    /// Over the two ends of a stream. A server that says or takes nothing for `patience` counts as
    /// dead; a large value on its way may take longer as a whole.
    pub fn new(
        source: Box<dyn AsyncRead + Send + Unpin>,
        sink: Box<dyn AsyncWrite + Send + Unpin>,
        patience: Duration,
    ) -> Self {
        Self {
            writer: Writer { sink, patience },
            reader: Reader {
                source,
                buffer: BytesMut::new(),
                patience,
            },
        }
    }

    /// Whether it rests as it should: open, and with nothing more to read.
    pub fn is_resting(&mut self) -> bool {
        let Reader { source, buffer, .. } = &mut self.reader;
        buffer.is_empty() && source.read_buf(buffer).now_or_never().is_none()
    }

    /// Sends requests that are answered with one line each, and reads `count` of these.
    pub async fn lines(&mut self, request: &Request, count: usize) -> Result<Vec<Bytes>, Fault> {
        let read = async {
            let mut lines = Vec::with_capacity(count);
            while lines.len() < count {
                lines.push(self.reader.line().await?);
            }
            Ok(lines)
        };
        let ((), lines) = tokio::try_join!(self.writer.send(request), read)?;
        Ok(lines)
    }

    /// Sends a request that is answered with lines up to `END`, and gives each line to `take`.
    pub async fn listing(
        &mut self,
        request: &Request,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), Fault> {
        self.writer.send(request).await?;
        loop {
            let line = self.reader.line().await?;
            if line == "END" {
                return Ok(());
            }
            if !line.starts_with(b"STAT ") && !line.starts_with(b"key=") {
                return Err(refusal(&line));
            }
            take(&line);
        }
    }

    /// The values under these names, in their order, none larger than `most` bytes.
    pub async fn values(
        &mut self,
        names: &[&str],
        most: usize,
    ) -> Result<Vec<Option<Bytes>>, Fault> {
        // A server takes no line without end.
        const NAMES_A_LINE: usize = 50;
        let mut request = Request::default();
        for names in names.chunks(NAMES_A_LINE) {
            request.push("get");
            for name in names {
                request.push(" ");
                request.push(name);
            }
            request.push("\r\n");
        }
        let read = async {
            let mut values = Vec::with_capacity(names.len());
            for names in names.chunks(NAMES_A_LINE) {
                self.reader.values(names, most, &mut values).await?;
            }
            Ok(values)
        };
        let ((), values) = tokio::try_join!(self.writer.send(&request), read)?;
        Ok(values)
    }

    /// The value under a name with what is needed to replace it: Memcached 1.6 and newer.
    pub async fn item(&mut self, name: &str, most: usize) -> Result<Option<Item>, Fault> {
        let request = Request::default().text(&format!("mg {name} v c t\r\n"));
        self.writer.send(&request).await?;
        let line = self.reader.line().await?;
        if line == "EN" {
            return Ok(None);
        }
        let mut words = words(&line);
        let (Some("VA"), Some(length)) = (words.next(), words.next()) else {
            return Err(refusal(&line));
        };
        let (mut cas, mut seconds) = (None, None);
        for word in words {
            match word.split_at_checked(1) {
                Some(("c", number)) => cas = number.parse().ok(),
                Some(("t", number)) => seconds = number.parse().ok(),
                _ => {}
            }
        }
        let (Some(cas), Some(seconds)) = (cas, seconds) else {
            return Err(Fault::garbled(&line));
        };
        let length = length_within(length, most).ok_or_else(|| Fault::garbled(&line))?;
        let value = self.reader.block(length).await?;
        Ok(Some(Item {
            value,
            cas,
            seconds,
        }))
    }
}

impl Reader {
    /// Reads until a whole line is here; says how long it is, line end included.
    async fn whole_line(&mut self) -> Result<usize, Fault> {
        let mut seen = 0;
        loop {
            let fresh = self.buffer.get(seen..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                return Ok(seen + at + 1);
            }
            seen = self.buffer.len();
            if seen > LONGEST_LINE {
                return Err(Fault::garbled(&self.buffer));
            }
            self.more().await?;
        }
    }

    /// What comes next, up to the end of its line and without it.
    async fn line(&mut self) -> Result<Bytes, Fault> {
        let length = self.whole_line().await?;
        let line = self.buffer.split_to(length).freeze();
        Ok(line.slice_ref(without_end(&line)))
    }

    /// The next `length` bytes and the line end after them, which is taken off.
    async fn block(&mut self, length: usize) -> Result<Bytes, Fault> {
        let whole = length + 2;
        // Into memory of its own: a small value must not keep a large buffer alive.
        if let Some(block) = self.buffer.get(..whole) {
            let value = Bytes::copy_from_slice(value_of(block)?);
            self.buffer.advance(whole);
            return Ok(value);
        }
        let mut block = BytesMut::with_capacity(whole);
        block.extend_from_slice(&self.buffer);
        self.buffer.clear();
        while block.len() < whole {
            let missing = u64::try_from(whole - block.len()).unwrap_or(u64::MAX);
            let mut source = (&mut self.source).take(missing);
            received(timeout(self.patience, source.read_buf(&mut block)).await)?;
        }
        value_of(&block)?;
        block.truncate(length);
        Ok(block.freeze())
    }

    /// The answer to `get` and these names: those that there are, in their order, then `END`.
    async fn values(
        &mut self,
        names: &[&str],
        most: usize,
        values: &mut Vec<Option<Bytes>>,
    ) -> Result<(), Fault> {
        let mut names = names;
        loop {
            let whole = self.whole_line().await?;
            let line = without_end(self.buffer.get(..whole).unwrap_or_default());
            let Some((absent, length)) = value_head(line, names, most)? else {
                self.buffer.advance(whole);
                values.extend(names.iter().map(|_| None));
                return Ok(());
            };
            self.buffer.advance(whole);
            values.extend((0..absent).map(|_| None));
            values.push(Some(self.block(length).await?));
            names = names.get(absent + 1..).unwrap_or_default();
        }
    }

    async fn more(&mut self) -> Result<(), Fault> {
        self.buffer.reserve(READ);
        let read = self.source.read_buf(&mut self.buffer);
        received(timeout(self.patience, read).await)
    }
}

impl Writer {
    async fn send(&mut self, request: &Request) -> Result<(), Fault> {
        for part in request
            .parts
            .iter()
            .map(|part| &**part)
            .chain([&*request.tail])
        {
            let mut part = part;
            while !part.is_empty() {
                let written = timeout(self.patience, self.sink.write(part)).await;
                let written = match written.map_err(|_| silent())?.map_err(broken)? {
                    0 => return Err(broken(std::io::ErrorKind::WriteZero.into())),
                    written => written,
                };
                part = part.get(written..).unwrap_or_default();
            }
        }
        Ok(())
    }
}

fn received(
    read: Result<std::io::Result<usize>, tokio::time::error::Elapsed>,
) -> Result<(), Fault> {
    match read {
        Ok(Ok(0)) => Err(Fault::Unavailable("it closed the connection".to_owned())),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(broken(error)),
        Err(_) => Err(silent()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn broken(error: std::io::Error) -> Fault {
    Fault::Unavailable(format!("the connection broke: {error}"))
}

fn silent() -> Fault {
    Fault::Unavailable("it does not answer".to_owned())
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A block of data without its line end.
fn value_of(block: &[u8]) -> Result<&[u8], Fault> {
    let odd = || Fault::garbled(b"a value of another length than it said");
    block.strip_suffix(b"\r\n").ok_or_else(odd)
}

/// The line before a value in the answer to `get` and these names: how many of them come before it
/// that there are not, and how long it is. None at the end of the answer.
fn value_head(line: &[u8], names: &[&str], most: usize) -> Result<Option<(usize, usize)>, Fault> {
    if line == b"END" {
        return Ok(None);
    }
    let mut words = words(line);
    let (Some("VALUE"), Some(name), Some(_), Some(length)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(refusal(line));
    };
    let absent = names.iter().position(|asked| *asked == name);
    match (absent, length_within(length, most)) {
        (Some(absent), Some(length)) => Ok(Some((absent, length))),
        _ => Err(Fault::garbled(line)),
    }
}

/// The words of a line; none from the first on that is no text.
pub fn words(line: &[u8]) -> impl Iterator<Item = &str> {
    let words = line.split(|byte| *byte == b' ');
    words.map_while(|word| std::str::from_utf8(word).ok())
}

fn length_within(word: &str, most: usize) -> Option<usize> {
    word.parse().ok().filter(|length| *length <= most)
}

/// What a server means that answers with none of the words it could be expected to.
pub fn refusal(line: &[u8]) -> Fault {
    match line.strip_prefix(b"SERVER_ERROR ") {
        Some(why) => Fault::Refused(excerpt(why)),
        None => Fault::garbled(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A connection to a server that has already said all it will ever say.
    fn to_one_that_says(said: &[u8]) -> Connection {
        let said = std::io::Cursor::new(said.to_vec());
        Connection::new(Box::new(said), Box::new(tokio::io::sink()), PATIENCE)
    }

    async fn values(said: &[u8]) -> Result<Vec<Option<Bytes>>, Fault> {
        to_one_that_says(said).values(&["a", "b"], 100).await
    }

    #[tokio::test]
    async fn values_are_told_in_the_order_of_their_names() {
        let found = values(b"VALUE b 0 4\r\nx\r\ny\r\nEND\r\n").await;
        assert_eq!(found, Ok(vec![None, Some(Bytes::from_static(b"x\r\ny"))]));
        let found = values(b"VALUE a 7 0\r\n\r\nVALUE b 0 1 99\r\n1\r\nEND\r\n").await;
        assert_eq!(
            found,
            Ok(vec![Some(Bytes::new()), Some(Bytes::from_static(b"1"))])
        );
    }

    #[tokio::test]
    async fn what_is_no_answer_or_half_of_one_is_a_fault() {
        for said in [
            &b""[..],
            b"END",
            b"VALUE a 0 5\r\nabc",
            b"VALUE a 0 3\r\nabcdef\r\nEND\r\n",
            b"VALUE c 0 1\r\n1\r\nEND\r\n",
            b"VALUE b 0 1\r\n1\r\nVALUE a 0 1\r\n1\r\nEND\r\n",
            b"VALUE a 0 18446744073709551615\r\n",
            b"VALUE a 0 101\r\n",
            b"VALUE a 0 -1\r\n",
            b"VALUE a\r\n",
            b"VALUE \xff\xfe 0 1\r\n1\r\nEND\r\n",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"SERVER_ERROR out of memory\r\n",
            b"ERROR\r\n",
            &[b'x'; 10_000],
            &[0; 10_000],
        ] {
            assert!(values(said).await.is_err(), "{}", said.escape_ascii());
        }
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_or_speaks_unasked_does_not_rest() {
        assert!(!to_one_that_says(b"").is_resting());
        assert!(!to_one_that_says(b"END\r\n").is_resting());
        let (ours, theirs) = tokio::io::duplex(64);
        let (read, write) = tokio::io::split(ours);
        let mut connection = Connection::new(Box::new(read), Box::new(write), PATIENCE);
        assert!(connection.is_resting());
        drop(theirs);
        assert!(!connection.is_resting());
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic(said: Vec<u8>, names in 1_usize..3) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.expect("a runtime").block_on(async {
                let names = ["a", "b"].get(..names).unwrap_or_default();
                let _ = to_one_that_says(&said).values(names, 100).await;
                let _ = to_one_that_says(&said).item("a", 100).await;
                let _ = to_one_that_says(&said).lines(&Request::default(), 2).await;
                let mut answer = b"VALUE a 0 ".to_vec();
                answer.extend(&said);
                let _ = to_one_that_says(&answer).values(names, 100).await;
            });
        }
    }
}
