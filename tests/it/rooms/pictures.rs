//! Pictures in lines: who sends them, who sees them, which a line takes, and when they are gone.

use super::School;
use crate::kit::{Browser, MP4_HEAD, PNG, Page, Role, Socket, TestApp};
use lyceum::accounts::{self, NewToken};
use lyceum::entities::upload::UploadKind;
use lyceum::entities::{chat_line, chat_picture, enrollment};
use lyceum::media::SweepMedia;
use lyceum::web::audit::By;
use lyceum::web::scopes::{Scope, Scopes};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

const DAY_SECONDS: i64 = 24 * 60 * 60;

impl School {
    fn pictures(&self) -> String {
        format!("{}pictures/", self.page())
    }

    /// Sends a picture of one pixel.
    async fn send(&self, who: &Browser) -> Page {
        let path = self.pictures();
        who.post_file(&path, &[], "bow.png", PNG).await
    }

    /// The number of a picture that was sent, and is processed.
    async fn ready(&self, who: &Browser) -> i64 {
        let sent = self.send(who).await.expect(201).json();
        assert_eq!(sent["state"], "waiting");
        self.site.drain().await;
        sent["upload"].as_i64().unwrap()
    }

    /// A picture in a line of somebody; the number of that, and the picture as everybody is told.
    async fn shown(&self, who: &Browser) -> (i64, Value) {
        let id = self.ready(who).await;
        let mut socket = self.enter(who).await;
        socket.send(&json!({ "pictures": [id] })).await;
        let line = socket.expect("chat_message").await;
        (line["id"].as_i64().unwrap(), line["pictures"][0].clone())
    }

    async fn history(&self) -> Vec<Value> {
        let path = format!("{}history/", self.page());
        let page = self.clara.get(&path).await.expect(200).json();
        page["lines"].as_array().unwrap().clone()
    }

    async fn rows(&self) -> Vec<chat_picture::Model> {
        let rows = chat_picture::Entity::find();
        rows.all(self.site.app.db.read()).await.unwrap()
    }

    async fn remove(&self, who: &Browser, id: i64) -> Page {
        let token = who.cookie("csrftoken").unwrap();
        let path = format!("{}{id}/", self.pictures());
        let request = who.request(Method::DELETE, &path);
        who.send(request.header("X-CSRFToken", token)).await
    }
}

