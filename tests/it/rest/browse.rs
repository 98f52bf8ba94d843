//! Pages to explore: the same answer as a page, for whom forms are, and what forms may ask for.

use super::{PASSWORD, accepting, courses, teacher};
use crate::kit::{Browser, Page, Role, TestApp};
use lyceum::entities::course;
use reqwest::Method;
use sea_orm::{ActiveValue::Set, EntityTrait as _};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// As a browser asks.
async fn look(browser: &Browser, path: &str) -> Page {
    accepting(browser, path, BROWSER).await
}

/// As a browser sends a form.
async fn send(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Page {
    let token = browser.cookie("csrftoken").unwrap_or_default();
    let mut all = vec![("csrfmiddlewaretoken", token.as_str())];
    all.extend(fields);
    let request = browser.request(Method::POST, path).form(&all);
    browser.send(request.header("accept", BROWSER)).await
}

/// What stands on the page where a program gets JSON.
fn shown(page: &Page) -> serde_json::Value {
    let text = page.text();
    let body = text.split_once("<pre id=\"json\"").unwrap().1;
    let body = body.split_once('>').unwrap().1;
    let body = body.split_once("</pre>").unwrap().0;
    let mut json = String::new();
    let mut is_tag = false;
    for c in body.chars() {
        match c {
            '<' => is_tag = true,
            '>' => is_tag = false,
            c if !is_tag => json.push(c),
            _ => {}
        }
    }
    for (entity, plain) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&amp;", "&"),
    ] {
        json = json.replace(entity, plain);
    }
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

async fn all_courses(site: &TestApp) -> Vec<course::Model> {
    let all = course::Entity::find();
    all.all(site.app.db.read()).await.unwrap()
}

#[tokio::test]
async fn a_browser_sees_what_a_program_gets_and_links_to_go_on() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = &courses(&site, owner, 1).await[0];
    let browser = site.visitor();
    for path in [
        "/api/".to_owned(),
        "/api/subjects/".to_owned(),
        "/api/courses/".to_owned(),
        "/api/courses/?page=1&page_size=1&fields=id,title".to_owned(),
        format!("/api/courses/{}/", course.id),
    ] {
        let page = look(&browser, &path).await;
        let kind = page.expect(200).header("content-type").unwrap();
        assert!(kind.starts_with("text/html"), "{path}: {kind}");
        assert_eq!(shown(&page), browser.get(&path).await.json(), "{path}");
        assert_eq!(
            page.header("vary")
                .unwrap()
                .replace(", Accept-Encoding", ""),
            "Accept, Cookie"
        );
        assert_eq!(
            page.header("cache-control").as_deref(),
            Some("private, no-store")
        );
        page.has("HTTP 200 OK")
            .has("href=\"/api/\"")
            .lacks("style=");
    }
    let list = look(&browser, "/api/courses/?page=1&page_size=1").await;
    list.has(&format!("href=\"/api/courses/{}/\"", course.id));
    list.has(&format!("href=\"/api/subjects/{}/\"", course.subject_id));
    let one = look(&browser, &format!("/api/courses/{}/", course.id)).await;
    one.has(&format!("href=\"/api/courses/{}/enroll/\"", course.id));
    for path in ["/api/courses/?format=api", "/api/courses.api"] {
        browser
            .get(path)
            .await
            .expect(200)
            .has("<h1>Course List</h1>");
    }
    browser
        .get("/api/courses/?format=json")
        .await
        .expect(200)
        .json();
    let json = look(&browser, "/api/courses.json").await;
    json.expect(200).json();
}

#[tokio::test]
async fn what_others_wrote_is_text_on_the_page_and_never_markup() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let bad = "</pre><script>alert(1)</script><img src=x onerror=alert(1)> javascript:alert(1)";
    let course = site
        .course_with(owner, "strings", |row| row.title = Set(bad.to_owned()))
        .await;
    let browser = site.visitor();
    for path in ["/api/courses/", &format!("/api/courses/{}/", course.id)] {
        let page = look(&browser, path).await;
        page.expect(200)
            .lacks("<script>alert")
            .lacks("<img src=x")
            .lacks("href=\"javascript:");
        assert_eq!(shown(&page), browser.get(path).await.json());
    }
    let odd = "/api/courses/?search=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&fields=%3Cb%3E&x'y=%22";
    look(&browser, odd)
        .await
        .expect(400)
        .lacks("<script>alert")
        .lacks("<b>");
}

