//! Announcements: to everybody, a course or a group; once each, however often the job is begun.

use crate::kit::{Browser, PASSWORD, Page, Role, TestApp};
use lyceum::admin::announcements::SendAnnouncement;
use lyceum::entities::announcement::{self, AnnouncementState};
use lyceum::entities::job::{self, JobState};
use lyceum::entities::{course, message, user};
use lyceum::jobs::{self, Job as _};
use reqwest::Method;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, EntityTrait, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
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

#[tokio::test]
async fn an_announcement_that_is_sent_while_somebody_stops_it_stays_sent() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    write(&staff, "everybody", "Hello", true).await.expect(303);
    let found = newest(&site).await;
    // Its job has told the last, and is about to commit that.
    let ending = site.app.write().await.unwrap();
    let sent = announcement::ActiveModel {
        id: Set(found.id),
        state: Set(AnnouncementState::Sent),
        told: Set(1),
        ..Default::default()
    };
    sent.update(&*ending).await.unwrap();
    let path = format!("/admin/announcements/{}/stop/", found.id);
    let (answer, ()) = tokio::join!(staff.post(&path, &[]), async {
        site.until_somebody_waits().await;
        ending.commit().await.unwrap();
    });
    answer.expect(409).has("Everybody was told already");
    assert_eq!(newest(&site).await.state, AnnouncementState::Sent);
}

/// The job that sends what was announced last.
async fn sending(site: &TestApp) -> job::Model {
    let subject = format!("announcement:{}", newest(site).await.id);
    let found = job::Entity::find().filter(job::Column::Subject.eq(subject));
    found.one(site.app.db.read()).await.unwrap().unwrap()
}

/// Tries a job again as a program does.
async fn retry(site: &TestApp, id: i64) -> Page {
    let visitor = site.visitor();
    let path = format!("/api/jobs/{id}/retry/");
    let request = visitor.request(Method::POST, &path);
    visitor
        .send(request.basic_auth("rosa", Some(PASSWORD)))
        .await
}

#[tokio::test]
async fn an_announcement_that_somebody_has_stopped_stays_stopped_whoever_tries_its_job_again() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let anna = site.person("anna", Role::Student).await;
    write(&staff, "everybody", "A mistake", true)
        .await
        .expect(303);
    let stop = format!("/admin/announcements/{}/stop/", newest(&site).await.id);
    staff.post(&stop, &[]).await.expect(303);
    let job = sending(&site).await;
    assert_eq!(job.state, JobState::Canceled);
    retry(&site, job.id).await.expect(409).has("stays stopped");
    staff
        .get("/admin/jobs/?state=canceled")
        .await
        .expect(200)
        .has("Announcement")
        .lacks(&format!("retry:{}", job.id));
    let all = [("act", "retry"), ("all", "1"), ("sure", "yes")];
    staff.post("/admin/jobs/act/", &all).await;
    site.drain().await;
    // Not by what puts jobs in line besides, either.
    let mut write_again = site.app.write().await.unwrap();
    jobs::retry_one(&site.app, &mut write_again, job.id)
        .await
        .unwrap();
    write_again.commit().await.unwrap();
    site.drain().await;
    assert_eq!(newest(&site).await.state, AnnouncementState::Stopped);
    assert_eq!(told(&site, anna).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_announcement_whose_job_was_given_up_goes_on_when_it_is_tried_again() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let anna = site.person("anna", Role::Student).await;
    write(&staff, "everybody", "No lesson", true)
        .await
        .expect(303);
    let job = sending(&site).await;
    let given_up = job::ActiveModel {
        id: Set(job.id),
        state: Set(JobState::Failed),
        ..Default::default()
    };
    given_up.update(site.app.db.writer()).await.unwrap();
    let stopped = announcement::ActiveModel {
        id: Set(newest(&site).await.id),
        state: Set(AnnouncementState::Stopped),
        ended_at: Set(Some(site.clock.now())),
        ..Default::default()
    };
    stopped.update(site.app.db.writer()).await.unwrap();
    retry(&site, job.id).await.expect(200);
    let found = newest(&site).await;
    assert_eq!(
        (found.state, found.ended_at),
        (AnnouncementState::Sending, None)
    );
    site.drain().await;
    assert_eq!(newest(&site).await.state, AnnouncementState::Sent);
    assert_eq!(told(&site, anna).await, ["No lesson"]);
    retry(&site, job.id).await.expect(409);
}

