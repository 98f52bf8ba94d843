//! What is the disk's own.

use super::{all_files, read, visit, write};
use backends::clock::Clock;
use backends::files::Files;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use tempfile::TempDir;

fn store() -> (Files, TempDir) {
    let data = tempfile::tempdir().unwrap();
    (Files::open("disk:", data.path()).unwrap(), data)
}

#[tokio::test]
async fn a_writer_dropped_unfinished_leaves_nothing() {
    let (files, data) = store();
    let mut writer = files.create("a").await.unwrap();
    writer.write(Bytes::from(vec![1; 600_000])).await.unwrap();
    assert_eq!(all_files(data.path()), 1);
    drop(writer);
    assert_eq!(all_files(data.path()), 0);
    assert!(!files.exists("a").await.unwrap());
}

#[tokio::test]
async fn a_reader_keeps_the_old_bytes_while_the_file_is_replaced() {
    let (files, _data) = store();
    write(&files, "a", vec![1; 1_000_000]).await;
    let (size, stream) = files.read("a", None).await.unwrap();
    write(&files, "a", "new").await;
    files.delete("a").await.unwrap();
    let old: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!(size, 1_000_000);
    assert!(old.concat() == vec![1; 1_000_000]);
}

#[tokio::test]
async fn a_local_file_of_another_file_system_is_copied_in() {
    // Memory-backed on Linux, hence never the file system of a temporary folder on disk; where
    // both are the same, this tries the rename once more.
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let (files, data) = store();
    let made = elsewhere.path().join("made");
    std::fs::write(&made, vec![7; 300_000]).unwrap();
    assert_eq!(files.put("a/made", &made).await.unwrap(), 300_000);
    assert!(!made.exists());
    assert!(read(&files, "a/made", None).await == vec![7; 300_000]);
    assert_eq!(
        all_files(data.path()),
        1,
        "the copy's temporary file is gone"
    );
}

#[tokio::test]
async fn sweeping_removes_the_stale_and_spares_work_in_progress_and_objects() {
    let (files, data) = store();
    write(&files, "a", "x").await;
    let work = files.temporary_dir("old").await.unwrap();
    std::fs::create_dir(work.join("inner")).unwrap();
    std::fs::write(work.join("inner/part"), "x").unwrap();
    let writer = files.create("b").await.unwrap();
    let changed = std::fs::metadata(work.join("inner/part"))
        .unwrap()
        .modified()
        .unwrap();
    let changed = DateTime::<Utc>::from(changed);

    assert_eq!(
        files
            .sweep_temporary(changed - TimeDelta::hours(1))
            .await
            .unwrap(),
        0
    );
    // Only the file deep inside is fresh: the folder is still in use.
    let old = std::fs::FileTimes::new().set_modified((changed - TimeDelta::days(2)).into());
    for path in [work.clone(), work.join("inner")] {
        std::fs::File::open(path).unwrap().set_times(old).unwrap();
    }
    assert_eq!(
        files
            .sweep_temporary(changed - TimeDelta::hours(1))
            .await
            .unwrap(),
        0
    );
    assert!(work.exists());

    assert_eq!(
        files
            .sweep_temporary(changed + TimeDelta::hours(1))
            .await
            .unwrap(),
        2
    );
    assert!(!work.exists());
    assert!(files.exists("a").await.unwrap());
    drop(writer);
    assert_eq!(all_files(data.path()), 1);
}

#[tokio::test]
async fn the_store_says_whether_it_can_be_written_and_refuses_wrong_urls() {
    let (files, data) = store();
    files.check().await.unwrap();
    assert_eq!(all_files(data.path()), 0);
    std::fs::remove_dir_all(data.path().join("files")).unwrap();
    assert!(files.check().await.is_err());
    for url in [
        "",
        "disc:",
        "disk:relative",
        "s3://key:s3cret@bucket",
        "s4:",
    ] {
        let error = Files::open(url, data.path()).expect_err(url).to_string();
        assert!(!error.contains("s3cret"));
    }
    let elsewhere = data.path().join("elsewhere");
    let files = Files::open(&format!("disk:{}", elsewhere.display()), data.path()).unwrap();
    write(
        &files,
        Clock::fixed(DateTime::UNIX_EPOCH)
            .now()
            .timestamp()
            .to_string()
            .as_str(),
        "x",
    )
    .await;
    assert!(elsewhere.join("0").exists());
}

#[tokio::test]
async fn a_growing_object_is_held_by_one_visit_at_a_time_in_all_processes() {
    let (files, data) = store();
    let other = Files::open("disk:", data.path()).unwrap();
    let held = visit(&files, "a").await.unwrap();
    assert!(visit(&files, "a").await.is_none());
    assert!(visit(&other, "a").await.is_none());
    assert!(visit(&other, "b").await.is_some());
    drop(held);
    let held = visit(&other, "a").await.unwrap();
    held.delete().await.unwrap();
    assert_eq!(visit(&files, "a").await.unwrap().size(), 0);
}

#[tokio::test]
async fn a_growing_object_is_cut_anywhere() {
    let (files, data) = store();
    let mut partial = visit(&files, "a").await.unwrap();
    partial.write("one two ".into()).await.unwrap();
    let mut partial = partial.truncate(4).await.unwrap();
    partial.write("end".into()).await.unwrap();
    assert_eq!(files.promote(partial).await.unwrap(), 7);
    assert_eq!(read(&files, "whole/a", None).await, b"one end");
    assert_eq!(all_files(data.path()), 1);
}

#[tokio::test]
async fn folders_that_become_empty_go() {
    let (files, data) = store();
    write(&files, "a/b/1", "x").await;
    write(&files, "c/d/2", "x").await;
    files.delete("a/b/1").await.unwrap();
    files.delete_prefix("c/d").await.unwrap();
    assert!(!data.path().join("files/a").exists() && !data.path().join("files/c").exists());
}
