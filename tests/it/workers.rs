//! Workers as processes of their own: as many as one likes, over one database and one store, killed at any moment.

use crate::kit::{Browser, Role, TestApp, UploadForm, until};
use crate::process::line_with;
use backends::clock::Clock;
use lyceum::entities::job::JobState;
use lyceum::entities::message;
use lyceum::entities::upload::UploadState;
use sea_orm::EntityTrait as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::BufReader;
use tokio::process::{Child, Command};

const FILM: &str = "-f lavfi -i testsrc2=size=320x240:rate=25 -f lavfi -i sine=frequency=440 -t 1 \
                    -c:v mpeg4 -c:a mp3 -f matroska";

/// A site whose clock goes with those of the workers, and its teacher.
struct Studio {
    site: TestApp,
    clara: Browser,
    form: UploadForm,
}

async fn studio() -> Studio {
    let site = TestApp::start().await;
    let now = Clock::system().now() - chrono::TimeDelta::minutes(1);
    site.clock.set(now);
    let clara = site.login_as("clara", Role::Instructor).await;
    let form = site.upload_form().await;
    Studio { site, clara, form }
}

impl Studio {
    async fn state(&self, id: i64) -> UploadState {
        self.site.view(id).await.upload.state
    }

    /// `lyceum work` over the same database, and the files in `files`.
    fn worker(&self, ffmpeg: &Path, files: &str) -> Command {
        let config = &self.site.app.config;
        let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
        command
            .arg("work")
            .current_dir(self.site.folder())
            .env("LYCEUM_DATA", self.site.folder())
            .env("LYCEUM_DATABASE", &config.database)
            .env("LYCEUM_FILES", files)
            .env("LYCEUM_SECRET", &config.secret.0)
            .env("LYCEUM_LEASE_SECONDS", "1")
            .env("LYCEUM_FFMPEG", ffmpeg)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// An ffmpeg behind a gate: it notes that it was begun, and waits while its gate is closed.
struct Gate {
    folder: PathBuf,
}

impl Gate {
    fn new(scratch: &Path, name: &str) -> Self {
        let folder = scratch.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.display();
        let script = format!(
            "#!/bin/sh\n: > '{path}/begun'\nwhile [ -e '{path}/closed' ]; do sleep 0.05; done\nexec ffmpeg \"$@\"\n"
        );
        for (name, text) in [
            ("ffmpeg", script.as_str()),
            ("ffprobe", "#!/bin/sh\nexec ffprobe \"$@\"\n"),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::write(folder.join("closed"), "").unwrap();
        Self { folder }
    }

    async fn begun(&self) {
        let begun = self.folder.join("begun");
        until("ffmpeg is begun", async || begun.exists().then_some(())).await;
    }

    fn open(&self) {
        std::fs::remove_file(self.folder.join("closed")).unwrap();
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn two_workers_are_busy_one_is_killed_and_the_other_does_the_work_of_both() {
    let studio = studio().await;
    let site = &studio.site;
    let bytes = site.recording("bow.mkv", FILM).await;
    let mut ids = Vec::new();
    for name in ["one.mkv", "two.mkv"] {
        let sent = studio
            .form
            .upload(&studio.clara, "video", name, bytes.clone());
        ids.push(sent.await);
    }
    let scratch = site.scratch("");
    let gates = [Gate::new(&scratch, "first"), Gate::new(&scratch, "second")];
    let [mut first, mut second]: [Child; 2] = gates
        .each_ref()
        .map(|gate| studio.worker(&gate.folder, "disk:").spawn().unwrap());
    for gate in &gates {
        gate.begun().await;
    }
    for id in &ids {
        assert_eq!(studio.state(*id).await, UploadState::Processing);
    }
    first.start_kill().unwrap();
    first.wait().await.unwrap();
    gates[1].open();
    for id in &ids {
        until("the file is ready", async || {
            (studio.state(*id).await == UploadState::Ready).then_some(())
        })
        .await;
    }
    second.start_kill().unwrap();
    second.wait().await.unwrap();
    let mut attempts = Vec::new();
    let mut named = Vec::new();
    for id in &ids {
        let [job] = site.jobs_of(*id).await.try_into().unwrap();
        assert_eq!(job.state, JobState::Done);
        attempts.push(job.attempts);
        let view = site.view(*id).await;
        named.extend(view.renditions.iter().map(|row| row.key.clone()));
        let original = studio.clara.get(&view.original_url()).await;
        assert!(
            original.expect(200).bytes == bytes,
            "the file is as it was sent"
        );
        let film = studio.clara.get(&view.video_url().unwrap()).await;
        let seconds = seconds_of(site, &film.expect(200).bytes).await;
        assert!((seconds - 1.0).abs() < 0.5, "{seconds}");
    }
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 2], "the killed one's file was begun twice");
    named.sort();
    assert_eq!(
        site.stored().await,
        named,
        "nothing else stays in the store"
    );
    let messages = message::Entity::find().all(site.app.db.read()).await;
    let mut texts: Vec<_> = messages.unwrap().into_iter().map(|row| row.text).collect();
    texts.sort();
    let expected = [
        "Your file one.mkv has been processed",
        "Your file two.mkv has been processed",
    ];
    assert_eq!(texts, expected, "each once");
}

/// How long a film plays, as ffprobe says.
async fn seconds_of(site: &TestApp, film: &[u8]) -> f64 {
    let path = site.scratch("film.mp4");
    std::fs::write(&path, film).unwrap();
    let asked = [
        "-v",
        "error",
        "-show_entries",
        "format=duration",
        "-of",
        "csv=p=0",
    ];
    let output = Command::new("ffprobe")
        .args(asked)
        .arg(&path)
        .output()
        .await;
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_hands_its_file_back_at_once() {
    let studio = studio().await;
    let site = &studio.site;
    let bytes = site.recording("bow.mkv", FILM).await;
    let id = studio
        .form
        .upload(&studio.clara, "video", "bow.mkv", bytes)
        .await;
    let gate = Gate::new(&site.scratch(""), "gate");
    let mut worker = studio.worker(&gate.folder, "disk:").spawn().unwrap();
    gate.begun().await;
    let pid = worker.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status().await;
    assert!(sent.unwrap().success());
    assert_eq!(worker.wait().await.unwrap().code(), Some(0));
    assert_eq!(studio.state(id).await, UploadState::Waiting);
    let [job] = site.jobs_of(id).await.try_into().unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Waiting, 0));
    assert_eq!(site.half_written(), 0);
}

#[tokio::test]
async fn a_worker_that_does_not_see_the_files_of_the_site_says_so_and_takes_none() {
    let studio = studio().await;
    let site = &studio.site;
    let bytes = site.recording("bow.mkv", FILM).await;
    let id = studio
        .form
        .upload(&studio.clara, "video", "bow.mkv", bytes)
        .await;
    let elsewhere = tempfile::tempdir().unwrap();
    let files = format!("disk:{}", elsewhere.path().display());
    let gate = Gate::new(&site.scratch(""), "gate");
    let ran = studio.worker(&gate.folder, &files).output().await.unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(
        told.contains("does not see the files of the site"),
        "{told}"
    );
    assert!(told.contains("LYCEUM_FILES"), "{told}");
    assert_eq!(studio.state(id).await, UploadState::Waiting);
    // One that sees them works.
    let mut worker = studio.worker(&gate.folder, "disk:").spawn().unwrap();
    let mut log = BufReader::new(worker.stderr.take().unwrap());
    line_with(&mut log, "job begun").await;
}
