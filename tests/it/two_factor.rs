//! Two-factor log-in: set up, asked for, lost, and tried by those whose it is not.

use crate::kit::{Browser, PASSWORD, Page, Role, TestApp, WITH_MAIL};
use lyceum::accounts;
use lyceum::entities::{recovery_code, second_factor};
use sea_orm::EntityTrait;
use totp_rs::{Builder, Secret, Totp};

const SECURITY: &str = "/accounts/security/";
const SETUP: &str = "/accounts/security/two-factor/";
const CODE: &str = "/accounts/login/code/";
const BASIC: &str = "/api/users/me/";

/// An app on a phone.
struct Authenticator(Totp);

impl Authenticator {
    /// Reads the secret off the page that sets it up.
    fn of(page: &Page) -> Self {
        let text = page.text();
        let typed = text.split_once("<code class=\"key\">").unwrap().1;
        let typed = typed.split_once("</code>").unwrap().0.replace(' ', "");
        let secret = Secret::try_from_base32(typed).unwrap();
        Self(Builder::new().with_secret(secret).build().unwrap())
    }

    /// What it shows so many seconds from now.
    fn shows(&self, site: &TestApp, seconds: i64) -> String {
        let at = u64::try_from(site.clock.now().timestamp() + seconds).unwrap();
        self.0.generate(at).to_string()
    }
}

/// A site on which Maya has set up two-factor log-in, with her session, authenticator and recovery codes.
async fn set_up(site: &TestApp) -> (Browser, Authenticator, Vec<String>) {
    let maya = site.login_as("maya", Role::Student).await;
    let (phone, codes) = set_up_of(site, &maya).await;
    (maya, phone, codes)
}

async fn set_up_of(site: &TestApp, browser: &Browser) -> (Authenticator, Vec<String>) {
    browser.post(SECURITY, &[]).await.expect(303);
    let phone = Authenticator::of(browser.get(SETUP).await.expect(200));
    let code = phone.shows(site, 0);
    let fields = [("password", PASSWORD), ("code", code.as_str())];
    let page = browser.post(SETUP, &fields).await;
    page.expect(200).has("Two-factor log-in is on");
    let text = page.text();
    let list = text.split_once("<ul class=\"codes\"").unwrap().1;
    let codes = list.split("<code>").skip(1);
    let codes = codes.map(|rest| rest.split_once("</code>").unwrap().0.to_owned());
    (phone, codes.collect())
}

/// A browser that has shown the right password and stands before the second step.
async fn half_in(site: &TestApp, username: &str) -> Browser {
    let browser = site.visitor();
    browser.get("/accounts/login/").await.expect(200);
    let fields = [
        ("username", username),
        ("password", PASSWORD),
        ("next", "/messages/"),
    ];
    let page = browser.post("/accounts/login/", &fields).await;
    page.expect(303);
    assert_eq!(page.location(), CODE);
    assert_eq!(browser.cookie("sessionid"), None);
    browser
}

async fn type_code(browser: &Browser, code: &str) -> Page {
    browser.get(CODE).await.expect(200);
    browser.post(CODE, &[("code", code)]).await
}

#[tokio::test]
async fn who_has_set_it_up_logs_in_with_password_and_code() {
    let site = TestApp::start().await;
    let (maya, phone, codes) = set_up(&site).await;
    assert_eq!(codes.len(), 10);
    maya.get(SECURITY)
        .await
        .expect(200)
        .has("10 recovery codes left");
    site.wait_seconds(30);
    let browser = half_in(&site, "maya").await;
    browser.get("/messages/").await.expect(302);
    let page = type_code(&browser, &phone.shows(&site, 0)).await;
    page.expect(303);
    assert_eq!(page.location(), "/messages/");
    browser.get("/messages/").await.expect(200);
    assert_eq!(browser.cookie("lyceum_step"), None);
}

