//! Processing: from any file to what browsers play, told truthfully, done once.

use crate::kit::{Browser, Role, TestApp, UploadForm, until};
use backends::bus::Delivery;
use backends::clock::Clock;
use lyceum::entities::item::ItemKind;
use lyceum::entities::job::JobState;
use lyceum::entities::message::{self, MessageLevel};
use lyceum::entities::upload::UploadState;
use lyceum::media::SweepMedia;
use sea_orm::EntityTrait as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::{Child, Command};

const FILM: &str = "-f lavfi -i testsrc2=size=320x240:rate=25 -f lavfi -i sine=frequency=440 -t 1 \
                    -c:v mpeg4 -c:a mp3 -f matroska";
const SOUND: &str = "-f lavfi -i sine=frequency=440 -t 1 -c:a pcm_s16le -f wav";

struct Studio {
    site: TestApp,
    clara: Browser,
    form: UploadForm,
}

async fn studio(settings: &[(&str, &str)]) -> Studio {
    let site = TestApp::start_with(settings).await;
    let clara = site.login_as("clara", Role::Instructor).await;
    let form = site.upload_form().await;
    Studio { site, clara, form }
}

impl Studio {
    async fn upload(&self, kind: &str, name: &str, args: &str) -> i64 {
        let bytes = self.site.recording(name, args).await;
        self.form.upload(&self.clara, kind, name, bytes).await
    }

    async fn messages(&self) -> Vec<message::Model> {
        message::Entity::find()
            .all(self.site.app.db.read())
            .await
            .unwrap()
    }

