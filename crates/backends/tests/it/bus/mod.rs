//! Several buses on one database, as several processes of one site have them: what holds on every kind of bus. What
//! becomes of one when a Redis server does not do what it should is in [`redis`].

#[path = "../../../../../tests/it/kit/line.rs"]
mod line;
mod redis;

use std::path::Path;
use std::sync::{Arc, Mutex};

use backends::bounded::{Bounded, Timeout};
use backends::bus::{
    Bus, BusDatabase, BusError, Delivery, MOST_TOLD_BYTES, Subscription, events_table,
};
use backends::clock::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend,
    SqliteTransactionMode, Statement, TransactionOptions,
};
use tempfile::TempDir;

use crate::cache::servers::Server;
use crate::cache::until;

/// A database with the table of events, and perhaps a Redis server.
struct Site {
    url: String,
    bus_url: String,
    clock: Clock,
    _folder: Option<TempDir>,
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

impl Site {
    async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!(
            "sqlite://{}?mode=rwc",
            folder.path().join("site.db").display()
        );
        Self::new(url, Some(folder)).await
    }

    async fn on_postgres(server: &str) -> Self {
        let name = format!(
            "lyceum_test_{:x}",
            u64::from_be_bytes(Clock::system().random_bytes())
        );
        let admin = Database::connect(server).await.unwrap();
        admin
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self::new(format!("{base}/{name}"), None).await
    }

    async fn new(url: String, folder: Option<TempDir>) -> Self {
        let site = Self {
            url,
            bus_url: "database:".to_owned(),
            clock: Clock::fixed(noon()),
            _folder: folder,
        };
        let db = site.connect(1).await;
        db.execute(&events_table()).await.unwrap();
        site
    }

    async fn connect(&self, connections: u32) -> Bounded<DatabaseConnection> {
        let mut options = ConnectOptions::new(&self.url);
        options
            .max_connections(connections)
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|options| {
                options.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
            });
        Bounded::new(Database::connect(options).await.unwrap(), Timeout::never())
    }

    fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }

    /// The same with events that go over this server.
    fn over(mut self, server: &Server) -> Self {
        self.bus_url = format!("redis://{}", server.address());
        self
    }

    fn is_over_redis(&self) -> bool {
        self.bus_url != "database:"
    }

    /// Connections of their own, as another process has them.
    async fn process(&self) -> (Bus, BusDatabase) {
        self.process_at(&self.bus_url).await
    }

    async fn process_at(&self, bus_url: &str) -> (Bus, BusDatabase) {
        let write = self.connect(if self.is_postgres() { 4 } else { 1 }).await;
        let database = BusDatabase {
            read: self.connect(2).await,
            write,
            url: self.url.clone(),
            clock: self.clock.clone(),
            site: "one".to_owned(),
        };
        let bus = Bus::open(bus_url, Some(database.clone())).await.unwrap();
        (bus, database)
    }

    async fn bus(&self) -> Bus {
        self.process().await.0
    }

    async fn remove(self) {
        if self.is_postgres() {
            let server = std::env::var("LYCEUM_TEST_POSTGRES").unwrap();
            let name = self.url.rsplit('/').next().unwrap();
            let admin = Database::connect(server).await.unwrap();
            admin
                .execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)"))
                .await
                .unwrap();
        }
    }
}

/// What must hold on both engines; the second is left out where there is no server.
async fn on_each_database(test: impl AsyncFn(&Site)) {
    let site = Site::on_sqlite().await;
    test(&site).await;
    site.remove().await;
    if std::env::var_os("LYCEUM_TEST_POSTGRES").is_some() {
        only_on_postgres(test).await;
    }
}

/// What must hold on every kind of bus that processes share.
async fn on_each_engine(test: impl AsyncFn(&Site)) {
    on_each_database(&test).await;
    over_redis(async |site, _| test(site).await).await;
}

/// What must hold over Redis, whichever the database is.
async fn over_redis(test: impl AsyncFn(&Site, &mut Server)) {
    let mut server = Server::redis().await;
    let site = Site::on_sqlite().await.over(&server);
    test(&site, &mut server).await;
    site.remove().await;
    if let Ok(postgres) = std::env::var("LYCEUM_TEST_POSTGRES") {
        let mut server = Server::redis().await;
        let site = Site::on_postgres(&postgres).await.over(&server);
        test(&site, &mut server).await;
        site.remove().await;
    }
}