#[tokio::test]
async fn who_has_read_what_went_to_many_is_counted_once_a_minute() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    write(&staff, "everybody", "Hello", true).await.expect(303);
    site.drain().await;
    let found = newest(&site).await;
    let many = announcement::ActiveModel {
        id: Set(found.id),
        told: Set(100_000),
        ..Default::default()
    };
    many.update(site.app.db.writer()).await.unwrap();
    let path = "/admin/announcements/";
    staff.get(path).await.has("0 have read it");
    let all_read = message::Entity::update_many()
        .col_expr(message::Column::IsRead, true.into())
        .exec(site.app.db.writer());
    all_read.await.unwrap();
    staff.get(path).await.has("0 have read it");
    site.wait_seconds(61);
    staff.get(path).await.has("1 have read it");
}

#[tokio::test]
async fn the_page_costs_as_many_statements_with_many_announcements_as_with_few_and_is_turned() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    write(&staff, "everybody", "The first", true)
        .await
        .expect(303);
    site.drain().await;
    let path = "/admin/announcements/";
    let few = site.statements_of_cold(&staff, path).await;
    let like = newest(&site).await;
    let more = (0..50).map(|number| {
        let mut row: announcement::ActiveModel = like.clone().into();
        row.id = NotSet;
        row.text = Set(format!("Number {number}"));
        row
    });
    announcement::Entity::insert_many(more)
        .exec_without_returning(site.app.db.writer())
        .await
        .unwrap();
    let many = site.statements_of_cold(&staff, path).await;
    assert_eq!(few, many);
    staff
        .get(path)
        .await
        .has("Number 49")
        .has("Number 30")
        .lacks("Number 29")
        .has("1 to 20 of 51");
    staff
        .get("/admin/announcements/?page=3")
        .await
        .has("The first");
}

#[tokio::test]
async fn where_there_are_many_courses_the_one_that_is_told_is_typed() {
    let site = TestApp::start().await;
    let staff = site.login_as("rosa", Role::Staff).await;
    let clara = site.person("clara", Role::Instructor).await;
    let winds = site.course(clara, "winds").await;
    staff
        .get("/admin/announcements/")
        .await
        .has(&format!("value=\"course:{}\"", winds.id))
        .lacks("name=\"course\"");
    let more = (0..300).map(|number| {
        let mut row: course::ActiveModel = winds.clone().into();
        row.id = NotSet;
        row.slug = Set(format!("winds-{number}"));
        row
    });
    let more: Vec<course::ActiveModel> = more.collect();
    for rows in more.chunks(100) {
        course::Entity::insert_many(rows.to_vec())
            .exec_without_returning(site.app.db.writer())
            .await
            .unwrap();
    }
    let page = staff.get("/admin/announcements/").await;
    page.lacks(&format!("value=\"course:{}\"", winds.id))
        .has("name=\"course\"");
    let mut fields = vec![
        ("audience", "course"),
        ("course", "nowhere"),
        ("text", ""),
        ("link", ""),
    ];
    staff
        .post("/admin/announcements/", &fields)
        .await
        .expect(422)
        .has("2 things to mend")
        .has("No course has this address");
    fields[1].1 = "winds";
    fields[2].1 = "No lesson today";
    let asked = staff.post("/admin/announcements/", &fields).await;
    asked
        .expect(200)
        .has("Tell 1 person?")
        .has("the course winds")
        .has(&format!("name=\"audience\" value=\"course:{}\"", winds.id));
    fields.push(("sure", "yes"));
    staff
        .post("/admin/announcements/", &fields)
        .await
        .expect(303);
    site.drain().await;
    assert_eq!(told(&site, clara).await, ["No lesson today"]);
}
