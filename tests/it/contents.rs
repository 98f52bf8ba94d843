//! Making, changing and deleting contents of all five kinds.

use crate::kit::{Browser, MP4_HEAD, PNG, Page, Role, TestApp};
use lyceum::entities::item::{ItemKind, TextFormat};
use lyceum::entities::upload::UploadKind;
use lyceum::entities::{content, item, job, module, rendition, upload};
use proptest::prelude::*;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel,
    PaginatorTrait,
};

const VIMEO: &str = "https://vimeo.com/76979871";

/// A teacher with a course of one module.
struct Desk {
    site: TestApp,
    teacher: Browser,
    teacher_id: i64,
    module: module::Model,
}

impl Desk {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let site = TestApp::start_with(settings).await;
        let teacher_id = site.person("ingrid", Role::Instructor).await;
        let course = site.course(teacher_id, "how-strings-sing").await;
        let module = site.module(course.id, "Nodes").await;
        let teacher = site.login("ingrid").await;
        Self {
            site,
            teacher,
            teacher_id,
            module,
        }
    }

    fn create(&self, kind: &str) -> String {
        format!("/course/module/{}/content/{kind}/create/", self.module.id)
    }

    fn change(&self, item: &item::Model) -> String {
        let kind = serde_json::to_value(item.kind).unwrap();
        let kind = kind.as_str().unwrap();
        format!(
            "/course/module/{}/content/{kind}/{}/",
            self.module.id, item.id
        )
    }

    async fn items(&self) -> Vec<item::Model> {
        item::Entity::find()
            .order_by_id_asc()
            .all(self.site.app.db.read())
            .await
            .unwrap()
    }

    async fn places(&self) -> Vec<content::Model> {
        content::Entity::find()
            .order_by_id_asc()
            .all(self.site.app.db.read())
            .await
            .unwrap()
    }

    async fn only_item(&self) -> item::Model {
        let mut items = self.items().await;
        assert_eq!(items.len(), 1, "{items:?}");
        items.remove(0)
    }

    async fn uploads(&self) -> Vec<upload::Model> {
        upload::Entity::find()
            .order_by_id_asc()
            .all(self.site.app.db.read())
            .await
            .unwrap()
    }

    async fn stored(&self) -> Vec<String> {
        let entries = self.site.app.files.list("uploads").await.unwrap();
        entries.into_iter().map(|entry| entry.key).collect()
    }

    /// Waits until the store holds so many files; a file that nobody owns is deleted in the background.
    async fn until_stored(&self, count: usize) {
        while self.stored().await.len() != count {
            tokio::task::yield_now().await;
        }
    }

    /// Nothing of a form is left: no rows, no job, no file.
    async fn expect_nothing(&self) {
        let db = self.site.app.db.read();
        assert_eq!(item::Entity::find().count(db).await.unwrap(), 0);
        assert_eq!(content::Entity::find().count(db).await.unwrap(), 0);
        assert_eq!(upload::Entity::find().count(db).await.unwrap(), 0);
        assert_eq!(rendition::Entity::find().count(db).await.unwrap(), 0);
        assert_eq!(job::Entity::find().count(db).await.unwrap(), 0);
        self.until_stored(0).await;
    }
}

#[tokio::test]
async fn a_text_is_plain_unless_markdown_is_chosen() {
    let desk = Desk::new().await;
    let fields = [("title", "Nodes"), ("content", "one\r\ntwo")];
    let page = desk.teacher.post(&desk.create("text"), &fields).await;
    page.expect(303);
    assert_eq!(
        page.location(),
        format!("/course/module/{}/", desk.module.id)
    );
    let item = desk.only_item().await;
    assert_eq!(item.kind, ItemKind::Text);
    assert_eq!(item.format, TextFormat::Plain);
    assert_eq!(item.body.as_deref(), Some("one\ntwo"));
    assert_eq!(item.owner_id, desk.teacher_id);
    let fields = [
        ("title", "Nodes"),
        ("content", "*one*"),
        ("format", "markdown"),
    ];
    desk.teacher
        .post(&desk.change(&item), &fields)
        .await
        .expect(303);
    let item = desk.only_item().await;
    assert_eq!(item.format, TextFormat::Markdown);
    assert_eq!(item.body.as_deref(), Some("*one*"));
    let form = desk.teacher.get(&desk.change(&item)).await;
    form.expect(200)
        .has("*one*")
        .has("value=\"markdown\" checked")
        .has("<em>one</em>");
}

