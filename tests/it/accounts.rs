//! Accounts: registering, logging in and out, what a person sets for herself, her sessions.

use crate::kit::{Browser, PASSWORD, Role, TestApp, until};
use lyceum::accounts;
use lyceum::entities::{session, user};
use reqwest::Method;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

const REGISTER: &str = "/students/register/";
const LOGIN: &str = "/accounts/login/";

async fn register(browser: &Browser, username: &str, password: &str) -> crate::kit::Page {
    browser.get(REGISTER).await.expect(200);
    browser
        .post(
            REGISTER,
            &[
                ("username", username),
                ("password1", password),
                ("password2", password),
            ],
        )
        .await
}

async fn account(site: &TestApp, username: &str) -> Option<user::Model> {
    user::Entity::find()
        .filter(user::Column::Username.eq(username))
        .one(site.app.db.read())
        .await
        .unwrap()
}

#[tokio::test]
async fn who_registers_is_logged_in_at_once_and_led_to_her_courses() {
    let site = TestApp::start().await;
    let maya = site.visitor();
    let page = register(&maya, "maya", PASSWORD).await;
    page.expect(303);
    assert_eq!(page.location(), "/students/courses/");
    assert!(maya.cookie("sessionid").is_some());
    maya.get("/no/such/page/").await.expect(404).has("maya");
    let account = account(&site, "maya").await.unwrap();
    assert_eq!(account.last_login_at, Some(site.clock.now()));
}

#[tokio::test]
async fn logging_in_leads_to_next_only_on_this_site() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    for (next, leads_to) in [
        (
            "/course/how-strings-sing/?page=2",
            "/course/how-strings-sing/?page=2",
        ),
        ("", "/students/courses/"),
        ("//evil.example/", "/students/courses/"),
        ("https://evil.example/", "/students/courses/"),
        ("/\\evil.example", "/students/courses/"),
        ("javascript:alert(1)", "/students/courses/"),
    ] {
        let browser = site.visitor();
        browser.get(LOGIN).await.expect(200);
        let page = browser
            .post(
                LOGIN,
                &[("username", "maya"), ("password", PASSWORD), ("next", next)],
            )
            .await;
        page.expect(303);
        assert_eq!(page.location(), leads_to, "{next}");
    }
}

#[tokio::test]
async fn the_bar_leads_a_visitor_back_to_the_page_from_which_she_logs_in() {
    let site = TestApp::start().await;
    let owner = site.person("clara", Role::Instructor).await;
    site.course(owner, "how-strings-sing").await;
    let visitor = site.visitor();
    // Twice: as it is made, and as it is kept for every query that means nothing.
    for query in ["?utm_source=a", "?utm_source=b"] {
        let page = visitor
            .get(&format!("/course/how-strings-sing/{query}"))
            .await;
        page.expect(200)
            .has("<a href=\"/accounts/login/?next=/course/how-strings-sing/\">Log in</a>")
            .has("<a href=\"/students/register/?next=/course/how-strings-sing/\">Register</a>")
            .lacks("utm_source");
    }
    // From the catalogue to her own courses.
    visitor
        .get("/")
        .await
        .has("<a href=\"/accounts/login/\">Log in</a>");
}

