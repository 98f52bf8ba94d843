//! Mail addresses: confirmed, changed, and asked for by a site that lets nobody in without.

use crate::kit::{Browser, PASSWORD, Page, Role, TestApp, WITH_MAIL};
use lyceum::accounts;
use lyceum::entities::user;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};

const PROFILE: &str = "/accounts/profile/";
const CONFIRM: &str = "/accounts/email/confirm/";
const NEEDED: &str = "/accounts/email/needed/";
const OLD: &str = "maya@example.org";
const NEW: &str = "maya@other.example";

async fn account(site: &TestApp, username: &str) -> user::Model {
    let found = accounts::find_user(site.app.db.read(), username).await;
    found.unwrap().unwrap()
}

async fn register(browser: &Browser, email: &str) -> Page {
    browser.get("/students/register/").await.expect(200);
    let fields = [
        ("username", "maya"),
        ("email", email),
        ("password1", PASSWORD),
        ("password2", PASSWORD),
    ];
    browser.post("/students/register/", &fields).await
}

async fn save(browser: &Browser, email: &str) -> Page {
    browser.get(PROFILE).await.expect(200);
    let fields = [
        ("name", "Maya"),
        ("email", email),
        ("password", PASSWORD),
        ("timezone", "UTC"),
        ("theme", "dark"),
    ];
    browser.post(PROFILE, &fields).await
}

/// Opens the link in a browser of its own and sends its form.
async fn use_link(site: &TestApp, link: &str) -> Page {
    let browser = site.visitor();
    let page = browser.get(link).await;
    page.expect(303);
    assert_eq!(page.location(), CONFIRM);
    browser.get(CONFIRM).await.expect(200);
    browser.post(CONFIRM, &[]).await
}

#[tokio::test]
async fn a_new_account_is_sent_a_link_that_confirms_its_address() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let maya = site.visitor();
    register(&maya, OLD).await.expect(303);
    maya.get(PROFILE).await.expect(200).has("not confirmed yet");
    let letter = site.letter_to(OLD).await;
    // A scanner opens it first.
    site.visitor().get(&letter.link()).await.expect(303);
    assert_eq!(account(&site, "maya").await.email_confirmed_at, None);
    use_link(&site, &letter.link()).await.expect(303);
    assert_eq!(
        account(&site, "maya").await.email_confirmed_at,
        Some(site.clock.now())
    );
    maya.get(PROFILE)
        .await
        .expect(200)
        .lacks("not confirmed yet");
    let again = site.visitor();
    again.get(&letter.link()).await.expect(303);
    again
        .get(CONFIRM)
        .await
        .expect(410)
        .has("done its work already");
    again.get(PROFILE).await;
    again.get("/accounts/login/").await.expect(200);
    again.post(CONFIRM, &[]).await.expect(410);
}

#[tokio::test]
async fn a_new_address_counts_once_it_is_confirmed_and_the_old_one_is_told() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let id = site.person("maya", Role::Student).await;
    site.address(id, OLD).await;
    let maya = site.login("maya").await;
    save(&maya, NEW).await.expect(303);
    let held = account(&site, "maya").await;
    assert_eq!((held.email.as_str(), held.name.as_str()), (OLD, "Maya"));
    maya.get(PROFILE)
        .await
        .expect(200)
        .has(NEW)
        .has("Send it again");
    let letters = site.letters().await;
    assert_eq!(letters.len(), 2, "{letters:?}");
    assert_eq!((letters[0].to.as_str(), letters[1].to.as_str()), (OLD, NEW));
    assert!(!letters[0].text.contains(NEW), "{letters:?}");
    use_link(&site, &letters[1].link()).await.expect(303);
    assert_eq!(account(&site, "maya").await.email, NEW);
    assert!(site.letter_to(OLD).await.text.contains("was changed"));
}

#[tokio::test]
async fn a_change_can_be_taken_back_and_its_link_is_dead_then() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let id = site.person("maya", Role::Student).await;
    site.address(id, OLD).await;
    let maya = site.login("maya").await;
    save(&maya, NEW).await.expect(303);
    let letters = site.letters().await;
    maya.post("/accounts/email/keep/", &[]).await.expect(303);
    maya.get(PROFILE).await.expect(200).lacks(NEW);
    let browser = site.visitor();
    browser.get(&letters[1].link()).await.expect(303);
    browser.get(CONFIRM).await.expect(410);
    assert_eq!(account(&site, "maya").await.email, OLD);
}

