//! What every backend must do alike, each on a real server of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backends::cache::{Cache, CacheError, Lasting, Timeout};
use bytes::Bytes;
use tokio::sync::Notify;

use super::{Rig, until};

const LONG: Timeout = Timeout::After(Duration::from_secs(1_000));

/// A test of each rule on each backend.
macro_rules! hold {
    ($($rule:ident,)*) => {
        hold!(@ memory: $($rule,)*);
        hold!(@ redis: $($rule,)*);
        hold!(@ memcached: $($rule,)*);
        hold!(@ database: $($rule,)*);
        hold!(@ file: $($rule,)*);
    };
    (@ $kind:ident: $($rule:ident,)*) => {
        mod $kind {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    let rig = crate::cache::Rig::new(stringify!($kind)).await;
                    Box::pin(super::$rule(&rig)).await;
                    rig.remove().await;
                }
            )*
        }
    };
}

hold! {
    what_is_set_is_found_until_it_is_deleted,
    a_stored_nothing_differs_from_a_miss,
    zero_seconds_mean_not_at_all,
    values_end_and_touched_ones_later,
    add_stores_only_where_nothing_is,
    counting_is_atomic_goes_below_zero_and_keeps_the_timeout,
    what_is_no_number_cannot_be_counted,
    many_at_once_are_stored_found_and_deleted,
    keys_of_any_bytes_are_kept_apart_or_refused,
    values_of_any_bytes_and_sizes_come_back_as_they_were,
    versions_and_prefixes_do_not_meet,
    clearing_leaves_other_prefixes_alone,
    a_value_moves_to_the_next_version,
    a_key_function_finds_the_names_of_another_program,
    a_thousand_tasks_compute_once,
    a_value_deleted_while_it_is_computed_is_not_stored,
    a_value_deleted_at_any_moment_of_its_computation_is_not_found_afterwards,
    a_lock_that_a_dead_process_left_is_taken_over,
    a_lock_is_given_back_by_who_goes_away_at_any_moment,
    a_counter_begins_when_it_is_missing_and_loses_nothing,
    after_a_failed_computation_the_next_asker_tries,
    an_asker_who_leaves_gives_the_turn_back,
    an_older_value_is_served_while_one_task_computes_it_anew,
    a_closed_cache_goes_on_answering,
    what_is_done_is_counted_by_key_space,
    what_is_looked_at_is_found_with_its_end_and_counted_nowhere,
}

async fn what_is_looked_at_is_found_with_its_end_and_counted_nowhere(rig: &Rig) {
    let cache = rig.cache("");
    assert_eq!(cache.peek("k").await.unwrap(), None);
    cache.set("k", &7, LONG).await.unwrap();
    cache.set("ever", &8, Timeout::Forever).await.unwrap();
    let before = cache.report().await.spaces;
    let (value, lasting) = cache.peek("k").await.unwrap().unwrap();
    assert_eq!(value, "7");
    let Lasting::Left(left) = lasting else {
        panic!("{lasting:?}")
    };
    assert!(left <= Duration::from_secs(1_000) && left > Duration::from_secs(100));
    let ever = cache.peek("ever").await.unwrap().unwrap();
    assert_eq!(ever, (Bytes::from_static(b"8"), Lasting::Forever));
    assert_eq!(cache.report().await.spaces, before);
    assert!(matches!(
        cache.peek("a b").await,
        Err(CacheError::BadKey(_))
    ));
}

async fn what_is_set_is_found_until_it_is_deleted(rig: &Rig) {
    let cache = rig.cache("");
    assert_eq!(cache.get::<String>("k").await.unwrap(), None);
    cache.set("k", "one", LONG).await.unwrap();
    cache.set("k", "two", Timeout::Forever).await.unwrap();
    assert_eq!(cache.get::<String>("k").await.unwrap().unwrap(), "two");
    assert!(cache.has("k").await.unwrap());
    if rig.is_shared() {
        let other = rig.cache("");
        assert_eq!(other.get::<String>("k").await.unwrap().unwrap(), "two");
    }
    assert!(cache.delete("k").await.unwrap());
    assert!(!cache.delete("k").await.unwrap());
    assert!(!cache.has("k").await.unwrap());
}