#[tokio::test]
async fn logging_out_takes_a_post_and_ends_the_session() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let page = maya.get("/accounts/logout/").await;
    page.expect(405);
    assert_eq!(page.header("allow").as_deref(), Some("POST"));
    maya.get("/no/such/page/").await.expect(404).has("maya");
    let stolen = maya.cookie("sessionid").unwrap();
    maya.post("/accounts/logout/", &[]).await.expect(303);
    assert_eq!(maya.cookie("sessionid"), None);
    let thief = site.visitor();
    thief.set_cookie("sessionid", Some(&stolen));
    thief.get("/no/such/page/").await.expect(404).lacks("maya");
    assert_eq!(
        session::Entity::find()
            .count(site.app.db.read())
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_registration_that_fails_tells_every_fault_and_keeps_all_but_the_passwords() {
    let site = TestApp::start().await;
    let browser = site.visitor();
    browser.get(REGISTER).await.expect(200);
    let fields = [
        ("username", "maya okafor"),
        ("email", "maya@"),
        ("password1", "12345"),
        ("password2", "54321-secret"),
    ];
    let page = browser.post(REGISTER, &fields).await;
    page.expect(422)
        .has("value=\"maya okafor\"")
        .has("value=\"maya@\"")
        .has("has no spaces")
        .has("This is no mail address")
        .has("Use at least 8 characters")
        .has("has only digits")
        .has("The two passwords differ")
        .has("aria-invalid=\"true\"")
        .has("href=\"#username\"")
        .lacks("54321-secret")
        .lacks("value=\"12345\"");
    let text = page.text();
    let place = |id: &str| text.find(&format!("href=\"#{id}\"")).unwrap();
    assert!(place("username") < place("email") && place("email") < place("password1"));
    assert_eq!(browser.cookie("sessionid"), None);
    assert_eq!(
        user::Entity::find()
            .count(site.app.db.read())
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_name_that_somebody_has_in_other_letters_is_refused() {
    let site = TestApp::start().await;
    for (first, second) in [("maya_o", "Maya_O"), ("Émile", "éMILE"), ("жук", "ЖУК")] {
        register(&site.visitor(), first, PASSWORD).await.expect(303);
        for again in [first, second] {
            register(&site.visitor(), again, PASSWORD)
                .await
                .expect(422)
                .has("has this user name already");
        }
    }
    for other in ["mayaXo", "Emile", "жу%", "ж"] {
        let page = register(&site.visitor(), other, PASSWORD).await;
        page.lacks("has this user name already");
    }
}

#[tokio::test]
async fn of_two_registrations_of_one_name_at_once_one_wins_and_the_other_is_told() {
    let site = TestApp::start().await;
    let second = site.second().await;
    let (one, other) = (site.visitor(), second.visitor());
    for name in ["maya", "ines", "ravi"] {
        let (first, last) = tokio::join!(
            register(&one, name, PASSWORD),
            register(&other, name, PASSWORD)
        );
        let mut statuses = [first.status, last.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 422], "{}{}", first.text(), last.text());
        let loser = if first.status == 422 { first } else { last };
        loser.has("has this user name already");
        one.set_cookie("sessionid", None);
        other.set_cookie("sessionid", None);
    }
}

#[tokio::test]
async fn a_wrong_log_in_keeps_the_name_and_says_how_to_mend_it() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let browser = site.visitor();
    browser.get(LOGIN).await.expect(200);
    let page = browser
        .post(LOGIN, &[("username", "maya"), ("password", "a wrong one")])
        .await;
    page.expect(422)
        .has("value=\"maya\"")
        .has("does not belong to that user name")
        .lacks("a wrong one");
    let unknown = browser
        .post(
            LOGIN,
            &[("username", "nobody"), ("password", "a wrong one")],
        )
        .await;
    unknown.expect(422).has("does not belong to that user name");
    let empty = browser.post(LOGIN, &[("username", "ma ya")]).await;
    empty
        .expect(422)
        .has("2 things to mend")
        .has("has no spaces")
        .has("Type your password.");
    assert_eq!(browser.cookie("sessionid"), None);
}

#[tokio::test]
async fn the_log_in_page_says_where_it_leads() {
    let site = TestApp::start().await;
    let owner_id = site.person("ines", Role::Instructor).await;
    site.course(owner_id, "how-strings-sing").await;
    site.draft(owner_id, "not-yet").await;
    let page = site
        .visitor()
        .get("/accounts/login/?next=/course/how-strings-sing/")
        .await;
    page.expect(200)
        .has("Then on to")
        .has("how strings sing")
        .has("/students/register/?next=/course/how-strings-sing/");
    let draft = site
        .visitor()
        .get("/accounts/login/?next=/course/not-yet/")
        .await;
    draft.expect(200).lacks("Then on to");
    let odd = site
        .visitor()
        .get("/accounts/login/?next=/course/%00%27/")
        .await;
    odd.expect(200).lacks("Then on to");
}

#[tokio::test]
async fn logging_in_ends_the_session_that_the_browser_held() {
    let site = TestApp::start().await;
    let browser = site.login_as("maya", Role::Student).await;
    let (session, csrf) = (browser.cookie("sessionid"), browser.cookie("csrftoken"));
    site.person("ines", Role::Student).await;
    let fields = [("username", "ines"), ("password", PASSWORD)];
    browser.post(LOGIN, &fields).await.expect(303);
    assert_ne!(browser.cookie("sessionid"), session);
    assert_ne!(browser.cookie("csrftoken"), csrf);
    let old = site.visitor();
    old.set_cookie("sessionid", session.as_deref());
    old.get("/accounts/profile/").await.expect(302);
    browser
        .get("/accounts/profile/")
        .await
        .expect(200)
        .has("ines");
}

#[tokio::test]
async fn a_session_id_that_somebody_planted_is_not_the_one_after_logging_in() {
    let site = TestApp::start().await;
    site.person("maya", Role::Student).await;
    let browser = site.visitor();
    let planted = "A".repeat(43);
    browser.set_cookie("sessionid", Some(&planted));
    browser.get(LOGIN).await.expect(200);
    let fields = [("username", "maya"), ("password", PASSWORD)];
    browser.post(LOGIN, &fields).await.expect(303);
    assert_ne!(browser.cookie("sessionid").unwrap(), planted);
    let thief = site.visitor();
    thief.set_cookie("sessionid", Some(&planted));
    thief.get("/accounts/profile/").await.expect(302);
}

#[tokio::test]
async fn the_cookies_are_kept_from_scripts_other_sites_and_plain_http() {
    for (url, is_secure) in [("", false), ("https://learn.example.org", true)] {
        let site = TestApp::start_with(&[("public_url", url)]).await;
        site.person("maya", Role::Student).await;
        let browser = site.visitor();
        browser.get(LOGIN).await.expect(200);
        let page = browser
            .post(LOGIN, &[("username", "maya"), ("password", PASSWORD)])
            .await;
        let cookies: Vec<String> = page
            .headers
            .get_all("set-cookie")
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        let of = |name: &str| cookies.iter().find(|c| c.starts_with(name)).unwrap();
        let session = of("sessionid=");
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1209600"] {
            assert!(session.contains(attribute), "{session}");
        }
        assert_eq!(session.contains("; Secure"), is_secure, "{session}");
        assert!(
            !of("csrftoken=").contains("HttpOnly"),
            "scripts send it back"
        );
        assert_eq!(cookies.len(), 2, "{cookies:?}");
    }
}

