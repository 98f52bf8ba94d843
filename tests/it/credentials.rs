//! Basic and Token credentials, on any page; who is refused, counted, and made to wait.

use crate::kit::{Browser, PASSWORD, Page, Role, TestApp};
use lyceum::accounts::{self, ChangedBy, NewToken};
use lyceum::entities::token;
use reqwest::Method;
use sea_orm::EntityTrait;

const PAGE: &str = "/accounts/profile/";

async fn by_basic(browser: &Browser, username: &str, password: &str) -> Page {
    let request = browser.request(Method::GET, PAGE);
    browser
        .send(request.basic_auth(username, Some(password)))
        .await
}

async fn by_header(browser: &Browser, value: &str) -> Page {
    let request = browser.request(Method::GET, PAGE);
    browser.send(request.header("Authorization", value)).await
}

async fn key_of(site: &TestApp, user_id: i64) -> String {
    let write = site.app.write().await.unwrap();
    let key = accounts::create_token(&site.app, &write, NewToken::unbounded(user_id, "script"))
        .await
        .unwrap();
    write.commit().await.unwrap();
    key
}

async fn give_password(site: &TestApp, user_id: i64, password: &str) {
    let hash = site.app.passwords.hash(password).await.unwrap();
    let mut write = site.app.write().await.unwrap();
    accounts::set_password(&site.app, &mut write, user_id, hash, ChangedBy::Staff)
        .await
        .unwrap();
    write.commit().await.unwrap();
}

#[track_caller]
fn is_refused(page: &Page, detail: &str) {
    page.expect(401);
    assert_eq!(page.json(), serde_json::json!({ "detail": detail }));
    assert_eq!(
        page.header("www-authenticate").as_deref(),
        Some("Basic realm=\"api\"")
    );
}

#[tokio::test]
async fn credentials_in_a_header_count_on_any_page_and_win_over_the_cookie() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let ines = site.person("ines", Role::Student).await;
    by_basic(&site.visitor(), "maya", PASSWORD)
        .await
        .expect(200)
        .has("maya");
    by_basic(&maya, "ines", PASSWORD)
        .await
        .expect(200)
        .has("ines");
    let key = key_of(&site, ines).await;
    by_header(&maya, &format!("Bearer {key}"))
        .await
        .expect(200)
        .has("ines");
    is_refused(
        &by_basic(&maya, "ines", "wrong").await,
        "Invalid username/password.",
    );
    let other_scheme = by_header(&maya, "Digest username=\"ines\"").await;
    other_scheme.expect(200).has("maya");
}

#[tokio::test]
async fn wrong_credentials_are_told_to_programs_as_json_and_to_people_as_a_page() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let visitor = site.visitor();
    is_refused(
        &by_basic(&visitor, "maya", "wrong").await,
        "Invalid username/password.",
    );
    is_refused(
        &by_basic(&visitor, "nobody", "wrong").await,
        "Invalid username/password.",
    );
    is_refused(
        &by_basic(&visitor, "a\0b", "wrong").await,
        "Invalid username/password.",
    );
    is_refused(
        &by_basic(&visitor, &"x".repeat(9_000), "wrong").await,
        "Invalid username/password.",
    );
    is_refused(
        &by_header(&visitor, "Token nonsense").await,
        "Invalid token.",
    );
    is_refused(&by_header(&visitor, "Bearer").await, "Invalid token.");
    let malformed = "Invalid basic header. Credentials not correctly base64 encoded.";
    for header in ["Basic", "Basic !!!", "basic bWF5YQ==", "BASIC a b"] {
        is_refused(&by_header(&visitor, header).await, malformed);
    }
    let request = visitor
        .request(Method::GET, PAGE)
        .basic_auth("maya", Some("wrong"))
        .header("Accept", "text/html,*/*;q=0.8");
    visitor.send(request).await.expect(401).has("<h1>");
    let odd = visitor
        .request(Method::GET, PAGE)
        .header("Authorization", &b"\xff\xfe\xfd"[..]);
    visitor.send(odd).await;
    let latin_1 = visitor
        .request(Method::GET, PAGE)
        .header("Authorization", "Basic bWF5YTr8");
    is_refused(&visitor.send(latin_1).await, "Invalid username/password.");
}

