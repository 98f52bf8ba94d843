//! The right to a stored file: remembered, so that it costs no query, and gone with the very next request
//! once it is lost, whichever process took it away.

use crate::kit::{Browser, Page, Role, TestApp};
use lyceum::accounts;
use lyceum::db::Write;
use lyceum::entities::item::ItemKind;
use lyceum::entities::{content, course, item, module, upload};
use lyceum::media;
use lyceum::web::audit::By;
use reqwest::Method;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, EntityTrait as _};

/// A course with one stored file, a student who reads it, and a second process of the site.
struct Shelf {
    site: TestApp,
    second: TestApp,
    teacher: Browser,
    student: Browser,
    student_id: i64,
    course: course::Model,
    module: module::Model,
    content: content::Model,
    upload: upload::Model,
    path: String,
}

impl Shelf {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let site = TestApp::start_with(settings).await;
        let teacher = site.login_as("clara", Role::Instructor).await;
        let form = site.upload_form().await;
        let id = form
            .upload(&teacher, "file", "Scales.pdf", b"%PDF-1.7 scales".to_vec())
            .await;
        let upload = site.view(id).await.upload;
        let course = site.course(upload.owner_id, "scales").await;
        let module = site.module(course.id, "One").await;
        let content = site
            .content(module.id, "Scales", |row| {
                row.kind = Set(ItemKind::File);
                row.upload_id = Set(Some(id));
            })
            .await;
        let student_id = site.person("anna", Role::Student).await;
        site.enrollment(student_id, course.id).await;
        let student = site.login("anna").await;
        Self {
            second: site.second().await,
            path: format!("/media/{id}/original"),
            site,
            teacher,
            student,
            student_id,
            course,
            module,
            content,
            upload,
        }
    }

    /// Lets a browser read the file on both processes, so that both remember.
    async fn warm(&self, browser: &Browser) {
        for url in [&self.site.url, &self.second.url] {
            for _ in 0..2 {
                browser.at(url).get(&self.path).await.expect(200);
            }
        }
    }

    /// What a browser is answered by either process.
    async fn expect_everywhere(&self, browser: &Browser, status: u16) {
        browser.get(&self.path).await.expect(status);
        // The wait of the writer is bounded, and the machine may be busy.
        self.second.app.bus.check().await.unwrap();
        let there = browser.at(&self.second.url);
        there.get(&self.path).await.expect(status);
    }

    /// A change posted by the teacher, after which the student has lost the file.
    async fn closes_by(&self, path: &str, fields: &[(&str, &str)]) {
        self.warm(&self.student).await;
        self.teacher.post(path, fields).await.expect(303);
        self.expect_everywhere(&self.student, 404).await;
    }

    /// A change of accounts, made in one transaction as the commands make it.
    async fn change(&self, change: impl AsyncFnOnce(&mut Write)) {
        let mut write = self.site.app.write().await.unwrap();
        change(&mut write).await;
        write.commit().await.unwrap();
    }

    /// The other process refuses too.
    async fn is_refused_there(&self, browser: &Browser) {
        self.second.app.bus.check().await.unwrap();
        let there = browser.at(&self.second.url);
        there.get(&self.path).await.expect(404);
    }
}

/// Statements that a request costs on one process.
async fn cost(site: &TestApp, request: impl Future<Output = Page>) -> (u64, Page) {
    let before = site.app.db.statements();
    let page = request.await;
    (site.app.db.statements() - before, page)
}

#[tokio::test]
async fn a_file_that_was_asked_for_lately_costs_no_query() {
    let shelf = Shelf::new().await;
    let student = &shelf.student;
    student.get("/students/courses/").await.expect(200);
    let (first, page) = cost(&shelf.site, student.get(&shelf.path)).await;
    page.expect(200);
    assert_eq!(first, 2, "the right, and the versions of what it rests on");
    for (range, status) in [("bytes=0-3", 206), ("bytes=4-", 206), ("bytes=99-", 416)] {
        let request = student
            .request(Method::GET, &shelf.path)
            .header("Range", range);
        let (cost, page) = cost(&shelf.site, student.send(request)).await;
        page.expect(status);
        assert_eq!(cost, 0, "{range}");
    }
    let tag = student.get(&shelf.path).await.header("etag").unwrap();
    let request = student.request(Method::GET, &shelf.path);
    let request = request.header("If-None-Match", tag);
    let (cost, page) = cost(&shelf.site, student.send(request)).await;
    page.expect(304);
    assert_eq!(cost, 0);
}