#[tokio::test]
async fn a_long_list_is_cut_on_the_page_and_whole_as_json() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    courses(&site, owner, 200).await;
    let page = look(&site.visitor(), "/api/courses/").await;
    page.expect(200)
        .has("This is the beginning")
        .has("?page=1\"");
    assert!(page.bytes.len() < 250_000, "{}", page.bytes.len());
}

#[tokio::test]
async fn faults_are_pages_too_with_the_status_and_the_words_of_a_program() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = &courses(&site, owner, 1).await[0];
    let visitor = site.visitor();
    for (path, status) in [
        ("/api/courses/999/", 404),
        ("/api/courses/x/", 404),
        ("/api/courses/?page=99", 404),
        ("/api/courses/?page=1&limit=2", 400),
        ("/api/courses/?subject=x", 400),
        (&format!("/api/courses/{}/enroll/", course.id), 401),
    ] {
        let page = look(&visitor, path).await;
        page.expect(status).has(&format!("HTTP {status}"));
        let told = visitor.get(path).await;
        assert_eq!(shown(&page), told.expect(status).json(), "{path}");
        page.has("href=\"/accounts/login/?next=");
    }
    // A browser that is told of Basic would ask for a password itself.
    let page = look(&visitor, &format!("/api/courses/{}/enroll/", course.id)).await;
    assert_eq!(
        page.header("www-authenticate").as_deref(),
        Some("Token realm=\"api\"")
    );
    let unknown = look(&visitor, "/api/nothing/").await;
    unknown.expect(404).has("<h1>");
    let wrong = visitor
        .request(Method::GET, "/api/courses/")
        .basic_auth("x", Some("y"));
    visitor
        .send(wrong.header("accept", BROWSER))
        .await
        .expect(401);
}

#[tokio::test]
async fn forms_are_for_those_who_may_send_them() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = &courses(&site, owner, 1).await[0];
    let path = format!("/api/courses/{}/enroll/", course.id);
    let form = "<section class=\"panel send\"";
    look(&site.visitor(), &path).await.lacks(form);
    let maya = site.login_as("maya", Role::Student).await;
    let page = look(&maya, &path).await;
    page.expect(405)
        .has(form)
        .has("name=\"_method\" value=\"POST\"")
        .has("see the form below");
    look(&maya, "/api/courses/999/enroll/").await.lacks(form);
    look(&maya, "/api/subjects/").await.expect(200).lacks(form);
    // Whom a header tells has no session that a token could be bound to.
    let program = site.visitor();
    let request = program
        .request(Method::GET, &path)
        .basic_auth("maya", Some(PASSWORD));
    let page = program.send(request.header("accept", BROWSER)).await;
    page.expect(405).lacks(form).has("maya");
}

#[tokio::test]
async fn a_form_without_a_script_enrolls_and_shows_the_answer() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = &courses(&site, owner, 1).await[0];
    let maya = site.login_as("maya", Role::Student).await;
    let path = format!("/api/courses/{}/enroll/", course.id);
    let page = send(&maya, &path, &[("_method", "POST")]).await;
    page.expect(200).has("It is done.");
    assert_eq!(shown(&page), serde_json::json!({"enrolled": true}));
    assert_eq!(site.enrollments(course.id).await.len(), 1);
}