#[tokio::test]
async fn a_bad_form_keeps_what_was_typed_and_says_at_each_field_what_is_wrong() {
    let desk = Desk::new().await;
    let long = "ü".repeat(251);
    let fields = [
        ("title", long.as_str()),
        ("content", "  "),
        ("format", "rtf"),
    ];
    let page = desk.teacher.post(&desk.create("text"), &fields).await;
    page.expect(422).has(&long).has("3 things to mend");
    for id in ["title-fault", "content-fault", "format-fault"] {
        page.has(&format!("id=\"{id}\""));
    }
    let fields = [
        ("title", "<b>\"T\"</b>"),
        ("url", "https://example.org/film"),
    ];
    let page = desk.teacher.post(&desk.create("video"), &fields).await;
    page.expect(422)
        .has("https://example.org/film")
        .has("&#60;b&#62;&#34;T&#34;");
    page.has("not the page of a video at YouTube or Vimeo")
        .lacks("<b>\"T\"");
    desk.expect_nothing().await;
}

#[tokio::test]
async fn a_file_that_came_with_a_bad_form_is_asked_for_again_and_not_kept() {
    let desk = Desk::new().await;
    let title = "x".repeat(251);
    let path = desk.create("file");
    let page = desk
        .teacher
        .post_file(&path, &[("title", &title)], "a.pdf", b"%PDF-1.7")
        .await;
    page.expect(422).has(&title).has("please choose it again");
    desk.expect_nothing().await;
    let page = desk
        .teacher
        .script_file(&path, &[("title", &title)], "a.pdf", b"%PDF-1.7")
        .await;
    page.expect(422);
    assert!(
        page.json()["title"][0].as_str().unwrap().contains("251"),
        "{}",
        page.json()
    );
    desk.expect_nothing().await;
}

#[tokio::test]
async fn the_page_of_a_video_is_taken_only_from_youtube_and_vimeo() {
    let desk = Desk::new().await;
    let path = desk.create("video");
    for url in [
        "https://example.org/",
        "javascript:alert(1)",
        "not an address",
        "https://vimeo.com/",
    ] {
        let page = desk
            .teacher
            .post(&path, &[("title", "T"), ("url", url)])
            .await;
        page.expect(422).has("YouTube or Vimeo");
    }
    desk.teacher
        .post(&path, &[("title", ""), ("url", VIMEO)])
        .await
        .expect(422);
    desk.expect_nothing().await;
    desk.teacher
        .post(&path, &[("title", "T"), ("url", VIMEO)])
        .await
        .expect(303);
    assert_eq!(desk.only_item().await.url.as_deref(), Some(VIMEO));
}

#[tokio::test]
async fn an_address_that_was_let_in_before_stays_until_it_is_changed() {
    let desk = Desk::new().await;
    desk.site
        .content(desk.module.id, "Old", |row| {
            row.kind = Set(ItemKind::Video);
            row.url = Set(Some("https://example.org/film".into()));
        })
        .await;
    let item = desk.only_item().await;
    let fields = [("title", "New name"), ("url", "https://example.org/film")];
    desk.teacher
        .post(&desk.change(&item), &fields)
        .await
        .expect(303);
    assert_eq!(desk.only_item().await.title, "New name");
    let fields = [("title", "New name"), ("url", "https://example.org/other")];
    desk.teacher
        .post(&desk.change(&item), &fields)
        .await
        .expect(422);
}

