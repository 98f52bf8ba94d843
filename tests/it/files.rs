//! `lyceum files move`, run as a program beside a site; and what holds for files in an object store.

mod s3;

use crate::kit::{Browser, Role, TestApp, UploadForm};
use backends::files::Files;
use futures::TryStreamExt as _;
use std::process::{Output, Stdio};
use tokio::process::Command;

/// Runs `lyceum files move ...` on the site, which uses these files.
async fn move_files(site: &TestApp, used: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lyceum"))
        .args(["files", "move"])
        .args(arguments)
        .current_dir(site.folder())
        .env("LYCEUM_DATA", site.folder())
        .env("LYCEUM_FILES", used)
        .env("LYCEUM_DATABASE", &site.app.config.database)
        .env("LYCEUM_SECRET", &site.app.config.secret.0)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

/// What it says on stdout; on stderr when it is to fail.
#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    if code == 0 { out } else { err }
}

async fn content(files: &Files, key: &str) -> Vec<u8> {
    let (_, pieces) = files.read(key, None).await.unwrap();
    let pieces: Vec<bytes::Bytes> = pieces.try_collect().await.unwrap();
    pieces.concat()
}

async fn contents(files: &Files) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in files.list("").await.unwrap() {
        let bytes = content(files, &entry.key).await;
        all.push((entry.key, bytes));
    }
    all
}

/// A site with a small and a large file.
async fn site_with_files() -> (TestApp, Browser, UploadForm) {
    let site = TestApp::start().await;
    let clara = site.login_as("clara", Role::Instructor).await;
    let form = site.upload_form().await;
    for (name, size) in [("small.bin", 1_000), ("large.bin", 6_000_000)] {
        let bytes = (0..size).map(|n: u32| (n % 251) as u8).collect();
        form.upload(&clara, "file", name, bytes).await;
    }
    (site, clara, form)
}

fn open(site: &TestApp, url: &str) -> Files {
    Files::open_with(url, site.folder(), &site.app.config.s3_keys).unwrap()
}

#[tokio::test]
async fn files_move_to_another_place_and_back_and_no_byte_is_wrong() {
    let (site, clara, form) = site_with_files().await;
    let here = site.app.config.files.clone();
    let there = format!("disk:{}/elsewhere", site.folder().display());
    let (source, target) = (open(&site, &here), open(&site, &there));
    let to = ["--to", there.as_str()];
    let first = said(&move_files(&site, &here, &to).await, 0);
    assert!(first.contains("2 files (5.7"), "{first}");
    assert!(first.contains(&format!("files = \"{there}\"")), "{first}");
    let before = contents(&source).await;
    assert!(before == contents(&target).await);
    // What came in meanwhile is copied by asking again, and nothing else.
    form.upload(&clara, "file", "late.bin", vec![7; 10]).await;
    let again = said(&move_files(&site, &here, &to).await, 0);
    assert!(again.contains("1 files (10 B)"), "{again}");
    assert!(again.contains("2 were there already"), "{again}");
    let back = ["--from", there.as_str(), "--to", here.as_str()];
    let back = said(&move_files(&site, &there, &back).await, 0);
    assert!(
        back.contains("0 files (0 B)") && back.contains("3 were there"),
        "{back}"
    );
    // The old files go when the site uses the new ones, and not before.
    let delete = ["--from", &here, "--to", &there, "--delete"];
    let refused = said(&move_files(&site, &here, &delete).await, 1);
    assert!(refused.contains("the site still uses"), "{refused}");
    assert_eq!(source.list("").await.unwrap().len(), 3);
    let all = contents(&source).await;
    let deleted = said(&move_files(&site, &there, &delete).await, 0);
    assert!(deleted.contains("3 files were deleted"), "{deleted}");
    assert!(source.list("").await.unwrap().is_empty());
    assert!(contents(&target).await == all);
}

#[tokio::test]
async fn a_copy_with_other_bytes_is_found_and_made_anew() {
    let (site, ..) = site_with_files().await;
    let here = site.app.config.files.clone();
    let there = format!("disk:{}/elsewhere", site.folder().display());
    let target = open(&site, &there);
    let all = contents(&site.app.files).await;
    // One that was cut off, and one of the same size: nothing is known of either.
    for ((key, bytes), size) in all.iter().zip([500, all[1].1.len()]) {
        let mut writer = target.create(key).await.unwrap();
        let wrong = vec![1; size.min(bytes.len())];
        writer.write(wrong.into()).await.unwrap();
        writer.finish().await.unwrap();
    }
    let done = said(&move_files(&site, &here, &["--to", &there]).await, 0);
    assert!(done.contains("2 files"), "{done}");
    assert!(contents(&target).await == all);
}

