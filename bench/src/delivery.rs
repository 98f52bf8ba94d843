//! Delivery: ranges of 1 MB to a student, who has to have the right to each, against nginx, who does not ask.

use crate::http::Connection;
use crate::rounds::Side;
use crate::site::{Noise, Site};
use crate::{Common, Outcome, nginx};
use std::time::{Duration, Instant};

/// The least share of nginx's rate.
const GOAL: f64 = 0.8;

const FILE_BYTES: u64 = 256 << 20;
const RANGE_BYTES: u64 = 1_000_000;

/// Both in turn.
pub fn measure(common: &Common, connections: usize, seconds: u64) -> Outcome {
    let site = Site::start(common, &[])?;
    let upload = site.send_by_tus("film.bin", Noise(FILE_BYTES))?;
    let original = site.originals()?.pop().ok_or("nothing was stored")?;
    let root = original.parent().ok_or("an odd path")?;
    let nginx = nginx::start(site.folder.path(), root)?;
    let path = format!("/media/{upload}/original");
    let sides = [
        (&nginx, "/original", ""),
        (&site.server, path.as_str(), site.student.as_str()),
    ];
    let mut rates = [Side::new("nginx", "MB/s"), Side::new("lyceum", "MB/s")];
    let mut costs = [
        Side::new("nginx, CPU", "ms/GB"),
        Side::new("lyceum, CPU", "ms/GB"),
    ];
    println!(
        "ranges of {RANGE_BYTES} bytes, {connections} connections, {seconds} s a turn, {} rounds",
        common.rounds
    );
    for round in 0..=common.rounds {
        let turns = sides.iter().zip(rates.iter_mut().zip(&mut costs));
        for ((server, path, headers), (rate, cost)) in turns {
            let cpu = server.cpu_seconds()?;
            let began = Instant::now();
            let time = Duration::from_secs(if round == 0 { 1 } else { seconds });
            let bytes = load(&server.address, path, headers, connections, time)?;
            let gigabytes = bytes as f64 / 1e9;
            // The first round warms up.
            if round > 0 {
                rate.push(gigabytes * 1e3 / began.elapsed().as_secs_f64());
                cost.push((server.cpu_seconds()? - cpu) * 1e3 / gigabytes);
            }
        }
    }
    for side in rates.iter().chain(&costs) {
        side.print();
    }
    let [nginx, lyceum] = &rates;
    lyceum.print_ratio(nginx, GOAL);
    Ok(())
}

/// Asks for one range after the other for so long, beginning with that one; answers how many bytes came.
fn read_ranges(
    mut connection: Connection,
    path: &str,
    headers: &str,
    mut at: u64,
    time: Duration,
) -> Outcome<u64> {
    let (began, mut bytes) = (Instant::now(), 0);
    while began.elapsed() < time {
        at = (at + 7) % (FILE_BYTES / RANGE_BYTES);
        let from = at * RANGE_BYTES;
        let to = from + RANGE_BYTES - 1;
        let headers = format!("{headers}Range: bytes={from}-{to}\r\n");
        bytes += connection.ask("GET", path, &headers)?.expect(206)?.size;
    }
    Ok(bytes)
}

/// Asks for ranges on so many connections for so long; answers how many bytes came.
fn load(
    address: &str,
    path: &str,
    headers: &str,
    connections: usize,
    time: Duration,
) -> Outcome<u64> {
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..connections)
            .map(|number| {
                let connection = Connection::open(address);
                scope.spawn(move || {
                    read_ranges(connection?, path, headers, number as u64 * 31, time)
                })
            })
            .collect();
        let mut sum = 0;
        for reader in readers {
            sum += reader.join().map_err(|_| "a reader panicked")??;
        }
        Ok(sum)
    })
}
