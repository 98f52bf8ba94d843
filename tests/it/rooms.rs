//! The room of a course: what is said there, who hears it, who does not come in, and what happens when something breaks.

mod answers;
mod crowds;
mod doors;
mod history;
mod moderation;
mod pictures;
mod presence;
mod slow_readers;
mod unread;

use crate::kit::{Browser, Role, Socket, TestApp};
use chrono::DateTime;
use lyceum::entities::{chat_line, chat_room, course, enrollment, user};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;

/// A course with its teacher and two students.
struct School {
    site: TestApp,
    course: course::Model,
    clara: Browser,
    maya: Browser,
    kwame: Browser,
}

impl School {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let site = TestApp::start_with(settings).await;
        let owner = site.person("clara", Role::Instructor).await;
        let course = site.course(owner, "how-strings-sing").await;
        for name in ["maya", "kwame"] {
            let id = site.person(name, Role::Student).await;
            site.enrollment(id, course.id).await;
        }
        Self {
            clara: site.login("clara").await,
            maya: site.login("maya").await,
            kwame: site.login("kwame").await,
            site,
            course,
        }
    }

    fn path(&self, query: &str) -> String {
        format!("/ws/chat/room/{}/{query}", self.course.id)
    }

    fn page(&self) -> String {
        format!("/chat/room/{}/", self.course.id)
    }

    /// The number of somebody's account.
    async fn id_of(&self, username: &str) -> i64 {
        let account = user::Entity::find().filter(user::Column::Username.eq(username));
        let account = account.one(self.site.app.db.read()).await;
        account.unwrap().unwrap().id
    }

    /// A client that knows types of frames, and has heard that it is there.
    async fn enter(&self, who: &Browser) -> Socket {
        let mut socket = who.socket(&self.path("?v=2")).await;
        socket.expect("ready").await;
        socket
    }

    /// Lines as if they had been said long ago.
    async fn said(&self, count: i64) {
        let db = self.site.app.db.writer();
        let room = chat_room::ActiveModel {
            course_id: Set(self.course.id),
            last: Set(count),
            last_line: Set(count),
            said_at: Set(Some(self.site.clock.now())),
            ..Default::default()
        };
        chat_room::Entity::insert(room)
            .exec_without_returning(db)
            .await
            .unwrap();
        let rows: Vec<_> = (1..=count)
            .map(|id| chat_line::ActiveModel {
                course_id: Set(self.course.id),
                id: Set(id),
                user_id: Set(Some(self.course.owner_id)),
                text: Set(format!("line {id}")),
                client_id: Set(None),
                changed: Set(id),
                created_at: Set(self.site.clock.now()),
                edited_at: Set(None),
                deleted_at: Set(None),
                reply_to: Set(None),
                mentions: Set(None),
            })
            .collect();
        for some in rows.chunks(1_000) {
            chat_line::Entity::insert_many(some.to_vec())
                .exec_without_returning(db)
                .await
                .unwrap();
        }
    }
}

