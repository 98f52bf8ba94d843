//! Two processes of one site: what one has changed, the next request to the other sees; and one that cannot hear
//! the other goes round what it remembers.

use crate::kit::{Browser, PASSWORD, Role, TestApp, until};
use lyceum::accounts;
use lyceum::entities::item::ItemKind;
use lyceum::entities::{content, course, item, module};
use sea_orm::{ActiveValue::Set, EntityTrait as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, tcp};

/// A course with a text and a file, its teacher and a student.
struct School {
    site: TestApp,
    teacher: Browser,
    student: Browser,
    student_id: i64,
    course: course::Model,
    module: module::Model,
    content: content::Model,
    file: String,
}

impl School {
    async fn open() -> Self {
        let site = TestApp::start().await;
        let teacher = site.login_as("clara", Role::Instructor).await;
        let form = site.upload_form().await;
        let bytes = b"%PDF-1.7 scales".to_vec();
        let id = form.upload(&teacher, "file", "Scales.pdf", bytes).await;
        let owner_id = site.view(id).await.upload.owner_id;
        let course = site.course(owner_id, "scales").await;
        let module = site.module(course.id, "One").await;
        let content = site.text(module.id, "Text", "words").await;
        site.content(module.id, "Scales", |row| {
            row.kind = Set(ItemKind::File);
            row.upload_id = Set(Some(id));
        })
        .await;
        let student_id = site.person("anna", Role::Student).await;
        site.enrollment(student_id, course.id).await;
        Self {
            student: site.login("anna").await,
            student_id,
            file: format!("/media/{id}/original"),
            teacher,
            course,
            module,
            content,
            site,
        }
    }

    fn lesson(&self) -> String {
        format!("/students/course/{}/{}/", self.course.id, self.module.id)
    }

    /// Changes the text on the first process; answers its new title.
    async fn retitle(&self, number: usize) -> String {
        let title = format!("Title {number}");
        let item = item::Entity::find_by_id(self.content.item_id);
        let item = item.one(self.site.app.db.read()).await.unwrap().unwrap();
        let path = format!(
            "/course/module/{}/content/text/{}/",
            self.module.id, item.id
        );
        let fields = [("title", title.as_str()), ("content", "words")];
        self.teacher.post(&path, &fields).await.expect(303);
        title
    }

    /// Her account is shut on the first process, or opened again.
    async fn set_active(&self, is_active: bool) {
        let mut write = self.site.app.write().await.unwrap();
        accounts::set_active(&mut write, self.student_id, is_active)
            .await
            .unwrap();
        write.commit().await.unwrap();
    }

    /// She leaves the course on the first process, or comes back.
    async fn set_enrolled(&self, is_enrolled: bool) {
        let page = if is_enrolled {
            let course = self.course.id.to_string();
            let fields = [("course", course.as_str())];
            self.student.post("/students/enroll-course/", &fields).await
        } else {
            let path = format!("/students/course/{}/leave/", self.course.id);
            self.student.post(&path, &[]).await
        };
        page.expect(303);
    }
}

/// Rounds of each kind of change.
const ROUNDS: usize = 10;

/// The wait of a writer for the others is bounded, and the machine may be busy: of ten, so many are seen at once, and
/// all once what was on its way has come.
const AT_ONCE: usize = 4;

/// Whether a page is there as it is to be at once; it must be once all was heard.
async fn is_at_once(second: &TestApp, is_right: impl AsyncFn() -> bool) -> usize {
    let is_at_once = is_right().await;
    second.app.bus.check().await.unwrap();
    assert!(is_right().await, "it was heard");
    usize::from(is_at_once)
}

