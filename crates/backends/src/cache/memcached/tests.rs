//! On real Memcached servers, which are stopped, held up and started again, and on servers that
//! say what no server should.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Longer than any test takes, so that none depends on how busy the machine is.
const PATIENT: Duration = Duration::from_secs(120);

/// Of a cache that is to find out that a server says nothing.
const IMPATIENT: Duration = Duration::from_millis(500);

/// A Memcached on a port of its own, ended with the test.
struct Daemon {
    port: u16,
    arguments: Vec<&'static str>,
    child: Child,
}

impl Daemon {
    async fn start(arguments: &[&'static str]) -> Self {
        for _ in 0..10 {
            let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = probe.local_addr().unwrap().port();
            drop(probe);
            let child = Self::spawn(port, arguments);
            let mut daemon = Self {
                port,
                arguments: arguments.to_vec(),
                child,
            };
            // Another program may have taken the port first.
            if daemon.is_up().await {
                return daemon;
            }
        }
        panic!("memcached did not start; as root, run: apt-get install memcached");
    }

    fn spawn(port: u16, arguments: &[&str]) -> Child {
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "memcached",
            "-l",
            "127.0.0.1",
            "-m",
            "64",
        ]);
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        command.args(["-p", &port.to_string()]).args(arguments);
        command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    async fn is_up(&mut self) -> bool {
        while self.child.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn start_again(&mut self) {
        self.child = Self::spawn(self.port, &self.arguments);
        assert!(self.is_up().await);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Sends this and reads `count` lines.
    async fn say(&self, text: &str, count: usize) -> Vec<String> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut lines = Vec::new();
        for _ in 0..count {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            lines.push(line.trim_end().to_owned());
        }
        lines
    }

    /// How long a name still lives in seconds; -1 for ever.
    async fn seconds(&self, name: &str) -> i64 {
        let said = self.say(&format!("mg {name} t\r\n"), 1).await;
        said[0].strip_prefix("HD t").unwrap().parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn three() -> [Daemon; 3] {
    [
        Daemon::start(&[]).await,
        Daemon::start(&[]).await,
        Daemon::start(&[]).await,
    ]
}

fn cache(servers: &[Daemon], patience: Duration) -> Memcached {
    let servers: Vec<_> = servers.iter().map(Daemon::address).collect();
    Memcached::new(&format!("//{}", servers.join(",")), "", patience).unwrap()
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!(":1:name:{n}")).collect()
}

/// A name that lives on this server while all are well.
fn name_on(cache: &Memcached, server: usize) -> String {
    let mut names = names(1_000).into_iter();
    names
        .find(|name| cache.pool.spot(name).server == Some(server))
        .unwrap()
}

/// Waits until a server is left out, or is back.
async fn until_out(cache: &Memcached, server: usize, is_out: bool) {
    while cache.pool.servers()[server].is_out() != is_out {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn names_lie_on_the_server_that_wants_them_most() {
    let servers = three().await;
    let cache = cache(&servers, PATIENT);
    let names = names(60);
    let entries: Vec<_> = names
        .iter()
        .map(|name| (name.clone(), bytes(name)))
        .collect();
    cache.set_many(&entries, None).await.unwrap();
    let found = cache.get_many(&names).await.unwrap();
    assert!(
        names
            .iter()
            .zip(found)
            .all(|(name, value)| value == Some(bytes(name)))
    );
    let mut counts = HashMap::new();
    for name in &names {
        let home = cache.pool.spot(name).server.unwrap();
        *counts.entry(home).or_insert(0_u64) += 1;
        let said = servers[home].say(&format!("get {name}\r\n"), 2).await;
        assert_eq!(said[1], *name);
    }
    assert_eq!(counts.len(), 3, "{counts:?}");
    for (home, report) in cache.servers().await.into_iter().enumerate() {
        assert_eq!(report.entries, counts.get(&home).copied());
        assert_eq!(report.fault, None);
        assert!(report.version.is_some() && report.bytes_limit == Some(64 * 1_024 * 1_024));
    }
    assert_eq!(cache.delete_many(&names).await, Ok(60));
    assert_eq!(cache.delete_many(&names).await, Ok(0));
}

#[tokio::test]
async fn a_dead_server_is_left_out_and_comes_back_by_itself() {
    let mut servers = three().await;
    let cache = cache(&servers, PATIENT);
    let all = names(60);
    let entries: Vec<_> = all
        .iter()
        .map(|name| (name.clone(), bytes("old")))
        .collect();
    cache.set_many(&entries, None).await.unwrap();
    let name = name_on(&cache, 1);
    servers[1].stop();
    // The call that finds out misses what lay there, and nothing else.
    let found = cache.get_many(&all).await.unwrap();
    until_out(&cache, 1, true).await;
    assert!(found.iter().filter(|value| value.is_some()).count() >= 20);
    assert!(
        cache
            .pool
            .spot(&name)
            .server
            .is_some_and(|server| server != 1)
    );
    let entries: Vec<_> = all
        .iter()
        .map(|name| (name.clone(), bytes("new")))
        .collect();
    cache.set_many(&entries, None).await.unwrap();
    let found = cache.get_many(&all).await.unwrap();
    assert!(found.iter().all(|value| *value == Some(bytes("new"))));
    let report = cache.servers().await.remove(1);
    assert!(report.fault.is_some(), "{report:?}");

    servers[1].start_again().await;
    until_out(&cache, 1, false).await;
    assert_eq!(cache.pool.spot(&name).server, Some(1));
    cache.set(&name, bytes("newest"), None).await.unwrap();
    assert_eq!(
        servers[1].say(&format!("get {name}\r\n"), 2).await[1],
        "newest"
    );
    assert_eq!(cache.get(&name).await, Ok(Some(bytes("newest"))));
}

#[tokio::test]
async fn a_server_that_was_away_does_not_come_back_with_older_values_nor_do_those_that_stood_in() {
    let servers = three().await;
    let cache = cache(&servers, IMPATIENT);
    let all = names(60);
    let old: Vec<_> = all
        .iter()
        .map(|name| (name.clone(), bytes("old")))
        .collect();
    cache.set_many(&old, None).await.unwrap();
    let theirs: Vec<_> = all
        .iter()
        .filter(|name| cache.pool.spot(name).server == Some(2))
        .cloned()
        .collect();
    let (changed, deleted) = theirs.split_at(theirs.len() / 2);
    assert!(!changed.is_empty() && !deleted.is_empty());

    servers[2].signal(rustix::process::Signal::STOP);
    let new: Vec<_> = changed
        .iter()
        .map(|name| (name.clone(), bytes("new")))
        .collect();
    // The first finds out, the second stores elsewhere.
    let _ = cache.set_many(&new, None).await;
    until_out(&cache, 2, true).await;
    cache.set_many(&new, None).await.unwrap();
    cache.delete_many(deleted).await.unwrap();
    let found = cache.get_many(changed).await.unwrap();
    assert!(found.iter().all(|value| *value == Some(bytes("new"))));
    let elsewhere = cache.pool.spot(&changed[0]).server.unwrap();

    servers[2].signal(rustix::process::Signal::CONT);
    until_out(&cache, 2, false).await;
    let found = cache.get_many(&theirs).await.unwrap();
    assert!(found.iter().all(Option::is_none), "{found:?}");
    let left = servers[elsewhere]
        .say(&format!("get {}\r\n", changed[0]), 1)
        .await;
    assert_eq!(left, ["END"], "what stood in would be found the next time");
}

#[tokio::test]
async fn without_any_server_calls_fail_at_once_and_nothing_panics() {
    let mut servers = [Daemon::start(&[]).await];
    let cache = cache(&servers, PATIENT);
    cache.set(":1:a", bytes("1"), None).await.unwrap();
    servers[0].stop();
    assert!(cache.get(":1:a").await.is_err());
    until_out(&cache, 0, true).await;
    let some = [":1:a".to_owned()];
    for fault in [
        cache.get(":1:a").await.unwrap_err(),
        cache.get_many(&some).await.unwrap_err(),
        cache.set(":1:a", bytes("2"), None).await.unwrap_err(),
        cache.add(":1:a", bytes("2"), None).await.unwrap_err(),
        cache.touch(":1:a", None).await.unwrap_err(),
        cache.count(":1:a", 1).await.unwrap_err(),
        cache.delete_many(&some).await.unwrap_err(),
    ] {
        assert!(fault.is_of_the_backend(), "{fault:?}");
    }
    cache.clear("").await.unwrap();
    assert_eq!(cache.get_many(&[]).await, Ok(Vec::new()));
    assert_eq!(cache.delete_many(&[]).await, Ok(0));
    servers[0].start_again().await;
    until_out(&cache, 0, false).await;
    assert_eq!(cache.get(":1:a").await, Ok(None));
}

#[tokio::test]
async fn numbers_are_counted_below_zero_and_keep_their_time() {
    let server = [Daemon::start(&[]).await];
    let cache = cache(&server, PATIENT);
    let hour = Some(Duration::from_secs(3_600));
    assert_eq!(cache.count(":1:n", 1).await, Ok(None));
    assert_eq!(cache.count(":1:n", -1).await, Ok(None));
    cache.set(":1:n", bytes("2"), hour).await.unwrap();
    for (by, sum) in [(-5, -3), (1, -2), (4, 2), (-2, 0), (1 << 40, 1 << 40)] {
        assert_eq!(cache.count(":1:n", by).await, Ok(Some(sum)));
        assert_eq!(cache.get(":1:n").await, Ok(Some(bytes(&sum.to_string()))));
    }
    assert!((3_500..=3_600).contains(&server[0].seconds(":1:n").await));
    cache.set(":1:n", bytes("-1"), None).await.unwrap();
    assert_eq!(cache.count(":1:n", -1).await, Ok(Some(-2)));
    assert_eq!(server[0].seconds(":1:n").await, -1);
    for (value, by) in [
        (i64::MAX.to_string(), 1),
        (i64::MIN.to_string(), -1),
        ("1".to_owned(), i64::MAX),
        ("text".to_owned(), 1),
        (u64::MAX.to_string(), 1),
        (String::new(), -1),
    ] {
        cache.set(":1:n", bytes(&value), None).await.unwrap();
        assert_eq!(
            cache.count(":1:n", by).await,
            Err(Fault::NotANumber),
            "{value}"
        );
        assert_eq!(cache.get(":1:n").await, Ok(Some(bytes(&value))));
    }
    // Memcached's own counting down, by another program, leaves spaces.
    cache.set(":1:n", bytes("100"), None).await.unwrap();
    server[0].say("decr :1:n 95\r\n", 1).await;
    assert_eq!(cache.count(":1:n", -1).await, Ok(Some(4)));
}

#[tokio::test]
async fn no_count_is_lost_among_many_and_between_processes() {
    let server = [Daemon::start(&[]).await];
    let caches = [
        Arc::new(cache(&server, PATIENT)),
        Arc::new(cache(&server, PATIENT)),
    ];
    caches[0].set(":1:n", bytes("0"), None).await.unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let cache = Arc::clone(&caches[n % 2]);
            let by = if n % 4 < 2 { 3 } else { -4 };
            tokio::spawn(async move { cache.count(":1:n", by).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap().unwrap();
    }
    assert_eq!(caches[0].get(":1:n").await, Ok(Some(bytes("-100"))));
}

#[tokio::test]
async fn only_one_of_many_adds_and_a_value_that_is_there_stays() {
    let server = [Daemon::start(&[]).await];
    let cache = Arc::new(cache(&server, PATIENT));
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { cache.add(":1:a", bytes(&format!("{n}")), None).await })
        })
        .collect();
    let mut added = 0;
    for task in tasks {
        added += usize::from(task.await.unwrap().unwrap());
    }
    assert_eq!(added, 1);
}

#[tokio::test]
async fn times_over_thirty_days_and_for_ever_are_kept() {
    const DAY: u64 = 24 * 60 * 60;
    let server = [Daemon::start(&[]).await];
    let cache = cache(&server, PATIENT);
    for days in [1, 30, 31, 400] {
        let lifetime = Some(Duration::from_secs(days * DAY));
        cache.set(":1:a", bytes("1"), lifetime).await.unwrap();
        let seconds = server[0].seconds(":1:a").await;
        let expected = i64::try_from(days * DAY).unwrap();
        assert!(
            (expected - 120..=expected + 2).contains(&seconds),
            "{days} days: {seconds} s"
        );
    }
    cache.set(":1:a", bytes("1"), None).await.unwrap();
    assert_eq!(server[0].seconds(":1:a").await, -1);
    assert_eq!(
        cache
            .touch(":1:a", Some(Duration::from_secs(60 * DAY)))
            .await,
        Ok(true)
    );
    assert!(server[0].seconds(":1:a").await > 59 * 24 * 60 * 60);
    assert_eq!(cache.touch(":1:nothing", None).await, Ok(false));
}

#[tokio::test]
async fn values_of_all_sizes_are_kept_up_to_what_the_server_takes() {
    let servers = [Daemon::start(&[]).await];
    let small = cache(&servers, PATIENT);
    let name = ":1:a".to_owned();
    let limit = 1_024 * 1_024 - 512 - name.len();
    for size in [0, 1, 4_095, 4_096, 16_384, 100_000, limit] {
        let value: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let value = Bytes::from(value);
        small.set(&name, value.clone(), None).await.unwrap();
        assert_eq!(small.get(&name).await.unwrap().unwrap().len(), value.len());
        assert_eq!(small.get(&name).await, Ok(Some(value)));
    }
    let too_large = Bytes::from(vec![b'x'; limit + 1]);
    let other = (":1:b".to_owned(), bytes("kept"));
    let stored = small
        .set_many(&[(name.clone(), too_large.clone()), other], None)
        .await;
    let bytes_ = limit + 1;
    assert_eq!(
        stored,
        Err(Fault::TooLarge {
            bytes: bytes_,
            most: limit
        })
    );
    assert_eq!(
        small.get(&name).await,
        Ok(None),
        "the older value must not stay"
    );
    assert_eq!(small.get(":1:b").await, Ok(Some(bytes("kept"))));
    assert!(small.add(&name, too_large.clone(), None).await.is_err());
    assert!(small.add(":1:b", too_large, None).await.is_err());
    assert_eq!(small.get(":1:b").await, Ok(Some(bytes("kept"))));
    let huge = Bytes::from(vec![0; 100_000_000]);
    assert!(matches!(
        small.set(&name, huge, None).await,
        Err(Fault::TooLarge { .. })
    ));

    let servers = [Daemon::start(&["-I", "4m"]).await];
    let large = cache(&servers, PATIENT);
    let value = Bytes::from(vec![b'y'; 3_000_000]);
    large.set(&name, value.clone(), None).await.unwrap();
    assert_eq!(large.get(&name).await, Ok(Some(value)));
}

#[tokio::test]
async fn clearing_forgets_what_is_ours_and_nothing_else() {
    let servers = three().await;
    let cache = cache(&servers, PATIENT);
    let ours: Vec<_> = (0..2_500)
        .map(|n| format!("site:{}:Kürs:{n}", n % 3))
        .collect();
    let others = ["site2:1:a", "site:a", "other", ":1:a", "Site:1:a"].map(str::to_owned);
    let all = ours.iter().chain(&others);
    let entries: Vec<_> = all.map(|name| (name.clone(), bytes("1"))).collect();
    cache.set_many(&entries, None).await.unwrap();
    cache.clear("site").await.unwrap();
    let found = cache.get_many(&ours).await.unwrap();
    assert!(found.iter().all(Option::is_none));
    let found = cache.get_many(&others).await.unwrap();
    assert!(found.iter().all(Option::is_some), "{found:?}");
    cache.clear("").await.unwrap();
    let found = cache.get_many(&others).await.unwrap();
    assert_eq!(found.iter().filter(|value| value.is_none()).count(), 1);
}

#[tokio::test]
async fn what_is_cleared_while_a_server_is_away_is_gone_when_it_is_back() {
    let servers = three().await;
    let cache = cache(&servers, IMPATIENT);
    let names = names(60);
    let entries: Vec<_> = names
        .iter()
        .map(|name| (name.clone(), bytes("1")))
        .collect();
    cache.set_many(&entries, None).await.unwrap();
    servers[0].say("set other 0 0 1\r\n1\r\n", 1).await;
    servers[0].signal(rustix::process::Signal::STOP);
    let name = name_on(&cache, 0);
    assert!(cache.get(&name).await.is_err());
    cache.clear("").await.unwrap();
    servers[0].signal(rustix::process::Signal::CONT);
    until_out(&cache, 0, false).await;
    let found = cache.get_many(&names).await.unwrap();
    assert!(found.iter().all(Option::is_none), "{found:?}");
    assert_eq!(servers[0].say("get other\r\n", 2).await[1], "1");
}

#[tokio::test]
async fn a_thousand_askers_share_a_few_connections() {
    let servers = [Daemon::start(&[]).await];
    let cache = Arc::new(cache(&servers, PATIENT));
    cache.set(":1:a", bytes("1"), None).await.unwrap();
    let tasks: Vec<_> = (0..1_000)
        .map(|_| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { cache.get(":1:a").await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(Some(bytes("1"))));
    }
    let report = cache.servers().await.remove(0);
    assert!(report.connections.unwrap() <= 70, "{report:?}");
}

async fn greet_and_say(stream: TcpStream, answer: &[u8]) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while stream
        .read_until(b'\n', &mut line)
        .await
        .is_ok_and(|n| n > 0)
    {
        let is_greeting = line.starts_with(b"stats") || line.starts_with(b"version");
        let said: &[u8] = if is_greeting { b"END\r\n" } else { answer };
        if stream.write_all(said).await.is_err() || !is_greeting {
            return;
        }
        line.clear();
    }
}

/// A server that is no Memcached: says `answer` to everything but the greeting.
async fn one_that_says(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(greet_and_say(stream, answer));
        }
    });
    address
}

