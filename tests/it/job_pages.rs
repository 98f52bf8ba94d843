//! Jobs on the pages of staff and for programs: seen, tried again, stopped, paused.

use crate::kit::{Browser, Page, Role, TestApp};
use lyceum::admin::announcements::SendAnnouncement;
use lyceum::admin::jobs::words;
use lyceum::entities::job::{self, JobState};
use lyceum::entities::upload::{self, UploadState};
use lyceum::jobs::{self, Fault, Job, JobContext, JobError, Registry, RegistryBuilder, Sweep};
use lyceum::media::ProcessUpload;
use lyceum::registry;
use reqwest::Method;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, ConnectionTrait as _, EntityTrait, QueryFilter as _,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A job that fails as it is told, and holds what is nobody's business.
#[derive(Serialize, Deserialize)]
struct Errand {
    fails: bool,
    secret: String,
}

static RUNS: AtomicUsize = AtomicUsize::new(0);

impl Job for Errand {
    const KIND: &'static str = "test_errand_of_pages";
    const MAX_ATTEMPTS: i32 = 2;

    async fn run(self, _: JobContext) -> Result<(), JobError> {
        RUNS.fetch_add(1, Ordering::SeqCst);
        if self.fails {
            return Err(JobError::GiveUp(Fault {
                words: "there is no such shop".into(),
                detail: "the shop on Elm Street is closed".into(),
            }));
        }
        Ok(())
    }
}

fn registry_of_tests() -> Arc<Registry> {
    Arc::new(
        RegistryBuilder::default()
            .job::<Errand>()
            .job::<Sweep>()
            .build(),
    )
}

async fn errand(site: &TestApp, fails: bool) -> i64 {
    let errand = Errand {
        fails,
        secret: "https://school.example/reset/abc".into(),
    };
    let mut write = site.app.write().await.unwrap();
    let id = jobs::enqueue(&site.app, &mut write, &errand).await.unwrap();
    write.commit().await.unwrap();
    id
}

/// A job that was given up.
async fn failed(site: &TestApp) -> i64 {
    let id = errand(site, true).await;
    jobs::drain(&site.app, &registry_of_tests()).await.unwrap();
    assert_eq!(state(site, id).await, JobState::Failed);
    id
}

async fn find(site: &TestApp, id: i64) -> job::Model {
    let found = job::Entity::find_by_id(id).one(site.app.db.read()).await;
    found.unwrap().unwrap()
}

async fn state(site: &TestApp, id: i64) -> JobState {
    find(site, id).await.state
}

async fn act(browser: &Browser, fields: &[(&str, &str)]) -> Page {
    browser.post("/admin/jobs/act/", fields).await
}

#[tokio::test]
async fn every_kind_of_the_site_has_words() {
    let known: Vec<&str> = words::known().collect();
    for kind in registry::registry().names() {
        assert!(known.contains(&kind), "{kind} has no words");
    }
}

#[tokio::test]
async fn nobody_but_staff_sees_or_steers_jobs() {
    let site = TestApp::start().await;
    let id = failed(&site).await;
    let only = format!("retry:{id}");
    let visitor = site.visitor();
    let teacher = site.login_as("tomas", Role::Instructor).await;
    for path in ["/admin/jobs/", "/admin/", "/admin/health/"] {
        visitor.get(path).await.expect(302);
        teacher.get(path).await.expect(403).lacks("Elm Street");
    }
    act(&teacher, &[("only", &only)]).await.expect(403);
    for path in ["/admin/jobs/pause/", "/admin/jobs/resume/"] {
        teacher.post(path, &[("kind", "*")]).await.expect(403);
    }
    assert_eq!(state(&site, id).await, JobState::Failed);
    assert!(
        jobs::list_paused(site.app.db.read())
            .await
            .unwrap()
            .is_empty()
    );
    // Without the token of the form not even staff: another site may have sent it.
    let staff = site.login_as("rosa", Role::Staff).await;
    let request = staff.request(Method::POST, "/admin/jobs/act/");
    staff
        .send(request.form(&[("only", &only)]))
        .await
        .expect(403);
    assert_eq!(state(&site, id).await, JobState::Failed);
}

