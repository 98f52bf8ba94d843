//! Uploading: streamed to its place, limited, told apart by bytes, followed by its key, and gone when cut off.

use crate::kit::{Browser, Role, TestApp, UploadForm, endless, until};
use futures::StreamExt as _;
use lyceum::entities::item::ItemKind;
use lyceum::entities::upload::{UploadKind, UploadState};
use lyceum::entities::{upload_progress, user};
use lyceum::error::Error;
use lyceum::media::{self, Accepts};
use lyceum::web::csrf::Checked;
use lyceum::web::identity::Person;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use reqwest::multipart::{Form, Part};
use sea_orm::EntityTrait as _;
use serde_json::json;
use std::collections::BTreeSet;
use uuid::Uuid;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

fn new_key() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "the page makes the key, not the site"
    )]
    Uuid::new_v4().to_string()
}

fn keyed(kind: &str, key: &str) -> String {
    format!("{}?key={key}", UploadForm::path(kind))
}

async fn status(browser: &Browser, key: &str) -> (u16, serde_json::Value) {
    let page = browser.get(&format!("/uploads/status/?key={key}")).await;
    (page.status, page.json())
}

/// Waits until nothing of an upload is left, on disk or in the tables.
async fn nothing_stays(site: &TestApp) {
    until("nothing stays behind", async || {
        let is_empty = site.stored().await.is_empty() && site.half_written() == 0;
        is_empty.then_some(())
    })
    .await;
    assert_eq!(site.uploads().await, []);
}

#[tokio::test]
async fn a_file_is_stored_as_it_is_and_its_name_is_kept_for_people() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let bytes: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    let path = UploadForm::path("file");
    let page = form
        .send(&clara, &path, "../../Übung 1.bin", bytes.clone())
        .await;
    let answer = page.expect(200).json();
    assert_eq!(answer["message"], "Upload complete!");
    assert_eq!(
        (&answer["title"], &answer["after"]),
        (&json!("before"), &json!("after"))
    );
    let [upload] = site.uploads().await.try_into().unwrap();
    assert_eq!(upload.name, "Übung 1.bin");
    assert_eq!(
        (upload.kind, upload.state),
        (UploadKind::File, UploadState::Ready)
    );
    assert_eq!(upload.size_bytes, 2_800_000);
    let [key] = site.stored().await.try_into().unwrap();
    assert!(
        key.starts_with("uploads/") && !key.contains("bung"),
        "{key}"
    );
    let stored = clara.get(&format!("/media/{}/original", upload.id)).await;
    assert_eq!(stored.expect(200).bytes, bytes);
}

#[tokio::test]
async fn a_plain_form_is_led_on_after_its_upload() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let there = clara.at(form.url());
    let token = clara.cookie("csrftoken").unwrap();
    let fields = Form::new()
        .text("csrfmiddlewaretoken", token)
        .part("file", Part::bytes(vec![1]).file_name("a.bin"));
    let request = there.request(reqwest::Method::POST, &UploadForm::path("file"));
    let page = there
        .send(request.header("Accept", "text/html").multipart(fields))
        .await;
    assert_eq!(page.expect(303).location(), "/done/");
}

#[tokio::test]
async fn an_upload_cut_off_leaves_nothing_behind() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let key = new_key();
    let begun = form
        .begin(&clara, &keyed("file", &key), &vec![7; 400_000], 5_000_000)
        .await;
    until("the upload is seen", async || {
        let (_, answer) = status(&clara, &key).await;
        (answer["uploaded"].as_u64() > Some(0)).then_some(())
    })
    .await;
    // On its way to a store of objects it has no name.
    until("it is being written", async || {
        (site.half_written() > 0 || !site.is_on_disk()).then_some(())
    })
    .await;
    drop(begun);
    let answer = until("the upload has failed", async || {
        let (code, answer) = status(&clara, &key).await;
        (code == 410).then_some(answer)
    })
    .await;
    assert!(
        answer["error"].as_str().unwrap().contains("send it again"),
        "{answer}"
    );
    nothing_stays(&site).await;
}

