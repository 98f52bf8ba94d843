//! The caches seen from outside: the page for staff, the figures for Prometheus, and `lyceum cache`.

use crate::kit::{Browser, Page, Role, TestApp, changes_of};
use backends::cache::Timeout;
use bytes::Bytes;
use lyceum::registry;
use lyceum::web::metrics;
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use std::net::SocketAddr;
use std::process::Output;
use tokio::net::TcpListener;
use tokio::process::Command;

const HOUR: Timeout = Timeout::After(std::time::Duration::from_secs(3_600));

async fn staff(site: &TestApp) -> Browser {
    site.login_as("rosa", Role::Staff).await
}

async fn look(browser: &Browser, cache: &str, key: &str) -> Page {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("cache", cache).append_pair("key", key);
    let path = format!("/admin/cache/key/?{}", query.finish());
    browser.get(&path).await
}

/// Runs `lyceum cache ...` on the site.
async fn command(site: &TestApp, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lyceum"))
        .arg("cache")
        .args(arguments)
        .current_dir(site.folder())
        .env("LYCEUM_DATA", site.folder())
        .env("LYCEUM_DATABASE", &site.app.config.database)
        .env("LYCEUM_SECRET", &site.app.config.secret.0)
        .env("LYCEUM_CACHE", &site.app.config.cache)
        .envs(settings.iter().copied())
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn expect(output: &Output, code: i32) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
}

#[tokio::test]
async fn nobody_but_staff_sees_or_empties_the_caches() {
    let site = TestApp::start().await;
    let cache = &site.app.cache;
    cache.set("page:kept", "kept", HOUR).await.unwrap();
    let visitor = site.visitor();
    let teacher = site.login_as("tomas", Role::Instructor).await;
    teacher.get("/accounts/profile/").await.lacks("/admin/");
    for path in [
        "/admin/cache/",
        "/admin/cache/key/?key=page:kept",
        "/admin/cache/clear/?cache=default",
    ] {
        let refused = visitor.get(path).await;
        refused.expect(302);
        assert!(refused.location().starts_with("/accounts/login/"));
        teacher.get(path).await.expect(403).lacks("kept\"");
    }
    let fields = [("cache", "default"), ("key", "page:kept")];
    teacher.post("/admin/cache/key/", &fields).await.expect(403);
    teacher
        .post("/admin/cache/clear/", &fields[..1])
        .await
        .expect(403);
    let staff = staff(&site).await;
    staff.get("/accounts/profile/").await.has("/admin/");
    // Without the token not even staff: another site may have sent it.
    for path in ["/admin/cache/key/", "/admin/cache/clear/"] {
        let request = staff.request(reqwest::Method::POST, path).form(&fields);
        staff.send(request).await.expect(403);
    }
    assert!(cache.has("page:kept").await.unwrap());
}

#[tokio::test]
async fn the_page_tells_what_was_counted_and_how_it_went() {
    let site = TestApp::start_with(&[("cache_pages", "memory:?max_bytes=1000000")]).await;
    let cache = &site.app.cache;
    cache.set("lesson:1", "x", HOUR).await.unwrap();
    for _ in 0..1_233 {
        cache.get::<String>("lesson:1").await.unwrap();
    }
    cache.get::<String>("lesson:2").await.unwrap();
    let staff = staff(&site).await;
    staff.get("/admin/cache/").await.expect(200);
    site.wait_seconds(120);
    cache.get::<String>("lesson:2").await.unwrap();
    let page = staff.get("/admin/cache/?of=default&space=lesson").await;
    page.expect(200)
        .has("1,233")
        .has("Hit ratio of lesson, 1 hour")
        .has("between 0.0 % and 99.9 %, last 0.0 %")
        .has("<th scope=\"row\">09:30</th><td>1,233</td><td>1</td><td>99.9 %</td>")
        .has("<th scope=\"row\">09:32</th><td>0</td><td>1</td><td>0.0 %</td>")
        .has("id=\"cache-pages\"")
        .has("free of 1.0 MB")
        .has("Answers");
    assert!(!page.text().contains("style="));
    staff
        .get("/admin/cache/?range=day")
        .await
        .expect(200)
        .has("24 hours");
    // What cannot be understood counts as not said.
    staff
        .get("/admin/cache/?of=x&space=y&range=z&done=%3Cb%3E")
        .await
        .expect(200)
        .lacks("<b>");
}

