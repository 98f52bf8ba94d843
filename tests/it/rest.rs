//! The REST API as programs find it (contract, section 4).

mod acts;
mod answers;
mod authoring;
mod browse;
mod checks;
mod conditions;
mod costs;
mod entry;
mod handling;
mod kept;
mod lists;
mod making;
mod parity;
mod parts;
mod people;
mod permissions;
mod repeated;
mod rooms;
mod running;
mod schema;
mod studies;
mod writing;

use crate::kit::{Browser, PASSWORD, Page, Role, TestApp};
use lyceum::entities::course;
use reqwest::Method;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde_json::Value;

/// A call with Basic credentials of somebody whom the kit made, and a body where there is one.
async fn call(site: &TestApp, method: Method, path: &str, name: &str) -> Page {
    let browser = site.visitor();
    let request = browser.request(method, path);
    browser.send(request.basic_auth(name, Some(PASSWORD))).await
}

/// A call with a body in JSON.
async fn send(site: &TestApp, method: Method, path: &str, name: &str, body: &Value) -> Page {
    let browser = site.visitor();
    let request = browser.request(method, path).json(body);
    browser.send(request.basic_auth(name, Some(PASSWORD))).await
}

/// GET with a header.
async fn get_with(browser: &Browser, path: &str, name: &str, value: &str) -> Page {
    let request = browser.request(Method::GET, path);
    browser.send(request.header(name, value)).await
}

/// GET with a value of `Accept`.
async fn accepting(browser: &Browser, path: &str, accept: &str) -> Page {
    get_with(browser, path, "accept", accept).await
}

/// So many published courses of one teacher, each with two modules.
async fn courses(site: &TestApp, owner_id: i64, number: usize) -> Vec<course::Model> {
    let mut made = Vec::new();
    for at in 0..number {
        let course = site.course(owner_id, &format!("course-{at:03}")).await;
        for title in ["First", "Second"] {
            site.module(course.id, title).await;
        }
        made.push(course);
    }
    made
}

/// Makes a course a draft, or publishes it.
async fn set_draft(site: &TestApp, id: i64, is_draft: bool) {
    let row = course::ActiveModel {
        id: Set(id),
        is_draft: Set(is_draft),
        ..Default::default()
    };
    row.update(site.app.db.writer()).await.unwrap();
    site.changed_course(id).await;
}

/// A teacher with an account.
async fn teacher(site: &TestApp) -> i64 {
    site.person("ingrid", Role::Instructor).await
}
