//! Kept pages: the catalogue and a course against an axum handler that answers the same bytes, as they are and
//! compressed.

use crate::http::{Connection, Exchange};
use crate::rounds::Side;
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
    }
    let bare = bare::start(&folder)?;
    println!(
        "{connections} connections, {seconds} s a turn, {} rounds",
        common.rounds
    );
    let time = Duration::from_secs(seconds);
    for subject in &SUBJECTS {
        let size = fs::metadata(folder.join(subject.name))?.len();
        println!("-- {}, {size} bytes", subject.name);
        let own = format!("/{}", subject.name);
        let sides = [
            ("bare axum", &bare, own.as_str()),
            ("lyceum", &site.server, subject.path),
        ];
        let mut rates = sides.each_ref().map(|(name, ..)| Side::new(*name, "/s"));
        let mut slowest = sides
            .each_ref()
            .map(|(name, ..)| Side::new(format!("{name}, p99"), "us"));
        let mut costs = sides
            .each_ref()
            .map(|(name, ..)| Side::new(format!("{name}, CPU"), "us"));
        for round in 0..=common.rounds {
            for (at, (_, server, path)) in sides.iter().enumerate() {
                let cpu = server.cpu_seconds()?;
                let mut turn = load(&server.address, path, subject.headers, connections, time)?;
                turn.cpu_microseconds =
                    (server.cpu_seconds()? - cpu) * 1e6 / (turn.rate * time.as_secs_f64());
                // The first round warms up.
                if let (Some(rate), Some(slow), Some(cost), 1..) = (
                    rates.get_mut(at),
                    slowest.get_mut(at),
                    costs.get_mut(at),
                    round,
                ) {
                    rate.push(turn.rate);
                    slow.push(turn.slowest_microseconds);
                    cost.push(turn.cpu_microseconds);
                }
            }
        }
        for side in rates.iter().chain(&slowest).chain(&costs) {
            side.print();
        }
        let [bare_rate, rate] = &rates;
        rate.print_ratio(bare_rate, GOAL);
        let [bare_slowest, slowest] = &slowest;
        slowest.print_ratio_at_most(bare_slowest, SLOWEST_GOAL);
    }
    Ok(())
}

/// Asks for one page on so many connections for so long.
fn load(
    address: &str,
    path: &str,
    headers: &str,
    connections: usize,
    time: Duration,
) -> Outcome<Turn> {
    let began = Instant::now();
    let mut microseconds: Vec<u32> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..connections)
            .map(|_| {
                let connection = Connection::open(address);
                scope.spawn(move || ask(connection?.exchange(path, headers), time))
            })
            .collect();
        let mut all = Vec::new();
        for reader in readers {
            all.extend(reader.join().map_err(|_| "a reader panicked")??);
        }
        Outcome::Ok(all)
    })?;
    let rate = microseconds.len() as f64 / began.elapsed().as_secs_f64();
    microseconds.sort_unstable();
    let at = microseconds.len() * 99 / 100;
    let slowest = microseconds.get(at).copied().unwrap_or(u32::MAX);
    Ok(Turn {
        rate,
        slowest_microseconds: f64::from(slowest),
        cpu_microseconds: 0.0,
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
