//! What is S3's own: two processes at once, and a store that answers slowly, wrongly, or not at all.

use super::proxy::{Fault, Proxy};
use super::{Place, all_files, keys, noise, read, try_read, visit, visit_soon, write};
use backends::clock::Clock;
use backends::files::{Files, FilesError, Partial, ShownAs, Visit};
use chrono::TimeDelta;
use futures::future::join_all;
use std::time::Duration;

async fn take_over(files: &Files, name: &str) -> Partial {
    let taken = files.take_over(name, &format!("whole/{name}")).await;
    match taken.unwrap() {
        Visit::Held(partial) => partial,
        Visit::Busy => panic!("{name} is visited in this process"),
    }
}

/// A store behind a proxy, and the same without one.
async fn behind_a_proxy() -> (Place, Proxy, Place) {
    let proxy = Proxy::start().await;
    let place = Place::s3_by(&proxy.url);
    let straight = place.by(&std::env::var("LYCEUM_TEST_S3").unwrap());
    (place, proxy, straight)
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn whoever_adds_to_a_growing_object_is_left_alone_until_somebody_insists() {
    let place = Place::s3();
    let other = place.second();
    let bytes = noise(14_000_000);
    let mut partial = visit(&place.files, "a").await.unwrap();
    assert!(visit(&place.files, "a").await.is_none(), "in one process");
    partial.write(bytes.slice(..12_000_000)).await.unwrap();
    assert!(visit(&other.files, "a").await.is_none(), "in another one");
    // The first is not heard of any more.
    let taken = take_over(&other.files, "a").await;
    let there = taken.size();
    assert_eq!(
        other.files.partial_size("a").await.unwrap(),
        Some(there),
        "what is told is there"
    );
    let mut taken = taken.sync().await.unwrap();
    taken
        .write(bytes.slice(usize::try_from(there).unwrap()..))
        .await
        .unwrap();
    // The first wakes up, and adds other bytes.
    let late = partial.write(noise(11_000_000)).await;
    let late = match late {
        Ok(()) => partial.sync().await.map(drop),
        Err(error) => Err(error),
    };
    assert!(matches!(late, Err(FilesError::TakenOver)), "{late:?}");
    let taken = taken.sync().await.unwrap();
    assert_eq!(other.files.promote(taken).await.unwrap(), 14_000_000);
    assert!(read(&place.files, "whole/a", None).await == bytes);
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn of_two_who_write_at_once_one_is_told_and_every_byte_is_the_others() {
    let place = Place::s3();
    let other = place.second();
    for size in [1_000, 12_000_000] {
        let name = format!("a-{size}");
        let (one, two) = (noise(size), vec![7; size]);
        let mut first = visit(&place.files, &name).await.unwrap();
        let mut second = visit(&other.files, &name).await.unwrap();
        let firsts = async {
            first.write(one.clone()).await?;
            let first = first.sync().await?;
            place.files.promote(first).await
        };
        let seconds = async {
            second.write(two.clone().into()).await?;
            let second = second.sync().await?;
            other.files.promote(second).await
        };
        let (firsts, seconds) = tokio::join!(firsts, seconds);
        let stored = read(&place.files, &format!("whole/{name}"), None).await;
        match (firsts, seconds) {
            (Ok(_), Err(FilesError::TakenOver)) => assert!(stored == one),
            (Err(FilesError::TakenOver), Ok(_)) => assert!(stored == two),
            both => panic!("{both:?}"),
        }
    }
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn of_many_who_take_over_from_each_other_no_byte_gets_lost_or_mixed() {
    let place = Place::s3();
    let bytes = noise(40_000_000);
    let mut holders = Vec::new();
    let mut offset = 0;
    // Nobody of them ends a visit: each is replaced in the middle of it.
    for step in 1..=5 {
        let process = place.second();
        let mut partial = take_over(&process.files, "a").await;
        let there = usize::try_from(partial.size()).unwrap();
        assert!(there >= offset, "what was told stays");
        offset = there;
        partial = partial.sync().await.unwrap();
        let end = (step * 8_000_000 + 1).min(bytes.len());
        partial.write(bytes.slice(offset..end)).await.unwrap();
        holders.push((process, partial));
    }
    let last = place.second();
    let mut partial = take_over(&last.files, "a").await.sync().await.unwrap();
    let there = usize::try_from(partial.size()).unwrap();
    assert!(there > 5 << 20, "parts that arrived are kept: {there}");
    partial.write(bytes.slice(there..)).await.unwrap();
    for (_process, late) in holders {
        assert!(matches!(late.sync().await, Err(FilesError::TakenOver)));
    }
    let partial = partial.sync().await.unwrap();
    assert_eq!(last.files.promote(partial).await.unwrap(), 40_000_000);
    assert!(read(&place.files, "whole/a", None).await == bytes);
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn a_stream_that_breaks_goes_on_where_it_was() {
    let (place, proxy, straight) = behind_a_proxy().await;
    let bytes = noise(3_000_000);
    write(&straight.files, "a", bytes.clone()).await;
    for cut in [0, 100, 70_000, 2_000_000] {
        proxy.fail("GET", "/a", 3, Fault::CutAnswer(cut));
        assert!(read(&place.files, "a", None).await == bytes, "{cut}");
        proxy.fail("GET", "/a", 2, Fault::CutAnswer(cut));
        let range = Some(100_000..2_900_000);
        let expected = &bytes[100_000..2_900_000];
        assert!(read(&place.files, "a", range).await == expected, "{cut}");
    }
    proxy.fail("GET", "/a", usize::MAX, Fault::CutAnswer(100_000));
    let broken = try_read(&place.files, "a", None).await;
    // Each attempt brings some bytes, until it is whole: it never ends too early.
    assert!(broken.unwrap() == bytes);
    proxy.heal();
    proxy.fail("GET", "/a", usize::MAX, Fault::CutAnswer(100));
    let broken = try_read(&place.files, "a", None).await;
    assert!(matches!(broken, Err(FilesError::Away(_))));
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn a_store_that_fails_is_no_range_beyond_the_end_whatever_the_key_is() {
    let (place, proxy, straight) = behind_a_proxy().await;
    let key = "uploads/20270416-status-code-416-invalidrange/a";
    write(&straight.files, key, "hello").await;
    assert!(read(&place.files, key, Some(9..12)).await.is_empty());
    // Its size can be had, its bytes cannot.
    proxy.fail("GET", "416", usize::MAX, Fault::Answer(503));
    for range in [1..3, 9..12] {
        let told = try_read(&place.files, key, Some(range)).await;
        assert!(matches!(told, Err(FilesError::Away(_))), "{told:?}");
    }
    // Nor by a store that says so of bytes that are there.
    proxy.heal();
    proxy.fail("GET", "416", usize::MAX, Fault::Answer(416));
    let told = try_read(&place.files, key, Some(1..3)).await;
    assert!(matches!(told, Err(FilesError::Away(_))), "{told:?}");
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn what_is_on_its_way_to_the_store_is_bounded_however_many_write() {
    let (place, proxy, straight) = behind_a_proxy().await;
    // All that may be on its way at once is, before any of it arrives.
    proxy.fail(
        "PUT",
        "",
        usize::MAX,
        Fault::Delay(Duration::from_millis(500)),
    );
    let (files, folder) = (&place.files, place.data.path());
    let bytes = &noise(5_000_000);
    let growing = (0..12).map(|n| async move {
        let mut partial = visit(files, &format!("{n}")).await.unwrap();
        partial.write(bytes.clone()).await.unwrap();
        let partial = partial.sync().await.unwrap();
        files.promote(partial).await.unwrap();
    });
    let written = (0..12).map(|n| async move {
        write(files, &format!("written/{n}"), bytes.clone()).await;
    });
    let made = (0..12).map(|n| async move {
        let path = folder.join(format!("made-{n}"));
        tokio::fs::write(&path, bytes).await.unwrap();
        files.put(&format!("made/{n}"), &path).await.unwrap();
    });
    tokio::join!(join_all(growing), join_all(written), join_all(made));
    let most = proxy.most_at_once();
    assert!(most <= 32 << 20, "{most}");
    for entry in straight.files.list("").await.unwrap() {
        assert_eq!(entry.size, 5_000_000, "{}", entry.key);
    }
    assert_eq!(straight.files.list("").await.unwrap().len(), 36);
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn long_transfers_tell_that_they_get_on() {
    let place = Place::s3();
    let bytes = noise(22_000_000);
    let made = place.data.path().join("made");
    std::fs::write(&made, &bytes).unwrap();
    let mut told = 0;
    place
        .files
        .put_with("a", &made, || told += 1)
        .await
        .unwrap();
    assert_eq!(told, 5, "once for each part of 5 MiB");
    let mut told = 0;
    let copy = place.files.local_with("a", || told += 1).await.unwrap();
    assert!(told > 1, "{told}");
    assert!(std::fs::read(copy.path()).unwrap() == bytes);
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn an_object_replaced_between_two_attempts_is_an_error_and_no_mixture() {
    let (place, proxy, straight) = behind_a_proxy().await;
    write(&straight.files, "a", vec![1; 3_000_000]).await;
    proxy.fail("GET", "/a", 1, Fault::CutAnswer(100_000));
    let (_, stream) = place.files.read("a", None).await.unwrap();
    write(&straight.files, "a", vec![2; 3_000_000]).await;
    let pieces: Result<Vec<_>, _> = futures::TryStreamExt::try_collect(stream).await;
    assert!(matches!(pieces, Err(FilesError::Away(_))));
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn a_busy_store_is_asked_again_and_nobody_notices() {
    let (place, proxy, _) = behind_a_proxy().await;
    let files = &place.files;
    let bytes = noise(12_000_000);
    for fault in [
        Fault::Answer(503),
        Fault::Answer(500),
        Fault::CutRequest(3_000),
        Fault::LoseAnswer,
        Fault::CutAnswer(20),
        Fault::Delay(Duration::from_millis(300)),
    ] {
        for method in ["PUT", "POST", "GET", "HEAD", "DELETE"] {
            proxy.fail(method, "", 1, fault);
        }
        write(files, "big", bytes.clone()).await;
        write(files, "small", "x").await;
        assert!(read(files, "big", None).await == bytes, "{fault:?}");
        assert_eq!(files.size("small").await.unwrap(), 1);
        assert_eq!(keys(files, "").await, ["big", "small"]);
        files.delete("small").await.unwrap();
        files.delete_prefix("other").await.unwrap();
        proxy.heal();
        files.delete("big").await.unwrap();
        assert!(keys(files, "").await.is_empty(), "{fault:?}");
    }
}

/// Does something to the next request of each of these words.
fn fail_once(proxy: &Proxy, words: &[&'static str], fault: Fault) {
    for word in words {
        proxy.fail("", word, 1, fault);
    }
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn a_growing_object_outlives_every_fault_of_every_request() {
    let (place, proxy, straight) = behind_a_proxy().await;
    let bytes = noise(12_000_000);
    for (round, fault) in [
        Fault::Answer(503),
        Fault::CutRequest(1_500),
        Fault::LoseAnswer,
        Fault::CutAnswer(20),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("a-{round}");
        for (begin, end) in [(0, 1_000), (1_000, 12_000_000)] {
            let words = [".partial", ".tails", "partNumber", "uploadId", "uploads"];
            fail_once(&proxy, &words, fault);
            let mut partial = visit(&place.files, &name).await.unwrap();
            assert_eq!(partial.size(), begin as u64, "{fault:?}");
            partial.write(bytes.slice(begin..end)).await.unwrap();
            let partial = partial.sync().await.unwrap();
            assert_eq!(partial.size(), end as u64);
            proxy.heal();
        }
        fail_once(&proxy, &[".partial", "uploadId", ".tails", ""], fault);
        let partial = visit(&place.files, &name).await.unwrap();
        assert_eq!(place.files.promote(partial).await.unwrap(), 12_000_000);
        proxy.heal();
        let stored = read(&straight.files, &format!("whole/{name}"), None).await;
        assert!(stored == bytes, "{fault:?}");
    }
    assert!(straight.files.list_partial().await.unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn a_store_that_stays_away_is_told_and_nothing_half_is_seen() {
    let (place, proxy, straight) = behind_a_proxy().await;
    let files = &place.files;
    let mut partial = visit(files, "growing").await.unwrap();
    partial.write("there".into()).await.unwrap();
    drop(partial.sync().await.unwrap());
    proxy.fail("", "", usize::MAX, Fault::Answer(503));
    let made = place.data.path().join("made");
    std::fs::write(&made, noise(6_000_000)).unwrap();
    let writing = async {
        let mut writer = files.create("big").await?;
        writer.write(noise(12_000_000)).await?;
        writer.finish().await.map(drop)
    };
    let (written, put, read, size, checked, visited) = tokio::join!(
        writing,
        files.put("put", &made),
        files.read("growing", None),
        files.size("growing"),
        files.check(),
        files.visit("growing", "whole/growing"),
    );
    for told in [
        written.err(),
        put.err(),
        read.err(),
        size.err(),
        checked.err(),
        visited.err(),
    ] {
        let told = told.expect("a fault");
        assert!(matches!(told, FilesError::Away(_)), "{told}");
    }
    assert!(made.exists(), "what was not stored is still here");
    proxy.heal();
    assert!(keys(&straight.files, "").await.is_empty());
    assert_eq!(
        straight.files.partial_size("growing").await.unwrap(),
        Some(5)
    );
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn an_upload_of_which_the_store_has_lost_the_parts_begins_anew() {
    let place = Place::s3();
    let mut partial = visit(&place.files, "a").await.unwrap();
    partial.write(noise(12_000_000)).await.unwrap();
    drop(partial.sync().await.unwrap());
    // As a rule of the bucket does to unfinished uploads: here it is a sweep that knows nothing of it.
    let gone = place.by(&std::env::var("LYCEUM_TEST_S3").unwrap());
    end_uploads(&gone).await;
    let mut partial = visit(&place.files, "a").await.unwrap();
    let told = async move {
        partial.write(noise(12_000_000)).await?;
        partial.sync().await.map(drop)
    };
    let told = told.await;
    assert!(matches!(told, Err(FilesError::Away(_))), "{told:?}");
    assert_eq!(place.files.partial_size("a").await.unwrap(), Some(0));
    let mut partial = visit_soon(&place.files, "a").await;
    partial.write(noise(12_000_000)).await.unwrap();
    let partial = partial.sync().await.unwrap();
    assert_eq!(place.files.promote(partial).await.unwrap(), 12_000_000);
}

/// Hides the manifests from a sweep, which then ends all uploads.
async fn end_uploads(place: &Place) {
    let proxy = Proxy::start().await;
    proxy.fail("GET", "/.partial/", usize::MAX, Fault::Answer(404));
    let blind = place.by(&proxy.url);
    let later = Clock::system().now() + TimeDelta::days(1);
    assert!(blind.files.sweep_temporary(later).await.unwrap() > 0);
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn sweeping_ends_what_was_cut_off_and_spares_what_goes_on() {
    let (place, proxy, straight) = behind_a_proxy().await;
    let mut partial = visit(&straight.files, "a").await.unwrap();
    partial.write(noise(12_000_000)).await.unwrap();
    let partial = partial.sync().await.unwrap();
    write(&straight.files, "b", "x").await;
    let mut writer = straight.files.create("c").await.unwrap();
    writer.write(noise(12_000_000)).await.unwrap();
    // Cut off: the end of an upload, and the removal of the end of another, are never heard.
    proxy.fail("DELETE", "", usize::MAX, Fault::Answer(403));
    proxy.fail("POST", "?delete", usize::MAX, Fault::Answer(403));
    let mut dropped = place.files.create("d").await.unwrap();
    dropped.write(noise(12_000_000)).await.unwrap();
    drop(dropped);
    let mut cut = visit(&place.files, "e").await.unwrap();
    cut.write("x".into()).await.unwrap();
    let mut cut = cut.sync().await.unwrap();
    cut.write("x".into()).await.unwrap();
    drop(cut.sync().await.unwrap());
    let work = straight.files.temporary_dir("old").await.unwrap();
    std::fs::write(work.join("part"), "x").unwrap();

    let later = Clock::system().now() + TimeDelta::hours(1);
    // Waits for the end of the dropped one to be tried.
    while !proxy
        .seen()
        .iter()
        .any(|line| line.starts_with("DELETE") && line.contains("/d?"))
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(straight.files.sweep_temporary(later).await.unwrap(), 3);
    assert_eq!(straight.files.sweep_temporary(later).await.unwrap(), 0);
    assert!(!work.exists());
    assert_eq!(writer.finish().await.unwrap(), 12_000_000);
    assert_eq!(straight.files.promote(partial).await.unwrap(), 12_000_000);
    assert_eq!(straight.files.partial_size("e").await.unwrap(), Some(2));
    assert_eq!(keys(&straight.files, "").await, ["b", "c", "whole/a"]);
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn a_signed_address_gives_the_object_as_it_is_to_be_shown_and_holds_no_secret() {
    let place = Place::s3();
    write(&place.files, "a", "<script>").await;
    let shown = ShownAs {
        mime: "application/octet-stream".into(),
        disposition: "attachment; filename=\"a b.html\"".into(),
    };
    let url = place
        .files
        .signed_url("a", &shown, Duration::from_secs(300))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        Some(url.origin().ascii_serialization().as_str()),
        place.files.origin()
    );
    let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["X-Amz-Expires"], "300");
    assert_eq!(query["response-content-type"], shown.mime);
    assert_eq!(query["response-content-disposition"], shown.disposition);
    assert!(query.contains_key("X-Amz-Signature"));
    assert!(!url.as_str().contains("sesame"), "the secret itself");
    assert!(Place::disk().files.origin().is_none());
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn a_copy_for_programs_is_whole_and_goes_again() {
    let (place, proxy, straight) = behind_a_proxy().await;
    let bytes = noise(7_000_000);
    write(&straight.files, "a", bytes.clone()).await;
    proxy.fail("GET", "/a", 2, Fault::CutAnswer(1_000_000));
    let local = place.files.local("a").await.unwrap();
    assert!(std::fs::read(local.path()).unwrap() == bytes);
    assert_eq!(all_files(&place.work()), 1);
    drop(local);
    assert_eq!(all_files(&place.work()), 0);
    proxy.fail("GET", "/a", usize::MAX, Fault::CutAnswer(0));
    assert!(place.files.local("a").await.is_err());
    assert_eq!(all_files(&place.work()), 0, "no half of a copy");
}

#[tokio::test]
async fn addresses_of_stores_that_cannot_be_are_refused_without_their_keys() {
    let data = tempfile::tempdir().unwrap();
    for wrong in [
        "s3://",
        "s3://key:s3cret@school",
        "s3://school?secret_access_key=s3cret",
    ] {
        let error = Files::open(wrong, data.path())
            .expect_err(wrong)
            .to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