#[tokio::test]
async fn an_entry_is_shown_as_json_or_hex_shortened_and_with_its_end() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let cache = &site.app.cache;
    let value = serde_json::json!({"title": "<b>Cello</b>"});
    cache.set("fragment:1", &value, HOUR).await.unwrap();
    look(&staff, "default", "fragment:1")
        .await
        .expect(200)
        .has("JSON")
        .has("In 1 h")
        .has(":1:fragment:1")
        .lacks("<b>Cello");
    let bytes = Bytes::from_static(b"LyA1\x00\xff");
    cache
        .set_bytes("page:1", bytes, Timeout::Forever)
        .await
        .unwrap();
    look(&staff, "default", "page:1")
        .await
        .has("4c 79 41 31 00 ff")
        .has("Never");
    let long = "a".repeat(1_000_000) + "the end";
    cache.set("page:2", &long, HOUR).await.unwrap();
    let page = look(&staff, "default", "page:2").await;
    page.expect(200).has("are left out here").has("the end");
    assert!(page.bytes.len() < 60_000);
    let pages = async || {
        let spaces = cache.report().await.spaces;
        spaces
            .into_iter()
            .find(|space| space.space == "page")
            .unwrap()
    };
    let before = pages().await;
    look(&staff, "default", "page:3")
        .await
        .expect(200)
        .has("Nothing is stored");
    assert_eq!(before, pages().await, "a look counted");
    for key in ["a b", "", "a\u{7}b", &"k".repeat(3_000)] {
        look(&staff, "default", key)
            .await
            .expect(422)
            .has("fault-summary");
    }
    look(&staff, "nonsense", "page:1").await.expect(404);
    let odd = staff.get("/admin/cache/key/?key=%ff").await.status;
    assert!(odd < 500, "{odd}");
}

#[tokio::test]
async fn what_limits_and_rights_rest_on_cannot_be_read_there() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    for _ in 0..3 {
        let visitor = site.visitor();
        visitor.get("/accounts/login/").await.expect(200);
        let fields = [("username", "rosa"), ("password", "wrong")];
        visitor.post("/accounts/login/", &fields).await.expect(422);
    }
    let counter = lyceum::web::sessions::hash("127.0.0.1 rosa");
    let failures = format!("login-failures:{counter}");
    let counts = &site.app.counts.shared;
    assert_eq!(counts.get::<i64>(&failures).await.unwrap(), Some(3));
    // As where nodes share the cache, and count there.
    site.app.cache.set(&failures, &3, HOUR).await.unwrap();
    let secret = "open sesame";
    let keys = ["session:abc", "media:1:user:2", "unheard-of:1", "pages:1"];
    for key in keys {
        site.app.cache.set(key, secret, HOUR).await.unwrap();
    }
    for key in keys.into_iter().chain([failures.as_str()]) {
        look(&staff, "default", key)
            .await
            .expect(200)
            .has("There is a value, and it is not shown")
            .lacks(secret)
            .lacks("<pre")
            .lacks("<dt>Size</dt>");
    }
}

#[tokio::test]
async fn an_entry_is_deleted_and_its_page_says_so() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    site.app.cache.set("page:1", "x", HOUR).await.unwrap();
    let fields = [("cache", "default"), ("key", "page:1")];
    staff.get("/admin/cache/").await.expect(200);
    let done = staff.post("/admin/cache/key/", &fields).await;
    done.expect(303);
    staff
        .get(&done.location())
        .await
        .expect(200)
        .has("Forgotten");
    assert!(!site.app.cache.has("page:1").await.unwrap());
    for bad in [
        [("cache", "default"), ("key", "a b")],
        [("cache", "x"), ("key", "k")],
    ] {
        let refused = staff.post("/admin/cache/key/", &bad).await.status;
        assert!(matches!(refused, 400 | 404), "{bad:?}: {refused}");
    }
}

