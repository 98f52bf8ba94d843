//! Courses with a number of places, and those whose teacher decides who comes in.

use crate::kit::{Browser, Page, Role, TestApp, WITH_MAIL, account_row};
use lyceum::entities::enrollment_request::RequestState;
use lyceum::entities::{course, enrollment, enrollment_request, message, user};
use lyceum::{accounts, learning};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

/// A course with its teacher.
struct School {
    site: TestApp,
    teacher: Browser,
    course: course::Model,
}

impl School {
    async fn open(places: Option<i32>, needs_approval: bool) -> Self {
        Self::open_with(&[], places, needs_approval).await
    }

    async fn open_with(
        settings: &[(&str, &str)],
        places: Option<i32>,
        needs_approval: bool,
    ) -> Self {
        let site = TestApp::start_with(settings).await;
        let owner = site.person("ines", Role::Instructor).await;
        let course = site
            .course_with(owner, "strings", |row| {
                row.places = Set(places);
                row.needs_approval = Set(needs_approval);
            })
            .await;
        let teacher = site.login("ines").await;
        Self {
            site,
            teacher,
            course,
        }
    }

    /// Somebody who asks a second later than whoever asked before.
    async fn asks(&self, username: &str) -> (Browser, Page) {
        let browser = self.site.login_as(username, Role::Student).await;
        self.site.wait_seconds(1);
        let page = self.ask(&browser).await;
        (browser, page)
    }

    async fn ask(&self, browser: &Browser) -> Page {
        let number = self.course.id.to_string();
        browser
            .post("/students/enroll-course/", &[("course", number.as_str())])
            .await
    }

    async fn leaves(&self, browser: &Browser) {
        let path = format!("/students/course/{}/leave/", self.course.id);
        browser.post(&path, &[]).await.expect(303);
    }

    fn overview(&self) -> String {
        format!("/course/{}/", self.course.slug)
    }

    fn entry(&self) -> String {
        format!("/course/{}/entry/", self.course.id)
    }

    /// Who is in the course, by name, in the order in which they came in.
    async fn students(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut rows = self.site.enrollments(self.course.id).await;
        rows.sort_by_key(|row| row.id);
        for row in rows {
            names.push(self.name(row.user_id).await);
        }
        names
    }

    async fn name(&self, user_id: i64) -> String {
        let found = user::Entity::find_by_id(user_id)
            .one(self.site.app.db.read())
            .await;
        found.unwrap().unwrap().username
    }

    async fn requests(&self) -> Vec<enrollment_request::Model> {
        enrollment_request::Entity::find()
            .filter(enrollment_request::Column::CourseId.eq(self.course.id))
            .order_by_asc(enrollment_request::Column::Id)
            .all(self.site.app.db.read())
            .await
            .unwrap()
    }

    /// What somebody was told, the newest first.
    async fn told(&self, username: &str) -> Vec<String> {
        let account = accounts::find_user(self.site.app.db.read(), username).await;
        let rows = message::Entity::find()
            .filter(message::Column::RecipientId.eq(account.unwrap().unwrap().id))
            .order_by_desc(message::Column::Id)
            .all(self.site.app.db.read())
            .await
            .unwrap();
        rows.into_iter().map(|row| row.text).collect()
    }

    async fn decide(&self, act: &str, ids: &[i64], reason: &str) -> Page {
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        let mut fields = vec![("act", act), ("reason", reason)];
        fields.extend(ids.iter().map(|id| ("request", id.as_str())));
        let path = format!("{}requests/", self.entry());
        self.teacher.post(&path, &fields).await
    }

    async fn set_rules(&self, places: &str, approval: &str) -> Page {
        let fields = [("places", places), ("approval", approval)];
        self.teacher.post(&self.entry(), &fields).await
    }
}

