//! Whole pages, kept: found again as they were made, only by those whom they are for, and gone once something
//! changes on which they rest.

mod people;

use crate::kit::{Browser, Page, Role, TestApp, until};
use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE, VARY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use lyceum::app::App;
use lyceum::entities::course;
use lyceum::error::Result;
use lyceum::router;
use lyceum::web::csrf::CsrfToken;
use lyceum::web::identity::Visitor;
use lyceum::web::response_cache::{Keep, Policy, ResponseCache};
use lyceum::web::sessions::Device;
use lyceum::web::shell::Shell;
use lyceum::web::tags::Tag;
use reqwest::Method;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Semaphore};

/// The body as it was before it was encoded.
fn body(page: &Page) -> String {
    let mut text = String::new();
    match page.header("content-encoding").as_deref() {
        None => return page.text(),
        Some("br") => brotli::Decompressor::new(&page.bytes[..], 4_096)
            .read_to_string(&mut text)
            .unwrap(),
        Some("gzip") => flate2::read::GzDecoder::new(&page.bytes[..])
            .read_to_string(&mut text)
            .unwrap(),
        Some(other) => panic!("{other}"),
    };
    text
}

async fn ask(browser: &Browser, method: Method, path: &str, headers: &[(&str, &str)]) -> Page {
    let mut request = browser.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    browser.send(request).await
}

async fn get_with(browser: &Browser, path: &str, headers: &[(&str, &str)]) -> Page {
    ask(browser, Method::GET, path, headers).await
}

/// The number of a course.
async fn course_id(site: &TestApp, slug: &str) -> i64 {
    let found = course::Entity::find().filter(course::Column::Slug.eq(slug));
    found.one(site.app.db.read()).await.unwrap().unwrap().id
}

/// A site with a course, and its teacher.
async fn school() -> (TestApp, Browser) {
    let site = TestApp::start().await;
    let teacher = site.login_as("ada", Role::Instructor).await;
    teacher
        .post(
            "/course/create/",
            &[
                ("subject", &site.subject("music").await.to_string()),
                ("title", "Cello"),
                ("slug", "cello"),
                ("overview", "Four strings."),
            ],
        )
        .await
        .expect(303);
    (site, teacher)
}

#[tokio::test]
async fn a_kept_page_costs_no_statement_and_is_the_same() {
    let (site, _) = school().await;
    let visitor = site.visitor();
    for path in ["/", "/course/subject/music/", "/course/cello/"] {
        let first = visitor.get(path).await;
        first.expect(200).has("Cello");
        let before = site.app.db.statements();
        let second = visitor.get(path).await;
        assert_eq!(site.app.db.statements(), before, "{path}");
        assert_eq!(first.bytes, second.bytes);
        for name in [
            "etag",
            "content-type",
            "content-security-policy",
            "x-frame-options",
            "vary",
        ] {
            assert!(second.header(name).is_some(), "{name}");
            assert_eq!(first.header(name), second.header(name), "{name}");
        }
        assert_eq!(second.header("cache-control").unwrap(), "no-cache");
        assert_eq!(second.header("set-cookie"), None);
        assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
        assert!(second.header("date").is_some());
    }
}

#[tokio::test]
async fn every_client_gets_the_form_that_it_takes() {
    let (site, _) = school().await;
    let visitor = site.visitor();
    let plain = visitor.get("/course/cello/").await;
    let mut tags = vec![plain.header("etag").unwrap()];
    for encoding in ["br", "gzip"] {
        for _ in 0..2 {
            let page = get_with(&visitor, "/course/cello/", &[("accept-encoding", encoding)]).await;
            assert_eq!(page.header("content-encoding").unwrap(), encoding);
            assert!(page.bytes.len() < plain.bytes.len() / 2);
            assert_eq!(body(&page), plain.text());
            assert_eq!(
                page.header("content-length").unwrap(),
                page.bytes.len().to_string()
            );
            assert!(page.header("vary").unwrap().contains("Accept-Encoding"));
            tags.push(page.header("etag").unwrap());
        }
    }
    tags.dedup();
    assert_eq!(tags.len(), 3, "a strong validator is of one form: {tags:?}");
}

