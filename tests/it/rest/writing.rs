//! Writing courses and subjects: what is made, changed and deleted, by whom, and in which words it is refused.

use super::{call, courses, send, teacher};
use crate::kit::{PASSWORD, Role, TestApp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lyceum::entities::{course, module, subject};
use reqwest::Method;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A new course in Music.
async fn new_course(site: &TestApp, slug: &str) -> Value {
    json!({
        "subject": site.subject("music").await,
        "title": "Bow hold",
        "slug": slug,
        "overview": "The *thumb* and the rest.",
    })
}

#[tokio::test]
async fn a_course_is_made_with_its_modules_and_a_draft_is_hidden_until_it_is_published() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let plain = new_course(&site, "bow-hair").await;
    let page = send(&site, Method::POST, "/api/courses/", "ingrid", &plain).await;
    let made = page.expect(201).json();
    assert_eq!(made["draft"], false);
    let path = format!("/api/courses/{}/", made["id"]);
    site.visitor().get(&path).await.expect(200);
    let mut sent = new_course(&site, "bow-hold").await;
    sent["draft"] = json!(true);
    sent["modules"] =
        json!([{"title": " The thumb "}, {"title": "The rest", "description": "And all."}]);
    let page = send(&site, Method::POST, "/api/courses/", "ingrid", &sent).await;
    let made = page.expect(201).json();
    let path = format!("/api/courses/{}/", made["id"]);
    assert_eq!(
        page.header("location").unwrap(),
        format!("{}{path}", site.url)
    );
    assert_eq!(made["owner"], owner);
    assert_eq!(made["draft"], true);
    assert_eq!(made["modules"][0]["title"], "The thumb");
    assert_eq!(made["modules"][1]["order"], 1);
    assert_eq!(made["modules"][1]["description"], "And all.");
    site.visitor().get(&path).await.expect(404);
    let publish = format!("{path}publish/");
    for _ in 0..2 {
        let page = call(&site, Method::POST, &publish, "ingrid").await;
        assert_eq!(page.expect(200).json()["draft"], false);
    }
    let seen = site.visitor().get(&path).await;
    assert_eq!(seen.expect(200).json()["modules"], made["modules"]);
    let list = site.visitor().get("/api/courses/").await;
    assert_eq!(list.expect(200).json()[0]["id"], made["id"]);
    let withdraw = format!("{path}withdraw/");
    call(&site, Method::POST, &withdraw, "ingrid")
        .await
        .expect(200);
    site.visitor().get(&path).await.expect(404);
}

