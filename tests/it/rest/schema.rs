//! The schema says what the API does: every path, who may, and what is answered.

use super::{call, courses, get_with, teacher};
use crate::kit::{Role, TestApp};
use lyceum::router;
use reqwest::Method;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use tokio::process::Command;

/// The schema as it is served.
async fn schema(site: &TestApp) -> Value {
    let page = site.visitor().get("/api/schema/").await;
    page.expect(200).json()
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

/// Every operation: its path, its method and what the schema says of it.
fn operations(schema: &Value) -> Vec<(&str, Method, &Value)> {
    let mut all = Vec::new();
    for (path, held) in object(&schema["paths"]) {
        for (method, operation) in object(held) {
            if let "get" | "post" | "put" | "patch" | "delete" = method.as_str() {
                let method = method.to_ascii_uppercase().parse().unwrap();
                all.push((path.as_str(), method, operation));
            }
        }
    }
    all
}

/// What a reference leads to.
fn resolved<'a>(schema: &'a Value, held: &'a Value) -> &'a Value {
    match held["$ref"].as_str() {
        Some(reference) => {
            let found = schema.pointer(reference.trim_start_matches('#'));
            found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
        None => held,
    }
}

/// Whether a value is of one of the types that a schema names.
fn is_of_type(held: &Value, value: &Value) -> bool {
    let is_one = |name: &Value| match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("a type that nothing here has: {other}"),
    };
    match &held["type"] {
        Value::Null => true,
        Value::Array(names) => names.iter().any(is_one),
        name => is_one(name),
    }
}

/// What keeps a value from being what a schema says, member by member; nothing may be there that has no name.
fn misfit(schema: &Value, held: &Value, value: &Value, at: &str) -> Option<String> {
    let held = resolved(schema, held);
    if let Some(any) = held["anyOf"].as_array() {
        let misfits = any.iter().map(|one| misfit(schema, one, value, at));
        let misfits: Vec<Option<String>> = misfits.collect();
        return (!misfits.contains(&None)).then(|| format!("{misfits:?}"));
    }
    // Anything.
    if held.as_object().is_some_and(Map::is_empty) {
        return None;
    }
    if !is_of_type(held, value) {
        return Some(format!("{at} is {value}, not {}", held["type"]));
    }
    if let Some(words) = held["enum"].as_array()
        && !words.contains(value)
    {
        return Some(format!("{at} is {value}, none of {words:?}"));
    }
    if let (Some(longest), Some(text)) = (held["maxLength"].as_u64(), value.as_str())
        && text.chars().count() > usize::try_from(longest).unwrap()
    {
        return Some(format!("{at} is too long: {text}"));
    }
    if let Some(entries) = value.as_array() {
        let items = &held["items"];
        return entries
            .iter()
            .find_map(|entry| misfit(schema, items, entry, &format!("{at}[]")));
    }
    let members = value.as_object()?;
    let missing = held["required"].as_array().into_iter().flatten();
    let mut missing = missing.filter(|name| !members.contains_key(name.as_str().unwrap()));
    if let Some(name) = missing.next() {
        return Some(format!("{at} has no {name}"));
    }
    members.iter().find_map(|(name, member)| {
        let at = format!("{at}.{name}");
        match (&held["properties"][name], &held["additionalProperties"]) {
            (Value::Null, Value::Null | Value::Bool(false)) => Some(format!("{at} has no name")),
            (Value::Null, others) => misfit(schema, others, member, &at),
            (known, _) => misfit(schema, known, member, &at),
        }
    })
}

/// The schema of an answer in JSON.
fn answered<'a>(schema: &'a Value, operation: &'a Value, status: u16) -> &'a Value {
    let answer = &operation["responses"][status.to_string()];
    assert!(!answer.is_null(), "{status} is not told: {operation}");
    &resolved(schema, answer)["content"]["application/json"]["schema"]
}

#[tokio::test]
async fn the_schema_is_openapi_and_costs_no_bytes_when_it_is_known() {
    let site = TestApp::start().await;
    let page = site.visitor().get("/api/schema/").await;
    assert_eq!(page.expect(200).json()["openapi"], "3.1.1");
    assert_eq!(page.header("content-type").unwrap(), "application/json");
    let tag = page.header("etag").unwrap();
    let again = get_with(&site.visitor(), "/api/schema/", "if-none-match", &tag).await;
    again.expect(304);
    let other = site.visitor().get("/api/schema/?format=csv").await;
    other.expect(406);
}

#[tokio::test]
async fn the_command_prints_the_schema_that_is_served() {
    let site = TestApp::start().await;
    // In an empty folder: it needs no site.
    let folder = tempfile::tempdir().unwrap();
    let printed = Command::new(env!("CARGO_BIN_EXE_lyceum"))
        .arg("openapi")
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    assert!(printed.status.success());
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed, schema(&site).await);
    assert!(folder.path().read_dir().unwrap().next().is_none());
}

