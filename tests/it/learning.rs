//! Studying: enrolling and leaving, my courses, the lesson page with every kind of content, done marks and
//! the place where one stopped.

use crate::kit::{Browser, Role, TestApp};
use lyceum::entities::item::{ItemKind, TextFormat};
use lyceum::entities::upload::{UploadKind, UploadState};
use lyceum::entities::{content, course, module};
use reqwest::Method;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel};

/// A site with a teacher, her course of one module, and a student who is in it.
struct School {
    site: TestApp,
    teacher_id: i64,
    student_id: i64,
    student: Browser,
    course: course::Model,
    module: module::Model,
}

impl School {
    async fn start() -> Self {
        let site = TestApp::start().await;
        let teacher_id = site.person("ingrid", Role::Instructor).await;
        let course = site.course(teacher_id, "how-strings-sing").await;
        let module = site.module(course.id, "Waves that stand").await;
        let student_id = site.person("maya", Role::Student).await;
        site.enrollment(student_id, course.id).await;
        let student = site.login("maya").await;
        Self {
            site,
            teacher_id,
            student_id,
            student,
            course,
            module,
        }
    }

    fn lesson(&self) -> String {
        format!("/students/course/{}/", self.course.id)
    }

    fn lesson_of(module: &module::Model) -> String {
        format!("/students/course/{}/{}/", module.course_id, module.id)
    }

    /// The lesson as the student sees it.
    async fn page(&self) -> crate::kit::Page {
        let page = self.student.get(&self.lesson()).await;
        page.expect(200);
        page
    }
}

/// Posts as the site's scripts do.
async fn post_by_script(
    browser: &Browser,
    path: &str,
    fields: &[(&str, &str)],
) -> crate::kit::Page {
    let token = browser.cookie("csrftoken").unwrap_or_default();
    let request = browser
        .request(Method::POST, path)
        .header("X-CSRFToken", token)
        .header("X-Requested-With", "XMLHttpRequest")
        .form(fields);
    browser.send(request).await
}

// ---- enrolling and leaving

#[tokio::test]
async fn enrolling_leads_to_the_lesson() {
    let school = School::start().await;
    let other = school
        .site
        .course(school.teacher_id, "hearing-harmony")
        .await;
    let id = other.id.to_string();
    let page = school
        .student
        .post("/students/enroll-course/", &[("course", &id)])
        .await;
    page.expect(303);
    assert_eq!(page.location(), format!("/students/course/{id}/"));
    school
        .student
        .get(&page.location())
        .await
        .expect(200)
        .has("hearing harmony");
}

#[tokio::test]
async fn enrolling_twice_is_once() {
    let school = School::start().await;
    let id = school.course.id.to_string();
    for _ in 0..2 {
        let page = school
            .student
            .post("/students/enroll-course/", &[("course", &id)])
            .await;
        page.expect(303);
    }
    assert_eq!(school.site.enrollments(school.course.id).await.len(), 1);
}

#[tokio::test]
async fn enrolling_twice_at_once_is_once() {
    let school = School::start().await;
    let other = school
        .site
        .course(school.teacher_id, "hearing-harmony")
        .await;
    let id = other.id.to_string();
    let fields = [("course", id.as_str())];
    let pages = futures::future::join_all(
        (0..8).map(|_| school.student.post("/students/enroll-course/", &fields)),
    )
    .await;
    for page in pages {
        page.expect(303);
    }
    assert_eq!(school.site.enrollments(other.id).await.len(), 1);
}

#[tokio::test]
async fn nobody_enrolls_in_a_course_that_is_not_there_or_in_anothers_draft() {
    let school = School::start().await;
    let draft = school.site.draft(school.teacher_id, "not-yet").await;
    let too_large = "9".repeat(30);
    for course in ["999999", "", "x", "-1", &too_large, &draft.id.to_string()] {
        let page = school
            .student
            .post("/students/enroll-course/", &[("course", course)])
            .await;
        page.expect(404);
    }
    assert!(school.site.enrollments(draft.id).await.is_empty());
    let owner = school.site.login("ingrid").await;
    let id = draft.id.to_string();
    owner
        .post("/students/enroll-course/", &[("course", &id)])
        .await
        .expect(303);
}

