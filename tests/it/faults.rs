//! What the site does while something that it needs is away, and after: the database, room on the
//! disk, ffmpeg, and its own process.

use crate::kit::{self, Browser, Line, Role, TestApp, until};
use crate::process::{line_with, lyceum};
use crate::processing::{is_alive, stuck_ffmpeg};
use axum::Router;
use axum::routing::get;
use backends::clock::Clock;
use lyceum::db::Db;
use lyceum::entities::job::JobState;
use lyceum::entities::message::MessageLevel;
use lyceum::entities::upload::UploadState;
use lyceum::entities::upload_progress;
use lyceum::jobs::{self, Job, JobContext, JobError, RegistryBuilder};
use lyceum::messages::{self, NewMessage};
use lyceum::router;
use sea_orm::EntityTrait as _;
use serde::{Deserialize, Serialize};
use sqlx::Connection as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

const NOT_REACHED: &str = "The site cannot reach its database right now.";
const BUSY: &str = "The site is busy with other changes right now.";
const NO_ROOM: &str = "The site has no room left for files. Nothing was kept";
const THEME: &str = "/accounts/theme/";
const DARK: &[(&str, &str)] = &[("theme", "dark")];
const SOUND: &str = "-f lavfi -i sine=frequency=440 -t 1 -c:a pcm_s16le -f wav";
const FILM: &str = "-f lavfi -i testsrc2=size=320x240:rate=25 -t 1 -c:v mpeg4 -f matroska";

/// A job that rings.
#[derive(Serialize, Deserialize)]
struct Ring;

static RUNG: Semaphore = Semaphore::const_new(0);

impl Job for Ring {
    const KIND: &'static str = "test_ring";

    async fn run(self, _: JobContext) -> Result<(), JobError> {
        RUNG.add_permits(1);
        Ok(())
    }
}

/// Puts it in line.
pub async fn ring(site: &TestApp) {
    let mut write = site.app.write().await.unwrap();
    jobs::enqueue(&site.app, &mut write, &Ring).await.unwrap();
    write.commit().await.unwrap();
}

/// Returns once it was done.
pub async fn rung() {
    RUNG.acquire().await.unwrap().forget();
}

/// Works as a process does, at this job alone.
pub fn work(site: &TestApp) -> JoinHandle<()> {
    let registry = Arc::new(RegistryBuilder::default().job::<Ring>().build());
    tokio::spawn(jobs::work(site.app.clone(), registry))
}

async fn send(site: &TestApp, recipient_id: i64, text: &str) {
    let mut write = site.app.write().await.unwrap();
    let message = NewMessage {
        recipient_id,
        text: text.to_owned(),
        level: MessageLevel::Info,
        link: String::new(),
        dedupe_key: None,
    };
    messages::send(&site.app, &mut write, message)
        .await
        .unwrap();
    write.commit().await.unwrap();
}

/// What `/readyz` says of one service, and its status, when it was not asked for a while.
async fn health(site: &TestApp, service: &str) -> (u16, bool) {
    site.wait_seconds(1);
    let page = site.visitor().get("/readyz").await;
    let all = page.json();
    let mut services = all.as_array().unwrap().iter();
    let found = services.find(|found| found["service"] == service);
    (page.status, found.unwrap()["is_well"].as_bool().unwrap())
}

#[tokio::test]
async fn a_database_that_goes_away_gives_a_clear_page_and_the_site_recovers_by_itself() {
    match kit::postgres_database().await {
        Some(server) => Box::pin(postgres_is_cut_off(&server)).await,
        None => Box::pin(another_process_holds_the_lock()).await,
    }
}