async fn only_on_postgres(test: impl AsyncFn(&Site)) {
    let server = std::env::var("LYCEUM_TEST_POSTGRES");
    let site = Site::on_postgres(&server.expect("`make test-postgres` names a server")).await;
    test(&site).await;
    site.remove().await;
}

/// Waits until events of these go the quickest way there is.
async fn until_quick<const N: usize>(buses: [&Bus; N]) {
    for bus in buses {
        until("events go the quick way", async || {
            bus.is_quick().then_some(())
        })
        .await;
    }
}

/// Returns when everything that these have announced was heard by all of them.
async fn until_heard<const N: usize>(buses: [&Bus; N]) {
    // Each hears itself behind what it has said before; then everybody's words are there to be heard.
    for _ in 0..2 {
        for bus in buses {
            bus.check().await.unwrap();
        }
    }
}

/// Begins as the site's writers do: on SQLite with the write lock.
fn writing() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

async fn number(subscription: &mut Subscription) -> i64 {
    match subscription.recv().await.unwrap() {
        Delivery::Event(event) => event.decode().unwrap(),
        Delivery::Lost => panic!("something was lost"),
    }
}

#[tokio::test]
async fn an_event_is_heard_in_every_process_and_only_once() {
    on_each_engine(async |site| {
        let (one, two) = (site.bus().await, site.bus().await);
        until_quick([&one, &two]).await;
        let (mut here, mut there) = (one.subscribe("room:1"), two.subscribe("room:1"));
        one.publish("room:1", &1).await.unwrap();
        two.publish("room:2", &-1).await.unwrap();
        assert_eq!(number(&mut here).await, 1);
        assert_eq!(number(&mut there).await, 1);
        two.publish("room:1", &2).await.unwrap();
        assert_eq!(number(&mut here).await, 2);
        assert_eq!(number(&mut there).await, 2);
        until_heard([&one, &two]).await;
        assert_eq!((here.try_recv(), there.try_recv()), (None, None));
    })
    .await;
}