/// A photograph that says where it was taken (EXIF 2.32, section 4.5).
async fn photograph(site: &TestApp) -> Vec<u8> {
    let plain = site
        .recording(
            "bow.jpg",
            "-f lavfi -i testsrc=size=640x400:duration=1:rate=1 -frames:v 1",
        )
        .await;
    let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\0\0\0\0\0GPS 48.2N 16.3E";
    let mut marked = plain[..2].to_vec();
    marked.extend(b"\xff\xe1");
    marked.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    marked.extend(exif);
    marked.extend(&plain[2..]);
    marked
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn refused(socket: &mut Socket, frame: &Value) -> Value {
    socket.send(frame).await;
    socket.expect("error").await
}

fn path_of(picture: &Value) -> &str {
    picture["url"].as_str().unwrap()
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn a_picture_is_sent_before_its_line_and_shown_without_the_place_where_it_was_taken() {
    let school = School::new().await;
    let photograph = photograph(&school.site).await;
    assert!(holds(&photograph, b"GPS 48.2N"));
    let mut maya = school.enter(&school.maya).await;
    let mut kwame = school.enter(&school.kwame).await;
    let mut older = school.clara.socket(&school.path("")).await;
    older.say("I am here").await;
    for socket in [&mut older, &mut maya, &mut kwame] {
        let line = socket.expect("chat_message").await;
        assert_eq!(line["pictures"], json!([]));
    }
    let sent = school
        .maya
        .post_file(&school.pictures(), &[], "bow.jpg", &photograph)
        .await;
    let sent = sent.expect(201).json();
    assert_eq!(sent["state"], "waiting");
    assert!(sent["words"].as_str().unwrap().starts_with("In line"));
    let id = sent["upload"].as_i64().unwrap();
    let path = format!("/uploads/{id}/state/");
    assert_eq!(school.maya.get(&path).await.expect(200).json()["id"], id);
    school.kwame.get(&path).await.expect(404);
    school.site.drain().await;
    assert_eq!(
        school.maya.get(&path).await.expect(200).json()["ready"],
        true
    );
    // She waited for it there, and needs no message.
    school.maya.get("/messages/").await.lacks("bow.jpg");

    let frame = json!({ "message": " ", "pictures": [{ "upload": id, "alt": " A bow " }] });
    maya.send(&frame).await;
    let line = kwame.expect("chat_message").await;
    let small = format!("/media/{id}/image-480.jpg");
    let large = format!("/media/{id}/image-640.jpg");
    let picture = json!({
        "upload": id, "width": 640, "height": 400, "url": large, "small_url": small, "alt": "A bow",
    });
    assert_eq!(line["message"], "");
    assert_eq!(line["pictures"], json!([picture]));
    let told = older.expect("chat_message").await;
    assert_eq!(told["message"], "(a picture)", "for those who show none");
    assert_eq!(school.history().await.last(), Some(&line));
    for path in [&small, &large] {
        let page = school.kwame.get(path).await;
        assert_eq!(
            page.expect(200).header("content-type").unwrap(),
            "image/jpeg"
        );
        for place in [&b"Exif"[..], b"GPS "] {
            assert!(!holds(&page.bytes, place), "{path}");
        }
    }
    let original = format!("/media/{id}/original");
    school.kwame.get(&original).await.expect(404);
    school.maya.get(&original).await.expect(200);

    // What was missed, what answers it, the page and the lists show it as well.
    let mut late = school.kwame.socket(&school.path("?v=2&after=1")).await;
    assert_eq!(late.expect("chat_message").await, line);
    kwame
        .send(&json!({ "message": "Whose bow?", "reply_to": 2 }))
        .await;
    let answer = kwame.expect("chat_message").await;
    assert_eq!(answer["reply_to"]["message"], "(a picture)");
    let page = school.kwame.get(&school.page()).await;
    page.has(&format!(
        "<a href=\"{large}\" data-width=\"640\" data-height=\"400\"><img src=\"{small}\" width=\"320\" height=\"200\" alt=\"A bow\""
    ));
    page.has("You: Whose bow?");
    // Her picture, and the answer to it.
    maya.expect("chat_message").await;
    maya.expect("chat_message").await;
    maya.send(&json!({ "message": "the words of a bow", "pictures": [] }))
        .await;
    maya.expect("chat_message").await;
    let found = school
        .kwame
        .get(&format!("{}search/?q=words", school.page()))
        .await;
    assert_eq!(found.expect(200).json()["lines"][0]["pictures"], json!([]));
}

#[tokio::test]
async fn before_it_is_said_a_picture_is_its_senders_and_then_of_those_in_the_course_alone() {
    let school = School::new().await;
    let neighbor = school.site.course(school.course.owner_id, "winds").await;
    let stranger = school.site.login_as("priya", Role::Student).await;
    school
        .site
        .enrollment(school.id_of("priya").await, neighbor.id)
        .await;
    let teacher = school.site.login_as("ingrid", Role::Instructor).await;
    let staff = school.site.login_as("sofia", Role::Staff).await;
    let visitor = school.site.visitor();
    let id = school.ready(&school.maya).await;
    let path = format!("/media/{id}/image-1.png");
    for (who, before, after) in [
        (&school.maya, 200, 200),
        (&school.kwame, 404, 200),
        (&school.clara, 404, 200),
        (&staff, 200, 200),
        (&stranger, 404, 404),
        (&teacher, 404, 404),
        (&visitor, 404, 404),
    ] {
        who.get(&path).await.expect(before);
        if before != after {
            continue;
        }
        who.get(&path).await.expect(after);
    }
    let mut maya = school.enter(&school.maya).await;
    maya.send(&json!({ "pictures": [id] })).await;
    maya.expect("chat_message").await;
    for (who, after) in [
        (&school.maya, 200),
        (&school.kwame, 200),
        (&school.clara, 200),
        (&staff, 200),
        (&stranger, 404),
        (&teacher, 404),
        (&visitor, 404),
    ] {
        who.get(&path).await.expect(after);
    }
}

#[tokio::test]
async fn who_leaves_and_whoever_asks_after_the_line_is_gone_finds_no_picture_on_any_node() {
    let school = School::new().await;
    let second = school.site.second().await;
    let (line, picture) = school.shown(&school.maya).await;
    let path = path_of(&picture);
    let everywhere = async |who: &Browser, status: u16| {
        for url in [&school.site.url, &second.url] {
            second.app.bus.check().await.unwrap();
            // Twice, so that what may be remembered is.
            who.at(url).get(path).await.expect(status);
            who.at(url).get(path).await.expect(status);
        }
    };
    everywhere(&school.kwame, 200).await;
    let leave = format!("/students/course/{}/leave/", school.course.id);
    school
        .kwame
        .at(&second.url)
        .post(&leave, &[])
        .await
        .expect(303);
    everywhere(&school.kwame, 404).await;

    let kwame_id = school.id_of("kwame").await;
    school.site.enrollment(kwame_id, school.course.id).await;
    everywhere(&school.kwame, 200).await;
    // A course that is withdrawn shows its students nothing.
    let subject = school.course.subject_id.to_string();
    let fields = [
        ("subject", subject.as_str()),
        ("title", "How strings sing"),
        ("slug", "how-strings-sing"),
        ("overview", "About it."),
        ("draft", "on"),
    ];
    let edit = format!("/course/{}/edit/", school.course.id);
    school.clara.post(&edit, &fields).await.expect(303);
    everywhere(&school.kwame, 404).await;
    everywhere(&school.clara, 200).await;
    school.clara.post(&edit, &fields[..4]).await.expect(303);
    everywhere(&school.kwame, 200).await;

    let mut maya = school
        .maya
        .at(&second.url)
        .socket(&school.path("?v=2"))
        .await;
    maya.expect("ready").await;
    maya.send(&json!({ "type": "delete", "id": line })).await;
    maya.expect("chat_delete").await;
    for who in [&school.kwame, &school.clara, &school.maya] {
        everywhere(who, 404).await;
    }
    school.site.drain().await;
    assert!(school.site.stored().await.is_empty(), "its files are gone");
    assert!(school.site.uploads().await.is_empty() && school.rows().await.is_empty());
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one refusal after the other, and nothing of them stays"
)]
async fn a_line_takes_only_its_senders_pictures_that_are_ready_for_this_room_and_in_no_line() {
    let school = School::new().await;
    let neighbor = school.site.course(school.course.owner_id, "winds").await;
    let clara_id = school.course.owner_id;
    let mut clara = school.enter(&school.clara).await;
    let of_maya = school.ready(&school.maya).await;
    let said = school.ready(&school.clara).await;
    clara.send(&json!({ "pictures": [said] })).await;
    clara.expect("chat_message").await;
    let elsewhere = format!("/chat/room/{}/pictures/", neighbor.id);
    let elsewhere = school
        .clara
        .post_file(&elsewhere, &[], "a.png", PNG)
        .await
        .expect(201)
        .json();
    let broken = school
        .clara
        .post_file(&school.pictures(), &[], "a.png", &PNG[..40])
        .await
        .expect(201)
        .json();
    school.site.drain().await;
    let site = &school.site;
    let in_library = site
        .file(clara_id, UploadKind::Image, "a.png", |_| ())
        .await;
    let film = site.film(clara_id, 9.0).await;
    let waiting = school.send(&school.clara).await.expect(201).json();
    let before = (school.history().await, school.rows().await);
    for (id, code) in [
        (json!(of_maya), "gone"),
        (json!(in_library.id), "gone"),
        (json!(film.id), "gone"),
        (elsewhere["upload"].clone(), "gone"),
        (json!(99_999), "gone"),
        (json!(-1), "gone"),
        (waiting["upload"].clone(), "invalid"),
        (broken["upload"].clone(), "invalid"),
        (json!(said), "invalid"),
    ] {
        let frame = json!({ "message": "Look", "pictures": [id], "client_id": format!("x{id}") });
        let told = refused(&mut clara, &frame).await;
        assert_eq!(told["code"], code, "{id}: {told}");
        assert_eq!(told["client_id"], format!("x{id}"));
    }
    // Of several pictures one that is not to be had keeps the others out, too.
    let own = school.ready(&school.clara).await;
    let both = json!({ "message": "Look", "pictures": [own, of_maya], "client_id": "both" });
    assert_eq!(refused(&mut clara, &both).await["code"], "gone");
    // Two lines at once with the same picture: the first has it.
    let mut codes = Vec::new();
    for name in ["first", "second"] {
        let frame = json!({ "message": name, "pictures": [own], "client_id": name });
        clara.send(&frame).await;
    }
    while codes.len() < 2 {
        let told = clara.next_kept().await.unwrap();
        match told["type"].as_str().unwrap() {
            "ack" => codes.push("kept".to_owned()),
            "error" => codes.push(told["code"].as_str().unwrap().to_owned()),
            _ => {}
        }
    }
    codes.sort();
    assert_eq!(codes, ["invalid", "kept"]);
    let (lines, rows) = (school.history().await, school.rows().await);
    assert_eq!(lines.len(), before.0.len() + 1);
    let untouched = rows
        .iter()
        .filter(|row| row.upload_id != own && row.upload_id != waiting["upload"]);
    let untouched: Vec<_> = untouched.collect();
    let were = before
        .1
        .iter()
        .filter(|row| row.upload_id != waiting["upload"]);
    assert_eq!(untouched, were.collect::<Vec<_>>());

    // What is no picture does not come in at all.
    for (name, bytes) in [("a.mp4", MP4_HEAD), ("a.svg", b"<svg></svg>"), ("a", b"")] {
        let page = school
            .clara
            .post_file(&school.pictures(), &[], name, bytes)
            .await;
        assert!(
            [400, 415, 422].contains(&page.status),
            "{name}: {}",
            page.status
        );
    }
    let empty = school.clara.post(&school.pictures(), &[]).await;
    empty.expect(422);
    assert_eq!(school.rows().await.len(), rows.len());
}

#[tokio::test]
async fn the_same_line_sent_twice_is_one_line_with_its_pictures_in_their_order() {
    let school = School::new().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(school.ready(&school.maya).await);
    }
    ids.reverse();
    let mut maya = school.enter(&school.maya).await;
    let mut kwame = school.enter(&school.kwame).await;
    let frame = json!({ "message": "four", "pictures": ids, "client_id": "once" });
    maya.send(&frame).await;
    let line = kwame.expect("chat_message").await;
    let shown = line["pictures"].as_array().unwrap().iter();
    let shown: Vec<i64> = shown.map(|one| one["upload"].as_i64().unwrap()).collect();
    assert_eq!(shown, ids);
    for _ in 0..2 {
        let mut again = school.enter(&school.maya).await;
        again.send(&frame).await;
        assert_eq!(again.expect("ack").await["id"], line["id"]);
    }
    assert_eq!(school.history().await, [line]);
}

