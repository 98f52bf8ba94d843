//! Captions of recordings, their transcripts, and films that may be downloaded.

use crate::kit::{Browser, Page, Role, TestApp};
use lyceum::entities::item::ItemKind;
use lyceum::entities::upload::UploadKind;
use lyceum::entities::{content, course, item, module, upload};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, header};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel};
use std::fmt::Write as _;

const SRT: &str =
    "1\r\n00:00:01,000 --> 00:00:03,000\r\n<i>Tie</i> a string & <script>down</script>.\r\n";
const GERMAN: &str = "WEBVTT\n\n00:01.000 --> 00:03.000\nBinde eine Saite fest.\n";

/// A teacher with a film in a course, and a student in it.
struct Studio {
    site: TestApp,
    teacher: Browser,
    student: Browser,
    course: course::Model,
    module: module::Model,
    content: content::Model,
    item: item::Model,
}

impl Studio {
    async fn new() -> Self {
        let site = TestApp::start().await;
        let teacher_id = site.person("ingrid", Role::Instructor).await;
        let course = site.course(teacher_id, "how-strings-sing").await;
        let module = site.module(course.id, "Nodes").await;
        let film = site
            .file(teacher_id, UploadKind::Video, "film.mp4", |row| {
                row.duration_seconds = Set(Some(60.0));
            })
            .await;
        let pixels = Some((1280, 720));
        site.rendition(&film, "video.mp4", "video/mp4", pixels)
            .await;
        let content = site
            .media(module.id, "Why certain notes", ItemKind::Video, &film)
            .await;
        let student_id = site.person("maya", Role::Student).await;
        site.enrollment(student_id, course.id).await;
        let (teacher, student) = (site.login("ingrid").await, site.login("maya").await);
        let item = item::Entity::find_by_id(content.item_id)
            .one(site.app.db.read())
            .await
            .unwrap()
            .unwrap();
        Self {
            site,
            teacher,
            student,
            course,
            module,
            content,
            item,
        }
    }

    fn edit(&self) -> String {
        format!(
            "/course/module/{}/content/video/{}/",
            self.module.id, self.item.id
        )
    }

    fn lesson(&self) -> String {
        format!("/students/course/{}/{}/", self.course.id, self.module.id)
    }

    fn transcript(&self) -> String {
        format!("/students/content/{}/transcript/", self.content.id)
    }

    fn media(&self, name: &str) -> String {
        format!("/media/{}/{name}", self.item.upload_id.unwrap())
    }

    async fn send(&self, browser: &Browser, language: &str, captions: &[u8]) -> Page {
        let token = browser.cookie("csrftoken").unwrap_or_default();
        let form = Form::new()
            .text("csrfmiddlewaretoken", token)
            .text("language", language.to_owned())
            .part(
                "captions",
                Part::bytes(captions.to_vec()).file_name("film.srt"),
            );
        let path = format!("{}captions/", self.edit());
        let request = browser.request(Method::POST, &path).multipart(form);
        browser.send(request).await
    }

    async fn add(&self, language: &str, captions: &str) {
        let page = self
            .send(&self.teacher, language, captions.as_bytes())
            .await;
        page.expect(303);
        assert_eq!(page.location(), format!("{}#captions-panel", self.edit()));
    }

    /// Keys of captions in the store.
    async fn stored(&self) -> Vec<String> {
        let keys = self.site.stored().await.into_iter();
        keys.filter(|key| key.contains("captions-")).collect()
    }
}

