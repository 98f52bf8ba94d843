//! Stored files: who may see them, in parts or whole, and under which headers.

use crate::kit::{Browser, Page, Role, TestApp, UploadForm};
use lyceum::entities::item::ItemKind;
use lyceum::entities::{course, upload};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use reqwest::Method;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _,
};

/// A course with one stored file in it.
struct Library {
    site: TestApp,
    owner: Browser,
    course: course::Model,
    upload: upload::Model,
    path: String,
    bytes: Vec<u8>,
}

async fn library() -> Library {
    let site = TestApp::start().await;
    let owner = site.login_as("clara", Role::Instructor).await;
    let form = site.upload_form().await;
    let bytes: Vec<u8> = (0..150_000_u32).flat_map(u32::to_le_bytes).collect();
    let id = form
        .upload(&owner, "file", "Tonleitern.bin", bytes.clone())
        .await;
    let upload = site.view(id).await.upload;
    let course = site.course(upload.owner_id, "scales").await;
    let module = site.module(course.id, "One").await;
    site.show(module.id, ItemKind::File, "Scales", id).await;
    let path = format!("/media/{id}/original");
    Library {
        site,
        owner,
        course,
        upload,
        path,
        bytes,
    }
}

impl Library {
    async fn get(&self, headers: &[(&str, &str)]) -> Page {
        self.ask(Method::GET, headers).await
    }

    async fn ask(&self, method: Method, headers: &[(&str, &str)]) -> Page {
        let mut request = self.owner.request(method, &self.path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.owner.send(request).await
    }
}

#[tokio::test]
async fn media_is_404_to_a_student_of_another_course() {
    let library = library().await;
    let site = &library.site;
    let other = site.course(library.upload.owner_id, "chords").await;
    let stranger = site.login_as("stranger", Role::Student).await;
    let id = site.person("robert", Role::Student).await;
    site.enrollment(id, other.id).await;
    let robert = site.login("robert").await;
    let teacher = site.login_as("teacher", Role::Instructor).await;
    for browser in [&robert, &stranger, &teacher, &site.visitor()] {
        browser.get(&library.path).await.expect(404);
        let range = browser.request(Method::GET, &library.path);
        browser
            .send(range.header("Range", "bytes=0-1"))
            .await
            .expect(404);
        let head = browser.request(Method::HEAD, &library.path);
        browser.send(head).await.expect(404);
    }
}

#[tokio::test]
async fn those_who_may_see_the_content_may_have_its_file() {
    let library = library().await;
    let site = &library.site;
    let id = site.person("anna", Role::Student).await;
    site.enrollment(id, library.course.id).await;
    let anna = site.login("anna").await;
    let staff = site.login_as("staff", Role::Staff).await;
    for browser in [&library.owner, &anna, &staff] {
        let page = browser.get(&library.path).await;
        assert_eq!(page.expect(200).bytes, library.bytes);
    }
}

#[tokio::test]
async fn the_files_of_a_draft_are_for_its_owner() {
    let library = library().await;
    let site = &library.site;
    let id = site.person("anna", Role::Student).await;
    site.enrollment(id, library.course.id).await;
    let anna = site.login("anna").await;
    let row = course::ActiveModel {
        id: Set(library.course.id),
        is_draft: Set(true),
        ..Default::default()
    };
    row.update(site.app.db.writer()).await.unwrap();
    anna.get(&library.path).await.expect(404);
    library.owner.get(&library.path).await.expect(200);
}

#[tokio::test]
async fn what_is_no_file_is_404() {
    let library = library().await;
    let id = library.upload.id;
    for path in [
        format!("/media/{id}/video.mp4"),
        format!("/media/{id}/..%2Foriginal"),
        format!("/media/{id}/%FF"),
        format!("/media/{}/original", id + 1),
        "/media/x/original".into(),
        "/media/99999999999999999999/original".into(),
        format!("/media/{id}"),
    ] {
        library.owner.get(&path).await.expect(404);
    }
    let post = library.owner.post(&library.path, &[]).await;
    assert!(post.expect(405).header("allow").unwrap().contains("GET"));
}

#[tokio::test]
async fn a_part_of_a_file_is_that_part() {
    let library = library().await;
    let size = library.bytes.len();
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=262143-262146", 262_143, 262_147),
        ("bytes=599990-", 599_990, size),
        ("bytes=-7", size - 7, size),
        ("bytes=0-99999999999999", 0, size),
    ] {
        let page = library.get(&[("Range", range)]).await;
        assert_eq!(page.expect(206).bytes, library.bytes[from..to], "{range}");
        let place = format!("bytes {from}-{}/{size}", to - 1);
        assert_eq!(page.header("content-range"), Some(place));
        assert_eq!(page.header("content-length"), Some((to - from).to_string()));
    }
    let beyond = library.get(&[("Range", "bytes=600000-")]).await;
    let place = format!("bytes */{size}");
    assert_eq!(beyond.expect(416).header("content-range"), Some(place));
    let several = library.get(&[("Range", "bytes=0-1,5-6")]).await;
    assert_eq!(several.expect(200).bytes, library.bytes);
    assert_eq!(several.header("accept-ranges").as_deref(), Some("bytes"));
}