#[tokio::test]
async fn an_unfinished_upload_begins_anew_at_the_new_place() {
    let (site, clara, _form) = site_with_files().await;
    let here = site.app.config.files.clone();
    let there = format!("disk:{}/elsewhere", site.folder().display());
    let address = clara.announce(&[("filename", "a.bin")], 20_000).await;
    clara.add(&address, 0, &[3; 9_000]).await.expect(204);
    let done = said(&move_files(&site, &here, &["--to", &there]).await, 0);
    assert!(done.contains("Unfinished uploads: 1"), "{done}");
    let moved = site
        .second_with(|config| config.files = there.clone())
        .await;
    let clara = clara.at(&moved.url);
    assert_eq!(clara.offset(&address).await, 0);
    let page = clara.add(&address, 0, &vec![3; 20_000]).await;
    page.expect(204).upload();
}

#[tokio::test]
async fn files_are_never_deleted_however_their_own_place_is_spelled() {
    let site = TestApp::start_with(&[("files", "disk:")]).await;
    let clara = site.login_as("clara", Role::Instructor).await;
    let form = site.upload_form().await;
    form.upload(&clara, "file", "a.bin", vec![7; 1_000]).await;
    let folder = site.folder().display();
    let link = site.folder().join("link");
    std::os::unix::fs::symlink(site.folder().join("files"), &link).unwrap();
    let up = site.folder().file_name().unwrap().to_str().unwrap();
    let elsewhere = format!("disk:{folder}/elsewhere");
    let all = contents(&site.app.files).await;
    assert_eq!(all.len(), 1);
    for spelled in [
        "disk:".to_owned(),
        format!("disk:{folder}/files"),
        format!("disk:{folder}/files/"),
        format!("disk:{folder}/./files"),
        format!("disk:{folder}//files"),
        format!("disk:{folder}/../{up}/files"),
        format!("disk:{folder}/link"),
        format!("disk:{folder}/link/"),
    ] {
        // To itself; and away while the site uses it.
        for (used, from, to, words) in [
            ("disk:", "disk:", spelled.as_str(), "already"),
            (spelled.as_str(), "disk:", spelled.as_str(), "already"),
            ("disk:", spelled.as_str(), elsewhere.as_str(), "still uses"),
            (spelled.as_str(), "disk:", elsewhere.as_str(), "still uses"),
        ] {
            let asked = ["--from", from, "--to", to, "--delete"];
            let told = said(&move_files(&site, used, &asked).await, 1);
            assert!(told.contains(words), "{used} {asked:?}: {told}");
            assert!(contents(&site.app.files).await == all, "{asked:?}");
        }
    }
    // One in the other, both ways; and a place that the site does not use.
    for (used, to, words) in [
        (&elsewhere, format!("disk:{folder}/files/in"), "one lies in"),
        (&elsewhere, format!("disk:{folder}/link/in"), "one lies in"),
        (&elsewhere, format!("disk:{folder}"), "one lies in"),
        (&elsewhere, format!("disk:{folder}/third"), "the site uses"),
    ] {
        let asked = ["--from", "disk:", "--to", &to, "--delete"];
        let told = said(&move_files(&site, used, &asked).await, 1);
        assert!(told.contains(words), "{asked:?}: {told}");
        assert!(contents(&site.app.files).await == all, "{asked:?}");
    }
}

#[tokio::test]
async fn a_move_that_cannot_be_meant_is_refused_in_words() {
    let site = TestApp::start().await;
    let here = site.app.config.files.clone();
    for (arguments, code, words) in [
        (vec![], 2, "--to"),
        (vec!["--to", here.as_str()], 1, "already"),
        (vec!["--to", "nowhere:"], 1, "neither disk: nor s3:"),
        (vec!["--to", "disk:relative"], 1, "whole path"),
        (
            vec!["--to", "s3://key:s3cret@bucket"],
            1,
            "LYCEUM_S3_ACCESS_KEY_ID",
        ),
        (
            vec!["--to", "disk:/proc/nothing"],
            1,
            "--to disk:/proc/nothing",
        ),
    ] {
        let told = said(&move_files(&site, &here, &arguments).await, code);
        assert!(told.contains(words), "{arguments:?}: {told}");
        let shown = told.replace("s3://key:s3cret@bucket", "");
        assert!(!shown.contains("s3cret"), "{told}");
    }
}