#[tokio::test]
async fn whoever_finds_no_place_waits_and_moves_up_in_order() {
    let school = School::open(Some(1), false).await;
    let (anna, page) = school.asks("anna").await;
    assert_eq!(
        page.location(),
        format!("/students/course/{}/", school.course.id)
    );
    let (ben, page) = school.asks("ben").await;
    page.expect(303);
    assert_eq!(page.location(), school.overview());
    ben.get(&school.overview())
        .await
        .expect(200)
        .has("You get the next place");
    let (carl, _) = school.asks("carl").await;
    carl.get(&school.overview())
        .await
        .expect(200)
        .has("You are number 2 in line");
    // Asking again keeps the place.
    school.site.wait_seconds(60);
    school.ask(&ben).await.expect(303);
    ben.get(&school.overview())
        .await
        .has("You get the next place");
    carl.get(&format!("/students/course/{}/", school.course.id))
        .await
        .expect(404);
    school.leaves(&anna).await;
    assert_eq!(school.students().await, ["ben"]);
    assert!(school.told("ben").await[0].contains("You are in the course"));
    carl.get(&school.overview())
        .await
        .has("You get the next place");
    school.leaves(&ben).await;
    assert_eq!(school.students().await, ["carl"]);
    assert_eq!(school.requests().await, []);
    assert_eq!(school.told("carl").await.len(), 1);
}

#[tokio::test]
async fn of_many_at_the_same_instant_no_more_come_in_than_there_are_places() {
    let school = School::open(Some(3), false).await;
    let second = school.site.second().await;
    let mut browsers = Vec::new();
    for number in 0..8 {
        let browser = school
            .site
            .login_as(&format!("student{number}"), Role::Student)
            .await;
        let there = if number % 2 == 0 {
            browser
        } else {
            browser.at(&second.url)
        };
        browsers.push(there);
    }
    let asked = browsers.iter().map(|browser| school.ask(browser));
    for page in futures::future::join_all(asked).await {
        page.expect(303);
    }
    assert_eq!(school.students().await.len(), 3);
    assert_eq!(school.requests().await.len(), 5);
    // Two leave at once, and two move up, each once.
    let inside = school.students().await;
    let leaving = browsers.iter().enumerate().filter(|(number, _)| {
        inside
            .iter()
            .take(2)
            .any(|name| *name == format!("student{number}"))
    });
    let leaving: Vec<_> = leaving.map(|(_, browser)| school.leaves(browser)).collect();
    assert_eq!(leaving.len(), 2);
    futures::future::join_all(leaving).await;
    assert_eq!(school.students().await.len(), 3);
    assert_eq!(school.requests().await.len(), 3);
}

#[tokio::test]
async fn the_teacher_lets_in_who_asks_and_everybody_is_told() {
    let school = School::open_with(&WITH_MAIL, None, true).await;
    let (anna, page) = school.asks("anna").await;
    assert_eq!(page.location(), school.overview());
    anna.get(&school.overview())
        .await
        .expect(200)
        .has("You have asked to be let in");
    let (ben, _) = school.asks("ben").await;
    assert_eq!(
        school.told("ines").await.len(),
        1,
        "one message for those who ask together"
    );
    let anna_id = school.requests().await[0].user_id;
    school.site.address(anna_id, "anna@example.org").await;
    school
        .teacher
        .get(&school.entry())
        .await
        .expect(200)
        .has("anna")
        .has("2 ask");
    let ids: Vec<i64> = school.requests().await.iter().map(|row| row.id).collect();
    school.decide("accept", &ids[..1], "").await.expect(303);
    assert_eq!(school.students().await, ["anna"]);
    assert!(school.told("anna").await[0].contains("You are in the course"));
    let letter = school.site.letter_to("anna@example.org").await;
    assert!(letter.text.contains("You are in the course"), "{letter:?}");
    school
        .decide("decline", &ids[1..], "The class <b>is</b> full.")
        .await
        .expect(303);
    assert!(school.told("ben").await[0].contains("was declined"));
    ben.get(&school.overview())
        .await
        .expect(200)
        .has("Your request was declined")
        .has("The class &#60;b&#62;is")
        .lacks("<b>is</b>");
    school.ask(&ben).await.expect(409).has("a day later");
    // Leaving a course in which he is not makes nobody forget it.
    school.leaves(&ben).await;
    school.ask(&ben).await.expect(409).has("a day later");
    school.site.wait_seconds(24 * 60 * 60);
    school.ask(&ben).await.expect(303);
    assert_eq!(school.requests().await[0].state, RequestState::Asked);
    assert_eq!(school.told("ines").await.len(), 2);
}