#[tokio::test]
async fn captions_are_kept_as_webvtt_and_shown_with_their_languages() {
    let studio = Studio::new().await;
    studio.add("English", SRT).await;
    studio.add("DE", GERMAN).await;
    let edit = studio.teacher.get(&studio.edit()).await;
    edit.has("English").has("Deutsch");
    let lesson = studio.student.get(&studio.lesson()).await;
    let (english, german) = (
        studio.media("captions-en.vtt"),
        studio.media("captions-de.vtt"),
    );
    lesson
        .has(&format!(
            "<track kind=\"captions\" srclang=\"de\" label=\"Deutsch\" src=\"{german}\">"
        ))
        .has(&format!(
            "<track kind=\"captions\" srclang=\"en\" label=\"English\" src=\"{english}\">"
        ));
    let file = studio.student.get(&english).await;
    file.expect(200);
    assert_eq!(file.header("content-type").unwrap(), "text/vtt");
    assert_eq!(
        file.text(),
        "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\n<i>Tie</i> a string &amp; &lt;script&gt;down&lt;/script&gt;.\n"
    );
}

#[tokio::test]
async fn a_transcript_stands_in_the_lesson_and_on_a_page_of_its_own_with_nothing_that_runs() {
    let studio = Studio::new().await;
    studio.add("en", SRT).await;
    let words = "Tie a string &#38; &#60;script&#62;down&#60;/script&#62;.";
    let lesson = studio.student.get(&studio.lesson()).await;
    lesson.has("<dt>0:01</dt>").has(words).lacks("<script>down");
    let page = studio.student.get(&studio.transcript()).await;
    page.expect(200).has(words).lacks("<script>down");
    studio.add("de", GERMAN).await;
    let german = format!("{}?language=de", studio.transcript());
    let page = studio.student.get(&german).await;
    page.expect(200).has("Binde eine Saite fest.").lacks(words);
    for missing in ["fr", "../x", ""] {
        let path = format!("{}?language={missing}", studio.transcript());
        studio.student.get(&path).await.expect(404);
    }
    let stranger = studio.site.login_as("zoe", Role::Student).await;
    stranger.get(&studio.transcript()).await.expect(404);
}

#[tokio::test]
async fn a_long_transcript_is_cut_in_the_lesson_and_whole_on_its_page() {
    let studio = Studio::new().await;
    let mut long = String::from("WEBVTT\n");
    for at in 0..300 {
        write!(
            long,
            "\n{:02}:{:02}.000 --> {:02}:{:02}.900\nSentence {at} says something about strings, and ends here.\n",
            at / 60,
            at % 60,
            at / 60,
            at % 60
        )
        .unwrap();
    }
    studio.add("en", &long).await;
    let lesson = studio.student.get(&studio.lesson()).await;
    lesson
        .has("Sentence 0 ")
        .has("The whole transcript")
        .lacks("Sentence 299");
    let page = studio.student.get(&studio.transcript()).await;
    page.has("Sentence 0 ").has("Sentence 299");
}

#[tokio::test]
async fn every_fault_of_captions_is_told_with_its_line_and_nothing_is_kept() {
    let studio = Studio::new().await;
    let bad =
        "WEBVTT\n\n00:05.000 --> 00:02.000\nback\n\n00:99.000 --> 00:02.000\nwhen\n\nno time\n";
    let page = studio
        .send(&studio.teacher, "Klingonese", bad.as_bytes())
        .await;
    page.expect(422)
        .has("Line 3: the end 00:00:02.000 is before the start 00:00:05.000.")
        .has("Line 6: the start")
        .has("Line 9: a time is expected")
        .has("The captions have 3 faults")
        .has("value=\"Klingonese\"")
        .has("Choose a language from the list");
    for captions in [&b""[..], b"not captions", b"1\n0:01 --> 0:02\n\xff\xff\n"] {
        studio
            .send(&studio.teacher, "en", captions)
            .await
            .expect(422);
    }
    let page = studio
        .send(&studio.teacher, "en", &vec![b'a'; 2_500_000])
        .await;
    page.expect(413);
    assert_eq!(studio.stored().await, Vec::<String>::new());
}

