//! What each permission is good for, in the API and on pages.

use super::{send, teacher};
use crate::kit::{Role, TestApp};
use lyceum::entities::{group, group_permission};
use lyceum::web::permissions;
use reqwest::Method;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

/// Leaves the group Instructors these permissions alone.
async fn allow(site: &TestApp, user_id: i64, names: &[&str]) {
    let found = group::Entity::find().filter(group::Column::Name.eq("Instructors"));
    let writer = site.app.db.writer();
    let instructors = found.one(writer).await.unwrap().unwrap();
    group_permission::Entity::delete_many()
        .exec(writer)
        .await
        .unwrap();
    let names: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    for name in names {
        let row = group_permission::ActiveModel {
            group_id: Set(instructors.id),
            permission: Set(name.to_owned()),
        };
        row.insert(writer).await.unwrap();
    }
    site.account_changed(user_id).await;
}

/// What can be done, with the permission that it needs.
struct Things {
    course: i64,
    module: i64,
    text: i64,
}

impl Things {
    #[expect(clippy::too_many_lines, reason = "a table, a line for each call")]
    fn calls(&self) -> Vec<(&'static str, Method, String, Value)> {
        let Self {
            course,
            module,
            text,
        } = self;
        let (put, post, delete) = (Method::PATCH, Method::POST, Method::DELETE);
        let (course, module, text) = (
            format!("/api/courses/{course}/"),
            format!("/api/modules/{module}/"),
            format!("/api/contents/{text}/"),
        );
        vec![
            (
                permissions::ADD_COURSE,
                post.clone(),
                "/api/courses/".into(),
                json!({}),
            ),
            (
                permissions::CHANGE_COURSE,
                put.clone(),
                course.clone(),
                json!({"title": ""}),
            ),
            (
                permissions::CHANGE_COURSE,
                post.clone(),
                format!("{course}publish/"),
                json!({}),
            ),
            (
                permissions::CHANGE_COURSE,
                put.clone(),
                format!("{course}entry/"),
                json!({"places": 0}),
            ),
            (
                permissions::CHANGE_COURSE,
                Method::GET,
                "/api/requests/".into(),
                json!({}),
            ),
            (
                permissions::CHANGE_COURSE,
                post.clone(),
                "/api/invitations/".into(),
                json!({}),
            ),
            (
                permissions::CHANGE_MODULE,
                post.clone(),
                format!("{course}order/"),
                json!({}),
            ),
            (
                permissions::DELETE_COURSE,
                delete.clone(),
                course,
                json!({}),
            ),
            (
                permissions::ADD_MODULE,
                post.clone(),
                "/api/modules/".into(),
                json!({}),
            ),
            (
                permissions::CHANGE_MODULE,
                put.clone(),
                module.clone(),
                json!({"title": ""}),
            ),
            (
                permissions::CHANGE_CONTENT,
                post.clone(),
                format!("{module}order/"),
                json!({}),
            ),
            (
                permissions::DELETE_MODULE,
                delete.clone(),
                module,
                json!({}),
            ),
            (
                permissions::VIEW_CONTENT,
                Method::GET,
                text.clone(),
                json!({}),
            ),
            (
                permissions::VIEW_CONTENT,
                Method::GET,
                "/api/contents/".into(),
                json!({}),
            ),
            (
                permissions::ADD_CONTENT,
                post.clone(),
                "/api/contents/".into(),
                json!({}),
            ),
            (
                permissions::CHANGE_CONTENT,
                put,
                text.clone(),
                json!({"title": ""}),
            ),
            (
                permissions::CHANGE_CONTENT,
                post.clone(),
                format!("{text}keep/"),
                json!({}),
            ),
            (
                permissions::CHANGE_CONTENT,
                post.clone(),
                format!("{text}retry/"),
                json!({}),
            ),
            (
                permissions::CHANGE_CONTENT,
                post,
                format!("{text}cancel/"),
                json!({}),
            ),
            (permissions::DELETE_CONTENT, delete, text, json!({})),
        ]
    }

    fn pages(&self) -> Vec<(&'static str, String)> {
        let Self {
            course,
            module,
            text,
        } = self;
        vec![
            (permissions::VIEW_COURSE, "/course/mine/".into()),
            (permissions::ADD_COURSE, "/course/create/".into()),
            (
                permissions::CHANGE_COURSE,
                format!("/course/{course}/edit/"),
            ),
            (
                permissions::DELETE_COURSE,
                format!("/course/{course}/delete/"),
            ),
            (
                permissions::CHANGE_MODULE,
                format!("/course/{course}/module/"),
            ),
            (
                permissions::VIEW_COURSE,
                format!("/course/module/{module}/"),
            ),
            (
                permissions::ADD_CONTENT,
                format!("/course/module/{module}/content/text/create/"),
            ),
            (
                permissions::DELETE_CONTENT,
                format!("/course/content/{text}/delete/"),
            ),
        ]
    }
}