#[tokio::test]
async fn an_upload_whose_request_is_dropped_is_told_as_failed() {
    let site = TestApp::start().await;
    let clara = site.login_as("clara", Role::Instructor).await;
    let account = user::Entity::find().one(site.app.db.read());
    let person = Person::new(account.await.unwrap().unwrap(), BTreeSet::new());
    let key = new_key();
    let head = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    let pieces = [head.to_owned(), "x".repeat(300_000)].map(Ok::<_, std::io::Error>);
    let body = futures::stream::iter(pieces).chain(futures::stream::pending());
    let request = axum::http::Request::builder()
        .uri(keyed("file", &key))
        .header("Content-Type", "multipart/form-data; boundary=XX")
        .extension(Checked::Yes);
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let app = site.app.clone();
    let receiving = tokio::spawn(async move {
        let body = axum::body::Body::from_stream(body);
        let received = media::receive(&app, &person, Accepts::File, &parts, body).await;
        received.map(|_| ())
    });
    until("the upload is seen", async || {
        let (_, answer) = status(&clara, &key).await;
        (answer["uploaded"].as_u64() > Some(300_000)).then_some(())
    })
    .await;
    // On its way to a store of objects it has no name.
    let is_written = site.half_written() > 0 || !site.is_on_disk();
    assert!(is_written, "nothing was being written");
    receiving.abort();
    until("the upload has failed", async || {
        (status(&clara, &key).await.0 == 410).then_some(())
    })
    .await;
    nothing_stays(&site).await;
}

#[tokio::test]
async fn progress_is_the_same_from_every_process() {
    let site = TestApp::start().await;
    let other = site.second().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let key = new_key();
    let begun = form
        .begin(&clara, &keyed("file", &key), &vec![7; 300_000], 900_000)
        .await;
    let expected = json!({"uploaded": begun.sent, "totalsize": begun.length});
    let there = clara.at(&other.url);
    for browser in [&clara, &there] {
        until("all that was sent is told", async || {
            (status(browser, &key).await == (200, expected.clone())).then_some(())
        })
        .await;
    }
    let older = there
        .get(&format!("/progressbar/upload_status?key={key}"))
        .await;
    assert_eq!(older.expect(200).json(), expected);
    let length = begun.length;
    let answer = begun.finish(&vec![7; 600_000]).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let all = json!({"uploaded": length, "totalsize": length});
    assert_eq!(status(&there, &key).await, (200, all));
}

#[tokio::test]
async fn two_uploads_of_one_user_keep_their_own_progress() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let (one, two) = (new_key(), new_key());
    let first = form
        .begin(&clara, &keyed("file", &one), &vec![1; 100_000], 500_000)
        .await;
    let second = form
        .begin(&clara, &keyed("file", &two), &vec![2; 50_000], 800_000)
        .await;
    for (key, begun) in [(&one, &first), (&two, &second)] {
        let expected = json!({"uploaded": begun.sent, "totalsize": begun.length});
        until("each has its own numbers", async || {
            (status(&clara, key).await.1 == expected).then_some(())
        })
        .await;
    }
    drop(second);
    until("the second has failed", async || {
        (status(&clara, &two).await.0 == 410).then_some(())
    })
    .await;
    assert_eq!(status(&clara, &one).await.0, 200, "the first goes on");
    let answer = first.finish(&vec![1; 400_000]).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_key_belongs_to_one_upload_of_one_user() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let robert = site.login_as("robert", Role::Instructor).await;
    let key = new_key();
    let path = keyed("file", &key);
    form.send(&clara, &path, "a.bin", vec![1]).await.expect(200);
    form.send(&clara, &path, "a.bin", vec![2])
        .await
        .expect(409)
        .has("key");
    assert_eq!(status(&clara, &key).await.0, 200);
    assert_eq!(status(&clara, &key.replace('-', "")).await.0, 200);
    for stranger in [&robert, &site.visitor()] {
        assert_eq!(status(stranger, &key).await.0, 404);
    }
    form.send(&robert, &path, "a.bin", vec![1])
        .await
        .expect(200);
}

