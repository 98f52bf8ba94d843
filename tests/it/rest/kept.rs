//! What is kept of answers, for whom, and until when.

use super::{accepting, call, courses, set_draft, teacher};
use crate::kit::{Role, TestApp};
use reqwest::Method;

#[tokio::test]
async fn a_list_that_is_kept_costs_no_query_for_visitors_and_for_programs() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    courses(&site, owner, 5).await;
    let browser = site.visitor();
    let first = browser.get("/api/courses/").await;
    call(&site, Method::GET, "/api/courses/", "ingrid")
        .await
        .expect(200);
    let again = browser.get("/api/courses/");
    assert_eq!(site.statements_of(again).await, 0);
    let known = call(&site, Method::GET, "/api/courses/", "ingrid");
    assert_eq!(site.statements_of(known).await, 0);
    assert_eq!(browser.get("/api/courses/").await.bytes, first.bytes);
}

#[tokio::test]
async fn modules_are_kept_for_visitors_until_one_changes_and_for_nobody_who_has_drafts() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    courses(&site, owner, 3).await;
    let draft = site.draft(owner, "not-yet").await;
    site.module(draft.id, "Hidden").await;
    let browser = site.visitor();
    for _ in 0..2 {
        browser
            .get("/api/modules/")
            .await
            .expect(200)
            .lacks("Hidden");
        let own = call(&site, Method::GET, "/api/modules/", "ingrid").await;
        own.expect(200).has("Hidden");
    }
    let again = browser.get("/api/modules/");
    assert_eq!(site.statements_of(again).await, 0);
    set_draft(&site, draft.id, false).await;
    browser.get("/api/modules/").await.expect(200).has("Hidden");
}

#[tokio::test]
async fn contents_cost_no_query_for_a_known_student() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "The thumb").await;
    site.text(module.id, "Read", "Bend it.").await;
    let maya = site.person("maya", Role::Student).await;
    site.enrollment(maya, course.id).await;
    let path = format!("/api/courses/{}/contents/", course.id);
    call(&site, Method::GET, &path, "maya").await.expect(200);
    let again = call(&site, Method::GET, &path, "maya");
    assert_eq!(site.statements_of(again).await, 0);
}

#[tokio::test]
async fn a_change_is_seen_by_the_next_request_in_every_format() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let made = courses(&site, owner, 2).await;
    let second = site.second().await;
    let (here, there) = (site.visitor(), site.visitor().at(&second.url));
    let one = format!("/api/courses/{}/", made[0].id);
    let paths = ["/api/courses/", "/api/courses.csv", &one];
    for path in paths {
        for browser in [&here, &there] {
            assert!(!browser.get(path).await.expect(200).text().contains("Fresh"));
        }
    }
    site.module(made[0].id, "Fresh").await;
    for path in paths {
        here.get(path).await.expect(200).has("Fresh");
    }
    let table = accepting(&here, "/api/courses/", "text/csv").await;
    table.expect(200).has("Fresh");
    let known = call(&site, Method::GET, "/api/courses/", "ingrid").await;
    known.expect(200).has("Fresh");
}

#[tokio::test]
async fn what_is_kept_of_one_address_is_not_given_for_another() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let made = courses(&site, owner, 3).await;
    let browser = site.visitor();
    let whole = browser.get("/api/courses/").await.expect(200).json();
    let few = browser
        .get("/api/courses/?limit=1")
        .await
        .expect(200)
        .json();
    assert_eq!(few["results"][0], whole[0]);
    let short = browser
        .get("/api/courses/?fields=id")
        .await
        .expect(200)
        .json();
    assert_eq!(short[0], serde_json::json!({"id": made[2].id}));
    let draft = browser.get("/api/courses/?draft=true").await;
    assert_eq!(draft.expect(200).text(), "[]");
    let table = browser.get("/api/courses/?format=csv").await;
    assert!(table.expect(200).text().starts_with("id,"));
    let again = browser.get("/api/courses/").await;
    assert_eq!(again.expect(200).json(), whole);
}

#[tokio::test]
async fn the_draft_that_its_owner_reads_is_kept_for_nobody_else() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let path = format!("/api/courses/{}/", course.id);
    site.visitor().get(&path).await.expect(200);
    set_draft(&site, course.id, true).await;
    for _ in 0..2 {
        call(&site, Method::GET, &path, "ingrid").await.expect(200);
        site.visitor().get(&path).await.expect(404);
    }
    set_draft(&site, course.id, false).await;
    site.visitor().get(&path).await.expect(200);
}

#[tokio::test]
async fn contents_follow_their_files_as_these_become_ready() {
    use lyceum::entities::item::ItemKind;
    use lyceum::entities::upload::{self, UploadKind, UploadState};
    use lyceum::web::changes;
    use sea_orm::{ActiveModelTrait, ActiveValue::Set};
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "The thumb").await;
    let file = site
        .file(owner, UploadKind::File, "score.pdf", |row| {
            row.state = Set(UploadState::Processing);
        })
        .await;
    site.media(module.id, "Score", ItemKind::File, &file).await;
    let path = format!("/api/courses/{}/contents/", course.id);
    let page = call(&site, Method::GET, &path, "ingrid").await;
    page.expect(200).has("processing");
    let row = upload::ActiveModel {
        id: Set(file.id),
        state: Set(UploadState::Ready),
        ..Default::default()
    };
    let write = site.app.write().await.unwrap();
    row.update(&*write).await.unwrap();
    changes::uploads(&write, &[file.id]).await.unwrap();
    write.commit().await.unwrap();
    let page = call(&site, Method::GET, &path, "ingrid").await;
    page.expect(200).has("Download file");
}

#[tokio::test]
async fn without_a_cache_everything_is_answered_all_the_same() {
    let site = TestApp::start_with(&[("cache", "off:")]).await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let maya = site.person("maya", Role::Student).await;
    site.enrollment(maya, course.id).await;
    for path in [
        "/api/courses/".to_owned(),
        "/api/courses.csv".into(),
        format!("/api/courses/{}/", course.id),
        format!("/api/courses/{}/contents/", course.id),
    ] {
        let page = call(&site, Method::GET, &path, "maya").await;
        page.expect(200).has("bow-hold");
    }
}