#[tokio::test]
async fn nothing_is_asked_for_before_the_first_code_was_right() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    maya.get(SETUP).await.expect(303);
    maya.post(SECURITY, &[]).await.expect(303);
    let phone = Authenticator::of(maya.get(SETUP).await.expect(200).has("<svg class=\"qr\""));
    let wrong = [("password", PASSWORD), ("code", "000000")];
    maya.post(SETUP, &wrong)
        .await
        .expect(422)
        .has("not the code that counts now");
    let code = phone.shows(&site, 0);
    let stranger = [("password", "not hers at all"), ("code", code.as_str())];
    maya.post(SETUP, &stranger)
        .await
        .expect(422)
        .has("This is not your password");
    maya.post(SETUP, &[])
        .await
        .expect(422)
        .has("Type your password.")
        .has("Type the code.");
    site.login("maya").await.get("/messages/").await.expect(200);
    // Beginning anew draws another secret.
    maya.post(SECURITY, &[]).await.expect(303);
    let fields = [("password", PASSWORD), ("code", code.as_str())];
    maya.post(SETUP, &fields).await.expect(422);
}

#[tokio::test]
async fn a_code_counts_once_and_one_step_of_time_around_now() {
    let site = TestApp::start().await;
    let (_, phone, _) = set_up(&site).await;
    let used = phone.shows(&site, 0);
    let browser = half_in(&site, "maya").await;
    type_code(&browser, &used)
        .await
        .expect(422)
        .has("each works once");
    site.wait_seconds(300);
    for far in [-60, 60] {
        type_code(&browser, &phone.shows(&site, far))
            .await
            .expect(422);
    }
    let (late, early) = (phone.shows(&site, -30), phone.shows(&site, 30));
    type_code(&browser, &late).await.expect(303);
    let browser = half_in(&site, "maya").await;
    type_code(&browser, &early).await.expect(303);
    // What lies before the newest that was taken is not taken any more.
    let browser = half_in(&site, "maya").await;
    type_code(&browser, &phone.shows(&site, 0))
        .await
        .expect(422);
}

#[tokio::test]
async fn of_two_who_type_one_code_at_once_one_gets_in() {
    let site = TestApp::start().await;
    let second = site.second().await;
    let (_, phone, _) = set_up(&site).await;
    site.wait_seconds(60);
    let one = half_in(&site, "maya").await;
    let other = half_in(&second, "maya").await;
    one.get(CODE).await.expect(200);
    other.get(CODE).await.expect(200);
    let code = phone.shows(&site, 0);
    let fields = [("code", code.as_str())];
    let (first, last) = tokio::join!(one.post(CODE, &fields), other.post(CODE, &fields));
    let mut statuses = [first.status, last.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 422]);
}

#[tokio::test]
async fn a_recovery_code_gets_in_once_however_it_is_typed() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let (maya, _, codes) = set_up(&site).await;
    let typed = codes[0].to_uppercase().replace('-', " ");
    let browser = half_in(&site, "maya").await;
    type_code(&browser, &typed).await.expect(303);
    let browser = half_in(&site, "maya").await;
    type_code(&browser, &codes[0]).await.expect(422);
    type_code(&browser, &codes[1]).await.expect(303);
    maya.get(SECURITY)
        .await
        .expect(200)
        .has("8 recovery codes left");
    let stored = recovery_code::Entity::find()
        .all(site.app.db.read())
        .await
        .unwrap();
    let plain = codes[2].replace('-', "");
    assert!(!format!("{stored:?}").contains(&plain));
}

#[tokio::test]
async fn new_recovery_codes_take_password_and_code_and_end_the_old_ones() {
    let site = TestApp::start().await;
    let (maya, phone, codes) = set_up(&site).await;
    let path = "/accounts/security/codes/";
    maya.get(path).await.expect(200);
    let wrong = [("password", PASSWORD), ("code", "123456")];
    maya.post(path, &wrong).await.expect(422);
    site.wait_seconds(30);
    let code = phone.shows(&site, 0);
    let fields = [("password", PASSWORD), ("code", code.as_str())];
    maya.post(path, &fields)
        .await
        .expect(200)
        .has("shown this once")
        .lacks(&codes[0]);
    let browser = half_in(&site, "maya").await;
    type_code(&browser, &codes[0]).await.expect(422);
}

