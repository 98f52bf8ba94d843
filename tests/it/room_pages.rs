//! The pages of rooms: what is drawn without a script, her rooms with what is new in them, and the forms of moderators.

use crate::kit::{Browser, Page, Role, Socket, TestApp};
use lyceum::entities::{chat_line, chat_room, course, enrollment};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ActiveModelTrait as _, EntityTrait as _};
use serde_json::{Value, json};

/// A course with its teacher and a student.
struct School {
    site: TestApp,
    course: course::Model,
    clara: Browser,
    maya: Browser,
}

impl School {
    async fn new() -> Self {
        let site = TestApp::start().await;
        let owner = site.person("clara", Role::Instructor).await;
        let course = site.course(owner, "how-strings-sing").await;
        let id = site.person("maya", Role::Student).await;
        site.enrollment(id, course.id).await;
        // What is said from now on was said after she came.
        site.wait_seconds(60);
        Self {
            clara: site.login("clara").await,
            maya: site.login("maya").await,
            site,
            course,
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/chat/room/{}/{rest}", self.course.id)
    }

    async fn enter(&self, who: &Browser) -> Socket {
        let path = format!("/ws/chat/room/{}/?v=2", self.course.id);
        let mut socket = who.socket(&path).await;
        socket.expect("ready").await;
        socket
    }

    /// Says lines, one after the other; answers their numbers.
    async fn say(&self, who: &Browser, lines: &[&str]) -> Vec<i64> {
        let mut socket = self.enter(who).await;
        let mut ids = Vec::new();
        for words in lines {
            // A name that was used before would mean the line that bore it.
            let name: String = words.chars().filter(char::is_ascii_alphanumeric).collect();
            let frame = json!({"message": words, "client_id": name});
            socket.send(&frame).await;
            let ack = heard(&mut socket, "ack").await;
            ids.push(ack["id"].as_i64().unwrap());
        }
        ids
    }

    /// Reads the room up to a line, and waits until the site has it.
    async fn read(&self, who: &Browser, id: i64) {
        let body = json!({"id": id}).to_string();
        who.post_json(&self.path("read/"), &body).await.expect(200);
    }
}

/// The next frame of this type, whatever comes before it.
async fn heard(socket: &mut Socket, kind: &str) -> Value {
    loop {
        let frame = socket.next().await.unwrap();
        if frame["type"] == kind {
            return frame;
        }
    }
}

/// The number in the bar, as the page was drawn.
fn in_bar(page: &Page) -> u64 {
    let text = page.text();
    let bar = text.split("class=\"bell rooms\"").nth(1).unwrap();
    let badge = bar.split("class=\"badge\"").nth(1).unwrap();
    let number = badge.split(['>', '<']).nth(1).unwrap();
    number.parse().unwrap()
}

#[tokio::test]
async fn a_room_is_drawn_whole_with_answers_days_and_the_mark_of_what_is_new() {
    let school = School::new().await;
    let ids = school
        .say(&school.clara, &["Who has <b>heard</b> it?", "Nobody?"])
        .await;
    school.read(&school.maya, ids[0]).await;
    let page = school.maya.get(&school.path("")).await;
    page.expect(200)
        .has("Who has &#60;b&#62;heard&#60;/b&#62; it?")
        .has("New since ")
        .has("Today")
        .has("role=\"log\"")
        .lacks("<b>heard");
    let text = page.text();
    let (mark, line) = ("id=\"room-mark\"", format!("id=\"line-{}\"", ids[1]));
    assert!(text.find(mark) < text.find(&line));
    assert!(text.find(&format!("id=\"line-{}\"", ids[0])) < text.find(mark));

    let mut socket = school.enter(&school.maya).await;
    let answer = json!({"message": "I have, @clara.", "client_id": "a", "reply_to": ids[0]});
    socket.send(&answer).await;
    heard(&mut socket, "ack").await;
    let page = school.clara.get(&school.path("")).await;
    page.expect(200)
        .has(&format!("data-to=\"{}\"", ids[0]))
        .has("data-mentions=\"clara\"");
}

#[tokio::test]
async fn a_room_is_read_page_by_page_around_a_line_and_searched_without_a_script() {
    let school = School::new().await;
    let ids = school
        .say(
            &school.clara,
            &["first words", "second words", "third words"],
        )
        .await;
    let page = school
        .maya
        .get(&school.path(&format!("?before={}", ids[2])))
        .await;
    page.has("first words")
        .has("Later lines")
        .lacks("id=\"line-3\"");
    let page = school
        .maya
        .get(&school.path(&format!("?after={}", ids[0])))
        .await;
    page.has("second words")
        .has("Earlier lines")
        .lacks("id=\"line-1\"");
    let page = school
        .maya
        .get(&school.path(&format!("?line={}", ids[1])))
        .await;
    page.has("id=\"line-1\"")
        .has("id=\"line-2\"")
        .has("id=\"line-3\"");
    let page = school.maya.get(&school.path("?q=second")).await;
    page.expect(200)
        .has("1 line<")
        .has(&format!("?line={}#line-{}", ids[1], ids[1]));
    let nothing = school.maya.get(&school.path("?q=%22%27%25zzz")).await;
    nothing.expect(200).has("No line has these words.");
    for odd in ["?before=x", "?line=", "?after=99999999999999999999"] {
        school.maya.get(&school.path(odd)).await.expect(400);
    }
    for far in ["?before=-5", "?line=999999", "?after=9223372036854775807"] {
        school.maya.get(&school.path(far)).await.expect(200);
    }
}

#[tokio::test]
async fn the_bar_and_the_list_tell_which_rooms_hold_something_new_until_it_is_read() {
    let school = School::new().await;
    let page = school.maya.get("/students/courses/").await;
    assert_eq!(in_bar(&page), 0);
    let ids = school.say(&school.clara, &["one", "two"]).await;
    let page = school.maya.get("/students/courses/").await;
    assert_eq!(in_bar(&page), 1);
    let list = school.maya.get("/chat/").await;
    list.expect(200)
        .has("clara: two")
        .has("<span class=\"badge\">2<span class=\"sr-only\"> new</span></span>");
    // Nothing has changed, so nothing is asked.
    school.maya.get("/students/courses/").await;
    let again = school
        .site
        .statements_of(school.maya.get("/students/courses/"));
    assert_eq!(again.await, 0);
    school.read(&school.maya, ids[1]).await;
    let page = school.maya.get("/students/courses/").await;
    assert_eq!(in_bar(&page), 0);
    school.maya.get("/chat/").await.lacks(" new</span>");
    // Deleted before she saw it.
    let ids = school.say(&school.clara, &["three"]).await;
    assert_eq!(in_bar(&school.maya.get("/students/courses/").await), 1);
    let mut socket = school.enter(&school.clara).await;
    let frame = json!({"type": "delete", "id": ids[0]});
    socket.send(&frame).await;
    heard(&mut socket, "chat_delete").await;
    assert_eq!(in_bar(&school.maya.get("/students/courses/").await), 0);
    // Who has left the course has no part in its room.
    school.say(&school.clara, &["four"]).await;
    let leave = format!("/students/course/{}/leave/", school.course.id);
    school.maya.post(&leave, &[]).await.expect(303);
    assert_eq!(in_bar(&school.maya.get("/students/courses/").await), 0);
    school.maya.get("/chat/").await.has("No rooms yet");
}

#[tokio::test]
async fn the_list_of_rooms_stands_however_many_courses_somebody_is_in() {
    const ROOMS: i64 = 1_200;
    let school = School::new().await;
    let db = school.site.app.db.writer();
    let maya = school.site.enrollments(school.course.id).await[0].user_id;
    let mut ids = Vec::new();
    for number in 0..ROOMS {
        let course = course::ActiveModel {
            id: NotSet,
            title: Set(format!("Course {number}")),
            slug: Set(format!("course-{number}")),
            ..school.course.clone().into()
        };
        ids.push(course.insert(db).await.unwrap().id);
    }
    let now = school.site.clock.now();
    let enrollments = ids.iter().map(|id| enrollment::ActiveModel {
        user_id: Set(maya),
        course_id: Set(*id),
        created_at: Set(now),
        ..Default::default()
    });
    let rooms = ids.iter().map(|id| chat_room::ActiveModel {
        course_id: Set(*id),
        last: Set(1),
        last_line: Set(1),
        said_at: Set(Some(now)),
        ..Default::default()
    });
    let lines = ids.iter().map(|id| chat_line::ActiveModel {
        course_id: Set(*id),
        id: Set(1),
        user_id: Set(Some(school.course.owner_id)),
        text: Set(format!("a line of {id}")),
        changed: Set(1),
        created_at: Set(now),
        ..Default::default()
    });
    enrollment::Entity::insert_many(enrollments)
        .exec_without_returning(db)
        .await
        .unwrap();
    chat_room::Entity::insert_many(rooms)
        .exec_without_returning(db)
        .await
        .unwrap();
    chat_line::Entity::insert_many(lines)
        .exec_without_returning(db)
        .await
        .unwrap();
    school.site.forget().await;
    let list = school.maya.get("/chat/").await;
    for id in [ids[0], ids[1_199]] {
        list.expect(200).has(&format!("clara: a line of {id}"));
    }
}

#[tokio::test]
async fn who_comes_new_to_a_course_finds_nothing_unread_in_what_was_said_before() {
    let school = School::new().await;
    school.say(&school.clara, &["long ago"]).await;
    school.site.wait_seconds(60);
    let kwame = school.site.login_as("kwame", Role::Student).await;
    let course = school.course.id.to_string();
    kwame
        .post("/students/enroll-course/", &[("course", &course)])
        .await
        .expect(303);
    assert_eq!(in_bar(&kwame.get("/students/courses/").await), 0);
    let room = kwame.get(&school.path("")).await;
    room.expect(200).has("long ago").lacks("New since");
    kwame
        .get("/chat/")
        .await
        .has("clara: long ago")
        .lacks(" new</span>");
    school.site.wait_seconds(1);
    school.say(&school.clara, &["welcome"]).await;
    assert_eq!(in_bar(&kwame.get("/students/courses/").await), 1);
    kwame
        .get("/chat/")
        .await
        .has(">1<span class=\"sr-only\"> new");
}

#[tokio::test]
async fn moderators_lock_slow_and_mute_by_forms_and_find_it_in_the_log() {
    let school = School::new().await;
    school.say(&school.maya, &["too loud"]).await;
    let maya = school.site.person("someone", Role::Student).await - 1;
    let mut heard = school.enter(&school.maya).await;
    let log = school.path("log/");
    let lock = [("is_locked", "yes"), ("next", "")];
    let done = school.clara.post(&school.path("lock/"), &lock).await;
    assert_eq!(done.expect(303).location(), log);
    assert_eq!(
        heard_rules(&mut heard, |room| room["is_locked"] == true).await["slow_seconds"],
        0
    );
    let page = school.clara.get(&log).await;
    page.expect(200)
        .has("It is locked")
        .has("Open the room")
        .has("clara locked the room");

    let room = school.path("");
    let slow = [("seconds", "30"), ("next", room.as_str())];
    let done = school.clara.post(&school.path("slow/"), &slow).await;
    assert_eq!(done.expect(303).location(), room);
    let id = maya.to_string();
    let mute = [("user_id", id.as_str()), ("minutes", "60")];
    school
        .clara
        .post(&school.path("mute/"), &mute)
        .await
        .expect(303);
    heard_rules(&mut heard, |room| room["muted_until"].is_string()).await;
    let page = school.clara.get(&log).await;
    page.has("a line every 30 seconds")
        .has("clara muted maya until")
        .has("May write again");
    let lift = [("user_id", id.as_str()), ("minutes", "0")];
    school
        .clara
        .post(&school.path("mute/"), &lift)
        .await
        .expect(303);
    school
        .clara
        .get(&log)
        .await
        .has("clara let maya write again")
        .has("Nobody is muted.");
}

/// Waits for the room to stand so.
async fn heard_rules(socket: &mut Socket, holds: impl Fn(&Value) -> bool) -> Value {
    loop {
        let frame = heard(socket, "room").await;
        if holds(&frame) {
            return frame;
        }
    }
}

#[tokio::test]
async fn a_form_of_moderators_that_cannot_be_done_says_what_to_mend() {
    let school = School::new().await;
    for (form, field, value, words) in [
        ("lock/", "is_locked", "perhaps", "Say yes or no."),
        ("slow/", "seconds", "3601", "0 to 3,600 seconds"),
        ("slow/", "seconds", "soon", "0 to 3,600 seconds"),
        ("mute/", "user_id", "", "Choose who is to be muted."),
    ] {
        let page = school
            .clara
            .post(&school.path(form), &[(field, value)])
            .await;
        page.expect(422).has(words).has("One thing to mend");
    }
    let nobody = [("user_id", "999999"), ("minutes", "10")];
    school
        .clara
        .post(&school.path("mute/"), &nobody)
        .await
        .expect(404);
    // Never off the site.
    let away = [("is_locked", "yes"), ("next", "https://example.org/")];
    let done = school.clara.post(&school.path("lock/"), &away).await;
    assert_eq!(done.expect(303).location(), school.path("log/"));
}

#[tokio::test]
async fn only_moderators_moderate_and_strangers_see_no_room() {
    let school = School::new().await;
    let stranger = school.site.login_as("stranger", Role::Student).await;
    let other = school.site.login_as("other", Role::Instructor).await;
    let staff = school.site.login_as("leila", Role::Staff).await;
    let fields = [
        ("is_locked", "yes"),
        ("seconds", "10"),
        ("user_id", "1"),
        ("minutes", "1"),
    ];
    for form in ["lock/", "slow/", "mute/"] {
        for who in [&school.maya, &stranger, &other] {
            who.post(&school.path(form), &fields).await.expect(403);
        }
        let visitor = school.site.visitor();
        visitor.get(&school.path("log/")).await.expect(302);
    }
    for who in [&school.maya, &stranger, &other] {
        who.get(&school.path("log/")).await.expect(403);
    }
    school
        .maya
        .get(&school.path(""))
        .await
        .expect(200)
        .lacks("/log/")
        .lacks("Lock the room");
    staff.get(&school.path("log/")).await.expect(200);
    staff
        .get(&school.path(""))
        .await
        .expect(200)
        .has("Lock the room");
    stranger.get(&school.path("")).await.expect(403);
    let visitor = school.site.visitor();
    let sent = visitor.get("/chat/").await;
    assert_eq!(sent.expect(302).location(), "/accounts/login/?next=/chat/");
}
