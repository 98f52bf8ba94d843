//! A forgotten password: the letter, its link, and everything that may happen to both on the way.

use crate::kit::{Browser, PASSWORD, Page, Role, TestApp, WITH_MAIL};
use lyceum::entities::{account_link, job, user};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};

const FORGOT: &str = "/accounts/password/forgot/";
const RESET: &str = "/accounts/password/reset/";
const ADDRESS: &str = "maya@example.org";
const NEW: &str = "amber kettle 42";

async fn school() -> TestApp {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let maya = site.person("maya", Role::Student).await;
    site.address(maya, ADDRESS).await;
    site
}

async fn ask(browser: &Browser, who: &str) -> Page {
    browser.get(FORGOT).await.expect(200);
    browser.post(FORGOT, &[("who", who)]).await
}

async fn choose(browser: &Browser, password: &str) -> Page {
    let fields = [("new_password1", password), ("new_password2", password)];
    browser.post(RESET, &fields).await
}

async fn log_in(site: &TestApp, password: &str) -> u16 {
    let browser = site.visitor();
    browser.get("/accounts/login/").await.expect(200);
    let fields = [("username", "maya"), ("password", password)];
    browser.post("/accounts/login/", &fields).await.status
}

/// A browser that has opened the link of a letter and stands before the form.
async fn opened(site: &TestApp, link: &str) -> Browser {
    let browser = site.visitor();
    let page = browser.get(link).await;
    page.expect(303);
    assert_eq!(page.location(), RESET);
    browser.get(RESET).await.expect(200).has("maya");
    browser
}

#[tokio::test]
async fn who_has_forgotten_her_password_chooses_another_by_a_letter() {
    let site = school().await;
    let elsewhere = site.login("maya").await;
    let browser = site.visitor();
    browser.get("/accounts/login/").await.has(FORGOT);
    let page = ask(&browser, ADDRESS).await;
    page.expect(303);
    browser
        .get(&page.location())
        .await
        .expect(200)
        .has("Look at your mail");
    let letter = site.letter_to(ADDRESS).await;
    assert_eq!(letter.subject, "A new password at Lyceum");
    assert!(letter.text.contains("Hello maya"), "{letter:?}");
    let browser = opened(&site, &letter.link()).await;
    let page = choose(&browser, NEW).await;
    page.expect(303);
    browser
        .get(&page.location())
        .await
        .expect(200)
        .has("Your new password is set");
    assert_eq!(browser.cookie("lyceum_reset"), None);
    assert_eq!(log_in(&site, PASSWORD).await, 422);
    assert_eq!(log_in(&site, NEW).await, 303);
    elsewhere.get("/accounts/profile/").await.expect(302);
    let told = site.letter_to(ADDRESS).await;
    assert_eq!(told.subject, "Your password at Lyceum was changed");
}

#[tokio::test]
async fn the_answer_tells_nothing_about_whether_there_is_such_an_account() {
    let site = school().await;
    let browser = site.visitor();
    browser.get(FORGOT).await.expect(200);
    ask(&browser, "first@example.org").await.expect(303);
    let mut answers = Vec::new();
    for who in [
        ADDRESS,
        "maya",
        "nobody",
        "nobody@example.org",
        "MAYA@Example.org",
    ] {
        let before = site.app.db.statements();
        let page = browser.post(FORGOT, &[("who", who)]).await;
        let statements = site.app.db.statements() - before;
        answers.push((page.status, page.location(), page.text(), statements));
    }
    assert!(
        answers.windows(2).all(|two| two[0] == two[1]),
        "{answers:?}"
    );
    let letters = site.letters().await;
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert!(
        letters.iter().all(|letter| letter.to == ADDRESS),
        "{letters:?}"
    );
}

#[tokio::test]
async fn a_mail_scanner_that_opens_the_link_does_not_use_it_up() {
    let site = school().await;
    ask(&site.visitor(), "maya").await.expect(303);
    let letter = site.letter_to(ADDRESS).await;
    for _ in 0..3 {
        let scanner = site.visitor();
        let page = scanner.get(&letter.link()).await;
        page.expect(303);
        scanner.get(&page.location()).await.expect(200);
        let head = site
            .visitor()
            .request(reqwest::Method::HEAD, &letter.link());
        scanner.send(head).await.expect(303);
    }
    let browser = opened(&site, &letter.link()).await;
    choose(&browser, NEW).await.expect(303);
}

#[tokio::test]
async fn a_link_works_once_and_says_so_the_second_time() {
    let site = school().await;
    ask(&site.visitor(), "maya").await.expect(303);
    let letter = site.letter_to(ADDRESS).await;
    let (first, second) = (
        opened(&site, &letter.link()).await,
        opened(&site, &letter.link()).await,
    );
    let (one, other) = tokio::join!(choose(&first, NEW), choose(&second, "copper meadow 77"));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410]);
    let again = site.visitor();
    again.get(&letter.link()).await.expect(303);
    again
        .get(RESET)
        .await
        .expect(410)
        .has("has been used already");
    again.get("/accounts/login/").await.expect(200);
    choose(&again, NEW)
        .await
        .expect(410)
        .has("has been used already");
}

