//! `/readyz`: what it asks, how often, and what it says while something is away.

use crate::kit::{Line, TestApp, until};
use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// A mail server that hangs up on everybody, and how many have called.
async fn hanging_up() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((call, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(call);
        }
    });
    (url, calls)
}

async fn many_ask(site: &TestApp) {
    let visitor = site.visitor();
    let asked = (0..50).map(|_| visitor.get("/readyz"));
    for page in futures::future::join_all(asked).await {
        let services = page.expect(200).json();
        let mut all = services.as_array().unwrap().iter();
        let mail = all.find(|one| one["service"] == "mail").unwrap();
        assert_eq!(mail["is_well"], false, "{services}");
    }
}

#[tokio::test]
async fn however_many_ask_for_the_health_the_services_are_asked_once_in_a_second() {
    let (mail, calls) = hanging_up().await;
    let site = TestApp::start_with(&[("mail", &mail)]).await;
    site.visitor().get("/readyz").await.expect(200);
    let once = calls.load(Ordering::SeqCst);
    assert!(once > 0, "it is asked at all");
    many_ask(&site).await;
    assert_eq!(calls.load(Ordering::SeqCst), once, "within the second");
    for seconds in 2..5 {
        site.wait_seconds(1);
        many_ask(&site).await;
        assert_eq!(calls.load(Ordering::SeqCst), seconds * once, "at once");
    }
}

/// As much of an object store as a site needs that stores nothing: it keeps the names of objects, and heeds conditions.
async fn store(
    State(names): State<Arc<Mutex<BTreeSet<String>>>>,
    method: Method,
    uri: Uri,
) -> Response {
    let name = uri.path().to_owned();
    let mut names = names.lock().unwrap();
    match method {
        Method::PUT if names.insert(name.clone()) => [(header::ETAG, "\"1\"")].into_response(),
        Method::PUT => StatusCode::PRECONDITION_FAILED.into_response(),
        Method::DELETE if names.remove(&name) => StatusCode::NO_CONTENT.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::test]
async fn an_object_store_that_is_away_is_told_at_once_but_takes_no_node_out_of_service() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let line = Line::to(listener.local_addr().unwrap().to_string()).await;
    let stores = Router::new().fallback(store).with_state(Arc::default());
    tokio::spawn(async move { axum::serve(listener, stores).await });
    let files = format!("s3://lyceum/site?endpoint=http://{}", line.address);
    let keys = [
        ("s3_access_key_id", "lyceum"),
        ("s3_secret_access_key", "open-sesame"),
    ];
    let settings = [&[("files", files.as_str())][..], &keys].concat();
    let site = TestApp::start_with(&settings).await;
    let sick = async || {
        site.wait_seconds(1);
        let ready = site.visitor().get("/readyz").await;
        let services = ready.expect(200).json();
        let all = services.as_array().unwrap().iter();
        let sick = all.filter(|one| one["is_well"] == false);
        sick.map(|one| one["service"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(sick().await, [""; 0]);
    line.cut();
    assert_eq!(sick().await, ["files"]);
    site.visitor().get("/").await.expect(200);
    line.mend();
    until("the store is used again", async || {
        sick().await.is_empty().then_some(())
    })
    .await;
}
