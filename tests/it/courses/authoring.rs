//! Making, changing and deleting courses.

use crate::kit::{Browser, Page, Role, TestApp};
use lyceum::entities::item::ItemKind;
use lyceum::entities::{content, course, enrollment, item, module, upload};
use proptest::prelude::*;
use sea_orm::{ActiveValue::Set, EntityTrait, PaginatorTrait};

/// Sends the course form with everything in order but the fields given.
async fn send(site: &TestApp, browser: &Browser, path: &str, changed: &[(&str, &str)]) -> Page {
    let subject = site.subject("music").await.to_string();
    let mut fields = vec![
        ("subject", subject.as_str()),
        ("title", "Baroque Violin"),
        ("slug", "baroque-violin"),
        ("overview", "For modern players."),
    ];
    for (name, value) in changed {
        fields.retain(|(key, _)| key != name);
        fields.push((name, value));
    }
    browser.post(path, &fields).await
}

async fn courses(site: &TestApp) -> Vec<course::Model> {
    course::Entity::find()
        .all(site.app.db.read())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_teacher_makes_changes_and_deletes_a_course() {
    let site = TestApp::start().await;
    let teacher = site.login_as("ingrid", Role::Instructor).await;
    teacher
        .get("/course/mine/")
        .await
        .expect(200)
        .has("Your first course");
    teacher
        .get("/course/create/")
        .await
        .expect(200)
        .has("value=\"on\" checked");
    let made = send(&site, &teacher, "/course/create/", &[]).await;
    made.expect(303);
    let course = courses(&site).await.remove(0);
    assert!(!course.is_draft, "made without the field, it is published");
    assert_eq!(course.overview, "For modern players.");
    let list = teacher.get("/course/mine/").await;
    list.has("Baroque Violin").has("Published");
    let edit = format!("/course/{}/edit/", course.id);
    teacher
        .get(&edit)
        .await
        .expect(200)
        .has("value=\"baroque-violin\"");
    site.wait_seconds(60);
    let viola = [("title", "Viola"), ("slug", "viola"), ("draft", "on")];
    send(&site, &teacher, &edit, &viola).await.expect(303);
    let changed = courses(&site).await.remove(0);
    assert!(changed.is_draft && changed.slug == "viola" && changed.title == "Viola");
    assert_eq!(changed.created_at, course.created_at);
    assert_eq!(changed.updated_at, site.clock.now());
    let delete = format!("/course/{}/delete/", course.id);
    let asks = teacher.get(&delete).await;
    asks.expect(200).has("cannot be undone");
    assert_eq!(courses(&site).await.len(), 1, "asking deletes nothing");
    teacher.post(&delete, &[]).await.expect(303);
    assert!(courses(&site).await.is_empty());
}

#[tokio::test]
async fn a_course_cannot_be_called_mine_or_create() {
    let site = TestApp::start().await;
    let teacher = site.login_as("ingrid", Role::Instructor).await;
    for slug in ["mine", "create", "subject", "module", "content"] {
        let page = send(&site, &teacher, "/course/create/", &[("slug", slug)]).await;
        page.expect(422)
            .has("id=\"slug-fault\"")
            .has(&format!("value=\"{slug}\""));
    }
    let own = site.person("owner", Role::Instructor).await;
    site.course(own, "good").await;
    let owner = site.login("owner").await;
    let id = courses(&site).await.remove(0).id;
    let path = format!("/course/{id}/edit/");
    send(&site, &owner, &path, &[("slug", "mine")])
        .await
        .expect(422);
    teacher
        .get("/course/mine/")
        .await
        .expect(200)
        .has("<h1>Teach</h1>");
    assert_eq!(courses(&site).await.remove(0).slug, "good");
}

#[tokio::test]
async fn a_bad_form_keeps_what_was_typed_and_names_every_fault() {
    let site = TestApp::start().await;
    let teacher = site.login_as("ingrid", Role::Instructor).await;
    let long = "x".repeat(201);
    let bad = [
        ("subject", "999"),
        ("title", long.as_str()),
        ("slug", "no spaces \"here\""),
        ("overview", " "),
    ];
    let page = send(&site, &teacher, "/course/create/", &bad).await;
    page.expect(422).has("4 things to mend").has(&long);
    for field in ["subject", "title", "slug", "overview"] {
        page.has(&format!("id=\"{field}-fault\""))
            .has(&format!("href=\"#{field}\""));
    }
    page.has("value=\"no spaces &#34;here&#34;\"");
    let page = teacher.post("/course/create/", &[]).await;
    page.expect(422).has("4 things to mend");
    assert!(courses(&site).await.is_empty());
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_at_its_field() {
    let site = TestApp::start().await;
    let teacher = site.login_as("ingrid", Role::Instructor).await;
    send(&site, &teacher, "/course/create/", &[])
        .await
        .expect(303);
    let again = send(&site, &teacher, "/course/create/", &[]).await;
    again
        .expect(422)
        .has("id=\"slug-fault\"")
        .has("has this address already");
    send(&site, &teacher, "/course/create/", &[("slug", "other")])
        .await
        .expect(303);
    let id = courses(&site).await.iter().map(|course| course.id).max();
    let path = format!("/course/{}/edit/", id.unwrap());
    send(&site, &teacher, &path, &[]).await.expect(422);
    send(&site, &teacher, &path, &[("slug", "other")])
        .await
        .expect(303);
}

#[tokio::test]
async fn of_two_who_take_one_address_at_once_one_hears_that_it_is_taken() {
    let site = TestApp::start().await;
    let teacher = site.login_as("ingrid", Role::Instructor).await;
    let one = send(&site, &teacher, "/course/create/", &[]);
    let other = send(&site, &teacher, "/course/create/", &[]);
    let third = send(&site, &teacher, "/course/create/", &[]);
    let pages = futures::join!(one, other, third);
    let mut statuses = [pages.0.status, pages.1.status, pages.2.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 422, 422]);
}

#[tokio::test]
async fn only_teachers_get_to_the_pages_of_teaching() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    let id = site.course(teacher, "strings").await.id;
    let student = site.login_as("maya", Role::Student).await;
    let paths = [
        "/course/mine/".to_owned(),
        "/course/create/".to_owned(),
        format!("/course/{id}/edit/"),
        format!("/course/{id}/delete/"),
        format!("/course/{id}/module/"),
    ];
    for path in &paths {
        student.get(path).await.expect(403);
        let page = site.visitor().get(path).await;
        page.expect(302);
        assert_eq!(page.location(), format!("/accounts/login/?next={path}"));
    }
    for path in paths.iter().skip(1) {
        student.post(path, &[]).await.expect(403);
        site.visitor().post(path, &[]).await.expect(302);
    }
    assert_eq!(courses(&site).await.len(), 1);
}