#[tokio::test]
async fn who_is_accepted_while_all_places_are_taken_waits_for_one() {
    let school = School::open(Some(1), true).await;
    let (anna, _) = school.asks("anna").await;
    let (ben, _) = school.asks("ben").await;
    let (_carl, _) = school.asks("carl").await;
    let ids: Vec<i64> = school.requests().await.iter().map(|row| row.id).collect();
    // Chosen in any order, they stand as they asked; whom nobody has decided upon is passed over.
    school
        .decide("accept", &[ids[2], ids[1]], "")
        .await
        .expect(303);
    assert_eq!(school.students().await, ["ben"]);
    assert!(school.told("carl").await[0].contains("as soon as there is a place"));
    anna.get(&school.overview()).await.has("You have asked");
    school.leaves(&ben).await;
    assert_eq!(school.students().await, ["carl"]);
    // Accepting twice, and what is none of hers, changes nothing.
    school
        .decide("accept", &[ids[2], 999], "")
        .await
        .expect(303);
    assert_eq!(school.students().await, ["carl"]);
}

#[tokio::test]
async fn more_places_or_no_decision_any_more_let_in_who_may_come_at_once() {
    let school = School::open(Some(1), true).await;
    for name in ["anna", "ben", "carl", "dora"] {
        school.asks(name).await;
    }
    school.set_rules("3", "").await.expect(303);
    assert_eq!(school.students().await, ["anna", "ben", "carl"]);
    school.set_rules("1", "").await.expect(303);
    assert_eq!(school.students().await.len(), 3, "nobody is put out");
    let anna = school.site.login("anna").await;
    school.leaves(&anna).await;
    assert_eq!(
        school.students().await,
        ["ben", "carl"],
        "there are fewer places than students"
    );
    school.set_rules("", "").await.expect(303);
    assert_eq!(school.students().await, ["ben", "carl", "dora"]);
    for bad in ["0", "-1", "many", "1000001"] {
        school
            .set_rules(bad, "")
            .await
            .expect(422)
            .has("from 1 to 1,000,000 places")
            .has(bad);
    }
}

#[tokio::test]
async fn a_place_that_gets_free_behind_the_line_is_filled_within_a_minute() {
    let school = School::open(Some(1), false).await;
    let (_, _) = school.asks("anna").await;
    school.asks("ben").await;
    let row = school.site.enrollments(school.course.id).await.remove(0);
    enrollment::Entity::delete_by_id(row.id)
        .exec(school.site.app.db.writer())
        .await
        .unwrap();
    lyceum::jobs::drain(&school.site.app, &lyceum::registry::registry())
        .await
        .unwrap();
    let mut write = school.site.app.write().await.unwrap();
    lyceum::jobs::enqueue(&school.site.app, &mut write, &learning::FillPlaces {})
        .await
        .unwrap();
    write.commit().await.unwrap();
    school.site.drain().await;
    assert_eq!(school.students().await, ["ben"]);
}

#[tokio::test]
async fn whoever_cannot_log_in_any_more_is_passed_over_and_keeps_her_place() {
    let school = School::open(Some(1), false).await;
    let (anna, _) = school.asks("anna").await;
    school.asks("ben").await;
    school.asks("carl").await;
    let ben = school.requests().await[0].user_id;
    let set = async |is_active| {
        let mut write = school.site.app.write().await.unwrap();
        accounts::set_active(&mut write, ben, is_active)
            .await
            .unwrap();
        write.commit().await.unwrap();
    };
    set(false).await;
    school.leaves(&anna).await;
    assert_eq!(school.students().await, ["carl"]);
    set(true).await;
    let ben = school.site.login("ben").await;
    ben.get(&school.overview())
        .await
        .has("You get the next place");
}

#[tokio::test]
async fn staff_who_put_somebody_in_take_her_out_of_the_line() {
    let school = School::open(Some(1), false).await;
    let (anna, _) = school.asks("anna").await;
    school.asks("ben").await;
    school.asks("carl").await;
    let ben = school.requests().await[0].user_id;
    let write = school.site.app.write().await.unwrap();
    learning::enroll(&school.site.app, &write, ben, school.course.id)
        .await
        .unwrap();
    write.commit().await.unwrap();
    school.leaves(&anna).await;
    assert_eq!(
        school.students().await,
        ["ben"],
        "her place was one too many"
    );
    let browser = school.site.login("ben").await;
    school.leaves(&browser).await;
    assert_eq!(school.students().await, ["carl"]);
    assert_eq!(school.requests().await, []);
}

