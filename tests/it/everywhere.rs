//! Two processes that remember what they can, and one that remembers nothing, over one database: whatever is
//! changed on one of them, in whatever order, the next page that anybody asks for is the same on all three.

mod programs;
mod staff;

use crate::kit::servers::Server;
use crate::kit::{Browser, PNG, Page, Role, TestApp};
use crate::migrations::add_what_the_next_release_may;
use backends::clock::Clock;
use chrono::DateTime;
use lyceum::accounts;
use lyceum::entities::item::ItemKind;
use lyceum::entities::upload::UploadKind;
use lyceum::entities::{
    chat_line, content, course, enrollment, enrollment_request, item, message, module, upload, user,
};
use lyceum::messages::{self, MessageLevel, NewMessage};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use sea_orm::{ColumnTrait as _, EntityTrait, QueryFilter as _};
use serde_json::{Value, json};

/// Changes in one run, after how many of them all pages are compared, and how many after each.
const CHANGES: usize = 130;
const SWEEP: usize = 25;
const PAGES: usize = 4;

/// The same numbers in each run.
struct Dice(Clock);

impl Dice {
    fn new() -> Self {
        Self(Clock::fixed_with_seed(DateTime::UNIX_EPOCH, 7))
    }

    fn below(&self, end: usize) -> usize {
        let number = u64::from_le_bytes(self.0.random_bytes());
        usize::try_from(number % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    fn coin(&self) -> bool {
        self.below(2) == 0
    }
}

/// The first kind of change by staff, after those by programs.
const BY_STAFF: usize = 27 + programs::KINDS;

/// A school with three processes.
struct School {
    one: TestApp,
    two: TestApp,
    plain: TestApp,
    teachers: Vec<Browser>,
    students: Vec<Browser>,
    staff: Browser,
    /// Sessions that were ended.
    ghosts: Vec<Browser>,
    dice: Dice,
    changes: usize,
}

/// All rows of a table, in the same order in each run.
async fn all<E: EntityTrait>(site: &TestApp) -> Vec<E::Model> {
    let mut rows = E::find().all(site.app.db.read()).await.unwrap();
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows
}

impl School {
    async fn open(settings: &[(&str, &str)]) -> Self {
        let one = TestApp::start_with(settings).await;
        let two = one.second().await;
        let plain = one
            .second_with(|config| config.cache = "off:".to_owned())
            .await;
        let clara = one.person("clara", Role::Instructor).await;
        let ingrid = one.person("ingrid", Role::Instructor).await;
        for (owner, slug) in [(clara, "strings"), (clara, "winds"), (ingrid, "scales")] {
            let course = one.course(owner, slug).await;
            for title in ["First", "Second"] {
                let module = one.module(course.id, title).await;
                one.text(module.id, "Text", "words").await;
                one.film_content(module.id, "Film", 90.0).await;
            }
        }
        for name in ["anna", "robert"] {
            one.person(name, Role::Student).await;
        }
        let staff = one.login_as("sofia", Role::Staff).await;
        Self {
            teachers: vec![one.login("clara").await, one.login("ingrid").await],
            students: vec![one.login("anna").await, one.login("robert").await],
            staff,
            ghosts: Vec::new(),
            dice: Dice::new(),
            changes: 0,
            one,
            two,
            plain,
        }
    }

    /// One of the three, for the next change.
    fn any_url(&self) -> &str {
        let nodes = [&self.one, &self.two, &self.plain];
        &nodes[self.dice.below(3)].url
    }

    fn teacher(&self) -> Browser {
        let teachers = [&self.teachers[0], &self.teachers[1], &self.staff];
        teachers[self.dice.below(3)].at(self.any_url())
    }

    fn student(&self) -> Browser {
        self.dice.pick(&self.students).unwrap().at(self.any_url())
    }

    fn name(&self) -> String {
        format!("Change {}", self.changes)
    }

    async fn some<E: EntityTrait>(&self) -> Option<E::Model> {
        let rows = all::<E>(&self.one).await;
        self.dice.pick(&rows).cloned()
    }

    async fn module_id(&self) -> i64 {
        self.some::<module::Entity>().await.map_or(0, |row| row.id)
    }

    /// Changes something, on one of the processes. Much of it is refused, which is no less a test.
    async fn change(&mut self) -> (usize, Option<Page>) {
        let kind = self.dice.below(BY_STAFF + staff::KINDS);
        self.change_of(kind).await
    }

    async fn change_of(&mut self, kind: usize) -> (usize, Option<Page>) {
        self.changes += 1;
        let page = match kind {
            0..=2 => self.change_course(kind).await,
            3..=5 => self.change_module(kind).await,
            6..=9 => self.change_content(kind).await,
            10..=11 => self.order(kind).await,
            12..=15 => self.study(kind).await,
            16..=18 => self.change_file(kind).await,
            24 => return (kind, self.say().await),
            25 => self.read().await,
            26 => return (kind, self.show().await),
            BY_STAFF.. => self.change_by_staff(kind - BY_STAFF).await,
            27.. => self.change_by_program(kind - 27).await,
            _ => return (kind, self.change_person(kind).await),
        };
        (kind, Some(page))
    }

    async fn change_course(&self, kind: usize) -> Page {
        let (teacher, title) = (self.teacher(), self.name());
        let subject = ["music", "physics"][self.dice.below(2)];
        let subject = self.one.subject(subject).await.to_string();
        let course = self.some::<course::Entity>().await;
        let slug = match &course {
            Some(course) if kind != 0 => course.slug.clone(),
            _ => format!("course-{}", self.changes),
        };
        let mut fields = vec![
            ("subject", subject.as_str()),
            ("title", title.as_str()),
            ("slug", slug.as_str()),
            ("overview", title.as_str()),
        ];
        if self.dice.below(3) == 0 {
            fields.push(("draft", "on"));
        }
        let id = course.map_or(0, |course| course.id);
        match kind {
            0 => teacher.post("/course/create/", &fields).await,
            2 if self.dice.coin() => self.admit(&teacher).await,
            _ if self.dice.below(12) == 0 => {
                teacher.post(&format!("/course/{id}/delete/"), &[]).await
            }
            _ => teacher.post(&format!("/course/{id}/edit/"), &fields).await,
        }
    }

    /// Changes how one gets into a course, or decides about who asks.
    async fn admit(&self, teacher: &Browser) -> Page {
        let request = self.some::<enrollment_request::Entity>().await;
        if let Some(request) = request.filter(|_| self.dice.coin()) {
            let path = format!("/course/{}/entry/requests/", request.course_id);
            let act = ["accept", "accept", "decline"][self.dice.below(3)];
            let id = request.id.to_string();
            return teacher.post(&path, &[("act", act), ("request", &id)]).await;
        }
        let course = self.some::<course::Entity>().await;
        let path = format!("/course/{}/entry/", course.map_or(0, |row| row.id));
        let places = ["", "1", "2"][self.dice.below(3)];
        let approval = ["", "on"][self.dice.below(2)];
        let fields = [("places", places), ("approval", approval)];
        teacher.post(&path, &fields).await
    }

    async fn change_module(&self, kind: usize) -> Page {
        let (teacher, title, id) = (self.teacher(), self.name(), self.module_id().await);
        let fields = [("title", title.as_str()), ("description", title.as_str())];
        match kind {
            3 => {
                let course = self.some::<course::Entity>().await;
                let path = format!("/course/{}/module/add/", course.map_or(0, |row| row.id));
                teacher.post(&path, &fields).await
            }
            4 if self.dice.coin() => {
                let path = format!("/course/module/{id}/delete/");
                teacher.post(&path, &[]).await
            }
            _ => {
                let path = format!("/course/module/{id}/edit/");
                teacher.post(&path, &fields).await
            }
        }
    }

    async fn change_content(&self, kind: usize) -> Page {
        let (teacher, title, id) = (self.teacher(), self.name(), self.module_id().await);
        let fields = [("title", title.as_str()), ("content", title.as_str())];
        match kind {
            6 => {
                let path = format!("/course/module/{id}/content/text/create/");
                teacher.post(&path, &fields).await
            }
            7 => {
                let path = format!("/course/module/{id}/content/file/create/");
                let fields = [("title", title.as_str())];
                teacher
                    .post_file(&path, &fields, "a.pdf", b"%PDF-1.7 a")
                    .await
            }
            8 => {
                let content = self.some::<content::Entity>().await.map_or(0, |row| row.id);
                let path = format!("/course/content/{content}/delete/");
                teacher.post(&path, &[]).await
            }
            _ => {
                let Some(place) = self.some::<content::Entity>().await else {
                    return teacher.get("/").await;
                };
                let shown = item::Entity::find_by_id(place.item_id);
                let shown = shown.one(self.one.app.db.read()).await.unwrap().unwrap();
                let kind = match shown.kind {
                    ItemKind::Text => "text",
                    ItemKind::File => "file",
                    ItemKind::Image => "image",
                    ItemKind::Video => "video",
                    ItemKind::Audio => "audio",
                };
                let module = place.module_id;
                let path = format!("/course/module/{module}/content/{kind}/{}/", shown.id);
                let mut fields = fields.to_vec();
                if self.dice.coin() {
                    fields.push(("allow_download", "on"));
                }
                teacher.post(&path, &fields).await
            }
        }
    }

    async fn order(&self, kind: usize) -> Page {
        let teacher = self.teacher();
        let direction = if self.dice.coin() { "up" } else { "down" };
        let fields = [("direction", direction)];
        let module = self.module_id().await;
        let content = self.some::<content::Entity>().await.map_or(0, |row| row.id);
        match (kind, self.dice.coin()) {
            (10, true) => {
                let path = format!("/course/module/{module}/move/");
                teacher.post(&path, &fields).await
            }
            (10, false) => {
                let path = format!("/course/content/{content}/move/");
                teacher.post(&path, &fields).await
            }
            (_, true) => {
                let places = format!("{{\"{module}\": {}}}", self.dice.below(9));
                teacher.post_json("/course/module/order/", &places).await
            }
            (_, false) => {
                let places = format!("{{\"{content}\": {}}}", self.dice.below(9));
                teacher.post_json("/course/content/order/", &places).await
            }
        }
    }

    async fn study(&self, kind: usize) -> Page {
        let student = self.student();
        let course = self.some::<course::Entity>().await.map_or(0, |row| row.id);
        let content = self.some::<content::Entity>().await.map_or(0, |row| row.id);
        match kind {
            12 => {
                let course = course.to_string();
                let fields = [("course", course.as_str())];
                student.post("/students/enroll-course/", &fields).await
            }
            13 => {
                let path = format!("/students/course/{course}/leave/");
                student.post(&path, &[]).await
            }
            14 => {
                let done = if self.dice.coin() { "1" } else { "0" };
                let path = format!("/students/content/{content}/done/");
                student.post(&path, &[("done", done)]).await
            }
            _ => {
                let position = self.dice.below(90).to_string();
                let path = format!("/students/content/{content}/position/");
                student.post(&path, &[("position", &position)]).await
            }
        }
    }

    async fn change_file(&self, kind: usize) -> Page {
        let teacher = self.teacher();
        let Some(file) = self.some::<upload::Entity>().await else {
            return teacher.get("/").await;
        };
        let name = format!("{}.pdf", self.name());
        match kind {
            16 => {
                let path = format!("/library/{}/rename/", file.id);
                teacher.post(&path, &[("name", &name)]).await
            }
            17 if self.dice.below(4) == 0 => {
                let contents = all::<content::Entity>(&self.one).await;
                let contents: Vec<String> = contents.iter().map(|row| row.id.to_string()).collect();
                let id = file.id.to_string();
                let mut fields = vec![("file", id.as_str())];
                fields.extend(contents.iter().map(|id| ("content", id.as_str())));
                teacher.post("/library/delete/", &fields).await
            }
            17 => {
                let path = format!("/library/{}/use/", file.id);
                let (module, title) = (self.module_id().await.to_string(), self.name());
                let fields = [("module", module.as_str()), ("title", title.as_str())];
                teacher.post(&path, &fields).await
            }
            _ => self.caption(&teacher, &file).await,
        }
    }

    /// Captions for the first content that shows this film.
    async fn caption(&self, teacher: &Browser, file: &upload::Model) -> Page {
        let shows = content::Entity::find()
            .find_also_related(item::Entity)
            .filter(item::Column::UploadId.eq(file.id));
        let found = shows.one(self.one.app.db.read()).await.unwrap();
        let Some((place, Some(item))) = found.filter(|_| file.kind == UploadKind::Video) else {
            return teacher.get("/").await;
        };
        let path = format!(
            "/course/module/{}/content/video/{}/captions/",
            place.module_id, item.id
        );
        if self.dice.below(3) == 0 {
            return teacher.post(&format!("{path}en/delete/"), &[]).await;
        }
        let words = format!("1\n00:00:01,000 --> 00:00:02,000\n{}\n", self.name());
        let token = teacher.cookie("csrftoken").unwrap_or_default();
        let form = Form::new()
            .text("csrfmiddlewaretoken", token)
            .text("language", "en")
            .part(
                "captions",
                Part::bytes(words.into_bytes()).file_name("a.srt"),
            );
        let request = teacher.request(Method::POST, &path).multipart(form);
        teacher.send(request).await
    }

    #[expect(clippy::too_many_lines, reason = "one kind of change after the other")]
    async fn change_person(&mut self, kind: usize) -> Option<Page> {
        let name = self.name();
        match kind {
            19 => {
                let people = [&self.teachers[0], &self.teachers[1], &self.students[0]];
                let person = people[self.dice.below(3)].at(self.any_url());
                let fields = [
                    ("name", name.as_str()),
                    ("email", ""),
                    ("timezone", "Europe/Lisbon"),
                    ("theme", "dark"),
                ];
                Some(person.post("/accounts/profile/", &fields).await)
            }
            20 => {
                // Somebody logs out, and in again; her old session is nobody's.
                let at = self.dice.below(2);
                let old = self.students[at].at(self.any_url());
                let ghost = old.at(&self.one.url);
                let page = old.post("/accounts/logout/", &[]).await;
                self.ghosts = vec![ghost];
                if at == 1 {
                    // Whose account was shut gets in nowhere.
                    self.set_robert(true, true).await;
                }
                self.students[at] = self.one.login(["anna", "robert"][at]).await;
                Some(page)
            }
            21 => {
                let people = all::<user::Entity>(&self.one).await;
                let person = self.dice.pick(&people).unwrap();
                self.tell(person.id, &name).await;
                None
            }
            22 => {
                let newest = all::<message::Entity>(&self.one)
                    .await
                    .last()?
                    .id
                    .to_string();
                let (student, teacher) = (self.student(), self.teacher());
                let reader = if self.dice.coin() { student } else { teacher };
                let path = if self.dice.coin() {
                    "/messages/read/"
                } else {
                    "/messages/read/all/"
                };
                Some(
                    reader
                        .post(path, &[("message_id", &newest), ("up_to", &newest)])
                        .await,
                )
            }
            _ => {
                let (is_of_rights, value) = (self.dice.coin(), self.dice.coin());
                self.set_robert(!is_of_rights, value).await;
                if !is_of_rights {
                    self.ghosts = vec![self.students[1].at(&self.one.url)];
                }
                if !is_of_rights && value {
                    self.students[1] = self.one.login("robert").await;
                }
                None
            }
        }
    }

    /// Says something in a room, or is refused there.
    async fn say(&self) -> Option<Page> {
        let course = self.some::<course::Entity>().await.map_or(0, |row| row.id);
        let speaker = if self.dice.coin() {
            self.student()
        } else {
            self.teacher()
        };
        let path = format!("/ws/chat/room/{course}/?v=2");
        let mut socket = speaker.socket_with(&path, &[]).await.ok()?;
        let frame = json!({ "message": self.name(), "client_id": self.name().replace(' ', "-") });
        socket.send(&frame).await;
        while let Some(told) = socket.next().await {
            if told["type"] == "ack" || told["type"] == "error" {
                break;
            }
        }
        None
    }

    /// Sends a picture to a room and shows it there, or takes a line back with those that it shows; or is refused.
    async fn show(&self) -> Option<Page> {
        let course = self.some::<course::Entity>().await.map_or(0, |row| row.id);
        let speaker = if self.dice.coin() {
            self.student()
        } else {
            self.teacher()
        };
        let path = format!("/chat/room/{course}/pictures/");
        let page = speaker.post_file(&path, &[], "a.png", PNG).await;
        let upload =
            serde_json::from_slice::<Value>(&page.bytes).map(|sent| sent["upload"].clone());
        self.one.drain().await;
        let lines = chat_line::Entity::find().filter(chat_line::Column::CourseId.eq(course));
        let lines = lines.all(self.one.app.db.read()).await.unwrap();
        let frame = match self.dice.pick(&lines) {
            Some(line) if self.dice.coin() => json!({ "type": "delete", "id": line.id }),
            _ => {
                let name = self.name().replace(' ', "-");
                json!({ "pictures": [upload.unwrap_or_default()], "client_id": name })
            }
        };
        let path = format!("/ws/chat/room/{course}/?v=2");
        let mut socket = speaker.socket_with(&path, &[]).await.ok()?;
        socket.send(&frame).await;
        while let Some(told) = socket.next().await {
            if ["ack", "error", "chat_delete"]
                .iter()
                .any(|kind| told["type"] == *kind)
            {
                break;
            }
        }
        Some(page)
    }

    /// Reads a room as far as something was said there.
    async fn read(&self) -> Page {
        let course = self.some::<course::Entity>().await.map_or(0, |row| row.id);
        let path = format!("/chat/room/{course}/read/");
        let body = json!({ "id": 1_000_000 }).to_string();
        if self.dice.coin() {
            self.student().post_json(&path, &body).await
        } else {
            self.teacher().post_json(&path, &body).await
        }
    }

    /// Shuts an account, or opens it again; or else gives it the rights of staff, or takes them away.
    async fn set_robert(&self, is_of_account: bool, value: bool) {
        let people = user::Entity::find().filter(user::Column::Username.eq("robert"));
        let robert = people.one(self.one.app.db.read()).await.unwrap().unwrap();
        let node = if self.dice.coin() {
            &self.one
        } else {
            &self.two
        };
        let mut write = node.app.write().await.unwrap();
        let set = if is_of_account {
            accounts::set_active(&mut write, robert.id, value).await
        } else {
            accounts::set_staff(&mut write, robert.id, value).await
        };
        set.unwrap();
        write.commit().await.unwrap();
    }

    async fn tell(&self, recipient_id: i64, text: &str) {
        let node = if self.dice.coin() {
            &self.one
        } else {
            &self.two
        };
        let message = NewMessage {
            recipient_id,
            text: text.to_owned(),
            level: MessageLevel::Info,
            link: String::new(),
            dedupe_key: None,
        };
        let mut write = node.app.write().await.unwrap();
        messages::send(&node.app, &mut write, message)
            .await
            .unwrap();
        write.commit().await.unwrap();
    }

    /// Every page of the school.
    async fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = [
            "/",
            "/?sort=title",
            "/?q=strings",
            "/course/subject/music/",
            "/course/subject/physics/",
            "/students/courses/",
            "/messages/",
            "/accounts/profile/",
            "/course/mine/",
            "/library/",
            "/chat/",
        ]
        .map(str::to_owned)
        .to_vec();
        paths.extend(programs::PATHS.map(str::to_owned));
        for course in all::<course::Entity>(&self.one).await {
            paths.push(format!("/course/{}/", course.slug));
            paths.push(format!("/students/course/{}/", course.id));
            paths.push(format!("/course/{}/outline/", course.id));
            paths.push(format!("/chat/room/{}/", course.id));
            paths.push(format!("/api/courses/{}/", course.id));
            paths.push(format!("/api/courses/{}/contents/", course.id));
        }
        for module in all::<module::Entity>(&self.one).await {
            let (course, id) = (module.course_id, module.id);
            paths.push(format!("/students/course/{course}/{id}/"));
            paths.push(format!("/course/module/{id}/"));
        }
        for content in all::<content::Entity>(&self.one).await {
            paths.push(format!("/students/content/{}/transcript/", content.id));
        }
        for upload in all::<upload::Entity>(&self.one).await {
            // Films of the kit have no bytes.
            match upload.kind {
                UploadKind::File => paths.push(format!("/media/{}/original", upload.id)),
                UploadKind::Image => paths.push(format!("/media/{}/image-1.png", upload.id)),
                UploadKind::Video | UploadKind::Audio => {}
            }
        }
        paths
    }

    fn readers(&self) -> Vec<Browser> {
        let people = self
            .teachers
            .iter()
            .chain(&self.students)
            .chain(&self.ghosts);
        let mut readers: Vec<Browser> = people.map(|person| person.at(&self.one.url)).collect();
        readers.push(self.staff.at(&self.one.url));
        readers.push(self.one.visitor());
        readers
    }

    /// Asks all three for a page.
    async fn compare(&self, reader: &Browser, path: &str, after: &str) {
        let plain = seen(&reader.at(&self.plain.url).get(path).await);
        for node in [&self.one, &self.two] {
            let page = seen(&reader.at(&node.url).get(path).await);
            assert_eq!(page, plain, "{path} after {after}");
        }
    }

    /// Every page of everybody: what is wrong now was remembered and has changed, and what is right is remembered
    /// for the next time.
    async fn compare_all(&self) {
        let paths = self.paths().await;
        for reader in self.readers() {
            for path in &paths {
                self.compare(&reader, path, "all").await;
            }
        }
    }
}

/// What a reader sees: all but the tokens of forms, which are new in each answer.
fn seen(page: &Page) -> (u16, Option<String>, Option<String>, String) {
    assert!(page.status < 500, "{}", page.text());
    // Fault pages carry the number of their request.
    let text = if page.status < 400 {
        page.text()
    } else {
        String::new()
    };
    let mut parts = text.split("name=\"csrfmiddlewaretoken\" value=\"");
    let mut body = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        body.push_str(part.split_once('"').map_or(part, |(_, rest)| rest));
    }
    // Of files, which are named by it; a kept page has one too.
    let tag = page.header("accept-ranges").and(page.header("etag"));
    (page.status, page.header("location"), tag, body)
}