#[tokio::test]
async fn a_change_that_was_answered_is_seen_by_the_next_request_to_the_other_process() {
    let mut school = School::open().await;
    let second = school.site.second().await;
    until("both know of each other", async || {
        (school.site.app.bus.peers().len() == 1).then_some(())
    })
    .await;
    let (lesson, shelf) = (school.lesson(), "/students/courses/");
    let (mut pages, mut files, mut ended, mut shut) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        let there = school.student.at(&second.url);
        there.get(&lesson).await.expect(200);
        let title = school.retitle(round).await;
        let is_retitled = async || there.get(&lesson).await.text().contains(&title);
        pages += is_at_once(&second, is_retitled).await;
        there.get(&school.file).await.expect(200);
        school.set_enrolled(false).await;
        let is_lost = async || there.get(&school.file).await.status == 404;
        files += is_at_once(&second, is_lost).await;
        school.set_enrolled(true).await;
        let other = school.site.login("anna").await;
        let other_there = other.at(&second.url);
        other_there.get(shelf).await.expect(200);
        other.post("/accounts/logout/", &[]).await.expect(303);
        let is_ended = async || other_there.get(shelf).await.status != 200;
        ended += is_at_once(&second, is_ended).await;
        there.get(shelf).await.expect(200);
        school.set_active(false).await;
        let is_shut = async || there.get(shelf).await.status != 200;
        shut += is_at_once(&second, is_shut).await;
        school.set_active(true).await;
        // Her sessions have ended.
        school.student = school.site.login("anna").await;
        second.app.bus.check().await.unwrap();
    }
    let at_once = [pages, files, ended, shut];
    assert!(at_once.iter().all(|seen| *seen >= AT_ONCE), "{at_once:?}");
}

/// Everything that must be asked of the database by a process that hears nobody.
async fn expect_all_fresh(school: &School, second: &TestApp) {
    let there = school.student.at(&second.url);
    let title = school.retitle(77).await;
    there.get(&school.lesson()).await.expect(200).has(&title);
    there
        .get("/students/courses/")
        .await
        .expect(200)
        .has("scales");
    school.set_enrolled(false).await;
    there.get(&school.file).await.expect(404);
    there
        .get("/students/courses/")
        .await
        .expect(200)
        .lacks("scales");
    school.set_enrolled(true).await;
    there.get(&school.file).await.expect(200);
    let by_name = there.request(reqwest::Method::GET, "/students/courses/");
    let by_name = by_name.basic_auth("anna", Some(PASSWORD));
    school
        .site
        .visitor()
        .at(&second.url)
        .send(by_name)
        .await
        .expect(200);
    school
        .student
        .post("/accounts/logout/", &[])
        .await
        .expect(303);
    assert_ne!(there.get("/students/courses/").await.status, 200);
}

async fn warm(school: &School, second: &TestApp) {
    let there = school.student.at(&second.url);
    for _ in 0..2 {
        there.get(&school.lesson()).await.expect(200);
        there.get("/students/courses/").await.expect(200);
        there.get(&school.file).await.expect(200);
    }
}

#[tokio::test]
async fn a_process_whose_bus_is_closed_goes_round_what_it_remembers() {
    let school = School::open().await;
    let second = school.site.second().await;
    warm(&school, &second).await;
    second.app.bus.close().await;
    expect_all_fresh(&school, &second).await;
}

/// A way to PostgreSQL on which the connection of a bus can be made to carry nothing any more, without a word.
async fn frozen_way(server: String, is_frozen: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            let is_bus = Arc::new(AtomicBool::new(false));
            let ((from, to), (back, out)) = (client.into_split(), server.into_split());
            let state = [Arc::clone(&is_bus), Arc::clone(&is_frozen)];
            tokio::spawn(carry(from, out, state));
            tokio::spawn(carry(back, to, [is_bus, Arc::clone(&is_frozen)]));
        }
    });
    port
}

async fn carry(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    [is_bus, is_frozen]: [Arc<AtomicBool>; 2],
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        if bytes.windows(10).any(|part| part == b"lyceum bus") {
            is_bus.store(true, Ordering::SeqCst);
        }
        if is_bus.load(Ordering::SeqCst) && is_frozen.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

mod on_postgres {
    use super::*;

    #[tokio::test]
    async fn a_process_whose_connection_died_without_a_word_soon_goes_round_what_it_remembers() {
        let school = School::open().await;
        let mut url = url::Url::parse(&school.site.app.config.database).unwrap();
        assert!(
            url.scheme().starts_with("postgres"),
            "run `make test-postgres`"
        );
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let is_frozen = Arc::new(AtomicBool::new(false));
        let port = frozen_way(server, Arc::clone(&is_frozen)).await;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        let second = school.site.second_at(url.as_str()).await;
        warm(&school, &second).await;
        is_frozen.store(true, Ordering::SeqCst);
        until("it notices", async || {
            (!second.app.bus.is_hearing()).then_some(())
        })
        .await;
        expect_all_fresh(&school, &second).await;
    }
}
