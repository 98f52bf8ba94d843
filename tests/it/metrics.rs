//! Figures of the site: what is counted, what Prometheus reads, and what is kept over time.

use crate::kit::{Browser, Role, TestApp, until};
use lyceum::entities::figure;
use lyceum::registry;
use lyceum::web::metrics::series::{self, Range, Seen};
use lyceum::web::metrics::{self, Kind, nodes};
use sea_orm::{EntityTrait, PaginatorTrait};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A client of this process's address for figures.
async fn scraper(site: &TestApp) -> Browser {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = metrics::router(&site.app, registry::metrics());
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Browser::new(&format!("http://{address}"))
}

/// What was seen in the slots of a range in which anything was, the oldest first.
async fn seen(site: &TestApp, range: Range) -> Vec<Seen> {
    let slots = series::load(&site.app, range).await.unwrap();
    slots.into_iter().filter_map(|slot| slot.seen).collect()
}

async fn note(site: &TestApp) {
    metrics::note(&site.app).await.unwrap();
}

#[tokio::test]
async fn requests_are_counted_by_kind_and_status_and_whether_the_answer_was_kept() {
    let site = TestApp::start().await;
    let visitor = site.visitor();
    for _ in 0..3 {
        visitor.get("/").await.expect(200);
    }
    visitor.get("/api/subjects/").await.expect(200);
    visitor.get("/api/nothing/").await.expect(404);
    visitor.get("/media/1/original").await.expect(404);
    let counted = site.app.traffic.counted();
    let of = |kind: Kind| counted.requests[kind as usize];
    assert_eq!(of(Kind::Page), [0, 3, 0, 0, 0]);
    assert_eq!(of(Kind::Api), [0, 1, 0, 1, 0]);
    assert_eq!(of(Kind::Media), [0, 0, 0, 1, 0]);
    assert_eq!((counted.all(), counted.errors()), (6, 0));
    assert_eq!(
        counted.kept, 2,
        "the second and the third page were kept already"
    );
    assert_eq!(counted.all_timings().count(), 6);
}

#[tokio::test]
async fn without_kept_pages_everything_is_counted_all_the_same() {
    let site = TestApp::start_with(&[("page_cache_seconds", "0")]).await;
    site.visitor().get("/").await.expect(200);
    site.visitor().get("/").await.expect(200);
    let counted = site.app.traffic.counted();
    assert_eq!((counted.all(), counted.kept), (2, 0));
}

#[tokio::test]
async fn prometheus_is_told_of_requests_jobs_storage_memory_and_connections() {
    let site = TestApp::start().await;
    site.visitor().get("/").await.expect(200);
    site.visitor().get("/").await.expect(200);
    let page = scraper(&site).await.get("/metrics").await;
    page.expect(200)
        .has("lyceum_requests_total{kind=\"page\",status=\"2xx\"} 2\n")
        .has("lyceum_kept_answers_total 1\n")
        .has("# TYPE lyceum_answer_seconds histogram\n")
        .has("lyceum_answer_seconds_bucket{kind=\"page\",le=\"0.0001\"} ")
        .has("lyceum_answer_seconds_bucket{kind=\"page\",le=\"+Inf\"} 2\n")
        .has("lyceum_answer_seconds_count{kind=\"page\"} 2\n")
        .has("lyceum_open_sockets 0\n")
        .has("lyceum_oldest_job_seconds 0\n")
        .has("lyceum_storage_bytes{of=\"originals\"} 0\n")
        .has("lyceum_storage_bytes{of=\"database\"} ")
        .has("process_resident_memory_bytes ")
        .has("lyceum_database_connections{pool=\"")
        .has("lyceum_database_statements_total ");
}

#[tokio::test]
async fn an_open_stream_is_counted_until_it_ends() {
    let site = TestApp::start().await;
    let anna = site.login_as("anna", Role::Student).await;
    let stream = anna.events("/events/", None).await;
    assert_eq!(site.app.traffic.open(), 1);
    drop(stream);
    until("the stream counts no longer", async || {
        (site.app.traffic.open() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_counted_stands_in_its_slot_and_outlives_the_process() {
    let site = TestApp::start().await;
    note(&site).await;
    for _ in 0..12 {
        site.visitor().get("/").await.expect(200);
    }
    note(&site).await;
    site.wait_seconds(60);
    site.visitor().get("/").await.expect(200);
    note(&site).await;
    // Another process of the site, which has counted nothing of it, and is the only one left.
    let other = site.second().await;
    let minutes = seen(&other, Range::Hour).await;
    assert_eq!(minutes.len(), 2);
    // The clock stands at 09:30:00: of the minute before all has passed.
    assert!((minutes[0].requests - 12.0 / 60.0).abs() < 1e-9);
    assert!(minutes[1].requests > 0.0);
    assert!(minutes[0].worked_out < minutes[0].requests);
    assert!(minutes[0].p95.is_some());
    assert!(minutes[0].memory_bytes > 1e6);
    assert!(minutes[0].storage.database > 0);
    for range in [Range::Day, Range::Week, Range::Month] {
        assert_eq!(seen(&other, range).await.len(), 1, "{range:?}");
    }
}

#[tokio::test]
async fn figures_of_all_processes_are_added_up() {
    let site = TestApp::start().await;
    let other = site.second().await;
    note(&site).await;
    note(&other).await;
    for node in [&site, &other] {
        for _ in 0..5 {
            node.visitor().get("/healthz").await.expect(200);
        }
        note(node).await;
    }
    site.wait_seconds(60);
    let slots = series::load(&site.app, Range::Hour).await.unwrap();
    let seen = slots[58].seen.clone().unwrap();
    assert!((seen.requests - 10.0 / 60.0).abs() < 1e-9, "{seen:?}");
}

#[tokio::test]
async fn a_job_that_waits_is_seen_with_its_age() {
    let site = TestApp::start().await;
    let mut write = site.app.write().await.unwrap();
    lyceum::jobs::enqueue(&site.app, &mut write, &lyceum::jobs::Sweep {})
        .await
        .unwrap();
    write.commit().await.unwrap();
    site.wait_seconds(300);
    note(&site).await;
    let minutes = seen(&site, Range::Hour).await;
    let last = minutes.last().unwrap();
    assert_eq!((last.queue, last.oldest_seconds), (1, 300));
}

#[tokio::test]
async fn figures_that_are_no_longer_shown_are_swept_with_processes_that_were_lost() {
    let site = TestApp::start().await;
    note(&site).await;
    nodes::hear(&site.app, nodes::Role::Both).await.unwrap();
    let rows = async || {
        let rows = figure::Entity::find().count(site.app.db.read()).await;
        rows.unwrap()
    };
    assert_eq!(rows().await, 3);
    let sweep = async || {
        let mut write = site.app.write().await.unwrap();
        lyceum::jobs::enqueue(&site.app, &mut write, &lyceum::jobs::Sweep {})
            .await
            .unwrap();
        write.commit().await.unwrap();
        site.drain().await;
    };
    site.wait_seconds(8 * 3600);
    sweep().await;
    assert_eq!(rows().await, 2, "minutes are shown for an hour");
    assert_eq!(nodes::list(&site.app).await.unwrap().len(), 1);
    site.wait_seconds(5 * 24 * 3600);
    sweep().await;
    assert_eq!(rows().await, 1, "quarters of an hour for a day");
    assert_eq!(nodes::list(&site.app).await.unwrap(), []);
    site.wait_seconds(31 * 24 * 3600);
    sweep().await;
    assert_eq!(rows().await, 0);
}
