//! Cross-site request forgery: who may send a form, and with what.

use crate::kit::{Browser, PASSWORD, Page, Role, TestApp};
use reqwest::Method;

const THEME: &str = "/accounts/theme/";
const LOGIN: &str = "/accounts/login/";
const FIELD: &str = "csrfmiddlewaretoken";

/// Sends a form as it is given, without the token that [`Browser::post`] adds.
async fn send(
    browser: &Browser,
    path: &str,
    fields: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Page {
    let mut request = browser.request(Method::POST, path).form(fields);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    browser.send(request).await
}

#[tokio::test]
async fn a_cookie_with_the_field_or_the_header_is_let_through_and_nothing_less() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let token = maya.cookie("csrftoken").unwrap();
    let dark = ("theme", "dark");
    send(&maya, THEME, &[(FIELD, &token), dark], &[])
        .await
        .expect(303);
    send(&maya, THEME, &[dark], &[("X-CSRFToken", &token)])
        .await
        .expect(303);
    send(&maya, THEME, &[dark], &[]).await.expect(403);
    send(&maya, THEME, &[(FIELD, ""), dark], &[])
        .await
        .expect(403);
    send(&maya, THEME, &[(FIELD, "wrong"), dark], &[])
        .await
        .expect(403);
    send(
        &maya,
        THEME,
        &[(FIELD, &token), dark],
        &[("X-CSRFToken", "wrong")],
    )
    .await
    .expect(403);
    let multipart = reqwest::multipart::Form::new()
        .text(FIELD, token.clone())
        .text("theme", "dark");
    maya.send(maya.request(Method::POST, THEME).multipart(multipart))
        .await
        .expect(303);
    let without = reqwest::multipart::Form::new().text("theme", "dark");
    maya.send(maya.request(Method::POST, THEME).multipart(without))
        .await
        .expect(403);
    let garbled = maya
        .request(Method::POST, THEME)
        .header("Content-Type", "multipart/form-data; boundary=x")
        .body("no part at all");
    maya.send(garbled).await.expect(403);
    maya.set_cookie("csrftoken", None);
    send(&maya, THEME, &[(FIELD, &token), dark], &[])
        .await
        .expect(403);
}

#[tokio::test]
async fn a_token_that_somebody_planted_does_not_fit_the_session() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let mallory = site.login_as("mallory", Role::Student).await;
    let anonymous = site.visitor();
    anonymous.get(LOGIN).await.expect(200);
    for planted in [
        mallory.cookie("csrftoken").unwrap(),
        anonymous.cookie("csrftoken").unwrap(),
        "x".to_owned(),
        ".".to_owned(),
    ] {
        maya.set_cookie("csrftoken", Some(&planted));
        send(&maya, THEME, &[(FIELD, &planted), ("theme", "dark")], &[])
            .await
            .expect(403);
    }
    // Each answer gave a good one again.
    assert!(maya.cookie("csrftoken").unwrap().len() > 1);
    maya.post(THEME, &[("theme", "dark")]).await.expect(303);
}

#[tokio::test]
async fn a_foreign_origin_is_refused_even_with_the_token() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let token = maya.cookie("csrftoken").unwrap();
    let fields = [(FIELD, token.as_str()), ("theme", "dark")];
    for origin in [
        "https://evil.example",
        "null",
        "",
        "http://127.0.0.1:1",
        "nonsense",
    ] {
        let page = send(&maya, THEME, &fields, &[("Origin", origin)]).await;
        page.expect(403);
    }
    send(&maya, THEME, &fields, &[("Origin", &site.url)])
        .await
        .expect(303);
}

#[tokio::test]
async fn where_a_public_url_is_configured_it_alone_is_ours() {
    let site = TestApp::start_with(&[("public_url", "https://learn.example.org")]).await;
    let maya = site.login_as("maya", Role::Student).await;
    let token = maya.cookie("csrftoken").unwrap();
    let fields = [(FIELD, token.as_str()), ("theme", "dark")];
    send(&maya, THEME, &fields, &[("Origin", &site.url)])
        .await
        .expect(403);
    send(
        &maya,
        THEME,
        &fields,
        &[("Origin", "http://learn.example.org")],
    )
    .await
    .expect(403);
    send(
        &maya,
        THEME,
        &fields,
        &[("Origin", "https://learn.example.org")],
    )
    .await
    .expect(303);
}