async fn a_stored_nothing_differs_from_a_miss(rig: &Rig) {
    let cache = rig.cache("");
    cache.set("none", &None::<i64>, LONG).await.unwrap();
    cache.set("unit", &(), LONG).await.unwrap();
    cache.set("empty", "", LONG).await.unwrap();
    cache.set_bytes("bytes", Bytes::new(), LONG).await.unwrap();
    assert_eq!(cache.get::<Option<i64>>("none").await.unwrap(), Some(None));
    assert_eq!(cache.get::<()>("unit").await.unwrap(), Some(()));
    assert_eq!(cache.get::<String>("empty").await.unwrap().unwrap(), "");
    let bytes = cache.get_bytes("bytes").await.unwrap();
    assert_eq!(bytes, Some(Bytes::new()));
    assert_eq!(cache.get::<Option<i64>>("miss").await.unwrap(), None);
    let keys: Vec<String> = ["bytes", "miss"].map(str::to_owned).to_vec();
    let both = cache.get_many_bytes(&keys).await.unwrap();
    assert_eq!(both, [Some(Bytes::new()), None]);
}

async fn zero_seconds_mean_not_at_all(rig: &Rig) {
    let cache = rig.cache("");
    let zero = Timeout::After(Duration::ZERO);
    cache.set("k", &1, LONG).await.unwrap();
    cache.set("k", &2, zero).await.unwrap();
    assert!(!cache.has("k").await.unwrap(), "the older value came back");
    cache.set("k", &1, LONG).await.unwrap();
    assert!(cache.touch("k", zero).await.unwrap());
    assert!(!cache.has("k").await.unwrap());
    assert!(cache.add("k", &1, zero).await.unwrap());
    assert!(!cache.has("k").await.unwrap());
    cache.set("k", &1, LONG).await.unwrap();
    cache
        .set_many([("k", 2), ("other", 2)], zero)
        .await
        .unwrap();
    assert!(!cache.has("k").await.unwrap() && !cache.has("other").await.unwrap());
}

async fn values_end_and_touched_ones_later(rig: &Rig) {
    let cache = rig.cache("");
    let soon = Timeout::After(Duration::from_secs(1));
    cache.set("touched", &1, soon).await.unwrap();
    if !cache.touch("touched", Timeout::Forever).await.unwrap() {
        // The machine took more than a second over this.
        cache.set("touched", &1, LONG).await.unwrap();
    }
    cache.set("longer", &1, LONG).await.unwrap();
    cache.set("shorter", &1, Timeout::Forever).await.unwrap();
    cache.touch("shorter", soon).await.unwrap();
    cache.set("ends", &1, soon).await.unwrap();
    until("values end", async || {
        let is_there = cache.has("ends").await.unwrap() || cache.has("shorter").await.unwrap();
        (!is_there).then_some(())
    })
    .await;
    assert!(cache.has("touched").await.unwrap());
    assert!(cache.has("longer").await.unwrap());
    assert!(!cache.touch("ends", Timeout::Forever).await.unwrap());
    assert!(!cache.delete("ends").await.unwrap());
    assert!(!cache.has("ends").await.unwrap());
}

async fn add_stores_only_where_nothing_is(rig: &Rig) {
    let cache = rig.cache("");
    assert!(cache.add("k", &1, LONG).await.unwrap());
    assert!(!cache.add("k", &2, Timeout::Forever).await.unwrap());
    assert_eq!(cache.get::<i64>("k").await.unwrap(), Some(1));
    cache.delete("k").await.unwrap();
    let adders = (0..20).map(|number| {
        let cache = cache.clone();
        tokio::spawn(async move { cache.add("k", &number, LONG).await.unwrap() })
    });
    let added = futures::future::join_all(adders).await;
    let count = added
        .into_iter()
        .filter(|added| *added.as_ref().unwrap())
        .count();
    assert_eq!(count, 1, "the key was free for one");
}

