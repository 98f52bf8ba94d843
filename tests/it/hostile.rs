//! Requests that no browser sends: malformed bytes, absurd sizes, nonsense. Nothing of it is a 5xx.

use crate::kit::{Role, TestApp};
use lyceum::entities::user;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends the bytes as they are; answers what came back until the site closed or the answer was whole.
async fn raw(site: &TestApp, request: &[u8]) -> String {
    let address = site.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let send = async {
        // The site may answer and close before it has read everything.
        let _ = writer.write_all(request).await;
    };
    let read = async {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
        answer
    };
    let (answer, ()) = tokio::join!(read, send);
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .unwrap_or_else(|| panic!("no answer: {answer:?}"))
        .parse()
        .unwrap()
}

/// A GET of these path bytes on a connection that is closed after it.
fn get(path: &[u8]) -> Vec<u8> {
    let mut request = b"GET ".to_vec();
    request.extend(path);
    request.extend(b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    request
}

#[tokio::test]
async fn paths_that_are_no_text_are_not_found_or_refused() {
    let site = TestApp::start().await;
    let long = format!("/{}/", "a".repeat(20_000));
    let cases: [(&[u8], &[u16]); 14] = [
        (b"/%ff/", &[404]),
        (b"/%00/", &[404]),
        (b"/course/%ff/", &[404]),
        (b"/course/%00/", &[404]),
        (b"/course/a%00b/", &[404]),
        (b"/students/course/%ff/", &[302, 404]),
        (b"/static/%00/%ff", &[404]),
        (b"/\xff/", &[400, 404]),
        (b"/a\x00b/", &[400]),
        (b"//", &[404]),
        (b"//evil.example/", &[404]),
        (b"/..//../etc/passwd", &[404]),
        (b"http://evil.example/healthz", &[200]),
        (long.as_bytes(), &[404, 414]),
    ];
    for (path, expected) in cases {
        let answer = raw(&site, &get(path)).await;
        let shown = String::from_utf8_lossy(path)
            .chars()
            .take(40)
            .collect::<String>();
        assert!(expected.contains(&status(&answer)), "{shown}: {answer}");
    }
}

#[tokio::test]
async fn a_path_with_two_slashes_never_leads_off_the_site() {
    let site = TestApp::start().await;
    for path in [
        "//accounts/login",
        "//evil.example/accounts/login",
        "/accounts/login//",
    ] {
        let page = site.visitor().get(path).await;
        assert_eq!(page.status, 404, "{path}");
    }
    let page = site
        .visitor()
        .get("/accounts/login?next=//evil.example")
        .await;
    page.expect(301);
    assert_eq!(page.location(), "/accounts/login/?next=//evil.example");
}

#[tokio::test]
async fn requests_that_are_no_http_are_refused() {
    let site = TestApp::start().await;
    let refused: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ];
    for request in refused {
        let answer = raw(&site, request).await;
        let is_refused = answer.is_empty() || (400..500).contains(&status(&answer));
        assert!(
            is_refused,
            "{:?}: {answer}",
            String::from_utf8_lossy(request)
        );
    }
    site.visitor().get("/healthz").await.expect(200);
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused() {
    let site = TestApp::start().await;
    let large = format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n",
        "a".repeat(10 << 20)
    );
    let answer = raw(&site, large.as_bytes()).await;
    // The answer may be lost when the site closes while the rest is still on its way.
    assert!(answer.is_empty() || status(&answer) == 431, "{answer}");
    let many = format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "X-Many: 1\r\n".repeat(1_000)
    );
    assert_eq!(status(&raw(&site, many.as_bytes()).await), 431);
    site.visitor().get("/healthz").await.expect(200);
}