async fn things(site: &TestApp, owner: i64) -> Things {
    let course = site.course(owner, "bow-hold").await.id;
    let module = site.module(course, "First").await.id;
    let text = site.text(module, "Text", "words").await.id;
    Things {
        course,
        module,
        text,
    }
}

#[tokio::test]
async fn each_call_asks_for_the_permission_of_what_it_does() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let things = things(&site, owner).await;
    for (needed, method, path, body) in things.calls() {
        let others = permissions::ALL.into_iter().filter(|name| *name != needed);
        allow(&site, owner, &others.collect::<Vec<_>>()).await;
        let page = send(&site, method.clone(), &path, "ingrid", &body).await;
        assert_eq!(page.status, 403, "{method} {path} without {needed}");
    }
    for (needed, method, path, body) in things.calls() {
        // What is deleted is no more there to be asked about.
        if method == Method::DELETE {
            continue;
        }
        allow(&site, owner, &[needed]).await;
        let page = send(&site, method.clone(), &path, "ingrid", &body).await;
        assert!(
            // A text has no file that could be processed again.
            [200, 400, 404].contains(&page.status),
            "{method} {path}: {}",
            page.text()
        );
    }
    for path in [
        format!("/api/contents/{}/", things.text),
        format!("/api/modules/{}/", things.module),
        format!("/api/courses/{}/", things.course),
    ] {
        allow(
            &site,
            owner,
            &[
                permissions::DELETE_COURSE,
                permissions::DELETE_MODULE,
                permissions::DELETE_CONTENT,
            ],
        )
        .await;
        send(&site, Method::DELETE, &path, "ingrid", &json!({}))
            .await
            .expect(204);
    }
}

#[tokio::test]
async fn a_lesson_that_goes_with_its_file_takes_the_permission_to_delete_lessons() {
    let site = TestApp::start().await;
    let browser = site.login_as("ingrid", Role::Instructor).await;
    let me = super::call(&site, Method::GET, "/api/users/me/", "ingrid").await;
    let owner = me.json()["id"].as_i64().unwrap();
    let things = things(&site, owner).await;
    let content = site.film_content(things.module, "Film", 90.0).await;
    let list = super::call(&site, Method::GET, "/api/uploads/", "ingrid").await;
    let file = list.json()[0]["id"].to_string();
    let named = format!("/api/uploads/{file}/?contents={}", content.id);
    let doomed = content.id.to_string();
    let form = [("file", file.as_str()), ("content", doomed.as_str())];
    let others = permissions::ALL.into_iter();
    let others = others.filter(|name| *name != permissions::DELETE_CONTENT);
    allow(&site, owner, &others.collect::<Vec<_>>()).await;
    let page = send(&site, Method::DELETE, &named, "ingrid", &json!({})).await;
    page.expect(403);
    browser.post("/library/delete/", &form).await.expect(403);
    let needed = [permissions::VIEW_COURSE, permissions::DELETE_CONTENT];
    allow(&site, owner, &needed).await;
    browser.post("/library/delete/", &form).await.expect(303);
}

#[tokio::test]
async fn each_page_asks_for_the_permission_of_what_it_is_for() {
    let site = TestApp::start().await;
    let browser = site.login_as("ingrid", Role::Instructor).await;
    let owner = super::call(&site, Method::GET, "/api/users/me/", "ingrid")
        .await
        .json()["id"]
        .as_i64()
        .unwrap();
    let things = things(&site, owner).await;
    for (needed, path) in things.pages() {
        let others = permissions::ALL.into_iter().filter(|name| *name != needed);
        allow(&site, owner, &others.collect::<Vec<_>>()).await;
        let page = browser.get(&path).await;
        assert_eq!(page.status, 403, "{path} without {needed}");
        allow(&site, owner, &[permissions::VIEW_COURSE, needed]).await;
        browser.get(&path).await.expect(200);
    }
    for (needed, path, body) in [
        (
            permissions::CHANGE_MODULE,
            "/course/module/order/",
            format!("{{\"{}\": 0}}", things.module),
        ),
        (
            permissions::CHANGE_CONTENT,
            "/course/content/order/",
            format!("{{\"{}\": 0}}", things.text),
        ),
    ] {
        let others = permissions::ALL.into_iter().filter(|name| *name != needed);
        allow(&site, owner, &others.collect::<Vec<_>>()).await;
        browser.post_json(path, &body).await.expect(403);
        allow(&site, owner, &[needed]).await;
        browser.post_json(path, &body).await.expect(200);
    }
}