#[tokio::test]
async fn who_empties_the_cache_in_which_wrong_passwords_are_counted_is_told_so() {
    const WORDS: &str = "Counts of wrong passwords begin anew";
    let settings = [("cache", "database:"), ("cache_counts", "file:")];
    for (settings, has_own) in [(&settings[..1], false), (&settings[..], true)] {
        let site = TestApp::start_with(settings).await;
        let staff = staff(&site).await;
        let asked = staff.get("/admin/cache/clear/?cache=default").await;
        assert_eq!(asked.expect(200).text().contains(WORDS), !has_own);
        if has_own {
            let asked = staff.get("/admin/cache/clear/?cache=counts").await;
            asked.expect(200).has(WORDS);
        }
    }
}

#[tokio::test]
async fn emptying_asks_first_and_what_is_in_memory_goes_in_every_process() {
    let site = TestApp::start_with(&[("cache_pages", "memory:")]).await;
    let other = site.second().await;
    tokio::spawn(lyceum::admin::listen(other.app.clone()));
    let staff = staff(&site).await;
    let all = [&site, &other].map(|node| node.app.cache.clone());
    for cache in &all {
        cache.set("page:1", "x", HOUR).await.unwrap();
    }
    let pages = site.app.caches.named("pages");
    pages.set("page:1", "x", HOUR).await.unwrap();
    staff
        .get("/admin/cache/clear/?cache=default")
        .await
        .expect(200)
        .has("Empty the cache default?")
        .lacks("Counts of wrong passwords begin anew");
    assert!(all[0].has("page:1").await.unwrap(), "it was only asked");
    let done = staff
        .post("/admin/cache/clear/", &[("cache", "default")])
        .await;
    done.expect(303);
    staff
        .get(&done.location())
        .await
        .has("The cache is emptied.");
    assert!(!all[0].has("page:1").await.unwrap());
    while all[1].has("page:1").await.unwrap() {
        tokio::task::yield_now().await;
    }
    assert!(pages.has("page:1").await.unwrap(), "another cache went too");
    staff
        .post("/admin/cache/clear/", &[("cache", "*")])
        .await
        .expect(303);
    assert!(!pages.has("page:1").await.unwrap());
    for bad in [
        ("cache", "nonsense"),
        ("tag", "nonsense"),
        ("tag", "course:x"),
        ("x", "y"),
    ] {
        let refused = staff.post("/admin/cache/clear/", &[bad]).await.status;
        assert!(matches!(refused, 400 | 404), "{bad:?}: {refused}");
    }
}

#[tokio::test]
async fn what_rests_on_a_tag_is_forgotten_on_every_node() {
    let site = TestApp::start().await;
    let other = site.second().await;
    let staff = staff(&site).await;
    let tags = ["course:7".parse().unwrap()];
    let apart = ["course:8".parse().unwrap()];
    let mut seen = Vec::new();
    for node in [&site, &other] {
        let here = node.app.tags.note(&tags).await.unwrap();
        let there = node.app.tags.note(&apart).await.unwrap();
        seen.push((node, here, there));
    }
    staff
        .get("/admin/cache/clear/?tag=course:7")
        .await
        .expect(200)
        .has("course:7?");
    let sent = staff
        .post("/admin/cache/clear/", &[("tag", "course:7")])
        .await;
    sent.expect(303);
    for (node, here, there) in &seen {
        while node.app.tags.is_current(here).await.unwrap() {
            tokio::task::yield_now().await;
        }
        assert!(node.app.tags.is_current(there).await.unwrap());
    }
}

/// The address for metrics of a site.
async fn figures(site: &TestApp) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let routes = metrics::router(&site.app, registry::metrics());
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

#[tokio::test]
async fn prometheus_reads_the_same_figures_at_an_address_of_their_own() {
    let site = TestApp::start().await;
    let cache = &site.app.cache;
    cache.set("lesson:1", "x", HOUR).await.unwrap();
    cache.get::<String>("lesson:1").await.unwrap();
    cache.get::<String>("lesson:2").await.unwrap();
    let address = figures(&site).await;
    let scraper = Browser::new(&format!("http://{address}"));
    let page = scraper.get("/metrics").await;
    assert_eq!(
        page.header("content-type").unwrap(),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    page.expect(200)
        .has("# TYPE lyceum_cache_hits_total counter\n")
        .has("lyceum_cache_hits_total{cache=\"default\",space=\"lesson\"} 1\n")
        .has("lyceum_cache_misses_total{cache=\"default\",space=\"lesson\"} 1\n")
        .has("lyceum_cache_up{cache=\"default\",backend=\"memory\"} 1\n")
        .has("lyceum_cache_server_limit_bytes{cache=\"default\",server=\"memory\"} 67108864\n")
        .has("lyceum_build_info{version=");
    let text = page.text();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<u64>().is_ok(), "{line}");
    }
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let families: Vec<&str> = families.collect();
    let once: std::collections::BTreeSet<&&str> = families.iter().collect();
    assert_eq!(families.len(), once.len(), "a family comes twice");
    // The site itself tells nothing, and the address for figures nothing else.
    site.visitor().get("/metrics").await.expect(404);
    scraper.get("/").await.expect(404);
}