#[tokio::test]
async fn a_method_in_a_field_is_heeded_only_with_the_token_of_a_form() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = &courses(&site, owner, 1).await[0];
    let path = format!("/api/courses/{}/", course.id);
    let fields = [("_method", "DELETE")];
    let count = async || all_courses(&site).await.len();
    let ingrid = site.login("ingrid").await;
    // From elsewhere: no token, or a wrong one, or another origin.
    let bare = ingrid.request(Method::POST, &path).form(&fields);
    ingrid
        .send(bare.header("accept", BROWSER))
        .await
        .expect(403);
    let wrong = [("_method", "DELETE"), ("csrfmiddlewaretoken", "x.y")];
    let wrong = ingrid.request(Method::POST, &path).form(&wrong);
    ingrid
        .send(wrong.header("accept", BROWSER))
        .await
        .expect(403)
        .has("<h1>");
    let token = ingrid.cookie("csrftoken").unwrap();
    let foreign = [
        ("_method", "DELETE"),
        ("csrfmiddlewaretoken", token.as_str()),
    ];
    let foreign = ingrid.request(Method::POST, &path).form(&foreign);
    let foreign = foreign
        .header("origin", "https://evil.example")
        .header("accept", BROWSER);
    ingrid.send(foreign).await.expect(403);
    // A program that names its method in a field has a field of that name, in whatever format it asks.
    for accept in [BROWSER, "application/json"] {
        let program = site.visitor();
        let request = program.request(Method::POST, &path).form(&fields);
        let request = request
            .basic_auth("ingrid", Some(PASSWORD))
            .header("accept", accept);
        program.send(request).await.expect(405);
        let request = ingrid.request(Method::POST, &path).form(&fields);
        let request = request
            .header("x-csrftoken", &token)
            .header("accept", accept);
        ingrid.send(request).await.expect(405);
    }
    // By GET nothing but OPTIONS.
    look(&ingrid, &format!("{path}?_method=DELETE"))
        .await
        .expect(200);
    let page = look(&ingrid, &format!("{path}?_method=OPTIONS")).await;
    assert_eq!(shown(&page)["name"], "Course Instance");
    assert_eq!(count().await, 1);
    // What no form offers.
    send(&ingrid, &path, &[("_method", "TRACE")])
        .await
        .expect(400);
    send(&ingrid, &path, &[("_method", "delete")])
        .await
        .expect(400);
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn nobody_is_shown_the_page_of_another_even_where_answers_are_kept() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let draft = site.draft(owner, "secret-plan").await;
    let path = format!("/api/courses/{}/", draft.id);
    let (visitor, ingrid) = (site.visitor(), site.login("ingrid").await);
    for _ in 0..3 {
        look(&ingrid, &path)
            .await
            .expect(200)
            .has("secret-plan")
            .has("ingrid");
        look(&visitor, &path)
            .await
            .expect(404)
            .lacks("secret-plan")
            .lacks("ingrid");
        // Page and JSON of one address are not mixed up.
        assert!(visitor.get("/api/courses/").await.text().starts_with('['));
        look(&visitor, "/api/courses/")
            .await
            .expect(200)
            .has("<h1>")
            .lacks("ingrid");
        look(&ingrid, "/api/courses/")
            .await
            .expect(200)
            .has("ingrid");
    }
}

/// What a form of the page was filled with.
fn version(page: &Page) -> String {
    let text = page.text();
    let field = text.split_once("name=\"_version\" value=\"").unwrap().1;
    let value = field.split_once('"').unwrap().0;
    value.replace("&quot;", "\"").replace("&#34;", "\"")
}

#[tokio::test]
async fn a_course_is_made_changed_and_deleted_by_forms_alone() {
    let site = TestApp::start().await;
    teacher(&site).await;
    let ingrid = site.login("ingrid").await;
    let music = site.subject("music").await.to_string();
    let list = look(&ingrid, "/api/courses/").await;
    // Subjects are offered by their names.
    list.has("<select id=\"post-subject\"")
        .has(&format!("<option value=\"{music}\">Music ({music})"));
    let mut fields = vec![
        ("_method", "POST"),
        ("subject", music.as_str()),
        ("title", "A <b>bold</b> title"),
        ("slug", "no slug"),
        ("overview", "Two\r\nlines"),
    ];
    let wrong = send(&ingrid, "/api/courses/", &fields).await;
    wrong
        .expect(400)
        .has("id=\"post-slug-fault\"")
        .has("href=\"#post-slug\"");
    wrong
        .has("value=\"A &#60;b&#62;bold&#60;/b&#62; title\"")
        .lacks("<b>bold");
    assert!(all_courses(&site).await.is_empty());
    fields.retain(|(name, _)| *name != "slug");
    fields.push(("slug", "bold"));
    let made = send(&ingrid, "/api/courses/", &fields).await;
    made.expect(201).has("It is made.");
    let course = all_courses(&site).await.pop().unwrap();
    let path = format!("/api/courses/{}/", course.id);
    assert!(made.location().ends_with(&path));
    assert_eq!(course.overview, "Two\nlines");
    let page = look(&ingrid, &path).await;
    let fields = [
        ("_method", "PATCH"),
        ("_version", &version(&page)),
        ("title", "Bold"),
    ];
    let changed = send(&ingrid, &path, &fields).await;
    changed
        .expect(200)
        .has("It is changed.")
        .has("value=\"Bold\"");
    let raw = [("_method", "PATCH"), ("_content", "{\"title\": \"Raw\"}")];
    send(&ingrid, &path, &raw).await.expect(200);
    assert_eq!(all_courses(&site).await[0].title, "Raw");
    let raw = [("_method", "PATCH"), ("_content", "{\"title\": ")];
    let broken = send(&ingrid, &path, &raw).await;
    broken
        .expect(400)
        .has("JSON parse error")
        .has("{&#34;title&#34;:");
    send(&ingrid, &path, &[("_method", "DELETE")])
        .await
        .expect(200)
        .has("HTTP 204")
        .has("It is deleted.");
    assert!(all_courses(&site).await.is_empty());
    send(&ingrid, &path, &[("_method", "DELETE")])
        .await
        .expect(404);
}