#[tokio::test]
async fn who_holds_a_page_already_is_told_so_and_head_has_no_body() {
    let (site, teacher) = school().await;
    let visitor = site.visitor();
    let page = visitor.get("/").await;
    let tag = page.header("etag").unwrap();
    for held in [tag.clone(), format!("\"x\", W/{tag}"), "*".into()] {
        let same = get_with(&visitor, "/", &[("if-none-match", &held)]).await;
        same.expect(304);
        assert!(same.bytes.is_empty());
        assert_eq!(same.header("etag"), Some(tag.clone()));
        assert_eq!(same.header("cache-control").unwrap(), "no-cache");
        assert!(same.header("vary").is_some() && same.header("content-type").is_none());
    }
    let head = ask(&visitor, Method::HEAD, "/", &[]).await;
    head.expect(200);
    assert!(head.bytes.is_empty());
    assert_eq!(
        head.header("content-length").unwrap(),
        page.bytes.len().to_string()
    );
    // Somebody who is logged in holds the page of a visitor; hers is another.
    let hers = get_with(&teacher, "/", &[("if-none-match", &tag)]).await;
    hers.expect(200).has("Log out");
    assert_eq!(hers.header("cache-control").unwrap(), "private, no-store");
}

#[tokio::test]
async fn no_head_empties_a_page_for_those_who_come_after() {
    let (site, _) = school().await;
    let visitor = site.visitor();
    let path = "/api/courses/";
    // Something went wrong at this address, so that its next answer is made anew.
    let refused = get_with(&visitor, path, &[("accept", "application/yaml")]).await;
    refused.expect(406);
    let head = ask(&visitor, Method::HEAD, path, &[]).await;
    head.expect(200);
    let page = visitor.get(path).await;
    page.expect(200).has("Cello");
    let length = page.bytes.len().to_string();
    assert_eq!(head.header("content-length").unwrap(), length);
    assert_eq!(head.header("etag"), page.header("etag"));
}

#[tokio::test]
async fn a_change_is_seen_by_the_next_request() {
    let (site, teacher) = school().await;
    let visitor = site.visitor();
    let paths = ["/", "/course/subject/music/", "/course/cello/"];
    for path in paths {
        visitor.get(path).await.has("Cello");
    }
    let music = site.subject("music").await.to_string();
    let id = course_id(&site, "cello").await;
    let fields = [
        ("subject", music.as_str()),
        ("title", "Viola"),
        ("slug", "cello"),
        ("overview", "Four strings."),
    ];
    teacher
        .post(&format!("/course/{id}/edit/"), &fields)
        .await
        .expect(303);
    for path in paths {
        visitor.get(path).await.has("Viola").lacks("Cello");
    }
    let tag = visitor.get("/course/cello/").await.header("etag").unwrap();
    let student = site.login_as("bob", Role::Student).await;
    let course = [("course", id.to_string())];
    let course = course
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    student
        .post("/students/enroll-course/", &course)
        .await
        .expect(303);
    let page = get_with(&visitor, "/course/cello/", &[("if-none-match", &tag)]).await;
    page.expect(200).has("1 student");
    teacher
        .post(
            "/accounts/profile/",
            &[
                ("name", "Ada Lovelace"),
                ("email", ""),
                ("timezone", "UTC"),
                ("theme", "system"),
            ],
        )
        .await
        .expect(303);
    for path in paths {
        visitor.get(path).await.has("Ada Lovelace");
    }
    teacher
        .post(&format!("/course/{id}/delete/"), &[])
        .await
        .expect(303);
    visitor.get("/course/cello/").await.expect(404);
    visitor.get("/").await.expect(200).lacks("Viola");
}