#[tokio::test]
async fn a_later_change_overtakes_an_earlier_one() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    site.person("maya", Role::Student).await;
    let maya = site.login("maya").await;
    save(&maya, OLD).await.expect(303);
    let first = site.letter_to(OLD).await;
    save(&maya, NEW).await.expect(303);
    let second = site.letter_to(NEW).await;
    let browser = site.visitor();
    browser.get(&first.link()).await.expect(303);
    browser.get(CONFIRM).await.expect(410);
    use_link(&site, &second.link()).await.expect(303);
    assert_eq!(account(&site, "maya").await.email, NEW);
}

#[tokio::test]
async fn strangers_are_not_flooded_with_letters_from_a_profile() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    site.person("maya", Role::Student).await;
    let maya = site.login("maya").await;
    for number in 0..5 {
        save(&maya, &format!("a{number}@example.org"))
            .await
            .expect(303);
    }
    save(&maya, "last@example.org")
        .await
        .expect(422)
        .has("Several letters were sent already")
        .has("value=\"last@example.org\"");
    maya.post("/accounts/email/send/", &[]).await.expect(429);
}

#[tokio::test]
async fn the_api_holds_a_new_address_back_as_the_page_does() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    site.person("maya", Role::Student).await;
    let maya = site.login("maya").await;
    let token = maya.cookie("csrftoken").unwrap();
    let change = |browser: &Browser| {
        browser
            .request(reqwest::Method::PATCH, "/api/users/me/")
            .header("content-type", "application/json")
            .body(format!("{{\"email\": \"{NEW}\", \"name\": \"Maya\"}}"))
    };
    // Nobody who finds her browser open takes the account with it.
    let page = maya.send(change(&maya).header("x-csrftoken", token)).await;
    page.expect(403).has("asks for your password");
    let program = site.visitor();
    let request = change(&program).basic_auth("maya", Some(PASSWORD));
    let page = program.send(request).await;
    page.expect(200);
    assert_eq!(page.json()["email"], "");
    assert_eq!(page.json()["name"], "Maya");
    let letter = site.letter_to(NEW).await;
    use_link(&site, &letter.link()).await.expect(303);
    assert_eq!(account(&site, "maya").await.email, NEW);
}

#[tokio::test]
async fn another_address_takes_the_password() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let id = site.person("maya", Role::Student).await;
    site.address(id, OLD).await;
    let maya = site.login("maya").await;
    maya.get(PROFILE).await.expect(200).has("name=\"password\"");
    let send = async |email: &str, password: &str| {
        let fields = [
            ("name", "Maya"),
            ("email", email),
            ("password", password),
            ("timezone", "UTC"),
            ("theme", "dark"),
        ];
        maya.post(PROFILE, &fields).await
    };
    send(NEW, "").await.expect(422).has("type your password");
    send("", "").await.expect(422).has("type your password");
    send(NEW, "not hers at all")
        .await
        .expect(422)
        .has("not your present password")
        .lacks("not hers at all");
    assert_eq!(site.letters().await, Vec::new());
    send(OLD, "").await.expect(303);
    send(NEW, PASSWORD).await.expect(303);
    assert_eq!(site.letters().await.len(), 2);
}

/// How a password gets another one.
#[derive(Clone, Copy, Debug)]
enum Way {
    Settings,
    Letter,
    Staff,
}

#[tokio::test]
async fn a_new_password_takes_back_the_change_of_an_address_that_was_begun() {
    const CHOSEN: &str = "amber kettle 42";
    for way in [Way::Settings, Way::Letter, Way::Staff] {
        let site = TestApp::start_with(&WITH_MAIL).await;
        let id = site.person("maya", Role::Student).await;
        site.address(id, OLD).await;
        let maya = site.login("maya").await;
        save(&maya, NEW).await.expect(303);
        let letters = site.letters().await;
        assert!(letters[0].text.contains("takes back"), "{letters:?}");
        let link = letters[1].link();
        match way {
            Way::Settings => {
                let fields = [
                    ("old_password", PASSWORD),
                    ("new_password1", CHOSEN),
                    ("new_password2", CHOSEN),
                ];
                maya.post("/accounts/password/", &fields).await.expect(303);
            }
            Way::Letter => {
                let forgot = "/accounts/password/forgot/";
                maya.post(forgot, &[("who", "maya")]).await.expect(303);
                let letter = site.letter_to(OLD).await;
                maya.get(&letter.link()).await.expect(303);
                let fields = [("new_password1", CHOSEN), ("new_password2", CHOSEN)];
                maya.post("/accounts/password/reset/", &fields)
                    .await
                    .expect(303);
            }
            Way::Staff => {
                let root = site.login_as("root", Role::Staff).await;
                let number = id.to_string();
                let fields = [
                    ("action", "password"),
                    ("confirmed", "1"),
                    ("id", number.as_str()),
                    ("password", CHOSEN),
                ];
                root.post("/admin/users/act/", &fields).await.expect(303);
            }
        }
        let told = site.letter_to(OLD).await;
        assert_eq!(
            told.subject, "Your password at Lyceum was changed",
            "{way:?}"
        );
        let thief = site.visitor();
        thief.get(&link).await.expect(303);
        thief.get(CONFIRM).await.expect(410).has("was taken back");
        thief.get("/accounts/login/").await.expect(200);
        thief.post(CONFIRM, &[]).await.expect(410);
        assert_eq!(account(&site, "maya").await.email, OLD, "{way:?}");
    }
}