async fn counting_is_atomic_goes_below_zero_and_keeps_the_timeout(rig: &Rig) {
    let cache = rig.cache("");
    cache.set("n", &0, LONG).await.unwrap();
    let tasks = (0..40).map(|number| {
        let cache = cache.clone();
        tokio::spawn(async move {
            match number % 4 {
                0 => cache.decr("n", 10).await.unwrap(),
                _ => cache.incr("n", 2).await.unwrap(),
            }
        })
    });
    for done in futures::future::join_all(tasks).await {
        done.unwrap();
    }
    assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(-40));
    assert_eq!(cache.incr("n", 41).await.unwrap(), 1);
    let large = i64::MAX - 1;
    cache.set("large", &large, LONG).await.unwrap();
    assert_eq!(cache.incr("large", 1).await.unwrap(), i64::MAX);
    let over = cache.incr("large", 1).await;
    assert!(matches!(over, Err(CacheError::NotANumber)), "{over:?}");
    assert_eq!(cache.get::<i64>("large").await.unwrap(), Some(i64::MAX));
    let soon = Timeout::After(Duration::from_secs(1));
    cache.set("ends", &1, soon).await.unwrap();
    // The value may have ended before, on a busy machine.
    let _ = cache.incr("ends", 1).await;
    until("a counted value ends", async || {
        (!cache.has("ends").await.unwrap()).then_some(())
    })
    .await;
}

async fn what_is_no_number_cannot_be_counted(rig: &Rig) {
    let cache = rig.cache("");
    assert!(matches!(cache.incr("k", 1).await, Err(CacheError::NoValue)));
    assert!(!cache.has("k").await.unwrap());
    cache.set("text", "7", LONG).await.unwrap();
    cache.set("fraction", &1.5, LONG).await.unwrap();
    cache.set_bytes("empty", Bytes::new(), LONG).await.unwrap();
    for key in ["text", "fraction", "empty"] {
        let counted = cache.decr(key, 1).await;
        assert!(
            matches!(counted, Err(CacheError::NotANumber)),
            "{key}: {counted:?}"
        );
    }
    assert_eq!(cache.get::<String>("text").await.unwrap().unwrap(), "7");
    assert!(cache.is_available(), "that is no fault of the backend");
}

async fn many_at_once_are_stored_found_and_deleted(rig: &Rig) {
    let cache = rig.cache("");
    let keys: Vec<String> = (0..500).map(|number| format!("k{number}")).collect();
    let values = keys.iter().zip(0..500);
    cache.set_many(values, LONG).await.unwrap();
    let mut asked = keys.clone();
    asked.push("missing".to_owned());
    asked.insert(0, "absent".to_owned());
    let found = cache.get_many::<i64, _>(&asked).await.unwrap();
    assert_eq!(found.len(), 500);
    assert_eq!(found["k123"], 123);
    let twice = ["k1".to_owned(), "k1".to_owned(), "missing".to_owned()];
    let bytes = cache.get_many_bytes(&twice).await.unwrap();
    assert_eq!(bytes, [Some("1".into()), Some("1".into()), None]);
    let bad = cache.set_many([("good", 1), ("b a d", 2)], LONG).await;
    assert!(matches!(bad, Err(CacheError::BadKey(_))));
    assert!(!cache.has("good").await.unwrap());
    assert_eq!(cache.delete_many(&asked).await.unwrap(), 500);
    assert_eq!(cache.delete_many(&asked).await.unwrap(), 0);
    let none: [&str; 0] = [];
    assert!(cache.get_many::<i64, _>(none).await.unwrap().is_empty());
    cache.set_many::<i64, &str>([], LONG).await.unwrap();
    assert_eq!(cache.delete_many(none).await.unwrap(), 0);
}

