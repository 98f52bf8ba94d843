//! What this process answers: how much, how it ended, how long it took, and how many connections stay open.
//!
//! Counted around the whole site, kept pages included, so that it has to cost next to nothing: two additions to
//! relaxed atomics and two looks at the clock a request. The atomics of a thread lie in cache lines that only few other
//! threads write.

use super::timings::{CLASSES, Timings, class_of};
use crate::app::App;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tower_service::Service;

/// Threads share these; a power of two.
const SHARDS: usize = 8;

/// A body from this size on is a file: how long it takes says how fast its sender is.
const FILE_BYTES: u64 = 1 << 20;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pages and their forms.
    Page,
    /// The API for programs.
    Api,
    /// Stored files.
    Media,
    /// Scripts, styles, fonts.
    Asset,
    /// Files on their way here.
    Upload,
    /// Streams of events and sockets, which stay open.
    Stream,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Page,
        Self::Api,
        Self::Media,
        Self::Asset,
        Self::Upload,
        Self::Stream,
    ];

    /// Its label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Api => "api",
            Self::Media => "media",
            Self::Asset => "asset",
            Self::Upload => "upload",
            Self::Stream => "stream",
        }
    }

    /// Of a path.
    pub fn of(path: &str) -> Self {
        let first = path.trim_start_matches('/').split('/').next();
        match first.unwrap_or("") {
            "api" => Self::Api,
            "media" => Self::Media,
            "static" | "favicon.ico" => Self::Asset,
            "uploads" => Self::Upload,
            "events" | "ws" => Self::Stream,
            _ => Self::Page,
        }
    }
}

/// How answers ended, by the first digit of their status.
pub const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

fn status_of(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100).clamp(1, STATUSES.len()) - 1
}

/// A cache line, or two where processors fetch two at once.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    requests: [[AtomicU64; STATUSES.len()]; Kind::ALL.len()],
    timings: [[AtomicU64; CLASSES]; Kind::ALL.len()],
    micros: [AtomicU64; Kind::ALL.len()],
    kept: AtomicU64,
}

/// What this process answers. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    shards: [Shard; SHARDS],
    open: AtomicU64,
}

/// A stream or socket that is open; dropping it ends the count.
#[derive(Debug)]
pub struct Open(Traffic);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Relaxed);
    }
}

/// What was counted since the process began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests by kind and status, as [`Kind::ALL`] and `STATUSES` have them.
    pub requests: [[u64; STATUSES.len()]; Kind::ALL.len()],
    /// How long they took, by kind; without streams and files on their way.
    pub timings: [Timings; Kind::ALL.len()],
    /// The same in sum, in microseconds.
    pub micros: [u64; Kind::ALL.len()],
    /// Requests whose answer was kept already.
    pub kept: u64,
}

impl Counted {
    /// All requests.
    pub fn all(&self) -> u64 {
        self.requests.iter().flatten().sum()
    }

    /// Requests that ended in a fault of the site.
    pub fn errors(&self) -> u64 {
        let faults = self
            .requests
            .iter()
            .filter_map(|by_status| by_status.last());
        faults.sum()
    }

    /// How long all of them took.
    pub fn all_timings(&self) -> Timings {
        let mut all = Timings::default();
        for timings in &self.timings {
            all.add(timings);
        }
        all
    }
}

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Which shard this thread writes: the next one, at its first request.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(NEXT.fetch_add(1, Relaxed) % SHARDS);
        }
        shard.get()
    })
}

impl Traffic {
    /// The answer that is on its way was kept already.
    pub fn was_kept(&self) {
        if let Some(shard) = self.0.shards.get(shard()) {
            shard.kept.fetch_add(1, Relaxed);
        }
    }

    /// A stream or socket is open until the answer is dropped.
    pub fn opened(&self) -> Open {
        self.0.open.fetch_add(1, Relaxed);
        Open(self.clone())
    }

    /// How many streams and sockets are open.
    pub fn open(&self) -> u64 {
        self.0.open.load(Relaxed)
    }

    /// A request was answered. `took`: none where that tells nothing of the site.
    pub fn answered(&self, kind: Kind, status: StatusCode, took: Option<Duration>) {
        let kind = kind as usize;
        let Some(shard) = self.0.shards.get(shard()) else {
            return;
        };
        let requests = shard.requests.get(kind);
        if let Some(count) = requests.and_then(|by_status| by_status.get(status_of(status))) {
            count.fetch_add(1, Relaxed);
        }
        let Some(took) = took else {
            return;
        };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let classes = shard.timings.get(kind);
        if let Some(count) = classes.and_then(|classes| classes.get(class_of(micros))) {
            count.fetch_add(1, Relaxed);
        }
        if let Some(sum) = shard.micros.get(kind) {
            sum.fetch_add(micros, Relaxed);
        }
    }