#[tokio::test]
async fn a_failed_job_is_found_with_its_reason_and_tried_again_and_what_it_holds_is_not_shown() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let id = failed(&site).await;
    let page = staff.get("/admin/").await;
    page.expect(200)
        .has("the shop on Elm Street is closed")
        .has("1 in 24 h")
        .lacks("school.example");
    let page = staff.get("/admin/jobs/?state=failed&q=elm+street").await;
    page.expect(200)
        .has("the shop on Elm Street is closed")
        .has(&format!("retry:{id}"))
        .lacks("school.example");
    staff
        .get("/admin/jobs/?q=100%25")
        .await
        .expect(200)
        .has("No job is like that");
    let only = format!("retry:{id}");
    let answer = act(&staff, &[("only", &only), ("back", "/admin/?range=24h")]).await;
    answer.expect(303);
    assert_eq!(
        answer.leads_to(),
        "/admin/?range=24h&done=retry&n=1&passed=0"
    );
    staff
        .get(&answer.location())
        .await
        .has("It is in line again");
    let found = find(&site, id).await;
    assert_eq!((found.state, found.attempts), (JobState::Waiting, 0));
    staff.get("/admin/log/").await.expect(200).has("retry");
}

#[tokio::test]
async fn two_people_who_try_a_job_again_run_it_once() {
    let site = TestApp::start().await;
    let rosa = site.login_as("rosa", Role::Staff).await;
    let sofia = site.login_as("sofia", Role::Staff).await;
    let id = failed(&site).await;
    let only = format!("retry:{id}");
    let fields = [("only", only.as_str())];
    let (one, two) = tokio::join!(act(&rosa, &fields), act(&sofia, &fields));
    let mut told: Vec<String> = [&one, &two].map(|page| page.leads_to()).into();
    told.sort();
    assert_eq!(
        told,
        [
            "/admin/jobs/?done=retry&n=0&passed=1",
            "/admin/jobs/?done=retry&n=1&passed=0"
        ]
    );
    let before = RUNS.load(Ordering::SeqCst);
    let ran = jobs::drain(&site.app, &registry_of_tests()).await.unwrap();
    assert_eq!(ran, 1);
    assert!(RUNS.load(Ordering::SeqCst) > before);
}

#[tokio::test]
async fn several_jobs_ask_first_and_those_that_changed_meanwhile_are_left_alone() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let ids = [
        failed(&site).await,
        failed(&site).await,
        failed(&site).await,
    ];
    let names = ids.map(|id| id.to_string());
    let mut fields = vec![("act", "retry")];
    fields.extend(names.iter().map(|id| ("job", id.as_str())));
    let asked = act(&staff, &fields).await;
    asked.expect(200).has("Try 3 jobs again?");
    assert_eq!(state(&site, ids[0]).await, JobState::Failed);
    // Somebody else is quicker with one of them.
    act(&staff, &[("only", &format!("retry:{}", ids[1]))])
        .await
        .expect(303);
    fields.push(("sure", "yes"));
    let answer = act(&staff, &fields).await;
    assert_eq!(answer.leads_to(), "/admin/jobs/?done=retry&n=2&passed=1");
    for id in ids {
        assert_eq!(state(&site, id).await, JobState::Waiting);
    }
    // All that match, not only those of the page.
    let all = [
        ("act", "cancel"),
        ("all", "yes"),
        ("state", "waiting"),
        ("q", ""),
        ("kind", Errand::KIND),
    ];
    act(&staff, &all).await.expect(200).has("Stop 3 jobs?");
    let mut sure = all.to_vec();
    sure.push(("sure", "yes"));
    act(&staff, &sure).await.expect(303);
    for id in ids {
        assert_eq!(state(&site, id).await, JobState::Canceled);
    }
    for odd in [vec![("act", "retry")], vec![("act", "retry"), ("job", "x")]] {
        let answer = act(&staff, &odd).await;
        assert_eq!(answer.leads_to(), "/admin/jobs/?done=none");
        staff
            .get(&answer.location())
            .await
            .has("Choose a job first");
    }
    act(&staff, &[("act", "burn")]).await.expect(400);
    act(&staff, &[("only", "retry:x")]).await.expect(404);
    let answer = act(
        &staff,
        &[("only", "retry:1"), ("back", "https://elsewhere.example/")],
    )
    .await;
    assert!(answer.location().starts_with("/admin/jobs/"));
}

