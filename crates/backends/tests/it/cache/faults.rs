//! Servers that are killed, hang, come back empty, or answer what they should not: the program goes
//! on without them, waits for them once, and finds nothing old when they are back.

use std::time::Duration;

use backends::cache::{Cache, CacheError, Timeout};

use super::fake::{Fake, Manner};
use super::servers::Server;
use super::until;

const LONG: Timeout = Timeout::After(Duration::from_secs(1_000));

/// Long enough for a busy machine to answer; only for servers that end or answer nonsense at once.
const PATIENT: &str = "wait=60000";

async fn is_back(cache: &Cache) {
    until("the cache answers again", async || {
        cache.set("probe", &1, LONG).await.unwrap();
        cache.has("probe").await.unwrap().then_some(())
    })
    .await;
}

async fn looks_empty_and_harms_nobody(cache: &Cache) {
    assert_eq!(cache.get::<i64>("k").await.unwrap(), None);
    assert!(!cache.has("k").await.unwrap());
    cache.set("k", &2, LONG).await.unwrap();
    cache.set_many([("k", 2), ("l", 2)], LONG).await.unwrap();
    assert!(!cache.touch("k", LONG).await.unwrap());
    assert!(!cache.delete("k").await.unwrap());
    assert_eq!(cache.delete_many(["k", "l"]).await.unwrap(), 0);
    assert!(
        cache
            .get_many::<i64, _>(["k", "l"])
            .await
            .unwrap()
            .is_empty()
    );
    let added = cache.add("k", &1, LONG).await;
    assert!(matches!(added, Err(CacheError::Unavailable)), "{added:?}");
    let counted = cache.incr("k", 1).await;
    assert!(
        matches!(counted, Err(CacheError::Unavailable)),
        "{counted:?}"
    );
    let made = cache.get_or_set("k", LONG, async || Ok::<i64, CacheError>(3));
    assert_eq!(made.await.unwrap(), 3);
    cache.clear().await.unwrap();
    assert!(cache.check().await.is_err());
}

#[tokio::test]
async fn a_server_that_is_killed_and_restarted_empty_is_used_again_by_itself() {
    for (scheme, mut server) in [
        ("redis", Server::redis().await),
        ("memcached", Server::memcached().await),
    ] {
        let url = format!("{scheme}://{}?{PATIENT}", server.address());
        let cache = Cache::open(&url).unwrap();
        cache.set("k", &1, LONG).await.unwrap();
        assert!(cache.has("k").await.unwrap(), "{scheme}");
        server.kill();
        looks_empty_and_harms_nobody(&cache).await;
        assert!(server.begin().await, "its port was taken");
        is_back(&cache).await;
        assert!(!cache.has("k").await.unwrap());
        cache.set("k", &4, LONG).await.unwrap();
        assert_eq!(cache.get::<i64>("k").await.unwrap(), Some(4));
    }
}

#[tokio::test]
async fn a_restart_between_two_calls_is_not_noticed() {
    let mut server = Server::redis().await;
    let cache = Cache::open(&format!("redis://{}?{PATIENT}", server.address())).unwrap();
    cache.set("k", &1, LONG).await.unwrap();
    server.kill();
    assert!(server.begin().await);
    cache.set("k", &2, LONG).await.unwrap();
    assert_eq!(cache.get::<i64>("k").await.unwrap(), Some(2));
    assert_eq!(cache.report().await.times_away, 0);
}

#[tokio::test]
async fn what_changed_while_a_server_hung_does_not_come_back_with_it() {
    let server = Server::redis().await;
    let cache = Cache::open(&format!("redis://{}", server.address())).unwrap();
    is_back(&cache).await;
    for key in ["deleted", "set", "many"] {
        until("the value is stored", async || {
            cache.set(key, "old", LONG).await.unwrap();
            cache.has(key).await.unwrap().then_some(())
        })
        .await;
    }
    server.freeze().await;
    cache.delete("deleted").await.unwrap();
    cache.set("set", "new", LONG).await.unwrap();
    cache.set_many([("many", "new")], LONG).await.unwrap();
    assert!(!cache.is_available());
    assert_ne!(cache.report().await.owed, Some(0));
    server.thaw();
    is_back(&cache).await;
    assert_eq!(cache.report().await.owed, Some(0));
    for key in ["deleted", "set", "many"] {
        let found = cache.get::<String>(key).await.unwrap();
        assert_ne!(found.as_deref(), Some("old"), "{key}");
    }
}

