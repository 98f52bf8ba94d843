//! The catalogue.

use crate::kit::{Role, TestApp};
use lyceum::entities::{done_mark, item::ItemKind};
use sea_orm::{ActiveValue::Set, EntityTrait};

/// Where each title stands in the page.
fn places(page: &str, titles: &[&str]) -> Vec<usize> {
    titles
        .iter()
        .map(|title| {
            page.find(&format!(">{title}</a>"))
                .unwrap_or_else(|| panic!("{title} is missing:\n{page}"))
        })
        .collect()
}

#[tokio::test]
async fn the_catalogue_shows_published_courses_newest_first_with_their_subject_and_teacher() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    let older = site.course(teacher, "first-light").await;
    site.course(teacher, "second-sight").await;
    site.module(older.id, "One").await;
    site.module(older.id, "Two").await;
    let page = site.visitor().get("/").await;
    page.expect(200)
        .has("2 courses")
        .has("2 modules")
        .has("0 modules")
        .has("ingrid")
        .has(">Music</p>")
        .has("<svg class=\"cover subject-1\"");
    let places = places(&page.text(), &["second sight", "first light"]);
    assert!(places[0] < places[1]);
}

#[tokio::test]
async fn a_draft_is_listed_for_nobody_and_counts_nowhere() {
    let site = TestApp::start().await;
    let teacher = site.login_as("ingrid", Role::Instructor).await;
    let owner = site.person("owner", Role::Instructor).await;
    site.course(owner, "seen").await;
    site.draft(owner, "unpublished").await;
    let owner = site.login("owner").await;
    for browser in [&site.visitor(), &teacher, &owner] {
        let page = browser.get("/").await;
        page.expect(200).has("1 course.").lacks("unpublished");
        page.has("Music <span class=\"count\">1</span>");
    }
    let found = owner.get("/?q=unpublished").await;
    found.expect(200).has("No course has these words");
}

#[tokio::test]
async fn a_subject_lists_its_own_courses_and_every_subject_has_its_count() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    let physics = site.subject("physics").await;
    site.course(teacher, "a-song").await;
    site.course_with(teacher, "a-wave", |row| row.subject_id = Set(physics))
        .await;
    let page = site.visitor().get("/course/subject/physics/").await;
    page.expect(200).has("a wave").lacks("a song");
    for subject in ["Music", "Physics"] {
        page.has(&format!("{subject} <span class=\"count\">1</span>"));
    }
    page.has("Mathematics <span class=\"count\">0</span>");
    let none = site.visitor().get("/course/subject/mathematics/").await;
    none.expect(200)
        .has("No course in Mathematics yet")
        .has("href=\"/\"");
    site.visitor()
        .get("/course/subject/alchemy/")
        .await
        .expect(404);
}

#[tokio::test]
async fn an_empty_site_says_what_to_do() {
    let site = TestApp::start().await;
    let page = site.visitor().get("/").await;
    page.expect(200)
        .has("No courses yet")
        .lacks("/course/create/");
    let teacher = site.login_as("ingrid", Role::Instructor).await;
    let page = teacher.get("/").await;
    page.expect(200)
        .has("Write the first one")
        .has("/course/create/");
}

#[tokio::test]
async fn a_search_finds_beginnings_of_words_in_titles_and_overviews_best_match_first() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    site.course_with(teacher, "violins", |row| {
        row.title = Set("Violins".into());
    })
    .await;
    site.course_with(teacher, "other", |row| {
        row.title = Set("Strings at large".into());
        row.overview = Set("Cellos, lutes, and a word on violins too.".into());
    })
    .await;
    let visitor = site.visitor();
    let page = visitor.get("/?q=viol").await;
    page.expect(200).has("2 courses found for “viol”");
    let found = places(&page.text(), &["Violins", "Strings at large"]);
    assert!(found[0] < found[1], "the title counts for more");
    let newest = visitor.get("/?q=viol&sort=newest").await;
    let found = places(&newest.text(), &["Strings at large", "Violins"]);
    assert!(found[0] < found[1], "the asked order holds in a search");
    visitor
        .get("/?q=cello+string")
        .await
        .expect(200)
        .has("1 course found")
        .has("Strings at large");
    visitor
        .get("/?q=zither")
        .await
        .expect(200)
        .has("Nothing found for “zither”")
        .has("No course has these words");
    let here = visitor.get("/course/subject/physics/?q=viol").await;
    here.expect(200).has("Nothing found");
}

#[tokio::test]
async fn a_changed_course_is_found_by_its_new_words_only() {
    let site = TestApp::start().await;
    let teacher = site.login_as("ingrid", Role::Instructor).await;
    let subject = site.subject("music").await.to_string();
    let fields = |title| {
        [
            ("subject", subject.clone()),
            ("title", String::from(title)),
            ("slug", "course".to_owned()),
            ("overview", "Words.".to_owned()),
        ]
    };
    let post = async |path: &str, title| {
        let fields = fields(title);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        teacher.post(path, &fields).await
    };
    let made = post("/course/create/", "Ocarina").await;
    made.expect(303);
    let id = made.location();
    let id = id.split('/').nth(2).unwrap();
    post(&format!("/course/{id}/edit/"), "Bassoon")
        .await
        .expect(303);
    let visitor = site.visitor();
    visitor.get("/?q=ocarina").await.has("Nothing found");
    visitor.get("/?q=bassoon").await.has("1 course found");
    teacher
        .post(&format!("/course/{id}/delete/"), &[])
        .await
        .expect(303);
    visitor.get("/?q=bassoon").await.has("Nothing found");
}

