//! The room of a course: lines to many readers against a bare broadcast, how long a line takes, and what a socket costs
//! while nothing is said.

use crate::rounds::Side;
use crate::server::Server;
use crate::site::Site;
use crate::socket::Socket;
use crate::{Common, Outcome, bare_room};
use std::ffi::OsStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Barrier, watch};
use tokio::task::JoinSet;

/// The least share of the bare broadcast's rate.
const GOAL: f64 = 0.4;
/// Lines to readers in a second.
const DELIVERIES_GOAL: f64 = 300_000.0;
/// The most that the slowest hundredth of deliveries may take.
const SLOWEST_GOAL_MILLISECONDS: f64 = 100.0;
/// The most that a quiet socket may hold.
const SOCKET_GOAL_BYTES: f64 = 11_000.0;
/// The least share of one node's rate that each of two has.
const NODE_GOAL: f64 = 0.6;

/// Who speaks at the same time, and how many of their lines are on their way.
const SPEAKERS: usize = 8;
const UNDERWAY: usize = 32;

/// Read at once by somebody who hears much.
const BUFFER_BYTES: usize = 32 << 10;
/// Read at once by somebody who hears next to nothing; who is in the room fits.
const QUIET_BUFFER_BYTES: usize = 8 << 10;

/// Sockets that are opened at the same time.
const OPENING: usize = 32;

const LINE: &[u8] = b"{\"type\":\"chat_message\",\"message\":\"";
const ACK: &[u8] = b"{\"type\":\"ack\"";
const READY: &[u8] = b"{\"type\":\"ready\"";
const LEFT_BEHIND: &[u8] = b"{\"type\":\"lagged\",\"recovered\":false";
const PRESENCE: &[u8] = b"{\"type\":\"presence\"";

/// After the last line was kept, everybody has heard it within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Turns of speakers so far.
static SPOKEN: AtomicUsize = AtomicUsize::new(0);

/// So long a line is: a sentence.
const WORDS: &str = "is what I make of it, and the second example in the lesson says the same.";

/// What is measured.
#[derive(clap::Args, Clone, Copy)]
pub struct Sizes {
    /// Readers of as many lines as the room takes
    #[arg(long, default_value_t = 200)]
    readers: usize,
    /// Lines of one turn
    #[arg(long, default_value_t = 8_000)]
    lines: usize,
    /// Readers of twenty lines a second
    #[arg(long, default_value_t = 2_000)]
    listeners: usize,
    /// How long twenty lines a second are said
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Sockets in which nothing is said
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Accounts that share the sockets
    #[arg(long, default_value_t = 300)]
    people: usize,
}

/// Where a socket is opened, and as whom.
#[derive(Clone)]
struct Door {
    address: String,
    path: String,
    people: Arc<Vec<String>>,
}

impl Door {
    fn of_site(site: &Site, server: &Server, people: &Arc<Vec<String>>) -> Self {
        Self {
            address: server.address.clone(),
            path: format!("/ws/chat/room/{}/?v=2", site.course_id),
            people: Arc::clone(people),
        }
    }

    fn of_bare(server: &Server) -> Self {
        Self {
            address: server.address.clone(),
            path: "/".into(),
            people: Arc::default(),
        }
    }

    async fn open(&self, number: usize, buffer: usize) -> Outcome<Socket> {
        let who = self.people.get(number % self.people.len().max(1));
        let who = who.map_or("", String::as_str);
        let mut socket = Socket::open(&self.address, &self.path, who, buffer).await?;
        // The bare one says nothing before somebody speaks.
        let mut is_ready = self.people.is_empty();
        while !is_ready {
            socket
                .hear(|text| is_ready |= text.starts_with(READY))
                .await?;
        }
        Ok(socket)
    }