#[tokio::test]
async fn anothers_course_is_404_to_edit() {
    let site = TestApp::start().await;
    let owner = site.person("owner", Role::Instructor).await;
    let id = site.course(owner, "strings").await.id;
    let other = site.login_as("ingrid", Role::Instructor).await;
    let staff = site.login_as("boss", Role::Staff).await;
    for part in ["edit", "delete", "module"] {
        let path = format!("/course/{id}/{part}/");
        other.get(&path).await.expect(404);
        send(&site, &other, &path, &[("title", "Stolen")])
            .await
            .expect(404);
        staff.get(&path).await.expect(200);
        for id in ["0", "999", "x", "-1", "99999999999999999999"] {
            other
                .get(&format!("/course/{id}/{part}/"))
                .await
                .expect(404);
        }
    }
    assert_eq!(courses(&site).await.remove(0).title, "strings");
    let list = other.get("/course/mine/").await;
    list.lacks("strings");
    let path = format!("/course/{id}/edit/");
    send(&site, &staff, &path, &[("title", "By staff")])
        .await
        .expect(303);
    let changed = courses(&site).await.remove(0);
    assert_eq!(
        (changed.title.as_str(), changed.owner_id),
        ("By staff", owner)
    );
}

#[tokio::test]
async fn a_deleted_course_leaves_no_module_content_item_or_enrollment() {
    let site = TestApp::start().await;
    let owner = site.person("owner", Role::Instructor).await;
    let student = site.person("maya", Role::Student).await;
    let kept = site.course(owner, "kept").await;
    let gone = site.course(owner, "gone").await;
    for course in [&kept, &gone] {
        for title in ["One", "Two"] {
            let module = site.module(course.id, title).await;
            site.text(module.id, "Text", "words").await;
        }
        site.enrollment(student, course.id).await;
    }
    let owner = site.login("owner").await;
    let path = format!("/course/{}/delete/", gone.id);
    owner
        .get(&path)
        .await
        .has("Its 2 modules, 2 contents")
        .has("One student");
    owner.post(&path, &[]).await.expect(303);
    let db = site.app.db.read();
    assert_eq!(module::Entity::find().count(db).await.unwrap(), 2);
    assert_eq!(content::Entity::find().count(db).await.unwrap(), 2);
    assert_eq!(item::Entity::find().count(db).await.unwrap(), 2);
    assert_eq!(enrollment::Entity::find().count(db).await.unwrap(), 1);
    owner.get(&path).await.expect(404);
    owner.post(&path, &[]).await.expect(404);
}

