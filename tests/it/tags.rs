//! Values with tags: gone once what they rest on has changed, on every node, and never stored when it changed
//! while they were made.

use crate::kit::TestApp;
use backends::cache::Timeout;
use lyceum::app::App;
use lyceum::error::{Error, Result};
use lyceum::web::tags::Tag;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Barrier, Notify};

const COURSE: Tag = Tag::course(7);

async fn change(app: &App, tags: &[Tag]) {
    let write = app.write().await.unwrap();
    for tag in tags {
        write.changes(*tag);
    }
    write.commit().await.unwrap();
}

/// Asks for the value under `key`, which is made of `made` when there is none.
async fn ask(app: &App, key: &str, tag: Tag, made: &str) -> String {
    let made = made.to_owned();
    app.tagged
        .get_or_set(key, &[tag], Timeout::Forever, || async { Ok(made) })
        .await
        .unwrap()
}

/// Asks for the value of the course under `a`.
async fn ask_for<F: Future<Output = Result<String>>>(
    app: &App,
    make: impl FnOnce() -> F,
) -> String {
    let value = app
        .tagged
        .get_or_set("a", &[COURSE], Timeout::Forever, make);
    value.await.unwrap()
}

#[tokio::test]
async fn a_value_is_gone_once_one_of_its_tags_changes_and_stays_when_others_do() {
    let site = TestApp::start().await;
    assert_eq!(ask(&site.app, "a", COURSE, "one").await, "one");
    change(&site.app, &[Tag::course(8), Tag::catalogue()]).await;
    assert_eq!(ask(&site.app, "a", COURSE, "two").await, "one");
    change(&site.app, &[Tag::catalogue(), COURSE]).await;
    assert_eq!(ask(&site.app, "a", COURSE, "two").await, "two");
}

#[tokio::test]
async fn a_change_that_is_not_committed_changes_nothing() {
    let site = TestApp::start().await;
    ask(&site.app, "a", COURSE, "one").await;
    let write = site.app.write().await.unwrap();
    write.changes(COURSE);
    drop(write);
    assert_eq!(ask(&site.app, "a", COURSE, "two").await, "one");
}

#[tokio::test]
async fn what_was_read_before_a_change_is_not_stored_after_it() {
    let site = TestApp::start().await;
    let app = site.app.clone();
    let old = site
        .app
        .tagged
        .get_or_set("a", &[COURSE], Timeout::Forever, || async move {
            change(&app, &[COURSE]).await;
            Ok("old".to_owned())
        });
    assert_eq!(old.await.unwrap(), "old");
    assert_eq!(ask(&site.app, "a", COURSE, "new").await, "new");
}

#[tokio::test]
async fn tags_that_are_noted_on_the_way_count_like_the_others() {
    let site = TestApp::start().await;
    let make = async |words: &'static str| -> String {
        let made = site.app.tagged.get_or_set_noting(
            "a",
            &[COURSE],
            Timeout::Forever,
            |noting| async move {
                noting.note(&[Tag::upload(3)]).await?;
                Ok(words.to_owned())
            },
        );
        made.await.unwrap()
    };
    assert_eq!(make("one").await, "one");
    assert_eq!(make("two").await, "one");
    change(&site.app, &[Tag::upload(3)]).await;
    assert_eq!(make("two").await, "two");
    change(&site.app, &[COURSE]).await;
    assert_eq!(make("three").await, "three");
}

#[tokio::test]
async fn many_that_ask_at_once_share_one_computation() {
    let site = TestApp::start().await;
    let made = Arc::new(AtomicUsize::new(0));
    let (all_here, go) = (Arc::new(Barrier::new(201)), Arc::new(Notify::new()));
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (app, made) = (site.app.clone(), Arc::clone(&made));
        let (all_here, go) = (Arc::clone(&all_here), Arc::clone(&go));
        let compute = async move || {
            made.fetch_add(1, Ordering::SeqCst);
            go.notified().await;
            Ok("one".to_owned())
        };
        askers.spawn(async move {
            all_here.wait().await;
            ask_for(&app, compute).await
        });
    }
    all_here.wait().await;
    go.notify_one();
    let values = askers.join_all().await;
    assert!(values.iter().all(|value| value == "one"));
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_asks_after_a_change_is_not_given_what_was_being_made_before_it() {
    let site = TestApp::start().await;
    let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let early = {
        let (app, began, go) = (site.app.clone(), Arc::clone(&began), Arc::clone(&go));
        let compute = async move || {
            began.notify_one();
            go.notified().await;
            Ok("old".to_owned())
        };
        tokio::spawn(async move { ask_for(&app, compute).await })
    };
    began.notified().await;
    change(&site.app, &[COURSE]).await;
    let late = {
        let app = site.app.clone();
        tokio::spawn(async move { ask(&app, "a", COURSE, "new").await })
    };
    go.notify_one();
    assert_eq!(early.await.unwrap(), "old");
    assert_eq!(late.await.unwrap(), "new");
    assert_eq!(ask(&site.app, "a", COURSE, "never").await, "new");
}

