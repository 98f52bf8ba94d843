//! The file store on a real disk.

use std::path::Path;

use backends::clock::Clock;
use backends::files::{Files, FilesError, Partial, Visit};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use tempfile::TempDir;

fn store() -> (Files, TempDir) {
    let data = tempfile::tempdir().unwrap();
    (Files::open("disk:", data.path()).unwrap(), data)
}

async fn write(files: &Files, key: &str, text: impl Into<Bytes>) {
    let mut writer = files.create(key).await.unwrap();
    writer.write(text.into()).await.unwrap();
    writer.finish().await.unwrap();
}

async fn read(files: &Files, key: &str, range: Option<std::ops::Range<u64>>) -> Vec<u8> {
    let (_, stream) = files.read(key, range).await.unwrap();
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    pieces.concat()
}

/// Everything on disk except folders, to see that nothing is left behind.
fn all_files(folder: &Path) -> usize {
    let count = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        if path.is_dir() { all_files(&path) } else { 1 }
    };
    std::fs::read_dir(folder).unwrap().map(count).sum()
}

#[tokio::test]
async fn a_copy_leaves_the_original_where_it_is() {
    let (files, _data) = store();
    let text = "x".repeat(300_000);
    write(&files, "one/original", text.clone()).await;
    write(&files, "two/copy", "older").await;
    let size = files.copy("one/original", "two/copy").await.unwrap();
    assert_eq!(size, 300_000);
    for key in ["one/original", "two/copy"] {
        assert_eq!(read(&files, key, None).await, text.as_bytes(), "{key}");
    }
    let missing = files.copy("one/missing", "two/copy").await;
    assert!(matches!(missing, Err(FilesError::NotFound)));
    assert_eq!(read(&files, "two/copy", None).await, text.as_bytes());
}