    /// Opens one after the other until all are open; several do so at a time.
    async fn open_some(
        self,
        next: Arc<AtomicUsize>,
        count: usize,
        buffer: usize,
    ) -> Outcome<Vec<Socket>> {
        let mut open = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(open);
            }
            open.push(self.open(number, buffer).await?);
        }
    }

    /// Opens so many, some of them at a time.
    async fn open_many(&self, count: usize, buffer: usize) -> Outcome<Vec<Socket>> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut opening = JoinSet::new();
        for _ in 0..OPENING {
            opening.spawn(self.clone().open_some(Arc::clone(&next), count, buffer));
        }
        let mut all = Vec::with_capacity(count);
        while let Some(open) = opening.join_next().await {
            all.extend(open??);
        }
        Ok(all)
    }
}

/// All of it, one after the other.
pub fn measure(common: &Common, sizes: Sizes) -> Outcome {
    let most = sizes.idle.to_string();
    let site = Site::start(common, &settings(&most))?;
    let people = Arc::new(site.add_people(sizes.people)?);
    let door = Door::of_site(&site, &site.server, &people);
    let runtime = tokio::runtime::Runtime::new()?;
    let bare = bare_room::start()?;
    runtime.block_on(throughput(
        common.rounds,
        &door,
        &Door::of_bare(&bare),
        sizes,
    ))?;
    drop(bare);
    runtime.block_on(calm(&door, &site.server, sizes))?;
    drop(site);

    // A fresh process, whose memory nothing else has filled.
    let site = Site::start(common, &settings(&most))?;
    let people = Arc::new(site.add_people(sizes.people)?);
    let door = Door::of_site(&site, &site.server, &people);
    runtime.block_on(idle(&door, &site.server, sizes.idle))
}

/// Two nodes on one database and one bus, against one of them alone.
pub fn measure_nodes(common: &Common, sizes: Sizes, database: &str, bus: &str) -> Outcome {
    let most = sizes.idle.to_string();
    let mut settings = settings(&most);
    settings.push(("LYCEUM_DATABASE", OsStr::new(database)));
    settings.push(("LYCEUM_BUS", OsStr::new(bus)));
    let site = Site::start(common, &settings)?;
    let other = site.start_node()?;
    let people = Arc::new(site.add_people(sizes.people)?);
    let first = Door::of_site(&site, &site.server, &people);
    let second = Door::of_site(&site, &other, &people);
    let runtime = tokio::runtime::Runtime::new()?;
    let alone = [first.clone()];
    let both = [first, second];
    let mut one = Side::new("one node", "/s");
    let mut two = Side::new("each of two nodes", "/s");
    for round in 0..=common.rounds {
        let rate = runtime.block_on(turn(&alone, sizes.readers, sizes.lines))?;
        let rates = runtime.block_on(turn(&both, sizes.readers, sizes.lines))?;
        // The first round warms up.
        if round > 0 {
            one.push(rate);
            two.push(rates);
        }
    }
    one.print();
    two.print();
    two.print_ratio(&one, NODE_GOAL);
    Ok(())
}

fn settings(most: &str) -> Vec<(&'static str, &OsStr)> {
    vec![
        ("LYCEUM_CHAT_RATE", OsStr::new("off")),
        ("LYCEUM_CHAT_SOCKETS_PER_USER", OsStr::new(most)),
        ("LYCEUM_CHAT_SOCKETS_PER_ADDRESS", OsStr::new(most)),
    ]
}

/// As many lines as the room takes, in turn with the bare broadcast.
async fn throughput(rounds: usize, door: &Door, bare: &Door, sizes: Sizes) -> Outcome {
    let Sizes { readers, lines, .. } = sizes;
    println!("-- {lines} lines of {SPEAKERS} to {readers} readers, {rounds} rounds");
    let mut theirs = Side::new("bare broadcast", "/s");
    let mut ours = Side::new("lyceum", "/s");
    for round in 0..=rounds {
        let their_rate = turn(std::slice::from_ref(bare), readers, lines).await?;
        let our_rate = turn(std::slice::from_ref(door), readers, lines).await?;
        if round > 0 {
            theirs.push(their_rate);
            ours.push(our_rate);
        }
    }
    theirs.print();
    ours.print();
    ours.print_ratio(&theirs, GOAL);
    ours.print_at_least(DELIVERIES_GOAL);
    Ok(())
}