#[tokio::test]
async fn every_operation_has_a_name_of_its_own_and_its_faults_and_its_example() {
    let site = TestApp::start().await;
    let schema = schema(&site).await;
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&schema) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{name} comes twice");
        assert!(
            !operation["x-permission"].as_str().unwrap().is_empty(),
            "{name}"
        );
        let answers = object(&operation["responses"]);
        assert!(answers.contains_key("401"), "{method} {path}");
        for answer in answers.values() {
            let answer = resolved(&schema, answer);
            assert!(
                !answer["description"].as_str().unwrap().is_empty(),
                "{name}"
            );
            let content = answer["content"].as_object();
            let mut media = content.into_iter().flat_map(Map::values);
            assert!(
                media.all(|media| fits_its_example(&schema, media)),
                "{name}: {answer}"
            );
        }
        // One of the types in which a body may come has it.
        let body = &operation["requestBody"]["content"]["application/json"];
        assert!(
            body.is_null() || fits_its_example(&schema, body),
            "{name}: {body}"
        );
    }
}

/// Whether the example beside a schema is what the schema says; text in other formats has none.
fn fits_its_example(schema: &Value, media: &Value) -> bool {
    let held = &media["schema"];
    match &media["example"] {
        Value::Null => held["type"] == "string" || held.as_object().is_some_and(Map::is_empty),
        example => misfit(schema, held, example, "example").is_none(),
    }
}

