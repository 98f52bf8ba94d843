//! The cache: a read from memory in nanoseconds, and reads from Redis and Memcached against their
//! bare clients, on the same server.

use crate::rounds::Side;
use crate::server::{Server, free_port};
use crate::{Common, Outcome};
use async_memcached::AsciiProtocol as _;
use backends::cache::{Cache, Timeout};
use bytes::Bytes;
use redis::AsyncCommands as _;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// Nanoseconds that a read from memory may take.
const MEMORY_GOAL: f64 = 300.0;
/// The least share of a bare client's rate.
const CLIENT_GOAL: f64 = 0.8;

const KEYS: usize = 10_000;
const VALUE_BYTES: usize = 500;
/// Reads of one turn in memory.
const READS: usize = 1_000_000;
/// Keys of one read of many.
const MANY: usize = 100;
/// Callers at once, where there are several.
const CALLERS: usize = 32;

/// Memory, then each server with its client in turn.
pub fn measure(common: &Common, seconds: u64) -> Outcome {
    let folder = tempfile::tempdir_in(&common.disk)?;
    let time = Duration::from_secs(seconds);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(memory(common.rounds))?;

    let port = free_port()?;
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    command
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path());
    let _redis = Server::start(&mut command, port)?;
    runtime.block_on(redis(common.rounds, port, time))?;

    let port = free_port()?;
    let mut command = Command::new("memcached");
    command.args([
        "-l",
        "127.0.0.1",
        "-p",
        &port.to_string(),
        "-U",
        "0",
        "-u",
        "root",
    ]);
    let _memcached = Server::start(&mut command, port)?;
    runtime.block_on(memcached(common.rounds, port, time))
}

fn keys() -> Vec<String> {
    (0..KEYS)
        .map(|number| format!("page:/course/{number}/"))
        .collect()
}

async fn fill(cache: &Cache, keys: &[String]) -> Outcome {
    let value = Bytes::from(vec![b'x'; VALUE_BYTES]);
    for key in keys {
        cache
            .set_bytes(key, value.clone(), Timeout::Forever)
            .await?;
    }
    Ok(())
}

async fn memory(rounds: usize) -> Outcome {
    let cache = Cache::open("memory:")?;
    let keys = keys();
    fill(&cache, &keys).await?;
    cache.set("count:one", &7_i64, Timeout::Forever).await?;
    let mut bytes = Side::new("memory, bytes", "ns/get");
    let mut number = Side::new("memory, a number", "ns/get");
    for _ in 0..rounds {
        let began = Instant::now();
        for key in keys.iter().cycle().take(READS) {
            let found = cache.get_bytes(black_box(key)).await?;
            black_box(found.ok_or("a value is missing")?);
        }
        bytes.push(began.elapsed().as_nanos() as f64 / READS as f64);
        let began = Instant::now();
        for _ in 0..READS {
            black_box(cache.get::<i64>(black_box("count:one")).await?);
        }
        number.push(began.elapsed().as_nanos() as f64 / READS as f64);
    }
    for side in [&bytes, &number] {
        side.print();
        let verdict = if side.median() < MEMORY_GOAL {
            "reached"
        } else {
            "MISSED"
        };
        println!("{:<28} under {MEMORY_GOAL:.0} ns: {verdict}", "");
    }
    Ok(())
}

/// How often `read` is done in `time` by each of `callers`, a second.
async fn rate<F, R>(callers: usize, time: Duration, caller: impl Fn(usize) -> F) -> Outcome<f64>
where
    F: FnMut(usize) -> R + Send + 'static,
    R: Future<Output = Outcome> + Send,
{
    let began = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|number| {
            let mut read = caller(number);
            tokio::spawn(async move {
                let mut count = 0_usize;
                while began.elapsed() < time {
                    read(count * 31 % KEYS).await?;
                    count += 1;
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(count)
            })
        })
        .collect();
    let mut all = 0;
    for task in tasks {
        all += task.await??;
    }
    Ok(all as f64 / began.elapsed().as_secs_f64())
}