#[tokio::test]
async fn a_refusal_is_not_remembered_so_that_who_enrolls_may_read_at_once() {
    let shelf = Shelf::new().await;
    let robert_id = shelf.site.person("robert", Role::Student).await;
    let robert = shelf.site.login("robert").await;
    shelf.expect_everywhere(&robert, 404).await;
    shelf.site.enrollment(robert_id, shelf.course.id).await;
    shelf.expect_everywhere(&robert, 200).await;
}

#[tokio::test]
async fn who_leaves_the_course_loses_its_files_and_nobody_else_does() {
    let shelf = Shelf::new().await;
    let other_id = shelf.site.person("robert", Role::Student).await;
    shelf.site.enrollment(other_id, shelf.course.id).await;
    let other = shelf.site.login("robert").await;
    shelf.warm(&shelf.student).await;
    shelf.warm(&other).await;
    let leave = format!("/students/course/{}/leave/", shelf.course.id);
    shelf.student.post(&leave, &[]).await.expect(303);
    shelf.expect_everywhere(&shelf.student, 404).await;
    let (cost, page) = cost(&shelf.site, other.get(&shelf.path)).await;
    page.expect(200);
    assert_eq!(cost, 0, "what others may is still remembered");
}

#[tokio::test]
async fn a_course_that_becomes_a_draft_closes_its_files_to_all_but_its_owner() {
    let shelf = Shelf::new().await;
    shelf.warm(&shelf.teacher).await;
    let subject = shelf.course.subject_id.to_string();
    let fields = [
        ("subject", subject.as_str()),
        ("title", "Scales"),
        ("slug", "scales"),
        ("overview", "All of them."),
        ("draft", "on"),
    ];
    let edit = format!("/course/{}/edit/", shelf.course.id);
    shelf.closes_by(&edit, &fields).await;
    shelf.expect_everywhere(&shelf.teacher, 200).await;
}

#[tokio::test]
async fn a_deleted_course_closes_its_files() {
    let shelf = Shelf::new().await;
    let delete = format!("/course/{}/delete/", shelf.course.id);
    shelf.closes_by(&delete, &[]).await;
    shelf.expect_everywhere(&shelf.teacher, 404).await;
}

#[tokio::test]
async fn a_deleted_module_closes_its_files() {
    let shelf = Shelf::new().await;
    let delete = format!("/course/module/{}/delete/", shelf.module.id);
    shelf.closes_by(&delete, &[]).await;
}

#[tokio::test]
async fn a_deleted_content_closes_its_file_though_another_course_still_shows_it() {
    let shelf = Shelf::new().await;
    let owner_id = shelf.course.owner_id;
    let other = shelf.site.course(owner_id, "chords").await;
    let module = shelf.site.module(other.id, "One").await;
    let row = content::ActiveModel {
        module_id: Set(module.id),
        item_id: Set(shelf.content.item_id),
        order: Set(0),
        ..Default::default()
    };
    row.insert(shelf.site.app.db.writer()).await.unwrap();
    shelf.warm(&shelf.teacher).await;
    let delete = format!("/course/content/{}/delete/", shelf.content.id);
    shelf.closes_by(&delete, &[]).await;
    shelf.expect_everywhere(&shelf.teacher, 200).await;
}

#[tokio::test]
async fn a_content_that_shows_another_file_closes_the_one_before() {
    let shelf = Shelf::new().await;
    shelf.warm(&shelf.student).await;
    shelf.warm(&shelf.teacher).await;
    let change = format!(
        "/course/module/{}/content/file/{}/",
        shelf.module.id, shelf.content.item_id
    );
    let page = shelf
        .teacher
        .post_file(&change, &[("title", "Scales")], "New.pdf", b"%PDF-1.7 new")
        .await;
    page.expect(303);
    shelf.expect_everywhere(&shelf.student, 404).await;
    shelf.expect_everywhere(&shelf.teacher, 404).await;
    let item = item::Entity::find_by_id(shelf.content.item_id);
    let item = item.one(shelf.site.app.db.read()).await.unwrap().unwrap();
    let path = format!("/media/{}/original", item.upload_id.unwrap());
    let page = shelf.student.get(&path).await;
    assert_eq!(page.expect(200).bytes, b"%PDF-1.7 new");
}