#[tokio::test]
async fn what_was_cleared_while_a_server_hung_is_gone_when_it_is_back() {
    let server = Server::redis().await;
    let cache = Cache::open(&format!("redis://{}", server.address())).unwrap();
    until("the value is stored", async || {
        cache.set("k", "old", LONG).await.unwrap();
        cache.has("k").await.unwrap().then_some(())
    })
    .await;
    server.freeze().await;
    assert!(!cache.has("k").await.unwrap());
    cache.clear().await.unwrap();
    server.thaw();
    is_back(&cache).await;
    assert_eq!(cache.get::<String>("k").await.unwrap(), None);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_once() {
    let fake = Fake::start(Manner::Silent).await;
    let cache = Cache::open(&format!("redis://{}?wait=50", fake.address)).unwrap();
    // All at once: they wait together.
    let askers = (0..100).map(|number| {
        let cache = cache.clone();
        async move { cache.has(&format!("k{number}")).await.unwrap() }
    });
    let found = futures::future::join_all(askers).await;
    assert!(found.iter().all(|found| !found));
    assert!(!cache.is_available());
    let asked = cache.report().await;
    for _ in 0..1_000 {
        looks_empty(&cache).await;
    }
    let report = cache.report().await;
    assert_eq!(report.times_away, asked.times_away, "nobody tried in vain");
    let slow = |report: &backends::cache::CacheReport| -> u64 {
        report.spaces.iter().map(|space| space.slow_calls).sum()
    };
    assert_eq!(slow(&report), slow(&asked), "somebody waited again");
}

async fn looks_empty(cache: &Cache) {
    assert!(!cache.has("k").await.unwrap());
    cache.set("k", &1, LONG).await.unwrap();
    cache.delete("k").await.unwrap();
}

#[tokio::test]
async fn garbage_and_half_answers_are_faults_and_never_panics() {
    let garbage: [&[u8]; 16] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"$5\r\nab",
        b"$-7\r\n",
        b"$99999999999999999999999\r\n",
        b"$9223372036854775807\r\nx",
        b"*9223372036854775807\r\n$1\r\n",
        b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:",
        b"%-1\r\n",
        b"|1\r\n+a\r\n+b\r\n",
        b">3\r\n+message\r\n",
        b":12\r\n",
        b"+PONG\r\n",
        b"\0\0\0\0",
        b"\xff\xfe\xfd\r\n",
        b"VALUE k 0 5\r\nab",
        b"VA 99999999999999999999 \r\n",
    ];
    for answer in garbage {
        for scheme in ["redis", "memcached"] {
            hears_nothing_of_use(scheme, Manner::SaysAndLeaves(answer.to_vec())).await;
            hears_nothing_of_use(scheme, Manner::Says(answer.to_vec())).await;
        }
    }
}

async fn hears_nothing_of_use(scheme: &str, manner: Manner) {
    let words = format!("{manner:?}");
    let fake = Fake::start(manner).await;
    // What waits for the rest of an answer gives up; so little is enough for the fake.
    let cache = Cache::open(&format!("{scheme}://{}?wait=20", fake.address)).unwrap();
    assert_eq!(cache.get::<String>("k").await.unwrap(), None, "{words}");
    cache.set("k", "v", LONG).await.unwrap();
    cache.get_many::<String, _>(["a", "b"]).await.unwrap();
    cache.delete("k").await.unwrap();
    let _ = cache.add("k", &1, LONG).await;
    let _ = cache.incr("k", 1).await;
    cache.servers().await;
    assert!(fake.asked() > 0, "{words}");
}

#[tokio::test]
async fn a_server_that_answered_garbage_is_used_again_once_it_is_well() {
    let server = Server::redis().await;
    let line = Fake::start(Manner::Says(b"nonsense\r\n".to_vec())).await;
    let cache = Cache::open(&format!("redis://{}?{PATIENT}", line.address)).unwrap();
    assert!(!cache.has("k").await.unwrap());
    assert!(!cache.is_available());
    // An answer that fits every question the probe asks: nothing there.
    *line.manner.lock().unwrap() = Manner::Says(b"$-1\r\n".to_vec());
    until("the cache answers again", async || {
        cache.is_available().then_some(())
    })
    .await;
    drop(server);
}

#[tokio::test]
async fn a_wrong_password_is_told_without_the_password() {
    let server = Server::redis_with(&["--requirepass", "open-sesame"]).await;
    let wrong = format!("redis://:s3cret@{}?{PATIENT}", server.address());
    let cache = Cache::open(&wrong).unwrap();
    assert!(!cache.has("k").await.unwrap());
    let told = cache.check().await.unwrap_err();
    assert!(
        told.contains("password") && !told.contains("s3cret"),
        "{told}"
    );
    let report = format!("{:?} {:?}", cache.report().await, cache.servers().await);
    assert!(!report.contains("s3cret"), "{report}");
    let right = format!("redis://:open-sesame@{}/3?{PATIENT}", server.address());
    let cache = Cache::open(&right).unwrap();
    cache.set("k", &1, LONG).await.unwrap();
    assert!(cache.has("k").await.unwrap());
}