/// What a page holds where something is offered, with the permission that this takes.
#[expect(clippy::too_many_lines, reason = "a table, a line for each offer")]
fn offers(things: &Things, upload: i64) -> Vec<(&'static str, String, String)> {
    use permissions as p;
    let Things {
        course,
        module,
        text,
    } = things;
    let mine = "/course/mine/".to_owned();
    let outline = format!("/course/module/{module}/");
    let modules = format!("/course/{course}/module/");
    let library = "/library/".to_owned();
    let at = |page: &String, needed, held: String| (needed, page.clone(), held);
    vec![
        at(&mine, p::ADD_COURSE, "/course/create/".into()),
        at(&mine, p::CHANGE_COURSE, format!("/course/{course}/edit/")),
        at(&mine, p::CHANGE_COURSE, format!("/course/{course}/entry/")),
        at(&mine, p::CHANGE_MODULE, format!("/course/{course}/module/")),
        at(&mine, p::DELETE_COURSE, format!("/course/{course}/delete/")),
        at(
            &outline,
            p::CHANGE_COURSE,
            format!("/course/{course}/edit/"),
        ),
        at(
            &outline,
            p::ADD_MODULE,
            format!("/course/{course}/module/add/"),
        ),
        at(
            &outline,
            p::CHANGE_MODULE,
            format!("/course/module/{module}/edit/"),
        ),
        at(
            &outline,
            p::CHANGE_MODULE,
            format!("/course/module/{module}/move/"),
        ),
        at(&outline, p::CHANGE_MODULE, "/course/module/order/".into()),
        at(
            &outline,
            p::DELETE_MODULE,
            format!("/course/module/{module}/delete/"),
        ),
        at(&outline, p::ADD_CONTENT, "/content/file/create/".into()),
        at(&outline, p::ADD_CONTENT, "/content/text/create/".into()),
        at(
            &outline,
            p::CHANGE_CONTENT,
            format!("/course/content/{text}/move/"),
        ),
        at(&outline, p::CHANGE_CONTENT, "/course/content/order/".into()),
        at(&outline, p::CHANGE_CONTENT, "/content/text/".to_owned()),
        at(
            &outline,
            p::DELETE_CONTENT,
            format!("/course/content/{text}/delete/"),
        ),
        at(&modules, p::ADD_MODULE, "Title of a new module".into()),
        at(&modules, p::DELETE_MODULE, "-DELETE".into()),
        at(&library, p::ADD_CONTENT, format!("/library/{upload}/use/")),
    ]
}

#[tokio::test]
async fn a_page_offers_what_she_may_and_nothing_else() {
    let site = TestApp::start().await;
    let browser = site.login_as("ingrid", Role::Instructor).await;
    let owner = super::call(&site, Method::GET, "/api/users/me/", "ingrid")
        .await
        .json()["id"]
        .as_i64()
        .unwrap();
    let things = things(&site, owner).await;
    let form = site.upload_form().await;
    let upload = form
        .upload(&browser, "file", "notes.bin", b"bytes".to_vec())
        .await;
    let page_needs = [permissions::VIEW_COURSE, permissions::CHANGE_MODULE];
    for (needed, path, held) in offers(&things, upload) {
        // The form of all modules is itself for who changes modules.
        let needs = if path.ends_with("/module/") {
            &page_needs[..]
        } else {
            &page_needs[..1]
        };
        let others = permissions::ALL.into_iter().filter(|name| *name != needed);
        allow(&site, owner, &others.collect::<Vec<_>>()).await;
        let page = browser.get(&path).await;
        // Texts are made and changed at addresses that begin alike.
        let text = page.expect(200).text().replace("/text/create/", "/");
        let is_link = held == "/content/text/";
        assert!(
            !(if is_link { text } else { page.text() }).contains(&held),
            "{path} offers {held} without {needed}"
        );
        allow(&site, owner, &[needs, &[needed]].concat()).await;
        browser.get(&path).await.expect(200).has(&held);
    }
    allow(&site, owner, &[permissions::VIEW_COURSE]).await;
    browser
        .get(&format!("/library/{upload}/use/"))
        .await
        .expect(403);
    // Whose course it is, and who teaches no longer, sees it, and no editor.
    allow(&site, owner, &[]).await;
    browser
        .get("/course/bow-hold/")
        .await
        .expect(200)
        .lacks("/outline/")
        .has("See it as a student");
}