#[tokio::test]
async fn put_changes_a_whole_course_patch_some_fields_and_delete_ends_it() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    site.module(course.id, "The thumb").await;
    let path = format!("/api/courses/{}/", course.id);
    let before = site.visitor().get(&path).await.expect(200).json();
    // What was read can be sent back as it is.
    let page = send(&site, Method::PUT, &path, "ingrid", &before).await;
    assert_eq!(page.expect(200).json(), before);
    let page = send(
        &site,
        Method::PATCH,
        &path,
        "ingrid",
        &json!({"title": "Holding"}),
    )
    .await;
    let mut after = before.clone();
    after["title"] = json!("Holding");
    assert_eq!(page.expect(200).json(), after);
    assert_eq!(site.visitor().get(&path).await.expect(200).json(), after);
    let page = send(
        &site,
        Method::PUT,
        &path,
        "ingrid",
        &json!({"title": "Half"}),
    )
    .await;
    let faults = page.expect(400).json();
    assert_eq!(faults.as_object().unwrap().len(), 3, "{faults}");
    assert_eq!(faults["slug"], json!(["This field is required."]));
    let page = call(&site, Method::DELETE, &path, "ingrid").await;
    assert_eq!(page.expect(204).text(), "");
    assert_eq!(page.header("content-type"), None);
    site.visitor().get(&path).await.expect(404);
    call(&site, Method::DELETE, &path, "ingrid")
        .await
        .expect(404);
    assert_eq!(
        module::Entity::find()
            .count(site.app.db.read())
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn every_fault_of_a_course_is_told_at_once_by_its_field_and_nothing_is_made() {
    let site = TestApp::start().await;
    teacher(&site).await;
    let sent = json!({
        "subject": 0, "title": "x".repeat(201), "slug": "mine", "overview": " ", "draft": "yes",
        "titel": 1, "modules": [{"title": "ok"}, {"title": " "}, {"name": "x"}, 7],
    });
    let page = send(&site, Method::POST, "/api/courses/", "ingrid", &sent).await;
    let faults = page.expect(400).json();
    for (field, words) in [
        ("subject", "from the list"),
        ("title", "201 characters; up to 200 fit"),
        ("slug", "The site uses the address “mine” itself"),
        ("overview", "Say in a few sentences"),
        ("draft", "true or false"),
        (
            "titel",
            "no field “titel” here; there are subject, title, slug",
        ),
        ("modules.2.title", "required"),
        ("modules.2.name", "no field “name”"),
        ("modules.3", "An object"),
    ] {
        let told = faults[field][0].as_str().unwrap_or_default();
        assert!(told.contains(words), "{field}: {faults}");
    }
    let sent = json!({"modules": [{"title": " "}]});
    let page = send(&site, Method::POST, "/api/courses/", "ingrid", &sent).await;
    assert_eq!(
        page.expect(400).json()["modules.0.title"][0],
        "A module needs a title."
    );
    assert_eq!(
        course::Entity::find()
            .count(site.app.db.read())
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn nobody_writes_what_is_not_hers() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let draft = site.draft(owner, "not-yet").await;
    site.person("clara", Role::Instructor).await;
    site.person("maya", Role::Student).await;
    site.person("sofia", Role::Staff).await;
    let (sent, order) = (json!({"title": "Taken over"}), json!({"modules": []}));
    let courses = [(course.id, 403), (draft.id, 404)];
    let of_both = |name| courses.map(|(id, status)| (name, id, status));
    for (name, id, status) in of_both("clara").into_iter().chain(of_both("maya")) {
        let path = format!("/api/courses/{id}/");
        let changes =
            [Method::PATCH, Method::PUT, Method::DELETE].map(|method| (method, "", &sent));
        let acts = ["publish/", "withdraw/", "order/"].map(|act| (Method::POST, act, &order));
        for (method, act, body) in changes.into_iter().chain(acts) {
            let page = send(&site, method.clone(), &format!("{path}{act}"), name, body).await;
            // Who writes no courses at all learns so first.
            let is_refused = page.status == status || (name == "maya" && page.status == 403);
            assert!(is_refused, "{method} {path}{act} {}", page.status);
        }
    }
    let page = send(
        &site,
        Method::POST,
        "/api/courses/",
        "maya",
        &new_course(&site, "x").await,
    )
    .await;
    page.expect(403);
    let browser = site.visitor();
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let page = browser
            .send(browser.request(method, "/api/courses/1/").body("{}"))
            .await;
        assert!([401, 405].contains(&page.status));
    }
    let path = format!("/api/courses/{}/", draft.id);
    let page = send(&site, Method::PATCH, &path, "sofia", &sent).await;
    assert_eq!(page.expect(200).json()["owner"], owner);
}

#[tokio::test]
async fn of_two_who_change_the_same_version_one_is_told_412() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let path = format!("/api/courses/{}/", course.id);
    // As a visitor: the page may come from the cache of whole answers, packed.
    let browser = site.visitor();
    for _ in 0..3 {
        let request = browser
            .request(Method::GET, &path)
            .header("accept-encoding", "gzip");
        browser.send(request).await.expect(200);
    }
    let request = browser
        .request(Method::GET, &path)
        .header("accept-encoding", "gzip");
    let tag = browser.send(request).await.header("etag").unwrap();
    let change = |title: &str| {
        let request = browser
            .request(Method::PATCH, &path)
            .basic_auth("ingrid", Some(PASSWORD));
        request
            .header("if-match", &tag)
            .json(&json!({"title": title}))
    };
    let (one, two) = tokio::join!(browser.send(change("One")), browser.send(change("Two")));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let winner = if one.status == 200 { &one } else { &two };
    let now = browser.get(&path).await;
    assert_eq!(now.expect(200).json(), winner.json());
    // The answer of a change names the version that it made.
    let request = browser
        .request(Method::DELETE, &path)
        .basic_auth("ingrid", Some(PASSWORD));
    browser
        .send(request.header("if-match", &tag))
        .await
        .expect(412);
    let tag = winner.header("etag").unwrap();
    let request = browser
        .request(Method::DELETE, &path)
        .basic_auth("ingrid", Some(PASSWORD));
    browser
        .send(request.header("if-match", tag))
        .await
        .expect(204);
}

