//! The REST API: the list of two hundred courses, kept and made anew; a course's contents for a program with a
//! password; and a program that enrolls its user in every course.

use crate::http::{Connection, Exchange};
use crate::rounds::Side;
use crate::server::Server;
use crate::site::{self, Site};
use crate::{Common, Outcome};
use std::ffi::OsStr;
use std::time::{Duration, Instant};

const COURSES: usize = 200;
const MODULES: usize = 10;

/// Answers a second.
const KEPT_GOAL: f64 = 3_000.0;
const MADE_GOAL: f64 = 300.0;
const CONTENTS_GOAL: f64 = 10_000.0;
/// The most that enrolling in every course may take, in milliseconds.
const ENROLLING_GOAL: f64 = 500.0;

const LIST: &str = "/api/courses/";

/// All of it, one after the other.
pub fn measure(common: &Common, connections: usize, seconds: u64) -> Outcome {
    let time = Duration::from_secs(seconds);
    println!(
        "{COURSES} courses of {MODULES} modules, {connections} connections, {seconds} s a turn"
    );
    let site = Site::start(common, &[])?;
    let ids = site.write_courses(COURSES, MODULES)?;
    let list = site.connect()?.ask("GET", LIST, "")?.expect(200)?;
    println!("{LIST}: {} bytes", list.size);
    let load = |server: &Server, name: &str, path: &str, headers: &str, goal: f64| {
        let mut rates = Side::new(name, "/s");
        for round in 0..=common.rounds {
            let rate = rate(server, path, headers, connections, time)?;
            // The first round warms up.
            if round > 0 {
                rates.push(rate);
            }
        }
        rates.print();
        rates.print_at_least(goal);
        Outcome::Ok(())
    };
    load(&site.server, "list, kept", LIST, "", KEPT_GOAL)?;
    let contents = format!("/api/courses/{}/contents/", site.course_id);
    let basic = site::basic("student");
    load(
        &site.server,
        "contents, Basic",
        &contents,
        &basic,
        CONTENTS_GOAL,
    )?;
    enroll(common.rounds, &site, &ids)?;
    drop(site);

    let site = Site::start(common, &[("LYCEUM_CACHE", OsStr::new("off:"))])?;
    site.write_courses(COURSES, MODULES)?;
    load(&site.server, "list, made anew", LIST, "", MADE_GOAL)
}

/// Answers a second on so many connections.
fn rate(
    server: &Server,
    path: &str,
    headers: &str,
    connections: usize,
    time: Duration,
) -> Outcome<f64> {
    let began = Instant::now();
    let answers: usize = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..connections)
            .map(|_| {
                let connection = Connection::open(&server.address);
                scope.spawn(move || ask(connection?.exchange(path, headers), time))
            })
            .collect();
        let mut all = 0;
        for reader in readers {
            all += reader.join().map_err(|_| "a reader panicked")??;
        }
        Outcome::Ok(all)
    })?;
    Ok(answers as f64 / began.elapsed().as_secs_f64())
}

fn ask(mut exchange: Exchange, time: Duration) -> Outcome<usize> {
    let began = Instant::now();
    let mut answers = 0;
    while began.elapsed() < time {
        exchange.once()?;
        answers += 1;
    }
    Ok(answers)
}

/// What the program of `examples/` does, on one connection: reads the list, then enrolls in each course.
fn enroll(rounds: usize, site: &Site, ids: &[String]) -> Outcome {
    let mut times = Side::new("enrolling in every course", "ms");
    for person in site.add_people(rounds)? {
        let mut connection = site.connect()?;
        let began = Instant::now();
        connection.ask("GET", LIST, &person)?.expect(200)?;
        for id in ids {
            let path = format!("/api/courses/{id}/enroll/");
            connection.post(&path, &person, "")?.expect(200)?;
        }
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.print();
    times.print_at_most(ENROLLING_GOAL);
    Ok(())
}