#[tokio::test]
async fn a_change_keeps_the_pictures_and_may_take_all_words_away_where_there_are_some() {
    let school = School::new().await;
    let mut maya = school.enter(&school.maya).await;
    maya.say("words alone").await;
    maya.expect("chat_message").await;
    let (line, picture) = school.shown(&school.maya).await;
    maya.expect("chat_message").await;
    for words in ["a bow", " "] {
        maya.send(&json!({ "type": "edit", "id": line, "message": words }))
            .await;
        let changed = maya.expect("chat_edit").await;
        assert_eq!(changed["message"], words.trim());
        let now = school.history().await.pop().unwrap();
        assert_eq!(now["message"], words.trim());
        assert_eq!(now["pictures"], json!([picture]));
    }
    school.kwame.get(path_of(&picture)).await.expect(200);
    let told = refused(
        &mut maya,
        &json!({ "type": "edit", "id": 1, "message": " " }),
    )
    .await;
    assert_eq!(told["code"], "invalid");
    assert_eq!(school.history().await[0]["message"], "words alone");
    // A moderator deletes it.
    let mut clara = school.enter(&school.clara).await;
    clara.send(&json!({ "type": "delete", "id": line })).await;
    clara.expect("chat_delete").await;
    school.maya.get(path_of(&picture)).await.expect(404);
}

