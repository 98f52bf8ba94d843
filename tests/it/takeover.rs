//! That nobody gets somebody's account, or a right, by a way beside the one that asks who she is.

use crate::kit::{Browser, PASSWORD, Page, Role, TestApp};
use lyceum::accounts::NewToken;
use lyceum::entities::{enrollment, user};
use lyceum::web::scopes::Scope;
use reqwest::Method;
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, EntityTrait, PaginatorTrait as _};
use serde_json::json;

const OTHER: &str = "thief@evil.example";

async fn account(site: &TestApp, id: i64) -> user::Model {
    let found = user::Entity::find_by_id(id).one(site.app.db.read()).await;
    found.unwrap().unwrap()
}

/// A key for everything that a key can be for; without scopes as those from before there were any.
async fn key(site: &TestApp, user_id: i64, has_scopes: bool) -> String {
    let new = NewToken {
        user_id,
        name: format!("{has_scopes}"),
        scopes: has_scopes.then(|| Scope::ALL.into_iter().collect()),
        expires_at: None,
    };
    site.key(new).await
}

#[tokio::test]
async fn no_key_changes_the_mail_address_of_anybody() {
    let site = TestApp::start().await;
    let sofia = site.person("sofia", Role::Staff).await;
    let rosa = site.person("rosa", Role::Staff).await;
    site.address(rosa, "rosa@school.example").await;
    let visitor = site.visitor();
    for has_scopes in [true, false] {
        let key = key(&site, sofia, has_scopes).await;
        for (id, words) in [(rosa, "A token changes no mail"), (sofia, "")] {
            let path = format!("/api/users/{id}/");
            let request = visitor.request(Method::PATCH, &path).bearer_auth(&key);
            let answer = visitor.send(request.json(&json!({"email": OTHER}))).await;
            answer.expect(403).has(words);
        }
        // What is no way into an account is changed, and an address that stays as it is is none.
        let request = visitor
            .request(Method::PATCH, &format!("/api/users/{rosa}/"))
            .bearer_auth(&key);
        let same = json!({"name": "Rosa", "email": "rosa@school.example"});
        visitor.send(request.json(&same)).await.expect(200);
    }
    assert_eq!(account(&site, rosa).await.email, "rosa@school.example");
    assert_ne!(account(&site, sofia).await.email, OTHER);
    // Who shows her password has looked who asks.
    let request = visitor
        .request(Method::PATCH, &format!("/api/users/{rosa}/"))
        .basic_auth("sofia", Some(PASSWORD));
    let answer = visitor.send(request.json(&json!({"email": OTHER}))).await;
    assert_eq!(answer.expect(200).json()["email"], OTHER);
}

/// A request with the session of a browser, as a script in it sends one.
async fn from_browser(browser: &Browser, method: Method, path: &str, body: &str) -> Page {
    let request = browser.request(method, path);
    let request = request
        .header("content-type", "application/json")
        .header("x-csrftoken", browser.cookie("csrftoken").unwrap())
        .body(body.to_owned());
    browser.send(request).await
}

#[tokio::test]
async fn a_browser_that_staff_left_open_changes_neither_their_password_nor_their_address() {
    let site = TestApp::start().await;
    let sofia = site.person("sofia", Role::Staff).await;
    site.address(sofia, "sofia@school.example").await;
    let left = site.login("sofia").await;
    let id = sofia.to_string();
    let fields = [
        ("action", "password"),
        ("confirmed", "1"),
        ("id", id.as_str()),
        ("password", "amber kettle 42"),
    ];
    left.post("/admin/users/act/", &fields)
        .await
        .expect(409)
        .has("Change your own password under Settings");
    let body = json!({"password": "amber kettle 42"}).to_string();
    let path = format!("/api/users/{sofia}/password/");
    from_browser(&left, Method::POST, &path, &body)
        .await
        .expect(409);
    let fields = [("name", "S"), ("email", OTHER), ("staff", "on")];
    left.post(&format!("/admin/users/{sofia}/"), &fields)
        .await
        .expect(422)
        .has("on your profile, which asks for your password");
    let body = json!({"email": OTHER}).to_string();
    let path = format!("/api/users/{sofia}/");
    from_browser(&left, Method::PATCH, &path, &body)
        .await
        .expect(403)
        .has("profile page");
    assert_eq!(account(&site, sofia).await.email, "sofia@school.example");
    site.login("sofia").await;
    // All else of her own is changed there as before.
    let fields = [
        ("name", "Sofia L."),
        ("email", "sofia@school.example"),
        ("staff", "on"),
    ];
    left.post(&format!("/admin/users/{sofia}/"), &fields)
        .await
        .expect(303);
    assert_eq!(account(&site, sofia).await.name, "Sofia L.");
}