#[tokio::test]
async fn a_server_that_has_no_room_refuses_and_keeps_nothing_old() {
    let more = ["--maxmemory", "2mb", "--maxmemory-policy", "noeviction"];
    let server = Server::redis_with(&more).await;
    let cache = Cache::open(&format!("redis://{}?{PATIENT}", server.address())).unwrap();
    cache.set("k", "old", LONG).await.unwrap();
    let large = "x".repeat(1_000_000);
    for number in 0..8 {
        cache
            .set(&format!("fill{number}"), &large, LONG)
            .await
            .unwrap();
    }
    cache.set("k", "new", LONG).await.unwrap();
    let found = cache.get::<String>("k").await.unwrap();
    assert_ne!(found.as_deref(), Some("old"));
    assert!(cache.is_available(), "refusing is answering");
}

#[tokio::test]
async fn a_server_that_refuses_to_delete_is_used_for_all_the_rest_and_shows_nothing_deleted() {
    let server = Server::redis().await;
    let cache = Cache::open(&format!("redis://{}?{PATIENT}", server.address())).unwrap();
    let text = async |key: &str| cache.get::<String>(key).await.unwrap();
    for key in ["k", "l", "m"] {
        cache.set(key, "old", LONG).await.unwrap();
    }
    server.tell("ACL SETUSER default -unlink -scan").await;
    cache.delete("k").await.unwrap();
    assert!(cache.is_available(), "refusing is answering");
    assert_eq!(text("k").await, None);
    assert_eq!(cache.peek("k").await.unwrap(), None);
    let both = cache.get_many::<String, _>(["k", "l"]).await.unwrap();
    assert_eq!(both.into_keys().collect::<Vec<_>>(), ["l"]);
    let added = cache.add("k", "new", LONG).await;
    assert!(matches!(added, Err(CacheError::Unavailable)), "{added:?}");
    assert!(!cache.touch("k", LONG).await.unwrap());
    // What is stored anew is good again.
    cache.set("k", "new", LONG).await.unwrap();
    assert_eq!(text("k").await.as_deref(), Some("new"));
    assert_eq!(text("l").await.as_deref(), Some("old"));
    cache.clear().await.unwrap();
    assert_eq!((text("k").await, text("l").await), (None, None));
    cache.set("l", "newer", LONG).await.unwrap();
    assert_eq!(text("l").await.as_deref(), Some("newer"));
    assert_eq!(cache.report().await.times_away, 0);
    server.tell("ACL SETUSER default +unlink +scan").await;
    until("all is forgotten", async || {
        (cache.report().await.owed == Some(0)).then_some(())
    })
    .await;
    assert_eq!((text("k").await, text("m").await), (None, None));
    assert!(cache.add("k", "newest", LONG).await.unwrap());
}

#[tokio::test]
async fn a_dead_server_among_several_takes_only_its_own_keys_along() {
    let mut servers = [Server::memcached().await, Server::memcached().await];
    let url = format!(
        "memcached://{},{}?{PATIENT}",
        servers[0].address(),
        servers[1].address()
    );
    let cache = Cache::open(&url).unwrap();
    let keys: Vec<String> = (0..100).map(|number| format!("k{number}")).collect();
    cache
        .set_many(keys.iter().map(|key| (key, 1)), LONG)
        .await
        .unwrap();
    servers[0].kill();
    // The first to ask finds it dead; then its names live on the other.
    let found = cache.get_many::<i64, _>(&keys).await.unwrap();
    assert!((1..100).contains(&found.len()), "{} left", found.len());
    cache
        .set_many(keys.iter().map(|key| (key, 2)), LONG)
        .await
        .unwrap();
    let found = cache.get_many::<i64, _>(&keys).await.unwrap();
    assert_eq!(found.len(), 100);
    assert!(found.values().all(|value| *value == 2));
}

#[tokio::test]
async fn redis_is_spoken_to_in_secret_and_must_prove_who_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (pem, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&pem, certificate.cert.pem()).unwrap();
    std::fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
    let (pem, key) = (pem.to_str().unwrap(), key.to_str().unwrap());
    let more = [
        "--tls-port",
        "PORT",
        "--tls-cert-file",
        pem,
        "--tls-key-file",
        key,
        "--tls-ca-cert-file",
        pem,
        "--tls-auth-clients",
        "no",
    ];
    let server = Server::redis_with(&more).await;
    let (_, port) = server
        .address()
        .rsplit_once(':')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let trusting = Cache::open(&format!("rediss://localhost:{port}?{PATIENT}&ca={pem}")).unwrap();
    trusting.set("k", &1, LONG).await.unwrap();
    assert_eq!(trusting.get::<i64>("k").await.unwrap(), Some(1));
    let doubting = Cache::open(&format!("rediss://localhost:{port}?{PATIENT}")).unwrap();
    assert!(doubting.check().await.is_err());
    let other_name = Cache::open(&format!("rediss://127.0.0.1:{port}?{PATIENT}&ca={pem}")).unwrap();
    assert!(other_name.check().await.is_err());
    let open = Cache::open(&format!("redis://localhost:{port}?wait=1000")).unwrap();
    assert!(open.check().await.is_err());
}