    async fn words(&self, id: i64) -> String {
        let page = self.clara.get(&format!("/uploads/{id}/state/")).await;
        page.expect(200).json()["words"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Names of what was made, and the folder of each in the store.
    async fn made(&self, id: i64) -> Vec<(String, String)> {
        let view = self.site.view(id).await;
        let names = view.renditions.into_iter().map(|row| (row.name, row.key));
        names.collect()
    }
}

#[tokio::test]
async fn a_picture_is_made_in_three_sizes_without_its_metadata() {
    let studio = studio(&[]).await;
    let args = "-f lavfi -i testsrc2=size=2000x1000 -frames:v 1 -update 1 -metadata comment=Lisbon";
    let id = studio.upload("image", "bow.jpg", args).await;
    studio.site.drain().await;
    let view = studio.site.view(id).await;
    assert_eq!(view.state_words(), "Ready");
    let widths: Vec<_> = view
        .pictures()
        .iter()
        .map(|row| row.width.unwrap())
        .collect();
    assert_eq!(widths, [480, 960, 1920]);
    for row in view.pictures() {
        let page = studio.clara.get(&view.url(&row.name)).await;
        let bytes = &page.expect(200).bytes;
        assert_eq!(i64::try_from(bytes.len()).unwrap(), row.size_bytes);
        assert!(!bytes.windows(6).any(|part| part == b"Lisbon"));
    }
    let [one] = studio.messages().await.try_into().unwrap();
    assert_eq!(one.text, "Your file bow.jpg has been processed");
}

#[tokio::test]
async fn a_film_plays_everywhere_once_it_is_ready() {
    let studio = studio(&[]).await;
    let id = studio.upload("video", "bow.mkv", FILM).await;
    assert_eq!(studio.words(id).await, "In line, 1st");
    let view = studio.site.view(id).await;
    assert_eq!(
        (view.video_url(), view.poster_url(), view.hls_url()),
        (None, None, None),
        "no link before the file"
    );
    studio.site.drain().await;
    let view = studio.site.view(id).await;
    assert_eq!(view.upload.state, UploadState::Ready, "{:?}", view.upload);
    assert!(view.upload.duration_seconds.unwrap() > 0.9);
    assert_eq!(
        (view.upload.width, view.upload.height),
        (Some(320), Some(240))
    );
    for (url, mime) in [
        (view.video_url(), "video/mp4"),
        (view.poster_url(), "image/jpeg"),
        (view.thumbnail_url(), "image/jpeg"),
        (view.hls_url(), "application/vnd.apple.mpegurl"),
        (view.thumbnails_url(), "text/vtt"),
    ] {
        let page = studio.clara.get(&url.unwrap()).await;
        assert_eq!(
            page.expect(200).header("content-type").as_deref(),
            Some(mime)
        );
    }
    assert_eq!(studio.site.half_written(), 0, "work folders are removed");
}

#[tokio::test]
async fn a_recording_is_offered_in_every_format_that_the_site_asks_for() {
    let studio = studio(&[("audio_formats", "m4a,flac,wav")]).await;
    let id = studio.upload("audio", "clave.wav", SOUND).await;
    studio.site.drain().await;
    let view = studio.site.view(id).await;
    let sounds = view.sounds();
    let names: Vec<_> = sounds.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["M4A", "FLAC", "WAV"], "{:?}", view.upload);
    for (_, url) in sounds {
        let page = studio.clara.get(&url).await;
        let disposition = page.expect(200).header("content-disposition").unwrap();
        assert!(disposition.contains("filename=\"clave."), "{disposition}");
    }
}

#[tokio::test]
async fn the_owner_alone_hears_that_her_file_is_ready_under_the_title_of_its_item() {
    let studio = studio(&[]).await;
    let other = studio.site.person("robert", Role::Instructor).await;
    let id = studio.upload("audio", "clave.wav", SOUND).await;
    let owner_id = studio.site.view(id).await.upload.owner_id;
    let course = studio.site.course(owner_id, "rhythm").await;
    let module = studio.site.module(course.id, "One").await;
    let kind = ItemKind::Audio;
    studio
        .site
        .show(module.id, kind, "The clave, slowly", id)
        .await;
    let mut hers = studio.site.app.bus.subscribe(&format!("user:{owner_id}"));
    let mut his = studio.site.app.bus.subscribe(&format!("user:{other}"));
    studio.site.drain().await;
    let [one] = studio.messages().await.try_into().unwrap();
    assert_eq!(one.recipient_id, owner_id);
    assert_eq!(one.text, "Your file The clave, slowly has been processed");
    assert_eq!(one.level, MessageLevel::Success);
    assert_eq!(
        one.link,
        format!("/students/course/{}/{}/", course.id, module.id)
    );
    let mut states = Vec::new();
    while states.last().is_none_or(|state| state != "ready") {
        let Some(Delivery::Event(event)) = hers.recv().await else {
            panic!("events were lost");
        };
        let event: serde_json::Value = event.decode().unwrap();
        if event["type"] == "upload" {
            assert_eq!(event["id"], id);
            assert_eq!(event["ready"], event["state"] == "ready");
            states.push(event["state"].as_str().unwrap().to_owned());
        }
    }
    states.dedup();
    assert_eq!(states, ["processing", "ready"]);
    let nothing = tokio::select! {
        biased;
        _ = his.recv() => false,
        () = std::future::ready(()) => true,
    };
    assert!(nothing, "somebody else heard of it");
}

#[tokio::test]
async fn a_file_that_cannot_be_processed_says_why_and_can_be_tried_again() {
    let studio = studio(&[]).await;
    let mut film = studio
        .site
        .recording(
            "bow.mp4",
            "-f lavfi -i testsrc2=size=64x64 -t 1 -c:v mpeg4 -f mp4",
        )
        .await;
    film.truncate(film.len() / 2);
    let id = studio
        .form
        .upload(&studio.clara, "video", "bow.mp4", film)
        .await;
    studio.site.drain().await;
    let words = studio.words(id).await;
    assert!(words.starts_with("Failed: this file is cut off"), "{words}");
    let [one] = studio.messages().await.try_into().unwrap();
    assert!(
        one.text
            .starts_with("Your file bow.mp4 could not be processed: This file is cut off"),
        "{}",
        one.text
    );
    assert_eq!(one.level, MessageLevel::Error);
    let robert = studio.site.login_as("robert", Role::Staff).await;
    let path = format!("/uploads/{id}/retry/");
    robert.post(&path, &[]).await.expect(404);
    robert
        .get(&format!("/uploads/{id}/state/"))
        .await
        .expect(404);
    let page = studio.clara.post(&path, &[("next", "/course/mine/")]).await;
    assert_eq!(page.expect(303).location(), "/course/mine/");
    assert_eq!(studio.words(id).await, "In line, 1st");
    studio.clara.post(&path, &[]).await.expect(409);
    studio.site.drain().await;
    assert!(studio.words(id).await.starts_with("Failed:"));
    let told = studio.messages().await;
    assert_eq!(told.len(), 2, "each failure is told once");
    let unread: Vec<i64> = told
        .iter()
        .filter(|one| !one.is_read)
        .map(|one| one.id)
        .collect();
    let newest = told.iter().map(|one| one.id).max();
    assert_eq!(
        unread,
        Vec::from_iter(newest),
        "the newest alone waits to be dismissed"
    );
    assert_eq!(studio.made(id).await.len(), 1, "only the original");
}

#[tokio::test]
async fn a_film_without_pictures_says_that_it_is_sound() {
    let studio = studio(&[]).await;
    let sound = "-f lavfi -i sine=frequency=440 -t 1 -c:a aac -f mp4";
    let id = studio.upload("video", "clave.mp4", sound).await;
    studio.site.drain().await;
    let words = studio.words(id).await;
    assert_eq!(
        words,
        "Failed: this file holds sound only. Add it as audio instead"
    );
}

#[tokio::test]
async fn a_missing_ffmpeg_keeps_the_file_and_is_told_in_plain_words() {
    let studio = studio(&[("ffmpeg", "/nowhere/ffmpeg")]).await;
    let id = studio.upload("audio", "clave.wav", SOUND).await;
    studio.site.drain().await;
    let words = studio.words(id).await;
    assert!(
        words.starts_with("In line again: this site cannot process recordings"),
        "{words}"
    );
    assert_eq!(studio.messages().await, [], "it is not given up yet");
    studio.clara.get("/healthz").await.expect(200);
    for _ in 0..4 {
        studio.site.wait_seconds(3600);
        studio.site.drain().await;
    }
    let words = studio.words(id).await;
    let expected =
        "Failed: it was tried several times. This site cannot process recordings at the moment";
    assert_eq!(words, expected);
    let [one] = studio.messages().await.try_into().unwrap();
    assert!(
        one.text.contains("cannot process recordings"),
        "{}",
        one.text
    );
    let original = studio.clara.get(&format!("/media/{id}/original")).await;
    assert!(!original.expect(200).bytes.is_empty(), "the file is kept");
}

#[tokio::test]
async fn short_files_go_before_long_ones_and_each_knows_its_place() {
    let studio = studio(&[]).await;
    let sound = studio.site.recording("clave.wav", SOUND).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(
            studio
                .form
                .upload(&studio.clara, "audio", "clave.wav", sound.clone())
                .await,
        );
    }
    let picture = "-f lavfi -i testsrc2=size=64x64 -frames:v 1 -update 1";
    ids.push(studio.upload("image", "bow.png", picture).await);
    let db = studio.site.app.db.read();
    let views = lyceum::media::list_files(db, &ids).await.unwrap();
    let words: Vec<_> = ids.iter().map(|id| views[id].state_words()).collect();
    assert_eq!(
        words,
        [
            "In line, 2nd",
            "In line, 3rd",
            "In line, 4th",
            "In line, 1st"
        ]
    );
    let before = studio.site.app.db.statements();
    lyceum::media::list_files(db, &ids).await.unwrap();
    assert_eq!(
        studio.site.app.db.statements() - before,
        6,
        "however many files there are"
    );
}

