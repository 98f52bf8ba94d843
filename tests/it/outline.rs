//! The editor of a course: what it shows, and moving, adding, renaming and deleting without a script.

use crate::kit::{Browser, MP4_HEAD, Role, TestApp};
use lyceum::entities::upload::UploadState;
use lyceum::entities::{content, course, module, upload};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel};

struct Desk {
    site: TestApp,
    teacher: Browser,
    course: course::Model,
}

impl Desk {
    async fn new() -> Self {
        let site = TestApp::start().await;
        let teacher_id = site.person("ingrid", Role::Instructor).await;
        let course = site.course(teacher_id, "how-strings-sing").await;
        let teacher = site.login("ingrid").await;
        Self {
            site,
            teacher,
            course,
        }
    }

    fn path(&self) -> String {
        format!("/course/{}/outline/", self.course.id)
    }

    /// The names of the rows (`content` or `module`) in the order in which a page shows them.
    async fn rows(&self, path: &str, what: &str) -> Vec<String> {
        let page = self.teacher.get(path).await;
        let text = page.expect(200).text();
        let starts = text
            .split("<li ")
            .filter(|part| part.contains(&format!("id=\"{what}-")));
        let names = starts.filter_map(|part| part.split("data-name=\"").nth(1)?.split('"').next());
        names.map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_course_without_modules_asks_for_the_first() {
    let desk = Desk::new().await;
    let page = desk.teacher.get(&desk.path()).await;
    page.expect(200)
        .has("No modules yet")
        .has("Title of the new module");
    let add = format!("/course/{}/module/add/", desk.course.id);
    let page = desk.teacher.post(&add, &[("title", " Nodes ")]).await;
    page.expect(303);
    desk.teacher
        .get(&page.location())
        .await
        .expect(200)
        .has("Nodes")
        .has("No contents yet");
}

#[tokio::test]
async fn one_module_is_open_and_the_others_say_what_they_hold() {
    let desk = Desk::new().await;
    let first = desk.site.module(desk.course.id, "First").await;
    let second = desk.site.module(desk.course.id, "Second").await;
    desk.site
        .text(first.id, "Nodes", "word ".repeat(500).trim())
        .await;
    desk.site.text(first.id, "Knots", "x").await;
    desk.site.text(second.id, "Bows", "x").await;
    let page = desk.teacher.get(&desk.path()).await;
    page.expect(200)
        .has("Nodes")
        .has("Reading, 3 min")
        .has("1 content, ready")
        .lacks("Bows");
    page.has(&format!(
        "/students/course/{}/{}/",
        desk.course.id, first.id
    ));
    let page = desk
        .teacher
        .get(&format!("/course/module/{}/", second.id))
        .await;
    page.expect(200)
        .has("Bows")
        .has("2 contents, all ready")
        .lacks("Knots");
    let page = desk
        .teacher
        .get(&format!("{}?open=none", desk.path()))
        .await;
    page.expect(200).lacks("Bows").lacks("Knots");
}

#[tokio::test]
async fn each_file_says_in_one_line_how_it_stands() {
    let desk = Desk::new().await;
    let module = desk.site.module(desk.course.id, "First").await;
    let path = format!("/course/module/{}/", module.id);
    let create = format!("{path}content/video/create/");
    desk.teacher
        .post_file(&create, &[], "One.mp4", MP4_HEAD)
        .await
        .expect(303);
    desk.teacher
        .post_file(&create, &[], "Two.mp4", MP4_HEAD)
        .await
        .expect(303);
    let page = desk.teacher.get(&path).await;
    page.expect(200)
        .has("In line, 1st")
        .has("In line, 2nd")
        .has("2 files");
    page.has("data-state=\"waiting\"");
    let uploads = upload::Entity::find()
        .order_by_id_asc()
        .all(desk.site.app.db.read())
        .await
        .unwrap();
    let set = async |upload: &upload::Model, change: fn(&mut upload::ActiveModel)| {
        let mut row = upload.clone().into_active_model();
        change(&mut row);
        row.update(desk.site.app.db.writer()).await.unwrap();
    };
    set(&uploads[0], |row| {
        row.state = Set(UploadState::Processing);
        row.progress_percent = Set(61.4);
        row.eta_seconds = Set(Some(120));
    })
    .await;
    set(&uploads[1], |row| {
        row.state = Set(UploadState::Failed);
        row.fault = Set(Some("The file has no audio or video track.".into()));
    })
    .await;
    let page = desk.teacher.get(&path).await;
    page.has("Processing 61 % - about 2 min left")
        .has("value=\"61\"")
        .has("1 file<");
    page.has("Failed: the file has no audio or video track")
        .has("Try again");
    let folded = desk
        .teacher
        .get(&format!("{}?open=none", desk.path()))
        .await;
    folded.has("2 contents, 1 on its way, 1 failed");
}

#[tokio::test]
async fn a_file_that_failed_is_tried_again_by_its_owner_alone() {
    let desk = Desk::new().await;
    let module = desk.site.module(desk.course.id, "First").await;
    let path = format!("/course/module/{}/", module.id);
    let create = format!("{path}content/video/create/");
    let made = desk
        .teacher
        .script_file(&create, &[], "One.mp4", MP4_HEAD)
        .await;
    let retry = format!("/course/content/{}/retry/", made.json()["content"]);
    let mut row = upload::Entity::find()
        .one(desk.site.app.db.read())
        .await
        .unwrap()
        .unwrap()
        .into_active_model();
    row.state = Set(UploadState::Failed);
    row.fault = Set(Some("The file has no audio or video track.".into()));
    row.update(desk.site.app.db.writer()).await.unwrap();
    let other = desk.site.login_as("tomas", Role::Instructor).await;
    other.post(&retry, &[]).await.expect(404);
    desk.teacher.post(&retry, &[]).await.expect(303);
    desk.teacher.get(&path).await.has("In line");
    // It has not failed now, and a text has no file at all.
    desk.teacher.post(&retry, &[]).await.expect(409);
    let text = desk.site.text(module.id, "Nodes", "x").await;
    let retry = format!("/course/content/{}/retry/", text.id);
    desk.teacher.post(&retry, &[]).await.expect(404);
}

#[tokio::test]
async fn rows_move_by_buttons_without_a_script() {
    let desk = Desk::new().await;
    let mut modules = Vec::new();
    for title in ["A", "B", "C"] {
        modules.push(desk.site.module(desk.course.id, title).await);
    }
    let mut contents = Vec::new();
    for title in ["1", "2", "3"] {
        contents.push(desk.site.text(modules[0].id, title, "x").await);
    }
    let open = format!("/course/module/{}/", modules[0].id);
    let content = format!("/course/content/{}/move/", contents[2].id);
    let page = desk
        .teacher
        .post(&content, &[("direction", "up"), ("next", &open)])
        .await;
    page.expect(303);
    assert_eq!(
        page.location(),
        format!("{open}#content-{}", contents[2].id)
    );
    assert_eq!(desk.rows(&open, "content").await, ["1", "3", "2"]);
    desk.teacher
        .post(&content, &[("direction", "up")])
        .await
        .expect(303);
    // Already first: nothing changes.
    desk.teacher
        .post(&content, &[("direction", "up")])
        .await
        .expect(303);
    assert_eq!(desk.rows(&open, "content").await, ["3", "1", "2"]);
    let module = format!("/course/module/{}/move/", modules[0].id);
    let page = desk
        .teacher
        .post(
            &module,
            &[("direction", "down"), ("next", "//evil.example/")],
        )
        .await;
    page.expect(303);
    assert_eq!(page.location(), format!("{open}#module-{}", modules[0].id));
    assert_eq!(desk.rows(&open, "module").await, ["B", "A", "C"]);
    for path in [&module, &content] {
        desk.teacher
            .post(path, &[("direction", "sideways")])
            .await
            .expect(400);
        desk.teacher.post(path, &[]).await.expect(400);
    }
}

#[tokio::test]
async fn equal_places_are_listed_newest_first_and_end_with_a_move() {
    let desk = Desk::new().await;
    let module = desk.site.module(desk.course.id, "A").await;
    let mut contents = Vec::new();
    for title in ["old", "middle", "new"] {
        let content = desk.site.text(module.id, title, "x").await;
        let mut row = content.into_active_model();
        row.order = Set(5);
        contents.push(row.update(desk.site.app.db.writer()).await.unwrap());
    }
    let open = format!("/course/module/{}/", module.id);
    assert_eq!(desk.rows(&open, "content").await, ["new", "middle", "old"]);
    let path = format!("/course/content/{}/move/", contents[0].id);
    desk.teacher
        .post(&path, &[("direction", "up")])
        .await
        .expect(303);
    assert_eq!(desk.rows(&open, "content").await, ["new", "old", "middle"]);
}

#[tokio::test]
async fn the_outline_is_for_the_owner_alone() {
    let desk = Desk::new().await;
    let module = desk.site.module(desk.course.id, "A").await;
    let content = desk.site.text(module.id, "1", "x").await;
    let other = desk.site.login_as("tomas", Role::Instructor).await;
    let student = desk.site.login_as("mira", Role::Student).await;
    let staff = desk.site.login_as("root", Role::Staff).await;
    let pages = ["", "edit/", "delete/"].map(|part| format!("/course/module/{}/{part}", module.id));
    for path in pages.iter().chain([&desk.path()]) {
        desk.teacher.get(path).await.expect(200);
        staff.get(path).await.expect(200);
        other.get(path).await.expect(404);
        student.get(path).await.expect(403);
        let page = desk.site.visitor().get(path).await;
        page.expect(302);
        assert_eq!(page.location(), format!("/accounts/login/?next={path}"));
    }
    let fields = [("title", "Mine"), ("direction", "down")];
    for path in [
        format!("/course/module/{}/edit/", module.id),
        format!("/course/module/{}/delete/", module.id),
        format!("/course/module/{}/move/", module.id),
        format!("/course/content/{}/move/", content.id),
        format!("/course/{}/module/add/", desk.course.id),
    ] {
        other.post(&path, &fields).await.expect(404);
        student.post(&path, &fields).await.expect(403);
        // Without the token.
        let request = desk.teacher.request(reqwest::Method::POST, &path);
        desk.teacher.send(request.form(&fields)).await.expect(403);
    }
    for path in [
        "/course/module/0/",
        "/course/module/x/",
        "/course/0/outline/",
        "/course/x/outline/",
    ] {
        desk.teacher.get(path).await.expect(404);
    }
    assert_eq!(desk.rows(&desk.path(), "module").await, ["A"]);
}

#[tokio::test]
async fn a_module_is_added_last_renamed_and_deleted_with_its_contents() {
    let desk = Desk::new().await;
    let first = desk.site.module(desk.course.id, "A").await;
    let mut row = first.clone().into_active_model();
    row.order = Set(7);
    row.update(desk.site.app.db.writer()).await.unwrap();
    let add = format!("/course/{}/module/add/", desk.course.id);
    let long = "x".repeat(201);
    desk.teacher
        .post(&add, &[("title", &long)])
        .await
        .expect(422)
        .has(&long)
        .has("201");
    desk.teacher
        .post(&add, &[("title", " ")])
        .await
        .expect(422)
        .has("needs a title");
    desk.teacher.post(&add, &[("title", "B")]).await.expect(303);
    assert_eq!(desk.rows(&desk.path(), "module").await, ["A", "B"]);
    let edit = format!("/course/module/{}/edit/", first.id);
    let page = desk
        .teacher
        .post(&edit, &[("title", ""), ("description", "Kept <i>")])
        .await;
    page.expect(422).has("Kept &#60;i&#62;").has("title-fault");
    let fields = [
        ("title", "Nodes"),
        ("description", "Where it does not move."),
    ];
    desk.teacher.post(&edit, &fields).await.expect(303);
    let page = desk
        .teacher
        .get(&format!("/course/module/{}/", first.id))
        .await;
    page.has("Nodes").has("Where it does not move.");
    desk.site.text(first.id, "1", "x").await;
    let delete = format!("/course/module/{}/delete/", first.id);
    desk.teacher
        .get(&delete)
        .await
        .expect(200)
        .has("Its 1 content")
        .has("cannot be undone");
    let page = desk.teacher.post(&delete, &[]).await;
    page.expect(303);
    assert_eq!(page.location(), desk.path());
    let left = module::Entity::find()
        .order_by_id_asc()
        .all(desk.site.app.db.read())
        .await
        .unwrap();
    assert_eq!(left.len(), 1);
    desk.teacher
        .get(&desk.path())
        .await
        .expect(200)
        .lacks("Nodes");
}

#[tokio::test]
async fn the_outline_costs_the_same_number_of_queries_however_long_the_course_is() {
    let desk = Desk::new().await;
    let module = desk.site.module(desk.course.id, "A").await;
    let path = format!("/course/module/{}/", module.id);
    let film = desk.site.film(desk.course.owner_id, 60.0).await;
    let with_film = |row: &mut lyceum::entities::item::ActiveModel| {
        row.kind = Set(lyceum::entities::item::ItemKind::Video);
        row.upload_id = Set(Some(film.id));
    };
    desk.site.content(module.id, "1", with_film).await;
    desk.teacher.get(&path).await.expect(200);
    let few = desk.site.statements_of(desk.teacher.get(&path)).await;
    for number in 0..6 {
        desk.site.content(module.id, "more", with_film).await;
        let other = desk
            .site
            .module(desk.course.id, &format!("M{number}"))
            .await;
        desk.site.text(other.id, "t", "x").await;
    }
    desk.teacher.get(&path).await.expect(200);
    let many = desk.site.statements_of(desk.teacher.get(&path)).await;
    assert_eq!(many, few);
}

#[tokio::test]
async fn staff_may_try_a_file_of_anothers_course_again_and_it_is_in_line_once() {
    let desk = Desk::new().await;
    let module = desk.site.module(desk.course.id, "Nodes").await;
    let create = format!("/course/module/{}/content/video/create/", module.id);
    desk.teacher
        .post_file(&create, &[], "One.mp4", MP4_HEAD)
        .await
        .expect(303);
    desk.site.drain().await;
    let content = content::Entity::find()
        .one(desk.site.app.db.read())
        .await
        .unwrap()
        .unwrap();
    let retry = format!("/course/content/{}/retry/", content.id);
    let stranger = desk.site.login_as("tomas", Role::Instructor).await;
    stranger.post(&retry, &[]).await.expect(404);
    let staff = desk.site.login_as("leila", Role::Staff).await;
    let (one, two) = tokio::join!(staff.post(&retry, &[]), desk.teacher.post(&retry, &[]));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409], "one of two who ask at once is first");
    let upload = upload::Entity::find()
        .one(desk.site.app.db.read())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(upload.state, UploadState::Waiting);
    assert_eq!(desk.site.jobs_of(upload.id).await.len(), 1);
}

#[tokio::test]
async fn buttons_of_a_page_whose_form_failed_lead_back_to_a_page_that_is_there() {
    let desk = Desk::new().await;
    desk.site.module(desk.course.id, "One").await;
    desk.site.module(desk.course.id, "Two").await;
    let add = format!("/course/{}/module/add/", desk.course.id);
    let page = desk.teacher.post(&add, &[("title", " ")]).await;
    page.expect(422)
        .has(&format!("name=\"next\" value=\"{}", desk.path()))
        .lacks(&format!("name=\"next\" value=\"{add}"));
    desk.teacher.get(&desk.path()).await.expect(200);
}
