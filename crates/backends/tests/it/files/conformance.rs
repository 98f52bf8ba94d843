//! What holds wherever files are. Each test runs on the disk, and on S3 where a server is there for it
//! (`scripts/with-servers s3 -- cargo nextest run --run-ignored all`).

use super::{Place, all_files, keys, noise, read, visit, visit_soon, write};
use backends::files::{Files, FilesError};
use bytes::Bytes;
use futures::TryStreamExt;

/// A test of every store.
macro_rules! everywhere {
    ($($name:ident)*) => {
        mod on_disk {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Place::disk()).await;
            })*
        }
        mod on_s3 {
            $(#[tokio::test]
            #[ignore = "needs an object store: make test-s3"]
            async fn $name() {
                super::$name(super::Place::s3()).await;
            })*
        }
    };
}

everywhere! {
    what_is_written_in_pieces_is_read_back_in_any_range
    an_object_of_many_parts_is_the_same_when_it_is_read_back
    a_copy_leaves_the_original_where_it_is
    an_empty_file_is_a_file
    a_writer_dropped_unfinished_leaves_nothing
    an_object_that_is_replaced_is_never_read_as_a_mixture
    a_local_file_is_moved_in_and_lent_out
    deleting_removes_what_is_named_and_no_more
    bad_keys_are_refused_everywhere
    what_is_not_there_is_not_found
    many_put_and_delete_side_by_side
    the_store_says_that_it_can_be_written
    a_growing_object_goes_on_where_it_was_and_is_seen_when_it_is_whole
    a_growing_object_is_cut_to_what_it_was_before_the_visit
    a_growing_object_of_many_parts_keeps_every_byte
    a_growing_object_keeps_its_first_bytes_at_hand
    a_growing_object_that_is_deleted_begins_anew
    growing_objects_are_put_together
    an_empty_growing_object_becomes_an_empty_object
    names_of_growing_objects_are_one_part_of_a_key
}

async fn what_is_written_in_pieces_is_read_back_in_any_range(place: Place) {
    let files = &place.files;
    let bytes = noise(1_500_000);
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
    assert!(read(files, "a/b/c.bin", None).await == bytes);
    for range in [
        0..1,
        0..262_144,
        262_143..262_145,
        1_499_999..1_500_000,
        700_000..1_400_000,
    ] {
        let expected = &bytes[range.clone()];
        let asked = range.start as u64..range.end as u64;
        let (size, _) = files.read("a/b/c.bin", Some(asked.clone())).await.unwrap();
        assert_eq!(size, 1_500_000);
        assert!(
            read(files, "a/b/c.bin", Some(asked)).await == expected,
            "{range:?}"
        );
    }
    let beyond = Some(1_499_998..9_000_000);
    assert_eq!(read(files, "a/b/c.bin", beyond).await.len(), 2);
    for nothing in [9_000_000..9_000_001, 1_500_000..1_500_001, 5..5] {
        assert!(read(files, "a/b/c.bin", Some(nothing)).await.is_empty());
    }
}

async fn an_object_of_many_parts_is_the_same_when_it_is_read_back(place: Place) {
    let files = &place.files;
    // Whole parts of S3's smallest size, and such with a rest.
    for size in [5 << 20, 10 << 20, 12_345_678] {
        let bytes = noise(size);
        let mut writer = files.create("a").await.unwrap();
        for piece in bytes.chunks(1 << 20) {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        assert_eq!(writer.finish().await.unwrap(), size as u64);
        assert!(read(files, "a", None).await == bytes);
        let across = Some((5 << 20) - 7..(5 << 20) + 7);
        let expected = &bytes[(5 << 20) - 7..size.min((5 << 20) + 7)];
        assert!(read(files, "a", across).await == expected);
        let made = place.data.path().join("made");
        std::fs::write(&made, &bytes).unwrap();
        assert_eq!(files.put("b", &made).await.unwrap(), size as u64);
        assert!(read(files, "b", None).await == bytes);
    }
    assert_eq!(all_files(&place.work()), 0);
}

async fn a_copy_leaves_the_original_where_it_is(place: Place) {
    let files = &place.files;
    let text = noise(300_000);
    write(files, "one/original", text.clone()).await;
    write(files, "two/copy", "older").await;
    let size = files.copy("one/original", "two/copy").await.unwrap();
    assert_eq!(size, 300_000);
    for key in ["one/original", "two/copy"] {
        assert!(read(files, key, None).await == text, "{key}");
    }
    let missing = files.copy("one/missing", "two/copy").await;
    assert!(matches!(missing, Err(FilesError::NotFound)));
    assert!(read(files, "two/copy", None).await == text);
}

async fn an_empty_file_is_a_file(place: Place) {
    let files = &place.files;
    let writer = files.create("empty").await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), 0);
    assert_eq!(files.size("empty").await.unwrap(), 0);
    assert!(read(files, "empty", None).await.is_empty());
    assert!(read(files, "empty", Some(0..8_192)).await.is_empty());
    let made = place.data.path().join("made");
    std::fs::write(&made, "").unwrap();
    assert_eq!(files.put("also", &made).await.unwrap(), 0);
    assert_eq!(keys(files, "").await, ["also", "empty"]);
}

