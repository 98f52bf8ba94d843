//! The endpoints that put modules and contents into order.

use crate::kit::{Browser, Role, TestApp};
use lyceum::entities::{content, module};
use proptest::prelude::*;
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::{Value, json};

const MODULES: &str = "/course/module/order/";
const CONTENTS: &str = "/course/content/order/";

/// Two teachers with a course each: two modules, the first with two contents.
struct Start {
    site: TestApp,
    teacher: Browser,
    own: Parts,
    foreign: Parts,
}

struct Parts {
    modules: [i64; 2],
    contents: [i64; 2],
}

async fn parts(site: &TestApp, owner: &str) -> Parts {
    let owner_id = site.person(owner, Role::Instructor).await;
    let course = site.course(owner_id, owner).await.id;
    let one = site.module(course, "One").await.id;
    let two = site.module(course, "Two").await.id;
    let a = site.text(one, "A", "a").await.id;
    let b = site.text(one, "B", "b").await.id;
    Parts {
        modules: [one, two],
        contents: [a, b],
    }
}

async fn start() -> Start {
    let site = TestApp::start().await;
    let own = parts(&site, "ingrid").await;
    let foreign = parts(&site, "other").await;
    let teacher = site.login("ingrid").await;
    Start {
        site,
        teacher,
        own,
        foreign,
    }
}

impl Start {
    /// The order of every module and content, by id.
    async fn orders(&self) -> Vec<(i64, i64)> {
        let db = self.site.app.db.read();
        let modules = module::Entity::find().order_by_asc(module::Column::Id);
        let modules = modules.all(db).await.unwrap();
        let contents = content::Entity::find().order_by_asc(content::Column::Id);
        let contents = contents.all(db).await.unwrap();
        let modules = modules.into_iter().map(|row| (row.id, row.order));
        modules
            .chain(contents.into_iter().map(|row| (row.id, row.order)))
            .collect()
    }
}

fn pair(a: (i64, i64), b: (i64, i64)) -> String {
    json!({a.0.to_string(): a.1, b.0.to_string(): b.1}).to_string()
}

#[tokio::test]
async fn an_owner_and_staff_put_modules_and_contents_into_order() {
    let start = start().await;
    let staff = start.site.login_as("boss", Role::Staff).await;
    let [one, two] = start.own.modules;
    let [a, b] = start.own.contents;
    let swapped = [(one, 1), (two, 0), (a, 1), (b, 0)];
    for (browser, orders) in [
        (&start.teacher, swapped),
        (&staff, [(one, 0), (two, 1), (a, 0), (b, 1)]),
    ] {
        let place = |index: usize| orders[index];
        for (path, body) in [
            (MODULES, pair(place(0), place(1))),
            (CONTENTS, pair(place(2), place(3))),
        ] {
            let answer = browser.post_json(path, &body).await;
            answer.expect(200);
            assert_eq!(answer.json(), json!({"saved": "OK"}));
        }
        let stored = start.orders().await;
        assert!(
            orders.iter().all(|place| stored.contains(place)),
            "{stored:?}"
        );
    }
}

#[tokio::test]
async fn none_or_some_of_the_ids_are_enough() {
    let start = start().await;
    let before = start.orders().await;
    for path in [MODULES, CONTENTS] {
        let answer = start.teacher.post_json(path, "{}").await;
        answer.expect(200);
        assert_eq!(answer.json(), json!({"saved": "OK"}));
    }
    assert_eq!(start.orders().await, before);
    let body = json!({start.own.modules[0].to_string(): 7}).to_string();
    start.teacher.post_json(MODULES, &body).await.expect(200);
    let after = start.orders().await;
    let changed: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
    assert_eq!(changed.len(), 1);
}

#[tokio::test]
async fn older_scripts_need_not_name_the_type_of_the_body() {
    let start = start().await;
    let token = start.teacher.cookie("csrftoken").unwrap();
    for kind in [
        None,
        Some("text/plain"),
        Some("application/json; charset=utf-8"),
    ] {
        let mut request = start.teacher.request(reqwest::Method::POST, MODULES);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let request = request.header("X-CSRFToken", &token).body("{}");
        start.teacher.send(request).await.expect(200);
    }
}

#[tokio::test]
async fn ids_that_are_not_hers_are_404_and_nothing_is_changed() {
    let start = start().await;
    let before = start.orders().await;
    let own = (start.own.modules[0], 5);
    let own_content = (start.own.contents[0], 5);
    for (path, body) in [
        (MODULES, pair(own, (start.foreign.modules[0], 0))),
        (MODULES, pair(own, (999_999, 0))),
        (CONTENTS, pair(own_content, (start.foreign.contents[0], 0))),
        (CONTENTS, pair(own_content, (999_999, 0))),
        (MODULES, "{\"99999999999999999999\": 0}".into()),
    ] {
        start.teacher.post_json(path, &body).await.expect(404);
    }
    let student = start.site.login_as("maya", Role::Student).await;
    let body = json!({start.own.modules[0].to_string(): 1}).to_string();
    student.post_json(MODULES, &body).await.expect(404);
    assert_eq!(start.orders().await, before);
}