#[tokio::test]
async fn of_two_courses_at_once_with_one_address_one_is_made() {
    let site = TestApp::start().await;
    teacher(&site).await;
    let sent = new_course(&site, "bow-hold").await;
    let post = || send(&site, Method::POST, "/api/courses/", "ingrid", &sent);
    let (one, two) = tokio::join!(post(), post());
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400]);
    let refused = if one.status == 400 { one } else { two };
    assert!(
        refused.json()["slug"][0]
            .as_str()
            .unwrap()
            .contains("has this address already")
    );
    assert_eq!(
        course::Entity::find()
            .count(site.app.db.read())
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn modules_are_put_into_an_order_that_names_each_once() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let made = courses(&site, owner, 2).await;
    let path = format!("/api/courses/{}/", made[0].id);
    let ids = async |path: &str| -> Vec<i64> {
        let course = site.visitor().get(path).await.expect(200).json();
        let modules = course["modules"].as_array().unwrap();
        modules
            .iter()
            .map(|module| module["id"].as_i64().unwrap())
            .collect()
    };
    let [first, second] = ids(&path).await[..] else {
        panic!()
    };
    let other = ids(&format!("/api/courses/{}/", made[1].id)).await[0];
    let order = format!("{path}order/");
    let page = send(
        &site,
        Method::POST,
        &order,
        "ingrid",
        &json!({"modules": [second, first]}),
    )
    .await;
    assert_eq!(page.expect(200).json()["modules"][0]["id"], second);
    assert_eq!(ids(&path).await, [second, first]);
    for wrong in [
        json!([second]),
        json!([second, first, other]),
        json!([second, second]),
        json!("x"),
        json!([]),
    ] {
        let page = send(
            &site,
            Method::POST,
            &order,
            "ingrid",
            &json!({"modules": wrong}),
        )
        .await;
        assert!(page.expect(400).json()["modules"][0].is_string());
    }
    assert_eq!(ids(&path).await, [second, first]);
}

#[tokio::test]
async fn a_browser_needs_its_token_to_write_and_forms_will_do() {
    let site = TestApp::start().await;
    let browser = site.login_as("ingrid", Role::Instructor).await;
    let sent = new_course(&site, "bow-hold").await.to_string();
    let request = browser.request(Method::POST, "/api/courses/");
    let bare = browser
        .send(
            request
                .header("content-type", "application/json")
                .body(sent.clone()),
        )
        .await;
    bare.expect(403);
    browser.post_json("/api/courses/", &sent).await.expect(201);
    let subject = site.subject("music").await.to_string();
    let fields = [
        ("subject", subject.as_str()),
        ("title", "By form"),
        ("slug", "by-form"),
        ("overview", "Typed."),
        ("draft", "false"),
        ("modules", r#"[{"title": "One"}]"#),
    ];
    let made = browser
        .post("/api/courses/", &fields)
        .await
        .expect(201)
        .json();
    assert_eq!(made["draft"], false);
    assert_eq!(made["modules"][0]["title"], "One");
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn staff_write_subjects_and_delete_those_that_hold_no_course() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    site.person("sofia", Role::Staff).await;
    let sent = json!({"title": "Chemistry", "slug": "chemistry"});
    send(&site, Method::POST, "/api/subjects/", "ingrid", &sent)
        .await
        .expect(403);
    let page = send(&site, Method::POST, "/api/subjects/", "sofia", &sent).await;
    let made = page.expect(201).json();
    let path = format!("/api/subjects/{}/", made["id"]);
    assert_eq!(
        page.header("location").unwrap(),
        format!("{}{path}", site.url)
    );
    let again = send(&site, Method::POST, "/api/subjects/", "sofia", &sent).await;
    assert!(again.expect(400).json()["slug"][0].is_string());
    let page = send(
        &site,
        Method::PATCH,
        &path,
        "sofia",
        &json!({"title": "Alchemy"}),
    )
    .await;
    assert_eq!(page.expect(200).json()["title"], "Alchemy");
    assert_eq!(
        site.visitor().get(&path).await.expect(200).json()["title"],
        "Alchemy"
    );
    assert!(site.visitor().get("/").await.text().contains("Alchemy"));
    let bad = json!({"title": "", "slug": "a b", "id": 7, "x": 1});
    let faults = send(&site, Method::PUT, &path, "sofia", &bad)
        .await
        .expect(400)
        .json();
    assert_eq!(
        faults.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["id", "slug", "title", "x"]
    );
    let course = site.course(owner, "bow-hold").await;
    let music = format!("/api/subjects/{}/", course.subject_id);
    call(&site, Method::DELETE, &music, "sofia")
        .await
        .expect(409);
    call(&site, Method::DELETE, &path, "sofia")
        .await
        .expect(204);
    call(&site, Method::DELETE, &path, "sofia")
        .await
        .expect(404);
    assert_eq!(
        subject::Entity::find()
            .count(site.app.db.read())
            .await
            .unwrap(),
        4
    );
    site.visitor()
        .get(&format!("/api/courses/{}/", course.id))
        .await
        .expect(200);
}

#[tokio::test]
async fn hostile_bodies_have_their_documented_answer_and_change_nothing() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let path = format!("/api/courses/{}/", course.id);
    let before = site.visitor().get(&path).await.json();
    let json = "application/json";
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        (json, "[".repeat(10_000).into(), 400),
        (json, "{\"a\":".repeat(10_000).into(), 400),
        (json, b"{\"title\": \"a\", \"title\": \"b\"}".to_vec(), 400),
        (json, b"{\"title\": \"\xff\"}".to_vec(), 400),
        (json, b"{\"title\": \"\\ud800\"}".to_vec(), 400),
        (json, b"{\"title\": \"\\u0000\"}".to_vec(), 400),
        (json, b"{\"subject\": 1e400}".to_vec(), 400),
        (json, b"{\"subject\": 99999999999999999999}".to_vec(), 400),
        (json, b"{\"subject\": 1.5}".to_vec(), 400),
        (json, b"[]".to_vec(), 400),
        (json, b"null".to_vec(), 400),
        (json, b"{} {}".to_vec(), 400),
        (json, vec![b' '; 1_000_001], 413),
        (json, vec![b' '; 50_000_000], 413),
        ("application/json; charset=utf-16", b"{}".to_vec(), 415),
        ("text/plain", b"{}".to_vec(), 415),
        ("application/xml", b"<a/>".to_vec(), 415),
        ("multipart/form-data", b"x".to_vec(), 400),
        ("multipart/form-data; boundary=B", b"--B\r\n".to_vec(), 400),
        (
            "application/x-www-form-urlencoded",
            b"title=%ff".to_vec(),
            400,
        ),
        (
            "application/x-www-form-urlencoded",
            b"title=a&title=b".to_vec(),
            400,
        ),
    ];
    for (kind, body, status) in cases {
        let shown = String::from_utf8_lossy(body.get(..40).unwrap_or(&body)).into_owned();
        let browser = site.visitor();
        let request = browser
            .request(Method::PATCH, &path)
            .basic_auth("ingrid", Some(PASSWORD));
        let page = browser
            .send(request.header("content-type", kind).body(body))
            .await;
        assert_eq!(page.status, status, "{kind} {shown}: {}", page.text());
        assert!(page.json().is_object());
    }
    assert_eq!(site.visitor().get(&path).await.json(), before);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_so_and_changes_nothing() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let address = site.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let credentials = STANDARD.encode(format!("ingrid:{PASSWORD}"));
    // A chunk whose length is none: the body cannot be read to its end.
    let request = format!(
        "PATCH /api/courses/{}/ HTTP/1.1\r\nHost: {address}\r\nAuthorization: Basic {credentials}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         f\r\n{{\"title\": \"New\"}}\r\nzz\r\n",
        course.id
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let path = format!("/api/courses/{}/", course.id);
    let now = site.visitor().get(&path).await.expect(200).json();
    assert_eq!(now["title"], course.title);
}