#[tokio::test]
async fn a_script_is_told_that_the_upload_is_complete_and_how_its_file_stands() {
    let desk = Desk::new().await;
    let page = desk
        .teacher
        .script_file(&desk.create("video"), &[], "Bow hold.mp4", MP4_HEAD)
        .await;
    page.expect(200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("application/json")
    );
    let item = desk.only_item().await;
    assert_eq!(item.title, "Bow hold");
    let answer = page.json();
    assert_eq!(answer["message"], "Upload complete!");
    assert_eq!(answer["upload"], item.upload_id.unwrap());
    assert_eq!(answer["item"], item.id);
    assert_eq!(answer["state"], "waiting");
    assert_eq!(answer["words"], "In line, 1st");
    let next = answer["next"].as_str().unwrap();
    let card = format!("data-id=\"{}\"", answer["content"]);
    desk.teacher
        .get(next)
        .await
        .expect(200)
        .has(&card)
        .has("In line, 1st");
    let upload = desk.uploads().await.remove(0);
    assert_eq!(
        (upload.kind, upload.owner_id),
        (UploadKind::Video, desk.teacher_id)
    );
}

#[tokio::test]
async fn a_plain_form_with_a_file_leads_to_its_module() {
    let desk = Desk::new().await;
    let path = desk.create("file");
    let page = desk
        .teacher
        .post_file(
            &path,
            &[("title", "Find the nodes")],
            "nodes.pdf",
            b"%PDF-1.7",
        )
        .await;
    page.expect(303);
    assert_eq!(
        page.location(),
        format!("/course/module/{}/", desk.module.id)
    );
    assert_eq!(desk.only_item().await.title, "Find the nodes");
    desk.teacher
        .get(&page.location())
        .await
        .expect(200)
        .has("PDF, 8 bytes")
        .has("Ready");
}

#[tokio::test]
async fn limit_and_kinds_are_told_before_a_file_is_sent() {
    let desk = Desk::with(&[("upload_max", "3GB"), ("image_max", "2MB")]).await;
    let page = desk.teacher.get(&desk.create("image")).await;
    page.expect(200)
        .has("data-max-bytes=\"2000000\"")
        .has("accept=\"image/")
        .has("2.0 MB");
    page.has("data-status-url=\"/uploads/status/\"");
    let page = desk.teacher.get(&desk.create("video")).await;
    page.expect(200)
        .has("data-max-bytes=\"3000000000\"")
        .has("accept=\"video/")
        .has("3.0 GB");
    let web = desk
        .teacher
        .get(&format!("{}?from=web", desk.create("video")))
        .await;
    web.expect(200).has("name=\"url\"").lacks("type=\"file\"");
    for kind in ["text", "file", "audio"] {
        desk.teacher.get(&desk.create(kind)).await.expect(200);
    }
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_with_a_sentence() {
    let desk = Desk::with(&[("upload_max", "200kB"), ("image_max", "1kB")]).await;
    let mut picture = PNG.to_vec();
    picture.resize(1_001, 0);
    let page = desk
        .teacher
        .script_file(&desk.create("image"), &[], "a.png", &picture)
        .await;
    page.expect(413).has("too large");
    let page = desk
        .teacher
        .post_file(&desk.create("file"), &[], "a.bin", &vec![7; 200_001])
        .await;
    page.expect(413).has("too large");
    desk.expect_nothing().await;
}

#[tokio::test]
async fn any_file_taken_as_an_image_is_refused() {
    let desk = Desk::new().await;
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    let others: [(&str, &[u8]); 6] = [
        ("a.svg", svg),
        ("a.png", svg),
        ("a.png", b"<!doctype html><script>alert(1)</script>"),
        ("a.jpg", b"%PDF-1.7 is no picture"),
        ("a.gif", MP4_HEAD),
        ("a.webp", b""),
    ];
    for (name, bytes) in others {
        let page = desk
            .teacher
            .script_file(&desk.create("image"), &[], name, bytes)
            .await;
        page.expect(415);
        assert!(page.json()["detail"].as_str().unwrap().len() > 20, "{name}");
        desk.teacher
            .post_file(&desk.create("image"), &[], name, bytes)
            .await
            .expect(415);
    }
    desk.expect_nothing().await;
    desk.teacher
        .post_file(&desk.create("image"), &[], "a.txt", PNG)
        .await
        .expect(303);
    assert_eq!(desk.uploads().await.remove(0).kind, UploadKind::Image);
}

#[tokio::test]
async fn a_form_post_that_fails_half_way_leaves_no_orphan() {
    let desk = Desk::new().await;
    let path = desk.create("file");
    // Cut off in the middle of the file.
    let token = desk.teacher.cookie("csrftoken").unwrap();
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n{token}\r\n--b\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n%PDF-1.7 and then"
    );
    let request = desk.teacher.request(Method::POST, &path);
    let request = request
        .header(CONTENT_TYPE, "multipart/form-data; boundary=b")
        .body(body);
    desk.teacher.send(request).await.expect(400);
    desk.expect_nothing().await;
    // The file is stored, and then the last row cannot be written.
    refuse_contents(&desk.site).await;
    let page = desk
        .teacher
        .post_file(&path, &[], "a.pdf", b"%PDF-1.7")
        .await;
    page.expect(500).has("Something broke on our side");
    desk.expect_nothing().await;
}