async fn keys_of_any_bytes_are_kept_apart_or_refused(rig: &Rig) {
    let cache = rig.cache("prefix=pre");
    let mut keys: Vec<String> = [
        "k",
        "K",
        "ключ",
        "日本",
        "%2e%2e",
        "../../etc/passwd",
        "a/b",
        "*",
        "[a]",
        "\u{1f600}",
        "'\"\\;--",
    ]
    .map(str::to_owned)
    .to_vec();
    for length in [240, 243, 244, 245, 250, 1_000, 100_000] {
        keys.push("k".repeat(length));
        keys.push("ü".repeat(length));
    }
    for (number, key) in keys.iter().enumerate() {
        cache.set(key, &number, LONG).await.unwrap();
    }
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(
            cache.get::<usize>(key).await.unwrap(),
            Some(number),
            "{key:.40}"
        );
    }
    for bad in ["", " ", "a b", "a\r\nset x 0 0 1", "\0", "a\u{85}"] {
        let refused = cache.set(bad, &1, LONG).await;
        assert!(matches!(refused, Err(CacheError::BadKey(_))), "{bad:?}");
    }
}

async fn values_of_any_bytes_and_sizes_come_back_as_they_were(rig: &Rig) {
    let cache = rig.cache("max_bytes=1000000000");
    let all: Vec<u8> = (0..=255).cycle().take(1_000).collect();
    let tricky = b"END\r\nVALUE k 0 5\r\n$-1\r\n*2\r\n\0\r\n".to_vec();
    for value in [vec![], vec![0], all, tricky, vec![7; 1_000_000]] {
        let value = Bytes::from(value);
        cache.set_bytes("k", value.clone(), LONG).await.unwrap();
        let found = cache.get_bytes("k").await.unwrap();
        assert!(found == Some(value), "a value came back as another");
    }
    let huge = Bytes::from(vec![b'h'; 100_000_000]);
    match cache.set_bytes("k", huge.clone(), LONG).await {
        Ok(()) => {
            let found = cache.get_bytes("k").await.unwrap();
            assert!(found == Some(huge), "a huge value came back as another");
        }
        Err(CacheError::TooLarge { bytes, most }) => {
            assert!(
                ["memcached", "database"].contains(&rig.kind),
                "{}",
                rig.kind
            );
            assert!(bytes == 100_000_000 && most >= 1_000_000, "{bytes} {most}");
            assert!(!cache.has("k").await.unwrap(), "the older value stayed");
        }
        Err(other) => panic!("{other}"),
    }
    assert!(cache.is_available());
    // What cannot be stored is computed all the same.
    let made = cache.get_or_set_bytes("made", LONG, async || {
        Ok::<_, CacheError>(Bytes::from(vec![1; 2_000_000]))
    });
    assert_eq!(made.await.unwrap().len(), 2_000_000);
}

async fn versions_and_prefixes_do_not_meet(rig: &Rig) {
    let cache = rig.cache("prefix=a&version=1");
    let second = cache.with_version(2);
    cache.set("k", &1, LONG).await.unwrap();
    assert!(!second.has("k").await.unwrap());
    second.set("k", &2, LONG).await.unwrap();
    assert_eq!(cache.get::<i64>("k").await.unwrap(), Some(1));
    let other = rig.cache("prefix=b&version=1");
    assert!(!other.has("k").await.unwrap());
    assert_eq!(second.name("k").unwrap(), "a:2:k");
}

