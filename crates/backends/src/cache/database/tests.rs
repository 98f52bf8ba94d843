//! On SQLite, and on PostgreSQL where `LYCEUM_TEST_POSTGRES` names a server.

use crate::bounded::{Bounded, Timeout};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectOptions, Database as Connection, SqliteTransactionMode, TransactionOptions};
use tempfile::TempDir;

use super::super::testing::until;
use super::*;

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

/// A database with the table of entries, and a clock.
struct Site {
    url: String,
    clock: Clock,
    _folder: Option<TempDir>,
}

impl Site {
    async fn new() -> Self {
        let (url, folder) = if let Ok(server) = std::env::var("LYCEUM_TEST_POSTGRES") {
            (Self::on_postgres(&server, "").await, None)
        } else {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("site.db");
            (
                format!("sqlite://{}?mode=rwc", path.display()),
                Some(folder),
            )
        };
        Self::at(url, folder).await
    }

    /// On PostgreSQL, in a database that sorts as a dictionary does.
    async fn sorting_as_people_do() -> Self {
        let server = std::env::var("LYCEUM_TEST_POSTGRES");
        let server = server.expect("`make test-postgres` names a server");
        let how = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'";
        Self::at(Self::on_postgres(&server, how).await, None).await
    }

    async fn at(url: String, folder: Option<TempDir>) -> Self {
        let site = Self {
            url,
            clock: Clock::fixed(noon()),
            _folder: folder,
        };
        let connection = site.connect(1).await;
        connection.execute(&entries_table()).await.unwrap();
        for index in entries_indexes() {
            connection.execute(&index).await.unwrap();
        }
        site
    }

    async fn on_postgres(server: &str, how: &str) -> String {
        let random = u64::from_be_bytes(Clock::system().random_bytes());
        let name = format!("lyceum_test_{random:x}");
        let admin = Connection::connect(server).await.unwrap();
        let made = admin
            .execute_unprepared(&format!("CREATE DATABASE {name} {how}"))
            .await;
        made.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        format!("{base}/{name}")
    }

    async fn connect(&self, connections: u32) -> DatabaseConnection {
        let mut options = ConnectOptions::new(self.url.clone());
        options.max_connections(connections).sqlx_logging(false);
        options.map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                .busy_timeout(Duration::from_secs(60))
        });
        Connection::connect(options).await.unwrap()
    }

    /// The cache as one process of the site has it.
    async fn cache(&self, max_bytes: u64) -> Database {
        let write = self.connect(1).await;
        let read = match write.get_database_backend() {
            DbBackend::Sqlite => self.connect(4).await,
            _ => write.clone(),
        };
        let [read, write] = [read, write].map(|db| Bounded::new(db, Timeout::never()));
        let database = CacheDatabase { read, write };
        Database::new(database, max_bytes, self.clock.clone())
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!(":1:name:{n}")).collect()
}

const MANY: u64 = 64 * 1_024 * 1_024;

#[tokio::test]
async fn what_one_process_stores_the_other_finds_until_it_is_over() {
    let site = Site::new().await;
    let (one, two) = (site.cache(MANY).await, site.cache(MANY).await);
    let second = Some(Duration::from_secs(1));
    let value = Bytes::from((0..=255).collect::<Vec<u8>>());
    one.set(":1:Kürs", value.clone(), second).await.unwrap();
    one.set(":1:empty", Bytes::new(), None).await.unwrap();
    assert_eq!(two.get(":1:Kürs").await, Ok(Some(value)));
    assert_eq!(two.get(":1:kürs").await, Ok(None));
    assert_eq!(
        two.touch(":1:Kürs", Some(Duration::from_secs(5))).await,
        Ok(true)
    );
    site.clock.advance(TimeDelta::seconds(4));
    assert!(one.get(":1:Kürs").await.unwrap().is_some());
    site.clock.advance(TimeDelta::seconds(1));
    assert_eq!(one.get(":1:Kürs").await, Ok(None));
    assert_eq!(two.touch(":1:Kürs", None).await, Ok(false));
    assert_eq!(two.count(":1:Kürs", 1).await, Ok(None));
    assert_eq!(two.delete_many(&[":1:Kürs".to_owned()]).await, Ok(0));
    assert_eq!(two.get(":1:empty").await, Ok(Some(Bytes::new())));
    assert_eq!(two.delete_many(&[":1:empty".to_owned()]).await, Ok(1));
    assert_eq!(one.get(":1:empty").await, Ok(None));
}