async fn postgres_is_cut_off(server: &str) {
    let mut by_line = url::Url::parse(server).unwrap();
    let (host, port) = (by_line.host_str().unwrap(), by_line.port().unwrap());
    let line = Line::to(format!("{host}:{port}")).await;
    by_line.set_port(Some(line.address.port())).unwrap();
    let site = TestApp::start_with(&[("database", by_line.as_str())]).await;
    let elsewhere = site.second_at(server).await;
    let working = work(&site);
    let id = site.person("maya", Role::Student).await;
    let maya = site.login("maya").await;
    let mut stream = maya.events("/events/", None).await;
    stream.greeting().await;
    line.cut();
    maya.get("/messages/").await.expect(503).has(NOT_REACHED);
    maya.post(THEME, DARK).await.expect(503).has(NOT_REACHED);
    assert_eq!(health(&site, "database").await, (503, false));
    assert_eq!(health(&site, "files").await, (503, true));
    maya.get("/healthz").await.expect(200);
    // Life goes on elsewhere.
    ring(&elsewhere).await;
    send(&elsewhere, id, "while you were away").await;
    site.visitor().get("/").await.expect(503).has(NOT_REACHED);
    line.mend();
    until("pages are back", async || {
        (maya.get("/messages/").await.status == 200).then_some(())
    })
    .await;
    rung().await;
    let told = stream.next_of("message").await;
    assert_eq!(told.data["text"], "while you were away");
    send(&elsewhere, id, "now that you are back").await;
    let told = stream.next_of("message").await;
    assert_eq!(told.data["text"], "now that you are back");
    until("changes are taken", async || {
        (maya.post(THEME, DARK).await.status == 303).then_some(())
    })
    .await;
    until("every service answers", async || {
        let (_, is_well) = health(&site, "database").await;
        (is_well && health(&site, "bus").await.1).then_some(())
    })
    .await;
    ring(&site).await;
    rung().await;
    assert!(!working.is_finished(), "the worker lives");
}

async fn another_process_holds_the_lock() {
    let site = TestApp::start().await;
    let working = work(&site);
    let id = site.person("maya", Role::Student).await;
    let maya = site.login("maya").await;
    let mut stream = maya.events("/events/", None).await;
    stream.greeting().await;
    let url = Db::full_url(&site.app.config.database, &site.app.config.data);
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let begin = sqlx::raw_sql("BEGIN EXCLUSIVE");
    begin.execute(&mut other).await.unwrap();
    maya.post(THEME, DARK).await.expect(503).has(BUSY);
    maya.get("/messages/").await.expect(200);
    site.visitor().get("/").await.expect(200);
    let roll_back = sqlx::raw_sql("ROLLBACK");
    roll_back.execute(&mut other).await.unwrap();
    maya.post(THEME, DARK).await.expect(303);
    ring(&site).await;
    rung().await;
    send(&site.second().await, id, "from elsewhere").await;
    let told = stream.next_of("message").await;
    assert_eq!(told.data["text"], "from elsewhere");
    assert!(!working.is_finished(), "the worker lives");
}

/// The program itself, serving the site of a test.
struct Beside {
    child: Child,
    log: BufReader<ChildStderr>,
    url: String,
}

/// Serves a site by the program, started by another if `by` names one. Its clock is the computer's.
async fn beside(site: &TestApp, by: &[&str], settings: &[(&str, &str)]) -> Beside {
    let mut command = lyceum(site.folder());
    if let Some((starter, words)) = by.split_first() {
        let mut started = Command::new(starter);
        started.args(words).arg(env!("CARGO_BIN_EXE_lyceum"));
        for (name, value) in command.as_std().get_envs() {
            match value {
                Some(value) => started.env(name, value),
                None => started.env_remove(name),
            };
        }
        started.current_dir(site.folder()).kill_on_drop(true);
        command = started;
    }
    let config = &site.app.config;
    command
        .arg("serve")
        .env("LYCEUM_DATA", site.folder())
        .env("LYCEUM_DATABASE", &config.database)
        .env("LYCEUM_SECRET", &config.secret.0)
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let line = line_with(&mut log, "listening on http://").await;
    let address = line.rsplit("http://").next().unwrap().trim();
    Beside {
        url: format!("http://{address}"),
        child,
        log,
    }
}

/// A site with the computer's time, and a teacher who is logged in.
async fn with_teacher() -> (TestApp, i64, Browser) {
    let site = TestApp::start().await;
    site.clock.set(Clock::system().now());
    let id = site.person("clara", Role::Instructor).await;
    let clara = site.login("clara").await;
    (site, id, clara)
}

/// Files below a folder.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_in(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// A program that serves a site whose files have two megabytes of room.
struct Cramped {
    served: Beside,
    store: PathBuf,
}

impl Cramped {
    async fn serve(site: &TestApp) -> Self {
        let store = site.scratch("store");
        std::fs::create_dir_all(&store).unwrap();
        let store = store.to_str().unwrap();
        let by = [
            "unshare",
            "--mount",
            "--map-root-user",
            "sh",
            "-c",
            "mount -t tmpfs -o size=2m tmpfs \"$0\" && exec \"$@\"",
            store,
        ];
        let files = format!("disk:{store}");
        let settings = [
            ("LYCEUM_FILES", files.as_str()),
            ("LYCEUM_AUDIO_FORMATS", "m4a,wav"),
        ];
        Self {
            served: beside(site, &by, &settings).await,
            store: store.into(),
        }
    }