#[tokio::test]
async fn a_draft_is_kept_for_nobody() {
    let (site, teacher) = school().await;
    let visitor = site.visitor();
    visitor.get("/course/cello/").await.expect(200);
    let id = course_id(&site, "cello").await;
    let music = site.subject("music").await.to_string();
    let fields = [
        ("subject", music.as_str()),
        ("title", "Cello"),
        ("slug", "cello"),
        ("overview", "Four strings."),
        ("draft", "on"),
    ];
    teacher
        .post(&format!("/course/{id}/edit/"), &fields)
        .await
        .expect(303);
    teacher.get("/course/cello/").await.expect(200).has("Draft");
    for _ in 0..2 {
        visitor.get("/course/cello/").await.expect(404);
    }
    teacher
        .post(&format!("/course/{id}/edit/"), &fields[..4])
        .await
        .expect(303);
    visitor
        .get("/course/cello/")
        .await
        .expect(200)
        .lacks("Draft");
}

#[tokio::test]
async fn how_long_ago_something_was_stays_true() {
    let (site, _) = school().await;
    let visitor = site.visitor();
    visitor.get("/course/cello/").await.has("just now");
    for (seconds, words) in [
        (59, "just now"),
        (1, "1 minute ago"),
        (60, "2 minutes ago"),
        (3_600, "1 hour ago"),
    ] {
        site.wait_seconds(seconds);
        visitor.get("/course/cello/").await.has(words);
    }
}

#[tokio::test]
async fn only_what_counts_in_an_address_tells_pages_apart() {
    let (site, _) = school().await;
    let visitor = site.visitor();
    visitor.get("/").await.expect(200);
    visitor.get("/?sort=title").await.expect(200);
    visitor.get("/course/cello/").await.expect(200);
    let before = site.app.db.statements();
    for path in [
        "/?x=1",
        "/?utm_source=a&x=2",
        "/?",
        "/?x=3&sort=title",
        "/?sort=title&y",
    ] {
        visitor.get(path).await.expect(200);
    }
    for path in ["/course/cello/?x=1", "/course/cello/?page=2"] {
        visitor.get(path).await.expect(200);
    }
    assert_eq!(site.app.db.statements(), before);
    // What has no end is made each time, and is right.
    for path in [
        "/?q=cello",
        "/?q=nothing-like-it",
        "/?page=77",
        "/?page=077",
        "/?sort=odd",
        "/?q=cello&sort=title",
    ] {
        for _ in 0..2 {
            let page = visitor.get(path).await;
            page.expect(200);
            assert_eq!(page.header("etag"), None, "{path}");
        }
    }
    visitor
        .get("/?q=nothing-like-it")
        .await
        .lacks("/course/cello/");
    visitor.get("/?q=cello").await.has("/course/cello/");
}

#[tokio::test]
async fn odd_questions_go_past_the_kept_pages() {
    let (site, _) = school().await;
    let visitor = site.visitor();
    let page = visitor.get("/").await;
    for header in [
        ("range", "bytes=0-9"),
        ("if-match", "\"x\""),
        ("authorization", "Basic bm86bm8="),
    ] {
        let odd = get_with(&visitor, "/", &[header]).await;
        assert_eq!(odd.header("etag"), None, "{header:?}");
    }
    visitor.get("/course/%63ello/").await.expect(200);
    let host = get_with(&visitor, "/", &[("host", "other.example")]).await;
    assert_eq!(host.text(), page.text());
    visitor.set_cookie("sessionid", Some("not a session"));
    let page = visitor.get("/").await;
    page.expect(200);
    assert_eq!(page.header("etag"), None);
}

/// What the routes of a test share.
#[derive(Clone)]
struct Desk {
    asked: Arc<AtomicUsize>,
    /// Those who are being answered slowly.
    entered: Arc<AtomicUsize>,
    open: Arc<Semaphore>,
    /// Opens when three are there.
    meeting: Arc<Barrier>,
}

