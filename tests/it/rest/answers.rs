//! What is answered, in which format, and what every answer carries.

use super::{accepting, call, courses, get_with, send, teacher};
use crate::kit::{Role, TestApp};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn the_root_names_the_resources_by_their_absolute_addresses() {
    let site = TestApp::start().await;
    let page = site.visitor().get("/api/").await;
    let root = page.expect(200).json();
    assert_eq!(root["subjects"], format!("{}/api/subjects/", site.url));
    assert_eq!(root["courses"], format!("{}/api/courses/", site.url));
    let site = TestApp::start_with(&[("public_url", "https://learn.example.org")]).await;
    let root = site.visitor().get("/api/").await.expect(200).json();
    assert_eq!(root["courses"], "https://learn.example.org/api/courses/");
}

#[tokio::test]
async fn subjects_have_id_title_and_slug_and_come_by_title() {
    let site = TestApp::start().await;
    let browser = site.visitor();
    let list = browser.get("/api/subjects/").await.expect(200).json();
    let titles: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|subject| subject["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles, ["Mathematics", "Music", "Physics", "Programming"]);
    let music = site.subject("music").await;
    let one = browser.get(&format!("/api/subjects/{music}/")).await;
    assert_eq!(
        one.expect(200).json(),
        json!({"id": music, "title": "Music", "slug": "music"})
    );
    assert_eq!(list[1], one.json());
}

#[tokio::test]
async fn a_course_has_the_fields_that_older_programs_read_and_no_others_but_its_own() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let thumb = site.module(course.id, "The thumb").await.id;
    let rest = site.module(course.id, "The \"rest\"").await.id;
    let browser = site.visitor();
    let page = browser.get(&format!("/api/courses/{}/", course.id)).await;
    assert_eq!(
        page.expect(200).json(),
        json!({
            "id": course.id,
            "subject": site.subject("music").await,
            "title": "bow hold",
            "slug": "bow-hold",
            "overview": "About bow hold.",
            "created": "2026-03-02T09:30:00.123456Z",
            "owner": owner,
            "modules": [
                {"id": thumb, "order": 0, "title": "The thumb", "description": ""},
                {"id": rest, "order": 1, "title": "The \"rest\"", "description": ""},
            ],
            "draft": false,
        })
    );
    let list = browser.get("/api/courses/").await.expect(200).json();
    assert_eq!(list, json!([page.json()]));
    assert!(!page.text().contains("\": "), "JSON is compact");
    assert_eq!(page.header("content-type").unwrap(), "application/json");
}

#[tokio::test]
async fn courses_come_newest_first_and_without_drafts() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let made = courses(&site, owner, 3).await;
    site.draft(owner, "not-yet").await;
    let page = call(&site, Method::GET, "/api/courses/", "ingrid").await;
    let list = page.expect(200).json();
    let ids: Vec<i64> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["id"].as_i64().unwrap())
        .collect();
    let expected: Vec<i64> = made.iter().rev().map(|course| course.id).collect();
    assert_eq!(ids, expected);
    let mine = call(&site, Method::GET, "/api/courses/?draft=true", "ingrid").await;
    assert_eq!(mine.expect(200).json()[0]["slug"], "not-yet");
    let none = site.visitor().get("/api/courses/?draft=true").await;
    assert_eq!(none.expect(200).json(), json!([]));
}

#[tokio::test]
async fn an_empty_site_answers_empty_lists() {
    let site = TestApp::start().await;
    let browser = site.visitor();
    assert_eq!(browser.get("/api/courses/").await.expect(200).text(), "[]");
    let page = browser.get("/api/courses/?page=1").await;
    assert_eq!(
        page.expect(200).json(),
        json!({"count": 0, "next": null, "previous": null, "results": []})
    );
    let table = browser.get("/api/courses.csv").await;
    assert_eq!(
        table.expect(200).text(),
        "id,subject,title,slug,overview,created,owner,modules,draft\r\n"
    );
}

/// Calls with the status of their answers and what `Allow` says there.
fn calls(id: i64) -> Vec<(Method, String, u16, &'static str)> {
    const READ: &str = "GET, HEAD, OPTIONS";
    const MAKE: &str = "GET, POST, HEAD, OPTIONS";
    const CHANGE: &str = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS";
    let list = "/api/courses/";
    vec![
        (Method::GET, "/api/".into(), 200, READ),
        (Method::GET, list.into(), 200, MAKE),
        (Method::HEAD, list.into(), 200, MAKE),
        (Method::OPTIONS, list.into(), 200, MAKE),
        (Method::DELETE, list.into(), 405, MAKE),
        (Method::GET, format!("{list}?page=9"), 404, MAKE),
        (Method::GET, format!("{list}0/"), 404, CHANGE),
        (Method::DELETE, format!("{list}0/"), 401, CHANGE),
        (
            Method::POST,
            format!("{list}{id}/enroll/"),
            401,
            "POST, OPTIONS",
        ),
        (Method::GET, format!("{list}{id}/contents/"), 401, READ),
    ]
}