#[tokio::test]
async fn too_many_wrong_codes_bring_a_pause_and_a_letter() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let (_, phone, _) = set_up(&site).await;
    let maya = accounts::find_user(site.app.db.read(), "maya")
        .await
        .unwrap()
        .unwrap();
    site.address(maya.id, "maya@example.org").await;
    site.letters().await;
    site.wait_seconds(60);
    let browser = half_in(&site, "maya").await;
    for _ in 0..5 {
        type_code(&browser, "000000").await.expect(422);
    }
    let page = type_code(&browser, "000000").await;
    page.expect(429).has("Too many wrong codes");
    assert!(page.header("retry-after").is_some());
    // The right one does not count during the pause, from wherever it comes.
    let other = half_in(&site, "maya").await;
    type_code(&other, &phone.shows(&site, 0)).await.expect(429);
    let told = site.letter_to("maya@example.org").await;
    assert!(told.text.contains("knows your password"), "{told:?}");
}

#[tokio::test]
async fn many_wrong_codes_at_once_are_no_more_tries_than_one_after_the_other() {
    let site = TestApp::start().await;
    set_up(&site).await;
    let browser = half_in(&site, "maya").await;
    browser.get(CODE).await.expect(200);
    let tries = (0..20).map(|n| {
        let code = format!("{:06}", n * 7);
        let browser = &browser;
        async move { browser.post(CODE, &[("code", code.as_str())]).await.status }
    });
    let statuses = futures::future::join_all(tries).await;
    let looked_at = statuses.iter().filter(|status| **status == 422).count();
    assert!(looked_at <= 5, "{statuses:?}");
    assert!(
        statuses.iter().all(|status| matches!(status, 422 | 429)),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn right_codes_are_not_counted() {
    let site = TestApp::start().await;
    let (_, phone, _) = set_up(&site).await;
    for _ in 0..8 {
        site.wait_seconds(30);
        let browser = half_in(&site, "maya").await;
        type_code(&browser, &phone.shows(&site, 0))
            .await
            .expect(303);
    }
}

#[tokio::test]
async fn the_second_step_holds_only_for_who_took_the_first_a_moment_ago() {
    let site = TestApp::start().await;
    let (maya, phone, _) = set_up(&site).await;
    let stranger = site.visitor();
    let page = stranger.get(CODE).await;
    page.expect(303);
    assert_eq!(page.location(), "/accounts/login/");
    stranger.get("/accounts/login/").await.expect(200);
    stranger.set_cookie("lyceum_step", Some(&"A".repeat(100)));
    stranger.post(CODE, &[("code", "123456")]).await.expect(303);
    let late = half_in(&site, "maya").await;
    site.wait_seconds(16 * 60);
    late.get(CODE).await.expect(303);
    let slow = half_in(&site, "maya").await;
    slow.get(CODE).await.expect(200);
    let new = "copper meadow 77";
    let fields = [
        ("old_password", PASSWORD),
        ("new_password1", new),
        ("new_password2", new),
    ];
    maya.post("/accounts/password/", &fields).await.expect(303);
    let code = phone.shows(&site, 0);
    let page = slow.post(CODE, &[("code", code.as_str())]).await;
    page.expect(303);
    assert_eq!(page.location(), "/accounts/login/");
    assert_eq!(slow.cookie("sessionid"), None);
}

#[tokio::test]
async fn name_and_password_alone_do_not_get_a_program_in_but_tokens_do() {
    let site = TestApp::start().await;
    let ask = async |header: &str| {
        let browser = site.visitor();
        let request = browser.request(reqwest::Method::GET, BASIC);
        browser.send(request.header("authorization", header)).await
    };
    let basic = |name: &str, password: &str| {
        use base64::Engine as _;
        let pair = format!("{name}:{password}");
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair)
        )
    };
    site.person("ines", Role::Student).await;
    let maya = site.login_as("maya", Role::Student).await;
    ask(&basic("maya", PASSWORD)).await.expect(200);
    set_up_of(&site, &maya).await;
    // What was remembered of the same header a moment ago is gone.
    let refused = ask(&basic("maya", PASSWORD)).await;
    refused.expect(401).has("Use a token");
    assert_eq!(
        refused.header("www-authenticate").as_deref(),
        Some("Basic realm=\"api\"")
    );
    ask(&basic("maya", "wrong"))
        .await
        .expect(401)
        .has("Invalid username/password.");
    ask(&basic("ines", PASSWORD)).await.expect(200);
    let account = accounts::find_user(site.app.db.read(), "maya")
        .await
        .unwrap()
        .unwrap();
    let write = site.app.write().await.unwrap();
    let new = accounts::NewToken::unbounded(account.id, "script");
    let token = accounts::create_token(&site.app, &write, new)
        .await
        .unwrap();
    write.commit().await.unwrap();
    ask(&format!("Token {token}")).await.expect(200).has("maya");
}