async fn clearing_leaves_other_prefixes_alone(rig: &Rig) {
    let prefixes = ["a", "a*", "a:b", "ab", "[a-b]", "a%", "a_", "", "A"];
    for (number, cleared) in prefixes.iter().enumerate() {
        let open = |prefix: &str| {
            let query: String = url::form_urlencoded::byte_serialize(prefix.as_bytes()).collect();
            rig.cache(&format!("prefix={query}"))
        };
        let caches: Vec<Cache> = prefixes.iter().map(|prefix| open(prefix)).collect();
        for cache in &caches {
            cache.set("k", &1, LONG).await.unwrap();
            cache
                .with_version(9)
                .set(&"l".repeat(300), &1, LONG)
                .await
                .unwrap();
        }
        let ours = open(cleared);
        let many = (0..1_500).map(|number| (format!("m{number}"), number));
        ours.set_many(many, LONG).await.unwrap();
        ours.clear().await.unwrap();
        assert!(!ours.has("m7").await.unwrap() && !ours.has("m1499").await.unwrap());
        if !rig.is_shared() {
            continue;
        }
        for (other, cache) in caches.iter().enumerate() {
            let is_there = cache.has("k").await.unwrap();
            assert_eq!(
                is_there,
                other != number,
                "{cleared:?} cleared, {:?}",
                prefixes[other]
            );
            let long = cache.with_version(9).has(&"l".repeat(300)).await.unwrap();
            assert_eq!(
                long,
                other != number,
                "{cleared:?} cleared, {:?}",
                prefixes[other]
            );
        }
    }
}

async fn a_value_moves_to_the_next_version(rig: &Rig) {
    let cache = rig.cache("version=4");
    assert!(matches!(
        cache.incr_version("k").await,
        Err(CacheError::NoValue)
    ));
    cache.set("k", "v", LONG).await.unwrap();
    assert_eq!(cache.incr_version("k").await.unwrap(), 5);
    assert!(!cache.has("k").await.unwrap());
    let next = cache.with_version(5);
    assert_eq!(next.get::<String>("k").await.unwrap().unwrap(), "v");
}

async fn a_key_function_finds_the_names_of_another_program(rig: &Rig) {
    let cache = rig.cache("prefix=a");
    let foreign = cache.with_key_function(Arc::new(|prefix, version, key| {
        format!("{prefix}:{version}:{}", key.to_lowercase())
    }));
    cache.set("name", &1, LONG).await.unwrap();
    assert_eq!(foreign.get::<i64>("NAME").await.unwrap(), Some(1));
    let long = "L".repeat(1_000);
    foreign.set(&long, &2, LONG).await.unwrap();
    assert_eq!(foreign.get::<i64>(&long).await.unwrap(), Some(2));
}