#[tokio::test]
async fn an_error_is_given_to_the_one_who_computed_and_stored_nowhere() {
    let site = TestApp::start().await;
    let failing = site
        .app
        .tagged
        .get_or_set("a", &[COURSE], Timeout::Forever, || async {
            Result::<String>::Err(Error::NotFound)
        });
    assert!(matches!(failing.await, Err(Error::NotFound)));
    assert_eq!(ask(&site.app, "a", COURSE, "one").await, "one");
}

#[tokio::test]
async fn ten_thousand_values_under_one_tag_are_gone_with_one_statement() {
    let site = TestApp::start().await;
    for number in 0..10_000 {
        ask(&site.app, &format!("k{number}"), COURSE, "old").await;
    }
    let before = site.app.db.statements();
    change(&site.app, &[COURSE]).await;
    let cost = site.app.db.statements() - before;
    assert!(cost <= 3, "the version and the event, but {cost}");
    for number in 0..10_000 {
        let value = ask(&site.app, &format!("k{number}"), COURSE, "new").await;
        assert_eq!(value, "new", "{number}");
    }
}

#[tokio::test]
async fn a_value_that_is_there_costs_no_statement() {
    let site = TestApp::start().await;
    ask(&site.app, "a", COURSE, "one").await;
    let before = site.app.db.statements();
    ask(&site.app, "a", COURSE, "two").await;
    assert_eq!(site.app.db.statements(), before);
}

#[tokio::test]
async fn a_transaction_that_changes_thousands_of_tags_tells_them_all() {
    let site = TestApp::start().await;
    let tags: Vec<Tag> = (0..2_500).map(Tag::upload).collect();
    let seen = site.app.tags.note(&tags).await.unwrap();
    let some = site.app.tags.note(&[Tag::upload(1_777)]).await.unwrap();
    assert!(site.app.tags.is_current(&seen).await.unwrap());
    change(&site.app, &tags).await;
    assert!(!site.app.tags.is_current(&some).await.unwrap());
    let now = site.app.tags.note(&tags).await.unwrap();
    let grown = seen.tags().iter().zip(now.tags());
    assert!(grown.clone().count() == tags.len());
    assert!(grown.into_iter().all(|(old, new)| new.1 > old.1));
}

#[tokio::test]
async fn writers_that_change_the_same_tags_in_any_order_all_get_through() {
    let site = TestApp::start().await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..20 {
        let app = site.app.clone();
        writers.spawn(async move {
            let mut tags: Vec<Tag> = (0..30).map(Tag::course).collect();
            tags.rotate_left(number);
            change(&app, &tags).await;
        });
    }
    // One that was chosen to break a dead-lock would have panicked.
    assert_eq!(writers.join_all().await.len(), 20);
    let seen = site.app.tags.note(&[Tag::course(0)]).await.unwrap();
    assert!(seen.tags()[0].1 > 0);
}

#[tokio::test]
async fn a_database_that_is_restored_never_comes_to_versions_from_after_its_copy() {
    use lyceum::entities::tag_version::{self, Entity};
    use sea_orm::{
        ActiveModelTrait as _, ActiveValue::Set, EntityTrait as _, IntoActiveModel as _,
    };
    let site = TestApp::start().await;
    let row = async || {
        let found = Entity::find_by_id("course:7").one(site.app.db.read()).await;
        found.unwrap().unwrap()
    };
    change(&site.app, &[COURSE]).await;
    let copied = row().await;
    change(&site.app, &[COURSE]).await;
    let lost = row().await;
    let mut back: tag_version::ActiveModel = lost.clone().into_active_model();
    back.version = Set(copied.version);
    back.update(site.app.db.writer()).await.unwrap();
    change(&site.app, &[COURSE]).await;
    assert!(row().await.version > lost.version);
}