#[tokio::test]
async fn a_kind_that_is_paused_is_begun_by_no_worker_until_it_goes_on() {
    let site = TestApp::start().await;
    let other = site.second().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let id = errand(&site, false).await;
    let mut write = site.app.write().await.unwrap();
    let sweep = jobs::enqueue(&site.app, &mut write, &Sweep {})
        .await
        .unwrap();
    write.commit().await.unwrap();
    let pause = async |kind: &str| staff.post("/admin/jobs/pause/", &[("kind", kind)]).await;
    // A kind that no release knows.
    pause("burn").await.expect(404);
    pause("sweep").await.expect(303);
    pause("sweep").await.expect(303);
    for node in [&other, &site] {
        jobs::drain(&node.app, &registry_of_tests()).await.unwrap();
        assert_eq!(state(&site, sweep).await, JobState::Waiting);
    }
    assert_eq!(state(&site, id).await, JobState::Done, "others go on");
    staff
        .get("/admin/jobs/?state=waiting")
        .await
        .has("Paused by rosa")
        .has("Paused: begun by nobody");
    staff
        .post("/admin/jobs/resume/", &[("kind", "sweep")])
        .await
        .expect(303);
    jobs::drain(&other.app, &registry_of_tests()).await.unwrap();
    assert_eq!(state(&site, sweep).await, JobState::Done);
    // Everything.
    pause("*").await.expect(303);
    let id = errand(&site, false).await;
    assert_eq!(
        jobs::drain(&other.app, &registry_of_tests()).await.unwrap(),
        0
    );
    assert_eq!(state(&site, id).await, JobState::Waiting);
    staff.get("/admin/jobs/").await.has("Everything is paused");
    staff
        .post("/admin/jobs/resume/", &[("kind", "*")])
        .await
        .expect(303);
    assert_eq!(
        jobs::drain(&other.app, &registry_of_tests()).await.unwrap(),
        1
    );
}

#[tokio::test]
async fn a_job_whose_worker_died_is_not_begun_again_while_its_kind_is_paused() {
    let site = TestApp::start().await;
    let id = errand(&site, false).await;
    let row = job::ActiveModel {
        id: Set(id),
        state: Set(JobState::Running),
        fence: Set(1),
        leased_until: Set(Some(site.clock.now())),
        ..Default::default()
    };
    row.update(site.app.db.writer()).await.unwrap();
    site.wait_seconds(60);
    let write = site.app.write().await.unwrap();
    jobs::pause(&site.app, &write, Errand::KIND, "rosa")
        .await
        .unwrap();
    write.commit().await.unwrap();
    assert_eq!(
        jobs::drain(&site.app, &registry_of_tests()).await.unwrap(),
        0
    );
    let mut write = site.app.write().await.unwrap();
    assert!(jobs::resume(&mut write, Errand::KIND).await.unwrap());
    assert!(!jobs::resume(&mut write, Errand::KIND).await.unwrap());
    write.commit().await.unwrap();
    assert_eq!(
        jobs::drain(&site.app, &registry_of_tests()).await.unwrap(),
        1
    );
}

/// A picture in line, and its job.
async fn file_in_line(site: &TestApp, owner_id: i64) -> (upload::Model, i64) {
    let film = site.film(owner_id, 1.0).await;
    let row = upload::ActiveModel {
        id: Set(film.id),
        state: Set(UploadState::Waiting),
        ..Default::default()
    };
    let film = row.update(site.app.db.writer()).await.unwrap();
    let mut write = site.app.write().await.unwrap();
    let id = jobs::enqueue(&site.app, &mut write, &ProcessUpload::of(&film))
        .await
        .unwrap();
    write.commit().await.unwrap();
    (film, id)
}