async fn refuse_contents(site: &TestApp) {
    let sql = match site.app.db.backend() {
        DbBackend::Sqlite => {
            "CREATE TRIGGER refuse BEFORE INSERT ON contents BEGIN SELECT RAISE(ABORT, 'refused'); END"
        }
        _ => {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'refused'; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON contents FOR EACH ROW EXECUTE FUNCTION refuse()"
        }
    };
    site.app.db.writer().execute_unprepared(sql).await.unwrap();
}

#[tokio::test]
async fn deleted_or_replaced_items_leave_no_files() {
    let desk = Desk::new().await;
    let path = desk.create("file");
    for (name, bytes) in [("first.pdf", b"%PDF-1.7 1"), ("other.pdf", b"%PDF-1.7 2")] {
        let page = desk.teacher.post_file(&path, &[], name, bytes).await;
        page.expect(303);
    }
    assert_eq!(desk.stored().await.len(), 2);
    let first = desk.items().await.remove(0);
    let fields = [("title", "T")];
    let change = desk.change(&first);
    let page = desk
        .teacher
        .post_file(&change, &fields, "second.pdf", b"%PDF-1.7 3");
    page.await.expect(303);
    desk.site.drain().await;
    desk.until_stored(2).await;
    let names = desk.uploads().await.into_iter().map(|upload| upload.name);
    assert_eq!(names.collect::<Vec<_>>(), ["other.pdf", "second.pdf"]);
    // One is deleted; the other goes with the module.
    let delete = format!("/course/content/{}/delete/", desk.places().await[0].id);
    desk.teacher.post(&delete, &[]).await.expect(303);
    desk.site.drain().await;
    desk.until_stored(1).await;
    desk.teacher.post(&delete, &[]).await.expect(404);
    let delete = format!("/course/module/{}/delete/", desk.module.id);
    desk.teacher.post(&delete, &[]).await.expect(303);
    desk.site.drain().await;
    desk.until_stored(0).await;
    assert!(desk.items().await.is_empty() && desk.uploads().await.is_empty());
}

#[tokio::test]
async fn a_change_keeps_the_place_and_without_a_new_file_the_old_one() {
    let desk = Desk::new().await;
    let path = desk.create("file");
    let page = desk.teacher.post_file(&path, &[], "a.pdf", b"%PDF-1.7");
    page.await.expect(303);
    desk.site.text(desk.module.id, "After it", "x").await;
    let places = desk.places().await;
    let before = desk.items().await.remove(0);
    let fields = [("title", "Renamed")];
    desk.teacher
        .post(&desk.change(&before), &fields)
        .await
        .expect(303);
    let after = desk.items().await.remove(0);
    assert_eq!(after.title, "Renamed");
    assert_eq!(after.upload_id, before.upload_id);
    let change = desk.change(&before);
    let page = desk
        .teacher
        .post_file(&change, &fields, "b.pdf", b"%PDF-1.7");
    page.await.expect(303);
    assert_ne!(desk.items().await.remove(0).upload_id, before.upload_id);
    assert_eq!(desk.places().await, places);
}

