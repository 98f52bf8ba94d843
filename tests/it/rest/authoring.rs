//! Modules and contents: what their authors make of them, and what nobody else does.

use super::{call, send, teacher};
use crate::kit::{PASSWORD, Role, TestApp};
use lyceum::entities::{content, item, module};
use reqwest::Method;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

async fn count<E: EntityTrait>(site: &TestApp) -> u64
where
    E::Model: Send + Sync,
{
    E::find().all(site.app.db.read()).await.unwrap().len() as u64
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn modules_are_made_changed_and_deleted_by_who_owns_their_course() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    site.module(course.id, "First").await;
    let sent = json!({"course": course.id, "title": " Second ", "description": "A\r\nB"});
    let page = send(&site, Method::POST, "/api/modules/", "ingrid", &sent).await;
    let made = page.expect(201).json();
    let path = format!("/api/modules/{}/", made["id"]);
    assert_eq!(
        page.header("location").unwrap(),
        format!("{}{path}", site.url)
    );
    assert_eq!(
        made,
        json!({"id": made["id"], "course": course.id, "order": 1, "title": "Second", "description": "A\nB"})
    );
    let seen = site.visitor().get(&path).await;
    assert_eq!(seen.expect(200).json(), made);
    let list = site
        .visitor()
        .get(&format!("/api/modules/?course={}", course.id))
        .await;
    let titles: Vec<Value> = list
        .expect(200)
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["title"].clone())
        .collect();
    assert_eq!(titles, ["First", "Second"]);
    let page = send(
        &site,
        Method::PATCH,
        &path,
        "ingrid",
        &json!({"title": "Other"}),
    )
    .await;
    assert_eq!(page.expect(200).json()["description"], "A\nB");
    let shown = site
        .visitor()
        .get(&format!("/api/courses/{}/", course.id))
        .await;
    assert_eq!(shown.expect(200).json()["modules"][1]["title"], "Other");
    let faults = send(
        &site,
        Method::PUT,
        &path,
        "ingrid",
        &json!({"description": 7}),
    )
    .await;
    assert_eq!(
        faults.expect(400).json(),
        json!({"description": ["A text is expected here."], "title": ["This field is required."]})
    );
    call(&site, Method::DELETE, &path, "ingrid")
        .await
        .expect(204);
    site.visitor().get(&path).await.expect(404);
}