#[tokio::test]
async fn an_entry_from_a_clock_that_was_wrong_is_not_believed_and_can_be_replaced() {
    let site = Site::new().await;
    let cache = site.cache(MANY).await;
    site.clock.advance(TimeDelta::days(3_650));
    cache.set(":1:a", bytes("future"), None).await.unwrap();
    site.clock.set(noon());
    assert_eq!(cache.get(":1:a").await, Ok(None));
    assert_eq!(cache.count(":1:a", 1).await, Ok(None));
    assert_eq!(cache.add(":1:a", bytes("now"), None).await, Ok(true));
    assert_eq!(cache.get(":1:a").await, Ok(Some(bytes("now"))));
    // Clocks of two machines differ a little.
    site.clock.advance(TimeDelta::seconds(-30));
    assert_eq!(cache.get(":1:a").await, Ok(Some(bytes("now"))));
    site.clock.advance(TimeDelta::seconds(-3_600));
    assert_eq!(cache.delete_many(&[":1:a".to_owned()]).await, Ok(0));
    site.clock.set(noon());
    assert_eq!(
        cache.get(":1:a").await,
        Ok(None),
        "what was deleted does not come back"
    );
}

/// Counts, and says whether it was the first to take the lock.
async fn count_and_add(cache: Database, by: i64) -> bool {
    cache.count(":1:n", by).await.unwrap();
    cache.add(":1:lock", bytes("1"), None).await.unwrap()
}

#[tokio::test]
async fn numbers_and_locks_are_right_between_processes() {
    let site = Site::new().await;
    let caches = [site.cache(MANY).await, site.cache(MANY).await];
    let lifetime = Some(Duration::from_secs(10));
    caches[0].set(":1:n", bytes("0"), lifetime).await.unwrap();
    let tasks: Vec<_> = (0..60)
        .map(|n| {
            let by = if n % 4 < 2 { 3 } else { -4 };
            tokio::spawn(count_and_add(caches[n % 2].clone(), by))
        })
        .collect();
    let mut added = 0;
    for task in tasks {
        added += usize::from(task.await.unwrap());
    }
    assert_eq!(added, 1);
    assert_eq!(caches[1].get(":1:n").await, Ok(Some(bytes("-30"))));
    for (value, by) in [
        ("9223372036854775807", 1),
        ("text", 1),
        ("", -1),
        ("1.5", 1),
    ] {
        caches[0].set(":1:m", bytes(value), None).await.unwrap();
        assert_eq!(
            caches[0].count(":1:m", by).await,
            Err(Fault::NotANumber),
            "{value}"
        );
    }
    site.clock.advance(TimeDelta::seconds(10));
    assert_eq!(
        caches[0].get(":1:n").await,
        Ok(None),
        "counting does not lengthen its life"
    );
}

#[tokio::test]
async fn many_are_stored_found_and_forgotten_in_lots() {
    let site = Site::new().await;
    let cache = site.cache(MANY).await;
    let names = names(2_500);
    let mut entries: Vec<_> = names
        .iter()
        .map(|name| (name.clone(), bytes(name)))
        .collect();
    // The last of two with one name counts.
    entries.insert(0, (names[7].clone(), bytes("first")));
    cache.set_many(&entries, None).await.unwrap();
    let mut asked = names.clone();
    asked.insert(3, ":1:nothing".to_owned());
    let found = cache.get_many(&asked).await.unwrap();
    assert_eq!(found.len(), asked.len());
    for (name, value) in asked.iter().zip(found) {
        assert_eq!(value, (name != ":1:nothing").then(|| bytes(name)));
    }
    assert_eq!(cache.servers().await[0].entries, Some(2_500));
    assert_eq!(cache.delete_many(&asked).await, Ok(2_500));
    assert_eq!(cache.get_many(&[]).await, Ok(Vec::new()));
}