#[tokio::test]
async fn a_video_that_moves_to_a_page_leaves_no_file() {
    let desk = Desk::new().await;
    desk.teacher
        .post_file(&desk.create("video"), &[], "a.mp4", MP4_HEAD)
        .await
        .expect(303);
    let item = desk.only_item().await;
    let fields = [("title", "T"), ("url", VIMEO)];
    desk.teacher
        .post(&desk.change(&item), &fields)
        .await
        .expect(303);
    let item = desk.only_item().await;
    assert_eq!((item.url.as_deref(), item.upload_id), (Some(VIMEO), None));
    desk.site.drain().await;
    desk.until_stored(0).await;
    assert!(desk.uploads().await.is_empty());
    // And back: the page shows the address still, which does not stand against the file.
    let page = desk
        .teacher
        .post_file(&desk.change(&item), &fields, "b.mp4", MP4_HEAD)
        .await;
    page.expect(303);
    let item = desk.only_item().await;
    assert!(item.url.is_none() && item.upload_id.is_some());
}

#[tokio::test]
async fn an_upload_that_two_items_show_stays_until_the_last_is_deleted() {
    let desk = Desk::new().await;
    desk.teacher
        .post_file(&desk.create("file"), &[], "a.pdf", b"%PDF-1.7")
        .await
        .expect(303);
    let upload = desk.only_item().await.upload_id.unwrap().to_string();
    let fields = [("title", "Again"), ("upload", upload.as_str())];
    desk.teacher
        .post(&desk.create("file"), &fields)
        .await
        .expect(303);
    let contents = content::Entity::find()
        .order_by_id_asc()
        .all(desk.site.app.db.read())
        .await
        .unwrap();
    for (content, left) in contents.iter().zip([1, 0]) {
        let delete = format!("/course/content/{}/delete/", content.id);
        desk.teacher.post(&delete, &[]).await.expect(303);
        desk.site.drain().await;
        desk.until_stored(left).await;
    }
}

#[tokio::test]
async fn an_upload_is_chosen_only_by_its_owner_and_for_its_kind() {
    let desk = Desk::new().await;
    let film = desk.site.film(desk.teacher_id, 60.0).await;
    let other = desk.site.person("tomas", Role::Instructor).await;
    let foreign = desk.site.film(other, 60.0).await;
    let choose = async |kind: &str, id: String| {
        let fields = [("title", ""), ("upload", id.as_str())];
        desk.teacher.post(&desk.create(kind), &fields).await
    };
    choose("video", foreign.id.to_string())
        .await
        .expect(422)
        .has("not one of yours");
    choose("video", "9999".into()).await.expect(422);
    choose("video", "seven".into()).await.expect(422);
    choose("audio", film.id.to_string())
        .await
        .expect(422)
        .has("of another kind");
    desk.expect_no_items().await;
    choose("video", film.id.to_string()).await.expect(303);
    let item = desk.only_item().await;
    assert_eq!(
        (item.upload_id, item.title.as_str()),
        (Some(film.id), "film")
    );
}

impl Desk {
    async fn expect_no_items(&self) {
        assert!(self.items().await.is_empty());
    }
}

#[tokio::test]
async fn new_contents_go_last_also_when_two_arrive_at_once() {
    let desk = Desk::new().await;
    let first = desk.site.text(desk.module.id, "First", "x").await;
    let mut row = first.into_active_model();
    row.order = Set(41);
    row.update(desk.site.app.db.writer()).await.unwrap();
    let path = desk.create("text");
    let make = |title| {
        let fields = [("title", title), ("content", "x")];
        let teacher = &desk.teacher;
        let path = &path;
        async move { teacher.post(path, &fields).await }
    };
    let pages: (Page, Page, Page) = tokio::join!(make("A"), make("B"), make("C"));
    for page in [&pages.0, &pages.1, &pages.2] {
        page.expect(303);
    }
    let mut orders: Vec<i64> = content::Entity::find()
        .order_by_id_asc()
        .all(desk.site.app.db.read())
        .await
        .unwrap()
        .into_iter()
        .map(|content| content.order)
        .collect();
    orders.sort_unstable();
    assert_eq!(orders, [41, 42, 43, 44]);
}