/// One turn: at each door so many readers hear all lines, and those who speak are shared among the doors. Answers the
/// deliveries a second at one door. Whoever hears fewer lines than were said, or more, makes it a fault.
async fn turn(doors: &[Door], readers: usize, lines: usize) -> Outcome<f64> {
    // As many as can be shared.
    let lines = lines / SPEAKERS * SPEAKERS;
    let mut reading = JoinSet::new();
    let all = Arc::new(Barrier::new(readers * doors.len() + SPEAKERS + 1));
    for door in doors {
        for socket in door.open_many(readers, BUFFER_BYTES).await? {
            let all = Arc::clone(&all);
            reading.spawn(async move {
                all.wait().await;
                count(socket, lines).await
            });
        }
    }
    let mut speaking = JoinSet::new();
    for (number, door) in (0..SPEAKERS).zip(doors.iter().cycle()) {
        let socket = door.open(readers + number, BUFFER_BYTES).await?;
        let (all, share) = (Arc::clone(&all), lines / SPEAKERS);
        speaking.spawn(async move {
            all.wait().await;
            speak(socket, number, share).await
        });
    }
    all.wait().await;
    let began = Instant::now();
    while let Some(spoken) = speaking.join_next().await {
        spoken??;
    }
    let heard = async {
        while let Some(heard) = reading.join_next().await {
            heard??;
        }
        Outcome::Ok(())
    };
    // Lines that were lost would be waited for without end.
    tokio::time::timeout(PATIENCE, heard).await??;
    Ok((lines * readers) as f64 / began.elapsed().as_secs_f64())
}

/// Hears so many lines, and no more.
async fn count(mut socket: Socket, lines: usize) -> Outcome {
    let (mut heard, mut is_left_behind) = (0, false);
    while heard < lines && !is_left_behind {
        socket
            .hear(|text| {
                heard += usize::from(text.starts_with(LINE));
                is_left_behind |= text.starts_with(LEFT_BEHIND);
            })
            .await?;
    }
    if is_left_behind {
        return Err(
            "a reader was too slow for this machine to be caught up over her socket".into(),
        );
    }
    if heard > lines {
        return Err(format!("{heard} lines were heard instead of {lines}").into());
    }
    Ok(())
}

/// Says so many lines, a few ahead of their confirmation.
async fn speak(mut socket: Socket, speaker: usize, lines: usize) -> Outcome {
    // What was said under a name before would not be said again.
    let name = SPOKEN.fetch_add(1, Ordering::Relaxed);
    let (mut said, mut kept) = (0, 0);
    while kept < lines {
        let until = lines.min(kept + UNDERWAY);
        let texts = (said..until).map(|number| {
            format!("{{\"message\":\"Line {number} of {speaker} {WORDS}\",\"client_id\":\"{name}-{number}\"}}")
        });
        if said < until {
            socket.say(texts).await?;
            said = until;
        }
        let mut refused = None;
        socket
            .hear(|text| {
                kept += usize::from(text.starts_with(ACK));
                if text.starts_with(b"{\"type\":\"error\"") {
                    refused = Some(String::from_utf8_lossy(text).into_owned());
                }
            })
            .await?;
        if let Some(refused) = refused {
            return Err(refused.into());
        }
    }
    Ok(())
}