    /// What was counted until now.
    pub fn counted(&self) -> Counted {
        let mut counted = Counted::default();
        for shard in &self.0.shards {
            counted.kept += shard.kept.load(Relaxed);
            let sums = counted.requests.iter_mut().flatten();
            for (sum, count) in sums.zip(shard.requests.iter().flatten()) {
                *sum += count.load(Relaxed);
            }
            for (sum, count) in counted.micros.iter_mut().zip(&shard.micros) {
                *sum += count.load(Relaxed);
            }
            for (timings, classes) in counted.timings.iter_mut().zip(&shard.timings) {
                let counts = classes.iter().map(|count| count.load(Relaxed));
                timings.add(&Timings::of(counts));
            }
        }
        counted
    }
}

/// Whether how long the answer takes tells something of the site.
fn is_timed(kind: Kind, headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
    let is_file = length.is_some_and(|bytes: u64| bytes >= FILE_BYTES);
    !(is_file
        || headers.contains_key(TRANSFER_ENCODING)
        || matches!(kind, Kind::Upload | Kind::Stream))
}

/// Counts what is answered where no page is kept.
pub async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let kind = Kind::of(request.uri().path());
    let began = is_timed(kind, request.headers()).then(Instant::now);
    let response = next.run(request).await;
    let took = began.map(|began| began.elapsed());
    app.traffic.answered(kind, response.status(), took);
    response
}

/// A service whose answers are counted.
#[derive(Clone, Debug)]
pub struct Watched<S> {
    inner: S,
    traffic: Traffic,
}

impl<S> Watched<S> {
    /// Counts what this service answers.
    pub fn new(inner: S, traffic: &Traffic) -> Self {
        Self {
            inner,
            traffic: traffic.clone(),
        }
    }
}

impl<S> Service<Request> for Watched<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let kind = Kind::of(request.uri().path());
        let began = is_timed(kind, request.headers()).then(Instant::now);
        Answering {
            inner: self.inner.call(request),
            traffic: self.traffic.clone(),
            kind,
            began,
        }
    }
}

/// An answer on its way.
#[derive(Debug)]
pub struct Answering<F> {
    inner: F,
    traffic: Traffic,
    kind: Kind,
    began: Option<Instant>,
}

impl<F, E> Future for Answering<F>
where
    F: Future<Output = Result<Response, E>> + Unpin,
{
    type Output = Result<Response, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = ready!(Pin::new(&mut self.inner).poll(context));
        if let Ok(response) = &answered {
            let took = self.began.map(|began| began.elapsed());
            self.traffic.answered(self.kind, response.status(), took);
        }
        Poll::Ready(answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_what_was_asked_for() {
        for (path, kind) in [
            ("/", Kind::Page),
            ("/course/winds/", Kind::Page),
            ("/apiary/", Kind::Page),
            ("/api/courses/", Kind::Api),
            ("/media/7/video.mp4", Kind::Media),
            ("/static/abc/css/site.css", Kind::Asset),
            ("/uploads/7", Kind::Upload),
            ("/events/", Kind::Stream),
            ("/ws/chat/room/7/", Kind::Stream),
        ] {
            assert_eq!(Kind::of(path), kind, "{path}");
        }
    }

    #[test]
    fn what_several_threads_count_adds_up() {
        let traffic = Traffic::default();
        let ask = || {
            let took = Some(Duration::from_millis(3));
            for _ in 0..100 {
                traffic.answered(Kind::Api, StatusCode::OK, took);
                traffic.was_kept();
            }
            traffic.answered(Kind::Page, StatusCode::SERVICE_UNAVAILABLE, None);
        };
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(ask);
            }
        });
        let counted = traffic.counted();
        assert_eq!(
            (counted.all(), counted.errors(), counted.kept),
            (2_020, 20, 2_000)
        );
        assert_eq!(counted.all_timings().count(), 2_000);
        assert_eq!(counted.micros.iter().sum::<u64>(), 2_000 * 3_000);
    }

    #[test]
    fn what_is_open_is_counted_until_it_is_dropped() {
        let traffic = Traffic::default();
        let open = [traffic.opened(), traffic.opened()];
        assert_eq!(traffic.open(), 2);
        drop(open);
        assert_eq!(traffic.open(), 0);
    }

    #[test]
    fn files_and_streams_are_counted_and_not_timed() {
        let with = |name, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            headers
        };
        assert!(is_timed(Kind::Page, &HeaderMap::new()));
        assert!(is_timed(Kind::Page, &with(CONTENT_LENGTH, "1000")));
        assert!(!is_timed(Kind::Page, &with(CONTENT_LENGTH, "1048576")));
        assert!(!is_timed(Kind::Page, &with(TRANSFER_ENCODING, "chunked")));
        assert!(!is_timed(Kind::Stream, &HeaderMap::new()));
    }
}