#[tokio::test]
async fn a_csrf_token_is_never_a_key() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let token = clara.cookie("csrftoken").unwrap();
    let page = form
        .send(&clara, &keyed("file", &token), "a.bin", vec![1])
        .await;
    page.expect(400).has("UUID");
    assert_eq!(status(&clara, &token).await.0, 404);
    let rows = upload_progress::Entity::find().all(site.app.db.read());
    assert_eq!(rows.await.unwrap(), []);
}

#[tokio::test]
async fn the_status_answers_in_the_words_that_older_pages_know() {
    let site = TestApp::start().await;
    let clara = site.login_as("clara", Role::Instructor).await;
    for path in ["/uploads/status/", "/progressbar/upload_status"] {
        let page = clara.get(path).await;
        let expected = json!({"error": "No parameter key in GET request"});
        assert_eq!(page.expect(400).json(), expected);
        let page = clara.post(&format!("{path}?key={}", new_key()), &[]).await;
        assert_eq!(page.expect(405).json(), json!({"error": "No GET request"}));
        assert!(page.header("allow").unwrap().contains("GET"));
        let page = clara.get(&format!("{path}?key={}", new_key())).await;
        assert!(page.expect(404).json()["error"].is_string());
        clara.get(&format!("{path}?key=%FF%00")).await.expect(404);
    }
}

#[tokio::test]
async fn an_upload_whose_process_died_is_not_asked_about_for_ever() {
    let site = TestApp::start().await;
    let clara = site.login_as("clara", Role::Instructor).await;
    let form = site.upload_form().await;
    let key = new_key();
    let begun = form
        .begin(&clara, &keyed("file", &key), &[1; 10], 1_000)
        .await;
    until("the upload is seen", async || {
        (status(&clara, &key).await.0 == 200).then_some(())
    })
    .await;
    // A beat of the upload may come between the leap of the clock and the question.
    until("it is given up", async || {
        site.wait_seconds(301);
        (status(&clara, &key).await.0 == 410).then_some(())
    })
    .await;
    drop(begun);
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_before_and_while_it_comes() {
    let settings = [("upload_max", "2MB"), ("image_max", "100kB")];
    let site = TestApp::start_with(&settings).await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let key = new_key();
    let announced = form
        .send(&clara, &keyed("file", &key), "a.bin", vec![0; 3_500_000])
        .await;
    announced.expect(413).has("2.0 MB is the most");
    let (code, answer) = status(&clara, &key).await;
    assert_eq!(code, 410);
    assert!(
        answer["error"].as_str().unwrap().contains("too large"),
        "{answer}"
    );
    // Within what a form with texts may have, and without any length.
    let path = UploadForm::path("file");
    form.send(&clara, &path, "a.bin", vec![0; 2_000_001])
        .await
        .expect(413);
    let token = clara.cookie("csrftoken").unwrap();
    let part = Part::stream(endless(vec![0; 100_000], 40)).file_name("a.bin");
    let streamed = Form::new()
        .text("csrfmiddlewaretoken", token)
        .part("file", part);
    form.send_form(&clara, &path, streamed).await.expect(413);
    let mut picture = PNG.to_vec();
    picture.resize(100_001, 0);
    let path = UploadForm::path("image");
    form.send(&clara, &path, "a.png", picture)
        .await
        .expect(413)
        .has("100 kB is the most");
    nothing_stays(&site).await;
    form.send(
        &clara,
        &UploadForm::path("file"),
        "a.bin",
        vec![0; 2_000_000],
    )
    .await
    .expect(200);
}

#[tokio::test]
async fn a_file_is_told_by_its_bytes_and_not_by_its_name() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let text = b"just some words, nothing more".to_vec();
    for (kind, name) in [("image", "a.png"), ("audio", "a.mp3"), ("video", "a.mp4")] {
        let key = new_key();
        let page = form
            .send(&clara, &keyed(kind, &key), name, text.clone())
            .await;
        page.expect(415).has("hoose");
        assert_eq!(status(&clara, &key).await.0, 410);
    }
    nothing_stays(&site).await;
    let id = form.upload(&clara, "file", "a.png", text).await;
    assert_eq!(site.view(id).await.upload.kind, UploadKind::File);
    let id = form.upload(&clara, "image", "a.txt", PNG.to_vec()).await;
    let view = site.view(id).await;
    assert_eq!(
        (view.upload.kind, view.upload.mime.as_str()),
        (UploadKind::Image, "image/png")
    );
}

