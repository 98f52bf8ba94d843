//! On real folders, with hostile things in them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use super::super::testing::until;
use super::*;

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

struct Site {
    folder: TempDir,
    clock: Clock,
}

impl Site {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::fixed(noon()),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// The cache as one process has it.
    fn cache(&self, max_bytes: u64) -> Files {
        Files::open(&self.path(), max_bytes, self.clock.clone()).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        let Spot { shard, file } = spot(name);
        self.path().join(format!("{shard:02x}")).join(file)
    }

    /// All files below the folder, but for the locks.
    fn files(&self) -> Vec<PathBuf> {
        let shards = fs::read_dir(self.path()).unwrap();
        let files = shards.flat_map(|shard| fs::read_dir(shard.unwrap().path()).unwrap());
        let files = files.map(|file| file.unwrap().path());
        files.filter(|file| !file.ends_with(".lock")).collect()
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Locks the shard of a name as another process would.
async fn lock(site: &Site, name: &str) -> Shard {
    let other = site.cache(MANY);
    // The cache may be culling it.
    until("the shard is free", async || {
        other.0.folder.lock(spot(name).shard).unwrap()
    })
    .await
}

const MANY: u64 = 64 * 1_024 * 1_024;

#[tokio::test]
async fn what_one_process_stores_the_other_finds_until_it_is_over() {
    let site = Site::new();
    let (one, two) = (site.cache(MANY), site.cache(MANY));
    let second = Some(Duration::from_secs(1));
    let value = Bytes::from((0..=255).collect::<Vec<u8>>());
    one.set(":1:Kürs", value.clone(), second).await.unwrap();
    one.set(":1:empty", Bytes::new(), None).await.unwrap();
    assert_eq!(two.get(":1:Kürs").await, Ok(Some(value)));
    assert_eq!(
        two.touch(":1:Kürs", Some(Duration::from_secs(5))).await,
        Ok(true)
    );
    site.clock.advance(TimeDelta::seconds(4));
    assert!(one.get(":1:Kürs").await.unwrap().is_some());
    site.clock.advance(TimeDelta::seconds(1));
    assert_eq!(one.get(":1:Kürs").await, Ok(None));
    assert!(!site.file(":1:Kürs").exists(), "what is over is removed");
    assert_eq!(two.touch(":1:Kürs", None).await, Ok(false));
    assert_eq!(two.count(":1:Kürs", 1).await, Ok(None));
    let names = [":1:Kürs", ":1:empty"].map(str::to_owned);
    assert_eq!(
        two.get_many(&names).await,
        Ok(vec![None, Some(Bytes::new())])
    );
    assert_eq!(two.delete_many(&names).await, Ok(1));
    assert_eq!(site.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_entry_from_a_clock_that_was_wrong_is_not_believed() {
    let site = Site::new();
    let cache = site.cache(MANY);
    site.clock.advance(TimeDelta::days(3_650));
    cache.set(":1:a", bytes("future"), None).await.unwrap();
    cache.set(":1:b", bytes("future"), None).await.unwrap();
    site.clock.set(noon());
    assert_eq!(cache.count(":1:a", 1).await, Ok(None));
    assert_eq!(cache.add(":1:a", bytes("now"), None).await, Ok(true));
    assert_eq!(cache.get(":1:a").await, Ok(Some(bytes("now"))));
    assert_eq!(cache.get(":1:b").await, Ok(None));
}

/// Counts, and says whether it was the first to take the lock.
async fn count_and_add(cache: Files, by: i64) -> bool {
    cache.count(":1:n", by).await.unwrap();
    cache.add(":1:lock", bytes("1"), None).await.unwrap()
}

#[tokio::test]
async fn numbers_and_locks_are_right_between_processes() {
    let site = Site::new();
    let caches = [site.cache(MANY), site.cache(MANY)];
    let lifetime = Some(Duration::from_secs(10));
    caches[0].set(":1:n", bytes("0"), lifetime).await.unwrap();
    let tasks: Vec<_> = (0..100)
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
    assert_eq!(caches[1].get(":1:n").await, Ok(Some(bytes("-50"))));
    for (value, by) in [("9223372036854775807", 1), ("text", 1), ("", -1)] {
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
async fn a_lock_that_another_process_keeps_is_waited_for_but_not_for_ever() {
    let site = Site::new();
    let cache = site.cache(MANY);
    cache.set(":1:a", bytes("1"), None).await.unwrap();
    let held = lock(&site, ":1:a").await;
    assert_eq!(
        cache.get(":1:a").await,
        Ok(Some(bytes("1"))),
        "reading takes no lock"
    );
    let mut waits = Box::pin(cache.set(":1:a", bytes("2"), None));
    assert!(futures::poll!(&mut waits).is_pending());
    drop(held);
    waits.await.unwrap();
    assert_eq!(cache.get(":1:a").await, Ok(Some(bytes("2"))));
    let held = lock(&site, ":1:a").await;
    let given_up = cache.set(":1:a", bytes("3"), None).await;
    assert!(matches!(given_up, Err(Fault::Refused(_))), "{given_up:?}");
    drop(held);
}

#[tokio::test]
async fn files_and_folders_are_their_owners_alone() {
    let site = Site::new();
    let cache = site.cache(MANY);
    cache.set(":1:a", bytes("1"), None).await.unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = site.file(":1:a");
    let shard = file.parent().unwrap().to_owned();
    assert_eq!(mode(site.path()), 0o700);
    assert_eq!(mode(shard.join(".lock")), 0o600);
    assert_eq!(mode(shard), 0o700);
    assert_eq!(mode(file), 0o600);
}

#[tokio::test]
async fn what_is_no_whole_entry_is_a_miss_and_removed() {
    let site = Site::new();
    let cache = site.cache(MANY);
    cache.set(":1:other", bytes("other"), None).await.unwrap();
    cache.set(":1:a", bytes("value"), None).await.unwrap();
    let file = site.file(":1:a");
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let half = whole[..whole.len() / 2].to_vec();
    let another = fs::read(site.file(":1:other")).unwrap();
    for content in [flipped, half, another, Vec::new(), vec![0; whole.len()]] {
        fs::write(&file, content).unwrap();
        assert_eq!(cache.get(":1:a").await, Ok(None));
        assert!(!file.exists());
        fs::write(&file, b"junk").unwrap();
        assert_eq!(cache.count(":1:a", 1).await, Ok(None));
        assert_eq!(cache.add(":1:a", bytes("value"), None).await, Ok(true));
        assert_eq!(cache.get(":1:a").await, Ok(Some(bytes("value"))));
    }
    // A folder, and a pipe, at which a reader would wait.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_eq!(cache.get(":1:a").await, Ok(None));
    fs::create_dir_all(&file).unwrap();
    cache.set(":1:a", bytes("value"), None).await.unwrap();
    assert_eq!(cache.get(":1:a").await, Ok(Some(bytes("value"))));
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(&file)
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(cache.get(":1:a").await, Ok(None));
    assert!(!file.exists());
}

#[tokio::test]
async fn no_link_leads_out_of_the_folder() {
    let site = Site::new();
    let cache = site.cache(MANY);
    cache.set(":1:a", bytes("1"), None).await.unwrap();
    let outside = site.folder.path().join("outside");
    let file = site.file(":1:a");
    let shard = file.parent().unwrap().to_owned();
    // A link in the place of the entry, of the file that is written, and of the lock.
    fs::write(&outside, fs::read(&file).unwrap()).unwrap();
    let before = fs::read(&outside).unwrap();
    fs::remove_file(&file).unwrap();
    symlink(&outside, &file).unwrap();
    symlink(&outside, shard.join(".new")).unwrap();
    assert_eq!(
        cache.get(":1:a").await,
        Ok(None),
        "a valid entry, but not ours"
    );
    symlink(&outside, &file).unwrap();
    let _ = symlink(&outside, shard.join(".new"));
    cache.set(":1:a", bytes("2"), None).await.unwrap();
    assert_eq!(cache.get(":1:a").await, Ok(Some(bytes("2"))));
    assert_eq!(fs::read(&outside).unwrap(), before);
    fs::remove_file(shard.join(".lock")).unwrap();
    symlink(&outside, shard.join(".lock")).unwrap();
    assert!(cache.set(":1:a", bytes("3"), None).await.is_err());
    // A link in the place of the shard.
    fs::remove_dir_all(&shard).unwrap();
    let elsewhere = site.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join(file.file_name().unwrap()), &before).unwrap();
    symlink(&elsewhere, &shard).unwrap();
    assert_eq!(cache.get(":1:a").await, Ok(None));
    cache.clear("").await.unwrap();
    cache.set(":1:a", bytes("4"), None).await.unwrap();
    assert_eq!(cache.get(":1:a").await, Ok(Some(bytes("4"))));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
}

#[tokio::test]
async fn a_folder_that_others_may_write_to_or_that_is_a_link_is_refused() {
    let site = Site::new();
    let open = || Files::open(&site.path(), MANY, site.clock.clone());
    let refused = || open().expect_err("taken").to_string();
    fs::create_dir(site.path()).unwrap();
    for mode in [0o777, 0o1777, 0o770, 0o720] {
        fs::set_permissions(site.path(), fs::Permissions::from_mode(mode)).unwrap();
        let told = refused();
        assert!(told.contains("chmod 700"), "{mode:o}: {told}");
    }
    // To look at the names of the shards does no harm.
    fs::set_permissions(site.path(), fs::Permissions::from_mode(0o755)).unwrap();
    open().unwrap();
    let elsewhere = site.folder.path().join("elsewhere");
    fs::rename(site.path(), &elsewhere).unwrap();
    symlink(&elsewhere, site.path()).unwrap();
    assert!(refused().contains("link"), "{}", refused());
}

#[tokio::test]
async fn a_folder_that_is_exchanged_for_one_of_others_is_not_used() {
    let site = Site::new();
    let cache = site.cache(MANY);
    cache.set(":1:a", bytes("1"), None).await.unwrap();
    fs::remove_dir_all(site.path()).unwrap();
    fs::create_dir(site.path()).unwrap();
    fs::set_permissions(site.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(cache.set(":1:a", bytes("2"), None).await.is_err());
    assert_eq!(fs::read_dir(site.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_folder_that_is_deleted_under_it_is_made_again() {
    let site = Site::new();
    let cache = site.cache(MANY);
    cache.set(":1:a", bytes("1"), None).await.unwrap();
    fs::remove_dir_all(site.path()).unwrap();
    assert_eq!(cache.get(":1:a").await, Ok(None));
    cache.set(":1:a", bytes("2"), None).await.unwrap();
    assert_eq!(cache.get(":1:a").await, Ok(Some(bytes("2"))));
    assert!(site.file(":1:a").exists());
}

#[tokio::test]
async fn clearing_forgets_what_is_ours_and_nothing_else() {
    let site = Site::new();
    let cache = site.cache(MANY);
    let ours: Vec<_> = (0..100).map(|n| format!("site:{}:{n}", n % 3)).collect();
    let others = ["site2:1:a", "site:a", ":1:a"].map(str::to_owned);
    let all = ours.iter().chain(&others);
    let entries: Vec<_> = all.map(|name| (name.clone(), bytes("1"))).collect();
    cache.set_many(&entries, None).await.unwrap();
    let foreign = site.path().join("00").join("notes.txt");
    fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    fs::write(&foreign, "mine").unwrap();
    cache.clear("site").await.unwrap();
    assert!(
        cache
            .get_many(&ours)
            .await
            .unwrap()
            .iter()
            .all(Option::is_none)
    );
    assert!(
        cache
            .get_many(&others)
            .await
            .unwrap()
            .iter()
            .all(Option::is_some)
    );
    cache.clear("").await.unwrap();
    assert_eq!(cache.get(":1:a").await, Ok(None));
    assert_eq!(fs::read_to_string(foreign).unwrap(), "mine");
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused_and_the_older_one_is_gone() {
    let site = Site::new();
    let cache = site.cache(100_000);
    cache.set(":1:a", bytes("old"), None).await.unwrap();
    let large = Bytes::from(vec![b'x'; 50_001]);
    let entries = [
        (":1:a".to_owned(), large.clone()),
        (":1:b".to_owned(), bytes("1")),
    ];
    let most = 50_000;
    let too_large = Err(Fault::TooLarge {
        bytes: 50_001,
        most,
    });
    assert_eq!(cache.set_many(&entries, None).await, too_large);
    assert!(cache.add(":1:c", large, None).await.is_err());
    assert_eq!(cache.get(":1:a").await, Ok(None));
    assert_eq!(cache.get(":1:b").await, Ok(Some(bytes("1"))));
    let cache = site.cache(MANY);
    let value = Bytes::from(vec![b'x'; 32 * 1_024 * 1_024]);
    cache.set(":1:a", value.clone(), None).await.unwrap();
    assert_eq!(cache.get(":1:a").await, Ok(Some(value)));
}

#[tokio::test]
async fn the_oldest_are_pushed_out_when_there_is_too_much_and_leftovers_are_removed() {
    let site = Site::new();
    let cache = site.cache(200_000);
    cache
        .set(":1:short", bytes("1"), Some(Duration::from_secs(5)))
        .await
        .unwrap();
    for n in 0..60 {
        site.clock.advance(TimeDelta::seconds(1));
        let value = Bytes::from(vec![b'x'; 5_000]);
        cache.set(&format!(":1:{n}"), value, None).await.unwrap();
    }
    // Left by one that was killed as it wrote.
    let left = site.file(":1:59").parent().unwrap().join(".new");
    fs::write(&left, "half").unwrap();
    until("it is culled", async || {
        site.clock.advance(TimeDelta::minutes(1));
        assert!(
            cache.get(":1:59").await.unwrap().is_some(),
            "the newest is pushed out last"
        );
        let report = cache.servers().await.remove(0);
        if report.bytes_used.unwrap() <= 200_000 && !left.exists() {
            assert!((15..=24).contains(&report.entries.unwrap()), "{report:?}");
            return Some(());
        }
        None
    })
    .await;
    assert_eq!(cache.get(":1:0").await, Ok(None));
    assert!(!site.file(":1:short").exists());
    let used: u64 = site
        .files()
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    assert!(used <= 200_000, "{used}");
}

#[tokio::test]
async fn an_entry_is_replaced_as_a_whole_for_who_reads_meanwhile() {
    let site = Site::new();
    let cache = site.cache(MANY);
    let value = |letter| Bytes::from(vec![letter; 200_000]);
    cache.set(":1:a", value(b'a'), None).await.unwrap();
    let other = cache.clone();
    let writer = tokio::spawn(async move {
        for n in 0..50 {
            other.set(":1:a", value(b'a' + n % 26), None).await.unwrap();
        }
    });
    while !writer.is_finished() {
        let found = cache.get(":1:a").await.unwrap().unwrap();
        assert!(found.len() == 200_000 && found.iter().all(|byte| *byte == found[0]));
    }
    writer.await.unwrap();
}