async fn a_thousand_tasks_compute_once(rig: &Rig) {
    let one = rig.cache("");
    let other = rig.other(&one);
    let count = Arc::new(AtomicUsize::new(0));
    let tasks = (0..1_000).map(|number| {
        let cache = if number % 2 == 0 {
            one.clone()
        } else {
            other.clone()
        };
        let count = Arc::clone(&count);
        tokio::spawn(async move {
            let compute = async || {
                tokio::task::yield_now().await;
                Ok::<_, CacheError>(count.fetch_add(1, Ordering::SeqCst) + 1)
            };
            cache.get_or_set("k", LONG, compute).await.unwrap()
        })
    });
    for value in futures::future::join_all(tasks).await {
        assert_eq!(value.unwrap(), 1);
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

async fn a_value_deleted_while_it_is_computed_is_not_stored(rig: &Rig) {
    let cache = rig.cache("");
    let other = rig.other(&cache);
    for is_set in [false, true] {
        let (begun, go_on) = (Notify::new(), Notify::new());
        let asked = cache.get_or_set("k", LONG, async || {
            begun.notify_one();
            go_on.notified().await;
            Ok::<_, CacheError>("old".to_owned())
        });
        let change = async {
            begun.notified().await;
            if is_set {
                other.set("k", "new", LONG).await.unwrap();
            } else {
                other.delete("k").await.unwrap();
            }
            go_on.notify_one();
        };
        let (given, ()) = tokio::join!(asked, change);
        assert_eq!(given.unwrap(), "old", "who waited gets it");
        let stored = cache.get::<String>("k").await.unwrap();
        assert_eq!(stored, is_set.then(|| "new".to_owned()));
        cache.delete("k").await.unwrap();
    }
}

async fn a_value_deleted_at_any_moment_of_its_computation_is_not_found_afterwards(rig: &Rig) {
    let one = rig.cache("");
    let other = rig.other(&one);
    let truth = AtomicUsize::new(0);
    for round in 0..100 {
        let computing = one.get_or_set("k", LONG, async || {
            Ok::<_, CacheError>(truth.load(Ordering::SeqCst))
        });
        let changing = async {
            for _ in 0..round % 10 {
                tokio::task::yield_now().await;
                // A round trip, so that each backend is met at another moment.
                other.has("another").await.unwrap();
            }
            let now = truth.fetch_add(1, Ordering::SeqCst) + 1;
            match round % 2 {
                0 => drop(other.delete("k").await.unwrap()),
                _ => other.set("k", &now, LONG).await.unwrap(),
            }
        };
        let (computed, ()) = tokio::join!(computing, changing);
        computed.unwrap();
        let found = one.get::<usize>("k").await.unwrap();
        let now = truth.load(Ordering::SeqCst);
        assert!(found.is_none_or(|found| found == now), "{found:?} of {now}");
        one.delete("k").await.unwrap();
    }
}

/// A key as the name of a lock.
fn lock_of(cache: &Cache) -> Cache {
    cache.with_key_function(Arc::new(|_, version, key| format!(":{version}!{key}")))
}

async fn a_lock_that_a_dead_process_left_is_taken_over(rig: &Rig) {
    let cache = rig.cache("");
    let lock = lock_of(&cache);
    for is_deleted in [false, true] {
        lock.set("k", "left", LONG).await.unwrap();
        let made = cache.get_or_set("k", LONG, async || {
            if is_deleted {
                rig.other(&cache).delete("k").await.unwrap();
            }
            Ok::<i64, CacheError>(1)
        });
        assert_eq!(made.await.unwrap(), 1);
        let stored = cache.get::<i64>("k").await.unwrap();
        assert_eq!(stored, (!is_deleted).then_some(1));
        assert!(!rig.is_shared() || !lock.has("k").await.unwrap());
        cache.delete("k").await.unwrap();
    }
}

async fn a_lock_is_given_back_by_who_goes_away_at_any_moment(rig: &Rig) {
    let cache = rig.cache("");
    let lock = lock_of(&cache);
    for steps in 1..30 {
        let mut asked = Box::pin(cache.get_or_set("k", LONG, async || {
            std::future::pending::<()>().await;
            Ok::<i64, CacheError>(1)
        }));
        for _ in 0..steps {
            assert!(futures::poll!(&mut asked).is_pending());
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        drop(asked);
        // Much sooner than it would end by itself.
        let free = until("the lock is free", async || {
            lock.add("k", "ours", LONG).await.unwrap().then_some(())
        });
        let free = tokio::time::timeout(Duration::from_secs(8), free).await;
        assert!(free.is_ok(), "left behind after {steps} steps");
        lock.delete("k").await.unwrap();
    }
}

async fn a_counter_begins_when_it_is_missing_and_loses_nothing(rig: &Rig) {
    let one = rig.cache("");
    let other = rig.other(&one);
    let counting = (0..40).map(|number| {
        let cache = if number % 2 == 0 { &one } else { &other }.clone();
        tokio::spawn(async move { cache.count("n", 1, LONG).await.unwrap() })
    });
    let mut counts: Vec<i64> = futures::future::join_all(counting)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=40).collect::<Vec<i64>>());
    // It was pushed out.
    one.delete("n").await.unwrap();
    assert_eq!(other.count("n", 5, LONG).await.unwrap(), 5);
    one.set("n", "text", LONG).await.unwrap();
    let counted = other.count("n", 1, LONG).await;
    assert!(
        matches!(counted, Err(CacheError::NotANumber)),
        "{counted:?}"
    );
}

async fn after_a_failed_computation_the_next_asker_tries(rig: &Rig) {
    let one = rig.cache("");
    let other = rig.other(&one);
    let failed = one.get_or_set("k", LONG, async || Err::<i64, _>(CacheError::NoValue));
    assert!(failed.await.is_err());
    let made = other.get_or_set("k", LONG, async || Ok::<i64, CacheError>(2));
    assert_eq!(made.await.unwrap(), 2);
    assert_eq!(one.get::<i64>("k").await.unwrap(), Some(2));
}

async fn an_asker_who_leaves_gives_the_turn_back(rig: &Rig) {
    let one = rig.cache("");
    let other = rig.other(&one);
    let begun = Notify::new();
    let asked = one.get_or_set("k", LONG, async || {
        begun.notify_one();
        std::future::pending::<()>().await;
        Ok::<i64, CacheError>(1)
    });
    tokio::select! {
        _ = asked => panic!("it cannot end"),
        () = begun.notified() => {}
    }
    let made = other.get_or_set("k", LONG, async || Ok::<i64, CacheError>(2));
    assert_eq!(made.await.unwrap(), 2);
}

async fn an_older_value_is_served_while_one_task_computes_it_anew(rig: &Rig) {
    let cache = rig.cache("");
    let count = Arc::new(AtomicUsize::new(0));
    let fresh = Timeout::After(Duration::from_secs(1));
    let ask = async || {
        let count = Arc::clone(&count);
        let compute =
            move || async move { Ok::<_, CacheError>(count.fetch_add(1, Ordering::SeqCst) + 1) };
        let stale = Duration::from_secs(1_000);
        cache
            .get_or_refresh("k", fresh, stale, compute)
            .await
            .unwrap()
    };
    assert_eq!(ask().await, 1);
    // Once the second is over, whoever asks gets the older value, and a task makes the next.
    let served = until("it is computed anew", async || {
        let value = ask().await;
        (count.load(Ordering::SeqCst) > 1 || value > 1).then_some(value)
    })
    .await;
    assert!(served <= 2);
    until("the new value is served", async || {
        (ask().await >= 2).then_some(())
    })
    .await;
    // A deleted value is not served again.
    cache.delete("k").await.unwrap();
    let before = count.load(Ordering::SeqCst);
    assert!(ask().await > before.min(2));
}

async fn a_closed_cache_goes_on_answering(rig: &Rig) {
    let cache = rig.cache("");
    cache.set("k", &1, LONG).await.unwrap();
    cache.close().await;
    cache.close().await;
    cache.set("k", &2, LONG).await.unwrap();
    assert_eq!(cache.get::<i64>("k").await.unwrap(), Some(2));
    cache.check().await.unwrap();
}

async fn what_is_done_is_counted_by_key_space(rig: &Rig) {
    let cache = rig.cache("");
    cache.set("page:1", "abc", LONG).await.unwrap();
    cache.get::<String>("page:1").await.unwrap();
    cache.get::<String>("page:2").await.unwrap();
    cache.delete("right:1").await.unwrap();
    let report = cache.report().await;
    assert_eq!(report.kind, rig.kind);
    assert!(report.is_available && report.times_away == 0 && report.owed == Some(0));
    let page = report
        .spaces
        .iter()
        .find(|space| space.space == "page")
        .unwrap();
    assert_eq!((page.hits, page.misses, page.writes), (1, 1, 1));
    assert_eq!((page.bytes_read, page.bytes_written), (5, 5));
    let right = report
        .spaces
        .iter()
        .find(|space| space.space == "right")
        .unwrap();
    assert_eq!((right.deletes, right.faults), (1, 0));
    let servers = cache.servers().await;
    assert!(!servers.is_empty());
    let entries: u64 = servers.iter().filter_map(|server| server.entries).sum();
    assert_eq!(entries, 1, "{servers:?}");
    assert!(
        servers.iter().all(|server| server.fault.is_none()),
        "{servers:?}"
    );
}
