//! What somebody who studies costs: a page of a lesson, a lesson marked as done, a megabyte of film, and the connections
//! that she has open all the time; and what that comes to for one who does what most do.

use crate::http::Connection;
use crate::rounds::Side;
use crate::site::{Noise, Site};
use crate::socket::Socket;
use crate::{Common, Outcome};
use std::time::{Duration, Instant};

/// What she does in a second: a page every half minute, a lesson done every ten minutes, a film of 2 Mbit/s.
const PAGES: f64 = 1.0 / 30.0;
const MARKS: f64 = 1.0 / 600.0;
const MEGABYTES: f64 = 0.25;

/// Accounts, and how many students each of them stands for while nothing is said.
const PEOPLE: usize = 50;
const WINDOWS: usize = 20;

/// How long the connections of all of them are looked at.
const QUIET: Duration = Duration::from_secs(20);

/// The last of the greeting of a stream of events.
const GREETED: &[u8] = b"\"refresh\"";

/// Lessons of a course as large as most.
const MODULES: usize = 10;

const FILM_BYTES: u64 = 64 << 20;
const RANGE_BYTES: u64 = 1_000_000;

/// Read at once in a room where next to nothing is said.
const BUFFER_BYTES: usize = 8 << 10;

/// Each of them in turn, then the sum.
pub fn measure(common: &Common, seconds: u64) -> Outcome {
    let site = Site::start(common, &[])?;
    let school = School {
        people: site.add_people(PEOPLE)?,
        lessons: write_lessons(&site)?,
        film: site.send_by_tus("film.bin", Noise(FILM_BYTES))?,
        site,
    };
    let time = Duration::from_secs(seconds);
    let mut page = Side::new("a page of a lesson", "ms");
    let mut mark = Side::new("a lesson marked as done", "ms");
    let mut megabyte = Side::new("a megabyte of film", "ms");
    println!("processor time of the site, {PEOPLE} students, {seconds} s a turn");
    for round in 0..=common.rounds {
        let costs = [
            school.cost(time, School::read)?,
            school.cost(time, School::mark)?,
            school.cost(time, School::watch)?,
        ];
        // The first round warms up.
        if round > 0 {
            for (side, cost) in [&mut page, &mut mark, &mut megabyte].into_iter().zip(costs) {
                side.push(cost * 1e3);
            }
        }
    }
    for side in [&page, &mark, &megabyte] {
        side.print();
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let open = runtime.block_on(open_all(&school.site, &school.people))?;
    let open_milliseconds = open.cpu_seconds * 1e3;
    println!(
        "a stream of events and a room  {:.1} kB, {open_milliseconds:.3} ms a second while nothing happens",
        open.bytes / 1e3
    );
    let sum = PAGES * page.median()
        + MARKS * mark.median()
        + MEGABYTES * megabyte.median()
        + open_milliseconds;
    println!(
        "one student                    {sum:.3} ms of processor time a second: one core carries {:.0}",
        1e3 / sum
    );
    Ok(())
}

/// A course with its students.
struct School {
    site: Site,
    people: Vec<String>,
    lessons: Vec<String>,
    film: String,
}

/// What a student does, one after the other in turns; answers how much of it that was.
type Act = fn(&School, usize, &mut Connection) -> Outcome<f64>;

impl School {
    /// Processor seconds of the site for one of what `act` does.
    fn cost(&self, time: Duration, act: Act) -> Outcome<f64> {
        let server = &self.site.server;
        let mut connection = Connection::open(&server.address)?;
        let (began, cpu) = (Instant::now(), server.cpu_seconds()?);
        let (mut done, mut turn) = (0.0, 0);
        while began.elapsed() < time {
            done += act(self, turn, &mut connection)?;
            turn += 1;
        }
        Ok((server.cpu_seconds()? - cpu) / done)
    }

    /// Reads a page of the course.
    fn read(&self, turn: usize, connection: &mut Connection) -> Outcome<f64> {
        let path = format!("/students/course/{}/", self.site.course_id);
        let who = pick(&self.people, turn)?;
        connection.ask("GET", &path, who)?.expect(200)?;
        Ok(1.0)
    }

    /// Marks a lesson as done, or takes the mark back.
    fn mark(&self, turn: usize, connection: &mut Connection) -> Outcome<f64> {
        let round = turn / PEOPLE;
        let lesson = pick(&self.lessons, round)?;
        let is_done = u8::from((round / MODULES).is_multiple_of(2));
        let path = format!("/students/content/{lesson}/done/");
        let who = pick(&self.people, turn)?;
        let fields = format!("done={is_done}");
        connection.post(&path, who, &fields)?.expect(303)?;
        Ok(1.0)
    }

    /// Watches a part of a film; answers megabytes.
    fn watch(&self, turn: usize, connection: &mut Connection) -> Outcome<f64> {
        let from = turn as u64 * 7 % (FILM_BYTES / RANGE_BYTES) * RANGE_BYTES;
        let to = from + RANGE_BYTES - 1;
        let who = pick(&self.people, turn)?;
        let headers = format!("{who}Range: bytes={from}-{to}\r\n");
        let path = format!("/media/{}/original", self.film);
        let part = connection.ask("GET", &path, &headers)?.expect(206)?;
        Ok(part.size as f64 / 1e6)
    }
}

fn pick(all: &[String], turn: usize) -> Outcome<&str> {
    let one = all.get(turn % all.len().max(1));
    Ok(one.ok_or("nobody is there")?)
}

/// Modules with a text each; answers the numbers of the texts.
fn write_lessons(site: &Site) -> Outcome<Vec<String>> {
    let mut connection = site.connect()?;
    let mut lessons = Vec::new();
    for number in 0..MODULES {
        let body = format!(
            "{{\"module\":{},\"kind\":\"text\",\"title\":\"Lesson {number}\",\"content\":\"{}\"}}",
            site.module_id,
            "What stands in it, in the words of its teacher, with **an example** of each. "
                .repeat(20)
        );
        let headers = format!("{}Content-Type: application/json\r\n", site.teacher);
        let made = connection
            .post_body("/api/contents/", &headers, &body)?
            .expect(201)?;
        let made: serde_json::Value = serde_json::from_slice(&made.body)?;
        lessons.push(
            made.get("id")
                .ok_or("a lesson without a number")?
                .to_string(),
        );
    }
    Ok(lessons)
}

/// What the connections of one student cost.
struct Open {
    bytes: f64,
    /// Of each second.
    cpu_seconds: f64,
}

/// Opens a stream of events and a socket of the room for each student, and waits.
async fn open_all(site: &Site, people: &[String]) -> Outcome<Open> {
    let server = &site.server;
    let count = (people.len() * WINDOWS) as f64;
    let before = server.resident_bytes()?;
    let room = format!("/ws/chat/room/{}/?v=2", site.course_id);
    let mut all = Vec::new();
    for person in people {
        for _ in 0..WINDOWS {
            let mut stream = Connection::open(&server.address)?;
            stream.begin("GET", "/events/", person)?;
            stream.wait_for(GREETED)?;
            let socket = Socket::open(&server.address, &room, person, BUFFER_BYTES).await?;
            all.push((stream, socket));
        }
    }
    // Until everybody has been told who else is there.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let cpu = server.cpu_seconds()?;
    tokio::time::sleep(QUIET).await;
    let cpu = server.cpu_seconds()? - cpu;
    let bytes = server.resident_bytes()? - before;
    drop(all);
    Ok(Open {
        bytes: bytes / count,
        cpu_seconds: cpu / QUIET.as_secs_f64() / count,
    })
}