#[tokio::test]
async fn contents_are_for_the_owner_of_the_course_alone() {
    let desk = Desk::new().await;
    let text = desk.site.text(desk.module.id, "Nodes", "x").await;
    let other = desk.site.login_as("tomas", Role::Instructor).await;
    let student = desk.site.login_as("mira", Role::Student).await;
    let staff = desk.site.login_as("root", Role::Staff).await;
    let visitor = desk.site.visitor();
    let item = desk.only_item().await;
    let delete = format!("/course/content/{}/delete/", text.id);
    for path in [desk.create("text"), desk.change(&item), delete.clone()] {
        desk.teacher.get(&path).await.expect(200);
        staff.get(&path).await.expect(200);
        other.get(&path).await.expect(404);
        student.get(&path).await.expect(403);
        let fields = [("title", "Mine now"), ("content", "x")];
        other.post(&path, &fields).await.expect(404);
        student.post(&path, &fields).await.expect(403);
        let page = visitor.get(&path).await;
        page.expect(302);
        assert!(
            page.location()
                .starts_with("/accounts/login/?next=/course/")
        );
        visitor.post(&path, &fields).await.expect(302);
    }
    let page = other
        .post_file(&desk.create("file"), &[], "a.pdf", b"%PDF-1.7")
        .await;
    page.expect(404);
    assert_eq!(desk.only_item().await, item);
    assert!(desk.stored().await.is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let desk = Desk::new().await;
    desk.site.text(desk.module.id, "Nodes", "x").await;
    let item = desk.only_item().await;
    let elsewhere = desk.site.module(desk.module.course_id, "Elsewhere").await;
    let start = format!("/course/module/{}/content", desk.module.id);
    for path in [
        format!("{start}/poem/create/"),
        format!("{start}/Text/create/"),
        format!("{start}/video/{}/", item.id),
        format!("{start}/text/{}/", item.id + 1),
        format!("{start}/text/x/"),
        format!("/course/module/{}/content/text/{}/", elsewhere.id, item.id),
        "/course/module/x/content/text/create/".into(),
        "/course/module/99999999999999999999/content/text/create/".into(),
        "/course/content/0/delete/".into(),
        "/course/content/x/delete/".into(),
    ] {
        desk.teacher.get(&path).await.expect(404);
        desk.teacher
            .post(&path, &[("title", "T"), ("content", "x")])
            .await
            .expect(404);
    }
    let page = desk.teacher.get(&format!("{start}/text/create")).await;
    page.expect(301);
    assert_eq!(page.location(), format!("{start}/text/create/"));
    let token = desk.teacher.cookie("csrftoken").unwrap();
    let put = desk.teacher.request(Method::PUT, &desk.create("text"));
    let page = desk.teacher.send(put.header("X-CSRFToken", token)).await;
    page.expect(405);
    assert!(page.header("allow").unwrap().contains("POST"));
}

#[tokio::test]
async fn a_form_without_its_token_is_refused_before_its_file_is_taken() {
    let desk = Desk::new().await;
    let post = |path: String, body: String| {
        let request = desk.teacher.request(Method::POST, &path);
        let request = request.header(CONTENT_TYPE, "multipart/form-data; boundary=b");
        desk.teacher.send(request.body(body))
    };
    let file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n%PDF-1.7\r\n";
    let token = desk.teacher.cookie("csrftoken").unwrap();
    let field = |value: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n{value}\r\n"
        )
    };
    let path = desk.create("file");
    post(path.clone(), format!("{file}--b--\r\n"))
        .await
        .expect(403);
    post(path.clone(), format!("{}{file}--b--\r\n", field("wrong")))
        .await
        .expect(403);
    post(path.clone(), format!("{file}{}--b--\r\n", field(&token)))
        .await
        .expect(403);
    let request = desk.teacher.request(Method::POST, &desk.create("text"));
    desk.teacher
        .send(request.form(&[("title", "T"), ("content", "x")]))
        .await
        .expect(403);
    desk.expect_nothing().await;
    post(path, format!("{}{file}--b--\r\n", field(&token)))
        .await
        .expect(303);
}

