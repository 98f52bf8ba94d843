//! A Redis server that is killed, hangs, forgets, or answers what it should not; and processes that cannot reach it, or
//! end between a commit and its announcement. Whatever happens, every event that was committed is heard, or is told to be
//! lost, and none is heard twice.

use backends::bus::{Bus, BusDatabase, BusError, Delivery, Subscription};

use super::line::Line;
use super::{Site, number, over_redis, until_heard, until_quick, writing};
use crate::cache::fake::{Fake, Manner};
use crate::cache::servers::Server;
use crate::cache::until;

async fn until_deaf(bus: &Bus) {
    until("it knows that it does not hear", async || {
        (!bus.is_hearing()).then_some(())
    })
    .await;
}

/// The number of the next event, whatever may have been lost before.
async fn next(subscription: &mut Subscription) -> i64 {
    loop {
        if let Delivery::Event(event) = subscription.recv().await.unwrap() {
            return event.decode().unwrap();
        }
    }
}

async fn until_lost(subscription: &mut Subscription) {
    while subscription.recv().await.unwrap() != Delivery::Lost {}
}

/// Commits these numbers in one transaction.
async fn commit(
    bus: &Bus,
    database: &BusDatabase,
    numbers: std::ops::Range<i64>,
) -> Vec<backends::bus::Recorded> {
    let open = database.write.begin(writing()).await.unwrap();
    let mut recorded = Vec::new();
    for number in numbers {
        recorded.push(bus.record(&open, "g", &number).await.unwrap());
    }
    open.commit().await.unwrap();
    recorded
}

/// Goes on over the database while the server is away, and over the server when it is back, which is told as a loss.
async fn outlives_its_server(site: &Site, server: &mut Server) {
    let (one, two) = (site.bus().await, site.bus().await);
    two.appear().await.unwrap();
    until_quick([&one, &two]).await;
    let mut there = two.subscribe("g");
    one.publish("g", &1).await.unwrap();
    assert_eq!(number(&mut there).await, 1);
    server.kill();
    until_deaf(&two).await;
    until_deaf(&one).await;
    let told = two.check().await.unwrap_err();
    assert!(matches!(told, BusError::Away(_)), "{told}");
    for event in 2..5 {
        one.publish("g", &event).await.unwrap();
        assert_eq!(next(&mut there).await, event);
    }
    assert!(server.begin().await, "its port was taken");
    until_lost(&mut there).await;
    until_quick([&one, &two]).await;
    one.publish("g", &5).await.unwrap();
    assert_eq!(next(&mut there).await, 5);
    until_heard([&one, &two]).await;
    assert!(two.is_hearing());
}

#[tokio::test]
async fn a_server_that_was_killed_and_is_empty_again_loses_nothing_without_a_word() {
    over_redis(outlives_its_server).await;
}

#[tokio::test]
async fn a_server_that_was_killed_and_kept_its_data_is_not_believed_to_have_kept_all() {
    let always = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut server = Server::redis_with(&always).await;
    let site = Site::on_sqlite().await.over(&server);
    outlives_its_server(&site, &mut server).await;
}

#[tokio::test]
async fn what_was_announced_to_a_server_that_hangs_is_heard_once() {
    over_redis(async |site, server| {
        let (one, two) = (site.bus().await, site.bus().await);
        two.appear().await.unwrap();
        until_quick([&one, &two]).await;
        let (mut here, mut there) = (one.subscribe("g"), two.subscribe("g"));
        server.freeze().await;
        // The first go to the server, which does not answer, and will have them when it goes on.
        for event in 0..20 {
            one.publish("g", &event).await.unwrap();
            assert_eq!(next(&mut here).await, event);
        }
        let mut heard: Vec<i64> = Vec::new();
        while heard.len() < 20 {
            heard.push(next(&mut there).await);
        }
        until_deaf(&two).await;
        server.thaw();
        until_quick([&one, &two]).await;
        until_heard([&one, &two]).await;
        one.publish("g", &20).await.unwrap();
        heard.push(next(&mut there).await);
        assert_eq!(
            heard,
            (0..21).collect::<Vec<_>>(),
            "in order, and none twice"
        );
    })
    .await;
}

