//! Which server a name lies on, who is left out, and what becomes of its names.

use std::collections::HashMap;

use super::*;

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

    servers[2].freeze().await;
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

    servers[2].thaw();
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
    servers[0].freeze().await;
    let name = name_on(&cache, 0);
    assert!(cache.get(&name).await.is_err());
    cache.clear("").await.unwrap();
    servers[0].thaw();
    until_out(&cache, 0, false).await;
    let found = cache.get_many(&names).await.unwrap();
    assert!(found.iter().all(Option::is_none), "{found:?}");
    assert_eq!(servers[0].say("get other\r\n", 2).await[1], "1");
}
