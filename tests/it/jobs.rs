//! The job queue: durable, leased, fenced, tried again, given up.

use crate::kit::{Role, TestApp};
use lyceum::entities::job::{self, JobState};
use lyceum::entities::session;
use lyceum::jobs::{self, Fault, Job, JobContext, JobError, Registry, RegistryBuilder};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// A job that ends as its name says, and counts how often it was begun and given up.
#[derive(Serialize, Deserialize)]
enum Errand {
    Succeed,
    AskForMoreTime,
    SeeNoWay,
    Panic,
}

static BEGUN: AtomicUsize = AtomicUsize::new(0);
static GIVEN_UP: AtomicUsize = AtomicUsize::new(0);

impl Job for Errand {
    const KIND: &'static str = "test_errand";
    const MAX_ATTEMPTS: i32 = 3;

    fn subject(&self) -> Option<String> {
        Some("errand:1".into())
    }

    async fn run(self, _: JobContext) -> Result<(), JobError> {
        BEGUN.fetch_add(1, Ordering::SeqCst);
        match self {
            Self::Succeed => Ok(()),
            Self::AskForMoreTime => Err(JobError::Retry("the shop was closed".into())),
            Self::SeeNoWay => Err(JobError::GiveUp(Fault {
                words: "there is no such shop".into(),
                detail: "404".into(),
            })),
            Self::Panic => panic!("the errand fell over"),
        }
    }

    async fn give_up(self, _: JobContext, _: Fault) -> Result<(), JobError> {
        GIVEN_UP.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// A job that tells when it runs and then stays until it is canceled or let go.
#[derive(Serialize, Deserialize)]
struct Stay;

static RUNS: Semaphore = Semaphore::const_new(0);
static LET_GO: Semaphore = Semaphore::const_new(0);
static SAVED: AtomicUsize = AtomicUsize::new(0);

impl Job for Stay {
    const KIND: &'static str = "test_stay";

    fn subject(&self) -> Option<String> {
        Some("stay:1".into())
    }

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        RUNS.add_permits(1);
        tokio::select! {
            () = context.canceled.cancelled() => Err(JobError::CutOff),
            permit = LET_GO.acquire() => {
                permit.expect("never closed").forget();
                let write = context.write().await?;
                SAVED.fetch_add(1, Ordering::SeqCst);
                context.complete(write).await
            }
        }
    }
}

/// A file in line; notes that it had its turn.
#[derive(Serialize, Deserialize)]
struct File {
    name: String,
    owner_id: i64,
    priority: i32,
}

static TURNS: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl File {
    fn of(name: &str, owner_id: i64) -> Self {
        Self {
            name: name.to_owned(),
            owner_id,
            priority: jobs::PRIORITY_NORMAL,
        }
    }
}

impl Job for File {
    const KIND: &'static str = "test_file";

    fn priority(&self) -> i32 {
        self.priority
    }

    fn owner_id(&self) -> Option<i64> {
        Some(self.owner_id)
    }

    fn subject(&self) -> Option<String> {
        Some(format!("file:{}", self.name))
    }