    fn id(&self) -> String {
        self.served.child.id().unwrap().to_string()
    }

    /// The files that it sees in its store.
    fn stored(&self) -> Vec<PathBuf> {
        files_in(Path::new(&format!(
            "/proc/{}/root{}",
            self.id(),
            self.store.display()
        )))
    }

    async fn enlarge(&self) {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.id(), "--user", "--mount"]);
        command.args(["--preserve-credentials", "--", "mount", "-o"]);
        command.arg("remount,size=32m").arg(&self.store);
        assert!(command.status().await.unwrap().success());
    }
}

#[tokio::test]
async fn a_full_disk_is_told_in_words_and_leaves_nothing_half_written() {
    let (site, owner_id, clara) = with_teacher().await;
    let course = site.course(owner_id, "strings").await;
    let module = site.module(course.id, "One").await.id;
    let cramped = Cramped::serve(&site).await;
    let there = clara.at(&cramped.served.url);
    let form = format!("/course/module/{module}/content/file/create/");
    let key = "0f5a3c9e-1b2d-4e6f-8a7b-9c0d1e2f3a4b";
    let mut large = b"%PDF-1.7 ".to_vec();
    large.resize(4_000_000, b'x');
    let path = format!("{form}?key={key}");
    let page = there.script_file(&path, &[], "large.pdf", &large).await;
    page.expect(503).has(NO_ROOM);
    let found = upload_progress::Entity::find()
        .all(site.app.db.read())
        .await;
    let [row] = found.unwrap().try_into().unwrap();
    assert_eq!((row.key.as_str(), row.state.as_str()), (key, "failed"));
    assert!(row.fault.unwrap().starts_with(NO_ROOM));
    until("nothing stays in the store", async || {
        cramped.stored().is_empty().then_some(())
    })
    .await;
    assert_eq!(site.uploads().await, []);
    let page = there.post_file(&form, &[], "large.pdf", &large).await;
    page.expect(503).has(NO_ROOM);
    let small = b"%PDF-1.7 x";
    let page = there.script_file(&form, &[], "small.pdf", small).await;
    page.expect(200);
    assert_eq!(cramped.stored().len(), 1);
}