#[tokio::test]
async fn a_new_password_ends_every_other_link_to_the_account() {
    let site = school().await;
    for _ in 0..2 {
        ask(&site.visitor(), "maya").await.expect(303);
    }
    let letters = site.letters().await;
    assert_eq!(letters.len(), 2);
    let browser = opened(&site, &letters[0].link()).await;
    choose(&browser, NEW).await.expect(303);
    let other = site.visitor();
    other.get(&letters[1].link()).await.expect(303);
    other.get("/accounts/login/").await.expect(200);
    choose(&other, PASSWORD).await.expect(410);
    assert_eq!(log_in(&site, NEW).await, 303);
    // One that was chosen in the settings, too.
    site.letters().await;
    ask(&site.visitor(), "maya").await.expect(303);
    let letter = site.letter_to(ADDRESS).await;
    let maya = site.visitor();
    maya.get("/accounts/login/").await.expect(200);
    let fields = [("username", "maya"), ("password", NEW)];
    maya.post("/accounts/login/", &fields).await.expect(303);
    let fields = [
        ("old_password", NEW),
        ("new_password1", PASSWORD),
        ("new_password2", PASSWORD),
    ];
    maya.post("/accounts/password/", &fields).await.expect(303);
    let told = site.letter_to(ADDRESS).await;
    assert!(told.text.contains("of its settings"), "{told:?}");
    let late = site.visitor();
    late.get(&letter.link()).await.expect(303);
    late.get(RESET).await.expect(410);
}

#[tokio::test]
async fn others_cannot_crowd_an_account_out_that_has_confirmed_its_address() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    for number in 0..6 {
        let id = site
            .person(&format!("squatter{number}"), Role::Student)
            .await;
        site.address(id, ADDRESS).await;
    }
    let maya = site.person("maya", Role::Student).await;
    site.address(maya, ADDRESS).await;
    let row = user::ActiveModel {
        id: Set(maya),
        email_confirmed_at: Set(Some(site.clock.now())),
        ..Default::default()
    };
    row.update(site.app.db.writer()).await.unwrap();
    ask(&site.visitor(), ADDRESS).await.expect(303);
    let letters = site.letters().await;
    assert_eq!(letters.len(), 5, "{letters:?}");
    assert!(
        letters
            .iter()
            .any(|letter| letter.text.contains("Hello maya")),
        "{letters:?}"
    );
}

#[tokio::test]
async fn of_many_who_ask_at_once_no_more_are_heard_than_one_after_the_other() {
    let site = school().await;
    let browser = site.visitor();
    browser.get(FORGOT).await.expect(200);
    let asked = (0..30).map(|_| browser.post(FORGOT, &[("who", "maya")]));
    let pages = futures::future::join_all(asked).await;
    let heard = pages.iter().filter(|page| page.status == 303).count();
    assert!(heard <= 5, "{heard}");
    assert_eq!(site.letters().await.len(), heard.min(3));
}

#[tokio::test]
async fn a_link_is_good_for_half_an_hour_from_the_letter_on() {
    let site = school().await;
    ask(&site.visitor(), "maya").await.expect(303);
    // The letter waits in line for a while.
    site.wait_seconds(50 * 60);
    let letter = site.letter_to(ADDRESS).await;
    site.wait_seconds(29 * 60);
    let browser = opened(&site, &letter.link()).await;
    site.wait_seconds(2 * 60);
    choose(&browser, NEW).await.expect(410).has("is too old");
    assert_eq!(log_in(&site, PASSWORD).await, 303);
}

#[tokio::test]
async fn a_browser_that_did_not_open_the_link_is_told_what_to_do() {
    let site = school().await;
    let stranger = site.visitor();
    stranger
        .get(RESET)
        .await
        .expect(404)
        .has("in this browser")
        .has(FORGOT);
    choose(&stranger, NEW).await.expect(403);
    for key in [
        "",
        "short",
        &"A".repeat(43),
        "%00",
        "a%0d%0aSet-Cookie:x=y",
        "ü",
    ] {
        let page = stranger.get(&format!("{RESET}?key={key}")).await;
        page.expect(303);
        assert_eq!(page.location(), RESET);
        stranger.get(RESET).await.expect(404);
    }
    stranger.get(FORGOT).await.expect(200);
    choose(&stranger, NEW).await.expect(404);
}

