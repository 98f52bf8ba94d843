//! Who is refused what, in which order and in which words; how often somebody may ask.

use super::{call, get_with, teacher};
use crate::kit::{Page, Role, TestApp};
use reqwest::Method;
use serde_json::json;

#[track_caller]
fn is_refused(page: &Page, status: u16, detail: &str) {
    assert_eq!(page.expect(status).json(), json!({ "detail": detail }));
    let challenge = page.header("www-authenticate");
    let expected = (status == 401).then(|| "Basic realm=\"api\"".to_owned());
    assert_eq!(challenge, expected);
}

#[tokio::test]
async fn who_she_is_comes_before_the_method_and_the_method_before_the_thing() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let draft = site.draft(owner, "not-yet").await;
    let course = site.course(owner, "bow-hold").await;
    site.person("maya", Role::Student).await;
    let browser = site.visitor();
    let missing = "Authentication credentials were not provided.";
    for (method, path) in [
        (Method::POST, "/api/courses/0/enroll/".to_owned()),
        (Method::GET, "/api/courses/0/enroll/".into()),
        (Method::PUT, "/api/courses/x/contents/".into()),
        (Method::GET, format!("/api/courses/{}/contents/", draft.id)),
        (Method::GET, "/api/courses/0/contents/?format=xml".into()),
    ] {
        let page = browser.send(browser.request(method, &path)).await;
        is_refused(&page, 401, missing);
    }
    let page = call(&site, Method::PUT, "/api/courses/0/enroll/", "maya").await;
    is_refused(&page, 405, "Method \"PUT\" not allowed.");
    let page = browser
        .send(browser.request(Method::PUT, "/api/subjects/"))
        .await;
    is_refused(&page, 405, "Method \"PUT\" not allowed.");
    let page = browser
        .send(browser.request(Method::PUT, "/api/subjects/0/"))
        .await;
    is_refused(&page, 401, missing);
    for path in [
        format!("/api/courses/{}/contents/", draft.id),
        "/api/courses/0/contents/".into(),
        "/api/courses/99999999999999999999/contents/".into(),
        "/api/courses/x/contents/".into(),
    ] {
        is_refused(
            &call(&site, Method::GET, &path, "maya").await,
            404,
            "Not found.",
        );
    }
    let path = format!("/api/courses/{}/contents/", course.id);
    let page = call(&site, Method::GET, &path, "maya").await;
    is_refused(
        &page,
        403,
        "You do not have permission to perform this action.",
    );
}

#[tokio::test]
async fn a_thing_has_one_address_and_what_is_no_number_is_the_address_of_nothing() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await.id;
    let browser = site.visitor();
    for id in [
        format!("+{course}"),
        format!("%2B{course}"),
        format!("00{course}"),
        format!("-{course}"),
        format!("%20{course}"),
        format!("{course}%00"),
        "%FF".into(),
        "%C3%28".into(),
        "0".into(),
    ] {
        let path = format!("/api/courses/{id}/");
        is_refused(&browser.get(&path).await, 404, "Not found.");
        let page = browser.send(browser.request(Method::DELETE, &path)).await;
        is_refused(&page, 401, "Authentication credentials were not provided.");
        for (end, method) in [("", Method::DELETE), ("enroll/", Method::POST)] {
            let page = call(&site, method, &format!("{path}{end}"), "ingrid").await;
            is_refused(&page, 404, "Not found.");
        }
        let kind = page_type(&browser.get(&path).await);
        assert_eq!(kind, "application/json", "{path}");
    }
    browser
        .get(&format!("/api/courses/{course}/"))
        .await
        .expect(200);
}

fn page_type(page: &Page) -> String {
    page.header("content-type").unwrap_or_default()
}

#[tokio::test]
async fn wrong_and_malformed_credentials_are_refused_everywhere_in_the_agreed_words() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let browser = site.visitor();
    for path in ["/api/", "/api/courses/", "/api/courses/0/", "/api/nothing/"] {
        let request = browser
            .request(Method::GET, path)
            .basic_auth("maya", Some("wrong"));
        is_refused(
            &browser.send(request).await,
            401,
            "Invalid username/password.",
        );
        let malformed = get_with(&browser, path, "authorization", "Basic %%%").await;
        let words = "Invalid basic header. Credentials not correctly base64 encoded.";
        is_refused(&malformed, 401, words);
    }
}