#[tokio::test]
async fn a_name_outside_ascii_is_read_in_utf_8_and_in_latin_1() {
    let site = TestApp::start().await;
    site.person("josé", Role::Student).await;
    by_basic(&site.visitor(), "josé", PASSWORD)
        .await
        .expect(200);
    // "josé:violet harbor 9" in Latin-1, as older Python programs send it.
    let latin_1 = "Basic am9z6Tp2aW9sZXQgaGFyYm9yIDk=";
    by_header(&site.visitor(), latin_1).await.expect(200);
}

#[tokio::test]
async fn a_changed_password_counts_at_once_for_basic_credentials() {
    let site = TestApp::start().await;
    let second = site.second().await;
    let id = site.person("maya", Role::Student).await;
    let (here, there) = (site.visitor(), second.visitor());
    for browser in [&here, &there] {
        by_basic(browser, "maya", PASSWORD).await.expect(200);
    }
    give_password(&site, id, "quiet lantern 4").await;
    is_refused(
        &by_basic(&here, "maya", PASSWORD).await,
        "Invalid username/password.",
    );
    by_basic(&here, "maya", "quiet lantern 4").await.expect(200);
    // The other process remembers until the bus has told it, at most; well within its minute,
    // for the clock stands still.
    while by_basic(&there, "maya", PASSWORD).await.status != 401 {}
    by_basic(&there, "maya", "quiet lantern 4")
        .await
        .expect(200);
}

#[tokio::test]
async fn an_account_that_was_shut_and_a_key_that_was_revoked_are_refused_at_once() {
    let site = TestApp::start().await;
    let id = site.person("maya", Role::Student).await;
    let key = format!("Token {}", key_of(&site, id).await);
    let browser = site.visitor();
    by_header(&browser, &key).await.expect(200);
    token::Entity::delete_many()
        .exec(site.app.db.writer())
        .await
        .unwrap();
    site.account_changed(id).await;
    is_refused(&by_header(&browser, &key).await, "Invalid token.");
    let key = format!("Token {}", key_of(&site, id).await);
    let session = site.login("maya").await;
    by_header(&browser, &key).await.expect(200);
    by_basic(&browser, "maya", PASSWORD).await.expect(200);
    let mut write = site.app.write().await.unwrap();
    accounts::set_active(&mut write, id, false).await.unwrap();
    write.commit().await.unwrap();
    is_refused(&by_header(&browser, &key).await, "Invalid token.");
    is_refused(
        &by_basic(&browser, "maya", PASSWORD).await,
        "Invalid username/password.",
    );
    session.get(PAGE).await.expect(302);
}

#[tokio::test]
async fn ten_wrong_passwords_make_a_name_wait_a_minute_at_that_address() {
    let site = TestApp::start_with(&[("trusted_proxies", "127.0.0.1")]).await;
    site.person("maya", Role::Student).await;
    site.person("ines", Role::Student).await;
    let browser = site.visitor();
    let from = |address: &'static str, username: &'static str, password: &'static str| {
        let request = browser.request(Method::GET, PAGE);
        let request = request.basic_auth(username, Some(password));
        browser.send(request.header("X-Forwarded-For", address))
    };
    for _ in 0..5 {
        from("192.0.2.1", "maya", "wrong").await.expect(401);
    }
    // Pages and Basic credentials share the count.
    browser.get("/accounts/login/").await.expect(200);
    for _ in 0..5 {
        let token = browser.cookie("csrftoken").unwrap();
        let request = browser
            .request(Method::POST, "/accounts/login/")
            .header("X-Forwarded-For", "192.0.2.1")
            .form(&[
                ("csrfmiddlewaretoken", token.as_str()),
                ("username", "maya"),
                ("password", "wrong"),
            ]);
        browser.send(request).await.expect(422);
    }
    let waiting = from("192.0.2.1", "maya", PASSWORD).await;
    waiting.expect(429);
    assert_eq!(waiting.header("retry-after").as_deref(), Some("60"));
    assert_eq!(
        waiting.json(),
        serde_json::json!({"detail": "Too many wrong tries. Please wait a minute, then try again."})
    );
    from("192.0.2.1", "ines", PASSWORD).await.expect(200);
    from("192.0.2.2", "maya", PASSWORD).await.expect(200);
    site.wait_seconds(45);
    let waiting = from("192.0.2.1", "maya", "another wrong one").await;
    waiting.expect(429);
    assert_eq!(waiting.header("retry-after").as_deref(), Some("15"));
    site.wait_seconds(15);
    from("192.0.2.1", "maya", "another wrong one")
        .await
        .expect(401);
}