#[tokio::test]
async fn a_file_deleted_while_it_is_processed_leaves_nothing_behind() {
    let studio = studio(&[]).await;
    let args = FILM.replace("-t 1", "-t 8");
    let id = studio.upload("video", "bow.mkv", &args).await;
    let owner_id = studio.site.view(id).await.upload.owner_id;
    let course = studio.site.course(owner_id, "bows").await;
    let module = studio.site.module(course.id, "One").await;
    let item = studio
        .site
        .show(module.id, ItemKind::Video, "Bow", id)
        .await;
    let mut events = studio.site.app.bus.subscribe(&format!("user:{owner_id}"));
    let draining = studio.site.drain();
    let deleting = async {
        events.recv().await;
        studio.site.delete_item(item).await;
    };
    tokio::join!(draining, deleting);
    studio.site.drain().await;
    until("nothing stays behind", async || {
        let is_empty = studio.site.stored().await.is_empty() && studio.site.half_written() == 0;
        is_empty.then_some(())
    })
    .await;
    assert_eq!(studio.site.uploads().await, []);
    assert_eq!(studio.messages().await, [], "nobody waits for it any more");
}

#[tokio::test]
async fn what_accidents_left_is_swept_after_a_day() {
    let studio = studio(&[]).await;
    let id = studio.upload("audio", "clave.wav", SOUND).await;
    let store = |key: &'static str| async {
        let mut writer = studio.site.app.files.create(key).await.unwrap();
        writer.write(vec![1].into()).await.unwrap();
        writer.finish().await.unwrap();
    };
    store("uploads/20260302-00000000000000000000000000000001/original").await;
    store("uploads/elsewhere/original").await;
    let sweep = async || {
        let mut write = studio.site.app.write().await.unwrap();
        lyceum::jobs::enqueue(&studio.site.app, &mut write, &SweepMedia {})
            .await
            .unwrap();
        write.commit().await.unwrap();
        studio.site.drain().await;
        studio.site.stored().await.len()
    };
    let before = sweep().await;
    studio.site.wait_seconds(2 * 86_400);
    assert_eq!(sweep().await, before - 1, "only what is old and nobody's");
    studio
        .clara
        .get(&format!("/media/{id}/original"))
        .await
        .expect(200);
}

