//! The rules of the cache, on the backends there are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backends::cache::{Cache, CacheError, Timeout};
use backends::clock::Clock;
use chrono::{DateTime, TimeDelta};
use tokio::sync::Barrier;

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error("no luck")]
    NoLuck,
}

fn clock() -> Clock {
    Clock::fixed(DateTime::from_timestamp(1_790_000_000, 0).unwrap())
}

fn memory() -> Cache {
    Cache::open("memory:").unwrap()
}

#[tokio::test]
async fn what_is_set_is_found_until_it_is_deleted() {
    let cache = memory();
    assert_eq!(cache.get::<String>("k").await.unwrap(), None);
    cache.set("k", "v", Timeout::Default).await.unwrap();
    assert_eq!(
        cache.get::<String>("k").await.unwrap().as_deref(),
        Some("v")
    );
    assert!(cache.has("k").await.unwrap());
    assert!(cache.delete("k").await.unwrap());
    assert!(!cache.delete("k").await.unwrap());
    assert!(!cache.has("k").await.unwrap());
}

#[tokio::test]
async fn a_stored_nothing_differs_from_a_miss() {
    let cache = memory();
    assert_eq!(cache.get::<Option<i64>>("k").await.unwrap(), None);
    cache
        .set("k", &None::<i64>, Timeout::Default)
        .await
        .unwrap();
    assert_eq!(cache.get::<Option<i64>>("k").await.unwrap(), Some(None));
    let computed = cache.get_or_set("k", Timeout::Default, async || {
        Err::<Option<i64>, _>(Fault::NoLuck)
    });
    assert_eq!(computed.await.unwrap(), None);
}

#[tokio::test]
async fn entries_end_after_their_timeout_and_not_before() {
    let clock = clock();
    let cache = Cache::open_with("memory:?timeout=60", clock.clone()).unwrap();
    cache.set("default", &1, Timeout::Default).await.unwrap();
    cache
        .set("ten", &1, Timeout::After(Duration::from_secs(10)))
        .await
        .unwrap();
    cache
        .set("touched", &1, Timeout::After(Duration::from_secs(10)))
        .await
        .unwrap();
    cache.set("forever", &1, Timeout::Forever).await.unwrap();
    clock.advance(TimeDelta::milliseconds(9_999));
    assert!(cache.has("ten").await.unwrap());
    assert!(
        cache
            .touch("touched", Timeout::After(Duration::from_secs(100)))
            .await
            .unwrap()
    );
    clock.advance(TimeDelta::milliseconds(1));
    assert!(!cache.has("ten").await.unwrap());
    assert!(!cache.touch("ten", Timeout::Forever).await.unwrap());
    assert!(!cache.delete("ten").await.unwrap());
    assert!(cache.has("touched").await.unwrap());
    clock.advance(TimeDelta::seconds(50));
    assert!(!cache.has("default").await.unwrap());
    // A wall clock set back or forth changes nothing.
    clock.set(DateTime::from_timestamp(0, 0).unwrap());
    assert!(cache.has("touched").await.unwrap());
    clock.advance(TimeDelta::days(10_000));
    assert!(cache.has("forever").await.unwrap());
}

#[tokio::test]
async fn zero_seconds_mean_not_at_all() {
    let cache = memory();
    cache.set("k", &1, Timeout::Forever).await.unwrap();
    cache
        .set("k", &2, Timeout::After(Duration::ZERO))
        .await
        .unwrap();
    assert!(
        !cache.has("k").await.unwrap(),
        "the older value must not come back"
    );
    cache.set("k", &1, Timeout::Forever).await.unwrap();
    assert!(
        cache
            .touch("k", Timeout::After(Duration::ZERO))
            .await
            .unwrap()
    );
    assert!(!cache.has("k").await.unwrap());
    assert!(
        cache
            .add("k", &1, Timeout::After(Duration::ZERO))
            .await
            .unwrap()
    );
    assert!(!cache.has("k").await.unwrap());
}

#[tokio::test]
async fn add_stores_only_where_nothing_is() {
    let clock = clock();
    let cache = Cache::open_with("memory:", clock.clone()).unwrap();
    assert!(
        cache
            .add("k", &1, Timeout::After(Duration::from_secs(1)))
            .await
            .unwrap()
    );
    assert!(!cache.add("k", &2, Timeout::Default).await.unwrap());
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
    clock.advance(TimeDelta::seconds(1));
    assert!(cache.add("k", &3, Timeout::Default).await.unwrap());
    assert_eq!(cache.get("k").await.unwrap(), Some(3));
}

