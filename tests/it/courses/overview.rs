//! The page of one course.

use crate::kit::{Role, TestApp};
use lyceum::entities::item::ItemKind;
use sea_orm::ActiveValue::Set;

#[tokio::test]
async fn a_course_without_modules_shows_its_page() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    site.course(teacher, "bare").await;
    let page = site.visitor().get("/course/bare/").await;
    page.expect(200).has("No modules yet").has("About bare.");
    let owner = site.login("ingrid").await;
    owner
        .get("/course/bare/")
        .await
        .expect(200)
        .has("Add the first one");
}

#[tokio::test]
async fn an_overview_tells_what_one_will_learn_the_modules_and_the_teacher() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    let overview = "A course about one string.\n\n## What you will learn\n\n- Hear <b>overtones</b>\n- Tune\n\n## About the course\n\nPluck *it*.";
    let course = site
        .course_with(teacher, "strings", |row| {
            row.overview = Set(overview.into());
        })
        .await;
    site.course(teacher, "another").await;
    site.draft(teacher, "secret").await;
    let module = site.module(course.id, "Waves & pulses").await;
    let film = site.film(teacher, 1_680.0).await;
    site.content(module.id, "Film", |row| {
        row.kind = Set(ItemKind::Video);
        row.upload_id = Set(Some(film.id));
    })
    .await;
    site.text(module.id, "Text", "words").await;
    site.module(course.id, "Empty").await;
    let page = site.visitor().get("/course/strings/").await;
    page.expect(200)
        .has("<p class=\"lead\">A course about one string.</p>")
        .has("<h2 id=\"learn\">What you will learn</h2>")
        .has("<span>Tune</span>")
        .lacks("<b>overtones</b>")
        .has("<p>Pluck <em>it</em>.</p>")
        .has("Waves &#38; pulses")
        .has("<span>28 min</span><span>2 contents</span>")
        .has("2 modules, 28 min")
        .has("1 video")
        .has("1 reading")
        .has("2 courses here")
        .has("/course/another/")
        .lacks("secret");
    assert_eq!(page.text().matches("About the course").count(), 1);
}

#[tokio::test]
async fn an_overview_without_a_list_leaves_that_part_out() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    site.course(teacher, "plain").await;
    let page = site.visitor().get("/course/plain/").await;
    page.expect(200).lacks("What you will learn");
}

#[tokio::test]
async fn the_one_button_fits_who_looks() {
    let site = TestApp::start().await;
    let teacher = site.login_as("ingrid", Role::Instructor).await;
    let student = site.person("maya", Role::Student).await;
    let owner = site.person("owner", Role::Instructor).await;
    let course = site.course(owner, "strings").await;
    let anonymous = site.visitor().get("/course/strings/").await;
    anonymous
        .has("Register to enroll")
        .has("/students/register/?next=/course/strings/")
        .lacks("Enroll now");
    let page = teacher.get("/course/strings/").await;
    page.has("Enroll now")
        .has("action=\"/students/enroll-course/\"")
        .has(&format!("name=\"course\" value=\"{}\"", course.id))
        .lacks("Register to enroll");
    site.enrollment(student, course.id).await;
    let maya = site.login("maya").await;
    maya.get("/course/strings/")
        .await
        .has(">Go on</a>")
        .has(&format!("/students/course/{}/", course.id))
        .lacks("Enroll now");
    let owner = site.login("owner").await;
    owner
        .get("/course/strings/")
        .await
        .has(">Edit</a>")
        .lacks("Enroll now");
}

#[tokio::test]
async fn a_draft_is_there_for_its_owner_and_staff_alone() {
    let site = TestApp::start().await;
    let owner = site.person("owner", Role::Instructor).await;
    site.draft(owner, "hidden").await;
    let owner = site.login("owner").await;
    let staff = site.login_as("boss", Role::Staff).await;
    let teacher = site.login_as("ingrid", Role::Instructor).await;
    owner.get("/course/hidden/").await.expect(200).has("Draft");
    staff.get("/course/hidden/").await.expect(200).has("Draft");
    teacher.get("/course/hidden/").await.expect(404);
    site.visitor().get("/course/hidden/").await.expect(404);
    site.visitor().get("/course/no-such/").await.expect(404);
    site.visitor().get("/course/%FF%00/").await.expect(404);
}

#[tokio::test]
async fn two_courses_with_equal_titles_keep_their_own_pages() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    for slug in ["one", "two"] {
        site.course_with(teacher, slug, |row| {
            row.title = Set("The same".into());
            row.overview = Set(format!("Body of {slug}."));
        })
        .await;
    }
    let visitor = site.visitor();
    visitor
        .get("/course/one/")
        .await
        .has("Body of one.")
        .lacks("Body of two.");
    visitor
        .get("/course/two/")
        .await
        .has("Body of two.")
        .lacks("Body of one.");
}

#[tokio::test]
async fn a_page_without_the_closing_slash_leads_to_the_one_with_it() {
    let site = TestApp::start().await;
    for path in ["/course/some", "/course/mine", "/course/subject/music"] {
        let page = site.visitor().get(&format!("{path}?a=b")).await;
        page.expect(301);
        assert_eq!(page.location(), format!("{path}/?a=b"));
    }
}