#[tokio::test]
async fn any_search_and_any_page_is_answered() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    site.course(teacher, "only").await;
    for query in [
        "q=%22",
        "q=%00",
        "q=*",
        "q='%20OR%201=1",
        "q=NEAR(a%20b)",
        "q=%F0%9F%8E%BB",
        "q=the",
        "q=-only",
        "q=title:only",
        "q=%FF%FE",
        "sort=nonsense",
        "sort=relevance",
        "page=x",
        "page=-1",
        "page=0",
        "page=99999999999999999999999",
        "page=18446744073709551615",
        "page=",
        "page=1e3",
        "q=%C2%B2",
        "q=%E1%9C%B4",
    ] {
        site.visitor().get(&format!("/?{query}")).await.expect(200);
    }
    let long = "ab ".repeat(1_000).replace(' ', "+");
    site.visitor().get(&format!("/?q={long}")).await.expect(200);
}

#[tokio::test]
async fn what_was_searched_for_is_shown_and_never_run() {
    let site = TestApp::start().await;
    let page = site
        .visitor()
        .get("/?q=%3Cscript%3Ealert(1)%3C/script%3E")
        .await;
    page.expect(200).lacks("<script>alert").has("alert(1)");
}

#[tokio::test]
async fn pages_hold_24_courses_and_a_page_too_far_is_the_last() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    for number in 0..26 {
        site.course(teacher, &format!("course-{number:02}")).await;
    }
    let visitor = site.visitor();
    let first = visitor.get("/").await;
    assert_eq!(first.text().matches("<article").count(), 24);
    first.has("1 to 24 of 26").has("href=\"/?page=2\"");
    for page in ["2", "99999"] {
        let last = visitor.get(&format!("/?page={page}")).await;
        assert_eq!(last.text().matches("<article").count(), 2);
        last.has("25 to 26 of 26").has(">course 00</a>");
    }
    let unreadable = visitor.get("/?page=two").await;
    unreadable.expect(200).has("1 to 24 of 26");
    let titles = visitor.get("/?sort=title&page=2").await;
    titles
        .has(">course 24</a>")
        .has(">course 25</a>")
        .has("href=\"/?sort=title&#38;page=1\"");
    let found = visitor.get("/?q=course&sort=title&page=2").await;
    found.has(">course 25</a>").has("25 to 26 of 26");
}

#[tokio::test]
async fn equal_times_and_titles_are_parted_by_id_newest_first() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    let now = site.clock.now();
    for slug in ["made-first", "made-last"] {
        site.course_with(teacher, slug, |row| {
            row.title = Set("Twin".into());
            row.created_at = Set(now);
        })
        .await;
    }
    for path in ["/", "/?sort=title", "/?q=twin", "/course/subject/music/"] {
        let page = site.visitor().get(path).await.text();
        let place = |slug: &str| page.find(&format!("/course/{slug}/")).unwrap();
        assert!(place("made-last") < place("made-first"), "{path}");
    }
}

#[tokio::test]
async fn a_card_says_how_long_the_ready_recordings_play_and_how_far_one_is() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    let student = site.person("maya", Role::Student).await;
    let course = site.course(teacher, "film").await;
    let module = site.module(course.id, "One").await;
    let film = site.film(teacher, 11_400.0).await;
    let watched = site
        .content(module.id, "Film", |row| {
            row.kind = Set(ItemKind::Video);
            row.upload_id = Set(Some(film.id));
        })
        .await;
    site.text(module.id, "Text", "words").await;
    site.text(module.id, "Text", "words").await;
    site.enrollment(student, course.id).await;
    let mark = done_mark::ActiveModel {
        user_id: Set(student),
        content_id: Set(watched.id),
        created_at: Set(site.clock.now()),
    };
    done_mark::Entity::insert(mark)
        .exec_without_returning(site.app.db.writer())
        .await
        .unwrap();
    let maya = site.login("maya").await;
    maya.get("/")
        .await
        .has("3 h 10 min")
        .has("<span>33 %</span>");
    let visitor = site.visitor();
    visitor.get("/").await.has("3 h 10 min").lacks("<progress");
    let other = site.login_as("tom", Role::Student).await;
    other.get("/").await.lacks("<progress");
}

#[tokio::test]
async fn a_page_costs_as_many_queries_for_300_courses_as_for_3() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    let student = site.person("maya", Role::Student).await;
    let maya = site.login("maya").await;
    let visitor = site.visitor();
    let add = async |from: i64, to: i64| {
        for number in from..to {
            let course = site.course(teacher, &format!("course-{number}")).await;
            let module = site.module(course.id, "One").await;
            site.text(module.id, "Text", "words").await;
            site.enrollment(student, course.id).await;
        }
    };
    let cost = async || {
        let mut costs = Vec::new();
        for path in ["/", "/?q=course", "/course/subject/music/?sort=title"] {
            costs.push(site.statements_of(visitor.get(path)).await);
            costs.push(site.statements_of(maya.get(path)).await);
        }
        costs
    };
    add(0, 2).await;
    cost().await;
    // Each change ends what was kept.
    add(2, 3).await;
    let few = cost().await;
    add(3, 300).await;
    let many = cost().await;
    assert_eq!(few, many);
    assert!(many.iter().all(|cost| (1..=12).contains(cost)), "{many:?}");
}

#[tokio::test]
async fn pages_of_anonymous_visitors_set_no_cookie_and_hold_no_token() {
    let site = TestApp::start().await;
    let teacher = site.person("ingrid", Role::Instructor).await;
    site.course(teacher, "open").await;
    for path in ["/", "/?q=open", "/course/subject/music/", "/course/open/"] {
        let page = site.visitor().get(path).await;
        page.expect(200).lacks("csrfmiddlewaretoken");
        assert_eq!(page.header("set-cookie"), None, "{path}");
    }
}