#[tokio::test]
async fn the_command_asks_the_process_that_serves_for_its_counts() {
    let site = TestApp::start().await;
    site.app.cache.get::<String>("lesson:2").await.unwrap();
    let address = figures(&site).await;
    let told = command(&site, &["stats"], &[("LYCEUM_METRICS", &address)]).await;
    expect(&told, 0);
    assert!(
        text(&told.stdout).contains("lesson"),
        "{}",
        text(&told.stdout)
    );
    let alone = command(&site, &["stats"], &[]).await;
    expect(&alone, 0);
    let err = text(&alone.stderr);
    assert!(err.contains("cannot be seen from here"), "{err}");
    let refused = command(&site, &["stats"], &[("LYCEUM_METRICS", "127.0.0.1:1")]).await;
    expect(&refused, 0);
    assert!(text(&refused.stderr).contains("no process tells its figures"));
}

#[tokio::test]
async fn the_command_says_that_it_does_not_see_memory_and_empties_it_all_the_same() {
    let site = TestApp::start().await;
    tokio::spawn(lyceum::admin::listen(site.app.clone()));
    let cache = &site.app.cache;
    cache.set("page:1", "x", HOUR).await.unwrap();
    cache.set("page:2", "x", HOUR).await.unwrap();
    let got = command(&site, &["get", "page:1"], &[]).await;
    expect(&got, 1);
    assert!(text(&got.stderr).contains("in the memory of the processes that serve"));
    let deleted = command(&site, &["delete", "page:1"], &[]).await;
    expect(&deleted, 0);
    while cache.has("page:1").await.unwrap() {
        tokio::task::yield_now().await;
    }
    assert!(cache.has("page:2").await.unwrap());
    let unasked = command(&site, &["clear", "--all"], &[]).await;
    expect(&unasked, 1);
    assert!(text(&unasked.stderr).contains("--yes"));
    let deaf = command(
        &site,
        &["clear", "--all", "--yes"],
        &[("LYCEUM_BUS", "memory:")],
    )
    .await;
    expect(&deaf, 1);
    expect(&command(&site, &["clear", "--all", "--yes"], &[]).await, 0);
    while cache.has("page:2").await.unwrap() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_command_reads_and_forgets_in_a_shared_cache() {
    let site = TestApp::start_with(&[("cache", "database:")]).await;
    let cache = &site.app.cache;
    // The command goes by the real clock, which the test's is not.
    let ever = Timeout::Forever;
    cache.set("page:1", &[1, 2], ever).await.unwrap();
    cache.set("login-failures:x", &3, ever).await.unwrap();
    let got = command(&site, &["get", "page:1"], &[]).await;
    expect(&got, 0);
    assert_eq!(text(&got.stdout), "[1,2]");
    assert!(text(&got.stderr).contains("it does not end"));
    let hidden = command(&site, &["get", "login-failures:x"], &[]).await;
    expect(&hidden, 1);
    assert_eq!(text(&hidden.stdout), "");
    let stats = command(&site, &["stats"], &[]).await;
    assert!(
        text(&stats.stdout).contains("2 entries"),
        "{}",
        text(&stats.stdout)
    );
    expect(&command(&site, &["delete", "page:1"], &[]).await, 0);
    assert!(!cache.has("page:1").await.unwrap());
    expect(&command(&site, &["delete", "page:1"], &[]).await, 1);
    expect(&command(&site, &["get", "page:1"], &[]).await, 1);
    expect(&command(&site, &["get", "page 1"], &[]).await, 1);
    expect(
        &command(&site, &["get", "x", "--cache", "other"], &[]).await,
        1,
    );
    expect(
        &command(&site, &["clear", "--tag", "nonsense", "--yes"], &[]).await,
        1,
    );
    expect(
        &command(&site, &["clear", "--tag", "course:7", "--yes"], &[]).await,
        0,
    );
    expect(&command(&site, &["clear"], &[]).await, 2);
    expect(
        &command(&site, &["clear", "--cache", "default", "--yes"], &[]).await,
        0,
    );
    assert!(!cache.has("login-failures:x").await.unwrap());
}

/// The lines of the log: by which way, what was done, to what, and its fields.
async fn logged(site: &TestApp) -> Vec<(String, String, String, String)> {
    let told = site.log().await.into_iter().map(|line| {
        assert_eq!(line.object_kind, "cache");
        let fields: Vec<String> = changes_of(&line).into_iter().map(|field| field.2).collect();
        (line.via, line.act, line.object_name, fields.join(" "))
    });
    told.collect()
}

#[tokio::test]
async fn whatever_is_forgotten_stands_in_the_log_by_whichever_way_it_was_ordered() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let clear = async |field: &str, value: &str| {
        let page = staff.post("/admin/cache/clear/", &[(field, value)]).await;
        page.expect(303);
    };
    clear("cache", "default").await;
    clear("cache", "*").await;
    clear("tag", "course:7").await;
    let key = [("cache", "default"), ("key", "page:1")];
    staff.post("/admin/cache/key/", &key).await.expect(303);
    let forget = async |body: serde_json::Value| {
        let request = staff
            .request(reqwest::Method::POST, "/api/caches/forget/")
            .header("X-CSRFToken", staff.cookie("csrftoken").unwrap())
            .json(&body);
        staff.send(request).await.expect(204);
    };
    forget(json!({"cache": "default"})).await;
    forget(json!({"cache": "default", "key": "page:2"})).await;
    forget(json!({"tag": "course:8"})).await;
    for arguments in [
        vec!["clear", "--all", "--yes"],
        vec!["clear", "--tag", "course:9", "--yes"],
        vec!["delete", "page:3"],
    ] {
        expect(&command(&site, &arguments, &[]).await, 0);
    }
    // What there is not is forgotten by nobody.
    let odd = [("cache", "default"), ("key", "a b")];
    staff.post("/admin/cache/key/", &odd).await.expect(400);
    let expected = [
        ("admin", "empty", "default", ""),
        ("admin", "empty", "default", ""),
        ("admin", "forget", "course:7", ""),
        ("admin", "forget", "default", "page:1"),
        ("api", "empty", "default", ""),
        ("api", "forget", "default", "page:2"),
        ("api", "forget", "course:8", ""),
        ("terminal", "empty", "default", ""),
        ("terminal", "forget", "course:9", ""),
        ("terminal", "forget", "default", "page:3"),
    ];
    let expected: Vec<(String, String, String, String)> = expected
        .map(|(via, act, name, key)| (via.into(), act.into(), name.into(), key.into()))
        .into();
    assert_eq!(logged(&site).await, expected);
    staff
        .get("/admin/log/?kind=cache")
        .await
        .expect(200)
        .has("1 to 10 of 10");
}

#[tokio::test]
async fn nothing_is_forgotten_without_a_line_that_says_by_whom() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let cache = &site.app.cache;
    cache.set("page:1", "x", HOUR).await.unwrap();
    let tag = ["course:7".parse().unwrap()];
    let seen = site.app.tags.note(&tag).await.unwrap();
    let db = site.app.db.writer();
    let away = "ALTER TABLE audit_entries RENAME TO audit_entries_away";
    db.execute_unprepared(away).await.unwrap();
    for (path, fields) in [
        ("/admin/cache/clear/", vec![("cache", "default")]),
        (
            "/admin/cache/key/",
            vec![("cache", "default"), ("key", "page:1")],
        ),
        ("/admin/cache/clear/", vec![("tag", "course:7")]),
    ] {
        staff.post(path, &fields).await.expect(500);
    }
    assert!(cache.has("page:1").await.unwrap());
    assert!(site.app.tags.is_current(&seen).await.unwrap());
}
