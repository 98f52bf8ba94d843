//! Values, numbers and times on servers that are well.

use super::*;

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
