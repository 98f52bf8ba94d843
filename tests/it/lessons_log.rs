//! What staff write into the lessons of others stands in the log of changes, whichever way they write it; what a teacher writes
//! into her own does not.

use crate::kit::{Browser, PNG, Page, Role, TestApp, changes_of};
use lyceum::entities::item::ItemKind;
use lyceum::entities::{audit_entry, content, course, module};
use reqwest::Method;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait, QueryFilter as _, QueryOrder as _,
};
use serde_json::{Value, json};

/// A course of somebody's.
struct School {
    site: TestApp,
    owner: i64,
    course: course::Model,
}

impl School {
    async fn open() -> Self {
        let site = TestApp::start().await;
        let owner = site.person("ines", Role::Instructor).await;
        let course = site.course(owner, "strings").await;
        Self {
            site,
            owner,
            course,
        }
    }

    async fn last_module(&self) -> module::Model {
        let found = module::Entity::find().order_by_desc(module::Column::Id);
        let found = found.one(self.site.app.db.read()).await.unwrap();
        found.unwrap()
    }

    async fn last_content(&self) -> content::Model {
        let found = content::Entity::find().order_by_desc(content::Column::Id);
        let found = found.one(self.site.app.db.read()).await.unwrap();
        found.unwrap()
    }

    /// What the log says from its line `first` on.
    async fn told_from(&self, first: usize) -> Vec<String> {
        self.site.log().await[first..].iter().map(told).collect()
    }

    /// Asserts the lines since the last look, all by this way.
    async fn expect(&self, seen: &mut usize, via: &str, expected: &[&str]) {
        assert_eq!(self.told_from(*seen).await, expected);
        let lines = self.site.log().await;
        assert!(lines[*seen..].iter().all(|line| line.via == via));
        *seen = lines.len();
    }

    /// A module is made, named otherwise, filled, ordered and deleted by the forms; `check` is called after each.
    async fn by_pages(&self, browser: &Browser) {
        let course = format!("/course/{}", self.course.id);
        let form = [("title", "Bows")];
        let add = format!("{course}/module/add/");
        browser.post(&add, &form).await.expect(303);
        let module = format!("/course/module/{}", self.last_module().await.id);
        let form = [("title", "Bowing"), ("description", "With the right hand.")];
        let edit = format!("{module}/edit/");
        browser.post(&edit, &form).await.expect(303);
        // What is so already is no change.
        browser.post(&edit, &form).await.expect(303);
        let texts = format!("{module}/content/text");
        for title in ["Holding it", "Drawing it"] {
            let form = [
                ("title", title),
                ("content", "Loosely."),
                ("format", "plain"),
            ];
            let create = format!("{texts}/create/");
            browser.post(&create, &form).await.expect(303);
        }
        let last = self.last_content().await;
        let form = [
            ("title", "Drawing it"),
            ("content", "Slowly."),
            ("format", "markdown"),
        ];
        let change = format!("{texts}/{}/", last.item_id);
        browser.post(&change, &form).await.expect(303);
        let content = format!("/course/content/{}", last.id);
        let up = [("direction", "up")];
        let move_up = format!("{content}/move/");
        browser.post(&move_up, &up).await.expect(303);
        // It is the first by now.
        browser.post(&move_up, &up).await.expect(303);
        let delete = format!("{content}/delete/");
        browser.post(&delete, &[]).await.expect(303);
        let delete = format!("{module}/delete/");
        browser.post(&delete, &[]).await.expect(303);
    }

    /// The same by the API.
    async fn by_programs(&self, browser: &Browser) {
        let call = async |method: Method, path: &str, body: Value, status: u16| {
            let page = call(browser, method, path, body).await;
            page.expect(status);
            page
        };
        let new = json!({"course": self.course.id, "title": "Bows"});
        let made = call(Method::POST, "/api/modules/", new, 201).await;
        let module = made.json()["id"].as_i64().unwrap();
        let path = format!("/api/modules/{module}/");
        let change = json!({"title": "Bowing", "description": "With the right hand."});
        call(Method::PATCH, &path, change.clone(), 200).await;
        call(Method::PATCH, &path, change, 200).await;
        let mut contents = Vec::new();
        for title in ["Holding it", "Drawing it"] {
            let new = json!({"module": module, "kind": "text", "title": title,
                "content": "Loosely.", "format": "plain"});
            let made = call(Method::POST, "/api/contents/", new, 201).await;
            contents.push(made.json()["id"].as_i64().unwrap());
        }
        let last = format!("/api/contents/{}/", contents[1]);
        let change = json!({"content": "Slowly.", "format": "markdown"});
        call(Method::PATCH, &last, change, 200).await;
        contents.reverse();
        let order = format!("{path}order/");
        for _ in 0..2 {
            let places = json!({"contents": contents});
            call(Method::POST, &order, places, 200).await;
        }
        call(Method::DELETE, &last, json!({}), 204).await;
        call(Method::DELETE, &path, json!({}), 204).await;
    }
}