#[tokio::test]
async fn every_answer_says_which_methods_there_are_and_on_what_it_depends() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let browser = site.visitor();
    for (method, path, status, allow) in calls(course.id) {
        let page = browser.send(browser.request(method.clone(), &path)).await;
        page.expect(status);
        assert_eq!(
            page.header("allow").as_deref(),
            Some(allow),
            "{method} {path}"
        );
        let vary = page.header("vary").unwrap();
        assert!(vary.contains("Accept") && vary.contains("Cookie"), "{vary}");
    }
    let wrong = browser
        .request(Method::GET, "/api/courses/")
        .basic_auth("ingrid", Some("no"));
    let page = browser.send(wrong).await;
    let allow = page.expect(401).header("allow");
    assert_eq!(allow.as_deref(), Some("GET, POST, HEAD, OPTIONS"));
}

#[tokio::test]
async fn options_tell_name_description_and_formats() {
    let site = TestApp::start().await;
    let browser = site.visitor();
    let page = browser
        .send(browser.request(Method::OPTIONS, "/api/courses/"))
        .await;
    let told = page.expect(200).json();
    assert_eq!(told["name"], "Course List");
    assert!(!told["description"].as_str().unwrap().is_empty());
    assert_eq!(
        told["renders"],
        json!(["application/json", "text/html", "text/csv"])
    );
    assert_eq!(
        told["parses"],
        json!([
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data"
        ])
    );
}

#[tokio::test]
async fn the_format_is_chosen_by_suffix_by_parameter_or_by_accept() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let browser = site.visitor();
    for (path, accept, mime) in [
        ("/api/courses/".to_owned(), "*/*", "application/json"),
        (
            "/api/courses/".into(),
            "text/csv",
            "text/csv; charset=utf-8",
        ),
        (
            "/api/courses/".into(),
            "text/csv;q=0.2, application/json;q=0.1",
            "text/csv; charset=utf-8",
        ),
        (
            "/api/courses/?format=csv".into(),
            "application/json",
            "text/csv; charset=utf-8",
        ),
        (
            "/api/courses.csv".into(),
            "application/json",
            "text/csv; charset=utf-8",
        ),
        ("/api/courses.json".into(), "text/csv", "application/json"),
        (
            format!("/api/courses/{}.json", course.id),
            "image/png",
            "application/json",
        ),
        ("/api/subjects.csv".into(), "*/*", "text/csv; charset=utf-8"),
    ] {
        let page = accepting(&browser, &path, accept).await;
        page.expect(200);
        assert_eq!(
            page.header("content-type").as_deref(),
            Some(mime),
            "{path} {accept}"
        );
    }
}

#[tokio::test]
async fn a_format_that_there_is_not_is_refused() {
    let site = TestApp::start().await;
    let browser = site.visitor();
    let unknown = browser.get("/api/courses/?format=xml").await;
    assert_eq!(
        unknown.expect(406).json(),
        json!({"detail": "Could not satisfy the request Accept header."})
    );
    accepting(&browser, "/api/courses/", "image/png")
        .await
        .expect(406);
    accepting(&browser, "/api/courses/", "application/json;q=0")
        .await
        .expect(406);
    accepting(&browser, "/api/", "text/csv").await.expect(406);
    for path in [
        "/api/courses.xml",
        "/api/courses/1.xml",
        "/api/.json",
        "/api/courses.csv/",
    ] {
        browser.get(path).await.expect(404);
    }
}

#[tokio::test]
async fn json_is_indented_on_request_and_says_the_same() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    courses(&site, owner, 2).await;
    let browser = site.visitor();
    let compact = browser.get("/api/courses/").await;
    let pretty = accepting(&browser, "/api/courses/", "application/json; indent=4").await;
    assert!(
        pretty
            .expect(200)
            .text()
            .starts_with("[\n    {\n        \"id\": ")
    );
    assert_eq!(pretty.json(), compact.json());
}