#[tokio::test]
async fn a_file_that_has_not_changed_is_not_sent_again() {
    let library = library().await;
    let whole = library.get(&[]).await;
    let tag = whole.expect(200).header("etag").unwrap();
    assert!(tag.starts_with('"'), "strong: {tag}");
    assert_eq!(
        whole.header("cache-control").as_deref(),
        Some("private, no-cache")
    );
    for list in [tag.as_str(), "*", &format!("\"x\", W/{tag}")] {
        let page = library.get(&[("If-None-Match", list)]).await;
        page.expect(304);
        assert!(page.bytes.is_empty());
        assert_eq!(page.header("etag").as_deref(), Some(tag.as_str()));
    }
    let range = ("Range", "bytes=0-3");
    library.get(&[range, ("If-Range", &tag)]).await.expect(206);
    for other in [
        "\"x\"",
        &format!("W/{tag}"),
        "Mon, 02 Mar 2026 09:30:00 GMT",
    ] {
        library.get(&[range, ("If-Range", other)]).await.expect(200);
    }
    library.get(&[("If-None-Match", "\"x\"")]).await.expect(200);
}

#[tokio::test]
async fn the_head_of_a_file_is_that_of_the_whole_of_it() {
    let library = library().await;
    let page = library.ask(Method::HEAD, &[("Range", "bytes=0-3")]).await;
    page.expect(200);
    let size = library.bytes.len().to_string();
    assert_eq!(page.header("content-length"), Some(size));
    assert!(page.bytes.is_empty());
}

#[tokio::test]
async fn a_range_of_any_kind_is_answered_with_bytes_of_the_file() {
    let library = library().await;
    let mut runner = TestRunner::deterministic();
    let number = "[0-9]{0,8}|599[0-9]{3}|99999999999999999999";
    let wild = proptest::string::string_regex(&format!(
        "(bytes|Bytes|x)?[= ]{{0,2}}({number})[-,]({number})(,-?[0-9]{{0,3}})?|[!-~ ]{{0,30}}"
    ))
    .unwrap();
    for _ in 0..200 {
        let range = wild.new_tree(&mut runner).unwrap().current();
        let page = library.get(&[("Range", &range)]).await;
        let (from, to) = match page.status {
            200 => (0, library.bytes.len()),
            206 => {
                let place = page.header("content-range").unwrap();
                let (from, rest) = place
                    .strip_prefix("bytes ")
                    .unwrap()
                    .split_once('-')
                    .unwrap();
                let (last, size) = rest.split_once('/').unwrap();
                assert_eq!(size.parse(), Ok(library.bytes.len()));
                (from.parse().unwrap(), last.parse::<usize>().unwrap() + 1)
            }
            status => {
                assert_eq!(status, 416, "{range:?}: {}", page.text());
                continue;
            }
        };
        assert_eq!(page.bytes, library.bytes[from..to], "{range:?}");
    }
}

#[tokio::test]
async fn a_file_is_downloaded_under_the_name_it_came_with() {
    let library = library().await;
    let page = library.get(&[]).await;
    let disposition = page.header("content-disposition").unwrap();
    assert_eq!(
        disposition,
        "attachment; filename=\"Tonleitern.bin\"; filename*=UTF-8''Tonleitern.bin"
    );
}

#[tokio::test]
async fn the_original_of_a_picture_stays_with_its_owner() {
    let site = TestApp::start().await;
    let owner = site.login_as("clara", Role::Instructor).await;
    let form = site.upload_form().await;
    let args = "-f lavfi -i testsrc2=size=640x360 -frames:v 1 -update 1";
    let picture = site.recording("bow.png", args).await;
    let page = form
        .send(&owner, &UploadForm::path("image"), "bow.png", picture)
        .await;
    let id = page.expect(200).json()["upload"].as_i64().unwrap();
    site.drain().await;
    let owner_id = site.view(id).await.upload.owner_id;
    let course = site.course(owner_id, "scales").await;
    let module = site.module(course.id, "One").await;
    site.show(module.id, ItemKind::Image, "Bow", id).await;
    let anna_id = site.person("anna", Role::Student).await;
    site.enrollment(anna_id, course.id).await;
    let anna = site.login("anna").await;
    let shown = anna.get(&format!("/media/{id}/image-480.png")).await;
    let disposition = shown.expect(200).header("content-disposition").unwrap();
    assert!(
        disposition.starts_with("inline; filename=\"bow.png\""),
        "{disposition}"
    );
    assert_eq!(shown.header("content-type").as_deref(), Some("image/png"));
    anna.get(&format!("/media/{id}/original")).await.expect(404);
    owner
        .get(&format!("/media/{id}/original"))
        .await
        .expect(200);
    let kept = owner
        .get(&format!("/media/{id}/image-480.png?download"))
        .await;
    let disposition = kept.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment;"), "{disposition}");
}

#[tokio::test]
async fn a_file_that_is_gone_from_the_store_is_404_and_not_a_fault() {
    let library = library().await;
    let prefix = &library.upload.prefix;
    library.site.app.files.delete_prefix(prefix).await.unwrap();
    library.get(&[]).await.expect(404);
    let rows = upload::Entity::find().filter(upload::Column::Prefix.eq(prefix.as_str()));
    assert!(
        rows.one(library.site.app.db.read())
            .await
            .unwrap()
            .is_some()
    );
}