#[tokio::test]
async fn who_does_not_want_to_wait_any_longer_leaves_the_line() {
    let school = School::open(Some(1), false).await;
    let (anna, _) = school.asks("anna").await;
    let (ben, _) = school.asks("ben").await;
    school.asks("carl").await;
    let path = format!("/students/course/{}/withdraw/", school.course.id);
    ben.post(&path, &[]).await.expect(303);
    ben.post(&path, &[]).await.expect(303);
    ben.get(&school.overview()).await.has("Wait for a place");
    school.leaves(&anna).await;
    assert_eq!(school.students().await, ["carl"]);
    ben.post("/students/course/999/withdraw/", &[])
        .await
        .expect(404);
}

#[tokio::test]
async fn the_owner_takes_no_place_and_nobody_else_sees_the_line() {
    let school = School::open(Some(1), true).await;
    school.ask(&school.teacher).await.expect(303);
    let (_, _) = school.asks("anna").await;
    let id = school.requests().await[0].id;
    school.decide("accept", &[id], "").await.expect(303);
    assert_eq!(school.students().await, ["ines", "anna"]);
    let other = school.site.login_as("omar", Role::Instructor).await;
    let student = school.site.login("anna").await;
    let requests = format!("{}requests/", school.entry());
    for (browser, status) in [(&other, 404), (&student, 403)] {
        browser.get(&school.entry()).await.expect(status);
        browser
            .post(&school.entry(), &[("places", "9")])
            .await
            .expect(status);
        let fields = [("act", "accept"), ("request", "1")];
        browser.post(&requests, &fields).await.expect(status);
    }
    let staff = school.site.login_as("root", Role::Staff).await;
    staff.get(&school.entry()).await.expect(200);
    school
        .decide("accept", &[], "")
        .await
        .expect(422)
        .has("Choose at least one request");
    school.decide("eat", &[id], "").await.expect(422);
    school
        .decide("decline", &[id], &"x".repeat(501))
        .await
        .expect(422)
        .has("up to 500");
}

#[tokio::test]
async fn programs_hear_how_they_stand_and_the_contract_stays_for_other_courses() {
    let school = School::open(Some(1), false).await;
    let path = format!("/api/courses/{}/enroll/", school.course.id);
    let enroll = async |username: &str| {
        let browser = school.site.visitor();
        let request = browser.request(reqwest::Method::POST, &path);
        browser
            .send(request.basic_auth(username, Some(crate::kit::PASSWORD)))
            .await
    };
    for name in ["anna", "ben", "carl"] {
        school.site.person(name, Role::Student).await;
    }
    let page = enroll("anna").await;
    assert_eq!(
        (page.status, page.text().as_str()),
        (200, "{\"enrolled\":true}")
    );
    school.site.wait_seconds(1);
    let page = enroll("ben").await;
    page.expect(202);
    assert_eq!(
        page.text(),
        "{\"enrolled\":false,\"state\":\"waiting\",\"place\":1}"
    );
    school.site.wait_seconds(1);
    assert_eq!(enroll("carl").await.json()["place"], 2);
    school.set_rules("1", "on").await.expect(303);
    let ben = school.requests().await[0].id;
    school.decide("decline", &[ben], "").await.expect(303);
    enroll("ben").await.expect(409).has("declined");
    school.site.person("dora", Role::Student).await;
    let page = enroll("dora").await;
    page.expect(202);
    assert_eq!(
        page.text(),
        "{\"enrolled\":false,\"state\":\"asked\",\"place\":null}"
    );
    // Leaving by the API moves the line up, too.
    let browser = school.site.visitor();
    let leave = format!("/api/courses/{}/leave/", school.course.id);
    let request = browser.request(reqwest::Method::POST, &leave);
    browser
        .send(request.basic_auth("anna", Some(crate::kit::PASSWORD)))
        .await
        .expect(200);
    assert_eq!(school.students().await, ["carl"]);
}

#[tokio::test]
async fn a_draft_lets_nobody_up_and_a_visitor_reads_what_awaits_her() {
    let school = School::open(Some(1), true).await;
    school
        .site
        .visitor()
        .get(&school.overview())
        .await
        .expect(200)
        .has("1 place")
        .has("the teacher decides who comes in");
    let (anna, _) = school.asks("anna").await;
    let row = course::ActiveModel {
        id: Set(school.course.id),
        is_draft: Set(true),
        ..Default::default()
    };
    course::Entity::update(row)
        .exec(school.site.app.db.writer())
        .await
        .unwrap();
    school.site.changed_course(school.course.id).await;
    school.set_rules("1", "").await.expect(303);
    assert_eq!(school.students().await, Vec::<String>::new());
    school.ask(&anna).await.expect(404);
}