#[tokio::test]
async fn only_who_manages_the_course_changes_its_captions() {
    let studio = Studio::new().await;
    studio.add("en", SRT).await;
    let delete = format!("{}captions/en/delete/", studio.edit());
    let other = studio.site.login_as("tomas", Role::Instructor).await;
    for (browser, status) in [(&other, 404), (&studio.student, 403)] {
        let page = studio.send(browser, "de", GERMAN.as_bytes()).await;
        page.expect(status);
        browser.post(&delete, &[]).await.expect(status);
    }
    let form = Form::new()
        .text("language", "de")
        .part("captions", Part::bytes(GERMAN.as_bytes()).file_name("a"));
    let path = format!("{}captions/", studio.edit());
    let request = studio.teacher.request(Method::POST, &path).multipart(form);
    studio.teacher.send(request).await.expect(403);
    let staff = studio.site.login_as("root", Role::Staff).await;
    let page = studio.send(&staff, "fr", GERMAN.as_bytes()).await;
    page.expect(303);
    assert_eq!(studio.stored().await.len(), 2);
}

#[tokio::test]
async fn captions_are_seen_by_those_who_see_the_film_and_by_nobody_else() {
    let studio = Studio::new().await;
    studio.add("en", SRT).await;
    let path = studio.media("captions-en.vtt");
    studio.student.get(&path).await.expect(200);
    studio.site.visitor().get(&path).await.expect(404);
    let stranger = studio.site.login_as("zoe", Role::Student).await;
    stranger.get(&path).await.expect(404);
    let draft = [
        ("subject", studio.course.subject_id.to_string()),
        ("title", "How strings sing".into()),
        ("slug", "how-strings-sing".into()),
        ("overview", "About strings.".into()),
        ("draft", "on".into()),
    ];
    let draft: Vec<(&str, &str)> = draft.iter().map(|(key, value)| (*key, &**value)).collect();
    let edit = format!("/course/{}/edit/", studio.course.id);
    studio.teacher.post(&edit, &draft).await.expect(303);
    studio.student.get(&path).await.expect(404);
    studio.student.get(&studio.transcript()).await.expect(404);
    studio.teacher.get(&path).await.expect(200);
}

#[tokio::test]
async fn captions_that_are_replaced_or_deleted_leave_no_file() {
    let studio = Studio::new().await;
    studio.add("en", SRT).await;
    let path = studio.media("captions-en.vtt");
    studio.student.get(&path).await.has("Tie");
    studio.add("en", GERMAN).await;
    studio.student.get(&path).await.has("Binde").lacks("Tie");
    studio.site.drain().await;
    assert_eq!(studio.stored().await.len(), 1);
    let delete = format!("{}captions/EN/delete/", studio.edit());
    studio.teacher.post(&delete, &[]).await.expect(303);
    studio.teacher.post(&delete, &[]).await.expect(404);
    studio.student.get(&path).await.expect(404);
    studio.site.drain().await;
    assert_eq!(studio.stored().await, Vec::<String>::new());
}

#[tokio::test]
async fn captions_may_come_before_the_recording_is_ready_and_stay_when_it_is() {
    let site = TestApp::start().await;
    let teacher = site.login_as("ingrid", Role::Instructor).await;
    let form = site.upload_form().await;
    let tone = site.recording("tone.wav", "-f lavfi -i sine=d=1").await;
    let upload_id = form.upload(&teacher, "audio", "tone.wav", tone).await;
    let owner = upload::Entity::find_by_id(upload_id)
        .one(site.app.db.read())
        .await;
    let owner = owner.unwrap().unwrap().owner_id;
    let course = site.course(owner, "how-strings-sing").await;
    let module = site.module(course.id, "Nodes").await;
    let item_id = site
        .show(module.id, ItemKind::Audio, "A tone", upload_id)
        .await;
    let token = teacher.cookie("csrftoken").unwrap();
    let captions = Form::new()
        .text("csrfmiddlewaretoken", token)
        .text("language", "en")
        .part("captions", Part::bytes(SRT.as_bytes()).file_name("a.srt"));
    let path = format!(
        "/course/module/{}/content/audio/{item_id}/captions/",
        module.id
    );
    let request = teacher.request(Method::POST, &path).multipart(captions);
    teacher.send(request).await.expect(303);
    site.drain().await;
    let view = site.view(upload_id).await;
    assert!(view.is_ready(), "{}", view.state_words());
    let file = teacher
        .get(&format!("/media/{upload_id}/captions-en.vtt"))
        .await;
    file.expect(200).has("Tie");
}