#[tokio::test]
async fn no_body_makes_more_faults_than_somebody_mends() {
    let site = TestApp::start().await;
    teacher(&site).await;
    let modules: Vec<Value> = (0..9_900).map(|_| json!({"x": 1})).collect();
    let mut sent = new_course(&site, "bow-hold").await;
    sent["modules"] = json!(modules);
    let page = send(&site, Method::POST, "/api/courses/", "ingrid", &sent).await;
    let faults = page.expect(400).json();
    assert!(faults.as_object().unwrap().len() <= 110, "{faults}");
    assert!(page.bytes.len() < 30_000);
    let unknown: serde_json::Map<String, Value> =
        (0..5_000).map(|at| (format!("x{at}"), json!(1))).collect();
    let page = send(
        &site,
        Method::POST,
        "/api/courses/",
        "ingrid",
        &json!(unknown),
    )
    .await;
    assert!(page.expect(400).json().as_object().unwrap().len() <= 110);
}

#[tokio::test]
async fn options_tell_what_may_be_written_to_those_who_may() {
    let site = TestApp::start().await;
    teacher(&site).await;
    let page = call(&site, Method::OPTIONS, "/api/courses/", "ingrid").await;
    let told = page.expect(200).json();
    let post = &told["actions"]["POST"];
    assert_eq!(post["title"]["required"], true);
    assert_eq!(post["title"]["max_length"], 200);
    assert_eq!(post["draft"]["required"], false);
    assert_eq!(post["id"]["read_only"], true);
    assert_eq!(
        post["modules"]["child"]["children"]["title"]["type"],
        "string"
    );
    assert_eq!(told["parses"].as_array().unwrap().len(), 3);
    let anonymous = site.visitor();
    let page = anonymous
        .send(anonymous.request(Method::OPTIONS, "/api/courses/"))
        .await;
    assert!(page.expect(200).json()["actions"].is_null());
    assert_eq!(page.header("allow").unwrap(), "GET, POST, HEAD, OPTIONS");
}
