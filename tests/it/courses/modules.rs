//! All modules of a course in one form.

use crate::kit::{Browser, Page, Role, TestApp};
use lyceum::entities::{content, item, module};
use sea_orm::{EntityTrait, PaginatorTrait, QueryOrder};

/// A teacher with a course of two modules.
struct Start {
    site: TestApp,
    teacher: Browser,
    course: i64,
    modules: [i64; 2],
    path: String,
}

async fn start() -> Start {
    let site = TestApp::start().await;
    let owner = site.person("owner", Role::Instructor).await;
    let course = site.course(owner, "strings").await.id;
    let one = site.module(course, "One").await.id;
    let two = site.module(course, "Two").await.id;
    let teacher = site.login("owner").await;
    Start {
        path: format!("/course/{course}/module/"),
        modules: [one, two],
        site,
        teacher,
        course,
    }
}

impl Start {
    async fn send(&self, fields: &[(&str, &str)]) -> Page {
        self.teacher.post(&self.path, fields).await
    }

    /// Title and order of every module of the course, in their order.
    async fn stored(&self) -> Vec<(String, i64)> {
        let modules = module::Entity::find()
            .order_by_asc(module::Column::Order)
            .order_by_desc(module::Column::Id)
            .all(self.site.app.db.read())
            .await
            .unwrap();
        let of_course = modules
            .into_iter()
            .filter(|module| module.course_id == self.course);
        of_course
            .map(|module| (module.title, module.order))
            .collect()
    }

    async fn assert_unchanged(&self) {
        let expected = [("One".to_owned(), 0), ("Two".to_owned(), 1)];
        assert_eq!(self.stored().await, expected);
    }
}

#[tokio::test]
async fn one_form_adds_renames_describes_and_deletes() {
    let start = start().await;
    let [one, two] = start.modules.map(|id| id.to_string());
    start.site.text(start.modules[1], "Text", "words").await;
    let page = start.teacher.get(&start.path).await;
    page.expect(200)
        .has("name=\"modules-TOTAL_FORMS\" value=\"4\"")
        .has("name=\"modules-INITIAL_FORMS\" value=\"2\"")
        .has(&format!("name=\"modules-0-id\" value=\"{one}\""))
        .has("name=\"modules-3-title\"")
        .has("name=\"modules-1-DELETE\"");
    let saved = start
        .send(&[
            ("modules-TOTAL_FORMS", "4"),
            ("modules-INITIAL_FORMS", "2"),
            ("modules-0-id", &one),
            ("modules-0-title", "First"),
            ("modules-0-description", "Bow and\r\nair."),
            ("modules-1-id", &two),
            ("modules-1-title", ""),
            ("modules-1-DELETE", "on"),
            ("modules-2-title", "Third"),
            ("modules-2-description", ""),
            ("modules-3-title", ""),
            ("modules-3-description", ""),
        ])
        .await;
    saved.expect(303);
    let stored = start.stored().await;
    assert_eq!(stored, [("First".to_owned(), 0), ("Third".to_owned(), 1)]);
    let db = start.site.app.db.read();
    let first = module::Entity::find_by_id(start.modules[0]).one(db).await;
    assert_eq!(first.unwrap().unwrap().description, "Bow and\nair.");
    assert_eq!(content::Entity::find().count(db).await.unwrap(), 0);
    assert_eq!(item::Entity::find().count(db).await.unwrap(), 0);
}

#[tokio::test]
async fn every_fault_is_told_at_once_and_nothing_is_saved() {
    let start = start().await;
    let [one, two] = start.modules.map(|id| id.to_string());
    let long = "x".repeat(201);
    let page = start
        .send(&[
            ("modules-TOTAL_FORMS", "3"),
            ("modules-INITIAL_FORMS", "2"),
            ("modules-0-id", &one),
            ("modules-0-title", ""),
            ("modules-1-id", &two),
            ("modules-1-title", &long),
            ("modules-2-title", ""),
            ("modules-2-description", "A description without a title"),
        ])
        .await;
    page.expect(422)
        .has("3 things to mend")
        .has("A description without a title")
        .has(&long);
    for index in 0..3 {
        page.has(&format!("id=\"modules-{index}-title-fault\""))
            .has(&format!("href=\"#modules-{index}-title\""));
    }
    start.assert_unchanged().await;
}

#[tokio::test]
async fn a_form_that_does_not_say_what_it_holds_gets_a_sentence() {
    let start = start().await;
    for (total, initial) in [
        ("", ""),
        ("x", "0"),
        ("-1", "0"),
        ("1", "2"),
        ("1.5", "0"),
        ("99999999999999999999999", "0"),
        ("1000000000", "0"),
    ] {
        let fields = [
            ("modules-TOTAL_FORMS", total),
            ("modules-INITIAL_FORMS", initial),
            ("modules-0-title", "New"),
        ];
        start.send(&fields).await.expect(400);
    }
    start.send(&[]).await.expect(400).has("reload the page");
    start.assert_unchanged().await;
}

#[tokio::test]
async fn ids_of_another_course_are_404_and_nothing_is_changed() {
    let start = start().await;
    let other = start.site.person("other", Role::Instructor).await;
    let course = start.site.course(other, "other").await.id;
    let foreign = start.site.module(course, "Foreign").await.id.to_string();
    let own = start.modules[0].to_string();
    for id in [foreign.as_str(), "999999", "x", "-1"] {
        let fields = [
            ("modules-TOTAL_FORMS", "2"),
            ("modules-INITIAL_FORMS", "2"),
            ("modules-0-id", own.as_str()),
            ("modules-0-title", "Changed"),
            ("modules-1-id", id),
            ("modules-1-title", "Stolen"),
            ("modules-1-DELETE", "on"),
        ];
        start.send(&fields).await.expect(404);
    }
    let twice = [
        ("modules-TOTAL_FORMS", "2"),
        ("modules-INITIAL_FORMS", "2"),
        ("modules-0-id", own.as_str()),
        ("modules-0-title", "Changed"),
        ("modules-1-id", own.as_str()),
        ("modules-1-title", "Changed again"),
    ];
    start.send(&twice).await.expect(400);
    start.assert_unchanged().await;
    let modules = module::Entity::find().count(start.site.app.db.read());
    assert_eq!(modules.await.unwrap(), 3);
}

#[tokio::test]
async fn modules_added_at_once_get_places_of_their_own() {
    let start = start().await;
    let add = |title: &'static str| async move {
        let fields = [
            ("modules-TOTAL_FORMS", "1"),
            ("modules-INITIAL_FORMS", "0"),
            ("modules-0-title", title),
        ];
        (title, fields)
    };
    let (a, b, c) = futures::join!(add("A"), add("B"), add("C"));
    let pages = futures::join!(start.send(&a.1), start.send(&b.1), start.send(&c.1));
    for page in [&pages.0, &pages.1, &pages.2] {
        page.expect(303);
    }
    let stored = start.stored().await;
    let orders: Vec<i64> = stored.iter().map(|(_, order)| *order).collect();
    assert_eq!(orders, [0, 1, 2, 3, 4], "{stored:?}");
}