#[tokio::test]
async fn a_table_has_a_line_for_each_course_and_no_formulas() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    site.course_with(owner, "sums", |row| {
        row.title = sea_orm::ActiveValue::Set("=HYPERLINK(\"http://evil.example\",\"x\")".into());
    })
    .await;
    let page = site
        .visitor()
        .get("/api/courses.csv?fields=title,slug")
        .await;
    assert_eq!(
        page.expect(200).text(),
        "title,slug\r\n\"'=HYPERLINK(\"\"http://evil.example\"\",\"\"x\"\")\",sums\r\n"
    );
    // Where numbers have a comma, a cell begins after each semicolon; and texts stand in lists, too.
    let name = "x;=cmd|'/C calc'!A0";
    let robert = site.person("robert", Role::Student).await;
    let path = format!("/api/users/{robert}/");
    site.person("sofia", Role::Staff).await;
    send(&site, Method::PATCH, &path, "sofia", &json!({"name": name}))
        .await
        .expect(200);
    for list in ["/api/users.csv?fields=name", "/api/log.csv?fields=changes"] {
        let visitor = site.visitor();
        let request = visitor.request(Method::GET, list);
        let table = visitor
            .send(request.basic_auth("sofia", Some(crate::kit::PASSWORD)))
            .await;
        let table = table.expect(200).text();
        assert!(table.contains("x;'=cmd"), "{list}: {table}");
    }
}

#[tokio::test]
async fn only_the_fields_that_are_named_are_answered() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let browser = site.visitor();
    let list = browser.get("/api/courses/?fields=id,title").await;
    assert_eq!(
        list.expect(200).json(),
        json!([{"id": course.id, "title": "bow hold"}])
    );
    let unknown = browser.get("/api/courses/?fields=id,password").await;
    let told = unknown.expect(400).json();
    assert!(
        told["fields"][0].as_str().unwrap().contains("password"),
        "{told}"
    );
}

#[tokio::test]
async fn a_get_without_the_closing_slash_is_led_to_the_one_with_it() {
    let site = TestApp::start().await;
    let browser = site.visitor();
    for path in [
        "/api",
        "/api/courses",
        "/api/courses/1",
        "/api/courses/1/contents",
    ] {
        let page = browser.get(&format!("{path}?page=2")).await;
        assert_eq!(page.expect(301).location(), format!("{path}/?page=2"));
        let posted = browser.send(browser.request(Method::POST, path)).await;
        posted.expect(404);
    }
}

#[tokio::test]
async fn what_is_held_already_is_not_sent_again() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let made = courses(&site, owner, 1).await;
    site.person("maya", Role::Student).await;
    let path = format!("/api/courses/{}/", made[0].id);
    let page = call(&site, Method::GET, &path, "maya").await;
    let tag = page.expect(200).header("etag").unwrap();
    let browser = site.visitor();
    let again = browser
        .request(Method::GET, &path)
        .basic_auth("maya", Some(crate::kit::PASSWORD));
    let same = browser.send(again.header("if-none-match", &tag)).await;
    assert_eq!(same.expect(304).text(), "");
    assert_eq!(same.header("etag").as_ref(), Some(&tag));
    let other = get_with(&browser, &path, "if-match", "\"another\"").await;
    other.expect(412);
    site.module(made[0].id, "Third").await;
    let again = browser
        .request(Method::GET, &path)
        .basic_auth("maya", Some(crate::kit::PASSWORD));
    let changed = browser.send(again.header("if-none-match", &tag)).await;
    let modules = changed.expect(200).json()["modules"]
        .as_array()
        .map(Vec::len);
    assert_eq!(modules, Some(3));
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    courses(&site, owner, 1).await;
    let browser = site.visitor();
    let whole = browser.get("/api/courses/").await;
    let head = browser
        .send(browser.request(Method::HEAD, "/api/courses/"))
        .await;
    assert_eq!(head.expect(200).text(), "");
    assert_eq!(
        head.header("content-length"),
        Some(whole.bytes.len().to_string())
    );
}

#[tokio::test]
async fn of_a_body_that_is_no_object_that_alone_is_told() {
    let site = TestApp::start().await;
    teacher(&site).await;
    let told = json!({"non_field_errors": ["An object with fields is expected here."]});
    for path in ["/api/modules/", "/api/courses/"] {
        for body in [json!([1]), json!("title"), json!(7), json!(null)] {
            let page = send(&site, Method::POST, path, "ingrid", &body).await;
            assert_eq!(page.expect(400).json(), told, "{path} {body}");
        }
    }
}