#[tokio::test]
async fn what_is_written_in_pieces_is_read_back_in_any_range() {
    let (files, _data) = store();
    let bytes: Vec<u8> = (0..1_500_000_u32).map(|n| (n % 251) as u8).collect();
    let mut writer = files.create("a/b/c.bin").await.unwrap();
    for piece in bytes.chunks(70_001) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(writer.size(), 1_500_000);
    assert!(
        !files.exists("a/b/c.bin").await.unwrap(),
        "visible before it is finished"
    );
    assert_eq!(writer.finish().await.unwrap(), 1_500_000);
    assert_eq!(files.size("a/b/c.bin").await.unwrap(), 1_500_000);
    assert!(read(&files, "a/b/c.bin", None).await == bytes);
    for range in [
        0..1,
        0..262_144,
        262_143..262_145,
        1_499_999..1_500_000,
        700_000..1_400_000,
    ] {
        let expected = &bytes[range.clone()];
        let asked = range.start as u64..range.end as u64;
        assert!(
            read(&files, "a/b/c.bin", Some(asked)).await == expected,
            "{range:?}"
        );
    }
    assert_eq!(
        read(&files, "a/b/c.bin", Some(1_499_998..9_000_000))
            .await
            .len(),
        2
    );
    assert!(
        read(&files, "a/b/c.bin", Some(9_000_000..9_000_001))
            .await
            .is_empty()
    );
    assert!(read(&files, "a/b/c.bin", Some(5..5)).await.is_empty());
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let (files, _data) = store();
    assert_eq!(
        files.create("empty").await.unwrap().finish().await.unwrap(),
        0
    );
    assert_eq!(files.size("empty").await.unwrap(), 0);
    assert!(read(&files, "empty", None).await.is_empty());
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
async fn a_local_file_is_moved_in_and_lent_out() {
    let (files, data) = store();
    let work = files.temporary_dir("job-7").await.unwrap();
    assert!(work.starts_with(data.path()));
    assert_ne!(
        work,
        files.temporary_dir("job-7").await.unwrap(),
        "each work folder is new"
    );
    let made = work.join("made.mp4");
    std::fs::write(&made, "film").unwrap();
    assert_eq!(files.put("media/7/film.mp4", &made).await.unwrap(), 4);
    assert!(!made.exists());
    let local = files.local("media/7/film.mp4").await.unwrap();
    assert_eq!(std::fs::read(local.path()).unwrap(), b"film");
    assert!(matches!(
        files.put("x", &made).await,
        Err(FilesError::NotFound)
    ));
    assert!(matches!(
        files.local("none").await,
        Err(FilesError::NotFound)
    ));
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
async fn deleting_removes_what_is_named_and_no_more() {
    let (files, data) = store();
    for key in ["a/1", "a/b/2", "a/b/3", "ab/4"] {
        write(&files, key, "x").await;
    }
    files.delete("a/missing").await.unwrap();
    files.delete("a").await.unwrap();
    let keys = |entries: Vec<backends::files::Entry>| {
        entries
            .into_iter()
            .map(|entry| entry.key)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        keys(files.list("").await.unwrap()),
        ["a/1", "a/b/2", "a/b/3", "ab/4"]
    );
    assert_eq!(keys(files.list("a/b/").await.unwrap()), ["a/b/2", "a/b/3"]);
    assert!(files.list("missing").await.unwrap().is_empty());
    assert!(files.list("a/1").await.unwrap().is_empty());
    files.delete_prefix("a/b").await.unwrap();
    files.delete_prefix("a/b").await.unwrap();
    files.delete_prefix("a/1").await.unwrap();
    files.delete("ab/4").await.unwrap();
    assert_eq!(keys(files.list("").await.unwrap()), ["a/1"]);
    assert!(
        !data.path().join("files/ab").exists(),
        "an empty folder is left"
    );
}

#[tokio::test]
async fn bad_keys_are_refused_everywhere() {
    let (files, data) = store();
    std::fs::write(data.path().join("secret"), "x").unwrap();
    for key in [
        "../secret",
        "/etc/passwd",
        "",
        "a/../../secret",
        ".unfinished",
        "A",
    ] {
        assert!(
            matches!(files.create(key).await, Err(FilesError::BadKey)),
            "{key}"
        );
        assert!(
            matches!(files.size(key).await, Err(FilesError::BadKey)),
            "{key}"
        );
        assert!(
            matches!(
                files.read(key, None).await.map(|_| ()),
                Err(FilesError::BadKey)
            ),
            "{key}"
        );
        assert!(
            matches!(files.delete(key).await, Err(FilesError::BadKey)),
            "{key}"
        );
        assert!(
            matches!(files.delete_prefix(key).await, Err(FilesError::BadKey)),
            "{key}"
        );
        assert!(
            matches!(files.local(key).await, Err(FilesError::BadKey)),
            "{key}"
        );
        assert!(
            matches!(
                files.put(key, &data.path().join("secret")).await,
                Err(FilesError::BadKey)
            ),
            "{key}"
        );
        assert!(
            matches!(files.temporary_dir(key).await, Err(FilesError::BadKey)),
            "{key}"
        );
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (files, _data) = store();
    assert!(matches!(files.size("a").await, Err(FilesError::NotFound)));
    assert!(matches!(
        files.read("a/b", None).await.map(|_| ()),
        Err(FilesError::NotFound)
    ));
    write(&files, "dir/file", "x").await;
    assert!(
        matches!(files.size("dir").await, Err(FilesError::NotFound)),
        "a folder is no file"
    );
    assert!(matches!(
        files.size("dir/file/more").await,
        Err(FilesError::NotFound)
    ));
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
async fn many_put_and_delete_side_by_side_in_folders_that_come_and_go() {
    let (files, _data) = store();
    let tasks: Vec<_> = (0..8)
        .map(|task| tokio::spawn(come_and_go(files.clone(), format!("shared/folder/{task}"))))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(files.list("").await.unwrap().is_empty());
}

async fn come_and_go(files: Files, key: String) {
    for _ in 0..20 {
        write(&files, &key, "x").await;
        files.delete(&key).await.unwrap();
    }
}

#[tokio::test]
async fn the_store_says_whether_it_can_be_written_and_refuses_wrong_urls() {
    let (files, data) = store();
    files.check().await.unwrap();
    assert_eq!(all_files(data.path()), 0);
    std::fs::remove_dir_all(data.path().join("files")).unwrap();
    assert!(files.check().await.is_err());
    for url in ["", "disc:", "disk:relative", "s3://key:s3cret@bucket"] {
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

async fn visit(files: &Files, name: &str) -> Option<Partial> {
    match files.visit(name).await.unwrap() {
        Visit::Held(partial) => Some(partial),
        Visit::Busy => None,
    }
}

#[tokio::test]
async fn a_growing_object_goes_on_where_it_was_and_is_seen_when_it_is_whole() {
    let (files, data) = store();
    for (text, size) in [("one ", 4), ("two ", 8)] {
        let mut partial = visit(&files, "a").await.unwrap();
        partial.write(text.into()).await.unwrap();
        assert_eq!(partial.sync().await.unwrap().size(), size);
        assert_eq!(files.partial_size("a").await.unwrap(), Some(size));
        assert_eq!(files.list("").await.unwrap(), []);
    }
    let partial = visit(&files, "a").await.unwrap();
    let (partial, head) = partial.head(5).await.unwrap();
    assert_eq!(head, b"one t");
    let mut partial = partial.truncate(4).await.unwrap();
    partial.write("end".into()).await.unwrap();
    assert_eq!(files.promote(partial, "b/c").await.unwrap(), 7);
    assert_eq!(read(&files, "b/c", None).await, b"one end");
    assert_eq!(files.partial_size("a").await.unwrap(), None);
    assert_eq!(all_files(data.path()), 1);
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
async fn growing_objects_are_put_together() {
    let (files, _data) = store();
    for (name, text) in [("a", "one "), ("b", "two")] {
        let mut partial = visit(&files, name).await.unwrap();
        partial.write(text.into()).await.unwrap();
        partial.sync().await.unwrap();
    }
    let mut whole = visit(&files, "c").await.unwrap();
    for part in ["a", "b"] {
        whole = files.append(whole, part).await.unwrap();
    }
    assert_eq!(whole.size(), 7);
    assert_eq!(files.promote(whole, "d").await.unwrap(), 7);
    assert_eq!(read(&files, "d", None).await, b"one two");
    let mut names = files.list_partial().await.unwrap();
    names.sort();
    assert_eq!(names, ["a", "b"]);
    for wrong in ["", "../a", "a/b", ".a"] {
        assert!(matches!(files.visit(wrong).await, Err(FilesError::BadKey)));
    }
}