#[tokio::test]
async fn every_page_of_everybody_is_the_same_with_and_without_a_cache_after_every_change() {
    let mut school = School::open(&[]).await;
    compare_after_changes(&mut school, CHANGES).await;
}

#[tokio::test]
async fn every_page_is_the_same_where_two_processes_keep_what_they_can_in_one_store() {
    let server = Server::redis().await;
    // So patient that a busy machine is not mistaken for a dead server.
    let cache = format!("redis://{}?wait=60000", server.address());
    let mut school = School::open(&[("cache", &cache)]).await;
    compare_after_changes(&mut school, CHANGES / 2).await;
    // What one of them kept the other found.
    for node in [&school.one, &school.two] {
        let report = node.app.cache.report().await;
        assert_eq!(report.times_away, 0);
        let hits: u64 = report.spaces.iter().map(|space| space.hits).sum();
        assert!(hits > 100, "{hits} hits");
    }
}

#[tokio::test]
async fn processes_go_on_while_the_tables_get_what_the_next_release_may_add() {
    let mut school = School::open(&[]).await;
    // What the database keeps of statements that it was sent is of the tables as they were.
    for round in 0..3 {
        if round == 1 {
            add_what_the_next_release_may(&school.one).await;
        }
        change_everything_once(&mut school).await;
        school.compare_all().await;
    }
}

