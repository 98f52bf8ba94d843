//! A proxy in front of a store that does to requests what bad networks and busy stores do to them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is done to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status, and the store hears nothing of it.
    Answer(u16),
    /// The connection ends after so many bytes of the store's answer.
    CutAnswer(usize),
    /// The connection ends when so many bytes of it have been read; the store hears nothing of it.
    CutRequest(usize),
    /// The store does what it is asked, and the connection ends without an answer.
    LoseAnswer,
    /// The store hears of it so much later.
    Delay(Duration),
}

/// Which requests it is done to: their method, a word in their address, and how many of them.
struct Rule {
    method: &'static str,
    word: &'static str,
    left: usize,
    fault: Fault,
}

/// The proxy, as long as the test runs.
#[derive(Clone)]
pub struct Proxy {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    rules: Arc<Mutex<VecDeque<Rule>>>,
    seen: Arc<Mutex<Vec<String>>>,
    held: Arc<Mutex<Held>>,
}

/// Bytes of requests that the store has not been given yet.
#[derive(Default)]
struct Held {
    now: usize,
    most: usize,
}

/// A request whose bytes are held, as long as this lives.
struct Holding<'a>(&'a Proxy, usize);

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.held.lock().unwrap().now -= self.1;
    }
}

impl Proxy {
    /// Stands in front of the store that the run has started.
    pub async fn start() -> Self {
        let store = std::env::var("LYCEUM_TEST_S3").expect("LYCEUM_TEST_S3 names the store");
        let store = store.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            rules: Arc::default(),
            seen: Arc::default(),
            held: Arc::default(),
        };
        tokio::spawn(proxy.clone().serve(listener, store));
        proxy
    }

    async fn serve(self, listener: TcpListener, store: String) {
        while let Ok((client, _)) = listener.accept().await {
            let (proxy, store) = (self.clone(), store.clone());
            // A client that has given up is no fault of the proxy's.
            tokio::spawn(async move { proxy.pass(client, &store).await.ok() });
        }
    }

    /// Does something to the next `times` requests of a method (any when it is empty) with a word in their
    /// address.
    pub fn fail(&self, method: &'static str, word: &'static str, times: usize, fault: Fault) {
        self.rules.lock().unwrap().push_back(Rule {
            method,
            word,
            left: times,
            fault,
        });
    }

    /// Leaves all requests alone from here on.
    pub fn heal(&self) {
        self.rules.lock().unwrap().clear();
    }

    /// Method and address of every request so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The most bytes that clients ever had on their way to the store at once.
    pub fn most_at_once(&self) -> usize {
        self.held.lock().unwrap().most
    }

    fn hold(&self, bytes: usize) -> Holding<'_> {
        let mut held = self.held.lock().unwrap();
        held.now += bytes;
        held.most = held.most.max(held.now);
        Holding(self, bytes)
    }

    fn fault(&self, line: &str) -> Option<Fault> {
        let (method, address) = line.split_once(' ').unwrap_or((line, ""));
        self.seen.lock().unwrap().push(format!(
            "{method} {}",
            address.trim_end_matches(" HTTP/1.1")
        ));
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| {
            rule.left > 0
                && (rule.method.is_empty() || rule.method == method)
                && address.contains(rule.word)
        })?;
        rule.left -= 1;
        Some(rule.fault)
    }

    /// One request on one connection.
    async fn pass(&self, mut client: TcpStream, store: &str) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        let end = loop {
            if client.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let line = head.lines().next().unwrap_or_default().to_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        let whole = end + 4 + length.unwrap_or(0);
        let fault = self.fault(&line);
        let holding = self.hold(length.unwrap_or(0));
        while bytes.len() < whole {
            if let Some(Fault::CutRequest(most)) = fault
                && bytes.len() >= most
            {
                return Ok(());
            }
            if client.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
        match fault {
            Some(Fault::CutRequest(_)) => return Ok(()),
            Some(Fault::Answer(status)) => {
                let body = "<Error><Code>Injected</Code></Error>";
                let answer = format!(
                    "HTTP/1.1 {status} Injected\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                client.write_all(answer.as_bytes()).await?;
                return client.shutdown().await;
            }
            // A slow store is the thing to be tested here.
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        let mut upstream = TcpStream::connect(store).await?;
        upstream.write_all(&bytes[..end]).await?;
        upstream.write_all(b"\r\nConnection: close").await?;
        upstream.write_all(&bytes[end..whole]).await?;
        // Before the client has its answer, after which it may send more.
        drop(holding);
        relay(upstream, client, fault).await
    }
}

async fn relay(
    mut upstream: TcpStream,
    mut client: TcpStream,
    fault: Option<Fault>,
) -> std::io::Result<()> {
    let mut left = match fault {
        Some(Fault::CutAnswer(most)) => most,
        Some(Fault::LoseAnswer) => 0,
        _ => usize::MAX,
    };
    let mut piece = vec![0; 64 << 10];
    loop {
        let count = upstream.read(&mut piece).await?;
        if count == 0 {
            return client.shutdown().await;
        }
        let passed = count.min(left);
        client.write_all(&piece[..passed]).await?;
        left -= passed;
        // Of an answer that is lost the store has said all, hence done all.
        if left == 0 && fault != Some(Fault::LoseAnswer) {
            return Ok(());
        }
    }
}
