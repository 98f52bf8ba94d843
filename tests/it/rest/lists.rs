//! Pages of lists, their order, filters and search; what they cost.

use super::{call, courses, set_draft, teacher};
use crate::kit::{Browser, Page, Role, TestApp};
use reqwest::Method;
use serde_json::{Value, json};

fn ids(list: &Value) -> Vec<i64> {
    let rows = list.as_array().unwrap();
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

/// All ids on the way along `next` (or `previous`), with every page on that way.
async fn walk(
    site: &TestApp,
    browser: &Browser,
    start: &str,
    along: &str,
) -> (Vec<i64>, Vec<Value>) {
    let (mut all, mut pages) = (Vec::new(), Vec::new());
    let mut path = start.to_owned();
    loop {
        let page = browser.get(&path).await.expect(200).json();
        all.extend(ids(&page["results"]));
        let next = page[along]
            .as_str()
            .map(|url| url.strip_prefix(&site.url).unwrap().to_owned());
        pages.push(page);
        match next {
            Some(next) => path = next,
            None => return (all, pages),
        }
    }
}

#[tokio::test]
async fn pages_by_number_by_offset_and_by_cursor_show_every_course_once() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let made = courses(&site, owner, 7).await;
    let newest_first: Vec<i64> = made.iter().rev().map(|course| course.id).collect();
    let browser = site.visitor();
    for start in [
        "/api/courses/?page=1&page_size=3",
        "/api/courses/?page_size=3",
        "/api/courses/?limit=3",
        "/api/courses/?cursor=&limit=3",
        "/api/courses/?cursor=&limit=3&ordering=-created",
        "/api/courses/?limit=100",
        "/api/courses/?cursor=",
    ] {
        let (all, pages) = walk(&site, &browser, start, "next").await;
        assert_eq!(all, newest_first, "{start}");
        let is_cursor = start.contains("cursor");
        assert_eq!(pages[0].get("count").is_none(), is_cursor, "{start}");
        assert!(is_cursor || pages[0]["count"] == 7, "{start}");
        assert_eq!(pages[0]["previous"], Value::Null, "{start}");
    }
}

#[tokio::test]
async fn the_way_back_by_cursor_shows_the_same_pages() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    courses(&site, owner, 8).await;
    let browser = site.visitor();
    let (_, there) = walk(&site, &browser, "/api/courses/?cursor=&limit=3", "next").await;
    let last = there.last().unwrap()["previous"].as_str().unwrap();
    let path = last.strip_prefix(&site.url).unwrap();
    let (_, back) = walk(&site, &browser, path, "previous").await;
    let expected: Vec<_> = there
        .iter()
        .rev()
        .skip(1)
        .map(|page| ids(&page["results"]))
        .collect();
    let found: Vec<_> = back.iter().map(|page| ids(&page["results"])).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn courses_of_one_moment_and_title_are_neither_skipped_nor_shown_twice() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let now = site.clock.now();
    for at in 0..7 {
        site.course_with(owner, &format!("same-{at}"), |row| {
            row.title = sea_orm::ActiveValue::Set("Same".into());
            row.created_at = sea_orm::ActiveValue::Set(now);
        })
        .await;
    }
    let browser = site.visitor();
    for ordering in ["-created", "created", "title", "-title,created", "id"] {
        let whole = browser
            .get(&format!("/api/courses/?ordering={ordering}"))
            .await;
        for way in ["cursor=&limit=2", "limit=2", "page_size=2"] {
            let start = format!("/api/courses/?{way}&ordering={ordering}");
            let (all, _) = walk(&site, &browser, &start, "next").await;
            assert_eq!(all, ids(&whole.json()), "{start}");
        }
    }
}

#[tokio::test]
async fn a_course_that_arrives_meanwhile_moves_nothing_on_the_way_by_cursor() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let made = courses(&site, owner, 4).await;
    let browser = site.visitor();
    let first = browser
        .get("/api/courses/?cursor=&limit=2")
        .await
        .expect(200)
        .json();
    site.course(owner, "newer").await;
    let next = first["next"]
        .as_str()
        .unwrap()
        .strip_prefix(&site.url)
        .unwrap();
    let second = browser.get(next).await.expect(200).json();
    assert_eq!(ids(&second["results"]), [made[1].id, made[0].id]);
}

#[tokio::test]
async fn the_ways_to_other_pages_stand_in_the_headers_too() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    courses(&site, owner, 5).await;
    let browser = site.visitor();
    let page = browser
        .get("/api/courses.csv?page=2&page_size=2&fields=slug")
        .await;
    assert_eq!(
        page.expect(200).text(),
        "slug\r\ncourse-002\r\ncourse-001\r\n"
    );
    let links = page.header("link").unwrap();
    let to = |number: u32, relation: &str| {
        format!(
            "<{}/api/courses.csv?page_size=2&fields=slug&page={number}>; rel=\"{relation}\"",
            site.url
        )
    };
    assert_eq!(
        links,
        [to(1, "first"), to(1, "prev"), to(3, "next"), to(3, "last")].join(", ")
    );
}