#[tokio::test]
async fn an_address_that_staff_have_set_is_not_overwritten_by_a_link() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let id = site.person("maya", Role::Student).await;
    site.address(id, OLD).await;
    site.person("root", Role::Staff).await;
    let maya = site.login("maya").await;
    save(&maya, NEW).await.expect(303);
    let letters = site.letters().await;
    let program = site.visitor();
    let request = program
        .request(reqwest::Method::PATCH, &format!("/api/users/{id}/"))
        .header("content-type", "application/json")
        .body("{\"email\": \"right@example.org\"}")
        .basic_auth("root", Some(PASSWORD));
    program.send(request).await.expect(200);
    use_link_in_vain(&site, &letters[1].link()).await;
    assert_eq!(account(&site, "maya").await.email, "right@example.org");
    let letters = site.letters().await;
    let told = letters.iter().filter(|letter| {
        letter.to == OLD && letter.text.contains("was changed by the staff of the site")
    });
    assert_eq!(told.count(), 1, "the mailbox before is told");
}

#[tokio::test]
async fn a_confirmed_address_ends_the_links_in_the_mailbox_before_it() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let id = site.person("maya", Role::Student).await;
    site.address(id, OLD).await;
    let maya = site.login("maya").await;
    let forgot = "/accounts/password/forgot/";
    maya.post(forgot, &[("who", "maya")]).await.expect(303);
    let reset = site.letter_to(OLD).await.link();
    save(&maya, NEW).await.expect(303);
    let letters = site.letters().await;
    use_link(&site, &letters[1].link()).await.expect(303);
    let other = site.visitor();
    other.get(&reset).await.expect(303);
    other.get("/accounts/password/reset/").await.expect(410);
}

async fn use_link_in_vain(site: &TestApp, link: &str) {
    let browser = site.visitor();
    browser.get(link).await.expect(303);
    browser.get(CONFIRM).await.expect(410);
    browser.get("/accounts/login/").await.expect(200);
    browser.post(CONFIRM, &[]).await.expect(410);
}

#[tokio::test]
async fn nobody_is_flooded_from_many_accounts() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let mut people = Vec::new();
    for name in ["anna", "ben", "carl"] {
        people.push(site.login_as(name, Role::Student).await);
    }
    for person in people.iter().cycle().take(5) {
        save(person, "Victim@example.org").await.expect(303);
        person.post("/accounts/email/keep/", &[]).await.expect(303);
    }
    save(&people[2], "victim@example.org")
        .await
        .expect(422)
        .has("Several letters were sent already");
    // Who registers with it comes in, and no letter goes out.
    let maya = site.visitor();
    register(&maya, "victim@example.org").await.expect(303);
    maya.get(PROFILE).await.expect(200).has("Send a link");
    maya.post("/accounts/email/send/", &[]).await.expect(429);
    save(&people[0], "other@example.org").await.expect(303);
}

#[tokio::test]
async fn a_class_that_registers_from_one_address_leaves_recovery_to_others() {
    let site = TestApp::start_with(&WITH_MAIL).await;
    let id = site.person("nadia", Role::Student).await;
    site.address(id, OLD).await;
    for number in 0..21 {
        let student = site.visitor();
        student.get("/students/register/").await.expect(200);
        let (name, email) = (
            format!("student{number}"),
            format!("student{number}@example.org"),
        );
        let fields = [
            ("username", name.as_str()),
            ("email", email.as_str()),
            ("password1", PASSWORD),
            ("password2", PASSWORD),
        ];
        student
            .post("/students/register/", &fields)
            .await
            .expect(303);
    }
    assert_eq!(site.letters().await.len(), 21);
    let browser = site.visitor();
    let forgot = "/accounts/password/forgot/";
    browser.get(forgot).await.expect(200);
    browser.post(forgot, &[("who", OLD)]).await.expect(303);
    site.letter_to(OLD).await;
}