#[tokio::test]
async fn of_two_people_with_the_same_form_the_second_is_told_and_may_send_it_again() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = &courses(&site, owner, 1).await[0];
    let path = format!("/api/courses/{}/", course.id);
    let ingrid = site.login("ingrid").await;
    let sofia = site.login_as("sofia", Role::Staff).await;
    let (first, second) = (look(&ingrid, &path).await, look(&sofia, &path).await);
    let change = |title: &'static str, version: String| {
        vec![
            ("_method".to_owned(), "PATCH".to_owned()),
            ("_version".to_owned(), version),
            ("title".to_owned(), title.to_owned()),
        ]
    };
    let sent = async |browser: &Browser, fields: Vec<(String, String)>| {
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        send(browser, &path, &fields).await
    };
    sent(&ingrid, change("First", version(&first)))
        .await
        .expect(200);
    let refused = sent(&sofia, change("Second", version(&second))).await;
    refused
        .expect(412)
        .has("It has been changed since")
        .has("value=\"Second\"");
    assert_eq!(all_courses(&site).await[0].title, "First");
    sent(&sofia, change("Second", version(&refused)))
        .await
        .expect(200);
    assert_eq!(all_courses(&site).await[0].title, "Second");
    // What is no header is no version.
    let odd = change("Third", "a\nb".to_owned());
    sent(&sofia, odd).await.expect(412);
}

#[tokio::test]
async fn the_forms_of_another_are_not_shown_and_not_taken() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = &courses(&site, owner, 1).await[0];
    let path = format!("/api/courses/{}/", course.id);
    for (name, role) in [("maya", Role::Student), ("clara", Role::Instructor)] {
        let other = site.login_as(name, role).await;
        let page = look(&other, &path).await;
        page.expect(200)
            .lacks("id=\"change\"")
            .lacks("id=\"delete\"");
        for method in ["PUT", "PATCH", "DELETE"] {
            let fields = [("_method", method), ("title", "Mine")];
            send(&other, &path, &fields).await.expect(403);
        }
    }
    let maya = site.login("maya").await;
    look(&maya, "/api/courses/").await.lacks("id=\"post\"");
    let ingrid = site.login("ingrid").await;
    look(&ingrid, &path)
        .await
        .has("id=\"change\"")
        .has("id=\"delete\"")
        .has("Yes, DELETE");
}

#[tokio::test]
async fn the_list_of_rooms_leads_to_each_and_offers_no_pages_that_it_has_not() {
    let site = TestApp::start().await;
    let browser = site.login_as("ingrid", Role::Instructor).await;
    let owner = lyceum::entities::user::Entity::find();
    let owner = owner.one(site.app.db.read()).await.unwrap().unwrap().id;
    let course = site.course(owner, "bow-hold").await.id;
    look(&browser, "/api/rooms/")
        .await
        .expect(200)
        .has(&format!("href=\"/api/rooms/{course}/\""))
        .lacks("by cursor");
    look(&browser, "/api/courses/")
        .await
        .expect(200)
        .has("by cursor");
}

#[tokio::test]
async fn what_is_to_be_copied_to_a_terminal_sends_what_has_to_be_sent() {
    let site = TestApp::start().await;
    let browser = site.login_as("ingrid", Role::Instructor).await;
    look(&browser, "/api/users/me/password/")
        .await
        .expect(405)
        .has("curl -X POST")
        .has("-H &#39;Content-Type: application/json&#39;")
        .has("&#34;new_password&#34;:");
    // Its body is not looked at.
    look(&browser, "/api/users/me/confirm/")
        .await
        .expect(405)
        .has("curl -X POST")
        .lacks("Content-Type: application/json&#39;");
}
