//! Messages: to one person, once, on all her pages at once.

use crate::kit::{EventReader, Role, TestApp};
use lyceum::accounts;
use lyceum::entities::message;
use lyceum::error::{Error, Result};
use lyceum::messages::{MessageLevel, NewMessage, send};
use reqwest::Method;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

fn note(recipient_id: i64, text: &str) -> NewMessage {
    NewMessage {
        recipient_id,
        text: text.into(),
        level: MessageLevel::Success,
        link: "/course/mine/".into(),
        dedupe_key: None,
    }
}

async fn try_tell(site: &TestApp, message: NewMessage) -> Result<()> {
    let mut write = site.app.write().await?;
    send(&site.app, &mut write, message).await?;
    write.commit().await
}

async fn tell(site: &TestApp, recipient_id: i64, text: &str) {
    try_tell(site, note(recipient_id, text)).await.unwrap();
}

async fn messages_of(site: &TestApp, user_id: i64) -> Vec<message::Model> {
    message::Entity::find()
        .filter(message::Column::RecipientId.eq(user_id))
        .order_by_asc(message::Column::Id)
        .all(site.app.db.read())
        .await
        .unwrap()
}

/// Texts of the next messages of a stream.
async fn texts(events: &mut EventReader, number: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..number {
        let told = events.next_of("message").await;
        texts.push(told.data["text"].as_str().unwrap().to_owned());
    }
    texts
}

#[tokio::test]
async fn a_message_reaches_its_recipient_and_nobody_else() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let ben_id = site.person("ben", Role::Staff).await;
    let (anna, ben) = (site.login("anna").await, site.login("ben").await);
    let mut annas = anna.events("/events/", None).await;
    let mut bens = ben.events("/events/", None).await;
    annas.greeting().await;
    bens.greeting().await;

    tell(&site, anna_id, "only for Anna").await;
    tell(&site, ben_id, "only for Ben").await;

    let told = annas.next_of("message").await.data;
    let row = &messages_of(&site, anna_id).await[0];
    assert_eq!(
        told,
        serde_json::json!({"type": "message", "id": row.id, "text": "only for Anna",
            "level": "success", "link": "/course/mine/", "unread": 1})
    );
    assert_eq!(texts(&mut bens, 1).await, ["only for Ben"]);
    for path in ["/messages/", "/no/such/page/"] {
        ben.get(path).await.lacks("only for Anna");
    }
    anna.get("/messages/")
        .await
        .expect(200)
        .has("only for Anna")
        .has("Messages, 1 unread")
        .lacks("only for Ben");
}

#[tokio::test]
async fn dismissing_hides_a_message_for_its_recipient_only_and_on_all_her_pages() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let ben_id = site.person("ben", Role::Student).await;
    let (anna, ben) = (site.login("anna").await, site.login("ben").await);
    tell(&site, anna_id, "the site moves").await;
    tell(&site, ben_id, "the site moves").await;
    let message_id = messages_of(&site, anna_id).await[0].id.to_string();
    let mut pages = [
        anna.events("/events/", None).await,
        anna.events("/events/", None).await,
    ];
    for page in &mut pages {
        page.greeting().await;
    }

    let page = anna.get("/messages/").await;
    page.has(&format!("data-message-id=\"{message_id}\""))
        .has("data-message-url=\"/messages/read/\"")
        .has("class=\"unread\"");
    for _ in 0..2 {
        let answer = anna
            .post("/messages/read/", &[("message_id", &message_id)])
            .await;
        assert_eq!(answer.expect(200).text(), "OK");
    }
    for page in &mut pages {
        let told = page.next_of("message-read").await.data;
        assert_eq!(
            (told["id"].to_string(), &told["unread"]),
            (message_id.clone(), &serde_json::json!(0))
        );
    }
    anna.get("/messages/")
        .await
        .has("the site moves")
        .lacks("class=\"unread\"")
        .lacks("message_id\" value=\"1");
    assert!(!messages_of(&site, ben_id).await[0].is_read);
    ben.get("/messages/").await.has("class=\"unread\"");
}

#[tokio::test]
async fn nobody_dismisses_what_is_not_hers() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let eve = site.login_as("eve", Role::Staff).await;
    tell(&site, anna_id, "for Anna").await;
    let id = messages_of(&site, anna_id).await[0].id.to_string();
    eve.get("/messages/").await.expect(200);
    for wrong in [
        id.as_str(),
        "999999",
        "0",
        "-1",
        "x",
        "",
        "9e9",
        "99999999999999999999",
    ] {
        eve.post("/messages/read/", &[("message_id", wrong)])
            .await
            .expect(404);
    }
    eve.post("/messages/read/", &[]).await.expect(404);
    eve.post("/messages/read/all/", &[("up_to", "999999")])
        .await
        .expect(200);
    eve.post("/messages/read/all/", &[("up_to", "x")])
        .await
        .expect(400);
    eve.get("/messages/read/").await.expect(405);
    assert!(!messages_of(&site, anna_id).await[0].is_read);
}