#[tokio::test]
async fn nobody_sees_or_changes_what_a_draft_of_another_holds() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let draft = site.draft(owner, "not-yet").await;
    let hidden = site.module(draft.id, "Hidden").await;
    let text = site.text(hidden.id, "Text", "words").await;
    let course = site.course(owner, "bow-hold").await;
    let open = site.module(course.id, "Open").await;
    let shown = site.text(open.id, "Text", "words").await;
    site.person("clara", Role::Instructor).await;
    let list = call(&site, Method::GET, "/api/modules/", "clara").await;
    assert_eq!(list.expect(200).json().as_array().unwrap().len(), 1);
    let list = call(&site, Method::GET, "/api/contents/", "clara").await;
    assert_eq!(list.expect(200).json(), json!([]));
    let body = json!({"title": "Mine now", "contents": [], "done": true, "position": 1});
    for (path, status) in [
        (format!("/api/modules/{}/", hidden.id), 404),
        (format!("/api/modules/{}/", open.id), 403),
        (format!("/api/contents/{}/", text.id), 404),
        (format!("/api/contents/{}/", shown.id), 404),
    ] {
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let page = send(&site, method.clone(), &path, "clara", &body).await;
            assert_eq!(page.status, status, "{method} {path}");
        }
    }
    for path in [
        format!("/api/modules/{}/order/", hidden.id),
        format!("/api/contents/{}/keep/", shown.id),
        format!("/api/contents/{}/done/", shown.id),
        format!("/api/contents/{}/position/", text.id),
    ] {
        send(&site, Method::POST, &path, "clara", &body)
            .await
            .expect(404);
    }
    for (path, field, id) in [
        ("/api/modules/", "course", course.id),
        ("/api/modules/", "course", 99_999),
        ("/api/contents/", "module", open.id),
    ] {
        let mut sent = json!({"title": "T"});
        sent[field] = json!(id);
        if field == "module" {
            sent["kind"] = json!("text");
            sent["content"] = json!("words");
        }
        let page = send(&site, Method::POST, path, "clara", &sent).await;
        let faults = page.expect(400).json();
        assert!(
            faults[field][0].as_str().unwrap().contains("of yours"),
            "{faults}"
        );
    }
    assert_eq!(
        module::Entity::find()
            .count(site.app.db.read())
            .await
            .unwrap(),
        2
    );
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn contents_of_every_kind_are_made_by_the_rules_of_their_forms() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let film = site.film(owner, 90.0).await;
    let make = async |sent: Value| {
        let mut sent = sent;
        sent["module"] = json!(module.id);
        send(&site, Method::POST, "/api/contents/", "ingrid", &sent).await
    };
    let text =
        make(json!({"kind": "text", "title": "Read", "content": "*a*", "format": "markdown"}))
            .await;
    let text = text.expect(201).json();
    assert_eq!(
        (&text["order"], &text["format"], &text["url"]),
        (&json!(0), &json!("markdown"), &Value::Null)
    );
    let page =
        make(json!({"kind": "video", "title": "Watch", "url": "https://vimeo.com/76979871"})).await;
    assert_eq!(page.expect(201).json()["upload"], Value::Null);
    let own = make(json!({"kind": "video", "upload": film.id, "allow_download": true})).await;
    let own = own.expect(201).json();
    assert_eq!(
        (&own["title"], &own["upload"], &own["order"]),
        (&json!("film"), &json!(film.id), &json!(2))
    );
    for (sent, field, words) in [
        (
            json!({"kind": "text", "title": "T"}),
            "content",
            "write something",
        ),
        (
            json!({"kind": "image", "title": "T"}),
            "upload",
            "Choose a file",
        ),
        (
            json!({"kind": "image", "upload": film.id}),
            "upload",
            "another kind",
        ),
        (
            json!({"kind": "audio", "upload": 99_999}),
            "upload",
            "not one of yours",
        ),
        (
            json!({"kind": "video", "title": "T", "url": "https://example.org/"}),
            "url",
            "YouTube or Vimeo",
        ),
        (
            json!({"kind": "film", "title": "T"}),
            "kind",
            "text, file, image, video, audio",
        ),
        (json!({"title": "T"}), "kind", "required"),
        (
            json!({"kind": "text", "title": "x".repeat(251), "content": "a"}),
            "title",
            "251",
        ),
    ] {
        let page = make(sent.clone()).await;
        let faults = page.expect(400).json();
        assert!(
            faults[field][0]
                .as_str()
                .unwrap_or_default()
                .contains(words),
            "{sent}: {faults}"
        );
    }
    assert_eq!(count::<item::Entity>(&site).await, 3);
    let list = call(&site, Method::GET, "/api/contents/?kind=video", "ingrid").await;
    assert_eq!(list.expect(200).json().as_array().unwrap().len(), 2);
    let page = call(&site, Method::GET, "/api/contents/?kind=film", "ingrid").await;
    page.expect(400);
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn a_content_is_changed_sent_back_as_it_was_and_deleted() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let film = site.film_content(module.id, "Film", 90.0).await;
    let text = site.text(module.id, "Text", "words").await;
    for id in [film.id, text.id] {
        let path = format!("/api/contents/{id}/");
        let before = call(&site, Method::GET, &path, "ingrid")
            .await
            .expect(200)
            .json();
        let page = send(&site, Method::PUT, &path, "ingrid", &before).await;
        let after = page.expect(200).json();
        for field in [
            "title",
            "content",
            "format",
            "url",
            "upload",
            "next_upload",
            "allow_download",
        ] {
            assert_eq!(after[field], before[field], "{field}");
        }
    }
    let path = format!("/api/contents/{}/", text.id);
    let page = send(
        &site,
        Method::PATCH,
        &path,
        "ingrid",
        &json!({"content": "new", "kind": "text"}),
    )
    .await;
    let after = page.expect(200).json();
    assert_eq!(
        (&after["content"], &after["title"], &after["kind"]),
        (&json!("new"), &json!("Text"), &json!("text"))
    );
    let html = call(
        &site,
        Method::GET,
        &format!("/api/courses/{}/contents/", course.id),
        "ingrid",
    )
    .await;
    assert!(html.expect(200).text().contains("new"));
    let browser = site.visitor();
    let stale = browser
        .request(Method::DELETE, &path)
        .basic_auth("ingrid", Some(PASSWORD));
    browser
        .send(stale.header("if-match", "\"other\""))
        .await
        .expect(412);
    call(&site, Method::DELETE, &path, "ingrid")
        .await
        .expect(204);
    call(&site, Method::DELETE, &path, "ingrid")
        .await
        .expect(404);
    assert_eq!(count::<content::Entity>(&site).await, 1);
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn what_cannot_be_changed_is_sent_back_as_it_is_or_refused() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let text = site.text(module.id, "Text", "words").await;
    let film = site.film_content(module.id, "Film", 90.0).await;
    let at = |name: &str, id: i64| format!("/api/{name}/{id}/");
    for (path, sent) in [
        (at("modules", module.id), json!({"course": course.id + 1})),
        (at("modules", module.id), json!({"order": 3})),
        (at("contents", text.id), json!({"module": module.id + 1})),
        (at("contents", text.id), json!({"kind": "video"})),
        (at("contents", film.id), json!({"next_upload": 7})),
        (at("contents", film.id), json!({"created": "yesterday"})),
        (at("courses", course.id), json!({"owner": owner + 1})),
        (at("courses", course.id), json!({"modules": "rubbish"})),
        (
            at("courses", course.id),
            json!({"modules": [{"title": "New"}]}),
        ),
        (at("contents", text.id), json!({"upload": 7})),
        (
            at("contents", text.id),
            json!({"url": "https://vimeo.com/76979871"}),
        ),
        (at("contents", text.id), json!({"allow_download": true})),
        (at("contents", film.id), json!({"content": "words"})),
        (at("contents", film.id), json!({"format": "plain"})),
    ] {
        let before = call(&site, Method::GET, &path, "ingrid")
            .await
            .expect(200)
            .json();
        let field = sent.as_object().unwrap().keys().next().unwrap().clone();
        let page = send(&site, Method::PATCH, &path, "ingrid", &sent).await;
        let faults = page.expect(400).json();
        assert!(
            faults[&field][0].as_str().unwrap().contains("leave it out"),
            "{sent}: {faults}"
        );
        let after = call(&site, Method::GET, &path, "ingrid").await;
        assert_eq!(after.expect(200).json(), before, "{sent}");
        // All of it sent back is no change, and makes nothing anew.
        let page = send(&site, Method::PATCH, &path, "ingrid", &before).await;
        assert_eq!(page.expect(200).json(), before);
    }
    for (path, mut sent) in [
        (
            "/api/modules/",
            json!({"course": course.id, "title": "T", "order": 0}),
        ),
        (
            "/api/contents/",
            json!({"module": module.id, "kind": "text", "title": "T", "content": "a", "id": 7}),
        ),
        (
            "/api/contents/",
            json!({"module": module.id, "kind": "text", "title": "T", "content": "a", "upload": 7}),
        ),
    ] {
        let page = send(&site, Method::POST, path, "ingrid", &sent).await;
        let faults = page.expect(400).json();
        let wrong = faults.as_object().unwrap().keys().next().unwrap().clone();
        sent.as_object_mut().unwrap().remove(&wrong);
        send(&site, Method::POST, path, "ingrid", &sent)
            .await
            .expect(201);
    }
}