#[tokio::test]
async fn svg_and_html_never_run_as_pages() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let html = b"<!doctype html><script>alert(1)</script>";
    let xml = b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>";
    for (name, bytes) in [
        ("a.svg", svg.as_slice()),
        ("a.html", html.as_slice()),
        ("a.xml", xml.as_slice()),
        (
            "a.pdf",
            b"\xef\xbb\xbf <html><body onload=alert(1)>".as_slice(),
        ),
    ] {
        let path = UploadForm::path("image");
        form.send(&clara, &path, name, bytes.to_vec())
            .await
            .expect(415);
        let id = form.upload(&clara, "file", name, bytes.to_vec()).await;
        let page = clara.get(&format!("/media/{id}/original")).await;
        page.expect(200);
        let header = |name: &str| page.header(name).unwrap_or_default();
        assert_eq!(header("content-type"), "application/octet-stream", "{name}");
        assert!(header("content-disposition").starts_with("attachment;"));
        assert_eq!(
            header("content-security-policy"),
            "sandbox; default-src 'none'"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn the_texts_of_an_upload_form_are_limited() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let path = UploadForm::path("file");
    let fields = |text: String| {
        Form::new()
            .text("csrfmiddlewaretoken", clara.cookie("csrftoken").unwrap())
            .part("file", Part::bytes(vec![1]).file_name("a.bin"))
            .text("title", text)
    };
    form.send_form(&clara, &path, fields("x".repeat(1_100_000)))
        .await
        .expect(413);
    form.send_form(&clara, &path, fields("a\0b".into()))
        .await
        .expect(400);
    let two = fields(String::new()).part("file", Part::bytes(vec![1]).file_name("b.bin"));
    form.send_form(&clara, &path, two)
        .await
        .expect(422)
        .has("one file at a time");
    nothing_stays(&site).await;
    let none = fields("no file chosen".into());
    let none = none.part("other", Part::bytes(Vec::new()).file_name(""));
    form.send_form(&clara, &path, none).await.expect(200);
}

#[tokio::test]
async fn the_csrf_token_comes_before_the_file_or_in_the_header() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let token = clara.cookie("csrftoken").unwrap();
    let path = UploadForm::path("file");
    let file = || Form::new().part("file", Part::bytes(vec![1]).file_name("a.bin"));
    let late = file().text("csrfmiddlewaretoken", token.clone());
    form.send_form(&clara, &path, late).await.expect(403);
    form.send_form(&clara, &path, file()).await.expect(403);
    let wrong = Form::new().text("csrfmiddlewaretoken", "wrong");
    form.send_form(&clara, &path, wrong).await.expect(403);
    nothing_stays(&site).await;
    let there = clara.at(form.url());
    let request = there.request(reqwest::Method::POST, &path);
    let request = request.header("X-CSRFToken", token).multipart(file());
    there
        .send(request.header("X-Requested-With", "XMLHttpRequest"))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_form_post_that_fails_half_way_leaves_no_orphan() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let token = clara.cookie("csrftoken").unwrap();
    let fields = Form::new()
        .text("csrfmiddlewaretoken", token)
        .part("file", Part::bytes(vec![1; 300_000]).file_name("a.bin"))
        .text("fail", "1");
    form.send_form(&clara, &UploadForm::path("file"), fields)
        .await
        .expect(409);
    nothing_stays(&site).await;
    assert_eq!(site.drain().await, 0, "no job was left either");
}