#[tokio::test]
async fn who_may_not_write_sends_no_pictures_and_moderators_do() {
    let school = School::new().await;
    let stranger = school.site.login_as("priya", Role::Student).await;
    school.send(&stranger).await.expect(403);
    let nowhere = "/chat/room/99999/pictures/";
    stranger
        .post_file(nowhere, &[], "a.png", PNG)
        .await
        .expect(403);
    let visitor = school.site.visitor();
    school.send(&visitor).await.expect(302);
    let mut clara = school.enter(&school.clara).await;
    let maya_id = school.id_of("maya").await;
    clara
        .send(&json!({ "type": "mute", "user_id": maya_id, "minutes": 10 }))
        .await;
    clara.send(&json!({ "type": "read", "id": 1 })).await;
    clara.say("muted").await;
    clara.expect("chat_message").await;
    school.send(&school.maya).await.expect(403).has("muted you");
    school.send(&school.kwame).await.expect(201);
    clara
        .send(&json!({ "type": "lock", "is_locked": true }))
        .await;
    clara.say("locked").await;
    clara.expect("chat_message").await;
    school
        .send(&school.kwame)
        .await
        .expect(403)
        .has("closed for now");
    school.send(&school.clara).await.expect(201);
    // Without the token of the page, from another page, with keys that are not for it.
    let form = || Form::new().part("file", Part::bytes(PNG.to_vec()).file_name("a.png"));
    let request = school.clara.request(Method::POST, &school.pictures());
    school
        .clara
        .send(request.multipart(form()))
        .await
        .expect(403);
    for (scope, status) in [(Scope::Learn, 201), (Scope::Read, 403), (Scope::Teach, 403)] {
        let token = NewToken {
            user_id: school.course.owner_id,
            name: format!("of {scope:?}"),
            scopes: Some(Scopes::from_iter([scope])),
            expires_at: None,
        };
        let write = school.site.app.write().await.unwrap();
        let key = accounts::create_token(&school.site.app, &write, token).await;
        write.commit().await.unwrap();
        let key = key.unwrap();
        let request = visitor.request(Method::POST, &school.pictures());
        let request = request.header("Authorization", format!("Token {key}"));
        visitor.send(request.multipart(form())).await.expect(status);
    }
}