/// A call of the API, or of what takes JSON.
async fn call(browser: &Browser, method: Method, path: &str, body: Value) -> Page {
    let request = browser
        .request(method, path)
        .header("X-CSRFToken", browser.cookie("csrftoken").unwrap())
        .json(&body);
    browser.send(request).await
}

/// A line in words: what was done, to what, and each field before and after.
fn told(line: &audit_entry::Model) -> String {
    let fields = changes_of(line).into_iter();
    let fields: Vec<String> = fields
        .map(|(field, before, after)| format!("{field} {before:?} to {after:?}"))
        .collect();
    let (act, kind, name) = (&line.act, &line.object_kind, &line.object_name);
    format!("{act} {kind} {name}: {}", fields.join(", "))
}

/// What is told of a round.
const ROUND: [&str; 10] = [
    "change course strings: modules \"\" to \"Bows\"",
    "change course strings: modules \"Bows\" to \"Bowing: With the right hand.\"",
    "add content Holding it: course \"\" to \"strings\", module \"\" to \"Bowing\", place \"\" to \"1\", \
     kind \"\" to \"text\", title \"\" to \"Holding it\", text \"\" to \"Loosely.\", format \"\" to \"plain\"",
    "add content Drawing it: course \"\" to \"strings\", module \"\" to \"Bowing\", place \"\" to \"2\", \
     kind \"\" to \"text\", title \"\" to \"Drawing it\", text \"\" to \"Loosely.\", format \"\" to \"plain\"",
    "change content Drawing it: text \"Loosely.\" to \"Slowly.\", format \"plain\" to \"markdown\"",
    "change content Holding it: place \"1\" to \"2\"",
    "change content Drawing it: place \"2\" to \"1\"",
    "delete content Drawing it: course \"strings\" to \"\", module \"Bowing\" to \"\", place \"1\" to \"\", \
     kind \"text\" to \"\", title \"Drawing it\" to \"\", text \"Slowly.\" to \"\", format \"markdown\" to \"\"",
    "delete content Holding it: course \"strings\" to \"\", module \"Bowing\" to \"\", place \"1\" to \"\", \
     kind \"text\" to \"\", title \"Holding it\" to \"\", text \"Loosely.\" to \"\", format \"plain\" to \"\"",
    "change course strings: modules \"Bowing: With the right hand.\" to \"\"",
];

#[tokio::test]
async fn what_staff_write_into_the_lessons_of_another_stands_in_the_log_content_by_content() {
    let school = School::open().await;
    let staff = school.site.login_as("sofia", Role::Staff).await;
    let mut seen = 0;
    school.by_pages(&staff).await;
    school.expect(&mut seen, "page", &ROUND).await;
    school.by_programs(&staff).await;
    school.expect(&mut seen, "api", &ROUND).await;
    let lines = school.site.log().await;
    assert!(lines.iter().all(|line| line.actor_name == "sofia"));
    let page = staff.get("/admin/log/?kind=content").await;
    page.expect(200).has("1 to 14 of 14").has("Slowly.");
}

#[tokio::test]
async fn what_a_teacher_writes_into_her_own_lessons_is_no_matter_of_the_log() {
    let school = School::open().await;
    let teacher = school.site.login("ines").await;
    school.by_pages(&teacher).await;
    school.by_programs(&teacher).await;
    send_files(&school, &teacher).await;
    assert_eq!(school.site.log().await, []);
}