#[tokio::test]
async fn who_needs_an_address_first_gets_where_she_wanted_to_go() {
    let site = TestApp::start_with(&[WITH_MAIL[0], ("confirmed_email", "login")]).await;
    let maya = site.visitor();
    maya.get("/students/register/?next=/join/")
        .await
        .expect(200);
    let fields = [
        ("username", "maya"),
        ("email", OLD),
        ("password1", PASSWORD),
        ("password2", PASSWORD),
        ("next", "/join/"),
    ];
    let page = maya.post("/students/register/", &fields).await;
    page.expect(303);
    let onward = "/accounts/login/?next=/join/";
    maya.get(NEEDED).await.expect(200).has(onward);
    let letter = site.letter_to(OLD).await;
    maya.get(&letter.link()).await.expect(303);
    let page = maya.post(CONFIRM, &[]).await;
    page.expect(303);
    maya.get(&page.location()).await.expect(200).has(onward);
}

#[tokio::test]
async fn without_mail_an_address_counts_at_once() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let maya = site.login("maya").await;
    save(&maya, NEW).await.expect(303);
    assert_eq!(account(&site, "maya").await.email, NEW);
    maya.get(PROFILE).await.expect(200).lacks("confirmed");
    maya.post("/accounts/email/send/", &[]).await.expect(409);
}

#[tokio::test]
async fn a_site_that_asks_for_it_lets_in_who_has_confirmed_an_address() {
    let site = TestApp::start_with(&[WITH_MAIL[0], ("confirmed_email", "login")]).await;
    let maya = site.visitor();
    register(&maya, "")
        .await
        .expect(422)
        .has("Type your mail address");
    let page = register(&maya, "mistyped@example.org").await;
    page.expect(303);
    assert_eq!(page.location(), NEEDED);
    assert_eq!(maya.cookie("sessionid"), None);
    maya.get(NEEDED)
        .await
        .expect(200)
        .has("mistyped@example.org");
    site.letter_to("mistyped@example.org").await;
    // She sees what she has typed, and mends it.
    maya.post(NEEDED, &[("email", "maya@")]).await.expect(422);
    maya.post(NEEDED, &[("email", OLD)]).await.expect(303);
    let letter = site.letter_to(OLD).await;
    let browser = site.visitor();
    browser.get("/accounts/login/").await.expect(200);
    let fields = [("username", "maya"), ("password", PASSWORD)];
    let page = browser.post("/accounts/login/", &fields).await;
    page.expect(303);
    assert_eq!(page.location(), NEEDED);
    use_link(&site, &letter.link()).await.expect(303);
    let page = browser.post("/accounts/login/", &fields).await;
    page.expect(303);
    assert_eq!(page.location(), "/students/courses/");
    assert_eq!(account(&site, "maya").await.email, OLD);
    // Whoever runs the site is not shut out of it.
    site.login_as("root", Role::Staff)
        .await
        .get("/messages/")
        .await
        .expect(200);
}

#[tokio::test]
async fn enrolling_may_take_a_confirmed_address() {
    let site = TestApp::start_with(&[WITH_MAIL[0], ("confirmed_email", "enroll")]).await;
    let owner = site.person("ines", Role::Instructor).await;
    let course = site.course(owner, "strings").await;
    let maya = site.visitor();
    register(&maya, OLD).await.expect(303);
    let number = course.id.to_string();
    let fields = [("course", number.as_str())];
    maya.post("/students/enroll-course/", &fields)
        .await
        .expect(403)
        .has("confirmed mail address");
    maya.get("/course/strings/")
        .await
        .expect(200)
        .has("Confirm your mail address")
        .lacks("Enroll now");
    let letter = site.letter_to(OLD).await;
    use_link(&site, &letter.link()).await.expect(303);
    maya.post("/students/enroll-course/", &fields)
        .await
        .expect(303);
    // Whoever is in stays in, and twice is once, whatever becomes of her address.
    let row = user::ActiveModel {
        id: Set(account(&site, "maya").await.id),
        email_confirmed_at: Set(None),
        ..Default::default()
    };
    row.update(site.app.db.writer()).await.unwrap();
    maya.post("/students/enroll-course/", &fields)
        .await
        .expect(303);
}

#[test]
fn a_site_without_mail_cannot_ask_for_confirmed_addresses() {
    for settings in [
        vec![("confirmed_email", "login")],
        vec![
            ("confirmed_email", "enroll"),
            ("public_url", "https://school.example"),
            ("mail", "off:"),
        ],
        vec![("confirmed_email", "always")],
    ] {
        let values = settings
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let faults =
            lyceum::config::Config::from_values(&values.collect(), Vec::new()).unwrap_err();
        assert!(faults.to_string().contains("confirmed_email:"), "{faults}");
    }
}