#[tokio::test]
async fn counting_is_atomic_and_keeps_the_timeout() {
    let clock = clock();
    let cache = Cache::open_with("memory:", clock.clone()).unwrap();
    assert!(matches!(cache.incr("n", 1).await, Err(CacheError::NoValue)));
    cache
        .set("n", &0, Timeout::After(Duration::from_secs(10)))
        .await
        .unwrap();
    clock.advance(TimeDelta::seconds(9));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.incr("n", 2).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(cache.decr("n", 1).await.unwrap(), 99);
    clock.advance(TimeDelta::seconds(1));
    assert!(!cache.has("n").await.unwrap());
    cache.set("text", "a", Timeout::Default).await.unwrap();
    assert!(matches!(
        cache.incr("text", 1).await,
        Err(CacheError::NotANumber)
    ));
    cache.set("n", &i64::MAX, Timeout::Default).await.unwrap();
    assert!(matches!(
        cache.incr("n", 1).await,
        Err(CacheError::NotANumber)
    ));
    assert_eq!(cache.get("n").await.unwrap(), Some(i64::MAX));
}

#[tokio::test]
async fn many_at_once_find_what_there_is() {
    let cache = memory();
    cache
        .set_many([("a", 1), ("b", 2)], Timeout::Default)
        .await
        .unwrap();
    let found = cache.get_many::<i64, _>(["a", "b", "c"]).await.unwrap();
    assert_eq!((found.len(), found["a"], found["b"]), (2, 1, 2));
    assert!(
        cache
            .set_many([("d", 1), ("e e", 2)], Timeout::Default)
            .await
            .is_err()
    );
    assert!(
        !cache.has("d").await.unwrap(),
        "nothing is stored when one key is bad"
    );
    assert_eq!(cache.delete_many(["a", "b", "c"]).await.unwrap(), 2);
}

#[tokio::test]
async fn versions_and_prefixes_do_not_meet() {
    let cache = Cache::open("memory:?prefix=site&version=2").unwrap();
    cache.set("k", &1, Timeout::Default).await.unwrap();
    assert_eq!(cache.with_version(3).get::<i64>("k").await.unwrap(), None);
    assert_eq!(cache.incr_version("k").await.unwrap(), 3);
    assert_eq!(cache.get::<i64>("k").await.unwrap(), None);
    assert_eq!(
        cache.with_version(3).get::<i64>("k").await.unwrap(),
        Some(1)
    );
    assert!(matches!(
        cache.incr_version("k").await,
        Err(CacheError::NoValue)
    ));
    cache.clear().await.unwrap();
    assert_eq!(cache.with_version(3).get::<i64>("k").await.unwrap(), None);
}

#[tokio::test]
async fn bad_keys_are_refused_by_every_backend() {
    for url in ["memory:", "off:"] {
        let cache = Cache::open(url).unwrap();
        for key in ["", "a b", "a\nb"] {
            assert!(matches!(
                cache.get::<i64>(key).await,
                Err(CacheError::BadKey(_))
            ));
            assert!(matches!(
                cache.set(key, &1, Timeout::Default).await,
                Err(CacheError::BadKey(_))
            ));
            assert!(matches!(
                cache.delete(key).await,
                Err(CacheError::BadKey(_))
            ));
        }
        let long = "k".repeat(10_000);
        cache.set(&long, &1, Timeout::Default).await.unwrap();
        assert_eq!(
            cache.get::<i64>(&long).await.unwrap().is_some(),
            url == "memory:"
        );
    }
}

#[tokio::test]
async fn a_cache_that_is_off_keeps_nothing_and_breaks_nothing() {
    let cache = Cache::open("off:").unwrap();
    cache.set("k", &1, Timeout::Forever).await.unwrap();
    assert_eq!(cache.get::<i64>("k").await.unwrap(), None);
    assert!(cache.add("k", &1, Timeout::Forever).await.unwrap());
    assert!(!cache.touch("k", Timeout::Forever).await.unwrap());
    assert!(matches!(cache.incr("k", 1).await, Err(CacheError::NoValue)));
    let made = cache
        .get_or_set("k", Timeout::Default, async || Ok::<_, Fault>(7))
        .await
        .unwrap();
    assert_eq!(made, 7);
    cache.clear().await.unwrap();
    cache.close().await;
}

#[tokio::test]
async fn memory_stays_within_its_limit() {
    let cache = Cache::open("memory:?max_bytes=100000").unwrap();
    for number in 0..1_000 {
        cache
            .set_bytes(
                &format!("k{number}"),
                vec![0; 1_000].into(),
                Timeout::Forever,
            )
            .await
            .unwrap();
    }
    cache
        .set_bytes("huge", vec![0; 200_000].into(), Timeout::Forever)
        .await
        .unwrap();
    let mut bytes = 0;
    for number in 0..1_000 {
        bytes += cache
            .get_bytes(&format!("k{number}"))
            .await
            .unwrap()
            .map_or(0, |value| value.len());
    }
    assert!(bytes > 0, "nothing was kept");
    // Room for what moka has not yet tidied away.
    assert!(bytes <= 500_000, "{bytes} bytes were kept");
}

