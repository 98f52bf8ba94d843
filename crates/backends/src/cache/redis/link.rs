//! The one connection to a Redis server, over which all calls go at once, each after the other.
//!
//! It is made by a task of its own, so that a call that gives up does not undo what the next one
//! waits for. When it breaks between two calls (the server was restarted), the next one makes
//! another. When and whether to try at all is [`super::super::guard`]'s.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::super::fault::{Fault, excerpt};
use super::target::Target;

/// How long it may take to connect; calls wait as long as they may and go on without.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How many calls wait to be written before further ones wait to be taken.
const WAITING_CALLS: usize = 1_024;

/// The way to one server.
#[derive(Clone)]
pub struct Link(Arc<Inner>);

struct Inner {
    target: Target,
    state: Mutex<State>,
    moved: Arc<AtomicU64>,
}

enum State {
    Down,
    Connecting(Shared<BoxFuture<'static, Result<Line, Fault>>>),
    Up(Line),
}

/// A connection; ends when its last holder drops it or one of them hangs up.
#[derive(Clone)]
pub struct Line {
    handle: MultiplexedConnection,
    driver: Arc<Driver>,
}

struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Line {
    /// Connects to a server and says who this is. What goes over the wire passes through what `wrap` makes of the stream.
    pub async fn reach<S>(target: &Target, wrap: impl FnOnce(TcpStream) -> S) -> Result<Self, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let cannot =
            |error: io::Error| Fault::Unavailable(format!("cannot be connected to: {error}"));
        let stream = TcpStream::connect((target.host.as_str(), target.port)).await;
        let stream = stream.map_err(cannot)?;
        // Small questions, each of which is waited for.
        stream.set_nodelay(true).map_err(cannot)?;
        let stream = wrap(stream);
        match &target.tls {
            None => Self::greet(target, stream).await,
            Some((tls, name)) => {
                let secret = tls.connect(name.clone(), stream).await;
                Self::greet(target, secret.map_err(cannot)?).await
            }
        }
    }

    async fn greet<S>(target: &Target, stream: S) -> Result<Self, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_pipeline_buffer_size(WAITING_CALLS);
        let greeted = MultiplexedConnection::new_with_config(&target.login, stream, config).await;
        let (handle, driver) = greeted.map_err(|error| explain(&error))?;
        let driver = Arc::new(Driver(tokio::spawn(driver).abort_handle()));
        Ok(Self { handle, driver })
    }

    fn is_dead(&self) -> bool {
        self.driver.0.is_finished()
    }

    /// The answer to one command; that it is refused is a fault.
    pub async fn ask(&mut self, command: &Cmd) -> Result<Value, Fault> {
        Ok(self.send(command).await?)
    }

    /// The answers to several, in one round trip.
    pub async fn ask_all(&mut self, commands: &Pipeline) -> Result<Vec<Value>, Fault> {
        Ok(self.send_all(commands).await?)
    }

    async fn send(&mut self, command: &Cmd) -> Result<Value, Failure> {
        understand(self.handle.send_packed_command(command).await?)
    }

    async fn send_all(&mut self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        let sent = self
            .handle
            .send_packed_commands(commands, 0, commands.len());
        let answers = sent.await?;
        if answers.len() != commands.len() {
            return Err(Fault::Garbled("another number of answers".to_owned()).into());
        }
        answers.into_iter().map(understand).collect()
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.place())
    }
}

impl Link {
    /// The way to this server; goes nowhere yet.
    pub fn new(target: Target) -> Self {
        Self(Arc::new(Inner {
            target,
            state: Mutex::new(State::Down),
            moved: Arc::default(),
        }))
    }

    /// Where the server is, without user and password.
    pub fn place(&self) -> &str {
        &self.0.target.place
    }

    /// How many bytes went either way.
    pub fn bytes_moved(&self) -> u64 {
        self.0.moved.load(Ordering::Relaxed)
    }

    /// Hangs up: those who wait for answers get none.
    pub fn reset(&self) {
        let mut state = self.0.state();
        if let State::Up(line) = &*state {
            line.driver.0.abort();
            *state = State::Down;
        }
    }