/// Files come to a module by every way: as a resumable upload, by a form, and from the library; and the first gives way
/// to another.
async fn send_files(school: &School, browser: &Browser) {
    let module = school.site.module(school.course.id, "Pictures").await;
    let send = async |place: (&str, String)| {
        let named = [("filename", "bow.png"), (place.0, place.1.as_str())];
        let address = browser.announce(&named, PNG.len()).await;
        browser.add(&address, 0, PNG).await.expect(204);
        school.site.drain().await;
    };
    send(("module", module.id.to_string())).await;
    let first = school.last_content().await;
    send(("content", first.id.to_string())).await;
    let create = format!("/course/module/{}/content/image/create/", module.id);
    let title = [("title", "By form")];
    let form = browser.post_file(&create, &title, "form.png", PNG).await;
    form.expect(303);
    school.site.drain().await;
    let uploads = school.site.uploads().await;
    let last = uploads.last().unwrap().id;
    let number = module.id.to_string();
    let form = [("module", number.as_str()), ("title", "Once more")];
    let again = format!("/library/{last}/use/");
    browser.post(&again, &form).await.expect(303);
}

#[tokio::test]
async fn files_that_staff_bring_into_the_lessons_of_another_stand_in_the_log_by_their_numbers() {
    let school = School::open().await;
    let staff = school.site.login_as("sofia", Role::Staff).await;
    send_files(&school, &staff).await;
    let uploads = school.site.uploads().await;
    let lines = school.site.log().await;
    let file = |line: &audit_entry::Model| {
        let mut changes = changes_of(line).into_iter();
        changes.rfind(|(field, _, _)| field == "file" || field == "next file")
    };
    let said: Vec<(&str, &str, &str)> = lines
        .iter()
        .map(|line| {
            (
                line.via.as_str(),
                line.act.as_str(),
                line.object_name.as_str(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("upload", "add", "bow"),
            ("upload", "change", "bow"),
            ("page", "add", "By form"),
            ("page", "add", "Once more"),
        ]
    );
    // Both pictures of that name are told apart.
    let (_, _, came) = file(&lines[0]).unwrap();
    let (_, _, next) = file(&lines[1]).unwrap();
    assert!(came.starts_with("bow.png (upload "), "{came}");
    assert!(next.starts_with("bow.png (upload "), "{next}");
    assert_ne!(came, next);
    let (_, _, used) = file(&lines[3]).unwrap();
    assert_eq!(
        used,
        format!("form.png (upload {})", uploads.last().unwrap().id)
    );
    // From where a resumable upload came is not told: it may have been several places.
    assert!(lines[0].address.is_empty() && !lines[2].address.is_empty());
    let page = staff.get("/admin/log/?via=upload").await;
    page.expect(200).has("1 to 2 of 2");
    let page = staff.get("/api/log/?via=upload").await;
    let rows = page.expect(200).json();
    assert_eq!(rows.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_the_lessons_of_another_lose_with_a_file_stands_in_the_log_whoever_had_sent_it() {
    let school = School::open().await;
    let site = &school.site;
    let staff = site.login_as("sofia", Role::Staff).await;
    let module = site.module(school.course.id, "First").await;
    let sent = async || {
        let create = format!("/course/module/{}/content/image/create/", module.id);
        let form = staff.post_file(&create, &[("title", "Hers")], "bow.png", PNG);
        form.await.expect(303);
        let content = school.last_content().await;
        let upload = site.uploads().await.last().unwrap().id;
        (content.id.to_string(), upload.to_string())
    };
    let gone = "delete content Hers";
    let mut seen = 0;
    // By the library, where a file of her own is shown by a lesson of another.
    let (content, file) = sent().await;
    let form = [("file", file.as_str()), ("content", content.as_str())];
    staff.post("/library/delete/", &form).await.expect(303);
    let lines = school.told_from(seen).await;
    assert!(lines.len() == 2 && lines[1].starts_with(gone), "{lines:?}");
    seen += 2;
    // By a program.
    let (content, file) = sent().await;
    let path = format!("/api/uploads/{file}/?contents={content}");
    let page = call(&staff, Method::DELETE, &path, json!({})).await;
    page.expect(204);
    let lines = school.told_from(seen).await;
    assert!(lines.len() == 2 && lines[1].starts_with(gone), "{lines:?}");
    seen += 2;
    // By the admin site, which tells of the file besides.
    let (_, file) = sent().await;
    let form = [
        ("action", "delete"),
        ("id", file.as_str()),
        ("confirmed", "1"),
    ];
    staff.post("/admin/uploads/act/", &form).await.expect(303);
    let lines = school.told_from(seen).await;
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[1].starts_with(gone), "{lines:?}");
    assert!(lines[2].starts_with("delete upload"), "{lines:?}");
}

#[tokio::test]
async fn contents_that_go_with_a_course_or_a_module_stand_in_the_log_of_the_admin_site_each() {
    let school = School::open().await;
    let site = &school.site;
    let staff = site.login_as("sofia", Role::Staff).await;
    let first = site.module(school.course.id, "First").await;
    let second = site.module(school.course.id, "Second").await;
    site.text(first.id, "Holding it", "Loosely.").await;
    site.text(second.id, "Drawing it", "Slowly.").await;
    let begins = async |first: usize| {
        let lines = school.told_from(first).await.into_iter();
        let begins = lines.filter_map(|line| Some(line.split(':').next()?.to_owned()));
        begins.collect::<Vec<_>>()
    };
    let page = format!("/api/modules/{}/", first.id);
    let page = call(&staff, Method::DELETE, &page, json!({})).await;
    page.expect(204);
    let told = ["delete content Holding it", "change course strings"];
    assert_eq!(begins(0).await, told);
    let id = school.course.id.to_string();
    let form = [
        ("action", "delete"),
        ("id", id.as_str()),
        ("confirmed", "1"),
    ];
    staff.post("/admin/courses/act/", &form).await.expect(303);
    let told = ["delete content Drawing it", "delete course strings"];
    assert_eq!(begins(2).await, told);
}

#[tokio::test]
async fn who_let_a_file_of_another_be_processed_again_or_stopped_stands_in_the_log() {
    let school = School::open().await;
    let site = &school.site;
    let staff = site.login_as("sofia", Role::Staff).await;
    let teacher = site.login("ines").await;
    let module = site.module(school.course.id, "First").await;
    let create = format!("/course/module/{}/content/image/create/", module.id);
    let form = teacher.post_file(&create, &[("title", "Hers")], "bow.png", PNG);
    form.await.expect(303);
    let content = school.last_content().await.id;
    let page = |act: &str| format!("/course/content/{content}/{act}/");
    for act in ["cancel", "cancel", "retry"] {
        staff.post(&page(act), &[]).await.expect(303);
    }
    let told = ["cancel upload bow.png: ", "retry upload bow.png: "];
    school.expect(&mut 0, "page", &told).await;
    // Her own are no matter of the log.
    for act in ["cancel", "retry"] {
        teacher.post(&page(act), &[]).await.expect(303);
    }
    let call_of = |act: &str| format!("/api/contents/{content}/{act}/");
    let stop = call(&staff, Method::POST, &call_of("cancel"), json!({})).await;
    stop.expect(200);
    school
        .expect(&mut 2, "api", &["cancel upload bow.png: "])
        .await;
}

#[tokio::test]
async fn captions_that_staff_set_in_the_course_of_another_stand_in_the_log_also_when_only_their_words_are_others()
 {
    const SPOKEN: &str = "WEBVTT\n\n00:01.000 --> 00:02.000\nGood morning.\n";
    let school = School::open().await;
    let site = &school.site;
    let staff = site.login_as("sofia", Role::Staff).await;
    let module = site.module(school.course.id, "First").await;
    let film = site.film_content(module.id, "Open strings", 9.0).await;
    let captions = format!("/api/contents/{}/captions/", film.id);
    for _ in 0..2 {
        let new = json!({"language": "en", "captions": SPOKEN});
        let page = call(&staff, Method::POST, &captions, new).await;
        page.expect(200);
    }
    let mut seen = 0;
    let told = [
        "caption content Open strings: captions \"\" to \"en\"",
        "caption content Open strings: ",
    ];
    school.expect(&mut seen, "api", &told).await;
    let page = format!(
        "/course/module/{}/content/video/{}/captions/en/delete/",
        module.id, film.item_id
    );
    staff.post(&page, &[]).await.expect(303);
    let told = ["change content Open strings: captions \"en\" to \"\""];
    school.expect(&mut seen, "page", &told).await;
}

#[tokio::test]
async fn places_that_staff_give_in_the_course_of_another_stand_in_the_log_and_what_goes_with_a_module()
 {
    let school = School::open().await;
    let site = &school.site;
    let staff = site.login_as("sofia", Role::Staff).await;
    let first = site.module(school.course.id, "First").await;
    let second = site.module(school.course.id, "Second").await;
    let held = site.text(first.id, "Holding it", "Loosely.").await;
    let drawn = site.text(first.id, "Drawing it", "Slowly.").await;
    let mut seen = 0;
    let swapped = |one: i64, other: i64| format!("{{\"{one}\": 1, \"{other}\": 0}}");
    let modules = swapped(first.id, second.id);
    let page = staff.post_json("/course/module/order/", &modules).await;
    page.expect(200);
    let contents = swapped(held.id, drawn.id);
    let page = staff.post_json("/course/content/order/", &contents).await;
    page.expect(200);
    let page = format!("/course/module/{}/move/", first.id);
    let up = [("direction", "up")];
    staff.post(&page, &up).await.expect(303);
    let told = [
        "change course strings: modules \"First; Second\" to \"Second; First\"",
        "change content Holding it: place \"1\" to \"2\"",
        "change content Drawing it: place \"2\" to \"1\"",
        "change course strings: modules \"Second; First\" to \"First; Second\"",
    ];
    school.expect(&mut seen, "page", &told).await;

    // All modules in one form.
    let number = [first.id.to_string(), second.id.to_string()];
    let form = [
        ("modules-TOTAL_FORMS", "2"),
        ("modules-INITIAL_FORMS", "2"),
        ("modules-0-id", number[0].as_str()),
        ("modules-0-title", "First"),
        ("modules-0-DELETE", "on"),
        ("modules-1-id", number[1].as_str()),
        ("modules-1-title", "Second"),
    ];
    let page = format!("/course/{}/module/", school.course.id);
    staff.post(&page, &form).await.expect(303);
    let lines = school.told_from(seen).await;
    let begins: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(
        begins,
        [
            "delete content Holding it",
            "delete content Drawing it",
            "change course strings"
        ]
    );
    assert!(lines[2].ends_with("modules \"First; Second\" to \"Second\""));
}

#[tokio::test]
async fn lessons_of_another_are_changed_with_a_line_in_the_log_or_not_at_all() {
    let school = School::open().await;
    let site = &school.site;
    let staff = site.login_as("sofia", Role::Staff).await;
    let module = site.module(school.course.id, "First").await;
    let content = site.text(module.id, "Holding it", "Loosely.").await;
    let db = site.app.db.writer();
    // The log cannot be written any more.
    let away = "ALTER TABLE audit_entries RENAME TO audit_entries_away";
    db.execute_unprepared(away).await.unwrap();
    let texts = format!("/course/module/{}/content/text", module.id);
    let form = [("title", "New"), ("content", "Words."), ("format", "plain")];
    let pages = [
        (format!("{texts}/create/"), &form[..]),
        (format!("{texts}/{}/", content.item_id), &form[..]),
        (format!("/course/content/{}/delete/", content.id), &[]),
        (format!("/course/module/{}/edit/", module.id), &form[..1]),
        (format!("/course/module/{}/delete/", module.id), &[]),
    ];
    for (page, form) in &pages {
        staff.post(page, form).await.expect(500);
    }
    let back = "ALTER TABLE audit_entries_away RENAME TO audit_entries";
    db.execute_unprepared(back).await.unwrap();
    assert_eq!(school.last_content().await, content);
    let page = staff.get(&format!("{texts}/{}/", content.item_id)).await;
    page.expect(200).has("Loosely.").has("Holding it");
    assert_eq!(school.last_module().await, module);
}

#[tokio::test]
async fn what_is_refused_in_the_lessons_of_another_is_not_told() {
    let school = School::open().await;
    let site = &school.site;
    let staff = site.login_as("sofia", Role::Staff).await;
    let module = site.module(school.course.id, "First").await;
    let film = site.film(school.owner, 9.0).await;
    let content = site.media(module.id, "Open strings", ItemKind::Video, &film);
    let content = content.await;
    // There are none in this language: nothing is changed, and nothing told.
    let page = format!(
        "/course/module/{}/content/video/{}/captions/de/delete/",
        module.id, content.item_id
    );
    staff.post(&page, &[]).await.expect(404);
    let unknown = json!({"language": "en", "captions": "no captions at all"});
    let captions = format!("/api/contents/{}/captions/", content.id);
    let page = call(&staff, Method::POST, &captions, unknown).await;
    page.expect(400);
    let title = [("title", ""), ("content", "Words."), ("format", "plain")];
    let create = format!("/course/module/{}/content/text/create/", module.id);
    staff.post(&create, &title).await.expect(422);
    assert_eq!(site.log().await, []);
    let others = content::Entity::find().filter(content::Column::Id.ne(content.id));
    assert_eq!(others.all(site.app.db.read()).await.unwrap(), []);
}
