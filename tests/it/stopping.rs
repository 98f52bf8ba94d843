//! Stopping the processing of a file, trying it again, and what programs are told of it.

use crate::kit::{Browser, PASSWORD, Role, TestApp, UploadForm, until};
use crate::processing::{is_alive, stuck_ffmpeg};
use backends::bus::Subscription;
use lyceum::entities::item::ItemKind;
use lyceum::entities::job::JobState;
use lyceum::entities::upload::UploadState;
use reqwest::Method;
use serde_json::Value;
use std::path::Path;

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
    async fn sound(&self, name: &str) -> i64 {
        let bytes = self.site.recording(name, SOUND).await;
        self.form.upload(&self.clara, "audio", name, bytes).await
    }

    async fn state(&self, id: i64) -> UploadState {
        self.site.view(id).await.upload.state
    }

    /// Asks as a program does, with a name and password.
    async fn api(&self, method: Method, path: &str, user: &str) -> crate::kit::Page {
        let visitor = self.site.visitor();
        let request = visitor.request(method, path);
        visitor.send(request.basic_auth(user, Some(PASSWORD))).await
    }
}

#[tokio::test]
async fn a_file_in_line_is_stopped_once_kept_and_tried_again() {
    let studio = studio(&[]).await;
    let id = studio.sound("clave.wav").await;
    let path = format!("/uploads/{id}/cancel/");
    let page = studio.clara.post(&path, &[("next", "/course/mine/")]).await;
    assert_eq!(page.expect(303).location(), "/course/mine/");
    assert_eq!(studio.state(id).await, UploadState::Canceled);
    studio.clara.post(&path, &[]).await.expect(303);
    let state = studio.clara.get(&format!("/uploads/{id}/state/")).await;
    let state = state.expect(200).json();
    assert_eq!(state["state"], "canceled");
    assert_eq!(state["words"], "Stopped. Try again when you like.");
    studio.site.wait_seconds(120);
    studio.site.drain().await;
    assert_eq!(studio.state(id).await, UploadState::Canceled);
    let original = studio.clara.get(&format!("/media/{id}/original")).await;
    assert!(!original.expect(200).bytes.is_empty(), "the file is kept");
    let again = studio
        .clara
        .post(&format!("/uploads/{id}/retry/"), &[])
        .await;
    again.expect(303);
    studio.site.drain().await;
    assert_eq!(studio.state(id).await, UploadState::Ready);
    studio.clara.post(&path, &[]).await.expect(409);
    assert_eq!(
        studio.state(id).await,
        UploadState::Ready,
        "ready stays ready"
    );
}

#[tokio::test]
async fn of_two_words_about_a_file_the_newer_has_the_higher_number() {
    let studio = studio(&[]).await;
    let id = studio.sound("clave.wav").await;
    let told = async || {
        let state = studio.clara.get(&format!("/uploads/{id}/state/")).await;
        let revision = state.expect(200).json()["revision"].as_i64().unwrap();
        let page = studio.clara.get("/library/").await;
        page.has(&format!(
            "data-upload-id=\"{id}\" data-revision=\"{revision}\""
        ));
        revision
    };
    let mut all = vec![told().await];
    for verb in ["cancel", "retry"] {
        let path = format!("/uploads/{id}/{verb}/");
        studio.clara.post(&path, &[]).await.expect(303);
        all.push(told().await);
    }
    studio.site.drain().await;
    all.push(told().await);
    assert!(all.is_sorted_by(|older, newer| older < newer), "{all:?}");
}

#[tokio::test]
async fn stopping_ends_the_ffmpeg_of_whichever_process_runs_it_and_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (ffmpeg, pid_file) = stuck_ffmpeg(scratch.path());
    let studio = studio(&[("ffmpeg", ffmpeg.to_str().unwrap())]).await;
    let worker = studio.site.second().await;
    let bytes = studio.site.recording("bow.mkv", FILM).await;
    let id = studio.form.upload(&studio.clara, "video", "bow.mkv", bytes);
    let id = id.await;
    let registry = lyceum::registry::registry();
    let working = tokio::spawn(lyceum::jobs::work(worker.app.clone(), registry));
    let pid = until("ffmpeg runs", async || {
        std::fs::read_to_string(&pid_file).ok()
    })
    .await;
    let process = Path::new("/proc").join(pid.trim());
    assert_eq!(studio.state(id).await, UploadState::Processing);
    let stopped = studio
        .clara
        .post(&format!("/uploads/{id}/cancel/"), &[])
        .await;
    stopped.expect(303);
    until("its ffmpeg is gone", async || {
        (!is_alive(&process)).then_some(())
    })
    .await;
    until("nothing stays behind", async || {
        let keys = studio.site.stored().await;
        (keys.len() == 1 && studio.site.half_written() == 0).then_some(())
    })
    .await;
    assert_eq!(studio.state(id).await, UploadState::Canceled);
    let [job] = studio.site.jobs_of(id).await.try_into().unwrap();
    assert_eq!(job.state, JobState::Canceled);
    worker.app.stopping.cancel();
    working.await.unwrap();
    assert_eq!(studio.state(id).await, UploadState::Canceled);
}