#[tokio::test]
async fn turning_it_off_takes_password_and_code() {
    let site = TestApp::start().await;
    let (maya, phone, codes) = set_up(&site).await;
    let path = "/accounts/security/two-factor/end/";
    maya.get(path).await.expect(200);
    maya.post(path, &[("password", PASSWORD)]).await.expect(422);
    maya.post(path, &[("password", PASSWORD), ("code", "123456")])
        .await
        .expect(422);
    site.wait_seconds(30);
    let code = phone.shows(&site, 0);
    maya.post(path, &[("password", "wrong one"), ("code", code.as_str())])
        .await
        .expect(422);
    half_in(&site, "maya").await;
    maya.post(path, &[("password", PASSWORD), ("code", code.as_str())])
        .await
        .expect(303);
    site.login("maya").await.get("/messages/").await.expect(200);
    maya.get(SECURITY).await.expect(200).has("Set it up");
    let db = site.app.db.read();
    assert_eq!(
        second_factor::Entity::find().all(db).await.unwrap().len(),
        0
    );
    assert_eq!(
        recovery_code::Entity::find().all(db).await.unwrap().len(),
        0
    );
    assert!(!codes.is_empty());
    maya.post(path, &[("password", PASSWORD)]).await.expect(303);
}

#[tokio::test]
async fn staff_reset_it_for_whoever_has_lost_everything() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let (maya, ..) = set_up(&site).await;
    let account = accounts::find_user(site.app.db.read(), "maya")
        .await
        .unwrap()
        .unwrap();
    site.address(account.id, "maya@example.org").await;
    site.letters().await;
    let mut write = site.app.write().await.unwrap();
    assert!(
        accounts::reset_two_factor(&site.app, &mut write, account.id)
            .await
            .unwrap()
    );
    write.commit().await.unwrap();
    maya.get("/messages/").await.expect(302);
    site.login("maya").await.get("/messages/").await.expect(200);
    let told = site.letter_to("maya@example.org").await;
    assert!(
        told.text.contains("has reset two-factor log-in"),
        "{told:?}"
    );
}

#[tokio::test]
async fn staff_who_must_have_it_run_the_site_only_with_it() {
    let site = TestApp::start_with(&[("staff_two_factor", "required")]).await;
    site.person("root", Role::Staff).await;
    let root = site.visitor();
    root.get("/accounts/login/").await.expect(200);
    let fields = [("username", "root"), ("password", PASSWORD)];
    let page = root.post("/accounts/login/", &fields).await;
    page.expect(303);
    assert_eq!(page.location(), SECURITY);
    root.get(SECURITY)
        .await
        .expect(200)
        .has("does so with two-factor log-in");
    root.get("/admin/cache/")
        .await
        .expect(403)
        .has("two-factor log-in");
    set_up_of(&site, &root).await;
    root.get("/admin/cache/").await.expect(200);
}

#[tokio::test]
async fn setting_it_up_ends_every_session_that_has_shown_no_code() {
    let site = TestApp::start_with(&[("staff_two_factor", "required")]).await;
    let root = site.login_as("root", Role::Staff).await;
    let thief = site.login("root").await;
    thief.get("/messages/").await.expect(200);
    set_up_of(&site, &root).await;
    thief.get("/messages/").await.expect(302);
    thief.get("/admin/cache/").await.expect(302);
    root.get("/admin/cache/").await.expect(200);
}