/// Twenty lines a second to many: how long each takes to each of them, and what coming in costs.
async fn calm(door: &Door, server: &Server, sizes: Sizes) -> Outcome {
    let Sizes {
        listeners, seconds, ..
    } = sizes;
    println!("-- 20 lines/s to {listeners} readers for {seconds} s");
    let (cpu, began) = (server.cpu_seconds()?, Instant::now());
    let sockets = door.open_many(listeners, BUFFER_BYTES).await?;
    println!(
        "{listeners} came in within {:.1} s; {:.2} ms of processor time each",
        began.elapsed().as_secs_f64(),
        (server.cpu_seconds()? - cpu) * 1e3 / listeners as f64
    );
    let lines = usize::try_from(seconds)? * 20;
    let zero = Instant::now();
    let mut reading = JoinSet::new();
    for socket in sockets {
        reading.spawn(delays(socket, lines, zero));
    }
    let mut speaker = door.open(listeners, BUFFER_BYTES).await?;
    let cpu = server.cpu_seconds()?;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..lines {
        loop {
            tokio::select! {
                _ = ticks.tick() => break,
                heard = speaker.hear(|_| ()) => heard?,
            }
        }
        let now = zero.elapsed().as_micros();
        speaker
            .say([format!("{{\"message\":\"{now} {WORDS}\"}}")])
            .await?;
    }
    let (mut all, mut presence) = (Vec::with_capacity(lines * listeners), 0);
    while let Some(heard) = reading.join_next().await {
        let (delays, of_presence) = heard??;
        all.extend(delays);
        presence += of_presence;
    }
    let cpu = server.cpu_seconds()? - cpu;
    all.sort_unstable();
    let at = |share: usize| {
        let delay = all.get(all.len() * share / 1000).or(all.last()).copied();
        delay.map_or(f64::NAN, |microseconds| f64::from(microseconds) / 1e3)
    };
    let slowest = at(990);
    println!(
        "half within {:.1} ms, 99 % within {slowest:.1} ms, all within {:.1} ms (99 % at most {SLOWEST_GOAL_MILLISECONDS} ms: {})",
        at(500),
        at(1000),
        verdict(slowest <= SLOWEST_GOAL_MILLISECONDS)
    );
    println!(
        "{:.1} us of processor time a delivery; {:.1} frames about who is here for each",
        cpu * 1e6 / all.len() as f64,
        presence as f64 / listeners as f64
    );
    Ok(())
}

/// The microseconds that each line took to one reader, and how often she was told who is here.
async fn delays(mut socket: Socket, lines: usize, zero: Instant) -> Outcome<(Vec<u32>, usize)> {
    let (mut delays, mut presence) = (Vec::with_capacity(lines), 0);
    while delays.len() < lines {
        socket
            .hear(|text| {
                let now = zero.elapsed().as_micros();
                if let Some(said) = text.strip_prefix(LINE).and_then(number_at) {
                    delays.push(u32::try_from(now.saturating_sub(said)).unwrap_or(u32::MAX));
                }
                presence += usize::from(text.starts_with(PRESENCE));
            })
            .await?;
    }
    Ok((delays, presence))
}

fn number_at(text: &[u8]) -> Option<u128> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(text.get(..end)?).ok()?.parse().ok()
}

/// What so many sockets hold while nothing is said.
async fn idle(door: &Door, server: &Server, count: usize) -> Outcome {
    println!("-- {count} sockets in which nothing is said");
    // What the first ones fill is there once, however many come.
    drop(door.open_many(OPENING, QUIET_BUFFER_BYTES).await?);
    let before = server.resident_bytes()?;
    let sockets = door.open_many(count, QUIET_BUFFER_BYTES).await?;
    let (stop, stopped) = watch::channel(false);
    let mut reading = JoinSet::new();
    for mut socket in sockets {
        let mut stopped = stopped.clone();
        reading.spawn(async move {
            loop {
                tokio::select! {
                    _ = stopped.changed() => return Outcome::Ok(()),
                    heard = socket.hear(|_| ()) => heard?,
                }
            }
        });
    }
    // Until everybody has been told who else is there.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let each = (server.resident_bytes()? - before) / count as f64;
    stop.send_replace(true);
    while let Some(read) = reading.join_next().await {
        read??;
    }
    println!(
        "{:.1} kB each (at most {:.0} kB: {})",
        each / 1e3,
        SOCKET_GOAL_BYTES / 1e3,
        verdict(each <= SOCKET_GOAL_BYTES)
    );
    Ok(())
}

fn verdict(is_reached: bool) -> &'static str {
    if is_reached { "reached" } else { "MISSED" }
}