#[tokio::test]
async fn messages_are_not_doubled_by_a_repeated_notification() {
    let site = TestApp::start().await;
    let second = site.second().await;
    let anna_id = site.person("anna", Role::Student).await;
    let ben_id = site.person("ben", Role::Student).await;
    let once = |to| NewMessage {
        dedupe_key: Some("upload:7:ready".into()),
        ..note(to, "Your file bow.mp4 has been processed")
    };
    let (first, again) = tokio::join!(
        try_tell(&site, once(anna_id)),
        try_tell(&second, once(anna_id))
    );
    first.unwrap();
    again.unwrap();
    try_tell(&site, once(anna_id)).await.unwrap();
    try_tell(&site, once(ben_id)).await.unwrap();
    tell(&site, ben_id, "another").await;
    tell(&site, ben_id, "another").await;
    assert_eq!(messages_of(&site, anna_id).await.len(), 1);
    assert_eq!(messages_of(&site, ben_id).await.len(), 3);
}

#[tokio::test]
async fn a_message_whose_transaction_is_undone_was_never_told() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let anna = site.login("anna").await;
    let mut events = anna.events("/events/", None).await;
    events.greeting().await;
    let mut write = site.app.write().await.unwrap();
    send(&site.app, &mut write, note(anna_id, "undone"))
        .await
        .unwrap();
    write.rollback().await.unwrap();
    tell(&site, anna_id, "done").await;
    assert_eq!(texts(&mut events, 1).await, ["done"]);
}

#[tokio::test]
async fn an_open_stream_tells_in_order_what_any_process_of_the_site_sends() {
    let site = TestApp::start().await;
    let second = site.second().await;
    let anna_id = site.person("anna", Role::Student).await;
    let anna = site.login("anna").await;
    let mut events = anna.events("/events/", None).await;
    events.greeting().await;
    let mut sent = Vec::new();
    for round in 0..5 {
        for process in [&site, &second, &second] {
            let text = format!("{round}-{}", sent.len());
            tell(process, anna_id, &text).await;
            sent.push(text);
        }
    }
    let mut last = 0;
    for text in sent {
        let told = events.next_of("message").await;
        assert_eq!(told.data["text"], text);
        let id: i64 = told.id.unwrap().parse().unwrap();
        assert_eq!(told.data["id"], id);
        assert!(id > last);
        last = id;
    }
}

#[tokio::test]
async fn a_stream_that_comes_back_gets_what_it_missed_and_nothing_twice() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let anna = site.login("anna").await;
    let mut events = anna.events("/events/", None).await;
    events.greeting().await;
    tell(&site, anna_id, "seen").await;
    let seen: i64 = events.next_of("message").await.id.unwrap().parse().unwrap();
    drop(events);
    for text in ["missed", "missed and dismissed", "missed too"] {
        tell(&site, anna_id, text).await;
    }
    let dismissed = messages_of(&site, anna_id).await[2].id.to_string();
    anna.get("/messages/").await;
    anna.post("/messages/read/", &[("message_id", &dismissed)])
        .await
        .expect(200);

    let mut again = anna.events("/events/?after=0", Some(seen)).await;
    let greeting = again.greeting().await;
    assert_eq!(greeting[0].data["type"], "unread");
    assert_eq!(greeting[0].data["unread"], 3);
    let missed: Vec<_> = greeting[1..]
        .iter()
        .map(|told| &told.data["text"])
        .collect();
    assert_eq!(missed, ["missed", "missed too"]);
    tell(&site, anna_id, "live").await;
    assert_eq!(texts(&mut again, 1).await, ["live"]);
}

#[tokio::test]
async fn what_comes_between_a_page_and_its_stream_is_told() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let anna = site.login("anna").await;
    tell(&site, anna_id, "on the page").await;
    let known = messages_of(&site, anna_id).await[0].id;
    let page = anna.get("/no/such/page/").await;
    page.expect(404);
    let page = anna.get("/messages/").await;
    page.has(&format!("data-last-message=\"{known}\""));
    tell(&site, anna_id, "in between").await;
    let path = format!("/events/?person={anna_id}&after={known}");
    let greeting = anna.events(&path, None).await.greeting().await;
    assert_eq!(greeting.len(), 2, "{greeting:?}");
    assert_eq!(greeting[1].data["text"], "in between");

    let state = anna.get(&format!("/messages/unread/?after={known}")).await;
    let state = state.expect(200).json();
    assert_eq!(state["type"], "unread");
    assert_eq!(state["unread"], 2);
    assert_eq!(state["messages"].as_array().unwrap().len(), 1);
    assert_eq!(state["messages"][0]["text"], "in between");
    assert_eq!(state["to"], state["ids"][0]);
}