/// Lets so many events go by, or turns of the runtime where there are none.
async fn pass_events(events: &mut Subscription, count: usize) {
    for _ in 0..count {
        tokio::select! {
            _ = events.recv() => {}
            () = tokio::task::yield_now() => {}
        }
    }
}

#[tokio::test]
async fn a_file_stopped_while_it_becomes_ready_is_either_and_never_half() {
    let studio = studio(&[]).await;
    let mut seen = Vec::new();
    for turn in 0..6 {
        let id = studio.sound("clave.wav").await;
        let owner_id = studio.site.view(id).await.upload.owner_id;
        let mut events = studio.site.app.bus.subscribe(&format!("user:{owner_id}"));
        let stopping = async {
            // After one more event each time: from the beginning to the end of its processing.
            pass_events(&mut events, turn).await;
            studio
                .clara
                .post(&format!("/uploads/{id}/cancel/"), &[])
                .await
        };
        let (_, answer) = tokio::join!(studio.site.drain(), stopping);
        studio.site.wait_seconds(120);
        studio.site.drain().await;
        let view = studio.site.view(id).await;
        let [job] = studio.site.jobs_of(id).await.try_into().unwrap();
        let keys = studio
            .site
            .app
            .files
            .list(&view.upload.prefix)
            .await
            .unwrap();
        match view.upload.state {
            UploadState::Ready => {
                assert_eq!((answer.status, job.state), (409, JobState::Done));
                assert!(view.find("audio.m4a").is_some());
                assert_eq!(keys.len(), view.renditions.len());
            }
            UploadState::Canceled => {
                assert_eq!((answer.status, job.state), (303, JobState::Canceled));
                assert_eq!(view.renditions.len(), 1, "only the original");
                assert_eq!(keys.len(), 1, "{keys:?}");
            }
            other => panic!("{other:?}"),
        }
        seen.push(view.upload.state);
    }
    assert!(seen.contains(&UploadState::Canceled), "{seen:?}");
}