#[tokio::test]
async fn who_changes_her_password_with_a_key_is_given_no_session() {
    let site = TestApp::start().await;
    let maya = site.person("maya", Role::Student).await;
    let key = key(&site, maya, false).await;
    let program = site.visitor();
    let fields = [
        ("old_password", PASSWORD),
        ("new_password1", "amber kettle 42"),
        ("new_password2", "amber kettle 42"),
    ];
    let request = program
        .request(Method::POST, "/accounts/password/")
        .bearer_auth(key);
    let answer = program.send(request.form(&fields)).await;
    answer.expect(303);
    assert_eq!(program.cookie("sessionid"), None);
    program.get("/accounts/password/").await.expect(302);
    // It was changed nevertheless, and who does it in a browser stays logged in there.
    let browser = site.visitor();
    browser.get("/accounts/login/").await;
    let fields = [("username", "maya"), ("password", "amber kettle 42")];
    browser.post("/accounts/login/", &fields).await.expect(303);
    let before = browser.cookie("sessionid").unwrap();
    let fields = [
        ("old_password", "amber kettle 42"),
        ("new_password1", PASSWORD),
        ("new_password2", PASSWORD),
    ];
    browser
        .post("/accounts/password/", &fields)
        .await
        .expect(303);
    assert_ne!(browser.cookie("sessionid").unwrap(), before);
    browser.get("/accounts/password/").await.expect(200);
}

#[tokio::test]
async fn a_user_name_that_is_the_mail_address_of_another_names_neither_of_them() {
    let site = TestApp::start().await;
    let staff = site.login_as("sofia", Role::Staff).await;
    let tomas = site.person("tomas", Role::Instructor).await;
    let course = site.course(tomas, "strings").await;
    let maya = site.person("maya", Role::Student).await;
    site.address(maya, "Maya@School.example").await;
    site.person("maya@school.example", Role::Instructor).await;
    let ada = site.person("ada@school.example", Role::Student).await;
    site.address(ada, "ada@school.example").await;
    let enroll = async |student: &str| {
        let fields = [("student", student), ("course", "strings")];
        staff.post("/admin/enrollments/add/", &fields).await
    };
    enroll("maya@school.example")
        .await
        .expect(422)
        .has("another one has this mail address");
    let fields = [
        ("title", course.title.as_str()),
        ("slug", "strings"),
        ("subject", &course.subject_id.to_string()),
        ("overview", "Strings."),
        ("teacher", "maya@school.example"),
    ];
    staff
        .post(&format!("/admin/courses/{}/", course.id), &fields)
        .await
        .expect(422)
        .has("another one has this mail address");
    let file = "username,course\nmaya@school.example,strings\nada@school.example,strings\n";
    let token = staff.cookie("csrftoken").unwrap();
    let part = reqwest::multipart::Part::bytes(file.as_bytes()).file_name("students.csv");
    let form = reqwest::multipart::Form::new()
        .text("csrfmiddlewaretoken", token)
        .part("file", part);
    let request = staff.request(Method::POST, "/admin/enrollments/import/");
    staff
        .send(request.multipart(form))
        .await
        .expect(200)
        .has("1 enrollment would be made")
        .has("are of two accounts");
    let count = async || enrollment::Entity::find().count(site.app.db.read()).await;
    assert_eq!(count().await.unwrap(), 0);
    // Her own address for a user name is as good as any, and so is the other's user name.
    for student in ["ada@school.example", "maya"] {
        enroll(student).await.expect(303);
    }
    assert_eq!(count().await.unwrap(), 2);
}

#[tokio::test]
async fn what_is_done_to_one_at_a_time_is_done_to_no_more_whoever_asks() {
    let site = TestApp::start().await;
    let staff = site.login_as("sofia", Role::Staff).await;
    let mut ids = Vec::new();
    for name in ["ada", "ben"] {
        ids.push(site.person(name, Role::Student).await.to_string());
    }
    for action in ["two-factor", "password"] {
        let mut fields = vec![
            ("action", action),
            ("confirmed", "2"),
            ("password", "amber kettle 42"),
        ];
        fields.extend(ids.iter().map(|id| ("id", id.as_str())));
        staff
            .post("/admin/users/act/", &fields)
            .await
            .expect(400)
            .has("one at a time");
    }
    assert!(site.log().await.is_empty());
    site.login("ada").await;
}

#[tokio::test]
async fn an_old_form_that_comes_while_a_right_is_being_taken_does_not_give_it_back() {
    let site = TestApp::start().await;
    let staff = site.login_as("sofia", Role::Staff).await;
    let id = site.person("xenia", Role::Staff).await;
    let path = format!("/admin/users/{id}/");
    let text = staff.get(&path).await.text();
    let begun = text.split("name=\"seen\" value=\"").nth(1).unwrap();
    let seen = begun.split('"').next().unwrap();
    // Somebody else is about to commit that she takes it away.
    let taking = site.app.write().await.unwrap();
    let without = user::ActiveModel {
        id: Set(id),
        is_staff: Set(false),
        ..Default::default()
    };
    without.update(&*taking).await.unwrap();
    let fields = [("name", "Xenia B."), ("staff", "on"), ("seen", seen)];
    let (answer, ()) = tokio::join!(staff.post(&path, &fields), async {
        site.until_somebody_waits().await;
        taking.commit().await.unwrap();
    });
    answer
        .expect(409)
        .has("Somebody has changed this since you opened it");
    let xenia = account(&site, id).await;
    assert!(!xenia.is_staff);
    assert_ne!(xenia.name, "Xenia B.");
}