async fn a_writer_dropped_unfinished_leaves_nothing(place: Place) {
    let files = &place.files;
    let mut writer = files.create("a").await.unwrap();
    writer.write(noise(6_000_000)).await.unwrap();
    drop(writer);
    assert!(!files.exists("a").await.unwrap());
    assert!(keys(files, "").await.is_empty());
    assert_eq!(all_files(place.data.path()), 0);
}

async fn an_object_that_is_replaced_is_never_read_as_a_mixture(place: Place) {
    let files = &place.files;
    write(files, "a", vec![1; 1_000_000]).await;
    let (size, stream) = files.read("a", None).await.unwrap();
    write(files, "a", "new").await;
    assert_eq!(size, 1_000_000);
    let old: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert!(old.concat() == vec![1; 1_000_000]);
    assert_eq!(read(files, "a", None).await, b"new");
}

async fn a_local_file_is_moved_in_and_lent_out(place: Place) {
    let files = &place.files;
    let work = files.temporary_dir("job-7").await.unwrap();
    assert!(work.starts_with(place.data.path()));
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
    drop(local);
    assert_eq!(all_files(&place.work()), 0, "a copy goes with its holder");
    assert_eq!(files.size("media/7/film.mp4").await.unwrap(), 4);
    assert!(matches!(
        files.put("x", &made).await,
        Err(FilesError::NotFound)
    ));
    assert!(matches!(
        files.local("none").await,
        Err(FilesError::NotFound)
    ));
}

async fn deleting_removes_what_is_named_and_no_more(place: Place) {
    let files = &place.files;
    for key in ["a/1", "a/b/2", "a/b/3", "ab/4"] {
        write(files, key, "x").await;
    }
    files.delete("a/missing").await.unwrap();
    files.delete("a").await.unwrap();
    assert_eq!(keys(files, "").await, ["a/1", "a/b/2", "a/b/3", "ab/4"]);
    assert_eq!(keys(files, "a/b/").await, ["a/b/2", "a/b/3"]);
    assert!(files.list("missing").await.unwrap().is_empty());
    assert_eq!(files.list_folders("a").await.unwrap(), ["a/b"]);
    assert!(files.list_folders("missing").await.unwrap().is_empty());
    assert!(files.list_folders("a/1").await.unwrap().is_empty());
    assert!(files.list("a/1").await.unwrap().is_empty());
    files.delete_prefix("a/b").await.unwrap();
    files.delete_prefix("a/b").await.unwrap();
    files.delete_prefix("a/1").await.unwrap();
    files.delete("ab/4").await.unwrap();
    assert_eq!(keys(files, "").await, ["a/1"]);
}

async fn bad_keys_are_refused_everywhere(place: Place) {
    let files = &place.files;
    std::fs::write(place.data.path().join("secret"), "x").unwrap();
    for key in [
        "../secret",
        "/etc/passwd",
        "",
        "a/../../secret",
        ".unfinished",
        ".partial/a",
        "A",
    ] {
        let made = place.data.path().join("secret");
        let refused = [
            files.create(key).await.map(drop),
            files.size(key).await.map(drop),
            files.read(key, None).await.map(drop),
            files.delete(key).await,
            files.delete_prefix(key).await,
            files.local(key).await.map(drop),
            files.put(key, &made).await.map(drop),
            files.temporary_dir(key).await.map(drop),
            files.visit("a", key).await.map(drop),
        ];
        for refused in refused {
            assert!(matches!(refused, Err(FilesError::BadKey)), "{key}");
        }
    }
}

