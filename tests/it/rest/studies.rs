//! Enrolling and reading the contents of a course.

use super::{call, send, set_draft, teacher};
use crate::kit::{PASSWORD, Role, TestApp};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_program_enrolls_its_user_with_basic_credentials_and_an_empty_body() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let maya = site.person("maya", Role::Student).await;
    let path = format!("/api/courses/{}/enroll/", course.id);
    for _ in 0..2 {
        let page = call(&site, Method::POST, &path, "maya").await;
        assert_eq!(page.expect(200).json(), json!({"enrolled": true}));
    }
    let enrolled = site.enrollments(course.id).await;
    assert_eq!(
        enrolled.iter().map(|row| row.user_id).collect::<Vec<_>>(),
        [maya]
    );
}

#[tokio::test]
async fn the_body_of_an_enrollment_is_ignored_whatever_it_is() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    site.person("maya", Role::Student).await;
    let browser = site.visitor();
    for (mime, body) in [
        ("application/json", "{\"a\":"),
        ("text/x-odd", "\u{0}"),
        ("multipart/form-data", "x"),
    ] {
        let request = browser
            .request(Method::POST, &format!("/api/courses/{}/enroll/", course.id))
            .basic_auth("maya", Some(PASSWORD))
            .header("content-type", mime);
        browser.send(request.body(body)).await.expect(200);
    }
}

#[tokio::test]
async fn two_enrollments_at_once_are_one() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    site.person("maya", Role::Student).await;
    let path = format!("/api/courses/{}/enroll/", course.id);
    let all = (0..10).map(|_| call(&site, Method::POST, &path, "maya"));
    for page in futures::future::join_all(all).await {
        page.expect(200);
    }
    assert_eq!(site.enrollments(course.id).await.len(), 1);
}

#[tokio::test]
async fn with_a_session_the_token_against_forgery_is_needed() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let maya = site.login_as("maya", Role::Student).await;
    let path = format!("/api/courses/{}/enroll/", course.id);
    let bare = maya.send(maya.request(Method::POST, &path)).await;
    let told = bare.expect(403).json();
    assert!(told["detail"].is_string());
    assert_eq!(bare.header("allow").as_deref(), Some("POST, OPTIONS"));
    assert!(site.enrollments(course.id).await.is_empty());
    maya.post_json(&path, "").await.expect(200);
    assert_eq!(site.enrollments(course.id).await.len(), 1);
}

#[tokio::test]
async fn contents_are_for_those_who_are_in_the_course_its_owner_and_staff() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "The thumb").await;
    site.text(module.id, "Read", "<b>Bend</b> it.\n\nAlways.")
        .await;
    site.module(course.id, "Empty").await;
    site.person("maya", Role::Student).await;
    site.person("hugo", Role::Instructor).await;
    site.person("admin", Role::Staff).await;
    let path = format!("/api/courses/{}/contents/", course.id);
    let anonymous = site.visitor().get(&path).await;
    assert_eq!(
        anonymous.expect(401).json(),
        json!({"detail": "Authentication credentials were not provided."})
    );
    for other in ["maya", "hugo"] {
        let page = call(&site, Method::GET, &path, other).await;
        assert_eq!(
            page.expect(403).json(),
            json!({"detail": "You do not have permission to perform this action."})
        );
    }
    let enroll = format!("/api/courses/{}/enroll/", course.id);
    call(&site, Method::POST, &enroll, "maya").await.expect(200);
    for reader in ["maya", "ingrid", "admin"] {
        let page = call(&site, Method::GET, &path, reader)
            .await
            .expect(200)
            .json();
        assert_eq!(page["id"], course.id);
        assert_eq!(page["created"], "2026-03-02T09:30:00.123456Z");
        let modules = &page["modules"];
        assert_eq!(modules[0]["title"], "The thumb");
        assert_eq!(modules[0]["contents"][0]["order"], 0);
        let html = modules[0]["contents"][0]["item"].as_str().unwrap();
        assert!(html.contains("&lt;b&gt;Bend&lt;/b&gt; it.</p>"), "{html}");
        assert_eq!(modules[1]["contents"], json!([]));
    }
}

#[tokio::test]
async fn who_leaves_a_course_reads_its_contents_no_more() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let maya = site.login_as("maya", Role::Student).await;
    let path = format!("/api/courses/{}/contents/", course.id);
    let enroll = format!("/api/courses/{}/enroll/", course.id);
    call(&site, Method::POST, &enroll, "maya").await.expect(200);
    call(&site, Method::GET, &path, "maya").await.expect(200);
    maya.get(&format!("/students/course/{}/leave/", course.id))
        .await
        .expect(200);
    maya.post(&format!("/students/course/{}/leave/", course.id), &[])
        .await
        .expect(303);
    call(&site, Method::GET, &path, "maya").await.expect(403);
}

#[tokio::test]
async fn a_draft_is_not_there_for_others_even_if_they_enrolled_before() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let maya = site.person("maya", Role::Student).await;
    site.person("admin", Role::Staff).await;
    site.enrollment(maya, course.id).await;
    let one = format!("/api/courses/{}/", course.id);
    let contents = format!("{one}contents/");
    call(&site, Method::GET, &contents, "maya")
        .await
        .expect(200);
    site.visitor().get(&one).await.expect(200);
    set_draft(&site, course.id, true).await;
    for path in [&one, &contents] {
        let page = call(&site, Method::GET, path, "maya").await;
        assert_eq!(page.expect(404).json(), json!({"detail": "Not found."}));
        for reader in ["ingrid", "admin"] {
            call(&site, Method::GET, path, reader).await.expect(200);
        }
    }
    call(&site, Method::POST, &format!("{one}enroll/"), "maya")
        .await
        .expect(404);
    site.visitor().get(&one).await.expect(404);
}

#[tokio::test]
async fn the_client_of_the_book_lists_all_courses_and_enrolls_in_each() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    super::courses(&site, owner, 3).await;
    let maya = site.person("maya", Role::Student).await;
    let client = crate::kit::client().build().unwrap();
    let list = client
        .get(format!("{}/api/courses/", site.url))
        .send()
        .await
        .unwrap();
    let list: Vec<serde_json::Value> = list.json().await.unwrap();
    for course in &list {
        assert!(course["title"].is_string());
        let url = format!("{}/api/courses/{}/enroll/", site.url, course["id"]);
        let answer = client
            .post(url)
            .basic_auth("maya", Some(PASSWORD))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let of_course = site.enrollments(course["id"].as_i64().unwrap()).await;
        assert_eq!(of_course[0].user_id, maya);
    }
    assert_eq!(list.len(), 3);
}

#[tokio::test]
async fn where_a_film_stands_is_read_back() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await.id;
    let module = site.module(course, "First").await.id;
    let film = site.film_content(module, "Film", 90.0).await.id;
    site.person("maya", Role::Student).await;
    let path = format!("/api/contents/{film}/position/");
    call(&site, Method::GET, &path, "maya").await.expect(404);
    let enroll = format!("/api/courses/{course}/enroll/");
    call(&site, Method::POST, &enroll, "maya").await.expect(200);
    let none = call(&site, Method::GET, &path, "maya").await;
    assert_eq!(none.expect(200).json()["position"], 0.0);
    let body = serde_json::json!({"position": 42.5});
    send(&site, Method::POST, &path, "maya", &body)
        .await
        .expect(204);
    let stands = call(&site, Method::GET, &path, "maya").await;
    assert_eq!(stands.expect(200).json()["position"], 42.5);
}