#[tokio::test]
async fn whoever_sends_a_form_after_her_session_has_ended_comes_back_to_its_page() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    site.wait_seconds(14 * 24 * 3600);
    let token = maya.cookie("csrftoken").unwrap();
    let sent = async |from: &str| {
        let request = maya.request(Method::POST, "/accounts/profile/");
        let request = request.header("Referer", format!("{}{from}", maya.url()));
        let page = maya.send(request.form(&[("csrfmiddlewaretoken", &token)]));
        page.await.expect(302).location()
    };
    for (from, next) in [
        ("/accounts/profile/", "/accounts/profile/"),
        ("/course/x/?page=2&a=b", "/course/x/?page=2%26a=b"),
        ("//evil.example/", "/"),
    ] {
        assert_eq!(sent(from).await, format!("/accounts/login/?next={next}"));
    }
}

#[tokio::test]
async fn a_session_ends_after_fourteen_days_by_the_clock() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    site.wait_seconds(14 * 24 * 3600 - 1);
    maya.get("/accounts/profile/").await.expect(200);
    site.wait_seconds(1);
    let page = maya.get("/accounts/profile/").await;
    page.expect(302);
    assert_eq!(page.location(), "/accounts/login/?next=/accounts/profile/");
    site.login("maya").await;
    let left = session::Entity::find()
        .count(site.app.db.read())
        .await
        .unwrap();
    assert_eq!(left, 1, "what is over was cleared away");
}

#[tokio::test]
async fn a_changed_password_ends_every_other_session_and_keeps_this_one() {
    let site = TestApp::start().await;
    let second = site.second().await;
    let maya = site.login_as("maya", Role::Student).await;
    let phone = second.login("maya").await;
    let version = account(&site, "maya").await.unwrap().credential_version;
    let before = maya.cookie("sessionid");
    for browser in [&maya, &phone] {
        browser.get("/accounts/password/").await.expect(200);
    }
    let new = "quiet lantern 4";
    let fields = [
        ("old_password", PASSWORD),
        ("new_password1", new),
        ("new_password2", new),
    ];
    let page = maya.post("/accounts/password/", &fields).await;
    page.expect(303);
    assert_ne!(maya.cookie("sessionid"), before);
    maya.get(&page.location())
        .await
        .expect(200)
        .has("Your password is changed");
    // The process that changed it knows at once; the other as soon as the bus has told it.
    phone
        .at(&site.url)
        .get("/accounts/profile/")
        .await
        .expect(302);
    while phone.get("/accounts/profile/").await.status != 302 {}
    assert_eq!(
        account(&site, "maya").await.unwrap().credential_version,
        version + 1
    );
    let browser = site.visitor();
    browser.get(LOGIN).await.expect(200);
    let old = [("username", "maya"), ("password", PASSWORD)];
    browser.post(LOGIN, &old).await.expect(422);
    browser
        .post(LOGIN, &[("username", "maya"), ("password", new)])
        .await
        .expect(303);
}