impl Desk {
    fn new() -> Self {
        Self {
            asked: Arc::default(),
            entered: Arc::default(),
            open: Arc::new(Semaphore::new(0)),
            meeting: Arc::new(Barrier::new(3)),
        }
    }

    fn count(&self) -> String {
        self.asked.fetch_add(1, Ordering::SeqCst).to_string()
    }
}

/// An answer that may be kept, with something about it changed.
async fn kept(
    app: &App,
    keep: &Keep,
    desk: &Desk,
    change: impl FnOnce(&mut Response),
) -> Result<Response> {
    keep.rests_on(app, &[Tag::course(1)], &["a"]).await?;
    let mut response = desk.count().into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    change(&mut response);
    Ok(response)
}

fn header(response: &mut Response, name: axum::http::HeaderName, value: &'static str) {
    response
        .headers_mut()
        .append(name, HeaderValue::from_static(value));
}

type Asked = (State<App>, Keep);

type Spoil = fn(&mut Response);

/// What is the matter with an answer, by its path.
const MATTERS: [(&str, Spoil); 10] = [
    ("/plain", |_| ()),
    ("/cookie", |response| header(response, SET_COOKIE, "a=b")),
    ("/private", |response| {
        header(response, CACHE_CONTROL, "private");
    }),
    ("/no-store", |response| {
        header(response, CACHE_CONTROL, "max-age=9, no-store");
    }),
    ("/any", |response| header(response, VARY, "*")),
    ("/language", |response| {
        header(response, VARY, "Accept-Language, Accept");
    }),
    ("/choice", |response| header(response, VARY, "Cookie")),
    ("/gone", |response| {
        *response.status_mut() = StatusCode::GONE;
    }),
    ("/large", |response| {
        *response.body_mut() = vec![b'a'; 2 << 20].into();
    }),
    ("/streamed", |response| {
        let part = futures::stream::iter([Ok::<_, std::io::Error>("a")]);
        *response.body_mut() = axum::body::Body::from_stream(part);
    }),
];

fn routes(desk: &Desk) -> Router<App> {
    let mut routes = personal(desk).merge(slow(desk));
    for (path, change) in MATTERS {
        let desk = desk.clone();
        let answer = async move |(State(app), keep): Asked| kept(&app, &keep, &desk, change).await;
        routes = routes.route(path, get(answer));
    }
    routes
}

/// Routes that look who asks.
fn personal(desk: &Desk) -> Router<App> {
    let (token, device, visitor) = (desk.clone(), desk.clone(), desk.clone());
    Router::new()
        .route(
            "/token",
            get(async move |(State(app), keep): Asked, csrf: CsrfToken| {
                kept(&app, &keep, &token, |response| {
                    let _ = csrf.value();
                    header(response, CONTENT_TYPE, "text/html");
                })
                .await
            }),
        )
        .route(
            "/device",
            get(async move |(State(app), keep): Asked, _: Device| {
                kept(&app, &keep, &device, |_| ()).await
            }),
        )
        .route(
            "/visitor",
            get(
                async move |(State(app), keep): Asked, Visitor(person): Visitor| {
                    kept(&app, &keep, &visitor, |response| {
                        let name = person.map(|person| person.username.clone());
                        *response.body_mut() = name.unwrap_or_else(|| "nobody".into()).into();
                    })
                    .await
                },
            ),
        )
}