#[tokio::test]
async fn garbage_and_half_answers_are_faults_and_the_server_is_left_out() {
    for answer in [
        &b""[..],
        b"VALUE :1:a 0 100\r\nhalf",
        b"VALUE :1:a 0 99999999999\r\n",
        b"VALUE :1:other 0 1\r\n1\r\nEND\r\n",
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        b"\xff\xfe\x00\r\n",
        b"18446744073709551616\r\n",
    ] {
        for call in 0..5 {
            let server = one_that_says(answer).await;
            let cache = Memcached::new(&format!("//{server}"), "", PATIENT).unwrap();
            let fault = match call {
                0 => cache.get(":1:a").await.map(drop),
                1 => cache.set(":1:a", bytes("1"), None).await,
                2 => cache.add(":1:a", bytes("1"), None).await.map(drop),
                3 => cache.count(":1:a", -1).await.map(drop),
                _ => cache.delete_many(&[":1:a".to_owned()]).await.map(drop),
            };
            let fault = fault.unwrap_err();
            assert!(
                fault.is_of_the_backend(),
                "{call} {}: {fault:?}",
                answer.escape_ascii()
            );
            assert!(cache.pool.servers()[0].is_out());
        }
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_out_and_only_one_call_waits_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    let good = Daemon::start(&[]).await;
    let servers = format!("//{silent},{}", good.address());
    let cache = Memcached::new(&servers, "", IMPATIENT).unwrap();
    let name = name_on(&cache, 0);
    assert!(cache.get(&name).await.is_err());
    assert!(cache.pool.servers()[0].is_out());
    // Elsewhere, and at once: nobody answers at the first address.
    cache.set(&name, bytes("1"), None).await.unwrap();
    assert_eq!(cache.get(&name).await, Ok(Some(bytes("1"))));
}

#[tokio::test]
async fn a_cancelled_call_leaves_no_answer_to_the_next_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cache = Memcached::new(&format!("//{address}"), "", PATIENT).unwrap();
    // Given up below.
    let mut first = Box::pin(cache.get(":1:a"));
    // Until the server has read the question and answered half of it.
    let (mut stream, asked) = tokio::select! {
        _ = &mut first => panic!("nothing was answered yet"),
        asked = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = vec![0; 1_000];
            let n = stream.read(&mut text).await.unwrap();
            assert_eq!(&text[..n], b"stats settings\r\n");
            stream.write_all(b"END\r\n").await.unwrap();
            let n = stream.read(&mut text).await.unwrap();
            stream.write_all(b"VALUE :1:a 0 6\r\nsec").await.unwrap();
            text.truncate(n);
            (stream, text)
        } => asked,
    };
    assert_eq!(asked, b"get :1:a\r\n");
    drop(first);
    let _ = stream.write_all(b"ret\r\nEND\r\n").await;
    let second = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = vec![0; 1_000];
        let n = stream.read(&mut text).await.unwrap();
        stream
            .write_all(b"VALUE :1:b 0 2\r\nok\r\nEND\r\n")
            .await
            .unwrap();
        text.truncate(n);
        assert_eq!(text, b"get :1:b\r\n");
    };
    let (found, ()) = tokio::join!(cache.get(":1:b"), second);
    assert_eq!(found, Ok(Some(bytes("ok"))));
}

#[tokio::test]
async fn what_an_abandoned_change_was_about_is_forgotten() {
    let server = [Daemon::start(&[]).await];
    let cache = cache(&server, PATIENT);
    cache.set(":1:a", bytes("old"), None).await.unwrap();
    let mut change = Box::pin(cache.set(":1:a", bytes("new"), None));
    assert!(futures::poll!(&mut change).is_pending());
    drop(change);
    while cache.get(":1:a").await != Ok(None) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn lifetimes_are_seconds_up_to_thirty_days_and_a_time_beyond() {
    const DAY: u64 = 24 * 60 * 60;
    let now = 1_795_000_000;
    let of = |millis| exptime(Some(Duration::from_millis(millis)), now);
    assert_eq!(exptime(None, now), 0);
    assert_eq!((of(0), of(1), of(1_000), of(1_001)), (-1, 1, 1, 2));
    assert_eq!(of(30 * DAY * 1_000), 2_592_000);
    assert_eq!(of(30 * DAY * 1_000 + 1), now + 2_592_001);
    assert_eq!(of(100 * 365 * DAY * 1_000), 0);
    assert_eq!(exptime(Some(Duration::MAX), now), 0);
}