#[tokio::test]
async fn only_the_owner_of_a_file_and_who_manages_the_course_may_stop_it() {
    let studio = studio(&[]).await;
    let id = studio.sound("clave.wav").await;
    let owner_id = studio.site.view(id).await.upload.owner_id;
    let course = studio.site.course(owner_id, "rhythm").await;
    let module = studio.site.module(course.id, "One").await;
    let content = studio.site.content(module.id, "The clave", |row| {
        row.kind = sea_orm::ActiveValue::Set(ItemKind::Audio);
        row.upload_id = sea_orm::ActiveValue::Set(Some(id));
    });
    let content = content.await.id;
    let robert = studio.site.login_as("robert", Role::Instructor).await;
    let anonymous = studio.site.visitor();
    for path in [
        format!("/uploads/{id}/cancel/"),
        format!("/course/content/{content}/cancel/"),
        format!("/api/uploads/{id}/cancel/"),
    ] {
        robert.post(&path, &[]).await.expect(404);
        let page = anonymous.post(&path, &[]).await;
        assert!(
            [303, 302, 401].contains(&page.status),
            "{path}: {}",
            page.status
        );
        let forged = studio.clara.request(Method::POST, &path);
        studio.clara.send(forged).await.expect(403);
    }
    assert_eq!(studio.state(id).await, UploadState::Waiting);
    let staff = studio.site.login_as("vera", Role::Staff).await;
    let outline = format!("/course/module/{}/", module.id);
    let page = studio.clara.get(&outline).await;
    page.expect(200)
        .has("Stop: The clave")
        .has("data-state=\"waiting\"");
    let page = staff
        .post(&format!("/course/content/{content}/cancel/"), &[])
        .await;
    assert!(page.expect(303).location().starts_with(&outline));
    assert_eq!(studio.state(id).await, UploadState::Canceled);
    let page = studio.clara.get(&outline).await;
    page.expect(200)
        .has("data-state=\"canceled\"")
        .has("Stopped. Try again when you like.")
        .has("1 content, 1 stopped");
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn programs_read_how_a_file_stands_stop_it_and_try_it_again() {
    let studio = studio(&[]).await;
    let id = studio.sound("clave.wav").await;
    let path = format!("/api/uploads/{id}/");
    let page = studio.site.visitor().get(&path).await;
    let asked = page.expect(401).header("www-authenticate");
    assert_eq!(asked.as_deref(), Some("Basic realm=\"api\""));
    studio.site.person("robert", Role::Instructor).await;
    studio.api(Method::GET, &path, "robert").await.expect(404);
    for unknown in [
        "/api/uploads/0/",
        "/api/uploads/x/",
        "/api/uploads/99999999999999999999/",
    ] {
        let page = studio.api(Method::GET, unknown, "clara").await;
        assert_eq!(page.expect(404).json()["detail"], "Not found.");
    }
    let page = studio.api(Method::GET, &path, "clara").await;
    let allow = page.expect(200).header("allow");
    let methods = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS";
    assert_eq!(allow.as_deref(), Some(methods));
    let vary = page.header("vary").unwrap();
    assert!(vary.starts_with("Accept, Cookie"), "{vary}");
    let told = page.json();
    assert_eq!(told["state"], "waiting");
    assert_eq!(
        (&told["place_in_line"], &told["percent"]),
        (&Value::from(1), &Value::Null)
    );
    assert_eq!(
        (&told["fault"], &told["ready"]),
        (&Value::Null, &Value::from(false))
    );
    assert_eq!(told["created"], "2026-03-02T09:30:00.123456Z");
    assert_eq!(told["files"].as_array().unwrap().len(), 1);
    let post = studio.api(Method::POST, &path, "clara").await;
    assert_eq!(
        post.expect(405).json()["detail"],
        "Method \"POST\" not allowed."
    );
    assert_eq!(post.header("allow").as_deref(), Some(methods));
    let options = studio.api(Method::OPTIONS, &path, "clara").await;
    assert_eq!(options.expect(200).json()["name"], "Upload Instance");
    let stop = format!("{path}cancel/");
    studio.api(Method::GET, &stop, "clara").await.expect(405);
    for _ in 0..2 {
        let page = studio.api(Method::POST, &stop, "clara").await;
        assert_eq!(page.expect(200).json()["state"], "canceled");
    }
    let again = format!("{path}retry/");
    let page = studio.api(Method::POST, &again, "clara").await;
    assert_eq!(page.expect(200).json()["state"], "waiting");
    studio.api(Method::POST, &again, "clara").await.expect(409);
    studio.site.drain().await;
    let told = studio.api(Method::GET, &path, "clara").await.json();
    assert_eq!(
        (&told["ready"], &told["place_in_line"]),
        (&Value::from(true), &Value::Null)
    );
    let files = told["files"].as_array().unwrap();
    let made = files
        .iter()
        .find(|file| file["name"] == "audio.m4a")
        .unwrap();
    let url = made["url"].as_str().unwrap();
    let bytes = studio.api(Method::GET, url, "clara").await;
    assert_eq!(
        bytes.expect(200).bytes.len() as u64,
        made["size_bytes"].as_u64().unwrap()
    );
}

#[tokio::test]
async fn staff_read_what_lies_behind_a_fault_and_teachers_never_do() {
    let studio = studio(&[("ffmpeg", "/nowhere/ffmpeg")]).await;
    let id = studio.sound("clave.wav").await;
    let owner_id = studio.site.view(id).await.upload.owner_id;
    let course = studio.site.course(owner_id, "rhythm").await;
    let module = studio.site.module(course.id, "One").await;
    let item = studio
        .site
        .show(module.id, ItemKind::Audio, "The clave", id);
    let item = item.await;
    for _ in 0..5 {
        studio.site.drain().await;
        studio.site.wait_seconds(3600);
    }
    assert_eq!(studio.state(id).await, UploadState::Failed);
    studio.site.person("vera", Role::Staff).await;
    let vera = studio.site.login("vera").await;
    let api = format!("/api/uploads/{id}/");
    let hers = studio.api(Method::GET, &api, "clara").await.json();
    assert!(hers["detail"].is_null(), "{hers}");
    assert!(
        hers["fault"].as_str().unwrap().contains("at the moment"),
        "{hers}"
    );
    let theirs = studio.api(Method::GET, &api, "vera").await.json();
    assert!(
        theirs["detail"].as_str().unwrap().contains("/nowhere"),
        "{theirs}"
    );
    let outline = format!("/course/module/{}/", module.id);
    let form = format!("/course/module/{}/content/audio/{item}/", module.id);
    for page in [outline, form] {
        studio.clara.get(&page).await.expect(200).lacks("/nowhere");
        vera.get(&page).await.expect(200).has("/nowhere");
    }
}

#[tokio::test]
async fn a_file_that_somebody_watches_goes_forward_once_and_only_its_owners() {
    let studio = studio(&[]).await;
    let robert = studio.site.login_as("robert", Role::Instructor).await;
    let bytes = studio.site.recording("clave.wav", SOUND).await;
    let first = studio.form.upload(&robert, "audio", "a.wav", bytes).await;
    let second = studio.sound("b.wav").await;
    let place = async |id| studio.site.view(id).await.place_in_line;
    assert_eq!(
        (place(first).await, place(second).await),
        (Some(1), Some(2))
    );
    // Somebody else's file stays where it is.
    let ids = format!("{second},nonsense,,-1");
    let watched = robert.post("/uploads/watched/", &[("ids", &ids)]).await;
    watched.expect(204);
    assert_eq!(place(second).await, Some(2));
    for _ in 0..3 {
        let watched = studio
            .clara
            .post("/uploads/watched/", &[("ids", &ids)])
            .await;
        watched.expect(204);
        assert_eq!(
            (place(first).await, place(second).await),
            (Some(2), Some(1))
        );
    }
    let ids = first.to_string();
    robert
        .post("/uploads/watched/", &[("ids", &ids)])
        .await
        .expect(204);
    assert_eq!(
        (place(first).await, place(second).await),
        (Some(1), Some(2))
    );
    studio
        .site
        .visitor()
        .post("/uploads/watched/", &[("ids", "1")])
        .await
        .expect(302);
}