#[tokio::test]
async fn every_method_on_every_path_has_its_answer_for_everybody() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    for (name, role) in [("maya", Role::Student), ("admin", Role::Staff)] {
        site.person(name, role).await;
    }
    let paths = [
        "/api/".to_owned(),
        "/api/subjects/".into(),
        "/api/subjects/1/".into(),
        "/api/courses/".into(),
        format!("/api/courses/{}/", course.id),
        format!("/api/courses/{}/enroll/", course.id),
        format!("/api/courses/{}/contents/", course.id),
        "/api/courses/0/contents/".into(),
        "/api/modules/".into(),
        "/api/modules/1/order/".into(),
        "/api/contents/".into(),
        "/api/contents/1/done/".into(),
        "/api/enrollments/".into(),
        "/api/uploads/".into(),
        "/api/uploads/1/retry/".into(),
        "/api/messages/".into(),
        "/api/messages/dismiss/".into(),
        "/api/users/me/".into(),
        "/api/users/0/".into(),
        "/api/groups/".into(),
        "/api/jobs/1/".into(),
        "/api/caches/forget/".into(),
        "/api/courses/-1/".into(),
        "/api/courses/%00/".into(),
        "/api/courses/%FF/".into(),
        "/api/nothing/at/all/".into(),
    ];
    let methods = [
        "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE",
    ];
    let all = methods
        .iter()
        .flat_map(|method| paths.iter().map(move |path| (*method, path)));
    for (method, path) in all {
        let method: Method = method.parse().unwrap();
        let browser = site.visitor();
        let request = browser.request(method.clone(), path);
        let page = browser.send(request.body("{}")).await;
        assert!(page.status < 500, "{method} {path}: {}", page.status);
        for name in ["ingrid", "maya", "admin"] {
            let page = call(&site, method.clone(), path, name).await;
            assert!(page.status < 500, "{method} {path}: {}", page.status);
            assert_ne!(page.status, 401, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn strange_addresses_and_headers_are_answered_and_change_nothing() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    site.course(owner, "bow-hold").await;
    let browser = site.visitor();
    let many: Vec<String> = (0..200).map(|at| format!("p{at}=1")).collect();
    let long = format!("/api/courses/?search={}", "word%20".repeat(700));
    for (path, status) in [
        (format!("/api/courses/?{}", many.join("&")), 400),
        (long, 200),
        ("/api/courses/?search=%FF%FE".into(), 200),
        ("/api/courses/?format=json&format=csv".into(), 200),
        ("/api/courses/?=&&&==".into(), 200),
        ("/api/courses/?slug='%20OR%20''='".into(), 200),
    ] {
        browser.get(&path).await.expect(status);
    }
    for accept in [
        ",,,;;",
        "*/*;q=nan",
        "application/json;q=1;q=0",
        "a/b/c",
        "text/html;q=-1, */*",
    ] {
        let page = super::accepting(&browser, "/api/subjects/", accept).await;
        assert!(
            matches!(page.status, 200 | 406),
            "{accept}: {}",
            page.status
        );
    }
    for host in ["evil.example\"><script>", "evil.example/path"] {
        let page = get_with(&browser, "/api/", "host", host).await;
        assert!(!page.text().contains("evil.example"), "{}", page.text());
    }
}

#[tokio::test]
async fn a_visitor_who_asks_too_often_is_told_when_to_come_back() {
    let site = TestApp::start_with(&[
        ("api_visitor_rate", "3/minute"),
        ("api_user_rate", "5/hour"),
    ])
    .await;
    site.person("maya", Role::Student).await;
    let browser = site.visitor();
    for _ in 0..3 {
        browser.get("/api/subjects/?limit=1").await.expect(200);
    }
    // The clock of tests stands at half past nine.
    let page = browser.get("/api/subjects/?limit=1").await;
    page.expect(429);
    assert_eq!(page.header("retry-after").as_deref(), Some("60"));
    assert!(
        page.json()["detail"]
            .as_str()
            .unwrap()
            .contains("60 seconds")
    );
    for _ in 0..5 {
        call(&site, Method::GET, "/api/subjects/", "maya")
            .await
            .expect(200);
    }
    let page = call(&site, Method::GET, "/api/subjects/", "maya").await;
    assert_eq!(
        page.expect(429).header("retry-after").as_deref(),
        Some("1800")
    );
    site.wait_seconds(60);
    browser.get("/api/subjects/?limit=1").await.expect(200);
    call(&site, Method::GET, "/api/subjects/", "maya")
        .await
        .expect(429);
}

#[tokio::test]
async fn who_changes_too_much_waits_while_everybody_goes_on_reading() {
    let site = TestApp::start_with(&[("api_write_rate", "2/minute")]).await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    for name in ["maya", "robert"] {
        site.person(name, Role::Student).await;
    }
    let enroll = format!("/api/courses/{}/enroll/", course.id);
    for _ in 0..2 {
        call(&site, Method::POST, &enroll, "maya").await.expect(200);
    }
    let page = call(&site, Method::POST, &enroll, "maya").await;
    let wait = page.expect(429).header("retry-after");
    assert_eq!(wait.as_deref(), Some("60"));
    for _ in 0..5 {
        call(&site, Method::GET, "/api/enrollments/", "maya")
            .await
            .expect(200);
    }
    call(&site, Method::POST, &enroll, "robert")
        .await
        .expect(200);
    site.wait_seconds(60);
    call(&site, Method::POST, &enroll, "maya").await.expect(200);
}

#[tokio::test]
async fn many_who_ask_at_once_are_counted_one_by_one() {
    let site = TestApp::start_with(&[("api_visitor_rate", "20/minute")]).await;
    let browser = site.visitor();
    let all = (0..40).map(|_| browser.get("/api/subjects/?limit=1"));
    let pages = futures::future::join_all(all).await;
    let heard = pages.iter().filter(|page| page.status == 200).count();
    assert_eq!(heard, 20);
}

#[tokio::test]
async fn without_a_limit_a_hundred_requests_at_once_are_heard() {
    let site = TestApp::start().await;
    let browser = site.visitor();
    let all = (0..100).map(|_| browser.get("/api/subjects/"));
    for page in futures::future::join_all(all).await {
        page.expect(200);
    }
}

#[tokio::test]
async fn whom_a_trusted_proxy_names_is_believed_by_the_api_alone() {
    let site = TestApp::start_with(&[
        ("trusted_proxies", "127.0.0.1"),
        ("remote_user_header", "Remote-User"),
    ])
    .await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let contents = format!("/api/courses/{}/contents/", course.id);
    let browser = site.visitor();
    get_with(&browser, &contents, "remote-user", "ingrid")
        .await
        .expect(200);
    browser.get(&contents).await.expect(401);
    get_with(&browser, &contents, "remote-user", "")
        .await
        .expect(401);
    let nobody = get_with(&browser, &contents, "remote-user", "nobody").await;
    is_refused(&nobody, 401, "Nobody here is called as the proxy says.");
    let page = get_with(&browser, "/course/mine/", "remote-user", "ingrid").await;
    assert_eq!(page.status, 302, "pages ask for a log-in");
    let foreign = browser
        .request(Method::POST, &format!("/api/courses/{}/enroll/", course.id))
        .header("remote-user", "ingrid")
        .header("origin", "https://evil.example");
    browser.send(foreign).await.expect(403);
    let twice = browser
        .request(Method::GET, &contents)
        .header("remote-user", "maya")
        .header("remote-user", "ingrid");
    browser.send(twice).await.expect(401);
}

#[tokio::test]
async fn the_header_of_a_proxy_counts_for_nothing_where_none_is_trusted() {
    let untrusting = TestApp::start().await;
    let distant = TestApp::start_with(&[
        ("trusted_proxies", "10.1.2.3"),
        ("remote_user_header", "Remote-User"),
    ])
    .await;
    for site in [untrusting, distant] {
        let owner = teacher(&site).await;
        let course = site.course(owner, "bow-hold").await;
        let path = format!("/api/courses/{}/contents/", course.id);
        let page = get_with(&site.visitor(), &path, "remote-user", "ingrid").await;
        page.expect(401);
    }
}

#[tokio::test]
async fn whom_a_proxy_names_is_not_given_what_is_kept_for_visitors() {
    let site = TestApp::start_with(&[
        ("trusted_proxies", "127.0.0.1"),
        ("remote_user_header", "Remote-User"),
    ])
    .await;
    let owner = teacher(&site).await;
    site.course(owner, "bow-hold").await;
    let browser = site.visitor();
    for _ in 0..2 {
        browser.get("/api/courses/").await.expect(200);
    }
    let page = get_with(&browser, "/api/courses/", "remote-user", "ingrid").await;
    let control = page.expect(200).header("cache-control").unwrap();
    assert!(control.contains("private"), "{control}");
}