#[tokio::test]
async fn a_film_is_downloaded_by_students_only_where_its_teacher_allows_it() {
    let studio = Studio::new().await;
    let film = upload::Entity::find_by_id(studio.item.upload_id.unwrap())
        .one(studio.site.app.db.read())
        .await;
    let film = film.unwrap().unwrap();
    let mut writer = studio
        .site
        .app
        .files
        .create(&format!("{}/video.mp4", film.prefix))
        .await
        .unwrap();
    writer.write(vec![7; 1_000].into()).await.unwrap();
    writer.finish().await.unwrap();
    let (seen, kept) = (
        studio.media("video.mp4"),
        studio.media("video.mp4?download"),
    );
    studio.student.get(&seen).await.expect(200);
    studio.student.get(&kept).await.expect(404);
    studio.teacher.get(&kept).await.expect(200);
    studio.student.get(&studio.lesson()).await.lacks(&kept);

    let title = ("title", "Why certain notes");
    let allow = [title, ("allow_download", "on")];
    studio
        .teacher
        .post(&studio.edit(), &allow)
        .await
        .expect(303);
    studio.student.get(&studio.lesson()).await.has(&kept);
    let page = studio.student.get(&kept).await;
    page.expect(200);
    let disposition = page.header(header::CONTENT_DISPOSITION.as_str()).unwrap();
    assert!(disposition.starts_with("attachment"), "{disposition}");

    studio
        .teacher
        .post(&studio.edit(), &[title])
        .await
        .expect(303);
    studio.student.get(&kept).await.expect(404);
    studio.student.get(&seen).await.expect(200);
}

#[tokio::test]
async fn only_pages_with_a_player_of_pieces_let_them_in() {
    let studio = Studio::new().await;
    let policy = |page: Page| page.header("content-security-policy").unwrap();
    let before = policy(studio.student.get(&studio.lesson()).await);
    assert!(!before.contains("blob:"), "{before}");
    let film = upload::Entity::find_by_id(studio.item.upload_id.unwrap())
        .one(studio.site.app.db.read())
        .await;
    let film = film.unwrap().unwrap();
    for (name, mime) in [
        ("master.m3u8", "application/vnd.apple.mpegurl"),
        ("thumbnails.vtt", "text/vtt"),
        ("chapters.vtt", "text/vtt"),
    ] {
        studio.site.rendition(&film, name, mime, None).await;
    }
    let lesson = studio.student.get(&studio.lesson()).await;
    lesson
        .has(&format!("data-hls=\"{}\"", studio.media("master.m3u8")))
        .has("data-duration=\"60.000\"")
        .has("<track kind=\"chapters\" label=\"Chapters\"")
        .has("<track kind=\"metadata\" label=\"thumbnails\"");
    let after = policy(lesson);
    assert_eq!(after.replace(" blob:", ""), before);
    let other = policy(studio.student.get("/students/courses/").await);
    assert!(!other.contains("blob:"), "{other}");
}

#[tokio::test]
async fn a_web_video_and_a_text_have_no_captions() {
    let studio = Studio::new().await;
    let mut row = studio.item.clone().into_active_model();
    row.upload_id = Set(None);
    row.url = Set(Some("https://vimeo.com/76979871".into()));
    row.update(studio.site.app.db.writer()).await.unwrap();
    let edit = studio.teacher.get(&studio.edit()).await;
    edit.expect(200).lacks("captions-panel");
    let page = studio.send(&studio.teacher, "en", SRT.as_bytes()).await;
    page.expect(404);
    studio.student.get(&studio.transcript()).await.expect(404);
}