async fn change_everything_once(school: &mut School) {
    let (mut taken, kinds) = (0, BY_STAFF + staff::KINDS);
    for kind in 0..kinds {
        let (_, page) = school.change_of(kind).await;
        let Some(page) = page else { continue };
        assert!(page.status < 500, "kind {kind}: {}", page.text());
        taken += usize::from((200..400).contains(&page.status));
    }
    assert!(taken * 3 > kinds, "only {taken} were taken");
}

async fn compare_after_changes(school: &mut School, changes: usize) {
    for id in [1, 2, 3] {
        for student in &school.students {
            let course = id.to_string();
            let fields = [("course", course.as_str())];
            student.post("/students/enroll-course/", &fields).await;
        }
    }
    let (mut taken, mut with_students) = (0, 0);
    for number in 0..changes {
        if number % SWEEP == 0 {
            school.compare_all().await;
            let studies = all::<enrollment::Entity>(&school.one).await;
            with_students += usize::from(!studies.is_empty());
        }
        let (kind, page) = school.change().await;
        // The wait of the writer is bounded, and the machine may be busy; that it waits is held elsewhere.
        for node in [&school.one, &school.two] {
            node.app.bus.check().await.unwrap();
        }
        let after = format!("change {number} of kind {kind}");
        if let Some(page) = page {
            assert!(page.status < 500, "{after}: {}", page.text());
            taken += usize::from((200..400).contains(&page.status));
        }
        let (paths, readers) = (school.paths().await, school.readers());
        for _ in 0..PAGES {
            let path = school.dice.pick(&paths).unwrap();
            let reader = school.dice.pick(&readers).unwrap();
            school.compare(reader, path, &after).await;
        }
    }
    school.compare_all().await;
    assert!(taken * 3 > changes, "only {taken} changes were taken");
    // Courses are deleted, too; but mostly somebody studies.
    let sweeps = changes.div_ceil(SWEEP);
    assert!(
        with_students * 2 >= sweeps,
        "somebody studied in {with_students} of {sweeps} sweeps"
    );
}