#[tokio::test]
async fn keys_and_tickets_give_staff_no_more_than_their_log_in_does() {
    let site = TestApp::start_with(&[("staff_two_factor", "required")]).await;
    let id = site.person("root", Role::Staff).await;
    let owner = site.person("ines", Role::Instructor).await;
    let course = site.course(owner, "strings").await;
    let write = site.app.write().await.unwrap();
    let new = accounts::NewToken::unbounded(id, "script");
    let key = accounts::create_token(&site.app, &write, new)
        .await
        .unwrap();
    write.commit().await.unwrap();
    let browser = site.visitor();
    let by_key = async |path: &str| {
        let request = browser.request(reqwest::Method::GET, path);
        browser
            .send(request.header("authorization", format!("Token {key}")))
            .await
    };
    by_key("/api/users/").await.expect(403);
    by_key("/api/users/me/").await.expect(200);
    let root = site.login("root").await;
    let ticket = format!("/chat/room/{}/ticket/", course.id);
    root.post(&ticket, &[]).await.expect(403);
    // In a course of her own choice she is a student like others.
    let number = course.id.to_string();
    root.post("/students/enroll-course/", &[("course", number.as_str())])
        .await
        .expect(303);
    let ticket = root.post(&ticket, &[]).await;
    let ticket = ticket.expect(200).json()["ticket"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/ws/chat/room/{}/?v=2&ticket={ticket}", course.id);
    let mut socket = site.visitor().socket(&path).await;
    socket.expect("ready").await;
    socket
        .send(&serde_json::json!({"type": "lock", "is_locked": true}))
        .await;
    socket.expect("error").await;
    set_up_of(&site, &root).await;
    by_key("/api/users/").await.expect(200);
}

#[tokio::test]
async fn another_secret_of_the_site_opens_nothing_and_says_so() {
    let site = TestApp::start().await;
    let (_, phone, codes) = set_up(&site).await;
    let other = site
        .second_with(|config| {
            config.secret =
                lyceum::config::Secret("another secret, just as long as the first".into());
        })
        .await;
    site.wait_seconds(60);
    let browser = half_in(&other, "maya").await;
    type_code(&browser, &phone.shows(&site, 0))
        .await
        .expect(409)
        .has("reset your two-factor");
    type_code(&browser, &codes[0]).await.expect(422);
}

#[tokio::test]
async fn the_secret_lies_in_no_table_as_it_is() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    maya.post(SECURITY, &[]).await.expect(303);
    let page = maya.get(SETUP).await;
    let text = page.expect(200).text();
    let link = text.split_once("secret=").unwrap().1;
    let secret: String = link
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let rows = second_factor::Entity::find()
        .all(site.app.db.read())
        .await
        .unwrap();
    assert!(
        !format!("{rows:?}").contains(&secret) && secret.len() == 32,
        "{secret}"
    );
    // The sealed secret of one account opens for no other.
    let ines = site.login_as("ines", Role::Student).await;
    ines.post(SECURITY, &[]).await.expect(303);
    let mut row: second_factor::ActiveModel = rows[0].clone().into();
    let ines_id = accounts::find_user(site.app.db.read(), "ines")
        .await
        .unwrap()
        .unwrap()
        .id;
    row.user_id = sea_orm::ActiveValue::Unchanged(ines_id);
    row.secret = sea_orm::ActiveValue::Set(rows[0].secret.clone());
    second_factor::Entity::update(row)
        .exec(site.app.db.writer())
        .await
        .unwrap();
    ines.get(SETUP).await.expect(409);
}

#[tokio::test]
async fn staff_reset_it_on_the_admin_site_for_others_but_not_for_themselves() {
    let site = TestApp::start().await;
    let (maya, ..) = set_up(&site).await;
    let root = site.login_as("root", Role::Staff).await;
    set_up_of(&site, &root).await;
    let reset = async |username: &str| {
        let found = accounts::find_user(site.app.db.read(), username).await;
        let id = found.unwrap().unwrap().id.to_string();
        let fields = [
            ("action", "two-factor"),
            ("confirmed", "1"),
            ("id", id.as_str()),
        ];
        root.post("/admin/users/act/", &fields).await
    };
    reset("maya").await.expect(303);
    maya.get("/messages/").await.expect(302);
    site.login("maya").await.get("/messages/").await.expect(200);
    // Who sits at an open page does not get around the code.
    reset("root").await;
    half_in(&site, "root").await;
}