#[tokio::test]
async fn a_picture_that_no_line_took_is_taken_back_or_swept_after_a_day() {
    let school = School::new().await;
    let (_, said) = school.shown(&school.maya).await;
    let unwanted = school.ready(&school.maya).await;
    school.remove(&school.kwame, unwanted).await.expect(404);
    school.remove(&school.maya, 99_999).await.expect(404);
    school.remove(&school.maya, unwanted).await.expect(204);
    school.remove(&school.maya, unwanted).await.expect(404);
    let id = said["upload"].as_i64().unwrap();
    school.remove(&school.maya, id).await.expect(409);
    // One that is still in line goes, too.
    let waiting = school.send(&school.maya).await.expect(201).json()["upload"].as_i64();
    school
        .remove(&school.maya, waiting.unwrap())
        .await
        .expect(204);

    let forgotten = school.ready(&school.kwame).await;
    let sweep = async || {
        let mut write = school.site.app.write().await.unwrap();
        lyceum::jobs::enqueue(&school.site.app, &mut write, &SweepMedia {})
            .await
            .unwrap();
        write.commit().await.unwrap();
        school.site.drain().await;
    };
    let owned = async || {
        let mut ids: Vec<i64> = school
            .site
            .uploads()
            .await
            .iter()
            .map(|row| row.id)
            .collect();
        ids.sort_unstable();
        ids
    };
    school.site.wait_seconds(DAY_SECONDS);
    sweep().await;
    assert_eq!(owned().await, [id, forgotten], "a day is not over");
    school.site.wait_seconds(1);
    sweep().await;
    assert_eq!(owned().await, [id]);
    school.kwame.get(path_of(&said)).await.expect(200);
    let stored = school.site.stored().await;
    let prefix = &school.site.uploads().await[0].prefix;
    assert!(
        stored.iter().all(|key| key.starts_with(prefix)),
        "{stored:?}"
    );
}

#[tokio::test]
async fn with_a_course_go_the_pictures_of_its_room() {
    let school = School::new().await;
    let (_, said) = school.shown(&school.maya).await;
    school.ready(&school.kwame).await;
    let neighbor = school.site.course(school.course.owner_id, "winds").await;
    let path = format!("/chat/room/{}/pictures/", neighbor.id);
    let other = school.clara.post_file(&path, &[], "a.png", PNG).await;
    let other = other.expect(201).json()["upload"].as_i64().unwrap();
    school.site.drain().await;
    school.kwame.get(path_of(&said)).await.expect(200);
    let path = format!("/course/{}/delete/", school.course.id);
    school.clara.post(&path, &[]).await.expect(303);
    school.kwame.get(path_of(&said)).await.expect(404);
    school.clara.get(path_of(&said)).await.expect(404);
    school.site.drain().await;
    let uploads = school.site.uploads().await;
    assert_eq!(
        uploads.iter().map(|row| row.id).collect::<Vec<_>>(),
        [other]
    );
    let stored = school.site.stored().await;
    assert!(
        stored.iter().all(|key| key.starts_with(&uploads[0].prefix)),
        "{stored:?}"
    );
    assert_eq!(school.rows().await.len(), 1);
}

