//! Kept pages: the catalogue and a course against an axum handler that answers the same bytes, as they are and
//! compressed.

use crate::http::{Connection, Exchange};
use crate::rounds::Side;
use crate::server::Server;
use crate::site::Site;
use crate::{Common, Outcome, bare};
use std::fs;
use std::time::{Duration, Instant};

/// The least share of the bare handler's rate.
const GOAL: f64 = 0.7;
/// The most that the slowest hundredth may take, beside the bare handler's.
const SLOWEST_GOAL: f64 = 1.5;

/// More than a page of the catalogue shows.
const COURSES: usize = 30;
const MODULES: usize = 10;

/// A page, and how it is asked for.
struct Subject {
    name: &'static str,
    path: &'static str,
    headers: &'static str,
}

const COMPRESSED: &str = "Accept-Encoding: br\r\n";

const SUBJECTS: [Subject; 4] = [
    Subject {
        name: "catalogue",
        path: "/",
        headers: "",
    },
    Subject {
        name: "catalogue.br",
        path: "/",
        headers: COMPRESSED,
    },
    Subject {
        name: "course",
        path: "/course/bench-7/",
        headers: "",
    },
    Subject {
        name: "course.br",
        path: "/course/bench-7/",
        headers: COMPRESSED,
    },
];

/// What one turn came to.
struct Turn {
    rate: f64,
    slowest_microseconds: f64,
    cpu_microseconds: f64,
}

/// What one side came to, turn by turn.
struct Figures {
    rate: Side,
    slowest: Side,
    cpu: Side,
}

impl Figures {
    fn new(name: &str) -> Self {
        Self {
            rate: Side::new(name, "/s"),
            slowest: Side::new(format!("{name}, p99"), "us"),
            cpu: Side::new(format!("{name}, CPU"), "us"),
        }
    }

    fn push(&mut self, turn: &Turn) {
        self.rate.push(turn.rate);
        self.slowest.push(turn.slowest_microseconds);
        self.cpu.push(turn.cpu_microseconds);
    }
}

/// Each page in turn with the bare handler's.
pub fn measure(common: &Common, connections: usize, seconds: u64) -> Outcome {
    let site = Site::start(common, &[])?;
    site.write_courses(COURSES, MODULES)?;
    let folder = site.folder.path().join("bare");
    fs::create_dir(&folder)?;
    let mut asking = site.connect()?;
    for subject in &SUBJECTS {
        let page = asking.ask("GET", subject.path, subject.headers)?;
        let page = page.expect(200)?;
        let is_compressed = page.header("content-encoding") == Some("br");
        if is_compressed == subject.headers.is_empty() {
            return Err(format!("{} came in another form", subject.name).into());
        }
        fs::write(folder.join(subject.name), &page.body)?;
        println!("{}: {} bytes", subject.name, page.size);
    }
    let bare = bare::start(&folder)?;
    println!(
        "{connections} connections, {seconds} s a turn, {} rounds",
        common.rounds
    );
    let time = Duration::from_secs(seconds);
    for subject in &SUBJECTS {
        println!("-- {}", subject.name);
        let own = format!("/{}", subject.name);
        let mut theirs = Figures::new("bare axum");
        let mut ours = Figures::new("lyceum");
        for round in 0..=common.rounds {
            let their_turn = load(&bare, &own, subject.headers, connections, time)?;
            let our_turn = load(
                &site.server,
                subject.path,
                subject.headers,
                connections,
                time,
            )?;
            // The first round warms up.
            if round > 0 {
                theirs.push(&their_turn);
                ours.push(&our_turn);
            }
        }
        for side in [&theirs, &ours] {
            side.rate.print();
            side.slowest.print();
            side.cpu.print();
        }
        ours.rate.print_ratio(&theirs.rate, GOAL);
        ours.slowest
            .print_ratio_at_most(&theirs.slowest, SLOWEST_GOAL);
    }
    Ok(())
}

/// Asks for one page on so many connections for so long.
fn load(
    server: &Server,
    path: &str,
    headers: &str,
    connections: usize,
    time: Duration,
) -> Outcome<Turn> {
    let cpu = server.cpu_seconds()?;
    let began = Instant::now();
    let mut microseconds: Vec<u32> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..connections)
            .map(|_| {
                let connection = Connection::open(&server.address);
                scope.spawn(move || ask(connection?.exchange(path, headers), time))
            })
            .collect();
        let mut all = Vec::new();
        for reader in readers {
            all.extend(reader.join().map_err(|_| "a reader panicked")??);
        }
        Outcome::Ok(all)
    })?;
    let answers = microseconds.len() as f64;
    let seconds = began.elapsed().as_secs_f64();
    microseconds.sort_unstable();
    let slowest = microseconds.get(microseconds.len() * 99 / 100).copied();
    Ok(Turn {
        rate: answers / seconds,
        slowest_microseconds: f64::from(slowest.unwrap_or(u32::MAX)),
        cpu_microseconds: (server.cpu_seconds()? - cpu) * 1e6 / answers,
    })
}

/// Asks again and again for so long; answers how long each took.
fn ask(mut exchange: Exchange, time: Duration) -> Outcome<Vec<u32>> {
    let began = Instant::now();
    let mut taken = Vec::with_capacity(1 << 16);
    while began.elapsed() < time {
        let asked = Instant::now();
        exchange.once()?;
        taken.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(taken)
}