/// Routes that take their time, and one that fails.
fn slow(desk: &Desk) -> Router<App> {
    let (slow, silent, failing) = (desk.clone(), desk.clone(), desk.clone());
    Router::new()
        .route(
            "/slow",
            get(async move |(State(app), keep): Asked, _: Shell| {
                slow.entered.fetch_add(1, Ordering::SeqCst);
                let _turn = slow.open.acquire().await.unwrap();
                kept(&app, &keep, &slow, |_| ()).await
            }),
        )
        .route(
            "/silent",
            get(async move || {
                let number = silent.count();
                if number != "0" {
                    silent.meeting.wait().await;
                }
                number
            }),
        )
        .route(
            "/failing",
            get(async move |(State(app), keep): Asked| {
                keep.rests_on(&app, &[], &[]).await?;
                failing.count();
                Err::<Response, _>(lyceum::error::Error::NotFound)
            }),
        )
}

/// Serves a router until the test ends; answers its address.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    url
}

/// A site with routes that misbehave; the cache of pages around it.
async fn desk() -> (TestApp, Browser, Desk) {
    let site = TestApp::start().await;
    let desk = Desk::new();
    let router = router::kept(&site.app, router::served(&site.app, routes(&desk)));
    let browser = Browser::new(&serve(router).await);
    (site, browser, desk)
}

#[tokio::test]
async fn what_is_anybodys_or_says_no_is_never_kept() {
    let (_site, browser, desk) = desk().await;
    desk.open.add_permits(100);
    for path in [
        "/cookie",
        "/private",
        "/no-store",
        "/any",
        "/gone",
        "/large",
        "/streamed",
        "/token",
        "/device",
        "/failing",
    ] {
        let before = desk.asked.load(Ordering::SeqCst);
        for _ in 0..2 {
            browser.get(path).await;
        }
        assert_eq!(desk.asked.load(Ordering::SeqCst) - before, 2, "{path}");
    }
    let first = browser.get("/plain").await.text();
    assert_eq!(browser.get("/plain").await.text(), first);
    for method in [Method::POST, Method::PUT, Method::OPTIONS] {
        let page = ask(&browser, method, "/plain", &[]).await;
        assert_ne!(page.text(), first);
    }
    // A query that the handler reads tells answers apart, another one does not.
    assert_eq!(browser.get("/plain?b=1").await.text(), first);
    let other = browser.get("/plain?a=1").await.text();
    assert_ne!(other, first);
    assert_eq!(browser.get("/plain?b=7&a=1").await.text(), other);
}

#[tokio::test]
async fn answers_that_depend_on_a_header_are_told_apart_by_it() {
    let (_site, browser, _desk) = desk().await;
    let mut seen = Vec::new();
    for headers in [
        &[("accept-language", "de")][..],
        &[("accept-language", "en")],
        &[("accept-language", "en"), ("accept", "text/html")],
        &[],
    ] {
        let first = get_with(&browser, "/language", headers).await;
        let second = get_with(&browser, "/language", headers).await;
        assert_eq!(first.text(), second.text());
        let vary = second.header("vary").unwrap();
        assert!(
            vary.contains("Accept-Language") && vary.contains("Accept-Encoding"),
            "{vary}"
        );
        assert!(!seen.contains(&second.text()), "{headers:?}");
        seen.push(second.text());
    }
    let plain = browser.get("/choice").await.text();
    browser.set_cookie("color", Some("red"));
    let red = browser.get("/choice").await.text();
    assert_ne!(plain, red);
    assert_eq!(browser.get("/choice").await.text(), red);
}