#[tokio::test]
async fn anonymous_visitors_get_403() {
    let start = start().await;
    for path in [MODULES, CONTENTS] {
        for body in ["{}", "nonsense"] {
            start.site.visitor().post_json(path, body).await.expect(403);
        }
        start.teacher.get(path).await.expect(405);
    }
}

#[tokio::test]
async fn order_endpoints_refuse_a_request_without_the_csrf_token() {
    let start = start().await;
    let before = start.orders().await;
    for path in [MODULES, CONTENTS] {
        let request = start.teacher.request(reqwest::Method::POST, path);
        let request = request
            .header("content-type", "application/json")
            .body("{}");
        start.teacher.send(request).await.expect(403);
        let request = start.teacher.request(reqwest::Method::POST, path);
        let request = request.header("X-CSRFToken", "wrong").body("{}");
        start.teacher.send(request).await.expect(403);
    }
    assert_eq!(start.orders().await, before);
}

#[tokio::test]
async fn a_body_that_gives_no_places_is_400() {
    let start = start().await;
    let before = start.orders().await;
    let id = start.own.modules[0];
    let deep = "[".repeat(100_000);
    for body in [
        "",
        "nonsense",
        "[]",
        "null",
        "7",
        "{\"x\": 1}",
        &format!("{{\"{id}\": -1}}"),
        &format!("{{\"{id}\": \"1\"}}"),
        &format!("{{\"{id}\": 1.5}}"),
        &format!("{{\"{id}\": 1e400}}"),
        &format!("{{\"{id}\": null}}"),
        "{\"1\": 0",
        deep.as_str(),
    ] {
        for path in [MODULES, CONTENTS] {
            start.teacher.post_json(path, body).await.expect(400);
        }
    }
    let many: serde_json::Map<String, Value> =
        (1..40_000).map(|id| (id.to_string(), json!(0))).collect();
    let many = Value::Object(many).to_string();
    start.teacher.post_json(MODULES, &many).await.expect(400);
    let large = format!("{{\"1\": 0{}}}", " ".repeat(1_100_000));
    start.teacher.post_json(MODULES, &large).await.expect(413);
    assert_eq!(start.orders().await, before);
}

/// Bodies around the interesting ones: own, foreign and unknown ids with places good and bad, and any JSON.
fn bodies(ids: Vec<i64>) -> impl Strategy<Value = String> {
    let order = prop_oneof![
        (0..50_i64).prop_map(|order| json!(order)),
        any::<i64>().prop_map(|order| json!(order)),
        any::<f64>().prop_map(|order| json!(order)),
        "\\PC{0,5}".prop_map(Value::String),
        Just(Value::Null),
    ];
    let id = prop_oneof![
        4 => proptest::sample::select(ids).prop_map(|id| id.to_string()),
        1 => "\\PC{0,5}",
    ];
    let good = proptest::collection::hash_map(id.clone(), (0..50_i64).prop_map(|o| json!(o)), 0..4);
    let any_order = proptest::collection::hash_map(id, order, 0..4);
    prop_oneof![
        3 => good.prop_map(|map| json!(map).to_string()),
        2 => any_order.prop_map(|map| json!(map).to_string()),
        1 => "\\PC{0,40}",
    ]
}

#[test]
fn any_json_is_answered_and_only_own_ids_change() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let start = runtime.block_on(start());
    let foreign: Vec<(i64, i64)> = runtime.block_on(foreign_orders(&start));
    let ids: Vec<i64> = [start.own.modules, start.foreign.modules].concat();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 120,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&bodies(ids), |body| {
        runtime.block_on(async {
            let before = start.orders().await;
            let answer = start.teacher.post_json(MODULES, &body).await;
            let status = answer.status;
            prop_assert!([200, 400, 404].contains(&status), "{} {}", status, body);
            if status != 200 {
                prop_assert_eq!(&start.orders().await, &before, "{}", body);
            }
            prop_assert_eq!(&foreign_orders(&start).await, &foreign, "{}", body);
            Ok(())
        })
    });
    outcome.unwrap();
}

async fn foreign_orders(start: &Start) -> Vec<(i64, i64)> {
    let db = start.site.app.db.read();
    let modules = module::Entity::find().order_by_asc(module::Column::Id);
    let modules = modules.all(db).await.unwrap();
    let foreign = modules
        .into_iter()
        .filter(|module| start.foreign.modules.contains(&module.id));
    foreign.map(|module| (module.id, module.order)).collect()
}

#[tokio::test]
async fn an_owner_who_may_teach_no_more_changes_no_order() {
    let site = TestApp::start().await;
    let owner = site.person("maya", Role::Student).await;
    let course = site.course(owner, "once-hers").await;
    let one = site.module(course.id, "One").await.id;
    let maya = site.login("maya").await;
    maya.get("/students/courses/").await.expect(200);
    let body = json!({ one.to_string(): 7 }).to_string();
    let page = maya.post_json(MODULES, &body).await;
    page.expect(403).has("You do not have permission");
    let row = module::Entity::find_by_id(one)
        .one(site.app.db.read())
        .await;
    assert_eq!(row.unwrap().unwrap().order, 0);
}