#[tokio::test]
async fn two_processes_that_write_the_same_names_do_not_lock_each_other_out() {
    let site = Site::new().await;
    let (one, two) = (site.cache(MANY).await, site.cache(MANY).await);
    let mut backwards = names(150);
    backwards.reverse();
    let forwards = names(150);
    let entries: Vec<_> = forwards
        .iter()
        .map(|name| (name.clone(), bytes("1")))
        .collect();
    let reversed: Vec<_> = backwards
        .iter()
        .map(|name| (name.clone(), bytes("2")))
        .collect();
    for _ in 0..5 {
        let outcome = tokio::join!(
            one.set_many(&entries, None),
            two.set_many(&reversed, None),
            one.delete_many(&backwards),
            two.delete_many(&forwards),
        );
        assert!(outcome.0.is_ok() && outcome.1.is_ok(), "{outcome:?}");
        assert!(outcome.2.is_ok() && outcome.3.is_ok(), "{outcome:?}");
    }
}

/// Names that lie in another order in a dictionary than by their bytes.
fn mixed_names(count: usize) -> Vec<String> {
    let kinds = ["a", "B", "_c", "D", "e-", "Z"];
    let names = (0..count).map(|n| format!(":1:{}{}", kinds[n % kinds.len()], n / kinds.len()));
    names.collect()
}

mod on_postgres {
    use super::*;

    #[tokio::test]
    async fn nobody_locks_another_out_where_names_are_sorted_as_people_do() {
        let site = Site::sorting_as_people_do().await;
        let (one, two) = (site.cache(MANY).await, site.cache(MANY).await);
        let names = mixed_names(90);
        let entries: Vec<_> = names
            .iter()
            .map(|name| (name.clone(), bytes("1")))
            .collect();
        let soon = Some(Duration::from_secs(1));
        for _ in 0..40 {
            let outcome = tokio::join!(
                one.set_many(&entries, soon),
                two.delete_many(&names),
                two.set_many(&entries, soon),
                one.delete_many(&names),
                culling::cull(&one.0),
                culling::cull(&two.0),
            );
            let text = format!("{outcome:?}");
            assert!(!text.contains("Err("), "{text}");
            site.clock.advance(TimeDelta::seconds(1));
        }
    }
}

