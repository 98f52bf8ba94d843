//! Servers that are busy, or say what no server should, and callers that go away.

use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::super::pool::ROUNDS;
use super::super::server::MOST_CONNECTIONS;
use super::*;
use crate::cache::Timeout;
use crate::cache::backend::Backend;

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
    until("it is forgotten", async || {
        (cache.get(":1:a").await == Ok(None)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_busy_server_makes_nobody_wait_for_a_deletion_and_shows_nothing_that_was_to_go() {
    let server = Daemon::start(&[]).await;
    let url = format!("memcached://{}?wait=200", server.address());
    let cache = crate::cache::Cache::open(&url).unwrap();
    let Backend::Memcached(memcached) = cache.layers.guard.backend() else {
        panic!("another backend");
    };
    // On a busy machine the first calls may come too late.
    for key in ["k", "l"] {
        until("it is stored", async || {
            cache.set(key, "old", Timeout::Forever).await.unwrap();
            cache.has(key).await.unwrap().then_some(())
        })
        .await;
    }
    let busy = &memcached.pool.servers()[0];
    let all = busy.turns.acquire_many(MOST_CONNECTIONS).await.unwrap();
    cache.delete("k").await.unwrap();
    assert!(!busy.is_out(), "it is busy, not dead");
    assert_eq!(cache.report().await.owed.map(|owed| owed > 0), Some(true));
    drop(all);
    assert_eq!(cache.get::<String>("k").await.unwrap(), None);
    until("it is forgotten there", async || {
        let is_paid = cache.report().await.owed == Some(0);
        let said = server.say("get :1:k\r\n", 1).await;
        (is_paid && said == ["END"]).then_some(())
    })
    .await;
    assert_eq!(server.say("get :1:l\r\n", 2).await[1], "\"old\"");
}

async fn take_all_turns(cache: Memcached) {
    let turns = &cache.pool.servers()[0].turns;
    turns.acquire_many(MOST_CONNECTIONS).await.unwrap().forget();
}

/// Says what a Memcached says to what a server is told that comes back, until all turns are taken from those who
/// would tell it something; misses another name at each deletion until then.
async fn come_back(stream: TcpStream, cache: Memcached, told: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|n| n > 0) {
        let said = match line.trim_end() {
            "stats settings" => "END\r\n",
            "version" => "VERSION 1.6.0\r\n",
            _ => "NOT_FOUND\r\n",
        };
        if let Some(name) = line.trim_end().strip_prefix("delete ") {
            let count = {
                let mut told = told.lock().unwrap();
                told.push(name.to_owned());
                told.len()
            };
            cache.pool.servers()[0].miss(&format!("n{count}"));
            if count == ROUNDS {
                let mut take_all = Box::pin(take_all_turns(cache.clone()));
                // The last one when this answer is read.
                assert!(futures::poll!(&mut take_all).is_pending());
                tokio::spawn(take_all);
            }
        }
        if stream.write_all(said.as_bytes()).await.is_err() {
            return;
        }
        line.clear();
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_told_what_it_missed_last_is_not_used() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cache = Memcached::new(&format!("//{address}"), "", IMPATIENT).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (there, heard) = (cache.clone(), Arc::clone(&told));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(come_back(stream, there.clone(), Arc::clone(&heard)));
        }
    });
    let server = &cache.pool.servers()[0];
    let away = async { Err::<(), _>(Fault::Unavailable("gone".to_owned())) };
    cache.pool.ask(0, away).await.unwrap_err();
    assert!(server.miss("n0"));
    until("it is left out for that", async || {
        matches!(server.fault(), Some(Fault::Refused(_))).then_some(())
    })
    .await;
    assert_eq!(told.lock().unwrap().len(), ROUNDS);
    server.turns.add_permits(MOST_CONNECTIONS as usize);
    until("it was told", async || {
        let last = format!("n{ROUNDS}");
        told.lock().unwrap().contains(&last).then_some(())
    })
    .await;
}