#[tokio::test]
async fn deleting_asks_first() {
    let desk = Desk::new().await;
    let text = desk.site.text(desk.module.id, "Nodes & <knots>", "x").await;
    let path = format!("/course/content/{}/delete/", text.id);
    let page = desk.teacher.get(&path).await;
    page.expect(200)
        .has("Nodes &#38; &#60;knots&#62;")
        .has("cannot be undone");
    assert_eq!(desk.items().await.len(), 1);
    let page = desk.teacher.post(&path, &[]).await;
    page.expect(303);
    assert_eq!(
        page.location(),
        format!("/course/module/{}/", desk.module.id)
    );
    desk.expect_no_items().await;
}

#[tokio::test]
async fn a_preview_shows_what_students_will_see_and_runs_nothing() {
    let desk = Desk::new().await;
    let content = "*one*\n\n<script>alert(1)</script>";
    let preview = async |format| {
        let fields = [("content", content), ("format", format)];
        desk.teacher.post("/course/preview/", &fields).await
    };
    preview("markdown")
        .await
        .expect(200)
        .has("<em>one</em>")
        .lacks("<script");
    preview("plain")
        .await
        .expect(200)
        .has("*one*")
        .lacks("<script");
    let student = desk.site.login_as("mira", Role::Student).await;
    student
        .post("/course/preview/", &[("content", "x")])
        .await
        .expect(403);
}

/// One part of a form: its name, the name of its file if it has one, and its bytes.
type Field = (String, Option<String>, Vec<u8>);

fn any_field() -> impl Strategy<Value = Field> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "title", "content", "format", "url", "file", "upload", "key"
        ])
        .prop_map(str::to_owned),
        "[a-z\\[\\]]{0,12}",
    ];
    let file_name = prop::option::of("[^\"\r\n\0]{0,20}");
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        Just(PNG.to_vec()),
        Just(MP4_HEAD.to_vec()),
        Just(b"-9".to_vec()),
    ];
    (name, file_name, bytes)
}

fn body_of(token: &str, fields: &[Field], boundary: &str) -> Vec<u8> {
    let mut body = Vec::new();
    let mut add = |head: String, bytes: &[u8]| {
        body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    };
    let name = "Content-Disposition: form-data; name";
    add(format!("{name}=\"csrfmiddlewaretoken\""), token.as_bytes());
    for (field, file_name, bytes) in fields {
        let file = file_name
            .as_ref()
            .map(|file| format!("; filename=\"{file}\""));
        add(
            format!("{name}=\"{field}\"{}", file.unwrap_or_default()),
            bytes,
        );
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

#[test]
fn any_multipart_form_is_taken_or_refused_but_never_breaks_the_site() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let desk = runtime.block_on(Desk::new());
    let kinds = prop::sample::select(vec!["text", "file", "image", "video", "audio"]);
    let fields = prop::collection::vec(any_field(), 0..6);
    let inputs = (
        kinds,
        fields,
        "[a-zA-Z0-9'()+_,./:=?-]{0,75}",
        0..150_usize,
        any::<bool>(),
    );
    let config = ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |((kind, fields, boundary, cut, is_script) in inputs)| {
        let page = runtime.block_on(async {
            let token = desk.teacher.cookie("csrftoken").unwrap();
            let mut body = body_of(&token, &fields, &boundary);
            body.truncate(body.len() * cut / 100);
            let request = desk.teacher.request(Method::POST, &desk.create(kind));
            let mime = format!("multipart/form-data; boundary=\"{boundary}\"");
            let mut request = request.header(CONTENT_TYPE, mime).body(body);
            if is_script {
                request = request.header("Accept", "application/json");
            }
            desk.teacher.send(request).await
        });
        prop_assert!(page.status < 500, "{}: {}", page.status, page.text());
    });
    // What was taken is whole: every file in the store belongs to an upload that an item shows.
    runtime.block_on(async {
        let uploads = desk.uploads().await;
        let shown: Vec<i64> = desk
            .items()
            .await
            .iter()
            .filter_map(|item| item.upload_id)
            .collect();
        assert!(uploads.iter().all(|upload| shown.contains(&upload.id)));
        desk.until_stored(uploads.len()).await;
    });
}

