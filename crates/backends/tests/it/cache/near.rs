//! Memory in front of a server, on two nodes that hear each other by the bus.

use std::time::Duration;

use backends::bus::{Bus, BusDatabase, events_table};
use backends::cache::{Cache, Surroundings, Timeout};
use backends::clock::Clock;
use sea_orm::ConnectionTrait as _;
use tempfile::TempDir;

use super::servers::Server;
use super::{connect, until};

const LONG: Timeout = Timeout::After(Duration::from_secs(1_000));

struct Node {
    cache: Cache,
    bus: Bus,
}

async fn node(folder: &TempDir, server: &Server) -> Node {
    let url = format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("site.db").display()
    );
    let database = BusDatabase {
        read: connect(&url, 2).await,
        write: connect(&url, 1).await,
        url,
        clock: Clock::system(),
        site: "one".to_owned(),
    };
    let bus = Bus::open("database:", Some(database)).await.unwrap();
    let mut surroundings = Surroundings::only(Clock::system());
    surroundings.bus = Some(bus.clone());
    let url = format!("redis://{}?wait=60000&near_bytes=1000000", server.address());
    let cache = Cache::open_in(&url, &surroundings).unwrap();
    Node { cache, bus }
}

async fn two_nodes() -> (TempDir, Server, Node, Node) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("site.db").display()
    );
    connect(&url, 1)
        .await
        .execute(&events_table())
        .await
        .unwrap();
    let server = Server::redis().await;
    let (one, other) = (node(&folder, &server).await, node(&folder, &server).await);
    (folder, server, one, other)
}

async fn near_hits(node: &Node) -> u64 {
    node.cache.report().await.near.unwrap().hits
}

#[tokio::test]
async fn what_was_read_is_read_from_memory_until_another_node_changes_it() {
    let (_folder, _server, one, other) = two_nodes().await;
    one.cache.set("k", &1, LONG).await.unwrap();
    assert_eq!(one.cache.get::<i64>("k").await.unwrap(), Some(1));
    // A node hears of its own change too, and asks the server once more.
    until("it is read from memory", async || {
        let before = near_hits(&one).await;
        assert_eq!(one.cache.get::<i64>("k").await.unwrap(), Some(1));
        assert_eq!(one.cache.get_many::<i64, _>(["k"]).await.unwrap()["k"], 1);
        (near_hits(&one).await == before + 2).then_some(())
    })
    .await;
    // Whoever changes it sees it at once, the other when it has heard.
    other.cache.set("k", &2, LONG).await.unwrap();
    assert_eq!(other.cache.get::<i64>("k").await.unwrap(), Some(2));
    until("the other node has heard", async || {
        (one.cache.get::<i64>("k").await.unwrap() == Some(2)).then_some(())
    })
    .await;
    other.cache.incr("k", 5).await.unwrap();
    until("the other node has heard", async || {
        (one.cache.get::<i64>("k").await.unwrap() == Some(7)).then_some(())
    })
    .await;
    other.cache.delete("k").await.unwrap();
    until("the other node has heard", async || {
        (!one.cache.has("k").await.unwrap()).then_some(())
    })
    .await;
    one.cache.set("l", &1, LONG).await.unwrap();
    assert!(one.cache.has("l").await.unwrap());
    other.cache.clear().await.unwrap();
    until("the other node has heard", async || {
        (!one.cache.has("l").await.unwrap()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_node_that_cannot_hear_goes_round_its_memory() {
    let (_folder, _server, one, other) = two_nodes().await;
    one.cache.set("k", &1, LONG).await.unwrap();
    one.cache.get::<i64>("k").await.unwrap();
    one.bus.close().await;
    assert!(!one.bus.is_hearing());
    assert!(one.cache.report().await.near.unwrap().is_bypassed);
    other.cache.set("k", &2, LONG).await.unwrap();
    assert_eq!(one.cache.get::<i64>("k").await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_value_is_kept_no_longer_than_in_the_server() {
    let (_folder, _server, one, _other) = two_nodes().await;
    let soon = Timeout::After(Duration::from_millis(300));
    one.cache.set("k", &1, soon).await.unwrap();
    one.cache.get::<i64>("k").await.unwrap();
    let ended = until("the value ends", async || {
        (!one.cache.has("k").await.unwrap()).then_some(())
    });
    // Much sooner than the memory lets go of everything by itself.
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
    assert!(ended.is_ok(), "it outlived the server's");
}

#[test]
fn memory_in_front_of_memory_is_refused() {
    for url in [
        "memory:?near_bytes=1000",
        "redis://127.0.0.1?near_bytes=1000",
    ] {
        let refused = Cache::open(url).unwrap_err();
        assert!(refused.to_string().contains("near_bytes"), "{refused}");
    }
}