#[tokio::test]
async fn changing_the_password_takes_the_present_one_and_counts_wrong_ones() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let path = "/accounts/password/";
    let faulty = [
        ("old_password", "not this one"),
        ("new_password1", "maya"),
        ("new_password2", "other"),
    ];
    maya.post(path, &faulty)
        .await
        .expect(422)
        .has("This is not your present password")
        .has("Use at least 8 characters")
        .has("too like the user name")
        .has("The two new passwords differ")
        .lacks("not this one");
    let good = "quiet lantern 4";
    let wrong = [
        ("old_password", "not this one"),
        ("new_password1", good),
        ("new_password2", good),
    ];
    for _ in 0..9 {
        maya.post(path, &wrong).await.expect(422);
    }
    let right = [
        ("old_password", PASSWORD),
        ("new_password1", good),
        ("new_password2", good),
    ];
    let page = maya.post(path, &right).await;
    page.expect(429).has("Please wait a minute");
    assert_eq!(page.header("retry-after").as_deref(), Some("60"));
    site.wait_seconds(60);
    maya.post(path, &right).await.expect(303);
}

#[tokio::test]
async fn a_profile_is_kept_and_holds_from_the_next_request_on() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let page = maya.get("/accounts/profile/").await;
    page.expect(200).has("<option selected>UTC</option>");
    assert!(page.bytes.len() < 60_000, "{}", page.bytes.len());
    let fields = [
        ("name", "Maya Okafor"),
        ("email", "maya@example.org"),
        ("password", PASSWORD),
        ("timezone", "Africa/Lagos"),
        ("theme", "dark"),
    ];
    let page = maya.post("/accounts/profile/", &fields).await;
    page.expect(303);
    maya.get(&page.location())
        .await
        .expect(200)
        .has("Your profile is saved")
        .has("data-theme=\"dark\"")
        .has("Maya Okafor")
        .has("<option selected>Africa/Lagos</option>");
    let long = "x".repeat(151);
    let faulty = [
        ("name", long.as_str()),
        ("email", "nonsense"),
        ("password", PASSWORD),
        ("timezone", "Mars/Olympus"),
        ("theme", "pink"),
    ];
    maya.post("/accounts/profile/", &faulty)
        .await
        .expect(422)
        .has("4 things to mend")
        .has("value=\"nonsense\"")
        .has(&long);
    let account = account(&site, "maya").await.unwrap();
    assert_eq!(
        (account.email.as_str(), account.theme.as_str()),
        ("maya@example.org", "dark")
    );
}

#[tokio::test]
async fn the_switch_in_the_footer_keeps_the_theme() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let token = maya.cookie("csrftoken").unwrap();
    let by_script = maya
        .request(Method::POST, "/accounts/theme/")
        .header("X-CSRFToken", token)
        .header("X-Requested-With", "XMLHttpRequest")
        .form(&[("theme", "dark")]);
    maya.send(by_script).await.expect(204);
    maya.get("/accounts/profile/")
        .await
        .expect(200)
        .has("data-theme=\"dark\"");
    let page = maya
        .post(
            "/accounts/theme/",
            &[("theme", "light"), ("next", "/messages/")],
        )
        .await;
    page.expect(303);
    assert_eq!(page.location(), "/messages/");
    maya.post("/accounts/theme/", &[("theme", "pink")])
        .await
        .expect(422);
    site.visitor()
        .post("/accounts/theme/", &[("theme", "dark")])
        .await
        .expect(302);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all_others() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    let (phone, tablet) = (site.login("maya").await, site.login("maya").await);
    let page = maya.get("/accounts/sessions/").await;
    page.expect(200).has("This one").has("127.0.0.1");
    let text = page.text();
    assert_eq!(text.matches("name=\"session\"").count(), 2);
    let sessions = session::Entity::find()
        .all(site.app.db.read())
        .await
        .unwrap();
    let hash = lyceum::web::sessions::hash(&phone.cookie("sessionid").unwrap());
    let of_phone = sessions.iter().find(|row| row.token_hash == hash).unwrap();
    let field = of_phone.id.to_string();
    let ines = site.login_as("ines", Role::Student).await;
    ines.post("/accounts/sessions/", &[("session", &field)])
        .await
        .expect(404);
    maya.post("/accounts/sessions/", &[("session", &field)])
        .await
        .expect(303);
    phone.get("/accounts/sessions/").await.expect(302);
    tablet.get("/accounts/sessions/").await.expect(200);
    maya.post("/accounts/sessions/", &[("all", "yes")])
        .await
        .expect(303);
    tablet.get("/accounts/sessions/").await.expect(302);
    maya.get("/accounts/sessions/")
        .await
        .expect(200)
        .lacks("End all others");
    ines.get("/accounts/sessions/").await.expect(200);
    for odd in ["", "x", "-1", "99999999999999999999"] {
        maya.post("/accounts/sessions/", &[("session", odd)])
            .await
            .expect(404);
    }
}

