//! The library: a teacher's files in one place, found, used again, renamed and deleted.

use crate::kit::{Browser, MP4_HEAD, PNG, Role, TestApp};
use lyceum::entities::item::ItemKind;
use lyceum::entities::job::JobState;
use lyceum::entities::upload::{UploadKind, UploadState};
use lyceum::entities::{content, item, module, tus_upload, upload};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel};

/// A teacher with a course of one module.
struct Desk {
    site: TestApp,
    clara: Browser,
    clara_id: i64,
    module: module::Model,
}

impl Desk {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let site = TestApp::start_with(settings).await;
        let clara_id = site.person("clara", Role::Instructor).await;
        let course = site.course(clara_id, "baroque-violin").await;
        let module = site.module(course.id, "The right hand").await;
        let clara = site.login("clara").await;
        Self {
            site,
            clara,
            clara_id,
            module,
        }
    }

    async fn file(&self, kind: UploadKind, name: &str) -> upload::Model {
        self.site.file(self.clara_id, kind, name, |_| ()).await
    }

    async fn shown(&self, title: &str, kind: ItemKind, file: &upload::Model) -> content::Model {
        self.site.media(self.module.id, title, kind, file).await
    }

    async fn uploads(&self) -> Vec<i64> {
        let all = self.site.uploads().await;
        all.into_iter().map(|upload| upload.id).collect()
    }

    async fn contents(&self) -> Vec<content::Model> {
        let found = content::Entity::find().all(self.site.app.db.read());
        found.await.unwrap()
    }

    /// Deletes files as the page that asks does: with the contents that it names.
    async fn delete(&self, ids: &[i64]) -> u16 {
        let files: Vec<String> = ids.iter().map(|id| format!("file={id}")).collect();
        let ask = format!("/library/delete/?{}", files.join("&"));
        let page = self.clara.get(&ask).await.text();
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut fields: Vec<_> = ids.iter().map(|id| ("file", id.as_str())).collect();
        fields.extend(named(&page).into_iter().map(|id| ("content", id)));
        self.clara.post("/library/delete/", &fields).await.status
    }
}

/// The contents that a page which asks would delete.
fn named(page: &str) -> Vec<&str> {
    let fields = page.split("name=\"content\" value=\"").skip(1);
    fields.filter_map(|field| field.split('"').next()).collect()
}