#[tokio::test]
async fn a_program_that_asks_again_how_it_stands_sends_the_teacher_one_message() {
    let school = School::open(None, true).await;
    let (anna, _) = school.asks("anna").await;
    for _ in 0..3 {
        school.ask(&anna).await.expect(303);
    }
    assert_eq!(school.told("ines").await.len(), 1);
    // Nor does taking it back and asking anew make noise; the day after it is news again.
    let withdraw = format!("/students/course/{}/withdraw/", school.course.id);
    for _ in 0..3 {
        anna.post(&withdraw, &[]).await.expect(303);
        school.ask(&anna).await.expect(303);
    }
    assert_eq!(school.told("ines").await.len(), 1);
    anna.post(&withdraw, &[]).await.expect(303);
    school.asks("ben").await;
    assert_eq!(school.told("ines").await.len(), 2);
    let ben = school.site.login("ben").await;
    ben.post(&withdraw, &[]).await.expect(303);
    school.site.wait_seconds(24 * 60 * 60);
    school.ask(&anna).await.expect(303);
    assert_eq!(school.told("ines").await.len(), 3);
}

#[tokio::test]
async fn a_key_of_staff_that_is_for_learning_comes_in_as_a_student_does() {
    let school = School::open(Some(1), true).await;
    let root = school.site.person("root", Role::Staff).await;
    let write = school.site.app.write().await.unwrap();
    let new = accounts::NewToken {
        scopes: Some(lyceum::web::scopes::Scopes::stored("learn")),
        ..accounts::NewToken::unbounded(root, "script")
    };
    let key = accounts::create_token(&school.site.app, &write, new)
        .await
        .unwrap();
    write.commit().await.unwrap();
    let browser = school.site.visitor();
    let enroll = async |id: i64| {
        let path = format!("/api/courses/{id}/enroll/");
        let request = browser.request(reqwest::Method::POST, &path);
        browser
            .send(request.header("authorization", format!("Token {key}")))
            .await
    };
    let page = enroll(school.course.id).await;
    page.expect(202).has("asked");
    let draft = school
        .site
        .course_with(school.course.owner_id, "hidden", |row| {
            row.is_draft = Set(true);
        })
        .await;
    enroll(draft.id).await.expect(404);
    assert_eq!(school.students().await, Vec::<String>::new());
    // She herself comes in as she likes.
    let herself = school.site.login("root").await;
    school.ask(&herself).await.expect(303);
    assert_eq!(school.students().await, ["root"]);
}

#[tokio::test]
async fn the_teacher_is_told_how_many_it_was_that_she_decided_about() {
    let school = School::open(Some(1), true).await;
    for name in ["anna", "ben", "carl"] {
        school.asks(name).await;
    }
    let ids: Vec<i64> = school.requests().await.iter().map(|row| row.id).collect();
    let told = async |page: Page| {
        page.expect(303);
        school.teacher.get(&page.location()).await
    };
    let page = school.decide("accept", &ids[..2], "").await;
    told(page).await.has("2 are accepted");
    // One waits now: she is not let in by being accepted once more, and nobody says so.
    let page = school.decide("accept", &ids[1..2], "").await;
    told(page)
        .await
        .has("none of the chosen asks any more")
        .has("1 waits for a place");
    assert_eq!(school.students().await, ["anna"]);
    let path = format!("{}requests/", school.entry());
    school
        .teacher
        .post(&path, &[("act", "remove")])
        .await
        .expect(422)
        .has("id=\"line-fault\"");
    let waiting = ids[1].to_string();
    let fields = [
        ("act", "remove"),
        ("request", waiting.as_str()),
        ("line_reason", "The course is over."),
    ];
    let page = school.teacher.post(&path, &fields).await;
    told(page).await.has("One is declined");
    let ben = school.site.login("ben").await;
    ben.get(&school.overview())
        .await
        .has("The course is over.")
        .has("You may ask again from")
        .lacks("Ask again<");
    school.site.wait_seconds(24 * 60 * 60);
    ben.get(&school.overview()).await.has("Ask again<");
}

