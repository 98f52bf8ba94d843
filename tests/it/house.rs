//! The house: health, headers, faults.

use crate::kit::TestApp;

#[tokio::test]
async fn every_service_answers_when_the_site_is_well() {
    let site = TestApp::start().await;
    site.visitor().get("/healthz").await.expect(200).has("ok");
    let ready = site.visitor().get("/readyz").await;
    ready.expect(200);
    let services = ready.json();
    assert!(
        services
            .as_array()
            .unwrap()
            .iter()
            .all(|service| service["is_well"] == true),
        "{services}"
    );
}

#[tokio::test]
async fn an_unknown_path_is_a_page_in_plain_words_with_the_request_id() {
    let site = TestApp::start().await;
    let page = site.visitor().get("/no/such/page/").await;
    page.expect(404).has("This page is not here");
    let id = page.header("x-request-id").unwrap();
    page.has(&id);
}

#[tokio::test]
async fn programs_get_faults_as_json() {
    let site = TestApp::start().await;
    let page = site.visitor().get("/api/no-such-thing/").await;
    page.expect(404);
    assert_eq!(page.json(), serde_json::json!({"detail": "Not found."}));
}

#[tokio::test]
async fn every_answer_carries_the_policy_under_which_nothing_foreign_runs() {
    let site = TestApp::start().await;
    for path in ["/healthz", "/no/such/page/"] {
        let page = site.visitor().get(path).await;
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("script-src 'self';") && policy.contains("style-src 'self';"),
            "{policy}"
        );
        assert!(
            !policy.contains("unsafe-inline") && !policy.contains("nonce"),
            "{policy}"
        );
        assert_eq!(
            page.header("x-content-type-options").as_deref(),
            Some("nosniff")
        );
        assert_eq!(page.header("x-frame-options").as_deref(), Some("DENY"));
        assert_eq!(
            page.header("referrer-policy").as_deref(),
            Some("same-origin")
        );
    }
}

#[tokio::test]
async fn only_a_site_under_https_asks_browsers_to_stay_there() {
    let plain = TestApp::start().await;
    let page = plain.visitor().get("/healthz").await;
    assert_eq!(page.header("strict-transport-security"), None);
    let secure = TestApp::start_with(&[("public_url", "https://learn.example.org")]).await;
    let page = secure.visitor().get("/healthz").await;
    let policy = page.header("strict-transport-security").unwrap();
    assert!(policy.contains("max-age=31536000"), "{policy}");
}

#[tokio::test]
async fn a_mail_server_that_is_away_is_told_but_takes_no_node_out_of_service() {
    // Nobody listens there any more.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let site = TestApp::start_with(&[("mail", &format!("smtp://{address}"))]).await;
    let ready = site.visitor().get("/readyz").await;
    ready.expect(200);
    let services = ready.json();
    let mut all = services.as_array().unwrap().iter();
    let mail = all.find(|service| service["service"] == "mail").unwrap();
    assert_eq!(mail["is_well"], false, "{services}");
}