#[tokio::test]
async fn the_log_in_page_says_how_long_to_wait_and_keeps_the_name() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let browser = site.visitor();
    browser.get("/accounts/login/").await.expect(200);
    let wrong = [("username", "maya"), ("password", "wrong")];
    for _ in 0..10 {
        browser.post("/accounts/login/", &wrong).await.expect(422);
    }
    let right = [("username", "maya"), ("password", PASSWORD)];
    let page = browser.post("/accounts/login/", &right).await;
    page.expect(429)
        .has("Please wait a minute")
        .has("value=\"maya\"");
    assert_eq!(page.header("retry-after").as_deref(), Some("60"));
    site.wait_seconds(60);
    browser.post("/accounts/login/", &right).await.expect(303);
}

#[tokio::test]
async fn a_right_password_between_wrong_ones_does_not_clear_the_count() {
    let site = TestApp::start().await;
    let id = site.person("maya", Role::Student).await;
    let browser = site.visitor();
    for _ in 0..9 {
        by_basic(&browser, "maya", "wrong").await.expect(401);
    }
    by_basic(&browser, "maya", PASSWORD).await.expect(200);
    by_basic(&browser, "maya", "wrong").await.expect(401);
    site.account_changed(id).await;
    by_basic(&browser, "maya", PASSWORD).await.expect(429);
}

#[tokio::test]
async fn old_failures_are_forgotten_after_five_minutes() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let browser = site.visitor();
    for _ in 0..9 {
        by_basic(&browser, "maya", "wrong").await.expect(401);
    }
    site.wait_seconds(301);
    for _ in 0..9 {
        by_basic(&browser, "maya", "wrong").await.expect(401);
    }
    by_basic(&browser, "maya", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn two_hundred_failures_make_an_address_wait_and_known_callers_go_on() {
    let site = TestApp::start().await;
    let id = site.person("maya", Role::Student).await;
    let session = site.login("maya").await;
    let browser = site.visitor();
    by_basic(&browser, "maya", PASSWORD).await.expect(200);
    for number in 0..200 {
        by_header(&browser, &format!("Token wrong-{number}"))
            .await
            .expect(401);
    }
    by_header(&browser, "Token wrong-again").await.expect(429);
    by_basic(&browser, "nobody", "wrong").await.expect(429);
    by_basic(&browser, "maya", PASSWORD).await.expect(200);
    session.get(PAGE).await.expect(200);
    site.account_changed(id).await;
    session.get(PAGE).await.expect(200);
    site.wait_seconds(60);
    by_header(&browser, "Token wrong-again").await.expect(401);
}

#[tokio::test]
async fn good_requests_are_never_limited_and_cost_one_hash() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let browser = site.visitor();
    let before = site.app.passwords.checks();
    let all = (0..300).map(|_| by_basic(&browser, "maya", PASSWORD));
    for page in futures::future::join_all(all).await {
        page.expect(200);
    }
    assert_eq!(site.app.passwords.checks() - before, 1);
}

#[tokio::test]
async fn wrong_tries_that_arrive_together_are_counted_and_none_is_a_fault_of_ours() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let browser = site.visitor();
    // As many as can be hashed at once may be under way when the tenth has failed.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let guesses: Vec<String> = (0..20 + 4 * cores)
        .map(|number| format!("guess {number}"))
        .collect();
    let all = guesses
        .iter()
        .map(|guess| by_basic(&browser, "maya", guess));
    let statuses: Vec<u16> = futures::future::join_all(all)
        .await
        .iter()
        .map(|page| page.status)
        .collect();
    assert!(
        statuses.iter().all(|status| [401, 429].contains(status)),
        "{statuses:?}"
    );
    let answered = statuses.iter().filter(|status| **status == 401).count();
    assert!(
        answered < guesses.len(),
        "all {answered} guesses were answered"
    );
    by_basic(&browser, "maya", PASSWORD).await.expect(429);
}