#[tokio::test]
async fn visitors_are_refused_where_the_schema_says_so_and_nowhere_else() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = courses(&site, owner, 1).await.remove(0).id;
    let schema = schema(&site).await;
    for (path, method, operation) in operations(&schema) {
        let ways = operation["security"].as_array().unwrap();
        let admits_visitors = ways.iter().any(|way| object(way).is_empty());
        let address = path
            .replace("{id}", &course.to_string())
            .replace("{resource}", "courses");
        let browser = site.visitor();
        let page = browser
            .send(browser.request(method.clone(), &address))
            .await;
        let is_refused = page.status == 401;
        assert_eq!(
            is_refused, !admits_visitors,
            "{method} {path}: {}",
            page.status
        );
        assert!(
            !page.text().is_empty() || page.status == 204,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn what_is_served_is_what_the_schema_says_and_nothing_else() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    site.person("sam", Role::Staff).await;
    let course = courses(&site, owner, 3).await.remove(0).id;
    let schema = schema(&site).await;
    let mut looked_at = 0;
    for (path, method, operation) in operations(&schema) {
        if method != Method::GET || path.starts_with("/api/docs/") {
            continue;
        }
        let address = path.replace("{id}", &course.to_string());
        let is_list = !operation["responses"]["404"].is_null() && !path.contains("{id}");
        let queries: &[&str] = if is_list {
            &["", "?page=1", "?limit=1", "?cursor=&limit=2", "?page=900"]
        } else {
            &[""]
        };
        for query in queries {
            let page = call(&site, Method::GET, &format!("{address}{query}"), "sam").await;
            let held = answered(&schema, operation, page.status);
            let misfit = misfit(&schema, held, &page.json(), "answer");
            assert_eq!(misfit, None, "{address}{query}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 10);
}

#[tokio::test]
async fn a_part_of_a_thing_is_told_as_a_part() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let course = courses(&site, owner, 1).await.remove(0).id;
    let schema = schema(&site).await;
    let operation = &schema["paths"]["/api/courses/{id}/"]["get"];
    let held = answered(&schema, operation, 200);
    let page = site
        .visitor()
        .get(&format!("/api/courses/{course}/?fields=id,title"))
        .await;
    assert_eq!(misfit(&schema, held, &page.json(), "answer"), None);
    let whole = serde_json::json!({"$ref": "#/components/schemas/Course"});
    assert!(misfit(&schema, &whole, &page.json(), "answer").is_some());
}

#[tokio::test]
async fn the_reference_shows_every_operation() {
    let site = TestApp::start().await;
    let schema = schema(&site).await;
    let all = site.visitor().get("/api/docs/").await;
    all.expect(200);
    for (path, method, operation) in operations(&schema) {
        let tag = operation["tags"][0].as_str().unwrap();
        let name = operation["operationId"].as_str().unwrap();
        all.has(&format!("href=\"/api/docs/{tag}/#{name}\""));
        let one = site.visitor().get(&format!("/api/docs/{tag}/")).await;
        one.expect(200).has(&format!("id=\"{name}\"")).has(path);
        if method != Method::GET {
            one.has(&format!("-X {method}"));
        }
    }
    site.visitor().get("/api/docs/nothing/").await.expect(404);
    let moved = site.visitor().get("/api/docs/courses").await;
    moved.expect(301);
}

#[tokio::test]
async fn what_is_answered_is_called_after_the_resource_it_is_of() {
    let site = TestApp::start().await;
    let schema = schema(&site).await;
    let components = object(&schema["components"]["schemas"]);
    // A number at the end says that two things had one name.
    let numbered = |name: &&String| name.ends_with(|c: char| c.is_ascii_digit());
    let numbered: Vec<&String> = components.keys().filter(numbered).collect();
    assert!(numbered.is_empty(), "{numbered:?}");
    for (path, held) in object(&schema["paths"]) {
        let ["", "api", name, "{id}", ""] = path.split('/').collect::<Vec<_>>()[..] else {
            continue;
        };
        let answer = &held["get"]["responses"]["200"];
        let answer = answer["content"]["application/json"]["schema"].to_string();
        let (first, rest) = name.trim_end_matches('s').split_at(1);
        let component = format!("schemas/{}{rest}\"", first.to_uppercase());
        assert!(answer.contains(&component), "{path}: {answer}");
    }
    let upload = &schema["paths"]["/api/contents/{id}/retry/"]["post"];
    let upload = &answered(&schema, upload, 200)["$ref"];
    assert_eq!(upload, "#/components/schemas/Upload");
}

#[tokio::test]
async fn a_new_thing_leads_to_all_that_can_be_done_with_it() {
    let site = TestApp::start().await;
    let schema = schema(&site).await;
    let links = |path: &str| {
        let made = &schema["paths"][path]["post"]["responses"]["201"];
        let links = made["links"].as_object().into_iter().flatten();
        let names = links.map(|(name, link)| {
            assert_eq!(link["parameters"]["id"], "$response.body#/id");
            assert_eq!(link["operationId"], name.as_str());
            name.clone()
        });
        names.collect::<BTreeSet<String>>()
    };
    for (path, below) in [
        ("/api/courses/", "/api/courses/{id}/"),
        ("/api/contents/", "/api/contents/{id}/"),
        ("/api/invitations/", "/api/invitations/{id}/"),
    ] {
        let found = operations(&schema).into_iter();
        let below = found.filter(|(path, ..)| path.starts_with(below));
        let all = below.map(|(.., operation)| operation["operationId"].as_str().unwrap());
        let all: BTreeSet<String> = all.map(str::to_owned).collect();
        assert!(all.len() > 1);
        assert_eq!(links(path), all, "{path}");
    }
}

#[tokio::test]
async fn every_route_of_the_api_stands_in_the_schema_and_the_other_way_round() {
    let site = TestApp::start().await;
    // axum tells its paths only this way.
    let told_by_axum = format!("{:?}", router::routes(&site.app));
    let all: BTreeSet<&str> = told_by_axum
        .split('"')
        .filter(|part| part.starts_with("/api/"))
        .collect();
    let schema = schema(&site).await;
    let told: BTreeSet<&str> = object(&schema["paths"])
        .keys()
        .map(String::as_str)
        .collect();
    // Without the closing slash, and with the name of a format behind it.
    let bare = |path: &str| {
        let stem = ["json", "api", "csv"]
            .iter()
            .find_map(|format| path.strip_suffix(&format!(".{format}")));
        format!("{}/", stem.unwrap_or(path).trim_end_matches('/'))
    };
    let routed: BTreeSet<String> = all
        .iter()
        .filter(|path| **path != "/api/{*path}")
        .map(|path| bare(path))
        .collect();
    let told: BTreeSet<String> = told.into_iter().map(str::to_owned).collect();
    assert!(told.len() > 5);
    assert_eq!(routed, told);
}
