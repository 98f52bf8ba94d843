//! Files in an object store: signed addresses, a store that is away, one upload at two processes.

use super::{contents, move_files, open, said};
use crate::kit::proxy::{Fault, Proxy};
use crate::kit::{Browser, Role, TestApp, object_store_at};
use lyceum::entities::item::ItemKind;
use lyceum::entities::upload::{UploadKind, UploadState};
use reqwest::Method;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const FILM: &str = "-f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i sine=frequency=440 -t 3 \
                    -c:v mpeg4 -q:v 2 -c:a mp3 -f matroska";
const AWAY: &str = "The files of this site cannot be reached just now";

/// The store that the run has started.
fn store() -> String {
    let endpoint = std::env::var("LYCEUM_TEST_S3");
    endpoint.expect("LYCEUM_TEST_S3 names the store to test on: scripts/with-servers s3 -- ...")
}

async fn teacher_at(endpoint: &str, settings: &[(&str, &str)]) -> (TestApp, Browser) {
    let files = object_store_at(endpoint);
    let mut all = vec![("files", files.as_str())];
    all.extend(settings);
    let site = TestApp::start_with(&all).await;
    let clara = site.login_as("clara", Role::Instructor).await;
    (site, clara)
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn whoever_may_have_a_recording_is_sent_to_the_store_for_five_minutes() {
    let (site, clara) = teacher_at(&store(), &[("media_delivery", "signed")]).await;
    let form = site.upload_form().await;
    let film = site.recording("film.mkv", FILM).await;
    let id = form
        .upload(&clara, "video", "Übung <1>.mkv", film.clone())
        .await;
    site.drain().await;
    assert_eq!(site.view(id).await.upload.state, UploadState::Ready);
    let original = clara.get(&format!("/media/{id}/original")).await;
    original.expect(302);
    assert_eq!(original.header("cache-control").unwrap(), "no-store");
    let location = original.header("location").unwrap();
    assert!(location.contains("X-Amz-Expires=300"), "{location}");
    // Without a cookie, as it is told there: an attachment, of a type that runs nowhere.
    let stored = reqwest::get(location).await.unwrap();
    assert_eq!(stored.status(), 200);
    let header = |name: &str| stored.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-disposition").starts_with("attachment"));
    assert_eq!(header("content-type"), "video/x-matroska");
    assert_eq!(stored.bytes().await.unwrap(), film);
    // A script that reads pieces is sent on, a player that plays the one file is not.
    let path = format!("/media/{id}/video.mp4");
    let ask = |destination: &str| {
        let request = clara
            .request(Method::GET, &path)
            .header("Range", "bytes=0-99");
        clara.send(request.header("Sec-Fetch-Dest", destination))
    };
    ask("empty").await.expect(302);
    let played = ask("video").await;
    assert_eq!(played.expect(206).bytes.len(), 100);
    let poster = site.view(id).await.poster_url().unwrap();
    clara.get(&poster).await.expect(200);
    // Who may not have it learns nothing of the store.
    let other = site.login_as("maya", Role::Student).await;
    other.get(&path).await.expect(404);
    site.visitor().get(&path).await.expect(404);
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn a_lesson_with_a_film_may_ask_the_store_for_its_pieces() {
    let (site, _clara) = teacher_at(&store(), &[("media_delivery", "signed")]).await;
    let teacher_id = site.person("ingrid", Role::Instructor).await;
    let course = site.course(teacher_id, "how-strings-sing").await;
    let module = site.module(course.id, "Nodes").await;
    let film = site
        .file(teacher_id, UploadKind::Video, "film.mp4", |_| {})
        .await;
    for (name, mime) in [
        ("video.mp4", "video/mp4"),
        ("master.m3u8", "application/vnd.apple.mpegurl"),
    ] {
        site.rendition(&film, name, mime, None).await;
    }
    site.media(module.id, "A film", ItemKind::Video, &film)
        .await;
    let student_id = site.person("maya", Role::Student).await;
    site.enrollment(student_id, course.id).await;
    let maya = site.login("maya").await;
    let lesson = maya.get(&format!("/students/course/{}/", course.id)).await;
    lesson.expect(200).has("data-hls=");
    let policy = lesson.header("content-security-policy").unwrap();
    for part in ["media-src 'self' blob:", "connect-src 'self'"] {
        let named = format!("{part} {};", store());
        assert!(policy.contains(&named), "{policy}");
    }
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn files_in_a_bucket_are_never_deleted_however_their_own_place_is_spelled() {
    let (site, clara) = teacher_at(&store(), &[]).await;
    let form = site.upload_form().await;
    form.upload(&clara, "file", "a.bin", vec![7; 1_000]).await;
    let here = site.app.config.files.clone();
    let (place, _) = here.split_once('?').unwrap();
    // Another address of the same store, which no name tells.
    let other = Proxy::start().await;
    let at = |folder: &str, endpoint: &str| format!("{place}{folder}?endpoint={endpoint}");
    let elsewhere = format!("disk:{}/elsewhere", site.folder().display());
    let all = contents(&site.app.files).await;
    assert_eq!(all.len(), 1);
    for (used, from, to, words) in [
        (&here, &here, at("/", &store()), "already"),
        (&here, &here, format!("{here}&path_style=true"), "already"),
        (&here, &here, format!("{here}&region=us-east-1"), "already"),
        (&here, &here, format!("{here}/"), "already"),
        (&here, &at("/", &store()), elsewhere.clone(), "still uses"),
        (&elsewhere, &here, at("", &other.url), "already"),
        (&elsewhere, &here, at("/in", &store()), "one lies in"),
        (&elsewhere, &here, at("/in", &other.url), "one lies in"),
        (
            &at("", &other.url),
            &here,
            elsewhere.clone(),
            "the site uses",
        ),
    ] {
        let asked = ["--from", from, "--to", &to, "--delete"];
        let told = said(&move_files(&site, used, &asked).await, 1);
        assert!(told.contains(words), "{used} {asked:?}: {told}");
        assert!(contents(&site.app.files).await == all, "{asked:?}");
    }
    // Apart, and used: the files go, and no marker stays.
    let asked = ["--from", &here, "--to", &elsewhere, "--delete"];
    said(&move_files(&site, &elsewhere, &asked).await, 0);
    assert!(contents(&site.app.files).await.is_empty());
    assert!(contents(&open(&site, &elsewhere)).await == all);
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn pages_name_the_store_only_where_visitors_are_sent_there() {
    for (delivery, is_named) in [("site", false), ("signed", true)] {
        let (_site, clara) = teacher_at(&store(), &[("media_delivery", delivery)]).await;
        let page = clara.get("/").await;
        let policy = page.expect(200).header("content-security-policy").unwrap();
        for part in ["media-src 'self'", "connect-src 'self'"] {
            let named = format!("{part} {};", store());
            assert_eq!(policy.contains(&named), is_named, "{policy}");
        }
    }
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn a_store_that_is_away_is_told_in_words_and_everything_goes_on_when_it_is_back() {
    let proxy = Proxy::start().await;
    let (site, clara) = teacher_at(&proxy.url, &[]).await;
    let form = site.upload_form().await;
    let film = site.recording("film.mkv", FILM).await;
    let id = form.upload(&clara, "video", "film.mkv", film).await;
    let address = clara.announce(&[("filename", "a.bin")], 20_000).await;
    clara.add(&address, 0, &[3; 9_000]).await.expect(204);
    for fault in [
        Fault::Answer(503),
        Fault::CutRequest(10),
        Fault::CutAnswer(0),
    ] {
        proxy.fail("", "", usize::MAX, fault);
        let path = format!("/media/{id}/original");
        let (got, looked, added) = tokio::join!(
            clara.get(&path),
            clara.look(&address),
            clara.add(&address, 9_000, &[3; 11_000]),
        );
        got.expect(503).has(AWAY);
        looked.expect(503);
        added.expect(503);
        let sent = form.send(&clara, "/upload/file/", "b.bin", vec![7; 1_000]);
        assert_eq!(sent.await.status, 503, "{fault:?}");
        proxy.heal();
        assert_eq!(clara.offset(&address).await, 9_000, "{fault:?}");
    }
    proxy.fail("", "", usize::MAX, Fault::Answer(500));
    site.drain().await;
    let view = site.view(id).await;
    assert_eq!(view.upload.state, UploadState::Waiting);
    let fault = view.upload.fault.unwrap_or_default();
    assert!(!fault.contains("upload it again"), "{fault}");
    proxy.heal();
    clara
        .add(&address, 9_000, &[3; 11_000])
        .await
        .expect(204)
        .upload();
    site.wait_seconds(6);
    site.drain().await;
    assert_eq!(site.view(id).await.upload.state, UploadState::Ready);
    let [_, b] = site.uploads().await.try_into().unwrap();
    assert_eq!(b.size_bytes, 20_000, "the refused one left no row");
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn the_library_is_shown_while_the_store_is_away() {
    let proxy = Proxy::start().await;
    let (_site, clara) = teacher_at(&proxy.url, &[]).await;
    let address = clara.announce(&[("filename", "a.bin")], 20_000).await;
    clara.add(&address, 0, &[3; 9_000]).await.expect(204);
    let unknown = "How much has arrived cannot be told just now";
    let library = clara.get("/library/").await;
    library.expect(200).has("9 kB of 20 kB arrived");
    proxy.fail("", "", usize::MAX, Fault::Answer(503));
    let library = clara.get("/library/").await;
    library.expect(200).has("a.bin").has(unknown);
    let id = address.rsplit('/').find(|part| !part.is_empty()).unwrap();
    let discard = format!("/library/unfinished/{id}/discard/");
    clara.get(&discard).await.expect(200).has(unknown);
    proxy.heal();
    clara.get("/library/").await.has("9 kB of 20 kB arrived");
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn an_upload_goes_on_when_every_second_request_to_the_store_is_cut_off() {
    let proxy = Proxy::start().await;
    let (_site, clara) = teacher_at(&proxy.url, &[]).await;
    let bytes: Vec<u8> = (0..12_000_000_u32).map(|n| (n % 253) as u8).collect();
    let address = clara.announce(&[("filename", "a.bin")], bytes.len()).await;
    let mut offset = 0;
    let faults = [
        Fault::LoseAnswer,
        Fault::CutRequest(2_000_000),
        Fault::Delay(Duration::from_millis(50)),
        Fault::CutAnswer(30),
    ];
    for (end, fault) in [1_000_000, 7_000_000, 7_000_001, bytes.len()]
        .into_iter()
        .zip(faults)
    {
        for word in ["uploads", "partNumber", ".partial", ".tails", "uploadId"] {
            proxy.fail("", word, 1, fault);
        }
        let page = clara.add(&address, offset, &bytes[offset..end]).await;
        assert_eq!(page.expect(204).offset(), end, "{fault:?}");
        offset = end;
    }
    let id = clara.look(&address).await.expect(200).upload();
    proxy.fail("GET", "original", 2, Fault::CutAnswer(3_000_000));
    let stored = clara.get(&format!("/media/{id}/original")).await;
    assert!(stored.expect(200).bytes == bytes);
    assert!(proxy.seen().len() > 20);
    assert!(proxy.most_at_once() <= 32 << 20);
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn two_processes_that_write_one_upload_at_once_never_mix_their_bytes() {
    let (site, clara) = teacher_at(&store(), &[]).await;
    let second = site.second().await;
    let there = clara.at(&second.url);
    let bytes: Vec<u8> = (0..14_000_000_u32).map(|n| (n % 241) as u8).collect();
    for first in [2_000, 11_000_000] {
        let address = clara.announce(&[("filename", "a.bin")], bytes.len()).await;
        // The same place, other bytes: of both, one is refused or replaced.
        let wrong = vec![1; first];
        let (one, other) = tokio::join!(
            clara.add(&address, 0, &bytes[..first]),
            there.add(&address, 0, &wrong),
        );
        let told = [one.status, other.status];
        assert!(
            told.iter().all(|status| [204, 409].contains(status)),
            "{told:?}"
        );
        assert!(told.contains(&409), "{told:?}");
        let offset = there.offset(&address).await;
        assert_eq!(clara.offset(&address).await, offset, "both tell the same");
        let rest = there.add(&address, offset, &bytes[offset..]).await;
        let id = rest.expect(204).upload();
        let stored = clara.get(&format!("/media/{id}/original")).await;
        let stored = &stored.expect(200).bytes;
        let ours = stored[..offset] == bytes[..offset];
        let theirs = stored[..offset].iter().all(|byte| *byte == 1);
        assert!(ours || theirs, "{first}: a mixture");
        assert!(stored[offset..] == bytes[offset..]);
    }
}

#[tokio::test]
#[ignore = "needs an object store: make test-s3"]
async fn a_store_that_cannot_be_reached_at_the_start_is_named_within_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for (files, words) in [
        (object_store_at(&endpoint), endpoint.as_str()),
        (
            format!("s3://no-such-bucket?endpoint={}", store()),
            "NoSuchBucket",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_lyceum"))
            .arg("serve")
            .current_dir(folder.path())
            .env("LYCEUM_DATA", folder.path())
            .env("LYCEUM_FILES", files)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("files") && told.contains(words), "{told}");
    }
}
