//! Several people talk in one room over two nodes while everything breaks that can: networks stall and are cut, Redis is
//! killed, hangs and comes back, nodes are killed and started again. No line that was acknowledged is lost, none comes
//! twice, and all read them in the same order.
//!
//! What happens is drawn by lot: `LYCEUM_TEST_SEED` repeats it as far as the machine lets it, `LYCEUM_TEST_LINES` says how
//! many lines each of the four says (the default is for every day, `make test-long` takes more).

use crate::kit::servers::Server;
use crate::kit::{Browser, Role, TestApp, client, until};
use backends::clock::Clock;
use futures::{SinkExt as _, StreamExt as _};
use lyceum::entities::chat_line;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Lines that each sender says when nobody asks for more.
const LINES: usize = 400;

/// Lines that a sender has on their way at once.
const UNDERWAY: usize = 3;

/// The least number of lines between one thing that breaks and the next, and how many parts a long talk has.
const BETWEEN: usize = 12;
const PARTS: usize = 100;

/// What never comes is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(120);

const SENDERS: [&str; 4] = ["clara", "maya", "kwame", "zofia"];
const READERS: [&str; 2] = ["anna", "robert"];

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Numbers from a seed (SplitMix64, doi:10.1145/2714064.2660195).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }
}

/// How a client's network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Whole,
    /// It carries nothing, without a word.
    Stalled,
    /// Connections break, and new ones at once.
    Cut,
}

/// The way of one client to one node.
async fn wire(node: watch::Receiver<String>, network: watch::Receiver<Network>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let there = node.borrow().clone();
            tokio::spawn(carry(near, there, network.clone()));
        }
    });
    address
}