async fn what_is_not_there_is_not_found(place: Place) {
    let files = &place.files;
    write(files, "dir/file", "x").await;
    for key in ["a", "dir", "dir/file/more"] {
        assert!(
            matches!(files.size(key).await, Err(FilesError::NotFound)),
            "{key}"
        );
        let read = files.read(key, None).await;
        assert!(matches!(read.map(drop), Err(FilesError::NotFound)), "{key}");
        let read = files.read(key, Some(0..5)).await;
        assert!(matches!(read.map(drop), Err(FilesError::NotFound)), "{key}");
    }
}

async fn many_put_and_delete_side_by_side(place: Place) {
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let key = format!("shared/folder/{task}");
            tokio::spawn(come_and_go(place.files.clone(), key))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(place.files.list("").await.unwrap().is_empty());
}

async fn come_and_go(files: Files, key: String) {
    for _ in 0..20 {
        write(&files, &key, "x").await;
        files.delete(&key).await.unwrap();
    }
}

async fn the_store_says_that_it_can_be_written(place: Place) {
    place.files.check().await.unwrap();
    assert!(keys(&place.files, "").await.is_empty());
    assert_eq!(all_files(place.data.path()), 0);
}

async fn a_growing_object_goes_on_where_it_was_and_is_seen_when_it_is_whole(place: Place) {
    let files = &place.files;
    assert_eq!(files.partial_size("a").await.unwrap(), None);
    for (text, size) in [("one ", 4), ("two ", 8)] {
        let mut partial = visit(files, "a").await.unwrap();
        partial.write(text.into()).await.unwrap();
        assert_eq!(partial.sync().await.unwrap().size(), size);
        assert_eq!(files.partial_size("a").await.unwrap(), Some(size));
        assert_eq!(files.list("").await.unwrap(), []);
    }
    let second = place.second();
    let partial = visit(&second.files, "a").await.unwrap();
    let (mut partial, head) = partial.head(5).await.unwrap();
    assert_eq!(head, b"one t");
    partial.write("end".into()).await.unwrap();
    assert_eq!(partial.size(), 11);
    let partial = partial.sync().await.unwrap();
    assert_eq!(second.files.promote(partial).await.unwrap(), 11);
    assert_eq!(read(files, "whole/a", None).await, b"one two end");
    assert_eq!(files.partial_size("a").await.unwrap(), None);
    assert_eq!(files.list_partial().await.unwrap(), Vec::<String>::new());
    assert_eq!(keys(files, "").await, ["whole/a"]);
}

async fn a_growing_object_is_cut_to_what_it_was_before_the_visit(place: Place) {
    let files = &place.files;
    let bytes = noise(17_000_000);
    let (first, rest) = (bytes.slice(..6_000_000), bytes.slice(6_000_000..));
    let mut partial = visit(files, "a").await.unwrap();
    partial.write(first.clone()).await.unwrap();
    drop(partial.sync().await.unwrap());
    // Wrong bytes, some of which have arrived by now.
    let mut partial = visit(files, "a").await.unwrap();
    partial.write(noise(13_000_000)).await.unwrap();
    let partial = partial.truncate(6_000_000).await.unwrap();
    assert_eq!(partial.size(), 6_000_000);
    assert_eq!(files.partial_size("a").await.unwrap(), Some(6_000_000));
    // The same in a visit that ends without a word.
    drop(partial);
    let mut partial = visit_soon(files, "a").await;
    partial.write(noise(13_000_000)).await.unwrap();
    drop(partial);
    let partial = visit_soon(files, "a").await;
    let mut partial = partial.truncate(6_000_000).await.unwrap();
    partial.write(rest).await.unwrap();
    let partial = partial.sync().await.unwrap();
    assert_eq!(files.promote(partial).await.unwrap(), 17_000_000);
    assert!(read(files, "whole/a", None).await == bytes);
    // Where nothing is to be cut, nothing is.
    let mut partial = visit(files, "b").await.unwrap();
    partial.write(first).await.unwrap();
    let partial = partial.sync().await.unwrap();
    assert_eq!(partial.truncate(6_000_000).await.unwrap().size(), 6_000_000);
}