#[tokio::test]
async fn of_many_who_ask_for_one_page_one_has_it_made() {
    let site = TestApp::start().await;
    let (desk, arrived) = (Desk::new(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&arrived);
    let router = router::kept(&site.app, router::served(&site.app, routes(&desk)));
    let router = router.layer(axum::middleware::map_request(
        move |request: axum::extract::Request| {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready(request)
        },
    ));
    let browser = Browser::new(&serve(router).await);
    let many = async {
        let all = (0..50).map(|_| browser.get("/slow"));
        futures::future::join_all(all).await
    };
    let open = async {
        until(
            "the first has it made, and all others have come",
            async || {
                let has_begun = desk.entered.load(Ordering::SeqCst) == 1;
                (has_begun && arrived.load(Ordering::SeqCst) == 50).then_some(())
            },
        )
        .await;
        desk.open.add_permits(50);
    };
    let (pages, ()) = tokio::join!(many, open);
    assert!(
        pages
            .iter()
            .all(|page| page.status == 200 && page.text() == "0")
    );
    assert_eq!(desk.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_asks_for_what_is_not_kept_waits_for_nobody() {
    let (_site, browser, desk) = desk().await;
    // The first tells that this address is not kept; the three after her are answered when all are inside.
    for number in [1, 3] {
        let all = (0..number).map(|_| browser.get("/silent"));
        for page in futures::future::join_all(all).await {
            page.expect(200);
        }
    }
    assert_eq!(desk.asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_view_is_kept_for_everyone_unless_it_asks_who_is_there() {
    let site = TestApp::start().await;
    let desk = Desk::new();
    let policy = Policy::new(site.app.cache.clone(), Duration::from_mins(1))
        .prefix("view")
        .max_age(Duration::from_secs(5))
        .for_everyone();
    let views = routes(&desk).layer(ResponseCache::new(&site.app, policy));
    let url = serve(router::served(&site.app, views)).await;
    let ada = site.login_as("ada", Role::Student).await.at(&url);
    let bob = site.login_as("bob", Role::Staff).await.at(&url);
    let visitor = Browser::new(&url);
    for _ in 0..2 {
        assert_eq!(ada.get("/visitor").await.text(), "ada");
        assert_eq!(visitor.get("/visitor").await.text(), "nobody");
        assert_eq!(bob.get("/visitor").await.text(), "bob");
    }
    let page = ada.get("/plain").await;
    assert_eq!(page.header("cache-control").unwrap(), "public, max-age=5");
    for other in [&bob, &visitor] {
        let same = other.get("/plain").await;
        assert_eq!(same.text(), page.text());
        assert_eq!(same.header("set-cookie"), None);
        assert_eq!(same.header("etag"), page.header("etag"));
    }
    site.wait_seconds(61);
    assert_ne!(visitor.get("/plain").await.text(), page.text());
}

#[tokio::test]
async fn pages_are_kept_where_and_as_long_as_the_configuration_says() {
    let site = TestApp::start_with(&[
        ("page_cache_seconds", "60"),
        ("page_cache", "pages"),
        ("cache_pages", "memory:"),
        ("cache", "off:"),
        ("page_cache_prefix", "one"),
    ])
    .await;
    let visitor = site.visitor();
    let tag = visitor.get("/").await.header("etag");
    assert!(tag.is_some());
    let before = site.app.db.statements();
    visitor.get("/").await.expect(200);
    assert_eq!(site.app.db.statements(), before);
    site.wait_seconds(61);
    visitor.get("/").await.expect(200);
    assert!(site.app.db.statements() > before);
    for settings in [&[("page_cache_seconds", "0")][..], &[("cache", "off:")]] {
        let site = TestApp::start_with(settings).await;
        let visitor = site.visitor();
        for _ in 0..2 {
            let page = visitor.get("/").await;
            page.expect(200);
            assert_eq!(page.header("etag"), None, "{settings:?}");
        }
    }
}

#[tokio::test]
async fn made_up_names_of_the_site_do_not_fill_the_cache() {
    let site = TestApp::start().await;
    let browser = site.visitor();
    let is_kept = async |host: String| {
        let page = get_with(&browser, "/", &[("host", &host)]).await;
        page.expect(200).header("etag").is_some()
    };
    assert!(is_kept("school.example".to_owned()).await);
    let mut kept = 0;
    for number in 0..40 {
        kept += usize::from(is_kept(format!("made-up-{number}.example")).await);
    }
    assert_eq!(kept, 15, "sixteen with the first");
    assert!(is_kept("school.example".to_owned()).await);
}