#[tokio::test]
async fn an_event_is_heard_after_the_commit_and_never_after_a_rollback() {
    on_each_engine(async |site| {
        let ((one, database), two) = (site.process().await, site.bus().await);
        until_quick([&one, &two]).await;
        let (mut here, mut there) = (one.subscribe("g"), two.subscribe("g"));

        let undone = database.write.begin(writing()).await.unwrap();
        let recorded = one.record(&undone, "g", &1).await.unwrap();
        undone.rollback().await.unwrap();
        drop(recorded);

        let open = database.write.begin(writing()).await.unwrap();
        let recorded = vec![
            one.record(&open, "g", &2).await.unwrap(),
            one.record(&open, "g", &3).await.unwrap(),
        ];
        until_heard([&one, &two]).await;
        assert_eq!(
            (here.try_recv(), there.try_recv()),
            (None, None),
            "heard before the commit"
        );
        open.commit().await.unwrap();
        one.announce(recorded);

        for heard in [&mut here, &mut there] {
            assert_eq!([number(heard).await, number(heard).await], [2, 3]);
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_whose_writer_vanished_after_the_commit_is_heard_at_home_too() {
    on_each_engine(async |site| {
        let ((one, database), two) = (site.process().await, site.bus().await);
        until_quick([&one, &two]).await;
        let (mut here, mut there) = (one.subscribe("g"), two.subscribe("g"));
        let open = database.write.begin(writing()).await.unwrap();
        let recorded = one.record(&open, "g", &1).await.unwrap();
        open.commit().await.unwrap();
        // As when a request is dropped while its commit is under way.
        drop(recorded);
        assert_eq!(number(&mut here).await, 1);
        assert_eq!(number(&mut there).await, 1);
        one.check().await.unwrap();
        assert_eq!(here.try_recv(), None);
    })
    .await;
}

/// What a reaction to the group `g` has been given so far; `None` for something lost.
fn reactions(bus: &Bus) -> Arc<Mutex<Vec<Option<i64>>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    bus.react("g", move |delivery| {
        let number = match delivery {
            Delivery::Event(event) => Some(event.decode().unwrap()),
            Delivery::Lost => None,
        };
        kept.lock().unwrap().push(number);
    });
    seen
}

#[tokio::test]
async fn a_reaction_is_over_before_the_announcement_is_whoever_has_to_go_first() {
    on_each_engine(async |site| {
        let ((one, database), two) = (site.process().await, site.bus().await);
        until_quick([&one, &two]).await;
        let (here, there) = (reactions(&one), reactions(&two));
        let open = database.write.begin(writing()).await.unwrap();
        let first = one.record(&open, "g", &1).await.unwrap();
        open.commit().await.unwrap();
        let open = database.write.begin(writing()).await.unwrap();
        let second = one.record(&open, "g", &2).await.unwrap();
        let undone = one.record(&open, "other", &3).await.unwrap();
        open.commit().await.unwrap();
        assert!(here.lock().unwrap().is_empty());
        // On SQLite the second is sent to subscribers only after the first.
        one.announce(vec![second]);
        assert_eq!(*here.lock().unwrap(), [Some(2)]);
        one.announce(vec![first, undone]);
        assert_eq!(*here.lock().unwrap(), [Some(2), Some(1)]);
        until_heard([&one, &two]).await;
        let mut there = there.lock().unwrap().clone();
        if site.is_postgres() && site.is_over_redis() {
            // In the order in which they were announced.
            there.reverse();
        }
        assert_eq!(there, [Some(1), Some(2)]);
    })
    .await;
}

#[tokio::test]
async fn an_event_whose_writer_vanished_is_reacted_to_once() {
    on_each_engine(async |site| {
        let (one, database) = site.process().await;
        until_quick([&one]).await;
        let (seen, mut heard) = (reactions(&one), one.subscribe("g"));
        let open = database.write.begin(writing()).await.unwrap();
        let recorded = one.record(&open, "g", &1).await.unwrap();
        open.commit().await.unwrap();
        drop(recorded);
        assert_eq!(number(&mut heard).await, 1);
        assert_eq!(*seen.lock().unwrap(), [Some(1)]);
    })
    .await;
}

#[tokio::test]
async fn a_payload_larger_than_a_notification_arrives_whole() {
    on_each_engine(async |site| {
        let (one, two) = (site.bus().await, site.bus().await);
        until_quick([&one, &two]).await;
        let mut there = two.subscribe("g");
        for length in [7_000, 7_900, 8_000, 300_000] {
            // Two bytes a letter: the limit is in bytes. A null byte is JSON's business.
            let text = format!("a\nb\0{}", "ä".repeat(length / 2));
            one.publish("g", &text).await.unwrap();
            match there.recv().await.unwrap() {
                Delivery::Event(event) => assert_eq!(event.decode::<String>().unwrap(), text),
                Delivery::Lost => panic!("lost at {length}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_bus_does_not_replay_what_happened_before() {
    on_each_engine(async |site| {
        let one = site.bus().await;
        until_quick([&one]).await;
        one.publish("g", &1).await.unwrap();
        one.check().await.unwrap();
        let two = site.bus().await;
        let mut there = two.subscribe("g");
        one.publish("g", &2).await.unwrap();
        assert_eq!(number(&mut there).await, 2);
    })
    .await;
}

#[tokio::test]
async fn many_writers_are_heard_completely_and_each_process_in_order() {
    on_each_engine(async |site| {
        let ((one, database), two) = (site.process().await, site.bus().await);
        until_quick([&one, &two]).await;
        let mut here = one.subscribe_with_depth("g", 1_000);
        let mut there = two.subscribe_with_depth("g", 1_000);
        let writers: Vec<_> = (0..4)
            .map(|writer| tokio::spawn(write_25(one.clone(), database.clone(), writer)))
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        for heard in [&mut here, &mut there] {
            let ids = hear_100_in_order(heard).await;
            assert!(
                site.is_postgres() || ids.is_sorted(),
                "SQLite's commits have one order"
            );
        }
    })
    .await;
}

async fn write_25(bus: Bus, database: BusDatabase, writer: i64) {
    for number in 0..25 {
        let open = database.write.begin(writing()).await.unwrap();
        let recorded = bus
            .record(&open, "g", &(writer * 100 + number))
            .await
            .unwrap();
        open.commit().await.unwrap();
        // Where another writer may overtake.
        tokio::task::yield_now().await;
        bus.announce(vec![recorded]);
    }
}

/// Returns the ids of 100 events, of which each writer's are in order.
async fn hear_100_in_order(heard: &mut Subscription) -> Vec<i64> {
    let (mut numbers, mut ids) = (Vec::new(), Vec::new());
    while numbers.len() < 100 {
        let Delivery::Event(event) = heard.recv().await.unwrap() else {
            panic!("lost")
        };
        numbers.push(event.decode::<i64>().unwrap());
        ids.push(event.id);
    }
    for writer in 0..4 {
        let own: Vec<_> = numbers
            .iter()
            .filter(|number| **number / 100 == writer)
            .collect();
        assert!(own.is_sorted() && own.len() == 25, "{own:?}");
    }
    ids
}

#[tokio::test]
async fn a_table_that_goes_away_is_noticed_and_its_return_loses_nothing() {
    let site = Site::on_sqlite().await;
    let (one, two) = (site.bus().await, site.bus().await);
    let mut there = two.subscribe("g");
    let db = site.connect(1).await;
    db.execute_unprepared("ALTER TABLE bus_events RENAME TO away")
        .await
        .unwrap();
    assert!(matches!(two.check().await, Err(BusError::Deaf)));
    assert!(!two.is_hearing());
    db.execute_unprepared("ALTER TABLE away RENAME TO bus_events")
        .await
        .unwrap();
    one.publish("g", &1).await.unwrap();
    assert_eq!(number(&mut there).await, 1);
    two.check().await.unwrap();
    assert!(two.is_hearing());
}

#[tokio::test]
async fn events_trimmed_before_they_were_read_are_told_as_lost() {
    let site = Site::on_sqlite().await;
    let ((one, database), two) = (site.process().await, site.bus().await);
    let mut there = two.subscribe("g");
    // In one transaction, so that the other process cannot read in between.
    let open = database.write.begin(writing()).await.unwrap();
    let gone = one.record(&open, "g", &1).await.unwrap();
    open.execute_unprepared("DELETE FROM bus_events")
        .await
        .unwrap();
    let kept = one.record(&open, "g", &2).await.unwrap();
    open.commit().await.unwrap();
    one.announce(vec![gone, kept]);
    assert_eq!(there.recv().await, Some(Delivery::Lost));
    assert_eq!(number(&mut there).await, 2);
}

#[tokio::test]
async fn trimming_removes_only_what_is_old_and_ids_go_on() {
    on_each_database(async |site| {
        let (one, two) = (site.bus().await, site.bus().await);
        let mut there = two.subscribe("g");
        one.publish("g", &1).await.unwrap();
        site.clock.advance(TimeDelta::minutes(10));
        one.publish("g", &2).await.unwrap();
        assert_eq!([number(&mut there).await, number(&mut there).await], [1, 2]);
        assert_eq!(
            one.trim(site.clock.now() - TimeDelta::minutes(5))
                .await
                .unwrap(),
            1
        );
        assert_eq!(
            one.trim(site.clock.now() + TimeDelta::minutes(5))
                .await
                .unwrap(),
            1
        );
        // The table is empty now; a third process must still not mistake what follows.
        let three = site.bus().await;
        let mut late = three.subscribe("g");
        one.publish("g", &3).await.unwrap();
        assert_eq!(number(&mut there).await, 3);
        assert_eq!(number(&mut late).await, 3);
    })
    .await;
}

#[tokio::test]
async fn a_reader_too_slow_is_told_and_gets_the_newest() {
    let bus = Bus::open("memory:", None).await.unwrap();
    let mut slow = bus.subscribe_with_depth("g", 4);
    for number in 0..10 {
        bus.publish("g", &number).await.unwrap();
    }
    assert_eq!(slow.recv().await, Some(Delivery::Lost));
    for expected in 6..10 {
        assert_eq!(number(&mut slow).await, expected);
    }
    assert_eq!(slow.try_recv(), None);
}

#[tokio::test]
async fn a_prefix_hears_its_groups_and_no_others() {
    on_each_engine(async |site| {
        let (one, two) = (site.bus().await, site.bus().await);
        until_quick([&one, &two]).await;
        let mut there = two.subscribe_prefix("upload:");
        one.publish("uploads", &0).await.unwrap();
        one.publish("upload:1", &1).await.unwrap();
        two.publish("upload:2", &2).await.unwrap();
        let mut numbers = [number(&mut there).await, number(&mut there).await];
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn closing_ends_subscriptions_and_dropping_the_bus_does_too() {
    on_each_engine(async |site| {
        let bus = site.bus().await;
        let mut open = bus.subscribe("g");
        bus.close().await;
        assert_eq!(open.recv().await, None);
        assert_eq!(bus.subscribe("g").recv().await, None);
        assert!(matches!(bus.check().await, Err(BusError::Closed)));
        assert!(!bus.is_hearing());

        let bus = site.bus().await;
        let mut open = bus.subscribe("g");
        drop(bus);
        assert_eq!(open.recv().await, None);
    })
    .await;
}

#[tokio::test]
async fn wrong_urls_groups_and_databases_are_refused() {
    for url in [
        "",
        "redis://user:s3cret@host",
        "redis://user:s3cret@host/x?prefix=a",
        "redys://user:s3cret@host",
        "database",
        "database:",
        "memory:x",
    ] {
        let error = Bus::open(url, None).await.expect_err(url).to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
    let bus = Bus::open("memory:", None).await.unwrap();
    for group in ["", "a b", "a\nb", &"g".repeat(201)] {
        assert!(
            matches!(bus.publish(group, &1).await, Err(BusError::BadGroup)),
            "{group:?}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        Path::new(folder.path()).join("empty.db").display()
    );
    let db = Database::connect(&url).await.unwrap();
    let db = Bounded::new(db, Timeout::never());
    assert_eq!(db.get_database_backend(), DbBackend::Sqlite);
    let database = BusDatabase {
        read: db.clone(),
        write: db,
        url,
        clock: Clock::system(),
        site: "one".to_owned(),
    };
    assert!(
        Bus::open("database:", Some(database)).await.is_err(),
        "there is no table of events"
    );
}

#[tokio::test]
async fn the_futures_of_the_bus_can_be_spawned() {
    let bus = Bus::open("memory:", None).await.unwrap();
    let mut heard = bus.subscribe("g");
    // A Cell is not Sync: the payload must not be held across an await.
    tokio::spawn(async move {
        bus.publish("g", &std::cell::Cell::new(5)).await.unwrap();
    })
    .await
    .unwrap();
    assert_eq!(number(&mut heard).await, 5);
}

/// Waits until a bus knows of so many others that serve.
async fn until_there_are(bus: &Bus, others: usize) {
    while bus.peers().len() != others {
        tokio::task::yield_now().await;
    }
}

fn has_last(seen: &Mutex<Vec<Option<i64>>>, number: i64) -> bool {
    seen.lock().unwrap().last() == Some(&Some(number))
}

#[tokio::test]
async fn who_announces_goes_on_when_the_processes_that_serve_have_reacted() {
    on_each_engine(async |site| {
        let (one, two, three) = (site.bus().await, site.bus().await, site.bus().await);
        let (_own, there) = (reactions(&one), [reactions(&two), reactions(&three)]);
        two.appear().await.unwrap();
        three.appear().await.unwrap();
        until_there_are(&one, 2).await;
        until_quick([&one, &two, &three]).await;
        let mut at_once = 0;
        for number in 0..40 {
            one.publish("g", &number).await.unwrap();
            at_once += usize::from(there.iter().all(|seen| has_last(seen, number)));
        }
        // The wait is bounded, and the machine may be busy; without it hardly any would be.
        assert!(at_once >= 12, "{at_once} of 40");
        until_heard([&one, &two, &three]).await;
        for seen in &there {
            assert_eq!(seen.lock().unwrap().len(), 40);
        }
    })
    .await;
}

#[tokio::test]
async fn a_process_is_there_from_when_it_appears_until_it_closes() {
    on_each_engine(async |site| {
        let (one, two) = (site.bus().await, site.bus().await);
        assert!(one.peers().is_empty(), "two only asks");
        two.appear().await.unwrap();
        until_there_are(&one, 1).await;
        let late = site.bus().await;
        until_there_are(&late, 1).await;
        assert!(two.peers().is_empty(), "a process is no peer of itself");
        two.close().await;
        until_there_are(&one, 0).await;
    })
    .await;
}

#[tokio::test]
async fn processes_whose_database_lies_deep_in_folders_find_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a".repeat(120)).join("b".repeat(120));
    std::fs::create_dir_all(&deep).unwrap();
    let url = format!("sqlite://{}?mode=rwc", deep.join("site.db").display());
    let site = Site::new(url, Some(folder)).await;
    let (one, two) = (site.bus().await, site.bus().await);
    let (_own, there) = (reactions(&one), reactions(&two));
    two.appear().await.unwrap();
    let mut at_once = 0;
    for number in 0..20 {
        one.publish("g", &number).await.unwrap();
        at_once += usize::from(there.lock().unwrap().last() == Some(&Some(number)));
    }
    assert!(at_once >= 12, "{at_once} of 20");
}

#[tokio::test]
async fn a_process_that_was_killed_is_not_there_any_more() {
    let site = Site::on_sqlite().await;
    let (one, two) = (site.bus().await, site.bus().await);
    let _own = reactions(&one);
    two.appear().await.unwrap();
    let file = site.url.trim_start_matches("sqlite://");
    let file = file.split('?').next().unwrap();
    let folder = std::path::PathBuf::from(format!("{file}-peers"));
    // What a killed process leaves.
    for name in ["killed.serve", "killed.ask"] {
        drop(std::os::unix::net::UnixDatagram::bind(folder.join(name)).unwrap());
    }
    one.publish("g", &1).await.unwrap();
    assert!(!folder.join("killed.serve").exists());
    drop(std::os::unix::net::UnixDatagram::bind(folder.join("killed2.serve")).unwrap());
    assert_eq!(one.peers(), [two.instance()]);
    assert!(!folder.join("killed2.serve").exists());
    drop((one, two));
    let left = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(left, 0, "sockets go with their processes");
}

/// Hears this text and then the numbers up to 20, without a number in a table.
async fn hear_told(heard: &mut Subscription, text: &str) {
    let Delivery::Event(event) = heard.recv().await.unwrap() else {
        panic!("something was lost")
    };
    assert_eq!(
        (event.id, event.decode::<String>().unwrap()),
        (0, text.to_owned())
    );
    for expected in 0..20 {
        assert_eq!(number(heard).await, expected);
    }
}

#[tokio::test]
async fn what_is_only_told_is_heard_by_all_that_serve_in_order_and_leaves_no_record() {
    on_each_engine(async |site| {
        let (one, two) = (site.bus().await, site.bus().await);
        two.appear().await.unwrap();
        until_there_are(&one, 1).await;
        assert_eq!(one.peers(), [two.instance()]);
        until_quick([&one, &two]).await;
        let (mut here, mut there) = (one.subscribe("here:1"), two.subscribe_prefix("here:"));
        let large = "x".repeat(MOST_TOLD_BYTES - 2);
        one.tell("here:1", &large).unwrap();
        for number in 0..20 {
            one.tell("here:1", &number).unwrap();
            one.tell("other", &number).unwrap();
        }
        for heard in [&mut here, &mut there] {
            hear_told(heard, &large).await;
        }
        assert_eq!(here.try_recv(), None, "its own voice comes once");
        let larger = format!("{large}x");
        let refused = one.tell("here:1", &larger).unwrap_err();
        assert!(matches!(refused, BusError::TooLarge(7_501)), "{refused}");
        assert!(matches!(one.tell("a b", &1), Err(BusError::BadGroup)));
        let db = site.connect(1).await;
        let rows = Statement::from_string(db.get_database_backend(), "SELECT 1 FROM bus_events");
        assert!(db.query_one_raw(rows).await.unwrap().is_none());
        drop(two);
        one.tell("here:1", &1).unwrap();
    })
    .await;
}

mod on_postgres {
    use super::*;

    #[tokio::test]
    async fn an_event_committed_late_under_a_smaller_id_is_not_missed() {
        only_on_postgres(async |site| {
            let ((one, database), two) = (site.process().await, site.bus().await);
            let mut there = two.subscribe("g");
            let slow = database.write.begin(writing()).await.unwrap();
            let quick = database.write.begin(writing()).await.unwrap();
            let first = one.record(&slow, "g", &1).await.unwrap();
            let second = one.record(&quick, "g", &2).await.unwrap();
            assert!(first.event().id < second.event().id);
            quick.commit().await.unwrap();
            assert_eq!(number(&mut there).await, 2);
            slow.commit().await.unwrap();
            assert_eq!(number(&mut there).await, 1);
        })
        .await;
    }

    #[tokio::test]
    async fn a_lost_connection_is_told_and_repaired() {
        only_on_postgres(async |site| {
            let (one, two) = (site.bus().await, site.bus().await);
            let (seen, mut there) = (reactions(&two), two.subscribe("g"));
            one.publish("g", &1).await.unwrap();
            assert_eq!(number(&mut there).await, 1);
            let db = site.connect(1).await;
            db.execute_unprepared(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = 'lyceum bus' AND datname = current_database()",
            )
            .await
            .unwrap();
            assert_eq!(there.recv().await, Some(Delivery::Lost));
            assert!(seen.lock().unwrap().ends_with(&[None]));
            one.publish("g", &2).await.unwrap();
            assert_eq!(number(&mut there).await, 2);
            two.check().await.unwrap();
            assert!(two.is_hearing());
        })
        .await;
    }
}