#[tokio::test]
async fn a_server_whose_memory_was_emptied_is_noticed() {
    over_redis(async |site, server| {
        let (one, two) = (site.bus().await, site.bus().await);
        until_quick([&one, &two]).await;
        let mut there = two.subscribe("g");
        server.tell("FLUSHALL").await;
        until_lost(&mut there).await;
        until_quick([&one, &two]).await;
        one.publish("g", &1).await.unwrap();
        assert_eq!(next(&mut there).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_process_that_was_away_for_a_moment_reads_what_it_missed_after_its_last() {
    over_redis(async |site, server| {
        let line = Line::to(server.address()).await;
        let (one, database) = site.process().await;
        let (two, _) = site.process_at(&format!("redis://{}", line.address)).await;
        until_quick([&one, &two]).await;
        let mut there = two.subscribe("g");
        one.publish("g", &0).await.unwrap();
        assert_eq!(number(&mut there).await, 0);
        line.cut();
        until_deaf(&two).await;
        one.announce(commit(&one, &database, 1..11).await);
        one.check().await.unwrap();
        line.mend();
        for event in 1..11 {
            assert_eq!(number(&mut there).await, event, "and nothing is lost");
        }
    })
    .await;
}

#[tokio::test]
async fn a_process_whose_server_vanished_without_a_word_hears_what_it_missed() {
    over_redis(async |site, server| {
        let line = Line::to(server.address()).await;
        let one = site.bus().await;
        let (two, _) = site.process_at(&format!("redis://{}", line.address)).await;
        until_quick([&one, &two]).await;
        let mut there = two.subscribe("g");
        one.publish("g", &0).await.unwrap();
        assert_eq!(number(&mut there).await, 0);
        line.vanish();
        one.publish("g", &1).await.unwrap();
        assert_eq!(number(&mut there).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_process_that_missed_more_than_is_kept_is_told_so() {
    over_redis(async |site, server| {
        let line = Line::to(server.address()).await;
        let (one, database) = site.process().await;
        let (two, _) = site.process_at(&format!("redis://{}", line.address)).await;
        until_quick([&one, &two]).await;
        let mut there = two.subscribe_with_depth("g", 4_000);
        one.publish("g", &0).await.unwrap();
        assert_eq!(number(&mut there).await, 0);
        line.cut();
        until_deaf(&two).await;
        one.announce(commit(&one, &database, 1..2_500).await);
        one.check().await.unwrap();
        line.mend();
        assert_eq!(there.recv().await, Some(Delivery::Lost));
        until_quick([&two]).await;
        one.publish("g", &2_500).await.unwrap();
        assert_eq!(next(&mut there).await, 2_500);
    })
    .await;
}

#[tokio::test]
async fn a_process_that_alone_cannot_reach_the_server_hears_by_way_of_the_database() {
    over_redis(async |site, server| {
        let line = Line::to(server.address()).await;
        let one = site.bus().await;
        let (two, _) = site.process_at(&format!("redis://{}", line.address)).await;
        one.appear().await.unwrap();
        two.appear().await.unwrap();
        until_quick([&one, &two]).await;
        line.cut();
        until("the other notices", async || {
            (!one.is_quick()).then_some(())
        })
        .await;
        assert!(one.is_hearing() && !two.is_hearing());
        let (mut here, mut there) = (one.subscribe("g"), two.subscribe("g"));
        for event in 0..3 {
            one.publish("g", &event).await.unwrap();
            assert_eq!(next(&mut there).await, event);
            two.publish("g", &(10 + event)).await.unwrap();
            assert_eq!(
                (next(&mut here).await, next(&mut here).await),
                (event, 10 + event)
            );
            assert_eq!(next(&mut there).await, 10 + event);
        }
        line.mend();
        until_quick([&one, &two]).await;
        one.publish("g", &99).await.unwrap();
        assert_eq!(next(&mut there).await, 99);
    })
    .await;
}

#[tokio::test]
async fn a_process_that_ends_between_its_commit_and_its_announcement_is_noticed() {
    over_redis(async |site, _| {
        let ((one, database), two) = (site.process().await, site.bus().await);
        until_quick([&one, &two]).await;
        let mut there = two.subscribe("g");
        let recorded = commit(&one, &database, 0..1).await;
        // As when it is killed: nothing of it does anything any more.
        std::mem::forget(recorded);
        drop(one);
        assert_eq!(there.recv().await, Some(Delivery::Lost));
    })
    .await;
}

#[tokio::test]
async fn a_process_that_says_good_bye_is_not_taken_for_one_that_was_killed() {
    over_redis(async |site, server| {
        let (one, two, three) = (site.bus().await, site.bus().await, site.bus().await);
        until_quick([&one, &two, &three]).await;
        let mut there = two.subscribe("g");
        one.publish("g", &1).await.unwrap();
        one.close().await;
        // One that is dropped without a word ends its lease later than the other would have.
        drop(three);
        assert_eq!(number(&mut there).await, 1);
        assert_eq!(there.recv().await, Some(Delivery::Lost));
        server.kill();
        until_deaf(&two).await;
        assert_eq!(there.try_recv(), None, "once, for the one without a word");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_answers_nonsense_or_nothing_is_done_without_and_keeps_secrets() {
    let manners = [
        Manner::Silent,
        Manner::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        Manner::Says(b"*1\r\n*1\r\n*1\r\n:".to_vec()),
        Manner::Says(b"+OK\r\n".repeat(20)),
        Manner::Says(b":7\r\n".repeat(20)),
        Manner::Says(b"$-1\r\n".repeat(20)),
        Manner::SaysAndLeaves(b"$5\r\nab".to_vec()),
        Manner::SaysAndLeaves(b"\xff\xfe\xfd\r\n".to_vec()),
    ];
    for manner in manners {
        let words = format!("{manner:?}");
        let fake = Fake::start(manner).await;
        let site = Site::on_sqlite().await;
        let url = format!("redis://:s3cret@{}", fake.address);
        let (one, _) = site.process_at(&url).await;
        let (two, _) = site.process_at("database:").await;
        let mut there = two.subscribe("g");
        one.publish("g", &1).await.unwrap();
        assert_eq!(number(&mut there).await, 1, "{words}");
        assert!(!one.is_hearing() && !one.is_quick(), "{words}");
        let told = one.check().await.unwrap_err().to_string();
        assert!(
            told.contains(&fake.address) && !told.contains("s3cret"),
            "{told}"
        );
        assert!(fake.asked() > 0, "{words}");
        one.close().await;
    }
}

#[tokio::test]
async fn sites_that_share_a_server_do_not_hear_each_other() {
    let server = Server::redis().await;
    let url = format!("redis://{}?prefix=", server.address());
    let site = Site::on_sqlite().await;
    let (one, _) = site.process_at(&format!("{url}one")).await;
    let (two, _) = site.process_at(&format!("{url}two")).await;
    until_quick([&one, &two]).await;
    let mut there = two.subscribe("g");
    one.publish("g", &1).await.unwrap();
    until_heard([&one, &two]).await;
    assert_eq!(there.try_recv(), None);
}

#[tokio::test]
async fn processes_that_are_set_otherwise_hear_each_other_all_the_same() {
    over_redis(async |site, _| {
        let one = site.bus().await;
        let (two, _) = site.process_at("database:").await;
        one.appear().await.unwrap();
        two.appear().await.unwrap();
        until("the one knows of the other", async || {
            (one.peers().len() == 1 && one.is_hearing() && !one.is_quick()).then_some(())
        })
        .await;
        let (mut here, mut there) = (one.subscribe("g"), two.subscribe("g"));
        one.publish("g", &1).await.unwrap();
        assert_eq!(number(&mut there).await, 1);
        two.publish("g", &2).await.unwrap();
        assert_eq!([number(&mut here).await, number(&mut here).await], [1, 2]);
    })
    .await;
}