#[tokio::test]
async fn a_picture_sent_to_be_shown_is_no_file_to_download() {
    let desk = Desk::new().await;
    let image = desk.create("image");
    desk.teacher
        .post_file(&image, &[], "dot.png", PNG)
        .await
        .expect(303);
    let upload_id = desk.only_item().await.upload_id.unwrap().to_string();
    let fields = [("title", "Dot"), ("upload", upload_id.as_str())];
    let page = desk.teacher.post(&desk.create("file"), &fields).await;
    page.expect(422);
    desk.teacher.post(&image, &fields).await.expect(303);
}

#[tokio::test]
async fn a_form_without_room_in_the_quota_is_told_before_its_file_is_kept() {
    let desk = Desk::with(&[("quota", "1MB")]).await;
    let file = vec![0x80; 3_000_000];
    let page = desk
        .teacher
        .post_file(&desk.create("file"), &[], "a.bin", &file)
        .await;
    page.expect(413).has("are left");
    assert_eq!(desk.site.stored().await, Vec::<String>::new());
    assert_eq!(desk.site.half_written(), 0);
}

#[tokio::test]
async fn a_form_whose_file_is_refused_comes_back_as_it_was_typed() {
    let desk = Desk::with(&[("image_max", "100kB")]).await;
    let fields = [("title", "The <bow>")];
    let path = desk.create("image");
    let large = [PNG, &vec![0; 200_000]].concat();
    let sent: [(&str, &[u8], u16); 3] = [
        ("a.png", b"%PDF-1.7", 415),
        ("a.png", &large, 413),
        ("a.png", &[PNG, &vec![0; 2_000_000]].concat(), 413),
    ];
    for (name, bytes, status) in sent {
        let page = desk.teacher.post_file(&path, &fields, name, bytes).await;
        page.expect(status)
            .has("value=\"The &#60;bow&#62;\"")
            .has("id=\"file-fault\"");
    }
    // Scripts and programs are told in JSON.
    let page = desk.teacher.script_file(&path, &fields, "a.png", b"%PDF");
    assert!(page.await.expect(415).json().is_object());
    desk.expect_no_items().await;
}

#[tokio::test]
async fn a_text_that_two_courses_show_is_new_in_both_once_it_is_changed() {
    let site = TestApp::start().await;
    let clara_id = site.person("clara", Role::Instructor).await;
    let ingrid_id = site.person("ingrid", Role::Instructor).await;
    let clara = site.login("clara").await;
    let own = site.course(clara_id, "strings").await;
    let other = site.course(ingrid_id, "winds").await;
    let (here, there) = (
        site.module(own.id, "One").await,
        site.module(other.id, "One").await,
    );
    let shown = site.text(here.id, "Text", "the old words").await;
    let again = content::ActiveModel {
        module_id: Set(there.id),
        item_id: Set(shown.item_id),
        order: Set(0),
        ..Default::default()
    };
    again.insert(site.app.db.writer()).await.unwrap();
    let anna_id = site.person("anna", Role::Student).await;
    site.enrollment(anna_id, other.id).await;
    site.changed_course(other.id).await;
    let anna = site.login("anna").await;
    let lesson = format!("/students/course/{}/{}/", other.id, there.id);
    anna.get(&lesson).await.expect(200).has("the old words");
    let path = format!("/course/module/{}/content/text/{}/", here.id, shown.item_id);
    let fields = [("title", "Text"), ("content", "the new words")];
    clara.post(&path, &fields).await.expect(303);
    anna.get(&lesson).await.expect(200).has("the new words");
}