#[tokio::test]
async fn other_events_of_a_person_are_passed_on_as_they_are() {
    let site = TestApp::start().await;
    let second = site.second().await;
    let anna_id = site.person("anna", Role::Student).await;
    let mut events = site.login("anna").await.events("/events/", None).await;
    events.greeting().await;
    let upload = serde_json::json!({"type": "upload", "id": 7, "words": "Processing 61 %\r\n", "percent": 61});
    let mut write = second.app.write().await.unwrap();
    let group = format!("user:{anna_id}");
    write.publish(&group, &"no object").await.unwrap();
    write.publish(&group, &upload).await.unwrap();
    write.commit().await.unwrap();
    let told = events.next().await.unwrap();
    assert_eq!((told.data, told.id), (upload, None));
}

#[tokio::test]
async fn a_stream_ends_at_once_when_the_site_stops() {
    let site = TestApp::start().await;
    let anna = site.login_as("anna", Role::Student).await;
    let mut events = anna.events("/events/", None).await;
    events.greeting().await;
    site.app.stopping.cancel();
    events.end().await;
}

#[tokio::test]
async fn a_stream_ends_when_its_session_ends_and_others_stay() {
    let site = TestApp::start().await;
    let second = site.second().await;
    let anna_id = site.person("anna", Role::Student).await;
    let (laptop, phone) = (site.login("anna").await, site.login("anna").await);
    let mut ending = laptop.at(&second.url).events("/events/", None).await;
    let mut staying = phone.events("/events/", None).await;
    ending.greeting().await;
    staying.greeting().await;
    laptop.get("/messages/").await;
    laptop.post("/accounts/logout/", &[]).await.expect(303);
    ending.end().await;
    tell(&site, anna_id, "still here").await;
    assert_eq!(texts(&mut staying, 1).await, ["still here"]);
}

#[tokio::test]
async fn a_stream_ends_when_the_account_is_deactivated() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let mut events = site.login("anna").await.events("/events/", None).await;
    events.greeting().await;
    let mut write = site.app.write().await.unwrap();
    accounts::set_active(&mut write, anna_id, false)
        .await
        .unwrap();
    write.commit().await.unwrap();
    events.end().await;
}

#[tokio::test]
async fn strangers_hear_nothing_and_are_not_sent_to_a_form_that_no_script_could_use() {
    let site = TestApp::start().await;
    let visitor = site.visitor();
    for path in ["/events/", "/messages/unread/"] {
        let request = visitor
            .request(Method::GET, path)
            .header("Accept", "text/event-stream");
        let refused = visitor.send(request).await;
        assert!(refused.expect(403).json()["detail"].is_string());
        visitor.get(path).await.expect(403);
    }
    let page = visitor.get("/messages/").await;
    assert_eq!(
        page.expect(302).location(),
        "/accounts/login/?next=/messages/"
    );
    visitor
        .post("/messages/read/", &[("message_id", "1")])
        .await
        .expect(302);
}

#[tokio::test]
async fn a_page_that_was_drawn_for_somebody_else_hears_nothing() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let ben = site.login_as("ben", Role::Student).await;
    for path in ["/events/", "/messages/unread/"] {
        ben.get(&format!("{path}?person={anna_id}&after=0"))
            .await
            .expect(403);
        ben.get(&format!("{path}?after=x")).await.expect(400);
    }
}

#[tokio::test]
async fn a_person_has_a_bounded_number_of_streams() {
    let site = TestApp::start().await;
    let anna = site.login_as("anna", Role::Student).await;
    let ben = site.login_as("ben", Role::Student).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(anna.events("/events/", None).await);
    }
    let refused = anna.get("/events/").await;
    refused.expect(429);
    assert!(refused.header("retry-after").is_some());
    ben.events("/events/", None).await.greeting().await;
}

#[tokio::test]
async fn html_in_a_message_is_text() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let anna = site.login("anna").await;
    let text = "<img src=x onerror=alert(1)> & \"more\"";
    tell(&site, anna_id, text).await;
    for path in ["/messages/", "/accounts/login/"] {
        anna.get(path).await.lacks("<img src=x");
    }
    let greeting = anna.events("/events/?after=0", None).await.greeting().await;
    assert_eq!(greeting[1].data["text"], text);
}