#[tokio::test]
async fn clearing_forgets_what_is_ours_and_nothing_else() {
    let site = Site::new().await;
    let cache = site.cache(MANY).await;
    let ours: Vec<_> = (0..1_500)
        .map(|n| format!("sité_%:{}:{n}", n % 3))
        .collect();
    let others = [
        "sité_%2:1:a",
        "sité_%:a",
        "SITÉ_%:1:a",
        "sitéxy:1:a",
        ":1:a",
    ];
    let others = others.map(str::to_owned);
    let all = ours.iter().chain(&others);
    let entries: Vec<_> = all.map(|name| (name.clone(), bytes("1"))).collect();
    cache.set_many(&entries, None).await.unwrap();
    cache.clear("sité_%").await.unwrap();
    assert!(
        cache
            .get_many(&ours)
            .await
            .unwrap()
            .iter()
            .all(Option::is_none)
    );
    let found = cache.get_many(&others).await.unwrap();
    assert!(found.iter().all(Option::is_some), "{found:?}");
    cache.clear("").await.unwrap();
    assert_eq!(cache.get(":1:a").await, Ok(None));
    assert!(cache.get("sité_%2:1:a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused_and_the_older_one_is_gone() {
    let site = Site::new().await;
    let cache = site.cache(100_000).await;
    cache.set(":1:a", bytes("old"), None).await.unwrap();
    let large = Bytes::from(vec![b'x'; 60_000]);
    let entries = [
        (":1:a".to_owned(), large.clone()),
        (":1:b".to_owned(), bytes("1")),
    ];
    let stored = cache.set_many(&entries, None).await;
    assert!(
        matches!(stored, Err(Fault::TooLarge { bytes: 60_000, .. })),
        "{stored:?}"
    );
    assert!(matches!(
        cache.add(":1:c", large, None).await,
        Err(Fault::TooLarge { .. })
    ));
    assert_eq!(cache.get(":1:a").await, Ok(None));
    assert_eq!(cache.get(":1:b").await, Ok(Some(bytes("1"))));
    let cache = site.cache(u64::MAX).await;
    let largest = Bytes::from(vec![b'x'; LARGEST_VALUE]);
    cache.set(":1:a", largest.clone(), None).await.unwrap();
    assert_eq!(cache.get(":1:a").await, Ok(Some(largest)));
}

#[tokio::test]
async fn the_oldest_are_pushed_out_when_there_is_too_much_and_the_rest_stays() {
    let site = Site::new().await;
    let cache = site.cache(100_000).await;
    for n in 0..60 {
        site.clock.advance(TimeDelta::seconds(1));
        let value = Bytes::from(vec![b'x'; 3_000]);
        cache.set(&format!(":1:{n}"), value, None).await.unwrap();
    }
    // Culled in the background; what is read or written next finds out that it is time again.
    until("it is culled", async || {
        site.clock.advance(TimeDelta::minutes(1));
        assert!(
            cache.get(":1:59").await.unwrap().is_some(),
            "the newest is pushed out last"
        );
        let report = cache.servers().await.remove(0);
        if report.bytes_used.unwrap() <= 100_000 {
            assert!(report.entries.unwrap() >= 25, "{report:?}");
            assert!(report.evictions.unwrap() >= 25, "{report:?}");
            return Some(());
        }
        None
    })
    .await;
    assert_eq!(cache.get(":1:0").await, Ok(None));
}

#[tokio::test]
async fn what_is_over_is_removed_from_the_table() {
    let site = Site::new().await;
    let cache = site.cache(MANY).await;
    let short: Vec<_> = names(500)
        .into_iter()
        .map(|name| (name, bytes("1")))
        .collect();
    cache
        .set_many(&short, Some(Duration::from_secs(10)))
        .await
        .unwrap();
    cache.set(":1:stays", bytes("1"), None).await.unwrap();
    until("it is removed", async || {
        site.clock.advance(TimeDelta::minutes(1));
        assert!(cache.get(":1:stays").await.unwrap().is_some());
        (cache.servers().await[0].entries == Some(1)).then_some(())
    })
    .await;
}

async fn store_one(cache: Database, number: usize) -> Result<(), Fault> {
    cache.set(&format!(":1:{number}"), bytes("1"), None).await
}

mod on_sqlite {
    use super::*;

    #[tokio::test]
    async fn the_cache_stands_in_the_line_of_the_writer_once_at_most() {
        let site = Site::new().await;
        let cache = site.cache(MANY).await;
        let write = cache.0.write.clone();
        assert_eq!(write.get_database_backend(), DbBackend::Sqlite);
        let options = || TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let held = write.begin(options()).await.unwrap();
        let tasks: Vec<_> = (0..100)
            .map(|n| tokio::spawn(store_one(cache.clone(), n)))
            .collect();
        until("one stands in the line", async || {
            (cache.0.turns.available_permits() == 0).then_some(())
        })
        .await;
        // The site's next writer comes after one of the hundred at most.
        let next = tokio::spawn(async move {
            let transaction = write.begin(options()).await.unwrap();
            let stored = cache.servers().await[0].entries;
            transaction.commit().await.unwrap();
            stored
        });
        tokio::task::yield_now().await;
        held.commit().await.unwrap();
        assert!(next.await.unwrap() <= Some(1));
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }
}

fn sizes(values: &[&[u8]]) -> Vec<usize> {
    let row = |value| Row {
        name: "n",
        value,
        stored_us: 0,
        ends_us: None,
    };
    let rows: Vec<_> = values.iter().copied().map(row).collect();
    batches(&rows).map(<[_]>::len).collect()
}

#[test]
fn no_statement_writes_much_and_every_row_is_written() {
    let large = vec![0; BATCH_BYTES + 1];
    let half = vec![0; BATCH_BYTES / 2];
    assert_eq!(sizes(&[]), [0; 0]);
    assert_eq!(sizes(&[&b""[..]; 250]), [100, 100, 50]);
    assert_eq!(sizes(&[&large, &large, b"a", b"b"]), [1, 1, 2]);
    assert_eq!(sizes(&[&half, &half, b"a"]), [2, 1]);
}

#[test]
fn an_end_beyond_all_time_is_the_end_of_time() {
    assert_eq!(ends_us(5, None), None);
    assert_eq!(ends_us(5, Some(Duration::from_micros(7))), Some(12));
    assert_eq!(ends_us(5, Some(Duration::MAX)), Some(i64::MAX));
}