#[tokio::test]
async fn processing_without_room_is_tried_again_and_never_shown_as_ready() {
    let (site, owner_id, clara) = with_teacher().await;
    let course = site.course(owner_id, "strings").await;
    let module = site.module(course.id, "One").await.id;
    let cramped = Cramped::serve(&site).await;
    let there = clara.at(&cramped.served.url);
    // The original has room, and what is made of it has not.
    let sound = SOUND.replace("-t 1", "-t 14");
    let sound = site.recording("clave.wav", &sound).await;
    let path = format!("/course/module/{module}/content/audio/create/");
    let page = there.script_file(&path, &[], "clave.wav", &sound).await;
    let id = page.expect(200).json()["upload"].as_i64().unwrap();
    let state = format!("/uploads/{id}/state/");
    until("it is told why the file waits", async || {
        let told = there.get(&state).await.json();
        assert_eq!(told["ready"], false, "{told}");
        let words = told["words"].as_str().unwrap();
        words.contains("run out of disk space").then_some(())
    })
    .await;
    assert_eq!(site.view(id).await.renditions.len(), 1, "only the original");
    cramped.enlarge().await;
    until("the file is ready", async || {
        let told = there.get(&state).await.json();
        (told["ready"] == true).then_some(())
    })
    .await;
    let view = site.view(id).await;
    assert_eq!(view.sounds().len(), 2);
    for row in &view.renditions {
        let page = there.get(&view.url(&row.name)).await;
        let bytes = page.expect(200).bytes.len();
        assert_eq!(i64::try_from(bytes).unwrap(), row.size_bytes);
    }
    until("what earlier attempts left is gone", async || {
        (cramped.stored().len() == view.renditions.len()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_ffmpeg_uploads_wait_and_go_on_once_it_is_there() {
    let tools = tempfile::tempdir().unwrap();
    let site = TestApp::start_with(&[("ffmpeg", tools.path().to_str().unwrap())]).await;
    let clara = site.login_as("clara", Role::Instructor).await;
    let form = site.upload_form().await;
    let sound = site.recording("clave.wav", SOUND).await;
    let id = form
        .upload(&clara, "audio", "clave.wav", sound.clone())
        .await;
    assert_eq!(health(&site, "transcoder").await, (200, false));
    site.drain().await;
    let words = site.view(id).await.state_words();
    assert!(words.starts_with("In line again:"), "{words}");
    assert!(words.contains("Your file is kept"), "{words}");
    let original = clara.get(&format!("/media/{id}/original")).await;
    assert_eq!(original.expect(200).bytes, sound);
    for name in ["ffmpeg", "ffprobe"] {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {name}")])
            .output()
            .await
            .unwrap();
        let path = String::from_utf8(found.stdout).unwrap();
        std::os::unix::fs::symlink(path.trim(), tools.path().join(name)).unwrap();
    }
    site.drain().await;
    assert_eq!(
        site.view(id).await.upload.state,
        UploadState::Waiting,
        "it is not yet time to try again"
    );
    site.wait_seconds(60);
    site.drain().await;
    assert_eq!(site.view(id).await.state_words(), "Ready");
    until("the transcoder is well again", async || {
        health(&site, "transcoder").await.1.then_some(())
    })
    .await;
}

#[tokio::test]
async fn stopping_closes_event_streams_first_and_hands_running_jobs_back() {
    let (site, _, clara) = with_teacher().await;
    let form = site.upload_form().await;
    let film = site.recording("bow.mkv", FILM).await;
    let id = form.upload(&clara, "video", "bow.mkv", film).await;
    let (ffmpeg, pid_file) = stuck_ffmpeg(&site.scratch(""));
    let settings = [("LYCEUM_FFMPEG", ffmpeg.to_str().unwrap())];
    let mut served = beside(&site, &[], &settings).await;
    let pid = until("ffmpeg runs", async || {
        std::fs::read_to_string(&pid_file).ok()
    })
    .await;
    let process = Path::new("/proc").join(pid.trim());
    assert!(is_alive(&process));
    let mut stream = clara.at(&served.url).events("/events/", None).await;
    stream.greeting().await;
    // A request whose body is still on its way holds the process.
    let address = served.url.strip_prefix("http://").unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(
        b"POST /accounts/login/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n\
          Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 4\r\n\r\n",
    )
    .await
    .unwrap();
    let mut asked = [0; 12];
    slow.read_exact(&mut asked).await.unwrap();
    let child_id = served.child.id().unwrap().to_string();
    let mut kill = Command::new("kill");
    let sent = kill.args(["-TERM", &child_id]).status().await;
    assert!(sent.unwrap().success());
    stream.end().await;
    assert_eq!(served.child.try_wait().unwrap(), None, "a request is open");
    slow.write_all(b"a=bc").await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("HTTP/1.1 403"), "{answer}");
    let mut log = String::new();
    served.log.read_to_string(&mut log).await.unwrap();
    assert_eq!(served.child.wait().await.unwrap().code(), Some(0), "{log}");
    assert!(log.contains("job handed back"), "{log}");
    assert!(log.contains("stopped"), "{log}");
    // These would tell that it took all the time that it has.
    assert!(!log.contains("cut off"), "{log}");
    assert!(!log.contains("did not stop in time"), "{log}");
    until("its ffmpeg is gone", async || {
        (!is_alive(&process)).then_some(())
    })
    .await;
    let [job] = site.jobs_of(id).await.try_into().unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Waiting, 0));
    assert_eq!(site.view(id).await.state_words(), "In line, 1st");
}

/// What is logged, for the test to read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn fall() -> &'static str {
    panic!("the roof came down")
}

#[tokio::test]
async fn a_panic_in_a_handler_is_a_page_and_is_logged_once() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    std::panic::set_hook(Box::new(lyceum::web::errors::log_panic));
    let routes = router::served(&site.app, Router::new().route("/fall/", get(fall)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = maya.at(&format!("http://{}", listener.local_addr().unwrap()));
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let page = there.get("/fall/").await;
    page.expect(500).has("Something broke on our side");
    page.lacks("the roof");
    let id = page.header("x-request-id").unwrap();
    page.has(&id);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = logged
        .lines()
        .filter(|line| line.contains("roof"))
        .collect();
    assert_eq!(lines.len(), 1, "{logged}");
    assert!(
        lines[0].contains(&id) && lines[0].contains("ERROR"),
        "{logged}"
    );
    // The process lives, and so does the connection pool.
    there.get("/fall/").await.expect(500);
    maya.get("/messages/").await.expect(200);
}