#[tokio::test]
async fn enrolling_without_the_token_of_the_page_is_refused() {
    let school = School::start().await;
    let other = school
        .site
        .course(school.teacher_id, "hearing-harmony")
        .await;
    let request = school
        .student
        .request(Method::POST, "/students/enroll-course/");
    let request = request.form(&[("course", other.id.to_string())]);
    school.student.send(request).await.expect(403);
    assert!(school.site.enrollments(other.id).await.is_empty());
}

#[tokio::test]
async fn a_visitor_is_asked_to_log_in() {
    let school = School::start().await;
    let text = school
        .site
        .text(school.module.id, "Nodes", "Touch it.")
        .await;
    let visitor = school.site.visitor();
    let lesson = school.lesson();
    for path in [
        "/students/courses/".to_owned(),
        lesson.clone(),
        School::lesson_of(&school.module),
        format!("{lesson}leave/"),
    ] {
        let page = visitor.get(&path).await;
        page.expect(302);
        assert_eq!(page.location(), format!("/accounts/login/?next={path}"));
    }
    for path in [
        "/students/enroll-course/".to_owned(),
        format!("{lesson}leave/"),
        format!("/students/content/{}/done/", text.id),
        format!("/students/content/{}/position/", text.id),
    ] {
        let page = visitor.post(&path, &[("course", "1"), ("done", "1")]).await;
        page.expect(302);
        assert!(page.location().starts_with("/accounts/login/"), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_which_ones_there_are() {
    let school = School::start().await;
    let page = school.student.get("/students/enroll-course/").await;
    page.expect(405);
    assert_eq!(page.header("allow").as_deref(), Some("POST"));
    school
        .student
        .post("/students/courses/", &[])
        .await
        .expect(405);
}

#[tokio::test]
async fn leaving_asks_first_and_keeps_what_is_done() {
    let school = School::start().await;
    let text = school
        .site
        .text(school.module.id, "Nodes", "Touch it.")
        .await;
    let done = format!("/students/content/{}/done/", text.id);
    school
        .student
        .post(&done, &[("done", "1")])
        .await
        .expect(303);
    let leave = format!("{}leave/", school.lesson());
    school.page().await.has(&leave);
    school
        .student
        .get(&leave)
        .await
        .expect(200)
        .has("Leave the course");
    assert_eq!(school.site.enrollments(school.course.id).await.len(), 1);
    let page = school.student.post(&leave, &[]).await;
    page.expect(303);
    assert_eq!(page.location(), "/students/courses/");
    assert!(school.site.enrollments(school.course.id).await.is_empty());
    school.student.get(&school.lesson()).await.expect(404);
    assert_eq!(school.site.done(school.student_id).await, [text.id]);
    // A second press of the same button finds nothing to do.
    school.student.post(&leave, &[]).await.expect(303);
    school.student.get(&leave).await.expect(404);
}

#[tokio::test]
async fn leaving_takes_nobody_else_out() {
    let school = School::start().await;
    let other = school.site.login_as("lena", Role::Student).await;
    other
        .post(&format!("{}leave/", school.lesson()), &[])
        .await
        .expect(303);
    other
        .post("/students/course/999999/leave/", &[])
        .await
        .expect(404);
    let draft = school.site.draft(school.teacher_id, "not-yet").await;
    other
        .post(&format!("/students/course/{}/leave/", draft.id), &[])
        .await
        .expect(404);
    assert_eq!(school.site.enrollments(school.course.id).await.len(), 1);
}

// ---- who may study

#[tokio::test]
async fn a_student_of_another_course_gets_404_for_the_lesson() {
    let school = School::start().await;
    let other = school
        .site
        .course(school.teacher_id, "hearing-harmony")
        .await;
    let stranger = school.site.login_as("lena", Role::Student).await;
    let id = other.id.to_string();
    stranger
        .post("/students/enroll-course/", &[("course", &id)])
        .await
        .expect(303);
    stranger
        .get(&school.lesson())
        .await
        .expect(404)
        .lacks("Waves that stand");
    stranger
        .get(&School::lesson_of(&school.module))
        .await
        .expect(404);
}

#[tokio::test]
async fn another_instructor_gets_404_for_the_lesson() {
    let school = School::start().await;
    let other = school.site.login_as("tomas", Role::Instructor).await;
    other.get(&school.lesson()).await.expect(404);
}

#[tokio::test]
async fn a_module_of_another_course_is_404() {
    let school = School::start().await;
    let other = school
        .site
        .course(school.teacher_id, "hearing-harmony")
        .await;
    let theirs = school.site.module(other.id, "Thirds").await;
    let lesson = school.lesson();
    school
        .student
        .get(&format!("{lesson}{}/", theirs.id))
        .await
        .expect(404);
    for path in ["999999/", "x/", "-1/", "99999999999999999999999/", "%FF/"] {
        school
            .student
            .get(&format!("{lesson}{path}"))
            .await
            .expect(404);
    }
    for path in ["999999", "x", "0", "99999999999999999999999"] {
        school
            .student
            .get(&format!("/students/course/{path}/"))
            .await
            .expect(404);
    }
}

#[tokio::test]
async fn the_owner_sees_it_as_a_student_and_is_told_so() {
    let school = School::start().await;
    let words = "You see this course as a student does";
    school.page().await.lacks(words);
    let owner = school.site.login("ingrid").await;
    owner
        .get(&school.lesson())
        .await
        .expect(200)
        .has(words)
        .lacks("It is a draft");
    let staff = school.site.login_as("root", Role::Staff).await;
    staff
        .get(&school.lesson())
        .await
        .expect(200)
        .has("you see this course as staff");
}

#[tokio::test]
async fn a_draft_is_open_to_its_owner_and_staff_alone() {
    let school = School::start().await;
    let mut row = school.course.clone().into_active_model();
    row.is_draft = Set(true);
    row.update(school.site.app.db.writer()).await.unwrap();
    school.student.get(&school.lesson()).await.expect(404);
    school
        .student
        .get("/students/courses/")
        .await
        .expect(200)
        .lacks("how strings sing");
    let owner = school.site.login("ingrid").await;
    owner
        .get(&school.lesson())
        .await
        .expect(200)
        .has("It is a draft");
    let staff = school.site.login_as("root", Role::Staff).await;
    staff.get(&school.lesson()).await.expect(200);
}

// ---- the lesson page

#[tokio::test]
async fn a_course_without_modules_says_so() {
    let school = School::start().await;
    let empty = school
        .site
        .course(school.teacher_id, "hearing-harmony")
        .await;
    school.site.enrollment(school.student_id, empty.id).await;
    let path = format!("/students/course/{}/", empty.id);
    school
        .student
        .get(&path)
        .await
        .expect(200)
        .has("This course has no modules yet");
    let owner = school.site.login("ingrid").await;
    owner
        .get(&path)
        .await
        .expect(200)
        .has("This course has no modules yet");
}

#[tokio::test]
async fn a_module_without_contents_says_so() {
    let school = School::start().await;
    school
        .page()
        .await
        .has("This module has no contents yet")
        .has("Nothing to do yet");
}

#[tokio::test]
async fn every_module_is_a_link_and_the_neighbors_are_one_step_away() {
    let school = School::start().await;
    let second = school.site.module(school.course.id, "Timbre").await;
    let third = school.site.module(school.course.id, "Build & play").await;
    let page = school.student.get(&School::lesson_of(&second)).await;
    page.expect(200)
        .has("<h1 class=\"title\">Timbre</h1>")
        .has("Module 2 of 3")
        .has("Build &#38; play");
    let (before, after) = (School::lesson_of(&school.module), School::lesson_of(&third));
    page.has(&format!(
        "<a class=\"previous\" href=\"{before}\" rel=\"prev\">"
    ));
    page.has(&format!("<a class=\"next\" href=\"{after}\" rel=\"next\">"));
    page.has(&format!(
        "<a href=\"{}\" aria-current=\"page\">",
        School::lesson_of(&second)
    ));
    let first = school.student.get(&before).await;
    first.lacks("class=\"previous\"").has("class=\"next\"");
}

#[tokio::test]
async fn the_first_module_is_open_until_one_was_visited() {
    let school = School::start().await;
    let second = school.site.module(school.course.id, "Timbre").await;
    let opened = |title: &str| format!("<h1 class=\"title\">{title}</h1>");
    school.page().await.has(&opened("Waves that stand"));
    school
        .student
        .get(&School::lesson_of(&second))
        .await
        .expect(200);
    school.page().await.has(&opened("Timbre"));
    module::Entity::delete_by_id(second.id)
        .exec(school.site.app.db.writer())
        .await
        .unwrap();
    school.site.forget().await;
    school.page().await.has(&opened("Waves that stand"));
}

#[tokio::test]
async fn modules_and_contents_come_in_their_order_ties_newest_first() {
    let school = School::start().await;
    let tied = school
        .site
        .module(school.course.id, "Timbre")
        .await
        .into_active_model();
    let tied = module::ActiveModel {
        order: Set(school.module.order),
        ..tied
    };
    let tied = tied.update(school.site.app.db.writer()).await.unwrap();
    school.site.forget().await;
    school.page().await.has("<h1 class=\"title\">Timbre</h1>");
    let first = school.site.text(tied.id, "Older", "a").await;
    let second = school
        .site
        .text(tied.id, "Newer", "b")
        .await
        .into_active_model();
    let second = content::ActiveModel {
        order: Set(first.order),
        ..second
    };
    second.update(school.site.app.db.writer()).await.unwrap();
    school.site.forget().await;
    let text = school.student.get(&School::lesson_of(&tied)).await.text();
    assert!(text.find(">Newer</h2>").unwrap() < text.find(">Older</h2>").unwrap());
}

#[tokio::test]
async fn seeing_the_same_module_again_writes_nothing() {
    let school = School::start().await;
    let (lesson, student) = (school.lesson(), &school.student);
    school.page().await;
    student.get(&lesson).await.expect(200);
    let again = school.site.statements_of(student.get(&lesson)).await;
    assert_eq!(again, 0);
    let noted = school.site.enrollments(school.course.id).await;
    assert_eq!(noted[0].last_module_id, Some(school.module.id));
    school.site.wait_seconds(60);
    assert_eq!(school.site.statements_of(student.get(&lesson)).await, again);
    assert_eq!(school.site.enrollments(school.course.id).await, noted);
    let second = school.site.module(school.course.id, "Timbre").await;
    let moved = school
        .site
        .statements_of(student.get(&School::lesson_of(&second)))
        .await;
    assert!(
        moved > again,
        "the place must be written when it changes: {moved} <= {again}"
    );
}

#[tokio::test]
async fn the_lesson_costs_the_same_for_2_and_60_modules() {
    let school = School::start().await;
    let lesson = school.lesson();
    for number in 0..2 {
        school
            .site
            .film_content(school.module.id, &format!("Film {number}"), 60.0)
            .await;
    }
    school.site.module(school.course.id, "Second").await;
    let (site, student) = (&school.site, &school.student);
    let few = site.statements_of_cold(student, &lesson).await;
    for number in 0..58 {
        let module = school
            .site
            .module(school.course.id, &format!("Module {number}"))
            .await;
        school.site.text(module.id, "Text", "a").await;
    }
    for number in 0..10 {
        school
            .site
            .film_content(school.module.id, &format!("Film {number}"), 60.0)
            .await;
    }
    let many = site.statements_of_cold(student, &lesson).await;
    assert_eq!(few, many);
    assert_eq!(site.statements_of(student.get(&lesson)).await, 0);
}

// ---- how items look

#[tokio::test]
async fn text_cannot_run_scripts() {
    let school = School::start().await;
    let evil = "<script>alert(1)</script>\n<img src=x onerror=alert(1)> [x](javascript:alert(1))";
    school
        .site
        .text(school.module.id, "<b>Plain</b>", evil)
        .await;
    school
        .site
        .content(school.module.id, "\"><script>alert(2)</script>", |row| {
            row.format = Set(TextFormat::Markdown);
            row.body = Set(Some(evil.to_owned()));
        })
        .await;
    let page = school.page().await;
    page.lacks("<script>alert")
        .lacks("<img")
        .lacks("href=\"javascript")
        .lacks("<b>Plain");
    page.has("&lt;script&gt;alert(1)&lt;/script&gt;<br>");
}

#[tokio::test]
async fn plain_text_keeps_its_paragraphs_and_line_breaks() {
    let school = School::start().await;
    school
        .site
        .text(school.module.id, "Nodes", "One\ntwo & <three>\n\nfour")
        .await;
    let page = school.page().await;
    page.has("<p>One<br>two &amp; &lt;three&gt;</p>")
        .has("<p>four</p>")
        .has("Reading, 1 min");
}

#[tokio::test]
async fn markdown_is_formatted() {
    let school = School::start().await;
    school
        .site
        .content(school.module.id, "Nodes", |row| {
            row.format = Set(TextFormat::Markdown);
            row.body = Set(Some("These are *nodes*.".into()));
        })
        .await;
    school
        .page()
        .await
        .has("<div class=\"prose\"><p>These are <em>nodes</em>.</p>");
}

#[tokio::test]
async fn a_file_is_a_button_that_downloads_it() {
    let school = School::start().await;
    let file = school
        .site
        .file(
            school.teacher_id,
            UploadKind::File,
            "Find the nodes.pdf",
            |_| (),
        )
        .await;
    school
        .site
        .rendition(&file, "original", "application/pdf", None)
        .await;
    school
        .site
        .media(school.module.id, "Find the nodes", ItemKind::File, &file)
        .await;
    let page = school.page().await;
    page.has(&format!(
        "<a class=\"button\" href=\"/media/{}/original\" download>",
        file.id
    ));
    page.has("Download file</a>").has("PDF, 310 kB");
}

#[tokio::test]
async fn an_image_has_its_title_as_alt_and_three_sizes() {
    let school = School::start().await;
    let picture = school
        .site
        .file(school.teacher_id, UploadKind::Image, "a.jpg", |_| ())
        .await;
    school
        .site
        .rendition(&picture, "original", "image/jpeg", Some((4000, 3000)))
        .await;
    for (name, width, height) in [
        ("image-1600.jpg", 1600, 1200),
        ("image-400.jpg", 400, 300),
        ("image-800.jpg", 800, 600),
    ] {
        school
            .site
            .rendition(&picture, name, "image/jpeg", Some((width, height)))
            .await;
    }
    school
        .site
        .media(
            school.module.id,
            "One \"finger\"",
            ItemKind::Image,
            &picture,
        )
        .await;
    let id = picture.id;
    let page = school.page().await;
    page.has(&format!(
        "src=\"/media/{id}/image-1600.jpg\" srcset=\"/media/{id}/image-400.jpg 400w, \
         /media/{id}/image-800.jpg 800w, /media/{id}/image-1600.jpg 1600w\""
    ));
    page.has("width=\"1600\" height=\"1200\" alt=\"One &quot;finger&quot;\"");
    page.lacks("/original");
}

#[tokio::test]
async fn a_page_at_a_video_site_becomes_its_player_on_the_host_that_follows_nobody() {
    let school = School::start().await;
    for url in [
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://vimeo.com/76979871",
    ] {
        school
            .site
            .content(school.module.id, "A talk", |row| {
                row.kind = Set(ItemKind::Video);
                row.url = Set(Some(url.to_owned()));
            })
            .await;
    }
    let page = school.page().await;
    page.has("<iframe class=\"embed\" src=\"https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ\" title=\"A talk\"");
    page.has("src=\"https://player.vimeo.com/video/76979871?dnt=1\"");
    page.has("From YouTube")
        .has("From Vimeo")
        .lacks("www.youtube.com/");
}

#[tokio::test]
async fn one_unknown_video_url_shows_as_a_plain_link() {
    let school = School::start().await;
    for url in [
        "https://example.org/a?b=1&c=\"2",
        "javascript:alert(1)",
        "no address at all",
        "",
    ] {
        school
            .site
            .content(school.module.id, "A talk", |row| {
                row.kind = Set(ItemKind::Video);
                row.url = Set(Some(url.to_owned()));
            })
            .await;
    }
    let page = school.page().await;
    page.has("<a href=\"https://example.org/a?b=1&amp;c=&quot;2\"")
        .lacks("<iframe");
    page.lacks("href=\"javascript")
        .has("<p>javascript:alert(1)</p>")
        .has("<p>no address at all</p>");
}

#[tokio::test]
async fn an_uploaded_video_plays_with_its_poster_and_goes_on_where_it_was() {
    let school = School::start().await;
    let film = school
        .site
        .film_content(school.module.id, "Why a string", 840.0)
        .await;
    let position = format!("/students/content/{}/position/", film.id);
    let answer = post_by_script(&school.student, &position, &[("position", "402")]).await;
    answer.expect(204);
    let item = lyceum::entities::item::Entity::find_by_id(film.item_id);
    let item = item.one(school.site.app.db.read()).await.unwrap().unwrap();
    let upload = item.upload_id.unwrap();
    let page = school.page().await;
    page.has(&format!(
        "<video controls poster=\"/media/{upload}/poster.jpg\" src=\"/media/{upload}/video.mp4\""
    ));
    page.has(&format!(
        "data-position-url=\"{position}\" data-position=\"402\""
    ));
    page.has("You stopped at 6:42")
        .has("ingrid, 14 min")
        .has("class=\"stopped\"");
    let owner = school.site.login("ingrid").await;
    owner
        .get(&school.lesson())
        .await
        .has("data-position=\"0\"")
        .lacks("You stopped");
}

#[tokio::test]
async fn a_recording_has_a_button_for_each_format_that_is_ready() {
    let school = School::start().await;
    let sound = school
        .site
        .file(school.teacher_id, UploadKind::Audio, "bow.wav", |row| {
            row.duration_seconds = Set(Some(120.0));
        })
        .await;
    school
        .site
        .rendition(&sound, "original", "audio/wav", None)
        .await;
    school
        .site
        .rendition(&sound, "audio.m4a", "audio/mp4", None)
        .await;
    let recording = school
        .site
        .media(school.module.id, "One bow", ItemKind::Audio, &sound)
        .await;
    let id = sound.id;
    let page = school.page().await;
    page.has(&format!("<audio controls src=\"/media/{id}/audio.m4a\""));
    page.has(&format!(
        "data-position-url=\"/students/content/{}/position/\"",
        recording.id
    ));
    page.has("Recording, 2 min")
        .has("M4A<span")
        .lacks("FLAC")
        .lacks("/original");
    school
        .site
        .rendition(&sound, "audio.flac", "audio/flac", None)
        .await;
    school
        .page()
        .await
        .has(&format!("href=\"/media/{id}/audio.flac\""))
        .has("FLAC<span");
}

#[tokio::test]
async fn what_is_not_ready_says_how_far_it_is_and_offers_nothing_to_play() {
    let school = School::start().await;
    let states = [
        (UploadState::Waiting, "In line"),
        (
            UploadState::Processing,
            "Processing 61 % - about 2 min left",
        ),
        (
            UploadState::Failed,
            "Failed: the file has no audio or video track",
        ),
    ];
    for (state, _) in states {
        let film = school
            .site
            .file(school.teacher_id, UploadKind::Video, "a.mp4", |row| {
                row.state = Set(state);
                row.progress_percent = Set(61.0);
                row.eta_seconds = Set((state == UploadState::Processing).then_some(120));
                let fault = "the file has no audio or video track".to_owned();
                row.fault = Set((state == UploadState::Failed).then_some(fault));
            })
            .await;
        school
            .site
            .rendition(&film, "video.mp4", "video/mp4", None)
            .await;
        school
            .site
            .media(school.module.id, "Slow motion", ItemKind::Video, &film)
            .await;
    }
    let page = school.page().await;
    for (_, words) in states {
        page.has(&format!("<span class=\"words\">{words}"));
    }
    page.has("<p class=\"processing\" data-upload-id=")
        .lacks("<video")
        .lacks("/done/");
}

#[tokio::test]
async fn a_content_that_lost_its_file_does_not_break_the_page() {
    let school = School::start().await;
    for kind in [
        ItemKind::File,
        ItemKind::Image,
        ItemKind::Video,
        ItemKind::Audio,
    ] {
        school
            .site
            .content(school.module.id, "Lost", |row| row.kind = Set(kind))
            .await;
        let bare = school
            .site
            .file(school.teacher_id, UploadKind::File, "x", |_| ())
            .await;
        school
            .site
            .media(school.module.id, "Bare", kind, &bare)
            .await;
    }
    school
        .page()
        .await
        .has("The file of this content is not here");
}

// ---- done marks and places

#[tokio::test]
async fn a_done_mark_is_set_and_taken_back() {
    let school = School::start().await;
    let text = school
        .site
        .text(school.module.id, "Nodes", "Touch it.")
        .await;
    let other = school.site.text(school.module.id, "Waves", "Look.").await;
    let path = format!("/students/content/{}/done/", text.id);
    for _ in 0..2 {
        let page = school.student.post(&path, &[("done", "yes")]).await;
        page.expect(303);
        assert_eq!(
            page.location(),
            format!("{}#content-{}", School::lesson_of(&school.module), text.id)
        );
    }
    assert_eq!(school.site.done(school.student_id).await, [text.id]);
    school
        .page()
        .await
        .has("1 of 2 done")
        .has("value=\"50\"")
        .lacks("ring done");
    let answer = post_by_script(
        &school.student,
        &format!("/students/content/{}/done/", other.id),
        &[("done", "1")],
    )
    .await;
    answer.expect(200);
    assert_eq!(
        answer.json(),
        serde_json::json!({"done": true, "percent": 100, "words": "All 2 done"})
    );
    school.page().await.has("ring done").has("Done:");
    let answer = post_by_script(&school.student, &path, &[("done", "no")]).await;
    assert_eq!(answer.json()["percent"], 50);
    assert_eq!(school.site.done(school.student_id).await, [other.id]);
}

#[tokio::test]
async fn marks_of_one_student_are_not_those_of_another() {
    let school = School::start().await;
    let text = school
        .site
        .text(school.module.id, "Nodes", "Touch it.")
        .await;
    let lena = school.site.person("lena", Role::Student).await;
    school.site.enrollment(lena, school.course.id).await;
    let path = format!("/students/content/{}/done/", text.id);
    school
        .student
        .post(&path, &[("done", "1")])
        .await
        .expect(303);
    let lena_browser = school.site.login("lena").await;
    lena_browser
        .get(&school.lesson())
        .await
        .expect(200)
        .has("0 of 1 done")
        .lacks("is-done");
    assert!(school.site.done(lena).await.is_empty());
}

#[tokio::test]
async fn a_done_mark_that_says_neither_is_refused_with_what_to_send() {
    let school = School::start().await;
    let text = school
        .site
        .text(school.module.id, "Nodes", "Touch it.")
        .await;
    let path = format!("/students/content/{}/done/", text.id);
    for typed in ["", "2", "maybe"] {
        let page = post_by_script(&school.student, &path, &[("done", typed)]).await;
        page.expect(422).has("Send 1 for done");
    }
    assert!(school.site.done(school.student_id).await.is_empty());
}

#[tokio::test]
async fn only_who_may_study_marks_or_stops() {
    let school = School::start().await;
    let film = school
        .site
        .film_content(school.module.id, "Why a string", 840.0)
        .await;
    let stranger = school.site.login_as("lena", Role::Student).await;
    for part in ["done", "position"] {
        let fields = [("done", "1"), ("position", "5")];
        let path = format!("/students/content/{}/{part}/", film.id);
        stranger.post(&path, &fields).await.expect(404);
        for id in ["999999", "x", "99999999999999999999999"] {
            let path = format!("/students/content/{id}/{part}/");
            school.student.post(&path, &fields).await.expect(404);
        }
        let request = school.student.request(Method::POST, &path).form(&fields);
        school.student.send(request).await.expect(403);
        school.student.get(&path).await.expect(405);
    }
    assert!(school.site.done(school.student_id).await.is_empty());
    assert_eq!(
        school.site.stopped_at(school.student_id, film.id).await,
        None
    );
}

#[tokio::test]
async fn a_position_must_be_a_time_within_the_recording() {
    let school = School::start().await;
    let film = school
        .site
        .film_content(school.module.id, "Why a string", 60.0)
        .await;
    let path = format!("/students/content/{}/position/", film.id);
    for typed in ["", "x", "NaN", "inf", "-1", "66", "1e300"] {
        post_by_script(&school.student, &path, &[("position", typed)])
            .await
            .expect(422);
    }
    assert_eq!(
        school.site.stopped_at(school.student_id, film.id).await,
        None
    );
    for (typed, kept) in [("12", 12.0), ("30.5", 30.5), ("63", 60.0), ("0", 0.0)] {
        post_by_script(&school.student, &path, &[("position", typed)])
            .await
            .expect(204);
        assert_eq!(
            school.site.stopped_at(school.student_id, film.id).await,
            Some(kept)
        );
    }
    let text = school
        .site
        .text(school.module.id, "Nodes", "Touch it.")
        .await;
    let path = format!("/students/content/{}/position/", text.id);
    post_by_script(&school.student, &path, &[("position", "5")])
        .await
        .expect(404);
}

// ---- my courses

#[tokio::test]
async fn somebody_in_no_course_is_shown_the_way_to_them() {
    let site = TestApp::start().await;
    let student = site.login_as("maya", Role::Student).await;
    student
        .get("/students/courses/")
        .await
        .expect(200)
        .has("You are in no course yet");
}

#[tokio::test]
async fn my_courses_show_how_far_i_am_and_go_on_where_i_stopped() {
    let school = School::start().await;
    let page = school.student.get("/students/courses/").await;
    page.expect(200)
        .has("Begin with module 1")
        .has("how strings sing")
        .has(">0 %</span>")
        .has("1 course.");
    page.has(&format!("<a class=\"whole\" href=\"{}\">", school.lesson()));
    let film = school
        .site
        .film_content(school.module.id, "Why a string", 840.0)
        .await;
    let text = school
        .site
        .text(school.module.id, "Nodes", "Touch it.")
        .await;
    let done = format!("/students/content/{}/done/", text.id);
    school
        .student
        .post(&done, &[("done", "1")])
        .await
        .expect(303);
    let position = format!("/students/content/{}/position/", film.id);
    post_by_script(&school.student, &position, &[("position", "402")])
        .await
        .expect(204);
    let page = school.student.get("/students/courses/").await;
    page.has("Waves that stand, at 6:42")
        .has(">50 %</span>")
        .has("14 min")
        .has("1 module");
    let place = format!("{}#content-{}", School::lesson_of(&school.module), film.id);
    page.has(&format!("<a class=\"whole\" href=\"{place}\">"));
    let second = school.site.module(school.course.id, "Timbre").await;
    school
        .student
        .get(&School::lesson_of(&second))
        .await
        .expect(200);
    let page = school.student.get("/students/courses/").await;
    page.has(&format!(
        "<a class=\"whole\" href=\"{}\">",
        School::lesson_of(&second)
    ));
    page.lacks("at 6:42");
}

#[tokio::test]
async fn who_stopped_in_a_module_that_is_deleted_goes_on_with_what_she_has_not_done() {
    let school = School::start().await;
    let (student, module) = (&school.student, school.module.id);
    let doomed = school.site.module(school.course.id, "Tuning").await;
    let last = school.site.module(school.course.id, "Timbre").await;
    let mut contents = Vec::new();
    for module in [module, last.id, doomed.id] {
        contents.push(school.site.text(module, "Nodes", "Touch it.").await.id);
    }
    let mark = async |content: i64| {
        let done = format!("/students/content/{content}/done/");
        student.post(&done, &[("done", "1")]).await.expect(303);
    };
    mark(contents[0]).await;
    mark(contents[2]).await;
    let teacher = school.site.login("ingrid").await;
    let delete = format!("/course/module/{}/delete/", doomed.id);
    teacher.post(&delete, &[]).await.expect(303);
    let page = student.get("/students/courses/").await;
    let timbre = School::lesson_of(&last);
    page.has(&format!("<a class=\"whole\" href=\"{timbre}\">"))
        .has("Timbre")
        .lacks("Begin with module 1");
    // Her last place again, and nothing left.
    mark(contents[1]).await;
    let delete = format!("/course/module/{}/delete/", last.id);
    teacher.post(&delete, &[]).await.expect(303);
    student
        .get("/students/courses/")
        .await
        .has("All is done")
        .has(">100 %</span>");
}

#[tokio::test]
async fn the_course_where_i_was_last_comes_first_and_others_courses_do_not() {
    let school = School::start().await;
    school.site.course(school.teacher_id, "not-mine").await;
    let other = school
        .site
        .course(school.teacher_id, "hearing-harmony")
        .await;
    school.site.module(other.id, "Thirds").await;
    school.site.wait_seconds(60);
    school.site.enrollment(school.student_id, other.id).await;
    let order =
        |text: &str| text.find("hearing harmony").unwrap() < text.find("how strings sing").unwrap();
    let page = school.student.get("/students/courses/").await;
    assert!(order(&page.lacks("not mine").text()));
    school.site.wait_seconds(60);
    school.page().await;
    assert!(!order(
        &school.student.get("/students/courses/").await.text()
    ));
}

#[tokio::test]
async fn my_courses_cost_the_same_for_2_and_30_courses() {
    let school = School::start().await;
    let join = async |slug: String| {
        let course = school.site.course(school.teacher_id, &slug).await;
        let module = school.site.module(course.id, "First").await;
        let film = school.site.film_content(module.id, "Film", 60.0).await;
        school.site.enrollment(school.student_id, course.id).await;
        let position = format!("/students/content/{}/position/", film.id);
        post_by_script(&school.student, &position, &[("position", "20")])
            .await
            .expect(204);
    };
    join("one".into()).await;
    let (site, student) = (&school.site, &school.student);
    let few = site.statements_of_cold(student, "/students/courses/").await;
    for number in 0..28 {
        join(format!("more-{number}")).await;
    }
    let many = site.statements_of_cold(student, "/students/courses/").await;
    assert_eq!(few, many);
    let warm = site.statements_of(student.get("/students/courses/")).await;
    assert_eq!(warm, 0);
}
