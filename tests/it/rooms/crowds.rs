//! Many sockets at once: of one key, and of a node that is killed.

use super::{School, words};
use crate::kit::Socket;
use crate::nodes_lines::Node;
use backends::clock::Clock;
use futures::future::join_all;
use lyceum::accounts::{self, NewToken};
use lyceum::entities::chat_line;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sea_orm::{EntityTrait as _, QueryOrder as _};
use serde_json::{Value, json};

/// A client for each of them, a node's end for each of them, and whatever else a test has open.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// So many lines, and nothing between them but what is not kept.
async fn hear(socket: &mut Socket, count: usize) -> Vec<Value> {
    let mut heard = Vec::new();
    while heard.len() < count {
        let frame = socket.next_kept().await.unwrap();
        assert_ne!(frame["type"], "error", "{frame}");
        if frame["type"] == "chat_message" {
            heard.push(frame);
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_speaks_from_a_hundred_places_and_all_hear_each_line_once_in_one_order() {
    const PLACES: usize = 100;
    allow_many_files();
    let many = [
        ("chat_sockets_per_user", "100"),
        ("chat_sockets_per_address", "100"),
    ];
    let school = School::with(&many).await;
    let new = NewToken {
        user_id: school.id_of("maya").await,
        name: "everywhere".into(),
        scopes: None,
        expires_at: None,
    };
    let write = school.site.app.write().await.unwrap();
    let key = accounts::create_token(&school.site.app, &write, new).await;
    write.commit().await.unwrap();
    let key = format!("Token {}", key.unwrap());
    let visitor = school.site.visitor();
    let path = school.path("?v=2");
    let open = (0..PLACES).map(|_| async {
        let headers = [("authorization", key.as_str())];
        let mut socket = visitor.socket_with(&path, &headers).await.ok().unwrap();
        socket.expect("ready").await;
        socket
    });
    let mut sockets = join_all(open).await;
    let one_more = visitor.socket_with(&path, &[("authorization", &key)]).await;
    assert_eq!(one_more.err(), Some(429));
    let say = sockets.iter_mut().enumerate().map(async |(place, socket)| {
        // Twice, as after an answer that was lost.
        let line = format!("from {place}");
        let frame = json!({ "message": line, "client_id": format!("p{place}") });
        socket.send(&frame).await;
        socket.send(&frame).await;
    });
    join_all(say).await;
    let heard = join_all(sockets.iter_mut().map(|socket| hear(socket, PLACES))).await;
    let kept = chat_line::Entity::find().order_by_asc(chat_line::Column::Id);
    let kept = kept.all(school.site.app.db.read()).await.unwrap();
    let kept: Vec<&str> = kept.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(kept.len(), PLACES, "each line once");
    for heard in &heard {
        assert_eq!(words(heard), kept);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn a_thousand_clients_of_a_node_that_is_killed_come_back_on_another_and_miss_nothing() {
    const CLIENTS: usize = 1_000;
    allow_many_files();
    let many = [
        ("bus", "database:"),
        ("chat_sockets_per_user", "1000"),
        ("chat_sockets_per_address", "2000"),
        ("chat_rate", "off"),
    ];
    let school = School::with(&many).await;
    // The node that is killed is a process of its own, with the computer's clock.
    school.site.clock.set(Clock::system().now());
    let mut node = Node::start(&school.site).await;
    let maya = school.site.login("maya").await;
    let there = maya.at(&node.url());
    let mut clara = school.enter(&school.site.login("clara").await).await;
    let path = school.path("?v=2");
    let mut sockets = Vec::new();
    for _ in 0..CLIENTS / 100 {
        let open = (0..100).map(|_| async {
            let mut socket = there.socket(&path).await;
            socket.expect("ready").await;
            socket
        });
        sockets.extend(join_all(open).await);
    }
    let say = async |clara: &mut Socket, line: &str| {
        clara.say(line).await;
        hear(clara, 1).await;
    };
    for line in ["one", "two", "three"] {
        say(&mut clara, line).await;
    }
    // Each has heard another part of it when the node goes.
    let heard = join_all(
        sockets
            .iter_mut()
            .enumerate()
            .map(|(number, socket)| hear(socket, number % 4)),
    );
    let heard = heard.await;
    node.kill().await;
    for line in ["four", "five"] {
        say(&mut clara, line).await;
    }
    let back = heard.into_iter().map(|mut heard| async {
        let last = heard.last().map_or(0, |line| line["id"].as_i64().unwrap());
        let path = school.path(&format!("?v=2&after={last}"));
        let mut socket = maya.socket(&path).await;
        heard.extend(hear(&mut socket, 5 - heard.len()).await);
        assert_eq!(socket.expect("ready").await["recovered"], true);
        (socket, heard)
    });
    let back = join_all(back).await;
    say(&mut clara, "six").await;
    let rest = back.into_iter().map(async |(mut socket, mut heard)| {
        heard.extend(hear(&mut socket, 1).await);
        heard
    });
    for heard in join_all(rest).await {
        assert_eq!(
            words(&heard),
            ["one", "two", "three", "four", "five", "six"]
        );
    }
}