#[tokio::test]
async fn logging_in_registering_and_logging_out_need_the_token() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let browser = site.visitor();
    let fields = [("username", "maya"), ("password", PASSWORD)];
    send(&browser, LOGIN, &fields, &[]).await.expect(403);
    let register = [
        ("username", "ines"),
        ("password1", PASSWORD),
        ("password2", PASSWORD),
    ];
    send(&browser, "/students/register/", &register, &[])
        .await
        .expect(403);
    // Without the slash there is no such page, whatever comes.
    send(&browser, "/accounts/login", &fields, &[])
        .await
        .expect(404);
    let maya = site.login("maya").await;
    send(&maya, "/accounts/logout/", &[], &[]).await.expect(403);
    maya.get("/accounts/profile/").await.expect(200);
}

#[tokio::test]
async fn credentials_in_a_header_need_no_token_but_no_foreign_origin_either() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let browser = site.visitor();
    let request = || {
        let request = browser
            .request(Method::POST, THEME)
            .form(&[("theme", "dark")]);
        request.basic_auth("maya", Some(PASSWORD))
    };
    browser.send(request()).await.expect(303);
    // A browser adds Basic credentials that it was once given to forms of other sites, too.
    browser
        .send(request().header("Origin", "https://evil.example"))
        .await
        .expect(403);
}

#[tokio::test]
async fn only_pages_with_a_form_give_a_visitor_the_cookie() {
    let site = TestApp::start().await;
    let page = site.visitor().get(LOGIN).await;
    assert!(page.header("set-cookie").unwrap().starts_with("csrftoken="));
    let page = site.visitor().get("/no/such/page/").await;
    assert_eq!(page.header("set-cookie"), None);
    let maya = site.login_as("maya", Role::Student).await;
    maya.set_cookie("csrftoken", None);
    let sheet = lyceum::web::assets::url("css/site.css");
    let asset = maya.get(&sheet).await;
    asset.expect(200);
    assert_eq!(
        asset.header("set-cookie"),
        None,
        "a shared answer carries nothing of hers"
    );
    maya.get("/no/such/page/").await.expect(404);
    assert!(maya.cookie("csrftoken").is_some());
}

/// The token in the first form of a page.
fn field_in(page: &Page) -> String {
    let text = page.text();
    let (_, rest) = text
        .split_once(&format!("name=\"{FIELD}\" value=\""))
        .unwrap_or_else(|| panic!("no form: {text}"));
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_token_in_a_page_differs_each_time_and_fits_each_time() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let held = maya.cookie("csrftoken").unwrap();
    let mut tokens = Vec::new();
    for path in ["/accounts/profile/", "/accounts/profile/", "/no/such/page/"] {
        let page = maya.get(path).await;
        page.lacks(&held);
        tokens.push(field_in(&page));
    }
    assert_eq!(maya.cookie("csrftoken").unwrap(), held, "the cookie stays");
    let distinct: std::collections::BTreeSet<_> = tokens.iter().collect();
    assert_eq!(distinct.len(), tokens.len(), "{tokens:?}");
    let dark = ("theme", "dark");
    for token in &tokens {
        let page = send(&maya, THEME, &[(FIELD, token), dark], &[]).await;
        page.expect(303);
        let page = send(&maya, THEME, &[dark], &[("X-CSRFToken", token)]).await;
        page.expect(303);
        let parts = reqwest::multipart::Form::new().text(FIELD, token.clone());
        let parts = parts.text("theme", "dark");
        let request = maya.request(Method::POST, THEME).multipart(parts);
        maya.send(request).await.expect(303);
    }
    // Somebody who is not logged in yet.
    let browser = site.visitor();
    let token = field_in(&browser.get(LOGIN).await);
    let fields = [
        (FIELD, token.as_str()),
        ("username", "maya"),
        ("password", PASSWORD),
    ];
    send(&browser, LOGIN, &fields, &[]).await.expect(303);
}

#[tokio::test]
async fn a_field_token_of_another_browser_is_refused() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let mallory = site.login_as("mallory", Role::Student).await;
    let hers = field_in(&maya.get("/accounts/profile/").await);
    let foreign = field_in(&mallory.get("/accounts/profile/").await);
    let before_login = field_in(&site.visitor().get(LOGIN).await);
    // Of her own, from the browser that she left at home.
    let other = site.login("maya").await;
    let elsewhere = field_in(&other.get("/accounts/profile/").await);
    let dark = ("theme", "dark");
    for token in [&foreign, &before_login, &elsewhere] {
        send(&maya, THEME, &[(FIELD, token), dark], &[])
            .await
            .expect(403);
    }
    // What stands in a form is no cookie: planted as one it fits nothing.
    for planted in [&hers, &foreign] {
        maya.set_cookie("csrftoken", Some(planted));
        send(&maya, THEME, &[(FIELD, planted), dark], &[])
            .await
            .expect(403);
    }
}