#[tokio::test]
async fn a_value_of_another_shape_counts_as_absent() {
    let cache = memory();
    cache.set("k", "text", Timeout::Default).await.unwrap();
    assert_eq!(cache.get::<i64>("k").await.unwrap(), None);
    let made = cache
        .get_or_set("k", Timeout::Default, async || Ok::<i64, Fault>(3))
        .await
        .unwrap();
    assert_eq!(made, 3);
    assert_eq!(cache.get::<i64>("k").await.unwrap(), Some(3));
}

#[tokio::test]
async fn a_thousand_askers_share_one_computation_even_when_nothing_is_stored() {
    for (url, timeout) in [
        ("memory:", Timeout::Default),
        ("memory:", Timeout::After(Duration::ZERO)),
        ("off:", Timeout::Default),
    ] {
        let cache = Cache::open(url).unwrap();
        let (count, all_here) = (AtomicUsize::new(0), Barrier::new(2));
        let compute = async || {
            count.fetch_add(1, Ordering::SeqCst);
            all_here.wait().await;
            Ok::<_, Fault>("value".to_owned())
        };
        let mut askers: Vec<_> = (0..1_000)
            .map(|_| Box::pin(cache.get_or_set("k", timeout, &compute)))
            .collect();
        // Each asks before any is answered.
        for asker in &mut askers {
            assert!(futures::poll!(asker).is_pending());
        }
        let (values, _) = tokio::join!(futures::future::join_all(askers), all_here.wait());
        assert!(values.into_iter().all(|value| value.unwrap() == "value"));
        assert_eq!(count.load(Ordering::SeqCst), 1, "{url} {timeout:?}");
    }
}

#[tokio::test]
async fn after_a_failed_computation_the_next_asker_tries() {
    let cache = memory();
    let failed = cache
        .get_or_set("k", Timeout::Default, async || Err::<i64, _>(Fault::NoLuck))
        .await;
    assert!(matches!(failed, Err(Fault::NoLuck)));
    let made = cache
        .get_or_set("k", Timeout::Default, async || Ok::<i64, Fault>(1))
        .await;
    assert_eq!(made.unwrap(), 1);
}

#[tokio::test]
async fn an_asker_who_leaves_does_not_hold_up_the_others() {
    let cache = memory();
    let mut leaving = Box::pin(cache.get_or_set("k", Timeout::Default, async || {
        std::future::pending::<Result<i64, Fault>>().await
    }));
    assert!(futures::poll!(&mut leaving).is_pending());
    let mut waiting =
        Box::pin(cache.get_or_set("k", Timeout::Default, async || Ok::<i64, Fault>(2)));
    assert!(futures::poll!(&mut waiting).is_pending());
    drop(leaving);
    assert_eq!(waiting.await.unwrap(), 2);
}

#[tokio::test]
async fn a_value_deleted_while_it_is_computed_is_not_stored() {
    let cache = memory();
    for how in ["delete", "clear", "set"] {
        cache.delete("k").await.unwrap();
        let finish = Barrier::new(2);
        let mut computing = Box::pin(cache.get_or_set("k", Timeout::Default, async || {
            finish.wait().await;
            Ok::<i64, Fault>(1)
        }));
        assert!(futures::poll!(&mut computing).is_pending());
        let expected = match how {
            "delete" => cache.delete("k").await.map(|_| None).unwrap(),
            "clear" => cache.clear().await.map(|()| None).unwrap(),
            _ => cache
                .set("k", &5, Timeout::Default)
                .await
                .map(|()| Some(5))
                .unwrap(),
        };
        let (old, _) = tokio::join!(computing, finish.wait());
        assert_eq!(old.unwrap(), 1, "those who waited get what was computed");
        assert_eq!(cache.get::<i64>("k").await.unwrap(), expected, "{how}");
    }
}

#[tokio::test]
async fn whatever_is_cached_and_however_futures_can_be_spawned() {
    let cache = memory();
    let value = tokio::spawn(async move {
        let key = "k".to_owned();
        cache
            .get_or_set(&key, Timeout::Default, || async {
                Ok::<_, CacheError>(vec![1, 2])
            })
            .await
    });
    assert_eq!(value.await.unwrap().unwrap(), [1, 2]);
}