    async fn run(self, _: JobContext) -> Result<(), JobError> {
        TURNS.lock().unwrap().push(self.name);
        Ok(())
    }
}

fn files() -> Arc<Registry> {
    Arc::new(RegistryBuilder::default().job::<File>().build())
}

fn registry() -> Arc<Registry> {
    Arc::new(
        RegistryBuilder::default()
            .job::<Errand>()
            .job::<Stay>()
            .build(),
    )
}

async fn enqueue<J: Job>(site: &TestApp, job: &J) -> i64 {
    let mut write = site.app.write().await.unwrap();
    let id = jobs::enqueue(&site.app, &mut write, job).await.unwrap();
    write.commit().await.unwrap();
    id
}

async fn row(site: &TestApp) -> job::Model {
    let find = job::Entity::find().order_by_desc(job::Column::Id);
    find.one(site.app.db.read()).await.unwrap().unwrap()
}

async fn runs() {
    RUNS.acquire().await.unwrap().forget();
}

#[tokio::test]
async fn a_job_exists_only_if_its_transaction_is_committed() {
    let site = TestApp::start().await;
    let mut write = site.app.write().await.unwrap();
    jobs::enqueue(&site.app, &mut write, &Errand::Succeed)
        .await
        .unwrap();
    write.rollback().await.unwrap();
    assert_eq!(jobs::drain(&site.app, &registry()).await.unwrap(), 0);
    enqueue(&site, &Errand::Succeed).await;
    assert_eq!(jobs::drain(&site.app, &registry()).await.unwrap(), 1);
    assert_eq!(row(&site).await.state, JobState::Done);
}

#[tokio::test]
async fn a_job_is_tried_again_after_growing_waits_and_then_given_up_once() {
    let site = TestApp::start().await;
    enqueue(&site, &Errand::AskForMoreTime).await;
    let registry = registry();
    assert_eq!(jobs::drain(&site.app, &registry).await.unwrap(), 1);
    assert_eq!(
        jobs::drain(&site.app, &registry).await.unwrap(),
        0,
        "it waits before the second attempt"
    );
    site.wait_seconds(5);
    assert_eq!(jobs::drain(&site.app, &registry).await.unwrap(), 1);
    site.wait_seconds(19);
    assert_eq!(
        jobs::drain(&site.app, &registry).await.unwrap(),
        0,
        "the second wait is longer"
    );
    site.wait_seconds(1);
    assert_eq!(jobs::drain(&site.app, &registry).await.unwrap(), 1);
    let job = row(&site).await;
    assert_eq!(
        (job.state, job.fault.as_deref()),
        (JobState::Failed, Some("the shop was closed"))
    );
    assert_eq!(
        (
            BEGUN.load(Ordering::SeqCst),
            GIVEN_UP.load(Ordering::SeqCst)
        ),
        (3, 1)
    );
}

#[tokio::test]
async fn a_hopeless_job_is_given_up_at_once_and_can_be_put_in_line_again() {
    let site = TestApp::start().await;
    enqueue(&site, &Errand::SeeNoWay).await;
    jobs::drain(&site.app, &registry()).await.unwrap();
    assert_eq!(row(&site).await.state, JobState::Failed);
    let mut write = site.app.write().await.unwrap();
    assert!(
        jobs::retry(&site.app, &mut write, "errand:1")
            .await
            .unwrap()
    );
    write.commit().await.unwrap();
    assert_eq!(jobs::drain(&site.app, &registry()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_job_that_panics_is_tried_again_like_any_other() {
    let site = TestApp::start().await;
    enqueue(&site, &Errand::Panic).await;
    jobs::drain(&site.app, &registry()).await.unwrap();
    let job = row(&site).await;
    assert_eq!((job.state, job.attempts), (JobState::Waiting, 1));
}

#[tokio::test]
async fn a_job_whose_worker_is_silent_goes_on_elsewhere_and_is_done_once() {
    let site = TestApp::start().await;
    enqueue(&site, &Stay).await;
    let app = site.app.clone();
    let silent = tokio::spawn(async move { jobs::drain(&app, &registry()).await });
    runs().await;
    // Its lease ends while it still runs; another worker takes the job.
    site.wait_seconds(31);
    let app = site.app.clone();
    let other = tokio::spawn(async move { jobs::drain(&app, &registry()).await });
    runs().await;
    LET_GO.add_permits(2);
    silent.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
    assert_eq!(
        SAVED.load(Ordering::SeqCst),
        1,
        "only the holder of the newest lease writes results"
    );
    let job = row(&site).await;
    assert_eq!((job.state, job.attempts, job.fence), (JobState::Done, 2, 2));
}

#[tokio::test]
async fn a_running_job_stops_when_it_is_canceled() {
    let site = TestApp::start().await;
    let app = site.app.clone();
    let worker = tokio::spawn(jobs::work(app, registry()));
    enqueue(&site, &Stay).await;
    runs().await;
    let mut write = site.app.write().await.unwrap();
    assert!(jobs::cancel(&site.app, &mut write, "stay:1").await.unwrap());
    write.commit().await.unwrap();
    site.app.stopping.cancel();
    worker.await.unwrap();
    assert_eq!(row(&site).await.state, JobState::Canceled);
}

#[tokio::test]
async fn a_stopping_worker_hands_its_jobs_back_and_the_attempt_does_not_count() {
    let site = TestApp::start().await;
    let app = site.app.clone();
    let worker = tokio::spawn(jobs::work(app, registry()));
    enqueue(&site, &Stay).await;
    runs().await;
    site.app.stopping.cancel();
    worker.await.unwrap();
    let job = row(&site).await;
    assert_eq!(
        (job.state, job.attempts, job.leased_until),
        (JobState::Waiting, 0, None)
    );
}

#[tokio::test]
async fn the_place_in_line_counts_those_before() {
    let site = TestApp::start().await;
    let place = async |subject: &str| {
        let wanted = [subject.to_owned()];
        let places = jobs::places_in_line::<File>(site.app.db.read(), &wanted).await;
        places.unwrap().get(subject).copied()
    };
    enqueue(&site, &File::of("a", 1)).await;
    assert_eq!(place("file:a").await, Some(1));
    enqueue(&site, &File::of("b", 1)).await;
    assert_eq!(place("file:b").await, Some(2));
    assert_eq!(place("file:a").await, Some(1));
    jobs::drain(&site.app, &files()).await.unwrap();
    assert_eq!(place("file:b").await, None);
}

/// Puts files in line: name, owner, priority.
async fn line_up(site: &TestApp, line: &[(&str, i64, i32)]) {
    for (name, owner_id, priority) in line {
        let file = File {
            priority: *priority,
            ..File::of(name, *owner_id)
        };
        enqueue(site, &file).await;
    }
}

#[tokio::test]
async fn people_take_turns_short_files_first_and_the_place_told_is_the_place_had() {
    let site = TestApp::start().await;
    let line = [
        ("ana's film", 1, 16),
        ("ana's second", 1, 2),
        ("ana's third", 1, 2),
        ("ben's film", 2, 16),
        ("cleo's", 3, 2),
        ("cleo's second", 3, 2),
    ];
    line_up(&site, &line).await;
    let subjects: Vec<String> = line.map(|(name, ..)| format!("file:{name}")).to_vec();
    let places = jobs::places_in_line::<File>(site.app.db.read(), &subjects).await;
    let places = places.unwrap();
    jobs::drain(&site.app, &files()).await.unwrap();
    let turns = TURNS.lock().unwrap().clone();
    let told: Vec<_> = turns
        .iter()
        .map(|name| places[&format!("file:{name}")])
        .collect();
    assert_eq!(told, [1, 2, 3, 4, 5, 6], "{turns:?}");
    let expected = [
        "ana's second",
        "cleo's",
        "ana's third",
        "cleo's second",
        "ana's film",
        "ben's film",
    ];
    assert_eq!(turns, expected);
}

#[tokio::test]
async fn a_long_file_has_its_turn_however_many_short_ones_keep_coming() {
    let site = TestApp::start().await;
    line_up(&site, &[("film", 1, 16)]).await;
    let registry = files();
    // Ten people send twice as much as can be done.
    for number in 0..200 {
        let line = [
            ("short", 10 + number % 5, 1),
            ("shorter", 20 + number % 5, 1),
        ];
        line_up(&site, &line).await;
        // One worker, which is never done with the line.
        jobs::drain_one(&site.app, &registry).await.unwrap();
        if TURNS
            .lock()
            .unwrap()
            .last()
            .is_some_and(|name| name == "film")
        {
            return;
        }
    }
    panic!("it was passed by {} files", TURNS.lock().unwrap().len());
}

#[tokio::test]
async fn a_file_that_is_tried_again_joins_the_line_anew() {
    let site = TestApp::start().await;
    line_up(&site, &[("a", 1, 2)]).await;
    let mut write = site.app.write().await.unwrap();
    jobs::cancel(&site.app, &mut write, "file:a").await.unwrap();
    write.commit().await.unwrap();
    line_up(&site, &[("b", 2, 2)]).await;
    let mut write = site.app.write().await.unwrap();
    assert!(jobs::retry(&site.app, &mut write, "file:a").await.unwrap());
    write.commit().await.unwrap();
    line_up(&site, &[("c", 3, 2)]).await;
    jobs::drain(&site.app, &files()).await.unwrap();
    let turns = TURNS.lock().unwrap().clone();
    assert_eq!(
        turns,
        ["a", "b", "c"],
        "with the same turn the older number is first"
    );
}

#[tokio::test]
async fn the_line_is_read_only_so_far_as_it_is_told() {
    let site = TestApp::start().await;
    let mut write = site.app.write().await.unwrap();
    for owner_id in 0..1_005 {
        let file = File::of(&format!("f{owner_id}"), owner_id);
        jobs::enqueue(&site.app, &mut write, &file).await.unwrap();
    }
    write.commit().await.unwrap();
    let asked = ["file:f0", "file:f999", "file:f1004"].map(str::to_owned);
    let places = jobs::places_in_line::<File>(site.app.db.read(), &asked).await;
    let places = places.unwrap();
    assert_eq!(places.get("file:f0"), Some(&1));
    assert_eq!(places.get("file:f999"), Some(&1_000));
    assert_eq!(places.get("file:f1004"), None);
    let next = jobs::list_next::<File>(site.app.db.read(), 2)
        .await
        .unwrap();
    assert_eq!(next, ["file:f0", "file:f1"]);
}

/// A job that hangs while its worker is well, and says that it was put off.
#[derive(Serialize, Deserialize)]
struct Hang {}

static PUT_OFF: AtomicUsize = AtomicUsize::new(0);

impl Job for Hang {
    const KIND: &'static str = "test_hang";
    const MAX_ATTEMPTS: i32 = 2;
    const STALL: std::time::Duration = std::time::Duration::from_secs(600);

    async fn run(self, context: JobContext) -> Result<(), JobError> {
        context.got_on();
        RUNS.add_permits(1);
        std::future::pending().await
    }

    async fn put_off(self, _: JobContext) -> Result<(), JobError> {
        PUT_OFF.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn give_up(self, _: JobContext, fault: Fault) -> Result<(), JobError> {
        assert!(fault.words.contains("came to a halt"), "{fault:?}");
        GIVEN_UP.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test]
async fn a_job_that_does_not_get_on_is_ended_tried_again_and_given_up() {
    let site = TestApp::start().await;
    enqueue(&site, &Hang {}).await;
    let registry = Arc::new(RegistryBuilder::default().job::<Hang>().build());
    for attempt in 1..=2 {
        site.wait_seconds(10);
        let (app, registry) = (site.app.clone(), Arc::clone(&registry));
        let working = tokio::spawn(async move { jobs::drain(&app, &registry).await });
        runs().await;
        site.wait_seconds(601);
        working.await.unwrap().unwrap();
        assert_eq!(PUT_OFF.load(Ordering::SeqCst), 1, "attempt {attempt}");
    }
    assert_eq!(GIVEN_UP.load(Ordering::SeqCst), 1);
    assert_eq!(row(&site).await.state, JobState::Failed);
}

/// A job that comes back by itself.
#[derive(Serialize, Deserialize)]
struct Tick {}

static TICKS: AtomicUsize = AtomicUsize::new(0);

impl Job for Tick {
    const KIND: &'static str = "test_tick";

    async fn run(self, _: JobContext) -> Result<(), JobError> {
        TICKS.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// A job that does not listen when it is told to stop.
#[derive(Serialize, Deserialize)]
struct Deaf {}

impl Job for Deaf {
    const KIND: &'static str = "test_deaf";

    async fn run(self, _: JobContext) -> Result<(), JobError> {
        RUNS.add_permits(1);
        std::future::pending().await
    }
}

/// A job that is given up, but nobody can be told so the first time.
#[derive(Serialize, Deserialize)]
struct Untold {}

static TOLD: AtomicUsize = AtomicUsize::new(0);

impl Job for Untold {
    const KIND: &'static str = "test_untold";
    const MAX_ATTEMPTS: i32 = 1;

    async fn run(self, _: JobContext) -> Result<(), JobError> {
        Err(JobError::Retry("it rained".into()))
    }

    async fn give_up(self, _: JobContext, _: Fault) -> Result<(), JobError> {
        match TOLD.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("nobody is at home"),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn what_comes_back_by_itself_comes_again_and_again_and_once_for_all_workers() {
    let site = TestApp::start().await;
    let other = site.second().await;
    let every = std::time::Duration::from_secs(600);
    let registry = Arc::new(RegistryBuilder::default().every(every, &Tick {}).build());
    let workers = [&site, &other]
        .map(|site| tokio::spawn(jobs::work(site.app.clone(), Arc::clone(&registry))));
    while TICKS.load(Ordering::SeqCst) < 3 {
        let open = job::Entity::find()
            .filter(job::Column::State.is_in([JobState::Waiting, JobState::Running]));
        let open = open.count(site.app.db.read()).await.unwrap();
        assert!(open <= 1, "{open} are in line");
        site.wait_seconds(60);
        other.wait_seconds(60);
        tokio::task::yield_now().await;
    }
    site.app.stopping.cancel();
    other.app.stopping.cancel();
    for worker in workers {
        worker.await.unwrap();
    }
}

#[tokio::test]
async fn a_job_that_does_not_listen_is_handed_back_all_the_same() {
    let site = TestApp::start().await;
    let registry = Arc::new(RegistryBuilder::default().job::<Deaf>().build());
    let worker = tokio::spawn(jobs::work(site.app.clone(), registry));
    enqueue(&site, &Deaf {}).await;
    runs().await;
    site.app.stopping.cancel();
    worker.await.unwrap();
    let job = row(&site).await;
    assert_eq!((job.state, job.attempts), (JobState::Waiting, 0));
}

#[tokio::test]
async fn a_failure_that_nobody_could_be_told_of_is_told_later() {
    let site = TestApp::start().await;
    let registry = Arc::new(RegistryBuilder::default().job::<Untold>().build());
    enqueue(&site, &Untold {}).await;
    jobs::drain(&site.app, &registry).await.unwrap();
    assert_eq!(row(&site).await.state, JobState::Waiting);
    site.wait_seconds(5);
    jobs::drain(&site.app, &registry).await.unwrap();
    assert_eq!(row(&site).await.state, JobState::Failed);
    assert_eq!(TOLD.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_worker_leaves_what_it_does_not_know_to_others() {
    let site = TestApp::start().await;
    enqueue(&site, &Errand::Succeed).await;
    let older = Arc::new(RegistryBuilder::default().job::<Stay>().build());
    assert_eq!(jobs::drain(&site.app, &older).await.unwrap(), 0);
    assert_eq!(row(&site).await.state, JobState::Waiting);
    assert_eq!(jobs::drain(&site.app, &registry()).await.unwrap(), 1);
}

#[tokio::test]
async fn two_workers_at_once_never_take_the_same_job() {
    let site = TestApp::start().await;
    let other = site.second().await;
    for _ in 0..20 {
        enqueue(&site, &Errand::Succeed).await;
    }
    let registry = registry();
    let (one, two) = tokio::join!(
        jobs::drain(&site.app, &registry),
        jobs::drain(&other.app, &registry)
    );
    assert_eq!(one.unwrap() + two.unwrap(), 20);
    assert_eq!(BEGUN.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn what_ended_is_swept_and_what_may_be_tried_again_is_kept() {
    let site = TestApp::start().await;
    let registry = Arc::new(
        RegistryBuilder::default()
            .job::<Errand>()
            .job::<jobs::Sweep>()
            .build(),
    );
    enqueue(&site, &Errand::Succeed).await;
    enqueue(&site, &Errand::SeeNoWay).await;
    jobs::drain(&site.app, &registry).await.unwrap();
    let ana = site.login_as("ana", Role::Student).await;
    site.wait_seconds(15 * 86_400);
    enqueue(&site, &jobs::Sweep {}).await;
    jobs::drain(&site.app, &registry).await.unwrap();
    let left = job::Entity::find().order_by_asc(job::Column::Id);
    let left = left.all(site.app.db.read()).await.unwrap();
    let kinds: Vec<_> = left
        .iter()
        .map(|job| (job.kind.as_str(), job.state))
        .collect();
    assert_eq!(
        kinds,
        [("test_errand", JobState::Failed), ("sweep", JobState::Done)]
    );
    let sessions = session::Entity::find().count(site.app.db.read()).await;
    assert_eq!(sessions.unwrap(), 0);
    assert!(ana.cookie("sessionid").is_some());
}

mod on_sqlite {
    use super::*;

    #[tokio::test]
    async fn taking_the_next_job_is_a_step_in_an_index_however_long_the_line() {
        let site = TestApp::start().await;
        let db = site.app.db.read();
        assert_eq!(db.get_database_backend(), sea_orm::DbBackend::Sqlite);
        for condition in [
            "state = 'waiting' AND run_at <= 'x'",
            "state = 'running' AND leased_until < 'x'",
        ] {
            let explained = db
                .query_all_raw(sea_orm::Statement::from_string(
                    sea_orm::DbBackend::Sqlite,
                    format!("EXPLAIN QUERY PLAN SELECT * FROM jobs WHERE {condition} AND kind IN ('a', 'b') ORDER BY turn, id LIMIT 1"),
                ))
                .await
                .unwrap();
            let plan: Vec<String> = explained
                .iter()
                .map(|row| row.try_get("", "detail").unwrap())
                .collect();
            assert_eq!(plan.len(), 1, "no sorting: {plan:?}");
            assert!(
                plan[0].contains("USING INDEX jobs_turn (state=?"),
                "{plan:?}"
            );
        }
    }
}