async fn carry(near: TcpStream, node: String, mut network: watch::Receiver<Network>) {
    let (there, back) = (network.clone(), network.clone());
    let carried = async {
        // Nobody may be there.
        let Ok(far) = TcpStream::connect(node).await else {
            return;
        };
        let ((from, to), (answers, out)) = (near.into_split(), far.into_split());
        // When one direction ends, the connection does.
        tokio::select! {
            () = copy(from, out, there) => {}
            () = copy(answers, to, back) => {}
        }
    };
    tokio::select! {
        biased;
        _ = network.wait_for(|network| *network == Network::Cut) => {}
        () = carried => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
) {
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let is_carried = network.wait_for(|network| *network != Network::Stalled);
        if is_carried.await.is_err() || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// A node: a process of its own, which can be killed.
pub struct Node {
    child: Child,
    /// Where it listens; elsewhere each time, since its port may be another's when it comes back.
    address: watch::Sender<String>,
}

impl Node {
    /// Starts one over the data of a site.
    pub async fn start(site: &TestApp) -> Self {
        let (child, address) = serve(site).await;
        Self {
            child,
            address: watch::channel(address).0,
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", *self.address.borrow())
    }

    /// Ends it without a word.
    pub async fn kill(&mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }

    async fn begin(&mut self, site: &TestApp) {
        let (child, address) = serve(site).await;
        self.child = child;
        self.address.send_replace(address);
    }
}

/// Starts `lyceum serve` over the same data; answers where it listens.
async fn serve(site: &TestApp) -> (Child, String) {
    let config = &site.app.config;
    let log = tempfile::NamedTempFile::new_in(site.folder()).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_lyceum"))
        .args(["serve", "--no-worker"])
        .current_dir(site.folder())
        .env("LYCEUM_DATA", site.folder())
        .env("LYCEUM_LISTEN", "127.0.0.1:0")
        .env("LYCEUM_DATABASE", &config.database)
        .env("LYCEUM_BUS", &config.bus)
        .env("LYCEUM_FILES", &config.files)
        .env("LYCEUM_SECRET", &config.secret.0)
        .env("LYCEUM_CHAT_RATE", "100000/second")
        .env("LYCEUM_CHAT_SOCKETS_PER_USER", "1000")
        .env("LYCEUM_CHAT_SOCKETS_PER_ADDRESS", "1000")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.reopen().unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let address = until("the node listens", async || {
        let said = std::fs::read_to_string(log.path()).unwrap();
        let (_, address) = said.split_once("listening on http://")?;
        Some(address.split_once('\n')?.0.trim().to_owned())
    })
    .await;
    (child, address)
}

/// How far the talk has come.
struct Talk {
    /// Lines of each sender that were acknowledged.
    acknowledged: watch::Sender<[usize; SENDERS.len()]>,
    /// The last number, once nothing more is said.
    last: watch::Sender<Option<i64>>,
}

/// Somebody in the room, and what she has read.
struct Person {
    /// Among all of them; senders come first.
    place: usize,
    name: &'static str,
    browser: Browser,
    room: i64,
    /// Her ways to the nodes.
    wires: Vec<String>,
    dice: Dice,
    /// Everything up to this number was read.
    seen: i64,
    read: Lines,
    /// What she still has to say, and what was not acknowledged yet, in order.
    rest: VecDeque<String>,
    underway: VecDeque<String>,
    talk: Arc<Talk>,
}

type Socket = WebSocketStream<TcpStream>;

/// Lines with their numbers.
type Lines = Vec<(i64, String)>;

impl Person {
    /// Says all she has to say, and reads until everybody has; answers what she has read.
    async fn run(mut self) -> (&'static str, Lines) {
        while !self.is_done() {
            let Some(mut socket) = self.connect().await else {
                // Whoever was there is not.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            // It ends when something breaks.
            let _ = self.visit(&mut socket).await;
        }
        (self.name, self.read)
    }

    fn is_done(&self) -> bool {
        let last = *self.talk.last.borrow();
        last.is_some_and(|last| self.seen >= last)
    }

    async fn connect(&mut self) -> Option<Socket> {
        let way = &self.wires[self.dice.below(self.wires.len())];
        let path = format!("/ws/chat/room/{}/?v=2&after={}", self.room, self.seen);
        let mut request = format!("ws://{way}{path}").into_client_request().unwrap();
        let cookies = HeaderValue::try_from(self.browser.cookie_header()).unwrap();
        request.headers_mut().insert("cookie", cookies);
        let stream = TcpStream::connect(way).await.ok()?;
        Some(client_async(request, stream).await.ok()?.0)
    }

    /// `None` when the socket is over.
    async fn visit(&mut self, socket: &mut Socket) -> Option<()> {
        let mut over = self.talk.last.subscribe();
        loop {
            let frame = tokio::select! {
                frame = tokio::time::timeout(PATIENCE, socket.next()) => frame,
                _ = over.wait_for(|last| last.is_some_and(|last| self.seen >= last)) => return None,
            };
            let frame = frame.unwrap_or_else(|_| panic!("{} hears nothing", self.name));
            let Message::Text(text) = frame?.ok()? else {
                continue;
            };
            let frame: Value = serde_json::from_str(&text).unwrap();
            self.take(&frame, socket).await?;
        }
    }

    async fn take(&mut self, frame: &Value, socket: &mut Socket) -> Option<()> {
        match frame["type"].as_str().unwrap() {
            "chat_message" => self.note(frame),
            "ready" => {
                self.fill(frame).await?;
                let again: Vec<String> = self.underway.iter().cloned().collect();
                for line in again {
                    self.send(socket, &line).await?;
                }
                self.go_on(socket).await?;
            }
            "lagged" => self.fill(frame).await?,
            "ack" => {
                let first = self.underway.pop_front().unwrap();
                assert_eq!(frame["client_id"], first, "acknowledged in order");
                let place = self.place;
                self.talk
                    .acknowledged
                    .send_modify(|counts| counts[place] += 1);
                self.go_on(socket).await?;
            }
            // The database was away for a moment.
            "error" if frame["code"] == "not_kept" => return None,
            "error" => panic!("{frame}"),
            _ => {}
        }
        Some(())
    }

    fn note(&mut self, line: &Value) {
        let id = line["id"].as_i64().unwrap();
        assert!(id > self.seen, "{}: {line} after {}", self.name, self.seen);
        self.seen = id;
        self.read
            .push((id, line["message"].as_str().unwrap().to_owned()));
    }

    /// Reads in the history what was too much for the socket.
    async fn fill(&mut self, frame: &Value) -> Option<()> {
        if frame["recovered"] == true {
            return Some(());
        }
        let last = frame["last"].as_i64().unwrap();
        let (mut missed, mut before) = (Vec::new(), last + 1);
        while before > self.seen + 1 {
            let path = format!("/chat/room/{}/history/?before={before}", self.room);
            let way = &self.wires[self.dice.below(self.wires.len())];
            let asked = client().build().unwrap().get(format!("http://{way}{path}"));
            let asked = asked.header("cookie", self.browser.cookie_header());
            let page: Value = asked.send().await.ok()?.json().await.ok()?;
            let mut lines = page["lines"].as_array()?.clone();
            before = lines.first().map_or(0, |line| line["id"].as_i64().unwrap());
            lines.append(&mut missed);
            missed = lines;
        }
        missed.retain(|line| line["id"].as_i64().unwrap() > self.seen);
        for line in &missed {
            self.note(line);
        }
        Some(())
    }

    async fn go_on(&mut self, socket: &mut Socket) -> Option<()> {
        while self.underway.len() < UNDERWAY {
            let Some(line) = self.rest.pop_front() else {
                break;
            };
            self.underway.push_back(line.clone());
            self.send(socket, &line).await?;
        }
        Some(())
    }

    async fn send(&self, socket: &mut Socket, line: &str) -> Option<()> {
        let frame = json!({ "message": line, "client_id": line });
        socket.send(Message::text(frame.to_string())).await.ok()
    }
}

/// What goes wrong.
struct Chaos<'a> {
    site: &'a TestApp,
    nodes: [Node; 2],
    networks: Vec<watch::Sender<Network>>,
    redis: Option<&'a mut Server>,
    dice: Dice,
    talk: Arc<Talk>,
    /// Lines that each sender says.
    count: usize,
    done: Vec<&'static str>,
}

impl Chaos<'_> {
    /// Breaks and mends one thing after the other until all was said.
    async fn run(&mut self) {
        while self.said() < SENDERS.len() * self.count {
            let kinds = if self.redis.is_some() { 5 } else { 3 };
            match self.dice.below(kinds) {
                0 => self.disturb(Network::Stalled).await,
                1 => self.disturb(Network::Cut).await,
                2 => self.kill_node().await,
                3 => self.kill_redis().await,
                _ => self.freeze_redis().await,
            }
            self.wait().await;
        }
    }

    fn said(&self) -> usize {
        self.talk.acknowledged.borrow().iter().sum()
    }

    /// Until some more lines were acknowledged, or all.
    async fn wait(&self) {
        self.wait_without(None).await;
    }

    /// The same where one of them may say nothing meanwhile: then all of the others' are enough.
    async fn wait_without(&self, silent: Option<usize>) {
        let all = SENDERS.len() * self.count;
        let goal = self.said() + BETWEEN.max(all / PARTS);
        let mut acknowledged = self.talk.acknowledged.subscribe();
        let is_enough = |counts: &[usize; SENDERS.len()]| {
            let mut others = counts.iter().enumerate();
            let are_done =
                others.all(|(place, count)| Some(place) == silent || *count == self.count);
            are_done || counts.iter().sum::<usize>() >= goal
        };
        let waited = tokio::time::timeout(PATIENCE, acknowledged.wait_for(is_enough)).await;
        assert!(waited.is_ok(), "nothing goes on after {:?}", self.done);
    }

    async fn disturb(&mut self, network: Network) {
        self.done.push(match network {
            Network::Stalled => "stall",
            _ => "cut",
        });
        let one = self.dice.below(self.networks.len());
        self.networks[one].send_replace(network);
        self.wait_without(Some(one)).await;
        self.networks[one].send_replace(Network::Whole);
    }

    async fn kill_node(&mut self) {
        self.done.push("kill a node");
        let one = self.dice.below(2);
        self.nodes[one].kill().await;
        self.wait().await;
        self.nodes[one].begin(self.site).await;
    }

    async fn kill_redis(&mut self) {
        self.done.push("kill Redis");
        self.redis.as_mut().unwrap().kill();
        self.wait().await;
        let server = self.redis.as_mut().unwrap();
        // A connection of somebody else may have its port for a moment.
        until("Redis is back", async || server.begin().await.then_some(())).await;
    }

    async fn freeze_redis(&mut self) {
        self.done.push("freeze Redis");
        self.redis.as_mut().unwrap().freeze().await;
        self.wait().await;
        self.redis.as_mut().unwrap().thaw();
    }
}

/// A room with everybody in it.
struct Room<'a> {
    site: &'a TestApp,
    id: i64,
    /// Lines that each sender says.
    count: usize,
    talk: Arc<Talk>,
    networks: Vec<watch::Sender<Network>>,
    people: Vec<JoinHandle<(&'static str, Lines)>>,
}

impl Room<'_> {
    /// Everybody comes in and begins to talk.
    async fn fill(&mut self, seed: u64, nodes: &[Node]) {
        for (place, name) in SENDERS.into_iter().chain(READERS).enumerate() {
            if place > 0 {
                let id = self.site.person(name, Role::Student).await;
                self.site.enrollment(id, self.id).await;
            }
            let (network, is) = watch::channel(Network::Whole);
            let wires = nodes
                .iter()
                .map(|node| wire(node.address.subscribe(), is.clone()));
            let wires = futures::future::join_all(wires).await;
            let says = if SENDERS.contains(&name) {
                self.count
            } else {
                0
            };
            let person = Person {
                place,
                name,
                browser: self.site.login(name).await,
                room: self.id,
                wires,
                dice: Dice(seed ^ u64::try_from(place).unwrap()),
                seen: 0,
                read: Vec::new(),
                rest: (0..says).map(|number| format!("{name}-{number}")).collect(),
                underway: VecDeque::new(),
                talk: Arc::clone(&self.talk),
            };
            self.networks.push(network);
            self.people.push(tokio::spawn(person.run()));
        }
    }

    /// What was kept, which is what everybody said, once and in her order.
    async fn kept(&self) -> Lines {
        let kept = chat_line::Entity::find()
            .filter(chat_line::Column::CourseId.eq(self.id))
            .order_by_asc(chat_line::Column::Id);
        let kept = kept.all(self.site.app.db.read()).await.unwrap();
        let kept: Lines = kept.into_iter().map(|row| (row.id, row.text)).collect();
        assert_eq!(kept.len(), SENDERS.len() * self.count, "each line once");
        for name in SENDERS {
            let hers = kept.iter().filter_map(|(_, text)| text.strip_prefix(name));
            let hers: Vec<usize> = hers
                .map(|number| number.trim_start_matches('-').parse().unwrap())
                .collect();
            assert_eq!(
                hers,
                (0..self.count).collect::<Vec<_>>(),
                "{name}'s, in her order"
            );
        }
        kept
    }

    /// Everybody has read just this.
    async fn have_read(self, kept: &[(i64, String)]) {
        self.talk.last.send_replace(kept.last().map(|(id, _)| *id));
        for person in self.people {
            let (name, read) = tokio::time::timeout(PATIENCE, person)
                .await
                .unwrap_or_else(|_| panic!("not everybody read to the end"))
                .unwrap();
            assert!(read == kept, "{name} read something else than was kept");
        }
    }
}

/// Lets them talk over this bus while everything breaks.
async fn all_read_the_same(bus: &str, redis: Option<&mut Server>) {
    let seed = number_from("LYCEUM_TEST_SEED")
        .unwrap_or_else(|| u64::from_be_bytes(Clock::system().random_bytes()));
    println!("LYCEUM_TEST_SEED={seed}");
    let count = number_from("LYCEUM_TEST_LINES").map_or(LINES, |count| count.try_into().unwrap());
    let site = TestApp::start_with(&[("bus", bus)]).await;
    // The nodes are processes of their own, with the computer's clock.
    site.clock.set(Clock::system().now());
    let owner = site.person(SENDERS[0], Role::Instructor).await;
    let nodes = [Node::start(&site).await, Node::start(&site).await];
    let mut room = Room {
        site: &site,
        id: site.course(owner, "how-strings-sing").await.id,
        count,
        talk: Arc::new(Talk {
            acknowledged: watch::channel([0; SENDERS.len()]).0,
            last: watch::channel(None).0,
        }),
        networks: Vec::new(),
        people: Vec::new(),
    };
    room.fill(seed, &nodes).await;
    let mut chaos = Chaos {
        site: &site,
        nodes,
        networks: room.networks.clone(),
        redis,
        dice: Dice(seed),
        talk: Arc::clone(&room.talk),
        count,
        done: Vec::new(),
    };
    chaos.run().await;
    println!("{}", chaos.done.join(", "));
    let kept = room.kept().await;
    room.have_read(&kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_line_is_lost_or_doubled_whatever_breaks_and_all_read_them_in_one_order() {
    all_read_the_same("database:", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_redis_no_line_is_lost_or_doubled_either_whatever_breaks() {
    let mut server = Server::redis().await;
    let bus = format!("redis://{}", server.address());
    all_read_the_same(&bus, Some(&mut server)).await;
}