#[tokio::test]
async fn a_discarded_upload_is_gone_for_its_owner_too() {
    let shelf = Shelf::new().await;
    shelf.warm(&shelf.teacher).await;
    shelf.warm(&shelf.student).await;
    shelf.site.delete_item(shelf.content.item_id).await;
    shelf.expect_everywhere(&shelf.teacher, 404).await;
    shelf.expect_everywhere(&shelf.student, 404).await;
}

#[tokio::test]
async fn an_upload_that_cannot_be_discarded_stays_open() {
    let shelf = Shelf::new().await;
    shelf.warm(&shelf.student).await;
    let app = &shelf.site.app;
    shelf
        .change(async |write| {
            media::discard(app, write, shelf.upload.id).await.unwrap();
        })
        .await;
    shelf.expect_everywhere(&shelf.student, 200).await;
}

#[tokio::test]
async fn who_is_no_longer_staff_loses_the_files_of_others() {
    let shelf = Shelf::new().await;
    let id = shelf.site.person("staff", Role::Staff).await;
    let staff = shelf.site.login("staff").await;
    shelf.warm(&staff).await;
    let take = async |write: &mut Write| accounts::set_staff(write, id, false).await.unwrap();
    shelf.change(take).await;
    staff.get(&shelf.path).await.expect(404);
    shelf.is_refused_there(&staff).await;
}

#[tokio::test]
async fn who_is_no_longer_active_loses_all_files() {
    let shelf = Shelf::new().await;
    shelf.warm(&shelf.student).await;
    let id = shelf.student_id;
    let shut = async |write: &mut Write| accounts::set_active(write, id, false).await.unwrap();
    shelf.change(shut).await;
    shelf.student.get(&shelf.path).await.expect(404);
    shelf.is_refused_there(&shelf.student).await;
}

#[tokio::test]
async fn a_file_that_was_processed_again_is_given_as_it_is_now() {
    let site = TestApp::start().await;
    let owner = site.login_as("clara", Role::Instructor).await;
    let form = site.upload_form().await;
    let args = "-f lavfi -i testsrc2=size=640x360 -frames:v 1 -update 1";
    let picture = site.recording("bow.png", args).await;
    let id = form.upload(&owner, "image", "bow.png", picture).await;
    site.drain().await;
    let second = site.second().await;
    let path = format!("/media/{id}/image-480.png");
    let there = owner.at(&second.url);
    let tag = owner.get(&path).await.expect(200).header("etag");
    assert_eq!(there.get(&path).await.expect(200).header("etag"), tag);
    // As when it had failed, and is tried again.
    let mut row: upload::ActiveModel = site.view(id).await.upload.into();
    row.state = Set(upload::UploadState::Failed);
    row.update(site.app.db.writer()).await.unwrap();
    media::retry(&site.app, &By::terminal(site.clock.now()), id)
        .await
        .unwrap();
    site.drain().await;
    let again = owner.get(&path).await.expect(200).header("etag");
    assert_ne!(again, tag);
    second.app.bus.check().await.unwrap();
    assert_eq!(there.get(&path).await.expect(200).header("etag"), again);
}

#[tokio::test]
async fn a_process_that_does_not_hear_the_others_asks_the_database() {
    let shelf = Shelf::new().await;
    shelf.warm(&shelf.student).await;
    shelf.second.app.bus.close().await;
    let there = shelf.student.at(&shelf.second.url);
    let leave = format!("/students/course/{}/leave/", shelf.course.id);
    shelf.student.post(&leave, &[]).await.expect(303);
    there.get(&shelf.path).await.expect(404);
}

#[tokio::test]
async fn without_a_cache_every_request_asks_and_files_are_given_all_the_same() {
    let shelf = Shelf::with(&[("cache", "off:")]).await;
    shelf.warm(&shelf.student).await;
    let (cost, page) = cost(&shelf.site, shelf.student.get(&shelf.path)).await;
    page.expect(200);
    assert_eq!(cost, 1);
}