#[tokio::test]
async fn the_card_of_a_file_says_that_the_queue_is_paused_at_once_and_when_it_goes_on() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let clara = site.person("clara", Role::Instructor).await;
    let teacher = site.login("clara").await;
    let (film, _) = file_in_line(&site, clara).await;
    let words = async || {
        let page = teacher.get(&format!("/uploads/{}/state/", film.id)).await;
        page.expect(200).json()["words"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mut events = teacher.events("/events/", None).await;
    let mut heard = async |wanted: &str| {
        let mut told = events.next().await.unwrap();
        while told.data["type"] != "upload" {
            told = events.next().await.unwrap();
        }
        assert_eq!(told.data["words"], wanted);
    };
    assert_eq!(words().await, "In line, 1st");
    staff
        .post("/admin/jobs/pause/", &[("kind", ProcessUpload::KIND)])
        .await
        .expect(303);
    assert_eq!(words().await, "In line, 1st - the queue is paused");
    heard("In line, 1st - the queue is paused").await;
    staff
        .post("/admin/jobs/resume/", &[("kind", ProcessUpload::KIND)])
        .await
        .expect(303);
    assert_eq!(words().await, "In line, 1st");
    heard("In line, 1st").await;
}

#[tokio::test]
async fn stopping_the_job_of_a_file_stops_the_file_and_trying_it_again_does_both() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let clara = site.person("clara", Role::Instructor).await;
    let (film, id) = file_in_line(&site, clara).await;
    let upload_state = async || {
        let found = upload::Entity::find_by_id(film.id);
        found.one(site.app.db.read()).await.unwrap().unwrap().state
    };
    staff
        .get("/admin/jobs/")
        .await
        .has("film.mp4")
        .has("clara")
        .has("In line, 1st");
    act(&staff, &[("only", &format!("cancel:{id}"))])
        .await
        .expect(303);
    assert_eq!(
        (state(&site, id).await, upload_state().await),
        (JobState::Canceled, UploadState::Canceled)
    );
    act(&staff, &[("only", &format!("retry:{id}"))])
        .await
        .expect(303);
    assert_eq!(
        (state(&site, id).await, upload_state().await),
        (JobState::Waiting, UploadState::Waiting)
    );
    let of_it = job::Entity::find()
        .filter(job::Column::Subject.eq(format!("upload:{}", film.id)))
        .all(site.app.db.read())
        .await
        .unwrap();
    assert_eq!(of_it.len(), 1, "the same job, once");
}

#[tokio::test]
async fn programs_try_jobs_again_and_stop_them_where_their_owner_may() {
    let site = TestApp::start().await;
    let id = failed(&site).await;
    site.person("rosa", Role::Staff).await;
    site.person("anna", Role::Student).await;
    let call = async |name: &str, act: &str, id: i64| {
        let visitor = site.visitor();
        let request = visitor
            .request(Method::POST, &format!("/api/jobs/{id}/{act}/"))
            .basic_auth(name, Some(crate::kit::PASSWORD));
        visitor.send(request).await
    };
    call("anna", "retry", id).await.expect(403);
    let answer = call("rosa", "retry", id).await;
    assert_eq!(answer.expect(200).json()["state"], "waiting");
    call("rosa", "retry", id).await.expect(409);
    let answer = call("rosa", "cancel", id).await;
    assert_eq!(answer.expect(200).json()["state"], "canceled");
    call("rosa", "cancel", id).await.expect(200);
    call("rosa", "cancel", 999_999).await.expect(404);
    assert!(!answer.text().contains("school.example"));
}

#[tokio::test]
async fn all_that_match_are_those_with_which_it_can_be_done_however_many_are_done_before_them() {
    let site = TestApp::start().await;
    let first = errand(&site, false).await;
    let like = find(&site, first).await;
    jobs::drain(&site.app, &registry_of_tests()).await.unwrap();
    // More than are taken at once, all done, and older than the one that failed.
    let done: Vec<job::ActiveModel> = (0..1_000)
        .map(|_| {
            let mut row: job::ActiveModel = like.clone().into();
            row.id = NotSet;
            row.state = Set(JobState::Done);
            row
        })
        .collect();
    for rows in done.chunks(100) {
        job::Entity::insert_many(rows.to_vec())
            .exec_without_returning(site.app.db.writer())
            .await
            .unwrap();
    }
    let id = failed(&site).await;
    let staff = site.login_as("sofia", Role::Staff).await;
    let fields = [("act", "retry"), ("all", "1"), ("sure", "yes")];
    act(&staff, &fields).await.expect(303);
    assert_eq!(state(&site, id).await, JobState::Waiting);
    let page = staff.get("/admin/log/?kind=job").await;
    page.expect(200).has("retry job");
    // A pause stands among the lines about jobs, too.
    staff
        .post("/admin/jobs/pause/", &[("kind", "*")])
        .await
        .expect(303);
    staff
        .get("/admin/log/?kind=job")
        .await
        .expect(200)
        .has("Every kind");
}