#[tokio::test]
async fn captions_copied_by_an_attempt_that_broke_off_go_and_captions_on_their_way_stay() {
    let studio = studio(&[]).await;
    let id = studio.upload("audio", "clave.wav", SOUND).await;
    let prefix = studio.site.view(id).await.upload.prefix;
    let files = &studio.site.app.files;
    let copied = format!("{prefix}/carried-00000000000000ff/captions-en.vtt");
    let on_their_way = format!("{prefix}/captions-de-00000000000000ff.vtt");
    for key in [&copied, &on_their_way] {
        let mut writer = files.create(key).await.unwrap();
        writer.write(b"WEBVTT\n"[..].into()).await.unwrap();
        writer.finish().await.unwrap();
    }
    studio.site.drain().await;
    assert_eq!(studio.words(id).await, "Ready");
    assert!(files.size(&copied).await.is_err());
    assert!(files.size(&on_their_way).await.is_ok());
}

/// Starts `lyceum work` over the same site.
fn worker(site: &TestApp, ffmpeg: Option<&Path>) -> Child {
    let config = &site.app.config;
    let mut command = Command::new(env!("CARGO_BIN_EXE_lyceum"));
    command
        .arg("work")
        .current_dir(site.folder())
        .env("LYCEUM_DATA", site.folder())
        .env("LYCEUM_FILES", &site.app.config.files)
        .env("LYCEUM_DATABASE", &config.database)
        .env("LYCEUM_SECRET", &config.secret.0)
        .env("LYCEUM_LEASE_SECONDS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if let Some(path) = ffmpeg {
        command.env("LYCEUM_FFMPEG", path);
    }
    command.spawn().unwrap()
}

