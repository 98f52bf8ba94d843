//! The overview of staff: services, pictures, why a cache is cold, jobs that failed; and the page of health.

use crate::kit::{Role, TestApp};
use lyceum::web::metrics::{self, nodes};

#[tokio::test]
async fn the_overview_draws_what_was_counted_and_says_it_in_words_and_figures() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    metrics::note(&site.app).await.unwrap();
    for _ in 0..120 {
        site.visitor().get("/healthz").await.expect(200);
    }
    metrics::note(&site.app).await.unwrap();
    site.wait_seconds(60);
    metrics::note(&site.app).await.unwrap();
    let page = staff.get("/admin/?range=1h").await;
    page.expect(200)
        .has("<h1>Overview</h1>")
        .has("role=\"img\" aria-label=\"Requests, 1 h: all between")
        .has("aria-label=\"Memory, 1 h: between")
        .has("aria-label=\"Storage: Renditions 0 bytes")
        .has("<caption class=\"sr-only\">Caches</caption>")
        .has("Nothing has failed in 24 hours.")
        // The figures of the picture, for those who do not see it.
        .has("<th scope=\"row\">09:30</th><td>2")
        .lacks("style=")
        .lacks("<script>");
    for (range, words) in [("24h", "24 h"), ("7d", "7 d"), ("30d", "30 d")] {
        let page = staff.get(&format!("/admin/?range={range}")).await;
        page.expect(200)
            .has(&format!("aria-current=\"page\">{words}</a>"))
            .has(&format!("aria-label=\"Requests, {words}: all between"));
        assert!(page.bytes.len() < 60_000, "{}", page.bytes.len());
    }
    // What cannot be understood counts as not said.
    let odd = staff.get("/admin/?range=%3Cb%3E&done=x&n=-1").await;
    assert!(odd.status < 500, "{}", odd.status);
}

#[tokio::test]
async fn the_services_say_what_they_are_and_which_does_not_answer() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    staff
        .get("/admin/")
        .await
        .expect(200)
        .has("Database<span class=\"sr-only\">: answers")
        .has("in memory, ready");
    let broken = site
        .second_with(|config| config.ffmpeg = Some("/no/such/folder".into()))
        .await;
    let there = staff.at(&broken.url);
    there
        .get("/admin/")
        .await
        .expect(200)
        .has("Transcoder<span class=\"sr-only\">: away");
    there
        .get("/admin/health/")
        .await
        .expect(200)
        .has("cannot be run")
        .has("away, the site goes on without it");
}

#[tokio::test]
async fn it_says_why_the_cache_is_cold() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let clara = site.person("clara", Role::Instructor).await;
    site.course(clara, "winds").await;
    metrics::note(&site.app).await.unwrap();
    for key in 0..50 {
        let key = format!("lesson:{key}");
        site.app.cache.get::<String>(&key).await.unwrap();
    }
    metrics::note(&site.app).await.unwrap();
    staff
        .get("/admin/")
        .await
        .has("Why it is cold")
        .has("This process began")
        .has("changed in the last hour");
    let fields = [("cache", "default")];
    staff.post("/admin/cache/clear/", &fields).await.expect(303);
    staff
        .get("/admin/")
        .await
        .has("The cache “default” was emptied by rosa: Today, 09:30.");
}

#[tokio::test]
async fn a_cache_that_is_too_small_says_so() {
    let site = TestApp::start_with(&[("cache", "memory:?max_bytes=20000")]).await;
    let staff = site.login_as("rosa", Role::Staff).await;
    metrics::note(&site.app).await.unwrap();
    let value = "x".repeat(1_000);
    for key in 0..200 {
        let key = format!("lesson:{key}");
        let forever = backends::cache::Timeout::Forever;
        site.app.cache.set(&key, &value, forever).await.unwrap();
        site.app.cache.get::<String>(&key).await.unwrap();
    }
    metrics::note(&site.app).await.unwrap();
    staff.get("/admin/").await.has("It is too small:");
}

#[tokio::test]
async fn health_shows_each_process_and_which_is_not_heard_of() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let other = site.second().await;
    nodes::hear(&site.app, nodes::Role::Both).await.unwrap();
    nodes::hear(&other.app, nodes::Role::Work).await.unwrap();
    let page = staff.get("/admin/health/").await;
    page.expect(200)
        .has(&site.app.node)
        .has(&other.app.node)
        .has("answered this page")
        .has("works, 1 job at once")
        .has("up to date")
        .lacks("it does not answer");
    site.wait_seconds(120);
    nodes::hear(&site.app, nodes::Role::Both).await.unwrap();
    staff
        .get("/admin/health/")
        .await
        .has("2 min ago: it does not answer");
}

#[tokio::test]
async fn each_page_costs_as_many_statements_with_many_jobs_as_with_one() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let clara = site.person("clara", Role::Instructor).await;
    let add = async |count: usize| {
        for _ in 0..count {
            let film = site.film(clara, 1.0).await;
            let mut write = site.app.write().await.unwrap();
            let job = lyceum::media::ProcessUpload::of(&film);
            lyceum::jobs::enqueue(&site.app, &mut write, &job)
                .await
                .unwrap();
            write.commit().await.unwrap();
        }
    };
    add(1).await;
    let path = "/admin/jobs/";
    let few = site.statements_of_cold(&staff, path).await;
    add(30).await;
    let many = site.statements_of_cold(&staff, path).await;
    assert_eq!(few, many);
}
