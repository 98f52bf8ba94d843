//! The site and its caches: several by name, one that nodes share, and one that is not there.

use crate::kit::servers::Server;
use crate::kit::{Page, Role, TestApp, until};
use backends::cache::Timeout;
use std::net::TcpListener;

const LOGIN: &str = "/accounts/login/";

/// Where nothing listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("redis://{}", listener.local_addr().unwrap())
}

async fn wrong_log_in(site: &TestApp) -> Page {
    let browser = site.visitor();
    browser.get(LOGIN).await.expect(200);
    let fields = [("username", "maya"), ("password", "a wrong one")];
    browser.post(LOGIN, &fields).await
}

#[tokio::test]
async fn the_site_works_on_without_its_cache_and_still_counts_wrong_passwords() {
    let cache = nowhere();
    let site = TestApp::start_with(&[("cache", &cache), ("cache_pages", &cache)]).await;
    let ines = site.person("ines", Role::Instructor).await;
    site.course(ines, "how-strings-sing").await;
    site.visitor()
        .get("/")
        .await
        .expect(200)
        .has("how strings sing");
    let path = "/course/how-strings-sing/";
    site.visitor()
        .get(path)
        .await
        .expect(200)
        .has("how strings sing");
    let maya = site.login_as("maya", Role::Student).await;
    maya.get("/students/courses/").await.expect(200);
    for _ in 0..10 {
        wrong_log_in(&site).await.expect(422);
    }
    wrong_log_in(&site).await.expect(429);
    site.wait_seconds(61);
    wrong_log_in(&site).await.expect(422);
}

#[tokio::test]
async fn pages_without_end_push_no_count_of_wrong_passwords_out() {
    // Room for nothing.
    let site = TestApp::start_with(&[("cache", "memory:?max_bytes=1")]).await;
    site.person("maya", Role::Student).await;
    for _ in 0..10 {
        wrong_log_in(&site).await.expect(422);
    }
    wrong_log_in(&site).await.expect(429);
}

#[tokio::test]
async fn nobody_waits_until_a_page_or_a_value_is_stored() {
    let site = TestApp::start_with(&[("cache", "database:?wait=60000")]).await;
    let ines = site.person("ines", Role::Instructor).await;
    site.course(ines, "how-strings-sing").await;
    let maya = site.login_as("maya", Role::Student).await;
    // On SQLite nothing is stored while this has not ended.
    let write = site.app.write().await.unwrap();
    let visitor = site.visitor();
    let asked = async {
        visitor.get("/").await.expect(200).has("how strings sing");
        maya.get("/students/courses/").await.expect(200);
    };
    let answered = tokio::time::timeout(std::time::Duration::from_secs(30), asked).await;
    assert!(answered.is_ok(), "it waited for the writer");
    drop(write);
    // What came too late to be found is found by who asks next.
    until("the page is kept", async || {
        visitor.get("/").await.expect(200);
        let spaces = site.app.cache.report().await.spaces;
        spaces.iter().any(|space| space.hits > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_cache_that_is_away_is_told_but_takes_no_node_out_of_service() {
    let site = TestApp::start_with(&[("cache_pages", &nowhere())]).await;
    let ready = site.visitor().get("/readyz").await;
    ready.expect(200);
    let services = ready.json();
    let is_well = |name: &str| {
        let mut all = services.as_array().unwrap().iter();
        all.find(|service| service["service"] == name).unwrap()["is_well"] == true
    };
    assert!(is_well("cache"), "{services}");
    assert!(!is_well("cache_pages"), "{services}");
}

#[tokio::test]
async fn nodes_that_share_a_cache_count_wrong_passwords_together() {
    let server = Server::redis().await;
    let cache = format!("redis://{}?wait=60000", server.address());
    let site = TestApp::start_with(&[("cache", &cache)]).await;
    site.person("maya", Role::Student).await;
    let other = site.second().await;
    for node in [&site, &other].into_iter().cycle().take(10) {
        wrong_log_in(node).await.expect(422);
    }
    wrong_log_in(&site).await.expect(429);
    wrong_log_in(&other).await.expect(429);
}

#[tokio::test]
async fn a_cache_is_found_by_its_name_and_the_default_one_by_every_other() {
    let settings = [
        ("cache", "memory:?prefix=a"),
        ("cache_pages", "memory:?prefix=b"),
    ];
    let site = TestApp::start_with(&settings).await;
    let caches = &site.app.caches;
    let names: Vec<_> = caches.iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["default", "pages"]);
    caches
        .named("pages")
        .set("k", &1, Timeout::Default)
        .await
        .unwrap();
    assert!(!site.app.cache.has("k").await.unwrap());
    caches
        .named("unheard_of")
        .set("k", &2, Timeout::Default)
        .await
        .unwrap();
    assert_eq!(site.app.cache.get::<i64>("k").await.unwrap(), Some(2));
    assert_eq!(
        caches.named("pages").get::<i64>("k").await.unwrap(),
        Some(1)
    );
}

#[tokio::test]
async fn sites_and_caches_that_share_a_store_see_and_clear_nothing_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let cache = format!("file:{}", folder.path().display());
    let settings = [("cache", cache.as_str()), ("cache_pages", &cache)];
    let one = TestApp::start_with(&settings).await;
    let other = TestApp::start_with(&settings).await;
    let pages = one.app.caches.named("pages");
    let set = async |cache: &backends::cache::Cache, value: i64| {
        cache
            .set("unread:7", &value, Timeout::Default)
            .await
            .unwrap();
    };
    set(&one.app.cache, 1).await;
    assert!(!other.app.cache.has("unread:7").await.unwrap());
    assert!(!pages.has("unread:7").await.unwrap());
    set(&other.app.cache, 2).await;
    set(pages, 3).await;
    one.app.cache.clear().await.unwrap();
    let left = [&one.app.cache, &other.app.cache, pages];
    let mut found = Vec::new();
    for cache in left {
        found.push(cache.get::<i64>("unread:7").await.unwrap());
    }
    assert_eq!(found, [None, Some(2), Some(3)]);
    let again = one.second().await;
    assert_eq!(
        again
            .app
            .caches
            .named("pages")
            .get::<i64>("unread:7")
            .await
            .unwrap(),
        Some(3),
        "another node of the same site"
    );
}

#[tokio::test]
async fn a_value_that_the_cache_cannot_take_is_made_for_each_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    let cache = format!("file:{}?max_bytes=20000", folder.path().display());
    let site = TestApp::start_with(&[("cache", &cache)]).await;
    let large = "a".repeat(100_000);
    for _ in 0..2 {
        let made = large.clone();
        let tagged = &site.app.tagged;
        let got: lyceum::error::Result<String> = tagged
            .get_or_set("large", &[], Timeout::Default, || async { Ok(made) })
            .await;
        assert_eq!(got.unwrap(), large);
    }
}