/// A folder with an ffmpeg that says who it is and then never ends, and the real ffprobe.
pub fn stuck_ffmpeg(scratch: &Path) -> (PathBuf, PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = scratch.join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let pid = scratch.join("pid");
    let script = format!(
        "#!/bin/sh\necho $$ > '{0}.new' && mv '{0}.new' '{0}'\nexec sleep 1000\n",
        pid.display()
    );
    for (name, text) in [
        ("ffmpeg", script.as_str()),
        ("ffprobe", "#!/bin/sh\nexec ffprobe \"$@\"\n"),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    (folder, pid)
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn a_worker_killed_takes_its_ffmpeg_along_and_its_job_is_done_once_elsewhere() {
    let studio = studio(&[]).await;
    let site = &studio.site;
    // The workers are processes of their own, with the computer's clock.
    site.clock
        .set(Clock::system().now() - chrono::TimeDelta::minutes(1));
    studio.clara.set_cookie("sessionid", None);
    let clara = site.login("clara").await;
    let bytes = site.recording("bow.mkv", FILM).await;
    let id = studio.form.upload(&clara, "video", "bow.mkv", bytes).await;
    let (ffmpeg, pid_file) = stuck_ffmpeg(&site.scratch(""));
    let mut first = worker(site, Some(&ffmpeg));
    let pid = until("ffmpeg runs", async || {
        std::fs::read_to_string(&pid_file).ok()
    })
    .await;
    let process = Path::new("/proc").join(pid.trim());
    assert!(process.exists());
    assert_eq!(site.view(id).await.upload.state, UploadState::Processing);
    first.start_kill().unwrap();
    first.wait().await.unwrap();
    until("its ffmpeg is gone", async || {
        (!is_alive(&process)).then_some(())
    })
    .await;
    // What an attempt leaves that dies between storing its results and saying so.
    let prefix = site.view(id).await.upload.prefix;
    let left = format!("{prefix}/1/video.mp4");
    let mut writer = site.app.files.create(&left).await.unwrap();
    writer.write(vec![1].into()).await.unwrap();
    writer.finish().await.unwrap();
    let mut second = worker(site, None);
    until("the file is ready", async || {
        let page = clara.get(&format!("/uploads/{id}/state/")).await;
        (page.json()["ready"] == true).then_some(())
    })
    .await;
    let (names, mut keys): (Vec<String>, Vec<String>) = studio.made(id).await.into_iter().unzip();
    assert_eq!(
        names,
        [
            "original",
            "video.mp4",
            "poster.jpg",
            "thumbnail.jpg",
            "master.m3u8",
            "v240.m3u8",
            "v240.mp4",
            "sound.m3u8",
            "sound.mp4",
            "sprite-0.jpg",
            "thumbnails.vtt"
        ]
    );
    keys.sort();
    until("nothing else is stored", async || {
        (site.stored().await == keys).then_some(())
    })
    .await;
    second.start_kill().unwrap();
    second.wait().await.unwrap();
    let [one] = studio.messages().await.try_into().unwrap();
    assert_eq!(one.text, "Your file bow.mkv has been processed");
    let [job] = site.jobs_of(id).await.try_into().unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Done, 2));
}

/// A process that has ended and was not waited for yet does not count.
pub fn is_alive(process: &Path) -> bool {
    let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .map(|(_, rest)| rest.starts_with('Z'));
    state == Some(false)
}

#[tokio::test]
async fn a_worker_that_stops_puts_the_file_back_in_line_and_ends_its_ffmpeg() {
    let scratch = tempfile::tempdir().unwrap();
    let (ffmpeg, pid_file) = stuck_ffmpeg(scratch.path());
    let studio = studio(&[("ffmpeg", ffmpeg.to_str().unwrap())]).await;
    let site = &studio.site;
    let id = studio.upload("video", "bow.mkv", FILM).await;
    let registry = lyceum::registry::registry();
    let working = tokio::spawn(lyceum::jobs::work(site.app.clone(), registry));
    let pid = until("ffmpeg runs", async || {
        std::fs::read_to_string(&pid_file).ok()
    })
    .await;
    assert_eq!(studio.words(id).await, "Processing 0 %");
    site.app.stopping.cancel();
    working.await.unwrap();
    let process = Path::new("/proc").join(pid.trim());
    until("its ffmpeg is gone", async || {
        (!is_alive(&process)).then_some(())
    })
    .await;
    assert_eq!(studio.words(id).await, "In line, 1st");
    let [job] = site.jobs_of(id).await.try_into().unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Waiting, 0));
    assert_eq!(studio.messages().await, []);
}

#[tokio::test]
async fn those_in_line_hear_that_the_line_has_moved() {
    let studio = studio(&[]).await;
    let sound = studio.site.recording("clave.wav", SOUND).await;
    let first = studio
        .form
        .upload(&studio.clara, "audio", "a.wav", sound.clone())
        .await;
    let second = studio
        .form
        .upload(&studio.clara, "audio", "b.wav", sound)
        .await;
    let owner_id = studio.site.view(first).await.upload.owner_id;
    let group = format!("user:{owner_id}");
    let mut events = studio.site.app.bus.subscribe(&group);
    assert_eq!(studio.words(second).await, "In line, 2nd");
    studio.site.drain().await;
    let mut told = Vec::new();
    while told.last().is_none_or(|words| words != "Processing 0 %") {
        let Some(Delivery::Event(event)) = events.recv().await else {
            panic!("events were lost");
        };
        let event: serde_json::Value = event.decode().unwrap();
        if event["type"] == "upload" && event["id"] == second {
            told.push(event["words"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(told, ["In line, 1st", "Processing 0 %"]);
}