#[tokio::test]
async fn a_form_of_forty_thousand_requests_is_refused_with_words() {
    let school = School::open(None, true).await;
    school.asks("anna").await;
    let path = format!("{}requests/", school.entry());
    let ids: Vec<String> = (0..40_000).map(|number| number.to_string()).collect();
    let mut fields = vec![("act", "accept")];
    fields.extend(ids.iter().map(|id| ("request", id.as_str())));
    school
        .teacher
        .post(&path, &fields)
        .await
        .expect(422)
        .has("up to 200 at once");
    let same = ids[7].as_str();
    let mut fields = vec![("act", "accept")];
    fields.extend((0..40_000).map(|_| ("request", same)));
    school.teacher.post(&path, &fields).await.expect(303);
}

#[tokio::test]
async fn leaving_says_what_it_costs_to_come_back() {
    for (places, needs_approval, words) in [
        (None, false, "you can enroll again at any time"),
        (Some(1), false, "Your place goes to the next in line"),
        (None, true, "ask the teacher again"),
        (Some(1), true, "and to wait for a place"),
    ] {
        let school = School::open(places, needs_approval).await;
        let anna = school.site.person("anna", Role::Student).await;
        let write = school.site.app.write().await.unwrap();
        learning::enroll(&school.site.app, &write, anna, school.course.id)
            .await
            .unwrap();
        write.commit().await.unwrap();
        let anna = school.site.login("anna").await;
        let path = format!("/students/course/{}/leave/", school.course.id);
        anna.get(&path).await.expect(200).has(words);
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn of_a_long_line_some_come_in_at_once_and_the_others_by_a_job() {
    let school = School::open(Some(1), false).await;
    let site = &school.site;
    let hash = site.app.passwords.hash(crate::kit::PASSWORD).await.unwrap();
    let rows = (0..450).map(|number| user::ActiveModel {
        password_hash: Set(hash.clone()),
        ..account_row(&format!("student{number}"), site.clock.now())
    });
    user::Entity::insert_many(rows)
        .exec_without_returning(site.app.db.writer())
        .await
        .unwrap();
    let students = user::Entity::find()
        .filter(user::Column::Username.like("student%"))
        .order_by_asc(user::Column::Id)
        .all(site.app.db.read())
        .await
        .unwrap();
    let ids: Vec<i64> = students.iter().map(|account| account.id).collect();
    let rows = ids.iter().map(|id| enrollment_request::ActiveModel {
        course_id: Set(school.course.id),
        user_id: Set(*id),
        state: Set(RequestState::Waiting),
        reason: Set(String::new()),
        invitation_id: Set(None),
        created_at: Set(site.clock.now() + chrono::TimeDelta::seconds(*id)),
        ..Default::default()
    });
    enrollment_request::Entity::insert_many(rows)
        .exec_without_returning(site.app.db.writer())
        .await
        .unwrap();
    school.set_rules("440", "").await.expect(303);
    let inside = site.enrollments(school.course.id).await.len();
    assert_eq!(inside, 200, "one transaction takes no more");
    site.drain().await;
    let mut inside: Vec<i64> = site
        .enrollments(school.course.id)
        .await
        .iter()
        .map(|row| row.user_id)
        .collect();
    inside.sort_unstable();
    assert_eq!(inside, ids[..440], "in the order in which they asked");
    assert_eq!(school.requests().await.len(), 10);
    assert_eq!(school.told("student439").await.len(), 1);
    assert_eq!(school.told("student440").await.len(), 0);
    school
        .teacher
        .get(&school.entry())
        .await
        .expect(200)
        .has("10 wait for a place");
    school.set_rules("1", "").await.expect(303);
    let rows = ids[..300].iter().map(|id| enrollment_request::ActiveModel {
        course_id: Set(school.course.id),
        user_id: Set(*id),
        state: Set(RequestState::Waiting),
        reason: Set(String::new()),
        invitation_id: Set(None),
        created_at: Set(site.clock.now()),
        ..Default::default()
    });
    enrollment_request::Entity::insert_many(rows)
        .exec_without_returning(site.app.db.writer())
        .await
        .unwrap();
    school
        .teacher
        .get(&school.entry())
        .await
        .expect(200)
        .has("310 wait for a place")
        .has("And 110 more after them");
}