#[tokio::test]
async fn a_form_that_cannot_be_read_is_no_fault_of_ours() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let token = clara.cookie("csrftoken").unwrap();
    let there = clara.at(form.url());
    let mut runner = TestRunner::deterministic();
    let pieces = proptest::sample::select(vec![
        "--XX",
        "\r\n",
        "--",
        "Content-Disposition: form-data; name=\"file\"; filename=\"a\"",
        "Content-Disposition: form-data; name=\"t\"",
        "Content-Disposition: \u{fffd}",
        ": ",
        "\r\n\r\n",
        "\0",
        "content",
        "--XX--\r\n",
        "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''%ff\r\n\r\nx",
    ]);
    let bodies = proptest::collection::vec(pieces, 0..12);
    for _ in 0..150 {
        let body = bodies.new_tree(&mut runner).unwrap().current().concat();
        let request = there
            .request(reqwest::Method::POST, &UploadForm::path("file"))
            .header("X-CSRFToken", token.clone())
            .header("Content-Type", "multipart/form-data; boundary=XX")
            .body(body.clone());
        let page = there.send(request).await;
        assert!(
            page.status < 500,
            "{} for {body:?}: {}",
            page.status,
            page.text()
        );
    }
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "image/png",
        "\u{ff}",
    ] {
        let request = there
            .request(reqwest::Method::POST, &UploadForm::path("file"))
            .header("X-CSRFToken", token.clone())
            .header("Content-Type", content_type.as_bytes())
            .body("x");
        let page = there.send(request).await;
        assert!(
            (400..500).contains(&page.status),
            "{content_type}: {}",
            page.status
        );
    }
}

#[tokio::test]
async fn a_head_of_a_field_without_end_is_refused() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let there = clara.at(form.url());
    let mut body = b"--XX\r\nContent-Disposition: form-data; name=\"".to_vec();
    body.resize(20_000_000, b'a');
    let request = there
        .request(reqwest::Method::POST, &UploadForm::path("file"))
        .header("X-CSRFToken", clara.cookie("csrftoken").unwrap())
        .header("Content-Type", "multipart/form-data; boundary=XX")
        .body(body);
    there.send(request).await.expect(400);
    nothing_stays(&site).await;
}

#[tokio::test]
async fn replaced_and_deleted_items_leave_no_files() {
    let site = TestApp::start().await;
    let (form, clara) = (
        site.upload_form().await,
        site.login_as("clara", Role::Instructor).await,
    );
    let id = form.upload(&clara, "file", "a.bin", vec![1; 1_000]).await;
    let owner_id = site.view(id).await.upload.owner_id;
    let course = site.course(owner_id, "scales").await;
    let module = site.module(course.id, "One").await;
    let one = site.show(module.id, ItemKind::File, "One", id).await;
    let two = site.show(module.id, ItemKind::File, "Two", id).await;
    site.delete_item(one).await;
    site.drain().await;
    assert_eq!(site.stored().await.len(), 1, "another item still shows it");
    site.delete_item(two).await;
    site.drain().await;
    nothing_stays(&site).await;
}

#[tokio::test]
async fn a_full_disk_is_told_in_plain_words() {
    let error = Error::from(backends::files::FilesError::Full);
    assert_eq!(error.status().as_u16(), 503);
    assert!(error.words().contains("no room left"), "{}", error.words());
}