#[tokio::test]
async fn a_page_that_cannot_be_is_404_and_a_value_that_cannot_be_read_400() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    courses(&site, owner, 3).await;
    let browser = site.visitor();
    for query in [
        "page=0",
        "page=-1",
        "page=99",
        "page=99999999999999999999",
        "page=2",
    ] {
        let page = browser.get(&format!("/api/courses/?{query}")).await;
        assert_eq!(
            page.expect(404).json(),
            json!({"detail": "Invalid page."}),
            "{query}"
        );
    }
    for query in [
        "page=x",
        "page=1.5",
        "page_size=x",
        "page_size=0",
        "page_size=-3",
        "limit=x",
        "limit=0",
        "limit=-1",
        "offset=x",
        "offset=-1",
        "offset=99999999999999999999",
        "cursor=x",
        "cursor=W10",
        "page=1&limit=2",
        "cursor=&page=1",
        "ordering=password",
        "ordering=-",
        "subject=x",
        "owner=x",
        "draft=perhaps",
        "fields=,",
        "search=%00",
    ] {
        let page = browser.get(&format!("/api/courses/?{query}")).await;
        assert_eq!(page.status, 400, "{query}: {}", page.text());
        assert!(page.json().is_object(), "{query}");
    }
    let last = browser.get("/api/courses/?page=last&page_size=2").await;
    assert_eq!(
        last.expect(200).json()["results"].as_array().map(Vec::len),
        Some(1)
    );
    let beyond = browser
        .get("/api/courses/?limit=2&offset=9223372036854775807")
        .await;
    assert_eq!(beyond.expect(200).json()["results"], json!([]));
    let much = browser.get("/api/courses/?page_size=99999999").await;
    much.expect(200);
}

#[tokio::test]
async fn lists_are_filtered_searched_and_ordered() {
    let site = TestApp::start().await;
    let ingrid = teacher(&site).await;
    let hugo = site.person("hugo", Role::Instructor).await;
    let bow = site.course(ingrid, "bow-hold").await;
    let sums = site.course(hugo, "sums").await;
    let physics = site.subject("physics").await;
    let light = site
        .course_with(hugo, "light", |row| {
            row.subject_id = sea_orm::ActiveValue::Set(physics);
        })
        .await;
    let browser = site.visitor();
    let expect = async |query: &str, expected: &[i64]| {
        let page = browser.get(&format!("/api/courses/?{query}")).await;
        assert_eq!(ids(&page.expect(200).json()), expected, "{query}");
    };
    expect(&format!("subject={physics}"), &[light.id]).await;
    expect(&format!("owner={hugo}"), &[light.id, sums.id]).await;
    expect("slug=sums", &[sums.id]).await;
    expect("search=hold", &[bow.id]).await;
    expect("search=sums", &[sums.id]).await;
    expect("search=%22%27)%20OR%201=1", &[]).await;
    expect("search=?!", &[]).await;
    expect("ordering=title", &[bow.id, light.id, sums.id]).await;
    expect(
        "ordering=created&owner=&unknown=1",
        &[bow.id, sums.id, light.id],
    )
    .await;
    let mine = call(&site, Method::GET, "/api/courses/?owner=me", "ingrid").await;
    assert_eq!(ids(&mine.expect(200).json()), [bow.id]);
    browser.get("/api/courses/?owner=me").await.expect(401);
}

#[tokio::test]
async fn drafts_are_counted_and_shown_nowhere() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    let made = courses(&site, owner, 3).await;
    set_draft(&site, made[1].id, true).await;
    let browser = site.visitor();
    for query in ["", "search=course", "ordering=title"] {
        let page = browser.get(&format!("/api/courses/?{query}")).await;
        assert_eq!(ids(&page.expect(200).json()).len(), 2, "{query}");
    }
    let page = browser.get("/api/courses/?page=1").await.expect(200).json();
    assert_eq!(page["count"], 2);
}

#[tokio::test]
async fn a_list_costs_as_many_queries_for_200_courses_as_for_20() {
    let site = TestApp::start_with(&[("cache", "off:")]).await;
    let owner = teacher(&site).await;
    courses(&site, owner, 20).await;
    let browser = site.visitor();
    let paths = [
        "/api/courses/",
        "/api/courses/?limit=100",
        "/api/courses/?search=course",
        "/api/courses.csv",
    ];
    // Once, so that everything is connected.
    browser.get(paths[0]).await.expect(200);
    let cost = async || {
        let mut costs = Vec::new();
        for path in paths {
            costs.push(site.statements_of(browser.get(path)).await);
        }
        costs
    };
    let for_twenty = cost().await;
    for at in 20..200 {
        let course = site.course(owner, &format!("course-{at:03}")).await;
        site.module(course.id, "Only").await;
    }
    assert_eq!(cost().await, for_twenty);
    assert!(for_twenty.iter().all(|cost| *cost <= 4), "{for_twenty:?}");
}

#[tokio::test]
async fn a_list_of_many_megabytes_is_sent_whole() {
    let site = TestApp::start().await;
    let owner = teacher(&site).await;
    // Over 4 MB, and more courses than are read at once.
    for at in 0..520 {
        site.course_with(owner, &format!("course-{at:03}"), |row| {
            row.overview = sea_orm::ActiveValue::Set("x".repeat(9_000));
        })
        .await;
    }
    let browser = site.visitor();
    for _ in 0..2 {
        let page: Page = browser.get("/api/courses/").await;
        assert!(page.expect(200).bytes.len() > 4_600_000);
        assert_eq!(ids(&page.json()).len(), 520);
        assert!(page.header("etag").is_none());
    }
    let table = browser.get("/api/courses/?format=csv&fields=slug").await;
    assert_eq!(table.expect(200).text().lines().count(), 521);
}