fn words(frames: &[Value]) -> Vec<&str> {
    frames
        .iter()
        .map(|frame| frame["message"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn what_one_says_everybody_hears_in_the_form_that_older_clients_know() {
    let school = School::new().await;
    let mut maya = school.maya.socket(&school.path("")).await;
    let mut newer = school.enter(&school.kwame).await;
    let mut clara = school.clara.socket(&school.path("")).await;
    // Once it hears itself, it is in the room.
    clara.say("  I am here ").await;
    clara.expect("chat_message").await;
    maya.say("Why does it ring?").await;
    maya.say("<b>Really</b> \u{202e}?").await;
    for (socket, before) in [(&mut maya, true), (&mut newer, true), (&mut clara, false)] {
        if before {
            let first = socket.expect("chat_message").await;
            assert_eq!(first["message"], "I am here");
        }
        let line = socket.expect("chat_message").await;
        assert_eq!(line["message"], "Why does it ring?");
        assert_eq!(line["user"], "maya");
        let time = line["datetime"].as_str().unwrap();
        assert!(time.ends_with("+00:00"), "{time}");
        assert_eq!(
            DateTime::parse_from_rfc3339(time).unwrap(),
            school.site.clock.now()
        );
        let next = socket.expect("chat_message").await;
        assert_eq!(next["message"], "<b>Really</b> \u{202e}?");
        assert!(next["id"].as_i64() > line["id"].as_i64());
    }
}

#[tokio::test]
async fn strangers_foreign_pages_and_rooms_that_do_not_exist_are_refused_at_the_handshake() {
    let school = School::new().await;
    let stranger = school.site.login_as("zofia", Role::Student).await;
    let path = school.path("");
    let refused = async |browser: &Browser, path: &str, headers: &[(&str, &str)]| {
        browser.socket_with(path, headers).await.err()
    };
    assert_eq!(refused(&school.site.visitor(), &path, &[]).await, Some(403));
    assert_eq!(refused(&stranger, &path, &[]).await, Some(403));
    for other in ["/ws/chat/room/4711/", "/ws/chat/room/x/"] {
        assert_eq!(
            refused(&school.maya, other, &[]).await,
            Some(403),
            "{other}"
        );
    }
    let foreign = [("origin", "https://elsewhere.example")];
    assert_eq!(refused(&school.maya, &path, &foreign).await, Some(403));
    let ours = [("origin", school.maya.url())];
    assert_eq!(refused(&school.maya, &path, &ours).await, None);
    assert_eq!(refused(&school.clara, &path, &[]).await, None);
    let staff = school.site.login_as("leila", Role::Staff).await;
    assert_eq!(refused(&staff, &path, &[]).await, None);
    // Without a handshake it is no page either.
    school.maya.get(&path).await.expect(400);
}

#[tokio::test]
async fn what_is_not_understood_is_told_to_its_sender_alone_and_the_socket_stays_open() {
    let school = School::new().await;
    let mut kwame = school.enter(&school.kwame).await;
    let mut maya = school.maya.socket(&school.path("")).await;
    let long = json!({ "message": "x".repeat(4_001) }).to_string();
    let huge = json!({ "message": "x".repeat(60_000) }).to_string();
    let faulty = [
        "",
        "hello",
        "[1]",
        "{}",
        "{\"message\": 7}",
        "{\"message\": \" \"}",
        &long,
        &huge,
    ];
    for frame in faulty {
        maya.send_raw(Message::text(frame)).await;
        let answer = maya.expect("error").await;
        assert!(
            answer["message"].as_str().unwrap().ends_with('.'),
            "{answer}"
        );
    }
    maya.send_raw(Message::binary(vec![0xff, 0x00])).await;
    maya.expect("error").await;
    maya.send_raw(Message::binary(br#"{"message": "in bytes"}"#.to_vec()))
        .await;
    assert_eq!(maya.expect("chat_message").await["message"], "in bytes");
    assert_eq!(kwame.expect("chat_message").await["message"], "in bytes");
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn what_breaks_the_protocol_is_closed_with_its_code_and_nobody_else_notices() {
    let school = School::new().await;
    let mut kwame = school.enter(&school.kwame).await;
    let unmasked_head = |first: u8, length: usize| {
        let mut head = vec![first];
        match u16::try_from(length) {
            Ok(short @ 0..126) => head.push(0x80 | u8::try_from(short).unwrap()),
            Ok(middle) => {
                head.push(0x80 | 0x7e);
                head.extend(middle.to_be_bytes());
            }
            Err(_) => {
                head.push(0x80 | 0x7f);
                head.extend(u64::try_from(length).unwrap().to_be_bytes());
            }
        }
        // A mask of zeros leaves the payload as it is.
        head.extend([0; 4]);
        head
    };
    let faults: [(Vec<u8>, u16); 6] = [
        ([unmasked_head(0x81, 2), vec![0xff, 0xfe]].concat(), 1007),
        // A reserved bit, as a compressed frame has it.
        ([unmasked_head(0xc1, 2), b"{}".to_vec()].concat(), 1002),
        // Not masked, which a client must do.
        (vec![0x81, 0x02, b'{', b'}'], 1002),
        (unmasked_head(0x81, 10_000_000), 1009),
        // The rest of a message that never began.
        ([unmasked_head(0x80, 2), b"{}".to_vec()].concat(), 1002),
        // In parts that are each small enough.
        (
            [
                [unmasked_head(0x01, 60_000), vec![b' '; 60_000]].concat(),
                [unmasked_head(0x80, 60_000), vec![b' '; 60_000]].concat(),
            ]
            .concat(),
            1009,
        ),
    ];
    for (bytes, code) in faults {
        let mut socket = school.enter(&school.maya).await;
        let raw = socket.stream.get_mut();
        raw.write_all(&bytes).await.unwrap();
        assert_eq!(socket.closed().await, code, "{:x?}", &bytes[..4]);
    }
    // In parts, with a ping between them: a message like any other.
    let mut socket = school.enter(&school.maya).await;
    let parts = [
        [unmasked_head(0x01, 14), br#"{"message": "i"#.to_vec()].concat(),
        unmasked_head(0x89, 0),
        [unmasked_head(0x00, 3), b"n p".to_vec()].concat(),
        [unmasked_head(0x80, 6), br#"arts"}"#.to_vec()].concat(),
    ];
    let raw = socket.stream.get_mut();
    for part in parts {
        raw.write_all(&part).await.unwrap();
    }
    let said = kwame.expect("chat_message").await;
    assert_eq!(said["message"], "in parts");
    // Half a frame, and then nothing more.
    let mut socket = school.enter(&school.maya).await;
    let raw = socket.stream.get_mut();
    raw.write_all(&unmasked_head(0x81, 100)).await.unwrap();
    raw.shutdown().await.unwrap();
    let mut rest = Vec::new();
    raw.read_to_end(&mut rest).await.unwrap();
    let mut clara = school.enter(&school.clara).await;
    clara.say("still here").await;
    assert_eq!(kwame.expect("chat_message").await["message"], "still here");
}

#[tokio::test]
async fn who_comes_back_gets_every_line_that_she_missed_in_order_and_none_twice() {
    let school = School::new().await;
    let mut maya = school.enter(&school.maya).await;
    let mut clara = school.enter(&school.clara).await;
    clara.say("one").await;
    let seen = maya.expect("chat_message").await["id"].clone();
    drop(maya);
    for line in ["two", "three", "four"] {
        clara.say(line).await;
    }
    for _ in 0..4 {
        clara.expect("chat_message").await;
    }
    let path = school.path(&format!("?v=2&after={seen}"));
    let mut maya = school.maya.socket(&path).await;
    let mut missed = Vec::new();
    for _ in 0..3 {
        missed.push(maya.expect("chat_message").await);
    }
    assert_eq!(words(&missed), ["two", "three", "four"]);
    let ready = maya.expect("ready").await;
    assert_eq!(ready["recovered"], true);
    assert_eq!(ready["last"], missed[2]["id"]);
    clara.say("five").await;
    assert_eq!(maya.expect("chat_message").await["message"], "five");
}

#[tokio::test]
async fn who_missed_too_much_is_told_so_and_reads_the_history_page_by_page() {
    let school = School::new().await;
    school.said(1_200).await;
    let mut maya = school.maya.socket(&school.path("?v=2&after=1")).await;
    let ready = maya.expect("ready").await;
    assert_eq!(
        (&ready["recovered"], &ready["last"]),
        (&json!(false), &json!(1_200))
    );
    let mut maya = school.maya.socket(&school.path("?v=2&after=300")).await;
    for id in 301..=1_200 {
        assert_eq!(maya.expect("chat_message").await["id"], id);
    }
    assert_eq!(maya.expect("ready").await["recovered"], true);
    let (mut before, mut lines) = (String::new(), Vec::new());
    loop {
        let page = school
            .maya
            .get(&format!("{}history/{before}", school.page()))
            .await;
        let page = page.expect(200).json();
        let some = page["lines"].as_array().unwrap().clone();
        before = format!("?before={}", some[0]["id"]);
        lines.splice(0..0, some);
        if page["has_more"] == false {
            break;
        }
    }
    let ids: Vec<i64> = lines
        .iter()
        .map(|line| line["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, (1..=1_200).collect::<Vec<i64>>());
    let stranger = school.site.login_as("zofia", Role::Student).await;
    stranger
        .get(&format!("{}history/", school.page()))
        .await
        .expect(403);
}

#[tokio::test]
async fn a_line_sent_again_appears_once_and_is_acknowledged_again() {
    let school = School::new().await;
    let mut maya = school.enter(&school.maya).await;
    let mut kwame = school.enter(&school.kwame).await;
    let line = json!({ "message": "once", "client_id": "a-1" });
    maya.send(&line).await;
    maya.send(&line).await;
    let mut acks = Vec::new();
    let mut lines = 0;
    while acks.len() < 2 {
        let frame = maya.next_kept().await.unwrap();
        match frame["type"].as_str().unwrap() {
            "ack" => acks.push(frame),
            "chat_message" => lines += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(acks[0], acks[1]);
    assert_eq!(acks[0]["client_id"], "a-1");
    // The same name from somebody else is another line.
    kwame.send(&line).await;
    let first = kwame.expect("chat_message").await;
    assert_eq!(
        (&first["id"], &first["user"]),
        (&acks[0]["id"], &json!("maya"))
    );
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(kwame.next_kept().await.unwrap());
    }
    let second = others
        .iter()
        .find(|frame| frame["type"] == "chat_message")
        .unwrap();
    assert_eq!(second["user"], "kwame");
    while lines < 2 {
        lines += usize::from(maya.next_kept().await.unwrap()["type"] == "chat_message");
    }
    let db = school.site.app.db.read();
    let kept = chat_line::Entity::find().all(db).await.unwrap();
    assert_eq!(kept.len(), 2);
}

#[tokio::test]
async fn a_line_is_changed_by_its_sender_and_deleted_by_her_or_the_teacher_and_nobody_else() {
    let school = School::new().await;
    let mut maya = school.enter(&school.maya).await;
    let mut kwame = school.enter(&school.kwame).await;
    let mut clara = school.enter(&school.clara).await;
    let mut older = school.maya.socket(&school.path("")).await;
    // Who hears herself is in the room.
    older.say("a draft").await;
    let id = older.expect("chat_message").await["id"].as_i64().unwrap();
    for socket in [&mut maya, &mut kwame, &mut clara] {
        socket.expect("chat_message").await;
    }
    let edit = json!({ "type": "edit", "id": id, "message": "corrected" });
    let delete = json!({ "type": "delete", "id": id });
    for frame in [&edit, &delete] {
        kwame.send(frame).await;
        assert_eq!(kwame.expect("error").await["code"], "forbidden");
    }
    clara.send(&edit).await;
    assert_eq!(clara.expect("error").await["code"], "forbidden");
    maya.send(&edit).await;
    for socket in [&mut maya, &mut kwame, &mut clara] {
        let change = socket.expect("chat_edit").await;
        assert_eq!(
            (&change["id"], &change["message"]),
            (&json!(id), &json!("corrected"))
        );
    }
    clara.send(&delete).await;
    for socket in [&mut maya, &mut kwame, &mut clara] {
        assert_eq!(socket.expect("chat_delete").await["id"], id);
    }
    maya.send(&delete).await;
    assert_eq!(maya.expect("error").await["code"], "gone");
    // Who was away hears of both; the words are nowhere any more.
    let mut back = school
        .kwame
        .socket(&school.path(&format!("?v=2&after={id}")))
        .await;
    assert_eq!(back.expect("chat_delete").await["id"], id);
    back.expect("ready").await;
    let mut back = school.kwame.socket(&school.path("?v=2&after=0")).await;
    assert_eq!(back.expect("ready").await["recovered"], true);
    school
        .clara
        .get(&school.page())
        .await
        .expect(200)
        .lacks("corrected");
    // Clients that know no types heard of neither.
    clara.say("next").await;
    assert_eq!(older.expect("chat_message").await["message"], "next");
}

#[tokio::test]
async fn who_leaves_the_course_or_logs_out_is_out_of_the_room_at_once() {
    let school = School::new().await;
    let mut kwame = school.enter(&school.kwame).await;
    let mut maya = school.enter(&school.maya).await;
    let leave = format!("/students/course/{}/leave/", school.course.id);
    school.kwame.post(&leave, &[]).await.expect(303);
    assert_eq!(kwame.closed().await, 4403);
    school.maya.post("/accounts/logout/", &[]).await.expect(303);
    assert_eq!(maya.closed().await, 4403);
    let refused = school.kwame.socket_with(&school.path(""), &[]).await;
    assert_eq!(refused.err(), Some(403));
}

#[tokio::test]
async fn on_another_node_who_leaves_is_out_and_lines_of_both_have_one_order_for_all() {
    let school = School::with(&[("chat_rate", "")]).await;
    let other = school.site.second().await;
    let there = school.kwame.at(&other.url);
    let mut maya = school.enter(&school.maya).await;
    let mut kwame = there.socket(&school.path("?v=2")).await;
    kwame.expect("ready").await;
    for number in 0..40 {
        maya.say(&format!("maya {number}")).await;
        kwame.say(&format!("kwame {number}")).await;
    }
    let mut heard = Vec::new();
    for socket in [&mut maya, &mut kwame] {
        let mut lines = Vec::new();
        while lines.len() < 80 {
            lines.push(socket.expect("chat_message").await);
        }
        heard.push(lines);
    }
    let order = |lines: &[Value]| -> Vec<(i64, String)> {
        let of = |line: &Value| (line["id"].as_i64().unwrap(), line["message"].to_string());
        lines.iter().map(of).collect()
    };
    let [first, second] = [order(&heard[0]), order(&heard[1])];
    assert_eq!(first, second);
    assert!(first.is_sorted());
    for name in ["maya", "kwame"] {
        let hers = heard[0].iter().filter(|line| line["user"] == name);
        let numbers: Vec<String> = hers.map(|line| line["message"].to_string()).collect();
        let sent: Vec<String> = (0..40)
            .map(|number| json!(format!("{name} {number}")).to_string())
            .collect();
        assert_eq!(numbers, sent, "in the order in which she sent them");
    }
    let leave = format!("/students/course/{}/leave/", school.course.id);
    school.kwame.post(&leave, &[]).await.expect(303);
    assert_eq!(kwame.closed().await, 4403);
}

#[tokio::test]
async fn a_draft_and_a_deleted_course_close_their_rooms() {
    let school = School::new().await;
    let mut maya = school.enter(&school.maya).await;
    let mut clara = school.enter(&school.clara).await;
    let draft = course::ActiveModel {
        id: Set(school.course.id),
        is_draft: Set(true),
        ..Default::default()
    };
    course::Entity::update(draft)
        .exec(school.site.app.db.writer())
        .await
        .unwrap();
    school.site.changed_course(school.course.id).await;
    assert_eq!(maya.closed().await, 4403);
    clara.say("for me alone").await;
    clara.expect("chat_message").await;
    enrollment::Entity::delete_many()
        .filter(enrollment::Column::CourseId.eq(school.course.id))
        .exec(school.site.app.db.writer())
        .await
        .unwrap();
    let delete = format!("/course/{}/delete/", school.course.id);
    school.clara.post(&delete, &[]).await.expect(303);
    assert_eq!(clara.closed().await, 4403);
    let db = school.site.app.db.read();
    assert_eq!(chat_line::Entity::find().all(db).await.unwrap(), []);
}

#[tokio::test]
async fn who_says_too_much_is_told_to_wait_and_nothing_of_hers_is_lost_without_a_word() {
    let school = School::with(&[("chat_rate", "3/hour")]).await;
    let mut maya = school.enter(&school.maya).await;
    for number in 0..4 {
        let line = json!({ "message": "hello", "client_id": number.to_string() });
        maya.send(&line).await;
    }
    let (mut acks, mut refused) = (0, None);
    while acks < 3 || refused.is_none() {
        let frame = maya.next_kept().await.unwrap();
        acks += usize::from(frame["type"] == "ack");
        if frame["type"] == "error" {
            refused = Some(frame);
        }
    }
    let refused = refused.unwrap();
    assert_eq!(
        (&refused["code"], &refused["client_id"]),
        (&json!("too_fast"), &json!("3"))
    );
    assert!(refused["retry_after_seconds"].as_u64().unwrap() > 3_000);
}

#[tokio::test]
async fn a_site_that_stops_tells_its_rooms_when_to_come_back() {
    let school = School::new().await;
    let mut maya = school.enter(&school.maya).await;
    school.site.app.stopping.cancel();
    let restart = maya.expect("restart").await;
    assert!((500..=5_000).contains(&restart["retry_ms"].as_u64().unwrap()));
    assert_eq!(maya.closed().await, 1012);
}

#[tokio::test]
async fn the_page_of_a_room_shows_what_was_said_as_text_to_those_who_may_read_it() {
    let school = School::new().await;
    let path = school.page();
    school
        .maya
        .get(&path)
        .await
        .expect(200)
        .has("Nobody has said anything yet");
    let mut maya = school.enter(&school.maya).await;
    maya.say("<script>alert(1)</script> & more").await;
    maya.expect("chat_message").await;
    let page = school.clara.get(&path).await;
    page.expect(200);
    page.has("&#60;script&#62;").lacks("<script>alert");
    let stranger = school.site.login_as("zofia", Role::Student).await;
    stranger.get(&path).await.expect(403);
    stranger.get("/chat/room/4711/").await.expect(403);
    let page = school.site.visitor().get(&path).await;
    assert!(page.expect(302).location().starts_with("/accounts/login/"));
}