#[tokio::test]
async fn a_course_with_a_thousand_modules_costs_a_few_statements_and_so_does_their_order() {
    let site = TestApp::start().await;
    teacher(&site).await;
    let modules: Vec<Value> = (0..1_000)
        .map(|at| json!({"title": format!("M{at}")}))
        .collect();
    let sent = json!({
        "subject": site.subject("music").await, "title": "T", "slug": "long", "overview": "O", "modules": modules,
    });
    // Remembered, so that who asks costs nothing.
    call(&site, Method::GET, "/api/users/me/", "ingrid")
        .await
        .expect(200);
    let before = site.app.db.statements();
    let page = send(&site, Method::POST, "/api/courses/", "ingrid", &sent).await;
    let made = page.expect(201).json();
    assert!(site.app.db.statements() - before < 30);
    let titles = made["modules"].as_array().unwrap();
    assert_eq!(titles.len(), 1_000);
    assert_eq!(
        (&titles[999]["title"], &titles[999]["order"]),
        (&json!("M999"), &json!(999))
    );
    let mut ids: Vec<i64> = titles
        .iter()
        .map(|module| module["id"].as_i64().unwrap())
        .collect();
    ids.reverse();
    let path = format!("/api/courses/{}/order/", made["id"]);
    let before = site.app.db.statements();
    let page = send(
        &site,
        Method::POST,
        &path,
        "ingrid",
        &json!({"modules": ids}),
    )
    .await;
    let ordered = page.expect(200).json();
    assert!(site.app.db.statements() - before < 30);
    let now: Vec<i64> = ordered["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| module["id"].as_i64().unwrap())
        .collect();
    assert_eq!(now, ids);
}

#[tokio::test]
async fn null_takes_nothing_away_that_a_content_has_to_have() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let film = site.film_content(module.id, "Film", 90.0).await.id;
    let sent = json!({"module": module.id, "kind": "text", "title": "T", "content": "*a*", "format": "markdown"});
    let made = send(&site, Method::POST, "/api/contents/", "ingrid", &sent).await;
    let text = made.expect(201).json()["id"].as_i64().unwrap();
    for (id, field) in [(text, "format"), (text, "content"), (film, "upload")] {
        let path = format!("/api/contents/{id}/");
        let before = call(&site, Method::GET, &path, "ingrid").await.json();
        let mut sent = json!({});
        sent[field] = Value::Null;
        let page = send(&site, Method::PATCH, &path, "ingrid", &sent).await;
        let faults = page.expect(400).json();
        assert!(faults[field][0].is_string(), "{field}: {faults}");
        let after = call(&site, Method::GET, &path, "ingrid").await.json();
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn contents_are_put_into_an_order_that_names_each_once() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let module = site.module(course.id, "First").await;
    let one = site.text(module.id, "One", "a").await.id;
    let two = site.text(module.id, "Two", "b").await.id;
    let path = format!("/api/modules/{}/order/", module.id);
    send(
        &site,
        Method::POST,
        &path,
        "ingrid",
        &json!({"contents": [two, one]}),
    )
    .await
    .expect(200);
    let list = call(
        &site,
        Method::GET,
        &format!("/api/contents/?module={}", module.id),
        "ingrid",
    )
    .await;
    let ids: Vec<Value> = list
        .expect(200)
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["id"].clone())
        .collect();
    assert_eq!(ids, [json!(two), json!(one)]);
    for wrong in [
        json!([two]),
        json!([two, two, one]),
        json!([two, one, 99_999]),
        json!("x"),
    ] {
        let page = send(
            &site,
            Method::POST,
            &path,
            "ingrid",
            &json!({"contents": wrong}),
        )
        .await;
        page.expect(400);
    }
}

#[tokio::test]
async fn the_same_module_sent_twice_at_once_gets_two_places() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = site.course(owner, "bow-hold").await;
    let sent = json!({"course": course.id, "title": "Twin"});
    let post = || send(&site, Method::POST, "/api/modules/", "ingrid", &sent);
    let (one, two) = tokio::join!(post(), post());
    let mut places = [
        one.expect(201).json()["order"].as_i64(),
        two.expect(201).json()["order"].as_i64(),
    ];
    places.sort_unstable();
    assert_eq!(places, [Some(0), Some(1)]);
}
