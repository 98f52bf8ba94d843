//! Accounts: registering, logging in and out.

use crate::kit::{Browser, PASSWORD, Role, TestApp};
use lyceum::entities::{session, user};
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