/// The lines of the log: what was done to what sort of thing.
async fn logged(site: &TestApp) -> Vec<(String, String)> {
    let told = site
        .log()
        .await
        .into_iter()
        .map(|line| (line.act, line.object_kind));
    told.collect()
}

fn lines(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let told = expected.iter();
    told.map(|(act, kind)| ((*act).to_owned(), (*kind).to_owned()))
        .collect()
}

/// An announcement on its way, and its job.
async fn announced(site: &TestApp, staff: &Browser) -> i64 {
    let fields = [
        ("audience", "everybody"),
        ("text", "Hello"),
        ("sure", "yes"),
    ];
    staff
        .post("/admin/announcements/", &fields)
        .await
        .expect(303);
    let found = job::Entity::find().filter(job::Column::Kind.eq(SendAnnouncement::KIND));
    let found = found.one(site.app.db.read()).await.unwrap();
    found.unwrap().id
}

#[tokio::test]
async fn what_is_done_with_a_job_lasts_with_its_line_in_the_log_or_not_at_all() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let clara = site.person("clara", Role::Instructor).await;
    let id = failed(&site).await;
    let put_in_line = errand(&site, false).await;
    let (_, of_file) = file_in_line(&site, clara).await;
    let announcing = announced(&site, &staff).await;
    let acts = [
        format!("retry:{id}"),
        format!("cancel:{put_in_line}"),
        format!("cancel:{of_file}"),
        format!("cancel:{announcing}"),
    ];
    let states = async || {
        let mut states = Vec::new();
        for id in [id, put_in_line, of_file, announcing] {
            states.push(state(&site, id).await);
        }
        states
    };
    let before = states().await;
    let db = site.app.db.writer();
    let away = "ALTER TABLE audit_entries RENAME TO audit_entries_away";
    db.execute_unprepared(away).await.unwrap();
    for only in &acts {
        act(&staff, &[("only", only)]).await.expect(500);
    }
    assert_eq!(states().await, before);
    let back = "ALTER TABLE audit_entries_away RENAME TO audit_entries";
    db.execute_unprepared(back).await.unwrap();
    for only in &acts {
        act(&staff, &[("only", only)]).await.expect(303);
    }
    let canceled = JobState::Canceled;
    let after = [JobState::Waiting, canceled, canceled, canceled];
    assert_eq!(states().await, after);
    let expected = [
        ("add", "announcement"),
        ("retry", "job"),
        ("cancel", "job"),
        ("cancel", "job"),
        ("stop", "announcement"),
    ];
    assert_eq!(logged(&site).await, lines(&expected));
}

#[tokio::test]
async fn what_was_stopped_already_is_stopped_again_without_another_line() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let clara = site.person("clara", Role::Instructor).await;
    let id = errand(&site, false).await;
    let (_, of_file) = file_in_line(&site, clara).await;
    let announcing = announced(&site, &staff).await;
    for id in [id, of_file, announcing] {
        let only = format!("cancel:{id}");
        for _ in 0..2 {
            let answer = act(&staff, &[("only", &only)]).await;
            assert_eq!(
                answer.leads_to(),
                "/admin/jobs/?done=cancel&n=1&passed=0",
                "twice is once"
            );
        }
    }
    let expected = [
        ("add", "announcement"),
        ("cancel", "job"),
        ("cancel", "job"),
        ("stop", "announcement"),
    ];
    assert_eq!(logged(&site).await, lines(&expected));
}