/// One read after the other through the cache.
async fn through(cache: &Cache, callers: usize, time: Duration) -> Outcome<f64> {
    let keys = std::sync::Arc::new(keys());
    rate(callers, time, |_| {
        let (cache, keys) = (cache.clone(), std::sync::Arc::clone(&keys));
        move |index| {
            let (cache, keys) = (cache.clone(), std::sync::Arc::clone(&keys));
            async move {
                let key = keys.get(index).ok_or("no such key")?;
                let found = cache.get_bytes(key).await?;
                black_box(found.ok_or("a value is missing")?);
                Ok(())
            }
        }
    })
    .await
}

/// One get of the bare client.
async fn bare_get(
    mut bare: redis::aio::MultiplexedConnection,
    names: std::sync::Arc<Vec<String>>,
    index: usize,
) -> Outcome {
    let name = names.get(index).ok_or("no such name")?;
    let found: Option<Vec<u8>> = bare.get(name).await?;
    black_box(found.ok_or("a value is missing")?);
    Ok(())
}

async fn redis(rounds: usize, port: u16, time: Duration) -> Outcome {
    let cache = Cache::open(&format!("redis://127.0.0.1:{port}?wait=1000"))?;
    let keys = keys();
    fill(&cache, &keys).await?;
    let mut names = Vec::new();
    for key in &keys {
        names.push(cache.name(key)?);
    }
    let names = std::sync::Arc::new(names);
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}"))?;
    let bare = client.get_multiplexed_async_connection().await?;
    for callers in [1, CALLERS] {
        let mut ours = Side::new(format!("Redis, {callers} at once"), "gets/s");
        let mut theirs = Side::new(format!("its client, {callers} at once"), "gets/s");
        for _ in 0..rounds {
            ours.push(through(&cache, callers, time).await?);
            let rate = rate(callers, time, |_| {
                let (bare, names) = (bare.clone(), std::sync::Arc::clone(&names));
                move |index| bare_get(bare.clone(), std::sync::Arc::clone(&names), index)
            });
            theirs.push(rate.await?);
        }
        print(&ours, &theirs);
    }
    let mut ours = Side::new(format!("Redis, {MANY} keys"), "calls/s");
    let mut theirs = Side::new(format!("its client, {MANY} keys"), "calls/s");
    let some = keys.get(..MANY).unwrap_or_default();
    let by_name = names.get(..MANY).unwrap_or_default();
    for _ in 0..rounds {
        let (began, mut count) = (Instant::now(), 0_u32);
        while began.elapsed() < time {
            black_box(cache.get_many_bytes(some).await?);
            count += 1;
        }
        ours.push(f64::from(count) / began.elapsed().as_secs_f64());
        let (began, mut count, mut bare) = (Instant::now(), 0_u32, bare.clone());
        while began.elapsed() < time {
            let found: Vec<Option<Vec<u8>>> = bare.mget(by_name).await?;
            black_box(found);
            count += 1;
        }
        theirs.push(f64::from(count) / began.elapsed().as_secs_f64());
    }
    print(&ours, &theirs);
    Ok(())
}

async fn memcached(rounds: usize, port: u16, time: Duration) -> Outcome {
    let cache = Cache::open(&format!("memcached://127.0.0.1:{port}?wait=1000"))?;
    let keys = keys();
    fill(&cache, &keys).await?;
    let mut bare = async_memcached::Client::new(format!("tcp://127.0.0.1:{port}")).await?;
    let mut ours = Side::new("Memcached, 1 at once", "gets/s");
    let mut theirs = Side::new("async-memcached, 1 at once", "gets/s");
    for _ in 0..rounds {
        ours.push(through(&cache, 1, time).await?);
        let (began, mut count) = (Instant::now(), 0_usize);
        while began.elapsed() < time {
            let key = keys.get(count * 31 % KEYS).ok_or("no such key")?;
            let found = bare.get(cache.name(key)?).await?;
            black_box(found.ok_or("a value is missing")?);
            count += 1;
        }
        theirs.push(count as f64 / began.elapsed().as_secs_f64());
    }
    print(&ours, &theirs);
    Ok(())
}

fn print(ours: &Side, theirs: &Side) {
    ours.print();
    theirs.print();
    ours.print_ratio(theirs, CLIENT_GOAL);
}