    /// Asks for something that may be asked twice: once more when the connection turns out to have
    /// been broken.
    pub async fn ask(&self, command: &Cmd) -> Result<Value, Fault> {
        match self.send(command).await {
            Err(failure) if failure.is_dropped => self.ask_once(command).await,
            sent => Ok(sent?),
        }
    }

    /// Asks for something that must not be done twice.
    pub async fn ask_once(&self, command: &Cmd) -> Result<Value, Fault> {
        Ok(self.send(command).await?)
    }

    /// As [`Link::ask`], for several commands in one round trip; the first that is refused is the
    /// fault of all.
    pub async fn ask_all(&self, commands: &Pipeline) -> Result<Vec<Value>, Fault> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        match self.send_all(commands).await {
            Err(failure) if failure.is_dropped => Ok(self.send_all(commands).await?),
            sent => Ok(sent?),
        }
    }

    async fn send(&self, command: &Cmd) -> Result<Value, Failure> {
        self.line().await?.send(command).await
    }

    async fn send_all(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        self.line().await?.send_all(commands).await
    }

    async fn line(&self) -> Result<Line, Fault> {
        let connecting = {
            let mut state = self.0.state();
            match &*state {
                State::Up(line) if !line.is_dead() => return Ok(line.clone()),
                State::Connecting(connecting) => connecting.clone(),
                _ => {
                    let connecting = self.connect();
                    *state = State::Connecting(connecting.clone());
                    connecting
                }
            }
        };
        connecting.await
    }

    fn connect(&self) -> Shared<BoxFuture<'static, Result<Line, Fault>>> {
        let inner = Arc::clone(&self.0);
        let task = tokio::spawn(async move {
            let line = tokio::time::timeout(CONNECT_TIMEOUT, inner.dial()).await;
            let line = line.unwrap_or_else(|_| {
                Err(Fault::Unavailable(
                    "cannot be connected to in time".to_owned(),
                ))
            });
            *inner.state() = match &line {
                Ok(line) => State::Up(line.clone()),
                Err(_) => State::Down,
            };
            line
        });
        let given_up = |_| Err(Fault::Unavailable("connecting was given up".to_owned()));
        async move { task.await.unwrap_or_else(given_up) }
            .boxed()
            .shared()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Replaced whole, whatever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn dial(&self) -> Result<Line, Fault> {
        let moved = Arc::clone(&self.moved);
        Line::reach(&self.target, |stream| Counted { stream, moved }).await
    }
}

/// Why there is no answer.
struct Failure {
    fault: Fault,
    /// Whether the connection broke, so that another may do better.
    is_dropped: bool,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            is_dropped: false,
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self {
            fault: explain(&error),
            is_dropped: error.is_connection_dropped(),
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        failure.fault
    }
}

/// Takes an answer that says no as what it is.
fn understand(answer: Value) -> Result<Value, Failure> {
    match answer {
        Value::ServerError(error) => Err(RedisError::from(error).into()),
        answer => Ok(answer),
    }
}

/// What a fault of the client's means to us. What the server says is shown only as far as it holds
/// no values.
fn explain(error: &RedisError) -> Fault {
    let detail = error.detail().unwrap_or_default();
    let said = || excerpt(format!("{} {detail}", error.code().unwrap_or("ERR")).as_bytes());
    match error.kind() {
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            Fault::Garbled("not the protocol of Redis".to_owned())
        }
        ErrorKind::AuthenticationFailed => {
            Fault::Unavailable("it does not accept user and password".to_owned())
        }
        ErrorKind::Server(ServerErrorKind::ResponseError)
            if detail.contains("not an integer") || detail.contains("would overflow") =>
        {
            Fault::NotANumber
        }
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain,
        ) => Fault::Unavailable(said()),
        ErrorKind::Extension if matches!(error.code(), Some("NOAUTH" | "WRONGPASS")) => {
            Fault::Unavailable("it does not accept user and password".to_owned())
        }
        ErrorKind::Server(_) | ErrorKind::Extension => Fault::Refused(said()),
        _ if error.is_connection_dropped() => {
            Fault::Unavailable("the connection broke off".to_owned())
        }
        _ => Fault::Unavailable(excerpt(error.to_string().as_bytes())),
    }
}

/// A stream that counts what it carries.
struct Counted {
    stream: TcpStream,
    moved: Arc<AtomicU64>,
}

impl Counted {
    fn count(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.count(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.count(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