#[tokio::test]
async fn the_secret_of_a_link_is_stored_nowhere_and_told_to_nobody() {
    let site = school().await;
    ask(&site.visitor(), "maya").await.expect(303);
    let letter = site.letter_to(ADDRESS).await;
    let key = letter.key();
    let db = site.app.db.read();
    let links = account_link::Entity::find().all(db).await.unwrap();
    let jobs = job::Entity::find().all(db).await.unwrap();
    assert!(!format!("{links:?}{jobs:?}").contains(&key));
    let browser = site.visitor();
    let page = browser.get(&letter.link()).await;
    assert_eq!(
        page.header("referrer-policy").as_deref(),
        Some("no-referrer")
    );
    assert!(!page.location().contains(&key) && page.text().is_empty());
    let cookie = page.header("set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let form = browser.get(RESET).await;
    form.expect(200).lacks(&key);
    assert_eq!(
        form.header("cache-control").as_deref(),
        Some("private, no-store")
    );
}

#[tokio::test]
async fn a_password_that_is_none_is_refused_and_the_link_stays_good() {
    let site = school().await;
    ask(&site.visitor(), "maya").await.expect(303);
    let letter = site.letter_to(ADDRESS).await;
    let browser = opened(&site, &letter.link()).await;
    let fields = [("new_password1", "12345"), ("new_password2", "54321")];
    let page = browser.post(RESET, &fields).await;
    page.expect(422)
        .has("Use at least 8 characters")
        .has("The two passwords differ");
    choose(&browser, NEW).await.expect(303);
}

#[tokio::test]
async fn nobody_is_flooded_with_letters() {
    let site = school().await;
    for who in ["maya", ADDRESS, "maya", ADDRESS] {
        ask(&site.visitor(), who).await.expect(303);
    }
    assert_eq!(
        site.letters().await.len(),
        3,
        "three an hour to one account"
    );
    for _ in 0..3 {
        ask(&site.visitor(), "maya").await;
    }
    let page = ask(&site.visitor(), "Maya").await;
    page.expect(429).has("several times").has("value=\"Maya\"");
    assert!(page.header("retry-after").is_some());
    ask(&site.visitor(), "somebody").await.expect(303);
}

#[tokio::test]
async fn links_go_only_to_open_accounts_with_a_password() {
    let site = school().await;
    let gone = site.person("gone", Role::Student).await;
    site.address(gone, "gone@example.org").await;
    let elsewhere = site.person("elsewhere", Role::Student).await;
    let mut write = site.app.write().await.unwrap();
    lyceum::accounts::set_active(&mut write, gone, false)
        .await
        .unwrap();
    let by = lyceum::accounts::ChangedBy::Staff;
    lyceum::accounts::set_password(&site.app, &mut write, elsewhere, String::new(), by)
        .await
        .unwrap();
    write.commit().await.unwrap();
    site.address(elsewhere, "elsewhere@example.org").await;
    site.person("silent", Role::Student).await;
    for who in ["gone", "elsewhere", "silent", "gone@example.org", "%", ""] {
        ask(&site.visitor(), who).await;
    }
    assert_eq!(site.letters().await, Vec::new());
}

#[tokio::test]
async fn who_is_shut_out_after_the_letter_left_cannot_use_its_link() {
    let site = school().await;
    ask(&site.visitor(), "maya").await.expect(303);
    let letter = site.letter_to(ADDRESS).await;
    let browser = opened(&site, &letter.link()).await;
    let maya = lyceum::accounts::find_user(site.app.db.read(), "maya")
        .await
        .unwrap()
        .unwrap();
    let mut write = site.app.write().await.unwrap();
    lyceum::accounts::set_active(&mut write, maya.id, false)
        .await
        .unwrap();
    write.commit().await.unwrap();
    choose(&browser, NEW).await.expect(404);
}

#[tokio::test]
async fn a_site_without_mail_says_so() {
    let site =
        TestApp::start_with(&[("mail", "off:"), ("public_url", "http://school.example")]).await;
    site.visitor()
        .get(FORGOT)
        .await
        .expect(200)
        .has("This site sends no mail")
        .lacks("<form class=\"form\"");
    // Without an address that visitors know there is nothing to write into a letter.
    let bare = TestApp::start().await;
    let visitor = bare.visitor();
    visitor
        .get(FORGOT)
        .await
        .expect(200)
        .has("This site sends no mail");
    visitor.get("/accounts/login/").await.expect(200);
    visitor
        .post(FORGOT, &[("who", "maya")])
        .await
        .expect(200)
        .has("sends no mail");
    assert_eq!(bare.drain().await, 0);
}

#[tokio::test]
async fn whoever_was_behind_a_proxy_header_cannot_bend_the_link() {
    let site = school().await;
    let browser = site.visitor();
    browser.get(FORGOT).await.expect(200);
    let token = browser.cookie("csrftoken").unwrap();
    let request = browser
        .request(reqwest::Method::POST, FORGOT)
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .form(&[("csrfmiddlewaretoken", token.as_str()), ("who", "maya")]);
    browser.send(request).await.expect(303);
    let letter = site.letter_to(ADDRESS).await;
    assert!(!letter.text.contains("evil"), "{letter:?}");
    assert!(letter.link().starts_with(RESET));
}