#[tokio::test]
async fn pictures_of_rooms_are_in_no_library_and_nothing_else_shows_or_deletes_them() {
    let school = School::new().await;
    let (_, said) = school.shown(&school.clara).await;
    let id = said["upload"].as_i64().unwrap();
    school
        .clara
        .get("/library/")
        .await
        .expect(200)
        .lacks("bow.png");
    let module = school.site.module(school.course.id, "One").await;
    let path = format!("/library/{id}/use/");
    school.clara.get(&path).await.expect(404);
    let module_id = module.id.to_string();
    let fields = [("module", module_id.as_str()), ("title", "A bow")];
    school.clara.post(&path, &fields).await.expect(404);
    let named = id.to_string();
    let deleted = school
        .clara
        .post("/library/delete/", &[("file", named.as_str())])
        .await;
    deleted.expect(409).has("goes with its line");
    school
        .clara
        .get(&format!("/library/delete/?file={id}"))
        .await
        .expect(409);
    let rename = format!("/library/{id}/rename/");
    school
        .clara
        .post(&rename, &[("name", "x.png")])
        .await
        .expect(404);
    school.kwame.get(path_of(&said)).await.expect(200);
    assert_eq!(school.rows().await.len(), 1);
    // Staff can: the line stays without it.
    let app = &school.site.app;
    let mut write = app.write().await.unwrap();
    let by = By::terminal(school.site.clock.now());
    lyceum::library::delete_upload(app, &mut write, &by, id)
        .await
        .unwrap();
    write.commit().await.unwrap();
    school.kwame.get(path_of(&said)).await.expect(404);
    school.site.drain().await;
    assert!(school.site.uploads().await.is_empty() && school.rows().await.is_empty());
    let page = school.kwame.get(&school.page()).await;
    page.expect(200).has("showed a picture that is gone");
    assert_eq!(school.history().await[0]["pictures"], json!([]));
}

#[tokio::test]
async fn nobody_sends_pictures_without_end() {
    let school = School::new().await;
    let maya_id = school.id_of("maya").await;
    for number in 0..60 {
        let name = format!("{number}.png");
        let file = school
            .site
            .file(maya_id, UploadKind::Image, &name, |_| ())
            .await;
        let row = chat_picture::ActiveModel {
            upload_id: Set(file.id),
            course_id: Set(school.course.id),
            line_id: Set(None),
            position: Set(0),
            alt: Set(String::new()),
        };
        chat_picture::Entity::insert(row)
            .exec_without_returning(school.site.app.db.writer())
            .await
            .unwrap();
    }
    let told = school.send(&school.maya).await;
    assert!(told.expect(429).header("retry-after").is_some());
    school.send(&school.kwame).await.expect(201);
    school.site.wait_seconds(60 * 60);
    school.send(&school.maya).await.expect(201);
}

#[tokio::test]
async fn a_line_of_somebody_who_has_left_is_not_kept_even_where_nobody_has_heard_of_it() {
    let school = School::new().await;
    let mut maya = school.enter(&school.maya).await;
    let mut clara = school.enter(&school.clara).await;
    // So that nobody is told, as when the line waits while she leaves.
    enrollment::Entity::delete_many()
        .filter(enrollment::Column::UserId.eq(school.id_of("maya").await))
        .exec(school.site.app.db.writer())
        .await
        .unwrap();
    let told = refused(
        &mut maya,
        &json!({ "message": "too late", "client_id": "late" }),
    )
    .await;
    assert_eq!(
        (&told["code"], &told["client_id"]),
        (&json!("forbidden"), &json!("late"))
    );
    clara.say("still here").await;
    assert_eq!(clara.expect("chat_message").await["message"], "still here");
    let lines = chat_line::Entity::find()
        .all(school.site.app.db.read())
        .await;
    assert_eq!(lines.unwrap().len(), 1);
}