#[tokio::test]
async fn deleted_items_leave_no_upload_unless_another_item_still_shows_it() {
    let site = TestApp::start().await;
    let owner = site.person("owner", Role::Instructor).await;
    let course = site.course(owner, "gone").await;
    let module = site.module(course.id, "One").await;
    let other = site.course(owner, "kept").await;
    let other = site.module(other.id, "One").await;
    let [lost, shared] = [
        site.film(owner, 1.0).await.id,
        site.film(owner, 1.0).await.id,
    ];
    for (module, upload) in [(module.id, lost), (module.id, shared), (other.id, shared)] {
        site.content(module, "Film", |row| {
            row.kind = Set(ItemKind::Video);
            row.upload_id = Set(Some(upload));
        })
        .await;
    }
    let path = format!("/course/{}/delete/", course.id);
    let owner = site.login("owner").await;
    owner.post(&path, &[]).await.expect(303);
    let left = upload::Entity::find()
        .all(site.app.db.read())
        .await
        .unwrap();
    let left: Vec<i64> = left.into_iter().map(|upload| upload.id).collect();
    assert_eq!(left, [shared]);
    assert_eq!(site.drain().await, 1, "a job deletes the files");
}

#[tokio::test]
async fn forms_refuse_a_request_without_the_csrf_token() {
    let site = TestApp::start().await;
    let owner = site.person("owner", Role::Instructor).await;
    let id = site.course(owner, "strings").await.id;
    let owner = site.login("owner").await;
    for path in ["edit", "delete", "module"] {
        let path = format!("/course/{id}/{path}/");
        let request = owner.request(reqwest::Method::POST, &path);
        owner
            .send(request.form(&[("title", "x")]))
            .await
            .expect(403);
    }
    assert_eq!(courses(&site).await.len(), 1);
}

#[tokio::test]
async fn the_preview_shows_what_a_lesson_would_and_runs_nothing() {
    let site = TestApp::start().await;
    let teacher = site.login_as("ingrid", Role::Instructor).await;
    let typed = "**Bow**\n<script>alert(1)</script>";
    let page = teacher
        .post(
            "/course/preview/",
            &[("content", typed), ("format", "markdown")],
        )
        .await;
    page.expect(200)
        .has("<strong>Bow</strong>")
        .lacks("<script>");
    let page = teacher
        .post(
            "/course/preview/",
            &[("content", typed), ("format", "plain")],
        )
        .await;
    page.expect(200).has("<p>**Bow**<br>&lt;script&gt;");
    let student = site.login_as("maya", Role::Student).await;
    student
        .post("/course/preview/", &[("content", "x")])
        .await
        .expect(403);
    teacher.get("/course/preview/").await.expect(405);
}

#[test]
fn any_slug_either_leads_to_its_course_or_is_refused_at_its_field() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (site, teacher) = runtime.block_on(async {
        let site = TestApp::start().await;
        let teacher = site.login_as("ingrid", Role::Instructor).await;
        (site, teacher)
    });
    let slugs = prop_oneof![
        "[A-Za-z0-9_-]{1,12}",
        "[a-z]{195,205}",
        "\\PC{0,8}",
        Just("mine".to_owned()),
        Just("..".to_owned()),
        Just("a/b".to_owned()),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 40,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&slugs, |slug| {
        runtime.block_on(async {
            let made = send(&site, &teacher, "/course/create/", &[("slug", &slug)]).await;
            match made.status {
                303 => {
                    let page = teacher.get(&format!("/course/{}/", slug.trim())).await;
                    prop_assert_eq!(page.status, 200, "{}", slug);
                    prop_assert!(page.text().contains("Baroque Violin"), "{}", slug);
                }
                status => {
                    prop_assert_eq!(status, 422, "{}", slug);
                    prop_assert!(made.text().contains("id=\"slug-fault\""));
                }
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