/// The names of the rows, in their order.
fn rows(text: &str) -> Vec<String> {
    let rows = text.split("<tr class=\"file-row\"").skip(1);
    let names = rows.filter_map(|row| row.split("data-name=\"").nth(1)?.split('"').next());
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_teacher_sees_her_own_files_with_their_state_and_where_they_are_used() {
    let desk = Desk::new().await;
    let film = |row: &mut upload::ActiveModel| {
        row.duration_seconds = Set(Some(218.0));
        row.size_bytes = Set(212_000_000);
    };
    let film = desk
        .site
        .file(desk.clara_id, UploadKind::Video, "Bow.mp4", film)
        .await;
    let content = desk.shown("How to hold it", ItemKind::Video, &film).await;
    let moving = |row: &mut upload::ActiveModel| {
        row.state = Set(UploadState::Processing);
        row.progress_percent = Set(61.4);
        row.eta_seconds = Set(Some(120));
    };
    desk.site
        .file(desk.clara_id, UploadKind::Audio, "Sarabande.wav", moving)
        .await;
    let tomas = desk.site.person("tomas", Role::Instructor).await;
    desk.site
        .file(tomas, UploadKind::Image, "Secret.png", |_| ())
        .await;
    let page = desk.clara.get("/library/").await;
    page.expect(200).has("2 files, 212 MB of ").lacks("Secret");
    page.has("3:38").has("212 MB").has("Today, 09:30");
    page.has("2 March 2026, 09:30:00 (UTC)");
    page.has(&format!(
        "/course/module/{}/#content-{}",
        desk.module.id, content.id
    ));
    page.has("The right hand: How to hold it")
        .has("baroque violin");
    page.has("Nowhere yet")
        .has("Processing 61 % - about 2 min left");
    page.has("value=\"61\"")
        .has(&format!("data-upload-id=\"{}\"", film.id));
    desk.site.visitor().get("/library/").await.expect(302);
    let maya = desk.site.login_as("maya", Role::Student).await;
    maya.get("/library/").await.expect(403);
    // Staff see their own files here, too.
    let staff = desk.site.login_as("leila", Role::Staff).await;
    staff.get("/library/").await.expect(200).has("No files yet");
}

#[tokio::test]
async fn a_file_in_a_course_that_is_another_teachers_now_leads_nowhere_and_names_no_lesson_of_it() {
    let desk = Desk::new().await;
    let film = desk.file(UploadKind::Video, "bow.mp4").await;
    let content = desk.shown("The bow", ItemKind::Video, &film).await;
    let editor = format!("/course/module/{}/#content-{}", desk.module.id, content.id);
    desk.clara.get("/library/").await.has(&editor);
    let robert = desk.site.person("robert", Role::Instructor).await;
    let staff = desk.site.login_as("sofia", Role::Staff).await;
    let give = format!("/api/courses/{}/give/", desk.module.course_id);
    let to = format!("{{\"owner\": {robert}}}");
    staff.post_json(&give, &to).await.expect(200);
    let ask = format!("/library/delete/?file={}", film.id);
    for path in ["/library/", &ask] {
        let page = desk.clara.get(path).await;
        page.expect(200)
            .has("baroque violin")
            .lacks(&editor)
            .lacks("The bow");
    }
}

#[tokio::test]
async fn files_are_found_filtered_sorted_and_paged_by_the_address() {
    let desk = Desk::new().await;
    for number in 1..=22 {
        let size = |row: &mut upload::ActiveModel| row.size_bytes = Set(number * 1_000);
        let name = format!("Take {number:02}.wav");
        desk.site
            .file(desk.clara_id, UploadKind::Audio, &name, size)
            .await;
        desk.site.wait_seconds(1);
    }
    desk.file(UploadKind::Image, "Übung <b>.png").await;
    let failed = |row: &mut upload::ActiveModel| row.state = Set(UploadState::Failed);
    desk.site
        .file(desk.clara_id, UploadKind::Video, "Torn.mp4", failed)
        .await;
    let shown = async |query: &str| {
        let page = desk.clara.get(&format!("/library/?{query}")).await;
        rows(&page.expect(200).text())
    };
    let first = shown("").await;
    assert_eq!((first.len(), first[0].as_str()), (20, "Torn.mp4"));
    assert_eq!(shown("page=2").await.last().unwrap(), "Take 01.wav");
    assert_eq!(shown("q=%C3%9CBUNG").await, ["Übung &#60;b&#62;.png"]);
    assert_eq!(shown("kind=video").await, ["Torn.mp4"]);
    assert_eq!(shown("state=failed").await, ["Torn.mp4"]);
    assert_eq!(shown("state=failed&kind=audio").await, [""; 0]);
    assert_eq!(shown("kind=audio&sort=size").await[0], "Take 22.wav");
    assert_eq!(shown("sort=name&order=asc").await[0], "Take 01.wav");
    // What cannot be understood counts as not said.
    let odd = "kind=%27&state=x&sort=;drop&order=up&page=999999999999999999999&q=%00%25";
    let page = desk.clara.get(&format!("/library/?{odd}")).await;
    assert!([200, 400].contains(&page.status), "{}", page.status);
    assert_eq!(shown("kind=%27&state=x&sort=y&page=x").await, first);
    let page = desk.clara.get("/library/?q=Take&state=ready").await;
    page.has("All <span class=\"count\">22</span>");
    page.has("Video <span class=\"count\">0</span>");
    page.has("href=\"/library/?q=Take&#38;kind=audio&#38;state=ready\"");
    page.has("1 to 20 of 22");
}

#[tokio::test]
async fn a_page_costs_the_same_number_of_queries_however_many_files_there_are() {
    let desk = Desk::new().await;
    let film = desk.file(UploadKind::Video, "a.mp4").await;
    desk.shown("A", ItemKind::Video, &film).await;
    let bytes = [("filename", "b.bin")];
    desk.clara.announce(&bytes, 10).await;
    desk.clara.get("/library/").await.expect(200);
    let few = desk.site.statements_of(desk.clara.get("/library/")).await;
    for number in 0..15 {
        let film = desk.file(UploadKind::Video, &format!("{number}.mp4")).await;
        desk.shown("B", ItemKind::Video, &film).await;
        desk.shown("C", ItemKind::Video, &film).await;
        desk.clara.announce(&bytes, 10).await;
    }
    desk.clara.get("/library/").await.expect(200);
    let many = desk.site.statements_of(desk.clara.get("/library/")).await;
    assert_eq!(many, few);
}

#[tokio::test]
async fn deleting_a_file_names_the_lessons_that_lose_it_and_takes_it_from_them() {
    let desk = Desk::new().await;
    desk.clara
        .post_file(
            &format!("/course/module/{}/content/image/create/", desk.module.id),
            &[("title", "The <bow>")],
            "bow.png",
            PNG,
        )
        .await
        .expect(303);
    desk.site.drain().await;
    let [file] = desk.site.uploads().await.try_into().unwrap();
    let other = desk.site.course(desk.clara_id, "pianos").await;
    let other = desk.site.module(other.id, "Hammers").await;
    desk.site
        .media(other.id, "Again", ItemKind::Image, &file)
        .await;
    let kept = desk.site.text(desk.module.id, "A text", "x").await;
    let ask = format!("/library/delete/?file={}", file.id);
    let page = desk.clara.get(&ask).await;
    page.expect(200)
        .has("Delete bow.png?")
        .has("used in 2 lessons");
    page.has("The right hand: The &#60;bow&#62;")
        .has("Hammers: Again");
    assert_eq!(desk.uploads().await, [file.id], "asking changes nothing");
    assert_eq!(desk.delete(&[file.id]).await, 303);
    assert_eq!(desk.contents().await, [kept]);
    assert_eq!(desk.uploads().await, [0_i64; 0]);
    desk.site.drain().await;
    assert_eq!(desk.site.stored().await, [""; 0]);
    let items = item::Entity::find().all(desk.site.app.db.read()).await;
    assert_eq!(items.unwrap().len(), 1);
    // Twice is once.
    assert_eq!(desk.delete(&[file.id]).await, 303);
    desk.clara.get(&ask).await.expect(404);
}

#[tokio::test]
async fn a_lesson_that_was_not_named_is_not_deleted_but_asked_about() {
    let desk = Desk::new().await;
    let file = desk.file(UploadKind::File, "a.pdf").await;
    let first = desk.shown("First", ItemKind::File, &file).await;
    let ask = format!("/library/delete/?file={}", file.id);
    let asked = desk.clara.get(&ask).await.text();
    assert_eq!(named(&asked), [first.id.to_string()]);
    let second = desk.shown("Second", ItemKind::File, &file).await;
    let (id, first_id) = (file.id.to_string(), first.id.to_string());
    let fields = [("file", id.as_str()), ("content", first_id.as_str())];
    let page = desk.clara.post("/library/delete/", &fields).await;
    page.expect(409)
        .has("Nothing was deleted: lessons have begun to use what you chose.")
        .has("used in 2 lessons")
        .has("Second");
    assert_eq!(desk.contents().await.len(), 2);
    assert_eq!(desk.uploads().await, [file.id]);
    let mut expected = [first.id.to_string(), second.id.to_string()];
    expected.sort();
    let text = page.text();
    let mut found = named(&text);
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(desk.delete(&[file.id]).await, 303);
    assert_eq!(desk.contents().await, []);
}

#[tokio::test]
async fn several_files_go_at_once_and_what_runs_for_them_is_canceled() {
    let desk = Desk::new().await;
    let create = format!("/course/module/{}/content/video/create/", desk.module.id);
    for name in ["a.mp4", "b.mp4", "c.mp4"] {
        desk.clara
            .post_file(&create, &[], name, MP4_HEAD)
            .await
            .expect(303);
    }
    let ids = desk.uploads().await;
    let ask = format!("/library/delete/?file={}&file={}&file=x", ids[0], ids[1]);
    desk.clara
        .get(&ask)
        .await
        .expect(200)
        .has("Delete 2 files?");
    assert_eq!(desk.delete(&ids[..2]).await, 303);
    assert_eq!(desk.uploads().await, ids[2..]);
    assert_eq!(desk.contents().await.len(), 1);
    for id in &ids[..2] {
        let jobs = desk.site.jobs_of(*id).await;
        assert!(jobs.iter().all(|job| job.state == JobState::Canceled));
    }
    assert_eq!(desk.delete(&[]).await, 303);
    desk.clara.get("/library/delete/").await.expect(303);
}

#[tokio::test]
async fn a_renamed_file_is_downloaded_under_its_new_name_at_once() {
    let desk = Desk::new().await;
    let create = format!("/course/module/{}/content/image/create/", desk.module.id);
    desk.clara
        .post_file(&create, &[("title", "The bow")], "bow.png", PNG)
        .await
        .expect(303);
    desk.site.drain().await;
    let id = desk.uploads().await[0];
    let download = format!("/media/{id}/original?download");
    let name = async || {
        let page = desk.clara.get(&download).await;
        page.expect(200).header("content-disposition").unwrap()
    };
    assert!(name().await.contains("bow.png"));
    let rename = format!("/library/{id}/rename/");
    desk.clara
        .post(&rename, &[("name", "Violin")])
        .await
        .expect(303);
    let named = name().await;
    assert!(named.contains("Violin.png"), "{named}");
}

#[tokio::test]
async fn who_deletes_a_content_reads_what_becomes_of_its_file() {
    let desk = Desk::new().await;
    let file = desk.file(UploadKind::File, "a.pdf").await;
    let first = desk.shown("First", ItemKind::File, &file).await;
    let second = desk.shown("Second", ItemKind::File, &file).await;
    let delete = format!("/course/content/{}/delete/", first.id);
    let page = desk.clara.get(&delete).await;
    page.expect(200)
        .has("Its file stays: 1 other lesson shows it, too.")
        .lacks("cannot be undone");
    desk.clara.post(&delete, &[]).await.expect(303);
    assert_eq!(desk.uploads().await, [file.id]);
    let delete = format!("/course/content/{}/delete/", second.id);
    let page = desk.clara.get(&delete).await;
    page.expect(200)
        .has("leaves the library. This cannot be undone.");
    desk.clara.post(&delete, &[]).await.expect(303);
    assert_eq!(desk.uploads().await, [0_i64; 0]);
}

#[tokio::test]
async fn nobody_deletes_renames_or_uses_the_file_of_another() {
    let desk = Desk::new().await;
    let file = desk.file(UploadKind::File, "a.pdf").await;
    let mine = desk.site.person("tomas", Role::Instructor).await;
    let mine = desk
        .site
        .file(mine, UploadKind::File, "b.pdf", |_| ())
        .await;
    let tomas = desk.site.login("tomas").await;
    let leila = desk.site.login_as("leila", Role::Staff).await;
    for stranger in [&tomas, &leila] {
        let ask = format!("/library/delete/?file={}", file.id);
        stranger.get(&ask).await.expect(404);
        let (one, other) = (file.id.to_string(), mine.id.to_string());
        let both = [("file", other.as_str()), ("file", one.as_str())];
        stranger.post("/library/delete/", &both).await.expect(404);
        for path in ["rename", "use"] {
            let path = format!("/library/{}/{path}/", file.id);
            stranger.get(&path).await.expect(404);
            let fields = [("name", "x"), ("module", "1")];
            stranger.post(&path, &fields).await.expect(404);
        }
    }
    assert_eq!(desk.uploads().await, [file.id, mine.id]);
    desk.clara.get("/library/9999/use/").await.expect(404);
    desk.clara.get("/library/seven/use/").await.expect(404);
}

#[tokio::test]
async fn a_file_is_used_again_in_another_module_and_stored_once() {
    let desk = Desk::new().await;
    let film = desk
        .file(UploadKind::Video, "The bow, held three ways.mp4")
        .await;
    let first = desk.shown("The bow", ItemKind::Video, &film).await;
    let course = desk.site.course(desk.clara_id, "pianos").await;
    let module = desk.site.module(course.id, "Hammers").await;
    let path = format!("/library/{}/use/", film.id);
    let page = desk.clara.get(&path).await;
    page.expect(200).has("value=\"The bow, held three ways\"");
    page.has("<optgroup label=\"pianos\">").has("Hammers");
    let id = module.id.to_string();
    desk.clara
        .post(&path, &[("module", ""), ("title", "Kept")])
        .await
        .expect(422)
        .has("Choose the module")
        .has("value=\"Kept\"");
    let long = "x".repeat(251);
    desk.clara
        .post(&path, &[("module", &id), ("title", &long)])
        .await
        .expect(422)
        .has(&long)
        .has(&format!("<option value=\"{id}\" selected>"));
    let tomas = desk.site.person("tomas", Role::Instructor).await;
    let foreign = desk.site.course(tomas, "foreign").await;
    let foreign = desk
        .site
        .module(foreign.id, "Not hers")
        .await
        .id
        .to_string();
    desk.clara
        .post(&path, &[("module", &foreign), ("title", "x")])
        .await
        .expect(422)
        .has("not one of yours");
    let page = desk
        .clara
        .post(&path, &[("module", &id), ("title", "Again")])
        .await;
    let [_, second] = desk.contents().await.try_into().unwrap();
    assert_eq!(
        page.expect(303).location(),
        format!("/course/module/{id}/#content-{}", second.id)
    );
    desk.clara
        .get("/library/")
        .await
        .has("baroque violin")
        .has("pianos");
    let delete = format!("/course/content/{}/delete/", first.id);
    desk.clara.post(&delete, &[]).await.expect(303);
    assert_eq!(desk.uploads().await, [film.id], "the other shows it still");
    let lesson = format!("/course/module/{id}/");
    desk.clara.get(&lesson).await.expect(200).has("Again");
}

#[tokio::test]
async fn a_file_gets_another_name_and_keeps_its_ending() {
    let desk = Desk::new().await;
    let film = desk.file(UploadKind::Video, "IMG_2204.MOV").await;
    let content = desk.shown("The bow", ItemKind::Video, &film).await;
    let path = format!("/library/{}/rename/", film.id);
    desk.clara.get(&path).await.expect(200).has("IMG_2204.MOV");
    desk.clara
        .post(&path, &[("name", " ")])
        .await
        .expect(422)
        .has("give the file a name");
    desk.clara
        .post(&path, &[("name", &"x".repeat(251))])
        .await
        .expect(422);
    desk.clara
        .post(&path, &[("name", "../Bow hold")])
        .await
        .expect(303);
    let names = desk
        .site
        .uploads()
        .await
        .into_iter()
        .map(|upload| upload.name);
    assert_eq!(names.collect::<Vec<_>>(), ["Bow hold.MOV"]);
    let found = item::Entity::find_by_id(content.item_id);
    let found = found.one(desk.site.app.db.read()).await.unwrap().unwrap();
    assert_eq!(found.title, "The bow", "titles of lessons stay");
}

#[tokio::test]
async fn uploads_that_are_not_finished_are_told_and_can_be_given_up() {
    let desk = Desk::new().await;
    let module = desk.module.id.to_string();
    let given = [("filename", "Masterclass.bin"), ("module", module.as_str())];
    let address = desk.clara.announce(&given, 1_000_000).await;
    desk.clara
        .add(&address, 0, &vec![0x80; 250_000])
        .await
        .expect(204);
    desk.clara.announce(&[("filename", "Other.bin")], 5).await;
    let page = desk.clara.get("/library/").await;
    page.expect(200)
        .has("Masterclass.bin")
        .has("250 kB of 1.0 MB arrived");
    page.has("value=\"25\"")
        .has("Tomorrow, 09:30")
        .has("data-size=\"1000000\"");
    page.has(&format!("data-module=\"{module}\""));
    let outline = format!("/course/module/{module}/");
    desk.clara
        .get(&outline)
        .await
        .has("1 upload is not finished");
    let tomas = desk.site.login_as("tomas", Role::Instructor).await;
    tomas.get("/library/").await.lacks("Masterclass");
    let discard = format!(
        "/library/unfinished/{}/discard/",
        &address["/uploads/".len()..]
    );
    tomas.get(&discard).await.expect(404);
    tomas.post(&discard, &[]).await.expect(303);
    desk.clara.look(&address).await.expect(200);
    let page = desk.clara.get(&discard).await;
    page.expect(200)
        .has("Discard Masterclass.bin?")
        .has("250 kB of 1.0 MB arrived");
    desk.clara.look(&address).await.expect(200);
    for _ in 0..2 {
        desk.clara.post(&discard, &[]).await.expect(303);
    }
    desk.clara.look(&address).await.expect(404);
    desk.clara
        .get("/library/")
        .await
        .lacks("Masterclass")
        .has("Other.bin");
    desk.clara.get(&outline).await.lacks("not finished");
    assert_eq!(desk.site.arriving().await, 0);
    desk.site.wait_seconds(25 * 3600);
    desk.clara.get("/library/").await.lacks("Other.bin");
}

#[tokio::test]
async fn giving_up_an_upload_that_has_just_become_a_file_leaves_the_file() {
    let desk = Desk::new().await;
    let address = desk.clara.announce(&[("filename", "a.bin")], 3).await;
    desk.clara
        .add(&address, 0, b"\x80\x80\x80")
        .await
        .expect(204);
    let id = &address["/uploads/".len()..];
    let discard = format!("/library/unfinished/{id}/discard/");
    desk.clara.post(&discard, &[]).await.expect(303);
    assert_eq!(desk.uploads().await.len(), 1);
    let rows = tus_upload::Entity::find()
        .all(desk.site.app.db.read())
        .await;
    assert_eq!(
        rows.unwrap().len(),
        1,
        "who did not hear the answer may ask"
    );
}

#[tokio::test]
async fn a_file_sent_by_a_plain_form_waits_in_the_library() {
    let desk = Desk::new().await;
    let page = desk.clara.get("/library/upload/?kind=image").await;
    page.expect(200).has("action=\"/library/upload/image/\"");
    let page = desk
        .clara
        .post_file("/library/upload/image/", &[], "bow.png", PNG)
        .await;
    assert_eq!(page.expect(303).location(), "/library/");
    desk.clara
        .get("/library/")
        .await
        .has("bow.png")
        .has("In line, 1st")
        .has("Nowhere yet");
    let page = desk
        .clara
        .post_file("/library/upload/video/", &[], "bow.png", PNG)
        .await;
    page.expect(415).has("fault-summary").has("Upload a file");
    desk.clara
        .post("/library/upload/image/", &[])
        .await
        .expect(422)
        .has("Choose a file.");
    desk.clara
        .post("/library/upload/text/", &[])
        .await
        .expect(404);
    desk.clara.get("/library/upload/?kind=x").await.expect(200);
    let maya = desk.site.login_as("maya", Role::Student).await;
    maya.get("/library/upload/").await.expect(403);
    assert_eq!(desk.uploads().await.len(), 1);
}

#[tokio::test]
async fn deleting_a_file_that_was_to_take_the_place_of_another_leaves_the_other() {
    let desk = Desk::new().await;
    let old = desk.file(UploadKind::Video, "old.mp4").await;
    let content = desk.shown("The bow", ItemKind::Video, &old).await;
    let new = desk.file(UploadKind::Video, "new.mp4").await;
    let found = item::Entity::find_by_id(content.item_id);
    let found = found.one(desk.site.app.db.read()).await.unwrap().unwrap();
    let mut row = found.into_active_model();
    row.next_upload_id = Set(Some(new.id));
    row.update(desk.site.app.db.writer()).await.unwrap();
    assert_eq!(desk.delete(&[new.id]).await, 303);
    assert_eq!(desk.contents().await, [content]);
    assert_eq!(desk.uploads().await, [old.id]);
}

/// Whoever is first wins, and the other is told; a content never shows what is no more.
#[tokio::test]
async fn a_file_that_is_deleted_and_used_at_the_same_instant_is_one_or_the_other() {
    let desk = Desk::new().await;
    for _ in 0..6 {
        let file = desk.file(UploadKind::File, "a.pdf").await;
        let (module, id) = (desk.module.id.to_string(), file.id.to_string());
        let path = format!("/library/{id}/use/");
        let fields = [("module", module.as_str()), ("title", "T")];
        let chosen = [("file", id.as_str())];
        let (used, deleted) = tokio::join!(
            desk.clara.post(&path, &fields),
            desk.clara.post("/library/delete/", &chosen)
        );
        assert!([303, 404, 422].contains(&used.status), "{}", used.status);
        if deleted.status == 409 {
            // It was used before; the lesson was not named.
            used.expect(303);
            assert_eq!(desk.contents().await.len(), 1);
            assert_eq!(desk.delete(&[file.id]).await, 303);
        } else {
            deleted.expect(303);
        }
        assert_eq!(desk.uploads().await, [0_i64; 0]);
        assert_eq!(desk.contents().await, []);
    }
}