#[tokio::test]
async fn a_session_ended_on_one_process_ends_on_the_other() {
    let site = TestApp::start().await;
    let second = site.second().await;
    let maya = site.login_as("maya", Role::Student).await;
    let there = maya.at(&second.url);
    there.get("/accounts/profile/").await.expect(200);
    maya.post("/accounts/logout/", &[]).await.expect(303);
    while there.get("/accounts/profile/").await.status != 302 {}
}

#[tokio::test]
async fn the_settings_are_for_those_who_are_logged_in() {
    let site = TestApp::start().await;
    for path in [
        "/accounts/profile/",
        "/accounts/password/",
        "/accounts/sessions/",
    ] {
        let page = site.visitor().get(path).await;
        page.expect(302);
        assert_eq!(page.location(), format!("/accounts/login/?next={path}"));
        site.visitor().post(path, &[]).await.expect(302);
    }
}

#[tokio::test]
async fn a_person_who_was_put_into_a_group_may_at_once_what_its_members_may() {
    let site = TestApp::start().await;
    let maya = site.login_as("maya", Role::Student).await;
    maya.get("/accounts/profile/")
        .await
        .expect(200)
        .lacks("href=\"/course/mine/\"");
    let id = account(&site, "maya").await.unwrap().id;
    for _ in 0..2 {
        let mut write = site.app.write().await.unwrap();
        accounts::add_to_group(&mut write, id, accounts::INSTRUCTORS)
            .await
            .unwrap();
        write.commit().await.unwrap();
    }
    maya.get("/accounts/profile/")
        .await
        .expect(200)
        .has("href=\"/course/mine/\"");
}

#[tokio::test]
async fn a_form_of_more_than_a_megabyte_or_of_odd_bytes_is_refused_in_words() {
    let site = TestApp::start().await;
    let browser = site.visitor();
    browser.get(REGISTER).await.expect(200);
    let long = "x".repeat(1_100_000);
    browser
        .post(REGISTER, &[("username", &long)])
        .await
        .expect(413);
    browser
        .post(REGISTER, &[("username", "a\0b")])
        .await
        .expect(400);
    browser
        .post(LOGIN, &[("username", "a\0b"), ("password", "x")])
        .await
        .expect(400);
    let long = "x".repeat(100_000);
    browser
        .post(
            REGISTER,
            &[
                ("username", &long),
                ("password1", &long),
                ("password2", &long),
            ],
        )
        .await
        .expect(422)
        .has("at most 150 characters")
        .has("at most 1,000 characters");
    browser
        .post(LOGIN, &[("username", &long), ("password", &long)])
        .await
        .expect(422);
}

#[tokio::test]
async fn a_log_in_under_way_does_not_outlive_a_change_of_the_password() {
    for shuts in [false, true] {
        let site = TestApp::start().await;
        let id = site.person("maya", Role::Student).await;
        let thief = site.visitor();
        thief.get("/accounts/login/").await.expect(200);
        let hash = site.app.passwords.hash("amber kettle 42").await.unwrap();
        let mut write = site.app.write().await.unwrap();
        if shuts {
            accounts::set_active(&mut write, id, false).await.unwrap();
        } else {
            let by = accounts::ChangedBy::Herself;
            accounts::set_password(&site.app, &mut write, id, hash, by)
                .await
                .unwrap();
        }
        let before = site.app.passwords.checks();
        let fields = [("username", "maya"), ("password", PASSWORD)];
        let (page, ()) = tokio::join!(thief.post("/accounts/login/", &fields), async {
            // The account was read as it was by then, and the password is found right.
            until("the password is looked at", async || {
                (site.app.passwords.checks() > before).then_some(())
            })
            .await;
            write.commit().await.unwrap();
        });
        page.expect(303);
        assert_eq!(page.location(), "/accounts/login/");
        assert_eq!(thief.cookie("sessionid"), None);
        let sessions = session::Entity::find();
        assert_eq!(sessions.count(site.app.db.read()).await.unwrap(), 0);
    }
}