async fn a_growing_object_of_many_parts_keeps_every_byte(place: Place) {
    let files = &place.files;
    let bytes = noise(31_000_000);
    let mut offset = 0;
    // Ends of visits in all places: within a part, at its end, in the next but one.
    for end in [
        1,
        5 << 20,
        (5 << 20) + 1,
        16_000_000,
        16_000_001,
        31_000_000,
    ] {
        let mut partial = visit(files, "a").await.unwrap();
        assert_eq!(partial.size(), offset as u64);
        for piece in bytes[offset..end].chunks(700_000) {
            partial.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        offset = end;
        let partial = partial.sync().await.unwrap();
        assert_eq!(partial.size(), end as u64);
        assert_eq!(files.partial_size("a").await.unwrap(), Some(end as u64));
    }
    let partial = visit(files, "a").await.unwrap();
    let (partial, head) = partial.head(8_192).await.unwrap();
    assert!(head == bytes[..8_192]);
    assert_eq!(files.promote(partial).await.unwrap(), 31_000_000);
    assert!(read(files, "whole/a", None).await == bytes);
    assert_eq!(all_files(&place.work()), 0);
}

async fn a_growing_object_keeps_its_first_bytes_at_hand(place: Place) {
    let files = &place.files;
    let bytes = noise(6_000_000);
    for (begin, end) in [(0, 5_000), (5_000, 9_000), (9_000, 6_000_000)] {
        let mut partial = visit(files, "a").await.unwrap();
        partial.write(bytes.slice(begin..end)).await.unwrap();
        let (partial, head) = partial.head(8_192).await.unwrap();
        assert!(head == bytes[..end.min(8_192)], "while it is written");
        drop(partial.sync().await.unwrap());
        let partial = visit(files, "a").await.unwrap();
        let (_partial, head) = partial.head(8_192).await.unwrap();
        assert!(head == bytes[..end.min(8_192)], "later");
    }
}

async fn a_growing_object_that_is_deleted_begins_anew(place: Place) {
    let files = &place.files;
    for size in [1_000, 12_000_000] {
        let mut partial = visit(files, "a").await.unwrap();
        partial.write(noise(size)).await.unwrap();
        let partial = partial.sync().await.unwrap();
        partial.delete().await.unwrap();
        assert_eq!(files.partial_size("a").await.unwrap(), None);
        assert_eq!(visit(files, "a").await.unwrap().size(), 0);
    }
}

async fn growing_objects_are_put_together(place: Place) {
    let files = &place.files;
    let parts = [noise(3), noise(12_000_000), noise(2_000_000)];
    for (name, bytes) in ["a", "b", "c"].iter().zip(&parts) {
        let mut partial = visit(files, name).await.unwrap();
        partial.write(bytes.clone()).await.unwrap();
        partial.sync().await.unwrap();
    }
    for whole in ["d", "e"] {
        let mut joined = visit(files, whole).await.unwrap();
        for part in ["a", "b", "c"] {
            joined = files.append(joined, part).await.unwrap();
        }
        let joined = joined.sync().await.unwrap();
        assert_eq!(joined.size(), 14_000_003);
        assert_eq!(files.promote(joined).await.unwrap(), 14_000_003);
        assert!(read(files, &format!("whole/{whole}"), None).await == parts.concat());
    }
    // The parts stay what they were, until they are deleted.
    let mut names = files.list_partial().await.unwrap();
    names.sort();
    assert_eq!(names, ["a", "b", "c"]);
    for (name, bytes) in ["a", "b", "c"].iter().zip(&parts) {
        let partial = visit(files, name).await.unwrap();
        assert_eq!(partial.size(), bytes.len() as u64);
        partial.delete().await.unwrap();
    }
    assert_eq!(keys(files, "").await, ["whole/d", "whole/e"]);
}

async fn an_empty_growing_object_becomes_an_empty_object(place: Place) {
    let files = &place.files;
    let partial = visit(files, "a").await.unwrap();
    let partial = partial.sync().await.unwrap();
    assert_eq!(files.promote(partial).await.unwrap(), 0);
    assert_eq!(files.size("whole/a").await.unwrap(), 0);
}

async fn names_of_growing_objects_are_one_part_of_a_key(place: Place) {
    for wrong in ["", "../a", "a/b", ".a"] {
        let visit = place.files.visit(wrong, "a").await;
        assert!(matches!(visit, Err(FilesError::BadKey)));
        let size = place.files.partial_size(wrong).await;
        assert!(matches!(size, Err(FilesError::BadKey)));
    }
}
