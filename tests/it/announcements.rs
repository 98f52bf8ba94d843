//! Announcements: to everybody, a course or a group; once each, however often the job is begun.

use crate::kit::{Browser, Page, Role, TestApp};
use lyceum::admin::announcements::SendAnnouncement;
use lyceum::entities::announcement::{self, AnnouncementState};
use lyceum::entities::{message, user};
use lyceum::jobs::{self, Job as _};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, EntityTrait, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _,
};

async fn write(staff: &Browser, audience: &str, text: &str, is_sure: bool) -> Page {
    let mut fields = vec![("audience", audience), ("text", text), ("link", "")];
    if is_sure {
        fields.push(("sure", "yes"));
    }
    staff.post("/admin/announcements/", &fields).await
}

async fn told(site: &TestApp, user_id: i64) -> Vec<String> {
    let rows = message::Entity::find()
        .filter(message::Column::RecipientId.eq(user_id))
        .order_by_asc(message::Column::Id);
    let rows = rows.all(site.app.db.read()).await.unwrap();
    rows.into_iter().map(|row| row.text).collect()
}

async fn newest(site: &TestApp) -> announcement::Model {
    let mut rows = announcement::Entity::find()
        .order_by_asc(announcement::Column::Id)
        .all(site.app.db.read())
        .await
        .unwrap();
    rows.pop().unwrap()
}

#[tokio::test]
async fn nobody_but_staff_announces() {
    let site = TestApp::start().await;
    let teacher = site.login_as("tomas", Role::Instructor).await;
    teacher.get("/admin/announcements/").await.expect(403);
    write(&teacher, "everybody", "Buy here", true)
        .await
        .expect(403);
    teacher
        .post("/admin/announcements/1/stop/", &[])
        .await
        .expect(403);
    assert_eq!(
        announcement::Entity::find()
            .count(site.app.db.read())
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn an_announcement_shows_how_many_get_it_and_reaches_each_once_at_once_on_open_pages() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let anna = site.person("anna", Role::Student).await;
    let robert = site.person("robert", Role::Student).await;
    let shut = user::ActiveModel {
        id: Set(site.person("gone", Role::Student).await),
        is_active: Set(false),
        ..Default::default()
    };
    let shut = shut.update(site.app.db.writer()).await.unwrap();
    let words = "The site rests on <Sunday>.";
    write(&staff, "everybody", words, false)
        .await
        .expect(200)
        .has("Tell 3 people?")
        .lacks("<Sunday>");
    assert_eq!(told(&site, anna).await, Vec::<String>::new());
    let reader = site.login("anna").await;
    let mut events = reader.events("/events/", None).await;
    write(&staff, "everybody", words, true).await.expect(303);
    // A second press of the button.
    write(&staff, "everybody", words, true).await.expect(303);
    site.drain().await;
    loop {
        let event = events.next().await.unwrap();
        if event.data["type"] == "message" {
            assert_eq!(event.data["text"], words);
            break;
        }
    }
    for person in [anna, robert] {
        assert_eq!(told(&site, person).await, [words]);
    }
    assert_eq!(told(&site, shut.id).await, Vec::<String>::new());
    let found = newest(&site).await;
    assert_eq!(
        (found.state, found.told, found.expected),
        (AnnouncementState::Sent, 3, 3)
    );
    let page = staff.get("/admin/announcements/").await;
    page.has("3 told").has("0 have read it");
    let id = message::Entity::find()
        .filter(message::Column::RecipientId.eq(anna))
        .one(site.app.db.read())
        .await
        .unwrap()
        .unwrap()
        .id;
    reader
        .post("/messages/read/", &[("message_id", &id.to_string())])
        .await;
    staff
        .get("/admin/announcements/")
        .await
        .has("1 have read it");
}

#[tokio::test]
async fn a_course_is_told_with_its_owner_and_a_group_with_its_members_and_nobody_else() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let clara = site.person("clara", Role::Instructor).await;
    let anna = site.person("anna", Role::Student).await;
    let robert = site.person("robert", Role::Student).await;
    let course = site.course(clara, "winds").await;
    site.enrollment(anna, course.id).await;
    let audience = format!("course:{}", course.id);
    write(&staff, &audience, "No lesson today", false)
        .await
        .has("Tell 2 people?")
        .has("the course winds");
    write(&staff, &audience, "No lesson today", true)
        .await
        .expect(303);
    site.drain().await;
    assert_eq!(told(&site, anna).await, ["No lesson today"]);
    assert_eq!(told(&site, clara).await, ["No lesson today"]);
    assert_eq!(told(&site, robert).await, Vec::<String>::new());
    let group = lyceum::entities::group::Entity::find()
        .one(site.app.db.read())
        .await
        .unwrap()
        .unwrap();
    write(&staff, &format!("group:{}", group.id), "A meeting", true)
        .await
        .expect(303);
    site.drain().await;
    assert_eq!(told(&site, clara).await, ["No lesson today", "A meeting"]);
    assert_eq!(told(&site, anna).await, ["No lesson today"]);
}

#[tokio::test]
async fn faults_of_an_announcement_are_told_all_at_once_with_what_was_typed() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let fields = [
        ("audience", "course:999999"),
        ("text", "   "),
        ("link", "https://elsewhere.example/"),
        ("sure", "yes"),
    ];
    staff
        .post("/admin/announcements/", &fields)
        .await
        .expect(422)
        .has("3 things to mend")
        .has("https://elsewhere.example/");
    write(&staff, "everybody", &"x".repeat(251), true)
        .await
        .expect(422);
    staff
        .post("/admin/announcements/999999/stop/", &[])
        .await
        .expect(404);
}

#[tokio::test]
async fn what_was_cut_off_goes_on_after_the_last_and_what_was_stopped_ends() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let mut people = Vec::new();
    for number in 0..5 {
        people.push(site.person(&format!("p{number}"), Role::Student).await);
    }
    write(&staff, "everybody", "Hello", true).await.expect(303);
    let found = newest(&site).await;
    site.drain().await;
    // As a worker leaves it that dies before the end: begun again from the first.
    let again = announcement::ActiveModel {
        id: Set(found.id),
        state: Set(AnnouncementState::Sending),
        last_user_id: Set(0),
        told: Set(0),
        ..Default::default()
    };
    again.update(site.app.db.writer()).await.unwrap();
    let mut write_again = site.app.write().await.unwrap();
    jobs::enqueue(
        &site.app,
        &mut write_again,
        &SendAnnouncement { id: found.id },
    )
    .await
    .unwrap();
    write_again.commit().await.unwrap();
    site.drain().await;
    for person in &people {
        assert_eq!(told(&site, *person).await, ["Hello"], "once each");
    }
    write(&staff, "everybody", "Later", true).await.expect(303);
    let later = newest(&site).await;
    let path = format!("/admin/announcements/{}/stop/", later.id);
    staff.post(&path, &[]).await.expect(303);
    staff.post(&path, &[]).await.expect(303);
    assert_eq!(site.drain().await, 0);
    assert_eq!(newest(&site).await.state, AnnouncementState::Stopped);
    assert_eq!(told(&site, people[0]).await, ["Hello"]);
    // What has ended cannot be stopped.
    staff
        .post(&format!("/admin/announcements/{}/stop/", found.id), &[])
        .await
        .expect(409);
    assert_eq!(SendAnnouncement::KIND, "admin.send_announcement");
}