#[tokio::test]
async fn a_message_has_1_to_250_characters_and_leads_nowhere_else() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let longest = "ü".repeat(250);
    tell(&site, anna_id, &longest).await;
    assert_eq!(messages_of(&site, anna_id).await[0].text, longest);
    let refused = [
        note(anna_id, ""),
        note(anna_id, &"ü".repeat(251)),
        NewMessage {
            link: "https://evil.example/".into(),
            ..note(anna_id, "x")
        },
        NewMessage {
            link: "//evil.example/".into(),
            ..note(anna_id, "x")
        },
        NewMessage {
            dedupe_key: Some("k".repeat(151)),
            ..note(anna_id, "x")
        },
    ];
    for message in refused {
        let result = try_tell(&site, message).await;
        assert!(matches!(result, Err(Error::Invalid(_))), "{result:?}");
    }
    // Somebody who is gone gets nothing, and whoever writes to her does not fail.
    tell(&site, anna_id + 1_000, "into the void").await;
    let all = message::Entity::find().count(site.app.db.read()).await;
    assert_eq!(all.unwrap(), 1);
}

#[tokio::test]
async fn all_is_dismissed_up_to_what_the_page_showed() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let anna = site.login("anna").await;
    for text in ["one", "two"] {
        tell(&site, anna_id, text).await;
    }
    let newest = messages_of(&site, anna_id).await[1].id;
    anna.get("/messages/")
        .await
        .has(&format!("name=\"up_to\" value=\"{newest}\""));
    tell(&site, anna_id, "three").await;
    let mut events = anna.events("/events/", None).await;
    events.greeting().await;
    let newest = newest.to_string();
    let fields = [("up_to", newest.as_str()), ("next", "/messages/")];
    let answer = anna.post("/messages/read/all/", &fields).await;
    assert_eq!(answer.expect(303).location(), "/messages/");
    let state = events.next_of("unread").await.data;
    let last = messages_of(&site, anna_id).await[2].id;
    assert_eq!(
        (&state["unread"], &state["ids"]),
        (&serde_json::json!(1), &serde_json::json!([last]))
    );
    anna.get("/messages/")
        .await
        .has("Messages, 1 unread")
        .has("Mark as read: three")
        .lacks("Mark as read: two");
}

#[tokio::test]
async fn a_form_leads_back_to_its_page_and_a_script_gets_ok() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let anna = site.login("anna").await;
    tell(&site, anna_id, "hello").await;
    let id = messages_of(&site, anna_id).await[0].id.to_string();
    anna.get("/messages/").await;
    let form = |next| [("message_id", id.clone()), ("next", String::from(next))];
    let token = anna.cookie("csrftoken").unwrap();
    let request = || {
        anna.request(Method::POST, "/messages/read/")
            .header("X-CSRFToken", &token)
    };
    let page = anna.send(request().form(&form("/students/courses/"))).await;
    assert_eq!(page.expect(303).location(), "/students/courses/");
    for next in ["//evil.example/", "https://evil.example/", ""] {
        let answer = anna.send(request().form(&form(next))).await;
        assert_eq!(answer.expect(200).text(), "OK");
    }
    let script = request().header("X-Requested-With", "XMLHttpRequest");
    let answer = anna.send(script.form(&form("/students/courses/"))).await;
    assert_eq!(answer.expect(200).text(), "OK");
    let forged = anna.request(Method::POST, "/messages/read/");
    anna.send(forged.form(&form("/"))).await.expect(403);
}

#[tokio::test]
async fn the_list_is_paged_newest_first_at_a_constant_number_of_queries() {
    let site = TestApp::start().await;
    let anna_id = site.person("anna", Role::Student).await;
    let anna = site.login("anna").await;
    anna.get("/messages/").await.expect(200).has("Nothing yet");
    tell(&site, anna_id, "message 1.").await;
    let few = site.statements_of(anna.get("/messages/")).await;
    for number in 2..=30 {
        tell(&site, anna_id, &format!("message {number}.")).await;
    }
    let many = site.statements_of(anna.get("/messages/")).await;
    assert_eq!(few, many);
    let first = anna.get("/messages/").await.text();
    let place = |text: &str| first.find(text).unwrap();
    assert!(place("message 30.") < place("message 29."));
    assert!(!first.contains("message 5."));
    anna.get("/messages/?page=2")
        .await
        .has("message 5.")
        .has("message 1.")
        .has("26 to 30 of 30")
        .lacks("message 6.");
    for odd in ["0", "-1", "x", "99999999999999999999"] {
        anna.get(&format!("/messages/?page={odd}"))
            .await
            .expect(200);
    }
}