#[tokio::test]
async fn headers_that_are_no_text_do_no_harm() {
    let site = TestApp::start().await;
    for header in [
        "Cookie: sessionid=\u{fffd}; csrftoken=%00; =; ;;;",
        "Accept: \u{fffd}",
        "Authorization: Basic \u{fffd}",
        "Authorization: Basic AA==",
        "Authorization: Token \u{fffd}",
        "X-Forwarded-For: \u{fffd}",
        "X-Request-Id: \u{fffd}",
        "Accept-Encoding: gzip;q=\u{fffd}",
        "Content-Type: multipart/form-data; boundary=\u{fffd}",
        "If-Modified-Since: never",
        "Range: bytes=9-1",
    ] {
        for line in [
            "GET /accounts/login/",
            "GET /api/x/",
            "GET /no/",
            "POST /accounts/login/",
        ] {
            let request = format!(
                "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n{header}\r\n\r\n"
            );
            // Bytes beyond ASCII that are no UTF-8 either.
            let bytes: Vec<u8> = request
                .chars()
                .map(|c| u8::try_from(c).unwrap_or(0xff))
                .collect();
            let answer = raw(&site, &bytes).await;
            assert!(status(&answer) < 500, "{line} {header}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_with_those_that_are_right() {
    let site = TestApp::start().await;
    let page = site
        .visitor()
        .send(site.visitor().request(reqwest::Method::PUT, "/healthz"))
        .await;
    page.expect(405);
    let allow = page.header("allow").unwrap();
    assert!(allow.contains("GET") && allow.contains("HEAD"), "{allow}");
    let request = site.visitor().request(reqwest::Method::PUT, "/healthz");
    let page = site
        .visitor()
        .send(request.header("Accept", "application/json"))
        .await;
    page.expect(405);
    assert_eq!(page.json()["detail"], "Method \"PUT\" not allowed.");
    assert!(page.header("allow").is_some());
}

#[tokio::test]
async fn a_head_is_answered_like_a_get_without_the_body() {
    let site = TestApp::start().await;
    let icons = lyceum::web::assets::url("icons.svg");
    for path in [
        "/healthz",
        "/accounts/login/",
        "/no/such/page/",
        icons.as_str(),
    ] {
        let got = site.visitor().get(path).await;
        for encoding in ["identity", "gzip, br"] {
            let request = format!(
                "HEAD {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {encoding}\r\nConnection: close\r\n\r\n"
            );
            let answer = raw(&site, request.as_bytes()).await;
            assert_eq!(status(&answer), got.status, "{path}");
            assert!(answer.ends_with("\r\n\r\n"), "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn assets_are_found_under_their_hash_only_and_nothing_else_is() {
    let site = TestApp::start().await;
    let url = lyceum::web::assets::url("icons.svg");
    let page = site.visitor().get(&url).await;
    page.expect(200);
    assert_eq!(
        page.header("cache-control").as_deref(),
        Some("public, max-age=31536000, immutable")
    );
    let folder = url.strip_suffix("icons.svg").unwrap();
    for path in [
        "/static/0123456789abcdef/icons.svg".to_owned(),
        format!("{folder}none.css"),
        format!("{folder}../../../Cargo.toml"),
        format!("{folder}..%2f..%2f..%2fdeny.txt"),
        format!("{folder}%2e%2e/%2e%2e/%2e%2e/web/css/site.css"),
        format!("{folder}..%2fcss%2fsite.css"),
        format!("{folder}/etc/passwd"),
        format!("{folder}VERSION"),
        folder.to_owned(),
    ] {
        let answer = raw(&site, &get(path.as_bytes())).await;
        assert_eq!(status(&answer), 404, "{path}: {answer}");
    }
}

/// Pieces of addresses: those that the site knows, and those that nobody should ever send.
fn segment() -> impl Strategy<Value = String> {
    let known = "accounts login logout register password profile sessions tokens course subject mine \
                 create edit delete module content order text file image video audio \
                 students courses enroll-course leave done position messages read events uploads status \
                 progressbar upload_status media static healthz api admin music";
    let known: Vec<&str> = known.split(' ').collect();
    let known = proptest::sample::select(known);
    let odd = [
        "1 0 -1 9223372036854775807 9223372036854775808 1e9 1.0 %00 %ff %c3%28 .. . ",
        "%2f %25 a%00b ' %22 %3Cscript%3E {} % \u{fffd} null %F0%9F%8E%BB",
    ];
    // Two blanks in a row give the empty segment.
    let odd: Vec<String> = odd.join(" ").split(' ').map(str::to_owned).collect();
    let odd = proptest::sample::select(odd);
    prop_oneof![3 => known.prop_map(str::to_owned), 2 => odd]
}

fn query() -> impl Strategy<Value = String> {
    let key = proptest::sample::select(vec![
        "q", "page", "sort", "next", "key", "after", "format", "limit", "",
    ]);
    let value = proptest::sample::select(vec![
        "",
        "1",
        "-1",
        "0",
        "99999999999999999999",
        "%00",
        "%ff",
        "\"",
        "*",
        "a* OR b",
        "AND",
        "(",
        "NEAR(",
        "'",
        "%22%22%22",
        "title:",
        "//evil",
        "a%00b",
        "newest",
        "%F0%9F%8E%BB",
        "-",
        "^",
        "{",
        "%5c",
        "%25",
    ]);
    let pairs = proptest::collection::vec((key, value), 0..3);
    pairs.prop_map(|pairs| {
        let pairs: Vec<String> = pairs.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join("&").replace(' ', "+")
    })
}

fn body() -> impl Strategy<Value = (&'static str, String)> {
    let form = "application/x-www-form-urlencoded";
    let json = "application/json";
    let parts = "multipart/form-data; boundary=X";
    let deep = "[".repeat(10_000);
    prop_oneof![
        Just(("", String::new())),
        Just((form, "title=&slug=%00&subject=x&course=9999999999999999999999".to_owned())),
        Just((form, "username=%ff&password=%00&message_id=-1&percent=NaN&seconds=1e400".to_owned())),
        Just((form, "modules-TOTAL_FORMS=999999999999&modules-INITIAL_FORMS=-1".to_owned())),
        Just((form, "modules-TOTAL_FORMS=2&modules-0-id=x&modules-0-title=a".to_owned())),
        Just((json, deep)),
        Just((json, "{\"1\": -1, \"x\": 1e999, \"\\u0000\": null}".to_owned())),
        Just((json, "{\"9223372036854775807\": 9223372036854775807}".to_owned())),
        Just((json, "{".to_owned())),
        Just((parts, "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\0.mp4\"\r\n\r\nx\r\n--X--".to_owned())),
        Just((parts, "--X\r\n\r\n--X".to_owned())),
        Just(("text/\u{1}", "x".to_owned())),
    ]
}

#[tokio::test]
async fn whatever_is_asked_the_site_does_not_break() {
    let site = TestApp::start().await;
    let teacher = site.login_as("ines", Role::Instructor).await;
    let owner = site.person("owner", Role::Staff).await;
    let course = site.course(owner, "strings").await;
    site.module(course.id, "One").await;
    let token = teacher.cookie("csrftoken").unwrap();
    let method = proptest::sample::select(vec![
        "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH",
    ]);
    let segments = proptest::collection::vec(segment(), 0..6);
    let asked = (
        method,
        segments,
        query(),
        body(),
        any::<bool>(),
        any::<bool>(),
    );
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..runner.config().cases {
        let asked = asked.new_tree(&mut runner).unwrap().current();
        let (method, segments, query, (content_type, body), is_known, is_json) = asked;
        let path = format!("/{}/?{query}", segments.join("/"));
        let cookies = if is_known {
            let session = teacher.cookie("sessionid").unwrap();
            format!("sessionid={session}; csrftoken={token}")
        } else {
            String::new()
        };
        let accept = if is_json {
            "application/json"
        } else {
            "text/html"
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: {cookies}\r\nX-CSRFToken: {token}\r\n\
             Accept: {accept}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if path.starts_with("/events/") {
            // Open streams do not end by themselves; they have tests of their own.
            continue;
        }
        let answer = raw(&site, request.as_bytes()).await;
        let head = answer.split("\r\n\r\n").next().unwrap_or("");
        assert!(status(&answer) < 500, "{request}\n\n{head}");
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn a_name_with_markup_is_text_wherever_it_is_shown() {
    const NAME: &str = "<b>Eve</b> \"><img src=x onerror=alert(1)>";
    let site = TestApp::start().await;
    for (username, role) in [
        ("eve", Role::Instructor),
        ("maya", Role::Student),
        ("leila", Role::Staff),
    ] {
        let id = site.person(username, role).await;
        let named = user::ActiveModel {
            id: Set(id),
            name: Set(NAME.to_owned()),
            ..Default::default()
        };
        user::Entity::update(named)
            .exec(site.app.db.writer())
            .await
            .unwrap();
    }
    let eve = site.login("eve").await;
    let maya = site.login("maya").await;
    let leila = site.login("leila").await;
    let account = leila
        .get("/api/users/?search=maya")
        .await
        .expect(200)
        .json();
    let maya_id = account[0]["id"].as_i64().unwrap();
    let owner = leila.get("/api/users/?search=eve").await.expect(200).json();
    let course = site
        .course(owner[0]["id"].as_i64().unwrap(), "how-strings-sing")
        .await;
    let module = site.module(course.id, "Strings").await;
    site.text(module.id, "Sound", "It sounds.").await;
    site.enrollment(maya_id, course.id).await;
    site.changed_course(course.id).await;
    let id = course.id;
    let mut socket = maya.socket(&format!("/ws/chat/room/{id}/?v=2")).await;
    socket.expect("ready").await;
    socket.say("Hello, @eve").await;
    let said = socket.expect("chat_message").await;
    assert_eq!(said["name"], NAME, "clients are told it as it is");
    let room = format!("/chat/room/{id}/");
    let log = format!("{room}log/");
    let (lesson, entry) = (
        format!("/students/course/{id}/"),
        format!("/course/{id}/entry/"),
    );
    let places = [
        (&site.visitor(), vec!["/course/how-strings-sing/"]),
        (
            &maya,
            vec![
                &room,
                &lesson,
                "/chat/",
                "/students/courses/",
                "/accounts/profile/",
            ],
        ),
        (
            &eve,
            vec![&room, &log, &entry, "/course/mine/", "/messages/"],
        ),
        (
            &leila,
            vec![
                "/admin/",
                "/admin/users/",
                "/admin/courses/",
                "/admin/enrollments/",
                "/admin/log/",
            ],
        ),
    ];
    let mut shown = 0;
    for (browser, paths) in places {
        for path in paths {
            let page = browser.get(path).await;
            page.expect(200).lacks("<b>Eve").lacks("<img src=x");
            shown += usize::from(page.text().contains("&#60;b&#62;Eve&#60;/b&#62;"));
        }
    }
    assert!(shown >= 9, "its name stands on {shown} pages");
}
